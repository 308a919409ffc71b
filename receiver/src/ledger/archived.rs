//! What the archive holds of each recording: content comes in, and sends the recording through the
//! stages (again) when it is new.

use std::collections::BTreeSet;

use jiff::Timestamp;
use recording::{Digest, PlaybackFormat, RecordId};
use sqlx::Row;

use super::tenants::{self, Hints};
use super::{Ledger, LedgerError, Level, Package, now, parsed, signed, story, time};

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
    /// What it says of whose it is.
    pub(crate) hints: Hints,
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
        let before = sqlx::query(
            "SELECT digest, damaged IS NOT NULL AS damaged FROM formats WHERE record_id = ? AND format = ?",
        )
        .bind(id)
        .bind(format)
        .fetch_optional(&mut *tx)
        .await?;
        let was_damaged = match &before {
            Some(row) => row.try_get("damaged")?,
            None => false,
        };
        let before: Option<String> = before.map(|row| row.try_get("digest")).transpose()?;
        let is_new = before.as_deref() != Some(digest.as_str());
        // Whose it is was decided when it first came; only `recording add-to-tenant` changes that.
        let tenant = tenants::decide(&mut tx, package.node.as_deref(), &found.hints).await?;
        sqlx::query(
            "INSERT INTO recordings (record_id, node, title, started_at, stage, created_at, updated_at, tenant)
             VALUES (?1, ?2, ?3, ?4, 'media', ?5, ?5, ?6)
             ON CONFLICT (record_id) DO UPDATE SET
                 node = coalesce(excluded.node, node), title = coalesce(excluded.title, title),
                 started_at = coalesce(excluded.started_at, started_at), updated_at = excluded.updated_at",
        )
        .bind(id)
        .bind(&package.node)
        .bind(&found.title)
        .bind(found.started_at.map(Timestamp::as_millisecond))
        .bind(now())
        .bind(tenant)
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
                 archived_at = excluded.archived_at, damaged = NULL, damaged_at = NULL",
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
            Some(_) if was_damaged => {
                format!("{format} came again; the archive's copy, which was damaged, is whole")
            }
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

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::testing::{arrive, due, ledger};
    use super::*;
    use recording::protocol::PackageStatus;

    #[tokio::test]
    async fn new_content_starts_over_and_old_content_does_not() {
        let (_dir, ledger) = ledger().await;
        let id: RecordId = "r-1".parse().unwrap();
        let (package, found) = arrive(&ledger, "p1", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        assert_eq!(due(&ledger).await, [(id.clone(), Stage::Media)]);
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
        assert_eq!(due(&ledger).await, [(id.clone(), Stage::Media)]);
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
}
