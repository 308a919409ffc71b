//! The way to the receiver: slow, narrow, shared, through a proxy, with a private authority, open
//! only by night.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{ToSpan, Zoned};
use support::network::Network;
use support::peer::Peer;
use support::{ID, Node, eventually, noise};

/// A node with one recording of so many bytes of media, published.
fn published(receiver: &str, media: usize) -> Node {
    let node = Node::sending_to(receiver);
    node.recording(ID, "presentation", &noise(media, 1));
    node.publish(ID);
    node
}

fn http(node: &Node, more: &str) {
    let text = fs::read_to_string(node.config()).unwrap();
    let text = text.replace("stall_timeout: 3s", &format!("stall_timeout: 3s, {more}"));
    fs::write(node.config(), text).unwrap();
}

#[test]
fn every_request_carries_a_checksum_unless_told_otherwise() {
    for (more, algorithm) in [("parallel: 1", "crc32"), ("checksums: false", "")] {
        let peer = Peer::start();
        let node = published(&peer.url(), 9_000_000);
        http(&node, more);
        let ran = node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        let seen: Vec<_> = peer.lock().algorithms.iter().cloned().collect();
        assert_eq!(seen, [algorithm]);
    }
}

#[test]
fn a_proxy_that_takes_short_requests_only_gets_short_ones() {
    let peer = Peer::start();
    peer.lock().longest_request = Some(1_048_576);
    let node = published(&peer.url(), 9_000_000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(peer.archived().len(), 1);
    // Nothing at all passes: that is told, not tried for ever.
    peer.lock().longest_request = Some(1000);
    node.recording("other-1", "video", b"x");
    node.publish("other-1");
    assert_eq!(node.send().code, 1);
    let problem = node.status()["jobs"][0]["problem"].clone();
    assert_eq!(problem["cause"], "too-large", "{problem}");
}

#[test]
fn all_uploads_together_keep_to_the_limit() {
    let peer = Peer::start();
    let node = published(&peer.url(), 2_000_000);
    node.recording("other-1", "video", &noise(2_000_000, 2));
    node.publish("other-1");
    http(&node, "parallel: 4, bandwidth_limit: 2MB");
    let begun = Instant::now();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    // Less a quarter of a second that an idle link may save up.
    assert!(
        begun.elapsed() > Duration::from_millis(1700),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn outside_the_window_nothing_is_sent_unless_asked_for() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    let hours = |from: i64, to: i64| {
        let at = |hours: i64| (Zoned::now() + hours.hours()).strftime("%H:%M").to_string();
        format!("window: \"{}-{}\"", at(from), at(to))
    };
    let settings = fs::read_to_string(node.config()).unwrap();
    http(&node, &hours(3, 6));
    let ran = node.send();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("http.window"), "{}", ran.err);
    assert_eq!(peer.lock().received, 0);
    assert!(node.status()["outside_window"].is_string());
    assert_eq!(node.run(&["send", "--now"]).code, 0);
    assert_eq!(peer.archived().len(), 1);
    fs::write(node.config(), settings).unwrap();
    http(&node, &hours(-2, 2));
    node.recording("other-1", "video", b"x");
    node.publish("other-1");
    assert_eq!(node.send().code, 0);
}

#[test]
fn what_is_published_now_does_not_wait_for_old_recordings() {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    http(&node, "parallel: 1, bandwidth_limit: 4MB");
    let old = node.recording("old-1", "video", &noise(40_000_000, 1));
    assert!(old.exists());
    assert_eq!(node.run(&["backfill"]).code, 0);
    let mut watching = node.watch();
    eventually("the old one is under way", || peer.lock().received > 0);
    node.recording(ID, "presentation", b"new");
    node.publish(ID);
    eventually("the new one is there", || !peer.archived().is_empty());
    assert_eq!(peer.archived()[0].0, ID);
    let before = peer.lock().requests.iter().filter(|r| *r == "POST").count();
    // It goes on where it was: the upload is not begun anew.
    eventually("the old one goes on", || {
        node.status()["jobs"][0]["progress"]["sent"].as_u64() > Some(4_000_000)
    });
    let after = peer.lock().requests.iter().filter(|r| *r == "POST").count();
    assert_eq!(before, after);
    assert_eq!(watching.terminate(), Some(0));
}

#[test]
fn a_backfill_is_followed_until_everything_is_there_and_may_be_left() {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    for n in 0..3 {
        node.recording(&format!("old-{n}"), "video", &noise(300_000, n));
    }
    let mut watching = node.watch();
    let ran = node.run(&["backfill", "--follow"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(peer.archived().len(), 3);
    watching.terminate();
    // Nobody sends now; it is asked to stop, and what was taken stays.
    node.recording("old-9", "video", b"x");
    let mut following = node
        .hook()
        .args(["backfill", "--follow"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is taken", || node.jobs().len() == 1);
    let pid = rustix::process::Pid::from_child(&following);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(1));
    assert_eq!(node.jobs(), ["old-9-video-1"]);
    assert!(node.leftovers().is_empty());
}

#[test]
fn through_a_proxy() {
    let peer = Peer::start();
    let proxy = Network::to(peer.address, |_| None);
    // A name that nobody but the proxy knows.
    let node = published("http://receiver.invalid", 1_000_000);
    http(&node, &format!("proxy: \"{}\"", proxy.url()));
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(peer.archived().len(), 1);
}

#[test]
fn a_proxy_that_is_down_or_refuses_is_not_taken_for_the_receiver() {
    let refusing = |answer: &'static str| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
                let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
            }
        });
        format!("http://{address}")
    };
    let refused =
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html>no</html";
    let wants = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let down = "http://127.0.0.1:9".to_owned();
    for (receiver, proxy, words, cause) in [
        ("http", down.clone(), "does not answer", "receiver-down"),
        ("https", down, "does not answer", "receiver-down"),
        (
            "http",
            refusing(refused),
            "not the receiver",
            "proxy-refused",
        ),
        (
            "https",
            refusing(refused),
            "does not let this node reach",
            "proxy-refused",
        ),
        (
            "http",
            refusing(wants),
            "wants a name and password",
            "proxy-refused",
        ),
        (
            "https",
            refusing(wants),
            "wants a name and password",
            "proxy-refused",
        ),
    ] {
        let node = published(&format!("{receiver}://receiver.invalid"), 1000);
        let with_password = proxy.replace("http://", "http://me:secret@");
        http(&node, &format!("proxy: \"{with_password}\""));
        let ran = node.send();
        assert_eq!(ran.code, 3, "{}", ran.err);
        let problem = node.status()["jobs"][0]["problem"].clone();
        assert_eq!(problem["cause"], cause, "{problem}");
        let message = problem["message"].as_str().unwrap();
        assert!(
            message.contains(words) && message.contains(&format!("proxy {proxy} (http.proxy)")),
            "{message}"
        );
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_token_that_everybody_can_read_is_told() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    let mode = |mode| fs::set_permissions(node.path("token"), fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("chmod 600"), "{}", ran.err);
    mode(0o600).unwrap();
    node.recording("other-1", "video", b"x");
    node.publish("other-1");
    assert!(!node.send().err.contains("chmod 600"));
}

#[test]
fn the_receiver_is_told_how_much_waits() {
    let peer = Peer::start();
    peer.lock().never_import = true;
    let node = published(&peer.url(), 1000);
    let mut watching = node.watch();
    eventually("told", || !peer.lock().reports.is_empty());
    // At once when nothing waits any more, not with the next one a minute later.
    peer.lock().never_import = false;
    eventually("it has arrived", || !peer.lock().packages.is_empty());
    peer.lock().packages[0].status = "archived";
    eventually("told that nothing waits", || {
        peer.lock().reports.last().unwrap()["backlog"] == 0
    });
    watching.terminate();
    let report = peer.lock().reports[0].clone();
    assert_eq!(report["backlog"], 1);
    assert!(report["backlog_bytes"].as_u64().unwrap() > 1000);
    assert!(report["oldest_unsent"].is_string());
}

/// A TLS proxy with a certificate of its own authority.
struct Tls {
    child: Child,
    port: u16,
}

const TLS_PROXY: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def pipe(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(near):
    try:
        near = context.wrap_socket(near, server_side=True)
    except OSError:
        return
    far = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    threading.Thread(target=pipe, args=(far, near), daemon=True).start()
    pipe(near, far)
while True:
    near, _ = server.accept()
    threading.Thread(target=serve, args=(near,), daemon=True).start()
"#;

impl Tls {
    fn before(peer: &Peer, node: &Node) -> Tls {
        let pem = |name: &str| node.path(name).display().to_string();
        let openssl = |more: &[&str], key: &str, certificate: &str| {
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
                .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
                .args(more)
                .args(["-keyout", &pem(key), "-out", &pem(certificate)])
                .stderr(Stdio::null())
                .status();
            assert!(made.unwrap().success());
        };
        openssl(&["-subj", "/CN=A private authority"], "ca.key", "ca.pem");
        let signed = [
            ["-subj", "/CN=localhost"],
            ["-addext", "subjectAltName=DNS:localhost"],
            ["-addext", "basicConstraints=critical,CA:FALSE"],
            ["-CA", &pem("ca.pem")],
            ["-CAkey", &pem("ca.key")],
        ];
        openssl(&signed.concat(), "key.pem", "server.pem");
        let mut child = Command::new("python3")
            .args(["-c", TLS_PROXY])
            .arg(node.path("server.pem"))
            .arg(node.path("key.pem"))
            .arg(peer.address.port().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        Tls {
            child,
            port: line.trim().parse().unwrap(),
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let peer = Peer::start();
    let node = published("https://localhost", 1_000_000);
    let tls = Tls::before(&peer, &node);
    let url = format!("https://localhost:{}", tls.port);
    node.configure(&url, "");
    let ran = node.send();
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(node.status()["jobs"][0]["problem"]["cause"], "tls");
    http(
        &node,
        &format!("ca_file: \"{}\"", node.path("ca.pem").display()),
    );
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(peer.archived().len(), 1);
}
