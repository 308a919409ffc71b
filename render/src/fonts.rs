//! The fonts of this machine: how wide text is in them, where its lines break, and what stands in
//! for a character that the wanted font lacks.

mod problems;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use harfrust::{FontRef, ShaperData, UnicodeBuffer};
use resvg::usvg::fontdb::{Database, FaceInfo, Family, ID, Query, Stretch, Style, Weight};
use resvg::usvg::{FontResolver, fontdb};
use skrifa::MetadataProvider;
use unicode_linebreak::{BreakOpportunity, linebreaks};

use problems::{Unusable, unusable};

/// Every font that text can be drawn with. Costly to make, cheap to share.
#[derive(Debug)]
pub struct Fonts {
    database: Arc<Database>,
    /// Faces in the order in which they stand in for others.
    substitutes: Vec<ID>,
    found: Mutex<HashMap<char, Option<ID>>>,
    unusable: Vec<Unusable>,
}

/// Which font is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Family names, best first; where none is there, a sans-serif one is taken.
    pub families: &'a [&'a str],
    /// 400 is regular, 700 bold.
    pub weight: u16,
    /// Slanted or not.
    pub italic: bool,
}

/// A font that stands in for the wanted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Substitute<'a> {
    /// Its family.
    pub family: &'a str,
    /// Its size in parts of the size wanted.
    pub scale: f64,
}

/// Noto's emoji are a quarter wider than the em; at this size they take one em.
const EMOJI: f64 = 0.8;

/// How tall a font's lines are, in parts of the font size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// From the baseline up.
    pub ascent: f64,
    /// From the baseline down; positive.
    pub descent: f64,
    /// Between two lines, beyond ascent and descent.
    pub line_gap: f64,
}

const ARIAL: Metrics = Metrics {
    ascent: 0.905,
    descent: 0.212,
    line_gap: 0.033,
};

impl Metrics {
    /// The height of a line that CSS calls `normal`, in parts of the font size.
    #[must_use]
    pub fn line_height(self) -> f64 {
        self.ascent + self.descent + self.line_gap
    }
}

/// What text on whiteboards of tldraw is set in; see the README beside them.
const OF_TLDRAW: [&[u8]; 8] = [
    include_bytes!("../fonts/CaveatBrush-Regular.ttf"),
    include_bytes!("../fonts/SourceSansPro-Regular.ttf"),
    include_bytes!("../fonts/CrimsonPro-Regular.ttf"),
    include_bytes!("../fonts/SourceCodePro-Regular.ttf"),
    include_bytes!("../fonts/ShantellSans-SemiBold.ttf"),
    include_bytes!("../fonts/IBMPlexSans-Medium.ttf"),
    include_bytes!("../fonts/IBMPlexSerif-Medium.ttf"),
    include_bytes!("../fonts/IBMPlexMono-Medium.ttf"),
];

/// Their families. They stand in for nothing else: which fonts do depends on the machine alone.
const FAMILIES_OF_TLDRAW: [&str; 8] = [
    "Caveat Brush",
    "Source Sans Pro",
    "Crimson Pro",
    "Source Code Pro",
    "Shantell Sans",
    "IBM Plex Sans",
    "IBM Plex Serif",
    "IBM Plex Mono",
];

impl Fonts {
    /// The fonts installed on this machine, and those of tldraw.
    #[must_use]
    pub fn system() -> Fonts {
        let mut database = Database::new();
        database.load_system_fonts();
        let unusable = unusable(&database);
        for data in OF_TLDRAW {
            database.load_font_source(fontdb::Source::Binary(Arc::new(data)));
        }
        Fonts {
            unusable,
            ..Fonts::of(database)
        }
    }

    /// The fonts of a database.
    #[must_use]
    pub fn of(mut database: Database) -> Fonts {
        // Metric-compatible with Arial, Times New Roman and Courier New, which BBB asks for.
        database.set_sans_serif_family("Liberation Sans");
        database.set_serif_family("Liberation Serif");
        database.set_monospace_family("Liberation Mono");
        one_of_each(&mut database);
        let mut faces: Vec<&FaceInfo> = database
            .faces()
            .filter(|face| !FAMILIES_OF_TLDRAW.contains(&family(face)))
            .collect();
        faces.sort_by_key(|face| unlikeliness(face));
        let substitutes = faces.iter().map(|face| face.id).collect();
        Fonts {
            database: Arc::new(database),
            substitutes,
            found: Mutex::default(),
            unusable: Vec::new(),
        }
    }

