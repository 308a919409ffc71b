//! The film's sound: one stream for the whole, encoded beside the picture.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::encode::process::{Pipe, quiet};
use crate::encode::{Film, Work};
use crate::error::Error;
use crate::media::{Media, input};
use crate::time::Millis;

/// The name of the sound's file in the folder of work.
pub(crate) const NAME: &str = "sound.mp4";

const SAMPLES_PER_SECOND: u64 = 48_000;
/// ffmpeg's AAC begins with a frame that is not to be heard. A file written to a pipe cannot say
/// so; when the parts are joined, the sound is moved by as much.
pub(crate) const UNHEARD_SECONDS: f64 = 1024.0 / SAMPLES_PER_SECOND as f64;

/// Where the sound comes from, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) enum Sound {
    /// Encoded as AAC.
    From(Media),
    /// Silence: players and Pod expect a film to have sound.
    Silence,
}

/// Encodes the sound unless it is there already.
pub(crate) fn encode(film: &Film<'_>, work: &Work) -> Result<(), Error> {
    work.make(NAME, |path| match &film.sound {
        Sound::Silence => write(film, None, path),
        Sound::From(media) => match write(film, Some(media), path) {
            Err(error @ Error::Child { .. }) if !error.is_transient() => {
                film.timeline.warnings.add(
                    "sound not used",
                    media.path.strip_prefix(film.source.dir()).ok(),
                    error.to_string(),
                );
                write(film, None, path)
            }
            other => other,
        },
    })
    .map(|_| ())
}

fn write(film: &Film<'_>, media: Option<&Media>, path: &Path) -> Result<(), Error> {
    let from = film.grid.instant(film.start());
    let length = Millis(film.grid.instant(film.end()).0 - from.0);
    let mut command = quiet(&film.tools.ffmpeg);
    command.arg("-nostdin");
    match media {
        Some(media) => {
            // With its own times kept, holes are filled with silence and the start is put in its
            // place, so that sound and picture stay together; then silence to the end.
            let first = from.0 * SAMPLES_PER_SECOND / 1000;
            command
                .args(["-copyts", "-ss", &from.to_string()])
                .args(input(&media.path))
                .args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-af"])
                .arg(format!(
                    "aresample={SAMPLES_PER_SECOND}:async=1:min_hard_comp=0.03:first_pts={first},\
                     asetpts=PTS-STARTPTS,apad"
                ));
        }
        None => {
            let silence = format!("anullsrc=r={SAMPLES_PER_SECOND}:cl=mono");
            command.args(["-f", "lavfi", "-i", &silence]);
        }
    }
    let channels = media
        .and_then(|m| m.audio.as_ref())
        .map_or(1, |audio| audio.channels.clamp(1, 2));
    let rate = match (media, channels) {
        (None, _) => "16k",
        (Some(_), 1) => "80k",
        (Some(_), _) => "128k",
    };
    command
        .args(["-t", &length.to_string()])
        .args(["-c:a", "aac", "-aac_coder", "fast", "-b:a", rate])
        .args(["-ac", &channels.to_string(), "-threads", "1"])
        .args(["-f", "mp4", "-movflags"])
        .arg("+frag_keyframe+empty_moov+delay_moov")
        .args(["-frag_duration", "10000000", "pipe:1"]);
    let mut process = film
        .processes
        .spawn(&mut command, "encoding the sound", Pipe::Output)?;
    let fail = |e| Error::io("writing", path, e);
    let mut file = File::create(path).map_err(fail)?;
    let mut buffer = vec![0; 1 << 16];
    // When reading fails, how the process ended tells why.
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        file.write_all(&buffer[..n]).map_err(fail)?;
    }
    process.finish()
}
