//! The videos.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;

use recording::{Digest, RecordId};

use super::{Difference, Kind, Place, of};
use crate::config::Config;
use crate::ledger::{Ledger, Recording};
use crate::media;

pub(super) async fn compare(
    config: &Config,
    ledger: &Ledger,
    recordings: &[Recording],
    deep: bool,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    for recording in recordings {
        let media = ledger.media(&recording.record_id).await?;
        let Some((sha256, bytes, _)) = media.and_then(|media| media.made) else {
            continue;
        };
        let path = media::path(&config.media_dir, &recording.record_id);
        let differs = |kind, text: String| of(recording, Place::Media, kind, text);
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let text = format!(
                    "{} is not there; bbb2pod-receiver recording retry {} --from convert makes it again",
                    path.display(),
                    recording.record_id
                );
                out.push(differs(Kind::Missing, text));
                continue;
            }
            Err(e) => return Err(e.into()),
            Ok(metadata) if metadata.len() != bytes => {
                let text = format!(
                    "{} has {} bytes, not {bytes}",
                    path.display(),
                    metadata.len()
                );
                out.push(differs(Kind::Changed, text));
                continue;
            }
            Ok(_) => {}
        }
        if !deep {
            continue;
        }
        let shown = path.display().to_string();
        let read = move || Digest::of_reader(&mut File::open(&path)?);
        let (found, _) = tokio::task::spawn_blocking(read).await??;
        if found != sha256 {
            let text = format!("{shown} has SHA-256 {found}, not {sha256}");
            out.push(differs(Kind::Changed, text));
        }
    }
    Ok(())
}

/// Folders among the videos that the ledger does not know.
pub(super) fn extra(
    config: &Config,
    known: &BTreeSet<RecordId>,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(&config.media_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let id: Option<RecordId> = name.to_str().and_then(|name| name.parse().ok());
        if name.to_string_lossy().starts_with('.')
            || id.as_ref().is_some_and(|id| known.contains(id))
        {
            continue;
        }
        out.push(Difference {
            record_id: id,
            format: None,
            node: None,
            place: Place::Media,
            kind: Kind::Extra,
            text: format!("{} is not known to the ledger", entry.path().display()),
        });
    }
    Ok(())
}
