//! What is written for administrators: both languages have the same chapters, links lead somewhere,
//! and every setting is explained.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where a surprise happens"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use manual::reference;
use support::book;
use support::harness::source_root;

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

/// What people read in one language they read in the other.
#[test]
fn both_languages_show_the_same_commands() {
    let docs = source_root().join("docs");
    for ((en, _), (fr, _)) in chapters("en").iter().zip(&chapters("fr")) {
        let verbs = |path: &Path| -> BTreeSet<String> {
            let calls = book::calls_in(path);
            let is_verb = |word: &&String| word.starts_with(|c: char| c.is_ascii_lowercase());
            let shown = calls.iter().map(|call| {
                let options = call.iter().filter(|word| word.starts_with("--"));
                let verbs = call.iter().take_while(is_verb).take(3);
                verbs.chain(options).cloned().collect::<Vec<_>>().join(" ")
            });
            shown.collect()
        };
        let (english, french) = (
            verbs(&docs.join("en").join(en)),
            verbs(&docs.join("fr").join(fr)),
        );
        let differ: Vec<_> = english.symmetric_difference(&french).collect();
        assert!(
            differ.is_empty(),
            "docs/en/{en} and docs/fr/{fr}: {differ:#?}"
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

/// A key's path without the names that people choose, which an annotated file makes up.
fn without_chosen(key: &str) -> String {
    let parts = key
        .split('.')
        .filter(|part| !["NAME", "main"].contains(part));
    parts.collect::<Vec<_>>().join(".")
}

#[test]
fn every_setting_is_in_the_annotated_files() {
    for (file, name) in book::files().iter().zip(["receiver.yml", "hook.yml"]) {
        let keys = reference::keys(&file.schema);
        let known: BTreeSet<_> = keys.iter().map(|key| without_chosen(key)).collect();
        let shown: BTreeSet<_> = documented(name)
            .iter()
            .map(|key| without_chosen(key))
            .collect();
        let missing: Vec<_> = known.difference(&shown).collect();
        assert!(
            missing.is_empty(),
            "etc/{name} does not explain {missing:?}: add each with its default, commented out"
        );
        // What stands below a key whose value is a list or a map is not for us to judge.
        let sections: BTreeSet<_> = known
            .iter()
            .filter_map(|key| key.rsplit_once('.'))
            .map(|(section, _)| section)
            .collect();
        let stale: Vec<_> = shown
            .difference(&known)
            .filter(|key| {
                let section = key.rsplit_once('.').map_or("", |(section, _)| section);
                section.is_empty() || sections.contains(section)
            })
            .collect();
        assert!(
            stale.is_empty(),
            "etc/{name} explains {stale:?}, which no setting is called"
        );
    }
}

#[test]
fn the_chapter_on_every_setting_is_what_the_types_say() {
    let chapters = match book::both(&book::files()) {
        Ok(chapters) => chapters,
        Err(missing) => panic!("{}", book::advice(&missing, &book::table_path())),
    };
    for (path, wanted) in book::chapters().iter().zip(chapters) {
        let found = fs::read_to_string(path).unwrap_or_default();
        let differs = wanted
            .lines()
            .find(|line| !found.lines().any(|other| other == *line))
            .unwrap_or("lines that no setting has any more");
        assert!(
            found == wanted,
            "{} is not what the settings are; run `make reference`. It lacks: {differs}",
            path.display()
        );
    }
}

#[test]
fn no_french_is_left_over() {
    let words: BTreeSet<_> = book::files()
        .iter()
        .flat_map(|file| descriptions(&file.schema))
        .collect();
    let stale: Vec<_> = book::table()
        .into_keys()
        .filter(|english| !words.contains(english))
        .collect();
    assert!(
        stale.is_empty(),
        "no setting says this any more; remove it from {}: {stale:#?}",
        book::table_path().display()
    );
}

/// Every description in a schema, on one line.
fn descriptions(schema: &serde_json::Value) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(text) = map.get("description").and_then(|text| text.as_str()) {
                found.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            found.extend(map.values().flat_map(descriptions));
        }
        serde_json::Value::Array(all) => found.extend(all.iter().flat_map(descriptions)),
        _ => {}
    }
    found
}

/// Every key of the settings files, nested ones too, has its line in both chapters.
#[test]
fn every_key_has_its_line() {
    for path in book::chapters() {
        let text = fs::read_to_string(&path).unwrap();
        for file in book::files() {
            let keys = reference::keys(&file.schema);
            assert!(keys.len() > 30, "{keys:?}");
            for key in keys {
                let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
                let mut parts = text.split("\n### ").filter(|part| {
                    let heading = part.lines().next().unwrap_or_default();
                    match section.is_empty() {
                        true => !heading.starts_with('`'),
                        false => heading.starts_with(&format!("`{section}`")),
                    }
                });
                let is_there = parts.any(|part| part.contains(&format!("\n| `{name}` |")));
                assert!(
                    is_there,
                    "{key} is not in {}; run `make reference`",
                    path.display()
                );
            }
        }
    }
}
