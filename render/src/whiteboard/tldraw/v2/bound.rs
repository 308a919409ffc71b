//! The outlines of shapes that arrows of tldraw 2 are bound to, and where lines and circles cross
//! them.

use serde_json::Value;

use super::super::json::{number_or, text};
use super::super::vector::{V, bounds, v};
use super::boxes::{Text, figure_size, note_size};
use super::space::{Space, space};
use super::style::Size;
use super::{draw, geo, line};
use crate::fonts::Fonts;

/// What an arrow's end is bound to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    id: String,
    pub(super) space: Space,
    /// In the target's own space.
    pub(super) outline: Vec<V>,
    pub(super) closed: bool,
    /// Left, top, right, bottom in the target's own space.
    bounds: [f64; 4],
    /// Half the width of its line, which the arrow keeps away from.
    pub(super) margin: f64,
    /// Whether the arrow reaches into it up to the very point.
    pub(super) exact: bool,
    precise: bool,
    anchor: V,
}

/// How the targets of an arrow's two ends lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Safe,
    SameShape,
    StartContainsEnd,
    EndContainsStart,
}

impl Target {
    /// What a binding says, if the shape it names is there.
    pub(super) fn of(binding: &Value, others: &[&Value], fonts: &Fonts) -> Option<Target> {
        let id = text(binding, "boundShapeId");
        let shape = others
            .iter()
            .find(|other| !id.is_empty() && text(other, "id") == id)?;
        let props = shape.get("props").unwrap_or(&Value::Null);
        let (outline, closed, bounds) = outline(id, text(shape, "type"), props, fonts)?;
        let sized = props.get("size").is_some();
        Some(Target {
            id: id.to_owned(),
            space: space(shape, others).ok()?,
            outline,
            closed,
            bounds,
            margin: if sized {
                Size::of(props).stroke() / 2.0
            } else {
                0.0
            },
            exact: super::super::json::flag(binding, "isExact"),
            precise: super::super::json::flag(binding, "isPrecise"),
            anchor: super::super::json::xy(binding.get("normalizedAnchor")).unwrap_or(v(0.5, 0.5)),
        })
    }

    /// Where on the page the arrow aims at: the anchor, or the middle unless the anchor was chosen
    /// on purpose.
    pub(super) fn aim(&self, force_precise: bool) -> V {
        let at = if self.precise || force_precise {
            self.anchor
        } else {
            v(0.5, 0.5)
        };
        let [left, top, right, bottom] = self.bounds;
        self.space
            .to_page(v(left + (right - left) * at.x, top + (bottom - top) * at.y))
    }

    fn page_bounds(&self) -> [f64; 4] {
        bounds(self.outline.iter().map(|&p| self.space.to_page(p))).unwrap_or_default()
    }
}

/// How two targets lie to each other.
pub(super) fn relation(start: Option<&Target>, end: Option<&Target>) -> Relation {
    let (Some(start), Some(end)) = (start, end) else {
        return Relation::Safe;
    };
    if start.id == end.id {
        return Relation::SameShape;
    }
    let contains =
        |a: [f64; 4], b: [f64; 4]| a[0] < b[0] && a[1] < b[1] && a[2] > b[2] && a[3] > b[3];
    let (a, b) = (start.page_bounds(), end.page_bounds());
    if contains(a, b) {
        Relation::StartContainsEnd
    } else if contains(b, a) {
        Relation::EndContainsStart
    } else {
        Relation::Safe
    }
}

fn outline(id: &str, kind: &str, props: &Value, fonts: &Fonts) -> Option<(Vec<V>, bool, [f64; 4])> {
    let rectangle = |size: V| {
        let corners = vec![v(0.0, 0.0), v(size.x, 0.0), size, v(0.0, size.y)];
        Some((corners, true, [0.0, 0.0, size.x, size.y]))
    };
    match kind {
        "geo" => {
            let size = figure_size(props, fonts).ok()?;
            let outline = geo::outline(id, props, size)?;
            let bounds = bounds(outline.iter().copied())?;
            Some((outline, true, bounds))
        }
        "text" => rectangle(Text::of(props, fonts).ok()?.size),
        "note" => rectangle(note_size(props, fonts)),
        "draw" | "highlight" => {
            let (points, bounds) = draw::outline(props)?;
            let closed = super::super::json::flag(props, "isClosed") || kind == "highlight";
            Some((points, closed, bounds))
        }
        "line" => {
            let points = line::outline(props)?;
            let bounds = bounds(points.iter().copied())?;
            Some((points, false, bounds))
        }
        // Frames, pictures, polls, bookmarks, embeds: whatever has a width and a height.
        _ => {
            let size = v(
                number_or(props, "w", 0.0).ok()?,
                number_or(props, "h", 0.0).ok()?,
            );
            (size.x > 0.0 && size.y > 0.0)
                .then(|| rectangle(size))
                .flatten()
        }
    }
}

/// The sides of an outline.
fn sides(outline: &[V], closed: bool) -> impl Iterator<Item = (V, V)> {
    let count = if closed {
        outline.len()
    } else {
        outline.len().saturating_sub(1)
    };
    (0..count).map(move |n| (outline[n], outline[(n + 1) % outline.len()]))
}

/// Where a line from `a` to `b` crosses an outline.
pub(super) fn line_crossings(a: V, b: V, outline: &[V], closed: bool) -> Vec<V> {
    sides(outline, closed)
        .filter_map(|(c, d)| {
            let (ab, cd, ca) = (b - a, d - c, a - c);
            let across = -cd.cross(ab);
            let along_ab = cd.cross(ca) / across;
            let along_cd = ab.cross(ca) / across;
            let within = |t: f64| (0.0..=1.0).contains(&t);
            (across != 0.0 && within(along_ab) && within(along_cd)).then(|| a + ab * along_ab)
        })
        .collect()
}

/// Where a circle crosses an outline.
pub(super) fn circle_crossings(center: V, radius: f64, outline: &[V], closed: bool) -> Vec<V> {
    sides(outline, closed)
        .flat_map(|(c, d)| {
            let (cd, out) = (d - c, c - center);
            let a = cd.dot(cd);
            let b = 2.0 * cd.dot(out);
            let under = b * b - 4.0 * a * (out.dot(out) - radius * radius);
            let root = under.sqrt();
            [(-b + root) / (2.0 * a), (-b - root) / (2.0 * a)]
                .into_iter()
                // What does not cross gives no number, which is in no range.
                .filter(|t| (0.0..=1.0).contains(t))
                .map(move |t| c + cd * t)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_lie_on_both() {
        let square = [v(0.0, 0.0), v(10.0, 0.0), v(10.0, 10.0), v(0.0, 10.0)];
        let crossings = line_crossings(v(-5.0, 5.0), v(5.0, 5.0), &square, true);
        assert_eq!(crossings, [v(0.0, 5.0)]);
        assert!(line_crossings(v(-5.0, 5.0), v(-1.0, 5.0), &square, true).is_empty());
        let mut on_circle = circle_crossings(v(0.0, 5.0), 3.0, &square, true);
        on_circle.sort_by(|a, b| a.y.total_cmp(&b.y));
        assert_eq!(on_circle, [v(0.0, 2.0), v(0.0, 8.0)]);
        assert!(circle_crossings(v(5.0, 5.0), 3.0, &square, true).is_empty());
    }
}
