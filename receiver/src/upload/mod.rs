//! Resumable uploads: tus 1.0.0 with creation, creation-with-upload, creation-defer-length,
//! checksum, expiration, termination and concatenation.
//!
//! An upload is acknowledged as complete only when all its bytes are on the disk. [`create`] and
//! [`append`] are what changes uploads, [`body`] how bytes get to the disk, [`writers`] who may
//! write, [`headers`] the protocol's syntax, [`store`] the files.

mod append;
mod body;
mod cors;
mod create;
mod failure;
pub(crate) mod headers;
pub(crate) mod metadata;
mod store;
mod unread;
mod writers;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use recording::protocol::FILES_PATH;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;

use self::failure::{Failure, absent, refuse};
use self::headers::{
    ALGORITHMS, EXTENSIONS, METHOD_OVERRIDE, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE,
    TUS_RESUMABLE, TUS_VERSION, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES, UPLOAD_LENGTH,
    UPLOAD_METADATA, UPLOAD_OFFSET, VERSION,
};
pub(crate) use self::metadata::names_of;
pub(crate) use self::store::{INCOMING, free, is_id, rejected, under_way, under_way_by_node};
use self::store::{Kind, Store, Upload};
use self::unread::Unread;
use self::writers::Writers;
use crate::config;
use crate::ledger::{Ledger, NewPackage};
use crate::web::auth;

