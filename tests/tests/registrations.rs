//! Registrations in Pod by the real receiver: killed at every request, and followed to their end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::harness::{Delivery, Site, eventually};
use support::pod::{ADMIN_TOKEN, Fault, FaultKind, StandInPod};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(60);
/// What a registration asks of Pod, after what is asked once at the start: whether the video is
/// there, the upload, whether there are files, their folder, for slides and notes each the file,
/// what the video has, the document, then the launch, the state.
const REQUESTS: u32 = 12;

fn upload_to(pod: &StandInPod, secrets: &Path, more: &str) -> Site {
    let token = secrets.join("pod-token");
    fs::write(&token, ADMIN_TOKEN).unwrap();
    let section = format!(
        "destination: {{kind: upload, url: '{}', token_file: {}, type: Autre, default_owner: staff1, {more}}}\n",
        pod.url(),
        token.display(),
    );
    Site::builder().delivery(Delivery::Section(section)).start()
}

/// Whether Pod carries out what it is asked for in the moment of the kill, or does not.
#[test]
fn killed_between_any_two_requests_there_is_one_video_and_one_encoding() {
    let pod = StandInPod::start();
    let secrets = tempfile::tempdir().unwrap();
    let limits = "settle_time: 200ms, encoding: {at_once: 100}";
    let mut site = upload_to(&pod, secrets.path(), limits);
    let mut held = 0;
    for kind in [FaultKind::HangAfter, FaultKind::HangBefore] {
        for request in 0..REQUESTS {
            site.kill_receiver();
            site.start_receiver();
            let asked = pod.requests().len();
            pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            held += 1;
            let recording = Recording::tiny().seed(held);
            let id = site.hold(&recording);
            site.hook(["send"]).success();
            eventually("Pod is asked", LONG, || {
                (pod.requests().len() > asked + request as usize).then_some(())
            });
            site.kill_receiver();
            pod.clear_faults();
            site.start_receiver();
            site.wait_done(&id);
            let of_this = |description: &str| description.contains(&id);
            let videos = pod.videos();
            let videos = videos.iter().filter(|video| of_this(&video.description));
            assert_eq!(
                videos.count(),
                1,
                "{kind:?} at {request}:\n{}",
                site.story(&id)
            );
        }
    }
    let all = usize::try_from(held).unwrap();
    assert_eq!(pod.videos().len(), all);
    eventually("everything is encoded", LONG, || {
        pod.videos().iter().all(|video| video.encoded).then_some(())
    });
    assert_eq!(pod.mails(), all, "each video was encoded once");
    let attached = (pod.rows("files").len(), pod.rows("documents").len());
    assert_eq!(
        attached,
        (2 * all, 2 * all),
        "slides and notes of each, once"
    );
}

#[test]
fn killed_between_any_two_requests_the_shared_disk_gives_one_video() {
    /// The owner, the recording, the video, its description, the video by two ways.
    const REQUESTS: u32 = 5;
    let pod = StandInPod::start();
    let secrets = tempfile::tempdir().unwrap();
    let token = secrets.path().join("pod-token");
    fs::write(&token, ADMIN_TOKEN).unwrap();
    let directory = pod.recorder_root().join("bbbclaim");
    fs::create_dir_all(&directory).unwrap();
    let section = format!(
        "destination: {{kind: recording, url: '{}', token_file: {}, directory: {}, recorder: 1, \
         default_owner: staff1, settle_time: 200ms}}\n",
        pod.url(),
        token.display(),
        directory.display(),
    );
    let mut site = Site::builder().delivery(Delivery::Section(section)).start();
    let mut held = 0;
    for kind in [FaultKind::HangAfter, FaultKind::HangBefore] {
        for request in 0..REQUESTS {
            site.kill_receiver();
            site.start_receiver();
            let asked = pod.requests().len();
            pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            held += 1;
            let id = site.hold(&Recording::tiny().seed(100 + held));
            site.hook(["send"]).success();
            eventually("Pod is asked", LONG, || {
                (pod.requests().len() > asked + request as usize).then_some(())
            });
            site.kill_receiver();
            pod.clear_faults();
            site.start_receiver();
            site.wait_done(&id);
            let videos = pod.videos();
            let videos = videos
                .iter()
                .filter(|video| video.description.contains(&id));
            assert_eq!(
                videos.count(),
                1,
                "{kind:?} at {request}:\n{}",
                site.story(&id)
            );
        }
    }
    assert_eq!(pod.videos().len(), usize::try_from(held).unwrap());
    assert_eq!(
        fs::read_dir(&directory).unwrap().count(),
        0,
        "nothing is left on the disk"
    );
}

#[test]
fn a_video_is_followed_until_it_is_encoded_and_published() {
    let pod = StandInPod::start();
    let secrets = tempfile::tempdir().unwrap();
    let site = upload_to(&pod, secrets.path(), "publish: true");
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    eventually("the video is published", LONG, || {
        pod.videos()
            .iter()
            .all(|video| !video.is_draft)
            .then_some(())
    });
    let story = site.story(&id);
    assert_eq!(story.matches("registered as video").count(), 1, "{story}");
    assert_eq!(pod.mails(), 1);
}

#[test]
fn a_video_comes_with_all_that_belongs_to_the_lecture() {
    let pod = StandInPod::start();
    let secrets = tempfile::tempdir().unwrap();
    let site = upload_to(
        &pod,
        secrets.path(),
        "attach: {chat: true}, accept_language: en",
    );
    let recording = Recording::tiny()
        .seconds(150)
        .slides(3)
        .captions(true)
        .webcams(false);
    let id = site.hold(&recording);
    site.hook(["send"]).success();
    site.wait_done(&id);
    let names = |table: &str, field: &str| -> Vec<String> {
        let files = pod.rows("files");
        let rows = pod.rows(table).into_iter();
        rows.map(|(_, row)| {
            let (_, file) = files.iter().find(|(id, _)| row[field] == *id).unwrap();
            file["name"].as_str().unwrap().to_owned()
        })
        .collect()
    };
    assert_eq!(
        names("tracks", "src"),
        ["Captions fr", "Captions en"],
        "{}",
        site.story(&id)
    );
    assert_eq!(
        names("documents", "document"),
        ["Slides", "Chat", "Shared notes"]
    );
    assert!(pod.rows("chapters").len() > 1, "{}", site.story(&id));
    let (_, slides) = pod
        .rows("files")
        .into_iter()
        .find(|(_, file)| file["name"] == "Slides")
        .unwrap();
    let path = slides["file"].as_str().unwrap();
    let path = path.split_once("/media/").map_or(path, |(_, path)| path);
    assert!(pod.media(path).unwrap().starts_with(b"%PDF-"));
}
