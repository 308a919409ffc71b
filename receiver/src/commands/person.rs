//! `person`: what is kept about somebody, and taking it away.
//!
//! The ledger's texts and the moderators in the archive's manifests can lose a name. What BBB
//! published cannot: the digests of its files are what nodes compare, and a voice cannot be taken
//! out of it. So those recordings are named, and can be erased as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::recording::{Manifest, RecordId, durable};
use anyhow::Context as _;
use clap::Subcommand;

use super::{ConfigArg, Usage, erase, print};
use crate::config::Config;
use crate::ledger::{Ledger, Mention, named_at};

/// Shorter names are parts of everything.
const SHORTEST: usize = 3;
/// Files beyond this are media; names are not looked for there.
const LONGEST_TEXT: u64 = 64 * 1024 * 1024;
/// What published recordings are written in.
const TEXTS: [&str; 8] = [
    "xml", "json", "html", "txt", "svg", "vtt", "srt", "etherpad",
];

/// What to do about a person.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell where somebody is named
    #[command(
        after_help = "Ask once for each name that somebody has: username, e-mail address, name as shown in meetings.

Example:
  bbb2pod-receiver person show jdupont"
    )]
    Show {
        /// A username, an e-mail address, a name; whole words, in any case
        who: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take somebody's name out of the ledger and of the archive's manifests
    #[command(
        after_help = "What belonged to them and is not in Pod yet waits for a decision. What stays is told.

Examples:
  See what would be done:
    bbb2pod-receiver person erase jdupont
  With the service stopped, do it:
    bbb2pod-receiver person erase jdupont --yes
  And erase the recordings that belong to them as a whole:
    bbb2pod-receiver person erase jdupont --recordings --yes"
    )]
    Erase {
        /// A username, an e-mail address, a name; whole words, in any case
        who: String,
        /// Erase the recordings of which they are the owner, too
        #[arg(long)]
        recordings: bool,
        /// Do it; it cannot be undone
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show { who, config } => show(&config.read()?, name(&who)?).await,
        Command::Erase {
            who,
            recordings,
            yes,
            config,
        } => away(&config.read()?, name(&who)?, recordings, yes).await,
    }
}

fn name(who: &str) -> Result<&str, Usage> {
    let who = who.trim();
    match who.chars().count() >= SHORTEST {
        true => Ok(who),
        false => Err(Usage(format!(
            "\"{who}\" is too short to be told from other words; give at least {SHORTEST} characters"
        ))),
    }
}

/// Where somebody is named.
struct Found {
    /// In the ledger.
    mentions: BTreeSet<Mention>,
    /// As a moderator, in manifests of the archive.
    manifests: Vec<PathBuf>,
    /// In what BBB published.
    published: Vec<PathBuf>,
}

impl Found {
    async fn of(config: &Config, ledger: &Ledger, who: &str) -> anyhow::Result<Found> {
        let mut found = Found {
            mentions: ledger.mentions(who).await?,
            manifests: Vec::new(),
            published: Vec::new(),
        };
        for folder in ["manifests", "published", "overtaken"] {
            let root = config.archive_dir.join(folder);
            for file in walkdir::WalkDir::new(&root).sort_by_file_name() {
                let file = match file {
                    Ok(file) => file,
                    Err(e) if e.depth() == 0 => break,
                    Err(e) => return Err(e).context("cannot read the archive"),
                };
                let path = file.path();
                if !file.file_type().is_file() || !may_be_text(path) {
                    continue;
                }
                let bytes =
                    fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                if named_at(&String::from_utf8_lossy(&bytes), who).is_empty() {
                    continue;
                }
                if folder == "manifests" && moderates(&bytes, who) {
                    found.manifests.push(path.to_owned());
                }
                // What a manifest says besides was published by BBB.
                if folder != "manifests" || remains_in(&bytes, who) {
                    found.published.push(path.to_owned());
                }
            }
        }
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.mentions.is_empty() && self.manifests.is_empty() && self.published.is_empty()
    }

