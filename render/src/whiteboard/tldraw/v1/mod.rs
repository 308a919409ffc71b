//! Shapes of tldraw 1 (BBB 2.6 and 2.7; the player uses `@tldraw/tldraw` 1.29).
//!
//! A shape is drawn in a box at its `point`, as large as its `size` and turned about the middle of
//! that. The box of what consists of points (strokes, arrows) begins where its points do, and the
//! points themselves are measured from there once more: tldraw keeps them so that their box begins
//! at 0, and a recording in which it does not is shown shifted by the player too.

mod arrow;
mod draw;
mod ink;
mod shapes;
mod style;

use std::fmt::Write as _;

use serde_json::Value;

use super::super::{Fragment, Skipped};
use super::json::{number_or, pair, text};
use super::text::{Align, Place, widest};
use super::vector::{V, bounds, v};
use crate::fonts::Fonts;
use arrow::Arrow;
use style::Style;

/// Room around the text on a sticky note.
const NOTE_PADDING: f64 = 16.0;

/// One version of a shape, in page units.
///
/// # Errors
/// When its kind is not known, or it is malformed or too large.
pub(super) fn fragment(shape: &Value, fonts: &Fonts) -> Result<Fragment, Skipped> {
    let kind = text(shape, "type");
    if kind == "group" {
        // Only a frame while it is being pointed at; its members are drawn by themselves.
        return Ok(Fragment { svg: String::new() });
    }
    let style = Style::of(shape)?;
    let point =
        pair(shape.get("point")).ok_or_else(|| Skipped::because("its place is no point"))?;
    let rotation = number_or(shape, "rotation", 0.0)?;
    let mut inner = String::new();
    let (origin, size) = match kind {
        "draw" => {
            let touches = draw::touches(shape)?;
            let [left, top, right, bottom] = match &touches[..] {
                [_] => [0.0, 0.0, 1.0, 1.0],
                _ => bounds(touches.iter().map(|touch| touch.at)).unwrap_or_default(),
            };
            let size = v((right - left).max(1.0), (bottom - top).max(1.0));
            draw::draw(&mut inner, shape, &touches, size, &style)?;
            (v(left, top), size)
        }
        "arrow" | "line" => {
            let arrow = Arrow::of(shape)?;
            let [left, top, right, bottom] = arrow.bounds();
            let size = v((right - left).max(1.0), (bottom - top).max(1.0));
            arrow.draw(&mut inner, shape, size, &style, fonts)?;
            (v(left, top), size)
        }
        "rectangle" | "triangle" | "ellipse" => {
            let size = figure(&mut inner, kind, shape, &style, fonts)?;
            (V::default(), size)
        }
        "text" => {
            let size = plain_text(&mut inner, shape, &style, fonts)?;
            (V::default(), size)
        }
        "sticky" => {
            let size = sticky(&mut inner, shape, &style, fonts)?;
            (V::default(), size)
        }
        "image" | "video" => {
            return Err(Skipped::because(format!(
                "a recording does not hold the file of an {kind}"
            )));
        }
        "" => return Err(Skipped::because("it has no type")),
        other => {
            let name: String = other.chars().take(40).collect();
            return Err(Skipped::because(format!("unknown type `{name}`")));
        }
    };
    // The element that is turned has whole units.
    let center = v(size.x.floor(), size.y.floor()) * 0.5;
    let at = point + origin;
    let mut svg = String::new();
    let _ = write!(svg, r#"<g transform="translate({:.4} {:.4})"#, at.x, at.y);
    if rotation != 0.0 {
        let _ = write!(
            svg,
            " rotate({:.6} {:.4} {:.4})",
            rotation.to_degrees(),
            center.x,
            center.y
        );
    }
    let _ = write!(svg, r#"">{inner}</g>"#);
    Ok(Fragment { svg })
}

/// A rectangle, triangle or ellipse with its label.
fn figure(
    svg: &mut String,
    kind: &str,
    shape: &Value,
    style: &Style,
    fonts: &Fonts,
) -> Result<V, Skipped> {
    let key = if kind == "ellipse" { "radius" } else { "size" };
    let extent = pair(shape.get(key))
        .filter(|size| size.x >= 0.0 && size.y >= 0.0)
        .ok_or_else(|| Skipped::because(format!("its {key} is none, or beyond any slide")))?;
    if extent.x + extent.y <= 0.0 {
        return Err(Skipped::because("it has no extent"));
    }
    let id = text(shape, "id");
    let mut lift = 0.0;
    let size = match kind {
        "rectangle" => {
            shapes::rectangle(svg, id, extent, style)?;
            extent
        }
        "ellipse" => {
            shapes::ellipse(svg, id, extent, style)?;
            extent * 2.0
        }
        _ => {
            shapes::triangle(svg, id, extent, style)?;
            // Towards the triangle's own middle, which is lower than its box's.
            lift = (extent.y * 2.0 / 3.0 - extent.y / 2.0) * 0.72;
            extent
        }
    };
    let label = text(shape, "label");
    if !label.trim().is_empty() {
        let at = pair(shape.get("labelPoint")).unwrap_or(v(0.5, 0.5));
        let offset = v((at.x - 0.5) * size.x, lift + (at.y - 0.5) * size.y);
        let middle = v(size.x.floor(), size.y.floor()) * 0.5;
        let letters = style.lettering(fonts);
        shapes::label(svg, label, letters, &style.stroke(), middle, offset, 1.0)?;
    }
    Ok(size)
}

/// Text by itself: a box as wide as its longest line, 4 of padding and 1 of border around it
/// (`TextUtil`).
fn plain_text(svg: &mut String, shape: &Value, style: &Style, fonts: &Fonts) -> Result<V, Skipped> {
    let content = text(shape, "text");
    let letters = style.lettering(fonts);
    let lines = letters.lines(content);
    let measured = content
        .strip_suffix('\n')
        .map_or(lines.len(), |_| lines.len() - 1);
    let size = v(
        (widest(&lines).round() + 10.0).max(1.0),
        (letters.height(&lines[..measured]).round() + 10.0).max(1.0),
    );
    letters.draw(
        svg,
        &lines,
        Place {
            left: 4.0,
            top: 4.0,
            width: size.x - 8.0,
            align: style.align.unwrap_or(Align::Start),
            fill: &style.stroke(),
            halo: None,
        },
    )?;
    Ok(size)
}

/// A sticky note: paper with a shadow and text that wraps (`StickyUtil`). It has grown with its text
/// while it was written; what is too long for it all the same is shown below it.
fn sticky(svg: &mut String, shape: &Value, style: &Style, fonts: &Fonts) -> Result<V, Skipped> {
    let given = pair(shape.get("size")).unwrap_or(v(200.0, 200.0));
    let letters = style.note_lettering(fonts);
    let room = (given.x - NOTE_PADDING * 2.0).max(0.0);
    let lines = letters.wrapped(text(shape, "text"), room);
    let size = v(given.x.max(1.0), given.y.max(1.0));

    // box-shadow: 2px 3px 12px -2px at .2, 1px 1px 4px at .16, 1px 1px 2px at .16
    for (dx, dy, blur, spread, opacity) in [
        (2.0, 3.0, 12.0, -2.0, 0.2),
        (1.0, 1.0, 4.0, 0.0, 0.16),
        (1.0, 1.0, 2.0, 0.0, 0.16),
    ] {
        super::shadow(svg, size, 3.0, (dx, dy), blur, spread, opacity);
    }
    let _ = write!(
        svg,
        r#"<rect width="{:.3}" height="{:.3}" rx="3" fill="{}"/>"#,
        size.x,
        size.y,
        style.paper()
    );
    letters.draw(
        svg,
        &lines,
        Place {
            left: NOTE_PADDING,
            top: NOTE_PADDING,
            width: room,
            align: style.align.unwrap_or(Align::Start),
            fill: "#0d0d0d",
            halo: None,
        },
    )?;
    Ok(size)
}
