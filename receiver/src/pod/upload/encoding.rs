//! One registration under way: having the video encoded, and seeing how that ends.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::multipart::Form;

use super::progress::Step;
use super::video::Video;
use super::work::{VIDEOS, Work};
use crate::pod::PodError;

const LAUNCHING: &str = "launching the encoding";
const PUBLISHING: &str = "publishing the video";
/// How often Pod is asked how far it is.
const SOONEST: Duration = Duration::from_secs(15);
const LATEST: Duration = Duration::from_secs(60);
/// How often Pod is asked of an encoding that is stuck, and for how long.
const STUCK_WAIT: Duration = Duration::from_secs(6 * 3600);
const GIVEN_UP: Duration = Duration::from_secs(30 * 24 * 3600);
/// What an encoding may wait for its turn, beside six times the length of the video.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Work<'_> {
    /// Has the video encoded once; gives when to look again.
    pub(super) async fn encoding(&mut self, video: Video) -> Result<Option<Duration>, PodError> {
        if let Step::Encoding { since, publish } | Step::Stuck { since, publish, .. } =
            self.progress.step
        {
            return self.follow(video, since, publish).await;
        }
        if self.progress.step == Step::Done {
            return Ok(None);
        }
        let is_first = match &self.progress.step {
            Step::Launching(files) => files.is_empty(),
            Step::Waiting { first } => *first,
            step => *step == Step::Uploaded,
        };
        let begun = match &self.progress.step {
            Step::Launching(files) => {
                let files = files.clone();
                self.has_begun(&files, self.pod.config.settle_time).await?
            }
            Step::Uploaded | Step::Waiting { first: true } => !video.encoding.is_untouched(),
            Step::Waiting { first: false } => video.encoding.in_progress,
            Step::Replaced => video.encoding.in_progress,
            _ => true,
        };
        if !begun && !self.pod.config.launch_encoding {
            self.notes.push(format!(
                "Pod has not been asked to encode video {}: launch_encoding is false",
                video.id
            ));
            self.progress.save(Step::Done, self.journal).await?;
            return Ok(None);
        }
        if !begun {
            let pod = self.pod;
            let _only_one = pod.gate.launches.lock().await;
            let is_new = !matches!(self.progress.step, Step::Launching(_));
            if is_new && let Some(wait) = pod.turn(self.journal).await? {
                let waiting = Step::Waiting { first: is_first };
                self.progress.save(waiting, self.journal).await?;
                return Ok(Some(wait));
            }
            self.launch(&video).await?;
        }
        // Somebody who made a published video a draft again will not want it changed back.
        let publish = is_first && self.attributes().await?.0.publish;
        let since = Timestamp::now();
        self.progress
            .save(Step::Encoding { since, publish }, self.journal)
            .await?;
        let video = self.find(false).await?.unwrap_or(video);
        self.follow(video, since, publish).await
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

    /// Sees how far the encoding is, and says once how it ended.
    async fn follow(
        &mut self,
        video: Video,
        since: Timestamp,
        publish: bool,
    ) -> Result<Option<Duration>, PodError> {
        let id = video.id;
        self.progress.slug = Some(video.slug.clone());
        let waited = since.duration_until(Timestamp::now()).unsigned_abs();
        let patience = PATIENCE + Duration::from_millis(self.lecture.duration_ms) * 6;
        let step = &video.encoding.step;
        tracing::info!(
            record_id = %self.lecture.record_id,
            video = id,
            encoded = video.encoding.encoded,
            in_progress = video.encoding.in_progress,
            step,
            "encoding in Pod"
        );
        if video.encoding.in_progress || video.encoding.is_untouched() {
            if waited < patience {
                return Ok(Some((waited / 4).clamp(SOONEST, LATEST)));
            }
            let why = format!(
                "Pod has been encoding video {id} for {} minutes and says \"{step}\": it is \
                 stuck. Look at Pod's log; if the file is unreadable, Pod never ends: delete \
                 the video there",
                waited.as_secs() / 60
            );
            self.stuck(since, publish, why).await?;
            return Ok((waited < GIVEN_UP).then_some(STUCK_WAIT));
        } else if step.starts_with('-') {
            let why = format!("Pod could not encode video {id}: {step}");
            self.stuck(since, publish, why).await?;
            return Ok(None);
        } else if publish && video.is_draft {
            self.publish(id).await?;
        }
        self.progress.save(Step::Done, self.journal).await?;
        Ok(None)
    }

    /// Notes, once in the story, what keeps an encoding from its end.
    async fn stuck(
        &mut self,
        since: Timestamp,
        publish: bool,
        why: String,
    ) -> Result<(), PodError> {
        if !matches!(self.progress.step, Step::Stuck { .. }) {
            self.notes.push(why.clone());
        }
        let stuck = Step::Stuck {
            since,
            publish,
            why,
        };
        self.progress.save(stuck, self.journal).await
    }

    async fn publish(&mut self, id: u64) -> Result<(), PodError> {
        let form = Form::new().text("is_draft", "false");
        let path = format!("{VIDEOS}{id}/");
        match self
            .pod
            .api
            .write(PUBLISHING, Method::PATCH, &path, form)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if !error.outcome_is_unknown() => Err(error),
            // A change to a tagged video answers 500 after having been made.
            Err(error) => match self.find(false).await {
                Ok(Some(video)) if !video.is_draft => Ok(()),
                _ => Err(error),
            },
        }
    }
}
