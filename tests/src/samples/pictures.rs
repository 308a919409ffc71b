//! What is seen: slides, thumbnails, poll results, the shared screen and the faces of the webcams,
//! written as SVG and drawn with the fonts of the machine.

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, WriteOptions, fontdb};

use super::markup::utf8;
use super::shapes::POLL_BOX;
use super::story::Page;
use super::{Generation, Recording};

const SANS: &str = "font-family=\"Liberation Sans, Arial, DejaVu Sans\"";
const MONO: &str = "font-family=\"Liberation Mono, DejaVu Sans Mono\"";

/// A picture as text, and its size in its own units.
pub(super) struct Picture {
    svg: String,
    size: (f64, f64),
}

impl Picture {
    fn new(size: (f64, f64), body: &str) -> Picture {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">{body}</svg>",
            size.0, size.1
        );
        Picture { svg, size }
    }

    fn tree(&self) -> Result<Tree> {
        static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
        let fonts = FONTS.get_or_init(|| {
            let mut database = fontdb::Database::new();
            database.load_system_fonts();
            Arc::new(database)
        });
        let options = Options {
            fontdb: fonts.clone(),
            ..Options::default()
        };
        Tree::from_str(&self.svg, &options).context("a sample picture is not valid SVG")
    }

    /// The picture drawn to fill `width` x `height` pixels.
    pub(super) fn draw(&self, width: u32, height: u32) -> Result<Pixmap> {
        let mut pixels =
            Pixmap::new(width, height).ok_or_else(|| anyhow!("no picture of {width}x{height}"))?;
        let scale = Transform::from_scale(
            width as f32 / self.size.0 as f32,
            height as f32 / self.size.1 as f32,
        );
        resvg::render(&self.tree()?, scale, &mut pixels.as_mut());
        Ok(pixels)
    }

    /// Writes the picture as PNG.
    pub(super) fn write_png(&self, path: &Path, width: u32, height: u32) -> Result<()> {
        let png = self.draw(width, height)?.encode_png()?;
        std::fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the picture as SVG with its letters turned into paths, as pdftocairo does.
    pub(super) fn write_svg(&self, path: &Path) -> Result<()> {
        let flat = self.tree()?.to_string(&WriteOptions {
            coordinates_precision: 3,
            ..WriteOptions::default()
        });
        let body = flat.split_once('>').map_or("", |(_, body)| body);
        let (width, height) = self.size;
        let svg = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}pt\" height=\"{height}pt\" viewBox=\"0 0 {width} {height}\" version=\"1.2\">{body}"
        );
        std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A slide: a title, its lines, a figure on the right.
pub(super) fn slide(page: &Page, number: usize, of: usize, course: &str) -> Picture {
    let (w, h) = page.size;
    let mut body = format!(
        "<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/><rect width=\"{w}\" height=\"10\" fill=\"#1f5fa8\"/>\
         <text x=\"{x}\" y=\"84\" {SANS} font-size=\"42\" font-weight=\"bold\" fill=\"#1b2733\">{title}</text>\
         <text x=\"{x}\" y=\"{foot}\" {SANS} font-size=\"14\" fill=\"#6b7a89\">{course}</text>\
         <text x=\"{right}\" y=\"{foot}\" text-anchor=\"end\" {SANS} font-size=\"14\" fill=\"#6b7a89\">{number} / {of}</text>",
        x = w * 0.05,
        foot = h - 18.0,
        right = w * 0.95,
        title = utf8(&page.title),
        course = utf8(course),
    );
    for (k, line) in page.lines.iter().enumerate() {
        let y = 160.0 + 56.0 * k as f64;
        let _ = write!(
            body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"#1f5fa8\"/><text x=\"{}\" y=\"{y}\" {SANS} font-size=\"{}\" fill=\"#24313d\">{}</text>",
            w * 0.065,
            y - 8.0,
            w * 0.09,
            if w > 800.0 { 25 } else { 20 },
            utf8(line)
        );
    }
    figure(&mut body, number, w, h);
    Picture::new(page.size, &body)
}

