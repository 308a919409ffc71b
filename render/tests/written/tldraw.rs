//! Shapes of `tldraw.json`, of both generations.

use serde_json::{Value, json};

/// The file: shapes that stand on the first slide, each with the second it appears at.
pub(crate) fn file(version: &str, shapes: &[(f64, Value)]) -> String {
    let list: Vec<Value> = (1..)
        .zip(shapes)
        .map(|(n, (at, shape))| json!({"id": n, "timestamp": at, "undo": -1, "shape_data": shape}))
        .collect();
    json!({"bbb_version": version, "1": {"shapes": list, "timestamp": 0.0}}).to_string()
}

/// A shape of the first generation: `more` is what its type has besides place and style.
pub(crate) fn v1(kind: &str, n: u32, point: [i32; 2], style: Value, more: Value) -> Value {
    let mut shape = json!({
        "id": format!("{kind}{n}"), "type": kind, "name": kind, "parentId": "1", "childIndex": n,
        "point": point, "rotation": 0,
        "style": {
            "size": "small", "color": "blue", "textAlign": "start", "font": "script",
            "dash": "draw", "scale": 1, "isFilled": false
        },
    });
    add(&mut shape["style"], style);
    add(&mut shape, more);
    shape
}

/// A shape of the second generation: `more` replaces what every shape has.
pub(crate) fn v2(kind: &str, n: u32, (x, y): (i32, i32), props: Value, more: Value) -> Value {
    let mut shape = json!({
        "id": format!("shape:{kind}{n}"), "type": kind, "parentId": "page:1", "x": x, "y": y,
        "index": format!("a{n}"), "rotation": 0, "isLocked": false, "opacity": 1, "meta": {},
        "typeName": "shape",
        "props": {"color": "blue", "size": "m", "dash": "draw", "fill": "none", "font": "draw"},
    });
    let geo = json!({
        "labelColor": "black", "text": "", "align": "middle", "verticalAlign": "middle",
        "growY": 0, "url": ""
    });
    if kind == "geo" || kind == "note" {
        add(&mut shape["props"], geo);
    }
    add(&mut shape["props"], props);
    add(&mut shape, more);
    shape
}

fn add(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}
