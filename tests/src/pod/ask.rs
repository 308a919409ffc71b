//! A request, taken apart as far as every view needs it.

use axum::http::request::Parts;

use super::messages::Lang;

#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) host: String,
    pub(crate) lang: Lang,
    pub(crate) accept: String,
    pub(crate) authorization: Option<String>,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) content_length: Option<u64>,
}

impl Ask {
    pub(crate) fn new(parts: &Parts, site_language: &str) -> Ask {
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let raw_query = parts.uri.query().unwrap_or("").to_owned();
        Ask {
            method: parts.method.as_str().to_owned(),
            path: percent_encoding::percent_decode_str(parts.uri.path())
                .decode_utf8_lossy()
                .into_owned(),
            query: url::form_urlencoded::parse(raw_query.as_bytes())
                .into_owned()
                .collect(),
            raw_query,
            host: header("host").unwrap_or("localhost").to_owned(),
            lang: Lang::negotiate(header("accept-language"), site_language),
            accept: header("accept").unwrap_or("*/*").to_owned(),
            authorization: header("authorization").map(str::to_owned),
            cookies: header("cookie")
                .unwrap_or("")
                .split(';')
                .filter_map(|cookie| cookie.trim().split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            content_length: header("content-length").and_then(|length| length.parse().ok()),
        }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub(crate) fn object_url(&self, route: &str, id: u64) -> String {
        self.url(&format!("/rest/{route}/{id}/"))
    }

    /// This request's address with another page number; none is left out for the first page.
    pub(crate) fn page_url(&self, page: usize) -> String {
        let mut pairs: Vec<(&str, String)> = self
            .query
            .iter()
            .filter(|(key, _)| key != "page")
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        if page > 1 {
            pairs.push(("page", page.to_string()));
        }
        pairs.sort();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let mark = if query.is_empty() { "" } else { "?" };
        self.url(&format!("{}{mark}{query}", self.path))
    }
}
