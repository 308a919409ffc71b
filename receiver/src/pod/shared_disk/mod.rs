//! The destination `recording`: the media is put on the disk that Pod shares, and Pod is told by
//! `POST /rest/recording/`; it moves the file into its own media, makes a video for the owner and
//! encodes it at once.
//!
//! # Exactly one video
//!
//! The name of the file is used by one recording and one content only, and Pod takes each name
//! once for ever. What tells whether Pod has taken a file is that the file is gone: on a disk that
//! both share nothing else moves it. So:
//!
//! | last committed | the file | what is done |
//! |---|---|---|
//! | nothing, placing | any | copy it, give it its name |
//! | telling | there | tell Pod (again: it refuses a name that it has) |
//! | telling | gone | Pod has it: look for the video |
//! | taken | gone | look for the video |
//! | described | gone | see how far the encoding is |
//!
//! Pod gives the video nothing but a title, so the record id stands in the title until the video
//! has its description; that is how it is found.

#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use recording::{Digest, RecordId};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use self::work::Work;
use super::config::{RecordingConfig, Republish};
use super::directory::row::seen_by_pod;
use super::directory::{mount, place};
use super::upload::api::Api;
use super::upload::catalogue::{Catalogue, List};
use super::upload::{Gate, site, wording};
use super::{
    Destination, Finding, Journal, Kind, Lecture, Plan, PodError, Registration, Standing, blocking,
};

/// The destination `recording`.
#[derive(Debug)]
pub(super) struct SharedDisk {
    api: Api,
    config: RecordingConfig,
    timezone: TimeZone,
    gate: Arc<Gate>,
    recorder: OnceCell<String>,
}

/// What the journal keeps of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    step: Step,
    /// Address of the Pod.
    pod: String,
    /// Username of the owner.
    owner: String,
    /// The media that Pod has, or gets.
    media: Digest,
    /// Its id, once it has been found.
    #[serde(default)]
    video: Option<u64>,
    /// Its slug when Pod told it last.
    #[serde(default)]
    slug: Option<String>,
}

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// The file is being put on the disk.
    Placing,
    /// The file is there, and Pod is being told.
    Telling,
    /// Pod has taken the file.
    Taken,
    /// The video has its description and its dates; it is being encoded since then.
    Described(jiff::Timestamp),
    /// All is done.
    Done,
}

impl SharedDisk {
    pub(super) fn new(config: &RecordingConfig) -> Result<SharedDisk, PodError> {
        let api = Api::new(&config.api())?;
        let gate = super::upload::gate(&api);
        Ok(SharedDisk {
            api,
            timezone: super::config::timezone(config.timezone.as_deref())?,
            config: config.clone(),
            gate,
            recorder: OnceCell::new(),
        })
    }

    /// The link of the recorder that the settings name.
    async fn recorder(&self) -> Result<&str, PodError> {
        let looked = self.recorder.get_or_try_init(|| async {
            site::version(&self.api).await?;
            let mut catalogue = Catalogue::default();
            let link = catalogue
                .link(&self.api, List::Recorders, &self.config.recorder)
                .await?;
            link.map_err(|why| PodError::Settings {
                key: "recorder",
                why,
            })
        });
        Ok(looked.await?)
    }

    /// The name of the file: no other recording or content has it.
    fn file_name(lecture: &Lecture, media: &Digest) -> String {
        format!("{}-{}.mp4", lecture.record_id, &media.to_string()[..8])
    }

    /// Where the file is, here and as Pod sees it.
    fn places(&self, lecture: &Lecture, media: &Digest) -> (PathBuf, String) {
        let name = SharedDisk::file_name(lecture, media);
        let seen = match &self.config.pod_directory {
            Some(directory) => directory.clone(),
            None => self.config.directory.to_string_lossy().into_owned(),
        };
        let seen = format!("{}/{name}", seen.trim_end_matches('/'));
        (self.config.directory.join(name), seen)
    }

    async fn known(&self, journal: &dyn Journal) -> Result<Option<Progress>, PodError> {
        let known: Option<Progress> = journal.progress().await?;
        // What another Pod has says nothing about this one.
        Ok(known.filter(|known| known.pod == self.api.base().as_str()))
    }

