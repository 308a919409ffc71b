//! `shapes.svg` of 2.0 and later: one image per showing, and its canvas where there is one.

use std::fmt::Write;

use super::markup::{ascii, number, seconds};
use super::story::{Colour, Figure, Point, Shown, Story};
use super::whiteboard::{Version, on_showing, versions};
use super::{Generation, Recording};

/// Share of the page that a poll's result takes: left, top, width, height.
pub(super) const POLL_BOX: (f64, f64, f64, f64) = (0.66, 0.8668, 0.34, 0.1332);

const HEAD: &str = "<?xml version=\"1.0\"?>\n\
<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">\n";

/// Pixel size of a slide's picture: the longest side is 1600; SVG slides keep the PDF's points.
pub(super) fn slide_size(generation: Generation, points: (f64, f64)) -> (f64, f64) {
    if generation.is_tldraw() {
        return points;
    }
    let scale = if generation.is_flash() {
        (1600.0 / points.0).min(1200.0 / points.1)
    } else {
        1600.0 / points.0.max(points.1)
    };
    ((points.0 * scale).round(), (points.1 * scale).round())
}

/// Path of a slide's picture relative to the recording.
pub(super) fn slide_href(generation: Generation, presentation: &str, page: usize) -> String {
    if generation.is_tldraw() {
        format!("presentation/{presentation}/svgs/slide{}.svg", page + 1)
    } else {
        format!("presentation/{presentation}/slide-{}.png", page + 1)
    }
}

/// `shapes.svg` in the form of `generation`.
pub(super) fn shapes_svg(
    recording: &Recording,
    story: &Story,
    generation: Generation,
    presentation: &str,
) -> String {
    if generation.is_flash() {
        return super::flash::shapes_svg(recording, story, generation, presentation, HEAD);
    }
    let versions = versions(story);
    let mut out = String::from(HEAD);
    out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" id=\"svgfile\" style=\"position:absolute;height:600px;width:800px\" version=\"1.1\" viewBox=\"0 0 800 600\">\n");
    for (k, showing) in story.showings.iter().enumerate() {
        let id = k + 1;
        let last = k + 1 == story.showings.len();
        let to = if last {
            recording.after_the_end()
        } else {
            showing.to
        };
        let (href, size, text) = match showing.shown {
            Shown::Share => (
                "presentation/deskshare.png".to_owned(),
                (1280.0, 720.0),
                String::new(),
            ),
            Shown::Page(page) => (
                slide_href(generation, presentation, page),
                slide_size(generation, story.pages[page].size),
                format!(
                    " text=\"presentation/{presentation}/textfiles/slide-{}.txt\"",
                    page + 1
                ),
            ),
        };
        let _ = writeln!(
            out,
            "  <image id=\"image{id}\" class=\"slide\" in=\"{}\" out=\"{}\" xlink:href=\"{href}\" width=\"{}\" height=\"{}\" x=\"0\" y=\"0\" style=\"visibility:hidden\"{text}/>",
            seconds(showing.from),
            seconds(to),
            size.0,
            size.1
        );
        let shapes = on_showing(story, &versions, k);
        if generation.is_tldraw() || shapes.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "  <g class=\"canvas\" id=\"canvas{id}\" image=\"image{id}\" display=\"none\">"
        );
        for version in shapes {
            shape(&mut out, version, id, size, generation, presentation);
        }
        out.push_str("  </g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn shape(
    out: &mut String,
    version: &Version<'_>,
    image: usize,
    size: (f64, f64),
    generation: Generation,
    presentation: &str,
) {
    let colour = version.drawing.colour;
    let pixel = |p: &Point| (p.0 * size.0, p.1 * size.1);
    let (kind, style, body) = match version.figure {
        Figure::Pencil(points) if points.len() < 2 => {
            let (x, y) = pixel(&points[0]);
            let body = format!("<circle cx=\"{}\" cy=\"{}\" r=\"4.0\"/>", px(x), px(y));
            (
                "pencil",
                format!("stroke:none;fill:{};visibility:hidden", colour.hex()),
                body,
            )
        }
        Figure::Pencil(points) => {
            let points: Vec<_> = points.iter().map(pixel).collect();
            let body = format!("<path d=\"{}\"/>", stroke(&points, version.is_last));
            (
                "pencil",
                format!(
                    "stroke:{};stroke-linecap:round;stroke-linejoin:round;stroke-width:8.0;visibility:hidden;fill:none",
                    colour.hex()
                ),
                body,
            )
        }
        Figure::Line(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            let body = format!(
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
                px(x1),
                px(y1),
                px(x2),
                px(y2)
            );
            ("line", outline(colour, ";stroke-linecap:butt"), body)
        }
        Figure::Rectangle(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            let body = polygon(&[(x1, y1), (x2, y1), (x2, y2), (x1, y2)]);
            ("rect", outline(colour, ";stroke-linejoin:miter"), body)
        }
        Figure::Triangle(a, b) => {
            let ((x1, y1), (x2, y2)) = (pixel(a), pixel(b));
            let body = polygon(&[((x1 + x2) / 2.0, y1), (x2, y2), (x1, y2)]);
            (
                "triangle",
                outline(colour, ";stroke-linejoin:miter;stroke-miterlimit:8"),
                body,
            )
        }
        Figure::Ellipse(a, b) => (
            "ellipse",
            outline(colour, ""),
            format!("<path d=\"{}\"/>", arcs(pixel(a), pixel(b), ' ')),
        ),
        Figure::Text {
            at,
            size: extent,
            text,
        } => {
            let ((x, y), (w, h)) = (pixel(at), pixel(extent));
            let paragraph = if text.is_empty() {
                "/>".to_owned()
            } else {
                format!(">{}</p>", broken_lines(text, "<br/>"))
            };
            let body = format!(
                "<switch>\n        <foreignObject width=\"{}\" height=\"{}\" x=\"{}\" y=\"{}\">\n          <p xmlns=\"http://www.w3.org/1999/xhtml\" style=\"margin:0;padding:0\"{paragraph}\n        </foreignObject>\n      </switch>",
                px(w),
                px(h),
                px(x),
                px(y)
            );
            (
                "text",
                format!(
                    "color:{};word-wrap:break-word;visibility:hidden;font-family:Arial;font-size:54.0px",
                    colour.hex()
                ),
                body,
            )
        }
        Figure::Poll => {
            let href = format!(
                "presentation/{presentation}/poll_result{}.svg",
                version.shape
            );
            (
                "poll",
                "visibility:hidden".to_owned(),
                poll(size, generation, &href),
            )
        }
    };
    let _ = writeln!(
        out,
        "    <g id=\"image{image}-draw{}\" class=\"shape\" timestamp=\"{}\" undo=\"{}\" shape=\"image{image}-{kind}{}\" style=\"{style}\">\n      {body}\n    </g>",
        version.event + 1,
        seconds(version.at),
        undo(version.drawing.undo),
        version.shape,
    );
}

