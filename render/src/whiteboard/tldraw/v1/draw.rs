//! Freehand strokes of tldraw 1 (`DrawUtil`).

use std::f64::consts::PI;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::MOST_POINTS;
use super::super::dash::{Dash, Pattern};
use super::super::json::{flag, number};
use super::super::path::through_middles;
use super::super::vector::{V, v};
use super::ink::{self, Pen, Touch};
use super::style::Style;

/// The points of a stroke.
pub(super) fn touches(shape: &Value) -> Result<Vec<Touch>, Skipped> {
    let points = shape
        .get("points")
        .and_then(Value::as_array)
        .filter(|points| !points.is_empty())
        .ok_or_else(|| Skipped::because("no points"))?;
    if points.len() > MOST_POINTS {
        return Err(Skipped::because(format!("more than {MOST_POINTS} points")));
    }
    points
        .iter()
        .map(|point| {
            let list = point.as_array().map(Vec::as_slice).unwrap_or_default();
            let coordinate = |n: usize| list.get(n).and_then(number);
            let (Some(x), Some(y)) = (coordinate(0), coordinate(1)) else {
                return Err(Skipped::because("a point is no point, or beyond any slide"));
            };
            Ok(match coordinate(2) {
                Some(pressure) => Touch::new(v(x, y), pressure),
                None => Touch::unpressed(v(x, y)),
            })
        })
        .collect()
}

/// Draws the stroke; `size` is that of the box around its points.
pub(super) fn draw(
    svg: &mut String,
    shape: &Value,
    touches: &[Touch],
    size: V,
    style: &Style,
) -> Result<(), Skipped> {
    let sw = style.stroke_width;
    let stroke = style.stroke();
    if size.x <= sw / 2.0 && size.y <= sw / 2.0 || touches.len() < 2 {
        let _ = write!(
            svg,
            r#"<circle r="{}" fill="{stroke}" stroke="{stroke}"/>"#,
            1.0 + sw
        );
        return Ok(());
    }
    let pen = pen(shape, touches, style);
    let steps = ink::steps(touches, &pen);
    let (first, last) = (touches[0].at, touches[touches.len() - 1].at);
    let fills = style.filled && touches.len() > 3 && first.distance(last) < sw * 2.0;
    let mut middle: Vec<V> = steps.iter().map(|step| step.point).collect();

    if style.dash == Dash::Draw {
        if fills {
            let _ = write!(
                svg,
                r#"<path d="{}" fill="{}"/>"#,
                through_middles(&middle, true).finish()?,
                style.fill()
            );
        }
        let _ = write!(
            svg,
            r#"<path d="{}" fill="{stroke}" stroke="{stroke}" stroke-width="{}" stroke-linejoin="round" stroke-linecap="round"/>"#,
            through_middles(&ink::outline(&steps, &pen), true).finish()?,
            sw / 2.0
        );
        return Ok(());
    }

    if middle.first() != Some(&last) {
        middle.push(last);
    }
    let path = through_middles(&middle, false);
    let data = path.finish()?;
    if fills {
        let _ = write!(svg, r#"<path d="{data}" fill="{}"/>"#, style.fill());
    }
    let pattern = match style.dash {
        Dash::Dotted => Some(Pattern::fixed(0.1, sw * 4.0)),
        Dash::Dashed => Some(Pattern::fixed(sw * 4.0, sw * 4.0)),
        Dash::Draw | Dash::Solid => None,
    };
    let _ = write!(
        svg,
        r#"<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{}" stroke-linejoin="round" stroke-linecap="round"{}/>"#,
        1.0 + sw * 1.5,
        Pattern::attributes(pattern)
    );
    Ok(())
}

fn pen(shape: &Value, touches: &[Touch], style: &Style) -> Pen {
    // A mouse always presses with 0.5: then pressure is guessed from speed.
    #[allow(clippy::float_cmp)]
    let simulate = touches.get(1).and_then(|touch| touch.pressure) == Some(0.5);
    Pen {
        thinning: 0.65,
        streamline: 0.65,
        smoothing: 0.65,
        easing: if simulate {
            |t| (t * PI / 2.0).sin()
        } else {
            |t| t * t
        },
        simulate_pressure: simulate,
        last: flag(shape, "isComplete"),
        ..Pen::of_size(1.0 + style.stroke_width * 1.5)
    }
}
