//! The spool: what somebody drops there is taken once it no longer grows.
//!
//! Files come by rsync, over a mounted share, from our own hook and from the scripts of Scalelite
//! and PILOS, in the spool itself or in folders below it. Every package that is taken carries an
//! id in its name, `…~<id>.tar`, given by its upload or here, so that another file dropped under
//! the same name is never mistaken for it.

mod strange;

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use recording::durable;

pub(crate) use self::strange::{Strange, strange};
use crate::import::{self, REJECTED};
use crate::ledger::{Ledger, NewPackage};
use crate::upload::{INCOMING, is_id, names_of, random_id};

/// Folders below the spool that are looked into, one in another.
const DEPTH: usize = 4;

/// The spool, and what its files looked like the last time.
#[derive(Debug)]
pub(crate) struct Watched {
    spool: PathBuf,
    settle: Duration,
    seen: HashMap<String, (Look, Instant)>,
    /// What nobody takes, and was told.
    told: BTreeSet<Strange>,
    /// When the first look was.
    since: Instant,
}

/// What a file looked like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Look {
    fn of(metadata: &Metadata) -> Look {
        Look {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl Watched {
    /// A spool in which a file that has not changed for `settle` is complete.
    pub(crate) fn new(spool: &Path, settle: Duration) -> Watched {
        Watched {
            spool: spool.into(),
            settle,
            seen: HashMap::new(),
            told: BTreeSet::new(),
            since: Instant::now(),
        }
    }

    /// Brings the spool and the ledger together: leftovers of finished imports go, what was dropped
    /// is noted, and what was rejected too early comes back.
    ///
    /// # Errors
    /// The spool cannot be read, or the ledger failed.
    pub(crate) async fn look(&mut self, ledger: &Ledger) -> anyhow::Result<()> {
        let (spool, settle) = (self.spool.clone(), self.settle);
        let (found, strange) = tokio::task::spawn_blocking(move || {
            bring_back(&spool)?;
            let mut found = Vec::new();
            packages_in(&spool, "", DEPTH, &mut found)
                .and_then(|()| Ok((found, strange(&spool, settle)?)))
                .with_context(|| format!("cannot read the spool {}", spool.display()))
        })
        .await??;
        let mut strange = BTreeSet::from_iter(strange);
        // What came while nobody looked is going to be taken.
        if self.since.elapsed() < strange::taken_within(self.settle) {
            strange.retain(|one| !one.may_be_taken());
        }
        for one in strange.difference(&self.told) {
            tracing::warn!("in the spool: {}", one.line());
        }
        self.told = strange;
        self.seen
            .retain(|file, _| found.iter().any(|(other, _)| other == file));
        for (file, look) in found {
            let stem = file.strip_suffix(".tar").unwrap_or(&file);
            let id = stem.rsplit_once('~').map(|(_, id)| id);
            match id.filter(|id| is_id(id)) {
                Some(id) => self.settle(ledger, &file, id, look.bytes).await?,
                None if self.stands_still(&file, &look) => {
                    self.seen.remove(&file);
                    let id = random_id()?;
                    let taken = format!("{stem}~{id}.tar");
                    match durable::rename(&self.spool.join(&file), &self.spool.join(&taken)) {
                        Ok(()) => note(ledger, &taken, &id, look.bytes).await?,
                        // Whoever dropped it has taken it away again, or put it elsewhere.
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => tracing::error!(
                            file, %error,
                            "a package in the spool cannot be taken: give the folder to a group that the receiver's user is in, with mode 2775"
                        ),
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What has an id was taken before: it waits, is new to the ledger, or was dealt with already.
    async fn settle(
        &self,
        ledger: &Ledger,
        file: &str,
        id: &str,
        bytes: u64,
    ) -> anyhow::Result<()> {
        if ledger.knows_spool_file(file).await? {
            return Ok(());
        }
        match ledger.settled_package(id).await? {
            Some(Some(reason)) => import::put_aside(&self.spool, file, &reason)?,
            Some(None) => import::remove(&self.spool.join(file))?,
            None => note(ledger, file, id, bytes).await?,
        }
        Ok(())
    }

    /// Whether a file has looked the same for long enough; notes what it looks like.
    fn stands_still(&mut self, file: &str, look: &Look) -> bool {
        match self.seen.get(file) {
            Some((before, since)) if before == look => since.elapsed() >= self.settle,
            _ => {
                self.seen
                    .insert(file.to_owned(), (look.clone(), Instant::now()));
                false
            }
        }
    }
}

async fn note(ledger: &Ledger, file: &str, id: &str, bytes: u64) -> anyhow::Result<()> {
    let own = file.rsplit_once('/').map_or(file, |(_, own)| own);
    let (record_id, format) = names_of(&own.replace(&format!("~{id}"), ""));
    let package = NewPackage {
        id: id.to_owned(),
        file: file.to_owned(),
        node: None,
        record_id,
        format,
        digest: None,
        bytes,
    };
    tracing::info!(file, bytes, "a package was dropped into the spool");
    Ok(ledger.add_package(&package).await?)
}

/// The packages below a folder of the spool, by their paths in it. Temporary names, which begin
/// with a dot, and the spool's own folders are left alone.
fn packages_in(
    spool: &Path,
    below: &str,
    depth: usize,
    found: &mut Vec<(String, Look)>,
) -> io::Result<()> {
    for entry in fs::read_dir(spool.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_ours = name == INCOMING || name == REJECTED || name.starts_with('.');
        // A file that goes away meanwhile is none; links lead out of the spool.
        let metadata = entry.metadata();
        let Some(metadata) = metadata.ok().filter(|_| !is_ours) else {
            continue;
        };
        let file = format!("{below}{name}");
        if metadata.is_dir() && depth > 0 {
            if let Err(error) = packages_in(spool, &format!("{file}/"), depth - 1, found) {
                tracing::warn!(folder = file, %error, "a folder in the spool cannot be read");
            }
        } else if metadata.is_file() && name.ends_with(".tar") {
            found.push((file, Look::of(&metadata)));
        }
    }
    Ok(())
}

/// A package that changed after it was rejected had only paused: somebody was still writing it.
/// It comes back, as if it were dropped anew.
fn bring_back(spool: &Path) -> io::Result<()> {
    for tar in crate::upload::rejected(spool)? {
        let reason = import::reason_path(&tar);
        let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
        let (Ok(changed), Ok(rejected)) = (modified(&tar), modified(&reason)) else {
            continue;
        };
        let Some(name) = tar.file_name().filter(|_| changed > rejected) else {
            continue;
        };
        let target = spool.join(name);
        if !target.exists() {
            durable::rename(&tar, &target)?;
            fs::remove_file(&reason)?;
            tracing::info!(file = %target.display(), "a rejected package has changed since; it is tried again");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::ledger;

    async fn waiting(ledger: &Ledger) -> Vec<String> {
        let due = ledger.packages_due().await.unwrap();
        let mut files: Vec<_> = due.into_iter().map(|p| p.file).collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn files_are_taken_when_they_stand_still_wherever_they_are() {
        let (_dir, ledger) = ledger().await;
        let spool = tempfile::tempdir().unwrap();
        let at = |name: &str| spool.path().join(name);
        for folder in ["tenant/deeper", INCOMING, REJECTED, ".rsync"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let names = [
            "r-1.tar",
            "tenant/r-2-video.tar",
            "tenant/deeper/r-3.tar",
            "incoming/r-4.tar",
            ".rsync/r-5.tar",
            ".r-6.tar.Xy12",
            "r-7.zip",
        ];
        for name in names {
            fs::write(at(name), "bytes").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", at("r-8.tar")).unwrap();
        let mut watched = Watched::new(spool.path(), Duration::ZERO);
        watched.look(&ledger).await.unwrap();
        assert!(waiting(&ledger).await.is_empty(), "one look is no proof");
        fs::write(at("r-1.tar"), "more bytes").unwrap();
        watched.look(&ledger).await.unwrap();
        let taken = waiting(&ledger).await;
        assert_eq!(taken.len(), 2, "{taken:?}");
        assert!(taken[0].starts_with("tenant/deeper/r-3~"));
        assert!(taken[1].starts_with("tenant/r-2-video~"));
        watched.look(&ledger).await.unwrap();
        assert_eq!(waiting(&ledger).await.len(), 3, "the growing one stopped");
        watched.look(&ledger).await.unwrap();
        assert_eq!(waiting(&ledger).await.len(), 3);
        for name in &names[3..] {
            assert!(at(name).exists(), "{name} is left alone");
        }
    }

    #[tokio::test]
    async fn what_grows_after_its_rejection_comes_back() {
        let (_dir, ledger) = ledger().await;
        let spool = tempfile::tempdir().unwrap();
        let dropped = spool.path().join("r-1.tar");
        fs::write(&dropped, "half").unwrap();
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        let file = fs::File::options().write(true).open(&dropped).unwrap();
        file.set_modified(ahead).unwrap();
        let mut watched = Watched::new(spool.path(), Duration::ZERO);
        watched.look(&ledger).await.unwrap();
        watched.look(&ledger).await.unwrap();
        let package = ledger.packages_due().await.unwrap().remove(0);
        ledger
            .reject_package(&package, "it ends early")
            .await
            .unwrap();
        import::put_aside(spool.path(), &package.file, "it ends early").unwrap();
        let rejected = spool.path().join("rejected/r-1.tar");
        // Not even when its time is that of a clock that is ahead.
        watched.look(&ledger).await.unwrap();
        assert!(rejected.exists());

        let file = fs::File::options().append(true).open(&rejected).unwrap();
        io::Write::write_all(&mut &file, b" and the rest").unwrap();
        file.set_modified(ahead + Duration::from_secs(1)).unwrap();
        watched.look(&ledger).await.unwrap();
        assert!(!rejected.exists());
        watched.look(&ledger).await.unwrap();
        assert_eq!(waiting(&ledger).await.len(), 1);
    }
}
