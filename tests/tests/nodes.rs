//! What a node and the receiver tell each other besides uploads.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::harness::{Site, eventually};
use support::tus::{Answer, Client};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LONG: Duration = Duration::from_secs(60);

fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.ask("POST", path, &[JSON], body.to_string().as_bytes())
}

fn get(client: &Client, path: &str) -> Value {
    let answer = client.ask("GET", path, &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Publishes a recording in formats that need no video, and sends it.
fn send(site: &Site, id: &str, formats: &[&str]) {
    for format in formats {
        let folder = site.node.published_dir().join(format).join(id);
        fs::create_dir_all(&folder).unwrap();
        let xml = format!("<recording><id>{id}</id></recording>");
        fs::write(folder.join("metadata.xml"), xml).unwrap();
        site.hook(["publish", "-m", id, "-f", format]).success();
    }
    site.hook(["send"]).success();
    site.wait_done(id);
}

#[test]
fn a_new_node_gets_its_token_for_a_code_once() {
    let site = Site::builder()
        .receiver_yml("public_url: https://recordings.example\n")
        .start();
    let nobody = Client::new(&site.address(), "nothing");
    let printed = site
        .receiver(["node", "enroll", "bbb2.example.org"])
        .success();
    let code = printed
        .trim()
        .strip_prefix("bbb2pod-hook enroll https://recordings.example --code ")
        .unwrap();
    let ask = |code: &str| {
        let body = json!({"code": code, "hook_version": "0.1.0"});
        post(&nobody, "/api/v1/enroll", &body)
    };
    assert_eq!(ask("0000-0000").status, 403);
    // However it was typed.
    let enrolled = ask(&format!(" {} ", code.to_lowercase()));
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let enrolled: Value = serde_json::from_str(&enrolled.body).unwrap();
    assert_eq!(enrolled["node"], "bbb2.example.org");
    let node = Client::new(&site.address(), enrolled["token"].as_str().unwrap());
    let introduced = get(&node, "/api/v1/node");
    assert_eq!(introduced["node"], "bbb2.example.org");
    assert_eq!(introduced["protocol"], "1");
    assert_eq!(introduced["tus_version"], "1.0.0");
    assert!(introduced["room"].as_u64().unwrap() > 0, "{introduced}");
    let time: jiff::Timestamp = introduced["time"].as_str().unwrap().parse().unwrap();
    assert!(time.duration_until(jiff::Timestamp::now()).as_secs().abs() < 60);
    let again = ask(code);
    assert_eq!(again.status, 403, "used up: {again:?}");
    assert!(again.body.contains("node enroll"), "{again:?}");

    let said = site
        .receiver(["node", "enroll", "bbb2.example.org"])
        .failure(2);
    assert!(said.contains("--again"), "{said}");
    site.receiver(["node", "enroll", "bbb2.example.org", "--again"])
        .success();
    assert_eq!(get(&node, "/api/v1/node")["node"], "bbb2.example.org");

    // Whoever guesses is not answered for long, and neither is anybody else.
    let refused = eventually("guessing is ended", LONG, || {
        let answer = ask("guess");
        (answer.status != 403).then_some(answer)
    });
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!((1..=61).contains(&refused.number("retry-after")));
}

#[test]
fn what_there_is_of_a_node_and_what_it_tells() {
    let site = Site::builder().hook_yml("filters: {formats: []}\n").start();
    let client = Client::of(&site);
    let ids = ["a-1554230749920", "b-1554230749920", "c-1554230749920"];
    send(&site, ids[0], &["notes", "statistics"]);
    send(&site, ids[1], &["notes"]);

    // Page by page, ordered, each once.
    let mut seen = Vec::new();
    let mut page = get(&client, "/api/v1/node/recordings?limit=2");
    loop {
        for one in page["recordings"].as_array().unwrap() {
            assert_eq!(one["status"], "archived");
            assert_eq!(one["stage"], "done");
            assert_eq!(one["registered"], false);
            let name = |key: &str| one[key].as_str().unwrap().to_owned();
            seen.push((name("record_id"), name("format"), name("digest")));
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        page = get(
            &client,
            &format!("/api/v1/node/recordings?limit=2&after={next}"),
        );
    }
    let names: Vec<_> = seen
        .iter()
        .map(|(id, format, _)| (id.as_str(), format.as_str()))
        .collect();
    assert_eq!(
        names,
        [(ids[0], "notes"), (ids[0], "statistics"), (ids[1], "notes")]
    );

    // By digest, in the order of the question, whoever asks.
    let other = site
        .receiver(["node", "add", "other.example.org"])
        .success();
    let other = Client::new(&site.address(), other.trim());
    let name = |id: &str, format: &str, digest: &str| json!({"record_id": id, "format": format, "digest": digest});
    let unknown = "0".repeat(64);
    let question = json!({"packages": [
        name(ids[2], "notes", &unknown), name(ids[0], "notes", &seen[0].2), name(ids[0], "notes", &unknown),
    ]});
    for client in [&client, &other] {
        let known = post(client, "/api/v1/known", &question);
        let known: Value = serde_json::from_str(&known.body).unwrap();
        assert_eq!(known["packages"], json!([null, "archived", null]));
    }
    let many: Vec<_> = (0..1001).map(|_| name(ids[0], "notes", &unknown)).collect();
    assert_eq!(
        post(&client, "/api/v1/known", &json!({"packages": many})).status,
        413
    );
    assert_eq!(
        get(&other, "/api/v1/node/recordings")["recordings"],
        json!([])
    );

    // What became of them on the node: shown, and nothing is deleted.
    let since = "2026-01-02T03:04:05Z";
    let state = |id: &str, state: &str| json!({"record_id": id, "format": "notes", "state": state, "since": since});
    let told = json!({"recordings": [
        state(ids[0], "deleted"), state(ids[1], "published"), state(ids[2], "published"),
    ]});
    for _ in 0..2 {
        let answer = post(&client, "/api/v1/node/states", &told);
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let story = site.story(ids[0]);
    assert_eq!(
        story.matches(", notes is deleted since").count(),
        1,
        "told once: {story}"
    );
    let list = site.receiver(["recording", "list"]).success();
    assert!(list.contains("notes deleted on bbb1.example.org"), "{list}");
    assert_eq!(site.archived().len(), 3);
    let page = get(&client, "/api/v1/node/recordings");
    assert_eq!(page["recordings"][0]["node_state"], "deleted");

    // Reconcile finds both: what is gone there, and what is missing here.
    let found = site.receiver(["reconcile", "--node", "bbb1.example.org", "--json"]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    let kinds: Vec<_> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["record_id"].as_str().unwrap(),
                d["kind"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(kinds, [(ids[0], "deleted"), (ids[2], "missing")]);

    // How it is.
    let report =
        json!({"version": "0.1.0", "backlog": 3, "backlog_bytes": 4096, "oldest_unsent": since});
    assert_eq!(post(&client, "/api/v1/node/report", &report).status, 204);
    let status = site
        .receiver(["node", "status", "bbb1.example.org"])
        .success();
    assert!(
        status.contains("3 wait") && status.contains("2026-01-02"),
        "{status}"
    );

    // A probe is counted and dropped.
    let answer = client.ask("POST", "/api/v1/probe", &[], &vec![0; 1 << 20]);
    assert_eq!(answer.body, r#"{"bytes":1048576}"#, "{answer:?}");
    let too_much = vec![0; (4 << 20) + 1];
    assert_eq!(
        client.ask("POST", "/api/v1/probe", &[], &too_much).status,
        413
    );
}

#[test]
fn everything_is_asked_with_a_token_and_in_its_own_words() {
    let site = Site::start();
    let client = Client::of(&site);
    let nobody = Client::new(&site.address(), "nothing");
    for (method, path) in [
        ("GET", "/api/v1/node"),
        ("GET", "/api/v1/node/recordings"),
        ("GET", "/api/v1/recordings/a-1"),
        ("POST", "/api/v1/known"),
        ("POST", "/api/v1/node/states"),
        ("POST", "/api/v1/node/report"),
        ("POST", "/api/v1/probe"),
    ] {
        assert_eq!(
            nobody.ask(method, path, &[JSON], b"{}").status,
            401,
            "{path}"
        );
        let wrong = if method == "GET" { "POST" } else { "GET" };
        assert_eq!(client.ask(wrong, path, &[], b"").status, 405, "{path}");
    }
    for path in [
        "/api/v1/known",
        "/api/v1/node/states",
        "/api/v1/node/report",
        "/api/v1/enroll",
    ] {
        for (kind, body) in [
            ("application/json", "{"),
            ("application/json", "[]"),
            ("application/json", "{\"recordings\": 1, \"packages\": 1}"),
            ("text/plain", "{}"),
            ("application/json", "\u{0}"),
        ] {
            let answer = client.ask("POST", path, &[("Content-Type", kind)], body.as_bytes());
            assert!(
                (400..=422).contains(&answer.status),
                "{path} {body}: {answer:?}"
            );
            assert!(
                answer.body.contains("\"error\""),
                "{path} {body}: {answer:?}"
            );
        }
    }
    let strange = "/api/v1/node/recordings?limit=many&after=%ff";
    assert_eq!(client.ask("GET", strange, &[], b"").status, 400);
    assert_eq!(
        get(&client, "/api/v1/node/recordings?limit=0&after=%2F")["recordings"],
        json!([])
    );
}

#[test]
fn what_the_archive_lost_is_not_called_archived_and_comes_again() {
    let site = Site::start();
    let id = format!("{}-1600000000000", "a".repeat(40));
    send(&site, &id, &["notes"]);
    let status = || site.state(&id).unwrap()["packages"][0]["status"].clone();
    assert_eq!(status(), "archived");
    let folder = site.path("receiver/archive/published/notes").join(&id);
    let damages: [fn(&Path); 2] = [
        |file| fs::write(file, "<recording/>").unwrap(),
        |file| fs::remove_dir_all(file.parent().unwrap()).unwrap(),
    ];
    for damage in damages {
        let xml = folder.join("metadata.xml");
        let whole = fs::read(&xml).unwrap();
        damage(&xml);
        assert_eq!(status(), "damaged");
        fs::remove_dir_all(site.outbox()).unwrap();
        send(&site, &id, &["notes"]);
        eventually("the archive has it again", LONG, || {
            (status() == "archived").then_some(())
        });
        assert_eq!(fs::read(&xml).unwrap(), whole);
    }
}

#[test]
fn what_the_archive_holds_is_read_before_a_node_deletes_its_own() {
    let site = Site::builder().hook_yml("filters: {formats: []}\n").start();
    let client = Client::of(&site);
    send(&site, "r-1", &["notes", "statistics"]);
    let state = site.state("r-1").unwrap();
    let asked: Vec<Value> = state["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| json!({"record_id": "r-1", "format": p["format"], "digest": p["digest"]}))
        .collect();
    let verify = |packages: &Value| {
        let answer = post(&client, "/api/v1/verify", &json!({"packages": packages}));
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        answer["packages"].as_array().unwrap().clone()
    };
    let all = json!(asked);
    for (asked, found) in asked.iter().zip(verify(&all)) {
        assert_eq!(
            found,
            json!({"state": "held", "digest": asked["digest"]}),
            "digest by digest"
        );
    }

    // A bit turns: the name, the size and what the ledger says are as before.
    let damaged = asked[0]["format"].as_str().unwrap();
    let file = site.path(&format!(
        "receiver/archive/published/{damaged}/r-1/metadata.xml"
    ));
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[3] ^= 1;
    fs::write(&file, &bad).unwrap();
    let found = verify(&all);
    assert_eq!(found[0]["state"], "wrong", "{found:?}");
    let why = found[0]["why"].as_str().unwrap();
    assert!(why.ends_with("metadata.xml has another content"), "{why}");
    assert_eq!(found[1]["state"], "held", "{found:?}");
    let status = || {
        let state = site.state("r-1").unwrap();
        let packages = state["packages"].as_array().unwrap().clone();
        let of = packages.into_iter().find(|p| p["format"] == damaged);
        of.unwrap()["status"].clone()
    };
    assert_eq!(status(), "damaged");
    assert!(site.story("r-1").contains("damaged or lost"));
    fs::write(&file, &good).unwrap();
    assert_eq!(verify(&all)[0]["state"], "held", "it is read each time");
    assert_eq!(status(), "archived");

    // What is not here, or not the content that counts.
    let strange = json!([
        {"record_id": "r-1", "format": damaged, "digest": "0".repeat(64)},
        {"record_id": "r-2", "format": damaged, "digest": asked[0]["digest"]},
    ]);
    for found in verify(&strange) {
        assert_eq!(found["state"], "wrong", "{found}");
    }
    assert!(verify(&json!([])).is_empty());

    let nobody = Client::new(&site.address(), "nothing");
    let refused = post(&nobody, "/api/v1/verify", &json!({"packages": all}));
    assert_eq!(refused.status, 401);
    for wrong in [json!({}), json!({"packages": [{"record_id": "../x"}]})] {
        let refused = post(&client, "/api/v1/verify", &wrong);
        assert!((400..500).contains(&refused.status), "{refused:?}");
    }
}
