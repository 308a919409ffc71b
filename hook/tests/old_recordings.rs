//! `backfill` and `sweep`: what BBB never told the hook about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use support::peer::Peer;
use support::{ID, Node, metadata};

/// Sets the time of change of everything below a folder.
fn aged(folder: &Path, age: Duration) {
    for entry in walkdir::WalkDir::new(folder) {
        let file = fs::File::open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Ten recordings, one a day from 2 September 2024 on, of growing size.
fn old_node(receiver: &str) -> Node {
    let node = Node::sending_to(receiver);
    for n in 0..10u64 {
        let id = old_id(n);
        let folder = node.recording(&id, "presentation", &vec![b'x'; (10 - n as usize) * 1000]);
        let start = format!("<start_time>{}</start_time>", start(n));
        let xml = metadata(
            &id,
            "presentation",
            if n < 5 { "Moodle" } else { "Greenlight" },
        );
        let xml = xml.replace("<start_time>1554230749920</start_time>", &start);
        fs::write(folder.join("metadata.xml"), xml).unwrap();
        aged(&folder, DAY * 30);
    }
    node
}

fn start(n: u64) -> u64 {
    1_725_271_200_000 + n * 86_400_000
}

fn old_id(n: u64) -> String {
    format!("{n:040}-{}", start(n))
}

#[test]
fn a_dry_run_tells_and_takes_nothing() {
    let node = old_node("http://127.0.0.1:9");
    let ran = node.run(&["backfill", "--dry-run", "--origin", "moodle"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("5 would be sent"), "{}", ran.out);
    assert!(
        ran.out
            .contains("--origin does not name its bbb-origin \"Greenlight\""),
        "{}",
        ran.out
    );
    let ran = node.run(&[
        "backfill",
        "--dry-run",
        "--format",
        "video",
        "--meta",
        "a=b",
    ]);
    assert!(
        ran.out.contains("--format does not name presentation"),
        "{}",
        ran.out
    );
    let ran = node.run(&["backfill", "--dry-run", "--meta", "bbb-origin=b"]);
    assert!(
        ran.out
            .contains("--meta bbb-origin wants \"b\", it has \"Moodle\""),
        "{}",
        ran.out
    );
    // What the settings say is called by their name.
    node.add_settings("filters: {origins: [PILOS]}");
    let ran = node.run(&["backfill", "--dry-run"]);
    assert!(
        ran.out.contains("filters.origins does not list"),
        "{}",
        ran.out
    );
    assert!(node.jobs().is_empty());
}

#[test]
fn a_list_of_ids_is_taken_at_its_word() {
    let node = old_node("http://127.0.0.1:9");
    node.move_to("unpublished", &old_id(4), "presentation");
    let list = |text: &str| {
        fs::write(node.path("ids"), text).unwrap();
        let ids = node.path("ids").display().to_string();
        node.run(&["backfill", "--dry-run", "--id-file", &ids])
    };
    let (a, b, gone) = (old_id(3), old_id(4), "gone-1");
    let ran = list(&format!(
        "\u{feff}# the first\n{a} # of September\r\n\n{b}\n{gone}\n"
    ));
    assert!(ran.out.contains("1 would be sent"), "{}", ran.out);
    assert_eq!(ran.code, 1, "not all that was asked for is there");
    let line = |id: &str| ran.err.lines().find(|l| l.contains(id)).unwrap_or_default();
    assert!(line(&b).contains("--unpublished takes it"), "{}", ran.err);
    assert!(
        line(gone).contains("no such recording on this node"),
        "{}",
        ran.err
    );
    assert_eq!(list(&format!("{a}\n")).code, 0);
    for (text, words) in [
        ("# nothing\n", "names no recording"),
        ("a-1\n../../etc\n", "ids:2: "),
    ] {
        let ran = list(text);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
}

#[test]
fn options_choose_and_order() {
    let ids = |range: std::ops::Range<u64>| range.map(old_id).collect::<Vec<_>>();
    let node = old_node("http://127.0.0.1:9");
    fs::write(
        node.path("ids"),
        format!("{}\n\n{}\n", old_id(3), old_id(7)),
    )
    .unwrap();
    let id_file = node.path("ids").display().to_string();
    let reversed = ids(7..10).into_iter().rev().collect::<Vec<_>>();
    for (args, wanted) in [
        (vec![], ids(0..10)),
        (
            vec!["--since", "2024-09-05", "--until", "2024-09-07"],
            ids(3..5),
        ),
        (vec!["--id-file", &id_file], vec![old_id(3), old_id(7)]),
        (vec!["--min", "2", "--max", "3"], ids(1..3)),
        (vec!["--order", "newest", "--max", "3"], reversed.clone()),
        (vec!["--order", "smallest", "--max", "3"], reversed),
        (vec!["--meta", "bbb-origin=Greenlight"], ids(5..10)),
        (vec!["--format", "video"], vec![]),
    ] {
        let report = node.path("report.json");
        let report_arg = report.display().to_string();
        let all = [
            &["backfill", "--dry-run", "--report", &report_arg],
            &args[..],
        ]
        .concat();
        let ran = node.run(&all);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        let lines: Vec<serde_json::Value> =
            serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        let chosen: Vec<_> = lines
            .iter()
            .filter(|l| l["decision"] == "send")
            .map(|l| l["record_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(chosen, wanted, "{args:?}");
    }
    for args in [
        &["--since", "yesterday"][..],
        &["--meta", "x"],
        &["--id-file", "/nowhere"],
        &["--min", "0"],
        &["--min", "3", "--max", "2"],
        &["--since", "2024-09-05", "--until", "2024-09-05"],
        &["--report", "list.txt"],
        &["--report", "/nowhere/list.csv"],
    ] {
        let ran = node.run(&[&["backfill"], args].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
    }
    assert!(node.jobs().is_empty());
}

#[test]
fn taken_once_sent_in_order_after_what_is_new() {
    let peer = Peer::start();
    let node = old_node(&peer.url());
    let csv = node.path("report.csv").display().to_string();
    let ran = node.run(&["backfill", "--report", &csv]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(node.jobs().len(), 10);
    let text = fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().count(), 11);
    let first = format!("{},presentation,published,2024-09-02T", old_id(0));
    assert!(text.lines().nth(1).unwrap().starts_with(&first), "{text}");
    node.recording(ID, "video", b"new");
    node.publish(ID);
    let more = fs::read_to_string(node.config())
        .unwrap()
        .replace("stall_timeout", "parallel: 1, stall_timeout");
    fs::write(node.config(), more).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let arrived: Vec<_> = peer
        .lock()
        .packages
        .iter()
        .map(|p| p.record_id.clone())
        .collect();
    let wanted: Vec<_> = std::iter::once(ID.to_owned())
        .chain((0..10).map(old_id))
        .collect();
    assert_eq!(arrived, wanted);
    let again = node.run(&["backfill"]);
    assert!(again.out.starts_with("0 wait to be sent"), "{}", again.out);
    assert!(node.jobs().is_empty());
}

#[test]
fn unpublished_recordings_only_when_asked() {
    let peer = Peer::start();
    let node = old_node(&peer.url());
    let moved = node.path("var/unpublished/presentation");
    fs::create_dir_all(&moved).unwrap();
    let from = node.published_dir().join("presentation").join(old_id(0));
    fs::rename(from, moved.join(old_id(0))).unwrap();
    assert!(
        node.run(&["backfill", "--dry-run"])
            .out
            .contains("9 would be sent")
    );
    assert_eq!(node.run(&["backfill", "--unpublished"]).code, 0);
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.archived().len(), 10);
}

#[test]
fn a_sweep_takes_what_was_missed_and_leaves_what_is_old_or_unfinished() {
    let peer = Peer::start();
    let node = old_node(&peer.url());
    let more = "sweep: {settled_for: 1s}";
    node.configure(&peer.url(), more);
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert!(node.jobs().is_empty(), "old recordings are for backfill");
    // Published while the hook was not called: BBB's status says when.
    let done = node.path("var/recording/status/published");
    fs::create_dir_all(&done).unwrap();
    fs::write(
        done.join(format!("{}-presentation.done", old_id(4))),
        "Published",
    )
    .unwrap();
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert_eq!(node.jobs(), [format!("{}-presentation-1", old_id(4))]);
    assert_eq!(node.send().code, 0);
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert!(node.jobs().is_empty(), "what was confirmed is known");
    // Rebuilt, but a moment ago: BBB may still be copying.
    let folder = node.published_dir().join("presentation").join(old_id(4));
    fs::remove_dir_all(&folder).unwrap();
    node.recording(&old_id(4), "presentation", b"rebuilt");
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert!(node.jobs().is_empty());
    aged(&folder, Duration::from_secs(60));
    assert_eq!(node.run(&["sweep"]).code, 0);
    assert_eq!(node.jobs().len(), 1);
}

#[test]
fn a_watching_sender_sweeps_by_itself() {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    node.configure(&peer.url(), "sweep: {settled_for: 1s, every: 1s}");
    let mut watching = node.watch();
    std::thread::sleep(Duration::from_millis(1500));
    node.recording(ID, "presentation", b"nobody called for this one");
    support::eventually("it was found", || peer.archived().len() == 1);
    watching.terminate();
}

#[test]
fn many_recordings_are_listed_quickly() {
    let node = Node::new();
    for n in 0..5000 {
        let id = format!("r-{n}");
        let folder = node.published_dir().join("video").join(&id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("metadata.xml"), metadata(&id, "video", "x")).unwrap();
        fs::write(folder.join("video-0.m4v"), "x").unwrap();
    }
    let begun = Instant::now();
    let ran = node.run(&["backfill", "--dry-run"]);
    assert!(ran.out.contains("5000 would be sent"));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
