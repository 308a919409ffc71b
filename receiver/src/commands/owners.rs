//! `owners`: whose a recording is, with the whole reasoning.

use std::process::ExitCode;

use serde_json::json;

use super::{ConfigArg, Usage, print};
use crate::import::Archive;
use crate::ledger::{Decided, Ledger};
use crate::owners::{Decision, Finders, OwnersError, Reason, Subject, What};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is changed: not the ledger, not Pod. A line that begins with + names an owner or leads on,
one with - names nobody, one with ? says what was looked at.

Examples:
  bbb2pod-receiver owners 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  bbb2pod-receiver owners 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --json

Exit codes: 0 an owner is found, 1 it would wait for a decision, 2 usage or settings, 3 a source cannot be reached"
)]
pub(super) struct Args {
    /// The record id
    record_id: String,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let id = args
        .record_id
        .parse()
        .map_err(|e: recording::names::InvalidName| Usage(e.to_string()))?;
    let config = args.config.read_of(&id).await?;
    let ledger = Ledger::open_existing(&config.database).await?;
    let archive = Archive::open(&config.archive_dir)?;
    let Some(subject) = Subject::of(&ledger, &archive, &id).await? else {
        let why = format!("no recording {id} has come in; see: bbb2pod-receiver recording list");
        return Err(Usage(why).into());
    };
    let settings = config.owners.ok_or_else(|| {
        Usage("the settings have no section owners, so nobody is looked for".to_owned())
    })?;
    let finders = Finders::new(&settings, &config.destination)?;
    let decision = match finders.decide(&subject).await {
        Ok(decision) => decision,
        Err(error) if error.is_unreachable() => {
            eprintln!("bbb2pod-receiver: {error}; nothing is decided, it is tried again later");
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(told(error)),
    };
    let decided = ledger.owners(&id).await?;
    let lines = match args.json {
        true => vec![object(
            id.as_str(),
            &decision,
            decided.as_ref(),
            finders.asked(),
        )],
        false => lines(id.as_str(), &decision, decided.as_ref()),
    };
    print(&lines)?;
    Ok(ExitCode::from(u8::from(decision.owner.is_none())))
}

/// A wrong setting or file is the administrator's to mend.
fn told(error: OwnersError) -> anyhow::Error {
    match error {
        OwnersError::File(why) => Usage(why).into(),
        other => other.into(),
    }
}

fn object(id: &str, decision: &Decision, decided: Option<&Decided>, queries: u64) -> String {
    let found_by = decision.found_by.map(|source| source.as_str());
    json!({
        "record_id": id,
        "verdict": match (&decision.owner, found_by) {
            (None, _) => "review",
            (Some(_), Some("otherwise")) => "default",
            (Some(_), _) => "owner",
        },
        "owner": decision.owner,
        "additional_owners": decision.additional_owners,
        "to_create": decision.to_create,
        "found_by": found_by,
        "reasons": decision.reasons,
        "queries": queries,
        "decided": decided.map(|decided| json!({
            "owner": decided.owner, "additional_owners": decided.additional,
            "found_by": decided.found_by, "decided_at": decided.decided_at,
        })),
    })
    .to_string()
}

fn lines(id: &str, decision: &Decision, decided: Option<&Decided>) -> Vec<String> {
    let mut lines = vec![format!("Recording    {id}")];
    match &decision.owner {
        Some(owner) => {
            let found_by = decision.found_by.map_or("", |source| source.as_str());
            lines.push(format!("Owner        {owner} (found by {found_by})"));
            if !decision.additional_owners.is_empty() {
                lines.push(format!(
                    "Also         {}",
                    decision.additional_owners.join(", ")
                ));
            }
            for user in &decision.to_create {
                lines.push(format!("To be made   {} in Pod", user.username));
            }
        }
        None => lines.push(format!(
            "Owner        nobody; decide with: bbb2pod-receiver recording assign {id} USER"
        )),
    }
    if let Some(decided) = decided {
        lines.push(format!(
            "Decided      {} ({}, {:.0})",
            decided.all().join(", "),
            decided.found_by,
            decided.decided_at
        ));
    }
    lines.push("Reasoning".to_owned());
    lines.extend(decision.reasons.iter().map(step));
    lines
}

fn step(reason: &Reason) -> String {
    let mark = match reason.what {
        What::Looked => '?',
        What::Found => '+',
        What::Rejected => '-',
        What::Note => ' ',
    };
    format!("  {:<10} {mark} {}", reason.source.as_str(), reason.text)
}
