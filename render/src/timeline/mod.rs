//! What is shown when: the timed files of a recording as plain data.
//!
//! Everything is clamped to the recording's duration, sorted by time, and free of what is
//! malformed; what had to be left out is told in [`Timeline::warnings`]. Nothing here knows of
//! pixels. Drawn shapes are not kept in memory but found again by their place in the file, so
//! that a long lecture costs a few dozen bytes per version of a shape.

mod canvas;
mod chat;
mod events;
mod references;
mod shapes;
mod tldraw;
mod xml;

use std::collections::HashMap;
use std::io::BufReader;

pub use canvas::{Canvas, Draft, Place, Ties, Version};
pub use chat::{Message, anonymise, read as read_chat};
pub use events::Pointing;
use recording::PlaybackFormat;
use recording::metadata::Metadata;
pub use references::{References, references};

use crate::error::Error;
use crate::geometry::{Point, ViewBox};
use crate::source::Source;
use crate::time::Millis;
use crate::warning::Warnings;

/// A published presentation as it unfolds in recorded time.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The recorded time, from `metadata.xml`; `None` when it is not said there.
    pub duration: Option<Millis>,
    /// What the whiteboard is made of.
    pub board: Board,
    /// Slides in the order of their times; each is shown until the next one.
    pub slides: Vec<Showing>,
    /// The whiteboards of the slides, see [`Showing::canvas`].
    pub canvases: Vec<Canvas>,
    /// What part of the slide is seen; each entry holds until the next one.
    pub views: Vec<View>,
    /// Where the presenter points; each entry holds until the next one.
    pub pointers: Vec<Pointer>,
    /// How the points of [`Timeline::pointers`] are meant.
    pub pointing: Pointing,
    /// When the screen share takes the place of the slide; ascending, not overlapping. Empty when
    /// there is no film of it.
    pub shares: Vec<Span>,
    /// What was left out or repaired while reading.
    pub warnings: Warnings,
}

/// What a recording's whiteboard is made of, and so the units it speaks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub enum Board {
    /// Shapes of `shapes.svg` in pixels of the slide's picture, as `shapes.svg` gives its size
    /// (BBB 0.9 to 2.5).
    #[default]
    Svg,
    /// Shapes of `tldraw.json` in units of the tldraw page (BBB 2.6 and later): the slide's picture
    /// takes the largest size of its own proportions within `width` and `height`.
    Tldraw {
        /// Whether the shapes are of tldraw's second generation (BBB 3.0).
        second: bool,
        /// 1440, or 2048 before BBB 2.6.1.
        width: f64,
        /// 1080, or 1536 before BBB 2.6.1.
        height: f64,
    },
}

/// One showing of a slide.
#[derive(Clone, Debug, PartialEq)]
pub struct Showing {
    /// From this instant on.
    pub at: Millis,
    /// The `id` of its image in `shapes.svg`.
    pub id: String,
    /// The picture's path in the recording's folder.
    pub href: Option<String>,
    /// The picture's size as `shapes.svg` gives it.
    pub width: f64,
    /// The picture's size as `shapes.svg` gives it.
    pub height: f64,
    /// Which of [`Timeline::canvases`] is drawn on it.
    pub canvas: Option<usize>,
}

impl Showing {
    /// Whether there is nothing to see: BBB publishes two blank pictures, for "nothing is
    /// presented" and "the screen is shared".
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let blank = |href: &str| {
            matches!(
                href.trim_start_matches("./"),
                "presentation/logo.png" | "presentation/deskshare.png"
            )
        };
        self.canvas.is_none() && self.href.as_deref().is_none_or(blank)
    }
}

/// The part of the slide that is seen from an instant on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// From this instant on.
    pub at: Millis,
    /// As the file has it.
    pub view_box: ViewBox,
}

/// Where the presenter points from an instant on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pointer {
    /// From this instant on.
    pub at: Millis,
    /// `None` while it is hidden.
    pub point: Option<Point>,
}

