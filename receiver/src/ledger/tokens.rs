//! The tokens of nodes: several for each, so that one can be changed while uploads run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use recording::Digest;
use sqlx::Row;

use super::{Ledger, LedgerError, now, time};

/// A token of a node, by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// By which an administrator knows it.
    pub(crate) name: String,
    /// SHA-256, in hexadecimal.
    pub(crate) hash: String,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    /// When it was last shown, to the minute.
    pub(crate) used_at: Option<Timestamp>,
}

impl Ledger {
    /// Adds a token to a node; it is called by the day unless a name is given. Gives its name, or
    /// `None` when there is no such node.
    ///
    /// # Errors
    /// The node has a token of this name.
    pub(crate) async fn add_token(
        &self,
        node: &str,
        name: Option<&str>,
        token: &str,
    ) -> Result<Option<String>, LedgerError> {
        let mut tx = self.begin().await?;
        let there = sqlx::query("SELECT 1 FROM nodes WHERE name = ?")
            .bind(node)
            .fetch_optional(&mut *tx)
            .await?;
        if there.is_none() {
            return Ok(None);
        }
        let taken: Vec<String> = sqlx::query_scalar("SELECT name FROM tokens WHERE node = ?")
            .bind(node)
            .fetch_all(&mut *tx)
            .await?;
        let name = match name {
            Some(name) if taken.iter().any(|taken| taken == name) => {
                return Err(LedgerError::Taken(format!(
                    "{node} has a token {name} already; choose another name, or revoke it: bbb2pod-receiver node token revoke {node} {name}"
                )));
            }
            Some(name) => name.to_owned(),
            None => free_name(&taken),
        };
        insert(&mut tx, node, &name, &hash(token)).await?;
        tx.commit().await?;
        Ok(Some(name))
    }

    /// Takes a token away. Tells whether there was one.
    pub(crate) async fn revoke_token(&self, node: &str, name: &str) -> Result<bool, LedgerError> {
        let mut tx = self.begin().await?;
        let found = revoke(&mut tx, node, name).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// All tokens, by node.
    pub(crate) async fn tokens(&self) -> Result<BTreeMap<String, Vec<Token>>, LedgerError> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY node, made_at, name")
            .fetch_all(&self.pool)
            .await?;
        let mut tokens: BTreeMap<String, Vec<Token>> = BTreeMap::new();
        for row in &rows {
            let token = Token {
                name: row.try_get("name")?,
                hash: row.try_get("hash")?,
                made_at: time(row.try_get("made_at")?),
                used_at: row.try_get::<Option<i64>, _>("used_at")?.map(time),
            };
            tokens.entry(row.try_get("node")?).or_default().push(token);
        }
        Ok(tokens)
    }
}

/// Today's date, or the first of 2, 3 … after it that is free.
fn free_name(taken: &[String]) -> String {
    let day = Timestamp::now().strftime("%Y-%m-%d").to_string();
    let names = std::iter::once(day.clone()).chain((2..).map(|n| format!("{day}-{n}")));
    let mut free = names.filter(|name| !taken.contains(name));
    free.next().unwrap_or(day)
}

/// Gives a node a token; one of this name is replaced.
pub(super) async fn insert(
    tx: &mut sqlx::SqliteConnection,
    node: &str,
    name: &str,
    hash: &str,
) -> Result<(), LedgerError> {
    sqlx::query("DELETE FROM tokens WHERE node = ? AND name = ?")
        .bind(node)
        .bind(name)
        .execute(&mut *tx)
        .await?;
    let insert = sqlx::query("INSERT INTO tokens (hash, node, name, made_at) VALUES (?, ?, ?, ?)")
        .bind(hash)
        .bind(node)
        .bind(name)
        .bind(now())
        .execute(&mut *tx)
        .await;
    match insert {
        Err(sqlx::Error::Database(e)) if e.is_unique_violation() => {
            Err(LedgerError::Taken(format!(
                "token {name} of {node} is a token already; every node needs tokens of its own"
            )))
        }
        other => Ok(other.map(drop)?),
    }
}

pub(super) async fn revoke(
    tx: &mut sqlx::SqliteConnection,
    node: &str,
    name: &str,
) -> Result<bool, LedgerError> {
    let done = sqlx::query("DELETE FROM tokens WHERE node = ? AND name = ?")
        .bind(node)
        .bind(name)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::testing::ledger;
    use super::*;
    use crate::fleet::Spec;

    #[tokio::test]
    async fn an_old_token_is_good_until_it_is_revoked() {
        let (_dir, ledger) = ledger().await;
        ledger
            .add_node("bbb1", &Spec::default(), "old")
            .await
            .unwrap();
        let known = async |token: &str| ledger.node_of_token(token).await.unwrap().is_some();
        let name = ledger.add_token("bbb1", None, "new").await.unwrap();
        let name = name.unwrap();
        assert_eq!(name, Timestamp::now().strftime("%Y-%m-%d").to_string());
        assert!(known("old").await && known("new").await);
        let second = ledger.add_token("bbb1", None, "newer").await.unwrap();
        assert_eq!(second, Some(format!("{name}-2")));
        assert!(matches!(
            ledger.add_token("bbb1", Some("first"), "x").await,
            Err(LedgerError::Taken(_))
        ));
        assert_eq!(ledger.add_token("bbb2", None, "x").await.unwrap(), None);

        assert!(ledger.revoke_token("bbb1", "first").await.unwrap());
        assert!(!ledger.revoke_token("bbb1", "first").await.unwrap());
        assert!(!known("old").await && known("new").await);
        let tokens = ledger.tokens().await.unwrap().remove("bbb1").unwrap();
        let used: Vec<_> = tokens
            .iter()
            .map(|token| (token.name.as_str(), token.used_at.is_some()))
            .collect();
        assert_eq!(used, [(name.as_str(), true), (&format!("{name}-2"), false)]);
    }
}
