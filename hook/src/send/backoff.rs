//! When to try again: doubling pauses with jitter, for ever, up to a longest one.

use std::time::Duration;

use crate::failure::Cause;
use crate::settings::{Retry, std_duration};

/// Least pause after a failure that only a person can mend.
const PERSON: Duration = Duration::from_secs(300);
/// Longest pause after a decision of the receiver's administrator, who takes it back some time.
const DECIDED: Duration = Duration::from_secs(300);
/// Longest pause after a failure that passes by itself.
const BRIEF: Duration = Duration::from_secs(20);

/// The pause before the next attempt, after `attempts` failures in a row.
///
/// `chance` lies in `0.0..1.0` and spreads the pauses over the upper half of the interval, so that
/// the nodes of a site do not all come back at the same instant.
pub(crate) fn pause(retry: &Retry, cause: Cause, attempts: u32, chance: f64) -> Duration {
    let (first, longest) = (std_duration(retry.first), std_duration(retry.longest));
    let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(30));
    let least = if cause.needs_a_person() {
        PERSON.min(longest)
    } else {
        first
    };
    let longest = if cause.is_decided() {
        longest.min(DECIDED).max(least)
    } else if cause.is_brief() {
        longest.min(BRIEF).max(least)
    } else {
        longest
    };
    let whole = doubled.clamp(least, longest);
    whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry::default();
        let whole = |cause, attempts| pause(&retry, cause, attempts, 1.0).as_secs();
        let seen: Vec<u64> = (1..=11).map(|n| whole(Cause::ReceiverDown, n)).collect();
        assert_eq!(seen, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert_eq!(whole(Cause::TokenRefused, 1), 300);
        assert_eq!(whole(Cause::TokenRefused, 20), 3600);
        assert_eq!(whole(Cause::NodeCordoned, 20), 300);
        assert_eq!(whole(Cause::SpoolBusy, 20), 20);
    }

    proptest! {
        #[test]
        fn never_more_than_the_longest_never_less_than_half_the_first(
            attempts in any::<u32>(), chance in 0.0..1.0f64,
        ) {
            let retry = Retry::default();
            let pause = pause(&retry, Cause::Timeout, attempts, chance);
            prop_assert!(pause >= std_duration(retry.first) / 2);
            prop_assert!(pause <= std_duration(retry.longest));
        }
    }
}
