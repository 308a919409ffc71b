//! The words that hook and receiver say to each other over HTTP.
//!
//! An upload is plain tus 1.0.0 at [`FILES_PATH`]; what is ours is a handful of `Upload-Metadata`
//! keys, the answers of `GET /api/v1/recordings/{record id}` and `POST /api/v1/known`, by which a
//! hook learns what has safely arrived, and what node and receiver tell each other about
//! themselves below [`NODE_PATH`]. Everything but the enrolment is asked with the node's token.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{PlaybackFormat, RecordId};

/// Where uploads are created.
pub const FILES_PATH: &str = "/files/";
/// Where the state of a recording is asked; the record id follows.
pub const RECORDINGS_PATH: &str = "/api/v1/recordings/";

/// Where many packages are asked about at once: POST [`KnownQuestion`], answered by [`Known`].
pub const KNOWN_PATH: &str = "/api/v1/known";
/// Where a node has the archive's copies read again before it deletes its own: POST
/// [`KnownQuestion`], answered by [`Verified`].
pub const VERIFY_PATH: &str = "/api/v1/verify";
/// Who the receiver takes the asker for, and what it is itself: [`Introduction`].
pub const NODE_PATH: &str = "/api/v1/node";
/// Where a node tells what became of its recordings: POST [`NodeStates`].
pub const NODE_STATES_PATH: &str = "/api/v1/node/states";
/// What the receiver has of a node, page by page: [`NodeRecordings`].
pub const NODE_RECORDINGS_PATH: &str = "/api/v1/node/recordings";
/// Where a node tells how it is: POST [`NodeReport`].
pub const NODE_REPORT_PATH: &str = "/api/v1/node/report";
/// Takes a body and drops it, to measure the way: POST, answered by [`Probed`].
pub const PROBE_PATH: &str = "/api/v1/probe";
/// Where a one-time code becomes a token: POST [`Enrolment`], answered by [`Enrolled`].
pub const ENROLL_PATH: &str = "/api/v1/enroll";

/// The generation of these words; a hook and a receiver that differ in it do not understand each
/// other.
pub const PROTOCOL_VERSION: &str = "1";
/// Most packages or recordings in one question, report or page.
pub const MOST_AT_ONCE: usize = 1000;
/// Longest body that [`PROBE_PATH`] takes, in bytes.
pub const LONGEST_PROBE: usize = 4 * 1024 * 1024;

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
    /// Whether Pod has it: a video, or a file in a claim directory.
    #[serde(default)]
    pub registered: bool,
    /// Whether it was erased at the receiver, which does not take it again by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erased: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
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
    /// It was archived, and the archive's copy was found damaged or lost; it must be sent again.
    Damaged,
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
            PackageStatus::Damaged => "damaged",
        }
    }
}

/// Packages that a node asks about, [`MOST_AT_ONCE`] at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownQuestion {
    /// The packages.
    pub packages: Vec<PackageName>,
}

/// What identifies a package: a recording in one format with one content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PackageName {
    /// The recording.
    pub record_id: RecordId,
    /// The playback format.
    pub format: PlaybackFormat,
    /// The content digest.
    pub digest: Digest,
}

/// How far each package asked about has come, in the order of the question; `None` for one that
/// never came. Whoever sent it counts, because the same digest is the same content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// One for each package asked about.
    pub packages: Vec<Option<PackageStatus>>,
}

/// What the archive holds of each package asked about, in the order of the question, by reading
/// every byte of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// One for each package asked about.
    pub packages: Vec<Verification>,
}

/// What came of reading one package's content in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Verification {
    /// The archive holds this content.
    Held {
        /// The content digest of what was read.
        digest: Digest,
    },
    /// It is being read, or waits for that; to be asked again.
    Pending,
    /// The archive does not hold it, or not as it came.
    Wrong {
        /// What is wrong, in one line.
        why: String,
    },
}

/// What became of recordings on their node, [`MOST_AT_ONCE`] at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStates {
    /// The recordings.
    pub recordings: Vec<NodeState>,
}

/// What became of one format of a recording on its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// The recording.
    pub record_id: RecordId,
    /// The playback format.
    pub format: PlaybackFormat,
    /// What became of it.
    pub state: OnNode,
    /// Since when, as far as the node knows.
    pub since: Timestamp,
}

/// Where a recording is on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNode {
    /// People can see it.
    Published,
    /// It is there, and nobody can see it.
    Unpublished,
    /// It is gone, or in BBB's `deleted` folder.
    Deleted,
    /// The node deleted it because the receiver had confirmed all of it.
    Pruned,
}

impl OnNode {
    /// The word used in JSON and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OnNode::Published => "published",
            OnNode::Unpublished => "unpublished",
            OnNode::Deleted => "deleted",
            OnNode::Pruned => "pruned",
        }
    }
}

/// A page of what the receiver has of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecordings {
    /// One for each recording and format, ordered by both.
    pub recordings: Vec<NodeRecording>,
    /// What to ask the next page with, as `?after=`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What the receiver has of one format of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecording {
    /// The recording.
    pub record_id: RecordId,
    /// The playback format.
    pub format: PlaybackFormat,
    /// The content digest of the package that counts: the archived one, else the latest.
    pub digest: Digest,
    /// How far that package has come.
    pub status: PackageStatus,
    /// Its length in bytes.
    pub bytes: u64,
    /// What has become of the recording since; absent until something was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Whether Pod has it.
    pub registered: bool,
    /// What the node last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_state: Option<OnNode>,
}

/// What the receiver says of itself and of who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The node whose token was shown.
    pub node: String,
    /// Whether the receiver takes recordings of it.
    #[serde(default)]
    pub state: NodeStanding,
    /// The receiver's version.
    pub version: String,
    /// The receiver's [`PROTOCOL_VERSION`].
    pub protocol: String,
    /// The receiver's clock.
    pub time: Timestamp,
    /// Longest package taken, in bytes.
    pub max_size: u64,
    /// Bytes that uploads may take before they are answered with 507; absent when that cannot be
    /// told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
    /// The version of tus spoken at [`FILES_PATH`].
    pub tus_version: String,
}

/// Whether the receiver takes recordings of a node, as its administrator has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeStanding {
    /// It does.
    #[default]
    Enabled,
    /// It takes nothing new, and lets uploads under way come to their end.
    Cordoned,
    /// It takes nothing, and answers nothing but this.
    Disabled,
}

impl NodeStanding {
    /// All of them.
    pub const ALL: [NodeStanding; 3] = [
        NodeStanding::Enabled,
        NodeStanding::Cordoned,
        NodeStanding::Disabled,
    ];

    /// The word used in JSON, in headers and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NodeStanding::Enabled => "enabled",
            NodeStanding::Cordoned => "cordoned",
            NodeStanding::Disabled => "disabled",
        }
    }
}

/// Header of a refusal that is only due to the node's [`NodeStanding`], which it holds: nothing is
/// wrong with the token or what was asked.
pub const NODE_STATE_HEADER: &str = "bbb2pod-node-state";

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The hook's version.
    pub version: String,
    /// Jobs that wait in its outbox.
    pub backlog: u64,
    /// Bytes of these jobs.
    pub backlog_bytes: u64,
    /// Since when the oldest of them waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_unsent: Option<Timestamp>,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Bytes that arrived.
    pub bytes: u64,
}

/// How a node introduces itself for the first time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The one-time code, from `bbb2pod-receiver node enroll NAME`.
    pub code: String,
    /// The hook's version.
    pub hook_version: String,
}

/// What a node gets for its one-time code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The node's name at the receiver.
    pub node: String,
    /// Its token; it is not told again.
    pub token: String,
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
