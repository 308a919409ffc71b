//! One upload by tus: created once, continued wherever the receiver says it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use recording::Package;
use recording::package::PackageError;
use recording::protocol::{DIGEST_KEY, FILENAME_KEY, FILES_PATH, package_file_name};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::chunks::{Algorithm, Chunk, Chunks, SMALLEST, adapted, body};
use super::standing::{Standing, Step};
use super::{Delivered, Http, Journal, answers};
use tracing::info;

use crate::failure::{Cause, Failure};
use crate::stop::Stop;

const VERSION: &str = "1.0.0";
const OFFSET: &str = "Upload-Offset";
const CHECKSUM_MISMATCH: u16 = 460;
/// Chunk size to begin with, in bytes.
const FIRST_CHUNK: u64 = 4 * 1024 * 1024;
/// Pause before the receiver is asked where it stands; doubles with every trouble.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often one attempt begins an upload anew because the receiver forgot the last.
const NEW_UPLOADS: u32 = 3;
/// An upload under way.
pub(super) struct Upload<'a> {
    http: &'a Http,
    package: Arc<Package>,
    journal: &'a dyn Journal,
    stop: &'a Stop,
    chunk_size: u64,
    algorithm: Option<Algorithm>,
    new_uploads: u32,
}

/// What a request for a range of bytes led to.
enum Sent {
    /// The receiver stands here now.
    At(u64),
    /// The receiver has to be asked where it stands.
    Unclear(Failure),
    /// Something on the way does not let a request of this length pass.
    TooLong(Failure),
    /// The receiver no longer knows the upload.
    Gone,
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        http: &'a Http,
        package: Arc<Package>,
        journal: &'a dyn Journal,
        stop: &'a Stop,
    ) -> Upload<'a> {
        Upload {
            http,
            package,
            journal,
            stop,
            chunk_size: FIRST_CHUNK.min(http.ceiling.load(Ordering::Relaxed)),
            algorithm: None,
            new_uploads: 0,
        }
    }

    /// Sends what the receiver does not have yet.
    ///
    /// # Errors
    /// The receiver cannot be reached, refuses, or a file changed.
    pub(super) async fn run(mut self, place: Option<&str>) -> Result<Delivered, Failure> {
        self.algorithm = self.http.algorithm().await;
        let known = match place.and_then(|place| place.parse::<Url>().ok()) {
            // A place kept from before the receiver moved would get the token of the new one.
            Some(url) if url.origin() == self.http.base.origin() => {
                let offset = self.offset(&url).await?;
                if offset.is_none() {
                    let record_id = &self.package.manifest().record_id;
                    info!(%record_id, "the receiver no longer has what was sent so far: it expired, or was ended \
                        there; the upload begins anew");
                }
                offset.map(|offset| (url, offset))
            }
            _ => None,
        };
        let mut next = known;
        loop {
            let (url, offset) = match next {
                Some(known) => known,
                None => (self.create().await?, 0),
            };
            if let Some(delivered) = self.send_from(&url, offset).await? {
                return Ok(delivered);
            }
            next = None;
        }
    }

    /// Sends everything from a byte on; `None` when the receiver has forgotten the upload.
    async fn send_from(&mut self, url: &Url, offset: u64) -> Result<Option<Delivered>, Failure> {
        let length = self.package.length();
        let mut standing = Standing::new(offset, length);
        let mut chunks = self.chunks(offset);
        let mut last_failure = None;
        let mut step = standing.begin();
        loop {
            self.journal.progress(standing.offset(), length);
            step = match step {
                Step::Done => return Ok(Some(Delivered::Whole)),
                Step::Nonsense => {
                    return Err(odd(url, "says that more arrived than was sent"));
                }
                Step::GiveUp => {
                    let silent = || odd(url, "keeps naming places it was not sent to");
                    return Err(last_failure.unwrap_or_else(silent));
                }
                _ if self.stop.asked() => return Ok(Some(Delivered::Stopped)),
                Step::Continue => {
                    let chunk = match chunks.next().await {
                        Some(chunk) => chunk.map_err(|e| unreadable(&e))?,
                        None => return Err(Failure::disk("the package ended before its end")),
                    };
                    let begun = Instant::now();
                    match self.patch(url, &chunk).await? {
                        Sent::Gone => return Ok(None),
                        Sent::At(at) => {
                            let seconds = begun.elapsed().as_secs_f64();
                            self.chunk_size = adapted(chunk.length, seconds, self.chunk_size)
                                .min(self.http.ceiling.load(Ordering::Relaxed));
                            chunks.resize(self.chunk_size);
                            standing.answered(chunk.end(), at)
                        }
                        Sent::TooLong(failure) => {
                            let smaller = chunk.length / 2 / SMALLEST * SMALLEST;
                            if smaller < SMALLEST {
                                return Err(failure);
                            }
                            self.http.ceiling.fetch_min(smaller, Ordering::Relaxed);
                            self.chunk_size = smaller;
                            chunks = self.chunks(standing.offset());
                            standing.begin()
                        }
                        Sent::Unclear(failure) => {
                            last_failure = Some(failure);
                            standing.unclear()
                        }
                    }
                }
                Step::Ask => {
                    tokio::time::sleep(FIRST_PAUSE * 2u32.pow(standing.troubles().min(5))).await;
                    let Some(at) = self.offset(url).await? else {
                        return Ok(None);
                    };
                    // A smaller piece has a better chance on a connection that breaks.
                    self.chunk_size = (self.chunk_size / 2).max(SMALLEST);
                    chunks = self.chunks(at);
                    standing.asked(at)
                }
            };
        }
    }

    /// Begins an upload; its address is kept before a byte is sent.
    async fn create(&mut self) -> Result<Url, Failure> {
        self.new_uploads += 1;
        if self.new_uploads > NEW_UPLOADS {
            return Err(odd(&self.http.base, "forgets every upload at once"));
        }
        let manifest = self.package.manifest();
        let file_name = package_file_name(&manifest.record_id, &manifest.format);
        let metadata = format!(
            "{FILENAME_KEY} {},{DIGEST_KEY} {}",
            BASE64.encode(file_name),
            BASE64.encode(manifest.digest.to_string())
        );
        let url = self.http.url(FILES_PATH)?;
        let request = self
            .tus(Method::POST, &url)?
            .header("Upload-Length", self.package.length())
            .header("Upload-Metadata", metadata)
            .header(CONTENT_LENGTH, 0);
        let answer = self.http.finish(request, &url).await?;
        if answer.status() != StatusCode::CREATED {
            return Err(answers::refused("beginning the upload", answer, self.http).await);
        }
        let location = answer.headers().get(LOCATION);
        let upload = location
            .and_then(|l| l.to_str().ok())
            .and_then(|l| upload_url(&self.http.base, &url, l))
            .ok_or_else(|| odd(&url, "began an upload without a usable Location"))?;
        self.journal.resume_at(upload.as_str())?;
        Ok(upload)
    }

    /// Where the receiver stands; `None` when it does not know this upload.
    async fn offset(&self, url: &Url) -> Result<Option<u64>, Failure> {
        let answer = self.http.finish(self.tus(Method::HEAD, url)?, url).await?;
        match answer.status().as_u16() {
            200 | 204 => {}
            403 if answers::decided(&answer).is_none() => return Ok(None),
            404 | 410 => return Ok(None),
            _ => {
                return Err(
                    answers::refused("asking where the upload stands", answer, self.http).await,
                );
            }
        }
        let length = number(&answer, "Upload-Length");
        if length.is_some_and(|length| length != self.package.length()) {
            return Ok(None);
        }
        match number(&answer, OFFSET) {
            Some(offset) if offset <= self.package.length() => Ok(Some(offset)),
            _ => Err(odd(url, "does not say where the upload stands")),
        }
    }

    fn chunks(&self, offset: u64) -> Chunks {
        let (package, size) = (self.package.clone(), self.chunk_size);
        Chunks::read(package, offset, size, self.algorithm)
    }

    async fn patch(&self, url: &Url, chunk: &Chunk) -> Result<Sent, Failure> {
        let moved = Arc::new(Moved::new());
        let mut request = self
            .tus(Method::PATCH, url)?
            .header(CONTENT_TYPE, "application/offset+octet-stream")
            .header(CONTENT_LENGTH, chunk.length)
            .header(OFFSET, chunk.offset);
        if let Some(checksum) = &chunk.checksum {
            request = request.header("Upload-Checksum", checksum);
        }
        let pace = self.http.pace.clone();
        let request = request.body(body(self.package.clone(), chunk, pace, moved.reporter()));
        let stall = self.http.stall_timeout;
        let answer = tokio::select! {
            answer = request.send() => answer.map_err(|e| answers::failure(&e, url, self.http)),
            () = moved.stalled(stall) => Err(answers::stalled(url, stall)),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) if failure.cause.nothing_reached() => return Err(failure),
            Err(failure) => return Ok(Sent::Unclear(failure)),
        };
        let doing = "sending";
        match answer.status().as_u16() {
            200 | 204 => Ok(number(&answer, OFFSET).map_or_else(
                || Sent::Unclear(odd(url, "does not say where the upload stands")),
                Sent::At,
            )),
            404 | 410 => Ok(Sent::Gone),
            // The whole upload was not too long when it was begun, so this one request is: a proxy.
            413 => Ok(Sent::TooLong(
                answers::refused(doing, answer, self.http).await,
            )),
            408 | 409 | 423 | 429 | CHECKSUM_MISMATCH | 500..=506 | 508..=599 => Ok(Sent::Unclear(
                answers::refused(doing, answer, self.http).await,
            )),
            _ => Err(answers::refused(doing, answer, self.http).await),
        }
    }

    fn tus(&self, method: Method, url: &Url) -> Result<RequestBuilder, Failure> {
        Ok(self
            .http
            .request(method, url)?
            .header("Tus-Resumable", VERSION))
    }
}

