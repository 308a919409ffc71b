//! Calls of `publish` that came to nothing, kept for `status`: `publish-errors/….json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use recording::durable;
use recording::{PlaybackFormat, RecordId};
use serde::{Deserialize, Serialize};

use super::job::stem;
use super::{ERRORS, Outbox, read_json, to_json};

/// A call of `publish` that came to nothing: `publish-errors/….json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishError {
    pub(crate) record_id: String,
    pub(crate) format: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) error: String,
}

impl Outbox {
    /// Keeps the failure of a `publish` visible until the recording is published again.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub(crate) fn note_error(&self, error: &PublishError) -> io::Result<()> {
        fs::create_dir_all(self.dir.join(ERRORS))?;
        let path = self.error_path(&error.record_id, error.format.as_deref());
        durable::write(&path, &to_json(error)?)
    }

    /// Forgets the failures of a recording that is now in the outbox.
    pub(crate) fn clear_errors(&self, record_id: &RecordId, format: &PlaybackFormat) {
        for format in [None, Some(format.as_str())] {
            let _ = fs::remove_file(self.error_path(record_id.as_str(), format));
        }
    }

    /// Forgets one failure.
    pub(crate) fn forget_error(&self, error: &PublishError) {
        let _ = fs::remove_file(self.error_path(&error.record_id, error.format.as_deref()));
    }

    /// Calls of `publish` that came to nothing, by recording.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub(crate) fn errors(&self) -> io::Result<Vec<PublishError>> {
        let entries = match fs::read_dir(self.dir.join(ERRORS)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut errors = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            if let Ok(Some(error)) = read_json::<PublishError>(&path) {
                errors.insert((error.at, path), error);
            }
        }
        Ok(errors.into_values().collect())
    }

    fn error_path(&self, record_id: &str, format: Option<&str>) -> PathBuf {
        let name = match (record_id.parse::<RecordId>(), format.map(str::parse)) {
            (Ok(id), None) => id.to_string(),
            (Ok(id), Some(Ok(format))) => stem(&id, &format),
            // Whoever calls with nonsense gets one place for it, not one file per call.
            _ => "not-a-name".to_owned(),
        };
        self.dir.join(ERRORS).join(format!("{name}.json"))
    }
}
