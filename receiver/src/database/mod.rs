//! The database of another system, MariaDB/MySQL or PostgreSQL, spoken to in statements that both
//! understand.
//!
//! Statements are written with `?` for every value and get their values bound, never pasted in.
//! Whole numbers, texts and truths come back as text. The pool connects when it is first used, so
//! that a database which is down delays work and prevents none.

mod error;
mod layout;
mod schema;
mod statement;

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use recording::settings;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, MySql, MySqlPool, PgPool, Postgres};
use url::Url;

pub(crate) use error::DatabaseError;
pub(crate) use layout::{Layout, marks};
pub(crate) use schema::Table;
pub(crate) use statement::{Row, Value, shown};

/// Connections at the same time.
const CONNECTIONS: u32 = 4;
/// How long getting one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a lock is waited for, in seconds.
const LOCK_WAIT: i64 = 20;
/// Of the lock in PostgreSQL, where it is a number: "bbb2pod".
const LOCK: i64 = 0x0062_6262_3270_6f64;

/// Where a database is, and who asks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseConfig {
    /// `mysql://account@host:3306/name` or `postgres://account@host:5432/name`.
    pub(crate) url: String,
    /// File with the account's password, and nothing else.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
}

/// Which words a database understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// MariaDB and MySQL.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// A database.
#[derive(Debug)]
pub(crate) struct Database {
    pool: Pool,
    name: String,
    asked: AtomicU64,
}

#[derive(Debug)]
enum Pool {
    MySql(MySqlPool),
    Postgres(PgPool),
}

/// Statements that count together or not at all. Dropped without [`Transaction::commit`] it
/// leaves nothing.
pub(crate) struct Transaction<'d> {
    database: &'d Database,
    connection: Connection,
    /// Whether it has taken [`Transaction::lock`].
    locked: bool,
    /// Whether the server has said that it is over.
    ended: bool,
}

enum Connection {
    MySql(PoolConnection<MySql>),
    Postgres(PoolConnection<Postgres>),
}

impl Connection {
    /// Runs a statement of this module.
    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Connection::MySql(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop),
            Connection::Postgres(connection) => {
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
        }
    }
}

impl Drop for Transaction<'_> {
    /// Broken off in the middle of whatever it was, its connection ends with it: in the pool it
    /// could keep the lock, or locks on rows, for as long as nobody takes it.
    fn drop(&mut self) {
        if !self.ended {
            match &mut self.connection {
                Connection::MySql(connection) => connection.close_on_drop(),
                Connection::Postgres(connection) => connection.close_on_drop(),
            }
        }
    }
}

impl DatabaseConfig {
    /// The address without a password.
    fn parsed(&self) -> Result<(Url, Dialect), String> {
        const LIKE: &str =
            "write it like mysql://account@host/name or postgres://account@host/name";
        let url = Url::parse(&self.url).map_err(|e| format!("{e}; {LIKE}"))?;
        let dialect = match url.scheme() {
            "mysql" | "mariadb" => Dialect::MySql,
            "postgres" | "postgresql" => Dialect::Postgres,
            other => return Err(format!("{other}:// is no database that is known; {LIKE}")),
        };
        if url.path().trim_matches('/').is_empty() {
            return Err(format!("the name of the database is missing; {LIKE}"));
        }
        Ok((url, dialect))
    }

    /// Checks the form of the address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.parsed().map(|_| ())
    }
}

impl Database {
    /// A database that is connected to when it is first asked.
    ///
    /// # Errors
    /// The address makes no sense, or the password file cannot be read.
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Database, DatabaseError> {
        let settings = |why: String| DatabaseError::Settings(why);
        let (mut url, dialect) = config.parsed().map_err(settings)?;
        // The drivers know each one name of their scheme.
        if url.scheme() == "mariadb" {
            url = Url::parse(&config.url.replacen("mariadb", "mysql", 1))
                .map_err(|e| settings(e.to_string()))?;
        }
        let mut bare = url.clone();
        // Both fail only for addresses without a host, which have none.
        let _ = bare.set_password(None);
        bare.set_query(None);
        let password = config
            .password_file
            .as_deref()
            .map(settings::secret)
            .transpose()
            .map_err(settings)?;
        let wrong = |e: sqlx::Error| settings(e.to_string());
        let pool = match dialect {
            Dialect::MySql => {
                let mut options = MySqlConnectOptions::from_str(url.as_str()).map_err(wrong)?;
                if let Some(password) = &password {
                    options = options.password(password);
                }
                let options = options.charset("utf8mb4");
                Pool::MySql(
                    MySqlPoolOptions::new()
                        .max_connections(CONNECTIONS)
                        .acquire_timeout(PATIENCE)
                        .connect_lazy_with(options),
                )
            }
            Dialect::Postgres => {
                let mut options = PgConnectOptions::from_str(url.as_str()).map_err(wrong)?;
                if let Some(password) = &password {
                    options = options.password(password);
                }
                let options = options
                    .application_name("bbb2pod")
                    .options([("timezone", "UTC")]);
                Pool::Postgres(
                    PgPoolOptions::new()
                        .max_connections(CONNECTIONS)
                        .acquire_timeout(PATIENCE)
                        .connect_lazy_with(options),
                )
            }
        };
        Ok(Database {
            pool,
            name: bare.to_string(),
            asked: AtomicU64::new(0),
        })
    }

