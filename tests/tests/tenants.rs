//! Several tenants on one receiver: each recording in the right Pod, and in nobody else's sight.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::time::Duration;

use serde_json::Value;
use support::harness::{Delivery, Site, eventually};
use support::pod::{ADMIN_TOKEN, Fault, FaultKind, StandInPod};
use support::samples::Recording;
use support::tus::Client;

const LONG: Duration = Duration::from_secs(60);

/// A receiver with a Pod of its own, and tenants with theirs.
struct World {
    site: Site,
    own: StandInPod,
    science: StandInPod,
    law: StandInPod,
    _secrets: tempfile::TempDir,
}

impl World {
    fn start() -> World {
        let (own, science, law) = (
            StandInPod::start(),
            StandInPod::start(),
            StandInPod::start(),
        );
        let secrets = tempfile::tempdir().unwrap();
        let token = secrets.path().join("pod-token");
        fs::write(&token, ADMIN_TOKEN).unwrap();
        let section = format!(
            "destination: {{kind: upload, url: '{}', token_file: {}, type: Autre, default_owner: staff1, settle_time: 200ms}}\n",
            own.url(),
            token.display(),
        );
        let site = Site::builder().delivery(Delivery::Section(section)).start();
        World {
            site,
            own,
            science,
            law,
            _secrets: secrets,
        }
    }

    fn set(&self, tenant: &str, param: &str, value: &str) {
        self.site
            .receiver(["tenant", "setting", "add", tenant, param, value])
            .success();
    }

    /// Adds both tenants; gives clients with their secrets.
    fn add_tenants(&self) -> [Client; 2] {
        let add = |name: &str, pod: &StandInPod| {
            let server = format!("moodle.{name}.example");
            let secret = self
                .site
                .receiver(["tenant", "add", name, "--server", &server])
                .success();
            self.set(name, "destination.url", &pod.url());
            Client::new(&self.site.address(), secret.trim())
        };
        [add("science", &self.science), add("law", &self.law)]
    }

    fn send(&self, recording: &Recording) -> String {
        let id = self.site.hold(recording);
        self.site.hook(["send"]).success();
        id
    }
}

/// Record ids of the videos that a Pod has, each as often as it has it.
fn in_pod(pod: &StandInPod, ids: &[&String]) -> Vec<usize> {
    let videos = pod.videos();
    let count = |id: &&String| {
        let of_it = videos
            .iter()
            .filter(|v| v.description.contains(id.as_str()));
        of_it.count()
    };
    ids.iter().map(count).collect()
}

fn get(client: &Client, path: &str) -> (u16, Value) {
    let answer = client.ask("GET", path, &[], b"");
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or_default(),
    )
}

fn moodle(recording: Recording, server: &str) -> Recording {
    recording.meta("bbb-origin-server-name", server)
}

