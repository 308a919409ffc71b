//! Where media becomes visible in Esup-Pod.
//!
//! A [`Destination`] takes one [`Lecture`] and gives a [`Registration`]: the claim directory of a
//! Pod recorder ([`directory`]) or Pod's REST API ([`upload`]). What it begins it first writes into
//! a [`Journal`], so that after a crash it finds out what Pod has before it makes anything again.
//! This module knows nothing of how a recording came here or how its media was made.

mod config;
mod directory;
mod error;
#[cfg(test)]
mod fixtures;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use recording::{Digest, PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

pub(crate) use config::DestinationConfig;
pub(crate) use error::{PodError, Retry};

/// What is known of a recording when it is time to register it.
#[derive(Clone, Debug)]
pub(crate) struct Lecture {
    /// BBB's internal meeting id.
    pub(crate) record_id: RecordId,
    /// The meeting's name as BBB has it; any text.
    pub(crate) title: Option<String>,
    /// When the recording began.
    pub(crate) started: Option<Timestamp>,
    /// Length of the media in milliseconds.
    pub(crate) duration_ms: u64,
    /// The MP4. The caller has checked that ffprobe can read it.
    pub(crate) media: PathBuf,
    /// Digest of the MP4: a republished recording comes with another one.
    pub(crate) media_digest: Digest,
    /// Size of the MP4 in bytes.
    pub(crate) media_bytes: u64,
    /// Pod username of who it belongs to; `None` leaves it to the destination's default.
    pub(crate) owner: Option<String>,
    /// Pod usernames of who owns it too; none of them is the owner.
    pub(crate) additional_owners: Vec<String>,
    /// Where it came from, for the description.
    pub(crate) origin: Origin,
    /// Two-letter code of the spoken language, when it is known.
    pub(crate) language: Option<String>,
    /// The meeting's meta keys as BBB published them.
    pub(crate) meta: BTreeMap<String, String>,
}

/// Where a recording came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The BBB node that sent it.
    pub(crate) node: Option<String>,
    /// The playback format the media was made from.
    pub(crate) format: PlaybackFormat,
    /// The meeting's id as the front-end chose it.
    pub(crate) meeting_id: Option<String>,
    /// The front-end's server (`bbb-origin-server-name`).
    pub(crate) server_name: Option<String>,
}

/// What kind of thing stands for a recording in Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A file in a claim directory, to be taken by its owner.
    Claim,
    /// A video.
    Video,
}

/// What exists in Pod now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    /// What it is.
    pub(crate) kind: Kind,
    /// Name of the claimed file, or id of the video.
    pub(crate) reference: String,
    /// Where a person can look at it.
    pub(crate) url: Option<String>,
    /// Digest of the media that Pod has. Differs from the lecture's when a republished recording
    /// could not replace what Pod took before; a note says why.
    pub(crate) media_digest: Digest,
    /// What an administrator should know, for the recording's history.
    pub(crate) notes: Vec<String>,
    /// When Pod still works on it: how long to wait before [`Destination::register`] is called once
    /// more to see what has become of it.
    pub(crate) look_again: Option<Duration>,
}

/// Remembers what a destination has begun for one recording, so that a restart asks Pod before it
/// makes anything again. Kept for as long as the recording is known: a republished recording finds
/// here what it replaces.
pub(crate) trait Journal: Send + Sync {
    /// What was saved last for this recording and this destination.
    fn load(&self) -> BoxFuture<'_, anyhow::Result<Option<serde_json::Value>>>;

    /// Replaces what was saved. It must be on the disk when this returns.
    fn save<'a>(&'a self, progress: &'a serde_json::Value) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// Whether something registered is still in Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is.
    There,
    /// It is not: somebody deleted it.
    Gone,
    /// There is no way to tell: a claimed file has left its directory.
    Unknown,
}

/// How a finding of [`Destination::check`] weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It works.
    Fine,
    /// It works, and an administrator should know something.
    Warning,
    /// It cannot work.
    Wrong,
}

/// One thing that [`Destination::check`] tried.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// How it weighs.
    pub(crate) severity: Severity,
    /// What was tried and what came of it.
    pub(crate) what: String,
    /// What to change, and where.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn fine(what: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Fine,
            what: what.into(),
            advice: None,
        }
    }

    pub(crate) fn warning(what: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            what: what.into(),
            advice: Some(advice.into()),
        }
    }

    pub(crate) fn wrong(what: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Wrong,
            what: what.into(),
            advice: Some(advice.into()),
        }
    }
}

impl From<PodError> for Finding {
    fn from(error: PodError) -> Finding {
        Finding {
            severity: Severity::Wrong,
            what: error.to_string(),
            advice: None,
        }
    }
}

/// A way of registering recordings in Pod.
pub(crate) trait Destination: Send + Sync {
    /// Its `kind` in the settings.
    fn name(&self) -> &'static str;

    /// Makes Pod have this lecture exactly once, and says what Pod has now.
    ///
    /// Safe to call again at any time, and after having been dropped or killed at any point: what
    /// exists is found and completed. Must not run twice at once for the same recording.
    ///
    /// # Errors
    /// [`PodError::retry`] says whether and when to try again.
    fn register<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Registration, PodError>>;

    /// Whether what was registered for a recording is still in Pod, as far as Pod tells. Changes
    /// nothing.
    ///
    /// # Errors
    /// Pod could not be asked.
    fn standing<'a>(
        &'a self,
        _record_id: &'a RecordId,
        _journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Standing, PodError>> {
        Box::pin(async { Ok(Standing::Unknown) })
    }

    /// Tries everything that can be tried without leaving anything behind.
    fn check(&self) -> BoxFuture<'_, Vec<Finding>>;
}

/// Makes the destination that the settings describe.
///
/// # Errors
/// [`PodError::Settings`]: a file named in the settings cannot be read. Nothing is asked of Pod
/// yet; [`Destination::check`] does that.
pub(crate) fn destination(config: &DestinationConfig) -> Result<Box<dyn Destination>, PodError> {
    match config {
        DestinationConfig::Directory(config) => Ok(Box::new(directory::Directory::new(config)?)),
        DestinationConfig::Upload(config) => Ok(Box::new(upload::Upload::new(config)?)),
    }
}
