//! What the peer answers beside uploads.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::peer::{Inner, Peer, refusal, unauthorized};

pub(super) fn routes() -> Router<Peer> {
    Router::new()
        .route("/api/v1/known", post(known))
        .route("/api/v1/verify", post(verify))
        .route("/api/v1/node", get(node))
        .route("/api/v1/node/states", post(states))
        .route("/api/v1/node/recordings", get(recordings))
        .route("/api/v1/node/report", post(report))
        .route("/api/v1/probe", post(probe))
        .route("/api/v1/enroll", post(enroll))
}

fn answer(
    peer: &Peer,
    headers: &HeaderMap,
    make: impl FnOnce(&mut Inner) -> Result<Value, u16>,
) -> Response {
    let mut inner = peer.lock();
    if let Some(refused) = unauthorized(headers, &inner) {
        return refused;
    }
    match make(&mut inner) {
        Ok(value) => Json(value).into_response(),
        Err(status) => refusal(status, "as told"),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}

async fn known(
    State(peer): State<Peer>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> Response {
    answer(&peer, &headers, |inner| {
        let asked = question["packages"].as_array().unwrap();
        inner.asked.push(asked.len());
        assert!(asked.len() <= 1000);
        let status = |asked: &Value| {
            let of = |p: &&super::peer::Package| {
                (&p.record_id, &p.format, &p.digest)
                    == (
                        &text(asked, "record_id"),
                        &text(asked, "format"),
                        &text(asked, "digest"),
                    )
            };
            inner.packages.iter().rev().find(of).map(|p| p.status)
        };
        Ok(json!({ "packages": asked.iter().map(status).collect::<Vec<_>>() }))
    })
}

async fn verify(
    State(peer): State<Peer>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> Response {
    answer(&peer, &headers, |inner| {
        if inner.cannot_verify {
            return Err(404);
        }
        let asked = question["packages"].as_array().unwrap();
        if inner.still_reading > 0 {
            inner.still_reading -= 1;
            // Something is read already, and only the rest is asked for again.
            let mut answers = vec![json!({"state": "pending"}); asked.len()];
            answers[0] = found(inner, &asked[0]);
            return Ok(json!({ "packages": answers }));
        }
        let all: Vec<_> = asked.iter().map(|asked| found(inner, asked)).collect();
        Ok(json!({ "packages": all }))
    })
}

fn found(inner: &Inner, asked: &Value) -> Value {
    let (id, format, digest) = (
        text(asked, "record_id"),
        text(asked, "format"),
        text(asked, "digest"),
    );
    let is_there = inner.packages.iter().any(|p| {
        (&p.record_id, &p.format, &p.digest, p.status) == (&id, &format, &digest, "archived")
    });
    if is_there && !inner.damaged.contains(&format) {
        json!({"state": "held", "digest": digest})
    } else {
        json!({"state": "wrong", "why": "metadata.xml has another content"})
    }
}

async fn node(State(peer): State<Peer>, headers: HeaderMap) -> Response {
    answer(&peer, &headers, |inner| {
        let ahead = jiff::SignedDuration::from_secs(inner.clock_ahead);
        Ok(json!({
            "node": "node-1", "version": "0.0.0", "protocol": "1",
            "time": jiff::Timestamp::now() + ahead,
            "max_size": inner.max_size.unwrap_or(1 << 40), "room": inner.room.unwrap_or(1 << 40),
            "tus_version": "1.0.0",
        }))
    })
}

async fn states(State(peer): State<Peer>, headers: HeaderMap, Json(told): Json<Value>) -> Response {
    answer(&peer, &headers, |inner| {
        if inner.telling_fails > 0 {
            inner.telling_fails -= 1;
            return Err(503);
        }
        for state in told["recordings"].as_array().unwrap() {
            assert!(state["since"].is_string());
            inner.told.push((
                text(state, "record_id"),
                text(state, "format"),
                text(state, "state"),
            ));
        }
        Ok(json!({}))
    })
}

/// Two a page, so that there are several; as many as asked for when there are many.
async fn recordings(
    State(peer): State<Peer>,
    headers: HeaderMap,
    axum::extract::Query(query): axum::extract::Query<std::collections::BTreeMap<String, String>>,
) -> Response {
    answer(&peer, &headers, |inner| {
        let mut all: Vec<(String, Value)> = Vec::new();
        for p in &inner.packages {
            let key = format!("{}/{}", p.record_id, p.format);
            all.retain(|(other, _)| *other != key || p.status != "archived");
            if !all.iter().any(|(other, _)| *other == key) {
                let value = json!({
                    "record_id": p.record_id, "format": p.format, "digest": p.digest,
                    "status": p.status, "bytes": p.bytes.len(), "registered": inner.registered,
                });
                all.push((key, value));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let after = query.get("after");
        let mut rest = all
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|after| key > after));
        let limit = if inner.packages.len() > 100 {
            query["limit"].parse().unwrap()
        } else {
            2
        };
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let next = rest
            .next()
            .and_then(|_| page.last().map(|(key, _)| key.clone()));
        let page: Vec<_> = page.into_iter().map(|(_, value)| value).collect();
        Ok(json!({ "recordings": page, "next": next }))
    })
}

async fn report(
    State(peer): State<Peer>,
    headers: HeaderMap,
    Json(report): Json<Value>,
) -> Response {
    answer(&peer, &headers, |inner| {
        inner.reports.push(report);
        Ok(json!({}))
    })
}

async fn probe(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&peer, &headers, |_| Ok(json!({ "bytes": body.len() })))
}

async fn enroll(State(peer): State<Peer>, Json(enrolment): Json<Value>) -> Response {
    let mut inner = peer.lock();
    let code = text(&enrolment, "code");
    match inner.codes.iter().position(|known| *known == code) {
        None => refusal(403, "no such code"),
        Some(at) => {
            inner.codes.remove(at);
            Json(json!({ "node": "node-1", "token": inner.token })).into_response()
        }
    }
}