    async fn make(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Registration, PodError> {
        let file = lecture.media()?;
        let known = self.known(journal).await?;
        let mut notes = Vec::new();
        let progress = match known {
            Some(known) if known.media == file.digest => known,
            // Pod has not taken the former version yet, or the new one shall be another video.
            Some(known)
                if matches!(known.step, Step::Placing)
                    || known.step == Step::Done && self.config.on_republish == Republish::New =>
            {
                if let Some(id) = known.video {
                    notes.push(format!("the former version stays in Pod as video {id}"));
                }
                self.beginning(lecture, file.digest)
            }
            Some(known) if known.step == Step::Done => {
                let note = "the republished version was not given to Pod: on_republish is keep";
                return Ok(self.registration(&known, vec![note.to_owned()], None));
            }
            // First comes to its end what has been begun, with the media that Pod has.
            Some(known) => known,
            None => self.beginning(lecture, file.digest),
        };
        if progress.step == Step::Done {
            return Ok(self.registration(&progress, notes, None));
        }
        let mut work = Work::new(self, lecture, file, journal, progress, notes);
        let look_again = work.run().await?;
        Ok(self.registration(&work.progress, work.notes, look_again))
    }

    fn beginning(&self, lecture: &Lecture, media: Digest) -> Progress {
        let owner = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        Progress {
            step: Step::Placing,
            pod: self.api.base().to_string(),
            owner: owner.clone(),
            media,
            video: None,
            slug: None,
        }
    }

    fn registration(
        &self,
        progress: &Progress,
        notes: Vec<String>,
        look_again: Option<std::time::Duration>,
    ) -> Registration {
        let address = |slug| self.api.url(&format!("video/{slug}/")).to_string();
        Registration {
            kind: Kind::Video,
            reference: progress.video.map(|id| id.to_string()).unwrap_or_default(),
            url: progress.slug.as_ref().map(address),
            media_digest: progress.media,
            trouble: None,
            notes,
            look_again,
        }
    }

    async fn plan(&self, lecture: &Lecture, journal: &dyn Journal) -> Result<Plan, PodError> {
        let recorder = self.recorder().await?;
        let mut plan = Plan::default();
        if let Some(known) = self.known(journal).await? {
            plan.steps.push(match (known.step, known.video) {
                (Step::Done, Some(id)) => format!("nothing: it is video {id}"),
                _ => "go on where it stopped".to_owned(),
            });
            return Ok(plan);
        }
        let username = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        let account = match lecture.makes(username) {
            true => Ok(None),
            false => site::account(&self.api, username).await.map(Some),
        };
        let user = match account {
            Ok(None) => "(the new account)".to_owned(),
            Ok(Some(account)) => {
                if !account.is_staff {
                    plan.warnings.push(not_staff(username).to_string());
                }
                account.link
            }
            Err(error @ PodError::Owner { .. }) => {
                plan.warnings.push(error.to_string());
                "(missing)".to_owned()
            }
            Err(error) => return Err(error),
        };
        let media = match &lecture.media {
            Some(file) => file.digest,
            None => {
                plan.steps.push("make the video".into());
                lecture.source_digest
            }
        };
        let (here, seen) = self.places(lecture, &media);
        let day = self.day(lecture);
        let title = wording::title(lecture.title.as_deref(), &day);
        plan.steps.extend([
            format!("copy the video to {}", here.display()),
            format!(
                "POST rest/recording/ title=\"{title}\" source_file={seen} user={user} \
                 recorder={recorder} type=video"
            ),
            format!("PATCH rest/videos/…/ title=\"{title}\" date_evt={day} and the description"),
        ]);
        Ok(plan)
    }

    /// The day of the recording, in the site's time zone.
    fn day(&self, lecture: &Lecture) -> String {
        let began = wording::began(lecture).unwrap_or_else(jiff::Timestamp::now);
        began.to_zoned(self.timezone.clone()).date().to_string()
    }

    async fn inspect(&self) -> Vec<Finding> {
        let (directory, require_mount) = (self.config.directory.clone(), self.config.require_mount);
        let tried = blocking(move || {
            mount::present(&directory, require_mount)?;
            place::probe(&directory)
        });
        let mut findings = Vec::new();
        let shown = self.config.directory.display();
        findings.push(match tried.await {
            Ok(()) => Finding::fine(format!(
                "{shown}: files can be written, renamed and removed"
            )),
            Err(error) => error.into(),
        });
        match self.recorder().await {
            Ok(_) => findings.push(Finding::fine(format!(
                "{}: the token and the recorder are right",
                self.api.base()
            ))),
            Err(error) => {
                findings.push(error.into());
                return findings;
            }
        }
        findings.push(
            match site::account(&self.api, &self.config.default_owner).await {
                Ok(account) if account.is_staff => Finding::fine("the default owner is staff"),
                Ok(_) => not_staff(&self.config.default_owner).into(),
                Err(error) => error.into(),
            },
        );
        let told = self.config.pod_directory.as_deref();
        findings.push(seen_by_pod(&self.api, &self.config.directory, told).await);
        match site::filters_work(&self.api).await {
            Ok(filters) => findings.extend(site::surroundings(&self.api, filters).await),
            Err(error) => findings.push(error.into()),
        }
        findings
    }
}

/// The owner cannot have recordings made for him.
fn not_staff(username: &str) -> PodError {
    PodError::NotStaff {
        username: username.to_owned(),
    }
}

impl Destination for SharedDisk {
    fn name(&self) -> &'static str {
        "recording"
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), PodError>> {
        Box::pin(async move { self.recorder().await.map(|_| ()) })
    }

    fn register<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Registration, PodError>> {
        Box::pin(self.make(lecture, journal))
    }

    fn standing<'a>(
        &'a self,
        record_id: &'a RecordId,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Standing, PodError>> {
        Box::pin(work::stands(self, record_id, journal))
    }

    fn rehearse<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Plan, PodError>> {
        Box::pin(self.plan(lecture, journal))
    }

    fn asked(&self) -> u64 {
        self.api.asked()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.inspect())
    }
}
