//! People are told by mail and webhook when they are needed: once, together, and across restarts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use support::harness::{Running, Site, eventually, eventually_or, free_port};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(60);

/// A real mail server that keeps what it takes in a Maildir.
struct MailServer {
    _running: Running,
    maildir: PathBuf,
}

impl MailServer {
    fn start(site: &Path, port: u16, more: &[&str]) -> MailServer {
        let maildir = site.join("maildir");
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}")]);
        command.args(more);
        command.args(["-c", "aiosmtpd.handlers.Mailbox"]);
        let running = Running::start(command.arg(&maildir), &site.join("mail.log"));
        eventually("the mail server answers", LONG, || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        MailServer {
            _running: running,
            maildir,
        }
    }

    fn letters(&self) -> Vec<String> {
        let entries = fs::read_dir(self.maildir.join("new"));
        let paths = entries.into_iter().flatten().flatten();
        paths
            .map(|entry| fs::read_to_string(entry.path()).unwrap())
            .collect()
    }

    fn first(&self, explain: &Site) -> String {
        eventually_or(
            "a letter comes",
            LONG,
            || explain.receiver_log(),
            || self.letters().into_iter().next(),
        )
    }
}

fn notify_mail(port: u16, more: &str) -> String {
    format!(
        "notify:\n  language: fr\n  interval: 1s\n  mail: {{to: [\"Équipe vidéo <video@univ.example>\", admin@univ.example], from: bbb2pod@univ.example, server: localhost, port: {port}{more}}}\n"
    )
}

/// Publishes a recording that fails for good.
fn hold_damaged(site: &Site, seed: u64) -> String {
    let recording = Recording::tiny().seed(seed).formats(&["podcast"]);
    let id = site.node.add(&recording).unwrap();
    let sound = site.node.folder("podcast", &id).join("audio.ogg");
    fs::write(sound, "no sound").unwrap();
    site.script(&["-m", &id, "-f", "podcast"]).success();
    id
}

/// What quoted-printable and RFC 2047 hide is not looked at here: only what is plain ASCII.
fn id_of(letter: &str) -> String {
    let line = letter
        .lines()
        .find(|l| l.to_lowercase().starts_with("message-id:"));
    line.expect(letter).split_once(' ').unwrap().1.to_owned()
}

#[test]
fn one_letter_tells_of_many_and_a_restart_repeats_nothing() {
    let port = free_port();
    let mut site = Site::builder()
        .receiver_yml(&notify_mail(port, ", tls: none"))
        .start();
    // While no mail server is there, recordings go on, and it is seen.
    let bad: Vec<_> = (1..=3).map(|n| hold_damaged(&site, n)).collect();
    let good = site.hold(&Recording::tiny().seed(9));
    site.hook(["send"]).success();
    for id in &bad {
        site.wait_failed(id);
    }
    site.wait_done(&good);
    let status = |site: &Site| site.receiver(["status"]).stdout;
    eventually_or(
        "status tells of the mail server",
        LONG,
        || status(&site),
        || status(&site).contains("mail: FAILS since").then_some(()),
    );
    let check = site.receiver(["check"]);
    assert!(check.stdout.contains("FAIL notify.mail"), "{check:?}");
    assert!(metrics(&site).contains("bbb2pod_notify_failing{channel=\"mail\"} 1"));
    let tested = site.receiver(["notify", "test"]);
    assert_eq!(tested.code, Some(3), "{tested:?}");

    // It is lost neither with the service nor with the mail server.
    site.kill_receiver();
    let mail = MailServer::start(&site.path(""), port, &[]);
    site.start_receiver();
    let letter = mail.first(&site);
    for words in bad.iter().map(String::as_str).chain([
        "video@univ.example",
        "admin@univ.example",
        "Auto-Submitted: auto-generated",
        "bbb2pod-receiver recording list --state failed",
    ]) {
        assert!(
            letter.replace("=\n", "").contains(words),
            "{words}: {letter}"
        );
    }
    assert!(!letter.contains(&good), "{letter}");

    // What was told is not told again; what is new is told alone.
    site.kill_receiver();
    site.start_receiver();
    let new = hold_damaged(&site, 4);
    site.hook(["send"]).success();
    site.wait_failed(&new);
    let letters = eventually_or(
        "a second letter comes",
        LONG,
        || site.receiver_log(),
        || Some(mail.letters()).filter(|letters| letters.len() > 1),
    );
    assert_eq!(letters.len(), 2, "{letters:?}");
    let second = letters
        .iter()
        .find(|l| l.contains(&new))
        .expect("the new one");
    assert!(bad.iter().all(|id| !second.contains(id)), "{second}");
    assert_ne!(id_of(&letters[0]), id_of(&letters[1]));
    let said = status(&site);
    assert!(said.contains("mail: last message"), "{said}");
    site.receiver(["notify", "test"]).success();
    eventually("the test message comes", LONG, || {
        (mail.letters().len() == 3).then_some(())
    });
}

