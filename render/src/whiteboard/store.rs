//! The texts of drawn shapes, read from their file when they are needed.

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde_json::Value;

use super::Skipped;
use crate::source::Source;
use crate::timeline::{Board, Place};

/// `shapes.svg` or `tldraw.json`, kept open: what is in it stays there even when the recording is
/// moved meanwhile.
#[derive(Debug)]
pub(crate) struct Store {
    file: Option<File>,
}

impl Store {
    /// The file in which the shapes of a kind of whiteboard stand.
    pub(crate) fn open(source: &Source, board: Board) -> Store {
        Store {
            file: source.open_file(Store::name(board)).ok(),
        }
    }

    /// Its path in the recording's folder.
    pub(crate) fn name(board: Board) -> &'static str {
        match board {
            Board::Svg => "shapes.svg",
            Board::Tldraw { .. } => "tldraw.json",
        }
    }

    /// What stands at a place.
    pub(crate) fn text(&self, place: Place) -> Result<String, Skipped> {
        let file = self
            .file
            .as_ref()
            .ok_or_else(|| Skipped::because("its file is gone"))?;
        let mut bytes = vec![0; place.length as usize];
        file.read_exact_at(&mut bytes, place.start)
            .map_err(|error| Skipped::because(format!("its file has changed: {error}")))?;
        String::from_utf8(bytes).map_err(|_| Skipped::because("not UTF-8"))
    }

    /// The shape of tldraw that stands at a place.
    pub(crate) fn json(&self, place: Place) -> Result<Value, Skipped> {
        serde_json::from_str(&self.text(place)?)
            .map_err(|error| Skipped::because(error.to_string()))
    }
}
