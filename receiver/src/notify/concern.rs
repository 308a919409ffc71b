//! What needs a human, as it stands now.

use std::path::Path;

use bytesize::ByteSize;
use jiff::{SignedDuration, Timestamp};
use recording::Digest;
use recording::protocol::NodeStanding;

use super::config::NotifyConfig;
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError, Waiting};
use crate::upload;

/// What kind of thing needs a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Recordings that have failed for good.
    Failed,
    /// Recordings that nobody is found for.
    Review,
    /// Packages that could not be imported.
    Rejected,
    /// What is wrong in Pod with single videos, as an encoding that is stuck.
    Trouble,
    /// A stage that fails again and again, as when Pod is away.
    Stalled,
    /// A node that has not been heard of.
    Silent,
    /// A node that does not get rid of its recordings.
    Backlog,
    /// A disk that fills up.
    Disk,
}

impl Kind {
    /// The word in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Review => "review",
            Kind::Rejected => "rejected",
            Kind::Trouble => "trouble",
            Kind::Stalled => "stalled",
            Kind::Silent => "silent",
            Kind::Backlog => "backlog",
            Kind::Disk => "disk",
        }
    }

    /// The commands that show and mend it.
    pub(crate) fn commands(self) -> &'static [&'static str] {
        match self {
            Kind::Failed => &[
                "bbb2pod-receiver recording list --state failed",
                "bbb2pod-receiver recording retry ID",
            ],
            Kind::Review => &[
                "bbb2pod-receiver recording list --state review",
                "bbb2pod-receiver recording assign ID USER",
            ],
            Kind::Rejected => &["bbb2pod-receiver status"],
            Kind::Trouble => &["bbb2pod-receiver recording show ID"],
            Kind::Stalled => &["bbb2pod-receiver status", "bbb2pod-receiver check"],
            Kind::Silent | Kind::Backlog => {
                &["bbb2pod-receiver node status", "bbb2pod-hook status"]
            }
            Kind::Disk => &["bbb2pod-receiver status", "df -h"],
        }
    }
}

/// One thing that needs a human.
#[derive(Clone, Debug)]
pub(crate) struct Concern {
    /// What kind of thing.
    pub(crate) kind: Kind,
    /// Which: a record id, a file, a node, a folder, a stage.
    pub(crate) of: String,
    /// What is known of it, in one line.
    pub(crate) why: String,
    /// By what it is told from others, and from the same at another time.
    pub(crate) item: String,
    /// How many recordings or packages it stands for.
    pub(crate) count: u64,
}

impl Concern {
    fn new(kind: Kind, of: &str, variant: &str, why: &str) -> Concern {
        let name = format!("{}\n{of}\n{variant}", kind.as_str());
        Concern {
            kind,
            of: of.to_owned(),
            why: one_line(why),
            item: Digest::of(name.as_bytes()).to_string(),
            count: 1,
        }
    }
}

/// What recordings say is of strangers: no line of it may look like one of ours.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(300).collect()
}

/// Everything that needs a human now. `started` is when the service began: before that it could
/// not hear of nodes.
///
/// # Errors
/// The ledger cannot be read.
pub(crate) async fn standing(
    config: &Config,
    notify: &NotifyConfig,
    ledger: &Ledger,
    started: Timestamp,
) -> Result<Vec<Concern>, LedgerError> {
    let mut found = Vec::new();
    let of_recording = |kind, waiting: Waiting, variant: &str| {
        Concern::new(kind, waiting.record_id.as_str(), variant, &waiting.why)
    };
    for waiting in ledger.failed_for_good().await? {
        // What failed again after somebody has mended it is news.
        let when = waiting.since.to_string();
        found.push(of_recording(Kind::Failed, waiting, &when));
    }
    for waiting in ledger.held_for_review().await? {
        found.push(of_recording(Kind::Review, waiting, ""));
    }
    found.extend(rejected(&config.spool_dir));
    for (id, trouble) in ledger.troubles().await? {
        found.push(Concern::new(Kind::Trouble, id.as_str(), &trouble, &trouble));
    }
    let now = Timestamp::now();
    for stalled in ledger.stalled(ago(now, notify.stalled_after)).await? {
        let mut concern = Concern::new(Kind::Stalled, &stalled.stage, "", &stalled.why);
        concern.count = stalled.count;
        found.push(concern);
    }
    found.extend(nodes(notify, ledger, started, now).await?);
    found.extend(disks(config, notify.disk_free_below));
    Ok(found)
}

