//! `hook.yml`: what an administrator decides about a node.
//!
//! Sections are read and checked here, each key named in its error; what a transport needs of its
//! own section is checked when that transport is opened, so that a mistake there cannot keep
//! `publish` from taking its snapshot.

pub(crate) mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use recording::PlaybackFormat;
use recording::settings::{DurationText, SettingsError, SizeText, read};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use window::{Rate, Window};

/// Where the settings lie unless told otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/bbb2pod/hook.yml";

/// All settings of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The file they were read from.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// The node's name in manifests; the host name unless given.
    pub(crate) node: Option<String>,
    /// How packages leave the node.
    pub(crate) transport: TransportKind,
    /// What a package is.
    pub(crate) package: PackageKind,
    /// The way over HTTP, to a receiver.
    pub(crate) http: HttpSettings,
    /// The way by rsync, into a spool.
    pub(crate) rsync: RsyncSettings,
    /// The way into a spool that is mounted on the node.
    pub(crate) directory: DirectorySettings,
    /// Meta key whose value names the folder below the spool, for `rsync` and `directory`.
    pub(crate) sub_directory_meta: Option<String>,
    /// What is handed over at all.
    pub(crate) filters: Filters,
    /// The outbox; beside BBB's recording directory unless given.
    pub(crate) outbox_dir: Option<PathBuf>,
    /// Where BBB's own settings are.
    pub(crate) bbb: BbbSettings,
    /// Pauses between attempts.
    pub(crate) retry: Retry,
    /// How often it is looked for what a lost call missed.
    pub(crate) sweep: Sweep,
    /// What `bbb2pod-hook prune` may delete on the node.
    pub(crate) prune: Prune,
}

/// How packages leave the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TransportKind {
    /// To a receiver's address; resumed at the byte, confirmed by the receiver.
    #[default]
    Http,
    /// Into a spool, by rsync: over ssh, to a daemon or to a local path.
    Rsync,
    /// Into a spool that is mounted on the node.
    Directory,
}

/// What a package looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PackageKind {
    /// With a manifest, for a bbb2pod receiver.
    #[default]
    Bbb2pod,
    /// The published folder and nothing else, as importers of other systems take it.
    Plain,
}

/// The section `http`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpSettings {
    /// Base address of the receiver.
    pub(crate) receiver: Option<String>,
    /// File with the node's token.
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates of a private authority, in PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// Proxy for the way to the receiver; the usual environment variables unless given.
    pub(crate) proxy: Option<String>,
    /// Uploads at a time.
    pub(crate) parallel: usize,
    /// Bytes a second for all uploads together; as fast as the link unless given.
    #[schemars(with = "Option<SizeText>")]
    pub(crate) bandwidth_limit: Option<Rate>,
    /// Hours in which packages are sent; at any time unless given.
    #[schemars(with = "Option<String>")]
    pub(crate) window: Option<Window>,
    /// How long nothing may move before a request is given up.
    #[schemars(with = "DurationText")]
    pub(crate) stall_timeout: SignedDuration,
    /// Whether every request carries a digest of its bytes, so that damage on the way is found at
    /// once; without it, it is found when the receiver checks the whole package.
    pub(crate) checksums: bool,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            receiver: None,
            token_file: None,
            ca_file: None,
            proxy: None,
            parallel: 2,
            bandwidth_limit: None,
            window: None,
            stall_timeout: SignedDuration::from_secs(60),
            checksums: true,
        }
    }
}

/// The section `directory`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DirectorySettings {
    /// The receiver's spool, mounted on the node.
    pub(crate) spool_dir: Option<PathBuf>,
    /// Group that packages get.
    #[serde(alias = "spool_group")]
    pub(crate) group: Option<String>,
    /// Refuse when the spool lies on the node's own disk.
    pub(crate) require_mount: bool,
}

impl Default for DirectorySettings {
    fn default() -> DirectorySettings {
        DirectorySettings {
            spool_dir: None,
            group: None,
            require_mount: true,
        }
    }
}

/// The section `rsync`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RsyncSettings {
    /// Where the spool is, in rsync's words.
    pub(crate) destination: Option<String>,
    /// More options for rsync, word by word.
    pub(crate) extra_rsync_opts: Vec<String>,
    /// Where a package lies while rsync sends it; beside the outbox unless given.
    pub(crate) work_dir: Option<PathBuf>,
    /// How long nothing may move before rsync gives up.
    #[schemars(with = "DurationText")]
    pub(crate) stall_timeout: SignedDuration,
    /// Refuse when a destination without a host lies on the node's own disk.
    pub(crate) require_mount: bool,
}

