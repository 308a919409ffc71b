//! `shapes.svg` of 0.9 and 1.1: one image per distinct slide with lists of times, shapes numbered
//! per type so that numbers collide, every pencil step a shape of its own.

use std::collections::HashMap;
use std::fmt::Write;

use super::markup::seconds;
use super::shapes::{arcs, broken_lines, poll, px, slide_href, slide_size, undo};
use super::story::{Figure, Point, Shown, Story};
use super::whiteboard::{Version, versions};
use super::{Generation, Recording};

/// `shapes.svg` of the Flash era, `head` being the XML declaration and document type.
pub(super) fn shapes_svg(
    recording: &Recording,
    story: &Story,
    generation: Generation,
    presentation: &str,
    head: &str,
) -> String {
    let class = if generation == Generation::V0_9 {
        ""
    } else {
        " class=\"slide\""
    };
    let mut out = String::from(head);
    out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" id=\"svgfile\" style=\"position:absolute; height:600px; width:800px;\" version=\"1.1\" viewBox=\"0 0 800 600\">\n");
    let _ = writeln!(
        out,
        "  <image id=\"image0\"{class} in=\"0\" out=\"0.0\" src=\"logo.png\" width=\"800\"/>"
    );
    let versions = versions(story);
    let mut numbers = Numbers::default();
    let mut event = 0;
    for (page, spec) in story.pages.iter().enumerate() {
        let times = slide_times(recording, story, page);
        if times.is_empty() {
            continue;
        }
        let list = |pick: fn(&(f64, f64)) -> f64| {
            times
                .iter()
                .map(|t| seconds(pick(t)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let id = page + 1;
        let size = slide_size(generation, spec.size);
        let _ = writeln!(
            out,
            "  <image id=\"image{id}\"{class} in=\"{}\" out=\"{}\" xlink:href=\"{}\" height=\"{}\" width=\"{}\" visibility=\"hidden\" text=\"presentation/{presentation}/textfiles/slide-{id}.txt\" x=\"0\"/>",
            list(|t| t.0),
            list(|t| t.1),
            slide_href(generation, presentation, page),
            size.1,
            size.0,
        );
        let drawn: Vec<_> = versions
            .iter()
            .filter(|v| v.drawing.page == page)
            .filter(|v| generation > Generation::V0_9 || !matches!(v.figure, Figure::Poll))
            .collect();
        if drawn.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "  <g class=\"canvas\" id=\"canvas{id}\" image=\"image{id}\" display=\"none\">"
        );
        for version in drawn {
            shape(
                &mut out,
                version,
                event,
                numbers.of(version),
                size,
                generation,
                presentation,
            );
            event += 1;
        }
        out.push_str("  </g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// When a page is shown. A share is inside the webcams, so the page before it stays.
fn slide_times(recording: &Recording, story: &Story, page: usize) -> Vec<(f64, f64)> {
    let mut times: Vec<(f64, f64)> = Vec::new();
    let mut current = None;
    for showing in &story.showings {
        if let Shown::Page(shown) = showing.shown {
            current = Some(shown);
        }
        if current != Some(page) {
            continue;
        }
        match times.last_mut() {
            Some(last) if last.1 == showing.from => last.1 = showing.to,
            _ => times.push((showing.from, showing.to)),
        }
    }
    if let Some(last) = times.last_mut()
        && last.1 >= recording.duration()
    {
        last.1 = recording.after_the_end();
    }
    times
}

/// Counters of one type each; a new first point means a new number.
#[derive(Default)]
struct Numbers {
    counters: HashMap<&'static str, usize>,
    given: HashMap<usize, usize>,
}

impl Numbers {
    fn of(&mut self, version: &Version<'_>) -> usize {
        let pencil = matches!(version.figure, Figure::Pencil(_));
        if !pencil && let Some(number) = self.given.get(&version.shape) {
            return *number;
        }
        let counter = self.counters.entry(counter(version.figure)).or_default();
        *counter += 1;
        self.given.insert(version.shape, *counter);
        *counter
    }
}

fn counter(figure: &Figure) -> &'static str {
    match figure {
        Figure::Pencil(_) => "pencil",
        other => kind(other),
    }
}

/// The word in the `shape` attribute: a pencil calls itself a line.
fn kind(figure: &Figure) -> &'static str {
    match figure {
        Figure::Pencil(_) | Figure::Line(..) => "line",
        Figure::Rectangle(..) => "rect",
        Figure::Ellipse(..) => "ellipse",
        Figure::Triangle(..) => "triangle",
        Figure::Text { .. } => "text",
        Figure::Poll => "poll_result",
    }
}

fn shape(
    out: &mut String,
    version: &Version<'_>,
    event: usize,
    number: usize,
    size: (f64, f64),
    generation: Generation,
    presentation: &str,
) {
    let old = generation == Generation::V0_9;
    let hex = version.drawing.colour.hex();
    let pixel = |p: &Point| (p.0 * size.0, p.1 * size.1);
    let joined = |points: &[(f64, f64)]| {
        points
            .iter()
            .map(|(x, y)| format!("{},{}", px(*x), px(*y)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let line = |a: (f64, f64), b: (f64, f64)| {
        format!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(a.0),
            px(a.1),
            px(b.0),
            px(b.1)
        )
    };
    let mut style = if old {
        format!("stroke:{hex}; stroke-width:3; visibility:hidden; fill:none")
    } else {
        format!(
            "stroke:{hex}; stroke-linejoin: round; stroke-width:3; visibility:hidden; fill:none"
        )
    };
    let body = match version.figure {
        Figure::Pencil(points) => {
            let points: Vec<_> = points.iter().map(pixel).collect();
            if old {
                style = format!(
                    "stroke:{hex}; stroke-width:6; visibility:hidden; stroke-linecap: round; "
                );
                let pairs: Vec<String> = points
                    .windows(2)
                    .map(|pair| line(pair[0], pair[1]))
                    .collect();
                if pairs.is_empty() {
                    line(points[0], points[0])
                } else {
                    pairs.join("\n      ")
                }
            } else {
                style = format!(
                    "stroke:{hex}; stroke-linejoin: round; stroke-linecap: round; stroke-width:6; fill: none; visibility:hidden; "
                );
                format!("<polyline points=\"{}\"/>", joined(&points))
            }
        }
        Figure::Line(a, b) => {
            if !old {
                style = format!(
                    "stroke:{hex}; stroke-linecap: round; stroke-width:3; visibility:hidden; fill:none"
                );
            }
            line(pixel(a), pixel(b))
        }
        Figure::Rectangle(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            if old {
                format!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    px(x1),
                    px(y1),
                    px(x2 - x1),
                    px(y2 - y1)
                )
            } else {
                format!(
                    "<polygon points=\"{}\"/>",
                    joined(&[(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
                )
            }
        }
        Figure::Triangle(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            let mut corners = vec![((x1 + x2) / 2.0, y1), (x1, y2), (x2, y2)];
            if old {
                corners.push(corners[0]);
                format!("<polyline points=\"{}\"/>", joined(&corners))
            } else {
                format!("<polygon points=\"{}\"/>", joined(&corners))
            }
        }
        Figure::Ellipse(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            if old {
                format!(
                    "<ellipse cx=\"{}\" cy=\"{}\" rx=\"{}\" ry=\"{}\"/>",
                    px((x1 + x2) / 2.0),
                    px((y1 + y2) / 2.0),
                    px((x2 - x1) / 2.0),
                    px((y2 - y1) / 2.0)
                )
            } else {
                format!("<path d=\"{}\"/>", arcs((x1, y1), (x2, y2), ','))
            }
        }
        Figure::Text {
            at,
            size: extent,
            text,
        } => {
            let ((x, y), (w, h)) = (pixel(at), pixel(extent));
            // 0.9 moved and enlarged text by fixed amounts to look like the Flash client's.
            let (x, y, font, paragraph) = if old {
                (x + 5.0, y - 30.0, "40.8", "")
            } else {
                (x, y, "54.0", " style=\"margin-top: 0; margin-bottom: 0;\"")
            };
            style = format!(
                "word-wrap: break-word; visibility:hidden; font-family: Arial; font-size: {font}px;"
            );
            let closing = if text.is_empty() && !old {
                "/>".to_owned()
            } else {
                format!(
                    ">{}</p>",
                    broken_lines(text, if old { "\n" } else { "<br/>" })
                )
            };
            format!(
                "<switch>\n        <foreignObject color=\"{hex}\" width=\"{}\" height=\"{}\" x=\"{}\" y=\"{}\">\n          <p xmlns=\"http://www.w3.org/1999/xhtml\"{paragraph}{closing}\n        </foreignObject>\n      </switch>",
                px(w),
                px(h),
                px(x),
                px(y)
            )
        }
        Figure::Poll => {
            let href = format!("presentation/{presentation}/poll_result{number}.svg");
            let _ = writeln!(
                out,
                "    <g class=\"shape\" id=\"draw{event}\" shape=\"poll_result{number}\" style=\"visibility:hidden\" timestamp=\"{}\" undo=\"{}\">\n      {}\n    </g>",
                seconds(version.at),
                undo(version.drawing.undo),
                poll(size, generation, &href)
            );
            return;
        }
    };
    // Only the latest version of a shape carries the time at which it was undone.
    let undone = if version.is_last {
        version.drawing.undo
    } else {
        None
    };
    let _ = writeln!(
        out,
        "    <g class=\"shape\" id=\"draw{event}\" timestamp=\"{}\" undo=\"{}\" shape=\"{}{number}\" style=\"{style}\">\n      {body}\n    </g>",
        seconds(version.at),
        undo(undone),
        kind(version.figure),
    );
}
