//! The `owners` section of the settings.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use recording::settings;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::mapping::{Case, Mapping, Rule, is_username};
use super::reason::Source;
use super::table;
use crate::database::{Database, DatabaseConfig, DatabaseError};

/// Who recordings belong to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OwnersConfig {
    /// Who is asked, in this order.
    pub(crate) chain: Vec<FinderName>,
    /// Whether the first who names somebody decides, or all who do together.
    pub(crate) combine: Combine,
    /// What happens when nobody is found: `review`, or a username.
    pub(crate) otherwise: String,
    /// Whether accounts that Pod lacks are made there.
    pub(crate) create_users: bool,
    /// What Pod's usernames are like.
    pub(crate) username_case: Case,
    /// From ids to usernames, for all finders that have no rules of their own.
    #[serde(serialize_with = "words")]
    #[schemars(with = "Vec<String>")]
    pub(crate) map: Vec<RuleConfig>,
    /// A table made by people.
    pub(crate) csv: Option<CsvConfig>,
    /// The moderators in the manifest.
    pub(crate) manifest: ManifestConfig,
    /// The Pod whose accounts count, and its meetings.
    pub(crate) pod: Option<PodConfig>,
    /// Moodle's databases.
    pub(crate) moodle: MoodleConfig,
    /// Greenlight's databases.
    pub(crate) greenlight: GreenlightConfig,
}

impl Default for OwnersConfig {
    fn default() -> OwnersConfig {
        OwnersConfig {
            chain: vec![
                FinderName::Csv,
                FinderName::Manifest,
                FinderName::Pod,
                FinderName::Moodle,
                FinderName::Greenlight,
            ],
            combine: Combine::First,
            otherwise: REVIEW.to_owned(),
            create_users: false,
            username_case: Case::Exact,
            map: vec![RuleConfig::Identical, RuleConfig::Email],
            csv: None,
            manifest: ManifestConfig::default(),
            pod: None,
            moodle: MoodleConfig::default(),
            greenlight: GreenlightConfig::default(),
        }
    }
}

/// The word for holding a recording until somebody decides.
pub(super) const REVIEW: &str = "review";

/// A finder in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FinderName {
    /// The CSV file.
    Csv,
    /// The manifest's moderators.
    Manifest,
    /// Pod's meetings.
    Pod,
    /// Moodle.
    Moodle,
    /// Greenlight.
    Greenlight,
}

impl FinderName {
    pub(super) fn source(self) -> Source {
        match self {
            FinderName::Csv => Source::Csv,
            FinderName::Manifest => Source::Manifest,
            FinderName::Pod => Source::Pod,
            FinderName::Moodle => Source::Moodle,
            FinderName::Greenlight => Source::Greenlight,
        }
    }
}

/// How several finders work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Combine {
    /// The first who names somebody decides.
    First,
    /// Everybody whom any of them names; the first is the owner.
    All,
}

/// A table made by people.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CsvConfig {
    /// The file.
    pub(crate) file: PathBuf,
}

/// The moderators in the manifest.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ManifestConfig {
    /// From external user ids to usernames.
    #[schemars(with = "Option<Vec<String>>")]
    pub(crate) map: Option<Vec<RuleConfig>>,
    /// With more moderators than this, everybody was one.
    pub(crate) most: usize,
}

impl Default for ManifestConfig {
    fn default() -> ManifestConfig {
        ManifestConfig {
            map: None,
            most: 10,
        }
    }
}

/// A Pod's accounts and meetings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PodConfig {
    /// The site's address; not needed when the destination has it.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// File with the API token of a staff user, and nothing else.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// More host names by which BBB calls this Pod back.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    /// Pod's database, read-only: co-owners, and what REST does not tell.
    #[serde(default)]
    pub(crate) database: Option<DatabaseSettings>,
}

