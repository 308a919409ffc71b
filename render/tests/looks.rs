//! What lies in and over the film besides slides and films: chat, captions, cards, a watermark.

#![allow(clippy::unwrap_used)]

mod recording;

use recording::{Recording, WEBCAMS, check_film, ffmpeg, near, pixel, probed, small};
use render::convert::Options;
use render::geometry::{Rgb, Size};
use render::layout::Layout;
use render::options::{Chat, Corner, Subtitles, Watermark};
use render::time::Millis;

const BLACK: [u8; 3] = [0, 0, 0];
const WHITE: [u8; 3] = [255, 255, 255];
const RED: [u8; 3] = [255, 0, 0];

/// A recording of 12 s with webcams that change their colour all the time.
fn lecture() -> Recording {
    let recording = Recording::of_seconds(12);
    recording.slides(&[(0.0, "red"), (6.0, "blue")]).media(
        "video/webcams.webm",
        &format!("-f lavfi -i testsrc2=s=64x48:r=15:d=12 -f lavfi -i sine=440:d=12 {WEBCAMS}"),
    );
    recording
}

#[test]
fn a_watermark_lies_over_everything_all_the_time() {
    let recording = lecture();
    let logo = recording.dir.path().join("logo.png");
    let made = ffmpeg(
        "-f lavfi -i color=lime:s=100x100,format=rgba[a];color=white@0.5:s=100x100,format=rgba[b];\
         [a][b]hstack -frames:v 1",
    )
    .arg(&logo)
    .status();
    assert!(made.unwrap().success());
    let watermark = |corner| Options {
        watermark: Some(Watermark {
            image: logo.clone(),
            corner,
        }),
        ..small()
    };
    let film = recording.output();
    // In 180 rows the logo is 50x25, 4 from the edges.
    recording.convert(&watermark(Corner::TopRight)).unwrap();
    check_film(&film, 12.0);
    for at in [0.2, 3.0, 7.0, 11.8] {
        let found = pixel(&film, at, 274, 14);
        assert!(near(found, [0, 255, 0]), "{found:?} at {at}");
    }
    recording.convert(&watermark(Corner::TopLeft)).unwrap();
    for (at, through) in [(3.0, [255, 128, 128]), (9.0, [128, 128, 255])] {
        let found = pixel(&film, at, 42, 14);
        assert!(near(found, through), "{found:?} at {at}");
        let found = pixel(&film, at, 14, 14);
        assert!(near(found, [0, 255, 0]), "{found:?} at {at}");
    }
}

#[test]
fn burned_captions_come_and_go() {
    let recording = lecture();
    recording
        .file(
            "captions.json",
            r#"[{"locale": "fr", "localeName": "français"}]"#,
        )
        .file(
            "caption_fr.vtt",
            "WEBVTT\n\n00:02.000 --> 00:04.000\nBonjour à toutes et à tous\n\n\
             00:08.000 --> 00:10.000\n<i>Fin</i>\n",
        );
    let options = Options {
        subtitles: Subtitles::Burned("fr".into()),
        layout: Layout::PresentationOnly,
        ..small()
    };
    recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 12.0);
    assert_eq!(
        probed(&film, "-select_streams s -show_entries stream=index"),
        ""
    );
    // The box reaches a little beyond the letters, which are in its middle.
    let edge = |at| pixel(&film, at, 160, 162);
    for (at, colour) in [
        (1.9, RED),
        (4.1, RED),
        (7.9, [0, 0, 255]),
        (10.1, [0, 0, 255]),
    ] {
        assert!(near(edge(at), colour), "{:?} at {at}", edge(at));
    }
    for at in [2.1, 3.9, 8.1, 9.9] {
        assert!(
            !near(edge(at), RED) && !near(edge(at), [0, 0, 255]),
            "{:?} at {at}",
            edge(at)
        );
    }
    let other = Options {
        subtitles: Subtitles::Burned("de".into()),
        ..options
    };
    let report = recording.convert(&other).unwrap();
    assert_eq!(report.warnings[0].what, "no captions to draw");
    assert!(near(pixel(&film, 3.0, 160, 162), RED));
}

