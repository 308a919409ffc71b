//! What belongs to a lecture beside its film: chapters, captions, and as documents the slides, the
//! public chat and the shared notes.
//!
//! All of it is read from the archived `presentation` and made anew whenever it is needed; the same
//! recording gives the same bytes. This module knows nothing of where it goes.

mod captions;
mod chat;
mod notes;
#[cfg(test)]
pub(crate) mod tests;

use std::io::Read as _;
use std::path::Path;

use recording::Digest;
use render::chapters::{self, Chapter};
use render::error::Error;
use render::language::Language;
use render::source::Source;
use render::time::Millis;
use render::timeline::{Span, Timeline, read_chat};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::html;

/// Which of them are wanted: the `attach` section of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    /// A chapter for each slide.
    pub(crate) chapters: bool,
    /// The captions of every language.
    pub(crate) captions: bool,
    /// The slides as one PDF.
    pub(crate) slides: bool,
    /// The public chat, with names.
    pub(crate) chat: bool,
    /// The shared notes.
    pub(crate) notes: bool,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            chapters: true,
            captions: true,
            slides: true,
            // Who wrote what is nobody's business without a decision.
            chat: false,
            notes: true,
        }
    }
}

impl Wanted {
    /// The names of those that are wanted, when any is.
    pub(crate) fn named(self) -> Option<String> {
        let all = [
            (self.chapters, "chapters"),
            (self.captions, "captions"),
            (self.slides, "slides"),
            (self.chat, "chat"),
            (self.notes, "notes"),
        ];
        let names: Vec<&str> = all
            .iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, name)| *name)
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// How the things are called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    /// The lecture's title.
    pub(crate) title: &'a str,
    /// The language of names and headings: `fr`, else English.
    pub(crate) language: &'a str,
}

impl Words<'_> {
    fn say<'a>(&self, english: &'a str, french: &'a str) -> &'a str {
        if self.language.starts_with("fr") {
            french
        } else {
            english
        }
    }
}

/// Everything that belongs to a lecture and is wanted.
#[derive(Debug, Default)]
pub(crate) struct Attachments {
    /// Ascending by time.
    pub(crate) chapters: Vec<Chapter>,
    /// The files.
    pub(crate) files: Vec<Attachment>,
    /// What was left out and why.
    pub(crate) warnings: Vec<String>,
}

/// A file that belongs to a lecture.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// What it is, the same for every version of it: `slides`, `captions-fr`.
    pub(crate) key: String,
    /// How it is used.
    pub(crate) role: Role,
    /// Its name for people, with an ending.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) mime: &'static str,
    /// What is in it.
    pub(crate) content: Vec<u8>,
    /// The digest of that.
    pub(crate) digest: Digest,
}

/// How a file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Captions in a language, by its two letters.
    Captions(String),
    /// Something to download.
    Document,
}

impl Attachment {
    fn new(key: &str, role: Role, name: String, mime: &'static str, content: Vec<u8>) -> Self {
        Attachment {
            key: key.to_owned(),
            role,
            name,
            mime,
            digest: Digest::of(&content),
            content,
        }
    }
}

/// Makes what is wanted of the presentation in a folder.
///
/// # Errors
/// The folder cannot be read; what is merely missing or malformed costs a warning.
pub(crate) fn gather(
    folder: &Path,
    wanted: Wanted,
    words: Words<'_>,
) -> Result<Attachments, Error> {
    let source = Source::open(folder)?;
    let timeline = Timeline::read(&source)?;
    // What the converter has warned of before need not be said again.
    let known = timeline.warnings.list().len();
    let mut made = Attachments::default();
    if wanted.chapters {
        let span = Span {
            start: Millis::ZERO,
            end: timeline.duration.unwrap_or(Millis(u64::MAX)),
        };
        let language = words.language.parse().unwrap_or(Language::UNKNOWN);
        made.chapters = chapters::of(&source, &timeline, span, chapters::APART, language);
    }
    if wanted.captions {
        made.files
            .extend(captions::captions(&source, &timeline, words));
    }
    if wanted.slides
        && let Some(pdf) = render::pages::pdf(&source, &timeline, words.title, words.language)
    {
        let name = format!("{}.pdf", words.say("Slides", "Diapositives"));
        let slides = Attachment::new("slides", Role::Document, name, "application/pdf", pdf);
        made.files.push(slides);
    }
    if wanted.chat {
        let messages = read_chat(&source, timeline.duration, &timeline.warnings);
        if let Some(body) = chat::body(&messages) {
            made.files
                .push(page("chat", words.say("Chat", "Discussion"), words, &body));
        }
    }
    if wanted.notes
        && let Some(text) = small_text(&source, "notes.html", &timeline)
        && let Some(body) = notes::body(&text)
    {
        made.files.push(page(
            "notes",
            words.say("Shared notes", "Notes partagées"),
            words,
            &body,
        ));
    }
    let warnings = timeline.warnings.list();
    made.warnings = warnings
        .iter()
        .skip(known)
        .map(ToString::to_string)
        .collect();
    Ok(made)
}

fn page(key: &str, what: &str, words: Words<'_>, body: &str) -> Attachment {
    let title = format!("{what} – {}", words.title);
    let page = html::page(&title, words.language, body);
    Attachment::new(
        key,
        Role::Document,
        format!("{what}.html"),
        "text/html",
        page.into_bytes(),
    )
}

/// A text of reasonable size, if it is there.
fn small_text(source: &Source, name: &str, timeline: &Timeline) -> Option<String> {
    const LARGEST: u64 = 32 << 20;
    let file = source.open_file(name).ok()?;
    let mut text = Vec::new();
    let why = match file.take(LARGEST + 1).read_to_end(&mut text) {
        Err(error) => error.to_string(),
        Ok(length) if length as u64 > LARGEST => format!("larger than {LARGEST} bytes"),
        Ok(_) => match String::from_utf8(text) {
            Ok(text) => return Some(text),
            Err(_) => "it is not UTF-8".to_owned(),
        },
    };
    timeline.warnings.add("left out", Some(name.as_ref()), why);
    None
}
