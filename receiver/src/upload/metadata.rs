//! What an upload says about itself, and what a package's name says.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use recording::protocol::{DIGEST_KEY, FILENAME_KEY};
use recording::{Digest, PlaybackFormat, RecordId};

use super::headers::{Refused, UPLOAD_METADATA, bad, text};

/// Longest `Upload-Metadata` taken, in bytes.
const MAX_METADATA: usize = 8 * 1024;

/// What an upload says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The header as it came, to be echoed.
    pub(crate) raw: String,
    /// The recording, from the file name.
    pub(crate) record_id: Option<RecordId>,
    /// The playback format, from the file name.
    pub(crate) format: Option<PlaybackFormat>,
    /// The content digest.
    pub(crate) digest: Option<Digest>,
}

/// Reads `Upload-Metadata`: comma-separated pairs of a key and a base64 value, or a key alone.
pub(crate) fn metadata(headers: &HeaderMap) -> Result<Announced, Refused> {
    let Some(raw) = text(headers, &UPLOAD_METADATA)? else {
        return Ok(Announced::default());
    };
    if raw.len() > MAX_METADATA {
        return Err(bad(format!(
            "Upload-Metadata is longer than {MAX_METADATA} bytes"
        )));
    }
    let mut announced = Announced {
        raw: raw.to_owned(),
        ..Announced::default()
    };
    let mut seen = Vec::new();
    for pair in raw.split(',').filter(|_| !raw.is_empty()) {
        let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        let is_plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || !is_plain(key) || value.contains(' ') {
            return Err(bad(
                "Upload-Metadata: each pair is a key of plain characters, one space, and a value in base64",
            ));
        }
        if seen.contains(&key) {
            return Err(bad("Upload-Metadata: a key is given twice"));
        }
        seen.push(key);
        let value = STANDARD
            .decode(value)
            .map_err(|_| bad("Upload-Metadata: a value is not base64"))?;
        let value = String::from_utf8_lossy(&value);
        match key {
            FILENAME_KEY => (announced.record_id, announced.format) = names_of(&value),
            DIGEST_KEY => announced.digest = value.parse().ok(),
            _ => {}
        }
    }
    Ok(announced)
}

/// Record id and format of a file name `<record id>-<format>.tar`, the former of `<record id>.tar`
/// with an id of BBB's own; nothing of any other name.
///
/// Both parts may hold hyphens. BBB's own ids are recognised by their shape; of others the part
/// after the last hyphen is taken for the format.
pub(crate) fn names_of(file_name: &str) -> (Option<RecordId>, Option<PlaybackFormat>) {
    let Some(stem) = file_name.strip_suffix(".tar") else {
        return (None, None);
    };
    let hyphens: Vec<_> = stem.match_indices('-').map(|(at, _)| at).collect();
    let is_bbb = |id: &str| {
        let mut parts = id.split('-');
        let hash = parts
            .next()
            .is_some_and(|p| p.len() == 40 && p.bytes().all(|b| b.is_ascii_hexdigit()));
        let times: Vec<_> = parts.collect();
        let millis = times
            .iter()
            .all(|p| p.len() == 13 && p.bytes().all(|b| b.is_ascii_digit()));
        hash && millis && !times.is_empty()
    };
    if is_bbb(stem) {
        return (stem.parse().ok(), None);
    }
    let longest_bbb = hyphens.iter().rev().find(|at| is_bbb(&stem[..**at]));
    let Some(at) = longest_bbb.or(hyphens.last()) else {
        return (None, None);
    };
    match (stem[..*at].parse(), stem[at + 1..].parse()) {
        (Ok(record_id), Ok(format)) => (Some(record_id), Some(format)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue, StatusCode};
    use proptest::prelude::*;

    fn with(name: &HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn names_are_found_in_file_names() {
        let hash = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c";
        for (name, id, format) in [
            (
                format!("{hash}-1554230749920-presentation.tar"),
                format!("{hash}-1554230749920"),
                "presentation",
            ),
            (
                format!("{hash}-1554230749920-1554230749999-video.tar"),
                format!("{hash}-1554230749920-1554230749999"),
                "video",
            ),
            (
                format!("{hash}-1554230749920-presentation-video.tar"),
                format!("{hash}-1554230749920"),
                "presentation-video",
            ),
            ("other-id-video.tar".into(), "other-id".into(), "video"),
        ] {
            let (found_id, found_format) = names_of(&name);
            assert_eq!(found_id.map(String::from), Some(id));
            assert_eq!(found_format.map(String::from).as_deref(), Some(format));
        }
        let (id, format) = names_of(&format!("{hash}-1554230749920.tar"));
        assert_eq!(id.map(String::from), Some(format!("{hash}-1554230749920")));
        assert_eq!(format, None, "Scalelite's packages name no format");
        for name in ["", "x", "x.tar", "../x-video.tar", "a-b.zip", "-.tar"] {
            assert_eq!(names_of(name), (None, None), "{name}");
        }
    }

    #[test]
    fn metadata_is_checked() {
        let encoded = STANDARD.encode("a-1-video.tar");
        let read = |value: &str| metadata(&with(&UPLOAD_METADATA, value));
        let found = read(&format!("filename {encoded},empty,other {encoded}")).unwrap();
        assert_eq!(found.record_id.unwrap().as_str(), "a-1");
        for wrong in [
            "filename !!!",
            "a YQ==,a YQ==",
            " ,x YQ==",
            "a YQ== YQ==",
            "a  YQ==",
            "a\tYQ==",
            "a\tb YQ==",
            ",",
        ] {
            assert_eq!(
                read(wrong).unwrap_err().0,
                StatusCode::BAD_REQUEST,
                "{wrong}"
            );
        }
        assert_eq!(read("").unwrap(), Announced::default());
    }

    proptest! {
        #[test]
        fn never_panics(value in "[ -~]{0,120}") {
            let _ = metadata(&with(&UPLOAD_METADATA, &value));
            let _ = names_of(&value);
        }
    }
}
