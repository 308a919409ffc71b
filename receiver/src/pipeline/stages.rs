//! What the jobs do, one function per stage.
//!
//! Each brings one recording one stage further, and writes into the ledger how that ended. None
//! fails to its caller: a failure is a state of the recording, with a cause and a next try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use recording::{Manifest, RecordId};

use super::failure::{Cause, Failure};
use super::{Shared, owners};
use crate::import::{self, Limits, Outcome};
use crate::ledger::{Media, NewMedia, Recording, Registered, Stage};
use crate::media;
use crate::pod::{Journal, Lecture, MediaFile, Origin, Plan, Presentation};
use crate::retry::next_try;
use crate::tenants::{Context, TenantError};

/// How often the progress of a conversion goes to the ledger.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The pause after the ledger could not be written.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);

/// When Pod is asked again after it did not answer how far it is.
const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(120);

/// Imports a package.
pub(super) async fn import(shared: &Shared, id: &str) {
    let package = match shared.ledger.waiting_package(id).await {
        Ok(Some(package)) => package,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, package = id, "cannot read the ledger"),
    };
    let spool = &shared.config.spool_dir;
    if !spool.join(&package.file).exists() {
        // An upload is noted in the ledger before it is renamed into the spool.
        if shared.uploads.is_under_way(id).await || spool.join(&package.file).exists() {
            return;
        }
        let reason = "the package has vanished from the spool";
        if let Err(error) = shared.ledger.reject_package(&package, reason).await {
            tracing::error!(%error, package = id, "cannot write the ledger");
        }
        return;
    }
    let limits = Limits {
        members: shared.config.import.max_members,
        member_size: shared.config.import.max_member_size.as_u64(),
    };
    match import::import(&package, spool, &shared.archive, limits, &shared.ledger).await {
        Ok(Outcome::Archived | Outcome::Overtaken | Outcome::Rejected | Outcome::Dropped) => {}
        Err(error) => {
            count("import", Cause::of_import(&error));
            tracing::error!(package = id, file = package.file, %error, stage = "import", "import failed");
            let until = next_try(package.attempts);
            if let Err(error) = shared
                .ledger
                .postpone_package(&package, until, &error.to_string())
                .await
            {
                tracing::error!(%error, package = id, "cannot write the ledger");
                // The ledger still says that this is due; without a pause it would be done at once.
                tokio::time::sleep(LEDGER_PAUSE).await;
            }
        }
    }
}

/// Decides what a recording's video is made from.
pub(super) async fn media(shared: &Shared, id: &RecordId) {
    settle(shared, id, Stage::Media, decide(shared, id).await).await;
}

async fn decide(shared: &Shared, id: &RecordId) -> Result<(), Failure> {
    let held = shared.ledger.formats(id).await?;
    let formats: Vec<_> = held.iter().map(|(format, ..)| format.clone()).collect();
    let is_registered = !shared.ledger.registrations(id).await?.is_empty();
    let before = shared.ledger.media(id).await?;
    let registered = before
        .as_ref()
        .filter(|_| is_registered)
        .map(|m| &m.source_format);
    let Some(chosen) = media::choose(&formats, registered) else {
        let names: Vec<_> = formats.iter().map(|f| f.as_str()).collect();
        let text = format!(
            "nothing to make a video from: there is only {}",
            names.join(", ")
        );
        shared
            .ledger
            .advance(id, Stage::Media, Stage::Done, &text)
            .await?;
        return Ok(());
    };
    let digest = held
        .iter()
        .find(|(format, ..)| format == chosen)
        .map(|(_, digest, _)| *digest);
    let unchanged = before
        .as_ref()
        .is_some_and(|m| Some(m.source_digest) == digest && m.made.is_some());
    if unchanged && media::path(&shared.config.media_dir, id).exists() {
        let text = format!("the video made from {chosen} before is still right");
        shared
            .ledger
            .advance(id, Stage::Media, Stage::Register, &text)
            .await?;
    } else if let Some(digest) = digest {
        let tenant = tenant_of(shared, id).await?;
        let next = if tenant.destination.needs_media() {
            Stage::Convert
        } else {
            Stage::Register
        };
        shared.ledger.plan_media(id, chosen, digest, next).await?;
    }
    Ok(())
}

