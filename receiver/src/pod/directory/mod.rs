//! The claim directory of a Pod recorder.
//!
//! Pod's cron (`manage.py recorder checkDirectory`) lists every `*.mp4` there for staff to claim; a
//! claim moves the file away. `.part` files are not looked at. So a recording is copied to
//! `<record id>.mp4.part`, synced, and renamed.
//!
//! # Exactly one file
//!
//! Once it is there, Pod may take the file at any moment, so its absence does not mean that it was
//! never delivered. What tells is the `.part` file: it is made durable *before* the intent to rename
//! is saved, has a name that only this recording uses, and the rename is what removes it. After a
//! crash therefore:
//!
//! | the journal says | `.part` | what happened | what is done |
//! |---|---|---|---|
//! | nothing | any | nothing was renamed | write it anew |
//! | renaming | there | not renamed | write it anew |
//! | renaming | gone | renamed, and perhaps taken by Pod | nothing: delivered |
//! | delivered | any | the journal knows | nothing |
//!
//! A republished recording replaces a file that nobody has claimed yet. Both files change places
//! in one step that fails when Pod has just taken the old one; what the `.part` then holds, the new
//! content or the old, tells after a crash whether it happened. Where the file system cannot
//! exchange names (NFS), Pod could take the old file between the look and the rename, and then the
//! new one stays as a second claim.

pub(super) mod mount;
pub(super) mod name;
pub(super) mod place;
pub(super) mod row;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use recording::Digest;
use serde::{Deserialize, Serialize};

use self::name::{Form, claim_name};
use self::place::Part;
use self::row::Rows;
use super::config::{DirectoryConfig, Republish};
use super::{Destination, Finding, Journal, Kind, Lecture, Plan, PodError, Registration};

/// The destination `directory`.
#[derive(Debug)]
pub(super) struct Directory {
    directory: PathBuf,
    /// Characters that remain for a file's name.
    room: usize,
    require_mount: bool,
    timezone: TimeZone,
    on_republish: Republish,
    /// The directory as Pod sees it.
    seen: String,
    rows: Option<Rows>,
}

/// What the journal keeps of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Progress {
    /// The `.part` file is complete and about to get this name.
    Renaming { name: String, media: Digest },
    /// The `.part` file is complete and about to replace this file.
    Replacing {
        name: String,
        media: Digest,
        previous: Digest,
    },
    /// The file was there under this name.
    Delivered {
        name: String,
        media: Digest,
        /// Whether its row of the claim page has been made.
        #[serde(default)]
        row: bool,
    },
}

impl Directory {
    pub(super) fn new(config: &DirectoryConfig) -> Result<Directory, PodError> {
        Ok(Directory {
            directory: config.directory.clone(),
            room: config.room(),
            require_mount: config.require_mount,
            timezone: super::config::timezone(config.timezone.as_deref())?,
            on_republish: config.on_republish,
            seen: config.seen(),
            rows: Rows::new(config)?,
        })
    }

