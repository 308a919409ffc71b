//! `enroll`: from a one-time code to a node that may send.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use recording::durable::{self, UNFINISHED_PREFIX};
use recording::protocol::Enrolment;
use tracing::{info, warn};

use crate::bbb::Node;
use crate::cli;
use crate::error::Error;
use crate::receiver::Receiver;
use crate::settings::{DEFAULT_PATH, HttpSettings, Settings};
use crate::transport::http::Http;

/// What the package brings.
const GROUP: &str = "bbb2pod-hook";
const UNIT: &str = "/lib/systemd/system/bbb2pod-hook.service";

/// Gets a token, writes it and the settings; `check` comes after it.
///
/// # Errors
/// A wrong code, a receiver that cannot be reached, files that cannot be written. The code is not
/// spent before everything that can be tried without it was.
pub(crate) fn enroll(config: &Path, asked: &cli::Enroll) -> Result<(), Error> {
    let present = config.exists();
    let before = if present {
        Settings::read(config)?
    } else {
        Settings {
            path: config.into(),
            ..Settings::default()
        }
    };
    let token_file = asked
        .token_file
        .clone()
        .or_else(|| before.http.token_file.clone())
        .unwrap_or_else(|| config.with_file_name("token"));
    let text = if present {
        fs::read_to_string(config).map_err(|e| Error::disk("cannot read", config, &e))?
    } else {
        String::new()
    };
    let mut keys = vec![
        ("receiver", asked.url.clone()),
        ("token_file", token_file.display().to_string()),
    ];
    if let Some(ca_file) = &asked.ca_file {
        keys.push(("ca_file", ca_file.display().to_string()));
    }
    let mut settings = with_keys(&text, &keys);
    let http = Http::open(&Settings {
        http: HttpSettings {
            receiver: Some(asked.url.clone()),
            token_file: Some(token_file.clone()),
            ca_file: asked
                .ca_file
                .clone()
                .or_else(|| before.http.ca_file.clone()),
            ..before.http.clone()
        },
        ..before.clone()
    })?;
    let place = |e: io::Error| Error::disk("cannot write", &token_file, &e);
    let folder = token_file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(place)?;
    let mut unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .tempfile_in(folder)
        .map_err(place)?;
    let receiver = Receiver::of(http)?;
    let enrolled = receiver.wait(receiver.http.enroll(&Enrolment {
        code: asked.code.trim().to_owned(),
        hook_version: env!("CARGO_PKG_VERSION").to_owned(),
    }))?;
    writeln!(unfinished, "{}", enrolled.token).map_err(place)?;
    give_to_bbb(unfinished.path(), &before).map_err(place)?;
    durable::persist(unfinished, &token_file).map_err(place)?;
    info!(node = enrolled.node, token_file = %token_file.display(), "enrolled");
    if before.node.is_none() {
        settings = with_node(&settings, &enrolled.node);
    }
    write_settings(config, &settings, &keys)
}

/// Starts the package's service now that it has a token, where systemd runs it. Otherwise cron
/// sends, or whatever starts a program that was put there by hand.
pub(crate) fn start_service(config: &Path) {
    let of_package = config == Path::new(DEFAULT_PATH) && Path::new(UNIT).exists();
    let by_systemd = Path::new("/run/systemd/system").is_dir();
    if !of_package || !by_systemd || !rustix::process::geteuid().is_root() {
        return;
    }
    let service = Path::new(UNIT).file_name().unwrap_or_default();
    let started = Command::new("systemctl")
        .arg("restart")
        .arg(service)
        .status();
    match started {
        Ok(status) if status.success() => {
            info!("bbb2pod-hook.service sends from now on");
        }
        Ok(_) | Err(_) => {
            warn!("the service did not start; see why with: systemctl status bbb2pod-hook");
        }
    }
}

/// The token is for the user that sends: BBB's own. The package puts that user into a group, so
/// that the token need not change hands when BBB's user is another one after an upgrade.
fn give_to_bbb(file: &Path, settings: &Settings) -> io::Result<()> {
    if rustix::process::geteuid().is_root()
        && let Some(group) = fs::read_to_string("/etc/group")
            .ok()
            .and_then(|t| gid_in(&t))
    {
        chown(file, Some(0), Some(group))?;
        return fs::set_permissions(file, fs::Permissions::from_mode(0o640));
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    let owner = Node::of(settings)
        .ok()
        .and_then(|node| fs::metadata(node.published_dir).ok());
    match owner {
        Some(owner) if rustix::process::geteuid().is_root() => {
            chown(file, Some(owner.uid()), Some(owner.gid()))
        }
        _ => Ok(()),
    }
}

/// The number of the package's group in the text of /etc/group.
fn gid_in(groups: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(GROUP)).then(|| fields.nth(1)?.parse().ok())?
    })
}

