//! The outbox: the queue on the node's disk, one folder a job.
//!
//! A job appears by rename when it is complete and durable, and leaves by rename into `done/`
//! when it is confirmed; whatever is killed in between leaves the one state or the other.

pub(crate) mod digests;
pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod looks;
pub(crate) mod pruned;
pub(crate) mod snapshot;
pub(crate) mod told;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::durable::{self, UNFINISHED_PREFIX};
use recording::{PlaybackFormat, RecordId};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use job::{Job, stem};

const JOB: &str = "job.json";
const CONTENT: &str = "content";
const EVENTS: &str = "events.xml";
const MANIFEST: &str = "manifest.json";
const PROGRESS: &str = "progress.json";
const DONE: &str = "done";
const BORN: &str = ".since";
const ERRORS: &str = "publish-errors";

/// Unfinished folders younger than this may belong to a `publish` that has not locked them yet.
const UNFINISHED_GRACE: Duration = Duration::from_secs(5);
/// Held, shared, by everybody who puts a job together.
const TAKING: &str = ".taking.lock";
/// Prefix of jobs on their way to nothing.
const LEAVING_PREFIX: &str = ".leaving-";

/// The queue on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    dir: PathBuf,
}

/// What was confirmed: `done/<record id>-<format>-<n>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) record_id: RecordId,
    pub(crate) format: PlaybackFormat,
    /// The content that was confirmed; absent when a newer job took its place before it was packed.
    pub(crate) digest: Option<Digest>,
    pub(crate) outcome: Outcome,
    pub(crate) bytes: u64,
    pub(crate) published_at: Timestamp,
    pub(crate) confirmed_at: Timestamp,
    /// The published folder as it was; see [`Job::fingerprint`].
    pub(crate) fingerprint: Digest,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// In the receiver's archive.
    Archived,
    /// In a spool that answers nothing.
    HandedOver,
    /// A newer content of the same recording and format is in the archive.
    Superseded,
}

impl Outcome {
    /// The outcome in words, for the log and `status`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Outcome::Archived => "archived",
            Outcome::HandedOver => "handed over to the spool",
            Outcome::Superseded => "superseded by a newer content",
        }
    }
}

/// What has been taken into the outbox, by published folder and its fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<(RecordId, PlaybackFormat), BTreeMap<Digest, Fate>>);

/// What became of one state of a published folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    Done,
}

impl Known {
    /// Every folder of which something was confirmed.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &(RecordId, PlaybackFormat)> {
        let sent = self
            .0
            .iter()
            .filter(|(_, states)| states.values().any(|fate| *fate == Fate::Done));
        sent.map(|(folder, _)| folder)
    }

    /// Whether a state of the folder waits.
    pub(crate) fn waits(&self, record_id: &RecordId, format: &PlaybackFormat) -> bool {
        self.0
            .get(&(record_id.clone(), format.clone()))
            .is_some_and(|states| states.values().any(|fate| *fate == Fate::Waiting))
    }

    /// Whether the folder was ever taken, in whatever state.
    pub(crate) fn any(&self, record_id: &RecordId, format: &PlaybackFormat) -> bool {
        self.0.contains_key(&(record_id.clone(), format.clone()))
    }

    /// What became of this state of the folder.
    pub(crate) fn fate(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        fingerprint: &Digest,
    ) -> Option<Fate> {
        let states = self.0.get(&(record_id.clone(), format.clone()))?;
        states.get(fingerprint).copied()
    }
}

/// How far a running upload is; written often and not synced, since nothing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) length: u64,
    pub(crate) bytes_per_second: u64,
    pub(crate) at: Timestamp,
}