/// Makes a recording's video.
pub(super) async fn convert(shared: &Arc<Shared>, id: &RecordId) {
    settle(shared, id, Stage::Convert, make(shared, id).await).await;
}

async fn make(shared: &Arc<Shared>, id: &RecordId) -> Result<(), Failure> {
    let Some(plan) = shared.ledger.media(id).await? else {
        let why = "the ledger does not say what the video is made from".to_owned();
        return Err(Failure::ForGood(Cause::Lost, why));
    };
    let progress: Arc<(AtomicU64, AtomicU64)> = Arc::default();
    let tenant = tenant_of(shared, id).await?;
    let work = {
        let (shared, tenant, id, format, progress) = (
            shared.clone(),
            tenant,
            id.clone(),
            plan.source_format.clone(),
            progress.clone(),
        );
        tokio::task::spawn_blocking(move || {
            let note = |now: render::convert::Progress| {
                progress.0.store(now.done.0, Ordering::Relaxed);
                progress.1.store(now.total.0, Ordering::Relaxed);
            };
            media::make(
                &id,
                &format,
                &shared.archive,
                &tenant.config,
                &note,
                shared.halt(),
            )
        })
    };
    tokio::pin!(work);
    let made = loop {
        tokio::select! {
            made = &mut work => break made,
            () = tokio::time::sleep(PROGRESS_EVERY) => {
                let (done, all) = (progress.0.load(Ordering::Relaxed), progress.1.load(Ordering::Relaxed));
                if let Err(error) = shared.ledger.progress(id, done, all).await {
                    tracing::warn!(record_id = %id, %error, "the progress cannot be noted");
                }
            }
        }
    };
    let made = match made {
        Ok(Ok(made)) => made,
        Ok(Err(_)) if shared.is_stopping() => return Err(Failure::Stopped),
        Ok(Err(error)) if error.is_transient() => {
            return Err(Failure::Later(Cause::Converter, error.to_string()));
        }
        Ok(Err(error)) => return Err(Failure::ForGood(Cause::Recording, error.to_string())),
        Err(panic) => {
            let why = format!("the converter died: {panic}");
            return Err(Failure::ForGood(Cause::Converter, why));
        }
    };
    let speed = made.duration_ms as f64 / (made.elapsed_ms.max(1)) as f64;
    metrics::counter!("bbb2pod_converted_total").increment(1);
    metrics::counter!("bbb2pod_converted_seconds_total").increment(made.duration_ms / 1000);
    metrics::gauge!("bbb2pod_conversion_speed").set(speed);
    tracing::info!(record_id = %id, stage = "convert", bytes = made.bytes, elapsed_ms = made.elapsed_ms, speed, "converted");
    let text = format!(
        "made the video: {:.1} s, {} bytes, in {:.1} s ({speed:.1} times real time)",
        made.duration_ms as f64 / 1000.0,
        made.bytes,
        made.elapsed_ms as f64 / 1000.0,
    );
    let media = NewMedia {
        source_digest: plan.source_digest,
        sha256: made.sha256,
        bytes: made.bytes,
        duration_ms: made.duration_ms,
        warnings: made.warnings,
    };
    Ok(shared.ledger.media_made(id, &media, &text).await?)
}

/// Hands a recording's video to Pod, once it is known whose it is.
pub(crate) async fn register(shared: &Shared, id: &RecordId) {
    let done = async {
        let tenant = tenant_of(shared, id).await?;
        match owners::settled(shared, &tenant, id).await? {
            true if is_without_video(shared, &tenant, id).await? => {
                let text = "the video has to be made first";
                let (from, to) = (Stage::Register, Stage::Media);
                shared.ledger.advance(id, from, to, text).await?;
                Ok(())
            }
            true => hand_over(shared, &tenant, id).await,
            false => Ok(()),
        }
    };
    settle(shared, id, Stage::Register, done.await).await;
}

