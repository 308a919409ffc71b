//! `recording erase`: everything that the receiver has of a recording goes, for ever, and it is not
//! taken in again by itself.
//!
//! First it is noted that it is not taken in any more, then the files go and the ledger's rows
//! last, so that a call that was killed can be made again. It works only while no service does:
//! nothing may be taken in or converted meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::recording::RecordId;
use anyhow::Context as _;

use super::serve::alone;
use super::{Usage, print};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::upload::INCOMING;
use crate::upload::metadata::names_of;

/// Tells what would go, or removes it.
pub(super) async fn run(config: &Config, id: &RecordId, yes: bool) -> anyhow::Result<ExitCode> {
    let _alone = match yes {
        true => Some(stopped(config)?),
        false => None,
    };
    let ledger = Ledger::open_existing(&config.database).await?;
    let files = files_of(config, id)?;
    let rows = ledger.rows_of(id).await?;
    if files.is_empty() && rows == 0 {
        if ledger.is_erased(id).await? {
            ledger.rewrite().await?;
            eprintln!(
                "{id} is erased already; to take it in again: bbb2pod-receiver recording admit {id}"
            );
            return Ok(ExitCode::SUCCESS);
        }
        return Err(Usage(format!("there is nothing of {id} here")).into());
    }
    let mut lines: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    lines.push(format!("{rows} rows of {}", config.database.display()));
    print(&lines)?;
    for stays in staying(config, &ledger, id).await? {
        eprintln!("{stays}");
    }
    if !yes {
        eprintln!("Nothing has been removed. With the service stopped, --yes removes all of it.");
        return Ok(ExitCode::SUCCESS);
    }
    erase(config, &ledger, id, &files).await?;
    ledger.rewrite().await?;
    ledger.close().await;
    eprintln!(
        "Erased {id}. It is not taken in again before: bbb2pod-receiver recording admit {id}"
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that no service works meanwhile.
pub(super) fn stopped(config: &Config) -> anyhow::Result<Vec<fs::File>> {
    alone(config).context("stop the service before anything is erased")
}

/// Lets a recording be taken in again that was erased.
pub(super) async fn admit(config: &Config, id: &RecordId) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::open_existing(&config.database).await?;
    let was_erased = ledger.admit(id).await?;
    ledger.close().await;
    if !was_erased {
        return Err(Usage(format!("{id} was not erased here: it is taken in as it is")).into());
    }
    eprintln!("{id} is taken in again. On its node: bbb2pod-hook publish -m {id}");
    Ok(ExitCode::SUCCESS)
}

/// What of a recording is not the receiver's to remove.
async fn staying(config: &Config, ledger: &Ledger, id: &RecordId) -> anyhow::Result<Vec<String>> {
    let mut lines: Vec<_> = ledger
        .registrations(id)
        .await?
        .iter()
        .map(|r| format!("In Pod, where it stays: {} {}", r.kind, r.reference))
        .collect();
    for copy in copies(config)? {
        lines.push(format!(
            "A copy of the ledger may name it: {}",
            copy.display()
        ));
    }
    Ok(lines)
}

/// The copies of the ledger that were made before its tables were changed.
pub(super) fn copies(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    let folder = config.database.parent().unwrap_or(Path::new("/"));
    let own = config.database.file_name().unwrap_or_default();
    let begins = format!("{}.before-", own.to_string_lossy());
    let names = names_in(folder)?;
    let copies = names.iter().filter(|name| name.starts_with(&begins));
    Ok(copies.map(|name| folder.join(name)).collect())
}

/// Removes a recording, and bars it. What was removed may still be read in the ledger's file until
/// it is rewritten.
pub(super) async fn erase(
    config: &Config,
    ledger: &Ledger,
    id: &RecordId,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    ledger.bar(id).await?;
    // The jobs of the last run name it too; they are made anew at every start.
    let jobs = ["jobs.db", "jobs.db-wal", "jobs.db-shm"];
    let jobs = jobs.map(|suffix| config.database.with_extension(suffix));
    for path in files.iter().chain(&jobs) {
        remove(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(ledger.forget(id).await?)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Everything on the disk that belongs to a recording.
pub(super) fn files_of(config: &Config, id: &RecordId) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![
        config.media_dir.join(id.as_str()),
        config.work_dir.join(id.as_str()),
    ];
    let archive = &config.archive_dir;
    for format in names_in(&archive.join("published"))? {
        found.push(archive.join("published").join(format).join(id.as_str()));
    }
    for format in names_in(&archive.join("manifests"))? {
        let manifest = format!("{id}.json");
        found.push(archive.join("manifests").join(format).join(manifest));
    }
    for format in names_in(&archive.join("overtaken"))? {
        let folder = archive.join("overtaken").join(format);
        let versions = names_in(&folder)?;
        // Named `<record id>-<digest>`; another recording's id may begin with this one.
        let ours = versions.iter().filter(|name| {
            name.rsplit_once('-')
                .is_some_and(|(of, _)| of == id.as_str())
        });
        found.extend(ours.map(|name| folder.join(name)));
    }
    for folder in [config.spool_dir.clone(), config.spool_dir.join("rejected")] {
        let packages = names_in(&folder)?;
        let ours = packages.iter().filter(|name| {
            let name = name.strip_suffix(".reason").unwrap_or(name);
            let plain = match (name.split_once('~'), name.ends_with(".tar")) {
                (Some((stem, _)), true) => format!("{stem}.tar"),
                _ => name.to_owned(),
            };
            names_of(&plain).0.as_ref() == Some(id)
        });
        found.extend(ours.map(|name| folder.join(name)));
    }
    found.extend(uploads_of(config, id)?);
    found.extend(brought_by_servers(config, id)?);
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    Ok(found)
}

/// What has come of uploads of a recording that are under way.
fn uploads_of(config: &Config, id: &RecordId) -> anyhow::Result<Vec<PathBuf>> {
    let incoming = config.spool_dir.join(INCOMING);
    let mut found = Vec::new();
    for name in names_in(&incoming)? {
        let note = incoming.join(&name);
        let (Some(stem), Ok(json)) = (name.strip_suffix(".json"), fs::read(&note)) else {
            continue;
        };
        let upload: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        if upload.get("record_id").and_then(|of| of.as_str()) == Some(id.as_str()) {
            found.push(incoming.join(format!("{stem}.part")));
            found.push(note);
        }
    }
    Ok(found)
}

/// What `backfill` has begun to bring, and lists of servers that name the recording; they are asked
/// for again when they are needed.
fn brought_by_servers(config: &Config, id: &RecordId) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let rooms = config.work_dir.join("servers");
    for server in names_in(&rooms)? {
        let room = rooms.join(server);
        let names = names_in(&room)?;
        let ours = names.iter().filter(|name| name.contains(id.as_str()));
        found.extend(ours.map(|name| room.join(name)));
    }
    let lists = config.database.with_file_name("servers");
    for server in names_in(&lists)? {
        let list = lists.join(server).join("recordings.json");
        if fs::read_to_string(&list).is_ok_and(|text| text.contains(id.as_str())) {
            found.push(list);
        }
    }
    Ok(found)
}

/// The names in a folder, sorted; none when it is not there.
fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
