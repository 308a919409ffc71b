//! The pixels of the presentation area, brought up to date from instant to instant.
//!
//! A painter draws the slide once for each part of it that is seen, then the shapes on it where
//! they change, and over all of it the pointer, which is taken away again before anything else is
//! drawn.

mod drawing;
mod ink;
mod patch;
mod pointer;
mod projection;
pub(crate) mod slide;

use std::sync::Arc;

use resvg::tiny_skia::Pixmap;
use resvg::usvg;

use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::scene::Scene;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;
use drawing::Drawing;
use ink::{Inks, Item};
use pointer::{Disc, Pointer};
use projection::Projection;
pub(crate) use slide::decoded as decoded_png;
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
    ground: Option<Ground>,
    pointer: Option<Pointer>,
}

/// What the canvas shows, but for the pointer.
#[derive(Debug)]
struct Ground {
    key: Key,
    slide: Arc<Pixmap>,
    /// What is drawn on it; `None` when nothing of it can be seen.
    drawing: Option<Drawing>,
    /// The whiteboard, and between which instants it stays as it is.
    canvas: Option<usize>,
    instants: Vec<Millis>,
    quiet: (Millis, Millis),
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
        let mut canvas = Pixmap::new(size.width, size.height).ok_or_else(bad)?;
        let Rgb(red, green, blue) = background;
        canvas.fill(resvg::tiny_skia::Color::from_rgba8(red, green, blue, 255));
        let inks = Inks::new(
            Arc::clone(&timeline),
            &source,
            Arc::clone(&fonts),
            svg_options(&fonts),
        );
        let slides = Slides::new(source, size, background, svg_options(&fonts));
        Ok(Painter {
            timeline,
            slides,
            inks,
            size,
            canvas,
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
        self.canvas.data_mut().copy_from_slice(slide.data());
        let before = self.ground.take().filter(|ground| ground.canvas == canvas);
        let instants = before.map(|ground| ground.instants).unwrap_or_else(|| {
            let canvas = canvas.and_then(|n| self.timeline.canvases.get(n));
            let mut instants: Vec<Millis> = canvas
                .map(|canvas| canvas.instants().collect())
                .unwrap_or_default();
            instants.sort_unstable();
            instants.dedup();
            instants
        });
        if let Some(projection) = &projection {
            self.inks.zoom_to(projection, self.size);
        }
        let drawing = projection.map(|projection| Drawing::new(&slide, projection));
        let quiet = (Millis::ZERO, Millis::ZERO);
        self.ground = Some(Ground {
            key,
            slide,
            drawing,
            canvas,
            instants,
            quiet,
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
        let (Some(number), Some(drawing)) = (ground.canvas, &mut ground.drawing) else {
            return;
        };
        let Some(canvas) = self.timeline.canvases.get(number) else {
            return;
        };
        let items = Item::list(number, canvas, &canvas.visible(t));

        damage.extend(drawing.update(items, &ground.slide, &mut self.canvas, &mut self.inks));
    }
}

/// Runs what reads or draws a stranger's SVG. A mistake in the libraries that do it must cost the
/// picture at hand, not the film.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

/// How SVG is read: with these fonts, and without following any reference.
pub(crate) fn svg_options(fonts: &Arc<Fonts>) -> usvg::Options<'static> {
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
