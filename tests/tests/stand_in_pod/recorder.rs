//! Recorders, claims, meetings and the pages outside the API.

use reqwest::Method;
use reqwest::header::LOCATION;
use reqwest::multipart::Form;
use serde_json::json;
use support::pod::{Encoder, Settings};

use crate::site::{Site, told};

const MP4: &[u8] = b"\0\0\0\x20ftypisom";

fn dropped(site: &Site, name: &str) -> String {
    let path = site.pod.recorder_root().join("bbbclaim").join(name);
    std::fs::write(&path, MP4).unwrap();
    path.to_string_lossy().into_owned()
}

async fn claim_page(site: &Site, user: u64) -> (u16, String) {
    let request = site
        .ask(Method::GET, "/record/claim_record/")
        .header("Cookie", site.pod.session(user));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_dropped_file_can_be_claimed_after_two_passes() {
    let site = Site::standard();
    let file = dropped(&site, "lecture.mp4");
    dropped(&site, "lecture.MP4");
    dropped(&site, "lecture.mp4.part");
    site.pod.check_directories();
    assert!(!claim_page(&site, 2).await.1.contains("lecture"));
    site.pod.check_directories();
    let (status, page) = claim_page(&site, 2).await;
    assert_eq!(
        (status, page.matches("lecture").count()),
        (200, 1),
        "{page}"
    );
    assert_eq!(claim_page(&site, 3).await.0, 302, "not for students");
    let video = site.pod.claim(&file, 2, "Lecture").unwrap();
    let made = &site.pod.videos()[0];
    assert_eq!(
        (
            made.id,
            made.owner.as_str(),
            made.is_draft,
            made.encoding_in_progress
        ),
        (video, "staff1", true, true)
    );
    assert!(!std::path::Path::new(&file).exists());
    assert!(!claim_page(&site, 2).await.1.contains("lecture"));
}

#[tokio::test]
async fn a_row_made_by_rest_waits_for_one_pass() {
    let site = Site::standard();
    let file = dropped(&site, "a.mp4");
    let row = json!({"file": file, "file_size": MP4.len(), "recorder": "/rest/recorder/1/", "require_manual_claim": true});
    assert_eq!(
        site.post("/rest/recordingfiletreatment/", row.clone())
            .await
            .0,
        201
    );
    let (status, refused) = site.post("/rest/recordingfiletreatment/", row).await;
    assert_eq!(
        (status, refused),
        (
            400,
            json!({"file": ["Recording file treatment with this file already exists."]})
        )
    );
    assert!(!claim_page(&site, 2).await.1.contains("a.mp4"));
    site.pod.check_directories();
    assert!(claim_page(&site, 2).await.1.contains("a.mp4"));
    let (_, options) = told(
        site.ask(Method::OPTIONS, "/rest/recordingfiletreatment/")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        options["actions"]["POST"]["file"]["choices"][1]["value"],
        file
    );
    let orphan = json!({"file": dropped(&site, "b.mp4"), "file_size": MP4.len()});
    assert_eq!(
        site.post("/rest/recordingfiletreatment/", orphan).await.0,
        201
    );
    site.pod.check_directories();
    assert_eq!(
        claim_page(&site, 2).await.0,
        500,
        "a listed row without recorder breaks the page"
    );
}

#[tokio::test]
async fn a_recording_is_processed_at_once_and_only_once() {
    let site = Site::standard();
    let file = dropped(&site, "r.mp4");
    let row = |user: u64| json!({"title": "R", "user": format!("/rest/users/{user}/"), "source_file": file, "type": "video"});
    let (status, refused) = site.post("/rest/recording/", row(3)).await;
    assert_eq!(
        (status, refused),
        (
            400,
            json!({"user": ["Invalid hyperlink - Object does not exist."]})
        ),
        "students"
    );
    assert_eq!(site.post("/rest/recording/", row(2)).await.0, 201);
    let made = &site.pod.videos()[0];
    assert_eq!(
        (
            made.title.as_str(),
            made.size,
            made.is_draft,
            made.encoding_in_progress
        ),
        ("R", MP4.len() as u64, true, true)
    );
    let (status, refused) = site.post("/rest/recording/", row(2)).await;
    assert_eq!(
        (status, refused),
        (
            400,
            json!({"source_file": [format!("\"{file}\" is not a valid path choice.")]})
        )
    );
    dropped(&site, "r.mp4");
    let (status, refused) = site.post("/rest/recording/", row(2)).await;
    assert_eq!(
        (status, refused),
        (
            400,
            json!({"source_file": ["Recording with this source file already exists."]})
        )
    );
    assert_eq!(site.pod.videos().len(), 1);
    let outside = json!({"title": "x", "source_file": "/etc/passwd"});
    assert_eq!(site.post("/rest/recording/", outside).await.0, 400);
}

#[tokio::test]
async fn pod_may_name_the_recorders_folder_otherwise() {
    let site = Site::new(Settings {
        recorder_path: Some("/srv/pod/ftp/".to_owned()),
        encoder: Encoder::Manual,
        ..Settings::default()
    });
    let here = dropped(&site, "r.mp4");
    let row = |file: &str| json!({"title": "R", "source_file": file});
    assert_eq!(site.post("/rest/recording/", row(&here)).await.0, 400);
    assert_eq!(
        site.post("/rest/recording/", row("/srv/pod/ftp/bbbclaim/r.mp4"))
            .await
            .0,
        201
    );
    assert_eq!(
        site.pod.videos()[0].owner,
        "admin",
        "the default recorder user"
    );
}

#[tokio::test]
async fn a_notification_answers_200_whatever_happened() {
    let site = Site::standard();
    let notify = async |query: &str| {
        let path = format!("/record/recorder_notify/{query}");
        told(site.ask(Method::GET, &path).send().await.unwrap()).await
    };
    let says = |text: &str| (200, json!(text));
    assert_eq!(
        notify("").await,
        says("nok: recordingPlace or mediapath or key are missing")
    );
    assert_eq!(
        notify("?recordingPlace=192_168_1_10&mediapath=x&key=00").await,
        says("nok: key is not valid")
    );
    let key = "c23d7eea378578a4c64c91f7429ab982";
    let known = format!("?recordingPlace=192_168_1_10&mediapath=x&key={key}");
    assert_eq!(notify(&known).await, says("ok"));
    assert_eq!(site.pod.mails(), 1);
    site.pod
        .set_row("recorder", 1, json!({"publication_auto": true, "user": 2}));
    assert_eq!(notify(&known).await.0, 500, "no row for the file");
    assert_eq!(
        site.post(
            "/rest/recorder/",
            json!({"name": "x", "address_ip": "1.1.1.1", "sites": ["/rest/sites/1/"]})
        )
        .await
        .0,
        500
    );
}

#[tokio::test]
async fn meetings_are_read_and_not_filtered() {
    let site = Site::standard();
    site.pod.add_row("meeting_session", json!({"name": "Maths", "meeting_id": "0001-maths", "start_at": 0, "created_at": 0, "owner_id": 2, "is_personal": false, "is_webinar": false}));
    site.pod.add_row("meeting_session", json!({"name": "Physics", "meeting_id": "0002-physics", "start_at": 0, "created_at": 0, "owner_id": 1, "is_personal": false, "is_webinar": false}));
    let (_, listed) = site
        .get("/rest/meeting_session/?meeting_id=0001-maths")
        .await;
    assert_eq!(
        (&listed["count"], &listed["results"][1]["owner_id"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        site.post("/rest/meeting_session/", json!({"name": "Chemistry"}))
            .await
            .0,
        500
    );
    assert_eq!(
        site.get("/rest/meeting_session/0001-maths/").await,
        (404, json!({"detail": "Not found."}))
    );
}

#[tokio::test]
async fn external_videos_are_added_by_a_superuser_s_form_only() {
    let site = Site::standard();
    let add = |cookie: String| {
        let form = [
            ("csrfmiddlewaretoken", "standin"),
            ("name", "Lecture"),
            ("type", "bigbluebutton"),
            (
                "source_url",
                "https://bbb.example/playback/presentation/2.3/x",
            ),
            ("owner", "2"),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = site
            .ask(Method::POST, "/import_video/add")
            .header("Cookie", cookie);
        request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    assert_eq!(
        add(site.pod.session(1)).await.unwrap().status(),
        403,
        "no CSRF cookie"
    );
    let login = Form::new()
        .text("username", "admin")
        .text("password", "adminpass1")
        .text("csrfmiddlewaretoken", "standin");
    let login = site
        .ask(Method::POST, "/accounts/login/")
        .header("Cookie", "csrftoken=standin")
        .multipart(login);
    let login = login.send().await.unwrap();
    assert_eq!(
        (login.status().as_u16(), &login.headers()[LOCATION] == "/"),
        (302, true)
    );
    let session = login.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        add(format!("csrftoken=standin; {session}"))
            .await
            .unwrap()
            .status(),
        302
    );
    let page = site
        .ask(Method::GET, "/import_video/")
        .header("Cookie", site.pod.session(2))
        .send()
        .await
        .unwrap();
    assert!(page.text().await.unwrap().contains("Lecture"));
    assert_eq!(site.get("/rest/external_recording/").await.0, 404);
}
