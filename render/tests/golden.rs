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

mod written;
use written::{Shape, Written, shape};

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
