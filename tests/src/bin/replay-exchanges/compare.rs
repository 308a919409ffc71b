//! Whether two answers are the same but for what no two runs have in common: clocks, secrets and
//! random letters. Such a value is not skipped: wherever the recording repeats one, the replay has
//! to repeat its own.

use std::collections::BTreeMap;

use serde_json::Value;

/// The day of the recordings, on which the stand-in's clock is set too.
const DAY: &str = "2026-11-21";

/// The pairs of volatile values met so far.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    forth: BTreeMap<String, String>,
    back: BTreeMap<String, String>,
}

impl Pairs {
    /// The differences between two JSON values, each with its path.
    pub(crate) fn json(
        &mut self,
        path: &str,
        recorded: &Value,
        replayed: &Value,
        found: &mut Vec<String>,
    ) {
        match (recorded, replayed) {
            (Value::Object(a), Value::Object(b)) => {
                for (key, value) in a {
                    match b.get(key) {
                        Some(other) => self.json(&format!("{path}.{key}"), value, other, found),
                        None => found.push(format!("{path}.{key} is missing")),
                    }
                }
                found.extend(
                    b.keys()
                        .filter(|key| !a.contains_key(*key))
                        .map(|key| format!("{path}.{key} is too much")),
                );
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (at, (value, other)) in a.iter().zip(b).enumerate() {
                    self.json(&format!("{path}[{at}]"), value, other, found);
                }
            }
            (Value::String(a), Value::String(b)) if self.text(a, b) => {}
            (a, b) if a == b => {}
            (a, b) => found.push(format!("{path}: {a} in the recording, {b} here")),
        }
    }

    /// Whether two texts agree.
    pub(crate) fn text(&mut self, recorded: &str, replayed: &str) -> bool {
        let (mut a, mut b) = (recorded, replayed);
        while !a.is_empty() || !b.is_empty() {
            if let Some((token, with_a, with_b)) = volatile(a, b) {
                if token.bound() && !self.bind(&a[..with_a], &b[..with_b]) {
                    return false;
                }
                (a, b) = (&a[with_a..], &b[with_b..]);
                continue;
            }
            let (mut left, mut right) = (a.chars(), b.chars());
            if left.next() != right.next() {
                return false;
            }
            (a, b) = (left.as_str(), right.as_str());
        }
        true
    }

    fn bind(&mut self, a: &str, b: &str) -> bool {
        let forth = self
            .forth
            .entry(a.to_owned())
            .or_insert_with(|| b.to_owned());
        let back = self
            .back
            .entry(b.to_owned())
            .or_insert_with(|| a.to_owned());
        forth == b && back == a
    }
}

#[derive(Clone, Copy, Debug)]
enum Token {
    /// A hash key: 64 hexadecimal digits.
    Key,
    /// A cached picture: two folders of two digits, a name of 32.
    Picture,
    /// A moment of the recorded day, to the microsecond.
    Moment,
    /// A moment of the recorded day, to the second: several moments may share it.
    Second,
    /// Such a moment in a file's name.
    FileMoment,
    /// The seven letters that make a file's name free.
    Letters,
}

impl Token {
    fn bound(self) -> bool {
        !matches!(self, Token::Second)
    }

    fn length(self, text: &str) -> Option<usize> {
        match self {
            Token::Key => shaped(
                text,
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            ),
            Token::Picture => shaped(text, "/xx/xx/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            Token::Moment => {
                shaped(text.strip_prefix(DAY)?, "Tdd:dd:dd.dddddd").map(|rest| DAY.len() + rest)
            }
            Token::Second => {
                shaped(text.strip_prefix(DAY)?, "Tdd:dd:dd").map(|rest| DAY.len() + rest)
            }
            Token::FileMoment => {
                shaped(text.strip_prefix(DAY)?, "_dd-dd-dd.dddddd").map(|rest| DAY.len() + rest)
            }
            Token::Letters => shaped(text, "_aaaaaaa.").map(|length| length - 1),
        }
    }
}

fn volatile(a: &str, b: &str) -> Option<(Token, usize, usize)> {
    [
        Token::Key,
        Token::Picture,
        Token::Moment,
        Token::FileMoment,
        Token::Second,
        Token::Letters,
    ]
    .into_iter()
    .find_map(|token| Some((token, token.length(a)?, token.length(b)?)))
}

/// The length of `shape` when the text begins with it: `x` a hexadecimal digit, `d` a digit, `a`
/// a letter or digit, anything else itself.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let fits = text.len() >= shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| match shape {
                b'x' => byte.is_ascii_hexdigit(),
                b'd' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphanumeric(),
                other => byte == other,
            });
    fits.then_some(shape.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volatile_value_has_to_be_repeated() {
        let mut pairs = Pairs::default();
        assert!(pairs.text("a_Ly2nwLo.mp4", "a_AAAAAAA.mp4"));
        assert!(pairs.text("b/a_Ly2nwLo.mp4", "b/a_AAAAAAA.mp4"));
        assert!(!pairs.text("a_Ly2nwLo.mp4", "a_BBBBBBB.mp4"));
        assert!(!pairs.text("a_eC8n1fM.mp4", "a_AAAAAAA.mp4"));
        assert!(pairs.text(
            "2026-11-21T06:52:18.858403+01:00",
            "2026-11-21T06:50:00.000001+01:00"
        ));
        assert!(!pairs.text(
            "2026-11-21T06:52:18.858403+01:00",
            "2026-11-21T06:50:00+01:00"
        ));
        assert!(!pairs.text("2026-10-05T16:30:00+02:00", "2026-10-05T16:30:01+02:00"));
    }
}
