//! A painter that goes from instant to instant shows what one shows that starts there, and tells
//! every pixel it touches.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use render::fonts::Fonts;
use render::geometry::{Rect, Rgb, Size};
use render::raster::Painter;
use render::source::Source;
use render::time::Millis;
use render::timeline::Timeline;

mod written;
use written::{Shape, Written, shape};

const SIZE: Size = Size {
    width: 200,
    height: 113,
};

/// How far apart two ways to the same picture may be, in levels of 255: soft edges of thin slanted
/// lines come out a little different when they are cut at the rectangle that is painted. A shape
/// that is there and should not be, or the reverse, differs by a hundred and more.
const NEAR: u8 = 60;

fn fonts() -> Arc<Fonts> {
    static FONTS: OnceLock<Arc<Fonts>> = OnceLock::new();
    Arc::clone(FONTS.get_or_init(|| Arc::new(Fonts::system())))
}

fn painter(timeline: &Arc<Timeline>, source: &Arc<Source>) -> Painter {
    Painter::new(
        Arc::clone(timeline),
        Arc::clone(source),
        SIZE,
        Rgb::PLAYER,
        fonts(),
    )
    .unwrap()
}

fn check(recording: &Written, instants: &[Millis]) {
    let source = Arc::new(Source::open(recording.done()).unwrap());
    let timeline = Arc::new(Timeline::read(&source).unwrap());
    let mut walking = painter(&timeline, &source);
    let mut before: Option<Vec<u8>> = None;
    for &t in instants {
        let mut damage = Vec::new();
        walking.paint(t, &mut damage);
        let mut fresh = painter(&timeline, &source);
        fresh.paint(t, &mut Vec::new());
        for (n, (a, b)) in walking.pixels().iter().zip(fresh.pixels()).enumerate() {
            let (x, y) = (n / 4 % SIZE.width as usize, n / 4 / SIZE.width as usize);
            assert!(a.abs_diff(*b) <= NEAR, "at {t}: {a} and {b} at {x},{y}");
        }
        let told = |x: u32, y: u32| {
            damage
                .iter()
                .any(|r: &Rect| x >= r.x && x < r.right() && y >= r.y && y < r.bottom())
        };
        if let Some(before) = &before {
            for (n, (was, is)) in before.chunks(4).zip(walking.pixels().chunks(4)).enumerate() {
                let (x, y) = (n as u32 % SIZE.width, n as u32 / SIZE.width);
                assert!(was == is || told(x, y), "at {t}: untold change at {x},{y}");
            }
        } else {
            assert!(
                told(0, 0) && told(SIZE.width - 1, SIZE.height - 1),
                "the first time is whole"
            );
        }
        before = Some(walking.pixels().to_vec());
    }
}

fn rows() -> impl Strategy<Value = Vec<(u32, u32, u32, u32, u8, u8)>> {
    let row = (
        0u32..40,
        prop_oneof![Just(0u32), 1u32..40],
        0u32..800,
        0u32..600,
        0u8..6,
        0u8..5,
    );
    prop::collection::vec(row, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_way_does_not_matter(
        mut rows in rows(),
        order in prop::collection::vec(0u64..45, 1..30),
        ascending in any::<bool>(),
        zoomed in prop::option::of((0u32..40, 0u32..400, 0u32..300)),
        pointed in prop::collection::vec((0u32..40, 0u32..100, 0u32..100), 0..12),
    ) {
        rows.sort();
        let inner: Vec<String> = rows
            .iter()
            .map(|&(_, _, x, y, kind, _)| match kind {
                0 => format!(r#"<circle cx="{x}" cy="{y}" r="30"/>"#),
                1 => format!(r#"<line x1="{x}" y1="{y}" x2="{}" y2="{}"/>"#, x / 2, y * 2),
                2 => format!(r#"<path d="M{x} {y}L400 300C100 100,{y} {x},700 20"/>"#),
                3 => format!(r#"<rect x="{x}" y="{y}" width="200" height="90" fill="white"/>"#),
                4 => format!(
                    r#"<switch><foreignObject x="{x}" y="{y}" width="180" height="60"><p xmlns="http://www.w3.org/1999/xhtml">Some text {x}</p></foreignObject></switch>"#
                ),
                _ => format!(r#"<path d="M{x} {y}h1"/>"#),
            })
            .collect();
        let names: Vec<String> = rows.iter().map(|row| format!("image1-x{}", row.5)).collect();
        let shapes: Vec<Shape<'_>> = rows
            .iter()
            .zip(&inner)
            .zip(&names)
            .map(|((row, inner), name)| Shape {
                name,
                at: f64::from(row.0) / 10.0,
                undo: if row.1 == 0 { -1.0 } else { f64::from(row.1) / 10.0 },
                style: "stroke:#c00000;stroke-width:9;stroke-opacity:0.7;fill:none;color:#004080;font-size:40px",
                inner,
            })
            .collect();
        let written = Written::new(4.5);
        let (first, second) = (written.png("a.png", 800, 600), written.png("b.png", 600, 800));
        let mut written = written
            .slide("image1", "0 3.2", &first, 800, 600)
            .slide("image2", "2.8", &second, 600, 800)
            .canvas("image1", &shapes)
            .view(0.0, "0 0 800 600");
        if let Some((at, x, y)) = zoomed {
            written = written.view(f64::from(at) / 10.0, &format!("{x} {y} 400 300"));
        }
        let mut pointed = pointed;
        pointed.sort();
        for (at, x, y) in pointed {
            let (x, y) = (f64::from(x) / 100.0, f64::from(y) / 100.0);
            written = written.pointer(f64::from(at) / 10.0, &format!("{x} {y}"));
        }
        let mut instants: Vec<Millis> = order.iter().map(|n| Millis(n * 100)).collect();
        if ascending {
            instants.sort_unstable();
        }
        check(&written, &instants);
    }
}

#[test]
fn a_moving_pointer_damages_little() {
    let written = Written::new(5.0);
    let slide = written.png("a.png", 800, 600);
    let written = written
        .slide("image1", "0", &slide, 800, 600)
        .canvas(
            "image1",
            &[shape(
                "image1-rect1",
                0.0,
                "stroke:#f00;stroke-width:9;fill:none",
                r#"<path d="M0 0L800 600"/>"#,
            )],
        )
        .pointer(1.0, "0.5 0.5")
        .pointer(2.0, "0.6 0.5");
    let source = Arc::new(Source::open(written.done()).unwrap());
    let timeline = Arc::new(Timeline::read(&source).unwrap());
    let mut painter = painter(&timeline, &source);
    let mut damage = Vec::new();
    painter.paint(Millis(1000), &mut damage);
    damage.clear();
    painter.paint(Millis(2000), &mut damage);
    let area: u64 = damage.iter().map(|area| area.area()).sum();
    assert!((1..200).contains(&area), "{damage:?}");
    damage.clear();
    painter.paint(Millis(2500), &mut damage);
    assert_eq!(damage, []);
}
