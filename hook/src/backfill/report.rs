//! What a backfill tells: a table for people, a file for scripts.

use std::io::{self, Write};
use std::path::Path;

use jiff::tz::TimeZone;

use super::plan::{Decision, Line};
use crate::status::size;

/// Writes the decision on every recording into a file, as JSON when its name ends so, else as CSV.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut text = Vec::new();
    if path.extension().is_some_and(|e| e == "json") {
        serde_json::to_writer_pretty(&mut text, lines)?;
    } else {
        writeln!(text, "record_id,format,start,bytes,decision,reason")?;
        for line in lines {
            let start = line.start.map(|at| at.to_string()).unwrap_or_default();
            let reason = line
                .reason
                .as_deref()
                .unwrap_or_default()
                .replace('"', "\"\"");
            writeln!(
                text,
                "{},{},{start},{},{},\"{reason}\"",
                line.record_id,
                line.format,
                line.bytes,
                line.decision.word()
            )?;
        }
    }
    recording::durable::write(path, &text)
}

impl Decision {
    fn word(self) -> &'static str {
        match self {
            Decision::Send => "send",
            Decision::Skip => "skip",
            Decision::Failed => "failed",
        }
    }
}

/// Writes the table and the sums.
///
/// # Errors
/// The output was closed.
pub(super) fn tell(lines: &[Line], dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    if dry_run {
        for line in lines {
            let start = line.start.map_or_else(
                || "-".to_owned(),
                |at| {
                    at.to_zoned(TimeZone::system())
                        .strftime("%Y-%m-%d %H:%M")
                        .to_string()
                },
            );
            writeln!(
                out,
                "{:<5} {start:<16} {:>11}  {} {}{}",
                line.decision.word(),
                size(line.bytes),
                line.record_id,
                line.format,
                line.reason
                    .as_ref()
                    .map(|r| format!("  ({r})"))
                    .unwrap_or_default()
            )?;
        }
    }
    let of = |decision| lines.iter().filter(move |l| l.decision == decision);
    writeln!(
        out,
        "{} {}, {}; {} left out; {} failed",
        of(Decision::Send).count(),
        if dry_run {
            "would be sent"
        } else {
            "wait to be sent"
        },
        size(of(Decision::Send).map(|l| l.bytes).sum()),
        of(Decision::Skip).count(),
        of(Decision::Failed).count()
    )
}