    async fn deliver(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Registration, PodError> {
        let file = lecture.media()?;
        let known: Option<Progress> = journal.progress().await?;
        if let Some(Progress::Delivered { name, media, .. }) = &known
            && *media == file.digest
        {
            return Ok(registration(name.clone(), *media, None));
        }

        let (directory, require_mount) = (self.directory.clone(), self.require_mount);
        blocking(move || mount::present(&directory, require_mount)).await?;
        match self.settle(lecture, known, journal).await? {
            Some((name, media)) if media == file.digest => Ok(registration(name, media, None)),
            Some((name, media)) => self.redeliver(lecture, journal, name, media).await,
            None => self.deliver_first(lecture, journal).await,
        }
    }

    /// Finds out what became of a rename that was intended; gives what was delivered.
    async fn settle(
        &self,
        lecture: &Lecture,
        known: Option<Progress>,
        journal: &dyn Journal,
    ) -> Result<Option<(String, Digest)>, PodError> {
        let part = self.part(lecture);
        let (name, media) = match known {
            None => return Ok(None),
            Some(Progress::Delivered { name, media, .. }) => return Ok(Some((name, media))),
            Some(Progress::Renaming { name, media }) => {
                if blocking(move || Part::open(&part)).await?.is_some() {
                    return Ok(None);
                }
                (name, media)
            }
            Some(Progress::Replacing {
                name,
                media,
                previous,
            }) => {
                let replaced = blocking(move || match Part::open(&part)? {
                    None => Ok(true),
                    Some(held) => {
                        let replaced = held.content(&part)? == previous;
                        held.discard(&part)?;
                        Ok(replaced)
                    }
                });
                let now = if replaced.await? { media } else { previous };
                (name, now)
            }
        };
        journal
            .keep(&Progress::Delivered {
                name: name.clone(),
                media,
                row: false,
            })
            .await?;
        Ok(Some((name, media)))
    }

    async fn deliver_first(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Registration, PodError> {
        self.deliver_as(lecture, journal, [Form::Usual, Form::Longer])
            .await
    }

    /// Delivers a republished version as another file beside the former one.
    async fn deliver_again(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
        former: String,
    ) -> Result<Registration, PodError> {
        let form = Form::Version(lecture.media()?.digest);
        let mut made = self.deliver_as(lecture, journal, [form, form]).await?;
        made.notes.push(format!(
            "the republished version was delivered beside the first one, {former}"
        ));
        Ok(made)
    }

    async fn deliver_as(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
        forms: [Form; 2],
    ) -> Result<Registration, PodError> {
        let media = lecture.media()?.digest;
        let mut held = self.write_part(lecture).await?;
        for form in forms {
            let name = self.name(lecture, form);
            let (part, target) = (self.part(lecture), self.directory.join(&name));
            journal
                .keep(&Progress::Renaming {
                    name: name.clone(),
                    media,
                })
                .await?;
            let outcome = blocking(move || match held.publish(&part, &target)? {
                None => Ok(None),
                // The same content under our name is ours, from before the ledger was lost.
                Some(held) if place::digest(&target)? == Some(media) => {
                    held.discard(&part)?;
                    Ok(None)
                }
                Some(held) => Ok(Some(held)),
            });
            match outcome.await? {
                None => {
                    journal
                        .keep(&Progress::Delivered {
                            name: name.clone(),
                            media,
                            row: false,
                        })
                        .await?;
                    return Ok(registration(name, media, None));
                }
                Some(refused) => held = refused,
            }
        }
        let part = self.part(lecture);
        blocking(move || held.discard(&part)).await?;
        Err(PodError::ClaimDirectory {
            path: self.directory.join(self.name(lecture, Form::Longer)),
            why: "another file has this recording's name; move it away".into(),
        })
    }

    async fn redeliver(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
        name: String,
        previous: Digest,
    ) -> Result<Registration, PodError> {
        const KEPT: &str = "the republished version was not delivered: on_republish is keep";
        const TAKEN: &str = "the republished version was not delivered: Pod has already taken the \
                             first one, and a second claim would make a second video";
        let target = self.directory.join(&name);
        let (looked_at, part) = (target.clone(), self.part(lecture));
        if self.on_republish == Republish::New {
            return self.deliver_again(lecture, journal, name).await;
        }
        let keeps = self.on_republish == Republish::Keep;
        let still_there = move || {
            let there = !keeps && place::digest(&looked_at)? == Some(previous);
            if !there && let Some(held) = Part::open(&part)? {
                // An attempt was aborted before Pod took the first version.
                held.discard(&part)?;
            }
            Ok(there)
        };
        if !blocking(still_there).await? {
            let why = if keeps { KEPT } else { TAKEN };
            return Ok(registration(name, previous, Some(why.to_owned())));
        }
        let media = lecture.media()?.digest;
        let held = self.write_part(lecture).await?;
        let intent = Progress::Replacing {
            name: name.clone(),
            media,
            previous,
        };
        journal.keep(&intent).await?;
        let part = self.part(lecture);
        let replaced = blocking(move || held.replace(&part, &target)).await?;
        let now = if replaced { media } else { previous };
        journal
            .keep(&Progress::Delivered {
                name: name.clone(),
                media: now,
                row: false,
            })
            .await?;
        let note = if replaced {
            "the republished version has replaced the unclaimed first one"
        } else {
            TAKEN
        };
        Ok(registration(name, now, Some(note.to_owned())))
    }

    async fn write_part(&self, lecture: &Lecture) -> Result<Part, PodError> {
        let (part, file) = (self.part(lecture), lecture.media()?.clone());
        blocking(move || Part::write(&part, &file)).await
    }

    fn part(&self, lecture: &Lecture) -> PathBuf {
        self.directory
            .join(format!("{}.mp4.part", lecture.record_id))
    }

    fn name(&self, lecture: &Lecture, form: Form) -> String {
        let started = lecture.started.map(|at| at.to_zoned(self.timezone.clone()));
        claim_name(
            lecture.title.as_deref(),
            started.as_ref(),
            &lecture.record_id,
            form,
            self.room,
        )
    }

    /// Makes the row of the claim page for what has been delivered, unless it has been made.
    async fn row(&self, lecture: &Lecture, journal: &dyn Journal) -> Result<(), PodError> {
        let Some(rows) = &self.rows else {
            return Ok(());
        };
        let Some(Progress::Delivered {
            name,
            media,
            row: false,
        }) = journal.progress().await?
        else {
            return Ok(());
        };
        let file = lecture.media()?;
        // Of a version that Pod kept the row has been made, or the file has been claimed.
        if media == file.digest {
            let seen = format!("{}/{name}", self.seen);
            let here = self.directory.join(&name);
            rows.make(&here, &seen, file.bytes).await?;
        }
        let row = true;
        journal
            .keep(&Progress::Delivered { name, media, row })
            .await
    }

    async fn plan(&self, lecture: &Lecture, journal: &dyn Journal) -> Result<Plan, PodError> {
        let known: Option<Progress> = journal.progress().await?;
        let mut plan = Plan::default();
        let media = lecture.media.as_ref().map(|file| file.digest);
        let steps = &mut plan.steps;
        match known {
            Some(Progress::Delivered {
                name, media: had, ..
            }) if media.is_none_or(|m| m == had) => {
                steps.push(format!("nothing: {name} was delivered"));
            }
            Some(Progress::Delivered { name, .. }) if self.on_republish == Republish::Keep => {
                steps.push(format!(
                    "nothing: {name} was delivered, and on_republish is keep"
                ));
            }
            Some(Progress::Delivered { name, .. }) => {
                let target = self.directory.join(name);
                steps.push(format!(
                    "replace {}, if it is still there",
                    target.display()
                ));
            }
            _ => {
                if media.is_none() {
                    steps.push("make the video".into());
                }
                let target = self.directory.join(self.name(lecture, Form::Usual));
                steps.push(format!("copy the video to {}", target.display()));
                if let Some(rows) = &self.rows {
                    let name = self.name(lecture, Form::Usual);
                    let bytes = lecture.media.as_ref().map_or(0, |file| file.bytes);
                    steps.extend(rows.shown(&format!("{}/{name}", self.seen), bytes).await?);
                }
            }
        }
        Ok(plan)
    }

    async fn look(&self) -> Vec<Finding> {
        let (directory, require_mount) = (self.directory.clone(), self.require_mount);
        let tried = blocking(move || {
            mount::present(&directory, require_mount)?;
            place::probe(&directory)
        });
        let shown = self.directory.display();
        let mut findings = vec![match tried.await {
            Ok(()) => Finding::fine(format!(
                "{shown}: files can be written, renamed and removed"
            )),
            Err(e) => e.into(),
        }];
        if let Some(rows) = &self.rows {
            findings.extend(rows.check(&self.directory, &self.seen).await);
        }
        findings
    }
}

impl Destination for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn register<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Registration, PodError>> {
        Box::pin(async move {
            let made = self.deliver(lecture, journal).await?;
            self.row(lecture, journal).await?;
            Ok(made)
        })
    }

    fn rehearse<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Plan, PodError>> {
        Box::pin(self.plan(lecture, journal))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), PodError>> {
        Box::pin(async move {
            match &self.rows {
                Some(rows) => rows.prepare().await,
                None => Ok(()),
            }
        })
    }

    fn asked(&self) -> u64 {
        self.rows.as_ref().map_or(0, Rows::asked)
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.look())
    }
}

fn registration(name: String, media: Digest, note: Option<String>) -> Registration {
    Registration {
        kind: Kind::Claim,
        reference: name,
        url: None,
        media_digest: media,
        trouble: None,
        notes: note.into_iter().collect(),
        look_again: None,
    }
}

/// Runs file operations where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PodError> + Send + 'static,
) -> Result<T, PodError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(e) => Err(
                PodError::file("write to", Path::new("the claim directory"))(
                    std::io::Error::other(e),
                ),
            ),
        },
    }
}
