//! The strict points of the stand-in Pod that the client's own tests lean on.

#![allow(clippy::unwrap_used, reason = "a request that fails is a failed test")]

mod api;
mod attached;
mod control;
mod recorder;
mod site;
