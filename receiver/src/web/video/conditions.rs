//! What a request's conditions (RFC 9110, section 13) mean for a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, header};

use super::range::{Wanted, wanted};

/// What tells one content of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its size in bytes.
    pub(super) size: u64,
    /// A strong validator: videos get their names by rename, so other content is another inode.
    pub(super) etag: String,
    /// When it was made, as HTTP writes dates.
    pub(super) modified: String,
    seconds: u64,
}

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 412: the condition does not hold.
    Failed,
    /// 304: who asks has it.
    NotModified,
    /// The file, or parts of it.
    Send(Wanted),
}

impl File {
    pub(super) fn of(metadata: &Metadata) -> File {
        let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
        let (size, inode, nanos) = (metadata.size(), metadata.ino(), metadata.mtime_nsec());
        File {
            size,
            etag: format!("\"{size:x}-{seconds:x}.{nanos:x}-{inode:x}\""),
            modified: httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)),
            seconds,
        }
    }

    /// Whether it has not changed after a date; `None` when that is no date.
    fn is_old(&self, date: &str) -> Option<bool> {
        let date = httpdate::parse_http_date(date).ok()?;
        let date = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(self.seconds <= date.as_secs())
    }

    /// Whether a list of tags has this file's; `weak` ones count where that is allowed.
    fn is_in(&self, tags: &str, weak: bool) -> bool {
        tags.split(',').map(str::trim).any(|tag| {
            let strong = tag.strip_prefix("W/");
            tag == "*" || tag == self.etag || weak && strong == Some(self.etag.as_str())
        })
    }
}

/// Goes through the conditions in the order that the standard gives.
pub(super) fn verdict(headers: &HeaderMap, file: &File) -> Verdict {
    let text = |name: HeaderName| {
        // Several lines of a list header are one list.
        let lines = headers.get_all(name);
        let lines: Vec<_> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    if let Some(tags) = text(header::IF_MATCH) {
        if !file.is_in(&tags, false) {
            return Verdict::Failed;
        }
    } else if let Some(date) = text(header::IF_UNMODIFIED_SINCE)
        && file.is_old(&date) == Some(false)
    {
        return Verdict::Failed;
    }
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        if file.is_in(&tags, true) {
            return Verdict::NotModified;
        }
    } else if let Some(date) = text(header::IF_MODIFIED_SINCE)
        && file.is_old(&date) == Some(true)
    {
        return Verdict::NotModified;
    }
    let Some(range) = text(header::RANGE) else {
        return Verdict::Send(Wanted::Whole);
    };
    // A date stands for a content only when it is exactly the one that was told.
    let same = text(header::IF_RANGE).is_none_or(|had| had == file.etag || had == file.modified);
    Verdict::Send(if same {
        wanted(&range, file.size)
    } else {
        Wanted::Whole
    })
}

#[cfg(test)]
mod tests {
    use super::super::range::Part;
    use super::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Mon, 01 Jan 2300 00:00:00 GMT";

    #[test]
    fn conditions_are_weighed_in_their_order() {
        let scratch = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(scratch.path(), [0; 100]).unwrap();
        let file = File::of(&scratch.path().metadata().unwrap());
        let (etag, modified) = (file.etag.as_str(), file.modified.as_str());
        let weak = format!("W/{etag}");
        let several = format!("\"x\", {etag}");
        let whole = || Verdict::Send(Wanted::Whole);
        let ten = || Verdict::Send(Wanted::Parts(vec![Part { first: 0, last: 9 }]));
        let range = ("range", "bytes=0-9");
        for (headers, expected) in [
            (vec![], whole()),
            (vec![range], ten()),
            (
                vec![("range", "bytes=100-")],
                Verdict::Send(Wanted::Nothing),
            ),
            (vec![("if-match", etag)], whole()),
            (vec![("if-match", "*")], whole()),
            (vec![("if-match", "\"x\"")], Verdict::Failed),
            (vec![("if-match", weak.as_str())], Verdict::Failed),
            (
                vec![("if-match", etag), ("if-unmodified-since", OLD)],
                whole(),
            ),
            (vec![("if-unmodified-since", OLD)], Verdict::Failed),
            (vec![("if-unmodified-since", NEW)], whole()),
            (vec![("if-unmodified-since", "soon")], whole()),
            (
                vec![("if-none-match", several.as_str())],
                Verdict::NotModified,
            ),
            (vec![("if-none-match", weak.as_str())], Verdict::NotModified),
            (
                vec![("if-none-match", "\"x\""), ("if-modified-since", NEW)],
                whole(),
            ),
            (vec![("if-modified-since", modified)], Verdict::NotModified),
            (vec![("if-modified-since", OLD)], whole()),
            (vec![range, ("if-range", etag)], ten()),
            (vec![range, ("if-range", modified)], ten()),
            (vec![range, ("if-range", weak.as_str())], whole()),
            (vec![range, ("if-range", NEW)], whole()),
            (vec![range, ("if-none-match", etag)], Verdict::NotModified),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            assert_eq!(verdict(&map, &file), expected, "{headers:?}");
        }
    }
}
