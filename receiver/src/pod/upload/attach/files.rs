//! The files of a video: each in the video's folder, and shown with it as captions or document.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{File, READING, last_number, link};
use crate::attachments::{Attachment, Role};
use crate::pod::PodError;
use crate::pod::upload::video::Video;
use crate::pod::upload::work::{VIDEOS, Work};

const FOLDER: &str = "making the video's folder";
const FILE: &str = "adding a file";
const LINKING: &str = "attaching a file to the video";

const FOLDERS: &str = "rest/folders/";
const FILES: &str = "rest/files/";
const TRACKS: &str = "rest/tracks/";
const DOCUMENTS: &str = "rest/documents/";

impl Work<'_> {
    pub(super) async fn files(
        &mut self,
        video: &Video,
        wanted: &[Attachment],
    ) -> Result<(), PodError> {
        let obsolete: Vec<String> = self
            .progress
            .attached
            .files
            .keys()
            .filter(|key| wanted.iter().all(|file| file.key != **key))
            .cloned()
            .collect();
        for key in obsolete {
            if let Some(file) = self.progress.attached.files.get(&key).cloned() {
                for id in file.former.iter().copied().chain(file.id) {
                    self.remove_file(video, id).await?;
                }
            }
            self.progress.attached.files.remove(&key);
            self.save().await?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let owner = self.owner().await?;
        let Some(folder) = self.folder(video, &owner).await? else {
            return Ok(());
        };
        for attachment in wanted {
            self.one(video, attachment, folder, &owner).await?;
        }
        Ok(())
    }

    /// The folder of the video's files: the one that Pod itself makes at the first encoding.
    async fn folder(&mut self, video: &Video, owner: &str) -> Result<Option<u64>, PodError> {
        if let Some(id) = self.progress.attached.folder {
            return Ok(Some(id));
        }
        if !self.keeps_files().await? {
            self.notes.push(
                "captions, slides, chat and notes were not attached: this Pod runs without its \
                 file manager (USE_PODFILE=False)"
                    .to_owned(),
            );
            return Ok(None);
        }
        let body = json!({"name": video.slug, "owner": owner});
        let made = match self
            .pod
            .api
            .write_json(FOLDER, Method::POST, FOLDERS, &body)
            .await
        {
            // It is there, as it is when Pod has encoded the video before.
            Err(PodError::Refused { status: 400, .. }) => None,
            Err(error) if error.outcome_is_unknown() => None,
            Err(error) => return Err(error),
            Ok(made) => made["id"].as_u64(),
        };
        let user = last_number(owner);
        let find = |item: &Value| {
            let is_it = item["name"] == *video.slug && link(&item["owner"]) == user;
            is_it.then(|| item["id"].as_u64())?
        };
        let found = match made {
            Some(id) => Some(id),
            None => self.pod.api.find(FOLDER, FOLDERS, &[], find).await?,
        };
        if found.is_none() {
            // Neither made nor there: asked again it may be.
            let made = self.insist(FOLDER, FOLDERS, &body).await?;
            self.progress.attached.folder = made.and_then(|made| made["id"].as_u64());
        } else {
            self.progress.attached.folder = found;
        }
        self.save().await?;
        Ok(self.progress.attached.folder)
    }

    /// Whether Pod has its file manager.
    async fn keeps_files(&self) -> Result<bool, PodError> {
        let root = self.pod.api.get(READING, "rest/", &[]).await?;
        Ok(root.get("folders").is_some())
    }

    /// Brings one file to the video, and its former versions away.
    async fn one(
        &mut self,
        video: &Video,
        attachment: &Attachment,
        folder: u64,
        owner: &str,
    ) -> Result<(), PodError> {
        let key = &attachment.key;
        let known = self.progress.attached.files.get(key).cloned();
        let same = known
            .clone()
            .filter(|known| known.digest == attachment.digest);
        let may_be_there = same.as_ref().is_some_and(|same| same.id.is_none());
        let mut file = same.unwrap_or_else(|| File {
            digest: attachment.digest,
            id: None,
            linked: false,
            former: known.map_or_else(Vec::new, |old| {
                old.former.into_iter().chain(old.id).collect()
            }),
        });
        if file.id.is_none() {
            self.keep(key, &file).await?;
            let sent = self
                .send_file(attachment, &file, folder, owner, may_be_there)
                .await?;
            let Some(id) = sent else { return Ok(()) };
            file.id = Some(id);
            self.keep(key, &file).await?;
        }
        if let (Some(id), false) = (file.id, file.linked) {
            self.link(video, attachment, id).await?;
            file.linked = true;
            self.keep(key, &file).await?;
        }
        for old in std::mem::take(&mut file.former) {
            self.remove_file(video, old).await?;
        }
        self.keep(key, &file).await
    }

    async fn keep(&mut self, key: &str, file: &File) -> Result<(), PodError> {
        self.progress
            .attached
            .files
            .insert(key.to_owned(), file.clone());
        self.save().await
    }

    /// Sends a file once; `None` when Pod does not take it.
    async fn send_file(
        &mut self,
        attachment: &Attachment,
        file: &File,
        folder: u64,
        owner: &str,
        may_be_there: bool,
    ) -> Result<Option<u64>, PodError> {
        // Pod calls it by its base name.
        let name = attachment
            .name
            .rsplit_once('.')
            .map_or("", |(name, _)| name);
        let known: Vec<u64> = self
            .progress
            .attached
            .files
            .values()
            .filter_map(|f| f.id)
            .collect();
        let find = |item: &Value| {
            let id = item["id"].as_u64()?;
            let is_it = link(&item["folder"]) == Some(folder)
                && item["name"] == *name
                && !file.former.contains(&id)
                && !known.contains(&id);
            is_it.then_some(id)
        };
        let settle = self.pod.config.settle_time;
        if may_be_there {
            tokio::time::sleep(settle).await;
            if let Some(id) = self.pod.api.find(FILE, FILES, &[], find).await? {
                return Ok(Some(id));
            }
        }
        let mut failed_before = false;
        loop {
            let form = form(attachment, folder, owner)?;
            let error = match self.pod.api.write(FILE, Method::POST, FILES, form).await {
                Ok(made) => match made["id"].as_u64() {
                    Some(id) => return Ok(Some(id)),
                    None => return Err(self.pod.api.odd(FILE, FILES, "a file", &made)),
                },
                Err(error) => error,
            };
            if error.outcome_is_unknown() {
                if !matches!(error, PodError::Faulty { status: 500, .. }) {
                    return Err(error.not_before(settle));
                }
                if let Some(id) = self.pod.api.find(FILE, FILES, &[], find).await? {
                    return Ok(Some(id));
                }
                if !failed_before {
                    failed_before = true;
                    continue;
                }
            }
            return self.left_out(&attachment.name, error).map(|()| None);
        }
    }

    async fn link(
        &mut self,
        video: &Video,
        attachment: &Attachment,
        file: u64,
    ) -> Result<(), PodError> {
        if self.linked(video, &attachment.role, file).await?.is_some() {
            return Ok(());
        }
        let video_link = format!("/{VIDEOS}{}/", video.id);
        let file_link = format!("/{FILES}{file}/");
        let (path, body) = match &attachment.role {
            Role::Captions(language) => (
                TRACKS,
                json!({"video": video_link, "kind": "captions", "lang": language, "src": file_link}),
            ),
            Role::Document => (
                DOCUMENTS,
                json!({"video": video_link, "document": file_link}),
            ),
        };
        let mut failed_before = false;
        loop {
            let error = match self
                .pod
                .api
                .write_json(LINKING, Method::POST, path, &body)
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if error.outcome_is_unknown() {
                if !matches!(error, PodError::Faulty { status: 500, .. }) {
                    return Err(error.not_before(self.pod.config.settle_time));
                }
                if self.linked(video, &attachment.role, file).await?.is_some() {
                    return Ok(());
                }
                if !failed_before {
                    failed_before = true;
                    continue;
                }
            }
            return self.left_out(&attachment.name, error);
        }
    }

    /// The caption or document that shows a file with the video.
    async fn linked(&self, video: &Video, role: &Role, file: u64) -> Result<Option<u64>, PodError> {
        let (path, field) = match role {
            Role::Captions(_) => (TRACKS, "src"),
            Role::Document => (DOCUMENTS, "document"),
        };
        let query = [("video", video.id.to_string())];
        let query = query.each_ref().map(|(key, value)| (*key, value.as_str()));
        let find = |item: &Value| {
            let is_it = link(&item["video"]) == Some(video.id) && link(&item[field]) == Some(file);
            is_it.then(|| item["id"].as_u64())?
        };
        self.pod.api.find(READING, path, &query, find).await
    }

    async fn remove_file(&mut self, video: &Video, file: u64) -> Result<(), PodError> {
        for (path, role) in [
            (TRACKS, Role::Captions(String::new())),
            (DOCUMENTS, Role::Document),
        ] {
            if let Some(id) = self.linked(video, &role, file).await? {
                self.remove(&format!("{path}{id}/")).await?;
            }
        }
        self.remove(&format!("{FILES}{file}/")).await
    }
}

fn form(attachment: &Attachment, folder: u64, owner: &str) -> Result<Form, PodError> {
    let part = Part::bytes(attachment.content.clone())
        .file_name(attachment.name.clone())
        .mime_str(attachment.mime)
        .map_err(|error| PodError::Odd {
            doing: FILE,
            url: FILES.to_owned(),
            why: error.to_string(),
        })?;
    Ok(Form::new()
        .text("name", attachment.name.clone())
        .text("folder", format!("/{FOLDERS}{folder}/"))
        .text("created_by", owner.to_owned())
        .part("file", part))
}
