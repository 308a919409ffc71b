//! Rectangles of pixels taken out of a picture and put back.

use resvg::tiny_skia::Pixmap;

use crate::geometry::Rect;

/// The pixels of a rectangle, row by row.
pub(super) fn copied(canvas: &Pixmap, area: Rect) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(area.width as usize * area.height as usize * 4);
    for row in rows(canvas.width(), area) {
        pixels.extend_from_slice(&canvas.data()[row]);
    }
    pixels
}

/// Writes the pixels of a rectangle.
pub(super) fn pasted(canvas: &mut Pixmap, area: Rect, pixels: &[u8]) {
    let width = canvas.width();
    for (row, from) in rows(width, area).zip(pixels.chunks_exact(area.width as usize * 4)) {
        canvas.data_mut()[row].copy_from_slice(from);
    }
}

/// The bytes of each row of a rectangle.
fn rows(canvas_width: u32, area: Rect) -> impl Iterator<Item = std::ops::Range<usize>> {
    (area.y..area.bottom()).map(move |y| {
        let start = (y as usize * canvas_width as usize + area.x as usize) * 4;
        start..start + area.width as usize * 4
    })
}
