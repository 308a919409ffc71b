//! All that a shape's style can say, many small shapes on one picture.

use resvg::tiny_skia::{Pixmap, PixmapPaint, Transform};
use serde_json::{Value, json};

use super::{CELL, Dialect, assert_golden, merge, picture, v1, v2, wave};

/// Holds the shapes, drawn in rows of `columns`, against one picture.
fn assert_sheet(name: &str, columns: usize, shapes: &[Value], tied: &[&Value], dialect: Dialect) {
    let rows = shapes.len().div_ceil(columns);
    let (width, height) = (columns as u32 * CELL.0, rows as u32 * CELL.1);
    let mut sheet = Pixmap::new(width, height).unwrap();
    for (n, shape) in shapes.iter().enumerate() {
        let cell = picture(shape, tied, dialect);
        let (x, y) = (n % columns * CELL.0 as usize, n / columns * CELL.1 as usize);
        sheet.draw_pixmap(
            x as i32,
            y as i32,
            cell.as_ref(),
            &PixmapPaint::default(),
            Transform::identity(),
            None,
        );
    }
    assert_golden(name, &sheet);
}

const V1_COLOURS: [&str; 11] = [
    "black", "gray", "white", "blue", "cyan", "indigo", "violet", "green", "yellow", "orange",
    "red",
];

fn box1(style: Value, rest: Value) -> Value {
    let mut more = json!({"size": [100, 70]});
    merge(&mut more, rest);
    v1("rectangle", style, more)
}

fn arrow1(bend: f64, decorations: &Value, style: Value) -> Value {
    let middle = [50.0, 35.0 - bend * 55.0];
    let handles = json!({"start": {"point": [0, 35]}, "end": {"point": [100, 35]},
        "bend": {"point": middle}});
    let more = json!({"bend": bend, "handles": handles, "decorations": decorations});
    v1("arrow", style, more)
}

#[test]
fn styles_of_the_first_generation() {
    let sheet = |name: &str, columns, shapes: Vec<Value>| {
        assert_sheet(name, columns, &shapes, &[], Dialect::V1);
    };
    let coloured = |filled: bool| {
        V1_COLOURS.map(|colour| box1(json!({"color": colour, "isFilled": filled}), json!({})))
    };
    sheet(
        "v1-colours",
        6,
        coloured(false).into_iter().chain(coloured(true)).collect(),
    );

    let outlines = ["draw", "solid", "dashed", "dotted"]
        .into_iter()
        .flat_map(|dash| {
            let style = json!({"dash": dash, "size": "medium"});
            let points: Vec<Value> = wave().iter().map(|(x, y)| json!([x, y, 0.5])).collect();
            [
                box1(style.clone(), json!({})),
                v1("ellipse", style.clone(), json!({"radius": [50, 35]})),
                v1("triangle", style.clone(), json!({"size": [100, 70]})),
                arrow1(0.4, &json!({"end": "arrow"}), style.clone()),
                v1("draw", style, json!({"points": points, "isComplete": true})),
            ]
        });
    sheet("v1-dashes", 5, outlines.collect());

    let arrows = [0.0, 0.5, -0.8].into_iter().flat_map(|bend| {
        [
            json!({}),
            json!({"start": "arrow"}),
            json!({"end": "arrow"}),
            json!({"start": "arrow", "end": "arrow"}),
        ]
        .map(|decorations| arrow1(bend, &decorations, json!({"color": "red"})))
    });
    sheet("v1-arrows", 4, arrows.collect());

    let texts = ["script", "sans", "serif", "mono"]
        .into_iter()
        .flat_map(|font| {
            ["small", "medium", "large"].map(|size| {
                let style = json!({"font": font, "size": size});
                v1("text", style, json!({"text": "Ab é"}))
            })
        });
    sheet("v1-fonts", 3, texts.collect());

    let labels = ["script", "sans", "serif", "mono"].map(|font| {
        box1(
            json!({"font": font}),
            json!({"label": "On it", "labelPoint": [0.5, 0.5]}),
        )
    });
    let notes = ["start", "middle", "end", "justify"].map(|align| {
        let style = json!({"color": "green", "textAlign": align});
        v1(
            "sticky",
            style,
            json!({"size": [110, 80], "text": "Two words"}),
        )
    });
    let turned = [
        box1(json!({"isFilled": true}), json!({"rotation": 0.5})),
        v1(
            "text",
            json!({}),
            json!({"text": "Turned", "rotation": -0.4, "point": [20, 50]}),
        ),
        v1(
            "ellipse",
            json!({}),
            json!({"radius": [50, 25], "rotation": 1.0}),
        ),
        box1(json!({"scale": 0.5}), json!({"label": "Half"})),
    ];
    sheet(
        "v1-labels",
        4,
        labels.into_iter().chain(notes).chain(turned).collect(),
    );
}

