//! The command line: one file per command.

mod add_to_tenant;
mod backfill;
mod check;
mod erase;
mod export;
mod forget_links;
mod moodle_message;
mod node;
mod notify;
mod owners;
mod person;
mod reconcile;
mod recording;
mod register;
mod serve;
mod status;
mod tenant;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use ::recording::settings::SettingsError;
use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::ledger::{Ledger, LedgerError};
use crate::pod::{PodError, Retry};
use crate::web::video::KeyError;

/// Takes recordings of BigBlueButton nodes in, converts them and registers them in Esup-Pod
#[derive(Debug, Parser)]
#[command(name = "bbb2pod-receiver", version, max_term_width = 100)]
#[command(after_help = "Examples:
  bbb2pod-receiver check --config /etc/bbb2pod/receiver.yml
  bbb2pod-receiver node add bbb1.univ.example
  bbb2pod-receiver serve --config /etc/bbb2pod/receiver.yml
  bbb2pod-receiver register --dry-run
  bbb2pod-receiver backfill --server old-bbb --dry-run
  bbb2pod-receiver owners 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  bbb2pod-receiver moodle-message --dry-run
  bbb2pod-receiver recording show 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  bbb2pod-receiver convert /var/bigbluebutton/published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 -o lecture.mp4

Exit codes: 0 done, 1 something failed, 2 usage, settings or input, 3 nothing could be reached")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines are written to standard error
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take uploads, import, convert and register until stopped
    Serve(serve::Args),
    /// Try the settings: folders, ledger, ffmpeg, fonts, destination
    Check(check::Args),
    /// Tell how the receiver is: what waits, what failed, whether there is room
    Status(status::Args),
    /// Compare node, spool, archive, media and Pod with the ledger
    Reconcile(reconcile::Args),
    /// Convert one published recording into an MP4
    #[command(after_help = "Examples:
  A lecture as people saw it:
    bbb2pod-receiver convert /var/bigbluebutton/published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 -o lecture.mp4
  Its second ten minutes, in 1080p, with the slides alone:
    bbb2pod-receiver convert published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --start 10:00 --end 20:00 --height 1080 --layout presentation-only -o part.mp4
  One that is on its server, or in a package:
    bbb2pod-receiver convert https://bbb.univ.example/playback/presentation/2.3/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 -o lecture.mp4
    bbb2pod-receiver convert 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920-presentation.tar -o lecture.mp4
  The smallest file, with the sound as it is:
    bbb2pod-receiver convert published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --codec av1 --audio copy -o small.mp4
  With the chat but no names, a title, a logo, and sound of one loudness:
    bbb2pod-receiver convert published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --anonymise-chat --title-card --watermark logo.png --loudness -o seminar.mp4
  Single pictures:
    bbb2pod-receiver convert published/presentation/183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --frames pictures --at 12.3,1:45

Exit codes: 0 done, 1 failed for a reason that may pass, 2 usage or input, 3 server not reached")]
    Convert(Box<crate::convert::Args>),
    /// Say in Moodle's activities where their recordings are now
    MoodleMessage(moodle_message::Args),
    /// Bring recordings from servers on which nothing can be installed
    Backfill(Box<backfill::Args>),
    /// Look at recordings, and try failed ones again
    #[command(subcommand)]
    Recording(recording::Command),
    /// Hand recordings to Pod now, or tell what would be done
    Register(register::Args),
    /// List all recordings with their owners, as CSV or JSON
    Export(export::Args),
    /// Remove links from "My external videos" of Pod again
    ForgetLinks(forget_links::Args),
    /// Tell whose a recording is, and why, without changing anything
    Owners(owners::Args),
    /// The BBB nodes that may send
    #[command(subcommand)]
    Node(node::Command),
    /// What is kept about a person, and erasing it
    #[command(subcommand)]
    Person(person::Command),
    /// Messages to people who are needed
    #[command(subcommand)]
    Notify(notify::Command),
    /// For whom recordings are kept, each with a Pod of its own
    #[command(subcommand)]
    Tenant(Box<tenant::Command>),
    /// Write man pages and shell completions into a folder
    #[command(hide = true)]
    Manual(manual::Args),
}

/// Where the settings are.
#[derive(Debug, Args)]
struct ConfigArg {
    /// The settings file
    #[arg(
        long,
        short,
        env = "BBB2POD_RECEIVER_CONFIG",
        default_value = "/etc/bbb2pod/receiver.yml"
    )]
    config: PathBuf,
}

