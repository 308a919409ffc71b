//! Reads a package ahead of the network: while one chunk is on its way, a thread reads and hashes
//! the next into the other buffer, so memory stays at two chunks however long the package is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;

use bytes::{Bytes, BytesMut};
use recording::Package;
use recording::digest::Digest;
use recording::package::PackageError;
use tokio::sync::mpsc;

/// Largest chunk, in bytes.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;
/// Smallest chunk, on the slowest links.
pub(super) const SMALLEST: usize = 256 * 1024;
/// Buffers in use: one on its way, one being filled.
const BUFFERS: usize = 2;

/// Consecutive bytes of a package.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
    pub(super) sha256: Digest,
}

impl Chunk {
    /// The byte after the last.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// What of the chunk is left from a byte on, when that lies within.
    pub(super) fn from(&self, offset: u64) -> Option<Chunk> {
        let skip = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        if skip == 0 {
            return Some(self.clone());
        }
        if skip >= self.bytes.len() {
            return None;
        }
        let bytes = self.bytes.slice(skip..);
        Some(Chunk {
            offset,
            sha256: Digest::of(&bytes),
            bytes,
        })
    }
}

/// The chunks of a package from some byte on, read ahead.
#[derive(Debug)]
pub(super) struct Chunks {
    ready: mpsc::Receiver<Result<Chunk, PackageError>>,
    empty: blocking::Sender<BytesMut>,
    size: Arc<AtomicUsize>,
}

impl Chunks {
    /// Starts reading at a byte; the thread ends with the package, or when this is dropped.
    pub(super) fn read(package: Arc<Package>, offset: u64, size: usize) -> Chunks {
        let (filled, ready) = mpsc::channel(BUFFERS);
        let (empty, take) = blocking::channel();
        for _ in 0..BUFFERS {
            // The receiving end lives in this very function still.
            let _ = empty.send(BytesMut::new());
        }
        let size = Arc::new(AtomicUsize::new(size));
        let wanted = size.clone();
        tokio::task::spawn_blocking(move || {
            let mut reader = package.reader(offset);
            while let Ok(buffer) = take.recv() {
                let start = reader.position();
                let chunk = fill(&mut reader, buffer, wanted.load(Ordering::Relaxed));
                if chunk.as_ref().is_ok_and(Bytes::is_empty) {
                    return;
                }
                let failed = chunk.is_err();
                let chunk = chunk.map(|bytes| Chunk {
                    offset: start,
                    sha256: Digest::of(&bytes),
                    bytes,
                });
                if filled.blocking_send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        Chunks { ready, empty, size }
    }

    /// The next chunk; `None` at the end of the package.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, PackageError>> {
        self.ready.recv().await
    }

    /// Gives a chunk's buffer back for the next one.
    pub(super) fn done(&self, chunk: Chunk) {
        // The network library may hold the bytes for a moment longer; then a new buffer is made.
        let buffer = chunk.bytes.try_into_mut().unwrap_or_default();
        let _ = self.empty.send(buffer);
    }

    /// How large the chunks are that are not being read yet.
    pub(super) fn resize(&self, size: usize) {
        self.size.store(size, Ordering::Relaxed);
    }
}

fn fill(
    reader: &mut recording::package::PackageReader<'_>,
    mut buffer: BytesMut,
    size: usize,
) -> Result<Bytes, PackageError> {
    buffer.resize(size, 0);
    let mut filled = 0;
    while filled < size {
        match reader.fill(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    buffer.truncate(filled);
    Ok(buffer.freeze())
}

/// The size of the next chunk: about five seconds of what the link carries, so that a proxy's
/// timeout is never reached and a broken connection costs little.
pub(super) fn adapted(sent: usize, seconds: f64, current: usize) -> usize {
    const SECONDS: f64 = 5.0;
    let fits = sent as f64 / seconds.max(0.001) * SECONDS;
    // Saturates; the sign and the fraction do not matter here.
    let fits = fits as usize;
    let step = fits.min(current.saturating_mul(2));
    (step / SMALLEST * SMALLEST).clamp(SMALLEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_the_link() {
        const MIB: usize = 1024 * 1024;
        assert_eq!(adapted(4 * MIB, 0.01, 4 * MIB), LARGEST);
        assert_eq!(adapted(MIB, 0.01, MIB), 2 * MIB, "grows by doubling");
        assert_eq!(adapted(4 * MIB, 40.0, 4 * MIB), 2 * SMALLEST);
        assert_eq!(adapted(4 * MIB, 4000.0, 4 * MIB), SMALLEST);
    }

    #[test]
    fn the_rest_of_a_chunk() {
        let chunk = Chunk {
            offset: 10,
            bytes: Bytes::from_static(b"abcdef"),
            sha256: Digest::of(b"abcdef"),
        };
        let rest = chunk.from(12).unwrap();
        assert_eq!(
            (rest.offset, rest.end(), &rest.bytes[..]),
            (12, 16, &b"cdef"[..])
        );
        assert_eq!(rest.sha256, Digest::of(b"cdef"));
        assert!(chunk.from(9).is_none());
        assert!(chunk.from(16).is_none());
    }
}
