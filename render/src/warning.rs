//! What was left out or repaired while a recording was read and drawn, told once per cause.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

/// How many distinct warnings are kept; what comes after them is only counted.
const DISTINCT: usize = 100;

/// One cause for which something is missing from, or was repaired in, the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What happened, as "shape skipped".
    pub what: String,
    /// The file it concerns, relative to the recording's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Why, for a human.
    pub why: String,
    /// How many times it happened.
    pub count: u32,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if let Some(file) = &self.file {
            write!(f, " in {}", file.display())?;
        }
        write!(f, ": {}", self.why)?;
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        Ok(())
    }
}

/// A bounded collection of warnings that any number of threads may add to.
#[derive(Debug, Default)]
pub struct Warnings {
    kept: Mutex<Vec<Warning>>,
}

impl Warnings {
    /// Notes that something happened; the same thing in the same file for the same reason is counted.
    pub fn add(&self, what: &str, file: Option<&Path>, why: impl Into<String>) {
        let why = why.into();
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(same) = kept
            .iter_mut()
            .find(|w| w.what == what && w.file.as_deref() == file && w.why == why)
        {
            same.count = same.count.saturating_add(1);
            return;
        }
        if kept.len() == DISTINCT {
            kept.push(Warning {
                what: "more warnings".into(),
                file: None,
                why: format!("only the first {DISTINCT} kinds are listed"),
                count: 0,
            });
        }
        match kept.get_mut(DISTINCT) {
            Some(rest) => rest.count = rest.count.saturating_add(1),
            None => {
                tracing::debug!(what, file = ?file, why, "recording is imperfect");
                kept.push(Warning {
                    what: what.into(),
                    file: file.map(Path::to_path_buf),
                    why,
                    count: 1,
                });
            }
        }
    }

    /// Everything noted so far, in the order of its first occurrence.
    #[must_use]
    pub fn list(&self) -> Vec<Warning> {
        self.kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_causes_are_counted_and_kinds_are_bounded() {
        let warnings = Warnings::default();
        for _ in 0..3 {
            warnings.add(
                "shape skipped",
                Some(Path::new("shapes.svg")),
                "no such type",
            );
        }
        assert_eq!(
            warnings.list()[0].to_string(),
            "shape skipped in shapes.svg: no such type (3 times)"
        );
        for i in 0..500 {
            warnings.add("shape skipped", None, format!("reason {i}"));
        }
        let list = warnings.list();
        assert_eq!(list.len(), DISTINCT + 1);
        assert_eq!(list.last().map(|w| w.count), Some(401));
    }
}
