//! What is shown when: the timed files of a recording as plain data.
//!
//! Everything is clamped to the recording's duration, sorted by time, and free of what is
//! malformed; what had to be left out is told in [`Timeline::warnings`]. Nothing here knows of
//! pixels. Drawn shapes are not kept in memory but found again by their place in the file, so
//! that a long lecture costs a few dozen bytes per version of a shape.

use crate::geometry::{Point, ViewBox};
use crate::time::Millis;
use crate::warning::Warnings;

/// A published presentation as it unfolds in recorded time.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The recorded time, from `metadata.xml`; `None` when it is not said there.
    pub duration: Option<Millis>,
    /// The units of [`Timeline::views`], [`Timeline::pointers`] and of the shapes.
    pub units: Units,
    /// Slides in the order of their times; each is shown until the next one.
    pub slides: Vec<Showing>,
    /// What part of the slide is seen; each entry holds until the next one.
    pub views: Vec<View>,
    /// Where the presenter points; each entry holds until the next one.
    pub pointers: Vec<Pointer>,
    /// When the screen share takes the place of the slide; ascending, not overlapping.
    pub shares: Vec<Span>,
    /// What was left out or repaired while reading.
    pub warnings: Warnings,
}

/// The coordinates in which a recording's whiteboard speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub enum Units {
    /// Pixels of the slide's picture as `shapes.svg` gives its size (BBB 0.9 to 2.5).
    #[default]
    SlidePixels,
    /// Units of the tldraw page, into which the slide is fitted (BBB 2.6 and later): the slide's
    /// picture takes the largest size of its own proportions within this width and height.
    Page {
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
    /// The picture's path in the recording's folder; `None` for a blank.
    pub href: Option<String>,
    /// The picture's size as `shapes.svg` gives it.
    pub width: f64,
    /// The picture's size as `shapes.svg` gives it.
    pub height: f64,
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
    pub at_point: Option<Point>,
}

/// From one instant until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant in it.
    pub start: Millis,
    /// The first instant after it.
    pub end: Millis,
}

impl Timeline {
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
}
