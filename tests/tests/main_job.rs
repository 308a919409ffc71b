//! The main job over real processes: what BigBlueButton publishes becomes a video in Pod's hands.

#![allow(clippy::unwrap_used, reason = "a test stops where a surprise happens")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::harness::{Delivery, Finished, Site, eventually};
use support::pod::{ADMIN_TOKEN, StandInPod};
use support::samples::{Generation, Recording};

const SOON: Duration = Duration::from_secs(60);

fn probe(video: &Path, what: &str) -> String {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries", what])
        .arg(video);
    Finished::of(&mut ffprobe).success().trim().to_owned()
}

fn length(video: &Path) -> f64 {
    probe(video, "format=duration").parse().unwrap()
}

/// The section of a receiver that uploads to `pod`.
fn upload_to(site_folder: &Path, pod: &StandInPod) -> Delivery {
    let token = site_folder.join("pod-token");
    fs::write(&token, ADMIN_TOKEN).unwrap();
    Delivery::Section(format!(
        "destination: {{kind: upload, url: \"{}\", token_file: {}, type: Autre, default_owner: admin}}\n",
        pod.url(),
        token.display()
    ))
}

#[test]
fn a_lecture_of_every_generation_reaches_the_claim_directory() {
    for generation in Generation::ALL {
        let site = Site::builder().generation(generation).start();
        let id = site.hold(&Recording::lecture().seconds(6));
        site.hook(["send"]).success();
        site.wait_done(&id);

        let claims = site.claim_files();
        assert_eq!(claims.len(), 1, "{generation}: {claims:?}");
        let video = &claims[0];
        let name = video.file_name().unwrap().to_str().unwrap();
        assert!(
            name.ends_with(".mp4")
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
            "{name}"
        );
        assert!(
            (length(video) - 6.0).abs() < 0.5,
            "{generation}: {} s",
            length(video)
        );
        // The titles of chapters are a stream of their own in MP4.
        assert_eq!(
            probe(video, "stream=codec_name")
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["h264", "aac", "bin_data"],
            "{generation}"
        );
        let archive = site
            .path("receiver/archive/published/presentation")
            .join(&id);
        for name in ["metadata.xml", "shapes.svg", "video/webcams.webm"] {
            let same = fs::read(archive.join(name)).unwrap()
                == fs::read(site.node.folder("presentation", &id).join(name)).unwrap();
            assert!(same, "{generation}: {name}");
        }
        assert_eq!(site.waiting_jobs().len(), 0, "{generation}");
        assert!(site.story(&id).contains(&id), "{generation}");
    }
}

#[test]
fn a_lecture_becomes_a_draft_in_pod() {
    let pod = StandInPod::start();
    let keys = tempfile::tempdir().unwrap();
    let site = Site::builder()
        .delivery(upload_to(keys.path(), &pod))
        .start();
    let id = site.hold(&Recording::lecture().seconds(6));
    site.hook(["send"]).success();
    site.wait_done(&id);

    let videos = pod.videos();
    assert_eq!(videos.len(), 1, "{videos:?}");
    let video = &videos[0];
    assert!(video.is_draft);
    assert_eq!(video.owner, "admin");
    assert!(
        video.title.starts_with("Graphs and trees"),
        "{}",
        video.title
    );
    assert!(video.description.contains(&id), "{}", video.description);
    let media = site.path("receiver/media").join(&id).join("video-0.mp4");
    assert_eq!(video.size, fs::metadata(media).unwrap().len());
    assert!(video.encoded || video.encoding_in_progress);
}

#[test]
fn before_2_3_the_script_takes_every_format() {
    let site = Site::builder().generation(Generation::V2_2).start();
    let recording = Recording::tiny().formats(&["presentation", "podcast", "notes"]);
    let id = site.node.add(&recording).unwrap();
    site.script(&["-m", &id]).success();
    assert_eq!(site.waiting_jobs().len(), 3);
    site.hook(["send"]).success();
    site.wait_done(&id);
    for format in ["presentation", "podcast", "notes"] {
        assert!(
            site.path("receiver/archive/published")
                .join(format)
                .join(&id)
                .is_dir(),
            "{format}"
        );
    }
    assert_eq!(site.claims().len(), 1);
}

#[test]
fn the_film_that_bbb_made_itself_is_taken_as_it_is() {
    let site = Site::builder().generation(Generation::V3_0).start();
    let recording = Recording::tiny().formats(&["video"]);
    let id = site.node.add(&recording).unwrap();
    site.script(&["-m", &id, "-f", "video"]).success();
    site.hook(["send"]).success();
    site.wait_done(&id);
    assert!((length(&site.claims()[0]) - 5.0).abs() < 0.5);
}

#[test]
fn an_unpublish_after_the_call_loses_nothing() {
    let site = Site::start();
    let id = site.hold(&Recording::tiny());
    fs::remove_dir_all(site.node.folder("presentation", &id)).unwrap();
    fs::remove_dir_all(site.node.events_xml(&id).parent().unwrap()).unwrap();
    site.hook(["send"]).success();
    site.wait_done(&id);
    assert_eq!(site.claims().len(), 1);
    let manifest = site
        .path("receiver/archive/manifests/presentation")
        .join(format!("{id}.json"));
    assert!(
        fs::read_to_string(manifest)
            .unwrap()
            .contains("alice.martin"),
        "who moderated is known"
    );
}

#[test]
fn two_lectures_of_one_room_and_day_stay_two() {
    let site = Site::start();
    let start = 1_700_000_000_000;
    let first = site.hold(&Recording::tiny().start(start));
    let second = site.hold(&Recording::tiny().start(start + 60_000).seed(2));
    site.hook(["send"]).success();
    site.wait_done(&first);
    site.wait_done(&second);
    assert_eq!(site.claims().len(), 2, "{:?}", site.claims());
}

#[test]
fn a_rebuilt_recording_is_replaced_and_never_doubled() {
    let site = Site::start();
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    assert!((length(&site.claims()[0]) - 5.0).abs() < 0.5);

    fs::remove_dir_all(site.node.folder("presentation", &id)).unwrap();
    site.hold(&Recording::tiny().seconds(8));
    site.hook(["send"]).success();
    eventually("the claim has the new content", SOON, || {
        let claims = site.claims();
        assert!(claims.len() <= 1, "{claims:?}");
        (claims.len() == 1 && (length(&claims[0]) - 8.0).abs() < 0.5).then_some(())
    });
    assert_eq!(site.archived().len(), 1);

    site.script(&["-m", &id, "-f", "presentation"]).success();
    site.hook(["send"]).success();
    site.wait_done(&id);
    assert_eq!(
        site.claims().len(),
        1,
        "the same content again is nothing new"
    );
}

#[test]
fn one_bad_recording_holds_nobody_up() {
    let site = Site::start();
    let bad = site
        .node
        .add(&Recording::tiny().formats(&["podcast"]))
        .unwrap();
    fs::write(
        site.node.folder("podcast", &bad).join("audio.ogg"),
        "no sound",
    )
    .unwrap();
    site.script(&["-m", &bad, "-f", "podcast"]).success();
    let good = site.hold(&Recording::tiny().seed(2));
    site.hook(["send"]).success();
    site.wait_done(&good);
    let story = site.wait_failed(&bad);
    assert!(story.contains("audio.ogg"), "{story}");
    assert!(
        site.path("receiver/archive/published/podcast")
            .join(&bad)
            .is_dir(),
        "nothing is lost"
    );
}
