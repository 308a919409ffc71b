//! Arrows of tldraw 2 as they are drawn: the line, its heads, and a label in a gap
//! (`ArrowShapeUtil`, `arrowheads.ts`).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, FRAC_PI_6};
use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::dash::{Dash, Fit, Pattern, fitted_v2};
use super::super::json::text;
use super::super::path::Path;
use super::super::text::{Align, Place, widest};
use super::super::vector::{V, bounds, meeting_points, v};
use super::arrow::{Course, course};
use super::fill::fill;
use super::space::Space;
use super::style::{BACKGROUND, Color, Size, lettering};
use crate::fonts::Fonts;

/// Draws an arrow.
pub(super) fn draw(
    svg: &mut String,
    props: &Value,
    space: Space,
    others: &[&Value],
    fonts: &Fonts,
) -> Result<(), Skipped> {
    let Some(course) = course(props, space, others, fonts)? else {
        return Err(Skipped::because("it has no length"));
    };
    let color = Color::of(props);
    let width = Size::of(props).stroke();
    let dash = Dash::named(text(props, "dash"));
    let mut line = Path::new();
    line.command("M", &[course.start]);
    let length = match course.bend {
        Some(bend) => {
            line.arc(bend.radius, bend.large, bend.clockwise, course.end);
            bend.length
        }
        None => {
            line.command("L", &[course.end]);
            course.start.distance(course.end)
        }
    };
    let heads = [
        head(&course, text(props, "arrowheadStart"), false, width),
        head(&course, text(props, "arrowheadEnd"), true, width),
    ];
    let kinds = ["arrowheadStart", "arrowheadEnd"].map(|key| text(props, key));
    let caption = caption(props, &course, fonts);

    // The line does not show through hollow heads nor under the label.
    let mut gaps = 0;
    let outside = "M-100000 -100000h200000v200000h-200000z";
    let mut gap = |svg: &mut String, hole: &str| {
        let _ = write!(
            svg,
            r#"<clipPath id="gap{gaps}"><path clip-rule="evenodd" d="{outside}{hole}"/></clipPath><g clip-path="url(#gap{gaps})">"#
        );
        gaps += 1;
    };
    for (path, kind) in heads.iter().zip(kinds) {
        if let (Some(path), false) = (path, matches!(kind, "arrow" | "bar" | "pipe")) {
            gap(svg, path.finish()?);
        }
    }
    if let Some(caption) = &caption {
        let V { x, y } = course.middle - caption.size * 0.5;
        let (w, h) = (caption.size.x, caption.size.y);
        let hole = format!(
            "M{:.3} {y:.3}h{:.3}a4 4 0 0 1 4 4v{:.3}a4 4 0 0 1 -4 4h{:.3}a4 4 0 0 1 -4 -4v{:.3}a4 4 0 0 1 4 -4z",
            x + 4.0,
            w - 8.0,
            h - 8.0,
            8.0 - w,
            8.0 - h
        );
        gap(svg, &hole);
    }
    let stroke = format!(
        r#"stroke="{}" stroke-width="{width}" stroke-linejoin="round" stroke-linecap="round""#,
        color.solid
    );
    let pattern = fitted_v2(length, width, dash, Fit::default());
    let _ = write!(
        svg,
        r#"<path d="{}" fill="none" {stroke}{}/>{}"#,
        line.finish()?,
        Pattern::attributes(pattern),
        "</g>".repeat(gaps)
    );
    for ((path, kind), tip) in heads.iter().zip(kinds).zip([course.start, course.end]) {
        let Some(path) = path else { continue };
        let data = path.finish()?;
        if !matches!(kind, "arrow" | "bar") {
            let reach = width * 8.0;
            let area = [tip.x - reach, tip.y - reach, tip.x + reach, tip.y + reach];
            fill(svg, data, text(props, "fill"), color, area);
        }
        let _ = write!(svg, r#"<path d="{data}" fill="none" {stroke}/>"#);
    }
    if let Some(caption) = caption {
        let letters = lettering(props, Size::of(props).arrow_label(), fonts);
        let label_color = Color::named(text(props, "labelColor"));
        letters.draw(
            svg,
            &caption.lines,
            Place {
                left: course.middle.x - caption.size.x / 2.0 + 4.0,
                top: course.middle.y - letters.height(&caption.lines) / 2.0,
                width: caption.size.x - 8.0,
                align: Align::Middle,
                fill: label_color.solid,
                halo: Some(BACKGROUND),
            },
        )?;
    }
    Ok(())
}

struct Caption {
    lines: Vec<super::super::text::Line>,
    /// Of the gap around it.
    size: V,
}

/// The label, wrapped if the arrow is flat and short, or the text very long.
fn caption(props: &Value, course: &Course, fonts: &Fonts) -> Option<Caption> {
    let content = text(props, "text")
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    if content.trim().is_empty() {
        return None;
    }
    let size = Size::of(props).arrow_label();
    let letters = lettering(props, size, fonts);
    let mut lines = letters.lines(&content);
    let mut width = widest(&lines);
    let [left, top, right, bottom] = body_bounds(course)?;
    if right - left > bottom - top {
        let most = width.min(64.0).max((right - left - 64.0).min(width));
        lines = letters.wrapped(&content, most);
        width = widest(&lines).min(most);
    }
    if width > 16.0 * size {
        width = 16.0 * size;
        lines = letters.wrapped(&content, width);
        width = widest(&lines).min(width);
    }
    Some(Caption {
        size: v(width, letters.height(&lines)) + v(8.5, 8.5),
        lines,
    })
}

fn body_bounds(course: &Course) -> Option<[f64; 4]> {
    let Some(bend) = course.bend else {
        return bounds([course.start, course.end]);
    };
    let from = bend.center.angle_to(course.start);
    let turn = bend.length / bend.radius * if bend.clockwise { 1.0 } else { -1.0 };
    bounds(
        (0..=40)
            .map(|n| bend.center + V::from_angle(from + turn * f64::from(n) / 40.0) * bend.radius),
    )
}

/// One head; none of an unknown kind.
fn head(course: &Course, kind: &str, at_end: bool, width: f64) -> Option<Path> {
    let (tip, tail) = if at_end {
        (course.end, course.start)
    } else {
        (course.start, course.end)
    };
    let length = course.bend.map_or(tip.distance(tail), |bend| bend.length);
    let reach = (length / 5.0).min(width * 3.0).max(width);
    let base = match course.bend {
        None => tip.nudged(tail, reach),
        Some(bend) => {
            let points = meeting_points(tip, reach, bend.handle_center, bend.handle_radius);
            points[usize::from(bend.handle_clockwise != at_end)]
        }
    };
    if !base.length().is_finite() {
        return None;
    }
    let back = base - tip;
    let half = back * 0.5;
    let side = half.rotated(FRAC_PI_2);
    let wings = |at: V, angle: f64| [at.rotated_about(tip, angle), at.rotated_about(tip, -angle)];
    let mut path = Path::new();
    match kind {
        "arrow" | "triangle" => {
            let [left, right] = wings(base, FRAC_PI_6);
            path = Path::polyline(&[left, tip, right], kind == "triangle");
        }
        "inverted" => path = Path::polyline(&[tip + side, base, tip - side], true),
        "dot" => {
            let center = tip.lerp(base, 0.45);
            path.circle(center, center.distance(tip));
        }
        "diamond" => {
            let [left, right] = wings(tip.lerp(base, 0.75), FRAC_PI_4);
            let far = left.middle(right) + (left.middle(right) - tip);
            path = Path::polyline(&[far, left, tip, right], true);
        }
        "square" => {
            let base = tip.lerp(base, 0.85);
            let side = ((base - tip) * 0.5).rotated(FRAC_PI_2);
            path = Path::polyline(&[tip + side, base + side, base - side, tip - side], true);
        }
        "bar" => path = Path::polyline(&[tip + side, tip - side], false),
        _ => return None,
    }
    Some(path)
}
