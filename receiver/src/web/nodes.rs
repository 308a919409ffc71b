//! What nodes ask and tell besides uploading: what is known of many packages, what became of
//! recordings on the node, how the node is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use jiff::Timestamp;
use recording::protocol::{
    Introduction, Known, KnownQuestion, LONGEST_PROBE, MOST_AT_ONCE, NodeRecordings, NodeReport,
    NodeStates, PROTOCOL_VERSION, PackageState, PackageStatus, Probed,
};
use recording::{Digest, PlaybackFormat, RecordId};
use serde::Deserialize;

use super::{Service, auth, failed, refusal};
use crate::upload::headers::VERSION as TUS_VERSION;

/// A probe on which nothing comes for this long is ended.
const SILENT: Duration = Duration::from_secs(30);
/// What is wrong with a copy that was not read, only looked at.
const NOT_WHOLE: &str = "its manifest or some of its files are gone or have another size";
/// Longest version of a hook that is kept.
const LONGEST_VERSION: usize = 100;

/// Answers a request of a node whose body is JSON.
macro_rules! node {
    ($service:expr, $headers:expr) => {
        match auth::node(&$service.ledger, &$headers).await {
            Ok(node) => node,
            Err(error) => return error.into_response(),
        }
    };
}

/// Takes the body apart, or answers why that cannot be done.
macro_rules! body {
    ($body:expr) => {
        match $body {
            Ok(Json(body)) => body,
            Err(rejection) => return wrong_body(&rejection),
        }
    };
}

pub(super) fn wrong_body(rejection: &JsonRejection) -> Response {
    refusal(rejection.status(), &rejection.body_text())
}

pub(super) fn too_many() -> Response {
    refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("more than {MOST_AT_ONCE} at once; ask in parts"),
    )
}

pub(super) async fn introduce(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    // Also a node of which nothing is taken may know that, and say how it is.
    let caller = match auth::caller(&service.ledger, &headers).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    Json(Introduction {
        node: caller.node,
        state: caller.state,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL_VERSION.to_owned(),
        time: Timestamp::now(),
        max_size: service.uploads.max_size(),
        room: service.uploads.room().ok(),
        tus_version: TUS_VERSION.to_owned(),
    })
    .into_response()
}

