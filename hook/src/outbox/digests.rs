//! Which content a state of a published folder has, so that nothing unchanged is read twice.
//!
//! A line of `.digests` is a key made of format, record id and fingerprint, and the content's
//! digest. It is only a memory: a line that is lost costs reading a recording once more.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use recording::digest::Digest;
use recording::{PlaybackFormat, RecordId};
use tracing::debug;

use super::{Done, Outbox, like_outbox};

const FILE: &str = ".digests";

/// The digests known, by published folder and fingerprint.
#[derive(Debug)]
pub(crate) struct Digests {
    path: PathBuf,
    known: HashMap<Digest, Digest>,
}

impl Digests {
    /// Those of an outbox. A file that cannot be read is as good as an empty one.
    pub(crate) fn of(outbox: &Outbox) -> Digests {
        let path = outbox.dir().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let pair = |line: &str| {
            let (key, digest) = line.split_once(' ')?;
            Some((key.parse().ok()?, digest.parse().ok()?))
        };
        Digests {
            path,
            known: text.lines().filter_map(pair).collect(),
        }
    }

    /// Together with what was confirmed: the sender has read that.
    pub(crate) fn and_sent<'a>(mut self, done: impl IntoIterator<Item = &'a Done>) -> Digests {
        for done in done {
            if let Some(digest) = done.digest {
                let key = key(&done.record_id, &done.format, &done.fingerprint);
                self.known.entry(key).or_insert(digest);
            }
        }
        self
    }

    /// The content of this state of a folder, when it was taken before.
    pub(crate) fn get(
        &self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        fingerprint: &Digest,
    ) -> Option<Digest> {
        self.known
            .get(&key(record_id, format, fingerprint))
            .copied()
    }

    /// Remembers a content.
    pub(crate) fn add(
        &mut self,
        record_id: &RecordId,
        format: &PlaybackFormat,
        fingerprint: &Digest,
        digest: Digest,
    ) {
        let key = key(record_id, format, fingerprint);
        if self.known.insert(key, digest) == Some(digest) {
            return;
        }
        if let Err(e) = self.append(&format!("{key} {digest}\n")) {
            debug!(path = %self.path.display(), error = %e, "a digest cannot be kept");
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let mut file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(&self.path)?;
        like_outbox(&self.path)?;
        // After a power cut the last line may be half; it must not spoil the next.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let text = if last == [b'\n'] {
            line.to_owned()
        } else {
            format!("\n{line}")
        };
        file.write_all(text.as_bytes())
    }
}

fn key(record_id: &RecordId, format: &PlaybackFormat, fingerprint: &Digest) -> Digest {
    Digest::of(format!("{format}/{record_id}/{fingerprint}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_over_a_torn_line_and_told_apart_by_folder() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        let (a, b): (RecordId, RecordId) = ("a-1".parse().unwrap(), "b-1".parse().unwrap());
        let video: PlaybackFormat = "video".parse().unwrap();
        let (print, content) = (Digest::of(b"print"), Digest::of(b"content"));
        Digests::of(&outbox).add(&a, &video, &print, content);
        let path = dir.path().join(FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("0123 torn");
        std::fs::write(&path, text).unwrap();
        Digests::of(&outbox).add(&b, &video, &print, Digest::of(b"other"));
        let digests = Digests::of(&outbox);
        assert_eq!(digests.get(&a, &video, &print), Some(content));
        assert_eq!(digests.get(&b, &video, &print), Some(Digest::of(b"other")));
        assert_eq!(digests.get(&a, &video, &Digest::of(b"x")), None);
        assert_eq!(digests.known.len(), 2);
    }
}
