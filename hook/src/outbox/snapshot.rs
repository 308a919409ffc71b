//! The snapshot of a published folder: hard links, so it costs neither space nor time, and an
//! unpublish, rebuild or deletion afterwards takes nothing away.
//!
//! `metadata.xml` is the one file BBB rewrites in place, so it alone is copied. Links found in a
//! recording are remade as links, never followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use recording::digest::{Digest, Hasher};
use rustix::fs::{OFlags, Timespec, Timestamps};
use walkdir::WalkDir;

/// Larger than any real `metadata.xml`; beyond it the file is linked like the others.
const MAX_COPIED: u64 = 4 * 1024 * 1024;

/// What lies in a published folder.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    entries: Vec<Entry>,
    metadata_xml: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    File {
        size: u64,
        modified: (i64, i64),
        inode: u64,
    },
    Link,
    Special,
}

impl Tree {
    /// Looks at a folder; content is not read, but for `metadata.xml`.
    ///
    /// # Errors
    /// The folder or something in it cannot be looked at.
    pub(crate) fn look(root: &Path) -> io::Result<Tree> {
        let mut entries = Vec::new();
        let walk = WalkDir::new(root)
            .follow_root_links(false)
            .min_depth(1)
            .sort_by_file_name();
        for entry in walk {
            let entry = entry?;
            let kind = match entry.file_type() {
                t if t.is_dir() => Kind::Folder,
                t if t.is_symlink() => Kind::Link,
                t if t.is_file() => {
                    let m = entry.metadata()?;
                    Kind::File {
                        size: m.len(),
                        modified: (m.mtime(), m.mtime_nsec()),
                        inode: m.ino(),
                    }
                }
                _ => Kind::Special,
            };
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            entries.push(Entry {
                path: path.into(),
                kind,
            });
        }
        let metadata_xml = read_small(&root.join("metadata.xml"));
        Ok(Tree {
            root: root.into(),
            entries,
            metadata_xml,
        })
    }

    /// The content of `metadata.xml`, when there is one that can be read.
    pub(crate) fn metadata_xml(&self) -> Option<&[u8]> {
        self.metadata_xml.as_deref()
    }

    /// Number of files.
    pub(crate) fn files(&self) -> u64 {
        self.entries
            .iter()
            .filter(|e| matches!(e.kind, Kind::File { .. }))
            .count() as u64
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.entries.iter().map(|e| match e.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        });
        sizes.sum()
    }

    /// The last change of any file, in seconds since 1970.
    pub(crate) fn last_change(&self) -> i64 {
        let times = self.entries.iter().filter_map(|e| match e.kind {
            Kind::File { modified, .. } => Some(modified.0),
            _ => None,
        });
        times.max().unwrap_or(0)
    }

    /// Tells one state of the folder from another without reading it: names, sizes, times and
    /// inodes, and the text of `metadata.xml`.
    pub(crate) fn fingerprint(&self) -> Digest {
        let mut hasher = Hasher::default();
        for entry in &self.entries {
            use std::os::unix::ffi::OsStrExt;
            hasher.update(entry.path.as_os_str().as_bytes());
            hasher.update(b"\0");
            if let Kind::File {
                size,
                modified: (s, ns),
                inode,
            } = entry.kind
                && !self.is_copied(entry)
            {
                hasher.update(format!("{size} {s}.{ns} {inode}").as_bytes());
            }
            hasher.update(b"\0");
        }
        hasher.update(self.metadata_xml().unwrap_or_default());
        hasher.finish()
    }

    /// Links everything into an existing empty folder; `metadata.xml` is copied.
    ///
    /// Folders are not synced yet, the copy is.
    ///
    /// # Errors
    /// As for [`fs::hard_link`]; what was made so far remains.
    pub(crate) fn link_into(&self, target: &Path) -> io::Result<()> {
        for entry in &self.entries {
            let (from, to) = (self.root.join(&entry.path), target.join(&entry.path));
            match entry.kind {
                Kind::Folder => fs::create_dir(&to)?,
                Kind::File { modified, .. } if self.is_copied(entry) => {
                    let copy = fs::write(&to, self.metadata_xml().unwrap_or_default())
                        .and_then(|()| File::options().write(true).open(&to))?;
                    set_modified(&copy, modified)?;
                    copy.sync_all()?;
                }
                Kind::File { .. } => fs::hard_link(&from, &to)?,
                Kind::Link => symlink(fs::read_link(&from)?, &to)?,
                // A socket or device is never part of a recording; the manifest lists it as left
                // out where it can be linked.
                Kind::Special => drop(fs::hard_link(&from, &to)),
            }
        }
        Ok(())
    }

    fn is_copied(&self, entry: &Entry) -> bool {
        self.metadata_xml.is_some() && entry.path.as_os_str() == "metadata.xml"
    }
}

/// A small file that is no link; `None` for anything else.
pub(crate) fn read_small(path: &Path) -> Option<Vec<u8>> {
    let no_follow = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_COPIED {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_COPIED).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn set_modified(file: &File, (seconds, nanoseconds): (i64, i64)) -> io::Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("video")).unwrap();
        fs::write(dir.path().join("video/webcams.webm"), b"picture").unwrap();
        fs::write(dir.path().join("metadata.xml"), b"<recording/>").unwrap();
        symlink("/etc/passwd", dir.path().join("evil")).unwrap();
        dir
    }

    #[test]
    fn files_are_linked_metadata_is_copied_links_stay_links() {
        let (from, to) = (recording(), tempfile::tempdir().unwrap());
        let tree = Tree::look(from.path()).unwrap();
        assert_eq!((tree.files(), tree.bytes()), (2, 19));
        tree.link_into(to.path()).unwrap();
        let look = |dir: &tempfile::TempDir, path: &str| {
            fs::symlink_metadata(dir.path().join(path)).unwrap()
        };
        assert_eq!(
            look(&from, "video/webcams.webm").ino(),
            look(&to, "video/webcams.webm").ino()
        );
        assert_ne!(
            look(&from, "metadata.xml").ino(),
            look(&to, "metadata.xml").ino()
        );
        assert_eq!(
            look(&from, "metadata.xml").modified().unwrap(),
            look(&to, "metadata.xml").modified().unwrap()
        );
        assert!(look(&to, "evil").is_symlink());
    }

    #[test]
    fn the_fingerprint_sees_a_rebuild_and_a_rewritten_metadata() {
        let dir = recording();
        let print = || Tree::look(dir.path()).unwrap().fingerprint();
        let first = print();
        assert_eq!(first, print());
        fs::write(dir.path().join("metadata.xml"), b"<recording/>").unwrap();
        assert_eq!(first, print(), "rewritten with the same text");
        fs::write(dir.path().join("metadata.xml"), b"<recording></recording>").unwrap();
        let second = print();
        assert_ne!(first, second);
        fs::write(dir.path().join("new"), b"picture").unwrap();
        fs::rename(
            dir.path().join("new"),
            dir.path().join("video/webcams.webm"),
        )
        .unwrap();
        assert_ne!(second, print());
    }
}
