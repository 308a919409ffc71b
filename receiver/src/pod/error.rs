//! What can go wrong between a recording and Pod, and whether trying again can help.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::database::DatabaseError;

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
    /// The media has not been made.
    #[error("the video has not been made; run: bbb2pod-receiver recording retry ID --from media")]
    NotMade,
    /// BBB names no page that shows the recording.
    #[error(
        "its metadata.xml names no playback link for {format}; use link: video, or give it to \
         another destination"
    )]
    NoPlayback {
        /// The playback format.
        format: String,
    },
    /// An address does not fit into Pod's table.
    #[error("{url} has more than the {most} characters that Pod stores")]
    TooLong {
        /// The address.
        url: String,
        /// How many fit.
        most: usize,
    },
    /// Pod gave no answer: not reachable, connection lost, or too slow. What was asked for may have
    /// been done.
    #[error("{doing}: {url} cannot be reached: {why}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// The address.
        url: String,
        /// What the network said.
        why: String,
        /// How long to wait at least.
        wait: Option<Duration>,
    },
    /// Pod, or a proxy before it, failed. What was asked for may have been done.
    #[error("{doing}: {url} answered {status}: {said}")]
    Faulty {
        /// What was being done.
        doing: &'static str,
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the answer said.
        said: String,
        /// How long to wait at least.
        wait: Option<Duration>,
    },
    /// Pod refused what was asked for; nothing was done.
    #[error("{doing}: {url} answered {status}: {said}{}", advice_on(*status))]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the answer said.
        said: String,
    },
    /// Pod does not accept the token.
    #[error(
        "{doing}: {url} does not accept the token (401: {said}); an administrator makes one for a \
         staff user at /admin/authtoken/ in Pod, put it into destination.token_file"
    )]
    Unauthorised {
        /// What was being done.
        doing: &'static str,
        /// The address.
        url: String,
        /// What the answer said.
        said: String,
    },
    /// Pod answered something that no supported version answers.
    #[error("{doing}: {url}: {why}")]
    Odd {
        /// What was being done.
        doing: &'static str,
        /// The address.
        url: String,
        /// What was expected and what came.
        why: String,
    },
    /// Pod's database does not do what it was asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// This Pod is not one that bbb2pod knows.
    #[error("{url} is Esup-Pod {version}; {why}")]
    Unsupported {
        /// The address.
        url: String,
        /// The version it tells.
        version: String,
        /// Why that does not do.
        why: &'static str,
    },
    /// The owner is not to be found in Pod.
    #[error(
        "Pod has {found} with the username \"{username}\"{near}; let the owner log in to Pod once, \
         or give another owner, then retry"
    )]
    Owner {
        /// The username looked for.
        username: String,
        /// How many users have exactly this name, in words.
        found: &'static str,
        /// Names that Pod takes for the same, in words.
        near: String,
    },
    /// Pod makes recordings for staff only.
    #[error(
        "{username} is not staff in Pod, which takes recordings for staff only; tick \"staff\" for \
         this user in Pod, or give another owner, then retry"
    )]
    NotStaff {
        /// The username.
        username: String,
    },
    /// Pod has not finished something that has to be finished first.
    #[error("{what}; it is tried again by itself")]
    Busy {
        /// What it is doing.
        what: String,
        /// How long to wait at least.
        wait: Duration,
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
            PodError::Database(error) => match error {
                DatabaseError::Settings(_)
                | DatabaseError::Refused { .. }
                | DatabaseError::Schema { .. } => Retry::StopAll,
                DatabaseError::Unreachable { .. }
                | DatabaseError::NoTable { .. }
                | DatabaseError::Failed { .. } => Retry::Later(None),
            },
            PodError::Settings { .. }
            | PodError::Unauthorised { .. }
            | PodError::Unsupported { .. } => Retry::StopAll,
            PodError::File { .. }
            | PodError::ClaimDirectory { .. }
            | PodError::Journal(_)
            | PodError::Odd { .. } => Retry::Later(None),
            PodError::Unreachable { wait, .. } | PodError::Faulty { wait, .. } => {
                Retry::Later(*wait)
            }
            PodError::Busy { wait, .. } => Retry::Later(Some(*wait)),
            PodError::NotMade
            | PodError::NotStaff { .. }
            | PodError::NoPlayback { .. }
            | PodError::TooLong { .. }
            | PodError::Media { .. }
            | PodError::Refused { .. }
            | PodError::Owner { .. } => Retry::Never,
        }
    }

    /// Pod has no user of exactly this name, or several; these are the names it takes for the same.
    pub(super) fn no_such_owner(username: &str, several: bool, near: &[String]) -> PodError {
        let near: Vec<String> = near.iter().map(|name| format!("\"{name}\"")).collect();
        PodError::Owner {
            username: username.to_owned(),
            found: if several { "several users" } else { "no user" },
            near: if near.is_empty() {
                String::new()
            } else {
                format!(" (but {})", near.join(", "))
            },
        }
    }

    /// Whether the settings, or a Pod that is not known, are to blame, whatever the recording.
    #[must_use]
    pub(crate) fn is_about_settings(&self) -> bool {
        matches!(
            self,
            PodError::Settings { .. }
                | PodError::Unsupported { .. }
                | PodError::Database(DatabaseError::Settings(_) | DatabaseError::Schema { .. })
        )
    }

    /// Whether nothing was to be reached at the other end.
    #[must_use]
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            PodError::Unreachable { .. } | PodError::Database(DatabaseError::Unreachable { .. })
        )
    }

    /// Whether Pod may have done what was asked for although it failed.
    #[must_use]
    pub(super) fn outcome_is_unknown(&self) -> bool {
        matches!(
            self,
            PodError::Unreachable { .. } | PodError::Faulty { .. } | PodError::Odd { .. }
        )
    }

    /// The same, but not to be tried again before this long.
    pub(super) fn not_before(mut self, least: Duration) -> PodError {
        if let PodError::Unreachable { wait, .. } | PodError::Faulty { wait, .. } = &mut self {
            *wait = Some(wait.unwrap_or_default().max(least));
        }
        self
    }

    /// The same, but not to be tried again at all: Pod failed twice and did nothing.
    pub(super) fn for_good(self) -> PodError {
        match self {
            PodError::Faulty {
                doing,
                url,
                status,
                said,
                ..
            } => PodError::Refused {
                doing,
                url,
                status,
                said: format!("{said} (twice, and nothing was made)"),
            },
            other => other,
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

fn advice_on(status: u16) -> &'static str {
    match status {
        403 => "; the token's user must be staff (is_staff) in Pod",
        413 => "; raise client_max_body_size in the web server before Pod",
        _ => "",
    }
}
