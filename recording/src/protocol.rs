//! The words that hook and receiver say to each other over HTTP.
//!
//! An upload is plain tus 1.0.0 at [`FILES_PATH`]; what is ours is a handful of `Upload-Metadata`
//! keys and the answer of `GET /api/v1/recordings/{record id}`, by which a hook learns what has
//! safely arrived.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{PlaybackFormat, RecordId};

/// Where uploads are created.
pub const FILES_PATH: &str = "/files/";
/// Where the state of a recording is asked; the record id follows.
pub const RECORDINGS_PATH: &str = "/api/v1/recordings/";

/// `Upload-Metadata` key: the package's file name, `<record id>-<format>.tar`.
pub const FILENAME_KEY: &str = "filename";
/// `Upload-Metadata` key: the content digest of the manifest, by which a package is known.
pub const DIGEST_KEY: &str = "digest";

/// What the receiver tells a node of one recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingState {
    /// The recording.
    pub record_id: RecordId,
    /// Its packages, one per playback format and content, newest first.
    pub packages: Vec<PackageState>,
    /// What has become of it since; absent until something was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// What the receiver knows of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageState {
    /// The playback format.
    pub format: PlaybackFormat,
    /// The content digest.
    pub digest: Digest,
    /// How far it has come.
    pub status: PackageStatus,
    /// Why it was rejected, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it has been in this status.
    pub since: Timestamp,
}

/// How far a package has come at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageStatus {
    /// Complete in the spool, not yet checked.
    Spooled,
    /// Every digest checked, all files in the archive: the node's copy is no longer the only one.
    Archived,
    /// Not what its manifest says, or not safe to unpack; it must be sent again.
    Rejected,
    /// Archived, and a later content of the same recording and format has taken its place.
    Superseded,
}

impl PackageStatus {
    /// The word used in JSON and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PackageStatus::Spooled => "spooled",
            PackageStatus::Archived => "archived",
            PackageStatus::Rejected => "rejected",
            PackageStatus::Superseded => "superseded",
        }
    }
}

/// The body of every refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was refused and why, in one line; it never tells of paths or secrets.
    pub error: String,
}

/// The file name of a package.
#[must_use]
pub fn package_file_name(record_id: &RecordId, format: &PlaybackFormat) -> String {
    format!("{record_id}-{format}.tar")
}
