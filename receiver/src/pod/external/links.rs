//! Removing rows again: at the end, when everybody has imported what they wanted to keep.

use std::collections::BTreeMap;

use super::rows::TABLE;
use crate::database::{Database, Value, shown};
use crate::pod::PodError;
use crate::pod::config::ExternalConfig;

const COUNTING: &str = "counting the external videos";
const REMOVING: &str = "removing the external videos";
/// Rows removed by one statement.
const AT_ONCE: usize = 500;

/// All external videos of a Pod, whoever made them.
#[derive(Debug)]
pub(crate) struct Links {
    database: Database,
}

/// Rows whose address begins in one way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forgettable {
    prefix: String,
    ids: Vec<i64>,
    /// How many each user has, by name; rows without an owner count for nobody.
    pub(crate) owners: BTreeMap<String, usize>,
    /// How many have been imported into Pod as videos.
    pub(crate) imported: usize,
}

impl Forgettable {
    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }
}

impl Links {
    /// Those of the Pod that the settings name.
    ///
    /// # Errors
    /// The settings of the database make no sense.
    pub(crate) fn new(config: &ExternalConfig) -> Result<Links, PodError> {
        Ok(Links {
            database: Database::new(&config.database)?,
        })
    }

    /// The rows whose address begins like this, to the letter.
    ///
    /// # Errors
    /// The database does not tell.
    pub(crate) async fn beginning_with(&self, prefix: &str) -> Result<Forgettable, PodError> {
        let sql = format!(
            "SELECT r.id, r.source_url, u.username,
                 CASE WHEN r.uploaded_to_pod_by_id IS NULL THEN 0 ELSE 1 END
             FROM {TABLE} r LEFT JOIN auth_user u ON u.id = r.owner_id
             WHERE r.source_url LIKE ? ESCAPE '!' ORDER BY r.id"
        );
        let like = like(prefix);
        let rows = self
            .database
            .rows(COUNTING, &sql, &[Value::Text(&like)])
            .await?;
        let mut found = Forgettable {
            prefix: prefix.to_owned(),
            ..Forgettable::default()
        };
        for row in rows {
            let [Some(id), Some(url), owner, imported] = &row[..] else {
                continue;
            };
            // MariaDB compares without case.
            let Some(id) = id.parse().ok().filter(|_| url.starts_with(prefix)) else {
                continue;
            };
            found.ids.push(id);
            found.imported += usize::from(imported.as_deref() == Some("1"));
            let owner = owner.clone().unwrap_or_else(|| "(nobody)".to_owned());
            *found.owners.entry(owner).or_default() += 1;
        }
        Ok(found)
    }

    /// The statements that [`Links::forget`] runs, as a person would type them.
    pub(crate) fn shown(&self, found: &Forgettable) -> Vec<String> {
        let like = like(&found.prefix);
        let statement = |ids: &[i64]| {
            let (sql, values) = delete(ids, &like);
            shown(self.database.dialect(), &sql, &values)
        };
        found.ids.chunks(AT_ONCE).map(statement).collect()
    }

    /// Removes these rows in one transaction; gives how many were still there.
    ///
    /// # Errors
    /// The database does not do it; then no row is gone, unless the error came at the very end.
    pub(crate) async fn forget(&self, found: &Forgettable) -> Result<u64, PodError> {
        let like = like(&found.prefix);
        let mut tx = self.database.begin(REMOVING).await?;
        let mut removed = 0;
        for ids in found.ids.chunks(AT_ONCE) {
            let (sql, values) = delete(ids, &like);
            removed += tx.execute(REMOVING, &sql, &values).await?;
        }
        tx.commit(REMOVING).await?;
        Ok(removed)
    }
}

fn delete<'a>(ids: &[i64], like: &'a str) -> (String, Vec<Value<'a>>) {
    let sql = format!(
        "DELETE FROM {TABLE} WHERE id IN ({}) AND source_url LIKE ? ESCAPE '!'",
        vec!["?"; ids.len()].join(", ")
    );
    let mut values: Vec<Value<'a>> = ids.iter().map(|id| Value::Number(*id)).collect();
    values.push(Value::Text(like));
    (sql, values)
}

/// A pattern for what begins like this.
fn like(prefix: &str) -> String {
    let mut pattern = String::new();
    for c in prefix.chars() {
        if matches!(c, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern + "%"
}
