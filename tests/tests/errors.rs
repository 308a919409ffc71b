//! Bad input gets a clear error that names file and cause, and nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test stops where a surprise happens")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use recording::Manifest;
use recording::manifest::content_digest;
use recording::package::{About, gather};
use support::harness::{Finished, Site, eventually};
use support::samples::{Fault, Node, Recording};

const LONG: Duration = Duration::from_secs(90);
const PATIENT: &str = "retry: {first: 1s, longest: 1s}\n";

fn convert(site: &Site, id: &str) -> Finished {
    let folder = site.node.folder("presentation", id);
    let out = site.path("out.mp4");
    let mut command = Command::new(support::harness::program("bbb2pod-receiver"));
    Finished::of(command.arg("convert").arg(folder).arg("-o").arg(out))
}

fn replace_in(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(
        text.contains(from),
        "{} has no {from:?}: {text}",
        file.display()
    );
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Uploads a file as a package the way any tus client would; gives the HTTP status.
fn upload(site: &Site, tar: &Path, name: &str) -> String {
    let encode = |text: &str| {
        let mut base64 = Command::new("sh");
        base64
            .arg("-c")
            .arg(format!("printf %s '{text}' | base64 -w0"));
        Finished::of(&mut base64).success()
    };
    let token = fs::read_to_string(site.token_file()).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]);
    curl.args([
        "-H",
        "Tus-Resumable: 1.0.0",
        "-H",
        "Content-Type: application/offset+octet-stream",
    ]);
    curl.arg("-H")
        .arg(format!("Authorization: Bearer {}", token.trim()));
    curl.arg("-H").arg(format!(
        "Upload-Length: {}",
        fs::metadata(tar).unwrap().len()
    ));
    curl.arg("-H")
        .arg(format!("Upload-Metadata: filename {}", encode(name)));
    curl.arg("--data-binary").arg(format!("@{}", tar.display()));
    Finished::of(curl.arg(format!("{}/files/", site.address()))).success()
}

fn rejected(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.path("receiver/spool/rejected"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "reason"))
        .collect()
}

#[test]
fn a_wrong_key_is_named_with_its_path() {
    let site = Site::start();
    let hook = site.hook_config();
    replace_in(&hook, "token_file", "token_fil");
    let said = site.hook(["send"]).failure(2);
    assert!(
        said.contains("hook.yml") && said.contains("http") && said.contains("token_fil"),
        "{said}"
    );
    let said = site.hook(["status"]).failure(2);
    assert!(
        said.contains("token_file"),
        "the nearest key is named: {said}"
    );

    let receiver = site.receiver_config();
    replace_in(&receiver, "keep_free", "keep_fre");
    let said = site.receiver(["serve"]).failure(2);
    assert!(
        said.contains("receiver.yml") && said.contains("upload") && said.contains("keep_free"),
        "{said}"
    );
    replace_in(&receiver, "upload: {keep_fre: 0B}", "");
    replace_in(&receiver, "destination:", "destinatio:");
    let said = site.receiver(["check"]).failure(2);
    assert!(
        said.contains("receiver.yml") && said.contains("destination"),
        "{said}"
    );
}

#[test]
fn an_unknown_record_id_is_refused() {
    let site = Site::start();
    let id = "0000000000000000000000000000000000000000-1600000000000";
    let said = site
        .hook(["publish", "-m", id, "-f", "presentation"])
        .failure(2);
    assert!(said.contains(id) && said.contains("published"), "{said}");
    let said = site
        .hook(["publish", "-m", "../../etc", "-f", "presentation"])
        .failure(2);
    assert!(said.contains(".."), "{said}");
    let said = site.receiver(["recording", "show", id]).failure(2);
    assert!(said.contains(id), "{said}");
    assert_eq!(site.waiting_jobs().len(), 0);
}

