//! The `moodle_message` section of the settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::MessageError;
use super::template::Template;
use crate::owners::{DatabaseSettings, OwnersConfig};

/// Messages in Moodle. Where the Moodles are, `owners.moodle.databases` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageConfig {
    /// The accounts that may write, by the names in `owners.moodle.databases`. Only these Moodles
    /// get messages; all of them, by the accounts there, when none is named here.
    #[serde(default)]
    pub(crate) databases: BTreeMap<String, DatabaseSettings>,
    /// The language of the built-in message: `fr`, else English.
    #[serde(default = "french")]
    pub(crate) language: String,
    /// Words of one's own.
    #[serde(default)]
    pub(crate) template_file: Option<PathBuf>,
    /// Pod's address in the message, when the destination does not have it.
    #[serde(default)]
    pub(crate) pod_url: Option<String>,
    /// Time zone of the dates (`Europe/Paris`); this machine's when not given.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
}

/// One Moodle that gets messages.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// Its name in the settings.
    pub(crate) name: &'a str,
    /// Where it is, for an account that may write.
    pub(super) database: DatabaseSettings,
    /// What every table's name begins with.
    pub(super) prefix: &'a str,
    /// The schema with the tables (PostgreSQL).
    pub(super) schema: &'a str,
}

fn french() -> String {
    "fr".to_owned()
}

impl MessageConfig {
    /// Checks what goes beyond the types of the values, without touching files or network.
    ///
    /// # Errors
    /// The key below `moodle_message` of the first value that cannot be used, and why.
    pub(crate) fn validate(&self, owners: Option<&OwnersConfig>) -> Result<(), (String, String)> {
        let described = owners.map(|owners| &owners.moodle.databases);
        if described.is_none_or(BTreeMap::is_empty) {
            let why = "needs owners.moodle.databases, which says where Moodle's database is";
            return Err(("databases".to_owned(), why.to_owned()));
        }
        for (name, database) in &self.databases {
            let at = |why: String| (format!("databases.{name}"), why);
            if !described.is_some_and(|known| known.contains_key(name)) {
                return Err(at(format!("there is no {name} in owners.moodle.databases")));
            }
            database.validate().map_err(at)?;
        }
        match self.timezone() {
            Ok(_) => Ok(()),
            Err(error) => Err(("timezone".to_owned(), error.to_string())),
        }
    }

    /// The Moodles that get messages.
    pub(crate) fn targets<'a>(&'a self, owners: &'a OwnersConfig) -> Vec<Target<'a>> {
        let moodles = owners.moodle.databases.iter();
        moodles
            .filter_map(|(name, moodle)| {
                let writer = match self.databases.get(name) {
                    Some(writer) => writer.clone(),
                    None if self.databases.is_empty() => moodle.database(),
                    None => return None,
                };
                Some(Target {
                    name,
                    database: writer,
                    prefix: &moodle.prefix,
                    schema: &moodle.schema,
                })
            })
            .collect()
    }

    pub(super) fn template(&self) -> Result<Template, MessageError> {
        let wrong = |why: String| MessageError::Settings {
            key: "template_file",
            why,
        };
        let own = self.template_file.as_ref().map(|path| {
            fs::read_to_string(path).map_err(|error| wrong(format!("{}: {error}", path.display())))
        });
        Template::new(own.transpose()?, &self.language).map_err(wrong)
    }

    pub(super) fn timezone(&self) -> Result<TimeZone, MessageError> {
        match &self.timezone {
            None => Ok(TimeZone::system()),
            Some(name) => TimeZone::get(name).map_err(|error| MessageError::Settings {
                key: "timezone",
                why: error.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> OwnersConfig {
        serde_yaml::from_str(
            "moodle: {databases: {a: {url: 'mysql://r@h/a', prefix: x_}, b: {url: 'mysql://r@h/b'}}}",
        )
        .unwrap()
    }

    fn message(yaml: &str) -> MessageConfig {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn moodles_are_described_once() {
        let owners = owners();
        let shown = |message: &MessageConfig| {
            let targets = message.targets(&owners);
            let target = |t: &Target<'_>| {
                format!(
                    "{} {} {}",
                    t.name,
                    t.prefix,
                    t.database.url.clone().unwrap_or_default()
                )
            };
            targets.iter().map(target).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(&message("language: en")),
            ["a x_ mysql://r@h/a", "b mdl_ mysql://r@h/b"]
        );
        let one = message("databases: {a: {url: 'mysql://w@h/a'}}");
        assert_eq!(shown(&one), ["a x_ mysql://w@h/a"]);
        one.validate(Some(&owners)).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let owners = owners();
        for (yaml, owners, key, why) in [
            ("{}", None, "databases", "owners.moodle.databases"),
            (
                "databases: {c: {url: 'mysql://w@h/a'}}",
                Some(&owners),
                "databases.c",
                "there is no c",
            ),
            (
                "databases: {a: {url: 'oracle://w@h/a'}}",
                Some(&owners),
                "databases.a",
                "oracle",
            ),
            ("timezone: Mars/Olympus", Some(&owners), "timezone", "Mars"),
        ] {
            let (at, said) = message(yaml).validate(owners).unwrap_err();
            assert_eq!(at, key);
            assert!(said.contains(why), "{said}");
        }
    }
}
