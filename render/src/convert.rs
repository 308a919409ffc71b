//! One recording turned into one MP4: the whole of it in one call.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::encode::{self, Film, Processes, Work};
use crate::error::Error;
use crate::geometry::Size;
use crate::media::{self, Media, Tools};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{Span, Timeline};
use crate::warning::Warning;

pub use crate::encode::{Halt, Stage};
pub use crate::options::Options;

/// Longer recordings than this are taken for a mistake in their metadata.
const LONGEST: Millis = Millis(72 * 3600 * 1000);

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
    unfinished.finish(&dir.join(&name))?;
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
    options.check()?;
    let source = Arc::new(Source::open(source)?);
    media::check(&options.tools, processes)?;
    let timeline = Timeline::read(&source)?;
    let found = Found::look(&source, &timeline, &options.tools, processes)?;
    let span = span(&source, &timeline, &found, options.range)?;
    let film = encode::prepare(source, timeline, found, span, options, processes)?;
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
    // A film takes its name by a renaming, which would put it in the place of a device or a link.
    let linked = fs::symlink_metadata(output).is_ok_and(|found| found.is_symlink());
    let followed = match linked {
        true => Some(output.canonicalize().map_err(|e| bad(&e.to_string()))?),
        false => None,
    };
    let output = followed.as_deref().unwrap_or(output);
    if fs::metadata(output).is_ok_and(|found| !found.is_file()) {
        return Err(bad("there is something that is no regular file"));
    }
    let name = output.file_name().ok_or_else(|| bad("not a file name"))?;
    let dir = match output.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let dir = dir.canonicalize().map_err(|e| bad(&e.to_string()))?;
    Ok((dir, name.to_string_lossy().into_owned()))
}

/// The media of a recording, as far as they can be used.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) webcams: Option<Media>,
    pub(crate) share: Option<Media>,
    pub(crate) audio: Option<Media>,
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
                files.push((entry.path(), metadata.len(), changed_at(&metadata)));
            }
        }
    }
    let watermark = options.watermark.iter().map(|watermark| &watermark.image);
    for image in watermark {
        if let Ok(metadata) = std::fs::metadata(image) {
            files.push((image.clone(), metadata.len(), changed_at(&metadata)));
        }
    }
    files.sort();
    let usual = Options::default();
    let matters = Options {
        threads: usual.threads,
        work_dir: usual.work_dir,
        longest_segment: usual.longest_segment,
        patience: usual.patience,
        tools: usual.tools,
        ..options.clone()
    };
    Fingerprint {
        version: env!("CARGO_PKG_VERSION"),
        options: format!("{matters:?}"),
        files,
    }
}

/// In nanoseconds since 1970.
fn changed_at(metadata: &std::fs::Metadata) -> i128 {
    use std::os::unix::fs::MetadataExt;
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}
