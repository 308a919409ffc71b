//! The small timed lists: `panzooms.xml`, `cursor.xml`, `deskshare.xml`, and the duration in
//! `metadata.xml`.

use std::io::BufRead;
use std::path::Path;

use super::xml::{Node, walk};
use super::{Pointer, Span, View, seconds};
use crate::geometry::{Point, ViewBox};
use crate::time::Millis;
use crate::warning::Warnings;

/// How many events one list may have: one for every tenth of a second of a week.
const MOST_EVENTS: usize = 6_048_000;

/// After how long the player of 0.9 and 1.x hides a pointer that does not move.
const OLD_POINTER_STAYS: Millis = Millis(3000);

/// `panzooms.xml`: the visible parts, and whether they are in units of a tldraw page.
pub(super) fn views(file: impl BufRead, warnings: &Warnings) -> (Vec<View>, bool) {
    let name = "panzooms.xml";
    let (events, tldraw) = list(file, "viewBox", name, warnings);
    let views = events.into_iter().filter_map(|(at, numbers)| {
        let view_box = match numbers[..] {
            [x, y, width, height] => ViewBox::new(x, y, width, height),
            _ => None,
        };
        if view_box.is_none() {
            warnings.add(
                "view skipped",
                Some(Path::new(name)),
                "its viewBox shows nothing",
            );
        }
        Some(View {
            at,
            view_box: view_box?,
        })
    });
    (views.collect(), tldraw)
}

/// How `cursor.xml` says where the presenter points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Pointing {
    /// As fractions of what is visible (BBB 2.0 to 2.5).
    #[default]
    Fractions,
    /// As pixels of what is visible at half the slide's size (BBB 0.9 and 1.x).
    HalfPixels,
    /// In units of the tldraw page (BBB 2.6 and later).
    PageUnits,
}

/// `cursor.xml`: where the presenter points.
pub(super) fn pointers(file: impl BufRead, warnings: &Warnings) -> (Vec<Pointer>, Pointing) {
    let (events, tldraw) = list(file, "cursor", "cursor.xml", warnings);
    let pairs = events
        .into_iter()
        .filter_map(|(at, numbers)| match numbers[..] {
            [x, y] => Some((at, Point { x, y })),
            _ => None,
        });
    let pairs: Vec<(Millis, Point)> = pairs.collect();
    let pointing = if tldraw {
        Pointing::PageUnits
    } else if pairs.iter().any(|(_, p)| p.x > 2.0 || p.y > 2.0) {
        Pointing::HalfPixels
    } else {
        Pointing::Fractions
    };
    let mut pointers = Vec::with_capacity(pairs.len());
    for (n, &(at, point)) in pairs.iter().enumerate() {
        let hidden = point.x < 0.0 || point.y < 0.0;
        pointers.push(Pointer {
            at,
            point: (!hidden).then_some(point),
        });
        let next = pairs.get(n + 1).map_or(Millis(u64::MAX), |&(at, _)| at);
        let still = Millis(at.0.saturating_add(OLD_POINTER_STAYS.0));
        if pointing == Pointing::HalfPixels && still < next {
            pointers.push(Pointer {
                at: still,
                point: None,
            });
        }
    }
    (pointers, pointing)
}

/// `deskshare.xml`: when the screen is shared.
pub(super) fn shares(file: impl BufRead, warnings: &Warnings) -> Vec<Span> {
    let mut shares = Vec::new();
    let told = walk(file, |node| {
        if let Node::Open { tag, .. } = node
            && tag.name() == "event"
            && shares.len() < MOST_EVENTS
        {
            let time = |name| tag.get(name).as_deref().and_then(seconds);
            match (time("start_timestamp"), time("stop_timestamp")) {
                (Some(start), Some(end)) if start < end => shares.push(Span { start, end }),
                _ => warnings.add(
                    "screen share skipped",
                    Some(Path::new("deskshare.xml")),
                    "its start and stop are no span of time",
                ),
            }
        }
    });
    if let Err(why) = told {
        warnings.add(
            "rest of the screen shares skipped",
            Some(Path::new("deskshare.xml")),
            why,
        );
    }
    shares
}

/// The recorded time that `metadata.xml` states, in its first `<duration>` (milliseconds).
pub(super) fn duration(file: impl BufRead, warnings: &Warnings) -> Option<Millis> {
    let mut inside = false;
    let mut duration = None;
    let told = walk(file, |node| match node {
        Node::Open { tag, .. } => inside = tag.name() == "duration" && duration.is_none(),
        Node::Close { .. } => inside = false,
        Node::Text(text) if inside => {
            duration = text.trim().parse().ok().filter(|&ms| ms > 0).map(Millis);
        }
        Node::Text(_) => {}
    });
    if let Err(why) = told {
        warnings.add(
            "rest of the metadata skipped",
            Some(Path::new("metadata.xml")),
            why,
        );
    }
    duration
}

