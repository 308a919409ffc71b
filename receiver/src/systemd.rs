//! What systemd is told of the service: that it is ready, that it still works, that it stops.
//!
//! Without systemd (`NOTIFY_SOCKET` is not set) nothing is told to anybody.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::pipeline::Shared;

/// Says that requests are answered from now on.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the service is ending.
pub(crate) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Tells the watchdog that the service works, for as long as it does: the ledger answers and the
/// pipeline goes round. When systemd hears nothing for `WatchdogSec=`, it starts the service anew.
pub(crate) async fn watchdog(
    ledger: Ledger,
    pipeline: Arc<Shared>,
    stopping: watch::Receiver<bool>,
) {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut seen = None;
    loop {
        let answered = tokio::time::timeout(patience, ledger.ping()).await;
        let rounds = pipeline.rounds();
        // While the service stops, the pipeline waits for what is running.
        let goes_round = seen != Some(rounds) || *stopping.borrow();
        match answered {
            Ok(Ok(())) if goes_round => tell(&[NotifyState::Watchdog]),
            Ok(Ok(())) => tracing::warn!("the pipeline stands still"),
            Ok(Err(error)) => tracing::warn!(%error, "the ledger does not answer"),
            Err(_) => tracing::warn!("the ledger does not answer in time"),
        }
        seen = Some(rounds);
        tokio::time::sleep(pause(patience)).await;
    }
}

/// Often enough that a late answer is none too late, and longer than a quiet round of the pipeline.
fn pause(patience: Duration) -> Duration {
    (patience / 3).max(Duration::from_millis(50))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how the service does");
    }
}
