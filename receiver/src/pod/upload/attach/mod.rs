//! One registration under way: giving the video its chapters, captions and documents.
//!
//! Pod refuses no second file, caption or document, so each is made in steps that are committed
//! first, and what may have been made before is looked for. Nothing here keeps a video from being
//! encoded: what Pod refuses is left out with a note.

mod files;

use std::collections::BTreeMap;

use recording::Digest;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::video::Video;
use super::wording::{BMP_END, plain};
use super::work::{VIDEOS, Work};
use crate::attachments::{self, Attachments, Words};
use crate::pod::{Lecture, PodError};

const READING: &str = "reading what belongs to the video";
const CHAPTER: &str = "adding a chapter";
const REMOVING: &str = "removing what belonged to the former version";

const CHAPTERS: &str = "rest/chapters/";

/// What has been attached to a video, and what is about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::pod) struct Attached {
    /// What all of it was made from, once everything is there.
    source: Option<Digest>,
    /// The folder of the video's files.
    folder: Option<u64>,
    /// Chapters by start in seconds and title; with its id where Pod has told it.
    chapters: Vec<Made>,
    /// Files by what they are.
    files: BTreeMap<String, File>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    start: u64,
    title: String,
    id: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    digest: Digest,
    /// Its id, once Pod has told it; without, it may or may not be there.
    id: Option<u64>,
    /// Whether it shows with the video.
    linked: bool,
    /// Files of former versions, still to be removed.
    former: Vec<u64>,
}

impl Attached {
    /// Whether nothing is left to do for a lecture.
    pub(super) fn is_done(&self, lecture: &Lecture, wanted: attachments::Wanted) -> bool {
        match source(lecture, wanted) {
            Some(source) => self.source == Some(source),
            None => true,
        }
    }
}

/// What everything attached is made from: the presentation and the settings.
fn source(lecture: &Lecture, wanted: attachments::Wanted) -> Option<Digest> {
    let presentation = lecture.presentation.as_ref()?;
    let text = format!("{} {wanted:?}", presentation.digest);
    Some(Digest::of(text.as_bytes()))
}