const V2_COLOURS: [&str; 13] = [
    "black",
    "grey",
    "light-violet",
    "violet",
    "blue",
    "light-blue",
    "yellow",
    "orange",
    "green",
    "light-green",
    "light-red",
    "red",
    "white",
];

fn geo(more: Value) -> Value {
    let mut props = json!({"geo": "rectangle", "w": 110, "h": 80, "color": "violet",
        "labelColor": "black", "size": "m", "font": "draw", "text": "", "dash": "draw",
        "fill": "none", "align": "middle", "verticalAlign": "middle"});
    merge(&mut props, more);
    v2("geo", props)
}

fn arrow2(more: Value) -> Value {
    let mut props = json!({"color": "black", "labelColor": "black", "size": "m", "dash": "draw",
        "fill": "none", "bend": 0, "text": "", "font": "draw", "arrowheadStart": "none",
        "arrowheadEnd": "arrow", "start": {"type": "point", "x": 0, "y": 40},
        "end": {"type": "point", "x": 110, "y": 40}});
    merge(&mut props, more);
    v2("arrow", props)
}

#[test]
fn styles_of_the_second_generation() {
    let sheet = |name: &str, columns, shapes: Vec<Value>| {
        assert_sheet(name, columns, &shapes, &[], Dialect::V2);
    };
    let coloured = ["semi", "solid", "pattern"].into_iter().flat_map(|fill| {
        V2_COLOURS.map(|colour| geo(json!({"color": colour, "fill": fill, "dash": "solid"})))
    });
    sheet("v2-colours", 13, coloured.collect());

    let dashed = ["draw", "solid", "dashed", "dotted"]
        .into_iter()
        .flat_map(|dash| {
            ["s", "m", "l", "xl"].map(|size| {
                geo(json!({"geo": "ellipse", "dash": dash, "size": size, "fill": "semi"}))
            })
        });
    sheet("v2-dashes", 4, dashed.collect());

    let heads = [
        "none", "arrow", "triangle", "square", "dot", "pipe", "diamond", "inverted", "bar",
    ];
    let heads = heads.into_iter().flat_map(|head| {
        let both = json!({"arrowheadStart": head, "arrowheadEnd": head});
        let mut bent = both.clone();
        merge(
            &mut bent,
            json!({"bend": 35, "fill": "solid", "size": "l", "color": "red"}),
        );
        [arrow2(both), arrow2(bent)]
    });
    sheet("v2-arrowheads", 6, heads.collect());

    let fonts = ["draw", "sans", "serif", "mono"]
        .into_iter()
        .flat_map(|font| {
            ["s", "m", "l", "xl"].map(|size| {
                v2(
                    "text",
                    json!({"text": "Ab é", "font": font, "size": size, "color": "blue",
                "align": "start", "autoSize": true, "scale": 1}),
                )
            })
        });
    sheet("v2-fonts", 4, fonts.collect());

    let labels = ["start", "middle", "end"].into_iter().flat_map(|vertical| {
        ["start", "middle", "end"].map(|align| {
            let more = json!({"text": "Two words", "size": "s", "align": align, "verticalAlign": vertical});
            geo(more)
        })
    });
    sheet("v2-labels", 3, labels.collect());

    let segments = wave()
        .iter()
        .map(|(x, y)| json!({"x": x, "y": y, "z": 0.5}))
        .collect::<Vec<_>>();
    let segments = json!([{"type": "free", "points": segments}]);
    let handles = json!({"start": {"type": "vertex", "index": "a1", "x": 0, "y": 0},
        "end": {"type": "vertex", "index": "a3", "x": 110, "y": 20},
        "between": {"type": "vertex", "index": "a2", "x": 60, "y": 60}});
    let strokes = ["draw", "solid", "dashed", "dotted"].into_iter().flat_map(|dash| {
        let stroke = json!({"color": "red", "size": "m", "dash": dash, "fill": "none"});
        let with = |kind: &str, more: Value| {
            let mut props = stroke.clone();
            merge(&mut props, more);
            v2(kind, props)
        };
        [
            with("draw", json!({"segments": segments, "isComplete": true})),
            with("draw", json!({"segments": segments, "isComplete": true, "isClosed": true, "fill": "semi"})),
            with("line", json!({"handles": handles, "spline": "line"})),
            with("line", json!({"handles": handles, "spline": "cubic"})),
            arrow2(json!({"dash": dash, "bend": -30})),
        ]
    });
    sheet("v2-strokes", 5, strokes.collect());

    let mut clear = geo(json!({"fill": "solid", "dash": "solid"}));
    clear["opacity"] = json!(0.25);
    let mut turned = geo(json!({"text": "Turned", "size": "s"}));
    merge(&mut turned, json!({"rotation": 0.5, "x": 60, "y": 0}));
    let note = |colour: &str, align: &str| {
        let mut note = v2(
            "note",
            json!({"text": "A few words", "font": "sans", "size": "s",
            "color": colour, "align": align, "verticalAlign": "start"}),
        );
        merge(&mut note, json!({"x": 4, "y": 4}));
        note
    };
    sheet(
        "v2-more",
        5,
        vec![
            clear,
            turned,
            note("green", "start"),
            note("black", "end"),
            arrow2(json!({"text": "A label on it", "bend": 40, "size": "s"})),
        ],
    );
}

