//! `prune`: deletes recordings from the node that the receiver has confirmed, through `bbb-record`.
//!
//! [`judge`] decides, without touching anything; here is done what was decided. `bbb-record
//! --delete ID` removes everything whose name begins with the id, so a recording is deleted only
//! when all of that is confirmed, content by content as it lies on the disk at that moment, here and in
//! the receiver's archive.

mod judge;

use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use recording::RecordId;
use rustix::fs::FlockOperation;
use serde::Serialize;
use tracing::{error, info};

use crate::bbb::Node;
use crate::cli;
use crate::error::Error;
use crate::outbox::pruned::{Pruned, PrunedContent};
use crate::outbox::{Outbox, like_outbox};
use crate::receiver::Receiver;
use crate::report::Row;
use crate::settings::{Settings, TransportKind};
use crate::status::size;
use crate::stop::Stop;
use judge::{Judge, Verdict};

const LOCK: &str = ".prune.lock";
/// Characters of what `bbb-record` said that are kept.
const SAID: usize = 400;

/// What became of one recording.
#[derive(Debug, Serialize)]
struct Line {
    record_id: RecordId,
    formats: Vec<String>,
    bytes: u64,
    outcome: Outcome,
    reason: Option<String>,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Stays on the node.
    Kept,
    /// Would be deleted, if this were no dry run.
    Deletable,
    Deleted,
    Failed,
}

/// Deletes what may go; tells about it, and gives the exit code.
///
/// # Errors
/// Wrong settings, another `prune` at work, a receiver that cannot be asked.
pub(crate) fn prune(
    settings: &Settings,
    asked: &cli::Prune,
    out: &mut impl Write,
) -> Result<u8, Error> {
    if !settings.prune.enabled && !asked.dry_run {
        return Err(Error::input(format!(
            "{}: prune.enabled is false, so nothing is deleted; --dry-run tells what would be",
            settings.path.display()
        )));
    }
    if settings.transport != TransportKind::Http {
        return Err(Error::input(format!(
            "{}: nobody confirms what went by rsync or directory, so nothing may ever be deleted \
             here; set transport: http",
            settings.path.display()
        )));
    }
    let node = Node::here(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    // Taken before anything is looked at: what another one deletes meanwhile is not seen here.
    let _lock = lock(&outbox)?;
    let stop = Stop::on_signals().map_err(|e| Error::Disk(format!("cannot start: {e}")))?;
    let receiver = Receiver::open(settings)?;
    let judge = Judge::of(settings, &node, &outbox, &receiver)?;
    let mut lines = Vec::new();
    // Nothing is deleted of which no report could tell, and a run that was killed could not tell:
    // every report names all that was ever deleted here.
    let earlier = earlier(&outbox, |id| judge.left_of(&node, id).is_empty());
    if let Some(report) = &asked.report {
        report.begin(&earlier)?;
    }
    let mut ended = Ok(());
    for candidate in judge.candidates() {
        if stop.asked() {
            info!("stopped; the next run goes on");
            break;
        }
        let verdict = match judge.verdict(candidate, &stop) {
            Ok(verdict) => verdict,
            Err(e) => {
                ended = Err(e);
                break;
            }
        };
        let (outcome, reason) = match verdict {
            Verdict::Keep(why) => (Outcome::Kept, Some(why)),
            Verdict::Delete(_) if asked.dry_run => (Outcome::Deletable, None),
            Verdict::Delete(pruned) => match delete(settings, &node, &outbox, &judge, pruned) {
                Ok(()) => (Outcome::Deleted, None),
                Err(why) => (Outcome::Failed, Some(why)),
            },
        };
        lines.push(Line {
            record_id: candidate.clone(),
            formats: judge.formats_of(candidate),
            bytes: judge.bytes_of(candidate),
            outcome,
            reason,
            at: Timestamp::now(),
        });
    }
    let _ = tell(&lines, asked.dry_run, out);
    let failed = lines.iter().any(|l| l.outcome == Outcome::Failed);
    if let Some(report) = &asked.report {
        let all: Vec<_> = earlier.into_iter().chain(lines).collect();
        report.write(&all)?;
    }
    ended.map(|()| u8::from(failed))
}

/// What earlier runs deleted, the oldest first; also what one was killed over, when it is gone.
fn earlier(outbox: &Outbox, is_gone: impl Fn(&RecordId) -> bool) -> Vec<Line> {
    let deletions = outbox.deletions().into_iter();
    let mut lines: Vec<_> = deletions
        .filter(|pruned| pruned.deleted_at.is_some() || is_gone(&pruned.record_id))
        .map(|pruned| Line {
            formats: pruned
                .contents
                .iter()
                .map(|c| c.format.to_string())
                .collect(),
            bytes: pruned.contents.iter().map(|c| c.bytes).sum(),
            outcome: Outcome::Deleted,
            reason: Some("by an earlier run".to_owned()),
            at: pruned.deleted_at.unwrap_or(pruned.begun_at),
            record_id: pruned.record_id,
        })
        .collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn lock(outbox: &Outbox) -> Result<File, Error> {
    let path = outbox.dir().join(LOCK);
    let broken = |e: &io::Error| Error::disk("cannot lock", &path, e);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| broken(&e))?;
    like_outbox(&path).map_err(|e| broken(&e))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Disk(format!(
            "another bbb2pod-hook prune is at work on {}; nothing is deleted twice",
            outbox.dir().display()
        ))),
        Err(e) => Err(broken(&e.into())),
    }
}

