//! One segment of the film: pictures composed in memory, and each that differs from the one before
//! handed to ffmpeg with its time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::encode::decoder::{Decoder, Wanted};
use crate::encode::frame::Frame;
use crate::encode::overlay::Covered;
use crate::encode::panel::Panel;
use crate::encode::plan::{Segment, Stretch, Tick};
use crate::encode::process::{Pipe, Process, quiet};
use crate::encode::raw_stream;
use crate::encode::{Card, Film};
use crate::error::Error;
use crate::geometry::{Rect, Size};
use crate::layout::Stage;
use crate::raster::Painter;

/// A picture is repeated after this many seconds without a change: players seek to frames, and
/// some take a long one for the end of the film.
const LONGEST_FRAME_SECONDS: u64 = 2;
/// Seconds between key frames: how far a player must decode after a jump, and where streaming
/// servers cut.
const KEY_FRAME_SECONDS: u64 = 10;
/// Faces, many times a second.
const FAST_SCALER: &str = "area";
/// Text, a few times a second.
const SHARP_SCALER: &str = "bicubic";
/// How much earlier than expected a film may end without a word.
const EARLY_END_SECONDS: u64 = 2;

/// Encodes one segment into `output`, counting the ticks done in `done`.
pub(crate) fn encode(
    film: &Film<'_>,
    segment: Segment,
    output: &Path,
    done: &AtomicU64,
) -> Result<(), Error> {
    let mut encoder = Encoder::start(film, segment, output)?;
    match compose(film, segment, &mut encoder, done) {
        Ok(()) => encoder.process.finish(),
        // When ffmpeg ends early our writing fails; why is what it said, not that the pipe broke.
        Err(Failure::Pipe(source)) => {
            encoder.process.finish()?;
            Err(Error::io("sending pictures to ffmpeg for", output, source))
        }
        Err(Failure::Other(error)) => Err(error),
    }
}

/// The frame as it is at one instant of the film.
pub(crate) fn still(film: &Film<'_>, at: Tick) -> Result<Frame, Error> {
    let mut picture = Picture::new(film)?;
    let moment = Segment {
        start: at,
        end: at + film.grid.step,
    };
    for stretch in film
        .stretches
        .iter()
        .filter_map(|s| within(s, moment))
        .take(1)
    {
        picture.arrange(film, &stretch)?;
        picture.bring_to(film, &stretch, stretch.start);
    }
    Ok(picture.seen().clone())
}

enum Failure {
    Pipe(std::io::Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Other(error)
    }
}

fn compose(
    film: &Film<'_>,
    segment: Segment,
    encoder: &mut Encoder,
    done: &AtomicU64,
) -> Result<(), Failure> {
    let mut picture = Picture::new(film)?;
    let mut counted = segment.start;
    let longest = film.grid.per_second * LONGEST_FRAME_SECONDS;
    for stretch in film.stretches.iter().filter_map(|s| within(s, segment)) {
        picture.arrange(film, &stretch)?;
        let mut now = stretch.start;
        loop {
            let changed = picture.bring_to(film, &stretch, now);
            if changed || now >= encoder.last + longest {
                encoder
                    .send(film, segment, picture.seen(), now)
                    .map_err(Failure::Pipe)?;
            }
            done.fetch_add(now - counted, Ordering::Relaxed);
            counted = now;
            let next = [
                picture.next_tick(film, &stretch, now),
                Some(encoder.last + longest),
            ];
            match next.into_iter().flatten().min() {
                Some(next) if next.max(now + 1) < stretch.end => now = next.max(now + 1),
                _ => break,
            }
        }
        picture.report(film, &stretch);
    }
    // The length of the last frame is not written anywhere; a frame right before the end keeps the
    // film as long as the recording.
    let last = segment.end - film.grid.step.min(segment.end - segment.start);
    if last > encoder.last && segment.end == film.end() {
        encoder
            .send(film, segment, picture.seen(), last)
            .map_err(Failure::Pipe)?;
    }
    done.fetch_add(segment.end - counted, Ordering::Relaxed);
    Ok(())
}

fn within(stretch: &Stretch, segment: Segment) -> Option<Stretch> {
    let start = stretch.start.max(segment.start);
    let end = stretch.end.min(segment.end);
    (start < end).then_some(Stretch {
        start,
        end,
        ..*stretch
    })
}

/// The frame under composition and all that moves in it.
struct Picture {
    frame: Frame,
    painter: Painter,
    damage: Vec<Rect>,
    /// Where in the film's changes the painter is.
    change: usize,
    /// Where in the film's other changes it is.
    other: usize,
    webcams: Option<(Decoder, Rect)>,
    share: Option<(Decoder, Rect)>,
    chat: Option<Panel>,
    /// Up to which column of the frame the sound of the card has been heard.
    heard: u32,
    /// The frame with what lies over it, if anything does.
    covered: Option<Covered>,
    /// Set when the arrangement is new, so that everything must be drawn.
    fresh: bool,
}

