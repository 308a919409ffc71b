//! Single frames of the film as PNG files, without making the film.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::encode::process::{Pipe, quiet};
use crate::encode::{Film, segment};
use crate::error::Error;
use crate::time::Millis;

/// Writes the frame at each of the instants into `dir`, named by order and time.
pub(crate) fn write(film: &Film<'_>, at: &[Millis], dir: &Path) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("making", dir, e))?;
    let last = film.end().saturating_sub(1);
    let mut written = Vec::with_capacity(at.len());
    for (n, &t) in at.iter().enumerate() {
        let tick = film.grid.tick(t).clamp(film.start(), last);
        let frame = segment::still(film, tick)?;
        let path = dir.join(format!("{:04}-{t}.png", n + 1));
        let mut file = OsString::from("file:");
        file.push(&path);
        let mut command = quiet(&film.tools.ffmpeg);
        command
            .args(["-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
            .args(["-s", &format!("{}x{}", film.frame.width, film.frame.height)])
            .args(["-i", "pipe:0", "-frames:v", "1", "-vf"])
            .arg("scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd,format=rgb24")
            .args(["-update", "1", "-f", "image2", "-c:v", "png"])
            .arg(file);
        let mut process =
            film.processes
                .spawn(&mut command, "writing a frame as PNG", Pipe::Input)?;
        let sent = process.write(frame.data());
        process.finish()?;
        sent.map_err(|e| Error::io("writing", &path, e))?;
        written.push(path);
    }
    Ok(written)
}
