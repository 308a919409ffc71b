//! When something that failed is tried again: the one policy of the receiver.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(15);
/// The longest wait.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// The wait after so many failures, `jitter` being between 0 and 1: twice as long each time, up
/// to an hour, and shortened by up to a fifth so that many failures do not come back together.
fn wait(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2u32.saturating_pow(failures.min(20)));
    doubled
        .min(LONGEST)
        .mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
}

/// When to try again what has failed so many times before this failure.
pub(crate) fn next_try(failures_before: u32) -> Timestamp {
    let wait = wait(failures_before, rand::rng().random());
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(3600));
    Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        for (failures, seconds) in [(0, 15), (1, 30), (4, 240), (8, 3600), (u32::MAX, 3600)] {
            assert_eq!(wait(failures, 0.0), Duration::from_secs(seconds));
            assert_eq!(
                wait(failures, 1.0),
                Duration::from_secs(seconds).mul_f64(0.8)
            );
        }
    }
}
