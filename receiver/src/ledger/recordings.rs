//! Recordings, as the ledger knows them.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::stage::{Recording, Stage};
use super::{Ledger, LedgerError, parsed, time, unsigned};

impl Ledger {
    /// One recording.
    pub(crate) async fn recording(&self, id: &RecordId) -> Result<Option<Recording>, LedgerError> {
        let row = sqlx::query("SELECT * FROM recordings WHERE record_id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(recording).transpose()
    }

    /// Recordings, latest changed first; `state` is what [`Recording::state`] gives.
    pub(crate) async fn recordings(
        &self,
        state: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Recording>, LedgerError> {
        let rows = sqlx::query(
            "SELECT * FROM recordings
             WHERE ?1 IS NULL OR ?1 = CASE WHEN failed = 1 THEN 'failed'
                 WHEN review IS NOT NULL THEN 'review' ELSE stage END
             ORDER BY updated_at DESC, record_id LIMIT ?2",
        )
        .bind(state)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recording).collect()
    }

    /// Ids of recordings in their order, from the one after this.
    pub(crate) async fn record_ids(
        &self,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<RecordId>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id FROM recordings WHERE record_id > ? ORDER BY record_id LIMIT ?",
        )
        .bind(after.map_or("", RecordId::as_str))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| parsed(row.try_get("record_id")?))
            .collect()
    }

    /// Recordings whose next stage is registration and that do not wait for a human.
    pub(crate) async fn awaiting_registration(&self) -> Result<Vec<RecordId>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id FROM recordings WHERE stage = 'register' AND failed = 0 AND review IS NULL
             ORDER BY created_at",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| parsed(row.try_get("record_id")?))
            .collect()
    }

    /// How many recordings are in each stage; the failed ones count as `failed`.
    pub(crate) async fn recording_counts(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT CASE WHEN failed = 1 THEN 'failed' WHEN review IS NOT NULL THEN 'review' ELSE stage END AS state,
                 COUNT(*) AS n FROM recordings GROUP BY 1",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("state")?, unsigned(row.try_get("n")?))))
            .collect()
    }

    /// Since when the longest waiting package (`import`) and recording of each stage waits; those
    /// that have failed for good wait for a human and do not count.
    pub(crate) async fn longest_waiting(&self) -> Result<Vec<(String, Timestamp)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT 'import' AS stage, MIN(since) AS since FROM packages WHERE status = 'spooled'
             HAVING COUNT(*) > 0
             UNION ALL
             SELECT r.stage, MIN(coalesce((SELECT MAX(f.archived_at) FROM formats f
                 WHERE f.record_id = r.record_id), r.created_at))
             FROM recordings r WHERE r.stage <> 'done' AND r.failed = 0 GROUP BY r.stage",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("stage")?, time(row.try_get("since")?))))
            .collect()
    }
}

pub(super) fn recording(row: &SqliteRow) -> Result<Recording, LedgerError> {
    let done: Option<i64> = row.try_get("progress_done")?;
    let all: Option<i64> = row.try_get("progress_all")?;
    Ok(Recording {
        record_id: parsed(row.try_get("record_id")?)?,
        node: row.try_get("node")?,
        tenant: row.try_get("tenant")?,
        title: row.try_get("title")?,
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(time),
        stage: Stage::parse(row.try_get("stage")?)?,
        failed: row.try_get::<i64, _>("failed")? != 0,
        review: row.try_get("review")?,
        error: row.try_get("error")?,
        attempts: row.try_get("attempts")?,
        next_try: time(row.try_get("next_try")?),
        progress: done
            .zip(all)
            .map(|(done, all)| (unsigned(done), unsigned(all))),
    })
}
