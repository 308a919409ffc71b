//! What is on the screen at an instant, and why: an answer for whoever compares a film with what
//! they remember.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::geometry::{Point, ViewBox};
use crate::scene::Scene;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{Board, Canvas, Span, Timeline};
use crate::whiteboard::store::Store;

/// One instant of the presentation area. Times are milliseconds of recorded time; places are in
/// the units of the whiteboard.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The instant.
    pub at: Millis,
    /// What the whiteboard is made of.
    pub board: Board,
    /// The screen share that hides all of the following.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Span>,
    /// The slide; absent before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slide: Option<Slide>,
    /// The part of it that is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewBox>,
    /// When that part was chosen; absent when the whole slide is seen for want of any choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_since: Option<Millis>,
    /// Where the presenter points; absent while the pointer is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<Point>,
    /// The visible shapes, in the order they are painted.
    pub shapes: Vec<Shown>,
}

/// The slide that is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Slide {
    /// Its image in `shapes.svg`.
    pub id: String,
    /// Its picture's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// When it was shown.
    pub since: Millis,
    /// When the next one is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// A shape that is visible.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The version's `id` in `shapes.svg`; the shape's `id` in `tldraw.json`.
    pub id: String,
    /// What it is: its `shape` attribute, or its type in tldraw.
    pub kind: String,
    /// Which of its shape's versions on this whiteboard it is, from 1.
    pub version: usize,
    /// How many versions there are.
    pub versions: usize,
    /// When this version appeared.
    pub since: Millis,
    /// When it disappears; absent when it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// Whether a later version then takes its place; otherwise it is undone or cleared.
    pub superseded: bool,
}

/// Explains the instants `at` of a recording.
///
/// # Errors
/// When the source is no recording, or the system fails to read it.
pub fn explain(source: &Path, at: &[Millis]) -> Result<Vec<Explanation>, Error> {
    let source = Source::open(source)?;
    let timeline = Timeline::read(&source)?;
    let store = Store::open(&source, timeline.board);
    Ok(at.iter().map(|&t| instant(&timeline, &store, t)).collect())
}

fn instant(timeline: &Timeline, store: &Store, t: Millis) -> Explanation {
    let scene = Scene::at(timeline, t);
    let showing = scene.slide.and_then(|n| timeline.slides.get(n));
    let next = scene.slide.and_then(|n| timeline.slides.get(n + 1));
    let view = timeline
        .views
        .partition_point(|view| view.at <= t)
        .checked_sub(1);
    let canvas = showing
        .and_then(|s| s.canvas)
        .and_then(|n| timeline.canvases.get(n));
    Explanation {
        at: t,
        board: timeline.board,
        share: scene.share,
        slide: showing.map(|showing| Slide {
            id: showing.id.clone(),
            href: showing.href.clone(),
            since: showing.at,
            until: next.map(|next| next.at),
        }),
        view: scene.view,
        view_since: view.map(|n| timeline.views[n].at),
        pointer: scene.pointer,
        shapes: canvas
            .map(|canvas| shapes(canvas, timeline.board, store, t))
            .unwrap_or_default(),
    }
}

fn shapes(canvas: &Canvas, board: Board, store: &Store, t: Millis) -> Vec<Shown> {
    let all = canvas.versions();
    let visible = canvas.visible(t).into_iter().map(|n| n as usize);
    let shown = visible.map(|n| {
        let this = &all[n];
        let mut before = 0;
        let mut later = None;
        let mut versions = 0;
        for (other, version) in all
            .iter()
            .enumerate()
            .filter(|(_, v)| v.shape == this.shape)
        {
            versions += 1;
            before += usize::from(other < n);
            if other > n {
                later = Some(later.map_or(version.from, |first: Millis| first.min(version.from)));
            }
        }
        let (id, kind) = match board {
            Board::Svg => svg_names(&store.text(this.place).unwrap_or_default()),
            Board::Tldraw { .. } => tldraw_names(&store.json(this.place).unwrap_or_default()),
        };
        Shown {
            id,
            kind,
            version: before + 1,
            versions,
            since: this.from,
            until: Some(this.until).filter(|&until| until != Millis(u64::MAX)),
            superseded: later == Some(this.until),
        }
    });
    shown.collect()
}

fn svg_names(text: &str) -> (String, String) {
    let document = format!(r#"<svg xmlns:xlink="http://www.w3.org/1999/xlink">{text}</svg>"#);
    let document = roxmltree::Document::parse(&document).ok();
    let attribute = |name| {
        let shape = document.as_ref()?.root_element().first_element_child()?;
        shape.attribute(name).map(str::to_owned)
    };
    (
        attribute("id").unwrap_or_default(),
        attribute("shape").unwrap_or_default(),
    )
}

fn tldraw_names(shape: &Value) -> (String, String) {
    let field = |name| {
        shape
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (field("id"), field("type"))
}
