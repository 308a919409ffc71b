//! Where media becomes visible in Esup-Pod.
//!
//! A [`Destination`] takes one [`Lecture`] and gives a [`Registration`]: the claim directory of a
//! Pod recorder ([`directory`]), Pod's REST API ([`upload`]), the disk that Pod shares
//! ([`shared_disk`]), links under "My external videos"
//! ([`external`]), or only a line in a list ([`csv`]). What it begins it first writes into
//! a [`Journal`], so that after a crash it finds out what Pod has before it makes anything again.
//! This module knows nothing of how a recording came here or how its media was made.

mod config;
mod csv;
mod directory;
mod error;
pub(crate) mod external;
#[cfg(test)]
pub(crate) mod fixtures;
mod people;
mod shared_disk;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use recording::{Digest, PlaybackFormat, RecordId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::web::video::Addresses;

pub(crate) use config::{ApiConfig, DestinationConfig};
use directory::blocking;
pub(crate) use error::{PodError, Retry};
pub(crate) use people::{Meeting, NewUser, People};

/// What is known of a recording when it is time to register it.
#[derive(Clone, Debug)]
pub(crate) struct Lecture {
    /// BBB's internal meeting id.
    pub(crate) record_id: RecordId,
    /// The meeting's name as BBB has it; any text.
    pub(crate) title: Option<String>,
    /// When the recording began.
    pub(crate) started: Option<Timestamp>,
    /// Length in milliseconds; of the recording when the media has not been made.
    pub(crate) duration_ms: u64,
    /// The MP4; `None` when it has not been made, which only a destination sees whose
    /// [`Destination::needs_media`] is false.
    pub(crate) media: Option<MediaFile>,
    /// Digest of the content that the media is, or would be, made from.
    pub(crate) source_digest: Digest,
    /// Where BBB's own player shows the recording.
    pub(crate) playback: Option<String>,
    /// Pod username of who it belongs to; `None` leaves it to the destination's default.
    pub(crate) owner: Option<String>,
    /// Who said so, in words.
    pub(crate) owner_why: Option<String>,
    /// Pod usernames of who owns it too; none of them is the owner.
    pub(crate) additional_owners: Vec<String>,
    /// Accounts among them that are made before it is handed over; only a rehearsal sees any.
    pub(crate) to_create: Vec<NewUser>,
    /// Where it came from, for the description.
    pub(crate) origin: Origin,
    /// Two-letter code of the spoken language, when it is known.
    pub(crate) language: Option<String>,
    /// The meeting's meta keys as BBB published them.
    pub(crate) meta: BTreeMap<String, String>,
    /// The published presentation, when it is kept: chapters, captions, slides, chat and notes are
    /// made from it.
    pub(crate) presentation: Option<Presentation>,
}

/// A published presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presentation {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The digest of its content.
    pub(crate) digest: Digest,
}

/// The MP4 of a recording. Whoever made it has checked that ffprobe can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaFile {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Its digest: a republished recording comes with another one.
    pub(crate) digest: Digest,
    /// Its size in bytes.
    pub(crate) bytes: u64,
}

impl Lecture {
    /// Whether an owner's account is made before the lecture is handed over.
    pub(crate) fn makes(&self, username: &str) -> bool {
        self.to_create.iter().any(|user| user.username == username)
    }

    /// Usernames of whom it belongs to, each once: the first is its owner in Pod.
    pub(crate) fn known_owners(&self) -> impl Iterator<Item = &str> {
        let more = self.additional_owners.iter().map(String::as_str);
        self.owner.as_deref().into_iter().chain(more)
    }

    /// The same, or the default when nobody is known.
    pub(crate) fn owners<'a>(&'a self, default: &'a str) -> impl Iterator<Item = &'a str> {
        let default = self.owner.is_none().then_some(default);
        self.known_owners().chain(default)
    }

    /// Why they own it, in words.
    pub(crate) fn owner_reason(&self) -> &str {
        match (&self.owner_why, &self.owner) {
            (Some(why), _) => why,
            (None, Some(_)) => "",
            (None, None) => "nobody is known to own it",
        }
    }

    /// The MP4, for who cannot do without.
    ///
    /// # Errors
    /// [`PodError::NotMade`]
    pub(crate) fn media(&self) -> Result<&MediaFile, PodError> {
        self.media.as_ref().ok_or(PodError::NotMade)
    }
}

/// The addresses that this receiver serves videos at.
#[derive(Clone, Debug)]
pub(crate) struct VideoLinks {
    /// `public_url` of the settings.
    pub(crate) base: Option<String>,
    /// The paths below it.
    pub(crate) addresses: Addresses,
}

