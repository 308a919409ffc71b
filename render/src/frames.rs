//! Single pictures of the presentation area, as PNG files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use resvg::tiny_skia::{IntSize, Pixmap};

use crate::encode::process::{Processes, output_of, quiet};
use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rgb, Size};
use crate::media::{Tools, input};
use crate::raster::Painter;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;
use crate::warning::Warning;

/// How long ffmpeg may take for one picture.
const PATIENCE: Duration = Duration::from_secs(60);

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
    fonts.report(&timeline.warnings);
    let mut painter = Painter::new(
        Arc::clone(&timeline),
        Arc::clone(&source),
        size,
        background,
        Arc::clone(&fonts),
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
        let mut shown = None;
        if let (Some(_), Some(film)) = (timeline.share_at(t), source.deskshare()) {
            match shared(&film, t, size, background) {
                Ok(picture) => shown = Some(picture),
                Err(why) => timeline.warnings.add("screen share left out", None, why),
            }
        }
        if shown.is_none() {
            painter.paint(t, &mut Vec::new());
            shown = IntSize::from_wh(size.width, size.height)
                .and_then(|size| Pixmap::from_vec(painter.pixels().to_vec(), size));
        }
        let Some(picture) = shown else { continue };
        let png = picture.encode_png();
        let path = dir.join(format!("{:04}-{t}.png", n + 1));
        let png = png.map_err(|error| Error::BadFile {
            path: path.clone(),
            why: error.to_string(),
        })?;
        std::fs::write(&path, png).map_err(failed("writing", &path))?;
        written.push(path);
    }
    fonts.report_missing(&timeline.warnings);
    Ok((written, timeline.warnings.list()))
}

/// The last picture of the share's film up to `t`, fitted into `size`.
fn shared(film: &Path, t: Millis, size: Size, background: Rgb) -> Result<Pixmap, String> {
    let Size { width, height } = size;
    let Rgb(red, green, blue) = background;
    // Films of screen shares have at least a picture a second, most have five.
    let start = Millis(t.0.saturating_sub(2000));
    let filter = format!(
        "reverse,scale={width}:{height}:force_original_aspect_ratio=decrease:flags=bicubic,\
         pad={width}:{height}:-1:-1:color=0x{red:02x}{green:02x}{blue:02x},setsar=1"
    );
    let mut command = quiet(&Tools::default().ffmpeg);
    command
        .args(["-nostdin", "-ss", &start.to_string()])
        .args(["-t", &Millis(t.0 - start.0 + 1).to_string()])
        .args(input(film))
        .args(["-frames:v", "1", "-vf", &filter])
        .args(["-f", "rawvideo", "-pix_fmt", "rgba", "-"]);
    let bytes = width as usize * height as usize * 4;
    let processes = Processes::new(PATIENCE);
    let pixels = output_of(
        &processes,
        &mut command,
        "taking a picture out of a film",
        bytes,
    )
    .map_err(|error| error.to_string())?;
    IntSize::from_wh(width, height)
        .and_then(|size| Pixmap::from_vec(pixels, size))
        .ok_or_else(|| "the film has no picture there".into())
}
