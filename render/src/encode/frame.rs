//! A frame of the film in memory: three planes of which only what changed is written anew.
//!
//! The planes are those of I420, the form in which H.264 encoders take pictures: luma for every
//! pixel, two chromas for every square of two by two. Colours follow ITU-R BT.709 in its limited
//! range, as players assume for films of this size.

use crate::encode::overlay::Overlay;
use crate::geometry::{Rect, Rgb, Size};

/// One picture in I420, luma first, in one piece.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    size: Size,
    data: Vec<u8>,
}

impl Frame {
    /// A frame in one colour; both sides of `size` are even.
    pub(crate) fn new(size: Size, colour: Rgb) -> Frame {
        let mut frame = Frame {
            size,
            data: vec![0; bytes(size)],
        };
        frame.fill(Rect::of(size), colour);
        frame
    }

    /// All three planes.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Paints a rectangle with even edges in one colour.
    pub(crate) fn fill(&mut self, rect: Rect, colour: Rgb) {
        let Rgb(r, g, b) = colour;
        let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
        let values = [luma(r, g, b), chroma_u(r, g, b), chroma_v(r, g, b)];
        for (plane, value) in self.planes().into_iter().zip(values) {
            let area = plane.area(rect);
            for row in plane.rows(area) {
                row.fill(value);
            }
        }
    }

    /// Copies an I420 picture of the rectangle's size into it; edges are even.
    pub(crate) fn blit(&mut self, rect: Rect, picture: &[u8]) {
        let mut rest = picture;
        for plane in self.planes() {
            let area = plane.area(rect);
            for row in plane.rows(area) {
                let Some((line, after)) = rest.split_at_checked(row.len()) else {
                    return;
                };
                row.copy_from_slice(line);
                rest = after;
            }
        }
    }

    /// As [`Frame::blit`], for a picture whose colours follow BT.601.
    pub(crate) fn blit_bt601(&mut self, rect: Rect, picture: &[u8]) {
        let (width, height) = (rect.width as usize, rect.height as usize);
        let Some((luma, chroma)) = picture.split_at_checked(width * height) else {
            return;
        };
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let stride = self.size.width as usize;
        let half = stride / 2;
        let (to_luma, to_chroma) = self.data.split_at_mut(stride * self.size.height as usize);
        let (to_u, to_v) = to_chroma.split_at_mut(to_chroma.len() / 2);
        let rows = luma
            .chunks_exact(2 * width)
            .zip(u.chunks_exact(width / 2).zip(v.chunks_exact(width / 2)));
        for (n, (two, (u, v))) in rows.enumerate() {
            let y = rect.y as usize + 2 * n;
            let at = y * stride + rect.x as usize;
            let (above, below) = to_luma.split_at_mut(at + stride);
            let (upper, lower) = two.split_at(width);
            shift_luma(upper, u, v, &mut above[at..at + width]);
            shift_luma(lower, u, v, &mut below[..width]);
            let at = y / 2 * half + rect.x as usize / 2;
            let to = to_u[at..at + width / 2]
                .iter_mut()
                .zip(&mut to_v[at..at + width / 2]);
            for ((to_u, to_v), (&u, &v)) in to.zip(u.iter().zip(v)) {
                let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
                *to_u = clamped(128 + ((66758 * u + 7512 * v + (1 << 15)) >> 16));
                *to_v = clamped(128 + ((4918 * u + 67196 * v + (1 << 15)) >> 16));
            }
        }
    }

