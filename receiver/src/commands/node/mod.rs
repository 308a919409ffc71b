//! `node`: which BBB nodes may send, and how they are.

mod show;
mod sync;
mod token;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use recording::protocol::NodeStanding;

use super::{ConfigArg, Usage};
use crate::fleet::{Spec, check_name};
use crate::ledger::Ledger;
use crate::token as secret;

pub(super) use show::as_line;

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let a node send; prints its token, once
    #[command(after_help = "Examples:
  bbb2pod-receiver node add bbb1.univ.example > token
  bbb2pod-receiver node add bbb2.univ.example --cordoned --comment 'hall B' > token")]
    Add {
        /// The node's name, as hook.yml on it says
        name: String,
        /// Take nothing from it until `node enable`
        #[arg(long)]
        cordoned: bool,
        /// A note for whoever looks at the list
        #[arg(long)]
        comment: Option<String>,
        /// The tenant whose its recordings are
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Change what is noted of a node
    #[command(after_help = "A tenant counts for recordings that come in from now on.

Examples:
  bbb2pod-receiver node update bbb1.univ.example --comment 'switched off in June'
  bbb2pod-receiver node update bbb1.univ.example --tenant science")]
    Update {
        /// The node's name
        name: String,
        /// A note for whoever looks at the list; '' takes it away
        #[arg(long, required_unless_present = "tenant")]
        comment: Option<String>,
        /// The tenant whose its recordings are; '' for nobody in particular
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take recordings of nodes (again)
    #[command(
        after_help = "Hooks that were refused go on by themselves within five minutes.\n\nExample:\n  bbb2pod-receiver node enable bbb1.univ.example"
    )]
    Enable(Names),
    /// Take nothing new from nodes, and let their uploads under way come to their end
    #[command(
        after_help = "The hooks keep everything that is published meanwhile, and say why; nothing is lost. What has come
in goes on to Pod. The nodes' questions are answered, so that they learn what has arrived.

Example:\n  bbb2pod-receiver node cordon bbb1.univ.example bbb2.univ.example"
    )]
    Cordon(Names),
    /// Refuse nodes from their next request on, uploads under way included
    #[command(
        after_help = "The hooks keep everything, and say why; uploads go on where they stood once the node is enabled,
unless upload.expire_after has passed. Such a node may only ask who it is and tell how it is.

