//! One Moodle's database: the few statements that are sent to it, all of them reads.

use tokio::sync::OnceCell;

use super::rules;
use crate::database::{Database, DatabaseError, Layout, Row, Value, marks};
use crate::owners::OwnersError;
use crate::owners::accounts::Memory;
use crate::owners::config::{MoodleDatabase, OwnersConfig, host};
use crate::owners::mapping::{Mapping, Person};

const READING: &str = "reading Moodle's database";
/// Most ids in one statement.
const MOST_IDS: usize = 500;

/// One Moodle.
#[derive(Debug)]
pub(super) struct Site {
    /// Its name in the settings.
    pub(super) name: String,
    /// Its names in `bbb-origin-server-name`.
    pub(super) servers: Vec<String>,
    pub(super) mapping: Mapping,
    database: Database,
    schema: String,
    prefix: String,
    before: String,
    moderator_default: Option<String>,
    admins: Option<Vec<i64>>,
    layout: OnceCell<Layout>,
    settings: Memory<(), SiteSettings>,
}

/// What Moodle's own settings say.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteSettings {
    /// Who moderates where an activity does not say it.
    pub(super) moderator_default: Option<String>,
    /// The site's administrators.
    pub(super) admins: Vec<i64>,
}

/// A row of the activity's recordings.
#[derive(Clone, Debug)]
pub(super) struct RecordingRow {
    pub(super) activity: i64,
    pub(super) course: i64,
    pub(super) imported: bool,
    pub(super) status: i64,
}

/// An activity.
#[derive(Clone, Debug)]
pub(super) struct ActivityRow {
    pub(super) id: i64,
    pub(super) course: i64,
    pub(super) meeting_id: String,
    pub(super) participants: Option<String>,
}

/// Somebody who did something in an activity.
#[derive(Clone, Debug)]
pub(super) struct LogRow {
    pub(super) user: i64,
    pub(super) meeting_id: String,
}

/// Somebody with a role.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) user: i64,
    pub(super) role: i64,
    pub(super) shortname: String,
}

/// A Moodle user.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) deleted: bool,
    pub(super) suspended: bool,
    pub(super) email: String,
    first_name: String,
    last_name: String,
}

impl User {
    pub(super) fn shown(&self) -> String {
        format!("Moodle user {} ({})", self.id, self.username)
    }

    pub(super) fn person(&self) -> Person {
        Person {
            shown: self.shown(),
            ids: vec![self.username.clone()],
            email: Some(self.email.clone()).filter(|email| !email.is_empty()),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            may_be_created: true,
        }
    }
}

impl Site {
    pub(super) fn new(
        name: &str,
        config: &MoodleDatabase,
        all: &OwnersConfig,
    ) -> Result<Site, OwnersError> {
        let database = config.database().open()?;
        let schema = match database.dialect() {
            crate::database::Dialect::MySql => String::new(),
            crate::database::Dialect::Postgres => format!("{}.", config.schema),
        };
        Ok(Site {
            name: name.to_owned(),
            servers: config.servers.iter().map(|server| host(server)).collect(),
            mapping: all
                .mapping(config.map.as_ref())
                .map_err(OwnersError::File)?,
            database,
            before: format!("{schema}{}", config.prefix),
            schema: config.schema.clone(),
            prefix: config.prefix.clone(),
            moderator_default: config.participant_moderator_default.clone(),
            admins: config.site_admins.clone(),
            layout: OnceCell::new(),
            settings: Memory::default(),
        })
    }

    /// How many statements it has been sent.
    pub(super) fn asked(&self) -> u64 {
        self.database.asked()
    }

    /// Its address, without the password.
    pub(super) fn address(&self) -> &str {
        self.database.name()
    }

    /// What of it can be seen; what must be and cannot is an error that names it.
    pub(super) async fn layout(&self) -> Result<&Layout, OwnersError> {
        let look = async || {
            const MUST: [(&str, &[&str]); 8] = [
                (
                    "user",
                    &[
                        "id",
                        "username",
                        "deleted",
                        "suspended",
                        "email",
                        "firstname",
                        "lastname",
                    ],
                ),
                (
                    "bigbluebuttonbn",
                    &["id", "course", "meetingid", "participants"],
                ),
                (
                    "bigbluebuttonbn_logs",
                    &[
                        "id",
                        "courseid",
                        "bigbluebuttonbnid",
                        "userid",
                        "timecreated",
                        "meetingid",
                        "log",
                    ],
                ),
                ("context", &["id", "contextlevel", "instanceid", "path"]),
                ("course_modules", &["id", "module", "instance"]),
                ("modules", &["id", "name"]),
                ("role", &["id", "shortname"]),
                ("role_assignments", &["id", "roleid", "contextid", "userid"]),
            ];
            const MAY: [&str; 3] = ["bigbluebuttonbn_recordings", "config", "config_plugins"];
            let names = MUST.iter().map(|(table, _)| *table).chain(MAY);
            let tables: Vec<_> = names
                .map(|table| format!("{}{table}", self.prefix))
                .collect();
            let layout = Layout::look(&self.database, &self.schema, &tables).await?;
            for (table, columns) in MUST {
                layout
                    .has(&format!("{}{table}", self.prefix), columns)
                    .map_err(|why| DatabaseError::Schema {
                        database: self.database.name().to_owned(),
                        why,
                    })?;
            }
            Ok::<_, OwnersError>(layout)
        };
        self.layout.get_or_try_init(look).await
    }

