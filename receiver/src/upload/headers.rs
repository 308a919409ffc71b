//! The headers of tus 1.0.0, as plain functions over values.
//!
//! Source: the tus resumable upload protocol 1.0.0, sections "Core", "Creation", "Checksum",
//! "Expiration".

use axum::http::{HeaderMap, HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use recording::protocol::{DIGEST_KEY, FILENAME_KEY};
use recording::{Digest, PlaybackFormat, RecordId};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The only version of the protocol there is.
pub(crate) const VERSION: &str = "1.0.0";
/// What is offered beyond the core.
pub(super) const EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
/// Digests that a chunk may be sent with.
pub(super) const ALGORITHMS: &str = "sha1,sha256";
/// The only content type of a chunk.
pub(super) const CHUNK_TYPE: &str = "application/offset+octet-stream";
/// tus' own status for a chunk that does not have the digest it was sent with.
pub(super) const CHECKSUM_MISMATCH: u16 = 460;

pub(super) static TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) static TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) static TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) static TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) static TUS_CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("tus-checksum-algorithm");
pub(super) static UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) static UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) static UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) static UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
pub(super) static UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) static UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(super) static UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub(super) static METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// Longest `Upload-Metadata` taken, in bytes.
const MAX_METADATA: usize = 8 * 1024;

/// A request that the protocol refuses: the status and a sentence for whoever reads the answer.
pub(super) type Refused = (StatusCode, String);

fn bad(why: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, why.into())
}

/// A header's text; two headers of one name, or bytes that are not text, are refused.
pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad(format!("{name} is given twice")));
    }
    value
        .to_str()
        .map(|text| Some(text.trim()))
        .map_err(|_| bad(format!("{name} is not plain text")))
}

/// A number of bytes: decimal digits only.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refused> {
    let Some(text) = text(headers, name)? else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .map(Some)
        .ok_or_else(|| bad(format!("{name} is not a number of bytes")))
}

/// The length of an upload to be created.
pub(super) fn creation_length(headers: &HeaderMap, max: u64) -> Result<u64, Refused> {
    for (name, extension) in [
        (&UPLOAD_DEFER_LENGTH, "creation-defer-length"),
        (&UPLOAD_CONCAT, "concatenation"),
    ] {
        if headers.contains_key(name) {
            return Err(bad(format!(
                "{name}: the extension {extension} is not offered"
            )));
        }
    }
    let length = number(headers, &UPLOAD_LENGTH)?.ok_or_else(|| bad("Upload-Length is missing"))?;
    if length > max {
        let why = format!(
            "Upload-Length {length} is more than the {max} bytes taken here (upload.max_size)"
        );
        return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(length)
}

/// Checks the content type of a chunk.
pub(super) fn chunk_type(headers: &HeaderMap) -> Result<(), Refused> {
    let given = text(headers, &axum::http::header::CONTENT_TYPE)?.unwrap_or_default();
    if given.eq_ignore_ascii_case(CHUNK_TYPE) {
        Ok(())
    } else {
        Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Type must be {CHUNK_TYPE}"),
        ))
    }
}

/// What an upload says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    /// The header as it came, to be echoed.
    pub(super) raw: String,
    /// The recording, from the file name.
    pub(super) record_id: Option<RecordId>,
    /// The playback format, from the file name.
    pub(super) format: Option<PlaybackFormat>,
    /// The content digest.
    pub(super) digest: Option<Digest>,
}

