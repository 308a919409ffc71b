//! `status`: what waits, why and since when, for people and for scripts.

use std::io::{self, Write};

use jiff::{SignedDuration, SpanRound, Timestamp, Unit};
use serde::Serialize;

use crate::bbb::Node;
use crate::error::Error;
use crate::outbox::job::{Job, Origin, Problem};
use crate::outbox::lock::SenderLock;
use crate::outbox::{Done, Outbox, Progress, PublishError};
use crate::settings::{Settings, TransportKind};

/// Failures in a row after which a job counts as stuck.
const STUCK_AFTER: u32 = 1;
/// Confirmed jobs shown.
const RECENT: usize = 10;

/// The state of a node's outbox.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    outbox_dir: String,
    /// Whether a `send` is at work.
    pub(crate) sending: bool,
    /// `http.window`, while it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    outside_window: Option<String>,
    pub(crate) jobs: Vec<JobStatus>,
    /// Jobs whose `job.json` cannot be read.
    pub(crate) unreadable: Vec<Unreadable>,
    pub(crate) publish_errors: Vec<PublishError>,
    /// Confirmed lately, newest first.
    pub(crate) done: Vec<Done>,
}

#[derive(Debug, Serialize)]
pub(crate) struct JobStatus {
    job: String,
    record_id: String,
    format: String,
    pub(crate) state: State,
    pub(crate) published_at: Timestamp,
    files: u64,
    pub(crate) bytes: u64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    /// Why there is no snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_snapshot: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Waiting,
    Uploading,
    WaitingForConfirmation,
    Failing,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [State; 4] = [
        State::Waiting,
        State::Uploading,
        State::WaitingForConfirmation,
        State::Failing,
    ];

    /// The name, as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Uploading => "uploading",
            State::WaitingForConfirmation => "waiting_for_confirmation",
            State::Failing => "failing",
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    job: String,
    error: String,
}

/// Reads the outbox.
///
/// # Errors
/// Wrong settings, or the outbox cannot be read.
pub(crate) fn status(settings: &Settings) -> Result<Status, Error> {
    let dir = Node::of(settings)?.outbox_dir(settings);
    let outbox = Outbox::at(&dir);
    let mut status = Status {
        outbox_dir: dir.display().to_string(),
        sending: false,
        outside_window: settings
            .http
            .window
            .filter(|w| settings.transport == TransportKind::Http && !w.is_open(Timestamp::now()))
            .map(|window| window.to_string()),
        jobs: Vec::new(),
        unreadable: Vec::new(),
        publish_errors: Vec::new(),
        done: Vec::new(),
    };
    if !dir.exists() {
        return Ok(status);
    }
    let broken = |e: io::Error| Error::disk("cannot read the outbox", &dir, &e);
    status.sending = SenderLock::is_held(&outbox);
    for name in outbox.names().map_err(broken)? {
        match outbox.read(&name) {
            Ok(Some(job)) => {
                let progress = outbox.progress(&name).filter(|_| status.sending);
                status.jobs.push(JobStatus::of(name, job, progress));
            }
            Ok(None) => {}
            Err(e) => status.unreadable.push(Unreadable {
                job: name,
                error: e.to_string(),
            }),
        }
    }
    status
        .jobs
        .sort_by(|a, b| (a.published_at, &a.job).cmp(&(b.published_at, &b.job)));
    status.publish_errors = outbox.errors().map_err(broken)?;
    status.done = outbox.done(RECENT).map_err(broken)?;
    Ok(status)
}

impl JobStatus {
    fn of(name: String, job: Job, progress: Option<Progress>) -> JobStatus {
        let course = job.course;
        let state = if progress.is_some() {
            State::Uploading
        } else if course.problem.is_some() {
            State::Failing
        } else if course.delivered_at.is_some() {
            State::WaitingForConfirmation
        } else {
            State::Waiting
        };
        JobStatus {
            job: name,
            record_id: job.record_id.to_string(),
            format: job.format.to_string(),
            state,
            published_at: job.published_at,
            files: job.files,
            bytes: job.bytes,
            attempts: course.attempts,
            next_try: course.next_try,
            problem: course.problem,
            progress,
            delivered_at: course.delivered_at,
            no_snapshot: match job.origin {
                Origin::Snapshot => None,
                Origin::Reference { why, .. } => Some(why),
            },
        }
    }
}

impl Status {
    /// 1 when something is failing or could not be published, else 0.
    pub(crate) fn exit_code(&self) -> u8 {
        let failing = self
            .jobs
            .iter()
            .any(|j| j.attempts >= STUCK_AFTER && j.problem.is_some());
        u8::from(failing || !self.unreadable.is_empty() || !self.publish_errors.is_empty())
    }

