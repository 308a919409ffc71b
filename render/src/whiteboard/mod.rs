//! Drawn shapes of every generation, as fragments of SVG.
//!
//! Each version of a shape is translated on its own, without knowing when it is visible, what
//! lies below it, or how large the picture will be.

use std::fmt::Write as _;

use crate::fonts::{Fonts, Substitute, Wanted};

pub(crate) mod store;
pub mod svg;
pub mod tldraw;

/// One version of a shape, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// SVG elements in the slide's units ([`crate::timeline::Board`]), without an `<svg>` around
    /// them; the namespaces of SVG (default) and of `xlink` are declared by whoever draws it.
    ///
    /// An `<image>` may refer to a file by its path relative to the recording's folder, or hold
    /// `data:`; any other reference is ignored.
    pub svg: String,
}

/// Why a version of a shape is not drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// For a human: "unknown type `mystery`", "no points", ….
    pub why: String,
}

impl Skipped {
    /// Not drawn for this reason.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Skipped {
        Skipped { why: why.into() }
    }
}

/// Writes the text of one line as the inside of a `<text>`, each character in a font that has it.
///
/// Fragments must not leave this to usvg: where one font has all characters of a text it sets the
/// whole text in it, while browsers change the font only for those characters that are missing.
pub(crate) fn set(svg: &mut String, line: &str, font: Wanted<'_>, fonts: &Fonts) {
    for (substitute, run) in fonts.runs(font, line) {
        match substitute {
            Some(Substitute { family, scale }) => {
                svg.push_str("<tspan");
                attribute(svg, "font-family", &format!("'{family}'"));
                let _ = write!(svg, r#" font-size="{scale}em">"#);
                escape(svg, run);
                svg.push_str("</tspan>");
            }
            None => escape(svg, run),
        }
    }
}

/// Writes ` name="value"`.
pub(crate) fn attribute(svg: &mut String, name: &str, value: &str) {
    let _ = write!(svg, " {name}=\"");
    escape(svg, value);
    svg.push('"');
}

/// Writes text so that it means itself, between tags and in attributes.
pub(crate) fn escape(svg: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => svg.push_str("&amp;"),
            '<' => svg.push_str("&lt;"),
            '>' => svg.push_str("&gt;"),
            '"' => svg.push_str("&quot;"),
            // What XML cannot hold even when it is escaped.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => svg.push(character),
        }
    }
}
