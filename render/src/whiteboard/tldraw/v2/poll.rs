//! BBB's own shape for a poll's result in tldraw 2 (`PollShapeUtil`): the question over a chart of
//! horizontal bars, which the library recharts 2.12 draws.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::{Skipped, set};
use super::super::json::{number_or, text};
use super::super::shadow;
use super::super::text::{Align, Face, Place, Type};
use super::super::vector::v;
use super::style::Color;
use crate::fonts::Fonts;

/// The page's own font: the chart knows no other.
const FACE: Face = Face {
    families: &["Arial", "Liberation Sans"],
    weight: 400,
};

/// Answers of one poll at most.
const MOST_ANSWERS: usize = 100;

const BAR: &str = "#0C57A7";
const AXIS: &str = "#666666";

/// Draws the result of a poll.
pub(super) fn draw(svg: &mut String, props: &Value, fonts: &Fonts) -> Result<(), Skipped> {
    let size = v(number_or(props, "w", 300.0)?, number_or(props, "h", 300.0)?);
    if size.x < 1.0 || size.y < 1.0 {
        return Err(Skipped::because("it has no extent"));
    }
    let answers = answers(props)?;
    shadow(svg, size, 4.0, (0.0, 0.0), 4.0, 0.0, 0.2);
    let _ = write!(
        svg,
        r##"<rect width="{:.3}" height="{:.3}" rx="4" fill="#8B9AA8"/><rect x="1" y="1" width="{:.3}" height="{:.3}" rx="3" fill="{}"/>"##,
        size.x,
        size.y,
        (size.x - 2.0).max(0.0),
        (size.y - 2.0).max(0.0),
        Color::of(props).semi
    );
    let letters = |size: f64, line_height: f64| Type {
        fonts,
        face: FACE,
        size,
        spacing: 0.0,
        line_height,
    };
    let question = text(props, "questionText");
    let title = letters(20.0, 23.0);
    let lines = if question.is_empty() {
        Vec::new()
    } else {
        title.wrapped(question, size.x - 44.0)
    };
    let chart_height = if question.is_empty() {
        size.y
    } else {
        size.y - 75.0
    };
    // Margins of 8 around the question; those of an empty one fall together. What is too high for
    // the box begins at its top.
    let heading = if lines.is_empty() {
        8.0
    } else {
        8.0 + title.height(&lines) + 8.0
    };
    let above = 1.0 + (size.y - 2.0 - heading - chart_height).max(0.0) / 2.0;
    let top = above + 8.0;
    title.draw(
        svg,
        &lines,
        Place {
            left: 44.0,
            top,
            width: size.x - 44.0,
            align: Align::Start,
            fill: "#000000",
            halo: None,
        },
    )?;
    // Browsers lay a picture within a page on whole units.
    let chart_top = (above + heading + 0.25).round();
    chart(
        svg,
        &answers,
        (size.x * 0.9, chart_height, chart_top),
        &letters(12.0, 12.0),
    )
}

/// What was answered how often; answers that differ only in case are one.
fn answers(props: &Value) -> Result<Vec<(String, f64)>, Skipped> {
    let given = props.get("answers").and_then(Value::as_array);
    let given = given.ok_or_else(|| Skipped::because("it has no answers"))?;
    let mut answers: Vec<(String, f64)> = Vec::new();
    for answer in given.iter().take(MOST_ANSWERS) {
        let key: String = text(answer, "key").chars().take(500).collect();
        let votes = number_or(answer, "numVotes", 0.0)?.max(0.0);
        match answers
            .iter_mut()
            .find(|known| known.0.to_lowercase() == key.to_lowercase())
        {
            Some(known) => {
                // The spelling that most have chosen is shown.
                if known.1 < votes {
                    known.0 = key;
                }
                known.1 += votes;
            }
            None => answers.push((key, votes)),
        }
    }
    Ok(answers)
}

