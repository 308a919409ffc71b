//! What films are made of: codecs, sound, languages, chapters, captions.

#![allow(clippy::unwrap_used)]

mod recording;

use recording::{
    Recording, WEBCAMS, check_film, check_times, ffmpeg, near, onset, pixel, probed, said, small,
};
use render::convert::Options;
use render::error::Error;
use render::options::{AudioCoding, Codec, EBU_R128, Subtitles};
use render::time::Millis;
use render::timeline::Span;

fn part(start: u64, end: u64) -> Option<Span> {
    Some(Span {
        start: Millis(start),
        end: Millis(end),
    })
}

#[test]
fn every_codec_is_joined_with_its_times() {
    let recording = Recording::of_seconds(24);
    recording
        .slides(&[(0.0, "red"), (3.3, "lime"), (18.0, "yellow")])
        .media(
            "video/webcams.webm",
            &format!("-f lavfi -i color=blue:s=64x48:r=15:d=9 -f lavfi -i sine=440:d=24 {WEBCAMS}"),
        );
    for (codec, name) in [(Codec::Av1, "av1"), (Codec::Vp9, "vp9")] {
        let options = Options {
            codec,
            longest_segment: Millis(8_000),
            ..small()
        };
        recording.convert(&options).unwrap();
        let film = recording.output();
        let kinds = probed(&film, "-show_entries stream=codec_name,pix_fmt");
        assert!(
            kinds.starts_with(&format!("{name},yuv420p\naac")),
            "{kinds}"
        );
        check_times(&film, 24.0);
        for (at, colour) in [
            (3.2, [255, 0, 0]),
            (3.4, [0, 255, 0]),
            (17.9, [0, 255, 0]),
            (18.1, [255, 255, 0]),
        ] {
            let found = pixel(&film, at, 100, 100);
            assert!(near(found, colour), "{name}: {found:?} at {at}");
        }
        let keys = probed(
            &film,
            "-select_streams v -show_entries packet=pts_time,flags",
        );
        let keys = keys.lines().filter(|line| line.contains(",K")).count();
        assert!((3..=6).contains(&keys), "{name}: {keys} key frames");
    }
}

/// When the first beep after an instant is heard, in seconds.
fn beep(film: &std::path::Path, after: f64) -> f64 {
    let sound = ffmpeg("-i")
        .arg(film)
        .args([
            "-af",
            "aresample=8000:async=1:first_pts=0,volume=8,aeval=abs(val(0))",
        ])
        .args(["-ac", "1", "-f", "s8", "-c:a", "pcm_s8", "-"])
        .output()
        .unwrap();
    onset(&sound.stdout, 8000.0, after, 40)
}

const BEEPS: &str = "-f lavfi -i sine=1000:d=40:r=48000,volume=0:enable='lt(mod(t\\,10)\\,5)'";

#[test]
fn sound_is_copied_in_step() {
    let recording = Recording::of_seconds(40);
    recording.slides(&[(0.0, "red")]).media(
        "audio/audio.webm",
        &format!("{BEEPS} -c:a libopus -b:a 32k"),
    );
    let copy = Options {
        audio: AudioCoding::Copy,
        ..small()
    };
    let report = recording.convert(&copy).unwrap();
    assert_eq!(report.warnings, []);
    let film = recording.output();
    assert_eq!(
        probed(&film, "-select_streams a -show_entries stream=codec_name"),
        "opus"
    );
    check_times(&film, 40.0);
    for at in [5.0, 35.0] {
        let heard = beep(&film, at - 2.0);
        assert!((heard - at).abs() < 0.04, "{heard} instead of {at}");
    }
    let late = Options {
        range: part(12_300, 40_000),
        ..copy.clone()
    };
    recording.convert(&late).unwrap();
    check_times(&film, 27.7);
    let heard = beep(&film, 1.0);
    assert!((heard - 2.7).abs() < 0.04, "{heard}");

    let vorbis = Recording::of_seconds(4);
    vorbis
        .slides(&[(0.0, "red")])
        .media("audio/audio.ogg", "-f lavfi -i sine=440:d=4 -c:a libvorbis");
    let report = vorbis.convert(&copy).unwrap();
    assert_eq!(report.warnings[0].what, "sound encoded as AAC");
    check_film(&vorbis.output(), 4.0);
}

