//! A request's body on its way to the disk.
//!
//! One task reads the connection, one thread writes; between them wait a few pieces at most, so
//! that a hundred uploads at once need little memory.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt as _;
use tokio::sync::{mpsc, watch};

use super::failure::{Failure, refuse};
use super::headers::{self, CHECKSUM_MISMATCH, Checksum};
use super::store::{Store, Upload};
use super::writers::Turn;

/// Bytes after which what has come without a checksum is committed, in the middle of a request.
const COMMIT_EVERY: u64 = 64 * 1024 * 1024;
/// Pieces that wait for the thread that writes.
const WAITING: usize = 2;

/// What is passed on to the thread that writes.
pub(super) enum Part {
    Bytes(Bytes),
    End(Ended),
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Broken,
    Silent,
    TooLong,
    GaveWay,
    Stopping,
}

/// What became of a body.
pub(super) struct Written {
    pub(super) offset: u64,
    checksum_held: bool,
}

pub(super) fn channel() -> (mpsc::Sender<Part>, mpsc::Receiver<Part>) {
    mpsc::channel(WAITING)
}

/// Passes a body on to its writer, until it ends, falls silent, or has to give way.
pub(super) async fn pump(
    body: Body,
    sender: &mpsc::Sender<Part>,
    turn: &Turn,
    stopping: &watch::Receiver<bool>,
    silence: Duration,
    mut room: u64,
) -> Ended {
    let mut frames = body.into_data_stream();
    let mut stopping = stopping.clone();
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(silence, frames.next()) => next,
            () = turn.is_to_end() => return Ended::GaveWay,
            _ = stopping.wait_for(|stop| *stop) => return Ended::Stopping,
        };
        let bytes = match next {
            Ok(None) => return Ended::Whole,
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) => return Ended::Broken,
            Err(_) => return Ended::Silent,
        };
        turn.went_on();
        match room.checked_sub(bytes.len() as u64) {
            Some(left) => room = left,
            None => return Ended::TooLong,
        }
        if sender.send(Part::Bytes(bytes)).await.is_err() {
            return Ended::Broken;
        }
    }
}

/// Writes a body and decides, at its end, which of its bytes count: all of a whole one whose
/// checksum holds; of a broken one those that came, unless it had a checksum.
pub(super) fn write(
    store: &Store,
    upload: &Upload,
    mut parts: mpsc::Receiver<Part>,
    mut checksum: Option<Checksum>,
) -> io::Result<Written> {
    let mut append = store.append(upload)?;
    let ended = loop {
        match parts.blocking_recv() {
            Some(Part::Bytes(bytes)) => {
                if let Some(checksum) = &mut checksum {
                    checksum.update(&bytes);
                }
                if let Err(error) = append.write(&bytes) {
                    if checksum.is_none() {
                        append.commit()?;
                    } else {
                        append.discard()?;
                    }
                    return Err(error);
                }
                if checksum.is_none() && append.written() - append.committed() >= COMMIT_EVERY {
                    append.commit()?;
                }
            }
            Some(Part::End(ended)) => break ended,
            None => break Ended::Broken,
        }
    };
    let checksum_held = match checksum {
        None => true,
        Some(checksum) => ended == Ended::Whole && checksum.holds(),
    };
    if checksum_held && ended != Ended::TooLong {
        append.commit()?;
    } else {
        append.discard()?;
    }
    Ok(Written {
        offset: append.committed(),
        checksum_held,
    })
}

/// What the client is told of a body that has been dealt with; the offset reached when all is well.
pub(super) fn verdict(ended: Ended, written: &Written) -> Result<u64, Failure> {
    match ended {
        Ended::TooLong => Err(too_long()),
        Ended::GaveWay => Err(refuse(
            StatusCode::CONFLICT,
            "another request for this upload has taken over",
        )),
        Ended::Stopping => Err(refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the receiver is stopping; ask for the offset and go on later",
        )),
        Ended::Silent => Err(refuse(
            StatusCode::REQUEST_TIMEOUT,
            "nothing has come for too long (upload.stall_timeout); ask for the offset and go on",
        )),
        Ended::Broken => Err(refuse(
            StatusCode::BAD_REQUEST,
            "the body ended early; ask for the offset and go on",
        )),
        Ended::Whole if !written.checksum_held => {
            let status = StatusCode::from_u16(CHECKSUM_MISMATCH);
            Err(refuse(
                status.unwrap_or(StatusCode::BAD_REQUEST),
                "the bytes do not have the digest of Upload-Checksum and were dropped",
            ))
        }
        Ended::Whole => Ok(written.offset),
    }
}

fn too_long() -> Failure {
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body goes beyond Upload-Length, or beyond what is taken here (upload.max_size)",
    )
}

/// The bytes that a request announces for its body; 0 when it does not say.
pub(super) fn content_length(headers: &HeaderMap) -> u64 {
    headers::number(headers, &header::CONTENT_LENGTH)
        .ok()
        .flatten()
        .unwrap_or(0)
}

pub(super) fn is_there(headers: &HeaderMap) -> bool {
    content_length(headers) > 0 || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Refuses a body that has any bytes, however its length is told.
pub(super) async fn check_empty(body: Body) -> Result<(), Failure> {
    match body.into_data_stream().next().await {
        Some(Ok(bytes)) if !bytes.is_empty() => Err(too_long()),
        _ => Ok(()),
    }
}

/// Refuses a body that does not say what it is, if it has any bytes.
pub(super) async fn none_of(body: Body) -> Result<Body, Failure> {
    match body.into_data_stream().next().await {
        Some(Ok(bytes)) if !bytes.is_empty() => Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Type must be {}", headers::CHUNK_TYPE),
        )),
        _ => Ok(Body::empty()),
    }
}

/// Refuses a body that is longer than there is room for, before any of it is read.
pub(super) fn check_length(headers: &HeaderMap, room: u64) -> Result<(), Failure> {
    if content_length(headers) > room {
        return Err(too_long());
    }
    Ok(())
}
