//! What a presentation's files become.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// One red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"600\">\
                   <rect width=\"400\" height=\"300\" fill=\"#08c\"/><text x=\"9\" y=\"99\">ünï</text></svg>";

/// Writes a presentation of 200 s: two slides with text, the first shown twice, a hostile one, a
/// blank; captions in two languages; a chat; notes.
pub(crate) fn write(folder: &Path) {
    fs::create_dir_all(folder.join("presentation/p/svgs")).unwrap();
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    put(
        "metadata.xml",
        "<recording><playback><duration>200000</duration></playback></recording>",
    );
    let images: String = [
        ("0.0", "presentation/logo.png"),
        ("1.5", "presentation/p/slide-1.png"),
        ("70.0", "presentation/p/svgs/slide2.svg"),
        ("140.0", "presentation/p/slide-1.png"),
        ("190.0", "presentation/p/svgs/slide3.svg"),
        ("195.0", "presentation/p/slide-9.png"),
    ]
    .iter()
    .enumerate()
    .map(|(n, (at, href))| {
        format!("<image id=\"image{n}\" class=\"slide\" in=\"{at}\" out=\"9999\" xlink:href=\"{href}\" width=\"800\" height=\"600\"/>")
    })
    .collect();
    let shapes = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">{images}</svg>"
    );
    put("shapes.svg", &shapes);
    fs::write(
        folder.join("presentation/p/slide-1.png"),
        STANDARD.decode(PNG).unwrap(),
    )
    .unwrap();
    put("presentation/p/svgs/slide2.svg", SVG);
    put(
        "presentation/p/svgs/slide3.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\"><!DOCTYPE",
    );
    put(
        "presentation_text.json",
        r#"{"p": {"slide-1": "Groupes 🎓\n", "slide-2": "Anneaux"}}"#,
    );
    put(
        "captions.json",
        r#"[{"locale": "fr-FR", "localeName": "français"}, {"locale": "en"}, {"locale": "fr"}, {"locale": "../x"}, {"locale": "de"}]"#,
    );
    put(
        "caption_fr-FR.vtt",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nBonjour\n",
    );
    put("caption_en.vtt", "\u{feff}WEBVTT\n");
    put("caption_fr.vtt", "WEBVTT\n");
    put("caption_de.vtt", "<script>");
    put(
        "slides_new.xml",
        "<popcorn><chattimeline in=\"3\" name=\"Zoé\" message=\"Bonjour\" target=\"chat\"/></popcorn>",
    );
    put(
        "notes.html",
        "<html><body><b>À lire</b><script>x</script></body></html>",
    );
}

const WORDS: Words<'_> = Words {
    title: "Algèbre",
    language: "fr",
};

fn all() -> Wanted {
    Wanted {
        chat: true,
        ..Wanted::default()
    }
}

#[test]
fn everything_is_made_of_the_published_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let made = gather(folder.path(), all(), WORDS).unwrap();
    let chapters: Vec<_> = made
        .chapters
        .iter()
        .map(|c| (c.start.0, c.title.as_str()))
        .collect();
    assert_eq!(
        chapters,
        [
            (0, "Groupes 🎓"),
            (70_000, "Anneaux"),
            (140_000, "Groupes 🎓")
        ]
    );
    let files: Vec<_> = made
        .files
        .iter()
        .map(|f| (f.key.as_str(), f.name.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            ("captions-fr", "Sous-titres fr.vtt"),
            ("captions-en", "Sous-titres en.vtt"),
            ("slides", "Diapositives.pdf"),
            ("chat", "Discussion.html"),
            ("notes", "Notes partagées.html"),
        ]
    );
    let content = |n: usize| String::from_utf8_lossy(&made.files[n].content);
    assert!(content(0).contains("Bonjour"));
    assert!(content(2).starts_with("%PDF-"));
    assert!(content(3).contains("<h1>Discussion – Algèbre</h1>") && content(3).contains("Zoé"));
    assert!(content(4).contains("<b>À lire</b>") && !content(4).contains("script"));
    let warnings = made.warnings.join("\n");
    for left_out in [
        "slide3.svg",
        "slide-9.png",
        "caption_../x.vtt",
        "caption_fr.vtt",
        "caption_de.vtt",
    ] {
        assert!(warnings.contains(left_out), "{left_out}: {warnings}");
    }
    let again = gather(folder.path(), all(), WORDS).unwrap();
    let digests = |made: &Attachments| made.files.iter().map(|f| f.digest).collect::<Vec<_>>();
    assert_eq!(
        digests(&made),
        digests(&again),
        "the same recording gives the same bytes"
    );
}

#[test]
fn the_pdf_has_a_page_for_each_slide_shown() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let made = gather(folder.path(), Wanted::default(), WORDS).unwrap();
    let pdf = made.files.iter().find(|file| file.key == "slides").unwrap();
    let text = String::from_utf8_lossy(&pdf.content);
    assert!(
        text.contains("/Count 2"),
        "two slides were shown that can be read"
    );
    assert!(
        text.contains("842 631.5"),
        "pages have the shape of their slides"
    );
}

#[test]
fn what_is_not_wanted_or_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let made = gather(folder.path(), Wanted::default(), WORDS).unwrap();
    assert!(
        made.files.iter().all(|file| file.key != "chat"),
        "the chat only when asked for"
    );
    let nothing = Wanted {
        chapters: false,
        captions: false,
        slides: false,
        chat: false,
        notes: false,
    };
    let made = gather(folder.path(), nothing, WORDS).unwrap();
    assert!(made.chapters.is_empty() && made.files.is_empty() && made.warnings.is_empty());
    let bare = tempfile::tempdir().unwrap();
    fs::write(bare.path().join("metadata.xml"), "<recording/>").unwrap();
    let made = gather(bare.path(), all(), WORDS).unwrap();
    assert!(made.chapters.is_empty() && made.files.is_empty());
    let none = tempfile::tempdir().unwrap();
    assert!(gather(none.path(), all(), WORDS).is_err());
}
