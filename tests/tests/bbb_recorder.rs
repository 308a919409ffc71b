//! The entry that Pod calls instead of bbb-recorder's: `node export.js URL FILE`, as Pod calls it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use support::harness::{Finished, program, source_root};
use support::playback::PlaybackServer;
use support::samples::{Generation, Node, Recording};
use tempfile::TempDir;

const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

/// A copy of the plugin with a converter that notes how it was called and writes its calls as the
/// film, and the folder that Pod expects videos in.
struct Plugin {
    scratch: TempDir,
}

impl Plugin {
    fn new(env: &str) -> Plugin {
        let scratch = tempfile::tempdir().unwrap();
        let plugin = Plugin { scratch };
        fs::create_dir_all(plugin.path("plugin")).unwrap();
        fs::create_dir_all(plugin.path("media/logs")).unwrap();
        let script = source_root().join("packaging/bbb-recorder/export.js");
        fs::copy(script, plugin.path("plugin/export.js")).unwrap();
        let converter = plugin.path("converter");
        let stub = "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/calls\"\n\
                    [ ! -e \"$(dirname \"$0\")/fails\" ] || exit \"$(cat \"$(dirname \"$0\")/fails\")\"\n\
                    while [ \"$1\" != --output ]; do shift; done; echo film >\"$2\"\n";
        fs::write(&converter, stub).unwrap();
        fs::set_permissions(&converter, fs::Permissions::from_mode(0o755)).unwrap();
        let env = format!("receiver = '{}'\n{env}\n", converter.display());
        fs::write(plugin.path("plugin/.env"), env).unwrap();
        plugin
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.scratch.path().join(relative)
    }

