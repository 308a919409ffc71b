//! The `destination` section of the settings.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::PodError;
use super::directory::name::{NAME_MIN, PATH_MAX};

/// Which destination, and its settings.
#[derive(Clone, Debug)]
pub(crate) enum DestinationConfig {
    /// `kind: directory`
    Directory(DirectoryConfig),
}

/// The claim directory of a Pod recorder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectoryConfig {
    /// `<DEFAULT_RECORDER_PATH>/<directory of the recorder>`, as this machine sees it.
    pub(crate) directory: PathBuf,
    /// The same directory as Pod sees it, when it is mounted elsewhere there: the length of the
    /// path that Pod stores is limited.
    #[serde(default)]
    pub(crate) pod_directory: Option<String>,
    /// Refuse to work unless the directory lies on a file system of its own, so that files are
    /// never written under the mount point of a share that is not there.
    #[serde(default)]
    pub(crate) require_mount: bool,
    /// Time zone of the dates in file names (`Europe/Paris`); this machine's when not given.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// What a republished recording does to the file that is there already.
    #[serde(default)]
    pub(crate) on_republish: Republish,
}

/// What happens when a recording that Pod has already comes again with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Republish {
    /// The new content takes the place of the old, where Pod allows it.
    #[default]
    Replace,
    /// Pod keeps what it has.
    Keep,
}

impl DestinationConfig {
    /// Checks what goes beyond the types of the values, without touching files or network.
    ///
    /// # Errors
    /// The key (below `destination`) of the first value that cannot be used, and why.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, String)> {
        match self {
            DestinationConfig::Directory(config) => config.validate(),
        }
    }
}

impl DirectoryConfig {
    /// Characters that remain for a file's name in the path that Pod stores.
    pub(super) fn room(&self) -> usize {
        let seen_by_pod = match &self.pod_directory {
            Some(directory) => directory.into(),
            None => self.directory.to_string_lossy(),
        };
        let slash = 1;
        PATH_MAX.saturating_sub(seen_by_pod.trim_end_matches('/').chars().count() + slash)
    }

    fn validate(&self) -> Result<(), (&'static str, String)> {
        if !self.directory.is_absolute() {
            return problem("directory", "must be an absolute path");
        }
        if self
            .pod_directory
            .as_ref()
            .is_some_and(|d| !d.starts_with('/'))
        {
            return problem(
                "pod_directory",
                "must be an absolute path on the Pod server",
            );
        }
        let room = self.room();
        if room < NAME_MIN {
            let key = if self.pod_directory.is_some() {
                "pod_directory"
            } else {
                "directory"
            };
            return problem(
                key,
                format!(
                    "Pod stores at most {PATH_MAX} characters of a file's whole path; \
                     {room} remain for the file name and {NAME_MIN} are needed. Use a \
                     shorter directory; if Pod sees it under a shorter path, give that as \
                     pod_directory"
                ),
            );
        }
        match timezone(self.timezone.as_deref()) {
            Err(PodError::Settings { key, why }) => problem(key, why),
            _ => Ok(()),
        }
    }
}

/// The time zone of that name, or this machine's.
pub(super) fn timezone(name: Option<&str>) -> Result<TimeZone, PodError> {
    name.map_or_else(|| Ok(TimeZone::system()), TimeZone::get)
        .map_err(|e| PodError::Settings {
            key: "timezone",
            why: format!("{e}; write it like Europe/Paris"),
        })
}

fn problem<T>(key: &'static str, why: impl Into<String>) -> Result<T, (&'static str, String)> {
    Err((key, why.into()))
}

// Serde's own internally tagged enums forget the key path of what is wrong inside them.
impl<'de> Deserialize<'de> for DestinationConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let mut keys = serde_json::Map::deserialize(deserializer)?;
        let kind = keys
            .remove("kind")
            .ok_or_else(|| D::Error::missing_field("kind"))?;
        match kind.as_str() {
            Some("directory") => inner(keys).map(DestinationConfig::Directory),
            _ => Err(D::Error::custom(format!(
                "kind: {kind} is not a kind of destination; write directory"
            ))),
        }
    }
}

fn inner<T: serde::de::DeserializeOwned, E: serde::de::Error>(
    keys: serde_json::Map<String, serde_json::Value>,
) -> Result<T, E> {
    serde_path_to_error::deserialize(serde_json::Value::Object(keys)).map_err(|e| {
        let path = e.path().to_string();
        if path == "." {
            E::custom(e.into_inner())
        } else {
            E::custom(format!("{path}: {}", e.into_inner()))
        }
    })
}
