//! Folders that the hook writes in, tried as BBB's user: by a real write, rename, read and delete.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use recording::durable;
use walkdir::WalkDir;

use super::{Finding, Level};
use crate::bbb::Node;
use crate::settings::{Settings, TransportKind};
use crate::status::size;
use crate::transport::Transport;
use crate::transport::directory::group_id;

/// Below it a disk counts as nearly full.
const LITTLE: u64 = 1 << 30;

pub(super) fn look(settings: &Settings, node: &Node) -> Vec<Finding> {
    let outbox = node.outbox_dir(settings);
    let mut folders = vec![("outbox_dir", outbox.clone())];
    match settings.transport {
        TransportKind::Http => {}
        TransportKind::Rsync => {
            let beside = || outbox.with_file_name("work");
            let work = settings.rsync.work_dir.clone().unwrap_or_else(beside);
            folders.push(("rsync.work_dir", work));
        }
        TransportKind::Directory => folders.extend(
            settings
                .directory
                .spool_dir
                .clone()
                .map(|dir| ("directory.spool_dir", dir)),
        ),
    }
    let user = match User::of_bbb(&node.published_dir) {
        Ok(user) => user,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![user.finding()];
    findings.extend(files(settings, &user));
    let mounted = mounted(settings, &outbox);
    let absent = mounted.as_ref().is_some_and(|f| f.level == Level::Fail);
    findings.extend(mounted);
    findings.extend(group(settings, &user));
    let sample = sample(&node.published_dir);
    for (key, folder) in &folders {
        // A share that is not mounted is told above; nothing is made or written at its mount point.
        if *key == "directory.spool_dir" && (absent || !folder.is_dir()) {
            continue;
        }
        let link = sample.as_deref().filter(|_| *key == "outbox_dir");
        findings.push(match user.tries(folder, link) {
            Ok(()) => Finding::ok(format!(
                "{key} {}: {} can write, rename, read and delete there",
                folder.display(),
                user.name
            )),
            Err(why) => Finding::fail(
                format!("{key} {}: as {}: {why}", folder.display(), user.name),
                mend(key, folder, &user),
            ),
        });
        findings.extend(space(key, folder));
    }
    findings
}

/// Files that the service must be able to read.
fn files(settings: &Settings, user: &User) -> Vec<Finding> {
    let mut files = vec![("the settings", Some(&settings.path), 644)];
    if settings.transport == TransportKind::Http {
        files.push(("http.token_file", settings.http.token_file.as_ref(), 600));
        files.push(("http.ca_file", settings.http.ca_file.as_ref(), 644));
    }
    let unreadable = files.into_iter().filter_map(|(key, file, mode)| {
        let file = file?;
        let (shown, name) = (file.display(), &user.name);
        user.reads(file).err().map(|why| {
            let mend = match (file.exists(), key) {
                (true, _) => format!("chown {name} {shown} && chmod {mode} {shown}"),
                (false, "http.token_file") => "bbb2pod-hook enroll URL --code CODE".to_owned(),
                (false, _) => format!("put the file there, or set {key} to where it is"),
            };
            Finding::fail(format!("{key} {shown}: as {name}: {why}"), mend)
        })
    });
    unreadable.collect()
}

fn mend(key: &str, folder: &Path, user: &User) -> String {
    let (folder, name) = (folder.display(), &user.name);
    if key == "directory.spool_dir" {
        return format!(
            "on the share: chgrp -R GROUP {folder} && chmod 2775 {folder}; here: usermod -a -G \
             GROUP {name}"
        );
    }
    format!(
        "install -d -o {name} {folder}, on the filesystem of BBB's published_dir where it is the \
         outbox"
    )
}

/// Who owns what BBB publishes, and so runs the sender.
pub(super) struct User {
    uid: u32,
    pub(super) name: String,
    groups: Vec<String>,
}

impl User {
    pub(super) fn of_bbb(published_dir: &Path) -> Result<User, Finding> {
        let uid = fs::metadata(published_dir)
            .map_err(|e| {
                Finding::fail(
                    format!("{}: {e}", published_dir.display()),
                    "run this on a BBB node",
                )
            })?
            .uid();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let entry = passwd
            .lines()
            .map(fields)
            .find(|f| f.get(2).is_some_and(|id| *id == uid.to_string()));
        let entry = entry.ok_or_else(|| {
            Finding::fail(
                format!(
                    "{} belongs to the unknown user {uid}",
                    published_dir.display()
                ),
                format!("chown -R bigbluebutton: {}", published_dir.display()),
            )
        })?;
        let (name, gid) = (entry[0].clone(), entry.get(3).cloned().unwrap_or_default());
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let member = groups.lines().map(fields).filter(|f| {
            f.get(2) == Some(&gid) || f.get(3).is_some_and(|m| m.split(',').any(|m| m == name))
        });
        Ok(User {
            uid,
            groups: member.map(|f| f[0].clone()).collect(),
            name,
        })
    }

    fn finding(&self) -> Finding {
        let me = rustix::process::geteuid();
        if me.as_raw() == self.uid || me.is_root() {
            return Finding::ok(format!(
                "BBB's user is {}, in the groups {}",
                self.name,
                self.groups.join(", ")
            ));
        }
        Finding::warn(
            format!("BBB's user is {}, and you are somebody else", self.name),
            "sudo bbb2pod-hook check",
        )
    }

    /// Tries a folder as this user.
    fn tries(&self, folder: &Path, link: Option<&Path>) -> Result<(), String> {
        if !self.is_another() {
            return try_folder(folder, link).map_err(|e| e.to_string());
        }
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut words = vec![
            program.into_os_string(),
            "try-folders".into(),
            folder.into(),
        ];
        words.extend(link.map(Into::into));
        self.runs(&words)
    }

    /// Tries to read a file as this user.
    fn reads(&self, file: &Path) -> Result<(), String> {
        if !self.is_another() {
            return fs::File::open(file).map(drop).map_err(|e| e.to_string());
        }
        fs::metadata(file).map_err(|e| e.to_string())?;
        self.runs(&["test".into(), "-r".into(), file.into()])
            .map_err(|why| {
                if why.is_empty() {
                    "it cannot be read".to_owned()
                } else {
                    why
                }
            })
    }

    /// Whether trying as this user means to become somebody else, which root alone can.
    pub(super) fn is_another(&self) -> bool {
        let me = rustix::process::geteuid();
        me.is_root() && me.as_raw() != self.uid
    }

    /// Runs a program as this user; gives what it said when it fails.
    fn runs(&self, words: &[OsString]) -> Result<(), String> {
        self.asks(words).map(drop)
    }

    /// Runs a program as this user, for what it answers.
    pub(super) fn asks(&self, words: &[OsString]) -> Result<Vec<u8>, String> {
        // runuser belongs to util-linux, but not yet to that of Ubuntu 14.04.
        for change in [&["runuser", "-u"][..], &["sudo", "-n", "-u"]] {
            let mut command = Command::new(change[0]);
            command
                .args(&change[1..])
                .arg(&self.name)
                .arg("--")
                .args(words)
                .stdin(Stdio::null());
            match command.output() {
                Ok(output) if output.status.success() => return Ok(output.stdout),
                Ok(output) => {
                    let said = [&output.stdout[..], &output.stderr[..]].concat();
                    let said = String::from_utf8_lossy(&said);
                    return Err(said.lines().next().unwrap_or_default().to_owned());
                }
                Err(_) => {}
            }
        }
        Err("neither runuser nor sudo can be started".to_owned())
    }
}

/// What `try-folders` does: a folder, and a file that is to be linked into it.
///
/// # Errors
/// What the system said.
pub(crate) fn try_folders(arguments: &[PathBuf]) -> io::Result<()> {
    let [folder, link @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    try_folder(folder, link.first().map(PathBuf::as_path))
}

fn try_folder(folder: &Path, link: Option<&Path>) -> io::Result<()> {
    let at = |doing: &str, e: io::Error| io::Error::new(e.kind(), format!("{doing}: {e}"));
    let place = folder.join(format!(".unfinished-check-{}", std::process::id()));
    let next = place.with_extension("renamed");
    let linked = place.with_extension("linked");
    let tried = fs::create_dir_all(folder)
        .map_err(|e| at("make it", e))
        .and_then(|()| durable::write(&place, b"bbb2pod").map_err(|e| at("write", e)))
        .and_then(|()| durable::rename(&place, &next).map_err(|e| at("rename", e)))
        .and_then(|()| match fs::read(&next).map_err(|e| at("read", e))? {
            text if text == b"bbb2pod" => Ok(()),
            _ => Err(io::Error::other("read: not what was written")),
        })
        .and_then(|()| match link {
            Some(file) => fs::hard_link(file, &linked)
                .map_err(|e| at(&format!("a hard link to {}", file.display()), e)),
            None => Ok(()),
        });
    let removed = fs::remove_file(&next).map_err(|e| at("delete", e));
    let _ = fs::remove_file(&place);
    let _ = fs::remove_file(&linked);
    tried.and(removed)
}

/// Some published file, to try a hard link with.
fn sample(published_dir: &Path) -> Option<PathBuf> {
    WalkDir::new(published_dir)
        .into_iter()
        .filter_map(Result::ok)
        .find(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

fn mounted(settings: &Settings, outbox: &Path) -> Option<Finding> {
    if settings.transport == TransportKind::Http {
        return None;
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = settings.directory.group.as_deref();
    if group.is_some_and(|name| group_id(&groups, name).is_none()) {
        // Told by `group`, with what mends it.
        return None;
    }
    match Transport::open(settings, outbox) {
        Err(e) => Some(Finding::fail(
            e.to_string(),
            "see the comments in hook.yml, or the message itself",
        )),
        Ok(Transport::Directory(directory)) => Some(match directory.check_mounted() {
            Ok(()) if directory.requires_mount() => Finding::ok("the share is mounted"),
            Ok(()) => Finding::ok(
                "the spool is there; directory.require_mount is false, so it may be a folder of \
                 this node's own",
            ),
            Err(e) => Finding::fail(e.to_string(), "mount it: mount -a, or see /etc/fstab"),
        }),
        Ok(_) => None,
    }
}

fn group(settings: &Settings, user: &User) -> Option<Finding> {
    let name = settings
        .directory
        .group
        .as_ref()
        .filter(|_| settings.transport == TransportKind::Directory)?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    Some(if group_id(&groups, name).is_none() {
        Finding::fail(
            format!("directory.group: there is no group {name} on this node"),
            format!(
                "groupadd --gid GID {name} && usermod -a -G {name} {}, with the number that the \
                 group has where the share is: stat -c %g {}",
                user.name,
                settings
                    .directory
                    .spool_dir
                    .as_deref()
                    .unwrap_or(Path::new("/"))
                    .display()
            ),
        )
    } else if user.uid != 0 && !user.groups.contains(name) {
        Finding::fail(
            format!("{} is not in the group {name}", user.name),
            format!(
                "usermod -a -G {name} {} && systemctl restart bbb2pod-hook",
                user.name
            ),
        )
    } else {
        Finding::ok(format!("{} is in the group {name}", user.name))
    })
}

fn space(key: &str, folder: &Path) -> Option<Finding> {
    let there = folder.ancestors().find(|dir| dir.is_dir())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let few = stat.f_files > 0 && stat.f_favail < stat.f_files / 100;
    Some(if free < LITTLE || few {
        let inodes = if few {
            format!(" and {} inodes", stat.f_favail)
        } else {
            String::new()
        };
        Finding::warn(
            format!("{key}: only {}{inodes} are free", size(free)),
            format!("make room: df -h {0}; df -i {0}", there.display()),
        )
    } else {
        Finding::ok(format!("{key}: {} are free", size(free)))
    })
}
