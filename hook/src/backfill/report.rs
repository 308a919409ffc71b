//! What a backfill tells: a table for people, lines of the report for scripts.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::plan::{Decision, Line};
use crate::report::Row;
use crate::status::size;

impl Row for Line {
    const HEAD: &'static [&'static str] = &[
        "record_id",
        "format",
        "place",
        "start",
        "bytes",
        "decision",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.record_id.to_string(),
            self.format.to_string(),
            self.place.word().to_owned(),
            self.start.map(|at| at.to_string()).unwrap_or_default(),
            self.bytes.to_string(),
            self.decision.word().to_owned(),
            self.reason.clone().unwrap_or_default(),
        ]
    }
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
