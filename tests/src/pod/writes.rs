//! Creating, changing and deleting objects, with what each kind of object sets off.

use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::input::Data;
use super::recorder;
use super::render::render;
use super::schema::Resource;
use super::settings::{Database, Version};
use super::text::{slugify, split_extension, valid_filename};
use super::validate::{Write, validate};
use super::videos::{self, Pending};
use super::world::{Crash, World, id_of, object, text_of};

/// Either an answer, or a video that waits for its insert.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Answer),
    Insert(Pending),
}

pub(crate) fn create(
    world: &mut World,
    ask: &Ask,
    resource: &Resource,
    mut data: Data,
) -> Result<Outcome, Crash> {
    let mut row = match validate(world, resource, &data, Write::Create, ask.lang) {
        Ok(row) => row,
        Err(errors) => return Ok(Outcome::Done(Answer::json(400, &Value::Object(errors)))),
    };
    if matches!(resource.route, "recorder" | "meeting_session") {
        return Err(Crash("IntegrityError"));
    }
    if resource.route == "videos" {
        let upload = data.take_file("video");
        return videos::prepare(world, ask.lang, row, upload).map(Outcome::Insert);
    }
    let id = match resource.route {
        "recording" => {
            row.entry("user").or_insert(Value::Null);
            if row["user"].is_null() {
                row.insert("user".into(), 1.into());
            }
            overlong(world, text_of(&row, "source_file"))?;
            let id = insert(world, resource, row)?;
            recorder::process(world, id)?;
            id
        }
        "recordingfiletreatment" => {
            overlong(world, text_of(&row, "file"))?;
            insert(world, resource, row)?
        }
        "recordingfile" => {
            let upload = data.take_file("file").ok_or(Crash("KeyError"))?;
            let path =
                world.free_media_name(&format!("uploads/{}", valid_filename(&upload.name)), 100);
            row.insert("file".into(), path.clone().into());
            videos::keep(world, upload, &path);
            let id = insert(world, resource, row.clone())?;
            let copy = world
                .recorder_root
                .join(path.rsplit('/').next().unwrap_or(""));
            std::fs::copy(world.media_root.join(&path), &copy).map_err(|_| Crash("OSError"))?;
            let shown = recorder::choices(world)
                .into_iter()
                .find(|choice| path.ends_with(choice.rsplit('/').next().unwrap_or("")));
            let title = split_extension(path.rsplit('/').next().unwrap_or(""))
                .0
                .to_owned();
            let now = world.now();
            let recording = world.insert(
                "recording",
                object(json!({
                    "user": 1, "title": title, "source_file": shown, "type": "video",
                    "date_added": now, "recorder": row["recorder"],
                })),
            );
            recorder::process(world, recording)?;
            id
        }
        "files" | "images" => {
            let upload = data.take_file("file").ok_or(Crash("KeyError"))?;
            let hashkey = world.hashkey_of(id_of(&row, "created_by").unwrap_or(0))?;
            let (stem, extension) = split_extension(&upload.name);
            let path = world.free_media_name(
                &format!("files/{hashkey}/{}{extension}", slugify(stem)),
                255,
            );
            row.insert("name".into(), stem.into());
            row.insert("file".into(), path.clone().into());
            videos::keep(world, upload, &path);
            insert(world, resource, row)?
        }
        "chapters" | "overlays" => {
            let slug = format!(
                "{}-{}",
                world.next_slug_number(resource.route),
                slugify(text_of(&row, "title"))
            );
            row.insert("slug".into(), slug.into());
            insert(world, resource, row)?
        }
        "meeting_internal_recording" => {
            row.insert("start_at".into(), world.now().into());
            insert(world, resource, row)?
        }
        "users" => {
            let id = insert(world, resource, row)?;
            world.user_signals(id);
            id
        }
        _ => insert(world, resource, row)?,
    };
    created(world, ask, resource, id).map(Outcome::Done)
}

fn insert(world: &mut World, resource: &Resource, row: super::world::Row) -> Result<u64, Crash> {
    world.fits(&row)?;
    Ok(world.insert(resource.route, row))
}

/// The column of a path had 100 characters before 4.0.1.
fn overlong(world: &World, path: &str) -> Result<(), Crash> {
    let limit = if world.settings.version < Version::V4_1_0 {
        100
    } else {
        200
    };
    if world.settings.database != Database::Sqlite && path.chars().count() > limit {
        return Err(Crash("DataError"));
    }
    Ok(())
}

pub(crate) fn created(
    world: &World,
    ask: &Ask,
    resource: &Resource,
    id: u64,
) -> Result<Answer, Crash> {
    let answer = Answer::json(201, &render(world, ask, resource, id)?);
    Ok(if resource.has_url() {
        answer.with("Location", ask.object_url(resource.route, id))
    } else {
        answer
    })
}

pub(crate) fn change(
    world: &mut World,
    ask: &Ask,
    resource: &Resource,
    write: Write,
    mut data: Data,
) -> Result<Answer, Crash> {
    let (Write::Replace(id) | Write::Change(id)) = write else {
        return Err(Crash("AssertionError"));
    };
    let row = match validate(world, resource, &data, write, ask.lang) {
        Ok(row) => row,
        Err(errors) => return Ok(Answer::json(400, &Value::Object(errors))),
    };
    if resource.route == "videos" {
        videos::change(world, ask, id, row, &mut data)?;
    } else {
        world.fits(&row)?;
        if let Some(stored) = world.row_mut(resource.route, id) {
            stored.extend(row);
        }
    }
    Ok(Answer::json(200, &render(world, ask, resource, id)?))
}

pub(crate) fn delete(world: &mut World, resource: &Resource, id: u64) -> Answer {
    match resource.route {
        "videos" => {
            if let Some(path) = world
                .row("videos", id)
                .map(|row| text_of(row, "video").to_owned())
            {
                world.media.remove(&path);
                // A video made by hand may have no file.
                let _ = std::fs::remove_file(world.media_root.join(path));
            }
            videos::delete_related(world, id);
            world.stored.remove(&id);
        }
        "users" => {
            for (table, column) in [
                ("owners", "user"),
                ("folders", "owner"),
                ("videos", "owner"),
            ] {
                let owned: Vec<u64> = world
                    .rows(table)
                    .filter(|(_, row)| id_of(row, column) == Some(id))
                    .map(|(id, _)| id)
                    .collect();
                for owned in owned {
                    world.remove(table, owned);
                }
            }
        }
        _ => {}
    }
    world.remove(resource.route, id);
    Answer::empty(204)
}
