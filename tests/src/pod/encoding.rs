//! The encoding of videos as the API shows it: steps, results, the step at which an unreadable
//! file stays for ever.

use serde_json::{Value, json};

use super::settings::Encoder;
use super::world::{World, flag_of, id_of, object, text_of};

pub(crate) const STEPS: [&str; 3] = [
    "1: remove old data",
    "2: start standard encoding",
    "3: store encoding info",
];
const DONE: &str = "0: end of encoding";

/// Starts an encoding unless one runs. On an encoded video it wipes what was made and begins
/// again.
pub(crate) fn launch(world: &mut World, id: u64) {
    let Some(row) = world.row("videos", id) else {
        return;
    };
    if flag_of(row, "encoding_in_progress") {
        return;
    }
    wipe(world, id);
    let first = match world.settings.encoder {
        Encoder::Timed(_) => STEPS[0],
        Encoder::Manual => STEPS[1],
    };
    set(world, id, true, false, first);
    world.to_encode.push(id);
}

/// Moves one step on; false when there is nothing more to do.
pub(crate) fn advance(world: &mut World, id: u64) -> bool {
    let Some(row) = world.row("videos", id) else {
        return false;
    };
    if !flag_of(row, "encoding_in_progress") {
        return false;
    }
    let readable = world.stored.get(&id).is_none_or(|stored| stored.readable);
    match STEPS.iter().position(|step| *step == text_of(row, "step")) {
        Some(0) => set(world, id, true, false, STEPS[1]),
        Some(1) if readable => set(world, id, true, false, STEPS[2]),
        Some(2) => {
            finish(world, id);
            return false;
        }
        _ => return false,
    }
    true
}

pub(crate) fn set(world: &mut World, id: u64, in_progress: bool, encoded: bool, step: &str) {
    if let Some(row) = world.row_mut("videos", id) {
        row.insert("encoding_in_progress".into(), in_progress.into());
        row.insert("encoded".into(), encoded.into());
        row.insert("step".into(), step.into());
    }
}

fn wipe(world: &mut World, id: u64) {
    for table in ["encodings_video", "encodings_audio", "playlist_videos"] {
        let of_video = |world: &World| {
            world
                .rows(table)
                .find(|(_, row)| id_of(row, "video") == Some(id))
                .map(|(id, _)| id)
        };
        while let Some(made) = of_video(world) {
            world.remove(table, made);
        }
    }
    if let Some(row) = world.row_mut("videos", id) {
        let thumbnail = row.insert("thumbnail".into(), Value::Null);
        if let Some(image) = thumbnail.and_then(|image| image.as_u64()) {
            world.remove("images", image);
        }
    }
}

/// Ends an encoding well: files, playlists, duration, thumbnail in the video's own folder, a mail
/// to the owner in production.
pub(crate) fn finish(world: &mut World, id: u64) {
    let Some(row) = world.row("videos", id) else {
        return;
    };
    let (slug, owner) = (
        text_of(row, "slug").to_owned(),
        id_of(row, "owner").unwrap_or(1),
    );
    let folder = text_of(row, "video")
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_owned();
    let file = |name: &str| format!("{folder}/{id:04}/{name}");
    if world.row("renditions", 1).is_none() {
        world.insert("renditions", object(json!({"resolution": "640x360"})));
    }
    for (format, name) in [("video/mp4", "360p.mp4"), ("video/mp2t", "360p.ts")] {
        world.insert(
            "encodings_video",
            object(json!({"name": "360p", "video": id, "rendition": 1, "encoding_format": format, "source_file": file(name)})),
        );
    }
    world.insert(
        "encodings_audio",
        object(json!({"name": "audio", "video": id, "encoding_format": "audio/mp3", "source_file": file("audio_192k.mp3")})),
    );
    for (name, playlist) in [("360p", "360p.m3u8"), ("playlist", "livestream.m3u8")] {
        world.insert(
            "playlist_videos",
            object(json!({"name": name, "video": id, "encoding_format": "application/x-mpegURL", "source_file": file(playlist)})),
        );
    }
    let image = thumbnail(world, &slug, owner);
    let seconds = world.settings.media_seconds;
    if let Some(row) = world.row_mut("videos", id) {
        row.insert("duration".into(), seconds.into());
        row.insert("thumbnail".into(), image.into());
    }
    set(world, id, false, true, DONE);
    if !world.settings.debug {
        world.mails.push(format!("encoding of {id} done"));
    }
}

fn thumbnail(world: &mut World, slug: &str, owner: u64) -> u64 {
    let known = world
        .rows("folders")
        .find(|(_, row)| text_of(row, "name") == slug && id_of(row, "owner") == Some(owner))
        .map(|(id, _)| id);
    let folder = known
        .unwrap_or_else(|| world.insert("folders", object(json!({"name": slug, "owner": owner}))));
    let hashkey = world.hashkey_of(owner).unwrap_or_default();
    let name = format!("{slug}_3");
    let path = world.free_media_name(&format!("files/{hashkey}/{name}.png"), 255);
    world.insert(
        "images",
        object(json!({"folder": folder, "name": name, "file": path, "created_by": owner})),
    )
}