/// Where a database is, and who asks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseSettings {
    /// `mysql://account@host/name` or `postgres://account@host/name`.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// File with that address, password included.
    #[serde(default)]
    pub(crate) url_file: Option<PathBuf>,
    /// File with the account's password, and nothing else.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
}

impl DatabaseSettings {
    /// Checks the form of the address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err("give url or url_file, not both".into()),
            (None, None) => Err("url or url_file is missing".into()),
            (Some(url), None) => DatabaseConfig {
                url: url.clone(),
                password_file: None,
            }
            .validate(),
            (None, Some(_)) => Ok(()),
        }
    }

    /// The database; it is connected to when it is first asked.
    ///
    /// # Errors
    /// The address makes no sense, or a file cannot be read.
    pub(crate) fn open(&self) -> Result<Database, DatabaseError> {
        let url = match (&self.url, &self.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => settings::secret(file).map_err(DatabaseError::Settings)?,
            (None, None) => String::new(),
        };
        Database::new(&DatabaseConfig {
            url,
            password_file: self.password_file.clone(),
        })
    }
}

/// Moodle's databases.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MoodleConfig {
    /// By a name for the reasons.
    pub(crate) databases: BTreeMap<String, MoodleDatabase>,
    /// Which of them is asked about recordings of servers that none of them names. The only one is.
    pub(crate) default_database: Option<String>,
    /// Servers (`bbb-origin-server-name`) whose recordings are looked for nowhere.
    pub(crate) ignored_servers: Vec<String>,
}

/// One Moodle.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoodleDatabase {
    /// Its names in `bbb-origin-server-name`.
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// `mysql://account@host/name` or `postgres://account@host/name`.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// File with that address, password included.
    #[serde(default)]
    pub(crate) url_file: Option<PathBuf>,
    /// File with the account's password, and nothing else.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// What every table's name begins with.
    #[serde(default = "mdl")]
    pub(crate) prefix: String,
    /// The schema with the tables (PostgreSQL).
    #[serde(default = "public")]
    pub(crate) schema: String,
    /// Who moderates where an activity does not say it; read from Moodle's own settings when not
    /// given here.
    #[serde(default)]
    pub(crate) participant_moderator_default: Option<String>,
    /// Ids of the site's administrators; read from Moodle's own settings when not given here.
    #[serde(default)]
    pub(crate) site_admins: Option<Vec<i64>>,
    /// From usernames there to usernames in Pod.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub(crate) map: Option<Vec<RuleConfig>>,
}

/// Greenlight's databases.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GreenlightConfig {
    /// By a name for the reasons.
    pub(crate) databases: BTreeMap<String, GreenlightDatabase>,
}

/// One Greenlight, of version 2 or 3: its tables tell which.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GreenlightDatabase {
    /// Its names in `bbb-origin-server-name`; none means that it is asked about all.
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// `mysql://account@host/name` or `postgres://account@host/name`.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// File with that address, password included.
    #[serde(default)]
    pub(crate) url_file: Option<PathBuf>,
    /// File with the account's password, and nothing else.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// The schema with the tables (PostgreSQL).
    #[serde(default = "public")]
    pub(crate) schema: String,
    /// From ids there to usernames in Pod.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub(crate) map: Option<Vec<RuleConfig>>,
}

impl MoodleDatabase {
    /// Where it is, and the account that reads.
    pub(crate) fn database(&self) -> DatabaseSettings {
        DatabaseSettings {
            url: self.url.clone(),
            url_file: self.url_file.clone(),
            password_file: self.password_file.clone(),
        }
    }
}

impl GreenlightDatabase {
    pub(super) fn database(&self) -> DatabaseSettings {
        DatabaseSettings {
            url: self.url.clone(),
            url_file: self.url_file.clone(),
            password_file: self.password_file.clone(),
        }
    }
}

