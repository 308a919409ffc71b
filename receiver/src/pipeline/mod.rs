//! The pipeline: every recording goes import → media → convert → register.
//!
//! The ledger says what is due, and apalis does it: a worker per kind of work, so that a long
//! conversion holds up neither imports nor registrations. Jobs carry nothing but a name, and their
//! database is thrown away at every start, because everything that matters is in the ledger: a job
//! that is lost is found due again, one that runs twice finds its work done. [`stages`] is what
//! the jobs do.

mod claims;
mod failure;
mod owners;
mod stages;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apalis::prelude::*;
use apalis_sqlite::{SqlitePool, SqliteStorage};
use recording::RecordId;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::claims::{Claims, Lane};
pub(crate) use self::failure::Cause;
pub(crate) use self::stages::{described, register, rehearse};
use crate::config::Config;
use crate::import::Archive;
use crate::ledger::{Ledger, Stage};
use crate::spool::Watched;
use crate::tenants::Tenants;
use crate::upload::Uploads;

/// How often the ledger is asked what is due, when nothing arrives.
const TICK: Duration = Duration::from_secs(1);
/// How often workers look for jobs.
const POLL: Duration = Duration::from_millis(200);
/// Jobs that a worker takes at once: quick ones end in milliseconds.
const BATCH: usize = 100;
/// How often the spool is looked through for dropped packages, at least.
const SCAN_EVERY: Duration = Duration::from_secs(10);
/// How often finished jobs are removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How often expired uploads are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long a conversion may take to reach its next safe point when the service is stopped.
const GRACE: Duration = Duration::from_secs(60);
/// Registrations and decisions that are queued at the same time, of all lanes; each has limits of its
/// own ([`claims`]).
const QUICK_WORKERS: usize = 1024;

/// What every stage needs.
pub(crate) struct Shared {
    /// The settings.
    pub(crate) config: Config,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// The archive.
    pub(crate) archive: Archive,
    /// Uploads under way.
    pub(crate) uploads: Uploads,
    /// Where videos go and who knows whose they are, for each tenant.
    pub(crate) tenants: Tenants,
    /// Notified when something has become due.
    pub(crate) wake: Arc<Notify>,
    /// Set when conversions are to stop at their next safe point.
    stop_soon: AtomicBool,
    /// Set when they have had time enough for that.
    stop_now: AtomicBool,
    /// Counts how often the pipeline has looked for work.
    rounds: AtomicU64,
    running: Claims,
}

/// A package to be imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ImportJob {
    package: String,
}

/// A recording to be converted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ConvertJob {
    record_id: RecordId,
}

/// A recording to be decided on or registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct QuickJob {
    record_id: RecordId,
    task: Quick,
}

/// What a quick job does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Quick {
    Media,
    Register,
    LookAgain,
}

impl Shared {
    /// Puts the parts together.
    pub(crate) fn new(
        config: Config,
        ledger: Ledger,
        archive: Archive,
        uploads: Uploads,
        tenants: Tenants,
        wake: Arc<Notify>,
    ) -> Shared {
        Shared {
            config,
            ledger,
            archive,
            uploads,
            tenants,
            wake,
            stop_soon: AtomicBool::new(false),
            stop_now: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            running: Claims::default(),
        }
    }

    /// How often the pipeline has looked for work; a number that stands still for minutes means
    /// that it hangs.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// How conversions are asked to stop.
    fn halt(&self) -> render::convert::Halt<'_> {
        render::convert::Halt {
            now: &self.stop_now,
            soon: Some(&self.stop_soon),
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop_soon.load(Ordering::Relaxed)
    }
}

/// Makes a worker look for jobs at a steady pace.
///
/// Unlike apalis' own interval it never returns without having arranged to be woken: with that one
/// a worker that had just finished a job slept until its next heartbeat.
struct Pace(tokio::time::Interval);

impl Pace {
    fn new() -> Pace {
        let mut interval = tokio::time::interval(POLL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        Pace(interval)
    }
}

impl PollStrategy for Pace {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut answer = Poll::Pending;
        while self.0.poll_tick(cx).is_ready() {
            answer = Poll::Ready(Some(()));
        }
        answer
    }
}

/// Releases what a job had claimed, however the job ends.
struct Claim {
    shared: Arc<Shared>,
    key: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.running.release(&self.key);
        self.shared.wake.notify_one();
    }
}

