//! What videos get from settings and meta keys, and what becomes of them once they are encoded.

use super::*;

fn chosen(titles: &[&str]) -> Vec<Chosen> {
    titles
        .iter()
        .map(|title| Chosen::Title((*title).to_owned()))
        .collect()
}

/// A Pod with one of everything that can be chosen.
fn furnished() -> Room {
    let room = Room::new();
    for (table, row) in [
        (
            "types",
            serde_json::json!({"title": "Cours", "slug": "cours", "sites": [1]}),
        ),
        (
            "discipline",
            serde_json::json!({"title": "Maths", "slug": "maths", "site": 1}),
        ),
        (
            "channels",
            serde_json::json!({"title": "BBB", "slug": "bbb", "site": 1}),
        ),
        (
            "accessgroups",
            serde_json::json!({"display_name": "L1", "code_name": "l1", "sites": [1], "users": []}),
        ),
    ] {
        room.pod.add_row(table, row);
    }
    room.pod.add_user("assistant", false);
    room
}

#[tokio::test]
async fn videos_get_what_the_settings_say() {
    let mut room = furnished();
    let password_file = room.files.path().join("password");
    fs::write(&password_file, "s3cret\n").unwrap();
    room.config = UploadConfig {
        video_type: Chosen::Title("Cours".into()),
        additional_owners: vec!["assistant".into()],
        discipline: chosen(&["Maths"]),
        channel: chosen(&["BBB"]),
        groups: chosen(&["l1"]),
        licence: Some("by-nc-sa".into()),
        cursus: Some("L".into()),
        main_lang: Some("en".into()),
        password_file: Some(password_file),
        allow_downloading: true,
        ..room.config
    };
    let lecture = room.lecture(b"video");
    room.register(&lecture).await.unwrap();
    let video = &room.pod.videos()[0];
    assert_eq!(video.kind, "Cours");
    assert_eq!(video.additional_owners, ["assistant"]);
    assert!(video.is_draft && video.is_restricted);
    assert_eq!(video.password.as_deref(), Some("s3cret"));
    let rows = room.pod.rows("videos");
    for (column, value) in [
        ("discipline", serde_json::json!([1])),
        ("channel", serde_json::json!([1])),
        ("restrict_access_to_groups", serde_json::json!([1])),
        ("licence", "by-nc-sa".into()),
        ("cursus", "L".into()),
        ("main_lang", "fr".into()),
        ("allow_downloading", true.into()),
        ("disable_comment", false.into()),
    ] {
        assert_eq!(rows[0].1[column], value, "{column}");
    }
}

#[tokio::test]
async fn names_in_the_settings_must_be_in_pod() {
    let room = furnished();
    let lecture = room.lecture(b"video");
    let tries: [(&str, Change); 7] = [
        ("discipline", |c| {
            c.discipline = chosen(&["Maths", "Physique"])
        }),
        ("channel", |c| c.channel = chosen(&["x"])),
        ("groups", |c| c.groups = chosen(&["x"])),
        ("licence", |c| c.licence = Some("mine".into())),
        ("main_lang", |c| c.main_lang = Some("xx".into())),
        ("cursus", |c| c.cursus = Some("Z".into())),
        ("additional_owners", |c| {
            c.additional_owners = vec!["nobody".into()]
        }),
    ];
    for (key, change) in tries {
        let mut config = room.config.clone();
        change(&mut config);
        let upload = Upload::new(&config).unwrap();
        let error = upload.register(&lecture, &room.journal).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("destination.{key}: ")),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::StopAll);
    }
}

#[tokio::test]
async fn meta_keys_take_precedence_and_wrong_ones_are_noted() {
    for follow_meta in [true, false] {
        let mut room = furnished();
        room.config.follow_meta = follow_meta;
        let mut lecture = room.lecture(b"video");
        for (key, value) in [
            ("pod-title", "Un autre titre"),
            ("pod-type", "Cours"),
            ("pod-additional-owners", "assistant, admin"),
            ("pod-discipline", "Maths"),
            ("pod-channel", "Nowhere"),
            ("pod-restricted", "true"),
            ("pod-password", "s3cret"),
            ("pod-licence", "mine"),
            ("bbb-origin", "Moodle"),
        ] {
            lecture.meta.insert(key.into(), value.into());
        }
        let made = room.register(&lecture).await.unwrap();
        let video = &room.pod.videos()[0];
        assert_eq!(video.title.starts_with("Un autre titre"), follow_meta);
        assert_eq!(video.kind == "Cours", follow_meta);
        assert_eq!(
            video.additional_owners.len(),
            if follow_meta { 2 } else { 0 }
        );
        assert_eq!(video.is_restricted, follow_meta);
        assert_eq!(video.password.is_some(), follow_meta);
        assert_eq!(
            made.notes.len(),
            if follow_meta { 2 } else { 0 },
            "{:?}",
            made.notes
        );
        assert!(!format!("{made:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn an_encoding_is_followed_to_its_end_and_the_video_published() {
    for (publish, tagged) in [(false, false), (true, false), (true, true)] {
        let mut room = Room::with(Settings {
            encoder: Encoder::Manual,
            ..Settings::default()
        });
        room.config.publish = publish;
        let lecture = room.lecture(b"video");
        for _ in 0..3 {
            let made = room.register(&lecture).await.unwrap();
            assert!(
                made.look_again.is_some() && made.notes.is_empty(),
                "{made:?}"
            );
        }
        assert!(room.pod.videos()[0].is_draft);
        if tagged {
            room.pod.tag_video(1, &["bbb"]);
        }
        room.pod.finish_encoding(1);
        let made = room.register(&lecture).await.unwrap();
        assert_eq!((made.look_again, made.notes.len()), (None, 0));
        assert_eq!(room.pod.videos()[0].is_draft, !publish);
        assert_eq!((room.launches(), room.pod.videos().len()), (1, 1));
    }
}

#[tokio::test]
async fn encodings_that_fail_or_never_end_are_reported() {
    let room = Room::with(Settings {
        encoder: Encoder::Manual,
        ..Settings::default()
    });
    let lecture = room.lecture(b"video");
    room.register(&lecture).await.unwrap();
    room.pod
        .set_encoding(1, false, false, "-1: no video stream");
    let made = room.register(&lecture).await.unwrap();
    assert!(
        made.notes[0].contains("-1: no video stream"),
        "{:?}",
        made.notes
    );

    room.pod
        .set_encoding(1, true, false, "2: start standard encoding");
    let mut progress = room.journal.load().await.unwrap().unwrap();
    let since = Timestamp::now() - jiff::SignedDuration::from_hours(48);
    progress["step"] = serde_json::json!({
        "encoding": {"since": since, "publish": false},
    });
    room.journal.save(&progress).await.unwrap();
    let made = room.register(&lecture).await.unwrap();
    assert!(made.notes[0].contains("it is stuck"), "{:?}", made.notes);
    assert!(made.trouble.unwrap().contains("it is stuck"));
    assert!(made.look_again.unwrap() > Duration::from_secs(3600));
    let made = room.register(&lecture).await.unwrap();
    assert!(made.notes.is_empty() && made.trouble.is_some(), "told once");
    room.pod.set_encoding(1, false, true, "0: end of encoding");
    let made = room.register(&lecture).await.unwrap();
    assert_eq!((made.trouble, made.look_again), (None, None));
}