impl Picture {
    fn new(film: &Film<'_>) -> Result<Picture, Error> {
        let frame = Frame::new(film.frame, film.background);
        Ok(Picture {
            covered: Covered::new(film, &frame),
            frame,
            painter: Painter::new(
                Arc::clone(&film.timeline),
                Arc::clone(&film.source),
                Size {
                    width: film.stage.width,
                    height: film.stage.height,
                },
                film.background,
                Arc::clone(&film.fonts),
            )?,
            damage: Vec::new(),
            change: 0,
            other: 0,
            webcams: None,
            share: None,
            chat: None,
            heard: 0,
            fresh: true,
        })
    }

    /// The frame as it is to be seen.
    fn seen(&self) -> &Frame {
        self.covered.as_ref().map_or(&self.frame, Covered::frame)
    }

    /// Takes up a new arrangement.
    fn arrange(&mut self, film: &Film<'_>, stretch: &Stretch) -> Result<(), Error> {
        self.fresh = true;
        self.frame.fill(Rect::of(film.frame), film.background);
        self.heard = 0;
        if let (Some((card, size)), Some(place)) = (card(film, stretch), stretch.placement.stage) {
            self.frame.patch(place, &card.plain, Rect::of(size));
        }
        self.chat = stretch.placement.chat.map(|area| {
            Panel::new(
                Arc::clone(&film.chat),
                Arc::clone(&film.fonts),
                area,
                film.background,
            )
        });
        let decode = |media, name, place: Rect, scaler, step| {
            Decoder::start(
                &film.tools,
                film.processes,
                Wanted {
                    media,
                    name,
                    size: Size {
                        width: place.width,
                        height: place.height,
                    },
                    scaler,
                    grid: film.grid,
                    step,
                },
                stretch.start,
                stretch.end,
            )
            .map(|decoder| (decoder, place))
        };
        self.webcams = match (&film.webcams, stretch.placement.webcams) {
            (Some(media), Some(place)) => Some(decode(
                media,
                "webcams",
                place,
                FAST_SCALER,
                film.webcams_step,
            )?),
            _ => None,
        };
        self.share = match (&film.share, stretch.placement.share) {
            (Some(media), Some(place)) => Some(decode(
                media,
                "screen share",
                place,
                SHARP_SCALER,
                film.share_step,
            )?),
            _ => None,
        };
        self.change = film
            .changes
            .partition_point(|&change| change < stretch.start);
        self.other = film
            .other_changes
            .partition_point(|&change| change < stretch.start);
        Ok(())
    }

    /// Draws everything as it is at `now`; `true` when something changed.
    fn bring_to(&mut self, film: &Film<'_>, stretch: &Stretch, now: Tick) -> bool {
        let mut changed = self.fresh;
        if let (true, Some(covered)) = (self.fresh, &mut self.covered) {
            covered.touch(Rect::of(film.frame));
        }
        if stretch.stage == Stage::Slide
            && let Some(place) = stretch.placement.stage
        {
            let due = film.changes.get(self.change).is_some_and(|&t| t <= now);
            if due || self.fresh {
                while film.changes.get(self.change).is_some_and(|&t| t <= now) {
                    self.change += 1;
                }
                self.damage.clear();
                self.painter.paint(film.grid.instant(now), &mut self.damage);
                if self.fresh {
                    self.damage.clear();
                    self.damage.push(Rect::of(self.painter.size()));
                }
                changed |= !self.damage.is_empty();
                for &rect in &self.damage {
                    self.frame.patch(place, self.painter.pixels(), rect);
                    if let Some(covered) = &mut self.covered {
                        covered.touch(Rect {
                            x: place.x + rect.x,
                            y: place.y + rect.y,
                            ..rect
                        });
                    }
                }
            }
        }
        let films = [
            (&mut self.share, &film.share),
            (&mut self.webcams, &film.webcams),
        ];
        for (decoder, media) in films {
            let Some((decoder, place)) = decoder else {
                continue;
            };
            let mut new = false;
            while decoder.next_tick().is_some_and(|tick| tick <= now) {
                new |= decoder.advance();
            }
            if let (true, Some(picture)) = (new, decoder.picture()) {
                match media.as_ref().and_then(|media| media.video.as_ref()) {
                    Some(video) if !video.bt709 => self.frame.blit_bt601(*place, picture),
                    _ => self.frame.blit(*place, picture),
                }
                if let Some(covered) = &mut self.covered {
                    covered.touch(*place);
                }
                changed = true;
            }
        }
        if self.fresh
            || film
                .other_changes
                .get(self.other)
                .is_some_and(|&t| t <= now)
        {
            while film
                .other_changes
                .get(self.other)
                .is_some_and(|&t| t <= now)
            {
                self.other += 1;
            }
            changed |= self.bring_others_to(film, stretch, now);
        }
        if let Some(covered) = &mut self.covered {
            changed |= covered.bring_to(film, &self.frame, now);
        }
        self.fresh = false;
        changed
    }

