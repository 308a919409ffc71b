//! `publish` and `status` as processes, on good and bad nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{HOOK, ID, Node, Ran, eventually, files};

#[test]
fn the_snapshot_outlives_the_recording() {
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"picture");
    let events = node.events(ID);
    symlink("/etc/passwd", folder.join("evil")).unwrap();
    let before: Vec<_> = files(&folder);
    node.publish(ID);
    let job = node.outbox().join(&node.jobs()[0]);
    let copy = job.join("content/presentation").join(ID);
    assert_eq!(
        fs::metadata(copy.join("video/webcams.webm")).unwrap().ino(),
        fs::metadata(folder.join("video/webcams.webm"))
            .unwrap()
            .ino(),
    );
    assert!(
        fs::symlink_metadata(copy.join("evil"))
            .unwrap()
            .is_symlink()
    );
    // What bbb-web does on unpublish, and BBB's cron two weeks later.
    fs::write(folder.join("metadata.xml"), "<recording/>").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    fs::remove_file(events).unwrap();
    assert_eq!(files(&copy), before);
    assert!(job.join("events.xml").exists());
    assert!(node.leftovers().is_empty());
}

#[test]
fn every_format_or_the_one_asked_for() {
    let node = Node::new();
    for format in ["presentation", "video", "statistics"] {
        node.recording(ID, format, b"x");
    }
    let ran = node.run(&["publish", "-m", ID, "-f", "video"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(node.jobs(), [format!("{ID}-video-1")]);
    let ran = node.run(&["publish", "-m", ID]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        node.jobs(),
        [format!("{ID}-presentation-1"), format!("{ID}-video-1")]
    );
    assert!(
        ran.err.contains("filters.formats does not list statistics"),
        "{}",
        ran.err
    );
}

#[test]
fn published_twice_is_one_job_rebuilt_is_another() {
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"x");
    node.publish(ID);
    node.publish(ID);
    assert_eq!(node.jobs().len(), 1);
    fs::remove_dir_all(folder).unwrap();
    node.recording(ID, "presentation", b"y");
    node.publish(ID);
    assert_eq!(node.jobs().len(), 2);
}

#[test]
fn two_at_once_do_no_harm() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    let run = || {
        let mut command = node.hook();
        command
            .args(["publish", "-m", ID])
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| run()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(!node.jobs().is_empty());
    assert!(node.leftovers().is_empty());
}

#[test]
fn bad_input_says_what_and_where() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    fs::create_dir_all(node.published_dir().join("presentation/empty")).unwrap();
    let published = node.published_dir().display().to_string();
    for (args, words) in [
        (vec!["-m", "unknown-1"], format!("{published}/*/unknown-1/")),
        (
            vec!["-m", ID, "-f", "video"],
            format!("{published}/video/{ID}/"),
        ),
        (vec!["-m", "../../etc"], "is not a record id".to_owned()),
        (vec!["-m", "-x"], "is not a record id".to_owned()),
        (
            vec!["-m", ID, "-f", "a/b"],
            "is not a playback format".to_owned(),
        ),
        (vec!["-m", "empty"], "there is no file in it".to_owned()),
    ] {
        let args: Vec<_> = [&["publish"], &args[..]].concat();
        let ran = node.run(&args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(&words), "{args:?}: {}", ran.err);
    }
    assert!(node.jobs().is_empty());
}

#[test]
fn broken_settings_are_told_with_their_key() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    let good = fs::read_to_string(node.config()).unwrap();
    for (more, words) in [
        ("outbox_dri: /x", "did you mean `outbox_dir`?"),
        (
            "filters: {min_duration_seconds: many}",
            "filters.min_duration_seconds",
        ),
        ("filters: [", "hook.yml"),
    ] {
        fs::write(node.config(), format!("{good}\n{more}\n")).unwrap();
        for command in [&["publish", "-m", ID][..], &["send"], &["status"]] {
            let ran = node.run(command);
            assert_eq!(ran.code, 2, "{command:?}: {}", ran.err);
            assert!(ran.err.contains(words), "{command:?}: {}", ran.err);
        }
    }
    fs::remove_file(node.config()).unwrap();
    let ran = node.run(&["publish", "-m", ID]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("hook.yml"), "{}", ran.err);
    // What only `send` needs does not keep `publish` from its work.
    fs::write(node.config(), good.replace("receiver:", "#")).unwrap();
    fs::write(
        node.config(),
        format!(
            "bbb: {{bigbluebutton_yml: \"{}\"}}\n",
            node.path("bigbluebutton.yml").display()
        ),
    )
    .unwrap();
    node.publish(ID);
    let ran = node.run(&["send"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("http.receiver: is missing"), "{}", ran.err);
}

#[test]
fn a_failed_publish_stays_visible_until_it_succeeds() {
    let node = Node::new();
    node.recording("other-1", "presentation", b"x");
    node.publish("other-1");
    assert_eq!(node.run(&["publish", "-m", ID]).code, 2);
    let status = node.run(&["status"]);
    assert_eq!(status.code, 1);
    assert!(
        status.out.contains(&format!("{ID} (any format)")),
        "{}",
        status.out
    );
    node.recording(ID, "presentation", b"x");
    node.publish(ID);
    assert_eq!(node.run(&["status"]).code, 0);
}

