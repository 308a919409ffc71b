//! Greenlight 2 and 3: the room that a recording was made in, its owner, and with whom he shares it.

use tokio::sync::OnceCell;

use super::accounts::Account;
use super::config::{GreenlightConfig, GreenlightDatabase, OwnersConfig, host};
use super::mapping::{Mapping, Person};
use super::reason::Trace;
use super::subject::Frontend;
use super::{OwnersError, Resolver, Subject, Verdict};
use crate::database::{Database, DatabaseError, Dialect, Layout, Row, Value};
use crate::pod::Finding;

const READING: &str = "reading Greenlight's database";

/// All Greenlights.
#[derive(Debug)]
pub(super) struct Greenlight {
    sites: Vec<Site>,
}

/// One Greenlight.
#[derive(Debug)]
struct Site {
    name: String,
    servers: Vec<String>,
    mapping: Mapping,
    database: Database,
    schema: String,
    version: OnceCell<Version>,
}

/// What its tables are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// With the settings of rooms, or without.
    Two { settings: bool },
    /// The same.
    Three { settings: bool },
}

/// A user of Greenlight.
#[derive(Clone, Debug)]
struct User {
    /// Usernames, or what may lead to one.
    ids: Vec<String>,
    name: String,
    email: Option<String>,
    deleted: bool,
}

impl User {
    fn person(&self, what: &str) -> Person {
        let (first_name, last_name) = self.name.split_once(' ').unwrap_or(("", &self.name));
        Person {
            shown: format!("{what} ({})", self.name),
            ids: self.ids.clone(),
            email: self.email.clone(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            may_be_created: true,
        }
    }
}

impl Greenlight {
    /// `None` when the settings name no database.
    pub(super) fn new(
        config: &GreenlightConfig,
        all: &OwnersConfig,
    ) -> Result<Option<Greenlight>, OwnersError> {
        if config.databases.is_empty() {
            return Ok(None);
        }
        let sites = config.databases.iter();
        let sites = sites.map(|(name, database)| Site::new(name, database, all));
        Ok(Some(Greenlight {
            sites: sites.collect::<Result<_, _>>()?,
        }))
    }

    /// How many statements all of them have been sent.
    pub(super) fn asked(&self) -> u64 {
        self.sites.iter().map(|site| site.database.asked()).sum()
    }

    pub(super) async fn find(
        &self,
        subject: &Subject,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        if !matches!(subject.frontend, Frontend::Greenlight | Frontend::Unknown) {
            trace.note("the meeting was not held in Greenlight");
            return Ok(Verdict::Nobody);
        }
        let Some(external) = &subject.external_id else {
            trace.rejected("the recording does not say which meeting it is of");
            return Ok(Verdict::Nobody);
        };
        let mut hits: Vec<Vec<Account>> = Vec::new();
        for site in self.sites_of(subject) {
            trace.looked(format!("the room of {external} in {}", site.name));
            let found = site.owners(external, resolver, trace).await?;
            if !found.is_empty() && !hits.contains(&found) {
                hits.push(found);
            }
        }
        match &hits[..] {
            [] => Ok(Verdict::Nobody),
            [owners] => Ok(Verdict::of(owners.clone())),
            [first, rest @ ..] => {
                if rest.iter().any(|other| other.first() != first.first()) {
                    trace.rejected("the databases name different owners: two hits are no hit");
                    return Ok(Verdict::Nobody);
                }
                Ok(Verdict::of(hits.concat()))
            }
        }
    }

    fn sites_of(&self, subject: &Subject) -> impl Iterator<Item = &Site> {
        let server = subject.server_name.as_deref().map(host);
        self.sites.iter().filter(move |site| {
            site.servers.is_empty()
                || server
                    .as_ref()
                    .is_none_or(|server| site.servers.contains(server))
        })
    }

