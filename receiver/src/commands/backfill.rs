//! `backfill`: brings what servers have on which nothing can be installed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Args as ClapArgs;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use recording::PlaybackFormat;
use serde::Serialize;

use super::{ConfigArg, Usage, print};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::playback::{Connection, Limits};
use crate::servers::{self, Asked, Errand, ListError, Listed, Playback, Server};

/// What is asked for.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  bbb2pod-receiver backfill --server old-bbb --dry-run
  bbb2pod-receiver backfill --server old-bbb --cached --since 2020-09-01 --until 2021-09-01 --report 2020.csv
  bbb2pod-receiver backfill --server scalelite --format video --min 1 --max 100
  bbb2pod-receiver backfill --server slow --meetings meeting-ids.txt

Exit codes: 0 done, 1 something was not brought, 2 usage, settings or a refused checksum, 3 the server cannot be reached")]
pub(super) struct Args {
    /// The server, by its name in `servers`
    #[arg(long, value_name = "NAME")]
    server: String,
    /// Recordings that began on this day or later (2024-09-01)
    #[arg(long, value_name = "DAY")]
    since: Option<Date>,
    /// Recordings that began before this day
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    /// Which formats; may be given several times
    #[arg(long, value_name = "FORMAT", default_values = ["video", "presentation"])]
    format: Vec<PlaybackFormat>,
    /// Only meetings whose ids are in this file, one a line; they are asked for in small windows
    #[arg(long, value_name = "FILE")]
    meetings: Option<PathBuf>,
    /// States to ask for, as published,unpublished or any; otherwise the server's default
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<String>,
    /// Begin with the N-th of those that are to be brought, the oldest first
    #[arg(long, value_name = "N", default_value_t = 1)]
    min: usize,
    /// End with the N-th
    #[arg(long, value_name = "N")]
    max: Option<usize>,
    /// Take the server's list of the last time instead of asking again
    #[arg(long)]
    cached: bool,
    /// Bring what the archive holds already, too: it may have been published anew
    #[arg(long)]
    again: bool,
    /// Only tell
    #[arg(long)]
    dry_run: bool,
    /// Write what was decided on each recording into this file (.csv or .json)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

/// One recording in one format, and what is decided on it.
#[derive(Debug, Serialize)]
struct Line {
    record_id: String,
    format: String,
    name: String,
    /// When the recording began, as far as known.
    start: Option<Timestamp>,
    /// As the server says before it is brought, then the package's.
    bytes: u64,
    decision: Decision,
    /// Why it is not brought, or what is missing.
    reason: Option<String>,
    #[serde(skip)]
    listed: usize,
    #[serde(skip)]
    form: Playback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// To be brought.
    Bring,
    Brought,
    Skip,
    Failed,
}

impl Decision {
    fn word(self) -> &'static str {
        match self {
            Decision::Bring => "bring",
            Decision::Brought => "brought",
            Decision::Skip => "skip",
            Decision::Failed => "failed",
        }
    }
}

impl Line {
    fn skip(&mut self, why: impl Into<String>) {
        self.decision = Decision::Skip;
        self.reason = Some(why.into());
    }
}

/// Lists, decides, and brings unless it is a dry run.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let Some(server) = config.servers.get(&args.server) else {
        let known: Vec<&str> = config.servers.keys().map(String::as_str).collect();
        let known = match known[..] {
            [] => "the settings name no server; add it to the section servers".to_owned(),
            _ => format!("the settings know {}", known.join(", ")),
        };
        return Err(Usage(format!("--server {}: {known}", args.server)).into());
    };
    let stop = Arc::new(AtomicBool::new(false));
    stop_when_asked(&stop)?;
    let limits = Limits {
        rate: server.rate.map(|rate| rate.as_u64()),
        ..Limits::default()
    };
    let connection = Connection::new(limits, server.ca_file.as_deref(), Arc::clone(&stop))
        .map_err(|error| Usage(format!("servers.{}: {error}", args.server)))?;
    let room = room(&config, &args.server);
    let all = match listed(&args, server, &connection, &config).await {
        Ok(all) => all,
        Err(error) => {
            eprintln!("bbb2pod-receiver: servers.{}: {error}", args.server);
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    let mut lines = plan(&args, &all);
    leave_out_known(&args, &config, &mut lines, &room).await?;
    number(&args, &mut lines);
    if !args.dry_run {
        fs::create_dir_all(&room).with_context(|| room.display().to_string())?;
        let lock = File::create(room.join(".lock")).with_context(|| room.display().to_string())?;
        if lock.try_lock().is_err() {
            let why = format!("another backfill of {} is running", args.server);
            return Err(Usage(why).into());
        }
        for line in lines
            .iter_mut()
            .filter(|line| line.decision == Decision::Bring)
        {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            bring(&args, &config, &connection, &all, &room, line).await;
            print(&[shown(line)])?;
        }
    }
    if let Some(path) = &args.report {
        report(path, &lines).with_context(|| format!("--report {}", path.display()))?;
    }
    tell(&args, &lines, stop.load(Ordering::Relaxed))?;
    let is_whole = args.dry_run || !lines.iter().any(|line| line.decision == Decision::Bring);
    let failed = lines.iter().any(|line| line.decision == Decision::Failed);
    Ok(ExitCode::from(u8::from(failed || !is_whole)))
}

/// Where the parts of recordings lie while they are brought.
fn room(config: &Config, server: &str) -> PathBuf {
    config.work_dir.join("servers").join(server)
}

/// Where one of them does.
fn room_of(room: &Path, line: &Line) -> PathBuf {
    room.join(format!("{}-{}", line.record_id, line.format))
}

/// Where a server's list is kept, beside the ledger.
fn list_file(config: &Config, server: &str) -> PathBuf {
    let state = config.database.parent().unwrap_or(Path::new("/"));
    state.join("servers").join(server).join("recordings.json")
}

async fn listed(
    args: &Args,
    server: &Server,
    connection: &Connection,
    config: &Config,
) -> Result<Vec<Listed>, ListError> {
    let file = list_file(config, &args.server);
    if args.cached {
        let (all, asked_at) = servers::cached(&file)?;
        tracing::info!(%asked_at, recordings = all.len(), "taking the list of the last time");
        return Ok(all);
    }
    let meetings = match &args.meetings {
        None => Vec::new(),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| ListError::Cache {
                path: path.clone(),
                why: error.to_string(),
            })?;
            let ids = text.lines().map(str::trim).filter(|line| !line.is_empty());
            ids.map(str::to_owned).collect()
        }
    };
    let asked = Asked {
        meetings,
        states: args.state.clone(),
    };
    let all = servers::list(server, connection.client(), &asked).await?;
    servers::keep(&file, &all)?;
    Ok(all)
}

