//! The headers of tus 1.0.0, as plain functions over values.
//!
//! Source: the tus resumable upload protocol 1.0.0, sections "Core", "Creation", "Checksum",
//! "Expiration", "Concatenation".

use axum::http::{HeaderMap, HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use recording::protocol::FILES_PATH;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::store;

/// The only version of the protocol there is.
pub(crate) const VERSION: &str = "1.0.0";
/// What is offered beyond the core.
pub(crate) const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation";
/// Digests that a chunk may be sent with.
pub(crate) const ALGORITHMS: &str = "sha1,sha256,crc32";
/// The only content type of a chunk.
pub(crate) const CHUNK_TYPE: &str = "application/offset+octet-stream";
/// tus' own status for a chunk that does not have the digest it was sent with.
pub(crate) const CHECKSUM_MISMATCH: u16 = 460;

pub(crate) static TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(crate) static TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(crate) static TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(crate) static TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(crate) static TUS_CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("tus-checksum-algorithm");
pub(crate) static UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(crate) static UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(crate) static UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(crate) static UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
pub(crate) static UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(crate) static UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(crate) static UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub(crate) static METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// Longest `Upload-Concat` taken, in bytes.
const MAX_CONCAT: usize = 32 * 1024;

/// A request that the protocol refuses: the status and a sentence for whoever reads the answer.
pub(crate) type Refused = (StatusCode, String);

pub(crate) fn bad(why: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, why.into())
}

/// A header's text; two headers of one name, or bytes that are not text, are refused.
pub(crate) fn text<'a>(
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
pub(crate) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refused> {
    let Some(text) = text(headers, name)? else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .map(Some)
        .ok_or_else(|| bad(format!("{name} is not a number of bytes")))
}

/// The length of an upload to be created; `None` when it is to be told later.
pub(crate) fn creation_length(headers: &HeaderMap, max: u64) -> Result<Option<u64>, Refused> {
    let deferred = match text(headers, &UPLOAD_DEFER_LENGTH)? {
        None => false,
        Some("1") => true,
        Some(_) => return Err(bad("Upload-Defer-Length can only be 1")),
    };
    match (length(headers, max)?, deferred) {
        (Some(length), false) => Ok(Some(length)),
        (None, true) => Ok(None),
        (None, false) => Err(bad("Upload-Length is missing")),
        (Some(_), true) => Err(bad(
            "Upload-Length and Upload-Defer-Length exclude each other",
        )),
    }
}

/// `Upload-Length`, if it is given.
pub(crate) fn length(headers: &HeaderMap, max: u64) -> Result<Option<u64>, Refused> {
    match number(headers, &UPLOAD_LENGTH)? {
        Some(length) if length > max => Err(too_large(length, max)),
        other => Ok(other),
    }
}

pub(crate) fn too_large(length: u64, max: u64) -> Refused {
    let why =
        format!("Upload-Length {length} is more than the {max} bytes taken here (upload.max_size)");
    (StatusCode::PAYLOAD_TOO_LARGE, why)
}

/// What `Upload-Concat` makes of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concat {
    /// A part of another one.
    Partial,
    /// Made of the uploads with these ids.
    Final(Vec<String>),
}

/// Reads `Upload-Concat: partial`, or `final;` and the addresses of the parts.
pub(crate) fn concat(headers: &HeaderMap) -> Result<Option<Concat>, Refused> {
    let Some(text) = text(headers, &UPLOAD_CONCAT)? else {
        return Ok(None);
    };
    if text == "partial" {
        return Ok(Some(Concat::Partial));
    }
    let addresses = text
        .strip_prefix("final;")
        .ok_or_else(|| bad("Upload-Concat is neither \"partial\" nor \"final;\" and addresses"))?;
    if text.len() > MAX_CONCAT {
        return Err(bad(format!(
            "Upload-Concat is longer than {MAX_CONCAT} bytes"
        )));
    }
    let ids: Option<Vec<_>> = addresses.split_ascii_whitespace().map(id_in).collect();
    match ids {
        Some(ids) if !ids.is_empty() => Ok(Some(Concat::Final(ids))),
        Some(_) => Err(bad("Upload-Concat names no upload")),
        None => Err(bad(
            "Upload-Concat: an address is not one of an upload here",
        )),
    }
}

/// The id in an upload's address, with or without scheme and host.
fn id_in(address: &str) -> Option<String> {
    let path = match address.split_once("://") {
        Some(("http" | "https", rest)) => rest.find('/').map(|at| &rest[at..])?,
        Some(_) => return None,
        None => address,
    };
    // A proxy may serve this below a path of its own; anything else would be several addresses run
    // together, of which all but one would be lost.
    let (before, id) = path.trim_end_matches('/').split_once(FILES_PATH)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~-/".contains(c);
    let is_path = before.is_empty() || before.starts_with('/');
    (is_path && before.chars().all(plain) && store::is_id(id)).then(|| id.to_owned())
}

