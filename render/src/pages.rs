//! The slides of a recording as one PDF: a page for each slide that was shown, in the order in which
//! they were shown first, without what was drawn on them. Vectors stay vectors.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use krilla::Document;
use krilla::geom::Size;
use krilla::image::Image;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla_svg::{SurfaceExt as _, SvgSettings};
use pdf_usvg::{ImageHrefResolver, Options, Tree, fontdb};

use crate::raster::{guarded, slide};
use crate::source::Source;
use crate::timeline::Timeline;
use crate::warning::Warnings;

/// More slides than any lecture shows; what comes after them is left out.
const MOST_PAGES: usize = 3000;
/// How large all pictures together may be, in bytes of their files.
const MOST_BYTES: usize = 512 << 20;
/// The longer side of a page, in points: that of A4.
const LONG_SIDE: f32 = 842.0;
/// Pages between slides that differ more than this would be lines.
const MOST_LONGISH: f32 = 20.0;

/// A picture that can be drawn on a page.
enum Picture {
    Bitmap(Image),
    Vector(Box<Tree>),
}

/// Makes the PDF; `None` when no slide was shown that can be read. What is left out is told in the
/// timeline's warnings.
#[must_use]
pub fn pdf(source: &Source, timeline: &Timeline, title: &str, language: &str) -> Option<Vec<u8>> {
    let warnings = &timeline.warnings;
    let mut seen = HashSet::new();
    let shown = timeline.slides.iter().filter(|slide| !slide.is_blank());
    let shown = shown.filter_map(|slide| slide.href.as_deref());
    let shown = shown.filter(|href| seen.insert(*href));
    let mut fonts = None;
    let mut bytes = 0;
    let mut pages = 0;
    let mut document = Document::new();
    document.set_metadata(
        Metadata::new()
            .title(title.to_owned())
            .language(language.to_owned())
            .producer("bbb2pod".to_owned()),
    );
    for href in shown {
        if pages == MOST_PAGES || bytes > MOST_BYTES {
            warnings.add(
                "slide left out of the PDF",
                None,
                format!("more than {MOST_PAGES} slides or {MOST_BYTES} bytes"),
            );
            continue;
        }
        match picture(source, href, &mut fonts) {
            Ok((picture, size, length)) => {
                bytes += length;
                pages += 1;
                page(&mut document, &picture, size);
            }
            Err(why) => warnings.add("slide left out of the PDF", Some(Path::new(href)), why),
        }
    }
    if pages == 0 {
        return None;
    }
    finish(document, warnings)
}

fn finish(document: Document, warnings: &Warnings) -> Option<Vec<u8>> {
    match guarded(|| document.finish()) {
        Some(Ok(pdf)) => Some(pdf),
        Some(Err(error)) => {
            warnings.add("no PDF of the slides", None, format!("{error:?}"));
            None
        }
        None => {
            warnings.add("no PDF of the slides", None, "it cannot be written");
            None
        }
    }
}

/// A slide's picture, the size of its page, and how many bytes its file has.
fn picture(
    source: &Source,
    href: &str,
    fonts: &mut Option<Arc<fontdb::Database>>,
) -> Result<(Picture, Size, usize), String> {
    let data = slide::read(source, href)?;
    let length = data.len();
    if slide::is_png(&data) {
        let (width, height, pixels) = slide::unpack(&data)?;
        let size = page_size(width as f32, height as f32)?;
        return Ok((
            Picture::Bitmap(Image::from_rgba8(pixels, width, height)),
            size,
            length,
        ));
    }
    let text = slide::svg(&data)?;
    let mut options = Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: ImageHrefResolver::default_data_resolver(),
            // Nothing outside the picture is ever looked at.
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    // BBB's own pictures have their letters as paths.
    if text.contains("<text") || text.contains(":text") {
        options.fontdb = Arc::clone(fonts.get_or_insert_with(|| {
            let mut found = fontdb::Database::new();
            found.load_system_fonts();
            Arc::new(found)
        }));
    }
    let tree = guarded(|| Tree::from_str(text, &options))
        .ok_or("it cannot be read")?
        .map_err(|error| error.to_string())?;
    let size = page_size(tree.size().width(), tree.size().height())?;
    let picture = Picture::Vector(Box::new(tree));
    // What cannot be drawn spoils the whole document, so it is tried on one of its own.
    let tried = guarded(|| {
        let mut alone = Document::new();
        page(&mut alone, &picture, size);
        alone.finish().is_ok()
    });
    match tried {
        Some(true) => Ok((picture, size, length)),
        _ => Err("it cannot be drawn in a PDF".to_owned()),
    }
}

fn page_size(width: f32, height: f32) -> Result<Size, String> {
    let longish = (width / height).max(height / width);
    // Not a number when a side is.
    if longish.is_nan() || longish > MOST_LONGISH {
        return Err(format!("{width} by {height} is no page"));
    }
    let scale = LONG_SIDE / width.max(height);
    Size::from_wh(width * scale, height * scale).ok_or_else(|| "it has no size".to_owned())
}

fn page(document: &mut Document, picture: &Picture, size: Size) {
    let Some(settings) = PageSettings::from_wh(size.width(), size.height()) else {
        return;
    };
    let mut page = document.start_page_with(settings);
    let mut surface: Surface<'_> = page.surface();
    match picture {
        Picture::Bitmap(image) => surface.draw_image(image.clone(), size),
        Picture::Vector(tree) => {
            let _ = surface.draw_svg(tree, size, SvgSettings::default());
        }
    }
    surface.finish();
    page.finish();
}
