//! Rectangles, ellipses and triangles of tldraw 1, and the labels on shapes.

use std::f64::consts::PI;
use std::fmt::Write as _;

use super::super::super::Skipped;
use super::super::dash::{Dash, Pattern, fitted_v1};
use super::super::path::{Path, through_middles};
use super::super::random::Random;
use super::super::text::{Align, Place, Type, widest};
use super::super::vector::{V, ellipse_perimeter, v};
use super::ink::{self, Pen, Touch};
use super::style::Style;

/// What drawn polygons are drawn with.
fn polygon_pen(style: &Style) -> Pen {
    Pen {
        thinning: 0.65,
        streamline: 0.3,
        smoothing: 1.0,
        simulate_pressure: false,
        last: true,
        ..Pen::of_size(style.stroke_width)
    }
}

/// `RectangleUtil`: drawn with the seed of its id, or of four dashed lines.
pub(super) fn rectangle(svg: &mut String, id: &str, size: V, style: &Style) -> Result<(), Skipped> {
    if style.dash == Dash::Draw {
        return drawn_polygon(svg, &rectangle_touches(id, size, style), style);
    }
    let sw = 1.0 + style.stroke_width * 1.618;
    let near = sw / 2.0;
    let far = v((size.x - near).max(0.0), (size.y - near).max(0.0));
    if style.filled {
        let _ = write!(
            svg,
            r#"<rect x="{near:.3}" y="{near:.3}" width="{:.3}" height="{:.3}" fill="{}"/>"#,
            far.x,
            far.y,
            style.fill()
        );
    }
    let corners = [v(near, near), v(far.x, near), far, v(near, far.y)];
    // The lengths count from the corner, although the lines start half a line further in.
    let lengths = [far.x - near, far.y - near, far.x - near, far.y - near];
    sides(svg, &corners, &lengths, sw, style)
}

/// `TriangleUtil`.
pub(super) fn triangle(svg: &mut String, id: &str, size: V, style: &Style) -> Result<(), Skipped> {
    let corners = [v(size.x / 2.0, 0.0), size, v(0.0, size.y)];
    if style.dash == Dash::Draw {
        let mut random = Random::new(id);
        let corners = corners.map(|corner| corner + offset(&mut random, style));
        let first = turns(&mut random, 3);
        let lines = (0..3).map(|n| between(corners[n], corners[(n + 1) % 3], 32));
        let lines: Vec<Vec<Touch>> = lines.collect();
        let touches: Vec<Touch> = (0..4)
            .flat_map(|n| lines[(n + first) % 3].clone())
            .collect();
        return drawn_polygon(svg, &touches, style);
    }
    let sw = 1.0 + style.stroke_width * 1.618;
    if style.filled {
        let _ = write!(
            svg,
            r#"<path d="{}" fill="{}"/>"#,
            Path::polyline(&corners, true).finish()?,
            style.fill()
        );
    }
    let lengths: Vec<f64> = (0..3)
        .map(|n| corners[n].distance(corners[(n + 1) % 3]))
        .collect();
    sides(svg, &corners, &lengths, sw, style)
}

/// `EllipseUtil`: drawn a little more than once around, thinner at both ends.
pub(super) fn ellipse(svg: &mut String, id: &str, radius: V, style: &Style) -> Result<(), Skipped> {
    let stroke = style.stroke();
    if style.dash == Dash::Draw {
        let (steps, perimeter) = ellipse_steps(id, radius, style);
        let points: Vec<V> = steps.iter().map(|step| step.point).collect();
        if style.filled {
            let _ = write!(
                svg,
                r#"<path d="{}" fill="{}"/>"#,
                through_middles(&points, false).finish()?,
                style.fill()
            );
        }
        let pen = ellipse_pen(2.0 + style.stroke_width * 2.0, perimeter);
        let outline = ink::outline(&steps, &pen);
        let _ = write!(
            svg,
            r#"<path d="{}" fill="{stroke}" stroke="{stroke}" stroke-width="{}" stroke-linecap="round" stroke-linejoin="round"/>"#,
            through_middles(&outline, true).finish()?,
            style.stroke_width
        );
        return Ok(());
    }
    let sw = 1.0 + style.stroke_width * 1.618;
    let (rx, ry) = (
        (radius.x - sw / 2.0).max(0.0),
        (radius.y - sw / 2.0).max(0.0),
    );
    let perimeter = ellipse_perimeter(rx, ry);
    let fitted = if perimeter < 64.0 {
        perimeter * 2.0
    } else {
        perimeter
    };
    let pattern = fitted_v1(fitted, style.stroke_width * 1.618, style.dash, 4.0, true);
    let fill = if style.filled {
        style.fill()
    } else {
        "none".into()
    };
    let _ = write!(
        svg,
        r#"<ellipse cx="{:.3}" cy="{:.3}" rx="{rx:.3}" ry="{ry:.3}" fill="{fill}" stroke="{stroke}" stroke-width="{sw}" stroke-linecap="round" stroke-linejoin="round"{}/>"#,
        radius.x,
        radius.y,
        Pattern::attributes(pattern)
    );
    Ok(())
}

