//! Being asked to stop: by a signal, by a window that closes, by something more urgent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Set once, when something is to stop at the next good moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    own: Arc<AtomicBool>,
    all: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.all.load(Ordering::Relaxed)
    }

    /// One for a part of the work, which stops with the whole or alone.
    pub(crate) fn part(&self) -> Stop {
        Stop {
            own: Arc::default(),
            all: self.own.clone(),
        }
    }

    /// One that SIGTERM and SIGINT set, for a command that does not wait for anything else.
    ///
    /// # Errors
    /// The system does not let signals be caught.
    pub(crate) fn on_signals() -> std::io::Result<Stop> {
        let stop = Stop::default();
        let told = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::new()?
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(signals.any());
                told.ask();
            })?;
        Ok(stop)
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// # Errors
    /// The system does not let them be caught.
    pub(crate) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when one of them comes.
    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
