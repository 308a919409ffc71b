//! Path data, and the curves tldraw lays through points.

use std::fmt::Write as _;

use super::super::Skipped;
use super::FARTHEST;
use super::vector::V;

/// The `d` of a path in the making. Remembers whether a coordinate was no number or beyond
/// everything, so that the shapes' own arithmetic need not check each of its steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    data: String,
    spoilt: bool,
}

impl Path {
    pub(super) fn new() -> Path {
        Path::default()
    }

    /// Straight lines from point to point.
    pub(super) fn polyline(points: &[V], closed: bool) -> Path {
        let mut path = Path::new();
        for (n, &point) in points.iter().enumerate() {
            path.command(if n == 0 { "M" } else { "L" }, &[point]);
        }
        if closed && !points.is_empty() {
            path.close();
        }
        path
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub(super) fn command(&mut self, letter: &str, points: &[V]) -> &mut Path {
        self.data.push_str(letter);
        for point in points {
            self.number(point.x);
            self.number(point.y);
        }
        self
    }

    /// A circular arc to a point.
    pub(super) fn arc(&mut self, radius: f64, large: bool, clockwise: bool, to: V) -> &mut Path {
        self.data.push('A');
        self.number(radius);
        self.number(radius);
        let _ = write!(self.data, "0 {} {} ", u8::from(large), u8::from(clockwise));
        self.number(to.x);
        self.number(to.y);
        self
    }

    /// A whole circle, as a path of its own.
    pub(super) fn circle(&mut self, center: V, radius: f64) -> &mut Path {
        self.ellipse(center, radius, radius)
    }

    /// A whole ellipse, from its leftmost point over the top, as a path of its own.
    pub(super) fn ellipse(&mut self, center: V, rx: f64, ry: f64) -> &mut Path {
        self.command(
            "M",
            &[V {
                x: center.x - rx,
                ..center
            }],
        );
        for x in [center.x + rx, center.x - rx] {
            self.data.push('A');
            self.number(rx);
            self.number(ry);
            self.data.push_str("0 1 1 ");
            self.number(x);
            self.number(center.y);
        }
        self
    }

    pub(super) fn close(&mut self) -> &mut Path {
        self.data.push('Z');
        self
    }

    pub(super) fn append(&mut self, other: &Path) -> &mut Path {
        self.data.push_str(&other.data);
        self.spoilt |= other.spoilt;
        self
    }

    /// The path data.
    ///
    /// # Errors
    /// When a coordinate is no number, or too large for any slide.
    pub(super) fn finish(&self) -> Result<&str, Skipped> {
        if self.spoilt {
            Err(Skipped::because(
                "a coordinate is no number or beyond any slide",
            ))
        } else {
            Ok(&self.data)
        }
    }

    fn number(&mut self, value: f64) {
        // What is no number compares with nothing, and so is spoilt too.
        if value.abs() <= FARTHEST * 16.0 {
            let rounded = (value * 10_000.0).round() / 10_000.0 + 0.0;
            let _ = write!(self.data, "{rounded} ");
        } else {
            self.spoilt = true;
        }
    }
}

/// tldraw 1's curve through the outline of a stroke: it starts at the first point and runs through
/// the middles between the following ones; fewer than four points give nothing
/// (`getSvgPathFromStroke`, `getSvgPathFromStrokePoints` in tldraw 1's core).
pub(super) fn through_middles(points: &[V], closed: bool) -> Path {
    let mut path = Path::new();
    if let [a, b, c, .., _] = *points {
        path.command("M", &[a])
            .command("Q", &[b, b.middle(c)])
            .command("T", &[]);
        for pair in points[2..].windows(2) {
            path.command("", &[pair[0].middle(pair[1])]);
        }
        if closed {
            path.close();
        }
    }
    path
}

/// tldraw 2's curve along points: an open one ends in its last point, a closed one runs through
/// middles only (`getSvgPathFromStrokePoints` and `getSvgPathFromPoints` in tldraw 2).
pub(super) fn smooth(points: &[V], closed: bool) -> Path {
    let mut path = Path::new();
    match *points {
        [] | [_] => {}
        [a, b] => {
            path.command("M", &[a]).command("L", &[b]);
        }
        [a, b, c, ..] => {
            let last = points[points.len() - 1];
            if closed {
                path.command("M", &[a.middle(b)])
                    .command("Q", &[b, b.middle(c)]);
            } else {
                path.command("M", &[a]).command("Q", &[b, b.middle(c)]);
            }
            if closed || points.len() > 3 {
                path.command("T", &[]);
            }
            for pair in points[2..].windows(2) {
                path.command("", &[pair[0].middle(pair[1])]);
            }
            if closed {
                path.command("", &[last.middle(a), a.middle(b)]).close();
            } else {
                path.command("L", &[last]);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whiteboard::tldraw::vector::v;

    #[test]
    fn what_is_no_number_spoils_a_path() {
        assert!(Path::polyline(&[v(0.0, f64::NAN)], false).finish().is_err());
        assert!(Path::polyline(&[v(0.0, 1e300)], false).finish().is_err());
        assert_eq!(
            Path::polyline(&[v(0.0, 1.5), v(-2.0, 0.0)], true)
                .finish()
                .unwrap(),
            "M0 1.5 L-2 0 Z"
        );
    }

    #[test]
    fn curves_run_through_the_middles() {
        let points = [v(0.0, 0.0), v(2.0, 0.0), v(4.0, 0.0), v(6.0, 2.0)];
        assert_eq!(
            through_middles(&points, true).finish().unwrap(),
            "M0 0 Q2 0 3 0 T5 1 Z"
        );
        assert!(through_middles(&points[..3], true).is_empty());
        assert_eq!(
            smooth(&points, false).finish().unwrap(),
            "M0 0 Q2 0 3 0 T5 1 L6 2 "
        );
        assert_eq!(smooth(&points[..2], false).finish().unwrap(), "M0 0 L2 0 ");
    }
}
