//! A node is about to delete its own copy: what the archive holds is read again, every byte.
//!
//! Reading a recording may take longer than a proxy waits for an answer. So it is done aside, one
//! content at a time, and whoever asks is answered in time: with what was found, or that it is
//! pending and to be asked again. What was found is told once and then forgotten: a later question
//! is about a later moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use recording::protocol::{
    KnownQuestion, MOST_AT_ONCE, PackageName, PackageStatus, Verification, Verified,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

use super::nodes::{too_many, wrong_body};
use super::{Service, auth};
use crate::import::Archive;
use crate::ledger::{Ledger, LedgerError};

/// Longest time that an answer takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Contents that are read, wait for it, or have not been asked for again since.
const MOST: usize = 2 * MOST_AT_ONCE;
/// What nobody has asked for again after so long is forgotten.
const KEPT: Duration = Duration::from_secs(600);

/// What came of it, once there is something.
type Found = watch::Receiver<Option<Verification>>;

/// Contents that are being read.
pub(super) struct Verifications {
    running: Mutex<HashMap<PackageName, (Instant, Found)>>,
    /// Disks do not read faster when asked twice.
    disk: Arc<Semaphore>,
}

impl Default for Verifications {
    fn default() -> Verifications {
        Verifications {
            running: Mutex::default(),
            disk: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Verifications {
    /// Begins to read a content unless that is done already; `None` when there is too much to do.
    fn of(&self, package: &PackageName, archive: &Archive, ledger: &Ledger) -> Option<Found> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, (asked, found)| asked.elapsed() < KEPT || found.borrow().is_none());
        if let Some((asked, found)) = running.get_mut(package) {
            *asked = Instant::now();
            return Some(found.clone());
        }
        if running.len() >= MOST {
            return None;
        }
        let (tell, found) = watch::channel(None);
        let (archive, ledger, disk) = (archive.clone(), ledger.clone(), Arc::clone(&self.disk));
        let name = package.clone();
        tokio::spawn(async move {
            let _alone = disk.acquire().await;
            tell.send_replace(Some(read(&archive, &ledger, &name).await));
        });
        running.insert(package.clone(), (Instant::now(), found.clone()));
        Some(found)
    }

    fn told(&self, package: &PackageName) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(package);
    }
}

/// Reads one content in the archive, and then asks the ledger whether it is the one that counts.
async fn read(archive: &Archive, ledger: &Ledger, package: &PackageName) -> Verification {
    let wrong = |why: &str| Verification::Wrong {
        why: why.to_owned(),
    };
    let (archive, name) = (archive.clone(), package.clone());
    let look = move || archive.read_again(&name.record_id, &name.format);
    let digest = match tokio::task::spawn_blocking(look).await {
        Ok(Ok(Ok(digest))) => digest,
        Ok(Ok(Err(why))) => {
            tracing::error!(record_id = %package.record_id, format = %package.format, why,
                "the archive's copy is damaged; its node keeps its own");
            let (id, format, digest) = (&package.record_id, &package.format, &package.digest);
            if let Err(error) = ledger.note_damaged(id, format, digest, &why).await {
                tracing::error!(record_id = %id, %error, "it cannot be noted in the ledger");
            }
            return Verification::Wrong { why };
        }
        Ok(Err(error)) => {
            tracing::error!(record_id = %package.record_id, format = %package.format, %error,
                "the archive's copy cannot be read; its node keeps its own");
            return wrong("it cannot be read; the receiver's log says why");
        }
        Err(_) => return wrong("reading it was interrupted"),
    };
    if digest == package.digest {
        let (id, format) = (&package.record_id, &package.format);
        if let Err(error) = ledger.note_whole(id, format, &digest).await {
            tracing::error!(record_id = %id, %error, "it cannot be noted in the ledger");
        }
    }
    match ledger.known_packages(std::slice::from_ref(package)).await {
        Ok(known) if known == [Some(PackageStatus::Archived)] && digest == package.digest => {
            Verification::Held { digest }
        }
        Ok(_) => wrong("it holds another content"),
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be asked what is archived");
            wrong("the receiver failed; its log says why")
        }
    }
}

pub(super) async fn verify(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Json<KnownQuestion>, JsonRejection>,
) -> Response {
    let _node = match auth::node(&service.ledger, &headers).await {
        Ok(node) => node,
        Err(error) => return error.into_response(),
    };
    let question = match body {
        Ok(Json(question)) => question,
        Err(rejection) => return wrong_body(&rejection),
    };
    if question.packages.len() > MOST_AT_ONCE {
        return too_many();
    }
    match answered(&service, &question.packages).await {
        Ok(packages) => Json(Verified { packages }).into_response(),
        Err(error) => super::failed(&error),
    }
}

async fn answered(
    service: &Service,
    packages: &[PackageName],
) -> Result<Vec<Verification>, LedgerError> {
    // What never came need not be looked for on the disk.
    let known = service.ledger.known_packages(packages).await?;
    let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
    let readings: Vec<_> = packages
        .iter()
        .zip(&known)
        .map(|(package, status)| {
            // What was found damaged may have been brought back.
            let may_be_here = [PackageStatus::Archived, PackageStatus::Damaged];
            status.is_some_and(|s| may_be_here.contains(&s)).then(|| {
                let verifications = &service.verifications;
                verifications.of(package, &service.archive, &service.ledger)
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(packages.len());
    for (package, reading) in packages.iter().zip(readings) {
        let answer = match reading {
            None => Verification::Wrong {
                why: "this content is not in the archive".to_owned(),
            },
            Some(None) => Verification::Pending,
            Some(Some(mut found)) => {
                let done = timeout_at(deadline, found.wait_for(Option::is_some)).await;
                match done {
                    Ok(Ok(done)) => done.clone().unwrap_or(Verification::Pending),
                    // It takes longer, or broke off, and begins anew with the next question.
                    Ok(Err(_)) => {
                        service.verifications.told(package);
                        Verification::Pending
                    }
                    Err(_) => Verification::Pending,
                }
            }
        };
        if answer != Verification::Pending {
            service.verifications.told(package);
        }
        answers.push(answer);
    }
    // Whoever finds no room at all must not ask again at once.
    if !answers.is_empty() && answers.iter().all(|a| *a == Verification::Pending) {
        tokio::time::sleep_until(deadline).await;
    }
    Ok(answers)
}
