//! `convert`: one recording turned into one MP4, on the command line.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use render::convert::{Options, Progress, Report, Stage, convert};
use render::time::Millis;
use render::timeline::Span;
use serde_json::json;

use crate::film::FilmArgs;
use crate::playback;
use crate::source::{self, Brought, SourceError};

/// Bad usage or bad input: running the same again cannot help.
const BAD_INPUT: u8 = 2;
/// Nobody answered.
const UNREACHABLE: u8 = 3;
/// On something else than a terminal, progress is told this often.
const TELL_EVERY: Duration = Duration::from_secs(10);
const TELL_JSON_EVERY: Duration = Duration::from_millis(500);

/// Turn a published recording into an MP4.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of a published presentation (published/presentation/<record id>), a tar of one, or
    /// the address of its playback page
    source: PathBuf,

    /// The MP4 to write; it appears when it is whole
    #[arg(short, long, required_unless_present_any = ["frames", "explain"])]
    output: Option<PathBuf>,

    #[command(flatten)]
    film: FilmArgs,

    /// Where the film starts: seconds, or hours:minutes:seconds
    #[arg(long, value_parser = instant, value_name = "TIME")]
    start: Option<Millis>,

    /// Where the film ends
    #[arg(long, value_parser = instant, value_name = "TIME")]
    end: Option<Millis>,

    /// How many parts are encoded at once; as many as there are cores unless given
    #[arg(long)]
    threads: Option<usize>,

    /// Folder for finished parts, from which a stopped conversion goes on, and for a source that had
    /// to be brought; as large as the film and the source; a hidden one beside the MP4 unless given
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,

    /// File of authorities to trust besides the system's, for an address
    #[arg(long, value_name = "PEM")]
    ca_file: Option<PathBuf>,

    /// How fast a recording is downloaded at most, as 5MB (a second)
    #[arg(long, value_name = "RATE")]
    bandwidth_limit: Option<ByteSize>,

    /// Also write a contact sheet of the film
    #[arg(long, value_name = "PNG", requires = "output")]
    sheet: Option<PathBuf>,

    /// Write single frames into this folder as PNG, instead of the film; with --layout
    /// presentation-only exactly the presentation area
    #[arg(long, value_name = "FOLDER", requires = "at")]
    frames: Option<PathBuf>,

    /// Instants for --frames, as 12.3,45
    #[arg(long, value_parser = instant, value_delimiter = ',', value_name = "TIMES")]
    at: Vec<Millis>,

    /// Print what is on the screen at these instants and why, as JSON, instead of making the film
    #[arg(long, value_parser = instant, value_delimiter = ',', value_name = "TIMES")]
    explain: Vec<Millis>,

    /// Tell progress, warnings and the result as one JSON object per line on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command: 0 done, 2 bad usage or input, 3 server not reached, 1 anything else.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = options(&args);
    let stop = Stop::on_signals()?;
    let teller = Teller::new(&args);
    let (work_dir, _temporary) = match place_for_source(&args, &options)? {
        Ok(place) => place,
        Err(error) => return Ok(teller.failed(&error)),
    };
    let wanted = source::Wanted {
        source: &args.source,
        work_dir: &work_dir,
        limits: playback::Limits {
            rate: args.bandwidth_limit.map(|rate| rate.as_u64()),
            ..playback::Limits::default()
        },
        ca_file: args.ca_file.as_deref(),
        stop: Arc::clone(&stop.asked),
    };
    let brought = match source::bring(&wanted, &|progress| teller.download(progress)) {
        Ok(brought) => brought,
        Err(error) => return Ok(teller.not_brought(&error)),
    };
    teller.missing(&brought);
    let done = if !args.explain.is_empty() {
        stop.at_once();
        explain(&args, &brought.folder)
    } else if let Some(dir) = &args.frames {
        stop.at_once();
        frames(&args, &brought.folder, dir, &options)
    } else {
        film(&args, &brought.folder, &options, &teller, &stop.asked)
    };
    teller.clear();
    let Err(error) = done else {
        brought.remove();
        return Ok(ExitCode::SUCCESS);
    };
    let error = error.downcast::<render::error::Error>()?;
    // What may succeed later goes on from what has been brought.
    if !error.is_transient() {
        brought.remove();
    }
    Ok(teller.failed(&error))
}