#[test]
fn the_script_never_fails_bbb() {
    let site = Site::start();
    let id = site.node.add(&Recording::tiny()).unwrap();
    fs::write(site.hook_config(), "nonsense: [").unwrap();
    site.script(&["-m", &id, "-f", "presentation"]).success();
    fs::remove_file(site.hook_config()).unwrap();
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.script(&["-m", "no-such-recording"]).success();
    site.script(&["--unknown", "option", "-m", &id]).success();
}

#[test]
fn the_converter_names_the_file_that_it_cannot_use() {
    for (fault, file) in [
        (Fault::NoShapes, "shapes.svg"),
        (Fault::TruncatedShapes, "shapes.svg"),
        (Fault::TruncatedMetadata, "metadata.xml"),
        (Fault::NoMetadata, "metadata.xml"),
        (Fault::ZeroByteMedia, "video/webcams.webm"),
    ] {
        let site = Site::start();
        let id = site
            .node
            .add(&Recording::lecture().seconds(5).share(false))
            .unwrap();
        site.node.damage(&id, fault).unwrap();
        let finished = convert(&site, &id);
        assert!(
            finished.stderr.contains(file),
            "{}: {}",
            fault.name(),
            finished.all()
        );
        // Either there is a film without it, or nothing at all.
        let made = site.path("out.mp4").exists();
        let expected = if made { 0 } else { 2 };
        assert_eq!(
            finished.code,
            Some(expected),
            "{}: {}",
            fault.name(),
            finished.all()
        );
    }
}

#[test]
fn what_can_be_left_out_is_left_out_with_a_warning() {
    for (fault, word) in [
        (Fault::NoMedia, "no sound"),
        (Fault::NoSlides, "slide-1.png"),
        (Fault::UnknownShape, "hologram"),
    ] {
        let site = Site::start();
        let id = site.node.add(&Recording::lecture().seconds(5)).unwrap();
        site.node.damage(&id, fault).unwrap();
        let finished = convert(&site, &id);
        assert_eq!(
            finished.code,
            Some(0),
            "{}: {}",
            fault.name(),
            finished.all()
        );
        assert!(
            finished.all().contains(word),
            "{}: {}",
            fault.name(),
            finished.all()
        );
        assert!(site.path("out.mp4").exists(), "{}", fault.name());
    }
}

#[test]
fn hostile_content_does_no_harm() {
    for fault in [Fault::HostileHrefs, Fault::Entities, Fault::Symlinks] {
        let site = Site::start();
        let id = site.node.add(&Recording::tiny()).unwrap();
        site.node.damage(&id, fault).unwrap();
        site.script(&["-m", &id, "-f", "presentation"]).success();
        site.hook(["send"]);
        eventually("it is done or has failed", LONG, || {
            matches!(site.stage(&id)?.as_str(), "done" | "failed").then_some(())
        });
        let archive = site.path("receiver/archive");
        for entry in walkdir::WalkDir::new(&archive) {
            let entry = entry.unwrap();
            assert!(
                !entry.file_type().is_symlink(),
                "{}",
                entry.path().display()
            );
        }
        let passwd = fs::read(Path::new("/etc/passwd")).unwrap();
        for entry in walkdir::WalkDir::new(&archive)
            .into_iter()
            .flatten()
            .filter(|e| e.file_type().is_file())
        {
            assert!(
                fs::read(entry.path()).unwrap() != passwd,
                "{}",
                entry.path().display()
            );
        }
    }
}

#[test]
fn a_wrong_token_is_told_by_status() {
    let site = Site::builder().hook_yml(PATIENT).start();
    let id = site.hold(&Recording::tiny());
    let right = fs::read_to_string(site.token_file()).unwrap();
    fs::write(
        site.token_file(),
        "bbb2pod_0000000000000000000000000000000000000000000000000000000000000000",
    )
    .unwrap();
    assert_ne!(site.hook(["send"]).code, Some(0));
    let status = site.hook(["status"]);
    assert_eq!(status.code, Some(1));
    assert!(
        status.all().contains("401") && status.all().contains("token"),
        "{}",
        status.all()
    );
    assert_eq!(site.waiting_jobs().len(), 1, "nothing is lost");
    fs::write(site.token_file(), right).unwrap();
    site.hook(["send"]).success();
    site.wait_done(&id);
}

