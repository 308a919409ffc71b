//! What is different for a tenant: keys of the settings file by their paths, checked by the same
//! types as the file itself.

use std::path::Path;

use recording::settings::{self, SettingsError};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::ledger::Setting;

/// Sections of the settings file that can be different for a tenant.
const SECTIONS: [&str; 3] = ["destination", "owners", "convert"];
/// Keys in them that are about this machine.
const SHARED: [&str; 1] = ["convert.workers"];

/// Keys that a meeting can choose too, and the meta key by which it does.
const META_KEYS: [(&str, &str); 11] = [
    ("destination.type", "pod-type"),
    ("destination.discipline", "pod-discipline"),
    ("destination.channel", "pod-channel"),
    ("destination.groups", "pod-groups"),
    ("destination.additional_owners", "pod-additional-owners"),
    ("destination.licence", "pod-licence"),
    ("destination.main_lang", "pod-main-lang"),
    ("destination.cursus", "pod-cursus"),
    ("destination.restricted", "pod-restricted"),
    ("destination.password_file", "pod-password"),
    ("destination.publish", "pod-draft"),
];

/// Whether a key can be different for a tenant.
///
/// # Errors
/// It cannot; says why.
pub(crate) fn check_param(param: &str) -> Result<(), String> {
    let section = param.split('.').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_path = param
        .split('.')
        .all(|key| !key.is_empty() && key.chars().all(plain));
    if !SECTIONS.contains(&section) || !is_path {
        return Err(format!(
            "\"{}\" cannot be different for a tenant; a PARAM is the path of a key in {}, like destination.type",
            param.escape_debug(),
            SECTIONS.join(", ")
        ));
    }
    if SHARED.contains(&param) {
        return Err(format!(
            "{param} is about this machine; it cannot be different for a tenant"
        ));
    }
    Ok(())
}

/// The meta key by which a meeting chooses what is set at this path.
pub(crate) fn meta_key(param: &str) -> Option<&'static str> {
    let found = META_KEYS.iter().find(|(path, _)| *path == param);
    found.map(|(_, key)| *key)
}

/// A value as it would stand in the settings file; what is no YAML is a text, and so is a line with
/// a colon in it, because a section of one line stands in braces.
pub(crate) fn value(text: &str) -> Value {
    match settings::from_text(Path::new("VALUE"), text) {
        Ok(Value::Object(_)) if !text.trim_start().starts_with('{') && !text.contains('\n') => {
            Value::from(text)
        }
        Ok(value) => value,
        Err(_) => Value::from(text),
    }
}

/// The settings with what is different for a tenant.
///
/// # Errors
/// A key or value is wrong; the message names it.
pub(crate) fn with(config: &Config, settings: &[Setting]) -> Result<Config, SettingsError> {
    let (path, text) = config.source();
    let mut all: Value = settings::from_text(path, text)?;
    for setting in settings {
        put(&mut all, &setting.param, &setting.value);
    }
    // What JSON says, YAML says too.
    Config::from_text(path, &all.to_string())
}

/// Sets what is at a path; sections on the way are made, and what is no section gives way. Paths
/// come in their order, so that a section as a whole comes before its keys.
fn put(all: &mut Value, param: &str, value: &Value) {
    let mut place = all;
    for key in param.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(keys) = place else { return };
        place = keys.entry(key).or_insert(Value::Null);
    }
    *place = value.clone();
}
