//! The name of a file in a claim directory.
//!
//! Pod shows it to its owners as the title to claim, builds links of it without encoding them, and
//! stores its whole path in a column of [`PATH_MAX`] characters (up to Pod 4.0.0; later ones may
//! still have the old column). So: a readable title, the date and time that tell one week's lecture
//! from the next, the end of the record id that tells apart what the first two do not, and nothing
//! but `[A-Za-z0-9._-]`.

use jiff::Zoned;
use recording::{Digest, RecordId};

/// Characters of a file's path that every version of Pod can store.
pub(in crate::pod) const PATH_MAX: usize = 100;

/// Characters that the longest form of a name needs with a title of one character.
pub(in crate::pod) const NAME_MIN: usize = 1 + DATE + 1 + TAIL + 1 + HASH + EXTENSION.len();

const EXTENSION: &str = ".mp4";
/// `_2026-10-05-1430`
const DATE: usize = 16;
/// Of `<40 hex>-<13 digits>`: the digits, BBB's clock in milliseconds when the meeting was made.
const TAIL: usize = 13;
const HASH: usize = 8;

/// How much of the record id a name carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Its last 13 characters.
    Usual,
    /// Also a part of its hash: for when another recording has the usual name already.
    Longer,
    /// Also a part of the hash of its media: for a later version beside the first one.
    Version(Digest),
}

/// The name of a recording's file, at most `room` characters and always ending in `.mp4`.
///
/// A record id that does not end in BBB's 13 digits always gets the longer form, as nothing is
/// known of what its end tells apart.
pub(super) fn claim_name(
    title: Option<&str>,
    started: Option<&Zoned>,
    record_id: &RecordId,
    form: Form,
    room: usize,
) -> String {
    let mut rest = String::new();
    if let Some(started) = started {
        rest += &started.strftime("_%Y-%m-%d-%H%M").to_string();
    }
    rest.push('_');
    let id = record_id.as_str();
    let tail = &id[id.len().saturating_sub(TAIL)..];
    rest += tail;
    let usual = tail.len() == TAIL && tail.bytes().all(|b| b.is_ascii_digit());
    let hashed = match form {
        Form::Usual => None,
        Form::Longer => Some(id.to_owned()),
        Form::Version(media) => Some(format!("{id} {media}")),
    };
    if let Some(hashed) = hashed.or_else(|| (!usual).then(|| id.to_owned())) {
        rest.push('-');
        rest += &Digest::of(hashed.as_bytes()).to_string()[..HASH];
    }
    rest += EXTENSION;

    let mut name = slug(title.unwrap_or_default());
    name.truncate(room.saturating_sub(rest.len()).max(1));
    let kept = name.trim_end_matches(['-', '.', '_']).len();
    name.truncate(kept);
    name += &rest;
    name
}

/// The title in ASCII, its words joined by `-`; `recording` when nothing readable remains.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in deunicode::deunicode_with_tofu(title, " ").chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' => slug.push(c),
            '.' | '_' if !slug.is_empty() && !slug.ends_with(['-', '.', '_']) => slug.push(c),
            // "d'analyse" reads better as "danalyse" than as "d-analyse".
            '\'' => {}
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let kept = slug.trim_end_matches(['-', '.', '_']).len();
    slug.truncate(kept);
    if slug.is_empty() {
        slug.push_str("recording");
    }
    slug
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

    fn at(text: &str) -> Zoned {
        text.parse::<Timestamp>()
            .unwrap()
            .to_zoned(TimeZone::get("Europe/Paris").unwrap())
    }

    fn name(title: &str, id: &str, form: Form, room: usize) -> String {
        let started = at("2019-04-02T18:45:49.920Z");
        claim_name(
            Some(title),
            Some(&started),
            &id.parse().unwrap(),
            form,
            room,
        )
    }

    #[test]
    fn names_are_readable_and_plain() {
        let end = "_2019-04-02-2045_1554230749920.mp4";
        for (title, start) in [
            ("Algèbre linéaire", "Algebre-lineaire"),
            (
                "Cours d'analyse & \"espaces\" <b>; 2026",
                "Cours-danalyse-espaces-b-2026",
            ),
            ("  T.D. n° 3 / groupe B  ", "T.D.-ndeg-3-groupe-B"),
            ("../../etc/passwd", "etc-passwd"),
            (".part", "part"),
            ("a.mp4", "a.mp4"),
            ("a\u{0}b\nc", "a-b-c"),
            ("数学", "Shu-Xue"),
            ("Œuvre d’art", "OEuvre-dart"),
            ("", "recording"),
            ("???", "recording"),
            ("___", "recording"),
        ] {
            assert_eq!(
                name(title, ID, Form::Usual, 78),
                format!("{start}{end}"),
                "{title:?}"
            );
        }
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let id = ID.parse().unwrap();
        assert_eq!(
            claim_name(None, None, &id, Form::Usual, 78),
            "recording_1554230749920.mp4"
        );
        let odd = claim_name(None, None, &"room-7".parse().unwrap(), Form::Usual, 78);
        assert!(
            odd.starts_with("recording_room-7-") && odd.len() == 29,
            "{odd}"
        );
    }

    #[test]
    fn titles_give_way_to_what_tells_recordings_apart() {
        let long = "Introduction à la théorie des groupes ".repeat(9);
        let usual = name(&long, ID, Form::Usual, 60);
        assert_eq!(
            usual,
            "Introduction-a-la-theorie_2019-04-02-2045_1554230749920.mp4"
        );
        let longer = name(&long, ID, Form::Longer, NAME_MIN);
        assert_eq!(longer.len(), NAME_MIN);
        assert!(
            longer.starts_with("I_2019-04-02-2045_1554230749920-"),
            "{longer}"
        );
    }

    proptest! {
        #[test]
        fn always_within_alphabet_and_length(
            title in any::<String>(),
            id in "[A-Za-z0-9_][A-Za-z0-9_-]{0,127}",
            millis in 0_i64..4_000_000_000_000,
            room in NAME_MIN..PATH_MAX,
            longer in any::<bool>(),
        ) {
            let started = Timestamp::from_millisecond(millis).unwrap().to_zoned(TimeZone::UTC);
            let form = if longer { Form::Longer } else { Form::Usual };
            let name = claim_name(Some(&title), Some(&started), &id.parse().unwrap(), form, room);
            prop_assert!(name.len() <= room, "{name}");
            prop_assert!(name.ends_with(".mp4") && !name.starts_with(['.', '-', '_']), "{name}");
            prop_assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
                "{name}"
            );
        }

        #[test]
        fn recordings_of_one_room_and_day_differ(
            title in any::<String>(),
            hex in "[0-9a-f]{40}",
            first in 1_554_200_000_000_u64..1_554_250_000_000,
            later in 1_u64..50_000_000,
            room in NAME_MIN..PATH_MAX,
        ) {
            let one = name(&title, &format!("{hex}-{first}"), Form::Usual, room);
            let two = name(&title, &format!("{hex}-{}", first + later), Form::Usual, room);
            let segment = name(&title, &format!("{hex}-{first}-{}", first + later + 1), Form::Usual, room);
            prop_assert!(one != two && two != segment && one != segment);
        }

        #[test]
        fn other_nodes_differ_in_the_longer_form(
            a in "[0-9a-f]{40}", b in "[0-9a-f]{40}", room in NAME_MIN..PATH_MAX,
        ) {
            prop_assume!(a != b);
            let one = name("x", &format!("{a}-1554230749920"), Form::Longer, room);
            let two = name("x", &format!("{b}-1554230749920"), Form::Longer, room);
            prop_assert_ne!(one, two);
        }
    }
}
