//! Drawings numbered the way BigBlueButton's scripts number them, for either form of whiteboard.

use super::story::{Drawing, Figure, Shown, Story};

/// One version of one logical shape.
pub(super) struct Version<'a> {
    /// Place among all drawing events of the recording, from 0.
    pub(super) event: usize,
    /// Number of the logical shape over all types, from 1.
    pub(super) shape: usize,
    pub(super) at: f64,
    pub(super) figure: &'a Figure,
    pub(super) drawing: &'a Drawing,
    pub(super) is_last: bool,
}

/// Every version of every shape, in time order.
pub(super) fn versions(story: &Story) -> Vec<Version<'_>> {
    let mut order: Vec<&Drawing> = story.drawings.iter().collect();
    order.sort_by(|a, b| a.versions[0].0.total_cmp(&b.versions[0].0));
    let mut versions: Vec<Version<'_>> = order
        .into_iter()
        .enumerate()
        .flat_map(|(k, drawing)| {
            drawing
                .versions
                .iter()
                .enumerate()
                .map(move |(step, (at, figure))| Version {
                    event: 0,
                    shape: k + 1,
                    at: *at,
                    figure,
                    drawing,
                    is_last: step + 1 == drawing.versions.len(),
                })
        })
        .collect();
    versions.sort_by(|a, b| a.at.total_cmp(&b.at));
    for (event, version) in versions.iter_mut().enumerate() {
        version.event = event;
    }
    versions
}

/// The versions that the canvas of the `showing`-th showing holds: all of them at the page's first
/// showing, the final ones at any later.
pub(super) fn on_showing<'a, 'b>(
    story: &Story,
    versions: &'b [Version<'a>],
    showing: usize,
) -> Vec<&'b Version<'a>> {
    let Shown::Page(page) = story.showings[showing].shown else {
        return Vec::new();
    };
    let first = story
        .showings
        .iter()
        .position(|s| s.shown == Shown::Page(page))
        == Some(showing);
    versions
        .iter()
        .filter(|v| v.drawing.page == page && (first || v.is_last))
        .collect()
}
