//! `backfill`, `sweep` and `reconcile` against what the receiver has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::peer::{Package, Peer};
use support::{Node, noise};

/// A node with so many old recordings, and the receiver that it sends to.
fn old(n: u64) -> (Node, Peer) {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    for n in 0..n {
        aged(&node.recording(&id(n), "presentation", &noise(2000, n)));
    }
    node.add_settings("sweep: {settled_for: 1s}");
    (node, peer)
}

fn id(n: u64) -> String {
    format!("{n:040}-{}", 1_725_271_200_000 + n)
}

fn aged(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder) {
        let file = fs::File::open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(86_400 * 30))
            .unwrap();
    }
}

/// The outbox as it is on a node that was installed anew.
fn forget(node: &Node) {
    fs::remove_dir_all(node.outbox()).unwrap();
}

fn dry_run(node: &Node) -> String {
    let ran = node.run(&["backfill", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

fn reconciled(node: &Node) -> (i32, Value) {
    let ran = node.run(&["reconcile", "--json"]);
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
    (ran.code, value)
}

fn kinds(value: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let differences = value["differences"].as_array().unwrap();
    differences
        .iter()
        .map(|d| (text(&d["record_id"]), text(&d["kind"])))
        .collect()
}

#[test]
fn a_new_outbox_sends_nothing_that_is_there() {
    let (node, peer) = old(5);
    assert_eq!(node.run(&["backfill", "--max", "3"]).code, 0);
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.archived().len(), 3);
    forget(&node);
    let table = dry_run(&node);
    assert!(table.contains("2 would be sent"), "{table}");
    assert_eq!(table.matches("the receiver has it already").count(), 3);
    assert_eq!(node.run(&["backfill"]).code, 0);
    assert_eq!(node.jobs().len(), 2);
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.lock().packages.len(), 5, "nothing was sent twice");
    // What was found there counts as sent: a rebuild of it is noticed.
    fs::remove_dir_all(node.published_dir().join("presentation").join(id(0))).unwrap();
    aged(&node.recording(&id(0), "presentation", b"rebuilt"));
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert_eq!(node.jobs().len(), 1);
}

#[test]
fn nothing_unchanged_is_read_twice() {
    let (node, _peer) = old(3);
    assert_eq!(node.run(&["backfill"]).code, 0);
    assert_eq!(node.send().code, 0);
    forget(&node);
    dry_run(&node);
    // Changed behind the back of names, sizes and times: whoever reads it again will notice.
    let media = node
        .published_dir()
        .join("presentation")
        .join(id(0))
        .join("video/webcams.webm");
    let before = fs::metadata(&media).unwrap().modified().unwrap();
    fs::write(&media, noise(2000, 99)).unwrap();
    fs::File::open(&media)
        .unwrap()
        .set_modified(before)
        .unwrap();
    let table = dry_run(&node);
    assert!(table.contains("0 would be sent"), "{table}");
    // And what has changed is read, though it was only overwritten.
    fs::write(&media, noise(2001, 98)).unwrap();
    let table = dry_run(&node);
    assert!(table.contains("1 would be sent"), "{table}");
}

#[test]
fn many_are_asked_about_in_few_questions() {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    for n in 0..1500_u64 {
        let id = format!("r-{n}");
        let folder = node.published_dir().join("video").join(&id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("video-0.m4v"), n.to_string()).unwrap();
        // The receiver has each of them, with another content.
        peer.lock().packages.push(Package {
            record_id: id,
            format: "video".into(),
            digest: "ab".repeat(32),
            status: "archived",
            reason: None,
            since: n,
            bytes: Vec::new(),
        });
    }
    let table = dry_run(&node);
    assert!(table.contains("1500 would be sent"), "{table}");
    assert_eq!(peer.lock().asked, [1000, 500]);
    let (code, value) = reconciled(&node);
    assert_eq!(code, 1);
    assert!(kinds(&value).iter().all(|(_, kind)| kind == "changed"));
}

#[test]
fn a_receiver_that_is_down_keeps_no_one_from_queueing() {
    let (node, _peer) = old(2);
    node.configure("http://127.0.0.1:9", "");
    let ran = node.run(&["backfill"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("cannot ask the receiver"), "{}", ran.err);
    assert_eq!(node.jobs().len(), 2);
    assert_eq!(node.run(&["reconcile"]).code, 3);
}

#[test]
fn what_is_unpublished_or_deleted_is_told_once() {
    let (node, peer) = old(4);
    assert_eq!(node.run(&["backfill"]).code, 0);
    assert_eq!(node.send().code, 0);
    let sweep = || assert_eq!(node.run(&["sweep"]).code, 0);
    sweep();
    assert!(peer.lock().told.is_empty(), "nothing has moved");
    node.move_to("unpublished", &id(0), "presentation");
    node.move_to("deleted", &id(1), "presentation");
    fs::remove_dir_all(node.published_dir().join("presentation").join(id(2))).unwrap();
    // The first time it cannot be told.
    peer.lock().telling_fails = 1;
    sweep();
    assert!(peer.lock().told.is_empty());
    sweep();
    sweep();
    let told = |n: u64, state: &str| (id(n), "presentation".to_owned(), state.to_owned());
    let wanted = [
        told(0, "unpublished"),
        told(1, "deleted"),
        told(2, "deleted"),
    ];
    assert_eq!(peer.lock().told, wanted);
    node.move_to("published", &id(0), "presentation");
    sweep();
    assert_eq!(peer.lock().told[3..], [told(0, "published")]);
    // Being rebuilt: BBB has deleted the folder, and will make it again from the raw recording.
    fs::remove_dir_all(node.published_dir().join("presentation").join(id(3))).unwrap();
    node.events(&id(3));
    sweep();
    assert_eq!(peer.lock().told.len(), 4);
    // Nobody comes back to it: it has been gone for more than a day.
    let missing = node.outbox().join(".missing");
    let since = fs::read_to_string(&missing).unwrap();
    let since: serde_json::Value = serde_json::from_str(&since).unwrap();
    let key = format!("presentation/{}", id(3));
    assert!(since[&key].is_string(), "{since}");
    let long_ago = serde_json::json!({ &key: "2024-01-01T00:00:00Z" }).to_string();
    fs::write(&missing, &long_ago).unwrap();
    let process = node.path("var/recording/process/presentation").join(id(3));
    fs::create_dir_all(&process).unwrap();
    sweep();
    assert_eq!(peer.lock().told.len(), 4, "BBB is at work on it");
    fs::remove_dir_all(&process).unwrap();
    sweep();
    assert_eq!(peer.lock().told[4..], [told(3, "deleted")]);
    // Made anew after all.
    node.recording(&id(3), "presentation", b"again");
    sweep();
    assert_eq!(peer.lock().told[5..], [told(3, "published")]);
    assert_eq!(fs::read_to_string(&missing).unwrap().trim(), "{}");
    // Deleted by hand, raw recording and BBB's status left behind: not being rebuilt.
    fs::remove_dir_all(node.published_dir().join("presentation").join(id(3))).unwrap();
    let done = node.path("var/recording/status/published");
    fs::create_dir_all(&done).unwrap();
    let done = done.join(format!("{}-presentation.done", id(3)));
    fs::write(done, "Published").unwrap();
    sweep();
    assert_eq!(peer.lock().told.len(), 6, "not settled");
    let settings = fs::read_to_string(node.config()).unwrap();
    let settings = settings.replace("settled_for: 1s", "settled_for: 0s");
    fs::write(node.config(), settings).unwrap();
    sweep();
    assert_eq!(peer.lock().told[6..], [told(3, "deleted")]);
    assert_eq!(peer.lock().packages.len(), 4, "moving sends nothing");
}

#[test]
fn a_call_that_was_lost_before_it_was_unpublished_is_made_up_for() {
    let (node, peer) = old(1);
    assert_eq!(node.run(&["sweep"]).code, 0);
    let status = node.path("var/recording/status/published");
    fs::create_dir_all(&status).unwrap();
    fs::write(status.join(format!("{}-presentation.done", id(0))), "x").unwrap();
    node.move_to("unpublished", &id(0), "presentation");
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.archived().len(), 1);
}

#[test]
fn both_sides_are_compared() {
    let (node, peer) = old(6);
    assert_eq!(node.run(&["backfill", "--max", "5"]).code, 0);
    assert_eq!(node.send().code, 0);
    // Another node has sent one under this name.
    let other = Node::sending_to(&peer.url());
    other.recording("stranger-1", "video", b"x");
    other.publish("stranger-1");
    assert_eq!(other.send().code, 0);
    node.recording("left-out-1", "statistics", b"x");
    fs::write(
        node.published_dir()
            .join("presentation")
            .join(id(1))
            .join("shapes.svg"),
        "<svg>changed</svg>",
    )
    .unwrap();
    node.move_to("deleted", &id(2), "presentation");
    fs::remove_dir_all(node.published_dir().join("presentation").join(id(3))).unwrap();
    node.move_to("unpublished", &id(4), "presentation");
    let (code, value) = reconciled(&node);
    assert_eq!(code, 1);
    let pair = |n: u64, kind: &str| (id(n), kind.to_owned());
    assert_eq!(
        kinds(&value),
        [
            pair(1, "changed"),
            pair(2, "deleted"),
            pair(3, "deleted"),
            pair(5, "missing"),
            ("stranger-1".to_owned(), "extra".to_owned()),
        ]
    );
    assert_eq!((&value["same"], &value["left_out"]), (&2.into(), &1.into()));
    let text = node.run(&["reconcile"]);
    assert_eq!(text.code, 1);
    assert!(
        text.out
            .contains("2 the same, 1 missing, 1 changed, 2 deleted, 1 extra"),
        "{}",
        text.out
    );
}

#[test]
fn when_everything_is_there_nothing_differs() {
    let (node, peer) = old(3);
    assert_eq!(reconciled(&node).0, 1);
    assert_eq!(node.run(&["backfill"]).code, 0);
    let (_, value) = reconciled(&node);
    assert!(
        value["differences"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("waits in the outbox"),
        "{value}"
    );
    assert_eq!(node.send().code, 0);
    let (code, value) = reconciled(&node);
    assert_eq!((code, &value["same"]), (0, &3.into()), "{value}");
    // Lost there: the node knows that it was confirmed once.
    peer.lock().packages.remove(0);
    let (code, value) = reconciled(&node);
    assert_eq!(code, 1);
    assert!(
        value["differences"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("confirmed once")
    );
}

#[test]
fn what_the_receiver_no_longer_confirms_is_sent_again() {
    for command in ["sweep", "backfill"] {
        let (node, peer) = old(4);
        assert_eq!(node.run(&["backfill"]).code, 0);
        assert_eq!(node.send().code, 0);
        assert_eq!(node.run(&[command]).code, 0);
        assert!(node.jobs().is_empty(), "everything is there");
        // One is lost there, another was found damaged.
        peer.lock().packages.remove(0);
        peer.lock().packages[0].status = "rejected";
        let (code, value) = reconciled(&node);
        assert_eq!(code, 1);
        let told = value.to_string();
        assert!(told.contains("copy is damaged"), "{told}");
        assert!(told.contains("bbb2pod-hook sweep"), "{told}");
        let ran = node.run(&[command]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(node.jobs().len(), 2, "{command}: {}", ran.err);
        let ran = node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(reconciled(&node).0, 0, "{command}");
        assert_eq!(node.run(&[command]).code, 0);
        assert!(node.jobs().is_empty(), "once is enough");
    }
}

#[test]
fn ranges_one_after_the_other_leave_nothing_out() {
    let (node, peer) = old(6);
    for (min, max) in [("1", "2"), ("3", "4"), ("5", "6")] {
        let ran = node.run(&["backfill", "--min", min, "--max", max]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(node.send().code, 0);
        let sent = peer.lock().packages.len().to_string();
        assert_eq!(sent, max);
    }
}

#[test]
fn a_spool_that_answers_nothing_is_compared_with_what_was_handed_over() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let (node, _peer) = old(2);
    node.configure_transport(
        &format!(
            "transport: directory\ndirectory: {{spool_dir: {}}}",
            share.path().display()
        ),
        "",
    );
    assert_eq!(node.run(&["backfill", "--max", "1"]).code, 0);
    assert_eq!(node.send().code, 0);
    let (code, value) = reconciled(&node);
    assert_eq!(code, 1);
    assert_eq!(kinds(&value), [(id(1), "missing".to_owned())]);
}
