//! Sizes, rectangles, points and colours, in the two spaces the picture knows: whole pixels of
//! the canvas, and the slide's own units.

/// The size of a canvas, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A rectangle of whole pixels, inside the canvas it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns; never 0 in a damage list.
    pub width: u32,
    /// Rows; never 0 in a damage list.
    pub height: u32,
}

impl Rect {
    /// The whole of a canvas.
    #[must_use]
    pub fn of(size: Size) -> Rect {
        Rect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        }
    }

    /// The first column right of it.
    #[must_use]
    pub fn right(self) -> u32 {
        self.x + self.width
    }

    /// The first row below it.
    #[must_use]
    pub fn bottom(self) -> u32 {
        self.y + self.height
    }

    /// The pixels of both, if there are any.
    #[must_use]
    pub fn intersection(self, other: Rect) -> Option<Rect> {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        (x < right && y < bottom).then(|| Rect {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(self, other: Rect) -> Rect {
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        Rect {
            x,
            y,
            width: self.right().max(other.right()) - x,
            height: self.bottom().max(other.bottom()) - y,
        }
    }

    /// The rectangle with even edges around it, as far as it is on a canvas with even sides.
    #[must_use]
    pub fn widened(self, canvas: Size) -> Rect {
        let (x, y) = (self.x & !1, self.y & !1);
        Rect {
            x,
            y,
            width: ((self.right() + 1) & !1).min(canvas.width) - x,
            height: ((self.bottom() + 1) & !1).min(canvas.height) - y,
        }
    }

    /// How many pixels it has.
    #[must_use]
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The pixels that a rectangle of real coordinates touches, as far as they are on the canvas.
    #[must_use]
    pub fn touched(left: f64, top: f64, right: f64, bottom: f64, canvas: Size) -> Option<Rect> {
        // `as` saturates, and sends NaN to 0, which then is an empty rectangle.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = |value: f64, limit: u32| value.clamp(0.0, f64::from(limit)) as u32;
        let x = at(left.floor(), canvas.width);
        let y = at(top.floor(), canvas.height);
        let right = at(right.ceil(), canvas.width);
        let bottom = at(bottom.ceil(), canvas.height);
        (x < right && y < bottom).then(|| Rect {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }
}

/// A point in the slide's units (see [`crate::timeline::Board`]).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// A rectangle in the slide's units: finite, and with width and height above zero.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ViewBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Extent to the right.
    pub width: f64,
    /// Extent downwards.
    pub height: f64,
}

impl ViewBox {
    /// A rectangle that can be shown; `None` when it is empty, not finite, or so large or small
    /// that nothing sensible can be drawn in it.
    #[must_use]
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Option<ViewBox> {
        let sane = [x, y].iter().all(|v| v.is_finite() && v.abs() <= 1e7)
            && [width, height]
                .iter()
                .all(|v| v.is_finite() && (1e-3..=1e7).contains(v));
        // Adding zero turns the `-0.0` that BBB writes into `0.0`.
        sane.then_some(ViewBox {
            x: x + 0.0,
            y: y + 0.0,
            width,
            height,
        })
    }
}

/// An opaque colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// What surrounds the slide in the official player.
    pub const PLAYER: Rgb = Rgb(243, 246, 249);
}
