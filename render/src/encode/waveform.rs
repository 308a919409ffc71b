//! How loud a recording is from beginning to end, as a row of bars.

use crate::encode::process::{Pipe, Processes, quiet};
use crate::error::Error;
use crate::media::{Media, input};
use crate::options::Options;
use crate::time::Millis;
use crate::timeline::Span;

/// Enough to tell speech from silence.
const SAMPLES_PER_SECOND: u64 = 4000;

/// The loudest sample in each of `bars` equal parts of a span, from 0 to 1.
pub(crate) fn measure(
    options: &Options,
    processes: &Processes,
    media: &Media,
    span: Span,
    bars: usize,
) -> Result<Vec<f32>, Error> {
    let length = Millis(span.end.0 - span.start.0);
    let mut command = quiet(&options.tools.ffmpeg);
    command
        .args(["-nostdin", "-threads", "1", "-ss", &span.start.to_string()])
        .args(input(&media.path))
        .args([
            "-map",
            "0:a:0",
            "-vn",
            "-sn",
            "-dn",
            "-t",
            &length.to_string(),
        ])
        .args(["-ac", "1", "-ar", &SAMPLES_PER_SECOND.to_string()])
        .args(["-f", "s8", "-c:a", "pcm_s8", "pipe:1"]);
    let mut process = processes.spawn(&mut command, "looking at the sound", Pipe::Output)?;
    let total = length.0 * SAMPLES_PER_SECOND / 1000;
    let mut loudest = vec![0u8; bars];
    let mut heard = 0u64;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        for &sample in &buffer[..n] {
            let bar = usize::try_from(heard * bars as u64 / total.max(1)).unwrap_or(bars);
            if let Some(bar) = loudest.get_mut(bar) {
                *bar = (*bar).max(sample.cast_signed().unsigned_abs());
            }
            heard += 1;
        }
    }
    match process.finish() {
        // What cannot be read is told when the sound itself is made.
        Err(error) if !matches!(error, Error::Child { .. }) || error.is_transient() => Err(error),
        _ => Ok(bars_of(&loudest)),
    }
}

fn bars_of(loudest: &[u8]) -> Vec<f32> {
    loudest
        .iter()
        .map(|&peak| f32::from(peak) / 128.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bars_follow_the_sound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audio.ogg");
        let made = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i"])
            .arg("sine=300:d=10,volume=6,volume=0:enable='between(t,3.9,6.1)'")
            .args(["-c:a", "libvorbis"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let media = Media {
            path,
            ..Media::default()
        };
        let span = Span {
            start: Millis(2_000),
            end: Millis(10_000),
        };
        let processes = Processes::new(Duration::from_secs(60));
        let bars = measure(&Options::default(), &processes, &media, span, 8).unwrap();
        let loud: Vec<bool> = bars.iter().map(|bar| *bar > 0.3).collect();
        assert_eq!(
            loud,
            [true, true, false, false, true, true, true, true],
            "{bars:?}"
        );
    }
}
