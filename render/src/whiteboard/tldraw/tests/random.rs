//! Shapes of random JSON: whatever is in them, nothing breaks.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Dialect, drawn, v1, v2};

/// Any JSON, but likely with the names that shapes have.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "id",
        "type",
        "props",
        "x",
        "y",
        "rotation",
        "opacity",
        "parentId",
        "w",
        "h",
        "text",
        "size",
        "radius",
        "point",
        "points",
        "segments",
        "handles",
        "start",
        "end",
        "bend",
        "style",
        "dash",
        "fill",
        "color",
        "font",
        "scale",
        "geo",
        "label",
        "labelPoint",
        "answers",
        "numVotes",
        "key",
        "isFilled",
        "isClosed",
        "z",
        "align",
        "spline",
        "arrowheadEnd",
        "boundShapeId",
        "name",
    ]);
    let word = prop::sample::select(vec![
        "draw",
        "highlight",
        "geo",
        "line",
        "arrow",
        "text",
        "note",
        "frame",
        "poll",
        "rectangle",
        "ellipse",
        "triangle",
        "sticky",
        "cloud",
        "star",
        "oval",
        "x-box",
        "dashed",
        "dotted",
        "solid",
        "pattern",
        "cubic",
        "free",
        "straight",
        "point",
        "binding",
        "xl",
        "large",
        "mono",
        "shape:a",
        "",
        "two words\nand a line",
    ]);
    let leaf = prop_oneof![
        any::<f64>().prop_map(|n| json!(n)),
        (-300.0..300.0f64).prop_map(|n| json!(n)),
        (0..3i32).prop_map(|n| json!(n)),
        any::<bool>().prop_map(|b| json!(b)),
        word.prop_map(|w| json!(w)),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..10)
                .prop_map(|pairs| { pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() }),
        ]
    })
}

/// A shape that is right but for one value somewhere.
fn nearly_right() -> impl Strategy<Value = (Value, Dialect)> {
    let points = json!([{"x": 0, "y": 0, "z": 0.5}, {"x": 9, "y": 40}, {"x": 50, "y": 7}, {"x": 90, "y": 60}]);
    let lists = json!([[0, 0, 0.5], [9, 40, 0.5], [50, 7, 0.5], [90, 60, 0.5]]);
    let second = json!({"geo": "star", "w": 90, "h": 50, "text": "some words", "size": "m", "dash": "draw",
        "fill": "pattern", "font": "draw", "segments": [{"type": "free", "points": points}], "handles": points,
        "spline": "cubic", "start": {"type": "point", "x": 0, "y": 0}, "end": {"type": "point", "x": 70, "y": 30},
        "bend": 20, "arrowheadStart": "diamond", "arrowheadEnd": "arrow", "scale": 1, "name": "n",
        "answers": [{"key": "a", "numVotes": 2}], "questionText": "q", "autoSize": false});
    let first = json!({"size": [90, 50], "radius": [40, 30], "points": lists, "label": "words", "text": "words",
        "bend": 0.4, "handles": {"start": {"point": [0, 0]}, "end": {"point": [70, 30]}, "bend": {"point": [40, 0]}},
        "decorations": {"end": "arrow"}, "labelPoint": [0.5, 0.5]});
    let second_kinds = vec![
        "draw",
        "highlight",
        "geo",
        "line",
        "arrow",
        "text",
        "note",
        "frame",
        "poll",
    ];
    let first_kinds = vec![
        "draw",
        "rectangle",
        "ellipse",
        "triangle",
        "arrow",
        "text",
        "sticky",
    ];
    let second = (
        prop::sample::select(second_kinds),
        prop::sample::select(
            second
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
        ),
        any_json(),
    )
        .prop_map(move |(kind, key, value)| {
            let mut shape = v2(kind, second.clone());
            shape["props"][key] = value;
            (shape, Dialect::V2)
        });
    let first = (
        prop::sample::select(first_kinds),
        prop::sample::select(
            first
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
        ),
        any_json(),
    )
        .prop_map(move |(kind, key, value)| {
            let mut shape = v1(kind, json!({}), first.clone());
            shape[key] = value;
            (shape, Dialect::V1)
        });
    prop_oneof![first, second]
}

/// Whatever is drawn can be read back, and soon.
fn assert_readable(shape: &Value, tied: &[&Value], dialect: Dialect) {
    if let Ok(fragment) = drawn(shape, tied, dialect) {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg">{}</svg>"#,
            fragment.svg
        );
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{shape}: {svg}");
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{shape}: {svg}"
        );
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(shape in any_json(), other in any_json()) {
        for dialect in [Dialect::V1, Dialect::V2] {
            assert_readable(&shape, &[&other, &shape], dialect);
        }
    }

    #[test]
    fn no_wrong_value_makes_it_panic((shape, dialect) in nearly_right()) {
        assert_readable(&shape, &[&shape], dialect);
    }
}
