//! What a test may look at: the requests that came, and the videos that are there.

use serde::{Deserialize, Serialize};

use super::messages::Lang;
use super::text::local_iso;
use super::world::{World, flag_of, id_of, ids_of, text_of};

/// One request that arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path, percent-decoded, without the query.
    pub path: String,
    /// Its query as sent.
    pub query: String,
    /// The Accept-Language it carried, as the site understood it.
    pub language: String,
    /// The Content-Length it announced, in bytes.
    pub content_length: Option<u64>,
    /// The status it got; 0 when it got none.
    pub status: u16,
}

/// A video that the site has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredVideo {
    /// Its id, the only name that does not change.
    pub id: u64,
    /// Its slug at the moment.
    pub slug: String,
    /// Its title in the site's language, or in any that it has.
    pub title: String,
    /// Its description, raw HTML.
    pub description: String,
    /// The owner's username.
    pub owner: String,
    /// The other owners' usernames.
    pub additional_owners: Vec<String>,
    /// The date it was added, ISO in the site's time zone.
    pub date_added: String,
    /// The day of the event, `YYYY-MM-DD`.
    pub date_evt: Option<String>,
    /// Whether it is a draft; a video that is not is public.
    pub is_draft: bool,
    /// Whether only authenticated users may see it.
    pub is_restricted: bool,
    /// Its password, in clear as Pod keeps it.
    pub password: Option<String>,
    /// The title of its type.
    pub kind: String,
    /// Its file's path under the media folder.
    pub file: String,
    /// SHA-256 of the uploaded file, in hexadecimal digits.
    pub sha256: String,
    /// Size of the uploaded file, in bytes.
    pub size: u64,
    /// Whether an encoding runs.
    pub encoding_in_progress: bool,
    /// Whether an encoding came to its end.
    pub encoded: bool,
    /// The encoding step as the API words it.
    pub step: String,
}

pub(crate) fn videos(world: &World) -> Vec<StoredVideo> {
    let lang = Lang::negotiate(None, &world.settings.language);
    let username = |id: u64| {
        world
            .row("users", id)
            .map_or(String::new(), |row| text_of(row, "username").to_owned())
    };
    world
        .rows("videos")
        .map(|(id, row)| StoredVideo {
            id,
            slug: text_of(row, "slug").to_owned(),
            title: world.translated(row, "title", lang).to_owned(),
            description: world.translated(row, "description", lang).to_owned(),
            owner: id_of(row, "owner").map(username).unwrap_or_default(),
            additional_owners: ids_of(row, "additional_owners")
                .into_iter()
                .map(username)
                .collect(),
            date_added: local_iso(row["date_added"].as_i64().unwrap_or(0)),
            date_evt: row["date_evt"].as_str().map(str::to_owned),
            is_draft: flag_of(row, "is_draft"),
            is_restricted: flag_of(row, "is_restricted"),
            password: row["password"].as_str().map(str::to_owned),
            kind: id_of(row, "type")
                .and_then(|id| world.row("types", id))
                .map_or("", |row| text_of(row, "title"))
                .to_owned(),
            file: text_of(row, "video").to_owned(),
            sha256: world
                .stored
                .get(&id)
                .map_or(String::new(), |stored| stored.sha256.clone()),
            size: world.stored.get(&id).map_or(0, |stored| stored.size),
            encoding_in_progress: flag_of(row, "encoding_in_progress"),
            encoded: flag_of(row, "encoded"),
            step: text_of(row, "step").to_owned(),
        })
        .collect()
}
