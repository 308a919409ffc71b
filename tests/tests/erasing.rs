//! A recording is erased: nothing on the receiver's disk names it any more, and others stay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::process::Command;

use support::harness::{Finished, Site};
use support::samples::Recording;

#[test]
fn nothing_of_an_erased_recording_is_left() {
    let mut site = Site::start();
    let gone = site.hold(&Recording::tiny());
    let kept = site.hold(&Recording::tiny().seed(2));
    site.hook(["send"]).success();
    site.wait_done(&gone);
    site.wait_done(&kept);

    let would = site.receiver(["recording", "erase", &gone]);
    assert!(
        would.stdout.contains("archive/published/presentation"),
        "{would:?}"
    );
    assert!(
        would.stderr.contains("In Pod, where it stays: claim"),
        "{would:?}"
    );
    would.success();
    let busy = site.receiver(["recording", "erase", &gone, "--yes"]);
    let said = busy.failure(2);
    assert!(said.contains("stop the service"), "{said}");
    assert!(site.archived().iter().any(|path| path.ends_with(&gone)));

    site.kill_receiver();
    site.receiver(["recording", "erase", &gone, "--yes"])
        .success();
    // Names and contents alike; the claim directory is Pod's.
    for look in ["find . -name '*ID*'", "grep -rl ID ."] {
        let command = format!("cd receiver && {{ {look}; }} || true").replace("ID", &gone);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(site.path(""));
        let found = Finished::of(&mut shell).success();
        assert_eq!(found, "", "{look}");
    }
    let again = site
        .receiver(["recording", "erase", &gone, "--yes"])
        .failure(2);
    assert!(again.contains("there is nothing of"), "{again}");

    site.start_receiver();
    site.wait_done(&kept);
    let story = site.receiver(["recording", "show", &kept]).success();
    assert!(story.contains(&kept), "{story}");
}
