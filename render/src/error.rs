//! Why a recording could not be turned into a picture or a film.

use std::path::PathBuf;

/// What went wrong, where, why, and what can be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source is no folder, or not one that can be read.
    #[error("{path}: not a published recording: {why}", path = .path.display())]
    NotARecording {
        /// What was given as the source.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the recording is needed and cannot be used.
    #[error("{path}: {why}", path = .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line or field where known.
        why: String,
    },
    /// A reference points outside the recording's folder, and is not followed.
    #[error("{href:?} is refused: {why}")]
    Outside {
        /// The reference as the recording has it.
        href: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// Reading or writing failed.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done, as "writing".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The canvas asked for cannot be drawn on.
    #[error(
        "a picture of {width}x{height} pixels cannot be drawn: give a size between 16x16 and 8192x8192"
    )]
    BadSize {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
    },
}

impl Error {
    /// Whether the same command may succeed later without the recording changing
    /// (a full disk, a failing file system); `false` when the input is bad.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Io { source, .. } => source.kind() != std::io::ErrorKind::NotFound,
            Error::NotARecording { .. }
            | Error::BadFile { .. }
            | Error::Outside { .. }
            | Error::BadSize { .. } => false,
        }
    }
}
