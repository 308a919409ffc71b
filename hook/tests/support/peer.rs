//! The other side of an upload: an honest tus server that checks every package, and lies or fails
//! when told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use recording::{Digest, Manifest};
use serde_json::json;

/// What the server does with a request instead of serving it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answers with this status, having read nothing.
    Status(u16),
    /// Stores the bytes, then answers with this status all the same.
    StatusAfter(u16),
    /// Names an offset this far from the right one.
    WrongOffset(i64),
    /// Forgets the upload.
    Forget,
    /// Says that the checksum did not match.
    Checksum,
    /// Stores only so many bytes of a chunk.
    Partial(usize),
    /// Never answers.
    Hang,
}

/// A file of a package: its name and content.
pub(crate) type Member = (String, Vec<u8>);

/// A server in a thread of its own.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) token: String,
    uploads: BTreeMap<String, Upload>,
    /// What has arrived whole, in order.
    pub(crate) packages: Vec<Package>,
    /// Taken one per PATCH.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// Same, one per POST.
    pub(crate) creation_faults: VecDeque<Fault>,
    /// Reject the next packages with these reasons, whatever they hold.
    pub(crate) reject: VecDeque<String>,
    /// Leave packages in the spool.
    pub(crate) never_import: bool,
    /// Bytes of all PATCH bodies.
    pub(crate) received: u64,
    pub(crate) requests: Vec<String>,
    /// What checksums of requests were made with; empty for none.
    pub(crate) algorithms: BTreeSet<String>,
    /// Longest request that the proxy before it lets pass.
    pub(crate) longest_request: Option<u64>,
    /// Whether everything is in Pod.
    pub(crate) registered: bool,
    /// What nodes told of their recordings, in order: record id, format, state.
    pub(crate) told: Vec<(String, String, String)>,
    /// Taken one per report of that kind.
    pub(crate) telling_fails: u32,
    pub(crate) reports: Vec<serde_json::Value>,
    /// How many packages each question was about.
    pub(crate) asked: Vec<usize>,
    /// How many questions about what the archive really holds are answered with "pending" first.
    pub(crate) still_reading: u32,
    /// Formats of which the archive's copy is damaged, though it is called archived.
    pub(crate) damaged: Vec<String>,
    /// Whether it is too old to be asked to read its archive.
    pub(crate) cannot_verify: bool,
    /// Longest package it says it takes, and how much room it says there is.
    pub(crate) max_size: Option<u64>,
    pub(crate) room: Option<u64>,
    /// How far its clock is ahead.
    pub(crate) clock_ahead: i64,
    /// One-time codes.
    pub(crate) codes: Vec<String>,
    next_id: u64,
}

struct Upload {
    bytes: Vec<u8>,
    length: u64,
    digest: String,
}

