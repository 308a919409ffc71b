//! Whatever happens to a recording and to the hook, in whatever order: in the end the receiver has
//! the last content, once, and nothing temporary is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use support::peer::{Fault, Peer};
use support::{ID, Node, files, noise};

/// Something that happens on a node.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// BBB makes the recording anew and calls the hook.
    Rebuild,
    /// BBB makes it anew, and the call is lost.
    RebuildUnheard,
    /// BBB calls the hook again for the same content.
    Replay,
    /// `backfill`, once more.
    Backfill,
    /// `sweep`.
    Sweep,
    /// `send`, once.
    Send,
    /// `send`, killed after so many milliseconds.
    Killed(u64),
    /// Two `send` at once.
    Two,
    /// The receiver fails at the next request.
    Fault(u8),
    /// The clock jumps: what waits was noted in the future.
    ClockSetBack,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Rebuild),
        1 => Just(Event::RebuildUnheard),
        2 => Just(Event::Replay),
        1 => Just(Event::Backfill),
        1 => Just(Event::Sweep),
        2 => Just(Event::Send),
        3 => (1..60u64).prop_map(Event::Killed),
        1 => Just(Event::Two),
        2 => (0..5u8).prop_map(Event::Fault),
        1 => Just(Event::ClockSetBack),
    ]
}

struct History {
    node: Node,
    peer: Peer,
    version: u64,
}

impl History {
    fn begin() -> History {
        let peer = Peer::start();
        let node = Node::sending_to(&peer.url());
        node.add_settings("sweep: {settled_for: 0s}");
        let mut history = History {
            node,
            peer,
            version: 0,
        };
        history.rebuild();
        history
    }

    fn rebuild(&mut self) {
        self.version += 1;
        let folder = self.node.published_dir().join("presentation").join(ID);
        let _ = fs::remove_dir_all(&folder);
        // Some contents come back later on.
        let seed = self.version % 3;
        self.node
            .recording(ID, "presentation", &noise(300_000, seed));
    }

    fn happens(&mut self, event: Event) {
        let node = &self.node;
        match event {
            Event::Rebuild => {
                self.rebuild();
                self.node.publish(ID);
            }
            Event::RebuildUnheard => self.rebuild(),
            Event::Replay => node.publish(ID),
            Event::Backfill => assert_eq!(node.run(&["backfill"]).code, 0),
            Event::Sweep => assert_eq!(node.run(&["sweep"]).code, 0),
            Event::Send => drop(node.run(&["send", "--wait", "1"])),
            Event::Killed(after) => {
                let mut watching = node.watch();
                std::thread::sleep(Duration::from_millis(after));
                watching.kill();
            }
            Event::Two => {
                let mut other = node
                    .hook()
                    .args(["send", "--wait", "1"])
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                node.run(&["send", "--wait", "1"]);
                other.wait().unwrap();
            }
            Event::Fault(which) => {
                let fault = match which {
                    0 => Fault::Status(500),
                    1 => Fault::StatusAfter(502),
                    2 => Fault::Forget,
                    3 => Fault::Checksum,
                    _ => Fault::Partial(1000),
                };
                self.peer.lock().faults.push_back(Some(fault));
            }
            Event::ClockSetBack => {
                for job in node.jobs() {
                    let path = node.outbox().join(job).join("job.json");
                    let mut job: serde_json::Value =
                        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                    job["course"]["next_try"] = "2999-01-01T00:00:00Z".into();
                    fs::write(path, job.to_string()).unwrap();
                }
            }
        }
    }

    /// The last content is handed over once more, undisturbed.
    fn ends(&self) {
        self.peer.lock().faults.clear();
        self.node.publish(ID);
        let ran = self.node.send();
        assert_eq!(ran.code, 0, "{}", ran.err);
        let archived = self.peer.archived();
        assert_eq!(archived.len(), 1, "one content counts");
        let prefix = format!("presentation/{ID}/");
        let there: Vec<_> = archived[0].2[1..]
            .iter()
            .map(|(name, bytes)| {
                (
                    name.strip_prefix(&prefix).unwrap().to_owned(),
                    bytes.clone(),
                )
            })
            .collect();
        let here = files(&self.node.published_dir().join("presentation").join(ID));
        assert!(
            there == here,
            "the receiver has another content than the node"
        );
        assert!(self.node.jobs().is_empty(), "{:?}", self.node.jobs());
        assert!(self.node.leftovers().is_empty());
        let reconciled = self.node.run(&["reconcile"]);
        assert_eq!(reconciled.code, 0, "{}", reconciled.out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(24),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(4),
        max_shrink_iters: 40,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_ends_with_the_last_content_delivered_once(
        events in proptest::collection::vec(event(), 1..10),
    ) {
        let mut history = History::begin();
        for event in events {
            history.happens(event);
        }
        history.ends();
    }
}
