//! The BBB nodes that may send, and what state each is in.

use jiff::Timestamp;
use recording::protocol::{NodeReport, NodeStanding};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::tokens::{self, hash};
use super::{Ledger, LedgerError, now, signed, time, unsigned};
use crate::fleet::{Change, Spec};

/// A node that may send recordings.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// Whether it may send.
    pub(crate) state: NodeStanding,
    /// What an administrator noted of it.
    pub(crate) comment: Option<String>,
    /// The tenant whose its recordings are.
    pub(crate) tenant: Option<String>,
    /// When it was added.
    pub(crate) added_at: Timestamp,
    /// When it last showed its token.
    pub(crate) seen_at: Option<Timestamp>,
    /// What it last told of itself, and when.
    pub(crate) report: Option<(NodeReport, Timestamp)>,
}

/// Who shows a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The node that the token belongs to.
    pub(crate) node: String,
    /// Whether it may send.
    pub(crate) state: NodeStanding,
}

impl Ledger {
    /// Adds a node and its first token. Only the token's hash is kept: whoever reads the ledger
    /// cannot send.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) async fn add_node(
        &self,
        name: &str,
        spec: &Spec,
        token: &str,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        if !insert(&mut tx, name, spec).await? {
            return Err(LedgerError::Taken(format!(
                "there is a node {name} already; it gets another token with: bbb2pod-receiver node token add {name}"
            )));
        }
        tokens::insert(&mut tx, name, "first", &hash(token)).await?;
        Ok(tx.commit().await?)
    }

    /// Changes what is given of a node. Tells whether there is one.
    pub(crate) async fn update_node(&self, name: &str, spec: &Spec) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let found = update(&mut tx, name, spec).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Removes a node and its tokens; what it sent stays. Tells whether there was one.
    pub(crate) async fn remove_node(&self, name: &str) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let found = remove(&mut tx, name).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Makes all changes of a synchronisation, or none.
    pub(crate) async fn sync_nodes(&self, changes: &[Change]) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        for change in changes {
            match change {
                Change::Add { node, spec } => drop(insert(&mut tx, node, spec).await?),
                Change::Update { node, spec } => drop(update(&mut tx, node, spec).await?),
                Change::Remove { node } => drop(remove(&mut tx, node).await?),
                Change::AddToken { node, name, hash } => {
                    tokens::insert(&mut tx, node, name, hash).await?;
                }
                Change::RevokeToken { node, name } => {
                    tokens::revoke(&mut tx, node, name).await?;
                }
            }
        }
        Ok(tx.commit().await?)
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

    /// The node that a token belongs to.
    ///
    /// The token is compared by its hash, so the time this takes tells nothing about it.
    pub(crate) async fn node_of_token(&self, token: &str) -> Result<Option<Caller>, LedgerError> {
        let hash = hash(token);
        let row = sqlx::query(
            "SELECT n.name, n.state, t.used_at FROM tokens t JOIN nodes n ON n.name = t.node WHERE t.hash = ?",
        )
        .bind(&hash)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let caller = Caller {
            node: row.try_get("name")?,
            state: standing(row.try_get("state")?)?,
        };
        let used_at: Option<i64> = row.try_get("used_at")?;
        // Once a minute is exact enough, and spares a write for every chunk of every upload.
        if used_at.is_none_or(|used| now() - used > 60_000) {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE tokens SET used_at = ? WHERE hash = ?")
                .bind(now())
                .bind(&hash)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE nodes SET seen_at = ? WHERE name = ?")
                .bind(now())
                .bind(&caller.node)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(Some(caller))
    }
}

