//! Every kind of shape drawn small and held against a picture of it.

mod random;
mod sheets;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use resvg::{tiny_skia, usvg};
use serde_json::{Value, json};

use super::{Dialect, fragment};
use crate::fonts::Fonts;
use crate::whiteboard::{Fragment, Skipped};

static FONTS: LazyLock<Arc<Fonts>> = LazyLock::new(|| Arc::new(Fonts::system()));

fn drawn(shape: &Value, tied: &[&Value], dialect: Dialect) -> Result<Fragment, Skipped> {
    fragment(shape, tied, dialect, 0.75, &FONTS)
}

/// The size of one shape's picture, in pixels.
const CELL: (u32, u32) = (120, 90);

/// A picture of a shape, of 160 by 120 page units on white.
fn picture(shape: &Value, tied: &[&Value], dialect: Dialect) -> tiny_skia::Pixmap {
    let fragment = drawn(shape, tied, dialect).unwrap();
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="1000">{}</svg>"#,
        fragment.svg
    );
    let options = usvg::Options {
        fontdb: FONTS.database(),
        font_resolver: FONTS.resolver(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(&svg, &options).unwrap();
    let mut pixmap = tiny_skia::Pixmap::new(CELL.0, CELL.1).unwrap();
    pixmap.fill(tiny_skia::Color::WHITE);
    let transform = tiny_skia::Transform::from_scale(0.75, 0.75);
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    pixmap
}

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tldraw");
    folder.join(name).with_extension("png")
}

/// Pixels may differ a little (other versions of the renderer), and 20 of each shape's more; a line
/// that is missing, moved or of another colour is far beyond that.
fn assert_golden(name: &str, picture: &tiny_skia::Pixmap) {
    let path = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save_png(&path).unwrap();
    }
    let wanted = tiny_skia::Pixmap::load_png(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; UPDATE_GOLDEN=1 makes it", path.display());
    });
    let size = |pixmap: &tiny_skia::Pixmap| (pixmap.width(), pixmap.height());
    assert_eq!(size(picture), size(&wanted), "{name}");
    let columns = picture.width() / CELL.0;
    let mut off = vec![0; (columns * picture.height() / CELL.1) as usize];
    let pixels = |pixmap: &tiny_skia::Pixmap| {
        pixmap
            .data()
            .chunks_exact(4)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    for (n, (a, b)) in (0u32..).zip(pixels(picture).iter().zip(pixels(&wanted))) {
        if a.iter().zip(b).any(|(a, b)| a.abs_diff(b) > 40) {
            let (x, y) = (n % picture.width(), n / picture.width());
            off[(y / CELL.1 * columns + x / CELL.0) as usize] += 1;
        }
    }
    assert!(
        off.iter().all(|&off| off <= 20),
        "{name}: so many pixels of each shape differ: {off:?}"
    );
}

fn v1(kind: &str, style: Value, rest: Value) -> Value {
    let mut shape = json!({"id": format!("{kind}-1"), "type": kind, "parentId": "1",
        "childIndex": 1, "point": [20, 20], "rotation": 0,
        "style": {"color": "blue", "size": "small", "dash": "draw", "font": "script", "scale": 1,
            "textAlign": "start", "isFilled": false}});
    merge(&mut shape["style"], style);
    merge(&mut shape, rest);
    shape
}

fn v2(kind: &str, props: Value) -> Value {
    json!({"id": format!("shape:{kind}1"), "type": kind, "parentId": "page:1", "index": "a1",
        "x": 20, "y": 20, "rotation": 0, "opacity": 1, "props": props})
}

fn merge(into: &mut Value, from: Value) {
    let into = into.as_object_mut().unwrap();
    into.extend(from.as_object().unwrap().clone());
}

fn wave() -> Vec<(f64, f64)> {
    let wave = |n: u32| (f64::from(n) * 6.0, 20.0 + 20.0 * (f64::from(n) / 3.0).sin());
    (0..20).map(wave).collect()
}

