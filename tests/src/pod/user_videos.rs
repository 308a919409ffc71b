//! `GET /rest/videos/user_videos/`: the one list of videos that is safe to read.

use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::lists;
use super::messages::Lang;
use super::render::in_time;
use super::schema::Resource;
use super::text::{fold, local_iso, slugify, utc_seconds};
use super::world::{Crash, Row, World, flag_of, hex, id_of, ids_of, text_of};
use sha2::{Digest, Sha256};

pub(crate) fn list(world: &World, ask: &Ask, resource: &Resource) -> Result<Answer, Crash> {
    let mut ids = match lists::select(world, ask, resource) {
        Ok(ids) => ids,
        Err(errors) => return Ok(Answer::json(400, &Value::Object(errors))),
    };
    let owner = ask
        .param("username")
        .and_then(|name| world.user_named(name));
    let searched = ask.param("search_title").map(fold);
    let encoded = ask.param("encoded") == Some("true");
    ids.retain(|id| {
        let Some(row) = world.row("videos", *id) else {
            return false;
        };
        owner.is_some()
            && id_of(row, "owner") == owner
            && (!encoded || flag_of(row, "encoded"))
            && searched.as_deref().is_none_or(|searched| {
                fold(text_of(row, &format!("title_{}", ask.lang.code()))).contains(searched)
            })
    });
    lists::page(ask, &ids, |id| Ok(item(world, ask, id)))
}

fn item(world: &World, ask: &Ask, id: u64) -> Value {
    let Some(row) = world.row("videos", id) else {
        return Value::Null;
    };
    json!({
        "id": id,
        "url": ask.object_url("videos", id),
        "get_version": "O",
        "type": row["type"],
        "date_added": local_iso(row["date_added"].as_i64().unwrap_or(0)),
        "is_draft": row["is_draft"],
        "is_restricted": row["is_restricted"],
        "encoding_in_progress": row["encoding_in_progress"],
        "encoded": row["encoded"],
        "video_data": video_data(world, ask, id, row),
    })
}

/// What Pod gives to its search index; `password` is true even when there is none.
fn video_data(world: &World, ask: &Ask, id: u64, row: &Row) -> Value {
    let title = world.translated(row, "title", ask.lang);
    let site = &world.settings.site_domain;
    let encoded = flag_of(row, "encoded");
    let owner = id_of(row, "owner").and_then(|id| world.row("users", id));
    let owner_name = |field: &str| owner.map_or("", |owner| text_of(owner, field));
    let full_name = format!("{} {}", owner_name("first_name"), owner_name("last_name"));
    let seconds = row["duration"].as_i64().unwrap_or(0);
    let type_id = id_of(row, "type").unwrap_or(0);
    let type_title = world
        .row("types", type_id)
        .map_or("", |row| text_of(row, "title"));
    let cached = |size: &str| {
        if !encoded {
            return "/static/img/default.svg".to_owned();
        }
        let hash = hex(&Sha256::digest(format!("{id} {size} {title}")));
        format!(
            "/media/cache/{}/{}/{}.png",
            &hash[..2],
            &hash[2..4],
            &hash[..32]
        )
    };
    let tags: Vec<Value> = world
        .tags_of(row)
        .iter()
        .map(|tag| json!({"name": tag, "slug": slugify(tag)}))
        .collect();
    let titled = |table: &str, field: &str| -> Vec<Value> {
        let ids = ids_of(row, field);
        ids.into_iter()
            .filter_map(|id| Some(json!({"title": text_of(world.row(table, id)?, "title"), "slug": world.slug_of_title(table, id)})))
            .collect()
    };
    let of_video = |table: &str, fields: &[&str]| -> Vec<Value> {
        let related = world
            .rows(table)
            .filter(|(_, row)| id_of(row, "video") == Some(id));
        related
            .map(|(_, row)| {
                fields
                    .iter()
                    .map(|field| {
                        (
                            (*field).to_owned(),
                            row.get(*field).cloned().unwrap_or_default(),
                        )
                    })
                    .collect::<Row>()
                    .into()
            })
            .collect()
    };
    json!({
        "id": id,
        "title": title,
        "owner": owner_name("username"),
        "owner_full_name": full_name.trim(),
        "date_added": utc_seconds(row["date_added"].as_i64().unwrap_or(0)),
        "date_evt": row["date_evt"].as_str().map(|day| format!("{day}T00:00:00")),
        "description": world.translated(row, "description", ask.lang),
        "thumbnail": format!("//{site}{}", cached("x720")),
        "duration": seconds.to_string(),
        "tags": tags,
        "type": {"title": type_title, "slug": world.slug_of_title("types", type_id)},
        "disciplines": titled("discipline", "discipline"),
        "channels": titled("channels", "channel"),
        "themes": titled("themes", "theme"),
        "contributors": of_video("contributors", &["name", "role"]),
        "chapters": of_video("chapters", &["title", "slug"]),
        "overlays": of_video("overlays", &["title", "slug"]),
        "full_url": format!("//{site}/video/{}/", text_of(row, "slug")),
        "is_restricted": row["is_restricted"],
        "password": true,
        "duration_in_time": in_time(seconds),
        "mediatype": "video",
        "cursus": cursus(text_of(row, "cursus"), ask.lang),
        "main_lang": language(text_of(row, "main_lang"), ask.lang),
        "encoded": encoded,
        "encoding_in_progress": row["encoding_in_progress"],
        "get_encoding_step": text_of(row, "step"),
        "get_thumbnail_admin": format!(
            "<img style=\"max-width:100px\" src=\"{}\" alt=\"{}\" loading=\"lazy\">",
            cached("100x100"),
            title.replace('"', "'")
        ),
        "video_files": files(world, id, encoded),
    })
}

fn files(world: &World, video: u64, encoded: bool) -> Value {
    if !encoded {
        return "".into();
    }
    let mut files = Row::new();
    for (table, height) in [
        ("encodings_video", json!(360)),
        ("encodings_audio", Value::Null),
    ] {
        for (id, row) in world
            .rows(table)
            .filter(|(_, row)| id_of(row, "video") == Some(video))
        {
            let path = text_of(row, "source_file");
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            files.insert(
                extension.to_owned(),
                json!([{
                    "id": id, "type": row["encoding_format"], "src": format!("/media/{path}"), "height": height,
                    "extension": format!(".{extension}"), "label": row["name"],
                }]),
            );
        }
    }
    Value::Object(files)
}

fn cursus(code: &str, lang: Lang) -> &str {
    match (code, lang) {
        ("0", Lang::En) => "None / All",
        ("0", Lang::Fr) => "Aucun / Tous",
        ("L", Lang::En) => "Bachelor’s Degree",
        ("L", Lang::Fr) => "Licence",
        ("M", Lang::En) => "Master’s Degree",
        ("M", Lang::Fr) => "Master",
        ("D", Lang::En) => "Doctorate",
        ("D", Lang::Fr) => "Doctorat",
        ("1", Lang::En) => "Other",
        ("1", Lang::Fr) => "Autre",
        _ => code,
    }
}

fn language(code: &str, lang: Lang) -> &str {
    match (code, lang) {
        ("fr", Lang::En) => "French",
        ("fr", Lang::Fr) => "Français",
        ("en", Lang::En) => "English",
        ("en", Lang::Fr) => "Anglais",
        ("de", Lang::En) => "German",
        ("de", Lang::Fr) => "Allemand",
        ("es", Lang::En) => "Spanish",
        ("es", Lang::Fr) => "Espagnol",
        ("it", Lang::En) => "Italian",
        ("it", Lang::Fr) => "Italien",
        _ => code,
    }
}
