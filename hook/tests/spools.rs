//! The transports that write into a spool: a mounted share, rsync to a path and to a daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::peer::unpack;
use support::{ID, Node, eventually, files, noise};

fn node(transport: &str, media: usize) -> Node {
    let node = Node::new();
    node.recording(ID, "presentation", &noise(media, 5));
    node.configure_transport(transport, "");
    node.publish(ID);
    node
}

/// The one package of a spool holds the recording, and nothing else lies there.
fn assert_spooled(spool: &Path, node: &Node) {
    let there = files(spool);
    assert_eq!(
        there.len(),
        1,
        "{:?}",
        there.iter().map(|f| &f.0).collect::<Vec<_>>()
    );
    assert!(
        there[0].0.ends_with(&format!("{ID}-presentation.tar")),
        "{}",
        there[0].0
    );
    let prefix = format!("presentation/{ID}/");
    let sent: Vec<_> = unpack(&there[0].1)[1..]
        .iter()
        .map(|(name, content)| {
            (
                name.strip_prefix(&prefix).unwrap().to_owned(),
                content.clone(),
            )
        })
        .collect();
    assert!(sent == files(&node.published_dir().join("presentation").join(ID)));
    assert!(node.jobs().is_empty());
    assert_eq!(node.done()[0]["outcome"], "handed_over");
}

#[test]
fn a_mounted_share_gets_the_package_by_rename_with_its_mode() {
    // Another filesystem than the node's: as good as a mounted share.
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}}}",
        share.path().display()
    );
    let node = node(&transport, 1_000_000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_spooled(share.path(), &node);
    let package = share.path().join(format!("{ID}-presentation.tar"));
    assert_eq!(
        fs::metadata(package).unwrap().permissions().mode() & 0o777,
        0o664
    );
}

#[test]
fn killed_while_writing_nothing_half_done_is_visible() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}}}",
        share.path().display()
    );
    let node = node(&transport, 60_000_000);
    for n in 0..30u64 {
        let mut watching = node.watch();
        std::thread::sleep(std::time::Duration::from_millis(10 + n * 9 % 70));
        watching.kill();
        for (name, content) in files(share.path()) {
            if name.ends_with(".tar") {
                assert_eq!(unpack(&content).len(), 6, "a visible package is whole");
            }
        }
    }
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_spooled(share.path(), &node);
}

#[test]
fn a_share_that_is_not_mounted_gets_nothing() {
    let empty = tempfile::tempdir().unwrap();
    let transport = |dir: &Path| {
        format!(
            "transport: directory\ndirectory: {{spool_dir: {}}}",
            dir.display()
        )
    };
    let node = node(&transport(empty.path()), 1000);
    assert_eq!(node.send().code, 3);
    let problem = node.status()["jobs"][0]["problem"].clone();
    assert_eq!(problem["cause"], "spool-missing");
    assert!(
        problem["message"].as_str().unwrap().contains("not mounted"),
        "{problem}"
    );
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    node.configure_transport(&transport(Path::new("/nowhere/spool")), "");
    assert_eq!(node.send().code, 3);
    assert_eq!(node.jobs().len(), 1);
}

#[test]
fn settings_of_the_spools_are_checked() {
    let node = node("transport: directory", 1000);
    for (transport, words) in [
        ("transport: directory", "directory.spool_dir: is missing"),
        (
            "transport: directory\ndirectory: {spool_dir: /x, group: no-such-group}",
            "directory.group: there is no group no-such-group",
        ),
        ("transport: rsync", "rsync.destination: is missing"),
    ] {
        node.configure_transport(transport, "");
        let ran = node.run(&["send"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
}

#[test]
fn a_meta_key_names_the_folder_below_the_spool() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}}}\nsub_directory_meta: bbb-origin",
        share.path().display()
    );
    let node = node(&transport, 1000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_spooled(share.path(), &node);
    let folder = fs::metadata(share.path().join("Moodle")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o7777, 0o2775);
    assert_eq!(folder.gid(), fs::metadata(share.path()).unwrap().gid());
}

/// An rsync daemon on a free port.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn serving(spool: &Path, scratch: &Path) -> Daemon {
        // Free again at the end of the statement.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let config = scratch.join("rsyncd.conf");
        let (uid, gid) = (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        );
        let text = format!(
            "use chroot = no\n[spool]\npath = {}\nread only = no\nuid = {uid}\ngid = {gid}\n",
            spool.display()
        );
        fs::write(&config, text).unwrap();
        let child = Command::new("rsync")
            .args(["--daemon", "--no-detach", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--config={}", config.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Daemon { child, port };
        eventually("the daemon listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rsync_to_a_path_and_to_a_daemon() {
    for to_daemon in [false, true] {
        let spool = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let daemon = to_daemon.then(|| Daemon::serving(spool.path(), scratch.path()));
        let destination = match &daemon {
            Some(daemon) => format!("rsync://127.0.0.1:{}/spool", daemon.port),
            None => spool.path().display().to_string(),
        };
        let transport = format!("transport: rsync\nrsync: {{destination: \"{destination}\"}}");
        let node = node(&transport, 3_000_000);
        let ran = node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_spooled(spool.path(), &node);
        let work = node.path("var/bbb2pod/work");
        assert!(files(&work).is_empty(), "the space is freed");
    }
}

#[test]
fn rsyncs_complaints_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let daemon = Daemon::serving(scratch.path(), scratch.path());
    for (destination, cause, code) in [
        ("rsync://127.0.0.1:9/spool".to_owned(), "receiver-down", 3),
        (
            format!("rsync://127.0.0.1:{}/other", daemon.port),
            "spool-refused",
            1,
        ),
    ] {
        let transport = format!("transport: rsync\nrsync: {{destination: \"{destination}\"}}");
        let node = node(&transport, 1000);
        assert_eq!(node.send().code, code);
        let problem = node.status()["jobs"][0]["problem"].clone();
        assert_eq!(problem["cause"], cause, "{problem}");
        assert_eq!(node.jobs().len(), 1);
    }
}
