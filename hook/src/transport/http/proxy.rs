//! The proxy on the way to the receiver: that of the settings, else that of the environment.

use std::fmt;

use reqwest::Url;

use crate::failure::{Cause, Failure};

/// A proxy, and who named it.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// Without a password.
    address: String,
    named: String,
}

impl Proxy {
    /// The one that requests to an address take.
    pub(super) fn of(setting: Option<&str>, to: &Url) -> Option<Proxy> {
        if let Some(address) = setting {
            return Some(Proxy::new(address, "http.proxy"));
        }
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let host = to.host_str().unwrap_or_default();
        let excepted = of("NO_PROXY")
            .or_else(|| of("no_proxy"))
            .unwrap_or_default();
        let is_excepted = |e: &str| {
            let e = e.trim().trim_start_matches('.');
            e == "*" || !e.is_empty() && (host == e || host.ends_with(&format!(".{e}")))
        };
        if excepted.split(',').any(is_excepted) {
            return None;
        }
        let names: &[&str] = if to.scheme() == "https" {
            &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        names
            .iter()
            .find_map(|name| Some(Proxy::new(&of(name)?, name)))
    }

    fn new(address: &str, named: &str) -> Proxy {
        let bare = match (address.split_once("://"), address.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            _ => address.to_owned(),
        };
        Proxy {
            address: bare,
            named: named.to_owned(),
        }
    }

    /// It is not there, or does not let a connection to `place` come about.
    pub(super) fn failure(
        &self,
        place: &str,
        said: String,
        unknown_name: bool,
        refused: bool,
    ) -> Failure {
        let mend = format!(
            "curl -v -x {} {place}/healthz; set {} right, or let {place} be reached there",
            self.address, self.named
        );
        let (cause, message) = if unknown_name {
            (
                Cause::Dns,
                format!("the name of the {self} cannot be found: {said}"),
            )
        } else if refused {
            (
                Cause::ReceiverDown,
                format!("the {self}, which leads to {place}, does not answer: {said}"),
            )
        } else if said.contains("authorization required") {
            (
                Cause::ProxyRefused,
                format!(
                    "the {self} wants a name and password: http://NAME:PASSWORD@HOST:PORT in \
                     http.proxy"
                ),
            )
        } else {
            (
                Cause::ProxyRefused,
                format!("the {self} does not let this node reach {place}: {said}"),
            )
        };
        Failure::new(cause, message).mended_by(mend)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} ({})", self.address, self.named)
    }
}
