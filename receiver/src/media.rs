//! The video of a recording: what it is made from, and the making of it.

use std::path::{Path, PathBuf};

use recording::digest::Digest;
use recording::{PlaybackFormat, RecordId};

use crate::config;
use crate::import::Archive;

/// The playback formats that a video can be made from, the best first.
///
/// A film that BBB has made itself needs no drawing; a podcast has at least the sound.
const BY_PREFERENCE: [&str; 6] = [
    "video",
    "presentation_video",
    "presentation-video",
    "presentation",
    "screenshare",
    "podcast",
];

/// The format that a recording's video is to be made from.
///
/// `registered` is the format of a video that Pod has already: it stays, so that a format which
/// BBB publishes later does not change a video that people may have edited or linked to.
pub(crate) fn choose<'a>(
    formats: &'a [PlaybackFormat],
    registered: Option<&PlaybackFormat>,
) -> Option<&'a PlaybackFormat> {
    let kept = registered.and_then(|kept| formats.iter().find(|f| *f == kept));
    let best = || {
        BY_PREFERENCE
            .iter()
            .find_map(|name| formats.iter().find(|f| f.as_str() == *name))
    };
    kept.or_else(best)
}

/// Where the video of a recording lies: named as BBB's `video` format names it.
pub(crate) fn path(media_dir: &Path, id: &RecordId) -> PathBuf {
    media_dir.join(id.as_str()).join("video-0.mp4")
}

/// A finished video.
#[derive(Debug)]
pub(crate) struct Made {
    /// Digest of the MP4.
    pub(crate) sha256: Digest,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// Its duration in milliseconds.
    pub(crate) duration_ms: u64,
    /// What was left out, one line each.
    pub(crate) warnings: Vec<String>,
    /// How long the making took, in milliseconds.
    pub(crate) elapsed_ms: u64,
}

/// Why no video was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    /// The converter says why.
    #[error(transparent)]
    Convert(#[from] render::error::Error),
    /// A folder or file could not be made or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl MediaError {
    /// Whether trying again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            MediaError::Convert(error) => error.is_transient(),
            MediaError::File { .. } => true,
        }
    }
}

/// Makes the video of a recording from one of its formats in the archive.
///
/// May be called again after a kill: what the converter finished is used, the rest made.
///
/// # Errors
/// The converter failed or was stopped, or a file cannot be written.
pub(crate) fn make(
    id: &RecordId,
    format: &PlaybackFormat,
    archive: &Archive,
    config: &config::Config,
    progress: &(dyn Fn(render::convert::Progress) + Sync),
    halt: render::convert::Halt<'_>,
) -> Result<Made, MediaError> {
    let started = std::time::Instant::now();
    let output = path(&config.media_dir, id);
    let folder = output.parent().unwrap_or(&config.media_dir);
    std::fs::create_dir_all(folder).map_err(|source| MediaError::File {
        path: folder.into(),
        source,
    })?;
    let options = config.convert.options(&config.work_dir.join(id.as_str()));
    let source = archive.folder(id, format);
    let report = if format.is_presentation() {
        render::convert::convert(&source, &output, &options, progress, halt)?
    } else {
        render::remux::remux(&source, &output, &options, progress, halt.now)?
    };
    let (sha256, bytes) = std::fs::File::open(&output)
        .and_then(|mut file| Digest::of_reader(&mut file))
        .map_err(|source| MediaError::File {
            path: output,
            source,
        })?;
    Ok(Made {
        sha256,
        bytes,
        duration_ms: report.duration.0,
        warnings: report.warnings.iter().map(ToString::to_string).collect(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_format_is_chosen_and_a_registered_one_kept() {
        let formats = |names: &[&str]| {
            names
                .iter()
                .map(|n| n.parse().unwrap())
                .collect::<Vec<PlaybackFormat>>()
        };
        let registered: PlaybackFormat = "presentation".parse().unwrap();
        for (names, kept, chosen) in [
            (&["presentation", "video"][..], None, Some("video")),
            (
                &["presentation", "video"],
                Some(&registered),
                Some("presentation"),
            ),
            (&["video"], Some(&registered), Some("video")),
            (
                &["notes", "podcast", "presentation"],
                None,
                Some("presentation"),
            ),
            (&["notes", "podcast"], None, Some("podcast")),
            (&["notes", "statistics"], None, None),
            (&[], None, None),
        ] {
            let formats = formats(names);
            assert_eq!(
                choose(&formats, kept).map(PlaybackFormat::as_str),
                chosen,
                "{names:?}"
            );
        }
    }
}
