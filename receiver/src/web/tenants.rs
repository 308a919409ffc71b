//! What tenants may look at, by their secrets: their own recordings, and nobody else's.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use recording::RecordId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Service, auth, failed, refusal};
use crate::ledger::{LedgerError, Recording};

/// Where a tenant asks how its recordings are.
pub(super) const TENANT_PATH: &str = "/api/v1/tenant";
/// Where it asks which they are; a record id may follow.
pub(super) const TENANT_RECORDINGS_PATH: &str = "/api/v1/tenant/recordings";
/// Most recordings on a page.
const MOST: u32 = 1000;

macro_rules! tenant {
    ($service:expr, $headers:expr) => {
        match auth::tenant(&$service.ledger, &$headers).await {
            Ok(tenant) => tenant,
            Err(error) => return error.into_response(),
        }
    };
}

/// Which page is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// The last record id of the page before.
    after: Option<String>,
    limit: Option<u32>,
}

/// Who the asker is, and how many of its recordings are in each state.
pub(super) async fn introduce(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let tenant = tenant!(service, headers);
    match service.ledger.tenant_counts().await {
        Ok(counts) => {
            let its = counts
                .into_iter()
                .filter(|(name, ..)| name.as_deref() == Some(&tenant));
            let counts: serde_json::Map<_, _> =
                its.map(|(_, state, n)| (state, n.into())).collect();
            Json(json!({ "tenant": tenant, "recordings": counts })).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Its recordings, page by page.
pub(super) async fn recordings(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let tenant = tenant!(service, headers);
    let Query(page) = match page {
        Ok(page) => page,
        Err(rejection) => return refusal(rejection.status(), &rejection.body_text()),
    };
    let limit = page.limit.unwrap_or(MOST).clamp(1, MOST);
    let after = page.after.unwrap_or_default();
    match listed(&service, &tenant, &after, limit).await {
        Ok(recordings) => {
            let next = recordings
                .last()
                .filter(|_| recordings.len() as u64 == u64::from(limit))
                .map(|last| last["record_id"].clone());
            Json(json!({ "recordings": recordings, "next": next })).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn listed(
    service: &Service,
    tenant: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Value>, LedgerError> {
    let page = service
        .ledger
        .recordings_of_tenant(tenant, after, limit)
        .await?;
    let mut shown = Vec::with_capacity(page.len());
    for recording in &page {
        shown.push(as_json(service, tenant, recording).await?);
    }
    Ok(shown)
}

/// One of its recordings.
pub(super) async fn recording(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let tenant = tenant!(service, headers);
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let found = match id.parse::<RecordId>() {
        Ok(id) => service.ledger.recording(&id).await,
        Err(_) => Ok(None),
    };
    // What is another's is not there.
    let its = |recording: &Recording| recording.tenant.as_deref() == Some(&tenant);
    match found.map(|found| found.filter(its)) {
        Ok(Some(recording)) => match as_json(&service, &tenant, &recording).await {
            Ok(shown) => Json(shown).into_response(),
            Err(error) => failed(&error),
        },
        Ok(None) => refusal(StatusCode::NOT_FOUND, "you have no such recording"),
        Err(error) => failed(&error),
    }
}

async fn as_json(
    service: &Service,
    tenant: &str,
    recording: &Recording,
) -> Result<Value, LedgerError> {
    let registrations = service.ledger.registrations(&recording.record_id).await?;
    // One that came from another tenant may be in that one's Pod too.
    let own = registrations.iter().filter(|r| {
        r.destination
            .split_once('@')
            .is_some_and(|(_, t)| t == tenant)
    });
    let in_pod: Vec<_> = own
        .map(|r| {
            json!({
                "kind": r.kind, "reference": r.reference, "url": r.url,
                "registered_at": r.registered_at,
            })
        })
        .collect();
    Ok(json!({
        "record_id": recording.record_id, "title": recording.title,
        "started_at": recording.started_at, "state": recording.state(), "in_pod": in_pod,
    }))
}