/// Every recording in every format with what is decided on it, the oldest first.
fn plan(args: &Args, all: &[Listed]) -> Vec<Line> {
    let midnight = |day: Option<Date>| day.and_then(|day| day.to_zoned(TimeZone::system()).ok());
    let (since, until) = (midnight(args.since), midnight(args.until));
    let mut lines = Vec::new();
    for (listed, recording) in all.iter().enumerate() {
        for form in &recording.playback {
            let start = (recording.start > 0)
                .then(|| Timestamp::from_millisecond(recording.start).ok())
                .flatten();
            let mut line = Line {
                record_id: recording.record_id.clone(),
                format: form.format.clone(),
                name: recording.name.clone(),
                start,
                bytes: form.bytes,
                decision: Decision::Bring,
                reason: None,
                listed,
                form: form.clone(),
            };
            if recording.id().is_none() {
                line.decision = Decision::Failed;
                line.reason =
                    Some("its record id is none: letters, digits, - and _ only".to_owned());
            } else if !args
                .format
                .iter()
                .any(|format| format.as_str() == form.format)
            {
                line.skip(format!("--format does not list {}", form.format));
            } else if !recording.is_published() {
                line.skip(format!(
                    "it is {}, and its server shows only what is published",
                    if recording.state.is_empty() {
                        "unpublished"
                    } else {
                        &recording.state
                    }
                ));
            } else if let Some(since) = &since
                && start.is_none_or(|start| start < since.timestamp())
            {
                line.skip("it began before --since");
            } else if let Some(until) = &until
                && start.is_none_or(|start| start >= until.timestamp())
            {
                line.skip("it began on --until or later");
            }
            lines.push(line);
        }
    }
    // What BBB has filmed itself comes first: the video is then made from it.
    let rank = |line: &Line| args.format.iter().position(|f| f.as_str() == line.format);
    lines.sort_by(|a, b| {
        (a.start, &a.record_id, rank(a), &a.format).cmp(&(
            b.start,
            &b.record_id,
            rank(b),
            &b.format,
        ))
    });
    lines
}

