//! The `destination` section of the settings.

mod encoding;
mod external;
mod recording;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::recording::settings::DurationText;
use jiff::tz::TimeZone;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use self::encoding::{EncodingConfig, Window};
pub(crate) use self::external::{ExternalConfig, Link, When};
pub(crate) use self::recording::{ApiConfig, RecordingConfig};
use super::PodError;
use super::directory::name::{NAME_MIN, PATH_MAX};
use crate::attachments::Wanted;
use crate::database::DatabaseConfig;

/// Which destination, and its settings.
#[derive(Clone, Debug)]
pub(crate) enum DestinationConfig {
    /// `kind: directory`
    Directory(DirectoryConfig),
    /// `kind: upload`
    Upload(Box<UploadConfig>),
    /// `kind: external`
    External(ExternalConfig),
    /// `kind: recording`
    Recording(RecordingConfig),
    /// `kind: csv`
    Csv(CsvConfig),
}

/// The claim directory of a Pod recorder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
    /// Who makes the row that shows a file on the claim page.
    #[serde(default)]
    pub(crate) claim_row: ClaimRow,
    /// For rows made here: the recorder, by its id or name.
    #[serde(default)]
    pub(crate) recorder: Option<Chosen>,
    /// For `claim_row: rest`: the site's address.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// For `claim_row: rest`: file with the API token of a staff user, and nothing else.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// For `claim_row: sql`: Pod's database.
    #[serde(default)]
    pub(crate) database: Option<DatabaseConfig>,
}

/// Who makes the row that shows a file on the claim page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClaimRow {
    /// Pod's cron, in two passes.
    #[default]
    Cron,
    /// The receiver, by Pod's API: shows after one pass of the cron.
    Rest,
    /// The receiver, in Pod's database: shows at once.
    Sql,
}

/// A list of the recordings, instead of anything in Pod.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CsvConfig {
    /// The file that lines are added to.
    pub(crate) file: PathBuf,
}

/// Pod's REST API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadConfig {
    /// The site's address.
    pub(crate) url: String,
    /// File with the API token of a staff user, and nothing else.
    pub(crate) token_file: PathBuf,
    /// Type of the videos: its title or its id.
    #[serde(rename = "type")]
    pub(crate) video_type: Chosen,
    /// Site of the videos: its id, name or domain. Not needed when Pod has only one.
    #[serde(default)]
    pub(crate) site: Option<Chosen>,
    /// Username of who owns what has no known owner.
    pub(crate) default_owner: String,
    /// Usernames who own every video too.
    #[serde(default)]
    pub(crate) additional_owners: Vec<String>,
    /// Disciplines of every video.
    #[serde(default)]
    pub(crate) discipline: Vec<Chosen>,
    /// Channels of every video.
    #[serde(default)]
    pub(crate) channel: Vec<Chosen>,
    /// Licence, as Pod abbreviates it (`by-nc-sa`).
    #[serde(default)]
    pub(crate) licence: Option<String>,
    /// Two letters of the language spoken, when the recording does not tell it.
    #[serde(default)]
    pub(crate) main_lang: Option<String>,
    /// University course (`0`, `L`, `M`, `D`, `1`).
    #[serde(default)]
    pub(crate) cursus: Option<String>,
    /// Whether only those who are logged in may see the videos.
    #[serde(default)]
    pub(crate) restricted: bool,
    /// Groups who alone may see the videos.
    #[serde(default)]
    pub(crate) groups: Vec<Chosen>,
    /// File with a password that every video gets. Pod keeps and shows it in clear.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// Whether viewers may download the videos.
    #[serde(default)]
    pub(crate) allow_downloading: bool,
    /// Whether viewers may not comment on the videos.
    #[serde(default)]
    pub(crate) disable_comment: bool,
    /// Whether a video stops being a draft once Pod has encoded it.
    #[serde(default)]
    pub(crate) publish: bool,
    /// Whether meta keys `pod-*` of a meeting take precedence over these settings.
    #[serde(default = "yes")]
    pub(crate) follow_meta: bool,
    /// The site's LANGUAGE_CODE. It decides which translation of a title is written and searched.
    #[serde(default = "french")]
    pub(crate) accept_language: String,
    /// Time zone of the day of the recording (`Europe/Paris`); this machine's when not given.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    /// Whether Pod starts encoding at once; else somebody has to in Pod.
    #[serde(default = "yes")]
    pub(crate) launch_encoding: bool,
    /// How many encodings at once, and when.
    #[serde(default)]
    pub(crate) encoding: EncodingConfig,
    /// What a republished recording does to the video that is there already.
    #[serde(default)]
    pub(crate) on_republish: Republish,
    /// What is attached to the video.
    #[serde(default)]
    pub(crate) attach: Wanted,
    /// How long connecting may take.
    #[serde(default = "seconds::<10>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) connect_timeout: Duration,
    /// How long Pod may take to answer a question.
    #[serde(default = "seconds::<120>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) timeout: Duration,
    /// How long an upload may take.
    #[serde(default = "seconds::<7200>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) write_timeout: Duration,
    /// How long after a lost connection Pod may still be making the video out of what it has
    /// received; until then it is not sent again.
    #[serde(default = "seconds::<30>", deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) settle_time: Duration,
}

