//! The BBB node as it lies on the disk: where it publishes and where it keeps raw recordings.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use recording::settings::SettingsError;
use recording::{PlaybackFormat, RecordId};
use serde::Deserialize;

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
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    published_dir: Option<PathBuf>,
    recording_dir: Option<PathBuf>,
}

impl Node {
    /// Learns the directories from BBB's own settings.
    ///
    /// # Errors
    /// The file named in the settings is missing, or a file is not what BBB writes.
    pub(crate) fn of(settings: &Settings) -> Result<Node, SettingsError> {
        let keys = match &settings.bbb.bigbluebutton_yml {
            BigbluebuttonYml::At(path) if !path.is_file() => {
                return Err(SettingsError::key(
                    &settings.path,
                    "bbb.bigbluebutton_yml",
                    format!("{} is not a file", path.display()),
                ));
            }
            BigbluebuttonYml::At(path) => recording::settings::read(path)?,
            BigbluebuttonYml::Auto => Keys::auto(Path::new(SCRIPTS_YML), Path::new(OVERRIDE_YML))?,
        };
        let or = |path: Option<PathBuf>, default: &str| path.unwrap_or_else(|| default.into());
        Ok(Node {
            published_dir: or(keys.published_dir, "/var/bigbluebutton/published"),
            recording_dir: or(keys.recording_dir, "/var/bigbluebutton/recording"),
        })
    }

    /// The outbox: as set, else beside the recording directory, where hard links work.
    pub(crate) fn outbox_dir(&self, settings: &Settings) -> PathBuf {
        settings.outbox_dir.clone().unwrap_or_else(|| {
            let beside = self.recording_dir.parent().unwrap_or(&self.recording_dir);
            beside.join("bbb2pod/outbox")
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
    fn auto(scripts: &Path, over: &Path) -> Result<Keys, SettingsError> {
        let read = |path: &Path| -> Result<Keys, SettingsError> {
            if path.is_file() {
                recording::settings::read(path)
            } else {
                Ok(Keys::default())
            }
        };
        let (base, over) = (read(scripts)?, read(over)?);
        Ok(Keys {
            published_dir: over.published_dir.or(base.published_dir),
            recording_dir: over.recording_dir.or(base.recording_dir),
        })
    }
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
        let keys = Keys::auto(&scripts, &over).unwrap();
        assert_eq!(keys.published_dir, Some("/p".into()));
        fs::write(
            &over,
            "published_dir: /q\nsteps:\n  captions: 'process:presentation'\n",
        )
        .unwrap();
        let keys = Keys::auto(&scripts, &over).unwrap();
        assert_eq!(keys.published_dir, Some("/q".into()));
        assert_eq!(keys.recording_dir, Some("/r".into()));
    }

    #[test]
    fn a_segment_finds_the_events_of_its_meeting_and_links_are_not_formats() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node {
            published_dir: dir.path().join("published"),
            recording_dir: dir.path().join("recording"),
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