impl Default for RsyncSettings {
    fn default() -> RsyncSettings {
        RsyncSettings {
            destination: None,
            extra_rsync_opts: Vec::new(),
            work_dir: None,
            stall_timeout: SignedDuration::from_secs(60),
            require_mount: true,
        }
    }
}

/// The section `filters`: what is handed over at all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Filters {
    /// Values of the meta key `bbb-origin`, without regard to case; empty for any.
    pub(crate) origins: Vec<String>,
    /// Playback formats; empty for any.
    #[schemars(with = "Vec<String>")]
    pub(crate) formats: Vec<PlaybackFormat>,
    /// Meta keys that must have these values.
    pub(crate) meta: BTreeMap<String, String>,
    /// Shorter recordings stay on the node.
    pub(crate) min_duration_seconds: u64,
}

impl Default for Filters {
    fn default() -> Filters {
        let usual = ["presentation", "video", "podcast", "screenshare", "notes"];
        Filters {
            origins: Vec::new(),
            formats: usual.iter().filter_map(|f| f.parse().ok()).collect(),
            meta: BTreeMap::new(),
            min_duration_seconds: 0,
        }
    }
}

impl Filters {
    /// Lets everything pass.
    pub(crate) fn any() -> Filters {
        Filters {
            origins: Vec::new(),
            formats: Vec::new(),
            meta: BTreeMap::new(),
            min_duration_seconds: 0,
        }
    }
}

/// The section `bbb`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BbbSettings {
    /// BBB's own settings; `auto` looks where its generations keep them.
    #[schemars(with = "String")]
    pub(crate) bigbluebutton_yml: BigbluebuttonYml,
    /// What is laid over it.
    pub(crate) recording_yml: Option<PathBuf>,
}

/// Where BBB's own settings lie.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "PathBuf")]
pub(crate) enum BigbluebuttonYml {
    #[default]
    Auto,
    At(PathBuf),
}

impl From<PathBuf> for BigbluebuttonYml {
    fn from(path: PathBuf) -> BigbluebuttonYml {
        if path == Path::new("auto") {
            BigbluebuttonYml::Auto
        } else {
            BigbluebuttonYml::At(path)
        }
    }
}

/// The section `retry`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    /// Pause after a first failure.
    #[schemars(with = "DurationText")]
    pub(crate) first: SignedDuration,
    /// Longest pause, reached by doubling.
    #[schemars(with = "DurationText")]
    pub(crate) longest: SignedDuration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            first: SignedDuration::from_secs(5),
            longest: SignedDuration::from_hours(1),
        }
    }
}

/// The section `sweep`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sweep {
    /// How often `send --watch` looks for what a lost call of `publish` missed; 0s for never.
    #[schemars(with = "DurationText")]
    every: SignedDuration,
    /// What changed more recently may still be being published by BBB.
    #[schemars(with = "DurationText")]
    pub(crate) settled_for: SignedDuration,
}

impl Default for Sweep {
    fn default() -> Sweep {
        Sweep {
            every: SignedDuration::from_hours(1),
            settled_for: SignedDuration::from_mins(10),
        }
    }
}

impl Sweep {
    /// The interval, when there is one.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.every.is_positive().then(|| std_duration(self.every))
    }
}

/// The section `prune`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Prune {
    /// Whether anything is ever deleted on the node.
    pub(crate) enabled: bool,
    /// Days that must have passed since the receiver confirmed the last format.
    pub(crate) after_days: u32,
    /// What the receiver must have confirmed.
    pub(crate) only_when: OnlyWhen,
    /// Formats that must be there and confirmed; what BBB's own steps produce unless given.
    #[schemars(with = "Vec<String>")]
    pub(crate) formats: Vec<PlaybackFormat>,
    /// BBB's program that deletes.
    pub(crate) bbb_record: PathBuf,
}

/// What the receiver must have confirmed before a recording is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnlyWhen {
    /// Everything of it is in Pod.
    #[default]
    Registered,
    /// Everything of it is in the receiver's archive.
    Archived,
}