async fn run_import(job: ImportJob, shared: Data<Arc<Shared>>) {
    let _claim = Claim {
        shared: Arc::clone(&shared),
        key: package_key(&job.package),
    };
    stages::import(&shared, &job.package).await;
}

async fn run_convert(job: ConvertJob, shared: Data<Arc<Shared>>) {
    let _claim = Claim {
        shared: Arc::clone(&shared),
        key: recording_key(&job.record_id),
    };
    stages::convert(&shared, &job.record_id).await;
}

async fn run_quick(job: QuickJob, shared: Data<Arc<Shared>>) {
    let _claim = Claim {
        shared: Arc::clone(&shared),
        key: recording_key(&job.record_id),
    };
    let _turn = shared.running.turn(&recording_key(&job.record_id)).await;
    match job.task {
        Quick::Media => stages::media(&shared, &job.record_id).await,
        Quick::Register => stages::register(&shared, &job.record_id).await,
        Quick::LookAgain => stages::look_again(&shared, &job.record_id).await,
    }
}

fn package_key(id: &str) -> String {
    format!("package {id}")
}

fn recording_key(id: &RecordId) -> String {
    format!("recording {id}")
}

/// The queues of jobs.
struct Queues {
    import: SqliteStorage<ImportJob>,
    convert: SqliteStorage<ConvertJob>,
    quick: SqliteStorage<QuickJob>,
}

impl Queues {
    /// Pushes every job that is due and not running.
    async fn fill(&mut self, shared: &Shared) -> anyhow::Result<()> {
        for package in shared.ledger.packages_due().await? {
            let key = package_key(&package.id);
            if shared.running.claim(&key, Lane::Own) {
                let job = ImportJob {
                    package: package.id,
                };
                pushed(shared, &key, self.import.push(job).await)?;
            }
        }
        for due in shared.ledger.recordings_due().await? {
            let (record_id, stage) = (due.record_id, due.stage);
            let lane = match stage {
                Stage::Convert => Lane::Own,
                Stage::Register => Lane::Tenant(due.tenant),
                Stage::Media | Stage::Done => Lane::Decisions,
            };
            let key = recording_key(&record_id);
            if !shared.running.claim(&key, lane) {
                continue;
            }
            if stage == Stage::Convert {
                pushed(
                    shared,
                    &key,
                    self.convert.push(ConvertJob { record_id }).await,
                )?;
            } else {
                let task = match stage {
                    Stage::Register => Quick::Register,
                    _ => Quick::Media,
                };
                let job = QuickJob { record_id, task };
                pushed(shared, &key, self.quick.push(job).await)?;
            }
        }
        for (record_id, tenant) in shared.ledger.looks_due().await? {
            let key = recording_key(&record_id);
            if shared.running.claim(&key, Lane::Tenant(tenant)) {
                let task = Quick::LookAgain;
                let job = QuickJob { record_id, task };
                pushed(shared, &key, self.quick.push(job).await)?;
            }
        }
        Ok(())
    }
}

/// A job that could not be pushed is claimed by nobody.
fn pushed<E: std::fmt::Display>(
    shared: &Shared,
    key: &str,
    result: Result<(), E>,
) -> anyhow::Result<()> {
    result.map_err(|error| {
        shared.running.release(key);
        anyhow::anyhow!("a job cannot be queued: {error}")
    })
}

/// Brings everything into order that a killed process has left. Nothing else may run yet.
///
/// # Errors
/// The spool or the archive cannot be read.
pub(crate) async fn recover(shared: &Shared) -> anyhow::Result<()> {
    shared.uploads.recover().await?;
    let archive = shared.archive.clone();
    for left in tokio::task::spawn_blocking(move || archive.sweep()).await?? {
        tracing::info!(path = %left.display(), "removed what an import left unfinished");
    }
    let mut watched = Watched::new(&shared.config.spool_dir, shared.config.import.settle);
    watched.look(&shared.ledger).await
}

