//! A stand-in for an Esup-Pod site, as strict as the real one: what it refuses, how, and what it
//! does behind the client's back.
//!
//! [`StandInPod::start`] serves on a free loopback port from a thread of its own, so that tests
//! with and without an async runtime can use it. The handle seeds, inspects and breaks the site.
//! It knows nothing of the project's client: everything here is about Pod.

mod answer;
mod ask;
mod encoding;
mod faults;
mod input;
mod inspect;
mod lists;
mod messages;
mod recorder;
mod render;
mod resources;
mod route;
mod schema;
mod seed;
mod server;
mod settings;
mod text;
mod user_videos;
mod validate;
mod videos;
mod web;
mod world;
mod writes;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

pub use faults::{Fault, FaultKind, Outage};
pub use inspect::{Seen, StoredVideo};
pub use seed::{ADMIN_TOKEN, STAFF_TOKEN, STUDENT_TOKEN};
pub use settings::{Database, Encoder, Settings, Version};

use server::Shared;
use world::World;

/// A running stand-in. It stops when dropped.
#[derive(Debug)]
pub struct StandInPod {
    shared: Arc<Shared>,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    scratch: tempfile::TempDir,
}

impl StandInPod {
    /// A 4.1.0 on MariaDB with the users `admin`, `staff1` and `student1`.
    pub fn start() -> StandInPod {
        StandInPod::start_with(Settings::default())
    }

    /// A site with other settings, and the same users.
    pub fn start_with(settings: Settings) -> StandInPod {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))
            .expect("a port for the stand-in");
        listener
            .set_nonblocking(true)
            .expect("a listener for the runtime");
        let port = listener.local_addr().expect("the stand-in's port").port();
        let mut world = World::new(settings, scratch.path());
        for folder in [&world.media_root, &world.recorder_root] {
            std::fs::create_dir_all(folder).expect("the stand-in's folders");
        }
        seed::first_steps(&mut world);
        let shared = Arc::new(Shared::new(world, scratch.path().to_owned()));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime for the stand-in");
            runtime.block_on(async {
                let listener =
                    tokio::net::TcpListener::from_std(listener).expect("a listener in the runtime");
                tokio::select! {
                    never = server::serve(serving, listener) => match never {},
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        StandInPod {
            shared,
            port,
            stop: Some(stop),
            thread: Some(thread),
            scratch,
        }
    }

    /// The address of the site, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// DEFAULT_RECORDER_PATH, as this machine names it.
    pub fn recorder_root(&self) -> PathBuf {
        self.shared.world().recorder_root.clone()
    }

    /// The bytes of a file under the media folder.
    pub fn media(&self, path: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.scratch.path().join("media").join(path))
    }

    /// Orders a failure.
    pub fn fail(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Withdraws the failures not yet suffered.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// Takes the whole site away, or gives it back.
    pub fn outage(&self, outage: Outage) {
        self.shared.world().outage = outage;
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.world().requests.clone()
    }

    /// How many requests came with this method and exactly this path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.shared
            .world()
            .requests
            .iter()
            .filter(|seen| seen.method == method && seen.path == path)
            .count()
    }

    /// The greatest number of uploads of videos that were under way at one moment.
    pub fn uploads_at_once(&self) -> usize {
        self.shared.world().uploading_most
    }

    /// The videos of the site, oldest id first.
    pub fn videos(&self) -> Vec<StoredVideo> {
        inspect::videos(&self.shared.world())
    }

    /// The rows of a table, such as `chapters` or `users`, by the names the API gives them;
    /// links are ids.
    pub fn rows(&self, table: &str) -> Vec<(u64, serde_json::Map<String, serde_json::Value>)> {
        self.shared
            .world()
            .rows(table)
            .map(|(id, row)| (id, row.clone()))
            .collect()
    }

    /// How many mails the site sent to owners and administrators.
    pub fn mails(&self) -> usize {
        self.shared.world().mails.len()
    }
}

impl Drop for StandInPod {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens any more when the thread ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