impl ConfigArg {
    fn read(&self) -> Result<Config, SettingsError> {
        Config::read(&self.config)
    }

    /// The settings as they are for a tenant; those of the file when none is named.
    async fn read_for(&self, tenant: Option<&str>) -> anyhow::Result<Config> {
        let config = self.read()?;
        let Some(tenant) = tenant else {
            return Ok(config);
        };
        let ledger = Ledger::open_existing(&config.database).await?;
        let settings = ledger.tenant_settings(tenant).await?;
        let settings = settings.ok_or_else(|| tenant::unknown(tenant))?;
        Ok(crate::tenants::with(&config, &settings)?)
    }

    /// The settings as they are for the tenant whose a recording is.
    async fn read_of(&self, id: &::recording::RecordId) -> anyhow::Result<Config> {
        let ledger = self.existing_ledger().await?;
        let tenant = ledger.tenant_of(id).await?;
        self.read_for(tenant.as_deref()).await
    }

    /// Opens the ledger that the settings name, if the service has made it.
    async fn existing_ledger(&self) -> anyhow::Result<Ledger> {
        let config = self.read()?;
        Ok(Ledger::open_existing(&config.database).await?)
    }

    /// Opens the ledger that the settings name.
    async fn ledger(&self) -> anyhow::Result<Ledger> {
        let config = self.read()?;
        Ok(Ledger::open(&config.database).await?)
    }
}

/// Runs the command line, and turns what went wrong into one line and an exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    log(cli.log_format);
    let done = match cli.command {
        Command::Convert(args) => crate::convert::run(*args),
        Command::Serve(args) => within_runtime(serve::run(args)),
        Command::Status(args) => within_runtime(status::run(args)),
        Command::Reconcile(args) => within_runtime(reconcile::run(args)),
        Command::Check(args) => within_runtime(check::run(args)),
        Command::MoodleMessage(args) => within_runtime(moodle_message::run(args)),
        Command::Backfill(args) => within_runtime(backfill::run(*args)),
        Command::Recording(command) => within_runtime(recording::run(command)),
        Command::Register(args) => within_runtime(register::run(args)),
        Command::Export(args) => within_runtime(export::run(args)),
        Command::ForgetLinks(args) => within_runtime(forget_links::run(args)),
        Command::Owners(args) => within_runtime(owners::run(args)),
        Command::Node(command) => within_runtime(node::run(command)),
        Command::Person(command) => within_runtime(person::run(command)),
        Command::Notify(command) => within_runtime(notify::run(command)),
        Command::Tenant(command) => within_runtime(tenant::run(*command)),
        Command::Manual(args) => write_manual(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("bbb2pod-receiver: {}", told(&error));
        let is_the_users = error.chain().any(|cause| {
            let ledger = cause.downcast_ref::<LedgerError>();
            cause.is::<SettingsError>()
                || cause.is::<Usage>()
                || cause.is::<KeyError>()
                || ledger.is_some_and(LedgerError::is_about_the_file)
        });
        let is_away = error.chain().any(|cause| {
            let pod = cause.downcast_ref::<PodError>();
            pod.is_some_and(PodError::is_unreachable)
        });
        let is_the_users = is_the_users
            || error.chain().any(|cause| {
                let pod = cause.downcast_ref::<PodError>();
                pod.is_some_and(|pod| pod.retry() == Retry::StopAll)
            });
        ExitCode::from(match (is_the_users, is_away) {
            (true, _) => 2,
            (false, true) => 3,
            (false, false) => 1,
        })
    })
}

fn write_manual(args: &manual::Args) -> anyhow::Result<ExitCode> {
    let settings = schemars::schema_for!(Config).to_value();
    manual::write(Cli::command(), &settings, &args.dir)
        .with_context(|| format!("cannot write the manual into {}", args.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// An error and its causes on one line; many already say their cause themselves.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |line, cause| {
        let cause = cause.to_string();
        match line.is_empty() {
            true => cause,
            false if line.contains(&cause) => line,
            false => format!("{line}: {cause}"),
        }
    })
}

/// Writes lines to standard output. Whoever reads them may stop at any time.
fn print(lines: &[String]) -> anyhow::Result<()> {
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A command that makes no sense as given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn within_runtime(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("BBB2POD_LOG")
        // What is wrong with fonts and certificates is told in our own words.
        .unwrap_or_else(|_| {
            EnvFilter::new(
                "info,sqlx=warn,apalis=warn,usvg=error,fontdb=error,rustls_platform_verifier=off",
            )
        });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        assert!(manual::without_example(Cli::command()).is_empty());
    }
}
