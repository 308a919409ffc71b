//! `tldraw.json`: the drawn shapes of BBB 2.6 and later.
//!
//! Under each image's number stands a list of versions, each holding the whole shape as it was
//! then. The file is read as a stream: of a shape only its place, its identity and its rank stay
//! in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, BufRead, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::canvas::{Draft, Place, Ties};
use super::shapes::{LONGEST_SHAPE, MOST_VERSIONS};
use crate::time::Millis;
use crate::warning::Warnings;

/// What `tldraw.json` says.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The `bbb_version`, which early 2.6 did not write.
    pub(super) version: Option<Vec<u32>>,
    /// By the `id` of the image they are drawn on.
    pub(super) drafts: HashMap<String, Vec<Draft>>,
    /// Whether the shapes are of tldraw's second generation, by their content.
    pub(super) second: bool,
}

/// Reads as much of `tldraw.json` as can be read.
pub(super) fn read(file: impl BufRead, warnings: &Warnings) -> Pages {
    let tape = RefCell::new(Tape {
        inner: file,
        position: 0,
        recorded: None,
    });
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_reader(Tapped(&tape));
    let told = TopLevel {
        found: &mut found,
        tape: &tape,
        warnings,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    if let Err(error) = told {
        warnings.add(
            "rest of the shapes skipped",
            Some(Path::new(FILE)),
            error.to_string(),
        );
    }
    let second = found.second;
    let version = found.version;
    let drafts = found
        .pages
        .into_iter()
        .map(|(key, page)| (format!("image{key}"), page.drafts()));
    Pages {
        version,
        second,
        drafts: drafts.collect(),
    }
}

const FILE: &str = "tldraw.json";

#[derive(Default)]
struct Found {
    version: Option<Vec<u32>>,
    second: bool,
    pages: BTreeMap<String, Page>,
    versions: usize,
}

/// The versions of one image, with the numbers and ranks that are known only at its end.
#[derive(Default)]
struct Page {
    drafts: Vec<Draft>,
    numbers: HashMap<String, u32>,
    defined: std::collections::HashSet<u32>,
    ranks: Vec<Rank>,
}

/// What orders siblings: a number in the first generation, a fractional key in the second.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Rank {
    Number(f64),
    Key(String),
}

impl Page {
    fn number(&mut self, id: &str) -> u32 {
        let fresh = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(id.to_owned()).or_insert(fresh)
    }

    fn drafts(self) -> Vec<Draft> {
        let mut order: Vec<usize> = (0..self.ranks.len()).collect();
        let compare = |a: &usize, b: &usize| {
            self.ranks[*a]
                .partial_cmp(&self.ranks[*b])
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        order.sort_by(compare);
        let mut drafts = self.drafts;
        let mut rank = 0;
        for (place, &n) in order.iter().enumerate() {
            if place > 0 && compare(&order[place - 1], &n).is_ne() {
                rank += 1;
            }
            drafts[n].rank = rank;
        }
        for draft in &mut drafts {
            // The parent of most shapes is the page, which is no shape.
            draft.ties.parent = draft.ties.parent.filter(|p| self.defined.contains(p));
        }
        drafts
    }
}

/// The part of a shape that is needed before it is drawn.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    id: String,
    #[serde(default)]
    parent_id: Value,
    #[serde(default)]
    index: Value,
    #[serde(default)]
    child_index: Value,
    #[serde(default)]
    props: Value,
}

impl Head {
    fn rank(&self) -> Rank {
        match (&self.index, self.child_index.as_f64()) {
            (Value::String(key), _) => Rank::Key(key.clone()),
            (_, Some(number)) => Rank::Number(number),
            _ => Rank::Number(f64::MAX),
        }
    }

    fn bound(&self) -> impl Iterator<Item = &str> {
        ["start", "end"]
            .into_iter()
            .filter_map(|end| self.props.get(end)?.get("boundShapeId")?.as_str())
    }
}

