//! `send` with a good receiver, a bad one, a bad network and none at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use support::network::Network;
use support::peer::{Fault, Peer};
use support::{ID, Node, eventually, files, noise};

/// A node with one recording of so many bytes of media, published, for this peer.
fn published(receiver: &str, media: usize) -> Node {
    let node = Node::sending_to(receiver);
    node.recording(ID, "presentation", &noise(media, 1));
    node.events(ID);
    node.publish(ID);
    node
}

fn assert_archived_once(node: &Node, peer: &Peer) {
    let archived = peer.archived();
    assert_eq!(archived.len(), 1);
    let sent: Vec<_> = archived[0].2[1..].to_vec();
    let prefix = format!("presentation/{ID}/");
    let stripped: Vec<_> = sent
        .into_iter()
        .map(|(name, content)| (name.strip_prefix(&prefix).unwrap().to_owned(), content))
        .collect();
    let on_disk = files(&node.published_dir().join("presentation").join(ID));
    assert!(stripped == on_disk, "the archive differs from the node");
    assert!(node.jobs().is_empty());
    assert!(node.leftovers().is_empty());
}

#[test]
fn a_recording_arrives_with_its_moderators_and_leaves_the_outbox() {
    let peer = Peer::start();
    let node = published(&peer.url(), 300_000);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_archived_once(&node, &peer);
    let manifest = peer.manifest(0);
    assert_eq!(manifest.moderators[0].external_user_id, "ada-7");
    assert_eq!(manifest.node, "node-1");
    let done = node.done();
    assert_eq!(done[0]["outcome"], "archived");
    assert_eq!(done[0]["digest"], manifest.digest.to_string());
    let requests = peer.lock().requests.len();
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.lock().requests.len(), requests, "nothing left to ask");
}

#[test]
fn what_the_receiver_has_is_not_sent_again() {
    let peer = Peer::start();
    let node = published(&peer.url(), 300_000);
    assert_eq!(node.send().code, 0);
    let received = peer.lock().received;
    node.publish(ID);
    assert_eq!(node.jobs().len(), 1);
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.lock().received, received);
    assert_archived_once(&node, &peer);
}

#[test]
fn a_rebuilt_recording_is_sent_again_and_the_newest_wins() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    assert_eq!(node.send().code, 0);
    fs::remove_dir_all(node.published_dir().join("presentation").join(ID)).unwrap();
    node.recording(ID, "presentation", &noise(2000, 2));
    node.publish(ID);
    // Rebuilt once more before the second was sent: only the newest goes out.
    fs::remove_dir_all(node.published_dir().join("presentation").join(ID)).unwrap();
    node.recording(ID, "presentation", &noise(3000, 3));
    node.publish(ID);
    assert_eq!(node.jobs().len(), 2);
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_archived_once(&node, &peer);
    assert_eq!(peer.lock().packages.len(), 2);
    let mut outcomes: Vec<_> = node
        .done()
        .iter()
        .map(|d| d["outcome"].to_string())
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["\"archived\"", "\"archived\"", "\"superseded\""]);
}

#[test]
fn every_misbehaviour_of_a_receiver_is_survived() {
    let faults = [
        Fault::Status(500),
        Fault::Status(409),
        Fault::StatusAfter(502),
        Fault::Status(423),
        Fault::WrongOffset(-1000),
        Fault::WrongOffset(7),
        Fault::Checksum,
        Fault::Partial(100_000),
        Fault::Partial(0),
        Fault::Forget,
    ];
    for fault in faults {
        let peer = Peer::start();
        let node = published(&peer.url(), 9_000_000);
        peer.lock().faults.extend([None, Some(fault.clone())]);
        let ran = node.send();
        assert_eq!(ran.code, 0, "{fault:?}: {}", ran.err);
        assert_archived_once(&node, &peer);
    }
}

#[test]
fn connections_cut_at_any_byte_lose_nothing() {
    for seed in 0..5u64 {
        let peer = Peer::start();
        let budget = move |n| {
            let bytes = support::noise(8, seed * 100 + n);
            let random = u64::from_le_bytes(bytes.try_into().unwrap());
            // After fifteen connections the network is mended.
            (n < 15).then_some(random % 3_000_000)
        };
        let network = Network::to(peer.address, budget);
        let node = published(&network.url(), 12_000_000);
        let mut watching = node.watch();
        eventually("archived over a bad network", || node.jobs().is_empty());
        assert_eq!(watching.terminate(), Some(0));
        assert!(network.cuts.load(Ordering::SeqCst) > 0);
        assert_archived_once(&node, &peer);
    }
}

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() {
    for round in 0..6u64 {
        let peer = Peer::start();
        let node = published(&peer.url(), 40_000_000);
        let mut kills = 0;
        while !node.jobs().is_empty() && kills < 40 {
            let mut watching = node.watch();
            std::thread::sleep(Duration::from_millis(20 + (round * 13 + kills * 7) % 90));
            watching.kill();
            kills += 1;
        }
        let ran = node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_archived_once(&node, &peer);
        let uploads = peer.lock().requests.iter().filter(|r| *r == "POST").count();
        assert!(
            uploads <= 2,
            "an upload is continued, not begun anew: {uploads}"
        );
    }
}

