//! A stand-in and a client that speaks to it as the recordings did.

use reqwest::header::ACCEPT_LANGUAGE;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use support::pod::{Encoder, STAFF_TOKEN, Settings, StandInPod};

pub(crate) struct Site {
    pub(crate) pod: StandInPod,
    pub(crate) client: Client,
}

impl Site {
    pub(crate) fn new(settings: Settings) -> Site {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Site {
            pod: StandInPod::start_with(settings),
            client,
        }
    }

    pub(crate) fn standard() -> Site {
        Site::new(Settings {
            encoder: Encoder::Manual,
            ..Settings::default()
        })
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.pod.url()))
            .header("Authorization", format!("Token {STAFF_TOKEN}"))
            .header(ACCEPT_LANGUAGE, "en")
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        told(self.ask(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        told(
            self.ask(Method::POST, path)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn upload(&self, form: Form) -> (u16, Value) {
        told(
            self.ask(Method::POST, "/rest/videos/")
                .multipart(form)
                .send()
                .await
                .unwrap(),
        )
        .await
    }
}

pub(crate) async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

pub(crate) fn mp4() -> Part {
    Part::bytes(b"\0\0\0\x20ftypisom and so on".to_vec()).file_name("a.mp4")
}

pub(crate) fn video(title: &str) -> Form {
    Form::new()
        .part("video", mp4())
        .text("title", title.to_owned())
        .text("owner", "/rest/users/2/")
        .text("type", "/rest/types/1/")
        .text("sites", "/rest/sites/1/")
}
