//! What a look at a folder told, so that listing twenty thousand recordings does not take the names
//! and times of every slide and thumbnail each time.
//!
//! The times of folders and of all files tell a change, but for those below `presentation/`: most
//! files of a recording lie there, BBB never overwrites one, and whatever makes them anew makes that
//! folder anew. Only lists are made from this; `sweep`, `prune` and whatever takes a snapshot look at
//! every file.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use recording::digest::{Digest, Hasher};
use tracing::debug;
use walkdir::WalkDir;

use super::{Outbox, like_outbox};

const FILE: &str = ".looks";
/// What changed a moment ago may change again without its times telling.
const SETTLED: Duration = Duration::from_secs(2);

/// What lies in a folder, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// See [`super::snapshot::Tree::fingerprint`].
    pub(crate) fingerprint: Digest,
    pub(crate) bytes: u64,
    /// The last change of any file, in seconds since 1970.
    pub(crate) last_change: i64,
}

/// The times of what lies in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Digest);

impl Stamp {
    /// Of a folder as it is now; `None` when that would not tell a later change.
    pub(crate) fn of(folder: &Path) -> Option<Stamp> {
        let mut hasher = Hasher::default();
        let mut last = 0;
        let mut walk = WalkDir::new(folder).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.ok()?;
            let m = entry.metadata().ok()?;
            // A snapshot links the files, which is a change of their status, and not of a folder's.
            let (seconds, nanoseconds) = if m.is_dir() {
                (m.ctime(), m.ctime_nsec())
            } else {
                (m.mtime(), m.mtime_nsec())
            };
            last = last.max(seconds);
            hasher.update(entry.file_name().as_bytes());
            let (inode, size, depth) = (m.ino(), m.len(), entry.depth());
            let times = format!("\0{depth} {inode} {size} {seconds}.{nanoseconds}\n");
            hasher.update(times.as_bytes());
            if m.is_dir() && depth == 1 && entry.file_name() == "presentation" {
                walk.skip_current_dir();
            }
        }
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        let settled = u64::try_from(last).ok()?.checked_add(SETTLED.as_secs())? < now.as_secs();
        settled.then(|| Stamp(hasher.finish()))
    }
}

/// Looks by folder.
#[derive(Debug)]
pub(crate) struct Looks {
    path: PathBuf,
    known: HashMap<Digest, (Digest, Look)>,
    new: Mutex<Vec<(Digest, Digest, Look)>>,
}

impl Looks {
    /// Those of an outbox. A file that cannot be read is as good as an empty one.
    pub(crate) fn of(outbox: &Outbox) -> Looks {
        let path = outbox.dir().join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let mut digest = || words.next()?.parse::<Digest>().ok();
            let (folder, stamp, fingerprint) = (digest()?, digest()?, digest()?);
            let look = Look {
                fingerprint,
                bytes: words.next()?.parse().ok()?,
                last_change: words.next()?.parse().ok()?,
            };
            Some((folder, (stamp, look)))
        };
        Looks {
            path,
            known: text.lines().filter_map(entry).collect(),
            new: Mutex::default(),
        }
    }

    /// What a folder with these times was found to hold.
    pub(crate) fn get(&self, folder: &Path, stamp: &Stamp) -> Option<Look> {
        let (then, look) = self.known.get(&key(folder))?;
        (*then == stamp.0).then_some(*look)
    }

    /// Remembers a look, once [`Looks::keep`] is called.
    pub(crate) fn add(&self, folder: &Path, stamp: &Stamp, look: Look) {
        if let Ok(mut new) = self.new.lock() {
            new.push((key(folder), stamp.0, look));
        }
    }

    /// Writes what is new; a failure costs looking again.
    pub(crate) fn keep(mut self) {
        let new = std::mem::take(&mut self.new)
            .into_inner()
            .unwrap_or_default();
        if new.is_empty() {
            return;
        }
        for (folder, stamp, look) in new {
            self.known.insert(folder, (stamp, look));
        }
        let mut text = Vec::new();
        for (folder, (stamp, look)) in &self.known {
            let (print, bytes, at) = (look.fingerprint, look.bytes, look.last_change);
            // Into memory, which does not fail.
            let _ = writeln!(text, "{folder} {stamp} {print} {bytes} {at}");
        }
        let written =
            recording::durable::write(&self.path, &text).and_then(|()| like_outbox(&self.path));
        if let Err(e) = written {
            debug!(path = %self.path.display(), error = %e, "looks cannot be kept");
        }
    }
}

fn key(folder: &Path) -> Digest {
    Digest::of(folder.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_changed_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&dir.path().join("outbox")).unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("metadata.xml"), "<recording/>").unwrap();
        assert_eq!(Stamp::of(&folder), None, "it changed a moment ago");
        assert_eq!(Stamp::of(&dir.path().join("absent")), None);
        let stamp = |text: &str| Stamp(Digest::of(text.as_bytes()));
        let look = Look {
            fingerprint: Digest::of(b"f"),
            bytes: 7,
            last_change: -3,
        };
        let looks = Looks::of(&outbox);
        looks.add(&folder, &stamp("then"), look);
        looks.keep();
        let looks = Looks::of(&outbox);
        assert_eq!(looks.get(&folder, &stamp("then")), Some(look));
        assert_eq!(looks.get(&folder, &stamp("now")), None);
        assert_eq!(looks.get(dir.path(), &stamp("then")), None);
    }
}
