//! The film's sound: one stream for the whole, made beside the picture.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::encode::loudness::{self, Loudness};
use crate::encode::process::{Pipe, quiet};
use crate::encode::{Film, Work};
use crate::error::Error;
use crate::media::{Media, Tools, input};
use crate::options::{AudioCoding, Options};
use crate::time::Millis;
use crate::timeline::Span;
use crate::warning::Warnings;

/// The name of the sound's file in the folder of work.
pub(crate) const NAME: &str = "sound.mp4";

const SAMPLES_PER_SECOND: u64 = 48_000;
/// ffmpeg's AAC begins with a frame that is not to be heard. A file written to a pipe cannot say
/// so; when the parts are joined, the sound is moved by as much.
const UNHEARD_SECONDS: f64 = 1024.0 / SAMPLES_PER_SECOND as f64;
/// Sound that ends no more than this before the film is as recordings are.
const EARLY_END: Millis = Millis(2000);
/// Codecs that an MP4 may hold and that players expect in one.
pub(crate) const COPIED: [&str; 3] = ["opus", "aac", "mp3"];

/// Where the sound comes from, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) enum Sound {
    /// Encoded as AAC.
    Encoded(Media),
    /// As it is.
    Copied(Media),
    /// Silence: players and Pod expect a film to have sound.
    Silence,
}

impl Sound {
    /// The sound of one of the recording's media, as the options want it.
    pub(crate) fn of(media: Option<&Media>, options: &Options, warnings: &Warnings) -> Sound {
        let Some(media) = media else {
            warnings.add(
                "no sound",
                None,
                "the recording has none; the film gets a silent track",
            );
            return Sound::Silence;
        };
        let codec = media.audio.as_ref().map_or("", |audio| &audio.codec);
        match options.audio {
            AudioCoding::Copy if COPIED.contains(&codec) => Sound::Copied(media.clone()),
            AudioCoding::Copy => {
                warnings.add(
                    "sound encoded as AAC",
                    None,
                    format!("players do not expect {codec} in an MP4, so it is not copied"),
                );
                Sound::Encoded(media.clone())
            }
            AudioCoding::Aac => Sound::Encoded(media.clone()),
        }
    }

    /// By how much its file is late, in seconds.
    pub(crate) fn unheard_seconds(&self) -> f64 {
        match self {
            Sound::Copied(_) => 0.0,
            Sound::Encoded(_) | Sound::Silence => UNHEARD_SECONDS,
        }
    }
}

/// Makes the sound unless it is there already.
pub(crate) fn encode(film: &Film<'_>, work: &Work) -> Result<(), Error> {
    work.make(NAME, |path| {
        let (media, made) = match &film.sound {
            Sound::Silence => return silence(film, path),
            Sound::Copied(media) => (media, copy(film, media, path)),
            Sound::Encoded(media) => (media, encoded(film, media, path)),
        };
        tell_early_end(film, media);
        match made {
            Err(error @ Error::Child { .. }) if !error.is_transient() => {
                film.timeline.warnings.add(
                    "sound not used",
                    media.path.strip_prefix(film.source.dir()).ok(),
                    error.to_string(),
                );
                silence(film, path)
            }
            other => other,
        }
    })
    .map(|_| ())
}

/// Tells when a file's sound ends long before the film does; the rest is filled with silence.
fn tell_early_end(film: &Film<'_>, media: &Media) {
    let Some(until) = heard_until(film, media) else {
        return;
    };
    if until.0 + EARLY_END.0 < film.grid.instant(film.end()).0 {
        film.timeline.warnings.add(
            "sound cut short",
            media.path.strip_prefix(film.source.dir()).ok(),
            format!("nothing can be heard from {until} s on"),
        );
    }
}

