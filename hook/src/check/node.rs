//! BBB itself: its folders and version, the post-publish script, the sender.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Finding;
use crate::bbb::Node;
use crate::outbox::Outbox;
use crate::outbox::lock::SenderLock;
use crate::settings::Settings;

/// The script that BBB calls.
const SCRIPT: &str = "a0_post_publish_bbb2pod.rb";
/// What the script calls unless the environment says otherwise.
const PROGRAM: &str = "/usr/bin/bbb2pod-hook";
/// Where releases since 0.9 say what they are.
const RELEASE: &str = "/etc/bigbluebutton/bigbluebutton-release";

pub(super) fn look(settings: &Settings, node: &Node) -> Vec<Finding> {
    let mut findings = vec![
        folder("published_dir", &node.published_dir),
        folder("recording_dir", &node.recording_dir),
        version(node),
    ];
    findings.extend(script(&node.scripts_dir.join("post_publish")));
    let outbox = Outbox::at(&node.outbox_dir(settings));
    findings.push(if SenderLock::is_held(&outbox) {
        Finding::ok("a sender is at work on the outbox")
    } else {
        Finding::warn(
            "no sender is at work: recordings are taken, but not sent",
            "systemctl enable --now bbb2pod-hook",
        )
    });
    if settings.prune.enabled {
        findings.push(prune(settings, node));
    }
    findings
}

fn folder(key: &str, path: &Path) -> Finding {
    match fs::read_dir(path) {
        Ok(_) => Finding::ok(format!("BBB's {key} {}", path.display())),
        Err(e) => Finding::fail(
            format!("BBB's {key} {}: {e}", path.display()),
            "set bbb.bigbluebutton_yml to BBB's own settings, or run this on a BBB node as root",
        ),
    }
}

fn version(node: &Node) -> Finding {
    let release = fs::read_to_string(RELEASE).unwrap_or_default();
    let named = release.lines().find_map(|line| {
        let version = line.strip_prefix("BIGBLUEBUTTON_RELEASE=")?;
        Some(version.trim().trim_matches('"').to_owned())
    });
    match named.or_else(|| node.version.clone()) {
        Some(version) => {
            let formats: Vec<_> = node.formats.iter().map(|f| f.as_str()).collect();
            let formats = if formats.is_empty() {
                "formats unknown".to_owned()
            } else {
                format!("publishes {}", formats.join(", "))
            };
            if !is_known(&version) {
                return Finding::warn(
                    format!(
                        "BigBlueButton {version} is none that this program knows (0.9 to 3.0); {formats}"
                    ),
                    "bbb2pod-hook publish -m ID for one recording, and look at bbb2pod-hook status; a newer bbb2pod-hook may know it",
                );
            }
            Finding::ok(format!("BigBlueButton {version}, {formats}"))
        }
        None => Finding::warn(
            "the version of BigBlueButton cannot be told",
            format!("look at {RELEASE}; every version from 0.9 to 3.0 will do"),
        ),
    }
}

/// Whether a version lies between 0.9 and 3.0; `3.0-beta.1` and `2.2.36` are written like this.
fn is_known(version: &str) -> bool {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    match (number(), number()) {
        (Some(major), Some(minor)) => (0, 9) <= (major, minor) && (major, minor) <= (3, 0),
        _ => false,
    }
}

fn script(folder: &Path) -> Vec<Finding> {
    let path = folder.join(SCRIPT);
    let shown = path.display();
    let install = format!("install -m 755 {SCRIPT} {}/", folder.display());
    let Ok(metadata) = fs::metadata(&path) else {
        return vec![Finding::fail(
            format!("the post-publish script is not there: {shown}"),
            install,
        )];
    };
    let mut findings = Vec::new();
    if metadata.permissions().mode() & 0o111 == 0 {
        findings.push(Finding::warn(
            format!("{shown} is not executable"),
            format!("chmod 755 {shown}"),
        ));
    }
    let ruby = Command::new("ruby")
        .arg("-c")
        .arg(&path)
        .stdin(Stdio::null())
        .output();
    findings.push(match ruby {
        Ok(output) if output.status.success() => {
            Finding::ok(format!("post-publish script {shown}"))
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().unwrap_or_default();
            Finding::fail(format!("{shown}: ruby refuses it: {line}"), install)
        }
        Err(e) => Finding::warn(
            format!("post-publish script {shown}, but ruby cannot be started: {e}"),
            "apt install ruby; BBB itself needs it, too",
        ),
    });
    let program = std::env::var("BBB2POD_HOOK").unwrap_or_else(|_| PROGRAM.to_owned());
    let runs = fs::metadata(&program).is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
    if !runs {
        findings.push(Finding::fail(
            format!("the script calls {program}, and that cannot be run"),
            format!("install -m 755 bbb2pod-hook {program}"),
        ));
    }
    findings
}

fn prune(settings: &Settings, node: &Node) -> Finding {
    let program = &settings.prune.bbb_record;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = program.is_file()
        || program.components().count() == 1
            && std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        return Finding::fail(
            format!("prune.bbb_record: there is no {}", program.display()),
            "set prune.bbb_record to BBB's bbb-record",
        );
    }
    if node.formats.is_empty() && settings.prune.formats.is_empty() {
        return Finding::fail(
            "prune: BBB's settings do not tell which formats it publishes",
            "list them in prune.formats",
        );
    }
    Finding::ok(format!(
        "prune is on, {} days after everything is confirmed",
        settings.prune.after_days
    ))
}
