//! Enrolment: a one-time code becomes a node's token.
//!
//! This is the one thing that can be asked without a token, so wrong codes are counted, and after
//! too many of them nobody is answered for a while. A code has 100 random bits: the limit is not
//! there to protect it, but the ledger from being asked without end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recording::protocol::{Enrolled, Enrolment};

use super::nodes::{plain, wrong_body};
use super::{Service, failed, refusal};
use crate::token;

/// Wrong codes after which nobody is answered …
const MOST_WRONG: u32 = 10;
/// … until so much time has gone by since the first of them.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts wrong codes.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<Option<(Instant, u32)>>);

impl Patience {
    /// How long nobody is answered yet; `None` when the next one is.
    fn exhausted(&self, now: Instant) -> Option<Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = (*state)?;
        match WINDOW.checked_sub(now.saturating_duration_since(since)) {
            Some(left) if wrong >= MOST_WRONG => Some(left),
            Some(_) => None,
            None => {
                *state = None;
                None
            }
        }
    }

    fn wrong(&self, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = state.unwrap_or((now, 0));
        *state = Some((since, wrong + 1));
    }
}

pub(super) async fn enrol(
    State(service): State<Arc<Service>>,
    body: Result<Json<Enrolment>, JsonRejection>,
) -> Response {
    let asked = match body {
        Ok(Json(asked)) => asked,
        Err(rejection) => return wrong_body(&rejection),
    };
    if let Some(left) = service.patience.exhausted(Instant::now()) {
        let why = "too many wrong codes have come; try again in a minute";
        let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, why);
        let seconds = HeaderValue::from(left.as_secs() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        return response;
    }
    let token = match token::new() {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(%error, "no token can be made");
            let why = "the receiver failed; its log says why";
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
        }
    };
    let code = token::plain_code(&asked.code);
    let version = plain(&asked.hook_version);
    match service.ledger.enrol(&code, &token, &version).await {
        Ok(Some(node)) => {
            tracing::info!(node, version, "node enrolled");
            Json(Enrolled { node, token }).into_response()
        }
        Ok(None) => {
            service.patience.wrong(Instant::now());
            tracing::warn!("somebody tried to enrol with a code that is wrong, used or expired");
            refusal(
                StatusCode::FORBIDDEN,
                "this code is wrong, used or expired; get a new one on the receiver with: bbb2pod-receiver node enroll NAME",
            )
        }
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_comes_back() {
        let patience = Patience::default();
        let start = Instant::now();
        for _ in 0..MOST_WRONG {
            assert_eq!(patience.exhausted(start), None);
            patience.wrong(start);
        }
        assert_eq!(patience.exhausted(start), Some(WINDOW));
        let later = start + WINDOW + Duration::from_millis(1);
        assert_eq!(patience.exhausted(later), None);
        patience.wrong(later);
        assert_eq!(patience.exhausted(later), None);
    }
}