pub(super) async fn known(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Json<KnownQuestion>, JsonRejection>,
) -> Response {
    let _node = node!(service, headers);
    let question = body!(body);
    if question.packages.len() > MOST_AT_ONCE {
        return too_many();
    }
    match service.ledger.known_packages(&question.packages).await {
        Ok(packages) => {
            let found = question.packages.into_iter().zip(packages);
            let packages = looked_at(&service, found, |(package, status)| Content {
                record_id: &package.record_id,
                format: &package.format,
                digest: &package.digest,
                status: status.as_mut(),
            })
            .await;
            let packages = packages.into_iter().map(|(_, status)| status).collect();
            Json(Known { packages }).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Some content, and what the ledger says of it.
struct Content<'a> {
    record_id: &'a RecordId,
    format: &'a PlaybackFormat,
    digest: &'a Digest,
    status: Option<&'a mut PackageStatus>,
}

/// What the ledger calls archived but the archive does not hold in full any more is damaged, and
/// noted as such: it must be sent again, and a node must not delete its own copy.
async fn looked_at<T: Send + 'static>(
    service: &Service,
    items: impl IntoIterator<Item = T>,
    content: fn(&mut T) -> Content<'_>,
) -> Vec<T> {
    let archive = service.archive.clone();
    let mut items: Vec<T> = items.into_iter().collect();
    let look = move || {
        let mut damaged = Vec::new();
        for item in &mut items {
            let content = content(item);
            let Some(status) = content.status else {
                continue;
            };
            if *status == PackageStatus::Archived
                && !archive.is_sound(content.record_id, content.format, content.digest)
            {
                tracing::error!(record_id = %content.record_id, format = %content.format,
                    "the archive's copy is gone or damaged; it has to be sent again");
                *status = PackageStatus::Damaged;
                damaged.push((
                    content.record_id.clone(),
                    content.format.clone(),
                    *content.digest,
                ));
            }
        }
        (items, damaged)
    };
    let (items, damaged) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    for (id, format, digest) in damaged {
        let noted = service
            .ledger
            .note_damaged(&id, &format, &digest, NOT_WHOLE);
        if let Err(error) = noted.await {
            tracing::error!(record_id = %id, %format, %error, "it cannot be noted in the ledger");
        }
    }
    items
}

/// The packages of one recording, held against the archive.
pub(super) async fn as_archived(
    service: &Service,
    record_id: &RecordId,
    packages: Vec<PackageState>,
) -> Vec<PackageState> {
    let items = packages
        .into_iter()
        .map(|package| (record_id.clone(), package));
    let looked = looked_at(service, items, |(record_id, package)| Content {
        record_id,
        format: &package.format,
        digest: &package.digest,
        status: Some(&mut package.status),
    })
    .await;
    let mut packages: Vec<_> = looked.into_iter().map(|(_, package)| package).collect();
    for package in &mut packages {
        if package.status == PackageStatus::Damaged && package.reason.is_none() {
            package.reason = Some(NOT_WHOLE.to_owned());
        }
    }
    packages
}

pub(super) async fn states(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Json<NodeStates>, JsonRejection>,
) -> Response {
    let node = node!(service, headers);
    let told = body!(body);
    if told.recordings.len() > MOST_AT_ONCE {
        return too_many();
    }
    match service
        .ledger
        .note_node_states(&node, &told.recordings)
        .await
    {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn report(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Json<NodeReport>, JsonRejection>,
) -> Response {
    let node = match auth::caller(&service.ledger, &headers).await {
        Ok(caller) => caller.node,
        Err(error) => return error.into_response(),
    };
    let mut report = body!(body);
    report.version = plain(&report.version);
    match service.ledger.note_node_report(&node, &report).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

/// A version as one short line.
pub(super) fn plain(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(LONGEST_VERSION).collect()
}

/// Which page is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// What the page before gave as `next`.
    after: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn recordings(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let node = node!(service, headers);
    let Query(page) = match page {
        Ok(page) => page,
        Err(rejection) => return refusal(rejection.status(), &rejection.body_text()),
    };
    let most = u32::try_from(MOST_AT_ONCE).unwrap_or(u32::MAX);
    let limit = page.limit.unwrap_or(most).clamp(1, most);
    let after = page.after.unwrap_or_default();
    // Neither part of a name holds a slash.
    let after = after.split_once('/').unwrap_or((&after, ""));
    let found = service.ledger.recordings_of_node(&node, after, limit).await;
    let recordings = match found {
        Ok(recordings) => recordings,
        Err(error) => return failed(&error),
    };
    let recordings = looked_at(&service, recordings, |recording| Content {
        record_id: &recording.record_id,
        format: &recording.format,
        digest: &recording.digest,
        status: Some(&mut recording.status),
    })
    .await;
    let next = recordings
        .last()
        .filter(|_| recordings.len() as u64 == u64::from(limit))
        .map(|last| format!("{}/{}", last.record_id, last.format));
    Json(NodeRecordings { recordings, next }).into_response()
}

pub(super) async fn probe(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let _node = node!(service, headers);
    let mut frames = body.into_data_stream();
    let mut bytes = 0u64;
    loop {
        match tokio::time::timeout(SILENT, frames.next()).await {
            Ok(None) => return Json(Probed { bytes }).into_response(),
            Ok(Some(Ok(frame))) => bytes = bytes.saturating_add(frame.len() as u64),
            Ok(Some(Err(_))) | Err(_) => {
                return refusal(StatusCode::REQUEST_TIMEOUT, "the body ended early");
            }
        }
        if bytes > LONGEST_PROBE as u64 {
            let why = format!("a probe has {LONGEST_PROBE} bytes at most");
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, &why);
        }
    }
}
