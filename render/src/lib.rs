//! A published `presentation` recording drawn and encoded as one MP4, without a browser.
//!
//! The story reads in this order: [`source`] finds the files of a recording, [`timeline`] turns
//! them into plain data (what is visible when), [`scene`] answers what one instant consists of,
//! [`whiteboard`] turns drawn shapes of every generation into SVG fragments, [`raster`] keeps the
//! pixels of the presentation area up to date, [`layout`] says where everything sits in the
//! frame, [`encode`] composes frames and runs ffmpeg, and [`convert`] is the whole of it.
//!
//! This crate knows nothing of transfers, databases or Pod; it never reads outside the
//! recording's folder and never touches the network.

pub mod time;