    /// Whether the room lets everybody join as a moderator, so that having been one says nothing.
    pub(super) async fn everybody_moderates(
        &self,
        subject: &Subject,
        trace: &mut Trace,
    ) -> Result<bool, OwnersError> {
        let (Frontend::Greenlight, Some(external)) = (&subject.frontend, &subject.external_id)
        else {
            return Ok(false);
        };
        for site in self.sites_of(subject) {
            if site.everybody_moderates(external).await? {
                trace.note(format!(
                    "the room's settings in {}: all join as moderators",
                    site.name
                ));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The user whom Greenlight sent to BBB under this id.
    pub(super) async fn user(
        &self,
        subject: &Subject,
        id: &str,
        trace: &mut Trace,
    ) -> Result<Option<(Person, &Mapping)>, OwnersError> {
        for site in self.sites_of(subject) {
            let sql = match site.version().await? {
                Version::Two { .. } => {
                    "SELECT uid, username, social_uid, name, email, deleted FROM {}users WHERE uid = ?"
                }
                Version::Three { .. } => {
                    "SELECT CAST(id AS text), external_id, NULL, name, email, false FROM {}users
                     WHERE CAST(id AS text) = ?"
                }
            };
            let key = match site.version().await? {
                Version::Two { .. } => id,
                Version::Three { .. } => id.strip_prefix("gl-").unwrap_or(id),
            };
            for row in site.rows(sql, key).await? {
                if row.first() != Some(&Some(key.to_owned())) {
                    continue;
                }
                let Some(user) = user(row.into_iter().skip(1).collect()) else {
                    continue;
                };
                if user.deleted {
                    trace.rejected(format!("moderator {id} is deleted in {}", site.name));
                    continue;
                }
                let person = Person {
                    may_be_created: false,
                    ..user.person(&format!("moderator {id}"))
                };
                return Ok(Some((person, &site.mapping)));
            }
        }
        Ok(None)
    }

    /// Tries every database.
    pub(super) async fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for site in &self.sites {
            let key = format!("owners.greenlight.databases.{}", site.name);
            findings.push(match site.version().await {
                Ok(version) => {
                    let version = match version {
                        Version::Two { .. } => 2,
                        Version::Three { .. } => 3,
                    };
                    let address = site.database.name();
                    Finding::fine(format!("{key}: {address} is Greenlight {version} and can be read"))
                }
                Err(error) => Finding::wrong(
                    format!("{key}: {error}"),
                    "the account needs SELECT on rooms, users and shared_accesses; check url and schema",
                ),
            });
        }
        findings
    }
}

impl Site {
    fn new(
        name: &str,
        config: &GreenlightDatabase,
        all: &OwnersConfig,
    ) -> Result<Site, OwnersError> {
        Ok(Site {
            name: name.to_owned(),
            servers: config.servers.iter().map(|server| host(server)).collect(),
            mapping: all
                .mapping(config.map.as_ref())
                .map_err(OwnersError::File)?,
            database: config.database().open()?,
            schema: config.schema.clone(),
            version: OnceCell::new(),
        })
    }

    async fn version(&self) -> Result<Version, OwnersError> {
        let look = async || {
            let tables = [
                "rooms",
                "users",
                "shared_accesses",
                "meeting_options",
                "room_meeting_options",
                "rooms_configurations",
            ]
            .map(str::to_owned);
            let layout = Layout::look(&self.database, &self.schema, &tables).await?;
            let three = layout.has("rooms", &["meeting_id"]).is_ok();
            let must: [(&str, &[&str]); 3] = match three {
                true => [
                    ("rooms", &["id", "meeting_id", "user_id"]),
                    ("users", &["id", "name", "email", "external_id"]),
                    ("shared_accesses", &["user_id", "room_id"]),
                ],
                false => [
                    ("rooms", &["id", "bbb_id", "user_id"]),
                    (
                        "users",
                        &[
                            "id",
                            "uid",
                            "name",
                            "username",
                            "email",
                            "social_uid",
                            "deleted",
                        ],
                    ),
                    ("shared_accesses", &["user_id", "room_id"]),
                ],
            };
            for (table, columns) in must {
                layout
                    .has(table, columns)
                    .map_err(|why| DatabaseError::Schema {
                        database: self.database.name().to_owned(),
                        why,
                    })?;
            }
            Ok::<_, OwnersError>(match three {
                true => Version::Three {
                    settings: layout.has("meeting_options", &["id", "name"]).is_ok()
                        && layout
                            .has(
                                "room_meeting_options",
                                &["room_id", "meeting_option_id", "value"],
                            )
                            .is_ok()
                        && layout
                            .has("rooms_configurations", &["meeting_option_id", "value"])
                            .is_ok(),
                },
                false => Version::Two {
                    settings: layout.has("rooms", &["room_settings"]).is_ok(),
                },
            })
        };
        self.version.get_or_try_init(look).await.copied()
    }

    async fn rows(&self, sql: &str, value: &str) -> Result<Vec<Row>, OwnersError> {
        let schema = match self.database.dialect() {
            Dialect::MySql => String::new(),
            Dialect::Postgres => format!("{}.", self.schema),
        };
        let sql = sql.replace("{}", &schema);
        Ok(self
            .database
            .rows(READING, &sql, &[Value::Text(value)])
            .await?)
    }

    /// Whether a room, or the site for all rooms, lets everybody join as a moderator.
    async fn everybody_moderates(&self, external: &str) -> Result<bool, OwnersError> {
        let sql = match self.version().await? {
            Version::Two { settings: true } => {
                "SELECT bbb_id, room_settings FROM {}rooms WHERE bbb_id = ?"
            }
            // What the site decides counts before what the room says.
            Version::Three { settings: true } => {
                "SELECT r.meeting_id, COALESCE(
                     (SELECT MAX(c.value) FROM {}rooms_configurations c
                      WHERE c.meeting_option_id = m.id AND c.value IN ('true', 'false')),
                     o.value)
                 FROM {}rooms r JOIN {}room_meeting_options o ON o.room_id = r.id
                 JOIN {}meeting_options m ON m.id = o.meeting_option_id
                 WHERE m.name = 'glAnyoneJoinAsModerator' AND r.meeting_id = ?"
            }
            Version::Two { settings: false } | Version::Three { settings: false } => {
                return Ok(false);
            }
        };
        let rows = self.rows(sql, external).await?;
        Ok(rows.iter().any(|row| match &row[..] {
            [Some(id), Some(value)] if id == external => {
                value == "true"
                    || serde_json::from_str::<serde_json::Value>(value).is_ok_and(|settings| {
                        settings["joinModerator"] == serde_json::Value::Bool(true)
                    })
            }
            _ => false,
        }))
    }

    /// The accounts of a room's owner and of those he shares it with; nobody without the owner.
    async fn owners(
        &self,
        external: &str,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Vec<Account>, OwnersError> {
        // Rooms that have been deleted in version 2 are still there, and still say whose they were.
        let (owner, shared) = match self.version().await? {
            Version::Two { .. } => (
                "SELECT r.bbb_id, u.username, u.social_uid, u.name, u.email, u.deleted
                 FROM {}rooms r JOIN {}users u ON u.id = r.user_id WHERE r.bbb_id = ?",
                "SELECT r.bbb_id, u.username, u.social_uid, u.name, u.email, u.deleted
                 FROM {}rooms r JOIN {}shared_accesses s ON s.room_id = r.id
                 JOIN {}users u ON u.id = s.user_id WHERE r.bbb_id = ? ORDER BY s.id",
            ),
            Version::Three { .. } => (
                "SELECT r.meeting_id, u.external_id, NULL, u.name, u.email, false
                 FROM {}rooms r JOIN {}users u ON u.id = r.user_id WHERE r.meeting_id = ?",
                "SELECT r.meeting_id, u.external_id, NULL, u.name, u.email, false
                 FROM {}rooms r JOIN {}shared_accesses s ON s.room_id = r.id
                 JOIN {}users u ON u.id = s.user_id WHERE r.meeting_id = ? ORDER BY u.name, u.email",
            ),
        };
        let of_room = |rows: Vec<Row>| -> Vec<User> {
            let rows = rows.into_iter();
            rows.filter(|row| row.first() == Some(&Some(external.to_owned())))
                .filter_map(|row| user(row.into_iter().skip(1).collect()))
                .collect()
        };
        let mut found: Vec<Account> = Vec::new();
        for user in of_room(self.rows(owner, external).await?) {
            let person = user.person("the room's owner");
            if user.deleted {
                trace.rejected(format!("{} is deleted", person.shown));
                continue;
            }
            let account = resolver.account(&person, &self.mapping, trace).await?;
            found.extend(account.filter(|account| !found.contains(account)));
        }
        match found.len() {
            0 => {
                trace.rejected("no room of that meeting has an owner whom Pod knows");
                return Ok(Vec::new());
            }
            1 => {}
            _ => {
                trace.rejected("rooms of that meeting have different owners: two hits are no hit");
                return Ok(Vec::new());
            }
        }
        for user in of_room(self.rows(shared, external).await?) {
            let person = user.person("with access to the room");
            if user.deleted {
                trace.rejected(format!("{} is deleted", person.shown));
                continue;
            }
            let account = resolver.account(&person, &self.mapping, trace).await?;
            found.extend(account.filter(|account| !found.contains(account)));
        }
        Ok(found)
    }
}

/// A user, from `username` (or `external_id`), `social_uid`, `name`, `email` and `deleted`.
fn user(row: Row) -> Option<User> {
    let [username, social, name, email, deleted] = row.try_into().ok()?;
    let mut ids: Vec<String> = Vec::new();
    for id in [social, username].into_iter().flatten() {
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(User {
        ids,
        name: name.unwrap_or_default(),
        email: email.filter(|email| !email.is_empty()),
        deleted: deleted.as_deref() == Some("1"),
    })
}
