//! What is shown from when to when, on which grid of instants, and how the film is cut into
//! segments that are encoded one by one.
//!
//! Pure: it works on times and sizes only.

use serde::{Deserialize, Serialize};

use crate::geometry::Size;
use crate::layout::{Parts, Placement, Stage};
use crate::time::Millis;
use crate::timeline::Timeline;

/// Below this, starting processes costs more than a second core gains.
const SHORTEST_SEGMENT: Millis = Millis(8_000);

/// A point of the grid on which every frame of a film lies.
pub(crate) type Tick = u64;

/// The grid of instants at which a film may have frames.
///
/// BBB's files count tenths of a second, and webcams move at so many frames a second: the grid
/// holds both exactly. On a common grid players and encoders also find a plain frame rate, where
/// they could take arbitrary milliseconds for a thousand frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Ticks in a second.
    pub(crate) per_second: u64,
    /// Ticks from one frame of moving pictures to the next.
    pub(crate) step: u64,
}

impl Grid {
    /// The grid for moving pictures of `fps` frames a second.
    pub(crate) fn new(fps: u32) -> Grid {
        let fps = u64::from(fps.max(1));
        let per_second = fps * 10 / gcd(fps, 10);
        Grid {
            per_second,
            step: per_second / fps,
        }
    }

    /// The first tick that is not before an instant, so that what happens then is seen at it.
    pub(crate) fn tick(self, t: Millis) -> Tick {
        let exact = u128::from(t.0) * u128::from(self.per_second);
        u64::try_from(exact.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// The instant of a tick, to the nearest millisecond.
    pub(crate) fn instant(self, tick: Tick) -> Millis {
        let exact = u128::from(tick) * 1000;
        let per_second = u128::from(self.per_second);
        Millis(u64::try_from((exact + per_second / 2) / per_second).unwrap_or(u64::MAX))
    }

    /// Ticks from one frame to the next of a film that has `rate` frames a second itself: there
    /// is no use in more than it has.
    pub(crate) fn step_of(self, rate: f64) -> u64 {
        (1..=self.per_second / self.step)
            .filter(|&n| (self.per_second / self.step).is_multiple_of(n))
            .find(|&n| n as f64 >= rate - 0.01)
            .map_or(self.step, |n| self.per_second / n)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A time in which the arrangement does not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) start: Tick,
    pub(crate) end: Tick,
    pub(crate) stage: Stage,
    pub(crate) placement: Placement,
}

impl Stretch {
    /// Whether there is neither a slide nor a film to see.
    pub(crate) fn shows_nothing(&self) -> bool {
        self.stage == Stage::Empty && self.placement.webcams.is_none()
    }
}

/// What there is to arrange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrangement {
    pub(crate) parts: Parts,
    /// Size of the share's film, if there is one.
    pub(crate) share: Option<Size>,
    /// Until when the title card is seen.
    pub(crate) title_until: Tick,
}

/// Cuts the time from `start` to `end` where the arrangement changes.
pub(crate) fn stretches(
    timeline: &Timeline,
    arrangement: Arrangement,
    grid: Grid,
    start: Tick,
    end: Tick,
) -> Vec<Stretch> {
    let mut cuts: Vec<Tick> = timeline
        .slides
        .iter()
        .map(|slide| slide.at)
        .chain(timeline.shares.iter().flat_map(|s| [s.start, s.end]))
        .map(|t| grid.tick(t))
        .chain([arrangement.title_until])
        .filter(|&t| t > start && t < end)
        .chain([start, end])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut stretches: Vec<Stretch> = Vec::new();
    for pair in cuts.windows(2) {
        let stage = if pair[0] < arrangement.title_until {
            Stage::Title
        } else {
            on_stage(timeline, arrangement.share, grid, pair[0])
        };
        match stretches.last_mut() {
            Some(last) if last.stage == stage => last.end = pair[1],
            _ => stretches.push(Stretch {
                start: pair[0],
                end: pair[1],
                stage,
                placement: arrangement.parts.place(stage),
            }),
        }
    }
    stretches
}

fn on_stage(timeline: &Timeline, share: Option<Size>, grid: Grid, tick: Tick) -> Stage {
    let shared = timeline
        .shares
        .iter()
        .any(|s| grid.tick(s.start) <= tick && tick < grid.tick(s.end));
    if let (Some(film), true) = (share, shared) {
        return Stage::Share(film);
    }
    let shown = timeline
        .slides
        .iter()
        .take_while(|slide| grid.tick(slide.at) <= tick)
        .last();
    match shown {
        Some(slide) if !slide.is_blank() => Stage::Slide,
        _ => Stage::Empty,
    }
}

/// One part of the film, encoded on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) start: Tick,
    pub(crate) end: Tick,
}

