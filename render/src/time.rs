//! Instants and spans of recorded time.

use std::fmt;

/// An instant or a span of recorded time, in whole milliseconds.
///
/// BBB's timed files count seconds rounded to 0.1 s; milliseconds hold them exactly, and compare
/// and sort without the surprises of floating point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Millis(pub u64);

impl Millis {
    /// Zero: the first instant of the recording.
    pub const ZERO: Millis = Millis(0);

    /// The nearest millisecond to a number of seconds; `None` when it is not finite.
    ///
    /// Negative seconds, which BBB writes now and then for `-0.0` and rounding, count as zero.
    /// What is too large to be an instant at all saturates.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Millis> {
        // The cast of a float to an integer saturates, which is what is wanted here.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        seconds
            .is_finite()
            .then(|| Millis((seconds.max(0.0) * 1000.0).round() as u64))
    }

    /// This instant in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl fmt::Display for Millis {
    /// Seconds with three decimals, as ffmpeg takes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
