//! Contents that were confirmed once and that the receiver confirms no longer, because its copy
//! was found damaged or is gone: the node's may be the last one.

use recording::protocol::{PackageName, PackageStatus};

use crate::error::Error;
use crate::receiver::Receiver;
use crate::settings::{Settings, TransportKind};

/// For each content whether the receiver confirms it no longer; never, where nobody answers.
///
/// # Errors
/// The receiver cannot be asked.
pub(crate) fn lost(settings: &Settings, confirmed: &[PackageName]) -> Result<Vec<bool>, Error> {
    if settings.transport != TransportKind::Http || confirmed.is_empty() {
        return Ok(vec![false; confirmed.len()]);
    }
    let receiver = Receiver::open(settings)?;
    let statuses = receiver.wait(receiver.http.known_packages(confirmed))?;
    let gone = |status| {
        matches!(
            status,
            None | Some(PackageStatus::Rejected | PackageStatus::Damaged)
        )
    };
    Ok(statuses.into_iter().map(gone).collect())
}
