//! A recording turned into one film by ffmpeg: planned, composed and encoded in segments on
//! several cores, with the sound beside, then joined.
//!
//! Only frames that differ are coded, each with its true time; pixels are composed here, in the
//! encoder's own format, and only where they changed. ffmpeg decodes, codes and joins.

mod audio;
pub(crate) mod card;
mod decoder;
mod extras;
mod frame;
mod join;
mod plan;
pub(crate) mod process;
mod raw_stream;
mod segment;
pub(crate) mod still;
mod work;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use audio::Sound;
pub(crate) use plan::{Arrangement, Grid, Stretch, Tick, stretches};
pub(crate) use process::Processes;
pub(crate) use work::{Work, settle};

use crate::convert::Options;
use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::media::{Media, Tools};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Timeline;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const TELL_EVERY: u32 = 4;

/// The preset that is none of x264's: its fastest, with the tools of H.264 that cost little and
/// suit slides and screens. At rate factor 26 it gives a better picture of slides than `superfast`
/// at 23 in as many bytes, and as good a one of webcams in a third more, for two thirds of the time.
pub const SCREEN: &str = "screen";
const SCREEN_TOOLS: &str = "cabac=1:8x8dct=1:partitions=i8x8,i4x4";

/// How the picture is compressed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Coding {
    pub(crate) preset: String,
    pub(crate) quality: u8,
}

impl Coding {
    /// As the options say.
    pub(crate) fn of(options: &Options) -> Coding {
        Coding {
            preset: options.preset.clone(),
            quality: options.quality,
        }
    }

    /// The arguments for ffmpeg.
    ///
    /// No B-frames: pictures leave in the order they come, so that times need no shifting. No
    /// search for scene cuts: key frames come at fixed times, and the search costs time for every
    /// frame.
    fn video_args(&self) -> Vec<String> {
        let rest = [
            "-pix_fmt",
            "yuv420p",
            "-threads",
            "1",
            "-bf",
            "0",
            "-g",
            "100000",
            "-sc_threshold",
            "0",
            "-color_range",
            "tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
        ];
        self.compression_args()
            .into_iter()
            .chain(rest.map(str::to_string))
            .collect()
    }

    /// The arguments for ffmpeg that say how small, how good and how fast.
    pub(crate) fn compression_args(&self) -> [String; 8] {
        let (preset, tools) = match self.preset.as_str() {
            SCREEN => ("ultrafast", SCREEN_TOOLS),
            other => (other, ""),
        };
        let quality = self.quality.to_string();
        [
            "-c:v",
            "libx264",
            "-preset",
            preset,
            "-x264-params",
            tools,
            "-crf",
            &quality,
        ]
        .map(str::to_string)
    }
}

/// Everything that is known of a film before the first picture of it is made.
#[derive(Debug)]
pub(crate) struct Film<'a> {
    pub(crate) processes: &'a Processes,
    pub(crate) tools: Tools,
    pub(crate) source: Arc<Source>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) fonts: Arc<Fonts>,
    pub(crate) frame: Size,
    pub(crate) background: Rgb,
    pub(crate) grid: Grid,
    /// The part of the frame that the painter fills.
    pub(crate) stage: Rect,
    /// In order, without gaps: the whole film.
    pub(crate) stretches: Vec<Stretch>,
    /// When the presentation may change, in order.
    pub(crate) changes: Vec<Tick>,
    pub(crate) webcams: Option<Media>,
    pub(crate) webcams_step: u64,
    pub(crate) share: Option<Media>,
    pub(crate) share_step: u64,
    pub(crate) sound: Sound,
    /// What is seen while there is nothing else, as RGBA of the stage's size.
    pub(crate) card: Option<Vec<u8>>,
    pub(crate) coding: Coding,
    pub(crate) chapters: bool,
    pub(crate) captions: bool,
    pub(crate) threads: usize,
    pub(crate) longest_segment: Millis,
}

impl Film<'_> {
    /// The first tick of the film.
    pub(crate) fn start(&self) -> Tick {
        self.stretches.first().map_or(0, |s| s.start)
    }

    /// The first tick after it.
    pub(crate) fn end(&self) -> Tick {
        self.stretches.last().map_or(0, |s| s.end)
    }

    /// Units of time in the file: fine enough for any player, and a multiple of the grid.
    fn timescale(&self) -> u64 {
        self.grid.per_second * 512
    }

    fn cut_short(&self, media: &Media, ended: Tick, complaint: Option<String>) {
        let mut why = format!("nothing can be read from {} s on", self.grid.instant(ended));
        if let Some(complaint) = complaint {
            why = format!("{why} ({complaint})");
        }
        let file = media.path.strip_prefix(self.source.dir()).ok();
        self.timeline.warnings.add("film cut short", file, why);
    }
}

