//! tus 1.0.0 over HTTP to a receiver: what is sent resumes at the byte.

mod answers;
mod api;
mod chunks;
mod distrust;
mod pace;
mod proxy;
mod standing;
mod upload;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use recording::causes::chain;
use recording::digest::Digest;
use recording::protocol::{PackageStatus, RecordingState};
use recording::settings::SettingsError;
use recording::{Package, PlaybackFormat, RecordId};
use reqwest::{Client, Method, RequestBuilder, Url};
use tokio::sync::OnceCell;
use tracing::warn;

use super::{Delivered, Journal, Known};
use crate::failure::{Cause, Failure};
use crate::settings::{Settings, std_duration};
use crate::stop::Stop;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A receiver and how to speak to it.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    /// Ends with `/`.
    base: Url,
    token_file: PathBuf,
    /// What requests pass on their way.
    proxy: Option<proxy::Proxy>,
    stall_timeout: Duration,
    checksums: bool,
    /// What the receiver takes checksums in, once it has been asked.
    algorithm: OnceCell<Option<chunks::Algorithm>>,
    pace: Option<Arc<pace::Pace>>,
    /// Largest chunk that a proxy on the way lets pass, as far as is known.
    ceiling: AtomicU64,
    /// Whether it was said that others can read the token.
    warned: AtomicBool,
}

impl Http {
    /// # Errors
    /// `http.receiver` or `http.token_file` is missing, or something in the section is wrong.
    pub(crate) fn open(settings: &Settings) -> Result<Http, SettingsError> {
        let section = &settings.http;
        let wrong = |key: &str, why: String| SettingsError::key(&settings.path, key, why);
        let Some(receiver) = &section.receiver else {
            let why = "is missing; the receiver's address, such as https://bbb2pod.univ.example";
            return Err(wrong("http.receiver", why.to_owned()));
        };
        let base = base_url(receiver).map_err(|why| wrong("http.receiver", why))?;
        let Some(token_file) = section.token_file.clone() else {
            let why = "is missing; the file that holds this node's token";
            return Err(wrong("http.token_file", why.to_owned()));
        };
        let mut builder = Client::builder()
            .user_agent(concat!("bbb2pod-hook/", env!("CARGO_PKG_VERSION")))
            // One upload fills one connection; HTTP/2 would only add flow control windows.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(section.parallel + 1);
        if let Some(path) = &section.ca_file {
            let certificates = authorities(path)
                .map_err(|why| wrong("http.ca_file", format!("{}: {why}", path.display())))?;
            builder = certificates
                .into_iter()
                .fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        if let Some(proxy) = &section.proxy {
            let proxy =
                reqwest::Proxy::all(proxy).map_err(|e| wrong("http.proxy", e.to_string()))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|e| wrong("http", chain(&e)))?;
        Ok(Http {
            client,
            proxy: proxy::Proxy::of(section.proxy.as_deref(), &base),
            base,
            token_file,
            stall_timeout: std_duration(section.stall_timeout),
            checksums: section.checksums,
            algorithm: OnceCell::new(),
            pace: section
                .bandwidth_limit
                .map(|rate| Arc::new(pace::Pace::of(rate.0))),
            ceiling: AtomicU64::new(chunks::LARGEST),
            warned: AtomicBool::new(false),
        })
    }

    /// See [`super::Transport::known`].
    pub(crate) async fn known(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        digest: &Digest,
    ) -> Result<Known, Failure> {
        let state = self.recording(record_id).await?;
        Ok(state.map_or(Known::Unknown, |state| known_in(&state, format, digest)))
    }

    /// See [`super::Transport::deliver`].
    pub(crate) async fn deliver(
        &self,
        package: Arc<Package>,
        place: Option<&str>,
        journal: &dyn Journal,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        upload::Upload::new(self, package, journal, stop)
            .run(place)
            .await
    }

    /// An address of the receiver.
    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base
            .join(path.trim_start_matches('/'))
            .map_err(|e| Failure::new(Cause::Protocol, format!("{}{path}: {e}", self.base)))
    }

