//! How the node is, told to the receiver now and then; nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use recording::protocol::NodeReport;
use tracing::debug;

use super::attempt::Sender;
use crate::transport::Transport;

/// How often.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// Tells it beside everything else.
pub(super) fn send(sender: &Arc<Sender>, backlog: (u64, u64, Option<Timestamp>)) {
    let sender = sender.clone();
    tokio::spawn(async move {
        let Transport::Http(http) = &sender.transport else {
            return;
        };
        let (backlog, backlog_bytes, oldest_unsent) = backlog;
        let report = NodeReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            backlog,
            backlog_bytes,
            oldest_unsent,
        };
        if let Err(e) = http.report(&report).await {
            debug!(error = %e, "the receiver could not be told how the node is");
        }
    });
}
