//! Uploads out of web pages of other sites: what browsers must be told before they allow it.
//!
//! Off unless `upload.cors_origins` names who may. A page can do no more than anybody else: it needs
//! a node's token.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What pages may send.
const METHODS: &str = "POST, HEAD, PATCH, DELETE, OPTIONS";
const HEADERS: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, \
    Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Checksum, X-HTTP-Method-Override, \
    X-Requested-With, X-Request-ID";
/// What pages may see of the answers.
const EXPOSED: &str = "Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, \
    Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Defer-Length, \
    Upload-Concat, Upload-Expires";
/// How long browsers remember it, in seconds.
const REMEMBERED: &str = "86400";

/// The sites whose pages may upload.
#[derive(Clone, Debug)]
pub(super) struct Origins(pub(super) Vec<String>);

impl Origins {
    /// What an answer has to say to a page of this origin; `None` when it may not.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        if self.0.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let is_named = self.0.iter().any(|allowed| origin == allowed.as_str());
        is_named.then(|| origin.clone())
    }
}

/// Answers preflights, and adds to every answer what pages may see of it.
pub(super) async fn share(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    let Some(allowed) = origins.allowed(request.headers()) else {
        return next.run(request).await;
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let more = match is_preflight {
        true => &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ][..],
        false => &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)][..],
    };
    for (name, value) in more {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