#[test]
fn shapes_of_the_first_generation_look_as_they_should() {
    let points: Vec<Value> = wave().iter().map(|(x, y)| json!([x, y, 0.5])).collect();
    let bent = json!({"bend": 0.6, "handles": {"start": {"point": [0, 40]},
        "end": {"point": [110, 40]}, "bend": {"point": [55, 7]}},
        "decorations": {"end": "arrow"}, "label": "", "id": "arrow-1"});
    let mut straight = bent.clone();
    straight["bend"] = json!(0);
    straight["handles"]["bend"]["point"] = json!([55, 40]);
    straight["label"] = json!("on");
    for (name, shape) in [
        (
            "v1-draw",
            v1(
                "draw",
                json!({"size": "medium"}),
                json!({"points": points, "isComplete": true}),
            ),
        ),
        (
            "v1-draw-dashed",
            v1("draw", json!({"dash": "dashed"}), json!({"points": points})),
        ),
        (
            "v1-dot",
            v1(
                "draw",
                json!({"size": "large"}),
                json!({"points": [[0, 0, 0.5]]}),
            ),
        ),
        (
            "v1-rectangle",
            v1(
                "rectangle",
                json!({"isFilled": true}),
                json!({"size": [110, 70], "label": "Label"}),
            ),
        ),
        (
            "v1-rectangle-dotted",
            v1(
                "rectangle",
                json!({"dash": "dotted", "color": "red"}),
                json!({"size": [110, 70]}),
            ),
        ),
        (
            "v1-poll",
            v1(
                "rectangle",
                json!({"color": "white", "isFilled": true, "dash": "solid", "font": "mono", "scale": 0.5}),
                json!({"size": [120, 70], "label": "A: 1 ||| 75%\nB: 0 | 25%\n", "name": "poll-result-x"}),
            ),
        ),
        (
            "v1-ellipse",
            v1(
                "ellipse",
                json!({"color": "orange", "size": "medium"}),
                json!({"radius": [55, 35]}),
            ),
        ),
        (
            "v1-ellipse-dashed",
            v1(
                "ellipse",
                json!({"dash": "dashed"}),
                json!({"radius": [55, 35]}),
            ),
        ),
        (
            "v1-triangle",
            v1(
                "triangle",
                json!({"color": "green", "isFilled": true}),
                json!({"size": [110, 80], "rotation": 0.3}),
            ),
        ),
        ("v1-arrow", v1("arrow", json!({"color": "red"}), bent)),
        (
            "v1-arrow-label",
            v1("arrow", json!({"dash": "solid"}), straight),
        ),
        (
            "v1-text",
            v1(
                "text",
                json!({"font": "sans"}),
                json!({"text": "Grüße\nfi"}),
            ),
        ),
        (
            "v1-sticky",
            v1(
                "sticky",
                json!({"color": "yellow"}),
                json!({"size": [110, 80], "text": "A note that wraps"}),
            ),
        ),
    ] {
        assert_golden(name, &picture(&shape, &[], Dialect::V1));
    }
}

#[test]
fn shapes_of_the_second_generation_look_as_they_should() {
    let points: Vec<Value> = wave()
        .iter()
        .map(|(x, y)| json!({"x": x, "y": y, "z": 0.5}))
        .collect();
    let free = json!([{"type": "free", "points": points}]);
    let straight =
        json!([{"type": "straight", "points": [{"x": 0, "y": 20}, {"x": 110, "y": 40}]}]);
    let handles = json!({"start": {"type": "vertex", "index": "a1", "x": 0, "y": 0},
        "end": {"type": "vertex", "index": "a3", "x": 110, "y": 20},
        "between": {"type": "vertex", "index": "a2", "x": 60, "y": 60}});
    let arrow = json!({"color": "violet", "size": "m", "dash": "draw", "fill": "none", "bend": 30,
        "start": {"type": "point", "x": 0, "y": 10}, "end": {"type": "point", "x": 110, "y": 20},
        "arrowheadStart": "dot", "arrowheadEnd": "arrow", "text": "", "font": "draw"});
    let mut labelled = arrow.clone();
    merge(
        &mut labelled,
        json!({"bend": 0, "text": "on", "arrowheadEnd": "triangle", "fill": "solid"}),
    );
    let mut shapes = vec![
        (
            "v2-draw".to_owned(),
            v2(
                "draw",
                json!({"segments": free, "color": "blue", "dash": "draw", "size": "l", "isComplete": true}),
            ),
        ),
        (
            "v2-draw-dotted".into(),
            v2(
                "draw",
                json!({"segments": free, "color": "red", "dash": "dotted", "size": "m"}),
            ),
        ),
        (
            "v2-highlight".into(),
            v2(
                "highlight",
                json!({"segments": straight, "color": "yellow", "size": "m", "isComplete": true}),
            ),
        ),
        (
            "v2-line".into(),
            v2(
                "line",
                json!({"handles": handles, "spline": "line", "dash": "draw", "size": "m", "color": "red"}),
            ),
        ),
        (
            "v2-line-cubic".into(),
            v2(
                "line",
                json!({"handles": handles, "spline": "cubic", "dash": "draw", "size": "l", "color": "green"}),
            ),
        ),
        ("v2-arrow".into(), v2("arrow", arrow)),
        ("v2-arrow-label".into(), v2("arrow", labelled)),
        (
            "v2-text".into(),
            v2(
                "text",
                json!({"text": "Grüße\nfi", "font": "sans", "size": "m", "color": "red", "align": "end", "autoSize": true, "scale": 1.2}),
            ),
        ),
        (
            "v2-text-wrapped".into(),
            v2(
                "text",
                json!({"text": "wraps at its width", "font": "serif", "size": "s", "color": "black", "align": "middle", "autoSize": false, "w": 90, "scale": 1}),
            ),
        ),
        (
            "v2-note".into(),
            v2(
                "note",
                json!({"text": "A note", "font": "draw", "size": "m", "color": "light-blue", "align": "middle", "verticalAlign": "middle"}),
            ),
        ),
        ("v2-frame".into(), {
            let mut frame = v2("frame", json!({"w": 110, "h": 50, "name": "Frame"}));
            frame["y"] = json!(55);
            frame
        }),
        (
            "v2-poll".into(),
            v2(
                "poll",
                json!({"w": 130, "h": 95, "color": "black", "questionText": "", "answers": [{"key": "A", "numVotes": 3}, {"key": "B", "numVotes": 1}]}),
            ),
        ),
    ];
    let looks = [
        ("draw", "none"),
        ("solid", "solid"),
        ("dashed", "pattern"),
        ("dotted", "semi"),
    ];
    for (n, geo) in [
        "rectangle",
        "ellipse",
        "triangle",
        "diamond",
        "pentagon",
        "hexagon",
        "octagon",
        "star",
        "cloud",
        "oval",
        "rhombus",
        "rhombus-2",
        "trapezoid",
        "arrow-right",
        "arrow-left",
        "arrow-up",
        "arrow-down",
        "x-box",
        "check-box",
    ]
    .into_iter()
    .enumerate()
    {
        let (dash, fill) = looks[n % 4];
        shapes.push((format!("v2-geo-{geo}"), v2("geo", json!({"geo": geo, "w": 110, "h": 70,
            "color": "violet", "labelColor": "black", "size": "m", "font": "mono", "text": if n == 0 { "Label" } else { "" },
            "dash": dash, "fill": fill, "align": "middle", "verticalAlign": "middle"}))));
    }
    for (name, shape) in shapes {
        assert_golden(&name, &picture(&shape, &[], Dialect::V2));
    }
}

