//! What a video in Pod is called and described as, and how it is recognised again.
//!
//! Pod keeps no foreign key and refuses no duplicate, so two things prove which recording a video
//! is: its `date_added`, which can be searched, and two lines in its description, which cannot be
//! searched but read. The lines hold nothing that HTML escapes, and start a paragraph or follow a
//! line break, where text that comes from BBB, being escaped, can never stand.

use jiff::{Timestamp, ToSpan as _, Zoned};
use recording::{Digest, RecordId};

use crate::html::escaped;
use crate::pod::Lecture;

/// Characters of a title; longer ones make Pod's slug overflow (an error 500).
const TITLE_MAX: usize = 200;
/// Digits of the media's digest in the description.
const MEDIA_DIGITS: usize = 12;

/// The last character that fits into MariaDB's three bytes.
pub(in crate::pod) const BMP_END: char = '\u{ffff}';

const RECORD: &str = "bbb-record-id:";
const MEDIA: &str = "bbb-media:";

/// The title: the meeting's name and its day, which tells a series' lectures apart.
pub(in crate::pod) fn title(name: Option<&str>, day: &str) -> String {
    let name = plain(name.unwrap_or_default(), BMP_END);
    let name = if name.is_empty() {
        "BigBlueButton".to_owned()
    } else {
        name
    };
    if name.contains(day) {
        return shortened(&name, TITLE_MAX);
    }
    let rest = format!(" ({day})");
    shortened(&name, TITLE_MAX - rest.len()) + &rest
}

/// The description: where the recording came from, and what proves it.
pub(in crate::pod) fn description(
    lecture: &Lecture,
    media: &Digest,
    began: &Zoned,
    language: &str,
) -> String {
    let french = language.starts_with("fr");
    let (recording, meeting, server, format, node) = if french {
        (
            "Enregistrement BigBlueButton du",
            "réunion",
            "serveur",
            "format",
            "nœud",
        )
    } else {
        (
            "BigBlueButton recording of",
            "meeting",
            "server",
            "format",
            "node",
        )
    };
    let mut origin = format!("{recording} {}", began.strftime("%Y-%m-%d %H:%M"));
    let facts = [
        (meeting, lecture.origin.meeting_id.as_deref()),
        (server, lecture.origin.server_name.as_deref()),
        (format, Some(lecture.origin.format.as_str())),
        (node, lecture.origin.node.as_deref()),
    ];
    for (what, value) in facts {
        let value = plain(value.unwrap_or_default(), BMP_END);
        if !value.is_empty() {
            origin += &format!(", {what} {}", escaped(&shortened(&value, TITLE_MAX)));
        }
    }
    format!(
        "<p>{origin}.</p>\n<p>{RECORD} {}<br>\n{MEDIA} {}</p>",
        lecture.record_id,
        media_digits(media)
    )
}

/// Whether a description has the line of this recording.
pub(in crate::pod) fn is_of(description: &str, record_id: &RecordId) -> bool {
    values(description, RECORD).any(|value| value == record_id.as_str())
}

/// Whether a description says that the video was made from this media; `None` when it says
/// nothing, because somebody rewrote it.
pub(in crate::pod) fn is_from(description: &str, media: &Digest) -> Option<bool> {
    let value = values(description, MEDIA).next()?;
    Some(value == media_digits(media))
}

/// The description with the line about the media renewed; `None` when it has no such line.
pub(in crate::pod) fn renewed(description: &str, media: &Digest) -> Option<String> {
    let old = values(description, MEDIA).next()?;
    let at = description.find(old).filter(|_| !old.is_empty())?;
    let mut text = description.to_owned();
    text.replace_range(at..at + old.len(), &media_digits(media));
    Some(text)
}