/// One way from an id to a username, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleConfig {
    /// `identical`
    Identical,
    /// `email`
    Email,
    /// `{strip_suffix: "@univ.example"}`
    StripSuffix(String),
    /// `{regex: {match: "u(\\d+)", username: "p$1"}}`
    Regex {
        /// What the whole id has to be like.
        pattern: String,
        /// What the username then is.
        username: String,
    },
    /// `{csv: /etc/bbb2pod/usernames.csv}`
    Csv(PathBuf),
}

/// How the default is written in the reference of all settings.
fn words<S: Serializer>(rules: &[RuleConfig], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rules.iter().map(|rule| match rule {
        RuleConfig::Identical => "identical",
        RuleConfig::Email => "email",
        RuleConfig::StripSuffix(_) => "strip_suffix",
        RuleConfig::Regex { .. } => "regex",
        RuleConfig::Csv(_) => "csv",
    }))
}

impl<'de> Deserialize<'de> for RuleConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RuleConfig, D::Error> {
        use serde_json::Value;
        const FORMS: &str = "write identical, email, {strip_suffix: \"@univ.example\"}, \
             {regex: {match: \"u([0-9]+)\", username: \"p$1\"}} or {csv: /path/to/file.csv}";
        let value = Value::deserialize(deserializer)?;
        let rule = match &value {
            Value::String(word) if word == "identical" => Some(RuleConfig::Identical),
            Value::String(word) if word == "email" => Some(RuleConfig::Email),
            Value::Object(keys) if keys.len() == 1 => {
                keys.iter()
                    .next()
                    .and_then(|(key, value)| match (key.as_str(), value) {
                        ("strip_suffix", Value::String(suffix)) if !suffix.is_empty() => {
                            Some(RuleConfig::StripSuffix(suffix.clone()))
                        }
                        ("csv", Value::String(path)) => Some(RuleConfig::Csv(path.into())),
                        ("regex", Value::Object(parts)) if parts.len() == 2 => {
                            Some(RuleConfig::Regex {
                                pattern: parts.get("match")?.as_str()?.to_owned(),
                                username: parts.get("username")?.as_str()?.to_owned(),
                            })
                        }
                        _ => None,
                    })
            }
            _ => None,
        };
        rule.ok_or_else(|| serde::de::Error::custom(format!("{value} is no rule; {FORMS}")))
    }
}

/// A value that cannot be used: its key below `owners`, and why.
type Problem = (String, String);

impl OwnersConfig {
    /// Checks what goes beyond the types of the values, without touching files or network;
    /// `has_rest` tells whether the destination gives a Pod's address and token.
    ///
    /// # Errors
    /// The key (below `owners`) of the first value that cannot be used, and why.
    pub(crate) fn validate(&self, has_rest: bool) -> Result<(), Problem> {
        let problem = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
        if self.chain.is_empty() {
            return problem("chain", "names nobody");
        }
        if (1..self.chain.len()).any(|at| self.chain[..at].contains(&self.chain[at])) {
            return problem("chain", "names a finder twice");
        }
        if self.otherwise != REVIEW && !is_username(&self.otherwise) {
            return problem("otherwise", "must be review or a username in Pod");
        }
        let own_rest = self.pod.as_ref().is_some_and(|pod| pod.url.is_some());
        if self.create_users && !has_rest && !own_rest {
            return problem(
                "create_users",
                "needs owners.pod.url and owners.pod.token_file",
            );
        }
        if self.manifest.most == 0 {
            return problem("manifest.most", "must be at least 1");
        }
        self.rules("map", &self.map)?;
        if let Some(map) = &self.manifest.map {
            self.rules("manifest.map", map)?;
        }
        if let Some(pod) = &self.pod {
            if pod.url.is_some() != pod.token_file.is_some() {
                return problem("pod", "url and token_file belong together");
            }
            if let Some(database) = &pod.database {
                let at = |why| ("pod.database".to_owned(), why);
                database.validate().map_err(at)?;
            }
        }
        for (name, database) in &self.moodle.databases {
            let key = format!("moodle.databases.{name}");
            let at = |why| (key.clone(), why);
            database.database().validate().map_err(at)?;
            identifier(&key, "schema", &database.schema, false)?;
            identifier(&key, "prefix", &database.prefix, true)?;
            if let Some(map) = &database.map {
                self.rules(&format!("{key}.map"), map)?;
            }
        }
        if let Some(name) = &self.moodle.default_database
            && !self.moodle.databases.contains_key(name)
        {
            let why = format!("there is no {name} in moodle.databases");
            return Err(("moodle.default_database".into(), why));
        }
        for (name, database) in &self.greenlight.databases {
            let key = format!("greenlight.databases.{name}");
            let at = |why| (key.clone(), why);
            database.database().validate().map_err(at)?;
            identifier(&key, "schema", &database.schema, false)?;
            if let Some(map) = &database.map {
                self.rules(&format!("{key}.map"), map)?;
            }
        }
        self.one_database_per_server()
    }