#[test]
fn a_receiver_that_is_down_is_waited_for() {
    let mut site = Site::builder().hook_yml(PATIENT).start();
    let id = site.hold(&Recording::tiny());
    site.kill_receiver();
    site.hook(["send"]).failure(3);
    let status = site.hook(["status"]).all();
    assert!(
        status.contains("receiver down") && status.contains(&id),
        "{status}"
    );
    let sending = site.start_sending();
    site.start_receiver();
    site.wait_done(&id);
    eventually("the outbox is empty", LONG, || {
        site.waiting_jobs().is_empty().then_some(())
    });
    assert!(sending.terminate(Duration::from_secs(20)).success());
}

#[test]
fn a_full_receiver_takes_it_later() {
    let site = Site::builder()
        .receiver_yml("upload: {keep_free: 1EiB}\n")
        .hook_yml(PATIENT)
        .start();
    let id = site.hold(&Recording::tiny());
    assert_ne!(site.hook(["send"]).code, Some(0));
    let status = site.hook(["status"]).all();
    assert!(
        status.contains("disk full") || status.contains("507"),
        "{status}"
    );
    assert_eq!(site.waiting_jobs().len(), 1);
    assert!(site.state(&id).is_none());

    let mut site = site;
    site.kill_receiver();
    replace_in(&site.receiver_config(), "1EiB", "0B");
    site.start_receiver();
    site.hook(["send"]).success();
    site.wait_done(&id);
}

#[test]
fn a_damaged_package_is_rejected_and_sent_again() {
    let mut site = Site::builder().hook_yml(PATIENT).start();
    let id = site.hold(&Recording::tiny().padding(300 << 20));
    let sending = site.start_sending();
    let spool = site.path("receiver/spool");
    let package = eventually("a package is in the spool", LONG, || {
        let entries = fs::read_dir(&spool)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        entries
            .into_iter()
            .find(|path| path.extension().is_some_and(|e| e == "tar"))
    });
    site.kill_receiver();
    // One byte of the sparse file's content: only its digest can tell.
    let file = fs::OpenOptions::new().write(true).open(&package).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 200 << 20).unwrap();
    drop(file);
    site.start_receiver();
    site.wait_done(&id);
    let reasons = rejected(&site);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let reason = fs::read_to_string(&reasons[0]).unwrap();
    assert!(reason.contains("padding.bin"), "{reason}");
    assert!(site.story(&id).contains("reject"), "{}", site.story(&id));
    assert_eq!(site.claims().len(), 1);
    drop(sending);
}

