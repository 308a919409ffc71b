//! Shapes of `shapes.svg` (BBB 0.9 to 2.5).
//!
//! Most are plain SVG already; they are copied element by element and attribute by attribute, so
//! that nothing but what BBB writes gets through. Text is HTML inside a `<foreignObject>` and is
//! laid out here as a browser would.

use std::fmt::Write as _;

use roxmltree::{Document, Node};

use super::{Fragment, Skipped, attribute, set};
use crate::fonts::{Fonts, Wanted};

/// Beyond this no coordinate means anything on a slide of at most a few thousand pixels.
const FARTHEST: f64 = 1e6;

/// How many characters of one text are laid out.
const LONGEST_TEXT: usize = 20_000;

/// One version of a shape, from the text of its `<g class="shape">`.
///
/// # Errors
/// When there is nothing in it that can be drawn.
pub fn fragment(text: &str, fonts: &Fonts) -> Result<Fragment, Skipped> {
    let document = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{text}</svg>"#
    );
    let document = Document::parse(&document)
        .map_err(|error| Skipped::because(format!("not well-formed: {error}")))?;
    let shape = document
        .root_element()
        .first_element_child()
        .ok_or_else(|| Skipped::because("empty"))?;
    let style = Style(shape.attribute("style").unwrap_or_default());

    let mut svg = String::from("<g");
    for name in [
        "stroke",
        "fill",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-width",
        "stroke-miterlimit",
        "stroke-opacity",
        "fill-opacity",
        "opacity",
    ] {
        if let Some(value) = style.get(name).filter(|value| plain(value)) {
            attribute(&mut svg, name, value);
        }
    }
    svg.push('>');
    let before = svg.len();
    for child in shape.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "switch" => {
                for inner in child
                    .children()
                    .filter(|n| n.has_tag_name((SVG, "foreignObject")))
                {
                    text_box(&mut svg, inner, style, fonts)?;
                }
            }
            name @ ("circle" | "path" | "line" | "rect" | "ellipse" | "polyline" | "polygon"
            | "image") => {
                element(&mut svg, name, child)?;
            }
            other => {
                return Err(Skipped::because(format!(
                    "unknown element `{}`",
                    short(other)
                )));
            }
        }
    }
    if svg.len() == before {
        return Err(Skipped::because("nothing in it"));
    }
    svg.push_str("</g>");
    Ok(Fragment { svg })
}

const SVG: &str = "http://www.w3.org/2000/svg";

fn element(svg: &mut String, name: &str, node: Node<'_, '_>) -> Result<(), Skipped> {
    let _ = write!(svg, "<{name}");
    for given in node.attributes() {
        let value = given.value();
        match given.name() {
            "cx" | "cy" | "r" | "rx" | "ry" | "x" | "y" | "x1" | "y1" | "x2" | "y2" | "width"
            | "height" | "d" | "points" | "transform" | "stroke-width" => {
                if !within_reach(value) {
                    return Err(Skipped::because(format!(
                        "`{}` is beyond any slide",
                        given.name()
                    )));
                }
                attribute(svg, given.name(), value);
            }
            "fill" | "stroke" if plain(value) => attribute(svg, given.name(), value),
            "href" => attribute(svg, "href", value),
            _ => {}
        }
    }
    svg.push_str("/>");
    Ok(())
}

