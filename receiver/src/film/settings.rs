//! The section `convert` of the settings: how presentations become videos.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use recording::settings::DurationText;
use render::error::Error;
use render::geometry::Rgb;
use render::language::Language;
use render::layout::Layout;
use render::options::{AudioCoding, Chat, Codec, Corner, EBU_R128, Options, Subtitles, Watermark};
use render::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{options, widescreen};

/// How presentations become videos.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Convert {
    /// Height of the video in pixels; the width follows as 16:9.
    pub(crate) height: u32,
    /// Frames a second while webcams or the screen share are seen.
    pub(crate) fps: u32,
    /// Which layout: `presentation`, `webcams`, `picture-in-picture` or `presentation-only`.
    #[serde(deserialize_with = "word", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) layout: Layout,
    /// What surrounds the slide.
    #[serde(deserialize_with = "colour")]
    #[schemars(with = "String")]
    pub(crate) background: Rgb,
    /// `h264`, `av1` or `vp9`.
    #[serde(deserialize_with = "word", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) codec: Codec,
    /// `screen`, or a preset of the encoder.
    #[serde(deserialize_with = "preset")]
    pub(crate) preset: String,
    /// The encoder's constant rate factor.
    pub(crate) quality: Option<u8>,
    /// `aac`, or `copy` to keep what an MP4 can hold.
    #[serde(deserialize_with = "word", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) audio: AudioCoding,
    /// Whether the sound is brought to the same loudness, and which, in LUFS.
    pub(crate) loudness: Loudness,
    /// What is spoken where the recording does not say it.
    #[serde(deserialize_with = "optional_word")]
    #[schemars(with = "Option<String>")]
    pub(crate) language: Option<Language>,
    /// Whether videos get a chapter per slide.
    pub(crate) chapters: bool,
    /// `tracks`, `burn:<locale>` or `none`.
    #[serde(deserialize_with = "word", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) subtitles: Subtitles,
    /// `off`, `on` or `anonymous`.
    #[serde(deserialize_with = "chat", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) chat: Chat,
    /// How long the title card covers the beginning; zero for not at all.
    #[serde(deserialize_with = "crate::config::duration")]
    #[schemars(with = "DurationText")]
    pub(crate) title_card: Duration,
    /// A PNG that lies over every video.
    pub(crate) watermark: Option<PathBuf>,
    /// Where it lies.
    #[serde(deserialize_with = "word", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub(crate) watermark_corner: Corner,
    /// Conversions at the same time. One conversion already uses every core.
    pub(crate) workers: usize,
}

/// `false`, `true` for what EBU R 128 says, or a number.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(untagged, expecting = "give true, false or a loudness in LUFS, as -23")]
pub(crate) enum Loudness {
    /// On or off.
    Switch(bool),
    /// In LUFS.
    Target(f64),
}

impl Default for Convert {
    fn default() -> Convert {
        let usual = Options::default();
        Convert {
            height: usual.size.height,
            fps: usual.fps,
            layout: usual.layout,
            background: usual.background,
            codec: usual.codec,
            preset: usual.preset,
            quality: usual.quality,
            audio: usual.audio,
            loudness: Loudness::Switch(false),
            language: usual.language,
            chapters: usual.chapters,
            subtitles: usual.subtitles,
            chat: usual.chat,
            title_card: Duration::ZERO,
            watermark: None,
            watermark_corner: Corner::default(),
            workers: 1,
        }
    }
}

impl Convert {
    /// What the converter is told.
    pub(crate) fn options(&self, work_dir: &Path) -> Options {
        Options {
            size: widescreen(self.height),
            fps: self.fps,
            layout: self.layout,
            background: self.background,
            codec: self.codec,
            preset: self.preset.clone(),
            quality: self.quality,
            audio: self.audio,
            loudness: match self.loudness {
                Loudness::Switch(false) => None,
                Loudness::Switch(true) => Some(EBU_R128),
                Loudness::Target(lufs) => Some(lufs),
            },
            language: self.language,
            chapters: self.chapters,
            subtitles: self.subtitles.clone(),
            chat: self.chat,
            title_card: Millis(u64::try_from(self.title_card.as_millis()).unwrap_or(u64::MAX)),
            watermark: self.watermark.as_ref().map(|image| Watermark {
                image: image.clone(),
                corner: self.watermark_corner,
            }),
            work_dir: Some(work_dir.to_owned()),
            ..Options::default()
        }
    }

