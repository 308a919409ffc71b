//! `notify`: whether messages come, and what they would say.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;

use super::{ConfigArg, Usage, print};
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError};
use crate::notify::{self, About, NotifyConfig};
use crate::pod::Finding;
use crate::upload::random_id;

/// What to do with messages.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a test message by every channel
    #[command(after_help = "Example:
  sudo -u bbb2pod bbb2pod-receiver notify test

Exit codes: 0 every channel took it; 2 settings; 3 a channel did not take it.")]
    Test {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Tell what needs a human now, and how the channels are
    #[command(after_help = "Example:
  bbb2pod-receiver notify show

Exit codes: 0 nothing needs a human; 1 something does; 2 settings.")]
    Show {
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Test { config } => test(&config.read()?).await,
        Command::Show { config } => show(&config.read()?).await,
    }
}

fn of(config: &Config) -> Result<&NotifyConfig, Usage> {
    let why = "the settings have no section `notify`; etc/receiver.yml shows one";
    config.notify.as_ref().ok_or_else(|| Usage(why.to_owned()))
}

async fn test(config: &Config) -> anyhow::Result<ExitCode> {
    let notify = of(config)?;
    let receiver = notify::receiver_name(config);
    let about = About {
        news: &[],
        standing: &[],
    };
    let mut code = ExitCode::SUCCESS;
    for channel in notify::channels(notify, &receiver) {
        let id = random_id().context("no id for a message")?;
        let message = notify::test(&id, &receiver, notify.language);
        match channel.send(&message, &about).await {
            Ok(()) => print(&[format!("{}: taken", channel.name())])?,
            Err(error) => {
                eprintln!("{}: {error}", channel.name());
                code = ExitCode::from(3);
            }
        }
    }
    Ok(code)
}

async fn show(config: &Config) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::open_existing(&config.database).await?;
    let notify = config.notify.clone().unwrap_or_default();
    // Nodes count from when they were last heard of: nobody knows here when the service began.
    let standing = notify::standing(config, &notify, &ledger, Timestamp::MIN).await?;
    let mut lines: Vec<_> = standing
        .iter()
        .map(|c| format!("{:<9} {}: {}", c.kind.as_str(), c.of, c.why))
        .collect();
    if lines.is_empty() {
        lines.push("Nothing needs a human.".to_owned());
    }
    match config.notify {
        Some(_) => lines.extend(states(config, &ledger).await?),
        None => lines.push("Nobody is told: the settings have no section `notify`.".to_owned()),
    }
    ledger.close().await;
    print(&lines)?;
    Ok(ExitCode::from(u8::from(!standing.is_empty())))
}

/// How each channel is, in a line.
pub(super) async fn states(config: &Config, ledger: &Ledger) -> Result<Vec<String>, LedgerError> {
    let Some(notify) = &config.notify else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for channel in notify::channels(notify, "") {
        let name = channel.name();
        let state = ledger.notice_channel(name).await?;
        lines.push(match (&state.error, state.failing_since, state.sent_at) {
            (Some(error), Some(since), _) => {
                format!(
                    "Notify      {name}: FAILS since {since:.0}, next try {:.0}: {error}",
                    state.next_try
                )
            }
            (_, _, Some(at)) => format!("Notify      {name}: last message {at:.0}"),
            _ => format!("Notify      {name}: no message yet"),
        });
    }
    Ok(lines)
}

/// What `check` says of the channels.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let Some(notify) = &config.notify else {
        let advice = "write a section `notify` (mail or webhook) into the settings";
        return vec![Finding::warning(
            "notify: nobody is told when somebody is needed",
            advice,
        )];
    };
    let Ok(ledger) = Ledger::open_existing(&config.database).await else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for channel in notify::channels(notify, "") {
        let name = channel.name();
        let state = ledger.notice_channel(name).await.unwrap_or_default();
        findings.push(match state.error {
            Some(error) => Finding::wrong(
                format!("notify.{name}: the last message was not taken: {error}"),
                "correct the settings; to try at once: bbb2pod-receiver notify test",
            ),
            None => Finding::fine(format!(
                "notify.{name} is set up; to try it: bbb2pod-receiver notify test"
            )),
        });
    }
    ledger.close().await;
    findings
}
