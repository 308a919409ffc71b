//! What was confirmed, `done/<record id>-<format>-<n>.json`, and with what waits: every state of a
//! published folder that is known here.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::durable;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

use super::job::stem;
use super::{DONE, Outbox, like_outbox, read_json, to_json};

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
    /// Not taken, because the recording was erased at the receiver.
    Erased,
}

impl Outcome {
    /// The outcome in words, for the log and `status`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Outcome::Archived => "archived",
            Outcome::HandedOver => "handed over to the spool",
            Outcome::Superseded => "superseded by a newer content",
            Outcome::Erased => "not sent, because it was erased at the receiver",
        }
    }
}

/// What has been taken into the outbox, by published folder and its fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Known(
    BTreeMap<(RecordId, PlaybackFormat), BTreeMap<Digest, Fate>>,
    /// Of each state that was sent: the content, when archived is the last that was told of it.
    BTreeMap<(RecordId, PlaybackFormat, Digest), Option<Digest>>,
);

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

    /// The content of this state of the folder that the receiver confirmed, and that nothing was
    /// told of since.
    pub(crate) fn archived(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        fingerprint: &Digest,
    ) -> Option<Digest> {
        if self.fate(record_id, format, fingerprint) != Some(Fate::Done) {
            return None;
        }
        let key = (record_id.clone(), format.clone(), *fingerprint);
        self.1.get(&key).copied().flatten()
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

impl Outbox {
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

    /// Every state of a published folder that waits or was confirmed.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub(crate) fn known(&self) -> io::Result<Known> {
        let mut known = Known::default();
        for done in self.done(usize::MAX)? {
            let archived = done.digest.filter(|_| done.outcome == Outcome::Archived);
            let state = (
                done.record_id.clone(),
                done.format.clone(),
                done.fingerprint,
            );
            // Newest first, and only that counts.
            known.1.entry(state).or_insert(archived);
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
}
