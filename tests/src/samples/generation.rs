//! The generations of BigBlueButton whose published form differs, and in what.

use std::fmt;
use std::str::FromStr;

/// A generation of BigBlueButton's publish scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// 0.9: Flash client; a screen share is drawn inside the webcams video.
    V0_9,
    /// 1.1: as 0.9, with captions, thumbnails and poll results.
    V1_1,
    /// 2.0: the flat shapes.svg, screen share as a file of its own.
    V2_0,
    /// 2.2: VP9, Opus, shared notes.
    V2_2,
    /// 2.4: decimals in chat times, polls.json, external_videos.json.
    V2_4,
    /// 2.6: tldraw version 1, slides as SVG.
    V2_6,
    /// 3.0: tldraw version 2.
    V3_0,
}

impl Generation {
    /// Every generation, oldest first.
    pub const ALL: [Generation; 7] = [
        Generation::V0_9,
        Generation::V1_1,
        Generation::V2_0,
        Generation::V2_2,
        Generation::V2_4,
        Generation::V2_6,
        Generation::V3_0,
    ];

    /// The name people say: `2.4`.
    pub fn name(self) -> &'static str {
        match self {
            Generation::V0_9 => "0.9",
            Generation::V1_1 => "1.1",
            Generation::V2_0 => "2.0",
            Generation::V2_2 => "2.2",
            Generation::V2_4 => "2.4",
            Generation::V2_6 => "2.6",
            Generation::V3_0 => "3.0",
        }
    }

    /// What `bbb_version` says in events.xml and tldraw.json.
    pub(super) fn bbb_version(self) -> &'static str {
        match self {
            Generation::V0_9 => "0.9.0",
            Generation::V1_1 => "1.1.0",
            Generation::V2_0 => "2.0.0",
            // Nodes of 2.2 to 2.5 really say this.
            Generation::V2_2 | Generation::V2_4 => "2.1.0",
            Generation::V2_6 => "2.6.1",
            Generation::V3_0 => "3.0.0",
        }
    }

    /// Start of the first sample of this generation, in epoch milliseconds.
    pub(super) fn epoch_ms(self) -> u64 {
        match self {
            Generation::V0_9 => 1_431_000_000_000,
            Generation::V1_1 => 1_498_000_000_000,
            Generation::V2_0 => 1_552_000_000_000,
            Generation::V2_2 => 1_601_000_000_000,
            Generation::V2_4 => 1_641_900_000_000,
            Generation::V2_6 => 1_685_000_000_000,
            Generation::V3_0 => 1_741_000_000_000,
        }
    }

    /// The Flash era: one image element per slide, shapes counted per type, share inside the webcams.
    pub(super) fn is_flash(self) -> bool {
        self < Generation::V2_0
    }

    /// Shapes in tldraw.json and slides as SVG.
    pub(super) fn is_tldraw(self) -> bool {
        self >= Generation::V2_6
    }

    pub(super) fn has_captions(self) -> bool {
        self >= Generation::V1_1
    }

    pub(super) fn has_notes(self) -> bool {
        self >= Generation::V2_2
    }

    pub(super) fn has_polls_json(self) -> bool {
        self >= Generation::V2_4
    }

    /// Chat and caption times: whole seconds before 2.4, tenths from then on.
    pub(super) fn whole_second_chat(self) -> bool {
        self < Generation::V2_4
    }

    /// Whether every stage leaves its `.done` file (2.3 on) or only the last one.
    pub(super) fn keeps_all_status(self) -> bool {
        self >= Generation::V2_4
    }

    /// From 2.3 on `/etc/bigbluebutton/recording/recording.yml` is merged over bigbluebutton.yml.
    pub(super) fn has_override_yml(self) -> bool {
        self >= Generation::V2_4
    }

    pub(super) fn video_codec(self) -> &'static str {
        if self < Generation::V2_2 {
            "libvpx"
        } else {
            "libvpx-vp9"
        }
    }

    pub(super) fn audio_codec(self) -> &'static str {
        if self == Generation::V2_2 {
            "libopus"
        } else {
            "libvorbis"
        }
    }

    pub(super) fn webcams_fps(self) -> u32 {
        if self < Generation::V2_4 { 24 } else { 15 }
    }

    pub(super) fn deskshare_fps(self) -> u32 {
        if self < Generation::V2_4 { 24 } else { 5 }
    }

    /// The player's address of one recording, below the node's host.
    pub(super) fn playback_path(self, record_id: &str) -> String {
        match self {
            Generation::V0_9 | Generation::V1_1 => {
                format!("/playback/presentation/0.9.0/playback.html?meetingId={record_id}")
            }
            Generation::V2_0 | Generation::V2_2 => {
                format!("/playback/presentation/2.0/playback.html?meetingId={record_id}")
            }
            _ => format!("/playback/presentation/2.3/{record_id}"),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Generation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Generation::ALL
            .into_iter()
            .find(|g| g.name() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Generation::ALL.iter().map(|g| g.name()).collect();
                format!("no generation {text:?}; known: {}", known.join(", "))
            })
    }
}
