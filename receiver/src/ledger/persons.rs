//! What the ledger says about a person: owners, names in texts. All of it lies beside recordings.

use std::collections::BTreeSet;

use recording::RecordId;
use sqlx::{AssertSqlSafe, Row};

use super::{Ledger, LedgerError, now, parsed};

/// What stands in place of somebody who was erased.
pub(crate) const ERASED: &str = "(erased)";

/// What leads to Pod's own objects: what is to be done there later hangs on it.
const OF_POD: [(&str, &str); 3] = [
    ("registrations", "progress"),
    ("registrations", "reference"),
    ("registrations", "url"),
];

/// Texts about a recording that name somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mention {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// The table.
    pub(crate) table: String,
    /// Its column.
    pub(crate) column: String,
}

impl Mention {
    /// Whether it is what leads to an object in Pod, and stays.
    pub(crate) fn stays(&self) -> bool {
        OF_POD.contains(&(self.table.as_str(), self.column.as_str()))
    }
}

/// Where a text names somebody: not inside another word, without regard to case.
pub(crate) fn named_at(text: &str, who: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@');
    let is_before = |text: &str| {
        let mut back = text.chars().rev();
        match back.next() {
            Some('.') => back.next().is_some_and(is_word),
            Some(c) => is_word(c),
            None => false,
        }
    };
    let is_after = |text: &str| {
        let mut on = text.chars();
        match on.next() {
            Some('.') => on.next().is_some_and(is_word),
            Some(c) => is_word(c),
            None => false,
        }
    };
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        let end = same(rest, who).map(|length| at + length);
        match end {
            Some(end)
                if !is_before(text.get(..at).unwrap_or_default())
                    && !is_after(text.get(end..).unwrap_or_default()) =>
            {
                found.push(at..end);
                at = end;
            }
            _ => at += first.len_utf8(),
        }
    }
    found
}

/// How many bytes of a text's beginning are these words, without regard to case.
fn same(text: &str, words: &str) -> Option<usize> {
    let mut rest = text.char_indices();
    for wanted in words.chars() {
        let (_, c) = rest.next()?;
        if c != wanted && !c.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(rest.next().map_or(text.len(), |(at, _)| at))
}

/// A text in which somebody is not named any more.
pub(crate) fn without(text: &str, who: &str) -> Option<String> {
    let found = named_at(text, who);
    if found.is_empty() {
        return None;
    }
    let mut left = String::new();
    let mut from = 0;
    for range in found {
        left += text.get(from..range.start).unwrap_or_default();
        left += ERASED;
        from = range.end;
    }
    left += text.get(from..).unwrap_or_default();
    Some(left)
}

impl Ledger {
    /// Everything that names somebody.
    pub(crate) async fn mentions(&self, who: &str) -> Result<BTreeSet<Mention>, LedgerError> {
        let mut found = BTreeSet::new();
        for (table, columns) in self.texts_about_recordings().await? {
            for (_, record_id, column, _) in self.rows_naming(&table, &columns, who).await? {
                found.insert(Mention {
                    record_id: parsed(&record_id)?,
                    table: table.clone(),
                    column,
                });
            }
        }
        Ok(found)
    }

    /// Recordings that belong to somebody.
    pub(crate) async fn owned_by(&self, who: &str) -> Result<Vec<RecordId>, LedgerError> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT record_id FROM owners WHERE owner = ? COLLATE NOCASE")
                .bind(who)
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|id| parsed(id)).collect()
    }

    /// Takes somebody's name out of everything but what leads to Pod's objects, in one go. What
    /// belonged to them and is not in Pod waits for somebody to say whose it is.
    pub(crate) async fn erase_person(&self, who: &str) -> Result<u64, LedgerError> {
        let tables = self.texts_about_recordings().await?;
        let mut changes = Vec::new();
        for (table, columns) in &tables {
            for (rowid, _, column, text) in self.rows_naming(table, columns, who).await? {
                if !OF_POD.contains(&(table.as_str(), column.as_str())) {
                    changes.push((table, rowid, column, text));
                }
            }
        }
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE recordings SET review = ?, updated_at = ? WHERE stage <> 'done' AND record_id IN
             (SELECT record_id FROM owners WHERE owner = ? COLLATE NOCASE)",
        )
        .bind("its owner was erased")
        .bind(now())
        .bind(who)
        .execute(&mut *tx)
        .await?;
        let mut changed = sqlx::query("DELETE FROM owners WHERE owner = ? COLLATE NOCASE")
            .bind(who)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        for (table, rowid, column, text) in changes {
            let left = match (table.as_str(), column.as_str()) {
                ("owners", "additional" | "to_create") => without_entries(&text, who),
                _ => without(&text, who),
            };
            let update = format!("UPDATE {table} SET {column} = ? WHERE rowid = ?");
            let done = sqlx::query(AssertSqlSafe(update))
                .bind(left)
                .bind(rowid)
                .execute(&mut *tx)
                .await?;
            changed += done.rows_affected();
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// The columns with text of every table about recordings, but for ids.
    async fn texts_about_recordings(&self) -> Result<Vec<(String, Vec<String>)>, LedgerError> {
        let mut found = Vec::new();
        for table in self.tables_with_recordings().await? {
            let columns: Vec<String> = sqlx::query_scalar(
                "SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT' AND pk = 0
                 AND name NOT IN ('record_id', 'stage', 'status', 'level', 'format', 'digest', 'node',
                     'sha256', 'source_format', 'source_digest', 'media_digest', 'destination', 'kind',
                     'file', 'state', 'found_by')",
            )
            .bind(&table)
            .fetch_all(&self.pool)
            .await?;
            if !columns.is_empty() {
                found.push((table, columns));
            }
        }
        Ok(found)
    }

    /// Row, recording, column and text of what names somebody in a table.
    async fn rows_naming(
        &self,
        table: &str,
        columns: &[String],
        who: &str,
    ) -> Result<Vec<(i64, String, String, String)>, LedgerError> {
        let mut found = Vec::new();
        for column in columns {
            let select = format!(
                "SELECT rowid AS row, record_id, {column} AS text FROM {table}
                 WHERE record_id IS NOT NULL AND {column} IS NOT NULL"
            );
            let rows = sqlx::query(AssertSqlSafe(select))
                .fetch_all(&self.pool)
                .await?;
            for row in rows {
                let text: String = row.try_get("text")?;
                if !named_at(&text, who).is_empty() {
                    found.push((
                        row.try_get("row")?,
                        row.try_get("record_id")?,
                        column.clone(),
                        text,
                    ));
                }
            }
        }
        Ok(found)
    }
}

