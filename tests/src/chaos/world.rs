//! A node and a receiver with the proxy between them, rounds of chaos, and what must hold after
//! each.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use recording::package::{About, gather};
use recording::{Digest, Manifest};

use super::{Dice, Proxy};
use crate::harness::{Finished, Running, Site, eventually, free_port, program};
use crate::tus::{Client, metadata_of};

const LONG: Duration = Duration::from_secs(90);
/// Formats that need no video, so that a recording is done when it is archived.
const FORMATS: [&str; 2] = ["notes", "statistics"];
/// Names under which Debian and others install libfaketime.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// What happens in a round, besides what the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    KillHook,
    KillReceiver,
    KillBoth,
    SecondHook,
    SecondReceiver,
    ThreeWays,
    LostPublish,
    ClockBack,
    Prune,
    None,
}

/// A node and a receiver.
#[derive(Debug)]
pub struct World {
    /// Both of them.
    pub site: Site,
    proxy: Proxy,
    dice: Dice,
    /// Everything published, and how many different contents it has had.
    published: BTreeMap<(String, String), u64>,
    /// Where BigBlueButton's deletion puts what the hook has had deleted.
    pruned: PathBuf,
    round: u64,
}

impl World {
    /// A world by its seed; `receiver_yml` are more settings of the receiver.
    pub fn new(seed: u64, receiver_yml: &str) -> World {
        let yaml = format!("{receiver_yml}import: {{settle: 1s}}\n");
        let site = Site::builder()
            .hook_yml("retry: {first: 30ms, longest: 100ms}\nfilters: {formats: []}\n")
            .receiver_yml(&yaml)
            .start();
        let proxy = Proxy::start(&site.address());
        let hook_yml = fs::read_to_string(site.hook_config()).expect("hook.yml");
        let pruned = site.path("pruned");
        let bbb_record = write_bbb_record(&site, &pruned);
        let hook_yml = hook_yml
            .replace(&site.address(), &proxy.address())
            .replace("token_file:", "stall_timeout: 2s, token_file:");
        let hook_yml = format!(
            "{hook_yml}prune: {{enabled: true, after_days: 0, only_when: archived, formats: [{}], \
             bbb_record: \"{}\"}}\n",
            FORMATS[0],
            bbb_record.display()
        );
        fs::write(site.hook_config(), hook_yml).expect("hook.yml");
        World {
            pruned,
            site,
            proxy,
            dice: Dice::new(seed),
            published: BTreeMap::new(),
            round: 0,
        }
    }

    /// One round: something is published, everything goes wrong, all is well again, and everything
    /// that must hold is checked.
    pub fn round(&mut self) {
        self.round += 1;
        let blow = match self.dice.below(14) {
            0 | 1 => Blow::KillHook,
            2 | 3 => Blow::KillReceiver,
            4 => Blow::KillBoth,
            5 | 6 => Blow::SecondHook,
            7 => Blow::SecondReceiver,
            8 => Blow::ThreeWays,
            9 | 10 => Blow::LostPublish,
            11 => Blow::ClockBack,
            12 => Blow::Prune,
            _ => Blow::None,
        };
        let about = self.publish(blow);
        self.proxy.turn_hostile(Dice::new(self.dice.throw()));
        let mut sending = Some(self.start_hook(blow == Blow::ClockBack));
        thread::sleep(Duration::from_millis(self.dice.below(120)));
        self.strike(blow, &about, &mut sending);
        self.nothing_is_lost();
        self.proxy.turn_friendly();
        kill(&mut sending);
        self.deliver_all();
        self.check();
    }

    /// Publishes while there is no room: the hook keeps what it has, the archive shows nothing half.
    pub fn nothing_arrives(&mut self) {
        self.publish(Blow::None);
        let sent = Finished::of(&mut self.hook(&["send", "--wait", "2"]));
        assert_ne!(sent.code, Some(0), "there was room: {}", sent.all());
        assert!(!self.site.waiting_jobs().is_empty());
        self.nothing_is_lost();
        assert_eq!(self.site.archived(), Vec::<PathBuf>::new());
        // An upload that was refused waits on its node, an import that failed here.
        eventually("the lack of room can be seen", LONG, || {
            let status = self.site.receiver(["status"]).stdout;
            (status.contains(" 0 packages wait") || status.contains("Failing")).then_some(())
        });
    }