fn entry(found: &mut Found, page: &str, entry: Entry, warnings: &Warnings) {
    let skip = |why: &str| warnings.add("shape skipped", Some(Path::new(FILE)), why);
    let Some(at) = entry.timestamp.as_f64().and_then(Millis::from_seconds) else {
        return skip("its timestamp is no time");
    };
    let Some((place, text)) = entry.shape else {
        return skip("it has no shape_data");
    };
    let head: Head = match serde_json::from_slice(&text) {
        Ok(head) => head,
        Err(error) => return skip(&format!("its shape_data is not a shape: {error}")),
    };
    found.versions += 1;
    if found.versions > MOST_VERSIONS {
        return skip("too many versions of shapes");
    }
    found.second |= !head.props.is_null();
    let page = found.pages.entry(page.to_owned()).or_default();
    let shape = page.number(&head.id);
    page.defined.insert(shape);
    let parent = head
        .parent_id
        .as_str()
        .filter(|id| !id.starts_with("page:"));
    let ties = Ties {
        parent: parent.map(|id| page.number(id)),
        bound: head.bound().map(|id| page.number(id)).collect(),
    };
    page.ranks.push(head.rank());
    let undo = entry
        .undo
        .as_f64()
        .filter(|&undo| undo >= 0.0)
        .and_then(Millis::from_seconds);
    page.drafts.push(Draft {
        at,
        undo,
        place,
        shape,
        ties,
        rank: 0,
    });
}

struct TopLevel<'a, R> {
    found: &'a mut Found,
    tape: &'a RefCell<Tape<R>>,
    warnings: &'a Warnings,
}

impl<'de, R: BufRead> DeserializeSeed<'de> for TopLevel<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: BufRead> Visitor<'de> for TopLevel<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of images")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "bbb_version" {
                let version: Value = map.next_value()?;
                self.found.version = version.as_str().map(version_numbers);
            } else {
                map.next_value_seed(Image {
                    key: &key,
                    found: self.found,
                    tape: self.tape,
                    warnings: self.warnings,
                })?;
            }
        }
        Ok(())
    }
}

/// The object under one image's number, then the list in it.
struct Image<'a, R> {
    key: &'a str,
    found: &'a mut Found,
    tape: &'a RefCell<Tape<R>>,
    warnings: &'a Warnings,
}

impl<'de, R: BufRead> DeserializeSeed<'de> for Image<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: BufRead> Visitor<'de> for Image<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image's list of shapes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Image {
            key,
            found,
            tape,
            warnings,
        } = self;
        while let Some(name) = map.next_key::<String>()? {
            if name == "shapes" {
                map.next_value_seed(Image {
                    key,
                    found,
                    tape,
                    warnings,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(version) = list.next_element_seed(EntrySeed { tape: self.tape })? {
            entry(self.found, self.key, version, self.warnings);
        }
        Ok(())
    }
}

/// One version as it stands in the list.
#[derive(Default)]
struct Entry {
    timestamp: Value,
    undo: Value,
    shape: Option<(Place, Vec<u8>)>,
}

struct EntrySeed<'a, R> {
    tape: &'a RefCell<Tape<R>>,
}

impl<'de, R: BufRead> DeserializeSeed<'de> for EntrySeed<'_, R> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: BufRead> Visitor<'de> for EntrySeed<'_, R> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version of a shape")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "timestamp" => entry.timestamp = map.next_value()?,
                "undo" => entry.undo = map.next_value()?,
                "shape_data" => {
                    self.tape.borrow_mut().record();
                    map.next_value::<IgnoredAny>()?;
                    entry.shape = self.tape.borrow_mut().recorded();
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(entry)
    }
}

/// The file as it passes by, byte for byte, so that it is known where a shape stands.
///
/// serde_json looks at most at the one byte it needs next, and needs none after the brace that
/// ends an object: what has passed between the start and the end of a value is the value.
struct Tape<R> {
    inner: R,
    position: u64,
    recorded: Option<(u64, Vec<u8>)>,
}

impl<R> Tape<R> {
    fn record(&mut self) {
        self.recorded = Some((self.position, Vec::new()));
    }

    fn recorded(&mut self) -> Option<(Place, Vec<u8>)> {
        let (start, mut text) = self.recorded.take()?;
        // The colon and the space before the value have passed too.
        let brace = text.iter().position(|&byte| byte == b'{')?;
        text.drain(..brace);
        let place = Place {
            start: start + brace as u64,
            length: u32::try_from(text.len()).ok()?,
        };
        (text.last() == Some(&b'}')).then_some((place, text))
    }
}

struct Tapped<'a, R>(&'a RefCell<Tape<R>>);

