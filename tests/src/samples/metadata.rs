//! `metadata.xml` of each generation and playback format.

use std::fmt::Write;

use super::markup::{ascii, utf8};
use super::{Generation, Recording, State};

/// What only the finished folder tells.
pub(super) struct Sizes {
    pub(super) published: u64,
    pub(super) raw: u64,
}

/// The preview pictures: title and path below the node's host.
pub(super) type Preview = Vec<(String, String)>;

/// `metadata.xml` of the recording in `format`.
pub(super) fn metadata(
    recording: &Recording,
    generation: Generation,
    format: &str,
    sizes: &Sizes,
    preview: &Preview,
) -> String {
    let mut out = String::new();
    // 0.9 and 1.1 write no declaration; 0.9 writes UTF-8 as it comes.
    if !generation.is_flash() {
        out.push_str("<?xml version=\"1.0\"?>\n");
    }
    let escape: fn(&str) -> String = if generation == Generation::V0_9 {
        utf8
    } else {
        ascii
    };
    let plain = format == "presentation" || format == "podcast" || format == "notes";
    out.push_str("<recording>\n");
    let id = recording.record_id(generation);
    let (state, published) = match (recording.state, plain && generation > Generation::V0_9) {
        (State::Published, true) => ("published", true),
        (State::Published, false) => ("available", true),
        (State::Unpublished, _) => ("unpublished", false),
        (State::Deleted, _) => ("deleted", false),
    };
    let _ = writeln!(
        out,
        "  <id>{id}</id>\n  <state>{state}</state>\n  <published>{published}</published>"
    );
    let (start, end) = (recording.start_ms(generation), recording.end_ms(generation));
    let _ = writeln!(
        out,
        "  <start_time>{start}</start_time>\n  <end_time>{end}</end_time>"
    );
    if generation > Generation::V0_9 {
        if format != "screenshare" {
            let _ = writeln!(
                out,
                "  <participants>{}</participants>",
                recording.people.len()
            );
        }
        if format != "video" {
            let _ = writeln!(
                out,
                "  <meeting id=\"{id}\" externalId=\"{}\" name=\"{}\" breakout=\"{}\"/>",
                escape(&recording.meeting_id),
                escape(&recording.name),
                recording.parent.is_some()
            );
            breakout(&mut out, recording, generation);
        }
    }
    let meta = meta(recording, escape, generation);
    let playback = playback(recording, generation, format, sizes, preview, escape);
    let meta_last = generation == Generation::V0_9 || !plain;
    out.push_str(&if meta_last {
        format!("{playback}{meta}")
    } else {
        format!("{meta}{playback}")
    });
    if generation >= Generation::V2_0 && format != "screenshare" {
        let _ = writeln!(out, "  <raw_size>{}</raw_size>", sizes.raw);
    }
    out.push_str("</recording>\n");
    out
}

fn breakout(out: &mut String, recording: &Recording, generation: Generation) {
    match &recording.parent {
        Some(parent) => {
            let _ = writeln!(
                out,
                "  <breakout parentMeetingId=\"{parent}\" sequence=\"1\" freeJoin=\"false\"/>"
            );
        }
        None if generation >= Generation::V2_0 => out.push_str("  <breakout/>\n"),
        None => {}
    }
    if generation >= Generation::V2_0 {
        out.push_str("  <breakoutRooms/>\n");
    }
}

fn meta(recording: &Recording, escape: fn(&str) -> String, generation: Generation) -> String {
    let mut out = String::from("  <meta>\n");
    for (key, value) in recording.all_meta() {
        if value.is_empty() && generation > Generation::V0_9 {
            let _ = writeln!(out, "    <{key}/>");
        } else {
            let _ = writeln!(out, "    <{key}>{}</{key}>", escape(&value));
        }
    }
    out.push_str("  </meta>\n");
    out
}

fn playback(
    recording: &Recording,
    generation: Generation,
    format: &str,
    sizes: &Sizes,
    preview: &Preview,
    escape: fn(&str) -> String,
) -> String {
    let id = recording.record_id(generation);
    let host = host(generation);
    let path = match format {
        "presentation" => generation.playback_path(&id),
        "podcast" => format!("/podcast/{id}/audio.ogg"),
        "notes" => format!("/notes/{id}/notes.pdf"),
        "screenshare" => format!("/recording/screenshare/{id}/"),
        other => format!("/playback/{other}/{id}/"),
    };
    let mut out =
        format!("  <playback>\n    <format>{format}</format>\n    <link>{host}{path}</link>\n");
    if format == "presentation" {
        let _ = writeln!(
            out,
            "    <processing_time>{}</processing_time>",
            8000 + recording.seed % 1000
        );
    }
    let _ = writeln!(out, "    <duration>{}</duration>", recording.seconds * 1000);
    if format == "presentation" && !preview.is_empty() && generation > Generation::V0_9 {
        out.push_str("    <extensions>\n      <preview>\n        <images>\n");
        for (title, path) in preview {
            let _ = writeln!(
                out,
                "          <image width=\"176\" height=\"136\" alt=\"{}\">{host}/presentation/{id}/{path}</image>",
                escape(title)
            );
        }
        out.push_str("        </images>\n      </preview>\n    </extensions>\n");
    }
    if generation >= Generation::V2_0 && format != "screenshare" {
        let _ = writeln!(out, "    <size>{}</size>", sizes.published);
    }
    out.push_str("  </playback>\n");
    out
}

fn host(generation: Generation) -> String {
    let scheme = if generation == Generation::V0_9 {
        "http"
    } else {
        "https"
    };
    format!("{scheme}://bbb-{generation}.example.org")
}
