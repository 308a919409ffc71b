//! The column of the chat: the latest messages from the bottom up, drawn anew when one comes or
//! goes.

use std::collections::HashMap;
use std::sync::Arc;

use resvg::usvg;

use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::raster::svg_options;
use crate::text::{self, Align, Type};
use crate::time::Millis;
use crate::timeline::Message;

/// Size of the letters in parts of the column's width.
const LETTERS: f64 = 1.0 / 22.0;
const MOST_LINES: usize = 40;

/// The chat's part of the frame.
pub(crate) struct Panel {
    messages: Arc<Vec<Message>>,
    fonts: Arc<Fonts>,
    options: usvg::Options<'static>,
    area: Rect,
    background: Rgb,
    /// RGBA, row by row.
    canvas: Vec<u8>,
    /// The messages that are seen, the latest first, with their pictures.
    shown: Vec<usize>,
    pictures: HashMap<usize, Picture>,
    fresh: bool,
}

/// One message as RGBA of the column's width.
struct Picture {
    height: u32,
    pixels: Vec<u8>,
}

impl Panel {
    /// A column that shows nothing yet.
    pub(crate) fn new(
        messages: Arc<Vec<Message>>,
        fonts: Arc<Fonts>,
        area: Rect,
        background: Rgb,
    ) -> Panel {
        Panel {
            messages,
            options: svg_options(&fonts),
            fonts,
            area,
            background,
            canvas: vec![0; area.area() as usize * 4],
            shown: Vec::new(),
            pictures: HashMap::new(),
            fresh: true,
        }
    }

    /// Where it lies in the frame.
    pub(crate) fn area(&self) -> Rect {
        self.area
    }

