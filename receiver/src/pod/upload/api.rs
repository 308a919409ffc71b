//! One Pod site over HTTP: what every request carries, how answers are paged, and what a failure
//! means for trying again.
//!
//! Nothing here follows a redirect: Pod answers a write at a wrong address with one, and following
//! it would turn the write into a read that succeeds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use recording::causes::chain;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use super::said;
use crate::pod::PodError;
use crate::pod::config::ApiConfig;

/// More pages than any site has: a `next` that leads in circles ends here.
const PAGES_MAX: usize = 20_000;

/// A client of one Pod site.
#[derive(Debug)]
pub(in crate::pod) struct Api {
    http: Client,
    base: Url,
    token: HeaderValue,
    timeout: Duration,
    write_timeout: Duration,
    asked: AtomicU64,
}

impl Api {
    /// Reads the token; asks nothing of Pod.
    pub(in crate::pod) fn new(config: &ApiConfig) -> Result<Api, PodError> {
        let settings = |key, why: String| PodError::Settings { key, why };
        let token = config.token()?;
        let mut token = HeaderValue::from_str(&format!("Token {token}"))
            .map_err(|e| settings("token_file", e.to_string()))?;
        token.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let language = HeaderValue::from_str(&config.accept_language)
            .map_err(|e| settings("accept_language", e.to_string()))?;
        headers.insert(ACCEPT_LANGUAGE, language);
        let http = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("bbb2pod/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.connect_timeout)
            // A kept connection that the server has just closed looks like an upload that failed.
            .pool_max_idle_per_host(0)
            .http1_only()
            .build()
            .map_err(|e| settings("url", chain(&e)))?;
        Ok(Api {
            http,
            base: config.base_url()?,
            token,
            timeout: config.timeout,
            write_timeout: config.write_timeout,
            asked: AtomicU64::new(0),
        })
    }

    /// The site's address, with its slash.
    pub(in crate::pod) fn base(&self) -> &Url {
        &self.base
    }

    /// How many requests have been sent so far.
    pub(in crate::pod) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// An address below the site's; `path` without a slash at its start.
    pub(in crate::pod) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    /// How many seconds the clock of Pod, or of a proxy before it, is ahead of this one.
    pub(in crate::pod) async fn clock_ahead(&self) -> Option<i64> {
        let request = self.http.get(self.url("info_pod.json"));
        let answer = request.timeout(self.timeout).send().await.ok()?;
        let date = answer.headers().get("date")?.to_str().ok()?;
        let theirs = jiff::Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()?;
        Some(theirs.as_second() - jiff::Timestamp::now().as_second())
    }

    /// Reads something that needs no account.
    pub(in crate::pod) async fn get_openly(
        &self,
        doing: &'static str,
        path: &str,
    ) -> Result<Value, PodError> {
        let request = self.http.get(self.url(path)).timeout(self.timeout);
        self.send(doing, path, request).await
    }

    /// Reads something.
    pub(in crate::pod) async fn get(
        &self,
        doing: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, PodError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.authorised(Method::GET, url).timeout(self.timeout);
        self.send(doing, path, request).await
    }

    /// Asks which fields a resource takes and what may be in them.
    pub(in crate::pod) async fn options(
        &self,
        doing: &'static str,
        path: &str,
    ) -> Result<Value, PodError> {
        let request = self.authorised(Method::OPTIONS, self.url(path));
        self.send(doing, path, request.timeout(self.timeout)).await
    }

    /// Goes through a list until `pick` takes an element.
    pub(in crate::pod) async fn find<T>(
        &self,
        doing: &'static str,
        path: &str,
        query: &[(&str, &str)],
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Option<T>, PodError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        for _ in 0..PAGES_MAX {
            let request = self
                .authorised(Method::GET, url.clone())
                .timeout(self.timeout);
            let page = self.send(doing, path, request).await?;
            let Some(results) = page["results"].as_array() else {
                return Err(self.odd(doing, path, "a list", &page));
            };
            if let Some(found) = results.iter().find_map(&mut pick) {
                return Ok(Some(found));
            }
            // Behind a proxy `next` names whatever host Pod sees; only its query is of use.
            let next = page["next"].as_str().and_then(|next| Url::parse(next).ok());
            let Some(next) = next.filter(|next| next.query() != url.query()) else {
                return Ok(None);
            };
            url.set_query(next.query());
        }
        Err(self.odd(doing, path, "a list that ends", &Value::Null))
    }

    /// Writes a form with its length announced, as Pod takes no chunked one.
    pub(in crate::pod) async fn write(
        &self,
        doing: &'static str,
        method: Method,
        path: &str,
        form: Form,
    ) -> Result<Value, PodError> {
        let request = self.authorised(method, self.url(path)).multipart(form);
        self.send(doing, path, request.timeout(self.write_timeout))
            .await
    }

    /// Writes JSON.
    pub(super) async fn write_json(
        &self,
        doing: &'static str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, PodError> {
        let request = self.authorised(method, self.url(path)).json(body);
        self.send(doing, path, request.timeout(self.timeout)).await
    }

    /// Deletes something.
    pub(super) async fn delete(&self, doing: &'static str, path: &str) -> Result<(), PodError> {
        let request = self.authorised(Method::DELETE, self.url(path));
        self.send(doing, path, request.timeout(self.timeout))
            .await?;
        Ok(())
    }

    /// What is said when an answer is not what the contract knows.
    pub(in crate::pod) fn odd(
        &self,
        doing: &'static str,
        path: &str,
        wanted: &str,
        got: &Value,
    ) -> PodError {
        PodError::Odd {
            doing,
            url: self.url(path).to_string(),
            why: format!("expected {wanted}, got {}", said::json(got)),
        }
    }

    fn authorised(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        request.header(AUTHORIZATION, self.token.clone())
    }

    async fn send(
        &self,
        doing: &'static str,
        path: &str,
        request: RequestBuilder,
    ) -> Result<Value, PodError> {
        let url = self.url(path).to_string();
        let unreachable = |e: reqwest::Error| PodError::Unreachable {
            doing,
            url: url.clone(),
            why: chain(&e.without_url()),
            wait: None,
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_redirection() {
            let to = answer
                .headers()
                .get("location")
                .and_then(|to| to.to_str().ok());
            return Err(PodError::Settings {
                key: "url",
                why: format!(
                    "{url} redirects to {}; write the address that Pod itself answers at",
                    to.unwrap_or("another address")
                ),
            });
        }
        let wait = answer
            .headers()
            .get("retry-after")
            .and_then(|wait| wait.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = answer.bytes().await.map_err(unreachable)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let json = serde_json::from_slice::<Value>(&body);
        if status.is_success() {
            return json.map_err(|_| PodError::Odd {
                doing,
                url,
                why: "expected JSON, got something else; is this the address of a Pod?".into(),
            });
        }
        let said = match &json {
            Ok(json) => said::json(json),
            Err(_) => "a page without a cause; Pod's own log has it".into(),
        };
        let status = status.as_u16();
        Err(match StatusCode::from_u16(status) {
            Ok(StatusCode::UNAUTHORIZED) => PodError::Unauthorised { doing, url, said },
            Ok(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => PodError::Faulty {
                doing,
                url,
                status,
                said,
                wait,
            },
            Ok(code) if code.is_server_error() => PodError::Faulty {
                doing,
                url,
                status,
                said,
                wait,
            },
            _ => PodError::Refused {
                doing,
                url,
                status,
                said,
            },
        })
    }
}
