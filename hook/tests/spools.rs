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
    // `check` neither writes there nor says that it could.
    let checked = node.run(&["check"]);
    let told: Vec<_> = checked
        .out
        .lines()
        .filter(|l| l.contains("spool_dir"))
        .collect();
    assert!(checked.out.contains("not mounted"), "{}", checked.out);
    assert!(told.iter().all(|l| !l.starts_with("OK")), "{told:?}");
    let own = transport(empty.path()).replace("}", ", require_mount: false}");
    node.configure_transport(&own, "");
    let checked = node.run(&["check"]);
    assert!(
        !checked.out.contains("the share is mounted"),
        "{}",
        checked.out
    );
    assert!(checked.out.contains("directory.require_mount is false"));
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
        Daemon::with(spool, scratch, "read only = no")
    }

    fn with(spool: &Path, scratch: &Path, access: &str) -> Daemon {
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
            "use chroot = no\n[spool]\npath = {}\n{access}\nuid = {uid}\ngid = {gid}\n",
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
        let transport = rsync(&destination);
        let node = node(&transport, 3_000_000);
        let ran = node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_spooled(spool.path(), &node);
        let work = node.path("var/bbb2pod/work");
        assert!(files(&work).is_empty(), "the space is freed");
    }
}

/// The settings for a destination that may lie on the node's own disk.
fn rsync(destination: &str) -> String {
    format!("transport: rsync\nrsync: {{destination: \"{destination}\", require_mount: false}}")
}

#[test]
fn what_rsync_makes_has_the_modes_of_a_spool_whatever_the_umask() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for to_daemon in [false, true] {
        let spool = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        fs::set_permissions(spool.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let daemon = to_daemon.then(|| Daemon::serving(spool.path(), scratch.path()));
        let destination = match &daemon {
            Some(daemon) => format!("rsync://127.0.0.1:{}/spool", daemon.port),
            None => spool.path().display().to_string(),
        };
        let node = node(&rsync(&destination), 1000);
        node.recording("other-1", "video", b"x");
        node.publish("other-1");
        for settings in ["", "sub_directory_meta: bbb-origin"] {
            node.add_settings(settings);
            let sent = Command::new("sh")
                .args(["-c", "umask 077; exec \"$0\" \"$@\""])
                .arg(support::HOOK)
                .arg("--config")
                .arg(node.config())
                .arg("send")
                .output();
            let ran = support::Ran::of(sent.unwrap());
            assert_eq!(ran.code, 0, "{}", ran.err);
            node.recording("other-2", "video", b"y");
            node.publish("other-2");
        }
        for package in ["other-1-video.tar", "Moodle/other-2-video.tar"] {
            assert_eq!(mode(&spool.path().join(package)), 0o664, "{package}");
        }
        assert_eq!(mode(&spool.path().join("Moodle")), 0o2775);
        assert_eq!(mode(spool.path()), 0o750, "the spool itself stays as it is");
    }
}

#[test]
fn rsync_never_makes_the_spool_itself() {
    let spool = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let daemon = Daemon::serving(spool.path(), scratch.path());
    let local = scratch.path().join("typo");
    for (destination, made) in [
        (local.display().to_string(), local.clone()),
        (
            format!("rsync://127.0.0.1:{}/spool/typo", daemon.port),
            spool.path().join("typo"),
        ),
    ] {
        let node = node(&rsync(&destination), 1000);
        for sub in ["", "sub_directory_meta: bbb-origin"] {
            node.add_settings(sub);
            assert_eq!(node.send().code, 3);
            let problem = node.status()["jobs"][0]["problem"].clone();
            assert_eq!(problem["cause"], "spool-missing", "{problem}");
            assert_eq!(node.jobs().len(), 1, "nothing is lost");
        }
        let checked = node.run(&["check"]);
        let failed = checked.out.lines().any(|l| {
            l.starts_with("FAIL") && l.contains("typo") && !l.contains("can write, rename")
        });
        assert!(failed, "{}", checked.out);
        assert!(!made.exists(), "{destination}");
    }
    // A share that is not mounted leaves a folder on the node's own disk.
    let text = format!(
        "transport: rsync\nrsync: {{destination: \"{}\"}}",
        scratch.path().display()
    );
    let node = node(&text, 1000);
    assert_eq!(node.send().code, 3);
    let problem = node.status()["jobs"][0]["problem"].clone();
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains("rsync.require_mount: false"), "{message}");
    assert!(files(scratch.path()).iter().all(|f| !f.0.ends_with(".tar")));
}

