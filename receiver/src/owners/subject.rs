//! What is known of a recording when its owner is looked for: everything that the packages told.

use jiff::Timestamp;
use recording::events::Moderator;
use recording::{Manifest, RecordId};

use super::config::host;
use crate::import::Archive;
use crate::ledger::{Ledger, LedgerError};

/// The front-end that held the meeting, by `bbb-origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frontend {
    Moodle,
    Greenlight,
    Pod,
    Other(String),
    /// It does not say. Pod's meetings and old plugins do not.
    Unknown,
}

/// A recording whose owner is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// BBB's internal meeting id.
    pub(super) record_id: String,
    /// The meeting's id as the front-end chose it.
    pub(super) external_id: Option<String>,
    /// When the meeting began and ended, in seconds.
    pub(super) started: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) frontend: Frontend,
    /// The front-end's server (`bbb-origin-server-name`).
    pub(super) server_name: Option<String>,
    /// Hosts that BBB was to call back.
    pub(super) callback_hosts: Vec<String>,
    /// Who joined as a moderator, in order.
    pub(super) moderators: Vec<Moderator>,
    /// Whether anybody could have been seen joining.
    pub(super) events_seen: bool,
    /// The meeting it was a breakout room of.
    pub(super) breakout: Breakout,
}

/// Whether a recording is one of a breakout room.
#[derive(Clone, Debug)]
pub(super) enum Breakout {
    No,
    /// The meeting it belongs to is not known.
    OfUnknown,
    /// It belongs to this meeting, whose owners may have been decided.
    Of {
        subject: Box<Subject>,
        decided: Option<Vec<String>>,
    },
}

impl Subject {
    /// The front-end's server, as the meeting says it.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// What the archive and the ledger know of a recording; `None` when none has come in.
    ///
    /// # Errors
    /// The ledger or a manifest cannot be read.
    pub(crate) async fn of(
        ledger: &Ledger,
        archive: &Archive,
        id: &RecordId,
    ) -> Result<Option<Subject>, SubjectError> {
        let Some(manifests) = manifests(ledger, archive, id).await? else {
            return Ok(None);
        };
        let mut subject = Subject::of_manifests(id, &manifests);
        let parent = manifests
            .iter()
            .filter_map(|m| m.metadata.as_ref()?.breakout_of.as_ref())
            .map(|breakout| breakout.parent_meeting_id.trim().to_owned())
            .find(|parent| !parent.is_empty() && parent.as_str() != id.as_str());
        if let Some(parent) = parent {
            let mut of_parent = None;
            let mut decided = None;
            if let Ok(parent) = parent.parse::<RecordId>() {
                if let Some(manifests) = self::manifests(ledger, archive, &parent).await? {
                    of_parent = Some(Subject::of_manifests(&parent, &manifests));
                }
                decided = ledger.owners(&parent).await?.map(|owners| owners.all());
            }
            // Of a parent that never came in, its id and the server it was held for are known.
            let known = of_parent.unwrap_or_else(|| Subject {
                record_id: parent.clone(),
                external_id: (parent.parse::<RecordId>().is_err() || !looks_internal(&parent))
                    .then(|| parent.clone()),
                started: subject.started,
                ended: None,
                moderators: Vec::new(),
                events_seen: false,
                breakout: Breakout::No,
                ..subject.clone()
            });
            subject.breakout = Breakout::Of {
                subject: Box::new(known),
                decided,
            };
        }
        Ok(Some(subject))
    }

    /// The meeting that it is a breakout room of.
    pub(crate) fn breakout_of(&self) -> Option<&str> {
        match &self.breakout {
            Breakout::Of { subject, .. } => Some(&subject.record_id),
            Breakout::No | Breakout::OfUnknown => None,
        }
    }

    /// What the manifests of a recording's formats know of it together.
    pub(super) fn of_manifests(id: &RecordId, manifests: &[Manifest]) -> Subject {
        let metadata: Vec<_> = manifests
            .iter()
            .filter_map(|m| m.metadata.as_ref())
            .collect();
        let meta = |key: &str| {
            let mut values = metadata.iter().filter_map(|m| m.meta(key));
            values.next().map(str::to_owned)
        };
        let external_id = metadata
            .iter()
            .filter_map(|m| m.external_meeting_id.as_deref())
            .map(str::trim)
            .find(|id| !id.is_empty());
        let second = |time: Timestamp| time.as_second();
        let from_id = id.as_str().split('-').nth(1).and_then(|ms| {
            let ms: i64 = (ms.len() == 13).then(|| ms.parse().ok()).flatten()?;
            Some(ms / 1000)
        });
        let is_breakout = metadata
            .iter()
            .any(|m| m.is_breakout || m.breakout_of.is_some())
            || meta("isBreakout").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let origin = meta("bbb-origin");
        let frontend = match origin.as_deref().map(str::to_lowercase).as_deref() {
            Some("moodle") => Frontend::Moodle,
            Some("greenlight") => Frontend::Greenlight,
            Some("pod" | "esup-pod") => Frontend::Pod,
            Some(other) => Frontend::Other(other.to_owned()),
            None => Frontend::Unknown,
        };
        let callbacks = ["endcallbackurl", "bbb-recording-ready-url"];
        let mut callback_hosts: Vec<String> = callbacks
            .iter()
            .filter_map(|key| meta(key))
            .filter_map(|url| Some(host(reqwest::Url::parse(&url).ok()?.host_str()?)))
            .collect();
        callback_hosts.dedup();
        let most = manifests.iter().max_by_key(|m| m.moderators.len());
        Subject {
            record_id: id.to_string(),
            external_id: external_id.map(str::to_owned),
            started: metadata
                .iter()
                .find_map(|m| m.start)
                .map(second)
                .or(from_id),
            ended: metadata.iter().find_map(|m| m.end).map(second),
            frontend,
            server_name: meta("bbb-origin-server-name"),
            callback_hosts,
            moderators: most.map(|m| m.moderators.clone()).unwrap_or_default(),
            events_seen: manifests.iter().any(|m| m.events_seen),
            breakout: if is_breakout {
                Breakout::OfUnknown
            } else {
                Breakout::No
            },
        }
    }
}

/// The manifests of all formats that the archive holds of a recording, `presentation` first.
async fn manifests(
    ledger: &Ledger,
    archive: &Archive,
    id: &RecordId,
) -> Result<Option<Vec<Manifest>>, SubjectError> {
    let mut formats = ledger.formats(id).await?;
    if formats.is_empty() {
        return Ok(None);
    }
    formats.sort_by_key(|(format, ..)| format.as_str() != "presentation");
    let mut found = Vec::new();
    for (format, ..) in formats {
        let manifest = archive
            .manifest(id, &format)
            .map_err(|e| SubjectError::Manifest(id.to_string(), e))?;
        found.extend(manifest);
    }
    Ok(Some(found))
}

/// BBB's internal ids are 40 hexadecimal digits and a time.
fn looks_internal(id: &str) -> bool {
    id.split_once('-').is_some_and(|(hash, time)| {
        hash.len() == 40
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && time.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Why what is known of a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubjectError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A manifest cannot be read.
    #[error("the manifest of {0} cannot be read: {1}")]
    Manifest(String, std::io::Error),
}
