//! Reconcile: whether what the ledger says is so, at every place where a recording is.
//!
//! It only looks, and notes in the ledger which copies in the archive are damaged. A recording on its way is no difference: what waits in the spool, is being
//! converted or is due for Pod comes by itself.

mod archive;
mod media;
mod node;
mod pod;
mod spool;

use std::collections::BTreeSet;

use recording::{PlaybackFormat, RecordId};
use serde::Serialize;

use crate::config::Config;
use crate::ledger::{Ledger, Recording};
use crate::tenants::Tenants;

/// Where something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// On the node that sent it, as far as it has told.
    Node,
    /// In the spool.
    Spool,
    /// In the archive.
    Archive,
    /// Among the videos.
    Media,
    /// In Pod.
    Pod,
}

impl Place {
    /// The word used in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Place::Node => "node",
            Place::Spool => "spool",
            Place::Archive => "archive",
            Place::Media => "media",
            Place::Pod => "pod",
        }
    }
}

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// It ought to be there.
    Missing,
    /// Nobody knows of it.
    Extra,
    /// It is not what it was.
    Changed,
    /// It was taken away.
    Deleted,
    /// Its node hides it.
    Unpublished,
}

impl Kind {
    /// The word used in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Changed => "changed",
            Kind::Deleted => "deleted",
            Kind::Unpublished => "unpublished",
        }
    }
}

/// One thing that is not as it ought to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Difference {
    /// The recording, when it is known.
    pub(crate) record_id: Option<RecordId>,
    /// The playback format, when it is about one.
    pub(crate) format: Option<PlaybackFormat>,
    /// The node that sent it, when it is known and the recording does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    /// Where.
    pub(crate) place: Place,
    /// How.
    pub(crate) kind: Kind,
    /// What exactly, in one line.
    pub(crate) text: String,
}

/// What was looked at, and what differs.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Recordings that were looked at.
    pub(crate) recordings: usize,
    /// What differs, by recording.
    pub(crate) differences: Vec<Difference>,
    /// What its node hides and is kept here, which is no difference.
    pub(crate) unpublished: Vec<Difference>,
    /// Formats that their nodes deleted because they are here.
    pub(crate) pruned: usize,
    /// Why Pod could not be asked, when it could not.
    pub(crate) pod_problem: Option<String>,
}

/// How closely to look.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    /// Only what came from this node.
    pub(crate) node: Option<&'a str>,
    /// Whether to read every file and compare its digest.
    pub(crate) deep: bool,
    /// Whom to ask about registrations.
    pub(crate) tenants: Option<&'a Tenants>,
}

/// Looks everywhere.
///
/// # Errors
/// The ledger cannot be read, or a folder of the settings.
pub(crate) async fn reconcile(
    config: &Config,
    ledger: &Ledger,
    scope: Scope<'_>,
) -> anyhow::Result<Findings> {
    let mut recordings = ledger.recordings(None, u32::MAX).await?;
    let all: BTreeSet<RecordId> = recordings.iter().map(|r| r.record_id.clone()).collect();
    if let Some(node) = scope.node {
        recordings.retain(|r| r.node.as_deref() == Some(node));
    }
    let mut findings = Findings {
        recordings: recordings.len(),
        ..Findings::default()
    };
    node::compare(ledger, scope.node, &mut findings).await?;
    let out = &mut findings.differences;
    spool::compare(config, ledger, scope.node, out).await?;
    archive::compare(config, ledger, &recordings, scope.deep, out).await?;
    media::compare(config, ledger, &recordings, scope.deep, out).await?;
    if scope.node.is_none() {
        archive::extra(config, ledger, out).await?;
        media::extra(config, &all, out)?;
    }
    findings.pod_problem = pod::compare(ledger, &recordings, scope.tenants, out).await?;
    findings.differences.sort();
    Ok(findings)
}

/// A difference of a whole recording.
fn of(recording: &Recording, place: Place, kind: Kind, text: impl Into<String>) -> Difference {
    Difference {
        record_id: Some(recording.record_id.clone()),
        format: None,
        node: None,
        place,
        kind,
        text: text.into(),
    }
}
