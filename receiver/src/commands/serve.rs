//! `serve`: the service.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use super::{ConfigArg, Usage};
use crate::config::Config;
use crate::import::Archive;
use crate::ledger::Ledger;
use crate::owners::Finders;
use crate::pipeline::{self, Shared};
use crate::pod::{PodError, VideoLinks};
use crate::tenants::Tenants;
use crate::upload::Uploads;
use crate::web::metrics::Metrics;
use crate::web::video::{Addresses, KeyError, Videos};
use crate::{notify, pod, systemd, web};

/// How long Pod may take to answer at the start.
const PREPARING: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bbb2pod-receiver serve --config /etc/bbb2pod/receiver.yml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    make_folders(&config)?;
    let _alone = alone(&config)?;
    writable(&config)?;
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(assemble(config, stopping.clone()).await?);
    let (config, ledger) = (&shared.config, &shared.ledger);
    prepare(&shared).await?;
    let metrics = Metrics::install(config).context("cannot start metrics")?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Usage(format!(
            "cannot listen on {}: {error}; if another service is there (ss -ltnp tells which), or the address is not this machine's, change `listen` in the settings",
            config.listen
        ))
    })?;
    let address = listener.local_addr()?;
    let max_connections = config.max_connections;
    let videos = Videos::new(
        ledger.clone(),
        config.media_dir.clone(),
        addresses(config)?,
        shared.wake.clone(),
    );
    let routes = web::routes(
        ledger.clone(),
        shared.archive.clone(),
        shared.uploads.clone(),
        videos,
        metrics,
    );

    pipeline::recover(&shared).await?;
    let watchdog = systemd::watchdog(ledger.clone(), shared.clone(), stopping.clone());
    let watchdog = tokio::spawn(watchdog);
    let mut pipeline = tokio::spawn(pipeline::run(shared.clone(), stopping.clone()));
    let mut notify = tokio::spawn(notify::run(
        config.clone(),
        ledger.clone(),
        stopping.clone(),
    ));
    let mut http = tokio::spawn(web::serve(
        listener,
        routes,
        max_connections,
        stopping.clone(),
    ));
    tracing::info!(%address, "listening");
    systemd::ready(&format!("listening on {address}"));

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ended_early = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = &mut pipeline => Some(ended),
    };
    stop.send_replace(true);
    systemd::stopping("what is running comes to a safe point");
    let result = match ended_early {
        Some(ended) => ended?,
        None => {
            tracing::info!("stopping; a running conversion keeps what it has finished");
            pipeline.await?
        }
    };
    // Uploads go on after the restart; nobody waits here for a slow one to end.
    if tokio::time::timeout(Duration::from_secs(5), &mut http)
        .await
        .is_err()
    {
        http.abort();
    }
    // What is being told meanwhile is told again otherwise.
    if tokio::time::timeout(Duration::from_secs(5), &mut notify)
        .await
        .is_err()
    {
        notify.abort();
    }
    watchdog.abort();
    ledger.close().await;
    result.map(|()| ExitCode::SUCCESS)
}

/// Looks whether Pod has what the settings name. What is wrong in them ends the service before it
/// begins; a Pod that is down does not, as recordings can be taken in meanwhile.
async fn prepare(shared: &Shared) -> Result<(), PodError> {
    let destination = &shared.tenants.default_tenant().destination;
    match tokio::time::timeout(PREPARING, destination.prepare()).await {
        Ok(Err(error)) if error.is_about_settings() => return Err(error),
        Ok(Err(error)) => tracing::error!(%error, "Pod cannot be asked; trying again later"),
        Err(_) => tracing::error!("Pod does not answer; trying again later"),
        Ok(Ok(())) => {}
    }
    Ok(())
}

