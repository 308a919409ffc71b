//! How recordings go from stage to stage: on, again later, or no further without a human.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row;

use super::stage::Stage;
use super::{Ledger, LedgerError, Level, beyond_any_wait, now, owners, parsed, signed, story};

/// A recording that is due for its next stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// The stage.
    pub(crate) stage: Stage,
    /// Whose it is.
    pub(crate) tenant: Option<String>,
}

impl Ledger {
    /// Recordings that are due for their next stage, longest waiting first, and whose they are.
    pub(crate) async fn recordings_due(&self) -> Result<Vec<Due>, LedgerError> {
        // Conversions may wait in thousands; what is quick must not wait behind them. Nor must what
        // is one tenant's wait behind what is another's.
        let rows = sqlx::query(
            "SELECT record_id, stage, tenant FROM (
                 SELECT record_id, stage, tenant, ROW_NUMBER() OVER (
                     PARTITION BY tenant, stage ORDER BY next_try, created_at) AS place
                 FROM recordings WHERE stage IN ('media', 'register') AND failed = 0
                 AND review IS NULL AND (next_try <= ?1 OR next_try > ?2)
                 ORDER BY next_try, created_at) WHERE place <= 500
             UNION ALL SELECT record_id, stage, tenant FROM (
                 SELECT * FROM recordings WHERE stage = 'convert' AND failed = 0
                 AND (next_try <= ?1 OR next_try > ?2) ORDER BY next_try, created_at LIMIT 500)",
        )
        .bind(now())
        .bind(beyond_any_wait())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Due {
                    record_id: parsed(row.try_get("record_id")?)?,
                    stage: Stage::parse(row.try_get("stage")?)?,
                    tenant: row.try_get("tenant")?,
                })
            })
            .collect()
    }

    /// Moves a recording on. Nothing happens when it is no longer in the stage it was in, because
    /// new content has come in meanwhile.
    pub(crate) async fn advance(
        &self,
        id: &RecordId,
        from: Stage,
        to: Stage,
        text: &str,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let moved = step(&mut tx, id, from, to).await?;
        if moved {
            story::tell(&mut *tx, id.as_str(), from.as_str(), Level::Info, text).await?;
        }
        tx.commit().await?;
        Ok(moved)
    }

    /// Notes a failure that may pass, and when to try again.
    pub(crate) async fn postpone(
        &self,
        id: &RecordId,
        stage: Stage,
        until: Timestamp,
        why: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let noted = sqlx::query(
            "UPDATE recordings SET attempts = attempts + 1, next_try = ?, error = ?, updated_at = ?,
             progress_done = NULL, progress_all = NULL WHERE record_id = ? AND stage = ?",
        )
        .bind(until.as_millisecond())
        .bind(why)
        .bind(now())
        .bind(id.as_str())
        .bind(stage.as_str())
        .execute(&mut *tx)
        .await?;
        if noted.rows_affected() > 0 {
            story::tell(
                &mut *tx,
                id.as_str(),
                stage.as_str(),
                Level::Error,
                &format!("{why}; next try {until:.0}"),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes a failure that only a human can mend.
    pub(crate) async fn fail(
        &self,
        id: &RecordId,
        stage: Stage,
        why: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let noted = sqlx::query(
            "UPDATE recordings SET attempts = attempts + 1, failed = 1, error = ?, updated_at = ?,
             progress_done = NULL, progress_all = NULL WHERE record_id = ? AND stage = ?",
        )
        .bind(why)
        .bind(now())
        .bind(id.as_str())
        .bind(stage.as_str())
        .execute(&mut *tx)
        .await?;
        if noted.rows_affected() > 0 {
            story::tell(&mut *tx, id.as_str(), stage.as_str(), Level::Error, why).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes of which kind the failure is that is noted next; in a word for counting.
    pub(crate) async fn note_cause(&self, id: &RecordId, cause: &str) -> Result<(), LedgerError> {
        sqlx::query("UPDATE recordings SET cause = ? WHERE record_id = ?")
            .bind(cause)
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many recordings have failed for good, by stage and cause.
    pub(crate) async fn failed_by_cause(&self) -> Result<Vec<(String, String, u64)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT stage, coalesce(cause, 'unknown') AS cause, COUNT(*) AS n FROM recordings
             WHERE failed = 1 GROUP BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let count = super::unsigned(row.try_get("n")?);
                Ok((row.try_get("stage")?, row.try_get("cause")?, count))
            })
            .collect()
    }

    /// Makes a recording due at once, in its present stage or from an earlier one. Tells whether
    /// there is such a recording.
    pub(crate) async fn retry(
        &self,
        id: &RecordId,
        from: Option<Stage>,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE recordings SET failed = 0, error = NULL, attempts = 0, next_try = 0, updated_at = ?,
             stage = coalesce(?, stage) WHERE record_id = ?",
        )
        .bind(now())
        .bind(from.map(Stage::as_str))
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
        let found = done.rows_affected() > 0;
        if found {
            owners::reconsider(&mut tx, id).await?;
            let what = from.map_or("tried again on request".to_owned(), |s| {
                format!("tried again on request, from {}", s.as_str())
            });
            story::tell(&mut *tx, id.as_str(), "retry", Level::Info, &what).await?;
        }
        tx.commit().await?;
        Ok(found)
    }

    /// Notes how far a running conversion is, in recorded milliseconds.
    pub(crate) async fn progress(
        &self,
        id: &RecordId,
        done: u64,
        all: u64,
    ) -> Result<(), LedgerError> {
        sqlx::query("UPDATE recordings SET progress_done = ?, progress_all = ? WHERE record_id = ? AND stage = 'convert'")
            .bind(signed(done))
            .bind(signed(all))
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Moves a recording from one stage to another if it is still in the former.
pub(super) async fn step(
    tx: &mut sqlx::SqliteConnection,
    id: &RecordId,
    from: Stage,
    to: Stage,
) -> Result<bool, LedgerError> {
    let moved = sqlx::query(
        "UPDATE recordings SET stage = ?, error = NULL, attempts = 0, next_try = 0, updated_at = ?,
         progress_done = NULL, progress_all = NULL WHERE record_id = ? AND stage = ?",
    )
    .bind(to.as_str())
    .bind(now())
    .bind(id.as_str())
    .bind(from.as_str())
    .execute(tx)
    .await?;
    Ok(moved.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{arrive, ledger};
    use super::*;

    #[tokio::test]
    async fn a_stage_that_was_left_meanwhile_is_not_advanced() {
        let (_dir, ledger) = ledger().await;
        let id: RecordId = "r-1".parse().unwrap();
        let (package, found) = arrive(&ledger, "p1", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        assert!(
            !ledger
                .advance(&id, Stage::Convert, Stage::Register, "late")
                .await
                .unwrap()
        );
        ledger.fail(&id, Stage::Convert, "late").await.unwrap();
        assert!(!ledger.recording(&id).await.unwrap().unwrap().failed);
    }

    #[tokio::test]
    async fn failures_wait_and_are_told() {
        let (_dir, ledger) = ledger().await;
        let id: RecordId = "r-1".parse().unwrap();
        let (package, found) = arrive(&ledger, "p1", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        let later = Timestamp::now()
            .checked_add(jiff::SignedDuration::from_hours(1))
            .unwrap();
        ledger
            .postpone(&id, Stage::Media, later, "disk full")
            .await
            .unwrap();
        assert!(ledger.recordings_due().await.unwrap().is_empty());
        assert!(ledger.retry(&id, None).await.unwrap());
        assert_eq!(ledger.recordings_due().await.unwrap().len(), 1);
        let years = later.checked_add(jiff::SignedDuration::from_hours(50_000));
        ledger
            .postpone(&id, Stage::Media, years.unwrap(), "disk full")
            .await
            .unwrap();
        let due = ledger.recordings_due().await.unwrap().len();
        assert_eq!(due, 1, "the clock was put back meanwhile");
        ledger.fail(&id, Stage::Media, "hopeless").await.unwrap();
        assert!(ledger.recordings_due().await.unwrap().is_empty());
        let story: Vec<_> = ledger
            .story(&id)
            .await
            .unwrap()
            .into_iter()
            .map(|e| e.text)
            .collect();
        assert!(
            story.iter().any(|t| t.starts_with("disk full; next try ")),
            "{story:?}"
        );
        assert!(story.contains(&"hopeless".to_owned()) && story.contains(&"odd".to_owned()));
        assert!(
            !ledger
                .retry(&"absent".parse().unwrap(), None)
                .await
                .unwrap()
        );
    }
}
