//! Golden frames: small recordings of each generation, painted and held against pictures in
//! `golden/` that a human has looked at.
//!
//! A frame passes when at most 2 pixels in 1,000 differ by more than 40 of 255 levels in any
//! channel: fonts and soft edges may vary a little with the versions of libraries, shapes may not.
//! `GOLDEN=write cargo test --test golden` writes the pictures anew; look at them before
//! committing them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use render::fonts::Fonts;
use render::geometry::{Rgb, Size};
use render::raster::Painter;
use render::source::Source;
use render::time::Millis;
use render::timeline::Timeline;
use resvg::tiny_skia::{IntSize, Pixmap};
use serde_json::{Value, json};

mod written;
use written::tldraw::{v1, v2};
use written::{Shape, Written, shape, tldraw};

const SIZE: Size = Size {
    width: 480,
    height: 270,
};
const LEVELS: u8 = 40;
const PER_THOUSAND: usize = 2;

fn golden(name: &str, recording: &Written, seconds: &[f64]) {
    let source = Arc::new(Source::open(recording.done()).unwrap());
    let timeline = Arc::new(Timeline::read(&source).unwrap());
    let fonts = Arc::new(Fonts::system());
    let mut painter =
        Painter::new(Arc::clone(&timeline), source, SIZE, Rgb::PLAYER, fonts).unwrap();
    for &t in seconds {
        painter.paint(Millis::from_seconds(t).unwrap(), &mut Vec::new());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let path = folder.join(format!("{name}-{t}.png"));
        if std::env::var_os("GOLDEN").is_some() {
            let size = IntSize::from_wh(SIZE.width, SIZE.height).unwrap();
            Pixmap::from_vec(painter.pixels().to_vec(), size)
                .unwrap()
                .save_png(&path)
                .unwrap();
        }
        let wanted = Pixmap::load_png(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let differ = wanted
            .data()
            .chunks(4)
            .zip(painter.pixels().chunks(4))
            .filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > LEVELS))
            .count();
        let most = (SIZE.width * SIZE.height) as usize * PER_THOUSAND / 1000;
        if differ > most {
            let size = IntSize::from_wh(SIZE.width, SIZE.height).unwrap();
            let seen = std::env::temp_dir().join(format!("{name}-{t}.png"));
            Pixmap::from_vec(painter.pixels().to_vec(), size)
                .unwrap()
                .save_png(&seen)
                .unwrap();
            panic!(
                "{name} at {t}: {differ} pixels differ, see {}",
                seen.display()
            );
        }
    }
    assert_eq!(timeline.warnings.list(), []);
}