    /// Publishes one or two recordings, or one anew, and tells the hook.
    fn publish(&mut self, blow: Blow) -> Vec<(String, String)> {
        let mut done = Vec::new();
        for n in 0..=self.dice.below(2) {
            let known = self.dice.below(self.published.len() as u64) as usize;
            let again = self.published.keys().nth(known);
            let again = again.is_some_and(|key| !self.is_pruned(key)) && self.dice.once_in(4);
            let key = match again {
                true => self.published.keys().nth(known).expect("a key").clone(),
                false => {
                    let format = FORMATS[self.dice.below(2) as usize];
                    let id = Digest::of(format!("{} {n}", self.round).as_bytes()).to_string();
                    (format.to_owned(), format!("{}-1554230749920", &id[..40]))
                }
            };
            self.write_folder(&key);
            *self.published.entry(key.clone()).or_default() += 1;
            let mut publish = self.hook(&["publish", "-m", &key.1, "-f", &key.0]);
            if blow == Blow::LostPublish {
                let running = Running::start(&mut publish, &self.site.path("publish.log"));
                thread::sleep(Duration::from_micros(self.dice.below(15_000)));
                running.kill();
            }
            // As BigBlueButton's worker or the hook's own sweep calls it again.
            let mut publish = self.hook(&["publish", "-m", &key.1, "-f", &key.0]);
            if blow == Blow::ClockBack {
                set_clock_back(&mut publish, 1 + self.dice.below(100));
            }
            Finished::of(&mut publish).success();
            done.push(key);
        }
        done
    }

    fn write_folder(&mut self, (format, id): &(String, String)) {
        let folder = self.folder(format, id);
        let beside = folder.with_extension("new");
        fs::create_dir_all(beside.join("deeper")).expect("a folder");
        let metadata = format!(
            "<recording><id>{id}</id><state>published</state><published>true</published>\
             <meta><meetingName>Round {}</meetingName></meta><playback><format>{format}</format>\
             </playback></recording>",
            self.round
        );
        fs::write(beside.join("metadata.xml"), metadata).expect("metadata.xml");
        let length = match self.dice.below(8) {
            0 => 0,
            1 => 1_500_000,
            _ => self.dice.below(200_000),
        };
        fs::write(beside.join("deeper/content"), self.dice.bytes(length)).expect("content");
        let _ = fs::remove_dir_all(&folder);
        fs::rename(&beside, &folder).expect("a published folder");
    }

    fn folder(&self, format: &str, id: &str) -> PathBuf {
        self.site.node.published_dir().join(format).join(id)
    }

    /// Where what was last published lies now.
    fn root_of(&self, format: &str, id: &str) -> PathBuf {
        match self.folder(format, id).is_dir() {
            true => self.site.node.published_dir(),
            false => self.pruned.clone(),
        }
    }

    fn is_pruned(&self, (format, id): &(String, String)) -> bool {
        self.root_of(format, id) == self.pruned
    }

    fn hook(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("bbb2pod-hook"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.site.hook_config());
        command
    }

    fn start_hook(&mut self, clock_back: bool) -> Running {
        let mut command = self.hook(&["send", "--wait", "2"]);
        if clock_back {
            set_clock_back(&mut command, 1 + self.dice.below(100));
        }
        Running::start(&mut command, &self.site.path("hook.log"))
    }

    fn strike(
        &mut self,
        blow: Blow,
        published: &[(String, String)],
        sending: &mut Option<Running>,
    ) {
        match blow {
            Blow::None | Blow::LostPublish => {}
            Blow::KillHook => kill(sending),
            Blow::KillReceiver => {
                self.site.kill_receiver();
                self.site.start_receiver();
            }
            Blow::KillBoth => {
                self.site.kill_receiver();
                kill(sending);
                self.site.start_receiver();
            }
            Blow::SecondHook => {
                // One of them works; the other says so and leaves the outbox alone.
                let second = Finished::of(&mut self.hook(&["send", "--wait", "1"]));
                let code = second.code;
                assert!(matches!(code, Some(0..=3)), "{second:?}");
            }
            Blow::SecondReceiver => self.start_a_second_receiver(),
            Blow::Prune => {
                // Two at once, of which one is killed: neither deletes what is not confirmed.
                let mut first = self.hook(&["prune"]);
                let first = Running::start(&mut first, &self.site.path("prune.log"));
                let second = Finished::of(&mut self.hook(&["prune"]));
                assert!(matches!(second.code, Some(0..=3)), "{second:?}");
                thread::sleep(Duration::from_millis(self.dice.below(30)));
                first.kill();
            }
            Blow::ThreeWays => {
                for key in published {
                    self.drop_as_scalelite_does(key);
                    self.upload_with_any_client(key);
                }
            }
            Blow::ClockBack => {
                self.site.kill_receiver();
                let hours = 1 + self.dice.below(100);
                self.site
                    .start_receiver_with(|command| set_clock_back(command, hours));
            }
        }
    }

