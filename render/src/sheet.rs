//! A contact sheet: frames of a finished film side by side in one picture, to judge it at a glance.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::encode::process::{Pipe, Processes, quiet};
use crate::error::Error;
use crate::media::Tools;
use crate::time::Millis;

const COLUMNS: usize = 4;
const ROWS: usize = 4;
const WIDTH: u32 = 480;
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes sixteen frames of `film`, evenly spread over its `duration`, as the PNG `sheet`.
///
/// # Errors
/// When ffmpeg fails, or the picture cannot be written.
pub fn write(film: &Path, duration: Millis, sheet: &Path, tools: &Tools) -> Result<(), Error> {
    // ffmpeg does not always tell that it could not write.
    fs::File::create(sheet).map_err(|e| Error::io("making", sheet, e))?;
    let count = COLUMNS * ROWS;
    let file = |path: &Path| {
        let mut name = OsString::from("file:");
        name.push(path);
        name
    };
    let mut command = quiet(&tools.ffmpeg);
    command.args(["-nostdin", "-y"]);
    let mut graph = String::new();
    let mut inputs = String::new();
    for n in 0..count {
        let at = Millis(duration.0 * (2 * n as u64 + 1) / (2 * count as u64));
        command
            .args(["-threads", "1", "-ss", &at.to_string(), "-i"])
            .arg(file(film));
        graph.push_str(&format!(
            "[{n}:v]trim=end_frame=1,scale={WIDTH}:-2,setsar=1[f{n}];"
        ));
        inputs.push_str(&format!("[f{n}]"));
    }
    let places: Vec<String> = (0..count)
        .map(|n| {
            let along = |unit: &str, times: usize| match times {
                0 => "0".to_string(),
                _ => vec![unit; times].join("+"),
            };
            format!("{}_{}", along("w0", n % COLUMNS), along("h0", n / COLUMNS))
        })
        .collect();
    graph.push_str(&format!(
        "{inputs}xstack=inputs={count}:layout={}[sheet]",
        places.join("|")
    ));
    command
        .args(["-filter_complex", &graph, "-map", "[sheet]"])
        .args(["-frames:v", "1", "-update", "1", "-c:v", "png"])
        .args(["-f", "image2"])
        .arg(file(sheet));
    Processes::new(PATIENCE)
        .spawn(&mut command, "drawing the contact sheet", Pipe::Input)?
        .finish()?;
    match fs::metadata(sheet) {
        Ok(written) if written.len() > 0 => Ok(()),
        Ok(_) => Err(Error::BadFile {
            path: sheet.to_path_buf(),
            why: "ffmpeg left the contact sheet empty; is the disk full?".into(),
        }),
        Err(e) => Err(Error::io("reading", sheet, e)),
    }
}
