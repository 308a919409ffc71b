//! One file over HTTP: resumed where it was, tried again, never faster or larger than allowed.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use recording::{Digest, durable};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};

use super::PlaybackError;
use super::error::{Trouble, trouble};

const MOST_REDIRECTS: usize = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a transfer may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes a second; `None` for as many as there are.
    pub(crate) rate: Option<u64>,
    /// Bytes of all files together.
    pub(crate) size: u64,
    /// How often a file is tried that does not get any further.
    pub(crate) tries: u32,
    /// The wait after the first failure; it doubles with every further one, up to a minute.
    pub(crate) first_wait: Duration,
    /// How long a server may be silent.
    pub(crate) patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rate: None,
            size: 256 << 30,
            tries: 6,
            first_wait: Duration::from_secs(1),
            patience: Duration::from_secs(60),
        }
    }
}

/// A way to one server, and what may be taken from it.
#[derive(Debug)]
pub(crate) struct Connection {
    http: Client,
    limits: Limits,
    pace: Pace,
    /// Bytes of all files so far.
    taken: AtomicU64,
    /// Before the first answer, nobody to talk to means a wrong address rather than bad luck.
    has_answered: AtomicBool,
    stop: Arc<AtomicBool>,
}

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// It is there, with so many bytes.
    File(u64),
    /// The server does not have it, in these words.
    Absent(String),
}

/// Where a file goes, and where it lies until it is whole.
pub(crate) struct Target<'a> {
    pub(crate) path: &'a Path,
    /// A folder for files that are not whole.
    pub(crate) partial: &'a Path,
}