/// A tree or a chart in the right part of the slide.
fn figure(body: &mut String, number: usize, w: f64, h: f64) {
    if number.is_multiple_of(3) {
        let (x, y, right, top) = (w * 0.58, h * 0.8, w * 0.94, h * 0.3);
        let _ = write!(
            body,
            "<path d=\"M{x} {top}L{x} {y}L{right} {y}\" fill=\"none\" stroke=\"#24313d\" stroke-width=\"3\"/>"
        );
        for k in 0..6 {
            let tall = f64::from(k + 1) * h * 0.065;
            let left = x + 14.0 + f64::from(k) * w * 0.055;
            let _ = write!(
                body,
                "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{tall}\" fill=\"#9cc3ea\"/>",
                y - tall,
                w * 0.04
            );
        }
        return;
    }
    let nodes = [
        (0.77, 0.36),
        (0.69, 0.54),
        (0.85, 0.54),
        (0.65, 0.72),
        (0.74, 0.72),
        (0.85, 0.72),
    ];
    for (a, b) in [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)] {
        let _ = write!(
            body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#24313d\" stroke-width=\"3\"/>",
            nodes[a].0 * w,
            nodes[a].1 * h,
            nodes[b].0 * w,
            nodes[b].1 * h
        );
    }
    for (k, (x, y)) in nodes.iter().enumerate() {
        let _ = write!(
            body,
            "<circle cx=\"{0}\" cy=\"{1}\" r=\"20\" fill=\"#e8f1fb\" stroke=\"#1f5fa8\" stroke-width=\"3\"/><text x=\"{0}\" y=\"{2}\" text-anchor=\"middle\" {SANS} font-size=\"18\" fill=\"#1b2733\">{3}</text>",
            x * w,
            y * h,
            y * h + 6.0,
            k + 1
        );
    }
}

/// The result of a poll; on its side before 2.3.
pub(super) fn poll_result(generation: Generation, page: (f64, f64)) -> Picture {
    let (w, h) = (page.0 * POLL_BOX.2, page.1 * POLL_BOX.3);
    let mut rows = String::new();
    for (k, (key, part, votes)) in [("Yes", 0.75, 3), ("No", 0.25, 1)].iter().enumerate() {
        let y = h * (0.12 + 0.42 * k as f64);
        let _ = write!(
            rows,
            "<text x=\"{}\" y=\"{}\" {SANS} font-size=\"{}\">{key}</text><rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"#333333\"/><text x=\"{}\" y=\"{}\" {SANS} font-size=\"{}\">{votes} ({:.0}%)</text>",
            w * 0.03,
            y + h * 0.27,
            h * 0.25,
            w * 0.15,
            w * 0.55 * part,
            h * 0.32,
            w * 0.75,
            y + h * 0.27,
            h * 0.25,
            part * 100.0
        );
    }
    let white = format!("<rect width=\"{w}\" height=\"{h}\" fill=\"white\"/>{rows}");
    if generation >= Generation::V2_4 {
        Picture::new((w, h), &white)
    } else {
        Picture::new(
            (h, w),
            &format!("<g transform=\"matrix(0 -1 1 0 0 {w})\">{white}</g>"),
        )
    }
}

/// A transparent picture, as the scripts make for `logo.png` and `deskshare.png`.
pub(super) fn blank() -> Picture {
    Picture::new(
        (16.0, 9.0),
        "<rect width=\"16\" height=\"9\" fill=\"none\"/>",
    )
}

const CODE: [&str; 14] = [
    "from collections import deque",
    "",
    "def distances(graph, start):",
    "    found = {start: 0}",
    "    queue = deque([start])",
    "    while queue:",
    "        vertex = queue.popleft()",
    "        for other in graph[vertex]:",
    "            if other not in found:",
    "                found[other] = found[vertex] + 1",
    "                queue.append(other)",
    "    return found",
    "",
    "print(distances(metro, \"Bastille\"))",
];

/// The shared screen `part` (0 to 1) of the way through the share: an editor being typed into.
pub(super) fn screen(part: f64, clock: &str) -> Picture {
    let letters: usize = CODE.iter().map(|line| line.len() + 1).sum();
    let mut left = (letters as f64 * (0.15 + 0.85 * part)) as usize;
    let mut body = format!(
        "<rect width=\"1280\" height=\"720\" fill=\"#1e2430\"/><rect width=\"1280\" height=\"48\" fill=\"#2b3342\"/>\
         <circle cx=\"28\" cy=\"24\" r=\"8\" fill=\"#ff5f57\"/><circle cx=\"54\" cy=\"24\" r=\"8\" fill=\"#febc2e\"/><circle cx=\"80\" cy=\"24\" r=\"8\" fill=\"#28c840\"/>\
         <text x=\"640\" y=\"31\" text-anchor=\"middle\" {SANS} font-size=\"20\" fill=\"#c6cfdd\">bfs.py – editor</text>\
         <rect y=\"684\" width=\"1280\" height=\"36\" fill=\"#1f5fa8\"/><text x=\"1260\" y=\"709\" text-anchor=\"end\" {MONO} font-size=\"20\" fill=\"#ffffff\">{clock}</text>"
    );
    for (k, line) in CODE.iter().enumerate() {
        let y = 96 + 40 * k;
        let typed: String = line.chars().take(left).collect();
        let colour = if line.starts_with("from") || line.starts_with("def") {
            "#7cc7ff"
        } else {
            "#e4e9f2"
        };
        let _ = write!(
            body,
            "<text x=\"24\" y=\"{y}\" {MONO} font-size=\"24\" fill=\"#5d6b82\">{:>2}</text><text x=\"80\" y=\"{y}\" xml:space=\"preserve\" {MONO} font-size=\"26\" fill=\"{colour}\">{}</text>",
            k + 1,
            utf8(&typed)
        );
        if left <= line.len() {
            let x = 80.0 + 15.6 * left as f64;
            let _ = write!(
                body,
                "<rect x=\"{x}\" y=\"{}\" width=\"3\" height=\"30\" fill=\"#ffd866\"/>",
                y - 23
            );
            break;
        }
        left -= line.len() + 1;
    }
    Picture::new((1280.0, 720.0), &body)
}

