//! What belongs to a video: folders, files, captions, documents, chapters; and how releases and
//! settings differ there.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use support::pod::{Encoder, Settings, Version};

use crate::site::{Site, told, video};

#[tokio::test]
async fn captions_and_documents_need_a_file_in_a_folder() {
    let site = Site::standard();
    site.upload(video("v")).await;
    let (status, folder) = site
        .post(
            "/rest/folders/",
            json!({"name": "0001-v", "owner": "/rest/users/2/"}),
        )
        .await;
    assert_eq!(status, 201);
    let twice = site
        .post(
            "/rest/folders/",
            json!({"name": "0001-v", "owner": "/rest/users/2/"}),
        )
        .await;
    let set = json!({"non_field_errors": ["The fields name, owner must make a unique set."]});
    assert_eq!(twice, (400, set));
    let file = |name: Option<&str>| {
        let form = Form::new()
            .part(
                "file",
                Part::bytes(b"WEBVTT\n".to_vec()).file_name("My captions.vtt"),
            )
            .text("folder", folder["url"].as_str().unwrap().to_owned())
            .text("created_by", "/rest/users/2/");
        let form = match name {
            Some(name) => form.text("name", name.to_owned()),
            None => form,
        };
        site.ask(Method::POST, "/rest/files/")
            .multipart(form)
            .send()
    };
    let unnamed = told(file(None).await.unwrap()).await;
    assert_eq!(unnamed, (400, json!({"name": ["This field is required."]})));
    let (_, stored) = told(file(Some("anything")).await.unwrap()).await;
    assert_eq!(stored["name"], "My captions");
    assert!(
        stored["file"]
            .as_str()
            .unwrap()
            .ends_with("/my-captions.vtt"),
        "{stored}"
    );
    let track = json!({"video": "/rest/videos/1/", "kind": "captions", "lang": "fr", "src": "/rest/files/1/"});
    assert_eq!(site.post("/rest/tracks/", track.clone()).await.0, 201);
    assert_eq!(
        site.post("/rest/tracks/", track).await.0,
        201,
        "duplicates are not refused"
    );
    let regional = json!({"video": "/rest/videos/1/", "lang": "en-US", "src": "/rest/files/1/"});
    assert_eq!(
        site.post("/rest/tracks/", regional).await,
        (400, json!({"lang": ["\"en-US\" is not a valid choice."]}))
    );
    assert_eq!(site.get("/rest/tracks/?video=1").await.1["count"], 2);
    let document =
        json!({"video": "/rest/videos/1/", "document": "/rest/files/1/", "private": true});
    let (status, made) = site.post("/rest/documents/", document).await;
    assert_eq!((status, made.get("private")), (201, None));
}

