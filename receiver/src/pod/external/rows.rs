//! The rows themselves: who is who in Pod's database, and the statements that make rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::Wanted;
use crate::database::{Database, DatabaseError, Dialect, Table, Value, shown};
use crate::pod::config::Chosen;
use crate::pod::upload::wording;
use crate::pod::{Finding, Lecture, PodError};

pub(super) const TABLE: &str = "import_video_externalrecording";
const COLUMNS: [&str; 8] = [
    "name",
    "start_at",
    "type",
    "source_url",
    "state",
    "owner_id",
    "site_id",
    "uploaded_to_pod_by_id",
];
/// How long what was learnt of users and tables is believed.
const KNOWN: Duration = Duration::from_secs(600);

const LOOKING: &str = "looking for the user";
const MAKING: &str = "making the rows of external videos";
const READING: &str = "reading the rows of external videos";

/// The rows of a Pod's table.
#[derive(Debug)]
pub(super) struct Rows {
    database: Database,
    site: Option<Chosen>,
    target: Mutex<Option<(Instant, Arc<Target>)>>,
    users: Mutex<HashMap<String, (Instant, User)>>,
}

/// A user of Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) is_staff: bool,
}

/// The table as it is on this site.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) table: Table,
    pub(super) site: i64,
    dialect: Dialect,
    more: Vec<(String, &'static str)>,
}

impl Target {
    /// The statement that makes one row, unless it is there.
    fn insert<'a>(
        &self,
        start: Timestamp,
        wanted: &'a Wanted,
        user: &User,
    ) -> (String, Vec<Value<'a>>) {
        let mut columns = COLUMNS.join(", ");
        let (moment, from) = match self.dialect {
            Dialect::MySql => ("CAST(? AS DATETIME(6))", " FROM DUAL"),
            Dialect::Postgres => ("CAST(? AS timestamptz)", ""),
        };
        let mut values = format!("?, {moment}, ?, ?, NULL, ?, ?, NULL");
        for (column, value) in &self.more {
            // Their names come from the database's own catalogue.
            columns += &format!(", {column}");
            values += &format!(", {value}");
        }
        let sql = format!(
            "INSERT INTO {TABLE} ({columns}) SELECT {values}{from} WHERE NOT EXISTS \
             (SELECT 1 FROM {TABLE} WHERE owner_id = ? AND site_id = ? AND source_url = ?)"
        );
        let bound = vec![
            Value::Text(&wanted.name),
            Value::Moment(start),
            Value::Text(wanted.kind),
            Value::Text(&wanted.url),
            Value::Number(user.id),
            Value::Number(self.site),
            Value::Number(user.id),
            Value::Number(self.site),
            Value::Text(&wanted.url),
        ];
        (sql, bound)
    }

    /// The statement that removes a row made before, unless its owner has imported it.
    fn delete<'a>(&self, url: &'a str, user: &User) -> (String, Vec<Value<'a>>) {
        let sql = format!(
            "DELETE FROM {TABLE} WHERE owner_id = ? AND site_id = ? AND source_url = ? \
             AND uploaded_to_pod_by_id IS NULL"
        );
        let bound = vec![
            Value::Number(user.id),
            Value::Number(self.site),
            Value::Text(url),
        ];
        (sql, bound)
    }

    /// What would be done, as a person would type it.
    pub(super) fn shown(
        &self,
        lecture: &Lecture,
        wanted: &Wanted,
        former: &[User],
        former_url: &str,
        there: &[(i64, i64)],
    ) -> Vec<String> {
        let mut steps = Vec::new();
        for user in former {
            let (sql, values) = self.delete(former_url, user);
            steps.push(shown(self.dialect, &sql, &values));
        }
        for user in &wanted.owners {
            match there.iter().find(|(owner, _)| *owner == user.id) {
                Some((_, id)) => steps.push(format!(
                    "nothing for {}: row {id} of {TABLE} is there",
                    user.name
                )),
                None => {
                    let (sql, values) = self.insert(began(lecture), wanted, user);
                    steps.push(shown(self.dialect, &sql, &values));
                }
            }
        }
        steps
    }
}

