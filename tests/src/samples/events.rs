//! `events.xml` of the raw archive: who was there, when the recording ran, what was said.

use std::fmt::Write;

use super::markup::utf8;
use super::story::{Shown, Story};
use super::{Generation, Recording};

/// The whole file.
pub(super) fn events(
    recording: &Recording,
    story: &Story,
    generation: Generation,
    presentation: &str,
) -> String {
    let mut log = Log {
        recording,
        generation,
        out: String::new(),
        entries: Vec::new(),
    };
    log.tell(story, presentation);
    log.finish()
}

struct Log<'a> {
    recording: &'a Recording,
    generation: Generation,
    out: String,
    /// Milliseconds since the meeting began, module, name, body lines.
    entries: Vec<(u64, &'static str, &'static str, String)>,
}

/// Milliseconds between the meeting's beginning and the first recording mark.
pub(super) const BEFORE_RECORDING_MS: u64 = 8000;

impl Log<'_> {
    fn tell(&mut self, story: &Story, presentation: &str) {
        let flash = self.generation.is_flash();
        let end = BEFORE_RECORDING_MS + self.recording.seconds * 1000;
        if !flash {
            self.add(
                0,
                "PRESENTATION",
                "CreatePresentationPodEvent",
                &[("currentPresenter", ""), ("podId", POD)],
            );
        }
        self.add(
            400,
            "PRESENTATION",
            "ConversionCompletedEvent",
            &[
                ("podId", POD),
                ("presentationName", presentation),
                ("originalFilename", "lecture.pdf"),
            ],
        );
        self.add(
            500,
            "PRESENTATION",
            "SharePresentationEvent",
            &[
                ("podId", POD),
                ("presentationName", presentation),
                ("share", "true"),
            ],
        );
        for (k, person) in self.recording.people.iter().enumerate() {
            let join = [
                ("userId", person.user_id.as_str()),
                ("name", &person.name),
                ("role", person.role()),
                ("externalUserId", &person.external_id),
            ];
            self.add(
                1000 + 50 * k as u64,
                "PARTICIPANT",
                "ParticipantJoinEvent",
                &join,
            );
        }
        if let Some(first) = self.recording.people.first() {
            let id = first.user_id.as_str();
            self.add(
                1200,
                "PARTICIPANT",
                "AssignPresenterEvent",
                &[("userid", id), ("name", &first.name), ("assignedBy", id)],
            );
            self.add(
                BEFORE_RECORDING_MS,
                "PARTICIPANT",
                "RecordStatusEvent",
                &[("userId", id), ("status", "true")],
            );
            self.add(
                end,
                "PARTICIPANT",
                "RecordStatusEvent",
                &[("userId", id), ("status", "false")],
            );
        }
        self.add(2000, "VOICE", "StartRecordingEvent", &[("bridge", "79134")]);
        self.add(
            end + 1000,
            "VOICE",
            "StopRecordingEvent",
            &[("bridge", "79134")],
        );
        for showing in &story.showings {
            if let Shown::Page(page) = showing.shown {
                let id = format!("{presentation}/{}", page + 1);
                let slide = page.to_string();
                self.add(
                    millis(showing.from),
                    "PRESENTATION",
                    "GotoSlideEvent",
                    &[
                        ("podId", POD),
                        ("presentationName", presentation),
                        ("slide", &slide),
                        ("id", &id),
                    ],
                );
            }
        }
        for line in &story.chat {
            if let Some(person) = self.recording.people.get(line.by) {
                let mut body = vec![
                    ("sender", person.name.as_str()),
                    ("senderId", &person.user_id),
                    ("message", &line.text),
                    ("color", "0"),
                ];
                if self.generation.is_tldraw() {
                    body.push(("senderRole", person.role()));
                }
                self.add(millis(line.at), "CHAT", "PublicChatEvent", &body);
            }
        }
        for pointer in &story.pointer {
            let Some((x, y)) = pointer.place else {
                continue;
            };
            let (x, y) = (x.to_string(), y.to_string());
            let (module, name) = if flash {
                ("PRESENTATION", "CursorMoveEvent")
            } else {
                ("WHITEBOARD", "WhiteboardCursorMoveEvent")
            };
            self.add(
                millis(pointer.at),
                module,
                name,
                &[("xOffset", &x), ("yOffset", &y)],
            );
        }
        self.add(
            end + 3000,
            "PARTICIPANT",
            "EndAndKickAllEvent",
            if flash {
                &[]
            } else {
                &[("reason", "ENDED_AFTER_EXCEEDING_DURATION")]
            },
        );
    }

    fn add(&mut self, at: u64, module: &'static str, name: &'static str, body: &[(&str, &str)]) {
        let lines: String = body
            .iter()
            .map(|(tag, value)| format!("    <{tag}>{}</{tag}>\n", utf8(value)))
            .collect();
        self.entries.push((at, module, name, lines));
    }

    fn finish(mut self) -> String {
        let (recording, generation) = (self.recording, self.generation);
        let id = recording.record_id(generation);
        let start = recording.start_ms(generation);
        let _ = writeln!(
            self.out,
            "<?xml version=\"1.0\"?>\n<recording meeting_id=\"{id}\" bbb_version=\"{}\">",
            generation.bbb_version()
        );
        if generation > Generation::V0_9 {
            let _ = writeln!(
                self.out,
                "  <meeting id=\"{id}\" externalId=\"{}\" name=\"{}\" breakout=\"{}\"/>",
                utf8(&recording.meeting_id),
                utf8(&recording.name),
                recording.parent.is_some()
            );
        }
        let meta: String = recording
            .all_meta()
            .iter()
            .map(|(key, value)| format!(" {key}=\"{}\"", utf8(value)))
            .collect();
        let _ = writeln!(self.out, "  <metadata{meta}/>");
        if !generation.is_flash() {
            match &recording.parent {
                Some(parent) => {
                    let _ = writeln!(
                        self.out,
                        "  <breakout parentMeetingId=\"{parent}\" sequence=\"1\" freeJoin=\"false\"/>"
                    );
                }
                None => self.out.push_str("  <breakout/>\n"),
            }
            self.out.push_str("  <breakoutRooms/>\n");
        }
        self.entries.sort_by_key(|entry| entry.0);
        for (at, module, name, body) in &self.entries {
            // From 2.0 on the timestamp is a monotonic clock and the wall clock a child.
            let (stamp, wall) = if generation.is_flash() {
                (start + at, String::new())
            } else {
                let wall = start + at;
                let date = jiff::Timestamp::from_millisecond(wall as i64)
                    .map(|t| format!("{t:.3}"))
                    .unwrap_or_default();
                (
                    30_499_650 + at,
                    format!("    <timestampUTC>{wall}</timestampUTC>\n    <date>{date}</date>\n"),
                )
            };
            let _ = writeln!(
                self.out,
                "  <event timestamp=\"{stamp}\" module=\"{module}\" eventname=\"{name}\">\n{body}{wall}  </event>"
            );
        }
        self.out.push_str("</recording>\n");
        self.out
    }
}

const POD: &str = "DEFAULT_PRESENTATION_POD";

/// Milliseconds since the meeting's beginning of a moment of recorded time.
fn millis(at: f64) -> u64 {
    BEFORE_RECORDING_MS + (at * 1000.0).round() as u64
}
