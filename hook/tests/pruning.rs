//! `prune`: nothing is deleted that the receiver has not confirmed, to the last byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use support::peer::Peer;
use support::{ID, Node, Ran, noise};

/// BBB's `bbb-record --delete`, as far as folders go, with a line for every call.
fn bbb_record(node: &Node, more: &str) {
    let var = node.path("var").display().to_string();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {var}/calls\n{more}\n[ \"$1\" = --delete ] || exit 1\n\
         rm -rf {var}/published/*/$2* {var}/unpublished/*/$2* {var}/deleted/*/$2* \
         {var}/recording/raw/$2*\n"
    );
    fs::write(node.path("bbb-record"), script).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(node.path("bbb-record"), mode).unwrap();
}

fn calls(node: &Node) -> Vec<String> {
    let text = fs::read_to_string(node.path("var/calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Everything is there long since, in both formats that BBB's steps produce, and registered.
fn ready(after_days: u32) -> (Node, Peer) {
    let peer = Peer::start();
    peer.lock().registered = true;
    let node = Node::sending_to(&peer.url());
    node.add_settings(&format!(
        "prune: {{enabled: true, after_days: {after_days}, bbb_record: \"{}\"}}",
        node.path("bbb-record").display()
    ));
    node.add_bbb_settings(
        "steps:\n  archive: sanity\n  sanity: captions\n  \
         captions: [\"process:presentation\", \"process:video\"]\n  \
         \"process:presentation\": \"publish:presentation\"\n  \"process:video\": \"publish:video\"",
    );
    bbb_record(&node, "");
    for format in ["presentation", "video"] {
        node.recording(ID, format, &noise(3000, 7));
    }
    node.publish(ID);
    assert_eq!(node.send().code, 0);
    (node, peer)
}

fn published(node: &Node) -> bool {
    node.published_dir().join("presentation").join(ID).exists()
}

/// A run that must not delete, and say why.
fn kept(node: &Node, why: &str) {
    let ran = node.run(&["prune"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains(why), "\"{why}\" in: {}", ran.out);
    assert!(ran.out.contains("0 deleted"), "{}", ran.out);
    assert!(calls(node).is_empty());
    assert!(published(node));
}

#[test]
fn everything_confirmed_is_deleted_once_and_noted() {
    let (node, peer) = ready(0);
    let dry = node.run(&["prune", "--dry-run"]);
    assert!(dry.out.contains("1 would be deleted"), "{}", dry.out);
    assert!(calls(&node).is_empty() && published(&node));
    let report = node.path("report.json").display().to_string();
    let ran = node.run(&["prune", "--report", &report]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("1 deleted"), "{}", ran.out);
    assert_eq!(calls(&node), [format!("--delete {ID}")]);
    assert!(ran.err.contains("deleted from the node"), "{}", ran.err);
    let lines: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(lines[0]["outcome"], "deleted");
    assert_eq!(
        lines[0]["formats"],
        serde_json::json!(["presentation", "video"])
    );
    let noted = node.outbox().join(format!(".pruned/{ID}.json"));
    let noted: serde_json::Value = serde_json::from_slice(&fs::read(noted).unwrap()).unwrap();
    assert!(noted["deleted_at"].is_string(), "{noted}");
    assert_eq!(noted["contents"].as_array().unwrap().len(), 2);
    // Told once as pruned, neither as deleted nor missed by anybody afterwards.
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert_eq!(node.run(&["sweep"]).code, 0);
    let pruned = |format: &str| (ID.to_owned(), format.to_owned(), "pruned".to_owned());
    assert_eq!(peer.lock().told, [pruned("presentation"), pruned("video")]);
    let reconciled = node.run(&["reconcile"]);
    assert_eq!(reconciled.code, 0, "{}", reconciled.out);
    assert!(reconciled.out.contains("2 pruned"), "{}", reconciled.out);
    // A later report names it too, so that none that was killed or replaced is missed; also when
    // the run was killed after `bbb-record` had ended and before that was noted.
    let path = node.outbox().join(format!(".pruned/{ID}.json"));
    for interrupted in [false, true] {
        if interrupted {
            let mut unnoted = noted.clone();
            unnoted["deleted_at"] = serde_json::Value::Null;
            fs::write(&path, unnoted.to_string()).unwrap();
        }
        assert_eq!(node.run(&["prune", "--report", &report]).code, 0);
        let lines: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        assert_eq!(lines.as_array().unwrap().len(), 1, "{lines}");
        assert_eq!(lines[0]["record_id"], ID);
        assert_eq!(lines[0]["outcome"], "deleted");
        assert_eq!(lines[0]["reason"], "by an earlier run");
    }
    assert_eq!(calls(&node).len(), 1);
}

#[test]
fn what_the_archive_really_holds_is_read_before_anything_is_deleted() {
    let (node, peer) = ready(0);
    peer.lock().damaged = vec!["video".to_owned()];
    kept(
        &node,
        "the receiver's archive does not have its video: metadata.xml has another content",
    );
    let dry = node.run(&["prune", "--dry-run"]);
    assert!(dry.out.contains("0 would be deleted"), "{}", dry.out);
    peer.lock().damaged.clear();
    // A receiver that cannot be asked confirms nothing.
    peer.lock().cannot_verify = true;
    let ran = node.run(&["prune"]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(ran.err.contains("not older than this hook"), "{}", ran.err);
    assert!(calls(&node).is_empty() && published(&node));
    peer.lock().cannot_verify = false;
    peer.lock().still_reading = 2;
    assert!(node.run(&["prune"]).out.contains("1 deleted"));
    assert_eq!(peer.lock().still_reading, 0);
}

#[test]
fn off_unless_it_is_on() {
    let (node, _peer) = ready(0);
    let text = fs::read_to_string(node.config()).unwrap();
    fs::write(
        node.config(),
        text.replace("enabled: true", "enabled: false"),
    )
    .unwrap();
    let ran = node.run(&["prune"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("prune.enabled is false"), "{}", ran.err);
    node.configure_transport("transport: directory\ndirectory: {spool_dir: /x}", "");
    let ran = node.run(&["prune", "--dry-run"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("nobody confirms what went by"),
        "{}",
        ran.err
    );
    let ran = node.run(&["prune", "--dry-run", "--report", "x.txt"]);
    assert_eq!(ran.code, 2);
    assert!(published(&node) && calls(&node).is_empty());
}

#[test]
fn a_format_that_is_missing_anywhere_keeps_everything() {
    let (node, peer) = ready(0);
    // BBB has not made the video yet.
    let video = node.published_dir().join("video").join(ID);
    fs::rename(&video, node.path("video")).unwrap();
    kept(&node, "BBB's steps produce video");
    fs::rename(node.path("video"), &video).unwrap();
    // The receiver does not have it.
    let at = peer
        .lock()
        .packages
        .iter()
        .position(|p| p.format == "video");
    let package = peer.lock().packages.remove(at.unwrap());
    kept(&node, "does not have its video");
    // A third one, which nobody sends.
    peer.lock().packages.push(package);
    node.recording(ID, "statistics", b"x");
    kept(&node, "does not have its statistics");
    fs::remove_dir_all(node.published_dir().join("statistics")).unwrap();
    // A rebuild of one is under way.
    fs::create_dir_all(node.path("var/recording/process/video").join(ID)).unwrap();
    kept(&node, "BBB is making its video");
}

#[test]
fn states_other_than_archived_and_registered_keep_it() {
    let (node, peer) = ready(0);
    peer.lock().registered = false;
    kept(&node, "not in Pod yet");
    peer.lock().registered = true;
    for status in ["spooled", "rejected", "superseded"] {
        peer.lock().packages[1].status = status;
        kept(
            &node,
            match status {
                "spooled" => "not imported yet",
                "rejected" => "is damaged",
                other => other,
            },
        );
    }
    peer.lock().packages[1].status = "archived";
    let text = fs::read_to_string(node.config()).unwrap();
    fs::write(
        node.config(),
        text.replace("enabled: true", "enabled: true, only_when: archived"),
    )
    .unwrap();
    peer.lock().registered = false;
    assert!(node.run(&["prune"]).out.contains("1 deleted"));
}

#[test]
fn what_lies_on_the_disk_now_is_what_counts() {
    let (node, _peer) = ready(0);
    let media = node
        .published_dir()
        .join("video")
        .join(ID)
        .join("video/webcams.webm");
    // Same name, size and time: only its bytes differ from what was sent.
    let before = fs::metadata(&media).unwrap().modified().unwrap();
    let good = fs::read(&media).unwrap();
    let write = |bytes: &[u8]| {
        fs::write(&media, bytes).unwrap();
        fs::File::open(&media)
            .unwrap()
            .set_modified(before)
            .unwrap();
    };
    let mut bad = good.clone();
    bad[1000] ^= 1;
    write(&bad);
    kept(&node, "does not have its video as it lies here");
    write(&good);
    // Another recording whose name begins with this one's goes along with it.
    let segment = format!("{ID}-1554230759920");
    node.recording(&segment, "presentation", b"segment");
    kept(&node, "the receiver does not know");
    node.move_to("unpublished", &segment, "presentation");
    kept(&node, "the receiver does not know");
    node.publish(ID);
    kept(&node, "waits in the outbox");
}

#[test]
fn days_pass_by_both_clocks() {
    let (node, peer) = ready(2);
    kept(&node, "prune.after_days is 2");
    // What the receiver lacks is said first: waiting will not mend that.
    peer.lock().packages[1].status = "rejected";
    kept(&node, "is damaged; bbb2pod-hook sweep sends it again");
    peer.lock().packages[1].status = "archived";
    // The receiver has had it for long, but this node heard of it just now, and it is new here.
    for entry in walkdir::WalkDir::new(node.published_dir()) {
        let file = fs::File::open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(86_400 * 30))
            .unwrap();
    }
    // Only the receiver's clock says that days have passed.
    peer.lock().clock_ahead = 86_400 * 30;
    kept(&node, "prune.after_days is 2");
    peer.lock().clock_ahead = 0;
    for done in fs::read_dir(node.outbox().join("done")).unwrap() {
        let path = done.unwrap().path();
        let mut done: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        done["confirmed_at"] = "2020-01-01T00:00:00Z".into();
        fs::write(path, done.to_string()).unwrap();
    }
    // The receiver archived the video a moment ago, whatever this node remembers.
    let now = jiff::Timestamp::now().as_second();
    peer.lock().packages[1].since = u64::try_from(now).unwrap();
    kept(&node, "prune.after_days is 2");
    peer.lock().packages[1].since = 1000;
    // The receiver's clock was set back: the earlier of both counts.
    peer.lock().clock_ahead = -86_400 * 365 * 40;
    kept(&node, "prune.after_days is 2");
    peer.lock().clock_ahead = 0;
    assert!(node.run(&["prune"]).out.contains("1 deleted"));
}

#[test]
fn two_at_once_delete_once() {
    let (node, _peer) = ready(0);
    bbb_record(&node, "sleep 1");
    let run = || {
        let mut command = node.hook();
        command
            .arg("prune")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(|_| run()).collect();
    let ran: Vec<Ran> = runs
        .into_iter()
        .map(|child| Ran::of(child.wait_with_output().unwrap()))
        .collect();
    assert_eq!(calls(&node).len(), 1);
    let refused = ran
        .iter()
        .filter(|r| r.err.contains("another bbb2pod-hook prune"));
    let deleted = ran.iter().filter(|r| r.out.contains("1 deleted")).count();
    assert_eq!(deleted, 1);
    assert!(refused.count() >= 1);
}

#[test]
fn a_deletion_that_fails_is_told_and_tried_again() {
    let (node, _peer) = ready(0);
    bbb_record(&node, "echo Need to be root to run this option; exit 1");
    let ran = node.run(&["prune"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("Need to be root"), "{}", ran.out);
    let root = rustix::process::geteuid().is_root();
    assert_eq!(ran.out.contains("sudo bbb2pod-hook prune"), !root);
    // Ends well and does nothing.
    bbb_record(&node, "exit 0");
    let ran = node.run(&["prune"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("is still there"), "{}", ran.out);
    assert!(published(&node));
    bbb_record(&node, "");
    assert_eq!(node.run(&["prune"]).code, 0);
    assert!(!published(&node));
}

#[test]
fn an_interrupted_deletion_does_not_go_on_over_what_remains() {
    let (node, _peer) = ready(0);
    // Killed in the middle: one file of the video is gone.
    let file = node
        .published_dir()
        .join("video")
        .join(ID)
        .join("shapes.svg");
    bbb_record(&node, &format!("rm {}; kill -9 $$", file.display()));
    assert_eq!(node.run(&["prune"]).code, 1);
    fs::remove_file(node.path("var/calls")).unwrap();
    bbb_record(&node, "");
    kept(&node, "a deletion of it was begun and did not end");
    kept(&node, "does not have its video as it lies here");
}

#[test]
fn without_the_receiver_or_bbbs_steps_nothing_is_decided() {
    let (node, peer) = ready(0);
    peer.lock().token = "another".into();
    assert_eq!(node.run(&["prune"]).code, 2);
    assert_eq!(node.run(&["reconcile"]).code, 2);
    peer.lock().token = "secret-token".into();
    let text = fs::read_to_string(node.path("bigbluebutton.yml")).unwrap();
    let text = text.split("steps:").next().unwrap().to_owned();
    fs::write(node.path("bigbluebutton.yml"), text).unwrap();
    let ran = node.run(&["prune"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("prune.formats"), "{}", ran.err);
    assert!(published(&node) && calls(&node).is_empty());
}