#[test]
fn holes_in_the_sound_keep_their_length() {
    let recording = Recording::of_seconds(40);
    recording.slides(&[(0.0, "red")]).media(
        "audio/audio.webm",
        &format!("{BEEPS} -af aselect='not(between(t\\,11\\,17.3))' -c:a libopus -b:a 32k"),
    );
    for audio in [AudioCoding::Aac, AudioCoding::Copy] {
        let options = Options { audio, ..small() };
        recording.convert(&options).unwrap();
        for at in [25.0, 35.0] {
            let heard = beep(&recording.output(), at - 2.0);
            assert!(
                (heard - at).abs() < 0.04,
                "{audio}: {heard} instead of {at}"
            );
        }
    }
}

#[test]
fn loudness_is_that_of_the_standard() {
    let recording = Recording::of_seconds(20);
    recording.slides(&[(0.0, "red")]).media(
        "audio/audio.webm",
        "-f lavfi -i sine=997:d=20:r=48000,volume=0.08,volume=10:enable='gt(t\\,12)' -c:a libopus",
    );
    let measured = |film: &std::path::Path| -> f64 {
        let output = ffmpeg("-i")
            .arg(film)
            .args([
                "-vn",
                "-af",
                "ebur128=metadata=1,ametadata=print:file=pipe\\\\:1",
            ])
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        let text = said(output);
        let last = text
            .lines()
            .rev()
            .find_map(|l| l.strip_prefix("lavfi.r128.I="));
        last.unwrap().parse().unwrap()
    };
    for (range, target) in [(None, EBU_R128), (None, -14.0), (part(0, 10_000), EBU_R128)] {
        let options = Options {
            loudness: Some(target),
            range,
            ..small()
        };
        recording.convert(&options).unwrap();
        let found = measured(&recording.output());
        assert!((found - target).abs() < 1.0, "{found} instead of {target}");
    }
    let both = Options {
        loudness: Some(EBU_R128),
        audio: AudioCoding::Copy,
        ..small()
    };
    assert!(matches!(
        recording.convert(&both),
        Err(Error::BadOption {
            option: "loudness",
            ..
        })
    ));
}

#[test]
fn chapters_captions_and_languages_are_in_the_film() {
    let recording = Recording::of_seconds(30);
    recording
        .slides(&[(0.0, "red"), (12.0, "lime"), (16.0, "blue")])
        .file(
            "presentation_text.json",
            r#"{"p": {"slide-0": "Suites = séries; #1\nx", "slide-1": "Limites"}}"#,
        )
        .file(
            "captions.json",
            r#"[{"locale": "fr", "localeName": "français"}, {"locale": "../x", "localeName": "x"},
                {"locale": "en-US"}]"#,
        )
        .file("caption_en-US.vtt", "WEBVTT\n\n00:12.000 --> 01:14.000\nHello\n")
        .file(
            "caption_fr.vtt",
            "WEBVTT\n\n00:00:08.000 --> 00:00:11.000\nBonjour\n\n00:00:18.000 --> 00:00:40.000\nFin\n",
        );
    let options = Options {
        language: Some("fr".parse().unwrap()),
        range: part(10_000, 20_000),
        ..small()
    };
    let report = recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 10.0);
    let chapters = probed(&film, "-show_entries chapter=start_time:chapter_tags=title");
    assert_eq!(
        chapters,
        "0.000000,Suites = séries; #1\n2.000000,Limites\n6.000000,Diapositive 2"
    );
    let languages = probed(
        &film,
        "-show_entries stream=codec_name:stream_tags=language",
    );
    for line in ["aac,fra", "mov_text,fra", "mov_text,eng"] {
        assert!(languages.contains(line), "{languages}");
    }
    let text = |stream: &str| {
        let mut command = ffmpeg("-i");
        command
            .arg(&film)
            .args(["-map", stream, "-f", "webvtt", "-"]);
        said(command.output().unwrap())
    };
    let french = text("0:s:0");
    assert!(
        french.contains("00:00.000 --> 00:01.000\nBonjour"),
        "{french}"
    );
    assert!(french.contains("00:08.000 --> 00:10.000\nFin"), "{french}");
    assert!(text("0:s:1").contains("00:02.000 --> 00:10.000\nHello"));
    let unused = report
        .warnings
        .iter()
        .filter(|w| w.what == "captions not used");
    assert_eq!(unused.count(), 1);

    let bare = Options {
        chapters: false,
        subtitles: Subtitles::None,
        ..options
    };
    recording.convert(&bare).unwrap();
    assert_eq!(
        probed(&film, "-show_entries stream=codec_name"),
        "h264\naac"
    );
}
