//! Text as a browser lays it out in tldraw's boxes: white space is kept, lines break between
//! words and, where a word is longer than a line, inside it (`white-space: pre-wrap`,
//! `overflow-wrap: break-word`).

use std::fmt::Write as _;

use super::super::{Skipped, set};
use crate::fonts::{Fonts, Wanted};

/// How many characters of one text are drawn.
const LONGEST: usize = 20_000;

/// How many lines of one text are drawn: what is beyond lies below any slide.
const MOST_LINES: usize = 1_000;

/// A family of letters, with what is taken in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub(super) families: &'static [&'static str],
    pub(super) weight: u16,
}

/// Where the lines of a text stand between the edges of their box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Start,
    Middle,
    End,
    /// Lines that were broken are stretched to the box's width.
    Justify,
}

/// How a text is set; lengths in page units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) fonts: &'a Fonts,
    pub(super) face: Face,
    pub(super) size: f64,
    /// Between letters.
    pub(super) spacing: f64,
    pub(super) line_height: f64,
}

/// A line of text and how wide it is without the white space it was broken at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) width: f64,
    /// Whether it was broken for want of room.
    broken: bool,
}

/// Where a text goes and what it looks like there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) align: Align,
    pub(super) fill: &'a str,
    /// A colour around the letters, 1 wide.
    pub(super) halo: Option<&'a str>,
}

impl Type<'_> {
    /// How wide one line is.
    pub(super) fn width(&self, line: &str) -> f64 {
        if line.is_empty() {
            return 0.0;
        }
        #[allow(clippy::cast_precision_loss)]
        let letters = line.chars().count() as f64;
        let width = match self.advances(line) {
            Some(advances) => advances.iter().sum(),
            None => self.fonts.width(self.wanted(), self.size, line),
        };
        width + letters * self.spacing
    }

    /// Where letters are spaced, browsers form no ligatures.
    fn advances(&self, line: &str) -> Option<Vec<f64>> {
        let spaced = self.spacing != 0.0;
        spaced
            .then(|| self.fonts.advances(self.wanted(), self.size, line))
            .flatten()
    }

    /// The text's own lines.
    pub(super) fn lines(&self, text: &str) -> Vec<Line> {
        shortened(text)
            .split('\n')
            .take(MOST_LINES)
            .map(|line| Line {
                text: line.to_owned(),
                width: self.width(line),
                broken: false,
            })
            .collect()
    }

    /// The text's lines, broken where they are wider than a box.
    pub(super) fn wrapped(&self, text: &str, width: f64) -> Vec<Line> {
        let mut lines = Vec::new();
        // Sums of widths must not break a line that was measured to fit exactly.
        let room = width + 0.02;
        for paragraph in shortened(text).split('\n') {
            if lines.len() >= MOST_LINES {
                break;
            }
            self.wrap(paragraph, room, &mut lines);
        }
        lines.truncate(MOST_LINES);
        lines
    }

    fn wrap(&self, paragraph: &str, room: f64, lines: &mut Vec<Line>) {
        let whole = self.width(paragraph);
        if whole <= room {
            lines.push(Line {
                text: paragraph.to_owned(),
                width: whole,
                broken: false,
            });
            return;
        }
        let mut line = String::new();
        // Up to the last letter, and with the white space after it.
        let (mut inked, mut pen) = (0.0, 0.0);
        let mut end_line = |line: &mut String, inked: f64| {
            let mut text = std::mem::take(line);
            text.truncate(text.trim_end_matches(' ').len());
            lines.push(Line {
                text,
                width: inked,
                broken: true,
            });
        };
        for piece in pieces(paragraph) {
            let word = piece.trim_end_matches(' ');
            let word_width = self.width(word);
            if pen + word_width > room && !line.is_empty() && !word.is_empty() {
                end_line(&mut line, inked);
                (inked, pen) = (0.0, 0.0);
            }
            if word_width > room {
                for letter in word.chars() {
                    let letter_width = self.width(letter.encode_utf8(&mut [0; 4]));
                    if pen + letter_width > room && !line.is_empty() {
                        end_line(&mut line, pen);
                        pen = 0.0;
                    }
                    line.push(letter);
                    pen += letter_width;
                }
                inked = pen;
            } else if !word.is_empty() {
                inked = pen + word_width;
                line.push_str(word);
            }
            let spaces = &piece[word.len()..];
            line.push_str(spaces);
            pen = if word.is_empty() { pen } else { inked } + self.width(spaces);
        }
        let width = self.width(&line).min(room.max(inked));
        lines.push(Line {
            text: line,
            width,
            broken: false,
        });
    }

    /// How far below the top of a line its letters stand. Browsers take a font's ascent and
    /// descent in whole units, and put what remains of the line's height half above them.
    pub(super) fn baseline(&self) -> f64 {
        let metrics = self.fonts.metrics(self.wanted());
        let ascent = (metrics.ascent * self.size).round();
        let descent = (metrics.descent * self.size).round();
        ascent + ((self.line_height - (ascent + descent)) / 2.0).floor()
    }

    /// How tall lines are together.
    pub(super) fn height(&self, lines: &[Line]) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let count = lines.len() as f64;
        count * self.line_height
    }

    /// Draws lines from the top of a box down.
    ///
    /// # Errors
    /// When the size or the place is no number.
    pub(super) fn draw(
        &self,
        svg: &mut String,
        lines: &[Line],
        place: Place<'_>,
    ) -> Result<(), Skipped> {
        let all = [self.size, self.spacing, place.left, place.top, place.width];
        if !all.iter().all(|n| n.is_finite()) {
            return Err(Skipped::because("its text has no place"));
        }
        if lines.iter().all(|line| line.text.trim().is_empty()) {
            return Ok(());
        }
        let families: Vec<String> = self
            .face
            .families
            .iter()
            .map(|f| format!("'{f}'"))
            .collect();
        let _ = write!(
            svg,
            r#"<g font-family="{},sans-serif" font-weight="{}" font-size="{:.4}" fill="{}" stroke="none""#,
            families.join(","),
            self.face.weight,
            self.size,
            place.fill,
        );
        svg.push('>');
        if let Some(halo) = place.halo {
            let _ = write!(
                svg,
                r#"<g fill="{halo}" stroke="{halo}" stroke-width="2" stroke-linejoin="round">"#
            );
            self.draw_lines(svg, lines, place);
            svg.push_str("</g>");
        }
        self.draw_lines(svg, lines, place);
        svg.push_str("</g>");
        Ok(())
    }

    fn draw_lines(&self, svg: &mut String, lines: &[Line], place: Place<'_>) {
        let mut y = place.top + self.baseline();
        for line in lines {
            let rest = place.width - line.width;
            let x = place.left
                + match place.align {
                    Align::Start | Align::Justify => 0.0,
                    Align::Middle => rest / 2.0,
                    Align::End => rest,
                };
            if !line.text.trim().is_empty() {
                let gaps = line.text.matches(' ').count();
                #[allow(clippy::cast_precision_loss)]
                let stretch = if place.align == Align::Justify && line.broken && rest > 0.0 {
                    rest / gaps.max(1) as f64
                } else {
                    0.0
                };
                self.draw_line(svg, &line.text, (x, y), stretch);
            }
            y += self.line_height;
        }
    }

    /// One line, its spaces wider by `stretch`.
    fn draw_line(&self, svg: &mut String, line: &str, (x, y): (f64, f64), stretch: f64) {
        svg.push_str(r#"<text xml:space="preserve" x=""#);
        match self.advances(line) {
            Some(advances) => {
                // A place for every letter keeps usvg from joining them.
                let mut pen = x;
                for (advance, letter) in advances.iter().zip(line.chars()) {
                    let _ = write!(svg, "{pen:.3} ");
                    pen += advance + self.spacing + if letter == ' ' { stretch } else { 0.0 };
                }
            }
            None => {
                let _ = write!(
                    svg,
                    r#"{x:.3}" letter-spacing="{:.4}" word-spacing="{stretch:.4}"#,
                    self.spacing
                );
            }
        }
        let _ = write!(svg, r#"" y="{y:.3}">"#);
        set(svg, line, self.wanted(), self.fonts);
        svg.push_str("</text>");
    }

    /// As [`Fonts`] is asked for it.
    pub(super) fn wanted(&self) -> Wanted<'static> {
        Wanted {
            families: self.face.families,
            weight: self.face.weight,
            italic: false,
        }
    }
}

