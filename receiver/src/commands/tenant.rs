//! `tenant`: for whom recordings are kept, and what is different for each.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::{ConfigArg, Usage, print};
use crate::config::Config;
use crate::fleet::check_name;
use crate::ledger::{Ledger, Setting, Tenant};
use crate::tenants::{Context, check_param, meta_key, value};
use crate::token;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a tenant; prints its first secret, once
    #[command(after_help = "Examples:
  bbb2pod-receiver tenant add science > secret
  bbb2pod-receiver tenant add science --server moodle.science.example > secret")]
    Add {
        /// Its name, as the meta key tenant-id says it
        name: String,
        /// A front-end (meta key bbb-origin-server-name) whose recordings are its; may be repeated
        #[arg(long = "server", value_name = "NAME")]
        servers: Vec<String>,
        /// A note for whoever looks at the list
        #[arg(long)]
        comment: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Change a tenant: its secrets, its front-ends, its comment
    #[command(after_help = "Examples:
  bbb2pod-receiver tenant update science --add-secret portal > secret    # printed, once
  bbb2pod-receiver tenant update science --revoke-secret first
  bbb2pod-receiver tenant update science --add-server moodle2.science.example")]
    Update(Update),
    /// Remove a tenant; its recordings stay, and wait if they are not in its Pod yet
    #[command(after_help = "Example:\n  bbb2pod-receiver tenant remove science")]
    Remove {
        /// Its name
        name: String,
        /// Also when recordings of it are not done, or nodes are its
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the tenants, and how many recordings of each are where
    #[command(after_help = "Example:\n  bbb2pod-receiver tenant list --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// What is different for a tenant from the settings file
    #[command(subcommand)]
    Setting(SettingCommand),
}

/// What to change about a tenant.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// Give it another secret of this name; printed once, those it has stay good
    #[arg(long, value_name = "NAME")]
    add_secret: Option<String>,
    /// Take a secret away
    #[arg(long, value_name = "NAME")]
    revoke_secret: Vec<String>,
    /// A front-end whose recordings are its from now on
    #[arg(long, value_name = "NAME")]
    add_server: Vec<String>,
    /// A front-end whose recordings are its no more
    #[arg(long, value_name = "NAME")]
    remove_server: Vec<String>,
    /// A note; '' takes it away
    #[arg(long)]
    comment: Option<String>,
}

/// A tenant, and what to change about it.
#[derive(Debug, clap::Args)]
pub(super) struct Update {
    /// Its name
    name: String,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    config: ConfigArg,
}

