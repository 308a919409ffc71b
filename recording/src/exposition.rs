//! Numbers in the text format that Prometheus reads, for those that are only known when asked.

use std::fmt::{Display, Write as _};

/// A text of metrics.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Adds a gauge with one sample for each value of a label.
    pub fn by<L: Display, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) {
        self.head(name, help);
        for (of, value) in samples {
            let of = escaped(&of.to_string());
            // Writing into a text cannot fail.
            let _ = writeln!(self.0, "{name}{{{label}=\"{of}\"}} {value}");
        }
    }

    /// Adds a gauge with one sample for each pair of values of two labels.
    pub fn by_two<K: Display, L: Display, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        labels: (&str, &str),
        samples: impl IntoIterator<Item = (K, L, V)>,
    ) {
        self.head(name, help);
        for (one, other, value) in samples {
            let (one, other) = (escaped(&one.to_string()), escaped(&other.to_string()));
            let (first, second) = labels;
            // Writing into a text cannot fail.
            let _ = writeln!(
                self.0,
                "{name}{{{first}=\"{one}\",{second}=\"{other}\"}} {value}"
            );
        }
    }

    /// Adds a gauge without labels; without a value there is nothing to tell now.
    pub fn one<V: Display>(&mut self, name: &str, help: &str, value: Option<V>) {
        self.head(name, help);
        if let Some(value) = value {
            let _ = writeln!(self.0, "{name} {value}");
        }
    }

    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_what_is_unknown_has_no_sample() {
        let mut text = Exposition::default();
        text.by("jobs", "Jobs.", "cause", [("disk \"full\"\n", 2)]);
        text.one("oldest", "The oldest.", None::<i64>);
        text.one("bytes", "Bytes.", Some(7));
        let expected = "# HELP jobs Jobs.
# TYPE jobs gauge
jobs{cause=\"disk \\\"full\\\"\\n\"} 2
# HELP oldest The oldest.
# TYPE oldest gauge
# HELP bytes Bytes.
# TYPE bytes gauge
bytes 7
";
        assert_eq!(text.into_text(), expected);
    }
}
