//! What happens in a sample lecture, in no generation's terms: which page is shown when, what is
//! drawn on it, where the presenter points and zooms. Coordinates are fractions of the page.

use super::Recording;

/// A point as fractions of the page's width and height.
pub(super) type Point = (f64, f64);

/// One page of the presentation.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
    /// Size in PDF points.
    pub(super) size: (f64, f64),
}

/// What fills the presentation area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Page(usize),
    Share,
}

/// A stretch of time with one thing shown, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Showing {
    pub(super) shown: Shown,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The outline of a shape.
#[derive(Debug, Clone)]
pub(super) enum Figure {
    Pencil(Vec<Point>),
    Line(Point, Point),
    Rectangle(Point, Point),
    Ellipse(Point, Point),
    Triangle(Point, Point),
    Text {
        at: Point,
        size: Point,
        text: String,
    },
    Poll,
}

/// One logical shape: its versions in time order, and when it was undone.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    pub(super) page: usize,
    pub(super) colour: Colour,
    pub(super) versions: Vec<(f64, Figure)>,
    pub(super) undo: Option<f64>,
}

/// Colours of the whiteboard that both the old palette and tldraw know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Blue,
    Green,
    Violet,
    Orange,
}

impl Colour {
    pub(super) fn hex(self) -> &'static str {
        match self {
            Colour::Red => "#ff0000",
            Colour::Blue => "#0000ff",
            Colour::Green => "#008000",
            Colour::Violet => "#800080",
            Colour::Orange => "#ff7f00",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Blue => "blue",
            Colour::Green => "green",
            Colour::Violet => "violet",
            Colour::Orange => "orange",
        }
    }
}

/// The visible rectangle of a page from `at` on: origin and extent, as fractions.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) at: f64,
    pub(super) page: usize,
    pub(super) origin: Point,
    pub(super) extent: f64,
}

/// Where the presenter points from `at` on, `None` when nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer {
    pub(super) at: f64,
    pub(super) page: usize,
    pub(super) place: Option<Point>,
}

/// A chat message; `by` counts the recording's people.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) at: f64,
    pub(super) by: usize,
    pub(super) text: String,
}

/// A lecture from beginning to end.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) pages: Vec<Page>,
    pub(super) showings: Vec<Showing>,
    pub(super) drawings: Vec<Drawing>,
    pub(super) views: Vec<View>,
    pub(super) pointer: Vec<Pointer>,
    pub(super) chat: Vec<Chat>,
    /// When the poll's result was published.
    pub(super) poll: Option<f64>,
}

impl Story {
    /// The story of `recording`, stretched over its duration.
    pub(super) fn of(recording: &Recording) -> Story {
        let pages: Vec<Page> = (0..recording.slides).map(|k| page(k, recording)).collect();
        let showings = showings(recording);
        let mut story = Story {
            pages,
            showings,
            drawings: Vec::new(),
            views: Vec::new(),
            pointer: Vec::new(),
            chat: chat(recording),
            poll: None,
        };
        let mut seen = Vec::new();
        for showing in story.showings.clone() {
            let Shown::Page(page) = showing.shown else {
                continue;
            };
            story.views.push(View {
                at: showing.from,
                page,
                origin: (0.0, 0.0),
                extent: 1.0,
            });
            story.pointer.push(Pointer {
                at: showing.from,
                page,
                place: None,
            });
            if !seen.contains(&page) {
                seen.push(page);
                story.teach(page, showing.from, showing.to);
            }
        }
        story
    }

    /// The share's beginning and end, if there is one.
    pub(super) fn share(&self) -> Option<(f64, f64)> {
        self.showings
            .iter()
            .find(|s| s.shown == Shown::Share)
            .map(|s| (s.from, s.to))
    }

