//! rsync into a spool: over ssh, to a daemon, or to a local path.
//!
//! This is the one transport for which a package has to exist as a file; its space is checked
//! first and freed afterwards. rsync itself resumes (`--partial-dir`) and renames at the end.

mod complaints;
mod destination;
mod probe;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
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
use complaints::{complaint, lines_of};
use destination::{local, made_it, target};
pub(crate) use probe::Tried;

/// What this program is called with to become rsync, so that rsync ends when it does; see [`exec`].
pub(crate) const CHILD: &str = "rsync-child";

/// How to call rsync.
#[derive(Clone, Debug)]
pub(crate) struct Rsync {
    destination: String,
    extra: Vec<String>,
    work_dir: PathBuf,
    stall_timeout: Duration,
    sub_directory_meta: Option<String>,
    /// The outbox, when a local spool must not be on its filesystem.
    not_beside: Option<PathBuf>,
    /// Ends the name of what is written to try the way: other nodes do so, too.
    mark: String,
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
            not_beside: section.require_mount.then(|| outbox_dir.to_owned()),
            mark: directory::short(&settings.node_name()),
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
        let sub = spool::sub_directory(&package, self.sub_directory_meta.as_deref());
        // Below the meeting's own folder here, too, so that rsync makes that with its mode.
        let work = sub.as_ref().map_or(folder.clone(), |sub| folder.join(sub));
        let file = work.join(package_file_name(&manifest.record_id, &manifest.format));
        self.check_local()?;
        let (package, journal, writing) = (package.clone(), journal.clone(), stop.clone());
        let target = file.clone();
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
            Ok(Delivered::Whole) => self.call(&folder, &file, sub.as_deref(), stop).await,
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

    /// A local spool has to be there, and mounted: rsync would make a folder that is not, and an
    /// empty mount point would take everything.
    pub(crate) fn check_local(&self) -> Result<(), Failure> {
        let Some(folder) = local(&self.destination) else {
            return Ok(());
        };
        directory::check_folder(folder, self.not_beside.as_deref(), "rsync.require_mount")
    }

    /// How rsync is called, up to what it is to send.
    fn command(&self) -> Command {
        // The program itself, even when an upgrade has replaced its file.
        let mut command = Command::new("/proc/self/exe");
        command
            .args([CHILD, &std::process::id().to_string(), "--"])
            .arg("--partial-dir=.unfinished-rsync")
            .arg(format!("--timeout={}", self.stall_timeout.as_secs().max(1)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Without it ssh would ask a question that nobody answers.
        command
            .env("LC_ALL", "C")
            .env("RSYNC_RSH", "ssh -o BatchMode=yes -o ConnectTimeout=15")
            .env("SSH_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS_REQUIRE", "force");
        command
    }

    /// Sends a file with the modes of packages, or tells what that would do.
    ///
    /// `--perms` is what lets `--chmod` count; without it the umask there would. The meeting's own
    /// folder goes along as an entry, since rsync makes one that is only named with the umask.
    fn sending(&self, from: &Path, sub: Option<&str>, dry_run: bool) -> Command {
        let mut command = self.command();
        command.args(["--times", "--perms", "--chmod=F664,D2775"]);
        if sub.is_some() {
            command.args(["--relative", "--omit-dir-times"]);
        }
        if dry_run {
            command.args(["--dry-run", "--verbose"]);
        }
        command
            .args(&self.extra)
            .arg("--")
            .arg(from)
            .arg(target(&self.destination));
        command
    }

    async fn call(
        &self,
        folder: &Path,
        file: &Path,
        sub: Option<&str>,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        // What follows the lone dot is made there; a path put together of parts would lose the dot.
        let from = sub.map_or(file.to_owned(), |sub| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            PathBuf::from(format!("{}/./{sub}/{name}", folder.display()))
        });
        let sent = async {
            self.check_there(&from, sub).await?;
            self.run(self.sending(&from, sub, false), sub).await
        };
        tokio::select! {
            sent = sent => sent.map(|_| Delivered::Whole),
            () = stopped(stop) => Ok(Delivered::Stopped),
        }
    }

    /// Asks the other side, which would make the last folder of the path when it is not there: a
    /// name that is wrong by a letter, or a mount point, would swallow recordings.
    async fn check_there(&self, from: &Path, sub: Option<&str>) -> Result<(), Failure> {
        let output = self.run(self.sending(from, sub, true), sub).await?;
        if !made_it(&String::from_utf8_lossy(&output.stdout)) {
            return Ok(());
        }
        let message = format!(
            "rsync to {}: the folder is not there, and is not made: is the path right, and is what \
             belongs there mounted?",
            self.destination
        );
        let mend = "install -d -g GROUP -m 2775 SPOOL, there; or mend rsync.destination";
        Err(Failure::new(Cause::SpoolMissing, message).mended_by(mend))
    }

    async fn run(&self, mut command: Command, sub: Option<&str>) -> Result<Output, Failure> {
        let child = command.spawn().map_err(|e| not_there(&e.to_string()))?;
        let output = child
            .wait_with_output()
            .await
            .map_err(|e| Failure::disk(format!("rsync: {e}")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || sub.is_some_and(|sub| only_the_folders_mode(&said, sub)) {
            return Ok(output);
        }
        if let Some(why) = said.strip_prefix(NOT_STARTED) {
            return Err(not_there(why.trim()));
        }
        Err(complaint(output.status.code(), &said, &self.destination))
    }
}

/// Whether all that failed is to change the mode of a meeting's folder that somebody else owns.
fn only_the_folders_mode(said: &str, sub: &str) -> bool {
    let mut lines = lines_of(said).into_iter().peekable();
    let harmless = |line: &str| {
        line.contains("failed to set permissions on ") && line.contains(&format!("{sub}\":"))
    };
    lines.peek().is_some() && lines.all(harmless)
}

/// What begins the words of a child that could not become rsync.
const NOT_STARTED: &str = "cannot start rsync: ";

/// Becomes rsync, which ends when the process of this number does: left alone it would go on,
/// hold rrsync's lock, and nobody would learn how it ended. Gives the exit code of a failure.
pub(crate) fn exec(parent: i32, arguments: &[String]) -> u8 {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    let signal = Some(rustix::process::Signal::TERM);
    // An old kernel that refuses leaves things as they would be without.
    let _ = rustix::process::set_parent_process_death_signal(signal);
    let alive = rustix::process::getppid().is_some_and(|p| p.as_raw_nonzero().get() == parent);
    if alive {
        let error = std::process::Command::new("rsync").args(arguments).exec();
        let _ = writeln!(std::io::stderr(), "{NOT_STARTED}{error}");
    }
    127
}

fn not_there(error: &str) -> Failure {
    let message = format!("cannot start rsync: {error}; install it (apt install rsync)");
    Failure::new(Cause::Settings, message).mended_by("apt install rsync")
}

async fn stopped(stop: &Stop) {
    while !stop.asked() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_elses_takes_packages() {
        let folder = "rsync: [generator] failed to set permissions on \"/spool/pilos-1\": Operation \
                      not permitted (1)\nrsync error: some files/attrs were not transferred (code \
                      23)\n";
        assert!(only_the_folders_mode(folder, "pilos-1"));
        assert!(!only_the_folders_mode(folder, "pilos-2"));
        assert!(!only_the_folders_mode("", "pilos-1"));
        let more = format!("{folder}rsync: mkstemp \"/spool/pilos-1/.x\" failed: No space\n");
        assert!(!only_the_folders_mode(&more, "pilos-1"));
    }
}
