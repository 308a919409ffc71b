//! The fonts of this machine, and how wide text is in them.

use std::sync::Arc;

use harfrust::{FontRef, ShaperData, UnicodeBuffer};
use resvg::usvg::fontdb::{Database, Family, Query, Style, Weight};
use skrifa::MetadataProvider;

/// Every font that text can be drawn with. Costly to make, cheap to share.
#[derive(Debug)]
pub struct Fonts {
    database: Arc<Database>,
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

impl Metrics {
    /// The height of a line that CSS calls `normal`, in parts of the font size.
    #[must_use]
    pub fn line_height(self) -> f64 {
        self.ascent + self.descent + self.line_gap
    }
}

impl Fonts {
    /// The fonts installed on this machine.
    #[must_use]
    pub fn system() -> Fonts {
        let mut database = Database::new();
        database.load_system_fonts();
        database.set_sans_serif_family("Liberation Sans");
        database.set_serif_family("Liberation Serif");
        database.set_monospace_family("Liberation Mono");
        Fonts {
            database: Arc::new(database),
        }
    }

    /// The database, for [`resvg::usvg::Options`].
    #[must_use]
    pub fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    /// How far `text`, on one line, moves the pen, in the unit of `size`.
    #[must_use]
    pub fn width(&self, wanted: Wanted<'_>, size: f64, text: &str) -> f64 {
        self.with_font(wanted, |font| {
            let data = ShaperData::new(&font);
            let shaper = data.shaper(&font).build();
            let mut buffer = UnicodeBuffer::new();
            buffer.push_str(text);
            buffer.guess_segment_properties();
            let glyphs = shaper.shape(buffer, harfrust::ShapeOptions::new());
            let units: i64 = glyphs
                .glyph_positions()
                .iter()
                .map(|p| i64::from(p.x_advance))
                .sum();
            #[allow(clippy::cast_precision_loss)]
            let units = units as f64;
            units / f64::from(shaper.units_per_em().max(1)) * size
        })
        .unwrap_or_default()
    }

    /// How tall lines are.
    #[must_use]
    pub fn metrics(&self, wanted: Wanted<'_>) -> Metrics {
        self.with_font(wanted, |font| {
            let metrics = font.metrics(
                skrifa::instance::Size::unscaled(),
                skrifa::instance::LocationRef::default(),
            );
            let em = f64::from(metrics.units_per_em.max(1));
            Metrics {
                ascent: f64::from(metrics.ascent) / em,
                descent: -f64::from(metrics.descent) / em,
                line_gap: f64::from(metrics.leading) / em,
            }
        })
        .unwrap_or(Metrics {
            ascent: 0.905,
            descent: 0.212,
            line_gap: 0.033,
        })
    }

    fn with_font<T>(&self, wanted: Wanted<'_>, use_it: impl FnOnce(FontRef<'_>) -> T) -> Option<T> {
        let mut families: Vec<Family<'_>> = wanted
            .families
            .iter()
            .map(|name| Family::Name(name))
            .collect();
        families.push(Family::SansSerif);
        let id = self.database.query(&Query {
            families: &families,
            weight: Weight(wanted.weight),
            style: if wanted.italic {
                Style::Italic
            } else {
                Style::Normal
            },
            ..Query::default()
        })?;
        self.database
            .with_face_data(id, |data, index| {
                FontRef::from_index(data, index).ok().map(use_it)
            })
            .flatten()
    }
}
