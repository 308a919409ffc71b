//! Import: a package leaves the spool and becomes part of the archive.
//!
//! The content is unpacked beside its place and renamed into it, so the archive never holds half
//! a recording. The order is: files in place, then their manifest, then the ledger, then the
//! package goes. A kill between any two leaves the package in the spool, and importing it again
//! finds what is done already.

mod archive;
mod unpack;

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use recording::{Manifest, durable};

pub(crate) use archive::Archive;
pub(crate) use unpack::Limits;
use unpack::{UnpackError, unpack};

use crate::ledger::{Imported, Ledger, LedgerError, Package};

/// How an import ended, when nothing failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The content is in the archive.
    Archived,
    /// The archive holds a later version.
    Overtaken,
    /// The package was moved to `rejected/`.
    Rejected,
}

/// Why an import has to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The disk is full or failing, or permissions are wrong.
    #[error("{what}: {source}")]
    Failed {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread died.
    #[error("the import was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> ImportError {
    let what = format!("cannot {what} {}", path.display());
    move |source| ImportError::Failed { what, source }
}

/// What came out of looking into a package.
enum Placed {
    InArchive(Manifest),
    Overtaken(Manifest),
    Refused(String),
}

/// Imports one package from the spool.
///
/// # Errors
/// Something failed that may pass; the package stays where it is.
pub(crate) async fn import(
    package: &Package,
    spool: &Path,
    archive: &Archive,
    limits: Limits,
    ledger: &Ledger,
) -> Result<Outcome, ImportError> {
    let tar = spool.join(&package.file);
    let (archive, id, path) = (archive.clone(), package.id.clone(), tar.clone());
    let placed = tokio::task::spawn_blocking(move || place(&path, &id, &archive, limits)).await??;
    match placed {
        Placed::InArchive(manifest) => {
            let found = describe(&manifest);
            ledger.archived(package, &found).await?;
            metrics::counter!("bbb2pod_packages_archived_total").increment(1);
            tracing::info!(record_id = %found.record_id, format = %found.format, bytes = found.bytes, stage = "import", "archived");
            remove(&tar)?;
            Ok(Outcome::Archived)
        }
        Placed::Overtaken(manifest) => {
            ledger.overtaken(package, &describe(&manifest)).await?;
            remove(&tar)?;
            Ok(Outcome::Overtaken)
        }
        Placed::Refused(reason) => {
            ledger.reject_package(package, &reason).await?;
            metrics::counter!("bbb2pod_packages_rejected_total").increment(1);
            tracing::error!(
                file = package.file,
                node = package.node,
                reason,
                stage = "import",
                "package rejected"
            );
            put_aside(spool, &package.file, &reason)?;
            Ok(Outcome::Rejected)
        }
    }
}

fn place(tar: &Path, id: &str, archive: &Archive, limits: Limits) -> Result<Placed, ImportError> {
    let room = archive
        .make_room(id)
        .map_err(failed("make a folder in", archive.root()))?;
    let manifest = match unpack(tar, &room, limits) {
        Ok(manifest) => manifest,
        Err(UnpackError::Refused(reason)) => {
            archive.clear_room(&room).map_err(failed("remove", &room))?;
            return Ok(Placed::Refused(reason));
        }
        Err(UnpackError::Failed { what, source }) => {
            // What was unpacked would only fill the disk until the next try.
            if let Err(error) = archive.clear_room(&room) {
                tracing::warn!(%error, room = %room.display(), "an unfinished import could not be removed");
            }
            return Err(ImportError::Failed { what, source });
        }
    };
    let placed = archive
        .take_in(&room, &manifest)
        .map_err(failed("put the recording into", archive.root()))?;
    archive.clear_room(&room).map_err(failed("remove", &room))?;
    Ok(if placed {
        Placed::InArchive(manifest)
    } else {
        Placed::Overtaken(manifest)
    })
}

fn describe(manifest: &Manifest) -> Imported {
    let mut warnings: Vec<String> = manifest
        .left_out
        .iter()
        .map(|l| format!("left out {}: {}", l.path, l.why))
        .collect();
    warnings.extend(manifest.metadata_problem.clone());
    if !manifest.events_seen {
        warnings.push(
            "events.xml was not there any more: who moderated is not known from it".to_owned(),
        );
    }
    let metadata = manifest.metadata.as_ref();
    Imported {
        record_id: manifest.record_id.clone(),
        format: manifest.format.clone(),
        digest: manifest.digest,
        bytes: manifest.content_size(),
        published_at: manifest.published_at,
        title: metadata.and_then(|m| m.title()).map(str::to_owned),
        started_at: metadata
            .and_then(|m| m.start)
            .or_else(|| started_by_id(&manifest.record_id)),
        warnings,
    }
}

/// BBB's record ids end in the meeting's start, in milliseconds.
fn started_by_id(id: &recording::RecordId) -> Option<Timestamp> {
    let millis = id.as_str().split('-').nth(1)?.parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}

/// Moves a package that cannot be imported to `rejected/`, with the reason beside it.
///
/// One per recording and format is kept, the latest: a sender that repeats itself cannot fill the disk.
pub(crate) fn put_aside(spool: &Path, file: &str, reason: &str) -> Result<(), ImportError> {
    let rejected = spool.join("rejected");
    fs::create_dir_all(&rejected).map_err(failed("make", &rejected))?;
    let name = file
        .split_once('~')
        .map_or(file, |(name, _)| name)
        .trim_end_matches(".tar");
    let target = rejected.join(format!("{name}.tar"));
    let text = format!("{reason}\n");
    durable::write(
        &rejected.join(format!("{name}.tar.reason")),
        text.as_bytes(),
    )
    .map_err(failed("write in", &rejected))?;
    match durable::rename(&spool.join(file), &target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("move to", &target)),
    }
}

/// Removes a package whose content is safe.
pub(crate) fn remove(tar: &Path) -> Result<(), ImportError> {
    match fs::remove_file(tar) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", tar)),
    }
}
