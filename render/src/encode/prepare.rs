//! Everything that is known of a film before the first picture of it is made.

use std::sync::Arc;

use crate::captions::{self, Caption, Cue};
use crate::convert::Found;
use crate::encode::{
    self, Arrangement, Card, Coding, Film, Grid, Processes, Sound, Stretch, Tick, card, stretches,
    waveform,
};
use crate::error::Error;
use crate::fonts::Fonts;
use crate::geometry::{Rect, Size};
use crate::layout::Parts;
use crate::media::Media;
use crate::options::{Chat, Options, Subtitles};
use crate::source::Source;
use crate::time::Millis;
use crate::timeline::{self, Message, Span, Timeline};

/// How often the place in the sound that is heard moves on.
const HEARD_SECONDS: u64 = 1;

/// Puts together what `options` want of a part of a recording.
pub(crate) fn prepare<'a>(
    source: Arc<Source>,
    timeline: Timeline,
    found: Found,
    span: Span,
    options: &Options,
    processes: &'a Processes,
) -> Result<Film<'a>, Error> {
    let grid = Grid::new(options.fps);
    let (start, end) = (grid.tick(span.start), grid.tick(span.end));
    let size_of = |media: &Option<Media>| media.as_ref()?.video.as_ref().map(|v| v.size);
    let rate_of = |media: &Option<Media>| media.as_ref()?.video.as_ref().map(|v| v.rate);
    let chat = chat(&source, &timeline, options.chat);
    let parts = Parts {
        layout: options.layout,
        frame: options.size,
        webcams: size_of(&found.webcams),
        chat: !chat.is_empty(),
    };
    let arrangement = Arrangement {
        parts,
        share: size_of(&found.share),
        title_until: grid.tick(Millis(span.start.0.saturating_add(options.title_card.0))),
    };
    let stretches = stretches(&timeline, arrangement, grid, start, end);
    let mut changes: Vec<_> = timeline
        .changes()
        .into_iter()
        .map(|t| grid.tick(t))
        .collect();
    changes.dedup();
    let webcams_step = rate_of(&found.webcams).map_or(grid.step, |rate| grid.step_of(rate));
    let share_step = rate_of(&found.share).map_or(grid.step, |rate| grid.step_of(rate));
    let with_sound = |media: &&Media| media.audio.is_some();
    let heard = [&found.webcams, &found.audio]
        .into_iter()
        .flatten()
        .find(with_sound);
    let sound = Sound::of(heard, options, &timeline.warnings);
    let stage = parts.stage();
    let fonts = Arc::new(Fonts::system());
    fonts.report(&timeline.warnings);
    let draw =
        |size, loudness: &[f32]| card::draw(&source, size, options.background, &fonts, loudness);
    let title = (options.title_card > Millis::ZERO).then(|| draw(options.size, &[]));
    let card = if stretches.iter().any(Stretch::shows_nothing) {
        let size = size_of_rect(stage);
        let loudness = match heard.filter(|_| shows_nothing(&stretches)) {
            Some(media) => waveform::measure(options, processes, media, span, card::bars(size))?,
            None => Vec::new(),
        };
        Some(draw(size, &loudness))
    } else {
        None
    };
    let tracks = match options.subtitles {
        Subtitles::Tracks => tracks(&source, &timeline, span, |_| true),
        Subtitles::Burned(_) | Subtitles::None => Vec::new(),
    };
    let burned = match &options.subtitles {
        Subtitles::Burned(locale) => burned(&source, &timeline, span, locale),
        Subtitles::Tracks | Subtitles::None => Vec::new(),
    };
    let watermark = match &options.watermark {
        Some(picture) => Some(Arc::new(encode::watermark(picture, options.size)?)),
        None => None,
    };
    let coding = Coding::of(options, processes)?;
    let other_changes = other_changes(&chat, &burned, card.as_ref(), grid, start, end);
    Ok(Film {
        processes,
        tools: options.tools.clone(),
        source,
        fonts,
        card,
        title,
        chat: Arc::new(chat),
        burned: Arc::new(burned),
        watermark,
        other_changes,
        frame: options.size,
        background: options.background,
        grid,
        stage,
        stretches,
        changes,
        webcams_step,
        share_step,
        webcams: found.webcams.filter(|media| media.video.is_some()),
        share: found.share,
        sound,
        loudness: options.loudness,
        coding,
        chapters: options.chapters,
        language: options.language,
        tracks,
        threads: options
            .threads
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1),
        longest_segment: options.longest_segment,
        timeline: Arc::new(timeline),
    })
}