/// A label in the middle of a box, moved by `offset` and scaled about the box's middle
/// (`TextLabel`). Its own box is as wide as the text on one line per line break, so that it never
/// wraps.
pub(super) fn label(
    svg: &mut String,
    text: &str,
    letters: Type<'_>,
    color: &str,
    middle: V,
    offset: V,
    scale: f64,
) -> Result<(), Skipped> {
    let [width, height] = label_size(text, &letters);
    let lines = letters.lines(text.trim_end_matches('\r'));
    let (width, height) = (width + 1.0, height + 1.0);
    if scale != 1.0 {
        let _ = write!(
            svg,
            r#"<g transform="translate({:.3} {:.3}) scale({scale:.4}) translate({:.3} {:.3})">"#,
            middle.x, middle.y, -middle.x, -middle.y
        );
    }
    letters.draw(
        svg,
        &lines,
        Place {
            left: middle.x + offset.x - width / 2.0 + 4.0,
            top: middle.y + offset.y - height / 2.0 + 4.0,
            width: width - 8.0,
            align: Align::Middle,
            fill: color,
            halo: None,
        },
    )?;
    if scale != 1.0 {
        svg.push_str("</g>");
    }
    Ok(())
}

/// What tldraw 1 measures a label to be: whole units, with 4 of padding and 1 of border around it
/// (`getTextLabelSize`). A line break at the very end makes no line.
pub(super) fn label_size(text: &str, letters: &Type<'_>) -> [f64; 2] {
    if text.is_empty() {
        return [16.0, 32.0];
    }
    let lines = letters.lines(text.strip_suffix('\n').unwrap_or(text));
    [
        widest(&lines).round() + 10.0,
        letters.height(&lines).round() + 10.0,
    ]
}

fn rectangle_touches(id: &str, size: V, style: &Style) -> Vec<Touch> {
    let sw = style.stroke_width;
    let mut random = Random::new(id);
    let (w, h) = (size.x.max(0.0), size.y.max(0.0));
    let [tl, tr, br, bl] = [
        v(sw / 2.0, sw / 2.0),
        v(w - sw / 2.0, sw / 2.0),
        v(w - sw / 2.0, h - sw / 2.0),
        v(sw / 2.0, h - sw / 2.0),
    ]
    .map(|corner| corner + offset(&mut random, style));
    let first = turns(&mut random, 4);
    let rx = v((w / 4.0).min(sw * 2.0), 0.0);
    let ry = v(0.0, (h / 4.0).min(sw * 2.0));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = |length: f64| (length / 16.0).floor().clamp(8.0, MOST_PER_SIDE) as usize;
    let (px, py) = (count(w), count(h));
    let lines = [
        between(tl + rx, tr - rx, px),
        between(tr + ry, br - ry, py),
        between(br - rx, bl + rx, px),
        between(bl - ry, tl + ry, py),
    ];
    let mut touches: Vec<Touch> = (0..4)
        .flat_map(|n| lines[(n + first) % 4].iter().copied())
        .collect();
    touches.extend_from_slice(&lines[first % 4]);
    // The line runs over its own beginning, lest it end in a corner.
    let spare = if first.is_multiple_of(2) { px } else { py }
        .div_ceil(2)
        .saturating_sub(3);
    touches.truncate(touches.len().saturating_sub(spare));
    touches.drain(..5.min(touches.len()));
    touches
}

