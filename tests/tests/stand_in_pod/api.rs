//! Credentials, slashes, uploads, searches, encodings, ordered failures.

use std::time::Duration;

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use serde_json::json;
use support::pod::{
    ADMIN_TOKEN, Database, Encoder, Fault, FaultKind, Outage, STUDENT_TOKEN, Settings, Version,
};

use crate::site::{Site, mp4, told, video};

#[tokio::test]
async fn only_staff_with_a_token_or_a_password_gets_in() {
    let site = Site::standard();
    let with = async |header: Option<String>| {
        let mut request = site
            .client
            .get(format!("{}/rest/", site.pod.url()))
            .header(ACCEPT_LANGUAGE, "fr");
        if let Some(header) = header {
            request = request.header("Authorization", header);
        }
        request.send().await.unwrap()
    };
    let none = with(None).await;
    assert_eq!(none.status(), 401);
    assert_eq!(none.headers()["www-authenticate"], "Basic realm=\"api\"");
    assert_eq!(
        told(none).await.1,
        json!({"detail": "Informations d'authentification non fournies."})
    );
    assert_eq!(with(Some("Token 00".into())).await.status(), 401);
    assert_eq!(
        with(Some(format!("Token {STUDENT_TOKEN}"))).await.status(),
        403
    );
    assert_eq!(
        with(Some(format!("Token {ADMIN_TOKEN}"))).await.status(),
        200
    );
    assert_eq!(
        with(Some("Basic c3RhZmYxOnN0YWZmMXBhc3Mx".into()))
            .await
            .status(),
        200
    );
    assert_eq!(with(Some("Basic c3RhZmYxOm5v".into())).await.status(), 401);
}

#[tokio::test]
async fn a_missing_slash_loses_the_body() {
    let site = Site::standard();
    let answer = site
        .ask(Method::POST, "/rest/users")
        .json(&json!({"username": "x"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.headers()[LOCATION], "/rest/users/");
    let site = Site::new(Settings {
        debug: true,
        ..Settings::default()
    });
    assert_eq!(site.post("/rest/users", json!({})).await.0, 500);
    let answer = site
        .ask(Method::GET, "/rest/nothing/")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            &answer.headers()[CONTENT_TYPE] == "text/html; charset=utf-8"
        ),
        (404, true)
    );
}

#[tokio::test]
async fn an_upload_names_what_it_lacks() {
    let site = Site::standard();
    let lacking = json!({
        "video": ["No file was submitted."], "title": ["This field is required."],
        "owner": ["This field is required."], "type": ["This field is required."],
        "sites": ["This list may not be empty."],
    });
    assert_eq!(
        site.upload(Form::new().text("foo", "bar")).await,
        (400, lacking.clone())
    );
    let endless = futures::stream::iter([Ok::<_, std::io::Error>(b"\0\0\0\x20ftypisom".to_vec())]);
    let chunked = Part::stream(reqwest::Body::wrap_stream(endless)).file_name("a.mp4");
    let form = video("chunked").part("more", chunked);
    assert_eq!(site.upload(form).await, (400, lacking), "chunked transfer");
    let (_, refused) = site
        .upload(
            Form::new()
                .part("video", Part::bytes(Vec::new()).file_name("a.mp4"))
                .text("title", "é".repeat(251))
                .text("owner", "2")
                .text("type", "/rest/types/9/")
                .text("sites", "/rest/types/1/"),
        )
        .await;
    assert_eq!(
        refused,
        json!({
            "video": ["The submitted file is empty."],
            "title": ["Ensure this field has no more than 250 characters."],
            "owner": ["Invalid hyperlink - No URL match."],
            "type": ["Invalid hyperlink - Object does not exist."],
            "sites": ["Invalid hyperlink - Incorrect URL match."],
        })
    );
    assert!(site.pod.videos().is_empty());
}

#[tokio::test]
async fn an_upload_is_public_unless_said_otherwise() {
    let site = Site::standard();
    let (status, made) = site
        .upload(video("Réunion BBB").text("date_added", "2026-10-05T14:30:00.124Z"))
        .await;
    assert_eq!(status, 201);
    assert_eq!(made["slug"], "0001-reunion-bbb");
    assert_eq!(made["is_draft"], false);
    assert_eq!(made["date_added"], "2026-10-05T16:30:00.124000+02:00");
    let videos = site.pod.videos();
    assert_eq!(videos[0].size, 22);
    assert_eq!(videos[0].owner, "staff1");
    assert_eq!(
        site.pod.media(&videos[0].file).unwrap(),
        b"\0\0\0\x20ftypisom and so on"
    );
    let found = "/rest/videos/user_videos/?username=staff1&date_added=2026-10-05T14:30:00.124Z";
    assert_eq!(site.get(found).await.1["count"], 1);
    let other = "/rest/videos/user_videos/?username=staff1&date_added=2026-10-05T14:30:00.125Z";
    assert_eq!(site.get(other).await.1["count"], 0);
}

