//! What the process tests share: a BBB node in a scratch folder, and the other side.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod network;
mod node_api;
pub(crate) mod peer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A record id like BBB's.
pub(crate) const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

/// The program under test.
pub(crate) const HOOK: &str = env!("CARGO_BIN_EXE_bbb2pod-hook");

/// A BBB node: published recordings, raw events, settings of BBB and of the hook.
pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
}

impl Node {
    /// A node whose hook speaks to an address that nobody listens at.
    pub(crate) fn new() -> Node {
        Node::sending_to("http://127.0.0.1:9")
    }

    pub(crate) fn sending_to(receiver: &str) -> Node {
        let node = Node {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(node.published_dir()).unwrap();
        fs::create_dir_all(node.path("var/recording/raw")).unwrap();
        fs::write(node.path("token"), "secret-token\n").unwrap();
        let yml = format!(
            "published_dir: {}\nrecording_dir: {}\nplayback_host: b.example\n",
            node.published_dir().display(),
            node.path("var/recording").display()
        );
        fs::write(node.path("bigbluebutton.yml"), yml).unwrap();
        node.configure(receiver, "");
        node
    }

    /// Writes `hook.yml`, with more lines at its end.
    pub(crate) fn configure(&self, receiver: &str, more: &str) {
        let http = format!(
            "http: {{receiver: \"{receiver}\", token_file: \"{}\", stall_timeout: 3s}}",
            self.path("token").display()
        );
        self.configure_transport(&http, more);
    }

    pub(crate) fn configure_transport(&self, transport: &str, more: &str) {
        let yml = format!(
            "node: node-1\n{transport}\nbbb: {{bigbluebutton_yml: \"{}\"}}\nretry: {{first: 100ms, longest: 1s}}\n{more}\n",
            self.path("bigbluebutton.yml").display()
        );
        fs::write(self.config(), yml).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("hook.yml")
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn published_dir(&self) -> PathBuf {
        self.path("var/published")
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.path("var/bbb2pod/outbox")
    }

    /// Publishes a recording as BBB leaves it; gives its folder.
    pub(crate) fn recording(&self, id: &str, format: &str, media: &[u8]) -> PathBuf {
        let folder = self.published_dir().join(format).join(id);
        fs::create_dir_all(folder.join("video")).unwrap();
        fs::create_dir_all(folder.join("presentation/d2d9a672/thumbnails")).unwrap();
        fs::write(folder.join("metadata.xml"), metadata(id, format, "Moodle")).unwrap();
        fs::write(folder.join("shapes.svg"), "<svg/>").unwrap();
        fs::write(folder.join("presentation/d2d9a672/slide-1.png"), "png").unwrap();
        fs::write(
            folder.join("presentation/d2d9a672/thumbnails/thumb-1.png"),
            "thumb",
        )
        .unwrap();
        fs::write(folder.join("video/webcams.webm"), media).unwrap();
        folder
    }

    /// The meeting's raw events, with one moderator.
    pub(crate) fn events(&self, id: &str) -> PathBuf {
        let raw = self.path("var/recording/raw").join(id);
        fs::create_dir_all(&raw).unwrap();
        let path = raw.join("events.xml");
        fs::write(
            &path,
            r#"<recording meeting_id="x" bbb_version="2.4"><event timestamp="1" module="PARTICIPANT" eventname="ParticipantJoinEvent"><name>Ada</name><role>MODERATOR</role><externalUserId>ada-7</externalUserId><userId>w_1</userId></event></recording>"#,
        )
        .unwrap();
        path
    }

    pub(crate) fn hook(&self) -> Command {
        let mut command = Command::new(HOOK);
        command
            .env("BBB2POD_HOOK_CONFIG", self.config())
            .env_remove("BBB2POD_LOG");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(
            self.hook()
                .args(args)
                .stdin(Stdio::null())
                .output()
                .unwrap(),
        )
    }

    /// `publish`, which must succeed.
    pub(crate) fn publish(&self, id: &str) {
        let ran = self.run(&["publish", "-m", id]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }

    /// `send`, once.
    pub(crate) fn send(&self) -> Ran {
        self.run(&["send", "--wait", "20"])
    }

    /// `send --watch`, running.
    pub(crate) fn watch(&self) -> Watching {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("send.log"))
            .unwrap();
        let child = self.hook().args(["send", "--watch"]).stderr(log).spawn();
        Watching(child.unwrap())
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        let ran = self.run(&["status", "--json"]);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}{}", ran.out, ran.err))
    }

    /// The hook's settings with more lines at their end.
    pub(crate) fn add_settings(&self, more: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{text}{more}\n")).unwrap();
    }

    /// BBB's settings with more lines at their end.
    pub(crate) fn add_bbb_settings(&self, more: &str) {
        let path = self.path("bigbluebutton.yml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}{more}\n")).unwrap();
    }

    /// Where bbb-web moves a published folder when it is unpublished or deleted.
    pub(crate) fn move_to(&self, place: &str, id: &str, format: &str) {
        let to = self.path("var").join(place).join(format);
        fs::create_dir_all(&to).unwrap();
        for from in ["published", "unpublished", "deleted"] {
            let from = self.path("var").join(from).join(format).join(id);
            if from.exists() {
                fs::rename(from, to.join(id)).unwrap();
                return;
            }
        }
        panic!("{id} {format} is nowhere");
    }

    /// Names of the jobs that wait.
    pub(crate) fn jobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.outbox()) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !n.starts_with('.') && n != "done" && n != "publish-errors")
            .collect();
        names.sort();
        names
    }

    pub(crate) fn done(&self) -> Vec<serde_json::Value> {
        let entries = fs::read_dir(self.outbox().join("done")).unwrap();
        let read = |e: std::io::Result<fs::DirEntry>| {
            serde_json::from_slice(&fs::read(e.unwrap().path()).unwrap()).unwrap()
        };
        entries.map(read).collect()
    }

    /// Everything of the outbox that is temporary.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(self.outbox()).into_iter();
        all.map(|e| e.unwrap())
            .filter(|e| {
                let name = e.file_name().to_string_lossy();
                name.starts_with(".unfinished") || name.starts_with(".leaving-")
            })
            .map(|e| e.path().to_owned())
            .collect()
    }
}

/// A process that has ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running `send --watch`, killed at the end.
pub(crate) struct Watching(pub Child);

impl Watching {
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn metadata(id: &str, format: &str, origin: &str) -> String {
    format!(
        "<recording><id>{id}</id><state>published</state><published>true</published>\
         <start_time>1554230749920</start_time><end_time>1554234349920</end_time>\
         <meta><bbb-origin>{origin}</bbb-origin><meetingName>Cours d'été</meetingName></meta>\
         <playback><format>{format}</format><duration>3600000</duration></playback></recording>"
    )
}

/// Bytes that look random and are the same every time.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files below a folder, as `path: content`.
pub(crate) fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|e| e.unwrap())
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            let path = e.path().strip_prefix(root).unwrap();
            (
                path.to_str().unwrap().to_owned(),
                fs::read(e.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
