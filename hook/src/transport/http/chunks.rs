//! What is sent in one request: a range of the package and, where that is wanted, its checksum.
//!
//! A checksum stands before the bytes, so a range is read twice: a thread hashes the next one
//! while the present one is on its way, and what is sent is read again, piece by piece, from the
//! system's page cache. So memory does not depend on the size of a range, and ranges can be large
//! enough for a receiver that syncs its disk after each.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use recording::Package;
use recording::digest::Hasher;
use recording::package::{PackageError, PackageReader};
use tokio::sync::mpsc;

use super::pace::Pace;

/// Largest chunk, in bytes.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;
/// Smallest chunk, on the slowest links, and what sizes are multiples of.
pub(super) const SMALLEST: u64 = 256 * 1024;
/// Bytes read at a time: small enough for the allocator to use the same memory again and again.
const PIECE: usize = 64 * 1024;

/// How damage on the way is noticed. CRC-32 costs next to nothing; whether a package is what it
/// should be is decided by the SHA-256 of every file, which the receiver takes at import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Sha256,
}

impl Algorithm {
    /// The better one of those that a receiver names in `Tus-Checksum-Algorithm`.
    pub(super) fn among(names: &str) -> Option<Algorithm> {
        let has = |wanted: &str| names.split(',').any(|name| name.trim() == wanted);
        if has("crc32") {
            Some(Algorithm::Crc32)
        } else {
            has("sha256").then_some(Algorithm::Sha256)
        }
    }
}

/// A checksum in the making.
enum Summing {
    Crc32(crc32fast::Hasher),
    Sha256(Hasher),
}

impl Summing {
    fn of(algorithm: Algorithm) -> Summing {
        match algorithm {
            Algorithm::Crc32 => Summing::Crc32(crc32fast::Hasher::new()),
            Algorithm::Sha256 => Summing::Sha256(Hasher::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Summing::Crc32(hasher) => hasher.update(bytes),
            Summing::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// What `Upload-Checksum` says.
    fn finish(self) -> String {
        match self {
            Summing::Crc32(hasher) => {
                format!("crc32 {}", BASE64.encode(hasher.finalize().to_be_bytes()))
            }
            Summing::Sha256(hasher) => {
                format!("sha256 {}", BASE64.encode(hasher.finish().as_bytes()))
            }
        }
    }
}

/// Consecutive bytes of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// What `Upload-Checksum` is to say.
    pub(super) checksum: Option<String>,
}

impl Chunk {
    /// The byte after the last.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// The chunks of a package from some byte on, each hashed, if at all, while the one before is sent.
#[derive(Debug)]
pub(super) struct Chunks {
    ready: mpsc::Receiver<Result<Chunk, PackageError>>,
    size: Arc<AtomicU64>,
}

impl Chunks {
    /// Starts at a byte, hashing or not; the thread ends with the package, or when this is dropped.
    pub(super) fn read(
        package: Arc<Package>,
        offset: u64,
        size: u64,
        algorithm: Option<Algorithm>,
    ) -> Chunks {
        let (hashed, ready) = mpsc::channel(1);
        let size = Arc::new(AtomicU64::new(size));
        let wanted = size.clone();
        tokio::task::spawn_blocking(move || {
            // The receiver holds every file against the manifest; once is enough.
            let mut reader = package.reader(offset).without_digests();
            let mut buffer = vec![0; PIECE];
            let mut start = offset;
            loop {
                let size = wanted.load(Ordering::Relaxed);
                let chunk = match algorithm {
                    Some(algorithm) => hash(&mut reader, size, &mut buffer, algorithm),
                    None => Ok(Chunk {
                        offset: start,
                        length: size.min(package.length().saturating_sub(start)),
                        checksum: None,
                    }),
                };
                start = chunk.as_ref().map_or(start, Chunk::end);
                if matches!(chunk, Ok(Chunk { length: 0, .. })) {
                    return;
                }
                let failed = chunk.is_err();
                if hashed.blocking_send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        Chunks { ready, size }
    }

    /// The next chunk; `None` at the end of the package.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, PackageError>> {
        self.ready.recv().await
    }

    /// How large the chunks are that are not being hashed yet.
    pub(super) fn resize(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
    }
}

fn hash(
    reader: &mut PackageReader<&Package>,
    size: u64,
    buffer: &mut [u8],
    algorithm: Algorithm,
) -> Result<Chunk, PackageError> {
    let offset = reader.position();
    let mut sum = Summing::of(algorithm);
    while reader.position() - offset < size {
        let left = size - (reader.position() - offset);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match reader.fill(&mut buffer[..want])? {
            0 => break,
            n => sum.update(&buffer[..n]),
        }
    }
    Ok(Chunk {
        offset,
        length: reader.position() - offset,
        checksum: Some(sum.finish()),
    })
}

/// The bytes of a chunk, piece by piece; `moved` is called whenever the connection takes one.
pub(super) fn body(
    package: Arc<Package>,
    chunk: &Chunk,
    pace: Option<Arc<Pace>>,
    moved: impl Fn() + Send + 'static,
) -> reqwest::Body {
    let mut reader = PackageReader::new(package, chunk.offset).without_digests();
    let end = chunk.end();
    let pieces = std::iter::from_fn(move || {
        moved();
        let left = end - reader.position();
        if left == 0 {
            return None;
        }
        Some(piece(&mut reader, left))
    });
    let pieces = futures::stream::iter(pieces);
    let Some(pace) = pace else {
        return reqwest::Body::wrap_stream(pieces);
    };
    reqwest::Body::wrap_stream(pieces.then(move |piece: io::Result<Bytes>| {
        let length = piece.as_ref().map_or(0, |p| p.len() as u64);
        let wait = pace.wait(length, std::time::Instant::now());
        async move {
            tokio::time::sleep(wait).await;
            piece
        }
    }))
}

fn piece(reader: &mut PackageReader<Arc<Package>>, left: u64) -> io::Result<Bytes> {
    let want = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
    let mut buffer = BytesMut::zeroed(want);
    let mut filled = 0;
    while filled < want {
        match reader
            .fill(&mut buffer[filled..])
            .map_err(io::Error::other)?
        {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(buffer.freeze())
}

/// The size of the next chunk: about five seconds of what the link carries, so that a proxy's
/// timeout is never reached and a broken connection costs little.
pub(super) fn adapted(sent: u64, seconds: f64, current: u64) -> u64 {
    const SECONDS: f64 = 5.0;
    // Saturates; neither sign nor fraction matter here.
    let fits = (sent as f64 / seconds.max(0.001) * SECONDS) as u64;
    let step = fits.min(current.saturating_mul(2));
    (step / SMALLEST * SMALLEST).clamp(SMALLEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_checksum_that_both_know() {
        for (names, wanted) in [
            ("sha1,sha256,crc32", Some(Algorithm::Crc32)),
            ("sha1, sha256", Some(Algorithm::Sha256)),
            ("sha1,md5", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::among(names), wanted, "{names}");
        }
        let mut sum = Summing::of(Algorithm::Crc32);
        sum.update(b"hello");
        assert_eq!(sum.finish(), "crc32 NhCmhg==");
    }

    #[test]
    fn chunks_follow_the_link() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(adapted(48 * MIB, 0.01, 48 * MIB), LARGEST);
        assert_eq!(adapted(MIB, 0.01, MIB), 2 * MIB, "grows by doubling");
        assert_eq!(adapted(4 * MIB, 40.0, 4 * MIB), 2 * SMALLEST);
        assert_eq!(adapted(4 * MIB, 4000.0, 4 * MIB), SMALLEST);
    }
}
