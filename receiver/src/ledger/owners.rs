//! Whose recordings are, and which wait for a decision.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row;

use super::{Ledger, LedgerError, Level, Stage, now, story, time};
use crate::owners::{Decision, Reason, Source};
use crate::pod::NewUser;

/// Whose a recording is.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// The owner's username in Pod.
    pub(crate) owner: String,
    /// Who owns it too.
    pub(crate) additional: Vec<String>,
    /// Accounts that have to be made in Pod first.
    pub(crate) to_create: Vec<NewUser>,
    /// Who said so.
    pub(crate) found_by: String,
    /// Every step of the search.
    pub(crate) reasons: Vec<Reason>,
    /// When.
    pub(crate) decided_at: Timestamp,
}

impl Decided {
    /// All owners, the first one first.
    pub(crate) fn all(&self) -> Vec<String> {
        let first = std::iter::once(&self.owner);
        first.chain(&self.additional).cloned().collect()
    }
}

impl Ledger {
    /// Whose a recording is, if that is decided.
    pub(crate) async fn owners(&self, id: &RecordId) -> Result<Option<Decided>, LedgerError> {
        let row = sqlx::query("SELECT * FROM owners WHERE record_id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(Decided {
            owner: row.try_get("owner")?,
            additional: from_json(row.try_get("additional")?)?,
            to_create: from_json(row.try_get("to_create")?)?,
            found_by: row.try_get("found_by")?,
            reasons: from_json(row.try_get("reasons")?)?,
            decided_at: time(row.try_get("decided_at")?),
        }))
    }

    /// Commits how a search ended: an owner, or that the recording waits for somebody to decide.
    pub(crate) async fn decided(
        &self,
        id: &RecordId,
        decision: &Decision,
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let text = if let Some(owner) = &decision.owner {
            let found_by = decision.found_by.unwrap_or(Source::Otherwise).as_str();
            sqlx::query(INSERT)
                .bind(id.as_str())
                .bind(owner)
                .bind(json(&decision.additional_owners)?)
                .bind(json(&decision.to_create)?)
                .bind(found_by)
                .bind(json(&decision.reasons)?)
                .bind(now())
                .execute(&mut *tx)
                .await?;
            let others = &decision.additional_owners;
            told(owner, others, &format!("found by {found_by}"))
        } else {
            let why = decision.why_nobody();
            sqlx::query("UPDATE recordings SET review = ?, updated_at = ? WHERE record_id = ?")
                .bind(&why)
                .bind(now())
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
            format!("no owner was found, so it waits for a decision: {why}")
        };
        let level = match decision.owner {
            Some(_) => Level::Info,
            None => Level::Warning,
        };
        story::tell(&mut *tx, id.as_str(), "owners", level, &text).await?;
        Ok(tx.commit().await?)
    }

    /// Commits the owners that an administrator has chosen; the recording goes on at once.
    pub(crate) async fn assign(
        &self,
        id: &RecordId,
        owner: &str,
        additional: &[String],
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let found_by = Source::Assigned.as_str();
        sqlx::query(INSERT)
            .bind(id.as_str())
            .bind(owner)
            .bind(json(&additional)?)
            .bind("[]")
            .bind(found_by)
            .bind("[]")
            .bind(now())
            .execute(&mut *tx)
            .await?;
        // What has failed for want of an owner has not failed any more.
        sqlx::query(
            "UPDATE recordings SET review = NULL, next_try = 0, updated_at = ?,
                 failed = CASE stage WHEN 'register' THEN 0 ELSE failed END,
                 error = CASE stage WHEN 'register' THEN NULL ELSE error END,
                 attempts = CASE stage WHEN 'register' THEN 0 ELSE attempts END
             WHERE record_id = ?",
        )
        .bind(now())
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
        let text = told(owner, additional, "assigned on request");
        story::tell(&mut *tx, id.as_str(), "owners", Level::Info, &text).await?;
        Ok(tx.commit().await?)
    }

    /// Commits that the accounts which a recording's owners need are in Pod; `made` were not before.
    pub(crate) async fn accounts_made(
        &self,
        id: &RecordId,
        made: &[String],
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE owners SET to_create = '[]' WHERE record_id = ?")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        for username in made {
            let text = format!("made the account {username} in Pod");
            story::tell(&mut *tx, id.as_str(), "owners", Level::Info, &text).await?;
        }
        Ok(tx.commit().await?)
    }
}

