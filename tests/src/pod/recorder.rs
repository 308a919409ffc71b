//! Recorders: which files on the shared disk may be named, the recordings made from them, the
//! cron that finds them, the notification and the claim.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::answer::Answer;
use super::ask::Ask;
use super::encoding;
use super::input::readable;
use super::messages::Lang;
use super::render::named;
use super::text::{local_format, slugify, split_extension};
use super::videos;
use super::world::{Crash, Row, Stored, World, flag_of, hex, id_of, object, text_of};

/// Extensions that the cron takes, lower case only.
const ALLOWED: &[&str] = &[
    "3gp", "avi", "divx", "flv", "m2p", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "wmv",
    "mp3", "ogg", "wav", "wma", "webm", "ts",
];

/// The folder of the recorders, as Pod names it, with a slash at its end.
fn shown_root(world: &World) -> String {
    let root = world.settings.recorder_path.clone();
    let root = root.unwrap_or_else(|| world.recorder_root.to_string_lossy().into_owned());
    format!("{}/", root.trim_end_matches('/'))
}

/// Every file under the recorders' folder, by the path that Pod names it by.
pub(crate) fn choices(world: &World) -> Vec<String> {
    let shown = shown_root(world);
    let mut paths: Vec<String> = WalkDir::new(&world.recorder_root)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let inside = entry.path().strip_prefix(&world.recorder_root).ok()?;
            Some(format!("{shown}{}", inside.to_string_lossy()))
        })
        .collect();
    paths.sort();
    paths
}

pub(crate) fn named_choices(world: &World) -> Vec<Value> {
    let shown = shown_root(world);
    let mut all = vec![named("", "---------")];
    all.extend(
        choices(world)
            .iter()
            .map(|path| named(path, path.strip_prefix(&shown).unwrap_or(path))),
    );
    all
}

fn on_disk(world: &World, shown: &str) -> PathBuf {
    let root = shown_root(world);
    world
        .recorder_root
        .join(shown.strip_prefix(&root).unwrap_or(shown))
}

/// What a new row of recordings sets off at once: the file moves into the media, a draft video is
/// made for the user, its encoding starts.
pub(crate) fn process(world: &mut World, recording: u64) -> Result<u64, Crash> {
    let row = world
        .row("recording", recording)
        .cloned()
        .ok_or(Crash("DoesNotExist"))?;
    let user = id_of(&row, "user").ok_or(Crash("IntegrityError"))?;
    let from = on_disk(world, text_of(&row, "source_file"));
    video_of_file(
        world,
        user,
        id_of(&row, "recorder"),
        text_of(&row, "title"),
        &from,
    )
}

fn video_of_file(
    world: &mut World,
    user: u64,
    recorder: Option<u64>,
    title: &str,
    from: &Path,
) -> Result<u64, Crash> {
    let now = world.now();
    let name = from
        .file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let (stem, extension) = split_extension(&name);
    let stamp = local_format(now, "%Y-%m-%d_%H-%M-%S");
    let hashkey = world.hashkey_of(user)?;
    let path = format!(
        "videos/{hashkey}/{}_{stamp}.{:06}{extension}",
        slugify(stem),
        now.rem_euclid(1_000_000)
    );
    let path = world.free_media_name(&path, 255);
    let bytes = std::fs::read(from).map_err(|_| Crash("FileNotFoundError"))?;
    let place = world.media_root.join(&path);
    let folder = place.parent().ok_or(Crash("FileNotFoundError"))?;
    std::fs::create_dir_all(folder).map_err(|_| Crash("OSError"))?;
    std::fs::write(&place, &bytes).map_err(|_| Crash("OSError"))?;
    std::fs::remove_file(from).map_err(|_| Crash("OSError"))?;
    let type_id = recorder
        .and_then(|id| id_of(world.row("recorder", id)?, "type"))
        .unwrap_or(1);
    let draft = recorder
        .and_then(|id| world.row("recorder", id)?.get("is_draft")?.as_bool())
        .unwrap_or(true);
    let row = object(json!({
        "video": path, "title": title, "description": "", "allow_downloading": false, "is_360": false,
        "owner": user, "additional_owners": [], "date_added": now, "date_evt": local_format(now, "%Y-%m-%d"),
        "cursus": "0", "main_lang": "fr", "is_draft": draft, "is_restricted": false,
        "restrict_access_to_groups": [], "password": null, "tags": [], "thumbnail": null, "type": type_id,
        "discipline": [], "channel": [], "theme": [], "licence": null, "sites": [1], "disable_comment": false,
    }));
    let lang = Lang::negotiate(None, &world.settings.language);
    let pending = videos::prepare(world, lang, row, None)?;
    let id = videos::insert(world, pending)?;
    let stored = Stored {
        sha256: hex(&sha2::Sha256::digest(&bytes)),
        size: bytes.len() as u64,
        readable: readable(&bytes[..bytes.len().min(64)]),
    };
    world.stored.insert(id, stored);
    encoding::launch(world, id);
    Ok(id)
}

