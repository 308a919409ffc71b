//! Points and directions of the tldraw page.

use std::ops::{Add, Mul, Neg, Sub};

/// A point or a direction; y points down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct V {
    pub(super) x: f64,
    pub(super) y: f64,
}

pub(super) const fn v(x: f64, y: f64) -> V {
    V { x, y }
}

impl V {
    pub(super) fn length(self) -> f64 {
        self.x.hypot(self.y)
    }

    pub(super) fn distance(self, other: V) -> f64 {
        (self - other).length()
    }

    pub(super) fn dot(self, other: V) -> f64 {
        self.x * other.x + self.y * other.y
    }

    /// Positive when `other` lies clockwise (on the screen) of `self`.
    pub(super) fn cross(self, other: V) -> f64 {
        self.x * other.y - self.y * other.x
    }

    /// Of length 1, or zero when it has no direction.
    pub(super) fn unit(self) -> V {
        let length = self.length();
        if length > 0.0 && length.is_finite() {
            self * (1.0 / length)
        } else {
            V::default()
        }
    }

    /// A quarter turn against the clock (on the screen).
    pub(super) fn perpendicular(self) -> V {
        v(self.y, -self.x)
    }

    pub(super) fn rotated(self, angle: f64) -> V {
        let (sin, cos) = angle.sin_cos();
        v(self.x * cos - self.y * sin, self.x * sin + self.y * cos)
    }

    pub(super) fn rotated_about(self, center: V, angle: f64) -> V {
        center + (self - center).rotated(angle)
    }

    pub(super) fn lerp(self, to: V, t: f64) -> V {
        self + (to - self) * t
    }

    pub(super) fn middle(self, to: V) -> V {
        (self + to) * 0.5
    }

    /// The direction from here to there, in radians.
    pub(super) fn angle_to(self, to: V) -> f64 {
        (to.y - self.y).atan2(to.x - self.x)
    }

    pub(super) fn from_angle(angle: f64) -> V {
        v(angle.cos(), angle.sin())
    }

    /// `distance` closer to `to`.
    pub(super) fn nudged(self, to: V, distance: f64) -> V {
        self + (to - self).unit() * distance
    }

    /// Rounded to hundredths.
    pub(super) fn to_hundredths(self) -> V {
        v(
            (self.x * 100.0).round() / 100.0,
            (self.y * 100.0).round() / 100.0,
        )
    }
}

impl Add for V {
    type Output = V;
    fn add(self, other: V) -> V {
        v(self.x + other.x, self.y + other.y)
    }
}

impl Sub for V {
    type Output = V;
    fn sub(self, other: V) -> V {
        v(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f64> for V {
    type Output = V;
    fn mul(self, by: f64) -> V {
        v(self.x * by, self.y * by)
    }
}

impl Neg for V {
    type Output = V;
    fn neg(self) -> V {
        v(-self.x, -self.y)
    }
}

/// The smallest upright rectangle around points: left, top, right, bottom.
pub(super) fn bounds(points: impl IntoIterator<Item = V>) -> Option<[f64; 4]> {
    points.into_iter().fold(None, |bounds, p| {
        let [left, top, right, bottom] = bounds.unwrap_or([p.x, p.y, p.x, p.y]);
        Some([left.min(p.x), top.min(p.y), right.max(p.x), bottom.max(p.y)])
    })
}

/// From one direction to another the short way round, in radians: -π to π.
pub(super) fn short_turn(from: f64, to: f64) -> f64 {
    let full = std::f64::consts::TAU;
    let turn = (to - from) % full;
    (2.0 * turn) % full - turn
}

/// From one direction to another with the clock (on the screen), in radians: 0 to 2π.
pub(super) fn clockwise_turn(from: f64, to: f64) -> f64 {
    let full = std::f64::consts::TAU;
    (to.rem_euclid(full) - from.rem_euclid(full)).rem_euclid(full)
}

/// How long the edge of an ellipse is (Ramanujan's second approximation).
pub(super) fn ellipse_perimeter(rx: f64, ry: f64) -> f64 {
    if rx + ry <= 0.0 {
        return 0.0;
    }
    let h = ((rx - ry) / (rx + ry)).powi(2);
    std::f64::consts::PI * (rx + ry) * (1.0 + 3.0 * h / (10.0 + (4.0 - 3.0 * h).sqrt()))
}

/// The centre of the circle through three points, unless they lie on a line.
pub(super) fn circle_center(a: V, b: V, c: V) -> Option<V> {
    let [aa, bb, cc] = [a.dot(a), b.dot(b), c.dot(c)];
    let twice = -2.0 * (a.x * (b.y - c.y) - a.y * (b.x - c.x) + b.x * c.y - c.x * b.y);
    let x = (aa * (c.y - b.y) + bb * (a.y - c.y) + cc * (b.y - a.y)) / twice;
    let y = (aa * (b.x - c.x) + bb * (c.x - a.x) + cc * (a.x - b.x)) / twice;
    (x.is_finite() && y.is_finite()).then_some(v(x, y))
}

/// Where two circles meet; both points are not numbers when they do not.
pub(super) fn meeting_points(c1: V, r1: f64, c2: V, r2: f64) -> [V; 2] {
    let d = c1.distance(c2);
    let along = (d * d - r2 * r2 + r1 * r1) / (2.0 * d);
    let aside = (r1 * r1 - along * along).sqrt();
    let u = (c2 - c1) * (1.0 / d);
    let foot = c1 + u * along;
    [foot + v(-u.y, u.x) * aside, foot + v(u.y, -u.x) * aside]
}
