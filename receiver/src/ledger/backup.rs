//! A copy of the ledger before a newer program changes its tables.
//!
//! It lies beside the ledger, named after the last migration that it has: `ledger.db.before-3` is
//! what was there before migration 3 ran. Whoever goes back to the older version of the program
//! puts it in the ledger's place.

use std::path::{Path, PathBuf};

use recording::durable;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;

/// Copies the ledger when some, but not all, of the migrations have been run on it. Gives where.
///
/// # Errors
/// The disk is full, or the folder cannot be written; then the tables must not be changed.
pub(super) async fn before_migrations(
    pool: &SqlitePool,
    ledger: &Path,
    migrations: &Migrator,
) -> Result<Option<PathBuf>, sqlx::Error> {
    let known = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_optional(pool)
        .await?;
    if known.is_none() {
        return Ok(None);
    }
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
        .fetch_all(pool)
        .await?;
    let next = migrations
        .iter()
        .map(|m| m.version)
        .find(|v| !applied.contains(v));
    let Some(next) = next.filter(|_| !applied.is_empty()) else {
        return Ok(None);
    };
    let mut copy = ledger.as_os_str().to_owned();
    copy.push(format!(".before-{next}"));
    let copy = PathBuf::from(copy);
    let folder = ledger.parent().unwrap_or(Path::new("/"));
    let unfinished = tempfile::Builder::new()
        .prefix(durable::UNFINISHED_PREFIX)
        .tempfile_in(folder)?;
    sqlx::query("VACUUM INTO ?")
        .bind(unfinished.path().to_string_lossy().into_owned())
        .execute(pool)
        .await?;
    durable::persist(unfinished, &copy)?;
    Ok(Some(copy))
}

#[cfg(test)]
mod tests {
    use super::super::{Ledger, MIGRATIONS};
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn an_older_ledger_is_copied_before_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let ledger = Ledger::open(&path).await.unwrap();
        ledger
            .add_node("bbb1", &crate::fleet::Spec::default(), "token")
            .await
            .unwrap();
        assert_eq!(files(dir.path()), ["ledger.db"], "a new one has no past");
        ledger.close().await;
        Ledger::open(&path).await.unwrap().close().await;
        assert_eq!(files(dir.path()), ["ledger.db"], "nothing has changed");

        // As if the last migration were new.
        let last = MIGRATIONS.iter().map(|m| m.version).max().unwrap();
        let ledger = Ledger::open(&path).await.unwrap();
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version = ?")
            .bind(last)
            .execute(&ledger.pool)
            .await
            .unwrap();
        let copy = before_migrations(&ledger.pool, &path, &MIGRATIONS)
            .await
            .unwrap();
        let expected = dir.path().join(format!("ledger.db.before-{last}"));
        assert_eq!(copy, Some(expected.clone()));
        ledger.close().await;
        let copied = sqlx::SqlitePool::connect(&format!("sqlite://{}", expected.display()))
            .await
            .unwrap();
        let node: String = sqlx::query_scalar("SELECT name FROM nodes")
            .fetch_one(&copied)
            .await
            .unwrap();
        assert_eq!(node, "bbb1");
        assert!(!files(dir.path()).iter().any(|name| name.starts_with('.')));
    }
}
