//! A stand-in for an Esup-Pod site, as strict as the real one: what it refuses, how, and what it
//! does behind the client's back.
//!
//! [`StandInPod::start`] serves on a free loopback port from a thread of its own, so that tests
//! with and without an async runtime can use it. The handle seeds, inspects and breaks the site.
//! It knows nothing of the project's client: everything here is about Pod.

mod answer;
mod ask;
mod choices;
mod control;
mod controls;
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

use std::future::IntoFuture;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use controls::Controls;
pub use faults::{Fault, FaultKind, Outage};
pub use inspect::{Seen, StoredVideo};
pub use seed::{ADMIN_TOKEN, STAFF_TOKEN, STUDENT_TOKEN};
pub use settings::{Database, Encoder, Settings, Version};

use server::Shared;
use world::World;

/// A running stand-in, with its [`Controls`]. It stops when dropped.
#[derive(Debug)]
pub struct StandInPod {
    controls: Controls,
    port: u16,
    control_port: Option<u16>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // Held for its removal, after the thread's end.
    _scratch: tempfile::TempDir,
}

impl StandInPod {
    /// A 4.1.0 on MariaDB with the users `admin`, `staff1` and `student1`.
    pub fn start() -> StandInPod {
        StandInPod::start_with(Settings::default())
    }

    /// A site with other settings, and the same users.
    pub fn start_with(settings: Settings) -> StandInPod {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let (site, port) = listen(settings.port);
        let control = settings.control_port.map(listen);
        let control_port = control.as_ref().map(|(_, port)| *port);
        let mut world = World::new(settings, scratch.path());
        for folder in [&world.media_root, &world.recorder_root] {
            std::fs::create_dir_all(folder).expect("the stand-in's folders");
        }
        seed::first_steps(&mut world);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime for the stand-in");
        let shared = Shared::new(world, scratch.path().to_owned(), runtime.handle().clone());
        let controls = Controls {
            shared: Arc::new(shared),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = controls.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                if let Some((listener, _)) = control {
                    let router = control::router(serving.clone());
                    tokio::spawn(axum::serve(tokio_listener(listener), router).into_future());
                }
                tokio::select! {
                    never = server::serve(serving.shared, tokio_listener(site)) => match never {},
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        StandInPod {
            controls,
            port,
            control_port,
            stop: Some(stop),
            thread: Some(thread),
            _scratch: scratch,
        }
    }

    /// The address of the site, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of the controls over HTTP, when they were asked for.
    pub fn control_url(&self) -> Option<String> {
        let port = self.control_port?;
        Some(format!("http://127.0.0.1:{port}/_control"))
    }
}

impl std::ops::Deref for StandInPod {
    type Target = Controls;

    fn deref(&self) -> &Controls {
        &self.controls
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

fn listen(port: u16) -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port for the stand-in");
    listener
        .set_nonblocking(true)
        .expect("a listener for the runtime");
    let port = listener.local_addr().expect("the stand-in's port").port();
    (listener, port)
}

fn tokio_listener(listener: TcpListener) -> tokio::net::TcpListener {
    tokio::net::TcpListener::from_std(listener).expect("a listener in the runtime")
}
