//! Resumable uploads: tus 1.0.0 with creation, creation-with-upload, checksum, expiration and
//! termination.
//!
//! An upload is acknowledged as complete only when all its bytes are on the disk. One request at a time
//! adds to an upload: a second one waits for the first, and ends it when no byte has come on it
//! for a while, so that a retry after a dead connection neither waits for ever nor writes anything
//! twice. [`headers`] is the protocol's syntax, [`store`] the files.

pub(crate) mod headers;
mod store;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use futures::StreamExt as _;
use recording::protocol::{FILES_PATH, Refusal};
use tokio::sync::{Notify, OwnedMutexGuard, mpsc, watch};
use tokio::task::spawn_blocking;

use self::headers::{
    ALGORITHMS, CHECKSUM_MISMATCH, Checksum, EXTENSIONS, METHOD_OVERRIDE, Refused,
    TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION,
    UPLOAD_EXPIRES, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET, VERSION,
};
pub(crate) use self::store::is_id;
use self::store::{Store, Upload};
use crate::config;
use crate::ledger::{Ledger, LedgerError, NewPackage};
use crate::web::auth::{self, AuthError};

/// A second request for the same upload ends the first when nothing has come on it for this long.
const STALLED: Duration = Duration::from_secs(5);
/// A request on which nothing comes for this long is ended.
const SILENT: Duration = Duration::from_secs(120);
/// Bytes after which what has come without a checksum is committed, in the middle of a request.
const COMMIT_EVERY: u64 = 64 * 1024 * 1024;

/// The upload service.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    store: Store,
    ledger: Ledger,
    max_size: u64,
    keep_free: u64,
    locks: Mutex<HashMap<String, Arc<Lock>>>,
    arrived: Arc<Notify>,
    stopping: watch::Receiver<bool>,
}

/// Who is adding to an upload.
#[derive(Default)]
struct Lock {
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// Milliseconds since `started`, when the last byte came.
    progress: AtomicU64,
    give_way: Notify,
}

/// An answer other than success.
enum Failure {
    Refused(Refused),
    Offset(u64),
    Auth(AuthError),
    Internal(String),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::Refused(refused)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Failure {
        Failure::Auth(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => full(),
            _ => Failure::Internal(error.to_string()),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        Failure::Internal(error.to_string())
    }
}

fn refuse(status: StatusCode, why: &str) -> Failure {
    Failure::Refused((status, why.to_owned()))
}

fn full() -> Failure {
    refuse(
        StatusCode::INSUFFICIENT_STORAGE,
        "the receiver's spool is full; ask for the offset and go on later",
    )
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Failure::Refused(refused) => refused,
            Failure::Auth(error) => return error.into_response(),
            Failure::Internal(cause) => {
                tracing::error!(%cause, "an upload request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the receiver failed; its log says why".to_owned(),
                )
            }
            Failure::Offset(offset) => {
                let error = format!("Upload-Offset is not {offset}, where this upload stands");
                let mut response = (StatusCode::CONFLICT, Json(Refusal { error })).into_response();
                response
                    .headers_mut()
                    .insert(UPLOAD_OFFSET.clone(), offset.into());
                return response;
            }
        };
        (status, Json(Refusal { error })).into_response()
    }
}

impl Uploads {
    /// The service on a spool; `arrived` is notified whenever a package is complete. Once
    /// `stopping` holds true, running requests commit what has come and end.
    pub(crate) fn new(
        spool: &Path,
        config: &config::Upload,
        ledger: Ledger,
        arrived: Arc<Notify>,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Uploads> {
        Ok(Uploads(Arc::new(Inner {
            store: Store::new(spool, config.expire_after)?,
            ledger,
            max_size: config.max_size.as_u64(),
            keep_free: config.keep_free.as_u64(),
            locks: Mutex::default(),
            arrived,
            stopping,
        })))
    }

    /// Longest package taken, in bytes.
    pub(crate) fn max_size(&self) -> u64 {
        self.0.max_size
    }

    /// Finishes what a killed process had received completely, and sweeps what nobody needs. To be
    /// called before the first request.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub(crate) async fn recover(&self) -> anyhow::Result<()> {
        let inner = self.0.clone();
        let standing = spawn_blocking(move || inner.store.sweep(true)).await??;
        for upload in standing.iter().filter(|upload| !upload.complete) {
            if let Err(failure) = self.finish_if_whole(&upload.id).await {
                let (id, cause) = (&upload.id, cause(failure));
                tracing::error!(
                    upload = id,
                    cause,
                    "an upload cannot be finished; it is left alone"
                );
            }
        }
        Ok(())
    }