/// Runs until `shutdown` changes, then lets running jobs come to a safe point.
///
/// # Errors
/// The jobs' database cannot be made, or a worker has died.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let pool = jobs_database(&shared.config.database.with_extension("jobs.db")).await?;
    let mut queues = Queues {
        import: storage(&pool, "import"),
        convert: storage(&pool, "convert"),
        quick: storage(&pool, "quick"),
    };
    let mut workers = JoinSet::new();
    // A macro, because each worker has a type of its own that cannot be written down.
    macro_rules! spawn {
        ($name:literal, $queue:expr, $concurrency:expr, $job:expr) => {
            let mut stopped = shutdown.clone();
            let worker = WorkerBuilder::new($name)
                .backend($queue.clone().poll_with_strategy(Pace::new()))
                .data(shared.clone())
                .catch_panic()
                .concurrency($concurrency)
                .build($job);
            workers.spawn(worker.run_until(async move {
                let _ = stopped.wait_for(|stop| *stop).await;
                Ok::<(), std::io::Error>(())
            }));
        };
    }
    spawn!(
        "import",
        queues.import,
        shared.config.import.workers,
        run_import
    );
    spawn!(
        "convert",
        queues.convert,
        shared.config.convert.workers,
        run_convert
    );
    spawn!("quick", queues.quick, QUICK_WORKERS, run_quick);

    let mut housekeeping = Housekeeping::new(&shared);
    let mut ended_early = None;
    while !*shutdown.borrow() {
        shared.rounds.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = queues.fill(&shared).await {
            let error = format!("{error:#}");
            tracing::error!(
                error,
                "the ledger cannot be asked what is due; trying again"
            );
            tokio::time::sleep(TICK).await;
        }
        if let Err(error) = housekeeping.run(&shared, &pool).await {
            tracing::error!(
                error = format!("{error:#}"),
                "housekeeping failed; trying again"
            );
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = shutdown.changed() => {}
            ended = workers.join_next() => {
                ended_early = ended;
                break;
            }
        }
    }
    shared.stop_soon.store(true, Ordering::Relaxed);
    if tokio::time::timeout(GRACE, all_ended(&mut workers))
        .await
        .is_err()
    {
        tracing::info!("what a conversion has not finished by now is made again after the start");
        shared.stop_now.store(true, Ordering::Relaxed);
        all_ended(&mut workers).await;
    }
    pool.close().await;
    match ended_early {
        // Without its workers the service does nothing; a restart brings them back.
        Some(_) if !*shutdown.borrow() => anyhow::bail!("a worker has died: {ended_early:?}"),
        _ => Ok(()),
    }
}

async fn all_ended<E: std::fmt::Display + 'static>(workers: &mut JoinSet<Result<(), E>>) {
    while let Some(ended) = workers.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "a worker ended badly");
        }
    }
}

/// What has to be done now and then.
struct Housekeeping {
    scanned: Instant,
    tidied: Instant,
    swept: Instant,
    scan_every: Duration,
    watched: Watched,
}

impl Housekeeping {
    fn new(shared: &Shared) -> Housekeeping {
        let now = Instant::now();
        let settle = shared.config.import.settle;
        Housekeeping {
            scanned: now,
            tidied: now,
            swept: now,
            scan_every: SCAN_EVERY.min(settle),
            watched: Watched::new(&shared.config.spool_dir, settle),
        }
    }

    async fn run(&mut self, shared: &Shared, pool: &SqlitePool) -> anyhow::Result<()> {
        if is_due(&mut self.scanned, self.scan_every) {
            self.watched.look(&shared.ledger).await?;
        }
        if is_due(&mut self.tidied, TIDY_EVERY) {
            sqlx::query("DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed')")
                .execute(pool)
                .await?;
        }
        if is_due(&mut self.swept, SWEEP_EVERY) {
            shared.uploads.sweep().await?;
        }
        Ok(())
    }
}

fn is_due(last: &mut Instant, every: Duration) -> bool {
    let due = last.elapsed() >= every;
    if due {
        *last = Instant::now();
    }
    due
}

fn storage<T>(pool: &SqlitePool, queue: &str) -> SqliteStorage<T> {
    let config = apalis_sqlite::Config::default()
        .queue(queue)
        .batch_size(BATCH);
    SqliteStorage::new(pool).with_config(config)
}

/// A fresh database for jobs: those of the last run are gone with their process.
async fn jobs_database(path: &PathBuf) -> anyhow::Result<SqlitePool> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(30));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await
        .with_context(|| format!("cannot make the database of jobs {}", path.display()))?;
    SqliteStorage::setup(&pool)
        .await
        .context("cannot set up the database of jobs")?;
    Ok(pool)
}
