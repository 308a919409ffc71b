//! Which bytes of a file a request wants (RFC 9110, section 14).

/// More parts than any player asks for at once; then the whole file is sent instead.
const PARTS_MAX: usize = 16;

/// Bytes of a file, from the first up to and with the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The first byte.
    pub(super) first: u64,
    /// The last byte.
    pub(super) last: u64,
}

impl Part {
    /// How many bytes.
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }

    /// As `Content-Range` says it.
    pub(super) fn of(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.last)
    }
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: what was asked for is not understood, or more than is sensible.
    Whole,
    /// These parts, in this order; at least one.
    Parts(Vec<Part>),
    /// Nothing that the file has.
    Nothing,
}

/// Reads a `Range` header for a file of this size.
///
/// A header that makes no sense counts as none. Parts beyond the end are left out; parts that
/// overlap or touch are sent as one, so that nobody can ask for the same bytes a hundred times.
pub(super) fn wanted(header: &str, size: u64) -> Wanted {
    let Some((unit, set)) = header.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut asked = 0;
    for spec in set.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        asked += 1;
        let Some(part) = part(spec, size) else {
            return Wanted::Whole;
        };
        parts.extend(part);
    }
    match asked {
        0 => Wanted::Whole,
        1..=PARTS_MAX if parts.is_empty() => Wanted::Nothing,
        1..=PARTS_MAX => Wanted::Parts(joined(parts)),
        _ => Wanted::Whole,
    }
}

/// One part: `None` makes no sense, `Some(None)` lies beyond the end.
fn part(spec: &str, size: u64) -> Option<Option<Part>> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Some((length > 0).then(|| Part {
            first: size - length,
            last: size - 1,
        }));
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some((first < size).then(|| Part {
        first,
        last: last.min(size - 1),
    }))
}

/// Digits only; more than fit count as very many.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Overlapping and touching parts as one, where the first of them stood.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut kept: Vec<Part> = Vec::new();
    for part in parts {
        let mut whole = part;
        let mut at = kept.len();
        let mut index = 0;
        while index < kept.len() {
            let other = kept[index];
            let apart = whole.last.saturating_add(1) < other.first
                || other.last.saturating_add(1) < whole.first;
            if apart {
                index += 1;
                continue;
            }
            whole = Part {
                first: whole.first.min(other.first),
                last: whole.last.max(other.last),
            };
            kept.remove(index);
            at = at.min(index);
            index = 0;
        }
        kept.insert(at.min(kept.len()), whole);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(of: &[(u64, u64)]) -> Wanted {
        let part = |(first, last): &(u64, u64)| Part {
            first: *first,
            last: *last,
        };
        Wanted::Parts(of.iter().map(part).collect())
    }

    #[test]
    fn headers_ask_for_bytes() {
        let size = 1000;
        for (header, expected) in [
            ("bytes=0-499", parts(&[(0, 499)])),
            ("bytes=500-", parts(&[(500, 999)])),
            ("bytes=-200", parts(&[(800, 999)])),
            ("bytes=-5000", parts(&[(0, 999)])),
            ("bytes=990-99999999999999999999999", parts(&[(990, 999)])),
            ("Bytes = 0-0 , -1", parts(&[(0, 0), (999, 999)])),
            ("bytes=0-9,20-29", parts(&[(0, 9), (20, 29)])),
            ("bytes=500-600,100-200", parts(&[(500, 600), (100, 200)])),
            ("bytes=0-9,5-19,20-29,900-", parts(&[(0, 29), (900, 999)])),
            ("bytes=0-9,2000-3000", parts(&[(0, 9)])),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=2000-3000,1000-1001", Wanted::Nothing),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("bytes=0-1,x", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(header, size), expected, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Nothing);
        let many = format!("bytes={}", vec!["0-0"; 1000].join(","));
        assert_eq!(wanted(&many, size), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn no_byte_is_sent_twice(
            size in 1u64..2000,
            asked in proptest::collection::vec((0u64..2200, 0u64..300), 1..16),
        ) {
            let specs: Vec<String> = asked.iter().map(|(a, n)| format!("{a}-{}", a + n)).collect();
            let expected: std::collections::BTreeSet<u64> = asked
                .iter()
                .flat_map(|(a, n)| *a..=a + n)
                .filter(|byte| *byte < size)
                .collect();
            let sent: Vec<u64> = match wanted(&format!("bytes={}", specs.join(",")), size) {
                Wanted::Parts(parts) => parts.iter().flat_map(|p| p.first..=p.last).collect(),
                Wanted::Nothing => Vec::new(),
                Wanted::Whole => panic!("not whole"),
            };
            let set: std::collections::BTreeSet<u64> = sent.iter().copied().collect();
            prop_assert_eq!(set.len(), sent.len());
            prop_assert_eq!(set, expected);
        }
    }
}
