//! Deliveries into real directories, aborted at every point where they wait.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
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
    assert_eq!(made.media_digest, lecture.media_digest);
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
        (NAME, second.media_digest)
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
        assert_eq!(made.media_digest, first.media_digest);
        assert_eq!(made.notes.len(), 1, "{:?}", made.notes);
        assert_eq!(room.listing().len(), usize::from(!taken));
    }
}

#[tokio::test]
async fn failures_leave_nothing_behind_and_say_what_to_do() {
    let room = Room::new();
    let mut changed = room.lecture(b"video");
    changed.media_digest = Digest::of(b"another");
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
                assert_eq!(made.media_digest, second.media_digest);
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