/// How many frames a second each part costs is known before: `frames` are the ticks at which the
/// presentation changes, the stretches say where pictures move. Segments cost about the same and
/// are at least as many as `workers`, so that the workers finish together.
pub(crate) fn segments(
    stretches: &[Stretch],
    frames: &[Tick],
    grid: Grid,
    webcams_step: u64,
    share_step: u64,
    workers: usize,
    longest: Millis,
) -> Vec<Segment> {
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        return Vec::new();
    };
    let (start, end) = (first.start, last.end);
    let per_second = grid.per_second;
    // Cost in hundredths of a coded frame, gathered for each second.
    let seconds = usize::try_from((end - start).div_ceil(per_second)).unwrap_or(0);
    let mut cost = vec![150u64; seconds];
    let second = |tick: Tick| usize::try_from((tick - start) / per_second).unwrap_or(usize::MAX);
    for stretch in stretches {
        let moving = match (stretch.placement.webcams, stretch.placement.share) {
            (Some(_), Some(_)) => 100 * per_second / webcams_step + 150 * per_second / share_step,
            (Some(_), None) => 100 * per_second / webcams_step,
            (None, Some(_)) => 250 * per_second / share_step,
            (None, None) => 0,
        };
        for one in cost
            .iter_mut()
            .take(second(stretch.end - 1).saturating_add(1))
            .skip(second(stretch.start))
        {
            *one += moving;
        }
    }
    for &tick in frames {
        if let Some(one) = cost.get_mut(second(tick.max(start))) {
            *one += 60;
        }
    }
    let total: u64 = cost.iter().sum();
    let length = grid.instant(end - start);
    let most = usize::try_from(length.0 / SHORTEST_SEGMENT.0)
        .unwrap_or(1)
        .max(1);
    let least = usize::try_from(length.0.div_ceil(longest.0.max(1000))).unwrap_or(1);
    // Whole rounds of all workers, so that none waits for the last one's last segment.
    let wanted = least.div_ceil(workers).max(1) * workers;
    let share = total.div_ceil(wanted.min(most).max(least) as u64).max(1);
    let longest = (longest.0 / 1000).max(1);

    let mut segments = Vec::new();
    let (mut begun, mut sum) = (0, 0);
    for (n, one) in cost.iter().enumerate() {
        sum += one;
        let done = n + 1;
        if sum >= share || (done - begun) as u64 >= longest || done == seconds {
            segments.push(Segment {
                start: start + begun as u64 * per_second,
                end: (start + done as u64 * per_second).min(end),
            });
            (begun, sum) = (done, 0);
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::timeline::{Showing, Span};
    use proptest::prelude::*;

    const HD: Size = Size {
        width: 1280,
        height: 720,
    };

    fn arrangement(webcams: Option<Size>, share: Option<Size>) -> Arrangement {
        Arrangement {
            parts: Parts {
                layout: Layout::Presentation,
                frame: HD,
                webcams,
                chat: false,
            },
            share,
            title_until: 0,
        }
    }

    fn slide(at: u64, href: &str) -> Showing {
        Showing {
            at: Millis(at),
            id: String::new(),
            href: Some(href.into()),
            width: 1600.0,
            height: 1200.0,
            canvas: None,
        }
    }

    fn lecture() -> Timeline {
        Timeline {
            duration: Some(Millis(100_000)),
            slides: vec![
                slide(0, "presentation/logo.png"),
                slide(2_000, "presentation/p/slide-1.png"),
                slide(30_000, "presentation/p/slide-2.png"),
            ],
            shares: vec![Span {
                start: Millis(40_000),
                end: Millis(50_000),
            }],
            ..Timeline::default()
        }
    }

    #[test]
    fn grids_hold_tenths_and_frames() {
        for (fps, per_second, step) in [(15, 30, 2), (10, 10, 1), (25, 50, 2), (30, 30, 1)] {
            assert_eq!(Grid::new(fps), Grid { per_second, step });
        }
        let grid = Grid::new(15);
        for tenth in 0..100 {
            assert_eq!(
                grid.instant(grid.tick(Millis(tenth * 100))),
                Millis(tenth * 100)
            );
        }
        for t in 0..1000 {
            let seen = grid.instant(grid.tick(Millis(t)));
            assert!(seen.0 >= t && seen.0 <= t + 34, "{t}: {seen}");
        }
    }

    #[test]
    fn slow_films_need_few_frames() {
        let grid = Grid::new(15);
        assert_eq!(grid.step_of(5.0), 6);
        assert_eq!(grid.step_of(4.0), 6);
        assert_eq!(grid.step_of(15.0), 2);
        assert_eq!(grid.step_of(24.0), 2);
        assert_eq!(grid.step_of(7.0), 2);
    }

    #[test]
    fn stretches_follow_slides_and_shares() {
        let arrangement = arrangement(None, Some(HD));
        let found: Vec<_> = stretches(&lecture(), arrangement, Grid::new(10), 0, 1000)
            .iter()
            .map(|s| (s.start, s.end, s.stage))
            .collect();
        assert_eq!(
            found,
            [
                (0, 20, Stage::Empty),
                (20, 400, Stage::Slide),
                (400, 500, Stage::Share(HD)),
                (500, 1000, Stage::Slide)
            ]
        );
    }

    #[test]
    fn the_title_lies_over_the_beginning() {
        let arrangement = Arrangement {
            title_until: 50,
            ..arrangement(None, None)
        };
        let found: Vec<_> = stretches(&lecture(), arrangement, Grid::new(10), 10, 1000)
            .iter()
            .map(|s| (s.start, s.end, s.stage))
            .collect();
        assert_eq!(found, [(10, 50, Stage::Title), (50, 1000, Stage::Slide)]);
    }

    #[test]
    fn without_a_film_of_the_share_the_slide_stays() {
        let arrangement = arrangement(None, None);
        let found = stretches(&lecture(), arrangement, Grid::new(10), 0, 1000);
        assert_eq!(found.len(), 2);
    }

    proptest! {
        #[test]
        fn segments_follow_each_other_without_gaps(
            length in 1u64..100_000, workers in 1usize..20,
            changes in proptest::collection::vec(0u64..100_000, 0..50),
        ) {
            let grid = Grid::new(15);
            let arrangement = arrangement(Some(HD), Some(HD));
            let stretches = stretches(&lecture(), arrangement, grid, 7, 7 + length);
            let changes: Vec<_> = changes.into_iter().filter(|&t| t >= 7 && t < 7 + length).collect();
            let segments = segments(&stretches, &changes, grid, 2, 6, workers, Millis(300_000));
            prop_assert_eq!(segments[0].start, 7);
            prop_assert_eq!(segments[segments.len() - 1].end, 7 + length);
            for pair in segments.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
            for segment in segments {
                prop_assert!(segment.start < segment.end);
                prop_assert!(segment.end - segment.start <= grid.tick(Millis(300_000)));
            }
        }
    }
}