/// The tiled webcams: up to two faces on white, `phase` (0 to 1) into their loop.
pub(super) fn webcams(recording: &Recording, canvas: (f64, f64), phase: f64) -> Picture {
    let (w, h) = canvas;
    let mut body = format!("<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>");
    let count = recording.people.len().clamp(1, 2);
    let wide = w / count as f64;
    let tall = wide * 0.75;
    for (k, person) in recording.people.iter().take(count).enumerate() {
        let (tile_w, tile_h) = if tall > h {
            (h / 0.75, h)
        } else {
            (wide, tall)
        };
        let x = wide * k as f64 + (wide - tile_w) / 2.0;
        let y = (h - tile_h) / 2.0;
        let _ = write!(
            body,
            "<svg x=\"{x}\" y=\"{y}\" width=\"{tile_w}\" height=\"{tile_h}\" viewBox=\"0 0 320 240\">{}</svg>",
            face(k, &person.name, phase)
        );
    }
    Picture::new(canvas, &body)
}

fn face(number: usize, name: &str, phase: f64) -> String {
    let turn = std::f64::consts::TAU * phase;
    let (room, shirt, skin, hair) = if number == 0 {
        ("#d9e4ee", "#355c8a", "#f0c8a6", "#4a3426")
    } else {
        ("#efe3d3", "#7a3b52", "#b98560", "#1d1a1a")
    };
    let (x, y) = (160.0 + 5.0 * turn.sin(), 100.0 + 3.0 * (2.0 * turn).cos());
    let mouth = if number == 0 {
        3.0 + 7.0 * (3.0 * turn).sin().abs()
    } else {
        2.5
    };
    let eyes = if (0.46..0.52).contains(&phase) {
        1.0
    } else {
        5.0
    };
    format!(
        "<rect width=\"320\" height=\"240\" fill=\"{room}\"/><rect x=\"18\" y=\"18\" width=\"70\" height=\"90\" fill=\"#ffffff\" opacity=\"0.7\"/>\
         <ellipse cx=\"{x}\" cy=\"238\" rx=\"96\" ry=\"76\" fill=\"{shirt}\"/><rect x=\"{neck}\" y=\"{y}\" width=\"36\" height=\"76\" fill=\"{skin}\"/>\
         <ellipse cx=\"{x}\" cy=\"{top}\" rx=\"57\" ry=\"62\" fill=\"{hair}\"/><ellipse cx=\"{x}\" cy=\"{y}\" rx=\"47\" ry=\"57\" fill=\"{skin}\"/>\
         <ellipse cx=\"{left}\" cy=\"{eye}\" rx=\"5\" ry=\"{eyes}\" fill=\"#222222\"/><ellipse cx=\"{right}\" cy=\"{eye}\" rx=\"5\" ry=\"{eyes}\" fill=\"#222222\"/>\
         <ellipse cx=\"{x}\" cy=\"{lips}\" rx=\"14\" ry=\"{mouth}\" fill=\"#8c3b3b\"/>\
         <rect x=\"8\" y=\"210\" width=\"{label}\" height=\"24\" rx=\"4\" fill=\"#000000\" opacity=\"0.55\"/><text x=\"16\" y=\"227\" {SANS} font-size=\"16\" fill=\"#ffffff\">{name}</text>",
        neck = x - 18.0,
        top = y - 12.0,
        left = x - 17.0,
        right = x + 17.0,
        eye = y - 8.0,
        lips = y + 26.0,
        label = 16 + 9 * name.chars().count(),
        name = utf8(name),
    )
}