    /// Forgets expired uploads.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub(crate) async fn sweep(&self) -> anyhow::Result<()> {
        let inner = self.0.clone();
        spawn_blocking(move || inner.store.sweep(false)).await??;
        Ok(())
    }

    /// Hands an upload whose bytes are all there to the spool, if that has not been done. Gives
    /// whether there is an upload that is not complete.
    pub(crate) async fn is_under_way(&self, id: &str) -> bool {
        if let Err(failure) = self.finish_if_whole(id).await {
            tracing::error!(
                upload = id,
                cause = cause(failure),
                "an upload cannot be finished"
            );
        }
        let found = self.0.store.find(id).ok().flatten();
        found.is_some_and(|upload| !upload.complete)
    }

    async fn finish_if_whole(&self, id: &str) -> Result<(), Failure> {
        let lock = self.lock(id);
        let _guard = self.acquire(&lock).await;
        if let Some(mut upload) = self.0.store.find(id)?
            && !upload.complete
            && self.0.store.offset(&upload)? == upload.length
        {
            self.finish(&mut upload).await?;
        }
        Ok(())
    }

    /// The routes of the service.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route(FILES_PATH, any(collection))
            .route(FILES_PATH.trim_end_matches('/'), any(collection))
            .route(&format!("{FILES_PATH}{{id}}"), any(member))
            .with_state(self)
    }

    fn options(&self) -> Response {
        let headers = [
            (TUS_VERSION.clone(), VERSION.to_owned()),
            (TUS_EXTENSION.clone(), EXTENSIONS.to_owned()),
            (TUS_MAX_SIZE.clone(), self.0.max_size.to_string()),
            (TUS_CHECKSUM_ALGORITHM.clone(), ALGORITHMS.to_owned()),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }

    /// POST: makes an upload, and takes its first bytes when the request has some.
    async fn create(&self, headers: &HeaderMap, body: Body) -> Result<Response, Failure> {
        let node = auth::node(&self.0.ledger, headers).await?;
        version(headers)?;
        let length = headers::creation_length(headers, self.0.max_size)?;
        let announced = headers::metadata(headers)?;
        let with_upload = headers.contains_key(header::CONTENT_TYPE) && has_body(headers);
        let checksum = Checksum::of(headers)?;
        if with_upload {
            headers::chunk_type(headers)?;
            check_body_length(headers, length)?;
        }
        if self.0.store.free()? < self.0.keep_free.saturating_add(length) {
            return Err(refuse(
                StatusCode::INSUFFICIENT_STORAGE,
                "the receiver's spool has no room for it now (upload.keep_free); try again later",
            ));
        }
        let mut upload = Upload {
            id: random_id().map_err(|e| Failure::Internal(e.to_string()))?,
            node,
            length,
            metadata: announced.raw,
            record_id: announced.record_id,
            format: announced.format,
            digest: announced.digest,
            complete: false,
        };
        let (inner, made) = (self.0.clone(), upload.clone());
        spawn_blocking(move || inner.store.create(&made))
            .await
            .map_err(panicked)??;
        let mut offset = 0;
        if with_upload {
            let taken = self.take(&mut upload, body, checksum, 0).await;
            offset = match taken {
                Ok(offset) => offset,
                // Nobody has learnt of the upload, so nobody can go on with it.
                Err(failure) => {
                    self.0.store.remove(&upload.id)?;
                    return Err(failure);
                }
            };
        } else if length == 0 {
            self.finish(&mut upload).await?;
        }
        let location = format!("{FILES_PATH}{}", upload.id);
        let mut response = (StatusCode::CREATED, [(header::LOCATION, location)]).into_response();
        response
            .headers_mut()
            .insert(UPLOAD_OFFSET.clone(), offset.into());
        self.add_expiry(&upload, response.headers_mut())?;
        Ok(response)
    }

    /// HEAD: where an upload stands.
    async fn state(&self, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
        let upload = self.find(headers, id).await?;
        let offset = self.0.store.offset(&upload)?;
        // Whoever is told that all is there must be able to rely on it.
        if offset == upload.length && !upload.complete {
            self.finish_if_whole(id).await?;
        }
        let mut response = (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response();
        let answer = response.headers_mut();
        answer.insert(UPLOAD_OFFSET.clone(), offset.into());
        answer.insert(UPLOAD_LENGTH.clone(), upload.length.into());
        if !upload.metadata.is_empty() {
            let echo = HeaderValue::from_str(&upload.metadata)
                .map_err(|e| Failure::Internal(e.to_string()))?;
            answer.insert(UPLOAD_METADATA.clone(), echo);
        }
        self.add_expiry(&upload, answer)?;
        Ok(response)
    }

    /// PATCH: adds bytes.
    async fn append(&self, headers: &HeaderMap, body: Body, id: &str) -> Result<Response, Failure> {
        let upload = self.find(headers, id).await?;
        headers::chunk_type(headers)?;
        let offset = headers::number(headers, &UPLOAD_OFFSET)?
            .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "Upload-Offset is missing"))?;
        let checksum = Checksum::of(headers)?;
        let lock = self.lock(&upload.id);
        let _guard = self.acquire(&lock).await;
        // It may have been completed or removed while we waited.
        let mut upload = self.find(headers, id).await?;
        let stands = self.0.store.offset(&upload)?;
        if stands != offset {
            return Err(Failure::Offset(stands));
        }
        check_body_length(headers, upload.length - offset)?;
        let offset = if upload.complete {
            offset
        } else {
            if self.0.store.free()? < self.0.keep_free.saturating_add(content_length(headers)) {
                return Err(full());
            }
            self.take(&mut upload, body, checksum, offset).await?
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        response
            .headers_mut()
            .insert(UPLOAD_OFFSET.clone(), offset.into());
        self.add_expiry(&upload, response.headers_mut())?;
        Ok(response)
    }

    /// DELETE: forgets an upload. A package that is complete stays in the spool.
    async fn terminate(&self, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
        let upload = self.find(headers, id).await?;
        let lock = self.lock(&upload.id);
        lock.give_way.notify_waiters();
        let _guard = self.acquire(&lock).await;
        self.find(headers, id).await?;
        self.0.store.remove(&upload.id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// The upload of a request, after checking who asks and which version is spoken.
    async fn find(&self, headers: &HeaderMap, id: &str) -> Result<Upload, Failure> {
        let node = auth::node(&self.0.ledger, headers).await?;
        version(headers)?;
        let upload = self.0.store.find(id)?.filter(|upload| upload.node == node);
        upload.ok_or_else(|| {
            refuse(
                StatusCode::NOT_FOUND,
                "there is no such upload, or it has expired",
            )
        })
    }

    fn lock(&self, id: &str) -> Arc<Lock> {
        let mut locks = self.0.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(id.to_owned()).or_default().clone()
    }

    async fn acquire(&self, lock: &Arc<Lock>) -> OwnedMutexGuard<()> {
        loop {
            if let Ok(guard) =
                tokio::time::timeout(Duration::from_secs(1), lock.mutex.clone().lock_owned()).await
            {
                lock.progress.store(elapsed_ms(), Ordering::Relaxed);
                return guard;
            }
            let idle = elapsed_ms().saturating_sub(lock.progress.load(Ordering::Relaxed));
            if Duration::from_millis(idle) >= STALLED {
                lock.give_way.notify_waiters();
            }
        }
    }

    /// Writes a request's body; gives the offset reached.
    async fn take(
        &self,
        upload: &mut Upload,
        body: Body,
        checksum: Option<Checksum>,
        offset: u64,
    ) -> Result<u64, Failure> {
        let lock = self.lock(&upload.id);
        let (sender, receiver) = mpsc::channel::<Part>(4);
        let (inner, of) = (self.0.clone(), upload.clone());
        let writer = spawn_blocking(move || write(&inner.store, &of, receiver, checksum));
        let room = upload.length - offset;
        let ended = pump(body, &sender, &lock, &self.0.stopping, room).await;
        // A writer that failed has hung up; it says why itself.
        let _ = sender.send(Part::End(ended)).await;
        drop(sender);
        let written = writer.await.map_err(panicked)??;
        match ended {
            Ended::TooLong => Err(refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body goes beyond Upload-Length",
            )),
            Ended::GaveWay => Err(refuse(
                StatusCode::CONFLICT,
                "another request for this upload has taken over",
            )),
            Ended::Stopping => Err(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "the receiver is stopping; ask for the offset and go on later",
            )),
            Ended::Broken => Err(refuse(
                StatusCode::REQUEST_TIMEOUT,
                "the body ended early; ask for the offset and go on",
            )),
            Ended::Whole if !written.checksum_held => {
                let status = StatusCode::from_u16(CHECKSUM_MISMATCH);
                Err(refuse(
                    status.unwrap_or(StatusCode::BAD_REQUEST),
                    "the bytes do not have the digest of Upload-Checksum and were dropped",
                ))
            }
            Ended::Whole => {
                if written.offset == upload.length {
                    self.finish(upload).await?;
                }
                Ok(written.offset)
            }
        }
    }

    /// All bytes are there: notes the package in the ledger, then hands it to the spool.
    async fn finish(&self, upload: &mut Upload) -> Result<(), Failure> {
        let package = NewPackage {
            id: upload.id.clone(),
            file: upload.spool_file(),
            node: Some(upload.node.clone()),
            record_id: upload.record_id.clone(),
            format: upload.format.clone(),
            digest: upload.digest,
            bytes: upload.length,
        };
        self.0.ledger.add_package(&package).await?;
        let (inner, mut done) = (self.0.clone(), upload.clone());
        *upload = spawn_blocking(move || inner.store.finish(&mut done).map(|()| done))
            .await
            .map_err(panicked)??;
        tracing::info!(
            record_id = upload.record_id.as_ref().map(tracing::field::display),
            format = upload.format.as_ref().map(tracing::field::display),
            node = upload.node,
            bytes = upload.length,
            "package received"
        );
        metrics::counter!("bbb2pod_packages_received_total").increment(1);
        metrics::counter!("bbb2pod_received_bytes_total").increment(upload.length);
        self.0.arrived.notify_one();
        Ok(())
    }

    fn add_expiry(&self, upload: &Upload, headers: &mut HeaderMap) -> Result<(), Failure> {
        let at = self
            .0
            .store
            .expires(&upload.id)?
            .unwrap_or_else(SystemTime::now);
        let at = jiff::Timestamp::try_from(at).unwrap_or_default();
        let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(UPLOAD_EXPIRES.clone(), value);
        }
        Ok(())
    }
}

