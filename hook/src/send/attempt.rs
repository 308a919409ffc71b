//! One attempt at one job: pack, ask, deliver, or ask for the confirmation.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use recording::Package;
use recording::digest::Digest;
use tracing::info;

use super::pack;
use crate::failure::{Cause, Failure};
use crate::outbox::job::{Job, Resume};
use crate::outbox::{Outbox, Outcome, Progress};
use crate::settings::PackageKind;
use crate::stop::Stop;
use crate::transport::{Delivered, Journal, Known, Transport};

/// What an attempt came to when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Where it was to get: the job is done.
    End(Outcome, Digest),
    /// On the other side, not confirmed yet.
    Delivered,
    /// Asked to stop.
    Stopped,
}

/// What every attempt needs.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) outbox: Outbox,
    pub(crate) transport: Transport,
    pub(crate) node: String,
    pub(crate) package: PackageKind,
    pub(crate) stop: Stop,
}

/// How often the receiver may not know a delivered package before it is sent again.
const LOST_AFTER: u32 = 5;

impl Sender {
    /// Takes a job one step further; the job's course is changed but not written.
    ///
    /// # Errors
    /// Whatever kept it from going further; the next attempt goes on from there.
    pub(crate) async fn attempt(
        self: &Arc<Sender>,
        name: &str,
        job: &mut Job,
        stop: &Stop,
    ) -> Result<Reached, Failure> {
        let package = self.package(name, job).await?;
        let digest = package.manifest().digest;
        match self
            .transport
            .known(&job.record_id, &job.format, &digest)
            .await?
        {
            Known::Archived => return Ok(Reached::End(Outcome::Archived, digest)),
            Known::Spooled => return Ok(Reached::Delivered),
            Known::Erased => return Ok(Reached::End(Outcome::Erased, digest)),
            // Rejected before: what is sent now is packed anew.
            Known::Rejected { since, .. } => job.course.rejected_at = Some(since),
            Known::Unknown | Known::Superseded => {}
        }
        if job
            .course
            .resume
            .as_ref()
            .is_some_and(|r| r.digest != digest)
        {
            job.course.resume = None;
        }
        let journal = Arc::new(JobJournal::new(self, name, job, digest));
        let begun = Instant::now();
        let place = job.course.resume.as_ref().map(|r| r.at.clone());
        let bytes = package.length();
        let teller: Arc<dyn Journal> = journal.clone();
        let delivered = self
            .transport
            .deliver(package, place.as_deref(), &teller, stop)
            .await;
        job.course.resume = journal.resume();
        self.outbox.clear_progress(name);
        match delivered? {
            Delivered::Whole => {
                info!(
                    job = name, record_id = %job.record_id, format = %job.format, bytes,
                    elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "delivered"
                );
                if self.transport.confirms() {
                    Ok(Reached::Delivered)
                } else {
                    Ok(Reached::End(Outcome::HandedOver, digest))
                }
            }
            Delivered::Stopped => Ok(Reached::Stopped),
        }
    }

    /// Removes what an earlier run left half-done outside the outbox.
    pub(crate) fn forget_leftovers(&self) {
        self.transport
            .forget_leftovers(|| pack::digests(&self.outbox));
    }

