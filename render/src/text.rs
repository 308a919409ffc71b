//! Text that is not the recording's drawing but ours to set: chat, captions, the title card.
//!
//! Lines run from the side where their script begins, and each character is in a font that has it.

use std::fmt::Write as _;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;
use unicode_bidi::{BidiInfo, Direction, Level, get_base_direction};

use crate::fonts::{Fonts, Substitute, Wanted};
use crate::geometry::Size;
use crate::raster::guarded;
use crate::whiteboard::{attribute, escape};

const FAMILIES: [&str; 2] = ["Liberation Sans", "Arial"];
/// Height of a line in parts of the letters' size.
pub(crate) const LINE: f64 = 1.3;
/// Where in the height of a line the letters stand.
const BASELINE: f64 = 0.98;

/// How lines are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type<'a> {
    pub(crate) fonts: &'a Fonts,
    /// Of the letters, in pixels.
    pub(crate) size: f64,
    pub(crate) bold: bool,
    /// A colour as SVG has it.
    pub(crate) fill: &'a str,
}

/// Where lines begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// On the left, or on the right where the text runs to the left.
    Start,
    /// In the middle.
    Middle,
}

impl Type<'_> {
    fn wanted(&self) -> Wanted<'static> {
        Wanted {
            families: &FAMILIES,
            weight: if self.bold { 700 } else { 400 },
            italic: false,
        }
    }

    /// The text's lines, none wider than `width`, at most `most` of them.
    pub(crate) fn lines(&self, text: &str, width: f64, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            if lines.len() > most {
                break;
            }
            lines.extend(self.fonts.wrap(self.wanted(), self.size, paragraph, width));
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                last.push('…');
            }
        }
        lines
    }

    /// How wide a line is.
    pub(crate) fn width(&self, line: &str) -> f64 {
        self.fonts.width(self.wanted(), self.size, line)
    }

    /// How tall so many lines are.
    pub(crate) fn height(&self, lines: usize) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let lines = lines as f64;
        lines * self.size * LINE
    }

    /// Writes lines from `top` down between `left` and `left + width`.
    pub(crate) fn draw(
        &self,
        svg: &mut String,
        lines: &[String],
        (left, top, width): (f64, f64, f64),
        align: Align,
    ) {
        let weight = if self.bold { "bold" } else { "normal" };
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            r#"<g font-family="Liberation Sans,Arial,sans-serif" font-weight="{weight}" font-size="{:.2}" fill="{}" xml:space="preserve">"#,
            self.size, self.fill
        );
        let leftwards = lines
            .iter()
            .map(|line| get_base_direction(line.as_str()))
            .find(|direction| *direction != Direction::Mixed)
            == Some(Direction::Rtl);
        let mut y = top + self.size * BASELINE;
        for line in lines {
            let x = match align {
                Align::Middle => left + (width - self.width(line)) / 2.0,
                Align::Start if leftwards => left + width - self.width(line),
                Align::Start => left,
            };
            self.draw_line(svg, line, (x, y), leftwards);
            y += self.size * LINE;
        }
        svg.push_str("</g>");
    }

    /// One line, piece by piece from the left: each in one direction and one font, because usvg
    /// loses letters where it has to put those of several fonts into one line.
    fn draw_line(&self, svg: &mut String, line: &str, (x, y): (f64, f64), leftwards: bool) {
        let level = if leftwards {
            Level::rtl()
        } else {
            Level::ltr()
        };
        let bidi = BidiInfo::new(line, Some(level));
        let Some(paragraph) = bidi.paragraphs.first() else {
            return;
        };
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        let mut pen = x;
        for run in runs {
            let rtl = levels.get(run.start).is_some_and(Level::is_rtl);
            let text = line.get(run).unwrap_or_default();
            let mut pieces = self.fonts.runs(self.wanted(), text);
            if rtl {
                pieces.reverse();
            }
            for (substitute, piece) in pieces {
                let _ = write!(svg, r#"<text x="{pen:.2}" y="{y:.2}""#);
                if let Some(Substitute { family, scale }) = substitute {
                    attribute(svg, "font-family", &format!("'{family}'"));
                    // Only its regular letters were measured.
                    let _ = write!(
                        svg,
                        r#" font-weight="normal" font-size="{:.2}""#,
                        self.size * scale
                    );
                }
                svg.push('>');
                let emoji = substitute.is_some_and(|font| font.family.contains("Emoji"));
                if rtl && !emoji {
                    // Right-to-left embedding, so that punctuation goes where it belongs; joined
                    // emoji would come apart in it.
                    svg.push('\u{202b}');
                }
                escape(svg, piece);
                svg.push_str("</text>");
                pen += self.width(piece);
            }
        }
    }
}