    /// The database, for [`resvg::usvg::Options`].
    #[must_use]
    pub fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    /// How usvg chooses fonts, so that it draws with those that were measured here.
    #[must_use]
    pub fn resolver(self: &Arc<Self>) -> FontResolver<'static> {
        let fonts = Arc::clone(self);
        FontResolver {
            select_font: FontResolver::default_font_selector(),
            select_fallback: Box::new(move |character, tried, _| {
                fonts.substitute(character).filter(|id| !tried.contains(id))
            }),
        }
    }

    /// How far `text`, on one line, moves the pen, in the unit of `size`.
    #[must_use]
    pub fn width(&self, wanted: Wanted<'_>, size: f64, text: &str) -> f64 {
        let runs = self.faces(wanted, text);
        runs.iter()
            .map(|&(face, run)| self.run_width(face, run) * self.scale(face))
            .sum::<f64>()
            * size
    }

    /// How far each character of `text` moves the pen when none of them join to ligatures, as in
    /// browsers where letters are spaced; `None` when that cannot be told character by character,
    /// as in scripts that join their letters or where other fonts stand in.
    #[must_use]
    pub fn advances(&self, wanted: Wanted<'_>, size: f64, text: &str) -> Option<Vec<f64>> {
        let first = self.query(wanted)?;
        match self.faces(wanted, text)[..] {
            [(face, _)] if face == first => {}
            _ => return None,
        }
        self.with_face(first, |font| {
            let data = ShaperData::new(&font);
            let shaper = data.shaper(&font).build();
            let mut buffer = UnicodeBuffer::new();
            buffer.push_str(text);
            buffer.guess_segment_properties();
            let off = [b"liga", b"clig"]
                .map(|name| harfrust::Feature::new(harfrust::Tag::new(name), 0, ..));
            let glyphs = shaper.shape(buffer, harfrust::ShapeOptions::new().features(&off));
            let places = glyphs
                .glyph_infos()
                .iter()
                .map(|glyph| glyph.cluster as usize);
            if !places.eq(text.char_indices().map(|(place, _)| place)) {
                return None;
            }
            let em = f64::from(shaper.units_per_em().max(1));
            let advance = |glyph: &harfrust::GlyphPosition| f64::from(glyph.x_advance) / em * size;
            Some(glyphs.glyph_positions().iter().map(advance).collect())
        })
        .flatten()
    }

    /// Cuts `text` where the font changes: what the wanted font has is given as it is, the rest
    /// with the font that stands in.
    #[must_use]
    pub fn runs<'t>(
        &self,
        wanted: Wanted<'_>,
        text: &'t str,
    ) -> Vec<(Option<Substitute<'_>>, &'t str)> {
        let first = self.query(wanted);
        let named = |id| {
            let face = self.database.face(id)?;
            Some(Substitute {
                family: family(face),
                scale: self.scale(id),
            })
        };
        let runs = self.faces(wanted, text).into_iter();
        runs.map(|(id, run)| (if Some(id) == first { None } else { named(id) }, run))
            .collect()
    }

    fn scale(&self, id: ID) -> f64 {
        let face = self.database.face(id);
        if face.is_some_and(|face| family(face).contains("Emoji")) {
            EMOJI
        } else {
            1.0
        }
    }

    fn faces<'t>(&self, wanted: Wanted<'_>, text: &'t str) -> Vec<(ID, &'t str)> {
        let Some(first) = self.query(wanted) else {
            return Vec::new();
        };
        let mut runs = Vec::new();
        let (mut start, mut current) = (0, first);
        for (position, character) in text.char_indices() {
            let face = if joins(character) {
                current
            } else if self.has(first, character) && !is_emoji(character) {
                first
            } else {
                self.substitute(character).unwrap_or(first)
            };
            if face != current {
                if position > start {
                    runs.push((current, &text[start..position]));
                }
                (start, current) = (position, face);
            }
        }
        if start < text.len() {
            runs.push((current, &text[start..]));
        }
        runs
    }

    /// How tall lines are.
    #[must_use]
    pub fn metrics(&self, wanted: Wanted<'_>) -> Metrics {
        self.query(wanted)
            .and_then(|id| self.face_metrics(id))
            .unwrap_or(ARIAL)
    }

    /// How tall a line with this text is: each font in it, and the wanted one, has its say.
    #[must_use]
    pub fn line_metrics(&self, wanted: Wanted<'_>, text: &str) -> Vec<Metrics> {
        let mut faces: Vec<ID> = self.query(wanted).into_iter().collect();
        faces.extend(self.faces(wanted, text).into_iter().map(|(id, _)| id));
        faces.dedup();
        let metrics = |id| {
            let Metrics {
                ascent,
                descent,
                line_gap,
            } = self.face_metrics(id).unwrap_or(ARIAL);
            let scale = self.scale(id);
            Metrics {
                ascent: ascent * scale,
                descent: descent * scale,
                line_gap: line_gap * scale,
            }
        };
        faces.into_iter().map(metrics).collect()
    }

    fn face_metrics(&self, id: ID) -> Option<Metrics> {
        self.with_face(id, |font| {
            let (size, place) = (
                skrifa::instance::Size::unscaled(),
                skrifa::instance::LocationRef::default(),
            );
            let metrics = font.metrics(size, place);
            let em = f64::from(metrics.units_per_em.max(1));
            Metrics {
                ascent: f64::from(metrics.ascent) / em,
                descent: -f64::from(metrics.descent) / em,
                line_gap: f64::from(metrics.leading) / em,
            }
        })
    }

    /// Breaks one paragraph into lines no wider than `width` where it can be broken, as browsers
    /// do with `overflow-wrap: break-word`: between words, and inside a word that is too long for
    /// any line. White space at the ends of lines is dropped. Never empty.
    #[must_use]
    pub fn wrap(&self, wanted: Wanted<'_>, size: f64, text: &str, width: f64) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        let (mut start, mut used) = (0, 0.0);
        for (end, opportunity) in linebreaks(text) {
            let piece = &text[start..end];
            start = end;
            if used + self.width(wanted, size, piece.trim_end()) <= width {
                line.push_str(piece);
                used += self.width(wanted, size, piece);
            } else {
                if !line.trim().is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line = self.torn(wanted, size, piece.trim_start(), width, &mut lines);
                used = self.width(wanted, size, &line);
            }
            if opportunity == BreakOpportunity::Mandatory {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
            .iter_mut()
            .for_each(|line| line.truncate(line.trim_end().len()));
        lines
    }

    /// Puts all but the end of a word too long for one line into `lines`.
    fn torn(
        &self,
        wanted: Wanted<'_>,
        size: f64,
        word: &str,
        width: f64,
        lines: &mut Vec<String>,
    ) -> String {
        if self.width(wanted, size, word.trim_end()) <= width {
            return word.to_owned();
        }
        let mut rest = String::new();
        for character in word.chars() {
            let length = rest.len();
            rest.push(character);
            if length > 0 && !character.is_whitespace() && self.width(wanted, size, &rest) > width {
                rest.truncate(length);
                lines.push(std::mem::replace(&mut rest, character.into()));
            }
        }
        rest
    }

    fn query(&self, wanted: Wanted<'_>) -> Option<ID> {
        let mut families: Vec<Family<'_>> = wanted
            .families
            .iter()
            .map(|name| Family::Name(name))
            .collect();
        families.push(Family::SansSerif);
        let style = if wanted.italic {
            Style::Italic
        } else {
            Style::Normal
        };
        let weight = Weight(wanted.weight);
        self.database.query(&Query {
            families: &families,
            weight,
            style,
            ..Query::default()
        })
    }

    fn substitute(&self, character: char) -> Option<ID> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found.entry(character).or_insert_with(|| {
            let emoji = |id: &ID| {
                self.database
                    .face(*id)
                    .is_some_and(|face| family(face).contains("Emoji"))
            };
            let pictures = self
                .substitutes
                .iter()
                .filter(|id| is_emoji(character) && emoji(id));
            pictures
                .chain(&self.substitutes)
                .copied()
                .find(|&id| self.has(id, character))
        })
    }

    fn has(&self, id: ID, character: char) -> bool {
        self.with_face(id, |font| font.charmap().map(character).is_some())
            .unwrap_or(false)
    }

    fn run_width(&self, id: ID, text: &str) -> f64 {
        if text.is_empty() {
            return 0.0;
        }
        self.with_face(id, |font| {
            let data = ShaperData::new(&font);
            let shaper = data.shaper(&font).build();
            let mut buffer = UnicodeBuffer::new();
            buffer.push_str(text);
            buffer.guess_segment_properties();
            let glyphs = shaper.shape(buffer, harfrust::ShapeOptions::new());
            let advances = glyphs
                .glyph_positions()
                .iter()
                .map(|glyph| f64::from(glyph.x_advance));
            advances.sum::<f64>() / f64::from(shaper.units_per_em().max(1))
        })
        .unwrap_or_default()
    }

    fn with_face<T>(&self, id: ID, use_it: impl FnOnce(FontRef<'_>) -> T) -> Option<T> {
        self.database
            .with_face_data(id, |data, index| {
                FontRef::from_index(data, index).ok().map(use_it)
            })
            .flatten()
    }
}

/// Keeps of several versions of one face the first by path, so that text looks the same whatever
/// order the file system lists them in.
fn one_of_each(database: &mut Database) {
    let mut faces: Vec<(PathBuf, ID)> = database
        .faces()
        .filter_map(|face| match &face.source {
            fontdb::Source::File(path) | fontdb::Source::SharedFile(path, _) => {
                Some((path.clone(), face.id))
            }
            fontdb::Source::Binary(_) => None,
        })
        .collect();
    faces.sort();
    let mut known = HashSet::new();
    for (_, id) in faces {
        if database
            .face(id)
            .is_some_and(|face| !known.insert(face.post_script_name.clone()))
        {
            database.remove_face(id);
        }
    }
}

/// The order in which faces stand in for others: plain ones of the widest coverage first.
fn unlikeliness(face: &FaceInfo) -> (bool, bool, u16, bool, usize) {
    let name = family(face);
    let preferred = [
        "Liberation Sans",
        "DejaVu Sans",
        "Noto Sans",
        "Droid Sans Fallback",
    ];
    (
        face.style != Style::Normal,
        face.stretch != Stretch::Normal,
        face.weight.0.abs_diff(Weight::NORMAL.0),
        face.monospaced || name.contains("Emoji"),
        preferred
            .iter()
            .position(|prefix| name.starts_with(prefix))
            .unwrap_or(preferred.len()),
    )
}

fn family(face: &FaceInfo) -> &str {
    let english = face
        .families
        .iter()
        .find(|f| f.1 == fontdb::Language::English_UnitedStates);
    english
        .or(face.families.first())
        .map_or("", |f| f.0.as_str())
}

/// Characters that continue whatever stands before them, in its font.
fn joins(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}')
}