/// Something in Pod, chosen by its id or by its title.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Chosen {
    /// By id.
    Id(u64),
    /// By title.
    Title(String),
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Chosen::Id(id) => write!(f, "{id}"),
            Chosen::Title(title) => write!(f, "\"{title}\""),
        }
    }
}

/// What happens when a recording that Pod has already comes again with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Republish {
    /// The new content takes the place of the old, where Pod allows it.
    #[default]
    Replace,
    /// Pod keeps what it has.
    Keep,
    /// The new content becomes another video beside the old one.
    New,
}

impl DestinationConfig {
    /// How to speak with Pod's API, when the settings say it.
    pub(crate) fn api(&self) -> Option<ApiConfig> {
        match self {
            DestinationConfig::Upload(config) => Some(config.api()),
            DestinationConfig::Recording(config) => Some(config.api()),
            DestinationConfig::Directory(config) => config.api(),
            DestinationConfig::External(_) | DestinationConfig::Csv(_) => None,
        }
    }

    /// Pod's own database, when the settings have it.
    pub(crate) fn database(&self) -> Option<&DatabaseConfig> {
        match self {
            DestinationConfig::External(config) => Some(&config.database),
            _ => None,
        }
    }

    /// Checks what goes beyond the types of the values, without touching files or network.
    ///
    /// # Errors
    /// The key (below `destination`) of the first value that cannot be used, and why.
    pub(crate) fn validate(&self) -> Result<(), (&'static str, String)> {
        match self {
            DestinationConfig::Directory(config) => config.validate(),
            DestinationConfig::Upload(config) => config.validate(),
            DestinationConfig::External(config) => config.validate(),
            DestinationConfig::Recording(config) => config.validate(),
            DestinationConfig::Csv(config) => {
                if config.file.is_absolute() && config.file.file_name().is_some() {
                    Ok(())
                } else {
                    problem("file", "must be an absolute path")
                }
            }
        }
    }

    /// Whether it gives away addresses of this receiver, so that `public_url` is needed.
    pub(crate) fn links_here(&self) -> bool {
        matches!(self, DestinationConfig::External(config) if config.link == Link::Video)
    }

    /// Pod's address, where the destination has it.
    pub(crate) fn pod_url(&self) -> Option<String> {
        match self {
            DestinationConfig::Upload(config) => Some(config.url.clone()),
            _ => None,
        }
    }
}

impl DirectoryConfig {
    /// Characters that remain for a file's name in the path that Pod stores.
    pub(super) fn room(&self) -> usize {
        let slash = 1;
        PATH_MAX.saturating_sub(self.seen().chars().count() + slash)
    }

