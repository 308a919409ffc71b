//! The spool: packages that wait and are gone, those that were rejected and never came again, and
//! what lies there and is taken by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Difference, Kind, Place};
use crate::config::Config;
use crate::import::{reason_path, rejected_path};
use crate::ledger::{Ledger, LedgerError};
use crate::spool::strange;
use crate::upload::{self, INCOMING};

pub(super) async fn compare(
    config: &Config,
    ledger: &Ledger,
    node: Option<&str>,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    let mut told = BTreeSet::new();
    for package in ledger.open_packages(node).await? {
        let waits = package.rejected.is_none();
        let part = config
            .spool_dir
            .join(INCOMING)
            .join(format!("{}.part", package.id));
        if waits && (config.spool_dir.join(&package.file).exists() || part.exists()) {
            continue;
        }
        let rejected = rejected_path(&config.spool_dir, &package.file);
        let is_there = rejected.exists();
        // What tells no recording is seen by its file, and what was dropped and rejected and then
        // taken away has been dealt with. A node keeps what it has sent.
        let is_seen = package.record_id.is_some() && (is_there || package.node.is_some());
        if !waits && !is_seen {
            continue;
        }
        let text = match package.rejected {
            None => format!("{} waits for import and is not in the spool", package.file),
            Some(reason) if is_there => was_rejected(&rejected, package.node.as_deref(), &reason),
            Some(reason) => {
                format!("what came was rejected, and its tar is not kept any more: {reason}")
            }
        };
        told.insert(rejected);
        out.push(Difference {
            record_id: package.record_id,
            format: package.format,
            node: package.node,
            place: Place::Spool,
            kind: Kind::Missing,
            text,
        });
    }
    let senders = senders(config, ledger).await?;
    let extra = |sender: Option<&String>, text| Difference {
        record_id: None,
        format: None,
        node: sender.cloned(),
        place: Place::Spool,
        kind: Kind::Extra,
        text,
    };
    for tar in upload::rejected(&config.spool_dir)? {
        let reason = reason_path(&tar);
        let sender = senders.get(&tar);
        let is_anothers = node.is_some() && node != sender.map(String::as_str);
        // Without a reason it is strange.
        if told.contains(&tar) || is_anothers || !reason.exists() {
            continue;
        }
        let why = std::fs::read_to_string(&reason).unwrap_or_default();
        let why = why.lines().next().unwrap_or("its reason cannot be read");
        let text = was_rejected(&tar, sender.map(String::as_str), why);
        out.push(extra(sender, text));
    }
    if node.is_some() {
        return Ok(());
    }
    for one in strange(&config.spool_dir, config.import.settle)? {
        out.push(extra(None, one.line()));
    }
    Ok(())
}

fn was_rejected(tar: &Path, sender: Option<&str>, why: &str) -> String {
    let sender = sender.map_or_else(String::new, |node| format!(", sent by {node},"));
    format!("{}{sender} was rejected: {why}", tar.display())
}

/// Which node sent what was rejected, by where its tar was put.
async fn senders(
    config: &Config,
    ledger: &Ledger,
) -> Result<BTreeMap<PathBuf, String>, LedgerError> {
    let sent = ledger.rejected_files().await?.into_iter();
    Ok(sent
        .map(|(file, node)| (rejected_path(&config.spool_dir, &file), node))
        .collect())
}
