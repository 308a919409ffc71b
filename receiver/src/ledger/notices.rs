//! What waits for a human, and what people have been told of it.

use std::collections::HashSet;

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, LedgerError, beyond_any_wait, now, parsed, time, unsigned};

/// A recording that waits for a human, and why.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// Why it waits.
    pub(crate) why: String,
    /// When that was noted.
    pub(crate) since: Timestamp,
}

/// A stage that fails again and again for some.
#[derive(Clone, Debug)]
pub(crate) struct Stalled {
    /// The stage; `import` for packages.
    pub(crate) stage: String,
    /// How many wait there.
    pub(crate) count: u64,
    /// Why the latest attempt failed.
    pub(crate) why: String,
}

/// How a channel is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChannelState {
    /// The id of a message that may have been sent, until that is sure.
    pub(crate) message_id: Option<String>,
    /// When the last message was taken.
    pub(crate) sent_at: Option<Timestamp>,
    /// Since when messages have not been taken.
    pub(crate) failing_since: Option<Timestamp>,
    /// Failed attempts since the last success.
    pub(crate) attempts: u32,
    /// When the next attempt is due.
    pub(crate) next_try: Timestamp,
    /// Why the last attempt failed.
    pub(crate) error: Option<String>,
}

impl Ledger {
    /// Recordings that have failed for good.
    pub(crate) async fn failed_for_good(&self) -> Result<Vec<Waiting>, LedgerError> {
        self.waiting(
            "SELECT record_id, coalesce(error, '') AS why, updated_at AS since FROM recordings
             WHERE failed = 1 ORDER BY updated_at DESC",
        )
        .await
    }

    /// Recordings that nobody is found for.
    pub(crate) async fn held_for_review(&self) -> Result<Vec<Waiting>, LedgerError> {
        self.waiting(
            "SELECT record_id, review AS why, updated_at AS since FROM recordings
             WHERE review IS NOT NULL AND failed = 0 ORDER BY updated_at DESC",
        )
        .await
    }

