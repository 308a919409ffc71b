//! From a folder to a manifest: lists the files of a recording and takes their digests.

use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use walkdir::WalkDir;

use crate::digest::Digest;
use crate::events::Events;
use crate::manifest::{FileEntry, LeftOut, Manifest, SCHEMA, content_digest};
use crate::metadata::Metadata;
use crate::names::{PlaybackFormat, RecordId};

/// What the files themselves do not tell.
#[derive(Clone, Debug)]
pub struct About {
    /// The recording.
    pub record_id: RecordId,
    /// The playback format.
    pub format: PlaybackFormat,
    /// Name of the node.
    pub node: String,
    /// Version of the program that packs.
    pub hook_version: String,
    /// When BBB called the hook.
    pub published_at: Timestamp,
    /// The meeting's `events.xml`, when it is still there.
    pub events_xml: Option<PathBuf>,
}

/// Why no manifest could be made.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was being read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file's name cannot be carried.
    #[error("{}: the file name is not UTF-8 text; rename it on the node", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A file changed between the two looks at it.
    #[error("{}: changed while its digest was taken; it will be packed again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to pack.
    #[error("{}: there is no file in it", path.display())]
    Empty {
        /// The recording's folder.
        path: PathBuf,
    },
}

/// Makes the manifest of `<root>/<format>/<record id>/`, reading every file once.
///
/// Links and special files are left out and listed with the reason. A `metadata.xml` or
/// `events.xml` that cannot be read does not stop the recording: the manifest says what is wrong.
///
/// # Errors
/// A file cannot be read, has a name that is not text, or changes meanwhile; the folder is empty.
pub fn gather(root: &Path, about: &About) -> Result<Manifest, GatherError> {
    let folder = root
        .join(about.format.as_str())
        .join(about.record_id.as_str());
    let (mut files, left_out) = list(root, &folder)?;
    if files.is_empty() {
        return Err(GatherError::Empty { path: folder });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let (events, events_problem) = match about.events_xml.as_deref().map(Events::read) {
        None => (Events::default(), None),
        Some(Ok(events)) => {
            let problem = events.cut_short.clone();
            (events, problem.map(|why| format!("events.xml: {why}")))
        }
        Some(Err(error)) => (Events::default(), Some(error.to_string())),
    };
    let (metadata, metadata_problem) = match Metadata::read(&folder.join("metadata.xml")) {
        Ok(metadata) => (Some(metadata), None),
        Err(e) => (None, Some(e.to_string())),
    };
    Ok(Manifest {
        schema: SCHEMA,
        digest: content_digest(&files),
        record_id: about.record_id.clone(),
        format: about.format.clone(),
        node: about.node.clone(),
        hook_version: about.hook_version.clone(),
        bbb_version: events.bbb_version,
        published_at: about.published_at,
        metadata,
        metadata_problem,
        events_seen: about.events_xml.is_some(),
        events_problem,
        moderators: events.moderators,
        files,
        left_out,
    })
}

/// Threads that take digests: a node has better things to do with the others.
const THREADS: usize = 2;

/// A file that was found.
struct Found {
    file: PathBuf,
    /// Its name in the package.
    path: String,
    size: u64,
}

fn list(root: &Path, folder: &Path) -> Result<(Vec<FileEntry>, Vec<LeftOut>), GatherError> {
    let mut found = Vec::new();
    let mut left_out = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let failed = |e: walkdir::Error| GatherError::Read {
            path: e.path().unwrap_or(folder).into(),
            source: e.into(),
        };
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type();
        if kind.is_dir() {
            continue;
        }
        let below_root = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let path = below_root.to_str().ok_or_else(|| GatherError::Name {
            path: entry.path().into(),
        })?;
        if kind.is_file() {
            found.push(Found {
                path: path.to_owned(),
                size: entry.metadata().map_err(failed)?.len(),
                file: entry.into_path(),
            });
        } else {
            let why = if kind.is_symlink() {
                "a symbolic link"
            } else {
                "neither file nor folder"
            };
            left_out.push(LeftOut {
                path: path.to_owned(),
                why: why.to_owned(),
            });
        }
    }
    Ok((digests_of(found)?, left_out))
}

/// The digests of files, several at a time: one processor takes them more slowly than they can be
/// sent.
fn digests_of(mut found: Vec<Found>) -> Result<Vec<FileEntry>, GatherError> {
    // The largest first, so that nobody is left alone with it at the end.
    found.sort_by_key(|file| Reverse(file.size));
    let next = AtomicUsize::new(0);
    let take = || -> Result<Vec<FileEntry>, GatherError> {
        let mut taken = Vec::new();
        while let Some(file) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            let entry = digest_of(&file.file, &file.path);
            if entry.is_err() {
                // Nobody needs the others any more.
                next.store(found.len(), Ordering::Relaxed);
            }
            taken.push(entry?);
        }
        Ok(taken)
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, |n| n.get().min(THREADS))
        .min(found.len());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut files = take()?;
        for other in others {
            let taken = other.join().map_err(|_| GatherError::Read {
                path: found.first().map(|f| f.file.clone()).unwrap_or_default(),
                source: io::Error::other("a thread broke off"),
            })?;
            files.extend(taken?);
        }
        Ok(files)
    })
}

fn digest_of(file: &Path, path: &str) -> Result<FileEntry, GatherError> {
    let failed = |source| GatherError::Read {
        path: file.into(),
        source,
    };
    let mut open = File::open(file).map_err(failed)?;
    let look = |open: &File| -> io::Result<(u64, Timestamp)> {
        let metadata = open.metadata()?;
        let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
        Ok((metadata.len(), modified))
    };
    let before = look(&open).map_err(failed)?;
    let (sha256, size) = Digest::of_reader(&mut open).map_err(failed)?;
    let after = look(&open).map_err(failed)?;
    if before != after || size != after.0 {
        return Err(GatherError::Changed { path: file.into() });
    }
    Ok(FileEntry {
        path: path.to_owned(),
        size,
        modified: after.1,
        sha256,
    })
}
