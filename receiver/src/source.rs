//! What `convert` is given, as a folder on this machine: a published recording's folder as it is,
//! a package unpacked, the recording of a playback page downloaded.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use recording::{Manifest, durable};

use crate::import::{self, Content, UnpackError};
use crate::playback::{self, Address, Connection, PlaybackError, Progress};

/// Where in a folder of work a source that had to be brought is kept.
const ROOM: &str = ".bbb2pod-source";
/// The file that tells which source it is.
const WHICH: &str = "which.txt";
/// The file that tells that a package has been unpacked to its end.
const WHOLE: &str = "whole.txt";
const LIMITS: import::Limits = import::Limits {
    members: 100_000,
    member_size: 64 << 30,
};

/// Why there is no folder to convert.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The server did not give it.
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    /// The package is not one, or cannot be unpacked.
    #[error("{}: {why}", path.display())]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong with it.
        why: UnpackError,
    },
    /// The package does not hold exactly one presentation.
    #[error("{}: {why}", path.display())]
    Content {
        /// The package.
        path: PathBuf,
        /// What it holds instead.
        why: String,
    },
    /// Somebody else is bringing a source to the same folder.
    #[error("{} is in use by another conversion", .0.display())]
    Busy(PathBuf),
    /// What lies there was not put there by a conversion.
    #[error("{} holds files that are not ours; choose another folder with --work-dir", .0.display())]
    Foreign(PathBuf),
    /// Reading or writing failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as "writing".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SourceError {
    /// Whether the same may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            SourceError::Playback(error) => error.is_transient(),
            SourceError::Package { why, .. } => matches!(why, UnpackError::Failed { .. }),
            SourceError::Content { .. } | SourceError::Foreign(_) => false,
            SourceError::Busy(_) => true,
            SourceError::Io { source, .. } => source.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Whether nobody could be reached.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            SourceError::Playback(PlaybackError::Unreachable { .. })
        )
    }
}

/// How a source is to be brought.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// A folder, a tar, or the address of a playback page.
    pub(crate) source: &'a Path,
    /// A folder of work; what is brought stays there until it is removed.
    pub(crate) work_dir: &'a Path,
    /// What a download may take.
    pub(crate) limits: playback::Limits,
    /// Authorities to trust besides the system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// Set when it is to end.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A source on this machine.
#[derive(Debug)]
pub(crate) struct Brought {
    /// The published recording's folder.
    pub(crate) folder: PathBuf,
    /// Files that the recording names and nobody has, with the reason.
    pub(crate) missing: Vec<(String, String)>,
    room: Option<Room>,
}

impl Brought {
    /// Removes what had to be brought; a folder that was given stays as it is.
    pub(crate) fn remove(self) {
        if let Some(room) = self.room {
            room.remove();
        }
    }
}

/// Whether a source is used as it lies, so that no folder of work is needed.
pub(crate) fn is_at_hand(source: &Path) -> bool {
    !is_address(source) && !source.is_file()
}

fn is_address(source: &Path) -> bool {
    source.to_str().is_some_and(Address::is_meant_by)
}

/// Brings a source; what is there already of it is kept.
///
/// # Errors
/// [`SourceError::is_transient`] tells whether the same call may succeed later.
pub(crate) fn bring(
    wanted: &Wanted<'_>,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Brought, SourceError> {
    if is_at_hand(wanted.source) {
        return Ok(Brought {
            folder: wanted.source.to_owned(),
            missing: Vec::new(),
            room: None,
        });
    }
    let room;
    let brought = match wanted.source.to_str().filter(|_| is_address(wanted.source)) {
        Some(text) => {
            let address = Address::parse(text)?;
            let connection = Connection::new(
                wanted.limits.clone(),
                wanted.ca_file,
                Arc::clone(&wanted.stop),
            )?;
            room = Room::open(wanted.work_dir, text)?;
            download(&connection, &address, &room, tell)
        }
        None => {
            let metadata = fs::metadata(wanted.source).map_err(failed("reading", wanted.source))?;
            let which = format!(
                "{} {} {} {}",
                wanted.source.display(),
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec()
            );
            room = Room::open(wanted.work_dir, &which)?;
            unpacked(wanted.source, &room).map(|folder| (folder, Vec::new()))
        }
    };
    match brought {
        Ok((folder, missing)) => Ok(Brought {
            folder,
            missing,
            room: Some(room),
        }),
        Err(error) => {
            if !error.is_transient() {
                room.remove();
            }
            Err(error)
        }
    }
}