const INSERT: &str =
    "INSERT INTO owners (record_id, owner, additional, to_create, found_by, reasons, decided_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (record_id) DO UPDATE SET owner = excluded.owner, additional = excluded.additional,
         to_create = excluded.to_create, found_by = excluded.found_by, reasons = excluded.reasons,
         decided_at = excluded.decided_at";

/// Lets a recording be looked at anew: what was decided and led to nothing is forgotten, what an
/// administrator has chosen is not.
pub(super) async fn reconsider(
    tx: &mut sqlx::SqliteConnection,
    id: &RecordId,
) -> Result<(), LedgerError> {
    sqlx::query(
        "DELETE FROM owners WHERE record_id = ?1 AND found_by <> 'assigned'
         AND NOT EXISTS (SELECT 1 FROM registrations WHERE record_id = ?1)",
    )
    .bind(id.as_str())
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE recordings SET review = NULL WHERE record_id = ?")
        .bind(id.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether the owners can still be chosen here, or only in Pod.
pub(crate) fn can_be_assigned(stage: Stage) -> bool {
    stage != Stage::Done
}

fn told(owner: &str, additional: &[String], how: &str) -> String {
    match additional.is_empty() {
        true => format!("belongs to {owner}, {how}"),
        false => format!(
            "belongs to {owner}, and to {}, {how}",
            additional.join(", ")
        ),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|e| LedgerError::Unreadable(e.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: String) -> Result<T, LedgerError> {
    serde_json::from_str(&text).map_err(|e| LedgerError::Unreadable(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{archived, due, ledger};
    use super::*;

    fn decision(owner: Option<&str>) -> Decision {
        Decision {
            owner: owner.map(str::to_owned),
            additional_owners: vec![],
            to_create: vec![],
            found_by: owner.map(|_| Source::Moodle),
            reasons: vec![Reason {
                source: Source::Moodle,
                what: crate::owners::What::Rejected,
                text: "no such activity".into(),
            }],
        }
    }

    #[tokio::test]
    async fn a_recording_waits_until_somebody_decides() {
        let (_dir, ledger) = ledger().await;
        let id = archived(&ledger, "r-1").await;
        ledger
            .advance(&id, Stage::Media, Stage::Register, "x")
            .await
            .unwrap();
        ledger.decided(&id, &decision(None)).await.unwrap();
        assert!(ledger.recordings_due().await.unwrap().is_empty());
        let held = ledger.recording(&id).await.unwrap().unwrap();
        assert_eq!(held.state(), "review");
        assert_eq!(held.review.as_deref(), Some("moodle: no such activity"));
        assert_eq!(ledger.recordings(Some("review"), 9).await.unwrap().len(), 1);
        assert_eq!(
            ledger.recording_counts().await.unwrap(),
            [("review".to_owned(), 1)]
        );

        ledger
            .assign(&id, "zoe", &["max".to_owned()])
            .await
            .unwrap();
        assert_eq!(due(&ledger).await, [(id.clone(), Stage::Register)]);
        let owners = ledger.owners(&id).await.unwrap().unwrap();
        assert_eq!(
            (owners.all(), owners.found_by.as_str()),
            (vec!["zoe".into(), "max".into()], "assigned")
        );
        ledger.retry(&id, None).await.unwrap();
        assert!(
            ledger.owners(&id).await.unwrap().is_some(),
            "a person's choice stays"
        );
    }

    #[tokio::test]
    async fn what_led_to_nothing_is_decided_anew() {
        let (_dir, ledger) = ledger().await;
        let id = archived(&ledger, "r-1").await;
        ledger.decided(&id, &decision(Some("zoe"))).await.unwrap();
        ledger.retry(&id, None).await.unwrap();
        assert!(ledger.owners(&id).await.unwrap().is_none());
        ledger.decided(&id, &decision(Some("zoe"))).await.unwrap();
        let begun = serde_json::json!({"step": "uploading"});
        ledger
            .save_registration_progress(&id, "upload", &begun)
            .await
            .unwrap();
        ledger.retry(&id, None).await.unwrap();
        assert!(
            ledger.owners(&id).await.unwrap().is_some(),
            "Pod may have it already"
        );
    }
}
