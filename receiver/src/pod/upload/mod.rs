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
//! | encoding | yes | see how far it is, publish if wanted |
//! | replacing | yes | send again unless the description names the new media |
//! | uploaded or later | no | somebody deleted it or gave it away: nothing |
//!
//! Uploads to one Pod go one after another, as two at a time with one title fail on each other.

mod api;
mod attributes;
mod catalogue;
mod encoding;
mod progress;
mod said;
mod site;
#[cfg(test)]
mod tests;
mod video;
mod wording;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use recording::RecordId;
use tokio::sync::Mutex;

use self::api::Api;
use self::progress::{Key, Progress, Step};
use self::site::Site;
use self::work::Work;
use super::config::UploadConfig;
use super::{Destination, Finding, Journal, Kind, Lecture, PodError, Registration, Standing};

/// How long what was learnt of a Pod's settings is believed.
const SITE_KNOWN: Duration = Duration::from_secs(3600);
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
    site: Mutex<Option<(Instant, Arc<Site>)>>,
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
        // What another Pod has says nothing about this one.
        let known = known.filter(|known| known.pod == self.api.base().as_str());
        if let Some(known) = &known
            && known.step == Step::Done
            && known.media == lecture.media_digest
        {
            return Ok(self.registration(known, Vec::new(), None));
        }
        let site = self.site().await?;
        let resumed = known.is_some();
        let progress = known.unwrap_or_else(|| self.beginning(lecture));
        let mut work = Work::new(self, &site, lecture, journal, progress, resumed);
        let look_again = match work.video().await? {
            Some(video) => {
                let video = work.media(video).await?;
                work.encoding(video).await?
            }
            None => None,
        };
        Ok(self.registration(&work.progress, work.notes, look_again))
    }

    fn beginning(&self, lecture: &Lecture) -> Progress {
        let owner = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        Progress {
            step: Step::Uploading,
            pod: self.api.base().to_string(),
            key: Key {
                owner: owner.clone(),
                date_added: wording::date_added(lecture, Timestamp::now()),
            },
            media: lecture.media_digest,
            video: None,
            slug: None,
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

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.inspect())
    }
}
