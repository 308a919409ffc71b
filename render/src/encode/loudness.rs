//! Loudness as EBU R 128 measures it: the whole of the sound is measured first, then all of it gets
//! the same gain, so that who speaks softly stays softer than who speaks up, and pauses stay quiet.

use crate::encode::audio;
use crate::encode::process::{Pipe, Processes};
use crate::error::Error;
use crate::media::{Media, Tools};
use crate::time::Millis;
use crate::timeline::Span;

/// More gain than this brings up nothing but noise.
const MOST_GAIN: f64 = 24.0;
/// Below this there is nothing to hear.
const SILENT: f64 = -65.0;
/// Where the limiter begins, in decibels below the loudest sample.
const CEILING: f64 = -1.5;

/// What is done to the level of the sound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Loudness {
    /// In decibels.
    gain: f64,
    /// Whether peaks would be cut off otherwise.
    limit: bool,
}

/// What the measuring said last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Measured {
    /// In LUFS, of everything so far.
    integrated: Option<f64>,
    /// The loudest sample, in decibels.
    peak: Option<f64>,
}

/// Measures a part of the sound, and finds what brings it to `target` LUFS.
pub(crate) fn measure(
    tools: &Tools,
    processes: &Processes,
    media: &Media,
    part: Span,
    target: f64,
) -> Result<Loudness, Error> {
    let mut command = audio::reading(tools, media, part.start);
    let length = Millis(part.end.0 - part.start.0);
    command
        .args(["-t", &length.to_string(), "-af"])
        .arg(
            "asetpts=PTS-STARTPTS,ebur128=metadata=1:peak=sample,\
             ametadata=print:file=pipe\\\\:1",
        )
        .args(["-threads", "1", "-f", "null", "-"]);
    let mut process = processes.spawn(&mut command, "measuring the loudness", Pipe::Output)?;
    let mut measured = Measured::default();
    let mut text = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        text.extend_from_slice(&buffer[..n]);
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |n| n + 1);
        measured.hear(&String::from_utf8_lossy(&text[..whole]));
        text.drain(..whole);
    }
    process.finish()?;
    Ok(measured.to(target))
}

impl Measured {
    fn hear(&mut self, lines: &str) {
        let value = |text: &str| text.trim().parse().ok().filter(|v: &f64| v.is_finite());
        for line in lines.lines() {
            if let Some(text) = line.strip_prefix("lavfi.r128.I=") {
                self.integrated = value(text);
            } else if let Some(text) = line.strip_prefix("lavfi.r128.sample_peak=") {
                // A fraction of the loudest that a sample can be, of everything so far.
                self.peak = value(text).filter(|v| *v > 0.0).map(|v| 20.0 * v.log10());
            }
        }
    }

    fn to(self, target: f64) -> Loudness {
        let Some(integrated) = self.integrated.filter(|lufs| *lufs > SILENT) else {
            return Loudness::default();
        };
        let gain = (target - integrated).min(MOST_GAIN);
        Loudness {
            gain,
            limit: self.peak.is_none_or(|peak| peak + gain > CEILING),
        }
    }
}

impl Loudness {
    /// ffmpeg's filters for it, each with a comma behind it.
    pub(crate) fn filter(self) -> String {
        let mut filter = String::new();
        if self.gain != 0.0 {
            filter = format!("volume={:.2}dB:precision=float,", self.gain);
        }
        if self.limit {
            let ceiling = 10f64.powf(CEILING / 20.0);
            filter.push_str(&format!("alimiter=limit={ceiling:.4}:level=0:attack=1,"));
        }
        filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gain_for_everything() {
        let mut measured = Measured::default();
        measured.hear("frame:1 pts:0\nlavfi.r128.I=-70.0\nlavfi.r128.sample_peak=0.0\n");
        assert_eq!(measured.to(-23.0), Loudness::default());
        measured.hear("lavfi.r128.I=-33.000\nlavfi.r128.sample_peak=0.100000\n");
        let soft = measured.to(-23.0);
        assert_eq!(soft.filter(), "volume=10.00dB:precision=float,");
        measured.hear("lavfi.r128.sample_peak=0.9\n");
        assert!(
            measured
                .to(-23.0)
                .filter()
                .contains("alimiter=limit=0.8414")
        );
        measured.hear("lavfi.r128.I=-60\n");
        assert!(measured.to(-23.0).filter().starts_with("volume=24.00dB"));
        measured.hear("lavfi.r128.I=-13\n");
        assert_eq!(
            measured.to(-23.0).filter(),
            "volume=-10.00dB:precision=float,"
        );
    }

    #[test]
    fn nothing_heard_is_left_alone() {
        let mut measured = Measured::default();
        measured.hear("lavfi.r128.I=nan\nlavfi.r128.I=-inf\n");
        assert_eq!(measured.to(-23.0).filter(), "");
    }
}
