//! `metadata.xml`, the description BBB writes into every published recording.
//!
//! One reader for BBB 0.9 to 3.0: the elements grew over the years (0.9 has neither participants
//! nor `<meeting>`), formats other than `presentation` leave some out, and bbb-web rewrites the
//! file on every publish and unpublish, so everything but `<id>` is optional and order is free.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use roxmltree::{Document, Node};
use serde::{Deserialize, Serialize};

use crate::names::{PlaybackFormat, RecordId};

/// Largest `metadata.xml` read, in bytes; real ones have a few thousand.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What a recording says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// BBB's internal meeting id.
    pub record_id: RecordId,
    /// `published`, `unpublished`, `deleted`, or `available` (0.9 and the video formats).
    pub state: Option<String>,
    /// Whether the recording is visible to those who may see it.
    pub published: bool,
    /// When the meeting began.
    pub start: Option<Timestamp>,
    /// When the meeting ended.
    pub end: Option<Timestamp>,
    /// How many people took part.
    pub participants: Option<u32>,
    /// The meeting id that the front-end (Moodle, Greenlight, Pod) chose.
    pub external_meeting_id: Option<String>,
    /// The meeting's name.
    pub meeting_name: Option<String>,
    /// The meeting that this one was a breakout room of.
    pub breakout_of: Option<Breakout>,
    /// Whether it is a breakout room of a meeting, known or not.
    #[serde(default)]
    pub is_breakout: bool,
    /// Internal meeting ids of this meeting's breakout rooms.
    #[serde(default)]
    pub breakout_rooms: Vec<String>,
    /// The playback formats described in this file; BBB writes one per format directory.
    #[serde(default)]
    pub playback: Vec<Playback>,
    /// Every meta key the front-end gave, as it stands; values may be empty.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// Where a breakout room belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakout {
    /// Internal meeting id of the parent.
    pub parent_meeting_id: String,
    /// Number of the room within its parent, from 1.
    pub sequence: Option<u32>,
}

/// One playback format of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playback {
    /// The format's name.
    pub format: PlaybackFormat,
    /// Where BBB's own player shows it.
    pub link: Option<String>,
    /// Recorded time, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Size of the published files, in bytes.
    pub size_bytes: Option<u64>,
}

/// Why a `metadata.xml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what BBB writes.
    #[error("{}: {problem}; rebuild the recording on its node (bbb-record --rebuild ID)", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where in it.
        problem: Problem,
    },
}

