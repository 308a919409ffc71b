//! Forgetting a recording for ever: every row of every table that names it.

use recording::RecordId;
use sqlx::{AssertSqlSafe, Row};

use super::{Ledger, LedgerError, unsigned};

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

    /// Removes all rows of a recording, and what the file still holds of them.
    pub(crate) async fn erase(&self, id: &RecordId) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        for table in self.tables_with_recordings().await? {
            let delete = format!("DELETE FROM {table} WHERE record_id = ?");
            sqlx::query(AssertSqlSafe(delete))
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        // Deleted rows stay in the file's free pages and in its log until both are written anew.
        sqlx::query("VACUUM").execute(&self.pool).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The tables that have a column `record_id`; the one that others refer to comes last.
    async fn tables_with_recordings(&self) -> Result<Vec<String>, LedgerError> {
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