#[test]
fn a_truncated_metadata_stops_nothing() {
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"x");
    fs::write(folder.join("metadata.xml"), "<recording><id>").unwrap();
    node.publish(ID);
    assert_eq!(node.jobs().len(), 1);
}

#[test]
fn a_full_disk_fails_clearly_and_leaves_nothing() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    fs::create_dir_all(node.outbox().join("done")).unwrap();
    // Every write of more than nothing fails, as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {HOOK} publish -m {ID}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("BBB2POD_HOOK_CONFIG", node.config())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("cannot take a snapshot into"),
        "{}",
        ran.err
    );
    assert!(node.jobs().is_empty());
    assert!(node.leftovers().is_empty());
    node.publish(ID);
}

#[test]
fn without_hard_links_the_job_refers_to_the_original() {
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"x");
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    assert_ne!(
        fs::metadata(elsewhere.path()).unwrap().dev(),
        fs::metadata(&folder).unwrap().dev(),
        "the test needs two filesystems"
    );
    let peer = support::peer::Peer::start();
    let outbox = elsewhere.path().join("outbox");
    node.configure(&peer.url(), &format!("outbox_dir: {}", outbox.display()));
    node.publish(ID);
    let status = node.run(&["status"]);
    assert!(
        status.out.contains("not protected by a snapshot"),
        "{}",
        status.out
    );
    assert!(status.out.contains("set outbox_dir"), "{}", status.out);
    // An unpublish moves the folder; it is found there.
    let moved = node.path("var/unpublished/presentation").join(ID);
    fs::create_dir_all(moved.parent().unwrap()).unwrap();
    fs::rename(&folder, &moved).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(peer.archived().len(), 1);
    assert!(moved.exists(), "the original stays");
}

#[test]
fn killed_at_any_moment_leaves_a_whole_job_or_none() {
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"x");
    for n in 0..300 {
        fs::write(folder.join(format!("slide-{n}.svg")), "x").unwrap();
    }
    let whole = files(&folder).len();
    for pause in 0..40 {
        let mut child = node
            .hook()
            .args(["publish", "-m", ID])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(500 * pause));
        child.kill().unwrap();
        child.wait().unwrap();
        for job in node.jobs() {
            let content = node
                .outbox()
                .join(job)
                .join("content/presentation")
                .join(ID);
            assert_eq!(files(&content).len(), whole);
        }
    }
    node.publish(ID);
    assert_eq!(node.jobs().len(), 1);
}

#[test]
fn five_hundred_jobs_are_listed_and_taken_quickly() {
    let peer = support::peer::Peer::start();
    let node = Node::sending_to(&peer.url());
    for n in 0..500 {
        let folder = node.published_dir().join("video").join(format!("r-{n}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("metadata.xml"),
            support::metadata(&format!("r-{n}"), "video", "x"),
        )
        .unwrap();
        node.publish(&format!("r-{n}"));
    }
    let begun = Instant::now();
    assert_eq!(node.status()["jobs"].as_array().unwrap().len(), 500);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let mut watching = node.watch();
    eventually("all archived", || node.jobs().is_empty());
    watching.terminate();
    assert_eq!(peer.lock().packages.len(), 500);
    assert_eq!(node.done().len(), 500);
}

#[test]
fn the_outbox_is_closed_to_others() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    node.publish(ID);
    let mode = fs::metadata(node.outbox()).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0);
}

#[test]
fn logs_and_help() {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    let ran = node.run(&["publish", "-m", ID, "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(ran.err.lines().next().unwrap()).unwrap();
    assert_eq!(line["record_id"], ID);
    for command in ["publish", "send", "status"] {
        let help = node.run(&[command, "--help"]);
        assert!(help.out.contains("Examples:"), "{}", help.out);
        assert!(help.out.contains("Exit codes:"), "{}", help.out);
    }
}

#[test]
fn what_root_hands_over_the_service_can_send() {
    // Somebody who is not root, as BBB's user is.
    const BBB: u32 = 12_345;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let node = Node::new();
    let folder = node.recording(ID, "presentation", b"x");
    for entry in walkdir::WalkDir::new(node.path("var")) {
        std::os::unix::fs::lchown(entry.unwrap().path(), Some(BBB), Some(BBB)).unwrap();
    }
    // A hard link of the raw events: BBB's own file stays what it is.
    let events = node.events(ID);
    node.publish(ID);
    for entry in walkdir::WalkDir::new(node.outbox()) {
        let entry = entry.unwrap();
        let owner = entry.metadata().unwrap().uid();
        let foreign = entry.file_name() == "events.xml";
        assert_eq!(
            owner,
            if foreign { 0 } else { BBB },
            "{}",
            entry.path().display()
        );
    }
    assert_eq!(fs::metadata(events).unwrap().uid(), 0);
    assert_eq!(fs::metadata(folder.join("shapes.svg")).unwrap().uid(), BBB);
}