#[tokio::test]
async fn chapters_are_unique_whole_and_not_filtered() {
    let site = Site::standard();
    site.upload(video("v")).await;
    site.upload(video("w")).await;
    let chapter = |video: u64, start: Value| json!({"video": format!("/rest/videos/{video}/"), "title": "One", "time_start": start});
    assert_eq!(
        site.post("/rest/chapters/", chapter(1, json!(0))).await.0,
        201
    );
    let (status, refused) = site.post("/rest/chapters/", chapter(1, json!(0))).await;
    assert_eq!(
        (status, &refused["non_field_errors"][0]),
        (
            400,
            &json!("The fields title, time_start, video must make a unique set.")
        )
    );
    assert_eq!(
        site.post("/rest/chapters/", chapter(1, json!(3.5))).await.1["time_start"][0],
        "A valid integer is required."
    );
    assert_eq!(
        site.post("/rest/chapters/", chapter(1, json!(-1))).await.0,
        400
    );
    assert_eq!(
        site.post("/rest/chapters/", chapter(2, json!(999_999)))
            .await
            .0,
        201,
        "beyond the end"
    );
    assert_eq!(site.get("/rest/chapters/?video=1").await.1["count"], 2);
    let (_, listed) = site
        .get("/rest/videos/user_videos/?username=staff1&search_title=v")
        .await;
    assert_eq!(
        listed["results"][0]["video_data"]["chapters"],
        json!([{"title": "One", "slug": "1-one"}])
    );
    assert_eq!(
        site.ask(Method::DELETE, "/rest/videos/1/")
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(site.pod.rows("chapters").len(), 1);
    assert_eq!(
        site.ask(Method::DELETE, "/rest/videos/1/")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn a_change_of_title_moves_the_address_and_the_folder() {
    let site = Site::standard();
    site.upload(video("Before")).await;
    site.get("/rest/launch_encode_view/?slug=0001-before").await;
    site.pod.finish_encoding(1);
    let change = site
        .ask(Method::PATCH, "/rest/videos/1/")
        .json(&json!({"title": "After", "owner": "/rest/users/1/"}));
    let (status, changed) = told(change.send().await.unwrap()).await;
    assert_eq!((status, &changed["slug"]), (200, &json!("0001-after")));
    let folders = site.pod.rows("folders");
    assert!(
        folders
            .iter()
            .any(|(_, row)| row["name"] == "0001-after" && row["owner"] == 1),
        "{folders:?}"
    );
    assert_eq!(
        site.get("/rest/launch_encode_view/?slug=0001-before")
            .await
            .0,
        404
    );
    let (status, lacking) = told(
        site.ask(Method::PUT, "/rest/videos/1/")
            .json(&json!({"title": "x"}))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (status, &lacking["video"], &lacking["sites"]),
        (
            400,
            &json!(["No file was submitted."]),
            &json!(["This field is required."])
        )
    );
}

#[tokio::test]
async fn without_podfile_an_encoded_video_cannot_be_read() {
    let site = Site::new(Settings {
        podfile: false,
        encoder: Encoder::Manual,
        ..Settings::default()
    });
    assert_eq!(site.get("/rest/files/").await.0, 404);
    assert!(site.get("/rest/").await.1.get("files").is_none());
    site.upload(video("v")).await;
    assert_eq!(site.get("/rest/videos/1/").await.0, 200);
    site.pod.finish_encoding(1);
    assert_eq!(site.get("/rest/videos/1/").await.0, 500);
    assert_eq!(
        site.get("/rest/videos/user_videos/?username=staff1")
            .await
            .1["count"],
        1
    );
}

#[tokio::test]
async fn before_version_4_tags_are_text() {
    let site = Site::new(Settings {
        version: Version::V3_8_4,
        ..Settings::default()
    });
    let (status, made) = site.upload(video("v").text("tags", "bbb bbbid-1")).await;
    assert_eq!((status, &made["tags"]), (201, &json!("bbb bbbid-1")));
    assert_eq!(
        site.get("/rest/videos/").await.1["results"][0]["tags"],
        "bbb bbbid-1"
    );
    assert_eq!(
        site.get("/rest/videos/9/").await.1,
        json!({"detail": "Not found."})
    );
    assert_eq!(
        site.get("/rest/").await.1["mainfiles"],
        format!("{}/rest/files/", site.pod.url())
    );
}

#[tokio::test]
async fn a_user_comes_with_an_owner_row_and_goes_with_all_that_is_theirs() {
    let site = Site::standard();
    site.pod.add_bare_user("by-sql", false);
    let (_, user) = site
        .post(
            "/rest/users/",
            json!({"username": "new", "password": "ignored"}),
        )
        .await;
    let owner = site
        .pod
        .rows("owners")
        .into_iter()
        .find(|(_, row)| row["user"] == user["id"])
        .unwrap();
    assert_eq!(
        (user["id"].as_u64(), owner.0),
        (Some(5), 4),
        "the two ids are not the same"
    );
    assert_eq!(owner.1["hashkey"].as_str().unwrap().len(), 64);
    let group = json!({"code_name": "g", "display_name": "G", "sites": ["/rest/sites/1/"]});
    assert_eq!(site.post("/rest/accessgroups/", group).await.0, 201);
    let (status, group) = site
        .post(
            "/rest/accessgroups_set_users_by_name/",
            json!({"code_name": "g", "users": ["new", "nobody", "by-sql"]}),
        )
        .await;
    assert_eq!(
        (status, &group["users"]),
        (200, &json!([format!("{}/rest/owners/4/", site.pod.url())]))
    );
    assert_eq!(
        site.post(
            "/rest/accessgroups_set_users_by_name/",
            json!({"code_name": "g"})
        )
        .await
        .0,
        500
    );
    assert_eq!(
        site.ask(Method::DELETE, "/rest/users/5/")
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(site.pod.rows("owners").len(), 3);
}
