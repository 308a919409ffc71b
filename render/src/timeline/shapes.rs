//! `shapes.svg`: the slides of every generation, and the drawn shapes of BBB 0.9 to 2.5.
//!
//! An `<image>` is a slide with the times it is shown at; a `<g class="canvas">` holds the
//! versions of the shapes drawn on one image. From BBB 2.0 on there is one image per showing, and
//! a shape's number is part of its `shape` attribute (`image2-rect4`). Before, one image lists all
//! its showings in `in` and `out`, and the numbers (`line1`) are counted anew for each type and
//! collide, so that only a run of equal ones is one shape.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use super::canvas::{Draft, Place, Ties};
use super::xml::{Node, Tag, walk};
use super::{Showing, seconds};
use crate::time::Millis;
use crate::warning::Warnings;

/// How long the text of one version of a shape may be, in bytes.
pub(super) const LONGEST_SHAPE: u64 = 4 << 20;

/// How many versions of shapes a recording may have; a lecture of four hours has 20,000.
pub(super) const MOST_VERSIONS: usize = 200_000;

/// What `shapes.svg` says.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// In the order of the file.
    pub(super) showings: Vec<Showing>,
    /// By the `id` of the image they are drawn on.
    pub(super) drafts: HashMap<String, Vec<Draft>>,
}

/// Reads as much of `shapes.svg` as can be read.
pub(super) fn read(file: impl BufRead, warnings: &Warnings) -> Shapes {
    let mut reading = Reading {
        warnings,
        shapes: Shapes::default(),
        depth: 0,
        canvas: None,
        shape: None,
        numbers: HashMap::new(),
        versions: 0,
    };
    if let Err(why) = walk(file, |node| reading.visit(node)) {
        reading.warn("rest of the slides and shapes skipped", why);
    }
    reading.shapes
}

struct Reading<'a> {
    warnings: &'a Warnings,
    shapes: Shapes,
    depth: u32,
    /// The depth of the open canvas, and the image it belongs to.
    canvas: Option<(u32, String)>,
    shape: Option<OpenShape>,
    numbers: HashMap<String, Numbers>,
    versions: usize,
}

/// A `<g class="shape">` whose end has not come yet.
struct OpenShape {
    depth: u32,
    start: u64,
    at: Millis,
    undo: Option<Millis>,
    name: String,
    says_fill: bool,
    first_child: Option<String>,
}

/// How the shapes of one canvas are told apart.
#[derive(Default)]
struct Numbers {
    by_name: HashMap<String, u32>,
    last_run: Option<(String, bool)>,
    next: u32,
}