    async fn waiting(&self, select: &'static str) -> Result<Vec<Waiting>, LedgerError> {
        let rows = sqlx::query(select).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Waiting {
                    record_id: parsed(row.try_get("record_id")?)?,
                    why: row.try_get("why")?,
                    since: time(row.try_get("since")?),
                })
            })
            .collect()
    }

    /// The stages in which something has waited since before `before` and fails when it is tried.
    pub(crate) async fn stalled(&self, before: Timestamp) -> Result<Vec<Stalled>, LedgerError> {
        let rows = sqlx::query(
            "SELECT 'import' AS stage, COUNT(*) AS n, MAX(reason) AS why FROM packages
             WHERE status = 'spooled' AND attempts > 0 AND since <= ?1 HAVING COUNT(*) > 0
             UNION ALL
             SELECT stage, COUNT(*), MAX(error) FROM recordings r
             WHERE stage <> 'done' AND failed = 0 AND review IS NULL AND error IS NOT NULL
             AND coalesce((SELECT MAX(f.archived_at) FROM formats f WHERE f.record_id = r.record_id),
                 r.created_at) <= ?1 GROUP BY stage",
        )
        .bind(before.as_millisecond())
        .fetch_all(&self.pool)
        .await?;
        let stalled = |row: &SqliteRow| -> Result<Stalled, LedgerError> {
            let why: Option<String> = row.try_get("why")?;
            Ok(Stalled {
                stage: row.try_get("stage")?,
                count: unsigned(row.try_get("n")?),
                why: why.unwrap_or_default(),
            })
        };
        rows.iter().map(stalled).collect()
    }

    /// How a channel is.
    pub(crate) async fn notice_channel(&self, channel: &str) -> Result<ChannelState, LedgerError> {
        let row = sqlx::query("SELECT * FROM notice_channels WHERE channel = ?")
            .bind(channel)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(ChannelState::default());
        };
        // A try further away than any wait was not set by the present clock.
        let next_try: i64 = row.try_get("next_try")?;
        let next_try = if next_try > beyond_any_wait() {
            0
        } else {
            next_try
        };
        Ok(ChannelState {
            message_id: row.try_get("message_id")?,
            sent_at: row.try_get::<Option<i64>, _>("sent_at")?.map(time),
            failing_since: row.try_get::<Option<i64>, _>("failing_since")?.map(time),
            attempts: row.try_get("attempts")?,
            next_try: time(next_try),
            error: row.try_get("error")?,
        })
    }

    /// What people have been told by a channel. What does not stand any more is forgotten first: if
    /// it comes again, it is news.
    pub(crate) async fn told_by(
        &self,
        channel: &str,
        standing: &HashSet<String>,
    ) -> Result<HashSet<String>, LedgerError> {
        let told: Vec<String> = sqlx::query_scalar("SELECT item FROM notices WHERE channel = ?")
            .bind(channel)
            .fetch_all(&self.pool)
            .await?;
        let (stands, over): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|item| standing.contains(item));
        if !over.is_empty() {
            let mut tx = self.begin().await?;
            for item in &over {
                sqlx::query("DELETE FROM notices WHERE channel = ? AND item = ?")
                    .bind(channel)
                    .bind(item)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        }
        Ok(stands.into_iter().collect())
    }

    /// Commits the id of a message before it is sent.
    pub(crate) async fn begin_notice(&self, channel: &str, id: &str) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO notice_channels (channel, message_id) VALUES (?, ?)
             ON CONFLICT (channel) DO UPDATE SET message_id = excluded.message_id",
        )
        .bind(channel)
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Commits that a message with all of this was taken.
    pub(crate) async fn noticed(&self, channel: &str, items: &[String]) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        for item in items {
            sqlx::query(
                "INSERT INTO notices (channel, item, told_at) VALUES (?, ?, ?)
                 ON CONFLICT (channel, item) DO NOTHING",
            )
            .bind(channel)
            .bind(item)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "UPDATE notice_channels SET message_id = NULL, sent_at = ?, failing_since = NULL,
             attempts = 0, next_try = 0, error = NULL WHERE channel = ?",
        )
        .bind(now())
        .bind(channel)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Commits that a message was not taken, why, and when to try again.
    pub(crate) async fn not_noticed(
        &self,
        channel: &str,
        why: &str,
        until: Timestamp,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE notice_channels SET failing_since = coalesce(failing_since, ?), attempts = attempts + 1,
             next_try = ?, error = ? WHERE channel = ?",
        )
        .bind(now())
        .bind(until.as_millisecond())
        .bind(why)
        .bind(channel)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ledger;
    use super::*;

    #[tokio::test]
    async fn what_was_told_is_forgotten_only_when_it_is_over() {
        let (_dir, ledger) = ledger().await;
        let items: HashSet<String> = ["a".to_owned(), "b".to_owned()].into();
        ledger.begin_notice("mail", "m-1").await.unwrap();
        ledger
            .noticed("mail", &["a".to_owned(), "b".to_owned()])
            .await
            .unwrap();
        assert_eq!(ledger.told_by("mail", &items).await.unwrap(), items);
        assert!(ledger.told_by("webhook", &items).await.unwrap().is_empty());
        let one: HashSet<String> = ["a".to_owned()].into();
        assert_eq!(ledger.told_by("mail", &one).await.unwrap(), one);
        assert_eq!(
            ledger.told_by("mail", &items).await.unwrap(),
            one,
            "b was over and is news when it comes again"
        );
    }

    #[tokio::test]
    async fn an_unsent_message_keeps_its_id_and_says_why() {
        let (_dir, ledger) = ledger().await;
        ledger.begin_notice("mail", "m-1").await.unwrap();
        let later = Timestamp::now() + jiff::SignedDuration::from_mins(1);
        for _ in 0..2 {
            ledger.not_noticed("mail", "refused", later).await.unwrap();
        }
        let state = ledger.notice_channel("mail").await.unwrap();
        assert_eq!(state.message_id.as_deref(), Some("m-1"));
        assert_eq!(
            (state.attempts, state.error.as_deref()),
            (2, Some("refused"))
        );
        assert!(state.failing_since.is_some() && state.sent_at.is_none());
        ledger.noticed("mail", &[]).await.unwrap();
        let state = ledger.notice_channel("mail").await.unwrap();
        assert!(state.error.is_none() && state.message_id.is_none() && state.sent_at.is_some());
    }
}
