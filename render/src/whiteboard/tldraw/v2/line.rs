//! Lines through points, straight or curved, of tldraw 2 (`LineShapeUtil`).

use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::dash::{Dash, End, Fit, Pattern, fitted_v2};
use super::super::json::{text, xy};
use super::super::path::{Path, smooth};
use super::super::vector::{V, v};
use super::ink::{self, Pen, Touch};
use super::polygon::twice;
use super::style::{Color, Size};

/// Points of one line at most.
const MOST_HANDLES: usize = 2_000;

/// A line's points in order.
///
/// # Errors
/// When there are fewer than two, or one is beyond any slide.
pub(super) fn points(props: &Value) -> Result<Vec<V>, Skipped> {
    let handles: Vec<&Value> = match props.get("handles").or_else(|| props.get("points")) {
        Some(Value::Object(handles)) => handles.values().collect(),
        Some(Value::Array(handles)) => handles.iter().collect(),
        _ => Vec::new(),
    };
    if handles.len() > MOST_HANDLES {
        return Err(Skipped::because(format!("more than {MOST_HANDLES} points")));
    }
    let mut ordered: Vec<(&str, V)> = handles
        .into_iter()
        // Handles between the points only offer to make new ones.
        .filter(|handle| !matches!(text(handle, "type"), "create" | "virtual"))
        .map(|handle| xy(Some(handle)).map(|at| (text(handle, "index"), at)))
        .collect::<Option<_>>()
        .ok_or_else(|| Skipped::because("a point is no point, or beyond any slide"))?;
    ordered.sort_by(|a, b| a.0.cmp(b.0));
    if ordered.len() < 2 {
        return Err(Skipped::because("fewer than two points"));
    }
    Ok(ordered.into_iter().map(|(_, at)| at).collect())
}

/// Draws the line.
pub(super) fn draw(svg: &mut String, id: &str, props: &Value) -> Result<(), Skipped> {
    let points = points(props)?;
    let color = Color::of(props).solid;
    let width = Size::of(props).stroke();
    let dash = Dash::named(text(props, "dash"));
    let curved = text(props, "spline") == "cubic";
    let line = |svg: &mut String, path: &Path, pattern: Option<Pattern>| -> Result<(), Skipped> {
        let _ = write!(
            svg,
            r#"<path d="{}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round"{}/>"#,
            path.finish()?,
            Pattern::attributes(pattern)
        );
        Ok(())
    };
    let segments = if curved { curves(&points) } else { Vec::new() };
    match (dash, curved) {
        (Dash::Draw, false) => line(svg, &twice(id, &points, width), None),
        (Dash::Draw, true) => {
            let pen = Pen {
                size: width,
                thinning: 0.4,
                streamline: 0.0,
                smoothing: 0.5,
                easing: |t| t,
                simulate_pressure: true,
                last: true,
            };
            let touches: Vec<Touch> = along(&segments)
                .into_iter()
                .map(|at| Touch { at, z: 1.0 })
                .collect();
            let outline = smooth(&ink::outline(&touches, &pen), true);
            let _ = write!(
                svg,
                r#"<path d="{}" fill="{color}" stroke="{color}" stroke-width="1" stroke-linejoin="round"/>"#,
                outline.finish()?
            );
            Ok(())
        }
        (Dash::Solid, false) => line(svg, &Path::polyline(&points, false), None),
        (Dash::Solid, true) => {
            let mut path = Path::new();
            path.command("M", &[points[0]]);
            for [_, b, c, d] in segments {
                path.command("C", &[b, c, d]);
            }
            line(svg, &path, None)
        }
        (Dash::Dashed | Dash::Dotted, _) => {
            let count = points.len() - 1;
            for n in 0..count {
                let mut path = Path::new();
                path.command("M", &[points[n]]);
                if let Some(&[_, b, c, d]) = segments.get(n) {
                    path.command("C", &[b, c, d]);
                } else {
                    path.command("L", &[points[n + 1]]);
                }
                let end = |outset: bool| if outset { End::Outset } else { End::Whole };
                let fit = Fit {
                    start: end(n > 0),
                    end: end(n + 1 < count),
                    ..Fit::default()
                };
                // A curve is measured by ten steps along it.
                let length = segments
                    .get(n)
                    .map_or(points[n].distance(points[n + 1]), |curve| {
                        along(&[*curve])
                            .windows(2)
                            .map(|pair| pair[0].distance(pair[1]))
                            .sum()
                    });
                line(svg, &path, fitted_v2(length, width, dash, fit))?;
            }
            Ok(())
        }
    }
}

/// Curves between points, each leaning on its neighbours (`CubicSpline2d`).
fn curves(points: &[V]) -> Vec<[V; 4]> {
    const LEAN: f64 = 1.25 / 6.0;
    let last = points.len().saturating_sub(2);
    (0..points.len().saturating_sub(1))
        .map(|n| {
            let (a, d) = (points[n], points[n + 1]);
            let b = if n == 0 {
                a
            } else {
                a + (d - points[n - 1]) * LEAN
            };
            let c = if n == last {
                d
            } else {
                d - (points[n + 2] - a) * LEAN
            };
            [a, b, c, d]
        })
        .collect()
}

/// Eleven points on each curve.
fn along(curves: &[[V; 4]]) -> Vec<V> {
    let mut points = Vec::new();
    for [a, b, c, d] in curves {
        for n in 0..=10 {
            let t = f64::from(n) / 10.0;
            let s = 1.0 - t;
            let [wa, wb, wc, wd] = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
            points.push(v(
                wa * a.x + wb * b.x + wc * c.x + wd * d.x,
                wa * a.y + wb * b.y + wc * c.y + wd * d.y,
            ));
        }
    }
    points
}

/// The points of a line as drawn, for arrows that are bound to it.
pub(super) fn outline(props: &Value) -> Option<Vec<V>> {
    let points = points(props).ok()?;
    Some(if text(props, "spline") == "cubic" {
        along(&curves(&points))
    } else {
        points
    })
}
