//! What goes into the file besides picture and sound: its title, chapters, and languages.

use std::fmt::Write as _;

use recording::metadata::Metadata;

use crate::chapters;
use crate::encode::Film;
use crate::language::Language;
use crate::time::Millis;
use crate::timeline::Span;

/// In a short recording, chapters may be as close as this part of its length.
const PARTS: u64 = 20;
/// Where a meeting may say what is spoken in it: it is also what Pod is told.
const LANGUAGE: &str = "pod-main-lang";

/// The recording's title, if it has one.
pub(crate) fn title(film: &Film<'_>) -> Option<String> {
    let path = film.source.resolve("metadata.xml").ok()?;
    let metadata = Metadata::read(&path).ok()?;
    let title = metadata.title()?;
    Some(
        title
            .chars()
            .filter(|c| !c.is_control())
            .take(250)
            .collect(),
    )
}

/// What is spoken, as the options say, or else the recording.
pub(crate) fn language(film: &Film<'_>) -> Language {
    let said = || {
        let path = film.source.resolve("metadata.xml").ok()?;
        Metadata::read(&path).ok()?.meta(LANGUAGE)?.parse().ok()
    };
    film.language.or_else(said).unwrap_or(Language::UNKNOWN)
}

/// The chapters in ffmpeg's metadata format; `None` when there is nothing to divide.
pub(crate) fn chapters(film: &Film<'_>) -> Option<String> {
    let span = Span {
        start: film.grid.instant(film.start()),
        end: film.grid.instant(film.end()),
    };
    let length = Millis(span.end.0 - span.start.0);
    let apart = chapters::APART.min(Millis(length.0 / PARTS));
    let chapters = chapters::of(&film.source, &film.timeline, span, apart, language(film));
    if chapters.is_empty() {
        return None;
    }
    let mut text = String::from(";FFMETADATA1\n");
    for (n, chapter) in chapters.iter().enumerate() {
        let end = chapters.get(n + 1).map_or(length, |next| next.start);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={}",
            chapter.start.0,
            end.0,
            escaped(&chapter.title)
        );
    }
    Some(text)
}

/// What has a meaning in that format.
fn escaped(title: &str) -> String {
    let mut escaped = String::with_capacity(title.len());
    for character in title.chars() {
        if matches!(character, '=' | ';' | '#' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_mean_themselves() {
        assert_eq!(escaped("a=b; #1 \\"), "a\\=b\\; \\#1 \\\\");
    }
}
