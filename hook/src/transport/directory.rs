//! A spool that is mounted on the node: a temporary name, then a rename.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recording::Package;
use recording::digest::Digest;
use recording::durable::{UNFINISHED_PREFIX, rename};
use recording::protocol::package_file_name;
use recording::settings::SettingsError;

use super::{Delivered, Journal, spool};
use crate::bbb::is_folder;
use crate::failure::{Cause, Failure};
use crate::settings::Settings;
use crate::stop::Stop;

/// Permissions of packages: import runs as another user of the same group.
const FILE_MODE: u32 = 0o664;
/// Permissions of sub-folders: what is made in them keeps the group.
const FOLDER_MODE: u32 = 0o2775;

/// A mounted spool.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    spool_dir: PathBuf,
    group: Option<u32>,
    /// The outbox, when the spool must not be on its filesystem.
    not_beside: Option<PathBuf>,
    sub_directory_meta: Option<String>,
    /// Begins the names of what this node has not finished: others write into the spool, too.
    mark: String,
}

impl Directory {
    /// # Errors
    /// `directory.spool_dir` is missing, or the group does not exist.
    pub(crate) fn open(settings: &Settings, outbox_dir: &Path) -> Result<Directory, SettingsError> {
        let section = &settings.directory;
        let wrong = |key: &str, why: String| SettingsError::key(&settings.path, key, why);
        let spool_dir = section.spool_dir.clone().ok_or_else(|| {
            let why = "is missing; where the receiver's spool is mounted, such as /mnt/spool";
            wrong("directory.spool_dir", why.to_owned())
        })?;
        let group = section
            .group
            .as_deref()
            .map(|name| {
                let groups = fs::read_to_string("/etc/group").unwrap_or_default();
                group_id(&groups, name).ok_or_else(|| {
                    let why = format!("there is no group {name} on this node (groupadd {name})");
                    wrong("directory.group", why)
                })
            })
            .transpose()?;
        Ok(Directory {
            spool_dir,
            group,
            not_beside: section.require_mount.then(|| outbox_dir.to_owned()),
            sub_directory_meta: settings.sub_directory_meta.clone(),
            mark: mark(&settings.node_name()),
        })
    }

    /// See [`super::Transport::deliver`].
    pub(crate) async fn deliver(
        &self,
        package: Arc<Package>,
        journal: &Arc<dyn Journal>,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        let (directory, journal, stop) = (self.clone(), journal.clone(), stop.clone());
        // A share that does not answer must not keep the other jobs waiting.
        tokio::task::spawn_blocking(move || directory.write(&package, &*journal, &stop))
            .await
            .map_err(|e| Failure::disk(format!("writing broke off: {e}")))?
    }

    fn write(
        &self,
        package: &Arc<Package>,
        journal: &dyn Journal,
        stop: &Stop,
    ) -> Result<Delivered, Failure> {
        self.check_mounted()?;
        let manifest = package.manifest();
        let folder = match spool::sub_directory(package, self.sub_directory_meta.as_deref()) {
            None => self.spool_dir.clone(),
            Some(name) => self.sub_folder(&name)?,
        };
        let target = folder.join(package_file_name(&manifest.record_id, &manifest.format));
        let unfinished = folder.join(format!("{}{}", self.mark, manifest.digest));
        let there = fs::metadata(&unfinished).map_or(0, |m| m.len());
        check_space(&folder, package.length().saturating_sub(there))?;
        if spool::write(package, &unfinished, journal, stop)? == Delivered::Stopped {
            return Ok(Delivered::Stopped);
        }
        let failed = |e: io::Error| spool::refused(&target, &e);
        fs::set_permissions(&unfinished, Permissions::from_mode(FILE_MODE)).map_err(failed)?;
        self.give_group(&unfinished)?;
        rename(&unfinished, &target).map_err(failed)?;
        Ok(Delivered::Whole)
    }

