//! One recording under way over the shared disk.

use std::time::Duration;

use jiff::Timestamp;
use recording::RecordId;
use reqwest::Method;
use reqwest::multipart::Form;

use super::{Progress, SharedDisk, Step, not_staff};
use crate::pod::directory::{mount, place};
use crate::pod::upload::progress::Key;
use crate::pod::upload::video::{self, Video};
use crate::pod::upload::{site, wording};
use crate::pod::{Journal, Lecture, MediaFile, PodError, Standing, blocking};

const TELLING: &str = "telling Pod of the recording";
const DESCRIBING: &str = "describing the video";
const RECORDINGS: &str = "rest/recording/";
const VIDEOS: &str = "rest/videos/";
/// How often Pod is asked how far it is.
const SOONEST: Duration = Duration::from_secs(15);
const LATEST: Duration = Duration::from_secs(60);
/// What Pod may need beside six times the length of the video.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(super) struct Work<'a> {
    disk: &'a SharedDisk,
    lecture: &'a Lecture,
    file: &'a MediaFile,
    journal: &'a dyn Journal,
    pub(super) progress: Progress,
    pub(super) notes: Vec<String>,
}

/// Whether Pod still has the video of a recording.
pub(super) async fn stands(
    disk: &SharedDisk,
    record_id: &RecordId,
    journal: &dyn Journal,
) -> Result<Standing, PodError> {
    let known = disk.known(journal).await?;
    let Some((known, Some(video))) = known.map(|known| {
        let video = known.video;
        (known, video)
    }) else {
        return Ok(Standing::Unknown);
    };
    let key = Key {
        owner: known.owner,
        // It is looked for among all that the owner has.
        date_added: Timestamp::UNIX_EPOCH,
    };
    let found = video::find(&disk.api, &key, record_id, Some(video), true).await?;
    Ok(found.map_or(Standing::Gone, |_| Standing::There))
}