#[test]
fn mail_goes_over_tls_to_a_server_that_is_trusted() {
    let port = free_port();
    let yml = notify_mail(port, ", ca_file: CA");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, cert) = (file("key.pem"), file("cert.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]);
    openssl.args([
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        &key,
        "-out",
        &cert,
    ]);
    support::harness::Finished::of(&mut openssl).success();
    let site = Site::builder()
        .receiver_yml(&yml.replace("CA", &cert))
        .start();
    let mail = MailServer::start(
        &site.path(""),
        port,
        &["--tlscert", &cert, "--tlskey", &key],
    );
    site.receiver(["notify", "test"]).success();
    assert_eq!(mail.letters().len(), 1);

    let settings = fs::read_to_string(site.receiver_config()).unwrap();
    fs::write(
        site.receiver_config(),
        settings.replace(&format!(", ca_file: {cert}"), ""),
    )
    .unwrap();
    let refused = site.receiver(["notify", "test"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    assert_eq!(mail.letters().len(), 1, "nothing goes to a stranger");
}

/// What came with a message to prove who sent it, and the message.
type Taken = (Option<String>, Value);

/// A service that takes messages by HTTP, and says 503 until it is told not to.
struct Hook {
    address: String,
    bodies: Arc<Mutex<Vec<Taken>>>,
    is_up: Arc<Mutex<bool>>,
    _runtime: tokio::runtime::Runtime,
}

impl Hook {
    fn start() -> Hook {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let is_up = Arc::new(Mutex::new(false));
        let (kept, up) = (bodies.clone(), is_up.clone());
        let take = move |headers: axum::http::HeaderMap, axum::Json(body): axum::Json<Value>| {
            let token = headers
                .get("authorization")
                .map(|v| v.to_str().unwrap().to_owned());
            kept.lock().unwrap().push((token, body));
            let status = if *up.lock().unwrap() { 204 } else { 503 };
            async move { axum::http::StatusCode::from_u16(status).unwrap() }
        };
        let routes = axum::Router::new().route("/hooks/secret", axum::routing::post(take));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}/hooks/secret", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Hook {
            address,
            bodies,
            is_up,
            _runtime: runtime,
        }
    }

    fn bodies(&self) -> Vec<Taken> {
        self.bodies.lock().unwrap().clone()
    }
}

#[test]
fn a_webhook_gets_json_with_one_id_until_it_is_taken() {
    let hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "sesame\n").unwrap();
    let yml = format!(
        "notify:\n  interval: 1s\n  disk_free_below: 1000PiB\n  webhook: {{url: \"{}\", token_file: {}}}\n",
        hook.address,
        token.display()
    );
    let mut site = Site::builder().receiver_yml(&yml).start();
    let first = eventually("a message", LONG, || hook.bodies().into_iter().next());
    assert_eq!(first.0.as_deref(), Some("Bearer sesame"));
    let news = &first.1["news"][0];
    assert_eq!(
        (&news["kind"], &news["count"]),
        (&"disk".into(), &1.into()),
        "{first:?}"
    );
    assert!(
        first.1["text"]
            .as_str()
            .unwrap()
            .contains("1 disk fills up"),
        "{first:?}"
    );
    let log = eventually_or(
        "it is logged",
        LONG,
        || site.receiver_log(),
        || Some(site.receiver_log()).filter(|log| log.contains("people could not be told")),
    );
    assert!(
        !log.contains("hooks/secret"),
        "an address is often a secret: {log}"
    );

    *hook.is_up.lock().unwrap() = true;
    // The next try would come in a while; a restart keeps the wait, and the id.
    site.kill_receiver();
    site.start_receiver();
    let taken = eventually_or(
        "it is taken",
        LONG,
        || site.receiver_log(),
        || {
            let told = site.receiver(["notify", "show"]);
            (told.stdout.contains("webhook: last message")).then(|| hook.bodies())
        },
    );
    assert!(taken.len() >= 2);
    assert!(
        taken.iter().all(|(_, body)| body["id"] == first.1["id"]),
        "{taken:?}"
    );
    let told = site.receiver(["notify", "show"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("disk"), "{told:?}");
}

fn metrics(site: &Site) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sf", &format!("{}/metrics", site.address())]);
    support::harness::Finished::of(&mut curl).success()
}
