//! `backfill`: takes what was published before the hook was there.
//!
//! [`plan`] decides on every recording, [`report`] tells about it, [`follow`] shows how far the
//! sender is. Taking is by hard links and quick; sending is the sender's work, which lets what BBB
//! publishes now go first. Whatever was taken stays taken, so a second call goes on where the
//! first was stopped.

mod follow;
mod plan;
mod report;

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::bbb::Node;
use crate::cli::Backfill;
use crate::error::Error;
use crate::outbox::digests::Digests;
use crate::outbox::{Done, Outbox, Outcome};
use crate::publish::{Taken, take};
use crate::settings::{Filters, Settings};
use crate::stop::Stop;
use plan::{Decision, Line};

/// Takes old recordings; tells about it, and gives the exit code.
///
/// # Errors
/// Wrong settings or options, a folder that cannot be read, a report that cannot be written.
pub(crate) fn backfill(
    settings: &Settings,
    asked: &Backfill,
    out: &mut impl Write,
) -> Result<u8, Error> {
    let node = Node::here(settings)?;
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let stop = Stop::on_signals().map_err(|e| Error::Disk(format!("cannot start: {e}")))?;
    let mut digests = Digests::of(&outbox);
    if let Some(report) = &asked.report {
        report.begin::<Line>(&[])?;
    }
    let plan::Plan { mut lines, absent } =
        plan::plan(settings, asked, &node, &outbox, &mut digests, &stop)?;
    let mut jobs = Vec::new();
    if !asked.dry_run {
        jobs = queue(settings, &node, &outbox, &mut lines, &stop);
    }
    // A closed pipe (`| head`) is no failure.
    let _ = report::tell(&lines, asked.dry_run, out);
    if let Some(report) = &asked.report {
        report.write(&lines)?;
    }
    for (id, why) in &absent {
        warn!(record_id = %id, "--id-file names it: {why}");
    }
    if stop.asked() {
        info!("stopped; the same command goes on from here");
        return Ok(1);
    }
    let follows = asked.follow || io::stderr().is_terminal() && !asked.no_follow;
    if follows && !jobs.is_empty() && !follow::follow(&outbox, &jobs, &stop) {
        return Ok(1);
    }
    let failed = lines.iter().any(|l| l.decision == Decision::Failed);
    Ok(u8::from(failed || !absent.is_empty()))
}

/// Takes what is planned into the outbox; gives the jobs that were added.
fn queue(
    settings: &Settings,
    node: &Node,
    outbox: &Outbox,
    lines: &mut [Line],
    stop: &Stop,
) -> Vec<String> {
    // The settings' filters were overruled by the options: what is planned is taken.
    let settings = Settings {
        filters: Filters::any(),
        ..settings.clone()
    };
    let begun = Timestamp::now();
    let mut jobs = Vec::new();
    note_confirmed(outbox, lines, begun);
    let chosen: Vec<_> = lines
        .iter_mut()
        .filter(|l| l.decision == Decision::Send)
        .collect();
    let bar = bar(chosen.len() as u64, "taken into the outbox", "{pos}/{len}");
    for (n, line) in (0..).zip(chosen) {
        if stop.asked() {
            line.skip("not yet: stopped before it was its turn".to_owned());
            continue;
        }
        bar.inc(1);
        // Their place in the queue follows from the order asked for.
        let place = begun
            .checked_add(jiff::SignedDuration::from_micros(n))
            .unwrap_or(begun);
        let (id, format) = (&line.record_id, &line.format);
        match take(&settings, node, outbox, &line.root, id, format, Some(place)) {
            Ok(Taken::Job(name)) => {
                outbox.clear_errors(id, format);
                jobs.push(name);
            }
            Ok(Taken::Waiting) => line.skip("it waits already".to_owned()),
            Ok(Taken::LeftOut(why)) => line.skip(why),
            Err(e) => {
                warn!(record_id = %id, %format, error = %e, "cannot take it");
                line.decision = Decision::Failed;
                line.reason = Some(e.to_string());
            }
        }
    }
    bar.finish_and_clear();
    jobs
}

/// What the receiver was found to have counts as sent from now on, so that a rebuild is noticed.
fn note_confirmed(outbox: &Outbox, lines: &[Line], now: Timestamp) {
    let confirmed = lines.iter().filter_map(|l| Some((l, l.confirmed?)));
    for (line, digest) in confirmed {
        let noted = outbox.note_done(&Done {
            record_id: line.record_id.clone(),
            format: line.format.clone(),
            digest: Some(digest),
            outcome: Outcome::Archived,
            bytes: line.bytes,
            published_at: line.start.unwrap_or(now),
            confirmed_at: now,
            fingerprint: line.fingerprint,
        });
        if let Err(e) = noted {
            warn!(record_id = %line.record_id, format = %line.format, error = %e,
                "cannot note that the receiver has it");
        }
    }
}

/// A progress bar on standard error, when people look at that.
fn bar(length: u64, what: &'static str, numbers: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{what} [{{bar:30}}] {numbers}, {{eta}} left {{msg}}");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(length).with_style(style)
}