    fn one_database_per_server(&self) -> Result<(), Problem> {
        let mut of: HashMap<String, &str> = HashMap::new();
        for (name, database) in &self.moodle.databases {
            for server in &database.servers {
                if let Some(other) = of.insert(host(server), name) {
                    let why = format!("{server} belongs to {other} already");
                    return Err((format!("moodle.databases.{name}.servers"), why));
                }
            }
        }
        Ok(())
    }

    fn rules(&self, key: &str, rules: &[RuleConfig]) -> Result<(), Problem> {
        for rule in rules {
            if let RuleConfig::Regex { pattern, .. } = rule {
                regex(pattern).map_err(|why| (key.to_owned(), why))?;
            }
        }
        Ok(())
    }

    /// The rules of a finder, or else those for all; their tables are read.
    pub(super) fn mapping(&self, own: Option<&Vec<RuleConfig>>) -> Result<Mapping, String> {
        let rules = own.unwrap_or(&self.map).iter().map(|rule| {
            Ok(match rule {
                RuleConfig::Identical => Rule::Identical,
                RuleConfig::Email => Rule::Email,
                RuleConfig::StripSuffix(suffix) => Rule::StripSuffix(suffix.clone()),
                RuleConfig::Regex { pattern, username } => {
                    Rule::Regex(regex(pattern)?, username.clone())
                }
                RuleConfig::Csv(path) => Rule::Table(usernames(path)?),
            })
        });
        Ok(Mapping {
            rules: rules.collect::<Result<_, String>>()?,
            case: self.username_case,
        })
    }
}

/// A regular expression for a whole id.
fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|e| {
        let why = e.to_string().replace('\n', " ");
        format!("\"{pattern}\" is no regular expression: {why}")
    })
}

/// A table of ids and usernames.
fn usernames(path: &Path) -> Result<HashMap<String, String>, String> {
    let table = table::read(path, &["id", "username"])?;
    let mut found = HashMap::new();
    for (line, row) in table {
        let [Some(id), Some(username)] = [&row[0], &row[1]] else {
            return Err(format!(
                "{}, line {line}: a value is missing",
                path.display()
            ));
        };
        if !is_username(username) {
            return Err(format!(
                "{}, line {line}: \"{username}\" cannot be a username in Pod",
                path.display()
            ));
        }
        if found
            .insert(id.clone(), username.clone())
            .is_some_and(|other| other != *username)
        {
            return Err(format!(
                "{}, line {line}: {id} is there twice",
                path.display()
            ));
        }
    }
    Ok(found)
}

/// Names that become part of statements are letters, digits and underscores.
fn identifier(key: &str, name: &str, value: &str, may_be_empty: bool) -> Result<(), Problem> {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && (may_be_empty || !value.is_empty()) {
        return Ok(());
    }
    let why = format!("\"{value}\" must be letters, digits and _");
    Err((format!("{key}.{name}"), why))
}

/// A server's name for comparing.
pub(super) fn host(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}

fn mdl() -> String {
    "mdl_".into()
}

fn public() -> String {
    "public".into()
}
