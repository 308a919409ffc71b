//! What the receiver was told last about recordings that moved on the node: `.told`.

use std::collections::BTreeMap;
use std::io;

use recording::durable;
use recording::protocol::{NodeState, OnNode};
use recording::{PlaybackFormat, RecordId};

use super::{Outbox, like_outbox, read_json, to_json};

const FILE: &str = ".told";

/// The last word on every recording that ever was elsewhere than in `published`.
#[derive(Debug)]
pub(crate) struct Told(BTreeMap<String, OnNode>);

impl Told {
    /// Of an outbox; unreadable is as good as nothing told: it is told once more.
    pub(crate) fn of(outbox: &Outbox) -> Told {
        let told = read_json(&outbox.dir().join(FILE)).ok().flatten();
        Told(told.unwrap_or_default())
    }

    /// Where the receiver believes a recording to be.
    pub(crate) fn last(&self, record_id: &RecordId, format: &PlaybackFormat) -> OnNode {
        let last = self.0.get(&key(record_id, format));
        last.copied().unwrap_or(OnNode::Published)
    }

    /// Keeps what was told.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub(crate) fn keep(&mut self, outbox: &Outbox, told: &[NodeState]) -> io::Result<()> {
        for state in told {
            let key = key(&state.record_id, &state.format);
            match state.state {
                OnNode::Published => self.0.remove(&key),
                state => self.0.insert(key, state),
            };
        }
        let path = outbox.dir().join(FILE);
        durable::write(&path, &to_json(&self.0)?)?;
        like_outbox(&path)
    }
}

fn key(record_id: &RecordId, format: &PlaybackFormat) -> String {
    format!("{format}/{record_id}")
}
