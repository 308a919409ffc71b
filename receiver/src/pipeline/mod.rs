//! The pipeline: every recording goes import → media → convert → register.
//!
//! The ledger says what is due, and apalis does it: a worker per kind of work, so that a long
//! conversion holds up neither imports nor registrations. Jobs carry nothing but a name, and their
//! database is thrown away at every start, because everything that matters is in the ledger: a job
//! that is lost is found due again, one that runs twice finds its work done. [`stages`] is what
//! the jobs do.

mod stages;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use apalis::prelude::*;
use apalis_sqlite::{SqlitePool, SqliteStorage};
use recording::RecordId;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::import::{self, Archive};
use crate::ledger::{Ledger, NewPackage, Stage};
use crate::pod::Destination;
use crate::upload::Uploads;
use crate::upload::headers::names_of;

/// How often the ledger is asked what is due, when nothing arrives.
const TICK: Duration = Duration::from_secs(1);
/// How often workers look for jobs.
const POLL: Duration = Duration::from_millis(200);
/// Registrations and decisions at the same time. Destinations serialise what Pod needs serialised.
const QUICK_WORKERS: usize = 4;

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
    /// Where videos go.
    pub(crate) destination: Box<dyn Destination>,
    /// Notified when something has become due.
    pub(crate) wake: Arc<Notify>,
    /// Set when conversions are to stop at their next safe point.
    pub(crate) stop: AtomicBool,
    running: Mutex<HashSet<String>>,
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
    register: bool,
}

impl Shared {
    /// Puts the parts together.
    pub(crate) fn new(
        config: Config,
        ledger: Ledger,
        archive: Archive,
        uploads: Uploads,
        destination: Box<dyn Destination>,
        wake: Arc<Notify>,
    ) -> Shared {
        let (stop, running) = (AtomicBool::new(false), Mutex::default());
        Shared {
            config,
            ledger,
            archive,
            uploads,
            destination,
            wake,
            stop,
            running,
        }
    }

    /// Claims something for a job; `false` when a job has it already.
    fn claim(&self, key: &str) -> bool {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.to_owned())
    }

    fn release(&self, key: &str) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        self.wake.notify_one();
    }

    /// Brings the spool and the ledger together after a start: leftovers of finished imports go,
    /// and packages that somebody dropped are noted.
    async fn scan_spool(&self) -> anyhow::Result<()> {
        let spool = &self.config.spool_dir;
        for entry in std::fs::read_dir(spool)
            .with_context(|| format!("cannot read the spool {}", spool.display()))?
        {
            let entry = entry?;
            let (Ok(file), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
            else {
                continue;
            };
            let is_package = metadata.is_file() && file.ends_with(".tar") && !file.starts_with('.');
            if !is_package || self.ledger.knows_spool_file(&file).await? {
                continue;
            }
            // A package that came by upload carries the upload's id in its name.
            let upload_id = file
                .strip_suffix(".tar")
                .and_then(|stem| stem.rsplit_once('~'))
                .map(|(_, id)| id.to_owned());
            let modified = metadata
                .modified()
                .ok()
                .and_then(|t| jiff::Timestamp::try_from(t).ok())
                .unwrap_or_default();
            let id = upload_id.unwrap_or_else(|| {
                format!("{file}@{}-{}", modified.as_nanosecond(), metadata.len())
            });
            match self.ledger.settled_package(&id).await? {
                Some(Some(reason)) => import::put_aside(spool, &file, &reason)?,
                Some(None) => import::remove(&entry.path())?,
                None => {
                    let (record_id, format) = names_of(&file);
                    let bytes = metadata.len();
                    let package = NewPackage {
                        id,
                        file,
                        node: None,
                        record_id,
                        format,
                        digest: None,
                        bytes,
                    };
                    self.ledger.add_package(&package).await?;
                }
            }
        }
        Ok(())
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
        self.shared.release(&self.key);
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
    if job.register {
        stages::register(&shared, &job.record_id).await;
    } else {
        stages::media(&shared, &job.record_id).await;
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
            if shared.claim(&key)
                && self
                    .import
                    .push(ImportJob {
                        package: package.id,
                    })
                    .await
                    .is_err()
            {
                shared.release(&key);
            }
        }
        for (record_id, stage) in shared.ledger.recordings_due().await? {
            let key = recording_key(&record_id);
            if !shared.claim(&key) {
                continue;
            }
            let pushed = match stage {
                Stage::Convert => self.convert.push(ConvertJob { record_id }).await.is_ok(),
                Stage::Media => self
                    .quick
                    .push(QuickJob {
                        record_id,
                        register: false,
                    })
                    .await
                    .is_ok(),
                Stage::Register => self
                    .quick
                    .push(QuickJob {
                        record_id,
                        register: true,
                    })
                    .await
                    .is_ok(),
                Stage::Done => false,
            };
            if !pushed {
                shared.release(&key);
            }
        }
        Ok(())
    }
}

/// Runs until `shutdown` changes, then lets running jobs come to a safe point.
///
/// # Errors
/// The jobs' database cannot be made, or the ledger or the spool cannot be read at the start.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    shared.uploads.recover().await?;
    for left in shared.archive.sweep()? {
        tracing::info!(path = %left.display(), "removed what an import left unfinished");
    }
    shared.scan_spool().await?;
    let pool = jobs_database(&shared.config.database.with_extension("jobs.db")).await?;
    let mut queues = Queues {
        import: storage(&pool, "import"),
        convert: storage(&pool, "convert"),
        quick: storage(&pool, "quick"),
    };
    let mut workers = tokio::task::JoinSet::new();
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

    let mut ticks: u64 = 0;
    while !*shutdown.borrow() {
        if let Err(error) = queues.fill(&shared).await {
            tracing::error!(
                error = format!("{error:#}"),
                "the ledger cannot be asked what is due; trying again"
            );
        }
        if ticks.is_multiple_of(10) {
            if let Err(error) = shared.scan_spool().await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the spool cannot be scanned; trying again"
                );
            }
        }
        if ticks.is_multiple_of(3600) {
            shared.uploads.sweep().await?;
        }
        ticks += 1;
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = shutdown.changed() => {}
        }
    }
    shared.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = workers.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "a worker ended badly");
        }
    }
    pool.close().await;
    Ok(())
}

fn storage<T>(pool: &SqlitePool, queue: &str) -> SqliteStorage<T> {
    SqliteStorage::new(pool).with_config(
        apalis_sqlite::Config::default()
            .queue(queue)
            .persist_results(false),
    )
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
