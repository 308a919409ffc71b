//! How many encodings at once, and when.

use jiff::civil::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// When Pod is asked to encode.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EncodingConfig {
    /// Videos that are encoded at the same time for this receiver.
    pub(crate) at_once: u64,
    /// Times of day when encodings may begin (`20:00-06:00`); always when not given.
    #[serde(deserialize_with = "window")]
    #[schemars(with = "Option<String>")]
    pub(crate) window: Option<Window>,
}

impl Default for EncodingConfig {
    fn default() -> EncodingConfig {
        EncodingConfig {
            at_once: 2,
            window: None,
        }
    }
}

/// A span of the day; one that ends before it begins goes over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// When it begins.
    pub(crate) from: Time,
    /// When it ends.
    pub(crate) to: Time,
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Window>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.split_once('-').and_then(|(from, to)| {
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
        Some(Window {
            from: time(from)?,
            to: time(to)?,
        })
    });
    match parsed {
        Some(window) if window.from != window.to => Ok(Some(window)),
        _ => Err(serde::de::Error::custom(format!(
            "\"{text}\" is no span of the day; write 20:00-06:00"
        ))),
    }
}
