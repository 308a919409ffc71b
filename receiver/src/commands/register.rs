//! `register`: hands recordings to Pod now, or tells what would be done.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use ::recording::RecordId;
use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::watch;

use super::recording::{parse, shown, unknown};
use super::serve::{alone, assemble, make_folders};
use super::{ConfigArg, print};
use crate::ledger::Stage;
use crate::pipeline::{self, Shared};

/// Recordings at the same time.
const AT_ONCE: usize = 4;
/// Recordings looked up in the ledger at once.
const PAGE: u32 = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without record ids: with --dry-run all recordings, else those that wait to be registered.
While the service runs it registers by itself, and only --dry-run works beside it.

Examples:
  bbb2pod-receiver register --dry-run
  bbb2pod-receiver register --dry-run --json > rehearsal.jsonl
  bbb2pod-receiver register 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920

Exit codes: 0 done, 1 some recordings cannot be registered, 2 usage or settings, 3 Pod cannot be reached")]
pub(super) struct Args {
    /// The recordings; all when none is named
    #[arg(value_name = "ID")]
    record_ids: Vec<String>,
    /// Change nothing, and print every step, request and statement instead
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let ids = args
        .record_ids
        .iter()
        .map(|id| parse(id))
        .collect::<anyhow::Result<Vec<RecordId>>>()?;
    make_folders(&config)?;
    let _alone = match args.dry_run {
        true => Vec::new(),
        false => alone(&config)?,
    };
    let (_stop, stopping) = watch::channel(false);
    let shared = Arc::new(assemble(config, stopping).await?);
    for id in &ids {
        if shared.ledger.recording(id).await?.is_none() {
            return Err(unknown(id));
        }
    }
    // What is wrong for all of them is said once.
    shared
        .tenants
        .default_tenant()
        .destination
        .prepare()
        .await?;
    for tenant in shared.ledger.tenants().await? {
        prepare(&shared, &tenant.name).await;
    }
    let began = Instant::now();
    let tally = match args.dry_run {
        true => rehearse(&shared, ids, args.json).await?,
        false => register(&shared, ids).await?,
    };
    let recordings = tally.done + tally.failed;
    let each = |asked: u64| asked as f64 / recordings.max(1) as f64;
    let (asked, of_owners) = shared.tenants.asked().await;
    eprintln!(
        "{recordings} recordings in {:.1} s, {} of them cannot be registered; {asked} questions to Pod, \
         {:.2} for each recording; {of_owners} to find owners, {:.2} for each",
        began.elapsed().as_secs_f64(),
        tally.failed,
        each(asked),
        each(of_owners),
    );
    shared.ledger.close().await;
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// Looks whether a tenant's Pod has what is named in its settings. What is wrong there is no other's
/// concern, and is said again for each of its recordings.
async fn prepare(shared: &Shared, tenant: &str) {
    let context = shared.tenants.named(&shared.ledger, Some(tenant)).await;
    let prepared = match &context {
        Ok(context) => context
            .destination
            .prepare()
            .await
            .map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = prepared {
        eprintln!("bbb2pod-receiver: tenant {tenant}: {why}");
    }
}

#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
}

async fn rehearse(shared: &Shared, ids: Vec<RecordId>, as_json: bool) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut after: Option<RecordId> = None;
    loop {
        let page = match ids.is_empty() {
            true => shared.ledger.record_ids(after.as_ref(), PAGE).await?,
            false if after.is_none() => ids.clone(),
            false => break,
        };
        let Some(last) = page.last().cloned() else {
            break;
        };
        let plans = futures::stream::iter(page)
            .map(|id| async move {
                let outcome = pipeline::rehearse(shared, &id).await;
                (id, outcome)
            })
            .buffered(AT_ONCE);
        let mut plans = std::pin::pin!(plans);
        while let Some((id, outcome)) = plans.next().await {
            let (lines, went_well) = told(&id, &outcome, as_json);
            match went_well {
                true => tally.done += 1,
                false => tally.failed += 1,
            }
            print(&lines)?;
        }
        after = Some(last);
    }
    Ok(tally)
}

type Outcome = Result<(crate::pod::Lecture, Result<crate::pod::Plan, String>), String>;

fn told(id: &RecordId, outcome: &Outcome, as_json: bool) -> (Vec<String>, bool) {
    let (lecture, plan) = match outcome {
        Ok((lecture, plan)) => (Some(lecture), plan.as_ref()),
        Err(why) => (None, Err(why)),
    };
    let went_well = plan.is_ok();
    let title = lecture.and_then(|lecture| lecture.title.as_deref());
    let owners: Vec<&str> = lecture.map_or(Vec::new(), |lecture| lecture.known_owners().collect());
    let why = lecture.map_or("", |lecture| lecture.owner_reason());
    if as_json {
        let object = json!({
            "record_id": id, "title": title, "owners": owners, "why": why,
            "plan": plan.ok(), "error": plan.err(),
        });
        return (vec![object.to_string()], went_well);
    }
    let mut lines = vec![format!("{id}  {}", shown(title.unwrap_or("(no title)")))];
    if lecture.is_some() {
        let owners = match owners.is_empty() {
            true => "(default)".to_owned(),
            false => owners.join(", "),
        };
        let why = match why.is_empty() {
            true => String::new(),
            false => format!(": {why}"),
        };
        lines.push(format!("    owner {owners}{why}"));
    }
    match plan {
        Ok(plan) => {
            lines.extend(plan.warnings.iter().map(|text| format!("  ! {text}")));
            lines.extend(plan.steps.iter().map(|text| format!("    {text}")));
        }
        Err(why) => lines.push(format!("  X {why}")),
    }
    (lines, went_well)
}

async fn register(shared: &Shared, ids: Vec<RecordId>) -> anyhow::Result<Tally> {
    let ids = match ids.is_empty() {
        true => shared.ledger.awaiting_registration().await?,
        false => {
            for id in &ids {
                shared.ledger.retry(id, Some(Stage::Register)).await?;
            }
            ids
        }
    };
    let states = futures::stream::iter(ids)
        .map(|id| async move {
            pipeline::register(shared, &id).await;
            let recording = shared.ledger.recording(&id).await;
            (id, recording)
        })
        .buffer_unordered(AT_ONCE);
    let mut states = std::pin::pin!(states);
    let mut tally = Tally::default();
    while let Some((id, recording)) = states.next().await {
        let recording = recording?.ok_or_else(|| unknown(&id))?;
        match &recording.error {
            None if recording.stage == Stage::Done => {
                tally.done += 1;
                print(&[format!("{id}  registered")])?;
            }
            error => {
                tally.failed += 1;
                let why = error.as_deref().or(recording.review.as_deref());
                let why = why.unwrap_or("its video has to be made first");
                print(&[format!("{id}  X {why}")])?;
            }
        }
    }
    Ok(tally)
}
