//! Chaos: hundreds of rounds in which everything goes wrong, by seeds that are always the same.
//!
//! `BBB2POD_CHAOS_ROUNDS` sets the number of rounds in all, `BBB2POD_CHAOS_SEED` the first seed. A
//! world that fails says its seed; it is run alone with
//! `BBB2POD_CHAOS_SEED=<seed> BBB2POD_CHAOS_WORLDS=1`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::thread;
use std::time::Instant;

use support::chaos::World;
use support::harness::Finished;

/// Rounds in all unless said.
const ROUNDS: u64 = 520;
/// Worlds, each with its own node and receiver, four of which run at the same time.
const WORLDS: u64 = 16;
const AT_ONCE: u64 = 4;
const FIRST_SEED: u64 = 20_261_126;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs worlds with seeds one after another, some at the same time.
fn run(worlds: u64, rounds: u64, first_seed: u64) {
    let begun = Instant::now();
    thread::scope(|scope| {
        for lane in 0..AT_ONCE.min(worlds) {
            scope.spawn(move || {
                for world in (lane..worlds).step_by(AT_ONCE as usize) {
                    let seed = first_seed + world;
                    let lived = catch_unwind(AssertUnwindSafe(|| {
                        let yaml = "upload: {keep_free: 0B, expire_after: 10m}\n";
                        let mut world = World::new(seed, yaml);
                        for _ in 0..rounds.div_ceil(worlds) {
                            world.round();
                        }
                        world.end();
                    }));
                    if let Err(panic) = lived {
                        eprintln!(
                            "run this world alone: BBB2POD_CHAOS_SEED={seed} BBB2POD_CHAOS_WORLDS=1"
                        );
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
    let rounds = rounds.div_ceil(worlds) * worlds;
    eprintln!("{rounds} rounds in {:.0} s", begun.elapsed().as_secs_f64());
}

#[test]
fn everything_goes_wrong_and_every_recording_arrives_once() {
    let worlds = setting("BBB2POD_CHAOS_WORLDS", WORLDS);
    let rounds = setting("BBB2POD_CHAOS_ROUNDS", ROUNDS * worlds / WORLDS);
    run(worlds, rounds, setting("BBB2POD_CHAOS_SEED", FIRST_SEED));
}

/// A small filesystem of its own, if this machine lets us make one.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: std::path::PathBuf) -> Option<Small> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(&at);
        (Finished::of(&mut mount).code == Some(0)).then_some(Small(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Finished::of(Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    for (seed, place) in [(1, "receiver/spool"), (2, "receiver/archive")] {
        let mut world = World::new(seed, "upload: {keep_free: 0B, expire_after: 10m}\n");
        world.site.kill_receiver();
        // Where nothing can be mounted, what is to be kept free does the same.
        let small = Small::mount(world.site.path(place));
        let filler = world.site.path(place).join("filler");
        let config = world.site.receiver_config();
        let yaml = std::fs::read_to_string(&config).unwrap();
        if small.is_none() {
            let full = yaml.replace("keep_free: 0B", "keep_free: 1000TiB");
            std::fs::write(&config, full).unwrap();
        }
        world.site.start_receiver();
        if small.is_some() {
            // As much as fits.
            let mut dd = Command::new("dd");
            dd.args(["if=/dev/zero", "bs=64k"])
                .arg(format!("of={}", filler.display()));
            Finished::of(&mut dd);
        }
        world.nothing_arrives();
        if small.is_some() {
            std::fs::remove_file(&filler).unwrap();
        } else {
            world.site.kill_receiver();
            std::fs::write(&config, yaml).unwrap();
            world.site.start_receiver();
        }
        for _ in 0..5 {
            world.round();
        }
        world.end();
    }
}