/// Whether the destination needs a video that is not there: it did not need one before, or somebody
/// has removed it.
async fn is_without_video(
    shared: &Shared,
    tenant: &Context,
    id: &RecordId,
) -> Result<bool, Failure> {
    if !tenant.destination.needs_media() {
        return Ok(false);
    }
    let media = shared.ledger.media(id).await?;
    let is_made = media.is_some_and(|media| media.made.is_some());
    Ok(!(is_made && media::path(&shared.config.media_dir, id).exists()))
}

/// Asks Pod what has become of a video that it had not finished with.
///
/// The recording is done whatever comes of this, so a failure is only put off.
pub(super) async fn look_again(shared: &Shared, id: &RecordId) {
    let mut place = None;
    let done = async {
        let tenant = tenant_of(shared, id).await?;
        place = Some(tenant.place());
        hand_over(shared, &tenant, id).await
    };
    let (later, error) = match done.await {
        Ok(()) | Err(Failure::Stopped) => return,
        Err(Failure::Later(_, error)) => (Some(Timestamp::now() + LOOK_AFTER_FAILURE), error),
        Err(Failure::ForGood(_, error)) => (None, error),
    };
    tracing::warn!(record_id = %id, stage = "register", error, "Pod does not tell how far it is");
    // Of a tenant that is there no more, nothing can be asked.
    let noted = match &place {
        Some(place) => shared.ledger.look_at(id, place, later).await,
        None => shared.ledger.look_nowhere(id, later).await,
    };
    if let Err(error) = noted {
        tracing::error!(record_id = %id, %error, "cannot write the ledger");
        tokio::time::sleep(LEDGER_PAUSE).await;
    }
}

/// What is needed to work for the tenant whose a recording is.
async fn tenant_of(shared: &Shared, id: &RecordId) -> Result<Arc<Context>, Failure> {
    let tenant = shared.ledger.tenant_of(id).await?;
    let context = shared.tenants.named(&shared.ledger, tenant.as_deref());
    context.await.map_err(|error| match error {
        TenantError::Ledger(error) => error.into(),
        other => Failure::Later(Cause::Settings, other.to_string()),
    })
}

async fn hand_over(shared: &Shared, tenant: &Context, id: &RecordId) -> Result<(), Failure> {
    let lecture = lecture(shared, tenant, id, false).await?;
    let place = tenant.place();
    let journal = LedgerJournal { shared, place, id };
    let registration = tenant.destination.register(&lecture, &journal).await?;
    let kind = registration.kind.as_str();
    let registered = Registered {
        destination: tenant.place(),
        kind: kind.to_owned(),
        reference: registration.reference,
        url: registration.url,
        media_digest: registration.media_digest,
        registered_at: Timestamp::now(),
        look_again: registration.look_again.map(|wait| Timestamp::now() + wait),
        trouble: registration.trouble,
    };
    if let Some(trouble) = &registered.trouble {
        tracing::error!(record_id = %id, trouble, "something is wrong in Pod");
    }
    let is_news = shared
        .ledger
        .registered(id, &registered, &registration.notes)
        .await?;
    if is_news {
        metrics::counter!("bbb2pod_registered_total", "kind" => kind).increment(1);
        tracing::info!(record_id = %id, stage = "register", kind, reference = registered.reference, "registered");
    }
    Ok(())
}

