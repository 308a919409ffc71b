//! What the tests of all destinations need.

use std::collections::BTreeMap;
use std::fs;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;

use futures::future::BoxFuture;
use recording::Digest;

use super::{Journal, Lecture, MediaFile, Origin};

/// A lecture whose media has this content.
pub(crate) fn lecture(directory: &Path, content: &[u8]) -> Lecture {
    let media = directory.join(format!("{}.mp4", Digest::of(content)));
    fs::write(&media, content).unwrap();
    Lecture {
        record_id: "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
            .parse()
            .unwrap(),
        title: Some("Algèbre linéaire".into()),
        started: Some("2019-04-02T18:45:49.920Z".parse().unwrap()),
        duration_ms: 12_000,
        media: Some(MediaFile {
            path: media,
            digest: Digest::of(content),
            bytes: content.len() as u64,
        }),
        source_digest: Digest::of(b"presentation"),
        playback: Some(
            "https://bbb1.univ.example/playback/presentation/2.0/playback.html?meetingId=183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
                .into(),
        ),
        owner: None,
        owner_why: None,
        to_create: vec![],
        additional_owners: Vec::new(),
        origin: Origin {
            node: Some("bbb1.univ.example".into()),
            format: "presentation".parse().unwrap(),
            meeting_id: Some("algebre-2019".into()),
            server_name: Some("moodle.univ.example".into()),
            state: Some("published".into()),
            published: true,
        },
        language: Some("fr".into()),
        meta: BTreeMap::new(),
        presentation: None,
    }
}

impl Lecture {
    /// The digest of its media.
    pub(crate) fn digest(&self) -> Digest {
        self.media.as_ref().unwrap().digest
    }
}

/// A journal in memory, in which every step is a point where a process can die.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<Option<serde_json::Value>>,
    saves_left: Mutex<Option<usize>>,
    others: Mutex<Vec<(&'static str, u64)>>,
}

impl Memory {
    /// Says that so many other recordings have something at a path.
    pub(crate) fn with_others(&self, path: &'static str, count: u64) {
        let mut others = self.others.lock().unwrap();
        others.retain(|(at, _)| *at != path);
        others.push((path, count));
    }

    /// Makes every save after the next `saves` fail.
    pub(crate) fn fail_after(&self, saves: usize) {
        *self.saves_left.lock().unwrap() = Some(saves);
    }
}

impl Journal for Memory {
    fn load(&self) -> BoxFuture<'_, anyhow::Result<Option<serde_json::Value>>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(self.kept.lock().unwrap().clone())
        })
    }

    fn others(&self, path: &'static str) -> BoxFuture<'_, anyhow::Result<u64>> {
        let others = self.others.lock().unwrap();
        let count = others.iter().filter(|(at, _)| *at == path);
        let count = count.map(|(_, n)| *n).sum();
        Box::pin(async move { Ok(count) })
    }

    fn save<'a>(&'a self, progress: &'a serde_json::Value) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if let Some(left) = self.saves_left.lock().unwrap().as_mut() {
                *left = left
                    .checked_sub(1)
                    .ok_or_else(|| anyhow::anyhow!("disk full"))?;
            }
            *self.kept.lock().unwrap() = Some(progress.clone());
            tokio::task::yield_now().await;
            Ok(())
        })
    }
}

/// Polls a future to its end, or drops it at the `point`-th time that it waits.
pub(crate) async fn abort_at<F: Future>(future: F, point: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut waits = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waits == point => Poll::Ready(None),
        Poll::Pending => {
            waits += 1;
            Poll::Pending
        }
    })
    .await
}
