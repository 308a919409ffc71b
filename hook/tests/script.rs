//! The post-publish script, called as BBB's workers of all generations call it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{HOOK, ID, Node, Ran};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bigbluebutton/a0_post_publish_bbb2pod.rb")
}

/// `ruby FILE …` with pipes that are read to their end, as `IO.popen` and Open4 do.
fn ruby(node: &Node, args: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
    let mut command = Command::new("ruby");
    command
        .arg(script())
        .args(args)
        .env("BBB2POD_HOOK", HOOK)
        .env("BBB2POD_HOOK_CONFIG", node.config())
        .env("BBB2POD_HOOK_LOG", node.path("hook.log"))
        .stdin(Stdio::null());
    change(&mut command);
    Ran::of(command.output().unwrap())
}

fn log(node: &Node) -> String {
    fs::read_to_string(node.path("hook.log")).unwrap_or_default()
}

fn node() -> Node {
    let node = Node::new();
    node.recording(ID, "presentation", b"x");
    node.recording(ID, "video", b"x");
    node
}

#[test]
fn as_of_2_3_with_a_format() {
    let node = node();
    let ran = ruby(&node, &["-m", ID, "-f", "video"], |_| {});
    assert_eq!(ran.code, 0);
    assert_eq!(node.jobs(), [format!("{ID}-video-1")]);
    assert_eq!(ran.err, "", "nothing to say when all is well");
}

#[test]
fn before_2_3_without_a_format() {
    let node = node();
    assert_eq!(ruby(&node, &["-m", ID], |_| {}).code, 0);
    assert_eq!(node.jobs().len(), 2);
}

#[test]
fn under_a_bundle_that_loads_no_gems() {
    let node = node();
    fs::write(node.path("Gemfile"), "").unwrap();
    let bundled = |command: &mut Command| {
        command
            .env("RUBYOPT", "-W0 --disable-gems")
            .env("BUNDLE_GEMFILE", node.path("Gemfile"))
            .env("BUNDLE_BIN_PATH", "/nowhere")
            .env("GEM_HOME", "/nowhere")
            .env("GEM_PATH", "/nowhere");
    };
    let ran = ruby(&node, &["-m", ID, "-f", "video"], bundled);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(node.jobs().len(), 1, "{}", ran.err);
    let exec = |command: &mut Command| {
        command
            .env("RUBYOPT", "-rbundler/setup")
            .env("BUNDLE_GEMFILE", node.path("Gemfile"));
    };
    let ran = ruby(&node, &["-m", ID, "-f", "presentation"], exec);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(node.jobs().len(), 2, "{}", ran.err);
}

#[test]
fn options_of_all_kinds() {
    for args in [
        vec!["--meeting-id", ID, "--format", "video"],
        vec![
            "--meeting-id=video-is-not-the-id",
            "-m",
            ID,
            "--format=video",
        ],
        vec![&format!("-m{ID}"), "-fvideo"],
        vec!["--new", "-m", ID, "stray", "-f", "video", "-x"],
    ] {
        let node = node();
        assert_eq!(ruby(&node, &args, |_| {}).code, 0);
        assert_eq!(node.jobs(), [format!("{ID}-video-1")], "{args:?}");
    }
}

#[test]
fn whatever_fails_bbb_goes_on_and_the_log_says_why() {
    for (args, words) in [
        (vec!["-m", "unknown-1"], "is not published"),
        (vec!["-m"], "called without -m ID"),
        (vec![], "called without -m ID"),
        (vec!["-m", "--format", "-f"], "ended with 2"),
    ] {
        let node = node();
        assert_eq!(ruby(&node, &args, |_| {}).code, 0, "{args:?}");
        assert!(log(&node).contains(words), "{args:?}: {}", log(&node));
    }
    let node = node();
    fs::write(node.config(), "nonsense: [").unwrap();
    assert_eq!(ruby(&node, &["-m", ID], |_| {}).code, 0);
    assert!(log(&node).contains("hook.yml"), "{}", log(&node));
    let ran = ruby(&node, &["-m", ID], |c| {
        c.env("BBB2POD_HOOK", "/nowhere/bbb2pod-hook");
    });
    assert_eq!(ran.code, 0);
    assert!(log(&node).contains("No such file"), "{}", log(&node));
    let ran = ruby(&node, &["-m", ID], |c| {
        c.env("BBB2POD_HOOK_LOG", "/nowhere/log");
    });
    assert_eq!(ran.code, 0);
}

#[test]
fn a_hook_that_hangs_does_not_hold_bbb_or_its_pipes() {
    let node = node();
    let hanging = node.path("hanging");
    fs::write(&hanging, "#!/bin/sh\necho started\nsleep 20\n").unwrap();
    fs::set_permissions(&hanging, fs::Permissions::from_mode(0o755)).unwrap();
    let begun = Instant::now();
    let ran = ruby(&node, &["-m", ID], |c| {
        c.env("BBB2POD_HOOK", &hanging)
            .env("BBB2POD_HOOK_LIMIT", "0.3");
    });
    assert_eq!(ran.code, 0);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the pipes were held"
    );
    assert!(log(&node).contains("left running"), "{}", log(&node));
}

#[test]
fn the_name_sorts_before_other_systems_scripts() {
    let name = script().file_name().unwrap().to_str().unwrap().to_owned();
    for other in [
        "bbb_mp4.rb",
        "pilos_post_publish.rb",
        "post_publish_recording_ready_callback.rb",
        "scalelite_post_publish.rb",
    ] {
        assert!(*name < *other);
    }
    let syntax = Command::new("ruby")
        .arg("-wc")
        .arg(script())
        .output()
        .unwrap();
    assert!(syntax.status.success() && syntax.stderr.is_empty());
}
