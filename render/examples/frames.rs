//! `frames SOURCE --frames DIR --at 12.3,45`: PNGs of the presentation area at those seconds.

use std::path::PathBuf;

use render::frames::frames;
use render::geometry::{Rgb, Size};
use render::time::Millis;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut source = PathBuf::new();
    let mut dir = PathBuf::from(".");
    let mut at = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--frames" => dir = arguments.next().unwrap_or_default().into(),
            "--at" => {
                for seconds in arguments.next().unwrap_or_default().split(',') {
                    at.extend(Millis::from_seconds(seconds.parse()?));
                }
            }
            _ => source = argument.into(),
        }
    }
    let size = Size {
        width: 1280,
        height: 720,
    };
    let (_, warnings) = frames(&source, &at, &dir, size, Rgb::PLAYER)?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    Ok(())
}
