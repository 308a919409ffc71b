//! `status`: how the receiver is, in one look.

use std::process::ExitCode;

use bytesize::ByteSize;
use serde_json::json;

use super::{ConfigArg, print};
use crate::ledger::Ledger;
use crate::spool;
use crate::upload;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code is 1 when something waits for a human: failed recordings, rejected
packages, imports that fail, damaged copies in the archive, files in the spool that nobody takes, a spool without room.

Example:
  bbb2pod-receiver status --json"
)]
pub(super) struct Args {
    /// As one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let ledger = Ledger::open_existing(&config.database).await?;
    let recordings = ledger.recording_counts().await?;
    let packages = ledger.package_counts().await?;
    let (failing, why) = ledger.failing_packages().await?;
    let damaged = ledger.damages(None).await?.len();
    let nodes = ledger.nodes().await?;
    let tenants = ledger.tenant_counts().await?.into_iter();
    let tenants: Vec<_> = tenants
        .filter_map(|(tenant, state, n)| Some((tenant?, state, n)))
        .collect();
    let on_way = upload::under_way(&config.spool_dir)?;
    let rejected = upload::rejected(&config.spool_dir)?;
    let strange = spool::strange(&config.spool_dir, config.import.settle)?;
    let free = upload::free(&config.spool_dir)?;
    let keep_free = config.upload.keep_free.as_u64();
    let takes_uploads = free >= keep_free;
    let count = |state: &str| {
        let found = recordings.iter().find(|(name, _)| name == state);
        found.map_or(0, |(_, n)| *n)
    };
    let waiting = packages.iter().find(|(status, ..)| status == "spooled");
    let (waiting, waiting_bytes) = waiting.map_or((0, 0), |(_, n, bytes)| (*n, *bytes));
    let states = ["media", "convert", "register", "review", "done", "failed"];
    if args.json {
        let counts: serde_json::Map<_, _> = states
            .iter()
            .map(|state| ((*state).to_owned(), count(state).into()))
            .collect();
        let object = json!({
            "recordings": counts,
            "spool": {
                "waiting": waiting, "waiting_bytes": waiting_bytes, "rejected": rejected.len(),
                "strange": strange.iter().map(spool::Strange::line).collect::<Vec<_>>(),
                "failing": failing, "failing_because": why,
                "uploads": on_way.len(), "upload_bytes": on_way.iter().sum::<u64>(),
                "free": free, "keep_free": keep_free, "takes_uploads": takes_uploads,
            },
            "damaged": damaged,
            "tenants": tenants.iter().map(|(tenant, state, n)| json!({
                "tenant": tenant, "state": state, "recordings": n,
            })).collect::<Vec<_>>(),
            "nodes": nodes.iter().map(|node| json!({
                "name": node.name, "state": node.state, "seen_at": node.seen_at,
                "report": node.report.as_ref().map(|(report, _)| report),
            })).collect::<Vec<_>>(),
        });
        print(&[object.to_string()])?;
    } else {
        let mut lines = vec![format!(
            "Recordings  {} done, {} to be decided, {} to be converted, {} to be registered, {} wait for a decision, {} failed",
            count("done"),
            count("media"),
            count("convert"),
            count("register"),
            count("review"),
            count("failed")
        )];
        lines.push(format!(
            "Spool       {waiting} packages wait ({}), {} uploads under way ({}), {} rejected",
            ByteSize(waiting_bytes),
            on_way.len(),
            ByteSize(on_way.iter().sum()),
            rejected.len()
        ));
        lines.extend(
            strange
                .iter()
                .map(|one| format!("Strange     {}", one.line())),
        );
        lines.push(match takes_uploads {
            true => format!("Room        {} free", ByteSize(free)),
            false => format!(
                "Room        FULL: {} free, less than upload.keep_free ({}); uploads are answered with 507 and wait on their nodes",
                ByteSize(free),
                config.upload.keep_free
            ),
        });
        if let Some(why) = &why {
            lines.push(format!(
                "Failing     {failing} packages could not be imported and are tried again: {why}"
            ));
        }
        if damaged > 0 {
            lines.push(format!(
                "Damaged     {damaged} formats in the archive, until their nodes send them again; which: bbb2pod-receiver reconcile"
            ));
        }
        for (tenant, state, n) in &tenants {
            lines.push(format!("Tenant      {tenant}: {n} {state}"));
        }
        for node in &nodes {
            lines.push(format!("Node        {}", super::node::as_line(node)));
        }
        lines.extend(super::notify::states(&config, &ledger).await?);
        print(&lines)?;
    }
    let is_well = takes_uploads
        && failing == 0
        && damaged == 0
        && rejected.is_empty()
        && strange.is_empty()
        && count("failed") == 0;
    Ok(ExitCode::from(u8::from(!is_well)))
}