impl Rows {
    pub(super) fn new(database: Database, site: Option<Chosen>) -> Rows {
        Rows {
            database,
            site,
            target: Mutex::default(),
            users: Mutex::default(),
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The table and the site, looked at now and then.
    pub(super) async fn target(&self) -> Result<Arc<Target>, PodError> {
        let mut known = self.target.lock().await;
        if let Some((since, target)) = &*known
            && since.elapsed() < KNOWN
        {
            return Ok(Arc::clone(target));
        }
        let table = Table::look(&self.database, TABLE, &COLUMNS).await?;
        let mut named: Vec<&str> = COLUMNS.to_vec();
        named.push("id");
        let more = table.fillers(&named)?;
        for (table, columns) in [
            (
                "auth_user",
                &["id", "username", "is_staff", "is_active"][..],
            ),
            ("django_site", &["id", "domain", "name"][..]),
        ] {
            Table::look(&self.database, table, columns).await?;
        }
        let target = Arc::new(Target {
            site: self.site_id().await?,
            dialect: self.database.dialect(),
            table,
            more,
        });
        *known = Some((Instant::now(), Arc::clone(&target)));
        Ok(target)
    }

    async fn site_id(&self) -> Result<i64, PodError> {
        let sql = "SELECT id, domain, name FROM django_site ORDER BY id";
        let rows = self.database.rows("reading the sites", sql, &[]).await?;
        let sites: Vec<(i64, String, String)> = rows
            .into_iter()
            .filter_map(|row| {
                let mut cells = row.into_iter().map(Option::unwrap_or_default);
                Some((cells.next()?.parse().ok()?, cells.next()?, cells.next()?))
            })
            .collect();
        let fits = |(id, domain, name): &&(i64, String, String)| match &self.site {
            None => true,
            Some(Chosen::Id(wanted)) => i64::try_from(*wanted) == Ok(*id),
            Some(Chosen::Title(wanted)) => {
                wanted == domain || wanted == name || wanted.parse() == Ok(*id)
            }
        };
        let fitting: Vec<_> = sites.iter().filter(fits).collect();
        if let [(id, ..)] = fitting[..] {
            return Ok(*id);
        }
        let names: Vec<_> = sites
            .iter()
            .map(|(id, domain, _)| format!("{id} ({domain})"))
            .collect();
        let what = match &self.site {
            None => "Pod has several sites".to_owned(),
            Some(site) => format!("Pod does not have {site}"),
        };
        Err(PodError::Settings {
            key: "site",
            why: format!(
                "{what}; write one of {}: SITE_ID of Pod's settings",
                names.join(", ")
            ),
        })
    }

    /// The user with exactly this name. MariaDB compares without case and accents, so what it
    /// returns is compared here again.
    pub(super) async fn user(&self, username: &str) -> Result<User, PodError> {
        if let Some((since, user)) = self.users.lock().await.get(username)
            && since.elapsed() < KNOWN
        {
            return Ok(user.clone());
        }
        let sql = "SELECT id, username, CASE WHEN is_staff THEN 1 ELSE 0 END FROM auth_user \
                   WHERE username = ?";
        let rows = self
            .database
            .rows(LOOKING, sql, &[Value::Text(username)])
            .await?;
        let mut near = Vec::new();
        let mut found = Vec::new();
        for row in rows {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let (id, name) = (cells.next(), cells.next().unwrap_or_default());
            let is_staff = cells.next().as_deref() == Some("1");
            let Some(id) = id.and_then(|id| id.parse().ok()) else {
                continue;
            };
            if name == username {
                found.push(User { id, name, is_staff });
            } else {
                near.push(name);
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(user), true) => {
                let known = (Instant::now(), user.clone());
                self.users.lock().await.insert(username.to_owned(), known);
                Ok(user)
            }
            (one, _) => Err(PodError::no_such_owner(username, one.is_some(), &near)),
        }
    }

    /// Makes the rows, and gives the ids of all that are there.
    pub(super) async fn make(
        &self,
        lecture: &Lecture,
        wanted: &Wanted,
        former: &[User],
        former_url: &str,
    ) -> Result<Vec<i64>, PodError> {
        let target = self.target().await?;
        let mut tx = self.database.begin(MAKING).await?;
        if !tx.lock(MAKING).await? {
            return Err(PodError::Busy {
                what: "another transaction on the external videos does not end".into(),
                wait: Duration::from_secs(60),
            });
        }
        let done = async {
            for user in former {
                let (sql, values) = target.delete(former_url, user);
                tx.execute(MAKING, &sql, &values).await?;
            }
            for user in &wanted.owners {
                let (sql, values) = target.insert(began(lecture), wanted, user);
                tx.execute(MAKING, &sql, &values).await?;
            }
            let (sql, values) = there(&target, wanted);
            let rows = tx.rows(READING, &sql, &values).await?;
            Ok::<_, DatabaseError>(rows)
        };
        let rows = done.await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                tx.undo(MAKING).await.ok();
                return Err(error.into());
            }
        };
        let ids = owners_and_ids(rows).into_iter().map(|(_, id)| id).collect();
        tx.commit(MAKING).await?;
        Ok(ids)
    }