#[test]
fn chat_stands_below_the_webcams() {
    let recording = lecture();
    recording.file(
        "slides_new.xml",
        "<popcorn><chattimeline in=\"2\" out=\"9\" name=\"Ann\" message=\"hello\" target=\"chat\"/>\
         <chattimeline in=\"10\" name=\"Bob\" message=\"bye\" target=\"chat\"/></popcorn>",
    );
    let options = Options {
        chat: Chat::On,
        background: Rgb(0, 0, 0),
        size: Size {
            width: 640,
            height: 360,
        },
        ..small()
    };
    recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 12.0);
    // The right end of the last bubble, where there are no letters.
    let bubble = |at| pixel(&film, at, 624, 344);
    for (at, colour) in [
        (1.9, BLACK),
        (2.2, WHITE),
        (8.9, WHITE),
        (9.2, BLACK),
        (10.2, WHITE),
    ] {
        assert!(near(bubble(at), colour), "{:?} at {at}", bubble(at));
    }
    assert!(near(pixel(&film, 5.0, 240, 180), RED));

    // Without webcams the chat has a column of its own.
    let alone = Options {
        layout: Layout::PresentationOnly,
        ..options
    };
    recording.convert(&alone).unwrap();
    assert!(near(bubble(5.0), WHITE) && near(pixel(&film, 5.0, 240, 180), RED));
    assert!(near(pixel(&film, 5.0, 560, 30), BLACK));

    std::fs::remove_file(recording.path().join("slides_new.xml")).unwrap();
    let report = recording.convert(&alone).unwrap();
    assert_eq!(report.warnings[0].what, "no chat");
    assert!(near(pixel(&film, 5.0, 320, 30), RED));
}

#[test]
fn the_title_card_covers_the_beginning_and_shifts_nothing() {
    let recording = lecture();
    let options = Options {
        title_card: Millis(2_500),
        chapters: true,
        ..small()
    };
    recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 12.0);
    for (at, colour) in [
        (0.1, [243, 246, 249]),
        (2.4, [243, 246, 249]),
        (2.6, RED),
        (6.1, [0, 0, 255]),
    ] {
        let found = pixel(&film, at, 60, 160);
        assert!(near(found, colour), "{found:?} at {at}");
    }
    let chapters = probed(&film, "-show_entries chapter=start_time");
    assert_eq!(chapters, "0.000000\n6.000000");
}

#[test]
fn sound_alone_is_seen_as_it_is_heard() {
    let recording = Recording::of_seconds(20);
    recording.media(
        "audio/audio.ogg",
        "-f lavfi -i sine=300:d=20,volume=7 -c:a libvorbis",
    );
    let options = Options {
        size: Size {
            width: 640,
            height: 360,
        },
        ..small()
    };
    recording.convert(&options).unwrap();
    let film = recording.output();
    check_film(&film, 20.0);
    // The mean of a stretch of bars, which stand from 8 % to 92 % of the width.
    let brightness = |at: f64, x: u32| -> u8 {
        let output = ffmpeg("-i")
            .arg(&film)
            .args(["-frames:v", "1", "-vf"])
            .arg(format!(
                "fps=60:round=up,trim=start={at},crop=40:20:{x}:260,format=gray,scale=1:1:flags=area"
            ))
            .args(["-f", "rawvideo", "-"])
            .output()
            .unwrap();
        output.stdout[0]
    };
    for x in [60, 300, 500] {
        let (heard, unheard) = (brightness(19.9, x), brightness(0.2, x));
        assert!(
            heard + 60 < unheard,
            "{x}: {unheard} at first, {heard} at last"
        );
    }
    assert!(brightness(10.0, 60) + 60 < brightness(10.0, 540));
}

#[test]
fn large_frames_have_a_level_that_players_know() {
    let recording = lecture();
    for (width, height, most) in [(1920, 1080, 40), (3840, 2160, 51)] {
        let options = Options {
            size: Size { width, height },
            range: Some(render::timeline::Span {
                start: Millis(5_000),
                end: Millis(7_000),
            }),
            ..small()
        };
        recording.convert(&options).unwrap();
        let film = recording.output();
        let told = probed(
            &film,
            "-select_streams v -show_entries stream=width,height,level",
        );
        let numbers: Vec<u32> = told.split(',').map(|n| n.parse().unwrap()).collect();
        assert_eq!(numbers[..2], [width, height]);
        assert!(numbers[2] <= most, "level {} for {height} rows", numbers[2]);
    }
}
