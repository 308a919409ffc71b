//! Import: a package leaves the spool and becomes part of the archive.
//!
//! The content is unpacked beside its place and renamed into it, so the archive never holds half
//! a recording. The order is: files in place, then their manifest, then the ledger, then the
//! package goes. A kill between any two leaves the package in the spool, and importing it again
//! finds what is done already.

mod archive;
mod plain;
#[cfg(test)]
mod properties;
mod unpack;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use recording::{Manifest, durable};

pub(crate) use archive::Archive;
use plain::Plain;
pub(crate) use unpack::Limits;
pub(crate) use unpack::{Content, UnpackError, unpack};

use crate::ledger::{Hints, Imported, Ledger, LedgerError, Package};

/// The folder in the spool for packages that could not be imported.
pub(crate) const REJECTED: &str = "rejected";

/// How an import ended, when nothing failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The content is in the archive.
    Archived,
    /// The archive holds a later version; this one is kept beside it.
    Overtaken,
    /// The package was moved to `rejected/`.
    Rejected,
    /// The recording was erased before: nothing of the package is kept.
    Dropped,
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

/// One at a time takes content in: the archive and the ledger change together.
static TAKING_IN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
    let room = archive.room(&package.id);
    let unpacked = {
        let (archive, room, tar) = (archive.clone(), room.clone(), tar.clone());
        tokio::task::spawn_blocking(move || unpack_into(&tar, &room, &archive, limits)).await??
    };
    let intake = Intake {
        package,
        room: &room,
        archive,
        ledger,
    };
    let unpacked = match unpacked {
        Ok(content) => match without_erased(content, ledger).await? {
            Some(content) => Ok(content),
            None => {
                // The tar goes last: what a kill leaves of it is found and dropped again.
                ledger.drop_package(package).await?;
                clear(archive, room).await?;
                remove(&tar)?;
                tracing::warn!(
                    package = package.id,
                    stage = "import",
                    "a recording that was erased has come again; it was dropped"
                );
                return Ok(Outcome::Dropped);
            }
        },
        Err(reason) => Err(reason),
    };
    let taken = match unpacked {
        Err(reason) => Err(reason),
        Ok(Content::Ours(manifest)) => intake.take_in(package, &manifest).await?,
        Ok(Content::Others(others)) => intake.take_in_all(others).await?,
    };
    let outcome = match taken {
        Ok(outcome) => {
            remove(&tar)?;
            outcome
        }
        Err(reason) => {
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
            Outcome::Rejected
        }
    };
    clear(archive, room).await?;
    Ok(outcome)
}

async fn clear(archive: &Archive, room: PathBuf) -> Result<(), ImportError> {
    let archive = archive.clone();
    tokio::task::spawn_blocking(move || archive.clear_room(&room).map_err(failed("remove", &room)))
        .await?
}

/// What is to be taken in of a package; nothing when all of it was erased before.
async fn without_erased(content: Content, ledger: &Ledger) -> Result<Option<Content>, ImportError> {
    match content {
        Content::Ours(manifest) => {
            let erased = ledger.is_erased(&manifest.record_id).await?;
            Ok((!erased).then_some(Content::Ours(manifest)))
        }
        Content::Others(mut others) => {
            let before = others.good.len();
            let mut kept = Vec::new();
            for manifest in std::mem::take(&mut others.good) {
                if !ledger.is_erased(&manifest.record_id).await? {
                    kept.push(manifest);
                }
            }
            others.good = kept;
            let is_empty = before > 0 && others.good.is_empty() && others.bad.is_empty();
            Ok((!is_empty).then_some(Content::Others(others)))
        }
    }
}

/// A package that has been unpacked, on its way into the archive.
struct Intake<'a> {
    package: &'a Package,
    room: &'a Path,
    archive: &'a Archive,
    ledger: &'a Ledger,
}

