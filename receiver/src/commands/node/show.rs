//! `node list` and `node status`: what is known of the nodes, for people and for programs.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use jiff::{SignedDuration, Timestamp};
use recording::protocol::NodeStanding;
use serde_json::{Value, json};

use super::super::{ConfigArg, print};
use super::unknown;
use crate::ledger::{Ledger, Node, Token};
use crate::upload;

pub(super) async fn list(config: &ConfigArg, json: bool) -> anyhow::Result<()> {
    let ledger = config.existing_ledger().await?;
    let (nodes, mut tokens) = (ledger.nodes().await?, ledger.tokens().await?);
    if nodes.is_empty() {
        eprintln!("No node may send yet. Add one with: bbb2pod-receiver node enroll NAME");
    }
    let mut line = |node: &Node| match json {
        true => {
            let tokens = tokens.remove(&node.name).unwrap_or_default();
            as_json(node, &tokens).to_string()
        }
        false => as_line(node),
    };
    print(&nodes.iter().map(&mut line).collect::<Vec<_>>())
}

pub(super) async fn status(
    config: &ConfigArg,
    name: Option<&str>,
    json: bool,
) -> anyhow::Result<()> {
    let settings = config.read()?;
    let ledger = Ledger::open_existing(&settings.database).await?;
    let mut nodes = ledger.nodes().await?;
    if let Some(name) = name {
        nodes.retain(|node| node.name == name);
        if nodes.is_empty() {
            return Err(unknown(name));
        }
    }
    let tokens = ledger.tokens().await?;
    let uploads = upload::under_way_by_node(&settings.spool_dir)?;
    let told = |node: &Node| {
        let tokens = tokens.get(&node.name).map_or(&[][..], Vec::as_slice);
        match json {
            true => {
                let mut object = as_json(node, tokens);
                object["uploads"] = json!(uploads.get(&node.name).unwrap_or(&0));
                object.to_string()
            }
            false => as_text(node, tokens, &uploads),
        }
    };
    print(&nodes.iter().map(told).collect::<Vec<_>>())
}

fn seen(node: &Node) -> String {
    node.seen_at
        .map_or("never seen".to_owned(), |at| format!("last seen {at:.0}"))
}

/// How long the oldest recording has waited, as far as the node has told.
fn oldest(node: &Node) -> Option<SignedDuration> {
    let since = node.report.as_ref()?.0.oldest_unsent?;
    Some(Timestamp::now().duration_since(since))
}

fn backlog(node: &Node) -> String {
    match &node.report {
        None => "has told nothing of itself yet".to_owned(),
        Some((report, at)) => {
            let mut text = match report.backlog {
                0 => "nothing waits".to_owned(),
                n => format!("{n} wait ({})", ByteSize(report.backlog_bytes)),
            };
            if let Some((since, age)) = report.oldest_unsent.zip(oldest(node)) {
                text += &format!(", the oldest since {since:.0} ({})", coarse(age));
            }
            format!("{text} (told {at:.0}, hook {})", report.version)
        }
    }
}

/// An age in its largest unit.
fn coarse(age: SignedDuration) -> String {
    match age.as_secs().max(0) {
        secs @ 0..=119 => format!("{secs} s"),
        secs @ 120..=7199 => format!("{} min", secs / 60),
        secs @ 7200..=172_799 => format!("{} h", secs / 3600),
        secs => format!("{} days", secs / 86_400),
    }
}

pub(crate) fn as_line(node: &Node) -> String {
    let comment = node.comment.as_deref().map_or(String::new(), |comment| {
        format!("\t{}", comment.escape_debug())
    });
    format!(
        "{}\t{}\tadded {:.0}\t{}\t{}{comment}",
        node.name,
        node.state.as_str(),
        node.added_at,
        seen(node),
        backlog(node)
    )
}

fn as_text(node: &Node, tokens: &[Token], uploads: &BTreeMap<String, u64>) -> String {
    let takes = match node.state {
        NodeStanding::Enabled => "",
        NodeStanding::Cordoned => " (nothing new is taken; uploads under way go on)",
        NodeStanding::Disabled => " (nothing is taken)",
    };
    let mut text = format!(
        "Node     {}\nState    {}{takes}\nAdded    {:.0}\nSeen     {}\nOutbox   {}\nUploads  {} under way",
        node.name,
        node.state.as_str(),
        node.added_at,
        seen(node),
        backlog(node),
        uploads.get(&node.name).unwrap_or(&0),
    );
    for token in tokens {
        text += &format!("\nToken    {}", super::token::as_line(token));
    }
    if tokens.is_empty() {
        text += &format!(
            "\nToken    none: nothing can be sent; bbb2pod-receiver node enroll {}",
            node.name
        );
    }
    if let Some(tenant) = &node.tenant {
        text += &format!("\nTenant   {tenant}");
    }
    if let Some(comment) = &node.comment {
        text += &format!("\nComment  {}", comment.escape_debug());
    }
    text
}

pub(crate) fn as_json(node: &Node, tokens: &[Token]) -> Value {
    json!({
        "name": node.name,
        "state": node.state,
        "comment": node.comment,
        "tenant": node.tenant,
        "added_at": node.added_at,
        "seen_at": node.seen_at,
        "report": node.report.as_ref().map(|(report, _)| report),
        "reported_at": node.report.as_ref().map(|(_, at)| at),
        "oldest_unsent_seconds": oldest(node).map(|age| age.as_secs()),
        "tokens": tokens.iter().map(super::token::as_json).collect::<Vec<_>>(),
    })
}
