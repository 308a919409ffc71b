//! Where on the film's frame the slide, the screen share and the webcams go.
//!
//! Pure geometry: it knows what there is to show at an instant, not what it looks like.

use crate::geometry::{Rect, Size};

/// How the parts of a recording share the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The slide or the screen share large, the webcams in a column beside it.
    #[default]
    Presentation,
    /// The webcams large, the slide or the screen share small beside them.
    Webcams,
    /// The slide or the screen share over the whole frame, the webcams small in a corner.
    PictureInPicture,
    /// The slide or the screen share alone.
    PresentationOnly,
}

impl std::str::FromStr for Layout {
    type Err = String;

    fn from_str(name: &str) -> Result<Layout, String> {
        match name {
            "presentation" => Ok(Layout::Presentation),
            "webcams" => Ok(Layout::Webcams),
            "picture-in-picture" => Ok(Layout::PictureInPicture),
            "presentation-only" => Ok(Layout::PresentationOnly),
            other => Err(format!(
                "no layout is called {other:?}; there are presentation, webcams, \
                 picture-in-picture and presentation-only"
            )),
        }
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Layout::Presentation => "presentation",
            Layout::Webcams => "webcams",
            Layout::PictureInPicture => "picture-in-picture",
            Layout::PresentationOnly => "presentation-only",
        })
    }
}

/// What takes the presentation area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Neither a slide nor a share.
    Empty,
    /// The title card, which has the frame to itself.
    Title,
    /// The slide with its whiteboard.
    Slide,
    /// The screen share, whose film has this size.
    Share(Size),
}

/// What there is to arrange besides the stage.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Where the parts go.
    pub layout: Layout,
    /// The whole frame.
    pub frame: Size,
    /// The size of the webcams' film, `None` when there is none.
    pub webcams: Option<Size>,
    /// Whether the chat is seen.
    pub chat: bool,
}

/// The rectangles of one arrangement, all with even edges, inside the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// What the slide or share may use; it may be larger than what is drawn in it.
    pub stage: Option<Rect>,
    /// Where the share's film goes, in its own proportions.
    pub share: Option<Rect>,
    /// Where the webcams' film goes, in its own proportions.
    pub webcams: Option<Rect>,
    /// The column of the chat.
    pub chat: Option<Rect>,
}

impl Parts {
    /// The part of the frame that the slide's canvas has; the same throughout a film.
    #[must_use]
    pub fn stage(&self) -> Rect {
        let inner = if self.chat && !self.has_column() {
            beside_chat(self.frame)
        } else {
            self.frame
        };
        let whole = Rect::of(inner);
        match (self.layout, self.shown_webcams()) {
            (Layout::Presentation, Some(film)) => Rect {
                width: inner.width - column(inner, film),
                ..whole
            },
            (Layout::Webcams, Some(film)) => {
                let small = column(inner, film);
                let height = if self.chat {
                    even(small * 3 / 4).min(even(inner.height / 2))
                } else {
                    inner.height
                };
                Rect {
                    x: inner.width - small,
                    y: 0,
                    width: small,
                    height,
                }
            }
            _ => whole,
        }
    }

    /// Where everything goes while `on_stage` is what is presented.
    #[must_use]
    pub fn place(&self, on_stage: Stage) -> Placement {
        let whole = Rect::of(self.frame);
        if on_stage == Stage::Title {
            return Placement {
                stage: Some(whole),
                share: None,
                webcams: None,
                chat: None,
            };
        }
        let area = self.stage();
        let alone = on_stage == Stage::Empty && self.shown_webcams().is_some();
        let inner = Rect::of(if self.chat && (alone || !self.has_column()) {
            beside_chat(self.frame)
        } else {
            self.frame
        });
        let webcams = self.shown_webcams().map(|film| match self.layout {
            _ if alone => fit(film, inner),
            Layout::Webcams => fit(
                film,
                Rect {
                    width: self.frame.width - area.width,
                    ..whole
                },
            ),
            Layout::PictureInPicture => corner(film, inner),
            Layout::Presentation | Layout::PresentationOnly => fit_at_top(
                film,
                Rect {
                    x: area.right(),
                    width: self.frame.width - area.width,
                    ..whole
                },
            ),
        });
        let chat = match (self.layout, webcams) {
            (Layout::Presentation, Some(webcams)) if !alone => Rect {
                x: area.right(),
                y: webcams.bottom(),
                width: self.frame.width - area.width,
                height: self.frame.height - webcams.bottom(),
            },
            (Layout::Webcams, Some(_)) if !alone => Rect {
                y: area.bottom(),
                height: self.frame.height - area.bottom(),
                ..area
            },
            _ => Rect {
                x: inner.width,
                width: self.frame.width - inner.width,
                ..whole
            },
        };
        Placement {
            stage: (!alone).then_some(area),
            share: match on_stage {
                Stage::Share(film) => Some(fit(film, area)),
                _ => None,
            },
            webcams,
            chat: (self.chat && chat.height >= SHORTEST_CHAT).then_some(chat),
        }
    }