    /// A request with this node's token, which is read anew each time so that a new one counts.
    fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Failure> {
        let token = fs::read_to_string(&self.token_file).map_err(|e| {
            let message = format!(
                "http.token_file: cannot read {}: {e}; it must be readable for BBB's user",
                self.token_file.display()
            );
            Failure::new(Cause::Settings, message)
        })?;
        self.warn_of_readers();
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!(
                "http.token_file: {} must hold the node's token in one line and nothing else",
                self.token_file.display()
            );
            return Err(Failure::new(Cause::Settings, message));
        }
        Ok(self.client.request(method, url.clone()).bearer_auth(token))
    }

    /// Says once that the token is no secret on this node.
    fn warn_of_readers(&self) {
        let open = others_read(&self.token_file);
        if open && !self.warned.swap(true, std::sync::atomic::Ordering::Relaxed) {
            warn!(
                "everybody on this node can read the token: chmod 600 {}",
                self.token_file.display()
            );
        }
    }

    /// Sends a request whose body is small and waits for the head of the answer.
    async fn finish(
        &self,
        request: RequestBuilder,
        url: &Url,
    ) -> Result<reqwest::Response, Failure> {
        self.finish_within(self.stall_timeout, request, url).await
    }

    async fn finish_within(
        &self,
        patience: Duration,
        request: RequestBuilder,
        url: &Url,
    ) -> Result<reqwest::Response, Failure> {
        match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(answers::failure(&e, url, self)),
            Err(_) => Err(answers::stalled(url, patience)),
        }
    }
}

/// Whether users other than a file's owner and group can read it.
pub(crate) fn others_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o007 != 0)
}

fn base_url(text: &str) -> Result<Url, String> {
    let mut url: Url = text
        .parse()
        .map_err(|e| format!("\"{text}\" is not an address ({e})"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!(
            "\"{text}\" must begin with https:// or http:// and name a host"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a password; the token goes into http.token_file".to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let pem = fs::read(path).map_err(|e| e.to_string())?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| chain(&e))?;
    if certificates.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(certificates)
}

/// What a state says about one content.
fn known_in(state: &RecordingState, format: &PlaybackFormat, digest: &Digest) -> Known {
    if state.erased {
        return Known::Erased;
    }
    let ours = |p: &&recording::protocol::PackageState| p.digest == *digest;
    let mut of_format = state.packages.iter().filter(|p| p.format == *format);
    let another_is_coming = of_format
        .clone()
        .any(|p| !ours(&p) && p.status == PackageStatus::Spooled);
    match of_format.find(ours) {
        None => Known::Unknown,
        Some(package) => match package.status {
            PackageStatus::Spooled => Known::Spooled,
            PackageStatus::Archived if another_is_coming => Known::Superseded,
            PackageStatus::Archived => Known::Archived,
            PackageStatus::Superseded => Known::Superseded,
            // It goes there as if it had never been.
            PackageStatus::Damaged => Known::Unknown,
            PackageStatus::Rejected => Known::Rejected {
                reason: package
                    .reason
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
                since: package.since,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, wanted) in [
            ("https://r.example", Ok("https://r.example/")),
            (
                "http://r.example:8085/bbb2pod",
                Ok("http://r.example:8085/bbb2pod/"),
            ),
            ("https://r.example/?x#y", Ok("https://r.example/")),
            ("r.example", Err("is not an address")),
            ("ftp://r.example", Err("must begin with https://")),
            ("https://u:p@r.example", Err("must not hold a password")),
        ] {
            match (base_url(text), wanted) {
                (Ok(url), Ok(wanted)) => assert_eq!(url.as_str(), wanted),
                (Err(said), Err(words)) => assert!(said.contains(words), "{said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn an_older_content_is_not_taken_for_the_newest() {
        let (ours, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let state = |packages: &str| -> RecordingState {
            serde_json::from_str(&format!(r#"{{"record_id":"a-1","packages":[{packages}]}}"#))
                .unwrap()
        };
        let package = |digest: &Digest, status: &str| {
            format!(
                r#"{{"format":"video","digest":"{digest}","status":"{status}","since":"2024-01-01T00:00:00Z"}}"#
            )
        };
        let video = "video".parse().unwrap();
        let known = |packages: &[String]| known_in(&state(&packages.join(",")), &video, &ours);
        assert_eq!(known(&[]), Known::Unknown);
        assert_eq!(known(&[package(&other, "archived")]), Known::Unknown);
        assert_eq!(known(&[package(&ours, "archived")]), Known::Archived);
        assert_eq!(
            known(&[package(&other, "spooled"), package(&ours, "archived")]),
            Known::Superseded
        );
        assert!(matches!(
            known(&[package(&ours, "rejected")]),
            Known::Rejected { .. }
        ));
    }
}
