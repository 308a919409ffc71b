//! What a refused request still sends.
//!
//! A connection that is closed while bytes come in is reset, and the answer with it: whoever sends
//! first and reads afterwards would never learn why. So a short rest is read and dropped, after
//! which the connection can be used again; a long one ends it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream::poll_fn;

/// Most bytes that are read for nothing.
const MOST: u64 = 16 * 1024 * 1024;
/// Longest time that this takes.
const LONGEST: Duration = Duration::from_secs(5);

/// What is left of a body that was passed on.
pub(super) struct Unread {
    stream: Arc<Mutex<BodyDataStream>>,
    /// Whether the client sends nothing before it is asked to.
    waits: bool,
    announced: u64,
}

impl Unread {
    /// Gives a body to be passed on, and what will be left of it.
    pub(super) fn of(headers: &HeaderMap, body: Body) -> (Body, Unread) {
        let stream = Arc::new(Mutex::new(body.into_data_stream()));
        let unread = Unread {
            stream: Arc::clone(&stream),
            waits: headers.contains_key(header::EXPECT),
            announced: super::body::content_length(headers),
        };
        let next = move |cx: &mut std::task::Context<'_>| {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.poll_next_unpin(cx)
        };
        (Body::from_stream(poll_fn(next)), unread)
    }

    /// Reads and drops what is left before a refusal is sent, within limits; one beyond them says
    /// that it is the last on this connection.
    pub(super) async fn drop_before(self, mut answer: Response) -> Response {
        // Nothing is left of what was taken, and nothing comes from whoever fell silent.
        let status = answer.status();
        let is_refused = status.is_client_error() || status == StatusCode::INSUFFICIENT_STORAGE;
        if !is_refused || status == StatusCode::REQUEST_TIMEOUT {
            return answer;
        }
        let is_short = !self.waits && self.announced <= MOST;
        let read = tokio::time::timeout(LONGEST, self.read_all());
        if !is_short || !matches!(read.await, Ok(true)) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }

    /// Whether it ended before there was too much of it.
    async fn read_all(&self) -> bool {
        let mut bytes = 0u64;
        let mut frames = poll_fn(|cx| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.poll_next_unpin(cx)
        });
        loop {
            match frames.next().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => bytes = bytes.saturating_add(frame.len() as u64),
            }
            if bytes > MOST {
                return false;
            }
        }
    }
}
