//! Forgetting a recording for ever: every row of every table that names it. What remains is a
//! digest of its id, by which it is known when somebody sends it again.

use recording::{Digest, RecordId};
use sqlx::{AssertSqlSafe, Row};

use super::{Ledger, LedgerError, now, unsigned};

impl Ledger {
    /// How many rows name a recording.
    pub(crate) async fn rows_of(&self, id: &RecordId) -> Result<u64, LedgerError> {
        let mut rows = 0;
        for table in self.tables_with_recordings().await? {
            let count = format!("SELECT COUNT(*) AS n FROM {table} WHERE record_id = ?");
            let row = sqlx::query(AssertSqlSafe(count))
                .bind(id.as_str())
                .fetch_one(&self.pool)
                .await?;
            rows += unsigned(row.try_get("n")?);
        }
        Ok(rows)
    }

    /// Notes that a recording is not to be taken in any more.
    pub(crate) async fn bar(&self, id: &RecordId) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO erased (id_hash, erased_at) VALUES (?, ?) ON CONFLICT (id_hash) DO NOTHING",
        )
        .bind(id_hash(id))
        .bind(now())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Lets a recording be taken in again. Tells whether it was barred.
    pub(crate) async fn admit(&self, id: &RecordId) -> Result<bool, LedgerError> {
        let done = sqlx::query("DELETE FROM erased WHERE id_hash = ?")
            .bind(id_hash(id))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether a recording was erased and is not to be taken in any more.
    pub(crate) async fn is_erased(&self, id: &RecordId) -> Result<bool, LedgerError> {
        let row = sqlx::query("SELECT 1 FROM erased WHERE id_hash = ?")
            .bind(id_hash(id))
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Removes all rows of a recording.
    pub(crate) async fn forget(&self, id: &RecordId) -> Result<(), LedgerError> {
        let tables = self.tables_with_recordings().await?;
        let mut tx = self.begin().await?;
        for table in tables {
            let delete = format!("DELETE FROM {table} WHERE record_id = ?");
            sqlx::query(AssertSqlSafe(delete))
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Writes the file anew without what was removed: deleted rows stay in its free pages and in
    /// its log until both are written.
    pub(crate) async fn rewrite(&self) -> Result<(), LedgerError> {
        sqlx::query("VACUUM").execute(&self.pool).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The tables that have a column `record_id`; the one that others refer to comes last.
    pub(super) async fn tables_with_recordings(&self) -> Result<Vec<String>, LedgerError> {
        let tables = sqlx::query_scalar(
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name = 'record_id'
             ORDER BY m.name = 'recordings', m.name",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(tables)
    }
}

fn id_hash(id: &RecordId) -> String {
    Digest::of(id.as_str().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{archived, ledger};

    #[tokio::test]
    async fn a_barred_recording_is_known_without_its_id_being_kept() {
        let (dir, ledger) = ledger().await;
        let gone = archived(&ledger, "gone-for-ever").await;
        let kept = archived(&ledger, "r-2").await;
        ledger.bar(&gone).await.unwrap();
        ledger.forget(&gone).await.unwrap();
        ledger.rewrite().await.unwrap();
        assert!(ledger.is_erased(&gone).await.unwrap());
        assert!(!ledger.is_erased(&kept).await.unwrap());
        assert_eq!(ledger.rows_of(&gone).await.unwrap(), 0);
        assert!(ledger.rows_of(&kept).await.unwrap() > 0);
        assert!(ledger.admit(&gone).await.unwrap());
        assert!(!ledger.is_erased(&gone).await.unwrap());
        ledger.close().await;
        let stored = std::fs::read(dir.path().join("ledger.db")).unwrap();
        assert!(!stored.windows(13).any(|w| w == b"gone-for-ever"));
    }
}
