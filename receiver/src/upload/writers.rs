//! One writer per upload: whoever wants to change an upload waits for whoever does so already.
//!
//! A request on which nothing comes is ended by the next one for the same upload, so that a retry
//! after a dead connection neither waits for ever nor writes anything twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::{Notify, OwnedMutexGuard};

use super::failure::{Failure, refuse};

/// A second request for the same upload ends the first when nothing has come on it for this long.
const STALLED: Duration = Duration::from_secs(5);
/// Longest time that a request waits for another one that goes on.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Who is changing which upload.
#[derive(Default)]
pub(super) struct Writers(Mutex<HashMap<String, Arc<Turn>>>);

/// Whose turn it is with one upload.
#[derive(Default)]
pub(super) struct Turn {
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// Milliseconds since the first use of the clock, when the last byte came.
    progress: AtomicU64,
    give_way: Notify,
}

impl Writers {
    /// The turns of an upload.
    pub(super) fn of(&self, id: &str) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(id.to_owned()).or_default().clone()
    }
}

impl Turn {
    /// Waits for the turn. Whoever has it keeps it as long as it goes on, unless this is `urgent`.
    ///
    /// # Errors
    /// 423: somebody else's request goes on and on.
    pub(super) async fn take(&self, urgent: bool) -> Result<OwnedMutexGuard<()>, Failure> {
        let asked = Instant::now();
        loop {
            if urgent {
                self.end_the_present_one();
            }
            let waited =
                tokio::time::timeout(Duration::from_secs(1), self.mutex.clone().lock_owned());
            if let Ok(guard) = waited.await {
                self.went_on();
                return Ok(guard);
            }
            let idle = elapsed_ms().saturating_sub(self.progress.load(Ordering::Relaxed));
            if Duration::from_millis(idle) >= STALLED {
                self.end_the_present_one();
            }
            if asked.elapsed() >= LONGEST_WAIT {
                return Err(refuse(
                    StatusCode::LOCKED,
                    "another request is adding to this upload; ask for the offset later",
                ));
            }
        }
    }

    /// Waits for the turn for however long it takes.
    pub(super) async fn take_patiently(&self) -> OwnedMutexGuard<()> {
        let guard = self.mutex.clone().lock_owned().await;
        self.went_on();
        guard
    }

    /// Notes that something came.
    pub(super) fn went_on(&self) {
        self.progress.store(elapsed_ms(), Ordering::Relaxed);
    }

    /// Asks the request that has the turn to commit what came and to end.
    fn end_the_present_one(&self) {
        self.give_way.notify_waiters();
    }

    /// Completes when the request that has the turn is asked to end.
    pub(super) async fn is_to_end(&self) {
        self.give_way.notified().await;
    }
}

/// Milliseconds since the first call: a clock that never goes back.
fn elapsed_ms() -> u64 {
    static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(STARTED.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
