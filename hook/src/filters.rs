//! Which recordings are handed over: the section `filters` held against a `metadata.xml`.

use recording::{Metadata, PlaybackFormat};

use crate::settings::Filters;

/// Why a recording is not handed over, in the words of the settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeftOut {
    #[error("filters.formats does not list {0}")]
    Format(PlaybackFormat),
    #[error("filters.origins does not list its bbb-origin \"{0}\"")]
    Origin(String),
    #[error("filters.meta.{key} wants \"{wanted}\", it has \"{found}\"")]
    Meta {
        key: String,
        wanted: String,
        found: String,
    },
    #[error("it lasts {lasts} s, filters.min_duration_seconds is {least}")]
    Short { lasts: u64, least: u64 },
}

/// Why a recording is not handed over; `None` when it is.
///
/// Without readable metadata only the format decides: a damaged recording is rather sent than lost.
pub(crate) fn left_out(
    filters: &Filters,
    format: &PlaybackFormat,
    metadata: Option<&Metadata>,
) -> Option<LeftOut> {
    if !filters.formats.is_empty() && !filters.formats.contains(format) {
        return Some(LeftOut::Format(format.clone()));
    }
    let metadata = metadata?;
    if !filters.origins.is_empty() {
        let origin = metadata.meta("bbb-origin").unwrap_or_default();
        if !filters
            .origins
            .iter()
            .any(|o| o.eq_ignore_ascii_case(origin))
        {
            return Some(LeftOut::Origin(origin.to_owned()));
        }
    }
    for (key, wanted) in &filters.meta {
        let found = metadata.meta(key).unwrap_or_default();
        if found != wanted {
            return Some(LeftOut::Meta {
                key: key.clone(),
                wanted: wanted.clone(),
                found: found.to_owned(),
            });
        }
    }
    let duration = metadata
        .playback_of(format)
        .or_else(|| metadata.playback.first())
        .and_then(|p| p.duration_ms);
    match duration {
        Some(ms) if ms < filters.min_duration_seconds.saturating_mul(1000) => {
            Some(LeftOut::Short {
                lasts: ms / 1000,
                least: filters.min_duration_seconds,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_and_why() {
        let metadata: Metadata = r"<recording><id>a-1</id>
            <meta><bbb-origin>Moodle</bbb-origin><course>7</course></meta>
            <playback><format>video</format><duration>59000</duration></playback></recording>"
            .parse()
            .unwrap();
        let filters = |change: &dyn Fn(&mut Filters)| {
            let mut filters = Filters::default();
            change(&mut filters);
            filters
        };
        let video: PlaybackFormat = "video".parse().unwrap();
        let table: [(Filters, Option<&str>); 8] = [
            (filters(&|_| {}), None),
            (filters(&|f| f.origins = vec!["moodle".into()]), None),
            (
                filters(&|f| f.origins = vec!["PILOS".into()]),
                Some("bbb-origin \"Moodle\""),
            ),
            (
                filters(&|f| f.formats = vec!["notes".parse().unwrap()]),
                Some("filters.formats"),
            ),
            (filters(&|f| f.formats = vec![]), None),
            (
                filters(&|f| f.meta = [("Course".into(), "7".into())].into()),
                None,
            ),
            (
                filters(&|f| f.meta = [("course".into(), "8".into())].into()),
                Some("it has \"7\""),
            ),
            (
                filters(&|f| f.min_duration_seconds = 60),
                Some("it lasts 59 s"),
            ),
        ];
        for (filters, words) in table {
            let said = left_out(&filters, &video, Some(&metadata)).map(|why| why.to_string());
            match words {
                None => assert_eq!(said, None),
                Some(words) => assert!(said.clone().unwrap().contains(words), "{said:?}"),
            }
        }
        let strict = filters(&|f| f.origins = vec!["PILOS".into()]);
        assert_eq!(left_out(&strict, &video, None), None);
    }
}
