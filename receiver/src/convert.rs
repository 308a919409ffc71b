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
use indicatif::{ProgressBar, ProgressStyle};
use render::convert::{Options, Progress, Report, Stage, convert};
use render::geometry::{Rgb, Size};
use render::layout::Layout;
use render::time::Millis;
use render::timeline::Span;
use serde_json::json;

/// Bad usage or bad input: running the same again cannot help.
const BAD_INPUT: u8 = 2;
/// On something else than a terminal, progress is told this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Turn a published recording into an MP4.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of a published presentation: published/presentation/<record id>
    source: PathBuf,

    /// The MP4 to write; it appears when it is whole
    #[arg(short, long, required_unless_present_any = ["frames", "explain"])]
    output: Option<PathBuf>,

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

    /// screen, or a preset of x264 from ultrafast to veryslow; slower ones make smaller files
    #[arg(long, default_value_t = Options::default().preset)]
    preset: String,

    /// Constant rate factor of x264: 0 (best) to 51 (smallest)
    #[arg(long, default_value_t = Options::default().quality)]
    quality: u8,

    /// Colour around the slide, as f3f6f9
    #[arg(long, value_parser = colour, default_value = "f3f6f9")]
    background: Rgb,

    /// Add a chapter per slide
    #[arg(long)]
    chapters: bool,

    /// Add a track per language of captions
    #[arg(long)]
    captions: bool,

    /// Where the film starts: seconds, or hours:minutes:seconds
    #[arg(long, value_parser = instant, value_name = "TIME")]
    start: Option<Millis>,

    /// Where the film ends
    #[arg(long, value_parser = instant, value_name = "TIME")]
    end: Option<Millis>,

    /// How many parts are encoded at once; as many as there are cores unless given
    #[arg(long)]
    threads: Option<usize>,

    /// Folder for finished parts, from which a stopped conversion goes on; a hidden one beside the
    /// MP4 unless given
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,

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

/// Runs the command: 0 done, 2 bad usage or input, 1 anything else.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = options(&args);
    if !args.explain.is_empty() {
        return explain(&args);
    }
    if let Some(dir) = &args.frames {
        return Ok(frames(&args, dir, &options));
    }
    let Some(output) = args.output.clone() else {
        anyhow::bail!("give the MP4 to write with --output");
    };
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(Arc::clone(&stop))?;
    let teller = Teller::new(&args);
    let result = convert(
        &args.source,
        &output,
        &options,
        &|progress| teller.progress(progress),
        &*stop,
    );
    teller.clear();
    let report = match result {
        Ok(report) => report,
        Err(error) => return Ok(teller.failed(&error)),
    };
    if let Some(sheet) = &args.sheet
        && let Err(error) = render::sheet::write(&output, report.duration, sheet, &options.tools)
    {
        return Ok(teller.failed(&error));
    }
    teller.done(&report, &output)?;
    Ok(ExitCode::SUCCESS)
}

fn explain(args: &Args) -> anyhow::Result<ExitCode> {
    match render::explain::explain(&args.source, &args.explain) {
        Ok(explanations) => {
            for explanation in &explanations {
                say(&serde_json::to_string_pretty(explanation)?);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(Teller::new(args).failed(&error)),
    }
}

fn frames(args: &Args, dir: &Path, options: &Options) -> ExitCode {
    let written = if options.layout == Layout::PresentationOnly {
        let (size, background) = (options.size, options.background);
        render::frames::frames(&args.source, &args.at, dir, size, background)
    } else {
        render::convert::stills(&args.source, &args.at, dir, options)
    };
    let (files, warnings) = match written {
        Ok(written) => written,
        Err(error) => return Teller::new(args).failed(&error),
    };
    if args.json {
        print_json(&json!({ "event": "done", "frames": files, "warnings": warnings }));
    } else {
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
        for file in &files {
            say(&file.display().to_string());
        }
    }
    ExitCode::SUCCESS
}

fn options(args: &Args) -> Options {
    let range = (args.start.is_some() || args.end.is_some()).then(|| Span {
        start: args.start.unwrap_or(Millis::ZERO),
        end: args.end.unwrap_or(Millis(u64::MAX)),
    });
    let height = args.height & !1;
    Options {
        size: args.size.unwrap_or(Size {
            width: (height.saturating_mul(16) / 9 + 1) & !1,
            height,
        }),
        fps: args.fps,
        layout: args.layout,
        background: args.background,
        preset: args.preset.clone(),
        quality: args.quality,
        chapters: args.chapters,
        captions: args.captions,
        range,
        threads: args.threads,
        work_dir: args.work_dir.clone(),
        ..Options::default()
    }
}

/// Sets `stop` on the first Ctrl-C or SIGTERM.
fn stop_on_signals(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("waiting for signals")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut terminate) = signal(SignalKind::terminate()) else {
                return;
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    Ok(())
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

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn failed(&self, error: &render::error::Error) -> ExitCode {
        if self.json {
            print_json(&json!({
                "event": "error",
                "message": error.to_string(),
                "retry": error.is_transient(),
            }));
        } else {
            eprintln!("error: {error}");
        }
        if error.is_transient() {
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

fn size(text: &str) -> Result<Size, String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match parsed {
        Some((width, height)) => Ok(Size { width, height }),
        None => Err("give width and height as 1280x720".into()),
    }
}

fn colour(text: &str) -> Result<Rgb, String> {
    let digits = text.trim_start_matches('#');
    let wrong = || "give six hexadecimal digits, as f3f6f9".to_string();
    if digits.len() != 6 || !digits.is_ascii() {
        return Err(wrong());
    }
    let value = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
    let [_, red, green, blue] = value.to_be_bytes();
    Ok(Rgb(red, green, blue))
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
    }
}
