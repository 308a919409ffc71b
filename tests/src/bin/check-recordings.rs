//! Takes every recording below a folder through hook, receiver and converter, damaged ones
//! included, and says of each whether the right thing came of it. The last line counts.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use recording::Metadata;
use serde_json::Value;
use sha1::{Digest, Sha1};
use support::harness::{Finished, Site};

/// Checks hook, receiver and converter with the recordings that manifest.json lists.
#[derive(Parser)]
struct Arguments {
    /// The folder with manifest.json.
    recordings: PathBuf,
    /// Only recordings whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seconds that all of it may take.
    #[arg(long, default_value_t = 1800)]
    limit: u64,
}

impl Case {
    fn of(name: &str, record_id: &str, expected: Expected) -> Case {
        let (name, record_id) = (name.to_owned(), record_id.to_owned());
        let (formats, complaint) = (Vec::new(), String::new());
        Case {
            name,
            record_id,
            formats,
            seconds: 10.0,
            expected,
            complaint,
        }
    }
}

/// What is to come of a recording.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// A video as long as the recording.
    Video,
    /// It was never published, and the hook says so.
    Refused,
    /// A video or none, and either the hook or the story names this file.
    Named(&'static str),
    /// No video, and the story names this file; or a video nevertheless.
    VideoOrReason(&'static str),
}

struct Case {
    name: String,
    record_id: String,
    formats: Vec<String>,
    seconds: f64,
    expected: Expected,
    complaint: String,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let site = Site::start();
    let mut cases = gather(&arguments, &site)?;
    for case in &mut cases {
        publish(&site, case);
    }
    let deadline = Instant::now() + Duration::from_secs(arguments.limit);
    let mut sending = site.start_sending();
    let (mut passed, mut failed) = (0, 0);
    for case in &cases {
        ensure!(
            sending.ended().is_none(),
            "send --watch ended: {}",
            sending.log()
        );
        match judge(&site, case, deadline) {
            Ok(what) => {
                passed += 1;
                println!("ok      {}: {what}", case.name);
            }
            Err(why) => {
                failed += 1;
                println!("FAILED  {}: {why:#}", case.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Copies every recording into the node of `site`, each damaged one under an id of its own.
fn gather(arguments: &Arguments, site: &Site) -> Result<Vec<Case>> {
    let root = &arguments.recordings;
    let manifest = root.join("manifest.json");
    let manifest: Value = serde_json::from_slice(
        &fs::read(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?,
    )?;
    let listed = manifest["recordings"]
        .as_array()
        .context("manifest.json lists no recordings")?;
    let mut cases = Vec::new();
    for entry in listed {
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        let (Some(path), Some(id)) = (entry["path"].as_str(), entry["record_id"].as_str()) else {
            continue;
        };
        let path = root.join(path);
        if !name.contains(&arguments.only) || !path.exists() {
            continue;
        }
        let seconds = entry["duration_s"].as_f64().unwrap_or(10.0);
        if entry["formats"].as_array().is_some_and(Vec::is_empty) {
            cases.push(Case::of(&name, id, Expected::Refused));
            continue;
        }
        let case = match name.strip_prefix("broken/") {
            Some(fault) => broken(site, &path, fault, id)?,
            None => whole(site, &path, &name, id, seconds)?,
        };
        cases.push(case);
    }
    for bench in folders_in(root)?
        .iter()
        .filter(|path| name_of(path).starts_with("bench-"))
    {
        for path in folders_in(bench)?
            .iter()
            .filter(|_| name_of(bench).contains(&arguments.only))
        {
            let metadata = Metadata::read(&path.join("metadata.xml"))?;
            let ms = metadata.playback.first().and_then(|p| p.duration_ms);
            let seconds = ms.context("a recording for speed without a duration")? as f64 / 1000.0;
            cases.push(whole(site, path, &name_of(bench), &name_of(path), seconds)?);
        }
    }
    ensure!(!cases.is_empty(), "no recording to check");
    Ok(cases)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn whole(site: &Site, path: &Path, name: &str, id: &str, seconds: f64) -> Result<Case> {
    let presentation = path.parent().context("a recording without a parent")?;
    let state = presentation
        .parent()
        .context("a recording without a state")?;
    let mut formats = Vec::new();
    if presentation
        .file_name()
        .is_some_and(|n| n == "presentation")
    {
        for format in fs::read_dir(state)? {
            let format = format?;
            let folder = format.path().join(id);
            if folder.join("metadata.xml").is_file() {
                let format = format.file_name().to_string_lossy().into_owned();
                copy(&folder, &site.node.folder(&format, id))?;
                formats.push(format);
            }
        }
        let events = state
            .parent()
            .map(|var| var.join("recording/raw").join(id).join("events.xml"));
        if let Some(events) = events.filter(|path| path.is_file()) {
            let to = site.node.events_xml(id);
            fs::create_dir_all(to.parent().context("no folder for events.xml")?)?;
            fs::copy(events, to)?;
        }
    } else {
        copy(path, &site.node.folder("presentation", id))?;
        formats.push("presentation".to_owned());
    }
    formats.sort();
    Ok(Case {
        name: name.to_owned(),
        record_id: id.to_owned(),
        formats,
        seconds,
        expected: Expected::Video,
        complaint: String::new(),
    })
}

fn broken(site: &Site, path: &Path, fault: &str, id: &str) -> Result<Case> {
    let hash: String = Sha1::digest(fault.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let own_id = format!("{hash}-1640080000000");
    let folder = site.node.folder("presentation", &own_id);
    if path.extension().is_some_and(|e| e == "tar") {
        let unpacked = tempfile::tempdir()?;
        Finished::of(
            Command::new("tar")
                .arg("-xf")
                .arg(path)
                .arg("-C")
                .arg(unpacked.path()),
        )
        .success();
        let metadata = walkdir::WalkDir::new(unpacked.path())
            .into_iter()
            .flatten()
            .find(|entry| entry.file_name() == "metadata.xml")
            .context("no metadata.xml in the tar")?;
        copy(
            metadata.path().parent().context("no folder in the tar")?,
            &folder,
        )?;
    } else {
        copy(path, &folder)?;
    }
    if let Ok(metadata) = fs::read_to_string(folder.join("metadata.xml")) {
        fs::write(folder.join("metadata.xml"), metadata.replace(id, &own_id))?;
    }
    let expected = match fault {
        "truncated-metadata" | "no-metadata" => Expected::Named("metadata.xml"),
        "no-shapes" | "truncated-shapes" => Expected::VideoOrReason("shapes.svg"),
        "zero-byte-media" => Expected::VideoOrReason("audio"),
        "truncated-tldraw" => Expected::VideoOrReason("tldraw.json"),
        "entities" => Expected::VideoOrReason(".xml"),
        _ => Expected::Video,
    };
    let formats = vec!["presentation".to_owned()];
    Ok(Case {
        name: format!("broken/{fault}"),
        record_id: own_id,
        formats,
        seconds: 10.0,
        expected,
        complaint: String::new(),
    })
}

/// A copy that may be written to, links kept as links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("no folder to copy to")?)?;
    Finished::of(
        Command::new("cp")
            .args(["-a", "--no-preserve=mode,ownership"])
            .arg(from)
            .arg(to),
    )
    .success();
    Ok(())
}

/// Calls the post-publish script for every format, and keeps what it complains of.
fn publish(site: &Site, case: &mut Case) {
    for format in &case.formats {
        let script = site.script(&["-m", &case.record_id, "-f", format]);
        case.complaint.push_str(&script.all());
    }
}

fn judge(site: &Site, case: &Case, deadline: Instant) -> Result<String> {
    if case.expected == Expected::Refused {
        let hook = site.hook(["publish", "-m", &case.record_id]);
        ensure!(
            hook.code == Some(2) && hook.stderr.contains(&case.record_id),
            "the hook should refuse it: {}",
            hook.all()
        );
        return Ok("never published, and refused".to_owned());
    }
    let complaint = case.complaint.trim();
    if let Expected::Named(file) = case.expected
        && complaint.contains(file)
    {
        return Ok(format!("the hook says: {complaint}"));
    }
    ensure!(complaint.is_empty(), "the hook complains: {complaint}");
    let id = &case.record_id;
    let stage = loop {
        match site.stage(id).as_deref() {
            Some(stage @ ("done" | "failed")) => break stage.to_owned(),
            stage if Instant::now() > deadline => {
                bail!(
                    "still at {stage:?}; hook: {}; story: {}",
                    site.hook(["status"]).all(),
                    site.story(id)
                )
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    for format in &case.formats {
        same_files(
            &site.node.folder(format, id),
            &site
                .path("receiver/archive/published")
                .join(format)
                .join(id),
        )?;
    }
    if stage == "failed" {
        let story = site.story(id);
        return match case.expected {
            Expected::VideoOrReason(file) | Expected::Named(file) if story.contains(file) => {
                Ok(format!("no video, and the reason names {file}"))
            }
            _ => bail!("failed: {story}"),
        };
    }
    if let Expected::Named(file) = case.expected {
        let story = site.story(id);
        ensure!(
            story.contains(file),
            "the story does not name {file}: {story}"
        );
    }
    let video = site.path("receiver/media").join(id).join("video-0.mp4");
    let seconds = length(&video)?;
    ensure!(
        (seconds - case.seconds).abs() < 1.0,
        "the video is {seconds} s long instead of {} s",
        case.seconds
    );
    Ok(format!("{seconds:.1} s of video"))
}

/// Whether the archive has what the node published; links may have been left out.
fn same_files(node: &Path, archive: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(node) {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.path().strip_prefix(node)?;
        let archived = archive.join(name);
        ensure!(
            contents(entry.path())? == contents(&archived)?,
            "{} differs in the archive",
            name.display()
        );
    }
    Ok(())
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .with_context(|| format!("cannot open {}", path.display()))?
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn length(video: &Path) -> Result<f64> {
    let mut probe = Command::new("ffprobe");
    probe
        .args([
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
        ])
        .arg(video);
    let said = Finished::of(&mut probe).success();
    said.trim()
        .parse()
        .with_context(|| format!("ffprobe says {said:?}"))
}