/// A call of `publish` that came to nothing: `publish-errors/….json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishError {
    pub(crate) record_id: String,
    pub(crate) format: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) error: String,
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

    /// When the latest state of a published folder that is known here was published.
    pub(crate) fn last_published(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
    ) -> Option<Timestamp> {
        let stem = stem(record_id, format);
        let times = (1u64..).map_while(|number| {
            let name = format!("{stem}-{number}");
            let done = read_json::<Done>(&self.done_path(&name)).ok().flatten();
            let job = || self.read(&name).ok().flatten().map(|job| job.published_at);
            done.map(|done| done.published_at).or_else(job)
        });
        times.max()
    }

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

    /// Notes that a state of a folder is at the receiver though no job brought it there.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub(crate) fn note_done(&self, done: &Done) -> io::Result<()> {
        let stem = stem(&done.record_id, &done.format);
        let free = |n: &u64| {
            let name = format!("{stem}-{n}");
            !self.done_path(&name).exists() && !self.dir.join(&name).exists()
        };
        let number = (1..).find(free).unwrap_or(u64::MAX);
        let path = self.done_path(&format!("{stem}-{number}"));
        durable::write(&path, &to_json(done)?)?;
        like_outbox(&path)
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

    /// What was confirmed, newest first, at most `limit`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn done(&self, limit: usize) -> io::Result<Vec<Done>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(self.dir.join(DONE))? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                paths.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        paths.sort_by(|a, b| b.cmp(a));
        let read = paths
            .iter()
            .take(limit)
            .filter_map(|(_, path)| read_json(path).ok()?);
        Ok(read.collect())
    }

    /// Since when recordings are handed over here, in seconds since 1970.
    pub(crate) fn born(&self) -> i64 {
        fs::metadata(self.dir.join(BORN)).map_or(i64::MAX, |m| m.mtime())
    }

    /// Every state of a published folder that waits or was confirmed.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub(crate) fn known(&self) -> io::Result<Known> {
        let mut known = Known::default();
        for done in self.done(usize::MAX)? {
            let key = (done.record_id, done.format);
            known
                .0
                .entry(key)
                .or_default()
                .insert(done.fingerprint, Fate::Done);
        }
        for name in self.names()? {
            if let Ok(Some(job)) = self.read(&name) {
                let key = (job.record_id, job.format);
                known
                    .0
                    .entry(key)
                    .or_default()
                    .insert(job.fingerprint, Fate::Waiting);
            }
        }
        Ok(known)
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

    /// How far the running upload of a job is.
    pub(crate) fn progress(&self, name: &str) -> Option<Progress> {
        read_json(&self.dir.join(name).join(PROGRESS)).ok()?
    }

    /// Notes how far an upload is; a failure is of no consequence.
    pub(crate) fn write_progress(&self, name: &str, progress: &Progress) {
        let path = self.dir.join(name).join(PROGRESS);
        let next = path.with_extension("next");
        if let Ok(json) = to_json(progress)
            && fs::write(&next, json).is_ok()
        {
            let _ = fs::rename(&next, &path);
        }
    }

    /// Forgets how far an upload was.
    pub(crate) fn clear_progress(&self, name: &str) {
        let _ = fs::remove_file(self.dir.join(name).join(PROGRESS));
    }

    /// Keeps the failure of a `publish` visible until the recording is published again.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub(crate) fn note_error(&self, error: &PublishError) -> io::Result<()> {
        fs::create_dir_all(self.dir.join(ERRORS))?;
        let path = self.error_path(&error.record_id, error.format.as_deref());
        durable::write(&path, &to_json(error)?)
    }

    /// Forgets the failures of a recording that is now in the outbox.
    pub(crate) fn clear_errors(&self, record_id: &RecordId, format: &PlaybackFormat) {
        for format in [None, Some(format.as_str())] {
            let _ = fs::remove_file(self.error_path(record_id.as_str(), format));
        }
    }

    /// Forgets one failure.
    pub(crate) fn forget_error(&self, error: &PublishError) {
        let _ = fs::remove_file(self.error_path(&error.record_id, error.format.as_deref()));
    }

    /// Calls of `publish` that came to nothing, by recording.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub(crate) fn errors(&self) -> io::Result<Vec<PublishError>> {
        let entries = match fs::read_dir(self.dir.join(ERRORS)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut errors = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            if let Ok(Some(error)) = read_json::<PublishError>(&path) {
                errors.insert((error.at, path), error);
            }
        }
        Ok(errors.into_values().collect())
    }

    fn error_path(&self, record_id: &str, format: Option<&str>) -> PathBuf {
        let name = match (record_id.parse::<RecordId>(), format.map(str::parse)) {
            (Ok(id), None) => id.to_string(),
            (Ok(id), Some(Ok(format))) => stem(&id, &format),
            // Whoever calls with nonsense gets one place for it, not one file per call.
            _ => "not-a-name".to_owned(),
        };
        self.dir.join(ERRORS).join(format!("{name}.json"))
    }

    fn done_path(&self, name: &str) -> PathBuf {
        self.dir.join(DONE).join(format!("{name}.json"))
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
