//! The finished parts joined into one file, without coding anything again.

use std::fmt::Write as _;
use std::path::Path;

use crate::encode::plan::Segment;
use crate::encode::process::{Pipe, quiet};
use crate::encode::work::{self, Work};
use crate::encode::{Film, audio};
use crate::error::Error;

const PARTS: &str = "parts.txt";

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

    let file = |path: &Path| {
        let mut name = std::ffi::OsString::from("file:");
        name.push(path);
        name
    };
    let mut command = quiet(&film.tools.ffmpeg);
    command
        .args(["-nostdin", "-y", "-f", "concat", "-safe", "1", "-i"])
        .arg(file(&work.path(PARTS)))
        .args(["-itsoffset", &format!("-{:.6}", audio::UNHEARD_SECONDS)])
        .arg("-i")
        .arg(file(&work.path(audio::NAME)))
        .args(["-map", "0:v:0", "-map", "1:a:0", "-c", "copy"])
        .args(["-map_metadata", "-1"])
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
