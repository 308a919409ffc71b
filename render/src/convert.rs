//! One recording turned into one MP4: the whole of it in one call.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::encode::{self, Arrangement, Coding, Film, Grid, Processes, Sound, Work};
use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rgb, Size};
use crate::layout::{self, Layout};
use crate::media::{self, Media, Tools};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{Span, Timeline};
use crate::warning::Warning;

pub use crate::encode::{Halt, SCREEN, Stage};

/// Longer recordings than this are taken for a mistake in their metadata.
const LONGEST: Millis = Millis(72 * 3600 * 1000);

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
    /// [`SCREEN`] or one of x264's presets: how much time is spent on making the file small.
    pub preset: String,
    /// x264's constant rate factor, 0 (best) to 51.
    pub quality: u8,
    /// Whether the file gets a chapter per slide.
    pub chapters: bool,
    /// Whether the file gets a track per language of captions.
    pub captions: bool,
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
            preset: SCREEN.into(),
            quality: 26,
            chapters: false,
            captions: false,
            range: None,
            threads: None,
            work_dir: None,
            longest_segment: Millis(300_000),
            patience: Duration::from_secs(180),
            tools: Tools::default(),
        }
    }
}

/// How far a conversion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much recorded time is encoded, of all segments together.
    pub done: Millis,
    /// How much there is.
    pub total: Millis,
}

/// What came of a conversion.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The film's length.
    pub duration: Millis,
    /// The frame's size.
    pub size: Size,
    /// The file's size.
    pub bytes: u64,
    /// How long it took.
    #[serde(serialize_with = "as_seconds")]
    pub elapsed: Duration,
    /// What was left out or repaired.
    pub warnings: Vec<Warning>,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

/// Turns the recording in the folder `source` into the file `output`.
///
/// `output` appears by a renaming when it is whole. `progress` is called several times a second,
/// from one thread at a time. Once `halt` is set, it ends with [`Error::Stopped`], within a moment
/// or at the next safe point; the same call goes on later from the last finished segment.
///
/// # Errors
/// [`Error::is_transient`] tells whether the same call may succeed later. What is wrong with parts
/// of a recording is no error but a warning in the report.
pub fn convert<'a>(
    source: &Path,
    output: &Path,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    halt: impl Into<Halt<'a>>,
) -> Result<Report, Error> {
    let began = Instant::now();
    let processes = Processes::new(options.patience);
    let (film, span) = prepare(source, options, &processes)?;
    let inputs = fingerprint(&film.source, options);
    let (dir, name) = parts_of(output)?;
    let work_dir = work_dir(output, options)?;
    let work = Work::open(&work_dir, &inputs)?;
    let total = Millis(span.end.0 - span.start.0);
    let tell = |stage, ticks| {
        progress(Progress {
            stage,
            done: film.grid.instant(ticks).min(total),
            total,
        });
    };
    let unfinished = Unfinished::begin(dir.join(format!(".unfinished-{name}")))?;
    encode::run(&film, &work, &unfinished.path, &tell, halt.into())?;
    let bytes = std::fs::metadata(&unfinished.path)
        .map_err(|e| Error::io("reading", &unfinished.path, e))?
        .len();
    unfinished.finish(output)?;
    work.remove()?;
    film.fonts.report_missing(&film.timeline.warnings);
    Ok(Report {
        duration: total,
        size: options.size,
        bytes,
        elapsed: began.elapsed(),
        warnings: film.timeline.warnings.list(),
    })
}

/// The folder in which finished parts of the film `output` are kept until it is whole.
///
/// # Errors
/// [`Error::BadOption`] when `output` cannot be a file.
pub fn work_dir(output: &Path, options: &Options) -> Result<PathBuf, Error> {
    let (dir, name) = parts_of(output)?;
    Ok(options
        .work_dir
        .clone()
        .unwrap_or_else(|| dir.join(format!(".{name}.work"))))
}

/// Writes the frames that the film would have at the instants `at` into `dir` as PNG files; gives
/// them in that order, and what was left out.
///
/// # Errors
/// As [`convert`].
pub fn stills(
    source: &Path,
    at: &[Millis],
    dir: &Path,
    options: &Options,
) -> Result<(Vec<PathBuf>, Vec<Warning>), Error> {
    let processes = Processes::new(options.patience);
    let (film, _) = prepare(source, options, &processes)?;
    let written = encode::still::write(&film, at, dir)?;
    film.fonts.report_missing(&film.timeline.warnings);
    Ok((written, film.timeline.warnings.list()))
}

