//! The pixels of the presentation area, brought up to date from instant to instant.
//!
//! Three pictures lie behind each other: the slide as it is seen, the same with those shapes that
//! no longer change (`settled`), and the canvas with all of it. A stroke that grows is replaced
//! many times a second by a longer version of itself; then only its own rectangle is taken from
//! the settled picture and drawn anew, whatever else is on the slide.

mod ink;
mod pointer;
mod projection;
mod slide;

use std::collections::HashSet;
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, PixmapMut};
use resvg::usvg;

use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::scene::Scene;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;
use ink::{Inks, Item};
use pointer::{Disc, Pointer, copied, pasted};
use projection::Projection;
use slide::{Key, Slides};

/// A canvas that shows the presentation area at one instant, and knows how to get to another.
///
/// Painters are independent of each other: one per thread or segment, over one shared timeline.
#[derive(Debug)]
pub struct Painter {
    timeline: Arc<Timeline>,
    slides: Slides,
    inks: Inks,
    size: Size,
    canvas: Pixmap,
    settled: Pixmap,
    ground: Option<Ground>,
    pointer: Option<Pointer>,
}

/// What the canvas shows, but for the pointer.
#[derive(Debug)]
struct Ground {
    key: Key,
    slide: Arc<Pixmap>,
    projection: Option<Projection>,
    /// The whiteboard, and between which instants it stays as it is.
    canvas: Option<usize>,
    instants: Vec<Millis>,
    quiet: (Millis, Millis),
    items: Vec<(Item, Option<Rect>)>,
    /// How many of the items are on the settled picture.
    settled: usize,
}

impl Painter {
    /// A canvas of `size` pixels; nothing is painted before the first [`Painter::paint`].
    ///
    /// # Errors
    /// [`Error::BadSize`] unless both sides are between 16 and 8192 pixels.
    pub fn new(
        timeline: Arc<Timeline>,
        source: Arc<Source>,
        size: Size,
        background: Rgb,
        fonts: Arc<Fonts>,
    ) -> Result<Painter, Error> {
        let sane = |side: u32| (16..=8192).contains(&side);
        let bad = || Error::BadSize {
            width: size.width,
            height: size.height,
        };
        if !sane(size.width) || !sane(size.height) {
            return Err(bad());
        }
        let blank = || Pixmap::new(size.width, size.height).ok_or_else(bad);
        let mut canvas = blank()?;
        let Rgb(red, green, blue) = background;
        canvas.fill(resvg::tiny_skia::Color::from_rgba8(red, green, blue, 255));
        let inks = Inks::new(
            Arc::clone(&timeline),
            &source,
            Arc::clone(&fonts),
            svg_options(&fonts),
        );
        let slides = Slides::new(source, size, background, svg_options(&fonts));
        let settled = blank()?;
        Ok(Painter {
            timeline,
            slides,
            inks,
            size,
            canvas,
            settled,
            ground: None,
            pointer: None,
        })
    }

    /// Brings the canvas to instant `t`, and adds the rectangles whose pixels changed to `damage`.
    ///
    /// Any instant may follow any other; ascending ones are cheap. The first call damages the
    /// whole canvas. During a screen share the canvas stays as it is: the share's film takes its
    /// place ([`Timeline::share_at`]).
    pub fn paint(&mut self, t: Millis, damage: &mut Vec<Rect>) {
        let scene = Scene::at(&self.timeline, t);
        if scene.share.is_some() {
            return;
        }
        let showing = scene.slide.and_then(|n| self.timeline.slides.get(n));
        let key = Key {
            href: showing.and_then(|showing| showing.href.clone()),
            picture: scene.picture,
            view: scene.view,
        };
        let whiteboard = showing.and_then(|showing| showing.canvas);
        let projection = scene.view.and_then(|view| Projection::new(view, self.size));
        let board = self.timeline.board;
        let disc = scene
            .pointer
            .zip(projection)
            .map(|(point, projection)| Disc::new(point, board, &projection, self.size));

        let same_ground = self
            .ground
            .as_ref()
            .is_some_and(|ground| ground.key == key && ground.canvas == whiteboard);
        let quiet = self
            .ground
            .as_ref()
            .is_some_and(|g| g.quiet.0 <= t && t < g.quiet.1);
        let same_disc = self.pointer.as_ref().map(|pointer| pointer.disc) == disc;
        if same_ground && quiet && same_disc {
            return;
        }

        let erased = self
            .pointer
            .take()
            .map(|pointer| pointer.erase(&mut self.canvas));
        if !same_ground {
            self.lay_ground(key, projection, whiteboard, damage);
        }
        if !(same_ground && quiet) {
            self.redraw(t, damage);
        }
        self.pointer = disc.and_then(|disc| Pointer::draw(disc, &mut self.canvas));
        if !same_disc && same_ground {
            damage.extend(erased);
            damage.extend(self.pointer.as_ref().map(Pointer::area));
        }
    }

