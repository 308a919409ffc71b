//! Recordings: which stage each is to go through next, and how its last attempt ended.

use std::collections::BTreeSet;

use jiff::Timestamp;
use recording::{Digest, PlaybackFormat, RecordId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::stage::{Recording, Stage};
use super::{
    Ledger, LedgerError, Level, Package, beyond_any_wait, now, owners, parsed, signed, story, time,
    unsigned,
};

/// Most warnings of one import that go into the story.
const MOST_WARNINGS: usize = 20;

/// What an import found in a package.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// The playback format.
    pub(crate) format: PlaybackFormat,
    /// The content digest.
    pub(crate) digest: Digest,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// When BBB published it.
    pub(crate) published_at: Timestamp,
    /// The recording's title.
    pub(crate) title: Option<String>,
    /// When the meeting began.
    pub(crate) started_at: Option<Timestamp>,
    /// What is odd about it.
    pub(crate) warnings: Vec<String>,
}

impl Ledger {
    /// Commits that a package's content is in the archive. Content that was not there before sends
    /// the recording through the stages (again).
    pub(crate) async fn archived(
        &self,
        package: &Package,
        found: &Imported,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (id, format, digest) = (
            found.record_id.as_str(),
            found.format.as_str(),
            found.digest.to_string(),
        );
        let before = sqlx::query("SELECT digest FROM formats WHERE record_id = ? AND format = ?")
            .bind(id)
            .bind(format)
            .fetch_optional(&mut *tx)
            .await?;
        let before: Option<String> = before.map(|row| row.try_get("digest")).transpose()?;
        let is_new = before.as_deref() != Some(digest.as_str());
        sqlx::query(
            "INSERT INTO recordings (record_id, node, title, started_at, stage, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, 'media', ?5, ?5)
             ON CONFLICT (record_id) DO UPDATE SET
                 node = coalesce(excluded.node, node), title = coalesce(excluded.title, title),
                 started_at = coalesce(excluded.started_at, started_at), updated_at = excluded.updated_at",
        )
        .bind(id)
        .bind(&package.node)
        .bind(&found.title)
        .bind(found.started_at.map(Timestamp::as_millisecond))
        .bind(now())
        .execute(&mut *tx)
        .await?;
        if is_new {
            sqlx::query(
                "UPDATE recordings SET stage = 'media', failed = 0, review = NULL, error = NULL, attempts = 0,
                 next_try = 0, progress_done = NULL, progress_all = NULL WHERE record_id = ?",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "INSERT INTO formats (record_id, format, digest, bytes, published_at, archived_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (record_id, format) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes,
                 published_at = CASE WHEN digest = excluded.digest THEN max(published_at, excluded.published_at)
                                     ELSE excluded.published_at END,
                 archived_at = excluded.archived_at",
        )
        .bind(id)
        .bind(format)
        .bind(&digest)
        .bind(signed(found.bytes))
        .bind(found.published_at.as_millisecond())
        .bind(now())
        .execute(&mut *tx)
        .await?;
        settle(&mut tx, package, found, "archived").await?;
        sqlx::query(
            "UPDATE packages SET status = 'superseded', since = ?
             WHERE record_id = ? AND format = ? AND status = 'archived' AND digest <> ?",
        )
        .bind(now())
        .bind(id)
        .bind(format)
        .bind(&digest)
        .execute(&mut *tx)
        .await?;
        let text = match before {
            None => format!("archived {format}, {} bytes, digest {digest}", found.bytes),
            Some(_) if is_new => format!(
                "archived a new version of {format}, {} bytes, digest {digest}",
                found.bytes
            ),
            Some(_) => format!("{format} came again with the content that is archived already"),
        };
        story::tell(&mut *tx, id, "import", Level::Info, &text).await?;
        for warning in found.warnings.iter().take(MOST_WARNINGS) {
            story::tell(&mut *tx, id, "import", Level::Warning, warning).await?;
        }
        if found.warnings.len() > MOST_WARNINGS {
            let more = format!(
                "and {} more like these",
                found.warnings.len() - MOST_WARNINGS
            );
            story::tell(&mut *tx, id, "import", Level::Warning, &more).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Commits that a package holds an older version than the archive, and was kept beside it.
    pub(crate) async fn overtaken(
        &self,
        package: &Package,
        found: &Imported,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        settle(&mut tx, package, found, "superseded").await?;
        let text = format!(
            "{} came with an older time than the version in the archive; it is kept in overtaken/ there",
            found.format
        );
        story::tell(
            &mut *tx,
            found.record_id.as_str(),
            "import",
            Level::Info,
            &text,
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// What the archive holds of a recording: format, digest, and when BBB published it.
    pub(crate) async fn formats(
        &self,
        id: &RecordId,
    ) -> Result<Vec<(PlaybackFormat, Digest, Timestamp)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT format, digest, published_at FROM formats WHERE record_id = ? ORDER BY format",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    parsed(row.try_get("format")?)?,
                    parsed(row.try_get("digest")?)?,
                    time(row.try_get("published_at")?),
                ))
            })
            .collect()
    }

    /// Every recording id and format that the archive holds.
    pub(crate) async fn all_formats(&self) -> Result<BTreeSet<(String, String)>, LedgerError> {
        let rows = sqlx::query("SELECT record_id, format FROM formats")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("record_id")?, row.try_get("format")?)))
            .collect()
    }

    /// Recordings that are due for their next stage, longest waiting first.
    pub(crate) async fn recordings_due(&self) -> Result<Vec<(RecordId, Stage)>, LedgerError> {
        // Conversions may wait in thousands; what is quick must not wait behind them.
        let rows = sqlx::query(
            "SELECT record_id, stage FROM (
                 SELECT * FROM recordings WHERE stage IN ('media', 'register') AND failed = 0
                 AND review IS NULL
                 AND (next_try <= ?1 OR next_try > ?2) ORDER BY next_try, created_at LIMIT 500)
             UNION ALL SELECT record_id, stage FROM (
                 SELECT * FROM recordings WHERE stage = 'convert' AND failed = 0
                 AND (next_try <= ?1 OR next_try > ?2) ORDER BY next_try, created_at LIMIT 500)",
        )
        .bind(now())
        .bind(beyond_any_wait())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    parsed(row.try_get("record_id")?)?,
                    Stage::parse(row.try_get("stage")?)?,
                ))
            })
            .collect()
    }

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

