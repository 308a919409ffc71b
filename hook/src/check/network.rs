//! The way to the other side: name, TLS, token, protocol, clock, rate.

use std::path::Path;

use jiff::Timestamp;
use recording::protocol::{Introduction, NodeStanding, PROTOCOL_VERSION};

use super::Finding;
use super::folders::User;
use crate::bbb::{Node, Place};
use crate::error::Error;
use crate::failure::{Cause, Failure};
use crate::filters;
use crate::inventory;
use crate::outbox::Outbox;
use crate::outbox::looks::Looks;
use crate::receiver::Receiver;
use crate::settings::{Settings, TransportKind};
use crate::status::size;
use crate::transport::Transport;
use crate::transport::http::others_read;
use crate::transport::rsync::Tried;

/// Bytes that are sent to measure the way.
const PROBE: usize = 1_000_000;
/// Seconds that clocks may differ by.
const CLOCK_WARN: i64 = 60;
const CLOCK_FAIL: i64 = 3600;

pub(super) fn look(settings: &Settings, node: &Node) -> Vec<Finding> {
    match settings.transport {
        TransportKind::Http => receiver(settings, node),
        TransportKind::Rsync => vec![rsync(settings, node)],
        TransportKind::Directory => Vec::new(),
    }
}

/// As BBB's user, whose keys and known hosts count.
fn rsync(settings: &Settings, node: &Node) -> Finding {
    let user = User::of_bbb(&node.published_dir).ok();
    let Some(user) = user.filter(User::is_another) else {
        return match try_rsync(settings) {
            Ok(finding) => finding,
            Err(e) => Finding::fail(e.to_string(), "mend the settings first"),
        };
    };
    let tried = std::env::current_exe()
        .map_err(|e| e.to_string())
        .and_then(|program| {
            user.asks(&[
                program.into(),
                "--config".into(),
                settings.path.clone().into(),
                "try-rsync".into(),
            ])
        })
        .and_then(|said| {
            let mut findings: Vec<Finding> =
                serde_json::from_slice(&said).map_err(|e| e.to_string())?;
            findings.pop().ok_or_else(|| "it said nothing".to_owned())
        });
    tried.unwrap_or_else(|why| {
        Finding::fail(
            format!("rsync cannot be tried as {}: {why}", user.name),
            "mend the settings and the program's permissions first",
        )
    })
}

/// Tries rsync's destination, as whoever calls.
///
/// # Errors
/// Settings that do not do.
pub(crate) fn try_rsync(settings: &Settings) -> Result<Finding, Error> {
    let node = Node::here(settings)?;
    let transport = match Transport::open(settings, &node.outbox_dir(settings)) {
        Ok(Transport::Rsync(rsync)) => rsync,
        // Told already.
        _ => {
            return Ok(Finding::warn(
                "rsync was not tried",
                "mend the settings first",
            ));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let tried = runtime
        .map_err(|e| Failure::disk(e.to_string()))
        .and_then(|runtime| runtime.block_on(transport.try_way()));
    let reaches = "rsync reaches its destination: a small file was written there and renamed";
    Ok(match tried {
        Err(e) => failure(&e),
        Ok(Tried { name, unread, left }) => {
            let read = unread.map_or(", read back".to_owned(), |why| {
                format!("; reading it back could not be tried, and sending needs it not ({why})")
            });
            match left {
                None => Finding::ok(format!("{reaches}{read}; it was deleted")),
                Some(why) => Finding::warn(
                    format!("{reaches}{read}; deleting it could not be tried ({why})"),
                    format!("rm SPOOL/{name}, there; the receiver passes it over"),
                ),
            }
        }
    })
}

fn receiver(settings: &Settings, node: &Node) -> Vec<Finding> {
    let receiver = match Receiver::open(settings) {
        Ok(receiver) => receiver,
        // That a file cannot be read is told already, with what mends it.
        Err(_)
            if [&settings.http.ca_file, &settings.http.token_file]
                .into_iter()
                .flatten()
                .any(|f| !f.is_file()) =>
        {
            return Vec::new();
        }
        Err(e) => {
            return vec![Finding::fail(
                e.to_string(),
                "bbb2pod-hook enroll URL --code CODE, or edit the settings",
            )];
        }
    };
    let mut findings = Vec::new();
    findings.extend(settings.http.token_file.as_deref().and_then(token_file));
    let address = settings.http.receiver.as_deref().unwrap_or_default();
    let local = ["127.0.0.1", "localhost", "[::1]"];
    if address.starts_with("http://") && !local.iter().any(|host| address.contains(host)) {
        findings.push(Finding::warn(
            format!("{address}: the token and all recordings go unencrypted"),
            "put a TLS proxy before the receiver, and write https:// in http.receiver",
        ));
    }
    let asked = Timestamp::now();
    let introduction = match receiver.wait(receiver.http.introduction()) {
        Ok(introduction) => introduction,
        Err(e) => {
            findings.push(failure(&e));
            return findings;
        }
    };
    findings.extend(known_as(settings, address, &introduction));
    findings.push(clock(asked, Timestamp::now(), introduction.time));
    // It would only be refused.
    if introduction.state == NodeStanding::Disabled {
        return findings;
    }
    match sizes(settings, node) {
        Ok(sizes) => findings.extend(room(&introduction, &sizes)),
        // That BBB's folder cannot be read is told already.
        Err(_) => findings.extend(room(&introduction, &[])),
    }
    findings.push(
        match receiver.wait(receiver.http.probe(vec![b'0'; PROBE])) {
            Ok((bytes, took)) if bytes == PROBE as u64 => {
                let rate = bytes as f64 / took.as_secs_f64().max(0.000_001);
                Finding::ok(format!("1 MB went over at {}/s", size(rate as u64)))
            }
            Ok((bytes, _)) => Finding::fail(
                format!("of 1 MB only {bytes} bytes arrived"),
                "look at the proxy before the receiver: it must not change bodies",
            ),
            Err(e) => failure(&e),
        },
    );
    findings
}

fn known_as(settings: &Settings, address: &str, introduction: &Introduction) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(format!(
        "{address} answers; the token is that of node {}",
        introduction.node
    ))];
    let name = settings.node_name();
    if introduction.node != name {
        findings.push(Finding::warn(
            format!(
                "the receiver knows this node as {}, its manifests say {name}",
                introduction.node
            ),
            format!("set node: {}", introduction.node),
        ));
    }
    let name = &introduction.node;
    match introduction.state {
        NodeStanding::Enabled => {}
        NodeStanding::Cordoned => findings.push(Finding::warn(
            "this node is cordoned at the receiver: what is published now waits here",
            format!("bbb2pod-receiver node enable {name}, there"),
        )),
        NodeStanding::Disabled => findings.push(Finding::fail(
            "this node is disabled at the receiver: everything waits here",
            format!("bbb2pod-receiver node enable {name}, there"),
        )),
    }
    findings.push(if introduction.protocol == PROTOCOL_VERSION {
        Finding::ok(format!(
            "receiver {}, protocol {}, takes packages up to {}",
            introduction.version,
            introduction.protocol,
            size(introduction.max_size)
        ))
    } else {
        Finding::fail(
            format!(
                "receiver {} speaks protocol {}, this hook {PROTOCOL_VERSION}",
                introduction.version, introduction.protocol
            ),
            "upgrade the receiver first, then the hooks",
        )
    });
    findings
}

