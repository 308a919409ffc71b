//! `recording add-to-tenant`: recordings that are nobody's, or another's, become a tenant's.

use std::process::ExitCode;

use ::recording::RecordId;

use super::recording::{parse, unknown};
use super::{ConfigArg, Usage, print};
use crate::import::Archive;
use crate::ledger::{Ledger, Moved};
use crate::owners::Subject;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
By ids, or, without any, all recordings of --from-tenant (unless given: those that are nobody's) that
fit --node and --server. Their owners are looked for again, in the tenant's sources.

What is in Pod already, or being handed to it, is not moved: it would be in two Pods. With --again it
becomes the tenant's and is handed to its Pod too; what is in the other Pod stays there and is not
looked after any more.

Examples:
  bbb2pod-receiver recording add-to-tenant science 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  bbb2pod-receiver recording add-to-tenant science --server moodle.science.example --dry-run
  bbb2pod-receiver recording add-to-tenant law --from-tenant science --node bbb7.univ.example

Exit codes: 0 done, 1 some are in Pod already and were not moved, 2 usage")]
pub(super) struct Args {
    /// The tenant
    tenant: String,
    /// The recordings
    #[arg(value_name = "ID", conflicts_with_all = ["from_tenant", "node", "server"])]
    record_ids: Vec<String>,
    /// Only those of this tenant
    #[arg(long, value_name = "TENANT")]
    from_tenant: Option<String>,
    /// Only those from this node
    #[arg(long)]
    node: Option<String>,
    /// Only those of this front-end (meta key bbb-origin-server-name)
    #[arg(long)]
    server: Option<String>,
    /// Also what is in another Pod already
    #[arg(long)]
    again: bool,
    /// Change nothing, and print what would be moved
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.config.read()?;
    let ledger = Ledger::open_existing(&settings.database).await?;
    let tenant = args.tenant.as_str();
    if ledger.tenant_settings(tenant).await?.is_none() {
        return Err(super::tenant::unknown(tenant));
    }
    let ids = match args.record_ids.is_empty() {
        false => args
            .record_ids
            .iter()
            .map(|id| parse(id))
            .collect::<anyhow::Result<_>>()?,
        true => chosen(&args, &ledger, &Archive::open(&settings.archive_dir)?).await?,
    };
    let (mut moved, mut kept) = (0, 0);
    for id in &ids {
        if args.dry_run {
            print(&[id.to_string()])?;
            continue;
        }
        match ledger.move_to_tenant(id, Some(tenant), args.again).await? {
            Moved::Yes => {
                moved += 1;
                print(&[format!("{id}  is {tenant}'s")])?;
            }
            Moved::Same => print(&[format!("{id}  was {tenant}'s already")])?,
            Moved::Registered(places) => {
                kept += 1;
                let places = places.join(", ");
                print(&[format!(
                    "{id}  X is registered, or being so, at {places}: it would be in two Pods; --again if that is meant"
                )])?;
            }
            Moved::Unknown => return Err(unknown(id)),
        }
    }
    match args.dry_run {
        true => eprintln!("{} recordings fit; nothing was changed", ids.len()),
        false => eprintln!("{moved} recordings moved to {tenant}, {kept} not"),
    }
    Ok(ExitCode::from(u8::from(kept > 0)))
}

async fn chosen(args: &Args, ledger: &Ledger, archive: &Archive) -> anyhow::Result<Vec<RecordId>> {
    if args.from_tenant.is_none() && args.node.is_none() && args.server.is_none() {
        let why = "name recordings, or say which: --node, --server, --from-tenant";
        return Err(Usage(why.to_owned()).into());
    }
    let all = ledger
        .recordings_of(args.from_tenant.as_deref(), args.node.as_deref())
        .await?;
    let Some(server) = &args.server else {
        return Ok(all);
    };
    let mut found = Vec::new();
    for id in all {
        let subject = Subject::of(ledger, archive, &id).await?;
        let its = subject.and_then(|subject| subject.server_name().map(str::to_owned));
        if its.is_some_and(|its| its.eq_ignore_ascii_case(server)) {
            found.push(id);
        }
    }
    Ok(found)
}
