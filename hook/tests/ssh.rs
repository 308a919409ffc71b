//! rsync over ssh, with a real sshd and a key that rrsync holds to one folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{ID, Node, Ran, eventually, noise};

/// An sshd of its own, with its own keys, for whoever runs the test.
struct Sshd {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Sshd {
    fn start() -> Sshd {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for key in ["host", "node", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(key))
                .status();
            assert!(made.unwrap().success());
        }
        fs::create_dir(path("spool")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile {0}/pid\n\
             AuthorizedKeysFile {0}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            dir.path().display()
        );
        fs::write(path("sshd_config"), config).unwrap();
        // Where sshd gives up its privileges; the package makes it at boot.
        let _ = fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let sshd = Sshd { child, port, dir };
        sshd.allow("-wo -no-lock");
        let host = fs::read_to_string(sshd.path("host.pub")).unwrap();
        let known = format!("[127.0.0.1]:{port} {host}");
        fs::write(sshd.path("known_hosts"), known).unwrap();
        eventually("sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        sshd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the node's key may do.
    fn allow(&self, options: &str) {
        let key = fs::read_to_string(self.path("node.pub")).unwrap();
        let allowed = format!(
            "command=\"/usr/bin/rrsync {options} {}\",restrict {key}",
            self.path("spool").display()
        );
        fs::write(self.path("authorized_keys"), allowed).unwrap();
    }

    /// A node that sends here, with this key and these known hosts, to this path.
    fn node(&self, key: &str, known_hosts: &str, path: &str, media: usize) -> Node {
        let node = Node::new();
        node.recording(ID, "presentation", &noise(media, 5));
        let user = Ran::of(Command::new("id").arg("-un").output().unwrap()).out;
        let ssh = format!(
            "ssh -F none -p {} -i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={}",
            self.port,
            self.path(key).display(),
            self.path(known_hosts).display()
        );
        let transport = format!(
            "transport: rsync\nrsync: {{destination: \"{}@127.0.0.1:{path}\", \
             extra_rsync_opts: [\"-e\", \"{ssh}\"]}}",
            user.trim()
        );
        node.configure_transport(&transport, "");
        node.publish(ID);
        node
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "{}",
                fs::read_to_string(self.path("log")).unwrap_or_default()
            );
        }
    }
}

/// What lies in a folder, but for the empty one that rrsync makes for partial files.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            let empty = || fs::read_dir(dir.join(name)).unwrap().next().is_none();
            name != ".unfinished-rsync" || !empty()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_key_held_to_one_folder_is_enough() {
    let sshd = Sshd::start();
    let node = sshd.node("node", "known_hosts", "/", 3_000_000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        names(&sshd.path("spool")),
        [format!("{ID}-presentation.tar")]
    );
    assert!(node.jobs().is_empty());
    assert!(support::files(&node.path("var/bbb2pod/work")).is_empty());
    // A folder of the meeting's own below it.
    node.recording("other-1", "video", b"x");
    node.add_settings("sub_directory_meta: bbb-origin");
    node.publish("other-1");
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(names(&sshd.path("spool/Moodle")), ["other-1-video.tar"]);
}

#[test]
fn broken_off_it_goes_on_with_what_is_there() {
    let sshd = Sshd::start();
    let node = sshd.node("node", "known_hosts", "/", 30_000_000);
    let text = fs::read_to_string(node.config()).unwrap();
    let slow = text.replace("[\"-e\"", "[\"--bwlimit=8m\", \"-e\"");
    fs::write(node.config(), slow).unwrap();
    let mut watching = node.watch();
    let arrived = || {
        walkdir::WalkDir::new(sshd.path("spool"))
            .into_iter()
            .filter_map(|e| e.ok()?.metadata().ok())
            .filter(|m| m.is_file())
            .map(|m| m.len())
            .sum::<u64>()
    };
    eventually("a part is there", || arrived() > 4_000_000);
    assert_eq!(watching.terminate(), Some(0));
    assert!(
        !names(&sshd.path("spool"))
            .iter()
            .any(|n| n.ends_with(".tar"))
    );
    fs::write(node.config(), text).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        names(&sshd.path("spool")),
        [format!("{ID}-presentation.tar")]
    );
    let tar = fs::read(sshd.path("spool").join(format!("{ID}-presentation.tar"))).unwrap();
    assert_eq!(support::peer::unpack(&tar).len(), 6);
}