/// Skips what the archive holds and what waits in the spool.
async fn leave_out_known(
    args: &Args,
    config: &Config,
    lines: &mut [Line],
    room: &Path,
) -> anyhow::Result<()> {
    // What a killed run had brought to its end needs its room no more.
    let tidy = |line: &Line| {
        if !args.dry_run {
            let _ = fs::remove_dir_all(room_of(room, line));
        }
    };
    let ledger = match config.database.exists() {
        true => Some(Ledger::open_existing(&config.database).await?),
        false => None,
    };
    let spooled: BTreeSet<String> = fs::read_dir(&config.spool_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    for line in lines
        .iter_mut()
        .filter(|line| line.decision == Decision::Bring)
    {
        let (Ok(id), Ok(format)) = (line.record_id.parse(), line.form.format.parse()) else {
            continue;
        };
        let name = recording::protocol::package_file_name(&id, &format);
        // The spool gives a package an id: `…~<id>.tar`.
        let stem = name.trim_end_matches(".tar");
        let waits = spooled
            .range(stem.to_owned()..)
            .take_while(|file| file.starts_with(stem));
        if waits
            .into_iter()
            .any(|file| *file == name || file[stem.len()..].starts_with('~'))
        {
            line.skip("it waits in the spool");
            tidy(line);
            continue;
        }
        let Some(ledger) = &ledger else {
            continue;
        };
        if ledger.is_erased(&id).await? {
            line.skip(format!(
                "it was erased here; to take it again: bbb2pod-receiver recording admit {id}"
            ));
            tidy(line);
            continue;
        }
        if args.again {
            continue;
        }
        let held = ledger.formats(&id).await?;
        if held.iter().any(|(held, ..)| *held == format) {
            line.skip("the archive holds it");
            tidy(line);
        }
    }
    Ok(())
}

fn number(args: &Args, lines: &mut [Line]) {
    let chosen = lines
        .iter_mut()
        .filter(|line| line.decision == Decision::Bring);
    for (n, line) in (1..).zip(chosen) {
        if n < args.min || args.max.is_some_and(|max| n > max) {
            line.skip(format!("it is number {n}, outside --min and --max"));
        }
    }
}

async fn bring(
    args: &Args,
    config: &Config,
    connection: &Connection,
    all: &[Listed],
    room: &Path,
    line: &mut Line,
) {
    let Some(listed) = all.get(line.listed) else {
        return;
    };
    if let Err(why) = has_room(config, line.bytes) {
        line.decision = Decision::Failed;
        line.reason = Some(why);
        return;
    }
    let room = room_of(room, line);
    let errand = Errand {
        connection,
        server: &args.server,
        room: &room,
        spool: &config.spool_dir,
    };
    match servers::bring(&errand, listed, &line.form, &|_| {}).await {
        Ok(brought) => {
            line.decision = Decision::Brought;
            line.bytes = brought.bytes;
            if !brought.missing.is_empty() {
                line.reason = Some(format!(
                    "the server lacks files that the recording names: {}",
                    brought.missing.join(", ")
                ));
            }
        }
        Err(error) if error.is_stop() => {}
        Err(error) => {
            tracing::warn!(record_id = line.record_id, format = line.format, %error, "not brought");
            line.decision = Decision::Failed;
            line.reason = Some(error.to_string());
        }
    }
}

/// Whether a recording of this size can be brought: its files and its package, for a moment both.
fn has_room(config: &Config, bytes: u64) -> Result<(), String> {
    for (folder, needed) in [
        (&config.work_dir, bytes),
        (&config.spool_dir, bytes + config.upload.keep_free.as_u64()),
    ] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let stat = rustix::fs::statvfs(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needed {
            return Err(format!(
                "{} has {} left, it needs {} (upload.keep_free counted); make room and run the \
                 same command again",
                folder.display(),
                ByteSize(free),
                ByteSize(needed)
            ));
        }
    }
    Ok(())
}

fn stop_when_asked(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("waiting for signals")?;
        let stop = Arc::clone(stop);
        tokio::spawn(async move {
            signals.recv().await;
            stop.store(true, Ordering::Relaxed);
        });
    }
    Ok(())
}

fn report(path: &Path, lines: &[Line]) -> anyhow::Result<()> {
    let text = if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::to_string_pretty(lines)? + "\n"
    } else {
        let mut text = "record_id,format,start,name,bytes,decision,reason\n".to_owned();
        for line in lines {
            let start = line.start.map(|at| at.to_string()).unwrap_or_default();
            writeln!(
                text,
                "{},{},{start},{},{},{},{}",
                quoted(&line.record_id),
                quoted(&line.format),
                quoted(&line.name),
                line.bytes,
                line.decision.word(),
                quoted(line.reason.as_deref().unwrap_or_default())
            )?;
        }
        text
    };
    Ok(recording::durable::write(path, text.as_bytes())?)
}

/// A value of a CSV file; one that a spreadsheet would take for a formula is made text.
fn quoted(value: &str) -> String {
    let value = value.replace('"', "\"\"");
    let formula = value.starts_with(['=', '+', '-', '@']);
    format!("\"{}{value}\"", if formula { "'" } else { "" })
}

fn shown(line: &Line) -> String {
    let start = line.start.map_or_else(
        || "-".to_owned(),
        |at| {
            at.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M")
                .to_string()
        },
    );
    let reason = line
        .reason
        .as_ref()
        .map(|why| format!("  ({why})"))
        .unwrap_or_default();
    format!(
        "{:<7} {start:<16} {:>11}  {} {}{reason}",
        line.decision.word(),
        ByteSize(line.bytes).to_string(),
        line.record_id,
        line.format
    )
}

fn tell(args: &Args, lines: &[Line], stopped: bool) -> anyhow::Result<()> {
    if args.dry_run {
        print(&lines.iter().map(shown).collect::<Vec<_>>())?;
    }
    let of = |decision| lines.iter().filter(move |line| line.decision == decision);
    let (decision, words) = match args.dry_run {
        true => (Decision::Bring, "would be brought"),
        false => (Decision::Brought, "brought into the spool"),
    };
    let mut last = format!(
        "{} {words}, {}; {} left out; {} failed",
        of(decision).count(),
        ByteSize(of(decision).map(|line| line.bytes).sum()),
        of(Decision::Skip).count(),
        of(Decision::Failed).count(),
    );
    if stopped {
        last += "; stopped, the same command goes on";
    }
    print(&[last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_never_formulas() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(quoted("=cmd()"), "\"'=cmd()\"");
    }
}
