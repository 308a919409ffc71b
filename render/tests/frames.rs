//! Single pictures, and what is said about them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use render::explain::explain;
use render::frames::frames;
use render::geometry::{Point, Rgb, Size, ViewBox};
use render::time::Millis;
use resvg::tiny_skia::Pixmap;

mod written;
use written::{Shape, Written, shape};

const SIZE: Size = Size {
    width: 320,
    height: 180,
};

fn recording() -> Written {
    let written = Written::new(10.0);
    let slide = written.png("a.png", 800, 600);
    let filled = "stroke:none;fill:#00ff00";
    let shapes = [
        shape(
            "image1-rect1",
            1.0,
            filled,
            r#"<path d="M300 200L400 200L400 300L300 300Z"/>"#,
        ),
        shape(
            "image1-rect1",
            2.0,
            filled,
            r#"<path d="M300 200L500 200L500 400L300 400Z"/>"#,
        ),
        Shape {
            undo: 3.0,
            ..shape("image1-rect2", 2.0, filled, r#"<path d="M0 0L9 9"/>"#)
        },
    ];
    written
        .slide("image1", "0", &slide, 800, 600)
        .canvas("image1", &shapes)
        .view(1.5, "100 0 600 600")
        .pointer(0.0, "-1 -1")
        .pointer(2.0, "0.5 0.25")
}

#[test]
fn an_instant_is_explained() {
    let written = recording();
    let told = explain(written.done(), &[Millis(1000), Millis(2500)]).unwrap();
    let [early, late] = &told[..] else {
        panic!("{told:?}")
    };

    assert_eq!(early.view_since, None);
    assert_eq!(early.pointer, None);
    let [first] = &early.shapes[..] else {
        panic!("{early:?}")
    };
    assert_eq!(
        (first.id.as_str(), first.kind.as_str()),
        ("image1-draw0", "image1-rect1")
    );
    assert_eq!((first.version, first.versions), (1, 2));
    assert_eq!((first.until, first.superseded), (Some(Millis(2000)), true));

    assert_eq!(
        late.slide.as_ref().unwrap().href.as_deref(),
        Some("presentation/a.png")
    );
    assert_eq!(late.view, ViewBox::new(100.0, 0.0, 600.0, 600.0));
    assert_eq!(late.pointer, Some(Point { x: 400.0, y: 150.0 }));
    let [second, undone] = &late.shapes[..] else {
        panic!("{late:?}")
    };
    assert_eq!((second.version, second.until), (2, None));
    assert_eq!(
        (undone.until, undone.superseded),
        (Some(Millis(3000)), false)
    );
    let json = serde_json::to_value(late).unwrap();
    assert_eq!(json["at"], 2500);
    assert_eq!(json["shapes"][1]["kind"], "image1-rect2");
}

#[test]
fn a_share_takes_the_place_of_the_slide() {
    let written = recording();
    std::fs::create_dir(written.done().join("deskshare")).unwrap();
    written.file(
        "deskshare.xml",
        r#"<recording><event start_timestamp="4" stop_timestamp="6" video_width="720" video_height="405"/></recording>"#,
    );
    let film = written.done().join("deskshare/deskshare.mp4");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "color=blue:s=160x120:r=5:d=10",
            "-pix_fmt",
            "yuv420p",
        ])
        .arg(&film)
        .status()
        .unwrap();
    assert!(made.success());

    let out = tempfile::tempdir().unwrap();
    let at = [Millis(2500), Millis(5000), Millis(6000)];
    let (files, warnings) = frames(written.done(), &at, out.path(), SIZE, Rgb::PLAYER).unwrap();
    assert_eq!(warnings, []);
    let middle = |n: usize| {
        let picture = Pixmap::load_png(&files[n]).unwrap();
        assert_eq!(
            (picture.width(), picture.height()),
            (SIZE.width, SIZE.height)
        );
        let pixel = picture.pixel(SIZE.width / 2, SIZE.height / 2).unwrap();
        let side = picture.pixel(2, SIZE.height / 2).unwrap();
        assert_eq!((side.red(), side.green(), side.blue()), (243, 246, 249));
        (pixel.red(), pixel.green(), pixel.blue())
    };
    assert_eq!(middle(0), (0, 255, 0));
    let (red, green, blue) = middle(1);
    assert!(red < 10 && green < 10 && blue > 240, "{:?}", middle(1));
    assert_eq!(middle(2), (0, 255, 0));

    std::fs::write(&film, "no film at all").unwrap();
    let (files, warnings) =
        frames(written.done(), &at[1..2], out.path(), SIZE, Rgb::PLAYER).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}
