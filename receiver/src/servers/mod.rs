//! BBB and Scalelite servers on which nothing can be installed: what they have, by their API, and
//! bringing it here as their own players get it.
//!
//! [`answer`] reads what a server says, [`list`] asks it, [`bring`] downloads one recording and
//! puts it into the spool as a package; from there on it is like any other.

mod answer;
mod bring;
mod list;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use recording::settings::{DurationText, SizeText};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use answer::{Listed, Playback};
pub(crate) use bring::{Errand, bring};
pub(crate) use list::{Asked, ListError, cached, keep, list};

/// A server: one entry of `servers`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Its address, as `bbb-conf --secret` shows it.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub(crate) url: Url,
    /// File with the secret, and nothing else.
    pub(crate) secret_file: PathBuf,
    /// Which digest signs a request.
    #[serde(default)]
    pub(crate) checksum: Checksum,
    /// Most bytes a second taken from it.
    #[serde(default)]
    #[schemars(with = "Option<SizeText>")]
    pub(crate) rate: Option<ByteSize>,
    /// How long an answer may take before it is asked for in smaller windows.
    #[serde(default = "two_minutes", deserialize_with = "crate::config::duration")]
    #[schemars(with = "DurationText")]
    pub(crate) timeout: Duration,
    /// Authorities to trust besides the system's, as PEM.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Which digest signs a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Checksum {
    /// Every server takes it unless told otherwise.
    #[default]
    Sha1,
    /// BBB 2.3 and later, Scalelite 1.3 and later.
    Sha256,
    /// BBB 2.6 and later, Scalelite 1.5 and later.
    Sha512,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Checks what goes beyond the types of the values.
    ///
    /// # Errors
    /// The key below `servers.NAME`, and what is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, String)> {
        if !matches!(self.url.scheme(), "http" | "https") || self.url.host().is_none() {
            let why = format!(
                "{} is not an address like https://bbb.univ.example/bigbluebutton/",
                self.url
            );
            return Err(("url", why));
        }
        if self.rate.is_some_and(|rate| rate.as_u64() < 1024) {
            return Err(("rate", "is less than 1KiB a second".to_owned()));
        }
        Ok(())
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    Url::parse(&text).map_err(|e| serde::de::Error::custom(format!("\"{text}\": {e}")))
}

fn two_minutes() -> Duration {
    Duration::from_secs(120)
}