/// Runs a request to its end even when the client hangs up: a body that has come completely is
/// committed, and a package that is complete reaches the spool, whoever is still listening.
async fn to_its_end(
    work: impl Future<Output = Result<Response, Failure>> + Send + 'static,
) -> Result<Response, Failure> {
    tokio::spawn(work).await.map_err(panicked)?
}

async fn collection(State(uploads): State<Uploads>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = to_its_end(async move {
        match method(&parts) {
            Method::OPTIONS => Ok(uploads.options()),
            Method::POST => uploads.create(&parts.headers, body).await,
            _ => Err(not_allowed(&uploads, &parts.headers).await),
        }
    });
    answered(answer.await, "POST, OPTIONS")
}

async fn member(
    State(uploads): State<Uploads>,
    id: Result<UrlPath<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    // What cannot be decoded is the id of nothing.
    let id = id.map(|UrlPath(id)| id).unwrap_or_default();
    let answer = to_its_end(async move {
        match method(&parts) {
            Method::OPTIONS => Ok(uploads.options()),
            Method::HEAD => uploads.state(&parts.headers, &id).await,
            Method::PATCH => uploads.append(&parts.headers, body, &id).await,
            Method::DELETE => uploads.terminate(&parts.headers, &id).await,
            _ => Err(not_allowed(&uploads, &parts.headers).await),
        }
    });
    answered(answer.await, "HEAD, PATCH, DELETE, OPTIONS")
}

