//! A recording is erased: nothing on the receiver's disk names it any more, others stay, and it does
//! not come back by itself. A person is taken out of what can be changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::process::Command;
use std::time::Duration;

use support::harness::{Finished, Site, eventually_or};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn nothing_of_an_erased_recording_is_left() {
    let mut site = Site::start();
    let gone = site.hold(&Recording::tiny());
    let kept = site.hold(&Recording::tiny().seed(2));
    site.hook(["send"]).success();
    site.wait_done(&gone);
    site.wait_done(&kept);

    let would = site.receiver(["recording", "erase", &gone]);
    assert!(
        would.stdout.contains("archive/published/presentation"),
        "{would:?}"
    );
    assert!(
        would.stderr.contains("In Pod, where it stays: claim"),
        "{would:?}"
    );
    would.success();
    let busy = site.receiver(["recording", "erase", &gone, "--yes"]);
    let said = busy.failure(2);
    assert!(said.contains("stop the service"), "{said}");
    assert!(site.archived().iter().any(|path| path.ends_with(&gone)));

    site.kill_receiver();
    site.receiver(["recording", "erase", &gone, "--yes"])
        .success();
    // Names and contents alike; the claim directory is Pod's.
    for look in ["find . -name '*ID*'", "grep -rl ID ."] {
        let command = format!("cd receiver && {{ {look}; }} || true").replace("ID", &gone);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(site.path(""));
        let found = Finished::of(&mut shell).success();
        assert_eq!(found, "", "{look}");
    }
    let again = site.receiver(["recording", "erase", &gone, "--yes"]);
    assert!(again.stderr.contains("is erased already"), "{again:?}");
    again.success();
    let never = site.receiver(["recording", "erase", "never-seen", "--yes"]);
    assert!(never.failure(2).contains("there is nothing of never-seen"));

    site.start_receiver();
    site.wait_done(&kept);
    let story = site.receiver(["recording", "show", &kept]).success();
    assert!(story.contains(&kept), "{story}");
}

#[test]
fn what_was_erased_comes_back_only_when_it_is_asked_for() {
    let mut site = Site::builder()
        .receiver_yml("import: {settle: 1s}\n")
        .start();
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    site.kill_receiver();
    site.receiver(["recording", "erase", &id, "--yes"])
        .success();
    site.start_receiver();

    // Neither the node's sweep nor an administrator of the node brings it back.
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    assert_eq!(site.waiting_jobs().len(), 0);
    let status = site.hook(["status"]).success();
    assert!(status.contains("erased at the receiver"), "{status}");
    // Nor a file that somebody drops into the spool.
    let tar = site.path("dropped.tar");
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(
        site.node
            .folder("presentation", &id)
            .parent()
            .unwrap()
            .parent()
            .unwrap(),
    );
    pack.arg("-cf").arg(&tar).arg(format!("presentation/{id}"));
    Finished::of(&mut pack).success();
    std::fs::rename(
        &tar,
        site.path("receiver/spool")
            .join(format!("{id}-presentation.tar")),
    )
    .unwrap();
    eventually_or(
        "it is dropped",
        LONG,
        || site.receiver_log(),
        || {
            site.receiver_log()
                .contains("was erased has come again")
                .then_some(())
        },
    );
    assert!(site.archived().is_empty(), "{:?}", site.archived());
    let story = site.receiver(["recording", "show", &id]);
    assert_ne!(story.code, Some(0), "{story:?}");
    // Nor another client: it is told why.
    let token = std::fs::read_to_string(site.token_file()).unwrap();
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-X",
        "POST",
        "-H",
        "Tus-Resumable: 1.0.0",
        "-H",
        "Upload-Length: 5",
    ]);
    curl.args(["-H", &format!("Authorization: Bearer {}", token.trim())]);
    let name = base64(&format!("{id}-presentation.tar"));
    curl.args(["-H", &format!("Upload-Metadata: filename {name}")]);
    let said =
        Finished::of(curl.args(["-w", "%{http_code}", &format!("{}/files/", site.address())]))
            .success();
    assert!(
        said.contains("erased at the receiver") && said.ends_with("410"),
        "{said}"
    );

    site.receiver(["recording", "admit", &id]).success();
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    site.wait_done(&id);
}

#[test]
fn an_erasure_that_was_killed_is_ended_by_the_next() {
    let mut site = Site::start();
    let ids = [1, 2, 3].map(|seed| site.hold(&Recording::tiny().seed(seed)));
    site.hook(["send"]).success();
    for id in &ids {
        site.wait_done(id);
    }
    site.kill_receiver();
    // As a kill leaves it: after the bar, after some files, after all files.
    for (id, gone) in ids.iter().zip([
        &[] as &[&str],
        &["media"],
        &[
            "media",
            "archive/published/presentation",
            "archive/manifests/presentation",
        ],
    ]) {
        for folder in gone {
            let of = site.path(&format!("receiver/{folder}"));
            for path in [of.join(id), of.join(format!("{id}.json"))] {
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
        }
        site.receiver(["recording", "erase", id, "--yes"]).success();
        let again = site.receiver(["recording", "erase", id, "--yes"]);
        assert!(again.stderr.contains("is erased already"), "{again:?}");
    }
    for id in &ids {
        let mut grep = Command::new("grep");
        let found = Finished::of(grep.args(["-rl", id]).arg(site.path("receiver")));
        assert_eq!(found.stdout, "");
    }
}

#[test]
fn a_person_is_taken_out_of_what_can_be_changed() {
    let mut site = Site::start();
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    let shown = site.receiver(["person", "show", "Alice Martin"]).success();
    let moderator = manifest(&site, &id)["moderators"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(moderator, "Alice Martin", "{shown}");
    assert!(
        shown.contains("moderator ") && shown.contains(&id),
        "{shown}"
    );
    let short = site.receiver(["person", "erase", "al", "--yes"]).failure(2);
    assert!(short.contains("too short"), "{short}");

    let would = site.receiver(["person", "erase", "Alice Martin"]).success();
    assert!(would.contains("moderator "), "{would}");
    assert_eq!(
        manifest(&site, &id)["moderators"][0]["name"],
        "Alice Martin"
    );
    site.kill_receiver();
    let before = manifest(&site, &id)["digest"].clone();
    for _ in 0..2 {
        let done = site
            .receiver(["person", "erase", "alice martin", "--yes"])
            .success();
        assert!(
            done.lines().all(|line| !line.starts_with("ledger")) || done.contains(&id),
            "{done}"
        );
    }
    let left = manifest(&site, &id);
    assert!(!left["moderators"].to_string().contains("Alice"), "{left}");
    assert_eq!(left["digest"], before, "what BBB published is as it was");
    let ledger = std::fs::read(site.path("receiver/ledger.db")).unwrap();
    assert!(!String::from_utf8_lossy(&ledger).contains("Alice Martin"));
    // The node is still told that it has arrived.
    site.start_receiver();
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    assert_eq!(site.waiting_jobs().len(), 0);
}

fn manifest(site: &Site, id: &str) -> serde_json::Value {
    let path = site
        .path("receiver/archive/manifests/presentation")
        .join(format!("{id}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
