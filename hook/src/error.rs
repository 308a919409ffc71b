//! What ends a command, and with which exit code.

use std::fmt;
use std::io;
use std::path::Path;

use recording::settings::SettingsError;

use crate::failure::{Cause, Failure};

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Input(String),
    /// The receiver was asked and did not answer as hoped.
    #[error(transparent)]
    Receiver(#[from] Failure),
    /// Reading or writing failed.
    #[error("{0}")]
    Disk(String),
}

impl Error {
    pub(crate) fn input(why: impl fmt::Display) -> Error {
        Error::Input(why.to_string())
    }

    pub(crate) fn disk(what: &str, path: &Path, why: &io::Error) -> Error {
        let advice = match why.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; make room, then run it again"
            }
            io::ErrorKind::PermissionDenied => "; it must be readable and writable for BBB's user",
            _ => "",
        };
        Error::Disk(format!("{what} {}: {why}{advice}", path.display()))
    }

    /// The exit code: 2 for settings and input, 3 when nothing could be reached, 1 for what a second
    /// call may mend.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Settings(_) | Error::Input(_) => 2,
            Error::Disk(_) => 1,
            Error::Receiver(failure) if failure.cause.nothing_reached() => 3,
            Error::Receiver(failure)
                if matches!(failure.cause, Cause::Settings | Cause::TokenRefused) =>
            {
                2
            }
            Error::Receiver(_) => 1,
        }
    }
}
