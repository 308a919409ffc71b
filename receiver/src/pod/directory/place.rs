//! The file operations of a delivery. Each leaves either the state before it or the state after it
//! on the disk, also across a power cut.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use recording::{Digest, durable};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::pod::{MediaFile, PodError};

/// The `.part` file of a recording, held by nobody else in this or another process.
#[derive(Debug)]
pub(in crate::pod) struct Part {
    file: File,
}

impl Part {
    /// Takes hold of what is there; waits for a copy that an aborted attempt still writes.
    pub(in crate::pod) fn open(path: &Path) -> Result<Option<Part>, PodError> {
        Part::hold(path, false)
    }

    /// Writes a durable, verified copy of the media.
    ///
    /// On a failure nothing is left behind.
    pub(in crate::pod) fn write(path: &Path, media: &MediaFile) -> Result<Part, PodError> {
        let Some(part) = Part::hold(path, true)? else {
            return Err(PodError::file("create", path)(
                io::ErrorKind::NotFound.into(),
            ));
        };
        match part.fill(path, media) {
            Ok(()) => Ok(part),
            Err(e) => {
                // The error that is reported is the first one.
                let _ = fs::remove_file(path);
                Err(e)
            }
        }
    }

    fn hold(path: &Path, create: bool) -> Result<Option<Part>, PodError> {
        loop {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .truncate(false)
                .open(path);
            let file = match opened {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
                Err(e) => return Err(PodError::file("open", path)(e)),
            };
            match file.lock() {
                // Some network file systems know no locks; then the ledger's one worker per
                // recording has to do.
                Err(e) if !knows_no_locks(&e) => return Err(PodError::file("lock", path)(e)),
                _ => {}
            }
            // It may have been renamed or removed while waiting for the lock.
            let held = file.metadata().map_err(PodError::file("open", path))?;
            match fs::metadata(path) {
                Ok(now) if (now.dev(), now.ino()) == (held.dev(), held.ino()) => {
                    return Ok(Some(Part { file }));
                }
                _ => {}
            }
        }
    }

    fn fill(&self, path: &Path, media: &MediaFile) -> Result<(), PodError> {
        let mut source = File::open(&media.path).map_err(PodError::file("read", &media.path))?;
        let mut target = &self.file;
        target.set_len(0).map_err(PodError::file("write", path))?;
        // Between files the kernel copies, and shares the blocks where the file system can.
        io::copy(&mut source, &mut target).map_err(PodError::file("write", path))?;
        target.sync_all().map_err(PodError::file("write", path))?;
        let written = self.digest(path)?;
        let expected = (media.digest, media.bytes);
        if written != expected {
            return Err(PodError::Media {
                path: media.path.clone(),
                why: format!(
                    "has {} bytes with digest {}, expected {} bytes with digest {}",
                    written.1, written.0, expected.1, expected.0
                ),
            });
        }
        // If its name could be lost in a power cut, its absence would prove nothing.
        durable::sync_directory(parent(path)).map_err(PodError::file("sync", parent(path)))
    }

    fn digest(&self, path: &Path) -> Result<(Digest, u64), PodError> {
        use std::io::Seek;

        let mut file = &self.file;
        file.rewind().map_err(PodError::file("read", path))?;
        Digest::of_reader(&mut file).map_err(PodError::file("read", path))
    }

    /// The digest of what it holds.
    pub(in crate::pod) fn content(&self, path: &Path) -> Result<Digest, PodError> {
        Ok(self.digest(path)?.0)
    }

    /// Removes it. An aborted attempt that exchanged files holds no lock on this one any more, and
    /// may have removed it meanwhile.
    pub(in crate::pod) fn discard(self, path: &Path) -> Result<(), PodError> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(PodError::file("remove", path)(e)),
            _ => Ok(()),
        }
    }

    /// Gives it its final name, unless a file of that name exists: then `None` and it is still here.
    pub(in crate::pod) fn publish(
        self,
        path: &Path,
        target: &Path,
    ) -> Result<Option<Part>, PodError> {
        let renamed = match renameat_with(CWD, path, CWD, target, RenameFlags::NOREPLACE) {
            // NFS and some others cannot refuse to replace. Nobody but this recording uses a name
            // with the end of its record id, so looking first is enough.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match fs::symlink_metadata(target) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(_) => rustix::fs::rename(path, target),
                }
            }
            other => other,
        };
        match renamed {
            Err(Errno::EXIST) => return Ok(Some(self)),
            other => other.map_err(|e| PodError::file("rename into place", target)(e.into()))?,
        }
        durable::sync_directory(parent(path)).map_err(PodError::file("sync", parent(path)))?;
        Ok(None)
    }

    /// Puts it in the place of an existing file, if that is still there; whether it was.
    ///
    /// The old file takes the `.part` name and is then removed, so that a crash in between can be
    /// told from one before.
    pub(in crate::pod) fn replace(self, path: &Path, target: &Path) -> Result<bool, PodError> {
        let sync =
            || durable::sync_directory(parent(path)).map_err(PodError::file("sync", parent(path)));
        match renameat_with(CWD, path, CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::NOENT) => {
                self.discard(path)?;
                return Ok(false);
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if fs::symlink_metadata(target).is_err() {
                    self.discard(path)?;
                    return Ok(false);
                }
                fs::rename(path, target).map_err(PodError::file("replace", target))?;
                sync()?;
                return Ok(true);
            }
            Err(e) => return Err(PodError::file("replace", target)(e.into())),
        }
        sync()?;
        self.discard(path)?;
        Ok(true)
    }
}

/// The digest of a file, `None` when there is none of that name.
pub(in crate::pod) fn digest(path: &Path) -> Result<Option<Digest>, PodError> {
    match File::open(path) {
        Ok(mut file) => Digest::of_reader(&mut file)
            .map(|(digest, _)| Some(digest))
            .map_err(PodError::file("read", path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(PodError::file("read", path)(e)),
    }
}

/// Writes, renames and removes a small file, as a delivery would.
pub(in crate::pod) fn probe(directory: &Path) -> Result<(), PodError> {
    let written = directory.join(format!(".bbb2pod-probe-{}.part", std::process::id()));
    let renamed = written.with_extension("probe");
    fs::write(&written, b"bbb2pod looks whether it can write here\n")
        .map_err(PodError::file("write", &written))?;
    let outcome = durable::rename(&written, &renamed).map_err(PodError::file("rename", &written));
    let left = if outcome.is_ok() { &renamed } else { &written };
    fs::remove_file(left).map_err(PodError::file("remove", left))?;
    outcome
}

fn knows_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(Errno::NOLCK.raw_os_error())
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