/// From one instant until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// The first instant in it.
    pub start: Millis,
    /// The first instant after it.
    pub end: Millis,
}

impl Timeline {
    /// Reads the timed files of a recording. What is missing or malformed costs a warning and is
    /// left out.
    ///
    /// # Errors
    /// When the folder holds nothing of a published presentation, or when a file is there and the
    /// system fails to read it.
    pub fn read(source: &Source) -> Result<Timeline, Error> {
        if !source.is_presentation() {
            return Err(Error::NotARecording {
                path: source.dir().to_path_buf(),
                why: "it has no metadata.xml, no shapes.svg and no media; give the folder \
                      published/presentation/<record id>"
                    .into(),
            });
        }
        if let Some(format) = other_format(source) {
            return Err(Error::NotARecording {
                path: source.dir().to_path_buf(),
                why: format!("it is of the format \"{format}\"; only presentations are drawn"),
            });
        }
        let mut timeline = Timeline::default();
        let warnings = &timeline.warnings;
        let open = |name: &str, needed: bool| -> Result<_, Error> {
            match source.open_file(name) {
                Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
                Err(error) if error.is_transient() => Err(error),
                Err(error) => {
                    if needed {
                        warnings.add("file not used", Some(name.as_ref()), error.why());
                    }
                    Ok(None)
                }
            }
        };

        timeline.duration = match open("metadata.xml", true)? {
            Some(file) => events::duration(file, warnings),
            None => None,
        };
        let shapes = match open("shapes.svg", true)? {
            Some(file) => shapes::read(file, warnings),
            None => shapes::Shapes::default(),
        };
        let (views, mut tldraw) = match open("panzooms.xml", false)? {
            Some(file) => events::views(file, warnings),
            None => (Vec::new(), false),
        };
        if let Some(file) = open("cursor.xml", false)? {
            (timeline.pointers, timeline.pointing) = events::pointers(file, warnings);
            tldraw |= timeline.pointing == Pointing::PageUnits;
        }
        if let (Some(file), true) = (open("deskshare.xml", false)?, source.deskshare().is_some()) {
            timeline.shares = events::shares(file, warnings);
        }

        let mut drafts = shapes.drafts;
        // A recording of before 2.6 that a later BBB has published anew can hold a tldraw.json
        // without shapes: its panzooms, or else the shapes themselves, tell what it is.
        let pages = match open("tldraw.json", false)? {
            Some(file) if tldraw || drafts.is_empty() => Some(tldraw::read(file, warnings)),
            _ => None,
        };
        if let Some(pages) = pages.filter(|pages| tldraw || !pages.drafts.is_empty()) {
            timeline.board = board(pages.version.as_deref().unwrap_or(&[2, 6, 0]), pages.second);
            drafts = pages.drafts;
        } else if tldraw {
            timeline.board = board(&[2, 6, 1], false);
        }
        timeline.slides = shapes.showings;
        timeline.slides.retain(|slide| {
            match slide.href.as_deref().map(|href| source.resolve(href)) {
                Some(Err(error @ Error::Outside { .. })) => {
                    warnings.add(
                        "slide skipped",
                        Some("shapes.svg".as_ref()),
                        error.to_string(),
                    );
                    false
                }
                _ => true,
            }
        });
        timeline.views = views;
        timeline.connect(drafts);
        timeline.settle();
        Ok(timeline)
    }

    /// The screen share that takes the presentation area at `t`, if one does.
    #[must_use]
    pub fn share_at(&self, t: Millis) -> Option<Span> {
        let after = self.shares.partition_point(|share| share.start <= t);
        self.shares[..after]
            .last()
            .copied()
            .filter(|share| t < share.end)
    }

