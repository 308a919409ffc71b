//! Pod's REST API: the media becomes a draft video of its owner, then Pod encodes it.
//!
//! # Exactly one video
//!
//! Pod refuses no duplicate, and an answer may be lost after the video was made. So every step is
//! committed to the journal before it is tried, and what may have been tried before is first looked
//! for in Pod: by owner and date, then by the lines that [`wording`] puts into the description.
//!
//! | last committed | found in Pod | what is done |
//! |---|---|---|
//! | nothing | no | upload |
//! | uploading | no | wait until Pod must have finished with what it got, look again, upload |
//! | uploading | yes | go on with the encoding |
//! | uploaded | yes | launch the encoding, unless somebody has |
//! | launching | yes | launch again only if nothing has begun |
//! | replacing | yes | send again unless the description names the new media |
//! | uploaded or later | no | somebody deleted it or gave it away: nothing |
//!
//! Uploads to one Pod go one after another, as two at a time with one title fail on each other.

mod api;
mod progress;
mod said;
mod site;
#[cfg(test)]
mod tests;
mod video;
mod wording;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use tokio::sync::Mutex;

use self::api::Api;
use self::progress::{Key, Progress, Step};
use self::site::Site;
use self::video::Video;
use super::config::{Republish, UploadConfig};
use super::{Destination, Finding, Journal, Kind, Lecture, PodError, Registration};

const VIDEOS: &str = "rest/videos/";
const UPLOADING: &str = "uploading the video";
const REPLACING: &str = "replacing the video's file";
const LAUNCHING: &str = "launching the encoding";

/// How long what was learnt of a Pod's settings is believed.
const SITE_KNOWN: Duration = Duration::from_secs(3600);
/// When to look again at an encoding that has to end first.
const ENCODING_WAIT: Duration = Duration::from_secs(300);

/// One upload at a time to each Pod of this process, whoever uploads.
static GATES: LazyLock<std::sync::Mutex<HashMap<String, Arc<Mutex<()>>>>> =
    LazyLock::new(std::sync::Mutex::default);

/// The destination `upload`.
#[derive(Debug)]
pub(super) struct Upload {
    api: Api,
    config: UploadConfig,
    timezone: TimeZone,
    gate: Arc<Mutex<()>>,
    site: Mutex<Option<(Instant, Site)>>,
}

impl Upload {
    pub(super) fn new(config: &UploadConfig) -> Result<Upload, PodError> {
        let api = Api::new(config)?;
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = Arc::clone(gates.entry(api.base().to_string()).or_default());
        Ok(Upload {
            api,
            config: config.clone(),
            timezone: super::config::timezone(config.timezone.as_deref())?,
            gate,
            site: Mutex::default(),
        })
    }

    async fn make(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Registration, PodError> {
        let known = Progress::load(journal).await?;
        if let Some(known) = &known
            && known.step == Step::Done
            && known.media == lecture.media_digest
        {
            return Ok(self.registration(known, Vec::new()));
        }
        let site = self.site().await?;
        let mut work = Work {
            pod: self,
            lecture,
            journal,
            resumed: known.is_some(),
            progress: known.unwrap_or_else(|| self.beginning(lecture)),
            notes: Vec::new(),
        };
        let Some(video) = work.video(&site).await? else {
            return Ok(self.registration(&work.progress, work.notes));
        };
        let video = work.media(video).await?;
        work.encoding(video).await?;
        Ok(self.registration(&work.progress, work.notes))
    }

    fn beginning(&self, lecture: &Lecture) -> Progress {
        let owner = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        Progress {
            step: Step::Uploading,
            key: Key {
                owner: owner.clone(),
                date_added: wording::date_added(lecture, Timestamp::now()),
            },
            media: lecture.media_digest,
            video: None,
            slug: None,
        }
    }

    async fn site(&self) -> Result<Site, PodError> {
        let mut known = self.site.lock().await;
        if let Some((since, site)) = &*known
            && since.elapsed() < SITE_KNOWN
        {
            return Ok(site.clone());
        }
        let site = Site::look(&self.api, &self.config).await?;
        *known = Some((Instant::now(), site.clone()));
        Ok(site)
    }

    fn registration(&self, progress: &Progress, notes: Vec<String>) -> Registration {
        let address = |slug| self.api.url(&format!("video/{slug}/")).to_string();
        Registration {
            kind: Kind::Video,
            reference: progress.video.map(|id| id.to_string()).unwrap_or_default(),
            url: progress.slug.as_ref().map(address),
            media_digest: progress.media,
            notes,
        }
    }

    async fn inspect(&self) -> Vec<Finding> {
        match self.site().await {
            Ok(site) => site.findings(&self.api).await,
            Err(error) => vec![error.into()],
        }
    }
}

impl Destination for Upload {
    fn name(&self) -> &'static str {
        "upload"
    }