impl Work<'_> {
    /// Gives the video what belongs to the lecture, and takes from it what a former version had.
    pub(super) async fn attach(&mut self, video: &Video) -> Result<(), PodError> {
        let wanted = self.pod.config.attach;
        let Some(source) = source(self.lecture, wanted) else {
            return Ok(());
        };
        // Another version of the film than the one that Pod keeps has other chapters.
        if self.progress.attached.source == Some(source) || self.progress.media != self.file.digest
        {
            return Ok(());
        }
        let Some(mut made) = self.gather(wanted).await? else {
            return Ok(());
        };
        self.notes.append(&mut made.warnings);
        self.chapters(video, &made).await?;
        self.files(video, &made.files).await?;
        self.progress.attached.source = Some(source);
        self.save().await
    }

    async fn gather(
        &mut self,
        wanted: attachments::Wanted,
    ) -> Result<Option<Attachments>, PodError> {
        let Some(presentation) = &self.lecture.presentation else {
            return Ok(None);
        };
        let folder = presentation.folder.clone();
        let title = plain(
            self.lecture.title.as_deref().unwrap_or("BigBlueButton"),
            BMP_END,
        );
        let language = self.pod.config.accept_language.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let words = Words {
                title: &title,
                language: &language,
            };
            attachments::gather(&folder, wanted, words)
        })
        .await;
        match gathered {
            Ok(Ok(made)) => Ok(Some(made)),
            Ok(Err(error)) if error.is_transient() => Err(PodError::File {
                doing: "read",
                path: presentation.folder.clone(),
                source: std::io::Error::other(error.to_string()),
            }),
            Ok(Err(error)) => {
                self.notes
                    .push(format!("nothing was attached to the video: {error}"));
                Ok(None)
            }
            Err(died) => {
                self.notes
                    .push(format!("nothing was attached to the video: {died}"));
                Ok(None)
            }
        }
    }

    async fn chapters(&mut self, video: &Video, made: &Attachments) -> Result<(), PodError> {
        let chapter = |made: &Made| (made.start, made.title.clone());
        let wanted: Vec<(u64, String)> = made
            .chapters
            .iter()
            .map(|c| (c.start.0 / 1000, plain(&c.title, BMP_END)))
            .filter(|(_, title)| !title.is_empty())
            .collect();
        let gone: Vec<Made> = self.progress.attached.chapters.clone();
        for old in gone.iter().filter(|old| !wanted.contains(&chapter(old))) {
            let id = match old.id {
                Some(id) => Some(id),
                None => self.chapter(video, old).await?,
            };
            if let Some(id) = id {
                self.remove(&format!("{CHAPTERS}{id}/")).await?;
            }
        }
        let known = &mut self.progress.attached.chapters;
        known.retain(|made| wanted.contains(&chapter(made)));
        for (start, title) in wanted {
            if !known
                .iter()
                .any(|made| made.start == start && made.title == title)
            {
                known.push(Made {
                    start,
                    title,
                    id: None,
                });
            }
        }
        self.save().await?;
        for n in 0..self.progress.attached.chapters.len() {
            let Made { start, title, id } = self.progress.attached.chapters[n].clone();
            if id.is_some() {
                continue;
            }
            let body = json!({
                "video": format!("/{VIDEOS}{}/", video.id),
                "title": title,
                "time_start": start,
            });
            // Pod keeps them apart by title, start and video: a second one is refused.
            let done = self.insist(CHAPTER, CHAPTERS, &body).await?;
            self.progress.attached.chapters[n].id =
                done.as_ref().and_then(|made| made["id"].as_u64());
        }
        self.save().await
    }

    /// A chapter whose id Pod did not get to tell.
    async fn chapter(&self, video: &Video, wanted: &Made) -> Result<Option<u64>, PodError> {
        let find = |item: &Value| {
            let is_it = link(&item["video"]) == Some(video.id)
                && item["title"] == *wanted.title
                && item["time_start"] == wanted.start;
            is_it.then(|| item["id"].as_u64())?
        };
        self.pod.api.find(READING, CHAPTERS, &[], find).await
    }

    /// Removes what this program has made; that it is gone already is as well.
    async fn remove(&mut self, path: &str) -> Result<(), PodError> {
        match self.pod.api.delete(REMOVING, path).await {
            Ok(()) | Err(PodError::Refused { status: 404, .. }) => Ok(()),
            Err(error @ PodError::Refused { .. }) => {
                self.notes.push(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what Pod itself keeps unique: once more after a 500, and a refusal is the proof that
    /// it is there already.
    async fn insist(
        &mut self,
        doing: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Option<Value>, PodError> {
        let mut failed_before = false;
        loop {
            match self
                .pod
                .api
                .write_json(doing, Method::POST, path, body)
                .await
            {
                Ok(made) => return Ok(Some(made)),
                Err(PodError::Faulty { status: 500, .. }) if !failed_before => failed_before = true,
                Err(error) => {
                    // A 500 for everything is an outage, and passes.
                    self.find(false).await?;
                    let PodError::Refused {
                        status: 400, said, ..
                    } = &error
                    else {
                        let what = body["title"].as_str().or(body["name"].as_str());
                        return self.left_out(what.unwrap_or(path), error).map(|()| None);
                    };
                    if !said.contains("non_field_errors") {
                        self.notes.push(error.to_string());
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Notes that something was not attached when asking again is of no use.
    fn left_out(&mut self, what: &str, error: PodError) -> Result<(), PodError> {
        match error {
            PodError::Refused { .. } | PodError::Faulty { status: 500, .. } => {
                self.notes
                    .push(format!("\"{what}\" was not attached: {error}"));
                Ok(())
            }
            other => Err(other),
        }
    }

    async fn save(&mut self) -> Result<(), PodError> {
        let step = self.progress.step.clone();
        self.progress.save(step, self.journal).await
    }
}

/// The id in a link, `http://pod/rest/files/3/`.
fn link(value: &Value) -> Option<u64> {
    last_number(value.as_str()?)
}

fn last_number(link: &str) -> Option<u64> {
    link.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}
