//! `reconcile`: node, spool, archive, media and Pod against the ledger.

use std::process::ExitCode;

use serde_json::json;

use super::{ConfigArg, Usage, print};
use crate::ledger::Ledger;
use crate::pod;
use crate::reconcile::{Scope, reconcile};
use crate::tenants::Tenants;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is changed, but what is damaged or lost in the archive is noted: it is not confirmed to its
node any more, whose sweep sends it again, and `recording show` tells it. Each line: the recording, its format, where, how it differs (missing, extra,
changed, deleted), and what. What a node has unpublished stands there too and does not count; nor does
what it has pruned. Exit codes: 0 nothing differs, 1 something does, 3 nothing differs but
Pod could not be asked.

Examples:
  bbb2pod-receiver reconcile
  bbb2pod-receiver reconcile --node bbb1.univ.example --json
  bbb2pod-receiver reconcile --deep --no-pod"
)]
pub(super) struct Args {
    /// Only what came from this node
    #[arg(long)]
    node: Option<String>,
    /// Read every file and compare its digest; takes as long as reading the whole archive
    #[arg(long)]
    deep: bool,
    /// Do not ask Pod whether what was registered is still there
    #[arg(long)]
    no_pod: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let ledger = Ledger::open_existing(&config.database).await?;
    if let Some(node) = &args.node
        && !ledger.nodes().await?.iter().any(|n| n.name == *node)
    {
        let why = format!("there is no node {node}; see: bbb2pod-receiver node list");
        return Err(Usage(why).into());
    }
    let tenants = match args.no_pod {
        true => None,
        false => {
            let links = super::serve::video_links(&config)?;
            let destination = pod::destination(&config.destination, &links)?;
            Some(Tenants::new(config.clone(), destination, None, links))
        }
    };
    let scope = Scope {
        node: args.node.as_deref(),
        deep: args.deep,
        tenants: tenants.as_ref(),
    };
    let found = reconcile(&config, &ledger, scope).await?;
    if args.json {
        let object = json!({
            "recordings": found.recordings,
            "differences": found.differences,
            "unpublished": found.unpublished,
            "pruned": found.pruned,
            "pod_problem": found.pod_problem,
        });
        print(&[object.to_string()])?;
    } else {
        let line = |d: &crate::reconcile::Difference| {
            let id = d.record_id.as_ref().map_or("-", |id| id.as_str());
            let format = d.format.as_ref().map_or("-", |format| format.as_str());
            let (place, kind) = (d.place.as_str(), d.kind.as_str());
            format!("{id}\t{format}\t{place}\t{kind}\t{}", d.text)
        };
        let all = found.differences.iter().chain(&found.unpublished);
        print(&all.map(line).collect::<Vec<_>>())?;
        eprintln!(
            "{} recordings looked at, {} differences; {} unpublished and {} pruned on their nodes",
            found.recordings,
            found.differences.len(),
            found.unpublished.len(),
            found.pruned
        );
        if let Some(problem) = &found.pod_problem {
            eprintln!("Pod could not be asked: {problem}");
        }
    }
    Ok(ExitCode::from(
        match (&found.pod_problem, found.differences.len()) {
            (None, 0) => 0,
            (Some(_), 0) => 3,
            _ => 1,
        },
    ))
}
