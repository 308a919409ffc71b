//! `tldraw.json` of 2.6 (tldraw 1) and 3.0 (tldraw 2).

use serde_json::{Map, Value, json};

use super::Generation;
use super::markup::number;
use super::story::{Figure, Point, Shown, Story};
use super::whiteboard::{Version, on_showing, versions};

const AUTHOR: &str = "w_alice0000000";

/// Size of a page in tldraw's units: it fits 1440 x 1080.
pub(super) fn page_units(points: (f64, f64)) -> (f64, f64) {
    let scale = (1440.0 / points.0).min(1080.0 / points.1);
    (points.0 * scale, points.1 * scale)
}

/// The whole file.
pub(super) fn tldraw_json(story: &Story, generation: Generation, presentation: &str) -> Value {
    let versions = versions(story);
    let mut file = Map::new();
    file.insert("bbb_version".to_owned(), json!(generation.bbb_version()));
    for (k, showing) in story.showings.iter().enumerate() {
        let Shown::Page(page) = showing.shown else {
            continue;
        };
        let units = page_units(story.pages[page].size);
        let shapes: Vec<Value> = on_showing(story, &versions, k)
            .into_iter()
            .map(|version| {
                let data = if generation == Generation::V2_6 {
                    first_tldraw(version, page, units, presentation)
                } else {
                    second_tldraw(version, page, units, presentation)
                };
                json!({
                    "id": version.event + 1,
                    "timestamp": version.at,
                    "undo": version.drawing.undo.map_or(json!(-1), |at| json!(at)),
                    "shape_data": data,
                })
            })
            .collect();
        if !shapes.is_empty() {
            file.insert(
                (k + 1).to_string(),
                json!({ "shapes": shapes, "timestamp": showing.from }),
            );
        }
    }
    Value::Object(file)
}

fn first_tldraw(
    version: &Version<'_>,
    page: usize,
    units: (f64, f64),
    presentation: &str,
) -> Value {
    let unit = |p: &Point| round((p.0 * units.0, p.1 * units.1));
    let style = json!({
        "size": "small", "color": version.drawing.colour.name(), "textAlign": "start", "font": "script",
        "dash": "draw", "scale": 1, "isFilled": false,
    });
    let mut shape = json!({
        "id": format!("shape-{}", version.shape),
        "parentId": (page + 1).to_string(),
        "childIndex": version.shape,
        "rotation": 0,
        "style": style,
        "userId": AUTHOR,
        "isModerator": true,
    });
    let boxed = |kind: &str, name: &str, a: &Point, b: &Point| {
        let (from, to) = (unit(a), unit(b));
        json!({
            "type": kind, "name": name, "point": [from.0, from.1],
            "size": [to.0 - from.0, to.1 - from.1], "label": "", "labelPoint": [0.5, 0.5],
        })
    };
    let own = match version.figure {
        Figure::Pencil(points) => {
            let (corner, points) = relative(points, unit);
            let points: Vec<Value> = points.iter().map(|(x, y)| json!([x, y, 0.5])).collect();
            json!({ "type": "draw", "name": "Draw", "point": [corner.0, corner.1], "points": points, "isComplete": version.is_last })
        }
        Figure::Line(a, b) => {
            let (corner, ends) = relative(&[*a, *b], unit);
            json!({
                "type": "arrow", "name": "Arrow", "point": [corner.0, corner.1], "bend": 0,
                "handles": {
                    "start": { "id": "start", "index": 0, "point": [ends[0].0, ends[0].1], "canBind": true },
                    "end": { "id": "end", "index": 1, "point": [ends[1].0, ends[1].1], "canBind": true },
                    "bend": { "id": "bend", "index": 2, "point": [(ends[0].0 + ends[1].0) / 2.0, (ends[0].1 + ends[1].1) / 2.0] },
                },
                "decorations": { "end": "arrow" }, "label": "", "labelPoint": [0.5, 0.5],
            })
        }
        Figure::Rectangle(a, b) => boxed("rectangle", "Rectangle", a, b),
        Figure::Triangle(a, b) => boxed("triangle", "Triangle", a, b),
        Figure::Ellipse(a, b) => {
            let (from, to) = (unit(a), unit(b));
            json!({
                "type": "ellipse", "name": "Ellipse", "point": [from.0, from.1],
                "radius": [(to.0 - from.0) / 2.0, (to.1 - from.1) / 2.0], "label": "", "labelPoint": [0.5, 0.5],
            })
        }
        Figure::Text { at, text, .. } => {
            let (x, y) = unit(at);
            // The client writes one space before the first letter is typed.
            let text = if text.is_empty() { " " } else { text };
            json!({ "type": "text", "name": "Text", "point": [x, y], "text": text })
        }
        Figure::Poll => {
            let name = format!("poll-result-{presentation}/{}/1", page + 1);
            let (w, h) = (573.0, 86.0);
            json!({
                "id": format!("{presentation}/{}/1", page + 1), "type": "rectangle", "name": name,
                "point": [units.0 - w, units.1 - h], "size": [w, h],
                "style": { "size": "small", "color": "white", "font": "mono", "dash": "solid", "isFilled": true, "scale": 1 },
                "label": "Yes: 3 |||||||||||||||| 75%\nNo: 1  |||||            | 25%\n",
                "labelPoint": [0.5, 0.5], "questionType": false,
            })
        }
    };
    merge(&mut shape, own);
    shape
}

