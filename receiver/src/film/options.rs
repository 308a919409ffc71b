//! The options of `convert` that say what the film is to be like.

use std::path::PathBuf;

use render::geometry::{Rgb, Size};
use render::language::Language;
use render::layout::Layout;
use render::options::{AudioCoding, Chat, Codec, Corner, EBU_R128, Options, Subtitles, Watermark};
use render::time::Millis;

use super::widescreen;

// No doc comment: clap would take it for what the whole command does.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The film")]
pub(crate) struct FilmArgs {
    /// Height of the picture in pixels; the width follows from 16:9
    #[arg(long, default_value_t = 720, conflicts_with = "size")]
    height: u32,

    /// Width and height of the picture, as 1280x720
    #[arg(long, value_parser = size)]
    size: Option<Size>,

    /// Frames a second while webcams or the screen share are seen
    #[arg(long, default_value_t = Options::default().fps)]
    fps: u32,

    /// presentation, webcams, picture-in-picture or presentation-only
    #[arg(long, default_value_t)]
    layout: Layout,

    /// Colour around the slide, as f3f6f9
    #[arg(long, value_parser = colour, default_value = "f3f6f9")]
    background: Rgb,

    /// h264, av1 or vp9
    #[arg(long, default_value_t)]
    codec: Codec,

    /// screen, or a preset of the encoder: ultrafast to veryslow for h264, 12 to 0 for av1, 8 to 0
    /// for vp9; slower ones make smaller files
    #[arg(long, default_value_t = Options::default().preset)]
    preset: String,

    /// Constant rate factor: 0 (best) to 51 for h264, to 63 for av1 and vp9 [default: 26 for h264,
    /// 34 for the others]
    #[arg(long)]
    quality: Option<u8>,

    /// aac, or copy to keep Opus, AAC and MP3 as they are
    #[arg(long, default_value_t)]
    audio: AudioCoding,

    /// Bring the sound to the loudness of EBU R 128, or to another one
    #[arg(
        long,
        value_name = "LUFS",
        num_args = 0..=1,
        require_equals = true,
        allow_negative_numbers = true,
        default_missing_value = default_loudness()
    )]
    loudness: Option<f64>,

    /// What is spoken, as fr; otherwise what the recording's meta key pod-main-lang says
    #[arg(long)]
    language: Option<Language>,

    /// Whether the film gets a chapter per slide: on or off
    #[arg(
        long,
        value_name = "ON|OFF",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_value = "on",
        default_missing_value = "on"
    )]
    chapters: Switch,

    /// What becomes of captions: tracks, one per language; burn:<locale>, drawn into the picture;
    /// or none
    #[arg(long, default_value_t)]
    subtitles: Subtitles,

    /// Show the public chat beside the slide
    #[arg(long)]
    chat: bool,

    /// Show the chat with "Viewer 1", "Viewer 2" … in place of names
    #[arg(long)]
    anonymise_chat: bool,

    /// Cover the first seconds with a card that says the recording's name and date; 5 unless given
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = seconds,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5"
    )]
    title_card: Option<Millis>,

    /// A PNG that lies over the film; in 720 rows it has its own size, in others in proportion
    #[arg(long, value_name = "PNG")]
    watermark: Option<PathBuf>,

    /// top-left, top-right, bottom-left or bottom-right
    #[arg(long, value_name = "CORNER", default_value_t)]
    watermark_corner: Corner,
}

/// A `bool` that takes a value on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Switch(bool);

impl FilmArgs {
    /// What the converter is told.
    pub(crate) fn options(&self) -> Options {
        Options {
            size: self.size.unwrap_or_else(|| widescreen(self.height)),
            fps: self.fps,
            layout: self.layout,
            background: self.background,
            codec: self.codec,
            preset: self.preset.clone(),
            quality: self.quality,
            audio: self.audio,
            loudness: self.loudness,
            language: self.language,
            chapters: self.chapters.0,
            subtitles: self.subtitles.clone(),
            chat: match (self.chat, self.anonymise_chat) {
                (_, true) => Chat::Anonymous,
                (true, false) => Chat::On,
                (false, false) => Chat::Off,
            },
            title_card: self.title_card.unwrap_or(Millis::ZERO),
            watermark: self.watermark.as_ref().map(|image| Watermark {
                image: image.clone(),
                corner: self.watermark_corner,
            }),
            ..Options::default()
        }
    }
}

fn default_loudness() -> &'static str {
    const {
        assert!(EBU_R128 == -23.0);
        "-23"
    }
}

fn seconds(text: &str) -> Result<Millis, String> {
    let seconds = text.parse::<f64>().ok().and_then(Millis::from_seconds);
    seconds.ok_or_else(|| "give a number of seconds".into())
}

fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "on" => Ok(Switch(true)),
        "off" => Ok(Switch(false)),
        _ => Err("give on or off".into()),
    }
}

fn size(text: &str) -> Result<Size, String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match parsed {
        Some((width, height)) => Ok(Size { width, height }),
        None => Err("give width and height as 1280x720".into()),
    }
}

pub(super) fn colour(text: &str) -> Result<Rgb, String> {
    let digits = text.trim_start_matches('#');
    let wrong = || "give six hexadecimal digits, as f3f6f9".to_string();
    if digits.len() != 6 || !digits.is_ascii() {
        return Err(wrong());
    }
    let value = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
    let [_, red, green, blue] = value.to_be_bytes();
    Ok(Rgb(red, green, blue))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        film: FilmArgs,
    }

    fn options(line: &str) -> Result<Options, String> {
        let words = ["convert"].into_iter().chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|e| e.to_string())?;
        Ok(parsed.film.options())
    }

    #[test]
    fn the_command_line_and_the_library_have_the_same_defaults() {
        let (line, library) = (options("").unwrap(), Options::default());
        assert_eq!(format!("{line:?}"), format!("{library:?}"));
    }

    #[test]
    fn options_are_read() {
        let film = options("--codec av1 --loudness --chapters=off --language fr-FR").unwrap();
        assert_eq!(film.codec, Codec::Av1);
        assert_eq!(film.loudness, Some(EBU_R128));
        assert!(!film.chapters);
        assert_eq!(film.language.unwrap().code(), "fra");
        let film = options("--loudness=-16 --chapters --audio copy").unwrap();
        assert_eq!(film.loudness, Some(-16.0));
        assert!(film.chapters);
        let film = options("--anonymise-chat --title-card --watermark l.png").unwrap();
        assert_eq!(film.chat, Chat::Anonymous);
        assert_eq!(film.title_card, Millis(5_000));
        assert_eq!(film.watermark.unwrap().corner, Corner::BottomRight);
        let film = options("--chat --title-card=2.5 --subtitles burn:fr").unwrap();
        assert_eq!((film.chat, film.title_card), (Chat::On, Millis(2_500)));
        assert_eq!(film.subtitles, Subtitles::Burned("fr".into()));
        for wrong in ["--chapters=perhaps", "--codec h265", "--language x"] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn colours_and_sizes_are_read() {
        assert_eq!(colour("#f3f6f9"), Ok(Rgb(243, 246, 249)));
        assert!(colour("white").is_err() && colour("ééé").is_err());
        assert_eq!(
            size("640x360"),
            Ok(Size {
                width: 640,
                height: 360
            })
        );
        assert!(size("640").is_err());
        assert_eq!(options("--height 2160").unwrap().size.width, 3840);
    }
}
