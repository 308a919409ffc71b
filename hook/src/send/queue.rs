//! Which job is next: the outbox as the sender sees it.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use recording::{PlaybackFormat, RecordId};
use tracing::error;

use crate::outbox::Outbox;
use crate::outbox::job::Job;

/// The outbox is listed anew at least this often, whatever its time of change says.
const LIST_ANYWAY: Duration = Duration::from_secs(10);
/// Confirmations asked for at a time.
const CONFIRMATIONS: usize = 4;

/// All jobs by name.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: BTreeMap<String, Entry>,
    listed: Option<(Instant, SystemTime)>,
}

/// One job and what this process knows of it beyond `job.json`.
#[derive(Debug)]
pub(super) struct Entry {
    job: Job,
    running: Option<Kind>,
    /// Not asked for a confirmation before this.
    next_poll: Option<Instant>,
    poll_pause: Duration,
    /// How often in a row the receiver did not know what was delivered.
    unknown: u32,
    /// Not tried again by this process.
    pub(super) given_up: bool,
}

/// What there is to do for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deliver,
    Confirm,
}

impl Entry {
    pub(super) fn new(job: Job) -> Entry {
        Entry {
            job,
            running: None,
            next_poll: None,
            poll_pause: Duration::ZERO,
            unknown: 0,
            given_up: false,
        }
    }

    /// A delivered job, to be asked about after a pause that grows from one to the other.
    pub(super) fn polled(job: Job, unknown: u32, first: Duration, longest: Duration) -> Entry {
        let mut entry = Entry::new(job);
        entry.unknown = unknown;
        entry.poll_pause = first;
        entry.next_poll = Some(Instant::now() + first.min(longest));
        entry
    }

    fn kind(&self) -> Kind {
        if self.job.course.delivered_at.is_some() {
            Kind::Confirm
        } else {
            Kind::Deliver
        }
    }

    fn folder(&self) -> (&RecordId, &PlaybackFormat) {
        (&self.job.record_id, &self.job.format)
    }

    /// Oldest first; the name decides between equals.
    fn age<'a>(&self, name: &'a str) -> (Timestamp, &'a str) {
        (self.job.published_at, name)
    }
}

impl Queue {
    /// Something has changed, whatever the outbox's time of change says.
    pub(super) fn list_anew(&mut self) {
        self.listed = None;
    }

