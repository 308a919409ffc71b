//! The content digest of a folder as it lies on the node: remembered, or read.

use std::path::Path;

use jiff::Timestamp;
use recording::digest::Digest;
use recording::package::{About, GatherError, gather};
use recording::{PlaybackFormat, RecordId};

/// Reads every file of `<root>/<format>/<record id>/` and gives the content digest.
///
/// # Errors
/// A file cannot be read or changes meanwhile; the folder is empty or gone.
pub(crate) fn read(
    root: &Path,
    record_id: &RecordId,
    format: &PlaybackFormat,
) -> Result<Digest, GatherError> {
    let about = About {
        record_id: record_id.clone(),
        format: format.clone(),
        node: String::new(),
        hook_version: String::new(),
        published_at: Timestamp::UNIX_EPOCH,
        events_xml: None,
    };
    gather(root, &about).map(|manifest| manifest.digest)
}
