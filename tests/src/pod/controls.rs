//! What a test may do to the site from outside its API: order failures, look at what is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::faults::{Fault, Outage};
use super::inspect::{self, Seen, StoredVideo};
use super::server::Shared;

/// The controls of a running stand-in.
#[derive(Clone, Debug)]
pub struct Controls {
    pub(super) shared: Arc<Shared>,
}

impl Controls {
    /// DEFAULT_RECORDER_PATH, as this machine names it.
    pub fn recorder_root(&self) -> PathBuf {
        self.shared.world().recorder_root.clone()
    }

    /// The bytes of a file under the media folder.
    pub fn media(&self, path: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.shared.scratch.join("media").join(path))
    }

    /// Orders a failure.
    pub fn fail(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Withdraws the failures not yet suffered.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// Takes the whole site away, or gives it back.
    pub fn outage(&self, outage: Outage) {
        self.shared.world().set_outage(outage, None);
    }

    /// Takes the whole site away for a while; it comes back by itself.
    pub fn outage_for(&self, outage: Outage, lasting: Duration) {
        self.shared.world().set_outage(outage, Some(lasting));
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.world().requests.clone()
    }

    /// How many requests came with this method and exactly this path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.shared
            .world()
            .requests
            .iter()
            .filter(|seen| seen.method == method && seen.path == path)
            .count()
    }

    /// The greatest number of uploads of videos that were under way at one moment.
    pub fn uploads_at_once(&self) -> usize {
        self.shared.world().uploading_most
    }

    /// The videos of the site, oldest id first.
    pub fn videos(&self) -> Vec<StoredVideo> {
        inspect::videos(&self.shared.world())
    }

    /// The rows of a table, such as `chapters` or `users`, by the names the API gives them;
    /// links are ids.
    pub fn rows(&self, table: &str) -> Vec<(u64, Map<String, Value>)> {
        self.shared
            .world()
            .rows(table)
            .map(|(id, row)| (id, row.clone()))
            .collect()
    }

    /// How many mails the site sent to owners and administrators.
    pub fn mails(&self) -> usize {
        self.shared.world().mails.len()
    }
}