/// Puts together what every stage needs. Nothing runs yet.
pub(super) async fn assemble(
    config: Config,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<Shared> {
    let ledger = Ledger::open(&config.database).await?;
    let archive = Archive::open(&config.archive_dir)
        .with_context(|| format!("cannot open the archive {}", config.archive_dir.display()))?;
    let wake = Arc::new(Notify::new());
    let uploads = Uploads::new(
        &config.spool_dir,
        &config.upload,
        ledger.clone(),
        wake.clone(),
        stopping,
    )
    .with_context(|| format!("cannot open the spool {}", config.spool_dir.display()))?;
    let links = video_links(&config)?;
    let destination = pod::destination(&config.destination, &links)?;
    let finders = config
        .owners
        .as_ref()
        .map(|owners| Finders::new(owners, &config.destination))
        .transpose()?;
    let tenants = Tenants::new(config.clone(), destination, finders, links);
    Ok(Shared::new(config, ledger, archive, uploads, tenants, wake))
}

fn addresses(config: &Config) -> Result<Addresses, KeyError> {
    Addresses::open(&Addresses::key_file(&config.database))
}

/// The addresses that the settings give the videos.
pub(super) fn video_links(config: &Config) -> Result<VideoLinks, KeyError> {
    Ok(VideoLinks {
        base: config.public_url.clone(),
        addresses: addresses(config)?,
    })
}

/// The folders of the state, each with the setting that names it.
fn folders(config: &Config) -> [(&'static str, &Path); 5] {
    let database = config.database.parent().unwrap_or(Path::new("/"));
    [
        ("database", database),
        ("spool_dir", &config.spool_dir),
        ("archive_dir", &config.archive_dir),
        ("media_dir", &config.media_dir),
        ("work_dir", &config.work_dir),
    ]
}

pub(super) fn make_folders(config: &Config) -> anyhow::Result<()> {
    for (key, folder) in folders(config) {
        fs::create_dir_all(folder).map_err(|e| {
            let folder = folder.display();
            Usage(format!(
                "{key}: cannot make the folder {folder}: {e}; make it, or change {key}"
            ))
        })?;
    }
    Ok(())
}

/// Makes sure that this user may write all of the state, also what another user has made there by
/// a command. A full disk is no reason not to start.
fn writable(config: &Config) -> anyhow::Result<()> {
    let forbidden = |e: &io::Error| {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem)
    };
    let refused = |key, path: &Path, folder: &Path, e| {
        let (path, folder) = (path.display(), folder.display());
        Usage(format!(
            "{key}: cannot write {path}: {e}; give the folder to the user that runs the receiver (chown -R bbb2pod: {folder}), or change {key}"
        ))
    };
    for (key, folder) in folders(config) {
        if let Err(e) = tempfile::tempfile_in(folder)
            && forbidden(&e)
        {
            return Err(refused(key, folder, folder, e).into());
        }
    }
    for suffix in ["db", "db-wal", "db-shm"] {
        let file = match suffix {
            "db" => config.database.clone(),
            other => config.database.with_extension(other),
        };
        let folder = file.parent().unwrap_or(Path::new("/"));
        if let Err(e) = fs::File::options().write(true).open(&file)
            && forbidden(&e)
        {
            return Err(refused("database", &file, folder, e).into());
        }
    }
    Ok(())
}

/// Makes sure that no other service works on the same ledger, spool or archive; the locks go with
/// the process.
pub(super) fn alone(config: &Config) -> anyhow::Result<Vec<fs::File>> {
    let lock = config.database.with_extension("lock");
    let failed = |e| {
        Usage(format!(
            "database: cannot write {}: {e}; give the folder to the user that runs the receiver (chown -R bbb2pod: {}), or change `database`",
            lock.display(),
            config.database.parent().unwrap_or(Path::new("/")).display()
        ))
    };
    let mut held = vec![locked(fs::File::create(&lock).map_err(failed)?, &lock)?];
    for folder in [&config.spool_dir, &config.archive_dir] {
        match fs::File::open(folder)
            .map_err(anyhow::Error::from)
            .and_then(|f| locked(f, folder))
        {
            Ok(file) => held.push(file),
            Err(error) if error.is::<Usage>() => return Err(error),
            // Some network filesystems lock no folders; the ledger's lock remains.
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot be locked"),
        }
    }
    Ok(held)
}

fn locked(file: fs::File, path: &Path) -> anyhow::Result<fs::File> {
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let path = path.display();
            let why = format!(
                "another bbb2pod-receiver is serving already (it holds {path}); stop that one, or change `database`, `spool_dir` and `archive_dir` for this one"
            );
            Err(Usage(why).into())
        }
        Err(e) => {
            Err(io::Error::from(e)).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