/// When Pod shall say that the video was added: the recording's start to the millisecond, made its
/// own by microseconds out of the record id.
pub(in crate::pod) fn date_added(lecture: &Lecture, now: Timestamp) -> Timestamp {
    let start = began(lecture).unwrap_or(now);
    let millis = Timestamp::from_millisecond(start.as_millisecond()).unwrap_or(start);
    let hash = Digest::of(lecture.record_id.as_str().as_bytes());
    let [high, low, ..] = *hash.as_bytes();
    let micros = i64::from(u16::from_be_bytes([high, low]) % 1000);
    millis.checked_add(micros.microseconds()).unwrap_or(millis)
}

/// The same for a later version of a recording, which is another video: the same millisecond, with
/// microseconds out of its media.
pub(in crate::pod) fn date_added_of(
    lecture: &Lecture,
    media: &Digest,
    first: Timestamp,
) -> Timestamp {
    let millis = Timestamp::from_millisecond(first.as_millisecond()).unwrap_or(first);
    let hash = Digest::of(format!("{} {media}", lecture.record_id).as_bytes());
    let [high, low, ..] = *hash.as_bytes();
    let micros = i64::from(u16::from_be_bytes([high, low]) % 1000);
    millis.checked_add(micros.microseconds()).unwrap_or(millis)
}

/// When the recording began: as BBB tells, else as the digits of its record id do.
pub(in crate::pod) fn began(lecture: &Lecture) -> Option<Timestamp> {
    lecture.started.or_else(|| {
        let (_, last) = lecture.record_id.as_str().rsplit_once('-')?;
        let millis = (last.len() == 13).then(|| last.parse().ok())??;
        Timestamp::from_millisecond(millis).ok()
    })
}

