//! Converts one recording: `convert FOLDER OUT.mp4`.

use std::path::Path;
use std::sync::atomic::AtomicBool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let mut options = render::convert::Options::default();
    if let Some(preset) = arguments.get(3) {
        options.preset = preset.clone();
    }
    let report = render::convert::convert(
        Path::new(&arguments[1]),
        Path::new(&arguments[2]),
        &options,
        &|progress| eprint!("\r{:?}   ", progress),
        &AtomicBool::new(false),
    )?;
    eprintln!();
    println!("{report:#?}");
    Ok(())
}