impl Http {
    /// What checksums are taken in here: asked once, since receivers of other versions know others.
    async fn algorithm(&self) -> Option<Algorithm> {
        if !self.checksums {
            return None;
        }
        let ask = async || -> Result<Option<Algorithm>, Failure> {
            let url = self.url(FILES_PATH)?;
            let request = self.request(Method::OPTIONS, &url)?;
            let answer = self.finish(request, &url).await?;
            let names = answer.headers().get("Tus-Checksum-Algorithm");
            Ok(names
                .and_then(|names| names.to_str().ok())
                .and_then(Algorithm::among))
        };
        // Whatever is wrong now, the upload itself will tell.
        let asked = self.algorithm.get_or_try_init(ask).await;
        asked.copied().unwrap_or(Some(Algorithm::Sha256))
    }
}

/// The address of an upload. Behind a proxy the receiver may know itself by another name or
/// scheme, so only the path is taken: the token never goes to another host.
fn upload_url(base: &Url, asked: &Url, location: &str) -> Option<Url> {
    let named = asked.join(location).ok()?;
    let path = named.path().trim_start_matches('/');
    let prefix = base.path().trim_matches('/');
    // A proxy that cuts a prefix off leaves the receiver not knowing of it.
    let below = path
        .strip_prefix(prefix)
        .map_or(path, |p| p.trim_start_matches('/'));
    let mut url = base.join(below).ok()?;
    url.set_query(named.query());
    (url.origin() == base.origin() && url.path() != base.path()).then_some(url)
}

