//! Who took part with which role, read from `recording/raw/<record id>/events.xml`.
//!
//! BBB's cron removes raw files after some days, and nothing published names the moderators, so
//! the moment of publishing is the one chance to learn who held the meeting. The file can have
//! hundreds of megabytes: it is streamed, and memory does not grow with it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use quick_xml::events::{BytesRef, Event};
use quick_xml::{Reader, XmlVersion};
use serde::{Deserialize, Serialize};

/// Largest single tag or text read, in bytes; a long pencil stroke of old versions has a few thousand.
const MAX_TOKEN_BYTES: usize = 8 * 1024 * 1024;
/// Longest name or id kept, in bytes.
const MAX_FIELD_BYTES: usize = 1024;
/// Most moderators kept of one meeting.
const MAX_MODERATORS: usize = 1000;

/// Somebody who joined the meeting as a moderator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderator {
    /// The user id that the front-end gave (`userID` of the join call).
    pub external_user_id: String,
    /// The name shown in the meeting.
    pub name: String,
    /// The role as BBB writes it: `MODERATOR`.
    pub role: String,
}

/// What `events.xml` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Version of BBB that wrote the events (2.x and later say so).
    pub bbb_version: Option<String>,
    /// Moderators in the order in which they first joined.
    pub moderators: Vec<Moderator>,
    /// Why reading stopped before the end; what came before is still there.
    pub cut_short: Option<String>,
}

/// `events.xml` could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct EventsError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Events {
    /// Reads an `events.xml` in constant memory.
    ///
    /// A damaged file gives what stands before the damage and says so in [`Events::cut_short`].
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn read(path: &Path) -> Result<Events, EventsError> {
        let failed = |source| EventsError {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        Events::from_reader(BufReader::with_capacity(64 * 1024, file)).map_err(failed)
    }

    /// Reads events from any source of XML; see [`Events::read`].
    ///
    /// # Errors
    /// Whatever the reader fails with.
    pub fn from_reader(reader: impl BufRead) -> io::Result<Events> {
        let mut xml = Reader::from_reader(Limited {
            inner: reader,
            left: MAX_TOKEN_BYTES,
        });
        xml.config_mut().check_end_names = false;
        let mut gathering = Gathering::default();
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            xml.get_mut().left = MAX_TOKEN_BYTES;
            match xml.read_event_into(&mut buffer) {
                Ok(Event::Eof) => break,
                Ok(event) => gathering.take(&event),
                Err(quick_xml::Error::Io(e)) if e.kind() != io::ErrorKind::InvalidData => {
                    return Err(io::Error::new(e.kind(), e.to_string()));
                }
                Err(e) => {
                    gathering.events.cut_short =
                        Some(format!("byte {}: {e}", xml.buffer_position()));
                    break;
                }
            }
        }
        if gathering.events.cut_short.is_none() && !gathering.closed {
            gathering.events.cut_short = Some(format!(
                "byte {}: the file ends in the middle",
                xml.buffer_position()
            ));
        }
        Ok(gathering.events)
    }
}

/// The state of reading: which event we are in, and the fields seen in it.
#[derive(Default)]
struct Gathering {
    events: Events,
    seen: HashMap<String, usize>,
    in_join: bool,
    field: Option<Field>,
    join: [String; 4],
    closed: bool,
}

#[derive(Clone, Copy)]
enum Field {
    Name,
    Role,
    ExternalUserId,
    UserId,
}

