//! How the programs' YAML files are read: strictly, with errors that name the file, the key and
//! what to write instead.
//!
//! This module alone knows that the files are YAML and which library reads it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;

/// How durations are described in a schema of settings: written as `90s`, `12h`, `7d`.
#[derive(Debug)]
pub struct DurationText;

/// How sizes are described in a schema of settings: written as `500MiB`, `64GiB`.
#[derive(Debug)]
pub struct SizeText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "size" })
    }
}

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key or value is wrong.
    #[error("{}: {at}{why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key path and a colon, or nothing when it is the whole file.
        at: String,
        /// What is wrong and what would be right.
        why: String,
    },
}

impl SettingsError {
    /// An error about one key, for checks that go beyond the type of a value.
    #[must_use]
    pub fn key(path: &Path, key: &str, why: impl ToString) -> SettingsError {
        SettingsError::Invalid {
            path: path.into(),
            at: format!("{key}: "),
            why: why.to_string(),
        }
    }
}

/// Reads a YAML file of settings. An empty file stands for all defaults.
///
/// # Errors
/// The file cannot be read, is not YAML, has an unknown key (the nearest known one is named), or
/// a value has the wrong type.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.into(),
        source,
    })?;
    from_text(path, &text)
}

/// Reads what such a file holds; `path` is only named in errors.
///
/// # Errors
/// As [`read`].
pub fn from_text<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, SettingsError> {
    parse(text).map_err(|(at, why)| SettingsError::Invalid {
        path: path.into(),
        at,
        why,
    })
}

/// Reads a secret from a file that holds it on one line and nothing else.
///
/// # Errors
/// The file cannot be read, or holds nothing or several lines; the text names it.
pub fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let secret = text.trim();
    if secret.is_empty() || secret.contains('\n') {
        return Err(format!(
            "{}: must hold the secret on one line and nothing else",
            path.display()
        ));
    }
    Ok(secret.to_owned())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let blank = text.lines().all(|line| {
        line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---"
    });
    let text = if blank { "{}" } else { text };
    let deserializer = serde_yaml::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|e| {
        let key = e.path().to_string();
        let inner = e.into_inner();
        let at = if key == "." {
            String::new()
        } else {
            format!("{key}: ")
        };
        (
            at,
            with_nearest_name(without_path(&inner.to_string(), &key)),
        )
    })
}

/// serde_yaml begins its messages with the path of what encloses the key; one path is enough.
fn without_path<'a>(message: &'a str, key: &str) -> &'a str {
    match message.split_once(": ") {
        Some((path, rest)) if key == path || key.starts_with(&format!("{path}.")) => rest,
        _ => message,
    }
}

/// Adds "did you mean" to serde's `unknown field `x`, expected one of `a`, `b``.
fn with_nearest_name(message: &str) -> String {
    if !["unknown field `", "unknown variant `"]
        .iter()
        .any(|start| message.starts_with(start))
    {
        return message.to_owned();
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else {
        return message.to_owned();
    };
    let nearest = quoted
        .map(|known| (strsim::jaro_winkler(wrong, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let kind = if message.starts_with("unknown field") {
        "key"
    } else {
        "value"
    };
    let expected = message
        .split_once(", ")
        .map_or("", |(_, expected)| expected);
    match nearest {
        Some((_, known)) => {
            format!("unknown {kind} `{wrong}`, did you mean `{known}`? ({expected})")
        }
        None => format!("unknown {kind} `{wrong}` ({expected})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        spool_dir: String,
        http: Inner,
    }

    #[derive(Debug, Deserialize, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        receiver: String,
        parallel: u8,
    }

    #[test]
    fn errors_name_the_key_and_the_nearest_name() {
        for (yaml, words) in [
            (
                "spool_dri: /x",
                "unknown key `spool_dri`, did you mean `spool_dir`?",
            ),
            (
                "http:\n  reciever: x",
                "http.reciever: unknown key `reciever`, did you mean `receiver`?",
            ),
            ("http:\n  parallel: many", "http.parallel: invalid type"),
            ("http: {}\nspool_dir: [1]", "spool_dir: invalid type"),
            ("http: [", "line"),
        ] {
            let (at, why) = parse::<Outer>(yaml).unwrap_err();
            assert!(format!("{at}{why}").contains(words), "{at}{why}");
        }
    }

    #[test]
    fn nothing_means_defaults() {
        for yaml in ["", "# a comment\n", "---\n"] {
            assert_eq!(parse::<Outer>(yaml).unwrap(), Outer::default());
        }
    }
}