    /// As Pod does: by a shell, in the plugin's folder, the output into a log.
    fn export(&self, arguments: &str) -> (Option<i32>, String) {
        let log = self.path("media/logs/x.log");
        let line = format!(
            "cd {}; node export.js {arguments} > {} 2>&1 < /dev/null",
            self.path("plugin").display(),
            log.display()
        );
        let done = Finished::of(Command::new("sh").args(["-c", &line]));
        (done.code, fs::read_to_string(log).unwrap())
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

#[test]
fn arguments_mean_what_they_mean_to_bbb_recorder() {
    let old = format!(
        "'https://bbb.univ.example/playback/presentation/2.0/playback.html?meetingId={ID}'"
    );
    let new = format!("https://bbb.univ.example/playback/presentation/2.3/{ID}");
    let slash = format!("'{new}/?meetingId={ID}/'");
    for (arguments, video, range) in [
        (format!("{old} 17.mp4"), "17.mp4".to_owned(), ""),
        (format!("{new} 17.mp4 0 false"), "17.mp4".into(), ""),
        (format!("{slash} 17.mp4 90"), "17.mp4".into(), " --end 90"),
        (format!("{new} 17.webm 0 true"), "17.mp4".into(), ""),
        (
            format!("{old} MEETING_ID 5 true"),
            format!("{ID}.mp4"),
            " --end 5",
        ),
    ] {
        let plugin = Plugin::new("");
        let (code, log) = plugin.export(&arguments);
        assert_eq!(code, Some(0), "{arguments}: {log}");
        // Beside the folder of the log, which Pod's shell line names.
        assert_eq!(
            fs::read_to_string(plugin.path("media").join(&video)).unwrap(),
            "film\n"
        );
        let media = plugin.path("media");
        let output = media.join(format!(".{video}.bbb2pod.mp4"));
        let url = arguments.split(' ').next().unwrap().trim_matches('\'');
        let expected = format!("convert {url} --output {}{range}\n", output.display());
        assert_eq!(plugin.calls(), expected);
        assert!(!output.exists());
    }
}

#[test]
fn settings_stand_in_env() {
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("videos");
    let env = format!(
        "copyToPath={}\nplaybackFile=playback.html\noptions=--height 1080",
        folder.display()
    );
    let plugin = Plugin::new(&env);
    let (code, log) = plugin.export(&format!(
        "https://b.example/playback/presentation/2.3/{ID} 1.mp4"
    ));
    assert_eq!(code, Some(0), "{log}");
    assert!(folder.join("1.mp4").is_file());
    assert!(
        plugin.calls().ends_with(" --height 1080\n"),
        "{}",
        plugin.calls()
    );
}

#[test]
fn failures_have_bbb_recorders_exit_codes_and_say_why() {
    let url = format!("https://b.example/playback/presentation/2.3/{ID}");
    for (arguments, converter, code, words) in [
        (String::new(), "", 1, "URL undefined!"),
        (
            "https://b.example/playback/video/x/".into(),
            "",
            1,
            "Invalid recording URL!",
        ),
        (
            "file:///playback/presentation/2.3/x".into(),
            "",
            1,
            "Invalid recording URL!",
        ),
        (format!("{url} ../x.webm"), "", 1, "Invalid file name!"),
        (
            format!("{url} x.webm 1.5"),
            "",
            1,
            "Duration must be a natural number!",
        ),
        (
            format!("{url} x.webm 1 yes"),
            "",
            1,
            "Invalid convert value!",
        ),
        (
            format!("{url} x.webm"),
            "3",
            2,
            "Recording URL unreachable!",
        ),
        (format!("{url} x.webm"), "2", 1, "did not make"),
    ] {
        let plugin = Plugin::new("");
        if !converter.is_empty() {
            fs::write(plugin.path("fails"), converter).unwrap();
        }
        let (got, log) = plugin.export(&arguments);
        assert_eq!(got, Some(code), "{arguments}: {log}");
        assert!(log.contains(words), "{arguments}: {log}");
        assert_eq!(converter.is_empty(), plugin.calls().is_empty());
        let left = fs::read_dir(plugin.path("media")).unwrap().count();
        assert_eq!(left, 1, "only the folder of the logs");
    }
}

#[test]
fn a_missing_converter_is_told() {
    let plugin = Plugin::new("receiver=/nowhere/bbb2pod-receiver");
    let url = format!("https://b.example/playback/presentation/2.3/{ID}");
    let (code, log) = plugin.export(&format!("{url} x.webm"));
    assert_eq!(code, Some(1));
    assert!(
        log.contains("install bbb2pod-receiver on this machine"),
        "{log}"
    );
}

/// The real converter, from a recording's playback page to the file that Pod waits for.
#[test]
fn a_playback_page_becomes_the_file_that_pod_waits_for() {
    let scratch = tempfile::tempdir().unwrap();
    let node = Node::create(scratch.path().join("node"), Generation::V2_4).unwrap();
    let id = node.add(&Recording::tiny()).unwrap();
    let server = PlaybackServer::start(&node.published_dir());
    let receiver = format!("receiver={}", program("bbb2pod-receiver").display());
    let plugin = Plugin::new(&format!("{receiver}\noptions=--height 360"));
    for (file, format) in [("17.webm", "matroska"), ("17.mp4", "mp4")] {
        let url = server.url(&format!("/playback/presentation/2.3/{id}"));
        let (code, log) = plugin.export(&format!("{url} {file} 3"));
        assert_eq!(code, Some(0), "{log}");
        let probed = Finished::of(
            Command::new("ffprobe")
                .args([
                    "-v",
                    "error",
                    "-show_entries",
                    "format=format_name,duration:stream=codec_type",
                ])
                .args(["-of", "default=nokey=1:noprint_wrappers=1"])
                .arg(plugin.path("media").join(file)),
        )
        .success();
        assert!(probed.contains(format), "{probed}");
        assert!(
            probed.contains("video") && probed.contains("audio"),
            "{probed}"
        );
        let seconds = probed
            .lines()
            .find_map(|line| line.parse::<f64>().ok())
            .unwrap();
        assert!((2.5..3.5).contains(&seconds), "{probed}");
    }
    let gone = server
        .url("/playback/presentation/2.3/0000000000000000000000000000000000000000-1600000000000");
    let (code, log) = plugin.export(&format!("{gone} 18.webm"));
    assert_eq!(code, Some(1), "{log}");
    let nobody = format!("http://127.0.0.1:1/playback/presentation/2.3/{id}");
    let (code, log) = plugin.export(&format!("{nobody} 18.webm"));
    assert_eq!(code, Some(2), "{log}");
}