fn text(name: &'static str, at: f64, size: &'static str, inner: &'static str) -> Shape<'static> {
    shape(name, at, size, inner)
}

#[test]
fn shapes_of_0_9() {
    let written = Written::new(40.0);
    let slide = written.png("slide-1.png", 1600, 1200);
    let pencil = "stroke:#0000ff; stroke-width:6; stroke-linecap: round; ";
    let line = "stroke:#ff0000; stroke-width:3; fill:none";
    let shapes = [
        shape(
            "line1",
            1.0,
            pencil,
            r#"<line x1="200" y1="900" x2="300" y2="800"/><line x1="300" y1="800" x2="400" y2="950"/>"#,
        ),
        shape(
            "line1",
            2.0,
            line,
            r#"<line x1="300" y1="200" x2="500" y2="400"/>"#,
        ),
        shape(
            "line1",
            3.0,
            line,
            r#"<line x1="300" y1="200" x2="900" y2="400"/>"#,
        ),
        shape(
            "rect1",
            4.0,
            line,
            r#"<rect x="1000" y="200" width="300" height="240"/>"#,
        ),
        shape(
            "ellipse1",
            5.0,
            line,
            r#"<ellipse cx="700" cy="800" rx="200" ry="120"/>"#,
        ),
        shape(
            "ellipse1",
            6.0,
            line,
            r#"<circle cx="700" cy="800" r="160"/>"#,
        ),
        shape(
            "triangle1",
            7.0,
            line,
            r#"<polyline points="1200,600 1050,900 1350,900 1200,600"/>"#,
        ),
        text(
            "text1",
            8.0,
            "font-family: Arial; font-size: 70px;",
            r##"<switch><foreignObject color="#008000" width="700" height="200" x="300" y="500"><p xmlns="http://www.w3.org/1999/xhtml">Été 1
2</p></foreignObject></switch>"##,
        ),
    ];
    let written = written
        .slide("image1", "0 30", &slide, 1600, 1200)
        .canvas("image1", &shapes)
        .view(20.0, "400.0 300.0 800.0 600.0")
        .pointer(10.0, "400.0 300.0");
    golden("bbb-0.9", &written, &[2.5, 10.5, 35.0]);
}

#[test]
fn shapes_of_1_1() {
    let written = Written::new(40.0);
    let slide = written.png("slide-1.png", 1600, 900);
    let poll = written.file(
        "presentation/poll.svg",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="400" viewBox="0 0 100 400"><rect width="100" height="400" fill="#ffffff"/><rect x="20" y="20" width="60" height="300" fill="#3060c0"/></svg>"##,
    );
    let poll = format!(
        r#"<rect x="900" y="600" width="600" height="160" fill="white" stroke="black" stroke-width="4"/><image xlink:href="{poll}" height="600" width="160" x="1500" y="600" transform="rotate(90, 1500, 600)"/>"#
    );
    let line = "stroke:#ff0000; stroke-linejoin: round; stroke-width:5; fill:none";
    let shapes = [
        shape(
            "line1",
            1.0,
            "stroke:#0000ff; stroke-linecap: round; stroke-width:6; fill: none;",
            r#"<polyline points="200,700 300,600 400,750 500,650"/>"#,
        ),
        shape(
            "line1",
            2.0,
            line,
            r#"<line x1="300" y1="200" x2="900" y2="400"/>"#,
        ),
        shape(
            "rect1",
            3.0,
            line,
            r#"<polygon points="1000,100 1300,100 1300,300 1000,300"/>"#,
        ),
        shape(
            "ellipse1",
            4.0,
            line,
            r#"<path d="M500 500A80 30 0 0 1 580 470A80 30 0 0 1 660 500A80 30 0 0 1 580 530A80 30 0 0 1 500 500Z"/>"#,
        ),
        shape(
            "triangle1",
            5.0,
            line,
            r#"<polygon points="1000,400 900,550 1100,550"/>"#,
        ),
        Shape {
            undo: 20.0,
            ..shape("poll_result1", 6.0, "", &poll)
        },
    ];
    let written = written
        .slide("image1", "0", &slide, 1600, 900)
        .canvas("image1", &shapes);
    golden("bbb-1.1", &written, &[10.0, 21.0]);
}

#[test]
fn shapes_of_2() {
    let written = Written::new(40.0);
    let (wide, tall) = (
        written.png("slide-1.png", 1600, 1200),
        written.png("slide-2.png", 1131, 1600),
    );
    let poll = written.file(
        "presentation/poll_result9.svg",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="400pt" height="100pt" viewBox="0 0 400 100"><rect width="400" height="100" fill="#ffffff"/><rect x="60" y="20" width="300" height="60" fill="#30a060"/></svg>"##,
    );
    let poll =
        format!(r#"<image width="400" height="100" x="1100" y="1050" xlink:href="{poll}"/>"#);
    let pencil =
        "stroke:#0000ff;stroke-linecap:round;stroke-linejoin:round;stroke-width:12;fill:none";
    let line = "stroke:#ff0000;stroke-width:12;fill:none";
    let shapes = [
        shape(
            "image1-pencil1",
            1.0,
            "stroke:none;fill:#0000ff",
            r#"<circle cx="200" cy="500" r="6"/>"#,
        ),
        shape(
            "image1-pencil1",
            2.0,
            pencil,
            r#"<path d="M200 500L300 400L400 600"/>"#,
        ),
        shape(
            "image1-pencil1",
            3.0,
            pencil,
            r#"<path d="M200 500C250 400,280 400,300 400C330 400,380 560,400 600"/>"#,
        ),
        Shape {
            undo: 12.0,
            ..shape(
                "image1-line2",
                4.0,
                line,
                r#"<line x1="300" y1="200" x2="900" y2="400"/>"#,
            )
        },
        shape(
            "image1-rect3",
            5.0,
            "stroke:#800080;stroke-width:12;fill:none;stroke-linejoin:miter",
            r#"<path d="M1000 100L1300 100L1300 300L1000 300Z"/>"#,
        ),
        shape(
            "image1-rect4",
            5.5,
            "stroke:#a0a000;stroke-width:12;fill:#a0a000",
            r#"<path d="M1400 100L1500 100L1500 300L1400 300Z"/>"#,
        ),
        shape(
            "image1-triangle5",
            6.0,
            "stroke:#008000;stroke-width:12;fill:none;stroke-linejoin:miter;stroke-miterlimit:8",
            r#"<path d="M1200 500L1350 800L1050 800Z"/>"#,
        ),
        shape(
            "image1-ellipse6",
            7.0,
            line,
            r#"<path d="M600 800A150 80 0 0 1 750 720A150 80 0 0 1 900 800A150 80 0 0 1 750 880A150 80 0 0 1 600 800Z"/>"#,
        ),
        shape(
            "image1-ellipse7",
            7.5,
            line,
            r#"<path d="M600 950A150 0 0 0 1 750 950A150 0 0 0 1 900 950A150 0 0 0 1 750 950A150 0 0 0 1 600 950Z"/>"#,
        ),
        text(
            "image1-text8",
            8.0,
            "color:#ff0000;word-wrap:break-word;font-family:Arial;font-size:64px",
            r#"<switch><foreignObject width="620" height="310" x="100" y="800"><p xmlns="http://www.w3.org/1999/xhtml" style="margin:0;padding:0">Été: a &lt; b &amp; c wraps at the box<br/>שלום Привет<br/>and what is too long is cut off</p></foreignObject></switch>"#,
        ),
        shape("image1-poll9", 9.0, "", &poll),
    ];
    let written = written
        .slide("image1", "0.0", &wide, 1600, 1200)
        .canvas("image1", &shapes)
        .slide("image2", "30.0", &tall, 1131, 1600)
        .view(0.0, "-0.0 -0.0 1600.0 1200.0")
        .view(20.0, "800.0 600.0 800.0 450.0")
        .view(30.0, "0.0 0.0 1131.0 1600.0")
        .pointer(0.0, "-1.0 -1.0")
        .pointer(10.0, "0.4 0.25")
        .pointer(25.0, "-1.0 -1.0");
    golden("bbb-2", &written, &[2.5, 11.0, 13.0, 22.0, 31.0]);
}

#[test]
fn texts_of_1_1_and_fills_of_2_5() {
    let written = Written::new(20.0);
    let slide = written.png("slide-1.png", 1600, 1200);
    let poll = written.file(
        "presentation/poll_result7.svg",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="200" height="500" viewBox="0 0 200 500"><rect width="200" height="500" fill="#ffffff"/><rect x="30" y="30" width="60" height="400" fill="#3060c0"/><rect x="110" y="30" width="60" height="150" fill="#c06030"/></svg>"##,
    );
    let poll = format!(
        r#"<rect x="1000" y="800" width="500" height="200" fill="white" stroke="black" stroke-width="4"/><image xlink:href="{poll}" height="500" width="200" x="1500" y="800" transform="rotate(90, 1500, 800)"/>"#
    );
    let filled =
        "stroke:#008000;stroke-width:8;fill:#008000;stroke-linejoin:miter;stroke-miterlimit:8";
    let shapes = [
        text(
            "image1-text1",
            1.0,
            "word-wrap: break-word; font-family: Arial; font-size: 60px;",
            r##"<switch><foreignObject color="#c000c0" width="600" height="300" x="100" y="100"><p xmlns="http://www.w3.org/1999/xhtml" style="margin-top:0;margin-bottom:0">Été à la plage<br/>a &lt; b, mot-à-mot coupé</p></foreignObject></switch>"##,
        ),
        shape(
            "image1-triangle2",
            2.0,
            filled,
            r#"<path d="M1000 100L1150 400L850 400Z"/>"#,
        ),
        shape(
            "image1-ellipse3",
            3.0,
            filled,
            r#"<path d="M1250 250A120 150 0 0 1 1370 100A120 150 0 0 1 1490 250A120 150 0 0 1 1370 400A120 150 0 0 1 1250 250Z"/>"#,
        ),
        shape(
            "image1-pencil4",
            4.0,
            "stroke:#ff8000;stroke-linecap:round;stroke-linejoin:round;stroke-width:16;fill:none",
            r#"<path d="M150 700Q300 500,450 700T750 700L800 900"/>"#,
        ),
        shape(
            "image1-line5",
            5.0,
            "stroke:#202020;stroke-width:16;stroke-linecap:butt;fill:none",
            r#"<line x1="150" y1="1000" x2="800" y2="1000"/>"#,
        ),
        shape("image1-poll6", 6.0, "", &poll),
    ];
    let written = written
        .slide("image1", "0", &slide, 1600, 1200)
        .canvas("image1", &shapes);
    golden("bbb-more", &written, &[10.0]);
}

fn page(version: &str, shapes: &[(f64, Value)]) -> Written {
    let written = Written::new(40.0);
    let slide = written.file(
        "presentation/slide1.svg",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="720pt" height="540pt" viewBox="0 0 720 540"><rect width="720" height="540" fill="#ffffff"/><rect x="3" y="3" width="714" height="534" fill="none" stroke="#2060a0" stroke-width="6"/></svg>"##,
    );
    written
        .tldraw(&tldraw::file(version, shapes))
        .slide("image1", "0.0", &slide, 720, 540)
        .view(0.0, "0.0 0.0 720.0 540.0")
        .view(20.0, "-150.0 -120.0 360.0 270.0")
        .pointer(0.0, "-1.0 -1.0")
        .pointer(10.0, "875.0 500.0")
}

#[test]
fn shapes_of_2_6() {
    let none = || json!({});
    let wave: Vec<Value> = (0..40)
        .map(|n| json!([n * 8, 30.0 * f64::from(n).sin(), 0.5]))
        .collect();
    let handles = json!({
        "start": {"id": "start", "index": 0, "point": [0, 0], "canBind": true},
        "end": {"id": "end", "index": 1, "point": [220, 90], "canBind": true},
        "bend": {"id": "bend", "index": 2, "point": [120, 90]}
    });
    let label = |text: &str| json!({"label": text, "labelPoint": [0.5, 0.5]});
    let sized = |size: [i32; 2], text: &str| {
        let mut more = label(text);
        more["size"] = json!(size);
        more
    };
    let mut arrow = label("");
    arrow["bend"] = json!(0.3);
    arrow["handles"] = handles;
    arrow["decorations"] = json!({"end": "arrow"});
    let mut ellipse = label("ellipse");
    ellipse["radius"] = json!([130, 90]);
    let mut child = sized([100, 60], "");
    child["parentId"] = json!("group10");
    let shapes = [
        (
            1.0,
            v1(
                "draw",
                1,
                [100, 120],
                none(),
                json!({"points": wave, "isComplete": true}),
            ),
        ),
        (
            2.0,
            v1(
                "rectangle",
                2,
                [900, 60],
                json!({"color": "violet", "isFilled": true}),
                sized([300, 180], "A box"),
            ),
        ),
        (
            3.0,
            v1(
                "ellipse",
                3,
                [120, 300],
                json!({"color": "orange", "dash": "dashed", "size": "medium"}),
                ellipse,
            ),
        ),
        (
            4.0,
            v1(
                "triangle",
                4,
                [620, 60],
                json!({"color": "green", "dash": "dotted"}),
                sized([200, 220], ""),
            ),
        ),
        (
            5.0,
            v1("arrow", 5, [560, 360], json!({"color": "red"}), arrow),
        ),
        (
            6.0,
            v1(
                "text",
                6,
                [900, 320],
                json!({"color": "red", "size": "large", "font": "sans"}),
                json!({"text": "Texte: été\na < b & c"}),
            ),
        ),
        (
            7.0,
            v1(
                "sticky",
                7,
                [120, 560],
                json!({"color": "yellow"}),
                json!({"size": [200, 200], "text": "A note that wraps"}),
            ),
        ),
        (
            8.0,
            v1(
                "rectangle",
                8,
                [500, 800],
                json!({"color": "white", "font": "mono", "dash": "solid", "isFilled": true}),
                sized(
                    [573, 86],
                    "Yes: 3 |||||||||||||||| 75%\nNo: 1  |||||            | 25%\n",
                ),
            ),
        ),
        (
            9.0,
            v1(
                "group",
                10,
                [900, 560],
                none(),
                json!({"size": [300, 120], "children": ["rectangle11"]}),
            ),
        ),
        (
            9.0,
            v1(
                "rectangle",
                11,
                [900, 560],
                json!({"color": "black"}),
                child,
            ),
        ),
    ];
    golden("bbb-2.6", &page("2.6.1", &shapes), &[5.5, 12.0, 22.0]);
}

#[test]
fn shapes_of_3() {
    let none = || json!({});
    let wave: Vec<Value> = (0..40)
        .map(|n| json!({"x": n * 8, "y": 30.0 * f64::from(n).sin(), "z": 0.5}))
        .collect();
    let drawn = json!({
        "segments": [{"type": "free", "points": wave}],
        "isComplete": true, "isClosed": false, "isPen": false
    });
    let marked = json!({
        "segments": [{"type": "straight", "points": [{"x": 0, "y": 0, "z": 0.5}, {"x": 240, "y": 0, "z": 0.5}]}],
        "color": "yellow", "size": "l", "isComplete": true, "isPen": false
    });
    let vertex = |id: &str, index: &str, x: i32, y: i32| json!({"id": id, "type": "vertex", "canBind": false, "canSnap": true, "index": index, "x": x, "y": y});
    let handles =
        json!({"start": vertex("start", "a1", 0, 0), "end": vertex("end", "a2", 220, 120)});
    let geo = |name: &str, w: i32, h: i32, color: &str, fill: &str, text: &str| json!({"geo": name, "w": w, "h": h, "color": color, "fill": fill, "text": text});
    let arrow = json!({
        "color": "black", "labelColor": "black", "bend": 40, "text": "", "arrowheadStart": "none",
        "arrowheadEnd": "arrow",
        "start": {"type": "point", "x": 0, "y": 0},
        "end": {"type": "binding", "boundShapeId": "shape:geo3", "normalizedAnchor": {"x": 0.5, "y": 0.5}, "isExact": false}
    });
    let poll = json!({
        "w": 400, "h": 240, "color": "black", "fill": "white", "question": "Ready?",
        "questionText": "Ready?", "questionType": "YN", "numRespondents": 4, "numResponders": 4,
        "answers": [{"id": 0, "key": "Yes", "numVotes": 3}, {"id": 1, "key": "No", "numVotes": 1}]
    });
    let text = json!({"color": "red", "size": "l", "w": 300, "text": "Texte: été\na < b & c", "font": "sans", "align": "start", "autoSize": true, "scale": 1});
    let in_frame = json!({"parentId": "shape:frame6"});
    let shapes = [
        (1.0, v2("draw", 1, (100, 120), drawn, none())),
        (1.5, v2("highlight", 2, (100, 240), marked, none())),
        (
            2.0,
            v2(
                "geo",
                3,
                (900, 60),
                geo("rectangle", 300, 180, "violet", "semi", "A box"),
                none(),
            ),
        ),
        (
            3.0,
            v2(
                "geo",
                4,
                (600, 60),
                geo("star", 220, 200, "green", "pattern", ""),
                json!({"rotation": 0.4, "opacity": 0.5}),
            ),
        ),
        (
            4.0,
            v2(
                "geo",
                5,
                (120, 320),
                geo("ellipse", 260, 180, "orange", "none", "ellipse"),
                none(),
            ),
        ),
        (
            5.0,
            v2(
                "frame",
                6,
                (450, 320),
                json!({"w": 300, "h": 200, "name": "Frame"}),
                none(),
            ),
        ),
        (
            5.0,
            v2(
                "geo",
                7,
                (220, 120),
                geo("cloud", 200, 160, "red", "solid", ""),
                in_frame,
            ),
        ),
        (
            6.0,
            v2(
                "line",
                8,
                (820, 320),
                json!({"dash": "dashed", "color": "red", "spline": "line", "handles": handles}),
                none(),
            ),
        ),
        (7.0, v2("arrow", 90, (500, 240), arrow, none())),
        (8.0, v2("text", 91, (900, 480), text, none())),
        (
            9.0,
            v2(
                "note",
                92,
                (120, 620),
                json!({"color": "yellow", "text": "A note that wraps"}),
                none(),
            ),
        ),
        (9.5, v2("poll", 93, (500, 680), poll, none())),
    ];
    golden("bbb-3", &page("3.0.0", &shapes), &[5.5, 12.0, 22.0]);
}
