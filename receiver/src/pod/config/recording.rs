//! `kind: recording`, and how to speak with Pod's API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use recording::settings::DurationText;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Chosen, Republish, base_url, duration, french, key_and_why, problem, seconds, secret, timezone,
};
use crate::pod::PodError;

/// The disk that Pod shares, and its API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordingConfig {
    /// The site's address.
    pub(crate) url: String,
    /// File with the API token of a staff user, and nothing else.
    pub(crate) token_file: PathBuf,
    /// A folder below DEFAULT_RECORDER_PATH, as this machine sees it.
    pub(crate) directory: PathBuf,
    /// The same folder as Pod sees it, when it is mounted elsewhere there.
    #[serde(default)]
    pub(crate) pod_directory: Option<String>,
    /// The recorder whose settings the videos get, by its id or name.
    pub(crate) recorder: Chosen,
    /// Username of who owns what has no known owner; must be staff.
    pub(crate) default_owner: String,
    /// Refuse to work unless the folder lies on a file system of its own.
    #[serde(default)]
    pub(crate) require_mount: bool,
    /// Time zone of the day of the recording; this machine's when not given.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// The site's LANGUAGE_CODE.
    #[serde(default = "french")]
    pub(crate) accept_language: String,
    /// What a republished recording does to the video that is there already: `keep` or `new`.
    #[serde(default = "keep")]
    pub(crate) on_republish: Republish,
    /// How long connecting may take.
    #[serde(default = "seconds::<10>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) connect_timeout: Duration,
    /// How long Pod may take to answer a question.
    #[serde(default = "seconds::<120>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) timeout: Duration,
    /// How long Pod may take to move a file.
    #[serde(default = "seconds::<7200>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) write_timeout: Duration,
    /// How long after a lost connection Pod may still be moving the file.
    #[serde(default = "seconds::<30>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) settle_time: Duration,
}

/// How to speak with Pod's API.
#[derive(Clone, Debug)]
pub(crate) struct ApiConfig {
    pub(in crate::pod) url: String,
    pub(in crate::pod) token_file: PathBuf,
    pub(in crate::pod) accept_language: String,
    pub(in crate::pod) connect_timeout: Duration,
    pub(in crate::pod) timeout: Duration,
    pub(in crate::pod) write_timeout: Duration,
}

impl ApiConfig {
    /// That of the Pod at this address, with the token in this file.
    pub(crate) fn at(url: &str, token_file: &Path) -> ApiConfig {
        ApiConfig {
            url: url.to_owned(),
            token_file: token_file.to_owned(),
            accept_language: "fr".into(),
            connect_timeout: seconds::<10>(),
            timeout: seconds::<120>(),
            write_timeout: seconds::<120>(),
        }
    }

    /// The site's address with a slash at its end.
    pub(in crate::pod) fn base_url(&self) -> Result<Url, PodError> {
        base_url(&self.url)
    }

    /// The token in the token file.
    pub(in crate::pod) fn token(&self) -> Result<String, PodError> {
        secret("token_file", &self.token_file)
    }
}

impl RecordingConfig {
    /// How to speak with Pod's API.
    pub(in crate::pod) fn api(&self) -> ApiConfig {
        ApiConfig {
            url: self.url.clone(),
            token_file: self.token_file.clone(),
            accept_language: self.accept_language.clone(),
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            write_timeout: self.write_timeout,
        }
    }

    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        key_and_why(base_url(&self.url))?;
        if !self.directory.is_absolute() {
            return problem("directory", "must be an absolute path");
        }
        let seen = self.pod_directory.as_deref();
        if seen.is_some_and(|d| !d.starts_with('/')) {
            return problem(
                "pod_directory",
                "must be an absolute path on the Pod server",
            );
        }
        if self.default_owner.is_empty() {
            return problem("default_owner", "must be a username in Pod");
        }
        if self.on_republish == Republish::Replace {
            return problem(
                "on_republish",
                "Pod takes a recording's file once: write keep, or new for another video",
            );
        }
        key_and_why(timezone(self.timezone.as_deref()))
    }
}

fn keep() -> Republish {
    Republish::Keep
}