fn prepare<'a>(
    source: &Path,
    options: &Options,
    processes: &'a Processes,
) -> Result<(Film<'a>, Span), Error> {
    check_options(options)?;
    let source = Arc::new(Source::open(source)?);
    media::check(&options.tools, processes)?;
    let timeline = Timeline::read(&source)?;
    let found = Found::look(&source, &timeline, &options.tools, processes)?;
    let span = span(&source, &timeline, &found, options.range)?;
    let film = film(source, timeline, found, span, options, processes);
    Ok((film, span))
}

/// The film while it is not whole, locked; removed unless it gets its name. What a killed
/// conversion left is written over.
struct Unfinished {
    path: PathBuf,
    has_name: bool,
    /// Holds the lock until it is closed.
    _lock: File,
}

impl Unfinished {
    fn begin(path: PathBuf) -> Result<Unfinished, Error> {
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| Error::io("writing", &path, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
            Err(TryLockError::Error(e)) => return Err(Error::io("locking", &path, e)),
        }
        Ok(Unfinished {
            path,
            has_name: false,
            _lock: lock,
        })
    }

    fn finish(mut self, output: &Path) -> Result<(), Error> {
        encode::settle(&self.path, output)?;
        self.has_name = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.has_name {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

fn parts_of(output: &Path) -> Result<(PathBuf, String), Error> {
    let bad = |why: &str| Error::BadOption {
        option: "output",
        why: format!("{}: {why}", output.display()),
    };
    let name = output.file_name().ok_or_else(|| bad("not a file name"))?;
    let dir = match output.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let dir = dir.canonicalize().map_err(|e| bad(&e.to_string()))?;
    if output.is_dir() {
        return Err(bad("a folder"));
    }
    Ok((dir, name.to_string_lossy().into_owned()))
}

fn check_options(options: &Options) -> Result<(), Error> {
    let Size { width, height } = options.size;
    if ![width, height]
        .iter()
        .all(|side| (64..=8192).contains(side))
    {
        return Err(Error::BadSize { width, height });
    }
    let bad = |option, why: &str| {
        Err(Error::BadOption {
            option,
            why: why.to_string(),
        })
    };
    if width % 2 == 1 || height % 2 == 1 {
        return bad("size", "width and height must be even");
    }
    if !(1..=60).contains(&options.fps) {
        return bad("fps", "give 1 to 60 frames a second");
    }
    if options.quality > 51 {
        return bad("quality", "give 0 (best) to 51");
    }
    const PRESETS: [&str; 10] = [
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
    ];
    if !PRESETS.contains(&options.preset.as_str()) {
        return bad("preset", &format!("give one of {}", PRESETS.join(", ")));
    }
    Ok(())
}

/// The media of a recording, as far as they can be used.
#[derive(Default)]
struct Found {
    webcams: Option<Media>,
    share: Option<Media>,
    audio: Option<Media>,
}

impl Found {
    fn look(
        source: &Source,
        timeline: &Timeline,
        tools: &Tools,
        processes: &Processes,
    ) -> Result<Found, Error> {
        for name in [
            "video/webcams.webm",
            "video/webcams.mp4",
            "deskshare/deskshare.webm",
            "deskshare/deskshare.mp4",
            "audio/audio.webm",
            "audio/audio.ogg",
        ] {
            let metadata = std::fs::symlink_metadata(source.dir().join(name));
            let why = match metadata {
                Ok(m) if m.is_symlink() => "a symbolic link is not followed",
                Ok(m) if m.len() == 0 => "the file is empty",
                _ => continue,
            };
            timeline
                .warnings
                .add("media not used", Some(name.as_ref()), why);
        }
        let look = |path: Option<PathBuf>| -> Result<Option<Media>, Error> {
            let Some(path) = path else { return Ok(None) };
            let relative = path.strip_prefix(source.dir()).ok();
            let unusable = |why: String| {
                timeline.warnings.add("media not used", relative, why);
                Ok(None)
            };
            match media::probe(tools, processes, &path) {
                Ok(media) if media.video.is_none() && media.audio.is_none() => {
                    unusable("it holds neither picture nor sound".into())
                }
                Ok(media) => Ok(Some(media)),
                Err(error @ Error::Child { .. }) if !error.is_transient() => {
                    unusable(error.to_string())
                }
                Err(error @ Error::BadFile { .. }) => unusable(error.to_string()),
                Err(error) => Err(error),
            }
        };
        Ok(Found {
            webcams: look(source.webcams())?,
            share: look(source.deskshare())?.filter(|media| media.video.is_some()),
            audio: look(source.audio())?,
        })
    }

    fn longest(&self) -> Option<Millis> {
        [&self.webcams, &self.audio, &self.share]
            .into_iter()
            .flatten()
            .filter_map(|media| media.duration)
            .max()
    }
}

/// From when to when the film goes.
fn span(
    source: &Source,
    timeline: &Timeline,
    found: &Found,
    range: Option<Span>,
) -> Result<Span, Error> {
    let no_length = |why: &str| Error::NoLength {
        path: source.dir().to_path_buf(),
        why: why.to_string(),
    };
    let length = match timeline.duration {
        Some(Millis(0)) => return Err(no_length("metadata.xml says 0")),
        Some(length) => length,
        None => {
            let length = found
                .longest()
                .filter(|length| length.0 > 0)
                .ok_or_else(|| no_length("neither metadata.xml nor the media tell it"))?;
            timeline.warnings.add(
                "length taken from the media",
                Some("metadata.xml".as_ref()),
                "it does not tell the recording's length",
            );
            length
        }
    };
    if length > LONGEST {
        return Err(Error::BadFile {
            path: PathBuf::from("metadata.xml"),
            why: format!("{length} s is too long to be a recording's length"),
        });
    }
    let Some(range) = range else {
        return Ok(Span {
            start: Millis::ZERO,
            end: length,
        });
    };
    let end = range.end.min(length);
    if range.start >= end {
        return Err(Error::BadOption {
            option: "start",
            why: format!("it lies at or after the end ({end} s)"),
        });
    }
    Ok(Span {
        start: range.start,
        end,
    })
}

fn film<'a>(
    source: Arc<Source>,
    timeline: Timeline,
    found: Found,
    span: Span,
    options: &Options,
    processes: &'a Processes,
) -> Film<'a> {
    let grid = Grid::new(options.fps);
    let (start, end) = (grid.tick(span.start), grid.tick(span.end));
    let size_of = |media: &Option<Media>| media.as_ref()?.video.as_ref().map(|v| v.size);
    let rate_of = |media: &Option<Media>| media.as_ref()?.video.as_ref().map(|v| v.rate);
    let webcams_size = size_of(&found.webcams);
    let arrangement = Arrangement {
        layout: options.layout,
        frame: options.size,
        webcams: webcams_size,
        share: size_of(&found.share),
    };
    let stretches = encode::stretches(&timeline, arrangement, grid, start, end);
    let mut changes: Vec<_> = timeline
        .changes()
        .into_iter()
        .map(|t| grid.tick(t))
        .collect();
    changes.dedup();
    let webcams_step = rate_of(&found.webcams).map_or(grid.step, |rate| grid.step_of(rate));
    let share_step = rate_of(&found.share).map_or(grid.step, |rate| grid.step_of(rate));
    let with_sound = |media: &&Media| media.audio.is_some();
    let sound = match [&found.webcams, &found.audio]
        .into_iter()
        .flatten()
        .find(with_sound)
    {
        Some(media) => Sound::From(media.clone()),
        None => {
            timeline.warnings.add(
                "no sound",
                None,
                "the recording has none; the film gets a silent track",
            );
            Sound::Silence
        }
    };
    let stage = layout::stage(options.layout, options.size, webcams_size);
    let fonts = Arc::new(Fonts::system());
    fonts.report(&timeline.warnings);
    let bare = stretches.iter().any(encode::Stretch::shows_nothing);
    let card = bare.then(|| {
        let size = Size {
            width: stage.width,
            height: stage.height,
        };
        encode::card::draw(&source, size, options.background, &fonts)
    });
    Film {
        processes,
        tools: options.tools.clone(),
        source,
        fonts,
        card,
        frame: options.size,
        background: options.background,
        grid,
        stage,
        stretches,
        changes,
        webcams_step,
        share_step,
        webcams: found.webcams.filter(|media| media.video.is_some()),
        share: found.share,
        sound,
        coding: Coding::of(options),
        chapters: options.chapters,
        captions: options.captions,
        threads: options
            .threads
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1),
        longest_segment: options.longest_segment,
        timeline: Arc::new(timeline),
    }
}

#[derive(Serialize)]
struct Fingerprint {
    version: &'static str,
    options: String,
    files: Vec<(PathBuf, u64, i128)>,
}

/// What finished parts depend on: the options that matter, and every file by size and time.
fn fingerprint(source: &Source, options: &Options) -> Fingerprint {
    let mut files = Vec::new();
    let mut folders = vec![source.dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                use std::os::unix::fs::MetadataExt;
                let time = i128::from(metadata.mtime()) * 1_000_000_000
                    + i128::from(metadata.mtime_nsec());
                files.push((entry.path(), metadata.len(), time));
            }
        }
    }
    files.sort();
    Fingerprint {
        version: env!("CARGO_PKG_VERSION"),
        options: format!(
            "{:?} {} {} {:?} {} {} {:?}",
            options.size,
            options.fps,
            options.layout,
            options.background,
            options.preset,
            options.quality,
            options.range
        ),
        files,
    }
}
