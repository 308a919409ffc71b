//! From the whiteboard's units to pixels of the canvas.

use resvg::tiny_skia::Transform;

use crate::geometry::{Rect, Size, ViewBox};

/// How a visible part of the slide lies on the canvas: as large as it fits, in the middle, and
/// cut off at its edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Projection {
    /// Pixels per unit.
    pub(super) scale: f64,
    /// Where the unit (0, 0) lies, in pixels.
    pub(super) left: f64,
    /// Where the unit (0, 0) lies, in pixels.
    pub(super) top: f64,
    /// The pixels that show the visible part.
    pub(super) clip: Rect,
}

impl Projection {
    /// `None` when not one pixel would show it.
    pub(super) fn new(view: ViewBox, size: Size) -> Option<Projection> {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let scale = (width / view.width).min(height / view.height);
        let x = (width - view.width * scale) / 2.0;
        let y = (height - view.height * scale) / 2.0;
        let clip = Rect::touched(
            x.round(),
            y.round(),
            (x + view.width * scale).round(),
            (y + view.height * scale).round(),
            size,
        )?;
        Some(Projection {
            scale,
            left: x - view.x * scale,
            top: y - view.y * scale,
            clip,
        })
    }

    /// As a transformation into a canvas whose first pixel is `origin`'s.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn transform(&self, origin: Rect) -> Transform {
        let scale = self.scale as f32;
        Transform::from_row(
            scale,
            0.0,
            0.0,
            scale,
            (self.left - f64::from(origin.x)) as f32,
            (self.top - f64::from(origin.y)) as f32,
        )
    }

    /// Where a rectangle of the board lies, as left, top, right and bottom in pixels.
    pub(super) fn place(&self, area: ViewBox) -> [f64; 4] {
        [
            self.left + area.x * self.scale,
            self.top + area.y * self.scale,
            self.left + (area.x + area.width) * self.scale,
            self.top + (area.y + area.height) * self.scale,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 1280,
        height: 720,
    };

    #[test]
    fn a_portrait_page_stands_in_the_middle() {
        let view = ViewBox::new(0.0, 0.0, 800.0, 1600.0).unwrap();
        let projection = Projection::new(view, SIZE).unwrap();
        assert_eq!(
            projection.clip,
            Rect {
                x: 460,
                y: 0,
                width: 360,
                height: 720
            }
        );
        assert_eq!(projection.place(view), [460.0, 0.0, 820.0, 720.0]);
    }

    #[test]
    fn a_zoomed_part_fills_the_canvas() {
        let view = ViewBox::new(400.0, 240.0, 1280.0, 720.0).unwrap();
        let projection = Projection::new(view, SIZE).unwrap();
        assert_eq!(projection.clip, Rect::of(SIZE));
        assert!((projection.left + 400.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_too_thin_to_be_seen_is_not_shown() {
        let view = ViewBox::new(0.0, 0.0, 1e7, 0.001).unwrap();
        assert_eq!(Projection::new(view, SIZE), None);
    }
}