/// Where the last sound of a file ends, found by reading it through without decoding: what a
/// damaged file says of its own length need not be so.
fn heard_until(film: &Film<'_>, media: &Media) -> Option<Millis> {
    let mut command = quiet(&film.tools.ffmpeg);
    command
        .arg("-nostdin")
        .args(input(&media.path))
        .args(["-map", "0:a:0", "-c", "copy", "-f", "null"])
        .args(["-progress", "pipe:1", "-"]);
    let mut process = film
        .processes
        .spawn(&mut command, "looking where the sound ends", Pipe::Output)
        .ok()?;
    let mut told = Vec::new();
    let mut buffer = vec![0; 1 << 12];
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        told.extend_from_slice(&buffer[..n]);
    }
    // How far it came is told also when it ends badly.
    process.finish().ok();
    let told = String::from_utf8_lossy(&told);
    let microseconds = told.lines().rev().find_map(|line| {
        line.strip_prefix("out_time_us=")?
            .trim()
            .parse::<u64>()
            .ok()
    })?;
    Some(Millis(microseconds / 1000))
}

/// A command that reads a file's sound from an instant on, its own times kept.
pub(crate) fn reading(tools: &Tools, media: &Media, from: Millis) -> Command {
    let mut command = quiet(&tools.ffmpeg);
    command
        .args(["-nostdin", "-copyts", "-ss", &from.to_string()])
        .args(input(&media.path))
        .args(["-map", "0:a:0", "-vn", "-sn", "-dn"]);
    command
}

fn encoded(film: &Film<'_>, media: &Media, path: &Path) -> Result<(), Error> {
    let part = Span {
        start: from(film),
        end: film.grid.instant(film.end()),
    };
    let level = match film.loudness {
        Some(target) => loudness::measure(&film.tools, film.processes, media, part, target)?,
        None => Loudness::default(),
    };
    // With its own times kept, holes are filled with silence and the start is put in its place, so
    // that sound and picture stay together; then silence to the end.
    let first = part.start.0 * SAMPLES_PER_SECOND / 1000;
    let mut command = reading(&film.tools, media, part.start);
    command.arg("-af").arg(format!(
        "aresample={SAMPLES_PER_SECOND}:async=1:min_hard_comp=0.03:first_pts={first},\
         asetpts=PTS-STARTPTS,{}apad",
        level.filter()
    ));
    let channels = media
        .audio
        .as_ref()
        .map_or(1, |audio| audio.channels.clamp(1, 2));
    aac(
        &mut command,
        channels,
        if channels == 1 { "80k" } else { "128k" },
    );
    write(film, &mut command, path)
}

fn silence(film: &Film<'_>, path: &Path) -> Result<(), Error> {
    let mut command = quiet(&film.tools.ffmpeg);
    let silence = format!("anullsrc=r={SAMPLES_PER_SECOND}:cl=mono");
    command.args(["-nostdin", "-f", "lavfi", "-i", &silence]);
    aac(&mut command, 1, "16k");
    write(film, &mut command, path)
}

fn aac(command: &mut Command, channels: u32, rate: &str) {
    command
        .args(["-c:a", "aac", "-aac_coder", "fast", "-b:a", rate])
        .args(["-ac", &channels.to_string(), "-threads", "1"])
        .args(["-f", "mp4", "-movflags"])
        .arg("+frag_keyframe+empty_moov+delay_moov")
        .args(["-frag_duration", "10000000"]);
}

/// Packets keep their times, holes included; those before the start are left out.
fn copy(film: &Film<'_>, media: &Media, path: &Path) -> Result<(), Error> {
    let mut command = quiet(&film.tools.ffmpeg);
    command
        .args(["-nostdin", "-ss", &from(film).to_string()])
        .args(input(&media.path))
        .args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-c:a", "copy"])
        .args(["-copypriorss", "0", "-f", "matroska"]);
    write(film, &mut command, path)
}

/// Runs a command that writes the sound to its standard output.
fn write(film: &Film<'_>, command: &mut Command, path: &Path) -> Result<(), Error> {
    let length = Millis(film.grid.instant(film.end()).0 - from(film).0);
    command.args(["-t", &length.to_string(), "pipe:1"]);
    let mut process = film
        .processes
        .spawn(command, "making the sound", Pipe::Output)?;
    let fail = |e| Error::io("writing", path, e);
    let mut file = File::create(path).map_err(fail)?;
    let mut buffer = vec![0; 1 << 16];
    // When reading fails, how the process ended tells why.
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        file.write_all(&buffer[..n]).map_err(fail)?;
    }
    process.finish()
}

fn from(film: &Film<'_>) -> Millis {
    film.grid.instant(film.start())
}
