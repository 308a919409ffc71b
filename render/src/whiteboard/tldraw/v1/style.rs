//! Colours, widths and letters of tldraw 1 (`shape-styles.ts` in tldraw 1.29), light theme.

use serde_json::Value;

use super::super::super::Skipped;
use super::super::dash::Dash;
use super::super::json::{flag, number_or, text};
use super::super::text::{Align, Face, Type};
use crate::fonts::Fonts;

type Rgb = [u8; 3];

/// What surrounds the slide in tldraw 1; lighter colours are mixed with it.
const CANVAS: Rgb = [0xfa, 0xfa, 0xfa];

/// A shape's `style`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    color: Color,
    /// The width of its lines, before each kind of shape adds its own.
    pub(super) stroke_width: f64,
    pub(super) dash: Dash,
    pub(super) filled: bool,
    face: Face,
    size: Size,
    pub(super) scale: f64,
    pub(super) align: Option<Align>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Small,
    Medium,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Color {
    White,
    Black,
    Other(Rgb),
}

impl Style {
    /// A shape's style; what it does not say is as tldraw has it by default.
    pub(super) fn of(shape: &Value) -> Result<Style, Skipped> {
        let style = shape.get("style").unwrap_or(&Value::Null);
        let color = match text(style, "color") {
            "white" => Color::White,
            "lightGray" => Color::Other([0xc6, 0xcb, 0xd1]),
            "gray" | "grey" => Color::Other([0x78, 0x84, 0x92]),
            "green" => Color::Other([0x36, 0xb2, 0x4d]),
            "cyan" => Color::Other([0x0e, 0x98, 0xad]),
            "blue" => Color::Other([0x1c, 0x7e, 0xd6]),
            "indigo" => Color::Other([0x42, 0x63, 0xeb]),
            "violet" => Color::Other([0x77, 0x46, 0xf1]),
            "red" => Color::Other([0xff, 0x21, 0x33]),
            "orange" => Color::Other([0xff, 0x94, 0x33]),
            "yellow" => Color::Other([0xff, 0xc9, 0x36]),
            _ => Color::Black,
        };
        let size = match text(style, "size") {
            "medium" => Size::Medium,
            "large" => Size::Large,
            _ => Size::Small,
        };
        let scale = number_or(style, "scale", 1.0)?;
        if !(1e-3..=1e3).contains(&scale) {
            return Err(Skipped::because("its scale is beyond sense"));
        }
        Ok(Style {
            color,
            size,
            scale,
            stroke_width: match size {
                Size::Small => 2.0,
                Size::Medium => 3.5,
                Size::Large => 5.0,
            },
            dash: Dash::named(text(style, "dash")),
            filled: flag(style, "isFilled"),
            face: match text(style, "font") {
                "sans" => SANS,
                "serif" => SERIF,
                "mono" => MONO,
                _ => SCRIPT,
            },
            align: match text(style, "textAlign") {
                "start" => Some(Align::Start),
                "middle" => Some(Align::Middle),
                "end" => Some(Align::End),
                "justify" => Some(Align::Justify),
                _ => None,
            },
        })
    }

    /// Of lines and letters.
    pub(super) fn stroke(&self) -> String {
        hex(match self.color {
            // White is drawn like black: there would be nothing to see.
            Color::White | Color::Black => BLACK,
            Color::Other(rgb) => rgb,
        })
    }

    /// Of the inside of filled shapes.
    pub(super) fn fill(&self) -> String {
        hex(match self.color {
            Color::White => [0xfe, 0xfe, 0xfe],
            Color::Black => mixed(BLACK, CANVAS, 0.82),
            Color::Other(rgb) => mixed(rgb, CANVAS, 0.82),
        })
    }

    /// Of a sticky note's paper: black and white ones are yellow.
    pub(super) fn paper(&self) -> String {
        hex(match self.color {
            Color::White | Color::Black => mixed([0xff, 0xc9, 0x36], CANVAS, 0.45),
            Color::Other(rgb) => mixed(rgb, CANVAS, 0.45),
        })
    }

    /// The letters of texts and labels.
    pub(super) fn lettering<'a>(&self, fonts: &'a Fonts) -> Type<'a> {
        self.set(
            fonts,
            match self.size {
                Size::Small => 28.0,
                Size::Medium => 48.0,
                Size::Large => 96.0,
            },
        )
    }

    /// The letters on sticky notes.
    pub(super) fn note_lettering<'a>(&self, fonts: &'a Fonts) -> Type<'a> {
        self.set(
            fonts,
            match self.size {
                Size::Small => 24.0,
                Size::Medium => 36.0,
                Size::Large => 48.0,
            },
        )
    }

    fn set<'a>(&self, fonts: &'a Fonts, size: f64) -> Type<'a> {
        let size = size * self.scale;
        // Lines stand as tight as the letters are large, and letters a little tighter than usual.
        Type {
            fonts,
            face: self.face,
            size,
            spacing: -0.03 * size,
            line_height: size,
        }
    }
}

const BLACK: Rgb = [0x1d, 0x1d, 0x1d];

const SCRIPT: Face = Face {
    families: &["Caveat Brush"],
    weight: 400,
};
const SANS: Face = Face {
    families: &["Source Sans Pro"],
    weight: 400,
};
const SERIF: Face = Face {
    families: &["Crimson Pro"],
    weight: 400,
};
const MONO: Face = Face {
    families: &["Source Code Pro"],
    weight: 400,
};

fn mixed(a: Rgb, b: Rgb, share: f64) -> Rgb {
    let mix = |a: u8, b: u8| {
        let mixed = f64::from(a) + share * (f64::from(b) - f64::from(a));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let byte = mixed.round() as u8;
        byte
    };
    [mix(a[0], b[0]), mix(a[1], b[1]), mix(a[2], b[2])]
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn colours_are_those_of_the_library() {
        let style = |color: &str| Style::of(&json!({"style": {"color": color}})).unwrap();
        for (color, stroke, fill, paper) in [
            ("black", "#1d1d1d", "#d2d2d2", "#fddf8e"),
            ("white", "#1d1d1d", "#fefefe", "#fddf8e"),
            ("violet", "#7746f1", "#e2daf8", "#b297f5"),
            ("red", "#ff2133", "#fbd3d6", "#fd838d"),
        ] {
            let style = style(color);
            assert_eq!(
                (&*style.stroke(), &*style.fill(), &*style.paper()),
                (stroke, fill, paper)
            );
        }
    }
}
