//! `recording`: what became of recordings, and trying failed ones again.

use std::process::ExitCode;

use ::recording::RecordId;
use ::recording::protocol::OnNode;
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{ConfigArg, Usage, print};
use crate::import::Archive;
use crate::ledger::{Damage, Ledger, Recording, Stage, Told, can_be_assigned};
use crate::media;
use crate::owners::{Finders, Subject};

/// What to do with recordings.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List recordings, the latest changed first
    #[command(after_help = "Examples:
  What waits for a human:
    bbb2pod-receiver recording list --state failed
  Record ids alone:
    bbb2pod-receiver recording list --json | jq -r .record_id")]
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Tell the whole story of a recording
    #[command(after_help = "Example:
  bbb2pod-receiver recording show 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920")]
    Show {
        /// The record id
        record_id: String,
        /// As one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say whose a recording is; it then goes on
    #[command(
        after_help = "The first user is the owner, the others own it too. Pod is asked whether it has them.
It is for recordings that wait for a decision (recording list --state review), and for any other
that is not in Pod yet.

Example:
  bbb2pod-receiver recording assign 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 jdupont mmartin"
    )]
    Assign {
        /// The record id
        record_id: String,
        /// Usernames in Pod
        #[arg(required = true)]
        users: Vec<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Try a recording again now
    #[command(after_help = "Examples:
  Where it stands:
    bbb2pod-receiver recording retry 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  Make its video anew:
    bbb2pod-receiver recording retry 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --from media")]
    Retry {
        /// The record id
        record_id: String,
        /// Start over from this stage instead of where it stands
        #[arg(long, value_enum)]
        from: Option<From>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Give recordings to a tenant
    AddToTenant(super::add_to_tenant::Args),
    /// Remove everything that is kept of a recording here; what is in Pod and on nodes stays there
    #[command(after_help = "Examples:
  See what would go:
    bbb2pod-receiver recording erase 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  With the service stopped, let it go:
    bbb2pod-receiver recording erase 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 --yes")]
    Erase {
        /// The record id
        record_id: String,
        /// Do it; it cannot be undone
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a recording in again that was erased, when somebody sends it
    #[command(after_help = "Example:
  bbb2pod-receiver recording admit 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920")]
    Admit {
        /// The record id
        record_id: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// What a recording waits for, or how it ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum State {
    /// Waits for the decision what its video is made from
    Media,
    /// Waits for its video, or it is being made
    Convert,
    /// Waits to be handed to Pod
    Register,
    /// Nobody was found whose it is: waits for `recording assign`
    Review,
    /// Nothing more to do
    Done,
    /// Waits for a human
    Failed,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Media => "media",
            State::Convert => "convert",
            State::Register => "register",
            State::Review => "review",
            State::Done => "done",
            State::Failed => "failed",
        }
    }
}

/// Where to start over.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum From {
    /// Decide what the video is made from
    Media,
    /// Make the video
    Convert,
    /// Hand the video to Pod
    Register,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List {
            state,
            tenant,
            limit,
            json,
            config,
        } => {
            let ledger = config.existing_ledger().await?;
            let most = if tenant.is_some() { u32::MAX } else { limit };
            let mut recordings = ledger.recordings(state.map(State::as_str), most).await?;
            if let Some(tenant) = &tenant {
                recordings.retain(|r| r.tenant.as_ref() == Some(tenant));
                recordings.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            }
            let told = ledger.all_node_states(None).await?;
            let damages = ledger.damages(None).await?;
            let line = |recording: &Recording| {
                let is_its = |damage: &&Damage| damage.record_id == recording.record_id;
                let damaged: Vec<_> = damages.iter().filter(is_its).collect();
                let of = |told: &&Told| told.record_id == recording.record_id;
                // Sorted by recording.
                let from = told.partition_point(|t| t.record_id < recording.record_id);
                let told: Vec<_> = told[from..].iter().take_while(of).collect();
                match json {
                    true => {
                        let mut object = as_json(recording);
                        object["on_node"] = on_node(&told);
                        object["damaged"] = as_damaged(&damaged);
                        object.to_string()
                    }
                    false => as_line(recording) + &gone(&told) + &lost(&damaged),
                }
            };
            let lines: Vec<_> = recordings.iter().map(line).collect();
            print(&lines)?;
        }
        Command::Show {
            record_id,
            json,
            config,
        } => {
            let settings = config.read()?;
            let ledger = Ledger::open_existing(&settings.database).await?;
            let id = parse(&record_id)?;
            show(
                &ledger,
                &media::path(&settings.media_dir, &id).display().to_string(),
                &id,
                json,
            )
            .await?;
        }
        Command::Assign {
            record_id,
            users,
            config,
        } => assign(&config, &parse(&record_id)?, users).await?,
        Command::Retry {
            record_id,
            from,
            config,
        } => {
            let id = parse(&record_id)?;
            let from = from.map(|from| match from {
                From::Media => Stage::Media,
                From::Convert => Stage::Convert,
                From::Register => Stage::Register,
            });
            let ledger = config.existing_ledger().await?;
            let stands = ledger.recording(&id).await?.ok_or_else(|| unknown(&id))?;
            if let Some(why) = senseless(stands.stage, from) {
                return Err(Usage(format!("{id} {why}")).into());
            }
            ledger.retry(&id, from).await?;
            eprintln!("{id} is due now; a running service takes it up within seconds.");
        }
        Command::AddToTenant(args) => return super::add_to_tenant::run(args).await,
        Command::Erase {
            record_id,
            yes,
            config,
        } => return super::erase::run(&config.read()?, &parse(&record_id)?, yes).await,
        Command::Admit { record_id, config } => {
            return super::erase::admit(&config.read()?, &parse(&record_id)?).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives a recording the owners that somebody has chosen.
async fn assign(config: &ConfigArg, id: &RecordId, users: Vec<String>) -> anyhow::Result<()> {
    let settings = config.read_of(id).await?;
    let ledger = Ledger::open_existing(&settings.database).await?;
    let stands = ledger.recording(id).await?.ok_or_else(|| unknown(id))?;
    if !can_be_assigned(stands.stage) {
        let why = "is in Pod already; change its owner there";
        return Err(Usage(format!("{id} {why}")).into());
    }
    let mut names: Vec<String> = Vec::new();
    for user in users {
        if !names.contains(&user) {
            names.push(user);
        }
    }
    let owners = settings.owners.unwrap_or_default();
    let finders = Finders::new(&owners, &settings.destination)?;
    for name in &names {
        if finders.knows(name).await? == Some(false) {
            let why = format!(
                "Pod has no user {}; write the username exactly",
                shown(name)
            );
            return Err(Usage(why).into());
        }
    }
    let (owner, additional) = names
        .split_first()
        .ok_or_else(|| Usage("name at least one user".to_owned()))?;
    ledger.assign(id, owner, additional).await?;
    let owners = names.join(", ");
    eprintln!("{id} belongs to {owners} now; a running service takes it up within seconds.");
    let archive = Archive::open(&settings.archive_dir)?;
    for (room, of) in waiting_rooms(&ledger, &archive).await? {
        if of == id.as_str() {
            ledger.retry(&room, None).await?;
            eprintln!("{room}, a breakout room of it, is due now too.");
        }
    }
    Ok(())
}

/// Breakout rooms that wait for a decision, each with the meeting it belongs to.
async fn waiting_rooms(
    ledger: &Ledger,
    archive: &Archive,
) -> anyhow::Result<Vec<(RecordId, String)>> {
    let mut rooms = Vec::new();
    let waiting = ledger
        .recordings(Some(State::Review.as_str()), u32::MAX)
        .await?;
    for recording in waiting {
        let subject = Subject::of(ledger, archive, &recording.record_id).await?;
        if let Some(of) = subject.as_ref().and_then(Subject::breakout_of) {
            rooms.push((recording.record_id, of.to_owned()));
        }
    }
    Ok(rooms)
}

/// Why a recording in this stage cannot be tried again from there.
fn senseless(stands: Stage, from: Option<Stage>) -> Option<String> {
    let order = [Stage::Media, Stage::Convert, Stage::Register, Stage::Done];
    let place = |stage| order.iter().position(|s| *s == stage);
    match from {
        None if stands == Stage::Done => {
            Some("is done; name where to start over with --from media|convert|register".to_owned())
        }
        Some(from) if place(from) > place(stands) => {
            let (from, stands) = (from.as_str(), stands.as_str());
            Some(format!("has not come to {from} yet: it is at {stands}"))
        }
        _ => None,
    }
}

pub(super) fn parse(text: &str) -> anyhow::Result<RecordId> {
    text.parse()
        .map_err(|e: ::recording::names::InvalidName| Usage(e.to_string()).into())
}

pub(super) fn unknown(id: &RecordId) -> anyhow::Error {
    Usage(format!(
        "no recording {id} has come in; see: bbb2pod-receiver recording list"
    ))
    .into()
}

async fn show(
    ledger: &Ledger,
    media_path: &str,
    id: &RecordId,
    as_object: bool,
) -> anyhow::Result<()> {
    let story = ledger.story(id).await?;
    let packages = ledger.packages_of(id, None).await?;
    let recording = ledger.recording(id).await?;
    if recording.is_none() && packages.is_empty() && story.is_empty() {
        return Err(unknown(id));
    }
    let formats = ledger.formats(id).await?;
    let damages = ledger.damages(Some(id)).await?;
    let media = ledger.media(id).await?;
    let registrations = ledger.registrations(id).await?;
    let told = ledger.node_states(id).await?;
    let owners = ledger.owners(id).await?;
    if as_object {
        let made = media.as_ref().and_then(|m| m.made);
        let object = json!({
            "record_id": id,
            "recording": recording.as_ref().map(as_json),
            "packages": packages,
            "formats": formats.iter().map(|(format, digest, published)| json!({
                "format": format, "digest": digest, "published_at": published,
            })).collect::<Vec<_>>(),
            "media": media.as_ref().map(|m| json!({
                "path": media_path, "source_format": m.source_format, "source_digest": m.source_digest,
                "sha256": made.map(|(sha256, ..)| sha256), "bytes": made.map(|(_, bytes, _)| bytes),
                "duration_ms": made.map(|(.., duration)| duration), "warnings": m.warnings,
            })),
            "owners": owners.as_ref().map(|o| json!({
                "owner": o.owner, "additional_owners": o.additional, "to_create": o.to_create,
                "found_by": o.found_by, "decided_at": o.decided_at, "reasons": o.reasons,
            })),
            "registrations": registrations.iter().map(|r| json!({
                "destination": r.destination, "kind": r.kind, "reference": r.reference, "url": r.url,
                "media_digest": r.media_digest, "registered_at": r.registered_at,
                "trouble": r.trouble,
            })).collect::<Vec<_>>(),
            "on_node": on_node(&told.iter().collect::<Vec<_>>()),
            "damaged": as_damaged(&damages.iter().collect::<Vec<_>>()),
            "story": story.iter().map(|e| json!({
                "at": e.at, "stage": e.stage, "level": e.level, "text": e.text,
            })).collect::<Vec<_>>(),
        });
        return print(&[object.to_string()]);
    }
    let mut lines = vec![format!("Recording    {id}")];
    if let Some(recording) = &recording {
        lines.push(format!(
            "Title        {}",
            shown(recording.title.as_deref().unwrap_or("(none)"))
        ));
        if let Some(started) = recording.started_at {
            lines.push(format!("Started      {started:.0}"));
        }
        lines.push(format!(
            "Node         {}",
            recording
                .node
                .as_deref()
                .unwrap_or("(dropped into the spool)")
        ));
        if let Some(tenant) = &recording.tenant {
            lines.push(format!("Tenant       {}", shown(tenant)));
        }
        lines.push(format!("State        {}", state_line(recording)));
    }
    for (format, digest, _) in &formats {
        lines.push(format!("Archived     {format}, digest {digest}"));
    }
    for damage in &damages {
        lines.push(format!(
            "Damaged      {}, found {:.0}: {}; it has to be sent again",
            damage.format, damage.since, damage.why
        ));
    }
    if let Some((sha256, bytes, duration_ms)) = media.as_ref().and_then(|m| m.made) {
        lines.push(format!(
            "Video        {media_path}, {:.1} s, {bytes} bytes, SHA-256 {sha256}",
            duration_ms as f64 / 1000.0
        ));
    }
    if let Some(owners) = &owners {
        lines.push(format!(
            "Owners       {} ({})",
            shown(&owners.all().join(", ")),
            owners.found_by
        ));
    }
    for r in &registrations {
        let url = r
            .url
            .as_ref()
            .map(|url| format!(", {url}"))
            .unwrap_or_default();
        lines.push(format!(
            "In Pod       {} {}{url} ({:.0})",
            r.kind, r.reference, r.registered_at
        ));
        if let Some(trouble) = &r.trouble {
            lines.push(format!("           ! {trouble}"));
        }
    }
    for t in told.iter().filter(|t| t.state != OnNode::Published) {
        lines.push(format!(
            "On the node  {} is {} on {} since {:.0}",
            t.format,
            t.state.as_str(),
            t.node,
            t.since
        ));
    }
    lines.push("Story".to_owned());
    for event in &story {
        let mark = match event.level.as_str() {
            "info" => ' ',
            "warning" => '!',
            _ => 'X',
        };
        lines.push(format!(
            "  {:.0} {mark} {:<9} {}",
            event.at, event.stage, event.text
        ));
    }
    print(&lines)
}

fn state_line(recording: &Recording) -> String {
    let mut line = recording.state().to_owned();
    if let Some((done, all)) = recording.progress.filter(|(_, all)| *all > 0) {
        line += &format!(", {:.0} %", 100.0 * done as f64 / all as f64);
    }
    if recording.failed {
        line += &format!(
            " in {}: {}",
            recording.stage.as_str(),
            recording.error.as_deref().unwrap_or("?")
        );
        line += &format!(
            "; when mended: bbb2pod-receiver recording retry {}",
            recording.record_id
        );
    } else if let Some(why) = &recording.review {
        line += &format!(
            ": {}; decide with: bbb2pod-receiver recording assign {} USER",
            shown(why),
            recording.record_id
        );
    } else if let Some(error) = &recording.error {
        line += &format!(
            ", {} failed attempts, the last: {error}; next try {:.0}",
            recording.attempts, recording.next_try
        );
    }
    line
}

fn as_line(recording: &Recording) -> String {
    let title = shown(recording.title.as_deref().unwrap_or(""));
    format!(
        "{}\t{}\t{}",
        recording.record_id,
        state_line(recording),
        title
    )
}

/// What its node says of a recording that is not published there any more.
fn gone(told: &[&Told]) -> String {
    let gone = told.iter().filter(|t| t.state != OnNode::Published);
    gone.fold(String::new(), |line, t| {
        let (format, state) = (&t.format, t.state.as_str());
        format!("{line}\t{format} {state} on {}", t.node)
    })
}

/// Which formats of a recording the archive does not hold as they came.
fn lost(damaged: &[&Damage]) -> String {
    damaged.iter().fold(String::new(), |line, damage| {
        format!("{line}\t{} damaged in the archive", damage.format)
    })
}

fn as_damaged(damaged: &[&Damage]) -> serde_json::Value {
    let one = |damage: &&Damage| {
        json!({
            "format": damage.format, "why": damage.why, "since": damage.since,
        })
    };
    damaged.iter().map(one).collect()
}

fn on_node(told: &[&Told]) -> serde_json::Value {
    let one = |t: &&Told| {
        json!({
            "node": t.node, "format": t.format, "state": t.state, "since": t.since,
        })
    };
    told.iter().map(one).collect()
}

/// A text from outside on one line of a terminal: without control characters, not endless.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn as_json(recording: &Recording) -> serde_json::Value {
    json!({
        "record_id": recording.record_id,
        "node": recording.node,
        "tenant": recording.tenant,
        "title": recording.title,
        "started_at": recording.started_at,
        "state": recording.state(),
        "stage": recording.stage.as_str(),
        "failed": recording.failed,
        "review": recording.review,
        "error": recording.error,
        "attempts": recording.attempts,
        "next_try": recording.error.as_ref().map(|_| recording.next_try),
        "progress_ms": recording.progress.map(|(done, _)| done),
        "duration_ms": recording.progress.map(|(_, all)| all),
    })
}
