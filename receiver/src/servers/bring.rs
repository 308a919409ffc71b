//! Bringing one recording in one format from its server into the spool.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use recording::durable::{UNFINISHED_PREFIX, rename};
use recording::package::{About, GatherError, PackageError, gather};
use recording::protocol::package_file_name;
use recording::{Package, PlaybackFormat, RecordId};
use reqwest::Url;

use super::{Listed, Playback};
use crate::html::escaped;
use crate::playback::{self, Address, Connection, Got, PlaybackError, Progress, Target};
use crate::upload::random_id;

const METADATA: &str = "metadata.xml";
/// What a page of BBB's `video` format plays, when the page does not say it.
const USUAL: [&str; 3] = ["video-0.m4v", "video-0.mp4", "video-0.webm"];
/// Endings of what is brought as it is.
const FILES: [&str; 9] = [
    "m4v", "mp4", "webm", "mkv", "ogg", "oga", "mp3", "m4a", "pdf",
];
/// Largest page looked at.
const LARGEST_PAGE: usize = 4 << 20;
/// How long a page may take.
const PAGE_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes written at a time.
const PIECE: usize = 256 * 1024;

/// Why a recording was not brought.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BringError {
    /// The server did not give it.
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    /// What the list says of it is of no use.
    #[error("{url}: {why}")]
    Listed {
        /// The address in the list.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The files cannot be packed.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The files changed meanwhile.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Reading or writing failed here.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BringError {
    /// Whether it was asked to stop.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(self, BringError::Playback(PlaybackError::Stopped))
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> BringError {
        let path = path.to_owned();
        move |source| BringError::Io { path, source }
    }
}

/// What was brought.
#[derive(Debug)]
pub(crate) struct Brought {
    /// Bytes of its package.
    pub(crate) bytes: u64,
    /// What the recording names and the server does not have.
    pub(crate) missing: Vec<String>,
}

/// What has to be known to bring a recording.
pub(crate) struct Errand<'a> {
    /// The way to the server.
    pub(crate) connection: &'a Connection,
    /// The server's name in the settings.
    pub(crate) server: &'a str,
    /// A folder for this recording in this format and nothing else; kept while it is unfinished.
    pub(crate) room: &'a Path,
    /// Where the package goes.
    pub(crate) spool: &'a Path,
}

