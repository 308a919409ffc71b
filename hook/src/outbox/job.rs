//! One recording in one playback format on its way out: `job.json`.
//!
//! `publish` writes the first half once; the second half belongs to `send`. A job knows nothing
//! of the transport: what a transport needs to go on where it stopped is an opaque text.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use recording::digest::Digest;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

use crate::failure::Cause;

/// The form of `job.json` that this program writes.
pub(crate) const SCHEMA: u32 = 1;

/// A job of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) schema: u32,
    pub(crate) record_id: RecordId,
    pub(crate) format: PlaybackFormat,
    /// When BBB called the hook.
    pub(crate) published_at: Timestamp,
    pub(crate) origin: Origin,
    /// What tells one state of the published folder from another; see `snapshot`.
    pub(crate) fingerprint: Digest,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Whether it is one of many old ones, which let what BBB publishes now go first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) backfill: bool,
    #[serde(default)]
    pub(crate) course: Course,
}

/// Where the files of a job are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// In the job's own `content/`.
    Snapshot,
    /// Still only in BBB's directory, because no snapshot was possible.
    Reference {
        /// The folder that holds `<format>/<record id>/`.
        root: PathBuf,
        /// The meeting's events, when they were there.
        events_xml: Option<PathBuf>,
        /// Why no snapshot was possible.
        why: String,
    },
}

/// How far `send` has come with a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Course {
    /// Attempts that failed since the last one that succeeded.
    pub(crate) attempts: u32,
    /// Not before this; absent means at once.
    pub(crate) next_try: Option<Timestamp>,
    /// What went wrong last.
    pub(crate) problem: Option<Problem>,
    /// Where the transport can go on.
    pub(crate) resume: Option<Resume>,
    /// Since when everything is delivered and only the confirmation is missing.
    pub(crate) delivered_at: Option<Timestamp>,
    /// When the receiver rejected this content before, so that old news is not taken for new.
    pub(crate) rejected_at: Option<Timestamp>,
}

/// What went wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) cause: Cause,
    /// What happened, and what to do about it.
    pub(crate) message: String,
    /// Since when it has been failing.
    pub(crate) since: Timestamp,
    /// The last attempt.
    pub(crate) last: Timestamp,
}

/// Where a transport goes on, for one content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resume {
    /// The transport's own word for the place: an upload's address.
    pub(crate) at: String,
    /// The content that was being sent.
    pub(crate) digest: Digest,
}

impl Job {
    /// `<record id>-<format>`, what all jobs of a published folder share.
    pub(crate) fn stem(&self) -> String {
        stem(&self.record_id, &self.format)
    }

    /// Whether another job is about the same published folder.
    pub(crate) fn same_folder(&self, other: &Job) -> bool {
        self.record_id == other.record_id && self.format == other.format
    }

    /// Whether it may be tried at this time.
    ///
    /// A next try further away than the longest pause was set by a clock that has been put back.
    pub(crate) fn due(&self, now: Timestamp, longest: SignedDuration) -> bool {
        let waits = |at: Timestamp| at > now && at.duration_since(now) <= longest;
        !self.course.next_try.is_some_and(waits)
    }
}

impl Course {
    /// Notes a failed attempt.
    pub(crate) fn failed(
        &mut self,
        cause: Cause,
        message: String,
        now: Timestamp,
        next: Timestamp,
    ) {
        let since = self.problem.as_ref().map_or(now, |p| p.since);
        self.attempts = self.attempts.saturating_add(1);
        self.next_try = Some(next);
        self.problem = Some(Problem {
            cause,
            message,
            since,
            last: now,
        });
    }

    /// Notes that something went well.
    pub(crate) fn succeeded(&mut self) {
        self.attempts = 0;
        self.next_try = None;
        self.problem = None;
    }
}

/// `<record id>-<format>`.
pub(crate) fn stem(record_id: &RecordId, format: &PlaybackFormat) -> String {
    format!("{record_id}-{format}")
}
