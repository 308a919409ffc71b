//! `send`: drains the outbox, once or for ever.
//!
//! Jobs are taken oldest first, a few at a time. Each has its own course of failures and pauses,
//! so a bad one never holds up another; whatever happens is written into the job before the next
//! step, so the process may be killed at any instant.

mod attempt;
mod backoff;
mod pack;
mod queue;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::bbb::Node;
use crate::error::Error;
use crate::failure::{Cause, Failure};
use crate::outbox::arrivals::Arrivals;
use crate::outbox::job::Job;
use crate::outbox::lock::SenderLock;
use crate::outbox::{Done, Outbox, Outcome};
use crate::settings::window::Window;
use crate::settings::{Retry, Settings, TransportKind};
use crate::stop::{Signals, Stop};
use crate::transport::Transport;
use attempt::{Reached, Sender};
use queue::{Entry, Kind, Queue};
use report::Reporting;

/// How often the outbox is looked at for new jobs, where nothing tells of them.
const LOOK: Duration = Duration::from_millis(200);
/// How often the clock is looked at, where new jobs are told of.
const TICK: Duration = Duration::from_secs(2);
/// How long running uploads may take to reach the end of their chunk when asked to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Pauses between questions for a confirmation.
const FIRST_POLL: Duration = Duration::from_millis(100);
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// How `send` was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every job once, then wait so long for confirmations.
    Once {
        /// Longest wait.
        wait: Duration,
    },
    /// Until told to stop.
    Watch,
}

/// What a run of `send` came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
    /// Delivered, not confirmed within the wait.
    pub(crate) unconfirmed: u64,
    /// Of the failed: how many never reached anything.
    unreached: u64,
    /// Of the failed: how many because of the settings or the token.
    settings: u64,
    /// Not sent because `http.window` is closed.
    postponed: u64,
}

impl Tally {
    /// 0 all confirmed, 1 some not, 2 for the settings, 3 when nothing could be reached.
    pub(crate) fn exit_code(&self) -> u8 {
        let nothing_else = self.confirmed == 0 && self.unconfirmed == 0;
        match self.failed {
            0 if self.unconfirmed == 0 && self.postponed == 0 => 0,
            n if n > 0 && n == self.unreached && nothing_else => 3,
            n if n > 0 && n == self.settings && nothing_else => 2,
            _ => 1,
        }
    }
}

/// Sends what waits; `now` also while `http.window` is closed.
///
/// # Errors
/// Wrong settings, an outbox that cannot be read or written, or another sender at work (once).
pub(crate) fn send(settings: &Settings, mode: Mode, now: bool) -> Result<Tally, Error> {
    let dir = Node::of(settings)?.outbox_dir(settings);
    let transport = Transport::open(settings, &dir)?;
    let broken = |e: &std::io::Error| Error::disk("cannot use the outbox", &dir, e);
    let outbox = Outbox::open(&dir).map_err(|e| broken(&e))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Disk(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|e| Error::Disk(e.to_string()))?;
        let Some(_lock) = lock(&outbox, mode, &mut signals).await? else {
            return Ok(Tally::default());
        };
        outbox.sweep_unfinished().map_err(|e| broken(&e))?;
        let sender = Sender {
            outbox,
            transport,
            node: settings.node_name(),
            package: settings.package,
            stop: Stop::default(),
        };
        sender.forget_leftovers();
        let run = Run {
            queue: Queue::default(),
            sender: Arc::new(sender),
            running: JoinSet::new(),
            stops: BTreeMap::new(),
            window: settings
                .http
                .window
                .filter(|_| settings.transport == TransportKind::Http && !now),
            reporting: Reporting::default(),
            parallel: settings.http.parallel,
            retry: settings.retry.clone(),
            mode,
            tally: Tally::default(),
            settings: settings.clone(),
            sweep_every: settings.sweep.every(),
            swept: None,
            sweeping: None,
        };
        run.run(&mut signals).await.map_err(|e| broken(&e))
    })
}

