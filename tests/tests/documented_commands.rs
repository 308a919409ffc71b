//! Every command that the documents tell people to type is one that the programs understand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use support::book;
use support::harness::{Finished, program, source_root};

/// Everything that is written for administrators.
fn documents() -> Vec<PathBuf> {
    let root = source_root();
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for folder in ["docs", "etc", "packaging"] {
        let files = walkdir::WalkDir::new(root.join(folder)).into_iter();
        let files = files.map(|entry| entry.unwrap().into_path());
        // Alerts have sentences in which a program's name stands.
        let is_told = |path: &PathBuf| match path.extension().and_then(|kind| kind.to_str()) {
            Some("md") => true,
            Some("yml") => folder == "etc",
            _ => false,
        };
        found.extend(files.filter(is_told));
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_documented_command_is_understood() {
    let mut wrong = Vec::new();
    let mut tried = BTreeSet::new();
    for document in documents() {
        let shown = document
            .strip_prefix(source_root())
            .unwrap()
            .display()
            .to_string();
        for call in book::calls_in(&document) {
            if !tried.insert(call.clone()) {
                continue;
            }
            let mut command = Command::new(program(&call[0]));
            // With --help nothing is done, but what stands before it is read.
            let done = Finished::of(command.args(&call[1..]).arg("--help"));
            if done.code != Some(0) {
                let why = done.stderr.lines().next().unwrap_or_default().to_owned();
                wrong.push(format!("{shown}: `{}`: {why}", call.join(" ")));
            }
        }
    }
    assert!(tried.len() > 60, "only {} calls were found", tried.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
