//! Everything that a video gets besides its media: the settings' values, and instead of them those
//! that the front-end gave the meeting as meta keys `pod-*`.
//!
//! A wrong value in the settings stops everything and is named. A wrong meta key concerns one
//! recording, which is not held up for it: the settings' value stays, and a note says so.

use reqwest::multipart::Form;

use super::api::Api;
use super::catalogue::{Catalogue, Field, List};
use super::site;
use crate::pod::config::{Chosen, UploadConfig};
use crate::pod::{Lecture, PodError};

/// Characters of a password in Pod.
const PASSWORD_MAX: usize = 50;

/// A text that is not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a video gets; links where Pod wants links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// A title of its own, instead of the meeting's name.
    pub(super) title: Option<String>,
    additional_owners: Vec<String>,
    video_type: String,
    disciplines: Vec<String>,
    channels: Vec<String>,
    groups: Vec<String>,
    licence: Option<String>,
    main_lang: Option<String>,
    cursus: Option<String>,
    restricted: bool,
    password: Option<Secret>,
    allow_downloading: bool,
    disable_comment: bool,
    /// Whether it stops being a draft once it is encoded.
    pub(super) publish: bool,
}

impl Attributes {
    /// What the settings say, every name found in Pod.
    pub(super) async fn of_settings(
        api: &Api,
        catalogue: &mut Catalogue,
        config: &UploadConfig,
    ) -> Result<Attributes, PodError> {
        let wrong = |key| move |why: String| PodError::Settings { key, why };
        let video_type = catalogue.link(api, List::Types, &config.video_type).await?;
        let mut attributes = Attributes {
            title: None,
            additional_owners: Vec::new(),
            video_type: video_type.map_err(wrong("type"))?,
            disciplines: Vec::new(),
            channels: Vec::new(),
            groups: Vec::new(),
            licence: config.licence.clone(),
            main_lang: config.main_lang.clone(),
            cursus: config.cursus.clone(),
            restricted: config.restricted,
            password: config.password()?.map(Secret),
            allow_downloading: config.allow_downloading,
            disable_comment: config.disable_comment,
            publish: config.publish,
        };
        for (key, list, wanted, links) in [
            (
                "discipline",
                List::Disciplines,
                &config.discipline,
                &mut attributes.disciplines,
            ),
            (
                "channel",
                List::Channels,
                &config.channel,
                &mut attributes.channels,
            ),
            (
                "groups",
                List::Groups,
                &config.groups,
                &mut attributes.groups,
            ),
        ] {
            for chosen in wanted {
                links.push(
                    catalogue
                        .link(api, list, chosen)
                        .await?
                        .map_err(wrong(key))?,
                );
            }
        }
        for (key, field, value) in [
            ("licence", Field::Licence, &config.licence),
            ("main_lang", Field::MainLang, &config.main_lang),
            ("cursus", Field::Cursus, &config.cursus),
        ] {
            if let Some(value) = value {
                catalogue
                    .takes(api, field, value)
                    .await?
                    .map_err(wrong(key))?;
            }
        }
        for username in &config.additional_owners {
            let owner = site::user(api, username)
                .await
                .map_err(|error| match error {
                    PodError::Owner { .. } => wrong("additional_owners")(error.to_string()),
                    other => other,
                })?;
            attributes.additional_owners.push(owner);
        }
        Ok(attributes)
    }

