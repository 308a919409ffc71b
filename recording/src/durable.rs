//! Files that survive a power cut: written, synced, then renamed into place.
//!
//! This is the one way a file of state appears in bbb2pod: nobody ever sees it half-written, and
//! what has been acknowledged is on the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Prefix of files that are not finished; whoever lists a directory ignores these.
pub const UNFINISHED_PREFIX: &str = ".unfinished-";

/// Writes a whole file so that after a crash either the old or the new content is there.
///
/// # Errors
/// The directory does not exist, is not writable, or the disk is full; the old content remains.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .tempfile_in(parent(path))?;
    file.write_all(content)?;
    persist(file, path)
}

/// Gives a temporary file its final name, after its content has reached the disk.
///
/// # Errors
/// Syncing or renaming failed; the temporary file is removed.
pub fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_directory(parent(path))
}

/// Renames a file or directory and makes the renaming durable on both sides.
///
/// The content must have been synced before.
///
/// # Errors
/// As for [`fs::rename`], or syncing one of the two directories failed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory(parent(to))?;
    if parent(from) == parent(to) {
        Ok(())
    } else {
        sync_directory(parent(from))
    }
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// The directory cannot be opened or synced.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes the directory entries of a whole tree durable, deepest first; files are not synced.
///
/// # Errors
/// A directory cannot be read or synced.
pub fn sync_directories(root: &Path) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(root).contents_first(true) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            sync_directory(entry.path())?;
        }
    }
    Ok(())
}

/// Removes what a killed process left unfinished in a directory; gives the paths removed.
///
/// Only for a directory that nobody else writes to at this moment.
///
/// # Errors
/// The directory cannot be read, or an entry cannot be removed.
pub fn remove_unfinished(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(UNFINISHED_PREFIX)
        {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
            removed.push(entry.path());
        }
    }
    Ok(removed)
}

/// The directory a path lies in; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("absent/state.json"), b"x").is_err());
    }

    #[test]
    fn unfinished_files_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".unfinished-1"), b"half").unwrap();
        fs::create_dir(dir.path().join(".unfinished-2")).unwrap();
        fs::write(dir.path().join("kept"), b"whole").unwrap();
        assert_eq!(remove_unfinished(dir.path()).unwrap().len(), 2);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