/// The events of `panzooms.xml` and `cursor.xml`: a time and the numbers inside one element.
fn list(
    file: impl BufRead,
    element: &str,
    name: &'static str,
    warnings: &Warnings,
) -> (Vec<(Millis, Vec<f64>)>, bool) {
    let mut events = Vec::new();
    let mut tldraw = false;
    let mut at = None;
    let mut inside = false;
    let told = walk(file, |node| match node {
        Node::Open { tag, .. } => match tag.name() {
            "recording" => tldraw = tag.get("tldraw").as_deref() == Some("true"),
            "event" => {
                at = tag.get("timestamp").as_deref().and_then(seconds);
                if at.is_none() {
                    warnings.add(
                        "event skipped",
                        Some(Path::new(name)),
                        "its timestamp is no time",
                    );
                }
            }
            other => inside = other == element,
        },
        Node::Close { .. } => inside = false,
        Node::Text(text) if inside => {
            let numbers: Result<Vec<f64>, _> = text
                .split_ascii_whitespace()
                .take(5)
                .map(str::parse)
                .collect();
            match (at, numbers) {
                (Some(at), Ok(numbers))
                    if numbers.iter().all(|n| n.is_finite()) && events.len() < MOST_EVENTS =>
                {
                    events.push((at, numbers));
                }
                (Some(_), _) => {
                    warnings.add(
                        "event skipped",
                        Some(Path::new(name)),
                        "not the numbers expected",
                    );
                }
                (None, _) => {}
            }
        }
        Node::Text(_) => {}
    });
    if let Err(why) = told {
        warnings.add("rest of the events skipped", Some(Path::new(name)), why);
    }
    (events, tldraw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_read_and_impossible_ones_skipped() {
        let warnings = Warnings::default();
        let text = r#"<recording id="panzoom_events" tldraw="true">
            <event timestamp="0.0"><viewBox>-0.0 -0.0 1600.0 1200.0</viewBox></event>
            <event timestamp="1.0"><viewBox>NaN 0 1 1</viewBox></event>
            <event timestamp="2.0"><viewBox>0 0 0 1e300</viewBox></event>
            <event timestamp="x"><viewBox>0 0 1 1</viewBox></event>
            <event timestamp="3.0"><viewBox>-220.0 -160.0 360.0 270.0</viewBox></event></recording>"#;
        let (views, tldraw) = views(text.as_bytes(), &warnings);
        assert!(tldraw);
        let at: Vec<u64> = views.iter().map(|v| v.at.0).collect();
        assert_eq!(at, [0, 3000]);
        assert!(views[0].view_box.x.is_sign_positive());
        assert_eq!(warnings.list().len(), 3);
    }

    #[test]
    fn fractions_below_zero_hide_the_pointer() {
        let text = r#"<recording><event timestamp="0.0"><cursor>-1.0 -1.0</cursor></event>
            <event timestamp="4.0"><cursor>0.2 0.3</cursor></event></recording>"#;
        let (pointers, pointing) = pointers(text.as_bytes(), &Warnings::default());
        assert_eq!(pointing, Pointing::Fractions);
        assert_eq!(pointers[0].point, None);
        assert_eq!(pointers[1].point, Some(Point { x: 0.2, y: 0.3 }));
    }

    #[test]
    fn old_pointers_hide_after_three_seconds() {
        let text = r#"<recording><event timestamp="1.0"><cursor>176.0 189.0</cursor></event>
            <event timestamp="2.0"><cursor>180.0 189.0</cursor></event></recording>"#;
        let (pointers, pointing) = pointers(text.as_bytes(), &Warnings::default());
        assert_eq!(pointing, Pointing::HalfPixels);
        let shown: Vec<(u64, bool)> = pointers
            .iter()
            .map(|p| (p.at.0, p.point.is_some()))
            .collect();
        assert_eq!(shown, [(1000, true), (2000, true), (5000, false)]);
    }

    #[test]
    fn duration_is_read_even_from_a_truncated_file() {
        let warnings = Warnings::default();
        let text = "<recording><playback><duration>72000</duration><meta><x>y</";
        assert_eq!(duration(text.as_bytes(), &warnings), Some(Millis(72_000)));
        assert_eq!(warnings.list().len(), 1);
    }

    #[test]
    fn shares_backwards_in_time_are_skipped() {
        let text = r#"<recording><event start_timestamp="39.0" stop_timestamp="52.0"/>
            <event start_timestamp="60.0" stop_timestamp="60.0"/></recording>"#;
        let warnings = Warnings::default();
        let spans = shares(text.as_bytes(), &warnings);
        assert_eq!(
            spans,
            [Span {
                start: Millis(39_000),
                end: Millis(52_000)
            }]
        );
        assert_eq!(warnings.list().len(), 1);
    }
}
