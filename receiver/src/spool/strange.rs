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

/// Longest time beyond twice `settle` that a running service leaves a package lying.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

const NOT_READ: &str = "cannot be read by the receiver's user; give it to a group that this user is in, with mode 2775";
const NOT_SEEN: &str = "cannot be looked at by the receiver's user; give its folder to a group that this user is in, with mode 2775";
/// Why a package is told that stands still and was not taken.
const NOT_TAKEN: &str = "has not been taken: the receiver is not running, or its user may not rename it; give its folder to a group that this user is in, with mode 2775";

impl Strange {
    /// Whether it is a package that waits to be taken, which one that has just been started is
    /// going to do.
    pub(super) fn may_be_taken(&self) -> bool {
        self.why == NOT_TAKEN
    }
}

/// Since when a package that stands still must have been taken.
pub(super) fn taken_within(settle: Duration) -> Duration {
    settle.saturating_mul(2).saturating_add(TAKEN_WITHIN)
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
    strange_at(spool, settle, Timestamp::now().as_second())
}

fn strange_at(spool: &Path, settle: Duration, now: i64) -> io::Result<Vec<Strange>> {
    let mut found = BTreeMap::new();
    let before = |age: Duration| now.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(0));
    let limits = Limits {
        still: before(settle),
        taken: before(taken_within(settle)),
    };
    look(spool, Place::Spool, DEPTH, limits, &mut found)?;
    for (name, place) in [(INCOMING, Place::Incoming), (REJECTED, Place::Rejected)] {
        look(&spool.join(name), place, 0, limits, &mut found)?;
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

/// Seconds since 1970 before which something must have changed for the last time.
#[derive(Clone, Copy)]
struct Limits {
    /// To be told at all; what is younger may be on its way.
    still: i64,
    /// To be told although it will be taken, if somebody can.
    taken: i64,
}

/// By folder and reason: the first, and how many.
type Found = BTreeMap<(PathBuf, &'static str), (PathBuf, usize)>;

fn look(
    folder: &Path,
    place: Place,
    depth: usize,
    limits: Limits,
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
        let path = entry.path();
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // What goes away meanwhile is not there.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => {
                note(found, path, NOT_SEEN);
                continue;
            }
        };
        if metadata.is_dir() && place == Place::Spool && depth > 0 {
            if look(&path, place, depth - 1, limits, found).is_err() {
                note(found, path, NOT_READ);
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
        let not_after = match why {
            Some(NOT_TAKEN) => limits.taken,
            _ => limits.still,
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
    } else if let Some(stem) = name.strip_suffix(".tar") {
        // What was taken carries an id.
        let is_taken = stem.rsplit_once('~').is_some_and(|(_, id)| is_id(id));
        (!is_taken).then_some(NOT_TAKEN)
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

        // A package that nobody takes, from when on a running service would have.
        let now = Timestamp::now().as_second();
        fs::write(at(&format!("tenant/deeper/taken~{id}.tar")), "x").unwrap();
        let of_tars = |after: i64| -> Vec<_> {
            let found = strange_at(spool.path(), Duration::from_secs(5), now + after).unwrap();
            let tars = found.into_iter().filter(|one| one.why == NOT_TAKEN);
            tars.map(|one| one.path).collect()
        };
        assert!(of_tars(60).is_empty());
        assert_eq!(of_tars(90), [at("r-1.tar"), at("tenant/deeper/r-2.tar")]);

        // A recording's folder that somebody dropped as it is: one line, not thousands.
        for n in 0..50 {
            fs::write(at(&format!("tenant/slide-{n}.png")), "x").unwrap();
        }
        let found = strange(spool.path(), Duration::ZERO).unwrap();
        let of = found.iter().find(|one| one.path.starts_with(at("tenant")));
        assert_eq!(of.unwrap().more, 50, "{found:?}");
    }
}
