//! `backfill`: takes what was published before the hook was there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use recording::{Metadata, PlaybackFormat, RecordId};
use serde::Serialize;
use tracing::warn;

use crate::bbb::Node;
use crate::cli::{Backfill, Order};
use crate::error::Error;
use crate::filters;
use crate::outbox::snapshot::Tree;
use crate::outbox::{Fate, Known, Outbox};
use crate::publish::{Taken, take};
use crate::settings::{Filters, Settings};
use crate::status::size;

/// One recording in one format, and what is decided on it.
#[derive(Debug, Serialize)]
struct Line {
    record_id: RecordId,
    format: PlaybackFormat,
    /// When the meeting began, as far as known.
    start: Option<Timestamp>,
    bytes: u64,
    decision: Decision,
    /// Why it is not taken, or why it could not be.
    reason: Option<String>,
    #[serde(skip)]
    root: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// To be taken, or taken.
    Send,
    Skip,
    Failed,
}

/// Takes old recordings; tells about it, and gives the exit code.
///
/// # Errors
/// Wrong settings or options, a folder that cannot be read, a report that cannot be written.
pub(crate) fn backfill(
    settings: &Settings,
    asked: &Backfill,
    out: &mut impl Write,
) -> Result<u8, Error> {
    let node = Node::of(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let mut lines = plan(settings, asked, &node, &outbox)?;
    if !asked.dry_run {
        queue(settings, &node, &outbox, &mut lines);
    }
    if let Some(path) = &asked.report {
        report(path, &lines).map_err(|e| Error::disk("cannot write", path, &e))?;
    }
    // A closed pipe (`| head`) is no failure.
    let _ = tell(&lines, asked.dry_run, out);
    Ok(u8::from(
        lines.iter().any(|l| l.decision == Decision::Failed),
    ))
}

/// Every recording with what is decided on it, in the order of sending.
fn plan(
    settings: &Settings,
    asked: &Backfill,
    node: &Node,
    outbox: &Outbox,
) -> Result<Vec<Line>, Error> {
    let wanted = Wanted::of(settings, asked)?;
    let known = outbox
        .known()
        .map_err(|e| Error::disk("cannot read the outbox", outbox.dir(), &e))?;
    let mut roots = vec![node.published_dir.clone()];
    if asked.unpublished {
        roots.push(node.published_dir.with_file_name("unpublished"));
    }
    let mut lines = Vec::new();
    for root in roots.iter().filter(|root| root.is_dir()) {
        let all = Node::all_below(root).map_err(|e| Error::disk("cannot read", root, &e))?;
        for (record_id, format) in all {
            lines.extend(line(&wanted, &known, root, record_id, format));
        }
    }
    lines.sort_by(|a, b| match asked.order {
        Order::Oldest => (a.start, &a.record_id).cmp(&(b.start, &b.record_id)),
        Order::Newest => (b.start, &b.record_id).cmp(&(a.start, &a.record_id)),
        Order::Smallest => a.bytes.cmp(&b.bytes),
    });
    let chosen = lines.iter_mut().filter(|l| l.decision == Decision::Send);
    for (n, line) in (1..).zip(chosen) {
        if n < asked.min || asked.max.is_some_and(|max| n > max) {
            line.skip(format!("it is number {n}, outside --min and --max"));
        }
    }
    Ok(lines)
}

/// What is asked for: the settings' filters, made narrower by the options.
struct Wanted {
    filters: Filters,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    ids: Option<BTreeSet<String>>,
}

impl Wanted {
    fn of(settings: &Settings, asked: &Backfill) -> Result<Wanted, Error> {
        let mut filters = settings.filters.clone();
        if !asked.format.is_empty() {
            filters.formats = asked.format.clone();
        }
        if !asked.origin.is_empty() {
            filters.origins = asked.origin.clone();
        }
        filters.meta.extend(asked.meta.iter().cloned());
        let ids = asked.id_file.as_ref().map(|path| {
            let text = fs::read_to_string(path)
                .map_err(|e| Error::input(format!("--id-file {}: {e}", path.display())))?;
            let ids = text.lines().map(str::trim).filter(|line| !line.is_empty());
            Ok::<_, Error>(ids.map(str::to_owned).collect())
        });
        Ok(Wanted {
            filters,
            since: asked.since.map(midnight).transpose()?,
            until: asked.until.map(midnight).transpose()?,
            ids: ids.transpose()?,
        })
    }

    fn left_out(&self, line: &Line, metadata: Option<&Metadata>) -> Option<String> {
        if self
            .ids
            .as_ref()
            .is_some_and(|ids| !ids.contains(line.record_id.as_str()))
        {
            return Some("--id-file does not list it".to_owned());
        }
        if self
            .since
            .is_some_and(|since| line.start.is_none_or(|start| start < since))
        {
            return Some("it began before --since".to_owned());
        }
        if self
            .until
            .is_some_and(|until| line.start.is_none_or(|start| start >= until))
        {
            return Some("it began on --until or later".to_owned());
        }
        filters::left_out(&self.filters, &line.format, metadata)
    }
}

/// The beginning of a day in the node's time zone.
fn midnight(day: Date) -> Result<Timestamp, Error> {
    let zoned = day.to_zoned(TimeZone::system()).map_err(Error::input)?;
    Ok(zoned.timestamp())
}

fn line(
    wanted: &Wanted,
    known: &Known,
    root: &Path,
    record_id: RecordId,
    format: PlaybackFormat,
) -> Option<Line> {
    let folder = root.join(format.as_str()).join(record_id.as_str());
    // It may have been moved away since it was listed.
    let tree = Tree::look(&folder).ok().filter(|tree| tree.files() > 0)?;
    let metadata: Option<Metadata> = tree
        .metadata_xml()
        .and_then(|xml| std::str::from_utf8(xml).ok()?.parse().ok());
    let start = metadata.as_ref().and_then(|m| m.start);
    let mut line = Line {
        start: start.or_else(|| start_in(&record_id)),
        bytes: tree.bytes(),
        decision: Decision::Send,
        reason: None,
        root: root.into(),
        record_id,
        format,
    };
    if let Some(why) = wanted.left_out(&line, metadata.as_ref()) {
        line.skip(why);
    } else if let Some(fate) = known.fate(&line.record_id, &line.format, &tree.fingerprint()) {
        line.skip(match fate {
            Fate::Waiting => "it waits already".to_owned(),
            Fate::Done => "it was sent already".to_owned(),
        });
    }
    Some(line)
}

impl Line {
    fn skip(&mut self, why: String) {
        self.decision = Decision::Skip;
        self.reason = Some(why);
    }
}

/// BBB's ids end with the milliseconds at which the meeting was created.
fn start_in(record_id: &RecordId) -> Option<Timestamp> {
    let meeting = record_id.whole_meeting();
    let id = meeting.as_ref().unwrap_or(record_id).as_str();
    let (_, millis) = id.rsplit_once('-').filter(|(_, m)| m.len() == 13)?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

fn queue(settings: &Settings, node: &Node, outbox: &Outbox, lines: &mut [Line]) {
    // The settings' filters were overruled by the options: what is planned is taken.
    let settings = Settings {
        filters: Filters::any(),
        ..settings.clone()
    };
    let begun = Timestamp::now();
    let chosen = lines.iter_mut().filter(|l| l.decision == Decision::Send);
    for (n, line) in (0..).zip(chosen) {
        // Their place in the queue follows from the order asked for.
        let place = begun
            .checked_add(jiff::SignedDuration::from_micros(n))
            .unwrap_or(begun);
        let (id, format) = (&line.record_id, &line.format);
        match take(&settings, node, outbox, &line.root, id, format, Some(place)) {
            Ok(Taken::Job(_)) => outbox.clear_errors(id, format),
            Ok(Taken::Waiting) => line.skip("it waits already".to_owned()),
            Ok(Taken::LeftOut(why)) => line.skip(why),
            Err(e) => {
                warn!(record_id = %id, %format, error = %e, "cannot take it");
                line.decision = Decision::Failed;
                line.reason = Some(e.to_string());
            }
        }
    }
}

fn report(path: &Path, lines: &[Line]) -> io::Result<()> {
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

fn tell(lines: &[Line], dry_run: bool, out: &mut impl Write) -> io::Result<()> {
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
