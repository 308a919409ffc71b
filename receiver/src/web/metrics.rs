//! `/metrics`: what happened, counted as it happens, and how things stand, looked up when asked.

use std::path::PathBuf;
use std::sync::Arc;

use ::metrics::{counter, describe_counter, describe_gauge, gauge};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use recording::exposition::Exposition;
use recording::protocol::NodeStanding;

use super::{Service, failed};
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError};
use crate::pipeline::Cause;
use crate::upload;

/// What recordings wait for, or how they ended.
const STATES: [&str; 6] = ["media", "convert", "register", "review", "done", "failed"];
/// Where something can fail.
const STAGES: [&str; 4] = ["import", "media", "convert", "register"];
/// What is counted, without labels.
const COUNTERS: [(&str, &str); 6] = [
    ("bbb2pod_packages_received_total", "Packages uploaded."),
    (
        "bbb2pod_received_bytes_total",
        "Bytes of the packages uploaded.",
    ),
    (
        "bbb2pod_packages_archived_total",
        "Packages taken into the archive.",
    ),
    (
        "bbb2pod_packages_rejected_total",
        "Packages refused at import.",
    ),
    ("bbb2pod_converted_total", "Videos made."),
    (
        "bbb2pod_converted_seconds_total",
        "Seconds of the videos made.",
    ),
];

/// The numbers of this process, and where to look for the others.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    folders: [(&'static str, PathBuf); 4],
    keep_free: u64,
}

impl Metrics {
    /// Begins to count. Everything that can be counted is there from the start, as 0.
    ///
    /// # Errors
    /// Something counts already in this process.
    pub(crate) fn install(config: &Config) -> Result<Metrics, BuildError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        for (name, help) in COUNTERS {
            describe_counter!(name, help);
            counter!(name).increment(0);
        }
        describe_counter!("bbb2pod_failures_total", "Failures, by stage and cause.");
        for stage in STAGES {
            for cause in Cause::ALL {
                counter!("bbb2pod_failures_total", "stage" => stage, "cause" => cause.as_str())
                    .increment(0);
            }
        }
        describe_counter!(
            "bbb2pod_notify_sent_total",
            "Messages to people, by channel."
        );
        describe_gauge!(
            "bbb2pod_notify_failing",
            "Whether the last message to people was not taken, by channel."
        );
        let notify = config.notify.iter();
        for channel in notify.flat_map(|notify| notify.channel_names()) {
            counter!("bbb2pod_notify_sent_total", "channel" => channel).increment(0);
            gauge!("bbb2pod_notify_failing", "channel" => channel).set(0.0);
        }
        describe_counter!("bbb2pod_registered_total", "What was made in Pod, by kind.");
        for kind in ["claim", "video"] {
            counter!("bbb2pod_registered_total", "kind" => kind).increment(0);
        }
        describe_gauge!(
            "bbb2pod_conversion_speed",
            "How many times faster than real time the last conversion was; 0 before the first."
        );
        gauge!("bbb2pod_conversion_speed").set(0.0);
        let folders = [
            ("spool", config.spool_dir.clone()),
            ("archive", config.archive_dir.clone()),
            ("media", config.media_dir.clone()),
            ("work", config.work_dir.clone()),
        ];
        Ok(Metrics {
            handle,
            folders,
            keep_free: config.upload.keep_free.as_u64(),
        })
    }

    /// How things stand now.
    async fn present(&self, ledger: &Ledger) -> Result<Exposition, LedgerError> {
        let mut text = Exposition::default();
        let now = Timestamp::now();
        let counts = ledger.recording_counts().await?;
        let of = |state: &str| {
            counts
                .iter()
                .find(|(s, _)| s == state)
                .map_or(0, |(_, n)| *n)
        };
        text.by(
            "bbb2pod_recordings",
            "Recordings, by what they wait for, or how they ended.",
            "state",
            STATES.map(|state| (state, of(state))),
        );
        let failed = ledger.failed_by_cause().await?;
        text.by_two(
            "bbb2pod_failed_recordings",
            "Recordings that have failed for good, by stage and cause.",
            ("stage", "cause"),
            failed.iter().map(|(stage, cause, n)| (stage, cause, n)),
        );
        let waiting = ledger.longest_waiting().await?;
        let age = |stage: &str| {
            let since = waiting.iter().find(|(s, _)| s == stage).map(|(_, at)| *at);
            since.map_or(0, |at| now.duration_since(at).as_secs().max(0))
        };
        text.by(
            "bbb2pod_oldest_waiting_seconds",
            "How long the longest waiting recording waits, by stage.",
            "stage",
            STAGES.map(|stage| (stage, age(stage))),
        );
        let packages = ledger.package_counts().await?;
        let spooled = packages.iter().find(|(status, ..)| status == "spooled");
        text.one(
            "bbb2pod_spool_packages",
            "Packages that wait for import.",
            Some(spooled.map_or(0, |(_, n, _)| *n)),
        );
        text.one(
            "bbb2pod_spool_bytes",
            "Bytes of the packages that wait for import.",
            Some(spooled.map_or(0, |(.., bytes)| *bytes)),
        );
        text.one(
            "bbb2pod_rejected_packages",
            "Packages that lie in the spool's folder rejected/.",
            Some(upload::rejected(&self.folders[0].1).map_or(0, |found| found.len())),
        );
        self.disks(&mut text);
        nodes(ledger, &mut text).await?;
        let version = [(env!("CARGO_PKG_VERSION"), 1)];
        text.by(
            "bbb2pod_info",
            "The version of the receiver.",
            "version",
            version,
        );
        Ok(text)
    }

    fn disks(&self, text: &mut Exposition) {
        let looked: Vec<_> = self
            .folders
            .iter()
            .filter_map(|(name, folder)| Some((*name, rustix::fs::statvfs(folder).ok()?)))
            .collect();
        text.by(
            "bbb2pod_disk_free_bytes",
            "Space that is left where a folder lies.",
            "folder",
            looked
                .iter()
                .map(|(name, disk)| (name, disk.f_bavail.saturating_mul(disk.f_frsize))),
        );
        text.by(
            "bbb2pod_disk_size_bytes",
            "Size of the filesystem where a folder lies.",
            "folder",
            looked
                .iter()
                .map(|(name, disk)| (name, disk.f_blocks.saturating_mul(disk.f_frsize))),
        );
        text.one(
            "bbb2pod_upload_keep_free_bytes",
            "Space on the spool's filesystem below which uploads are refused.",
            Some(self.keep_free),
        );
    }
}

