//! One sender per outbox: a lock that the system releases when its holder dies.

use std::fs::{File, OpenOptions};
use std::io;

use rustix::fs::FlockOperation;

use super::Outbox;

/// Held by the one sender of an outbox.
#[derive(Debug)]
pub(crate) struct SenderLock {
    _file: File,
}

impl SenderLock {
    /// Takes the lock; `None` when another sender holds it.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub(crate) fn take(outbox: &Outbox) -> io::Result<Option<SenderLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(outbox.dir().join(".sender.lock"))?;
        // `status` holds a shared lock for the instant in which it asks; that is no sender.
        for _ in 0..5 {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(SenderLock { _file: file })),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }

    /// Whether a sender is at work on an outbox.
    pub(crate) fn is_held(outbox: &Outbox) -> bool {
        let Ok(file) = File::open(outbox.dir().join(".sender.lock")) else {
            return false;
        };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
    }
}
