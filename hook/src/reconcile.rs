//! `reconcile`: the node held against its outbox and against what the receiver has.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use recording::digest::Digest;
use recording::protocol::PackageStatus;
use recording::{PlaybackFormat, RecordId};
use serde::Serialize;
use tracing::warn;

use crate::bbb::{Node, Place};
use crate::content;
use crate::error::Error;
use crate::filters;
use crate::inventory;
use crate::outbox::digests::Digests;
use crate::outbox::{Known, Outbox};
use crate::receiver::Receiver;
use crate::settings::{Settings, TransportKind};

/// What differs, and how much agrees.
#[derive(Debug, Serialize)]
pub(crate) struct Reconciled {
    /// In the order of record ids and formats.
    differences: Vec<Difference>,
    /// On both sides with the same content.
    same: u64,
    /// On the node only, because the filters say so.
    left_out: u64,
    /// Deleted here after the receiver had confirmed it.
    pruned: u64,
}

#[derive(Debug, Serialize)]
struct Difference {
    record_id: RecordId,
    format: PlaybackFormat,
    kind: Kind,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// On the node, not in the receiver's archive.
    Missing,
    /// At the receiver, and the node never had it.
    Extra,
    /// On both sides with different contents.
    Changed,
    /// At the receiver, and no longer on the node.
    Deleted,
}

/// One folder as it is on the node.
struct Here {
    record_id: RecordId,
    format: PlaybackFormat,
    place: Place,
    root: PathBuf,
    fingerprint: Digest,
    left_out: bool,
}

/// What the other side has of one folder.
struct There {
    digest: Digest,
    status: PackageStatus,
}

type Folder = (RecordId, PlaybackFormat);