/// Makes the film in `work` and joins it into `output`, telling the ticks done.
pub(crate) fn run(
    film: &Film<'_>,
    work: &Work,
    output: &Path,
    progress: &(dyn Fn(Stage, u64) + Sync),
    halt: Halt<'_>,
) -> Result<(), Error> {
    let stop = halt.now;
    let segments = work.segments(|| {
        plan::segments(
            &film.stretches,
            &film.changes,
            film.grid,
            film.webcams_step,
            film.share_step,
            film.threads,
            film.longest_segment,
        )
    })?;
    let done = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    let failed = Failed::default();
    let at_once = film.threads.min(segments.len());
    let running = AtomicUsize::new(at_once + 1);
    let attempt = |part: &dyn Fn() -> Result<(), Error>| {
        if let Err(error) = part() {
            failed.note(error);
            film.processes.stop();
        }
        running.fetch_sub(1, Ordering::Release);
    };
    let encode_next = || {
        if halt.is_wanted_soon() {
            return Ok(false);
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(&segment) = segments.get(number) else {
            return Ok(false);
        };
        work.make(&work::segment_name(number), |path| {
            segment::encode(film, segment, path, &done)
        })?
        .unless_made(|| {
            done.fetch_add(segment.end - segment.start, Ordering::Relaxed);
        });
        Ok(true)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| attempt(&|| audio::encode(film, work)));
        for _ in 0..at_once {
            scope.spawn(|| {
                attempt(&|| {
                    while encode_next()? {}
                    Ok(())
                });
            });
        }
        watch(film.processes, stop, &running, &|| {
            progress(Stage::Encoding, done.load(Ordering::Relaxed));
        });
    });
    failed.into_result().map_err(|error| asked(error, stop))?;
    if next.into_inner() < segments.len() {
        return Err(Error::Stopped);
    }

    let running = AtomicUsize::new(1);
    let joined = std::thread::scope(|scope| {
        let joining = scope.spawn(|| {
            let result = join::join(film, work, &segments, output);
            running.fetch_sub(1, Ordering::Release);
            result
        });
        watch(film.processes, stop, &running, &|| {
            progress(Stage::Joining, film.end() - film.start());
        });
        joining.join().unwrap_or(Err(Error::Stopped))
    });
    joined.map_err(|error| asked(error, stop))
}

/// How a conversion is asked to end before it is done; what it has finished is kept either way.
#[derive(Clone, Copy, Debug)]
pub struct Halt<'a> {
    /// Set to end within a moment: parts under way are lost.
    pub now: &'a AtomicBool,
    /// Set to end at the next safe point: parts under way are finished, no other is begun.
    pub soon: Option<&'a AtomicBool>,
}

impl Halt<'_> {
    fn is_wanted_soon(&self) -> bool {
        self.soon.is_some_and(|soon| soon.load(Ordering::Relaxed))
    }
}

impl<'a> From<&'a AtomicBool> for Halt<'a> {
    fn from(now: &'a AtomicBool) -> Halt<'a> {
        Halt { now, soon: None }
    }
}

/// What fails because we were asked to stop is no failure.
fn asked(error: Error, stop: &AtomicBool) -> Error {
    if stop.load(Ordering::Relaxed) {
        Error::Stopped
    } else {
        error
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The files are being read.
    Reading,
    /// Pictures and sound are being made.
    Encoding,
    /// The parts are being joined into one file.
    Joining,
}

/// Looks after the children until nobody runs any more.
fn watch(processes: &Processes, stop: &AtomicBool, running: &AtomicUsize, tell: &dyn Fn()) {
    let mut looks = 0;
    while running.load(Ordering::Acquire) > 0 {
        std::thread::park_timeout(LOOK_EVERY);
        if stop.load(Ordering::Relaxed) {
            processes.stop();
        }
        processes.kill_stuck();
        if looks % TELL_EVERY == 0 {
            tell();
        }
        looks += 1;
    }
    tell();
}

/// The first thing that went wrong; what follows from it is not of interest.
#[derive(Default)]
struct Failed(Mutex<Option<Error>>);

impl Failed {
    fn note(&self, error: Error) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }

    fn into_result(self) -> Result<(), Error> {
        match self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
