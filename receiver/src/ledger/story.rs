//! The story of a recording: what happened, in order, for ever.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::{Executor, Row, Sqlite};

use super::{Ledger, LedgerError, now, time};

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// As it should be.
    Info,
    /// Something was left out or done differently.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// The word used in the ledger and in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Something that happened to a recording.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When.
    pub(crate) at: Timestamp,
    /// In which stage: `upload`, `import`, `media`, `convert`, `register`.
    pub(crate) stage: String,
    /// `info`, `warning` or `error`.
    pub(crate) level: String,
    /// What, in one line.
    pub(crate) text: String,
}

impl Ledger {
    /// The story of a recording, oldest first.
    pub(crate) async fn story(&self, id: &RecordId) -> Result<Vec<Event>, LedgerError> {
        let rows = sqlx::query(
            "SELECT at, stage, level, text FROM events WHERE record_id = ? ORDER BY id",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    at: time(row.try_get("at")?),
                    stage: row.try_get("stage")?,
                    level: row.try_get("level")?,
                    text: row.try_get("text")?,
                })
            })
            .collect()
    }
}

/// Adds to a story within whatever transaction the caller has.
pub(super) async fn tell<'c>(
    executor: impl Executor<'c, Database = Sqlite>,
    record_id: &str,
    stage: &str,
    level: Level,
    text: &str,
) -> Result<(), LedgerError> {
    sqlx::query("INSERT INTO events (record_id, at, stage, level, text) VALUES (?, ?, ?, ?, ?)")
        .bind(record_id)
        .bind(now())
        .bind(stage)
        .bind(level.as_str())
        .bind(text)
        .execute(executor)
        .await?;
    Ok(())
}
