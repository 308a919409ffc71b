//! Uploads on disk.
//!
//! Three files each in `incoming/`: `<id>.json` (what was announced), `<id>.part` (the bytes) and
//! `<id>.offset` (how many of them count). The offset is written after the bytes, and bytes beyond
//! it are cut off before anything is added: so a chunk that was killed in the middle, or did not
//! have its checksum, never happened.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use recording::{Digest, PlaybackFormat, RecordId, durable};
use serde::{Deserialize, Serialize};

/// Whether a text has the form of an upload's id; anything else cannot name a file.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The folder in the spool for uploads under way.
pub(crate) const INCOMING: &str = "incoming";

/// How long parts are kept that have become part of another upload.
const JOINED_KEPT: Duration = Duration::from_secs(3600);

/// Where uploads lie.
#[derive(Clone, Debug)]
pub(super) struct Store {
    incoming: PathBuf,
    spool: PathBuf,
    expire_after: Duration,
}

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    /// Random, unguessable.
    pub(super) id: String,
    /// The node whose token created it.
    pub(super) node: String,
    /// Bytes in all; `None` while its sender has not said.
    pub(super) length: Option<u64>,
    /// `Upload-Metadata` as it came.
    pub(super) metadata: String,
    /// The recording announced.
    pub(super) record_id: Option<RecordId>,
    /// The format announced.
    pub(super) format: Option<PlaybackFormat>,
    /// The content digest announced.
    pub(super) digest: Option<Digest>,
    /// Whether all bytes came and the package went to the spool.
    pub(super) complete: bool,
    /// Whether it is a package of its own.
    #[serde(default)]
    pub(super) kind: Kind,
    /// Whether it has become part of another upload.
    #[serde(default)]
    pub(super) joined: bool,
}

/// What an upload is with regard to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A package.
    #[default]
    Whole,
    /// A part of one.
    Partial,
    /// A package made of parts; the text is its `Upload-Concat`.
    Final(String),
}

impl Upload {
    /// The name its package gets in the spool: readable, and unlike any other.
    pub(super) fn spool_file(&self) -> String {
        match (&self.record_id, &self.format) {
            (Some(record_id), Some(format)) => format!("{record_id}-{format}~{}.tar", self.id),
            _ => format!("upload~{}.tar", self.id),
        }
    }
}

impl Store {
    pub(super) fn new(spool: &Path, expire_after: Duration) -> io::Result<Store> {
        let incoming = spool.join(INCOMING);
        fs::create_dir_all(&incoming)?;
        Ok(Store {
            incoming,
            spool: spool.into(),
            expire_after,
        })
    }

    fn path(&self, id: &str, kind: &str) -> PathBuf {
        self.incoming.join(format!("{id}.{kind}"))
    }

    /// Makes an upload of which no byte has come.
    pub(super) fn create(&self, upload: &Upload) -> io::Result<()> {
        File::create_new(self.path(&upload.id, "part"))?.sync_all()?;
        self.begin_at(upload, 0)
    }

    /// Makes an upload out of the bytes of others, in their order. These stay for a while: whoever
    /// does not hear of it will ask for the same again.
    pub(super) fn join(&self, parts: &[Upload], whole: &Upload) -> io::Result<()> {
        let target = self.path(&whole.id, "part");
        let copied = self.copy(parts, &target);
        if copied.is_err() {
            remove(&target)?;
        }
        self.begin_at(whole, copied?)?;
        for part in parts {
            let mut part = part.clone();
            part.joined = true;
            self.save(&part)?;
        }
        Ok(())
    }

    /// Where the file system can, the bytes are shared and not copied.
    fn copy(&self, parts: &[Upload], target: &Path) -> io::Result<u64> {
        let mut file = File::create_new(target)?;
        let mut bytes = 0;
        for part in parts {
            let length = part.length.unwrap_or(0);
            let source = File::open(self.path(&part.id, "part"))?;
            let copied = io::copy(&mut source.take(length), &mut file)?;
            if copied != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes += copied;
        }
        file.sync_all()?;
        Ok(bytes)
    }

