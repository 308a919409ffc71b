//! Pictures that lie over the film: a watermark, and captions that are drawn into it.
//!
//! What is below them is kept as it is in a frame of its own; only what changed of it is copied
//! and covered again.

use std::sync::Arc;

use resvg::usvg;

use crate::captions::Cue;
use crate::encode::Film;
use crate::encode::frame::Frame;
use crate::encode::plan::Tick;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Size};
use crate::raster::svg_options;
use crate::text::{self, Align, Type};

/// Height of burned captions in parts of the frame's.
const LETTERS: f64 = 1.0 / 20.0;
/// How much of the frame's width captions may take.
const WIDEST: f64 = 0.8;
const MOST_LINES: usize = 4;

/// A picture and where it lies; all edges are even.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    pub(crate) area: Rect,
    /// RGBA, the colours multiplied by the opacity, row by row.
    pub(crate) pixels: Vec<u8>,
}

/// The frame with what lies over it.
pub(crate) struct Covered {
    frame: Frame,
    watermark: Option<Arc<Overlay>>,
    captions: Option<Captions>,
    dirty: Vec<Rect>,
}

struct Captions {
    cues: Arc<Vec<Cue>>,
    fonts: Arc<Fonts>,
    options: usvg::Options<'static>,
    /// Which is shown, and what it looks like.
    shown: Option<(usize, Option<Overlay>)>,
}

impl Covered {
    /// `None` when nothing lies over the film.
    pub(crate) fn new(film: &Film<'_>, frame: &Frame) -> Option<Covered> {
        if film.watermark.is_none() && film.burned.is_empty() {
            return None;
        }
        let captions = (!film.burned.is_empty()).then(|| Captions {
            cues: Arc::clone(&film.burned),
            fonts: Arc::clone(&film.fonts),
            options: svg_options(&film.fonts),
            shown: None,
        });
        Some(Covered {
            frame: frame.clone(),
            watermark: film.watermark.clone(),
            captions,
            dirty: Vec::new(),
        })
    }

    /// Notes that the frame below has changed there.
    pub(crate) fn touch(&mut self, area: Rect) {
        self.dirty.push(area);
    }

    /// Covers what changed of `below`; `true` when it looks different itself.
    pub(crate) fn bring_to(&mut self, film: &Film<'_>, below: &Frame, now: Tick) -> bool {
        let changed = match &mut self.captions {
            Some(captions) => captions.bring_to(film, now, &mut self.dirty),
            None => false,
        };
        for area in self.dirty.drain(..) {
            let area = area.widened(film.frame);
            self.frame.copy_from(below, area);
            let caption = self.captions.as_ref().and_then(Captions::picture);
            for over in [self.watermark.as_deref(), caption].into_iter().flatten() {
                if let Some(part) = area.intersection(over.area) {
                    self.frame.blend(over, part);
                }
            }
        }
        changed
    }

    /// All three planes.
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Captions {
    fn picture(&self) -> Option<&Overlay> {
        self.shown
            .as_ref()
            .and_then(|(_, picture)| picture.as_ref())
    }

    fn bring_to(&mut self, film: &Film<'_>, now: Tick, dirty: &mut Vec<Rect>) -> bool {
        // Of several at a time the last to begin.
        let begun = self
            .cues
            .partition_point(|cue| film.grid.tick(cue.span.start) <= now);
        let earliest = begun.saturating_sub(MOST_AT_ONCE);
        let current = (earliest..begun)
            .rev()
            .find(|&n| now < film.grid.tick(self.cues[n].span.end));
        if current == self.shown.as_ref().map(|(n, _)| *n) {
            return false;
        }
        let before = self.picture().map(|picture| picture.area);
        self.shown = current.map(|n| {
            let text = self.cues[n].text();
            (n, caption(&text, film.frame, &self.fonts, &self.options))
        });
        let after = self.picture().map(|picture| picture.area);
        dirty.extend(before);
        dirty.extend(after);
        before.is_some() || after.is_some()
    }
}

/// How many captions are looked through for one that is still shown.
const MOST_AT_ONCE: usize = 50;

/// Lines of white letters on dark ground, in the middle at the bottom.
fn caption(text: &str, frame: Size, fonts: &Fonts, options: &usvg::Options<'_>) -> Option<Overlay> {
    let (width, height) = (f64::from(frame.width), f64::from(frame.height));
    let set = Type {
        fonts,
        size: (height * LETTERS).max(8.0),
        bold: false,
        fill: "#ffffff",
    };
    let lines = set.lines(text.trim(), width * WIDEST, MOST_LINES);
    if lines.iter().all(|line| line.trim().is_empty()) {
        return None;
    }
    let widest = lines.iter().map(|line| set.width(line)).fold(0.0, f64::max);
    let margin = set.size * 0.4;
    let (box_width, box_height) = (widest + 2.0 * margin, set.height(lines.len()) + margin);
    let left = (width - box_width) / 2.0;
    let top = height - box_height - set.size * 0.6;
    let area = Rect::touched(left, top, left + box_width, top + box_height, frame)?.widened(frame);
    let (x, y) = (left - f64::from(area.x), top - f64::from(area.y));
    let mut svg = format!(
        r##"<rect x="{x:.2}" y="{y:.2}" width="{box_width:.2}" height="{box_height:.2}" rx="{:.2}" fill="#000000" fill-opacity="0.7"/>"##,
        margin / 2.0
    );
    let place = (x + margin, y + margin / 2.0, widest);
    set.draw(&mut svg, &lines, place, Align::Middle);
    let size = Size {
        width: area.width,
        height: area.height,
    };
    let picture = text::picture(&svg, size, options)?;
    Some(Overlay {
        area,
        pixels: picture.take(),
    })
}
