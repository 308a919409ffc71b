//! One node and one receiver, wired together in a scratch folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::process::command;
use super::{Finished, Running, eventually, eventually_or, free_port, source_root};
use crate::samples::{Generation, Node, Recording};

/// How long anything in a test may take before it counts as hung.
const LONG: Duration = Duration::from_secs(120);

/// Where the receiver hands videos over.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The claim directory in the scratch folder.
    Directory,
    /// A Pod: the whole section `destination` as YAML.
    Section(String),
}

/// What a site is to be like.
#[derive(Debug, Clone)]
pub struct SiteBuilder {
    generation: Generation,
    delivery: Delivery,
    receiver_more: String,
    hook_more: String,
}

impl SiteBuilder {
    /// The node's generation; 2.4 unless said.
    #[must_use]
    pub fn generation(mut self, generation: Generation) -> SiteBuilder {
        self.generation = generation;
        self
    }

    /// Where videos go; the claim directory unless said.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> SiteBuilder {
        self.delivery = delivery;
        self
    }

    /// More lines for receiver.yml.
    #[must_use]
    pub fn receiver_yml(mut self, lines: &str) -> SiteBuilder {
        self.receiver_more.push_str(lines);
        self
    }

    /// More lines for hook.yml.
    #[must_use]
    pub fn hook_yml(mut self, lines: &str) -> SiteBuilder {
        self.hook_more.push_str(lines);
        self
    }

    /// Lays everything out, adds the node to the receiver and starts the receiver.
    pub fn start(self) -> Site {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let node =
            Node::create(scratch.path().join("node"), self.generation).expect("a sample node");
        let mut site = Site {
            scratch,
            node,
            port: free_port(),
            receiver: None,
            hook_more: self.hook_more,
        };
        for folder in ["receiver", "claim", "etc"] {
            fs::create_dir_all(site.path(folder)).expect("the folders of a site");
        }
        site.write_receiver_yml(&self.delivery, &self.receiver_more);
        let token = site.receiver(["node", "add", "bbb1.example.org"]).success();
        fs::write(site.token_file(), token).expect("the token's file");
        site.write_hook_yml();
        site.start_receiver();
        site
    }
}

/// A node and a receiver.
#[derive(Debug)]
pub struct Site {
    // First, so that it is killed, and its log shown, while the folder is there.
    receiver: Option<Running>,
    /// The sample node.
    pub node: Node,
    port: u16,
    hook_more: String,
    scratch: TempDir,
}

impl Site {
    /// A site with a node of 2.4 and a claim directory.
    pub fn start() -> Site {
        Site::builder().start()
    }

    /// A site to be changed before it starts.
    pub fn builder() -> SiteBuilder {
        SiteBuilder {
            generation: Generation::V2_4,
            delivery: Delivery::Directory,
            receiver_more: String::new(),
            hook_more: String::new(),
        }
    }

