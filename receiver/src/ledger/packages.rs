//! Packages that came in: waiting in the spool, archived, rejected, or overtaken by a later one.

use jiff::Timestamp;
use recording::protocol::{PackageState, PackageStatus};
use recording::{Digest, PlaybackFormat, RecordId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, LedgerError, Level, beyond_any_wait, now, parsed, signed, story, time};

/// A package as it comes in, described by what the sender announced.
#[derive(Clone, Debug)]
pub(crate) struct NewPackage {
    /// The upload's id, or the file's name for a dropped one.
    pub(crate) id: String,
    /// Its name in the spool.
    pub(crate) file: String,
    /// Who sent it; `None` for a dropped file.
    pub(crate) node: Option<String>,
    /// The recording, if the name tells.
    pub(crate) record_id: Option<RecordId>,
    /// The playback format, if the name tells.
    pub(crate) format: Option<PlaybackFormat>,
    /// The content digest announced.
    pub(crate) digest: Option<Digest>,
    /// Length of the tar.
    pub(crate) bytes: u64,
}

/// A package that waits for import.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The upload's id, or the file's name for a dropped one.
    pub(crate) id: String,
    /// Its name in the spool.
    pub(crate) file: String,
    /// Who sent it.
    pub(crate) node: Option<String>,
    /// The recording, if it was announced.
    pub(crate) record_id: Option<RecordId>,
    /// The content digest, if it was announced.
    pub(crate) digest: Option<Digest>,
    /// How often import has failed.
    pub(crate) attempts: u32,
}

/// A package whose content is not in the archive.
#[derive(Clone, Debug)]
pub(crate) struct OpenPackage {
    /// The upload's id, or one given when it was dropped.
    pub(crate) id: String,
    /// Its name in the spool.
    pub(crate) file: String,
    /// The recording, if it is known.
    pub(crate) record_id: Option<RecordId>,
    /// The playback format, if it is known.
    pub(crate) format: Option<PlaybackFormat>,
    /// Why it was rejected; `None` while it waits.
    pub(crate) rejected: Option<String>,
    /// Who sent it; `None` for a dropped file.
    pub(crate) node: Option<String>,
}

impl Package {
    /// One format out of a package of several.
    pub(crate) fn part(&self, record_id: &RecordId, format: &PlaybackFormat) -> Package {
        Package {
            id: format!("{}/{record_id}/{format}", self.id),
            record_id: Some(record_id.clone()),
            ..self.clone()
        }
    }
}

impl Ledger {
    /// Notes a complete package; doing so twice changes nothing.
    pub(crate) async fn add_package(&self, package: &NewPackage) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO packages (id, file, node, record_id, format, digest, bytes, status, since)
             VALUES (?, ?, ?, ?, ?, ?, ?, 'spooled', ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&package.id)
        .bind(&package.file)
        .bind(&package.node)
        .bind(package.record_id.as_ref().map(RecordId::as_str))
        .bind(package.format.as_ref().map(PlaybackFormat::as_str))
        .bind(package.digest.map(|d| d.to_string()))
        .bind(signed(package.bytes))
        .bind(now())
        .execute(&mut *tx)
        .await?;
        if let (1, Some(id)) = (added.rows_affected(), &package.record_id) {
            let format = package
                .format
                .as_ref()
                .map_or("a package", PlaybackFormat::as_str);
            let from = package
                .node
                .as_deref()
                .map_or("dropped into the spool".to_owned(), |n| format!("from {n}"));
            let text = format!("received {format}, {} bytes, {from}", package.bytes);
            story::tell(&mut *tx, id.as_str(), "upload", Level::Info, &text).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Whether a spool file is known already.
    pub(crate) async fn knows_spool_file(&self, file: &str) -> Result<bool, LedgerError> {
        let row = sqlx::query("SELECT 1 FROM packages WHERE file = ? AND status = 'spooled'")
            .bind(file)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// How a package was dealt with: `Some(None)` when its content is safe, `Some(Some(reason))`
    /// when it was rejected, `None` when it is new or still waits.
    pub(crate) async fn settled_package(
        &self,
        id: &str,
    ) -> Result<Option<Option<String>>, LedgerError> {
        let row =
            sqlx::query("SELECT status, reason FROM packages WHERE id = ? AND status <> 'spooled'")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let status: String = row.try_get("status")?;
        let reason: Option<String> = row.try_get("reason")?;
        Ok(Some(
            (status == "rejected").then(|| reason.unwrap_or_default()),
        ))
    }

    /// Packages whose import is due, longest waiting first.
    pub(crate) async fn packages_due(&self) -> Result<Vec<Package>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, file, node, record_id, digest, attempts FROM packages
             WHERE status = 'spooled' AND (next_try <= ? OR next_try > ?) ORDER BY since LIMIT 100",
        )
        .bind(now())
        .bind(beyond_any_wait())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(package).collect()
    }

