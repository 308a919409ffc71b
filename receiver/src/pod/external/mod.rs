//! "My external videos" of Pod: a row for each owner, by Pod's database, as Pod has no other way.
//!
//! # Exactly one row
//!
//! Pod's table refuses no duplicate. All rows of a recording are made in one transaction that
//! holds a lock of its own on the database server, so that a transaction whose process was killed
//! has ended before the next one looks; each row is made only where none of that owner, site and
//! address is. The journal keeps whose rows were made, so that a recording which gets other owners
//! loses the rows of the former ones, but never a row that was not made here.

mod links;
mod rows;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use recording::RecordId;
use serde::{Deserialize, Serialize};

pub(crate) use self::links::Links;
use self::rows::{Rows, User};
use super::config::{ExternalConfig, Link, When};
use super::upload::wording;
use super::{
    Destination, Finding, Journal, Kind, Lecture, Plan, PodError, Registration, Standing,
    VideoLinks,
};
use crate::database::Database;

/// What the column for a name holds when the table does not tell.
const NAME_MAX: usize = 250;

/// The destination `external`.
#[derive(Debug)]
pub(crate) struct External {
    rows: Rows,
    config: ExternalConfig,
    videos: VideoLinks,
}

/// What the journal keeps of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The database.
    database: String,
    /// Where the rows lead.
    url: String,
    /// Whose rows are there, or may be.
    owners: Vec<String>,
    /// Whether they are.
    done: bool,
    /// Ids of the rows.
    #[serde(default)]
    ids: Vec<i64>,
}

/// What the rows of a recording say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    kind: &'static str,
    url: String,
    owners: Vec<User>,
}

impl External {
    pub(super) fn new(config: &ExternalConfig, videos: &VideoLinks) -> Result<External, PodError> {
        Ok(External {
            rows: Rows::new(Database::new(&config.database)?, config.site.clone()),
            config: config.clone(),
            videos: videos.clone(),
        })
    }

    fn url(&self, lecture: &Lecture) -> Result<(&'static str, String), PodError> {
        if self.config.link == Link::Video {
            let url = self.videos.of(&lecture.record_id);
            let url = url.ok_or_else(|| PodError::Settings {
                key: "link",
                why: "links to videos need public_url".into(),
            })?;
            return Ok(("video", url));
        }
        let url = lecture
            .playback
            .as_ref()
            .ok_or_else(|| PodError::NoPlayback {
                format: lecture.origin.format.to_string(),
            })?;
        let id = lecture.record_id.as_str();
        Ok((
            "bigbluebutton",
            match self.config.rewrite_playback {
                true => rewritten(url, id),
                false => url.clone(),
            },
        ))
    }

    async fn wanted(&self, lecture: &Lecture) -> Result<Wanted, PodError> {
        let (kind, url) = self.url(lecture)?;
        let target = self.rows.target().await?;
        if let Some(most) = target.table.length("source_url")
            && url.chars().count() > most
        {
            return Err(PodError::TooLong { url, most });
        }
        let widest = target.table.widest("name");
        let name = wording::plain(lecture.title.as_deref().unwrap_or_default(), widest);
        let name = match name.is_empty() {
            true => "BigBlueButton".to_owned(),
            false => name,
        };
        let most = target.table.length("name").unwrap_or(NAME_MAX);
        let mut owners = Vec::new();
        let there = |username: &&str| !lecture.makes(username);
        for username in lecture.owners(&self.config.default_owner).filter(there) {
            owners.push(self.rows.user(username).await?);
        }
        Ok(Wanted {
            name: wording::shortened(&name, most),
            kind,
            url,
            owners,
        })
    }

    async fn known(&self, journal: &dyn Journal) -> Result<Option<Progress>, PodError> {
        let known: Option<Progress> = journal.progress().await?;
        // What another Pod has says nothing about this one.
        Ok(known.filter(|known| known.database == self.rows.database().name()))
    }

    async fn make(
        &self,
        lecture: &Lecture,
        journal: &dyn Journal,
    ) -> Result<Registration, PodError> {
        if self.needs_media() {
            lecture.media()?;
        }
        let known = self.known(journal).await?;
        let owners: Vec<String> = lecture
            .owners(&self.config.default_owner)
            .map(str::to_owned)
            .collect();
        let (_, url) = self.url(lecture)?;
        if let Some(known) = &known
            && known.done
            && known.url == url
            && known.owners == owners
        {
            return Ok(registration(lecture, known, Vec::new()));
        }
        let wanted = self.wanted(lecture).await?;
        let former = self.former(known.as_ref(), &wanted).await?;
        let mut progress = Progress {
            database: self.rows.database().name().to_owned(),
            url: wanted.url.clone(),
            // Until it is done, whose rows may be there is everybody.
            owners: owners
                .iter()
                .cloned()
                .chain(former.iter().map(|user| user.name.clone()))
                .collect(),
            done: false,
            ids: Vec::new(),
        };
        journal.keep(&progress).await?;
        let former_url = known.map_or_else(|| wanted.url.clone(), |known| known.url);
        progress.ids = self
            .rows
            .make(lecture, &wanted, &former, &former_url)
            .await?;
        progress.owners = owners;
        progress.done = true;
        journal.keep(&progress).await?;
        Ok(registration(lecture, &progress, notes(&wanted.owners)))
    }

