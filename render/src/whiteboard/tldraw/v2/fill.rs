//! The inside of shapes of tldraw 2 (`ShapeFill.tsx`).

use std::fmt::Write as _;

use super::style::{Color, PAPER};

/// Fills a path; `fill` is tldraw's name for how.
///
/// The hatching is a tile of 8 units in the background's colour, from which three strokes are cut
/// that let the pattern's colour through (`defaultStyleDefs.tsx`).
pub(super) fn fill(svg: &mut String, data: &str, fill: &str, color: Color) {
    let plain = match fill {
        "solid" => color.semi,
        "semi" => PAPER,
        "pattern" => {
            let _ = write!(
                svg,
                r##"<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="#f8f9fa"/><path d="M.6667 2L2 .6667M3.3333 4.6667L4.6667 3.3333M6 7.3333L7.3333 6" stroke="{}" stroke-width="1.25" stroke-linecap="round"/></pattern><path d="{data}" fill="url(#hatch)"/>"##,
                color.pattern
            );
            return;
        }
        _ => return,
    };
    let _ = write!(svg, r#"<path d="{data}" fill="{plain}"/>"#);
}