fn ago(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_sub(wait).unwrap_or(Timestamp::MIN)
}

fn rejected(spool: &Path) -> Vec<Concern> {
    let packages = upload::rejected(spool).unwrap_or_else(|error| {
        tracing::warn!(%error, "rejected packages cannot be looked for");
        Vec::new()
    });
    let mut found = Vec::new();
    for package in packages {
        let Some(name) = package.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let reason = std::fs::read_to_string(package.with_file_name(format!("{name}.reason")));
        let changed = std::fs::symlink_metadata(&package).and_then(|m| m.modified());
        let variant = format!("{:?}", changed.ok());
        let why = reason.unwrap_or_default();
        found.push(Concern::new(Kind::Rejected, name, &variant, why.trim()));
    }
    found.sort_by(|a, b| a.of.cmp(&b.of));
    found
}

async fn nodes(
    notify: &NotifyConfig,
    ledger: &Ledger,
    started: Timestamp,
    now: Timestamp,
) -> Result<Vec<Concern>, LedgerError> {
    let mut found = Vec::new();
    for node in ledger.nodes().await? {
        // Of the others nothing is wanted.
        if node.state != NodeStanding::Enabled {
            continue;
        }
        let seen = node.seen_at.unwrap_or(node.added_at);
        if seen.max(started) <= ago(now, notify.node_silent_after) {
            let why = format!("{seen:.0}");
            found.push(Concern::new(Kind::Silent, &node.name, "", &why));
            continue;
        }
        let Some((report, _)) = &node.report else {
            continue;
        };
        // While the receiver was away itself, everything had to wait.
        let waits = report.oldest_unsent.map(|since| since.max(started));
        if waits.is_some_and(|since| since <= ago(now, notify.backlog_older_than)) {
            let since = report.oldest_unsent.unwrap_or(now);
            let mut concern = Concern::new(Kind::Backlog, &node.name, "", &format!("{since:.0}"));
            concern.count = report.backlog;
            found.push(concern);
        }
    }
    Ok(found)
}

