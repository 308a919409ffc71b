//! Freehand strokes and the highlighter of tldraw 2 (`DrawShapeUtil`, `HighlightShapeUtil`).

use std::f64::consts::FRAC_PI_2;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::MOST_POINTS;
use super::super::dash::{Dash, Pattern};
use super::super::json::{flag, number, text, xy};
use super::super::path::{Path, smooth};
use super::super::random::Random;
use super::super::vector::{V, bounds};
use super::fill::fill;
use super::ink::{self, Pen, Touch};
use super::style::{Color, Size};

/// The points of all segments of a stroke.
pub(super) struct Stroke {
    pub(super) touches: Vec<Touch>,
    /// Whether it is shown as finished: it is, or it ends in a straight segment.
    complete: bool,
}

impl Stroke {
    pub(super) fn of(props: &Value) -> Result<Stroke, Skipped> {
        let segments = props
            .get("segments")
            .and_then(Value::as_array)
            .ok_or_else(|| Skipped::because("no points"))?;
        let mut touches = Vec::new();
        for segment in segments {
            let points = segment.get("points").and_then(Value::as_array);
            let points = points.map(Vec::as_slice).unwrap_or_default();
            if touches.len() + points.len() > MOST_POINTS {
                return Err(Skipped::because(format!("more than {MOST_POINTS} points")));
            }
            let first = touches.len();
            for point in points {
                let at = xy(Some(point))
                    .ok_or_else(|| Skipped::because("a point is no point, or beyond any slide"))?;
                // Without a pressure tldraw takes the heaviest.
                touches.push(Touch {
                    at,
                    z: point.get("z").and_then(number).unwrap_or(1.0),
                });
            }
            if text(segment, "type") != "free"
                && let [a, b, ..] = touches[first..]
            {
                touches.truncate(first);
                straight(&mut touches, a.at, b.at);
            }
        }
        if touches.is_empty() {
            return Err(Skipped::because("no points"));
        }
        let complete = flag(props, "isComplete")
            || segments
                .last()
                .is_some_and(|segment| text(segment, "type") == "straight");
        Ok(Stroke { touches, complete })
    }

    fn dot_width(&self, id: &str, props: &Value, width: f64) -> f64 {
        if self.touches.len() == 1 && !flag(props, "isPen") {
            width + Random::new(id).next_whole() * (width / 6.0)
        } else {
            width
        }
    }
}

/// Points along a straight segment, closer together at its start.
fn straight(touches: &mut Vec<Touch>, a: V, b: V) {
    let count = (a.distance(b) / 16.0).floor().clamp(4.0, 2_000.0);
    touches.extend((0u32..).map(f64::from).take_while(|&n| n < count).map(|n| {
        let t = (n / (count - 1.0)).powi(2);
        let eased = if t < 0.5 {
            2.0 * t * t
        } else {
            (4.0 - 2.0 * t) * t - 1.0
        };
        Touch {
            at: a.lerp(b, t),
            z: (0.5 + (0.5 - eased).abs() * 0.65).min(1.0),
        }
    }));
}

