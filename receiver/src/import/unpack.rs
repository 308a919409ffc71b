//! Unpacks a package into an empty folder, believing nothing that it says.
//!
//! Only plain files that the manifest lists are written, each once, below the folder given, and
//! each must have the size and digest listed. Anything else refuses the whole package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::path::Path;

use recording::Manifest;
use recording::digest::Hasher;
use recording::manifest::{self, FileEntry, MEMBER_NAME};

use super::plain::{self, Plain};

/// What a package may hold at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Files.
    pub(crate) members: u64,
    /// Bytes of one file.
    pub(crate) member_size: u64,
}

/// Why a package was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The package itself is to blame; trying again gives the same.
    #[error("{0}")]
    Refused(String),
    /// Reading it or writing the files failed: disk full, permissions, a failing disk.
    #[error("{what}: {source}")]
    Failed {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Largest name or attributes of a member, in bytes.
const MAX_EXTENSION: u64 = 64 * 1024;
/// Most characters of a name that an error shows.
const SHOWN: usize = 120;

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, UnpackError> {
    Err(UnpackError::Refused(why.into()))
}

/// What a package turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    /// One format with its manifest, every file of which was checked.
    Ours(Box<Manifest>),
    /// Published recordings without a manifest.
    Others(Plain),
}

/// Unpacks and checks everything; when this succeeds, all files have reached the disk.
///
/// # Errors
/// The package is refused, or the system failed; the folder may then hold some files.
pub(crate) fn unpack(tar: &Path, into: &Path, limits: Limits) -> Result<Content, UnpackError> {
    let failed = |source| UnpackError::Failed {
        what: format!("cannot open {}", tar.display()),
        source,
    };
    let mut file = File::open(tar).map_err(failed)?;
    let look = look_through(&file)?;
    file.rewind().map_err(failed)?;
    match look.first {
        None => refused("the package is empty"),
        Some(first) if first == MEMBER_NAME.as_bytes() => {
            unpack_ours(file, into, limits).map(|manifest| Content::Ours(Box::new(manifest)))
        }
        Some(_) => plain::unpack(tar, into, limits, look.end).map(Content::Others),
    }
}

fn unpack_ours(file: File, into: &Path, limits: Limits) -> Result<Manifest, UnpackError> {
    let failed = |what: &str, path: &Path, source| UnpackError::Failed {
        what: format!("cannot {what} {}", path.display()),
        source,
    };
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    let mut entries = archive.entries().map_err(|e| reading(&e))?;
    let manifest = match entries.next() {
        None => return refused("the package is empty"),
        Some(entry) => read_manifest(&mut entry.map_err(|e| reading(&e))?)?,
    };
    check_limits(&manifest, limits)?;
    let mut wanted: BTreeMap<&str, &FileEntry> = manifest
        .files
        .iter()
        .map(|f| (f.path.as_str(), f))
        .collect();
    let mut folders = BTreeSet::new();
    for entry in entries {
        let mut entry = entry.map_err(|e| reading(&e))?;
        let path = member_path(&entry)?;
        if entry.header().entry_type().is_dir() {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return refused(format!(
                "member \"{path}\" is a {}, not a plain file",
                kind(&entry)
            ));
        }
        let Some(listed) = wanted.remove(path.as_str()) else {
            let shown: String = path.chars().take(SHOWN).collect();
            return refused(format!(
                "member \"{shown}\" is not in the manifest, or is there twice"
            ));
        };
        if entry.size() != listed.size {
            return refused(format!(
                "member \"{path}\" has {} bytes, the manifest says {}",
                entry.size(),
                listed.size
            ));
        }
        let target = into.join(&listed.path);
        if let Some(folder) = target.parent().filter(|f| !folders.contains(*f)) {
            fs::create_dir_all(folder).map_err(|e| failed("make", folder, e))?;
            folders.insert(folder.to_owned());
        }
        let file = File::create_new(&target).map_err(|e| failed("write", &target, e))?;
        let failing = |source| failed("write", &target, source);
        let (size, modified) = (listed.size, listed.modified);
        let found = write(&mut entry, &file, &listed.path, size, modified, failing)?;
        if found != listed.sha256 {
            return refused(format!(
                "file \"{}\" has digest {found}, the manifest says {}",
                listed.path, listed.sha256
            ));
        }
    }
    if let Some(missing) = wanted.keys().next() {
        return refused(format!(
            "file \"{missing}\" of the manifest is not in the package ({} missing)",
            wanted.len()
        ));
    }
    recording::durable::sync_directories(into).map_err(|e| failed("sync", into, e))?;
    Ok(manifest)
}