    /// The chat, and how much of the card's sound has been heard.
    fn bring_others_to(&mut self, film: &Film<'_>, stretch: &Stretch, now: Tick) -> bool {
        let mut changed = None;
        if let Some(chat) = &mut self.chat
            && chat.bring_to(film.grid.instant(now))
        {
            let area = chat.area();
            let size = Size {
                width: area.width,
                height: area.height,
            };
            self.frame.patch(area, chat.pixels(), Rect::of(size));
            changed = Some(area);
        }
        if let (
            Some((
                Card {
                    heard: Some((pixels, bars)),
                    ..
                },
                _,
            )),
            Some(place),
        ) = (card(film, stretch), stretch.placement.stage)
        {
            let (done, all) = (now - film.start(), (film.end() - film.start()).max(1));
            let until = u32::try_from(u64::from(bars.width) * done / all).unwrap_or(bars.width);
            if until > self.heard {
                let part = Rect {
                    x: bars.x + self.heard,
                    width: until - self.heard,
                    ..*bars
                };
                self.frame.patch(place, pixels, part);
                self.heard = until;
                let part = Rect {
                    x: place.x + part.x,
                    y: place.y + part.y,
                    ..part
                };
                changed = Some(changed.map_or(part, |chat| chat.union(part)));
            }
        }
        if let (Some(area), Some(covered)) = (changed, &mut self.covered) {
            covered.touch(area);
        }
        changed.is_some()
    }

    /// When something may change next.
    fn next_tick(&self, film: &Film<'_>, stretch: &Stretch, now: Tick) -> Option<Tick> {
        // While pictures move, what is painted waits for the next of them, by less than the eye can
        // tell: a frame more costs as much as any other.
        let moves = [&self.webcams, &self.share]
            .into_iter()
            .flatten()
            .any(|(decoder, _)| decoder.next_tick().is_some());
        let on_grid = |tick: Tick| {
            if moves {
                tick.next_multiple_of(film.grid.step)
            } else {
                tick
            }
        };
        let painted = (stretch.stage == Stage::Slide)
            .then(|| film.changes[self.change..].iter().find(|&&t| t > now))
            .flatten()
            .map(|&tick| on_grid(tick));
        let other = film.other_changes[self.other..].iter().find(|&&t| t > now);
        [
            painted,
            other.map(|&tick| on_grid(tick)),
            self.webcams.as_ref().and_then(|(d, _)| d.next_tick()),
            self.share.as_ref().and_then(|(d, _)| d.next_tick()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Notes films that ended before their time.
    fn report(&self, film: &Film<'_>, stretch: &Stretch) {
        let early = film.grid.per_second * EARLY_END_SECONDS;
        let films = [(&self.webcams, &film.webcams), (&self.share, &film.share)];
        for (decoder, media) in films {
            let (Some((decoder, _)), Some(media)) = (decoder, media) else {
                continue;
            };
            if let Some(ended) = decoder.ended_at()
                && ended + early < stretch.end
            {
                film.cut_short(media, ended, decoder.complaint());
            }
        }
    }
}

/// The card that is seen in a stretch, and its size.
fn card<'f>(film: &'f Film<'_>, stretch: &Stretch) -> Option<(&'f Card, Size)> {
    let size = |place: Rect| Size {
        width: place.width,
        height: place.height,
    };
    match stretch.stage {
        Stage::Title => Some((film.title.as_ref()?, film.frame)),
        _ if stretch.shows_nothing() => Some((film.card.as_ref()?, size(film.stage))),
        _ => None,
    }
}

struct Encoder {
    process: Process,
    /// The tick of the last frame sent.
    last: Tick,
    sent: bool,
}

impl Encoder {
    fn start(film: &Film<'_>, segment: Segment, output: &Path) -> Result<Encoder, Error> {
        let mut file = std::ffi::OsString::from("file:");
        file.push(output);
        let mut command = quiet(&film.tools.ffmpeg);
        command
            .args(["-nostdin", "-y", "-f", "matroska"])
            .args(["-probesize", "32", "-analyzeduration", "0", "-threads", "1"])
            .args(["-i", "pipe:0", "-map", "0:v:0"])
            .args(["-vsync", "passthrough"])
            .args(["-enc_time_base", &format!("1:{}", film.grid.per_second)])
            .args(film.coding.video_args())
            .args([
                "-force_key_frames",
                &format!("expr:gte(t,n_forced*{KEY_FRAME_SECONDS})"),
            ])
            .args(["-video_track_timescale", &film.timescale().to_string()])
            .args(["-f", "mp4"])
            .arg(file);
        let mut process =
            film.processes
                .spawn(&mut command, "encoding the picture", Pipe::Input)?;
        let mut header = Vec::new();
        raw_stream::write_header(&mut header, film.frame, film.grid.per_second).ok();
        // When it does not take this, the first picture will fail and tell why.
        process.write(&header).ok();
        Ok(Encoder {
            process,
            last: segment.start,
            sent: false,
        })
    }

    fn send(
        &mut self,
        film: &Film<'_>,
        segment: Segment,
        frame: &Frame,
        now: Tick,
    ) -> std::io::Result<()> {
        if self.sent && now <= self.last {
            return Ok(());
        }
        let at = film.grid.instant(now - segment.start);
        let picture = frame.data();
        self.process
            .write(&raw_stream::picture_header(at.0, picture.len()))?;
        self.process.write(picture)?;
        self.last = now;
        self.sent = true;
        Ok(())
    }
}
