//! Captions: a WebVTT file for each language.

use std::collections::BTreeSet;

use render::source::Source;
use render::timeline::Timeline;

use super::{Attachment, Role, Words, small_text};

/// The captions of each language; of several for one language the first.
pub(super) fn captions(source: &Source, timeline: &Timeline, words: Words<'_>) -> Vec<Attachment> {
    let mut languages = BTreeSet::new();
    let mut found = Vec::new();
    for caption in render::captions::list(source, &timeline.warnings) {
        let file = format!("caption_{}.vtt", caption.locale);
        let leave_out = |why: &str| {
            let file = Some(file.as_ref());
            timeline.warnings.add("captions left out", file, why);
        };
        // Pod knows languages by their two letters only.
        let language = caption.locale.split(['-', '_']).next().unwrap_or_default();
        let language = language.to_ascii_lowercase();
        if language.len() != 2 || !language.bytes().all(|b| b.is_ascii_lowercase()) {
            leave_out("its language has no code of two letters");
        } else if !languages.insert(language.clone()) {
            leave_out("there are others of the same language");
        } else if let Some(text) = small_text(source, &file, timeline) {
            found.push(Attachment::new(
                &format!("captions-{language}"),
                Role::Captions(language.clone()),
                format!("{} {language}.vtt", words.say("Captions", "Sous-titres")),
                "text/vtt",
                text.into_bytes(),
            ));
        }
    }
    found
}
