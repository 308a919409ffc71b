//! Shapes of tldraw 2 that are boxes of text: labels on figures, texts, notes and frames.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};
use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::json::{flag, number_or, text};
use super::super::shadow;
use super::super::text::{Align, Face, Place, Type, widest};
use super::super::vector::{V, v};
use super::style::{BACKGROUND, Color, PAPER, Size, align, lettering};
use crate::fonts::Fonts;

/// Room around the text on figures and notes.
const PADDING: f64 = 16.0;

/// How wide a note is, and how high at least.
const NOTE: f64 = 200.0;

/// The text as the DOM gets it.
fn normalized(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// How large a figure is: it grows downwards with its label (`onBeforeCreate`, `getLabelSize`).
pub(super) fn figure_size(props: &Value, fonts: &Fonts) -> Result<V, Skipped> {
    let size = v(number_or(props, "w", 100.0)?, number_or(props, "h", 100.0)?);
    if size.x < 0.0 || size.y < 0.0 || size.x + size.y <= 0.0 {
        return Err(Skipped::because("it has no extent"));
    }
    let size = v(size.x.max(1.0), size.y.max(1.0));
    let label = normalized(text(props, "text"));
    if label.is_empty() {
        return Ok(size);
    }
    let pen = Size::of(props);
    let letters = lettering(props, pen.label(), fonts);
    let narrowest = (letters.width("w") + pen.stroke()).ceil();
    let room = narrowest.max((size.x - PADDING * 2.0).ceil()).max(0.0);
    let needed = letters.height(&letters.wrapped(&label, room)) + PADDING * 2.0;
    Ok(v(size.x, size.y.max(needed)))
}

/// The label on a figure or note (`TextLabel`).
pub(super) fn label(
    svg: &mut String,
    props: &Value,
    size: V,
    color: &str,
    halo: Option<&str>,
    fonts: &Fonts,
) -> Result<(), Skipped> {
    let label = normalized(text(props, "text"));
    if label.trim().is_empty() {
        return Ok(());
    }
    let letters = lettering(props, Size::of(props).label(), fonts);
    let room = (size.x - PADDING * 2.0).max(0.0);
    let lines = letters.wrapped(&label, room);
    let height = letters.height(&lines);
    let top = match text(props, "verticalAlign") {
        "start" => PADDING,
        "end" => size.y - PADDING - height,
        _ => (size.y - height) / 2.0,
    };
    // In old shapes the box of the text is in the middle, however its lines are aligned.
    let (left, width) = if text(props, "align").ends_with("-legacy") {
        let width = widest(&lines);
        ((size.x - width) / 2.0, width)
    } else {
        (PADDING, size.x - PADDING * 2.0)
    };
    letters.draw(
        svg,
        &lines,
        Place {
            left,
            top,
            width,
            align: align(props),
            fill: color,
            halo,
        },
    )
}

/// A text shape; `measure` gives its size without drawing it.
pub(super) struct Text<'a> {
    letters: Type<'a>,
    lines: Vec<super::super::text::Line>,
    pub(super) size: V,
    scale: f64,
}

impl Text<'_> {
    /// Lays a text out: as wide as its longest line, or wrapped at a width of its own
    /// (`getTextSize`).
    pub(super) fn of<'a>(props: &Value, fonts: &'a Fonts) -> Result<Text<'a>, Skipped> {
        let scale = number_or(props, "scale", 1.0)?;
        if !(1e-3..=1e3).contains(&scale) {
            return Err(Skipped::because("its scale is beyond sense"));
        }
        let letters = lettering(props, Size::of(props).text(), fonts);
        let content = normalized(text(props, "text"));
        let (lines, width) = if flag(props, "autoSize") || props.get("autoSize").is_none() {
            let lines = letters.lines(&content);
            let width = (widest(&lines) + 1.0).max(16.0);
            (lines, width)
        } else {
            let width = number_or(props, "w", 16.0)?.max(16.0);
            let lines = letters.wrapped(&content, width.floor());
            (lines, width)
        };
        let height = letters.height(&lines).max(letters.size);
        Ok(Text {
            letters,
            lines,
            size: v(width, height) * scale,
            scale,
        })
    }

    pub(super) fn draw(&self, svg: &mut String, props: &Value) -> Result<(), Skipped> {
        let _ = write!(svg, r#"<g transform="scale({:.5})">"#, self.scale);
        self.letters.draw(
            svg,
            &self.lines,
            Place {
                left: 0.0,
                top: 0.0,
                width: self.size.x / self.scale,
                align: align(props),
                fill: Color::of(props).solid,
                halo: Some(BACKGROUND),
            },
        )?;
        svg.push_str("</g>");
        Ok(())
    }
}