/// What to do with a tenant's settings.
#[derive(Debug, Subcommand)]
pub(super) enum SettingCommand {
    /// Make a setting different for a tenant; a running service takes it up at once
    #[command(after_help = "\
PARAM is the path of a key of receiver.yml in destination, owners or convert, or such a section as a
whole; VALUE is what would stand there. Both are checked as the file is, together with all of it.
Secrets stay in files: token_file, password_file.

Examples:
  bbb2pod-receiver tenant setting add science destination.url https://pod.science.example
  bbb2pod-receiver tenant setting add science destination.additional_owners '[anne, bob]'
  bbb2pod-receiver tenant setting add science destination.type Seminar --override
  bbb2pod-receiver tenant setting add science destination \"$(cat science-destination.yml)\"")]
    Add {
        /// The tenant
        tenant: String,
        /// The path of a key, like destination.type
        param: String,
        /// Its value, as YAML
        value: String,
        /// Let it count more than the meta key (pod-type, …) by which a meeting chooses this
        #[arg(long = "override")]
        over: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Leave a setting as the settings file has it
    #[command(
        after_help = "Example:\n  bbb2pod-receiver tenant setting remove science destination.type"
    )]
    Remove {
        /// The tenant
        tenant: String,
        /// The path of a key
        param: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List what is different for a tenant, or for all
    #[command(after_help = "Example:\n  bbb2pod-receiver tenant setting list science")]
    List {
        /// The tenant; all of them unless given
        tenant: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add {
            name,
            servers,
            comment,
            config,
        } => {
            check_name(&name).map_err(Usage)?;
            let ledger = config.ledger().await?;
            free(&ledger.tenants().await?, &name, &servers)?;
            ledger.add_tenant(&name, comment.as_deref()).await?;
            for server in &servers {
                ledger.add_tenant_server(&name, server).await?;
            }
            eprintln!("Added tenant {name}.");
            new_secret(&ledger, &name, "first").await?;
        }
        Command::Update(update) => change(update).await?,
        Command::Remove {
            name,
            force,
            config,
        } => remove(&config.existing_ledger().await?, &name, force).await?,
        Command::List { json, config } => list(&config.existing_ledger().await?, json).await?,
        Command::Setting(command) => settings(command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn new_secret(ledger: &Ledger, tenant: &str, name: &str) -> anyhow::Result<()> {
    let secret = token::new().context("the system gives no random numbers")?;
    ledger.add_tenant_secret(tenant, name, &secret).await?;
    eprintln!(
        "This is its secret {name}, by which it may look at its own recordings (/api/v1/tenant); it is not shown again:"
    );
    println!("{secret}");
    Ok(())
}

/// Refuses front-ends that are another tenant's, before anything is changed.
fn free(tenants: &[Tenant], name: &str, servers: &[String]) -> Result<(), Usage> {
    for server in servers.iter().map(|server| server.to_lowercase()) {
        let owner = tenants.iter().find(|t| t.servers.contains(&server));
        if let Some(owner) = owner.map(|t| &t.name).filter(|owner| *owner != name) {
            return Err(Usage(format!(
                "the recordings of {server} are those of tenant {owner}; take it away there first: bbb2pod-receiver tenant update {owner} --remove-server {server}"
            )));
        }
    }
    Ok(())
}

/// Refuses changes that cannot all be made, before the first of them is.
fn fits(tenants: &[Tenant], name: &str, changes: &Changes) -> Result<(), Usage> {
    free(tenants, name, &changes.add_server)?;
    let Some(tenant) = tenants.iter().find(|t| t.name == name) else {
        return Ok(());
    };
    let has = |secret: &String| tenant.secrets.iter().any(|s| s.name == *secret);
    for server in changes.remove_server.iter().map(|s| s.to_lowercase()) {
        if !tenant.servers.contains(&server) {
            return Err(Usage(format!("{server} is no front-end of {name}")));
        }
    }
    if let Some(secret) = changes.revoke_secret.iter().find(|secret| !has(secret)) {
        return Err(Usage(format!("{name} has no secret {secret}")));
    }
    if let Some(secret) = &changes.add_secret {
        check_name(secret).map_err(Usage)?;
        if has(secret) && !changes.revoke_secret.contains(secret) {
            return Err(Usage(format!(
                "{name} has a secret {secret} already; choose another name, or revoke it first"
            )));
        }
    }
    Ok(())
}

async fn change(update: Update) -> anyhow::Result<()> {
    let Update {
        name,
        changes,
        config,
    } = update;
    let ledger = config.existing_ledger().await?;
    known(&ledger, &name).await?;
    fits(&ledger.tenants().await?, &name, &changes)?;
    if let Some(comment) = &changes.comment {
        ledger.note_tenant(&name, comment).await?;
    }
    for server in &changes.add_server {
        ledger.add_tenant_server(&name, server).await?;
    }
    for server in &changes.remove_server {
        if !ledger.remove_tenant_server(&name, server).await? {
            return Err(Usage(format!("{server} is no front-end of {name}")).into());
        }
    }
    for secret in &changes.revoke_secret {
        if !ledger.revoke_tenant_secret(&name, secret).await? {
            return Err(Usage(format!("{name} has no secret {secret}")).into());
        }
        eprintln!("Secret {secret} of {name} is refused from now on.");
    }
    if let Some(secret) = &changes.add_secret {
        new_secret(&ledger, &name, secret).await?;
    }
    Ok(())
}

async fn remove(ledger: &Ledger, name: &str, force: bool) -> anyhow::Result<()> {
    known(ledger, name).await?;
    let counts = ledger.tenant_counts().await?;
    let open = counts
        .iter()
        .filter(|(tenant, state, _)| tenant.as_deref() == Some(name) && state != "done");
    let open: u64 = open.map(|(.., n)| n).sum();
    let nodes = ledger.nodes().await?;
    let nodes: Vec<_> = nodes
        .iter()
        .filter(|node| node.tenant.as_deref() == Some(name))
        .map(|node| node.name.as_str())
        .collect();
    if !force && (open > 0 || !nodes.is_empty()) {
        let why = format!(
            "{open} recordings of {name} are not done, and {} nodes are its ({}); with --force they wait, until there is a tenant {name} again or they are given to another, and the nodes are nobody's",
            nodes.len(),
            nodes.join(", ")
        );
        return Err(Usage(why).into());
    }
    ledger.remove_tenant(name).await?;
    eprintln!(
        "Removed {name}, its secrets and its settings. Its recordings stay, here and in its Pod."
    );
    Ok(())
}

async fn list(ledger: &Ledger, json: bool) -> anyhow::Result<()> {
    let counts = ledger.tenant_counts().await?;
    let mut lines = Vec::new();
    for tenant in ledger.tenants().await? {
        let its: BTreeMap<&str, u64> = counts
            .iter()
            .filter(|(name, ..)| name.as_deref() == Some(&tenant.name))
            .map(|(_, state, n)| (state.as_str(), *n))
            .collect();
        let names: Vec<_> = tenant.secrets.iter().map(|s| s.name.as_str()).collect();
        lines.push(match json {
            true => json!({
                "name": tenant.name, "comment": tenant.comment, "added_at": tenant.added_at,
                "servers": tenant.servers, "recordings": its,
                "secrets": tenant.secrets.iter().map(|secret| json!({
                    "name": secret.name, "made_at": secret.made_at, "used_at": secret.used_at,
                })).collect::<Vec<_>>(),
            })
            .to_string(),
            false => format!(
                "{}\tadded {:.0}\tsecrets: {}\tfront-ends: {}\trecordings: {}{}",
                tenant.name,
                tenant.added_at,
                or_none(&names.join(", ")),
                or_none(&tenant.servers.join(", ")),
                or_none(&counted(&its)),
                comment(&tenant),
            ),
        });
    }
    if lines.is_empty() {
        eprintln!("There are no tenants: everything is done by the settings file.");
    }
    print(&lines)
}

fn counted(counts: &BTreeMap<&str, u64>) -> String {
    let words: Vec<_> = counts
        .iter()
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    words.join(", ")
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn comment(tenant: &Tenant) -> String {
    let comment = tenant.comment.as_deref();
    comment.map_or(String::new(), |text| format!("\t{}", text.escape_debug()))
}

async fn settings(command: SettingCommand) -> anyhow::Result<()> {
    match command {
        SettingCommand::Add {
            tenant,
            param,
            value: text,
            over,
            config,
        } => {
            check_param(&param).map_err(Usage)?;
            if over && meta_key(&param).is_none() {
                let why = format!(
                    "--override: a meeting cannot choose {param}, so there is nothing to override"
                );
                return Err(Usage(why).into());
            }
            let base = config.read()?;
            let ledger = Ledger::open_existing(&base.database).await?;
            let mut all = known(&ledger, &tenant).await?;
            let new = Setting {
                param,
                value: value(&text),
                over_meeting: over,
            };
            all.retain(|setting| setting.param != new.param);
            all.push(new.clone());
            tried(&base, &tenant, all)?;
            ledger.set_for_tenant(&tenant, &new).await?;
            eprintln!("{tenant}: {} is {} now.", new.param, new.value);
        }
        SettingCommand::Remove {
            tenant,
            param,
            config,
        } => {
            let base = config.read()?;
            let ledger = Ledger::open_existing(&base.database).await?;
            let mut all = known(&ledger, &tenant).await?;
            if !all.iter().any(|setting| setting.param == param) {
                let why = format!(
                    "{param} is not different for {tenant}; see: bbb2pod-receiver tenant setting list {tenant}"
                );
                return Err(Usage(why).into());
            }
            all.retain(|setting| setting.param != param);
            tried(&base, &tenant, all)?;
            ledger.unset_for_tenant(&tenant, &param).await?;
            eprintln!("{tenant}: {param} is as in the settings file now.");
        }
        SettingCommand::List {
            tenant,
            json,
            config,
        } => {
            let ledger = config.existing_ledger().await?;
            let tenants = match tenant {
                Some(name) => vec![name],
                None => ledger
                    .tenants()
                    .await?
                    .into_iter()
                    .map(|t| t.name)
                    .collect(),
            };
            let mut lines = Vec::new();
            for tenant in tenants {
                for setting in known(&ledger, &tenant).await? {
                    let Setting {
                        param,
                        value,
                        over_meeting: over,
                    } = setting;
                    lines.push(match json {
                        true => json!({"tenant": tenant, "param": param, "value": value, "override": over})
                            .to_string(),
                        false if over => format!("{tenant}\t{param}\t{value}\toverrides meetings"),
                        false => format!("{tenant}\t{param}\t{value}"),
                    });
                }
            }
            print(&lines)?;
        }
    }
    Ok(())
}

/// What is different for a tenant, which must be there.
async fn known(ledger: &Ledger, tenant: &str) -> anyhow::Result<Vec<Setting>> {
    let settings = ledger.tenant_settings(tenant).await?;
    settings.ok_or_else(|| unknown(tenant))
}

pub(super) fn unknown(tenant: &str) -> anyhow::Error {
    Usage(format!(
        "there is no tenant {tenant}; see: bbb2pod-receiver tenant list"
    ))
    .into()
}

/// Whether settings fit, tried without asking anybody: the files that they name are read.
fn tried(base: &Config, tenant: &str, mut all: Vec<Setting>) -> anyhow::Result<()> {
    all.sort_by(|a, b| a.param.cmp(&b.param));
    let links = super::serve::video_links(base)?;
    match Context::open(tenant, base, &links, &all) {
        Ok(_) => Ok(()),
        Err(error) => Err(Usage(error.to_string()).into()),
    }
}
