//! Answers of BBB's API, as BBB 0.9 to 3.0 and Scalelite give them.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use recording::RecordId;
use serde::{Deserialize, Serialize};

/// A recording in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Listed {
    /// BBB's internal meeting id, as it was sent.
    pub(crate) record_id: String,
    /// The meeting's id as the front-end chose it.
    pub(crate) meeting_id: String,
    /// The meeting's name.
    pub(crate) name: String,
    /// `published`, `unpublished`, `available`, …
    pub(crate) state: String,
    /// Whether it is published, in the words of servers without a state.
    pub(crate) published: String,
    /// Milliseconds since 1970; 0 when it is not told.
    pub(crate) start: i64,
    /// Milliseconds since 1970; 0 when it is not told.
    pub(crate) end: i64,
    /// How many were there; 0 when it is not told.
    pub(crate) participants: u64,
    /// Meta keys that have a value.
    pub(crate) meta: BTreeMap<String, String>,
    /// Its forms.
    pub(crate) playback: Vec<Playback>,
}

/// One form of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Playback {
    /// The playback format.
    pub(crate) format: String,
    /// Where people look at it.
    pub(crate) url: String,
    /// Whole minutes.
    pub(crate) minutes: u64,
    /// Bytes; 0 when it is not told.
    pub(crate) bytes: u64,
}

impl Listed {
    /// The record id, unless it is none.
    pub(crate) fn id(&self) -> Option<RecordId> {
        self.record_id.parse().ok()
    }

    /// Whether the server shows it to anybody.
    pub(crate) fn is_published(&self) -> bool {
        match self.state.as_str() {
            "published" | "available" => true,
            "" => self.published != "false",
            _ => false,
        }
    }
}

/// Why an answer is not a list of recordings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// Something else altogether.
    #[error(
        "this is no answer of BigBlueButton's API but begins with {0:?}; is `url` the address that `bbb-conf --secret` shows?"
    )]
    Foreign(String),
    /// The beginning of an answer.
    #[error(
        "the answer breaks off after {after} recordings ({why}); ask again, or in smaller windows with --meetings"
    )]
    Cut {
        /// How many recordings are whole.
        after: usize,
        /// What the reader said.
        why: String,
    },
    /// The secret or the kind of checksum is wrong.
    #[error(
        "the server does not accept the checksum ({0}): is the secret that of this server (bbb-conf --secret), and does it take this kind of checksum?"
    )]
    Checksum(String),
    /// The server says no.
    #[error("the server answers {key}: {message}")]
    Failed {
        /// `messageKey`
        key: String,
        /// `message`
        message: String,
    },
}

