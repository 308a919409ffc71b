//! The archive: every file of every manifest, and what lies there besides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use recording::manifest::FileEntry;
use recording::{Digest, PlaybackFormat, RecordId};
use walkdir::WalkDir;

use super::{Difference, Kind, Place};
use crate::config::Config;
use crate::import::Archive;
use crate::ledger::{Ledger, Recording};

/// Files of one recording that are named; of the rest only their number is told.
const NAMED: usize = 5;

pub(super) async fn compare(
    config: &Config,
    ledger: &Ledger,
    recordings: &[Recording],
    deep: bool,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    let archive = Archive::open(&config.archive_dir)?;
    let damages = ledger.damages(None).await?;
    for recording in recordings {
        let id = &recording.record_id;
        for (format, digest, _) in ledger.formats(id).await? {
            let mut found = look(&archive, id, &format, &digest, deep).await?;
            let mut wrong = wrong_in(&found);
            if wrong.is_some() {
                // A new version may just have been taken in.
                found = look(&archive, id, &format, &digest, deep).await?;
                wrong = wrong_in(&found);
            }
            let known = damages
                .iter()
                .find(|known| known.record_id == *id && known.format == format);
            match (wrong, known) {
                (Some(why), _) => ledger.note_damaged(id, &format, &digest, &why).await?,
                (None, Some(_)) if deep => ledger.note_whole(id, &format, &digest).await?,
                (None, Some(known)) => found.push(Difference {
                    record_id: Some(id.clone()),
                    format: Some(format),
                    node: None,
                    place: Place::Archive,
                    kind: Kind::Changed,
                    text: format!(
                        "found damaged at {:.0}, and has not come again: {}; --deep looks again",
                        known.since, known.why
                    ),
                }),
                (None, None) => {}
            }
            out.extend(found);
        }
    }
    Ok(())
}

async fn look(
    archive: &Archive,
    id: &RecordId,
    format: &PlaybackFormat,
    digest: &Digest,
    deep: bool,
) -> anyhow::Result<Vec<Difference>> {
    let (archive, id, format, digest) = (archive.clone(), id.clone(), format.clone(), *digest);
    let look = move || one(&archive, &id, &format, &digest, deep);
    Ok(tokio::task::spawn_blocking(look).await??)
}

/// What makes a copy another content than the one that came, in one line; a file too many does not.
fn wrong_in(found: &[Difference]) -> Option<String> {
    let wrong = found
        .iter()
        .filter(|difference| difference.kind != Kind::Extra)
        .map(|difference| format!("{}: {}", difference.kind.as_str(), difference.text));
    let wrong: Vec<_> = wrong.collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// Compares one format of a recording with its manifest, and that with the ledger.
fn one(
    archive: &Archive,
    id: &RecordId,
    format: &PlaybackFormat,
    digest: &Digest,
    deep: bool,
) -> io::Result<Vec<Difference>> {
    let differs = |kind, text: String| Difference {
        record_id: Some(id.clone()),
        format: Some(format.clone()),
        node: None,
        place: Place::Archive,
        kind,
        text,
    };
    let folder = archive.folder(id, format);
    if !folder.is_dir() {
        let text = format!("{} is not there", folder.display());
        return Ok(vec![differs(Kind::Missing, text)]);
    }
    let manifest = match archive.manifest(id, format) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            return Ok(vec![differs(
                Kind::Missing,
                "its manifest is not there".into(),
            )]);
        }
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            let text = format!("its manifest cannot be read: {e}");
            return Ok(vec![differs(Kind::Changed, text)]);
        }
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    if manifest.digest != *digest {
        let text = format!("the ledger says {digest}, the manifest {}", manifest.digest);
        found.push(differs(Kind::Changed, text));
    }
    let mut wrong: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    let root = archive.root().join("published");
    for file in &manifest.files {
        if let Some(kind) = check(&root, file, deep)? {
            wrong.entry(kind).or_default().push(file.path.clone());
        }
    }
    let listed: BTreeSet<&str> = manifest.files.iter().map(|f| f.path.as_str()).collect();
    for entry in WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path().strip_prefix(&root).unwrap_or(entry.path());
        let path = path.to_string_lossy();
        if !entry.file_type().is_dir() && !listed.contains(&*path) {
            wrong
                .entry(Kind::Extra)
                .or_default()
                .push(path.into_owned());
        }
    }
    for (kind, paths) in wrong {
        let mut text = paths
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if paths.len() > NAMED {
            text += &format!(" and {} more", paths.len() - NAMED);
        }
        found.push(differs(kind, text));
    }
    Ok(found)
}

fn check(root: &Path, file: &FileEntry, deep: bool) -> io::Result<Option<Kind>> {
    let path = root.join(&file.path);
    let metadata = match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(Kind::Missing)),
        other => other?,
    };
    if !metadata.is_file() || metadata.len() != file.size {
        return Ok(Some(Kind::Changed));
    }
    if deep && Digest::of_reader(&mut File::open(&path)?)?.0 != file.sha256 {
        return Ok(Some(Kind::Changed));
    }
    Ok(None)
}

/// Folders in the archive that the ledger does not know.
pub(super) async fn extra(
    config: &Config,
    ledger: &Ledger,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    let known = ledger.all_formats().await?;
    let published = config.archive_dir.join("published");
    for entry in WalkDir::new(&published).min_depth(2).max_depth(2) {
        let entry = entry?;
        let names = entry
            .path()
            .strip_prefix(&published)
            .unwrap_or(entry.path());
        let mut names = names.iter().map(|name| name.to_string_lossy());
        let (format, id) = (
            names.next().unwrap_or_default(),
            names.next().unwrap_or_default(),
        );
        if known.contains(&(id.to_string(), format.to_string())) {
            continue;
        }
        out.push(Difference {
            record_id: id.parse().ok(),
            format: format.parse().ok(),
            node: None,
            place: Place::Archive,
            kind: Kind::Extra,
            text: format!("{} is not known to the ledger", entry.path().display()),
        });
    }
    Ok(())
}
