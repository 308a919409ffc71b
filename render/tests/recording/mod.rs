//! Small recordings whose media ffmpeg makes on the spot, and what is to be seen in films.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;

use render::convert::{Options, Report, convert};
use render::error::Error;
use render::geometry::Size;

/// A recording under construction, in a folder that goes away with it.
pub(crate) struct Recording {
    pub(crate) dir: tempfile::TempDir,
}

impl Recording {
    pub(crate) fn of_seconds(seconds: u32) -> Recording {
        let recording = Recording {
            dir: tempfile::tempdir().unwrap(),
        };
        recording.file(
            "metadata.xml",
            &format!(
                "<recording><id>x</id><playback><format>presentation</format>\
                 <duration>{}</duration></playback></recording>",
                seconds * 1000
            ),
        );
        recording
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("recording")
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> &Recording {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Slides of one colour each, from the given seconds on.
    pub(crate) fn slides(&self, slides: &[(f64, &str)]) -> &Recording {
        let mut images = String::new();
        for (n, (at, colour)) in slides.iter().enumerate() {
            let name = format!("presentation/p/slide-{n}.png");
            self.media(
                &name,
                &format!("-f lavfi -i color={colour}:s=160x120 -frames:v 1"),
            );
            images.push_str(&format!(
                "<image id=\"image{n}\" class=\"slide\" in=\"{at}\" out=\"9999\" \
                 xlink:href=\"{name}\" width=\"160\" height=\"120\" x=\"0\" y=\"0\"/>"
            ));
        }
        self.file(
            "shapes.svg",
            &format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" \
                 xmlns:xlink=\"http://www.w3.org/1999/xlink\">{images}</svg>"
            ),
        )
    }

    /// A file that ffmpeg makes.
    pub(crate) fn media(&self, name: &str, arguments: &str) -> &Recording {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = ffmpeg(arguments).arg("-y").arg(path).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        self
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.dir.path().join("out.mp4")
    }

    pub(crate) fn convert(&self, options: &Options) -> Result<Report, Error> {
        convert(
            &self.path(),
            &self.output(),
            options,
            &|_| {},
            &AtomicBool::new(false),
        )
    }

    pub(crate) fn left_over(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "recording" && name != "out.mp4")
            .collect();
        names.sort();
        names
    }
}

pub(crate) const WEBCAMS: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus";

pub(crate) fn small() -> Options {
    Options {
        size: Size {
            width: 320,
            height: 180,
        },
        threads: Some(2),
        ..Options::default()
    }
}

pub(crate) fn ffmpeg(arguments: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-nostdin"])
        .args(arguments.split_whitespace());
    command
}

pub(crate) fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A value that ffprobe tells of a file.
pub(crate) fn probed(film: &Path, what: &str) -> String {
    said(
        Command::new("ffprobe")
            .args(["-v", "error", "-of", "csv=p=0"])
            .args(what.split_whitespace())
            .arg(film)
            .output()
            .unwrap(),
    )
    .trim()
    .to_string()
}

/// The colour of one pixel at an instant, as red, green, blue.
pub(crate) fn pixel(film: &Path, at: f64, x: u32, y: u32) -> [u8; 3] {
    let output = ffmpeg("-i")
        .arg(film)
        .args(["-frames:v", "1", "-vf"])
        // Frames have times of their own: what is shown at an instant may have begun before it.
        .arg(format!(
            "fps=60:round=up,trim=start={at},crop=2:2:{x}:{y},format=rgb24"
        ))
        .args(["-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout[..3].try_into().unwrap()
}

pub(crate) fn near(colour: [u8; 3], wanted: [u8; 3]) -> bool {
    colour.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 24)
}

/// What every film must be for players and for Pod.
pub(crate) fn check_film(film: &Path, seconds: f64) {
    let kinds = probed(film, "-show_entries stream=codec_name,pix_fmt");
    assert!(kinds.starts_with("h264,yuv420p\naac"), "{kinds}");
    check_times(film, seconds);
    let level: u32 = probed(film, "-select_streams v -show_entries stream=level")
        .parse()
        .unwrap();
    assert!(level <= 40, "H.264 level {level}");
}

/// Its length, the times of its packets, and that its index comes first.
pub(crate) fn check_times(film: &Path, seconds: f64) {
    let length: f64 = probed(film, "-show_entries format=duration")
        .parse()
        .unwrap();
    assert!(
        (length - seconds).abs() < 0.1,
        "{length} instead of {seconds}"
    );
    for stream in ["v", "a"] {
        let times = probed(
            film,
            &format!("-select_streams {stream} -show_entries packet=dts_time"),
        );
        let times: Vec<f64> = times
            .lines()
            .filter_map(|line| line.split(',').next().filter(|time| !time.is_empty()))
            .map(|time| time.parse().unwrap())
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] < 2.1),
            "{times:?}"
        );
    }
    let bytes = fs::read(film).unwrap();
    let find = |kind: &[u8]| bytes.windows(4).position(|four| four == kind).unwrap();
    assert!(find(b"moov") < find(b"mdat"), "the index is not first");
}

/// Where something first exceeds a threshold after `from`, in seconds.
pub(crate) fn onset(samples: &[u8], per_second: f64, from: f64, threshold: u8) -> f64 {
    let first = (from * per_second) as usize;
    let after = samples[first..]
        .iter()
        .position(|&sample| sample > threshold)
        .unwrap();
    (first + after) as f64 / per_second
}
