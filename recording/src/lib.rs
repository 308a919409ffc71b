//! A published BigBlueButton recording as data.
//!
//! [`metadata`] reads `metadata.xml` of every generation, [`events`] reads who moderated from
//! `events.xml`, [`manifest`] lists the files of one recording in one playback format with their
//! digests, and [`package`] is the tar that carries them, any byte range of which can be produced
//! without a temporary file. [`protocol`] holds the words that hook and receiver say to each
//! other, [`settings`] reads the programs' YAML files, [`durable`] writes files that survive a
//! power cut.
//!
//! This crate knows no network and no database, and starts no thread.

pub mod causes;
pub mod digest;
pub mod durable;
pub mod events;
pub mod exposition;
pub mod manifest;
pub mod metadata;
pub mod names;
pub mod package;
pub mod protocol;
pub mod settings;

pub use digest::Digest;
pub use manifest::Manifest;
pub use metadata::Metadata;
pub use names::{PlaybackFormat, RecordId};
pub use package::Package;
