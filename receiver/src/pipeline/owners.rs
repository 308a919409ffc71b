//! Whose a recording is, before it is handed to Pod.

use recording::RecordId;

use super::Shared;
use super::failure::{Cause, Failure};
use crate::ledger::Decided;
use crate::owners::{Decision, Finders, OwnersError, Subject};
use crate::tenants::Context;

/// Destinations whose pages only staff sees: an account made for them has to be staff, because Pod
/// never takes that away or gives it later by itself.
const NEEDS_STAFF: [&str; 3] = ["directory", "external", "recording"];

impl From<OwnersError> for Failure {
    /// Nothing is decided while a source cannot be asked; it is asked again.
    fn from(error: OwnersError) -> Failure {
        Failure::Later(
            Cause::Owners,
            format!("whose it is cannot be found out: {error}"),
        )
    }
}

/// Whose a recording is, and who says so or why nobody can. A rehearsal finds it out, and remembers
/// nothing.
pub(super) async fn known(
    shared: &Shared,
    tenant: &Context,
    id: &RecordId,
    rehearsal: bool,
) -> Result<(Option<Decided>, Option<String>), Failure> {
    let known = shared.ledger.owners(id).await?;
    let Some(finders) = tenant
        .finders
        .as_ref()
        .filter(|_| rehearsal && known.is_none())
    else {
        let why = known.as_ref().map(|owners| owners.found_by.clone());
        return Ok((known, why));
    };
    let decision = decide(shared, finders, id).await?;
    let Some(owner) = decision.owner.clone() else {
        let why = format!("it would wait for a decision: {}", decision.why_nobody());
        return Ok((None, Some(why)));
    };
    let found_by = decision.found_by.map_or("", |source| source.as_str());
    let owners = Decided {
        owner,
        additional: decision.additional_owners,
        to_create: decision.to_create,
        found_by: found_by.to_owned(),
        reasons: decision.reasons,
        decided_at: jiff::Timestamp::now(),
    };
    Ok((Some(owners), Some(found_by.to_owned())))
}

async fn decide(shared: &Shared, finders: &Finders, id: &RecordId) -> Result<Decision, Failure> {
    let subject = Subject::of(&shared.ledger, &shared.archive, id).await;
    match subject.map_err(OwnersError::from)? {
        Some(subject) => Ok(finders.decide(&subject).await?),
        None => Err(Failure::ForGood(
            Cause::Lost,
            "the archive knows nothing of it".to_owned(),
        )),
    }
}

/// Whether accounts that are made have to be staff.
pub(super) fn needs_staff(tenant: &Context) -> bool {
    NEEDS_STAFF.contains(&tenant.destination.name())
}

/// Finds out whose a recording is, unless that is known, and sees to it that Pod has the accounts.
/// Gives whether it can be handed over; if not, it waits for somebody to decide.
pub(super) async fn settled(
    shared: &Shared,
    tenant: &Context,
    id: &RecordId,
) -> Result<bool, Failure> {
    let ledger = &shared.ledger;
    let known = ledger.owners(id).await?;
    let Some(finders) = &tenant.finders else {
        return Ok(true);
    };
    let owners = match known {
        Some(owners) => owners,
        None => {
            let decision = decide(shared, finders, id).await?;
            ledger.decided(id, &decision).await?;
            let found_by = decision.found_by.map_or("nobody", |source| source.as_str());
            tracing::info!(record_id = %id, stage = "owners", owner = decision.owner, found_by, "owners");
            metrics::counter!("bbb2pod_owners_total", "found_by" => found_by).increment(1);
            match ledger.owners(id).await? {
                Some(owners) => owners,
                None => return Ok(false),
            }
        }
    };
    if !owners.to_create.is_empty() {
        let staff = needs_staff(tenant);
        let made = finders.make_accounts(&owners.to_create, staff).await?;
        ledger.accounts_made(id, &made).await?;
    }
    Ok(true)
}
