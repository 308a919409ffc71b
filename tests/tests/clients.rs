//! Real tus clients against the running receiver: tus-js-client and tuspy, in every way they have.
//!
//! They come from their registries when the tests run; without node, Python or a network there is
//! nothing to test, and the tests say so.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::harness::{Finished, Site, eventually, source_root};
use support::tus::Client;

/// Installs what a client needs into a folder of its own; `None` when that cannot be done here.
fn installed(name: &str, steps: &[&[&str]]) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(source_root().join("tests/clients")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    for step in steps {
        let mut command = Command::new("timeout");
        command.arg("180").args(*step).current_dir(&folder);
        let done = Finished::of(&mut command);
        if done.code != Some(0) {
            eprintln!("skipped: {name} cannot be installed here: {}", done.all());
            return None;
        }
    }
    Some(folder)
}

/// Runs a client's script on some bytes, and checks every upload that it tells of.
fn upload_with(program: &Path, script: &Path, ways: &[&str]) {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes: Vec<u8> = (0..2_000_000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let file = site.path("any.bin");
    fs::write(&file, &bytes).unwrap();
    let token = fs::read_to_string(site.token_file()).unwrap();
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(program)
        .arg(script)
        .arg(format!("{}/files/", site.address()))
        .arg(token.trim())
        .arg(&file)
        .current_dir(script.parent().unwrap());
    let told = Finished::of(&mut command).success();
    let told: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = told.iter().map(|t| t["way"].as_str().unwrap()).collect();
    assert_eq!(seen, ways);
    for upload in &told {
        let (way, path) = (
            upload["way"].as_str().unwrap(),
            upload["url"].as_str().unwrap(),
        );
        if way == "aborted" {
            assert_eq!(client.ask("HEAD", path, &[], b"").status, 404, "{way}");
            continue;
        }
        assert_eq!(client.offset(path), bytes.len() as u64, "{way}");
        // It is no package, so import puts it aside, with every byte.
        let id = path.trim_start_matches("/files/");
        let aside = site.path(&format!("receiver/spool/rejected/upload~{id}.tar"));
        let arrived = eventually("it is put aside", Duration::from_secs(30), || {
            aside.exists().then(|| fs::read(&aside).unwrap())
        });
        assert!(arrived == bytes, "{way}: {} bytes arrived", arrived.len());
    }
}

#[test]
fn tus_js_client() {
    let install: &[&str] = &["npm", "ci", "--no-audit", "--no-fund", "--silent"];
    let Some(folder) = installed("tus-js-client", &[install]) else {
        return;
    };
    let ways = [
        "whole",
        "chunks",
        "with creation",
        "parallel",
        "override",
        "stream",
        "paused",
        "resumed",
        "aborted",
    ];
    upload_with(Path::new("node"), &folder.join("upload.mjs"), &ways);
}

#[test]
fn tuspy() {
    let make: &[&str] = &["python3", "-m", "venv", "venv"];
    let install: &[&str] = &["venv/bin/pip", "install", "-q", "-r", "requirements.txt"];
    let Some(folder) = installed("tuspy", &[make, install]) else {
        return;
    };
    let ways = ["whole", "chunks", "resumed", "asynchronous"];
    upload_with(
        &folder.join("venv/bin/python"),
        &folder.join("upload.py"),
        &ways,
    );
}
