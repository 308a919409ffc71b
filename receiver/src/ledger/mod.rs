//! The ledger: the state of every recording and its whole history, in SQLite.
//!
//! Whoever acts writes here before it acknowledges anything. Commits reach the disk
//! (`synchronous = FULL`), readers never wait for writers (WAL). Each submodule is one noun.

mod archived;
mod backup;
mod damage;
mod enrolments;
mod erasure;
mod media;
mod messages;
mod node_states;
mod nodes;
mod notices;
mod owners;
mod packages;
mod persons;
mod progress;
mod recordings;
mod registrations;
mod stage;
mod story;
mod tenants;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub(crate) use archived::Imported;
pub(crate) use damage::Damage;
pub(crate) use media::{Media, NewMedia};
pub(crate) use messages::MessageState;
pub(crate) use node_states::Told;
pub(crate) use nodes::{Caller, Node};
pub(crate) use notices::Waiting;
pub(crate) use owners::{Decided, can_be_assigned};
pub(crate) use packages::{NewPackage, Package};
pub(crate) use persons::{Mention, named_at};
pub(crate) use registrations::{Registered, place};
pub(crate) use stage::{Recording, Stage};
pub(crate) use story::Level;
pub(crate) use tenants::{Hints, Moved, Setting, Tenant};
pub(crate) use tokens::Token;