/// Lays out the text of a `<foreignObject>`: Arial, left-aligned, from the top of the box down,
/// broken at its width and at `<br/>`, cut at its edges.
fn text_box(
    svg: &mut String,
    node: Node<'_, '_>,
    style: Style<'_>,
    fonts: &Fonts,
) -> Result<(), Skipped> {
    let number = |name: &str| {
        let value: Option<f64> = node.attribute(name).and_then(|v| v.trim().parse().ok());
        value.filter(|v| v.abs() <= FARTHEST)
    };
    let (Some(x), Some(y), Some(width), Some(height)) =
        (number("x"), number("y"), number("width"), number("height"))
    else {
        return Err(Skipped::because("its box has no place"));
    };
    let size = style
        .get("font-size")
        .and_then(|value| value.trim_end_matches("px").trim().parse::<f64>().ok())
        .filter(|size| (0.1..=FARTHEST).contains(size))
        .ok_or_else(|| Skipped::because("its font has no size"))?;
    // Up to 1.1 the colour is an attribute of the box, later it is in the style.
    let color = style
        .get("color")
        .or_else(|| node.attribute("color"))
        .unwrap_or("#000000");
    let color = if plain(color) { color } else { "#000000" };

    let paragraphs = paragraphs(node);
    let font = Wanted {
        families: &["Arial", "Liberation Sans"],
        weight: 400,
        italic: false,
    };
    let lines: Vec<String> = paragraphs
        .iter()
        .flat_map(|text| fonts.wrap(font, size, text, width))
        .collect();

    let heights: Vec<(f64, f64)> = lines
        .iter()
        .map(|line| above_and_below(fonts, font, size, line))
        .collect();
    let total: f64 = heights.iter().map(|(above, below)| above + below).sum();
    let overflows = total > height
        || lines
            .iter()
            .any(|line| fonts.width(font, size, line) > width);

    if overflows {
        let _ = write!(
            svg,
            r#"<clipPath id="box"><rect x="{x}" y="{y}" width="{width}" height="{height}"/></clipPath><g clip-path="url(#box)">"#
        );
    }
    let _ = write!(
        svg,
        r#"<g font-family="Arial,Liberation Sans,sans-serif" font-size="{size}" fill="{color}" stroke="none" xml:space="preserve">"#
    );
    let mut top = y;
    for (line, (above, below)) in lines.iter().zip(heights) {
        if top > y + height {
            break;
        }
        let baseline = top + above;
        top = baseline + below;
        if !line.is_empty() {
            let _ = write!(svg, r#"<text x="{x}" y="{baseline}">"#);
            set(svg, line, font, fonts);
            svg.push_str("</text>");
        }
    }
    svg.push_str("</g>");
    if overflows {
        svg.push_str("</g>");
    }
    Ok(())
}

/// How far a line reaches above and below its baseline: as far as the tallest font in it.
/// Browsers round a font's measures to whole units of the text's own space before they scale it.
fn above_and_below(fonts: &Fonts, font: Wanted<'_>, size: f64, line: &str) -> (f64, f64) {
    fonts
        .line_metrics(font, line)
        .into_iter()
        .fold((0.0, 0.0), |(above, below), metrics| {
            let ascent = (metrics.ascent * size).round();
            let descent = (metrics.descent * size).round();
            let gap = (metrics.line_gap * size).round();
            let before = (gap / 2.0).floor();
            (
                f64::max(above, ascent + before),
                f64::max(below, descent + gap - before),
            )
        })
}

/// The text between hard breaks, with its white space collapsed as HTML does. Besides `<br/>` the
/// player breaks at a carriage return, which a client of 2.0 put into its texts.
fn paragraphs(node: Node<'_, '_>) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    let mut left = LONGEST_TEXT;
    for inner in node.descendants() {
        if inner.is_element() && inner.tag_name().name() == "br" {
            paragraphs.push(String::new());
        }
        for character in inner
            .text()
            .filter(|_| inner.is_text())
            .unwrap_or_default()
            .chars()
            .take(left)
        {
            left -= 1;
            if character == '\r' {
                paragraphs.push(String::new());
            } else if !matches!(character, ' ' | '\t' | '\n') {
                if let Some(paragraph) = paragraphs.last_mut() {
                    paragraph.push(character);
                }
            } else if let Some(paragraph) = paragraphs
                .last_mut()
                .filter(|p| !p.is_empty() && !p.ends_with(' '))
            {
                paragraph.push(' ');
            }
        }
    }
    for paragraph in &mut paragraphs {
        paragraph.truncate(paragraph.trim_end_matches(' ').len());
    }
    paragraphs
}

/// A `style` attribute.
#[derive(Clone, Copy)]
struct Style<'a>(&'a str);

impl<'a> Style<'a> {
    fn get(self, name: &str) -> Option<&'a str> {
        self.0.split(';').find_map(|declaration| {
            let (key, value) = declaration.split_once(':')?;
            (key.trim() == name).then(|| value.trim())
        })
    }
}

/// Whether a value is a colour, a keyword or a number of reasonable size; no reference to
/// anything.
fn plain(value: &str) -> bool {
    value.len() <= 64
        && !value.contains("url")
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " #.,%()-+".contains(c))
        && value
            .trim_end_matches("px")
            .parse::<f64>()
            .is_ok_and(f64::is_finite)
            == value.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && within_reach(value)
}