#[tokio::test]
async fn a_title_is_searched_in_the_language_it_was_written_in() {
    let site = Site::standard();
    site.upload(video("race")).await;
    let search = "/rest/videos/user_videos/?username=staff1&search_title=ra";
    assert_eq!(site.get(search).await.1["count"], 1);
    let french = site.ask(Method::GET, search).header(ACCEPT_LANGUAGE, "fr");
    let french = french.build().map(|mut request| {
        request
            .headers_mut()
            .insert(ACCEPT_LANGUAGE, "fr".parse().unwrap());
        request
    });
    assert_eq!(
        told(site.client.execute(french.unwrap()).await.unwrap())
            .await
            .1["count"],
        0
    );
}

#[tokio::test]
async fn parallel_uploads_with_one_title_collide() {
    let site = Site::standard();
    let (a, b) = tokio::join!(site.upload(video("same")), site.upload(video("same")));
    let mut statuses = [a.0, b.0];
    statuses.sort();
    assert_eq!(statuses, [201, 500]);
    assert_eq!(site.pod.uploads_at_once(), 2);
    assert_eq!(site.pod.videos().len(), 1);
    let (status, next) = site.upload(video("same")).await;
    assert_eq!(
        (status, next["id"].as_u64()),
        (201, Some(3)),
        "the failed insert used an id up"
    );
}

#[tokio::test]
async fn what_mariadb_cannot_hold_is_a_500() {
    let site = Site::standard();
    assert_eq!(site.upload(video("Réunion 🎥")).await.0, 500);
    site.pod.set_next_id("videos", 10_001);
    assert_eq!(site.upload(video("first")).await.0, 201);
    assert_eq!(
        site.upload(video(&"t".repeat(250))).await.0,
        500,
        "a slug of 256 characters"
    );
    site.pod.add_bare_user("bare", true);
    let form = Form::new()
        .part("video", mp4())
        .text("title", "x")
        .text("owner", "/rest/users/4/")
        .text("type", "/rest/types/1/")
        .text("sites", "/rest/sites/1/");
    assert_eq!(site.upload(form).await.0, 500, "an owner without owner row");
    let site = Site::new(Settings {
        database: Database::Postgres,
        ..Settings::default()
    });
    assert_eq!(site.upload(video("Réunion 🎥")).await.0, 201);
}

#[tokio::test]
async fn a_tag_breaks_the_answer_and_not_the_deed() {
    let site = Site::standard();
    site.upload(video("tagged")).await;
    site.pod.tag_video(1, &["bbb"]);
    assert_eq!(site.get("/rest/videos/").await.0, 500);
    assert_eq!(site.get("/rest/videos/1/").await.0, 500);
    let change = site
        .ask(Method::PATCH, "/rest/videos/1/")
        .json(&json!({"is_draft": true}));
    assert_eq!(change.send().await.unwrap().status(), 500);
    assert!(site.pod.videos()[0].is_draft);
    assert_eq!(
        site.get("/rest/launch_encode_view/?slug=0001-tagged")
            .await
            .0,
        500
    );
    assert!(site.pod.videos()[0].encoding_in_progress);
    let (status, listed) = site.get("/rest/videos/user_videos/?username=staff1").await;
    assert_eq!(
        (
            status,
            &listed["results"][0]["video_data"]["tags"][0]["name"]
        ),
        (200, &json!("bbb"))
    );
    let (status, refused) = site.upload(video("more").text("tags", "bbb")).await;
    assert_eq!(
        (status, refused),
        (400, json!({"tags": ["Invalid hyperlink - No URL match."]}))
    );
}

#[tokio::test]
async fn an_encoding_runs_ends_and_begins_again() {
    let site = Site::new(Settings {
        encoder: Encoder::Timed(Duration::from_millis(5)),
        ..Settings::default()
    });
    site.upload(video("v")).await;
    let launch = "/rest/launch_encode_view/?slug=0001-v";
    let (_, before) = site.get(launch).await;
    assert_eq!(
        (
            &before["encoding_in_progress"],
            &before["get_encoding_step"]
        ),
        (&json!(false), &json!(""))
    );
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if site.pod.videos()[0].encoded {
            break;
        }
    }
    let (_, after) = site.get("/rest/videos/1/").await;
    assert_eq!(
        (
            &after["encoded"],
            &after["get_encoding_step"],
            &after["duration"]
        ),
        (&json!(true), &json!("0: end of encoding"), &json!(12))
    );
    assert_eq!(site.pod.mails(), 1);
    site.get(launch).await;
    assert!(!site.pod.videos()[0].encoded, "wiped");
    assert_eq!(site.get("/rest/launch_encode_view/?slug=none").await.0, 404);
}

#[tokio::test]
async fn an_unreadable_file_stays_at_step_two() {
    let site = Site::new(Settings {
        encoder: Encoder::Timed(Duration::from_millis(1)),
        ..Settings::default()
    });
    let form = Form::new()
        .part(
            "video",
            Part::bytes(b"no video".to_vec()).file_name("a.mp4"),
        )
        .text("title", "v")
        .text("owner", "/rest/users/2/")
        .text("type", "/rest/types/1/")
        .text("sites", "/rest/sites/1/");
    assert_eq!(site.upload(form).await.0, 201);
    site.get("/rest/launch_encode_view/?slug=0001-v").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let video = &site.pod.videos()[0];
    assert_eq!(
        (
            video.encoding_in_progress,
            video.encoded,
            video.step.as_str()
        ),
        (true, false, "2: start standard encoding")
    );
}

