//! `sweep`: takes what a lost call of `publish` missed.
//!
//! What lies in `published/` is held against the outbox and what was confirmed. What was published
//! before the hook was there is not touched: that is for `backfill`, and for an administrator to
//! ask for. What changed a moment ago is left for the next time: BBB may still be copying.

use jiff::Timestamp;
use tracing::{info, warn};

use crate::bbb::Node;
use crate::error::Error;
use crate::outbox::Outbox;
use crate::outbox::snapshot::Tree;
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

/// Takes what was missed.
///
/// # Errors
/// Wrong settings, or the published recordings or the outbox cannot be read.
pub(crate) fn sweep(settings: &Settings) -> Result<Swept, Error> {
    let node = Node::of(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let root = &node.published_dir;
    let all = Node::all_below(root).map_err(|e| Error::disk("cannot read", root, &e))?;
    let known = outbox
        .known()
        .map_err(|e| Error::disk("cannot read the outbox", &dir, &e))?;
    let settled = Timestamp::now().as_second() - settings.sweep.settled_for.as_secs();
    let mut swept = Swept::default();
    for (record_id, format) in all {
        let Ok(tree) = Tree::look(&node.published(&format, &record_id)) else {
            // It has just been moved away.
            continue;
        };
        let rebuilt = known.any(&record_id, &format);
        let published = node.published_since(&format, &record_id);
        let missed = published.unwrap_or_else(|| tree.last_change()) >= outbox.born();
        let told = known.fate(&record_id, &format, &tree.fingerprint());
        if told.is_some() || !(rebuilt || missed) || tree.last_change() > settled {
            continue;
        }
        match take(settings, &node, &outbox, root, &record_id, &format, None) {
            Ok(Taken::Job(job)) => {
                outbox.clear_errors(&record_id, &format);
                swept.taken += 1;
                info!(%record_id, %format, job, rebuilt, "BBB's call for it was missed; it waits to be sent");
            }
            Ok(Taken::Waiting | Taken::LeftOut(_)) => {}
            Err(e) => {
                swept.failed += 1;
                warn!(%record_id, %format, error = %e, "cannot take what was missed");
            }
        }
    }
    forget_old_errors(&node, &outbox);
    Ok(swept)
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
