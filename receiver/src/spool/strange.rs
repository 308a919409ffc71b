//! What lies in the spool and is taken by nobody: files that are no packages, and packages where
//! none are looked for. Nothing is done to them; somebody has to be told.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::DEPTH;
use crate::import::REJECTED;
use crate::upload::{INCOMING, is_id};

/// Something in the spool that is taken by nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Strange {
    /// Where; of many alike in one folder the first.
    pub(crate) path: PathBuf,
    /// How many more of the same kind are in its folder.
    pub(crate) more: usize,
    /// Why nobody takes it, and what to do.
    pub(crate) why: &'static str,
}

impl Strange {
    /// One line that tells it.
    pub(crate) fn line(&self) -> String {
        let more = match self.more {
            0 => String::new(),
            n => format!(" (and {n} more in that folder)"),
        };
        format!("{}{more} {}", self.path.display(), self.why)
    }
}

/// Where something lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Spool,
    Incoming,
    Rejected,
}

/// Finds it; what has changed within `settle` may still be on its way.
///
/// # Errors
/// The spool cannot be read.
pub(crate) fn strange(spool: &Path, settle: Duration) -> io::Result<Vec<Strange>> {
    let mut found = BTreeMap::new();
    let not_after = Timestamp::now().as_second() - i64::try_from(settle.as_secs()).unwrap_or(0);
    look(spool, Place::Spool, DEPTH, not_after, &mut found)?;
    for (name, place) in [(INCOMING, Place::Incoming), (REJECTED, Place::Rejected)] {
        look(&spool.join(name), place, 0, not_after, &mut found)?;
    }
    let all = found
        .into_iter()
        .map(|((_, why), (path, n))| Strange {
            path,
            more: n - 1,
            why,
        })
        .collect();
    Ok(all)
}

/// By folder and reason: the first, and how many.
type Found = BTreeMap<(PathBuf, &'static str), (PathBuf, usize)>;

fn look(
    folder: &Path,
    place: Place,
    depth: usize,
    not_after: i64,
    found: &mut Found,
) -> io::Result<()> {
    let mut entries: Vec<DirEntry> = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.collect::<io::Result<_>>()?,
    };
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let is_own = place == Place::Spool
            && depth == DEPTH
            && [INCOMING, REJECTED, "lost+found"]
                .iter()
                .any(|n| name == *n);
        if is_own || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // What goes away meanwhile is not there.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let path = entry.path();
        if metadata.is_dir() && place == Place::Spool && depth > 0 {
            if look(&path, place, depth - 1, not_after, found).is_err() {
                note(found, path, "cannot be read by the receiver's user");
            }
            continue;
        }
        let why = match (name.to_str(), place) {
            (None, _) => Some("has a name that is not UTF-8; rename it"),
            (Some(_), _) if metadata.is_dir() && place == Place::Spool => {
                Some("lies too deep; packages are looked for four folders down")
            }
            (Some(name), Place::Spool) => no_package(name, &metadata),
            (Some(name), Place::Incoming) => no_upload(name, &metadata),
            (Some(name), Place::Rejected) => not_rejected(name, &path, &metadata),
        };
        if let Some(why) = why.filter(|_| metadata.ctime() <= not_after) {
            note(found, path, why);
        }
    }
    Ok(())
}

fn note(found: &mut Found, path: PathBuf, why: &'static str) {
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let (_, n) = found.entry((folder, why)).or_insert((path, 0));
    *n += 1;
}

fn no_package(name: &str, metadata: &Metadata) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let packed = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip"];
    if metadata.is_symlink() {
        Some("is a link, and links are not followed; put the file itself here")
    } else if !metadata.is_file() {
        Some("is no file")
    } else if name.ends_with(".tar") {
        None
    } else if packed.iter().any(|end| lower.ends_with(end)) {
        Some("is compressed, and is not taken; unpack it to a .tar")
    } else if lower.ends_with(".tar") {
        Some("is not taken unless its name ends in .tar, in small letters")
    } else {
        Some("is no package: only files whose names end in .tar are taken; move it away")
    }
}

