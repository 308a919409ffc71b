//! What a film is to be like, and which of that is possible.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::encode;
use crate::error::Error;
use crate::geometry::{Rgb, Size};
use crate::language::Language;
use crate::layout::Layout;
use crate::media::Tools;
use crate::time::Millis;
use crate::timeline::Span;

/// The preset that is none of the encoders' own: fast, and made for slides and screens.
pub const SCREEN: &str = "screen";

/// What EBU R 128 asks for, in LUFS.
pub const EBU_R128: f64 = -23.0;

/// What the film is to be like. [`Options::default`] gives 1280x720 at 15 frames a second.
#[derive(Clone, Debug)]
pub struct Options {
    /// The frame's size; both sides even.
    pub size: Size,
    /// Frames a second while webcams or the screen share are seen.
    pub fps: u32,
    /// How the parts share the frame.
    pub layout: Layout,
    /// What surrounds the slide.
    pub background: Rgb,
    /// How the picture is compressed.
    pub codec: Codec,
    /// [`SCREEN`] or one of the encoder's own presets: how much time is spent on making the file
    /// small.
    pub preset: String,
    /// The encoder's constant rate factor, 0 (best) to [`Codec::worst`]; `None` for
    /// [`Codec::usual`].
    pub quality: Option<u8>,
    /// What becomes of the sound.
    pub audio: AudioCoding,
    /// The loudness in LUFS that the sound is brought to, as EBU R 128 measures it; `None` to leave
    /// it as it is.
    pub loudness: Option<f64>,
    /// What is spoken; `None` for what the recording says of it.
    pub language: Option<Language>,
    /// Whether the file gets a chapter per slide.
    pub chapters: bool,
    /// What becomes of captions.
    pub subtitles: Subtitles,
    /// Whether the public chat is seen.
    pub chat: Chat,
    /// For how long a card with the recording's name and date covers the beginning; zero for not at
    /// all. It shifts nothing: the sound goes on below it.
    pub title_card: Millis,
    /// A picture that lies over the film.
    pub watermark: Option<Watermark>,
    /// Only this part of the recording.
    pub range: Option<Span>,
    /// How many segments are encoded at once; `None` for as many as there are cores.
    pub threads: Option<usize>,
    /// Where finished parts are kept until the film is whole; `None` for a hidden folder beside the
    /// film. It needs about as much room as the film.
    pub work_dir: Option<PathBuf>,
    /// Parts are encoded in segments no longer than this: what a stopped conversion loses at most,
    /// on each core.
    pub longest_segment: Millis,
    /// How long a child process may be without progress before it is killed.
    pub patience: Duration,
    /// The programs.
    pub tools: Tools,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            size: Size {
                width: 1280,
                height: 720,
            },
            fps: 15,
            layout: Layout::default(),
            background: Rgb::PLAYER,
            codec: Codec::default(),
            preset: SCREEN.into(),
            quality: None,
            audio: AudioCoding::default(),
            loudness: None,
            language: None,
            chapters: true,
            subtitles: Subtitles::default(),
            chat: Chat::default(),
            title_card: Millis::ZERO,
            watermark: None,
            range: None,
            threads: None,
            work_dir: None,
            longest_segment: Millis(300_000),
            patience: Duration::from_secs(180),
            tools: Tools::default(),
        }
    }
}

impl Options {
    /// Whether a film can be like this.
    ///
    /// # Errors
    /// [`Error::BadSize`], or [`Error::BadOption`] with the option's name and what would be right.
    pub fn check(&self) -> Result<(), Error> {
        let Size { width, height } = self.size;
        if ![width, height]
            .iter()
            .all(|side| (64..=8192).contains(side))
        {
            return Err(Error::BadSize { width, height });
        }
        let bad = |option, why: String| Err(Error::BadOption { option, why });
        if width % 2 == 1 || height % 2 == 1 {
            return bad("size", "width and height must be even".into());
        }
        if !(1..=60).contains(&self.fps) {
            return bad("fps", "give 1 to 60 frames a second".into());
        }
        let worst = self.codec.worst();
        if self.quality.is_some_and(|quality| quality > worst) {
            return bad(
                "quality",
                format!("give 0 (best) to {worst} for {}", self.codec),
            );
        }
        let presets = self.codec.presets();
        if !presets.contains(&self.preset.as_str()) {
            return bad("preset", format!("give one of {}", presets.join(", ")));
        }
        if self
            .loudness
            .is_some_and(|lufs| !(-40.0..=-8.0).contains(&lufs))
        {
            return bad("loudness", "give -40 to -8 LUFS".into());
        }
        if self.loudness.is_some() && self.audio == AudioCoding::Copy {
            return bad(
                "loudness",
                "sound that is copied keeps its loudness: encode it, or leave it as it is".into(),
            );
        }
        if let Some(watermark) = &self.watermark {
            encode::watermark(watermark, self.size)?;
        }
        Ok(())
    }