    fn begin_at(&self, upload: &Upload, at: u64) -> io::Result<()> {
        let offset = File::create_new(self.path(&upload.id, "offset"))?;
        offset.write_all_at(&at.to_le_bytes(), 0)?;
        offset.sync_all()?;
        self.save(upload)
    }

    /// Writes down what is known of an upload.
    pub(super) fn save(&self, upload: &Upload) -> io::Result<()> {
        durable::write(&self.path(&upload.id, "json"), &serde_json::to_vec(upload)?)
    }

    /// An upload by its id; `None` when there is none, or it has expired.
    pub(super) fn find(&self, id: &str) -> io::Result<Option<Upload>> {
        if !is_id(id) {
            return Ok(None);
        }
        let json = match fs::read(self.path(id, "json")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let upload: Upload = serde_json::from_slice(&json)?;
        if self
            .expires(&upload)?
            .is_none_or(|at| at <= SystemTime::now())
        {
            return Ok(None);
        }
        Ok(Some(upload))
    }

    /// When an upload that does not go on is forgotten.
    pub(super) fn expires(&self, upload: &Upload) -> io::Result<Option<SystemTime>> {
        let (kept, kinds) = match upload.joined {
            true => (self.expire_after.min(JOINED_KEPT), ["json", "offset"]),
            false => (self.expire_after, ["offset", "json"]),
        };
        let touched = kinds
            .iter()
            .find_map(|kind| fs::metadata(self.path(&upload.id, kind)).ok());
        touched
            .map(|metadata| Ok(metadata.modified()? + kept))
            .transpose()
    }

    /// How many bytes count.
    pub(super) fn offset(&self, upload: &Upload) -> io::Result<u64> {
        if let (true, Some(length)) = (upload.complete, upload.length) {
            return Ok(length);
        }
        let mut bytes = [0; 8];
        File::open(self.path(&upload.id, "offset"))?.read_exact_at(&mut bytes, 0)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Opens an upload for adding bytes at its offset.
    pub(super) fn append(&self, upload: &Upload) -> io::Result<Append> {
        let part = OpenOptions::new()
            .write(true)
            .open(self.path(&upload.id, "part"))?;
        let offset = OpenOptions::new()
            .write(true)
            .open(self.path(&upload.id, "offset"))?;
        let committed = self.offset(upload)?;
        part.set_len(committed)?;
        let mut append = Append {
            part,
            offset,
            length: upload.length,
            committed,
            written: committed,
            begun: committed,
        };
        append.seek()?;
        Ok(append)
    }

    /// Moves a complete upload's bytes into the spool, where import finds them. May be called again.
    pub(super) fn finish(&self, upload: &mut Upload) -> io::Result<()> {
        let part = self.path(&upload.id, "part");
        if part.exists() {
            durable::rename(&part, &self.spool.join(upload.spool_file()))?;
        }
        upload.complete = true;
        self.save(upload)?;
        remove(&self.path(&upload.id, "offset"))
    }

    /// Forgets an upload.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        for kind in ["json", "part", "offset"] {
            remove(&self.path(id, kind))?;
        }
        durable::sync_directory(&self.incoming)
    }

    /// All uploads, and the removal of what has expired or was never completely created.
    ///
    /// Returns those that still stand. With `at_start`, nobody else is at work, and leftovers of a
    /// killed process go too.
    pub(super) fn sweep(&self, at_start: bool) -> io::Result<Vec<Upload>> {
        let mut standing = Vec::new();
        for entry in fs::read_dir(&self.incoming)? {
            let path = entry?.path();
            let (Some(id), Some(kind)) =
                (path.file_stem().and_then(|s| s.to_str()), path.extension())
            else {
                continue;
            };
            // What does not have one of our names is somebody else's.
            if !is_id(id) {
                continue;
            }
            let left = match kind.to_str() {
                Some("json") => match self.find(id) {
                    Ok(Some(upload)) => {
                        standing.push(upload);
                        Ok(())
                    }
                    Ok(None) => self.remove(id),
                    Err(error) => Err(error),
                },
                Some("part" | "offset") if at_start && !self.path(id, "json").exists() => {
                    remove(&path)
                }
                _ => Ok(()),
            };
            if let Err(error) = left {
                let path = path.display();
                tracing::warn!(%path, %error, "an upload cannot be read; it is left alone");
            }
        }
        if at_start {
            durable::remove_unfinished(&self.incoming)?;
        }
        Ok(standing)
    }