/// Everything a destination needs to know of a recording.
///
/// For a rehearsal nothing needs to have been made or decided yet.
async fn lecture(
    shared: &Shared,
    tenant: &Context,
    id: &RecordId,
    rehearsal: bool,
) -> Result<Lecture, Failure> {
    let lost = |what: &str| {
        let why = format!("{what}; run: bbb2pod-receiver recording retry {id} --from media");
        Failure::ForGood(Cause::Lost, why)
    };
    let recording: Recording = shared
        .ledger
        .recording(id)
        .await?
        .ok_or_else(|| lost("the ledger has lost it"))?;
    let mut media = shared.ledger.media(id).await?;
    if media.is_none() && rehearsal {
        media = to_be_made(shared, id).await?;
    }
    let media = media.ok_or_else(|| lost("the ledger knows no video"))?;
    let path = media::path(&shared.config.media_dir, id);
    let file = media.made.map(|(digest, bytes, _)| MediaFile {
        path,
        digest,
        bytes,
    });
    if tenant.destination.needs_media() && !rehearsal {
        match &file {
            None => return Err(lost("the video has not been made")),
            Some(file) if !file.path.exists() => return Err(lost("the video's file is gone")),
            Some(_) => {}
        }
    }
    let manifest: Option<Manifest> = shared.archive.manifest(id, &media.source_format)?;
    let metadata = manifest.as_ref().and_then(|m| m.metadata.as_ref());
    let playback = metadata.and_then(|m| {
        let mut formats = m.playback.iter();
        formats.find(|playback| playback.format == media.source_format)
    });
    let recorded_ms = playback.and_then(|playback| playback.duration_ms);
    let (owners, owner_why) = owners::known(shared, tenant, id, rehearsal).await?;
    let mut meta = metadata.map(|m| m.meta.clone()).unwrap_or_default();
    meta.retain(|key, _| !tenant.overridden.contains(&key.as_str()));
    Ok(Lecture {
        record_id: id.clone(),
        title: recording.title,
        started: recording.started_at,
        duration_ms: media.made.map_or(recorded_ms.unwrap_or(0), |(.., ms)| ms),
        media: file,
        source_digest: media.source_digest,
        playback: playback.and_then(|playback| playback.link.clone()),
        owner: owners.as_ref().map(|owners| owners.owner.clone()),
        owner_why,
        to_create: match &owners {
            Some(owners) if rehearsal => owners.to_create.clone(),
            _ => Vec::new(),
        },
        additional_owners: owners.map(|owners| owners.additional).unwrap_or_default(),
        origin: Origin {
            node: recording.node,
            format: media.source_format,
            meeting_id: metadata.and_then(|m| m.external_meeting_id.clone()),
            server_name: metadata
                .and_then(|m| m.meta("bbb-origin-server-name"))
                .map(str::to_owned),
            state: metadata.and_then(|m| m.state.clone()),
            published: metadata.is_some_and(|m| m.published),
        },
        language: None,
        meta,
        presentation: presentation(shared, id).await?,
    })
}

/// What a recording's video would be made from, before that has been decided.
async fn to_be_made(shared: &Shared, id: &RecordId) -> Result<Option<Media>, Failure> {
    let held = shared.ledger.formats(id).await?;
    let formats: Vec<_> = held.iter().map(|(format, ..)| format.clone()).collect();
    let chosen = media::choose(&formats, None);
    let digest = held
        .iter()
        .find(|(format, ..)| Some(format) == chosen)
        .map(|(_, digest, _)| *digest);
    let plan = chosen.zip(digest).map(|(format, digest)| Media {
        source_format: format.clone(),
        source_digest: digest,
        made: None,
        warnings: Vec::new(),
    });
    Ok(plan)
}

/// What would be done to hand a recording to Pod; `Err` says in words what is in the way.
pub(crate) async fn rehearse(
    shared: &Shared,
    id: &RecordId,
) -> Result<(Lecture, Result<Plan, String>), String> {
    let tenant = tenant_of(shared, id).await.map_err(Failure::words)?;
    let lecture = lecture(shared, &tenant, id, true).await;
    let lecture = lecture.map_err(Failure::words)?;
    if tenant.finders.is_some() && lecture.owner.is_none() {
        let why = lecture.owner_reason().to_owned();
        return Ok((lecture, Err(why)));
    }
    let place = tenant.place();
    let journal = LedgerJournal { shared, place, id };
    let plan = tenant.destination.rehearse(&lecture, &journal).await;
    let staff = owners::needs_staff(&tenant);
    let plan = plan.map(|mut plan| {
        let makes = lecture.to_create.iter().map(|user| user.shown(staff));
        plan.steps.splice(0..0, makes);
        plan
    });
    Ok((lecture, plan.map_err(|error| error.to_string())))
}