    fn shown_webcams(&self) -> Option<Size> {
        self.webcams
            .filter(|_| self.layout != Layout::PresentationOnly)
    }

    /// Whether there is a column beside the larger part, which the chat can share.
    fn has_column(&self) -> bool {
        matches!(self.layout, Layout::Presentation | Layout::Webcams)
            && self.shown_webcams().is_some()
    }
}

/// Lower than this, no message would be read.
const SHORTEST_CHAT: u32 = 32;

/// What the chat leaves of the frame's width: three quarters.
fn beside_chat(frame: Size) -> Size {
    Size {
        width: frame.width - even(frame.width / 4),
        ..frame
    }
}

/// How wide the smaller column is: a quarter of the frame, which leaves a 4:3 slide the full
/// height of a 16:9 frame; more when the film is 16:9 itself, because then (BBB 0.9 and 1.x) it
/// also holds the screen share, which must stay legible.
fn column(frame: Size, webcams: Size) -> u32 {
    let wide = u64::from(webcams.width) * 2 > u64::from(webcams.height) * 3;
    even(if wide {
        frame.width * 2 / 5
    } else {
        frame.width / 4
    })
}

fn corner(film: Size, frame: Rect) -> Rect {
    let margin = even(frame.width / 64);
    let width = even(frame.width / 5);
    let height = even(frame.height / 3);
    let inside = fit(
        film,
        Rect {
            x: 0,
            y: 0,
            width,
            height,
        },
    );
    Rect {
        x: (frame.width - inside.width).saturating_sub(margin),
        y: (frame.height - inside.height).saturating_sub(margin),
        ..inside
    }
}

/// The largest rectangle of the film's proportions within `area`, in its middle.
#[must_use]
pub fn fit(film: Size, area: Rect) -> Rect {
    let (film_width, film_height) = (u64::from(film.width.max(1)), u64::from(film.height.max(1)));
    let (area_width, area_height) = (u64::from(area.width), u64::from(area.height));
    let (width, height) = if film_width * area_height > area_width * film_height {
        (area_width, area_width * film_height / film_width)
    } else {
        (area_height * film_width / film_height, area_height)
    };
    // Both are at most the area's sides, which are u32.
    let width = even(u32::try_from(width).unwrap_or(area.width)).max(2);
    let height = even(u32::try_from(height).unwrap_or(area.height)).max(2);
    Rect {
        x: area.x + even((area.width.saturating_sub(width)) / 2),
        y: area.y + even((area.height.saturating_sub(height)) / 2),
        width,
        height,
    }
}

fn fit_at_top(film: Size, area: Rect) -> Rect {
    Rect {
        y: area.y,
        ..fit(film, area)
    }
}

