//! The inside of shapes of tldraw 2 (`ShapeFill.tsx`).

use std::fmt::Write as _;

use super::style::{Color, PAPER};

/// Fills a path; `fill` is tldraw's name for how. `area` (left, top, right, bottom) is where the
/// path lies at most.
pub(super) fn fill(svg: &mut String, data: &str, fill: &str, color: Color, area: [f64; 4]) {
    let plain = match fill {
        "solid" => color.semi,
        "semi" => PAPER,
        "pattern" => return hatch(svg, data, color, area),
        _ => return,
    };
    let _ = write!(svg, r#"<path d="{data}" fill="{plain}"/>"#);
}

/// The largest extent that is hatched; what is larger gets the mean colour of the hatching.
const MOST_HATCHED: f64 = 4_000.0;

/// The hatching is a tile of 8 units in the background's colour, from which strokes are cut that
/// let the pattern's colour through (`defaultStyleDefs.tsx`). Over all tiles those strokes make
/// dashed lines, every 8/3 units one: 4/3 wide and high, once in 8.
///
/// tldraw draws the tile in whole pixels of the screen and scales it, which makes the strokes of
/// 1.25 units wider and paler.
fn hatch(svg: &mut String, data: &str, color: Color, area: [f64; 4]) {
    let [left, top, right, bottom] = area;
    let (width, height) = (right - left, bottom - top);
    if width > MOST_HATCHED || height > MOST_HATCHED {
        let _ = write!(
            svg,
            r##"<path d="{data}" fill="#f8f9fa"/><path d="{data}" fill="{}" fill-opacity="0.17"/>"##,
            color.pattern
        );
        return;
    }
    let n = svg.matches("<clipPath").count();
    let _ = write!(
        svg,
        r##"<path d="{data}" fill="#f8f9fa"/><clipPath id="hatched{n}"><path d="{data}"/></clipPath><g clip-path="url(#hatched{n})"><path fill="none" stroke="{}" stroke-width="2" stroke-opacity="0.5" stroke-linecap="round" stroke-dasharray="1.8856 9.4281" d=""##,
        color.pattern
    );
    // Each line runs up and to the right: its points share the sum of their coordinates.
    const STEP: f64 = 8.0 / 3.0;
    let mut line = ((left + top) / STEP).floor();
    while line * STEP < right + bottom {
        let sum = line * STEP;
        // The x of the strokes' beginnings, up to multiples of 8.
        let phase = match line.rem_euclid(3.0) {
            r if r < 0.5 => 10.0 / 3.0,
            r if r < 1.5 => 2.0 / 3.0,
            _ => 6.0,
        };
        let from = left.max(sum - bottom);
        let to = right.min(sum - top);
        let begin = ((from - phase) / 8.0).floor() * 8.0 + phase;
        if begin < to {
            let _ = write!(
                svg,
                "M{begin:.3} {:.3}L{to:.3} {:.3}",
                sum - begin,
                sum - to
            );
        }
        line += 1.0;
    }
    svg.push_str(r#""/></g>"#);
}
