//! How far running uploads are, for `status` and `backfill`.

use std::fs;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Outbox, read_json, to_json};

const PROGRESS: &str = "progress.json";

/// How far a running upload is; written often and not synced, since nothing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) length: u64,
    pub(crate) bytes_per_second: u64,
    pub(crate) at: Timestamp,
}

impl Outbox {
    /// How far the running upload of a job is.
    pub(crate) fn progress(&self, name: &str) -> Option<Progress> {
        read_json(&self.dir.join(name).join(PROGRESS)).ok()?
    }

    /// Notes how far an upload is; a failure is of no consequence.
    pub(crate) fn write_progress(&self, name: &str, progress: &Progress) {
        let path = self.dir.join(name).join(PROGRESS);
        let next = path.with_extension("next");
        if let Ok(json) = to_json(progress)
            && fs::write(&next, json).is_ok()
        {
            let _ = fs::rename(&next, &path);
        }
    }

    /// Forgets how far an upload was.
    pub(crate) fn clear_progress(&self, name: &str) {
        let _ = fs::remove_file(self.dir.join(name).join(PROGRESS));
    }
}
