//! Asking a server what it has: one signed request, or many small ones when it needs too long for
//! the whole.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use recording::causes::chain;
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Serialize};
use sha1::Digest as _;

use super::answer::{self, AnswerError, Listed};
use super::{Checksum, Server};

const CALL: &str = "getRecordings";
/// Largest answer read: some 500,000 recordings.
const LARGEST: usize = 1 << 30;
/// Meetings asked for at once; their ids have to fit into an address.
const MEETINGS: usize = 50;
/// Bytes of ids in an address.
const LONGEST_QUERY: usize = 1500;
/// How many first letters of record ids a window may be narrowed to.
const DEEPEST: usize = 2;

/// What a server is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Only these meetings, by the ids that the front-end gave them; all when there are none.
    pub(crate) meetings: Vec<String>,
    /// States, as the API names them; the server's default when there are none.
    pub(crate) states: Vec<String>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The secret cannot be read.
    #[error("secret_file {}: {why}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The address, without its signature.
        url: String,
        /// What the network said.
        why: String,
    },
    /// Something before the API answers.
    #[error("{url} answers {status}; is `url` the address that `bbb-conf --secret` shows?")]
    Status {
        /// The address, without its signature.
        url: String,
        /// What it answers.
        status: StatusCode,
    },
    /// The smallest window is too large.
    #[error(
        "{url} needs too long even for {window}; raise servers.NAME.timeout, or name the meetings \
         with --meetings FILE (their ids, one a line, as Moodle or Greenlight have them)"
    )]
    Slow {
        /// The address, without its signature.
        url: String,
        /// What was asked for.
        window: String,
    },
    /// The answer is no list.
    #[error("{url}, asked for {window}: {source}")]
    Answer {
        /// The address, without its signature.
        url: String,
        /// What was asked for.
        window: String,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// The list of before is not to be had.
    #[error("{}: {why}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

impl ListError {
    /// Which exit code tells it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            ListError::Secret { .. } | ListError::Cache { .. } | ListError::Status { .. } => 2,
            ListError::Answer { source, .. } => match source {
                AnswerError::Foreign(_) | AnswerError::Checksum(_) => 2,
                AnswerError::Cut { .. } | AnswerError::Failed { .. } => 1,
            },
            ListError::Unreachable { .. } => 3,
            ListError::Slow { .. } => 1,
        }
    }
}

/// Part of what a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Window {
    All,
    /// Of these meetings.
    Meetings(Vec<String>),
    /// With record ids that begin so.
    Ids(String),
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::All => f.write_str("all recordings"),
            Window::Meetings(ids) if ids.len() == 1 => {
                write!(f, "the recordings of meeting {}", ids[0])
            }
            Window::Meetings(ids) => write!(f, "the recordings of {} meetings", ids.len()),
            Window::Ids(start) => write!(f, "the recordings whose ids begin with {start}"),
        }
    }
}

impl Window {
    /// What to ask for instead when this is too much.
    fn parts(&self) -> Vec<Window> {
        match self {
            Window::Meetings(ids) if ids.len() > 1 => {
                let (one, other) = ids.split_at(ids.len() / 2);
                vec![Window::Meetings(one.into()), Window::Meetings(other.into())]
            }
            Window::Meetings(_) => Vec::new(),
            Window::Ids(start) if start.len() >= DEEPEST => Vec::new(),
            Window::All | Window::Ids(_) => {
                let start = if let Window::Ids(start) = self {
                    start.as_str()
                } else {
                    ""
                };
                let digits = "0123456789abcdef".chars();
                digits
                    .map(|digit| Window::Ids(format!("{start}{digit}")))
                    .collect()
            }
        }
    }
}