/// A member without any check of its name.
fn member(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// The manifest of a recording with one small file.
fn small_manifest(root: &Path, id: &str) -> Manifest {
    let folder = root.join("presentation").join(id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("x"), b"evil").unwrap();
    let about = About {
        record_id: id.parse().unwrap(),
        format: "presentation".parse().unwrap(),
        node: "evil".to_owned(),
        hook_version: "0".to_owned(),
        published_at: jiff::Timestamp::UNIX_EPOCH,
        events_xml: None,
    };
    gather(root, &about).unwrap()
}

#[test]
fn evil_members_are_rejected() {
    let site = Site::start();
    let scratch = tempfile::tempdir().unwrap();
    let file = tar::EntryType::Regular;
    let prefix = |id: &str| format!("presentation/{id}");
    // What the tar says, and whether its manifest says so too.
    type Evil = (
        &'static str,
        tar::EntryType,
        fn(&str) -> String,
        &'static str,
        bool,
    );
    let cases: [Evil; 9] = [
        (
            "parent",
            file,
            |p| format!("{p}/../../../../evil"),
            "",
            false,
        ),
        (
            "listed parent",
            file,
            |p| format!("{p}/../../../../evil"),
            "",
            true,
        ),
        (
            "absolute name",
            file,
            |_| "/tmp/bbb2pod-evil".to_owned(),
            "",
            false,
        ),
        (
            "listed absolute name",
            file,
            |_| "/tmp/bbb2pod-evil".to_owned(),
            "",
            true,
        ),
        ("unlisted file", file, |p| format!("{p}/y"), "", false),
        (
            "symlink",
            tar::EntryType::Symlink,
            |p| format!("{p}/x"),
            "/etc/passwd",
            false,
        ),
        (
            "hard link",
            tar::EntryType::Link,
            |p| format!("{p}/x"),
            "/etc/passwd",
            false,
        ),
        (
            "device",
            tar::EntryType::Char,
            |p| format!("{p}/x"),
            "",
            false,
        ),
        (
            "fifo",
            tar::EntryType::Fifo,
            |p| format!("{p}/x"),
            "",
            false,
        ),
    ];
    for (k, (what, kind, name, link, listed)) in cases.into_iter().enumerate() {
        let id = format!("{k:040}-1600000000000");
        let name = name(&prefix(&id));
        let mut manifest = small_manifest(scratch.path(), &id);
        if listed {
            manifest.files[0].path.clone_from(&name);
            manifest.digest = content_digest(&manifest.files);
        }
        let content: &[u8] = if kind.is_file() { b"evil" } else { b"" };
        let mut bytes = member(file, "bbb2pod.json", "", &manifest.to_json().unwrap());
        bytes.extend(member(kind, &name, link, content));
        bytes.resize(bytes.len() + 1024, 0);
        let tar = site.path("evil.tar");
        fs::write(&tar, bytes).unwrap();
        let status = upload(&site, &tar, &format!("{id}-presentation.tar"));
        assert_eq!(status, "201", "{what}");
        eventually(
            &format!("the package with a {what} is rejected"),
            LONG,
            || (rejected(&site).len() == k + 1).then_some(()),
        );
    }
    assert_eq!(site.archived(), Vec::<PathBuf>::new());
    assert!(!Path::new("/tmp/bbb2pod-evil").exists());
    for entry in walkdir::WalkDir::new(site.path("")).into_iter().flatten() {
        assert_ne!(entry.file_name(), "evil", "{}", entry.path().display());
    }
    // The same way in takes a good package.
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
}

#[test]
fn a_package_with_too_many_members_is_rejected() {
    let site = Site::builder()
        .receiver_yml("import: {max_members: 10}\n")
        .start();
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]);
    eventually("it is rejected", LONG, || {
        (!rejected(&site).is_empty()).then_some(())
    });
    let reason = fs::read_to_string(&rejected(&site)[0]).unwrap();
    assert!(reason.contains("10"), "{reason}");
    assert!(site.hook(["status"]).all().contains("reject"));
    assert!(site.story(&id).contains("reject") || site.state(&id).is_some());
}

#[test]
fn a_full_disk_on_the_node_loses_nothing() {
    let site = Site::start();
    let disk = site.path("node/var/bigbluebutton");
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=4m", "none"])
        .arg(&disk);
    if Finished::of(&mut mount).code != Some(0) {
        eprintln!("not tried: only root may mount a small disk");
        return;
    }
    let _unmounted_at_the_end = Unmount(disk.clone());
    let node = Node::create(site.node.root(), site.node.generation()).unwrap();
    let id = node.add(&Recording::tiny()).unwrap();
    fs::create_dir_all(site.outbox()).unwrap();
    let filler = disk.join("filler");
    let zeros = vec![0; 5 << 20];
    assert!(fs::write(&filler, zeros).is_err(), "the disk is full");

    let said = site
        .hook(["publish", "-m", &id, "-f", "presentation"])
        .failure(1);
    assert!(
        said.contains("bbb2pod/outbox") && said.contains("No space left"),
        "{said}"
    );
    assert_eq!(site.waiting_jobs().len(), 0, "nothing half-done is there");
    fs::remove_file(filler).unwrap();
    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    site.wait_done(&id);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        Finished::of(Command::new("umount").arg("-l").arg(&self.0));
    }
}