impl Intake<'_> {
    /// Takes one format in and notes it for a package; gives why not, when something speaks
    /// against it.
    async fn take_in(
        &self,
        package: &Package,
        manifest: &Manifest,
    ) -> Result<Result<Outcome, String>, ImportError> {
        if let Some(reason) = self.contradiction(manifest, package).await? {
            return Ok(Err(reason));
        }
        let package = &self.named(package, manifest).await?;
        let _alone = TAKING_IN.lock().await;
        let placed = {
            let (archive, room) = (self.archive.clone(), self.room.to_owned());
            let manifest = manifest.clone();
            tokio::task::spawn_blocking(move || archive.take_in(&room, &manifest)).await?
        };
        let placed = placed.map_err(failed("put the recording into", self.archive.root()))?;
        let found = describe(manifest);
        if placed {
            self.ledger.archived(package, &found).await?;
            metrics::counter!("bbb2pod_packages_archived_total").increment(1);
            tracing::info!(
                record_id = %found.record_id, format = %found.format, bytes = found.bytes,
                stage = "import", "archived"
            );
            return Ok(Ok(Outcome::Archived));
        }
        self.ledger.overtaken(package, &found).await?;
        tracing::warn!(
            record_id = %found.record_id, format = %found.format, stage = "import",
            "older than what the archive holds; kept in overtaken/"
        );
        Ok(Ok(Outcome::Overtaken))
    }

    /// What speaks against a package that is whole in itself.
    async fn contradiction(
        &self,
        manifest: &Manifest,
        package: &Package,
    ) -> Result<Option<String>, ImportError> {
        if let Some(announced) = package.digest.filter(|digest| *digest != manifest.digest) {
            return Ok(Some(format!(
                "digest {announced} was announced, but the package holds {}",
                manifest.digest
            )));
        }
        let before = self
            .ledger
            .recording(&manifest.record_id)
            .await?
            .and_then(|r| r.node);
        if let (Some(before), Some(node)) = (before, &package.node)
            && before != *node
            && self.ledger.nodes().await?.iter().any(|n| n.name == before)
        {
            return Ok(Some(format!(
                "this recording came from node {before}; {node} may only send it after: bbb2pod-receiver node remove {before}"
            )));
        }
        Ok(None)
    }

    /// A package that was dropped into the spool comes from the node that its manifest names, if
    /// there is one by that name: it was packed by that node's hook.
    async fn named(&self, package: &Package, manifest: &Manifest) -> Result<Package, ImportError> {
        let mut package = package.clone();
        if package.node.is_none() && !manifest.node.is_empty() {
            let nodes = self.ledger.nodes().await?;
            let known = nodes.into_iter().find(|node| node.name == manifest.node);
            package.node = known.map(|node| node.name);
        }
        Ok(package)
    }

    /// Takes in every good format of a package of others. The package itself is settled last: until
    /// then all of it is done again after a crash, and finds what is done already.
    async fn take_in_all(&self, others: Plain) -> Result<Result<Outcome, String>, ImportError> {
        let mut bad: Vec<String> = Vec::new();
        for one in others.bad {
            let Some((record_id, format)) = one.of else {
                bad.push(one.why);
                continue;
            };
            self.ledger
                .note_rejected(self.package, &record_id, &format, &one.why)
                .await?;
            bad.push(format!("{format} of {record_id}: {}", one.why));
        }
        let last = others.good.len().saturating_sub(1);
        let mut outcome = Outcome::Archived;
        let mut good = Vec::new();
        for (index, manifest) in others.good.iter().enumerate() {
            let name = format!("{} of {}", manifest.format, manifest.record_id);
            let is_last = index == last && bad.is_empty();
            let package = match is_last {
                true => self.package.clone(),
                false => self.package.part(&manifest.record_id, &manifest.format),
            };
            match self.take_in(&package, manifest).await? {
                Ok(done) => {
                    outcome = done;
                    good.push(name);
                }
                Err(reason) => bad.push(format!("{name}: {reason}")),
            }
        }
        if bad.is_empty() {
            return Ok(Ok(outcome));
        }
        let mut reason = bad.join("; ");
        if !good.is_empty() {
            reason += &format!("; imported: {}", good.join(", "));
        }
        Ok(Err(reason))
    }
}