#[test]
fn each_recording_comes_to_its_own_pod_and_a_pod_that_hangs_holds_up_nobody_else() {
    let world = World::start();
    let [science, law] = world.add_tenants();
    world.set("law", "destination.timeout", "3s");
    world.set("law", "destination.write_timeout", "3s");
    let site = &world.site;
    world.law.fail(Fault {
        method: None,
        path: "*".into(),
        after: 0,
        times: 1000,
        kind: FaultKind::HangBefore,
    });
    // More than are done at the same time, and first in the queue.
    let mut laws = Vec::new();
    for seed in 0..6 {
        let recording = moodle(Recording::tiny().seed(seed), "Moodle.Law.example");
        laws.push(site.hold(&recording));
    }
    site.hook(["send"]).success();
    eventually("the law's Pod is asked", LONG, || {
        (!world.law.requests().is_empty()).then_some(())
    });
    let its = Recording::tiny()
        .seed(10)
        .meta("tenant-id", "science")
        .meta("pod-main-lang", "de");
    let science_id = world.send(&its);
    let nobodys = world.send(&moodle(Recording::tiny().seed(11), "moodle.univ.example"));
    site.wait_done(&science_id);
    site.wait_done(&nobodys);
    assert!(world.law.videos().is_empty());
    world.law.clear_faults();
    for id in &laws {
        // It is tried again by itself; nobody has to wait for that here.
        eventually("the law's is tried again", LONG, || {
            if site.stage(id).as_deref() == Some("done") {
                return Some(());
            }
            site.receiver(["recording", "retry", id]);
            None
        });
    }
    let all = [&science_id, &nobodys, &laws[0], &laws[5]];
    assert_eq!(in_pod(&world.science, &all), [1, 0, 0, 0]);
    assert_eq!(in_pod(&world.own, &all), [0, 1, 0, 0]);
    assert_eq!(in_pod(&world.law, &all), [0, 0, 1, 1]);
    assert_eq!(world.law.videos().len(), laws.len());

    // Each sees its own alone.
    let listed = |client: &Client| -> Vec<String> {
        let (status, page) = get(client, "/api/v1/tenant/recordings");
        assert_eq!(status, 200, "{page}");
        let ids = page["recordings"].as_array().unwrap().iter();
        ids.map(|r| r["record_id"].as_str().unwrap().to_owned())
            .collect()
    };
    laws.sort();
    assert_eq!(listed(&law), laws);
    assert_eq!(listed(&science), std::slice::from_ref(&science_id));
    let path = |id: &str| format!("/api/v1/tenant/recordings/{id}");
    let (status, shown) = get(&science, &path(&science_id));
    assert_eq!((status, &shown["state"]), (200, &"done".into()), "{shown}");
    assert_eq!(shown["in_pod"].as_array().unwrap().len(), 1);
    for id in [&laws[0], &nobodys] {
        let (status, said) = get(&science, &path(id));
        let (_, unknown) = get(&science, &path("nothing-1"));
        assert_eq!((status, &said), (404, &unknown), "as if it did not exist");
    }
    let (_, counts) = get(&law, "/api/v1/tenant");
    assert_eq!(counts["tenant"], "law");
    assert_eq!(counts["recordings"]["done"], 6, "{counts}");
    // Nodes are no tenants, and tenants no nodes.
    assert_eq!(get(&Client::of(site), "/api/v1/tenant").0, 401);
    assert_eq!(get(&science, "/api/v1/node").0, 401);
    assert_eq!(
        get(&science, &format!("/api/v1/recordings/{science_id}")).0,
        401
    );

    // A secret is changed without a gap.
    let new = site
        .receiver(["tenant", "update", "science", "--add-secret", "second"])
        .success();
    let new = Client::new(&site.address(), new.trim());
    assert_eq!(
        (
            get(&new, "/api/v1/tenant").0,
            get(&science, "/api/v1/tenant").0
        ),
        (200, 200)
    );
    site.receiver(["tenant", "update", "science", "--revoke-secret", "first"])
        .success();
    assert_eq!(
        (
            get(&new, "/api/v1/tenant").0,
            get(&science, "/api/v1/tenant").0
        ),
        (200, 401)
    );

    // Every Pod is looked at, and everything is where it was left.
    let found = site.receiver(["reconcile"]);
    assert_eq!(found.code, Some(0), "{}", found.all());
    let check = site.receiver(["check"]).all();
    assert!(
        check.contains("tenant science: ") && check.contains("tenant law: "),
        "{check}"
    );
    let list = site
        .receiver(["recording", "list", "--tenant", "science", "--json"])
        .success();
    assert_eq!(list.lines().count(), 1);

    // What the meeting says counts, until the tenant's setting overrides it.
    let lang = |pod: &StandInPod, n: usize| pod.rows("videos")[n].1["main_lang"].clone();
    assert_eq!(lang(&world.science, 0), "de");
    site.receiver([
        "tenant",
        "setting",
        "add",
        "science",
        "destination.main_lang",
        "en",
        "--override",
    ])
    .success();
    let later = world.send(&its.clone().seed(12));
    site.wait_done(&later);
    assert_eq!(lang(&world.science, 1), "en", "{}", site.story(&later));
}