impl Reading<'_> {
    fn visit(&mut self, node: Node<'_>) {
        match node {
            Node::Open { tag, start } => {
                self.depth += 1;
                self.open(&tag, start);
            }
            Node::Close { end } => {
                self.close(end);
                self.depth = self.depth.saturating_sub(1);
            }
            Node::Text(_) => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>, start: u64) {
        if let Some(shape) = &mut self.shape {
            if shape.first_child.is_none() {
                shape.first_child = Some(tag.name().to_owned());
            }
            return;
        }
        match (tag.name(), tag.get("class").as_deref()) {
            ("image", _) if self.canvas.is_none() => self.image(tag),
            ("g", Some("canvas")) => {
                self.canvas = tag.get("image").map(|image| (self.depth, image));
            }
            ("g", Some("shape")) if self.canvas.is_some() => self.shape = self.begun(tag, start),
            _ => {}
        }
    }

    fn close(&mut self, end: u64) {
        if self
            .shape
            .as_ref()
            .is_some_and(|shape| shape.depth == self.depth)
        {
            if let Some(shape) = self.shape.take() {
                self.finished(shape, end);
            }
        } else if self
            .canvas
            .as_ref()
            .is_some_and(|(depth, _)| *depth == self.depth)
        {
            self.canvas = None;
        }
    }

    fn image(&mut self, tag: &Tag<'_>) {
        let id = tag.get("id").unwrap_or_default();
        let Some(href) = tag.get("href") else {
            // The `image0` of 0.9 and 1.x, a blank of no duration, is the only one without.
            return;
        };
        let size = |name| {
            tag.number(name)
                .filter(|side| (1.0..=100_000.0).contains(side))
        };
        let (Some(width), Some(height)) = (size("width"), size("height")) else {
            self.warn(
                "slide skipped",
                format!("{id} has no usable width and height"),
            );
            return;
        };
        let times = tag.get("in").unwrap_or_default();
        let mut shown = false;
        for at in times.split_ascii_whitespace().filter_map(seconds) {
            shown = true;
            let (id, href) = (id.clone(), href.clone());
            self.shapes.showings.push(Showing {
                at,
                id,
                href: Some(href),
                width,
                height,
                canvas: None,
            });
        }
        if !shown {
            self.warn(
                "slide skipped",
                format!("{id} has no time at which it is shown"),
            );
        }
    }

    fn begun(&self, tag: &Tag<'_>, start: u64) -> Option<OpenShape> {
        let Some(at) = tag.get("timestamp").as_deref().and_then(seconds) else {
            self.warn("shape skipped", "its timestamp is no time".into());
            return None;
        };
        Some(OpenShape {
            depth: self.depth,
            start,
            at,
            undo: tag
                .number("undo")
                .filter(|&undo| undo >= 0.0)
                .and_then(Millis::from_seconds),
            name: tag.get("shape").unwrap_or_default(),
            says_fill: tag.get("style").is_some_and(|style| style.contains("fill")),
            first_child: None,
        })
    }

    fn finished(&mut self, shape: OpenShape, end: u64) {
        let length = end.saturating_sub(shape.start);
        if length > LONGEST_SHAPE {
            self.warn(
                "shape skipped",
                format!("longer than {LONGEST_SHAPE} bytes"),
            );
            return;
        }
        self.versions += 1;
        if self.versions > MOST_VERSIONS {
            self.warn(
                "shape skipped",
                format!("more than {MOST_VERSIONS} versions of shapes"),
            );
            return;
        }
        let Some((_, image)) = &self.canvas else {
            return;
        };
        let number = self.numbers.entry(image.clone()).or_default().of(&shape);
        self.shapes
            .drafts
            .entry(image.clone())
            .or_default()
            .push(Draft {
                at: shape.at,
                undo: shape.undo,
                place: Place {
                    start: shape.start,
                    length: u32::try_from(length).unwrap_or(0),
                },
                shape: number,
                ties: Ties::default(),
                rank: 0,
            });
    }

    fn warn(&self, what: &str, why: String) {
        self.warnings.add(what, Some(Path::new("shapes.svg")), why);
    }
}

impl Numbers {
    fn of(&mut self, shape: &OpenShape) -> u32 {
        let fresh = self.next;
        if shape.name.starts_with("image") {
            let number = *self.by_name.entry(shape.name.clone()).or_insert(fresh);
            self.next += u32::from(number == fresh);
            return number;
        }
        // In 0.9 and 1.x pencil strokes and straight lines are both called `lineN`. A stroke is
        // a polyline (1.x), or lines whose style does not speak of filling (0.9).
        let pencil = shape.name.starts_with("line")
            && (shape.first_child.as_deref() == Some("polyline") || !shape.says_fill);
        let run = Some((shape.name.clone(), pencil));
        self.next += u32::from(self.last_run != run || self.next == 0);
        self.last_run = run;
        self.next - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Shapes, Warnings) {
        let warnings = Warnings::default();
        let shapes = read(text.as_bytes(), &warnings);
        (shapes, warnings)
    }

    fn shape(name: &str, at: &str, undo: &str, style: &str, inner: &str) -> String {
        format!(
            r#"<g class="shape" id="x" timestamp="{at}" undo="{undo}" shape="{name}" style="{style}">{inner}</g>"#
        )
    }