/// The method meant: clients behind narrow-minded proxies name it in a header.
fn method(request: &Parts) -> Method {
    let named = request
        .headers
        .get(&METHOD_OVERRIDE)
        .and_then(|name| Method::from_bytes(name.as_bytes()).ok());
    match named {
        Some(named) if request.method == Method::POST => named,
        _ => request.method.clone(),
    }
}

async fn not_allowed(uploads: &Uploads, headers: &HeaderMap) -> Failure {
    match auth::node(&uploads.0.ledger, headers).await {
        Ok(_) => refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method means nothing here",
        ),
        Err(error) => error.into(),
    }
}

fn answered(answer: Result<Response, Failure>, allowed: &'static str) -> Response {
    let mut response = answer.unwrap_or_else(Failure::into_response);
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE.clone(), HeaderValue::from_static(VERSION));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if status == StatusCode::PRECONDITION_FAILED {
        headers.insert(TUS_VERSION.clone(), HeaderValue::from_static(VERSION));
    }
    response
}

fn version(headers: &HeaderMap) -> Result<(), Failure> {
    if headers::text(headers, &TUS_RESUMABLE)? == Some(VERSION) {
        Ok(())
    } else {
        Err(refuse(
            StatusCode::PRECONDITION_FAILED,
            "Tus-Resumable must be 1.0.0",
        ))
    }
}

