//! Recordings over a shared disk: the stand-in Pod moves the files, and anything may fail.

use std::fs;
use std::time::Duration;

use support::pod::{ADMIN_TOKEN, Encoder, Fault, FaultKind, Outage, Settings, StandInPod};
use tempfile::TempDir;

use super::*;
use crate::pod::config::Chosen;
use crate::pod::fixtures::{Memory, abort_at, lecture};
use crate::pod::{Retry, Severity};

const POST: &str = "/rest/recording/";
const SEEN: &str = "/srv/pod/ftp/bbbclaim";

struct Room {
    pod: StandInPod,
    files: TempDir,
    config: RecordingConfig,
    journal: Memory,
}

impl Room {
    fn new() -> Room {
        let pod = StandInPod::start_with(Settings {
            recorder_path: Some("/srv/pod/ftp/".into()),
            encoder: Encoder::Timed(Duration::from_millis(10)),
            insert_delay: Duration::from_millis(5),
            ..Settings::default()
        });
        let files = tempfile::tempdir().unwrap();
        let token_file = files.path().join("token");
        fs::write(&token_file, ADMIN_TOKEN).unwrap();
        let directory = pod.recorder_root().join("bbbclaim");
        fs::create_dir_all(&directory).unwrap();
        let config = RecordingConfig {
            url: pod.url(),
            token_file,
            directory,
            pod_directory: Some(SEEN.into()),
            recorder: Chosen::Id(1),
            default_owner: "staff1".into(),
            require_mount: false,
            timezone: Some("Europe/Paris".into()),
            accept_language: "fr".into(),
            on_republish: Republish::Keep,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_millis(400),
            write_timeout: Duration::from_millis(400),
            settle_time: Duration::from_millis(30),
        };
        Room {
            pod,
            files,
            config,
            journal: Memory::default(),
        }
    }

    fn destination(&self) -> SharedDisk {
        SharedDisk::new(&self.config).unwrap()
    }

    fn lecture(&self, content: &[u8]) -> Lecture {
        let content = [b"\0\0\0\x18ftypisom", content].concat();
        lecture(self.files.path(), &content)
    }

    async fn register(&self, lecture: &Lecture) -> Result<Registration, PodError> {
        self.destination().register(lecture, &self.journal).await
    }

