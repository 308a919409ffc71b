//! What answers and broken connections mean.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use recording::causes::chain;
use recording::protocol::{NODE_STATE_HEADER, NodeStanding, Refusal};
use reqwest::{Response, StatusCode, Url};

use super::{Http, distrust};
use crate::failure::{Cause, Failure};

/// Largest answer read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// A request that got no answer.
pub(super) fn failure(error: &reqwest::Error, url: &Url, http: &Http) -> Failure {
    let place = url.origin().ascii_serialization();
    let words = chain(error);
    let refused = io_error(error).is_some_and(|e| {
        matches!(
            e.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
        )
    });
    let lower = words.to_lowercase();
    let unknown_name = lower.contains("dns error") || lower.contains("failed to lookup");
    if let Some(proxy) = &http.proxy
        && (unknown_name || refused || lower.contains("tunnel error"))
    {
        return proxy.failure(&place, last(error), unknown_name, refused);
    }
    let host = url.host_str().unwrap_or_default();
    let (cause, message) = if unknown_name {
        let said = last(error);
        let message = format!("the name {host} in http.receiver cannot be found: {said}");
        return Failure::new(Cause::Dns, message).mended_by(format!("getent hosts {host}"));
    } else if refused {
        (
            Cause::ReceiverDown,
            format!(
                "nobody answers at {place}: {}; is the receiver running?",
                last(error)
            ),
        )
    } else if is_tls(error, &lower) {
        return distrust::failure(&place, host, &last(error));
    } else if error.is_timeout() {
        (Cause::Timeout, format!("{place} does not answer: {words}"))
    } else if error.is_connect() {
        (
            Cause::ReceiverDown,
            format!("cannot connect to {place}: {words}"),
        )
    } else {
        (
            Cause::Connection,
            format!("the connection to {place} broke: {}", last(error)),
        )
    };
    Failure::new(cause, message)
}

/// Nothing moved for too long.
pub(super) fn stalled(url: &Url, after: Duration) -> Failure {
    let place = url.origin().ascii_serialization();
    let message = format!("nothing moved to or from {place} for {} s", after.as_secs());
    Failure::new(Cause::Timeout, message)
}

/// An answer other than the one hoped for.
pub(super) async fn refused(doing: &str, answer: Response, http: &Http) -> Failure {
    let status = answer.status();
    let place = http.base.origin().ascii_serialization();
    let retry_after = answer
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .map(|v| format!("; it asks to wait {v} s"))
        .unwrap_or_default();
    let decided = decided(&answer);
    let body = body(answer, http.stall_timeout).await;
    let receivers_own = decided.is_some() || serde_json::from_slice::<Refusal>(&body).is_ok();
    let said = said(&body);
    if let Some((cause, takes)) = decided {
        let message = format!(
            "{place} takes nothing{takes} of this node{said}; everything is kept here, and goes on by itself"
        );
        return Failure::new(cause, message);
    }
    if status.as_u16() == 407 || status.as_u16() == 403 && !receivers_own {
        return on_the_way(doing, status, &said, &place, http);
    }
    let (cause, advice) = advice(status);
    let advice = advice
        .replace("{token_file}", &http.token_file.display().to_string())
        .replace("{base}", http.base.as_str());
    let message = format!("{doing}: {place} answered {status}{said}{retry_after}{advice}");
    Failure::new(cause, message)
}

/// What the receiver's administrator has decided of this node, when that is why it refuses.
pub(super) fn decided(answer: &Response) -> Option<(Cause, &'static str)> {
    let state = answer.headers().get(NODE_STATE_HEADER)?.as_bytes();
    let state = NodeStanding::ALL
        .into_iter()
        .find(|known| known.as_str().as_bytes() == state)?;
    match state {
        NodeStanding::Enabled => None,
        NodeStanding::Cordoned => Some((Cause::NodeCordoned, " new")),
        NodeStanding::Disabled => Some((Cause::NodeDisabled, "")),
    }
}

/// Somebody before the receiver does not let the request pass: a receiver would say why.
fn on_the_way(doing: &str, status: StatusCode, said: &str, place: &str, http: &Http) -> Failure {
    let who = match &http.proxy {
        Some(proxy) => format!("the {proxy}"),
        None => format!("a proxy or web server before {place}"),
    };
    let advice = if status.as_u16() == 407 {
        "it wants a name and password: http://NAME:PASSWORD@HOST:PORT in http.proxy"
    } else {
        "it must let this node reach the receiver"
    };
    let message = format!("{doing}: {who} answered {status}{said}, not the receiver; {advice}");
    let mend = format!("let this node reach {place}, there; what it says: curl -v {place}/healthz");
    Failure::new(Cause::ProxyRefused, message).mended_by(mend)
}

fn advice(status: StatusCode) -> (Cause, &'static str) {
    match status.as_u16() {
        401 | 403 => (
            Cause::TokenRefused,
            "; the token in {token_file} is not one the receiver knows (bbb2pod-receiver node add)",
        ),
        413 => (
            Cause::TooLarge,
            "; raise upload.max_size at the receiver, and the body limit of a proxy before it",
        ),
        507 => (Cause::ReceiverFull, "; make room at the receiver"),
        408 | 429 | 500..=599 => (Cause::ReceiverError, ""),
        _ => (Cause::Protocol, "; is http.receiver ({base}) right?"),
    }
}

/// The whole body as far as it comes, bounded; what is missing does not matter.
pub(super) async fn body(mut answer: Response, patience: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_BODY {
        match tokio::time::timeout(patience, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    bytes
}

/// The receiver's own words, from a refusal's body.
fn said(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.error,
        // A proxy's page is of no use to anybody.
        Err(_) if body.iter().take(64).any(|b| *b == b'<') => return String::new(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    if line.is_empty() {
        line
    } else {
        format!(" ({line})")
    }
}

/// The TLS library reports through I/O errors of this kind, in words of its own.
fn is_tls(error: &reqwest::Error, words: &str) -> bool {
    let named = ["certificate", "tls", "handshake"];
    io_error(error).is_some_and(|e| e.kind() == io::ErrorKind::InvalidData)
        || named.iter().any(|w| words.contains(w))
        || error.is_connect() && words.contains("corrupt message")
}

fn io_error(error: &reqwest::Error) -> Option<&io::Error> {
    let mut source = error.source();
    let mut found = None;
    while let Some(cause) = source {
        found = cause.downcast_ref::<io::Error>().or(found);
        source = cause.source();
    }
    found
}

/// The innermost cause: what the system said.
fn last(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (status, cause) in [
            (401, Cause::TokenRefused),
            (413, Cause::TooLarge),
            (507, Cause::ReceiverFull),
            (502, Cause::ReceiverError),
            (404, Cause::Protocol),
            (302, Cause::Protocol),
        ] {
            assert_eq!(advice(StatusCode::from_u16(status).unwrap()).0, cause);
        }
    }

    #[test]
    fn the_receivers_words_are_kept_and_pages_of_proxies_are_not() {
        assert_eq!(said(br#"{"error": "no\nroom"}"#), " (no room)");
        assert_eq!(said(b"<html><body>502</body></html>"), "");
        assert_eq!(said(b""), "");
        assert_eq!(said(&[b'x'; 1000]).len(), 303);
    }
}