    /// Converts a rectangle of an RGBA canvas, whose upper left corner lies at `place`, into the
    /// frame. The rectangle is widened to even edges; the canvas has even sides.
    pub(crate) fn patch(&mut self, place: Rect, canvas: &[u8], rect: Rect) {
        let left = rect.x & !1;
        let top = rect.y & !1;
        let right = (rect.right() + 1) & !1;
        let bottom = (rect.bottom() + 1) & !1;
        let (right, bottom) = (right.min(place.width), bottom.min(place.height));
        let stride = place.width as usize * 4;
        let width = self.size.width as usize;
        let half = width / 2;
        let (luma_plane, chroma) = self.data.split_at_mut(width * self.size.height as usize);
        let (u_plane, v_plane) = chroma.split_at_mut(chroma.len() / 2);
        for y in (top..bottom).step_by(2) {
            let from = y as usize * stride + left as usize * 4;
            let length = (right - left) as usize * 4;
            let (Some(upper), Some(lower)) = (
                canvas.get(from..from + length),
                canvas.get(from + stride..from + stride + length),
            ) else {
                return;
            };
            let at = (place.y + y) as usize * width + (place.x + left) as usize;
            let (before, below) = luma_plane.split_at_mut(at + width);
            let pixels = length / 4;
            let to_upper = &mut before[at..at + pixels];
            let to_lower = &mut below[..pixels];
            luma_row(upper, to_upper);
            luma_row(lower, to_lower);
            let at = ((place.y + y) / 2) as usize * half + ((place.x + left) / 2) as usize;
            chroma_row(
                upper,
                lower,
                &mut u_plane[at..at + pixels / 2],
                &mut v_plane[at..at + pixels / 2],
            );
        }
    }

    /// Takes a rectangle with even edges over from a frame of the same size.
    pub(crate) fn copy_from(&mut self, other: &Frame, rect: Rect) {
        let stride = self.size.width as usize;
        let luma = stride * self.size.height as usize;
        let mut copy = |start: usize, stride: usize, area: Rect| {
            for y in area.y..area.bottom() {
                let at = start + y as usize * stride + area.x as usize;
                let row = at..at + area.width as usize;
                if let (Some(to), Some(from)) =
                    (self.data.get_mut(row.clone()), other.data.get(row))
                {
                    to.copy_from_slice(from);
                }
            }
        };
        let half = Rect {
            x: rect.x / 2,
            y: rect.y / 2,
            width: rect.width / 2,
            height: rect.height / 2,
        };
        copy(0, stride, rect);
        copy(luma, stride / 2, half);
        copy(luma + luma / 4, stride / 2, half);
    }

    /// Lays the part of an overlay that is within a rectangle with even edges over the frame.
    pub(crate) fn blend(&mut self, over: &Overlay, rect: Rect) {
        let Some(rect) = rect.intersection(over.area) else {
            return;
        };
        let pixel = |x: u32, y: u32| {
            let (x, y) = ((x - over.area.x) as usize, (y - over.area.y) as usize);
            let at = (y * over.area.width as usize + x) * 4;
            let bytes = over.pixels.get(at..at + 4).unwrap_or(&[0; 4]);
            [bytes[0], bytes[1], bytes[2], bytes[3]].map(i32::from)
        };
        let stride = self.size.width as usize;
        let (luma_plane, chroma) = self.data.split_at_mut(stride * self.size.height as usize);
        let (u_plane, v_plane) = chroma.split_at_mut(chroma.len() / 2);
        for y in rect.y..rect.bottom() {
            for x in rect.x..rect.right() {
                let [r, g, b, a] = pixel(x, y);
                if a > 0 {
                    let at = y as usize * stride + x as usize;
                    luma_plane[at] = mixed(luma_plane[at], luma(r, g, b), 16, a);
                }
            }
        }
        for y in (rect.y..rect.bottom()).step_by(2) {
            for x in (rect.x..rect.right()).step_by(2) {
                let square =
                    [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| pixel(x, y));
                let mean = |n: usize| (square.iter().map(|pixel| pixel[n]).sum::<i32>() + 2) >> 2;
                let (r, g, b, a) = (mean(0), mean(1), mean(2), mean(3));
                if a > 0 {
                    let at = y as usize / 2 * (stride / 2) + x as usize / 2;
                    u_plane[at] = mixed(u_plane[at], chroma_u(r, g, b), 128, a);
                    v_plane[at] = mixed(v_plane[at], chroma_v(r, g, b), 128, a);
                }
            }
        }
    }

    fn planes(&mut self) -> [Plane<'_>; 3] {
        let width = self.size.width as usize;
        let (y, chroma) = self.data.split_at_mut(width * self.size.height as usize);
        let (u, v) = chroma.split_at_mut(chroma.len() / 2);
        [
            Plane {
                data: y,
                stride: width,
                halved: 0,
            },
            Plane {
                data: u,
                stride: width / 2,
                halved: 1,
            },
            Plane {
                data: v,
                stride: width / 2,
                halved: 1,
            },
        ]
    }
}

