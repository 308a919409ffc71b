//! The folder of one recording in one playback format.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::media::Studio;
use super::metadata::{Preview, Sizes, metadata};
use super::shapes::{shapes_svg, slide_size};
use super::story::Story;
use super::whiteboard::versions;
use super::{Generation, Recording, hex, pictures, timed, tldraw};

/// The identifier of the lecture's slides on a node.
pub(super) fn presentation_id(recording: &Recording, generation: Generation) -> String {
    format!(
        "{}-{}",
        hex("lecture.pdf"),
        recording.start_ms(generation) + 400
    )
}

/// Fills `folder` with the recording in `format`, `metadata.xml` last.
pub(super) fn publish(
    recording: &Recording,
    generation: Generation,
    format: &str,
    folder: &Path,
    raw_size: u64,
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let story = Story::of(recording);
    let studio = Studio {
        recording,
        story: &story,
        generation,
    };
    let mut preview = Preview::new();
    match format {
        "presentation" => preview = presentation(&studio, folder)?,
        "video" => {
            studio.film(&folder.join("video-0.m4v"), "m4v")?;
            fs::write(
                folder.join("video.xml"),
                timed::chat(recording, &story, generation),
            )?;
            fs::write(folder.join("captions.json"), "[]")?;
            fs::write(
                folder.join("index.html"),
                "<!DOCTYPE html>\n<title>video</title>\n<video src=\"video-0.m4v\" controls></video>\n",
            )?;
        }
        "podcast" => studio.audio(&folder.join("audio.ogg"), "ogg")?,
        "screenshare" => {
            studio.film(&folder.join("screenshare-0.webm"), "webm")?;
            fs::write(folder.join("captions.json"), "[]")?;
            fs::write(
                folder.join("index.html"),
                "<!DOCTYPE html>\n<title>screenshare</title>\n<video src=\"screenshare-0.webm\" controls></video>\n",
            )?;
        }
        "notes" => fs::write(folder.join("notes.pdf"), NOTES_PDF)?,
        other => bail!("no sample of the playback format {other:?}"),
    }
    if recording.padding > 0 {
        let path = folder.join("padding.bin");
        fs::File::create(&path)?
            .set_len(recording.padding)
            .with_context(|| format!("cannot make a sparse {}", path.display()))?;
    }
    let sizes = Sizes {
        published: size_of(folder)?,
        raw: raw_size,
    };
    fs::write(
        folder.join("metadata.xml"),
        metadata(recording, generation, format, &sizes, &preview),
    )?;
    Ok(())
}

fn presentation(studio: &Studio<'_>, folder: &Path) -> Result<Preview> {
    let (recording, story, generation) = (studio.recording, studio.story, studio.generation);
    let id = presentation_id(recording, generation);
    let text = |name: &str, content: String| {
        fs::write(folder.join(name), content).with_context(|| format!("cannot write {name}"))
    };
    let preview = slides(studio, folder, &id)?;
    text("shapes.svg", shapes_svg(recording, story, generation, &id))?;
    text(
        "panzooms.xml",
        timed::panzooms(recording, story, generation),
    )?;
    text("cursor.xml", timed::cursor(recording, story, generation))?;
    text("slides_new.xml", timed::chat(recording, story, generation))?;
    if generation.has_captions() {
        for (name, content) in timed::captions(recording) {
            text(&name, content)?;
        }
    }
    if generation >= Generation::V2_0 {
        text("deskshare.xml", timed::deskshare(story, generation))?;
        text(
            "presentation_text.json",
            timed::presentation_text(story, &id),
        )?;
        let (width, height) = slide_size(generation, story.pages[0].size);
        pictures::blank().write_png(
            &folder.join("presentation/logo.png"),
            width as u32,
            height as u32,
        )?;
        if recording.share {
            pictures::blank().write_png(&folder.join("presentation/deskshare.png"), 1280, 720)?;
            fs::create_dir_all(folder.join("deskshare"))?;
            studio.deskshare(&folder.join("deskshare/deskshare.webm"))?;
        }
    }
    if generation.has_notes() {
        text("notes.html", timed::NOTES_HTML.to_owned())?;
    }
    if let Some(at) = story.poll.filter(|_| generation.has_polls_json()) {
        text("polls.json", timed::polls(at, generation))?;
    }
    if generation.is_tldraw() {
        text(
            "tldraw.json",
            tldraw::tldraw_json(story, generation, &id).to_string(),
        )?;
    }
    // In the Flash era a share alone makes a webcams video, and captions do in every generation.
    let share_in_webcams = generation.is_flash() && recording.share;
    if recording.webcams || share_in_webcams {
        fs::create_dir_all(folder.join("video"))?;
        studio.webcams(&folder.join("video/webcams.webm"))?;
    } else {
        fs::create_dir_all(folder.join("audio"))?;
        studio.audio(&folder.join("audio/audio.webm"), "webm")?;
        studio.audio(&folder.join("audio/audio.ogg"), "ogg")?;
    }
    Ok(preview)
}

fn slides(studio: &Studio<'_>, folder: &Path, id: &str) -> Result<Preview> {
    let (recording, story, generation) = (studio.recording, studio.story, studio.generation);
    let base = folder.join("presentation").join(id);
    fs::create_dir_all(base.join("textfiles"))?;
    let mut preview = Preview::new();
    for (k, page) in story.pages.iter().enumerate() {
        let number = k + 1;
        let picture = pictures::slide(page, number, story.pages.len(), &recording.name);
        if generation.is_tldraw() {
            fs::create_dir_all(base.join("svgs"))?;
            picture.write_svg(&base.join(format!("svgs/slide{number}.svg")))?;
        } else {
            let (width, height) = slide_size(generation, page.size);
            picture.write_png(
                &base.join(format!("slide-{number}.png")),
                width as u32,
                height as u32,
            )?;
        }
        if generation >= Generation::V1_1 {
            fs::create_dir_all(base.join("thumbnails"))?;
            let height = (150.0 * page.size.1 / page.size.0).round() as u32;
            picture.write_png(
                &base.join(format!("thumbnails/thumb-{number}.png")),
                150,
                height,
            )?;
            preview.push((
                page.title.clone(),
                format!("presentation/{id}/thumbnails/thumb-{number}.png"),
            ));
        }
        fs::write(
            base.join(format!("textfiles/slide-{number}.txt")),
            timed::page_text(story, k),
        )?;
    }
    preview.truncate(3);
    if (Generation::V1_1..Generation::V2_6).contains(&generation)
        && let Some((page, number)) = poll_place(story, generation)
    {
        let size = slide_size(generation, story.pages[page].size);
        pictures::poll_result(generation, size)
            .write_svg(&base.join(format!("poll_result{number}.svg")))?;
    }
    Ok(preview)
}

/// The page of the poll, and the number in its picture's name.
fn poll_place(story: &Story, generation: Generation) -> Option<(usize, usize)> {
    let versions = versions(story);
    let poll = versions
        .iter()
        .find(|v| matches!(v.figure, super::story::Figure::Poll))?;
    // 1.1 counts polls apart from other shapes.
    let number = if generation.is_flash() { 1 } else { poll.shape };
    Some((poll.drawing.page, number))
}

/// Bytes in all files below `folder`.
pub(super) fn size_of(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            total += entry.metadata()?.len();
        }
    }
    Ok(total)
}

/// One empty page.
const NOTES_PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