    /// RGBA, row by row.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.canvas
    }

    /// Shows the chat as it is at an instant; `true` when it looks different now.
    pub(crate) fn bring_to(&mut self, t: Millis) -> bool {
        let messages = Arc::clone(&self.messages);
        let come = messages.partition_point(|message| message.at <= t);
        let there = messages[..come]
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, message)| message.until.is_none_or(|until| t < until));
        let gap = self.gap();
        let mut shown = Vec::new();
        let mut height = 0;
        for (n, message) in there {
            let picture = match self.pictures.remove(&n) {
                Some(picture) => picture,
                None => self.draw(message),
            };
            height += picture.height + gap;
            self.pictures.insert(n, picture);
            shown.push(n);
            if height >= self.area.height {
                break;
            }
        }
        if shown == self.shown && !self.fresh {
            return false;
        }
        self.pictures.retain(|n, _| shown.contains(n));
        self.shown = shown;
        self.fresh = false;
        self.compose();
        true
    }

    fn gap(&self) -> u32 {
        (self.area.width / 40).max(2)
    }

    fn compose(&mut self) {
        let Rgb(r, g, b) = self.background;
        for pixel in self.canvas.chunks_exact_mut(4) {
            pixel.copy_from_slice(&[r, g, b, 255]);
        }
        let row = self.area.width as usize * 4;
        let mut bottom = self.area.height.saturating_sub(self.gap());
        for picture in self.shown.iter().filter_map(|n| self.pictures.get(n)) {
            // What does not fit is cut off at the top.
            let seen = picture.height.min(bottom);
            let to = (bottom - seen) as usize * row;
            let from = (picture.height - seen) as usize * row;
            let length = seen as usize * row;
            if let (Some(to), Some(from)) = (
                self.canvas.get_mut(to..to + length),
                picture.pixels.get(from..from + length),
            ) {
                to.copy_from_slice(from);
            }
            bottom = bottom.saturating_sub(picture.height + self.gap());
        }
    }

    /// A bubble with who wrote it and what.
    fn draw(&self, message: &Message) -> Picture {
        let width = f64::from(self.area.width);
        let size = (width * LETTERS).max(6.0);
        let set = |bold, fill, size| Type {
            fonts: &self.fonts,
            size,
            bold,
            fill,
        };
        let name = set(true, "#4e5a66", size * 0.85);
        let said = set(false, "#06172a", size);
        let (margin, padding) = (f64::from(self.gap()), size * 0.5);
        let inside = (width - 2.0 * (margin + padding)).max(1.0);
        let by: Vec<String> = if message.name.is_empty() {
            Vec::new()
        } else {
            name.lines(&message.name, inside, 1)
        };
        let lines = said.lines(&message.text, inside, MOST_LINES);
        let height = 2.0 * padding + name.height(by.len()) + said.height(lines.len());
        let Rgb(r, g, b) = self.background;
        let mut svg = format!(
            r##"<rect width="100%" height="100%" fill="rgb({r},{g},{b})"/><rect x="{margin}" width="{:.2}" height="{height:.2}" rx="{padding:.2}" fill="#ffffff"/>"##,
            width - 2.0 * margin
        );
        let left = margin + padding;
        name.draw(&mut svg, &by, (left, padding, inside), Align::Start);
        let top = padding + name.height(by.len());
        said.draw(&mut svg, &lines, (left, top, inside), Align::Start);
        let size = Size {
            width: self.area.width,
            // At most a few thousand.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            height: height.ceil().clamp(1.0, 8192.0) as u32,
        };
        Picture {
            height: size.height,
            pixels: text::picture(&svg, size, &self.options)
                .map(|picture| picture.take())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect {
        x: 960,
        y: 240,
        width: 320,
        height: 480,
    };

    fn message(at: u64, until: Option<u64>, text: &str) -> Message {
        Message {
            at: Millis(at),
            until: until.map(Millis),
            name: "Ann".into(),
            text: text.into(),
        }
    }

    fn panel(messages: Vec<Message>) -> Panel {
        Panel::new(
            Arc::new(messages),
            Arc::new(Fonts::system()),
            AREA,
            Rgb(243, 246, 249),
        )
    }

    /// The rows in which there is anything but background.
    fn rows(panel: &Panel) -> Vec<usize> {
        let rows = panel.pixels().chunks_exact(AREA.width as usize * 4);
        rows.enumerate()
            .filter(|(_, row)| row.chunks_exact(4).any(|p| p[..3] != [243, 246, 249]))
            .map(|(y, _)| y)
            .collect()
    }

    #[test]
    fn messages_come_from_below_and_go() {
        let mut panel = panel(vec![
            message(1_000, Some(60_000), "first"),
            message(2_000, Some(60_000), "second\nand more"),
            message(70_000, None, "after"),
        ]);
        assert!(panel.bring_to(Millis(0)));
        assert_eq!(rows(&panel), [0; 0]);
        assert!(!panel.bring_to(Millis(500)));
        assert!(panel.bring_to(Millis(1_000)));
        let one = rows(&panel);
        assert!(one[0] > 400 && one.len() < 70, "{one:?}");
        assert!(panel.bring_to(Millis(2_500)));
        let two = rows(&panel);
        assert!(two.len() > 2 * one.len(), "{two:?}");
        assert!(!panel.bring_to(Millis(59_999)));
        assert!(panel.bring_to(Millis(60_000)));
        assert_eq!(rows(&panel), [0; 0]);
        assert!(panel.bring_to(Millis(75_000)));
        assert_eq!(rows(&panel), one);
        // Any instant may follow any other.
        assert!(panel.bring_to(Millis(2_500)));
        assert_eq!(rows(&panel), two);
    }

    #[test]
    fn a_flood_of_messages_costs_what_is_seen_of_it() {
        let mut flood: Vec<Message> = (0..50_000).map(|n| message(n, None, "x")).collect();
        flood.push(message(50_000, None, &"long ".repeat(2_000)));
        let mut panel = panel(flood);
        assert!(panel.bring_to(Millis(49_999)));
        assert!(panel.pictures.len() < 20, "{}", panel.pictures.len());
        assert!(panel.bring_to(Millis(50_000)));
        assert_eq!(panel.pictures.len(), 1);
    }
}
