//! The small timed files: panzooms.xml, cursor.xml, deskshare.xml, slides_new.xml, captions,
//! polls and the texts of the slides.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::markup::{ascii, number, seconds, utf8};
use super::shapes::slide_size;
use super::story::{Story, View};
use super::tldraw::page_units;
use super::{Generation, Recording};

/// The XML declaration of a timed file.
fn declaration(generation: Generation) -> &'static str {
    if generation.is_tldraw() {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    } else {
        "<?xml version=\"1.0\"?>\n"
    }
}

fn escape(generation: Generation, text: &str) -> String {
    if generation.is_tldraw() || generation == Generation::V0_9 {
        utf8(text)
    } else {
        ascii(text)
    }
}

fn tldraw_attribute(generation: Generation) -> &'static str {
    if generation.is_tldraw() {
        " tldraw=\"true\""
    } else {
        ""
    }
}

/// The wall clock of a moment, which only the Flash era writes beside it.
fn original(recording: &Recording, generation: Generation, at: f64) -> String {
    if generation.is_flash() {
        format!(" orig=\"{}.0\"", recording.wall_ms(generation, at))
    } else {
        String::new()
    }
}

/// `panzooms.xml`: a new entry only when the visible rectangle changes.
pub(super) fn panzooms(recording: &Recording, story: &Story, generation: Generation) -> String {
    let mut out = format!(
        "{}<recording id=\"panzoom_events\"{}>\n",
        declaration(generation),
        tldraw_attribute(generation)
    );
    let mut views = story.views.clone();
    views.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut previous = String::new();
    for view in views {
        let rectangle = view_box(story, generation, &view);
        if rectangle == previous {
            continue;
        }
        let _ = writeln!(
            out,
            "  <event timestamp=\"{}\"{}>\n    <viewBox>{rectangle}</viewBox>\n  </event>",
            seconds(view.at),
            original(recording, generation, view.at)
        );
        previous = rectangle;
    }
    out.push_str("</recording>\n");
    out
}

fn view_box(story: &Story, generation: Generation, view: &View) -> String {
    let points = story.pages[view.page].size;
    let size = slide_size(generation, points);
    let (mut x, mut y) = (view.origin.0 * size.0, view.origin.1 * size.1);
    if generation.is_tldraw() {
        // The camera's offset in page units, which is the negated origin.
        let units = page_units(points);
        (x, y) = (0.0 - view.origin.0 * units.0, 0.0 - view.origin.1 * units.1);
    } else if !generation.is_flash() && view.extent == 1.0 {
        (x, y) = (-0.0, -0.0);
    }
    let part = |v: f64| {
        format!(
            "{:?}",
            if v == 0.0 {
                v
            } else {
                (v * 100.0).round() / 100.0
            }
        )
    };
    format!(
        "{} {} {} {}",
        part(x),
        part(y),
        part(size.0 * view.extent),
        part(size.1 * view.extent)
    )
}

/// `cursor.xml`.
pub(super) fn cursor(recording: &Recording, story: &Story, generation: Generation) -> String {
    let mut out = format!(
        "{}<recording id=\"cursor_events\"{}>\n",
        declaration(generation),
        tldraw_attribute(generation)
    );
    for pointer in &story.pointer {
        let points = story.pages[pointer.page].size;
        let view = story
            .views
            .iter()
            .filter(|v| v.page == pointer.page && v.at <= pointer.at)
            .max_by(|a, b| a.at.total_cmp(&b.at));
        let (origin, extent) = view.map_or(((0.0, 0.0), 1.0), |v| (v.origin, v.extent));
        let place = match pointer.place {
            // The Flash era never says that the pointer left.
            None if generation.is_flash() => continue,
            None => "-1.0 -1.0".to_owned(),
            Some((x, y)) if generation.is_tldraw() => {
                let units = page_units(points);
                format!("{} {}", number(x * units.0, 2), number(y * units.1, 2))
            }
            Some((x, y)) => {
                let seen = ((x - origin.0) / extent, (y - origin.1) / extent);
                let size = slide_size(generation, points);
                let scale = if generation.is_flash() {
                    (size.0 / 2.0, size.1 / 2.0)
                } else {
                    (1.0, 1.0)
                };
                format!(
                    "{} {}",
                    number(seen.0 * scale.0, 4),
                    number(seen.1 * scale.1, 4)
                )
            }
        };
        let _ = writeln!(
            out,
            "  <event timestamp=\"{}\"{}>\n    <cursor>{place}</cursor>\n  </event>",
            seconds(pointer.at),
            original(recording, generation, pointer.at)
        );
    }
    out.push_str("</recording>\n");
    out
}

