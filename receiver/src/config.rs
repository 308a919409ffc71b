//! The receiver's settings file, one struct per section; every key is explained in `etc/receiver.yml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use recording::settings::{self, DurationText, SettingsError, SizeText};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serializer};

use crate::film::Convert;
use crate::moodle_message::MessageConfig;
use crate::notify::NotifyConfig;
use crate::owners::OwnersConfig;
use crate::pod::DestinationConfig;
use crate::servers::Server;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the HTTP service listens.
    #[serde(default = "default_listen")]
    #[schemars(with = "String")]
    pub(crate) listen: SocketAddr,
    /// Where nodes, people and Pod reach the service: for the commands on nodes and for links.
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    /// Connections at the same time; further ones wait.
    #[serde(default = "default_connections")]
    pub(crate) max_connections: usize,
    /// The ledger's file.
    #[serde(
        default = "default_database",
        deserialize_with = "sqlite_path",
        serialize_with = "sqlite_url"
    )]
    #[schemars(with = "String")]
    pub(crate) database: PathBuf,
    /// Where packages come in.
    #[serde(default = "default_spool")]
    pub(crate) spool_dir: PathBuf,
    /// Where recordings are kept in BBB's own layout.
    #[serde(default = "default_archive")]
    pub(crate) archive_dir: PathBuf,
    /// Where the MP4 files are.
    #[serde(default = "default_media")]
    pub(crate) media_dir: PathBuf,
    /// Where conversions keep their unfinished pieces.
    #[serde(default = "default_work")]
    pub(crate) work_dir: PathBuf,
    /// Limits on uploads.
    #[serde(default)]
    pub(crate) upload: Upload,
    /// Limits on packages.
    #[serde(default)]
    pub(crate) import: Import,
    /// How presentations become videos.
    #[serde(default)]
    pub(crate) convert: Convert,
    /// Where videos go.
    pub(crate) destination: DestinationConfig,
    /// Servers on which nothing can be installed, by a name of one's choice.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, Server>,
    /// Whose recordings are; not asked when this is not given.
    #[serde(default)]
    pub(crate) owners: Option<OwnersConfig>,
    /// Messages in Moodle.
    #[serde(default)]
    pub(crate) moodle_message: Option<MessageConfig>,
    /// Who is told when somebody is needed; nobody when this is not given.
    #[serde(default)]
    pub(crate) notify: Option<NotifyConfig>,
    /// Where all of this was read, and what stood there.
    #[serde(skip)]
    source: (PathBuf, String),
}

/// Limits on uploads.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Upload {
    /// Largest package taken.
    #[schemars(with = "SizeText")]
    pub(crate) max_size: ByteSize,
    /// Space that uploads leave free on the spool's filesystem.
    #[schemars(with = "SizeText")]
    pub(crate) keep_free: ByteSize,
    /// When an upload that does not go on is forgotten.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) expire_after: Duration,
    /// When a request on which nothing comes is ended.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) stall_timeout: Duration,
    /// Web sites whose pages may upload, as `https://host`; `*` for any.
    pub(crate) cors_origins: Vec<String>,
}

impl Default for Upload {
    fn default() -> Upload {
        Upload {
            max_size: ByteSize::gib(64),
            keep_free: ByteSize::gib(10),
            expire_after: Duration::from_secs(7 * 24 * 3600),
            stall_timeout: Duration::from_secs(120),
            cors_origins: Vec::new(),
        }
    }
}

/// Limits on packages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Import {
    /// Most files in a package.
    pub(crate) max_members: u64,
    /// Largest single file.
    #[schemars(with = "SizeText")]
    pub(crate) max_member_size: ByteSize,
    /// Packages imported at the same time.
    pub(crate) workers: usize,
    /// A file dropped into the spool that has not changed for so long is complete.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "DurationText")]
    pub(crate) settle: Duration,
}

