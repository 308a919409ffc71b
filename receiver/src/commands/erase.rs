//! `recording erase`: everything that the receiver has of a recording goes, for ever.
//!
//! The files go first and the ledger's rows last, so that a call that was killed can be made again.
//! It works only while no service does: nothing may be taken in or converted meanwhile.

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
use crate::upload::metadata::names_of;

/// Tells what would go, or removes it.
pub(super) async fn run(config: &Config, id: &RecordId, yes: bool) -> anyhow::Result<ExitCode> {
    let _alone = match yes {
        true => Some(alone(config).context("stop the service before a recording is erased")?),
        false => None,
    };
    let ledger = Ledger::open_existing(&config.database).await?;
    let files = files_of(config, id)?;
    let rows = ledger.rows_of(id).await?;
    if files.is_empty() && rows == 0 {
        return Err(Usage(format!("there is nothing of {id} here")).into());
    }
    let mut lines: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    lines.push(format!("{rows} rows of {}", config.database.display()));
    print(&lines)?;
    let registrations = ledger.registrations(id).await?;
    if !yes {
        for registration in &registrations {
            eprintln!(
                "In Pod, where it stays: {} {}",
                registration.kind, registration.reference
            );
        }
        eprintln!("Nothing has been removed. With the service stopped, --yes removes all of it.");
        return Ok(ExitCode::SUCCESS);
    }
    // The jobs of the last run name it too; they are made anew at every start.
    let jobs = ["jobs.db", "jobs.db-wal", "jobs.db-shm"];
    let jobs = jobs.map(|suffix| config.database.with_extension(suffix));
    for path in files.iter().chain(&jobs) {
        remove(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    ledger.erase(id).await?;
    ledger.close().await;
    eprintln!("Erased {id}.");
    Ok(ExitCode::SUCCESS)
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
fn files_of(config: &Config, id: &RecordId) -> anyhow::Result<Vec<PathBuf>> {
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
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    Ok(found)
}

/// The names in a folder, sorted; none when it is not there.
fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
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