/// A freehand stroke.
pub(super) fn draw(svg: &mut String, id: &str, props: &Value) -> Result<(), Skipped> {
    let stroke = Stroke::of(props)?;
    let color = Color::of(props);
    let width = Size::of(props).stroke();
    let dash = Dash::named(text(props, "dash"));
    let closed = flag(props, "isClosed");
    let inside = text(props, "fill");
    if dash == Dash::Draw {
        let pen = pen(
            props,
            stroke.dot_width(id, props, width),
            stroke.complete,
            false,
        );
        if closed && stroke.touches.len() > 1 {
            let middle: Vec<V> = ink::steps(&stroke.touches, &pen)
                .iter()
                .map(|step| step.point)
                .collect();
            fill(
                svg,
                smooth(&middle, true).finish()?,
                inside,
                color,
                around(&middle, width),
            );
        }
        let ink = ink::ink(&stroke.touches, &pen);
        let _ = write!(
            svg,
            r#"<path d="{}" fill="{}"/>"#,
            ink.finish()?,
            color.solid
        );
        return Ok(());
    }
    let pen = pen(props, width, stroke.complete, true);
    let middle: Vec<V> = ink::steps(&stroke.touches, &pen)
        .iter()
        .map(|step| step.point)
        .collect();
    let dot = middle.len() < 2;
    let mut path = smooth(&middle, closed && middle.len() > 2);
    if dot {
        path = Path::new();
        path.circle(stroke.touches[0].at, 0.5);
    }
    let data = path.finish()?;
    if dot || closed {
        fill(svg, data, inside, color, around(&middle, width));
    }
    let pattern = match dash {
        Dash::Dotted if !dot => Some(Pattern::fixed(0.1, width * 2.0)),
        Dash::Dashed if !dot => Some(Pattern::fixed(width * 2.0, width * 2.0)),
        _ => None,
    };
    let _ = write!(
        svg,
        r#"<path d="{data}" fill="{}" stroke="{}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round"{}/>"#,
        if dot { color.solid } else { "none" },
        color.solid,
        Pattern::attributes(pattern)
    );
    Ok(())
}

/// Where the inside of a stroke lies at most.
fn around(middle: &[V], width: f64) -> [f64; 4] {
    let [left, top, right, bottom] = bounds(middle.iter().copied()).unwrap_or_default();
    [left - width, top - width, right + width, bottom + width]
}

/// The highlighter. It lies over what it marks and shines through from below as well, but below
/// the slide's picture, so that only the upper layer is seen; `below` says that there is something
/// brighter beneath: the paper of a frame.
pub(super) fn highlight(
    svg: &mut String,
    id: &str,
    props: &Value,
    below: bool,
) -> Result<(), Skipped> {
    let stroke = Stroke::of(props)?;
    let width = stroke.dot_width(id, props, Size::of(props).text() * 1.12);
    let pen = Pen {
        size: 1.0 + width,
        thinning: 0.0,
        streamline: 0.5,
        smoothing: 0.5,
        simulate_pressure: false,
        easing: |t| t,
        last: stroke.complete,
    };
    let middle: Vec<V> = ink::steps(&stroke.touches, &pen)
        .iter()
        .map(|step| step.point)
        .collect();
    let mut path = smooth(&middle, false);
    if middle.len() < 2 {
        path.circle(stroke.touches[0].at, 0.1);
    }
    let data = path.finish()?;
    let layers: &[f64] = if below { &[0.82, 0.35] } else { &[0.35] };
    for opacity in layers {
        let _ = write!(
            svg,
            r#"<path d="{data}" fill="none" stroke="{}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round" opacity="{opacity}"/>"#,
            Color::of(props).highlight
        );
    }
    Ok(())
}

/// The middle of a stroke and the box around it, for arrows that are bound to it.
pub(super) fn outline(props: &Value) -> Option<(Vec<V>, [f64; 4])> {
    let stroke = Stroke::of(props).ok()?;
    let pen = pen(props, Size::of(props).stroke(), true, true);
    let points: Vec<V> = ink::steps(&stroke.touches, &pen)
        .iter()
        .map(|step| step.point)
        .collect();
    let bounds = bounds(points.iter().copied())?;
    Some((points, bounds))
}

/// `getFreehandOptions`.
fn pen(props: &Value, width: f64, complete: bool, solid: bool) -> Pen {
    let streamline = 0.62 + ((1.0 + width) / 8.0) * 0.06;
    let pen = Pen {
        size: 1.0 + width,
        thinning: 0.0,
        smoothing: 0.62,
        streamline,
        easing: |t| t,
        simulate_pressure: false,
        last: flag(props, "isComplete") || complete,
    };
    if solid {
        pen
    } else if flag(props, "isPen") {
        Pen {
            size: 1.0 + width * 1.2,
            thinning: 0.62,
            streamline: 0.62,
            easing: |t| t * 0.65 + (t * FRAC_PI_2).sin() * 0.35,
            ..pen
        }
    } else {
        Pen {
            thinning: 0.5,
            easing: |t| (t * FRAC_PI_2).sin(),
            simulate_pressure: true,
            ..pen
        }
    }
}
