//! Uploads to the stand-in Pod: what the contract says, request by request, and what becomes of
//! them when anything fails in between.

mod attach;
mod attributes;
mod faults;

use std::fs;
use std::time::Duration;

use support::pod::{
    ADMIN_TOKEN, Database, Encoder, Fault, FaultKind, Outage, STUDENT_TOKEN, Settings, StandInPod,
    Version,
};
use tempfile::TempDir;

use super::*;
use crate::attachments::Wanted;
use crate::pod::config::{Chosen, EncodingConfig, Republish};
use crate::pod::fixtures::{Memory, abort_at, lecture};
use crate::pod::{Retry, Severity};

const LAUNCH: &str = "/rest/launch_encode_view/";
const POST: &str = "/rest/videos/";

/// Makes some settings wrong.
type Change = fn(&mut UploadConfig);

struct Room {
    pod: StandInPod,
    config: UploadConfig,
    files: TempDir,
    journal: Memory,
}

impl Room {
    fn new() -> Room {
        Room::with(Settings {
            encoder: Encoder::Timed(Duration::from_millis(10)),
            insert_delay: Duration::from_millis(5),
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Room {
        let pod = StandInPod::start_with(settings);
        let files = tempfile::tempdir().unwrap();
        let token_file = files.path().join("token");
        fs::write(&token_file, format!("{ADMIN_TOKEN}\n")).unwrap();
        let config = UploadConfig {
            url: pod.url(),
            token_file,
            video_type: Chosen::Title("Autre".into()),
            site: None,
            default_owner: "staff1".into(),
            additional_owners: Vec::new(),
            discipline: Vec::new(),
            channel: Vec::new(),
            licence: None,
            main_lang: None,
            cursus: None,
            restricted: false,
            groups: Vec::new(),
            password_file: None,
            allow_downloading: false,
            disable_comment: false,
            publish: false,
            follow_meta: true,
            accept_language: "fr".into(),
            timezone: Some("Europe/Paris".into()),
            launch_encoding: true,
            encoding: EncodingConfig::default(),
            on_republish: Republish::Replace,
            attach: Wanted::default(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_millis(1500),
            write_timeout: Duration::from_millis(1500),
            settle_time: Duration::from_millis(30),
        };
        Room {
            pod,
            config,
            files,
            journal: Memory::default(),
        }
    }

    fn destination(&self) -> Upload {
        Upload::new(&self.config).unwrap()
    }

    fn lecture(&self, content: &[u8]) -> Lecture {
        // The beginning of an MP4, else the stand-in's encoder never ends.
        let content = [b"\0\0\0\x18ftypisom", content].concat();
        lecture(self.files.path(), &content)
    }

    async fn register(&self, lecture: &Lecture) -> Result<Registration, PodError> {
        self.destination().register(lecture, &self.journal).await
    }

    /// Tries as a pipeline would, until it is done.
    async fn insist(&self, lecture: &Lecture) -> Registration {
        for _ in 0..8 {
            match self.register(lecture).await {
                Ok(made) if made.look_again.is_none() => return made,
                Ok(_) => {}
                Err(error) => assert!(matches!(error.retry(), Retry::Later(_)), "{error}"),
            }
            self.encoded().await;
        }
        panic!("never done");
    }

    /// Waits until no encoding runs.
    async fn encoded(&self) {
        while self
            .pod
            .videos()
            .iter()
            .any(|video| video.encoding_in_progress)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn launches(&self) -> usize {
        self.pod.count("GET", LAUNCH)
    }
}

#[tokio::test]
async fn a_lecture_becomes_an_encoded_draft_of_its_owner() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let made = room.register(&lecture).await.unwrap();
    let videos = room.pod.videos();
    let [video] = &videos[..] else {
        panic!("{videos:?}")
    };
    assert_eq!((made.kind, made.reference.as_str()), (Kind::Video, "1"));
    assert_eq!(
        made.url.unwrap(),
        format!("{}/video/{}/", room.pod.url(), video.slug)
    );
    assert_eq!(video.title, "Algèbre linéaire (2019-04-02)");
    assert_eq!(video.owner, "staff1");
    assert!(video.is_draft && !video.is_restricted && video.password.is_none());
    assert_eq!(video.sha256, lecture.digest().to_string());
    assert_eq!(video.date_evt.as_deref(), Some("2019-04-02"));
    assert!(
        video.date_added.starts_with("2019-04-02T20:45:49.920"),
        "{}",
        video.date_added
    );
    assert!(
        video
            .description
            .contains(&format!("bbb-record-id: {}", lecture.record_id))
    );
    assert_eq!(room.launches(), 1);
    room.encoded().await;
    assert!(room.pod.videos()[0].encoded);
}

#[tokio::test]
async fn every_request_is_as_the_contract_wants_it() {
    let room = Room::new();
    room.register(&room.lecture(b"video")).await.unwrap();
    for seen in room.pod.requests() {
        assert_eq!(seen.language, "fr", "{seen:?}");
        assert!(
            seen.path.ends_with('/') || seen.path == "/info_pod.json",
            "{seen:?}"
        );
        let reads_what_may_fail = seen.method == "GET" && seen.path.starts_with(POST);
        assert!(
            !reads_what_may_fail || seen.path == "/rest/videos/user_videos/",
            "{seen:?}"
        );
        if seen.method == "POST" {
            assert!(seen.content_length.is_some(), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn what_is_done_is_not_asked_for_again() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let destination = room.destination();
    let made = room.insist(&lecture).await;
    let asked = room.pod.requests().len();
    let again = destination.register(&lecture, &room.journal).await.unwrap();
    assert_eq!(
        (made.reference, made.media_digest),
        (again.reference, again.media_digest)
    );
    assert_eq!(room.pod.requests().len(), asked);
}

#[tokio::test]
async fn with_a_lost_ledger_the_video_is_found() {
    let mut room = Room::new();
    let lecture = room.lecture(b"video");
    let made = room.register(&lecture).await.unwrap();
    room.encoded().await;
    room.journal = Memory::default();
    assert_eq!(
        room.register(&lecture).await.unwrap().reference,
        made.reference
    );
    assert_eq!(room.pod.videos().len(), 1);
    assert_eq!(room.launches(), 1);
}

#[tokio::test]
async fn another_recording_of_the_same_moment_is_another_video() {
    let mut room = Room::new();
    let mut lecture = room.lecture(b"video");
    room.register(&lecture).await.unwrap();
    room.journal = Memory::default();
    lecture.record_id = "283f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
        .parse()
        .unwrap();
    room.register(&lecture).await.unwrap();
    assert_eq!(room.pod.videos().len(), 2);
}

#[tokio::test]
async fn old_and_other_pods_work_too() {
    for version in [Version::V3_7_0, Version::V3_8_4, Version::V4_1_0] {
        for database in [Database::MariaDb, Database::Postgres, Database::Sqlite] {
            let mut room = Room::with(Settings {
                version,
                database,
                podfile: false,
                ..Settings::default()
            });
            for number in 0..30 {
                room.pod.add_user(&format!("user{number}"), false);
            }
            let mut lecture = room.lecture(b"video");
            lecture.owner = Some("user7".into());
            lecture.title = Some("Algèbre 🎓".into());
            room.register(&lecture).await.unwrap();
            room.journal = Memory::default();
            room.register(&lecture).await.unwrap();
            let videos = room.pod.videos();
            assert_eq!(videos.len(), 1, "{version:?} {database:?}");
            assert_eq!(videos[0].owner, "user7");
        }
    }
}

#[tokio::test]
async fn a_republished_recording_replaces_the_file_and_is_encoded_again() {
    for tagged in [false, true] {
        let room = Room::new();
        let first = room.lecture(b"first");
        let made = room.register(&first).await.unwrap();
        room.encoded().await;
        if tagged {
            room.pod.tag_video(1, &["bbb"]);
        }
        let second = room.lecture(b"second, longer");
        let again = room.insist(&second).await;
        assert_eq!(
            (again.reference, again.media_digest),
            (made.reference, second.digest())
        );
        let videos = room.pod.videos();
        assert_eq!(videos.len(), 1);
        assert_eq!(videos[0].sha256, second.digest().to_string());
        room.encoded().await;
        assert_eq!((room.launches(), room.pod.mails()), (2, 2));
    }
}

#[tokio::test]
async fn a_republished_recording_can_be_kept_out() {
    let mut room = Room::new();
    room.config.on_republish = Republish::Keep;
    let first = room.lecture(b"first");
    room.register(&first).await.unwrap();
    let kept = room.register(&room.lecture(b"second")).await.unwrap();
    assert_eq!((kept.media_digest, kept.notes.len()), (first.digest(), 1));
    assert_eq!(room.pod.videos()[0].sha256, first.digest().to_string());
}

#[tokio::test]
async fn a_republished_recording_can_be_another_video() {
    let mut room = Room::new();
    room.config.on_republish = Republish::New;
    room.insist(&room.lecture(b"first")).await;
    let second = room.lecture(b"second");
    for point in 0.. {
        let destination = room.destination();
        let attempt = destination.register(&second, &room.journal);
        if abort_at(attempt, point).await.is_some() {
            break;
        }
    }
    let made = room.insist(&second).await;
    let videos = room.pod.videos();
    assert_eq!((videos.len(), made.reference.as_str()), (2, "2"));
    assert_ne!(videos[0].sha256, videos[1].sha256);
    assert!(videos.iter().all(|video| video.encoded));
    let third = room.insist(&room.lecture(b"third")).await;
    assert_eq!(
        (room.pod.videos().len(), third.reference.as_str()),
        (3, "3")
    );
}

#[tokio::test]
async fn all_owners_own_the_video() {
    let room = Room::new();
    room.pod.add_user("mmartin", true);
    let mut lecture = room.lecture(b"video");
    lecture.owner = Some("staff1".into());
    lecture.additional_owners = vec!["mmartin".into(), "absent".into()];
    let made = room.register(&lecture).await.unwrap();
    let (_, row) = room.pod.rows("videos").remove(0);
    assert_eq!(
        row["additional_owners"].as_array().unwrap().len(),
        1,
        "{row:?}"
    );
    assert!(
        made.notes[0].contains("absent does not own it too"),
        "{:?}",
        made.notes
    );
}

#[tokio::test]
async fn encodings_wait_for_their_turn() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    room.journal.with_others("$.step.encoding", 2);
    for _ in 0..2 {
        let made = room.register(&lecture).await.unwrap();
        assert!(made.look_again.is_some());
    }
    assert_eq!((room.pod.videos().len(), room.launches()), (1, 0));
    let asked = room.pod.requests().len();
    let destination = room.destination();
    destination.register(&lecture, &room.journal).await.unwrap();
    assert_eq!(
        room.pod.requests().len(),
        asked,
        "who waits asks nothing of Pod"
    );
    room.journal.with_others("$.step.encoding", 1);
    room.insist(&lecture).await;
    assert_eq!((room.launches(), room.pod.videos()[0].encoded), (1, true));
}

#[tokio::test]
async fn a_rehearsal_tells_the_requests_and_sends_none() {
    let room = Room::new();
    let mut lecture = room.lecture(b"video");
    lecture.media = None;
    let destination = room.destination();
    let plan = destination.rehearse(&lecture, &room.journal).await.unwrap();
    assert_eq!(plan.steps[0], "make the video");
    assert!(
        plan.steps[1].contains("title=\"Algèbre linéaire (2019-04-02)\"")
            && plan.steps[1].contains("is_draft=true")
            && plan.steps[1].contains("(staff1)"),
        "{plan:?}"
    );
    let mut new = lecture.clone();
    new.owner = Some("ghost".into());
    new.additional_owners = vec!["staff1".into(), "other.new".into()];
    new.to_create = ["ghost", "other.new"]
        .map(|name| crate::pod::NewUser {
            username: name.into(),
            ..Default::default()
        })
        .to_vec();
    let plan = destination.rehearse(&new, &room.journal).await.unwrap();
    assert!(plan.warnings.is_empty(), "{plan:?}");
    assert!(
        plan.steps[1].contains("owner=(the new account) (ghost)")
            && plan.steps[2] == "with the new accounts too: other.new",
        "{plan:?}"
    );
    assert!(room.pod.requests().iter().all(|seen| seen.method != "POST"));
    let asked = destination.asked();
    for _ in 0..20 {
        destination.rehearse(&lecture, &room.journal).await.unwrap();
    }
    assert_eq!(
        destination.asked(),
        asked,
        "what is the same for all is asked once"
    );
}

#[tokio::test]
async fn a_video_that_somebody_deleted_stays_deleted() {
    let room = Room::new();
    room.register(&room.lecture(b"first")).await.unwrap();
    room.pod.remove_row("videos", 1);
    let made = room.register(&room.lecture(b"second")).await.unwrap();
    assert!(
        made.notes[0].contains("no longer among the videos of staff1"),
        "{:?}",
        made.notes
    );
    assert!(room.pod.videos().is_empty());
}

#[tokio::test]
async fn a_video_whose_date_was_changed_is_still_ours() {
    let room = Room::new();
    room.register(&room.lecture(b"first")).await.unwrap();
    room.encoded().await;
    room.pod
        .set_row("videos", 1, serde_json::json!({"date_added": 0}));
    room.insist(&room.lecture(b"second")).await;
    assert_eq!(room.pod.videos().len(), 1);
}

#[tokio::test]
async fn encoding_can_be_left_to_others() {
    let mut room = Room::new();
    room.config.launch_encoding = false;
    let made = room.register(&room.lecture(b"video")).await.unwrap();
    assert!(made.notes[0].contains("launch_encoding is false"));
    assert_eq!(room.launches(), 0);
}

#[tokio::test]
async fn owners_are_compared_exactly() {
    let room = Room::new();
    let mut lecture = room.lecture(b"video");
    for (owner, words) in [("STAFF1", "(but \"staff1\")"), ("nobody", "no user")] {
        lecture.owner = Some(owner.into());
        let error = room.register(&lecture).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains(owner), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert_eq!(room.pod.count("POST", POST), 0);
}

#[tokio::test]
async fn wrong_settings_stop_everything_and_say_why() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let tries: [(&str, Change, &str); 6] = [
        (
            "type",
            |c| c.video_type = Chosen::Title("Cours".into()),
            "it has \"Autre\" (1)",
        ),
        (
            "type",
            |c| c.video_type = Chosen::Id(9),
            "Pod does not have 9",
        ),
        (
            "site",
            |c| c.site = Some(Chosen::Title("pod.other".into())),
            "pod.site.example",
        ),
        (
            "default_owner",
            |c| c.default_owner = "Staff1".into(),
            "(but \"staff1\")",
        ),
        (
            "token_file",
            |c| fs::write(&c.token_file, STUDENT_TOKEN).unwrap(),
            "must be staff",
        ),
        (
            "token",
            |c| fs::write(&c.token_file, "0".repeat(40)).unwrap(),
            "/admin/authtoken/",
        ),
    ];
    for (key, change, words) in tries {
        let mut config = room.config.clone();
        config.token_file = room.files.path().join("another token");
        fs::write(&config.token_file, ADMIN_TOKEN).unwrap();
        change(&mut config);
        let upload = Upload::new(&config).unwrap();
        let error = upload.register(&lecture, &room.journal).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains(key) && said.contains(words), "{key}: {said}");
        assert_eq!(error.retry(), Retry::StopAll, "{said}");
        for token in [ADMIN_TOKEN, STUDENT_TOKEN, "00000000000000000000"] {
            assert!(
                !format!("{error:?} {said} {upload:?}").contains(token),
                "{said}"
            );
        }
    }
    assert!(room.pod.videos().is_empty());
}

#[tokio::test]
async fn the_check_tries_everything_and_changes_nothing() {
    let room = Room::new();
    let findings = room.destination().check().await;
    assert!(
        findings.iter().all(|f| f.severity == Severity::Fine),
        "{findings:#?}"
    );
    assert!(findings[0].what.contains("4.1.0"), "{findings:#?}");
    room.register(&room.lecture(b"video")).await.unwrap();
    room.pod.tag_video(1, &["bbb"]);
    let findings = room.destination().check().await;
    assert!(
        findings.iter().any(|f| f.severity == Severity::Warning),
        "{findings:#?}"
    );

    room.pod.outage(Outage::Network);
    let findings = room.destination().check().await;
    assert_eq!(findings[0].severity, Severity::Wrong);

    let old = Room::with(Settings {
        version: Version::V3_7_0,
        ..Settings::default()
    });
    let findings = old.destination().check().await;
    assert!(
        findings.iter().any(|f| f.what.contains("ignores filters")),
        "{findings:#?}"
    );
    for seen in room.pod.requests().iter().chain(&old.pod.requests()) {
        assert!(seen.method != "POST" || seen.path == POST, "{seen:?}");
    }
}

#[tokio::test]
async fn another_pod_is_asked_anew() {
    let mut room = Room::new();
    let lecture = room.lecture(b"video");
    room.insist(&lecture).await;
    let other = StandInPod::start();
    room.config.url = other.url();
    room.register(&lecture).await.unwrap();
    assert_eq!((room.pod.videos().len(), other.videos().len()), (1, 1));
}