/// A picture of SVG elements on nothing; `None` when it has no size or cannot be drawn.
pub(crate) fn picture(elements: &str, size: Size, options: &usvg::Options<'_>) -> Option<Pixmap> {
    let mut canvas = Pixmap::new(size.width, size.height)?;
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}">{elements}</svg>"#,
        size.width, size.height
    );
    guarded(|| {
        let tree = usvg::Tree::from_str(&svg, options).ok()?;
        resvg::render(&tree, Transform::identity(), &mut canvas.as_mut());
        Some(())
    })
    .flatten()?;
    Some(canvas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::svg_options;
    use std::sync::Arc;

    /// The columns in which there is ink.
    fn ink(text: &str) -> Option<(u32, u32)> {
        let fonts = Arc::new(Fonts::system());
        let set = Type {
            fonts: &fonts,
            size: 20.0,
            bold: false,
            fill: "#000",
        };
        let mut svg = String::new();
        let lines = set.lines(text, 200.0, 3);
        set.draw(&mut svg, &lines, (10.0, 0.0, 200.0), Align::Start);
        let size = Size {
            width: 220,
            height: 90,
        };
        let picture = picture(&svg, size, &svg_options(&fonts)).unwrap();
        let columns = picture
            .pixels()
            .iter()
            .zip((0..size.width).cycle())
            .filter(|(pixel, _)| pixel.alpha() > 100)
            .map(|(_, column)| column);
        let columns: Vec<u32> = columns.collect();
        Some((*columns.iter().min()?, *columns.iter().max()?))
    }

    #[test]
    fn lines_begin_where_their_script_does() {
        let (left, right) = ink("Bonjour").unwrap();
        assert!(left < 14 && right < 100, "{left} {right}");
        let (left, right) = ink("שלום עולם!").unwrap();
        assert!(left > 100 && right > 204, "{left} {right}");
    }

    #[test]
    fn nothing_after_joined_emoji_is_lost() {
        let (_, alone) = ink("a 👨‍👩‍👧").unwrap();
        for text in ["a 👨‍👩‍👧👨‍👩‍👧 after", "a👩🏽‍🏫b 🎉🎉 c", "a 👨‍👩‍👧 b"]
        {
            let (left, right) = ink(text).unwrap();
            assert!(left < 14 && right > alone + 8, "{text}: {left} {right}");
        }
    }

    #[test]
    fn lines_are_broken_and_counted() {
        let fonts = Fonts::system();
        let set = Type {
            fonts: &fonts,
            size: 20.0,
            bold: true,
            fill: "#000",
        };
        let lines = set.lines(&"mot ".repeat(100), 150.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…'));
        assert!(lines[..2].iter().all(|line| set.width(line) <= 150.0));
        assert_eq!(set.lines("a\nb", 150.0, 3), ["a", "b"]);
    }

    #[test]
    fn nothing_written_is_markup() {
        assert!(ink("<b>&amp;\u{1}\u{202e}</b>").is_some());
        assert_eq!(ink(" "), None);
    }
}