impl Connection {
    /// Trusts the system's authorities and those in `ca_file`; takes the proxy from the
    /// environment. It ends within a moment once `stop` is set.
    ///
    /// # Errors
    /// The file of authorities cannot be used.
    pub(crate) fn new(
        limits: Limits,
        ca_file: Option<&Path>,
        stop: Arc<AtomicBool>,
    ) -> Result<Connection, PlaybackError> {
        let wrong = |why: String| PlaybackError::Option {
            option: "ca-file",
            why,
        };
        let mut builder = client(&limits);
        if let Some(path) = ca_file {
            let named = |why: String| wrong(format!("{}: {why}", path.display()));
            let pem = fs::read(path).map_err(|e| named(e.to_string()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| named(e.to_string()))?;
            if certificates.is_empty() {
                return Err(named("no certificate in it".to_owned()));
            }
            builder = certificates
                .into_iter()
                .fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        let http = builder.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Connection::over(http, limits, stop))
    }

    /// Over a client made with [`client`].
    pub(super) fn over(http: Client, limits: Limits, stop: Arc<AtomicBool>) -> Connection {
        Connection {
            pace: Pace::new(limits.rate),
            http,
            limits,
            taken: AtomicU64::new(0),
            has_answered: AtomicBool::new(false),
            stop,
        }
    }

    /// What talks to the server, for questions that are no files.
    pub(crate) fn client(&self) -> &Client {
        &self.http
    }

    /// Brings one file; `tell` is given its bytes so far, and all of them when the server says so.
    pub(crate) async fn get(
        &self,
        url: &Url,
        target: &Target<'_>,
        tell: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Got, PlaybackError> {
        if let Ok(there) = fs::symlink_metadata(target.path)
            && there.is_file()
        {
            self.count(&mut 0, there.len(), url)?;
            return Ok(Got::File(there.len()));
        }
        let mut partial = Partial::of(target);
        let (mut failures, mut farthest) = (0, partial.length());
        loop {
            let (why, wait, connected) = match self.attempt(url, &mut partial, tell).await {
                Ok(got) => return Ok(got),
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(why, wait)) => (why, wait, true),
                Err(Trouble::NoConnection(why)) => (why, None, false),
            };
            // A server that cuts every connection gets there all the same, piece by piece.
            if partial.length() > farthest {
                (failures, farthest) = (0, partial.length());
            }
            failures += 1;
            let has_answered = self.has_answered.load(Ordering::Relaxed);
            if failures >= self.limits.tries || !(connected || has_answered) {
                let url = url.to_string();
                return Err(match has_answered && connected {
                    true => PlaybackError::Interrupted {
                        url,
                        tries: failures,
                        why,
                    },
                    false => PlaybackError::Unreachable { url, why },
                });
            }
            tracing::debug!(%url, failures, why, "tried again");
            let doubled = self.limits.first_wait * 2u32.saturating_pow(failures - 1);
            let wait = doubled.max(wait.unwrap_or_default()).min(LONGEST_WAIT);
            self.unless_stopped(tokio::time::sleep(wait)).await?;
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        partial: &mut Partial,
        tell: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Got, Trouble> {
        let mut request = self
            .http
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity");
        let begun = partial.resumable();
        if let Some((length, version)) = &begun {
            request = request
                .header(RANGE, format!("bytes={length}-"))
                .header(IF_RANGE, version);
        }
        let response = self.send(request, url).await?;
        let status = response.status();
        let from = match (status, begun) {
            (StatusCode::OK, _) => 0,
            (StatusCode::PARTIAL_CONTENT, Some((length, _)))
                if content_range(&response).is_some_and(|(start, _)| start == Some(length)) =>
            {
                length
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((length, _))) => {
                if content_range(&response) == Some((None, Some(length))) {
                    partial.settle(&response).await?;
                    return Ok(Got::File(length));
                }
                partial.forget();
                return Err(Trouble::Passing("the file has changed".to_owned(), None));
            }
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
                return Ok(Got::Absent(format!("the server answers {status}")));
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => {
                return Err(busy(&response));
            }
            _ if status.is_server_error() => return Err(busy(&response)),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                let url = url.to_string();
                return Err(PlaybackError::Refused { url, status }.into());
            }
            (StatusCode::PARTIAL_CONTENT, _) => {
                partial.forget();
                let why = "the server answers with another part than asked for";
                return Err(Trouble::Passing(why.to_owned(), None));
            }
            _ => {
                return Err(Trouble::Lasting(PlaybackError::NotThere {
                    url: url.to_string(),
                    why: format!("the server answers {status}"),
                }));
            }
        };
        self.receive(response, url, partial, from, tell).await
    }

    async fn receive(
        &self,
        mut response: Response,
        url: &Url,
        partial: &mut Partial,
        from: u64,
        tell: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<Got, Trouble> {
        const PAGE: &str = "the server answers with a web page in its place";
        let wants_page = url.path().ends_with(".html");
        if !wants_page
            && header(&response, &CONTENT_TYPE).is_some_and(|t| t.starts_with("text/html"))
        {
            return Ok(Got::Absent(PAGE.to_owned()));
        }
        let whole = response.content_length().map(|length| from + length);
        let counted = &mut partial.counted;
        if let Some(whole) = whole {
            self.would_fit(whole.saturating_sub(*counted), url)?;
        }
        self.count(counted, from, url)?;
        let mut file = partial.open(&response, from)?;
        let mut received = from;
        loop {
            let chunk = self
                .unless_stopped(response.chunk())
                .await?
                .map_err(|e| trouble(&e, url))?;
            let Some(chunk) = chunk else { break };
            if received == 0 && !wants_page && looks_like_a_page(&chunk) {
                partial.forget();
                return Ok(Got::Absent(PAGE.to_owned()));
            }
            file.write_all(&chunk)
                .map_err(|e| partial.failed("writing", e))?;
            received += chunk.len() as u64;
            self.count(&mut partial.counted, received, url)?;
            tell(received, whole);
            let free_at = self.pace.book(Instant::now(), chunk.len());
            if free_at > Instant::now() {
                self.unless_stopped(tokio::time::sleep_until(free_at.into()))
                    .await?;
            }
        }
        if whole.is_some_and(|whole| received < whole) {
            let why = "the connection ended early".to_owned();
            return Err(Trouble::Passing(why, None));
        }
        drop(file);
        partial.settle(&response).await?;
        Ok(Got::File(received))
    }

    async fn send(&self, request: RequestBuilder, url: &Url) -> Result<Response, Trouble> {
        let response = self
            .unless_stopped(request.send())
            .await?
            .map_err(|e| trouble(&e, url))?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    fn would_fit(&self, bytes: u64, url: &Url) -> Result<(), PlaybackError> {
        let limit = self.limits.size;
        if self.taken.load(Ordering::Relaxed).saturating_add(bytes) <= limit {
            return Ok(());
        }
        let url = url.to_string();
        Err(PlaybackError::TooLarge { url, limit })
    }

    /// Counts the bytes of one file beyond those that were counted, as when it was tried before.
    fn count(&self, counted: &mut u64, bytes: u64, url: &Url) -> Result<(), PlaybackError> {
        let more = bytes.saturating_sub(*counted);
        self.would_fit(more, url)?;
        self.taken.fetch_add(more, Ordering::Relaxed);
        *counted += more;
        Ok(())
    }

    /// Whether it was asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, PlaybackError> {
        let mut work = std::pin::pin!(work);
        loop {
            if self.is_stopping() {
                return Err(PlaybackError::Stopped);
            }
            if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut work).await {
                return Ok(done);
            }
        }
    }
}

/// A client that follows redirects on the same server only.
pub(super) fn client(limits: &Limits) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("bbb2pod/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.patience.min(Duration::from_secs(20)))
        .read_timeout(limits.patience)
        .redirect(redirect::Policy::custom(|attempt| {
            let from = attempt.previous().last();
            if !from.is_some_and(|from| is_same_server(from, attempt.url())) {
                let why = format!(
                    "it leads to another server, {}",
                    attempt.url().origin().ascii_serialization()
                );
                return attempt.error(why);
            }
            if attempt.previous().len() > MOST_REDIRECTS {
                return attempt.error("it leads from one address to the next");
            }
            attempt.follow()
        }))
}

fn is_same_server(from: &Url, to: &Url) -> bool {
    let same_port = from.port_or_known_default() == to.port_or_known_default();
    let upgrade = from.scheme() == "http" && to.scheme() == "https";
    from.host() == to.host() && (from.scheme() == to.scheme() && same_port || upgrade)
}

fn busy(response: &Response) -> Trouble {
    let wait = header(response, &RETRY_AFTER).and_then(|value| value.trim().parse().ok());
    let why = format!("the server answers {}", response.status());
    Trouble::Passing(why, wait.map(Duration::from_secs))
}

fn header<'a>(response: &'a Response, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// First byte and length that `Content-Range` states.
fn content_range(response: &Response) -> Option<(Option<u64>, Option<u64>)> {
    let stated = header(response, &CONTENT_RANGE)?
        .trim()
        .strip_prefix("bytes")?;
    let (range, length) = stated.trim_start().split_once('/')?;
    let start = range
        .split_once('-')
        .and_then(|(start, _)| start.trim().parse().ok());
    Some((start, length.trim().parse().ok()))
}

/// Some servers answer every address with their start page, whatever type they call it.
fn looks_like_a_page(start: &[u8]) -> bool {
    let text = start.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|tag| {
        text.get(..tag.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(tag.as_bytes()))
    })
}

/// A file that is not whole yet. Beside it lies which version of the file it is a part of.
struct Partial {
    target: PathBuf,
    path: PathBuf,
    version: PathBuf,
    /// How many of its bytes have been counted.
    counted: u64,
}

impl Partial {
    fn of(target: &Target<'_>) -> Partial {
        // A digest as a name: paths of recordings may be long, and clash.
        let name = Digest::of(target.path.as_os_str().as_encoded_bytes()).to_string();
        Partial {
            target: target.path.to_owned(),
            path: target.partial.join(&name),
            version: target.partial.join(format!("{name}.version")),
            counted: 0,
        }
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// How much there is, and of which version; `None` when it must be begun anew.
    fn resumable(&self) -> Option<(u64, String)> {
        let version = fs::read_to_string(&self.version).ok()?;
        let length = self.length();
        (length > 0 && !version.is_empty()).then_some((length, version))
    }

    fn open(&self, response: &Response, from: u64) -> Result<File, PlaybackError> {
        let failed = |e| self.failed("writing", e);
        if from == 0 {
            fs::remove_file(&self.version).ok();
        }
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path)
            .map_err(failed)?;
        file.set_len(from).map_err(failed)?;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        // Ranges may only be asked for by a strong tag, or by the time of change.
        let version = header(response, &ETAG)
            .filter(|tag| tag.starts_with('"'))
            .or_else(|| header(response, &LAST_MODIFIED));
        if let Some(version) = version {
            fs::write(&self.version, version).map_err(failed)?;
        }
        Ok(file)
    }

