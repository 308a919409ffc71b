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
    /// An option has a value that cannot be used.
    #[error("{option}: {why}")]
    BadOption {
        /// The option's name as the command line has it.
        option: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// There is no recorded time to make a film of.
    #[error("{path}: the recording has no length: {why}", path = .path.display())]
    NoLength {
        /// The recording's folder.
        path: PathBuf,
        /// Where the length was looked for.
        why: String,
    },
    /// A program that is needed is not there.
    #[error("{program} cannot be started: {source}; install the package ffmpeg")]
    NoProgram {
        /// The name or path that was tried.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that is needed is too old.
    #[error("{program} is version {found}, but {needed} or later is needed")]
    TooOld {
        /// The name or path that was tried.
        program: String,
        /// Its version as it says itself.
        found: String,
        /// The lowest version that will do.
        needed: &'static str,
    },
    /// ffmpeg was built without what a codec needs.
    #[error(
        "{program} has no encoder for {codec} ({wanted}): choose another codec, or install an \
         ffmpeg that has one"
    )]
    NoEncoder {
        /// The name or path that was tried.
        program: String,
        /// The codec that was asked for.
        codec: String,
        /// ffmpeg's names of what would do.
        wanted: String,
    },
    /// A program failed.
    #[error("{program} failed while {doing} ({status}){}", last_words(.words))]
    Child {
        /// The program.
        program: String,
        /// What it was to do.
        doing: String,
        /// How it ended.
        status: String,
        /// Its last lines of standard error.
        words: Vec<String>,
        /// Whether something other than the input ended it.
        transient: bool,
    },
    /// The disk is full.
    #[error(
        "no space left on the disk while {doing}; make room and run the same command again: it \
         goes on from the last finished part"
    )]
    DiskFull {
        /// What was being done.
        doing: String,
    },
    /// Somebody else is converting the same thing.
    #[error("{path} is in use by another conversion", path = .path.display())]
    Busy {
        /// The folder of work that is locked.
        path: PathBuf,
    },
    /// It was asked to stop.
    #[error("stopped; the same command goes on from the last finished part")]
    Stopped,
}

fn last_words(words: &[String]) -> String {
    words.iter().fold(String::new(), |mut all, line| {
        all.push_str("\n  ");
        all.push_str(line);
        all
    })
}

impl Error {
    /// A program could not be started or waited for.
    pub(crate) fn cannot_run(program: &str, source: std::io::Error) -> Error {
        Error::NoProgram {
            program: program.to_string(),
            source,
        }
    }

    /// A program ended with something else than success.
    pub(crate) fn child_failed(
        program: &str,
        doing: &str,
        status: std::process::ExitStatus,
        stalled: bool,
        words: Vec<String>,
    ) -> Error {
        use std::os::unix::process::ExitStatusExt;
        let is_full = |line: &String| {
            ["No space left on device", "Disk quota exceeded"]
                .iter()
                .any(|said| line.contains(said))
        };
        if words.iter().any(is_full) {
            return Error::DiskFull {
                doing: doing.to_string(),
            };
        }
        Error::Child {
            program: program.to_string(),
            doing: doing.to_string(),
            status: if stalled {
                "killed because it made no progress".to_string()
            } else {
                status.to_string()
            },
            words,
            transient: stalled || status.signal().is_some(),
        }
    }

    /// An error of the file system, told apart from a full disk.
    pub(crate) fn io(doing: &'static str, path: &std::path::Path, source: std::io::Error) -> Error {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded) {
            return Error::DiskFull {
                doing: format!("{doing} {}", path.display()),
            };
        }
        Error::Io {
            doing,
            path: path.to_path_buf(),
            source,
        }
    }

    /// What is wrong, without the file's name, for messages that name it anyway.
    pub(crate) fn why(&self) -> String {
        match self {
            Error::BadFile { why, .. } => why.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the same command may succeed later without the recording changing
    /// (a full disk, a failing file system); `false` when the input is bad.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Io { source, .. } => source.kind() != std::io::ErrorKind::NotFound,
            Error::NotARecording { .. }
            | Error::BadFile { .. }
            | Error::Outside { .. }
            | Error::BadSize { .. }
            | Error::BadOption { .. }
            | Error::NoLength { .. } => false,
            Error::Child { transient, .. } => *transient,
            Error::NoProgram { .. }
            | Error::TooOld { .. }
            | Error::NoEncoder { .. }
            | Error::DiskFull { .. }
            | Error::Busy { .. }
            | Error::Stopped => true,
        }
    }
}
