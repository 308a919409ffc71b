//! What keeps the programs from starting is said in one line, with what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use support::harness::{Finished, Site, program};

/// The one line that an error is.
#[track_caller]
fn one_line(said: &str) -> &str {
    // The hook's errors are lines of its log, where others may stand, too.
    let is_error = |line: &&str| line.starts_with("bbb2pod-") || line.contains(" ERROR ");
    let lines: Vec<_> = said.lines().filter(is_error).collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0]
}

#[track_caller]
fn tells(finished: Finished, code: i32, words: &[&str]) {
    let said = finished.failure(code);
    let line = one_line(&said);
    for words in words {
        assert!(line.contains(words), "{words}: {line}");
    }
}

fn hook(config: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program("bbb2pod-hook"));
    Finished::of(command.args(arguments).arg("--config").arg(config))
}

#[test]
fn no_bbb_on_the_machine() {
    if Path::new("/usr/local/bigbluebutton").exists() || Path::new("/var/bigbluebutton").exists() {
        eprintln!("this machine is a BigBlueButton node");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hook.yml");
    let outbox = folder.path().join("outbox");
    fs::write(&config, format!("outbox_dir: {}\n", outbox.display())).unwrap();
    for verb in [
        &["check"] as &[&str],
        &["sweep"],
        &["backfill"],
        &["reconcile"],
        &[
            "publish",
            "-m",
            "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920",
        ],
    ] {
        let words = [
            "there is no BigBlueButton on this machine",
            "run this on a BigBlueButton node",
        ];
        tells(hook(&config, verb), 2, &words);
    }
}

#[test]
fn an_unknown_version_of_bbb() {
    let site = Site::start();
    for (version, words) in [
        (
            "4.2.1",
            "BigBlueButton 4.2.1 is none that this program knows",
        ),
        ("2.7.3", "BigBlueButton 2.7.3, "),
    ] {
        let file = site.node.bigbluebutton_yml();
        let yml = fs::read_to_string(&file).unwrap();
        let others = yml.lines().filter(|line| !line.starts_with("bbb_version"));
        let others: Vec<_> = others.collect();
        fs::write(
            &file,
            format!("{}\nbbb_version: '{version}'\n", others.join("\n")),
        )
        .unwrap();
        let said = site.hook(["check"]).stdout;
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_port_is_taken() {
    let mut site = Site::start();
    site.kill_receiver();
    let address = site.address();
    let port = address.rsplit_once(':').unwrap().1;
    let _other = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let words = ["cannot listen on", port, "ss -ltnp", "change `listen`"];
    tells(site.receiver(["serve"]), 2, &words);
}

#[test]
fn the_state_directory_cannot_be_written() {
    let mut site = Site::start();
    site.kill_receiver();
    let settings = fs::read_to_string(site.receiver_config()).unwrap();
    let state = site.path("receiver");
    // Nobody can write there, not even root.
    let moved = |from: &str, to: &str| {
        let changed = settings.replace(&format!("{}/{from}", state.display()), to);
        assert_ne!(changed, settings);
        fs::write(site.receiver_config(), changed).unwrap();
    };
    moved("spool", "/proc/bbb2pod/spool");
    let words = [
        "spool_dir: cannot make the folder /proc/bbb2pod",
        "or change spool_dir",
    ];
    tells(site.receiver(["serve"]), 2, &words);
    moved("archive", "/sys/kernel");
    let words = [
        "archive_dir: cannot write /sys/kernel",
        "chown -R bbb2pod: /sys/kernel",
        "or change archive_dir",
    ];
    tells(site.receiver(["serve"]), 2, &words);
    moved("ledger.db", "/proc/ledger.db");
    let words = [
        "database: cannot write /proc/ledger.lock",
        "chown",
        "or change `database`",
    ];
    tells(site.receiver(["serve"]), 2, &words);
}

#[test]
fn the_database_is_newer_than_the_program() {
    let mut site = Site::start();
    site.kill_receiver();
    let newer = "import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute(\"insert into _sqlx_migrations values (9999, 'later', '2030-01-01', 1, x'00', 1)\")
c.commit()";
    let mut python = Command::new("/usr/bin/python3");
    python
        .args(["-c", newer])
        .arg(site.path("receiver/ledger.db"));
    Finished::of(&mut python).success();
    let words = [
        "ledger.db does not fit this version of the program",
        "install the version that wrote it, or a newer one",
    ];
    tells(site.receiver(["serve"]), 2, &words);
    tells(site.receiver(["status"]), 2, &words);
}

#[test]
fn a_settings_file_of_another_version() {
    let mut site = Site::start();
    site.kill_receiver();
    let receiver = site.receiver_config();
    let settings = fs::read_to_string(&receiver).unwrap();
    let line = format!("line {}", settings.lines().count() + 1);
    for (more, words) in [
        (
            "mediadir: /x\n",
            ["unknown key `mediadir`, did you mean `media_dir`?", &line],
        ),
        (
            "import:\n  workerz: 2\n",
            [
                "import.workerz: unknown key `workerz`, did you mean `workers`?",
                "line",
            ],
        ),
    ] {
        fs::write(&receiver, format!("{settings}{more}")).unwrap();
        for verb in ["serve", "check", "status"] {
            let words = [words[0], words[1], "receiver.yml"];
            tells(site.receiver([verb]), 2, &words);
        }
    }
    let hook_yml = site.hook_config();
    let settings = fs::read_to_string(&hook_yml).unwrap();
    let line = format!("line {}", settings.lines().count() + 1);
    fs::write(&hook_yml, format!("{settings}outbox: /x\n")).unwrap();
    for verb in ["send", "status", "check"] {
        let words = [
            "unknown key `outbox`, did you mean `outbox_dir`?",
            &line,
            "hook.yml",
        ];
        tells(site.hook([verb]), 2, &words);
    }
}
