//! The two names that identify what is published: record id and playback format.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a record id or a playback format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{shown}\" is not a {kind}: it must have 1 to {max} characters out of A-Z a-z 0-9 _ and -, \
     and not start with -"
)]
pub struct InvalidName {
    kind: &'static str,
    max: usize,
    shown: String,
}

/// Checks a name that becomes part of paths, URLs and command lines.
///
/// A leading `-` is refused because it would be read as an option by the programs called.
fn checked(text: &str, kind: &'static str, max: usize) -> Result<String, InvalidName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || text.len() > max || text.starts_with('-') || !text.chars().all(allowed) {
        let shown = text.chars().take(80).flat_map(char::escape_debug).collect();
        return Err(InvalidName { kind, max, shown });
    }
    Ok(text.to_owned())
}

macro_rules! name {
    ($name:ident, $kind:literal, $max:literal) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                checked(text, $kind, $max).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// BBB's internal meeting id: `<40 hex>-<13 digits>` and an optional `-<break>`, treated as opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(String);

/// A published form of a recording: `presentation`, `video`, `podcast`, `notes` or any other.
///
/// Third-party formats have names of their own, so the set is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlaybackFormat(String);

name!(RecordId, "record id", 128);
name!(PlaybackFormat, "playback format", 64);

impl RecordId {
    /// The id of the whole meeting when this is a segment (`<id>-<break>`), else `None`.
    ///
    /// `recording/raw` is kept per meeting; a segment's events lie there under the meeting's id.
    #[must_use]
    pub fn whole_meeting(&self) -> Option<RecordId> {
        let (meeting, last) = self.0.rsplit_once('-')?;
        let (_, start) = meeting.rsplit_once('-')?;
        let is_millis = |text: &str| text.len() == 13 && text.bytes().all(|b| b.is_ascii_digit());
        (is_millis(last) && is_millis(start)).then(|| RecordId(meeting.to_owned()))
    }
}

impl PlaybackFormat {
    /// Whether this is the `presentation` format, the one that has to be drawn.
    #[must_use]
    pub fn is_presentation(&self) -> bool {
        self.0 == "presentation"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "a".repeat(129);
        for (text, good) in [
            (
                "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920",
                true,
            ),
            ("a", true),
            ("", false),
            ("-m", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("é", false),
            ("a\n", false),
            (long.as_str(), false),
        ] {
            assert_eq!(text.parse::<RecordId>().is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn a_segment_knows_its_meeting() {
        let id = |t: &str| t.parse::<RecordId>().unwrap();
        let meeting = id("bea4a97042f47e1fdf46da61cad740998fb72742-1640700000000");
        assert_eq!(
            id(&format!("{meeting}-1640700005000")).whole_meeting(),
            Some(meeting.clone())
        );
        assert_eq!(meeting.whole_meeting(), None);
        assert_eq!(id("x").whole_meeting(), None);
    }
}
