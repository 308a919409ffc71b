//! Deliveries into real directories, aborted at every point where they wait.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::pod::Retry;
use crate::pod::config::{Chosen, ClaimRow};
use crate::pod::fixtures::{Memory, abort_at, lecture};

struct Room {
    files: TempDir,
    media: TempDir,
    destination: Directory,
    journal: Memory,
}

impl Room {
    fn new() -> Room {
        Room::with(Republish::Replace)
    }

    fn with(on_republish: Republish) -> Room {
        let files = tempfile::tempdir().unwrap();
        let config = DirectoryConfig {
            directory: files.path().into(),
            pod_directory: Some("/srv/pod/ftp/bbbclaim".into()),
            require_mount: false,
            timezone: Some("Europe/Paris".into()),
            on_republish,
            claim_row: ClaimRow::Cron,
            recorder: None,
            url: None,
            token_file: None,
            database: None,
        };
        Room {
            destination: Directory::new(&config).unwrap(),
            files,
            media: tempfile::tempdir().unwrap(),
            journal: Memory::default(),
        }
    }

    fn lecture(&self, content: &[u8]) -> Lecture {
        lecture(self.media.path(), content)
    }

    async fn register(&self, lecture: &Lecture) -> Registration {
        self.destination
            .register(lecture, &self.journal)
            .await
            .unwrap()
    }

    fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.files.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.files.path().join(name)).unwrap()
    }
}

const NAME: &str = "Algebre-lineaire_2019-04-02-2045_1554230749920.mp4";

#[tokio::test]
async fn a_lecture_arrives_whole_and_once() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let made = room.register(&lecture).await;
    assert_eq!((made.kind, made.reference.as_str()), (Kind::Claim, NAME));
    assert_eq!(made.media_digest, lecture.digest());
    assert_eq!(room.register(&lecture).await, made);
    assert_eq!(room.listing(), [NAME]);
    assert_eq!(room.content(NAME), b"video");
}

#[tokio::test]
async fn what_pod_has_taken_is_not_brought_again() {
    let room = Room::new();
    let lecture = room.lecture(b"video");
    let made = room.register(&lecture).await;
    fs::remove_file(room.files.path().join(NAME)).unwrap();
    assert_eq!(room.register(&lecture).await, made);
    assert!(room.listing().is_empty());
}

#[tokio::test]
async fn other_recordings_of_that_name_stay() {
    let room = Room::new();
    fs::write(room.files.path().join(NAME), b"of another node").unwrap();
    let made = room.register(&room.lecture(b"video")).await;
    assert_ne!(made.reference, NAME);
    assert_eq!(room.content(NAME), b"of another node");
    assert_eq!(room.content(&made.reference), b"video");
    assert_eq!(room.listing().len(), 2);
}

#[tokio::test]
async fn with_a_lost_ledger_the_same_content_is_recognised() {
    let room = Room::new();
    fs::write(room.files.path().join(NAME), b"video").unwrap();
    assert_eq!(room.register(&room.lecture(b"video")).await.reference, NAME);
    assert_eq!(room.listing(), [NAME]);
}

#[tokio::test]
async fn a_republished_recording_replaces_what_nobody_claimed() {
    let room = Room::new();
    room.register(&room.lecture(b"first")).await;
    let second = room.lecture(b"second, longer");
    let made = room.register(&second).await;
    assert_eq!(
        (made.reference.as_str(), made.media_digest),
        (NAME, second.digest())
    );
    assert_eq!(room.listing(), [NAME]);
    assert_eq!(room.content(NAME), b"second, longer");
}

#[tokio::test]
async fn a_republished_recording_is_no_second_claim() {
    for (on_republish, taken) in [(Republish::Replace, true), (Republish::Keep, false)] {
        let room = Room::with(on_republish);
        let first = room.lecture(b"first");
        room.register(&first).await;
        if taken {
            fs::remove_file(room.files.path().join(NAME)).unwrap();
        }
        let made = room.register(&room.lecture(b"second")).await;
        assert_eq!(made.media_digest, first.digest());
        assert_eq!(made.notes.len(), 1, "{:?}", made.notes);
        assert_eq!(room.listing().len(), usize::from(!taken));
    }
}

