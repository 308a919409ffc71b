//! One-time codes: whoever shows one becomes the node it was made for.

use jiff::Timestamp;
use sqlx::Row;

use super::tokens::{self, hash};
use super::{Ledger, LedgerError, now};

impl Ledger {
    /// Notes a code for a node, good until `expires`; earlier codes for the same node are worth
    /// nothing any more. Only its hash is kept.
    ///
    /// # Errors
    /// The node has a token already, and `again` does not say that it may get a new token.
    pub(crate) async fn add_enrolment(
        &self,
        node: &str,
        code: &str,
        expires: Timestamp,
        again: bool,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let there = sqlx::query("SELECT 1 FROM tokens WHERE node = ? LIMIT 1")
            .bind(node)
            .fetch_optional(&mut *tx)
            .await?;
        if there.is_some() && !again {
            return Err(LedgerError::Taken(format!(
                "there is a node {node} already; with --again it gets a new token, and all others are refused from then on"
            )));
        }
        sqlx::query("DELETE FROM enrolments WHERE node = ? OR expires_at <= ?")
            .bind(node)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO enrolments (code_hash, node, made_at, expires_at) VALUES (?, ?, ?, ?)",
        )
        .bind(hash(code))
        .bind(node)
        .bind(now())
        .bind(expires.as_millisecond())
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Uses a code up: its node gets the token given. `None` when the code is wrong, used or expired.
    pub(crate) async fn enrol(
        &self,
        code: &str,
        token: &str,
        hook_version: &str,
    ) -> Result<Option<String>, LedgerError> {
        let mut tx = self.begin().await?;
        let used =
            sqlx::query("DELETE FROM enrolments WHERE code_hash = ? RETURNING node, expires_at")
                .bind(hash(code))
                .fetch_optional(&mut *tx)
                .await?;
        let Some(used) = used else { return Ok(None) };
        let node: String = used.try_get("node")?;
        let expires_at: i64 = used.try_get("expires_at")?;
        if expires_at > now() {
            sqlx::query(
                "INSERT INTO nodes (name, added_at, hook_version) VALUES (?, ?, ?)
                 ON CONFLICT (name) DO UPDATE SET hook_version = excluded.hook_version",
            )
            .bind(&node)
            .bind(now())
            .bind(hook_version)
            .execute(&mut *tx)
            .await?;
            sqlx::query("DELETE FROM tokens WHERE node = ?")
                .bind(&node)
                .execute(&mut *tx)
                .await?;
            tokens::insert(&mut tx, &node, "enrolled", &hash(token)).await?;
        }
        tx.commit().await?;
        Ok((expires_at > now()).then_some(node))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ledger;
    use super::*;
    use jiff::SignedDuration;

    #[tokio::test]
    async fn a_code_is_good_once_and_for_a_while() {
        let (_dir, ledger) = ledger().await;
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        ledger
            .add_enrolment("bbb1", "first", later, false)
            .await
            .unwrap();
        ledger
            .add_enrolment("bbb1", "second", later, false)
            .await
            .unwrap();
        assert_eq!(
            ledger.enrol("first", "t", "1").await.unwrap(),
            None,
            "only the latest code counts"
        );
        assert_eq!(
            ledger.enrol("second", "t", "1").await.unwrap().as_deref(),
            Some("bbb1")
        );
        assert_eq!(ledger.enrol("second", "u", "1").await.unwrap(), None);
        assert_eq!(
            ledger.node_of_token("t").await.unwrap().unwrap().node,
            "bbb1"
        );

        assert!(matches!(
            ledger.add_enrolment("bbb1", "x", later, false).await,
            Err(LedgerError::Taken(_))
        ));
        ledger
            .add_enrolment("bbb1", "x", later, true)
            .await
            .unwrap();
        assert!(ledger.enrol("x", "new", "1").await.unwrap().is_some());
        assert_eq!(
            ledger.node_of_token("t").await.unwrap(),
            None,
            "the old token is worth nothing"
        );

        let past = Timestamp::now() - SignedDuration::from_secs(1);
        ledger
            .add_enrolment("bbb2", "late", past, false)
            .await
            .unwrap();
        assert_eq!(ledger.enrol("late", "v", "1").await.unwrap(), None);
        assert_eq!(ledger.node_of_token("v").await.unwrap(), None);
    }
}
