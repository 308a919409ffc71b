//! The videos themselves, `GET /video/<record id>.<signature>/video-0.mp4`, so that Pod and people
//! can have them without the BBB node: whole or in parts, and made on demand.
//!
//! A wrong address costs one HMAC and nothing else. Memory does not grow with the video, and the
//! number of videos sent at once is bounded; who comes when there is no room is told when to come
//! again.

mod address;
mod conditions;
mod range;
mod waiting;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use recording::{Digest, RecordId};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;

pub(crate) use address::{Addresses, KeyError};

use self::conditions::{File, Verdict};
use self::range::{Part, Wanted};
use super::{failed, refusal};
use crate::ledger::{Ledger, Stage};
use crate::media;

/// Videos sent at the same time; each holds one buffer.
const STREAMS: usize = 256;
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
/// Seconds after which somebody who found no room may come again.
const NO_ROOM: u32 = 10;

const KIND: &str = "video/mp4";

/// What is needed to send videos.
#[derive(Clone, Debug)]
pub(crate) struct Videos {
    ledger: Ledger,
    media_dir: PathBuf,
    addresses: Addresses,
    wake: Arc<Notify>,
    room: Arc<Semaphore>,
}

impl Videos {
    /// Puts the parts together; `wake` is notified when a video has to be made.
    pub(crate) fn new(
        ledger: Ledger,
        media_dir: PathBuf,
        addresses: Addresses,
        wake: Arc<Notify>,
    ) -> Videos {
        let room = Arc::new(Semaphore::new(STREAMS));
        Videos {
            ledger,
            media_dir,
            addresses,
            wake,
            room,
        }
    }

    /// The routes of the videos.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route(address::ROUTE, get(video))
            .with_state(self)
    }

    /// What to answer while there is no video; `None` when there is one.
    async fn absence(&self, id: &RecordId, headers: &HeaderMap) -> Option<Response> {
        let (recording, media) =
            match (self.ledger.recording(id).await, self.ledger.media(id).await) {
                (Ok(recording), Ok(media)) => (recording, media),
                (Err(error), _) | (_, Err(error)) => return Some(failed(&error)),
            };
        let (Some(recording), Some(media)) = (recording, media) else {
            return Some(nothing());
        };
        if media.made.is_some() {
            return None;
        }
        if recording.failed {
            return Some(refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "this video could not be made; the administrators of the receiver see why",
            ));
        }
        if recording.stage == Stage::Done {
            match self.ledger.want_media(id).await {
                Ok(true) => self.wake.notify_one(),
                Ok(false) => {}
                Err(error) => return Some(failed(&error)),
            }
        }
        Some(waiting::answer(headers, recording.progress))
    }
}

fn nothing() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is nothing here")
}

async fn video(
    State(videos): State<Videos>,
    named: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let named = named.map(|Path(named)| named).unwrap_or_default();
    let Some(id) = videos.addresses.recording(&named) else {
        return nothing();
    };
    if let Some(answer) = videos.absence(&id, &headers).await {
        return answer;
    }
    let path = media::path(&videos.media_dir, &id);
    let opened = match tokio::fs::File::open(&path).await {
        Ok(file) => file.metadata().await.map(|metadata| (file, metadata)),
        Err(error) => Err(error),
    };
    let (file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(record_id = %id, path = %path.display(), %error, "a video cannot be read");
            let why = "this video cannot be read; the administrators of the receiver see why";
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
        }
    };
    let known = File::of(&metadata);
    let mut answer = match conditions::verdict(&headers, &known) {
        Verdict::Failed => StatusCode::PRECONDITION_FAILED.into_response(),
        Verdict::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Verdict::Send(wanted) => {
            let room = match method {
                Method::HEAD => None,
                _ => match Arc::clone(&videos.room).try_acquire_owned() {
                    Ok(room) => Some(room),
                    Err(_) => return no_room(),
                },
            };
            send(file, known.size, wanted, room)
        }
    };
    let more = answer.headers_mut();
    for (name, value) in [
        (header::ETAG, known.etag.as_str()),
        (header::LAST_MODIFIED, known.modified.as_str()),
        (header::ACCEPT_RANGES, "bytes"),
        // The same address may carry a new version of a recording.
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            more.insert(name, value);
        }
    }
    more.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    answer
}

fn no_room() -> Response {
    let mut answer = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many videos are being sent at this moment",
    );
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, NO_ROOM.into());
    answer
}

/// A piece of a body.
enum Piece {
    Text(String),
    Bytes(Part),
}

fn send(
    file: tokio::fs::File,
    size: u64,
    wanted: Wanted,
    room: Option<OwnedSemaphorePermit>,
) -> Response {
    let answer = |status, kind: &str, length: u64, range: Option<String>, body| {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        headers.insert(header::CONTENT_LENGTH, length.into());
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    };
    match wanted {
        Wanted::Nothing => {
            let range = Some(format!("bytes */{size}"));
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            answer(status, "text/plain", 0, range, Body::empty())
        }
        Wanted::Whole if size == 0 => answer(StatusCode::OK, KIND, 0, None, Body::empty()),
        Wanted::Whole => {
            let all = Part {
                first: 0,
                last: size - 1,
            };
            let body = body(file, vec![Piece::Bytes(all)], room);
            answer(StatusCode::OK, KIND, size, None, body)
        }
        Wanted::Parts(parts) => match parts[..] {
            [part] => {
                let body = body(file, vec![Piece::Bytes(part)], room);
                let range = Some(part.of(size));
                let length = part.length();
                answer(StatusCode::PARTIAL_CONTENT, KIND, length, range, body)
            }
            _ => {
                let boundary = boundary(&parts, size);
                let mut pieces = Vec::new();
                for part in parts {
                    let range = part.of(size);
                    pieces.push(Piece::Text(format!(
                        "\r\n--{boundary}\r\nContent-Type: {KIND}\r\nContent-Range: {range}\r\n\r\n"
                    )));
                    pieces.push(Piece::Bytes(part));
                }
                pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n")));
                let length = pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => text.len() as u64,
                        Piece::Bytes(part) => part.length(),
                    })
                    .sum();
                let kind = format!("multipart/byteranges; boundary={boundary}");
                let body = body(file, pieces, room);
                answer(StatusCode::PARTIAL_CONTENT, &kind, length, None, body)
            }
        },
    }
}

/// A line that an MP4 does not hold by chance.
fn boundary(parts: &[Part], size: u64) -> String {
    let seed = format!("{parts:?} {size}");
    Digest::of(seed.as_bytes()).to_string()[..32].to_owned()
}

fn body(file: tokio::fs::File, pieces: Vec<Piece>, room: Option<OwnedSemaphorePermit>) -> Body {
    let file = Arc::new(file);
    let pieces = stream::iter(pieces).then(move |piece| {
        let file = Arc::clone(&file);
        // Given back when the body has been sent or dropped.
        let _held = &room;
        async move {
            Ok::<_, io::Error>(match piece {
                Piece::Text(text) => stream::iter([Ok(Bytes::from(text))]).left_stream(),
                Piece::Bytes(part) => {
                    // Pieces follow one another, so they may share one position in the file.
                    let mut file = file.try_clone().await?;
                    file.seek(io::SeekFrom::Start(part.first)).await?;
                    let bytes = file.take(part.length());
                    ReaderStream::with_capacity(bytes, BUFFER).right_stream()
                }
            })
        }
    });
    Body::from_stream(pieces.try_flatten())
}