    /// The directory as Pod sees it, without a slash at its end.
    pub(super) fn seen(&self) -> String {
        let seen = match &self.pod_directory {
            Some(directory) => directory.into(),
            None => self.directory.to_string_lossy(),
        };
        seen.trim_end_matches('/').to_owned()
    }

    /// How rows are made by Pod's API, when address and token are given.
    pub(super) fn api(&self) -> Option<ApiConfig> {
        Some(ApiConfig {
            url: self.url.clone()?,
            token_file: self.token_file.clone()?,
            accept_language: french(),
            connect_timeout: seconds::<10>(),
            timeout: seconds::<120>(),
            write_timeout: seconds::<120>(),
        })
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
        let needed = match self.claim_row {
            ClaimRow::Cron => None,
            _ if self.recorder.is_none() => Some("recorder"),
            ClaimRow::Rest if self.url.is_none() => Some("url"),
            ClaimRow::Rest if self.token_file.is_none() => Some("token_file"),
            ClaimRow::Sql if self.database.is_none() => Some("database"),
            _ => None,
        };
        if let Some(key) = needed {
            return problem(key, "is needed for claim_row rest or sql");
        }
        if let Some(url) = &self.url {
            key_and_why(base_url(url))?;
        }
        if let Some(database) = &self.database
            && let Err(why) = database.validate()
        {
            return problem("database.url", why);
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
        key_and_why(timezone(self.timezone.as_deref()))
    }
}

/// A site's address with a slash at its end.
fn base_url(text: &str) -> Result<Url, PodError> {
    let wrong = |why: String| PodError::Settings { key: "url", why };
    let mut url = Url::parse(text)
        .map_err(|e| wrong(format!("{e}; write it like https://pod.univ.example")))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return Err(wrong("must be like https://pod.univ.example".into()));
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/rest") {
        return Err(wrong("leave out /rest, bbb2pod adds it".into()));
    }
    url.set_path(&format!("{path}/"));
    Ok(url)
}

impl UploadConfig {
    /// How to speak with Pod's API.
    pub(super) fn api(&self) -> ApiConfig {
        ApiConfig {
            url: self.url.clone(),
            token_file: self.token_file.clone(),
            accept_language: self.accept_language.clone(),
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            write_timeout: self.write_timeout,
        }
    }

    /// The password in the password file.
    pub(super) fn password(&self) -> Result<Option<String>, PodError> {
        self.password_file
            .as_deref()
            .map(|path| secret("password_file", path))
            .transpose()
    }

    fn validate(&self) -> Result<(), (&'static str, String)> {
        key_and_why(base_url(&self.url))?;
        if self.encoding.at_once == 0 {
            return problem(
                "encoding.at_once",
                "must be at least 1; launch_encoding: false launches none",
            );
        }
        if self.default_owner.is_empty() {
            return problem("default_owner", "must be a username in Pod");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.accept_language.is_empty() || !self.accept_language.chars().all(plain) {
            return problem("accept_language", "must be one language, like fr or en");
        }
        for (key, title) in [
            ("type", Some(&self.video_type)),
            ("site", self.site.as_ref()),
        ] {
            if title == Some(&Chosen::Title(String::new())) {
                return problem(key, "must be a title or an id");
            }
        }
        key_and_why(timezone(self.timezone.as_deref()))
    }
}

fn secret(key: &'static str, path: &Path) -> Result<String, PodError> {
    let wrong = |why: String| PodError::Settings { key, why };
    let secret = ::recording::settings::secret(path).map_err(wrong)?;
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong(format!(
            "{}: must hold one word and nothing else",
            path.display()
        )));
    }
    Ok(secret)
}

fn key_and_why<T>(outcome: Result<T, PodError>) -> Result<(), (&'static str, String)> {
    match outcome {
        Err(PodError::Settings { key, why }) => problem(key, why),
        _ => Ok(()),
    }
}

