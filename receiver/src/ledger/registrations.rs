//! What exists in Pod, and how far its making has come.

use jiff::Timestamp;
use recording::{Digest, RecordId};
use sqlx::Row;

use super::progress::step;
use super::{Ledger, LedgerError, Level, Stage, parsed, story, time, unsigned};

/// Something that exists in Pod for a recording.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    /// Where: the destination's name.
    pub(crate) destination: String,
    /// `claim` or `video`.
    pub(crate) kind: String,
    /// The file's name or the video's id.
    pub(crate) reference: String,
    /// Where people see it.
    pub(crate) url: Option<String>,
    /// Digest of the media it was made from.
    pub(crate) media_digest: Digest,
    /// When.
    pub(crate) registered_at: Timestamp,
    /// When Pod is to be asked how far it is with it.
    pub(crate) look_again: Option<Timestamp>,
    /// What is wrong with it in Pod.
    pub(crate) trouble: Option<String>,
}

/// Where a tenant's recordings are registered: what the destination is called, and whose it is. A
/// recording in two tenants' Pods has a registration in each.
pub(crate) fn place(destination: &str, tenant: Option<&str>) -> String {
    match tenant {
        None => destination.to_owned(),
        Some(tenant) => format!("{destination}@{tenant}"),
    }
}

/// The tenant of such a place; names of destinations have no `@`.
fn tenant_at(place: &str) -> Option<&str> {
    place.split_once('@').map(|(_, tenant)| tenant)
}

