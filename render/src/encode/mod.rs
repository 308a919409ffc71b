//! A recording turned into one film by ffmpeg: planned, composed and encoded in segments on
//! several cores, with the sound beside, then joined.
//!
//! Only frames that differ are coded, each with its true time; pixels are composed here, in the
//! encoder's own format, and only where they changed. ffmpeg decodes, codes and joins.

mod audio;
mod card;
mod coding;
mod decoder;
mod extras;
mod frame;
mod join;
mod loudness;
mod overlay;
mod panel;
mod plan;
mod prepare;
pub(crate) mod process;
mod raw_stream;
mod segment;
pub(crate) mod still;
mod watermark;
mod waveform;
mod work;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use audio::{COPIED, Sound};
pub(crate) use card::Card;
pub(crate) use coding::Coding;
pub(crate) use loudness::measure as loudness;
pub(crate) use overlay::Overlay;
pub(crate) use plan::{Arrangement, Grid, Stretch, Tick, stretches};
pub(crate) use prepare::prepare;
pub(crate) use process::Processes;
pub(crate) use watermark::place as watermark;
pub(crate) use work::{Work, settle};

use crate::captions::{Caption, Cue};
use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Rgb, Size};
use crate::language::Language;
use crate::media::{Media, Tools};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{Message, Timeline};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const TELL_EVERY: u32 = 4;

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
    /// What is seen while there is nothing else, of the stage's size.
    pub(crate) card: Option<Card>,
    /// What is seen at the beginning, of the frame's size.
    pub(crate) title: Option<Card>,
    /// Empty when the chat is not seen.
    pub(crate) chat: Arc<Vec<Message>>,
    /// Captions that are drawn into the picture.
    pub(crate) burned: Arc<Vec<Cue>>,
    pub(crate) watermark: Option<Arc<Overlay>>,
    /// When anything but the presentation and films may change, in order.
    pub(crate) other_changes: Vec<Tick>,
    /// In LUFS; `None` to leave it as it is.
    pub(crate) loudness: Option<f64>,
    pub(crate) coding: Coding,
    pub(crate) chapters: bool,
    /// What is spoken, when the options say so.
    pub(crate) language: Option<Language>,
    /// The captions that viewers can switch on, their times counted from the film's start.
    pub(crate) tracks: Vec<(Caption, Vec<Cue>)>,
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
