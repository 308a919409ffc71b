//! Real processes on scratch folders: a sample node with its hook, a receiver, and ways to start,
//! watch and kill them. Nothing waits a fixed time; everything waits for a condition, with a
//! deadline that fails the test.

mod process;
mod site;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use process::{Finished, Running, program};
pub use site::{Delivery, Site, SiteBuilder};

/// Waits until `poll` gives something.
///
/// # Panics
/// Nothing came within `limit`.
pub fn eventually<T>(what: &str, limit: Duration, poll: impl FnMut() -> Option<T>) -> T {
    eventually_or(what, limit, String::new, poll)
}

/// Waits until `poll` gives something; `explain` says why it did not.
///
/// # Panics
/// Nothing came within `limit`.
pub fn eventually_or<T>(
    what: &str,
    limit: Duration,
    explain: impl Fn() -> String,
    mut poll: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "not within {limit:?}: {what}\n{}",
            explain()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("the address of a listener")
        .port()
}

/// The root of the source tree.
pub fn source_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the source tree")
        .to_owned()
}
