//! The captions of a recording: which languages there are, and what is said when.

use std::io::Read;
use std::path::PathBuf;

use serde::Deserialize;

use crate::language::Language;
use crate::markup;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Span;
use crate::warning::Warnings;

/// More caption files than this are no lecture's.
const MOST_CAPTIONS: usize = 50;
/// More bytes than this are no lecture's either.
const LARGEST: u64 = 16 << 20;
const LONGEST_CUE: usize = 500;
const LIST: &str = "captions.json";

/// One language of captions.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The WebVTT file.
    pub file: PathBuf,
    /// As BBB names it: `fr`, `pt-BR`.
    pub locale: String,
    /// Its language.
    pub language: Language,
    /// The language's name in itself.
    pub name: String,
}

/// What is said for a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cue {
    pub(crate) span: Span,
    /// Its lines as the file has them.
    pub(crate) markup: String,
}

impl Cue {
    /// Its lines without markup.
    pub(crate) fn text(&self) -> String {
        markup::text(&self.markup, markup::Kind::Vtt)
    }
}

#[derive(Deserialize)]
struct Listed {
    locale: String,
    #[serde(default, rename = "localeName")]
    name: String,
}

/// The captions that are there and look like captions.
#[must_use]
pub fn list(source: &Source, warnings: &Warnings) -> Vec<Caption> {
    let Ok(file) = source.open_file(LIST) else {
        return Vec::new();
    };
    let listed: Vec<Listed> = match serde_json::from_reader(file.take(1 << 20)) {
        Ok(listed) => listed,
        Err(error) => {
            warnings.add("captions not used", Some(LIST.as_ref()), error.to_string());
            return Vec::new();
        }
    };
    let mut captions = Vec::new();
    for Listed { locale, name } in listed.into_iter().take(MOST_CAPTIONS) {
        let href = format!("caption_{locale}.vtt");
        let mut start = String::new();
        let read = source.open_file(&href).map(|file| {
            // What follows the first line does not matter here.
            let _ = file.take(64).read_to_string(&mut start);
        });
        let is_vtt = start.trim_start_matches('\u{feff}').starts_with("WEBVTT");
        match (read, source.resolve(&href)) {
            (Ok(()), Ok(file)) if is_vtt => captions.push(Caption {
                file,
                language: locale.parse().unwrap_or(Language::UNKNOWN),
                name: if name.is_empty() {
                    locale.clone()
                } else {
                    name
                },
                locale,
            }),
            (Err(error), _) | (_, Err(error)) => {
                warnings.add("captions not used", None, error.to_string());
            }
            _ => warnings.add("captions not used", Some(href.as_ref()), "not WebVTT"),
        }
    }
    captions
}

/// What is said when, in order; what is no WebVTT is passed over.
///
/// # Errors
/// Why the file cannot be read.
pub(crate) fn cues(caption: &Caption) -> std::io::Result<Vec<Cue>> {
    let mut bytes = Vec::new();
    std::fs::File::open(&caption.file)?
        .take(LARGEST)
        .read_to_end(&mut bytes)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(vtt: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    let mut lines = vtt.lines();
    while let Some(line) = lines.next() {
        let Some((start, rest)) = line.split_once("-->") else {
            continue;
        };
        let end = rest.split_whitespace().next().unwrap_or_default();
        let payload: Vec<&str> = (&mut lines)
            .take_while(|line| !line.trim().is_empty())
            .collect();
        if let (Some(start), Some(end)) = (time(start.trim()), time(end))
            && start < end
        {
            let markup = payload.join("\n").chars().take(LONGEST_CUE).collect();
            cues.push(Cue {
                span: Span { start, end },
                markup,
            });
        }
    }
    cues.sort_by_key(|cue| cue.span.start);
    cues
}

/// `01:02:03.450` or `02:03.450`.
fn time(text: &str) -> Option<Millis> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        let number: f64 = part.parse().ok().filter(|n: &f64| *n >= 0.0)?;
        seconds = seconds * 60.0 + number;
    }
    Millis::from_seconds(seconds)
}

/// The cues of a part of the recording, their times counted from its start and cut at its end.
pub(crate) fn within(cues: &[Cue], part: Span) -> Vec<Cue> {
    cues.iter()
        .filter(|cue| cue.span.start < part.end && cue.span.end > part.start)
        .map(|cue| Cue {
            span: Span {
                start: Millis(cue.span.start.0.saturating_sub(part.start.0)),
                end: Millis(cue.span.end.0.min(part.end.0) - part.start.0),
            },
            markup: cue.markup.clone(),
        })
        .collect()
}

/// A WebVTT file.
pub(crate) fn webvtt(cues: &[Cue]) -> String {
    let clock = |t: Millis| {
        let (seconds, thousandths) = (t.0 / 1000, t.0 % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!(
            "{hours:02}:{minutes:02}:{:02}.{thousandths:03}",
            seconds % 60
        )
    };
    let mut text = String::from("WEBVTT\n");
    for Cue { span, markup } in cues {
        let (start, end) = (clock(span.start), clock(span.end));
        text.push_str(&format!("\n{start} --> {end}\n{markup}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_read_cut_and_written() {
        let vtt = "\u{feff}WEBVTT\n\nNOTE a --> b\n\n7\n00:01.000 --> 00:04.500 align:start\n\
                   <v Ann>Hello\nthere\n\n01:00:00.000 --> 01:00:01.000\nlate\n\n\
                   00:09.000 --> 00:08.000\nbackwards\n";
        let cues = parse(vtt);
        assert_eq!(cues.len(), 2);
        assert_eq!(cues[0].text(), "Hello\nthere");
        let part = Span {
            start: Millis(2_000),
            end: Millis(4_000),
        };
        assert_eq!(
            webvtt(&within(&cues, part)),
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Ann>Hello\nthere\n"
        );
        assert_eq!(parse(&webvtt(&cues)), cues);
    }

    #[test]
    fn nonsense_has_no_cues() {
        for vtt in [
            "",
            "WEBVTT",
            "-->",
            "a --> b\nc",
            "1 --> nan\nx",
            "\0\0 --> \n",
        ] {
            assert_eq!(parse(vtt), [], "{vtt:?}");
        }
    }
}
