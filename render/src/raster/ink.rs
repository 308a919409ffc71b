//! Drawn shapes ready to be painted: parsed once, kept while there is room.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use resvg::tiny_skia::PixmapMut;
use resvg::usvg;
use serde_json::Value;

use super::guarded;
use super::projection::Projection;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Size};
use crate::source::Source;
use crate::timeline::{Board, Canvas, Timeline};
use crate::whiteboard::store::Store;
use crate::whiteboard::tldraw::{self, Dialect};
use crate::whiteboard::{self, Skipped};

/// How much SVG text is kept parsed, in bytes; parsed it takes about ten times as much memory.
const KEPT: usize = 2 << 20;

/// One visible version of a shape, with the versions it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) canvas: usize,
    pub(super) version: u32,
    tied: Box<[u32]>,
}

impl Item {
    /// What is visible on a canvas, in paint order.
    pub(super) fn list(number: usize, canvas: &Canvas, visible: &[u32]) -> Vec<Item> {
        let item = |&version| Item {
            canvas: number,
            version,
            tied: canvas.tied(version, visible).into_boxed_slice(),
        };
        visible.iter().map(item).collect()
    }
}

/// A shape that can be painted at any scale.
pub(super) struct Ink {
    tree: usvg::Tree,
    length: usize,
    /// Whether it looks otherwise at another zoom.
    zoomed: bool,
}

/// Where shapes come from.
pub(super) struct Inks {
    timeline: Arc<Timeline>,
    fonts: Arc<Fonts>,
    options: usvg::Options<'static>,
    store: Store,
    kept: HashMap<Item, Option<Arc<Ink>>>,
    order: VecDeque<Item>,
    length: usize,
    /// Pixels per unit in a player of the size tldraw's fixed lines are meant for.
    zoom: f64,
}

impl Inks {
    pub(super) fn new(
        timeline: Arc<Timeline>,
        source: &Arc<Source>,
        fonts: Arc<Fonts>,
        mut options: usvg::Options<'static>,
    ) -> Inks {
        let store = Store::open(source, timeline.board);
        // Fragments name the font of every character.
        options.font_resolver.select_fallback = Box::new(|_, _, _| None);
        options.image_href_resolver.resolve_string = images(Arc::clone(source), Arc::clone(&fonts));
        Inks {
            timeline,
            fonts,
            options,
            store,
            kept: HashMap::new(),
            order: VecDeque::new(),
            length: 0,
            zoom: 1.0,
        }
    }

    /// The scale at which shapes are painted from now on.
    pub(super) fn zoom_to(&mut self, projection: &Projection, size: Size) {
        let enlarged = (f64::from(size.width) / 1280.0).min(f64::from(size.height) / 720.0);
        let zoom = projection.scale / enlarged;
        if (zoom - self.zoom).abs() > 1e-9 {
            self.zoom = zoom;
            let kept = &mut self.kept;
            let length = &mut self.length;
            self.order.retain(|item| {
                let outdated = kept
                    .get(item)
                    .and_then(Option::as_ref)
                    .filter(|ink| ink.zoomed);
                if let Some(ink) = outdated {
                    *length -= ink.length;
                    kept.remove(item);
                    return false;
                }
                true
            });
        }
    }

    /// The shape of an item; `None` when it cannot be drawn, which is noted as a warning.
    pub(super) fn get(&mut self, item: &Item) -> Option<Arc<Ink>> {
        if let Some(known) = self.kept.get(item) {
            return known.clone();
        }
        let ink = match self.read(item) {
            Ok(ink) => Some(Arc::new(ink)),
            Err(Skipped { why }) => {
                let file = Path::new(Store::name(self.timeline.board));
                self.timeline.warnings.add("shape skipped", Some(file), why);
                None
            }
        };
        self.length += ink.as_ref().map_or(100, |ink| ink.length);
        while self.length > KEPT {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(gone) = self.kept.remove(&oldest) {
                self.length -= gone.map_or(100, |ink| ink.length);
            }
        }
        self.order.push_back(item.clone());
        self.kept.insert(item.clone(), ink.clone());
        ink
    }

    fn read(&self, item: &Item) -> Result<Ink, Skipped> {
        let canvas = self.timeline.canvases.get(item.canvas);
        let place = |n: u32| {
            let version = canvas.and_then(|canvas| canvas.versions().get(n as usize));
            version
                .map(|version| version.place)
                .ok_or_else(|| Skipped::because("lost"))
        };
        let own = place(item.version)?;
        let (fragment, zoomed) = match self.timeline.board {
            Board::Svg => {
                let text = self.store.text(own)?;
                (whiteboard::svg::fragment(&text, &self.fonts)?, false)
            }
            Board::Tldraw { second, .. } => {
                let dialect = if second { Dialect::V2 } else { Dialect::V1 };
                let shape = self.store.json(own)?;
                let tied: Vec<Value> = item
                    .tied
                    .iter()
                    .flat_map(|&n| place(n).and_then(|place| self.store.json(place)))
                    .collect();
                let tied: Vec<&Value> = tied.iter().collect();
                let fragment = tldraw::fragment(&shape, &tied, dialect, self.zoom, &self.fonts)?;
                (fragment, tldraw::keeps_size(&shape))
            }
        };
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10000" height="10000">{}</svg>"#,
            fragment.svg
        );
        let tree = guarded(|| usvg::Tree::from_str(&svg, &self.options))
            .ok_or_else(|| Skipped::because("it cannot be read"))?
            .map_err(|error| Skipped::because(error.to_string()))?;
        Ok(Ink {
            tree,
            length: svg.len(),
            zoomed,
        })
    }
}

impl std::fmt::Debug for Inks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inks")
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}

impl Ink {
    /// The pixels it may touch.
    pub(super) fn area(&self, projection: &Projection, size: Size) -> Option<Rect> {
        let bounds = self.tree.root().abs_layer_bounding_box();
        let (scale, left, top) = (projection.scale, projection.left, projection.top);
        // One more on each side for the soft edge.
        Rect::touched(
            left + f64::from(bounds.left()) * scale - 1.0,
            top + f64::from(bounds.top()) * scale - 1.0,
            left + f64::from(bounds.right()) * scale + 1.0,
            top + f64::from(bounds.bottom()) * scale + 1.0,
            size,
        )?
        .intersection(projection.clip)
    }

    /// Paints it on the pixels of `area`.
    pub(super) fn paint(&self, projection: &Projection, area: Rect, pixels: &mut PixmapMut<'_>) {
        guarded(|| resvg::render(&self.tree, projection.transform(area), pixels));
    }
}

/// Opens the pictures that shapes refer to, which are the results of polls.
fn images(source: Arc<Source>, fonts: Arc<Fonts>) -> usvg::ImageHrefStringResolverFn<'static> {
    Box::new(move |href, _| {
        let path = source.resolve(href).ok()?;
        let data = std::fs::read(path)
            .ok()
            .filter(|data| data.len() < 16 << 20)?;
        if data.starts_with(b"\x89PNG") {
            return Some(usvg::ImageKind::PNG(Arc::new(data)));
        }
        guarded(|| usvg::Tree::from_data(&data, &super::svg_options(&fonts)))?
            .ok()
            .map(usvg::ImageKind::SVG)
    })
}
