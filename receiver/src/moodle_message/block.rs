//! The message as a marked part of a longer text: finding it, putting it in, taking it out.
//!
//! Comments around it tell it from everything that people write before, behind and around it. Some
//! editors drop comments; then the message is still known by its own text.

use recording::Digest;

/// What the marks of all messages begin with.
pub(super) const ANY: &str = "<!-- bbb2pod ";

/// What the built-in templates call it.
const CLASS: &str = "bbb2pod-message";

/// What marks the message of one activity; a copy of the activity has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    begin: String,
    end: String,
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Between its marks, or word for word.
    Here(std::ops::Range<usize>),
    /// It begins and does not end, or the other way round: somebody edited it.
    Broken,
    /// Nowhere.
    Nowhere,
}

impl Mark {
    /// The mark of an activity of a Moodle.
    pub(super) fn of(moodle: &str, activity: i64) -> Mark {
        let digest = Digest::of(format!("{moodle}\n{activity}").as_bytes()).to_string();
        let id = &digest[..12];
        Mark {
            begin: format!("{ANY}{id} -->"),
            end: format!("<!-- /bbb2pod {id} -->"),
        }
    }

    /// The message between its marks.
    pub(super) fn around(&self, html: &str) -> String {
        // A template may hold comments, but not these.
        let html = html.replace(&self.begin, "").replace(&self.end, "");
        format!("{}\n{}\n{}", self.begin, html.trim(), self.end)
    }

    /// Where the message stands in a text; `html` is what was written last.
    pub(super) fn find(&self, text: &str, html: Option<&str>) -> Found {
        match (text.find(&self.begin), text.find(&self.end)) {
            (Some(begin), Some(end)) if begin < end => Found::Here(begin..end + self.end.len()),
            (None, None) => {
                let html = html.map(str::trim).filter(|html| !html.is_empty());
                match html.and_then(|html| Some((text.find(html)?, html.len()))) {
                    Some((at, length)) => Found::Here(at..at + length),
                    None if text.contains(CLASS) && !text.contains(ANY) => Found::Broken,
                    None => Found::Nowhere,
                }
            }
            _ => Found::Broken,
        }
    }
}

/// The text with the message in it: at its place, or at the end.
pub(super) fn with(text: &str, place: Option<std::ops::Range<usize>>, block: &str) -> String {
    match place {
        Some(place) => format!("{}{block}{}", &text[..place.start], &text[place.end..]),
        None if text.is_empty() => block.to_owned(),
        None => format!("{text}\n{block}"),
    }
}

/// The text without the message: as it was before, when nobody has changed anything around it.
pub(super) fn without(text: &str, place: std::ops::Range<usize>) -> String {
    let before = &text[..place.start];
    let before = before.strip_suffix('\n').unwrap_or(before);
    format!("{before}{}", &text[place.end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_activity_has_its_own_mark() {
        assert_ne!(Mark::of("moodle", 1), Mark::of("moodle", 2));
        assert_ne!(Mark::of("moodle", 11), Mark::of("moodle1", 1));
        assert_eq!(Mark::of("moodle", 1), Mark::of("moodle", 1));
    }

    #[test]
    fn what_editors_do_is_understood() {
        let mark = Mark::of("moodle", 7);
        let block = mark.around("<p>new</p>");
        let text = format!("<p>a</p>\n{block}\n<p>b</p>");
        let Found::Here(place) = mark.find(&text, None) else {
            panic!()
        };
        assert_eq!(&text[place.clone()], block);
        assert_eq!(without(&text, place), "<p>a</p>\n<p>b</p>");
        let stripped = "<p>a</p> <p>new</p> <p>b</p>";
        assert_eq!(mark.find(stripped, Some("<p>new</p>")), Found::Here(9..19));
        assert_eq!(mark.find(stripped, Some("<p>other</p>")), Found::Nowhere);
        assert_eq!(mark.find(&block[..block.len() - 1], None), Found::Broken);
        let edited = "<div class=\"bbb2pod-message\"><p>new!</p></div>";
        assert_eq!(mark.find(edited, Some("<p>new</p>")), Found::Broken);
        let other = Mark::of("moodle", 8).around("<p>new</p>");
        assert_eq!(mark.find(&other, None), Found::Nowhere);
    }

    proptest! {
        #[test]
        fn putting_in_and_taking_out_leaves_the_text_as_it_was(text in any::<String>(), html in "[^-]{1,40}") {
            let mark = Mark::of("moodle", 7);
            let block = mark.around(&html);
            let written = with(&text, None, &block);
            let Found::Here(place) = mark.find(&written, None) else { panic!("{written}") };
            prop_assert_eq!(without(&written, place.clone()), text);
            let again = with(&written, Some(place), &block);
            prop_assert_eq!(again, written);
        }
    }
}
