//! The texts of activities, in one Moodle's database.

use crate::database::{Database, DatabaseError, Dialect, Layout, Value};

const LOOKING: &str = "looking for messages";
const READING: &str = "reading the text of an activity";
const WRITING: &str = "writing the text of an activity";
const TRYING: &str = "trying to write the text of an activity";

/// The table of activities of one Moodle.
#[derive(Debug)]
pub(super) struct Activities {
    database: Database,
    /// Its name, with the schema where there are schemas.
    table: String,
}

/// An activity's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) intro: Option<String>,
    /// Moodle's FORMAT_*: 1 is HTML.
    pub(super) format: i64,
}

/// What changing a text came to.
pub(super) enum Change {
    /// To be written.
    Write(String),
    /// To be nothing, not even an empty text.
    Clear,
    /// Nothing to do.
    Leave,
}

impl Activities {
    /// Looks at the table; the schema and the prefix are plain identifiers.
    ///
    /// # Errors
    /// It, or a column, is missing; or the database cannot be reached.
    pub(super) async fn open(
        database: Database,
        schema: &str,
        prefix: &str,
    ) -> Result<Activities, DatabaseError> {
        let name = format!("{prefix}bigbluebuttonbn");
        let layout = Layout::look(&database, schema, std::slice::from_ref(&name)).await?;
        layout
            .has(&name, &["id", "name", "intro", "introformat"])
            .map_err(|why| DatabaseError::Schema {
                database: database.name().to_owned(),
                why,
            })?;
        let table = match database.dialect() {
            Dialect::Postgres => format!("{schema}.{name}"),
            Dialect::MySql => name,
        };
        Ok(Activities { database, table })
    }

    /// Its address, without the password.
    pub(super) fn address(&self) -> &str {
        self.database.name()
    }

    /// Whether a text may be written, tried on none.
    ///
    /// # Errors
    /// As for [`Database::rows`]: it may not, or the database cannot be reached.
    pub(super) async fn try_writing(&self) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin(TRYING).await?;
        let values = [Value::Text(""), Value::Number(-1)];
        transaction.execute(TRYING, &self.update(), &values).await?;
        transaction.undo(TRYING).await
    }

    /// The activities whose text holds this.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(super) async fn holding(&self, part: &str) -> Result<Vec<i64>, DatabaseError> {
        let sql = format!(
            "SELECT id FROM {} WHERE intro LIKE ? ORDER BY id",
            self.table
        );
        let pattern = format!("%{part}%");
        let rows = self
            .database
            .rows(LOOKING, &sql, &[Value::Text(&pattern)])
            .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.into_iter().next()??.parse().ok())
            .collect())
    }

    /// An activity's text; `None` when there is no such activity.
    ///
    /// # Errors
    /// As for [`Database::rows`].
    pub(super) async fn text(&self, activity: i64) -> Result<Option<Text>, DatabaseError> {
        let rows = self
            .database
            .rows(READING, &self.select(""), &[Value::Number(activity)])
            .await?;
        Ok(rows.into_iter().next().and_then(text))
    }

    /// Changes an activity's text in one transaction: what `change` makes of it is written, unless
    /// it fails. Tells whether there is such an activity.
    ///
    /// # Errors
    /// As for [`Database::rows`]; then nothing may have been written.
    pub(super) async fn change(
        &self,
        activity: i64,
        change: impl FnOnce(&Text) -> Change,
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin(WRITING).await?;
        let id = [Value::Number(activity)];
        let rows = transaction
            .rows(WRITING, &self.select(" FOR UPDATE"), &id)
            .await?;
        let now = rows.into_iter().next().and_then(text);
        let there = now.is_some();
        match now.as_ref().map(change) {
            Some(Change::Write(intro)) => {
                let values = [Value::Text(&intro), Value::Number(activity)];
                transaction
                    .execute(WRITING, &self.update(), &values)
                    .await?;
                transaction.commit(WRITING).await?;
            }
            Some(Change::Clear) => {
                let sql = format!("UPDATE {} SET intro = NULL WHERE id = ?", self.table);
                transaction.execute(WRITING, &sql, &id).await?;
                transaction.commit(WRITING).await?;
            }
            Some(Change::Leave) | None => transaction.undo(WRITING).await?,
        }
        Ok(there)
    }

    /// The statement that writes a text.
    pub(super) fn update(&self) -> String {
        format!("UPDATE {} SET intro = ? WHERE id = ?", self.table)
    }

    fn select(&self, more: &str) -> String {
        format!(
            "SELECT name, intro, introformat FROM {} WHERE id = ?{more}",
            self.table
        )
    }
}

fn text(row: Vec<Option<String>>) -> Option<Text> {
    let mut cells = row.into_iter();
    Some(Text {
        name: cells.next()?.unwrap_or_default(),
        intro: cells.next()?,
        format: cells.next()??.parse().ok()?,
    })
}
