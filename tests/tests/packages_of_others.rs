//! Packages of others: what the post-publish scripts of Scalelite and PILOS put into a spool, made
//! with the same programs and options, whole and broken.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::harness::{Finished, Site, eventually};

const LONG: Duration = Duration::from_secs(60);
const FORMATS: [&str; 3] = ["notes", "statistics", "whiteboard"];

fn site() -> Site {
    site_that_settles("1s")
}

fn site_that_settles(after: &str) -> Site {
    Site::builder()
        .receiver_yml(&format!("import: {{settle: {after}}}\n"))
        .start()
}

fn id_of(n: u32) -> String {
    format!("{n:040x}-1554230749920")
}

/// Publishes a recording in some formats, with files that need long names and one name twice.
fn publish(site: &Site, id: &str, formats: &[&str]) {
    for format in formats {
        let folder = site.node.published_dir().join(format).join(id);
        let deep = folder.join(format!("{}/{}", "deeper".repeat(12), "n".repeat(120)));
        fs::create_dir_all(&deep).unwrap();
        let metadata = format!(
            "<recording><id>{id}</id><state>published</state><published>true</published>\
             <meta><meetingName>Others</meetingName></meta><playback><format>{format}</format></playback></recording>"
        );
        fs::write(folder.join("metadata.xml"), metadata).unwrap();
        fs::write(deep.join("é.txt"), format!("{format} of {id}")).unwrap();
        fs::write(folder.join("content"), vec![7; 100_000]).unwrap();
        fs::hard_link(folder.join("content"), folder.join("again")).unwrap();
    }
}

/// `tar` as both scripts call it, in the folder of what is published.
fn tar(site: &Site, name: &str, folders: &[String]) -> PathBuf {
    let file = site.path(name);
    let mut command = Command::new("tar");
    command
        .args(["--create", "--file"])
        .arg(&file)
        .args(folders)
        .current_dir(site.node.published_dir());
    Finished::of(&mut command).success();
    file
}

/// `rsync` as both scripts call it.
fn transfer(file: &Path, options: &[&str], spool: &Path) {
    let mut command = Command::new("rsync");
    command
        .args(["--verbose", "--remove-source-files"])
        .args(options)
        .arg(file)
        .arg(spool);
    Finished::of(&mut command).success();
    assert!(!file.exists(), "the script's copy is gone");
}

#[track_caller]
fn archived(site: &Site, format: &str, id: &str) {
    let place = site
        .path("receiver/archive/published")
        .join(format)
        .join(id);
    eventually(&format!("{format} of {id} is archived"), LONG, || {
        place.join("metadata.xml").exists().then_some(())
    });
    let published = site.node.published_dir().join(format).join(id);
    let mut diff = Command::new("diff");
    diff.arg("-r").arg(&published).arg(&place);
    Finished::of(&mut diff).success();
}

fn reason(site: &Site, name: &str) -> String {
    let reason = site.path(&format!("receiver/spool/rejected/{name}.tar.reason"));
    eventually(&format!("{name} is rejected"), LONG, || {
        // The tar comes after its reason.
        let text = fs::read_to_string(&reason).ok()?;
        reason.with_extension("").exists().then_some(text)
    })
}

#[test]
fn what_the_scripts_deliver_is_imported() {
    let site = site();
    let spool = site.path("receiver/spool");
    let (scalelite, pilos) = (id_of(1), id_of(2));
    publish(&site, &scalelite, &FORMATS);
    publish(&site, &pilos, &FORMATS[..2]);

    // Scalelite: one tar of all formats.
    let folders: Vec<_> = FORMATS.iter().map(|f| format!("{f}/{scalelite}")).collect();
    let file = tar(&site, &format!("{scalelite}.tar"), &folders);
    transfer(&file, &["--protect-args"], &spool);

    // PILOS: one tar for each, in a folder of the spool for one of several installations.
    let below = spool.join("tenant-1");
    fs::create_dir(&below).unwrap();
    for format in &FORMATS[..2] {
        let folder = format!("{format}/{pilos}");
        let file = tar(&site, &format!("{pilos}-{format}.tar"), &[folder]);
        transfer(&file, &["--chmod=664"], &below);
    }

    for format in FORMATS {
        archived(&site, format, &scalelite);
    }
    for format in &FORMATS[..2] {
        archived(&site, format, &pilos);
    }
    eventually("the spool is empty", LONG, || {
        let tars = walkdir::WalkDir::new(&spool).into_iter().flatten();
        let left = tars.filter(|e| e.path().extension().is_some_and(|e| e == "tar"));
        (left.count() == 0).then_some(())
    });
    let story = site.story(&scalelite);
    for format in FORMATS {
        assert!(story.contains(&format!("archived {format},")), "{story}");
    }
    site.receiver(["reconcile", "--deep"]).success();
    // Who asks for one that no node is known to have sent is answered as well.
    let state = site.state(&scalelite).unwrap();
    let archived_formats = state["packages"].as_array().unwrap().iter();
    let archived_formats = archived_formats.filter(|p| p["status"] == "archived");
    assert_eq!(archived_formats.count(), FORMATS.len(), "{state}");

    // Scalelite's script runs once for every format and sends all of them each time.
    let file = tar(&site, &format!("{scalelite}.tar"), &folders);
    transfer(&file, &["--protect-args"], &spool);
    eventually("it came again", LONG, || {
        let story = site.story(&scalelite);
        (story.matches("came again").count() == FORMATS.len()).then_some(())
    });
    assert_eq!(site.archived().len(), 5);
}

