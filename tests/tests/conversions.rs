//! `convert` by itself: from a folder, a package and a server; killed, stopped, without room, and
//! with input that means harm.

#![allow(clippy::unwrap_used, reason = "a test stops where a surprise happens")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::harness::{Finished, Running, eventually, free_port, program};
use support::playback::{Misbehaviour, PlaybackServer};
use support::samples::{Generation, Node, Recording};

const LONG: Duration = Duration::from_secs(90);

/// One short lecture with everything, made once; and a long one without films.
struct Samples {
    dir: tempfile::TempDir,
    short: PathBuf,
    long: PathBuf,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::create(dir.path().join("node"), Generation::V2_4).unwrap();
        let short = node.add(&Recording::lecture().seconds(6)).unwrap();
        let long = Recording::lecture().seconds(640).seed(2).audio_only();
        let long = node.add(&long).unwrap();
        Samples {
            short: node.folder("presentation", &short),
            long: node.folder("presentation", &long),
            dir,
        }
    })
}

fn convert(source: impl AsRef<std::ffi::OsStr>, more: &[&str]) -> Command {
    let mut command = Command::new(program("bbb2pod-receiver"));
    command.arg("convert").arg(source.as_ref()).args(more);
    // Whoever runs the tests may have a proxy; the server is on this machine.
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn events(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn tar_of(folder: &Path, tar: &Path) {
    let mut command = Command::new("tar");
    let published = folder.parent().and_then(Path::parent).unwrap();
    let inside = folder.strip_prefix(published).unwrap();
    Finished::of(
        command
            .arg("-cf")
            .arg(tar)
            .arg("-C")
            .arg(published)
            .arg(inside),
    )
    .success();
}

/// A package as the hook makes them, with its manifest.
fn package_of(folder: &Path, tar: &Path) {
    let published = folder.parent().and_then(Path::parent).unwrap();
    let about = recording::package::About {
        record_id: folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap(),
        format: "presentation".parse().unwrap(),
        node: "bbb1".into(),
        hook_version: "0".into(),
        published_at: jiff::Timestamp::UNIX_EPOCH,
        events_xml: None,
    };
    let manifest = recording::package::gather(published, &about).unwrap();
    let package = recording::Package::new(published, manifest).unwrap();
    std::io::copy(&mut package.reader(0), &mut File::create(tar).unwrap()).unwrap();
}

fn server_of(folder: &Path) -> (PlaybackServer, String) {
    let published = folder.parent().and_then(Path::parent).unwrap();
    let id = folder.file_name().unwrap().to_string_lossy();
    let server = PlaybackServer::start(published);
    let page = server.url(&format!(
        "/playback/presentation/2.0/playback.html?meetingId={id}"
    ));
    (server, page)
}

#[test]
fn every_kind_of_source_gives_the_same() {
    let folder = &samples().short;
    let dir = tempfile::tempdir().unwrap();
    let (plain, package) = (dir.path().join("plain.tar"), dir.path().join("package.tar"));
    tar_of(folder, &plain);
    package_of(folder, &package);
    let (_server, page) = server_of(folder);
    let sources: [PathBuf; 4] = [folder.clone(), plain, package, page.into()];
    let seen = sources.map(|source| {
        let frames = dir.path().join("frames");
        let wanted = ["--layout", "presentation-only", "--at", "1.5,4", "--frames"];
        Finished::of(convert(&source, &wanted).arg(&frames)).success();
        let pictures: Vec<Vec<u8>> = names_in(&frames)
            .iter()
            .map(|name| fs::read(frames.join(name)).unwrap())
            .collect();
        assert_eq!(pictures.len(), 2, "{}", source.display());
        fs::remove_dir_all(&frames).unwrap();
        let explained = Finished::of(&mut convert(&source, &["--explain", "1.5"])).success();
        (pictures, explained)
    });
    assert!(seen[0].1.contains("\"slide\""), "{}", seen[0].1);
    for other in &seen[1..] {
        assert!(*other == seen[0], "{} and {}", other.1, seen[0].1);
    }
    assert_eq!(names_in(dir.path()), ["package.tar", "plain.tar"]);
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let folder = &samples().short;
    let dir = tempfile::tempdir().unwrap();
    let (server, page) = server_of(folder);
    server.next("webcams.webm", &[Misbehaviour::Stall(20_000)]);
    let out = dir.path().join("out.mp4");
    let log = dir.path().join("log");
    let more = ["--json", "--sheet", "sheet.png", "-o"];
    let running = Running::start(convert(&page, &more).arg(&out).current_dir(&dir), &log);
    let partial = dir.path().join(".out.mp4.work/.bbb2pod-source/partial");
    eventually("the webcams are half there", LONG, || {
        names_in(&partial)
            .iter()
            .any(|name| fs::metadata(partial.join(name)).is_ok_and(|m| m.len() == 20_000))
            .then_some(())
    });
    running.kill();
    server.asked();

    let said = Finished::of(convert(&page, &more).arg(&out).current_dir(&dir)).success();
    let asked = server.asked();
    let webcams = asked
        .iter()
        .filter(|asked| asked.path.ends_with("webcams.webm"));
    assert_eq!(
        webcams.map(|asked| asked.from).collect::<Vec<_>>(),
        [Some(20_000)]
    );
    let events = events(&said);
    assert!(
        events.iter().any(|event| event["stage"] == "downloading"),
        "{said}"
    );
    let last = events.last().unwrap();
    assert_eq!(last["event"], "done");
    assert_eq!(last["duration"], 6000);
    fs::remove_file(log).unwrap();
    assert_eq!(names_in(dir.path()), ["out.mp4", "sheet.png"]);
}

#[test]
fn sources_that_cannot_be_used_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let said = |source: &str, code: i32| {
        let said = Finished::of(convert(source, &["-o"]).arg(&out)).failure(code);
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    let nobody = format!(
        "http://127.0.0.1:{}/playback/presentation/2.3/a-1",
        free_port()
    );
    assert!(said(&nobody, 3).contains("cannot be reached"));

    let server = PlaybackServer::start(dir.path());
    let page = server.url("/playback/presentation/2.3/a-1");
    assert!(said(&page, 2).contains("no such recording"));
    server.next("metadata.xml", &[Misbehaviour::Page("text/html")]);
    assert!(said(&page, 2).contains("web page"));
    assert!(said(&server.url("/playback/video/a-1/"), 2).contains("format \"video\""));

    let video = dir.path().join("video");
    fs::create_dir(&video).unwrap();
    let metadata = "<recording><id>a-1</id><playback><format>video</format></playback></recording>";
    fs::write(video.join("metadata.xml"), metadata).unwrap();
    assert!(said(video.to_str().unwrap(), 2).contains("format \"video\""));
    fs::remove_dir_all(&video).unwrap();

    let evil = dir.path().join("evil.tar");
    let mut tar = tar::Builder::new(File::create(&evil).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "presentation/a-1/shapes.svg", "/etc/passwd")
        .unwrap();
    tar.finish().unwrap();
    assert!(said(evil.to_str().unwrap(), 2).contains("no metadata.xml"));
    fs::write(&evil, "no tar").unwrap();
    assert!(said(evil.to_str().unwrap(), 2).contains("evil.tar"));
    assert_eq!(names_in(dir.path()), ["evil.tar"]);
}

#[test]
fn a_killed_conversion_leaves_no_process_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let log = dir.path().join("log");
    let one_at_once = ["--threads", "1", "--json", "-o"];
    let mut running = Running::start(convert(&samples().long, &one_at_once).arg(&out), &log);
    let work = dir.path().join(".out.mp4.work");
    eventually("a part is finished", LONG, || {
        work.join("segment-00000.mp4").exists().then_some(())
    });
    // Not by the harness, which would end the children too.
    let pid = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    eventually("it is gone", LONG, || running.ended());
    let ours = dir.path().to_string_lossy().into_owned();
    eventually("ffmpeg is gone", Duration::from_secs(5), || {
        (!commands_running()
            .iter()
            .any(|command| command.contains(&ours)))
        .then_some(())
    });
    let first = fs::metadata(work.join("segment-00000.mp4")).unwrap().len();
    assert!(first > 0 && !out.exists());

    let said = Finished::of(convert(&samples().long, &one_at_once).arg(&out)).success();
    let done: Vec<u64> = events(&said)
        .iter()
        .filter_map(|event| event["done_ms"].as_u64())
        .filter(|done| *done > 0)
        .collect();
    assert!(done[0] >= 200_000, "it began anew: {done:?}");
    fs::remove_file(log).unwrap();
    assert_eq!(names_in(dir.path()), ["out.mp4"]);
}

/// The command lines of all processes.
fn commands_running() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

#[test]
fn a_terminated_conversion_says_that_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let log = dir.path().join("log");
    let mut running = Running::start(convert(&samples().long, &["-o"]).arg(&out), &log);
    let work = dir.path().join(".out.mp4.work");
    eventually("it has begun", LONG, || {
        assert!(running.ended().is_none(), "{}", running.log());
        names_in(&work)
            .iter()
            .any(|name| name.starts_with("segment-"))
            .then_some(())
    });
    let status = running.terminate(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1));
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("goes on from the last finished part"),
        "{said}"
    );
    assert_eq!(names_in(dir.path()), [".out.mp4.work", "log"]);
}

