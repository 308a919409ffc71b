//! Whether the claim directory is really there: an unmounted share leaves an empty directory of
//! the same name, and what is written there is hidden as soon as the share comes back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::pod::PodError;

/// Checks that a directory exists and is not the bare mount point of a file system that is absent.
///
/// What `/etc/fstab` mounts must be mounted; with `require_mount` the directory must also lie on
/// another file system than `/`.
pub(in crate::pod) fn present(directory: &Path, require_mount: bool) -> Result<(), PodError> {
    let metadata = fs::metadata(directory).map_err(PodError::file("open", directory))?;
    let wrong = |why: String| {
        Err(PodError::ClaimDirectory {
            path: directory.into(),
            why,
        })
    };
    if !metadata.is_dir() {
        return wrong(
            "is not a directory; give the recorder's directory in DEFAULT_RECORDER_PATH".into(),
        );
    }
    let real = fs::canonicalize(directory).map_err(PodError::file("open", directory))?;
    let fstab = fs::read_to_string("/etc/fstab").unwrap_or_default();
    // Without /proc nothing is known, and nothing is held against the directory.
    if let Ok(mounted) = fs::read_to_string("/proc/self/mountinfo")
        && let Some(point) = absent_mount(&real, &fstab, &mounted)
    {
        return wrong(format!(
            "{} is not mounted, though /etc/fstab says so; mount it",
            point.display()
        ));
    }
    if require_mount {
        let root = fs::metadata("/").map_err(PodError::file("open", "/"))?;
        if root.dev() == metadata.dev() {
            return wrong(
                "no file system is mounted there; mount it, or set destination.require_mount to \
                 false if it is a local directory"
                    .into(),
            );
        }
    }
    Ok(())
}

/// The mount point on the way to `directory` that fstab knows and that is not mounted.
fn absent_mount(directory: &Path, fstab: &str, mountinfo: &str) -> Option<PathBuf> {
    let mounted: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| field(line, 4))
        .collect();
    fstab
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| field(line, 1))
        .filter(|point| point.is_absolute() && directory.starts_with(point))
        .find(|point| !mounted.contains(point))
}

/// A field of a line, with the octal escapes that fstab and mountinfo use for blanks.
fn field(line: &str, index: usize) -> Option<PathBuf> {
    let text = line.split_whitespace().nth(index)?;
    let text = text
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\");
    Some(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                          40 22 0:44 / /srv/pod\\040ftp rw shared:1 - nfs4 nas:/pod rw\n";

    #[test]
    fn shares_that_are_not_there_are_noticed() {
        let fstab = "# shares\n/dev/sda1 / ext4 defaults 0 1\n\
                     nas:/pod /srv/pod\\040ftp nfs4 _netdev 0 0\n\
                     nas:/claim /srv/claim nfs4 _netdev 0 0\nUUID=1 none swap sw 0 0\n";
        for (directory, absent) in [
            ("/srv/pod ftp/bbbclaim", None),
            ("/srv/claim", Some("/srv/claim")),
            ("/srv/claim/bbb", Some("/srv/claim")),
            ("/srv/claims", None),
            ("/var/lib/pod", None),
        ] {
            let found = absent_mount(Path::new(directory), fstab, MOUNTS);
            assert_eq!(found, absent.map(PathBuf::from), "{directory}");
        }
    }

    #[test]
    fn a_directory_must_be_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        present(dir.path(), false).unwrap();
        fs::write(dir.path().join("file"), b"").unwrap();
        assert!(present(&dir.path().join("file"), false).is_err());
        assert!(present(&dir.path().join("absent"), false).is_err());
    }
}