impl VideoLinks {
    /// Where a recording's video is, when `public_url` is set.
    pub(crate) fn of(&self, id: &RecordId) -> Option<String> {
        let base = self.base.as_ref()?.trim_end_matches('/');
        Some(format!("{base}{}", self.addresses.path(id)))
    }
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
    /// BBB's word for the state of the recording: `published`, `unpublished`, …
    pub(crate) state: Option<String>,
    /// Whether BBB shows the recording.
    pub(crate) published: bool,
}

/// What kind of thing stands for a recording in Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A file in a claim directory, to be taken by its owner.
    Claim,
    /// A video.
    Video,
    /// Rows of "My external videos", one for each owner.
    Link,
    /// A line of a list that has been exported.
    Line,
}

impl Kind {
    /// The word used in the ledger, in output and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Claim => "claim",
            Kind::Video => "video",
            Kind::Link => "link",
            Kind::Line => "line",
        }
    }
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
    /// What is wrong with it in Pod and waits for somebody to look.
    pub(crate) trouble: Option<String>,
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

    /// How many other recordings' last saved progress at this destination has something at this
    /// JSON path (`$.step.encoding`).
    fn others(&self, path: &'static str) -> BoxFuture<'_, anyhow::Result<u64>>;

    /// Replaces what was saved. It must be on the disk when this returns.
    fn save<'a>(&'a self, progress: &'a serde_json::Value) -> BoxFuture<'a, anyhow::Result<()>>;
}

impl dyn Journal + '_ {
    /// How far a destination had come, as it saved that last.
    ///
    /// # Errors
    /// It cannot be read, or is not what this destination saves.
    async fn progress<P: DeserializeOwned>(&self) -> Result<Option<P>, PodError> {
        let saved = self.load().await.map_err(PodError::Journal)?;
        saved
            .map(serde_json::from_value)
            .transpose()
            .map_err(|e| PodError::Journal(e.into()))
    }

    /// Commits how far it has come now.
    ///
    /// # Errors
    /// It cannot be written; then nothing may be done that has to be remembered.
    async fn keep(&self, progress: &(impl Serialize + Sync)) -> Result<(), PodError> {
        let value = serde_json::to_value(progress).map_err(|e| PodError::Journal(e.into()))?;
        self.save(&value).await.map_err(PodError::Journal)
    }
}

/// Whether something registered is still in Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is.
    There,
    /// Not all of it is; this is missing.
    Partly(String),
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

    /// Whether the MP4 must have been made before a lecture can be registered.
    fn needs_media(&self) -> bool {
        true
    }

    /// Finds in Pod what the settings name, so that what is wrong is said at once.
    ///
    /// # Errors
    /// As for [`Destination::register`].
    fn prepare(&self) -> BoxFuture<'_, Result<(), PodError>> {
        Box::pin(async { Ok(()) })
    }

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

    /// Says what [`Destination::register`] would do, and changes nothing.
    ///
    /// What is the same for many lectures is asked of Pod once, so that thousands can be rehearsed.
    ///
    /// # Errors
    /// What would also keep it from being registered.
    fn rehearse<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Plan, PodError>>;

    /// How many questions it has asked Pod, by request or statement, since it was made.
    fn asked(&self) -> u64 {
        0
    }

    /// Tries everything that can be tried without leaving anything behind.
    fn check(&self) -> BoxFuture<'_, Vec<Finding>>;
}

/// What a destination would do with a lecture, for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    /// One line for each step; statements and requests as they would be sent.
    pub(crate) steps: Vec<String>,
    /// What would go wrong or be odd.
    pub(crate) warnings: Vec<String>,
}

/// Text on one line, of characters that every database stores.
pub(crate) fn plain(text: &str) -> String {
    upload::wording::plain(text, upload::wording::BMP_END)
}

/// Makes the destination that the settings describe.
///
/// # Errors
/// [`PodError::Settings`]: a file named in the settings cannot be read. Nothing is asked of Pod
/// yet; [`Destination::check`] does that.
pub(crate) fn destination(
    config: &DestinationConfig,
    videos: &VideoLinks,
) -> Result<Box<dyn Destination>, PodError> {
    match config {
        DestinationConfig::Directory(config) => Ok(Box::new(directory::Directory::new(config)?)),
        DestinationConfig::Upload(config) => Ok(Box::new(upload::Upload::new(config)?)),
        DestinationConfig::External(config) => {
            Ok(Box::new(external::External::new(config, videos)?))
        }
        DestinationConfig::Recording(config) => Ok(Box::new(shared_disk::SharedDisk::new(config)?)),
        DestinationConfig::Csv(config) => Ok(Box::new(csv::Csv::new(config))),
    }
}
