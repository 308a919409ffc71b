//! A folder that looks like the root of a BigBlueButton server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::folder::{presentation_id, publish, size_of};
use super::story::Story;
use super::{Fault, Generation, Recording, events};

/// A sample node.
#[derive(Debug, Clone)]
pub struct Node {
    root: PathBuf,
    generation: Generation,
}

impl Node {
    /// Lays out an empty node of `generation` below `root`, or opens the one that is there.
    pub fn create(root: impl Into<PathBuf>, generation: Generation) -> Result<Node> {
        let node = Node {
            root: root.into(),
            generation,
        };
        for state in ["published", "unpublished", "deleted"] {
            fs::create_dir_all(node.var().join(state))
                .with_context(|| format!("cannot lay out a node in {}", node.root.display()))?;
        }
        fs::create_dir_all(node.recording_dir().join("raw"))?;
        for stage in [
            "recorded",
            "ended",
            "archived",
            "sanity",
            "processed",
            "published",
        ] {
            fs::create_dir_all(node.recording_dir().join("status").join(stage))?;
        }
        fs::create_dir_all(node.post_publish_dir())?;
        node.write_settings()?;
        Ok(node)
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The node's generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// `/var/bigbluebutton/published`.
    pub fn published_dir(&self) -> PathBuf {
        self.var().join("published")
    }

    /// `/var/bigbluebutton/recording`.
    pub fn recording_dir(&self) -> PathBuf {
        self.var().join("recording")
    }

    /// `/usr/local/bigbluebutton/core/scripts`, from where every generation runs its scripts.
    pub fn scripts_dir(&self) -> PathBuf {
        self.root.join("usr/local/bigbluebutton/core/scripts")
    }

    /// The folder of scripts that run after publishing.
    pub fn post_publish_dir(&self) -> PathBuf {
        self.scripts_dir().join("post_publish")
    }

    /// BigBlueButton's own settings of recordings.
    pub fn bigbluebutton_yml(&self) -> PathBuf {
        self.scripts_dir().join("bigbluebutton.yml")
    }

    /// Publishes a sample recording and gives its record id.
    pub fn add(&self, recording: &Recording) -> Result<String> {
        let id = recording.record_id(self.generation);
        let mut raw_size = 0;
        if recording.raw {
            let raw = self.recording_dir().join("raw").join(&id);
            fs::create_dir_all(&raw)?;
            let presentation = presentation_id(recording, self.generation);
            let story = Story::of(recording);
            fs::write(
                raw.join("events.xml"),
                events::events(recording, &story, self.generation, &presentation),
            )?;
            raw_size = size_of(&raw)?;
        }
        for format in &recording.formats {
            let folder = self
                .var()
                .join(recording.state.directory())
                .join(format)
                .join(&id);
            publish(recording, self.generation, format, &folder, raw_size)?;
            self.mark(&id, format)?;
        }
        Ok(id)
    }

    /// The folder of a published recording in one format.
    pub fn folder(&self, format: &str, record_id: &str) -> PathBuf {
        self.published_dir().join(format).join(record_id)
    }

    /// The recording's `events.xml`.
    pub fn events_xml(&self, record_id: &str) -> PathBuf {
        self.recording_dir()
            .join("raw")
            .join(record_id)
            .join("events.xml")
    }

    /// Damages the presentation of a recording.
    pub fn damage(&self, record_id: &str, fault: Fault) -> Result<()> {
        fault.apply(&self.folder("presentation", record_id))
    }

    fn var(&self) -> PathBuf {
        self.root.join("var/bigbluebutton")
    }

    fn mark(&self, id: &str, format: &str) -> Result<()> {
        let status = self.recording_dir().join("status");
        if self.generation.keeps_all_status() {
            fs::write(
                status.join(format!("archived/{id}.done")),
                format!("Archived {id}"),
            )?;
            fs::write(status.join(format!("sanity/{id}.done")), "sanity check")?;
            fs::write(
                status.join(format!("processed/{id}-{format}.done")),
                format!("Processed {id}"),
            )?;
        }
        fs::write(
            status.join(format!("published/{id}-{format}.done")),
            format!("Published {id}"),
        )?;
        Ok(())
    }

    fn write_settings(&self) -> Result<()> {
        let var = self.var();
        let host = format!("bbb-{}.example.org", self.generation);
        let mut settings = format!(
            "bbb_version: '{}'\nraw_audio_src: /var/freeswitch/meetings\nraw_presentation_src: {var}\nrecording_dir: {var}/recording\npublished_dir: {var}/published\nplayback_host: {host}\n",
            self.generation.bbb_version(),
            var = var.display(),
        );
        if self.generation > Generation::V0_9 {
            settings.push_str("playback_protocol: https\n");
        }
        if self.generation.has_override_yml() {
            settings.push_str("steps:\n  archive: \"sanity\"\n  sanity: \"captions\"\n  captions: \"process:presentation\"\n  \"process:presentation\": \"publish:presentation\"\n");
            let folder = self.root.join("etc/bigbluebutton/recording");
            fs::create_dir_all(&folder)?;
            fs::write(
                folder.join("recording.yml"),
                format!("playback_host: {host}\n"),
            )?;
        }
        fs::write(self.bigbluebutton_yml(), settings)?;
        Ok(())
    }
}