impl Ledger {
    /// Whether something exists in Pod for a recording.
    pub(crate) async fn is_registered(&self, id: &RecordId) -> Result<bool, LedgerError> {
        let row =
            sqlx::query("SELECT 1 FROM registrations WHERE record_id = ? AND kind IS NOT NULL")
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.is_some())
    }

    /// How far a registration has come, in the destination's own words.
    pub(crate) async fn registration_progress(
        &self,
        id: &RecordId,
        destination: &str,
    ) -> Result<Option<serde_json::Value>, LedgerError> {
        let row = sqlx::query(
            "SELECT progress FROM registrations WHERE record_id = ? AND destination = ?",
        )
        .bind(id.as_str())
        .bind(destination)
        .fetch_optional(&self.pool)
        .await?;
        let json: Option<String> = row
            .map(|row| row.try_get("progress"))
            .transpose()?
            .flatten();
        json.map(|json| {
            serde_json::from_str(&json).map_err(|e| LedgerError::Unreadable(e.to_string()))
        })
        .transpose()
    }

    /// Commits how far a registration has come, before the next thing is done in Pod.
    pub(crate) async fn save_registration_progress(
        &self,
        id: &RecordId,
        destination: &str,
        progress: &serde_json::Value,
    ) -> Result<(), LedgerError> {
        // Whoever moves a recording to another tenant looks for this row; so either it is here
        // before, or the recording is not this tenant's any more and nothing must be made.
        let done = sqlx::query(
            "INSERT INTO registrations (record_id, destination, progress)
             SELECT record_id, ?2, ?3 FROM recordings WHERE record_id = ?1 AND tenant IS ?4
             ON CONFLICT (record_id, destination) DO UPDATE SET progress = excluded.progress",
        )
        .bind(id.as_str())
        .bind(destination)
        .bind(progress.to_string())
        .bind(tenant_at(destination))
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(LedgerError::Moved),
            _ => Ok(()),
        }
    }

    /// Commits a registration; the recording is done with it. The notes go into its story. Gives
    /// whether this was not known before.
    pub(crate) async fn registered(
        &self,
        id: &RecordId,
        registered: &Registered,
        notes: &[String],
    ) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let known = sqlx::query(
            "SELECT 1 FROM registrations WHERE record_id = ? AND destination = ? AND kind = ? AND reference = ?
             AND media_digest = ?",
        )
        .bind(id.as_str())
        .bind(&registered.destination)
        .bind(&registered.kind)
        .bind(&registered.reference)
        .bind(registered.media_digest.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO registrations (record_id, destination, kind, reference, url, media_digest, registered_at,
                 look_again, trouble)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (record_id, destination) DO UPDATE SET kind = excluded.kind, reference = excluded.reference,
                 url = excluded.url, media_digest = excluded.media_digest, look_again = excluded.look_again,
                 trouble = excluded.trouble,
                 registered_at = CASE WHEN kind IS excluded.kind AND reference IS excluded.reference
                     AND media_digest IS excluded.media_digest THEN registered_at ELSE excluded.registered_at END",
        )
        .bind(id.as_str())
        .bind(&registered.destination)
        .bind(&registered.kind)
        .bind(&registered.reference)
        .bind(&registered.url)
        .bind(registered.media_digest.to_string())
        .bind(registered.registered_at.as_millisecond())
        .bind(registered.look_again.map(Timestamp::as_millisecond))
        .bind(&registered.trouble)
        .execute(&mut *tx)
        .await?;
        let tenant: Option<String> =
            sqlx::query_scalar("SELECT tenant FROM recordings WHERE record_id = ?")
                .bind(id.as_str())
                .fetch_one(&mut *tx)
                .await?;
        if tenant.as_deref() == tenant_at(&registered.destination) {
            step(&mut tx, id, Stage::Register, Stage::Done).await?;
        }
        if known.is_none() {
            let url = registered
                .url
                .as_ref()
                .map(|url| format!(", {url}"))
                .unwrap_or_default();
            let text = format!(
                "registered as {} {}{url}",
                registered.kind, registered.reference
            );
            story::tell(&mut *tx, id.as_str(), "register", Level::Info, &text).await?;
        }
        for note in notes {
            story::tell(&mut *tx, id.as_str(), "register", Level::Warning, note).await?;
        }
        tx.commit().await?;
        Ok(known.is_none())
    }

    /// Recordings that are done and of which Pod is to be asked now how far it is.
    pub(crate) async fn looks_due(&self) -> Result<Vec<(RecordId, Option<String>)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id, tenant FROM (
                 SELECT record_id, tenant, look_again, ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY look_again) AS place
                 FROM registrations JOIN recordings USING (record_id)
                 WHERE look_again <= ? AND stage = 'done' AND failed = 0)
             WHERE place <= 1000 GROUP BY record_id ORDER BY look_again",
        )
        .bind(super::now())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((parsed(row.try_get("record_id")?)?, row.try_get("tenant")?)))
            .collect()
    }

    /// How many other recordings have something at a JSON path of their progress there.
    pub(crate) async fn others_at(
        &self,
        id: &RecordId,
        destination: &str,
        path: &str,
    ) -> Result<u64, LedgerError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM registrations
             WHERE destination = ? AND record_id <> ? AND json_type(progress, ?) IS NOT NULL",
        )
        .bind(destination)
        .bind(id.as_str())
        .bind(path)
        .fetch_one(&self.pool)
        .await?;
        Ok(unsigned(row.try_get("n")?))
    }

    /// What is wrong in Pod: the recording and what to tell people.
    pub(crate) async fn troubles(&self) -> Result<Vec<(RecordId, String)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id, trouble FROM registrations WHERE trouble IS NOT NULL ORDER BY record_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((parsed(row.try_get("record_id")?)?, row.try_get("trouble")?)))
            .collect()
    }

    /// Puts off, or gives up, asking any Pod how far it is.
    pub(crate) async fn look_nowhere(
        &self,
        id: &RecordId,
        at: Option<Timestamp>,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE registrations SET look_again = ? WHERE record_id = ? AND look_again IS NOT NULL",
        )
        .bind(at.map(Timestamp::as_millisecond))
        .bind(id.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Puts off, or gives up, asking Pod how far it is.
    pub(crate) async fn look_at(
        &self,
        id: &RecordId,
        destination: &str,
        at: Option<Timestamp>,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE registrations SET look_again = ? WHERE record_id = ? AND destination = ?",
        )
        .bind(at.map(Timestamp::as_millisecond))
        .bind(id.as_str())
        .bind(destination)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What exists in Pod for a recording.
    pub(crate) async fn registrations(
        &self,
        id: &RecordId,
    ) -> Result<Vec<Registered>, LedgerError> {
        let rows = sqlx::query(
            "SELECT destination, kind, reference, url, media_digest, registered_at, look_again, trouble FROM registrations
             WHERE record_id = ? AND kind IS NOT NULL ORDER BY registered_at",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Registered {
                    destination: row.try_get("destination")?,
                    kind: row.try_get("kind")?,
                    reference: row.try_get("reference")?,
                    url: row.try_get("url")?,
                    media_digest: parsed(row.try_get("media_digest")?)?,
                    registered_at: time(row.try_get("registered_at")?),
                    look_again: row.try_get::<Option<i64>, _>("look_again")?.map(time),
                    trouble: row.try_get("trouble")?,
                })
            })
            .collect()
    }
}