fn number(answer: &Response, header: &str) -> Option<u64> {
    answer
        .headers()
        .get(header)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn odd(url: &Url, what: &str) -> Failure {
    let message = format!("{} {what}", url.origin().ascii_serialization());
    Failure::new(Cause::Protocol, message)
}

fn unreadable(error: &PackageError) -> Failure {
    let cause = match error {
        PackageError::Changed { .. } => Cause::FilesChanged,
        PackageError::Read { .. } | PackageError::Layout(_) => Cause::Disk,
    };
    Failure::new(cause, error.to_string())
}

/// When bytes last moved.
struct Moved {
    start: Instant,
    last_millis: AtomicU64,
}

impl Moved {
    fn new() -> Moved {
        Moved {
            start: Instant::now(),
            last_millis: AtomicU64::new(0),
        }
    }

    /// To be called whenever something moves.
    fn reporter(self: &Arc<Moved>) -> impl Fn() + Send + 'static {
        let moved = self.clone();
        move || {
            let millis = u64::try_from(moved.start.elapsed().as_millis()).unwrap_or(u64::MAX);
            moved.last_millis.store(millis, Ordering::Relaxed);
        }
    }

    /// Returns once nothing has moved for so long.
    async fn stalled(&self, patience: Duration) {
        loop {
            let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
            let quiet = self.start.elapsed().saturating_sub(last);
            match patience.checked_sub(quiet) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_never_follows_a_location_to_another_host() {
        let url = |t: &str| t.parse::<Url>().unwrap();
        for (base, location, wanted) in [
            (
                "https://r.example/",
                "/files/1",
                Some("https://r.example/files/1"),
            ),
            (
                "https://r.example/",
                "2?x=y",
                Some("https://r.example/files/2?x=y"),
            ),
            (
                "https://r.example/",
                "http://10.0.0.1:8085/files/3",
                Some("https://r.example/files/3"),
            ),
            (
                "https://r.example/a/",
                "/files/4",
                Some("https://r.example/a/files/4"),
            ),
            (
                "https://r.example/a/",
                "/a/files/5",
                Some("https://r.example/a/files/5"),
            ),
            (
                "https://r.example/",
                "//evil.example/files/6",
                Some("https://r.example/files/6"),
            ),
            ("https://r.example/", "https://[", None),
            ("https://r.example/", "/", None),
        ] {
            let base = url(base);
            let asked = base.join("files/").unwrap();
            let found = upload_url(&base, &asked, location);
            assert_eq!(found.as_ref().map(Url::as_str), wanted, "{location}");
        }
    }
}
