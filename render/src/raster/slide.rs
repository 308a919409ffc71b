//! The pictures of slides, drawn at the size and place they are seen at.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use resvg::tiny_skia::{Color, Pixmap, PixmapMut, Transform};
use resvg::usvg;

use super::guarded;
use super::projection::Projection;
use crate::geometry::{Rect, Rgb, Size, ViewBox};
use crate::source::Source;
use crate::warning::Warnings;

/// How large a slide's file may be, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// How many pixels a slide's picture may have; BBB makes them 1600 wide at most.
const MOST_PIXELS: u64 = 40_000_000;

/// How much of finished slides is kept, in bytes: at 720p, enough for going back and forth between
/// a few of them.
const LAYERS_KEPT: usize = 16 << 20;

/// What SVG can do, pages of documents never need, and can be made to take for ever.
const REFUSED: [&str; 5] = [
    "<!ENTITY",
    "feTurbulence",
    "feConvolveMatrix",
    "feMorphology",
    "marker",
];

/// How many opened pictures are kept.
const PICTURES_KEPT: usize = 2;

/// Slides drawn on the background, and the pictures they were drawn from.
pub(super) struct Slides {
    source: Arc<Source>,
    size: Size,
    background: Rgb,
    options: usvg::Options<'static>,
    layers: VecDeque<(Key, Arc<Pixmap>)>,
    pictures: VecDeque<(String, Option<Arc<Picture>>)>,
}

/// What a finished slide depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) href: Option<String>,
    pub(super) picture: Option<ViewBox>,
    pub(super) view: Option<ViewBox>,
}

enum Picture {
    /// Premultiplied RGBA.
    Bitmap {
        width: u32,
        height: u32,
        pixels: Vec<u8>,
    },
    Vector(Box<usvg::Tree>),
}

impl Slides {
    /// `options` say which fonts SVG slides are drawn with; their references are never followed.
    pub(super) fn new(
        source: Arc<Source>,
        size: Size,
        background: Rgb,
        options: usvg::Options<'static>,
    ) -> Slides {
        Slides {
            source,
            size,
            background,
            options,
            layers: VecDeque::new(),
            pictures: VecDeque::new(),
        }
    }

    /// The whole canvas with background and slide.
    pub(super) fn layer(&mut self, key: &Key, warnings: &Warnings) -> Option<Arc<Pixmap>> {
        if let Some(n) = self.layers.iter().position(|(known, _)| known == key) {
            let kept = self.layers.remove(n)?;
            let layer = Arc::clone(&kept.1);
            self.layers.push_front(kept);
            return Some(layer);
        }
        let mut layer = Pixmap::new(self.size.width, self.size.height)?;
        let Rgb(red, green, blue) = self.background;
        layer.fill(Color::from_rgba8(red, green, blue, 255));
        if let (Some(href), Some(area), Some(view)) = (&key.href, key.picture, key.view)
            && let Some(projection) = Projection::new(view, self.size)
            && let Some(picture) = self.picture(href, warnings)
        {
            draw(&picture, area, &projection, &mut layer);
        }
        let layer = Arc::new(layer);
        self.layers.push_front((key.clone(), Arc::clone(&layer)));
        self.layers
            .truncate((LAYERS_KEPT / layer.data().len()).max(1));
        Some(layer)
    }

    fn picture(&mut self, href: &str, warnings: &Warnings) -> Option<Arc<Picture>> {
        if let Some(n) = self.pictures.iter().position(|(known, _)| known == href) {
            let kept = self.pictures.remove(n)?;
            let picture = kept.1.clone();
            self.pictures.push_front(kept);
            return picture;
        }
        let picture = match open(&self.source, href, &self.options) {
            Ok(picture) => Some(Arc::new(picture)),
            Err(why) => {
                warnings.add("slide left blank", Some(Path::new(href)), why);
                None
            }
        };
        self.pictures.truncate(PICTURES_KEPT - 1);
        self.pictures.push_front((href.to_owned(), picture.clone()));
        picture
    }
}

impl std::fmt::Debug for Slides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slides")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

