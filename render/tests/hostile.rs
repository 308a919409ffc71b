//! Recordings that are damaged, or made to do harm: what can be drawn is drawn, what cannot costs
//! a warning, and nothing outside the recording's folder is touched.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use render::fonts::Fonts;
use render::geometry::{Rgb, Size};
use render::raster::Painter;
use render::source::Source;
use render::timeline::Timeline;

mod written;
use written::{Written, shape};

const SIZE: Size = Size {
    width: 320,
    height: 180,
};

/// Paints every change, and returns the warnings, each as a line.
fn painted(recording: &Written) -> (Vec<u8>, Vec<String>) {
    let source = Arc::new(Source::open(recording.done()).unwrap());
    painted_as_it_is(&source)
}

fn painted_as_it_is(source: &Arc<Source>) -> (Vec<u8>, Vec<String>) {
    let timeline = Arc::new(Timeline::read(source).unwrap());
    let fonts = Arc::new(Fonts::system());
    let mut painter = Painter::new(
        Arc::clone(&timeline),
        Arc::clone(source),
        SIZE,
        Rgb::PLAYER,
        fonts,
    )
    .unwrap();
    for t in timeline.changes() {
        painter.paint(t, &mut Vec::new());
    }
    let warnings = timeline
        .warnings
        .list()
        .iter()
        .map(ToString::to_string)
        .collect();
    (painter.pixels().to_vec(), warnings)
}

/// The colour in the middle of the picture.
fn middle(pixels: &[u8]) -> [u8; 3] {
    let at = ((SIZE.height / 2 * SIZE.width + SIZE.width / 2) * 4) as usize;
    [pixels[at], pixels[at + 1], pixels[at + 2]]
}

const FILLED: &str = "stroke:none;fill:#00ff00";
const MIDDLE: &str = r#"<path d="M300 200L500 200L500 400L300 400Z"/>"#;

