//! The finished parts joined into one file, without coding anything again.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::captions;
use crate::encode::plan::Segment;
use crate::encode::process::{Pipe, quiet};
use crate::encode::work::{self, Work};
use crate::encode::{Film, audio, extras};
use crate::error::Error;

const PARTS: &str = "parts.txt";
const NOTES: &str = "notes.txt";

/// Joins the segments and the sound into `output`, index first.
pub(crate) fn join(
    film: &Film<'_>,
    work: &Work,
    segments: &[Segment],
    output: &Path,
) -> Result<(), Error> {
    let mut list = String::from("ffconcat version 1.0\n");
    for (number, segment) in segments.iter().enumerate() {
        let start = film.grid.instant(segment.start);
        let end = film.grid.instant(segment.end);
        // Writing to a string cannot fail.
        let _ = writeln!(
            list,
            "file {}\nduration {}",
            work::segment_name(number),
            crate::time::Millis(end.0 - start.0)
        );
    }
    work.write(PARTS, list.as_bytes())?;

    let mut command = quiet(&film.tools.ffmpeg);
    command
        .args(["-nostdin", "-y", "-f", "concat", "-safe", "1", "-i"])
        .arg(file(&work.path(PARTS)))
        .args([
            "-itsoffset",
            &format!("-{:.6}", film.sound.unheard_seconds()),
        ])
        .arg("-i")
        .arg(file(&work.path(audio::NAME)));
    add_extras(film, work, &mut command)?;
    command
        .args(["-c:v", "copy", "-c:a", "copy", "-c:s", "mov_text"])
        // What an MP4 may hold, but older versions of ffmpeg find new.
        .args(["-strict", "experimental"])
        .args(["-video_track_timescale", &film.timescale().to_string()])
        .args(["-movflags", "+faststart", "-f", "mp4"])
        .args(["-progress", "pipe:1"])
        .arg(file(output));
    let mut process = film
        .processes
        .spawn(&mut command, "joining the parts", Pipe::Output)?;
    // What it tells of its progress only shows that there is some.
    let mut told = [0; 1 << 12];
    while let Ok(1..) = process.read(&mut told) {}
    process.finish()
}

/// Inputs and mappings: picture and sound, and what the film has besides.
fn add_extras(film: &Film<'_>, work: &Work, command: &mut Command) -> Result<(), Error> {
    let chapters = if film.chapters {
        extras::chapters(film)
    } else {
        None
    };
    for (n, (_, cues)) in film.tracks.iter().enumerate() {
        let name = format!("captions-{n}.vtt");
        work.write(&name, captions::webvtt(cues).as_bytes())?;
        command
            .args(["-f", "webvtt", "-i"])
            .arg(file(&work.path(&name)));
    }
    if let Some(chapters) = &chapters {
        work.write(NOTES, chapters.as_bytes())?;
        command
            .args(["-f", "ffmetadata", "-i"])
            .arg(file(&work.path(NOTES)));
    }
    command.args(["-map", "0:v:0", "-map", "1:a:0"]);
    // Not those of chapters, which are their titles.
    command.args(["-map_metadata:g", "-1", "-map_metadata:s", "-1"]);
    let mut tag = |stream: String, key: &str, value: &str| {
        command.args([format!("-metadata:s:{stream}"), format!("{key}={value}")]);
    };
    tag("a:0".into(), "language", extras::language(film).code());
    for (n, (caption, _)) in film.tracks.iter().enumerate() {
        tag(format!("s:{n}"), "language", caption.language.code());
        tag(format!("s:{n}"), "handler_name", &caption.name);
    }
    for n in 0..film.tracks.len() {
        command.args(["-map", &format!("{}:s:0", n + 2)]);
    }
    let notes = if chapters.is_some() {
        (film.tracks.len() + 2).to_string()
    } else {
        "-1".to_string()
    };
    command.args(["-map_chapters", &notes]);
    if let Some(title) = extras::title(film) {
        command.args(["-metadata", &format!("title={title}")]);
    }
    Ok(())
}

fn file(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}
