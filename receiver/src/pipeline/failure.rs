//! How a stage ends, other than well, and of which kind that is.

use crate::import::ImportError;
use crate::ledger::LedgerError;
use crate::pod::{PodError, Retry};

/// How a stage ended, other than well.
pub(crate) enum Failure {
    /// Try again later.
    Later(Cause, String),
    /// A human has to look.
    ForGood(Cause, String),
    /// The service is stopping; nothing is wrong.
    Stopped,
}

/// Kinds of failures, few enough to be counted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The ledger could not be read or written.
    Ledger,
    /// A file could not be read or written.
    Disk,
    /// The recording is damaged, or not what the converter knows.
    Recording,
    /// The converter died or was ended.
    Converter,
    /// What an earlier stage made is not there any more.
    Lost,
    /// It could not be asked whose it is.
    Owners,
    /// Pod cannot be reached, is busy, or fails itself.
    PodAway,
    /// Pod refused it for good.
    PodRefused,
    /// What the settings name is not in Pod, or Pod refuses the token.
    Settings,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Cause; 9] = [
        Cause::Ledger,
        Cause::Disk,
        Cause::Recording,
        Cause::Converter,
        Cause::Lost,
        Cause::Owners,
        Cause::PodAway,
        Cause::PodRefused,
        Cause::Settings,
    ];

    /// The word in metrics and in the ledger.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Cause::Ledger => "ledger",
            Cause::Disk => "disk",
            Cause::Recording => "recording",
            Cause::Converter => "converter",
            Cause::Lost => "lost",
            Cause::Owners => "owners",
            Cause::PodAway => "pod-away",
            Cause::PodRefused => "pod-refused",
            Cause::Settings => "settings",
        }
    }

    /// Of a failed import.
    pub(super) fn of_import(error: &ImportError) -> Cause {
        match error {
            ImportError::Failed { .. } => Cause::Disk,
            ImportError::Ledger(_) => Cause::Ledger,
            ImportError::Interrupted(_) => Cause::Lost,
        }
    }
}

impl Failure {
    /// Why, in words.
    pub(super) fn words(self) -> String {
        match self {
            Failure::Later(_, why) | Failure::ForGood(_, why) => why,
            Failure::Stopped => "the service is stopping".to_owned(),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        Failure::Later(Cause::Ledger, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Later(Cause::Disk, error.to_string())
    }
}

impl From<PodError> for Failure {
    fn from(error: PodError) -> Failure {
        let why = error.to_string();
        match (&error, error.retry()) {
            (_, Retry::Never) => Failure::ForGood(Cause::PodRefused, why),
            (_, Retry::StopAll) => Failure::Later(Cause::Settings, why),
            (PodError::File { .. } | PodError::ClaimDirectory { .. }, _) => {
                Failure::Later(Cause::Disk, why)
            }
            (PodError::Journal(_), _) => Failure::Later(Cause::Ledger, why),
            _ => Failure::Later(Cause::PodAway, why),
        }
    }
}