/// The intent goes to the disk first, then `bbb-record` is called, then it is looked whether
/// everything is gone.
fn delete(
    settings: &Settings,
    node: &Node,
    outbox: &Outbox,
    judge: &Judge<'_>,
    mut pruned: Pruned,
) -> Result<(), String> {
    let id = pruned.record_id.clone();
    let noted = |e: io::Error| format!("cannot be noted in {}: {e}", outbox.dir().display());
    outbox.note_pruned(&pruned).map_err(noted)?;
    info!(record_id = %id, formats = described(&pruned.contents),
        confirmed_at = %pruned.confirmed_at, "the receiver has all of it; deleting it from the node");
    let program = &settings.prune.bbb_record;
    let output = Command::new(program)
        .arg("--delete")
        .arg(id.as_str())
        .stdin(Stdio::null())
        .output();
    let failed = |why: String| {
        error!(record_id = %id, why, "cannot delete it from the node");
        Err(why)
    };
    match output {
        Err(e) => {
            return failed(format!(
                "cannot start {}: {e}; see prune.bbb_record",
                program.display()
            ));
        }
        Ok(output) if !output.status.success() => {
            let text = [&output.stdout[..], &output.stderr[..]].concat();
            let said: String = String::from_utf8_lossy(&text)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(SAID)
                .collect();
            return failed(format!(
                "{} --delete {id} ended with {}: {said}{}",
                program.display(),
                output.status,
                root_needed()
            ));
        }
        Ok(_) => {}
    }
    let left = judge.left_of(node, &id);
    if !left.is_empty() {
        return failed(format!(
            "{} ended well, but {} is still there{}",
            program.display(),
            left.join(", "),
            root_needed()
        ));
    }
    pruned.deleted_at = Some(Timestamp::now());
    if let Err(e) = outbox.note_pruned(&pruned) {
        // It is gone, and the intent that is noted says why.
        error!(record_id = %id, error = %e, "deleted, but that cannot be noted");
    }
    info!(record_id = %id, formats = described(&pruned.contents), "deleted from the node");
    Ok(())
}

/// What is missing when `bbb-record` cannot do its work, as far as that can be told.
fn root_needed() -> &'static str {
    if rustix::process::geteuid().is_root() {
        ""
    } else {
        "; bbb-record deletes for root only: sudo bbb2pod-hook prune"
    }
}

fn described(contents: &[PrunedContent]) -> String {
    let each = contents
        .iter()
        .map(|c| format!("{} ({}, {})", c.format, size(c.bytes), c.digest));
    each.collect::<Vec<_>>().join("; ")
}

impl Row for Line {
    const HEAD: &'static [&'static str] =
        &["record_id", "formats", "bytes", "outcome", "at", "reason"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.record_id.to_string(),
            self.formats.join(" "),
            self.bytes.to_string(),
            self.outcome.word().to_owned(),
            self.at.to_string(),
            self.reason.clone().unwrap_or_default(),
        ]
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::Deletable => "deletable",
            Outcome::Deleted => "deleted",
            Outcome::Failed => "failed",
        }
    }
}

fn tell(lines: &[Line], dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    for line in lines {
        let reason = line.reason.as_ref();
        writeln!(
            out,
            "{:<9} {:>11}  {} {}{}",
            line.outcome.word(),
            size(line.bytes),
            line.record_id,
            line.formats.join(" "),
            reason.map(|r| format!("  ({r})")).unwrap_or_default()
        )?;
    }
    let of = |outcome| lines.iter().filter(move |l| l.outcome == outcome);
    let (outcome, word) = if dry_run {
        (Outcome::Deletable, "would be deleted")
    } else {
        (Outcome::Deleted, "deleted")
    };
    writeln!(
        out,
        "{} {word}, {}; {} kept; {} failed",
        of(outcome).count(),
        size(of(outcome).map(|l| l.bytes).sum()),
        of(Outcome::Kept).count(),
        of(Outcome::Failed).count()
    )
}
