//! `kind: external`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Chosen, problem};
use crate::database::DatabaseConfig;

/// "My external videos" of Pod, by its database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalConfig {
    /// Pod's database.
    pub(crate) database: DatabaseConfig,
    /// The site whose pages show the links: id, domain or name. Not needed when Pod has only one.
    #[serde(default)]
    pub(crate) site: Option<Chosen>,
    /// Username of who gets what has no known owner.
    pub(crate) default_owner: String,
    /// Where the links lead.
    #[serde(default)]
    pub(crate) link: Link,
    /// When videos are made that links lead to.
    #[serde(default)]
    pub(crate) convert: When,
    /// Write links to BBB's player 2.0 as links to its player 2.3.
    #[serde(default)]
    pub(crate) rewrite_playback: bool,
}

/// Where an external video leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Link {
    /// To the MP4, at this receiver.
    #[default]
    Video,
    /// To BBB's own player, on the BBB node.
    Playback,
}

/// When a video is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// Before it is registered.
    #[default]
    Eager,
    /// When somebody asks for it.
    OnDemand,
}

impl ExternalConfig {
    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        if let Err(why) = self.database.validate() {
            return problem("database.url", why);
        }
        if self.default_owner.is_empty() {
            return problem("default_owner", "must be a username in Pod");
        }
        if self.link == Link::Playback && self.convert == When::OnDemand {
            return problem(
                "convert",
                "links to BBB's player need no video: leave it out",
            );
        }
        if self.rewrite_playback && self.link == Link::Video {
            return problem("rewrite_playback", "is for link: playback only");
        }
        Ok(())
    }
}