fn write_settings(config: &Path, text: &str, keys: &[(&str, String)]) -> Result<(), Error> {
    let by_hand = || {
        let lines: Vec<_> = keys
            .iter()
            .map(|(k, v)| format!("  {k}: \"{v}\""))
            .collect();
        format!(
            "the token is written, but not {}; put there by hand: http: with\n{}",
            config.display(),
            lines.join("\n")
        )
    };
    let folder = config.parent().unwrap_or(Path::new("."));
    let place = |e: io::Error| Error::Disk(format!("{e}: {}", by_hand()));
    let mut next = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .tempfile_in(folder)
        .map_err(place)?;
    next.write_all(text.as_bytes()).map_err(place)?;
    // Only a text that says what it should takes the place of what an administrator wrote.
    let read =
        Settings::read(next.path()).map_err(|e| Error::Disk(format!("{e}: {}", by_hand())))?;
    let says = |key: &str, value: &str| match key {
        "receiver" => read.http.receiver.as_deref() == Some(value),
        "token_file" => read.http.token_file.as_deref() == Some(Path::new(value)),
        _ => read.http.ca_file.as_deref() == Some(Path::new(value)),
    };
    if !keys.iter().all(|(key, value)| says(key, value)) {
        return Err(Error::Disk(by_hand()));
    }
    let mode = fs::metadata(config).map_or(0o644, |m| m.permissions().mode() & 0o777);
    fs::set_permissions(next.path(), fs::Permissions::from_mode(mode)).map_err(place)?;
    durable::persist(next, config).map_err(place)
}

/// The text with these keys set in its section `http`, comments and all else left as they are.
fn with_keys(text: &str, keys: &[(&str, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let begin = lines.iter().position(|l| l.trim_end() == "http:");
    let begin = begin.unwrap_or_else(|| {
        if lines.last().is_some_and(|l| !l.trim().is_empty()) {
            lines.push(String::new());
        }
        lines.push("http:".to_owned());
        lines.len() - 1
    });
    for (key, value) in keys {
        let end = lines
            .iter()
            .skip(begin + 1)
            .position(|l| !l.is_empty() && !l.starts_with([' ', '#']))
            .map_or(lines.len(), |n| begin + 1 + n);
        let is_key = |l: &String| l.trim_start().starts_with(&format!("{key}:"));
        let found = lines
            .get(begin..end)
            .and_then(|section| section.iter().position(is_key));
        let indent = lines
            .get(begin + 1..end)
            .and_then(|section| section.iter().find(|l| l.starts_with(' ')))
            .map_or(2, |l| l.len() - l.trim_start().len());
        let line = format!("{}{key}: \"{value}\"", " ".repeat(indent));
        match found {
            Some(n) => lines[begin + n] = line,
            None => lines.insert(begin + 1, line),
        }
    }
    lines.join("\n") + "\n"
}

fn with_node(text: &str, node: &str) -> String {
    format!("node: \"{node}\"\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nbbb2pod-hooks:x:7:\nbbb2pod-hook:x:117:bigbluebutton\n";
        assert_eq!(gid_in(groups), Some(117));
        assert_eq!(gid_in("bbb2pod-hooks:x:7:\nbbb2pod-hook"), None);
    }

    #[test]
    fn comments_and_other_keys_stay() {
        let keys = [
            ("receiver", "https://r.example".to_owned()),
            ("token_file", "/etc/bbb2pod/token".to_owned()),
        ];
        let text = "# mine\nnode: n\nhttp:\n    # where\n    receiver: \"https://old\"\n    \
                    parallel: 4\n# end\nretry:\n  first: 5s\n";
        assert_eq!(
            with_keys(text, &keys),
            "# mine\nnode: n\nhttp:\n    token_file: \"/etc/bbb2pod/token\"\n    # where\n    \
             receiver: \"https://r.example\"\n    parallel: 4\n# end\nretry:\n  first: 5s\n"
        );
        assert_eq!(
            with_node(&with_keys("", &keys), "bbb1"),
            "node: \"bbb1\"\nhttp:\n  token_file: \"/etc/bbb2pod/token\"\n  receiver: \
             \"https://r.example\"\n"
        );
    }
}