/// Checks the content type of a chunk, and that its bytes are the upload's own.
pub(crate) fn chunk_type(headers: &HeaderMap) -> Result<(), Refused> {
    let coding = text(headers, &axum::http::header::CONTENT_ENCODING)?.unwrap_or("identity");
    if !coding.eq_ignore_ascii_case("identity") {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding has no place here: offsets count the bytes as they are".to_owned(),
        ));
    }
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

/// The digest that a chunk must have.
#[derive(Clone)]
pub(crate) enum Checksum {
    /// `sha1`, which every server must know.
    Sha1(Sha1, Vec<u8>),
    /// `sha256`.
    Sha256(Sha256, Vec<u8>),
    /// `crc32`, which costs next to nothing; its four bytes stand most significant first.
    Crc32(crc32fast::Hasher, Vec<u8>),
}

impl Checksum {
    /// Reads `Upload-Checksum: <algorithm> <base64 digest>`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Checksum>, Refused> {
        let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else {
            return Ok(None);
        };
        let (algorithm, digest) = text.split_once(' ').ok_or_else(|| {
            bad("Upload-Checksum is an algorithm, one space, and a digest in base64")
        })?;
        let digest = STANDARD
            .decode(digest)
            .map_err(|_| bad("Upload-Checksum: the digest is not base64"))?;
        let (checksum, length) = match algorithm {
            "sha1" => (Checksum::Sha1(Sha1::new(), digest.clone()), 20),
            "sha256" => (Checksum::Sha256(Sha256::new(), digest.clone()), 32),
            "crc32" => (Checksum::Crc32(crc32fast::Hasher::new(), digest.clone()), 4),
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
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Sha1(hasher, _) => hasher.update(bytes),
            Checksum::Sha256(hasher, _) => hasher.update(bytes),
            Checksum::Crc32(hasher, _) => hasher.update(bytes),
        }
    }

    /// Whether the bytes added have the digest announced.
    pub(crate) fn holds(self) -> bool {
        match self {
            Checksum::Sha1(hasher, wanted) => hasher.finalize()[..] == wanted[..],
            Checksum::Sha256(hasher, wanted) => hasher.finalize()[..] == wanted[..],
            Checksum::Crc32(hasher, wanted) => hasher.finalize().to_be_bytes()[..] == wanted[..],
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
    fn parts_are_named_by_their_addresses() {
        let read = |value: &str| concat(&with(&UPLOAD_CONCAT, value));
        assert_eq!(read("partial").unwrap(), Some(Concat::Partial));
        let ids = |ids: &[&str]| Some(Concat::Final(ids.iter().map(|id| (*id).into()).collect()));
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        for (text, named) in [
            (format!("final;/files/{a}"), ids(&[&a])),
            (
                format!("final; https://x.example/pod/files/{a} /files/{b}/"),
                ids(&[&a, &b]),
            ),
            (
                format!("final;http://x.example:8085/files/{a}  /files/{a}"),
                ids(&[&a, &a]),
            ),
        ] {
            assert_eq!(read(&text).unwrap(), named, "{text}");
        }
        for wrong in [
            "".to_owned(),
            "Partial".into(),
            "final".into(),
            "final;".into(),
            "final; ".into(),
            format!("final;{a}"),
            "final;/files/".into(),
            "final;/files/a".into(),
            format!("final;/files/{a}/b"),
            "final;https://x.example".into(),
            format!("final;/files/{a},/files/{b}"),
            format!("final;/files/{a};/files/{b}"),
            format!("final;junk/files/{b}"),
            format!("final;/other/files/nope/files/{b}"),
            format!("final;ftp://x.example/files/{b}"),
        ] {
            assert_eq!(
                read(&wrong).unwrap_err().0,
                StatusCode::BAD_REQUEST,
                "{wrong}"
            );
        }
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
        let mut good = read("crc32 NhCmhg==").unwrap().unwrap();
        good.update(b"hello");
        assert!(good.holds());
        for wrong in [
            "md5 XrY7u+Ae7tCTyyK7j1rNww==",
            "sha1",
            "sha1 x",
            "sha1 YQ==",
            "sha1  qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "sha1\tqvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "crc32 YQ==",
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
                (UPLOAD_CHECKSUM.clone(), HeaderValue::from_str(&value).unwrap()),
                (UPLOAD_LENGTH.clone(), HeaderValue::from_str(&value).unwrap()),
            ]);
            let _ = Checksum::of(&headers);
            let _ = creation_length(&headers, 10);
            let _ = concat(&with(&UPLOAD_CONCAT, &value));
        }
    }
}
