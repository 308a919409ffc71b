//! Django's ways with names, slugs, dates and addresses.

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// Django's slugify: NFKD, ASCII only, lower case, runs of blanks and dashes as one dash.
pub(crate) fn slugify(text: &str) -> String {
    let mut slug = String::new();
    let kept = text.nfkd().filter(char::is_ascii).filter_map(|c| {
        let c = c.to_ascii_lowercase();
        (c.is_ascii_alphanumeric()
            || matches!(c, '_' | '-')
            || c.is_ascii_whitespace()
            || c == '\x0b')
            .then_some(c)
    });
    for c in kept {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches(['-', '_']).to_owned()
}

/// What MariaDB's unicode_ci collation compares: no accents, no case.
pub(crate) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Django's `get_valid_filename`.
pub(crate) fn valid_filename(name: &str) -> String {
    name.trim()
        .chars()
        .map(|c| if c == ' ' { '_' } else { c })
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect()
}

/// Stem and extension, the extension with its dot.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    }
}

fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC)
}

fn zoned(micros: i64) -> Zoned {
    Timestamp::from_microsecond(micros)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(zone())
}

/// An instant as the REST framework writes it: site's time zone, microseconds unless zero.
pub(crate) fn local_iso(micros: i64) -> String {
    let zoned = zoned(micros);
    let fraction = micros.rem_euclid(1_000_000);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:06}")
    };
    format!(
        "{}{fraction}{}",
        zoned.strftime("%Y-%m-%dT%H:%M:%S"),
        zoned.strftime("%:z")
    )
}

/// An instant as the search index writes it: UTC, whole seconds, no zone.
pub(crate) fn utc_seconds(micros: i64) -> String {
    Timestamp::from_microsecond(micros)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

/// The day of an instant in the site's time zone, in a strftime format.
pub(crate) fn local_format(micros: i64, format: &str) -> String {
    zoned(micros).strftime(format).to_string()
}

/// Django's `parse_datetime`: date, `T` or blank, time, fraction cut after six digits, zone or the
/// site's own. Microseconds since the epoch.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    let date: civil::Date = parse_date(text.get(..10)?)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return instant(date.at(0, 0, 0, 0));
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(zone_at);
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    if !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let numbers: Vec<i8> = clock
        .split(':')
        .map(|part| (part.len() == 2).then(|| part.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match numbers[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let time = civil::Time::new(hour, minute, second, 0).ok()?;
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let civil = date.to_datetime(time);
    let micros = match offset {
        "" => instant(civil)?,
        "Z" => civil
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_microsecond(),
        _ => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
            if digits.len() != 4 && digits.len() != 2 {
                return None;
            }
            let hours: i64 = digits[..2].parse().ok()?;
            let minutes: i64 = if digits.len() == 4 {
                digits[2..].parse().ok()?
            } else {
                0
            };
            let utc = civil
                .to_zoned(TimeZone::UTC)
                .ok()?
                .timestamp()
                .as_microsecond();
            utc - sign * (hours * 3600 + minutes * 60) * 1_000_000
        }
    };
    Some(micros + fraction)
}

fn instant(civil: civil::DateTime) -> Option<i64> {
    Some(civil.to_zoned(zone()).ok()?.timestamp().as_microsecond())
}

/// A date written `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<civil::Date> {
    let shape = text.len() == 10
        && text.char_indices().all(|(at, c)| {
            if at == 4 || at == 7 {
                c == '-'
            } else {
                c.is_ascii_digit()
            }
        });
    shape.then(|| text.parse().ok()).flatten()
}

/// The path of a hyperlink, whatever its host, percent-decoded.
pub(crate) fn link_path(link: &str) -> String {
    let path = if link.starts_with("http:") || link.starts_with("https:") {
        let after = link.split_once("//").map_or("", |(_, after)| after);
        let path = after.find('/').map_or("", |at| &after[at..]);
        path.split(['?', '#']).next().unwrap_or("")
    } else {
        link
    };
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_django_s() {
        for (text, slug) in [
            (
                "Cours d'analyse & \"espaces\" <b>; 2026",
                "cours-danalyse-espaces-b-2026",
            ),
            ("Réunion BBB minimal", "reunion-bbb-minimal"),
            ("!!!", ""),
            ("a\tb\u{1}c", "a-bc"),
            ("bysql.mp4", "bysqlmp4"),
            ("Réunion 🎥", "reunion"),
        ] {
            assert_eq!(slugify(text), slug, "{text:?}");
        }
    }

    #[test]
    fn dates_in_every_accepted_form_are_the_same_instant() {
        let expected = parse_datetime("2026-10-05T14:30:00Z").unwrap();
        for text in [
            "2026-10-05 16:30:00",
            "2026-10-05T16:30:00+02:00",
            "2026-10-05T16:30",
        ] {
            assert_eq!(parse_datetime(text), Some(expected), "{text}");
        }
        assert_eq!(local_iso(expected), "2026-10-05T16:30:00+02:00");
        assert_eq!(
            local_iso(parse_datetime("2018-07-04T15:38:41.124Z").unwrap()),
            "2018-07-04T17:38:41.124000+02:00"
        );
        assert_eq!(parse_datetime("yesterday"), None);
        assert_eq!(parse_datetime("2026-10-05T16:30:00 02:00"), None);
    }

    #[test]
    fn the_host_of_a_link_does_not_matter() {
        for link in [
            "/rest/users/2/",
            "http://a/rest/users/2/",
            "https://b:8443/rest/users/2/?x=1",
        ] {
            assert_eq!(link_path(link), "/rest/users/2/");
        }
    }
}