#[test]
fn a_bad_format_does_not_keep_the_good_ones_out() {
    let site = site();
    let spool = site.path("receiver/spool");
    type Damage = fn(&Path);
    let faults: [(u32, &str, Damage); 4] = [
        (11, "metadata.xml", |folder| {
            fs::write(folder.join("metadata.xml"), "<recording><id>x").unwrap();
        }),
        (12, "there is no metadata.xml", |folder| {
            fs::remove_file(folder.join("metadata.xml")).unwrap();
        }),
        // The folder's name is what BBB goes by: what disagrees with it is told.
        (14, "", |folder| {
            let file = folder.join("metadata.xml");
            let text = fs::read_to_string(&file).unwrap();
            let id = folder.file_name().unwrap().to_str().unwrap();
            fs::write(&file, text.replace(id, "another-1554230749920")).unwrap();
        }),
        (13, "", |folder| {
            // A link into the machine is left out, and says nothing against the rest.
            std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        }),
    ];
    for (n, said, damage) in faults {
        let id = id_of(n);
        publish(&site, &id, &FORMATS);
        damage(&site.node.published_dir().join("statistics").join(&id));
        let folders: Vec<_> = FORMATS.iter().map(|f| format!("{f}/{id}")).collect();
        let file = tar(&site, &format!("{id}.tar"), &folders);
        transfer(&file, &["--protect-args"], &spool);
        archived(&site, "notes", &id);
        archived(&site, "whiteboard", &id);
        let bad = site.path("receiver/archive/published/statistics").join(&id);
        if said.is_empty() {
            eventually("all are archived", LONG, || bad.exists().then_some(()));
            assert!(!bad.join("link").exists());
            let text = fs::read_to_string(bad.join("metadata.xml")).unwrap();
            let is_told = site.story(&id).contains("is that of another-1554230749920");
            assert_eq!(is_told, !text.contains(&id), "{}", site.story(&id));
            continue;
        }
        let text = reason(&site, &id);
        assert!(
            text.contains(&format!("statistics of {id}")) && text.contains(said),
            "{text}"
        );
        assert!(text.contains("imported: "), "{text}");
        assert!(!bad.exists());
        let said = site.receiver(["reconcile"]);
        assert_eq!(said.code, Some(1), "{}", said.all());
        assert!(said.stdout.contains(&id), "{}", said.all());
    }
}

#[test]
fn a_tar_that_ends_early_is_rejected_from_where_it_ends() {
    let site = site();
    let spool = site.path("receiver/spool");
    let id = id_of(21);
    publish(&site, &id, &FORMATS);
    let folders: Vec<_> = FORMATS.iter().map(|f| format!("{f}/{id}")).collect();
    let bytes = fs::read(tar(&site, "whole.tar", &folders)).unwrap();
    let first = fs::read(tar(&site, "first.tar", &folders[..1])).unwrap();
    // Without the mark at its end a tar of one format may lack the rest of it.
    let end = first.iter().rposition(|byte| *byte != 0).unwrap();
    let end = (end + 1).next_multiple_of(512);
    for (name, cut) in [("cut-at-the-mark", end), ("cut-in-a-file", end + 60_000)] {
        fs::write(spool.join(format!("{name}.tar")), &bytes[..cut]).unwrap();
    }
    fs::write(spool.join("nothing.tar"), "").unwrap();
    fs::write(spool.join("no-tar.tar"), vec![b'x'; 2000]).unwrap();
    let text = reason(&site, "cut-at-the-mark");
    assert!(
        text.contains(&format!("notes of {id}")) && text.contains("mark"),
        "{text}"
    );
    let text = reason(&site, "cut-in-a-file");
    assert!(text.contains(&format!("statistics of {id}")), "{text}");
    assert!(text.contains(&format!("imported: notes of {id}")), "{text}");
    archived(&site, "notes", &id);
    assert!(!reason(&site, "nothing").is_empty());
    assert!(!reason(&site, "no-tar").is_empty());
    assert_eq!(site.archived().len(), 1);
}

#[test]
fn a_tar_that_still_grows_waits_and_one_that_only_paused_comes_back() {
    let site = site_that_settles("3s");
    let spool = site.path("receiver/spool");
    let ids = [id_of(31), id_of(32)];
    for id in &ids {
        publish(&site, id, &FORMATS[..1]);
    }
    let tar_of = |id: &str| fs::read(tar(&site, "growing.tar", &[format!("notes/{id}")])).unwrap();

    // As cp over a slow share does: in its final place, bit by bit, for longer than it takes to
    // settle.
    let bytes = tar_of(&ids[0]);
    let mut file = File::create(spool.join("growing.tar")).unwrap();
    for piece in bytes.chunks(bytes.len() / 16 + 1) {
        file.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(250));
    }
    archived(&site, "notes", &ids[0]);
    assert!(
        !spool.join("rejected").exists(),
        "it was never taken for whole"
    );

    // The share hangs in the middle for so long that what is there is taken for all.
    let bytes = tar_of(&ids[1]);
    let mut file = File::create(spool.join("paused.tar")).unwrap();
    file.write_all(&bytes[..60_000]).unwrap();
    assert!(!reason(&site, "paused").is_empty());
    file.write_all(&bytes[60_000..]).unwrap();
    drop(file);
    archived(&site, "notes", &ids[1]);
    eventually("nothing is rejected any more", LONG, || {
        (fs::read_dir(spool.join("rejected")).unwrap().count() == 0).then_some(())
    });
}
