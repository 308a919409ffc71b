//! The section `notify` of the settings.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use lettre::message::Mailbox;
use recording::settings::{DurationText, SizeText};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration;

/// When people are told, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotifyConfig {
    /// Language of the messages: `en` or `fr`.
    pub(crate) language: Language,
    /// At most one message in so long; what comes meanwhile waits and goes together.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) interval: Duration,
    /// What still stands is told again after so long; `0s` for never.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) remind_after: Duration,
    /// What fails again and again is told when it has waited for so long, as when Pod is away.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) stalled_after: Duration,
    /// A node that has not been heard of for so long is told.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) node_silent_after: Duration,
    /// A node on which a recording has waited for so long is told.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) backlog_older_than: Duration,
    /// A disk of the receiver with less free space than this is told.
    #[schemars(with = "SizeText")]
    pub(crate) disk_free_below: ByteSize,
    /// Messages by mail.
    pub(crate) mail: Option<MailConfig>,
    /// Messages by HTTP.
    pub(crate) webhook: Option<WebhookConfig>,
}

impl Default for NotifyConfig {
    fn default() -> NotifyConfig {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        NotifyConfig {
            language: Language::En,
            interval: hours(1),
            remind_after: hours(7 * 24),
            stalled_after: hours(6),
            node_silent_after: hours(2 * 24),
            backlog_older_than: hours(6),
            disk_free_below: ByteSize::gib(20),
            mail: None,
            webhook: None,
        }
    }
}

/// A language that messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

/// Messages by mail.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailConfig {
    /// Who gets them.
    pub(crate) to: Vec<String>,
    /// Whom they come from.
    pub(crate) from: String,
    /// The mail server's name; `localhost` for one on this machine.
    pub(crate) server: String,
    /// Its port; 587 for `starttls`, 465 for `always`, 25 for `none` unless given.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// How the connection is protected: `starttls`, `always` (from its first byte) or `none`.
    #[serde(default)]
    pub(crate) tls: Tls,
    /// Account at the mail server; nobody logs in unless given.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// File with the account's password, and nothing else.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// Authorities to trust besides the system's, as PEM.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    /// It begins in clear and must be encrypted before anything is said.
    #[default]
    Starttls,
    /// From the first byte.
    Always,
    /// Not at all: for a server on this machine.
    None,
}

/// Messages by HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// Where they are posted, as JSON.
    pub(crate) url: String,
    /// File with a token that goes along as `Authorization: Bearer`, and nothing else.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// Authorities to trust besides the system's, as PEM.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

impl NotifyConfig {
    /// The channels that are set up.
    pub(crate) fn channel_names(&self) -> impl Iterator<Item = &'static str> {
        let mail = self.mail.as_ref().map(|_| "mail");
        mail.into_iter()
            .chain(self.webhook.as_ref().map(|_| "webhook"))
    }

    /// Checks what goes beyond the types of the values.
    ///
    /// # Errors
    /// The key below `notify`, and what is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, String)> {
        let wrong = |key, why: &str| Err((key, why.to_owned()));
        if self.mail.is_none() && self.webhook.is_none() {
            return wrong(
                "mail",
                "is needed, or webhook: without either nobody is told",
            );
        }
        let least = Duration::from_secs(1);
        for (key, given) in [
            ("interval", self.interval),
            ("stalled_after", self.stalled_after),
            ("node_silent_after", self.node_silent_after),
            ("backlog_older_than", self.backlog_older_than),
        ] {
            if given < least {
                return wrong(key, "is less than 1s");
            }
        }
        if !self.remind_after.is_zero() && self.remind_after < self.interval {
            return wrong("remind_after", "is less than interval; 0s stands for never");
        }
        if let Some(mail) = &self.mail {
            if mail.to.is_empty() {
                return wrong("mail.to", "has no address");
            }
            let addresses = mail.to.iter().map(|to| ("mail.to", to));
            for (key, address) in addresses.chain([("mail.from", &mail.from)]) {
                if let Err(error) = address.parse::<Mailbox>() {
                    return Err((key, format!("\"{address}\": {error}")));
                }
            }
            if mail.server.is_empty() || mail.server.contains([':', '/', ' ']) {
                return wrong(
                    "mail.server",
                    "is not the name of a machine, as smtp.univ.example",
                );
            }
            if mail.user.is_some() != mail.password_file.is_some() {
                return wrong("mail.password_file", "goes with user: give both or neither");
            }
            if mail.tls == Tls::None && mail.user.is_some() {
                return wrong("mail.tls", "none would send the password in clear");
            }
        }
        if let Some(webhook) = &self.webhook {
            let url = Url::parse(&webhook.url).ok();
            if !url.is_some_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host()) {
                return wrong(
                    "webhook.url",
                    "is not an address like https://chat.univ.example/hooks/…",
                );
            }
        }
        Ok(())
    }
}
