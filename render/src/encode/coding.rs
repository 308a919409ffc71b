//! How the picture is compressed: what ffmpeg is told for each codec.

use crate::encode::process::{Processes, output_of};
use crate::error::Error;
use crate::media::Tools;
use crate::options::{Codec, Options, SCREEN};

/// Tools of H.264 that cost little and suit slides and screens: with x264's fastest preset and
/// these, rate factor 26 gives a better picture of slides than `superfast` at 23 in as many bytes,
/// and as good a one of webcams in a third more, for two thirds of the time.
const SCREEN_TOOLS: &str = "cabac=1:8x8dct=1:partitions=i8x8,i4x4";
/// One core for each segment, and key frames where they are asked for.
const SVT_PARAMETERS: &str = "lp=1:enable-force-key-frames=1";

/// How the picture is compressed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Coding {
    encoder: &'static str,
    preset: String,
    quality: u8,
}

impl Coding {
    /// As the options say, with an encoder that this ffmpeg has.
    ///
    /// # Errors
    /// [`Error::NoEncoder`] when it has none for the codec.
    pub(crate) fn of(options: &Options, processes: &Processes) -> Result<Coding, Error> {
        let encoder = match encoders(options.codec) {
            // Every ffmpeg has this one, and to ask takes time.
            ["libx264"] => "libx264",
            wanted => {
                let known = known_encoders(&options.tools, processes)?;
                let has = |name: &&str| known.split_whitespace().any(|word| word == *name);
                wanted
                    .iter()
                    .copied()
                    .find(has)
                    .ok_or_else(|| Error::NoEncoder {
                        program: options.tools.ffmpeg.display().to_string(),
                        codec: options.codec.to_string(),
                        wanted: wanted.join(" or "),
                    })?
            }
        };
        Ok(Coding {
            encoder,
            preset: options.preset.clone(),
            quality: options.quality.unwrap_or(options.codec.usual()),
        })
    }

    /// ffmpeg's name of the encoder.
    pub(crate) fn encoder(&self) -> &'static str {
        self.encoder
    }

    /// The arguments for ffmpeg to encode pictures that come with their times from us.
    ///
    /// No B-frames: pictures leave in the order they come, so that times need no shifting. No
    /// search for scene cuts: key frames come at fixed times, and the search costs time for every
    /// frame.
    pub(crate) fn video_args(&self) -> Vec<String> {
        let own: &[&str] = match self.encoder {
            "libx264" => &["-bf", "0", "-sc_threshold", "0"],
            "libvpx-vp9" => &["-lag-in-frames", "0", "-auto-alt-ref", "0"],
            "libaom-av1" => &["-lag-in-frames", "0"],
            // For versions that call their parameters otherwise.
            _ => &["-g", "300"],
        };
        let rest = [
            "-pix_fmt",
            "yuv420p",
            "-threads",
            "1",
            "-g",
            "100000",
            "-color_range",
            "tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
        ];
        let mut all = self.compression_args();
        all.extend(rest.iter().chain(own).map(ToString::to_string));
        all
    }

    /// The arguments for ffmpeg that say how small, how good and how fast.
    pub(crate) fn compression_args(&self) -> Vec<String> {
        let preset = self.preset.as_str();
        let screen = preset == SCREEN;
        let own: &[&str] = match self.encoder {
            "libx264" if screen => &["-preset", "ultrafast", "-x264-params", SCREEN_TOOLS],
            "libx264" => &["-preset", preset],
            "libvpx-vp9" if screen => &[
                "-deadline",
                "realtime",
                "-cpu-used",
                "8",
                "-tune-content",
                "screen",
                "-b:v",
                "0",
            ],
            "libvpx-vp9" => &["-deadline", "good", "-cpu-used", preset, "-b:v", "0"],
            "libaom-av1" => &[
                "-usage",
                "realtime",
                "-cpu-used",
                of_libaom(preset),
                "-b:v",
                "0",
            ],
            _ => &[
                "-preset",
                if screen { "12" } else { preset },
                "-svtav1-params",
                SVT_PARAMETERS,
            ],
        };
        let quality = self.quality.to_string();
        ["-c:v", self.encoder]
            .iter()
            .chain(own)
            .chain(&["-crf", &quality])
            .map(ToString::to_string)
            .collect()
    }
}

/// libaom counts its presets to 8 only.
fn of_libaom(preset: &str) -> &str {
    match preset.parse::<u8>() {
        Ok(0..=8) => preset,
        _ => "8",
    }
}

/// ffmpeg's encoders for a codec, best first.
fn encoders(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::H264 => &["libx264"],
        Codec::Av1 => &["libsvtav1", "libaom-av1"],
        Codec::Vp9 => &["libvpx-vp9"],
    }
}

fn known_encoders(tools: &Tools, processes: &Processes) -> Result<String, Error> {
    let mut command = std::process::Command::new(&tools.ffmpeg);
    command.args(["-hide_banner", "-encoders"]);
    let said = output_of(processes, &mut command, "telling its encoders", 1 << 20)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_encoder_that_is_not_there_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let bare = dir.path().join("ffmpeg");
        std::fs::write(&bare, "#!/bin/sh\necho ' V..... libx264 H.264'\n").unwrap();
        std::fs::set_permissions(&bare, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = Options {
            codec: Codec::Av1,
            ..Options::default()
        };
        options.tools.ffmpeg = bare;
        let processes = Processes::new(Duration::from_secs(60));
        let error = Coding::of(&options, &processes).unwrap_err();
        assert!(error.to_string().contains("libsvtav1"), "{error}");
        options.codec = Codec::H264;
        let coding = Coding::of(&options, &processes).unwrap();
        let line = coding.compression_args().join(" ");
        assert_eq!(
            line,
            format!("-c:v libx264 -preset ultrafast -x264-params {SCREEN_TOOLS} -crf 26")
        );
    }
}
