//! What a table is like on this server. Pod ships no migrations, so the columns of a site depend
//! on its history, and nothing is written before they have been looked at.

use std::collections::BTreeMap;

use super::{Database, DatabaseError, Dialect, Value};

const LOOKING: &str = "looking at the tables";

/// A table as it is.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    name: &'static str,
    database: String,
    columns: BTreeMap<String, Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    nullable: bool,
    has_default: bool,
    length: Option<usize>,
    charset: Option<String>,
    kind: String,
}

impl Table {
    /// Looks at a table, and makes sure that it has these columns.
    ///
    /// # Errors
    /// The table or a column is missing; the error names it.
    pub(crate) async fn look(
        database: &Database,
        name: &'static str,
        columns: &[&str],
    ) -> Result<Table, DatabaseError> {
        let sql = match database.dialect() {
            Dialect::MySql => {
                "SELECT column_name, is_nullable, column_default IS NOT NULL OR extra LIKE '%auto_increment%',
                    CAST(character_maximum_length AS SIGNED), character_set_name, CAST(data_type AS CHAR(64))
                 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?"
            }
            Dialect::Postgres => {
                "SELECT column_name::text, is_nullable::text,
                    column_default IS NOT NULL OR is_identity = 'YES',
                    character_maximum_length::int, NULL::text, data_type::text
                 FROM information_schema.columns
                 WHERE table_schema = ANY (current_schemas(false)) AND table_name = ?"
            }
        };
        let rows = database.rows(LOOKING, sql, &[Value::Text(name)]).await?;
        let table = Table {
            name,
            database: database.name().to_owned(),
            columns: rows.into_iter().filter_map(column).collect(),
        };
        if table.columns.is_empty() {
            return Err(table.wrong(format!(
                "there is no table {name} that this account may see; check that this is Pod's \
                 database, that the application it belongs to is installed there, and the \
                 account's rights"
            )));
        }
        for column in columns {
            if !table.columns.contains_key(*column) {
                return Err(table.wrong(format!(
                    "the table {name} has no column {column}; this Pod is one that bbb2pod does \
                     not know"
                )));
            }
        }
        Ok(table)
    }

    /// Columns that must be given although nobody here knows them, each with a value that means
    /// nothing.
    ///
    /// # Errors
    /// There is one of a type for which there is no such value.
    pub(crate) fn fillers(
        &self,
        known: &[&str],
    ) -> Result<Vec<(String, &'static str)>, DatabaseError> {
        let must = self.columns.iter().filter(|(name, column)| {
            !column.nullable && !column.has_default && !known.contains(&name.as_str())
        });
        must.map(|(name, column)| {
            let kind = column.kind.as_str();
            let value = match kind {
                "boolean" => "false",
                _ if kind.contains("int") || kind == "decimal" || kind == "numeric" => "0",
                _ if kind.contains("char") || kind.contains("text") => "''",
                _ if kind.starts_with("timestamp") || kind == "datetime" => "CURRENT_TIMESTAMP",
                _ => {
                    return Err(self.wrong(format!(
                        "the column {name} of the table {} has to be given, and bbb2pod does not \
                         know what belongs there",
                        self.name
                    )));
                }
            };
            Ok((name.clone(), value))
        })
        .collect()
    }

    /// How many characters a column holds at most.
    pub(crate) fn length(&self, column: &str) -> Option<usize> {
        self.columns.get(column)?.length
    }

    /// The widest character that a column holds.
    pub(crate) fn widest(&self, column: &str) -> char {
        let charset = self.columns.get(column).and_then(|c| c.charset.as_deref());
        match charset {
            None | Some("utf8mb4" | "utf16" | "utf32") => char::MAX,
            Some("utf8" | "utf8mb3" | "ucs2") => '\u{ffff}',
            // Whatever it is, it has these.
            Some(_) => '\u{7f}',
        }
    }

    fn wrong(&self, why: String) -> DatabaseError {
        DatabaseError::Schema {
            database: self.database.clone(),
            why,
        }
    }
}

fn column(row: super::Row) -> Option<(String, Column)> {
    let mut cells = row.into_iter();
    let mut next = || cells.next().flatten();
    let name = next()?;
    Some((
        name.to_lowercase(),
        Column {
            nullable: next().as_deref() == Some("YES"),
            has_default: next().as_deref() == Some("1"),
            length: next().and_then(|length| length.parse().ok()),
            charset: next().map(|charset| charset.to_lowercase()),
            kind: next().unwrap_or_default().to_lowercase(),
        },
    ))
}