#[tokio::test]
async fn pages_hold_twelve_and_unknown_parameters_do_nothing() {
    let site = Site::standard();
    for number in 0..12 {
        site.pod.add_user(&format!("user{number}"), false);
    }
    let (_, first) = site.get("/rest/users/?limit=100&is_staff=true").await;
    assert_eq!(
        (&first["count"], first["results"].as_array().unwrap().len()),
        (&json!(15), 12)
    );
    assert_eq!(
        first["next"],
        format!(
            "{}/rest/users/?is_staff=true&limit=100&page=2",
            site.pod.url()
        )
    );
    let (_, last) = site.get("/rest/users/?page=last").await;
    assert_eq!(
        (last["results"].as_array().unwrap().len(), &last["previous"]),
        (3, &json!(format!("{}/rest/users/", site.pod.url())))
    );
    assert_eq!(
        site.get("/rest/users/?page=3").await,
        (404, json!({"detail": "Invalid page."}))
    );
}

#[tokio::test]
async fn names_compare_as_the_database_compares_them() {
    let site = Site::standard();
    assert_eq!(
        site.get("/rest/users/?username=ST%C3%84FF1").await.1["count"],
        1
    );
    assert_eq!(
        site.post("/rest/users/", json!({"username": "Staff1"}))
            .await
            .0,
        400
    );
    let site = Site::new(Settings {
        database: Database::Postgres,
        ..Settings::default()
    });
    assert_eq!(site.get("/rest/users/?username=STAFF1").await.1["count"], 0);
    assert_eq!(
        site.post("/rest/users/", json!({"username": "Staff1"}))
            .await
            .0,
        201
    );
    let site = Site::new(Settings {
        version: Version::V3_7_0,
        ..Settings::default()
    });
    assert_eq!(
        site.get("/rest/users/?username=nobody").await.1["count"],
        3,
        "dead filter"
    );
}

#[tokio::test]
async fn ordered_failures_happen_as_ordered() {
    let site = Site::standard();
    let post = |kind| site.pod.fail(Fault::once("POST", "/rest/videos/", kind));
    post(FaultKind::ErrorBefore);
    assert_eq!(site.upload(video("a")).await.0, 500);
    assert_eq!(site.pod.videos().len(), 0);
    post(FaultKind::ErrorAfter);
    assert_eq!(site.upload(video("b")).await.0, 500);
    assert_eq!(site.pod.videos().len(), 1);
    post(FaultKind::DropAfter);
    assert!(
        site.ask(Method::POST, "/rest/videos/")
            .multipart(video("c"))
            .send()
            .await
            .is_err()
    );
    assert_eq!(site.pod.videos().len(), 2);
    post(FaultKind::DropBefore);
    assert!(
        site.ask(Method::POST, "/rest/videos/")
            .multipart(video("d"))
            .send()
            .await
            .is_err()
    );
    post(FaultKind::HangAfter);
    let patience = Duration::from_millis(200);
    assert!(
        site.ask(Method::POST, "/rest/videos/")
            .timeout(patience)
            .multipart(video("e"))
            .send()
            .await
            .is_err()
    );
    assert_eq!(site.pod.videos().len(), 3);
    post(FaultKind::Status(503));
    assert_eq!(site.upload(video("f")).await.0, 503);
    site.pod.outage(Outage::Database);
    assert_eq!(site.get("/info_pod.json").await.0, 500);
    site.pod.outage(Outage::Network);
    assert!(
        site.ask(Method::GET, "/info_pod.json")
            .send()
            .await
            .is_err()
    );
    site.pod.outage(Outage::None);
    assert_eq!(site.get("/info_pod.json").await.1["VERSION"], "4.1.0");
    assert_eq!(site.pod.count("POST", "/rest/videos/"), 6);
}

#[tokio::test]
async fn an_upload_cut_in_the_middle_leaves_nothing() {
    use tokio::io::AsyncWriteExt;
    let site = Site::standard();
    let address = site.pod.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let begun = format!(
        "POST /rest/videos/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Token {ADMIN_TOKEN}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"video\"; filename=\"a.mp4\"\r\n\r\nhalf"
    );
    stream.write_all(begun.as_bytes()).await.unwrap();
    while site.pod.count("POST", "/rest/videos/") == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(stream);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(site.pod.videos().is_empty());
    assert_eq!(site.upload(video("whole")).await.0, 201);
    assert_eq!(site.pod.requests()[0].status, 0);
}

#[tokio::test]
async fn an_outage_may_end_by_itself() {
    let site = Site::standard();
    site.pod
        .outage_for(Outage::Database, Duration::from_millis(100));
    assert_eq!(site.get("/rest/").await.0, 500);
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(site.get("/rest/").await.0, 200);
}
