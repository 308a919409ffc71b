//! The receiver as systemd sees it: ready when it answers, alive while it works, ending when asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::harness::{Running, Site, program};

const LIMIT: Duration = Duration::from_secs(60);

/// The next message that says `word`, with all that it says besides.
fn heard(socket: &UnixDatagram, word: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect(word);
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.lines().any(|line| line == word) {
            return message;
        }
    }
}

fn serve(site: &Site, socket: &Path, log: &Path) -> Running {
    let mut command = Command::new(program("bbb2pod-receiver"));
    command
        .args(["serve", "--config"])
        .arg(site.receiver_config())
        .env("NOTIFY_SOCKET", socket)
        .env("WATCHDOG_USEC", "4500000");
    Running::start(&mut command, log)
}

#[test]
fn systemd_hears_that_it_is_ready_that_it_works_and_that_it_stops() {
    let mut site = Site::start();
    site.kill_receiver();
    let socket = site.path("notify");
    let ear = UnixDatagram::bind(&socket).unwrap();
    ear.set_read_timeout(Some(LIMIT)).unwrap();

    let receiver = serve(&site, &socket, &site.path("notified.log"));
    let ready = heard(&ear, "READY=1");
    let address = site.address().replace("http://", "");
    assert!(
        ready.contains(&format!("STATUS=listening on {address}")),
        "{ready}"
    );
    TcpStream::connect(&address).expect("it answers when it says so");
    // Once at the start, then because the pipeline has gone round.
    heard(&ear, "WATCHDOG=1");
    heard(&ear, "WATCHDOG=1");
    assert_eq!(receiver.terminate(LIMIT).code(), Some(0));
    heard(&ear, "STOPPING=1");
}
