//! Messages in Moodle: what is about to be written, what was, and what stood there before.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row as _;

use super::{Ledger, LedgerError, now, parsed, time};

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageState {
    /// It is being written; it may or may not be there.
    Writing,
    /// It is there.
    Written,
    /// It is being taken out.
    Removing,
    /// It was taken out.
    Removed,
}

impl MessageState {
    fn as_str(self) -> &'static str {
        match self {
            MessageState::Writing => "writing",
            MessageState::Written => "written",
            MessageState::Removing => "removing",
            MessageState::Removed => "removed",
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// How far it is.
    pub(crate) state: MessageState,
    /// As it was written last.
    pub(crate) html: String,
}

impl Ledger {
    /// What is known of an activity's message.
    pub(crate) async fn message(
        &self,
        moodle: &str,
        activity: i64,
    ) -> Result<Option<Message>, LedgerError> {
        let row = sqlx::query(
            "SELECT state, html FROM moodle_messages WHERE moodle = ? AND activity = ?",
        )
        .bind(moodle)
        .bind(activity)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let state = match row.try_get("state")? {
                "writing" => MessageState::Writing,
                "written" => MessageState::Written,
                "removing" => MessageState::Removing,
                _ => MessageState::Removed,
            };
            Ok(Message {
                state,
                html: row.try_get("html")?,
            })
        })
        .transpose()
    }

    /// The activities of a Moodle that have, or may have, a message.
    pub(crate) async fn messages(&self, moodle: &str) -> Result<Vec<i64>, LedgerError> {
        let rows = sqlx::query(
            "SELECT activity FROM moodle_messages WHERE moodle = ? AND state <> 'removed' ORDER BY activity",
        )
        .bind(moodle)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("activity")?))
            .collect()
    }

    /// Notes that a text is about to be changed, and keeps what stands there.
    pub(crate) async fn begin_message(
        &self,
        moodle: &str,
        activity: i64,
        state: MessageState,
        html: &str,
        intro: Option<&str>,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO moodle_intros (moodle, activity, at, intro) VALUES (?, ?, ?, ?)")
            .bind(moodle)
            .bind(activity)
            .bind(now())
            .bind(intro)
            .execute(&mut *tx)
            .await?;
        put(&mut *tx, moodle, activity, state, html).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What stood in an activity before each change, the first one first.
    pub(crate) async fn intros(
        &self,
        moodle: &str,
        activity: i64,
    ) -> Result<Vec<Option<String>>, LedgerError> {
        let rows = sqlx::query(
            "SELECT intro FROM moodle_intros WHERE moodle = ? AND activity = ? ORDER BY id",
        )
        .bind(moodle)
        .bind(activity)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("intro")?)).collect()
    }

    /// Notes that a text was changed.
    pub(crate) async fn end_message(
        &self,
        moodle: &str,
        activity: i64,
        state: MessageState,
        html: &str,
    ) -> Result<(), LedgerError> {
        put(&self.pool, moodle, activity, state, html).await
    }
}

async fn put<'e>(
    executor: impl sqlx::SqliteExecutor<'e>,
    moodle: &str,
    activity: i64,
    state: MessageState,
    html: &str,
) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO moodle_messages (moodle, activity, state, html, since) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (moodle, activity) DO UPDATE SET state = excluded.state, html = excluded.html,
             since = excluded.since",
    )
    .bind(moodle)
    .bind(activity)
    .bind(state.as_str())
    .bind(html)
    .bind(now())
    .execute(executor)
    .await?;
    Ok(())
}

/// A recording with an address in Pod.
#[derive(Clone, Debug)]
pub(crate) struct InPod {
    /// The recording.
    pub(crate) record_id: RecordId,
    /// Its title.
    pub(crate) title: Option<String>,
    /// When it began.
    pub(crate) started: Option<Timestamp>,
    /// When it was registered.
    pub(crate) registered_at: Timestamp,
    /// Its address.
    pub(crate) url: String,
}

impl Ledger {
    /// Every recording that has an address in Pod, once.
    pub(crate) async fn registered_with_address(&self) -> Result<Vec<InPod>, LedgerError> {
        let rows = sqlx::query(
            "SELECT record_id, title, started_at, max(registered_at) AS registered_at, url
             FROM registrations JOIN recordings USING (record_id)
             WHERE url IS NOT NULL AND registered_at IS NOT NULL GROUP BY record_id ORDER BY record_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(InPod {
                    record_id: parsed(row.try_get("record_id")?)?,
                    title: row.try_get("title")?,
                    started: row.try_get::<Option<i64>, _>("started_at")?.map(time),
                    registered_at: time(row.try_get("registered_at")?),
                    url: row.try_get("url")?,
                })
            })
            .collect()
    }
}
