//! The shapes on a slide, kept up to date where they change.
//!
//! Behind the canvas lies a second picture, `settled`: the slide with the first of the shapes. A
//! stroke that grows is replaced many times a second by a longer version of itself, on top of
//! everything; then only its own rectangle is taken from the settled picture and drawn anew,
//! whatever else is on the slide.

use std::collections::{HashMap, HashSet};

use resvg::tiny_skia::{Pixmap, PixmapMut};

use super::ink::{Inks, Item};
use super::patch::{copied, pasted};
use super::projection::Projection;
use crate::geometry::{Rect, Size};

/// Above this many rectangles one around them all is cheaper than keeping them apart.
const MOST_APART: usize = 64;

/// A visible shape and the pixels it may touch.
type Placed = (Item, Option<Rect>);

/// What is drawn on a slide as it is seen.
#[derive(Debug)]
pub(super) struct Drawing {
    projection: Projection,
    settled: Pixmap,
    /// How many of the items are on the settled picture.
    count: usize,
    items: Vec<Placed>,
}

impl Drawing {
    /// Nothing drawn yet on a slide.
    pub(super) fn new(slide: &Pixmap, projection: Projection) -> Drawing {
        Drawing {
            projection,
            settled: slide.clone(),
            count: 0,
            items: Vec::new(),
        }
    }

    /// Makes `canvas`, which shows the slide with what was drawn before, show it with `items`.
    /// Returns where it changed.
    pub(super) fn update(
        &mut self,
        items: Vec<Item>,
        slide: &Pixmap,
        canvas: &mut Pixmap,
        inks: &mut Inks,
    ) -> Vec<Rect> {
        let size = Size {
            width: canvas.width(),
            height: canvas.height(),
        };
        let old = std::mem::take(&mut self.items);
        let same = old
            .iter()
            .zip(&items)
            .take_while(|((was, _), is)| was == *is)
            .count();
        let known: HashMap<&Item, Option<Rect>> = old[same..]
            .iter()
            .map(|(item, area)| (item, *area))
            .collect();
        let projection = self.projection;
        let place = |(n, item): (usize, Item)| {
            let area = match (old.get(n).filter(|_| n < same), known.get(&item)) {
                (Some((_, area)), _) | (None, Some(area)) => *area,
                (None, None) => inks.get(&item).and_then(|ink| ink.area(&projection, size)),
            };
            (item, area)
        };
        let now: Vec<Placed> = items.into_iter().enumerate().map(place).collect();
        let changed = differing(&old[same..], &now[same..]);

        if old.len() == same && self.count <= same {
            for one in &now[same..] {
                over(canvas, one, &projection, inks);
            }
        } else {
            if self.count <= same {
                for one in &now[self.count..same] {
                    over(&mut self.settled, one, &projection, inks);
                }
                self.count = same;
            } else {
                self.count = kept(&old[..self.count], &now);
                for &area in &changed {
                    let below = copied(slide, area);
                    let pixels = painted(below, area, &now[..self.count], &projection, inks);
                    pasted(&mut self.settled, area, &pixels);
                }
            }
            for &area in &changed {
                let below = copied(&self.settled, area);
                let pixels = painted(below, area, &now[self.count..], &projection, inks);
                pasted(canvas, area, &pixels);
            }
        }
        self.items = now;
        changed
    }
}

/// How many of the new items stand for those that are on the settled picture, outside of where
/// the lists differ.
fn kept(settled: &[Placed], now: &[Placed]) -> usize {
    let settled: HashSet<&Item> = settled.iter().map(|(item, _)| item).collect();
    now.iter()
        .rposition(|(item, _)| settled.contains(item))
        .map_or(0, |last| last + 1)
}

/// Draws one item over what is there.
fn over(picture: &mut Pixmap, one: &Placed, projection: &Projection, inks: &mut Inks) {
    if let Some(area) = one.1 {
        let below = copied(picture, area);
        let pixels = painted(below, area, std::slice::from_ref(one), projection, inks);
        pasted(picture, area, &pixels);
    }
}

/// The pixels of `area` with the items over them.
fn painted(
    mut pixels: Vec<u8>,
    area: Rect,
    items: &[Placed],
    projection: &Projection,
    inks: &mut Inks,
) -> Vec<u8> {
    if let Some(mut pixmap) = PixmapMut::from_bytes(&mut pixels, area.width, area.height) {
        for (item, own) in items {
            if own.and_then(|own| own.intersection(area)).is_some()
                && let Some(ink) = inks.get(item)
            {
                ink.paint(projection, area, &mut pixmap);
            }
        }
    }
    pixels
}

/// Where two lists of items differ.
fn differing(old: &[Placed], new: &[Placed]) -> Vec<Rect> {
    let was: HashSet<&Item> = old.iter().map(|(item, _)| item).collect();
    let is: HashSet<&Item> = new.iter().map(|(item, _)| item).collect();
    let stays = |(item, _): &&Placed| was.contains(item) && is.contains(item);
    let reordered = old.iter().filter(stays).ne(new.iter().filter(stays));
    let gone = old
        .iter()
        .filter(|(item, _)| reordered || !is.contains(item));
    let come = new
        .iter()
        .filter(|(item, _)| reordered || !was.contains(item));
    merged(gone.chain(come).filter_map(|(_, area)| *area).collect())
}

/// Rectangles that overlap, or nearly do, made one.
fn merged(mut areas: Vec<Rect>) -> Vec<Rect> {
    if areas.len() > MOST_APART {
        return areas.into_iter().reduce(Rect::union).into_iter().collect();
    }
    let mut apart: Vec<Rect> = Vec::new();
    while let Some(area) = areas.pop() {
        let together = |other: &Rect| {
            let whole = area.union(*other).area();
            whole * 4 <= (area.area() + other.area()) * 5 || area.intersection(*other).is_some()
        };
        match apart.iter().position(together) {
            Some(n) => areas.push(area.union(apart.swap_remove(n))),
            None => apart.push(area),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn rectangles_that_overlap_become_one() {
        let apart = merged(vec![
            rect(0, 0, 10, 10),
            rect(50, 50, 5, 5),
            rect(5, 5, 10, 10),
        ]);
        assert_eq!(apart.len(), 2);
        assert!(apart.contains(&rect(0, 0, 15, 15)));
        let many = (0..1000).map(|n| rect(n * 20, n, 1, 1)).collect();
        assert_eq!(merged(many), [rect(0, 0, 19_981, 1000)]);
    }
}
