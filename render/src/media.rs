//! What is in a media file, as ffprobe tells it; and which ffmpeg is at hand.
//!
//! Media may come from strangers, so ffmpeg is told which containers to expect and never opens
//! anything but the one file: a playlist in disguise is refused.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::encode::process::{Processes, output_of, quiet};
use crate::error::Error;
use crate::geometry::Size;
use crate::time::Millis;

/// Containers in which BBB publishes media (see the published format's list of files).
const CONTAINERS: &str = "matroska,webm,mov,mp4,m4a,ogg,mp3,wav";
const OLDEST: (u32, u32) = (4, 3);

/// The two programs that read and write media.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Name or path of `ffmpeg`.
    pub ffmpeg: PathBuf,
    /// Name or path of `ffprobe`.
    pub ffprobe: PathBuf,
}

impl Default for Tools {
    fn default() -> Tools {
        Tools {
            ffmpeg: PathBuf::from("ffmpeg"),
            ffprobe: PathBuf::from("ffprobe"),
        }
    }
}

/// What one media file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// The file.
    pub path: PathBuf,
    /// Its first video stream.
    pub video: Option<Video>,
    /// Whether it has sound.
    pub audio: Option<Audio>,
    /// Its length, where the container tells it.
    pub duration: Option<Millis>,
}

/// A video stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// The codec, as ffprobe calls it.
    pub codec: String,
    /// In pixels.
    pub size: Size,
    /// Frames per second, on average.
    pub rate: f64,
    /// Whether its colours follow BT.709; otherwise BT.601.
    pub bt709: bool,
}

/// An audio stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// The codec, as ffprobe calls it.
    pub codec: String,
    /// 1 for mono.
    pub channels: u32,
}

/// The version of the ffmpeg at hand, once it is known to be new enough.
///
/// # Errors
/// [`Error::NoProgram`], [`Error::TooOld`].
pub fn ffmpeg_version(tools: &Tools) -> Result<String, Error> {
    check(tools, &Processes::new(Duration::from_secs(60)))
}

/// Checks that ffmpeg is there and not older than what is needed; gives its version.
///
/// # Errors
/// [`Error::NoProgram`], [`Error::TooOld`].
pub(crate) fn check(tools: &Tools, processes: &Processes) -> Result<String, Error> {
    let mut command = std::process::Command::new(&tools.ffmpeg);
    command.arg("-version");
    let said = output_of(processes, &mut command, "telling its version", 1 << 16)?;
    let said = String::from_utf8_lossy(&said);
    let version = said.split_whitespace().nth(2).unwrap_or("unknown");
    match release(version) {
        Some(found) if found < OLDEST => Err(Error::TooOld {
            program: tools.ffmpeg.display().to_string(),
            found: version.to_string(),
            needed: "4.3",
        }),
        // Builds from the development branch are called by their commit, and are new enough.
        _ => Ok(version.to_string()),
    }
}

fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('n').split(['.', '-', '+']);
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

/// The arguments that make ffmpeg or ffprobe open one file of a recording, and nothing else.
pub(crate) fn input(path: &Path) -> Vec<OsString> {
    let mut file = OsString::from("file:");
    file.push(path);
    vec![
        "-protocol_whitelist".into(),
        "file".into(),
        "-format_whitelist".into(),
        CONTAINERS.into(),
        "-i".into(),
        file,
    ]
}

/// Looks into a media file.
///
/// # Errors
/// When ffprobe cannot be run, or cannot make sense of the file.
pub(crate) fn probe(tools: &Tools, processes: &Processes, path: &Path) -> Result<Media, Error> {
    let mut command = quiet(&tools.ffprobe);
    command
        .args([
            "-print_format",
            "json",
            "-show_entries",
            "stream=codec_type,codec_name,width,height,avg_frame_rate,r_frame_rate,color_space,\
             channels,duration:stream_disposition=attached_pic:format=duration",
        ])
        .args(input(path));
    let said = output_of(processes, &mut command, "looking into a file", 1 << 20)?;
    parse(path, &said).ok_or_else(|| Error::BadFile {
        path: path.to_path_buf(),
        why: "ffprobe does not say what is in it".into(),
    })
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize, Default)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    color_space: Option<String>,
    channels: Option<u32>,
    duration: Option<String>,
}

fn parse(path: &Path, json: &[u8]) -> Option<Media> {
    let said: Said = serde_json::from_slice(json).ok()?;
    let seconds = |text: &Option<String>| {
        text.as_ref()
            .and_then(|t| t.parse::<f64>().ok())
            .and_then(Millis::from_seconds)
    };
    let mut media = Media {
        path: path.to_path_buf(),
        duration: seconds(&said.format.duration),
        ..Media::default()
    };
    for stream in &said.streams {
        media.duration = media.duration.max(seconds(&stream.duration));
        match stream.codec_type.as_deref() {
            Some("video") if media.video.is_none() => {
                media.video = video(stream);
            }
            Some("audio") if media.audio.is_none() => {
                media.audio = Some(Audio {
                    codec: stream.codec_name.clone().unwrap_or_default(),
                    channels: stream.channels.unwrap_or(1),
                });
            }
            _ => {}
        }
    }
    Some(media)
}

fn video(stream: &Stream) -> Option<Video> {
    let codec = stream.codec_name.clone()?;
    let size = Size {
        width: stream.width.filter(|side| (2..=16384).contains(side))?,
        height: stream.height.filter(|side| (2..=16384).contains(side))?,
    };
    let rate = [&stream.avg_frame_rate, &stream.r_frame_rate]
        .into_iter()
        .find_map(|text| rational(text.as_deref()?))
        .unwrap_or(15.0);
    // Where nothing is said, browsers take the size as a hint, and so does this.
    let bt709 = match stream.color_space.as_deref() {
        Some("bt709") => true,
        Some("smpte170m" | "bt470bg" | "fcc") => false,
        _ => size.height >= 720,
    };
    Some(Video {
        codec,
        size,
        rate,
        bt709,
    })
}

fn rational(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0 && value <= 1000.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_distributions_write_them() {
        assert_eq!(release("5.1.9-0+deb12u1"), Some((5, 1)));
        assert_eq!(release("4.2.7-0ubuntu0.1"), Some((4, 2)));
        assert_eq!(release("n7.0"), Some((7, 0)));
        assert_eq!(release("8"), Some((8, 0)));
        assert_eq!(release("N-113007-g8d24a28d06"), None);
    }

    #[test]
    fn what_ffprobe_says_is_understood() {
        let json = br#"{"streams":[
            {"codec_name":"vp9","codec_type":"video","width":640,"height":480,
             "avg_frame_rate":"15/1","r_frame_rate":"15/1"},
            {"codec_name":"opus","codec_type":"audio","channels":1,"avg_frame_rate":"0/0"}],
            "format":{"duration":"600.008000"}}"#;
        let media = parse(Path::new("webcams.webm"), json).unwrap();
        let video = media.video.unwrap();
        assert_eq!((video.size.width, video.size.height), (640, 480));
        assert_eq!((video.rate, video.bt709), (15.0, false));
        assert_eq!(media.audio.unwrap().channels, 1);
        assert_eq!(media.duration, Some(Millis(600_008)));
    }

    #[test]
    fn nonsense_is_no_media() {
        assert!(parse(Path::new("x"), b"not json").is_none());
        let empty = parse(Path::new("x"), b"{}").unwrap();
        assert!(empty.video.is_none() && empty.audio.is_none() && empty.duration.is_none());
    }
}