    fn canvas(shapes: &[String]) -> String {
        format!(
            r#"<svg><g class="canvas" image="image1">{}</g></svg>"#,
            shapes.concat()
        )
    }

    #[test]
    fn places_are_those_of_the_elements() {
        let one = shape("image1-rect1", "1.0", "-1", "", "<path d='M0 0'/>");
        let two = shape("image1-rect2", "2.0", "3.5", "", "<g><g/></g>\n");
        let text = canvas(&[one.clone(), "\n  ".into(), two.clone()]);
        let (shapes, warnings) = read_text(&text);
        let cut: Vec<&str> = shapes.drafts["image1"]
            .iter()
            .map(|d| &text[d.place.start as usize..][..d.place.length as usize])
            .collect();
        assert_eq!(cut, [one, two]);
        assert_eq!(shapes.drafts["image1"][1].undo, Some(Millis(3500)));
        assert_eq!(warnings.list(), []);
    }

    #[test]
    fn one_image_of_old_recordings_is_shown_several_times() {
        let (shapes, _) = read_text(
            r#"<svg><image id="image0" in="0" out="0.0" src="logo.png" width="800"/>
            <image id="image2" in="2.1 35.0 68.0" out="25.0 37.0 112.0" xlink:href="a.png" width="1600" height="1200"/></svg>"#,
        );
        let times: Vec<u64> = shapes.showings.iter().map(|s| s.at.0).collect();
        assert_eq!(times, [2100, 35000, 68000]);
    }

    #[test]
    fn old_numbers_are_runs_and_pencils_are_not_lines() {
        let pencil09 = "stroke-linecap: round; ";
        let line = "stroke:#f00;fill:none";
        let text = canvas(&[
            shape("line1", "1", "-1", pencil09, "<line/><line/>"),
            shape("line1", "2", "-1", line, "<line/>"),
            shape("line1", "3", "-1", line, "<line/>"),
            shape("rect1", "4", "-1", line, "<rect/>"),
            shape("line1", "5", "-1", line, "<line/>"),
            shape("line1", "6", "-1", line, "<polyline/>"),
            shape("ellipse1", "7", "-1", line, "<ellipse/>"),
            shape("ellipse1", "8", "-1", line, "<circle/>"),
        ]);
        let (shapes, _) = read_text(&text);
        let numbers: Vec<u32> = shapes.drafts["image1"].iter().map(|d| d.shape).collect();
        assert_eq!(numbers, [0, 1, 1, 2, 3, 4, 5, 5]);
    }

    #[test]
    fn new_numbers_are_names() {
        let text = canvas(&[
            shape("image1-pencil1", "1", "-1", "", "<path/>"),
            shape("image1-pencil2", "2", "-1", "", "<path/>"),
            shape("image1-pencil1", "3", "-1", "", "<path/>"),
        ]);
        let (shapes, _) = read_text(&text);
        let numbers: Vec<u32> = shapes.drafts["image1"].iter().map(|d| d.shape).collect();
        assert_eq!(numbers, [0, 1, 0]);
    }

    #[test]
    fn a_broken_file_gives_what_can_be_read() {
        let good = shape("image1-rect1", "1.0", "-1", "", "<path/>");
        let nan = shape("image1-rect2", "NaN", "abc", "", "<path/>");
        let text = canvas(&[good, nan]);
        let (shapes, warnings) = read_text(&text[..text.len() - 8]);
        assert_eq!(shapes.drafts["image1"].len(), 1);
        let what: Vec<String> = warnings.list().into_iter().map(|w| w.what).collect();
        assert_eq!(
            what,
            ["shape skipped", "rest of the slides and shapes skipped"]
        );
    }

    #[test]
    fn entities_of_a_document_type_are_not_followed() {
        let (shapes, _) = read_text(
            r#"<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>
            <image id="image1" in="0.0" out="2.0" xlink:href="a.png" width="4" height="3" data-x="&a;"/></svg>"#,
        );
        assert_eq!(shapes.showings.len(), 1);
    }
}
