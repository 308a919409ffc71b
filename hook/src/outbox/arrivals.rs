//! Being woken when a job appears in the outbox, so that an idle sender need not look all the time.

use std::io;
use std::path::Path;

use futures::StreamExt as _;
use inotify::{EventStream, Inotify, WatchMask};

/// Tells when something in a folder appears or leaves.
pub(crate) struct Arrivals(EventStream<[u8; 4096]>);

impl Arrivals {
    /// Watches from now on.
    ///
    /// # Errors
    /// The system's number of watches is used up; whoever waits has to look by itself then.
    pub(crate) fn in_folder(dir: &Path) -> io::Result<Arrivals> {
        let inotify = Inotify::init()?;
        let what = WatchMask::CREATE | WatchMask::DELETE | WatchMask::MOVE | WatchMask::ONLYDIR;
        inotify.watches().add(dir, what)?;
        Ok(Arrivals(inotify.into_event_stream([0; 4096])?))
    }

    /// Waits for the next change. What changed is not told: it is looked at anyway.
    ///
    /// # Errors
    /// The watch cannot be read.
    pub(crate) async fn next(&mut self) -> io::Result<()> {
        match self.0.next().await {
            Some(event) => event.map(drop),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_renamed_into_the_folder_wakes() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = dir.path().join("outbox");
        std::fs::create_dir(&outbox).unwrap();
        std::fs::create_dir(dir.path().join("job")).unwrap();
        let mut arrivals = Arrivals::in_folder(&outbox).unwrap();
        let too_early = tokio::time::timeout(std::time::Duration::ZERO, arrivals.next()).await;
        assert!(too_early.is_err());
        std::fs::rename(dir.path().join("job"), outbox.join("job")).unwrap();
        arrivals.next().await.unwrap();
        assert!(Arrivals::in_folder(&dir.path().join("gone")).is_err());
    }
}