/// A note's size: it grows with its text (`getGrowY`).
pub(super) fn note_size(props: &Value, fonts: &Fonts) -> V {
    let letters = lettering(props, Size::of(props).label(), fonts);
    let lines = letters.wrapped(&normalized(text(props, "text")), NOTE - 17.0 * 2.0);
    v(NOTE, (letters.height(&lines) + 17.0 * 2.0).max(NOTE))
}

/// A note: paper in the shape's colour under a scrim, with a shadow (`NoteShapeUtil`).
pub(super) fn note(svg: &mut String, props: &Value, fonts: &Fonts) -> Result<(), Skipped> {
    let size = note_size(props, fonts);
    // A black one is yellow.
    let color = match text(props, "color") {
        "" | "black" => Color::named("yellow"),
        other => Color::named(other),
    };
    // box-shadow: 0 1px 2px at .25, 0 1px 3px at .09
    shadow(svg, size, 6.0, (0.0, 1.0), 2.0, 0.0, 0.25);
    shadow(svg, size, 6.0, (0.0, 1.0), 3.0, 0.0, 0.09);
    let _ = write!(
        svg,
        r#"<rect width="{0:.3}" height="{1:.3}" rx="6" fill="{2}"/><rect x="1" y="1" width="{3:.3}" height="{4:.3}" rx="5" fill="{BACKGROUND}" opacity="0.28"/>"#,
        size.x,
        size.y,
        color.solid,
        size.x - 2.0,
        size.y - 2.0
    );
    // The border takes one unit of the room for the text.
    let mut inner = String::new();
    label(
        &mut inner,
        props,
        size - v(2.0, 2.0),
        Color::named("black").solid,
        None,
        fonts,
    )?;
    if !inner.is_empty() {
        let _ = write!(svg, r#"<g transform="translate(1 1)">{inner}</g>"#);
    }
    Ok(())
}

/// What frames are labelled with: the page's own font.
const HEADING: Face = Face {
    families: &["Arial", "Liberation Sans"],
    weight: 400,
};

/// A frame and its name over that edge which is up on the page; line and name keep their size on
/// the screen however far it is zoomed (`FrameShapeUtil`, `FrameHeading`). `zoom` is how many
/// pixels of the player a page unit takes.
pub(super) fn frame(
    svg: &mut String,
    props: &Value,
    angle: f64,
    zoom: f64,
    fonts: &Fonts,
) -> Result<(), Skipped> {
    let size = v(number_or(props, "w", 320.0)?, number_or(props, "h", 180.0)?);
    if size.x <= 0.0 || size.y <= 0.0 {
        return Err(Skipped::because("it has no extent"));
    }
    let unit = 1.0 / zoom;
    let _ = write!(
        svg,
        r##"<rect width="{:.3}" height="{:.3}" fill="{PAPER}" stroke="#000000" stroke-width="{unit:.4}"/>"##,
        size.x, size.y
    );
    let turns = (angle + FRAC_PI_4).rem_euclid(FRAC_PI_2 * 4.0) / FRAC_PI_2;
    let (corner, turn, length) = match turns {
        t if t < 1.0 => (v(0.0, 0.0), 0, size.x),
        t if t < 2.0 => (v(0.0, size.y), 270, size.y),
        t if t < 3.0 => (size, 180, size.x),
        _ => (v(size.x, 0.0), 90, size.y),
    };
    let name = text(props, "name");
    let name = if name.trim().is_empty() {
        "Frame"
    } else {
        name
    };
    let letters = Type {
        fonts,
        face: HEADING,
        size: 12.0,
        spacing: 0.0,
        line_height: 14.0,
    };
    // The heading reaches 8 pixels over the frame's corner and no further than its far one.
    let most = (length * zoom).ceil() + 16.0 - 18.0;
    let shown = cut(name, most.max(14.0), &letters);
    let width = letters.width(&shown);
    let _ = write!(
        svg,
        r#"<g transform="translate({:.3} {:.3}) rotate({turn}) scale({unit:.5}) translate(-8 -36)"><rect width="{:.3}" height="32" rx="4" fill="{BACKGROUND}"/>"#,
        corner.x,
        corner.y,
        (width + 18.0).max(32.0)
    );
    letters.draw(
        svg,
        &letters.lines(&shown),
        Place {
            left: 9.0,
            top: 9.0,
            width,
            align: Align::Start,
            fill: "#000000",
            halo: None,
        },
    )?;
    svg.push_str("</g>");
    Ok(())
}

/// As much of a name as has room, with dots for the rest.
fn cut(name: &str, room: f64, letters: &Type<'_>) -> String {
    let name: String = name.chars().take(500).collect();
    if letters.width(&name) <= room {
        return name;
    }
    let mut shown = String::new();
    for letter in name.chars() {
        let longer = format!("{shown}{letter}…");
        if letters.width(&longer) > room {
            break;
        }
        shown.push(letter);
    }
    shown.push('…');
    shown
}