#[test]
fn check_writes_reads_and_deletes_at_rsyncs_destination_and_touches_nothing_else() {
    let spool = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(spool.path(), fs::Permissions::from_mode(0o750)).unwrap();
    fs::create_dir(spool.path().join("pilos-1")).unwrap();
    for name in ["a.tar", "pilos-1/b.tar", ".unfinished-check-x"] {
        fs::write(spool.path().join(name), name).unwrap();
    }
    let before = files(spool.path());
    let daemon = Daemon::serving(spool.path(), scratch.path());
    for destination in [
        format!("rsync://127.0.0.1:{}/spool", daemon.port),
        spool.path().display().to_string(),
    ] {
        let node = node(&rsync(&destination), 1000);
        let checked = node.run(&["check"]);
        let words = "a small file was written there and renamed, read back; it was deleted";
        assert!(checked.out.contains(words), "{}", checked.out);
        assert!(files(spool.path()) == before);
        let mode = fs::metadata(spool.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o750);
    }
    // A daemon that refuses to be written is found by writing, not by being there.
    drop(daemon);
    let read_only = Daemon::with(spool.path(), scratch.path(), "read only = yes");
    let destination = format!("rsync://127.0.0.1:{}/spool", read_only.port);
    let node = node(&rsync(&destination), 1000);
    let checked = node.run(&["check"]);
    assert!(checked.out.contains("may only be read"), "{}", checked.out);
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
        let node = node(&rsync(&destination), 1000);
        assert_eq!(node.send().code, code);
        let problem = node.status()["jobs"][0]["problem"].clone();
        assert_eq!(problem["cause"], cause, "{problem}");
        assert_eq!(node.jobs().len(), 1);
    }
}

/// A small file system of its own, mounted only while it lives; `None` for those who may not mount.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(point: tempfile::TempDir, size: &str) -> Option<Tmpfs> {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(point.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|s| s.success()).then(|| Tmpfs(point))
    }

    fn resize(&self, size: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(self.0.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_share_is_told_and_used_again_when_there_is_room() {
    let point = tempfile::tempdir().unwrap();
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}}}",
        point.path().display()
    );
    let node = node(&transport, 3_000_000);
    // Not mounted yet: the mount point gets nothing.
    assert_eq!(node.send().code, 3);
    assert_eq!(fs::read_dir(point.path()).unwrap().count(), 0);
    let Some(share) = Tmpfs::mount(point, "1m") else {
        assert!(!rustix::process::geteuid().is_root(), "root may mount");
        return;
    };
    assert_eq!(node.send().code, 1);
    let problem = node.status()["jobs"][0]["problem"].clone();
    assert_eq!(problem["cause"], "receiver-full", "{problem}");
    assert!(
        problem["message"].as_str().unwrap().contains("make room"),
        "{problem}"
    );
    share.resize("20m");
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_spooled(share.0.path(), &node);
}

#[test]
fn rsync_needs_room_for_the_package_and_says_so_before_it_begins() {
    let Some(work) = Tmpfs::mount(tempfile::tempdir().unwrap(), "1m") else {
        assert!(!rustix::process::geteuid().is_root(), "root may mount");
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let transport = format!(
        "transport: rsync\nrsync: {{destination: \"{}\", work_dir: \"{}\", require_mount: false}}",
        spool.path().display(),
        work.0.path().display()
    );
    let node = node(&transport, 3_000_000);
    assert_eq!(node.send().code, 1);
    let problem = node.status()["jobs"][0]["problem"].clone();
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .starts_with("rsync.work_dir"),
        "{problem}"
    );
    assert!(files(work.0.path()).is_empty(), "nothing was begun");
    work.resize("20m");
    assert_eq!(node.send().code, 0);
    assert_spooled(spool.path(), &node);
}