/// A JSON list without the entries that name somebody.
fn without_entries(json: &str, who: &str) -> Option<String> {
    let entries: Vec<serde_json::Value> = serde_json::from_str(json).ok()?;
    let left: Vec<_> = entries
        .into_iter()
        .filter(|entry| named_at(&entry.to_string(), who).is_empty())
        .collect();
    serde_json::to_string(&left).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{archived, ledger};
    use super::super::{Level, Stage, story};
    use super::*;

    #[test]
    fn a_name_is_a_whole_word_in_any_case() {
        for (text, who, left) in [
            (
                "belongs to Jdupont, and to max",
                "jdupont",
                Some("belongs to (erased), and to max"),
            ),
            ("found jdupont.", "jdupont", Some("found (erased).")),
            (
                "jdupont2 jdupont@univ.example a-jdupont jdupont.b",
                "jdupont",
                None,
            ),
            ("[\"Zoé Durand\"]", "zoé durand", Some("[\"(erased)\"]")),
            ("ıSTANBUL", "istanbul", None),
            ("", "zoe", None),
        ] {
            assert_eq!(without(text, who).as_deref(), left, "{text}");
        }
    }

    #[tokio::test]
    async fn nobody_reads_an_erased_name_any_more() {
        let (_dir, ledger) = ledger().await;
        let first = archived(&ledger, "r-1").await;
        let second = archived(&ledger, "r-2").await;
        for (id, stage) in [(&first, Stage::Register), (&second, Stage::Done)] {
            ledger.advance(id, Stage::Media, stage, "on").await.unwrap();
        }
        ledger.assign(&first, "jdupont", &[]).await.unwrap();
        ledger
            .assign(&second, "max", &["jdupont".to_owned(), "zoe".to_owned()])
            .await
            .unwrap();
        let told = "jdupont-2 was not meant";
        story::tell(&ledger.pool, "r-1", "owners", Level::Info, told)
            .await
            .unwrap();

        let owned = ledger.owned_by("JDUPONT").await.unwrap();
        assert_eq!(owned.as_slice(), std::slice::from_ref(&first));
        assert!(ledger.mentions("jdupont").await.unwrap().len() >= 4);
        assert!(ledger.erase_person("jdupont").await.unwrap() >= 4);
        assert!(ledger.mentions("jdupont").await.unwrap().is_empty());
        assert!(ledger.owners(&first).await.unwrap().is_none());
        assert_eq!(
            ledger.recording(&first).await.unwrap().unwrap().state(),
            "review"
        );
        let second = ledger.owners(&second).await.unwrap().unwrap();
        assert_eq!(second.all(), ["max", "zoe"]);
        let story = ledger.story(&first).await.unwrap();
        assert!(story.iter().any(|e| e.text == told));
        assert_eq!(ledger.erase_person("jdupont").await.unwrap(), 0, "again");
    }
}