#[test]
fn groups_and_bound_arrows() {
    let mut group = v2("group", json!({}));
    merge(
        &mut group,
        json!({"id": "shape:g", "rotation": 0.3, "x": 40, "y": 5}),
    );
    let mut held = geo(json!({"geo": "star", "w": 80, "h": 70, "fill": "solid"}));
    merge(&mut held, json!({"parentId": "shape:g", "x": 10, "y": 5}));
    assert_sheet("v2-group", 1, &[held], &[&group], Dialect::V2);

    let mut target = geo(json!({"geo": "ellipse", "w": 60, "h": 60}));
    merge(&mut target, json!({"id": "shape:t", "x": 95, "y": 40}));
    let bound = |exact: bool, bend: i32| {
        arrow2(
            json!({"bend": bend, "end": {"type": "binding", "boundShapeId": "shape:t",
            "normalizedAnchor": {"x": 0.5, "y": 0.5}, "isExact": exact}}),
        )
    };
    let arrows = [
        bound(false, 0),
        bound(true, 0),
        bound(false, 40),
        bound(false, -40),
    ];
    assert_sheet("v2-bound", 4, &arrows, &[&target], Dialect::V2);

    let mut group = v1(
        "group",
        json!({}),
        json!({"size": [100, 70], "children": ["rectangle-1"]}),
    );
    group["id"] = json!("g");
    let mut held = box1(json!({"color": "green"}), json!({}));
    held["parentId"] = json!("g");
    assert_sheet("v1-group", 1, &[held], &[&group], Dialect::V1);
}