/// What the nodes have told of themselves.
async fn nodes(ledger: &Ledger, text: &mut Exposition) -> Result<(), LedgerError> {
    let mut nodes = ledger.nodes().await?;
    // Of the others nothing is wanted, and nobody is to be woken for them.
    nodes.retain(|node| node.state == NodeStanding::Enabled);
    let seen = nodes
        .iter()
        .filter_map(|node| Some((&node.name, node.seen_at?.as_second())));
    text.by(
        "bbb2pod_node_seen_timestamp_seconds",
        "When a node last showed its token.",
        "node",
        seen,
    );
    let reports: Vec<_> = nodes
        .iter()
        .filter_map(|node| Some((&node.name, &node.report.as_ref()?.0)))
        .collect();
    text.by(
        "bbb2pod_node_backlog",
        "Recordings that wait on a node, as it last told.",
        "node",
        reports.iter().map(|(name, report)| (name, report.backlog)),
    );
    text.by(
        "bbb2pod_node_oldest_unsent_timestamp_seconds",
        "Since when the oldest recording waits on a node, as it last told.",
        "node",
        reports
            .iter()
            .filter_map(|(name, report)| Some((name, report.oldest_unsent?.as_second()))),
    );
    Ok(())
}

/// Answers Prometheus.
pub(super) async fn page(State(service): State<Arc<Service>>) -> Response {
    let present = match service.metrics.present(&service.ledger).await {
        Ok(present) => present.into_text(),
        Err(error) => return failed(&error),
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, service.metrics.handle.render() + &present).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::ledger::testing::{filled, ledger};

    #[tokio::test]
    async fn many_recordings_make_neither_many_lines_nor_a_wait() {
        let (dir, ledger) = ledger().await;
        let folders =
            ["spool", "archive", "media", "work"].map(|name| (name, dir.path().to_owned()));
        let metrics = Metrics {
            handle: PrometheusBuilder::new().build_recorder().handle(),
            folders,
            keep_free: 1,
        };
        filled(&ledger, 20_000).await;
        for node in 0..30 {
            let name = format!("bbb{node}");
            let spec = crate::fleet::Spec::default();
            ledger.add_node(&name, &spec, &name).await.unwrap();
        }
        let began = Instant::now();
        let text = metrics.present(&ledger).await.unwrap().into_text();
        let took = began.elapsed();
        // It is asked every 15 seconds or so; tens of milliseconds on an idle machine.
        assert!(took < Duration::from_secs(3), "{took:?}");
        eprintln!("20,000 recordings: {took:?}");
        for line in [
            "bbb2pod_recordings{state=\"done\"} 8000\n",
            "bbb2pod_recordings{state=\"failed\"} 2000\n",
            "bbb2pod_recordings{state=\"review\"} 200\n",
            "bbb2pod_failed_recordings{stage=\"convert\",cause=\"recording\"} 2000\n",
            "bbb2pod_spool_packages 400\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(text.lines().count() < 150, "{text}");
    }
}
