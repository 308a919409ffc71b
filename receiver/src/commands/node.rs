//! `node`: which BBB nodes may send, and how they are.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{ConfigArg, Usage, print};
use crate::ledger::Node;
use crate::token;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let a node send; prints its token, once
    #[command(after_help = "Example:\n  bbb2pod-receiver node add bbb1.univ.example > token")]
    Add {
        /// The node's name, as hook.yml on it says
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Make a one-time code, and print the command that sets the node up with it
    #[command(after_help = "Examples:
  bbb2pod-receiver node enroll bbb1.univ.example
  bbb2pod-receiver node enroll bbb1.univ.example --again     # it lost its token")]
    Enroll {
        /// The node's name
        name: String,
        /// Where nodes reach this receiver; `public_url` of the settings unless given
        #[arg(long)]
        url: Option<String>,
        /// How long the code is good
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        expires: Duration,
        /// For a node that is there already: it gets a new token
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the nodes: when they were last seen, and what waits on them
    #[command(after_help = "Example:\n  bbb2pod-receiver node list")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Tell how a node is, as far as it has told
    #[command(after_help = "Examples:
  bbb2pod-receiver node status bbb1.univ.example
  Nodes on which something waits:
    bbb2pod-receiver node status --json | jq -r 'select(.report.backlog > 0) | .name'")]
    Status {
        /// The node's name; all of them unless given
        name: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a node's token away; what it sent stays
    #[command(after_help = "Example:\n  bbb2pod-receiver node remove bbb1.univ.example")]
    Remove {
        /// The node's name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add { name, config } => {
            check_name(&name)?;
            let ledger = config.ledger().await?;
            let token = token::new().context("the system gives no random numbers")?;
            ledger.add_node(&name, &token).await?;
            eprintln!(
                "Added {name}. This is its token; it is not shown again. Put it into the file that http.token_file of the node's hook.yml names:"
            );
            println!("{token}");
        }
        Command::Enroll {
            name,
            url,
            expires,
            again,
            config,
        } => {
            check_name(&name)?;
            let settings = config.read()?;
            let url = match url.or(settings.public_url) {
                Some(url) => url,
                None => format!("http://{}", settings.listen),
            };
            let code = token::new_code().context("the system gives no random numbers")?;
            let expires = SignedDuration::try_from(expires)
                .ok()
                .and_then(|expires| Timestamp::now().checked_add(expires).ok())
                .ok_or_else(|| Usage("--expires is too long".to_owned()))?;
            let ledger = config.ledger().await?;
            let plain = token::plain_code(&code);
            ledger.add_enrolment(&name, &plain, expires, again).await?;
            eprintln!("Run this on {name} before {expires:.0}; the code is good once:");
            println!("bbb2pod-hook enroll {url} --code {code}");
        }
        Command::List { json, config } => {
            let nodes = config.existing_ledger().await?.nodes().await?;
            if nodes.is_empty() {
                eprintln!("No node may send yet. Add one with: bbb2pod-receiver node enroll NAME");
            }
            let line = |node: &Node| match json {
                true => as_json(node).to_string(),
                false => as_line(node),
            };
            print(&nodes.iter().map(line).collect::<Vec<_>>())?;
        }
        Command::Status { name, json, config } => {
            let mut nodes = config.existing_ledger().await?.nodes().await?;
            if let Some(name) = name {
                nodes.retain(|node| node.name == name);
                if nodes.is_empty() {
                    return Err(unknown(&name));
                }
            }
            let told = |node: &Node| match json {
                true => as_json(node).to_string(),
                false => as_text(node),
            };
            print(&nodes.iter().map(told).collect::<Vec<_>>())?;
        }
        Command::Remove { name, config } => {
            if !config.existing_ledger().await?.remove_node(&name).await? {
                return Err(unknown(&name));
            }
            eprintln!("Removed {name}. Its token is refused from now on; what it sent stays.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check_name(name: &str) -> Result<(), Usage> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 200 || !name.chars().all(allowed) {
        return Err(Usage(format!(
            "\"{}\" is no node name: use letters, digits, and . _ -",
            name.escape_debug()
        )));
    }
    Ok(())
}

fn unknown(name: &str) -> anyhow::Error {
    Usage(format!(
        "there is no node {name}; see: bbb2pod-receiver node list"
    ))
    .into()
}

fn seen(node: &Node) -> String {
    node.seen_at
        .map_or("never seen".to_owned(), |at| format!("last seen {at:.0}"))
}

fn backlog(node: &Node) -> String {
    match &node.report {
        None => "has told nothing of itself yet".to_owned(),
        Some((report, at)) => {
            let mut text = match report.backlog {
                0 => "nothing waits".to_owned(),
                n => format!("{n} wait ({})", ByteSize(report.backlog_bytes)),
            };
            if let Some(oldest) = report.oldest_unsent {
                text += &format!(", the oldest since {oldest:.0}");
            }
            format!("{text} (told {at:.0}, hook {})", report.version)
        }
    }
}

pub(super) fn as_line(node: &Node) -> String {
    format!(
        "{}\tadded {:.0}\t{}\t{}",
        node.name,
        node.added_at,
        seen(node),
        backlog(node)
    )
}

fn as_text(node: &Node) -> String {
    format!(
        "Node     {}\nAdded    {:.0}\nSeen     {}\nOutbox   {}",
        node.name,
        node.added_at,
        seen(node),
        backlog(node)
    )
}

fn as_json(node: &Node) -> serde_json::Value {
    json!({
        "name": node.name,
        "added_at": node.added_at,
        "seen_at": node.seen_at,
        "report": node.report.as_ref().map(|(report, _)| report),
        "reported_at": node.report.as_ref().map(|(_, at)| at),
    })
}
