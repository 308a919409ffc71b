//! Chapters, captions and documents: each once, whatever fails, and replaced when the recording is.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use recording::Digest;

use crate::pod::Presentation;

fn presentation(folder: &Path, version: &[u8]) -> Presentation {
    crate::attachments::tests::write(folder);
    Presentation {
        folder: folder.to_owned(),
        digest: Digest::of(version),
    }
}

impl Room {
    fn presented(&self) -> Lecture {
        let mut lecture = self.lecture(b"video");
        lecture.presentation = Some(presentation(&self.files.path().join("p"), b"1"));
        lecture
    }

    fn rows_of(&self, table: &str) -> Vec<Value> {
        let rows = self.pod.rows(table).into_iter();
        rows.map(|(id, row)| {
            let mut row = Value::Object(row);
            row["id"] = json!(id);
            row
        })
        .collect()
    }

    fn chapters(&self) -> Vec<(u64, String)> {
        let rows = self.rows_of("chapters").into_iter();
        rows.map(|row| {
            assert_eq!(row["video"], 1);
            (
                row["time_start"].as_u64().unwrap(),
                row["title"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
    }

    /// Names of the files that show with the video, and what is wrong about them.
    fn attached(&self) -> Vec<String> {
        let files = self.rows_of("files");
        let mut names = Vec::new();
        for (table, field) in [("tracks", "src"), ("documents", "document")] {
            for row in self.rows_of(table) {
                assert_eq!(row["video"], 1);
                let file = files.iter().find(|file| file["id"] == row[field]).unwrap();
                let lang = row["lang"].as_str().unwrap_or_default();
                names.push(
                    format!("{} {lang}", file["name"].as_str().unwrap())
                        .trim_end()
                        .to_owned(),
                );
            }
        }
        assert_eq!(files.len(), names.len(), "each file shows once: {files:?}");
        names
    }
}

const FILES: [&str; 4] = [
    "Sous-titres fr fr",
    "Sous-titres en en",
    "Diapositives",
    "Notes partagées",
];

fn whole() -> Vec<(u64, String)> {
    [(0, "Groupes"), (70, "Anneaux"), (140, "Groupes")]
        .map(|(at, t)| (at, t.to_owned()))
        .into()
}

#[tokio::test]
async fn a_video_gets_all_that_belongs_to_the_lecture_before_it_is_encoded() {
    let room = Room::new();
    let lecture = room.presented();
    let made = room.register(&lecture).await.unwrap();
    room.insist(&lecture).await;
    assert_eq!(room.chapters(), whole());
    assert_eq!(room.attached(), FILES);
    let folders = room.rows_of("folders");
    let slug = &room.pod.videos()[0].slug;
    let folder = folders.iter().find(|f| f["name"] == **slug).unwrap();
    assert!(
        room.rows_of("files")
            .iter()
            .all(|file| file["folder"] == folder["id"])
    );
    assert!(
        made.notes.iter().any(|note| note.contains("slide3.svg")),
        "{:?}",
        made.notes
    );
    let asked = room.pod.requests();
    let launch = asked.iter().position(|seen| seen.path == LAUNCH).unwrap();
    assert!(asked[launch..].iter().all(|seen| seen.method == "GET"));
    let before = asked.len();
    room.register(&lecture).await.unwrap();
    assert_eq!(
        room.pod.requests().len(),
        before,
        "what is done is not asked for again"
    );
}

#[tokio::test]
async fn whatever_fails_at_whatever_request_each_is_there_once() {
    use FaultKind::{DropAfter, DropBefore, ErrorAfter, ErrorBefore};
    for kind in [DropAfter, DropBefore, ErrorAfter, ErrorBefore] {
        for request in 0.. {
            let room = Room::new();
            room.pod.fail(Fault {
                method: None,
                path: "*".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            room.insist(&room.presented()).await;
            room.encoded().await;
            assert_eq!(room.chapters(), whole(), "{kind:?} at {request}");
            assert_eq!(room.attached(), FILES, "{kind:?} at {request}");
            assert_eq!((room.pod.videos().len(), room.pod.mails()), (1, 1));
            if room.pod.requests().len() <= request as usize + 1 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_aborted_each_is_there_once() {
    // Waits are many; every third of them is a kill.
    for point in (0..).step_by(3) {
        let room = Room::new();
        let lecture = room.presented();
        let destination = room.destination();
        let attempt = destination.register(&lecture, &room.journal);
        let finished = abort_at(attempt, point).await.is_some();
        room.insist(&lecture).await;
        assert_eq!(room.chapters(), whole(), "aborted at {point}");
        assert_eq!(room.attached(), FILES, "aborted at {point}");
        if finished {
            break;
        }
    }
}

#[tokio::test]
async fn a_republished_recording_brings_its_own_and_takes_the_former_away() {
    let room = Room::new();
    let mut lecture = room.presented();
    room.insist(&lecture).await;
    room.pod.add_row(
        "chapters",
        json!({"video": 1, "title": "By hand", "time_start": 5}),
    );
    let folder = room.files.path().join("p");
    fs::write(
        folder.join("presentation_text.json"),
        r#"{"p": {"slide-1": "Corps"}}"#,
    )
    .unwrap();
    fs::write(folder.join("captions.json"), r#"[{"locale": "fr"}]"#).unwrap();
    fs::write(folder.join("notes.html"), "<body>Nouvelles notes</body>").unwrap();
    lecture.presentation.as_mut().unwrap().digest = Digest::of(b"2");
    room.insist(&lecture).await;
    let mut chapters = room.chapters();
    chapters.sort();
    let wanted = [
        (0, "Corps"),
        (5, "By hand"),
        (70, "Diapositive 2"),
        (140, "Corps"),
    ];
    assert_eq!(chapters, wanted.map(|(at, title)| (at, title.to_owned())));
    let mut attached = room.attached();
    attached.sort();
    assert_eq!(
        attached,
        ["Diapositives", "Notes partagées", "Sous-titres fr fr"]
    );
    assert_eq!(room.launches(), 1, "the film is the same");
}

#[tokio::test]
async fn another_setting_counts_for_what_is_done_already() {
    let mut room = Room::new();
    let lecture = room.presented();
    room.insist(&lecture).await;
    room.config.attach.chat = true;
    room.config.attach.slides = false;
    room.config.attach.chapters = false;
    room.insist(&lecture).await;
    assert!(room.chapters().is_empty());
    let mut attached = room.attached();
    attached.sort();
    assert_eq!(
        attached,
        [
            "Discussion",
            "Notes partagées",
            "Sous-titres en en",
            "Sous-titres fr fr"
        ]
    );
}

#[tokio::test]
async fn a_pod_without_files_gets_the_chapters() {
    let room = Room::with(Settings {
        podfile: false,
        ..Settings::default()
    });
    let made = room.register(&room.presented()).await.unwrap();
    assert_eq!(room.chapters(), whole());
    assert!(
        made.notes.iter().any(|note| note.contains("USE_PODFILE")),
        "{:?}",
        made.notes
    );
}

#[tokio::test]
async fn what_pod_refuses_is_left_out_and_said() {
    let room = Room::new();
    let mut always = Fault::once("POST", "/rest/files/", FaultKind::ErrorBefore);
    always.times = 1000;
    room.pod.fail(always);
    room.pod.fail(Fault::once(
        "POST",
        "/rest/chapters/",
        FaultKind::Status(403),
    ));
    let made = room.register(&room.presented()).await.unwrap();
    assert_eq!(room.chapters(), whole()[1..]);
    assert_eq!(room.launches(), 1);
    for what in [
        "\"Groupes\"",
        "\"Diapositives.pdf\"",
        "\"Sous-titres en.vtt\"",
    ] {
        assert!(
            made.notes.iter().any(|note| note.contains(what)),
            "{what}: {:?}",
            made.notes
        );
    }
}