    /// ffmpeg's name of the encoder for the codec, once it is known to be there.
    ///
    /// # Errors
    /// [`Error::NoEncoder`], [`Error::NoProgram`].
    pub fn encoder(&self) -> Result<&'static str, Error> {
        let processes = encode::Processes::new(self.patience);
        Ok(encode::Coding::of(self, &processes)?.encoder())
    }

    /// Whether there is nothing in the picture but the presentation area.
    #[must_use]
    pub fn show_presentation_alone(&self) -> bool {
        self.layout == Layout::PresentationOnly
            && self.chat == Chat::Off
            && self.title_card == Millis::ZERO
            && self.watermark.is_none()
            && !matches!(self.subtitles, Subtitles::Burned(_))
    }
}

/// How the picture is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264, which every player and Pod's encoder read.
    #[default]
    H264,
    /// AV1: less than half the size, half as long again.
    Av1,
    /// VP9: as AV1, for players that are older.
    Vp9,
}

impl Codec {
    /// The highest rate factor: the smallest file.
    #[must_use]
    pub fn worst(self) -> u8 {
        match self {
            Codec::H264 => 51,
            Codec::Av1 | Codec::Vp9 => 63,
        }
    }

    /// The rate factor that gives a lecture a good picture.
    #[must_use]
    pub fn usual(self) -> u8 {
        match self {
            Codec::H264 => 26,
            Codec::Av1 | Codec::Vp9 => 34,
        }
    }

    /// What [`Options::preset`] may be: the encoder's own, slow ones last, after [`SCREEN`].
    #[must_use]
    pub fn presets(self) -> &'static [&'static str] {
        match self {
            Codec::H264 => &[
                SCREEN,
                "ultrafast",
                "superfast",
                "veryfast",
                "faster",
                "fast",
                "medium",
                "slow",
                "slower",
                "veryslow",
            ],
            Codec::Av1 => &[
                SCREEN, "12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0",
            ],
            Codec::Vp9 => &[SCREEN, "8", "7", "6", "5", "4", "3", "2", "1", "0"],
        }
    }
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(name: &str) -> Result<Codec, String> {
        match name {
            "h264" => Ok(Codec::H264),
            "av1" => Ok(Codec::Av1),
            "vp9" => Ok(Codec::Vp9),
            other => Err(format!(
                "no codec is called {other:?}; there are h264, av1 and vp9"
            )),
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Codec::H264 => "h264",
            Codec::Av1 => "av1",
            Codec::Vp9 => "vp9",
        })
    }
}

/// What becomes of the sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AudioCoding {
    /// Encoded as AAC.
    #[default]
    Aac,
    /// Kept as it is where an MP4 can hold it (Opus, AAC, MP3), else encoded.
    Copy,
}

impl FromStr for AudioCoding {
    type Err = String;

    fn from_str(name: &str) -> Result<AudioCoding, String> {
        match name {
            "aac" => Ok(AudioCoding::Aac),
            "copy" => Ok(AudioCoding::Copy),
            other => Err(format!("{other:?} is neither aac nor copy")),
        }
    }
}

impl std::fmt::Display for AudioCoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AudioCoding::Aac => "aac",
            AudioCoding::Copy => "copy",
        })
    }
}

/// Whether the public chat is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chat {
    /// It is not.
    #[default]
    Off,
    /// With the names of who wrote.
    On,
    /// Everybody is called "Viewer 1", "Viewer 2" ….
    Anonymous,
}

impl FromStr for Chat {
    type Err = String;

    fn from_str(name: &str) -> Result<Chat, String> {
        match name {
            "off" => Ok(Chat::Off),
            "on" => Ok(Chat::On),
            "anonymous" => Ok(Chat::Anonymous),
            other => Err(format!("{other:?} is not one of off, on and anonymous")),
        }
    }
}

