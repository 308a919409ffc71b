//! Chapters from what is presented: a slide, or the screen share.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use crate::error::Error;
use crate::language::Language;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{Showing, Span, Timeline};

/// More chapters than these help nobody to find anything.
pub const MOST: u64 = 100;
/// Chapters that begin within less than this of each other are one.
pub const APART: Millis = Millis(60_000);

const LONGEST_TITLE: usize = 100;
const TEXTS: &str = "presentation_text.json";
const MOST_TEXT: u64 = 32 << 20;

/// A part of the recording under one title, until the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Chapter {
    /// When it begins.
    pub start: Millis,
    /// What is presented: the first line of the slide's text, or the slide's number.
    pub title: String,
}

/// The chapters of the recording in a folder, at least [`APART`] from each other; see [`of`].
///
/// # Errors
/// When the folder is no recording or cannot be read.
pub fn read(dir: &Path, language: Language) -> Result<Vec<Chapter>, Error> {
    let source = Source::open(dir)?;
    let timeline = Timeline::read(&source)?;
    let last = || Millis(timeline.slides.last().map_or(0, |slide| slide.at.0 + 1));
    let end = timeline.duration.unwrap_or_else(last);
    let start = Millis::ZERO;
    Ok(of(&source, &timeline, Span { start, end }, APART, language))
}

/// The chapters of a part of a recording, their times counted from its start. They are at least
/// `apart` from each other and at most [`MOST`]: what is shown for less is part of the chapter it
/// falls into, whose title is that of what is shown longest in it. None at all when there is
/// nothing to divide.
#[must_use]
pub fn of(
    source: &Source,
    timeline: &Timeline,
    span: Span,
    apart: Millis,
    language: Language,
) -> Vec<Chapter> {
    let words = Words::of(language);
    let mut texts = Texts::new(source);
    let pieces = pieces(timeline, span, |shown| match shown {
        Shown::Share => words.share.to_string(),
        Shown::Slide(showing) => texts.title(showing, words),
    });
    let length = span.end.0.saturating_sub(span.start.0);
    let apart = apart.0.max(length.div_ceil(MOST));
    let mut groups: Vec<Vec<&Piece>> = Vec::new();
    for piece in &pieces {
        match groups.last_mut() {
            Some(group) if piece.start.0 < group[0].start.0.saturating_add(apart) => {
                group.push(piece);
            }
            _ => groups.push(vec![piece]),
        }
    }
    let mut chapters: Vec<Chapter> = groups
        .iter()
        .map(|group| Chapter {
            start: Millis(group[0].start.0 - span.start.0),
            title: shown_longest(group),
        })
        .collect();
    chapters.dedup_by(|later, kept| later.title == kept.title);
    // Before the first slide nothing is presented, which is no chapter.
    if let Some(first) = chapters.first_mut() {
        first.start = Millis::ZERO;
    }
    if chapters.len() < 2 {
        chapters.clear();
    }
    chapters
}

/// What a chapter is called where a slide has no text.
#[derive(Clone, Copy)]
struct Words {
    slide: &'static str,
    presentation: &'static str,
    share: &'static str,
}

impl Words {
    fn of(language: Language) -> Words {
        match language.code() {
            "fra" => Words {
                slide: "Diapositive",
                presentation: "Présentation",
                share: "Partage d’écran",
            },
            _ => Words {
                slide: "Slide",
                presentation: "Presentation",
                share: "Screen share",
            },
        }
    }
}

enum Shown<'a> {
    Slide(&'a Showing),
    Share,
}

/// A time in which one thing is presented.
#[derive(Debug)]
struct Piece {
    start: Millis,
    end: Millis,
    title: String,
}

/// Cuts the span where what is presented changes, and leaves out where nothing is.
fn pieces(
    timeline: &Timeline,
    span: Span,
    mut title: impl FnMut(Shown<'_>) -> String,
) -> Vec<Piece> {
    let mut cuts: Vec<Millis> = timeline
        .slides
        .iter()
        .map(|slide| slide.at)
        .chain(timeline.shares.iter().flat_map(|s| [s.start, s.end]))
        .filter(|&t| t > span.start && t < span.end)
        .chain([span.start, span.end])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut pieces: Vec<Piece> = Vec::new();
    for pair in cuts.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let begun = timeline.slides.partition_point(|slide| slide.at <= start);
        let slide = begun.checked_sub(1).map(|n| &timeline.slides[n]);
        let shown = match (timeline.share_at(start), slide) {
            (Some(_), _) => Shown::Share,
            (None, Some(slide)) if !slide.is_blank() => Shown::Slide(slide),
            _ => continue,
        };
        let title = title(shown);
        match pieces.last_mut() {
            Some(last) if last.title == title && last.end == start => last.end = end,
            _ => pieces.push(Piece { start, end, title }),
        }
    }
    pieces
}

fn shown_longest(group: &[&Piece]) -> String {
    let mut shown: HashMap<&str, u64> = HashMap::new();
    for piece in group {
        *shown.entry(&piece.title).or_default() += piece.end.0 - piece.start.0;
    }
    // Of titles shown equally long the first.
    let longest = group.iter().rev().max_by_key(|piece| shown[&*piece.title]);
    longest.map(|piece| piece.title.clone()).unwrap_or_default()
}

/// The texts of slides.
struct Texts<'a> {
    source: &'a Source,
    /// By presentation, and in it by slide, as `slide-3`.
    listed: HashMap<String, HashMap<String, String>>,
}