/// What is wrong in a `metadata.xml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not XML, or cut off.
    #[error("line {line}, column {column}: not well-formed XML ({why})")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        why: String,
    },
    /// An element that must be there is not.
    #[error("element <{0}> is missing")]
    Missing(&'static str),
    /// An element's text makes no sense.
    #[error("line {line}: <{element}> is {why}")]
    Field {
        /// The element's name.
        element: String,
        /// Line, from 1.
        line: u32,
        /// What is wrong with it.
        why: String,
    },
    /// Not text.
    #[error("it is not UTF-8 text (byte {0})")]
    NotText(usize),
    /// Far larger than any real one.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

impl Metadata {
    /// Reads the `metadata.xml` of a published recording's directory.
    ///
    /// # Errors
    /// The file is missing or unreadable, cut off, or lacks a usable record id.
    pub fn read(path: &Path) -> Result<Metadata, MetadataError> {
        let read = |path: &Path| {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(MAX_BYTES + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(path).map_err(|source| MetadataError::Read {
            path: path.into(),
            source,
        })?;
        let invalid = |problem| MetadataError::Invalid {
            path: path.into(),
            problem,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(invalid(Problem::TooLarge));
        }
        let text =
            std::str::from_utf8(&bytes).map_err(|e| invalid(Problem::NotText(e.valid_up_to())))?;
        text.parse().map_err(invalid)
    }

    /// The playback described for one format; the only one when just one is described.
    #[must_use]
    pub fn playback_of(&self, format: &PlaybackFormat) -> Option<&Playback> {
        self.playback.iter().find(|p| &p.format == format)
    }

    /// A meta value by its key, without regard to case; `None` when absent or blank.
    ///
    /// bbb-web lower-cases the keys that callers give, but not those it adds itself.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        let exact = self.meta.get(key);
        let found = exact.or_else(|| {
            self.meta
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case(key))
                .map(|(_, v)| v)
        });
        found
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The name people know the recording by: the one given to the recording afterwards (Greenlight's
    /// `name`, Moodle's `bbb-recording-name`), else the meeting's.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let meeting = self
            .meeting_name
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        self.meta("name")
            .or_else(|| self.meta("bbb-recording-name"))
            .or(meeting)
    }
}

impl FromStr for Metadata {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Metadata, Problem> {
        let text = text.trim_start_matches('\u{feff}');
        // No DTD is allowed: BBB writes none, and entities are an attacker's tool.
        let document = Document::parse(text).map_err(|e| malformed(text, &e))?;
        let root = document.root_element();
        if root.tag_name().name() != "recording" {
            return Err(Problem::Missing("recording"));
        }
        Reader {
            document: &document,
            root,
        }
        .metadata()
    }
}

/// Reads the elements of one document.
struct Reader<'a> {
    document: &'a Document<'a>,
    root: Node<'a, 'a>,
}

impl Reader<'_> {
    fn metadata(&self) -> Result<Metadata, Problem> {
        let meta = self.meta();
        let meeting = child(self.root, "meeting");
        let of_meeting = |name| meeting.and_then(|m| m.attribute(name)).map(str::to_owned);
        let of_meta = |key: &str| meta.get(key).cloned();
        let id = child(self.root, "id").ok_or(Problem::Missing("id"))?;
        let breakout_of = self.breakout();
        Ok(Metadata {
            record_id: text(id).parse().map_err(|e| self.field(id, e))?,
            state: child(self.root, "state")
                .map(text)
                .filter(|state| !state.is_empty()),
            published: child(self.root, "published").is_none_or(|node| text(node) != "false"),
            start: self.time("start_time")?,
            end: self.time("end_time")?,
            participants: self.number(self.root, "participants")?,
            external_meeting_id: of_meeting("externalId").or_else(|| of_meta("meetingId")),
            meeting_name: of_meeting("name").or_else(|| of_meta("meetingName")),
            is_breakout: breakout_of.is_some()
                || of_meeting("breakout").is_some_and(|value| value == "true")
                || of_meta("isBreakout").is_some_and(|value| value == "true"),
            breakout_of,
            breakout_rooms: self.breakout_rooms(),
            playback: self.playback()?,
            meta,
        })
    }

    fn meta(&self) -> BTreeMap<String, String> {
        let elements = child(self.root, "meta")
            .into_iter()
            .flat_map(|meta| meta.children());
        elements
            .filter(Node::is_element)
            .map(|e| (e.tag_name().name().to_owned(), text(e)))
            .collect()
    }

    /// BBB writes an empty `<breakout/>` for ordinary meetings.
    fn breakout(&self) -> Option<Breakout> {
        let node = child(self.root, "breakout")?;
        let parent = node
            .attribute("parentMeetingId")
            .filter(|id| !id.is_empty() && *id != "unknown")?;
        let sequence = node.attribute("sequence").and_then(|n| n.parse().ok());
        Some(Breakout {
            parent_meeting_id: parent.to_owned(),
            sequence,
        })
    }

    fn breakout_rooms(&self) -> Vec<String> {
        let rooms = child(self.root, "breakoutRooms")
            .into_iter()
            .flat_map(|rooms| rooms.children());
        rooms
            .filter(|n| n.has_tag_name("breakoutRoom"))
            .map(text)
            .filter(|id| !id.is_empty())
            .collect()
    }

    fn playback(&self) -> Result<Vec<Playback>, Problem> {
        let nodes = self.root.children().filter(|n| n.has_tag_name("playback"));
        nodes
            .map(|node| {
                let format = child(node, "format").ok_or(Problem::Missing("playback/format"))?;
                Ok(Playback {
                    format: text(format).parse().map_err(|e| self.field(format, e))?,
                    link: child(node, "link")
                        .map(text)
                        .filter(|link| !link.is_empty()),
                    duration_ms: self.number(node, "duration")?,
                    size_bytes: self.number(node, "size")?,
                })
            })
            .collect()
    }

    /// A number that may be absent or empty, but not nonsense.
    fn number<T: FromStr>(
        &self,
        parent: Node<'_, '_>,
        name: &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(node) = child(parent, name) else {
            return Ok(None);
        };
        let text = text(node);
        if text.is_empty() {
            return Ok(None);
        }
        // BBB's scripts compute some of these in floating point: "72000.0".
        let whole = text
            .split_once('.')
            .map_or(text.as_str(), |(whole, _)| whole);
        whole
            .parse()
            .map(Some)
            .map_err(|_| self.field(node, format!("\"{}\", not a number", shortened(&text))))
    }

    /// Milliseconds since 1970; zero or empty means unknown.
    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let Some(millis) = self.number::<i64>(self.root, name)? else {
            return Ok(None);
        };
        Ok(Timestamp::from_millisecond(millis)
            .ok()
            .filter(|_| millis > 0))
    }

    fn field(&self, node: Node<'_, '_>, why: impl ToString) -> Problem {
        let line = self.document.text_pos_at(node.range().start).row;
        Problem::Field {
            element: node.tag_name().name().to_owned(),
            line,
            why: why.to_string(),
        }
    }
}

