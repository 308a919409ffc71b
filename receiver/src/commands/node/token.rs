//! `node token`: giving a node another token, and taking the old one away later.

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use super::super::{ConfigArg, Usage, print};
use super::unknown;
use crate::fleet::check_name;
use crate::ledger::Token;
use crate::token as secret;

/// What to do with the tokens of a node.
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum Command {
    /// Give a node another token; prints it, once. Those it has stay good
    #[command(
        after_help = "To change a token while uploads run: add one, put it into the node's token file (the hook reads it
anew for each request), wait until `node token list` says that it is used, revoke the old one.

Examples:
  bbb2pod-receiver node token add bbb1.univ.example > token
  bbb2pod-receiver node token add bbb1.univ.example --name after-the-leak > token"
    )]
    Add {
        /// The node's name
        node: String,
        /// By which you will know it; the day unless given
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List a node's tokens: when each was made and last used
    #[command(after_help = "Example:\n  bbb2pod-receiver node token list bbb1.univ.example")]
    List {
        /// The node's name
        node: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a token away; it is refused from the next request on
    #[command(
        after_help = "Example:\n  bbb2pod-receiver node token revoke bbb1.univ.example first"
    )]
    Revoke {
        /// The node's name
        node: String,
        /// The token's name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { node, name, config } => {
            if let Some(name) = &name {
                check_name(name).map_err(Usage)?;
            }
            let ledger = config.existing_ledger().await?;
            let token = secret::new().context("the system gives no random numbers")?;
            let added = ledger.add_token(&node, name.as_deref(), &token).await?;
            let name = added.ok_or_else(|| unknown(&node))?;
            eprintln!(
                "This is token {name} of {node}; it is not shown again. Its other tokens stay good until: bbb2pod-receiver node token revoke {node} NAME"
            );
            println!("{token}");
        }
        Command::List { node, json, config } => {
            let ledger = config.existing_ledger().await?;
            if !ledger.nodes().await?.iter().any(|n| n.name == node) {
                return Err(unknown(&node));
            }
            let tokens = ledger.tokens().await?.remove(&node).unwrap_or_default();
            let line = |token: &Token| match json {
                true => as_json(token).to_string(),
                false => as_line(token),
            };
            print(&tokens.iter().map(line).collect::<Vec<_>>())?;
        }
        Command::Revoke { node, name, config } => {
            let ledger = config.existing_ledger().await?;
            if !ledger.revoke_token(&node, &name).await? {
                let why = format!(
                    "{node} has no token {name}; see: bbb2pod-receiver node token list {node}"
                );
                return Err(Usage(why).into());
            }
            eprintln!("Token {name} of {node} is refused from now on.");
            if !ledger.tokens().await?.contains_key(&node) {
                eprintln!(
                    "It was the last one: {node} can send nothing until: bbb2pod-receiver node token add {node}"
                );
            }
        }
    }
    Ok(())
}

pub(super) fn as_line(token: &Token) -> String {
    let used = token
        .used_at
        .map_or("never used".to_owned(), |at| format!("last used {at:.0}"));
    format!("{}\tmade {:.0}\t{used}", token.name, token.made_at)
}

pub(super) fn as_json(token: &Token) -> Value {
    json!({ "name": token.name, "made_at": token.made_at, "used_at": token.used_at })
}