fn size_of_rect(rect: Rect) -> Size {
    Size {
        width: rect.width,
        height: rect.height,
    }
}

/// Whether there is never anything to see but cards.
fn shows_nothing(stretches: &[Stretch]) -> bool {
    let card =
        |stretch: &Stretch| stretch.shows_nothing() || stretch.stage == crate::layout::Stage::Title;
    stretches.iter().all(card)
}

fn chat(source: &Source, timeline: &Timeline, wanted: Chat) -> Vec<Message> {
    if wanted == Chat::Off {
        return Vec::new();
    }
    let mut chat = timeline::read_chat(source, timeline.duration, &timeline.warnings);
    if chat.is_empty() {
        timeline
            .warnings
            .add("no chat", None, "nothing was written in it");
    }
    if wanted == Chat::Anonymous {
        timeline::anonymise(&mut chat);
    }
    chat
}

/// The captions of a part of the recording, in each language that is wanted.
fn tracks(
    source: &Source,
    timeline: &Timeline,
    span: Span,
    wanted: impl Fn(&Caption) -> bool,
) -> Vec<(Caption, Vec<Cue>)> {
    let mut tracks = Vec::new();
    let captions = captions::list(source, &timeline.warnings);
    for caption in captions.into_iter().filter(wanted) {
        match captions::cues(&caption) {
            Ok(cues) => {
                let cues = captions::within(&cues, span);
                if !cues.is_empty() {
                    tracks.push((caption, cues));
                }
            }
            Err(error) => timeline.warnings.add(
                "captions not used",
                caption.file.strip_prefix(source.dir()).ok(),
                error.to_string(),
            ),
        }
    }
    tracks
}

/// The captions of one locale, at the recording's own times; a recording that has none in it gets
/// none.
fn burned(source: &Source, timeline: &Timeline, span: Span, locale: &str) -> Vec<Cue> {
    let whole = Span {
        start: Millis::ZERO,
        end: span.end,
    };
    let same = |caption: &Caption| caption.locale.eq_ignore_ascii_case(locale);
    let mut tracks = tracks(source, timeline, whole, same);
    if tracks.is_empty() {
        timeline.warnings.add(
            "no captions to draw",
            None,
            format!("the recording has none in {locale}"),
        );
    }
    tracks.pop().map(|(_, cues)| cues).unwrap_or_default()
}

/// When chat, captions or the card may look different, in order.
fn other_changes(
    chat: &[Message],
    burned: &[Cue],
    card: Option<&Card>,
    grid: Grid,
    start: Tick,
    end: Tick,
) -> Vec<Tick> {
    let chat = chat
        .iter()
        .flat_map(|message| [Some(message.at), message.until])
        .flatten();
    let captions = burned.iter().flat_map(|cue| [cue.span.start, cue.span.end]);
    let mut changes: Vec<Tick> = chat.chain(captions).map(|t| grid.tick(t)).collect();
    if let Some((_, bars)) = card.and_then(|card| card.heard.as_ref()) {
        let one = (end - start).div_ceil(u64::from(bars.width).max(1));
        let step = one.max(grid.per_second * HEARD_SECONDS);
        let steps = (end - start) / step;
        changes.extend((0..=steps).map(|n| start + n * step));
    }
    changes.retain(|&tick| tick >= start && tick < end);
    changes.sort_unstable();
    changes.dedup();
    changes
}