    /// Removes what this node left unfinished and nobody will go on with, such as the content that
    /// a recording had before it was rebuilt.
    pub(crate) fn forget_leftovers(&self, wanted: &BTreeSet<Digest>) {
        let left = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries {
                let name = entry.file_name();
                let digest = name.to_str().and_then(|n| n.strip_prefix(&self.mark));
                if digest.is_some_and(|d| d.parse().is_ok_and(|d| !wanted.contains(&d))) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        };
        if self.check_mounted().is_err() {
            return;
        }
        left(&self.spool_dir);
        if self.sub_directory_meta.is_some() {
            let folders = fs::read_dir(&self.spool_dir).into_iter().flatten();
            for folder in folders.flatten().filter(|e| is_folder(&e.path())) {
                left(&folder.path());
            }
        }
    }

    /// An empty mount point would take everything, and nobody would ever find it there.
    pub(crate) fn check_mounted(&self) -> Result<(), Failure> {
        let not_beside = self.not_beside.as_deref();
        check_folder(&self.spool_dir, not_beside, "directory.require_mount")
    }

    /// Whether a spool on the node's own disk is refused.
    pub(crate) fn requires_mount(&self) -> bool {
        self.not_beside.is_some()
    }

    fn sub_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.spool_dir.join(name);
        match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
            Ok(()) => {
                let failed = |e: io::Error| spool::refused(&folder, &e);
                fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))
                    .map_err(failed)?;
                self.give_group(&folder)?;
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(spool::refused(&folder, &e)),
        }
        Ok(folder)
    }

    fn give_group(&self, path: &Path) -> Result<(), Failure> {
        let Some(group) = self.group else {
            return Ok(());
        };
        chown(path, None, Some(group)).map_err(|e| {
            let message = format!(
                "{}: cannot give it the group of directory.group: {e}; BBB's user must belong to it",
                path.display()
            );
            Failure::new(Cause::SpoolRefused, message)
        })
    }
}

/// A spool that this node reaches by a path has to be there, and on another filesystem than the
/// node's system and `not_beside`, the outbox, where that is given.
///
/// # Errors
/// It is not.
pub(super) fn check_folder(
    folder: &Path,
    not_beside: Option<&Path>,
    setting: &str,
) -> Result<(), Failure> {
    let spool = fs::metadata(folder).map_err(|e| spool::refused(folder, &e))?;
    let missing = |why: &str| {
        let message = format!("{}: {why}", folder.display());
        Err(Failure::new(Cause::SpoolMissing, message))
    };
    if !spool.is_dir() {
        return missing("is not a folder");
    }
    // The mount point itself may be on any disk of the node: the system's or the outbox's.
    let own = not_beside.into_iter().flat_map(|outbox| {
        let outbox = outbox.ancestors().find_map(|dir| fs::metadata(dir).ok());
        [outbox, fs::metadata("/").ok()]
    });
    if own.flatten().any(|disk| disk.dev() == spool.dev()) {
        return missing(&format!(
            "lies on the node's own disk, so the share is not mounted there; mount it, or set \
             {setting}: false"
        ));
    }
    Ok(())
}

/// What begins the names of a node's unfinished files.
fn mark(node: &str) -> String {
    format!("{UNFINISHED_PREFIX}{}-", short(node))
}

/// A node's name as a few harmless characters.
pub(super) fn short(node: &str) -> String {
    let digest = Digest::of(node.as_bytes()).to_string();
    digest.get(..8).unwrap_or_default().to_owned()
}

/// # Errors
/// Less is free than will be written.
pub(super) fn check_space(folder: &Path, bytes: u64) -> Result<(), Failure> {
    let stat = rustix::fs::statvfs(folder).map_err(|e| spool::refused(folder, &e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    let message = format!(
        "{}: {} are free, {} are needed; make room",
        folder.display(),
        crate::status::size(free),
        crate::status::size(bytes)
    );
    Err(Failure::new(Cause::ReceiverFull, message))
}

/// A group's number, from the text of `/etc/group`.
pub(crate) fn group_id(groups: &str, name: &str) -> Option<u32> {
    let fields = groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter(|f| f.len() >= 3 && f[0] == name);
    found.next()?.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_name() {
        let groups = "root:x:0:\nbbb2pod-spool:x:990:bigbluebutton\n";
        assert_eq!(group_id(groups, "bbb2pod-spool"), Some(990));
        assert_eq!(group_id(groups, "bbb2pod"), None);
    }
}