/// Adds a node; `false` when the name is taken.
async fn insert(
    tx: &mut sqlx::SqliteConnection,
    name: &str,
    spec: &Spec,
) -> Result<bool, LedgerError> {
    let done = sqlx::query(
        "INSERT INTO nodes (name, state, comment, tenant, added_at) VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(spec.state.unwrap_or_default().as_str())
    .bind(&spec.comment)
    .bind(&spec.tenant)
    .bind(now())
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn update(
    tx: &mut sqlx::SqliteConnection,
    name: &str,
    spec: &Spec,
) -> Result<bool, LedgerError> {
    let done = sqlx::query(
        "UPDATE nodes SET state = coalesce(?, state), comment = nullif(coalesce(?, comment), ''),
             tenant = nullif(coalesce(?, tenant), '') WHERE name = ?",
    )
    .bind(spec.state.map(NodeStanding::as_str))
    .bind(&spec.comment)
    .bind(&spec.tenant)
    .bind(name)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn remove(tx: &mut sqlx::SqliteConnection, name: &str) -> Result<bool, LedgerError> {
    sqlx::query("DELETE FROM tokens WHERE node = ?")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    let done = sqlx::query("DELETE FROM nodes WHERE name = ?")
        .bind(name)
        .execute(&mut *tx)
        .await?;
    Ok(done.rows_affected() > 0)
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
        state: standing(row.try_get("state")?)?,
        comment: row.try_get("comment")?,
        tenant: row.try_get("tenant")?,
        added_at: time(row.try_get("added_at")?),
        seen_at: row.try_get::<Option<i64>, _>("seen_at")?.map(time),
        report,
    })
}

fn standing(text: &str) -> Result<NodeStanding, LedgerError> {
    let found = NodeStanding::ALL.into_iter().find(|s| s.as_str() == text);
    found.ok_or_else(|| LedgerError::Unreadable(format!("state \"{text}\" of a node")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::ledger;
    use super::*;

    async fn who(ledger: &Ledger, token: &str) -> Option<String> {
        let caller = ledger.node_of_token(token).await.unwrap();
        caller.map(|caller| caller.node)
    }

    #[tokio::test]
    async fn tokens_are_known_by_their_hash_only() {
        let (dir, ledger) = ledger().await;
        let spec = Spec::default();
        ledger
            .add_node("bbb1", &spec, "secret-token")
            .await
            .unwrap();
        assert_eq!(who(&ledger, "secret-token").await.as_deref(), Some("bbb1"));
        assert_eq!(who(&ledger, "other").await, None);
        assert!(matches!(
            ledger.add_node("bbb1", &spec, "x").await,
            Err(LedgerError::Taken(_))
        ));
        assert_eq!(who(&ledger, "x").await, None);
        assert!(ledger.nodes().await.unwrap()[0].seen_at.is_some());
        ledger.close().await;
        let stored = std::fs::read(dir.path().join("ledger.db")).unwrap();
        assert!(!stored.windows(12).any(|w| w == b"secret-token"));
    }

    #[tokio::test]
    async fn a_removed_node_is_nobody() {
        let (_dir, ledger) = ledger().await;
        ledger
            .add_node("bbb1", &Spec::default(), "t")
            .await
            .unwrap();
        assert!(ledger.remove_node("bbb1").await.unwrap());
        assert!(!ledger.remove_node("bbb1").await.unwrap());
        assert_eq!(who(&ledger, "t").await, None);
        // Nor does somebody who gets its name later know its tokens.
        ledger
            .add_node("bbb1", &Spec::default(), "u")
            .await
            .unwrap();
        assert_eq!(who(&ledger, "t").await, None);
    }

    #[tokio::test]
    async fn what_is_not_given_stays() {
        let (_dir, ledger) = ledger().await;
        let spec = |state, comment: Option<&str>| Spec {
            state,
            comment: comment.map(str::to_owned),
            tenant: None,
        };
        let cordoned = Some(NodeStanding::Cordoned);
        ledger
            .add_node("bbb1", &spec(cordoned, Some("hall B")), "t")
            .await
            .unwrap();
        let now = async || {
            let node = ledger.nodes().await.unwrap().remove(0);
            (node.state, node.comment)
        };
        for (given, state, comment) in [
            (spec(None, None), NodeStanding::Cordoned, Some("hall B")),
            (
                spec(Some(NodeStanding::Enabled), None),
                NodeStanding::Enabled,
                Some("hall B"),
            ),
            (spec(None, Some("")), NodeStanding::Enabled, None),
        ] {
            assert!(ledger.update_node("bbb1", &given).await.unwrap());
            assert_eq!(now().await, (state, comment.map(str::to_owned)));
        }
        assert!(!ledger.update_node("bbb2", &spec(None, None)).await.unwrap());
    }
}
