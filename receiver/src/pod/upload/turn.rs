//! Whose turn it is to be encoded: Pod encodes everything it is asked for at once, and without a
//! queue of its own each encoding is a process beside its web server.
//!
//! How many run is counted in the journals of all recordings, so that a restart changes nothing.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, Zoned};

use super::Upload;
use crate::pod::config::Window;
use crate::pod::{Journal, PodError};

/// How often one that waits asks again, when few wait; the more wait, the less often each asks.
const AGAIN: u64 = 20;
const LONGEST: u64 = 3600;

impl Upload {
    /// How long to wait before an encoding may be launched; `None` means now.
    pub(super) async fn turn(&self, journal: &dyn Journal) -> Result<Option<Duration>, PodError> {
        let mut counts = [0; 3];
        let paths = ["$.step.encoding", "$.step.launching", "$.step.waiting"];
        for (count, path) in counts.iter_mut().zip(paths) {
            *count = journal.others(path).await.map_err(PodError::Journal)?;
        }
        let [encoding, launching, waiting] = counts;
        let now = Timestamp::now().to_zoned(self.timezone.clone());
        if let Some(window) = self.config.encoding.window
            && let Some(closed) = until_open(window, &now)
        {
            // Not all at the same second.
            let spread = Duration::from_secs((waiting % 600) + 1);
            return Ok(Some(closed + spread));
        }
        let room = encoding + launching < self.config.encoding.at_once;
        Ok((!room).then(|| Duration::from_secs((AGAIN + waiting).min(LONGEST))))
    }
}

/// How long until a window of the day opens; `None` when it is open.
fn until_open(window: Window, now: &Zoned) -> Option<Duration> {
    let time = now.time();
    let open = if window.from < window.to {
        window.from <= time && time < window.to
    } else {
        window.from <= time || time < window.to
    };
    if open {
        return None;
    }
    let zone = now.time_zone().clone();
    let opens = |day: jiff::civil::Date| day.to_datetime(window.from).to_zoned(zone.clone()).ok();
    let today = opens(now.date()).filter(|at| at > now);
    let next = today.or_else(|| opens(now.date().checked_add(1.day()).ok()?))?;
    Some(now.duration_until(&next).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_go_over_midnight() {
        let window = |from: &str, to: &str| Window {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        for (from, to, now, minutes) in [
            ("20:00", "06:00", "2026-10-05T21:00:00", None),
            ("20:00", "06:00", "2026-10-05T05:59:00", None),
            ("20:00", "06:00", "2026-10-05T06:00:00", Some(14 * 60)),
            ("08:00", "18:00", "2026-10-05T12:00:00", None),
            ("08:00", "18:00", "2026-10-05T07:00:00", Some(60)),
            ("08:00", "18:00", "2026-10-05T19:00:00", Some(13 * 60)),
            // The night in which clocks go back has an hour more.
            ("08:00", "18:00", "2026-10-24T18:00:00", Some(15 * 60)),
        ] {
            let now: Zoned = format!("{now}[Europe/Paris]").parse().unwrap();
            let wait = until_open(window(from, to), &now).map(|wait| wait.as_secs() / 60);
            assert_eq!(wait, minutes, "{from}-{to} at {now}");
        }
    }
}
