//! The presenter's pointer: a red disc that is drawn over everything, and taken away again.

use resvg::tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, PixmapMut, Transform};

use super::patch::{copied, pasted};
use super::projection::Projection;
use crate::geometry::{Point, Rect, Size};
use crate::timeline::Board;

/// A disc as it lies on the canvas, with what is below it.
#[derive(Debug)]
pub(super) struct Pointer {
    pub(super) disc: Disc,
    area: Rect,
    below: Vec<u8>,
}

/// Where and how large the pointer is, in pixels, and its colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Disc {
    x: f32,
    y: f32,
    radius: f32,
    color: [u8; 3],
    clip: Rect,
}

impl Disc {
    /// As the official player draws it for each kind of whiteboard: 8 units of the visible part
    /// in radius; 10 pixels of the screen across for tldraw's first generation; a tiny ellipse
    /// with a thick line for its second.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn new(point: Point, board: Board, projection: &Projection, size: Size) -> Disc {
        let (radius, color, shift) = match board {
            Board::Svg => (8.0 * projection.scale, [223, 39, 33], 0.0),
            Board::Tldraw { second: false, .. } => {
                (5.0 * f64::from(size.height) / 720.0, [199, 0, 57], 0.0)
            }
            Board::Tldraw { second: true, .. } => (6.5 * projection.scale, [224, 49, 49], 1.25),
        };
        // The first generation's pointer is no part of the page, and is not cut off at its edge.
        let clip = match board {
            Board::Tldraw { second: false, .. } => Rect::of(size),
            Board::Svg | Board::Tldraw { .. } => projection.clip,
        };
        Disc {
            x: (projection.left + (point.x + shift) * projection.scale) as f32,
            y: (projection.top + (point.y + shift) * projection.scale) as f32,
            radius: radius as f32,
            color,
            clip,
        }
    }
}

impl Pointer {
    /// Draws a disc; `None` when none of it lies on the visible part of the slide.
    pub(super) fn draw(disc: Disc, canvas: &mut Pixmap) -> Option<Pointer> {
        let size = Size {
            width: canvas.width(),
            height: canvas.height(),
        };
        let reach = f64::from(disc.radius) + 1.0;
        let (x, y) = (f64::from(disc.x), f64::from(disc.y));
        let area = Rect::touched(x - reach, y - reach, x + reach, y + reach, size)?
            .intersection(disc.clip)?;
        let below = copied(canvas, area);
        let mut patch = below.clone();
        let mut pixmap = PixmapMut::from_bytes(&mut patch, area.width, area.height)?;
        let mut paint = Paint::default();
        let [red, green, blue] = disc.color;
        paint.set_color(Color::from_rgba8(red, green, blue, 255));
        let path = PathBuilder::from_circle(disc.x, disc.y, disc.radius)?;
        #[allow(clippy::cast_precision_loss)]
        let transform = Transform::from_translate(-(area.x as f32), -(area.y as f32));
        pixmap.fill_path(&path, &paint, FillRule::Winding, transform, None);
        pasted(canvas, area, &patch);
        Some(Pointer { disc, area, below })
    }

    /// Takes the disc away, and tells where it was.
    pub(super) fn erase(self, canvas: &mut Pixmap) -> Rect {
        pasted(canvas, self.area, &self.below);
        self.area
    }

    /// The pixels it may cover.
    pub(super) fn area(&self) -> Rect {
        self.area
    }
}
