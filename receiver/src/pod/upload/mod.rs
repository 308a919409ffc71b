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
//! | waiting | yes | launch the encoding when there is room for it |
//! | launching | yes | launch again only if nothing has begun |
//! | encoding | yes | see how far it is, publish if wanted |
//! | replacing | yes | send again unless the description names the new media |
//! | uploaded or later | no | somebody deleted it or gave it away: nothing |
//!
//! Uploads to one Pod go one after another, as two at a time with one title fail on each other.

pub(super) mod api;
mod attach;
mod attributes;
pub(super) mod catalogue;
mod encoding;
mod plan;
pub(super) mod progress;
mod said;
pub(super) mod site;
#[cfg(test)]
mod tests;
mod turn;
pub(super) mod video;
pub(super) mod wording;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use recording::{Digest, RecordId};
use tokio::sync::Mutex;

use self::api::Api;
use self::progress::{Key, Progress, Step};
use self::site::Site;
use self::work::Work;
use super::config::UploadConfig;
use super::{Destination, Finding, Journal, Kind, Lecture, Plan, PodError, Registration, Standing};

/// How long what was learnt of a Pod's settings is believed.
const SITE_KNOWN: Duration = Duration::from_secs(3600);
/// One upload at a time to each Pod of this process, whoever uploads.
static GATES: LazyLock<std::sync::Mutex<HashMap<String, Arc<Gate>>>> =
    LazyLock::new(std::sync::Mutex::default);

/// What goes one after another at one Pod.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Making videos.
    pub(super) uploads: Mutex<()>,
    /// Counting the encodings that run, and launching one more.
    launches: Mutex<()>,
}

/// The gate of a Pod.
pub(super) fn gate(api: &Api) -> Arc<Gate> {
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(gates.entry(api.base().to_string()).or_default())
}

/// The path under which Pod sees a file of this name among those of its recorders, if it does.
pub(super) async fn sees(api: &Api, name: &str) -> Result<Option<String>, PodError> {
    const TREATMENTS: &str = "rest/recordingfiletreatment/";
    let options = api
        .options("reading the files that Pod sees", TREATMENTS)
        .await?;
    let choices = options["actions"]["POST"]["file"]["choices"].as_array();
    let mut paths = choices
        .into_iter()
        .flatten()
        .filter_map(|choice| choice["value"].as_str());
    let seen = paths.find(|path| path.rsplit('/').next() == Some(name));
    Ok(seen.map(str::to_owned))
}

/// The destination `upload`.
#[derive(Debug)]
pub(super) struct Upload {
    api: Api,
    config: UploadConfig,
    timezone: TimeZone,
    gate: Arc<Gate>,
    site: Mutex<Option<(Instant, Arc<Site>)>>,
}

impl Upload {
    pub(super) fn new(config: &UploadConfig) -> Result<Upload, PodError> {
        let api = Api::new(&config.api())?;
        let gate = gate(&api);
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
        let file = lecture.media()?;
        let known = Progress::load(journal).await?;
        // What another Pod has says nothing about this one.
        let known = known.filter(|known| known.pod == self.api.base().as_str());
        if let Some(known) = &known
            && known.step == Step::Done
            && known.media == file.digest
            && known.attached.is_done(lecture, self.config.attach)
        {
            return Ok(self.registration(known, Vec::new(), None));
        }
        if let Some(known) = &known
            && let Step::Waiting { .. } = known.step
            && known.media == file.digest
            && let Some(wait) = self.turn(journal).await?
        {
            return Ok(self.registration(known, Vec::new(), Some(wait)));
        }
        let site = self.site().await?;
        let resumed = known.is_some();
        let progress = known.unwrap_or_else(|| self.beginning(lecture, file.digest));
        let mut work = Work::new(self, &site, (lecture, file), journal, progress, resumed);
        let look_again = match work.video().await? {
            Some(video) => {
                let video = work.media(video).await?;
                work.attach(&video).await?;
                work.encoding(video).await?
            }
            None => None,
        };
        Ok(self.registration(&work.progress, work.notes, look_again))
    }

    fn beginning(&self, lecture: &Lecture, media: Digest) -> Progress {
        let owner = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        Progress {
            step: Step::Uploading,
            pod: self.api.base().to_string(),
            key: Key {
                owner: owner.clone(),
                date_added: wording::date_added(lecture, Timestamp::now()),
            },
            media,
            video: None,
            slug: None,
            another: false,
            attached: attach::Attached::default(),
        }
    }

    async fn site(&self) -> Result<Arc<Site>, PodError> {
        let mut known = self.site.lock().await;
        if let Some((since, site)) = &*known
            && since.elapsed() < SITE_KNOWN
        {
            return Ok(Arc::clone(site));
        }
        let site = Arc::new(Site::look(&self.api, &self.config).await?);
        *known = Some((Instant::now(), Arc::clone(&site)));
        Ok(site)
    }

    fn registration(
        &self,
        progress: &Progress,
        notes: Vec<String>,
        look_again: Option<Duration>,
    ) -> Registration {
        let address = |slug| self.api.url(&format!("video/{slug}/")).to_string();
        Registration {
            kind: Kind::Video,
            reference: progress.video.map(|id| id.to_string()).unwrap_or_default(),
            url: progress.slug.as_ref().map(address),
            media_digest: progress.media,
            trouble: match &progress.step {
                Step::Stuck { why, .. } => Some(why.clone()),
                _ => None,
            },
            notes,
            look_again,
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

    fn standing<'a>(
        &'a self,
        record_id: &'a RecordId,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Standing, PodError>> {
        Box::pin(async move {
            let Some(known) = Progress::load(journal).await? else {
                return Ok(Standing::Unknown);
            };
            let found = video::find(&self.api, &known.key, record_id, known.video, true).await?;
            Ok(match found {
                Some(_) => Standing::There,
                None => Standing::Gone,
            })
        })
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), PodError>> {
        Box::pin(async move { self.site().await.map(|_| ()) })
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