/// One pass of `manage.py recorder checkDirectory`: the first sight of a file makes its row, the
/// second sight at the same size lets it be claimed.
pub(crate) fn check_directories(world: &mut World) {
    let recorders: Vec<(u64, Row)> = world
        .rows("recorder")
        .map(|(id, row)| (id, row.clone()))
        .collect();
    for (recorder, row) in recorders {
        let folder = format!("{}{}/", shown_root(world), text_of(&row, "directory"));
        for path in choices(world) {
            let Some(name) = path.strip_prefix(&folder) else {
                continue;
            };
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
            if name.contains('/') || !ALLOWED.contains(&extension) {
                continue;
            }
            let size = std::fs::metadata(on_disk(world, &path)).map_or(0, |file| file.len());
            let known = world
                .rows("recordingfiletreatment")
                .find(|(_, row)| text_of(row, "file") == path)
                .map(|(id, _)| id);
            match known.and_then(|id| world.row_mut("recordingfiletreatment", id)) {
                None => {
                    let now = world.now();
                    world.insert(
                        "recordingfiletreatment",
                        object(json!({
                            "file": path, "file_size": size, "recorder": recorder,
                            "type": row["recording_type"], "date_added": now,
                        })),
                    );
                }
                Some(row) if row["file_size"].as_u64() == Some(size) => {
                    row.insert("require_manual_claim".into(), true.into());
                }
                Some(row) => {
                    row.insert("file_size".into(), size.into());
                }
            }
        }
    }
}

/// Claiming a listed file by its web form: a recording for the user, the listed row goes.
pub(crate) fn claim(world: &mut World, file: &str, user: u64, title: &str) -> Result<u64, Crash> {
    let (id, row) = world
        .rows("recordingfiletreatment")
        .find(|(_, row)| text_of(row, "file") == file)
        .map(|(id, row)| (id, row.clone()))
        .ok_or(Crash("DoesNotExist"))?;
    let now = world.now();
    let recording = world.insert(
        "recording",
        object(json!({
            "user": user, "title": title, "source_file": file, "type": row["type"],
            "date_added": now, "recorder": row["recorder"],
        })),
    );
    let video = process(world, recording)?;
    world.remove("recordingfiletreatment", id);
    Ok(video)
}

/// `/record/recorder_notify/`: always 200, the answer is in the text.
pub(crate) fn notify(world: &mut World, ask: &Ask) -> Result<Answer, Crash> {
    let text = |text: &str| {
        Ok(Answer::new(200, "text/html; charset=utf-8", text).with("Vary", "Accept-Language"))
    };
    let (Some(place), Some(path), Some(key)) = (
        ask.param("recordingPlace"),
        ask.param("mediapath"),
        ask.param("key"),
    ) else {
        return text("nok: recordingPlace or mediapath or key are missing");
    };
    let address = place.replace('_', ".");
    let Some((recorder, row)) = world
        .rows("recorder")
        .find(|(_, row)| text_of(row, "address_ip") == address)
    else {
        return text("nok: address_ip not valid or recorder not found in this site");
    };
    if key != hex(&Md5::digest(format!("{place}{}", text_of(row, "salt")))) {
        return text("nok: key is not valid");
    }
    if !flag_of(row, "publication_auto") {
        world.mails.push(format!("recorder {recorder} has {path}"));
        return text("ok");
    }
    let user = id_of(row, "user").ok_or(Crash("AttributeError"))?;
    let name = path.rsplit('/').next().unwrap_or("").to_owned();
    claim(world, path, user, &name)?;
    text("auto")
}