Example:\n  bbb2pod-receiver node disable bbb1.univ.example"
    )]
    Disable(Names),
    /// Make a one-time code, and print the command that sets the node up with it
    #[command(after_help = "Examples:
  bbb2pod-receiver node enroll bbb1.univ.example
  bbb2pod-receiver node enroll bbb1.univ.example --again     # it lost its token")]
    Enroll {
        /// The node's name
        name: String,
        /// Where nodes reach this receiver; `public_url` of the settings unless given
        #[arg(long)]
        url: Option<String>,
        /// How long the code is good
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        expires: Duration,
        /// For a node that is there already: it gets a new token, and all others are revoked
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the nodes: their state, when they were last seen, and what waits on them
    #[command(after_help = "Example:\n  bbb2pod-receiver node list")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Tell how a node is, as far as it has told
    #[command(after_help = "Examples:
  bbb2pod-receiver node status bbb1.univ.example
  Nodes on which a recording waits for more than a day:
    bbb2pod-receiver node status --json | jq -r 'select(.oldest_unsent_seconds > 86400) | .name'")]
    Status {
        /// The node's name; all of them unless given
        name: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a node and its tokens away; what it sent stays
    #[command(after_help = "Example:\n  bbb2pod-receiver node remove bbb1.univ.example")]
    Remove {
        /// The node's name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// The tokens of nodes: several each, so that one can be changed while uploads run
    #[command(subcommand)]
    Token(token::Command),
    /// Make the nodes be as a file says
    Sync(sync::Args),
    /// Print the file that `node sync` reads; it holds no secret
    #[command(after_help = "Example:\n  bbb2pod-receiver node export > nodes.yml")]
    Export {
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Some nodes.
#[derive(Debug, clap::Args)]
pub(super) struct Names {
    /// The nodes' names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add {
            name,
            cordoned,
            comment,
            tenant,
            config,
        } => {
            check_name(&name).map_err(Usage)?;
            let spec = Spec {
                state: cordoned.then_some(NodeStanding::Cordoned),
                comment,
                tenant,
            };
            let ledger = config.ledger().await?;
            check_tenants(&ledger, [spec.tenant.as_deref()]).await?;
            let token = secret::new().context("the system gives no random numbers")?;
            ledger.add_node(&name, &spec, &token).await?;
            eprintln!(
                "Added {name}. This is its token; it is not shown again. Put it into the file that http.token_file of the node's hook.yml names:"
            );
            println!("{token}");
        }
        Command::Update {
            name,
            comment,
            tenant,
            config,
        } => {
            let spec = Spec {
                comment,
                tenant,
                ..Spec::default()
            };
            let ledger = config.existing_ledger().await?;
            check_tenants(&ledger, [spec.tenant.as_deref()]).await?;
            if !ledger.update_node(&name, &spec).await? {
                return Err(unknown(&name));
            }
        }
        Command::Enable(names) => set(names, NodeStanding::Enabled).await?,
        Command::Cordon(names) => set(names, NodeStanding::Cordoned).await?,
        Command::Disable(names) => set(names, NodeStanding::Disabled).await?,
        Command::Enroll {
            name,
            url,
            expires,
            again,
            config,
        } => {
            check_name(&name).map_err(Usage)?;
            let settings = config.read()?;
            let url = match url.or(settings.public_url) {
                Some(url) => url,
                None => format!("http://{}", settings.listen),
            };
            let code = secret::new_code().context("the system gives no random numbers")?;
            let expires = SignedDuration::try_from(expires)
                .ok()
                .and_then(|expires| Timestamp::now().checked_add(expires).ok())
                .ok_or_else(|| Usage("--expires is too long".to_owned()))?;
            let ledger = config.ledger().await?;
            let plain = secret::plain_code(&code);
            ledger.add_enrolment(&name, &plain, expires, again).await?;
            eprintln!("Run this on {name} before {expires:.0}; the code is good once:");
            println!("bbb2pod-hook enroll {url} --code {code}");
        }
        Command::List { json, config } => show::list(&config, json).await?,
        Command::Status { name, json, config } => {
            show::status(&config, name.as_deref(), json).await?;
        }
        Command::Remove { name, config } => remove(&name, &config).await?,
        Command::Token(command) => token::run(command).await?,
        Command::Sync(args) => return sync::run(args).await,
        Command::Export { config } => sync::export(&config).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives nodes a state. All names are looked up before anything is changed.
async fn set(names: Names, state: NodeStanding) -> anyhow::Result<()> {
    let ledger = names.config.existing_ledger().await?;
    let known = ledger.nodes().await?;
    for name in &names.names {
        if !known.iter().any(|node| node.name == *name) {
            return Err(unknown(name));
        }
    }
    for name in &names.names {
        let spec = Spec {
            state: Some(state),
            ..Spec::default()
        };
        if !ledger.update_node(name, &spec).await? {
            return Err(unknown(name));
        }
        eprintln!("{name} is {}.", state.as_str());
    }
    Ok(())
}

/// Nodes can only be given to tenants that are there.
async fn check_tenants<'a>(
    ledger: &Ledger,
    named: impl IntoIterator<Item = Option<&'a str>>,
) -> anyhow::Result<()> {
    for tenant in named.into_iter().flatten().filter(|name| !name.is_empty()) {
        if ledger.tenant_settings(tenant).await?.is_none() {
            return Err(super::tenant::unknown(tenant));
        }
    }
    Ok(())
}

async fn remove(name: &str, config: &ConfigArg) -> anyhow::Result<()> {
    let settings = config.read()?;
    let ledger = Ledger::open_existing(&settings.database).await?;
    let present = sync::present(&settings, &ledger).await?;
    if !ledger.remove_node(name).await? {
        return Err(unknown(name));
    }
    eprintln!("Removed {name}. Its tokens are refused from now on; what it sent stays.");
    let busy = present.into_iter().find(|node| node.name == *name);
    if let Some(why) = busy.and_then(|node| node.busy) {
        eprintln!(
            "It may still have something to send ({why}); its hook keeps that. To let it go on: bbb2pod-receiver node enroll {name}"
        );
    }
    Ok(())
}

fn unknown(name: &str) -> anyhow::Error {
    Usage(format!(
        "there is no node {name}; see: bbb2pod-receiver node list"
    ))
    .into()
}