    /// Owners and ids of the rows that are there.
    pub(super) async fn there(
        &self,
        target: &Target,
        wanted: &Wanted,
    ) -> Result<Vec<(i64, i64)>, PodError> {
        let (sql, values) = there(target, wanted);
        let rows = self.database.rows(READING, &sql, &values).await?;
        Ok(owners_and_ids(rows))
    }

    /// Names of those who have a row with this address.
    pub(super) async fn owners_of(&self, url: &str) -> Result<BTreeSet<String>, PodError> {
        let target = self.target().await?;
        let sql = format!(
            "SELECT u.username, r.source_url FROM {TABLE} r JOIN auth_user u ON u.id = r.owner_id \
             WHERE r.site_id = ? AND r.source_url = ?"
        );
        let values = [Value::Number(target.site), Value::Text(url)];
        let rows = self.database.rows(READING, &sql, &values).await?;
        // MariaDB compares without case.
        let exactly = rows.into_iter().filter_map(|row| match &row[..] {
            [Some(name), Some(found)] => (found == url).then(|| name.clone()),
            _ => None,
        });
        Ok(exactly.collect())
    }

    /// What can be tried without leaving anything behind: tables, site, owner, and making a row in
    /// a transaction that is undone.
    pub(super) async fn check(&self, default_owner: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let target = match self.target().await {
            Ok(target) => target,
            Err(error) => return vec![error.into()],
        };
        findings.push(Finding::fine(format!(
            "{}: the table {TABLE} is as it should be; site {}",
            self.database.name(),
            target.site
        )));
        let owner = match self.user(default_owner).await {
            Ok(owner) => owner,
            Err(error) => {
                findings.push(Finding::wrong(
                    error.to_string(),
                    "make this user in Pod, or change destination.default_owner",
                ));
                return findings;
            }
        };
        if !owner.is_staff {
            findings.push(Finding::warning(
                format!(
                    "default_owner {default_owner} is not staff in Pod and sees no external videos"
                ),
                "tick \"staff\" for this user in Pod's administration",
            ));
        }
        match self.probe(&target, &owner).await {
            Ok(()) => findings.push(Finding::fine(
                "a row can be made and removed (tried, and undone)",
            )),
            Err(error) => findings.push(Finding::wrong(
                error.to_string(),
                format!(
                    "grant the account SELECT, INSERT and DELETE on {TABLE}, and SELECT on \
                     auth_user and django_site"
                ),
            )),
        }
        findings
    }

    async fn probe(&self, target: &Target, owner: &User) -> Result<(), PodError> {
        const TRYING: &str = "trying to make a row";
        let (name, url) = ("bbb2pod check", "https://bbb2pod.invalid/check");
        let wanted = Wanted {
            name: name.into(),
            kind: "video",
            url: url.into(),
            owners: vec![owner.clone()],
        };
        let mut tx = self.database.begin(TRYING).await?;
        let (sql, values) = target.insert(Timestamp::now(), &wanted, owner);
        tx.execute(TRYING, &sql, &values).await?;
        let (sql, values) = target.delete(url, owner);
        tx.execute(TRYING, &sql, &values).await?;
        Ok(tx.undo(TRYING).await?)
    }
}

fn there<'a>(target: &Target, wanted: &'a Wanted) -> (String, Vec<Value<'a>>) {
    let sql = format!(
        "SELECT owner_id, id FROM {TABLE} WHERE site_id = ? AND source_url = ? AND owner_id IN ({}) \
         ORDER BY id",
        vec!["?"; wanted.owners.len().max(1)].join(", ")
    );
    let mut values = vec![Value::Number(target.site), Value::Text(&wanted.url)];
    values.extend(wanted.owners.iter().map(|user| Value::Number(user.id)));
    if wanted.owners.is_empty() {
        values.push(Value::Number(-1));
    }
    (sql, values)
}

fn owners_and_ids(rows: Vec<crate::database::Row>) -> Vec<(i64, i64)> {
    let number = |cell: &Option<String>| cell.as_ref()?.parse().ok();
    rows.iter()
        .filter_map(|row| Some((number(row.first()?)?, number(row.get(1)?)?)))
        .collect()
}

/// When a recording began whose metadata does not tell: as its id does, else long ago, which is
/// what stands for not known.
fn began(lecture: &Lecture) -> Timestamp {
    wording::began(lecture).unwrap_or(Timestamp::UNIX_EPOCH)
}
