//! What was deleted on the node because the receiver had confirmed it: `.pruned/<record id>.json`.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::durable;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

use super::{Outbox, like_outbox, read_json, to_json};

const DIR: &str = ".pruned";

/// A deletion, written before it begins and again when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pruned {
    pub(crate) record_id: RecordId,
    /// Everything that went, with what the receiver had confirmed.
    pub(crate) contents: Vec<PrunedContent>,
    /// Since when the receiver had all of it.
    pub(crate) confirmed_at: Timestamp,
    pub(crate) begun_at: Timestamp,
    /// Absent while it is under way, or when it was interrupted.
    pub(crate) deleted_at: Option<Timestamp>,
}

/// One folder of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrunedContent {
    pub(crate) record_id: RecordId,
    pub(crate) format: PlaybackFormat,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

impl Outbox {
    /// Keeps a deletion.
    ///
    /// # Errors
    /// The outbox cannot be written; nothing may be deleted then.
    pub(crate) fn note_pruned(&self, pruned: &Pruned) -> io::Result<()> {
        let dir = self.dir().join(DIR);
        fs::create_dir_all(&dir)?;
        like_outbox(&dir)?;
        let path = dir.join(format!("{}.json", pruned.record_id));
        durable::write(&path, &to_json(pruned)?)?;
        like_outbox(&path)
    }

    /// Recordings whose deletion was begun here and never ended.
    pub(crate) fn half_pruned(&self) -> BTreeSet<RecordId> {
        let half = self.deletions().into_iter();
        half.filter(|pruned| pruned.deleted_at.is_none())
            .map(|pruned| pruned.record_id)
            .collect()
    }

    /// The deletions begun here, by record id.
    pub(crate) fn deletions(&self) -> Vec<Pruned> {
        let noted = |id: &RecordId| {
            let path = self.dir().join(DIR).join(format!("{id}.json"));
            read_json::<Pruned>(&path).ok().flatten()
        };
        self.pruned().iter().filter_map(noted).collect()
    }

    /// Recordings whose deletion was begun here.
    pub(crate) fn pruned(&self) -> BTreeSet<RecordId> {
        let entries = fs::read_dir(self.dir().join(DIR)).into_iter().flatten();
        let ids = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        });
        ids.collect()
    }
}
