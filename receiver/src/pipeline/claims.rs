//! Who works on what, so that nothing is done twice at once, and nobody's work waits for another's.
//!
//! Work at Pod is done in lanes, one for each tenant: each has a share of the queue of its own, and
//! so many jobs at the same time. A Pod that hangs holds up its own tenant alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Jobs of one lane that are queued or running.
const QUEUED: usize = 100;
/// Jobs of one lane that run at the same time. Destinations serialise what Pod needs serialised.
const AT_ONCE: usize = 4;

/// A kind of work that others do not wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Imports and conversions; their workers have limits of their own.
    Own,
    /// Decisions, which need nobody.
    Decisions,
    /// What is done at a tenant's Pod.
    Tenant(Option<String>),
}

/// What is claimed, by which lane.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Lane>,
    turns: HashMap<Lane, Arc<Semaphore>>,
}

impl Claims {
    /// Claims something for a job; `false` when a job has it already, or the lane is full.
    pub(super) fn claim(&self, key: &str, lane: Lane) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = || state.held.values().filter(|held| **held == lane).count();
        if state.held.contains_key(key) || lane != Lane::Own && queued() >= QUEUED {
            return false;
        }
        state.held.insert(key.to_owned(), lane);
        true
    }

    /// Lets go of something, however the job has ended.
    pub(super) fn release(&self, key: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.held.remove(key);
    }

    /// Waits until it is the turn of a job that has claimed this.
    pub(super) async fn turn(&self, key: &str) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = state.held.get(key)?.clone();
            let new = || Arc::new(Semaphore::new(AT_ONCE));
            state.turns.entry(lane).or_insert_with(new).clone()
        };
        // It is never closed.
        turns.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_that_hangs_holds_up_no_other() {
        let claims = Claims::default();
        let lane = |name: &str| Lane::Tenant(Some(name.to_owned()));
        for n in 0..QUEUED {
            assert!(claims.claim(&format!("a{n}"), lane("a")));
        }
        assert!(!claims.claim("a0", lane("a")), "a job has it already");
        assert!(!claims.claim("more", lane("a")), "the lane is full");
        let mut held = Vec::new();
        for n in 0..AT_ONCE {
            held.push(claims.turn(&format!("a{n}")).await);
        }
        let fifth = claims.turn("a4");
        let mut fifth = std::pin::pin!(fifth);
        assert!(futures::poll!(&mut fifth).is_pending());
        // Somebody else's turn comes at once.
        assert!(claims.claim("b", lane("b")));
        assert!(claims.turn("b").await.is_some());
        held.pop();
        assert!(fifth.await.is_some());
        claims.release("a0");
        assert!(claims.claim("more", lane("a")));
    }
}
