//! The list of recordings: the columns of Esup-Pod's own migration script, in its order, then who
//! owns each recording and why, and its record id.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::pod::Lecture;

/// The columns: those of the stock script first.
const COLUMNS: [&str; 16] = [
    "meeting_name",
    "recording_name",
    "start_date",
    "origin",
    "origin_server_name",
    "origin_version",
    "origin_context",
    "origin_id",
    "origin_label",
    "description",
    "published",
    "state",
    "source_url",
    "owners",
    "why",
    "record_id",
];

/// A line of the list. The names of its fields are those of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    meeting_name: String,
    recording_name: String,
    start_date: String,
    origin: String,
    origin_server_name: String,
    origin_version: String,
    origin_context: String,
    origin_id: String,
    origin_label: String,
    description: String,
    published: bool,
    state: String,
    source_url: String,
    owners: Vec<String>,
    why: String,
    record_id: String,
}

impl Entry {
    /// What is known of a lecture.
    pub(crate) fn of(lecture: &Lecture) -> Entry {
        let meta = |key: &str| {
            let value = lecture.meta.get(key).map(|value| value.trim());
            value.unwrap_or_default().to_owned()
        };
        let day = lecture.started.map(|at| at.to_zoned(TimeZone::system()));
        Entry {
            meeting_name: lecture.title.clone().unwrap_or_default(),
            recording_name: meta("bbb-recording-name"),
            start_date: day.map(|day| day.date().to_string()).unwrap_or_default(),
            origin: meta("bbb-origin"),
            origin_server_name: meta("bbb-origin-server-name"),
            origin_version: meta("bbb-origin-version"),
            origin_context: meta("bbb-context"),
            origin_id: meta("bbb-context-id"),
            origin_label: meta("bbb-context-label"),
            description: meta("bbb-recording-description"),
            published: lecture.origin.published,
            state: lecture.origin.state.clone().unwrap_or_default(),
            source_url: lecture.playback.clone().unwrap_or_default(),
            owners: lecture.known_owners().map(str::to_owned).collect(),
            why: lecture.owner_reason().to_owned(),
            record_id: lecture.record_id.to_string(),
        }
    }
}

/// The first line, with its end.
pub(crate) fn header() -> String {
    COLUMNS.join(";") + "\r\n"
}

/// A line, with its end.
pub(crate) fn line(entry: &Entry) -> String {
    let published = if entry.published { "true" } else { "false" };
    let owners = entry.owners.join(", ");
    let cells = [
        entry.meeting_name.as_str(),
        &entry.recording_name,
        &entry.start_date,
        &entry.origin,
        &entry.origin_server_name,
        &entry.origin_version,
        &entry.origin_context,
        &entry.origin_id,
        &entry.origin_label,
        &entry.description,
        published,
        &entry.state,
        &entry.source_url,
        &owners,
        &entry.why,
        &entry.record_id,
    ];
    cells.map(cell).join(";") + "\r\n"
}

/// The record id of a line; the header has none.
pub(crate) fn record_id(line: &str) -> Option<String> {
    let (_, id) = line.trim_end().rsplit_once(';')?;
    (id != "record_id").then(|| id.to_owned())
}

/// A value in one cell of one line. Spreadsheets run what begins with certain signs as a formula,
/// and what a meeting is called comes from outside.
fn cell(value: &str) -> String {
    let mut text: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([';', '"']) {
        text = format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::fixtures::lecture;

    #[test]
    fn the_columns_are_those_of_the_stock_script_and_three_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut lecture = lecture(folder.path(), b"video");
        lecture.title = Some("Analyse; \"I\"\n2".into());
        lecture.owner = Some("jdupont".into());
        for (key, value) in [
            ("bbb-origin", "Moodle"),
            ("bbb-origin-server-name", "moodle.univ.example"),
            ("bbb-context-label", "=1+1"),
        ] {
            lecture.meta.insert(key.into(), value.into());
        }
        assert!(header().starts_with(
            "meeting_name;recording_name;start_date;origin;origin_server_name;origin_version;\
             origin_context;origin_id;origin_label;description;published;state;source_url;owners;"
        ));
        let line = line(&Entry::of(&lecture));
        let id = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";
        assert!(
            line.starts_with(
                "\"Analyse; \"\"I\"\" 2\";;2019-04-02;Moodle;moodle.univ.example;;;;'=1+1;;true;\
                 published;https://bbb1.univ.example/playback/presentation/2.0/playback.html?meetingId="
            ),
            "{line}"
        );
        assert!(
            line.contains(";jdupont;") && line.ends_with(&format!(";{id}\r\n")),
            "{line}"
        );
        assert_eq!(record_id(&line).as_deref(), Some(id));
        assert_eq!(record_id(&header()), None);
    }
}
