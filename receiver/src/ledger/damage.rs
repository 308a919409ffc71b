//! Formats whose copy in the archive was found damaged or lost, until they come again.

use jiff::Timestamp;
use recording::{Digest, PlaybackFormat, RecordId};
use sqlx::Row;

use super::{Ledger, LedgerError, Level, now, parsed, story, time};

/// A copy in the archive that is not what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// The playback format.
    pub(crate) format: PlaybackFormat,
    /// What is wrong, in one line.
    pub(crate) why: String,
    /// When it was found.
    pub(crate) since: Timestamp,
}

impl Ledger {
    /// Notes what is wrong with the archive's copy of a content, which is confirmed to nobody from
    /// then on. The story tells it once. Another content that has come meanwhile is not touched.
    pub(crate) async fn note_damaged(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
        digest: &Digest,
        why: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let noted = sqlx::query(
            "UPDATE formats SET damaged = ?, damaged_at = ?
             WHERE record_id = ? AND format = ? AND digest = ? AND damaged IS NULL",
        )
        .bind(why)
        .bind(now())
        .bind(id.as_str())
        .bind(format.as_str())
        .bind(digest.to_string())
        .execute(&mut *tx)
        .await?;
        if noted.rows_affected() > 0 {
            let text = format!(
                "the archive's copy of {format} is damaged or lost: {why}; it is no longer confirmed and has to be sent again"
            );
            story::tell(&mut *tx, id.as_str(), "archive", Level::Error, &text).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes that every byte of a copy was read and is as it came, if it was said to be damaged.
    pub(crate) async fn note_whole(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
        digest: &Digest,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let noted = sqlx::query(
            "UPDATE formats SET damaged = NULL, damaged_at = NULL
             WHERE record_id = ? AND format = ? AND digest = ? AND damaged IS NOT NULL",
        )
        .bind(id.as_str())
        .bind(format.as_str())
        .bind(digest.to_string())
        .execute(&mut *tx)
        .await?;
        if noted.rows_affected() > 0 {
            let text = format!("the archive's copy of {format} is whole again");
            story::tell(&mut *tx, id.as_str(), "archive", Level::Info, &text).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Every copy that is known to be damaged, by recording and format; of one recording alone if
    /// it is given.
    pub(crate) async fn damages(&self, id: Option<&RecordId>) -> Result<Vec<Damage>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id, format, damaged, damaged_at FROM formats
             WHERE damaged IS NOT NULL AND (?1 IS NULL OR record_id = ?1) ORDER BY record_id, format",
        )
        .bind(id.map(RecordId::as_str))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Damage {
                    record_id: parsed(row.try_get("record_id")?)?,
                    format: parsed(row.try_get("format")?)?,
                    why: row.try_get("damaged")?,
                    since: time(row.try_get("damaged_at")?),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{arrive, ledger};
    use super::*;
    use recording::protocol::{PackageName, PackageStatus};

    #[tokio::test]
    async fn what_is_damaged_is_confirmed_to_nobody_until_it_comes_again() {
        let (_dir, ledger) = ledger().await;
        let (package, found) = arrive(&ledger, "p1", "one", 1).await;
        ledger.archived(&package, &found).await.unwrap();
        let (id, format, digest) = (&found.record_id, &found.format, &found.digest);
        let name = PackageName {
            record_id: id.clone(),
            format: format.clone(),
            digest: *digest,
        };
        let statuses = async || {
            let known = ledger.known_packages(std::slice::from_ref(&name)).await;
            let of = ledger.packages_of(id, Some("bbb1")).await.unwrap();
            let listed = ledger.recordings_of_node("bbb1", ("", ""), 9).await;
            [
                known.unwrap()[0].unwrap(),
                of[0].status,
                listed.unwrap()[0].status,
            ]
        };
        // A content that is not there any more is not noted.
        let other = Digest::of(b"another");
        ledger.note_damaged(id, format, &other, "x").await.unwrap();
        assert_eq!(statuses().await, [PackageStatus::Archived; 3]);
        for why in ["a.png is gone", "b.png is gone"] {
            ledger.note_damaged(id, format, digest, why).await.unwrap();
        }
        assert_eq!(statuses().await, [PackageStatus::Damaged; 3]);
        let of = ledger.packages_of(id, None).await.unwrap();
        assert_eq!(of[0].reason.as_deref(), Some("a.png is gone"));
        assert_eq!(ledger.damages(None).await.unwrap()[0].why, "a.png is gone");
        let told = ledger.story(id).await.unwrap();
        let told = told.iter().filter(|e| e.text.contains("damaged or lost"));
        assert_eq!(told.count(), 1, "once");

        let (package, found) = arrive(&ledger, "p2", "one", 1).await;
        let on_its_way = statuses().await;
        assert_eq!(on_its_way[..2], [PackageStatus::Spooled; 2]);
        ledger.archived(&package, &found).await.unwrap();
        assert_eq!(statuses().await, [PackageStatus::Archived; 3]);
        assert!(ledger.damages(Some(id)).await.unwrap().is_empty());

        ledger.note_damaged(id, format, digest, "x").await.unwrap();
        ledger.note_whole(id, format, digest).await.unwrap();
        assert_eq!(statuses().await, [PackageStatus::Archived; 3]);
    }
}
