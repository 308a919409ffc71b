//! Why a recording could not be had from its server.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{StatusCode, Url};

/// What went wrong, where, why, and what can be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaybackError {
    /// What was given is not the address of a presentation.
    #[error("{given}: {why}")]
    Address {
        /// As it was given.
        given: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A setting of the connection is wrong.
    #[error("{option}: {why}")]
    Option {
        /// The option's name as the command line has it.
        option: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers, or nobody that can be trusted.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        why: String,
    },
    /// The server does not have the recording, or something else in its place.
    #[error("{url}: {why}")]
    NotThere {
        /// What was asked for.
        url: String,
        /// What came instead.
        why: String,
    },
    /// The server will not give a file.
    #[error(
        "{url}: the server answers {status}; a protected recording can only be had on its own server"
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// What it said.
        status: StatusCode,
    },
    /// The transfer failed again and again.
    #[error("{url}: given up after {tries} tries: {why}; the same command goes on where it was")]
    Interrupted {
        /// What was asked for.
        url: String,
        /// How often.
        tries: u32,
        /// What went wrong last.
        why: String,
    },
    /// A file is larger than what is taken.
    #[error("{url}: larger than the {limit} bytes that are taken")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// How much is taken.
        limit: u64,
    },
    /// Reading or writing failed here.
    #[error("{doing} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was being done, as "writing".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was asked to stop.
    #[error("stopped; the same command goes on where it was")]
    Stopped,
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room and run the same command again: it goes on where it was"
        }
        _ => "",
    }
}

impl PlaybackError {
    /// Whether the same may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            PlaybackError::Unreachable { .. }
            | PlaybackError::Interrupted { .. }
            | PlaybackError::Io { .. }
            | PlaybackError::Stopped => true,
            PlaybackError::Address { .. }
            | PlaybackError::Option { .. }
            | PlaybackError::NotThere { .. }
            | PlaybackError::Refused { .. }
            | PlaybackError::TooLarge { .. } => false,
        }
    }
}

/// What happened to one request.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Trying again cannot help.
    Lasting(PlaybackError),
    /// Trying again may help, after this long at least if the server says so.
    Passing(String, Option<Duration>),
    /// No connection came about.
    NoConnection(String),
}

impl From<PlaybackError> for Trouble {
    fn from(error: PlaybackError) -> Trouble {
        Trouble::Lasting(error)
    }
}

/// Sorts what the HTTP library says of a request without an answer.
pub(super) fn trouble(error: &reqwest::Error, url: &Url) -> Trouble {
    let words = innermost(error);
    let lower = all_words(error).to_lowercase();
    let unreachable = |why: String| {
        Trouble::Lasting(PlaybackError::Unreachable {
            url: url.to_string(),
            why,
        })
    };
    if error.is_redirect() {
        return Trouble::Lasting(PlaybackError::NotThere {
            url: url.to_string(),
            why: words,
        });
    }
    if lower.contains("dns error") || lower.contains("failed to lookup") {
        let host = url.host_str().unwrap_or_default();
        return unreachable(format!("the name {host} cannot be found: {words}"));
    }
    let is_tls = ["certificate", "tls", "handshake", "corrupt message"]
        .iter()
        .any(|word| lower.contains(word));
    if error.is_connect() && is_tls {
        return unreachable(format!(
            "no trust in it: {words}; give the certificate of a private authority with --ca-file"
        ));
    }
    if error.is_connect() {
        return Trouble::NoConnection(words);
    }
    if error.is_timeout() {
        return Trouble::Passing("no answer in time".to_owned(), None);
    }
    Trouble::Passing(words, None)
}

fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

fn all_words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push(' ');
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