    /// Whether the plugin keeps recordings (3.0 and newer), as far as the account sees.
    pub(super) async fn keeps_recordings(&self) -> Result<bool, OwnersError> {
        let columns = [
            "bigbluebuttonbnid",
            "courseid",
            "recordingid",
            "imported",
            "status",
        ];
        self.sees("bigbluebuttonbn_recordings", &columns).await
    }

    async fn sees(&self, table: &str, columns: &[&str]) -> Result<bool, OwnersError> {
        let layout = self.layout().await?;
        Ok(layout
            .has(&format!("{}{table}", self.prefix), columns)
            .is_ok())
    }

    async fn rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, OwnersError> {
        self.layout().await?;
        let sql = sql.replace("{}", &self.before);
        Ok(self.database.rows(READING, &sql, values).await?)
    }

    /// What the site's settings say, theirs or ours.
    pub(super) async fn settings(&self) -> Result<SiteSettings, OwnersError> {
        if let Some(known) = self.settings.get(&()) {
            return Ok(known);
        }
        let mut found = SiteSettings {
            moderator_default: self.moderator_default.clone(),
            admins: self.admins.clone().unwrap_or_default(),
        };
        let ask_default = found.moderator_default.is_none();
        if self.sees("config", &["name", "value"]).await? {
            let sql = "SELECT name, value FROM {}config
                 WHERE name IN ('siteadmins', 'bigbluebuttonbn_participant_moderator_default')";
            for row in self.rows(sql, &[]).await? {
                match &row[..] {
                    [Some(name), Some(value)] if name == "siteadmins" && self.admins.is_none() => {
                        let ids = value.split(',').map(str::trim);
                        found.admins = ids.filter_map(rules::number).collect();
                    }
                    [Some(name), Some(value)] if name != "siteadmins" && ask_default => {
                        found.moderator_default = Some(value.clone());
                    }
                    _ => {}
                }
            }
        }
        if ask_default
            && self
                .sees("config_plugins", &["plugin", "name", "value"])
                .await?
        {
            let sql = "SELECT value FROM {}config_plugins
                 WHERE plugin = 'mod_bigbluebuttonbn' AND name = 'participant_moderator_default'";
            let mut rows = self.rows(sql, &[]).await?;
            if let Some(value) = rows.pop().and_then(|row| row.into_iter().next().flatten()) {
                found.moderator_default = Some(value);
            }
        }
        self.settings.put((), found.clone());
        Ok(found)
    }

