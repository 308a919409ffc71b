//! Which tables and columns a foreign database lets the account see.

use std::collections::{BTreeMap, BTreeSet};

use super::{Database, DatabaseError, Dialect, Value};

/// Tables, each with its columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    tables: BTreeMap<String, BTreeSet<String>>,
}

impl Layout {
    /// Looks at these tables of a schema. Both servers show an account only what it may read.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(crate) async fn look(
        database: &Database,
        schema: &str,
        tables: &[String],
    ) -> Result<Layout, DatabaseError> {
        let marks = marks(tables.len());
        let (cast, condition) = match database.dialect() {
            Dialect::MySql => ("CHAR(64)", "table_schema = DATABASE()"),
            Dialect::Postgres => ("text", "table_schema = ?"),
        };
        let sql = format!(
            "SELECT CAST(table_name AS {cast}), CAST(column_name AS {cast})
             FROM information_schema.columns WHERE {condition} AND table_name IN ({marks})"
        );
        let mut values: Vec<Value<'_>> = Vec::new();
        if database.dialect() == Dialect::Postgres {
            values.push(Value::Text(schema));
        }
        values.extend(tables.iter().map(|table| Value::Text(table)));
        let rows = database
            .rows("looking at the tables", &sql, &values)
            .await?;
        let mut layout = Layout::default();
        for row in rows {
            if let [Some(table), Some(column)] = &row[..] {
                let columns = layout.tables.entry(table.to_lowercase()).or_default();
                columns.insert(column.to_lowercase());
            }
        }
        Ok(layout)
    }

    /// Whether a table has these columns.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn has(&self, table: &str, columns: &[&str]) -> Result<(), String> {
        let Some(known) = self.tables.get(&table.to_lowercase()) else {
            return Err(format!(
                "there is no table {table} that this account may read; check the prefix and the schema, or: GRANT SELECT ON {table}"
            ));
        };
        match columns.iter().find(|column| !known.contains(**column)) {
            None => Ok(()),
            Some(missing) => Err(format!(
                "the table {table} has no column {missing} that this account may read"
            )),
        }
    }
}

/// So many question marks with commas between.
pub(crate) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}