    fn teach(&mut self, page: usize, from: f64, to: f64) {
        let length = to - from;
        let at = |part: f64| tenth(from + part * length);
        match page % 3 {
            0 => {
                self.draw(
                    page,
                    Colour::Red,
                    None,
                    pencil(at(0.12), at(0.3), underline),
                );
                self.draw(
                    page,
                    Colour::Blue,
                    None,
                    growing(at(0.38), at(0.5), 3, |part| {
                        Figure::Ellipse((0.62, 0.3), (0.62 + 0.3 * part, 0.3 + 0.5 * part))
                    }),
                );
                self.zoom(page, at(0.55), (0.5, 0.22), 0.5);
                self.draw(
                    page,
                    Colour::Green,
                    Some(at(0.97)),
                    pencil(at(0.62), at(0.76), tick),
                );
                self.zoom(page, at(0.94), (0.0, 0.0), 1.0);
            }
            1 => {
                self.draw(
                    page,
                    Colour::Violet,
                    None,
                    growing(at(0.1), at(0.24), 3, |part| {
                        Figure::Rectangle((0.05, 0.24), (0.05 + 0.5 * part, 0.24 + 0.09 * part))
                    }),
                );
                self.draw(
                    page,
                    Colour::Red,
                    None,
                    growing(at(0.3), at(0.42), 3, |part| {
                        Figure::Line((0.3, 0.75), (0.3 + 0.3 * part, 0.75 - 0.25 * part))
                    }),
                );
                self.draw(
                    page,
                    Colour::Green,
                    Some(at(0.9)),
                    growing(at(0.46), at(0.54), 2, |part| {
                        Figure::Triangle((0.66, 0.36), (0.66 + 0.22 * part, 0.36 + 0.3 * part))
                    }),
                );
                let typed = ["", "see", "see p. 42", "see p. 42\n« été »"];
                self.draw(
                    page,
                    Colour::Orange,
                    None,
                    steps(at(0.58), at(0.8), typed.len(), |k| Figure::Text {
                        at: (0.08, 0.8),
                        size: (0.4, 0.12),
                        text: typed[k].to_owned(),
                    }),
                );
            }
            _ => {
                self.draw(
                    page,
                    Colour::Blue,
                    Some(at(0.9)),
                    pencil(at(0.1), at(0.45), curve),
                );
                self.draw(
                    page,
                    Colour::Red,
                    Some(at(0.9)),
                    growing(at(0.5), at(0.6), 3, |part| {
                        Figure::Line((0.56, 0.8), (0.56 + 0.38 * part, 0.8))
                    }),
                );
            }
        }
        if self.poll.is_none() && page + 1 == self.pages.len() {
            let published = at(0.7);
            self.poll = Some(published);
            self.drawings.push(Drawing {
                page,
                colour: Colour::Blue,
                versions: vec![(published, Figure::Poll)],
                undo: None,
            });
        }
        self.pointer.push(Pointer {
            at: at(0.95),
            page,
            place: None,
        });
        self.pointer.sort_by(|a, b| a.at.total_cmp(&b.at));
    }

    fn draw(
        &mut self,
        page: usize,
        colour: Colour,
        undo: Option<f64>,
        versions: Vec<(f64, Figure)>,
    ) {
        for (at, figure) in &versions {
            let place = match figure {
                Figure::Pencil(points) => points.last().copied(),
                Figure::Line(_, end)
                | Figure::Rectangle(_, end)
                | Figure::Ellipse(_, end)
                | Figure::Triangle(_, end) => Some(*end),
                Figure::Text { .. } | Figure::Poll => None,
            };
            if let Some(place) = place {
                self.pointer.push(Pointer {
                    at: *at,
                    page,
                    place: Some(place),
                });
            }
        }
        self.drawings.push(Drawing {
            page,
            colour,
            versions,
            undo,
        });
    }

    fn zoom(&mut self, page: usize, at: f64, origin: Point, extent: f64) {
        self.views.push(View {
            at,
            page,
            origin,
            extent,
        });
    }
}

/// To the tenth of a second, the grain of BigBlueButton's files.
pub(super) fn tenth(at: f64) -> f64 {
    (at * 10.0).round() / 10.0
}

fn steps(from: f64, to: f64, count: usize, figure: impl Fn(usize) -> Figure) -> Vec<(f64, Figure)> {
    let span = (to - from) / (count.max(2) - 1) as f64;
    (0..count)
        .map(|k| (tenth(from + span * k as f64), figure(k)))
        .collect()
}

