//! One registration under way: finding the video, uploading it, giving it new media.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::multipart::{Form, Part};

use super::attach::Attached;
use super::attributes::Attributes;
use super::progress::{Progress, Step};
use super::site::{self, Site};
use super::video::{self, Video};
use super::{Upload, wording};
use crate::pod::config::Republish;
use crate::pod::{Journal, Lecture, MediaFile, PodError};

pub(super) const VIDEOS: &str = "rest/videos/";
const UPLOADING: &str = "uploading the video";
const REPLACING: &str = "replacing the video's file";
/// When to look again at an encoding that has to end first.
const ENCODING_WAIT: Duration = Duration::from_secs(300);

/// One registration under way.
pub(super) struct Work<'a> {
    pub(super) pod: &'a Upload,
    pub(super) site: &'a Site,
    pub(super) lecture: &'a Lecture,
    pub(super) file: &'a MediaFile,
    pub(super) journal: &'a dyn Journal,
    pub(super) progress: Progress,
    pub(super) notes: Vec<String>,
    /// Whether an attempt before this one may have left something in Pod.
    resumed: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        pod: &'a Upload,
        site: &'a Site,
        (lecture, file): (&'a Lecture, &'a MediaFile),
        journal: &'a dyn Journal,
        progress: Progress,
        resumed: bool,
    ) -> Work<'a> {
        Work {
            pod,
            site,
            lecture,
            file,
            journal,
            progress,
            notes: Vec::new(),
            resumed,
        }
    }

    /// The recording's video, uploaded unless it is there; `None` when it was and is no more.
    pub(super) async fn video(&mut self) -> Result<Option<Video>, PodError> {
        if let Some(video) = self.find(false).await? {
            if self.progress.step == Step::Uploading {
                self.is_there(&video).await?;
            }
            return Ok(Some(video));
        }
        if let Some(id) = self.progress.video {
            // Its date may have been changed in Pod.
            if let Some(video) = self.find(true).await? {
                return Ok(Some(video));
            }
            self.notes.push(format!(
                "video {id} is no longer among the videos of {} in Pod: somebody deleted it or \
                 gave it away; nothing was uploaded again",
                self.progress.key.owner
            ));
            self.progress.save(Step::Done, self.journal).await?;
            return Ok(None);
        }
        let video = self.upload().await?;
        self.is_there(&video).await?;
        Ok(Some(video))
    }

    pub(super) async fn find(&self, everywhere: bool) -> Result<Option<Video>, PodError> {
        video::find(
            &self.pod.api,
            &self.progress.key,
            &self.lecture.record_id,
            self.progress.video,
            everywhere,
        )
        .await
        // Of several versions of a recording only the description tells which it is.
        .map(|found| {
            found.filter(|video| {
                !self.progress.another
                    || self.progress.video.is_some()
                    || wording::is_from(&video.description, &self.progress.media) == Some(true)
            })
        })
    }

    async fn is_there(&mut self, video: &Video) -> Result<(), PodError> {
        self.progress.video = Some(video.id);
        self.progress.slug = Some(video.slug.clone());
        self.progress.save(Step::Uploaded, self.journal).await
    }

    async fn upload(&mut self) -> Result<Video, PodError> {
        let owner = self.owner().await?;
        let (attributes, notes) = self.attributes().await?;
        self.notes.extend(notes);
        let pod = self.pod;
        let _only_one = pod.gate.uploads.lock().await;
        if self.resumed {
            tokio::time::sleep(pod.config.settle_time).await;
            if let Some(video) = self.find(false).await? {
                return Ok(video);
            }
        }
        self.progress.media = self.file.digest;
        let mut failed_before = false;
        loop {
            self.progress.save(Step::Uploading, self.journal).await?;
            let form = self.form(&owner, &attributes).await?;
            let error = match self.send(UPLOADING, Method::POST, VIDEOS, form).await {
                Ok(video) => return Ok(video),
                Err(error) if !error.outcome_is_unknown() => return Err(error),
                Err(error) => error,
            };
            let Ok(found) = self.find(false).await else {
                return Err(error.not_before(pod.config.settle_time));
            };
            match (found, error) {
                (Some(video), _) => return Ok(video),
                (None, PodError::Faulty { status: 500, .. }) if !failed_before => {
                    // Most often another video has just taken the slug; then nothing was made.
                    failed_before = true;
                }
                (None, error) if failed_before => return Err(error.for_good()),
                (None, error) => return Err(error.not_before(pod.config.settle_time)),
            }
        }
    }

    pub(super) async fn owner(&self) -> Result<String, PodError> {
        let owner = &self.progress.key.owner;
        if *owner == self.pod.config.default_owner {
            return Ok(self.site.default_owner.clone());
        }
        site::user(&self.pod.api, owner).await
    }

    /// What this video gets, and notes on what could not be followed.
    pub(super) async fn attributes(&self) -> Result<(Attributes, Vec<String>), PodError> {
        let mut catalogue = self.site.catalogue.lock().await;
        let attributes = self.site.attributes.clone();
        let follow_meta = self.pod.config.follow_meta;
        attributes
            .of_lecture(&self.pod.api, &mut catalogue, self.lecture, follow_meta)
            .await
    }

    async fn form(&self, owner: &str, attributes: &Attributes) -> Result<Form, PodError> {
        let lecture = self.lecture;
        let began = lecture.started.unwrap_or(self.progress.key.date_added);
        let began = began.to_zoned(self.pod.timezone.clone());
        let day = began.date().to_string();
        let language = &self.pod.config.accept_language;
        let title = attributes.title.as_ref().or(lecture.title.as_ref());
        let form = Form::new()
            .text("title", wording::title(title.map(String::as_str), &day))
            .text(
                "description",
                wording::description(lecture, &self.file.digest, &began, language),
            )
            .text("owner", owner.to_owned())
            .text("sites", self.site.site.clone())
            .text("date_added", wording::iso(self.progress.key.date_added))
            .text("date_evt", day);
        Ok(attributes.add_to(form).part("video", self.part().await?))
    }

    /// The media, read from the disk as it is sent.
    async fn part(&self) -> Result<Part, PodError> {
        let path = &self.file.path;
        let file = tokio::fs::File::open(path)
            .await
            .map_err(PodError::file("read", path))?;
        let length = file
            .metadata()
            .await
            .map_err(PodError::file("read", path))?
            .len();
        if length != self.file.bytes {
            return Err(PodError::Media {
                path: path.clone(),
                why: format!("has {length} bytes, expected {}", self.file.bytes),
            });
        }
        let stream = tokio_util::io::ReaderStream::with_capacity(file, 256 * 1024);
        let part = Part::stream_with_length(reqwest::Body::wrap_stream(stream), length)
            .file_name(format!("{}.mp4", self.lecture.record_id));
        part.mime_str("video/mp4").map_err(|e| PodError::Odd {
            doing: UPLOADING,
            url: self.pod.api.base().to_string(),
            why: e.to_string(),
        })
    }

    async fn send(
        &self,
        doing: &'static str,
        method: Method,
        path: &str,
        form: Form,
    ) -> Result<Video, PodError> {
        let began = Instant::now();
        let made = self.pod.api.write(doing, method, path, form).await?;
        let (Some(id), Some(slug)) = (made["id"].as_u64(), made["slug"].as_str()) else {
            return Err(self.pod.api.odd(doing, path, "a video", &made));
        };
        tracing::info!(
            record_id = %self.lecture.record_id,
            video = id,
            bytes = self.file.bytes,
            elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "Pod took the media"
        );
        Ok(Video {
            id,
            slug: slug.to_owned(),
            description: made["description"].as_str().unwrap_or_default().to_owned(),
            is_draft: made["is_draft"].as_bool().unwrap_or(true),
            encoding: video::Encoding::default(),
        })
    }

    /// Makes the video have this lecture's media.
    pub(super) async fn media(&mut self, video: Video) -> Result<Video, PodError> {
        let wanted = self.file.digest;
        let names_wanted = wording::is_from(&video.description, &wanted);
        let is_new = match self.progress.step {
            Step::Replacing if names_wanted == Some(true) => {
                self.progress.media = wanted;
                self.progress.save(Step::Replaced, self.journal).await?;
                true
            }
            Step::Replacing => false,
            // Found without knowing what was sent: the description tells.
            Step::Uploaded => names_wanted.unwrap_or(self.progress.media == wanted),
            _ => self.progress.media == wanted,
        };
        if is_new {
            return Ok(video);
        }
        match self.pod.config.on_republish {
            Republish::Replace => self.replace(video).await,
            Republish::New => self.another(video).await,
            Republish::Keep => {
                self.notes.push(
                    "the republished version was not sent to Pod: on_republish is keep".to_owned(),
                );
                Ok(video)
            }
        }
    }

    /// Makes another video of the new version, and leaves the former one alone.
    async fn another(&mut self, former: Video) -> Result<Video, PodError> {
        self.notes.push(format!(
            "the republished version is another video; the former one stays as video {}",
            former.id
        ));
        self.progress.key.date_added = wording::date_added_of(
            self.lecture,
            &self.file.digest,
            self.progress.key.date_added,
        );
        self.progress.media = self.file.digest;
        self.progress.another = true;
        self.progress.attached = Attached::default();
        self.progress.video = None;
        self.progress.slug = None;
        // From here on an attempt that broke off finds the new version, or uploads it.
        self.progress.save(Step::Uploading, self.journal).await?;
        let video = self.upload().await?;
        self.is_there(&video).await?;
        Ok(video)
    }

    async fn replace(&mut self, video: Video) -> Result<Video, PodError> {
        // Launching does nothing while an encoding runs, so the new media would never be encoded.
        if video.encoding.in_progress {
            return Err(PodError::Busy {
                what: format!(
                    "Pod is still encoding the former version of video {}",
                    video.id
                ),
                wait: ENCODING_WAIT,
            });
        }
        let pod = self.pod;
        let _only_one = pod.gate.uploads.lock().await;
        let wanted = self.file.digest;
        self.progress.media = wanted;
        self.progress.save(Step::Replacing, self.journal).await?;
        let renewed = wording::renewed(&video.description, &wanted);
        let can_tell = renewed.is_some();
        let mut form = Form::new();
        if let Some(description) = renewed {
            form = form.text("description", description);
        }
        let form = form.part("video", self.part().await?);
        let path = format!("{VIDEOS}{}/", video.id);
        let sent = self.send(REPLACING, Method::PATCH, &path, form).await;
        if let Err(error) = sent {
            if !error.outcome_is_unknown() {
                return Err(error);
            }
            let Ok(Some(found)) = self.find(false).await else {
                return Err(error.not_before(pod.config.settle_time));
            };
            // A change to a tagged video answers 500 after having been made.
            let faulty = matches!(error, PodError::Faulty { status: 500, .. });
            let made = wording::is_from(&found.description, &wanted) == Some(true);
            if !(made || faulty && !can_tell) {
                return Err(error.not_before(pod.config.settle_time));
            }
        }
        self.progress.save(Step::Replaced, self.journal).await?;
        self.notes.push(format!(
            "the republished version has replaced the file of video {}",
            video.id
        ));
        Ok(self.find(false).await?.unwrap_or(video))
    }
}
