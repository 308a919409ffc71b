//! Shapes of BBB's tldraw 2 (BBB 3.0; the player uses `@bigbluebutton/tldraw` 2.0.0-alpha.25).
//!
//! A shape is drawn at `x`, `y` in the space of what holds it, and turned about that corner. What
//! a frame holds is cut at its edges.

mod arrow;
mod arrow_shape;
mod bound;
mod boxes;
mod cloud;
mod draw;
mod fill;
mod geo;
mod ink;
mod line;
mod poll;
mod polygon;
mod space;
mod style;

use std::fmt::Write as _;

use serde_json::Value;

use super::super::{Fragment, Skipped};
use super::json::{number_or, text};
use super::path::Path;
use super::vector::{bounds, v};
use crate::fonts::Fonts;
use space::{holders, space};
use style::{BACKGROUND, Color};

/// One version of a shape, in page units.
///
/// # Errors
/// When its kind is not known, or it is malformed or too large.
pub(super) fn fragment(
    shape: &Value,
    tied: &[&Value],
    zoom: f64,
    fonts: &Fonts,
) -> Result<Fragment, Skipped> {
    let id = text(shape, "id");
    let props = shape
        .get("props")
        .filter(|props| props.is_object())
        .ok_or_else(|| Skipped::because("it has no props"))?;
    let space = space(shape, tied)?;
    let holders = holders(shape, tied);
    let framed = holders.iter().any(|holder| text(holder, "type") == "frame");
    let mut inner = String::new();
    match text(shape, "type") {
        "group" => return Ok(Fragment { svg: String::new() }),
        "draw" => draw::draw(&mut inner, id, props)?,
        "highlight" => draw::highlight(&mut inner, id, props, framed)?,
        "geo" => {
            let size = boxes::figure_size(props, fonts)?;
            geo::draw(&mut inner, id, props, size)?;
            let color = Color::named(text(props, "labelColor")).solid;
            // The label of a cloud keeps to its bumps, that of other figures to their box.
            let edges = (text(props, "geo") == "cloud")
                .then(|| geo::outline(id, props, size).and_then(bounds))
                .flatten();
            let [left, top, right, bottom] = edges.unwrap_or([0.0, 0.0, size.x, size.y]);
            let room = v(right - left, bottom - top);
            let mut label = String::new();
            boxes::label(&mut label, props, room, color, Some(BACKGROUND), fonts)?;
            if !label.is_empty() {
                let _ = write!(
                    inner,
                    r#"<g transform="translate({left:.3} {top:.3})">{label}</g>"#
                );
            }
        }
        "line" => line::draw(&mut inner, id, props)?,
        "arrow" => arrow_shape::draw(&mut inner, props, space, tied, fonts)?,
        "text" => boxes::Text::of(props, fonts)?.draw(&mut inner, props)?,
        "note" => boxes::note(&mut inner, props, fonts)?,
        "frame" => boxes::frame(&mut inner, props, space.angle, zoom, fonts)?,
        "poll" => poll::draw(&mut inner, props, fonts)?,
        kind @ ("image" | "video" | "bookmark" | "embed") => {
            return Err(Skipped::because(format!(
                "a recording does not hold what `{kind}` shows"
            )));
        }
        "" => return Err(Skipped::because("it has no type")),
        other => {
            let name: String = other.chars().take(40).collect();
            return Err(Skipped::because(format!("unknown type `{name}`")));
        }
    }
    let mut opacity = 1.0;
    for of in std::iter::once(&shape).chain(&holders) {
        opacity *= number_or(of, "opacity", 1.0)?.clamp(0.0, 1.0);
    }

    let mut svg = String::new();
    let mut open = 0;
    for (n, frame) in holders
        .iter()
        .filter(|h| text(h, "type") == "frame")
        .enumerate()
    {
        let _ = write!(
            svg,
            r#"<clipPath id="frame{n}"><path d="{}"/></clipPath><g clip-path="url(#frame{n})">"#,
            frame_edge(frame, tied)?.finish()?
        );
        open += 1;
    }
    let _ = write!(
        svg,
        r#"<g transform="translate({:.4} {:.4})"#,
        space.origin.x, space.origin.y
    );
    if space.angle != 0.0 {
        let _ = write!(svg, " rotate({:.6})", space.angle.to_degrees());
    }
    svg.push('"');
    if opacity < 1.0 {
        let _ = write!(svg, r#" opacity="{opacity:.4}""#);
    }
    let _ = write!(svg, ">{inner}</g>{}", "</g>".repeat(open));
    Ok(Fragment { svg })
}

/// The edge of a frame on the page.
fn frame_edge(frame: &Value, tied: &[&Value]) -> Result<Path, Skipped> {
    let props = frame.get("props").unwrap_or(&Value::Null);
    let (w, h) = (number_or(props, "w", 320.0)?, number_or(props, "h", 180.0)?);
    let space = space(frame, tied)?;
    let corners = [v(0.0, 0.0), v(w, 0.0), v(w, h), v(0.0, h)].map(|corner| space.to_page(corner));
    Ok(Path::polyline(&corners, true))
}