fn disks(config: &Config, least: ByteSize) -> Vec<Concern> {
    let folders = [
        ("spool_dir", &config.spool_dir),
        ("archive_dir", &config.archive_dir),
        ("media_dir", &config.media_dir),
        ("work_dir", &config.work_dir),
    ];
    let mut devices = Vec::new();
    let mut found = Vec::new();
    for (key, folder) in folders {
        let looked =
            rustix::fs::statvfs(folder).and_then(|disk| Ok((disk, rustix::fs::stat(folder)?)));
        let Ok((disk, stat)) = looked else {
            continue;
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        // One filesystem is told once, by the first folder on it.
        if free >= least.as_u64() || devices.contains(&stat.st_dev) {
            continue;
        }
        devices.push(stat.st_dev);
        let what = format!("{key} {}", folder.display());
        found.push(Concern::new(
            Kind::Disk,
            &what,
            "",
            &ByteSize(free).to_string(),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use recording::protocol::NodeReport;

    use super::*;
    use crate::fleet::Spec;
    use crate::ledger::testing::{archived, ledger};
    use crate::ledger::{Registered, Stage};
    use crate::owners::Decision;

    fn config(folder: &Path) -> Config {
        let file = folder.join("receiver.yml");
        let root = folder.display();
        let yml = format!(
            "spool_dir: {root}/spool\narchive_dir: {root}/archive\nmedia_dir: {root}/media\nwork_dir: {root}/work\n\
             destination: {{kind: csv, file: {root}/list.csv}}\n\
             notify: {{disk_free_below: 1000PiB, webhook: {{url: \"http://localhost/\"}}}}\n"
        );
        std::fs::write(&file, yml).unwrap();
        std::fs::create_dir_all(folder.join("spool/rejected")).unwrap();
        Config::read(&file).unwrap()
    }

    #[tokio::test]
    async fn everything_that_needs_a_human_is_found() {
        let (dir, ledger) = ledger().await;
        let config = config(dir.path());
        let rejected = dir.path().join("spool/rejected/r-9-presentation.tar");
        std::fs::write(&rejected, "").unwrap();
        std::fs::write(rejected.with_extension("tar.reason"), "a link\n").unwrap();
        let failed = archived(&ledger, "r-1").await;
        let held = archived(&ledger, "r-2").await;
        let stuck = archived(&ledger, "r-3").await;
        let waiting = archived(&ledger, "r-4").await;
        let why = "shapes.svg is damaged\nbcc: everybody";
        ledger.fail(&failed, Stage::Media, why).await.unwrap();
        let nobody = Decision {
            owner: None,
            additional_owners: vec![],
            to_create: vec![],
            found_by: None,
            reasons: vec![],
        };
        ledger.decided(&held, &nobody).await.unwrap();
        let registered = Registered {
            destination: "upload".into(),
            kind: "video".into(),
            reference: "7".into(),
            url: None,
            media_digest: Digest::of(b"m"),
            registered_at: Timestamp::now(),
            look_again: None,
            trouble: Some("its encoding is stuck".into()),
        };
        ledger.registered(&stuck, &registered, &[]).await.unwrap();
        let later = Timestamp::now() + SignedDuration::from_mins(1);
        ledger
            .postpone(&waiting, Stage::Media, later, "Pod is away")
            .await
            .unwrap();
        ledger
            .add_node("bbb1", &Spec::default(), "t")
            .await
            .unwrap();
        let report = NodeReport {
            version: "1".into(),
            backlog: 3,
            backlog_bytes: 9,
            oldest_unsent: Some(Timestamp::now() - SignedDuration::from_hours(9)),
        };
        ledger.note_node_report("bbb1", &report).await.unwrap();

        let mut notify = config.notify.clone().unwrap();
        let started = Timestamp::now() - SignedDuration::from_hours(24);
        let before = standing(&config, &notify, &ledger, started).await.unwrap();
        notify.stalled_after = Duration::ZERO;
        let found = standing(&config, &notify, &ledger, started).await.unwrap();
        let of = |kind: Kind| {
            let concerns = found.iter().filter(|c| c.kind == kind);
            concerns
                .map(|c| (c.of.as_str(), c.why.as_str(), c.count))
                .collect::<Vec<_>>()
        };
        assert!(
            before.iter().all(|c| c.kind != Kind::Stalled),
            "it has not waited for long"
        );
        assert_eq!(
            of(Kind::Failed),
            [("r-1", "shapes.svg is damaged bcc: everybody", 1)]
        );
        assert_eq!(of(Kind::Review).len(), 1);
        assert_eq!(of(Kind::Rejected), [("r-9-presentation.tar", "a link", 1)]);
        assert_eq!(of(Kind::Trouble), [("r-3", "its encoding is stuck", 1)]);
        assert_eq!(of(Kind::Stalled), [("media", "Pod is away", 1)]);
        assert_eq!(of(Kind::Backlog)[0].0, "bbb1");
        assert_eq!(of(Kind::Backlog)[0].2, 3);
        assert_eq!(of(Kind::Disk).len(), 1, "one filesystem is told once");

        // A receiver that was away itself has nothing to say of nodes yet.
        let just_now = standing(&config, &notify, &ledger, Timestamp::now())
            .await
            .unwrap();
        assert!(just_now.iter().all(|c| c.kind != Kind::Backlog));
        notify.node_silent_after = Duration::ZERO;
        let silent = standing(&config, &notify, &ledger, started).await.unwrap();
        assert!(
            silent
                .iter()
                .any(|c| c.kind == Kind::Silent && c.of == "bbb1")
        );

        // The same thing is the same item; what failed once more is another.
        let items = |concerns: &[Concern]| -> Vec<String> {
            let failed = concerns.iter().filter(|c| c.kind == Kind::Failed);
            failed.map(|c| c.item.clone()).collect()
        };
        assert_eq!(items(&before), items(&found));
    }
}