/// How many bytes a picture in I420 has.
pub(crate) fn bytes(size: Size) -> usize {
    size.width as usize * size.height as usize * 3 / 2
}

struct Plane<'a> {
    data: &'a mut [u8],
    stride: usize,
    halved: u32,
}

impl<'a> Plane<'a> {
    fn area(&self, rect: Rect) -> Rect {
        Rect {
            x: rect.x >> self.halved,
            y: rect.y >> self.halved,
            width: rect.width >> self.halved,
            height: rect.height >> self.halved,
        }
    }

    fn rows(self, area: Rect) -> impl Iterator<Item = &'a mut [u8]> {
        let columns = area.x as usize..area.right() as usize;
        self.data
            .chunks_exact_mut(self.stride)
            .skip(area.y as usize)
            .take(area.height as usize)
            .map(move |row| &mut row[columns.clone()])
    }
}

// From BT.601 to BT.709, both in limited range: one matrix times the inverse of the other, in 16
// bits of fraction.
fn shift_luma(from: &[u8], u: &[u8], v: &[u8], to: &mut [u8]) {
    let pairs = from.chunks_exact(2).zip(to.chunks_exact_mut(2));
    for ((from, to), (&u, &v)) in pairs.zip(u.iter().zip(v)) {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let by = (-7573 * u - 13627 * v + (1 << 15)) >> 16;
        to[0] = clamped(i32::from(from[0]) + by);
        to[1] = clamped(i32::from(from[1]) + by);
    }
}

