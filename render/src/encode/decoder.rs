//! A film of the recording decoded by ffmpeg into raw pictures of the size they will have.

use crate::encode::frame::bytes;
use crate::encode::plan::{Grid, Tick};
use crate::encode::process::{Pipe, Process, Processes, quiet};
use crate::error::Error;
use crate::geometry::Size;
use crate::media::{Media, Tools, input};

/// Pictures of one film, one after the other on a grid of its own.
#[derive(Debug)]
pub(crate) struct Decoder {
    process: Process,
    picture: Vec<u8>,
    next: Vec<u8>,
    /// How many pictures have been read.
    read: u64,
    ended: bool,
    first: Tick,
    step: u64,
    until: Tick,
}

/// How a film of the recording is to be decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) media: &'a Media,
    /// What to call it in errors.
    pub(crate) name: &'a str,
    pub(crate) size: Size,
    /// ffmpeg's way of scaling.
    pub(crate) scaler: &'static str,
    pub(crate) grid: Grid,
    /// Ticks between two pictures.
    pub(crate) step: u64,
}

impl Decoder {
    /// Starts decoding for the time from `start` until before `end`. Pictures lie on the multiples
    /// of `step`; the first one is that of `start` or the last before it.
    pub(crate) fn start(
        tools: &Tools,
        processes: &Processes,
        wanted: Wanted<'_>,
        start: Tick,
        end: Tick,
    ) -> Result<Decoder, Error> {
        let Wanted {
            media,
            name,
            size,
            scaler,
            grid,
            step,
        } = wanted;
        let first = start / step * step;
        let from = grid.instant(first);
        let rate = format!("{}/{step}", grid.per_second);
        // Decoding begins at the key frame before; with original times kept, the filter drops
        // what is superseded at `from` and repeats what is still shown then.
        let filter = format!(
            "fps=fps={rate}:start_time={from}:round=near,scale={}:{}:flags={scaler},format=yuv420p",
            size.width, size.height
        );
        let mut command = quiet(&tools.ffmpeg);
        command
            .args(["-nostdin", "-threads", "1", "-noaccurate_seek", "-copyts"])
            .args(["-ss", &from.to_string()])
            .args(input(&media.path))
            .args(["-map", "0:v:0", "-an", "-sn", "-dn", "-filter_threads", "1"])
            .args(["-vf", &filter])
            .args(["-frames:v", &(end - first).div_ceil(step).to_string()])
            .args(["-f", "rawvideo", "pipe:1"]);
        let process =
            processes.spawn(&mut command, &format!("reading the {name}"), Pipe::Output)?;
        Ok(Decoder {
            process,
            picture: vec![0; bytes(size)],
            next: vec![0; bytes(size)],
            read: 0,
            ended: false,
            first,
            step,
            until: end,
        })
    }

    /// The tick from which on the next picture is shown; `None` when there is none any more.
    pub(crate) fn next_tick(&self) -> Option<Tick> {
        let tick = self.first + self.read * self.step;
        (!self.ended && tick < self.until).then_some(tick)
    }

    /// Goes to the next picture; `true` when it differs from the one before.
    pub(crate) fn advance(&mut self) -> bool {
        match self.process.read_exactly(&mut self.next) {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                self.ended = true;
                return false;
            }
        }
        self.read += 1;
        let changed = self.read == 1 || self.picture != self.next;
        std::mem::swap(&mut self.picture, &mut self.next);
        changed
    }

    /// The present picture, in I420; `None` before the first.
    pub(crate) fn picture(&self) -> Option<&[u8]> {
        (self.read > 0).then_some(&self.picture)
    }

    /// When the film ended before its time, the tick from which on it is missing.
    pub(crate) fn ended_at(&self) -> Option<Tick> {
        self.ended.then(|| self.first + self.read * self.step)
    }

    /// What ffmpeg complained of last.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.process.last_words().pop()
    }
}