    /// Those whose rows go: the former owners, and with another address everybody's.
    async fn former(
        &self,
        known: Option<&Progress>,
        wanted: &Wanted,
    ) -> Result<Vec<User>, PodError> {
        let Some(known) = known else {
            return Ok(Vec::new());
        };
        let stays = |name: &String| {
            known.url == wanted.url && wanted.owners.iter().any(|user| user.name == *name)
        };
        let mut former = Vec::new();
        for username in known.owners.iter().filter(|name| !stays(name)) {
            match self.rows.user(username).await {
                Ok(user) => former.push(user),
                // Pod deletes the rows of a deleted user itself.
                Err(PodError::Owner { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(former)
    }

    /// Whether everybody still has his row. Whoever deleted his own in Pod has none.
    async fn stands(&self, journal: &dyn Journal) -> Result<Standing, PodError> {
        let Some(known) = self.known(journal).await?.filter(|known| known.done) else {
            return Ok(Standing::Unknown);
        };
        let have = self.rows.owners_of(&known.url).await?;
        let without: Vec<_> = known
            .owners
            .iter()
            .filter(|name| !have.contains(*name))
            .map(String::as_str)
            .collect();
        Ok(match without.len() {
            0 => Standing::There,
            n if n == known.owners.len() => Standing::Gone,
            _ => Standing::Partly(format!("no row for {}", without.join(", "))),
        })
    }

    async fn plan(&self, lecture: &Lecture, journal: &dyn Journal) -> Result<Plan, PodError> {
        let known = self.known(journal).await?;
        let wanted = self.wanted(lecture).await?;
        let former = self.former(known.as_ref(), &wanted).await?;
        let mut plan = Plan {
            warnings: notes(&wanted.owners),
            ..Plan::default()
        };
        if self.needs_media() && lecture.media.is_none() {
            plan.steps.push("make the video".into());
        }
        let former_url = known.map_or_else(|| wanted.url.clone(), |known| known.url);
        let target = self.rows.target().await?;
        let there = self.rows.there(&target, &wanted).await?;
        plan.steps
            .extend(target.shown(lecture, &wanted, &former, &former_url, &there));
        for user in &lecture.to_create {
            plan.steps.push(format!(
                "for {}, once that account is made: a row \"{}\" of {} that leads to {}",
                user.username,
                wanted.name,
                rows::TABLE,
                wanted.url
            ));
        }
        Ok(plan)
    }
}

impl Destination for External {
    fn name(&self) -> &'static str {
        "external"
    }

    fn needs_media(&self) -> bool {
        self.config.link == Link::Video && self.config.convert == When::Eager
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
        _: &'a RecordId,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Standing, PodError>> {
        Box::pin(self.stands(journal))
    }

    fn rehearse<'a>(
        &'a self,
        lecture: &'a Lecture,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Plan, PodError>> {
        Box::pin(self.plan(lecture, journal))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), PodError>> {
        Box::pin(async {
            self.rows.target().await?;
            match self.rows.user(&self.config.default_owner).await {
                Err(error @ PodError::Owner { .. }) => Err(PodError::Settings {
                    key: "default_owner",
                    why: error.to_string(),
                }),
                other => other.map(|_| ()),
            }
        })
    }

    fn asked(&self) -> u64 {
        self.rows.database().asked()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.rows.check(&self.config.default_owner))
    }
}

/// A link to BBB's player 2.0 as one to its player 2.3, which newer BBB and this archive have.
fn rewritten(url: &str, id: &str) -> String {
    match url.split_once("/playback/presentation/2.0/playback.html") {
        Some((before, _)) => format!("{before}/playback/presentation/2.3/{id}"),
        None => url.to_owned(),
    }
}

fn notes(owners: &[User]) -> Vec<String> {
    owners
        .iter()
        .filter(|user| !user.is_staff)
        .map(|user| {
            format!(
                "{} is not staff in Pod and does not see \"My external videos\", unless \
                 RESTRICT_EDIT_IMPORT_VIDEO_ACCESS_TO_STAFF_ONLY is False there",
                user.name
            )
        })
        .collect()
}

fn registration(lecture: &Lecture, progress: &Progress, notes: Vec<String>) -> Registration {
    let ids: Vec<String> = progress.ids.iter().map(ToString::to_string).collect();
    let media = lecture.media.as_ref().map(|media| media.digest);
    Registration {
        kind: Kind::Link,
        reference: ids.join(","),
        url: Some(progress.url.clone()),
        media_digest: media.unwrap_or(lecture.source_digest),
        trouble: None,
        notes,
        look_again: None,
    }
}
