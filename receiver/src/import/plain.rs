//! Packages of others: a tar of published recordings as they lie on a node, without a manifest.
//!
//! Scalelite's post-publish script puts all formats of a recording into one tar, PILOS' one format
//! into each. Nothing in such a tar says what ought to be in it, so a format counts as whole when
//! it has a readable `metadata.xml`, every one of its members was read to its end, and the tar
//! went on after it: with another format, or with the mark that ends every tar. What is wrong with
//! one format says nothing against the others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use jiff::Timestamp;
use recording::manifest::{LeftOut, is_plain_relative};
use recording::package::{About, GatherError, gather};
use recording::{Manifest, PlaybackFormat, RecordId, durable};

use super::unpack::{Limits, UnpackError, kind, member_path, reading, refused, write};

/// What the manifest says instead of a hook's version.
const PACKED_BY: &str = "plain tar";

/// What was found in a tar.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// Formats that are whole.
    pub(crate) good: Vec<Manifest>,
    /// What is not, with the reason.
    pub(crate) bad: Vec<Bad>,
}

/// Something that cannot be taken.
#[derive(Debug)]
pub(crate) struct Bad {
    /// The recording and format, when it is known.
    pub(crate) of: Option<(RecordId, PlaybackFormat)>,
    /// Why not.
    pub(crate) why: String,
}

/// One format of one recording, while it is being read.
#[derive(Debug, Default)]
struct Reading {
    left_out: Vec<LeftOut>,
    wrong: Option<String>,
}

type Key = (PlaybackFormat, RecordId);

/// Unpacks all that is good, and tells what is not.
///
/// # Errors
/// The system failed, or there is far too much; nothing can be said of the content then.
pub(super) fn unpack(
    tar: &Path,
    into: &Path,
    limits: Limits,
    end: Option<u64>,
) -> Result<Plain, UnpackError> {
    let failed = |source| UnpackError::Failed {
        what: format!("cannot read {}", tar.display()),
        source,
    };
    let file = File::open(tar).map_err(failed)?;
    let has_end = has_end_mark(&file, end).map_err(failed)?;
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(1 << 20, file));
    let mut formats: BTreeMap<Key, Reading> = BTreeMap::new();
    let mut bad = Vec::new();
    let mut last: Option<Key> = None;
    let mut members = 0;
    let mut broken = None;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                broken = Some(said(reading(&error))?);
                break;
            }
        };
        members += 1;
        if members > limits.members {
            return refused(format!(
                "it has more than import.max_members ({}) members",
                limits.members
            ));
        }
        let path = match member_path(&entry).and_then(|path| place(&path)) {
            Ok(Place::Within(key, rest)) => {
                last = Some(key.clone());
                (key, rest)
            }
            Ok(Place::Above) => continue,
            Err(error) => {
                let why = said(error)?;
                // One line tells enough of a tar that is something else altogether.
                if bad.is_empty() {
                    bad.push(Bad { of: None, why });
                }
                continue;
            }
        };
        let (key, rest) = path;
        let format = formats.entry(key.clone()).or_default();
        if let Err(error) = member(&mut entry, &key, &rest, into, limits, format) {
            let why = said(error)?;
            format.wrong.get_or_insert(why);
        }
    }
    if broken.is_none() && !has_end {
        broken = Some("the tar ends early: the mark at its end is missing".to_owned());
    }
    if let (Some(why), Some(last)) = (&broken, &last) {
        let format = formats.entry(last.clone()).or_default();
        format.wrong.get_or_insert_with(|| why.clone());
    }
    if let (Some(why), None) = (broken, last) {
        bad.push(Bad { of: None, why });
    }
    let mut found = Plain {
        good: Vec::new(),
        bad,
    };
    for ((format, record_id), reading) in formats {
        match whole(into, &record_id, &format, reading)? {
            Ok(manifest) => found.good.push(manifest),
            Err(why) => found.bad.push(Bad {
                of: Some((record_id, format)),
                why,
            }),
        }
    }
    if found.good.is_empty() && found.bad.is_empty() {
        return refused("there is no published recording in it");
    }
    durable::sync_directories(into).map_err(|source| UnpackError::Failed {
        what: format!("cannot sync {}", into.display()),
        source,
    })?;
    Ok(found)
}

/// What a refusal says; a failing system is no refusal.
fn said(error: UnpackError) -> Result<String, UnpackError> {
    match error {
        UnpackError::Refused(why) => Ok(why),
        failed @ UnpackError::Failed { .. } => Err(failed),
    }
}

/// Whether the block after the last member is the empty one that ends a tar.
fn has_end_mark(tar: &File, end: Option<u64>) -> io::Result<bool> {
    let mut block = [1; 512];
    match end.map(|at| tar.read_exact_at(&mut block, at)) {
        Some(Ok(())) => Ok(block == [0; 512]),
        Some(Err(e)) if e.kind() != io::ErrorKind::UnexpectedEof => Err(e),
        _ => Ok(false),
    }
}

/// Where a member belongs.
enum Place {
    /// Into a format of a recording, under this path; empty for its own folder.
    Within(Key, String),
    /// A folder above.
    Above,
}

