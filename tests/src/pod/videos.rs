//! Videos: how a POST or a PATCH becomes a row, its slug, its file and its folder.

use serde_json::{Value, json};

use super::ask::Ask;
use super::input::{Data, Upload};
use super::messages::Lang;
use super::settings::Database;
use super::text::{slugify, split_extension};
use super::world::{Crash, Row, Stored, World, id_of, text_of};

const SLUG_MAX: usize = 255;

/// A video whose file is stored and whose slug is chosen, but which the database does not know
/// yet: in this moment another upload may choose the same slug.
#[derive(Debug)]
pub(crate) struct Pending {
    row: Row,
    stored: Option<Stored>,
}

/// Stores the file under the owner's folder and chooses the slug from the greatest id in use.
pub(crate) fn prepare(
    world: &mut World,
    lang: Lang,
    mut row: Row,
    upload: Option<Upload>,
) -> Result<Pending, Crash> {
    let owner = id_of(&row, "owner").ok_or(Crash("DoesNotExist"))?;
    let stored = upload
        .map(|upload| store(world, owner, upload))
        .transpose()?;
    let stored = stored.map(|(path, stored)| {
        row.insert("video".into(), path.into());
        stored
    });
    row.insert(
        "slug".into(),
        slug(world.next_slug_number("videos"), text_of(&row, "title")).into(),
    );
    translate(&mut row, lang);
    for (name, value) in [
        ("encoding_in_progress", json!(false)),
        ("encoded", json!(false)),
        ("step", json!("")),
        ("duration", json!(0)),
    ] {
        row.insert(name.to_owned(), value);
    }
    Ok(Pending { row, stored })
}

/// The insert: takes an id, and fails where the database would.
pub(crate) fn insert(world: &mut World, pending: Pending) -> Result<u64, Crash> {
    let id = world.take_id("videos");
    check(world, &pending.row, None)?;
    world.table("videos").rows.insert(id, pending.row);
    if let Some(stored) = pending.stored {
        world.stored.insert(id, stored);
    }
    Ok(id)
}

/// A PATCH or PUT: a new title is a new slug, and the video's folder follows slug and owner.
pub(crate) fn change(
    world: &mut World,
    ask: &Ask,
    id: u64,
    mut row: Row,
    data: &mut Data,
) -> Result<(), Crash> {
    let old = world
        .row("videos", id)
        .cloned()
        .ok_or(Crash("DoesNotExist"))?;
    let owner = id_of(&row, "owner")
        .or_else(|| id_of(&old, "owner"))
        .ok_or(Crash("DoesNotExist"))?;
    row.remove("video");
    if let Some(upload) = data.take_file("video") {
        let (path, stored) = store(world, owner, upload)?;
        row.insert("video".into(), path.into());
        world.stored.insert(id, stored);
    }
    if let Some(title) = row.get("title").and_then(Value::as_str) {
        let slug = slug(id, title);
        row.insert("slug".into(), slug.into());
    }
    translate(&mut row, ask.lang);
    let mut new = old.clone();
    new.extend(row);
    check(world, &new, Some(id))?;
    let folder = world
        .rows("folders")
        .find(|(_, folder)| folder["name"] == old["slug"] && folder["owner"] == old["owner"])
        .map(|(id, _)| id);
    if let Some(folder) = folder.and_then(|folder| world.row_mut("folders", folder)) {
        folder.insert("name".into(), new["slug"].clone());
        folder.insert("owner".into(), owner.into());
    }
    world.table("videos").rows.insert(id, new);
    Ok(())
}

/// What goes with a deleted video.
pub(crate) fn delete_related(world: &mut World, id: u64) {
    for table in [
        "chapters",
        "tracks",
        "documents",
        "overlays",
        "contributors",
        "enrichments",
        "encodings_video",
        "encodings_audio",
        "playlist_videos",
    ] {
        let related: Vec<u64> = world
            .rows(table)
            .filter(|(_, row)| id_of(row, "video") == Some(id))
            .map(|(id, _)| id)
            .collect();
        for related in related {
            world.remove(table, related);
        }
    }
}

fn check(world: &World, row: &Row, id: Option<u64>) -> Result<(), Crash> {
    world.fits(row)?;
    let slug = text_of(row, "slug");
    if world.settings.database != Database::Sqlite && slug.len() > SLUG_MAX {
        return Err(Crash("DataError"));
    }
    if world
        .rows("videos")
        .any(|(other, row)| Some(other) != id && text_of(row, "slug") == slug)
    {
        return Err(Crash("IntegrityError"));
    }
    Ok(())
}

fn slug(number: u64, title: &str) -> String {
    format!("{number:04}-{}", slugify(title))
}

/// Writes title and description into the columns of the request's language only.
fn translate(row: &mut Row, lang: Lang) {
    for field in ["title", "description"] {
        if let Some(text) = row.remove(field) {
            row.insert(format!("{field}_{}", lang.code()), text);
        }
    }
}

fn store(world: &mut World, owner: u64, upload: Upload) -> Result<(String, Stored), Crash> {
    let hashkey = world.hashkey_of(owner)?;
    let (stem, extension) = split_extension(&upload.name);
    let path = world.free_media_name(
        &format!("videos/{hashkey}/{}{extension}", slugify(stem)),
        255,
    );
    let stored = Stored {
        sha256: upload.sha256.clone(),
        size: upload.size,
        readable: upload.readable(),
    };
    keep(world, upload, &path);
    Ok((path, stored))
}

/// Moves an upload to its place under the media folder.
pub(crate) fn keep(world: &World, upload: Upload, path: &str) {
    let place = world.media_root.join(path);
    let folder = place.parent().expect("a file in the media folder");
    std::fs::create_dir_all(folder).expect("a folder for media");
    upload.path.persist(place).expect("an upload in its place");
}