/// What is passed on to the thread that writes.
enum Part {
    Bytes(Bytes),
    End(Ended),
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    Broken,
    TooLong,
    GaveWay,
    Stopping,
}

/// Passes a body on to its writer, until it ends, falls silent, or has to give way.
async fn pump(
    body: Body,
    sender: &mpsc::Sender<Part>,
    lock: &Lock,
    stopping: &watch::Receiver<bool>,
    mut room: u64,
) -> Ended {
    let mut frames = body.into_data_stream();
    let mut stopping = stopping.clone();
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(SILENT, frames.next()) => next,
            () = lock.give_way.notified() => return Ended::GaveWay,
            _ = stopping.wait_for(|stop| *stop) => return Ended::Stopping,
        };
        let bytes = match next {
            Ok(None) => return Ended::Whole,
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) | Err(_) => return Ended::Broken,
        };
        lock.progress.store(elapsed_ms(), Ordering::Relaxed);
        match room.checked_sub(bytes.len() as u64) {
            Some(left) => room = left,
            None => return Ended::TooLong,
        }
        if sender.send(Part::Bytes(bytes)).await.is_err() {
            return Ended::Broken;
        }
    }
}

/// What became of a body.
struct Written {
    offset: u64,
    checksum_held: bool,
}

/// Writes a body and decides, at its end, which of its bytes count: all of a whole one whose
/// checksum holds; of a broken one those that came, unless it had a checksum.
fn write(
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

fn content_length(headers: &HeaderMap) -> u64 {
    headers::number(headers, &header::CONTENT_LENGTH)
        .ok()
        .flatten()
        .unwrap_or(0)
}

fn has_body(headers: &HeaderMap) -> bool {
    content_length(headers) > 0 || headers.contains_key(header::TRANSFER_ENCODING)
}

fn check_body_length(headers: &HeaderMap, room: u64) -> Result<(), Failure> {
    if content_length(headers) > room {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body goes beyond Upload-Length",
        ));
    }
    Ok(())
}

/// A new id for an upload or a package: 128 random bits.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Milliseconds since the first call: a clock that never goes back.
fn elapsed_ms() -> u64 {
    static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(STARTED.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn panicked(error: tokio::task::JoinError) -> Failure {
    Failure::Internal(error.to_string())
}

fn cause(failure: Failure) -> String {
    match failure {
        Failure::Internal(cause) => cause,
        Failure::Refused((_, why)) => why,
        Failure::Offset(offset) => format!("the offset is {offset}"),
        Failure::Auth(_) => "not authorised".to_owned(),
    }
}
