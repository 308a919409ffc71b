//! The state of a node's outbox as numbers, in a file that Prometheus' node_exporter reads.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use recording::durable;
use recording::exposition::Exposition;

use crate::error::Error;
use crate::status::{State, Status};

/// Writes the numbers into a file whose name ends in `.prom`; it appears whole.
///
/// # Errors
/// The folder does not exist or cannot be written.
pub(crate) fn write(status: &Status, path: &Path) -> Result<(), Error> {
    // node_exporter runs as somebody else.
    let everybody = std::fs::Permissions::from_mode(0o644);
    durable::write(path, text(status).as_bytes())
        .and_then(|()| std::fs::set_permissions(path, everybody))
        .map_err(|e| Error::disk("cannot write", path, &e))
}

fn text(status: &Status) -> String {
    let mut text = Exposition::default();
    let in_state = |state: State| status.jobs.iter().filter(|j| j.state == state).count();
    text.by(
        "bbb2pod_hook_jobs",
        "Recordings in the outbox, by what they wait for.",
        "state",
        State::ALL.map(|state| (state.name(), in_state(state))),
    );
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    for problem in status.jobs.iter().filter_map(|job| job.problem.as_ref()) {
        *causes.entry(problem.cause.words()).or_default() += 1;
    }
    text.by(
        "bbb2pod_hook_failing_jobs",
        "Recordings whose last attempt failed, by cause.",
        "cause",
        causes,
    );
    text.one(
        "bbb2pod_hook_waiting_bytes",
        "Bytes of the recordings in the outbox.",
        Some(status.jobs.iter().map(|job| job.bytes).sum::<u64>()),
    );
    text.one(
        "bbb2pod_hook_oldest_job_timestamp_seconds",
        "When the oldest recording in the outbox was published; nothing when none waits.",
        status
            .jobs
            .iter()
            .map(|job| job.published_at)
            .min()
            .map(Timestamp::as_second),
    );
    text.one(
        "bbb2pod_hook_last_confirmed_timestamp_seconds",
        "When a recording was last confirmed; nothing before the first.",
        status
            .done
            .iter()
            .map(|done| done.confirmed_at)
            .max()
            .map(Timestamp::as_second),
    );
    text.one(
        "bbb2pod_hook_publish_errors",
        "Calls of publish that came to nothing.",
        Some(status.publish_errors.len()),
    );
    text.one(
        "bbb2pod_hook_unreadable_jobs",
        "Jobs in the outbox that cannot be read.",
        Some(status.unreadable.len()),
    );
    text.one(
        "bbb2pod_hook_sending",
        "Whether a sender is at work.",
        Some(u8::from(status.sending)),
    );
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    text.by(
        "bbb2pod_hook_info",
        "The version of the hook.",
        "version",
        version,
    );
    text.into_text()
}