fn second_tldraw(
    version: &Version<'_>,
    page: usize,
    units: (f64, f64),
    presentation: &str,
) -> Value {
    let unit = |p: &Point| round((p.0 * units.0, p.1 * units.1));
    let colour = version.drawing.colour.name();
    let mut shape = json!({
        "rotation": 0, "isLocked": false, "opacity": 1,
        "meta": { "createdBy": AUTHOR, "uuid": format!("u-{}", version.shape) },
        "id": format!("shape:{}", version.shape),
        "parentId": format!("page:{}", page + 1),
        "index": fractional_index(version.shape),
        "typeName": "shape",
        "isModerator": true, "questionType": false,
    });
    let geo = |kind: &str, a: &Point, b: &Point| {
        let (from, to) = (unit(a), unit(b));
        json!({
            "type": "geo", "x": from.0, "y": from.1,
            "props": {
                "w": to.0 - from.0, "h": to.1 - from.1, "geo": kind, "color": colour, "labelColor": "black",
                "fill": "none", "dash": "draw", "size": "m", "font": "draw", "text": "", "align": "middle",
                "verticalAlign": "middle", "growY": 0, "url": "",
            },
        })
    };
    let own = match version.figure {
        Figure::Pencil(points) => {
            let (corner, points) = relative(points, unit);
            let points: Vec<Value> = points
                .iter()
                .map(|(x, y)| json!({ "x": x, "y": y, "z": 0.5 }))
                .collect();
            json!({
                "type": "draw", "x": corner.0, "y": corner.1,
                "props": {
                    "segments": [{ "type": "free", "points": points }], "color": colour, "fill": "none", "dash": "draw",
                    "size": "m", "isComplete": version.is_last, "isClosed": false, "isPen": false,
                },
            })
        }
        Figure::Line(a, b) => {
            let (from, to) = (unit(a), unit(b));
            json!({
                "type": "arrow", "x": from.0, "y": from.1,
                "props": {
                    "dash": "draw", "size": "m", "fill": "none", "color": colour, "labelColor": "black", "bend": 0,
                    "start": { "type": "point", "x": 0, "y": 0 },
                    "end": { "type": "point", "x": to.0 - from.0, "y": to.1 - from.1 },
                    "arrowheadStart": "none", "arrowheadEnd": "arrow", "text": "", "font": "draw",
                },
            })
        }
        Figure::Rectangle(a, b) => geo("rectangle", a, b),
        Figure::Ellipse(a, b) => geo("ellipse", a, b),
        Figure::Triangle(a, b) => geo("triangle", a, b),
        Figure::Text { at, size, text } => {
            let ((x, y), (w, _)) = (unit(at), unit(size));
            json!({
                "type": "text", "x": x, "y": y,
                "props": { "color": colour, "size": "l", "w": w, "text": text, "font": "sans", "align": "start", "autoSize": true, "scale": 1 },
            })
        }
        Figure::Poll => {
            let id = format!("poll-result-{presentation}-{}-1", page + 1);
            let (w, h) = (500.0, 300.0);
            json!({
                "id": format!("shape:{id}"), "type": "poll", "x": units.0 - w, "y": units.1 - h,
                "props": {
                    "w": w, "h": h, "color": "black", "fill": "white", "question": "Ready?", "numRespondents": 4,
                    "numResponders": 4, "questionText": "Ready?", "questionType": "YN",
                    "answers": [{ "id": 0, "key": "Yes", "numVotes": 3 }, { "id": 1, "key": "No", "numVotes": 1 }],
                },
            })
        }
    };
    merge(&mut shape, own);
    shape
}

/// Points relative to the upper left corner of what they span, and that corner.
fn relative(
    points: &[Point],
    unit: impl Fn(&Point) -> (f64, f64),
) -> ((f64, f64), Vec<(f64, f64)>) {
    let points: Vec<_> = points.iter().map(unit).collect();
    let corner = points
        .iter()
        .fold((f64::MAX, f64::MAX), |c, p| (c.0.min(p.0), c.1.min(p.1)));
    (
        corner,
        points
            .iter()
            .map(|p| round((p.0 - corner.0, p.1 - corner.1)))
            .collect(),
    )
}

fn round(p: (f64, f64)) -> (f64, f64) {
    let hundredth = |v: f64| number(v, 2).parse().unwrap_or(v);
    (hundredth(p.0), hundredth(p.1))
}

/// tldraw 2 orders shapes by strings: `a1` to `a9`, then `aA` and on.
fn fractional_index(place: usize) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    match DIGITS.get(place) {
        Some(digit) => format!("a{}", char::from(*digit)),
        None => format!(
            "b{}{}",
            char::from(DIGITS[place / 62 - 1]),
            char::from(DIGITS[place % 62])
        ),
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
