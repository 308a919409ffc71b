//! SIGKILL at every point of the way: after a restart there is exactly one archived recording and
//! one video.

#![allow(clippy::unwrap_used, reason = "a test stops where a surprise happens")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use support::harness::{Delivery, Running, Site, eventually};
use support::pod::{ADMIN_TOKEN, Fault, FaultKind, StandInPod};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(90);

/// Large enough that upload and import take a while, and no space on the node's disk.
const HEAVY: u64 = 600 << 20;

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// Exactly one of everything, and nothing half-done.
#[track_caller]
fn exactly_one(site: &Site, id: &str) {
    site.wait_done(id);
    assert_eq!(site.claim_files().len(), 1, "{:?}", site.claim_files());
    assert_eq!(site.archived().len(), 1, "{:?}", site.archived());
    let mut archived: Vec<_> = walkdir::WalkDir::new(&site.archived()[0])
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            e.path()
                .strip_prefix(&site.archived()[0])
                .unwrap()
                .to_owned()
        })
        .collect();
    let folder = site.node.folder("presentation", id);
    let mut published: Vec<_> = walkdir::WalkDir::new(&folder)
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .map(|e| e.path().strip_prefix(&folder).unwrap().to_owned())
        .collect();
    archived.sort();
    published.sort();
    assert_eq!(archived, published);
    eventually("the spool is empty", LONG, || {
        entries(&site.path("receiver/spool"))
            .iter()
            .all(|p| p.extension().is_none_or(|e| e != "tar"))
            .then_some(())
    });
    let leftovers: Vec<_> = entries(&site.path("receiver/archive"))
        .into_iter()
        .filter(|p| {
            p.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(".unfinished")
        })
        .collect();
    assert_eq!(leftovers, Vec::<PathBuf>::new());
}

fn uploaded(site: &Site) -> u64 {
    entries(&site.path("receiver/spool/incoming"))
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "part"))
        .filter_map(|p| fs::metadata(p).ok())
        .map(|m| m.len())
        .sum()
}

fn wait_for_half_an_upload(site: &Site) {
    eventually("an upload is under way", LONG, || {
        (uploaded(site) > HEAVY / 20).then_some(())
    });
}

#[test]
fn the_hook_dies_during_the_upload() {
    let site = Site::start();
    let id = site.hold(&Recording::tiny().padding(HEAVY));
    for _ in 0..2 {
        let sending = site.start_sending();
        wait_for_half_an_upload(&site);
        sending.kill();
    }
    let before = uploaded(&site);
    assert!(before > 0);
    let _sending = site.start_sending();
    exactly_one(&site, &id);
    let made = entries(&site.path("receiver/spool/incoming"))
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .count();
    assert!(made <= 1, "the upload went on where it had stopped");
    eventually("the outbox is empty", LONG, || {
        site.waiting_jobs().is_empty().then_some(())
    });
}

#[test]
fn the_receiver_dies_during_the_upload() {
    let mut site = Site::builder()
        .hook_yml("retry: {first: 1s, longest: 2s}\n")
        .start();
    let id = site.hold(&Recording::tiny().padding(HEAVY));
    let _sending = site.start_sending();
    wait_for_half_an_upload(&site);
    site.kill_receiver();
    site.start_receiver();
    exactly_one(&site, &id);
    eventually("the outbox is empty", LONG, || {
        site.waiting_jobs().is_empty().then_some(())
    });
}

#[test]
fn the_receiver_dies_during_the_import() {
    let mut site = Site::builder()
        .hook_yml("retry: {first: 1s, longest: 2s}\n")
        .start();
    let id = site.hold(&Recording::tiny().padding(HEAVY));
    let _sending = site.start_sending();
    eventually("something is being unpacked", LONG, || {
        entries(&site.path("receiver/archive"))
            .iter()
            .any(|p| {
                p.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(".unfinished")
            })
            .then_some(())
    });
    site.kill_receiver();
    assert_eq!(site.archived().len(), 0, "nothing half-done is visible");
    site.start_receiver();
    exactly_one(&site, &id);
}