/// What a first look at a tar tells.
struct Look {
    /// The first member's name.
    first: Option<Vec<u8>>,
    /// Where the last member ends.
    end: Option<u64>,
}

/// Looks through the headers, and refuses names and attributes that are larger than any real one:
/// the library reads those of the GNU and PAX extensions into memory as a whole.
fn look_through(tar: &File) -> Result<Look, UnpackError> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries_with_seek().map_err(|e| reading(&e))?;
    let mut look = Look {
        first: None,
        end: None,
    };
    for entry in entries.raw(true) {
        let entry = match entry {
            Ok(entry) => entry,
            // What is wrong here is found again when the members are read, by those it concerns.
            Err(_) if look.first.is_some() => break,
            Err(e) => return Err(reading(&e)),
        };
        let kind = entry.header().entry_type();
        let is_extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_extension && entry.size() > MAX_EXTENSION {
            return refused(format!(
                "a member's name or attributes have {} bytes, more than {MAX_EXTENSION}",
                entry.size()
            ));
        }
        look.first
            .get_or_insert_with(|| entry.path_bytes().into_owned());
        let padded = entry.size().div_ceil(512).saturating_mul(512);
        look.end = entry.raw_file_position().checked_add(padded);
    }
    Ok(look)
}

fn read_manifest(entry: &mut tar::Entry<'_, impl Read>) -> Result<Manifest, UnpackError> {
    let path = member_path(entry)?;
    if path != MEMBER_NAME || !entry.header().entry_type().is_file() {
        return refused(format!(
            "the first member is \"{path}\", not the manifest {MEMBER_NAME}"
        ));
    }
    if entry.size() > manifest::MAX_BYTES {
        return refused(format!(
            "the manifest has {} bytes, more than {}",
            entry.size(),
            manifest::MAX_BYTES
        ));
    }
    let mut json = Vec::new();
    entry.read_to_end(&mut json).map_err(|e| reading(&e))?;
    Manifest::parse(&json).or_else(|e| refused(e.to_string()))
}

fn check_limits(manifest: &Manifest, limits: Limits) -> Result<(), UnpackError> {
    if manifest.files.len() as u64 > limits.members {
        return refused(format!(
            "it has {} files, more than import.max_members ({})",
            manifest.files.len(),
            limits.members
        ));
    }
    match manifest.files.iter().find(|f| f.size > limits.member_size) {
        Some(file) => refused(format!(
            "file \"{}\" has {} bytes, more than import.max_member_size ({})",
            file.path, file.size, limits.member_size
        )),
        None => Ok(()),
    }
}

/// A member's name as text; it is compared with the manifest's paths, which have been checked.
pub(super) fn member_path(entry: &tar::Entry<'_, impl Read>) -> Result<String, UnpackError> {
    let bytes = entry.path_bytes();
    match std::str::from_utf8(&bytes) {
        Ok(path) if !path.chars().any(char::is_control) => Ok(path.to_owned()),
        _ => {
            let shown: String = bytes.escape_ascii().take(SHOWN).map(char::from).collect();
            refused(format!(
                "member \"{shown}\" has a name that is not plain text"
            ))
        }
    }
}

pub(super) fn kind(entry: &tar::Entry<'_, impl Read>) -> &'static str {
    let kind = entry.header().entry_type();
    if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_hard_link() {
        "hard link"
    } else if kind.is_block_special() || kind.is_character_special() {
        "device"
    } else if kind.is_fifo() {
        "named pipe"
    } else {
        "special member"
    }
}

/// Writes one member's bytes and its time, down to the disk; gives their digest.
pub(super) fn write(
    entry: &mut impl Read,
    mut file: &File,
    path: &str,
    size: u64,
    modified: jiff::Timestamp,
    failed: impl Fn(io::Error) -> UnpackError,
) -> Result<recording::Digest, UnpackError> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    let mut left = size;
    while left > 0 {
        let n = match entry.read(&mut buffer) {
            Ok(0) => return refused(format!("the package ends within \"{path}\"")),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(reading(&e)),
        };
        hasher.update(&buffer[..n]);
        file.write_all(&buffer[..n]).map_err(&failed)?;
        left = left.saturating_sub(n as u64);
    }
    file.set_modified(modified.into()).map_err(&failed)?;
    file.sync_all().map_err(&failed)?;
    Ok(hasher.finish())
}

