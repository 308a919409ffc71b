//! What the tests and the demo need around the product: sample recordings of every generation of
//! BigBlueButton, a stand-in for Pod, real database servers, and the programs as real processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a surprise is to stop the test where it happens"
)]

pub mod bbb;
pub mod book;
pub mod chaos;
pub mod databases;
pub mod harness;
pub mod playback;
pub mod pod;
pub mod samples;
pub mod tus;