/// The folder of work in which a source that is not at hand is kept: that of the film, so that
/// the same command finds it again; for single pictures one that goes when they are made.
fn place_for_source(
    args: &Args,
    options: &Options,
) -> anyhow::Result<Result<(PathBuf, Option<tempfile::TempDir>), render::error::Error>> {
    if source::is_at_hand(&args.source) {
        return Ok(Ok((PathBuf::new(), None)));
    }
    let makes_film = args.frames.is_none() && args.explain.is_empty();
    if let Some(output) = args.output.as_deref().filter(|_| makes_film) {
        return Ok(render::convert::work_dir(output, options).map(|dir| (dir, None)));
    }
    if let Some(dir) = &args.work_dir {
        return Ok(Ok((dir.clone(), None)));
    }
    let temporary = tempfile::tempdir().context("making a folder for the source")?;
    Ok(Ok((temporary.path().join("work"), Some(temporary))))
}

fn film(
    args: &Args,
    folder: &Path,
    options: &Options,
    teller: &Teller,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let Some(output) = &args.output else {
        anyhow::bail!("give the MP4 to write with --output");
    };
    let report = convert(
        folder,
        output,
        options,
        &|progress| teller.progress(progress),
        stop,
    )?;
    if let Some(sheet) = &args.sheet {
        render::sheet::write(output, report.duration, sheet, &options.tools)?;
    }
    teller.clear();
    teller.done(&report, output)
}

fn explain(args: &Args, folder: &Path) -> anyhow::Result<()> {
    for explanation in render::explain::explain(folder, &args.explain)? {
        say(&serde_json::to_string_pretty(&explanation)?);
    }
    Ok(())
}

fn frames(args: &Args, folder: &Path, dir: &Path, options: &Options) -> anyhow::Result<()> {
    let (files, warnings) = if options.show_presentation_alone() {
        let (size, background) = (options.size, options.background);
        render::frames::frames(folder, &args.at, dir, size, background)?
    } else {
        render::convert::stills(folder, &args.at, dir, options)?
    };
    if args.json {
        print_json(&json!({ "event": "done", "frames": files, "warnings": warnings }));
        return Ok(());
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    for file in &files {
        say(&file.display().to_string());
    }
    Ok(())
}

fn options(args: &Args) -> Options {
    let range = (args.start.is_some() || args.end.is_some()).then(|| Span {
        start: args.start.unwrap_or(Millis::ZERO),
        end: args.end.unwrap_or(Millis(u64::MAX)),
    });
    Options {
        range,
        threads: args.threads,
        work_dir: args.work_dir.clone(),
        ..args.film.options()
    }
}

/// What Ctrl-C and SIGTERM do.
struct Stop {
    /// Set by the first of them.
    asked: Arc<AtomicBool>,
    /// Whether nobody looks at that, so that the process ends at once.
    at_once: Arc<AtomicBool>,
}

impl Stop {
    fn on_signals() -> anyhow::Result<Stop> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("waiting for signals")?;
        let stop = Stop {
            asked: Arc::default(),
            at_once: Arc::default(),
        };
        let (asked, at_once) = (Arc::clone(&stop.asked), Arc::clone(&stop.at_once));
        std::thread::spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let Ok(mut terminate) = signal(SignalKind::terminate()) else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = tokio::signal::ctrl_c() => {}
                        _ = terminate.recv() => {}
                    }
                    if asked.swap(true, Ordering::Relaxed) || at_once.load(Ordering::Relaxed) {
                        std::process::exit(1);
                    }
                }
            });
        });
        Ok(stop)
    }

    /// From now on the process ends at the first signal, as programs do.
    fn at_once(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }
}

/// Tells the user what happens: a bar, plain lines, or JSON.
struct Teller {
    json: bool,
    bar: Option<ProgressBar>,
    told: Mutex<Option<Instant>>,
}