/// The upload service.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    store: Store,
    ledger: Ledger,
    max_size: u64,
    keep_free: u64,
    stall_timeout: Duration,
    origins: cors::Origins,
    writers: Writers,
    arrived: Arc<Notify>,
    stopping: watch::Receiver<bool>,
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
            stall_timeout: config.stall_timeout,
            origins: cors::Origins(config.cors_origins.clone()),
            writers: Writers::default(),
            arrived,
            stopping,
        })))
    }

    /// Longest package taken, in bytes.
    pub(crate) fn max_size(&self) -> u64 {
        self.0.max_size
    }

    /// Bytes that uploads may take before they are refused for want of room.
    ///
    /// # Errors
    /// The spool's filesystem cannot be asked.
    pub(crate) fn room(&self) -> io::Result<u64> {
        Ok(self.0.store.free()?.saturating_sub(self.0.keep_free))
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
                let (id, cause) = (&upload.id, failure.cause());
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
                cause = failure.cause(),
                "an upload cannot be finished"
            );
        }
        let found = self.0.store.find(id).ok().flatten();
        found.is_some_and(|upload| !upload.complete)
    }

    async fn finish_if_whole(&self, id: &str) -> Result<(), Failure> {
        let turn = self.0.writers.of(id);
        let _turn = turn.take_patiently().await;
        if let Some(mut upload) = self.0.store.find(id)?
            && !upload.complete
            && Some(self.0.store.offset(&upload)?) == upload.length
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
            .route(&format!("{FILES_PATH}{{*id}}"), any(member))
            .layer(from_fn_with_state(self.0.origins.clone(), cors::share))
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

    /// HEAD: where an upload stands.
    async fn state(&self, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
        let (upload, offset) = self.standing(headers, id).await?;
        // Whoever is told that all is there must be able to rely on it.
        if Some(offset) == upload.length && !upload.complete {
            self.finish_if_whole(id).await?;
        }
        let mut response = (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response();
        let answer = response.headers_mut();
        answer.insert(UPLOAD_OFFSET.clone(), offset.into());
        match upload.length {
            Some(length) => answer.insert(UPLOAD_LENGTH.clone(), length.into()),
            None => answer.insert(UPLOAD_DEFER_LENGTH.clone(), HeaderValue::from_static("1")),
        };
        let concat = match &upload.kind {
            Kind::Whole => None,
            Kind::Partial => Some("partial"),
            Kind::Final(parts) => Some(parts.as_str()),
        };
        if let Some(concat) = concat {
            let echo =
                HeaderValue::from_str(concat).map_err(|e| Failure::Internal(e.to_string()))?;
            answer.insert(UPLOAD_CONCAT.clone(), echo);
        }
        if !upload.metadata.is_empty() {
            let echo = HeaderValue::from_str(&upload.metadata)
                .map_err(|e| Failure::Internal(e.to_string()))?;
            answer.insert(UPLOAD_METADATA.clone(), echo);
        }
        self.add_expiry(&upload, answer)?;
        Ok(response)
    }

    /// An upload and where it stands, while others may be changing it.
    async fn standing(&self, headers: &HeaderMap, id: &str) -> Result<(Upload, u64), Failure> {
        loop {
            let upload = self.find(headers, id).await?;
            match self.0.store.offset(&upload) {
                // Between the two it was completed, or removed.
                Err(e) if e.kind() == io::ErrorKind::NotFound && !upload.complete => {}
                offset => return Ok((upload, offset?)),
            }
        }
    }

    /// DELETE: forgets an upload. A package that is complete stays in the spool.
    async fn terminate(&self, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
        let upload = self.find(headers, id).await?;
        let turn = self.0.writers.of(&upload.id);
        let _turn = turn.take(true).await?;
        self.find(headers, id).await?;
        self.0.store.remove(&upload.id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// The upload of a request, after checking who asks and which version is spoken.
    async fn find(&self, headers: &HeaderMap, id: &str) -> Result<Upload, Failure> {
        let node = auth::node(&self.0.ledger, headers).await?;
        version(headers)?;
        let upload = self.0.store.find(id)?.filter(|upload| upload.node == node);
        upload.ok_or_else(absent)
    }

    /// All bytes are there: notes the package in the ledger, then hands it to the spool. A part
    /// waits for the others.
    async fn finish(&self, upload: &mut Upload) -> Result<(), Failure> {
        let length = upload.length.unwrap_or(0);
        if upload.kind == Kind::Partial {
            return Ok(());
        }
        let package = NewPackage {
            id: upload.id.clone(),
            file: upload.spool_file(),
            node: Some(upload.node.clone()),
            record_id: upload.record_id.clone(),
            format: upload.format.clone(),
            digest: upload.digest,
            bytes: length,
        };
        self.0.ledger.add_package(&package).await?;
        let (inner, mut done) = (self.0.clone(), upload.clone());
        *upload = spawn_blocking(move || inner.store.finish(&mut done).map(|()| done)).await??;
        tracing::info!(
            record_id = upload.record_id.as_ref().map(tracing::field::display),
            format = upload.format.as_ref().map(tracing::field::display),
            node = upload.node,
            bytes = length,
            "package received"
        );
        metrics::counter!("bbb2pod_packages_received_total").increment(1);
        metrics::counter!("bbb2pod_received_bytes_total").increment(length);
        self.0.arrived.notify_one();
        Ok(())
    }

    fn add_expiry(&self, upload: &Upload, headers: &mut HeaderMap) -> Result<(), Failure> {
        let at = self
            .0
            .store
            .expires(upload)?
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
    tokio::spawn(work).await?
}

async fn collection(State(uploads): State<Uploads>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (body, unread) = Unread::of(&parts.headers, body);
    let answer = to_its_end(async move {
        match method(&parts)? {
            Method::OPTIONS => Ok(uploads.options()),
            Method::POST => uploads.create(&parts.headers, body).await,
            _ => Err(not_allowed(&uploads, &parts.headers).await),
        }
    });
    let answer = answered(answer.await, "POST, OPTIONS");
    unread.drop_before(answer).await
}

async fn member(
    State(uploads): State<Uploads>,
    id: Result<UrlPath<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (body, unread) = Unread::of(&parts.headers, body);
    // What cannot be decoded is the id of nothing.
    let id = id.map(|UrlPath(id)| id).unwrap_or_default();
    let answer = to_its_end(async move {
        match method(&parts)? {
            Method::OPTIONS => Ok(uploads.options()),
            Method::HEAD => uploads.state(&parts.headers, &id).await,
            Method::PATCH => uploads.append(&parts.headers, body, &id).await,
            Method::DELETE => uploads.terminate(&parts.headers, &id).await,
            _ => Err(not_allowed(&uploads, &parts.headers).await),
        }
    });
    let answer = answered(answer.await, "HEAD, PATCH, DELETE, OPTIONS");
    unread.drop_before(answer).await
}

/// The method meant: clients behind narrow-minded proxies name it in a header.
fn method(request: &Parts) -> Result<Method, Failure> {
    let Some(named) = headers::text(&request.headers, &METHOD_OVERRIDE)? else {
        return Ok(request.method.clone());
    };
    Method::from_bytes(named.to_ascii_uppercase().as_bytes()).map_err(|_| {
        let why = "X-HTTP-Method-Override names no method";
        refuse(StatusCode::BAD_REQUEST, why)
    })
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
    // Two values are no version that is spoken here either.
    if matches!(headers::text(headers, &TUS_RESUMABLE), Ok(Some(VERSION))) {
        Ok(())
    } else {
        Err(refuse(
            StatusCode::PRECONDITION_FAILED,
            "Tus-Resumable must be 1.0.0",
        ))
    }
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
