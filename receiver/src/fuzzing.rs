//! What is given bytes from outside, for the fuzz targets in `fuzz/` and the replay of their seeds:
//! whatever comes in, nothing may panic, hang, or touch anything but what it was given.

use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use recording::{Manifest, Metadata};

use crate::import::{Content, Limits, UnpackError, unpack};
use crate::upload::{headers, metadata, names_of};

const LIMITS: Limits = Limits {
    members: 64,
    member_size: 1 << 20,
};
const MAX_SIZE: u64 = 1 << 30;

/// Lines of `Name: value`, read as every header of an upload.
pub fn tus_headers(bytes: &[u8]) {
    let mut given = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().map(HeaderName::from_bytes);
        let value = parts.next().map(HeaderValue::from_bytes);
        if let (Some(Ok(name)), Some(Ok(value))) = (name, value) {
            given.append(name, value);
        }
    }
    let length = headers::creation_length(&given, MAX_SIZE);
    if let Ok(Some(length)) = length {
        assert!(length <= MAX_SIZE, "a length beyond the largest is refused");
    }
    let _ = headers::length(&given, MAX_SIZE);
    let _ = headers::number(&given, &headers::UPLOAD_OFFSET);
    let _ = headers::chunk_type(&given);
    if let Ok(Some(headers::Concat::Final(ids))) = headers::concat(&given) {
        assert!(!ids.is_empty() && ids.iter().all(|id| !id.contains('/')));
    }
    if let Ok(Some(mut checksum)) = headers::Checksum::of(&given) {
        checksum.update(b"bytes");
        let _ = checksum.holds();
    }
    let _ = metadata::metadata(&given);
    let _ = names_of(&String::from_utf8_lossy(bytes));
}

/// A `metadata.xml`.
pub fn metadata_xml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(metadata) = text.parse::<Metadata>() {
        let _ = metadata.title();
    }
}

/// A manifest; one that is taken is written the same way again.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let again = manifest.to_json().map(|json| Manifest::parse(&json));
        assert!(
            matches!(again, Ok(Ok(again)) if again == manifest),
            "a manifest survives being written"
        );
    }
}

/// A tar; what it leaves lies in the folder that it was given, and is what its manifests say.
pub fn tar_import(bytes: &[u8]) {
    let Ok(place) = tempfile::tempdir() else {
        return;
    };
    let (tar, room) = (place.path().join("p.tar"), place.path().join("room"));
    if fs::write(&tar, bytes).is_err() || fs::create_dir(&room).is_err() {
        return;
    }
    match unpack(&tar, &room, LIMITS) {
        Ok(Content::Ours(manifest)) => agrees(&manifest, &room),
        Ok(Content::Others(others)) => others.good.iter().for_each(|good| agrees(good, &room)),
        Err(UnpackError::Refused(why)) => assert!(!why.is_empty()),
        Err(UnpackError::Failed { .. }) => {}
    }
    let beside = fs::read_dir(place.path()).map_or(0, Iterator::count);
    assert_eq!(beside, 2, "nothing is written elsewhere");
}

fn agrees(manifest: &Manifest, room: &Path) {
    for file in &manifest.files {
        let length = fs::symlink_metadata(room.join(&file.path)).map(|m| (m.is_file(), m.len()));
        assert!(
            matches!(length, Ok((true, length)) if length == file.size),
            "{} is in its place",
            file.path
        );
    }
}