impl Gathering {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => match tag.name().as_ref() {
                "recording" => {
                    let version = tag.try_get_attribute("bbb_version").ok().flatten();
                    let text = version.and_then(|v| {
                        v.normalized_value(XmlVersion::Implicit1_0)
                            .ok()
                            .map(|v| v.into_owned())
                    });
                    self.events.bbb_version = text.filter(|v| !v.is_empty() && v.len() < 64);
                }
                "event" => {
                    let name = tag.try_get_attribute("eventname").ok().flatten();
                    self.in_join = name.is_some_and(|n| n.value.as_ref() == "ParticipantJoinEvent");
                    self.join = Default::default();
                }
                name if self.in_join => {
                    self.field = match name {
                        "name" => Some(Field::Name),
                        "role" => Some(Field::Role),
                        "externalUserId" => Some(Field::ExternalUserId),
                        "userId" => Some(Field::UserId),
                        _ => None,
                    };
                }
                _ => {}
            },
            Event::End(tag) => match tag.name().as_ref() {
                "recording" => self.closed = true,
                "event" if self.in_join => self.joined(),
                _ => self.field = None,
            },
            Event::Text(text) => self.add(text),
            Event::CData(text) => self.add(text),
            Event::GeneralRef(entity) => {
                if let Some(c) = character(entity) {
                    self.add(c.encode_utf8(&mut [0; 4]));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        if let (true, Some(field)) = (self.in_join, self.field) {
            let value = &mut self.join[field as usize];
            if value.len() + text.len() <= MAX_FIELD_BYTES {
                value.push_str(text);
            }
        }
    }

    /// A join is complete. Somebody who joins again counts once, under the first name.
    fn joined(&mut self) {
        self.in_join = false;
        self.field = None;
        let [name, role, external, user] =
            std::mem::take(&mut self.join).map(|v| v.trim().to_owned());
        let external_user_id = if external.is_empty() { user } else { external };
        let is_moderator = role.eq_ignore_ascii_case("moderator");
        if !is_moderator
            || external_user_id.is_empty()
            || self.events.moderators.len() >= MAX_MODERATORS
        {
            return;
        }
        if self.seen.insert(external_user_id.clone(), 0).is_none() {
            self.events.moderators.push(Moderator {
                external_user_id,
                name,
                role,
            });
        }
    }
}

/// The character a reference stands for: numeric, or one of XML's own five.
fn character(entity: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(c)) = entity.resolve_char_ref() {
        return Some(c);
    }
    match entity.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Ends a single tag or text that grows without bound; the parser would keep it all in memory.
struct Limited<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a single tag or text is longer than {MAX_TOKEN_BYTES} bytes"),
            ));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(external: &str, name: &str, role: &str) -> String {
        format!(
            "<event timestamp=\"1\" module=\"PARTICIPANT\" eventname=\"ParticipantJoinEvent\"><userId>w_1</userId>\
             <name>{name}</name><role>{role}</role><externalUserId>{external}</externalUserId></event>"
        )
    }

    fn read(xml: &str) -> Events {
        Events::from_reader(xml.as_bytes()).unwrap()
    }

    #[test]
    fn moderators_once_each_in_order() {
        let xml = format!(
            "<?xml version=\"1.0\"?><recording meeting_id=\"a\" bbb_version=\"2.4.6\">{}{}{}{}\
             <event eventname=\"PublicChatEvent\"><name>x</name><role>MODERATOR</role></event></recording>",
            join("alice", "Alice &amp; Co &#xE9;", "MODERATOR"),
            join("bob", "Bob", "VIEWER"),
            join("alice", "Alice again", "MODERATOR"),
            join("", "No external id", "MODERATOR"),
        );
        let events = read(&xml);
        let who: Vec<_> = events
            .moderators
            .iter()
            .map(|m| (m.external_user_id.as_str(), m.name.as_str()))
            .collect();
        assert_eq!(who, [("alice", "Alice & Co é"), ("w_1", "No external id")]);
        assert_eq!(events.bbb_version.as_deref(), Some("2.4.6"));
        assert_eq!(events.cut_short, None);
    }

    #[test]
    fn a_damaged_file_gives_what_stands_before() {
        let events = read(&format!(
            "<recording>{}<event eventname=\"Part",
            join("alice", "A", "MODERATOR")
        ));
        assert_eq!(events.moderators.len(), 1);
        assert!(events.cut_short.unwrap().starts_with("byte "));
    }

    #[test]
    fn memory_is_bounded() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let n = buffer.len().min(usize::try_from(self.0).unwrap());
                buffer[..n].fill(b'x');
                self.0 -= n as u64;
                Ok(n)
            }
        }
        let start = format!("<recording>{}<event>", join("alice", "A", "MODERATOR"));
        let events =
            Events::from_reader(BufReader::new(start.as_bytes().chain(Endless(1 << 30)))).unwrap();
        assert_eq!(events.moderators.len(), 1);
        assert!(events.cut_short.unwrap().contains("longer than"));
    }

    #[test]
    fn entities_of_a_dtd_are_not_expanded() {
        let events = read(&format!(
            "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><recording>{}</recording>",
            join("a", "&x;b", "MODERATOR")
        ));
        assert_eq!(events.moderators[0].name, "b");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Events::from_reader(&bytes[..]);
        }
    }
}
