//! `moodle-message`: says in Moodle's activities where their recordings are now.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use recording::RecordId;

use super::{ConfigArg, Usage, print};
use crate::config::Config;
use crate::database::DatabaseError;
use crate::import::Archive;
use crate::ledger::Ledger;
use crate::moodle_message::{Asked, Decision, Line, MessageError, Messages, Moved};
use crate::owners::{Activities, OwnersConfig, OwnersError, Subject};

/// What is asked for.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  bbb2pod-receiver moodle-message --dry-run
  bbb2pod-receiver moodle-message
  bbb2pod-receiver moodle-message 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  bbb2pod-receiver moodle-message --remove --dry-run

Exit codes: 0 done, 1 something was not written, 2 usage or settings, 3 Moodle's database cannot be reached")]
pub(super) struct Args {
    /// Only the activities of these recordings
    #[arg(value_name = "ID")]
    ids: Vec<RecordId>,
    /// Only tell, with the difference
    #[arg(long)]
    dry_run: bool,
    /// Take the messages out again
    #[arg(long, conflicts_with = "again")]
    remove: bool,
    /// Write also where somebody took the message out
    #[arg(long)]
    again: bool,
    /// For the recordings of this tenant, by its settings
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

/// Writes or removes the messages, Moodle after Moodle.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read_for(args.tenant.as_deref()).await?;
    let (Some(section), Some(owners)) = (&config.moodle_message, &config.owners) else {
        let why = "the settings have no section moodle_message: it says who may write into Moodle";
        return Err(Usage(why.to_owned()).into());
    };
    let Some(pod_url) = section
        .pod_url
        .clone()
        .or_else(|| config.destination.pod_url())
    else {
        let why = "moodle_message.pod_url is missing: the destination does not say Pod's address";
        return Err(Usage(why.to_owned()).into());
    };
    let ledger = args.config.existing_ledger().await?;
    let tenant = args.tenant.as_deref();
    let by_moodle = match moved(&config, owners, &ledger, tenant, &args.ids).await {
        Ok(moved) => moved,
        Err(error) => match error.downcast_ref::<OwnersError>() {
            Some(away) if away.is_unreachable() => {
                eprintln!("bbb2pod-receiver: {away}; nothing is written, run it again");
                return Ok(ExitCode::from(3));
            }
            _ => return Err(error),
        },
    };
    let only: BTreeSet<String> = args.ids.iter().map(ToString::to_string).collect();
    let asked = Asked {
        dry_run: args.dry_run,
        again: args.again,
    };
    let (mut changed, mut failed, mut unreachable) = (0, 0, false);
    for target in section.targets(owners) {
        let name = target.name;
        let recordings = by_moodle.get(name).map(Vec::as_slice).unwrap_or_default();
        let done = async {
            let messages = Messages::open(&target, section, pod_url.clone(), &ledger).await?;
            let lines = match args.remove {
                true => messages.remove(recordings, &only, asked).await?,
                false => messages.write(recordings, &only, asked).await?,
            };
            Ok::<_, MessageError>((messages.statement(), lines))
        };
        match done.await {
            Ok((statement, lines)) => {
                let told = lines.iter().flat_map(|line| shown(line, &statement, asked));
                print(&told.collect::<Vec<_>>())?;
                let is_change = |line: &&Line| {
                    matches!(
                        line.decision,
                        Decision::Write { .. } | Decision::Remove { .. }
                    )
                };
                changed += lines.iter().filter(is_change).count();
                failed += lines
                    .iter()
                    .filter(|line| matches!(line.decision, Decision::Failed(_)))
                    .count();
            }
            Err(error @ MessageError::Settings { .. }) => {
                return Err(Usage(error.to_string()).into());
            }
            Err(error) => {
                eprintln!("bbb2pod-receiver: {name}: {error}");
                unreachable |= matches!(
                    &error,
                    MessageError::Database(DatabaseError::Unreachable { .. })
                );
                failed += 1;
            }
        }
    }
    let words = match (args.remove, args.dry_run) {
        (false, false) => "written",
        (false, true) => "would be written",
        (true, false) => "taken out",
        (true, true) => "would be taken out",
    };
    print(&[format!("{changed} {words}; {failed} failed")])?;
    Ok(ExitCode::from(match (failed, unreachable) {
        (0, _) => 0,
        (_, true) => 3,
        _ => 1,
    }))
}

/// Recordings that are in Pod, by the Moodle in which they were made.
async fn moved(
    config: &Config,
    owners: &OwnersConfig,
    ledger: &Ledger,
    tenant: Option<&str>,
    ids: &[RecordId],
) -> anyhow::Result<BTreeMap<String, Vec<Moved>>> {
    let archive = Archive::open(&config.archive_dir)?;
    let activities = Activities::new(owners)?;
    let mut found: BTreeMap<String, Vec<Moved>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for registered in ledger.registered_with_address().await? {
        let id = &registered.record_id;
        if ledger.tenant_of(id).await?.as_deref() != tenant {
            continue;
        }
        known.insert(id.clone());
        let Some(subject) = Subject::of(ledger, &archive, id).await? else {
            continue;
        };
        let Some((moodle, activity)) = activities.of(&subject).await? else {
            continue;
        };
        found.entry(moodle.to_owned()).or_default().push(Moved {
            record_id: id.to_string(),
            activity,
            title: crate::pod::plain(registered.title.as_deref().unwrap_or("BigBlueButton")),
            started: registered.started,
            moved: registered.registered_at,
            url: registered.url,
        });
    }
    if let Some(unknown) = ids.iter().find(|id| !known.contains(*id)) {
        let why = format!(
            "{unknown} has no address in Pod: it is not known, or not registered as a video"
        );
        return Err(Usage(why).into());
    }
    Ok(found)
}

fn shown(line: &Line, statement: &str, asked: Asked) -> Vec<String> {
    let Line {
        moodle,
        activity,
        name,
        decision,
    } = line;
    let head = |word: &str| format!("{word:<7} {moodle} activity {activity} \"{name}\"");
    let marked = |sign: char, text: &str| {
        text.lines()
            .map(|line| format!("  {sign} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    match decision {
        Decision::Write { old, new } => {
            lines.push(head(if old.is_some() { "renew" } else { "write" }));
            if asked.dry_run {
                lines.push(format!("  {statement}  -- id = {activity}"));
                lines.extend(marked('-', old.as_deref().unwrap_or_default()));
                lines.extend(marked('+', new));
            }
        }
        Decision::Remove { old } => {
            lines.push(head("remove"));
            if asked.dry_run {
                lines.push(format!("  {statement}  -- id = {activity}"));
                lines.extend(marked('-', old));
            }
        }
        Decision::Right => lines.push(head("right")),
        Decision::Skip(why) => lines.push(format!("{} ({why})", head("skip"))),
        Decision::Failed(why) => lines.push(format!("{} ({why})", head("failed"))),
    }
    lines
}