fn is_emoji(character: char) -> bool {
    matches!(character, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{231a}'..='\u{23ff}' | '\u{2b1b}'..='\u{2b55}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARIAL: Wanted<'static> = Wanted {
        families: &["Arial", "Liberation Sans"],
        weight: 400,
        italic: false,
    };

    #[test]
    fn widths_are_those_of_arial() {
        let fonts = Fonts::system();
        // Arial's advance widths: H 1479, i 455 of 2048 units.
        let width = fonts.width(ARIAL, 2048.0, "Hi");
        assert!((width - (1479.0 + 455.0)).abs() < 1.0, "{width}");
        assert!((fonts.metrics(ARIAL).line_height() - 1.149).abs() < 0.001);
    }

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        let fonts = Fonts::system();
        let wrap = |text, width| fonts.wrap(ARIAL, 10.0, text, width);
        assert_eq!(wrap("one two", 1000.0), ["one two"]);
        assert_eq!(wrap("one two", 25.0), ["one", "two"]);
        assert_eq!(wrap("", 25.0), [""]);
        let torn = wrap("a mmmmmm", 20.0);
        assert_eq!(torn, ["a", "mm", "mm", "mm"]);
        assert_eq!(wrap("x", 0.0), ["x"]);
    }

    #[test]
    fn what_the_font_lacks_is_measured_in_another() {
        let fonts = Fonts::system();
        let notdef = fonts.width(ARIAL, 10.0, "\u{e000}\u{e000}");
        assert!(fonts.width(ARIAL, 10.0, "\u{1f389}") > 0.0);
        assert!(notdef > 0.0);
    }
}
