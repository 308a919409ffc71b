//! Recordings that were sent and have since been unpublished, deleted or published again on the
//! node, told to the receiver. What happens then is the receiver's policy.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use recording::protocol::{NodeState, OnNode};
use recording::{PlaybackFormat, RecordId};
use tracing::{info, warn};

use crate::bbb::{Node, Place};
use crate::outbox::told::Told;
use crate::outbox::{Known, Outbox};
use crate::receiver::Receiver;
use crate::settings::{Settings, TransportKind};

/// Tells the receiver what has moved since it was told last. When it cannot be told, the next
/// sweep tries again.
pub(crate) fn tell(settings: &Settings, node: &Node, outbox: &Outbox, known: &Known) {
    if settings.transport != TransportKind::Http {
        return;
    }
    let mut told = Told::of(outbox);
    let moved = moved(node, outbox, known, &told);
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

fn moved(node: &Node, outbox: &Outbox, known: &Known, told: &Told) -> Vec<NodeState> {
    let pruned = outbox.pruned();
    let mut moved = Vec::new();
    for (record_id, format) in known.sent() {
        let (state, since) = match node.place_of(format, record_id) {
            // The receiver knows of a pruned recording what it has to know: it confirmed it.
            None if pruned.contains(record_id) => continue,
            // Being rebuilt: BBB deletes the published folder first and makes it anew from this.
            None if node.has_raw(record_id) => continue,
            None => (OnNode::Deleted, Timestamp::now()),
            Some(Place::Published) => (OnNode::Published, Timestamp::now()),
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
    moved
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