/// Downloads a recording, or what is missing of it, and puts it into the spool.
///
/// # Errors
/// See [`BringError`]; the same call goes on where this one ended.
pub(crate) async fn bring(
    errand: &Errand<'_>,
    listed: &Listed,
    form: &Playback,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Brought, BringError> {
    let wrong = |why: String| BringError::Listed {
        url: form.url.clone(),
        why,
    };
    let id: RecordId = listed
        .record_id
        .parse()
        .map_err(|e| wrong(format!("{e}")))?;
    let format: PlaybackFormat = form.format.parse().map_err(|e| wrong(format!("{e}")))?;
    fs::create_dir_all(errand.room).map_err(BringError::io(errand.room))?;
    let missing = if format.is_presentation() {
        let address = Address::parse(&form.url)?;
        if *address.record_id() != id {
            return Err(wrong(format!("this is another recording than {id}")));
        }
        let fetched = playback::fetch(errand.connection, &address, errand.room, tell).await?;
        fetched.missing.into_iter().map(|(name, _)| name).collect()
    } else {
        let folder = errand.room.join(format.as_str()).join(id.as_str());
        files(errand, listed, form, &folder, tell).await?;
        Vec::new()
    };
    let about = About {
        record_id: id,
        format,
        node: errand.server.to_owned(),
        hook_version: env!("CARGO_PKG_VERSION").to_owned(),
        published_at: Timestamp::from_millisecond(listed.end)
            .ok()
            .filter(|_| listed.end > 0)
            .unwrap_or_else(Timestamp::now),
        events_xml: None,
    };
    let (room, spool) = (errand.room.to_owned(), errand.spool.to_owned());
    let packed = tokio::task::spawn_blocking(move || pack(&room, &spool, &about)).await;
    let bytes = packed.map_err(|died| BringError::Io {
        path: errand.room.to_owned(),
        source: io::Error::other(died),
    })??;
    Ok(Brought { bytes, missing })
}

/// The files of a format that is no presentation: what its page plays, or the one that the list
/// names, and the metadata.
async fn files(
    errand: &Errand<'_>,
    listed: &Listed,
    form: &Playback,
    folder: &Path,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<(), BringError> {
    let wrong = |why: &str| BringError::Listed {
        url: form.url.clone(),
        why: why.to_owned(),
    };
    let url = Url::parse(&form.url).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is no address of the web"));
    }
    let partial = errand.room.join("partial");
    for made in [folder, &partial] {
        fs::create_dir_all(made).map_err(BringError::io(made))?;
    }
    let get = |url: Url, path: PathBuf| {
        let partial = &partial;
        async move {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let target = Target {
                path: &path,
                partial,
            };
            let tell = |done, total| {
                tell(Progress {
                    file: &name,
                    done,
                    total,
                });
            };
            errand.connection.get(&url, &target, &tell).await
        }
    };
    let candidates = match file_name(&url) {
        Some(_) => vec![url.clone()],
        None => {
            let page = page(errand.connection, &url).await;
            played(&page.map_err(|why| wrong(&why))?, &url)
        }
    };
    let mut found = false;
    for candidate in candidates {
        let Some(path) = file_name(&candidate).map(|name| folder.join(name)) else {
            continue;
        };
        if let Got::File(_) = get(candidate, path).await? {
            found = true;
            break;
        }
    }
    if !found {
        return Err(wrong("its page names no file that the server has"));
    }
    let metadata = folder.join(METADATA);
    let beside = beside(&url, METADATA);
    let got = match beside {
        Some(url) => get(url, metadata.clone()).await,
        None => Ok(Got::Absent(String::new())),
    };
    // Servers that do not show it have told the same in the list.
    let is_metadata = matches!(got, Ok(Got::File(_)))
        && fs::read_to_string(&metadata).is_ok_and(|text| text.contains("<recording"));
    if !is_metadata {
        let xml = metadata_of(listed, form);
        recording::durable::write(&metadata, xml.as_bytes()).map_err(BringError::io(&metadata))?;
    }
    Ok(())
}

/// A page's text; of one that is too large nothing.
async fn page(connection: &Connection, url: &Url) -> Result<String, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let request = connection.client().get(url.clone()).timeout(PAGE_PATIENCE);
    let mut answer = request.send().await.map_err(told)?;
    let mut text = Vec::new();
    while let Some(bytes) = answer.chunk().await.map_err(told)? {
        text.extend_from_slice(&bytes);
        if text.len() > LARGEST_PAGE {
            return Ok(String::new());
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The files that a page plays, then those that such pages usually play; only of its own server.
fn played(page: &str, url: &Url) -> Vec<Url> {
    let mut base = url.clone();
    base.set_query(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let named = page.match_indices("src=").filter_map(|(at, found)| {
        let value = &page[at + found.len()..];
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        value[1..].split_once(quote).map(|(value, _)| value)
    });
    let mut found: Vec<Url> = Vec::new();
    for name in named.chain(USUAL) {
        if let Ok(file) = base.join(name)
            && file.origin() == url.origin()
            && file_name(&file).is_some()
            && !found.contains(&file)
        {
            found.push(file);
        }
    }
    found
}

/// The name of the file that an address ends with, when it is one of those that are brought.
fn file_name(url: &Url) -> Option<&str> {
    let name = url.path_segments()?.next_back()?;
    let (stem, ending) = name.rsplit_once('.')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !stem.is_empty() && !stem.starts_with('.') && name.len() < 200;
    (good && name.chars().all(plain) && FILES.contains(&ending.to_ascii_lowercase().as_str()))
        .then_some(name)
}

/// A file in the folder of another, or of a page.
fn beside(url: &Url, name: &str) -> Option<Url> {
    let mut folder = url.clone();
    folder.set_query(None);
    if file_name(url).is_none() && !folder.path().ends_with('/') {
        folder.set_path(&format!("{}/", folder.path()));
    }
    folder.join(name).ok()
}

/// `metadata.xml` from what the list tells.
fn metadata_of(listed: &Listed, form: &Playback) -> String {
    let is_name = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let mut meta = String::new();
    for (key, value) in listed.meta.iter().filter(|(key, _)| is_name(key)) {
        // Writing to a string cannot fail.
        let _ = write!(meta, "<{key}>{}</{key}>", escaped(value));
    }
    for (key, value) in [
        ("meetingId", &listed.meeting_id),
        ("meetingName", &listed.name),
    ] {
        if !listed.meta.contains_key(key) {
            let _ = write!(meta, "<{key}>{}</{key}>", escaped(value));
        }
    }
    format!(
        "<recording><id>{}</id><state>published</state><published>true</published>\
         <start_time>{}</start_time><end_time>{}</end_time><participants>{}</participants>\
         <meeting id=\"{0}\" externalId=\"{}\" name=\"{}\" breakout=\"false\"/><meta>{meta}</meta>\
         <playback><format>{}</format><link>{}</link><duration>{}</duration></playback></recording>\n",
        escaped(&listed.record_id),
        listed.start,
        listed.end,
        listed.participants,
        escaped(&listed.meeting_id),
        escaped(&listed.name),
        escaped(&form.format),
        escaped(&form.url),
        form.minutes * 60_000,
    )
}

/// Puts the files of a room into the spool as a package, and removes them.
fn pack(room: &Path, spool: &Path, about: &About) -> Result<u64, BringError> {
    let manifest = gather(room, about)?;
    // With an id of its own it is whole, and need not be watched until it grows no more.
    let name = package_file_name(&about.record_id, &about.format);
    let id = random_id().map_err(|error| BringError::Io {
        path: spool.to_owned(),
        source: error.into(),
    })?;
    let target = spool.join(format!("{}~{id}.tar", name.trim_end_matches(".tar")));
    let unfinished = spool.join(format!("{UNFINISHED_PREFIX}{}", manifest.digest));
    let package = Package::new(room, manifest)?;
    let mut file = File::create(&unfinished).map_err(BringError::io(&unfinished))?;
    let mut reader = package.reader(0);
    let mut buffer = vec![0; PIECE];
    loop {
        let n = reader.fill(&mut buffer)?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n])
            .map_err(BringError::io(&unfinished))?;
    }
    file.sync_all().map_err(BringError::io(&unfinished))?;
    rename(&unfinished, &target).map_err(BringError::io(&target))?;
    fs::remove_dir_all(room).map_err(BringError::io(room))?;
    Ok(package.length())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(page: &str) -> Vec<String> {
        let url = Url::parse("https://b.example/playback/video/a-1/?x=1").unwrap();
        played(page, &url).into_iter().map(String::from).collect()
    }

    #[test]
    fn pages_are_searched_for_what_they_play() {
        let page = r#"<video controls><source src="video-0.m4v" type="video/mp4">
            <source src='/playback/video/a-1/other.webm'><img src="logo.png">
            <source src="https://evil.example/x.mp4"><source src="../../../etc/x%2fy.mp4">
            <source src=bare.mp4></video>"#;
        let base = "https://b.example/playback/video/a-1";
        assert_eq!(
            urls(page),
            [
                format!("{base}/video-0.m4v"),
                format!("{base}/other.webm"),
                format!("{base}/video-0.mp4"),
                format!("{base}/video-0.webm"),
            ]
        );
        assert_eq!(
            urls("").len(),
            USUAL.len(),
            "what is usual is tried in any case"
        );
    }

    #[test]
    fn metadata_is_told_from_the_list() {
        let listed = Listed {
            record_id: "a-1600000000000".into(),
            meeting_id: "salle <1>".into(),
            name: "Été & co".into(),
            start: 1_600_000_000_000,
            end: 1_600_000_060_000,
            meta: [("bbb-origin", "Moodle"), ("x><y", "bad")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..Listed::default()
        };
        let form = Playback {
            format: "video".into(),
            url: "https://b.example/playback/video/a/".into(),
            minutes: 1,
            bytes: 0,
        };
        let metadata: recording::Metadata = metadata_of(&listed, &form).parse().unwrap();
        assert_eq!(metadata.title(), Some("Été & co"));
        assert_eq!(metadata.external_meeting_id.as_deref(), Some("salle <1>"));
        assert_eq!(metadata.meta("bbb-origin"), Some("Moodle"));
        assert_eq!(metadata.meta.len(), 3);
        assert_eq!(metadata.start.unwrap().as_millisecond(), 1_600_000_000_000);
        let video: PlaybackFormat = "video".parse().unwrap();
        assert_eq!(
            metadata.playback_of(&video).unwrap().duration_ms,
            Some(60_000)
        );
    }
}