/// Asks a server what it has, sorted by record id.
///
/// # Errors
/// See [`ListError`]; the list is whole or it is none.
pub(crate) async fn list(
    server: &Server,
    http: &Client,
    asked: &Asked,
) -> Result<Vec<Listed>, ListError> {
    let asking = Asking {
        server,
        http,
        secret: secret(&server.secret_file)?,
        states: asked.states.join(","),
    };
    let mut windows = first_windows(&asked.meetings);
    let mut all: BTreeMap<String, Listed> = BTreeMap::new();
    // The last is taken first, so that parts come right after their whole.
    windows.reverse();
    while let Some(window) = windows.pop() {
        let Some(found) = asking.ask(&window).await? else {
            let parts = window.parts();
            if parts.is_empty() {
                return Err(ListError::Slow {
                    url: asking.url().to_string(),
                    window: window.to_string(),
                });
            }
            tracing::warn!(%window, parts = parts.len(), "too slow; asking in smaller windows");
            windows.extend(parts.into_iter().rev());
            continue;
        };
        tracing::info!(%window, recordings = found.len(), "listed");
        // A server that does not know this filter answers with everything.
        let is_all = match &window {
            Window::Ids(start) => found
                .iter()
                .any(|one| !one.record_id.starts_with(start.as_str())),
            _ => false,
        };
        all.extend(found.into_iter().map(|one| (one.record_id.clone(), one)));
        if is_all {
            break;
        }
    }
    Ok(all.into_values().collect())
}

fn first_windows(meetings: &[String]) -> Vec<Window> {
    if meetings.is_empty() {
        return vec![Window::All];
    }
    let mut windows: Vec<Vec<String>> = vec![Vec::new()];
    let mut length = 0;
    for meeting in meetings {
        length += meeting.len() * 3;
        match windows.last_mut() {
            Some(window)
                if window.len() < MEETINGS && (length <= LONGEST_QUERY || window.is_empty()) =>
            {
                window.push(meeting.clone());
            }
            _ => {
                length = meeting.len() * 3;
                windows.push(vec![meeting.clone()]);
            }
        }
    }
    windows.into_iter().map(Window::Meetings).collect()
}

struct Asking<'a> {
    server: &'a Server,
    http: &'a Client,
    secret: String,
    states: String,
}

impl Asking<'_> {
    fn url(&self) -> Url {
        let mut url = self.server.url.clone();
        let path = url
            .path()
            .trim_end_matches('/')
            .trim_end_matches("/api")
            .to_owned();
        url.set_path(&format!("{path}/api/{CALL}"));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// The recordings of a window; `None` when the server needs too long for them.
    async fn ask(&self, window: &Window) -> Result<Option<Vec<Listed>>, ListError> {
        let mut url = self.url();
        {
            let mut query = url.query_pairs_mut();
            match window {
                Window::All => {}
                Window::Meetings(ids) => {
                    query.append_pair("meetingID", &ids.join(","));
                }
                Window::Ids(start) => {
                    query.append_pair("recordID", start);
                }
            }
            if !self.states.is_empty() {
                query.append_pair("state", &self.states);
            }
        }
        let query = url.query().unwrap_or_default().to_owned();
        let sum = signature(
            self.server.checksum,
            &format!("{CALL}{query}{}", self.secret),
        );
        url.query_pairs_mut().append_pair("checksum", &sum);
        let bare = || self.url().to_string();
        let unreachable = |error: reqwest::Error| ListError::Unreachable {
            url: bare(),
            why: chain(&error.without_url()),
        };
        let request = self.http.get(url).timeout(self.server.timeout);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            // Not even a connection in time is no matter of windows.
            Err(error) if error.is_timeout() && !error.is_connect() => return Ok(None),
            Err(error) => return Err(unreachable(error)),
        };
        match answer.status() {
            StatusCode::OK => {}
            // What proxies say when they have waited long enough.
            StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::REQUEST_TIMEOUT => {
                return Ok(None);
            }
            status => {
                return Err(ListError::Status {
                    url: bare(),
                    status,
                });
            }
        }
        let mut body = Vec::new();
        let broke_off = loop {
            match answer.chunk().await {
                Ok(Some(bytes)) if body.len() + bytes.len() > LARGEST => {
                    break Some(format!("more than {LARGEST} bytes"));
                }
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break None,
                Err(error) if error.is_timeout() => return Ok(None),
                Err(error) => break Some(chain(&error.without_url())),
            }
        };
        let wrong = |source| ListError::Answer {
            url: bare(),
            window: window.to_string(),
            source,
        };
        match (
            answer::recordings(&String::from_utf8_lossy(&body)),
            broke_off,
        ) {
            (Ok(found), None) => Ok(Some(found)),
            (Ok(found), Some(why)) => Err(wrong(AnswerError::Cut {
                after: found.len(),
                why,
            })),
            (Err(AnswerError::Cut { after, .. }), Some(why)) => {
                Err(wrong(AnswerError::Cut { after, why }))
            }
            (Err(error), _) => Err(wrong(error)),
        }
    }
}

