//! Shapes of `tldraw.json` (BBB 2.6 and later).
//!
//! The official player shows them with the libraries of tldraw; this module draws what those
//! draw, from the numbers they use: widths, colours, corners, dashes, the seeded wobble of lines
//! "drawn by hand". A shape comes with those it is tied to, because a second-generation shape
//! lies in the space of the group or frame that holds it, and an arrow ends at the edges of what
//! it is bound to. Everything is in units of the tldraw page.
//!
//! The letters are those of the libraries too: Caveat Brush, Shantell Sans and their companions
//! are part of [`Fonts::system`].

mod dash;
mod json;
mod path;
mod random;
#[cfg(test)]
mod tests;
mod text;
mod v1;
mod v2;
mod vector;

use std::fmt::Write as _;

use serde_json::Value;

use super::{Fragment, Skipped};
use crate::fonts::Fonts;
use vector::V;

/// Beyond this no coordinate means anything on a page of 1440 by 1080.
const FARTHEST: f64 = 1e5;

/// How many points one stroke has at most.
const MOST_POINTS: usize = 50_000;

/// Which generation of tldraw a shape is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `@tldraw/tldraw` 1 (BBB 2.6 and 2.7).
    V1,
    /// BBB's own tldraw 2 (BBB 3.0 and later).
    V2,
}

/// One version of a shape, placed on the page.
///
/// `tied` are the versions, visible at the same time, of the shapes that hold it and that it is
/// bound to, in any order; others among them do no harm. `zoom` is how many pixels a page unit
/// takes in a player whose presentation area has 1280 by 720: the lines and names of frames keep
/// their size on the screen; nothing else depends on it.
///
/// # Errors
/// When its kind is not known, or it is malformed or too large.
pub fn fragment(
    shape: &Value,
    tied: &[&Value],
    dialect: Dialect,
    zoom: f64,
    fonts: &Fonts,
) -> Result<Fragment, Skipped> {
    match dialect {
        Dialect::V1 => v1::fragment(shape, fonts),
        Dialect::V2 => {
            let zoom = if zoom.is_finite() {
                zoom.clamp(0.01, 100.0)
            } else {
                1.0
            };
            v2::fragment(shape, tied, zoom, fonts)
        }
    }
}

/// Whether a shape has parts that keep their size on the screen, so that it has to be made anew
/// when the zoom changes.
#[must_use]
pub fn keeps_size(shape: &Value) -> bool {
    json::text(shape, "type") == "frame"
}

/// A CSS `box-shadow` in black of a rounded box at the origin; the box itself is to cover it.
fn shadow(
    svg: &mut String,
    size: V,
    corner: f64,
    (dx, dy): (f64, f64),
    blur: f64,
    spread: f64,
    opacity: f64,
) {
    let id = format!("blur{}", svg.matches("<filter").count());
    // CSS gives the blur's whole width, SVG its deviation.
    let deviation = blur / 2.0;
    let _ = write!(
        svg,
        r##"<filter id="{id}" filterUnits="userSpaceOnUse" x="{:.3}" y="{:.3}" width="{:.3}" height="{:.3}"><feGaussianBlur stdDeviation="{deviation}"/></filter><g filter="url(#{id})"><rect x="{:.3}" y="{:.3}" width="{:.3}" height="{:.3}" rx="{:.3}" fill-opacity="{opacity}"/></g>"##,
        dx - blur * 2.0,
        dy - blur * 2.0,
        size.x + blur * 4.0,
        size.y + blur * 4.0,
        dx - spread,
        dy - spread,
        (size.x + spread * 2.0).max(0.0),
        (size.y + spread * 2.0).max(0.0),
        (corner + spread).max(0.0),
    );
}