    fn register<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Registration, PodError>> {
        Box::pin(self.make(lecture, journal))
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.inspect())
    }
}

/// One registration under way.
struct Work<'a> {
    pod: &'a Upload,
    lecture: &'a Lecture,
    journal: &'a dyn Journal,
    /// Whether an attempt before this one may have left something in Pod.
    resumed: bool,
    progress: Progress,
    notes: Vec<String>,
}

impl Work<'_> {
    /// The recording's video, uploaded unless it is there; `None` when it was and is no more.
    async fn video(&mut self, site: &Site) -> Result<Option<Video>, PodError> {
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
        let video = self.upload(site).await?;
        self.is_there(&video).await?;
        Ok(Some(video))
    }

    async fn find(&self, everywhere: bool) -> Result<Option<Video>, PodError> {
        video::find(
            &self.pod.api,
            &self.progress.key,
            &self.lecture.record_id,
            self.progress.video,
            everywhere,
        )
        .await
    }

    async fn is_there(&mut self, video: &Video) -> Result<(), PodError> {
        self.progress.video = Some(video.id);
        self.progress.slug = Some(video.slug.clone());
        self.progress.save(Step::Uploaded, self.journal).await
    }

    async fn upload(&mut self, site: &Site) -> Result<Video, PodError> {
        let owner = self.owner(site).await?;
        let pod = self.pod;
        let _only_one = pod.gate.lock().await;
        if self.resumed {
            tokio::time::sleep(pod.config.settle_time).await;
            if let Some(video) = self.find(false).await? {
                return Ok(video);
            }
        }
        self.progress.media = self.lecture.media_digest;
        let mut failed_before = false;
        loop {
            self.progress.save(Step::Uploading, self.journal).await?;
            let form = self.form(site, &owner).await?;
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

    async fn owner(&self, site: &Site) -> Result<String, PodError> {
        let owner = &self.progress.key.owner;
        if *owner == self.pod.config.default_owner {
            return Ok(site.default_owner.clone());
        }
        site::user(&self.pod.api, owner).await
    }

    /// Everything that makes a video. Booleans that are left out are false in Pod, also
    /// `is_draft`, so all are there; a password that is left out is none.
    async fn form(&self, site: &Site, owner: &str) -> Result<Form, PodError> {
        let lecture = self.lecture;
        let began = lecture.started.unwrap_or(self.progress.key.date_added);
        let began = began.to_zoned(self.pod.timezone.clone());
        let day = began.date().to_string();
        let language = &self.pod.config.accept_language;
        let mut form = Form::new()
            .text("title", wording::title(lecture, &day))
            .text(
                "description",
                wording::description(lecture, &began, language),
            )
            .text("owner", owner.to_owned())
            .text("type", site.video_type.clone())
            .text("sites", site.site.clone())
            .text("date_added", wording::iso(self.progress.key.date_added))
            .text("date_evt", day)
            .text("is_draft", "true");
        for off in [
            "is_restricted",
            "allow_downloading",
            "is_360",
            "disable_comment",
        ] {
            form = form.text(off, "false");
        }
        if let Some(spoken) = &lecture.language {
            form = form.text("main_lang", spoken.clone());
        }
        Ok(form.part("video", self.file().await?))
    }

    /// The media, read from the disk as it is sent.
    async fn file(&self) -> Result<Part, PodError> {
        let path = &self.lecture.media;
        let file = tokio::fs::File::open(path)
            .await
            .map_err(PodError::file("read", path))?;
        let length = file
            .metadata()
            .await
            .map_err(PodError::file("read", path))?
            .len();
        if length != self.lecture.media_bytes {
            return Err(PodError::Media {
                path: path.clone(),
                why: format!("has {length} bytes, expected {}", self.lecture.media_bytes),
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
            bytes = self.lecture.media_bytes,
            elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "Pod took the media"
        );
        Ok(Video {
            id,
            slug: slug.to_owned(),
            description: made["description"].as_str().unwrap_or_default().to_owned(),
            encoding: video::Encoding::default(),
        })
    }

    /// Makes the video have this lecture's media.
    async fn media(&mut self, video: Video) -> Result<Video, PodError> {
        let wanted = self.lecture.media_digest;
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
        if self.pod.config.on_republish == Republish::Keep {
            self.notes.push(
                "the republished version was not sent to Pod: on_republish is keep".to_owned(),
            );
            return Ok(video);
        }
        self.replace(video).await
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
        let _only_one = pod.gate.lock().await;
        let wanted = self.lecture.media_digest;
        self.progress.media = wanted;
        self.progress.save(Step::Replacing, self.journal).await?;
        let renewed = wording::renewed(&video.description, &wanted);
        let can_tell = renewed.is_some();
        let mut form = Form::new();
        if let Some(description) = renewed {
            form = form.text("description", description);
        }
        let form = form.part("video", self.file().await?);
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

    /// Has the video encoded once.
    async fn encoding(&mut self, video: Video) -> Result<(), PodError> {
        let begun = match &self.progress.step {
            Step::Launching(files) => {
                let files = files.clone();
                self.has_begun(&files, self.pod.config.settle_time).await?
            }
            Step::Uploaded => !video.encoding.is_untouched(),
            Step::Replaced => video.encoding.in_progress,
            _ => true,
        };
        if begun {
            // Nothing is left but to say so.
        } else if self.pod.config.launch_encoding {
            self.launch(&video).await?;
        } else {
            self.notes.push(format!(
                "Pod has not been asked to encode video {}: launch_encoding is false",
                video.id
            ));
        }
        self.progress.save(Step::Done, self.journal).await?;
        self.report().await;
        Ok(())
    }

    async fn launch(&mut self, video: &Video) -> Result<(), PodError> {
        const PATH: &str = "rest/launch_encode_view/";
        let before = match &self.progress.step {
            Step::Launching(files) => files.clone(),
            _ => video.encoding.files.clone(),
        };
        self.progress
            .save(Step::Launching(before.clone()), self.journal)
            .await?;
        let slug = [("slug", video.slug.as_str())];
        match self.pod.api.get(LAUNCHING, PATH, &slug).await {
            Ok(_) => Ok(()),
            Err(error) if !error.outcome_is_unknown() => Err(error),
            // On a tagged video the answer is 500 although the encoding runs.
            Err(error) => match self.has_begun(&before, Duration::ZERO).await {
                Ok(true) => Ok(()),
                _ => Err(error.not_before(self.pod.config.settle_time)),
            },
        }
    }

    /// Whether an encoding has begun since there were only these files; looks twice before it says
    /// no, as a launched encoding may wait for its turn unseen.
    async fn has_begun(&self, before: &[u64], between: Duration) -> Result<bool, PodError> {
        for wait in [Duration::ZERO, between] {
            tokio::time::sleep(wait).await;
            if let Some(video) = self.find(false).await? {
                let now = video.encoding;
                if now.in_progress
                    || now.files != before
                    || before.is_empty() && !now.is_untouched()
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reads the state of the encoding once; that Pod does not tell it is no failure.
    async fn report(&mut self) {
        let Ok(Some(video)) = self.find(false).await else {
            return;
        };
        self.progress.slug = Some(video.slug);
        let step = &video.encoding.step;
        if step.starts_with('-') {
            self.notes
                .push(format!("Pod could not encode video {}: {step}", video.id));
        }
        tracing::info!(
            record_id = %self.lecture.record_id,
            video = video.id,
            encoded = video.encoding.encoded,
            in_progress = video.encoding.in_progress,
            step,
            "encoding in Pod"
        );
    }
}
