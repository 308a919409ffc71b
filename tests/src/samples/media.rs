//! Sound and moving pictures through ffmpeg, kept in a cache: equal recordings share the work.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha1::{Digest, Sha1};

use super::story::Story;
use super::{Generation, Recording, pictures, voice};

/// Raised when the pictures or the voice change, so that the cache is not believed.
const VERSION: u32 = 1;

/// Pictures per second fed to ffmpeg for the shared screen.
const SCREEN_FPS: u32 = 5;

/// Pictures in one loop of the webcams.
const LOOP: u32 = 30;

/// A request to ffmpeg: raw pictures on its standard input, arguments, one output file.
struct Job<'a> {
    key: String,
    extension: &'static str,
    arguments: Vec<String>,
    sound: bool,
    frames: Option<Frames<'a>>,
}

type Frames<'a> = Box<dyn Fn(&mut dyn Write) -> Result<()> + 'a>;

/// Makes the media of one recording.
pub(super) struct Studio<'a> {
    pub(super) recording: &'a Recording,
    pub(super) story: &'a Story,
    pub(super) generation: Generation,
}

impl Studio<'_> {
    /// `video/webcams.webm`; in the Flash era with the share over the cameras.
    pub(super) fn webcams(&self, to: &Path) -> Result<()> {
        let share = if self.generation.is_flash() {
            self.story.share()
        } else {
            None
        };
        let canvas = if share.is_some() {
            (1280, 720)
        } else {
            (640, 480)
        };
        let fps = self.generation.webcams_fps();
        let mut arguments = raw_input(canvas, fps);
        if share.is_some() {
            arguments.extend(self.screen_input());
        }
        arguments.extend(["-f", "wav", "-i", "VOICE"].map(String::from));
        let looped = format!("format=yuv420p,loop=loop=-1:size={LOOP}");
        match share {
            Some((from, to)) => {
                let filter = format!(
                    "[0:v]{looped}[c];[1:v]format=yuv420p,tpad=start_duration={from}:stop_mode=clone:stop_duration=60[s];[c][s]overlay=enable='between(t,{from},{to})'"
                );
                arguments.extend([
                    "-filter_complex".to_owned(),
                    filter,
                    "-map".to_owned(),
                    "2:a".to_owned(),
                ]);
            }
            None => arguments.extend(["-vf".to_owned(), looped]),
        }
        arguments.extend(self.video_coding(fps, "300k"));
        arguments.extend(self.audio_coding(self.generation.audio_codec()));
        let frames: Frames<'_> = Box::new(move |out| {
            for k in 0..LOOP {
                let phase = f64::from(k) / f64::from(LOOP);
                let picture = pictures::webcams(
                    self.recording,
                    (f64::from(canvas.0), f64::from(canvas.1)),
                    phase,
                );
                out.write_all(picture.draw(canvas.0, canvas.1)?.data())?;
            }
            Ok(())
        });
        let names: Vec<&str> = self
            .recording
            .people
            .iter()
            .take(2)
            .map(|p| p.name.as_str())
            .collect();
        self.make(
            to,
            Job {
                key: format!("webcams {names:?} {share:?}"),
                extension: "webm",
                arguments,
                sound: true,
                frames: Some(frames),
            },
        )
    }

    /// `deskshare/deskshare.webm`: as long as the recording, white outside the share.
    pub(super) fn deskshare(&self, to: &Path) -> Result<()> {
        let Some((from, until)) = self.story.share() else {
            bail!("nothing is shared in this recording")
        };
        let mut arguments = raw_input((1280, 720), SCREEN_FPS);
        let fps = self.generation.deskshare_fps();
        arguments.extend(self.video_coding(fps, "400k"));
        let frames: Frames<'_> = Box::new(move |out| self.screen_frames(from, until, out));
        self.make(
            to,
            Job {
                key: format!("deskshare {from} {until}"),
                extension: "webm",
                arguments,
                sound: false,
                frames: Some(frames),
            },
        )
    }

    /// `audio/audio.webm` or `.ogg`.
    pub(super) fn audio(&self, to: &Path, extension: &'static str) -> Result<()> {
        let mut arguments: Vec<String> = ["-f", "wav", "-i", "VOICE"].map(String::from).into();
        arguments.extend(self.audio_coding(if extension == "ogg" {
            "libvorbis"
        } else {
            self.generation.audio_codec()
        }));
        self.make(
            to,
            Job {
                key: "audio".to_owned(),
                extension,
                arguments,
                sound: true,
                frames: None,
            },
        )
    }

    /// `video-0.m4v` of the video format, and what the screenshare format shows.
    pub(super) fn film(&self, to: &Path, extension: &'static str) -> Result<()> {
        let mut arguments = raw_input((1280, 720), SCREEN_FPS);
        arguments.extend(["-f", "wav", "-i", "VOICE"].map(String::from));
        if extension == "m4v" {
            arguments.extend(
                [
                    "-c:v",
                    "libx264",
                    "-preset",
                    "ultrafast",
                    "-crf",
                    "28",
                    "-pix_fmt",
                    "yuv420p",
                    "-r",
                    "24",
                    "-f",
                    "mp4",
                    "-movflags",
                    "+faststart",
                ]
                .map(String::from),
            );
            arguments.extend(self.audio_coding("aac"));
        } else {
            arguments.extend(self.video_coding(25, "400k"));
            arguments.extend(self.audio_coding("libopus"));
        }
        let frames: Frames<'_> =
            Box::new(move |out| self.screen_frames(0.0, self.recording.duration(), out));
        self.make(
            to,
            Job {
                key: "film".to_owned(),
                extension,
                arguments,
                sound: true,
                frames: Some(frames),
            },
        )
    }

    /// The screen as a second input without a pipe: one picture that stands for the share.
    fn screen_input(&self) -> Vec<String> {
        [
            "-f",
            "image2",
            "-loop",
            "1",
            "-framerate",
            "5",
            "-i",
            "SCREEN",
        ]
        .map(String::from)
        .into()
    }

    fn screen_frames(&self, from: f64, until: f64, out: &mut dyn Write) -> Result<()> {
        let white = vec![255u8; 1280 * 720 * 4];
        let count = (self.recording.duration() * f64::from(SCREEN_FPS)).round() as u32;
        let mut drawn: Option<(u32, Vec<u8>)> = None;
        for k in 0..count {
            let at = f64::from(k) / f64::from(SCREEN_FPS);
            if at < from || at >= until {
                out.write_all(&white)?;
                continue;
            }
            // The editor changes twice a second, which is enough to see typing.
            let half = (at * 2.0) as u32;
            if drawn.as_ref().is_none_or(|(was, _)| *was != half) {
                let clock = format!("{:02}:{:02}.{}", half / 120, half / 2 % 60, half % 2 * 5);
                let picture =
                    pictures::screen((at - from) / (until - from), &clock).draw(1280, 720)?;
                drawn = Some((half, picture.data().to_vec()));
            }
            if let Some((_, pixels)) = &drawn {
                out.write_all(pixels)?;
            }
        }
        Ok(())
    }

    fn video_coding(&self, fps: u32, rate: &str) -> Vec<String> {
        let (codec, fps, seconds) = (
            self.generation.video_codec(),
            fps.to_string(),
            self.recording.seconds.to_string(),
        );
        [
            "-c:v",
            codec,
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-b:v",
            rate,
            "-pix_fmt",
            "yuv420p",
            "-g",
            "240",
            "-r",
            &fps,
            "-threads",
            "2",
            "-t",
            &seconds,
        ]
        .map(String::from)
        .into()
    }

    fn audio_coding(&self, codec: &str) -> Vec<String> {
        let seconds = self.recording.seconds.to_string();
        [
            "-c:a", codec, "-b:a", "64k", "-ar", "48000", "-ac", "2", "-t", &seconds,
        ]
        .map(String::from)
        .into()
    }

    fn make(&self, to: &Path, job: Job<'_>) -> Result<()> {
        let identity = format!(
            "{VERSION} {} {} {} {} {:?}",
            job.key, self.generation, self.recording.seconds, self.recording.seed, job.arguments
        );
        let name: String = Sha1::digest(identity.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let cache = cache_directory()?;
        let kept = cache.join(format!("{name}.{}", job.extension));
        if !kept.is_file() {
            let work = tempfile::tempdir_in(&cache)?;
            let made = self.run(&job, work.path())?;
            fs::rename(made, &kept)?;
        }
        fs::copy(&kept, to).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(())
    }

    fn run(&self, job: &Job<'_>, work: &Path) -> Result<PathBuf> {
        let out = work.join(format!("out.{}", job.extension));
        let sound = work.join("voice.wav");
        let screen = work.join("screen.png");
        if job.sound {
            fs::write(
                &sound,
                voice::wav(self.recording.duration(), self.recording.seed),
            )?;
        }
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y", "-fflags", "+bitexact"]);
        for argument in &job.arguments {
            match argument.as_str() {
                "VOICE" => command.arg(&sound),
                "SCREEN" => {
                    pictures::screen(0.8, "shared").write_png(&screen, 1280, 720)?;
                    command.arg(&screen)
                }
                other => command.arg(other),
            };
        }
        command
            .args([
                "-flags",
                "+bitexact",
                "-fflags",
                "+bitexact",
                "-map_metadata",
                "-1",
            ])
            .arg(&out);
        command.stdin(if job.frames.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run ffmpeg (is it installed?)")?;
        let written = match (&job.frames, child.stdin.take()) {
            (Some(frames), Some(mut pipe)) => frames(&mut pipe),
            _ => Ok(()),
        };
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "ffmpeg could not make {}: {}",
                job.key,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        written.context("ffmpeg stopped reading the pictures")?;
        Ok(out)
    }
}

fn raw_input(size: (u32, u32), fps: u32) -> Vec<String> {
    let (size, fps) = (format!("{}x{}", size.0, size.1), fps.to_string());
    [
        "-f", "rawvideo", "-pix_fmt", "rgba", "-s", &size, "-r", &fps, "-i", "pipe:0",
    ]
    .map(String::from)
    .into()
}

/// Where finished media are kept: beside the build, or where `BBB2POD_SAMPLES_CACHE` says.
fn cache_directory() -> Result<PathBuf> {
    let directory = match std::env::var_os("BBB2POD_SAMPLES_CACHE") {
        Some(path) => PathBuf::from(path),
        None => std::env::temp_dir().join("bbb2pod-samples"),
    };
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}