#[test]
fn recordings_are_given_to_tenants_and_are_never_in_two_pods_unless_that_is_said() {
    let world = World::start();
    let site = &world.site;
    // Before there are tenants, nobody cares for what a meeting says of them.
    let id = world.send(&Recording::tiny().meta("tenant-id", "science"));
    site.wait_done(&id);
    assert_eq!(in_pod(&world.own, &[&id]), [1]);
    let [_science, _law] = world.add_tenants();

    let refused = site.receiver(["recording", "add-to-tenant", "science", &id]);
    assert_eq!(refused.code, Some(1), "{}", refused.all());
    assert!(
        refused.stdout.contains("upload (video ") && refused.stdout.contains("--again"),
        "{}",
        refused.stdout
    );
    assert_eq!(site.stage(&id).as_deref(), Some("done"));
    site.receiver(["recording", "add-to-tenant", "science", &id, "--again"])
        .success();
    eventually("it is in the other Pod too", LONG, || {
        (in_pod(&world.science, &[&id]) == [1]).then_some(())
    });
    site.wait_done(&id);
    assert_eq!(in_pod(&world.own, &[&id]), [1], "it stays there");
    let story = site.story(&id);
    assert!(story.contains("moved from no tenant to science"), "{story}");

    // One whose tenant is not there waits, and goes to nobody else's Pod.
    let early = world.send(&Recording::tiny().seed(2).meta("tenant-id", "arts"));
    let story = eventually("it waits for its tenant", LONG, || {
        let story = site.story(&early);
        story.contains("there is no tenant arts").then_some(story)
    });
    assert!(story.contains("tenant add arts"), "{story}");
    site.receiver(["recording", "add-to-tenant", "law", "--from-tenant", "arts"])
        .success();
    site.wait_done(&early);
    assert_eq!(in_pod(&world.law, &[&early]), [1]);
    assert_eq!(in_pod(&world.own, &[&early]), [0]);

    // A node's tenant counts more than what meetings say.
    site.receiver(["node", "update", "bbb1.example.org", "--tenant", "law"])
        .success();
    let of_node = world.send(&Recording::tiny().seed(3).meta("tenant-id", "science"));
    site.wait_done(&of_node);
    assert_eq!(in_pod(&world.law, &[&of_node]), [1]);
    // What cannot all be done is not begun.
    let theirs = site.receiver(["tenant", "list", "--json"]).success();
    let server = serde_json::from_str::<serde_json::Value>(theirs.lines().next().unwrap()).unwrap()
        ["servers"][0]
        .as_str()
        .unwrap()
        .to_owned();
    site.receiver(["tenant", "add", "medicine", "--server", &server])
        .failure(2);
    for (change, to, secret) in [
        ("--comment", "new", "none"),
        ("--add-server", "free", "none"),
        ("--add-secret", "a name", "second"),
    ] {
        site.receiver([
            "tenant",
            "update",
            "science",
            change,
            to,
            "--revoke-secret",
            secret,
        ])
        .failure(2);
    }
    let after = site.receiver(["tenant", "list", "--json"]).success();
    assert_eq!(after, theirs);
    let said = site.receiver(["tenant", "remove", "law"]).failure(2);
    assert!(said.contains("bbb1.example.org"), "{said}");
}

#[test]
fn settings_that_do_not_fit_are_refused_at_once() {
    let world = World::start();
    world.add_tenants();
    let site = &world.site;
    let add = |param: &str, value: &str| {
        let refused = site.receiver(["tenant", "setting", "add", "law", param, value]);
        refused.failure(2)
    };
    for (param, value, said) in [
        (
            "destination.tipe",
            "Cours",
            "destination: tipe: unknown field",
        ),
        ("destination.url", "pod.example", "destination.url: "),
        ("destination.token_file", "/nowhere/token", "/nowhere/token"),
        ("destination", "{kind: pigeon}", "pigeon"),
        ("spool_dir", "/srv", "cannot be different for a tenant"),
        ("convert.height", "13", "convert.height"),
    ] {
        let error = add(param, value);
        assert!(error.contains(said), "{param} {value}: {error}");
    }
    let override_of_url = [
        "tenant",
        "setting",
        "add",
        "law",
        "destination.url",
        "https://pod.example",
        "--override",
    ];
    let error = site.receiver(override_of_url).failure(2);
    assert!(error.contains("nothing to override"), "{error}");
    let error = site
        .receiver(["tenant", "setting", "add", "arts", "destination.type", "x"])
        .failure(2);
    assert!(error.contains("there is no tenant arts"), "{error}");
    let list = site
        .receiver(["tenant", "setting", "list", "law"])
        .success();
    assert_eq!(
        list,
        format!("law\tdestination.url\t\"{}\"\n", world.law.url())
    );
    site.receiver(["tenant", "setting", "remove", "law", "destination.url"])
        .success();
    let error = site
        .receiver(["tenant", "setting", "remove", "law", "destination.url"])
        .failure(2);
    assert!(error.contains("is not different"), "{error}");
    let taken = site
        .receiver([
            "tenant",
            "update",
            "law",
            "--add-server",
            "moodle.science.example",
        ])
        .failure(2);
    assert!(taken.contains("tenant science"), "{taken}");
}
