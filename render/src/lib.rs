//! A published `presentation` recording drawn and encoded as one MP4, without a browser.
//!
//! The story reads in this order: [`source`] finds the files of a recording, [`timeline`] turns
//! them into plain data (what is visible when), [`scene`] says what one instant consists of,
//! [`whiteboard`] turns drawn shapes of every generation into SVG fragments, and [`raster`] keeps
//! the pixels of the presentation area up to date. [`layout`] says where everything sits in the
//! frame, and [`convert`] composes frames and has ffmpeg encode them. Beside that, [`frames`]
//! writes single pictures and [`explain`] says in words what is on them. [`pages`] makes a PDF of
//! the slides.
//!
//! This crate knows nothing of transfers, databases or Pod; it never reads outside the
//! recording's folder and never touches the network.

pub mod captions;
pub mod chapters;
pub mod convert;
mod encode;
pub mod error;
pub mod explain;
pub mod fonts;
pub mod frames;
pub mod geometry;
pub mod language;
pub mod layout;
mod markup;
pub mod media;
pub mod options;
pub mod pages;
pub mod raster;
pub mod remux;
pub mod scene;
pub mod sheet;
pub mod source;
mod text;
pub mod time;
pub mod timeline;
pub mod warning;
pub mod whiteboard;