    /// RGBA, opaque, row by row from the top: `width * height * 4` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.canvas.data()
    }

    /// The size of the canvas.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Starts over with another slide or another part of it.
    fn lay_ground(
        &mut self,
        key: Key,
        projection: Option<Projection>,
        canvas: Option<usize>,
        damage: &mut Vec<Rect>,
    ) {
        let Some(slide) = self.slides.layer(&key, &self.timeline.warnings) else {
            return;
        };
        self.settled.data_mut().copy_from_slice(slide.data());
        self.canvas.data_mut().copy_from_slice(slide.data());
        let mut instants: Vec<Millis> = canvas
            .and_then(|n| self.timeline.canvases.get(n))
            .map(|canvas| canvas.instants().collect())
            .unwrap_or_default();
        instants.sort_unstable();
        instants.dedup();
        if let Some(projection) = &projection {
            self.inks.zoom_to(projection, self.size);
        }
        let quiet = (Millis::ZERO, Millis::ZERO);
        self.ground = Some(Ground {
            key,
            slide,
            projection,
            canvas,
            instants,
            quiet,
            items: Vec::new(),
            settled: 0,
        });
        damage.push(Rect::of(self.size));
    }

    /// Draws what is visible at `t` where it differs from what is on the canvas.
    fn redraw(&mut self, t: Millis, damage: &mut Vec<Rect>) {
        let Some(ground) = &mut self.ground else {
            return;
        };
        let passed = ground.instants.partition_point(|&instant| instant <= t);
        ground.quiet = (
            passed
                .checked_sub(1)
                .map_or(Millis::ZERO, |n| ground.instants[n]),
            ground
                .instants
                .get(passed)
                .copied()
                .unwrap_or(Millis(u64::MAX)),
        );
        let (Some(number), Some(projection)) = (ground.canvas, ground.projection) else {
            return;
        };
        let Some(canvas) = self.timeline.canvases.get(number) else {
            return;
        };
        let items = Item::list(number, canvas, &canvas.visible(t));

        let old = std::mem::take(&mut ground.items);
        let same = old
            .iter()
            .zip(&items)
            .take_while(|((was, _), is)| was == *is)
            .count();
        let mut areas: Vec<Option<Rect>> = old[..same].iter().map(|(_, area)| *area).collect();
        for item in &items[same..] {
            let known = old[same..]
                .iter()
                .find(|(was, _)| was == item)
                .map(|(_, area)| *area);
            areas.push(known.unwrap_or_else(|| {
                self.inks
                    .get(item)
                    .and_then(|ink| ink.area(&projection, self.size))
            }));
        }
        let now: Vec<(Item, Option<Rect>)> = items.into_iter().zip(areas).collect();

        let changed = differing(&old[same..], &now[same..]);
        if old.len() > same || ground.settled > same {
            settle(
                &mut self.settled,
                &mut self.inks,
                ground,
                &projection,
                &old,
                same,
            );
            for &area in &changed {
                let below = copied(&self.settled, area);
                let above = painted(&mut self.inks, &projection, area, below, &now[same..]);
                pasted(&mut self.canvas, area, &above);
            }
        } else {
            for (item, area) in &now[same..] {
                if let Some(area) = *area {
                    let below = copied(&self.canvas, area);
                    let above = painted(
                        &mut self.inks,
                        &projection,
                        area,
                        below,
                        &[(item.clone(), Some(area))],
                    );
                    pasted(&mut self.canvas, area, &above);
                }
            }
        }
        damage.extend(changed);
        ground.items = now;
    }
}

/// Makes the settled picture hold exactly the first `wanted` of the items.
fn settle(
    settled: &mut Pixmap,
    inks: &mut Inks,
    ground: &mut Ground,
    projection: &Projection,
    items: &[(Item, Option<Rect>)],
    wanted: usize,
) {
    if ground.settled > wanted && wanted == 0 {
        settled.data_mut().copy_from_slice(ground.slide.data());
    } else if ground.settled > wanted {
        let gone = items[wanted..ground.settled]
            .iter()
            .filter_map(|(_, area)| *area);
        for area in merged(gone.collect()) {
            let below = copied(&ground.slide, area);
            let above = painted(inks, projection, area, below, &items[..wanted]);
            pasted(settled, area, &above);
        }
    } else {
        for one in items[ground.settled..wanted].iter() {
            if let Some(area) = one.1 {
                let below = copied(settled, area);
                let above = painted(inks, projection, area, below, std::slice::from_ref(one));
                pasted(settled, area, &above);
            }
        }
    }
    ground.settled = wanted;
}

/// The pixels of `area` with the items over them.
fn painted(
    inks: &mut Inks,
    projection: &Projection,
    area: Rect,
    mut pixels: Vec<u8>,
    items: &[(Item, Option<Rect>)],
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
fn differing(old: &[(Item, Option<Rect>)], new: &[(Item, Option<Rect>)]) -> Vec<Rect> {
    let was: HashSet<&Item> = old.iter().map(|(item, _)| item).collect();
    let is: HashSet<&Item> = new.iter().map(|(item, _)| item).collect();
    let stays = |items: &[(Item, Option<Rect>)], other: &HashSet<&Item>| -> Vec<Item> {
        items
            .iter()
            .map(|(item, _)| item)
            .filter(|item| other.contains(item))
            .cloned()
            .collect()
    };
    let reordered = stays(old, &is) != stays(new, &was);
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
    let mut apart: Vec<Rect> = Vec::new();
    while let Some(mut area) = areas.pop() {
        let together = |other: &Rect| {
            let whole = area.union(*other);
            whole.area() * 4 <= (area.area() + other.area()) * 5
                || area.intersection(*other).is_some()
        };
        if let Some(n) = apart.iter().position(together) {
            area = area.union(apart.swap_remove(n));
            areas.push(area);
        } else {
            apart.push(area);
        }
    }
    apart
}

/// How SVG is read: with these fonts, and without following any reference.
fn svg_options(fonts: &Arc<Fonts>) -> usvg::Options<'static> {
    usvg::Options {
        font_family: "Liberation Sans".into(),
        font_resolver: fonts.resolver(),
        fontdb: fonts.database(),
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: usvg::ImageHrefResolver::default_data_resolver(),
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    }
}