fn malformed(text: &str, error: &roxmltree::Error) -> Problem {
    let pos = error.pos();
    let (line, column) = match error {
        // The parser has no place for this one: it is the end of what there is.
        roxmltree::Error::UnexpectedEndOfStream | roxmltree::Error::UnclosedRootNode => {
            let last = text.lines().last().unwrap_or_default();
            (text.lines().count().max(1), last.chars().count() + 1)
        }
        _ => (pos.row as usize, pos.col as usize),
    };
    Problem::Malformed {
        line,
        column,
        why: error.to_string(),
    }
}

fn child<'a>(parent: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    parent.children().find(|n| n.has_tag_name(name))
}

/// All text below a node, CDATA included.
fn text(node: Node<'_, '_>) -> String {
    let text: String = node
        .descendants()
        .filter(Node::is_text)
        .filter_map(|n| n.text())
        .collect();
    text.trim().to_owned()
}

fn shortened(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &str = r"<recording>
  <id>66896384d0b9e52c54c4776fd3771a4599220c04-1430000000000</id>
  <state>available</state><published>true</published>
  <start_time>1430000000000</start_time><end_time>1430000094600</end_time>
  <playback><format>presentation</format><link>http://b/playback.html</link><duration>72000</duration></playback>
  <meta><meetingId>rich-0.9</meetingId><meetingName>Séance</meetingName><bbb-context-label></bbb-context-label></meta>
</recording>";

    #[test]
    fn the_oldest_form_takes_names_from_meta() {
        let m: Metadata = OLD.parse().unwrap();
        assert_eq!(m.external_meeting_id.as_deref(), Some("rich-0.9"));
        assert_eq!(m.title(), Some("Séance"));
        assert_eq!(m.start.unwrap().as_millisecond(), 1_430_000_000_000);
        assert_eq!(m.playback[0].duration_ms, Some(72_000));
        assert_eq!(m.participants, None);
        assert_eq!(m.meta["bbb-context-label"], "");
        assert_eq!(m.meta("BBB-context-label"), None);
    }

    #[test]
    fn the_newest_form() {
        let m: Metadata = r#"<?xml version="1.0"?><recording><id>a-1</id><state>unpublished</state>
            <published>false</published><participants>2</participants>
            <meeting id="a-1" externalId="ext" name="N &#xE9;" breakout="true"/>
            <breakout parentMeetingId="b-1" sequence="3" freeJoin="false"/>
            <breakoutRooms><breakoutRoom>c-1</breakoutRoom></breakoutRooms>
            <meta><name>Renamed</name></meta>
            <playback><format>video</format><duration>12.0</duration><size>7</size></playback></recording>"#
            .parse()
            .unwrap();
        assert!(!m.published);
        assert_eq!(m.title(), Some("Renamed"));
        assert_eq!(m.meeting_name.as_deref(), Some("N é"));
        assert_eq!(
            m.breakout_of,
            Some(Breakout {
                parent_meeting_id: "b-1".into(),
                sequence: Some(3)
            })
        );
        assert_eq!(m.breakout_rooms, ["c-1"]);
        assert_eq!(m.playback[0].size_bytes, Some(7));
        assert_eq!(m.playback[0].duration_ms, Some(12));
    }

    #[test]
    fn errors_say_where_and_what() {
        for (xml, words) in [
            (&OLD[..200], "line 4"),
            ("", "line 1"),
            ("<recording/>", "<id> is missing"),
            ("<a/>", "<recording> is missing"),
            (
                "<recording><id>../x</id></recording>",
                "line 1: <id> is \"../x\" is not a record id",
            ),
            (
                "<recording>\n<id>a</id><participants>two</participants></recording>",
                "line 2: <participants> is \"two\"",
            ),
            (
                "<!DOCTYPE r [<!ENTITY x \"y\">]><recording><id>&x;</id></recording>",
                "DTD",
            ),
        ] {
            let said = xml.parse::<Metadata>().unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,400}") {
            let _ = text.parse::<Metadata>();
        }

        #[test]
        fn never_panics_on_a_damaged_file(cut in 0..OLD.len(), junk in ".{0,8}") {
            let mut at = cut;
            while !OLD.is_char_boundary(at) { at -= 1; }
            let _ = format!("{}{junk}{}", &OLD[..at], &OLD[at..]).parse::<Metadata>();
            let _ = OLD[..at].parse::<Metadata>();
        }
    }
}
