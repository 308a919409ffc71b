//! When the hook may send: `http.window`, and how much: `http.bandwidth_limit`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// Hours of the node's own day in which packages are sent, `20:00-06:00`; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Window {
    from: Time,
    to: Time,
}

impl Window {
    /// Whether it is open at an instant, by the node's clock and time zone.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.holds(now.to_zoned(TimeZone::system()).time())
    }

    fn holds(&self, time: Time) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let wrong = || format!("\"{text}\" is no window; write it as 20:00-06:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
            let number = |text: &str| match text.len() {
                1 | 2 => text.parse::<i8>().map_err(|_| wrong()),
                _ => Err(wrong()),
            };
            match (number(hour)?, number(minute)?) {
                (24, 0) => Ok(Time::midnight()),
                (hour, minute) => Time::new(hour, minute, 0, 0).map_err(|_| wrong()),
            }
        };
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(format!(
                "\"{text}\" begins when it ends; leave the window out to send at any time"
            ));
        }
        Ok(Window { from, to })
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Window, String> {
        text.parse()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.strftime("%H:%M"), self.to.strftime("%H:%M"));
        write!(f, "{from}-{to}")
    }
}

/// Bytes a second, written as a size: `20MB`, `2.5 MiB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RateText")]
pub(crate) struct Rate(pub(crate) u64);

/// Least rate taken: below it a chunk would outlast any proxy's patience.
const LEAST_RATE: u64 = 64 * 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum RateText {
    Number(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl TryFrom<RateText> for Rate {
    type Error = String;

    fn try_from(text: RateText) -> Result<Rate, String> {
        let rate = match text {
            RateText::Number(bytes) => bytes,
            RateText::Other(_) => {
                return Err(
                    "that is no rate; write it as 20MB or 2.5MiB, or leave it out".to_owned(),
                );
            }
            RateText::Text(text) => {
                let size = text.trim().trim_end_matches("/s").trim_end();
                let size: bytesize::ByteSize = size
                    .parse()
                    .map_err(|_| format!("\"{text}\" is no rate; write it as 20MB or 2.5MiB"))?;
                size.as_u64()
            }
        };
        if rate < LEAST_RATE {
            return Err(format!("{rate} bytes a second is less than 64KiB"));
        }
        Ok(Rate(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_pass_midnight() {
        let open = |window: &str, hour, minute| {
            let window: Window = window.parse().unwrap();
            window.holds(Time::new(hour, minute, 0, 0).unwrap())
        };
        for (window, hour, minute, wanted) in [
            ("20:00-06:00", 20, 0, true),
            ("20:00-06:00", 23, 59, true),
            ("20:00-06:00", 0, 0, true),
            ("20:00-06:00", 5, 59, true),
            ("20:00-06:00", 6, 0, false),
            ("20:00-06:00", 19, 59, false),
            ("1:30-4:00", 1, 30, true),
            ("1:30-4:00", 4, 0, false),
            ("22:00-24:00", 23, 0, true),
            ("22:00-24:00", 0, 0, false),
        ] {
            assert_eq!(
                open(window, hour, minute),
                wanted,
                "{window} {hour}:{minute}"
            );
        }
        for wrong in [
            "20:00",
            "20-06",
            "25:00-06:00",
            "20:60-06:00",
            "06:00-6:00",
            "x:00-06:00",
            "020:00-06:00",
        ] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
        assert_eq!(
            "1:30-24:00".parse::<Window>().unwrap().to_string(),
            "01:30-00:00"
        );
    }

    #[test]
    fn rates_are_sizes_a_second() {
        let rate = |yaml: &str| serde_json::from_str::<Rate>(yaml).map(|r| r.0);
        assert_eq!(rate("\"20MB\"").unwrap(), 20_000_000);
        assert_eq!(rate("\"2 MiB/s\"").unwrap(), 2 * 1024 * 1024);
        assert_eq!(rate("1000000").unwrap(), 1_000_000);
        assert!(rate("\"fast\"").is_err());
        assert!(rate("\"1KB\"").is_err());
        let said = rate("-1").unwrap_err().to_string();
        assert!(said.contains("write it as 20MB"), "{said}");
    }
}
