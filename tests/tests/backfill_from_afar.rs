//! `bbb2pod-receiver backfill`: recordings of a server on which nothing can be installed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::time::Duration;

use serde_json::Value;
use support::bbb::{BbbServer, SECRET};
use support::harness::{Delivery, Site, eventually, eventually_or};
use support::samples::{Generation, Node, Recording};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(120);

/// A server with recordings, and settings of a receiver that knows it; the receiver does not run.
struct World {
    scratch: TempDir,
    node: Node,
    server: BbbServer,
}

impl World {
    fn new() -> World {
        let scratch = tempfile::tempdir().unwrap();
        let node = Node::create(scratch.path().join("afar"), Generation::V2_4).unwrap();
        let server = BbbServer::start(&node.published_dir());
        fs::write(scratch.path().join("secret"), format!("{SECRET}\n")).unwrap();
        World {
            scratch,
            node,
            server,
        }
    }

    fn section(&self, more: &str) -> String {
        format!(
            "servers:\n  afar: {{url: '{}', secret_file: {}, {more}}}\n",
            self.server.url(),
            self.scratch.path().join("secret").display()
        )
    }
}

fn site(section: &str) -> Site {
    Site::builder()
        .delivery(Delivery::Directory)
        .receiver_yml(section)
        .start()
}

#[test]
fn what_a_server_has_goes_through_the_whole_pipeline() {
    let world = World::new();
    let lecture = Recording::tiny()
        .seed(1)
        .captions(true)
        .start(1_600_000_000_000);
    let filmed = Recording::tiny()
        .seed(2)
        .formats(&["presentation", "video"])
        .start(1_500_000_000_000);
    let lecture = world.node.add(&lecture).unwrap();
    let filmed = world.node.add(&filmed).unwrap();
    let site = site(&world.section("checksum: sha256"));
    let said = site
        .receiver(["backfill", "--server", "afar", "--dry-run"])
        .success();
    assert!(said.contains("3 would be brought"), "{said}");
    assert!(
        world
            .server
            .asked()
            .iter()
            .all(|asked| asked.contains("getRecordings"))
    );

    // The film breaks off once, and goes on where it was.
    world.server.cut_file("video-0.m4v", 1000);
    let report = site.path("report.json");
    let report_name = report.to_str().unwrap();
    let said = site
        .receiver(["backfill", "--server", "afar", "--report", report_name])
        .success();
    assert!(
        said.contains("3 brought into the spool") && said.contains("0 failed"),
        "{said}"
    );
    for id in [&lecture, &filmed] {
        eventually_or(
            "it is registered",
            LONG,
            || site.story(id),
            || site.story(id).contains("registered as claim").then_some(()),
        );
    }
    eventually("both formats are archived", LONG, || {
        (site.archived().len() == 3).then_some(())
    });
    for (format, id) in [
        ("presentation", &lecture),
        ("presentation", &filmed),
        ("video", &filmed),
    ] {
        let there = world.node.folder(format, id);
        let here = site
            .path("receiver/archive/published")
            .join(format)
            .join(id);
        for name in [
            "metadata.xml",
            "shapes.svg",
            "video-0.m4v",
            "video/webcams.webm",
            "captions.json",
        ] {
            if format == "video" && name == "captions.json" {
                continue; // Its page does not ask for it.
            }
            assert_eq!(
                fs::read(there.join(name)).ok(),
                fs::read(here.join(name)).ok(),
                "{format} {name}"
            );
        }
    }
    assert_eq!(
        fs::read(
            world
                .node
                .folder("presentation", &lecture)
                .join("caption_fr.vtt")
        )
        .unwrap(),
        fs::read(
            site.path("receiver/archive/published/presentation")
                .join(&lecture)
                .join("caption_fr.vtt")
        )
        .unwrap(),
    );
    assert_eq!(site.claims().len(), 2);
    let lines: Vec<Value> = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let order: Vec<_> = lines
        .iter()
        .map(|line| (line["record_id"].clone(), line["format"].clone()))
        .collect();
    assert_eq!(
        order[0],
        (filmed.clone().into(), "video".into()),
        "the oldest first, films first"
    );
    assert!(
        lines.iter().all(|line| line["decision"] == "brought"),
        "{lines:?}"
    );

    world.server.asked();
    let again = site
        .receiver(["backfill", "--server", "afar", "--cached"])
        .success();
    assert!(
        again.contains("0 brought") && again.contains("3 left out"),
        "{again}"
    );
    assert!(
        world.server.asked().is_empty(),
        "the list of the last time is taken"
    );
    assert_eq!(
        files_in(&site.path("receiver/work/servers/afar")),
        [".lock"],
        "nothing is left over"
    );
}

