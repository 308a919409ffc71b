//! Since when published folders have been found to be gone though BBB could make them anew:
//! `.missing`.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use recording::durable;
use recording::{PlaybackFormat, RecordId};

use super::{Outbox, like_outbox, read_json, to_json};

const FILE: &str = ".missing";

/// What was gone when it was looked last, and what is gone now.
#[derive(Debug)]
pub(crate) struct Missing {
    before: BTreeMap<String, Timestamp>,
    now: BTreeMap<String, Timestamp>,
}

impl Missing {
    /// Of an outbox; unreadable is as good as nothing seen: it is waited a little longer.
    pub(crate) fn of(outbox: &Outbox) -> Missing {
        let before = read_json(&outbox.dir().join(FILE)).ok().flatten();
        Missing {
            before: before.unwrap_or_default(),
            now: BTreeMap::new(),
        }
    }

    /// Notes that a folder is gone at this time; gives since when that has been seen.
    pub(crate) fn note(
        &mut self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        at: Timestamp,
    ) -> Timestamp {
        let key = format!("{format}/{record_id}");
        // A clock that was set back begins anew.
        let since = self.before.get(&key).map_or(at, |before| (*before).min(at));
        self.now.insert(key, since);
        since
    }

    /// Keeps what is gone now, if it is not what was gone before.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub(crate) fn keep(self, outbox: &Outbox) -> io::Result<()> {
        if self.now == self.before {
            return Ok(());
        }
        let path = outbox.dir().join(FILE);
        durable::write(&path, &to_json(&self.now)?)?;
        like_outbox(&path)
    }
}