fn clamped(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

fn luma_row(from: &[u8], to: &mut [u8]) {
    for (pixel, y) in from.chunks_exact(4).zip(to) {
        *y = luma(
            i32::from(pixel[0]),
            i32::from(pixel[1]),
            i32::from(pixel[2]),
        );
    }
}

fn chroma_row(upper: &[u8], lower: &[u8], u: &mut [u8], v: &mut [u8]) {
    let squares = upper.chunks_exact(8).zip(lower.chunks_exact(8));
    for ((above, below), (u, v)) in squares.zip(u.iter_mut().zip(v)) {
        let mean = |channel: usize| {
            (i32::from(above[channel])
                + i32::from(above[channel + 4])
                + i32::from(below[channel])
                + i32::from(below[channel + 4])
                + 2)
                >> 2
        };
        let (r, g, b) = (mean(0), mean(1), mean(2));
        *u = chroma_u(r, g, b);
        *v = chroma_v(r, g, b);
    }
}

/// A value covered by another, whose colour is multiplied by its opacity `a` but for `base`, which
/// is what black or grey have.
fn mixed(below: u8, above: u8, base: i32, a: i32) -> u8 {
    let rest = 255 - a;
    let above = i32::from(above) - base + (base * a + 127) / 255;
    clamped(above + (i32::from(below) * rest + 127) / 255)
}

// BT.709, limited range, in 16 bits of fraction; each row of factors sums so that grey has no
// chroma and white is exactly 235.
fn luma(r: i32, g: i32, b: i32) -> u8 {
    ((11966 * r + 40254 * g + 4064 * b + (16 << 16) + (1 << 15)) >> 16) as u8
}

fn chroma_u(r: i32, g: i32, b: i32) -> u8 {
    ((-6596 * r - 22188 * g + 28784 * b + (128 << 16) + (1 << 15)) >> 16) as u8
}

fn chroma_v(r: i32, g: i32, b: i32) -> u8 {
    ((28784 * r - 26145 * g - 2639 * b + (128 << 16) + (1 << 15)) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Size = Size {
        width: 16,
        height: 8,
    };

    fn canvas(size: Size, at: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
        (0..size.height)
            .flat_map(|y| (0..size.width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let [r, g, b] = at(x, y);
                [r, g, b, 255]
            })
            .collect()
    }

    #[test]
    fn known_colours_have_their_known_values() {
        for (colour, values) in [
            ((0, 0, 0), (16, 128, 128)),
            ((255, 255, 255), (235, 128, 128)),
            ((128, 128, 128), (126, 128, 128)),
            ((255, 0, 0), (63, 102, 240)),
            ((0, 255, 0), (173, 42, 26)),
            ((0, 0, 255), (32, 240, 118)),
        ] {
            let (r, g, b) = colour;
            assert_eq!(
                (luma(r, g, b), chroma_u(r, g, b), chroma_v(r, g, b)),
                values,
                "{colour:?}"
            );
        }
    }

    #[test]
    fn blit_writes_its_rectangle_only() {
        let mut frame = Frame::new(SIZE, Rgb(0, 0, 0));
        let rect = Rect {
            x: 4,
            y: 2,
            width: 4,
            height: 4,
        };
        frame.blit(rect, &[200; 24]);
        let luma_sum: usize = frame.data()[..128].iter().filter(|&&v| v == 200).count();
        let chroma_sum: usize = frame.data()[128..].iter().filter(|&&v| v == 200).count();
        assert_eq!((luma_sum, chroma_sum), (16, 8));
        assert_eq!(frame.data()[2 * 16 + 4], 200);
        assert_eq!(frame.data()[2 * 16 + 3], 16);
    }

    #[test]
    fn colours_of_bt601_stay_the_same_colours() {
        // Red in BT.601 is 81, 90, 240; in BT.709 it is 63, 102, 240.
        let picture = [[81; 16].as_slice(), &[90; 4], &[240; 4]].concat();
        let mut frame = Frame::new(SIZE, Rgb(0, 0, 0));
        let rect = Rect {
            x: 2,
            y: 2,
            width: 4,
            height: 4,
        };
        frame.blit_bt601(rect, &picture);
        let data = frame.data();
        for (found, wanted) in [
            (data[2 * 16 + 2], 63),
            (data[5 * 16 + 5], 63),
            (data[128 + 8 + 1], 102),
            (data[128 + 32 + 8 + 1], 240),
        ] {
            assert!(found.abs_diff(wanted) <= 1, "{found} instead of {wanted}");
        }
        assert_eq!((data[2 * 16 + 1], data[6 * 16 + 2]), (16, 16));
    }

    #[test]
    fn overlays_cover_as_much_as_they_are_opaque() {
        let area = Rect {
            x: 4,
            y: 2,
            width: 4,
            height: 4,
        };
        let over = |pixel: [u8; 4]| Overlay {
            area,
            pixels: pixel.repeat(16),
        };
        for (pixel, wanted) in [
            ([255, 0, 0, 255], (63, 102, 240)),
            ([0, 0, 0, 0], (126, 128, 128)),
            ([128, 128, 128, 128], (181, 128, 128)),
            ([0, 0, 0, 128], (71, 128, 128)),
        ] {
            let grey = Frame::new(SIZE, Rgb(128, 128, 128));
            let mut frame = grey.clone();
            frame.blend(&over(pixel), Rect::of(SIZE));
            let data = frame.data();
            let found = (data[2 * 16 + 4], data[128 + 8 + 2], data[160 + 8 + 2]);
            assert_eq!(found, wanted, "{pixel:?}");
            assert_eq!(
                (data[16 + 4], data[2 * 16 + 3], data[2 * 16 + 8]),
                (126, 126, 126)
            );
            frame.copy_from(&grey, area);
            assert_eq!(frame.data(), grey.data());
        }
    }

    proptest! {
        /// Patching any rectangles after a change inside them gives what patching everything gives.
        #[test]
        fn patches_equal_the_whole(x in 0u32..12, y in 0u32..6, w in 1u32..5, h in 1u32..3, seed: u8) {
            let canvas_size = Size { width: 12, height: 6 };
            let place = Rect { x: 2, y: 2, width: 12, height: 6 };
            let rect = Rect { x, y, width: w.min(12 - x), height: h.min(6 - y) };
            let old = canvas(canvas_size, |x, y| [x as u8 * 20, y as u8 * 40, seed]);
            let new = canvas(canvas_size, |x, y| {
                if x >= rect.x && x < rect.right() && y >= rect.y && y < rect.bottom() {
                    [seed, x as u8, 255 - seed]
                } else {
                    [x as u8 * 20, y as u8 * 40, seed]
                }
            });
            let everything = Rect::of(canvas_size);
            let mut patched = Frame::new(SIZE, Rgb(9, 9, 9));
            patched.patch(place, &old, everything);
            patched.patch(place, &new, rect);
            let mut whole = Frame::new(SIZE, Rgb(9, 9, 9));
            whole.patch(place, &new, everything);
            prop_assert_eq!(patched.data(), whole.data());
        }
    }
}
