//! The package: one recording in one playback format as a tar that exists nowhere.
//!
//! Header blocks are computed, file content is read in place, so any range of bytes can be
//! produced at any time without a temporary file: that is what lets an upload go on at any byte
//! after a restart. The layout follows from the manifest alone, so the same manifest always gives
//! the same bytes. [`gather`] makes the manifest of a folder, [`layout`] says which byte is what.

mod gather;
mod layout;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Deref;
use std::path::{Path, PathBuf};

pub use gather::{About, GatherError, gather};
use jiff::Timestamp;
use layout::{Layout, Piece};

use crate::digest::{Digest, Hasher};
use crate::manifest::{FileEntry, Manifest};

/// A virtual tar.
#[derive(Debug)]
pub struct Package {
    /// The folder that holds `<format>/<record id>/`.
    root: PathBuf,
    manifest: Manifest,
    layout: Layout,
}

/// Why the bytes of a package cannot be produced.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file is no longer what it was when its digest was taken.
    #[error("{}: changed while it was being read ({what}); it will be packed again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What about it changed.
        what: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of files cannot be laid out as a tar.
    #[error("cannot make a tar: {0}")]
    Layout(String),
}

impl Package {
    /// The package of a manifest whose files lie below `root`.
    ///
    /// # Errors
    /// A name or size that no tar header can hold.
    pub fn new(root: &Path, manifest: Manifest) -> Result<Package, PackageError> {
        Package::laid_out(root, manifest, false)
    }

    /// The same without the manifest's member, as importers of other systems take it.
    ///
    /// # Errors
    /// As for [`Package::new`].
    pub fn plain(root: &Path, manifest: Manifest) -> Result<Package, PackageError> {
        Package::laid_out(root, manifest, true)
    }

    fn laid_out(root: &Path, manifest: Manifest, plain: bool) -> Result<Package, PackageError> {
        let layout =
            Layout::of(&manifest, plain).map_err(|e| PackageError::Layout(e.to_string()))?;
        Ok(Package {
            root: root.into(),
            manifest,
            layout,
        })
    }

    /// What is in it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Length of the tar in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.layout.length()
    }

    /// A reader of the tar from byte `offset` on.
    #[must_use]
    pub fn reader(&self, offset: u64) -> PackageReader<&Package> {
        PackageReader::new(self, offset)
    }
}

/// Reads a package from some byte on.
///
/// Every file is held against the manifest: size and time of change at the opening and at the
/// end, and the digest of all of it when it was read from its first byte (unless
/// [`PackageReader::without_digests`]).
///
/// It borrows the package, or shares it ([`std::sync::Arc`]) where the reader has to live on.
#[derive(Debug)]
pub struct PackageReader<P> {
    package: P,
    position: u64,
    open: Option<OpenFile>,
    takes_digests: bool,
}

#[derive(Debug)]
struct OpenFile {
    index: usize,
    file: File,
    path: PathBuf,
    offset: u64,
    hasher: Option<Hasher>,
}

impl<P: Deref<Target = Package>> PackageReader<P> {
    /// A reader from byte `offset` on.
    #[must_use]
    pub fn new(package: P, offset: u64) -> PackageReader<P> {
        PackageReader {
            position: offset.min(package.length()),
            package,
            open: None,
            takes_digests: true,
        }
    }

    /// Without taking the files' digests again, for whoever has the bytes checked elsewhere: size
    /// and time of change alone tell whether a file is still the same.
    #[must_use]
    pub fn without_digests(mut self) -> PackageReader<P> {
        self.takes_digests = false;
        self
    }

    /// The next byte to be read, counted from the start of the tar.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads up to `buffer.len()` bytes; zero means the end.
    ///
    /// # Errors
    /// A file changed, vanished or cannot be read.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PackageError> {
        if buffer.is_empty() || self.position >= self.package.length() {
            return Ok(0);
        }
        let n = match self.package.layout.at(self.position) {
            Piece::Bytes(bytes) => {
                let n = buffer.len().min(bytes.len());
                buffer[..n].copy_from_slice(&bytes[..n]);
                n
            }
            Piece::Zeros(left) => {
                let n = usize::try_from(left).map_or(buffer.len(), |left| buffer.len().min(left));
                buffer[..n].fill(0);
                n
            }
            Piece::File { index, offset } => self.fill_from_file(index, offset, buffer)?,
        };
        self.position += n as u64;
        Ok(n)
    }

    fn fill_from_file(
        &mut self,
        index: usize,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, PackageError> {
        let entry = &self.package.manifest.files[index];
        let mut open = match self.open.take() {
            Some(open) if open.index == index && open.offset == offset => open,
            _ => {
                let path = self.package.root.join(&entry.path);
                let mut open = OpenFile::at(path, index, entry, offset)?;
                open.hasher = open.hasher.filter(|_| self.takes_digests);
                open
            }
        };
        let left = entry.size - offset;
        let want = usize::try_from(left).map_or(buffer.len(), |left| buffer.len().min(left));
        let n = open
            .file
            .read(&mut buffer[..want])
            .map_err(|source| open.failed(source))?;
        if n == 0 {
            return Err(open.changed("it became shorter"));
        }
        open.offset += n as u64;
        if let Some(hasher) = &mut open.hasher {
            hasher.update(&buffer[..n]);
        }
        if open.offset == entry.size {
            open.finish(entry)?
        } else {
            self.open = Some(open)
        }
        Ok(n)
    }
}

impl<P: Deref<Target = Package>> Read for PackageReader<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer).map_err(|e| match e {
            PackageError::Read { ref source, .. } => io::Error::new(source.kind(), e),
            other => io::Error::other(other),
        })
    }
}

impl OpenFile {
    fn at(
        path: PathBuf,
        index: usize,
        entry: &FileEntry,
        offset: u64,
    ) -> Result<OpenFile, PackageError> {
        let failed = |source| PackageError::Read {
            path: path.clone(),
            source,
        };
        let mut file = File::open(&path).map_err(failed)?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        }
        let hasher = (offset == 0).then(Hasher::default);
        let open = OpenFile {
            index,
            file,
            path,
            offset,
            hasher,
        };
        open.unchanged(entry)?;
        Ok(open)
    }

    fn finish(self, entry: &FileEntry) -> Result<(), PackageError> {
        self.unchanged(entry)?;
        let digest: Option<Digest> = self.hasher.clone().map(Hasher::finish);
        if digest.is_some_and(|d| d != entry.sha256) {
            return Err(self.changed("its content differs"));
        }
        Ok(())
    }

    fn unchanged(&self, entry: &FileEntry) -> Result<(), PackageError> {
        let metadata = self.file.metadata().map_err(|source| self.failed(source))?;
        let modified = metadata
            .modified()
            .and_then(|t| Timestamp::try_from(t).map_err(io::Error::other));
        if metadata.len() != entry.size {
            Err(self.changed("its size differs"))
        } else if modified.ok() != Some(entry.modified) {
            Err(self.changed("its time of change differs"))
        } else {
            Ok(())
        }
    }

    fn changed(&self, what: &'static str) -> PackageError {
        PackageError::Changed {
            path: self.path.clone(),
            what,
        }
    }

    fn failed(&self, source: io::Error) -> PackageError {
        PackageError::Read {
            path: self.path.clone(),
            source,
        }
    }
}