#[test]
fn a_full_disk_keeps_what_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(&disk);
        Finished::of(&mut mount).code == Some(0)
    };
    if !mount("size=2m") {
        eprintln!("not tried: only root may mount a small disk");
        return;
    }
    let _unmounted_at_the_end = Unmount(disk.clone());
    let out = disk.join("out.mp4");
    let said = Finished::of(convert(&samples().long, &["-o"]).arg(&out)).failure(1);
    assert!(
        said.contains("no space left") && said.contains("goes on"),
        "{said}"
    );
    assert_eq!(names_in(&disk), [".out.mp4.work"]);
    assert!(mount("remount,size=64m"));
    Finished::of(convert(&samples().long, &["-o"]).arg(&out)).success();
    assert_eq!(names_in(&disk), ["out.mp4"]);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        Finished::of(Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[test]
fn ffmpeg_and_fonts_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let with_path = |path: &Path| {
        let mut command = convert(&samples().short, &["-o"]);
        Finished::of(command.arg(&out).env("PATH", path))
    };
    let said = with_path(Path::new("/none")).failure(1);
    assert!(said.contains("install the package ffmpeg"), "{said}");

    let old = dir.path().join("bin");
    fs::create_dir(&old).unwrap();
    for name in ["ffmpeg", "ffprobe"] {
        fs::write(
            old.join(name),
            "#!/bin/sh\necho ffmpeg version 3.4.11-0ubuntu0.1\n",
        )
        .unwrap();
        fs::set_permissions(old.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let said = with_path(&old).failure(1);
    assert!(said.contains("3.4.11") && said.contains("4.3"), "{said}");

    let fonts = dir.path().join(".fonts");
    fs::create_dir(&fonts).unwrap();
    fs::write(fonts.join("Broken.ttf"), "<html>").unwrap();
    let wanted = ["--layout", "presentation-only", "--at", "1", "--frames"];
    let frames = dir.path().join("frames");
    let mut command = convert(&samples().short, &wanted);
    let finished = Finished::of(command.arg(frames).env("HOME", dir.path()));
    assert!(
        finished.stderr.contains("Broken.ttf: not a font"),
        "{}",
        finished.stderr
    );
    finished.success();
}

/// Everything in a recording that may name a file or an address names one that must not be
/// touched, in every way that the files allow.
#[test]
fn nothing_outside_the_folder_is_read_and_nobody_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/x", listener.local_addr().unwrap());
    let secret = dir.path().join("secret.png");
    let slide = samples().short.join("presentation");
    let slide = walk(&slide)
        .into_iter()
        .find(|path| path.ends_with("slide-1.png"));
    fs::copy(slide.unwrap(), &secret).unwrap();

    let folder = dir.path().join("recording");
    Finished::of(
        Command::new("cp")
            .arg("-r")
            .arg(&samples().short)
            .arg(&folder),
    )
    .success();
    let outside = secret.display().to_string();
    let picture = |href: &str| format!(r#"<image xlink:href="{href}" width="99" height="99"/>"#);
    let hrefs = [
        address.as_str(),
        &outside,
        &format!("file://{outside}"),
        "../secret.png",
        "presentation/%2e%2e/%2e%2e/secret.png",
        "&secret;",
        "link.png",
    ];
    let head = format!(
        r#"<?xml version="1.0"?><!DOCTYPE svg SYSTEM "{address}" [<!ENTITY secret SYSTEM "file://{outside}"><!ENTITY net SYSTEM "{address}">]>"#
    );
    let spaces = r#"xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink""#;
    let inner: String = hrefs.iter().map(|href| picture(href)).collect();
    let style =
        format!(r#"<style>@import url({address}); @font-face {{src: url({address})}}</style>"#);
    let slide = format!(
        r#"{head}<svg {spaces} width="800" height="600">{style}{inner}<text>&net;</text><rect width="9" height="9" fill="url({address})"/></svg>"#
    );
    fs::write(folder.join("presentation/evil.svg"), slide).unwrap();
    std::os::unix::fs::symlink(&secret, folder.join("link.png")).unwrap();
    let mut shapes = format!("{head}<svg {spaces}>");
    for (n, href) in hrefs.iter().chain(&["presentation/evil.svg"]).enumerate() {
        let at = n as f64 / 2.0;
        shapes += &format!(
            r#"<image id="image{n}" class="slide" in="{at}" out="9" xlink:href="{href}" width="800" height="600"/>
            <g class="canvas" image="image{n}"><g class="shape" id="s{n}" timestamp="{at}" undo="-1" shape="image{n}-poll1" style="fill:url({address})">{}</g></g>"#,
            picture(href)
        );
    }
    fs::write(folder.join("shapes.svg"), shapes + "</svg>").unwrap();
    fs::write(
        folder.join("panzooms.xml"),
        format!("{head}<recording>&net;</recording>"),
    )
    .unwrap();
    let playlist = format!("#EXTM3U\n#EXTINF:9,\n{address}\n#EXTINF:9,\nfile://{outside}\n");
    let concat = format!("ffconcat version 1.0\nfile {address}\nfile '{outside}'\n");
    for (name, content) in [
        ("video/webcams.webm", playlist.as_str()),
        ("deskshare/deskshare.webm", &concat),
        ("caption_en.vtt", &playlist),
        (
            "captions.json",
            r#"[{"locale":"en"},{"locale":"../secret"}]"#,
        ),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }

    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let opened = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
    inotify::add_watch(&watch, &secret, opened).unwrap();
    let out = dir.path().join("out.mp4");
    Finished::of(convert(&folder, &["--subtitles", "tracks", "-o"]).arg(&out)).success();
    let frames = dir.path().join("frames");
    let wanted = [
        "--layout",
        "presentation-only",
        "--at",
        "0,0.5,1,1.5,2,2.5,3,3.5",
        "--frames",
    ];
    Finished::of(convert(&folder, &wanted).arg(&frames)).success();
    Finished::of(&mut convert(&folder, &["--explain", "3.5"])).success();

    let mut buffer = [std::mem::MaybeUninit::uninit(); 512];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    assert!(
        events.next().is_err(),
        "a file outside the recording was opened"
    );
    assert!(listener.accept().is_err(), "somebody was called");
    // The watch does see what happens.
    fs::read(&secret).unwrap();
    assert!(events.next().is_ok());
    assert!(samples().dir.path().exists());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    entries.map(walkdir::DirEntry::into_path).collect()
}