    /// Whether films can be like this.
    ///
    /// # Errors
    /// The key within the section, and what is wrong with its value.
    pub(crate) fn validate(&self) -> Result<(), (String, String)> {
        if !(1..=64).contains(&self.workers) {
            let why = format!("{} is not between 1 and 64", self.workers);
            return Err(("workers".into(), why));
        }
        if !(144..=4320).contains(&self.height) || !self.height.is_multiple_of(2) {
            let why = format!(
                "{} is not an even number of pixels between 144 and 4320",
                self.height
            );
            return Err(("height".into(), why));
        }
        if let Some(image) = &self.watermark
            && !image.is_absolute()
        {
            let why = format!("{} is not an absolute path", image.display());
            return Err(("watermark".into(), why));
        }
        self.options(Path::new(""))
            .check()
            .map_err(|error| match error {
                Error::BadOption { option, why } => (option.replace('-', "_"), why),
                other => ("height".into(), other.to_string()),
            })
    }
}

/// How a default is written in the reference of all settings.
fn shown<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn word<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn optional_word<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    word(deserializer).map(Some)
}

fn colour<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rgb, D::Error> {
    options::colour(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// `on` and `off` are truth values in some of YAML's versions.
fn chat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Chat, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "give off, on or anonymous")]
    enum Given {
        Switch(bool),
        Word(String),
    }
    match Given::deserialize(deserializer)? {
        Given::Switch(true) => Ok(Chat::On),
        Given::Switch(false) => Ok(Chat::Off),
        Given::Word(word) => word.parse().map_err(serde::de::Error::custom),
    }
}

/// The presets of some encoders are numbers, which YAML tells apart from text.
fn preset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "give the name or number of a preset")]
    enum Preset {
        Name(String),
        Number(u8),
    }
    Ok(match Preset::deserialize(deserializer)? {
        Preset::Name(name) => name,
        Preset::Number(number) => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Convert, String> {
        let convert: Convert = serde_yaml::from_str(yaml).map_err(|e| e.to_string())?;
        convert
            .validate()
            .map_err(|(key, why)| format!("{key}: {why}"))?;
        Ok(convert)
    }

    #[test]
    fn nothing_set_is_what_the_converter_does() {
        let options = read("{}").unwrap().options(Path::new("/w"));
        let usual = Options {
            work_dir: Some("/w".into()),
            ..Options::default()
        };
        assert_eq!(format!("{options:?}"), format!("{usual:?}"));
    }

    #[test]
    fn settings_reach_the_converter() {
        let logo = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(logo.path(), one_pixel()).unwrap();
        let options = read(&format!(
            "{{height: 1080, codec: vp9, preset: 6, quality: 40, loudness: true, language: fr, \
             chapters: false, subtitles: none, background: '#000000', chat: anonymous, \
             title_card: 4s, watermark: {}, watermark_corner: top-left}}",
            logo.path().display()
        ))
        .unwrap()
        .options(Path::new("/w"));
        assert_eq!((options.size.width, options.fps), (1920, 15));
        assert_eq!((options.codec, options.preset.as_str()), (Codec::Vp9, "6"));
        assert_eq!(options.loudness, Some(EBU_R128));
        assert_eq!(options.subtitles, Subtitles::None);
        assert_eq!(options.chat, Chat::Anonymous);
        assert_eq!(options.title_card, Millis(4_000));
        let watermark = options.watermark.unwrap();
        assert_eq!(watermark.image, logo.path());
        assert_eq!(watermark.corner, Corner::TopLeft);
        assert_eq!(
            read("loudness: -16").unwrap().loudness,
            Loudness::Target(-16.0)
        );
    }

    fn one_pixel() -> Vec<u8> {
        use base64::Engine;
        let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        base64::engine::general_purpose::STANDARD
            .decode(png)
            .unwrap()
    }

    #[test]
    fn errors_name_the_key() {
        for (yaml, words) in [
            ("workers: 0", "workers: 0 is not between 1 and 64"),
            ("height: 721", "height: 721 is not an even number"),
            ("fps: 0", "fps: give 1 to 60"),
            ("quality: 52", "quality: give 0 (best) to 51 for h264"),
            (
                "{codec: av1, preset: veryfast}",
                "preset: give one of screen, 12",
            ),
            (
                "{audio: copy, loudness: true}",
                "loudness: sound that is copied",
            ),
            ("loudness: loud", "give true, false or a loudness"),
            (
                "watermark: logo.png",
                "watermark: logo.png is not an absolute path",
            ),
            (
                "watermark: /none/logo.png",
                "watermark: /none/logo.png: No such file",
            ),
            (
                "chat: perhaps",
                "\"perhaps\" is not one of off, on and anonymous",
            ),
            ("codec: h265", "no codec is called \"h265\""),
        ] {
            let said = read(yaml).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