fn unpack_into(
    tar: &Path,
    room: &Path,
    archive: &Archive,
    limits: Limits,
) -> Result<Result<Content, String>, ImportError> {
    archive.make_room(room).map_err(failed("make", room))?;
    match unpack(tar, room, limits) {
        Ok(content) => Ok(Ok(content)),
        Err(UnpackError::Refused(reason)) => Ok(Err(reason)),
        Err(UnpackError::Failed { what, source }) => {
            // What was unpacked would only fill the disk until the next try.
            if let Err(error) = archive.clear_room(room) {
                tracing::warn!(%error, room = %room.display(), "an unfinished import could not be removed");
            }
            Err(ImportError::Failed { what, source })
        }
    }
}

/// What BBB's own file says against the name of its folder; it does not stop a recording, because
/// the folder's name is what BBB goes by.
fn another_id(manifest: &Manifest) -> Option<String> {
    let (id, format) = (&manifest.record_id, &manifest.format);
    let found = &manifest.metadata.as_ref()?.record_id;
    (found != id).then(|| {
        format!("its folder is {format}/{id}, but metadata.xml in it is that of {found}; one of them was copied or renamed: look whether title and owners are right")
    })
}

fn describe(manifest: &Manifest) -> Imported {
    let mut warnings: Vec<String> = manifest
        .left_out
        .iter()
        .map(|l| format!("left out {}: {}", l.path, l.why))
        .collect();
    warnings.extend(another_id(manifest));
    warnings.extend(manifest.metadata_problem.clone());
    warnings.extend(manifest.events_problem.clone());
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
        hints: Hints {
            tenant_id: metadata.and_then(|m| said(m, "tenant-id")),
            server: metadata.and_then(|m| said(m, "bbb-origin-server-name")),
        },
    }
}

/// What a meeting says under a meta key.
fn said(metadata: &recording::Metadata, key: &str) -> Option<String> {
    let value = metadata.meta(key)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
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
    let rejected = spool.join(REJECTED);
    fs::create_dir_all(&rejected).map_err(failed("make", &rejected))?;
    let target = rejected_path(spool, file);
    let text = format!("{reason}\n");
    let note = reason_path(&target);
    durable::write(&note, text.as_bytes()).map_err(failed("write in", &rejected))?;
    not_before(&note, &spool.join(file)).map_err(failed("write in", &rejected))?;
    match durable::rename(&spool.join(file), &target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("move to", &target)),
    }
}

/// Where a package of the spool lies once it was rejected.
pub(crate) fn rejected_path(spool: &Path, file: &str) -> PathBuf {
    // A name that tells no recording would be shared by all such packages.
    let own = file.rsplit_once('/').map_or(file, |(_, own)| own);
    let name = match own.split_once('~') {
        Some((name, _)) if name != "upload" => name,
        _ => own.trim_end_matches(".tar"),
    };
    spool.join(REJECTED).join(format!("{name}.tar"))
}

/// Where the reason for a rejected package stands.
pub(crate) fn reason_path(rejected: &Path) -> PathBuf {
    let mut reason = rejected.as_os_str().to_owned();
    reason.push(".reason");
    PathBuf::from(reason)
}

/// Makes a reason no older than its package, whose time may come from a clock that is ahead: a
/// package that is younger than its reason counts as changed.
fn not_before(reason: &Path, tar: &Path) -> io::Result<()> {
    let changed = match fs::metadata(tar) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.modified()?,
    };
    let file = fs::File::options().write(true).open(reason)?;
    if file.metadata()?.modified()? < changed {
        file.set_modified(changed)?;
    }
    Ok(())
}

/// Removes a package whose content is safe.
pub(crate) fn remove(tar: &Path) -> Result<(), ImportError> {
    match fs::remove_file(tar) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", tar)),
    }
}