impl<'a> Work<'a> {
    pub(super) fn new(
        disk: &'a SharedDisk,
        lecture: &'a Lecture,
        file: &'a MediaFile,
        journal: &'a dyn Journal,
        progress: Progress,
        notes: Vec<String>,
    ) -> Work<'a> {
        Work {
            disk,
            lecture,
            file,
            journal,
            progress,
            notes,
        }
    }

    /// Goes as far as it can; gives when to look again.
    pub(super) async fn run(&mut self) -> Result<Option<Duration>, PodError> {
        if self.progress.step == Step::Placing {
            self.place().await?;
            self.save(Step::Telling).await?;
        }
        if self.progress.step == Step::Telling {
            self.tell().await?;
            self.save(Step::Taken).await?;
        }
        let Some(video) = self.find().await? else {
            return self.vanished().await;
        };
        self.progress.video = Some(video.id);
        self.progress.slug = Some(video.slug.clone());
        if self.progress.step == Step::Taken {
            self.describe(&video).await?;
            self.save(Step::Described(Timestamp::now())).await?;
        }
        let Some(video) = self.find().await? else {
            return self.vanished().await;
        };
        self.progress.slug = Some(video.slug.clone());
        self.follow(&video).await
    }

    async fn save(&mut self, step: Step) -> Result<(), PodError> {
        self.progress.step = step;
        self.journal.keep(&self.progress).await
    }

    /// Puts the file on the disk under its name.
    async fn place(&self) -> Result<(), PodError> {
        let (here, _) = self.disk.places(self.lecture, &self.progress.media);
        let (directory, require_mount) = (
            self.disk.config.directory.clone(),
            self.disk.config.require_mount,
        );
        let (file, media) = (self.file.clone(), self.progress.media);
        blocking(move || {
            mount::present(&directory, require_mount)?;
            if place::digest(&here)? == Some(media) {
                return Ok(());
            }
            let mut part = here.clone().into_os_string();
            part.push(".part");
            let part = std::path::PathBuf::from(part);
            let held = place::Part::write(&part, &file)?;
            match held.publish(&part, &here)? {
                None => Ok(()),
                Some(held) => {
                    held.discard(&part)?;
                    Err(PodError::ClaimDirectory {
                        path: here,
                        why: "another file has this recording's name; move it away".into(),
                    })
                }
            }
        })
        .await
    }

    async fn is_there(&self) -> Result<bool, PodError> {
        let (here, _) = self.disk.places(self.lecture, &self.progress.media);
        let (directory, require_mount) = (
            self.disk.config.directory.clone(),
            self.disk.config.require_mount,
        );
        // On a disk that is not mounted every file seems gone.
        blocking(move || {
            mount::present(&directory, require_mount)?;
            here.try_exists().map_err(PodError::file("look at", &here))
        })
        .await
    }

    /// Has Pod take the file.
    async fn tell(&mut self) -> Result<(), PodError> {
        if !self.is_there().await? {
            return Ok(());
        }
        let account = site::account(&self.disk.api, &self.progress.owner).await?;
        if !account.is_staff {
            return Err(not_staff(&self.progress.owner));
        }
        let recorder = self.disk.recorder().await?;
        let (_, seen) = self.disk.places(self.lecture, &self.progress.media);
        let _only_one = self.disk.gate.uploads.lock().await;
        let form = Form::new()
            .text("title", self.found_by())
            .text("source_file", seen.clone())
            .text("user", account.link)
            .text("recorder", recorder.to_owned())
            .text("type", "video");
        let told = self
            .disk
            .api
            .write(TELLING, Method::POST, RECORDINGS, form)
            .await;
        let error = match told {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if !self.is_there().await? {
            return Ok(());
        }
        if error.outcome_is_unknown() {
            tokio::time::sleep(self.disk.config.settle_time).await;
            if !self.is_there().await? {
                return Ok(());
            }
            return Err(error.not_before(self.disk.config.settle_time));
        }
        match error {
            PodError::Refused {
                doing,
                url,
                status: 400,
                said,
            } => Err(PodError::Refused {
                doing,
                url,
                status: 400,
                said: format!(
                    "{said}; either Pod does not see {seen} (check pod_directory with \
                     bbb2pod-receiver check), or it knows the name and has left the file: then \
                     remove the recording of that file in Pod's administration"
                ),
            }),
            other => Err(other),
        }
    }

    /// The title until the video has its description: the record id stands at its end.
    fn found_by(&self) -> String {
        let token = self.token();
        let title = wording::plain(
            self.lecture.title.as_deref().unwrap_or_default(),
            '\u{ffff}',
        );
        let room = 199usize.saturating_sub(token.chars().count());
        format!("{} {token}", wording::shortened(&title, room.min(100)))
    }

    fn token(&self) -> String {
        let media = self.progress.media.to_string();
        format!("{}-{}", self.lecture.record_id, &media[..8])
    }

    fn key(&self) -> Key {
        Key {
            owner: self.progress.owner.clone(),
            date_added: wording::date_added(self.lecture, Timestamp::now()),
        }
    }

    /// The video, by its id, by its title, or by its description.
    async fn find(&self) -> Result<Option<Video>, PodError> {
        let token = self.token();
        let by_title = video::titled(
            &self.disk.api,
            &self.progress.owner,
            &token,
            self.progress.video,
        );
        if let Some(video) = by_title.await? {
            return Ok(Some(video));
        }
        let (api, id) = (&self.disk.api, &self.lecture.record_id);
        let known = self.progress.video;
        let found = video::find(api, &self.key(), id, known, false).await?;
        let ours = found.filter(|video| {
            known.is_some()
                || wording::is_from(&video.description, &self.progress.media) == Some(true)
        });
        if ours.is_some() || known.is_none() {
            return Ok(ours);
        }
        video::find(api, &self.key(), id, known, true).await
    }

    async fn vanished(&mut self) -> Result<Option<Duration>, PodError> {
        let owner = &self.progress.owner;
        match self.progress.video {
            Some(id) => {
                self.notes.push(format!(
                    "video {id} is no longer among the videos of {owner} in Pod: somebody deleted \
                     it or gave it away"
                ));
                self.save(Step::Done).await?;
                Ok(None)
            }
            // The file is gone first, the video comes after.
            None => Err(PodError::Busy {
                what: format!(
                    "Pod has taken the file and shows no video of it to {owner} yet; if that \
                     lasts, look at Pod's log"
                ),
                wait: LATEST,
            }),
        }
    }

    /// Gives the video its title, its description and its dates.
    async fn describe(&self, video: &Video) -> Result<(), PodError> {
        let key = self.key();
        let began = wording::began(self.lecture).unwrap_or(key.date_added);
        let began = began.to_zoned(self.disk.timezone.clone());
        let day = began.date().to_string();
        let language = &self.disk.config.accept_language;
        let media = &self.progress.media;
        let form = Form::new()
            .text("title", wording::title(self.lecture.title.as_deref(), &day))
            .text(
                "description",
                wording::description(self.lecture, media, &began, language),
            )
            .text("date_added", wording::iso(key.date_added))
            .text("date_evt", day);
        let path = format!("{VIDEOS}{}/", video.id);
        let told = self
            .disk
            .api
            .write(DESCRIBING, Method::PATCH, &path, form)
            .await;
        match told {
            Err(error) if error.outcome_is_unknown() => match self.find().await {
                // A change to a tagged video answers 500 after having been made.
                Ok(Some(now)) if self.is_described(&now) => Ok(()),
                _ => Err(error),
            },
            other => other.map(|_| ()),
        }
    }

    fn is_described(&self, video: &Video) -> bool {
        wording::is_of(&video.description, &self.lecture.record_id)
    }

    /// Sees how far the encoding is.
    async fn follow(&mut self, video: &Video) -> Result<Option<Duration>, PodError> {
        let Step::Described(since) = self.progress.step else {
            return Ok(None);
        };
        let (id, step) = (video.id, &video.encoding.step);
        let waited = since.duration_until(Timestamp::now()).unsigned_abs();
        let patience = PATIENCE + Duration::from_millis(self.lecture.duration_ms) * 6;
        if video.encoding.in_progress || video.encoding.is_untouched() {
            if waited < patience {
                return Ok(Some((waited / 4).clamp(SOONEST, LATEST)));
            }
            self.notes.push(format!(
                "Pod has been encoding video {id} for {} minutes and says \"{step}\": it is stuck. \
                 Look at Pod's log",
                waited.as_secs() / 60
            ));
        } else if step.starts_with('-') {
            self.notes
                .push(format!("Pod could not encode video {id}: {step}"));
        }
        // Pod's encoder writes back what it had read of the video at its start.
        if !self.is_described(video) {
            self.describe(video).await?;
        }
        if let Some(now) = self.find().await? {
            self.progress.slug = Some(now.slug);
        }
        self.save(Step::Done).await?;
        Ok(None)
    }
}
