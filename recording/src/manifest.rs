//! The manifest: what is in a package, with a digest per file, and what is known of the meeting.
//!
//! It is the first member of a package, `bbb2pod.json`. The receiver believes nothing else about
//! the content: a package is imported only when every file agrees with it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::events::Moderator;
use crate::metadata::Metadata;
use crate::names::{PlaybackFormat, RecordId};

/// Name of the manifest's member in a package.
pub const MEMBER_NAME: &str = "bbb2pod.json";
/// The version of the manifest that this program writes, and the only one it reads.
pub const SCHEMA: u32 = 1;
/// Largest manifest read, in bytes: room for about 100,000 files.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Longest name of a file or folder, in bytes, that Linux's file systems hold.
const MAX_NAME: usize = 255;
/// Longest path taken, in bytes; Linux takes 4096 together with the folder it lies in.
const MAX_PATH: usize = 3000;

/// What a package holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Digest of the content: the same files with the same bytes give the same digest, whenever
    /// and wherever they were packed; see [`content_digest`].
    pub digest: Digest,
    /// The recording.
    pub record_id: RecordId,
    /// The playback format.
    pub format: PlaybackFormat,
    /// Name of the BBB node it comes from.
    pub node: String,
    /// Version of the hook that made the package.
    pub hook_version: String,
    /// Version of BBB as `events.xml` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbb_version: Option<String>,
    /// When BBB called the hook for it.
    pub published_at: Timestamp,
    /// `metadata.xml` as data, so that nobody needs to unpack to know what this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Why `metadata` is absent, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_problem: Option<String>,
    /// Whether `events.xml` was there to read moderators from.
    pub events_seen: bool,
    /// Why `events.xml` could not be read to its end, when that was so: moderators may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_problem: Option<String>,
    /// Who moderated, from `events.xml`.
    #[serde(default)]
    pub moderators: Vec<Moderator>,
    /// Every file, in the order of the tar.
    pub files: Vec<FileEntry>,
    /// What lay in the recording's folder and was not taken, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The member's name: `<format>/<record id>/…` with `/` between parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Last change, to the nanosecond.
    pub modified: Timestamp,
    /// Digest of the content.
    pub sha256: Digest,
}

