//! Registrations, and what Pod says of them.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use super::{Difference, Place, of};
use crate::ledger::{Ledger, Recording, Stage};
use crate::pod::{Journal, Kind, Standing};
use crate::tenants::Tenants;

/// Compares; gives why Pod could not be asked, when it could not.
pub(super) async fn compare(
    ledger: &Ledger,
    recordings: &[Recording],
    tenants: Option<&Tenants>,
    out: &mut Vec<Difference>,
) -> anyhow::Result<Option<String>> {
    // Of each tenant whose Pod could not be asked, why; it is not asked again.
    let mut problems: BTreeMap<Option<String>, String> = BTreeMap::new();
    for recording in recordings {
        let media = ledger.media(&recording.record_id).await?;
        let made = media.and_then(|media| media.made);
        if recording.failed || recording.stage != Stage::Done {
            continue;
        }
        let registrations = ledger.registrations(&recording.record_id).await?;
        if registrations.is_empty() && made.is_some() {
            let text = format!(
                "it has a video that is not in Pod; bbb2pod-receiver recording retry {} --from register",
                recording.record_id
            );
            out.push(of(recording, Place::Pod, super::Kind::Missing, text));
        }
        for registration in registrations {
            // A link leads to whatever there is, and a line in a list says nothing of the video.
            let holds_media =
                ![Kind::Link.as_str(), Kind::Line.as_str()].contains(&registration.kind.as_str());
            if let Some((sha256, ..)) = made
                && holds_media
                && registration.media_digest != sha256
            {
                let text = format!(
                    "{} {} was made from an earlier video",
                    registration.kind, registration.reference
                );
                out.push(of(recording, Place::Pod, super::Kind::Changed, text));
            }
            let tenant = &recording.tenant;
            let Some(tenants) = tenants.filter(|_| !problems.contains_key(tenant)) else {
                continue;
            };
            let context = match tenants.named(ledger, tenant.as_deref()).await {
                Ok(context) => context,
                Err(error) => {
                    problems.insert(tenant.clone(), error.to_string());
                    continue;
                }
            };
            let place = context.place();
            if place != registration.destination {
                continue;
            }
            let journal = ReadOnly {
                ledger,
                recording,
                place,
            };
            let destination = &context.destination;
            match destination.standing(&recording.record_id, &journal).await {
                Ok(Standing::There | Standing::Unknown) => {}
                Ok(Standing::Partly(what)) => {
                    let text = format!(
                        "of {} {} in Pod: {what}",
                        registration.kind, registration.reference
                    );
                    out.push(of(recording, Place::Pod, super::Kind::Changed, text));
                }
                Ok(Standing::Gone) => {
                    let text = format!(
                        "{} {} is in Pod no more",
                        registration.kind, registration.reference
                    );
                    out.push(of(recording, Place::Pod, super::Kind::Deleted, text));
                }
                Err(error) => {
                    let of = tenant.as_deref().map(|name| format!("tenant {name}: "));
                    let why = format!("{}{error}", of.unwrap_or_default());
                    problems.insert(tenant.clone(), why);
                }
            }
        }
    }
    let problems: Vec<_> = problems.into_values().collect();
    Ok((!problems.is_empty()).then(|| problems.join("; ")))
}

/// What a destination remembers, to be looked at only.
struct ReadOnly<'a> {
    ledger: &'a Ledger,
    recording: &'a Recording,
    place: String,
}

impl Journal for ReadOnly<'_> {
    fn load(&self) -> BoxFuture<'_, anyhow::Result<Option<serde_json::Value>>> {
        Box::pin(async {
            let id = &self.recording.record_id;
            Ok(self.ledger.registration_progress(id, &self.place).await?)
        })
    }

    fn others(&self, _: &'static str) -> BoxFuture<'_, anyhow::Result<u64>> {
        Box::pin(async { Ok(0) })
    }

    fn save<'a>(&'a self, _: &'a serde_json::Value) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { anyhow::bail!("nothing is written here") })
    }
}
