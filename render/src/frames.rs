//! Single pictures of the presentation area, as PNG files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use resvg::tiny_skia::{Color, IntSize, Pixmap, PixmapPaint, Transform};

use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rgb, Size};
use crate::raster::Painter;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;
use crate::warning::Warning;

/// Writes one PNG per instant into `dir`, named by its order and time (`0001-12.300.png`), each
/// exactly the presentation area at that instant; during a screen share the share's picture.
///
/// Returns the files in the order of `at`, and what was left out.
///
/// # Errors
/// When the source is no recording, the size cannot be drawn on, or a file cannot be written.
pub fn frames(
    source: &Path,
    at: &[Millis],
    dir: &Path,
    size: Size,
    background: Rgb,
) -> Result<(Vec<PathBuf>, Vec<Warning>), Error> {
    let source = Arc::new(Source::open(source)?);
    let timeline = Arc::new(Timeline::read(&source)?);
    let fonts = Arc::new(Fonts::system());
    let mut painter = Painter::new(
        Arc::clone(&timeline),
        Arc::clone(&source),
        size,
        background,
        fonts,
    )?;
    let failed = |doing, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io {
            doing,
            path,
            source,
        }
    };
    std::fs::create_dir_all(dir).map_err(failed("making", dir))?;
    let mut written = Vec::with_capacity(at.len());
    for (n, &t) in at.iter().enumerate() {
        let share = timeline.share_at(t).and(source.deskshare());
        let png = match share.and_then(|film| shared(&film, t, size, background)) {
            Some(picture) => picture.encode_png(),
            None => {
                painter.paint(t, &mut Vec::new());
                let size = IntSize::from_wh(size.width, size.height);
                let pixmap =
                    size.and_then(|size| Pixmap::from_vec(painter.pixels().to_vec(), size));
                let Some(pixmap) = pixmap else { continue };
                pixmap.encode_png()
            }
        };
        let path = dir.join(format!("{:04}-{t}.png", n + 1));
        let png = png.map_err(|error| Error::BadFile {
            path: path.clone(),
            why: error.to_string(),
        })?;
        std::fs::write(&path, png).map_err(failed("writing", &path))?;
        written.push(path);
    }
    Ok((written, timeline.warnings.list()))
}

/// The picture of the share's film at `t`, fitted into `size`.
fn shared(film: &Path, t: Millis, size: Size, background: Rgb) -> Option<Pixmap> {
    let (width, height) = (size.width, size.height);
    let filter =
        format!("scale={width}:{height}:force_original_aspect_ratio=decrease:flags=bicubic");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-ss", &t.to_string(), "-i"])
        .arg(film)
        .args([
            "-frames:v",
            "1",
            "-vf",
            &filter,
            "-c:v",
            "png",
            "-f",
            "image2pipe",
            "-",
        ])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let picture = Pixmap::decode_png(&output.stdout).ok()?;
    let mut canvas = Pixmap::new(width, height)?;
    let Rgb(red, green, blue) = background;
    canvas.fill(Color::from_rgba8(red, green, blue, 255));
    let middle =
        |outer: u32, inner: u32| i32::try_from(outer.saturating_sub(inner) / 2).unwrap_or(0);
    canvas.draw_pixmap(
        middle(width, picture.width()),
        middle(height, picture.height()),
        picture.as_ref(),
        &PixmapPaint::default(),
        Transform::identity(),
        None,
    );
    Some(canvas)
}