/// A package that arrived.
pub(crate) struct Package {
    pub(crate) record_id: String,
    pub(crate) format: String,
    pub(crate) digest: String,
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) since: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Peer {
    pub(crate) fn start() -> Peer {
        Peer::start_at("127.0.0.1:0")
    }

    pub(crate) fn start_at(address: &str) -> Peer {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let peer = Peer {
            address: listener.local_addr().unwrap(),
            inner: Arc::default(),
        };
        peer.lock().token = "secret-token".into();
        let router = Router::new()
            .route("/files/", any(collection))
            .route("/files/{id}", any(member))
            .route("/api/v1/recordings/{id}", get(recording))
            .merge(super::node_api::routes())
            .with_state(peer.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        peer
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Packages in the archive: record id, format, and the files.
    pub(crate) fn archived(&self) -> Vec<(String, String, Vec<Member>)> {
        let inner = self.lock();
        let archived = inner.packages.iter().filter(|p| p.status == "archived");
        archived
            .map(|p| (p.record_id.clone(), p.format.clone(), unpack(&p.bytes)))
            .collect()
    }

    pub(crate) fn manifest(&self, index: usize) -> Manifest {
        let inner = self.lock();
        let files = unpack(&inner.packages[index].bytes);
        Manifest::parse(&files[0].1).unwrap()
    }
}

/// The members of a tar.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

impl Inner {
    /// What the receiver's import would say.
    fn import(&mut self, digest: &str, bytes: Vec<u8>) {
        let files = unpack(&bytes);
        let manifest = Manifest::parse(&files[0].1).unwrap();
        assert_eq!(files[0].0, "bbb2pod.json");
        assert_eq!(manifest.digest.to_string(), digest);
        let right = files[1..].iter().all(|(name, content)| {
            let listed = manifest.files.iter().find(|f| f.path == *name);
            listed.is_some_and(|f| f.sha256 == Digest::of(content))
        });
        let complete = files.len() == manifest.files.len() + 1;
        let (status, reason) = match self.reject.pop_front() {
            Some(reason) => ("rejected", Some(reason)),
            None if !right || !complete => {
                ("rejected", Some("it is not what its manifest says".into()))
            }
            None if self.never_import => ("spooled", None),
            None => ("archived", None),
        };
        let (record_id, format) = (manifest.record_id.to_string(), manifest.format.to_string());
        if status == "archived" {
            let same = self
                .packages
                .iter_mut()
                .filter(|p| p.record_id == record_id && p.format == format);
            same.filter(|p| p.status == "archived" && p.digest != digest)
                .for_each(|p| p.status = "superseded");
        }
        self.next_id += 1;
        self.packages.push(Package {
            record_id,
            format,
            digest: digest.to_owned(),
            status,
            reason,
            since: self.next_id,
            bytes,
        });
    }
}

pub(super) fn unauthorized(headers: &HeaderMap, inner: &Inner) -> Option<Response> {
    let wanted = format!("Bearer {}", inner.token);
    let known = headers.get("authorization").is_some_and(|h| *h == wanted);
    (!known).then(|| refusal(401, "unknown token"))
}

pub(super) fn refusal(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, Json(json!({ "error": error }))).into_response()
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

async fn collection(State(peer): State<Peer>, method: Method, headers: HeaderMap) -> Response {
    let mut inner = peer.lock();
    if method == Method::OPTIONS {
        let known = [("tus-checksum-algorithm", "sha1,sha256,crc32")];
        return (StatusCode::NO_CONTENT, known).into_response();
    }
    inner.requests.push("POST".into());
    if let Some(refused) = unauthorized(&headers, &inner) {
        return refused;
    }
    if let Some(Fault::Status(status)) = inner.creation_faults.pop_front() {
        return refusal(status, "as told");
    }
    assert_eq!(headers["tus-resumable"], "1.0.0");
    let metadata: BTreeMap<_, _> = headers["upload-metadata"]
        .to_str()
        .unwrap()
        .split(',')
        .map(|pair| pair.split_once(' ').unwrap())
        .map(|(key, value)| {
            let value = BASE64.decode(value).unwrap();
            (key.to_owned(), String::from_utf8(value).unwrap())
        })
        .collect();
    assert!(metadata["filename"].ends_with(".tar"));
    inner.next_id += 1;
    let id = format!("upload-{}", inner.next_id);
    let upload = Upload {
        bytes: Vec::new(),
        length: number(&headers, "upload-length"),
        digest: metadata["digest"].clone(),
    };
    inner.uploads.insert(id.clone(), upload);
    (StatusCode::CREATED, [("location", format!("/files/{id}"))]).into_response()
}

async fn member(
    State(peer): State<Peer>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(refused) = unauthorized(&headers, &peer.lock()) {
        return refused;
    }
    peer.lock().requests.push(method.to_string());
    if method == Method::PATCH {
        return patch(peer, id, headers, body).await;
    }
    let inner = peer.lock();
    match inner.uploads.get(&id) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(upload) => (
            StatusCode::OK,
            [
                ("upload-offset", upload.bytes.len().to_string()),
                ("upload-length", upload.length.to_string()),
            ],
        )
            .into_response(),
    }
}

async fn patch(peer: Peer, id: String, headers: HeaderMap, body: Body) -> Response {
    let fault = peer.lock().faults.pop_front().flatten();
    match fault {
        Some(Fault::Status(status)) => return refusal(status, "as told"),
        Some(Fault::Checksum) => return refusal(460, "checksum mismatch"),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Forget) => {
            peer.lock().uploads.remove(&id);
            return refusal(404, "no such upload");
        }
        _ => {}
    }
    let announced = number(&headers, "content-length");
    if peer.lock().longest_request.is_some_and(|l| announced > l) {
        return refusal(413, "as a proxy says it");
    }
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(_) => break,
        }
    }
    let given = headers.get("upload-checksum").map(|h| h.to_str().unwrap());
    let algorithm = given.map_or("", |given| given.split_once(' ').unwrap().0);
    let mut inner = peer.lock();
    inner.received += bytes.len() as u64;
    inner.algorithms.insert(algorithm.to_owned());
    let Some(upload) = inner.uploads.get_mut(&id) else {
        return refusal(404, "no such upload");
    };
    if number(&headers, "upload-offset") != upload.bytes.len() as u64 {
        return refusal(409, "not the offset");
    }
    // Of a broken request nothing is kept: without all bytes there is no checksum.
    if bytes.len() as u64 != announced {
        return refusal(400, "broken off");
    }
    let right = match algorithm {
        "crc32" => Some(BASE64.encode(crc32fast::hash(&bytes).to_be_bytes())),
        "sha256" => Some(BASE64.encode(Digest::of(&bytes).as_bytes())),
        _ => None,
    };
    let right = right.map(|digest| format!("{algorithm} {digest}"));
    assert_eq!(given, right.as_deref());
    if let Some(Fault::Partial(n)) = fault {
        bytes.truncate(n);
    }
    upload.bytes.extend_from_slice(&bytes);
    let offset = upload.bytes.len() as u64;
    if offset == upload.length {
        let (digest, bytes) = (upload.digest.clone(), std::mem::take(&mut upload.bytes));
        upload.bytes = vec![0; bytes.len()];
        inner.import(&digest, bytes);
    }
    match fault {
        Some(Fault::StatusAfter(status)) => refusal(status, "as told"),
        Some(Fault::WrongOffset(by)) => {
            let lie = offset.saturating_add_signed(by);
            (StatusCode::NO_CONTENT, [("upload-offset", lie.to_string())]).into_response()
        }
        _ => (
            StatusCode::NO_CONTENT,
            [("upload-offset", offset.to_string())],
        )
            .into_response(),
    }
}

async fn recording(
    State(peer): State<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let inner = peer.lock();
    if let Some(refused) = unauthorized(&headers, &inner) {
        return refused;
    }
    let known = inner.packages.iter().rev().filter(|p| p.record_id == id);
    let mut seen = std::collections::BTreeSet::new();
    let packages: Vec<_> = known
        .filter(|p| seen.insert((p.format.clone(), p.digest.clone())))
        .map(|p| {
            let since = jiff::Timestamp::from_second(i64::try_from(p.since).unwrap()).unwrap();
            json!({
                "format": p.format, "digest": p.digest, "status": p.status,
                "reason": p.reason, "since": since,
            })
        })
        .collect();
    if packages.is_empty() {
        return refusal(404, "nothing is known of this recording");
    }
    let registered = inner.registered;
    Json(json!({ "record_id": id, "packages": packages, "registered": registered })).into_response()
}