impl std::fmt::Display for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Chat::Off => "off",
            Chat::On => "on",
            Chat::Anonymous => "anonymous",
        })
    }
}

/// A picture that lies over the film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// A PNG; what is transparent in it stays so. It has its own size in a frame of 720 rows, and
    /// that in proportion in others.
    pub image: PathBuf,
    /// Where it lies.
    pub corner: Corner,
}

/// A corner of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corner {
    /// Above on the left.
    TopLeft,
    /// Above on the right.
    TopRight,
    /// Below on the left.
    BottomLeft,
    /// Below on the right.
    #[default]
    BottomRight,
}

impl FromStr for Corner {
    type Err = String;

    fn from_str(name: &str) -> Result<Corner, String> {
        match name {
            "top-left" => Ok(Corner::TopLeft),
            "top-right" => Ok(Corner::TopRight),
            "bottom-left" => Ok(Corner::BottomLeft),
            "bottom-right" => Ok(Corner::BottomRight),
            other => Err(format!(
                "{other:?} is not one of top-left, top-right, bottom-left and bottom-right"
            )),
        }
    }
}

impl std::fmt::Display for Corner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Corner::TopLeft => "top-left",
            Corner::TopRight => "top-right",
            Corner::BottomLeft => "bottom-left",
            Corner::BottomRight => "bottom-right",
        })
    }
}

/// What becomes of captions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subtitles {
    /// Each language is a track that viewers can switch on.
    #[default]
    Tracks,
    /// Those of this locale are drawn into the picture.
    Burned(String),
    /// They are left out.
    None,
}

impl FromStr for Subtitles {
    type Err = String;

    fn from_str(text: &str) -> Result<Subtitles, String> {
        match text.split_once(':') {
            None if text == "tracks" => Ok(Subtitles::Tracks),
            None if text == "none" => Ok(Subtitles::None),
            Some(("burn", locale)) if !locale.is_empty() => Ok(Subtitles::Burned(locale.into())),
            _ => Err(format!(
                "{text:?} is not one of tracks, none and burn:<locale>, as burn:fr"
            )),
        }
    }
}

impl std::fmt::Display for Subtitles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subtitles::Tracks => f.write_str("tracks"),
            Subtitles::Burned(locale) => write!(f, "burn:{locale}"),
            Subtitles::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for codec in [Codec::H264, Codec::Av1, Codec::Vp9] {
            assert_eq!(codec.to_string().parse(), Ok(codec));
            assert!(codec.usual() < codec.worst());
        }
        for subtitles in [
            Subtitles::Tracks,
            Subtitles::Burned("pt-BR".into()),
            Subtitles::None,
        ] {
            assert_eq!(subtitles.to_string().parse(), Ok(subtitles));
        }
        for audio in [AudioCoding::Aac, AudioCoding::Copy] {
            assert_eq!(audio.to_string().parse(), Ok(audio));
        }
        for chat in [Chat::Off, Chat::On, Chat::Anonymous] {
            assert_eq!(chat.to_string().parse(), Ok(chat));
        }
        for corner in [
            Corner::TopLeft,
            Corner::TopRight,
            Corner::BottomLeft,
            Corner::BottomRight,
        ] {
            assert_eq!(corner.to_string().parse(), Ok(corner));
        }
        assert!("burn:".parse::<Subtitles>().is_err());
        assert!("h265".parse::<Codec>().is_err());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let usual = Options::default();
        assert!(usual.check().is_ok());
        for (wrong, name) in [
            (
                Options {
                    fps: 0,
                    ..usual.clone()
                },
                "fps",
            ),
            (
                Options {
                    quality: Some(52),
                    ..usual.clone()
                },
                "quality",
            ),
            (
                Options {
                    preset: "8".into(),
                    ..usual.clone()
                },
                "preset",
            ),
            (
                Options {
                    loudness: Some(3.0),
                    ..usual.clone()
                },
                "loudness",
            ),
            (
                Options {
                    loudness: Some(EBU_R128),
                    audio: AudioCoding::Copy,
                    ..usual.clone()
                },
                "loudness",
            ),
        ] {
            match wrong.check() {
                Err(Error::BadOption { option, .. }) => assert_eq!(option, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        let av1 = Options {
            codec: Codec::Av1,
            preset: "8".into(),
            quality: Some(60),
            ..usual
        };
        assert!(av1.check().is_ok());
    }
}