    /// A waiting package by its id; `None` when it has been dealt with.
    pub(crate) async fn waiting_package(&self, id: &str) -> Result<Option<Package>, LedgerError> {
        let row = sqlx::query(
            "SELECT id, file, node, record_id, digest, attempts FROM packages WHERE id = ? AND status = 'spooled'",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(package).transpose()
    }

    /// Puts off the import of a package after a failure that may pass.
    pub(crate) async fn postpone_package(
        &self,
        package: &Package,
        until: Timestamp,
        why: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE packages SET attempts = attempts + 1, next_try = ?, reason = ? WHERE id = ?",
        )
        .bind(until.as_millisecond())
        .bind(why)
        .bind(&package.id)
        .execute(&mut *tx)
        .await?;
        if let Some(id) = &package.record_id {
            story::tell(
                &mut *tx,
                id.as_str(),
                "import",
                Level::Error,
                &format!("{why}; next try {until:.0}"),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes that a package cannot be imported, and why.
    pub(crate) async fn reject_package(
        &self,
        package: &Package,
        reason: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE packages SET status = 'rejected', reason = ?, since = ? WHERE id = ?")
            .bind(reason)
            .bind(now())
            .bind(&package.id)
            .execute(&mut *tx)
            .await?;
        if let Some(id) = &package.record_id {
            story::tell(
                &mut *tx,
                id.as_str(),
                "import",
                Level::Error,
                &format!("rejected: {reason}"),
            )
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets a package of a recording that was erased, with what was told of its arrival.
    pub(crate) async fn drop_package(&self, package: &Package) -> Result<(), LedgerError> {
        if let Some(id) = &package.record_id
            && self.is_erased(id).await?
        {
            self.forget(id).await?;
        }
        sqlx::query("DELETE FROM packages WHERE id = ?")
            .bind(&package.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that one format in a package of several cannot be imported, and why.
    pub(crate) async fn note_rejected(
        &self,
        package: &Package,
        id: &RecordId,
        format: &PlaybackFormat,
        reason: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO packages (id, file, node, record_id, format, bytes, status, reason, since)
             VALUES (?, ?, ?, ?, ?, 0, 'rejected', ?, ?)
             ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, since = excluded.since",
        )
        .bind(package.part(id, format).id)
        .bind(&package.file)
        .bind(&package.node)
        .bind(id.as_str())
        .bind(format.as_str())
        .bind(reason)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        let text = format!("{format} in {} rejected: {reason}", package.file);
        story::tell(&mut *tx, id.as_str(), "import", Level::Error, &text).await?;
        Ok(tx.commit().await?)
    }

    /// How many packages wait after an import that failed, and why the latest did.
    pub(crate) async fn failing_packages(&self) -> Result<(u64, Option<String>), LedgerError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n, (SELECT reason FROM packages WHERE status = 'spooled' AND attempts > 0
                 ORDER BY next_try DESC LIMIT 1) AS reason
             FROM packages WHERE status = 'spooled' AND attempts > 0",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((super::unsigned(row.try_get("n")?), row.try_get("reason")?))
    }

    /// Whether a package of this recording and format waits for import.
    pub(crate) async fn is_waiting(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
    ) -> Result<bool, LedgerError> {
        let row = sqlx::query(
            "SELECT 1 FROM packages WHERE record_id = ? AND format = ? AND status = 'spooled'",
        )
        .bind(id.as_str())
        .bind(format.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }

    /// Packages that wait, and those that were rejected without anything of their recording and
    /// format having been archived since.
    pub(crate) async fn open_packages(
        &self,
        node: Option<&str>,
    ) -> Result<Vec<OpenPackage>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, file, node, record_id, format, status, reason FROM packages p
             WHERE (?1 IS NULL OR node = ?1) AND (status = 'spooled' OR status = 'rejected' AND NOT EXISTS (
                 SELECT 1 FROM packages q WHERE q.record_id = p.record_id AND q.status IN ('archived', 'superseded')
                 AND (p.format IS NULL OR q.format = p.format) AND q.rowid > p.rowid))
             ORDER BY since",
        )
        .bind(node)
        .fetch_all(&self.pool)
        .await?;
        let open = |row: &SqliteRow| -> Result<OpenPackage, LedgerError> {
            let status: String = row.try_get("status")?;
            let record_id: Option<String> = row.try_get("record_id")?;
            let format: Option<String> = row.try_get("format")?;
            let reason: Option<String> = row.try_get("reason")?;
            Ok(OpenPackage {
                id: row.try_get("id")?,
                file: row.try_get("file")?,
                record_id: record_id.as_deref().map(parsed).transpose()?,
                format: format.as_deref().map(parsed).transpose()?,
                rejected: (status == "rejected").then(|| reason.unwrap_or_default()),
                node: row.try_get("node")?,
            })
        };
        rows.iter().map(open).collect()
    }

    /// The rejected packages that nodes sent: their names in the spool, and who sent them.
    pub(crate) async fn rejected_files(&self) -> Result<Vec<(String, String)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT file, node FROM packages WHERE status = 'rejected' AND node IS NOT NULL ORDER BY since",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("file")?, row.try_get("node")?)))
            .collect()
    }

    /// What a node may know of a recording's packages: those it sent and those that nobody is known to
    /// have sent, newest first.
    pub(crate) async fn packages_of(
        &self,
        id: &RecordId,
        node: Option<&str>,
    ) -> Result<Vec<PackageState>, LedgerError> {
        let rows = sqlx::query(
            "SELECT p.format, p.digest, p.since,
                    CASE WHEN p.status = 'archived' AND f.damaged IS NOT NULL THEN 'damaged' ELSE p.status END AS status,
                    CASE p.status WHEN 'archived' THEN f.damaged ELSE p.reason END AS reason
             FROM packages p LEFT JOIN formats f
                 ON f.record_id = p.record_id AND f.format = p.format AND f.digest = p.digest
             WHERE p.record_id = ?1 AND (?2 IS NULL OR p.node IS NULL OR p.node = ?2)
                 AND p.format IS NOT NULL AND p.digest IS NOT NULL
             ORDER BY p.since DESC, p.rowid DESC",
        )
        .bind(id.as_str())
        .bind(node)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(state).collect()
    }

    /// How many packages are in each status, and how many bytes they have.
    pub(crate) async fn package_counts(&self) -> Result<Vec<(String, u64, u64)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT status, COUNT(*) AS n, SUM(bytes) AS bytes FROM packages GROUP BY status",
        )
        .fetch_all(&self.pool)
        .await?;
        let count = |row: &SqliteRow| -> Result<_, LedgerError> {
            Ok((
                row.try_get("status")?,
                super::unsigned(row.try_get("n")?),
                super::unsigned(row.try_get("bytes")?),
            ))
        };
        rows.iter().map(count).collect()
    }
}

fn package(row: &SqliteRow) -> Result<Package, LedgerError> {
    let record_id: Option<String> = row.try_get("record_id")?;
    let digest: Option<String> = row.try_get("digest")?;
    Ok(Package {
        id: row.try_get("id")?,
        file: row.try_get("file")?,
        node: row.try_get("node")?,
        record_id: record_id.as_deref().map(parsed).transpose()?,
        digest: digest.as_deref().map(parsed).transpose()?,
        attempts: row.try_get("attempts")?,
    })
}

fn state(row: &SqliteRow) -> Result<PackageState, LedgerError> {
    Ok(PackageState {
        format: parsed(row.try_get("format")?)?,
        digest: parsed(row.try_get("digest")?)?,
        status: status(row.try_get("status")?)?,
        reason: row.try_get("reason")?,
        since: time(row.try_get("since")?),
    })
}

pub(super) fn status(text: &str) -> Result<PackageStatus, LedgerError> {
    let all = [
        PackageStatus::Spooled,
        PackageStatus::Archived,
        PackageStatus::Rejected,
        PackageStatus::Superseded,
        PackageStatus::Damaged,
    ];
    all.into_iter()
        .find(|s| s.as_str() == text)
        .ok_or_else(|| LedgerError::Unreadable(format!("package status \"{text}\"")))
}