#[test]
fn bad_shapes_are_skipped_one_by_one() {
    let written = Written::new(10.0);
    let slide = written.png("a.png", 800, 600);
    let long = format!(r#"<path d="M0 0{}"/>"#, "L800 600L0 0".repeat(20_000));
    let shapes = [
        shape("image1-a1", 1.0, FILLED, r#"<path d="M0 0L1e308 1e308Z"/>"#),
        shape(
            "image1-a2",
            1.0,
            "stroke:url(http://evil.example/x);stroke-width:1e309",
            r#"<path d="M0 0L9 9"/>"#,
        ),
        shape("image1-a3", 1.0, FILLED, r#"<script>alert(1)</script>"#),
        shape(
            "image1-a4",
            1.0,
            FILLED,
            r#"<image xlink:href="/etc/passwd" x="0" y="0" width="800" height="600"/>"#,
        ),
        shape(
            "image1-a5",
            1.0,
            FILLED,
            r#"<image xlink:href="http://169.254.169.254/" x="0" y="0" width="800" height="600"/>"#,
        ),
        shape("image1-a6", 1.0, FILLED, "<path d=\"M&unknown; 0\"/>"),
        shape("image1-a7", f64::NAN, FILLED, MIDDLE),
        shape("image1-a8", 1.0, FILLED, ""),
        shape(
            "image1-a9",
            1.0,
            "font-size:1e9px",
            r#"<switch><foreignObject x="0" y="0" width="1" height="1"><p>x</p></foreignObject></switch>"#,
        ),
        shape(
            "image1-a10",
            1.0,
            "stroke:#000;stroke-width:1;fill:none",
            &long,
        ),
        shape("image1-a11", 2.0, FILLED, MIDDLE),
    ];
    let written = written
        .slide("image1", "0", &slide, 800, 600)
        .canvas("image1", &shapes);
    let began = Instant::now();
    let (pixels, warnings) = painted(&written);
    assert_eq!(middle(&pixels), [0, 255, 0]);
    assert!(warnings.len() >= 6, "{warnings:#?}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn slides_outside_the_folder_are_left_blank() {
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("s.svg");
    let red = r#"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="6"><rect width="8" height="6" fill="red"/></svg>"#;
    std::fs::write(&outside, red).unwrap();
    let outside = outside.display().to_string();
    let referring = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="800" height="600"><image xlink:href="{outside}" width="800" height="600"/><image xlink:href="file://{outside}" width="800" height="600"/></svg>"#
    );
    for href in [
        outside.as_str(),
        "presentation/link.svg",
        "presentation/refers.svg",
        "../../s.svg",
    ] {
        let written = Written::new(10.0);
        written.file("presentation/refers.svg", &referring);
        std::os::unix::fs::symlink(&outside, written.done().join("presentation/link.svg")).unwrap();
        let written = written.slide("image1", "0", href, 800, 600);
        let (pixels, _) = painted(&written);
        assert_eq!(middle(&pixels), [243, 246, 249], "{href}");
    }
}

#[test]
fn an_svg_that_grows_without_end_is_refused() {
    let written = Written::new(10.0);
    let mut defs = String::from(r#"<g id="a0"><path d="M0 0h1v1z"/></g>"#);
    for n in 1..40 {
        let before = n - 1;
        defs += &format!(
            r##"<g id="a{n}"><use href="#a{before}"/><use href="#a{before}"/><use href="#a{before}"/></g>"##
        );
    }
    let bomb = written.file(
        "presentation/bomb.svg",
        &format!(r##"<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><defs>{defs}</defs><use href="#a39"/></svg>"##),
    );
    let laughs = written.file(
        "presentation/laughs.svg",
        r#"<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;"><!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;">]><svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><text>&g;&g;&g;&g;</text></svg>"#,
    );
    let written = written
        .slide("image1", "0", &bomb, 800, 600)
        .slide("image2", "5", &laughs, 800, 600);
    let began = Instant::now();
    let (_, warnings) = painted(&written);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert!(
        warnings.iter().any(|w| w.contains("bomb.svg")),
        "{warnings:#?}"
    );
}

#[test]
fn filters_that_take_for_ever_are_refused() {
    let written = Written::new(10.0);
    let slide = written.file(
        "presentation/slow.svg",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><filter id="f"><feTurbulence baseFrequency="0.1" numOctaves="2000000000"/></filter><rect width="800" height="600" filter="url(#f)"/></svg>"##,
    );
    let written = written.slide("image1", "0", &slide, 800, 600);
    let (_, warnings) = painted(&written);
    assert!(
        warnings.iter().any(|w| w.contains("feTurbulence")),
        "{warnings:#?}"
    );
}

#[test]
fn a_truncated_or_missing_shapes_file_is_a_warning() {
    let written = Written::new(10.0);
    let slide = written.png("a.png", 800, 600);
    let written = written.slide("image1", "0", &slide, 800, 600).canvas(
        "image1",
        &[
            shape("image1-a1", 1.0, FILLED, MIDDLE),
            shape("image1-a2", 1.0, FILLED, MIDDLE),
        ],
    );
    let path = written.done().join("shapes.svg");
    let whole = std::fs::read(&path).unwrap();
    let source = Arc::new(Source::open(written.done()).unwrap());
    std::fs::write(&path, &whole[..whole.len() - 150]).unwrap();
    let (pixels, warnings) = painted_as_it_is(&source);
    assert_eq!(middle(&pixels), [0, 255, 0]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");

    std::fs::remove_file(&path).unwrap();
    let (pixels, warnings) = painted_as_it_is(&source);
    assert_eq!(middle(&pixels), [243, 246, 249]);
    assert!(
        warnings.iter().any(|w| w.contains("shapes.svg")),
        "{warnings:#?}"
    );
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused() {
    let written = Written::new(10.0);
    let slide = written.png("a.png", 16, 16);
    let path = written.done().join(&slide);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let written = written.slide("image1", "0", &slide, 800, 600);
    let (_, warnings) = painted(&written);
    assert!(
        warnings.iter().any(|w| w.contains("too many")),
        "{warnings:#?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_damage_to_a_file_is_more_than_a_warning(
        name in prop::sample::select(vec!["shapes.svg", "panzooms.xml", "cursor.xml", "metadata.xml"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let written = Written::new(10.0);
        let slide = written.png("a.png", 80, 60);
        let text = r#"<switch><foreignObject x="0" y="0" width="70" height="50"><p>some text</p></foreignObject></switch>"#;
        let written = written
            .slide("image1", "0 5", &slide, 80, 60)
            .canvas("image1", &[
                shape("image1-a1", 1.0, "stroke:#f00;stroke-width:3;fill:none", r#"<path d="M1 2C3 4,5 6,7 8L9 9"/>"#),
                shape("image1-a2", 2.0, "color:#f00;font-size:12px", text),
            ])
            .view(1.0, "0 0 40 30")
            .pointer(1.0, "0.5 0.5");
        let source = Arc::new(Source::open(written.done()).unwrap());
        let path = source.dir().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        for (index, byte) in changes {
            let n = index.index(bytes.len());
            bytes[n] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        painted_as_it_is(&source);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