async fn lock(
    outbox: &Outbox,
    mode: Mode,
    signals: &mut Signals,
) -> Result<Option<SenderLock>, Error> {
    let mut told = false;
    loop {
        let lock = SenderLock::take(outbox)
            .map_err(|e| Error::disk("cannot lock the outbox", outbox.dir(), &e))?;
        if lock.is_some() {
            return Ok(lock);
        }
        if mode != Mode::Watch {
            return Err(Error::Disk(format!(
                "another bbb2pod-hook send is at work on {}; see bbb2pod-hook status",
                outbox.dir().display()
            )));
        }
        if !told {
            info!(outbox = %outbox.dir().display(), "another sender is at work; waiting for it to end");
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = signals.any() => return Ok(None),
        }
    }
}

/// Waits for a change in the outbox; for ever where nothing tells of it.
async fn next(arrivals: Option<&mut Arrivals>) {
    if let Some(arrivals) = arrivals
        && arrivals.next().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A job that came back from an attempt.
struct Back {
    name: String,
    job: Job,
    unknown: u32,
    result: Result<Reached, Failure>,
}

struct Run {
    queue: Queue,
    sender: Arc<Sender>,
    running: JoinSet<Back>,
    /// Of running deliveries: how to stop them, and whether they are old recordings.
    stops: BTreeMap<String, (Stop, bool)>,
    window: Option<Window>,
    reporting: Reporting,
    parallel: usize,
    retry: Retry,
    mode: Mode,
    tally: Tally,
    settings: Settings,
    sweep_every: Option<Duration>,
    swept: Option<Instant>,
    sweeping: Option<tokio::task::JoinHandle<()>>,
}

impl Run {
    async fn run(mut self, signals: &mut Signals) -> std::io::Result<Tally> {
        let mut deadline = None;
        let mut arrivals = Arrivals::in_folder(self.sender.outbox.dir()).ok();
        loop {
            self.queue
                .look(&self.sender.outbox, self.mode != Mode::Watch)?;
            let open = self.keep_to_the_window();
            self.start_due(open);
            self.sweep_when_due();
            self.report_when_due();
            if let Mode::Once { wait } = self.mode {
                let delivering = open && self.queue.has_undelivered();
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + wait);
                let expired = !delivering && Instant::now() >= deadline;
                let settled = self.queue.is_settled() || !open && self.queue.unconfirmed() == 0;
                if self.running.is_empty() && (settled || expired) {
                    self.tally.unconfirmed = self.queue.unconfirmed();
                    self.note_postponed(open);
                    // Where a timer or cron calls `send`, nobody else tells it.
                    if self.tally.unreached == 0 {
                        report::tell(&self.sender, self.queue.backlog()).await;
                    }
                    return Ok(self.tally);
                }
            }
            let tick = if arrivals.is_some() { TICK } else { LOOK };
            let nap = self.queue.nap(Timestamp::now()).min(tick);
            tokio::select! {
                Some(back) = self.running.join_next(), if !self.running.is_empty() => {
                    self.take_back(back);
                    if self.queue.has_undelivered() {
                        deadline = None;
                    }
                }
                () = next(arrivals.as_mut()) => self.queue.list_anew(),
                () = tokio::time::sleep(nap) => {}
                () = signals.any() => {
                    info!("stopping; running uploads go on at the next start");
                    self.stop(signals).await;
                    self.tally.unconfirmed = self.queue.unconfirmed();
                    return Ok(self.tally);
                }
            }
        }
    }

    /// Looks for what a lost call of `publish` missed, beside everything else.
    fn sweep_when_due(&mut self) {
        let Some(every) = self.sweep_every.filter(|_| self.mode == Mode::Watch) else {
            return;
        };
        let running = self.sweeping.as_ref().is_some_and(|s| !s.is_finished());
        if running || self.swept.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.swept = Some(Instant::now());
        let settings = self.settings.clone();
        self.sweeping = Some(tokio::task::spawn_blocking(move || {
            if let Err(e) = crate::sweep::sweep(&settings) {
                warn!(error = %e, "cannot look for what was missed");
            }
        }));
    }

    /// Whether packages may be sent now; what runs when the window closes stops at the next good
    /// place and goes on when it opens.
    fn keep_to_the_window(&self) -> bool {
        let open = self.window.is_none_or(|w| w.is_open(Timestamp::now()));
        if !open {
            self.stops.values().for_each(|(stop, _)| stop.ask());
        }
        open
    }

    fn note_postponed(&mut self, open: bool) {
        let (Some(window), false) = (self.window, open) else {
            return;
        };
        self.tally.postponed = self.queue.undelivered();
        if self.tally.postponed > 0 {
            info!(
                jobs = self.tally.postponed,
                "http.window is {window}: they wait until then; `send --now` does not"
            );
        }
    }

    /// Tells the receiver how much waits here.
    fn report_when_due(&mut self) {
        if self.mode == Mode::Watch {
            self.reporting.go_on(&self.sender, self.queue.backlog());
        }
    }

    fn start_due(&mut self, open: bool) {
        let longest = self.retry.longest;
        let parallel = if open { self.parallel } else { 0 };
        let (picked, kept_waiting) = self.queue.pick(Timestamp::now(), longest, parallel);
        if open {
            self.make_room(kept_waiting);
        }
        for (name, kind) in picked {
            let Some((job, unknown)) = self.queue.start(&name) else {
                continue;
            };
            let sender = self.sender.clone();
            let stop = sender.stop.part();
            if kind == Kind::Deliver {
                self.stops
                    .insert(name.clone(), (stop.clone(), job.backfill));
            }
            self.running.spawn(async move {
                let (mut job, mut unknown) = (job, unknown);
                let result = match kind {
                    Kind::Deliver => sender.attempt(&name, &mut job, &stop).await,
                    Kind::Confirm => sender.confirm(&name, &mut job, &mut unknown).await,
                };
                Back {
                    name,
                    job,
                    unknown,
                    result,
                }
            });
        }
    }

    /// Lets old recordings stop for what BBB publishes now: with a slow link they would be in the
    /// way for hours.
    fn make_room(&self, kept_waiting: usize) {
        let old = self.stops.values().filter(|(_, backfill)| *backfill);
        let stopping = old.clone().filter(|(stop, _)| stop.asked()).count();
        let more = kept_waiting.saturating_sub(stopping);
        old.filter(|(stop, _)| !stop.asked())
            .take(more)
            .for_each(|(stop, _)| stop.ask());
    }

    fn take_back(&mut self, back: Result<Back, tokio::task::JoinError>) {
        match back {
            Ok(back) => self.settle(back),
            // The entry stays marked as running; a restart of the service takes it up again.
            Err(e) => error!(error = %e, "an attempt broke off"),
        }
    }

    fn settle(&mut self, back: Back) {
        let Back {
            name,
            mut job,
            unknown,
            result,
        } = back;
        self.stops.remove(&name);
        let now = Timestamp::now();
        match result {
            Ok(Reached::End(outcome, digest)) => {
                self.finish(&name, &job, outcome, digest, now);
                self.queue.wake();
            }
            Ok(Reached::Delivered) => {
                job.course.succeeded();
                if job.course.delivered_at.is_none() {
                    job.course.delivered_at = Some(now);
                    self.write(&name, &job);
                    self.queue.wake();
                }
                let entry = Entry::polled(job, unknown, FIRST_POLL, LONGEST_POLL);
                self.queue.put_back(&name, entry);
            }
            Ok(Reached::Stopped) => self.queue.put_back(&name, Entry::new(job)),
            Err(failure) => {
                self.note(&name, &mut job, &failure, now);
                let mut entry = Entry::new(job);
                entry.given_up = self.mode != Mode::Watch;
                self.queue.put_back(&name, entry);
            }
        }
    }

    fn note(&mut self, name: &str, job: &mut Job, failure: &Failure, now: Timestamp) {
        self.tally.failed += 1;
        self.tally.unreached += u64::from(failure.cause.nothing_reached());
        let settings = matches!(failure.cause, Cause::Settings | Cause::TokenRefused);
        self.tally.settings += u64::from(settings);
        if failure.cause == Cause::FilesChanged
            && let Err(e) = self.sender.start_over(name, job)
        {
            warn!(job = name, error = %e, "cannot start over");
        }
        let attempts = job.course.attempts.saturating_add(1);
        let pause = backoff::pause(&self.retry, failure.cause, attempts, rand::random());
        let next = now.checked_add(pause).unwrap_or(now);
        job.course
            .failed(failure.cause, failure.message.clone(), now, next);
        warn!(
            job = name, record_id = %job.record_id, format = %job.format,
            cause = failure.cause.words(), attempts, next_try = %next, error = %failure,
            "attempt failed"
        );
        self.write(name, job);
    }

    fn finish(
        &mut self,
        name: &str,
        job: &Job,
        outcome: Outcome,
        digest: recording::Digest,
        now: Timestamp,
    ) {
        self.tally.confirmed += 1;
        let word = outcome.words();
        info!(job = name, record_id = %job.record_id, format = %job.format, %digest, "{word}");
        self.retire(name, job, Some(digest), outcome, now);
        for (older, job) in self.queue.older(job) {
            info!(
                job = older,
                "a newer content of the same recording is {word}"
            );
            self.retire(&older, &job, None, Outcome::Superseded, now);
        }
    }

    fn retire(
        &mut self,
        name: &str,
        job: &Job,
        digest: Option<recording::Digest>,
        outcome: Outcome,
        confirmed_at: Timestamp,
    ) {
        let done = Done {
            record_id: job.record_id.clone(),
            format: job.format.clone(),
            digest,
            outcome,
            bytes: job.bytes,
            published_at: job.published_at,
            confirmed_at,
            fingerprint: job.fingerprint,
        };
        match self.sender.outbox.finish(name, &done) {
            Ok(()) => self.queue.forget(name),
            Err(e) => {
                error!(job = name, error = %e, "confirmed, but it cannot leave the outbox");
                let mut entry = Entry::polled(job.clone(), 0, LONGEST_POLL, LONGEST_POLL);
                entry.given_up = self.mode != Mode::Watch;
                self.queue.put_back(name, entry);
            }
        }
    }

    fn write(&self, name: &str, job: &Job) {
        if let Err(e) = self.sender.outbox.write(name, job) {
            error!(job = name, error = %e, "cannot write the job's state");
        }
    }

    async fn stop(&mut self, signals: &mut Signals) {
        self.sender.stop.ask();
        let grace = tokio::time::sleep(GRACE);
        tokio::pin!(grace);
        while !self.running.is_empty() {
            tokio::select! {
                Some(back) = self.running.join_next() => self.take_back(back),
                () = &mut grace => break,
                () = signals.any() => break,
            }
        }
        self.running.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let tally = |confirmed, failed, unconfirmed, unreached, settings| Tally {
            confirmed,
            failed,
            unconfirmed,
            unreached,
            settings,
            postponed: 0,
        };
        for (tally, code) in [
            (tally(0, 0, 0, 0, 0), 0),
            (tally(3, 0, 0, 0, 0), 0),
            (tally(3, 0, 1, 0, 0), 1),
            (tally(0, 2, 0, 2, 0), 3),
            (tally(1, 2, 0, 2, 0), 1),
            (tally(0, 2, 0, 0, 2), 2),
            (tally(0, 2, 0, 1, 0), 1),
        ] {
            assert_eq!(tally.exit_code(), code, "{tally:?}");
        }
    }
}