/// Chroma is kept for squares of two by two pixels, so every edge lies on an even pixel.
fn even(value: u32) -> u32 {
    value & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Size = Size {
        width: 1280,
        height: 720,
    };
    const CAMS: Size = Size {
        width: 640,
        height: 480,
    };

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    fn place(layout: Layout, frame: Size, webcams: Option<Size>, on_stage: Stage) -> Placement {
        let parts = Parts {
            layout,
            frame,
            webcams,
            chat: false,
        };
        parts.place(on_stage)
    }

    fn with_chat(layout: Layout, webcams: Option<Size>, on_stage: Stage) -> Placement {
        let parts = Parts {
            layout,
            frame: HD,
            webcams,
            chat: true,
        };
        parts.place(on_stage)
    }

    #[test]
    fn slide_takes_three_quarters_beside_webcams() {
        let placed = place(Layout::Presentation, HD, Some(CAMS), Stage::Slide);
        assert_eq!(placed.stage, Some(rect(0, 0, 960, 720)));
        assert_eq!(placed.webcams, Some(rect(960, 0, 320, 240)));
    }

    #[test]
    fn share_is_letterboxed_in_the_slides_place() {
        let placed = place(Layout::Presentation, HD, Some(CAMS), Stage::Share(HD));
        assert_eq!(placed.share, Some(rect(0, 90, 960, 540)));
    }

    #[test]
    fn webcams_fill_the_frame_when_nothing_is_presented() {
        let placed = place(Layout::Presentation, HD, Some(CAMS), Stage::Empty);
        assert_eq!(placed.webcams, Some(rect(160, 0, 960, 720)));
        assert_eq!(placed.stage, None);
    }

    #[test]
    fn slide_has_the_frame_without_webcams() {
        for layout in [
            Layout::Presentation,
            Layout::Webcams,
            Layout::PictureInPicture,
            Layout::PresentationOnly,
        ] {
            let placed = place(layout, HD, None, Stage::Slide);
            assert_eq!(placed.stage, Some(rect(0, 0, 1280, 720)));
            assert_eq!(placed.webcams, None);
        }
    }

    #[test]
    fn chat_has_the_rest_of_the_column_or_one_of_its_own() {
        let placed = with_chat(Layout::Presentation, Some(CAMS), Stage::Slide);
        assert_eq!(placed.stage, Some(rect(0, 0, 960, 720)));
        assert_eq!(placed.chat, Some(rect(960, 240, 320, 480)));
        let column = Some(rect(960, 0, 320, 720));
        let placed = with_chat(Layout::Presentation, Some(CAMS), Stage::Empty);
        assert_eq!(
            (placed.webcams, placed.chat),
            (Some(rect(0, 0, 960, 720)), column)
        );
        for layout in [Layout::Presentation, Layout::PresentationOnly] {
            let placed = with_chat(layout, None, Stage::Slide);
            assert_eq!(
                (placed.stage, placed.chat),
                (Some(rect(0, 0, 960, 720)), column)
            );
        }
        let placed = with_chat(Layout::PictureInPicture, Some(CAMS), Stage::Slide);
        assert_eq!(placed.chat, column);
        assert!(placed.webcams.unwrap().right() < 960);
        let placed = with_chat(Layout::Webcams, Some(CAMS), Stage::Slide);
        assert_eq!(placed.stage, Some(rect(960, 0, 320, 240)));
        assert_eq!(placed.chat, Some(rect(960, 240, 320, 480)));
    }

    #[test]
    fn the_title_has_the_frame_to_itself() {
        let placed = with_chat(Layout::Presentation, Some(CAMS), Stage::Title);
        assert_eq!(placed.stage, Some(rect(0, 0, 1280, 720)));
        assert_eq!((placed.webcams, placed.chat), (None, None));
    }

    #[test]
    fn names_are_read_back() {
        for layout in [
            Layout::Presentation,
            Layout::Webcams,
            Layout::PictureInPicture,
            Layout::PresentationOnly,
        ] {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert!("wide".parse::<Layout>().is_err());
    }

    proptest! {
        #[test]
        fn everything_is_even_and_inside_the_frame(
            width in 32u32..4096, height in 32u32..4096,
            film_width in 1u32..5000, film_height in 1u32..5000,
            which in 0usize..4, what in 0usize..4, chat: bool,
        ) {
            let frame = Size { width: width & !1, height: height & !1 };
            let film = Size { width: film_width, height: film_height };
            let layout = [Layout::Presentation, Layout::Webcams, Layout::PictureInPicture,
                Layout::PresentationOnly][which];
            let on_stage = [Stage::Empty, Stage::Slide, Stage::Share(film), Stage::Title][what];
            let parts = Parts { layout, frame, webcams: Some(film), chat };
            let placed = parts.place(on_stage);
            for rect in [placed.stage, placed.share, placed.webcams, placed.chat].into_iter().flatten() {
                prop_assert!(rect.right() <= frame.width && rect.bottom() <= frame.height);
                for edge in [rect.x, rect.y, rect.width, rect.height] {
                    prop_assert_eq!(edge % 2, 0);
                }
                prop_assert!(rect.width > 0 && rect.height > 0);
            }
        }
    }
}
