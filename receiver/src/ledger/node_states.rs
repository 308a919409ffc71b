//! What the nodes tell of their recordings, and what the receiver has of each node.

use jiff::Timestamp;
use recording::protocol::{NodeRecording, NodeState, OnNode, PackageName, PackageStatus};
use recording::{PlaybackFormat, RecordId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::packages::status;
use super::{Ledger, LedgerError, Level, now, parsed, story, time, unsigned};

/// What a node last told of one format of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The node.
    pub(crate) node: String,
    /// The recording.
    pub(crate) record_id: RecordId,
    /// The playback format.
    pub(crate) format: PlaybackFormat,
    /// What became of it there.
    pub(crate) state: OnNode,
    /// Since when.
    pub(crate) since: Timestamp,
}

impl Ledger {
    /// Notes what a node tells of its recordings; what is news goes into their stories.
    pub(crate) async fn note_node_states(
        &self,
        node: &str,
        states: &[NodeState],
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        for told in states {
            let (id, format, state) = (
                told.record_id.as_str(),
                told.format.as_str(),
                told.state.as_str(),
            );
            let before = sqlx::query(
                "SELECT state FROM node_states WHERE record_id = ? AND format = ? AND node = ?",
            )
            .bind(id)
            .bind(format)
            .bind(node)
            .fetch_optional(&mut *tx)
            .await?;
            let before: Option<String> = before.map(|row| row.try_get("state")).transpose()?;
            sqlx::query(
                "INSERT INTO node_states (record_id, format, node, state, since, reported_at) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (record_id, format, node) DO UPDATE SET state = excluded.state,
                     since = excluded.since, reported_at = excluded.reported_at",
            )
            .bind(id)
            .bind(format)
            .bind(node)
            .bind(state)
            .bind(told.since.as_millisecond())
            .bind(now())
            .execute(&mut *tx)
            .await?;
            let is_news = before.as_deref() != Some(state)
                && (before.is_some() || told.state != OnNode::Published);
            if is_news {
                let level = match told.state {
                    OnNode::Published | OnNode::Pruned => Level::Info,
                    OnNode::Unpublished | OnNode::Deleted => Level::Warning,
                };
                let text = format!(
                    "on {node}, {format} is {state} since {:.0}; nothing is changed here",
                    told.since
                );
                story::tell(&mut *tx, id, "node", level, &text).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// What the nodes last told of a recording.
    pub(crate) async fn node_states(&self, id: &RecordId) -> Result<Vec<Told>, LedgerError> {
        let rows =
            sqlx::query("SELECT * FROM node_states WHERE record_id = ? ORDER BY format, node")
                .bind(id.as_str())
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(told).collect()
    }

    /// What a node, or every node, last told of all its recordings.
    pub(crate) async fn all_node_states(
        &self,
        node: Option<&str>,
    ) -> Result<Vec<Told>, LedgerError> {
        let rows = sqlx::query(
            "SELECT * FROM node_states WHERE ?1 IS NULL OR node = ?1 ORDER BY record_id, format, node",
        )
        .bind(node)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(told).collect()
    }

    /// How far each of these packages has come, whoever sent it; `None` for one that never came.
    pub(crate) async fn known_packages(
        &self,
        packages: &[PackageName],
    ) -> Result<Vec<Option<PackageStatus>>, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let mut known = Vec::with_capacity(packages.len());
        for package in packages {
            // Of several arrivals the one that got furthest counts.
            let row = sqlx::query(
                "SELECT CASE WHEN p.status = 'archived' AND f.damaged IS NOT NULL THEN 'damaged' ELSE p.status END AS status
                 FROM packages p LEFT JOIN formats f
                     ON f.record_id = p.record_id AND f.format = p.format AND f.digest = p.digest
                 WHERE p.record_id = ? AND p.format = ? AND p.digest = ?
                 ORDER BY CASE 1 WHEN p.status = 'archived' AND f.damaged IS NULL THEN 0
                                 WHEN p.status = 'spooled' THEN 1 WHEN p.status = 'superseded' THEN 2
                                 WHEN p.status = 'archived' THEN 3 ELSE 4 END LIMIT 1",
            )
            .bind(package.record_id.as_str())
            .bind(package.format.as_str())
            .bind(package.digest.to_string())
            .fetch_optional(&mut *tx)
            .await?;
            known.push(row.map(|row| status(row.try_get("status")?)).transpose()?);
        }
        Ok(known)
    }

    /// What there is of a node, ordered by recording and format, after the pair given: of each the
    /// archived package, else the latest.
    pub(crate) async fn recordings_of_node(
        &self,
        node: &str,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<NodeRecording>, LedgerError> {
        let rows = sqlx::query(
            "SELECT p.record_id, p.format, p.digest, p.bytes,
                    CASE WHEN p.status = 'archived' AND f.damaged IS NOT NULL THEN 'damaged' ELSE p.status END AS status,
                    CASE r.failed WHEN 1 THEN 'failed' ELSE r.stage END AS stage,
                    EXISTS (SELECT 1 FROM registrations g WHERE g.record_id = p.record_id AND g.kind IS NOT NULL) AS registered,
                    (SELECT state FROM node_states s WHERE s.record_id = p.record_id AND s.format = p.format AND s.node = ?1) AS node_state
             FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY record_id, format
                          ORDER BY status = 'archived' DESC, since DESC, rowid DESC) AS place
                   FROM packages
                   WHERE node = ?1 AND digest IS NOT NULL AND format IS NOT NULL AND (record_id, format) > (?2, ?3)) p
             LEFT JOIN recordings r ON r.record_id = p.record_id
             LEFT JOIN formats f ON f.record_id = p.record_id AND f.format = p.format AND f.digest = p.digest
             WHERE p.place = 1 ORDER BY p.record_id, p.format LIMIT ?4",
        )
        .bind(node)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(node_recording).collect()
    }
}

fn node_recording(row: &SqliteRow) -> Result<NodeRecording, LedgerError> {
    let state: Option<String> = row.try_get("node_state")?;
    Ok(NodeRecording {
        record_id: parsed(row.try_get("record_id")?)?,
        format: parsed(row.try_get("format")?)?,
        digest: parsed(row.try_get("digest")?)?,
        status: status(row.try_get("status")?)?,
        bytes: unsigned(row.try_get("bytes")?),
        stage: row.try_get("stage")?,
        registered: row.try_get::<i64, _>("registered")? != 0,
        node_state: state.as_deref().map(on_node).transpose()?,
    })
}

fn told(row: &SqliteRow) -> Result<Told, LedgerError> {
    Ok(Told {
        node: row.try_get("node")?,
        record_id: parsed(row.try_get("record_id")?)?,
        format: parsed(row.try_get("format")?)?,
        state: on_node(row.try_get("state")?)?,
        since: time(row.try_get("since")?),
    })
}

fn on_node(text: &str) -> Result<OnNode, LedgerError> {
    let all = [
        OnNode::Published,
        OnNode::Unpublished,
        OnNode::Deleted,
        OnNode::Pruned,
    ];
    all.into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| LedgerError::Unreadable(format!("node state \"{text}\"")))
}