impl Default for Prune {
    fn default() -> Prune {
        Prune {
            enabled: false,
            after_days: 30,
            only_when: OnlyWhen::Registered,
            formats: Vec::new(),
            bbb_record: "bbb-record".into(),
        }
    }
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The file cannot be read, or a key or value is wrong; the error names it.
    pub(crate) fn read(path: &Path) -> Result<Settings, SettingsError> {
        let mut settings: Settings = read(path)?;
        settings.path = path.into();
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let wrong = |key: &str, why: &str| Err(SettingsError::key(&self.path, key, why));
        let positive = |d: SignedDuration| d.is_positive() && !d.is_zero();
        if self.outbox_dir.as_ref().is_some_and(|d| d.is_relative()) {
            return wrong("outbox_dir", "must be an absolute path");
        }
        if !(1..=16).contains(&self.http.parallel) {
            return wrong("http.parallel", "must be 1 to 16");
        }
        if !positive(self.http.stall_timeout) {
            return wrong(
                "http.stall_timeout",
                "must be more than nothing, such as 60s",
            );
        }
        if self.rsync.stall_timeout < SignedDuration::from_secs(1) {
            return wrong("rsync.stall_timeout", "must be at least 1s");
        }
        if !positive(self.retry.first) {
            return wrong("retry.first", "must be more than nothing, such as 5s");
        }
        if self.retry.longest < self.retry.first {
            return wrong("retry.longest", "must not be less than retry.first");
        }
        if self.package == PackageKind::Plain && self.transport == TransportKind::Http {
            return wrong(
                "package",
                "plain packages go into the spool of another system, by rsync or directory; a \
                 receiver wants the manifest",
            );
        }
        if self.prune.enabled && self.transport != TransportKind::Http {
            return wrong(
                "prune.enabled",
                "nobody confirms what went by rsync or directory, so nothing may be deleted; \
                 set transport: http",
            );
        }
        match &self.node {
            Some(name) if name.trim().is_empty() => wrong("node", "must not be empty"),
            _ => Ok(()),
        }
    }

    /// The node's name: as set, else the host name.
    pub(crate) fn node_name(&self) -> String {
        self.node.clone().unwrap_or_else(|| {
            let host = rustix::system::uname();
            host.nodename().to_string_lossy().into_owned()
        })
    }
}

/// A duration of the settings as the standard library has it; negative ones were refused.
pub(crate) fn std_duration(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(yaml: &str) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook.yml");
        std::fs::write(&path, yaml).unwrap();
        Settings::read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn errors_name_the_key() {
        for (yaml, words) in [
            ("outbox_dri: /x", "did you mean `outbox_dir`?"),
            ("outbox_dir: x", "outbox_dir: must be an absolute path"),
            ("http: {parallel: 0}", "http.parallel: must be 1 to 16"),
            ("http: {parallel: x}", "http.parallel: invalid type"),
            ("http: {tokenfile: /x}", "did you mean `token_file`?"),
            ("retry: {first: soon}", "retry.first"),
            ("retry: {first: 2h}", "retry.longest"),
            ("transport: pigeon", "transport: unknown value `pigeon`"),
            ("filters: {formats: ['../x']}", "filters.formats[0]"),
            ("node: ''", "node: must not be empty"),
            (
                "http: {window: 20-06}",
                "http.window: \"20-06\" is no window",
            ),
            ("http: {bandwidth_limit: 1KB}", "less than 64KiB"),
            ("package: plain", "package: plain packages go into"),
            (
                "{transport: directory, prune: {enabled: true}}",
                "prune.enabled: nobody confirms",
            ),
            ("prune: {only_when: sent}", "prune.only_when"),
        ] {
            let said = read_text(yaml).unwrap_err();
            assert!(said.contains(words), "{yaml}: {said}");
            assert!(said.contains("hook.yml"), "{said}");
        }
    }

    #[test]
    fn an_empty_file_means_defaults() {
        let settings = read_text("# nothing\n").unwrap();
        assert_eq!(settings.http.parallel, 2);
        assert!(settings.filters.formats.iter().any(|f| f.is_presentation()));
        assert!(matches!(
            settings.bbb.bigbluebutton_yml,
            BigbluebuttonYml::Auto
        ));
        assert_eq!(
            std_duration(settings.retry.longest),
            Duration::from_secs(3600)
        );
    }
}
