//! The outbox: the queue on the node's disk, one folder a job.
//!
//! A job appears by rename when it is complete and durable, and leaves by rename into `done/`
//! when it is confirmed; whatever is killed in between leaves the one state or the other.

pub(crate) mod arrivals;
mod confirmed;
pub(crate) mod digests;
mod errors;
pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod looks;
pub(crate) mod missing;
mod progress;
pub(crate) mod pruned;
pub(crate) mod snapshot;
pub(crate) mod told;
mod unfinished;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use recording::durable;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

pub(crate) use confirmed::{Done, Fate, Known, Outcome};
pub(crate) use errors::PublishError;
pub(crate) use progress::Progress;
pub(crate) use unfinished::Unfinished;

use job::{Job, stem};

const JOB: &str = "job.json";
const CONTENT: &str = "content";
const EVENTS: &str = "events.xml";
const MANIFEST: &str = "manifest.json";
const DONE: &str = "done";
const BORN: &str = ".since";
const ERRORS: &str = "publish-errors";

/// Prefix of jobs on their way to nothing.
const LEAVING_PREFIX: &str = ".leaving-";

/// The queue on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    dir: PathBuf,
}

impl Outbox {
    /// The outbox in a directory, made when it is not there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn open(dir: &Path) -> io::Result<Outbox> {
        let mut builder = DirBuilder::new();
        // Recordings are personal data: nobody but BBB's own user looks in.
        builder.recursive(true).mode(0o750);
        let done = dir.join(DONE);
        // The time of this file tells since when recordings are handed over here.
        let born = dir.join(BORN);
        let new: Vec<&Path> = done.ancestors().take_while(|path| !path.exists()).collect();
        builder.create(&done)?;
        for folder in new.iter().rev() {
            like_outbox(folder)?;
        }
        if !born.exists() {
            File::create(&born)?;
            like_outbox(&born)?;
        }
        Ok(Outbox { dir: dir.into() })
    }

    /// The outbox in a directory, for looking only.
    pub(crate) fn at(dir: &Path) -> Outbox {
        Outbox { dir: dir.into() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Names of all jobs.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if !name.starts_with('.') && name != DONE && name != ERRORS {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Reads a job; `None` when it has left meanwhile.
    ///
    /// # Errors
    /// `job.json` cannot be read or is not what this program writes.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Job>> {
        read_json(&self.dir.join(name).join(JOB))
    }

    /// Writes a job's state, durably.
    ///
    /// # Errors
    /// The disk is full or not writable; the old state remains.
    pub(crate) fn write(&self, name: &str, job: &Job) -> io::Result<()> {
        durable::write(&self.dir.join(name).join(JOB), &to_json(job)?)
    }

    /// The waiting jobs of a published folder, oldest first.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub(crate) fn waiting(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
    ) -> io::Result<Vec<Job>> {
        let prefix = format!("{}-", stem(record_id, format));
        let number = |name: &String| name.strip_prefix(&prefix)?.parse::<u64>().ok();
        let mut names: Vec<(u64, String)> = self
            .names()?
            .into_iter()
            .filter_map(|name| Some((number(&name)?, name)))
            .collect();
        names.sort();
        let mut jobs = Vec::new();
        for (_, name) in names {
            // A job that cannot be read is told by `status`; it is no reason not to add another.
            if let Ok(Some(job)) = self.read(&name) {
                jobs.push(job);
            }
        }
        Ok(jobs)
    }

    /// Moves a job to `done/`: the record first, then the job goes.
    ///
    /// # Errors
    /// The disk is full or not writable; the job remains.
    pub(crate) fn finish(&self, name: &str, done: &Done) -> io::Result<()> {
        durable::write(&self.done_path(name), &to_json(done)?)?;
        self.remove(name)
    }

    /// Removes a job that has its record in `done/`.
    fn remove(&self, name: &str) -> io::Result<()> {
        // By rename first: a job is never seen with half of its files gone.
        let going = self.dir.join(format!("{LEAVING_PREFIX}{name}"));
        match fs::rename(self.dir.join(name), &going) {
            Ok(()) => {
                durable::sync_directory(&self.dir)?;
                fs::remove_dir_all(&going)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Since when recordings are handed over here, in seconds since 1970.
    pub(crate) fn born(&self) -> i64 {
        fs::metadata(self.dir.join(BORN)).map_or(i64::MAX, |m| m.mtime())
    }

    /// The folder that holds `<format>/<record id>/` of a job with a snapshot.
    pub(crate) fn content(&self, name: &str) -> PathBuf {
        self.dir.join(name).join(CONTENT)
    }

    /// The events of a job with a snapshot, when there were any.
    pub(crate) fn events_xml(&self, name: &str) -> Option<PathBuf> {
        let path = self.dir.join(name).join(EVENTS);
        path.exists().then_some(path)
    }

    pub(crate) fn manifest_path(&self, name: &str) -> PathBuf {
        self.dir.join(name).join(MANIFEST)
    }

    fn done_path(&self, name: &str) -> PathBuf {
        self.dir.join(DONE).join(format!("{name}.json"))
    }
}

/// Gives what root has written to the outbox's own user, who must be able to go on with it.
pub(crate) fn like_outbox(path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    let (ours, theirs) = (fs::metadata(path)?, fs::metadata(folder)?);
    if (ours.uid(), ours.gid()) == (theirs.uid(), theirs.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(theirs.uid()), Some(theirs.gid()))
}

pub(crate) fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    Ok(json)
}

pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