#[tokio::test]
async fn failures_leave_nothing_behind_and_say_what_to_do() {
    let room = Room::new();
    let mut changed = room.lecture(b"video");
    changed.media.as_mut().unwrap().digest = Digest::of(b"another");
    let error = room
        .destination
        .register(&changed, &room.journal)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("convert the recording again"),
        "{error}"
    );
    assert_eq!(error.retry(), crate::pod::Retry::Never);
    assert!(room.listing().is_empty());

    let lecture = room.lecture(b"video");
    fs::remove_dir(room.files.path()).unwrap();
    let error = room
        .destination
        .register(&lecture, &room.journal)
        .await
        .unwrap_err();
    assert_eq!(error.retry(), crate::pod::Retry::Later(None));
    assert_eq!(
        room.destination.check().await[0].severity,
        crate::pod::Severity::Wrong
    );
    fs::create_dir(room.files.path()).unwrap();
    assert_eq!(
        room.destination.check().await[0].severity,
        crate::pod::Severity::Fine
    );
    room.register(&lecture).await;
    assert_eq!(room.listing(), [NAME]);
}

#[tokio::test]
async fn a_journal_that_does_not_keep_stops_everything() {
    let room = Room::new();
    room.journal.fail_after(0);
    let error = room
        .destination
        .register(&room.lecture(b"video"), &room.journal)
        .await
        .unwrap_err();
    assert!(matches!(error, PodError::Journal(_)), "{error}");
    assert!(!room.listing().contains(&NAME.to_owned()));
}

/// Aborts at every waiting point, with Pod taking the file at once or not before the end.
#[tokio::test]
async fn whatever_is_aborted_one_file_is_delivered() {
    for pod_is_quick in [false, true] {
        let mut finished = false;
        for point in 0.. {
            let room = Room::new();
            let lecture = room.lecture(b"video");
            let first = room.destination.register(&lecture, &room.journal);
            finished = abort_at(first, point).await.is_some();
            let mut taken = 0;
            taken += take(room.files.path(), pod_is_quick);
            room.register(&lecture).await;
            // What the aborted attempt left running has the file lock; then it is over.
            taken += take(room.files.path(), true);
            assert_eq!(taken, 1, "aborted at {point}, quick {pod_is_quick}");
            if finished {
                break;
            }
        }
        assert!(finished);
    }
}

#[tokio::test]
async fn whatever_is_aborted_one_version_remains() {
    for pod_is_quick in [false, true] {
        for point in 0.. {
            let room = Room::new();
            room.register(&room.lecture(b"first")).await;
            let second = room.lecture(b"second");
            let attempt = room.destination.register(&second, &room.journal);
            let finished = abort_at(attempt, point).await.is_some();
            let taken = take(room.files.path(), pod_is_quick);
            let made = room.register(&second).await;
            let there = room.listing().contains(&NAME.to_owned());
            let remain = taken + usize::from(there);
            assert_eq!(remain, 1, "aborted at {point}: {:?}", room.listing());
            if there {
                assert_eq!(room.content(NAME), b"second");
                assert_eq!(made.media_digest, second.digest());
            }
            if finished {
                break;
            }
        }
    }
}

/// Moves every `.mp4` away as Pod does, and counts them.
fn take(directory: &Path, now: bool) -> usize {
    let mut taken = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if now && path.extension().is_some_and(|e| e == "mp4") {
            fs::remove_file(path).unwrap();
            taken += 1;
        }
    }
    taken
}

#[tokio::test]
async fn a_republished_recording_can_be_another_claim() {
    let room = Room::with(Republish::New);
    room.register(&room.lecture(b"first")).await;
    let made = room.register(&room.lecture(b"second")).await;
    assert_eq!(room.listing().len(), 2);
    assert_eq!(room.content(&made.reference), b"second");
    assert_eq!(room.content(NAME), b"first");
}

