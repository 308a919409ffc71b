//! What can go wrong with another system's database.

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
    /// It does not let this account in, or not do this.
    #[error("{doing}: {database} refuses: {said}; {advice}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// Its address, without the password.
        database: String,
        /// What it said.
        said: String,
        /// What to change.
        advice: &'static str,
    },
    /// It has no such table or column, or something is not as it should be there.
    #[error("{database}: {why}")]
    Schema {
        /// Its address, without the password.
        database: String,
        /// What is missing.
        why: String,
    },
    /// It has no such table.
    #[error("{doing}: {database} has no such table: {said}")]
    NoTable {
        /// What was being done.
        doing: &'static str,
        /// Its address, without the password.
        database: String,
        /// What it said.
        said: String,
    },
    /// No connection, or a lost one. What was asked for may have been done.
    #[error("{doing}: {database} cannot be reached: {why}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// Its address, without the password.
        database: String,
        /// What the network said.
        why: String,
    },
    /// A statement failed.
    #[error("{doing}: {database} failed: {said}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// Its address, without the password.
        database: String,
        /// What it said.
        said: String,
    },
}

const PASSWORD: &str =
    "check the account in its url and the password there or in its password_file";
const NAME: &str = "check the name of the database in its url";
const RIGHTS: &str = "grant the account that right";

impl DatabaseError {
    /// Whether the account is let in, but may not see or do something.
    pub(crate) fn is_about_rights(&self) -> bool {
        match self {
            DatabaseError::Schema { .. } | DatabaseError::NoTable { .. } => true,
            DatabaseError::Refused { advice, .. } => *advice == RIGHTS,
            _ => false,
        }
    }

    /// What a driver's error means.
    pub(super) fn of(doing: &'static str, database: &str, error: sqlx::Error) -> DatabaseError {
        let database = database.to_owned();
        let unreachable = |why: String| DatabaseError::Unreachable {
            doing,
            database: database.clone(),
            why,
        };
        match &error {
            sqlx::Error::Database(said) => {
                let text = said.message().replace('\n', " ");
                let number = said
                    .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                    .map(sqlx::mysql::MySqlDatabaseError::number);
                let code = said.code().unwrap_or_default().into_owned();
                let advice = match (number, code.as_str()) {
                    (Some(1045 | 1698), _) | (None, "28P01" | "28000") => Some(PASSWORD),
                    (Some(1049), _) | (None, "3D000") => Some(NAME),
                    (Some(1044 | 1142 | 1143 | 1227), _) | (None, "42501") => Some(RIGHTS),
                    _ => None,
                };
                match advice {
                    Some(advice) => DatabaseError::Refused {
                        doing,
                        database,
                        said: text,
                        advice,
                    },
                    // Too many connections, starting up, shutting down, and being killed.
                    None if matches!(number, Some(1040 | 1053 | 1203 | 1927))
                        || code.starts_with("53")
                        || code.starts_with("57P") =>
                    {
                        unreachable(text)
                    }
                    None if number == Some(1146) || code == "42P01" => DatabaseError::NoTable {
                        doing,
                        database,
                        said: text,
                    },
                    None => DatabaseError::Failed {
                        doing,
                        database,
                        said: text,
                    },
                }
            }
            sqlx::Error::PoolTimedOut => unreachable("no connection within five seconds".into()),
            sqlx::Error::Io(e) => unreachable(e.to_string()),
            sqlx::Error::Tls(e) => unreachable(e.to_string()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => unreachable(error.to_string()),
            sqlx::Error::Protocol(why) => unreachable(why.clone()),
            _ => DatabaseError::Failed {
                doing,
                database,
                said: error.to_string(),
            },
        }
    }
}