    /// Bytes free for uploads on the spool's filesystem.
    pub(super) fn free(&self) -> io::Result<u64> {
        free(&self.spool)
    }
}

/// Bytes free on the filesystem of a spool.
pub(crate) fn free(spool: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(spool)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The bytes that have come of each upload under way.
pub(crate) fn under_way(spool: &Path) -> io::Result<Vec<u64>> {
    let parts = files_in(&spool.join(INCOMING), "part")?;
    parts
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| Ok(metadata.len()))
        .collect()
}

/// How many uploads of each node are under way.
pub(crate) fn under_way_by_node(spool: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for part in files_in(&spool.join(INCOMING), "part")? {
        // What vanishes or cannot be read meanwhile is not under way.
        let announced = fs::read(part.with_extension("json")).unwrap_or_default();
        if let Ok(upload) = serde_json::from_slice::<Upload>(&announced) {
            *counts.entry(upload.node).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The packages that could not be imported.
pub(crate) fn rejected(spool: &Path) -> io::Result<Vec<PathBuf>> {
    files_in(&spool.join(crate::import::REJECTED), "tar")
}

fn files_in(folder: &Path, kind: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
    Ok(found)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// After so many bytes the system is asked to begin writing them to the disk.
const WRITE_BACK_EVERY: u64 = 4 * 1024 * 1024;

/// An upload being added to.
#[derive(Debug)]
pub(super) struct Append {
    part: File,
    offset: File,
    length: Option<u64>,
    committed: u64,
    written: u64,
    /// Up to here the system has been asked to begin writing.
    begun: u64,
}

impl Append {
    /// Bytes that count.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Bytes written so far, counted or not.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes that do not count yet.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.part.write_all(bytes)?;
        self.written += bytes.len() as u64;
        // The disk works while bytes come in, instead of all at once when they are to be
        // committed: this advice makes Linux begin with what is dirty. That it may be refused
        // does not matter.
        if self.written - self.begun >= WRITE_BACK_EVERY {
            let length = NonZeroU64::new(self.written - self.begun);
            rustix::fs::fadvise(&self.part, self.begun, length, rustix::fs::Advice::DontNeed).ok();
            self.begun = self.written;
            // What goes on does not expire, however long one request takes.
            self.offset.set_modified(SystemTime::now())?;
        }
        Ok(())
    }

    /// Makes the bytes written count.
    ///
    /// The disk is waited for when they are the last: then the sender is told that all is there.
    /// Before that, waiting would only slow it down. Should the power fail meanwhile, the offset
    /// may promise bytes that were lost; import then finds that digests do not hold and has the
    /// package sent again by a node, which keeps everything until it is archived.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.written > self.committed {
            let is_all = self.length == Some(self.written);
            if is_all {
                self.part.sync_data()?;
            }
            self.offset.write_all_at(&self.written.to_le_bytes(), 0)?;
            if is_all {
                self.offset.sync_data()?;
            }
            self.committed = self.written;
        }
        Ok(())
    }

    /// Drops the bytes that do not count.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        self.part.set_len(self.committed)?;
        self.written = self.committed;
        self.begun = self.committed;
        self.seek()
    }

    fn seek(&mut self) -> io::Result<()> {
        io::Seek::seek(&mut self.part, io::SeekFrom::Start(self.committed)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload() -> Upload {
        Upload {
            id: "0123456789abcdef0123456789abcdef".into(),
            node: "bbb1".into(),
            length: Some(10),
            metadata: String::new(),
            record_id: Some("r-1".parse().unwrap()),
            format: Some("video".parse().unwrap()),
            digest: None,
            complete: false,
            kind: Kind::Whole,
            joined: false,
        }
    }

    #[test]
    fn parts_are_joined_and_kept_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Duration::from_secs(60)).unwrap();
        let id = |n: char| "0123456789abcdef0123456789abcde".to_owned() + &n.to_string();
        let part = |n: char, bytes: &[u8]| {
            let part = Upload {
                id: id(n),
                length: Some(bytes.len() as u64),
                kind: Kind::Partial,
                ..upload()
            };
            store.create(&part).unwrap();
            let mut append = store.append(&part).unwrap();
            append.write(bytes).unwrap();
            append.commit().unwrap();
            part
        };
        let parts = [part('1', b"one"), part('2', b""), part('3', b"three")];
        let mut whole = Upload {
            id: id('f'),
            length: Some(8),
            kind: Kind::Final("final;1 2 3".into()),
            ..upload()
        };
        store.join(&parts, &whole).unwrap();
        assert_eq!(store.offset(&whole).unwrap(), 8);
        store.finish(&mut whole).unwrap();
        let spooled = fs::read(dir.path().join(whole.spool_file())).unwrap();
        assert_eq!(spooled, b"onethree");
        assert!(store.find(&id('1')).unwrap().unwrap().joined);
        fs::remove_file(
            dir.path()
                .join("incoming")
                .join(format!("{}.part", id('3'))),
        )
        .unwrap();
        let again = Upload {
            id: id('e'),
            ..whole
        };
        assert!(store.join(&parts, &again).is_err());
        assert_eq!(store.find(&id('e')).unwrap(), None, "nothing half-made");
    }

    #[test]
    fn only_what_is_committed_counts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Duration::from_secs(60)).unwrap();
        let mut upload = upload();
        store.create(&upload).unwrap();
        let mut append = store.append(&upload).unwrap();
        append.write(b"01234").unwrap();
        assert_eq!(store.offset(&upload).unwrap(), 0);
        append.commit().unwrap();
        append.write(b"xx").unwrap();
        drop(append);
        assert_eq!(store.offset(&upload).unwrap(), 5);
        let mut append = store.append(&upload).unwrap();
        append.write(b"yy").unwrap();
        append.discard().unwrap();
        append.write(b"56789").unwrap();
        append.commit().unwrap();
        store.finish(&mut upload).unwrap();
        store.finish(&mut upload).unwrap();
        let package = dir
            .path()
            .join("r-1-video~0123456789abcdef0123456789abcdef.tar");
        assert_eq!(fs::read(package).unwrap(), b"0123456789");
        assert_eq!(
            store
                .offset(&store.find(&upload.id).unwrap().unwrap())
                .unwrap(),
            10
        );
    }

    #[test]
    fn what_was_never_created_or_has_expired_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Duration::from_secs(60)).unwrap();
        fs::write(
            dir.path()
                .join("incoming/ffffffffffffffffffffffffffffffff.part"),
            b"half",
        )
        .unwrap();
        store.create(&upload()).unwrap();
        assert_eq!(store.sweep(true).unwrap(), [upload()]);
        assert_eq!(
            fs::read_dir(dir.path().join("incoming")).unwrap().count(),
            3
        );
        let expired = Store::new(dir.path(), Duration::ZERO).unwrap();
        assert_eq!(expired.find(&upload().id).unwrap(), None);
        assert!(expired.sweep(false).unwrap().is_empty());
        assert_eq!(
            fs::read_dir(dir.path().join("incoming")).unwrap().count(),
            0
        );
    }

    #[test]
    fn strange_ids_name_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Duration::from_secs(60)).unwrap();
        for id in [
            "",
            "..",
            "../../etc/passwd",
            "0123456789abcdef0123456789abcdeg",
            "\0",
        ] {
            assert_eq!(store.find(id).unwrap(), None);
        }
    }
}
