//! What goes into the file besides picture and sound: its title, chapters, and captions.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use recording::metadata::Metadata;
use serde::Deserialize;

use crate::encode::Film;
use crate::encode::plan::Tick;

/// More caption files than this are no lecture's.
const MOST_CAPTIONS: usize = 50;
const CAPTIONS: &str = "captions.json";
const SHORTEST_CHAPTER_SECONDS: u64 = 1;

/// One language of captions.
#[derive(Debug, PartialEq)]
pub(crate) struct Caption {
    pub(crate) file: PathBuf,
    /// ISO 639-2, as MP4 wants it; `und` when unknown.
    pub(crate) language: &'static str,
    /// The language's name in itself.
    pub(crate) name: String,
}

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

/// One chapter per showing of a slide and per screen share, in ffmpeg's metadata format; `None`
/// when there is nothing to divide.
pub(crate) fn chapters(film: &Film<'_>) -> Option<String> {
    let tick = |t| film.grid.tick(t);
    let slides = film
        .timeline
        .slides
        .iter()
        .map(|slide| (tick(slide.at), slide_name(slide.href.as_deref())));
    let shares = film.timeline.shares.iter().flat_map(|share| {
        let after = film.timeline.slides.iter().rfind(|s| s.at <= share.end);
        [
            (tick(share.start), "Screen share".to_string()),
            (
                tick(share.end),
                slide_name(after.and_then(|s| s.href.as_deref())),
            ),
        ]
    });
    let shared = |at: Tick, name: &str| {
        let within = |s: &crate::timeline::Span| tick(s.start) <= at && at < tick(s.end);
        name != "Screen share" && film.timeline.shares.iter().any(within)
    };
    let mut starts: Vec<(Tick, String)> = slides
        .chain(shares)
        .filter(|(at, name)| *at < film.end() && !shared(*at, name))
        .map(|(at, name)| (at.max(film.start()), name))
        .collect();
    starts.sort_by_key(|(at, _)| *at);
    let shortest = film.grid.per_second * SHORTEST_CHAPTER_SECONDS;
    let mut chapters: Vec<(Tick, String)> = Vec::new();
    for (at, name) in starts {
        match chapters.last_mut() {
            Some(last) if at < last.0 + shortest => last.1 = name,
            Some(last) if last.1 == name => {}
            _ => chapters.push((at, name)),
        }
    }
    if chapters.len() < 2 {
        return None;
    }
    let mut text = String::from(";FFMETADATA1\n");
    for (n, (at, name)) in chapters.iter().enumerate() {
        let end = chapters.get(n + 1).map_or(film.end(), |next| next.0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "[CHAPTER]\nTIMEBASE=1/{}\nSTART={}\nEND={}\ntitle={name}",
            film.grid.per_second,
            at - film.start(),
            end - film.start()
        );
    }
    Some(text)
}

/// BBB numbers the pictures of a presentation: `slide-3.png`, `svgs/slide3.svg`.
fn slide_name(href: Option<&str>) -> String {
    let stem = href
        .and_then(|href| href.rsplit('/').next())
        .and_then(|file| file.split('.').next())
        .unwrap_or_default();
    let digits = stem.trim_start_matches(|c: char| !c.is_ascii_digit());
    match digits.parse::<u32>() {
        Ok(number) => format!("Slide {number}"),
        Err(_) => "Presentation".to_string(),
    }
}

#[derive(Deserialize)]
struct Listed {
    locale: String,
    #[serde(default, rename = "localeName")]
    name: String,
}

/// The captions that are there and look like captions.
pub(crate) fn captions(film: &Film<'_>) -> Vec<Caption> {
    let Ok(file) = film.source.open_file(CAPTIONS) else {
        return Vec::new();
    };
    let warnings = &film.timeline.warnings;
    let listed: Vec<Listed> = match serde_json::from_reader(file.take(1 << 20)) {
        Ok(listed) => listed,
        Err(error) => {
            warnings.add(
                "captions not used",
                Some(CAPTIONS.as_ref()),
                error.to_string(),
            );
            return Vec::new();
        }
    };
    let mut captions = Vec::new();
    for Listed { locale, name } in listed.into_iter().take(MOST_CAPTIONS) {
        let href = format!("caption_{locale}.vtt");
        let mut start = String::new();
        let read = film.source.open_file(&href).map(|file| {
            // What follows the first line does not matter here.
            let _ = file.take(64).read_to_string(&mut start);
        });
        let is_vtt = start.trim_start_matches('\u{feff}').starts_with("WEBVTT");
        match (read, film.source.resolve(&href)) {
            (Ok(()), Ok(file)) if is_vtt => captions.push(Caption {
                file,
                language: language(&locale),
                name: if name.is_empty() { locale } else { name },
            }),
            (Err(error), _) | (_, Err(error)) => {
                warnings.add("captions not used", None, error.to_string());
            }
            _ => warnings.add("captions not used", Some(href.as_ref()), "not WebVTT"),
        }
    }
    captions
}

/// The languages that BBB's captions had so far, by the first letters of the locale.
fn language(locale: &str) -> &'static str {
    match locale.split(['-', '_']).next().unwrap_or_default() {
        "ar" => "ara",
        "ca" => "cat",
        "cs" => "ces",
        "da" => "dan",
        "de" => "deu",
        "el" => "ell",
        "en" => "eng",
        "es" => "spa",
        "et" => "est",
        "eu" => "eus",
        "fa" => "fas",
        "fi" => "fin",
        "fr" => "fra",
        "gl" => "glg",
        "he" => "heb",
        "hi" => "hin",
        "hu" => "hun",
        "id" => "ind",
        "it" => "ita",
        "ja" => "jpn",
        "ko" => "kor",
        "lt" => "lit",
        "nb" | "no" => "nor",
        "nl" => "nld",
        "pl" => "pol",
        "pt" => "por",
        "ro" => "ron",
        "ru" => "rus",
        "sk" => "slk",
        "sl" => "slv",
        "sr" => "srp",
        "sv" => "swe",
        "tr" => "tur",
        "uk" => "ukr",
        "vi" => "vie",
        "zh" => "zho",
        _ => "und",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slides_have_their_number_as_name() {
        assert_eq!(slide_name(Some("presentation/ab12/slide-3.png")), "Slide 3");
        assert_eq!(
            slide_name(Some("presentation/ab12/svgs/slide14.svg")),
            "Slide 14"
        );
        assert_eq!(slide_name(Some("presentation/logo.png")), "Presentation");
        assert_eq!(slide_name(None), "Presentation");
    }

    #[test]
    fn locales_have_a_language() {
        assert_eq!(language("fr"), "fra");
        assert_eq!(language("pt-BR"), "por");
        assert_eq!(language("tlh"), "und");
    }
}
