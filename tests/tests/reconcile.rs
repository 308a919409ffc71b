//! `bbb2pod-receiver reconcile` over a receiver to which something was done at every place.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::harness::{Delivery, Finished, Site};
use support::pod::{ADMIN_TOKEN, StandInPod};
use support::samples::Recording;

/// What differs: record id, place, kind.
fn differences(site: &Site, options: &[&str], code: i32) -> Vec<(String, String, String)> {
    let mut command = Command::new(support::harness::program("bbb2pod-receiver"));
    command
        .args(["reconcile", "--json", "--config"])
        .arg(site.receiver_config())
        .args(options);
    let said = Finished::of(&mut command);
    assert_eq!(said.code, Some(code), "{}", said.all());
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    let word = |d: &Value, key: &str| d[key].as_str().unwrap_or("-").to_owned();
    let one = |d: &Value| (word(d, "record_id"), word(d, "place"), word(d, "kind"));
    found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}

#[test]
fn every_place_is_looked_at() {
    let pod = StandInPod::start();
    let secrets = tempfile::tempdir().unwrap();
    let token = secrets.path().join("token");
    fs::write(&token, ADMIN_TOKEN).unwrap();
    let section = format!(
        "destination: {{kind: upload, url: '{}', token_file: {}, type: Autre, default_owner: staff1}}\n",
        pod.url(),
        token.display(),
    );
    let site = Site::builder()
        .delivery(Delivery::Section(section))
        .receiver_yml("import: {settle: 1s}\n")
        .start();
    let ids: Vec<String> = (1..=3)
        .map(|seed| site.hold(&Recording::tiny().seed(seed)))
        .collect();
    site.hook(["send"]).success();
    for id in &ids {
        site.wait_done(id);
    }
    assert!(differences(&site, &["--deep"], 0).is_empty());
    let of = |id: &str, place: &str, kind: &str| (id.to_owned(), place.to_owned(), kind.to_owned());

    // The archive: a file that is gone, one that nobody put there, one of which a bit has turned.
    let folder = |id: &str| site.path(&format!("receiver/archive/published/presentation/{id}"));
    let files = files_in(&folder(&ids[0]));
    let turned = files
        .iter()
        .find(|f| fs::metadata(f).unwrap().len() > 100)
        .unwrap();
    let kept = fs::read(turned).unwrap();
    let mut bytes = kept.clone();
    bytes[50] ^= 1;
    fs::write(turned, bytes).unwrap();
    assert!(
        differences(&site, &[], 0).is_empty(),
        "without reading it cannot be seen"
    );
    assert_eq!(
        differences(&site, &["--deep"], 1),
        [of(&ids[0], "archive", "changed")]
    );
    // From then on it is known, told everywhere, and confirmed to nobody.
    assert_eq!(
        differences(&site, &[], 1),
        [of(&ids[0], "archive", "changed")]
    );
    let shown = site.receiver(["recording", "show", &ids[0]]).success();
    assert!(shown.contains("Damaged      presentation, "), "{shown}");
    assert!(
        shown.contains("copy of presentation is damaged or lost: changed: "),
        "{shown}"
    );
    let list = site.receiver(["recording", "list"]).success();
    let of_it: Vec<_> = list.lines().filter(|l| l.contains("damaged")).collect();
    assert_eq!(of_it.len(), 1, "{list}");
    assert!(of_it[0].starts_with(&ids[0]), "{list}");
    let status = site.receiver(["status"]);
    assert_eq!(status.code, Some(1), "{}", status.all());
    assert!(
        status.stdout.contains("Damaged     1 formats"),
        "{}",
        status.all()
    );
    let client = support::tus::Client::of(&site);
    let answer = client.ask("GET", &format!("/api/v1/recordings/{}", ids[0]), &[], b"");
    assert!(answer.body.contains("\"damaged\""), "{answer:?}");
    // Sent again, every byte is read, and the good copy takes the place of the damaged one.
    site.hook(["publish", "-m", &ids[0]]).success();
    site.hook(["send"]).success();
    support::harness::eventually("it is whole", std::time::Duration::from_secs(90), || {
        let shown = site.receiver(["recording", "show", &ids[0]]).success();
        shown.contains("which was damaged, is whole").then_some(())
    });
    assert!(differences(&site, &["--deep"], 0).is_empty());
    assert_eq!(fs::read(turned).unwrap(), kept);

    fs::write(turned, &kept[1..]).unwrap();
    assert_eq!(
        differences(&site, &[], 1),
        [of(&ids[0], "archive", "changed")]
    );
    fs::remove_file(turned).unwrap();
    fs::write(folder(&ids[0]).join("strange"), "x").unwrap();
    let archive = [
        of(&ids[0], "archive", "missing"),
        of(&ids[0], "archive", "extra"),
    ];
    assert_eq!(differences(&site, &[], 1), archive);
    fs::write(turned, &kept).unwrap();
    fs::remove_file(folder(&ids[0]).join("strange")).unwrap();
    let away = site.path("away");
    fs::rename(folder(&ids[0]), &away).unwrap();
    assert_eq!(
        differences(&site, &[], 1),
        [of(&ids[0], "archive", "missing")]
    );
    fs::rename(&away, folder(&ids[0])).unwrap();
    // Brought back by hand it counts again once it was read.
    assert_eq!(
        differences(&site, &[], 1),
        [of(&ids[0], "archive", "changed")]
    );
    assert!(differences(&site, &["--deep"], 0).is_empty());
    assert!(differences(&site, &[], 0).is_empty());
    fs::create_dir_all(folder("stranger-1")).unwrap();
    assert_eq!(
        differences(&site, &[], 1),
        [of("stranger-1", "archive", "extra")]
    );
    fs::remove_dir(folder("stranger-1")).unwrap();

    // The videos.
    let video = |id: &str| site.path(&format!("receiver/media/{id}/video-0.mp4"));
    fs::rename(video(&ids[1]), &away).unwrap();
    fs::create_dir(site.path("receiver/media/stranger-2")).unwrap();
    let media = [
        of(&ids[1], "media", "missing"),
        of("stranger-2", "media", "extra"),
    ];
    let mut found = differences(&site, &[], 1);
    found.sort_by_key(|(id, ..)| id != &ids[1]);
    assert_eq!(found, media);
    fs::rename(&away, video(&ids[1])).unwrap();
    fs::remove_dir(site.path("receiver/media/stranger-2")).unwrap();

    // Pod: somebody has deleted a video there.
    let first = pod.videos()[0].id;
    let mut delete = Command::new("curl");
    delete
        .args(["-sf", "-X", "DELETE", "-H"])
        .arg(format!("Authorization: Token {ADMIN_TOKEN}"))
        .arg(format!(
            "{}/rest/videos/{first}/",
            pod.url().trim_end_matches('/')
        ));
    Finished::of(&mut delete).success();
    let found = differences(&site, &[], 1);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].1.as_str(), found[0].2.as_str()),
        ("pod", "deleted")
    );
    assert!(differences(&site, &["--no-pod"], 0).is_empty());

    // The spool: a package that was rejected and never came again.
    fs::write(site.path("receiver/spool/rejected-one.tar"), "no tar").unwrap();
    support::harness::eventually("it is rejected", std::time::Duration::from_secs(90), || {
        let reason = site.path("receiver/spool/rejected/rejected-one.tar.reason");
        reason.exists().then_some(())
    });
    let found = differences(&site, &["--no-pod"], 1);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].1, "spool");
    let said = site.receiver(["reconcile", "--no-pod"]);
    let named = site.path("receiver/spool/rejected/rejected-one.tar");
    assert!(
        said.stdout
            .contains(&format!("{} was rejected: ", named.display())),
        "{}",
        said.all()
    );
    fs::remove_dir_all(site.path("receiver/spool/rejected")).unwrap();
    assert!(differences(&site, &["--no-pod"], 0).is_empty());

    // What a node sent under no name is shown with the node, and with its alone.
    let path = client.create(6);
    assert_eq!(client.patch(&path, 0, b"no tar").status, 204);
    let id = path.rsplit_once('/').unwrap().1;
    let aside = site.path(&format!("receiver/spool/rejected/upload~{id}.tar"));
    support::harness::eventually("it is rejected", std::time::Duration::from_secs(90), || {
        aside.exists().then_some(())
    });
    let all = site.receiver(["reconcile", "--no-pod"]);
    let node = "bbb1.example.org";
    let of_node = site.receiver(["reconcile", "--no-pod", "--node", node]);
    for said in [all, of_node] {
        assert_eq!(said.code, Some(1), "{}", said.all());
        let line = format!("{}, sent by {node}, was rejected: ", aside.display());
        assert!(said.stdout.contains(&line), "{}", said.all());
    }
    fs::remove_dir_all(site.path("receiver/spool/rejected")).unwrap();

    // What nobody takes is told by everything that looks at the spool, and by the log.
    let spool = site.path("receiver/spool");
    fs::write(spool.join("incoming/lost.tar"), "x").unwrap();
    fs::create_dir(spool.join("rejected")).unwrap();
    fs::write(spool.join("rejected/by-hand.tar"), "x").unwrap();
    fs::write(spool.join("packed.tar.gz"), "x").unwrap();
    let names = ["incoming/lost.tar", "rejected/by-hand.tar", "packed.tar.gz"];
    let long = std::time::Duration::from_secs(90);
    support::harness::eventually("they stand still", long, || {
        let said = site.receiver(["reconcile", "--no-pod"]).stdout;
        let told = said.lines().filter(|line| line.contains("\textra\t"));
        (told.count() == names.len()).then_some(())
    });
    let status = site.receiver(["status"]);
    assert_eq!(status.code, Some(1), "{}", status.all());
    for name in names {
        let shown = spool.join(name).display().to_string();
        assert!(status.stdout.contains(&shown), "{}", status.all());
        support::harness::eventually("it is in the log", long, || {
            site.receiver_log().contains(&shown).then_some(())
        });
        fs::remove_file(spool.join(name)).unwrap();
    }

    // What its node hides or has pruned is told and is no difference; what it has deleted is one,
    // and so is what it pruned and the archive has lost.
    let tell = |state: &str| {
        let told = serde_json::json!({"recordings": [{
            "record_id": ids[2], "format": "presentation", "state": state,
            "since": "2026-01-02T03:04:05Z",
        }]});
        let json = [("Content-Type", "application/json")];
        let path = "/api/v1/node/states";
        let answer = client.ask("POST", path, &json, told.to_string().as_bytes());
        assert_eq!(answer.status, 204, "{answer:?}");
    };
    tell("unpublished");
    let said = site.receiver(["reconcile", "--no-pod"]);
    assert_eq!(said.code, Some(0), "{}", said.all());
    let line = format!("{}\tpresentation\tnode\tunpublished\t", ids[2]);
    assert!(said.stdout.contains(&line), "{}", said.all());
    tell("deleted");
    assert_eq!(
        differences(&site, &["--no-pod"], 1),
        [of(&ids[2], "node", "deleted")]
    );
    tell("pruned");
    let said = site.receiver(["reconcile", "--no-pod"]);
    assert_eq!(said.code, Some(0), "{}", said.all());
    assert!(said.stderr.contains("1 pruned"), "{}", said.all());
    let list = site.receiver(["recording", "list"]).success();
    assert!(list.contains("presentation pruned on"), "{list}");

    // Pod is gone: nothing else differs for this node, and that is told apart.
    drop(pod);
    assert!(differences(&site, &["--node", "bbb1.example.org"], 3).is_empty());
    let unknown = site.receiver(["reconcile", "--node", "nobody"]).failure(2);
    assert!(unknown.contains("node list"), "{unknown}");
}