/// `deskshare.xml`, an empty list when nothing was shared.
pub(super) fn deskshare(story: &Story, generation: Generation) -> String {
    let head = declaration(generation);
    match story.share() {
        Some((from, to)) => format!(
            "{head}<recording id=\"deskshare_events\">\n  <event start_timestamp=\"{}\" stop_timestamp=\"{}\" video_width=\"720\" video_height=\"405\"/>\n</recording>\n",
            seconds(from),
            seconds(to)
        ),
        None if generation.is_tldraw() => {
            format!("{head}<recording id=\"deskshare_events\">\n</recording>\n")
        }
        None => format!("{head}<recording id=\"deskshare_events\"/>\n"),
    }
}

/// `slides_new.xml`: the chat.
pub(super) fn chat(recording: &Recording, story: &Story, generation: Generation) -> String {
    let mut out = format!("{}<popcorn>\n", declaration(generation));
    for line in &story.chat {
        let Some(person) = recording.people.get(line.by) else {
            continue;
        };
        let at = if generation.whole_second_chat() {
            format!("{}", line.at.floor())
        } else {
            seconds(line.at)
        };
        let role = if generation.is_tldraw() {
            format!(
                " chatEmphasizedText=\"{}\" senderRole=\"{}\"",
                person.is_moderator,
                person.role()
            )
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "  <chattimeline in=\"{at}\" direction=\"down\" name=\"{}\"{role} message=\"{}\" target=\"chat\"/>",
            escape(generation, &person.name),
            escape(generation, &message(generation, &line.text)),
        );
    }
    out.push_str("</popcorn>\n");
    out
}

/// The message as HTML: from 2.0 on its text is escaped, before only its links are marked.
fn message(generation: Generation, text: &str) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let word = if generation.is_flash() {
                word.to_owned()
            } else {
                word.replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
            };
            if word.starts_with("https://") && generation.is_flash() {
                format!("<a href=\"{word}\">{word}</a>")
            } else {
                word
            }
        })
        .collect();
    words.join(" ")
}

/// `captions.json` and the WebVTT files it names.
pub(super) fn captions(recording: &Recording) -> Vec<(String, String)> {
    if !recording.captions {
        return vec![("captions.json".to_owned(), "[]".to_owned())];
    }
    let list = json!([
        { "locale": "fr", "localeName": "français" },
        { "locale": "en", "localeName": "English" },
    ]);
    let end = recording.duration() - 0.5;
    let vtt = |text: &str| format!("WEBVTT\n\n00:00:01.000 --> {}\n{text}\n\n", clock(end));
    vec![
        ("captions.json".to_owned(), list.to_string()),
        (
            "caption_fr.vtt".to_owned(),
            vtt("Bonjour à tous, voici la\npremière phrase de la leçon."),
        ),
        (
            "caption_en.vtt".to_owned(),
            vtt("Hello everyone, this is a\ncaption."),
        ),
    ]
}

/// A WebVTT time.
fn clock(at: f64) -> String {
    let ms = (at * 1000.0).round() as u64;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// `polls.json`.
pub(super) fn polls(at: f64, generation: Generation) -> String {
    let question = if generation.is_tldraw() { "Ready?" } else { "" };
    let list = json!([{
        "timestamp": at.floor() as u64, "type": "YN", "question": question,
        "answers": [{ "id": 0, "key": "Yes", "numVotes": 3 }, { "id": 1, "key": "No", "numVotes": 1 }],
        "respondents": 4, "responders": 4,
    }]);
    format!("{list}\n")
}

/// The text of a page as the PDF gives it.
pub(super) fn page_text(story: &Story, page: usize) -> String {
    let page = &story.pages[page];
    format!("{}\n{}\n", page.title, page.lines.join("\n"))
}

/// `presentation_text.json`.
pub(super) fn presentation_text(story: &Story, presentation: &str) -> String {
    let pages: Map<String, Value> = (0..story.pages.len())
        .map(|k| (format!("slide-{}", k + 1), json!(page_text(story, k))))
        .collect();
    json!({ presentation: pages }).to_string()
}

/// `notes.html`.
pub(super) const NOTES_HTML: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>notes</title></head><body><strong>Shared notes</strong><br>• été<br></body></html>";