impl<R: BufRead> Read for Tapped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tape = self.0.borrow_mut();
        let Some(wanted) = buffer.get_mut(..1) else {
            return Ok(0);
        };
        let length = tape.inner.read(wanted)?;
        tape.position += length as u64;
        if let Some((_, text)) = &mut tape.recorded {
            if text.len() as u64 > LONGEST_SHAPE {
                return Err(io::Error::other(format!(
                    "a shape longer than {LONGEST_SHAPE} bytes"
                )));
            }
            text.extend_from_slice(&wanted[..length]);
        }
        Ok(length)
    }
}

/// `2.6.1` and `3.0.0-beta.1` as numbers; what is no number ends them.
fn version_numbers(text: &str) -> Vec<u32> {
    text.split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Pages, Warnings) {
        let warnings = Warnings::default();
        let pages = read(text.as_bytes(), &warnings);
        (pages, warnings)
    }

    const TWO: &str = r#"{"bbb_version":"3.0.0","2":{"shapes":[
        {"id":1,"timestamp":4.0,"undo":-1,"shape_data": {"id":"shape:f","type":"frame","parentId":"page:1","index":"a9","props":{}}},
        {"id":2,"timestamp":5,"undo":6.5,"shape_data":{"id":"shape:c","type":"geo","parentId":"shape:f","index":"a10","props":{"s":"}]\"{"}} },
        {"id":3,"timestamp":7,"undo":-1,"shape_data":{"id":"shape:f","type":"frame","parentId":"page:1","index":"a9","props":{}}}
        ],"timestamp":2.0}}"#;

    #[test]
    fn places_are_those_of_the_shapes() {
        let (pages, warnings) = read_text(TWO);
        assert_eq!(warnings.list(), []);
        assert_eq!(pages.version, Some(vec![3, 0, 0]));
        assert!(pages.second);
        let drafts = &pages.drafts["image2"];
        for draft in drafts {
            let text = &TWO[draft.place.start as usize..][..draft.place.length as usize];
            let shape: Value = serde_json::from_str(text).unwrap();
            assert!(
                shape["id"].as_str().unwrap().starts_with("shape:"),
                "{text}"
            );
        }
        let told: Vec<_> = drafts
            .iter()
            .map(|d| (d.shape, d.ties.parent, d.rank, d.undo))
            .collect();
        let undone = Some(Millis(6500));
        assert_eq!(
            told,
            [
                (0, None, 1, None),
                (1, Some(0), 0, undone),
                (0, None, 1, None)
            ]
        );
    }

    #[test]
    fn a_truncated_file_gives_what_can_be_read() {
        let cut = TWO.find(r#"{"id":3"#).unwrap() + 20;
        let (pages, warnings) = read_text(&TWO[..cut]);
        assert_eq!(pages.drafts["image2"].len(), 2);
        assert_eq!(warnings.list().len(), 1);
    }

    #[test]
    fn a_bad_shape_is_skipped_alone() {
        let (pages, warnings) = read_text(
            r#"{"1":{"shapes":[{"id":1,"timestamp":"x","shape_data":{"id":"a"}},
                {"id":2,"timestamp":1},{"id":2,"timestamp":1,"shape_data":7},
                {"id":3,"timestamp":1,"undo":null,"shape_data":{"id":5}},
                {"id":4,"timestamp":1,"undo":-1,"shape_data":{"id":"b","childIndex":2,"parentId":"1"}},
                {"id":5,"timestamp":1,"undo":-1,"shape_data":{"id":"c","childIndex":1.5,"parentId":"1"}}]}}"#,
        );
        let ranks: Vec<u32> = pages.drafts["image1"].iter().map(|d| d.rank).collect();
        assert_eq!(ranks, [1, 0]);
        assert!(!pages.second);
        assert_eq!(pages.version, None);
        assert_eq!(warnings.list().iter().map(|w| w.count).sum::<u32>(), 4);
    }

    #[test]
    fn versions_compare_by_numbers() {
        assert!(version_numbers("2.6.0") < version_numbers("2.6.1"));
        assert!(version_numbers("2.6.10") > version_numbers("2.6.9"));
        assert_eq!(version_numbers("3.0.0-beta.1"), [3, 0, 0]);
    }
}