/// Reads `Upload-Metadata`: comma-separated pairs of a key and a base64 value, or a key alone.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Announced, Refused> {
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
        if key.is_empty() || value.contains(' ') {
            return Err(bad(
                "Upload-Metadata: each pair is a key, one space, and a value in base64",
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

/// Record id and format of a file name `<record id>-<format>.tar`; nothing of any other name.
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
    let longest_bbb = hyphens.iter().rev().find(|at| is_bbb(&stem[..**at]));
    let Some(at) = longest_bbb.or(hyphens.last()) else {
        return (None, None);
    };
    match (stem[..*at].parse(), stem[at + 1..].parse()) {
        (Ok(record_id), Ok(format)) => (Some(record_id), Some(format)),
        _ => (None, None),
    }
}

/// The digest that a chunk must have.
#[derive(Clone)]
pub(super) enum Checksum {
    /// `sha1`, which every server must know.
    Sha1(Sha1, Vec<u8>),
    /// `sha256`.
    Sha256(Sha256, Vec<u8>),
}

impl Checksum {
    /// Reads `Upload-Checksum: <algorithm> <base64 digest>`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Checksum>, Refused> {
        let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else {
            return Ok(None);
        };
        let (algorithm, digest) = text.split_once(' ').ok_or_else(|| {
            bad("Upload-Checksum is an algorithm, one space, and a digest in base64")
        })?;
        let digest = STANDARD
            .decode(digest.trim())
            .map_err(|_| bad("Upload-Checksum: the digest is not base64"))?;
        let (checksum, length) = match algorithm {
            "sha1" => (Checksum::Sha1(Sha1::new(), digest.clone()), 20),
            "sha256" => (Checksum::Sha256(Sha256::new(), digest.clone()), 32),
            _ => {
                return Err(bad(format!(
                    "Upload-Checksum: the algorithm is none of {ALGORITHMS}"
                )));
            }
        };
        if digest.len() != length {
            return Err(bad(format!(
                "Upload-Checksum: a digest of {algorithm} has {length} bytes"
            )));
        }
        Ok(Some(checksum))
    }

    /// Adds bytes of the chunk.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Sha1(hasher, _) => hasher.update(bytes),
            Checksum::Sha256(hasher, _) => hasher.update(bytes),
        }
    }

    /// Whether the bytes added have the digest announced.
    pub(super) fn holds(self) -> bool {
        match self {
            Checksum::Sha1(hasher, wanted) => hasher.finalize()[..] == wanted[..],
            Checksum::Sha256(hasher, wanted) => hasher.finalize()[..] == wanted[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn with(name: &HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn numbers_are_digits() {
        for (text, number_of) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("", None),
            ("0x10", None),
        ] {
            assert_eq!(
                number(&with(&UPLOAD_OFFSET, text), &UPLOAD_OFFSET)
                    .ok()
                    .flatten(),
                number_of,
                "{text}"
            );
        }
        let mut twice = with(&UPLOAD_OFFSET, "1");
        twice.append(&UPLOAD_OFFSET, HeaderValue::from_static("1"));
        assert!(number(&twice, &UPLOAD_OFFSET).is_err());
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

    #[test]
    fn checksums_are_checked() {
        let read = |value: &str| Checksum::of(&with(&UPLOAD_CHECKSUM, value));
        let mut good = read("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=").unwrap().unwrap();
        good.update(b"hel");
        good.update(b"lo");
        assert!(good.clone().holds());
        good.update(b"!");
        assert!(!good.holds());
        for wrong in [
            "md5 XrY7u+Ae7tCTyyK7j1rNww==",
            "sha1",
            "sha1 x",
            "sha1 YQ==",
            "sha256 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        ] {
            assert_eq!(
                read(wrong).err().unwrap().0,
                StatusCode::BAD_REQUEST,
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in "[ -~]{0,120}") {
            let headers = HeaderMap::from_iter([
                (UPLOAD_METADATA.clone(), HeaderValue::from_str(&value).unwrap()),
                (UPLOAD_CHECKSUM.clone(), HeaderValue::from_str(&value).unwrap()),
                (UPLOAD_LENGTH.clone(), HeaderValue::from_str(&value).unwrap()),
            ]);
            let _ = metadata(&headers);
            let _ = Checksum::of(&headers);
            let _ = creation_length(&headers, 10);
            let _ = names_of(&value);
        }
    }
}