type Found = (PathBuf, Vec<(String, String)>);

fn download(
    connection: &Connection,
    address: &Address,
    room: &Room,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Found, SourceError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("waiting for", &room.dir))?;
    let fetched = runtime.block_on(playback::fetch(connection, address, &room.dir, tell))?;
    Ok((fetched.folder, fetched.missing))
}

fn unpacked(package: &Path, room: &Room) -> Result<PathBuf, SourceError> {
    let files = room.dir.join("files");
    let whole = room.dir.join(WHOLE);
    if let Ok(inside) = fs::read_to_string(&whole) {
        return Ok(files.join(inside));
    }
    room.clear()?;
    fs::create_dir(&files).map_err(failed("making", &files))?;
    let content = import::unpack(package, &files, LIMITS);
    let content = content.map_err(|why| SourceError::Package {
        path: package.to_owned(),
        why,
    })?;
    let inside = presentation_in(content).map_err(|why| SourceError::Content {
        path: package.to_owned(),
        why,
    })?;
    durable::write(&whole, inside.as_bytes()).map_err(failed("writing", &whole))?;
    Ok(files.join(inside))
}

/// Where in a package the one presentation lies.
fn presentation_in(content: Content) -> Result<String, String> {
    let (good, bad) = match content {
        Content::Ours(manifest) => (vec![*manifest], Vec::new()),
        Content::Others(plain) => (plain.good, plain.bad),
    };
    let (presentations, others): (Vec<_>, Vec<_>) = good
        .iter()
        .partition(|found| found.format.is_presentation());
    let inside = |found: &Manifest| format!("{}/{}", found.format, found.record_id);
    match (&presentations[..], &others[..], &bad[..]) {
        ([one], _, _) => Ok(inside(one)),
        ([first, second, ..], _, _) => Err(format!(
            "{} presentations are in it ({}, {}, ...); unpack it and give the folder of one",
            presentations.len(),
            inside(first),
            inside(second)
        )),
        ([], _, [wrong, ..]) => Err(match &wrong.of {
            Some((id, format)) => format!("{format}/{id}: {}", wrong.why),
            None => wrong.why.clone(),
        }),
        ([], [other, ..], _) => Err(format!("no presentation is in it, only {}", inside(other))),
        ([], [], []) => Err("no recording is in it".to_owned()),
    }
}

/// The locked folder of one source that had to be brought.
#[derive(Debug)]
struct Room {
    work_dir: PathBuf,
    dir: PathBuf,
    /// Holds the lock until it is closed.
    _lock: File,
}