/// Compares; reads only recordings whose content is not remembered.
///
/// # Errors
/// Wrong settings, a folder that cannot be read, a receiver that cannot be asked.
pub(crate) fn reconcile(settings: &Settings) -> Result<Reconciled, Error> {
    let node = Node::here(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let broken = |e: io::Error| Error::disk("cannot read the outbox", &dir, &e);
    let known = outbox.known().map_err(broken)?;
    let mut there = if settings.transport == TransportKind::Http {
        let receiver = Receiver::open(settings)?;
        let all = receiver.wait(receiver.http.recordings())?;
        let entry = |r: recording::protocol::NodeRecording| {
            let (digest, status) = (r.digest, r.status);
            ((r.record_id, r.format), There { digest, status })
        };
        all.into_iter().map(entry).collect()
    } else {
        handed_over(&outbox).map_err(broken)?
    };
    let here = inventory::each(&node, &Place::ALL, None, |found| {
        let why = filters::left_out(&settings.filters, &found.format, found.metadata.as_ref());
        Some(Here {
            left_out: why.is_some(),
            fingerprint: found.look.fingerprint,
            place: found.place,
            root: found.root,
            record_id: found.record_id,
            format: found.format,
        })
    })
    .map_err(|e| Error::disk("cannot read", &node.published_dir, &e))?;
    let mut result = Reconciled {
        differences: Vec::new(),
        same: 0,
        left_out: 0,
        pruned: 0,
    };
    let sent = outbox.done(usize::MAX).map_err(broken)?;
    let mut digests = Digests::of(&outbox).and_sent(&sent);
    for here in here {
        let theirs = there.remove(&(here.record_id.clone(), here.format.clone()));
        result.compare(here, theirs, &known, &mut digests);
    }
    result.only_there(&node, &outbox, &known, there);
    result
        .differences
        .sort_by(|a, b| (&a.record_id, &a.format).cmp(&(&b.record_id, &b.format)));
    Ok(result)
}

/// Where nobody answers, what was handed over counts as being there.
fn handed_over(outbox: &Outbox) -> io::Result<BTreeMap<Folder, There>> {
    let mut there = BTreeMap::new();
    // Newest first, and only that counts.
    for done in outbox.done(usize::MAX)? {
        if let Some(digest) = done.digest {
            let status = PackageStatus::Archived;
            there
                .entry((done.record_id, done.format))
                .or_insert(There { digest, status });
        }
    }
    Ok(there)
}

impl Reconciled {
    fn differ(&mut self, folder: Folder, kind: Kind, detail: impl Into<String>) {
        let (record_id, format) = folder;
        self.differences.push(Difference {
            record_id,
            format,
            kind,
            detail: detail.into(),
        });
    }

    fn compare(&mut self, here: Here, theirs: Option<There>, known: &Known, digests: &mut Digests) {
        let folder = (here.record_id.clone(), here.format.clone());
        let Some(theirs) = theirs else {
            if here.place == Place::Deleted {
                // Deleted here, never there: both sides agree.
            } else if here.left_out {
                self.left_out += 1;
            } else {
                self.differ(folder, Kind::Missing, missing(&here, known));
            }
            return;
        };
        if here.place == Place::Deleted {
            self.differ(folder, Kind::Deleted, "it lies in BBB's deleted folder");
            return;
        }
        if let Some(detail) = not_held(theirs.status, &here, known) {
            self.differ(folder, Kind::Missing, detail);
            return;
        }
        let (id, format) = (&here.record_id, &here.format);
        let digest = match digests.get(id, format, &here.fingerprint) {
            Some(digest) => digest,
            None => match content::read(&here.root, id, format) {
                Ok(digest) => {
                    digests.add(id, format, &here.fingerprint, digest);
                    digest
                }
                Err(e) => {
                    warn!(record_id = %id, %format, error = %e, "cannot be compared");
                    self.differ(folder, Kind::Changed, format!("cannot be compared: {e}"));
                    return;
                }
            },
        };
        if digest == theirs.digest {
            self.same += 1;
            return;
        }
        let detail = if known.waits(id, format) {
            "another content is there; this one waits in the outbox".to_owned()
        } else {
            format!("here {digest}, there {}", theirs.digest)
        };
        self.differ(folder, Kind::Changed, detail);
    }

    fn only_there(
        &mut self,
        node: &Node,
        outbox: &Outbox,
        known: &Known,
        there: BTreeMap<Folder, There>,
    ) {
        let pruned = outbox.pruned();
        for (folder, _) in there {
            let (id, format) = &folder;
            if pruned.contains(id) {
                self.pruned += 1;
            } else if known.any(id, format) || node.published_since(format, id).is_some() {
                self.differ(folder, Kind::Deleted, "it is gone from the node");
            } else {
                self.differ(
                    folder,
                    Kind::Extra,
                    "the node has no trace of it; did another one send it under this name?",
                );
            }
        }
    }

    /// 1 when anything differs.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(!self.differences.is_empty())
    }

    /// # Errors
    /// The output was closed.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// # Errors
    /// The output was closed.
    pub(crate) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for d in &self.differences {
            writeln!(
                out,
                "{:<8} {} {}  ({})",
                d.kind.word(),
                d.record_id,
                d.format,
                d.detail
            )?;
        }
        let count = |kind| self.differences.iter().filter(|d| d.kind == kind).count();
        writeln!(
            out,
            "{} the same, {} missing, {} changed, {} deleted, {} extra; {} left out by the \
             filters, {} pruned",
            self.same,
            count(Kind::Missing),
            count(Kind::Changed),
            count(Kind::Deleted),
            count(Kind::Extra),
            self.left_out,
            self.pruned
        )
    }
}

/// Why a copy at the receiver is none to rely on.
fn not_held(status: PackageStatus, here: &Here, known: &Known) -> Option<&'static str> {
    match status {
        PackageStatus::Archived | PackageStatus::Superseded => None,
        PackageStatus::Spooled => Some("it lies in the receiver's spool, not imported yet"),
        PackageStatus::Rejected | PackageStatus::Damaged
            if known.waits(&here.record_id, &here.format) =>
        {
            Some("the receiver's copy is damaged; it waits in the outbox to be sent again")
        }
        PackageStatus::Rejected | PackageStatus::Damaged => {
            Some("the receiver's copy is damaged; bbb2pod-hook sweep sends it again")
        }
    }
}

fn missing(here: &Here, known: &Known) -> &'static str {
    if known.waits(&here.record_id, &here.format) {
        "it waits in the outbox"
    } else if known.any(&here.record_id, &here.format) {
        "it was confirmed once, and the receiver has it no longer; bbb2pod-hook sweep sends it again"
    } else if here.place == Place::Unpublished {
        "it was never taken, and is unpublished; bbb2pod-hook backfill --unpublished"
    } else {
        "it was never taken; bbb2pod-hook backfill"
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Changed => "changed",
            Kind::Deleted => "deleted",
        }
    }
}