/// Reads an answer to `getRecordings`.
pub(crate) fn recordings(xml: &str) -> Result<Vec<Listed>, AnswerError> {
    let mut reading = Reading::default();
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let cut = |reading: &Reading, why: String| match reading.is_an_answer {
        true => AnswerError::Cut {
            after: reading.all.len(),
            why,
        },
        false => AnswerError::Foreign(xml.trim_start().chars().take(60).collect()),
    };
    loop {
        match reader.read_event() {
            Err(error) => return Err(cut(&reading, error.to_string())),
            Ok(Event::Start(tag)) => reading.open(tag.local_name().into_inner()),
            Ok(Event::Empty(tag)) => {
                reading.open(tag.local_name().into_inner());
                reading.close();
            }
            Ok(Event::End(_)) => reading.close(),
            Ok(Event::Text(text)) => reading.text.push_str(&text.into_inner()),
            Ok(Event::CData(text)) => reading.text.push_str(&text.into_inner()),
            Ok(Event::GeneralRef(reference)) => {
                if let Ok(Some(c)) = reference.resolve_char_ref() {
                    reading.text.push(c);
                } else if let Some(text) = quick_xml::escape::resolve_predefined_entity(&reference)
                {
                    reading.text.push_str(text);
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
        }
    }
    if !reading.is_whole {
        return Err(cut(&reading, "it has no end".to_owned()));
    }
    match reading.code.as_str() {
        "SUCCESS" => Ok(reading.all),
        "FAILED" if reading.key == "checksumError" => Err(AnswerError::Checksum(reading.message)),
        "FAILED" if reading.key == "noRecordings" => Ok(Vec::new()),
        _ => Err(AnswerError::Failed {
            key: reading.key,
            message: reading.message,
        }),
    }
}

#[derive(Default)]
struct Reading {
    path: Vec<String>,
    text: String,
    is_an_answer: bool,
    is_whole: bool,
    code: String,
    key: String,
    message: String,
    all: Vec<Listed>,
    recording: Listed,
    playback: Playback,
}

impl Reading {
    fn open(&mut self, name: &str) {
        self.path.push(name.to_owned());
        self.is_an_answer |= self.path == ["response"];
        self.text.clear();
    }

    fn close(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path[..] {
            ["response"] => self.is_whole = true,
            ["response", "returncode"] => text.clone_into(&mut self.code),
            ["response", "messageKey"] => text.clone_into(&mut self.key),
            ["response", "message"] => text.clone_into(&mut self.message),
            ["response", "recordings", "recording"] => {
                self.all.push(std::mem::take(&mut self.recording));
            }
            ["response", "recordings", "recording", ref rest @ ..] => {
                field(&mut self.recording, &mut self.playback, rest, text);
            }
            _ => {}
        }
        self.path.pop();
    }
}

fn field(recording: &mut Listed, playback: &mut Playback, path: &[&str], text: &str) {
    match path {
        ["recordID"] => text.clone_into(&mut recording.record_id),
        ["meetingID"] => text.clone_into(&mut recording.meeting_id),
        ["name"] => text.clone_into(&mut recording.name),
        ["state"] => text.clone_into(&mut recording.state),
        ["published"] => text.clone_into(&mut recording.published),
        ["startTime"] => recording.start = millis(text),
        ["endTime"] => recording.end = millis(text),
        ["participants"] => recording.participants = text.parse().unwrap_or_default(),
        ["metadata", key] if !text.is_empty() => {
            recording.meta.insert((*key).to_owned(), text.to_owned());
        }
        ["playback", "format"] => recording.playback.push(std::mem::take(playback)),
        ["playback", "format", "type"] => text.clone_into(&mut playback.format),
        ["playback", "format", "url"] => text.clone_into(&mut playback.url),
        ["playback", "format", "length"] => playback.minutes = text.parse().unwrap_or_default(),
        ["playback", "format", "size"] => playback.bytes = text.parse().unwrap_or_default(),
        _ => {}
    }
}

/// BBB writes milliseconds; releases before 0.81 wrote a date, which tells too little.
fn millis(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BBB: &str = "<response><returncode>SUCCESS</returncode><recordings><recording>
        <recordID>a-1600000000000</recordID><meetingID>salle-été</meetingID>
        <internalMeetingID>a-1600000000000</internalMeetingID><name>Séance «été» &amp; 🎓 &#233;</name>
        <isBreakout>false</isBreakout><published>true</published><state>published</state>
        <startTime>1600000000000</startTime><endTime>1600000095000</endTime><participants>2</participants>
        <rawSize>1</rawSize><metadata><bbb-origin>Moodle</bbb-origin><bbb-recording-tags></bbb-recording-tags>
        <isBreakout>false</isBreakout></metadata><breakout><parentId>unknown</parentId></breakout><size>2</size>
        <playback><format><type>presentation</type><url>https://b.example/playback/presentation/2.3/a-1600000000000</url>
        <processingTime>7</processingTime><length>61</length><size>1606426</size><preview><images>
        <image width=\"176\" height=\"136\" alt=\"x\">https://b.example/thumb.png</image></images></preview></format>
        <format><type>podcast</type><url>https://b.example/podcast/a-1600000000000/audio.ogg</url><length>0</length></format>
        </playback><data></data></recording></recordings></response>";

    #[test]
    fn bbb_lists_are_read() {
        let all = recordings(BBB).unwrap();
        let [one] = &all[..] else { panic!("{all:?}") };
        assert_eq!(one.id().unwrap().as_str(), "a-1600000000000");
        assert_eq!(
            (one.meeting_id.as_str(), one.participants),
            ("salle-été", 2)
        );
        assert_eq!(one.name, "Séance «été» & 🎓 é");
        assert_eq!((one.start, one.end), (1_600_000_000_000, 1_600_000_095_000));
        assert_eq!(one.meta.len(), 2, "empty values are none: {:?}", one.meta);
        assert_eq!(one.playback.len(), 2);
        assert_eq!(
            (one.playback[0].minutes, one.playback[0].bytes),
            (61, 1_606_426)
        );
        assert_eq!(one.playback[1].format, "podcast");
        assert!(one.is_published());
    }

    #[test]
    fn scalelite_lists_are_read() {
        let xml = "<?xml version=\"1.0\"?>\n<response>\n  <returncode>SUCCESS</returncode>\n  <recordings>\n    <recording>
            <recordID>a-1600000000000</recordID>\n<published>false</published>
            <metadata>\n<bbb-origin>Moodle</bbb-origin><bbb-origin-tag>\n<![CDATA[]]>\n</bbb-origin-tag></metadata>
            <playback>\n<format>\n<type>video</type>\n<url>https://s.example/playback/video/a-1600000000000/?a=1&amp;b=2</url></format></playback>
            <protected>true</protected></recording>\n  </recordings>\n</response>\n";
        let all = recordings(xml).unwrap();
        assert_eq!(all[0].meta.len(), 1);
        assert_eq!(
            all[0].playback[0].url,
            "https://s.example/playback/video/a-1600000000000/?a=1&b=2"
        );
        assert!(!all[0].is_published());
    }

    #[test]
    fn states_tell_what_is_published() {
        for (state, published, wanted) in [
            ("available", "true", true),
            ("published", "", true),
            ("", "true", true),
            ("unpublished", "false", false),
            ("deleted", "", false),
            ("processing", "false", false),
        ] {
            let listed = Listed {
                state: state.into(),
                published: published.into(),
                ..Listed::default()
            };
            assert_eq!(listed.is_published(), wanted, "{state} {published}");
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        for xml in [
            "<response><returncode>SUCCESS</returncode><recordings></recordings><messageKey>noRecordings</messageKey></response>",
            "<response><returncode>SUCCESS</returncode><recordings/></response>",
        ] {
            assert_eq!(recordings(xml), Ok(Vec::new()));
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_told_from_a_whole_one() {
        for cut in 1..BBB.len() - 1 {
            if !BBB.is_char_boundary(cut) {
                continue;
            }
            let error = recordings(&BBB[..cut]).unwrap_err();
            assert!(
                matches!(error, AnswerError::Cut { .. }) || cut < "<response>".len(),
                "{cut}: {error}"
            );
        }
    }

    #[test]
    fn refusals_are_named() {
        let failed = |key: &str| {
            format!(
                "<response><returncode>FAILED</returncode><messageKey>{key}</messageKey><message>m</message></response>"
            )
        };
        let said = recordings(&failed("checksumError"))
            .unwrap_err()
            .to_string();
        assert!(said.contains("does not accept the checksum (m)"), "{said}");
        let said = recordings(&failed("internalError"))
            .unwrap_err()
            .to_string();
        assert_eq!(said, "the server answers internalError: m");
        for foreign in [
            "<!doctype html><html><body>Welcome</body></html>",
            "",
            "{\"error\": 1}",
        ] {
            assert!(
                matches!(recordings(foreign), Err(AnswerError::Foreign(_))),
                "{foreign}"
            );
        }
    }
}
