//! Why a recording belongs to whom: every step of the search in words.

use serde::{Deserialize, Serialize};

/// Who says something in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// The administrator's CSV file.
    Csv,
    /// The moderators in the manifest.
    Manifest,
    /// Pod's own meetings.
    Pod,
    /// A Moodle database.
    Moodle,
    /// A Greenlight database.
    Greenlight,
    /// The meeting that a breakout room belongs to.
    Breakout,
    /// `owners.otherwise`.
    Otherwise,
    /// An administrator, by `recording assign`.
    Assigned,
}

impl Source {
    /// The word used in the settings, in the ledger and in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Source::Csv => "csv",
            Source::Manifest => "manifest",
            Source::Pod => "pod",
            Source::Moodle => "moodle",
            Source::Greenlight => "greenlight",
            Source::Breakout => "breakout",
            Source::Otherwise => "otherwise",
            Source::Assigned => "assigned",
        }
    }
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Something was looked at.
    Looked,
    /// It names an owner, or leads on.
    Found,
    /// It names nobody, or nobody who may be an owner.
    Rejected,
    /// Worth knowing.
    Note,
}

/// One step of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    /// Who says it.
    pub(crate) source: Source,
    /// What it is.
    pub(crate) what: What,
    /// In one line.
    pub(crate) text: String,
}

/// The steps of one search so far.
#[derive(Debug)]
pub(super) struct Trace {
    source: Source,
    /// All of them, in order.
    pub(super) reasons: Vec<Reason>,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace {
            source: Source::Otherwise,
            reasons: Vec::new(),
        }
    }

    /// Whoever speaks from now on.
    pub(super) fn speaker(&mut self, source: Source) {
        self.source = source;
    }

    pub(super) fn looked(&mut self, text: impl Into<String>) {
        self.add(What::Looked, text.into());
    }

    pub(super) fn found(&mut self, text: impl Into<String>) {
        self.add(What::Found, text.into());
    }

    pub(super) fn rejected(&mut self, text: impl Into<String>) {
        self.add(What::Rejected, text.into());
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.add(What::Note, text.into());
    }

    fn add(&mut self, what: What, text: String) {
        // Names come from outside; a line stays a line.
        let text = text.replace(char::is_control, " ");
        let source = self.source;
        self.reasons.push(Reason { source, what, text });
    }
}