fn growing(from: f64, to: f64, count: usize, figure: impl Fn(f64) -> Figure) -> Vec<(f64, Figure)> {
    steps(from, to, count, |k| figure((k + 1) as f64 / count as f64))
}

fn pencil(from: f64, to: f64, place: impl Fn(f64) -> Point) -> Vec<(f64, Figure)> {
    let points: Vec<Point> = (0..=24).map(|k| place(f64::from(k) / 24.0)).collect();
    let count = (((to - from) / 0.3) as usize).clamp(2, 12);
    steps(from, to, count, |k| {
        let drawn = 1 + (points.len() - 1) * k / (count - 1);
        Figure::Pencil(points[..drawn].to_vec())
    })
}

fn underline(part: f64) -> Point {
    (0.05 + 0.5 * part, 0.175 + 0.006 * (part * 25.0).sin())
}

fn tick(part: f64) -> Point {
    if part < 0.4 {
        (0.68 + 0.1 * part, 0.5 + 0.2 * part)
    } else {
        (0.72 + 0.2 * (part - 0.4), 0.58 - 0.4 * (part - 0.4))
    }
}

fn curve(part: f64) -> Point {
    (0.58 + 0.34 * part, 0.78 - 0.42 * part * part)
}

fn showings(recording: &Recording) -> Vec<Showing> {
    let mut blocks: Vec<(Shown, f64)> = (0..recording.slides)
        .map(|page| (Shown::Page(page), 1.0))
        .collect();
    if recording.share {
        blocks.insert(blocks.len().saturating_sub(1).max(1), (Shown::Share, 0.9));
    }
    // The first page comes back: a second showing is a case of its own in every generation.
    if recording.slides > 1 {
        blocks.push((Shown::Page(0), 0.4));
    }
    let total: f64 = blocks.iter().map(|(_, weight)| weight).sum();
    let mut from = 0.0;
    let mut passed = 0.0;
    blocks
        .into_iter()
        .map(|(shown, weight)| {
            passed += weight;
            let to = tenth(recording.duration() * passed / total);
            let showing = Showing { shown, from, to };
            from = to;
            showing
        })
        .collect()
}

fn chat(recording: &Recording) -> Vec<Chat> {
    let people = recording.people.len().max(1);
    let texts = [
        "Hello everyone, the notes are at https://example.org/notes?x=1&y=2",
        "Bonjour à tous 👋",
        "Is 5 < 6 & 7 > 2 a <b>tree</b>?",
        "Merci, c'était très clair",
    ];
    let span = recording.duration() / (texts.len() + 1) as f64;
    texts
        .iter()
        .enumerate()
        .map(|(k, text)| Chat {
            at: tenth(span * (k as f64 + 0.6)),
            by: (k + recording.seed as usize) % people,
            text: (*text).to_owned(),
        })
        .collect()
}

fn page(number: usize, recording: &Recording) -> Page {
    let contents: [(&str, &[&str]); 4] = [
        (
            "Graphs and trees",
            &[
                "Vertices and edges",
                "A tree has no cycle",
                "n vertices, n − 1 edges",
                "One path between two vertices",
            ],
        ),
        (
            "Breadth-first search",
            &[
                "Start with one vertex in a queue",
                "Take the first, add its neighbours",
                "Each vertex enters once",
                "Distances come for free",
            ],
        ),
        (
            "How long does it take?",
            &[
                "Every edge is seen twice",
                "O(n + m) in all",
                "Linear in the size of the graph",
            ],
        ),
        (
            "Théorie et pratique",
            &[
                "Réseaux, cartes, dépendances",
                "Œuvres complètes : à lire",
                "Questions ?",
            ],
        ),
    ];
    let (title, lines) =
        contents[(number + recording.seed.saturating_sub(1) as usize) % contents.len()];
    Page {
        title: title.to_owned(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        size: match number % 3 {
            1 => (720.0, 540.0),
            _ => (960.0, 540.0),
        },
    }
}