fn place(path: &str) -> Result<Place, UnpackError> {
    let mut plain = path;
    while let Some(rest) = plain.strip_prefix("./") {
        plain = rest;
    }
    let plain = plain.trim_end_matches('/');
    if plain.is_empty() || plain == "." {
        return Ok(Place::Above);
    }
    let mut parts = plain.splitn(3, '/');
    let format = parts.next().and_then(|part| part.parse().ok());
    let record_id = parts.next().map(str::parse);
    let rest = parts.next().unwrap_or_default();
    match (format, record_id) {
        (Some(format), Some(Ok(record_id))) if rest.is_empty() || is_plain_relative(rest) => {
            Ok(Place::Within((format, record_id), rest.to_owned()))
        }
        (Some(_), None) => Ok(Place::Above),
        _ => refused(format!(
            "member \"{path}\" is not below <format>/<record id>/"
        )),
    }
}

fn member(
    entry: &mut tar::Entry<'_, impl Read>,
    key: &Key,
    rest: &str,
    into: &Path,
    limits: Limits,
    format: &mut Reading,
) -> Result<(), UnpackError> {
    let path = format!("{}/{}/{rest}", key.0, key.1);
    let header = entry.header().entry_type();
    if header.is_dir() {
        return Ok(());
    }
    if rest.is_empty() {
        return refused(format!("\"{path}\" is not a folder"));
    }
    let is_linked = header.is_hard_link();
    if !header.is_file() && !is_linked {
        let why = format!("a {}", kind(entry));
        format.left_out.push(LeftOut { path, why });
        return Ok(());
    }
    if entry.size() > limits.member_size {
        return refused(format!(
            "file \"{path}\" has {} bytes, more than import.max_member_size ({})",
            entry.size(),
            limits.member_size
        ));
    }
    let target = into.join(&path);
    let failed = |source: io::Error| {
        let impossible = [
            io::ErrorKind::AlreadyExists,
            io::ErrorKind::NotADirectory,
            io::ErrorKind::IsADirectory,
            io::ErrorKind::InvalidFilename,
        ];
        match impossible.contains(&source.kind()) {
            true => UnpackError::Refused(format!(
                "file \"{path}\" cannot be beside the others: {source}"
            )),
            false => UnpackError::Failed {
                what: format!("cannot write {}", target.display()),
                source,
            },
        }
    };
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    if is_linked {
        // The same file twice on the node: the tar holds its bytes once.
        let link = entry.link_name_bytes().unwrap_or_default();
        let link = std::str::from_utf8(&link).unwrap_or_default();
        let Ok(Place::Within(of, rest)) = place(link) else {
            return refused(format!("file \"{path}\" is a link to somewhere else"));
        };
        let source = into.join(format!("{}/{}/{rest}", of.0, of.1));
        if rest.is_empty() || !source.is_file() {
            return refused(format!("file \"{path}\" is a link to what is not there"));
        }
        let mut source = File::open(&source).map_err(failed)?;
        let mut copy = File::create_new(&target).map_err(failed)?;
        io::copy(&mut source, &mut copy).map_err(failed)?;
        copy.set_modified(modified(entry).into()).map_err(failed)?;
        return copy.sync_all().map_err(failed);
    }
    let file = File::create_new(&target).map_err(failed)?;
    let (size, modified) = (entry.size(), modified(entry));
    write(entry, &file, &path, size, modified, failed).map(drop)
}

fn modified(entry: &tar::Entry<'_, impl Read>) -> Timestamp {
    let seconds = entry.header().mtime().unwrap_or(0);
    let seconds = i64::try_from(seconds).unwrap_or(0);
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// The manifest of a format that is whole, or what it lacks.
fn whole(
    into: &Path,
    record_id: &RecordId,
    format: &PlaybackFormat,
    reading: Reading,
) -> Result<Result<Manifest, String>, UnpackError> {
    if let Some(why) = reading.wrong {
        return Ok(Err(why));
    }
    let metadata_xml = into
        .join(format.as_str())
        .join(record_id.as_str())
        .join("metadata.xml");
    let published_at = match fs::metadata(&metadata_xml).and_then(|m| m.modified()) {
        Ok(modified) => Timestamp::try_from(modified).unwrap_or_default(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Err("there is no metadata.xml in it".to_owned()));
        }
        Err(source) => {
            let what = format!("cannot read {}", metadata_xml.display());
            return Err(UnpackError::Failed { what, source });
        }
    };
    let about = About {
        record_id: record_id.clone(),
        format: format.clone(),
        node: String::new(),
        hook_version: PACKED_BY.to_owned(),
        published_at,
        events_xml: None,
    };
    let mut manifest = match gather(into, &about) {
        Ok(manifest) => manifest,
        Err(GatherError::Read { path, source }) => {
            let what = format!("cannot read {}", path.display());
            return Err(UnpackError::Failed { what, source });
        }
        Err(other) => return Ok(Err(other.to_string())),
    };
    if let Some(problem) = manifest.metadata_problem {
        // It names the folder that this was unpacked in.
        let shown = metadata_xml.display().to_string();
        return Ok(Err(problem.replace(&shown, "metadata.xml")));
    }
    manifest.left_out = reading.left_out;
    // The one place that says what paths a manifest may hold.
    let checked = manifest
        .to_json()
        .map_err(recording::manifest::ManifestError::from)
        .and_then(|json| Manifest::parse(&json));
    Ok(checked.map_err(|e| e.to_string()))
}