impl Default for Import {
    fn default() -> Import {
        Import {
            max_members: 100_000,
            max_member_size: ByteSize::gib(64),
            workers: 2,
            settle: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// Reads and checks the settings file.
    ///
    /// # Errors
    /// The file cannot be read, or a key or value is wrong; the message names it.
    pub(crate) fn read(path: &Path) -> Result<Config, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.into(),
            source,
        })?;
        Config::from_text(path, &text)
    }

    /// The file that this was read from, and what stood in it.
    pub(crate) fn source(&self) -> (&Path, &str) {
        (&self.source.0, &self.source.1)
    }

    /// Reads and checks what such a file holds; `path` is named in errors.
    ///
    /// # Errors
    /// A key or value is wrong; the message names it.
    pub(crate) fn from_text(path: &Path, text: &str) -> Result<Config, SettingsError> {
        let mut config: Config = settings::from_text(path, text)?;
        config.source = (path.into(), text.to_owned());
        let is_origin = |text: &String| {
            let host = text
                .strip_prefix("https://")
                .or(text.strip_prefix("http://"));
            text == "*"
                || host.is_some_and(|host| {
                    !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && c != '/')
                })
        };
        if let Some(wrong) = config.upload.cors_origins.iter().find(|o| !is_origin(o)) {
            let why = format!(
                "\"{wrong}\" is no origin; write https://host, without a path, or \"*\" for any site"
            );
            return Err(SettingsError::key(path, "upload.cors_origins", why));
        }
        if !(1..=64).contains(&config.import.workers) {
            let why = format!("{} is not between 1 and 64", config.import.workers);
            return Err(SettingsError::key(path, "import.workers", why));
        }
        let folders = [
            ("spool_dir", &config.spool_dir),
            ("archive_dir", &config.archive_dir),
            ("media_dir", &config.media_dir),
            ("work_dir", &config.work_dir),
        ];
        for (index, (key, folder)) in folders.iter().enumerate() {
            if !folder.is_absolute() {
                let why = format!("{} is not an absolute path", folder.display());
                return Err(SettingsError::key(path, key, why));
            }
            if let Some((other, _)) = folders[..index].iter().find(|(_, f)| f == folder) {
                return Err(SettingsError::key(
                    path,
                    key,
                    format!("is the same folder as {other}"),
                ));
            }
        }
        if let Some(url) = &config.public_url
            && !["http://", "https://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            let why = format!("\"{url}\" does not begin with https:// or http://");
            return Err(SettingsError::key(path, "public_url", why));
        }
        if !(16..=65_536).contains(&config.max_connections) {
            let why = format!("{} is not between 16 and 65536", config.max_connections);
            return Err(SettingsError::key(path, "max_connections", why));
        }
        let longest = Duration::from_secs(10 * 366 * 24 * 3600);
        for (key, given) in [
            ("upload.expire_after", config.upload.expire_after),
            ("upload.stall_timeout", config.upload.stall_timeout),
            ("import.settle", config.import.settle),
        ] {
            if !(Duration::from_secs(1)..=longest).contains(&given) {
                return Err(SettingsError::key(
                    path,
                    key,
                    "is not between 1s and ten years",
                ));
            }
        }
        config
            .convert
            .validate()
            .map_err(|(key, why)| SettingsError::key(path, &format!("convert.{key}"), why))?;
        if config.public_url.is_none() && config.destination.links_here() {
            let why = "is needed for links to videos: the address that Pod and people reach this \
                       receiver at, like https://bbb2pod.univ.example";
            return Err(SettingsError::key(path, "public_url", why));
        }
        for (name, server) in &config.servers {
            let key = format!("servers.{name}");
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                let why = "a server's name has letters, digits, dots, - and _ only";
                return Err(SettingsError::key(path, &key, why));
            }
            server
                .validate()
                .map_err(|(sub, why)| SettingsError::key(path, &format!("{key}.{sub}"), why))?;
        }
        if let Some(message) = &config.moodle_message {
            message
                .validate(config.owners.as_ref())
                .map_err(|(key, why)| {
                    SettingsError::key(path, &format!("moodle_message.{key}"), why)
                })?;
        }
        config
            .destination
            .validate()
            .map_err(|(key, why)| SettingsError::key(path, &format!("destination.{key}"), why))?;
        if let Some(notify) = &config.notify {
            notify
                .validate()
                .map_err(|(key, why)| SettingsError::key(path, &format!("notify.{key}"), why))?;
        }
        if let Some(owners) = &config.owners {
            owners
                .validate(config.destination.api().is_some())
                .map_err(|(key, why)| SettingsError::key(path, &format!("owners.{key}"), why))?;
        }
        Ok(config)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8085))
}

