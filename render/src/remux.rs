//! A playback format that is a media file already (`video`, `screenshare`, `podcast`) turned into
//! the MP4 that Pod takes: streams that fit are copied, others are coded again.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::convert::{Options, Progress, Report};
use crate::encode::Coding;
use crate::encode::process::{Pipe, Process, quiet};
use crate::encode::{COPIED, Processes, Stage, loudness, settle};
use crate::error::Error;
use crate::geometry::Size;
use crate::media::{self, Media};
use crate::options::AudioCoding;
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::Span;
use crate::warning::Warnings;

/// Names of media files in the formats that BBB publishes as such
/// (`video/<id>/video-0.m4v`, `screenshare/<id>/screenshare-0.webm`, `podcast/<id>/audio.ogg`).
const EXTENSIONS: [&str; 9] = [
    "m4v", "mp4", "webm", "mkv", "mov", "ogg", "m4a", "mp3", "wav",
];
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Turns the media file in the published folder `source` into the file `output`.
///
/// Sound without a picture gets a plain one; a picture without sound gets a silent track, because
/// Pod has failed on videos without sound.
///
/// # Errors
/// As [`crate::convert::convert`].
pub fn remux(
    source: &Path,
    output: &Path,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Report, Error> {
    let began = Instant::now();
    let processes = Processes::new(options.patience);
    media::check(&options.tools, &processes)?;
    let source = Source::open(source)?;
    let file = largest(&source)?;
    let media = media::probe(&options.tools, &processes, &file)?;
    let total = match media.duration {
        Some(total) if total > Millis::ZERO && (media.video.is_some() || media.audio.is_some()) => {
            total
        }
        _ => {
            return Err(Error::NoLength {
                path: file,
                why: "the media file does not tell it".into(),
            });
        }
    };
    let warnings = Warnings::default();
    let done = AtomicU64::new(0);
    let tell = || {
        progress(Progress {
            stage: Stage::Encoding,
            done: Millis(done.load(Ordering::Relaxed)).min(total),
            total,
        });
    };
    let unfinished = beside(output);
    let make = || {
        let arguments = arguments(&media, &file, options, &warnings, total, &processes)?;
        let mut command = quiet(&options.tools.ffmpeg);
        command
            .args(["-nostdin", "-y"])
            .args(arguments)
            .args(["-progress", "pipe:1"])
            .arg(file_url(&unfinished));
        let mut process = processes.spawn(&mut command, "making the film", Pipe::Output)?;
        follow(&mut process, &done);
        process.finish()
    };
    let made = watched(&processes, &tell, stop, make);
    if made.is_err() {
        std::fs::remove_file(&unfinished).ok();
    }
    made?;
    let bytes = std::fs::metadata(&unfinished)
        .map_err(|e| Error::io("reading", &unfinished, e))?
        .len();
    settle(&unfinished, output)?;
    Ok(Report {
        duration: total,
        size: media.video.map_or(options.size, |video| video.size),
        bytes,
        elapsed: began.elapsed(),
        warnings: warnings.list(),
    })
}

/// The media file of the format: others beside it are small previews.
fn largest(source: &Source) -> Result<PathBuf, Error> {
    let dir = source.dir();
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("reading", dir, e))?;
    let media = entries.filter_map(Result::ok).filter_map(|entry| {
        let path = entry.path();
        let kind = path.extension()?.to_str()?.to_ascii_lowercase();
        let metadata = entry.metadata().ok()?;
        let fits = metadata.is_file() && metadata.len() > 0 && EXTENSIONS.contains(&kind.as_str());
        fits.then_some((metadata.len(), path))
    });
    media
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| Error::NotARecording {
            path: dir.to_path_buf(),
            why: "there is no media file in it".into(),
        })
}

fn arguments(
    media: &Media,
    file: &Path,
    options: &Options,
    warnings: &Warnings,
    total: Millis,
    processes: &Processes,
) -> Result<Vec<OsString>, Error> {
    let mut all: Vec<OsString> = media::input(file);
    let Size { width, height } = options.size;
    match &media.video {
        Some(_) => {}
        None => {
            warnings.add(
                "no picture",
                None,
                "the recording is sound only; the film is plain",
            );
            add(
                &mut all,
                &[
                    "-f",
                    "lavfi",
                    "-i",
                    &format!("color=c=0x1f2937:s={width}x{height}:r=1"),
                ],
            );
        }
    }
    if media.audio.is_none() {
        warnings.add(
            "no sound",
            None,
            "the recording has none; the film gets a silent track",
        );
        add(&mut all, &["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono"]);
    }
    let (picture, sound) = match (&media.video, &media.audio) {
        (Some(_), Some(_)) => ("0:v:0", "0:a:0"),
        (Some(_), None) => ("0:v:0", "1:a:0"),
        _ => ("1:v:0", "0:a:0"),
    };
    add(
        &mut all,
        &["-map", picture, "-map", sound, "-map_metadata", "-1"],
    );
    if media
        .video
        .as_ref()
        .is_some_and(|video| video.codec == "h264")
    {
        add(&mut all, &["-c:v", "copy"]);
    } else {
        let compression = Coding::of(options, processes)?.compression_args();
        all.extend(compression.into_iter().map(OsString::from));
        add(&mut all, &["-pix_fmt", "yuv420p"]);
        // x264 takes only even sides.
        add(&mut all, &["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2"]);
    }
    let copied = match (&media.audio, options.audio) {
        (Some(audio), AudioCoding::Aac) => audio.codec == "aac",
        (Some(audio), AudioCoding::Copy) => COPIED.contains(&&*audio.codec),
        (None, _) => false,
    };
    match (options.loudness, &media.audio) {
        (Some(target), Some(_)) => {
            let whole = Span {
                start: Millis::ZERO,
                end: total,
            };
            let level = loudness(&options.tools, processes, media, whole, target)?.filter();
            if !level.is_empty() {
                add(&mut all, &["-af", level.trim_end_matches(',')]);
            }
            add(&mut all, &["-c:a", "aac", "-b:a", "128k"]);
        }
        _ if copied => add(&mut all, &["-c:a", "copy", "-strict", "experimental"]),
        _ => add(&mut all, &["-c:a", "aac", "-b:a", "128k"]),
    }
    if let (Some(language), Some(_)) = (options.language, &media.audio) {
        let tag = format!("language={language}");
        add(&mut all, &["-metadata:s:a:0", &tag]);
    }
    // What is generated has no end of its own.
    add(
        &mut all,
        &[
            "-t",
            &total.to_string(),
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
        ],
    );
    Ok(all)
}

