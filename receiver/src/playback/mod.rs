//! Recordings as their players get them: over HTTP, file by file, from a BBB or Scalelite server
//! on which nothing can be installed.
//!
//! Nothing lists the files of a published recording; a player knows the names of most, and finds
//! the rest in them. [`Address`] tells where they are, a [`Connection`] brings one file, [`fetch`]
//! brings all of one recording. What has been brought stays until the recording changes on the
//! server, so that fetching again goes on where it was.

mod address;
mod connection;
mod error;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use recording::manifest::is_plain_relative;
use render::timeline::{References, references};
use serde::Deserialize;

pub(crate) use address::Address;
pub(crate) use connection::{Connection, Got, Limits, Target};
pub(crate) use error::PlaybackError;

const METADATA: &str = "metadata.xml";
const SHAPES: &str = "shapes.svg";
const CAPTIONS: &str = "captions.json";
/// What else a player asks for by name; most recordings have only some of it.
const MORE: [&str; 10] = [
    CAPTIONS,
    "panzooms.xml",
    "cursor.xml",
    "deskshare.xml",
    "slides_new.xml",
    "tldraw.json",
    "presentation_text.json",
    "notes.html",
    "polls.json",
    "external_videos.json",
];
/// Of each line, what the player would take: the first that is there.
const MEDIA: [&[&str]; 3] = [
    &["video/webcams.webm", "video/webcams.mp4"],
    &["deskshare/deskshare.webm", "deskshare/deskshare.mp4"],
    &["audio/audio.webm", "audio/audio.ogg", "audio/audio.mp3"],
];
/// Small files asked for at once.
const AT_ONCE: usize = 4;
const MOST_LANGUAGES: usize = 50;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// The file, as the recording has it.
    pub(crate) file: &'a str,
    /// Bytes of it so far.
    pub(crate) done: u64,
    /// All of them, when the server says so.
    pub(crate) total: Option<u64>,
}

/// What was brought.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The recording's folder, as a node publishes it.
    pub(crate) folder: PathBuf,
    /// Files that the recording names and the server does not have, with the reason.
    pub(crate) missing: Vec<(String, String)>,
}

/// Brings a recording into `room`, a folder for nothing else.
///
/// # Errors
/// [`PlaybackError::is_transient`] tells whether the same call may succeed later; it then goes on
/// where this one ended.
pub(crate) async fn fetch(
    connection: &Connection,
    address: &Address,
    room: &Path,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Fetched, PlaybackError> {
    let fetching = Fetching {
        connection,
        address,
        folder: room.join("presentation").join(address.record_id().as_str()),
        partial: room.join("partial"),
        tell,
    };
    fetching.begin(room).await?;
    let mut missing = Vec::new();
    if let Got::Absent(why) = fetching.get(SHAPES).await? {
        missing.push((SHAPES.to_owned(), why));
    }
    fetching.get_all(MORE.map(str::to_owned).to_vec()).await?;
    let References { pictures, texts } = fetching.references();
    let named = pictures.into_iter().chain(fetching.captions()).collect();
    missing.extend(fetching.get_all(named).await?);
    fetching.get_all(texts.into_iter().collect()).await?;
    for choices in MEDIA {
        for name in choices {
            if matches!(fetching.get(name).await?, Got::File(_)) {
                break;
            }
        }
    }
    Ok(Fetched {
        folder: fetching.folder,
        missing,
    })
}

struct Fetching<'a> {
    connection: &'a Connection,
    address: &'a Address,
    folder: PathBuf,
    partial: PathBuf,
    tell: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl Fetching<'_> {
    /// Reads `metadata.xml`, which tells whether there is such a recording, and whether what an
    /// earlier call brought is of the same version.
    async fn begin(&self, room: &Path) -> Result<(), PlaybackError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| PlaybackError::Io {
                doing,
                path,
                source,
            }
        };
        let now = room.join(METADATA);
        for folder in [&self.folder, &self.partial] {
            fs::create_dir_all(folder).map_err(io("making", folder))?;
        }
        fs::remove_file(&now).ok();
        let url = self.address.file(METADATA);
        let target = Target {
            path: &now,
            partial: &self.partial,
        };
        let not_there = |why: String| PlaybackError::NotThere {
            url: url.to_string(),
            why,
        };
        if let Got::Absent(why) = self.connection.get(&url, &target, &|_, _| {}).await? {
            return Err(not_there(format!(
                "{why}; there is no such recording, or it is not published"
            )));
        }
        let metadata = fs::read(&now).map_err(io("reading", &now))?;
        if !metadata.windows(10).any(|window| window == b"<recording") {
            fs::remove_file(&now).ok();
            return Err(not_there(
                "this is not the metadata of a recording".to_owned(),
            ));
        }
        let kept = self.folder.join(METADATA);
        if fs::read(&kept).ok().as_ref() != Some(&metadata) {
            for folder in [&self.folder, &self.partial] {
                fs::remove_dir_all(folder).map_err(io("clearing", folder))?;
                fs::create_dir_all(folder).map_err(io("making", folder))?;
            }
        }
        fs::rename(&now, &kept).map_err(io("writing", &kept))
    }

    async fn get(&self, name: &str) -> Result<Got, PlaybackError> {
        let path = self.folder.join(name);
        // A hostile recording may name a file and something below it.
        let clashes = path
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != self.folder)
            .any(Path::is_file);
        if !is_plain_relative(name) || clashes || path.is_dir() {
            return Ok(Got::Absent("no file can have this name".to_owned()));
        }
        let target = Target {
            path: &path,
            partial: &self.partial,
        };
        let tell = |done, total| {
            (self.tell)(Progress {
                file: name,
                done,
                total,
            });
        };
        self.connection
            .get(&self.address.file(name), &target, &tell)
            .await
    }

    /// Brings many small files; gives those that are not there.
    async fn get_all(&self, names: Vec<String>) -> Result<Vec<(String, String)>, PlaybackError> {
        let mut answers = futures::stream::iter(names)
            .map(|name| async move {
                let got = match self.get(&name).await {
                    // What some servers say of files that are not there.
                    Err(PlaybackError::Refused { status, .. }) => {
                        Ok(Got::Absent(format!("the server answers {status}")))
                    }
                    other => other,
                };
                (name, got)
            })
            .buffer_unordered(AT_ONCE);
        let mut missing = Vec::new();
        while let Some((name, got)) = answers.next().await {
            if let Got::Absent(why) = got? {
                missing.push((name, why));
            }
        }
        missing.sort();
        Ok(missing)
    }

    fn references(&self) -> References {
        match File::open(self.folder.join(SHAPES)) {
            Ok(file) => references(BufReader::new(file)),
            Err(_) => References::default(),
        }
    }

    fn captions(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Language {
            locale: String,
        }
        let mut json = Vec::new();
        // A missing or damaged list is one without languages, for the player too.
        let read = File::open(self.folder.join(CAPTIONS))
            .and_then(|file| file.take(1 << 20).read_to_end(&mut json));
        let languages: Vec<Language> = match read {
            Ok(_) => serde_json::from_slice(&json).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        languages
            .into_iter()
            .filter(|language| !language.locale.contains('/'))
            .take(MOST_LANGUAGES)
            .map(|language| format!("caption_{}.vtt", language.locale))
            .collect()
    }
}