    /// Asks whether a delivered job has arrived in the archive.
    ///
    /// # Errors
    /// The receiver cannot be asked, has rejected the package, or has lost it: then it is packed
    /// and sent anew.
    pub(crate) async fn confirm(
        self: &Arc<Sender>,
        name: &str,
        job: &mut Job,
        unknown_so_far: &mut u32,
    ) -> Result<Reached, Failure> {
        let digest = match &job.course.resume {
            Some(resume) => resume.digest,
            None => self.package(name, job).await?.manifest().digest,
        };
        match self
            .transport
            .known(&job.record_id, &job.format, &digest)
            .await?
        {
            Known::Archived | Known::Superseded => Ok(Reached::End(Outcome::Archived, digest)),
            Known::Erased => Ok(Reached::End(Outcome::Erased, digest)),
            Known::Spooled => {
                *unknown_so_far = 0;
                Ok(Reached::Delivered)
            }
            Known::Rejected { reason, since } if job.course.rejected_at != Some(since) => {
                job.course.rejected_at = Some(since);
                self.start_over(name, job)?;
                let message = format!("the receiver rejected it: {reason}; it will be packed anew");
                Err(Failure::new(Cause::Rejected, message))
            }
            Known::Unknown | Known::Rejected { .. } => {
                *unknown_so_far += 1;
                if *unknown_so_far < LOST_AFTER {
                    return Ok(Reached::Delivered);
                }
                self.start_over(name, job)?;
                let message =
                    "the receiver no longer knows what was delivered; it will be sent again";
                Err(Failure::new(Cause::Protocol, message))
            }
        }
    }

    /// Makes the next attempt pack and send from the first byte.
    pub(crate) fn start_over(&self, name: &str, job: &mut Job) -> Result<(), Failure> {
        job.course.resume = None;
        job.course.delivered_at = None;
        pack::forget(&self.outbox, name)
            .map_err(|e| Failure::disk(format!("cannot forget the manifest of {name}: {e}")))
    }

    async fn package(self: &Arc<Sender>, name: &str, job: &Job) -> Result<Arc<Package>, Failure> {
        let (sender, name, job) = (self.clone(), name.to_owned(), job.clone());
        let packing = tokio::task::spawn_blocking(move || {
            pack::package(&sender.outbox, &name, &job, &sender.node, sender.package)
        });
        let package = packing
            .await
            .map_err(|e| Failure::disk(format!("packing broke off: {e}")))??;
        Ok(Arc::new(package))
    }
}

/// Writes into the outbox what a transport tells.
struct JobJournal {
    sender: Arc<Sender>,
    name: String,
    digest: Digest,
    job: Mutex<Job>,
    pace: Mutex<Pace>,
}

/// For the rate: where it began and when it was last written.
struct Pace {
    begun: Option<(Instant, u64)>,
    written: Option<Instant>,
}

/// How often progress is written.
const EVERY: Duration = Duration::from_millis(500);

impl JobJournal {
    fn new(sender: &Arc<Sender>, name: &str, job: &Job, digest: Digest) -> JobJournal {
        JobJournal {
            sender: sender.clone(),
            name: name.to_owned(),
            digest,
            job: Mutex::new(job.clone()),
            pace: Mutex::new(Pace {
                begun: None,
                written: None,
            }),
        }
    }

    fn resume(&self) -> Option<Resume> {
        self.job.lock().ok()?.course.resume.clone()
    }
}

impl Journal for JobJournal {
    fn resume_at(&self, place: &str) -> Result<(), Failure> {
        let broken = |e: &dyn std::fmt::Display| {
            Failure::disk(format!("cannot write the state of {}: {e}", self.name))
        };
        let mut job = self.job.lock().map_err(|e| broken(&e))?;
        job.course.resume = Some(Resume {
            at: place.to_owned(),
            digest: self.digest,
        });
        self.sender
            .outbox
            .write(&self.name, &job)
            .map_err(|e| broken(&e))
    }

    fn progress(&self, sent: u64, length: u64) {
        let Ok(mut pace) = self.pace.lock() else {
            return;
        };
        let (begun, first) = *pace.begun.get_or_insert((Instant::now(), sent));
        if pace.written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        pace.written = Some(Instant::now());
        let millis = begun.elapsed().as_millis().max(1);
        let rate = u128::from(sent.saturating_sub(first)) * 1000 / millis;
        self.sender.outbox.write_progress(
            &self.name,
            &Progress {
                sent,
                length,
                bytes_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
                at: Timestamp::now(),
            },
        );
    }
}