/// What is published and would be sent: bytes, and what it is called.
fn sizes(settings: &Settings, node: &Node) -> std::io::Result<Vec<(u64, String)>> {
    let looks = Looks::of(&Outbox::at(&node.outbox_dir(settings)));
    inventory::each(node, &[Place::Published], Some(&looks), |found| {
        let left_out = filters::left_out(&settings.filters, &found.format, found.metadata.as_ref());
        let name = || format!("{}/{}", found.format, found.record_id);
        left_out.is_none().then(|| (found.look.bytes, name()))
    })
}

/// Whether the receiver takes packages as large as there are here.
fn room(introduction: &Introduction, sizes: &[(u64, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let largest = sizes.iter().max_by_key(|(bytes, _)| *bytes);
    let longest = introduction.max_size;
    if let Some((bytes, name)) = largest.filter(|(bytes, _)| *bytes > longest) {
        let too_large = sizes.iter().filter(|(bytes, _)| *bytes > longest).count();
        findings.push(Finding::fail(
            format!(
                "the receiver takes packages up to {}, and {too_large} published here are larger; \
                 the largest, {name}, has {}",
                size(longest),
                size(*bytes)
            ),
            "upload.max_size in receiver.yml, there; then systemctl restart bbb2pod-receiver",
        ));
    }
    let mend = "bbb2pod-receiver status, there: make room where spool_dir is, or lower \
                upload.keep_free";
    findings.extend(introduction.room.map(|room| match largest {
        _ if room == 0 => Finding::fail(
            "the receiver has no room: it answers uploads with 507, and they wait here",
            mend,
        ),
        Some((bytes, name)) if *bytes > room => Finding::warn(
            format!(
                "the receiver has room for {}, and {name} has {}",
                size(room),
                size(*bytes)
            ),
            mend,
        ),
        _ => Finding::ok(format!("the receiver has room for {}", size(room))),
    }));
    findings
}

fn token_file(path: &Path) -> Option<Finding> {
    others_read(path).then(|| {
        Finding::fail(
            format!(
                "{}: everybody on this node can read the token",
                path.display()
            ),
            format!("chmod 600 {}", path.display()),
        )
    })
}

/// The receiver's clock was read somewhere between the two instants.
fn clock(asked: Timestamp, answered: Timestamp, theirs: Timestamp) -> Finding {
    let off = if theirs < asked {
        asked.duration_since(theirs)
    } else if theirs > answered {
        theirs.duration_since(answered)
    } else {
        return Finding::ok("the clocks agree");
    };
    let what = format!("the clocks differ by {} s", off.as_secs());
    let mend = "timedatectl set-ntp true, on the one that is wrong";
    if off.as_secs() <= CLOCK_WARN {
        Finding::ok(what)
    } else if off.as_secs() <= CLOCK_FAIL {
        Finding::warn(what, mend)
    } else {
        Finding::fail(what, mend)
    }
}

fn failure(failure: &Failure) -> Finding {
    let usual = match failure.cause {
        Cause::ReceiverDown | Cause::Timeout | Cause::Connection => {
            "systemctl status bbb2pod-receiver, there; a firewall between?"
        }
        Cause::TokenRefused => {
            "bbb2pod-receiver node enroll NAME, there; bbb2pod-hook enroll URL --code CODE, here"
        }
        Cause::NodeCordoned | Cause::NodeDisabled => "bbb2pod-receiver node enable NAME, there",
        Cause::Settings => "bbb2pod-hook enroll URL --code CODE",
        _ => "see the message",
    };
    let mend = failure.mend.clone();
    Finding::fail(
        failure.to_string(),
        mend.unwrap_or_else(|| usual.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn clocks() {
        let at = |s| Timestamp::from_second(s).unwrap();
        for (theirs, level) in [
            (1005, Level::Ok),
            (970, Level::Ok),
            (900, Level::Warn),
            (2000, Level::Warn),
            (10_000, Level::Fail),
        ] {
            assert_eq!(
                clock(at(1000), at(1010), at(theirs)).level,
                level,
                "{theirs}"
            );
        }
    }
}