    /// Tries as a pipeline would, until it is done.
    async fn insist(&self, lecture: &Lecture) -> Registration {
        for _ in 0..10 {
            match self.register(lecture).await {
                Ok(made) if made.look_again.is_none() => return made,
                Ok(_) => {}
                Err(error) => assert!(matches!(error.retry(), Retry::Later(_)), "{error}"),
            }
            while self.pod.videos().iter().any(|v| v.encoding_in_progress) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        panic!("never done");
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.config.directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn pod_takes_the_file_and_the_video_gets_its_title_and_dates() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let made = room.insist(&lecture).await;
    let videos = room.pod.videos();
    assert_eq!(videos.len(), 1, "{videos:?}");
    let video = &videos[0];
    assert_eq!(video.title, "Algèbre linéaire (2019-04-02)");
    assert_eq!((video.owner.as_str(), video.encoded), ("staff1", true));
    assert_eq!(video.sha256, lecture.digest().to_string());
    assert_eq!(video.date_evt.as_deref(), Some("2019-04-02"));
    assert!(
        video.date_added.starts_with("2019-04-02T20:45:49.920"),
        "{}",
        video.date_added
    );
    let marker = format!("bbb-record-id: {}", lecture.record_id);
    assert!(video.description.contains(&marker), "{}", video.description);
    assert_eq!(made.reference, video.id.to_string());
    assert!(made.url.unwrap().contains(&video.slug));
    assert!(room.left().is_empty(), "{:?}", room.left());

    let stands = async || {
        let (destination, id) = (room.destination(), &lecture.record_id);
        destination.standing(id, &room.journal).await.unwrap()
    };
    assert_eq!(stands().await, Standing::There);
    let row = room.pod.rows("videos").remove(0);
    room.pod.remove_row("videos", video.id);
    assert_eq!(stands().await, Standing::Gone);
    room.pod.add_row("videos", row.1.into());
    let (destination, forgetful) = (room.destination(), Memory::default());
    let unknown = destination.standing(&lecture.record_id, &forgetful).await;
    assert_eq!(unknown.unwrap(), Standing::Unknown);

    let asked = room.pod.requests().len();
    room.register(&lecture).await.unwrap();
    assert_eq!(
        room.pod.requests().len(),
        asked,
        "what is done is not asked for again"
    );
    let kept = room.register(&room.lecture(b"other")).await.unwrap();
    assert_eq!((kept.media_digest, kept.notes.len()), (lecture.digest(), 1));
}

#[tokio::test]
async fn a_republished_recording_can_become_another_video() {
    let mut room = Room::new();
    room.config.on_republish = Republish::New;
    room.insist(&room.lecture(b"first")).await;
    let made = room.insist(&room.lecture(b"second")).await;
    assert_eq!((room.pod.videos().len(), made.reference.as_str()), (2, "2"));
}

#[tokio::test]
async fn whatever_fails_at_whatever_request_there_is_one_video() {
    use FaultKind::{DropAfter, DropBefore, ErrorAfter, ErrorBefore, HangAfter, Status};
    for kind in [
        DropAfter,
        DropBefore,
        ErrorAfter,
        ErrorBefore,
        HangAfter,
        Status(503),
    ] {
        for request in 0..8 {
            let room = Room::new();
            room.pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            room.insist(&room.lecture(b"video")).await;
            let videos = room.pod.videos();
            assert_eq!(videos.len(), 1, "{kind:?} at {request}");
            assert_eq!(
                (videos[0].encoded, videos[0].title.as_str()),
                (true, "Algèbre linéaire (2019-04-02)"),
                "{kind:?} at {request}"
            );
        }
    }
}

#[tokio::test]
async fn whatever_is_aborted_there_is_one_video() {
    for point in 0.. {
        let room = Room::new();
        let lecture = room.lecture(b"video");
        let destination = room.destination();
        let attempt = destination.register(&lecture, &room.journal);
        let finished = abort_at(attempt, point).await.is_some();
        room.insist(&lecture).await;
        let videos = room.pod.videos();
        assert_eq!(
            (videos.len(), videos[0].encoded),
            (1, true),
            "aborted at {point}"
        );
        assert!(
            room.left().is_empty(),
            "aborted at {point}: {:?}",
            room.left()
        );
        if finished {
            break;
        }
    }
}

#[tokio::test]
async fn an_outage_is_waited_for() {
    for outage in [Outage::Database, Outage::Network] {
        let room = Room::new();
        let lecture = room.lecture(b"video");
        let destination = room.destination();
        room.pod.outage(outage);
        for _ in 0..3 {
            let error = destination
                .register(&lecture, &room.journal)
                .await
                .unwrap_err();
            assert!(matches!(error.retry(), Retry::Later(_)), "{error}");
        }
        room.pod.outage(Outage::None);
        room.insist(&lecture).await;
        assert_eq!(room.pod.videos().len(), 1);
        assert!(room.left().is_empty(), "{:?}", room.left());
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_placed_or_told() {
    let mut room = Room::new();
    let mut lecture = room.lecture(b"video");
    lecture.owner = Some("student1".into());
    let error = room.register(&lecture).await.unwrap_err();
    assert!(error.to_string().contains("is not staff"), "{error}");
    assert_eq!(
        (error.retry(), room.pod.count("POST", POST)),
        (Retry::Never, 0)
    );

    room.config.recorder = Chosen::Title("absent".into());
    let error = room.destination().prepare().await.unwrap_err();
    assert!(error.to_string().contains("\"BBB claim\" (1)"), "{error}");

    room.config.recorder = Chosen::Title("BBB claim".into());
    room.config.pod_directory = Some("/data/ftp".into());
    room.journal = Memory::default();
    let error = room.register(&room.lecture(b"video")).await.unwrap_err();
    assert!(error.to_string().contains("check pod_directory"), "{error}");
    assert!(room.pod.videos().is_empty());
}

#[tokio::test]
async fn the_check_finds_the_folder_as_pod_sees_it() {
    let mut room = Room::new();
    let findings = room.destination().check().await;
    assert!(
        findings.iter().all(|f| f.severity == Severity::Fine),
        "{findings:#?}"
    );
    assert!(room.left().is_empty());
    room.config.pod_directory = None;
    let findings = room.destination().check().await;
    let advice: Vec<_> = findings
        .iter()
        .filter(|f| f.severity == Severity::Wrong)
        .filter_map(|f| f.advice.as_deref())
        .collect();
    assert_eq!(advice, [format!("set destination.pod_directory to {SEEN}")]);
    let plan = room
        .destination()
        .rehearse(&room.lecture(b"video"), &room.journal)
        .await
        .unwrap();
    assert_eq!(
        (plan.steps.len(), room.pod.videos().len()),
        (3, 0),
        "{plan:?}"
    );
}
