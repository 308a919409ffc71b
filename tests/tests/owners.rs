//! Whose recordings are, through a running receiver: held until somebody decides, accounts made in
//! Pod, and the message in Moodle, each once whatever is killed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::databases::Engine;
use support::harness::{Delivery, Site, eventually};
use support::pod::{ADMIN_TOKEN, Fault, FaultKind, StandInPod};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(60);

/// A receiver that uploads to this Pod and looks for owners in a table.
fn owned(pod: &StandInPod, folder: &Path, lines: &str, more: &str) -> Site {
    let token = folder.join("pod-token");
    fs::write(&token, ADMIN_TOKEN).unwrap();
    let table = folder.join("owners.csv");
    let head = "record_id;meeting_id;owner;additional_owners\n";
    fs::write(&table, format!("{head}{lines}")).unwrap();
    let destination = format!(
        "destination: {{kind: upload, url: '{}', token_file: {}, type: Autre, default_owner: staff1, \
         attach: {{slides: false, notes: false}}, settle_time: 200ms, encoding: {{at_once: 100}}}}\n",
        pod.url(),
        token.display(),
    );
    let owners = format!(
        "owners:\n  chain: [csv]\n  csv: {{file: {}}}\n{more}",
        table.display()
    );
    Site::builder()
        .delivery(Delivery::Section(destination))
        .receiver_yml(&owners)
        .start()
}

fn wait_stage(site: &Site, id: &str, wanted: &str) {
    eventually(wanted, LONG, || {
        let listed = site.receiver(["recording", "list", "--state", wanted]);
        listed.all().contains(id).then_some(())
    });
}

#[test]
fn what_nobody_is_found_for_waits_until_somebody_decides_and_is_registered_once() {
    let pod = StandInPod::start();
    let folder = tempfile::tempdir().unwrap();
    let mut site = owned(&pod, folder.path(), "", "");
    let id = site.hold(&Recording::tiny().seed(1));
    site.hook(["send"]).success();
    wait_stage(&site, &id, "review");
    let asked = site.receiver(["owners", &id]);
    assert_eq!(asked.code, Some(1), "{}", asked.all());
    for words in ["nobody; decide with", "no line for this recording"] {
        assert!(asked.stdout.contains(words), "{}", asked.stdout);
    }
    assert!(pod.videos().is_empty());

    let refused = site.receiver(["recording", "assign", &id, "STAFF1"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("Pod has no user STAFF1"),
        "{}",
        refused.stderr
    );
    site.receiver(["recording", "assign", &id, "student1", "staff1"])
        .success();
    site.wait_done(&id);
    // Whoever assigns again, or starts again, changes nothing.
    site.kill_receiver();
    site.start_receiver();
    let again = site.receiver(["recording", "assign", &id, "staff1"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("in Pod already"), "{}", again.stderr);
    let videos = pod.videos();
    assert_eq!(videos.len(), 1, "{}", site.story(&id));
    assert_eq!(
        (videos[0].owner.as_str(), &videos[0].additional_owners[..]),
        ("student1", &["staff1".to_owned()][..])
    );
    assert!(
        site.story(&id).contains("assigned on request"),
        "{}",
        site.story(&id)
    );
}

#[test]
fn killed_between_any_two_requests_there_is_one_account_and_one_video() {
    /// Whether there is such a user, before it is decided and before it is made; then the making.
    const REQUESTS: u32 = 4;
    let pod = StandInPod::start();
    let folder = tempfile::tempdir().unwrap();
    let mut site = owned(&pod, folder.path(), "", "  create_users: true\n");
    let mut held = 0;
    let mut lines = String::from("record_id;meeting_id;owner;additional_owners\n");
    for kind in [FaultKind::HangAfter, FaultKind::HangBefore] {
        for request in 0..REQUESTS {
            held += 1;
            let id = site.hold(&Recording::tiny().seed(200 + held));
            lines += &format!("{id};;newcomer{held};\n");
            site.kill_receiver();
            fs::write(folder.path().join("owners.csv"), &lines).unwrap();
            site.start_receiver();
            let asked = pod.requests().len();
            pod.fail(Fault {
                method: None,
                path: "/rest/users/".into(),
                after: request,
                times: 1,
                kind: kind.clone(),
            });
            site.hook(["send"]).success();
            eventually("Pod is asked", LONG, || {
                let asked = &pod.requests()[asked..];
                let of_users = asked.iter().filter(|seen| seen.path == "/rest/users/");
                (of_users.count() > request as usize).then_some(())
            });
            site.kill_receiver();
            pod.clear_faults();
            site.start_receiver();
            site.wait_done(&id);
            let name = format!("newcomer{held}");
            let users: Vec<_> = pod.rows("users").into_iter().map(|(_, row)| row).collect();
            let made: Vec<_> = users.iter().filter(|u| u["username"] == *name).collect();
            assert_eq!(made.len(), 1, "{kind:?} at {request}:\n{}", site.story(&id));
            assert_eq!(made[0]["is_staff"], false, "uploads need no staff");
            let videos = pod.videos();
            let videos = videos.iter().filter(|v| v.description.contains(&id));
            let owners: Vec<_> = videos.map(|video| video.owner.clone()).collect();
            assert_eq!(owners, [name], "{kind:?} at {request}");
        }
    }
}

#[test]
fn moodle_says_where_its_recordings_are() {
    for engine in Engine::ALL {
        let pod = StandInPod::start();
        let folder = tempfile::tempdir().unwrap();
        let moodle = engine.server().database();
        moodle.moodle("mdl_");
        moodle.run("INSERT INTO mdl_bigbluebuttonbn (id, name, intro, introformat, meetingid) VALUES (7, 'Droit', '<p>Bonjour</p>', 1, 'abc');");
        let url = moodle.url();
        let more = format!(
            "  otherwise: staff1\n  moodle:\n    databases:\n      main: {{url: \"{url}\"}}\n\
             moodle_message:\n  language: fr\n  timezone: Europe/Paris\n"
        );
        let site = owned(&pod, folder.path(), "", &more);
        let id = site.hold(&Recording::tiny().seed(1));
        moodle.run(&format!(
            "INSERT INTO mdl_bigbluebuttonbn_recordings (courseid, bigbluebuttonbnid, recordingid, status, imported) \
             VALUES (3, 7, '{id}', 2, 0);"
        ));
        site.hook(["send"]).success();
        site.wait_done(&id);
        let intro = || {
            let rows = moodle.rows("SELECT REPLACE(intro, '\n', ' ') FROM mdl_bigbluebuttonbn;");
            rows[0][0].clone()
        };
        let checked = site.receiver(["check"]).all();
        assert!(checked.contains("OK   moodle_message: main"), "{checked}");
        let rehearsed = site.receiver(["moodle-message", "--dry-run"]).success();
        assert!(
            rehearsed.contains("1 would be written") && rehearsed.contains("  + "),
            "{rehearsed}"
        );
        assert_eq!(intro(), "<p>Bonjour</p>");
        for _ in 0..2 {
            site.receiver(["moodle-message"]).success();
            let text = intro();
            assert_eq!(text.matches("<!-- bbb2pod ").count(), 1, "{text}");
            let address = format!("{}/video/", pod.url());
            assert!(
                text.contains(&address) && text.starts_with("<p>Bonjour</p>"),
                "{text}"
            );
        }
        let removed = site.receiver(["moodle-message", "--remove"]).success();
        assert!(removed.contains("1 taken out"), "{removed}");
        assert_eq!(intro(), "<p>Bonjour</p>");
    }
}
