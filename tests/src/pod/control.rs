//! The stand-in's controls over HTTP, on a port of their own, for tests that run it as a process.
//!
//! Everything is JSON. `GET /_control/state` tells what there is; the POSTs under `/_control/`
//! take the arguments of the handle's functions by name.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::controls::Controls;
use super::faults::{Fault, FaultKind, Outage};
use super::settings::Encoder;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    username: String,
    #[serde(default)]
    staff: bool,
    /// Made by SQL, without owner row and home folder.
    #[serde(default)]
    bare: bool,
    token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderedFault {
    method: Option<String>,
    path: String,
    #[serde(default)]
    after: u32,
    #[serde(default = "one")]
    times: u32,
    kind: String,
    /// For `status`.
    status: Option<u16>,
    /// For `slow`.
    millis: Option<u64>,
}

fn one() -> u32 {
    1
}

impl OrderedFault {
    fn fault(self) -> Result<Fault, String> {
        let kind = match (self.kind.as_str(), self.status, self.millis) {
            ("error_before", ..) => FaultKind::ErrorBefore,
            ("error_after", ..) => FaultKind::ErrorAfter,
            ("drop_before", ..) => FaultKind::DropBefore,
            ("drop_after", ..) => FaultKind::DropAfter,
            ("hang_before", ..) => FaultKind::HangBefore,
            ("hang_after", ..) => FaultKind::HangAfter,
            ("status", Some(status), _) => FaultKind::Status(status),
            ("slow", _, Some(millis)) => FaultKind::Slow(Duration::from_millis(millis)),
            (kind, ..) => return Err(format!("no fault {kind:?} with these arguments")),
        };
        Ok(Fault {
            method: self.method,
            path: self.path,
            after: self.after,
            times: self.times,
            kind,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoding {
    video: u64,
    #[serde(default)]
    in_progress: bool,
    #[serde(default)]
    encoded: bool,
    step: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    file: String,
    user: u64,
    title: String,
}

type Refusal = (StatusCode, Json<Value>);

fn refuse(text: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, Json(json!({"error": text.into()})))
}

async fn state(State(pod): State<Controls>) -> Json<Value> {
    Json(json!({
        "videos": pod.videos(), "requests": pod.requests(), "uploads_at_once": pod.uploads_at_once(),
        "mails": pod.mails(), "recorder_root": pod.recorder_root(),
    }))
}

async fn rows(State(pod): State<Controls>, Path(table): Path<String>) -> Json<Value> {
    let rows = pod.rows(&table).into_iter().map(|(id, mut row)| {
        row.insert("id".to_owned(), id.into());
        Value::Object(row)
    });
    Json(rows.collect())
}

async fn add_user(State(pod): State<Controls>, Json(user): Json<User>) -> Json<Value> {
    let id = if user.bare {
        pod.add_bare_user(&user.username, user.staff)
    } else {
        pod.add_user(&user.username, user.staff)
    };
    if let Some(token) = user.token {
        pod.add_token(id, &token);
    }
    Json(json!({"id": id}))
}

async fn add_row(
    State(pod): State<Controls>,
    Path(table): Path<String>,
    Json(row): Json<Map<String, Value>>,
) -> Json<Value> {
    Json(json!({"id": pod.add_row(&table, Value::Object(row))}))
}

async fn set_row(
    State(pod): State<Controls>,
    Path((table, id)): Path<(String, u64)>,
    Json(columns): Json<Map<String, Value>>,
) -> StatusCode {
    pod.set_row(&table, id, Value::Object(columns));
    StatusCode::NO_CONTENT
}

async fn add_fault(
    State(pod): State<Controls>,
    Json(fault): Json<OrderedFault>,
) -> Result<StatusCode, Refusal> {
    pod.fail(fault.fault().map_err(refuse)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(pod): State<Controls>) -> StatusCode {
    pod.clear_faults();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderedOutage {
    kind: String,
    /// Without it the outage lasts until another is ordered.
    millis: Option<u64>,
}

async fn outage(
    State(pod): State<Controls>,
    Json(ordered): Json<OrderedOutage>,
) -> Result<StatusCode, Refusal> {
    let outage = match ordered.kind.as_str() {
        "none" => Outage::None,
        "database" => Outage::Database,
        "network" => Outage::Network,
        other => return Err(refuse(format!("no outage {other:?}"))),
    };
    match ordered.millis {
        Some(millis) => pod.outage_for(outage, Duration::from_millis(millis)),
        None => pod.outage(outage),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn encoder(
    State(pod): State<Controls>,
    Path(kind): Path<String>,
) -> Result<StatusCode, Refusal> {
    let encoder = match kind.as_str() {
        "manual" => Encoder::Manual,
        millis => match millis.parse() {
            Ok(millis) => Encoder::Timed(Duration::from_millis(millis)),
            Err(_) => {
                return Err(refuse(
                    "an encoder is \"manual\" or a number of milliseconds",
                ));
            }
        },
    };
    pod.configure(|settings| settings.encoder = encoder);
    Ok(StatusCode::NO_CONTENT)
}

async fn finish(State(pod): State<Controls>, Path(video): Path<u64>) -> StatusCode {
    pod.finish_encoding(video);
    StatusCode::NO_CONTENT
}

async fn encoding(State(pod): State<Controls>, Json(encoding): Json<Encoding>) -> StatusCode {
    pod.set_encoding(
        encoding.video,
        encoding.in_progress,
        encoding.encoded,
        &encoding.step,
    );
    StatusCode::NO_CONTENT
}

async fn tag(
    State(pod): State<Controls>,
    Path(video): Path<u64>,
    Json(tags): Json<Vec<String>>,
) -> StatusCode {
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    pod.tag_video(video, &tags);
    StatusCode::NO_CONTENT
}

async fn check_directories(State(pod): State<Controls>) -> StatusCode {
    pod.check_directories();
    StatusCode::NO_CONTENT
}

async fn claim(
    State(pod): State<Controls>,
    Json(claim): Json<Claim>,
) -> Result<Json<Value>, Refusal> {
    let video = pod
        .claim(&claim.file, claim.user, &claim.title)
        .map_err(refuse)?;
    Ok(Json(json!({"video": video})))
}

pub(crate) fn router(controls: Controls) -> Router {
    Router::new()
        .route("/_control/state", get(state))
        .route("/_control/rows/{table}", get(rows).post(add_row))
        .route("/_control/rows/{table}/{id}", post(set_row))
        .route("/_control/users", post(add_user))
        .route("/_control/faults", post(add_fault).delete(clear_faults))
        .route("/_control/outage", post(outage))
        .route("/_control/encoder/{kind}", post(encoder))
        .route("/_control/finish/{video}", post(finish))
        .route("/_control/encoding", post(encoding))
        .route("/_control/tags/{video}", post(tag))
        .route("/_control/check_directories", post(check_directories))
        .route("/_control/claim", post(claim))
        .with_state(controls)
}