    fn forget(&self) {
        fs::remove_file(&self.version).ok();
        fs::remove_file(&self.path).ok();
    }

    /// Gives the whole file its name and the time that the server states.
    async fn settle(&self, response: &Response) -> Result<(), PlaybackError> {
        let modified = header(response, &LAST_MODIFIED)
            .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
            .map(|time| SystemTime::from(time.timestamp()));
        let (path, target) = (self.path.clone(), self.target.clone());
        let settled = tokio::task::spawn_blocking(move || {
            let file = File::options().write(true).open(&path)?;
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            file.sync_all()?;
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            durable::rename(&path, &target)
        });
        settled
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)))
            .map_err(|e| self.failed("writing", e))?;
        fs::remove_file(&self.version).ok();
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> PlaybackError {
        PlaybackError::Io {
            doing,
            path: self.target.clone(),
            source,
        }
    }
}

/// Keeps several transfers together below a rate.
#[derive(Debug)]
struct Pace {
    rate: Option<u64>,
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(rate: Option<u64>) -> Pace {
        Pace {
            rate: rate.filter(|rate| *rate > 0),
            free_at: Mutex::default(),
        }
    }

    /// When the next bytes may be read, after so many were read at `now`.
    fn book(&self, now: Instant, bytes: usize) -> Instant {
        let Some(rate) = self.rate else { return now };
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = free_at.map_or(now, |at| at.max(now));
        let end = begin + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *free_at = Some(end);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shared_and_not_saved_up() {
        let pace = Pace::new(Some(1000));
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(pace.book(start, 500), start + second / 2);
        assert_eq!(pace.book(start, 1500), start + 2 * second);
        assert_eq!(pace.book(start + 10 * second, 1000), start + 11 * second);
        assert_eq!(Pace::new(None).book(start, 1 << 30), start);
    }

    #[test]
    fn only_the_same_server_is_followed() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, same) in [
            ("https://a.example/x", "https://a.example:443/y", true),
            ("http://a.example/x", "https://a.example/x", true),
            ("https://a.example/x", "http://a.example/x", false),
            ("https://a.example/x", "https://b.example/x", false),
            ("http://127.0.0.1:80/x", "http://127.0.0.1:6379/x", false),
            ("http://a.example/x", "file:///etc/passwd", false),
        ] {
            assert_eq!(is_same_server(&url(from), &url(to)), same, "{from} to {to}");
        }
    }

    #[test]
    fn pages_are_known_by_their_start() {
        assert!(looks_like_a_page(b"\n <!DOCTYPE HTML><p>"));
        assert!(!looks_like_a_page(b"<?xml version=\"1.0\"?>") && !looks_like_a_page(b"<ht"));
    }
}
