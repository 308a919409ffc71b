//! The BBB node as it lies on the disk: where it publishes and where it keeps raw recordings.

mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use recording::settings::SettingsError;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::settings::{BigbluebuttonYml, Settings};

/// Where every generation since 0.9 installs the recording scripts' settings.
const SCRIPTS_YML: &str = "/usr/local/bigbluebutton/core/scripts/bigbluebutton.yml";
/// Laid over the former, key by key, from 2.3 on; administrators write here.
const OVERRIDE_YML: &str = "/etc/bigbluebutton/recording/recording.yml";

/// The directories of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// `<published_dir>/<format>/<record id>/`.
    pub(crate) published_dir: PathBuf,
    /// Holds `raw/<record id>/events.xml` and `status/`.
    pub(crate) recording_dir: PathBuf,
    /// Where BBB's scripts are, `publish/` and `post_publish/` among them.
    pub(crate) scripts_dir: PathBuf,
    /// The version that BBB's settings tell; old ones tell none.
    pub(crate) version: Option<String>,
    /// Formats that BBB publishes of every recording, as far as its settings tell.
    pub(crate) formats: BTreeSet<PlaybackFormat>,
}

/// Where bbb-web keeps a published folder; it moves folders between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Published,
    Unpublished,
    Deleted,
}

impl Place {
    /// All places.
    pub(crate) const ALL: [Place; 3] = [Place::Published, Place::Unpublished, Place::Deleted];

    /// The folder's name beside `published`, which is also the word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Published => "published",
            Place::Unpublished => "unpublished",
            Place::Deleted => "deleted",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    published_dir: Option<PathBuf>,
    recording_dir: Option<PathBuf>,
    bbb_version: Option<Value>,
    /// As it stands there: nonsense in it must not keep `publish` from its work.
    steps: Option<Value>,
}

impl Node {
    /// Learns the directories from BBB's own settings.
    ///
    /// # Errors
    /// The file named in the settings is missing, or a file is not what BBB writes.
    pub(crate) fn of(settings: &Settings) -> Result<Node, SettingsError> {
        let section = &settings.bbb;
        let (scripts, over) = match (&section.bigbluebutton_yml, &section.recording_yml) {
            (BigbluebuttonYml::At(path), _) if !path.is_file() => {
                return Err(SettingsError::key(
                    &settings.path,
                    "bbb.bigbluebutton_yml",
                    format!("{} is not a file", path.display()),
                ));
            }
            (BigbluebuttonYml::At(path), over) => (path.as_path(), over.as_deref()),
            (BigbluebuttonYml::Auto, over) => (
                Path::new(SCRIPTS_YML),
                Some(over.as_deref().unwrap_or(Path::new(OVERRIDE_YML))),
            ),
        };
        let keys = Keys::of(scripts, over)?;
        let scripts_dir = scripts.parent().unwrap_or(scripts).to_owned();
        let or = |path: Option<PathBuf>, default: &str| path.unwrap_or_else(|| default.into());
        Ok(Node {
            published_dir: or(keys.published_dir, "/var/bigbluebutton/published"),
            recording_dir: or(keys.recording_dir, "/var/bigbluebutton/recording"),
            version: keys.bbb_version.as_ref().map(text),
            formats: match &keys.steps {
                Some(steps) => steps::published(steps),
                None => steps::of_scripts(&scripts_dir),
            },
            scripts_dir,
        })
    }

    /// As [`Node::of`], for what makes no sense where there is no BBB.
    ///
    /// # Errors
    /// As there, or this is no BBB node.
    pub(crate) fn here(settings: &Settings) -> Result<Node, Error> {
        let node = Node::of(settings)?;
        let is_auto = matches!(settings.bbb.bigbluebutton_yml, BigbluebuttonYml::Auto);
        if is_auto && !Path::new(SCRIPTS_YML).exists() && !node.published_dir.exists() {
            return Err(Error::input(format!(
                "there is no BigBlueButton on this machine: neither {SCRIPTS_YML} nor {}; run this on \
                 a BigBlueButton node, or set bbb.bigbluebutton_yml in {}",
                node.published_dir.display(),
                settings.path.display()
            )));
        }
        Ok(node)
    }

    /// The outbox: as set, else beside the recording directory, where hard links work.
    pub(crate) fn outbox_dir(&self, settings: &Settings) -> PathBuf {
        settings.outbox_dir.clone().unwrap_or_else(|| {
            let beside = self.recording_dir.parent().unwrap_or(&self.recording_dir);
            beside.join("bbb2pod/outbox")
        })
    }

    /// `published`, `unpublished` or `deleted`.
    pub(crate) fn root(&self, place: Place) -> PathBuf {
        match place {
            Place::Published => self.published_dir.clone(),
            other => self.published_dir.with_file_name(other.word()),
        }
    }