    pub(super) async fn recordings(
        &self,
        record_id: &str,
    ) -> Result<Vec<RecordingRow>, OwnersError> {
        let sql = "SELECT recordingid, bigbluebuttonbnid, courseid, imported, status
             FROM {}bigbluebuttonbn_recordings WHERE recordingid = ? ORDER BY id";
        let rows = self.rows(sql, &[Value::Text(record_id)]).await?;
        let row = |row: Row| {
            let [id, activity, course, imported, status] = row.try_into().ok()?;
            // The database may compare without case, or without spaces at the end.
            (id? == record_id).then_some(())?;
            Some(RecordingRow {
                activity: number(activity)?,
                course: number(course)?,
                imported: number(imported)? != 0,
                status: number(status)?,
            })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    pub(super) async fn activity(&self, id: i64) -> Result<Option<ActivityRow>, OwnersError> {
        let sql = "SELECT id, course, meetingid, participants FROM {}bigbluebuttonbn WHERE id = ?";
        let rows = self.rows(sql, &[Value::Number(id)]).await?;
        let row = |row: Row| {
            let [id, course, meeting_id, participants] = row.try_into().ok()?;
            Some(ActivityRow {
                id: number(id)?,
                course: number(course)?,
                meeting_id: meeting_id?,
                participants,
            })
        };
        Ok(rows.into_iter().find_map(row))
    }

    /// Who added an activity, by the rows that stay when it is deleted.
    pub(super) async fn added(
        &self,
        activity: i64,
        course: i64,
    ) -> Result<Vec<LogRow>, OwnersError> {
        let sql = "SELECT userid, meetingid FROM {}bigbluebuttonbn_logs
             WHERE courseid = ? AND bigbluebuttonbnid = ? AND log = 'Add' ORDER BY id";
        self.logs(sql, &[Value::Number(course), Value::Number(activity)])
            .await
    }

    /// Who joined (or, with old plugins, began) meetings of an activity in a span of time, in order.
    pub(super) async fn joined(
        &self,
        activity: &ActivityRow,
        from: i64,
        to: i64,
    ) -> Result<Vec<LogRow>, OwnersError> {
        let sql = "SELECT userid, meetingid FROM {}bigbluebuttonbn_logs
             WHERE courseid = ? AND bigbluebuttonbnid = ? AND log IN ('Join', 'Create')
             AND timecreated >= ? AND timecreated <= ? ORDER BY timecreated, id";
        let values = [activity.course, activity.id, from, to].map(Value::Number);
        self.logs(sql, &values).await
    }

    async fn logs(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<LogRow>, OwnersError> {
        let row = |row: Row| {
            let [user, meeting_id] = row.try_into().ok()?;
            Some(LogRow {
                user: number(user)?,
                meeting_id: meeting_id?,
            })
        };
        Ok(self
            .rows(sql, values)
            .await?
            .into_iter()
            .filter_map(row)
            .collect())
    }

    /// The contexts at which roles count for an activity: its course, all that lies above, itself.
    pub(super) async fn contexts(&self, activity: &ActivityRow) -> Result<Vec<i64>, OwnersError> {
        let sql = "SELECT id, path FROM {}context WHERE (contextlevel = 50 AND instanceid = ?)
             OR (contextlevel = 70 AND instanceid IN (
                 SELECT cm.id FROM {}course_modules cm JOIN {}modules m ON m.id = cm.module
                 WHERE m.name = 'bigbluebuttonbn' AND cm.instance = ?))";
        let values = [Value::Number(activity.course), Value::Number(activity.id)];
        let mut found = Vec::new();
        for row in self.rows(sql, &values).await? {
            if let [Some(id), path] = &row[..]
                && let Ok(id) = id.parse()
            {
                found.extend(rules::contexts(id, path.as_deref()));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Who holds one of these roles at these contexts.
    pub(super) async fn holders(
        &self,
        contexts: &[i64],
        wanted: &rules::Rules,
    ) -> Result<Vec<Holder>, OwnersError> {
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        for role in &wanted.roles {
            match role {
                rules::Role::Id(id) => ids.push(Value::Number(*id)),
                rules::Role::Shortname(name) => names.push(Value::Text(name)),
            }
        }
        if contexts.is_empty() || (ids.is_empty() && names.is_empty()) {
            return Ok(Vec::new());
        }
        // Lists are never empty in SQL; no role has the id 0 or no name.
        ids.push(Value::Number(0));
        names.push(Value::Text(""));
        let sql = format!(
            "SELECT ra.userid, r.id, r.shortname FROM {{}}role_assignments ra
             JOIN {{}}role r ON r.id = ra.roleid
             WHERE ra.contextid IN ({}) AND (r.id IN ({}) OR r.shortname IN ({})) ORDER BY ra.id",
            marks(contexts.len()),
            marks(ids.len()),
            marks(names.len())
        );
        let mut values: Vec<_> = contexts.iter().map(|id| Value::Number(*id)).collect();
        values.extend(ids);
        values.extend(names);
        let row = |row: Row| {
            let [user, role, shortname] = row.try_into().ok()?;
            Some(Holder {
                user: number(user)?,
                role: number(role)?,
                shortname: shortname?,
            })
        };
        let rows = self.rows(&sql, &values).await?;
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// These users, in the order of their ids in `ids`.
    pub(super) async fn users(&self, ids: &[i64]) -> Result<Vec<User>, OwnersError> {
        let mut found = Vec::new();
        for some in ids.chunks(MOST_IDS) {
            let condition = format!("id IN ({})", marks(some.len()));
            let values: Vec<_> = some.iter().map(|id| Value::Number(*id)).collect();
            found.extend(self.users_where(&condition, &values).await?);
        }
        found.sort_by_key(|user: &User| ids.iter().position(|id| *id == user.id));
        Ok(found)
    }

    /// Users of exactly this name.
    pub(super) async fn users_named(&self, name: &str) -> Result<Vec<User>, OwnersError> {
        let mut found = self
            .users_where("username = ?", &[Value::Text(name)])
            .await?;
        found.retain(|user| user.username == name);
        Ok(found)
    }

    async fn users_where(
        &self,
        condition: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<User>, OwnersError> {
        let sql = format!(
            "SELECT id, username, deleted, suspended, email, firstname, lastname FROM {{}}user
             WHERE {condition}"
        );
        let row = |row: Row| {
            let [
                id,
                username,
                deleted,
                suspended,
                email,
                first_name,
                last_name,
            ] = row.try_into().ok()?;
            Some(User {
                id: number(id)?,
                username: username?,
                deleted: number(deleted)? != 0,
                suspended: number(suspended)? != 0,
                email: email.unwrap_or_default(),
                first_name: first_name.unwrap_or_default(),
                last_name: last_name.unwrap_or_default(),
            })
        };
        let rows = self.rows(&sql, values).await?;
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// Whether it is known who administers the site.
    pub(super) async fn tells_admins(&self) -> Result<bool, OwnersError> {
        Ok(self.admins.is_some() || self.sees("config", &["name", "value"]).await?)
    }
}

fn number(cell: Option<String>) -> Option<i64> {
    cell?.parse().ok()
}