impl Room {
    /// Opens the folder, and throws away what another source left in it.
    fn open(work_dir: &Path, which: &str) -> Result<Room, SourceError> {
        let dir = work_dir.join(ROOM);
        fs::create_dir_all(&dir).map_err(failed("making", &dir))?;
        let lock = File::open(&dir).map_err(failed("opening", &dir))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SourceError::Busy(dir)),
            Err(TryLockError::Error(e)) => return Err(failed("locking", &dir)(e)),
        }
        let room = Room {
            work_dir: work_dir.to_owned(),
            dir,
            _lock: lock,
        };
        let path = room.dir.join(WHICH);
        if fs::read_to_string(&path).ok().as_deref() != Some(which) {
            let is_ours = path.is_file();
            let mut entries = fs::read_dir(&room.dir).map_err(failed("reading", &room.dir))?;
            if !is_ours && entries.next().is_some() {
                return Err(SourceError::Foreign(room.dir));
            }
            room.clear()?;
            durable::write(&path, which.as_bytes()).map_err(failed("writing", &path))?;
        }
        Ok(room)
    }

    /// Removes everything but the file that tells which source it is.
    fn clear(&self) -> Result<(), SourceError> {
        let fail = || failed("clearing", &self.dir);
        for entry in fs::read_dir(&self.dir).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            if entry.file_type().map_err(fail())?.is_dir() {
                fs::remove_dir_all(entry.path()).map_err(fail())?;
            } else if entry.file_name() != WHICH {
                fs::remove_file(entry.path()).map_err(fail())?;
            }
        }
        Ok(())
    }

    /// Removes the folder, and the folder of work when nothing else is in it.
    fn remove(self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!("cannot remove {}: {error}", self.dir.display());
        }
        fs::remove_dir(&self.work_dir).ok();
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |source| SourceError::Io {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(source: &Path, work_dir: &Path) -> Result<Brought, SourceError> {
        let wanted = Wanted {
            source,
            work_dir,
            limits: playback::Limits::default(),
            ca_file: None,
            stop: Arc::default(),
        };
        bring(&wanted, &|_| {})
    }

    fn tar(path: &Path, members: &[&str]) {
        let mut tar = tar::Builder::new(File::create(path).unwrap());
        for name in members {
            let content = b"<recording><id>r</id></recording>";
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, &content[..]).unwrap();
        }
        tar.finish().unwrap();
    }

    #[test]
    fn a_folder_is_used_as_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let brought = brought(dir.path(), &dir.path().join("work")).unwrap();
        assert_eq!(brought.folder, dir.path());
        brought.remove();
        assert!(dir.path().is_dir());
    }

    #[test]
    fn the_presentation_of_a_package_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("p.tar");
        let work = dir.path().join("work");
        let several = [
            "notes/r/metadata.xml",
            "presentation/r/metadata.xml",
            "presentation/r/shapes.svg",
            "video/r/metadata.xml",
        ];
        tar(&package, &several);
        let found = brought(&package, &work).unwrap();
        assert_eq!(found.folder, work.join(ROOM).join("files/presentation/r"));
        assert!(found.folder.join("shapes.svg").is_file());
        found.remove();
        assert!(!work.exists());
        for (members, why) in [
            (&["video/r/metadata.xml"][..], "only video/r"),
            (
                &["presentation/a/metadata.xml", "presentation/b/metadata.xml"],
                "2 presentations",
            ),
            (
                &["presentation/r/shapes.svg"],
                "presentation/r: there is no metadata.xml",
            ),
            (&["letter.txt"], "not below <format>/<record id>/"),
        ] {
            tar(&package, members);
            let error = brought(&package, &work).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.is_transient() && !work.exists());
        }
    }

    #[test]
    fn a_package_is_unpacked_once_unless_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("p.tar");
        let work = dir.path().join("work");
        tar(&package, &["presentation/r/metadata.xml"]);
        let first = brought(&package, &work).unwrap();
        let mark = first.folder.join("mark");
        fs::write(&mark, "").unwrap();
        assert!(matches!(
            brought(&package, &work),
            Err(SourceError::Busy(_))
        ));
        drop(first);
        drop(brought(&package, &work).unwrap());
        assert!(mark.exists());
        // What a killed unpacking left is not taken for whole.
        fs::remove_file(work.join(ROOM).join(WHOLE)).unwrap();
        drop(brought(&package, &work).unwrap());
        assert!(!mark.exists());
        fs::write(&mark, "").unwrap();
        tar(
            &package,
            &["presentation/r/metadata.xml", "presentation/r/cursor.xml"],
        );
        drop(brought(&package, &work).unwrap());
        assert!(!mark.exists());
    }
}
