//! The picture for times in which there is nothing to see: the recording's name and date.

use std::sync::Arc;

use recording::metadata::Metadata;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use crate::fonts::Fonts;
use crate::geometry::{Rgb, Size};
use crate::source::Source;

const LETTERS_IN_A_LINE: usize = 36;
const MOST_LINES: usize = 4;

/// The card as RGBA, row by row; plain background when nothing is known of the recording.
pub(crate) fn draw(source: &Source, size: Size, background: Rgb, fonts: &Fonts) -> Vec<u8> {
    let metadata = source
        .resolve("metadata.xml")
        .ok()
        .and_then(|path| Metadata::read(&path).ok());
    let title = metadata
        .as_ref()
        .and_then(Metadata::title)
        .unwrap_or_default();
    let date = metadata
        .as_ref()
        .and_then(|m| m.start)
        .map(|start| start.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default();
    let options = usvg::Options {
        fontdb: Arc::clone(&fonts.database()),
        ..usvg::Options::default()
    };
    let Some(mut canvas) = Pixmap::new(size.width, size.height) else {
        return Vec::new();
    };
    if let Ok(tree) = usvg::Tree::from_str(&svg(size, background, title, &date), &options) {
        resvg::render(&tree, Transform::identity(), &mut canvas.as_mut());
    }
    canvas.take()
}

fn svg(size: Size, Rgb(r, g, b): Rgb, title: &str, date: &str) -> String {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let letter = (width / 24.0).min(height / 12.0);
    let lines = lines(title);
    let middle = width / 2.0;
    let first = height / 2.0 - letter * 0.7 * (lines.len() as f64 - 1.0);
    // Dark letters on light ground, and the other way round.
    let ink = if u32::from(r) + u32::from(g) + u32::from(b) > 384 {
        "#1f2937"
    } else {
        "#f3f6f9"
    };
    let mut texts = String::new();
    let mut text = |y: f64, size: f64, line: &str| {
        texts.push_str(&format!(
            "<text x=\"{middle}\" y=\"{y}\" font-size=\"{size}\">{}</text>",
            escaped(line)
        ));
    };
    for (n, line) in lines.iter().enumerate() {
        text(first + letter * 1.4 * n as f64, letter, line);
    }
    let below = first + letter * 1.4 * lines.len() as f64;
    text(below + letter * 0.3, letter * 0.5, date);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\
         <rect width=\"100%\" height=\"100%\" fill=\"rgb({r},{g},{b})\"/>\
         <g fill=\"{ink}\" text-anchor=\"middle\" font-family=\"Liberation Sans, Arial, sans-serif\">\
         {texts}</g></svg>"
    )
}

/// Breaks a title between words, and cuts what does not fit on the card.
fn lines(title: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in title.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < LETTERS_IN_A_LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.chars().take(LETTERS_IN_A_LINE).collect()),
        }
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        if let Some(line) = lines.last_mut() {
            line.push('…');
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .map(|letter| match letter {
            '&' => "&amp;".to_string(),
            '<' => "&lt;".to_string(),
            '>' => "&gt;".to_string(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 320,
        height: 180,
    };

    #[test]
    fn titles_are_broken_between_words_and_cut() {
        assert_eq!(lines("Algebra  I"), ["Algebra I"]);
        assert_eq!(lines(""), [""; 0]);
        let long = lines(&"Einführung in die Wahrscheinlichkeitstheorie ".repeat(9));
        assert_eq!(long.len(), MOST_LINES);
        assert!(long[3].ends_with('…'));
    }

    #[test]
    fn any_title_gives_a_card() {
        for title in ["Algebra", "<b>&\u{1}\u{202e}", "日本語 🎓", ""] {
            let source = svg(SIZE, Rgb::PLAYER, title, "2024-01-01");
            assert!(
                usvg::Tree::from_str(&source, &usvg::Options::default()).is_ok(),
                "{source}"
            );
        }
    }

    #[test]
    fn ink_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("metadata.xml"),
            "<recording><id>a</id><meeting name=\"Algebra I\"/></recording>",
        )
        .unwrap();
        let source = Source::open(dir.path()).unwrap();
        let card = draw(&source, SIZE, Rgb::PLAYER, &Fonts::system());
        assert_eq!(card.len(), 320 * 180 * 4);
        assert_eq!(card[..4], [243, 246, 249, 255]);
        let dark = card.chunks_exact(4).filter(|pixel| pixel[0] < 100).count();
        assert!(dark > 100, "{dark} dark pixels");
    }
}
