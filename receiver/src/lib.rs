//! The program `bbb2pod-receiver`: takes recordings of BigBlueButton nodes in, converts them and registers
//! them in Esup-Pod.
//!
//! The modules follow the flow: [`upload`] and [`spool`], [`import`], [`media`], [`pod`]; the
//! [`ledger`] remembers, the [`pipeline`] drives, [`web`] answers, [`commands`] is the command line.
//! Beside the flow, [`convert`] turns one recording into a film, wherever its [`source`] is, and
//! [`playback`] brings recordings from servers as their players do.

mod attachments;
mod commands;
mod config;
mod convert;
mod database;
mod export;
mod film;
mod fleet;
mod html;
mod import;
mod ledger;
mod media;
mod moodle_message;
mod notify;
mod owners;
mod pipeline;
mod playback;
mod pod;
mod reconcile;
mod retry;
mod servers;
mod source;
mod spool;
mod systemd;
mod tenants;
mod token;
mod upload;
mod web;

#[doc(hidden)]
pub mod fuzzing;

pub use commands::run;