    /// Another receiver, with another ledger, on the same spool and archive: it must not work there.
    fn start_a_second_receiver(&self) {
        let yaml = fs::read_to_string(self.site.receiver_config()).expect("receiver.yml");
        let own = self.site.path("receiver/ledger.db").display().to_string();
        let other = self.site.path("second.db").display().to_string();
        let port = self.site.address();
        let port = port.rsplit_once(':').expect("a port").1;
        let yaml = yaml.replace(&own, &other).replace(
            &format!("127.0.0.1:{port}"),
            &format!("127.0.0.1:{}", free_port()),
        );
        let config = self.site.path("etc/second.yml");
        fs::write(&config, yaml).expect("second.yml");
        let mut serve = Command::new(program("bbb2pod-receiver"));
        serve.args(["serve", "--config"]).arg(&config);
        let said = Finished::of(&mut serve).failure(2);
        assert!(said.contains("is serving already"), "{said}");
    }

    fn tar_of(&self, (format, id): &(String, String)) -> PathBuf {
        let tar = self.site.path(&format!("{id}.tar"));
        let mut command = Command::new("tar");
        command
            .args(["--create", "--file"])
            .arg(&tar)
            .arg(format!("{format}/{id}"))
            .current_dir(self.site.node.published_dir());
        Finished::of(&mut command).success();
        tar
    }

    fn drop_as_scalelite_does(&self, key: &(String, String)) {
        let tar = self.tar_of(key);
        let mut rsync = Command::new("rsync");
        rsync
            .args(["--remove-source-files", "--protect-args"])
            .arg(&tar)
            .arg(self.site.path("receiver/spool"));
        Finished::of(&mut rsync).success();
    }

    fn upload_with_any_client(&self, key: &(String, String)) {
        let tar = self.tar_of(key);
        let bytes = fs::read(&tar).expect("the tar");
        fs::remove_file(&tar).expect("the tar");
        let (length, name) = (bytes.len().to_string(), metadata_of("filename", "any.tar"));
        let headers = [
            ("Upload-Length", length.as_str()),
            ("Upload-Metadata", name.as_str()),
            ("Content-Type", crate::tus::CHUNK),
        ];
        Client::of(&self.site)
            .ask("POST", "/files/", &headers, &bytes)
            .location();
    }

