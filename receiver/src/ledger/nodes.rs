//! The BBB nodes that may send, and their tokens.

use jiff::Timestamp;
use recording::Digest;
use recording::protocol::NodeReport;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, LedgerError, now, signed, time, unsigned};

/// A node that may send recordings.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// When it was added.
    pub(crate) added_at: Timestamp,
    /// When it last showed its token.
    pub(crate) seen_at: Option<Timestamp>,
    /// What it last told of itself, and when.
    pub(crate) report: Option<(NodeReport, Timestamp)>,
}

impl Ledger {
    /// Adds a node. Only the hash of its token is kept: whoever reads the ledger cannot send.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) async fn add_node(&self, name: &str, token: &str) -> Result<(), LedgerError> {
        let insert = sqlx::query("INSERT INTO nodes (name, token_hash, added_at) VALUES (?, ?, ?)")
            .bind(name)
            .bind(hash(token))
            .bind(now())
            .execute(&self.pool)
            .await;
        match insert {
            Err(sqlx::Error::Database(e)) if e.is_unique_violation() => {
                Err(LedgerError::Taken(format!(
                    "there is a node {name} already; remove it first (bbb2pod-receiver node remove {name}) to give it a new token"
                )))
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// Removes a node; what it sent stays. Tells whether there was one.
    pub(crate) async fn remove_node(&self, name: &str) -> Result<bool, LedgerError> {
        let done = sqlx::query("DELETE FROM nodes WHERE name = ?")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// All nodes by name.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, LedgerError> {
        let rows = sqlx::query("SELECT * FROM nodes ORDER BY name")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(node).collect()
    }

    /// Notes how a node says it is.
    pub(crate) async fn note_node_report(
        &self,
        node: &str,
        report: &NodeReport,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE nodes SET hook_version = ?, backlog = ?, backlog_bytes = ?, oldest_unsent = ?, reported_at = ?
             WHERE name = ?",
        )
        .bind(&report.version)
        .bind(signed(report.backlog))
        .bind(signed(report.backlog_bytes))
        .bind(report.oldest_unsent.map(Timestamp::as_millisecond))
        .bind(now())
        .bind(node)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The name of the node that a token belongs to.
    ///
    /// The token is compared by its hash, so the time this takes tells nothing about it.
    pub(crate) async fn node_of_token(&self, token: &str) -> Result<Option<String>, LedgerError> {
        let row = sqlx::query("SELECT name, seen_at FROM nodes WHERE token_hash = ?")
            .bind(hash(token))
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let name: String = row.try_get("name")?;
        let seen_at: Option<i64> = row.try_get("seen_at")?;
        // Once a minute is exact enough, and spares a write for every chunk of every upload.
        if seen_at.is_none_or(|seen| now() - seen > 60_000) {
            sqlx::query("UPDATE nodes SET seen_at = ? WHERE name = ?")
                .bind(now())
                .bind(&name)
                .execute(&self.pool)
                .await?;
        }
        Ok(Some(name))
    }
}

fn node(row: &SqliteRow) -> Result<Node, LedgerError> {
    let report = match row.try_get::<Option<i64>, _>("reported_at")? {
        None => None,
        Some(at) => {
            let version: Option<String> = row.try_get("hook_version")?;
            let backlog: Option<i64> = row.try_get("backlog")?;
            let bytes: Option<i64> = row.try_get("backlog_bytes")?;
            let report = NodeReport {
                version: version.unwrap_or_default(),
                backlog: unsigned(backlog.unwrap_or(0)),
                backlog_bytes: unsigned(bytes.unwrap_or(0)),
                oldest_unsent: row.try_get::<Option<i64>, _>("oldest_unsent")?.map(time),
            };
            Some((report, time(at)))
        }
    };
    Ok(Node {
        name: row.try_get("name")?,
        added_at: time(row.try_get("added_at")?),
        seen_at: row.try_get::<Option<i64>, _>("seen_at")?.map(time),
        report,
    })
}

pub(super) fn hash(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::testing::ledger;
    use super::*;

    #[tokio::test]
    async fn tokens_are_known_by_their_hash_only() {
        let (dir, ledger) = ledger().await;
        ledger.add_node("bbb1", "secret-token").await.unwrap();
        assert_eq!(
            ledger
                .node_of_token("secret-token")
                .await
                .unwrap()
                .as_deref(),
            Some("bbb1")
        );
        assert_eq!(ledger.node_of_token("other").await.unwrap(), None);
        assert!(matches!(
            ledger.add_node("bbb1", "x").await,
            Err(LedgerError::Taken(_))
        ));
        assert!(ledger.nodes().await.unwrap()[0].seen_at.is_some());
        ledger.close().await;
        let stored = std::fs::read(dir.path().join("ledger.db")).unwrap();
        assert!(!stored.windows(12).any(|w| w == b"secret-token"));
    }

    #[tokio::test]
    async fn a_removed_node_is_nobody() {
        let (_dir, ledger) = ledger().await;
        ledger.add_node("bbb1", "t").await.unwrap();
        assert!(ledger.remove_node("bbb1").await.unwrap());
        assert!(!ledger.remove_node("bbb1").await.unwrap());
        assert_eq!(ledger.node_of_token("t").await.unwrap(), None);
    }
}
