//! Whole conversions of small recordings whose media ffmpeg makes on the spot.

#![allow(clippy::unwrap_used)]

mod recording;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use recording::{Recording, WEBCAMS, check_film, ffmpeg, near, onset, pixel, small};
use render::convert::{Halt, Options, convert};
use render::error::Error;
use render::geometry::Size;
use render::layout::Layout;
use render::media::Tools;
use render::time::Millis;
use render::timeline::Span;

#[test]
fn slides_and_webcams_are_where_and_when_they_should_be() {
    let recording = Recording::of_seconds(20);
    recording.slides(&[(0.0, "red"), (8.3, "lime")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i color=blue:s=64x48:r=15:d=20 -f lavfi -i sine=440:d=20 {WEBCAMS}"),
    );
    let report = recording.convert(&small()).unwrap();
    assert_eq!(report.warnings, []);
    assert_eq!(report.duration, Millis(20_000));
    let film = recording.output();
    check_film(&film, 20.0);
    assert!(near(pixel(&film, 8.1, 100, 100), [255, 0, 0]));
    assert!(near(pixel(&film, 8.35, 100, 100), [0, 255, 0]));
    assert!(near(pixel(&film, 15.0, 280, 20), [0, 0, 255]));
    assert!(near(pixel(&film, 15.0, 280, 150), [243, 246, 249]));
    assert_eq!(recording.left_over(), [""; 0]);
}

#[test]
fn flash_and_beep_stay_together() {
    let recording = Recording::of_seconds(40);
    let on = "between(mod(t\\,10)\\,5\\,5.3)";
    recording.media(
        "video/webcams.webm",
        &format!(
            "-f lavfi -i color=black:s=64x48:r=15:d=40,drawbox=c=white:t=fill:enable='{on}' \
             -f lavfi -i sine=1000:d=40:r=48000,volume=0:enable='not({on})' {WEBCAMS}"
        ),
    );
    recording.convert(&small()).unwrap();
    let film = recording.output();
    check_film(&film, 40.0);
    let light = ffmpeg("-i")
        .arg(&film)
        .args([
            "-vf",
            "fps=100,scale=1:1,format=gray",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()
        .unwrap()
        .stdout;
    let sound = ffmpeg("-i")
        .arg(&film)
        .args([
            "-af",
            "aresample=8000,volume=8,aeval=abs(val(0))",
            "-ac",
            "1",
        ])
        .args(["-f", "s8", "-c:a", "pcm_s8", "-"])
        .output()
        .unwrap()
        .stdout;
    for round in 0..4 {
        let from = f64::from(round) * 10.0 + 4.0;
        let flash = onset(&light, 100.0, from, 60);
        let beep = onset(&sound, 8000.0, from, 40);
        assert!((flash - from - 1.0).abs() < 0.04, "flash at {flash}");
        assert!((flash - beep).abs() < 0.04, "flash {flash}, beep {beep}");
    }
}

#[test]
fn part_of_a_recording() {
    let recording = Recording::of_seconds(30);
    recording
        .slides(&[(0.0, "red"), (12.0, "lime"), (16.0, "blue")])
        .media(
            "audio/audio.ogg",
            "-f lavfi -i sine=440:d=30 -c:a libvorbis",
        );
    let options = Options {
        range: Some(Span {
            start: Millis(10_000),
            end: Millis(18_500),
        }),
        ..small()
    };
    recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 8.5);
    assert!(near(pixel(&film, 1.8, 160, 90), [255, 0, 0]));
    assert!(near(pixel(&film, 2.1, 160, 90), [0, 255, 0]));
    assert!(near(pixel(&film, 8.0, 160, 90), [0, 0, 255]));
}

#[test]
fn share_takes_the_slides_place() {
    let recording = Recording::of_seconds(12);
    recording
        .slides(&[(0.0, "red")])
        .file(
            "deskshare.xml",
            "<recording id=\"deskshare_events\"><event start_timestamp=\"4.0\" \
             stop_timestamp=\"8.0\" video_width=\"720\" video_height=\"405\"/></recording>",
        )
        .media(
            "deskshare/deskshare.webm",
            &format!("-f lavfi -i color=yellow:s=64x36:r=5:d=12 {WEBCAMS}"),
        );
    let report = recording.convert(&small()).unwrap();
    let film = recording.output();
    check_film(&film, 12.0);
    for (at, colour) in [
        (3.8, [255, 0, 0]),
        (4.1, [255, 255, 0]),
        (7.8, [255, 255, 0]),
        (8.1, [255, 0, 0]),
    ] {
        let found = pixel(&film, at, 160, 90);
        assert!(near(found, colour), "{found:?} at {at}");
    }
    assert_eq!(report.warnings[0].what, "no sound");
}

#[test]
fn layouts_put_the_webcams_elsewhere() {
    let recording = Recording::of_seconds(4);
    recording.slides(&[(0.0, "red")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i color=blue:s=64x48:r=15:d=4 {WEBCAMS}"),
    );
    for (layout, x, y) in [
        (Layout::Webcams, 100, 90),
        (Layout::PictureInPicture, 290, 150),
    ] {
        recording.convert(&Options { layout, ..small() }).unwrap();
        let found = pixel(&recording.output(), 2.0, x, y);
        assert!(near(found, [0, 0, 255]), "{layout}: {found:?}");
    }
    let alone = Options {
        layout: Layout::PresentationOnly,
        ..small()
    };
    recording.convert(&alone).unwrap();
    for x in [50, 160, 270] {
        assert!(near(pixel(&recording.output(), 2.0, x, 90), [255, 0, 0]));
    }
}

#[test]
fn webcams_fill_the_frame_while_nothing_is_presented() {
    let recording = Recording::of_seconds(10);
    recording.slides(&[(6.0, "red")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i color=blue:s=64x48:r=15:d=10 {WEBCAMS}"),
    );
    recording.convert(&small()).unwrap();
    let film = recording.output();
    assert!(near(pixel(&film, 3.0, 160, 90), [0, 0, 255]));
    assert!(near(pixel(&film, 7.0, 100, 90), [255, 0, 0]));
}

#[test]
fn damaged_media_cost_a_warning_not_the_film() {
    let recording = Recording::of_seconds(10);
    recording.slides(&[(0.0, "red")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i testsrc=s=64x48:r=15:d=10 -f lavfi -i sine=440:d=10 {WEBCAMS}"),
    );
    let webcams = recording.path().join("video/webcams.webm");
    let whole = fs::read(&webcams).unwrap();

    fs::write(&webcams, &whole[..whole.len() / 2]).unwrap();
    let report = recording.convert(&small()).unwrap();
    check_film(&recording.output(), 10.0);
    assert!(
        report.warnings.iter().any(|w| w.what == "film cut short"
            && w.file.as_deref() == Some(Path::new("video/webcams.webm"))),
        "{:?}",
        report.warnings
    );
    assert!(
        report.warnings.iter().any(|w| w.what == "sound cut short"),
        "{:?}",
        report.warnings
    );

    let mut noise = whole.clone();
    for byte in noise.iter_mut().skip(3000).step_by(11) {
        *byte ^= 0x5A;
    }
    fs::write(&webcams, noise).unwrap();
    recording.convert(&small()).unwrap();
    check_film(&recording.output(), 10.0);

    for useless in ["", "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/x.ts\n"] {
        fs::write(&webcams, useless).unwrap();
        let report = recording.convert(&small()).unwrap();
        check_film(&recording.output(), 10.0);
        let named = |what: &str| report.warnings.iter().any(|w| w.what == what);
        assert!(
            named("media not used") && named("no sound"),
            "{:?}",
            report.warnings
        );
    }
}

#[test]
fn bad_input_is_told_apart_from_bad_luck() {
    let recording = Recording::of_seconds(0);
    recording.slides(&[(0.0, "red")]);
    let error = recording.convert(&small()).unwrap_err();
    assert!(matches!(error, Error::NoLength { .. }), "{error}");
    assert!(!error.is_transient());

    let mut options = small();
    options.tools.ffmpeg = "/none/ffmpeg".into();
    let error = recording.convert(&options).unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("/none/ffmpeg"),
        "{error}"
    );

    let odd = Options {
        size: Size {
            width: 321,
            height: 180,
        },
        ..small()
    };
    assert!(matches!(
        recording.convert(&odd),
        Err(Error::BadOption { .. })
    ));

    let recording = Recording::of_seconds(5);
    recording.slides(&[(0.0, "red")]);
    let late = Options {
        range: Some(Span {
            start: Millis(6_000),
            end: Millis(9_000),
        }),
        ..small()
    };
    assert!(matches!(
        recording.convert(&late),
        Err(Error::BadOption { .. })
    ));
    assert_eq!(recording.left_over(), [""; 0]);
}

#[test]
fn a_program_that_makes_no_progress_is_given_up() {
    use std::os::unix::fs::PermissionsExt as _;
    let recording = Recording::of_seconds(20);
    recording.slides(&[(0.0, "red")]);
    let stuck = recording.dir.path().join("stuck");
    let script = "#!/bin/sh\ncase \"$*\" in *-version*) exec ffmpeg -version;; esac\n\
                  echo a last word >&2\nexec sleep 600\n";
    fs::write(&stuck, script).unwrap();
    fs::set_permissions(&stuck, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = small();
    options.tools.ffmpeg.clone_from(&stuck);
    options.patience = Duration::from_millis(500);
    let began = Instant::now();
    let error = recording.convert(&options).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30));
    let said = error.to_string();
    assert!(
        error.is_transient() && said.contains("no progress"),
        "{said}"
    );
    assert!(said.contains("a last word"), "{said}");

    let recording = recording.media("audio/audio.webm", "-f lavfi -i sine=d=1 -c:a libopus");
    let options = Options {
        tools: Tools {
            ffprobe: stuck,
            ..Tools::default()
        },
        ..options
    };
    let said = recording.convert(&options).unwrap_err().to_string();
    assert!(said.contains("no progress"), "{said}");
}

#[test]
fn stopped_conversion_goes_on_where_it_was() {
    let recording = Recording::of_seconds(120);
    recording.slides(&[(0.0, "red"), (60.0, "lime")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i testsrc=s=64x48:r=15:d=120 {WEBCAMS}"),
    );
    let options = Options {
        threads: Some(1),
        ..small()
    };
    let options = Options {
        longest_segment: Millis(20_000),
        ..options
    };
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let stopped = convert(
        &recording.path(),
        &recording.output(),
        &options,
        &|progress| {
            if progress.done > Millis(50_000) {
                stop.store(true, Ordering::Relaxed);
            }
        },
        &stop,
    );
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(!recording.output().exists());
    assert_eq!(recording.left_over(), [".out.mp4.work"]);
    let work = recording.dir.path().join(".out.mp4.work");
    let kept = || {
        fs::read_dir(&work)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("segment-") && name.ends_with(".mp4"))
            .count()
    };
    let at_once = kept();
    assert!(at_once >= 2, "{at_once} segments kept");

    // Asked to stop soon, it finishes the segment that is under way.
    let (now, soon) = (AtomicBool::new(false), AtomicBool::new(false));
    let stopped = convert(
        &recording.path(),
        &recording.output(),
        &options,
        &|_| soon.store(true, Ordering::Relaxed),
        Halt {
            now: &now,
            soon: Some(&soon),
        },
    );
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert!((at_once..6).contains(&kept()), "{} segments", kept());

    let first = std::sync::Mutex::new(None);
    convert(
        &recording.path(),
        &recording.output(),
        &options,
        &|progress| {
            first.lock().unwrap().get_or_insert(progress.done);
        },
        &AtomicBool::new(false),
    )
    .unwrap();
    check_film(&recording.output(), 120.0);
    assert!(near(
        pixel(&recording.output(), 59.0, 100, 100),
        [255, 0, 0]
    ));
    assert!(near(
        pixel(&recording.output(), 61.0, 100, 100),
        [0, 255, 0]
    ));
    assert_eq!(recording.left_over(), [""; 0]);
}
