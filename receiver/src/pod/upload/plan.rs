//! What an upload would do, without doing it.

use jiff::Timestamp;

use super::progress::{Progress, Step};
use super::work::VIDEOS;
use super::{Upload, wording};
use crate::pod::config::Republish;
use crate::pod::{Journal, Lecture, Plan, PodError};

impl Upload {
    /// The steps; asks Pod only for what is not known yet of it and its users.
    pub(super) async fn plan(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Plan, PodError> {
        let site = self.site().await?;
        let mut plan = Plan::default();
        let known = Progress::load(journal).await?;
        if let Some(known) = known.filter(|known| known.pod == self.api.base().as_str()) {
            let changed = lecture
                .media
                .as_ref()
                .is_some_and(|m| m.digest != known.media);
            plan.steps.push(match (known.video, known.step) {
                (Some(id), _) if changed && self.config.on_republish == Republish::Replace => {
                    format!("PATCH {VIDEOS}{id}/ with the new file, then encode again")
                }
                (Some(id), Step::Done) => format!("nothing: it is video {id}"),
                (Some(id), _) => format!("go on with video {id} where it stopped"),
                (None, _) => "look whether Pod has it, else upload it".to_owned(),
            });
            return Ok(plan);
        }
        let username = lecture.owner.as_ref().unwrap_or(&self.config.default_owner);
        let mut catalogue = site.catalogue.lock().await;
        let owner = match lecture.makes(username) {
            true => Ok("(the new account)".to_owned()),
            false => catalogue.user(&self.api, username).await?,
        };
        // Who has no account yet cannot be looked up; what is told of him is that he gets one.
        let (new, old): (Vec<String>, Vec<String>) = lecture
            .additional_owners
            .iter()
            .cloned()
            .partition(|name| lecture.makes(name));
        let known = Lecture {
            additional_owners: old,
            ..lecture.clone()
        };
        let follow_meta = self.config.follow_meta;
        let (attributes, notes) = site
            .attributes
            .clone()
            .of_lecture(&self.api, &mut catalogue, &known, follow_meta)
            .await?;
        drop(catalogue);
        plan.warnings = notes;
        let owner = match owner {
            Ok(link) => link,
            Err(why) => {
                plan.warnings.push(why);
                "(missing)".to_owned()
            }
        };
        if lecture.media.is_none() {
            plan.steps.push("make the video".into());
        }
        let added = wording::date_added(lecture, Timestamp::now());
        let began = lecture.started.unwrap_or(added);
        let day = began.to_zoned(self.timezone.clone()).date().to_string();
        let title = attributes.title.as_ref().or(lecture.title.as_ref());
        plan.steps.push(format!(
            "POST {VIDEOS} title=\"{}\" owner={owner} ({username}) sites={} date_added={} date_evt={day} {} video={}.mp4",
            wording::title(title.map(String::as_str), &day),
            site.site,
            wording::iso(added),
            attributes.shown(),
            lecture.record_id,
        ));
        if !new.is_empty() {
            plan.steps
                .push(format!("with the new accounts too: {}", new.join(", ")));
        }
        if lecture.presentation.is_some()
            && let Some(wanted) = self.config.attach.named()
        {
            plan.steps.push(format!(
                "POST rest/chapters/, rest/files/, rest/tracks/ and rest/documents/ for what it has of: {wanted}"
            ));
        }
        if self.config.launch_encoding {
            plan.steps
                .push("GET rest/launch_encode_view/, then wait for the encoding".into());
        }
        if attributes.publish {
            plan.steps.push(format!(
                "PATCH {VIDEOS}…/ is_draft=false, once it is encoded"
            ));
        }
        Ok(plan)
    }
}