    /// Whatever has happened so far: what was published waits in the outbox, or is safe.
    fn nothing_is_lost(&self) {
        let jobs = self.site.waiting_jobs();
        for (format, id) in self.published.keys() {
            let root = self.root_of(format, id);
            assert!(
                root.join(format).join(id).is_dir(),
                "the node lost {id}, and not to the archive"
            );
            let prefix = format!("{id}-{format}-");
            let waits = jobs.iter().any(|job| {
                let name = job.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix)
            });
            // What was deleted from the node is nowhere else, whatever waits.
            if !waits || root == self.pruned {
                let wanted = digest_of(&root, format, id);
                let held = self.manifest(format, id).map(|manifest| manifest.digest);
                assert_eq!(
                    held,
                    Some(wanted),
                    "{id} left the outbox and is not archived"
                );
            }
        }
    }

    /// Sends until the outbox is empty.
    fn deliver_all(&self) {
        let deadline = Instant::now() + LONG;
        loop {
            let sent = Finished::of(&mut self.hook(&["send", "--wait", "5"]));
            if sent.code == Some(0) && self.site.waiting_jobs().is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "never delivered: {}", sent.all());
        }
        eventually("the spool is empty", LONG, || {
            let waits = files_below(&self.site.path("receiver/spool"))
                .iter()
                .any(|path| path.extension().is_some_and(|e| e == "tar"));
            (!waits).then_some(())
        });
    }

    fn manifest(&self, format: &str, id: &str) -> Option<Manifest> {
        let path = format!("receiver/archive/manifests/{format}/{id}.json");
        let json = fs::read(self.site.path(&path)).ok()?;
        Some(Manifest::parse(&json).expect("a manifest in the archive"))
    }

    /// Every recording is archived exactly once, with the right digests.
    fn check(&self) {
        let archive = self.site.path("receiver/archive/published");
        for (format, id) in self.published.keys() {
            let wanted = digest_of(&self.root_of(format, id), format, id);
            assert_eq!(digest_of(&archive, format, id), wanted, "{format} of {id}");
            let manifest = self.manifest(format, id).expect("a manifest");
            assert_eq!(manifest.digest, wanted, "{format} of {id}");
        }
        assert_eq!(self.site.archived().len(), self.published.len());
    }

    /// What is new in the outbox may belong to a hook that is at work just now, so it is left alone
    /// for a while.
    fn let_a_day_go_by(&self) {
        let yesterday = std::time::SystemTime::now() - Duration::from_secs(24 * 3600);
        for path in entries(&self.site.outbox()) {
            if name_of(&path).starts_with(".unfinished") {
                let file = fs::File::open(&path).expect("what a hook left");
                file.set_modified(yesterday).expect("what a hook left");
            }
        }
    }

    /// The last of it: after another start nothing temporary is left anywhere, and node, spool,
    /// archive and ledger agree in everything.
    pub fn end(mut self) {
        self.site.kill_receiver();
        let yaml = fs::read_to_string(self.site.receiver_config()).expect("receiver.yml");
        let yaml = yaml.replace("expire_after: 10m", "expire_after: 1s");
        fs::write(self.site.receiver_config(), yaml).expect("receiver.yml");
        thread::sleep(Duration::from_secs(1));
        self.site.start_receiver();
        self.let_a_day_go_by();
        Finished::of(&mut self.hook(&["send", "--wait", "1"])).success();
        // Everything is confirmed now, so all of the one format may go from the node.
        let pruned = Finished::of(&mut self.hook(&["prune"])).success();
        for key in self.published.keys().filter(|key| key.0 == FORMATS[0]) {
            assert!(self.is_pruned(key), "{key:?} was kept: {pruned}");
        }
        self.check();
        let spool = files_below(&self.site.path("receiver/spool"));
        assert_eq!(spool, Vec::<PathBuf>::new(), "the spool is empty");
        for folder in ["receiver/archive", "receiver/work"] {
            let temporary: Vec<_> = entries(&self.site.path(folder))
                .into_iter()
                .filter(|path| name_of(path).starts_with('.'))
                .collect();
            assert_eq!(temporary, Vec::<PathBuf>::new(), "{folder}");
        }
        let left: Vec<_> = entries(&self.site.outbox())
            .into_iter()
            .filter(|path| name_of(path).starts_with(".unfinished"))
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "the outbox");
        let said = self.site.receiver(["reconcile", "--deep", "--no-pod"]);
        assert_eq!(said.code, Some(0), "{}", said.all());
        for ((_, id), contents) in &self.published {
            let story = self.site.story(id);
            let times = story.matches("import    archived ").count() as u64;
            assert!(
                times >= 1 && times <= *contents,
                "{contents} contents:\n{story}"
            );
        }
    }
}

/// BBB's `bbb-record --delete`, which here keeps what it deletes, to be held against the archive.
fn write_bbb_record(site: &Site, pruned: &Path) -> PathBuf {
    let path = site.path("bbb-record");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --delete ] || exit 1\ncd '{}' || exit 1\nfor folder in */\"$2\"*; do\n\
         [ -d \"$folder\" ] || continue\nmkdir -p '{pruned}'/\"${{folder%%/*}}\"\n\
         mv \"$folder\" '{pruned}'/\"$folder\" || exit 1\ndone\n",
        site.node.published_dir().display(),
        pruned = pruned.display()
    );
    fs::write(&path, script).expect("bbb-record");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).expect("bbb-record");
    path
}

fn kill(sending: &mut Option<Running>) {
    if let Some(sending) = sending.take() {
        sending.kill();
    }
}

/// The content digest of a published folder, wherever it lies.
fn digest_of(root: &Path, format: &str, id: &str) -> Digest {
    let about = About {
        record_id: id.parse().expect("a record id"),
        format: format.parse().expect("a format"),
        node: String::new(),
        hook_version: String::new(),
        published_at: jiff::Timestamp::UNIX_EPOCH,
        events_xml: None,
    };
    match gather(root, &about) {
        Ok(manifest) => manifest.digest,
        Err(error) => panic!("{format} of {id} in {}: {error}", root.display()),
    }
}

/// Sets a program's clock back by some hours, where libfaketime is installed.
fn set_clock_back(command: &mut Command, hours: u64) {
    if let Some(library) = FAKETIME.iter().find(|path| Path::new(path).exists()) {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME", format!("-{hours}h"))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}