    /// Takes in new jobs and drops those that left.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub(super) fn look(&mut self, outbox: &Outbox, impatient: bool) -> io::Result<()> {
        let changed = std::fs::metadata(outbox.dir())?.modified()?;
        let fresh =
            |(at, seen): (Instant, SystemTime)| seen == changed && at.elapsed() < LIST_ANYWAY;
        if self.listed.is_some_and(fresh) {
            return Ok(());
        }
        let names = outbox.names()?;
        self.entries
            .retain(|name, entry| entry.running.is_some() || names.contains(name));
        for name in names {
            if self.entries.contains_key(&name) {
                continue;
            }
            match outbox.read(&name) {
                Ok(Some(mut job)) => {
                    if impatient {
                        job.course.next_try = None;
                    }
                    self.entries.insert(name, Entry::new(job));
                }
                Ok(None) => {}
                Err(e) => {
                    error!(job = name, error = %e, "job.json cannot be read; the job waits for an administrator")
                }
            }
        }
        self.listed = Some((Instant::now(), changed));
        Ok(())
    }

    /// What to start now: jobs that are due, oldest first, and of several jobs of one published
    /// folder only the newest, and only one at a time, so that contents arrive in their order.
    /// Also how many that BBB published just now have to wait for a free place.
    pub(super) fn pick(
        &self,
        now: Timestamp,
        longest: SignedDuration,
        parallel: usize,
    ) -> (Vec<(String, Kind)>, usize) {
        let running = |kind| {
            let of_kind = self.entries.values().filter(|e| e.running == Some(kind));
            of_kind.count()
        };
        let free = |kind: Kind, limit: usize| limit.saturating_sub(running(kind));
        let (mut deliveries, mut confirmations) = (
            free(Kind::Deliver, parallel),
            free(Kind::Confirm, CONFIRMATIONS),
        );
        let busy: Vec<_> = self
            .entries
            .values()
            .filter(|e| e.running.is_some())
            .map(Entry::folder)
            .collect();
        let mut due: Vec<_> = self
            .newest()
            .filter(|(_, e)| !e.given_up && e.is_due(now, longest) && !busy.contains(&e.folder()))
            .collect();
        due.sort_by_key(|(name, entry)| (entry.job.backfill, entry.age(name)));
        let mut picked = Vec::new();
        let mut kept_waiting = 0;
        for (name, entry) in due {
            let left = match entry.kind() {
                Kind::Deliver => &mut deliveries,
                Kind::Confirm => &mut confirmations,
            };
            if *left > 0 {
                *left -= 1;
                picked.push((name.to_owned(), entry.kind()));
            } else if entry.kind() == Kind::Deliver && !entry.job.backfill {
                kept_waiting += 1;
            }
        }
        (picked, kept_waiting)
    }

    /// Marks a job as running; gives it, and how often the receiver did not know it.
    pub(super) fn start(&mut self, name: &str) -> Option<(Job, u32)> {
        let entry = self.entries.get_mut(name)?;
        entry.running = Some(entry.kind());
        Some((entry.job.clone(), entry.unknown))
    }

    /// Takes a job back from an attempt.
    pub(super) fn put_back(&mut self, name: &str, mut entry: Entry) {
        if let Some(before) = self.entries.get(name)
            && entry.next_poll.is_some()
            && !before.poll_pause.is_zero()
        {
            entry.poll_pause = before.poll_pause.saturating_mul(2).min(super::LONGEST_POLL);
            entry.next_poll = Some(Instant::now() + entry.poll_pause);
        }
        self.entries.insert(name.to_owned(), entry);
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// The jobs of the same published folder that are older than this one and not running.
    pub(super) fn older(&self, job: &Job) -> Vec<(String, Job)> {
        let older = self.entries.iter().filter(|(_, e)| {
            e.running.is_none() && e.job.same_folder(job) && e.job.published_at < job.published_at
        });
        older
            .map(|(name, e)| (name.clone(), e.job.clone()))
            .collect()
    }

    /// Something went through: what failed because of the receiver or the way to it is due again.
    pub(super) fn wake(&mut self) {
        for entry in self.entries.values_mut() {
            let course = &mut entry.job.course;
            if course
                .problem
                .as_ref()
                .is_some_and(|p| p.cause.concerns_all())
            {
                course.next_try = None;
            }
        }
    }

    /// Whether a job is still to be delivered by this process.
    pub(super) fn has_undelivered(&self) -> bool {
        self.undelivered() > 0
    }

    /// How many jobs are still to be delivered by this process.
    pub(super) fn undelivered(&self) -> u64 {
        let left = self
            .newest()
            .filter(|(_, e)| !e.given_up && e.kind() == Kind::Deliver);
        left.count() as u64
    }

    /// How many jobs wait, their bytes, and since when the oldest does.
    pub(super) fn backlog(&self) -> (u64, u64, Option<Timestamp>) {
        let jobs = || self.entries.values().map(|e| &e.job);
        (
            self.entries.len() as u64,
            jobs().map(|job| job.bytes).sum(),
            jobs().map(|job| job.published_at).min(),
        )
    }

    /// Whether this process has nothing more to do.
    pub(super) fn is_settled(&self) -> bool {
        self.newest().all(|(_, e)| e.given_up)
    }

    /// The newest job of every published folder; older ones only wait for it to be archived.
    fn newest(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let mut newest: BTreeMap<_, (&str, &Entry)> = BTreeMap::new();
        for (name, entry) in &self.entries {
            let known = newest.entry(entry.folder()).or_insert((name, entry));
            if entry.age(name) > known.1.age(known.0) {
                *known = (name, entry);
            }
        }
        newest.into_values()
    }

    /// Delivered jobs whose confirmation is still missing.
    pub(super) fn unconfirmed(&self) -> u64 {
        let missing = self
            .entries
            .values()
            .filter(|e| !e.given_up && e.kind() == Kind::Confirm);
        missing.count() as u64
    }

    /// How long nothing will be due.
    pub(super) fn nap(&self, now: Timestamp) -> Duration {
        let waits = self
            .entries
            .values()
            .filter(|e| e.running.is_none())
            .map(|e| {
                let poll = e.next_poll.map_or(Duration::ZERO, |at| {
                    at.saturating_duration_since(Instant::now())
                });
                let retry = e
                    .job
                    .course
                    .next_try
                    .map_or(Duration::ZERO, |at| at.duration_since(now).unsigned_abs());
                poll.max(retry).max(Duration::from_millis(10))
            });
        waits.min().unwrap_or(Duration::MAX)
    }
}

impl Entry {
    fn is_due(&self, now: Timestamp, longest: SignedDuration) -> bool {
        self.running.is_none()
            && self.job.due(now, longest)
            && self.next_poll.is_none_or(|at| at <= Instant::now())
    }
}