    /// A path in the scratch folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.scratch.path().join(relative)
    }

    /// The receiver's base address.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file with the node's token.
    pub fn token_file(&self) -> PathBuf {
        self.path("etc/token")
    }

    /// The hook's settings.
    pub fn hook_config(&self) -> PathBuf {
        self.path("etc/hook.yml")
    }

    /// The receiver's settings.
    pub fn receiver_config(&self) -> PathBuf {
        self.path("etc/receiver.yml")
    }

    /// The hook's outbox.
    pub fn outbox(&self) -> PathBuf {
        self.path("node/var/bigbluebutton/bbb2pod/outbox")
    }

    /// Publishes a sample recording on the node and calls the post-publish script for it.
    pub fn hold(&self, recording: &Recording) -> String {
        let id = self.node.add(recording).expect("a sample recording");
        self.script(&["-m", &id, "-f", "presentation"]).success();
        id
    }

    /// Calls the post-publish script as BigBlueButton's worker does.
    pub fn script(&self, arguments: &[&str]) -> Finished {
        let script = source_root().join("bigbluebutton/a0_post_publish_bbb2pod.rb");
        let mut command = Command::new("ruby");
        command
            .arg(script)
            .args(arguments)
            .current_dir(self.node.scripts_dir());
        command.env("BBB2POD_HOOK", super::program("bbb2pod-hook"));
        command.env("BBB2POD_HOOK_CONFIG", self.hook_config());
        command.env("BBB2POD_HOOK_LOG", self.path("hook.log"));
        Finished::of(&mut command)
    }

    /// Runs the hook with the site's settings.
    pub fn hook<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        Finished::of(&mut self.hook_command(arguments))
    }

    /// `send --watch`, in the background.
    pub fn start_sending(&self) -> Running {
        Running::start(
            &mut self.hook_command(["send", "--watch"]),
            &self.path("hook.log"),
        )
    }

    /// Runs the receiver's program with the site's settings.
    pub fn receiver<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        Finished::of(&mut self.receiver_command(arguments))
    }

    /// Starts the receiver and waits until it is healthy.
    pub fn start_receiver(&mut self) {
        self.start_receiver_with(|_| {});
    }

    /// Starts the receiver in an environment of its own and waits until it is healthy.
    pub fn start_receiver_with(&mut self, prepare: impl FnOnce(&mut Command)) {
        let log = self.path("receiver.log");
        let mut command = self.receiver_command(["serve"]);
        prepare(&mut command);
        let mut running = Running::start(&mut command, &log);
        eventually("the receiver is healthy", LONG, || {
            assert!(
                running.ended().is_none(),
                "the receiver ended: {}",
                running.log()
            );
            self.get("/healthz", None).map(drop)
        });
        self.receiver = Some(running);
    }

    /// Kills the receiver with SIGKILL.
    pub fn kill_receiver(&mut self) {
        if let Some(running) = self.receiver.take() {
            running.kill();
        }
    }

    /// The receiver's log.
    pub fn receiver_log(&self) -> String {
        fs::read_to_string(self.path("receiver.log")).unwrap_or_default()
    }

    /// What the receiver tells the node of a recording.
    pub fn state(&self, record_id: &str) -> Option<Value> {
        let token = fs::read_to_string(self.token_file()).ok()?;
        let body = self.get(
            &format!("/api/v1/recordings/{record_id}"),
            Some(token.trim()),
        )?;
        serde_json::from_str(&body).ok()
    }

    /// The stage at which a recording is.
    pub fn stage(&self, record_id: &str) -> Option<String> {
        Some(self.state(record_id)?.get("stage")?.as_str()?.to_owned())
    }

    /// Waits until a recording is registered.
    pub fn wait_done(&self, record_id: &str) {
        self.wait_stage(record_id, "done", "failed");
    }

    /// Waits until a recording has failed for good, and gives its story.
    pub fn wait_failed(&self, record_id: &str) -> String {
        self.wait_stage(record_id, "failed", "done");
        self.story(record_id)
    }

    fn wait_stage(&self, record_id: &str, wanted: &str, unwanted: &str) {
        let what = format!("{record_id} is {wanted}");
        let explain = || {
            let hook = self.hook(["status"]).all();
            format!("{}\n{hook}", self.story(record_id))
        };
        eventually_or(&what, LONG, explain, || {
            let stage = self.stage(record_id)?;
            assert!(stage != unwanted, "{record_id} is {stage}:\n{}", explain());
            (stage == wanted).then_some(())
        });
    }

    /// What `recording show` says.
    pub fn story(&self, record_id: &str) -> String {
        self.receiver(["recording", "show", record_id]).all()
    }

    /// The videos in the claim directory.
    pub fn claims(&self) -> Vec<PathBuf> {
        files_below(&self.path("claim"))
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "mp4"))
            .collect()
    }

    /// Everything in the claim directory.
    pub fn claim_files(&self) -> Vec<PathBuf> {
        files_below(&self.path("claim"))
    }

    /// Folders in the archive, whatever their state: finished or not.
    pub fn archived(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for format in folders_in(&self.path("receiver/archive/published")) {
            found.extend(folders_in(&format));
        }
        found
    }

    /// Jobs in the outbox that are not done.
    pub fn waiting_jobs(&self) -> Vec<PathBuf> {
        folders_in(&self.outbox())
            .into_iter()
            .filter(|path| path.join("job.json").is_file())
            .collect()
    }

    fn hook_command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = command("bbb2pod-hook", arguments);
        command.arg("--config").arg(self.hook_config());
        command
    }

    fn receiver_command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = command("bbb2pod-receiver", arguments);
        command.arg("--config").arg(self.receiver_config());
        command
    }

    fn write_receiver_yml(&self, delivery: &Delivery, more: &str) {
        let base = self.path("receiver");
        let destination = match delivery {
            Delivery::Directory => format!(
                "destination: {{kind: directory, directory: {}, pod_directory: /srv/pod/ftp/bbb}}\n",
                self.path("claim").display()
            ),
            Delivery::Section(yaml) => yaml.clone(),
        };
        let yaml = format!(
            "listen: 127.0.0.1:{port}\ndatabase: \"sqlite://{base}/ledger.db\"\nspool_dir: {base}/spool\narchive_dir: {base}/archive\nmedia_dir: {base}/media\nwork_dir: {base}/work\n{destination}{more}",
            port = self.port,
            base = base.display(),
        );
        let yaml = if yaml.contains("\nupload:") {
            yaml
        } else {
            yaml + "upload: {keep_free: 0B}\n"
        };
        fs::write(self.receiver_config(), yaml).expect("receiver.yml");
    }

    fn write_hook_yml(&self) {
        let yaml = format!(
            "node: bbb1.example.org\ntransport: http\nhttp: {{receiver: \"{}\", token_file: {}}}\noutbox_dir: {}\nbbb: {{bigbluebutton_yml: {}}}\n{}",
            self.address(),
            self.token_file().display(),
            self.outbox().display(),
            self.node.bigbluebutton_yml().display(),
            self.hook_more,
        );
        fs::write(self.hook_config(), yaml).expect("hook.yml");
    }

    fn get(&self, path: &str, token: Option<&str>) -> Option<String> {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "--max-time", "10"]);
        if let Some(token) = token {
            curl.arg("-H").arg(format!("Authorization: Bearer {token}"));
        }
        let finished = Finished::of(curl.arg(format!("{}{path}", self.address())));
        (finished.code == Some(0)).then_some(finished.stdout)
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}
