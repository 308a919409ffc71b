//! The picture for times in which there is nothing to see: the recording's name and date, and the
//! shape of its sound, in which what has been heard is darker.

use std::sync::Arc;

use recording::metadata::Metadata;

use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::raster::svg_options;
use crate::source::Source;
use crate::text::{self, Align, Type};

const MOST_LINES: usize = 4;
/// How much of the card's width title and sound may take.
const WIDEST: f64 = 0.84;

/// A card, before and after the sound has been heard.
#[derive(Debug)]
pub(crate) struct Card {
    /// RGBA, row by row.
    pub(crate) plain: Vec<u8>,
    /// The same when all has been heard, and where in it the bars are.
    pub(crate) heard: Option<(Vec<u8>, Rect)>,
}

/// How many bars the sound of a card of this size has.
pub(crate) fn bars(size: Size) -> usize {
    // At most a few hundred.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bars = (f64::from(size.width) * WIDEST / bar_width(size)) as usize;
    bars.max(1)
}

fn bar_width(size: Size) -> f64 {
    (f64::from(size.width) / 256.0).max(2.0)
}

/// Draws a card; plain background when nothing is known of the recording.
pub(crate) fn draw(
    source: &Source,
    size: Size,
    background: Rgb,
    fonts: &Arc<Fonts>,
    sound: &[f32],
) -> Card {
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
    let options = svg_options(fonts);
    let drawn = |heard: bool| {
        let svg = svg(size, background, title, &date, fonts, (sound, heard));
        text::picture(&svg, size, &options).map(|picture| picture.take())
    };
    let plain = drawn(false).unwrap_or_default();
    let heard = if sound.is_empty() { None } else { drawn(true) };
    Card {
        plain,
        heard: heard.and_then(|pixels| Some((pixels, bars_area(size)?))),
    }
}

fn bars_area(size: Size) -> Option<Rect> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let left = width * (1.0 - WIDEST) / 2.0;
    Rect::touched(left, height * 0.62, width - left, height * 0.88, size)
}

fn svg(
    size: Size,
    Rgb(r, g, b): Rgb,
    title: &str,
    date: &str,
    fonts: &Fonts,
    (sound, heard): (&[f32], bool),
) -> String {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let letter = (width / 24.0).min(height / 12.0);
    // Dark letters on light ground, and the other way round.
    let light = u32::from(r) + u32::from(g) + u32::from(b) > 384;
    let (ink, faint) = if light {
        ("#1f2937", "#b6c0cb")
    } else {
        ("#f3f6f9", "#5b6673")
    };
    let mut svg = format!(r#"<rect width="100%" height="100%" fill="rgb({r},{g},{b})"/>"#);
    let set = |size| Type {
        fonts,
        size,
        bold: false,
        fill: ink,
    };
    let (large, small) = (set(letter), set(letter * 0.5));
    let words: Vec<&str> = title.split_whitespace().collect();
    let lines = large.lines(&words.join(" "), width * WIDEST, MOST_LINES);
    let middle = if sound.is_empty() { 0.5 } else { 0.34 };
    let tall = large.height(lines.len()) + small.height(2);
    let top = height * middle - tall / 2.0;
    large.draw(&mut svg, &lines, (0.0, top, width), Align::Middle);
    let below = top + large.height(lines.len()) + small.height(1) * 0.5;
    small.draw(
        &mut svg,
        &[date.to_string()],
        (0.0, below, width),
        Align::Middle,
    );
    if let (Some(area), false) = (bars_area(size), sound.is_empty()) {
        let one = f64::from(area.width) / sound.len() as f64;
        let (centre, reach) = (
            f64::from(area.y) + f64::from(area.height) / 2.0,
            f64::from(area.height) / 2.0,
        );
        svg.push_str(&format!(
            r#"<path fill="{}" d=""#,
            if heard { ink } else { faint }
        ));
        for (n, &loud) in sound.iter().enumerate() {
            let x = f64::from(area.x) + one * n as f64;
            // Soft speech is to be seen beside loud.
            let half = (f64::from(loud).sqrt() * reach).max(height / 400.0);
            svg.push_str(&format!(
                "M{x:.2} {:.2}h{:.2}v{:.2}h-{:.2}z",
                centre - half,
                one * 0.7,
                2.0 * half,
                one * 0.7
            ));
        }
        svg.push_str(r#""/>"#);
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 320,
        height: 180,
    };

    fn card(title: &str, sound: &[f32]) -> Card {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("metadata.xml"),
            format!("<recording><id>a</id><meeting name=\"{title}\"/></recording>"),
        )
        .unwrap();
        let source = Source::open(dir.path()).unwrap();
        draw(
            &source,
            SIZE,
            Rgb::PLAYER,
            &Arc::new(Fonts::system()),
            sound,
        )
    }

    fn dark(pixels: &[u8]) -> usize {
        pixels
            .chunks_exact(4)
            .filter(|pixel| pixel[0] < 100)
            .count()
    }

    #[test]
    fn titles_are_seen() {
        let card = card("Algebra I", &[]);
        assert_eq!(card.plain.len(), 320 * 180 * 4);
        assert_eq!(card.plain[..4], [243, 246, 249, 255]);
        assert!(dark(&card.plain) > 100, "{} dark pixels", dark(&card.plain));
        assert!(card.heard.is_none());
    }

    #[test]
    fn any_title_gives_a_card() {
        for title in [
            "&lt;b&gt;&amp;\u{202e}",
            "日本語 🎓",
            "",
            &"mot ".repeat(5_000),
        ] {
            assert_eq!(card(title, &[]).plain.len(), 320 * 180 * 4, "{title}");
        }
    }

    #[test]
    fn what_was_heard_is_darker_and_only_there() {
        let sound: Vec<f32> = (0..bars(SIZE)).map(|n| (n % 2) as f32).collect();
        let card = card("Algebra I", &sound);
        let (heard, area) = card.heard.unwrap();
        assert!(dark(&heard) > dark(&card.plain) + 1000);
        let differ = card.plain.chunks_exact(4).zip(heard.chunks_exact(4));
        for (n, _) in differ.enumerate().filter(|(_, (a, b))| a != b) {
            let (x, y) = (n as u32 % 320, n as u32 / 320);
            assert!(x >= area.x && x < area.right() && y >= area.y && y < area.bottom());
        }
    }
}
