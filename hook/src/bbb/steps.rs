//! Which formats BBB publishes of every recording: its `steps`, or its scripts before 2.3.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use recording::PlaybackFormat;
use serde_json::Value;

/// The formats that the step `archive` leads to, by a step `publish` of each.
///
/// A step is `name` or `name:format`; one without a format goes on with that of the step before.
pub(super) fn published(steps: &Value) -> BTreeSet<PlaybackFormat> {
    let mut formats = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut queue: VecDeque<(String, Option<String>)> = VecDeque::new();
    queue.push_back(("archive".to_owned(), None));
    while let Some((name, format)) = queue.pop_front() {
        if !seen.insert((name.clone(), format.clone())) {
            continue;
        }
        if name == "publish" {
            formats.extend(format.as_deref().and_then(|f| f.parse().ok()));
        }
        let exact = format.as_ref().map(|format| format!("{name}:{format}"));
        let next = exact
            .and_then(|key| steps.get(&key))
            .or_else(|| steps.get(&name));
        let next = match next {
            Some(Value::Array(steps)) => steps.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(step)) => vec![step.as_str()],
            _ => Vec::new(),
        };
        for step in next {
            let (name, own) = match step.split_once(':') {
                Some((name, own)) => (name, Some(own.to_owned())),
                None => (step, format.clone()),
            };
            queue.push_back((name.to_owned(), own));
        }
    }
    formats
}

/// Before 2.3 every script of `publish/` publishes its format.
pub(super) fn of_scripts(scripts_dir: &Path) -> BTreeSet<PlaybackFormat> {
    let entries = fs::read_dir(scripts_dir.join("publish"))
        .into_iter()
        .flatten();
    let formats = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_suffix(".rb")?.parse().ok()
    });
    formats.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_archive_leads_to() {
        for (steps, wanted) in [
            (
                r#"{"archive":"sanity","sanity":"captions","captions":"process:presentation",
                    "process:presentation":"publish:presentation"}"#,
                "presentation",
            ),
            (
                r#"{"archive":"sanity","sanity":"captions",
                    "captions":["process:presentation","process:video"],
                    "process:presentation":"publish:presentation",
                    "process:video":"publish:video",
                    "publish:presentation":["process:notes"],"process":"publish",
                    "process:podcast":"publish:podcast"}"#,
                "notes,presentation,video",
            ),
            (r#"{"archive":"sanity","sanity":"archive"}"#, ""),
            (r#"[1]"#, ""),
            ("null", ""),
        ] {
            let found = published(&serde_json::from_str(steps).unwrap());
            let found: Vec<_> = found.iter().map(PlaybackFormat::as_str).collect();
            assert_eq!(found.join(","), wanted);
        }
    }

    #[test]
    fn before_the_steps_there_were_scripts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("publish")).unwrap();
        for name in ["presentation.rb", "video.rb", "README", "old.rb.bak"] {
            fs::write(dir.path().join("publish").join(name), "").unwrap();
        }
        let found: Vec<_> = of_scripts(dir.path()).into_iter().collect();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