/// Tells a tar that is wrong from a disk that fails: only the system's own errors have a number.
pub(super) fn reading(error: &io::Error) -> UnpackError {
    match error.raw_os_error() {
        Some(code) => UnpackError::Failed {
            what: "cannot read the package".to_owned(),
            source: io::Error::from_raw_os_error(code),
        },
        None => {
            // What the library says may hold any bytes of the tar.
            let said = error.to_string();
            let said: String = said
                .chars()
                .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
                .take(SHOWN)
                .collect();
            UnpackError::Refused(format!("the tar is damaged or ends early: {said}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use recording::manifest::{SCHEMA, content_digest};
    use recording::{Digest, Package};
    use tar::{EntryType, Header};

    const LIMITS: Limits = Limits {
        members: 10,
        member_size: 1000,
    };

    fn manifest_of(files: &[(&str, &[u8])]) -> Manifest {
        let entry = |(path, content): &(&str, &[u8])| FileEntry {
            path: format!("video/r-1/{path}"),
            size: content.len() as u64,
            modified: Timestamp::from_second(1_500_000_000).unwrap(),
            sha256: Digest::of(content),
        };
        let files: Vec<_> = files.iter().map(entry).collect();
        Manifest {
            schema: SCHEMA,
            digest: content_digest(&files),
            record_id: "r-1".parse().unwrap(),
            format: "video".parse().unwrap(),
            node: "n".into(),
            hook_version: "0".into(),
            bbb_version: None,
            published_at: Timestamp::UNIX_EPOCH,
            metadata: None,
            metadata_problem: None,
            events_seen: false,
            events_problem: None,
            moderators: vec![],
            files,
            left_out: vec![],
        }
    }

    struct Tar(tar::Builder<Vec<u8>>);

    impl Tar {
        fn new(manifest: &Manifest) -> Tar {
            Tar(tar::Builder::new(Vec::new())).file(MEMBER_NAME, &manifest.to_json().unwrap())
        }

        fn file(mut self, name: &str, content: &[u8]) -> Tar {
            self = self.member(EntryType::Regular, name, content);
            self
        }

        fn member(mut self, kind: EntryType, name: &str, content: &[u8]) -> Tar {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if !kind.is_file() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            self.0.append(&header, content).unwrap();
            self
        }

        fn unpack(self) -> (tempfile::TempDir, Result<Manifest, UnpackError>) {
            unpack_bytes(&self.0.into_inner().unwrap())
        }
    }

    fn unpack_bytes(tar: &[u8]) -> (tempfile::TempDir, Result<Manifest, UnpackError>) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("p.tar"), tar).unwrap();
        fs::create_dir(dir.path().join("into")).unwrap();
        let result = unpack(&dir.path().join("p.tar"), &dir.path().join("into"), LIMITS);
        let result = result.map(|content| match content {
            Content::Ours(manifest) => *manifest,
            Content::Others(others) => panic!("no manifest: {others:?}"),
        });
        (dir, result)
    }

    #[test]
    fn a_good_package_is_unpacked_with_its_times() {
        let manifest = manifest_of(&[("a", b"one"), ("b/c", b"")]);
        let tar = Tar::new(&manifest).member(EntryType::Directory, "video/r-1/", b"");
        let (dir, result) = tar
            .file("video/r-1/a", b"one")
            .file("video/r-1/b/c", b"")
            .unpack();
        assert_eq!(result.unwrap(), manifest);
        let a = dir.path().join("into/video/r-1/a");
        assert_eq!(fs::read(&a).unwrap(), b"one");
        let modified = Timestamp::try_from(fs::metadata(&a).unwrap().modified().unwrap()).unwrap();
        assert_eq!(modified, manifest.files[0].modified);
        assert!(dir.path().join("into/video/r-1/b/c").exists());
    }

    #[test]
    fn evil_and_damaged_packages_are_refused() {
        let good = manifest_of(&[("a", b"one")]);
        let with = |f: fn(Tar) -> Tar| f(Tar::new(&good));
        let cases: Vec<(Tar, &str)> = vec![
            (with(|t| t.file("video/r-1/a", b"two")), "has digest"),
            (
                with(|t| t.file("video/r-1/a", b"longer")),
                "has 6 bytes, the manifest says 3",
            ),
            (with(|t| t), "is not in the package"),
            (
                with(|t| t.file("video/r-1/a", b"one").file("video/r-1/a", b"one")),
                "or is there twice",
            ),
            (
                with(|t| t.file("../../../tmp/evil", b"x")),
                "is not in the manifest",
            ),
            (
                with(|t| t.file("/etc/cron.d/evil", b"x")),
                "is not in the manifest",
            ),
            (
                with(|t| t.member(EntryType::Symlink, "video/r-1/a", b"")),
                "symbolic link",
            ),
            (
                with(|t| t.member(EntryType::Link, "video/r-1/a", b"")),
                "hard link",
            ),
            (
                with(|t| t.member(EntryType::Block, "video/r-1/a", b"")),
                "device",
            ),
            (
                with(|t| t.member(EntryType::Fifo, "video/r-1/a", b"")),
                "named pipe",
            ),
            (with(|t| t.file("video/r-1/a\n", b"one")), "not plain text"),
            (Tar(tar::Builder::new(Vec::new())), "is empty"),
            (
                Tar(tar::Builder::new(Vec::new())).file(MEMBER_NAME, b"{}"),
                "bbb2pod.json: missing field",
            ),
        ];
        for (tar, words) in cases {
            let (dir, result) = tar.unpack();
            let said = match result.unwrap_err() {
                UnpackError::Refused(said) => said,
                other @ UnpackError::Failed { .. } => panic!("{other}"),
            };
            assert!(said.contains(words), "{said}");
            assert!(!dir.path().join("tmp").exists());
        }
    }

    #[test]
    fn too_much_is_refused() {
        let many: Vec<_> = (0..11).map(|i| i.to_string()).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|n| (n.as_str(), &b""[..])).collect();
        let (_, result) = Tar::new(&manifest_of(&many)).unpack();
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("import.max_members")
        );
        let (_, result) = Tar::new(&manifest_of(&[("a", &[0; 1001])])).unpack();
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("import.max_member_size")
        );
    }

    #[test]
    fn endless_names_are_refused_without_being_read() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_path("././@LongLink").unwrap();
        header.set_size(3 << 30);
        header.set_cksum();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.tar");
        fs::write(&path, header.as_bytes()).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(4 << 30)
            .unwrap();
        let error = unpack(&path, dir.path(), LIMITS).unwrap_err();
        assert!(error.to_string().contains("name or attributes"), "{error}");
    }

    #[test]
    fn any_truncation_is_refused() {
        let manifest = manifest_of(&[("a", b"one"), ("b", &[1; 700])]);
        let tar = Tar::new(&manifest)
            .file("video/r-1/a", b"one")
            .file("video/r-1/b", &[1; 700]);
        let bytes = tar.0.into_inner().unwrap();
        // Beyond the last content there are only zeros.
        for cut in (0..bytes.len() - 1024 - 324).step_by(97) {
            let (_, result) = unpack_bytes(&bytes[..cut]);
            assert!(
                matches!(result, Err(UnpackError::Refused(_))),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn what_the_hook_makes_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("video/r-1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("metadata.xml"),
            "<recording><id>r-1</id></recording>",
        )
        .unwrap();
        fs::write(folder.join("n".repeat(150)), b"long").unwrap();
        let about = recording::package::About {
            record_id: "r-1".parse().unwrap(),
            format: "video".parse().unwrap(),
            node: "n".into(),
            hook_version: "0".into(),
            published_at: Timestamp::UNIX_EPOCH,
            events_xml: None,
        };
        let manifest = recording::package::gather(dir.path(), &about).unwrap();
        let mut bytes = Vec::new();
        Package::new(dir.path(), manifest.clone())
            .unwrap()
            .reader(0)
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(unpack_bytes(&bytes).1.unwrap(), manifest);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_damaged_byte_never_panics_or_escapes(at in 0usize..4000, value in any::<u8>()) {
            let manifest = manifest_of(&[("a", b"one")]);
            let mut bytes = Tar::new(&manifest).file("video/r-1/a", b"one").0.into_inner().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let (dir, result) = unpack_bytes(&bytes);
            if result.is_ok() {
                prop_assert_eq!(fs::read(dir.path().join("into/video/r-1/a")).unwrap(), b"one");
            }
        }
    }
}
