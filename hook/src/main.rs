//! `bbb2pod-hook`: hands recordings over from a BigBlueButton node to a bbb2pod receiver.
//!
//! [`publish`] takes a snapshot into the [`outbox`], [`send`] brings it over a [`transport`],
//! [`status`] tells what waits; [`backfill`] takes what was published before the hook
//! was there, [`sweep`] what a lost call of `publish` missed; [`reconcile`] compares both sides,
//! [`prune`] deletes what the other side has confirmed; [`check`] and [`enroll`] set a node up.

mod backfill;
mod bbb;
mod check;
mod cli;
mod content;
mod enroll;
mod error;
mod failure;
mod filters;
mod inventory;
mod lost;
mod metrics;
mod moves;
mod outbox;
mod prune;
mod publish;
mod receiver;
mod reconcile;
mod report;
mod send;
mod settings;
mod status;
mod stop;
mod sweep;
mod transport;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use jiff::Timestamp;
use tracing::error;

use cli::{Cli, Command, LogFormat};
use error::Error;
use settings::Settings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.common.log_format);
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            error!("{e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Error> {
    let settings = Settings::read(&cli.common.config).map_err(Error::from);
    match &cli.command {
        Command::Publish { meeting_id, format } => {
            publish::publish(settings, meeting_id, format.as_deref()).map(|()| 0)
        }
        Command::Send { watch, wait, now } => {
            let mode = if *watch {
                send::Mode::Watch
            } else {
                let wait = Duration::from_secs(*wait);
                send::Mode::Once { wait }
            };
            let tally = send::send(&settings?, mode, *now)?;
            // A service that was asked to stop has done so.
            Ok(if *watch { 0 } else { tally.exit_code() })
        }
        Command::Manual(args) => manual::write(
            Cli::command(),
            &schemars::schema_for!(Settings).to_value(),
            &args.dir,
        )
        .map(|()| 0)
        .map_err(|e| Error::disk("cannot write the manual into", &args.dir, &e)),
        Command::Sweep => {
            let swept = sweep::sweep(&settings?)?;
            tracing::info!(
                taken = swept.taken,
                failed = swept.failed,
                "looked for what was missed"
            );
            Ok(u8::from(swept.failed > 0))
        }
        Command::Backfill(asked) => {
            let mut out = io::stdout().lock();
            backfill::backfill(&settings?, asked, &mut out)
        }
        Command::Status { json, textfile } => {
            let status = status::status(&settings?)?;
            if let Some(path) = textfile {
                return metrics::write(&status, path).map(|()| 0);
            }
            let mut out = io::stdout().lock();
            let written = if *json {
                status.write_json(&mut out)
            } else {
                status.write_text(&mut out, Timestamp::now())
            };
            answered(written, status.exit_code())
        }
        Command::Reconcile { json } => {
            let reconciled = reconcile::reconcile(&settings?)?;
            let mut out = io::stdout().lock();
            let written = if *json {
                reconciled.write_json(&mut out)
            } else {
                reconciled.write_text(&mut out)
            };
            answered(written, reconciled.exit_code())
        }
        Command::Prune(asked) => prune::prune(&settings?, asked, &mut io::stdout().lock()),
        Command::Check { json } => checked(&settings?, *json),
        Command::Enroll(asked) => {
            enroll::enroll(&cli.common.config, asked)?;
            enroll::start_service(&cli.common.config);
            checked(&Settings::read(&cli.common.config)?, false)
        }
        Command::RsyncChild { parent, arguments } => Ok(transport::rsync::exec(*parent, arguments)),
        Command::TryRsync => {
            let finding = check::try_rsync(&settings?)?;
            let mut out = io::stdout().lock();
            answered(check::write_json(&[finding], &mut out), 0)
        }
        Command::TryFolders { paths } => Ok(match check::try_folders(paths) {
            Ok(()) => 0,
            Err(e) => {
                // For the `check` that called this, not for the log.
                let _ = writeln!(io::stdout(), "{e}");
                1
            }
        }),
    }
}

fn checked(settings: &Settings, json: bool) -> Result<u8, Error> {
    let findings = check::check(settings)?;
    let mut out = io::stdout().lock();
    let written = if json {
        check::write_json(&findings, &mut out)
    } else {
        check::write_text(&findings, &mut out)
    };
    answered(written, check::exit_code(&findings))
}

/// A closed pipe (`| head`) is no failure.
fn answered(written: io::Result<()>, code: u8) -> Result<u8, Error> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Disk(format!("cannot write the answer: {e}")))
        }
        _ => Ok(code),
    }
}

fn log_to_stderr(format: LogFormat) {
    let level = tracing_subscriber::EnvFilter::try_from_env("BBB2POD_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,rustls_platform_verifier=off")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
