//! What one instant of the presentation area consists of, in the units of its whiteboard.

use crate::geometry::{Point, ViewBox};
use crate::time::Millis;
use crate::timeline::{Board, Pointing, Showing, Span, Timeline};

/// What is on the screen at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// Which of [`Timeline::slides`] is shown; `None` before the first.
    pub slide: Option<usize>,
    /// What part of the slide is seen.
    pub view: Option<ViewBox>,
    /// Where the slide's picture lies.
    pub picture: Option<ViewBox>,
    /// Where the presenter points.
    pub pointer: Option<Point>,
    /// The screen share that takes the place of all this.
    pub share: Option<Span>,
}

impl Scene {
    /// The scene at `t`.
    #[must_use]
    pub fn at(timeline: &Timeline, t: Millis) -> Scene {
        let share = timeline.share_at(t);
        let begun = timeline.slides.partition_point(|slide| slide.at <= t);
        let Some(slide) = begun.checked_sub(1) else {
            return Scene {
                slide: None,
                view: None,
                picture: None,
                pointer: None,
                share,
            };
        };
        let showing = &timeline.slides[slide];
        let known = timeline.slides[..begun]
            .iter()
            .any(|slide| slide.canvas.is_some());
        let picture = picture(timeline.board, showing, known);
        let begun = timeline.views.partition_point(|view| view.at <= t);
        let view = match begun.checked_sub(1).map(|n| timeline.views[n].view_box) {
            Some(view) => visible(timeline.board, showing, view),
            None => ViewBox::new(0.0, 0.0, picture.width, picture.height),
        };
        let begun = timeline.pointers.partition_point(|pointer| pointer.at <= t);
        let pointed = begun
            .checked_sub(1)
            .and_then(|n| timeline.pointers[n].point);
        let pointer = pointed
            .zip(view)
            .map(|(point, view)| match timeline.pointing {
                Pointing::Fractions => within(view, point),
                Pointing::HalfPixels => {
                    let half = (showing.width / 2.0, showing.height / 2.0);
                    within(
                        view,
                        Point {
                            x: point.x / half.0,
                            y: point.y / half.1,
                        },
                    )
                }
                Pointing::PageUnits => point,
            });
        Scene {
            slide: Some(slide),
            view,
            picture: Some(picture),
            pointer,
            share,
        }
    }
}

fn within(view: ViewBox, fraction: Point) -> Point {
    Point {
        x: view.x + fraction.x * view.width,
        y: view.y + fraction.y * view.height,
    }
}

/// How many units of the board one pixel of the slide's picture takes.
fn enlargement(board: Board, showing: &Showing) -> f64 {
    match board {
        Board::Svg => 1.0,
        Board::Tldraw { width, height, .. } => (width / showing.width).min(height / showing.height),
    }
}

/// Where the picture lies. The player of tldraw's second generation lays it at (1, 1). Before it
/// knows the generation (`known`), from the first slide that something was drawn on, it lays the
/// page of BBB 2.6.0 half a unit off.
fn picture(board: Board, showing: &Showing, known: bool) -> ViewBox {
    let scale = enlargement(board, showing);
    let corner = match board {
        Board::Svg => 0.0,
        Board::Tldraw { width, .. } if !known => 0.5 * width / 2048.0,
        Board::Tldraw { second, .. } => f64::from(u8::from(second)),
    };
    ViewBox {
        x: corner,
        y: corner,
        width: showing.width * scale,
        height: showing.height * scale,
    }
}

/// The visible part. A tldraw recording states its camera: how far the page is moved, so the
/// negative of the corner that is seen, and the size in pixels of the slide's picture.
fn visible(board: Board, showing: &Showing, view: ViewBox) -> Option<ViewBox> {
    match board {
        Board::Svg => Some(view),
        Board::Tldraw { .. } => {
            let scale = enlargement(board, showing);
            ViewBox::new(-view.x, -view.y, view.width * scale, view.height * scale)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Pointer, View};

    fn timeline(board: Board, pointing: Pointing, pointer: Point) -> Timeline {
        let at = Millis(1000);
        let showing = Showing {
            at,
            id: "image1".into(),
            href: None,
            width: 720.0,
            height: 540.0,
            canvas: Some(0),
        };
        let view_box = ViewBox {
            x: -150.0,
            y: -120.0,
            width: 432.0,
            height: 324.0,
        };
        Timeline {
            board,
            pointing,
            slides: vec![showing],
            views: vec![View {
                at: Millis(2000),
                view_box,
            }],
            pointers: vec![Pointer {
                at,
                point: Some(pointer),
            }],
            ..Timeline::default()
        }
    }

    #[test]
    fn nothing_is_shown_before_the_first_slide() {
        let timeline = timeline(Board::Svg, Pointing::Fractions, Point { x: 0.5, y: 0.5 });
        assert_eq!(Scene::at(&timeline, Millis(999)).slide, None);
    }

    #[test]
    fn without_a_view_the_whole_slide_is_seen() {
        let timeline = timeline(
            Board::Svg,
            Pointing::HalfPixels,
            Point { x: 180.0, y: 135.0 },
        );
        let scene = Scene::at(&timeline, Millis(1500));
        assert_eq!(scene.view, ViewBox::new(0.0, 0.0, 720.0, 540.0));
        assert_eq!(scene.pointer, Some(Point { x: 360.0, y: 270.0 }));
    }

    #[test]
    fn a_tldraw_camera_is_turned_into_the_part_of_the_page() {
        let board = Board::Tldraw {
            second: false,
            width: 1440.0,
            height: 1080.0,
        };
        let timeline = timeline(board, Pointing::PageUnits, Point { x: 300.0, y: 400.0 });
        let scene = Scene::at(&timeline, Millis(2000));
        assert_eq!(scene.picture, ViewBox::new(0.0, 0.0, 1440.0, 1080.0));
        assert_eq!(scene.view, ViewBox::new(150.0, 120.0, 864.0, 648.0));
        assert_eq!(scene.pointer, Some(Point { x: 300.0, y: 400.0 }));
    }
}
