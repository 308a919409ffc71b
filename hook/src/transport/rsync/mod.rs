//! rsync into a spool: over ssh, to a daemon, or to a local path.
//!
//! This is the one transport for which a package has to exist as a file; its space is checked
//! first and freed afterwards. rsync itself resumes (`--partial-dir`) and renames at the end.

mod complaints;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use recording::Package;
use recording::digest::Digest;
use recording::protocol::package_file_name;
use recording::settings::SettingsError;
use tokio::process::Command;

use super::{Delivered, Journal, directory, spool};
use crate::failure::{Cause, Failure};
use crate::settings::{Settings, std_duration};
use crate::stop::Stop;
use complaints::complaint;

/// How to call rsync.
#[derive(Clone, Debug)]
pub(crate) struct Rsync {
    destination: String,
    extra: Vec<String>,
    work_dir: PathBuf,
    stall_timeout: Duration,
    sub_directory_meta: Option<String>,
}

impl Rsync {
    /// # Errors
    /// `rsync.destination` is missing.
    pub(crate) fn open(settings: &Settings, outbox_dir: &Path) -> Result<Rsync, SettingsError> {
        let section = &settings.rsync;
        let destination = section.destination.clone().filter(|d| !d.starts_with('-'));
        let destination = destination.ok_or_else(|| {
            let why = "is missing; where the spool is, such as spool@receiver.univ.example:/";
            SettingsError::key(&settings.path, "rsync.destination", why)
        })?;
        let beside = || outbox_dir.with_file_name("work");
        Ok(Rsync {
            destination,
            extra: section.extra_rsync_opts.clone(),
            work_dir: section.work_dir.clone().unwrap_or_else(beside),
            stall_timeout: std_duration(section.stall_timeout),
            sub_directory_meta: settings.sub_directory_meta.clone(),
        })
    }

    /// See [`super::Transport::deliver`].
    pub(crate) async fn deliver(
        &self,
        package: Arc<Package>,
        journal: &Arc<dyn Journal>,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        let manifest = package.manifest();
        // One folder a content, so that rsync finds its own partial file and no other's.
        let folder = self.work_dir.join(manifest.digest.to_string());
        let file = folder.join(package_file_name(&manifest.record_id, &manifest.format));
        let sub = spool::sub_directory(&package, self.sub_directory_meta.as_deref());
        let (package, journal, writing) = (package.clone(), journal.clone(), stop.clone());
        let (work, target) = (folder.clone(), file.clone());
        let written = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&work)
                .map_err(|e| Failure::disk(format!("{}: {e}", work.display())))?;
            let there = fs::metadata(&target).map_or(0, |m| m.len());
            let needed = package.length().saturating_sub(there);
            directory::check_space(&work, needed)
                .and_then(|()| spool::write(&package, &target, &*journal, &writing))
                .map_err(|f| match f.cause {
                    Cause::FilesChanged => f,
                    _ => Failure::disk(format!("rsync.work_dir: {}", f.message)),
                })
        });
        let written = written
            .await
            .map_err(|e| Failure::disk(format!("writing broke off: {e}")))?;
        let result = match written {
            Ok(Delivered::Whole) => self.call(&file, sub.as_deref(), stop).await,
            other => other,
        };
        // A stopped one goes on with the same file; anything else frees the space.
        if !matches!(result, Ok(Delivered::Stopped)) {
            let _ = fs::remove_dir_all(&folder);
        }
        result
    }

    /// Removes packages in `work_dir` that no job will send.
    pub(crate) fn forget_leftovers(&self, wanted: &BTreeSet<Digest>) {
        for entry in fs::read_dir(&self.work_dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|n| n.parse::<Digest>().ok());
            if digest.is_some_and(|digest| !wanted.contains(&digest)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// How rsync is called, up to what it is to send.
    fn command(&self) -> Command {
        let mut command = Command::new("rsync");
        command
            .arg("--times")
            .arg("--chmod=F664,D2775")
            .arg("--partial-dir=.unfinished-rsync")
            .arg(format!("--timeout={}", self.stall_timeout.as_secs().max(1)))
            .args(&self.extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Without it ssh would ask a question that nobody answers.
        command
            .env("RSYNC_RSH", "ssh -o BatchMode=yes -o ConnectTimeout=15")
            .env("SSH_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS_REQUIRE", "force");
        command
    }

    /// Tries the way without sending anything: address, key, host key, folder.
    ///
    /// # Errors
    /// What a package would meet, too.
    pub(crate) async fn try_way(&self) -> Result<(), Failure> {
        let probe = tempfile::Builder::new()
            .prefix("bbb2pod-check-")
            .tempfile()
            .map_err(|e| Failure::disk(format!("cannot make a file to try rsync with: {e}")))?;
        let mut command = self.command();
        command
            .arg("--dry-run")
            .arg("--")
            .arg(probe.path())
            .arg(target(&self.destination, None));
        let output = command.output().await.map_err(|e| not_there(&e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(complaint(output.status.code(), &said, &self.destination))
    }

    async fn call(
        &self,
        file: &Path,
        sub: Option<&str>,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        let mut command = self.command();
        command
            .arg("--")
            .arg(file)
            .arg(target(&self.destination, sub));
        let child = command.spawn().map_err(|e| not_there(&e))?;
        let output = tokio::select! {
            output = child.wait_with_output() => output.map_err(|e| Failure::disk(format!("rsync: {e}")))?,
            () = stopped(stop) => return Ok(Delivered::Stopped),
        };
        if output.status.success() {
            return Ok(Delivered::Whole);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(complaint(output.status.code(), &said, &self.destination))
    }
}

fn not_there(error: &std::io::Error) -> Failure {
    let message = format!("cannot start rsync: {error}; install it (apt install rsync)");
    Failure::new(Cause::Settings, message)
}

async fn stopped(stop: &Stop) {
    while !stop.asked() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The destination as a folder, with the meeting's own below it.
fn target(destination: &str, sub: Option<&str>) -> String {
    let slash = if destination.ends_with('/') || destination.ends_with(':') {
        ""
    } else {
        "/"
    };
    match sub {
        Some(sub) => format!("{destination}{slash}{sub}/"),
        None => format!("{destination}{slash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(target("spool@h:", None), "spool@h:");
        assert_eq!(target("spool@h:/", Some("a")), "spool@h:/a/");
        assert_eq!(target("/mnt/x", Some("a")), "/mnt/x/a/");
        assert_eq!(target("/mnt/x", None), "/mnt/x/");
    }
}