fn add(all: &mut Vec<OsString>, words: &[&str]) {
    all.extend(words.iter().map(OsString::from));
}

/// Looks after the children of `work` while it goes on.
fn watched(
    processes: &Processes,
    tell: &(dyn Fn() + Sync),
    stop: &AtomicBool,
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                if stop.load(Ordering::Relaxed) {
                    processes.stop();
                }
                processes.kill_stuck();
                tell();
                std::thread::park_timeout(LOOK_EVERY);
            }
        });
        let result = work();
        ended.store(true, Ordering::Release);
        if stop.load(Ordering::Relaxed) && result.is_err() {
            Err(Error::Stopped)
        } else {
            result
        }
    })
}

/// Reads ffmpeg's own report: lines of `key=value`, among them `out_time_us`, in microseconds.
fn follow(process: &mut Process, done: &AtomicU64) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = process.read(&mut buffer) {
        // The report is ASCII; anything else is passed over with its line.
        let _ = (&buffer[..n]).read_to_string(&mut text);
        while let Some((line, rest)) = text.split_once('\n') {
            if let Some(Ok(micros)) = line.strip_prefix("out_time_us=").map(str::parse::<u64>) {
                done.store(micros / 1000, Ordering::Relaxed);
            }
            text = rest.to_owned();
        }
    }
}

/// A name in the same folder that nobody takes for a finished film.
fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".unfinished-{}-{name}", std::process::id()))
}

fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn folder(arguments: &[&str], name: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-v", "error"])
            .args(arguments)
            .arg(dir.path().join(name));
        assert!(command.status().unwrap().success());
        dir
    }

    fn made(dir: &Path) -> (Report, Media) {
        let output = dir.join("out.mp4");
        let report = remux(
            dir,
            &output,
            &Options::default(),
            &|_| {},
            &AtomicBool::new(false),
        )
        .unwrap();
        let media = media::probe(
            &media::Tools::default(),
            &Processes::new(Duration::from_secs(60)),
            &output,
        )
        .unwrap();
        assert!(
            media.duration.unwrap().0.abs_diff(report.duration.0) < 100,
            "{media:?} {report:?}"
        );
        (report, media)
    }

    #[test]
    fn streams_that_fit_are_copied_and_others_coded() {
        let source = [
            "-f",
            "lavfi",
            "-i",
            "testsrc=s=321x241:d=2",
            "-f",
            "lavfi",
            "-i",
            "sine=d=2",
        ];
        let webm = [&source[..], &["-c:v", "libvpx", "-c:a", "libvorbis"]].concat();
        let (report, media) = made(folder(&webm, "screenshare-0.webm").path());
        assert_eq!(media.video.as_ref().unwrap().codec, "h264");
        assert_eq!(
            media.video.unwrap().size,
            Size {
                width: 320,
                height: 240
            }
        );
        assert_eq!(media.audio.unwrap().codec, "aac");
        assert!(report.warnings.is_empty());
        let mp4 = [
            &source[..],
            &[
                "-s", "320x240", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac",
            ],
        ]
        .concat();
        let (_, media) = made(folder(&mp4, "video-0.m4v").path());
        assert_eq!(media.audio.unwrap().codec, "aac");
    }

    #[test]
    fn what_is_missing_is_made_up_with_a_warning() {
        let podcast = folder(
            &["-f", "lavfi", "-i", "sine=d=2", "-c:a", "libvorbis"],
            "audio.ogg",
        );
        let (report, media) = made(podcast.path());
        assert_eq!(
            media.video.unwrap().size,
            Size {
                width: 1280,
                height: 720
            }
        );
        assert!(report.warnings[0].to_string().contains("no picture"));
        let silent = folder(
            &[
                "-f",
                "lavfi",
                "-i",
                "testsrc=d=1",
                "-c:v",
                "libx264",
                "-pix_fmt",
                "yuv420p",
            ],
            "video-0.m4v",
        );
        let (report, media) = made(silent.path());
        assert!(media.audio.is_some());
        assert!(report.warnings[0].to_string().contains("no sound"));
    }

    #[test]
    fn no_media_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::default();
        let error = remux(
            dir.path(),
            &dir.path().join("o.mp4"),
            &options,
            &|_| {},
            &AtomicBool::new(false),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no media file"), "{error}");
        std::fs::write(dir.path().join("video-0.mp4"), b"not media").unwrap();
        let error = remux(
            dir.path(),
            &dir.path().join("o.mp4"),
            &options,
            &|_| {},
            &AtomicBool::new(false),
        )
        .unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
