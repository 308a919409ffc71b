//! The sample recordings are what they say: whole, readable, the same every time.

#![allow(clippy::unwrap_used, reason = "a test stops where a surprise happens")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use recording::events::Events;
use recording::{Metadata, PlaybackFormat};
use support::samples::{Fault, Generation, Node, Recording};

fn small() -> Recording {
    Recording::lecture().seconds(4)
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(root).unwrap();
            (
                name.display().to_string(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

fn length_of(path: &Path) -> f64 {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn every_generation_publishes_what_its_scripts_write() {
    for generation in Generation::ALL {
        let root = tempfile::tempdir().unwrap();
        let node = Node::create(root.path(), generation).unwrap();
        let id = node.add(&small()).unwrap();
        let folder = node.folder("presentation", &id);
        let has = |name: &str| folder.join(name).exists();

        for name in [
            "metadata.xml",
            "shapes.svg",
            "panzooms.xml",
            "cursor.xml",
            "slides_new.xml",
            "video/webcams.webm",
        ] {
            assert!(has(name), "{generation}: {name}");
        }
        assert_eq!(
            has("captions.json"),
            generation >= Generation::V1_1,
            "{generation}"
        );
        assert_eq!(
            has("deskshare/deskshare.webm"),
            generation >= Generation::V2_0,
            "{generation}"
        );
        assert_eq!(
            has("deskshare.xml"),
            generation >= Generation::V2_0,
            "{generation}"
        );
        assert_eq!(
            has("presentation_text.json"),
            generation >= Generation::V2_0,
            "{generation}"
        );
        assert_eq!(
            has("notes.html"),
            generation >= Generation::V2_2,
            "{generation}"
        );
        assert_eq!(
            has("polls.json"),
            generation >= Generation::V2_4,
            "{generation}"
        );
        assert_eq!(
            has("tldraw.json"),
            generation >= Generation::V2_6,
            "{generation}"
        );
        assert!(!has("audio"), "{generation}: sound is in the webcams");
        assert!(
            (length_of(&folder.join("video/webcams.webm")) - 4.0).abs() < 0.2,
            "{generation}"
        );

        let metadata = Metadata::read(&folder.join("metadata.xml")).unwrap();
        assert_eq!(metadata.record_id.as_str(), id);
        assert!(metadata.published);
        assert_eq!(metadata.title(), Some("Graphs and trees"));
        let format: PlaybackFormat = "presentation".parse().unwrap();
        assert_eq!(
            metadata.playback_of(&format).unwrap().duration_ms,
            Some(4000)
        );
        assert_eq!(
            metadata.meta("bbb-context"),
            Some("Algorithmique & structures de données")
        );

        let events = Events::read(&node.events_xml(&id)).unwrap();
        assert_eq!(events.cut_short, None, "{generation}");
        let moderators: Vec<_> = events
            .moderators
            .iter()
            .map(|m| m.external_user_id.as_str())
            .collect();
        assert_eq!(moderators, ["alice.martin"], "{generation}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let make = || {
        let root = tempfile::tempdir().unwrap();
        let node = Node::create(root.path(), Generation::V2_4).unwrap();
        let id = node
            .add(
                &small()
                    .seed(9)
                    .formats(&["presentation", "podcast", "notes"]),
            )
            .unwrap();
        let published = node.published_dir();
        (id, files(&published), root)
    };
    let (first, second) = (make(), make());
    assert_eq!(first.0, second.0);
    assert_eq!(
        first.1.keys().collect::<Vec<_>>(),
        second.1.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &first.1 {
        assert!(second.1[name] == *bytes, "{name} differs");
    }
}

#[test]
fn other_formats_and_breakouts() {
    let root = tempfile::tempdir().unwrap();
    let node = Node::create(root.path(), Generation::V3_0).unwrap();
    let formats = ["presentation", "video", "podcast", "notes", "screenshare"];
    let parent = "d2d9a672040fbde2a47a10bf6c37b6a4b5ae187f-1741000000000";
    let id = node
        .add(&Recording::tiny().formats(&formats).breakout_of(parent))
        .unwrap();
    for (format, file) in formats.iter().zip([
        "audio/audio.webm",
        "video-0.m4v",
        "audio.ogg",
        "notes.pdf",
        "screenshare-0.webm",
    ]) {
        let folder = node.folder(format, &id);
        assert!(folder.join(file).is_file(), "{format}");
        let metadata = Metadata::read(&folder.join("metadata.xml")).unwrap();
        assert_eq!(metadata.playback[0].format.as_str(), *format);
        if *format == "presentation" {
            assert_eq!(metadata.breakout_of.unwrap().parent_meeting_id, parent);
        }
    }
}

#[test]
fn faults_do_what_they_say_and_padding_takes_no_space() {
    for fault in Fault::ALL {
        let root = tempfile::tempdir().unwrap();
        let generation = if fault == Fault::TruncatedTldraw {
            Generation::V3_0
        } else {
            Generation::V2_4
        };
        let node = Node::create(root.path(), generation).unwrap();
        let id = node.add(&Recording::tiny()).unwrap();
        let before = files(&node.folder("presentation", &id));
        node.damage(&id, fault).unwrap();
        assert!(
            files(&node.folder("presentation", &id)) != before,
            "{}",
            fault.name()
        );
    }
    let root = tempfile::tempdir().unwrap();
    let node = Node::create(root.path(), Generation::V2_4).unwrap();
    let id = node.add(&Recording::tiny().padding(4 << 30)).unwrap();
    let padding = std::fs::metadata(node.folder("presentation", &id).join("padding.bin")).unwrap();
    assert_eq!(padding.len(), 4 << 30);
    assert_eq!(std::os::unix::fs::MetadataExt::blocks(&padding), 0);
}