#[test]
fn one_bad_recording_holds_up_no_other() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    let broken = node
        .outbox()
        .join(&node.jobs()[0])
        .join("content/presentation")
        .join(ID)
        .join("shapes.svg");
    fs::remove_file(&broken).unwrap();
    fs::write(&broken, [0xff; 10]).unwrap();
    // Not a name that a package can carry.
    let not_text = std::ffi::OsStr::from_bytes(b"\xff");
    use std::os::unix::ffi::OsStrExt;
    fs::write(broken.with_file_name(not_text), b"x").unwrap();
    for n in 0..5 {
        node.recording(&format!("other-{n}"), "video", b"good");
        node.publish(&format!("other-{n}"));
    }
    let ran = node.send();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(peer.archived().len(), 5);
    let status = node.status();
    assert_eq!(status["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(status["jobs"][0]["problem"]["cause"], "disk");
    let message = status["jobs"][0]["problem"]["message"].as_str().unwrap();
    assert!(message.contains("not UTF-8"), "{message}");
}

#[test]
fn a_rejected_package_is_packed_anew() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    peer.lock()
        .reject
        .push_back("member 3: digest differs".into());
    assert_eq!(node.send().code, 1);
    let status = node.status();
    let problem = &status["jobs"][0]["problem"];
    assert_eq!(problem["cause"], "rejected");
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("member 3: digest differs")
    );
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_archived_once(&node, &peer);
}

#[test]
fn without_a_confirmation_the_job_stays() {
    let peer = Peer::start();
    peer.lock().never_import = true;
    let node = published(&peer.url(), 1000);
    let ran = node.run(&["send", "--wait", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let status = node.status();
    assert_eq!(status["jobs"][0]["state"], "waiting_for_confirmation");
    let received = peer.lock().received;
    peer.lock().packages[0].status = "archived";
    assert_eq!(node.send().code, 0);
    assert_eq!(peer.lock().received, received, "delivered once");
}

#[test]
fn what_the_receiver_lost_is_sent_again() {
    let peer = Peer::start();
    peer.lock().never_import = true;
    let node = published(&peer.url(), 1000);
    node.run(&["send", "--wait", "0"]);
    {
        let mut inner = peer.lock();
        inner.packages.clear();
        inner.never_import = false;
    }
    let mut watching = node.watch();
    eventually("sent again", || node.jobs().is_empty());
    watching.terminate();
    assert_archived_once(&node, &peer);
}

#[test]
fn causes_are_told_apart() {
    let peer = Peer::start();
    let refusing = |status| {
        let peer = Peer::start();
        peer.lock()
            .creation_faults
            .extend([Fault::Status(status), Fault::Status(status)]);
        peer
    };
    let (large, full) = (refusing(413), refusing(507));
    let bad = refusing(404);
    let table = [
        (
            "http://127.0.0.1:9".to_owned(),
            "secret-token",
            "receiver-down",
            3,
            "127.0.0.1:9",
        ),
        (
            "http://no-such-host.invalid".to_owned(),
            "secret-token",
            "dns",
            3,
            "no-such-host.invalid",
        ),
        (
            peer.url().replace("http:", "https:"),
            "secret-token",
            "tls",
            3,
            "nobody speaks TLS",
        ),
        (peer.url(), "wrong", "token-refused", 2, "token"),
        (peer.url(), "two\nlines", "settings", 2, "http.token_file"),
        (
            large.url(),
            "secret-token",
            "too-large",
            1,
            "upload.max_size",
        ),
        (full.url(), "secret-token", "receiver-full", 1, "make room"),
        (bad.url(), "secret-token", "protocol", 1, "http.receiver"),
    ];
    for (url, token, cause, code, words) in table {
        let node = published(&url, 1000);
        fs::write(node.path("token"), token).unwrap();
        let ran = node.send();
        assert_eq!(ran.code, code, "{url}: {}", ran.err);
        let status = node.status();
        let problem = &status["jobs"][0]["problem"];
        assert_eq!(problem["cause"], cause, "{problem}");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert_eq!(node.run(&["status"]).code, 1);
        assert!(node.run(&["status"]).out.contains(words));
    }
}

#[test]
fn a_receiver_that_hangs_is_given_up_and_found_again() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    peer.lock().faults.push_back(Some(Fault::Hang));
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_archived_once(&node, &peer);
}

#[test]
fn a_receiver_that_comes_back_gets_everything_at_once() {
    let address = Peer::start().address;
    // Taken from a peer, so that the port is free again only as soon as nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    assert_ne!(free, address);
    let node = published(&format!("http://{free}"), 1000);
    for n in 0..5 {
        node.recording(&format!("other-{n}"), "video", b"good");
        node.publish(&format!("other-{n}"));
    }
    let mut watching = node.watch();
    eventually("all have failed once", || {
        let status = node.status();
        let jobs = status["jobs"].as_array().unwrap();
        jobs.iter().all(|j| j["attempts"].as_u64().unwrap() > 0)
    });
    let peer = Peer::start_at(&free.to_string());
    eventually("everything is archived", || peer.archived().len() == 6);
    watching.terminate();
}

#[test]
fn watching_takes_new_jobs_at_once_and_stops_cleanly() {
    let peer = Peer::start();
    let node = Node::sending_to(&peer.url());
    let mut watching = node.watch();
    std::thread::sleep(Duration::from_millis(300));
    node.recording(ID, "presentation", b"x");
    let begun = Instant::now();
    node.publish(ID);
    eventually("archived", || !peer.archived().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(node.run(&["send"]).code, 1, "one sender at a time");
    assert_eq!(watching.terminate(), Some(0));
}

#[test]
fn a_file_that_changes_under_the_upload_is_packed_anew() {
    let peer = Peer::start();
    let node = published(&peer.url(), 1000);
    // The manifest is made, then the file is written to in place through BBB's own name.
    peer.lock().creation_faults.push_back(Fault::Status(503));
    assert_eq!(node.send().code, 1);
    let media = node
        .published_dir()
        .join("presentation")
        .join(ID)
        .join("video/webcams.webm");
    fs::write(&media, noise(2000, 9)).unwrap();
    let ran = node.send();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        node.status()["jobs"][0]["problem"]["cause"],
        "files-changed"
    );
    let ran = node.send();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_archived_once(&node, &peer);
}
