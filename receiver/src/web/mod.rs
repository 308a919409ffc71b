//! The HTTP service: uploads, videos, the state of recordings for the nodes, health, metrics.

pub(crate) mod auth;
mod enrol;
mod listen;
pub(crate) mod metrics;
mod nodes;
mod tenants;
mod verify;
pub(crate) mod video;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use recording::RecordId;
use recording::protocol::{
    ENROLL_PATH, KNOWN_PATH, NODE_PATH, NODE_RECORDINGS_PATH, NODE_REPORT_PATH, NODE_STATES_PATH,
    PROBE_PATH, RECORDINGS_PATH, RecordingState, Refusal, VERIFY_PATH,
};

pub(crate) use self::listen::serve;
use self::metrics::Metrics;
use crate::import::Archive;
use crate::ledger::{Ledger, LedgerError};
use crate::upload::Uploads;

use self::video::Videos;

/// What the handlers need.
struct Service {
    ledger: Ledger,
    archive: Archive,
    metrics: Metrics,
    uploads: Uploads,
    patience: enrol::Patience,
    verifications: verify::Verifications,
}

/// All routes.
pub(crate) fn routes(
    ledger: Ledger,
    archive: Archive,
    uploads: Uploads,
    videos: Videos,
    metrics: Metrics,
) -> Router {
    let service = Arc::new(Service {
        ledger,
        archive,
        metrics,
        uploads: uploads.clone(),
        patience: enrol::Patience::default(),
        verifications: verify::Verifications::default(),
    });
    Router::new()
        .route(&format!("{RECORDINGS_PATH}{{id}}"), get(recording_state))
        .route(KNOWN_PATH, post(nodes::known))
        .route(VERIFY_PATH, post(verify::verify))
        .route(NODE_PATH, get(nodes::introduce))
        .route(NODE_STATES_PATH, post(nodes::states))
        .route(NODE_RECORDINGS_PATH, get(nodes::recordings))
        .route(NODE_REPORT_PATH, post(nodes::report))
        .route(PROBE_PATH, post(nodes::probe))
        .route(ENROLL_PATH, post(enrol::enrol))
        .route(tenants::TENANT_PATH, get(tenants::introduce))
        .route(tenants::TENANT_RECORDINGS_PATH, get(tenants::recordings))
        .route(
            &format!("{}/{{id}}", tenants::TENANT_RECORDINGS_PATH),
            get(tenants::recording),
        )
        .route("/healthz", get(health))
        .route("/metrics", get(self::metrics::page))
        .with_state(service)
        .merge(uploads.routes())
        .merge(videos.routes())
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method means nothing here",
            )
        })
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (
        status,
        Json(Refusal {
            error: why.to_owned(),
        }),
    )
        .into_response()
}

fn failed(error: &LedgerError) -> Response {
    tracing::error!(%error, "a request failed");
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the receiver failed; its log says why",
    )
}

/// What a node may know of a recording: the packages that it sent itself.
async fn recording_state(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let node = match auth::node(&service.ledger, &headers).await {
        Ok(node) => node,
        Err(error) => return error.into_response(),
    };
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let Ok(record_id) = id.parse::<RecordId>() else {
        return refusal(StatusCode::NOT_FOUND, "this is no record id");
    };
    let packages = match service.ledger.packages_of(&record_id, Some(&node)).await {
        Ok(packages) if packages.is_empty() => {
            match service.ledger.is_erased(&record_id).await {
                Ok(false) => {}
                Ok(true) => {
                    return Json(RecordingState {
                        record_id,
                        packages,
                        stage: None,
                        registered: false,
                        erased: true,
                    })
                    .into_response();
                }
                Err(error) => return failed(&error),
            }
            return refusal(
                StatusCode::NOT_FOUND,
                "this node has sent no such recording",
            );
        }
        Ok(packages) => nodes::as_archived(&service, &record_id, packages).await,
        Err(error) => return failed(&error),
    };
    let stage = match service.ledger.recording(&record_id).await {
        Ok(recording) => recording.map(|r| r.state().to_owned()),
        Err(error) => return failed(&error),
    };
    let registered = match service.ledger.is_registered(&record_id).await {
        Ok(registered) => registered,
        Err(error) => return failed(&error),
    };
    Json(RecordingState {
        record_id,
        packages,
        stage,
        registered,
        erased: false,
    })
    .into_response()
}

/// Healthy means: the ledger answers.
async fn health(State(service): State<Arc<Service>>) -> Response {
    match service.ledger.ping().await {
        Ok(()) => Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "the ledger does not answer");
            refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the ledger does not answer",
            )
        }
    }
}
