//! Tenants, and whose each recording is.

use jiff::Timestamp;
use recording::RecordId;
use sqlx::Row;

use super::recordings::recording;
use super::stage::Recording;
use super::tokens::hash;
use super::{Ledger, LedgerError, Level, Token, now, parsed, story, time, unsigned};

/// A tenant.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    /// Its name.
    pub(crate) name: String,
    /// What an administrator noted of it.
    pub(crate) comment: Option<String>,
    /// When it was added.
    pub(crate) added_at: Timestamp,
    /// Front-ends (`bbb-origin-server-name`) whose recordings are its.
    pub(crate) servers: Vec<String>,
    /// Its secrets, by their hashes.
    pub(crate) secrets: Vec<Token>,
}

/// What is different for a tenant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// The path of a key of the settings file.
    pub(crate) param: String,
    /// Its value.
    pub(crate) value: serde_json::Value,
    /// Whether it counts more than what a meeting says.
    pub(crate) over_meeting: bool,
}

/// What a recording says of whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    /// The meta key `tenant-id`.
    pub(crate) tenant_id: Option<String>,
    /// The meta key `bbb-origin-server-name`.
    pub(crate) server: Option<String>,
}

/// How moving a recording to another tenant ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It is the tenant's now.
    Yes,
    /// It was already.
    Same,
    /// Something exists, or is being made, at these places; nothing was changed.
    Registered(Vec<String>),
    /// There is no such recording.
    Unknown,
}

