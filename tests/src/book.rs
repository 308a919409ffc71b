//! The book: its chapters on every setting, which are generated, and the commands that it shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use manual::reference::{File, Language, Untranslated, chapter};
use serde_json::Value;

use crate::harness::{program, source_root};

/// Where the two chapters lie, English first.
#[must_use]
pub fn chapters() -> [PathBuf; 2] {
    ["docs/en/settings.md", "docs/fr/reglages.md"].map(|path| source_root().join(path))
}

/// The table of French.
#[must_use]
pub fn table_path() -> PathBuf {
    source_root().join("manual/settings.fr.yml")
}

/// The settings files, as the programs describe them.
///
/// # Panics
/// A program is not built or cannot write.
#[must_use]
pub fn files() -> [File; 2] {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let schema = |name: &str| -> Value {
        let mut command = Command::new(program(name));
        let done = command.arg("manual").arg(scratch.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "{command:?}");
        let file = scratch.path().join(format!("{name}.schema.json"));
        let text = fs::read(file).expect("the schema of the settings");
        serde_json::from_slice(&text).expect("the schema of the settings")
    };
    [
        File {
            path: "/etc/bbb2pod/receiver.yml",
            program: "bbb2pod-receiver",
            schema: schema("bbb2pod-receiver"),
        },
        File {
            path: "/etc/bbb2pod/hook.yml",
            program: "bbb2pod-hook",
            schema: schema("bbb2pod-hook"),
        },
    ]
}

/// The table from English to French.
///
/// # Panics
/// It cannot be read.
#[must_use]
pub fn table() -> BTreeMap<String, String> {
    let text = fs::read_to_string(table_path()).expect("the table of French");
    serde_yaml::from_str(&text).expect("the table of French")
}

/// Both chapters as they should be.
///
/// # Errors
/// Words that the table of French lacks.
pub fn both(files: &[File]) -> Result<[String; 2], Untranslated> {
    let english = chapter(files, &Language::English)?;
    Ok([english, chapter(files, &Language::French(table()))?])
}

/// What somebody has to do about words without French.
#[must_use]
pub fn advice(missing: &Untranslated, table: &Path) -> String {
    let lines: Vec<_> = missing
        .0
        .iter()
        .map(|words| format!("{}: \"\"", serde_json::Value::String(words.clone())))
        .collect();
    format!(
        "these words of settings have no French; add it to {} and run `make reference`:\n{}",
        table.display(),
        lines.join("\n")
    )
}

const PROGRAMS: [&str; 2] = ["bbb2pod-hook", "bbb2pod-receiver"];

/// The calls of our programs that a document shows, as a shell has them.
///
/// # Panics
/// It cannot be read.
#[must_use]
pub fn calls_in(document: &Path) -> Vec<Vec<String>> {
    code(document).iter().flat_map(|line| calls(line)).collect()
}

/// The code in a document: what stands between backquotes, and lines of blocks. Of other files all.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    if path.extension().is_none_or(|kind| kind != "md") {
        let lines = text.lines().map(|line| line.replace('`', "\n"));
        return lines
            .flat_map(|l| l.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
    }
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.push(line.to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The calls of our programs in a line of code.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for program in PROGRAMS {
        let mut rest = line;
        while let Some(at) = rest.find(program) {
            let before = rest[..at].chars().next_back();
            let after = &rest[at + program.len()..];
            rest = after;
            let is_word = before.is_none_or(|c| " (/\"'".contains(c)) && after.starts_with(' ');
            let Some(words) = is_word.then(|| words(after)).flatten() else {
                continue;
            };
            // Prose and other programs' arguments have no verb there.
            if words
                .first()
                .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                found.push([vec![program.to_owned()], words].concat());
            }
        }
    }
    found
}

/// The words of a call, as a shell has them; what people fill in is filled in.
fn words(text: &str) -> Option<Vec<String>> {
    let id = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";
    let mut text = text.to_owned();
    for placeholder in [
        "<record id>",
        "<id de l'enregistrement>",
        "<identifiant>",
        "<id>",
    ] {
        text = text.replace(placeholder, id);
    }
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if word.is_empty() => break,
            (None, '|' | ';' | '&' | '>' | '<' | ')' | '[' | '─' | '→' | '…') => break,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    // The end of a sentence.
    if let Some(last) = words.last_mut() {
        *last = last.trim_end_matches([',', '.', ':']).to_owned();
    }
    (!words.is_empty()).then_some(words)
}