    /// The same for one lecture: its spoken language and its meta keys. Gives notes on what could
    /// not be followed.
    pub(super) async fn of_lecture(
        mut self,
        api: &Api,
        catalogue: &mut Catalogue,
        lecture: &Lecture,
        follow_meta: bool,
    ) -> Result<(Attributes, Vec<String>), PodError> {
        let mut notes = Vec::new();
        for username in &lecture.additional_owners {
            match catalogue.user(api, username).await? {
                Ok(link) if !self.additional_owners.contains(&link) => {
                    self.additional_owners.push(link);
                }
                Ok(_) => {}
                Err(why) => notes.push(format!("{username} does not own it too: {why}")),
            }
        }
        if let Some(spoken) = &lecture.language
            && catalogue.takes(api, Field::MainLang, spoken).await?.is_ok()
        {
            self.main_lang = Some(spoken.clone());
        }
        let wishes = lecture.meta.iter().filter_map(|(key, value)| {
            let wish = key.strip_prefix("pod-")?;
            let value = value.trim();
            (follow_meta && !value.is_empty()).then_some((wish, value))
        });
        for (wish, value) in wishes {
            if let Err(why) = self.follow(api, catalogue, wish, value).await? {
                notes.push(format!("the meta key pod-{wish} was not followed: {why}"));
            }
        }
        for username in &lecture.additional_owners {
            match site::user(api, username).await {
                Ok(owner) if self.additional_owners.contains(&owner) => {}
                Ok(owner) => self.additional_owners.push(owner),
                Err(error @ PodError::Owner { .. }) => {
                    notes.push(format!("{username} is not an additional owner: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((self, notes))
    }

    async fn follow(
        &mut self,
        api: &Api,
        catalogue: &mut Catalogue,
        wish: &str,
        value: &str,
    ) -> Result<Result<(), String>, PodError> {
        let (list, links) = match wish {
            "discipline" => (List::Disciplines, &mut self.disciplines),
            "channel" => (List::Channels, &mut self.channels),
            "groups" => (List::Groups, &mut self.groups),
            _ => return self.follow_single(api, catalogue, wish, value).await,
        };
        let mut found = Vec::new();
        for name in each(value) {
            match catalogue
                .link(api, list, &Chosen::Title(name.to_owned()))
                .await?
            {
                Ok(link) => found.push(link),
                Err(why) => return Ok(Err(why)),
            }
        }
        *links = found;
        Ok(Ok(()))
    }

    async fn follow_single(
        &mut self,
        api: &Api,
        catalogue: &mut Catalogue,
        wish: &str,
        value: &str,
    ) -> Result<Result<(), String>, PodError> {
        let (field, place) = match wish {
            "licence" => (Field::Licence, &mut self.licence),
            "main-lang" => (Field::MainLang, &mut self.main_lang),
            "cursus" => (Field::Cursus, &mut self.cursus),
            _ => return self.follow_other(api, catalogue, wish, value).await,
        };
        let taken = catalogue.takes(api, field, value).await?;
        if taken.is_ok() {
            *place = Some(value.to_owned());
        }
        Ok(taken)
    }

    async fn follow_other(
        &mut self,
        api: &Api,
        catalogue: &mut Catalogue,
        wish: &str,
        value: &str,
    ) -> Result<Result<(), String>, PodError> {
        match wish {
            "title" => self.title = Some(value.to_owned()),
            "type" => {
                let chosen = Chosen::Title(value.to_owned());
                match catalogue.link(api, List::Types, &chosen).await? {
                    Ok(link) => self.video_type = link,
                    Err(why) => return Ok(Err(why)),
                }
            }
            "additional-owners" => {
                let mut owners = Vec::new();
                for username in each(value) {
                    match site::user(api, username).await {
                        Ok(owner) => owners.push(owner),
                        Err(error @ PodError::Owner { .. }) => return Ok(Err(error.to_string())),
                        Err(error) => return Err(error),
                    }
                }
                self.additional_owners = owners;
            }
            "password" if value.chars().count() > PASSWORD_MAX => {
                return Ok(Err(format!("it has more than {PASSWORD_MAX} characters")));
            }
            "password" => self.password = Some(Secret(value.to_owned())),
            "restricted" => match truth(value) {
                Some(restricted) => self.restricted = restricted,
                None => return Ok(Err("it must be true or false".into())),
            },
            "draft" => match truth(value) {
                Some(draft) => self.publish = !draft,
                None => return Ok(Err("it must be true or false".into())),
            },
            _ => return Ok(Err("there is no such key".into())),
        }
        Ok(Ok(()))
    }

    /// The fields of the form. A boolean that is left out is false in Pod, also `is_draft`, so all
    /// are there; a password that is left out is none.
    pub(super) fn add_to(&self, form: Form) -> Form {
        let fields = self.fields().into_iter();
        fields.fold(form, |form, (name, value)| form.text(name, value))
    }

    /// The same for people to read: the password is hidden.
    pub(super) fn shown(&self) -> String {
        let fields = self.fields().into_iter().map(|(name, value)| match name {
            "password" => "password=(hidden)".to_owned(),
            name => format!("{name}={value}"),
        });
        fields.collect::<Vec<_>>().join(" ")
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let restricted = self.restricted || !self.groups.is_empty();
        for (name, value) in [
            ("is_draft", true),
            ("is_restricted", restricted),
            ("allow_downloading", self.allow_downloading),
            ("disable_comment", self.disable_comment),
            ("is_360", false),
        ] {
            fields.push((name, value.to_string()));
        }
        for (name, links) in [
            ("additional_owners", &self.additional_owners),
            ("discipline", &self.disciplines),
            ("channel", &self.channels),
            ("restrict_access_to_groups", &self.groups),
        ] {
            for link in links {
                fields.push((name, link.clone()));
            }
        }
        let password = self.password.as_ref().map(|password| &password.0);
        for (name, value) in [
            ("type", Some(&self.video_type)),
            ("licence", self.licence.as_ref()),
            ("main_lang", self.main_lang.as_ref()),
            ("cursus", self.cursus.as_ref()),
            ("password", password),
        ] {
            if let Some(value) = value {
                fields.push((name, value.clone()));
            }
        }
        fields
    }
}

fn each(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}
