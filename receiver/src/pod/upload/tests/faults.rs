//! Everything that can fail between the receiver and Pod, at every request and at every wait.

use super::*;

#[tokio::test]
async fn while_an_encoding_runs_nothing_is_replaced() {
    let room = Room::with(Settings {
        encoder: Encoder::Manual,
        ..Settings::default()
    });
    room.register(&room.lecture(b"first")).await.unwrap();
    let second = room.lecture(b"second");
    let error = room.register(&second).await.unwrap_err();
    assert!(matches!(error.retry(), Retry::Later(Some(_))), "{error}");
    room.pod.finish_encoding(1);
    room.register(&second).await.unwrap();
    assert_eq!(room.pod.videos()[0].sha256, second.digest().to_string());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 308] {
        let room = Room::new();
        room.pod
            .fail(Fault::once("POST", POST, FaultKind::Status(status)));
        let error = room.register(&room.lecture(b"video")).await.unwrap_err();
        assert!(error.to_string().contains("redirects"), "{error}");
        assert_eq!(error.retry(), Retry::StopAll);
        assert!(room.pod.videos().is_empty());
    }
}

#[tokio::test]
async fn what_pod_refuses_is_not_sent_again() {
    for status in [400, 403, 404, 413] {
        let room = Room::new();
        room.pod
            .fail(Fault::once("POST", POST, FaultKind::Status(status)));
        let error = room.register(&room.lecture(b"video")).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never, "{error}");
        assert_eq!(room.pod.count("POST", POST), 1);
    }
}

#[tokio::test]
async fn a_500_is_tried_once_more_after_a_look() {
    let room = Room::new();
    room.pod
        .fail(Fault::once("POST", POST, FaultKind::ErrorBefore));
    room.register(&room.lecture(b"video")).await.unwrap();
    assert_eq!(
        (room.pod.count("POST", POST), room.pod.videos().len()),
        (2, 1)
    );

    let room = Room::new();
    let mut twice = Fault::once("POST", POST, FaultKind::ErrorBefore);
    twice.times = 2;
    room.pod.fail(twice);
    let error = room.register(&room.lecture(b"video")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never, "{error}");
    assert_eq!(room.pod.count("POST", POST), 2);
}

#[tokio::test]
async fn whatever_fails_at_whatever_request_there_is_one_video_and_one_encoding() {
    use FaultKind::{DropAfter, DropBefore, ErrorAfter, ErrorBefore, HangAfter, Status};
    for kind in [
        DropAfter,
        DropBefore,
        ErrorAfter,
        ErrorBefore,
        HangAfter,
        Status(503),
    ] {
        for request in 0.. {
            let mut room = Room::new();
            room.config.timeout = Duration::from_millis(300);
            room.config.write_timeout = Duration::from_millis(300);
            room.pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            let lecture = room.lecture(b"video");
            room.insist(&lecture).await;
            room.encoded().await;
            let videos = room.pod.videos();
            assert_eq!(videos.len(), 1, "{kind:?} at {request}");
            assert_eq!(
                (videos[0].encoded, room.pod.mails()),
                (true, 1),
                "{kind:?} at {request}"
            );
            let needed = 9;
            if request > needed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn whatever_fails_while_replacing_there_is_one_video_with_the_new_file() {
    use FaultKind::{DropAfter, DropBefore, ErrorAfter, ErrorBefore};
    for kind in [DropAfter, DropBefore, ErrorAfter, ErrorBefore] {
        for request in 0..12 {
            let room = Room::new();
            room.register(&room.lecture(b"first")).await.unwrap();
            room.encoded().await;
            room.pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            let second = room.lecture(b"second");
            room.insist(&second).await;
            room.encoded().await;
            let videos = room.pod.videos();
            assert_eq!(videos.len(), 1, "{kind:?} at {request}");
            assert_eq!(videos[0].sha256, second.digest().to_string());
            assert_eq!(
                (videos[0].encoded, room.pod.mails()),
                (true, 2),
                "{kind:?} at {request}"
            );
        }
    }
}

/// Drops the registration at every point where it waits, as a kill would, and starts again.
#[tokio::test]
async fn whatever_is_aborted_there_is_one_video_and_one_encoding() {
    for point in 0.. {
        let room = Room::new();
        let lecture = room.lecture(b"video");
        let destination = room.destination();
        let attempt = destination.register(&lecture, &room.journal);
        let finished = abort_at(attempt, point).await.is_some();
        room.insist(&lecture).await;
        room.encoded().await;
        let videos = room.pod.videos();
        assert_eq!(videos.len(), 1, "aborted at {point}");
        assert_eq!(
            (videos[0].encoded, room.pod.mails()),
            (true, 1),
            "aborted at {point}"
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
        destination.register(&lecture, &room.journal).await.unwrap();
        assert_eq!(room.pod.videos().len(), 1);
    }
}

#[tokio::test]
async fn uploads_to_one_pod_go_one_after_another() {
    let room = Room::new();
    let lectures: Vec<Lecture> = (0..8)
        .map(|number| {
            let mut lecture = room.lecture(b"video");
            lecture.record_id = format!("{number:040x}-1554230749920").parse().unwrap();
            lecture
        })
        .collect();
    let journals: Vec<Memory> = lectures.iter().map(|_| Memory::default()).collect();
    let (one, two) = (room.destination(), room.destination());
    let all = lectures
        .iter()
        .zip(&journals)
        .enumerate()
        .map(|(number, (lecture, journal))| {
            let destination = if number % 2 == 0 { &one } else { &two };
            destination.register(lecture, journal)
        });
    for outcome in futures::future::join_all(all).await {
        outcome.unwrap();
    }
    assert_eq!(room.pod.videos().len(), 8);
    assert_eq!(room.pod.uploads_at_once(), 1);
    assert_eq!(room.pod.count("POST", POST), 8);
}