#[test]
fn several_send_at_a_time_and_a_lock_is_waited_for_a_moment() {
    let sshd = Sshd::start();
    let slow = sshd.node("node", "known_hosts", "/", 30_000_000);
    let text = fs::read_to_string(slow.config()).unwrap();
    let text = text.replace("[\"-e\"", "[\"--bwlimit=1m\", \"-e\"");
    fs::write(slow.config(), text).unwrap();
    let sends = || {
        let begun = walkdir::WalkDir::new(sshd.path("spool")).into_iter();
        let long = |m: std::fs::Metadata| m.is_file() && m.len() > 100_000;
        begun.filter_map(|e| e.ok()?.metadata().ok()).any(long)
    };
    for (options, waits) in [("-wo -no-lock", false), ("-wo", true)] {
        sshd.allow(options);
        let _ = fs::remove_dir_all(sshd.path("spool"));
        fs::create_dir(sshd.path("spool")).unwrap();
        let mut watching = slow.watch();
        eventually("a part is there", sends);
        let other = sshd.node("node", "known_hosts", "/", 1000);
        other.recording("other-1", "video", b"x");
        other.publish("other-1");
        let ran = other.send();
        if waits {
            let status = other.status();
            let problem = &status["jobs"][0]["problem"];
            assert_eq!(problem["cause"], "spool-busy", "{problem}");
            assert!(problem["message"].as_str().unwrap().contains("-no-lock"));
        } else {
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        // Whoever is killed takes its rsync along, and with it the lock.
        watching.kill();
        eventually("no rsync is left", || !rsync_runs(&slow));
        eventually("the lock is free", || other.send().code == 0);
        assert!(other.jobs().is_empty());
    }
}

/// Whether a process of a node's sender is still there.
fn rsync_runs(node: &Node) -> bool {
    let work = node.path("var/bbb2pod/work").display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|p| fs::read(p.path().join("cmdline")).ok())
        .any(|words| String::from_utf8_lossy(&words).contains(&work))
}

#[test]
fn what_ssh_and_rrsync_refuse_is_one_clear_line() {
    let sshd = Sshd::start();
    fs::write(sshd.path("nobody"), "").unwrap();
    let host = fs::read_to_string(sshd.path("stranger.pub")).unwrap();
    let changed = format!("[127.0.0.1]:{} {host}", sshd.port);
    fs::write(sshd.path("changed"), changed).unwrap();
    for (key, hosts, path, cause, words) in [
        (
            "stranger",
            "known_hosts",
            "/",
            "token-refused",
            "authorized_keys",
        ),
        ("node", "nobody", "/", "tls", "ssh-keyscan"),
        (
            "node",
            "changed",
            "/",
            "tls",
            "shows another key than before",
        ),
        (
            "node",
            "known_hosts",
            "/../elsewhere/",
            "spool-refused",
            "counts from that folder",
        ),
        (
            "node",
            "known_hosts",
            "/typo/",
            "spool-missing",
            "the folder is not there",
        ),
    ] {
        let node = sshd.node(key, hosts, path, 1000);
        let ran = node.send();
        assert_ne!(ran.code, 0);
        let problem = node.status()["jobs"][0]["problem"].clone();
        assert_eq!(problem["cause"], cause, "{problem}");
        let message = problem["message"].as_str().unwrap();
        assert!(
            message.contains(words) && !message.contains('\n'),
            "{message}"
        );
        assert_eq!(node.jobs().len(), 1, "nothing is lost");
        let checked = node.run(&["check"]);
        assert!(
            checked.out.contains(words),
            "{}{}",
            checked.out,
            checked.err
        );
        // What mends it is about ssh, too.
        let mends = checked.out.lines().filter(|l| l.contains("→ "));
        assert!(
            mends
                .clone()
                .any(|l| ["ssh-key", "rrsync", "rsync.destination"]
                    .iter()
                    .any(|w| l.contains(w))),
            "{}",
            checked.out
        );
        assert!(!checked.out.contains("http."), "{}", checked.out);
    }
    let node = sshd.node("node", "known_hosts", "/", 1000);
    let checked = node.run(&["check"]);
    for words in [
        "rsync reaches its destination: a small file was written",
        "reading it back could not be tried",
        "it was deleted",
    ] {
        assert!(checked.out.contains(words), "{}", checked.out);
    }
    assert!(
        names(&sshd.path("spool")).is_empty(),
        "nothing is left of trying"
    );
    sshd.allow("-wo -no-lock -no-del");
    let checked = node.run(&["check"]);
    let told = checked
        .out
        .lines()
        .any(|l| l.contains("rm SPOOL/.unfinished-check-"));
    assert!(told, "{}", checked.out);
}
