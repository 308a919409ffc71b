//! `node sync` and `node export`: all nodes in one file.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use recording::settings::SettingsError;
use serde_json::json;

use super::super::{ConfigArg, Usage, print};
use crate::config::Config;
use crate::fleet::{self, Change, Mode, Present};
use crate::ledger::{Ledger, Node};
use crate::upload;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file names every node; `node export` prints it as it is now:
  nodes:
    bbb1.univ.example: {}
    bbb2.univ.example:
      state: cordoned            # or enabled (unless said), disabled; or enabled: false, as in Scalelite
      comment: hall B
      tokens: {first: \"sha256:…\"}

A new node without tokens gets one by `node enroll NAME`. Tokens that the file does not list
are revoked with --mode force only. All changes are made, or none.

Examples:
  bbb2pod-receiver node sync nodes.yml --dry-run
  bbb2pod-receiver node sync nodes.yml --mode keep
  ssh other-receiver bbb2pod-receiver node export | bbb2pod-receiver node sync - --mode force")]
pub(in crate::commands) struct Args {
    /// The file; - for standard input
    file: PathBuf,
    /// What becomes of nodes that it does not name
    #[arg(long, value_enum, default_value = "cordon")]
    mode: Mode,
    /// Change nothing, and print what would be
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = text(&args.file)?;
    let wanted = fleet::read(&args.file, &text)?;
    let settings = args.config.read()?;
    let ledger = match args.dry_run {
        true => Ledger::open_existing(&settings.database).await?,
        false => Ledger::open(&settings.database).await?,
    };
    let present = present(&settings, &ledger).await?;
    super::check_tenants(&ledger, wanted.iter().map(|node| node.tenant.as_deref())).await?;
    // What was made for another purpose, or cut off, must not empty the fleet.
    if wanted.is_empty() && !present.is_empty() && args.mode != Mode::Keep {
        let why = format!(
            "{} names no node, and there are {}; remove them one by one: bbb2pod-receiver node remove NAME",
            args.file.display(),
            present.len()
        );
        return Err(Usage(why).into());
    }
    let changes = fleet::plan(&present, &wanted, args.mode);
    let line = |change: &Change| match args.json {
        true => json!({"change": change.word(), "node": change.node(), "what": change.words()})
            .to_string(),
        false => change.words(),
    };
    if !args.dry_run {
        ledger.sync_nodes(&changes).await?;
    }
    print(&changes.iter().map(line).collect::<Vec<_>>())?;
    let n = changes.len();
    match args.dry_run {
        true => eprintln!("{n} changes would be made; nothing was changed"),
        false => eprintln!("{n} changes made"),
    }
    if args.mode == Mode::Cordon {
        let named = |node: &&Present| wanted.iter().any(|w| w.name == node.name);
        for node in present.iter().filter(|node| !named(node)) {
            if let Some(why) = &node.busy {
                eprintln!(
                    "{} is not removed, because it may still have something to send ({why}); run this again later",
                    node.name
                );
            }
        }
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

fn text(file: &Path) -> Result<String, SettingsError> {
    let read = match file.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => fs::read_to_string(file),
    };
    read.map_err(|source| SettingsError::Read {
        path: file.into(),
        source,
    })
}

pub(super) async fn export(config: &ConfigArg) -> anyhow::Result<()> {
    let settings = config.read()?;
    let ledger = Ledger::open_existing(&settings.database).await?;
    let text = fleet::export(&present(&settings, &ledger).await?);
    print(&[text.trim_end().to_owned()])
}

/// The nodes as they are.
pub(super) async fn present(config: &Config, ledger: &Ledger) -> anyhow::Result<Vec<Present>> {
    let mut tokens = ledger.tokens().await?;
    let uploads = upload::under_way_by_node(&config.spool_dir)?;
    let nodes = ledger.nodes().await?.into_iter().map(|node| Present {
        busy: busy(&node, *uploads.get(&node.name).unwrap_or(&0)),
        tokens: tokens
            .remove(&node.name)
            .unwrap_or_default()
            .into_iter()
            .map(|token| (token.name, token.hash))
            .collect(),
        name: node.name,
        state: node.state,
        comment: node.comment,
        tenant: node.tenant,
    });
    Ok(nodes.collect())
}

/// Why a node may still have something to send.
fn busy(node: &Node, uploads: u64) -> Option<String> {
    match (&node.report, node.seen_at) {
        _ if uploads > 0 => Some(format!("{uploads} uploads under way")),
        (Some((report, at)), _) if report.backlog > 0 => Some(format!(
            "{} waited there at {at:.0}, as it told",
            report.backlog
        )),
        (None, Some(at)) => Some(format!(
            "it was seen at {at:.0} and has never told what waits there"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use recording::protocol::{NodeReport, NodeStanding};

    use super::*;

    #[test]
    fn a_node_is_empty_when_it_says_so_or_never_came() {
        let at = Timestamp::UNIX_EPOCH;
        let report = |backlog| {
            let report = NodeReport {
                version: String::new(),
                backlog,
                backlog_bytes: 0,
                oldest_unsent: None,
            };
            Some((report, at))
        };
        for (report, seen_at, uploads, is_busy) in [
            (None, None, 0, false),
            (None, None, 1, true),
            (None, Some(at), 0, true),
            (report(0), Some(at), 0, false),
            (report(0), Some(at), 1, true),
            (report(2), Some(at), 0, true),
        ] {
            let node = Node {
                name: "a".to_owned(),
                state: NodeStanding::Enabled,
                comment: None,
                tenant: None,
                added_at: at,
                seen_at,
                report,
            };
            assert_eq!(
                busy(&node, uploads).is_some(),
                is_busy,
                "{node:?} {uploads}"
            );
        }
    }
}
