//! Trying a destination for `check`: a small file is written there under a temporary name and
//! renamed, read back and deleted, each by a call of rsync.

use std::fs;
use std::path::Path;

use recording::durable::UNFINISHED_PREFIX;
use tempfile::TempDir;
use tokio::process::Command;

use super::destination::target;
use super::{Rsync, lines_of};
use crate::failure::Failure;

/// What could be done with a small file at the destination.
#[derive(Debug)]
pub(crate) struct Tried {
    /// Its name there.
    pub(crate) name: String,
    /// Why it could not be read back; sending needs it not, and rrsync's `-wo` forbids it.
    pub(crate) unread: Option<String>,
    /// Why it could not be deleted, so that it lies there.
    pub(crate) left: Option<String>,
}

impl Rsync {
    /// Tries the way with a small file: address, key, host key, folder, permissions.
    ///
    /// # Errors
    /// What a package would meet, too.
    pub(crate) async fn try_way(&self) -> Result<Tried, Failure> {
        self.check_local()?;
        let failed =
            |e: std::io::Error| Failure::disk(format!("cannot make a file to try rsync with: {e}"));
        let dir = TempDir::with_prefix("bbb2pod-check-").map_err(failed)?;
        // The receiver passes such names over.
        let name = format!("{UNFINISHED_PREFIX}check-{}", self.mark);
        let file = dir.path().join(&name);
        fs::write(&file, &name).map_err(failed)?;
        self.check_there(&file, None).await?;
        self.run(self.sending(&file, None, false), None).await?;
        let unread = self.read_back(&name, dir.path()).await.err();
        let left = self.delete(&name, dir.path()).await.err();
        Ok(Tried { name, unread, left })
    }

    async fn read_back(&self, name: &str, dir: &Path) -> Result<(), String> {
        let back = dir.join("back");
        let mut command = self.command();
        command
            .args(&self.extra)
            .arg("--")
            .arg(format!("{}{name}", target(&self.destination)))
            .arg(&back);
        said(command).await?;
        match fs::read(&back) {
            Ok(text) if text == name.as_bytes() => Ok(()),
            Ok(_) => Err("it is not what was written".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Deletes the file by sending a folder without it; whatever else lies there is kept from that.
    async fn delete(&self, name: &str, dir: &Path) -> Result<(), String> {
        let empty = dir.join("empty");
        fs::create_dir(&empty).map_err(|e| e.to_string())?;
        let mut command = self.command();
        command
            .args(["--dirs", "--delete", "--max-delete=1", "--verbose"])
            .arg(format!("--include=/{name}"))
            .arg("--exclude=*")
            .args(&self.extra)
            .arg("--")
            .arg(format!("{}/", empty.display()))
            .arg(target(&self.destination));
        let told = said(command).await?;
        let deleted = told
            .lines()
            .any(|l| l.contains("deleting") && l.contains(name));
        if deleted {
            Ok(())
        } else {
            Err("rsync does not tell that it was deleted".to_owned())
        }
    }
}

/// What a call said; what it complained of when it failed.
async fn said(mut command: Command) -> Result<String, String> {
    let output = command.output().await.map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = lines_of(&complaint).first().copied().map(str::to_owned);
    Err(first.unwrap_or_else(|| "rsync failed".to_owned()))
}
