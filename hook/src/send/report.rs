//! How the node is, told to the receiver now and then; nothing depends on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use recording::protocol::NodeReport;
use tokio::task::JoinHandle;
use tracing::debug;

use super::attempt::Sender;
use crate::transport::Transport;

/// How often when nothing remarkable happens.
const EVERY: Duration = Duration::from_secs(60);

/// What was told last, and what is being told.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    last: Option<(Instant, u64)>,
    running: Option<JoinHandle<()>>,
}

impl Reporting {
    /// Tells it beside everything else, if it is time to: at once when nothing waits any more, so
    /// that nobody is kept looking at a backlog that is gone, and when something waits again.
    pub(super) fn go_on(
        &mut self,
        sender: &Arc<Sender>,
        (backlog, backlog_bytes, oldest_unsent): (u64, u64, Option<Timestamp>),
    ) {
        let due = self
            .last
            .is_none_or(|(at, then)| (then == 0) != (backlog == 0) || at.elapsed() >= EVERY);
        // One at a time, or an older one might arrive last.
        if !due || self.running.as_ref().is_some_and(|r| !r.is_finished()) {
            return;
        }
        self.last = Some((Instant::now(), backlog));
        let sender = sender.clone();
        self.running = Some(tokio::spawn(async move {
            tell(&sender, (backlog, backlog_bytes, oldest_unsent)).await
        }));
    }
}

/// Tells it now.
pub(super) async fn tell(sender: &Sender, backlog: (u64, u64, Option<Timestamp>)) {
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
}