    /// # Errors
    /// The output was closed.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// # Errors
    /// The output was closed.
    pub(crate) fn write_text(&self, out: &mut impl Write, now: Timestamp) -> io::Result<()> {
        let total: u64 = self.jobs.iter().map(|j| j.bytes).sum();
        writeln!(
            out,
            "outbox {}: {}, {}; {}",
            self.outbox_dir,
            counted(self.jobs.len(), "job"),
            size(total),
            if self.sending {
                "a sender is at work"
            } else {
                "no sender is at work"
            }
        )?;
        if let Some(window) = &self.outside_window {
            writeln!(out, "nothing is sent now: http.window is {window}")?;
        }
        for job in &self.jobs {
            job.write(out, now)?;
        }
        for job in &self.unreadable {
            writeln!(out, "\n{}: job.json cannot be read: {}", job.job, job.error)?;
        }
        if !self.publish_errors.is_empty() {
            writeln!(out, "\nnot taken into the outbox:")?;
        }
        for error in &self.publish_errors {
            let format = error.format.as_deref().unwrap_or("any format");
            let ago = ago(error.at, now);
            writeln!(
                out,
                "  {} ({format}), {ago}: {}",
                error.record_id, error.error
            )?;
        }
        if !self.done.is_empty() {
            writeln!(out, "\nconfirmed lately:")?;
        }
        for done in &self.done {
            let outcome = done.outcome.words();
            writeln!(
                out,
                "  {} {}  {}  {outcome} {}",
                done.record_id,
                done.format,
                size(done.bytes),
                ago(done.confirmed_at, now)
            )?;
        }
        Ok(())
    }
}

impl JobStatus {
    fn write(&self, out: &mut impl Write, now: Timestamp) -> io::Result<()> {
        writeln!(
            out,
            "\n{} {}  {}, {}, published {}",
            self.record_id,
            self.format,
            size(self.bytes),
            counted(usize::try_from(self.files).unwrap_or(usize::MAX), "file"),
            ago(self.published_at, now)
        )?;
        match (self.state, &self.progress, &self.problem) {
            (State::Uploading, Some(p), _) => writeln!(
                out,
                "  uploading: {} of {} ({} %), {}/s",
                size(p.sent),
                size(p.length),
                (u128::from(p.sent) * 100)
                    .checked_div(u128::from(p.length))
                    .unwrap_or(100),
                size(p.bytes_per_second)
            )?,
            (_, _, Some(problem)) => {
                writeln!(out, "  {}: {}", problem.cause.words(), problem.message)?;
                let next = self.next_try.map_or_else(String::new, |at| {
                    if at <= now {
                        ", next try now".to_owned()
                    } else {
                        format!(", next try in {}", long(at.duration_since(now)))
                    }
                });
                writeln!(
                    out,
                    "  {} since {}{}{next}",
                    counted(self.attempts as usize, "failed attempt"),
                    ago(problem.since, now),
                    if self.attempts > 1 {
                        format!(", the last {}", ago(problem.last, now))
                    } else {
                        String::new()
                    }
                )?;
            }
            (State::WaitingForConfirmation, _, _) => {
                let since = self.delivered_at.unwrap_or(now);
                writeln!(
                    out,
                    "  waiting for confirmation; delivered {}",
                    ago(since, now)
                )?;
            }
            _ => writeln!(out, "  waiting to be sent")?,
        }
        if let Some(why) = &self.no_snapshot {
            writeln!(out, "  not protected by a snapshot: {why}")?;
        }
        Ok(())
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Exact enough for a display.
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(at);
    if passed.as_secs() < 1 {
        return "just now".to_owned();
    }
    format!("{} ago", long(passed))
}

/// A duration for people, in its two largest units or so.
fn long(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let smallest = match seconds {
        0..=599 => Unit::Second,
        600..=86_399 => Unit::Minute,
        _ => Unit::Hour,
    };
    let whole = jiff::Span::new().seconds(seconds.max(1));
    let round = SpanRound::new()
        .largest(Unit::Day)
        .smallest(smallest)
        .days_are_24_hours();
    whole
        .round(round)
        .map_or_else(|_| format!("{seconds} s"), |span| format!("{span:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(4 << 30), "4.0 GiB");
        let long = |s| long(SignedDuration::from_secs(s));
        assert_eq!(long(42), "42s");
        assert_eq!(long(3700), "1h 2m");
        assert_eq!(long(200_000), "2d 8h");
    }
}