fn no_upload(name: &str, metadata: &Metadata) -> Option<&'static str> {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_ours = metadata.is_file() && is_id(stem) && ["json", "part", "offset"].contains(&kind);
    if is_ours {
        None
    } else if name.ends_with(".tar") {
        Some("lies in incoming/, which is for uploads only; move it into the spool itself")
    } else {
        Some("lies in incoming/ and belongs to no upload; move it away")
    }
}

fn not_rejected(name: &str, path: &Path, metadata: &Metadata) -> Option<&'static str> {
    let beside = |end: &str| {
        let mut other = path.as_os_str().to_owned();
        other.push(end);
        PathBuf::from(other).exists()
    };
    if !metadata.is_file() {
        Some("lies in rejected/ and is no file; move it away")
    } else if name.ends_with(".tar") {
        let why = "lies in rejected/ without a .reason; move it into the spool to have it taken";
        (!beside(".reason")).then_some(why)
    } else if name.ends_with(".tar.reason") {
        None
    } else {
        Some("lies in rejected/ and was not put there by the receiver; move it away")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_told_with_what_to_do() {
        let spool = tempfile::tempdir().unwrap();
        let at = |name: &str| spool.path().join(name);
        for folder in ["tenant/deeper", "a/b/c/d/e", INCOMING, REJECTED, ".rsync"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let id = "0123456789abcdef0123456789abcdef";
        let fine = [
            "r-1.tar".to_owned(),
            "tenant/deeper/r-2.tar".into(),
            ".r-3.tar.Xy12".into(),
            ".rsync/anything".into(),
            format!("incoming/{id}.part"),
            format!("incoming/{id}.json"),
            "rejected/r-4.tar".into(),
            "rejected/r-4.tar.reason".into(),
            "rejected/r-5.tar.reason".into(),
        ];
        for name in &fine {
            fs::write(at(name), "x").unwrap();
        }
        assert_eq!(
            strange(spool.path(), Duration::ZERO).unwrap(),
            [Strange {
                path: at("a/b/c/d/e"),
                more: 0,
                why: "lies too deep; packages are looked for four folders down"
            }]
        );
        fs::remove_dir_all(at("a")).unwrap();
        let wrong = [
            ("r-6.tar.gz", "compressed"),
            ("r-7.TAR", "small letters"),
            ("tenant/notes.txt", "no package"),
            ("incoming/r-8.tar", "move it into the spool itself"),
            ("incoming/notes", "belongs to no upload"),
            ("rejected/r-9.tar", "without a .reason"),
            ("rejected/notes", "not put there by the receiver"),
        ];
        for (name, _) in wrong {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", at("r-10.tar")).unwrap();
        let hour = Duration::from_secs(3600);
        assert_eq!(
            strange(spool.path(), hour).unwrap(),
            [],
            "may be on its way"
        );
        let found = strange(spool.path(), Duration::ZERO).unwrap();
        for (name, why) in wrong.into_iter().chain([("r-10.tar", "a link")]) {
            let one = found.iter().find(|one| one.path == at(name));
            let line = one.map(Strange::line).unwrap_or_default();
            assert!(line.contains(why), "{name}: {line}");
        }
        assert_eq!(found.len(), wrong.len() + 1, "{found:?}");

        // A recording's folder that somebody dropped as it is: one line, not thousands.
        for n in 0..50 {
            fs::write(at(&format!("tenant/slide-{n}.png")), "x").unwrap();
        }
        let found = strange(spool.path(), Duration::ZERO).unwrap();
        let of = found.iter().find(|one| one.path.starts_with(at("tenant")));
        assert_eq!(of.unwrap().more, 50, "{found:?}");
    }
}