fn french() -> String {
    "fr".into()
}

fn yes() -> bool {
    true
}

fn seconds<const N: u64>() -> Duration {
    Duration::from_secs(N)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|e| serde::de::Error::custom(format!("\"{text}\": {e}; write 90s, 12h or 7d")))
}

/// The time zone of that name, or this machine's.
pub(crate) fn timezone(name: Option<&str>) -> Result<TimeZone, PodError> {
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
            Some("directory" | "claim") => inner(keys).map(DestinationConfig::Directory),
            Some("recording") => inner(keys).map(DestinationConfig::Recording),
            Some("upload") => inner(keys).map(|config| DestinationConfig::Upload(Box::new(config))),
            Some("external") => inner(keys).map(DestinationConfig::External),
            Some("csv") => inner(keys).map(DestinationConfig::Csv),
            _ => Err(D::Error::custom(format!(
                "kind: {kind} is not a kind of destination; write directory (or claim), upload, recording, external or csv"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<DestinationConfig, String> {
        let config: DestinationConfig = serde_yaml::from_str(yaml).map_err(|e| e.to_string())?;
        match config.validate() {
            Ok(()) => Ok(config),
            Err((key, why)) => Err(format!("{key}: {why}")),
        }
    }

    const UPLOAD: &str = "kind: upload\nurl: https://pod.univ.example\n\
                          token_file: /etc/bbb2pod/pod-token\ntype: Cours\ndefault_owner: admin\n";

    #[test]
    fn few_keys_are_needed() {
        let Ok(DestinationConfig::Upload(config)) = read(UPLOAD) else {
            panic!("{:?}", read(UPLOAD))
        };
        assert_eq!(config.video_type, Chosen::Title("Cours".into()));
        assert!(config.launch_encoding);
        assert_eq!(
            config.api().base_url().unwrap().as_str(),
            "https://pod.univ.example/"
        );
        read("{kind: directory, directory: /srv/pod/ftp/bbbclaim}").unwrap();
    }

    #[test]
    fn addresses_below_a_path_keep_it() {
        let yaml = UPLOAD.replace("pod.univ.example", "univ.example/pod/");
        let Ok(DestinationConfig::Upload(config)) = read(&yaml) else {
            panic!("{:?}", read(&yaml))
        };
        assert_eq!(
            config.api().base_url().unwrap().as_str(),
            "https://univ.example/pod/"
        );
    }

    #[test]
    fn errors_name_the_key() {
        let long = format!("{{kind: directory, directory: /srv/{}}}", "x".repeat(60));
        let add = |line: &str| format!("{UPLOAD}{line}\n");
        for (yaml, words) in [
            ("directory: /srv", "kind"),
            ("kind: pigeon", "kind: \"pigeon\""),
            (
                "{kind: directory, directory: srv}",
                "directory: must be an absolute path",
            ),
            (
                "{kind: directory, directory: /srv, prefx: x}",
                "unknown field `prefx`",
            ),
            (long.as_str(), "give that as pod_directory"),
            (&add("timezone: Mars/Base"), "timezone: "),
            (&add("write_timeout: soon"), "write_timeout: \"soon\""),
            (&add("launch_encoding: 3"), "launch_encoding: invalid type"),
            (
                &add("on_republish: double"),
                "on_republish: unknown variant",
            ),
            (&add("accept_language: 'fr, en'"), "accept_language: "),
            (&add("site: ''"), "site: must be"),
            (&UPLOAD.replace("https", "ftp"), "url: "),
            (
                &UPLOAD.replace("example", "example/rest/"),
                "url: leave out /rest",
            ),
            (&UPLOAD.replace("//", "//user:password@"), "url: "),
            (&UPLOAD.replace("default_owner: admin", ""), "default_owner"),
        ] {
            let said = read(yaml).unwrap_err();
            assert!(said.contains(words), "{yaml}: {said}");
        }
    }
}
