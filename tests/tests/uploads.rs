//! Uploads over real connections that break, hang, come twice or never end, a receiver that is
//! killed, and disks without room.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::harness::{Site, eventually};
use support::tus::{CHUNK, Client, answer_on, sha1_of};

const LONG: Duration = Duration::from_secs(30);

/// Bytes of which no two places look the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

/// The head of a PATCH that announces a body.
fn patch(client: &Client, path: &str, offset: u64, length: u64, more: (&str, &str)) -> Vec<u8> {
    let (offset, length) = (offset.to_string(), length.to_string());
    let headers = [
        ("Content-Type", CHUNK),
        ("Upload-Offset", offset.as_str()),
        ("Content-Length", length.as_str()),
        more,
    ];
    client.head("PATCH", path, &headers).into_bytes()
}

const NO_MORE: (&str, &str) = ("Upload-Checksum", "");

/// Waits until bytes of an upload have reached the disk.
fn begun(site: &Site, path: &str, bytes: u64) {
    let id = path.trim_start_matches("/files/");
    let part = site.path(&format!("receiver/spool/incoming/{id}.part"));
    eventually("the request has begun", LONG, || {
        let length = fs::metadata(&part).map_or(0, |part| part.len());
        (length >= bytes).then_some(())
    });
}

/// What was uploaded is no package, so import puts it aside: with every byte, without being asked.
fn put_aside(site: &Site, path: &str) -> Vec<u8> {
    let id = path.trim_start_matches("/files/");
    let aside = site.path(&format!("receiver/spool/rejected/upload~{id}.tar"));
    eventually("it is put aside", LONG, || {
        aside.exists().then(|| fs::read(&aside).unwrap())
    })
}

#[test]
fn what_came_before_a_broken_connection_is_kept_unless_it_had_a_digest() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes = pattern(100_000);
    let digest = sha1_of(&bytes);
    // At places of no particular meaning, and at the very ends.
    for cut in [0, 1, 511, 1000, 16_384, 65_536, 65_537, 99_999] {
        for (more, kept) in [(NO_MORE, cut), (("Upload-Checksum", digest.as_str()), 0)] {
            let path = client.create(100_000);
            let mut request = patch(&client, &path, 0, 100_000, more);
            request.extend_from_slice(&bytes[..cut]);
            let stream = client.send(&request);
            // All that was sent arrives before the end does.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let answer = answer_on(stream);
            assert!(answer.is_none_or(|a| a.status == 400), "cut at {cut}");
            eventually("the offset is where it broke", LONG, || {
                (client.offset(&path) == kept as u64).then_some(())
            });
            let rest = client.patch(&path, kept as u64, &bytes[kept..]);
            assert_eq!(rest.status, 204, "cut at {cut}: {rest:?}");
            if cut % 2 == 1 {
                assert!(put_aside(&site, &path) == bytes, "cut at {cut}");
            }
        }
    }
}

#[test]
fn of_two_requests_at_once_one_writes() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes = pattern(3_000_000);
    let path = client.create(bytes.len() as u64);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let patch = || client.patch(&path, 0, &bytes).status;
        let all: Vec<_> = (0..6).map(|_| scope.spawn(patch)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(204), count(409)), (1, 5), "{statuses:?}");
    assert!(put_aside(&site, &path) == bytes);
}

#[test]
fn a_retry_while_the_first_request_still_writes_adds_no_byte_twice() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes = pattern(2_000_000);
    let path = client.create(bytes.len() as u64);
    let mut request = patch(&client, &path, 0, bytes.len() as u64, NO_MORE);
    request.extend_from_slice(&bytes[..1_000_000]);
    let mut first = client.send(&request);
    begun(&site, &path, 1_000_000);
    // A proxy has given up on the first and repeats it, while the first goes on to come in.
    let (answer, written) = thread::scope(|scope| {
        let retry = scope.spawn(|| client.patch(&path, 0, &bytes));
        let trickle = scope.spawn(|| {
            let mut sent = 1_000_000;
            for piece in bytes[1_000_000..].chunks(100_000) {
                if first.write_all(piece).is_err() {
                    break;
                }
                sent += piece.len();
                // As slow as something that still moves; the receiver ends what does not.
                thread::sleep(Duration::from_millis(50));
            }
            (first, sent)
        });
        (retry.join().unwrap(), trickle.join().unwrap())
    });
    let (first, sent) = written;
    assert_eq!(sent, bytes.len(), "the first went on to its end");
    assert_eq!(answer_on(first).unwrap().status, 204);
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.number("upload-offset"), bytes.len() as u64);
    assert!(put_aside(&site, &path) == bytes, "every byte once");
}

