//! `check` and `enroll`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::peer::Peer;
use support::{HOOK, ID, Node};

/// A node where nothing is wrong but that no sender runs.
fn node(peer: &Peer) -> Node {
    let node = Node::sending_to(&peer.url());
    node.recording(ID, "presentation", b"x");
    node.add_bbb_settings("bbb_version: '2.4.9'\nsteps: {archive: 'publish:presentation'}");
    let scripts = node.path("post_publish");
    fs::create_dir_all(&scripts).unwrap();
    let script = scripts.join("a0_post_publish_bbb2pod.rb");
    fs::write(&script, "exit 0\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(node.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    node
}

fn check(node: &Node) -> (i32, Vec<Value>) {
    let ran = support::Ran::of(
        node.hook()
            .args(["check", "--json"])
            .env("BBB2POD_HOOK", HOOK)
            .output()
            .unwrap(),
    );
    let findings = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
    (ran.code, findings)
}

/// There must be one finding of this level with these words, and a command that mends it.
fn assert_found(node: &Node, level: &str, words: &str) {
    let (code, findings) = check(node);
    let found = findings
        .iter()
        .find(|f| f["level"] == level && f["what"].as_str().unwrap().contains(words));
    let found = found.unwrap_or_else(|| panic!("no {level} with \"{words}\": {findings:#?}"));
    assert!(level == "ok" || found["mend"].is_string(), "{found}");
    assert!(level != "fail" || code == 1);
}

#[test]
fn a_good_node_fails_in_nothing() {
    let peer = Peer::start();
    let node = node(&peer);
    let (code, findings) = check(&node);
    let bad: Vec<_> = findings.iter().filter(|f| f["level"] != "ok").collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    assert!(
        bad[0]["what"]
            .as_str()
            .unwrap()
            .contains("no sender is at work")
    );
    assert_eq!(code, 0);
    for words in [
        "BBB's published_dir",
        "BigBlueButton 2.4.9, publishes presentation",
        "post-publish script",
        "can write, rename, read and delete",
        "are free",
        "the token is that of node node-1",
        "protocol 1",
        "the clocks agree",
        "1 MB went over at",
    ] {
        assert_found(&node, "ok", words);
    }
    assert!(node.leftovers().is_empty());
    let mut watching = node.watch();
    support::eventually("a sender is seen", || {
        check(&node).1.iter().all(|f| f["level"] == "ok")
    });
    watching.terminate();
    let text = node.run(&["check"]).out;
    assert!(
        text.contains("OK   settings") && text.contains("     → "),
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_found_with_what_mends_it() {
    let peer = Peer::start();
    let node = node(&peer);
    let script = node.path("post_publish/a0_post_publish_bbb2pod.rb");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    assert_found(&node, "warn", "is not executable");
    fs::write(&script, "def broken(").unwrap();
    assert_found(&node, "fail", "ruby refuses it");
    fs::remove_file(&script).unwrap();
    assert_found(&node, "fail", "the post-publish script is not there");
    fs::set_permissions(node.path("token"), fs::Permissions::from_mode(0o604)).unwrap();
    assert_found(&node, "fail", "everybody on this node can read the token");
    peer.lock().clock_ahead = 600;
    assert_found(&node, "warn", "the clocks differ by");
    peer.lock().clock_ahead = -86_400;
    assert_found(&node, "fail", "the clocks differ by");
    peer.lock().clock_ahead = 0;
    peer.lock().max_size = Some(10);
    assert_found(&node, "fail", &format!("presentation/{ID}"));
    assert_found(&node, "fail", "1 published here are larger");
    peer.lock().max_size = None;
    peer.lock().room = Some(10);
    assert_found(&node, "warn", "the receiver has room for 10 B");
    peer.lock().room = Some(0);
    assert_found(&node, "fail", "answers uploads with 507");
    peer.lock().room = None;
    assert_found(&node, "ok", "the receiver has room for");
    peer.lock().token = "another".into();
    assert_found(&node, "fail", "the token in");
    node.configure("http://127.0.0.1:9", "");
    assert_found(&node, "fail", "nobody answers");
    // A file where the outbox should be: not even root can write there.
    fs::write(node.path("file"), "x").unwrap();
    node.add_settings(&format!(
        "outbox_dir: {}",
        node.path("file/outbox").display()
    ));
    assert_found(&node, "fail", "outbox_dir");
    node.configure_transport(
        "transport: directory\ndirectory: {spool_dir: /nowhere/spool}",
        "",
    );
    assert_found(&node, "fail", "/nowhere/spool");
    node.configure_transport(
        "transport: rsync\nrsync: {destination: \"rsync://127.0.0.1:9/spool\"}",
        "prune: {formats: [video]}",
    );
    assert_found(&node, "fail", "rsync to rsync://127.0.0.1:9/spool ended");
}

#[test]
fn a_code_makes_a_node_known() {
    let peer = Peer::start();
    let node = node(&peer);
    fs::remove_file(node.path("token")).unwrap();
    let text =
        "# where it goes\nbbb: {bigbluebutton_yml: \"BBB\"}\nhttp:\n  # not yet\n  parallel: 3\n";
    let bbb = node.path("bigbluebutton.yml").display().to_string();
    fs::write(node.config(), text.replace("BBB", &bbb)).unwrap();
    peer.lock().codes = vec!["7F3K-9QXM".into()];
    let enroll = |code: &str| {
        support::Ran::of(
            node.hook()
                .args(["enroll", &peer.url(), "--code", code])
                .env("BBB2POD_HOOK", HOOK)
                .output()
                .unwrap(),
        )
    };
    let ran = enroll("WRONG");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("does not take this code"), "{}", ran.err);
    assert!(!node.path("token").exists());
    let ran = enroll("7F3K-9QXM");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("the token is that of node node-1"),
        "{}",
        ran.out
    );
    let token = node.path("token");
    assert_eq!(fs::read_to_string(&token).unwrap(), "secret-token\n");
    assert_eq!(
        fs::metadata(&token).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let settings = fs::read_to_string(node.config()).unwrap();
    assert!(
        settings.contains("# where it goes") && settings.contains("parallel: 3"),
        "{settings}"
    );
    assert!(settings.contains("node: \"node-1\""), "{settings}");
    node.publish(ID);
    assert_eq!(node.send().code, 0);
    // Used up.
    assert_eq!(enroll("7F3K-9QXM").code, 2);
    assert_eq!(fs::read_to_string(&token).unwrap(), "secret-token\n");
    assert_eq!(
        node.run(&["enroll", "http://127.0.0.1:9", "--code", "x"])
            .code,
        3
    );
    assert_eq!(node.run(&["enroll", "nonsense", "--code", "x"]).code, 2);
    for entry in fs::read_dir(node.dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            !name.to_string_lossy().starts_with(".unfinished"),
            "{name:?}"
        );
    }
}

#[test]
fn settings_that_cannot_be_changed_by_a_program_are_left_alone() {
    let peer = Peer::start();
    let node = node(&peer);
    peer.lock().codes = vec!["CODE".into()];
    // One line, as the tests' settings are: nothing can be put into it safely.
    let before = fs::read_to_string(node.config()).unwrap();
    let ran = node.run(&[
        "enroll",
        &peer.url().replace("127.0.0.1", "localhost"),
        "--code",
        "CODE",
    ]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("put there by hand"), "{}", ran.err);
    assert_eq!(fs::read_to_string(node.config()).unwrap(), before);
    assert_eq!(
        fs::read_to_string(node.path("token")).unwrap(),
        "secret-token\n"
    );
}

#[test]
fn what_only_root_can_read_is_of_no_use_to_the_service() {
    // Root tries as BBB's user; `nobody` stands for that.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let peer = Peer::start();
    let node = node(&peer);
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|l| l.starts_with("nobody:")).unwrap();
    let uid: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
    let give = |path: &std::path::Path| std::os::unix::fs::chown(path, Some(uid), None).unwrap();
    fs::set_permissions(node.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    give(&node.published_dir());
    assert_found(&node, "ok", "BBB's user is nobody");
    assert_found(&node, "fail", "http.token_file");
    give(&node.path("token"));
    let found = check(&node).1;
    assert!(
        !found
            .iter()
            .any(|f| f["what"].as_str().unwrap().contains("http.token_file")),
        "{found:#?}"
    );
}