fn secret(path: &Path) -> Result<String, ListError> {
    let wrong = |why: String| ListError::Secret {
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let secret = text.trim();
    if secret.is_empty() || secret.contains(char::is_whitespace) {
        return Err(wrong("must hold the secret and nothing else".to_owned()));
    }
    Ok(secret.to_owned())
}

fn signature(kind: Checksum, text: &str) -> String {
    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    match kind {
        Checksum::Sha1 => hex(&sha1::Sha1::digest(text)),
        Checksum::Sha256 => hex(&sha2::Sha256::digest(text)),
        Checksum::Sha512 => hex(&sha2::Sha512::digest(text)),
    }
}

/// A list as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    asked_at: Timestamp,
    recordings: Vec<Listed>,
}

/// Keeps a list for [`cached`].
///
/// # Errors
/// It cannot be written.
pub(crate) fn keep(path: &Path, recordings: &[Listed]) -> Result<(), ListError> {
    let kept = Kept {
        asked_at: Timestamp::now(),
        recordings: recordings.to_vec(),
    };
    let written = serde_json::to_vec(&kept)
        .map_err(io::Error::other)
        .and_then(|json| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            recording::durable::write(path, &json)
        });
    written.map_err(|error| ListError::Cache {
        path: path.to_owned(),
        why: format!("cannot be written: {error}"),
    })
}

/// The list that a server gave before, and when that was.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn cached(path: &Path) -> Result<(Vec<Listed>, Timestamp), ListError> {
    let wrong = |why: String| ListError::Cache {
        path: path.to_owned(),
        why: format!("{why}; run once without --cached"),
    };
    let json = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let kept: Kept = serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
    Ok((kept.recordings, kept.asked_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_get_smaller_until_they_cannot() {
        let meetings = |n: usize| (0..n).map(|n| format!("m{n}")).collect::<Vec<_>>();
        assert_eq!(Window::All.parts().len(), 16);
        assert_eq!(
            Window::Ids("a".into()).parts()[15],
            Window::Ids("af".into())
        );
        assert!(Window::Ids("af".into()).parts().is_empty());
        assert_eq!(
            Window::Meetings(meetings(3)).parts(),
            [
                Window::Meetings(vec!["m0".into()]),
                Window::Meetings(vec!["m1".into(), "m2".into()])
            ]
        );
        assert!(Window::Meetings(meetings(1)).parts().is_empty());
        assert_eq!(first_windows(&[]), [Window::All]);
        let many = first_windows(&meetings(120));
        let size = |window: &Window| match window {
            Window::Meetings(ids) => ids.len(),
            _ => 0,
        };
        let sizes: Vec<_> = many.iter().map(size).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 120);
        assert!(
            sizes.iter().all(|n| (1..=MEETINGS).contains(n)),
            "{sizes:?}"
        );
        let long = first_windows(&["x".repeat(1000), "y".repeat(1000)]);
        assert_eq!(long.len(), 2, "a long id goes alone");
    }

    #[test]
    fn signatures_are_those_of_bbb() {
        // echo -n getRecordingsmeetingID=abc123secret | sha1sum, and so on
        for (kind, start) in [
            (Checksum::Sha1, SHA1),
            (Checksum::Sha256, SHA256),
            (Checksum::Sha512, SHA512),
        ] {
            let sum = signature(kind, "getRecordingsmeetingID=abc123secret");
            assert!(sum.starts_with(start), "{kind:?}: {sum}");
        }
    }

    const SHA1: &str = "aff0705da5db3dd583973b0fe11d4e77eba3f50b";
    const SHA256: &str = "354e20767d8a7acdaf3bf26e693bada7bcd68af7";
    const SHA512: &str = "83587f182a37de71c2d1d840f37b1c5df40c06aa";
}