/// A claim directory of the stand-in Pod, whose rows are made by its API.
#[tokio::test]
async fn rows_made_by_rest_are_there_once_and_show_after_one_pass() {
    use support::pod::{ADMIN_TOKEN, Fault, FaultKind, Outage, Settings, StandInPod};

    const TABLE: &str = "recordingfiletreatment";
    const POST: &str = "/rest/recordingfiletreatment/";
    let once = |kind| Some((Fault::once("POST", POST, kind), Outage::None));
    let any = Fault::once("GET", "/nothing", FaultKind::ErrorBefore);
    for fault in [
        None,
        once(FaultKind::ErrorAfter),
        once(FaultKind::DropAfter),
        once(FaultKind::ErrorBefore),
        once(FaultKind::Status(503)),
        Some((any.clone(), Outage::Database)),
        Some((any, Outage::Network)),
    ] {
        let pod = StandInPod::start_with(Settings {
            recorder_path: Some("/srv/pod/ftp/".into()),
            ..Settings::default()
        });
        let files = pod.recorder_root().join("bbbclaim");
        fs::create_dir_all(&files).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let token_file = scratch.path().join("token");
        fs::write(&token_file, ADMIN_TOKEN).unwrap();
        let config = DirectoryConfig {
            directory: files,
            pod_directory: Some("/srv/pod/ftp/bbbclaim".into()),
            require_mount: false,
            timezone: Some("Europe/Paris".into()),
            on_republish: Republish::Replace,
            claim_row: ClaimRow::Rest,
            recorder: Some(Chosen::Title("BBB claim".into())),
            url: Some(pod.url()),
            token_file: Some(token_file),
            database: None,
        };
        let destination = Directory::new(&config).unwrap();
        let findings = destination.check().await;
        assert!(findings.iter().all(|f| f.advice.is_none()), "{findings:#?}");
        let journal = Memory::default();
        let lecture = lecture(scratch.path(), b"video");
        if let Some((fault, outage)) = fault {
            pod.fail(fault);
            pod.outage(outage);
            if outage != Outage::None {
                for _ in 0..3 {
                    let error = destination.register(&lecture, &journal).await.unwrap_err();
                    assert!(matches!(error.retry(), Retry::Later(_)), "{error}");
                }
            }
            pod.outage(Outage::None);
        }
        let mut made = destination.register(&lecture, &journal).await;
        for _ in 0..3 {
            if made.is_err() {
                made = destination.register(&lecture, &journal).await;
            }
        }
        let name = made.unwrap().reference;
        let rows = pod.rows(TABLE);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].1["file"], format!("/srv/pod/ftp/bbbclaim/{name}"));
        assert_eq!(rows[0].1["file_size"], 5);
        pod.check_directories();
        assert_eq!(pod.rows(TABLE)[0].1["require_manual_claim"], true);
        let asked = destination.asked();
        destination.register(&lecture, &journal).await.unwrap();
        assert_eq!(
            destination.asked(),
            asked,
            "what is done is not asked for again"
        );
    }
}

#[tokio::test]
async fn rows_made_by_sql_show_at_once_and_are_there_once() {
    use support::databases::Engine;

    const TABLE: &str = "recorder_recordingfiletreatment";
    for engine in Engine::ALL {
        for point in 0.. {
            let pod = engine.server().database();
            pod.pod();
            pod.run(
                "INSERT INTO recorder_recorder (name, description, address_ip, salt, recording_type, directory) \
                 VALUES ('BBB claim', '', '192.168.1.10', 'x', 'video', 'bbbclaim');",
            );
            let mut room = Room::new();
            let config = DirectoryConfig {
                directory: room.files.path().into(),
                pod_directory: Some("/srv/pod/ftp/bbbclaim".into()),
                require_mount: false,
                timezone: Some("Europe/Paris".into()),
                on_republish: Republish::Replace,
                claim_row: ClaimRow::Sql,
                recorder: Some(Chosen::Title("BBB claim".into())),
                url: None,
                token_file: None,
                database: Some(crate::database::DatabaseConfig {
                    url: pod.url(),
                    password_file: None,
                }),
            };
            room.destination = Directory::new(&config).unwrap();
            let rows = || {
                pod.rows(&format!(
                    "SELECT file, file_size, type, require_manual_claim FROM {TABLE};"
                ))
            };
            let findings = room.destination.check().await;
            assert!(findings.iter().all(|f| f.advice.is_none()), "{findings:#?}");
            let lecture = room.lecture(b"video");
            let plan = room
                .destination
                .rehearse(&lecture, &room.journal)
                .await
                .unwrap();
            assert!(
                plan.steps[1].starts_with(&format!("INSERT INTO {TABLE} (file, ")),
                "{plan:?}"
            );
            assert!(rows().is_empty());

            let attempt = room.destination.register(&lecture, &room.journal);
            let finished = abort_at(attempt, point).await.is_some();
            room.register(&lecture).await;
            let yes = if engine == Engine::MariaDb { "1" } else { "t" };
            let expected = [
                format!("/srv/pod/ftp/bbbclaim/{NAME}"),
                "5".into(),
                "video".into(),
                yes.into(),
            ];
            assert_eq!(rows(), [expected.to_vec()], "aborted at {point}");
            if !finished {
                continue;
            }
            room.register(&room.lecture(b"longer video")).await;
            assert_eq!(
                rows()[0][1],
                "12",
                "the row tells the size of the new version"
            );
            break;
        }
    }
}