fn open(source: &Source, href: &str, options: &usvg::Options<'_>) -> Result<Picture, String> {
    let data = read(source, href)?;
    if is_png(&data) {
        let (width, height, pixels) = decoded(&data)?;
        return Ok(Picture::Bitmap {
            width,
            height,
            pixels,
        });
    }
    let text = svg(&data)?;
    let tree = guarded(|| usvg::Tree::from_str(text, options))
        .ok_or("it cannot be read")?
        .map_err(|error| error.to_string())?;
    Ok(Picture::Vector(Box::new(tree)))
}

/// The file of a slide's picture.
pub(crate) fn read(source: &Source, href: &str) -> Result<Vec<u8>, String> {
    let file = source.open_file(href).map_err(|error| error.why())?;
    let mut data = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut data)
        .map_err(|error| error.to_string())?;
    if data.len() as u64 > LARGEST_FILE {
        return Err(format!("larger than {LARGEST_FILE} bytes"));
    }
    Ok(data)
}

/// Whether a picture is a bitmap.
pub(crate) fn is_png(data: &[u8]) -> bool {
    data.starts_with(b"\x89PNG")
}

/// The text of an SVG that may be parsed.
pub(crate) fn svg(data: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(data).map_err(|_| "neither PNG nor SVG")?;
    match REFUSED.iter().find(|refused| text.contains(**refused)) {
        Some(refused) => Err(format!("it uses {refused}, which is not drawn")),
        None => Ok(text),
    }
}

/// Width, height and RGBA, the colours multiplied by the opacity, of any kind of PNG.
pub(crate) fn decoded(data: &[u8]) -> Result<(u32, u32, Vec<u8>), String> {
    let (width, height, mut pixels) = unpack(data)?;
    for pixel in pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] != 255) {
        let alpha = u16::from(pixel[3]);
        for channel in &mut pixel[..3] {
            // At most 255, as both factors are.
            *channel = ((u16::from(*channel) * alpha + 127) / 255) as u8;
        }
    }
    Ok((width, height, pixels))
}

/// Width, height and RGBA of a PNG of any kind.
pub(crate) fn unpack(data: &[u8]) -> Result<(u32, u32, Vec<u8>), String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data));
    decoder.set_transformations(
        png::Transformations::EXPAND | png::Transformations::STRIP_16 | png::Transformations::ALPHA,
    );
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = reader.info().size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("{width}x{height} pixels are too many"));
    }
    let mut decoded = vec![0; reader.output_buffer_size().ok_or("too many pixels")?];
    // A picture that breaks off is shown as far as it goes.
    let (color, _) = reader.output_color_type();
    if let Err(error) = reader.next_frame(&mut decoded)
        && decoded.iter().all(|&byte| byte == 0)
    {
        return Err(error.to_string());
    }
    let pixels = match color {
        png::ColorType::Rgba => decoded,
        png::ColorType::GrayscaleAlpha => decoded
            .chunks_exact(2)
            .flat_map(|p| [p[0], p[0], p[0], p[1]])
            .collect(),
        other => return Err(format!("unexpected colours: {other:?}")),
    };
    Ok((width, height, pixels))
}

