//! `sweep`: takes what a lost call of `publish` missed.
//!
//! What lies in `published/` and what BBB's status files say is held against the outbox and what was
//! confirmed; what was unpublished or deleted since is told to the receiver. What was published
//! before the hook was there is not touched: that is for `backfill`, and for an administrator to
//! ask for. What changed a moment ago is left for the next time: BBB may still be copying.

use std::path::PathBuf;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::protocol::PackageName;
use recording::{PlaybackFormat, RecordId};
use tracing::{info, warn};

use crate::bbb::{Node, Place};
use crate::error::Error;
use crate::inventory::{self, Found};
use crate::lost::lost;
use crate::moves;
use crate::outbox::{Known, Outbox};
use crate::publish::{Taken, take};
use crate::settings::Settings;

/// How long failures about recordings that are not there are shown.
const ERRORS_KEPT_SECONDS: i64 = 7 * 86_400;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) taken: u64,
    pub(crate) failed: u64,
}

/// Takes what was missed, and tells the receiver what has moved.
///
/// # Errors
/// Wrong settings, or the published recordings or the outbox cannot be read.
pub(crate) fn sweep(settings: &Settings) -> Result<Swept, Error> {
    let node = Node::here(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let known = outbox
        .known()
        .map_err(|e| Error::disk("cannot read the outbox", &dir, &e))?;
    let settled = Timestamp::now().as_second() - settings.sweep.settled_for.as_secs();
    let born = outbox.born();
    let places = [Place::Published, Place::Unpublished];
    let missed = inventory::each(&node, &places, None, |found| {
        missed(&node, &known, born, settled, found)
    })
    .map_err(|e| Error::disk("cannot read", &node.published_dir, &e))?;
    let mut swept = Swept::default();
    for Missed {
        root,
        record_id,
        format,
        rebuilt,
        confirmed,
    } in still_wanted(settings, missed)
    {
        match take(settings, &node, &outbox, &root, &record_id, &format, None) {
            Ok(Taken::Job(job)) => {
                outbox.clear_errors(&record_id, &format);
                swept.taken += 1;
                if confirmed.is_some() {
                    warn!(%record_id, %format, job, "the receiver confirmed it once and does no longer; it waits to be sent again");
                } else {
                    info!(%record_id, %format, job, rebuilt, "BBB's call for it was missed; it waits to be sent");
                }
            }
            Ok(Taken::Waiting | Taken::LeftOut(_)) => {}
            Err(e) => {
                swept.failed += 1;
                warn!(%record_id, %format, error = %e, "cannot take what was missed");
            }
        }
    }
    moves::tell(settings, &node, &outbox, &known);
    forget_old_errors(&node, &outbox);
    Ok(swept)
}

/// A folder that nobody told the hook about.
struct Missed {
    root: PathBuf,
    record_id: RecordId,
    format: PlaybackFormat,
    rebuilt: bool,
    /// What the receiver confirmed of it as it is now; wanted only when it does no longer.
    confirmed: Option<Digest>,
}

/// Without what the receiver still confirms; without all that it once did when it cannot be asked.
fn still_wanted(settings: &Settings, missed: Vec<Missed>) -> Vec<Missed> {
    let name = |m: &Missed| {
        Some(PackageName {
            record_id: m.record_id.clone(),
            format: m.format.clone(),
            digest: m.confirmed?,
        })
    };
    let names: Vec<PackageName> = missed.iter().filter_map(name).collect();
    let lost = lost(settings, &names).unwrap_or_else(|e| {
        warn!(error = %e, "cannot ask the receiver whether it has everything still; the next sweep does");
        Vec::new()
    });
    let mut lost = lost.into_iter();
    let wanted = |m: &Missed| m.confirmed.is_none() || lost.next().unwrap_or(false);
    missed.into_iter().filter(wanted).collect()
}

fn missed(node: &Node, known: &Known, born: i64, settled: i64, found: Found) -> Option<Missed> {
    let (record_id, format, look) = (found.record_id, found.format, found.look);
    let rebuilt = known.any(&record_id, &format);
    let published = node.published_since(&format, &record_id);
    let wanted = match found.place {
        Place::Published => rebuilt || published.unwrap_or(look.last_change) >= born,
        // Unpublished before the hook was called for it; a change of what was sent is no rebuild
        // here, since bbb-web rewrites metadata.xml when it unpublishes.
        _ => !rebuilt && published.is_some_and(|at| at >= born),
    };
    let told = known.fate(&record_id, &format, &look.fingerprint).is_some();
    let confirmed = known.archived(&record_id, &format, &look.fingerprint);
    let wanted = wanted && !told || confirmed.is_some();
    (wanted && look.last_change <= settled).then_some(Missed {
        root: found.root,
        record_id,
        format,
        rebuilt,
        confirmed,
    })
}

/// Failures about recordings that are not there are of no use for ever: a mistyped id, or one that
/// another system took away at once.
fn forget_old_errors(node: &Node, outbox: &Outbox) {
    let old = Timestamp::now().as_second() - ERRORS_KEPT_SECONDS;
    for error in outbox.errors().unwrap_or_default() {
        let there = error
            .record_id
            .parse()
            .is_ok_and(|id| !node.formats_of(&id).is_empty());
        if !there && error.at.as_second() < old {
            outbox.forget_error(&error);
        }
    }
}
