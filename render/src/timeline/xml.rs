//! A walk through an XML file of any length, in bounded memory.

use std::io::{self, BufRead, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How long one tag may be. A pencil stroke of a hundred thousand points fits.
const LONGEST_TAG: u64 = 8 << 20;

/// What a walk meets.
pub(super) enum Node<'a> {
    /// A start tag, or the first half of an empty element; `start` is the byte of its `<`.
    Open { tag: Tag<'a>, start: u64 },
    /// An end tag, or the second half of an empty element; `end` is the byte after its `>`.
    Close { end: u64 },
    /// Text with its entities resolved as far as XML itself defines them.
    Text(&'a str),
}

/// A start tag.
pub(super) struct Tag<'a>(&'a BytesStart<'a>);

impl Tag<'_> {
    /// The name without a namespace prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of an attribute; the name is compared without a namespace prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0
            .attributes()
            .with_checks(false)
            .flatten()
            .find_map(|attribute| {
                if attribute.key.local_name().into_inner() != name {
                    return None;
                }
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
                Some(value.into_owned())
            })
    }

    /// An attribute that is one finite number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}

/// Calls `visit` for everything in the file, in its order.
///
/// # Errors
/// Why the rest of the file could not be read; what came before has been visited.
pub(super) fn walk(file: impl BufRead, mut visit: impl FnMut(Node<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_reader(ShortTags {
        inner: file,
        since_tag: 0,
    });
    let mut buffer = Vec::new();
    let mut depth = 0u32;
    loop {
        buffer.clear();
        let start = reader.buffer_position();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|e| format!("at byte {start}: {e}"))?;
        match event {
            Event::Start(tag) => {
                depth += 1;
                visit(Node::Open {
                    tag: Tag(&tag),
                    start,
                });
            }
            Event::Empty(tag) => {
                visit(Node::Open {
                    tag: Tag(&tag),
                    start,
                });
                visit(Node::Close {
                    end: reader.buffer_position(),
                });
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                visit(Node::Close {
                    end: reader.buffer_position(),
                });
            }
            Event::Text(text) => visit(Node::Text(&text.into_inner())),
            Event::CData(text) => visit(Node::Text(&text.into_inner())),
            Event::GeneralRef(reference) => {
                let known = reference
                    .resolve_char_ref()
                    .ok()
                    .flatten()
                    .map(String::from);
                let known = known.or_else(|| {
                    quick_xml::escape::resolve_predefined_entity(&reference).map(String::from)
                });
                if let Some(text) = known {
                    visit(Node::Text(&text));
                }
            }
            Event::Eof if depth > 0 => return Err("the file ends in the middle".into()),
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// Refuses to go on when there is no `>` for too long: a tag is held in memory while it is read.
struct ShortTags<R> {
    inner: R,
    since_tag: u64,
}

impl<R: BufRead> Read for ShortTags<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for ShortTags<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since_tag > LONGEST_TAG {
            return Err(io::Error::other(format!(
                "an element of more than {LONGEST_TAG} bytes"
            )));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        let seen = self.inner.fill_buf().unwrap_or_default();
        match seen[..amount.min(seen.len())]
            .iter()
            .rposition(|&byte| byte == b'>')
        {
            Some(last) => self.since_tag = (amount - last) as u64,
            None => self.since_tag += amount as u64,
        }
        self.inner.consume(amount);
    }
}