impl<'a> Texts<'a> {
    fn new(source: &'a Source) -> Texts<'a> {
        let file = source.open_file(TEXTS).ok();
        let listed = file
            .and_then(|file| serde_json::from_reader(file.take(MOST_TEXT)).ok())
            .unwrap_or_default();
        Texts { source, listed }
    }

    fn title(&mut self, showing: &Showing, words: Words) -> String {
        let href = showing.href.as_deref().unwrap_or_default();
        let mut parts = href.trim_start_matches("./").split('/').skip(1);
        let presentation = parts.next().unwrap_or_default();
        // BBB numbers the pictures of a presentation: `slide-3.png`, `svgs/slide3.svg`.
        let stem = parts.last().and_then(|file| file.split('.').next());
        let digits = stem
            .unwrap_or_default()
            .trim_start_matches(|c: char| !c.is_ascii_digit());
        let Ok(number) = digits.parse::<u32>() else {
            return words.presentation.to_string();
        };
        let slide = format!("slide-{number}");
        let listed = self.listed.get(presentation).and_then(|p| p.get(&slide));
        listed
            .and_then(|text| first_line(text))
            .or_else(|| {
                let name = format!("presentation/{presentation}/textfiles/{slide}.txt");
                let mut text = Vec::new();
                let file = self.source.open_file(&name).ok()?;
                file.take(1 << 16).read_to_end(&mut text).ok()?;
                first_line(&String::from_utf8_lossy(&text))
            })
            .unwrap_or_else(|| format!("{} {number}", words.slide))
    }
}

/// The first line that has a letter in it: page numbers and bullets are no titles.
fn first_line(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.chars().any(char::is_alphabetic))?;
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    Some(words.join(" ").chars().take(LONGEST_TITLE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn showing(at: u64, href: &str) -> Showing {
        Showing {
            at: Millis(at),
            id: String::new(),
            href: Some(href.into()),
            width: 4.0,
            height: 3.0,
            canvas: None,
        }
    }

    fn slides(at: &[(u64, &str)]) -> Timeline {
        Timeline {
            slides: at
                .iter()
                .map(|(at, name)| showing(*at, &format!("presentation/p/{name}")))
                .collect(),
            ..Timeline::default()
        }
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let texts = dir.path().join("presentation/p/textfiles");
        std::fs::create_dir_all(&texts).unwrap();
        std::fs::write(
            texts.join("slide-2.txt"),
            "  12 \n\n Les  suites\tréelles \n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join(TEXTS),
            r#"{"p": {"slide-1": "Analyse I\nCours 3", "slide-2": "—"}}"#,
        )
        .unwrap();
        dir
    }

    fn found(timeline: &Timeline, end: u64, apart: u64, language: &str) -> Vec<(u64, String)> {
        let dir = folder();
        let source = Source::open(dir.path()).unwrap();
        let span = Span {
            start: Millis::ZERO,
            end: Millis(end),
        };
        let language = language.parse().unwrap();
        of(&source, timeline, span, Millis(apart), language)
            .into_iter()
            .map(|chapter| (chapter.start.0, chapter.title))
            .collect()
    }

    #[test]
    fn slides_are_called_by_their_first_line() {
        let mut timeline = slides(&[
            (5_000, "slide-1.png"),
            (70_000, "svgs/slide2.svg"),
            (140_000, "slide-3.png"),
        ]);
        timeline
            .slides
            .insert(0, showing(0, "presentation/logo.png"));
        timeline.shares.push(Span {
            start: Millis(200_000),
            end: Millis(300_000),
        });
        let chapters = found(&timeline, 400_000, 60_000, "fr");
        let wanted = [
            (0, "Analyse I"),
            (70_000, "Les suites réelles"),
            (140_000, "Diapositive 3"),
            (200_000, "Partage d’écran"),
            (300_000, "Diapositive 3"),
        ];
        assert_eq!(chapters, wanted.map(|(at, title)| (at, title.to_string())));
    }

    #[test]
    fn what_is_shown_shortly_is_no_chapter() {
        let timeline = slides(&[
            (0, "slide-3.png"),
            (4_000, "slide-1.png"),
            (61_000, "slide-4.png"),
            (62_000, "slide-5.png"),
            (63_000, "slide-4.png"),
        ]);
        let chapters = found(&timeline, 200_000, 60_000, "en");
        let wanted = [(0, "Analyse I"), (61_000, "Slide 4")];
        assert_eq!(chapters, wanted.map(|(at, title)| (at, title.to_string())));
        assert_eq!(found(&timeline, 60_000, 60_000, "en"), []);
    }

    proptest! {
        #[test]
        fn chapters_are_few_and_far_between(
            at in proptest::collection::vec((0u64..9_000_000, 1u32..400), 0..600),
            end in 1u64..9_000_000,
        ) {
            let showing = |(at, n)| showing(at, &format!("presentation/q/slide-{n}.png"));
            let mut slides: Vec<Showing> = at.into_iter().map(showing).collect();
            slides.sort_by_key(|slide| slide.at);
            let timeline = Timeline { slides, ..Timeline::default() };
            let chapters = found(&timeline, end, 60_000, "en");
            prop_assert!(chapters.len() as u64 <= MOST && chapters.len() != 1);
            for pair in chapters[1.min(chapters.len())..].windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= 60_000);
                prop_assert_ne!(&pair[0].1, &pair[1].1);
            }
            prop_assert!(chapters.iter().all(|(at, _)| *at < end));
        }
    }
}
