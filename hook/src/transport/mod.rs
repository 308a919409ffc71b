//! How a package gets from the node into a spool.
//!
//! A transport is given a package and a place to go on at; it knows nothing of the outbox. The
//! outbox in turn keeps the transport's word for the place without knowing what it means.

pub(crate) mod directory;
pub(crate) mod http;
pub(crate) mod rsync;
mod spool;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::settings::SettingsError;
use recording::{Package, PlaybackFormat, RecordId};

use crate::failure::Failure;
use crate::settings::{Settings, TransportKind};
use crate::stop::Stop;

/// The way out that the settings chose.
#[derive(Debug)]
pub(crate) enum Transport {
    /// tus over HTTP to a receiver.
    Http(http::Http),
    /// rsync into a spool.
    Rsync(rsync::Rsync),
    /// A mounted spool.
    Directory(directory::Directory),
}

/// What the other side knows of one content of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    Unknown,
    /// Complete, not yet checked.
    Spooled,
    /// In the archive, and the newest content known there.
    Archived,
    /// Was in the archive; another content has taken or is about to take its place.
    Superseded,
    /// The recording was erased there and is not taken again.
    Erased,
    /// Not what its manifest says.
    Rejected {
        /// The receiver's reason.
        reason: String,
        /// When it was rejected.
        since: Timestamp,
    },
}

/// How a delivery ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Every byte is on the other side.
    Whole,
    /// Asked to stop; it can go on later.
    Stopped,
}

/// What a transport tells while it works.
pub(crate) trait Journal: Send + Sync {
    /// Keeps the place to go on at, durably, before a byte is sent there.
    ///
    /// # Errors
    /// The place cannot be kept.
    fn resume_at(&self, place: &str) -> Result<(), Failure>;

    /// So many bytes of so many are on the other side.
    fn progress(&self, sent: u64, length: u64);
}

impl Transport {
    /// Opens the transport that the settings chose; no connection is made yet.
    ///
    /// # Errors
    /// A key of the transport's section is missing or wrong.
    pub(crate) fn open(settings: &Settings, outbox_dir: &Path) -> Result<Transport, SettingsError> {
        match settings.transport {
            TransportKind::Http => http::Http::open(settings).map(Transport::Http),
            TransportKind::Rsync => rsync::Rsync::open(settings, outbox_dir).map(Transport::Rsync),
            TransportKind::Directory => {
                directory::Directory::open(settings, outbox_dir).map(Transport::Directory)
            }
        }
    }

    /// Whether somebody says what has become of a package; else it has arrived when it lies in
    /// the spool.
    pub(crate) fn confirms(&self) -> bool {
        matches!(self, Transport::Http(_))
    }

    /// Removes what an earlier run left half-done and no job goes on with.
    pub(crate) fn forget_leftovers(&self, wanted: impl FnOnce() -> BTreeSet<Digest>) {
        match self {
            Transport::Http(_) => {}
            Transport::Rsync(rsync) => rsync.forget_leftovers(&wanted()),
            Transport::Directory(directory) => directory.forget_leftovers(&wanted()),
        }
    }

    /// What the other side knows of a content.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) async fn known(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        digest: &Digest,
    ) -> Result<Known, Failure> {
        match self {
            Transport::Http(http) => http.known(record_id, format, digest).await,
            Transport::Rsync(_) | Transport::Directory(_) => Ok(Known::Unknown),
        }
    }

    /// Brings a package over, going on at `place` when the other side still has that.
    ///
    /// # Errors
    /// What has arrived remains there, and the next attempt goes on after it.
    pub(crate) async fn deliver(
        &self,
        package: Arc<Package>,
        place: Option<&str>,
        journal: &Arc<dyn Journal>,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        match self {
            Transport::Http(http) => http.deliver(package, place, &**journal, stop).await,
            Transport::Rsync(rsync) => rsync.deliver(package, journal, stop).await,
            Transport::Directory(directory) => directory.deliver(package, journal, stop).await,
        }
    }
}