fn files_in(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn filters_and_numbers_say_why_something_stays() {
    let world = World::new();
    let days = [
        1_500_000_000_000,
        1_550_000_000_000,
        1_600_000_000_000,
        1_650_000_000_000,
    ];
    let ids: Vec<String> = (10..)
        .zip(days)
        .map(|(seed, day)| {
            world
                .node
                .add(&Recording::tiny().seed(seed).start(day))
                .unwrap()
        })
        .collect();
    let site = site(&world.section(""));
    let report = site.path("report.csv");
    let said = site.receiver([
        "backfill",
        "--server",
        "afar",
        "--dry-run",
        "--since",
        "2018-01-01",
        "--until",
        "2022-01-01",
        "--min",
        "2",
        "--report",
        report.to_str().unwrap(),
    ]);
    let said = said.success();
    assert!(
        said.contains("1 would be brought") && said.contains("3 left out"),
        "{said}"
    );
    let csv = fs::read_to_string(report).unwrap();
    for (id, words) in ids.iter().zip([
        "before --since",
        "it is number 1",
        ",bring,",
        "on --until or later",
    ]) {
        let line = csv.lines().find(|line| line.contains(id.as_str())).unwrap();
        assert!(line.contains(words), "{line}");
    }
    let none = site.receiver([
        "backfill",
        "--server",
        "afar",
        "--dry-run",
        "--format",
        "podcast",
    ]);
    assert!(none.success().contains("0 would be brought"));
}

#[test]
fn a_server_too_slow_for_the_whole_is_asked_in_windows() {
    let world = World::new();
    for seed in 20..24 {
        let recording = Recording::tiny()
            .seed(seed)
            .meeting_id(&format!("room-{seed}"));
        world.node.add(&recording).unwrap();
    }
    world.server.slow_over(3);
    let site = site(&world.section("timeout: 1s, checksum: sha512"));
    let said = site
        .receiver(["backfill", "--server", "afar", "--dry-run"])
        .success();
    assert!(said.contains("4 would be brought"), "{said}");
    let asked = world.server.asked();
    assert!(
        asked.len() >= 17 && asked[1].contains("recordID=0"),
        "{asked:?}"
    );

    world.server.slow_over(1);
    let file = site.path("meetings");
    fs::write(&file, "room-20\nroom-21\nroom-23\n").unwrap();
    let said = site.receiver([
        "backfill",
        "--server",
        "afar",
        "--dry-run",
        "--meetings",
        file.to_str().unwrap(),
    ]);
    let said = said.success();
    assert!(said.contains("3 would be brought"), "{said}");
    let asked = world.server.asked();
    assert!(
        asked.iter().all(|asked| asked.contains("meetingID=room-2")),
        "{asked:?}"
    );

    world.server.slow_over(0);
    let said = site
        .receiver(["backfill", "--server", "afar", "--dry-run"])
        .failure(1);
    assert!(
        said.contains("needs too long even for") && said.contains("--meetings"),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_a_server_is_told_in_a_line() {
    let world = World::new();
    world.node.add(&Recording::tiny().seed(30)).unwrap();
    let site = site(&world.section(""));
    let backfill = |server: &str| site.receiver(["backfill", "--server", server, "--dry-run"]);
    let said = backfill("other").failure(2);
    assert!(said.contains("the settings know afar"), "{said}");
    world.server.cut_answer(300);
    let said = backfill("afar").failure(1);
    assert!(
        said.contains("the answer breaks off after 0 recordings"),
        "{said}"
    );
    let none = site
        .receiver(["backfill", "--server", "afar", "--cached"])
        .failure(2);
    assert!(none.contains("run once without --cached"), "{none}");
    fs::write(world.scratch.path().join("secret"), "wrong").unwrap();
    let said = backfill("afar").failure(2);
    assert!(said.contains("does not accept the checksum"), "{said}");
    assert!(
        !said.contains("wrong") && !said.contains("checksum="),
        "no secrets: {said}"
    );
    fs::remove_file(world.scratch.path().join("secret")).unwrap();
    assert!(backfill("afar").failure(2).contains("secret_file"));
    fs::write(world.scratch.path().join("secret"), SECRET).unwrap();
    let config = fs::read_to_string(site.receiver_config()).unwrap();
    let nobody = config.replace(&world.server.url(), "http://127.0.0.1:1/bigbluebutton/");
    fs::write(site.receiver_config(), nobody).unwrap();
    assert!(backfill("afar").failure(3).contains("cannot be reached"));
}
