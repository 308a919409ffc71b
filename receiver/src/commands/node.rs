//! `node`: which BBB nodes may send.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use super::{ConfigArg, Usage};

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
    /// List the nodes and when they were last seen
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a node's token away; what it sent stays
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
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || name.len() > 200 || !name.chars().all(allowed) {
                let why = format!(
                    "\"{}\" is no node name: use letters, digits, and . _ -",
                    name.escape_debug()
                );
                return Err(Usage(why).into());
            }
            let ledger = config.ledger().await?;
            let token = new_token()?;
            ledger.add_node(&name, &token).await?;
            eprintln!(
                "Added {name}. This is its token; it is not shown again. Put it into the file that http.token_file of the node's hook.yml names:"
            );
            println!("{token}");
        }
        Command::List { config } => {
            let nodes = config.existing_ledger().await?.nodes().await?;
            if nodes.is_empty() {
                eprintln!("No node may send yet. Add one with: bbb2pod-receiver node add NAME");
            }
            for node in nodes {
                let seen = node
                    .seen_at
                    .map_or("never seen".to_owned(), |at| format!("last seen {at:.0}"));
                println!("{}\tadded {:.0}\t{seen}", node.name, node.added_at);
            }
        }
        Command::Remove { name, config } => {
            if !config.existing_ledger().await?.remove_node(&name).await? {
                return Err(Usage(format!(
                    "there is no node {name}; see: bbb2pod-receiver node list"
                ))
                .into());
            }
            eprintln!("Removed {name}. Its token is refused from now on; what it sent stays.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// 256 random bits, with a prefix by which secret scanners can know it.
fn new_token() -> anyhow::Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().fold("bbb2pod_".to_owned(), |token, byte| {
        format!("{token}{byte:02x}")
    }))
}
