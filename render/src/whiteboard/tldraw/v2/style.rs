//! Colours, widths and letters of tldraw 2 (`TLColorStyle.ts` and `default-shape-constants.ts`),
//! light theme.

use serde_json::Value;

use super::super::json::text;
use super::super::text::{Align, Face, Type};
use crate::fonts::Fonts;

/// What lies behind everything, and around letters.
pub(super) const BACKGROUND: &str = "#f9fafb";

/// The inside of frames and of shapes whose fill is called `semi`.
pub(super) const PAPER: &str = "#fcfffe";

/// One of the twelve colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color {
    /// Of lines, letters and the paper of notes.
    pub(super) solid: &'static str,
    /// Of the inside of shapes whose fill is called `solid`.
    pub(super) semi: &'static str,
    /// Of the hatching.
    pub(super) pattern: &'static str,
    /// Of the highlighter.
    pub(super) highlight: &'static str,
}

impl Color {
    /// By tldraw's name; what is unknown is black, as by default.
    pub(super) fn named(name: &str) -> Color {
        let (solid, semi, pattern, highlight) = match name {
            "blue" => ("#4263eb", "#dce1f8", "#6681ee", "#10acff"),
            "green" => ("#099268", "#d3e9e3", "#39a785", "#00ffc8"),
            "grey" => ("#adb5bd", "#eceef0", "#bcc3c9", "#cbe7f1"),
            "light-blue" => ("#4dabf7", "#ddedfa", "#6fbbf8", "#00f4ff"),
            "light-green" => ("#40c057", "#dbf0e0", "#65cb78", "#65f641"),
            "light-red" => ("#ff8787", "#f4dadb", "#fe9e9e", "#ff7fa3"),
            "light-violet" => ("#e599f7", "#f5eafa", "#e9acf8", "#ff88ff"),
            "orange" => ("#f76707", "#f8e2d4", "#f78438", "#ffa500"),
            "red" => ("#e03131", "#f4dadb", "#e55959", "#ff636e"),
            "violet" => ("#ae3ec9", "#ecdcf2", "#bd63d3", "#c77cff"),
            "yellow" => ("#ffc078", "#f9f0e6", "#fecb92", "#fddd00"),
            _ => ("#1d1d1d", "#e8e8e8", "#494949", "#fddd00"),
        };
        Color {
            solid,
            semi,
            pattern,
            highlight,
        }
    }

    pub(super) fn of(props: &Value) -> Color {
        Color::named(text(props, "color"))
    }
}

/// The sizes of pens and letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    S,
    M,
    L,
    Xl,
}

impl Size {
    pub(super) fn of(props: &Value) -> Size {
        match text(props, "size") {
            "s" => Size::S,
            "l" => Size::L,
            "xl" => Size::Xl,
            _ => Size::M,
        }
    }

    /// How wide lines are.
    pub(super) fn stroke(self) -> f64 {
        match self {
            Size::S => 2.0,
            Size::M => 3.5,
            Size::L => 5.0,
            Size::Xl => 10.0,
        }
    }

    /// How large the letters of text shapes are.
    pub(super) fn text(self) -> f64 {
        match self {
            Size::S => 18.0,
            Size::M => 24.0,
            Size::L => 36.0,
            Size::Xl => 44.0,
        }
    }

    /// How large the letters on shapes and notes are.
    pub(super) fn label(self) -> f64 {
        match self {
            Size::S => 18.0,
            Size::M => 22.0,
            Size::L => 26.0,
            Size::Xl => 32.0,
        }
    }

    /// How large the letters on arrows are.
    pub(super) fn arrow_label(self) -> f64 {
        match self {
            Size::S => 18.0,
            Size::M => 20.0,
            Size::L => 24.0,
            Size::Xl => 28.0,
        }
    }
}

/// Letters of a shape's font in a size.
pub(super) fn lettering<'a>(props: &Value, size: f64, fonts: &'a Fonts) -> Type<'a> {
    let face = match text(props, "font") {
        "sans" => SANS,
        "serif" => SERIF,
        "mono" => MONO,
        _ => DRAW,
    };
    Type {
        fonts,
        face,
        size,
        spacing: 0.0,
        line_height: size * 1.35,
    }
}

const DRAW: Face = Face {
    families: &["Shantell Sans"],
    weight: 600,
};
const SANS: Face = Face {
    families: &["IBM Plex Sans"],
    weight: 500,
};
const SERIF: Face = Face {
    families: &["IBM Plex Serif"],
    weight: 500,
};
const MONO: Face = Face {
    families: &["IBM Plex Mono"],
    weight: 500,
};

/// Where lines stand across; names with `-legacy` mean the same.
pub(super) fn align(props: &Value) -> Align {
    match text(props, "align") {
        "start" | "start-legacy" => Align::Start,
        "end" | "end-legacy" => Align::End,
        _ => Align::Middle,
    }
}