fn chart(
    svg: &mut String,
    answers: &[(String, f64)],
    (width, height, top): (f64, f64, f64),
    letters: &Type<'_>,
) -> Result<(), Skipped> {
    // recharts: margins of 5, 80 for the names, 30 for the numbers.
    let (left, right) = (5.0 + 80.0, width - 5.0);
    let (above, below) = (top + 5.0, top + height - 5.0 - 30.0);
    if right <= left || below <= above {
        return Ok(());
    }
    let ticks = ticks(answers.iter().map(|answer| answer.1).fold(0.0, f64::max));
    let most = ticks.last().copied().unwrap_or(1.0);
    let line = |svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64| {
        let _ = write!(svg, "M{x1:.3} {y1:.3}L{x2:.3} {y2:.3}");
    };
    let _ = write!(svg, r#"<path fill="none" stroke="{AXIS}" d=""#);
    line(svg, left, below, right, below);
    line(svg, left, above, left, below);
    #[allow(clippy::cast_precision_loss)]
    let band = (below - above) / answers.len().max(1) as f64;
    let mut names = String::new();
    let mut bars = String::new();
    #[allow(clippy::cast_precision_loss)]
    let middles: Vec<(f64, f64)> = (0..answers.len())
        .map(|n| (above + band * (n as f64 + 0.5), letters.size * 1.15))
        .collect();
    let named = shown(&middles, top + height);
    let mut y = above;
    for ((name, votes), named) in answers.iter().zip(named) {
        let middle = y + band / 2.0;
        line(svg, left - 6.0, middle, left, middle);
        if let Some(middle) = named {
            tick_name(&mut names, name, (left - 8.0, middle), letters);
        }
        let length = (right - left) * votes / most;
        if length > 0.0 {
            let _ = write!(
                bars,
                r#"<rect x="{left:.3}" y="{:.3}" width="{length:.3}" height="{:.3}" fill="{BAR}"/>"#,
                y + band * 0.1,
                band * 0.8
            );
        }
        y += band;
    }
    let labels: Vec<String> = ticks
        .iter()
        .map(|tick| format!("{}", (tick * 1e6).round() / 1e6))
        .collect();
    let mut wanted = Vec::new();
    for (tick, label) in ticks.iter().zip(&labels) {
        let x = left + (right - left) * tick / most;
        line(svg, x, below, x, below + 6.0);
        wanted.push((x, letters.width(label)));
    }
    for (label, x) in labels.iter().zip(shown(&wanted, width)) {
        if let Some(x) = x {
            let y = below + 8.0 + letters.size * 0.71;
            let _ = write!(
                names,
                r#"<text x="{x:.3}" y="{y:.3}" text-anchor="middle">{label}</text>"#
            );
        }
    }
    svg.push_str(r#""/>"#);
    let families: Vec<String> = FACE.families.iter().map(|f| format!("'{f}'")).collect();
    let _ = write!(
        svg,
        r#"{bars}<g font-family="{},sans-serif" font-size="{}" fill="{AXIS}">{names}</g>"#,
        families.join(","),
        letters.size
    );
    Ok(())
}

/// A name beside its bar, on several lines if it is wider than its column.
fn tick_name(svg: &mut String, name: &str, (x, middle): (f64, f64), letters: &Type<'_>) {
    // The library measures with the letters of the page, which are larger than its own.
    let measured = Type {
        size: 16.0,
        ..*letters
    };
    let mut lines: Vec<String> = Vec::new();
    for word in name.split_whitespace() {
        match lines.last_mut() {
            Some(line) if measured.width(&format!("{line} {word}")) < 80.0 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let mut y =
        middle - (lines.len().saturating_sub(1)) as f64 / 2.0 * letters.size + letters.size * 0.355;
    for line in lines {
        let _ = write!(svg, r#"<text x="{x:.3}" y="{y:.3}" text-anchor="end">"#);
        set(svg, &line, letters.wanted(), letters.fonts);
        svg.push_str("</text>");
        y += letters.size;
    }
}

/// Where labels of a size go that are wanted at places: the last one is moved inside of `end`, and
/// of the others those are left out that come too near to the next one (`getTicksEnd`).
fn shown(labels: &[(f64, f64)], end: f64) -> Vec<Option<f64>> {
    let mut end = end;
    let mut shown: Vec<Option<f64>> = Vec::with_capacity(labels.len());
    for (n, &(place, size)) in labels.iter().rev().enumerate() {
        let place = if n == 0 {
            place.min(end - size / 2.0)
        } else {
            place
        };
        let fits = place - size / 2.0 >= 0.0 && place + size / 2.0 <= end + 1e-9;
        shown.push(fits.then_some(place));
        if fits {
            end = place - size / 2.0 - 5.0;
        }
    }
    shown.reverse();
    shown
}

/// Five even numbers from 0 to at least `most` (recharts-scale's `getNiceTickValues`).
fn ticks(most: f64) -> Vec<f64> {
    if most <= 0.0 {
        return (0..5).map(f64::from).collect();
    }
    let rough = most / 4.0;
    let digits = rough.log10().floor() + 1.0;
    let magnitude = 10f64.powf(digits);
    let grain = if digits == 1.0 { 0.1 } else { 0.05 };
    let mut count = (rough / magnitude / grain - 1e-9).ceil();
    // A step that does not reach is made one grain longer.
    while count * grain * magnitude * 4.0 < most - 1e-9 {
        count += 1.0;
    }
    let step = count * grain * magnitude;
    (0..5).map(|n| f64::from(n) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_numbers_on_the_axis_are_nice() {
        assert_eq!(ticks(0.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        for (most, step) in [
            (1.0, 0.25),
            (3.0, 0.75),
            (4.0, 1.0),
            (5.0, 2.0),
            (10.0, 3.0),
            (100.0, 25.0),
        ] {
            assert!(
                (ticks(most)[1] - step).abs() < 1e-9,
                "{most}: {:?}",
                ticks(most)
            );
        }
    }

    #[test]
    fn labels_make_room_for_each_other() {
        let labels = [(10.0, 8.0), (20.0, 70.0), (95.0, 20.0)];
        assert_eq!(shown(&labels, 100.0), [Some(10.0), None, Some(90.0)]);
    }

    #[test]
    fn answers_that_differ_in_case_are_one() {
        let props = json!({"answers": [{"key": "Yes", "numVotes": 1}, {"key": "YES", "numVotes": 2},
            {"key": "no", "numVotes": 1}]});
        assert_eq!(
            answers(&props).unwrap(),
            [("YES".to_owned(), 3.0), ("no".to_owned(), 1.0)]
        );
        assert!(answers(&json!({"answers": [{"numVotes": 1e300}]})).is_err());
    }
}