/// The embedded migrations, run once each, in order.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// A handle on the ledger; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pool: SqlitePool,
}

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The directory of the file is missing or not writable.
    #[error("cannot open the ledger {}: {source}; check `database` in the settings, the folder's rights, and whether the service has ever run", path.display())]
    Open {
        /// The ledger's file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// No copy could be made before the tables are changed.
    #[error("the ledger {} has to be changed for this version, and cannot be copied before: {source}; make room beside it", path.display())]
    Backup {
        /// The ledger's file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The file was written by a newer program, or is damaged.
    #[error("the ledger {} does not fit this version of the program: {source}; install the version that wrote it, or a newer one", path.display())]
    Migrate {
        /// The ledger's file.
        path: PathBuf,
        /// What the migration said.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed: disk full, file damaged, locked for too long.
    #[error("the ledger failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// A row holds what this program does not understand.
    #[error("the ledger holds something unreadable: {0}")]
    Unreadable(String),
    /// The name is taken.
    #[error("{0}")]
    Taken(String),
    /// A recording is another tenant's since the work on it began.
    #[error("the recording was moved to another tenant meanwhile")]
    Moved,
}

impl LedgerError {
    /// Whether the file, or what was asked, is to blame: the same again gives the same.
    pub(crate) fn is_about_the_file(&self) -> bool {
        matches!(
            self,
            LedgerError::Open { .. } | LedgerError::Migrate { .. } | LedgerError::Taken(_)
        )
    }
}

impl Ledger {
    /// Opens the ledger, makes it if it is not there, and brings it up to date.
    ///
    /// # Errors
    /// The file cannot be opened or made, or comes from a newer version.
    pub(crate) async fn open(path: &Path) -> Result<Ledger, LedgerError> {
        Ledger::connect(path, true).await
    }

    /// Opens a ledger that must be there already, for commands that only look.
    ///
    /// # Errors
    /// As [`Ledger::open`], or there is none.
    pub(crate) async fn open_existing(path: &Path) -> Result<Ledger, LedgerError> {
        Ledger::connect(path, false).await
    }

    async fn connect(path: &Path, make: bool) -> Result<Ledger, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(make)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(|source| LedgerError::Open {
                path: path.into(),
                source,
            })?;
        let copy = backup::before_migrations(&pool, path, &MIGRATIONS)
            .await
            .map_err(|source| LedgerError::Backup {
                path: path.into(),
                source,
            })?;
        if let Some(copy) = copy {
            tracing::info!(copy = %copy.display(), "copied the ledger before changing its tables");
        }
        MIGRATIONS
            .run(&pool)
            .await
            .map_err(|source| LedgerError::Migrate {
                path: path.into(),
                source,
            })?;
        Ok(Ledger { pool })
    }

    /// Begins a transaction that writes. One that begins by reading and then writes would fail when
    /// somebody else has written meanwhile, without waiting.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, LedgerError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Whether a statement goes through.
    ///
    /// # Errors
    /// It does not.
    pub(crate) async fn ping(&self) -> Result<(), LedgerError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Ends all connections, after which the write-ahead log is merged into the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A next try later than this was not set by the present clock, which has been put back since: it
/// is due.
fn beyond_any_wait() -> i64 {
    let longest = i64::try_from(crate::retry::LONGEST.as_millis()).unwrap_or(i64::MAX / 4);
    now().saturating_add(2 * longest)
}

/// A stored time; what is out of range reads as 1970.
fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// Bytes and counts are stored as SQLite's signed integers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Reads a stored name or digest back into its type.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, LedgerError> {
    text.parse()
        .map_err(|e: T::Err| LedgerError::Unreadable(e.to_string()))
}

#[cfg(test)]
pub(crate) mod testing {
    //! A fresh ledger for tests.

    use super::Ledger;

    pub(crate) async fn ledger() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger.db")).await.unwrap();
        (dir, ledger)
    }

    /// A package that waits for import, and what is found in it.
    pub(crate) async fn arrive(
        ledger: &Ledger,
        package_id: &str,
        content: &str,
        published: i64,
    ) -> (super::Package, super::Imported) {
        let found = super::Imported {
            record_id: "r-1".parse().unwrap(),
            format: "presentation".parse().unwrap(),
            digest: recording::Digest::of(content.as_bytes()),
            bytes: 1,
            published_at: jiff::Timestamp::from_second(published).unwrap(),
            title: Some("Title".into()),
            started_at: None,
            warnings: vec!["odd".into()],
            hints: super::Hints::default(),
        };
        let new = super::NewPackage {
            id: package_id.into(),
            file: format!("{package_id}.tar"),
            node: Some("bbb1".into()),
            record_id: Some(found.record_id.clone()),
            format: Some(found.format.clone()),
            digest: Some(found.digest),
            bytes: 1,
        };
        ledger.add_package(&new).await.unwrap();
        ledger.add_package(&new).await.unwrap();
        (
            ledger.waiting_package(package_id).await.unwrap().unwrap(),
            found,
        )
    }

    /// Fills a ledger with so many recordings in every stage, one in ten of them failed.
    pub(crate) async fn filled(ledger: &Ledger, recordings: i64) {
        const NUMBERS: &str =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)";
        for insert in [
            "INSERT INTO recordings (record_id, stage, failed, cause, review, created_at, updated_at)
             SELECT 'r-' || i, CASE i % 5 WHEN 0 THEN 'media' WHEN 1 THEN 'convert' WHEN 2 THEN 'register'
                 ELSE 'done' END, i % 10 = 1, 'recording', CASE WHEN i % 100 = 2 THEN 'nobody' END, i, i FROM n",
            "INSERT INTO formats (record_id, format, digest, bytes, published_at, archived_at)
             SELECT 'r-' || i, 'presentation', 'd', 1, i, i FROM n",
            "INSERT INTO packages (id, file, record_id, format, digest, bytes, status, since)
             SELECT 'p-' || i, 'f', 'r-' || i, 'presentation', 'd', 1,
                 CASE i % 50 WHEN 0 THEN 'spooled' ELSE 'archived' END, i FROM n",
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("{NUMBERS} {insert}")))
                .bind(recordings)
                .execute(&ledger.pool)
                .await
                .unwrap();
        }
    }

    /// Puts the last message of a channel of `notify` back in time.
    pub(crate) async fn sent_before(ledger: &Ledger, channel: &str, ago: jiff::SignedDuration) {
        let at = jiff::Timestamp::now() - ago;
        sqlx::query("UPDATE notice_channels SET sent_at = ? WHERE channel = ?")
            .bind(at.as_millisecond())
            .bind(channel)
            .execute(&ledger.pool)
            .await
            .unwrap();
    }

    /// What is due, and for which stage.
    pub(crate) async fn due(ledger: &Ledger) -> Vec<(recording::RecordId, super::Stage)> {
        let due = ledger.recordings_due().await.unwrap();
        due.into_iter()
            .map(|due| (due.record_id, due.stage))
            .collect()
    }

    /// A recording with one format in the archive.
    pub(crate) async fn archived(ledger: &Ledger, id: &str) -> recording::RecordId {
        let id: recording::RecordId = id.parse().unwrap();
        let found = super::Imported {
            record_id: id.clone(),
            format: "presentation".parse().unwrap(),
            digest: recording::Digest::of(id.as_str().as_bytes()),
            bytes: 1,
            published_at: jiff::Timestamp::UNIX_EPOCH,
            title: None,
            started_at: None,
            warnings: Vec::new(),
            hints: super::Hints::default(),
        };
        let new = super::NewPackage {
            id: format!("package-{id}"),
            file: format!("{id}.tar"),
            node: None,
            record_id: Some(id.clone()),
            format: Some(found.format.clone()),
            digest: Some(found.digest),
            bytes: 1,
        };
        ledger.add_package(&new).await.unwrap();
        let package = ledger.waiting_package(&new.id).await.unwrap().unwrap();
        ledger.archived(&package, &found).await.unwrap();
        id
    }
}