impl Ledger {
    /// Adds a tenant.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) async fn add_tenant(
        &self,
        name: &str,
        comment: Option<&str>,
    ) -> Result<(), LedgerError> {
        let done = sqlx::query(
            "INSERT INTO tenants (name, comment, added_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(comment)
        .bind(now())
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(LedgerError::Taken(format!(
                "there is a tenant {name} already; change it with: bbb2pod-receiver tenant update {name}"
            ))),
            _ => Ok(()),
        }
    }

    /// Changes a tenant's comment; an empty one takes it away.
    pub(crate) async fn note_tenant(&self, name: &str, comment: &str) -> Result<(), LedgerError> {
        sqlx::query("UPDATE tenants SET comment = nullif(?, '') WHERE name = ?")
            .bind(comment)
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Removes a tenant, its secrets and its settings; its recordings keep its name, and its nodes
    /// lose it.
    pub(crate) async fn remove_tenant(&self, name: &str) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        for statement in [
            "UPDATE nodes SET tenant = NULL WHERE tenant = ?",
            "DELETE FROM tenants WHERE name = ?",
        ] {
            sqlx::query(statement).bind(name).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// All tenants by name.
    pub(crate) async fn tenants(&self) -> Result<Vec<Tenant>, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let rows = sqlx::query("SELECT * FROM tenants ORDER BY name")
            .fetch_all(&mut *tx)
            .await?;
        let mut tenants = Vec::new();
        for row in &rows {
            let name: String = row.try_get("name")?;
            let servers =
                sqlx::query_scalar("SELECT server FROM tenant_servers WHERE tenant = ? ORDER BY 1")
                    .bind(&name)
                    .fetch_all(&mut *tx)
                    .await?;
            let secrets =
                sqlx::query("SELECT * FROM tenant_secrets WHERE tenant = ? ORDER BY made_at, name")
                    .bind(&name)
                    .fetch_all(&mut *tx)
                    .await?;
            let secret = |row: &sqlx::sqlite::SqliteRow| -> Result<Token, LedgerError> {
                Ok(Token {
                    name: row.try_get("name")?,
                    hash: row.try_get("hash")?,
                    made_at: time(row.try_get("made_at")?),
                    used_at: row.try_get::<Option<i64>, _>("used_at")?.map(time),
                })
            };
            tenants.push(Tenant {
                name,
                comment: row.try_get("comment")?,
                added_at: time(row.try_get("added_at")?),
                servers,
                secrets: secrets.iter().map(secret).collect::<Result<_, _>>()?,
            });
        }
        Ok(tenants)
    }

    /// Gives a tenant a secret.
    ///
    /// # Errors
    /// It has one of this name.
    pub(crate) async fn add_tenant_secret(
        &self,
        tenant: &str,
        name: &str,
        secret: &str,
    ) -> Result<(), LedgerError> {
        let done = sqlx::query(
            "INSERT INTO tenant_secrets (hash, tenant, name, made_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (tenant, name) DO NOTHING",
        )
        .bind(hash(secret))
        .bind(tenant)
        .bind(name)
        .bind(now())
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(LedgerError::Taken(format!(
                "{tenant} has a secret {name} already; choose another name, or revoke it first"
            ))),
            _ => Ok(()),
        }
    }

    /// Takes a secret away. Tells whether there was one.
    pub(crate) async fn revoke_tenant_secret(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<bool, LedgerError> {
        let done = sqlx::query("DELETE FROM tenant_secrets WHERE tenant = ? AND name = ?")
            .bind(tenant)
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The tenant that a secret belongs to.
    pub(crate) async fn tenant_of_secret(
        &self,
        secret: &str,
    ) -> Result<Option<String>, LedgerError> {
        let row = sqlx::query("SELECT tenant, used_at FROM tenant_secrets WHERE hash = ?")
            .bind(hash(secret))
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let used_at: Option<i64> = row.try_get("used_at")?;
        if used_at.is_none_or(|used| now() - used > 60_000) {
            sqlx::query("UPDATE tenant_secrets SET used_at = ? WHERE hash = ?")
                .bind(now())
                .bind(hash(secret))
                .execute(&self.pool)
                .await?;
        }
        Ok(Some(row.try_get("tenant")?))
    }

    /// Says that a front-end's recordings are a tenant's.
    ///
    /// # Errors
    /// They are another's.
    pub(crate) async fn add_tenant_server(
        &self,
        tenant: &str,
        server: &str,
    ) -> Result<(), LedgerError> {
        let server = server.to_lowercase();
        sqlx::query(
            "INSERT INTO tenant_servers (server, tenant) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&server)
        .bind(tenant)
        .execute(&self.pool)
        .await?;
        let owner: String =
            sqlx::query_scalar("SELECT tenant FROM tenant_servers WHERE server = ?")
                .bind(&server)
                .fetch_one(&self.pool)
                .await?;
        match owner == tenant {
            true => Ok(()),
            false => Err(LedgerError::Taken(format!(
                "the recordings of {server} are those of tenant {owner}; take it away there first: bbb2pod-receiver tenant update {owner} --remove-server {server}"
            ))),
        }
    }

    /// Takes a front-end away from a tenant. Tells whether it had it.
    pub(crate) async fn remove_tenant_server(
        &self,
        tenant: &str,
        server: &str,
    ) -> Result<bool, LedgerError> {
        let done = sqlx::query("DELETE FROM tenant_servers WHERE tenant = ? AND server = ?")
            .bind(tenant)
            .bind(server.to_lowercase())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// What is different for a tenant; `None` when there is no such tenant.
    pub(crate) async fn tenant_settings(
        &self,
        tenant: &str,
    ) -> Result<Option<Vec<Setting>>, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let there = sqlx::query("SELECT 1 FROM tenants WHERE name = ?")
            .bind(tenant)
            .fetch_optional(&mut *tx)
            .await?;
        if there.is_none() {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT * FROM tenant_settings WHERE tenant = ? ORDER BY param")
            .bind(tenant)
            .fetch_all(&mut *tx)
            .await?;
        let setting = |row: &sqlx::sqlite::SqliteRow| -> Result<Setting, LedgerError> {
            let value: String = row.try_get("value")?;
            Ok(Setting {
                param: row.try_get("param")?,
                value: serde_json::from_str(&value)
                    .map_err(|e| LedgerError::Unreadable(e.to_string()))?,
                over_meeting: row.try_get::<i64, _>("override")? != 0,
            })
        };
        rows.iter().map(setting).collect::<Result<_, _>>().map(Some)
    }

    /// Makes something different for a tenant.
    pub(crate) async fn set_for_tenant(
        &self,
        tenant: &str,
        setting: &Setting,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO tenant_settings (tenant, param, value, override, set_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (tenant, param) DO UPDATE SET value = excluded.value,
                 override = excluded.override, set_at = excluded.set_at",
        )
        .bind(tenant)
        .bind(&setting.param)
        .bind(setting.value.to_string())
        .bind(setting.over_meeting)
        .bind(now())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Leaves something as the settings file has it. Tells whether it was different.
    pub(crate) async fn unset_for_tenant(
        &self,
        tenant: &str,
        param: &str,
    ) -> Result<bool, LedgerError> {
        let done = sqlx::query("DELETE FROM tenant_settings WHERE tenant = ? AND param = ?")
            .bind(tenant)
            .bind(param)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whose a recording is; `None` when it is nobody's in particular.
    pub(crate) async fn tenant_of(&self, id: &RecordId) -> Result<Option<String>, LedgerError> {
        let tenant: Option<Option<String>> =
            sqlx::query_scalar("SELECT tenant FROM recordings WHERE record_id = ?")
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await?;
        Ok(tenant.flatten())
    }

    /// How many recordings of each tenant are in each state; those of nobody are under `None`.
    pub(crate) async fn tenant_counts(
        &self,
    ) -> Result<Vec<(Option<String>, String, u64)>, LedgerError> {
        let rows = sqlx::query(
            "SELECT tenant, CASE WHEN failed = 1 THEN 'failed' WHEN review IS NOT NULL THEN 'review' ELSE stage END AS state,
                 COUNT(*) AS n FROM recordings GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let n = unsigned(row.try_get("n")?);
                Ok((row.try_get("tenant")?, row.try_get("state")?, n))
            })
            .collect()
    }

    /// A tenant's recordings, ordered by their ids, after this one.
    pub(crate) async fn recordings_of_tenant(
        &self,
        tenant: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Recording>, LedgerError> {
        let rows = sqlx::query(
            "SELECT * FROM recordings WHERE tenant = ? AND record_id > ? ORDER BY record_id LIMIT ?",
        )
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recording).collect()
    }

    /// Ids of a tenant's recordings, of those from one node when it is given.
    pub(crate) async fn recordings_of(
        &self,
        tenant: Option<&str>,
        node: Option<&str>,
    ) -> Result<Vec<RecordId>, LedgerError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT record_id FROM recordings WHERE tenant IS ?1 AND (?2 IS NULL OR node = ?2) ORDER BY record_id",
        )
        .bind(tenant)
        .bind(node)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|id| parsed(id)).collect()
    }

    /// Makes a recording a tenant's. What was decided for another, whose it is above all, is
    /// decided again. One that Pod has, or is being given, stays, unless `again` says that it is
    /// to be in both.
    pub(crate) async fn move_to_tenant(
        &self,
        id: &RecordId,
        tenant: Option<&str>,
        again: bool,
    ) -> Result<Moved, LedgerError> {
        let mut tx = self.begin().await?;
        let now_of: Option<Option<String>> =
            sqlx::query_scalar("SELECT tenant FROM recordings WHERE record_id = ?")
                .bind(id.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let Some(before) = now_of else {
            return Ok(Moved::Unknown);
        };
        if before.as_deref() == tenant {
            return Ok(Moved::Same);
        }
        let places: Vec<String> = sqlx::query_scalar(
            "SELECT destination || coalesce(' (' || kind || ' ' || reference || ')', ' (begun)')
             FROM registrations WHERE record_id = ? ORDER BY 1",
        )
        .bind(id.as_str())
        .fetch_all(&mut *tx)
        .await?;
        if !places.is_empty() && !again {
            return Ok(Moved::Registered(places));
        }
        sqlx::query("DELETE FROM owners WHERE record_id = ?")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        // The old Pod is not asked any more how far it is.
        sqlx::query("UPDATE registrations SET look_again = NULL WHERE record_id = ?")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE recordings SET tenant = ?, failed = 0, review = NULL, error = NULL, attempts = 0, next_try = 0,
                 updated_at = ?, stage = CASE stage WHEN 'convert' THEN stage ELSE 'media' END WHERE record_id = ?",
        )
        .bind(tenant)
        .bind(now())
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
        let word = |tenant: Option<&str>| tenant.map_or("no tenant".to_owned(), str::to_owned);
        let mut text = format!("moved from {} to {}", word(before.as_deref()), word(tenant));
        if !places.is_empty() {
            text += &format!("; it stays at {}", places.join(", "));
        }
        story::tell(&mut *tx, id.as_str(), "tenant", Level::Info, &text).await?;
        tx.commit().await?;
        Ok(Moved::Yes)
    }
}

/// Whose a new recording is: its node's tenant, else the one that its meta keys name. Without
/// tenants there is nothing to decide. A `tenant-id` that nobody has (yet) counts too: the recording
/// waits for it, instead of going to somebody else's Pod.
pub(super) async fn decide(
    tx: &mut sqlx::SqliteConnection,
    node: Option<&str>,
    hints: &Hints,
) -> Result<Option<String>, LedgerError> {
    let any = sqlx::query("SELECT 1 FROM tenants LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?;
    if any.is_none() {
        return Ok(None);
    }
    let of_node: Option<Option<String>> =
        sqlx::query_scalar("SELECT tenant FROM nodes WHERE name = ?")
            .bind(node)
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(tenant) = of_node.flatten() {
        return Ok(Some(tenant));
    }
    if let Some(tenant) = &hints.tenant_id {
        return Ok(Some(tenant.clone()));
    }
    let of_server: Option<String> =
        sqlx::query_scalar("SELECT tenant FROM tenant_servers WHERE server = ?")
            .bind(hints.server.as_deref().map(str::to_lowercase))
            .fetch_optional(tx)
            .await?;
    Ok(of_server)
}