/// The widest of lines.
pub(super) fn widest(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.width).fold(0.0, f64::max)
}

fn shortened(text: &str) -> &str {
    text.char_indices()
        .nth(LONGEST)
        .map_or(text, |(end, _)| &text[..end])
}

/// Pieces that a line can be broken after, each with the spaces that follow it.
fn pieces(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    unicode_linebreak::linebreaks(paragraph).map(move |(end, _)| {
        let piece = &paragraph[start..end];
        start = end;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(fonts: &Fonts) -> Type<'_> {
        let face = Face {
            families: &["Liberation Sans"],
            weight: 400,
        };
        Type {
            fonts,
            face,
            size: 20.0,
            spacing: 0.0,
            line_height: 24.0,
        }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_break_between_words_and_inside_long_ones() {
        let fonts = Fonts::system();
        let set = set(&fonts);
        let width = set.width("one two");
        assert_eq!(
            texts(&set.wrapped("one two three\nfour", width)),
            ["one two", "three", "four"]
        );
        assert_eq!(texts(&set.wrapped("a  b", 1000.0)), ["a  b"]);
        let torn = set.wrapped("wwwwwwwwww", set.width("wwww"));
        assert_eq!(texts(&torn), ["wwww", "wwww", "ww"]);
        assert!(torn.iter().all(|line| line.width <= width * 2.0));
        assert_eq!(texts(&set.wrapped("", 10.0)), [""]);
    }

    #[test]
    fn nothing_is_wider_than_its_box() {
        let fonts = Fonts::system();
        let set = set(&fonts);
        for text in [
            "il était une fois  dans un pays   lointain",
            "x yyyyyyyyyyyyyyyyyyyyyyy z",
        ] {
            for line in set.wrapped(text, 90.0) {
                assert!(set.width(line.text.trim_end()) <= 91.0, "{line:?}");
            }
        }
    }

    #[test]
    fn no_text_is_too_long() {
        let fonts = Fonts::system();
        let long = "\n".repeat(1_000_000);
        assert_eq!(set(&fonts).lines(&long).len(), MOST_LINES);
        assert_eq!(set(&fonts).wrapped(&long, 10.0).len(), MOST_LINES);
    }
}
