//! The stages of a recording, and where it stands among them.

use jiff::Timestamp;
use recording::RecordId;

use super::LedgerError;

/// What a recording has to go through next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Decide what its video is made from.
    Media,
    /// Make the video.
    Convert,
    /// Hand the video to Pod.
    Register,
    /// Nothing more.
    Done,
}

impl Stage {
    /// The word used in the ledger, in output and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Stage::Media => "media",
            Stage::Convert => "convert",
            Stage::Register => "register",
            Stage::Done => "done",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Stage, LedgerError> {
        let all = [Stage::Media, Stage::Convert, Stage::Register, Stage::Done];
        all.into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| LedgerError::Unreadable(format!("stage \"{text}\"")))
    }
}

/// A recording as the ledger knows it.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// Its id.
    pub(crate) record_id: RecordId,
    /// The node it came from.
    pub(crate) node: Option<String>,
    /// The tenant whose it is.
    pub(crate) tenant: Option<String>,
    /// Its title.
    pub(crate) title: Option<String>,
    /// When the meeting began.
    pub(crate) started_at: Option<Timestamp>,
    /// What comes next.
    pub(crate) stage: Stage,
    /// Whether it waits for a human.
    pub(crate) failed: bool,
    /// Why nobody could be found whose it is, while it waits for somebody to decide.
    pub(crate) review: Option<String>,
    /// Why the last attempt failed.
    pub(crate) error: Option<String>,
    /// Failed attempts at this stage.
    pub(crate) attempts: u32,
    /// When the next attempt is due.
    pub(crate) next_try: Timestamp,
    /// How far a running conversion is: recorded milliseconds done, and in all.
    pub(crate) progress: Option<(u64, u64)>,
}

impl Recording {
    /// One word for people and nodes: the stage that comes next, `done`, `failed` or `review`.
    pub(crate) fn state(&self) -> &'static str {
        match (self.failed, self.stage) {
            (true, _) => "failed",
            _ if self.review.is_some() => "review",
            (_, Stage::Done) => "done",
            (_, stage) => stage.as_str(),
        }
    }
}