/// Whether every number in it is one that can stand on a slide.
fn within_reach(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut start = 0;
    let mut position = 0;
    while position <= bytes.len() {
        let byte = bytes.get(position).copied().unwrap_or(b' ');
        let exponent = position > start && matches!(bytes[position - 1], b'e' | b'E');
        let goes_on = byte.is_ascii_digit()
            || byte == b'.'
            || (matches!(byte, b'e' | b'E') && position > start)
            || (matches!(byte, b'-' | b'+') && (position == start || exponent));
        if goes_on {
            position += 1;
            continue;
        }
        if let Ok(number) = value[start..position].parse::<f64>()
            && number.abs() > FARTHEST
        {
            return false;
        }
        // A sign that ends one number begins the next.
        position += usize::from(position == start || !matches!(byte, b'-' | b'+'));
        start = position;
    }
    true
}

fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(style: &str, inner: &str) -> Result<String, String> {
        let shape = format!(r#"<g class="shape" style="{style}">{inner}</g>"#);
        let fragment = fragment(&shape, &Fonts::system());
        fragment.map(|f| f.svg).map_err(|s| s.why)
    }

    fn lines(text: &str, width: u32) -> Vec<String> {
        let inner = format!(
            r#"<switch><foreignObject x="10" y="20" width="{width}" height="400"><p xmlns="http://www.w3.org/1999/xhtml">{text}</p></foreignObject></switch>"#
        );
        let svg = drawn("color:#ff0000;font-size:40px", &inner).unwrap();
        let document = format!("<svg>{svg}</svg>");
        let document = Document::parse(&document).unwrap();
        let texts = document.descendants().filter(|n| n.has_tag_name("text"));
        let whole = |text: Node<'_, '_>| {
            text.descendants()
                .filter_map(|n| n.text().filter(|_| n.is_text()).map(str::to_owned))
                .collect()
        };
        texts.map(whole).collect()
    }

    #[test]
    fn shapes_keep_what_they_are_painted_with() {
        assert_eq!(
            drawn(
                "stroke:#ff0000;stroke-width:8.0;visibility:hidden;fill:none",
                r#"<path id="x" onclick="y()" d="M1 2L3 4"/>"#
            )
            .unwrap(),
            r##"<g stroke="#ff0000" fill="none" stroke-width="8.0"><path d="M1 2L3 4"/></g>"##
        );
    }

    #[test]
    fn what_is_no_shape_is_not_drawn() {
        for (style, inner, why) in [
            ("", "", "nothing in it"),
            ("", "<script/>", "unknown element"),
            ("", r#"<path d="M0 0L1e9 0"/>"#, "beyond any slide"),
            ("", r#"<line x1="0" x2="-1e300"/>"#, "beyond any slide"),
            (
                "font-size:-3px",
                r#"<switch><foreignObject x="0" y="0" width="9" height="9"/></switch>"#,
                "no size",
            ),
            (
                "font-size:9px",
                r#"<switch><foreignObject x="0" y="NaN" width="9" height="9"/></switch>"#,
                "no place",
            ),
        ] {
            let said = drawn(style, inner).unwrap_err();
            assert!(said.contains(why), "{inner}: {said}");
        }
    }

    #[test]
    fn references_in_a_style_are_dropped() {
        let svg = drawn(
            "stroke:url(http://evil.example/x);fill:#00ff00",
            "<circle r=\"3\"/>",
        )
        .unwrap();
        assert_eq!(svg, r##"<g fill="#00ff00"><circle r="3"/></g>"##);
    }

    #[test]
    fn text_breaks_where_browsers_break_it() {
        assert_eq!(lines("one  two\n three", 1000), ["one two three"]);
        assert_eq!(lines("one<br/>two", 1000), ["one", "two"]);
        assert_eq!(lines("one&#xD;&#xD;two", 1000), ["one", "two"]);
        assert_eq!(lines("one two", 100), ["one", "two"]);
        assert_eq!(lines("a &lt; b &amp; c", 1000), ["a < b & c"]);
        assert_eq!(lines("", 1000), Vec::<String>::new());
        assert_eq!(lines("x \u{65e5}\u{672c}", 1000), ["x \u{65e5}\u{672c}"]);
    }

    #[test]
    fn numbers_run_together_are_still_numbers() {
        for (value, near) in [
            ("M1-2.5e3-4", true),
            ("M1-2e9", false),
            ("1e-9,5", true),
            ("--+e", true),
            ("999999999", false),
            ("", true),
        ] {
            assert_eq!(within_reach(value), near, "{value}");
        }
    }
}
