//! Recordings that were sent and have since been unpublished, deleted, pruned or published again on
//! the node, told to the receiver. What happens then is the receiver's policy.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jiff::{SignedDuration, Timestamp};
use recording::protocol::{NodeState, OnNode};
use recording::{PlaybackFormat, RecordId};
use tracing::{info, warn};

use crate::bbb::{Node, Place};
use crate::outbox::missing::Missing;
use crate::outbox::told::Told;
use crate::outbox::{Known, Outbox};
use crate::receiver::Receiver;
use crate::settings::{Settings, TransportKind};

/// How long BBB may take to make a recording anew that it has begun with: its queue may be long.
const REBUILT_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Tells the receiver what has moved since it was told last. When it cannot be told, the next
/// sweep tries again.
pub(crate) fn tell(settings: &Settings, node: &Node, outbox: &Outbox, known: &Known) {
    if settings.transport != TransportKind::Http {
        return;
    }
    let mut told = Told::of(outbox);
    let moved = moved(settings, node, outbox, known, &told);
    if moved.is_empty() {
        return;
    }
    let sent = Receiver::open(settings)
        .and_then(|receiver| Ok(receiver.wait(receiver.http.tell_states(&moved))?));
    if let Err(e) = sent {
        warn!(recordings = moved.len(), error = %e,
            "cannot tell the receiver what was unpublished or deleted; the next sweep tries again");
        return;
    }
    for state in &moved {
        info!(record_id = %state.record_id, format = %state.format, state = state.state.as_str(),
            "the receiver was told what became of it on the node");
    }
    if let Err(e) = told.keep(outbox, &moved) {
        warn!(error = %e, "cannot keep what the receiver was told; it is told again");
    }
}

fn moved(
    settings: &Settings,
    node: &Node,
    outbox: &Outbox,
    known: &Known,
    told: &Told,
) -> Vec<NodeState> {
    let pruned = outbox.pruned();
    let mut missing = Missing::of(outbox);
    let now = Timestamp::now();
    let mut moved = Vec::new();
    for (record_id, format) in known.sent() {
        let (state, since) = match node.place_of(format, record_id) {
            None if pruned.contains(record_id) => (OnNode::Pruned, now),
            None if node.has_raw(record_id) => {
                let since = missing.note(record_id, format, now);
                if may_come_back(settings, node, record_id, format, now.duration_since(since)) {
                    continue;
                }
                (OnNode::Deleted, since)
            }
            None => (OnNode::Deleted, now),
            Some(Place::Published) => (OnNode::Published, now),
            Some(place @ Place::Unpublished) => {
                (OnNode::Unpublished, since(node, place, record_id, format))
            }
            Some(place @ Place::Deleted) => {
                (OnNode::Deleted, since(node, place, record_id, format))
            }
        };
        if told.last(record_id, format) != state {
            moved.push(NodeState {
                record_id: record_id.clone(),
                format: format.clone(),
                state,
                since,
            });
        }
    }
    if let Err(e) = missing.keep(outbox) {
        warn!(error = %e, "cannot note which recordings are gone; they are reported a little later");
    }
    moved
}

/// Whether BBB may be making a folder anew that is gone though its raw recording is there: it
/// deletes the published folder first. What its status calls published it is not working on.
fn may_come_back(
    settings: &Settings,
    node: &Node,
    record_id: &RecordId,
    format: &PlaybackFormat,
    gone_for: SignedDuration,
) -> bool {
    let patience = if node.published_since(format, record_id).is_some() {
        settings.sweep.settled_for
    } else {
        REBUILT_WITHIN
    };
    gone_for < patience || node.under_way(record_id).is_some()
}

/// bbb-web moves folders by renaming, which the folder's time of status change tells.
fn since(node: &Node, place: Place, record_id: &RecordId, format: &PlaybackFormat) -> Timestamp {
    let folder = node
        .root(place)
        .join(format.as_str())
        .join(record_id.as_str());
    let changed = fs::metadata(folder).ok().map(|m| m.ctime());
    changed
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or_else(Timestamp::now)
}