fn default_connections() -> usize {
    512
}

fn default_database() -> PathBuf {
    "/var/lib/bbb2pod/ledger.db".into()
}

fn default_spool() -> PathBuf {
    "/var/lib/bbb2pod/spool".into()
}

fn default_archive() -> PathBuf {
    "/var/lib/bbb2pod/archive".into()
}

fn default_media() -> PathBuf {
    "/var/lib/bbb2pod/media".into()
}

fn default_work() -> PathBuf {
    "/var/lib/bbb2pod/work".into()
}

/// How the default is written in the reference of all settings.
fn sqlite_url<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("sqlite://{}", path.display()))
}

fn sqlite_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let url = String::deserialize(deserializer)?;
    let path = url
        .strip_prefix("sqlite://")
        .filter(|path| path.starts_with('/') && path.len() > 1);
    path.map(PathBuf::from).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "\"{url}\" is not of the form sqlite:///absolute/path/ledger.db"
        ))
    })
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|e| serde::de::Error::custom(format!("\"{text}\": {e}; write 90s, 12h or 7d")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        Config::read(file.path()).map_err(|e| e.to_string())
    }

    const MINIMAL: &str = "destination: {kind: directory, directory: /srv/pod/ftp/bbbclaim}\n";

    #[test]
    fn only_the_destination_has_no_default() {
        let config = read(MINIMAL).unwrap();
        assert_eq!(config.listen.port(), 8085);
        assert_eq!(config.upload.max_size, ByteSize::gib(64));
        assert!(read("").unwrap_err().contains("destination"));
    }

    #[test]
    fn values_have_units() {
        let yaml =
            format!("{MINIMAL}upload: {{max_size: 5GiB, keep_free: 0B, expire_after: 12h}}\n");
        let config = read(&yaml).unwrap();
        assert_eq!(config.upload.max_size, ByteSize::gib(5));
        assert_eq!(config.upload.expire_after, Duration::from_secs(12 * 3600));
    }

    #[test]
    fn errors_name_the_key() {
        for (yaml, words) in [
            (
                "spool_dri: /x",
                "unknown key `spool_dri`, did you mean `spool_dir`?",
            ),
            ("upload: {max_size: many}", "upload.max_size: "),
            (
                "upload: {expire_after: later}",
                "upload.expire_after: \"later\"",
            ),
            (
                "database: /var/lib/x.db",
                "database: \"/var/lib/x.db\" is not of the form sqlite://",
            ),
            (
                "convert: {workers: 0}",
                "convert.workers: 0 is not between 1 and 64",
            ),
            (
                "convert: {height: 721}",
                "convert.height: 721 is not an even number",
            ),
            ("listen: here", "listen: "),
            ("max_connections: 2", "max_connections: 2 is not between"),
            ("import: {settle: 0s}", "import.settle: is not between"),
            (
                "public_url: pod.example",
                "public_url: \"pod.example\" does",
            ),
            (
                "spool_dir: spool",
                "spool_dir: spool is not an absolute path",
            ),
            (
                "media_dir: /x\nwork_dir: /x",
                "work_dir: is the same folder as media_dir",
            ),
            (
                "upload: {expire_after: 10000y}",
                "upload.expire_after: is not between",
            ),
        ] {
            let said = read(&format!("{MINIMAL}{yaml}\n")).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