/// A time as Pod's filters take it and as its forms do.
pub(in crate::pod) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Text on one line, without what the database under Pod cannot store: characters beyond the
/// widest one make MariaDB fail, and control characters go through to the page.
pub(in crate::pod) fn plain(text: &str, widest: char) -> String {
    let unwanted = |c: char| {
        c > widest
            || (c.is_control() && !c.is_whitespace())
            // Marks that turn the direction of all text after them, and the byte order mark.
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
            || matches!(c, '\u{fff0}'..='\u{ffff}')
    };
    let kept: String = text.chars().filter(|c| !unwanted(*c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(in crate::pod) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

fn media_digits(media: &Digest) -> String {
    media.to_string()[..MEDIA_DIGITS].to_owned()
}

/// The values of lines that begin with this word, as Pod's editor leaves them or as we wrote them.
fn values<'a>(description: &'a str, word: &'static str) -> impl Iterator<Item = &'a str> {
    description.match_indices(word).filter_map(move |(at, _)| {
        let before = description[..at].trim_end_matches([' ', '\n', '\r', '\t']);
        if !before.is_empty() && !before.ends_with('>') {
            return None;
        }
        let rest = &description[at + word.len()..];
        let rest = rest.trim_start_matches("&nbsp;").trim_start();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(rest.len());
        Some(&rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::pod::fixtures::lecture;

    fn sample() -> Lecture {
        lecture(tempfile::tempdir().unwrap().path(), b"video")
    }

    fn titled(name: &str) -> String {
        title(Some(name), "2019-04-02")
    }

    fn described(lecture: &Lecture, language: &str) -> String {
        let began = lecture
            .started
            .unwrap()
            .to_zoned(TimeZone::get("Europe/Paris").unwrap());
        description(lecture, &lecture.digest(), &began, language)
    }

    #[test]
    fn titles_are_what_pod_can_store() {
        for (name, expected) in [
            ("Algèbre linéaire", "Algèbre linéaire (2019-04-02)"),
            ("  a \t\n b  ", "a b (2019-04-02)"),
            ("Cours 🎓 <b>", "Cours <b> (2019-04-02)"),
            ("a\u{0}b\u{7}c\u{202e}d", "abcd (2019-04-02)"),
            ("TD du 2019-04-02", "TD du 2019-04-02"),
            ("", "BigBlueButton (2019-04-02)"),
            ("🎓", "BigBlueButton (2019-04-02)"),
        ] {
            assert_eq!(titled(name), expected, "{name:?}");
        }
        let long = titled(&"é".repeat(300));
        assert_eq!(long.chars().count(), TITLE_MAX);
        assert!(long.ends_with("é… (2019-04-02)"), "{long}");
    }

    #[test]
    fn descriptions_tell_the_origin_and_prove_it() {
        let mut lecture = sample();
        lecture.origin.server_name = Some("<script>alert('1')</script>".into());
        let text = described(&lecture, "fr");
        assert!(text.starts_with(
            "<p>Enregistrement BigBlueButton du 2019-04-02 20:45, réunion algebre-2019, serveur \
             &lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;, format presentation, nœud \
             bbb1.univ.example.</p>"
        ), "{text}");
        assert!(described(&lecture, "en").starts_with("<p>BigBlueButton recording of"));
        assert!(is_of(&text, &lecture.record_id));
        assert!(!is_of(&text, &"183f0bf3".parse().unwrap()));
        assert_eq!(is_from(&text, &lecture.digest()), Some(true));
        let other = Digest::of(b"other");
        assert_eq!(is_from(&text, &other), Some(false));
        let renewed = renewed(&text, &other).unwrap();
        assert_eq!(is_from(&renewed, &other), Some(true));
        assert!(is_of(&renewed, &lecture.record_id));
    }

    #[test]
    fn lines_are_found_as_editors_leave_them_and_not_where_others_write_them() {
        let id: RecordId = "abc-1".parse().unwrap();
        for (text, found) in [
            ("bbb-record-id: abc-1", true),
            ("<p>bbb-record-id:&nbsp;abc-1</p>", true),
            ("<p>x<br />\r\nbbb-record-id: abc-1<br />", true),
            ("<p>bbb-record-id: abc-12</p>", false),
            ("<p>bbb-record-id: abc</p>", false),
            ("<p>see bbb-record-id: abc-1</p>", false),
            ("<p>&lt;p&gt;bbb-record-id: abc-1</p>", false),
            ("", false),
        ] {
            assert_eq!(is_of(text, &id), found, "{text}");
        }
        assert_eq!(is_from("<p>rewritten</p>", &Digest::of(b"x")), None);
        assert_eq!(renewed("<p>rewritten</p>", &Digest::of(b"x")), None);
    }

    #[test]
    fn the_date_is_the_start_and_belongs_to_one_recording() {
        let mut lecture = sample();
        let now = Timestamp::now();
        let date = iso(date_added(&lecture, now));
        assert!(
            date.starts_with("2019-04-02T18:45:49.920") && date.len() == 27,
            "{date}"
        );
        lecture.started = None;
        assert_eq!(iso(date_added(&lecture, now)), date);
        lecture.record_id = "183f0bf3a0982a127bdb8161e0c44eb696b3e75d-1554230749920"
            .parse()
            .unwrap();
        assert_ne!(iso(date_added(&lecture, now)), date);
        lecture.record_id = "room".parse().unwrap();
        assert_eq!(
            date_added(&lecture, now).as_millisecond(),
            now.as_millisecond()
        );
    }

    proptest! {
        #[test]
        fn any_title_and_origin_do(name in any::<String>(), server in any::<String>()) {
            let mut lecture = sample();
            lecture.origin.server_name = Some(server);
            let title = titled(&name);
            prop_assert!(title.chars().count() <= TITLE_MAX);
            let storable = title.chars().all(|c| c <= BMP_END && !c.is_control());
            prop_assert!(storable, "{title:?}");
            let text = described(&lecture, "fr");
            let storable = text.chars().all(|c| c <= BMP_END);
            prop_assert!(storable, "{text:?}");
            prop_assert_eq!(values(&text, RECORD).count(), 1);
            prop_assert!(is_of(&text, &lecture.record_id));
        }
    }
}
