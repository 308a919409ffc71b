//! The watermark: a picture of the administrator's that lies over the whole film.

use std::path::Path;

use resvg::tiny_skia::{FilterQuality, IntSize, Pixmap, PixmapPaint, Transform};

use crate::encode::overlay::Overlay;
use crate::error::Error;
use crate::geometry::{Rect, Size};
use crate::options::{Corner, Watermark};
use crate::raster::decoded_png;

/// A frame of this height shows the picture in its own size; others in proportion.
const HEIGHT: f64 = 720.0;
/// How much of the frame it may take, each way.
const LARGEST: f64 = 0.25;
/// Between it and the frame's edges, in parts of the frame's height.
const MARGIN: f64 = 0.025;
const MOST_BYTES: u64 = 16 << 20;

/// Reads the picture and puts it into its corner.
///
/// # Errors
/// [`Error::BadOption`] when it is no PNG that can be read.
pub(crate) fn place(watermark: &Watermark, frame: Size) -> Result<Overlay, Error> {
    let bad = |why: String| Error::BadOption {
        option: "watermark",
        why: format!("{}: {why}", watermark.image.display()),
    };
    let bytes = read(&watermark.image).map_err(|e| bad(e.to_string()))?;
    let (width, height, pixels) =
        decoded_png(&bytes).map_err(|why| bad(format!("not a usable PNG: {why}")))?;
    let image = IntSize::from_wh(width, height)
        .and_then(|size| Pixmap::from_vec(pixels, size))
        .ok_or_else(|| bad("it has no size".into()))?;
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let (frame_width, frame_height) = (f64::from(frame.width), f64::from(frame.height));
    let scale = (frame_height / HEIGHT)
        .min(frame_width * LARGEST / width)
        .min(frame_height * LARGEST / height);
    let (width, height) = (width * scale, height * scale);
    let margin = frame_height * MARGIN;
    let left = match watermark.corner {
        Corner::TopLeft | Corner::BottomLeft => margin,
        Corner::TopRight | Corner::BottomRight => frame_width - margin - width,
    };
    let top = match watermark.corner {
        Corner::TopLeft | Corner::TopRight => margin,
        Corner::BottomLeft | Corner::BottomRight => frame_height - margin - height,
    };
    let area = Rect::touched(left, top, left + width, top + height, frame)
        .ok_or_else(|| bad("nothing of it would be seen".into()))?
        .widened(frame);
    let mut canvas =
        Pixmap::new(area.width, area.height).ok_or_else(|| bad("it has no size".into()))?;
    #[allow(clippy::cast_possible_truncation)]
    let transform = Transform::from_row(
        scale as f32,
        0.0,
        0.0,
        scale as f32,
        (left - f64::from(area.x)) as f32,
        (top - f64::from(area.y)) as f32,
    );
    let paint = PixmapPaint {
        quality: FilterQuality::Bicubic,
        ..PixmapPaint::default()
    };
    canvas.draw_pixmap(0, 0, image.as_ref(), &paint, transform, None);
    Ok(Overlay {
        area,
        pixels: canvas.take(),
    })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other("larger than 16 MB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::tiny_skia::Color;

    #[test]
    fn it_keeps_to_its_corner_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("logo.png");
        let mut logo = Pixmap::new(100, 50).unwrap();
        logo.fill(Color::from_rgba8(255, 0, 0, 128));
        logo.save_png(&image).unwrap();
        for (corner, frame, wanted) in [
            (Corner::TopLeft, (1280, 720), (18, 18, 100, 50)),
            (Corner::BottomRight, (1280, 720), (1162, 652, 100, 50)),
            (Corner::BottomRight, (2560, 1440), (2324, 1304, 200, 100)),
            (Corner::TopRight, (320, 180), (290, 4, 26, 14)),
        ] {
            let watermark = Watermark {
                image: image.clone(),
                corner,
            };
            let (width, height) = frame;
            let overlay = place(&watermark, Size { width, height }).unwrap();
            let Rect {
                x,
                y,
                width,
                height,
            } = overlay.area;
            assert_eq!((x, y, width, height), wanted, "{corner:?} {frame:?}");
        }
        std::fs::write(&image, "GIF89a").unwrap();
        let watermark = Watermark {
            image,
            corner: Corner::TopLeft,
        };
        let error = place(
            &watermark,
            Size {
                width: 640,
                height: 360,
            },
        )
        .unwrap_err();
        assert!(error.to_string().contains("logo.png"), "{error}");
    }
}