/// A text's lines, `separator` between them.
pub(super) fn broken_lines(text: &str, separator: &str) -> String {
    text.split('\n')
        .map(ascii)
        .collect::<Vec<_>>()
        .join(separator)
}

/// The value of an `undo` attribute.
pub(super) fn undo(at: Option<f64>) -> String {
    at.map_or_else(|| "-1".to_owned(), seconds)
}

/// A pixel coordinate.
pub(super) fn px(value: f64) -> String {
    number(value, 2)
}

/// An ellipse as BigBlueButton draws it: four arcs, `separator` between two coordinates.
pub(super) fn arcs(from: (f64, f64), to: (f64, f64), separator: char) -> String {
    let (rx, ry) = ((to.0 - from.0).abs() / 2.0, (to.1 - from.1).abs() / 2.0);
    let (cx, cy) = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
    let pair = |x: f64, y: f64| format!("{}{separator}{}", px(x), px(y));
    let mut path = format!("M{}", pair(cx - rx, cy));
    for (x, y) in [(cx, cy - ry), (cx + rx, cy), (cx, cy + ry), (cx - rx, cy)] {
        let _ = write!(path, "A{} 0 0 1 {}", pair(rx, ry), pair(x, y));
    }
    path.push('Z');
    path
}

/// The elements of a poll's result; sideways before 2.3, whose scripts turned a PDF into it.
pub(super) fn poll(size: (f64, f64), generation: Generation, href: &str) -> String {
    let (left, top, width, height) = POLL_BOX;
    let (x, y, w, h) = (left * size.0, top * size.1, width * size.0, height * size.1);
    if generation >= Generation::V2_4 {
        return format!(
            "<image width=\"{}\" height=\"{}\" x=\"{}\" y=\"{}\" xlink:href=\"{href}\"/>",
            px(w),
            px(h),
            px(x),
            px(y)
        );
    }
    let right = size.0;
    format!(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"white\" stroke=\"black\" stroke-width=\"4\"/>\n      <image height=\"{}\" width=\"{}\" x=\"{right}\" y=\"{}\" transform=\"rotate(90, {right}, {})\" xlink:href=\"{href}\"/>",
        px(x + 2.0),
        px(y + 2.0),
        px(w - 4.0),
        px(h - 4.0),
        px(w),
        px(h),
        px(y),
        px(y)
    )
}

fn outline(colour: Colour, more: &str) -> String {
    format!(
        "stroke:{};stroke-width:8.0;visibility:hidden;fill:none{more}",
        colour.hex()
    )
}

fn polygon(points: &[(f64, f64)]) -> String {
    let corners: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{} {}", px(*x), px(*y)))
        .collect();
    format!("<path d=\"M{}Z\"/>", corners.join("L"))
}

/// A pencil's path: straight while it is drawn, smooth curves once it is done.
fn stroke(points: &[(f64, f64)], smooth: bool) -> String {
    let (x, y) = points[0];
    let mut path = format!("M{} {}", px(x), px(y));
    for k in 1..points.len() {
        let (x, y) = points[k];
        if !smooth {
            let _ = write!(path, "L{} {}", px(x), px(y));
            continue;
        }
        let (before, from) = (points[k.saturating_sub(2)], points[k - 1]);
        let after = points[(k + 1).min(points.len() - 1)];
        let c1 = (from.0 + (x - before.0) / 6.0, from.1 + (y - before.1) / 6.0);
        let c2 = (x - (after.0 - from.0) / 6.0, y - (after.1 - from.1) / 6.0);
        let _ = write!(
            path,
            "C{} {},{} {},{} {}",
            px(c1.0),
            px(c1.1),
            px(c2.0),
            px(c2.1),
            px(x),
            px(y)
        );
    }
    path
}
