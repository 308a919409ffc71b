//! What can go wrong between a recording and Pod, and whether trying again can help.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Whether, and when, a failed registration should be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not before something has been changed by a person.
    Never,
    /// Later, and not before this long when it is given.
    Later(Option<Duration>),
    /// No registration at this destination can succeed before the settings or Pod have changed;
    /// trying others only does harm (Pod may lock the account out).
    StopAll,
}

/// Why a lecture could not be registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodError {
    /// A setting is wrong, or what it names does not exist in Pod.
    #[error("destination.{key}: {why}")]
    Settings {
        /// The key, below `destination`.
        key: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A file or directory could not be read or written.
    #[error("cannot {doing} {}: {source}{}", path.display(), advice_for(source))]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The claim directory is not what it should be: most often a share that is not mounted.
    #[error("{}: {why}", path.display())]
    ClaimDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// The media is not the one that was converted.
    #[error("{}: {why}; convert the recording again", path.display())]
    Media {
        /// The media file.
        path: PathBuf,
        /// What differs.
        why: String,
    },
    /// What has been begun could not be remembered, so nothing was begun.
    #[error("the ledger did not keep the progress of the registration: {0:#}")]
    Journal(anyhow::Error),
}

impl PodError {
    /// Whether trying again can help.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            PodError::Settings { .. } => Retry::StopAll,
            PodError::File { .. } | PodError::ClaimDirectory { .. } | PodError::Journal(_) => {
                Retry::Later(None)
            }
            PodError::Media { .. } => Retry::Never,
        }
    }

    /// Wraps what the system said about a file; made for `map_err`.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> PodError {
        let path = path.into();
        move |source| PodError::File {
            doing,
            path,
            source,
        }
    }
}

fn advice_for(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space there, it is tried again by itself"
        }
        io::ErrorKind::PermissionDenied => {
            "; let the user that bbb2pod-receiver runs as write there"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; mount it writable",
        _ => "",
    }
}
