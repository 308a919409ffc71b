//! The archive: recordings in BBB's own layout, so that the official player can serve them.
//!
//! `published/<format>/<record id>/` as on a node, and `manifests/<format>/<record id>.json` for
//! what each holds. Room for unpacking is made in the same filesystem, so that taking in is a
//! rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use recording::durable::{self, UNFINISHED_PREFIX};
use recording::manifest::{FileEntry, MEMBER_NAME, content_digest};
use recording::{Digest, Manifest, PlaybackFormat, RecordId};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Where recordings are kept.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    root: PathBuf,
}

impl Archive {
    /// Opens the archive and makes its folders.
    pub(crate) fn open(root: &Path) -> io::Result<Archive> {
        for folder in ["published", "manifests"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(Archive { root: root.into() })
    }

    /// Removes what killed imports left. Only while no import runs.
    pub(crate) fn sweep(&self) -> io::Result<Vec<PathBuf>> {
        durable::remove_unfinished(&self.root)
    }

    /// The archive's own folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a recording lies in one format.
    pub(crate) fn folder(&self, id: &RecordId, format: &PlaybackFormat) -> PathBuf {
        self.root
            .join("published")
            .join(format.as_str())
            .join(id.as_str())
    }

    /// What the archive holds of a recording in one format, by its manifest.
    pub(crate) fn manifest(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
    ) -> io::Result<Option<Manifest>> {
        match fs::read(self.manifest_path(id, format)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
            Ok(json) => Manifest::parse(&json)
                .map(Some)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
        }
    }

    /// Whether the archive really holds this content: its manifest, and every file in its size. The
    /// ledger only remembers that it once did.
    pub(crate) fn is_sound(&self, id: &RecordId, format: &PlaybackFormat, digest: &Digest) -> bool {
        let held = self.manifest(id, format).ok().flatten();
        held.is_some_and(|held| held.digest == *digest && self.has_files_of(&held))
    }

    /// The content digest of what lies in the archive, by reading every file of its manifest; or, in
    /// one line, what is wrong with it.
    pub(crate) fn read_again(
        &self,
        id: &RecordId,
        format: &PlaybackFormat,
    ) -> io::Result<Result<Digest, String>> {
        let manifest = match self.manifest(id, format) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(Err("its manifest is gone".to_owned())),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Ok(Err("its manifest cannot be read".to_owned()));
            }
            Err(e) => return Err(e),
        };
        let published = self.root.join("published");
        let mut found = Vec::with_capacity(manifest.files.len());
        for file in &manifest.files {
            match check(&published, file)? {
                Ok(sha256) => found.push(FileEntry {
                    sha256,
                    ..file.clone()
                }),
                Err(why) => return Ok(Err(format!("{} {why}", file.path))),
            }
        }
        let digest = content_digest(&found);
        Ok(match digest == manifest.digest {
            true => Ok(digest),
            false => Err("its manifest contradicts itself".to_owned()),
        })
    }

    fn has_files_of(&self, manifest: &Manifest) -> bool {
        let published = self.root.join("published");
        manifest.files.iter().all(|file| {
            fs::symlink_metadata(published.join(&file.path))
                .is_ok_and(|found| found.is_file() && found.len() == file.size)
        })
    }

    fn manifest_path(&self, id: &RecordId, format: &PlaybackFormat) -> PathBuf {
        self.root
            .join("manifests")
            .join(format.as_str())
            .join(format!("{id}.json"))
    }

    /// Where a package is unpacked.
    pub(super) fn room(&self, package: &str) -> PathBuf {
        // A package's id may be a file's name; its digest is always a plain name.
        let name = Digest::of(package.as_bytes());
        self.root.join(format!("{UNFINISHED_PREFIX}{name}"))
    }

    /// Makes an empty folder to unpack into.
    pub(super) fn make_room(&self, room: &Path) -> io::Result<()> {
        self.clear_room(room)?;
        fs::create_dir(room)
    }

    pub(super) fn clear_room(&self, room: &Path) -> io::Result<()> {
        match fs::remove_dir_all(room) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Puts an unpacked recording into its place. Content that is there already changes nothing.
    /// An older version does not replace a later one: it is kept in `overtaken/`, because a node's
    /// clock may have been wrong, and `false` is given.
    ///
    /// Two versions of a recording must not be taken in at once.
    pub(super) fn take_in(&self, room: &Path, manifest: &Manifest) -> io::Result<bool> {
        let (id, format) = (&manifest.record_id, &manifest.format);
        let place = self.folder(id, format);
        let unpacked = room.join(format.as_str()).join(id.as_str());
        let held = match self.manifest(id, format) {
            // What cannot be read any more is written anew.
            Err(e) if e.kind() == io::ErrorKind::InvalidData => None,
            other => other?,
        };
        if let Some(held) = held.filter(|_| place.is_dir()) {
            // Sent again: that may be because bits have turned here, so every byte is read.
            let is_whole = || matches!(self.read_again(id, format), Ok(Ok(_)));
            if held.digest == manifest.digest && is_whole() {
                // Published again as it was: what came before that is older now.
                if held.published_at < manifest.published_at {
                    durable::write(&self.manifest_path(id, format), &manifest.to_json()?)?;
                }
                return Ok(true);
            }
            // A damaged copy gives way to a good one.
            if held.digest != manifest.digest && held.published_at > manifest.published_at {
                self.keep_overtaken(&unpacked, manifest)?;
                return Ok(false);
            }
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
            durable::sync_directory(&self.root.join("published"))?;
        }
        if place.is_dir() {
            // Both change places at once: there is no instant without a recording in the archive.
            renameat_with(CWD, &unpacked, CWD, &place, RenameFlags::EXCHANGE)?;
            place.parent().map_or(Ok(()), durable::sync_directory)?;
        } else {
            durable::rename(&unpacked, &place)?;
        }
        let path = self.manifest_path(id, format);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            durable::sync_directory(&self.root.join("manifests"))?;
        }
        durable::write(&path, &manifest.to_json()?)?;
        Ok(true)
    }

    fn keep_overtaken(&self, unpacked: &Path, manifest: &Manifest) -> io::Result<()> {
        let folder = self.root.join("overtaken").join(manifest.format.as_str());
        fs::create_dir_all(&folder)?;
        let place = folder.join(format!("{}-{}", manifest.record_id, manifest.digest));
        if place.is_dir() {
            Ok(())
        } else {
            durable::rename(unpacked, &place)
        }
    }

    /// Makes sure that the archive can be written, by writing, renaming and removing.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let path = self.root.join(MEMBER_NAME);
        durable::write(&path, b"{}\n")?;
        fs::remove_file(path)
    }
}

/// Reads one file of a manifest; gives its digest, or how it differs.
fn check(published: &Path, file: &FileEntry) -> io::Result<Result<Digest, &'static str>> {
    let path = published.join(&file.path);
    let metadata = match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Err("is gone")),
        other => other?,
    };
    if !metadata.is_file() || metadata.len() != file.size {
        return Ok(Err("has another size"));
    }
    let (sha256, _) = Digest::of_reader(&mut File::open(&path)?)?;
    Ok(match sha256 == file.sha256 {
        true => Ok(sha256),
        false => Err("has another content"),
    })
}