#[test]
fn the_receiver_dies_during_the_conversion() {
    let mut site = Site::start();
    let id = site.hold(&Recording::lecture().seconds(40));
    site.hook(["send"]).success();
    for _ in 0..2 {
        eventually("pieces of the video are there", LONG, || {
            if site.stage(&id).as_deref() == Some("done") {
                return Some(());
            }
            walkdir::WalkDir::new(site.path("receiver/work"))
                .into_iter()
                .flatten()
                .any(|e| e.file_type().is_file())
                .then_some(())
        });
        site.kill_receiver();
        assert_eq!(site.claim_files().len(), 0);
        site.start_receiver();
    }
    exactly_one(&site, &id);
}

#[test]
fn the_receiver_dies_while_pod_answers() {
    // Pod carried the request out and the receiver never heard of it: at each step of the way.
    for path in ["/rest/videos/", "/rest/launch_encode_view/"] {
        let pod = StandInPod::start();
        let keys = tempfile::tempdir().unwrap();
        let token = keys.path().join("token");
        fs::write(&token, ADMIN_TOKEN).unwrap();
        let section = format!(
            "destination: {{kind: upload, url: \"{}\", token_file: {}, type: Autre, default_owner: admin}}\n",
            pod.url(),
            token.display()
        );
        let mut site = Site::builder().delivery(Delivery::Section(section)).start();
        let method = if path.contains("videos") {
            "POST"
        } else {
            "GET"
        };
        pod.fail(Fault::once(method, path, FaultKind::HangAfter));
        let id = site.hold(&Recording::tiny());
        site.hook(["send"]).success();
        eventually("Pod has been asked", LONG, || {
            (pod.count(method, path) > 0).then_some(())
        });
        site.kill_receiver();
        pod.clear_faults();
        site.start_receiver();
        site.wait_done(&id);
        assert_eq!(pod.videos().len(), 1, "{path}: {:?}", pod.videos());
        assert!(
            pod.videos()[0].encoded || pod.videos()[0].encoding_in_progress,
            "{path}"
        );
    }
}

#[test]
fn both_die_again_and_again() {
    let mut site = Site::builder()
        .hook_yml("retry: {first: 1s, longest: 1s}\n")
        .start();
    let ids: Vec<String> = (1..=3)
        .map(|seed| site.hold(&Recording::lecture().seconds(6).seed(seed).padding(40 << 20)))
        .collect();
    let mut sending: Option<Running> = None;
    // Longer each time, so that some round is long enough for every step.
    for round in 1..=14_u64 {
        sending = sending.filter(|_| round % 3 != 0);
        let _ = sending.get_or_insert_with(|| site.start_sending());
        thread::sleep(Duration::from_millis(60 * round));
        site.kill_receiver();
        site.start_receiver();
    }
    for id in &ids {
        site.wait_done(id);
    }
    assert_eq!(site.claim_files().len(), 3, "{:?}", site.claim_files());
    assert_eq!(site.archived().len(), 3);
    eventually("the outbox is empty", LONG, || {
        site.waiting_jobs().is_empty().then_some(())
    });
}

#[test]
fn publish_dies_and_leaves_nothing_half_done() {
    let site = Site::start();
    let id = site.node.add(&Recording::tiny().slides(40)).unwrap();
    for round in 0..20_u64 {
        let mut command = std::process::Command::new(support::harness::program("bbb2pod-hook"));
        command
            .args(["publish", "-m", &id, "-f", "presentation", "--config"])
            .arg(site.hook_config());
        let running = Running::start(&mut command, &site.path("publish.log"));
        thread::sleep(Duration::from_micros(400 * round));
        running.kill();
    }
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    exactly_one(&site, &id);
}