/// Points on one side of a drawn rectangle, at most.
const MOST_PER_SIDE: f64 = 2_000.0;

/// Points on a line, pressed harder towards its ends.
fn between(a: V, b: V, count: usize) -> Vec<Touch> {
    #[allow(clippy::cast_precision_loss)]
    let last = (count - 1) as f64;
    #[allow(clippy::cast_precision_loss)]
    let touch = |n: usize| {
        let t = n as f64 / last;
        Touch::new(a.lerp(b, t), (0.5 + (0.5 - t).abs()).min(1.0))
    };
    (0..count).map(touch).collect()
}

fn offset(random: &mut Random, style: &Style) -> V {
    let reach = style.stroke_width * 0.75;
    v(random.next_half() * reach, random.next_half() * reach)
}

/// Which side is drawn first.
fn turns(random: &mut Random, sides: u8) -> usize {
    let turns = (random.next_half() * 2.0 * f64::from(sides)).abs();
    // JavaScript rounds halves up.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = (turns + 0.5).floor() as usize;
    whole
}

fn drawn_polygon(svg: &mut String, touches: &[Touch], style: &Style) -> Result<(), Skipped> {
    let pen = polygon_pen(style);
    let steps = ink::steps(touches, &pen);
    let stroke = style.stroke();
    if style.filled {
        let points: Vec<V> = steps.iter().map(|step| step.point).collect();
        let _ = write!(
            svg,
            r#"<path d="{}" fill="{}"/>"#,
            through_middles(&points, false).finish()?,
            style.fill()
        );
    }
    let outline = ink::outline(&steps, &pen);
    let _ = write!(
        svg,
        r#"<path d="{}" fill="{stroke}" stroke="{stroke}" stroke-width="{}"/>"#,
        through_middles(&outline, true).finish()?,
        style.stroke_width
    );
    Ok(())
}

fn ellipse_pen(size: f64, perimeter: f64) -> Pen {
    Pen {
        thinning: 0.618,
        streamline: 0.0,
        taper_end: perimeter / 8.0,
        taper_start: perimeter / 12.0,
        ..Pen::of_size(size)
    }
}

fn ellipse_steps(id: &str, radius: V, style: &Style) -> (Vec<ink::Step>, f64) {
    let sw = style.stroke_width;
    let mut random = Random::new(id);
    let rx = radius.x + random.next_half() * sw * 2.0;
    let ry = radius.y + random.next_half() * sw * 2.0;
    let perimeter = ellipse_perimeter(rx.max(0.0), ry.max(0.0));
    let start = PI + PI * random.next_half();
    let extra = random.next_half().abs();
    let count = (perimeter / 10.0).clamp(16.0, MOST_PER_SIDE);
    let touches: Vec<Touch> = (0u32..)
        .map(f64::from)
        .take_while(|&n| n < count)
        .map(|n| {
            let t = n / (count + 1.0);
            let t = -((PI * t).cos() - 1.0) / 2.0;
            let angle = start * 2.0 + PI * (2.0 + extra) * t;
            let at = radius + v(rx * angle.cos(), ry * angle.sin());
            Touch::new(at, t + 0.5 + random.next_half() / 2.0)
        })
        .collect();
    (
        ink::steps(&touches, &ellipse_pen(1.0 + sw * 2.0, perimeter)),
        perimeter,
    )
}

fn sides(
    svg: &mut String,
    corners: &[V],
    lengths: &[f64],
    sw: f64,
    style: &Style,
) -> Result<(), Skipped> {
    let _ = write!(
        svg,
        r#"<g fill="none" stroke="{}" stroke-width="{sw}" stroke-linecap="round">"#,
        style.stroke()
    );
    for (n, &length) in lengths.iter().enumerate() {
        let line = Path::polyline(&[corners[n], corners[(n + 1) % corners.len()]], false);
        let pattern = fitted_v1(length, style.stroke_width * 1.618, style.dash, 1.0, true);
        let _ = write!(
            svg,
            r#"<path d="{}"{}/>"#,
            line.finish()?,
            Pattern::attributes(pattern)
        );
    }
    svg.push_str("</g>");
    Ok(())
}