    /// What can be taken away.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for mention in self.mentions.iter().filter(|m| !m.stays()) {
            let Mention {
                record_id,
                table,
                column,
            } = mention;
            lines.push(format!("ledger    {record_id}  {table}.{column}"));
        }
        for path in &self.manifests {
            lines.push(format!("moderator {}", path.display()));
        }
        lines
    }

    /// What stays unless its recording is erased.
    fn stays(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for mention in self.mentions.iter().filter(|m| m.stays()) {
            let Mention {
                record_id,
                table,
                column,
            } = mention;
            lines.push(format!(
                "stays     {record_id}  {table}.{column}: how Pod knows it"
            ));
        }
        for path in &self.published {
            lines.push(format!("stays     {}", path.display()));
        }
        lines
    }
}

fn may_be_text(path: &Path) -> bool {
    let kind = path
        .extension()
        .and_then(|kind| kind.to_str())
        .unwrap_or_default();
    TEXTS.contains(&kind) && fs::metadata(path).is_ok_and(|m| m.len() <= LONGEST_TEXT)
}

fn is_moderator(moderator: &::recording::events::Moderator, who: &str) -> bool {
    [&moderator.external_user_id, &moderator.name]
        .iter()
        .any(|text| !named_at(text, who).is_empty())
}

fn moderates(json: &[u8], who: &str) -> bool {
    let manifest = Manifest::parse(json).ok();
    manifest.is_some_and(|m| m.moderators.iter().any(|of| is_moderator(of, who)))
}

/// A manifest without somebody among its moderators.
fn without_moderator(json: &[u8], who: &str) -> Option<Manifest> {
    let mut manifest = Manifest::parse(json).ok()?;
    manifest.moderators.retain(|of| !is_moderator(of, who));
    Some(manifest)
}

/// Whether a manifest names somebody elsewhere than among its moderators.
fn remains_in(json: &[u8], who: &str) -> bool {
    let left = without_moderator(json, who).and_then(|manifest| manifest.to_json().ok());
    let left = left.unwrap_or_else(|| json.to_vec());
    !named_at(&String::from_utf8_lossy(&left), who).is_empty()
}

async fn show(config: &Config, who: &str) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::open_existing(&config.database).await?;
    let found = Found::of(config, &ledger, who).await?;
    let owned = ledger.owned_by(who).await?;
    ledger.close().await;
    let mut lines: Vec<_> = owned.iter().map(|id| format!("owner     {id}")).collect();
    lines.extend(found.lines());
    lines.extend(found.stays());
    if lines.is_empty() {
        lines.push(format!("{who} is named nowhere here."));
    }
    print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

async fn away(config: &Config, who: &str, whole: bool, yes: bool) -> anyhow::Result<ExitCode> {
    let _alone = match yes {
        true => Some(erase::stopped(config)?),
        false => None,
    };
    let ledger = Ledger::open_existing(&config.database).await?;
    let owned: Vec<RecordId> = match whole {
        true => ledger.owned_by(who).await?,
        false => Vec::new(),
    };
    if yes {
        for id in &owned {
            erase::erase(config, &ledger, id, &erase::files_of(config, id)?).await?;
        }
    }
    let found = Found::of(config, &ledger, who).await?;
    let mut lines: Vec<_> = owned.iter().map(|id| format!("recording {id}")).collect();
    lines.extend(found.lines());
    if yes {
        for path in &found.manifests {
            let json = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let Some(manifest) = without_moderator(&json, who) else {
                continue;
            };
            durable::write(path, &manifest.to_json()?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        ledger.erase_person(who).await?;
        ledger.rewrite().await?;
    }
    lines.extend(found.stays());
    print(&lines)?;
    for copy in erase::copies(config)? {
        eprintln!("A copy of the ledger may name them: {}", copy.display());
    }
    ledger.close().await;
    match (yes, found.is_empty() && owned.is_empty()) {
        (_, true) => eprintln!("{who} is named nowhere here."),
        (true, _) => eprintln!(
            "Done. Pod, backups and what \"stays\" are not touched; `recording erase ID` removes a recording as a whole."
        ),
        (false, _) => {
            eprintln!("Nothing has been changed. With the service stopped, --yes does it.")
        }
    }
    Ok(ExitCode::SUCCESS)
}