#[test]
fn what_a_frame_or_group_holds_lies_in_its_space() {
    let mut frame = v2("frame", json!({"w": 100, "h": 60, "name": "f"}));
    frame["id"] = json!("shape:f");
    frame["rotation"] = json!(0.1);
    let mut held = v2(
        "geo",
        json!({"geo": "ellipse", "w": 90, "h": 60, "color": "red", "fill": "solid", "dash": "solid", "size": "l"}),
    );
    held["parentId"] = json!("shape:f");
    held["opacity"] = json!(0.5);
    assert_golden("v2-held", &picture(&held, &[&frame], Dialect::V2));
}

#[test]
fn what_cannot_be_drawn_says_why() {
    for (shape, dialect, why) in [
        (json!({}), Dialect::V1, "place"),
        (
            json!({"type": "mystery", "point": [0, 0]}),
            Dialect::V1,
            "unknown type `mystery`",
        ),
        (
            json!({"type": "draw", "point": [0, 0], "points": []}),
            Dialect::V1,
            "no points",
        ),
        (
            json!({"type": "draw", "point": [0, 0], "points": [[1e300, 0]]}),
            Dialect::V1,
            "beyond any slide",
        ),
        (
            json!({"type": "rectangle", "point": [0, 0], "size": [0, 0]}),
            Dialect::V1,
            "no extent",
        ),
        (
            json!({"type": "rectangle", "point": ["x", 0], "size": [1, 1]}),
            Dialect::V1,
            "place",
        ),
        (
            json!({"type": "arrow", "point": [0, 0]}),
            Dialect::V1,
            "ends",
        ),
        (json!({"type": "geo"}), Dialect::V2, "no props"),
        (
            json!({"type": "geo", "props": {"geo": "blob"}}),
            Dialect::V2,
            "unknown figure `blob`",
        ),
        (
            json!({"type": "geo", "props": {"geo": "star", "w": 0, "h": 0}}),
            Dialect::V2,
            "no extent",
        ),
        (
            json!({"type": "geo", "x": 1e9, "props": {"geo": "star"}}),
            Dialect::V2,
            "its x",
        ),
        (
            json!({"type": "line", "props": {"handles": {}}}),
            Dialect::V2,
            "two points",
        ),
        (
            json!({"type": "draw", "props": {"segments": [{"points": [{"x": null}]}]}}),
            Dialect::V2,
            "no point",
        ),
        (
            json!({"type": "image", "props": {}}),
            Dialect::V2,
            "does not hold",
        ),
    ] {
        let told = drawn(&shape, &[], dialect).unwrap_err().why;
        assert!(told.contains(why), "{shape}: {told}");
    }
}

#[test]
fn too_many_points_are_refused_at_once() {
    let points: Vec<Value> = (0..60_000)
        .map(|n| json!([n % 1000, n % 700, 0.5]))
        .collect();
    let shape = v1("draw", json!({}), json!({"points": points}));
    assert!(
        drawn(&shape, &[], Dialect::V1)
            .unwrap_err()
            .why
            .contains("points")
    );
}