impl Teller {
    fn new(args: &Args) -> Teller {
        let bar = (!args.json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}% {prefix} {eta} left")
            {
                bar.set_style(style);
            }
            bar
        });
        Teller {
            json: args.json,
            bar,
            told: Mutex::default(),
        }
    }

    fn progress(&self, progress: Progress) {
        let stage = match progress.stage {
            Stage::Reading => "reading",
            Stage::Encoding => "encoding",
            Stage::Joining => "joining",
        };
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total.0);
            bar.set_position(progress.done.0);
            bar.set_message(stage);
            let speed = progress.done.seconds() / bar.elapsed().as_secs_f64().max(0.1);
            bar.set_prefix(format!("{speed:.0}x"));
            return;
        }
        if self.json {
            print_json(&json!({
                "event": "progress",
                "stage": progress.stage,
                "done_ms": progress.done,
                "total_ms": progress.total,
            }));
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            eprintln!("{stage}: {} of {} s", progress.done, progress.total);
        }
    }

    fn download(&self, progress: playback::Progress<'_>) {
        let playback::Progress { file, done, total } = progress;
        if let Some(bar) = &self.bar {
            bar.set_length(total.unwrap_or(done));
            bar.set_position(done);
            bar.set_message(format!("downloading {file}"));
            bar.set_prefix(format!("{}", ByteSize(done)));
            return;
        }
        // A file comes in thousands of pieces.
        let ended = total == Some(done);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.json {
            // Most files are there before anybody can read their names.
            told.get_or_insert_with(Instant::now);
        }
        let pause = if self.json {
            TELL_JSON_EVERY
        } else {
            TELL_EVERY
        };
        if !(ended && self.json) && told.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        *told = Some(Instant::now());
        if self.json {
            print_json(&json!({
                "event": "progress",
                "stage": "downloading",
                "file": file,
                "done_bytes": done,
                "total_bytes": total,
            }));
        } else {
            let of = total.map(|total| format!(" of {}", ByteSize(total)));
            eprintln!(
                "downloading {file}: {}{}",
                ByteSize(done),
                of.unwrap_or_default()
            );
        }
    }

    fn missing(&self, brought: &Brought) {
        for (file, why) in &brought.missing {
            if self.json {
                print_json(&json!({ "event": "warning", "file": file, "message": why }));
            } else {
                eprintln!("warning: {file}: {why}");
            }
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn failed(&self, error: &render::error::Error) -> ExitCode {
        self.error(&error.to_string(), error.is_transient())
    }

    fn not_brought(&self, error: &SourceError) -> ExitCode {
        let code = self.error(&error.to_string(), error.is_transient());
        if error.is_unreachable() {
            return ExitCode::from(UNREACHABLE);
        }
        code
    }

    fn error(&self, message: &str, is_transient: bool) -> ExitCode {
        self.clear();
        if self.json {
            print_json(&json!({ "event": "error", "message": message, "retry": is_transient }));
        } else {
            eprintln!("error: {message}");
        }
        if is_transient {
            ExitCode::FAILURE
        } else {
            ExitCode::from(BAD_INPUT)
        }
    }

    fn done(&self, report: &Report, output: &Path) -> anyhow::Result<()> {
        if self.json {
            let mut event = serde_json::to_value(report)?;
            event["event"] = json!("done");
            event["output"] = json!(output);
            print_json(&event);
            return Ok(());
        }
        for warning in &report.warnings {
            eprintln!("warning: {warning}");
        }
        let seconds = report.elapsed.as_secs_f64();
        say(&format!(
            "{}: {} s, {}x{}, {:.1} MB, made in {seconds:.1} s ({:.1} times real time)",
            output.display(),
            report.duration,
            report.size.width,
            report.size.height,
            report.bytes as f64 / 1e6,
            report.duration.seconds() / seconds.max(0.001),
        ));
        Ok(())
    }
}

fn print_json(event: &serde_json::Value) {
    say(&event.to_string());
}

/// Nobody may be listening any more, which is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn instant(text: &str) -> Result<Millis, String> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        let value: f64 = part
            .parse()
            .ok()
            .filter(|value: &f64| *value >= 0.0)
            .ok_or("give seconds as 90.5, or hours:minutes:seconds as 0:01:30.5")?;
        seconds = seconds * 60.0 + value;
    }
    Millis::from_seconds(seconds).ok_or_else(|| "not a number of seconds".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(instant("90.5"), Ok(Millis(90_500)));
        assert_eq!(instant("1:30.5"), Ok(Millis(90_500)));
        assert_eq!(instant("2:00:00"), Ok(Millis(7_200_000)));
        for wrong in ["", "a", "-1", "1:-2", "nan", "inf"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