    /// Where a folder lies now; empty ones, as old versions of BBB leave them, do not count.
    pub(crate) fn place_of(&self, format: &PlaybackFormat, record_id: &RecordId) -> Option<Place> {
        let below = Path::new(format.as_str()).join(record_id.as_str());
        Place::ALL.into_iter().find(|place| {
            let folder = self.root(*place).join(&below);
            is_folder(&folder)
                && fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some())
        })
    }

    /// Whether the raw recording is there, from which BBB can make its formats anew.
    pub(crate) fn has_raw(&self, record_id: &RecordId) -> bool {
        is_folder(&self.recording_dir.join("raw").join(record_id.as_str()))
    }

    /// A format that BBB is processing or publishing at this moment, such as in a rebuild.
    pub(crate) fn under_way(&self, record_id: &RecordId) -> Option<String> {
        ["process", "publish"].into_iter().find_map(|step| {
            let formats = fs::read_dir(self.recording_dir.join(step)).ok()?;
            formats.flatten().find_map(|format| {
                let name = format.file_name().into_string().ok()?;
                format
                    .path()
                    .join(record_id.as_str())
                    .is_dir()
                    .then_some(name)
            })
        })
    }

    /// The folder of a published recording.
    pub(crate) fn published(&self, format: &PlaybackFormat, record_id: &RecordId) -> PathBuf {
        self.published_dir
            .join(format.as_str())
            .join(record_id.as_str())
    }

    /// Everything that is published below a root (`published`, `unpublished`), sorted.
    ///
    /// # Errors
    /// The root cannot be read.
    pub(crate) fn all_below(root: &Path) -> io::Result<Vec<(RecordId, PlaybackFormat)>> {
        let mut all = Vec::new();
        for format in fs::read_dir(root)? {
            let format = format?;
            let name = format.file_name();
            let Some(Ok(name)) = name.to_str().map(str::parse::<PlaybackFormat>) else {
                continue;
            };
            if !format.file_type()?.is_dir() {
                continue;
            }
            for recording in fs::read_dir(format.path())? {
                let recording = recording?;
                let id = recording.file_name();
                if let Some(Ok(id)) = id.to_str().map(str::parse::<RecordId>)
                    && recording.file_type()?.is_dir()
                {
                    all.push((id, name.clone()));
                }
            }
        }
        all.sort();
        Ok(all)
    }

    /// When BBB ended publishing, in seconds since 1970, as its status files tell; they may be gone.
    pub(crate) fn published_since(
        &self,
        format: &PlaybackFormat,
        record_id: &RecordId,
    ) -> Option<i64> {
        let done = format!("status/published/{record_id}-{format}.done");
        fs::metadata(self.recording_dir.join(done))
            .ok()
            .map(|m| m.mtime())
    }

    /// Every format in which a recording is published, sorted by name.
    pub(crate) fn formats_of(&self, record_id: &RecordId) -> Vec<PlaybackFormat> {
        let Ok(entries) = fs::read_dir(&self.published_dir) else {
            return Vec::new();
        };
        let mut formats: Vec<PlaybackFormat> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|format| is_folder(&self.published(format, record_id)))
            .collect();
        formats.sort();
        formats
    }

    /// The raw events of a meeting, when BBB has not removed them yet.
    ///
    /// A segment's events lie under the id of the whole meeting.
    pub(crate) fn events_xml(&self, record_id: &RecordId) -> Option<PathBuf> {
        let raw = self.recording_dir.join("raw");
        let at = |id: &RecordId| raw.join(id.as_str()).join("events.xml");
        std::iter::once(at(record_id))
            .chain(record_id.whole_meeting().as_ref().map(at))
            .find(|path| fs::symlink_metadata(path).is_ok_and(|m| m.is_file()))
    }
}

impl Keys {
    fn of(scripts: &Path, over: Option<&Path>) -> Result<Keys, SettingsError> {
        let read = |path: &Path| -> Result<Keys, SettingsError> {
            if path.is_file() {
                recording::settings::read(path)
            } else {
                Ok(Keys::default())
            }
        };
        let base = read(scripts)?;
        let over = over.map(read).transpose()?.unwrap_or_default();
        Ok(Keys {
            published_dir: over.published_dir.or(base.published_dir),
            recording_dir: over.recording_dir.or(base.recording_dir),
            bbb_version: over.bbb_version.or(base.bbb_version),
            // BBB lays one file over the other key by key, so these replace each other whole.
            steps: over.steps.or(base.steps),
        })
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a path is a folder itself; a link to one is not followed.
pub(crate) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_override_wins_key_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let (scripts, over) = (dir.path().join("a.yml"), dir.path().join("b.yml"));
        fs::write(
            &scripts,
            "published_dir: /p\nrecording_dir: /r\nplayback_host: 1.2.3.4\n",
        )
        .unwrap();
        let keys = Keys::of(&scripts, Some(&over)).unwrap();
        assert_eq!(keys.published_dir, Some("/p".into()));
        fs::write(
            &over,
            "published_dir: /q\nsteps:\n  captions: 'process:presentation'\n",
        )
        .unwrap();
        let keys = Keys::of(&scripts, Some(&over)).unwrap();
        assert_eq!(keys.published_dir, Some("/q".into()));
        assert_eq!(keys.recording_dir, Some("/r".into()));
        assert!(keys.steps.is_some());
    }

    #[test]
    fn a_segment_finds_the_events_of_its_meeting_and_links_are_not_formats() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node {
            published_dir: dir.path().join("published"),
            recording_dir: dir.path().join("recording"),
            scripts_dir: dir.path().into(),
            version: None,
            formats: BTreeSet::new(),
        };
        let meeting = "a-1640700000000";
        let segment: RecordId = format!("{meeting}-1640700005000").parse().unwrap();
        let raw = dir.path().join("recording/raw").join(meeting);
        fs::create_dir_all(&raw).unwrap();
        assert_eq!(node.events_xml(&segment), None);
        fs::write(raw.join("events.xml"), "x").unwrap();
        assert_eq!(node.events_xml(&segment), Some(raw.join("events.xml")));
        for format in ["video", "presentation", "notes"] {
            fs::create_dir_all(dir.path().join("published").join(format)).unwrap();
        }
        let id: RecordId = meeting.parse().unwrap();
        for format in ["video", "presentation"] {
            fs::create_dir(node.published(&format.parse().unwrap(), &id)).unwrap();
        }
        let link = node.published(&"notes".parse().unwrap(), &id);
        std::os::unix::fs::symlink("/", link).unwrap();
        let found: Vec<_> = node.formats_of(&id).iter().map(|f| f.to_string()).collect();
        assert_eq!(found, ["presentation", "video"]);
    }
}
