//! For every instant, what the timeline says is visible is what a slow, obvious reading of the
//! files says, in every generation's way of writing them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read as _, Seek as _, SeekFrom};

use proptest::prelude::*;
use render::source::Source;
use render::time::Millis;
use render::timeline::{Place, Timeline};
use serde_json::{Value, json};

mod written;
use written::{Shape, Written};

/// In tenths of a second: the recording's length, and when its second slide is shown.
const LENGTH: u64 = 50;
const SECOND: u64 = 30;

/// One version of a shape, in the order of the file; times in tenths of a second.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: u64,
    undo: Option<u64>,
    kind: usize,
    number: u32,
    slide: u64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0u64..60,
        prop::option::of(0u64..60),
        0usize..4,
        1u32..4,
        0u64..2,
    );
    let row = row.prop_map(|(at, undo, kind, number, slide)| Row {
        at,
        undo,
        kind,
        number,
        slide,
    });
    prop::collection::vec(row, 0..40)
}

/// Which rows are visible on a slide at `t`: of each shape the last row whose time has come, unless
/// it has been undone. `same` tells whether two rows are of one shape.
fn obviously_visible(
    rows: &[Row],
    slide: u64,
    t: u64,
    same: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let there = |n: usize| rows[n].slide == slide && rows[n].at < LENGTH && rows[n].at <= t;
    (0..rows.len())
        .filter(|&n| there(n))
        .filter(|&n| !(n + 1..rows.len()).any(|later| there(later) && same(n, later)))
        .filter(|&n| rows[n].undo.is_none_or(|undo| t < undo))
        .collect()
}

/// Holds the timeline of a recording against the obvious reading, instant by instant. `row_of`
/// finds in the text of a version which row it was.
fn check(
    recording: &Written,
    file: &str,
    rows: &[Row],
    same: impl Fn(usize, usize) -> bool,
    row_of: impl Fn(&str) -> usize,
) {
    let source = Source::open(recording.done()).unwrap();
    let timeline = Timeline::read(&source).unwrap();
    let mut file = source.open_file(file).unwrap();
    let mut text = |place: Place| {
        let mut bytes = vec![0; place.length as usize];
        file.seek(SeekFrom::Start(place.start)).unwrap();
        file.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let changes = timeline.changes();
    let mut before = Vec::new();
    for t in 0..LENGTH {
        let shown = timeline
            .slides
            .iter()
            .rfind(|slide| slide.at <= Millis(t * 100))
            .unwrap();
        let mut seen: Vec<usize> = match shown.canvas.map(|n| &timeline.canvases[n]) {
            Some(canvas) => canvas
                .visible(Millis(t * 100))
                .into_iter()
                .map(|n| row_of(&text(canvas.versions()[n as usize].place)))
                .collect(),
            None => Vec::new(),
        };
        seen.sort_unstable();
        let slide = u64::from(t >= SECOND);
        assert_eq!(seen, obviously_visible(rows, slide, t, &same), "at {t}");
        assert!(
            seen == before || changes.contains(&Millis(t * 100)),
            "a change at {t} is not told"
        );
        before = seen;
    }
}

/// A recording of two slides, whose shapes are written as BBB 0.9 to 2.5 do.
fn svg(rows: &[Row], name: impl Fn(&Row) -> String, kinds: [(&str, &str); 4]) -> Written {
    let names: Vec<String> = rows.iter().map(name).collect();
    let inner: Vec<String> = (0..rows.len())
        .map(|n| format!("{}<!--{n}-->", kinds[rows[n].kind].1))
        .collect();
    let mut written = Written::new(LENGTH as f64 / 10.0);
    for slide in 0..2 {
        let id = format!("image{}", slide + 1);
        let at = (slide * SECOND) as f64 / 10.0;
        let shapes: Vec<Shape<'_>> = (0..rows.len())
            .filter(|&n| rows[n].slide == slide)
            .map(|n| Shape {
                name: &names[n],
                at: rows[n].at as f64 / 10.0,
                undo: rows[n].undo.map_or(-1.0, |undo| undo as f64 / 10.0),
                style: kinds[rows[n].kind].0,
                inner: &inner[n],
            })
            .collect();
        written = written
            .slide(&id, &at.to_string(), "presentation/none.png", 800, 600)
            .canvas(&id, &shapes);
    }
    written
}

fn mark(text: &str) -> usize {
    let (_, rest) = text.split_once("<!--").unwrap();
    rest.split_once("-->").unwrap().0.parse().unwrap()
}

fn tldraw(version: &str, rows: &[Row]) -> Written {
    let list = |slide: u64| {
        let of_slide = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.slide == slide);
        let shapes: Vec<Value> = of_slide
            .map(|(n, row)| {
                let id = format!("shape:{}", row.number);
                json!({
                    "id": n, "timestamp": row.at as f64 / 10.0,
                    "undo": row.undo.map_or(-1.0, |undo| undo as f64 / 10.0),
                    "shape_data": {
                        "id": id, "type": "draw", "childIndex": row.kind, "index": format!("a{}", row.kind),
                        "parentId": format!("page:{}", slide + 1), "meta": {"row": n}
                    }
                })
            })
            .collect();
        json!({"shapes": shapes, "timestamp": 0.0})
    };
    let json = json!({"bbb_version": version, "1": list(0), "2": list(1)});
    let href = "presentation/none.svg";
    Written::new(LENGTH as f64 / 10.0)
        .tldraw(&json.to_string())
        .slide("image1", "0.0", href, 800, 600)
        .slide(
            "image2",
            &(SECOND as f64 / 10.0).to_string(),
            href,
            800,
            600,
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Numbers are counted anew for each type, pencils and lines share a name, and only a run of
    /// equal ones is one shape.
    #[test]
    fn of_0_9_and_1(rows in rows()) {
        let line = "stroke:#f00;fill:none";
        let kinds = [
            ("stroke:#f00", "<polyline points='0,0 9,9'/>"),
            (line, "<line x1='0'/>"),
            (line, "<rect/>"),
            (line, "<ellipse/>"),
        ];
        let name = |row: &Row| format!("{}{}", ["line", "line", "rect", "ellipse"][row.kind], row.number);
        let recording = svg(&rows, name, kinds);
        let equal = |a: usize, b: usize| (rows[a].kind, rows[a].number) == (rows[b].kind, rows[b].number);
        let same = |a: usize, b: usize| {
            let between = (a..=b).filter(|&n| rows[n].slide == rows[a].slide);
            between.into_iter().all(|n| equal(a, n))
        };
        check(&recording, "shapes.svg", &rows, same, mark);
    }

    /// A number is one shape's, whatever stands between its versions.
    #[test]
    fn of_2(rows in rows()) {
        let kinds = [("stroke:#f00", "<path d='M0 0'/>"); 4];
        let name = |row: &Row| format!("image{}-pencil{}", row.slide + 1, row.number);
        let recording = svg(&rows, name, kinds);
        let same = |a: usize, b: usize| rows[a].number == rows[b].number;
        check(&recording, "shapes.svg", &rows, same, mark);
    }

    #[test]
    fn of_2_6_and_3(rows in rows(), second: bool) {
        let recording = tldraw(if second { "3.0.0" } else { "2.6.1" }, &rows);
        let same = |a: usize, b: usize| rows[a].number == rows[b].number;
        let row = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            let row = value.pointer("/meta/row").or_else(|| value.pointer("/shape_data/meta/row"));
            row.and_then(Value::as_u64).unwrap() as usize
        };
        check(&recording, "tldraw.json", &rows, same, row);
    }
}
