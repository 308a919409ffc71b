//! What is written for administrators: both languages have the same chapters, links lead somewhere,
//! and every setting is explained.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::harness::{Finished, program, source_root};

/// A chapter as the list of its folder names it, and the levels of its headings.
fn chapters(language: &str) -> Vec<(String, Vec<usize>)> {
    let folder = source_root().join("docs").join(language);
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let chapters: Vec<_> = list
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .map(|line| links_in(line).next().expect(line).to_owned())
        .map(|file| {
            let text = fs::read_to_string(folder.join(&file)).unwrap();
            let mut in_code = false;
            let headings = text.lines().filter(|line| {
                in_code ^= line.starts_with("```");
                !in_code && line.starts_with('#')
            });
            let levels = headings.map(|line| line.len() - line.trim_start_matches('#').len());
            let levels = levels.collect();
            (file, levels)
        })
        .collect();
    let listed: BTreeSet<_> = chapters.iter().map(|(file, _)| file.clone()).collect();
    let there: BTreeSet<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name != "README.md")
        .collect();
    assert_eq!(
        listed, there,
        "docs/{language}/README.md lists every chapter once"
    );
    assert_eq!(listed.len(), chapters.len(), "docs/{language}/README.md");
    chapters
}

fn links_in(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

#[test]
fn both_languages_have_the_same_chapters() {
    let (english, french) = (chapters("en"), chapters("fr"));
    assert_eq!(english.len(), french.len(), "{english:?}\n{french:?}");
    for ((en, levels), (fr, niveaux)) in english.iter().zip(&french) {
        assert_eq!(
            levels, niveaux,
            "the sections of docs/en/{en} and docs/fr/{fr}"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = source_root();
    let mut files = vec![root.join("README.md"), root.join("docs/architecture.md")];
    for language in ["en", "fr"] {
        let folder = fs::read_dir(root.join("docs").join(language)).unwrap();
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for target in links_in(&text).filter(|t| !t.contains("://") && !t.starts_with('#')) {
            let path = target.split('#').next().unwrap();
            let there = file.parent().unwrap().join(path).exists();
            assert!(there, "{} links to {target}", file.display());
        }
    }
}

/// What a program answers to settings: it refuses unknown keys and names those that it knows.
struct Asked<'a> {
    program: &'a str,
    scratch: &'a Path,
}

impl Asked<'_> {
    fn of(&self, yaml: &str) -> String {
        let file = self.scratch.join("settings.yml");
        fs::write(&file, yaml).unwrap();
        let verb = match self.program {
            "bbb2pod-hook" => "status",
            _ => "check",
        };
        let mut command = Command::new(program(self.program));
        command.args([verb, "--config"]).arg(file);
        Finished::of(&mut command).stderr
    }

    /// The names that may stand where `no_such_name` stands in this text, if names are read there.
    fn names(&self, yaml: &str) -> Option<Vec<String>> {
        let said = self.of(yaml);
        let unknown = ["unknown key `no_such_name`", "unknown field `no_such_name`"];
        let (_, rest) = unknown.iter().find_map(|words| said.split_once(words))?;
        let names = rest.split('`').skip(1).step_by(2).map(str::to_owned);
        Some(names.collect())
    }

    /// Every key below a path of sections, as `http.receiver`.
    fn keys(&self, above: &[(&str, &str)], found: &mut BTreeSet<String>) {
        let Some(names) = self.names(&nested(above, "no_such_name: 1")) else {
            return;
        };
        for name in names {
            let path: Vec<_> = above.iter().map(|(key, _)| *key).chain([&*name]).collect();
            found.insert(path.join("."));
            let mut below = above.to_vec();
            below.push((&name, ""));
            self.keys(&below, found);
        }
    }
}

/// `{http: {more, innermost}}` of the sections `http` and what else stands in each.
fn nested(sections: &[(&str, &str)], innermost: &str) -> String {
    let inner = sections
        .iter()
        .rev()
        .fold(innermost.to_owned(), |inner, (key, more)| {
            format!("{key}: {{{more}{inner}}}")
        });
    format!("{{{inner}}}")
}

/// The keys that an annotated file shows, set or commented out; comments have a space after the #.
fn documented(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(source_root().join("etc").join(file)).unwrap();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        let rest = line
            .trim_start()
            .strip_prefix('#')
            .unwrap_or(line.trim_start());
        let Some((key, _)) = rest.split_once(':') else {
            continue;
        };
        let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if key.is_empty() || !key.chars().all(is_key) {
            continue;
        }
        path.retain(|(depth, _)| *depth < spaces);
        path.push((spaces, key.to_owned()));
        let names: Vec<_> = path.iter().map(|(_, key)| key.as_str()).collect();
        found.insert(names.join("."));
    }
    found
}

/// Every known key is shown in the file, and every key that it shows in a section is known.
fn compare(known: &BTreeSet<String>, file: &str) {
    let shown = documented(file);
    let missing: Vec<_> = known.difference(&shown).collect();
    assert!(
        missing.is_empty(),
        "etc/{file} does not explain {missing:?}"
    );
    // What stands below a key whose value is a list or a map of free names is not for us to judge.
    let sections: BTreeSet<_> = known
        .iter()
        .filter_map(|key| key.rsplit_once('.'))
        .collect();
    let is_section = |name: &str| name.is_empty() || sections.iter().any(|(s, _)| *s == name);
    let stale: Vec<_> = shown
        .difference(known)
        .filter(|key| is_section(key.rsplit_once('.').map_or("", |(section, _)| section)))
        .collect();
    assert!(
        stale.is_empty(),
        "etc/{file} explains {stale:?}, which no setting is called"
    );
}

#[test]
fn every_setting_of_the_hook_is_explained() {
    let scratch = tempfile::tempdir().unwrap();
    let asked = Asked {
        program: "bbb2pod-hook",
        scratch: scratch.path(),
    };
    let mut known = BTreeSet::new();
    asked.keys(&[], &mut known);
    assert!(known.contains("http.receiver"), "{known:?}");
    compare(&known, "hook.yml");
}

#[test]
fn every_setting_of_the_receiver_is_explained() {
    let scratch = tempfile::tempdir().unwrap();
    let asked = Asked {
        program: "bbb2pod-receiver",
        scratch: scratch.path(),
    };
    let mut known = BTreeSet::new();
    asked.keys(&[], &mut known);
    assert!(known.contains("upload.max_size"), "{known:?}");
    let said = asked.of("destination: {kind: no_such_name}");
    let (_, kinds) = said.trim_end().split_once("; write ").expect(&said);
    let kinds: Vec<_> = kinds
        .split([' ', ','])
        .filter(|w| !["", "or"].contains(w))
        .collect();
    assert!(kinds.contains(&"directory"), "{said}");
    known.insert("destination.kind".to_owned());
    for kind in kinds {
        let before = known.len();
        asked.keys(&[("destination", &format!("kind: {kind}, "))], &mut known);
        assert!(known.len() > before, "{kind}");
    }
    compare(&known, "receiver.yml");
}