    /// Instants at which the presentation area may change, ascending, without repetition; the
    /// first is 0.
    #[must_use]
    pub fn changes(&self) -> Vec<Millis> {
        let mut instants = vec![Millis::ZERO];
        instants.extend(self.slides.iter().map(|slide| slide.at));
        for (n, slide) in self.slides.iter().enumerate() {
            let end = self
                .slides
                .get(n + 1)
                .map_or(Millis(u64::MAX), |next| next.at);
            if let Some(canvas) = slide.canvas.and_then(|c| self.canvases.get(c)) {
                instants.extend(canvas.instants().filter(|&t| t > slide.at && t < end));
            }
        }
        instants.extend(self.views.iter().map(|view| view.at));
        instants.extend(self.pointers.iter().map(|pointer| pointer.at));
        instants.extend(
            self.shares
                .iter()
                .flat_map(|share| [share.start, share.end]),
        );
        if let Some(duration) = self.duration {
            instants.retain(|&t| t < duration);
        }
        instants.sort_unstable();
        instants.dedup();
        instants
    }

    /// Gives each showing its canvas.
    fn connect(&mut self, mut drafts: HashMap<String, Vec<Draft>>) {
        let duration = self.duration.unwrap_or(Millis(u64::MAX));
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for slide in &mut self.slides {
            if let Some(mut drafts) = drafts.remove(&slide.id) {
                drafts.retain(|draft| draft.at < duration);
                numbers.insert(slide.id.clone(), self.canvases.len());
                self.canvases.push(Canvas::new(&drafts));
            }
            slide.canvas = numbers.get(&slide.id).copied();
        }
        let lost: usize = drafts.values().map(Vec::len).sum();
        if lost > 0 {
            self.warnings.add(
                "shapes skipped",
                None,
                format!("{lost} are drawn on no slide that is shown"),
            );
        }
    }

    /// Sorts by time, keeps of several at one time the last, and clamps to the duration.
    fn settle(&mut self) {
        let duration = self.duration.unwrap_or(Millis(u64::MAX));
        last_of_each(&mut self.slides, duration, |slide| slide.at);
        last_of_each(&mut self.views, duration, |view| view.at);
        last_of_each(&mut self.pointers, duration, |pointer| pointer.at);
        self.shares.sort_unstable_by_key(|share| share.start);
        let mut apart: Vec<Span> = Vec::with_capacity(self.shares.len());
        for share in self.shares.drain(..).filter(|share| share.start < duration) {
            let end = share.end.min(duration);
            match apart.last_mut() {
                Some(last) if share.start <= last.end => last.end = last.end.max(end),
                _ => apart.push(Span {
                    start: share.start,
                    end,
                }),
            }
        }
        self.shares = apart;
    }
}

/// The format of a recording that is no presentation, by what its description says.
fn other_format(source: &Source) -> Option<PlaybackFormat> {
    if source.resolve("shapes.svg").is_ok() {
        return None;
    }
    let metadata = Metadata::read(&source.resolve("metadata.xml").ok()?).ok()?;
    let format = metadata.playback.into_iter().next()?.format;
    (format.as_str() != "presentation").then_some(format)
}

fn last_of_each<T>(items: &mut Vec<T>, duration: Millis, at: impl Fn(&T) -> Millis) {
    items.retain(|item| at(item) < duration);
    items.sort_by_key(&at);
    items.dedup_by(|later, kept| {
        let same = at(later) == at(kept);
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

fn board(version: &[u32], second: bool) -> Board {
    // The size of the page changed with 2.6.1.
    let (width, height) = if version < [2, 6, 1].as_slice() {
        (2048.0, 1536.0)
    } else {
        (1440.0, 1080.0)
    };
    Board::Tldraw {
        second: second || version >= [3].as_slice(),
        width,
        height,
    }
}

/// A time as BBB writes it: seconds with a decimal point.
fn seconds(text: &str) -> Option<Millis> {
    text.trim().parse().ok().and_then(Millis::from_seconds)
}
