//! Small recordings that tests write themselves.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

#[allow(dead_code, reason = "each test program uses a part of it")]
pub(crate) mod tldraw;

/// A recording under construction, in a folder that goes away with it.
pub(crate) struct Written {
    dir: TempDir,
    shapes: String,
    views: String,
    pointers: String,
    tldraw: bool,
}

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Written {
    pub(crate) fn new(duration: f64) -> Written {
        let dir = tempfile::tempdir().unwrap();
        let milliseconds = (duration * 1000.0) as u64;
        std::fs::create_dir(dir.path().join("presentation")).unwrap();
        std::fs::write(
            dir.path().join("metadata.xml"),
            format!(
                "<recording><playback><duration>{milliseconds}</duration></playback></recording>"
            ),
        )
        .unwrap();
        let none = String::new;
        Written {
            dir,
            shapes: none(),
            views: none(),
            pointers: none(),
            tldraw: false,
        }
    }

    /// A slide of some size, with lines on it so that one sees where it lies.
    pub(crate) fn png(&self, name: &str, width: u32, height: u32) -> String {
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let grid = x % (width / 8) < 3 || y % (height / 6) < 3;
                let edge = x < 8 || y < 8 || x >= width - 8 || y >= height - 8;
                pixels.extend(match (edge, grid) {
                    (true, _) => [40, 90, 160],
                    (_, true) => [215, 225, 235],
                    _ => [255, 255, 255],
                });
            }
        }
        let href = format!("presentation/{name}");
        let file = std::fs::File::create(self.dir.path().join(&href)).unwrap();
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&pixels)
            .unwrap();
        href
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.dir.path().join(name), content).unwrap();
        name.to_owned()
    }

    pub(crate) fn slide(
        mut self,
        id: &str,
        times: &str,
        href: &str,
        width: u32,
        height: u32,
    ) -> Written {
        let outs = times
            .split(' ')
            .map(|_| "9999")
            .collect::<Vec<_>>()
            .join(" ");
        let _ = write!(
            self.shapes,
            r#"<image id="{id}" class="slide" in="{times}" out="{outs}" xlink:href="{href}" width="{width}" height="{height}" x="0" y="0"/>"#
        );
        self
    }

    pub(crate) fn canvas(mut self, image: &str, shapes: &[Shape<'_>]) -> Written {
        let _ = write!(
            self.shapes,
            r#"<g class="canvas" id="canvas" image="{image}" display="none">"#
        );
        for (n, shape) in shapes.iter().enumerate() {
            let Shape {
                name,
                at,
                undo,
                style,
                inner,
            } = shape;
            let _ = write!(
                self.shapes,
                r#"<g id="{image}-draw{n}" class="shape" timestamp="{at}" undo="{undo}" shape="{name}" style="{style};visibility:hidden">{inner}</g>"#
            );
        }
        self.shapes.push_str("</g>");
        self
    }

    pub(crate) fn view(mut self, at: f64, view_box: &str) -> Written {
        let _ = write!(
            self.views,
            r#"<event timestamp="{at}"><viewBox>{view_box}</viewBox></event>"#
        );
        self
    }

    pub(crate) fn pointer(mut self, at: f64, point: &str) -> Written {
        let _ = write!(
            self.pointers,
            r#"<event timestamp="{at}"><cursor>{point}</cursor></event>"#
        );
        self
    }

    pub(crate) fn tldraw(mut self, json: &str) -> Written {
        self.tldraw = true;
        self.file("tldraw.json", json);
        self
    }

    /// The folder, with everything written.
    pub(crate) fn done(&self) -> &Path {
        self.file(
            "shapes.svg",
            &format!(
                r#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>"#,
                self.shapes
            ),
        );
        let tldraw = self.tldraw;
        let list = |events| format!(r#"<recording tldraw="{tldraw}">{events}</recording>"#);
        self.file("panzooms.xml", &list(&self.views));
        self.file("cursor.xml", &list(&self.pointers));
        self.dir.path()
    }
}

/// One version of a shape of `shapes.svg`.
pub(crate) struct Shape<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: f64,
    pub(crate) undo: f64,
    pub(crate) style: &'a str,
    pub(crate) inner: &'a str,
}

/// A version that is never undone.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub(crate) fn shape<'a>(name: &'a str, at: f64, style: &'a str, inner: &'a str) -> Shape<'a> {
    Shape {
        name,
        at,
        undo: -1.0,
        style,
        inner,
    }
}