    /// Its address, without the password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which words it understands.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.pool {
            Pool::MySql(_) => Dialect::MySql,
            Pool::Postgres(_) => Dialect::Postgres,
        }
    }

    /// How many statements it has been sent so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Reads rows.
    ///
    /// # Errors
    /// It cannot be reached, or does not do it; `doing` says what was being done.
    pub(crate) async fn rows(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let rows = async {
            match &self.pool {
                Pool::MySql(pool) => {
                    statement::mysql_rows(&mut *pool.acquire().await?, sql, values).await
                }
                Pool::Postgres(pool) => {
                    statement::postgres_rows(&mut *pool.acquire().await?, sql, values).await
                }
            }
        };
        self.within(doing, rows).await
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(crate) async fn begin(
        &self,
        doing: &'static str,
    ) -> Result<Transaction<'_>, DatabaseError> {
        let begun = async {
            let connection = match &self.pool {
                Pool::MySql(pool) => Connection::MySql(pool.acquire().await?),
                Pool::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            };
            let mut transaction = Transaction {
                database: self,
                connection,
                locked: false,
                ended: false,
            };
            transaction.connection.run("START TRANSACTION").await?;
            Ok(transaction)
        };
        self.within(doing, begun).await
    }

    /// Waits for an answer, but not for ever: a connection may be dead without anybody saying so.
    async fn within<T>(
        &self,
        doing: &'static str,
        asking: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, DatabaseError> {
        // What asks is large, and everything that waits for it would be as large again.
        match tokio::time::timeout(ANSWER, Box::pin(asking)).await {
            Ok(answer) => answer.map_err(|error| DatabaseError::of(doing, &self.name, error)),
            Err(_) => Err(DatabaseError::Unreachable {
                doing,
                database: self.name.clone(),
                why: format!("no answer within {} seconds", ANSWER.as_secs()),
            }),
        }
    }
}

impl Transaction<'_> {
    /// Reads rows.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(crate) async fn rows(
        &mut self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.database.asked.fetch_add(1, Ordering::Relaxed);
        let connection = &mut self.connection;
        let rows = async {
            match connection {
                Connection::MySql(on) => statement::mysql_rows(on, sql, values).await,
                Connection::Postgres(on) => statement::postgres_rows(on, sql, values).await,
            }
        };
        self.database.within(doing, rows).await
    }

    /// Changes rows; gives how many.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(crate) async fn execute(
        &mut self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<u64, DatabaseError> {
        self.database.asked.fetch_add(1, Ordering::Relaxed);
        let connection = &mut self.connection;
        let changed = async {
            match connection {
                Connection::MySql(on) => statement::mysql_execute(on, sql, values).await,
                Connection::Postgres(on) => statement::postgres_execute(on, sql, values).await,
            }
        };
        self.database.within(doing, changed).await
    }

    /// Keeps everybody else who asks for this lock waiting until this transaction has ended, also
    /// when it ends because this process was killed. Tells whether it was to be had in time.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(crate) async fn lock(&mut self, doing: &'static str) -> Result<bool, DatabaseError> {
        let rows = match self.database.dialect() {
            Dialect::Postgres => {
                let sql = format!("SELECT pg_advisory_xact_lock({LOCK})::text");
                return self.rows(doing, &sql, &[]).await.map(|_| true);
            }
            Dialect::MySql => {
                self.locked = true;
                let wait = Value::Number(LOCK_WAIT);
                self.rows(doing, "SELECT GET_LOCK('bbb2pod', ?)", &[wait])
                    .await?
            }
        };
        Ok(rows.first().and_then(|row| row.first()) == Some(&Some("1".to_owned())))
    }

    /// Makes it count.
    ///
    /// # Errors
    /// As for [`Database::rows`]; then it may count or not.
    pub(crate) async fn commit(self, doing: &'static str) -> Result<(), DatabaseError> {
        self.end(doing, "COMMIT").await
    }

    /// Undoes it.
    ///
    /// # Errors
    /// As for [`Database::rows`]; then it is undone when the connection ends.
    pub(crate) async fn undo(self, doing: &'static str) -> Result<(), DatabaseError> {
        self.end(doing, "ROLLBACK").await
    }

    async fn end(mut self, doing: &'static str, how: &'static str) -> Result<(), DatabaseError> {
        let done = self.connection.run(how);
        self.database.within(doing, done).await?;
        // In MariaDB the lock belongs to the connection and outlives the transaction. Where it
        // cannot be given back, the connection is given up, and what is done is done.
        let free = async {
            match self.locked {
                true => self.connection.run("DO RELEASE_LOCK('bbb2pod')").await,
                false => Ok(()),
            }
        };
        self.ended = self.database.within(doing, free).await.is_ok();
        Ok(())
    }
}
