//! The stand-in on the wire: connections, ordered failures, and the moment between choosing a
//! video's slug and inserting it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::answer::Answer;
use super::ask::Ask;
use super::encoding;
use super::faults::{self, FaultKind, Outage};
use super::input::{self, Input};
use super::inspect::Seen;
use super::resources::resource;
use super::route;
use super::settings::Encoder;
use super::videos;
use super::world::{Crash, World};
use super::writes::{self, Outcome};

#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) scratch: PathBuf,
    runtime: Handle,
}

impl Shared {
    pub(crate) fn new(world: World, scratch: PathBuf, runtime: Handle) -> Shared {
        Shared {
            world: Mutex::new(world),
            scratch,
            runtime,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection closes without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection dropped")
    }
}

impl std::error::Error for Dropped {}

/// Accepts connections for ever.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if shared.world().outage() == Outage::Network {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&shared), request));
            // The peer sees how a connection ends; nobody here needs to know.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Counts an upload of a video for as long as it lasts, also when its connection breaks.
struct Uploading(Arc<Shared>);

impl Uploading {
    fn begin(shared: &Arc<Shared>) -> Uploading {
        let mut world = shared.world();
        world.uploading += 1;
        world.uploading_most = world.uploading_most.max(world.uploading);
        Uploading(Arc::clone(shared))
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.world().uploading -= 1;
    }
}

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let ask = Ask::new(&parts, &shared.world().settings.language);
    let _uploading =
        (ask.method == "POST" && ask.path == "/rest/videos/").then(|| Uploading::begin(&shared));
    let (number, fault) = {
        let mut world = shared.world();
        world.requests.push(Seen {
            method: ask.method.clone(),
            path: ask.path.clone(),
            query: ask.raw_query.clone(),
            language: ask.lang.code().to_owned(),
            content_length: ask.content_length,
            status: 0,
        });
        if world.outage() == Outage::Network {
            return Err(Dropped);
        }
        let fault = faults::take(&mut world.faults, &ask.method, &ask.path);
        (world.requests.len() - 1, fault)
    };
    let input = input::read(&parts.headers, Body::new(body), &shared.scratch)
        .await
        .map_err(|_| Dropped)?;
    let down = shared.world().outage() == Outage::Database;
    let answer = match fault {
        _ if down => crash(&shared, &ask, Crash("OperationalError")),
        Some(FaultKind::ErrorBefore) => crash(&shared, &ask, Crash("RuntimeError")),
        Some(FaultKind::Status(status)) => {
            Answer::html(status, &status.to_string(), "<center>nginx</center>")
        }
        Some(FaultKind::DropBefore) => return Err(Dropped),
        Some(FaultKind::HangBefore) => std::future::pending().await,
        Some(FaultKind::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            carry_out(&shared, &ask, input).await
        }
        Some(FaultKind::ErrorAfter) => {
            carry_out(&shared, &ask, input).await;
            crash(&shared, &ask, Crash("RuntimeError"))
        }
        Some(FaultKind::DropAfter) => {
            carry_out(&shared, &ask, input).await;
            return Err(Dropped);
        }
        Some(FaultKind::HangAfter) => {
            carry_out(&shared, &ask, input).await;
            std::future::pending().await
        }
        None => carry_out(&shared, &ask, input).await,
    };
    if let Some(seen) = shared.world().requests.get_mut(number) {
        seen.status = answer.status;
    }
    Ok(respond(&ask, answer))
}

fn crash(shared: &Shared, ask: &Ask, crash: Crash) -> Answer {
    Answer::crash(crash, &ask.path, shared.world().settings.debug)
}

async fn carry_out(shared: &Arc<Shared>, ask: &Ask, input: Input) -> Answer {
    let outcome = route::answer(&mut shared.world(), ask, input);
    let answer = match outcome {
        Ok(Outcome::Done(answer)) => Ok(answer),
        Err(crash) => Err(crash),
        Ok(Outcome::Insert(pending)) => {
            let delay = shared.world().settings.insert_delay;
            tokio::time::sleep(delay).await;
            let mut world = shared.world();
            videos::insert(&mut world, pending).and_then(|id| {
                let videos = resource("videos").ok_or(Crash("KeyError"))?;
                let answer = writes::created(&world, ask, videos, id)?;
                Ok(answer
                    .with("Vary", "Accept, Accept-Language")
                    .with("Allow", "GET, POST, HEAD, OPTIONS"))
            })
        }
    };
    start_encodings(shared);
    answer.unwrap_or_else(|crash| self::crash(shared, ask, crash))
}

/// Hands launched encodings to the encoder, when there is one.
pub(crate) fn start_encodings(shared: &Arc<Shared>) {
    let (launched, encoder) = {
        let mut world = shared.world();
        (std::mem::take(&mut world.to_encode), world.settings.encoder)
    };
    let Encoder::Timed(step) = encoder else {
        return;
    };
    for id in launched {
        let runtime = shared.runtime.clone();
        let shared = Arc::clone(shared);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(step.max(Duration::from_millis(1))).await;
                if !encoding::advance(&mut shared.world(), id) {
                    return;
                }
            }
        });
    }
}

fn respond(ask: &Ask, answer: Answer) -> Response<Body> {
    let body = if ask.method == "HEAD" {
        Vec::new()
    } else {
        answer.body
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let language = [("Content-Language", ask.lang.code().to_owned())];
    for (name, value) in answer.headers.into_iter().chain(language) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