/// Draws the part of a picture that is seen; the picture as a whole would fill `area`.
fn draw(picture: &Picture, area: ViewBox, projection: &Projection, layer: &mut Pixmap) {
    let canvas = Size {
        width: layer.width(),
        height: layer.height(),
    };
    let [left, top, right, bottom] = projection.place(area);
    let Some(seen) = Rect::touched(
        left.round(),
        top.round(),
        right.round(),
        bottom.round(),
        canvas,
    )
    .and_then(|seen| seen.intersection(projection.clip)) else {
        return;
    };
    let mut drawn = vec![0; seen.area() as usize * 4];
    match picture {
        Picture::Bitmap {
            width,
            height,
            pixels,
        } => {
            let across = f64::from(*width) / (right - left);
            let down = f64::from(*height) / (bottom - top);
            // Where the edge of the picture falls within a pixel, that pixel belongs to it.
            let x0 = ((f64::from(seen.x) - left) * across).clamp(0.0, f64::from(*width));
            let x1 = ((f64::from(seen.right()) - left) * across).clamp(0.0, f64::from(*width));
            let y0 = ((f64::from(seen.y) - top) * down).clamp(0.0, f64::from(*height));
            let y1 = ((f64::from(seen.bottom()) - top) * down).clamp(0.0, f64::from(*height));
            // Browsers interpolate linearly even when they shrink; this comes nearest to it without
            // losing thin lines.
            let filter = if across > 1.0 {
                FilterType::Hamming
            } else {
                FilterType::CatmullRom
            };
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(filter))
                .use_alpha(false)
                .crop(x0, y0, x1 - x0, y1 - y0);
            let from = ImageRef::new(*width, *height, pixels, PixelType::U8x4);
            let to = Image::from_slice_u8(seen.width, seen.height, &mut drawn, PixelType::U8x4);
            if let (Ok(from), Ok(mut to)) = (from, to)
                && Resizer::new()
                    .resize(&from, &mut to, Some(&options))
                    .is_err()
            {
                return;
            }
        }
        Picture::Vector(tree) => {
            let Some(mut pixmap) = PixmapMut::from_bytes(&mut drawn, seen.width, seen.height)
            else {
                return;
            };
            #[allow(clippy::cast_possible_truncation)]
            let transform = Transform::from_row(
                ((right - left) / f64::from(tree.size().width())) as f32,
                0.0,
                0.0,
                ((bottom - top) / f64::from(tree.size().height())) as f32,
                (left - f64::from(seen.x)) as f32,
                (top - f64::from(seen.y)) as f32,
            );
            guarded(|| resvg::render(tree, transform, &mut pixmap));
        }
    }
    blend(&drawn, seen, layer);
}

/// Lays premultiplied pixels over opaque ones.
fn blend(drawn: &[u8], seen: Rect, layer: &mut Pixmap) {
    let row_bytes = seen.width as usize * 4;
    let stride = layer.width() as usize * 4;
    let first = seen.y as usize * stride + seen.x as usize * 4;
    let rows = layer.data_mut()[first..].chunks_mut(stride);
    for (from, to) in drawn.chunks_exact(row_bytes).zip(rows) {
        for (over, under) in from.chunks_exact(4).zip(to.chunks_exact_mut(4)) {
            let through = 255 - u16::from(over[3]);
            for (above, below) in over.iter().zip(under) {
                let shining = (u16::from(*below) * through + 127) / 255;
                *below = above.saturating_add(shining as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(color: png::ColorType, palette: Option<&[u8]>, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 1);
        encoder.set_color(color);
        if let Some(palette) = palette {
            encoder.set_palette(palette.to_vec());
        }
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
        file
    }

    #[test]
    fn every_kind_of_png_becomes_premultiplied_rgba() {
        use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let palette: &[u8] = &[255, 0, 0, 0, 0, 255];
        for (file, wanted) in [
            (
                png(Grayscale, None, &[7, 200]),
                [7, 7, 7, 255, 200, 200, 200, 255],
            ),
            (
                png(GrayscaleAlpha, None, &[200, 0, 200, 255]),
                [0, 0, 0, 0, 200, 200, 200, 255],
            ),
            (
                png(Rgb, None, &[1, 2, 3, 4, 5, 6]),
                [1, 2, 3, 255, 4, 5, 6, 255],
            ),
            (
                png(Rgba, None, &[255, 0, 0, 51, 9, 8, 7, 255]),
                [51, 0, 0, 51, 9, 8, 7, 255],
            ),
            (
                png(Indexed, Some(palette), &[1, 0]),
                [0, 0, 255, 255, 255, 0, 0, 255],
            ),
        ] {
            let Ok((2, 1, pixels)) = decoded(&file) else {
                panic!("not decoded");
            };
            assert_eq!(pixels, wanted);
        }
    }

    #[test]
    fn transparent_pixels_let_the_background_through() {
        let mut layer = Pixmap::new(2, 1).unwrap();
        layer.fill(Color::from_rgba8(243, 246, 249, 255));
        let seen = Rect {
            x: 1,
            y: 0,
            width: 1,
            height: 1,
        };
        blend(&[51, 0, 0, 51], seen, &mut layer);
        assert_eq!(layer.data(), [243, 246, 249, 255, 245, 197, 199, 255]);
    }
}