#[test]
fn a_retry_takes_over_from_a_request_that_hangs() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(10);
    let mut request = patch(&client, &path, 0, 10, NO_MORE);
    request.extend_from_slice(b"abc");
    let hanging = client.send(&request);
    begun(&site, &path, 3);
    let retried = client.patch(&path, 0, b"abcdefghij");
    // What the hanging request had sent is committed first, so the retry learns the new offset.
    assert_eq!(retried.status, 409);
    assert_eq!(retried.number("upload-offset"), 3);
    assert_eq!(client.patch(&path, 3, b"defghij").status, 204);
    assert_eq!(answer_on(hanging).unwrap().status, 409);
    assert_eq!(put_aside(&site, &path), b"abcdefghij");

    // Who does not want it any more need not wait for it.
    let path = client.create(10);
    let hanging = client.send(&patch(&client, &path, 0, 10, NO_MORE));
    eventually("the request has begun", LONG, || {
        let begun = Instant::now();
        (client.ask("DELETE", &path, &[], b"").status == 204).then(|| begun.elapsed())
    });
    assert_eq!(client.ask("HEAD", &path, &[], b"").status, 404);
    drop(hanging);
}

#[test]
fn whoever_is_silent_or_slow_to_speak_is_hung_up_on() {
    let site = Site::builder()
        .receiver_yml("max_connections: 16\nupload: {stall_timeout: 1s, keep_free: 0B}\n")
        .start();
    let client = Client::of(&site);
    let path = client.create(10);
    let mut request = patch(&client, &path, 0, 10, NO_MORE);
    request.extend_from_slice(b"abc");
    let answer = answer_on(client.send(&request)).unwrap();
    assert_eq!(answer.status, 408, "{answer:?}");
    assert_eq!(client.offset(&path), 3, "what came is kept");

    // Every place taken by somebody who never says what he wants: others wait, and get their turn.
    let begun = Instant::now();
    let silent: Vec<TcpStream> = (0..16)
        .map(|_| client.send(b"GET / HTTP/1.1\r\nX:"))
        .collect();
    assert_eq!(client.offset(&path), 3);
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(silent);
}

#[test]
fn an_upload_goes_on_after_the_receiver_was_killed() {
    let mut site = Site::start();
    let client = Client::of(&site);
    let path = client.create(9);
    let part = {
        let headers = [
            ("Upload-Length", "3"),
            ("Upload-Concat", "partial"),
            ("Content-Type", CHUNK),
        ];
        client.ask("POST", "/files/", &headers, b"abc").location()
    };
    client.patch(&path, 0, b"abc");
    site.kill_receiver();
    site.start_receiver();
    assert_eq!(client.offset(&path), 3);
    assert_eq!(client.patch(&path, 3, b"defghi").status, 204);
    assert_eq!(put_aside(&site, &path), b"abcdefghi");
    let concat = format!("final;{part} {part}");
    let whole = client.ask("POST", "/files/", &[("Upload-Concat", &concat)], b"");
    assert_eq!(put_aside(&site, &whole.location()), b"abcabc");
}

#[test]
fn whoever_hangs_up_after_the_last_byte_has_delivered() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes = pattern(3_000_000);
    for _ in 0..5 {
        let path = client.create(bytes.len() as u64);
        let mut request = patch(&client, &path, 0, bytes.len() as u64, NO_MORE);
        request.extend_from_slice(&bytes);
        drop(client.send(&request));
        assert!(put_aside(&site, &path) == bytes);
    }
}

#[test]
fn no_room_is_507_and_can_be_seen() {
    let site = Site::builder()
        .receiver_yml("upload: {keep_free: 1000TiB}\n")
        .start();
    let client = Client::of(&site);
    for (name, value) in [("Upload-Length", "10"), ("Upload-Defer-Length", "1")] {
        let refused = client.ask("POST", "/files/", &[(name, value)], b"");
        assert_eq!(refused.status, 507, "{refused:?}");
    }
    let incoming = fs::read_dir(site.path("receiver/spool/incoming")).unwrap();
    assert_eq!(incoming.count(), 0, "nothing is made");
    let status = site.receiver(["status"]);
    assert_eq!(status.code, Some(1), "somebody has to act: {status:?}");
    assert!(status.stdout.contains("507"), "{status:?}");
    let status = site.receiver(["status", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["spool"]["takes_uploads"], false, "{status}");
}

#[test]
fn expired_uploads_are_gone() {
    let site = Site::builder()
        .receiver_yml("upload: {expire_after: 1s, keep_free: 0B}\n")
        .start();
    let client = Client::of(&site);
    let path = client.create(10);
    eventually("it expires", LONG, || {
        let status = client.ask("HEAD", &path, &[], b"").status;
        assert!([200, 404].contains(&status));
        (status == 404).then_some(())
    });
    assert_eq!(client.patch(&path, 0, b"abc").status, 404);
}
