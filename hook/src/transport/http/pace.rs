//! `http.bandwidth_limit`: how long bytes have to wait before they may be sent.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Credit that an idle link may save up.
const CREDIT: Duration = Duration::from_millis(250);

/// One rate for all uploads together.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When everything that was let go so far will have passed at this rate.
    through: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn of(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second: bytes_per_second.max(1),
            through: Mutex::new(None),
        }
    }

    /// How long so many bytes have to wait, counted from `now`.
    pub(super) fn wait(&self, bytes: u64, now: Instant) -> Duration {
        let Ok(mut through) = self.through.lock() else {
            return Duration::ZERO;
        };
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let begin = through.map_or(now, |at| at.max(earliest));
        // As fractions: small pieces on a fast link would round to nothing.
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let end = begin + takes;
        *through = Some(end);
        end.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sends_the_rate_is_never_exceeded_by_more_than_the_credit() {
        let pace = Pace::of(1_000_000);
        let begun = Instant::now();
        let mut now = begun;
        for n in 0..100u64 {
            // Two uploads in turn, one of which pauses now and then.
            let waited = pace.wait(64 * 1024, now);
            now += waited;
            if n % 10 == 9 {
                now += Duration::from_secs(1);
            }
        }
        let sent = 100.0 * 64.0 * 1024.0;
        let allowed = (now - begun).as_secs_f64() * 1_000_000.0;
        assert!(
            sent <= allowed + 0.25 * 1_000_000.0 * 11.0,
            "{sent} {allowed}"
        );
        let busy = (now - begun).as_secs_f64() - 10.0;
        assert!(
            busy >= 4.0,
            "the pauses do not save up more than the credit: {busy}"
        );
    }
}