/// Everything that is known of a recording for those who read about it.
pub(crate) async fn described(shared: &Shared, id: &RecordId) -> Result<Lecture, String> {
    let tenant = tenant_of(shared, id).await.map_err(Failure::words)?;
    let lecture = lecture(shared, &tenant, id, true).await;
    lecture.map_err(Failure::words)
}

/// The presentation in the archive, whatever the video was made from.
async fn presentation(shared: &Shared, id: &RecordId) -> Result<Option<Presentation>, Failure> {
    let held = shared.ledger.formats(id).await?;
    let kept = held
        .iter()
        .find(|(format, ..)| format.as_str() == "presentation");
    Ok(kept.map(|(format, digest, _)| Presentation {
        folder: shared.archive.folder(id, format),
        digest: *digest,
    }))
}

/// Writes how a stage ended.
async fn settle(shared: &Shared, id: &RecordId, stage: Stage, result: Result<(), Failure>) {
    let noted = match result {
        Ok(()) | Err(Failure::Stopped) => Ok(()),
        Err(Failure::Later(cause, why)) => {
            noted_cause(shared, id, stage, cause).await;
            tracing::error!(record_id = %id, stage = stage.as_str(), error = why, "failed; it will be tried again");
            let attempts = shared
                .ledger
                .recording(id)
                .await
                .ok()
                .flatten()
                .map_or(0, |r| r.attempts);
            shared
                .ledger
                .postpone(id, stage, next_try(attempts), &why)
                .await
        }
        Err(Failure::ForGood(cause, why)) => {
            noted_cause(shared, id, stage, cause).await;
            tracing::error!(record_id = %id, stage = stage.as_str(), error = why, "failed; somebody has to look");
            shared.ledger.fail(id, stage, &why).await
        }
    };
    if let Err(error) = noted {
        tracing::error!(record_id = %id, %error, "cannot write the ledger");
        tokio::time::sleep(LEDGER_PAUSE).await;
    }
}

/// Counts a failure, and keeps its cause for those who count later.
async fn noted_cause(shared: &Shared, id: &RecordId, stage: Stage, cause: Cause) {
    count(stage.as_str(), cause);
    if let Err(error) = shared.ledger.note_cause(id, cause.as_str()).await {
        tracing::error!(record_id = %id, %error, "cannot write the ledger");
    }
}

fn count(stage: &'static str, cause: Cause) {
    metrics::counter!("bbb2pod_failures_total", "stage" => stage, "cause" => cause.as_str())
        .increment(1);
}

/// A destination's memory, kept in the ledger.
struct LedgerJournal<'a> {
    shared: &'a Shared,
    /// Whose memory, and at which destination.
    place: String,
    id: &'a RecordId,
}

impl Journal for LedgerJournal<'_> {
    fn load(&self) -> BoxFuture<'_, anyhow::Result<Option<serde_json::Value>>> {
        Box::pin(async {
            let ledger = &self.shared.ledger;
            Ok(ledger.registration_progress(self.id, &self.place).await?)
        })
    }

    fn others(&self, path: &'static str) -> BoxFuture<'_, anyhow::Result<u64>> {
        Box::pin(async move {
            let ledger = &self.shared.ledger;
            Ok(ledger.others_at(self.id, &self.place, path).await?)
        })
    }

    fn save<'a>(&'a self, progress: &'a serde_json::Value) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            Ok(self
                .shared
                .ledger
                .save_registration_progress(self.id, &self.place, progress)
                .await?)
        })
    }
}