/// Gives a package its final status, and the names that were found in it.
async fn settle(
    tx: &mut sqlx::SqliteConnection,
    package: &Package,
    found: &Imported,
    status: &str,
) -> Result<(), LedgerError> {
    // A format out of a package of several has no row of its own before.
    sqlx::query(
        "INSERT INTO packages (id, file, node, record_id, format, digest, bytes, status, since)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, reason = NULL, since = excluded.since,
             record_id = excluded.record_id, format = excluded.format, digest = excluded.digest,
             node = coalesce(packages.node, excluded.node)",
    )
    .bind(&package.id)
    .bind(&package.file)
    .bind(&package.node)
    .bind(found.record_id.as_str())
    .bind(found.format.as_str())
    .bind(found.digest.to_string())
    .bind(signed(found.bytes))
    .bind(status)
    .bind(now())
    .execute(tx)
    .await?;
    Ok(())
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

fn recording(row: &SqliteRow) -> Result<Recording, LedgerError> {
    let done: Option<i64> = row.try_get("progress_done")?;
    let all: Option<i64> = row.try_get("progress_all")?;
    Ok(Recording {
        record_id: parsed(row.try_get("record_id")?)?,
        node: row.try_get("node")?,
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

#[cfg(test)]
mod tests {
    use super::super::NewPackage;
    use super::super::testing::ledger;
    use super::*;
    use recording::protocol::PackageStatus;

    async fn arrive(
        ledger: &Ledger,
        package_id: &str,
        content: &str,
        published: i64,
    ) -> (Package, Imported) {
        let found = Imported {
            record_id: "r-1".parse().unwrap(),
            format: "presentation".parse().unwrap(),
            digest: Digest::of(content.as_bytes()),
            bytes: 1,
            published_at: Timestamp::from_second(published).unwrap(),
            title: Some("Title".into()),
            started_at: None,
            warnings: vec!["odd".into()],
        };
        let new = NewPackage {
            id: package_id.into(),
            file: format!("{package_id}.tar"),
            node: Some("bbb1".into()),
            record_id: Some(found.record_id.clone()),
            format: Some(found.format.clone()),
            digest: Some(found.digest),
            bytes: 1,
        };
        ledger.add_package(&new).await.unwrap();
        ledger.add_package(&new).await.unwrap();
        (
            ledger.waiting_package(package_id).await.unwrap().unwrap(),
            found,
        )
    }

    #[tokio::test]
    async fn new_content_starts_over_and_old_content_does_not() {
        let (_dir, ledger) = ledger().await;
        let id: RecordId = "r-1".parse().unwrap();
        let (package, found) = arrive(&ledger, "p1", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        assert_eq!(
            ledger.recordings_due().await.unwrap(),
            [(id.clone(), Stage::Media)]
        );
        assert!(
            ledger
                .advance(&id, Stage::Media, Stage::Done, "nothing to do")
                .await
                .unwrap()
        );

        let (package, found) = arrive(&ledger, "p2", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        assert!(
            ledger.recordings_due().await.unwrap().is_empty(),
            "the same content is no news"
        );

        let (package, found) = arrive(&ledger, "p3", "two", 2).await;
        ledger.archived(&package, &found).await.unwrap();
        assert_eq!(
            ledger.recordings_due().await.unwrap(),
            [(id.clone(), Stage::Media)]
        );
        let states: Vec<_> = ledger
            .packages_of(&id, Some("bbb1"))
            .await
            .unwrap()
            .iter()
            .map(|p| p.status)
            .collect();
        assert_eq!(
            states
                .iter()
                .filter(|s| **s == PackageStatus::Archived)
                .count(),
            1
        );
        assert_eq!(
            states
                .iter()
                .filter(|s| **s == PackageStatus::Superseded)
                .count(),
            2
        );
        assert!(
            ledger
                .packages_of(&id, Some("another"))
                .await
                .unwrap()
                .is_empty()
        );
    }

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
