//! Replays the seeds of the fuzz targets on an ordinary compiler: whole, and damaged in thousands
//! of ways that are the same every time.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use receiver::fuzzing;
use support::chaos::Dice;

/// Ways in which each seed is damaged; a tar is written to the disk and waits for it.
const DAMAGES: u64 = 300;
const DAMAGES_ON_DISK: u64 = 60;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() > 2, "{} has seeds", folder.display());
    seeds
}

/// Cuts, flips, doubles or mixes.
fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() as u64) as usize;
    match dice.below(6) {
        0 => bytes.truncate(at),
        1 | 2 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        3 if !bytes.is_empty() => {
            bytes[at] = *b"\0 /.\xff9-\n".get(dice.below(8) as usize).unwrap()
        }
        4 => {
            let end = (at + dice.below(600) as usize).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            let from = dice.below(other.len() as u64) as usize;
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

fn replay(target: &str, run: fn(&[u8]), damages: u64) {
    let seeds = seeds(target);
    let mut dice = Dice::new(1);
    for (path, seed) in &seeds {
        // What fails is named by the test's output.
        println!("{}", path.display());
        run(seed);
        for n in 0..damages {
            let mut bytes = seed.clone();
            let other = &seeds[dice.below(seeds.len() as u64) as usize].1;
            for _ in 0..=dice.below(3) {
                damage(&mut bytes, other, &mut dice);
            }
            println!("  damaged, number {n}");
            run(&bytes);
        }
    }
}

#[test]
fn tus_headers() {
    replay("tus_headers", fuzzing::tus_headers, DAMAGES);
}

#[test]
fn metadata_xml() {
    replay("metadata_xml", fuzzing::metadata_xml, DAMAGES);
}

#[test]
fn manifest() {
    replay("manifest", fuzzing::manifest, DAMAGES);
}

#[test]
fn tar_import() {
    replay("tar_import", fuzzing::tar_import, DAMAGES_ON_DISK);
}
