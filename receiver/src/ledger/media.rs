//! The video of each recording: what it is made from, and what came out.

use recording::{Digest, PlaybackFormat, RecordId};
use sqlx::Row;

use super::progress::step;
use super::{Ledger, LedgerError, Level, Stage, now, parsed, signed, story, unsigned};

/// The video of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    /// The playback format it is made from.
    pub(crate) source_format: PlaybackFormat,
    /// The content digest of that format.
    pub(crate) source_digest: Digest,
    /// Digest, bytes and milliseconds of the MP4, once it is made.
    pub(crate) made: Option<(Digest, u64, u64)>,
    /// What was left out of it.
    pub(crate) warnings: Vec<String>,
}

/// A video that has just been made.
#[derive(Clone, Debug)]
pub(crate) struct NewMedia {
    /// The content digest it was made from.
    pub(crate) source_digest: Digest,
    /// Digest of the MP4.
    pub(crate) sha256: Digest,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// Its duration in milliseconds.
    pub(crate) duration_ms: u64,
    /// What was left out.
    pub(crate) warnings: Vec<String>,
}

impl Ledger {
    /// The video of a recording, if it has been decided on.
    pub(crate) async fn media(&self, id: &RecordId) -> Result<Option<Media>, LedgerError> {
        let row = sqlx::query("SELECT * FROM media WHERE record_id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let sha256: Option<String> = row.try_get("sha256")?;
        let bytes: Option<i64> = row.try_get("bytes")?;
        let duration: Option<i64> = row.try_get("duration_ms")?;
        let warnings: Option<String> = row.try_get("warnings")?;
        let made = match (sha256, bytes, duration) {
            (Some(sha256), Some(bytes), Some(duration)) => {
                Some((parsed(&sha256)?, unsigned(bytes), unsigned(duration)))
            }
            _ => None,
        };
        Ok(Some(Media {
            source_format: parsed(row.try_get("source_format")?)?,
            source_digest: parsed(row.try_get("source_digest")?)?,
            made,
            warnings: warnings
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default(),
        }))
    }

    /// Commits what the video is to be made from, and sends the recording to conversion, or past
    /// it when `next` says that the video can wait until somebody asks for it.
    pub(crate) async fn plan_media(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
        digest: Digest,
        next: Stage,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        if step(&mut tx, id, Stage::Media, next).await? {
            sqlx::query(
                "INSERT INTO media (record_id, source_format, source_digest) VALUES (?, ?, ?)
                 ON CONFLICT (record_id) DO UPDATE SET source_format = excluded.source_format,
                     source_digest = excluded.source_digest, sha256 = NULL, bytes = NULL, duration_ms = NULL,
                     warnings = NULL, made_at = NULL",
            )
            .bind(id.as_str())
            .bind(format.as_str())
            .bind(digest.to_string())
            .execute(&mut *tx)
            .await?;
            let text = match next {
                Stage::Convert => format!("the video is to be made from {format}"),
                _ => format!("the video is to be made from {format} when somebody asks for it"),
            };
            story::tell(&mut *tx, id.as_str(), "media", Level::Info, &text).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Sends a recording that is done without its video to conversion, because somebody asks for
    /// it. Tells whether it was so.
    pub(crate) async fn want_media(&self, id: &RecordId) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let unmade = sqlx::query("SELECT 1 FROM media WHERE record_id = ? AND sha256 IS NULL")
            .bind(id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let wanted = unmade.is_some() && step(&mut tx, id, Stage::Done, Stage::Convert).await?;
        if wanted {
            let text = "somebody asks for the video, so it is made now";
            story::tell(&mut *tx, id.as_str(), "convert", Level::Info, text).await?;
        }
        tx.commit().await?;
        Ok(wanted)
    }

    /// Commits a finished video, and sends the recording to registration. Nothing happens when
    /// new content has come in meanwhile.
    pub(crate) async fn media_made(
        &self,
        id: &RecordId,
        made: &NewMedia,
        text: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        if step(&mut tx, id, Stage::Convert, Stage::Register).await? {
            let warnings = serde_json::to_string(&made.warnings)
                .map_err(|e| LedgerError::Unreadable(e.to_string()))?;
            sqlx::query(
                "UPDATE media SET sha256 = ?, bytes = ?, duration_ms = ?, warnings = ?, made_at = ?
                 WHERE record_id = ? AND source_digest = ?",
            )
            .bind(made.sha256.to_string())
            .bind(signed(made.bytes))
            .bind(signed(made.duration_ms))
            .bind(warnings)
            .bind(now())
            .bind(id.as_str())
            .bind(made.source_digest.to_string())
            .execute(&mut *tx)
            .await?;
            story::tell(&mut *tx, id.as_str(), "convert", Level::Info, text).await?;
            for warning in &made.warnings {
                story::tell(&mut *tx, id.as_str(), "convert", Level::Warning, warning).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}