/// Something that cannot be part of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Where it lies, below the recording's folder.
    pub path: String,
    /// Why it was not taken.
    pub why: String,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON that was expected.
    #[error("{MEMBER_NAME}: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Written by another generation of the program.
    #[error(
        "{MEMBER_NAME}: schema {0} is not known to this version, which knows {SCHEMA}; upgrade the receiver before the hooks"
    )]
    Schema(u32),
    /// A file's path leads elsewhere than into the recording's own folder.
    #[error("{MEMBER_NAME}: file path \"{0}\" is not below {1}")]
    Path(String, String),
    /// There is nothing in it.
    #[error("{MEMBER_NAME}: no file is listed")]
    Empty,
    /// A path that no file system can hold beside the others.
    #[error("{MEMBER_NAME}: file path \"{0}\" {1}")]
    Impossible(String, &'static str),
    /// The same path twice.
    #[error("{MEMBER_NAME}: file path \"{0}\" is listed twice")]
    Twice(String),
    /// The content digest is not that of the files listed.
    #[error("{MEMBER_NAME}: digest {stated} is stated, but the files listed give {found}")]
    Digest {
        /// What the manifest says.
        stated: Digest,
        /// What its list of files gives.
        found: Digest,
    },
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// It is not JSON of the known schema, a path leads out of `<format>/<record id>/`, a path is
    /// listed twice, or its digest is not that of its list.
    pub fn parse(json: &[u8]) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = serde_json::from_slice(json)?;
        if manifest.schema != SCHEMA {
            return Err(ManifestError::Schema(manifest.schema));
        }
        if manifest.files.is_empty() {
            return Err(ManifestError::Empty);
        }
        let below = manifest.member_prefix();
        let mut seen = BTreeSet::new();
        for file in &manifest.files {
            let inside = file
                .path
                .strip_prefix(&below)
                .is_some_and(is_plain_relative);
            if !inside {
                return Err(ManifestError::Path(shown(&file.path), below));
            }
            if !seen.insert(file.path.as_str()) {
                return Err(ManifestError::Twice(shown(&file.path)));
            }
        }
        for path in &seen {
            if path.len() > MAX_PATH || path.split('/').any(|part| part.len() > MAX_NAME) {
                return Err(ManifestError::Impossible(shown(path), "is too long"));
            }
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if let Some(parent) = parents.into_iter().find(|parent| seen.contains(parent)) {
                return Err(ManifestError::Impossible(
                    shown(parent),
                    "is a file and a folder",
                ));
            }
        }
        let found = content_digest(&manifest.files);
        if found != manifest.digest {
            return Err(ManifestError::Digest {
                stated: manifest.digest,
                found,
            });
        }
        Ok(manifest)
    }

    /// The bytes of the manifest's member. The same manifest always gives the same bytes, so that
    /// an upload can go on after a restart.
    ///
    /// # Errors
    /// None in practice: every field has a JSON form.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// `<format>/<record id>/`, what every member's name begins with.
    #[must_use]
    pub fn member_prefix(&self) -> String {
        format!("{}/{}/", self.format, self.record_id)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn content_size(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

/// The digest of a list of files: SHA-256 over one line `<sha256>  <path>` each, sorted by path,
/// which is what `sha256sum` prints, so that an administrator can check it by hand.
#[must_use]
pub fn content_digest(files: &[FileEntry]) -> Digest {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hasher = Hasher::default();
    for file in sorted {
        hasher.update(format!("{}  {}\n", file.sha256, file.path).as_bytes());
    }
    hasher.finish()
}

/// Whether a text is a relative path without `.`, `..`, empty parts, backslashes or control characters.
#[must_use]
pub fn is_plain_relative(path: &str) -> bool {
    !path.is_empty()
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn shown(path: &str) -> String {
    path.chars()
        .take(120)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = |path: &&str| FileEntry {
            path: (*path).to_owned(),
            size: 1,
            modified: Timestamp::UNIX_EPOCH,
            sha256: Digest::of(path.as_bytes()),
        };
        let files: Vec<_> = paths.iter().map(entry).collect();
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

    #[test]
    fn what_is_written_is_read_again() {
        let m = manifest(&["video/r-1/b", "video/r-1/a"]);
        assert_eq!(Manifest::parse(&m.to_json().unwrap()).unwrap(), m);
    }

    #[test]
    fn the_digest_is_what_sha256sum_would_print() {
        let m = manifest(&["video/r-1/b", "video/r-1/a"]);
        let lines = format!(
            "{}  video/r-1/a\n{}  video/r-1/b\n",
            Digest::of(b"video/r-1/a"),
            Digest::of(b"video/r-1/b")
        );
        assert_eq!(m.digest, Digest::of(lines.as_bytes()));
    }

    #[test]
    fn evil_manifests_are_refused() {
        for (path, words) in [
            ("../x", "is not below"),
            ("video/r-1/../../x", "is not below"),
            ("/etc/passwd", "is not below"),
            ("video/r-1/", "is not below"),
            ("video/r-1/a//b", "is not below"),
            ("video/r-2/a", "is not below"),
            ("video/r-1/a\\b", "is not below"),
        ] {
            let said = Manifest::parse(&manifest(&[path]).to_json().unwrap())
                .unwrap_err()
                .to_string();
            assert!(said.contains(words), "{said}");
        }
        let twice = manifest(&["video/r-1/a", "video/r-1/a"]);
        assert!(
            Manifest::parse(&twice.to_json().unwrap())
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
        let mut lied = manifest(&["video/r-1/a"]);
        lied.digest = Digest::of(b"");
        assert!(Manifest::parse(&lied.to_json().unwrap()).is_err());
        let clash = manifest(&["video/r-1/a", "video/r-1/a/b"]);
        assert!(
            Manifest::parse(&clash.to_json().unwrap())
                .unwrap_err()
                .to_string()
                .contains("and a folder")
        );
        let long = manifest(&[&format!("video/r-1/{}", "n".repeat(300))]);
        assert!(
            Manifest::parse(&long.to_json().unwrap())
                .unwrap_err()
                .to_string()
                .contains("too long")
        );
        assert!(
            Manifest::parse(&manifest(&[]).to_json().unwrap())
                .unwrap_err()
                .to_string()
                .contains("no file")
        );
        let mut newer = manifest(&["video/r-1/a"]);
        newer.schema = 2;
        assert!(
            Manifest::parse(&newer.to_json().unwrap())
                .unwrap_err()
                .to_string()
                .contains("schema 2")
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
