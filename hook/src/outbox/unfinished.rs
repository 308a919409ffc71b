//! Jobs that are being put together, and what is left of them when somebody is killed over it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use recording::durable::{self, UNFINISHED_PREFIX};
use recording::{PlaybackFormat, RecordId};
use rustix::fs::FlockOperation;

use super::job::Job;
use super::{CONTENT, DONE, EVENTS, JOB, LEAVING_PREFIX, Outbox, like_outbox, to_json};

/// Unfinished folders younger than this may belong to a `publish` that has not locked them yet.
const UNFINISHED_GRACE: Duration = Duration::from_secs(5);
/// Held, shared, by everybody who puts a job together.
const TAKING: &str = ".taking.lock";

impl Outbox {
    /// A new folder in which a job is put together.
    ///
    /// # Errors
    /// The disk is full or the outbox not writable.
    pub(crate) fn begin(&self) -> io::Result<Unfinished> {
        // Before the folder is there: whoever sweeps while nobody holds this may remove every one.
        let all = self.taking()?;
        let _ = rustix::fs::flock(&all, FlockOperation::LockShared);
        let dir = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempdir_in(&self.dir)?;
        let lock = File::open(dir.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Unfinished {
            dir,
            _locks: [lock, all],
        })
    }

    /// What everybody holds, shared, who puts a job together.
    fn taking(&self) -> io::Result<File> {
        let path = self.dir.join(TAKING);
        match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let file = File::create(&path)?;
                like_outbox(&path)?;
                Ok(file)
            }
            opened => opened,
        }
    }

    /// Makes a finished job visible; gives its name.
    ///
    /// # Errors
    /// The disk is full; nothing is visible then.
    pub(crate) fn add(&self, unfinished: Unfinished, job: &Job) -> io::Result<String> {
        let root = unfinished.dir.path();
        let mut file = File::create_new(root.join(JOB))?;
        io::Write::write_all(&mut file, &to_json(job)?)?;
        file.sync_all()?;
        give_away(root)?;
        durable::sync_directories(root)?;
        let stem = job.stem();
        let mut number: u64 = 1;
        loop {
            let name = format!("{stem}-{number}");
            let target = self.dir.join(&name);
            if !self.done_path(&name).exists() && !target.exists() {
                match fs::rename(root, &target) {
                    Ok(()) => {
                        // Nothing of the temporary folder is left to remove.
                        let _ = unfinished.dir.keep();
                        durable::sync_directory(&self.dir)?;
                        return Ok(name);
                    }
                    // Another `publish` of the same recording was quicker.
                    Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    Err(e) => return Err(e),
                }
            }
            number += 1;
        }
    }

    /// Removes what killed processes left; only for the one sender that holds the lock.
    ///
    /// # Errors
    /// The outbox cannot be read or an entry cannot be removed.
    pub(crate) fn sweep_unfinished(&self) -> io::Result<()> {
        durable::remove_unfinished(&self.dir.join(DONE))?;
        let taking = self.taking()?;
        let alone = rustix::fs::flock(&taking, FlockOperation::NonBlockingLockExclusive).is_ok();
        let mut leaving = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = entry.path();
            if name.starts_with(LEAVING_PREFIX) {
                leaving.push(path);
            } else if name.starts_with(UNFINISHED_PREFIX) {
                let folder = entry.file_type()?.is_dir();
                if !folder && is_old(&path) {
                    fs::remove_file(&path)?;
                } else if folder && (alone || is_abandoned(&path)) {
                    // Renamed first: removing may take a while, and others wait to take theirs.
                    let going = self.dir.join(format!("{LEAVING_PREFIX}{name}"));
                    fs::rename(&path, &going)?;
                    leaving.push(going);
                }
            }
        }
        drop(taking);
        for path in leaving {
            fs::remove_dir_all(path)?;
        }
        // A sender killed between the two steps of `finish` left the job beside its record.
        for name in self.names()? {
            if self.done_path(&name).exists() {
                self.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// A job that is being put together; removed again unless it is added.
#[derive(Debug)]
pub(crate) struct Unfinished {
    dir: tempfile::TempDir,
    _locks: [File; 2],
}

impl Unfinished {
    /// The folder for `<format>/<record id>/`, made.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub(crate) fn content(
        &self,
        format: &PlaybackFormat,
        record_id: &RecordId,
    ) -> io::Result<PathBuf> {
        let content = self.dir.path().join(CONTENT);
        let folder = content.join(format.as_str()).join(record_id.as_str());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where the events go.
    pub(crate) fn events_xml(&self) -> PathBuf {
        self.dir.path().join(EVENTS)
    }

    /// Throws the content away, for a job by reference.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let _ = fs::remove_file(self.events_xml());
        fs::remove_dir_all(self.dir.path().join(CONTENT))
    }
}

/// Gives what root has put together to the outbox's own user: all but the links, which are BBB's
/// own files.
fn give_away(unfinished: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(unfinished) {
        let entry = entry?;
        let kind = entry.file_type();
        if kind.is_dir() || kind.is_file() && entry.metadata()?.nlink() == 1 {
            like_outbox(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nobody can still be busy with it.
fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|m| m.modified());
    // A clock set back makes files of the future: those are old as well.
    modified.is_ok_and(|at| at.elapsed().map_or(true, |age| age > UNFINISHED_GRACE))
}

fn is_abandoned(dir: &Path) -> bool {
    if !is_old(dir) {
        return false;
    }
    File::open(dir)
        .is_ok_and(|dir| rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok())
}