#[test]
fn nothing_temporary_survives_the_next_start() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}}}",
        share.path().display()
    );
    let node = node(&transport, 200_000_000);
    let mut watching = node.watch();
    let begun = || fs::read_dir(share.path()).unwrap().count() > 0;
    eventually("it is being written", begun);
    watching.kill();
    let foreign = share.path().join(".unfinished-0123abcd-of-another-node");
    fs::write(&foreign, "x").unwrap();
    // Rebuilt meanwhile: what was begun is of no use any more.
    fs::remove_dir_all(node.published_dir().join("presentation").join(ID)).unwrap();
    node.recording(ID, "presentation", &noise(1000, 6));
    node.publish(ID);
    assert_eq!(node.send().code, 0);
    assert!(foreign.exists(), "others write into this spool, too");
    fs::remove_file(foreign).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let there: Vec<_> = files(share.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(there, [format!("{ID}-presentation.tar")]);
    // The same for rsync's packages.
    let spool = tempfile::tempdir().unwrap();
    let stale = node.path(&format!("var/bbb2pod/work/{}", "ab".repeat(32)));
    fs::create_dir_all(&stale).unwrap();
    node.configure_transport(&rsync(&spool.path().display().to_string()), "");
    assert_eq!(node.send().code, 0);
    assert!(!stale.exists());
}

#[test]
fn packages_get_the_spools_group() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let groups = fs::read_to_string("/etc/group").unwrap();
    let mine = rustix::process::getegid().as_raw();
    // Root may give any group; others only theirs.
    let root = rustix::process::geteuid().is_root();
    let pick = |line: &&str| {
        let gid: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
        if root { gid != 0 } else { gid == mine }
    };
    let line = groups.lines().find(pick).unwrap();
    let (name, gid) = (
        line.split(':').next().unwrap(),
        line.split(':').nth(2).unwrap(),
    );
    let transport = format!(
        "transport: directory\ndirectory: {{spool_dir: {}, spool_group: {name}}}\n\
         sub_directory_meta: bbb-origin",
        share.path().display()
    );
    let node = node(&transport, 1000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    for path in ["Moodle".to_owned(), format!("Moodle/{ID}-presentation.tar")] {
        let metadata = fs::metadata(share.path().join(path)).unwrap();
        assert_eq!(metadata.gid().to_string(), gid);
    }
}

#[test]
fn a_plain_package_is_what_importers_of_other_systems_take() {
    let share = tempfile::tempdir_in("/dev/shm").unwrap();
    let transport = format!(
        "package: plain\ntransport: directory\ndirectory: {{spool_dir: {}}}",
        share.path().display()
    );
    let node = node(&transport, 100_000);
    let deep = node.published_dir().join("presentation").join(ID);
    let long = deep.join("n".repeat(120));
    fs::write(&long, "a name that no short header holds").unwrap();
    node.publish(ID);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tar = share.path().join(format!("{ID}-presentation.tar"));
    // As Scalelite's importer does it: extract, then look for */*/metadata.xml.
    let out = tempfile::tempdir().unwrap();
    let extracted = Command::new("tar")
        .arg("--extract")
        .arg("--file")
        .arg(&tar)
        .arg("--directory")
        .arg(out.path())
        .status();
    assert!(extracted.unwrap().success());
    let formats: Vec<_> = fs::read_dir(out.path()).unwrap().collect();
    assert_eq!(formats.len(), 1, "nothing but the format's folder");
    assert!(files(&out.path().join("presentation").join(ID)) == files(&deep));
    let names: Vec<_> = unpack(&fs::read(&tar).unwrap())
        .into_iter()
        .map(|m| m.0)
        .collect();
    assert!(
        names
            .iter()
            .all(|n| n.starts_with(&format!("presentation/{ID}/"))),
        "{names:?}"
    );
    let done = node.done();
    assert!(
        done.iter().any(|d| d["outcome"] == "handed_over"),
        "{done:?}"
    );
}
