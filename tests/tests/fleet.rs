//! Nodes as their administrator decides: states, tokens, all of them in one file.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use support::harness::{Site, eventually};
use support::tus::{Answer, Client, metadata_of};

const LONG: Duration = Duration::from_secs(60);
const NODE: &str = "bbb1.example.org";
const MIB: usize = 1024 * 1024;

/// Publishes a recording that needs no video.
fn publish(site: &Site, id: &str, bytes: usize) {
    let folder = site.node.published_dir().join("notes").join(id);
    fs::create_dir_all(&folder).unwrap();
    let xml = format!("<recording><id>{id}</id></recording>");
    fs::write(folder.join("metadata.xml"), xml).unwrap();
    fs::write(folder.join("notes.pdf"), vec![b'n'; bytes]).unwrap();
    site.hook(["publish", "-m", id, "-f", "notes"]).success();
}

fn id(n: u32) -> String {
    format!("{n:040}-1600000000000")
}

/// A site whose hook takes seconds for a large upload, and pauses of a second at most.
fn slow_site() -> Site {
    let yml = "filters: {formats: []}\nretry: {first: 100ms, longest: 1s}\n";
    let site = Site::builder().hook_yml(yml).start();
    let hook = fs::read_to_string(site.hook_config()).unwrap();
    let hook = hook.replace("http: {", "http: {bandwidth_limit: 3MB, ");
    fs::write(site.hook_config(), hook).unwrap();
    site
}

/// Waits until bytes of an upload have come.
fn wait_for_bytes(site: &Site) {
    let incoming = site.path("receiver/spool/incoming");
    eventually("an upload is under way", LONG, || {
        let parts = fs::read_dir(&incoming).into_iter().flatten().flatten();
        let mut parts = parts.filter(|e| e.path().extension().is_some_and(|e| e == "part"));
        parts
            .any(|e| e.metadata().is_ok_and(|m| m.len() > 0))
            .then_some(())
    });
}

fn status_of_hook(site: &Site, words: &str) -> String {
    eventually(&format!("the hook says {words}"), LONG, || {
        let said = site.hook(["status"]).all();
        said.contains(words).then_some(said)
    })
}

fn token(site: &Site, node: &str) -> String {
    let printed = site.receiver(["node", "token", "add", node]).success();
    printed.trim().to_owned()
}

#[test]
fn a_token_is_changed_while_an_upload_runs() {
    let site = slow_site();
    publish(&site, &id(1), 9 * MIB);
    let _sending = site.start_sending();
    wait_for_bytes(&site);
    let old = Client::of(&site);
    let new = token(&site, NODE);
    fs::write(site.token_file(), &new).unwrap();
    site.receiver(["node", "token", "revoke", NODE, "first"])
        .success();
    assert_eq!(old.ask("GET", "/api/v1/node", &[], b"").status, 401);
    site.wait_done(&id(1));
    let log = fs::read_to_string(site.path("hook.log")).unwrap();
    assert!(!log.contains("attempt failed"), "{log}");
    let received = site.receiver_log().matches("package received").count();
    assert_eq!(received, 1, "it was the same upload from end to end");

    let tokens = site
        .receiver(["node", "token", "list", NODE, "--json"])
        .success();
    let tokens: Vec<Value> = tokens
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(tokens.len(), 1);
    assert!(tokens[0]["used_at"].is_string(), "{tokens:?}");
    let again = site
        .receiver(["node", "token", "revoke", NODE, "first"])
        .failure(2);
    assert!(again.contains("has no token first"), "{again}");
}

#[test]
fn a_cordoned_node_ends_what_it_began_and_keeps_the_rest() {
    let site = slow_site();
    publish(&site, &id(1), 9 * MIB);
    let _sending = site.start_sending();
    wait_for_bytes(&site);
    site.receiver(["node", "cordon", NODE]).success();
    publish(&site, &id(2), 10);
    site.wait_done(&id(1));
    let said = status_of_hook(&site, "node cordoned at the receiver");
    assert!(
        said.contains("bbb2pod-receiver node enable bbb1.example.org")
            && said.contains("everything is kept here"),
        "{said}"
    );
    let check = site.hook(["check"]).all();
    assert!(check.contains("is cordoned at the receiver"), "{check}");
    assert_eq!(site.waiting_jobs().len(), 1);

    site.receiver(["node", "disable", NODE]).success();
    status_of_hook(&site, "node disabled at the receiver");
    let check = site.hook(["check"]);
    assert_eq!(check.code, Some(1), "{}", check.all());
    assert!(check.all().contains("is disabled at the receiver"));

    site.receiver(["node", "enable", NODE]).success();
    site.wait_done(&id(2));
    eventually("the outbox is empty", LONG, || {
        site.waiting_jobs().is_empty().then_some(())
    });
}

/// Of a refusal: the status, and the state that the node is in.
fn refused(answer: &Answer) -> (u16, Option<&str>) {
    assert!(answer.body.contains("node enable") || answer.status < 400);
    (answer.status, answer.header("bbb2pod-node-state"))
}

#[test]
fn what_a_node_may_ask_in_each_state() {
    let site = Site::start();
    let client = Client::of(&site);
    let set = |state: &str| drop(site.receiver(["node", state, NODE]).success());
    let length = |bytes: &[u8]| bytes.len().to_string();
    let name = metadata_of("filename", "upload.tar");
    let path = client.create(10);
    assert_eq!(client.patch(&path, 0, b"0123").status, 204);
    let part = |bytes: &[u8]| {
        let headers = [
            ("Upload-Length", &*length(bytes)),
            ("Upload-Concat", "partial"),
        ];
        let path = client.ask("POST", "/files/", &headers, b"").location();
        client.patch(&path, 0, bytes);
        path
    };
    let parts = format!("final;{} {}", part(b"one"), part(b"two"));

    set("cordon");
    let new = [("Upload-Length", "10")];
    let cordoned = (403, Some("cordoned"));
    assert_eq!(refused(&client.ask("POST", "/files/", &new, b"")), cordoned);
    let new = [("Upload-Length", "10"), ("Upload-Concat", "partial")];
    assert_eq!(refused(&client.ask("POST", "/files/", &new, b"")), cordoned);
    // What was begun comes to its end, made of parts or not, and is answered for.
    assert_eq!(client.patch(&path, 4, b"45").status, 204);
    let whole = [
        ("Upload-Concat", parts.as_str()),
        ("Upload-Metadata", &name),
    ];
    assert_eq!(client.ask("POST", "/files/", &whole, b"").status, 201);
    let question = br#"{"packages": []}"#;
    let json_body = [("Content-Type", "application/json")];
    let known = |client: &Client| client.ask("POST", "/api/v1/known", &json_body, question);
    assert_eq!(known(&client).status, 200);

    set("disable");
    let disabled = (403, Some("disabled"));
    let get = |path: &str| client.ask("GET", path, &[], b"");
    for answer in [
        client.ask("POST", "/files/", &[("Upload-Length", "10")], b""),
        client.patch(&path, 6, b"6789"),
        client.ask("DELETE", &path, &[], b""),
        known(&client),
        get("/api/v1/recordings/a-1"),
        get("/api/v1/node/recordings"),
    ] {
        assert_eq!(refused(&answer), disabled, "{answer:?}");
    }
    assert_eq!(client.ask("HEAD", &path, &[], b"").status, 403);
    // It may know why, and tell how it is.
    let introduced: Value = serde_json::from_str(&get("/api/v1/node").body).unwrap();
    assert_eq!(introduced["state"], "disabled");
    let since = "2026-01-02T03:04:05Z";
    let report =
        json!({"version": "0.1.0", "backlog": 3, "backlog_bytes": 4096, "oldest_unsent": since});
    let told = client.ask(
        "POST",
        "/api/v1/node/report",
        &json_body,
        report.to_string().as_bytes(),
    );
    assert_eq!(told.status, 204, "{told:?}");
    let list = site.receiver(["node", "list", "--json"]).success();
    let node: Value = serde_json::from_str(list.trim()).unwrap();
    assert_eq!(node["state"], "disabled");
    assert_eq!(node["report"]["backlog"], 3);
    let age = node["oldest_unsent_seconds"].as_i64().unwrap();
    let since: jiff::Timestamp = since.parse().unwrap();
    let expected = jiff::Timestamp::now().duration_since(since).as_secs();
    assert!((age - expected).abs() < 60, "{node}");

    set("enable");
    assert_eq!(client.offset(&path), 6);
    assert_eq!(client.patch(&path, 6, b"6789").status, 204);
    let said = site.receiver(["node", "disable", NODE, "bbb9"]).failure(2);
    assert!(said.contains("there is no node bbb9"), "{said}");
    assert_eq!(known(&client).status, 200, "nothing was changed");
}

#[test]
fn the_nodes_are_as_the_file_says() {
    let site = Site::start();
    let client = Client::of(&site);
    let file = site.path("etc/nodes.yml");
    let path = file.to_str().unwrap().to_owned();
    let export = || site.receiver(["node", "export"]).success();
    let before = export();
    let sync = |text: &str, mode: &str| {
        fs::write(&file, text).unwrap();
        site.receiver(["node", "sync", &path, "--mode", mode])
    };

    // It was seen and has not told what waits on it, so it is not removed.
    client.create(10);
    let wanted = "nodes:\n  bbb2: {enabled: false}\n  bbb3: {comment: hall B}\n";
    fs::write(&file, wanted).unwrap();
    let rehearsed = site
        .receiver(["node", "sync", &path, "--dry-run"])
        .success();
    let expected = "cordon bbb1.example.org\nadd bbb2 (cordoned)\nadd bbb3 (enabled)\n";
    assert_eq!(rehearsed, expected);
    assert_eq!(export(), before, "nothing was changed");
    let done = sync(wanted, "cordon");
    assert!(
        done.stderr.contains("1 uploads under way"),
        "{}",
        done.stderr
    );
    assert_eq!(done.success(), expected);
    let new = client.ask("POST", "/files/", &[("Upload-Length", "10")], b"");
    assert_eq!(refused(&new), (403, Some("cordoned")));
    assert_eq!(
        sync(wanted, "cordon").success(),
        "",
        "nothing is left to do"
    );

    // What was exported brings everything back, tokens included.
    assert_eq!(
        sync(&before, "force").success(),
        "remove bbb2\nremove bbb3\nenable bbb1.example.org\n"
    );
    assert_eq!(export(), before);
    assert_eq!(sync(wanted, "keep").success().lines().count(), 2);
    assert_eq!(sync(&before, "keep").success(), "");
    site.receiver(["node", "remove", NODE]).success();
    assert_eq!(client.ask("GET", "/api/v1/node", &[], b"").status, 401);
    sync(&before, "keep").success();
    assert_eq!(client.ask("GET", "/api/v1/node", &[], b"").status, 200);

    for (text, said) in [
        ("nodes: {}", "names no node, and there are 3"),
        ("nodes: {bbb1: {state: gone}}", "nodes.bbb1.state"),
        ("nods: {}", "did you mean `nodes`?"),
    ] {
        let error = sync(text, "force").failure(2);
        assert!(
            error.contains(said) && error.contains("nodes.yml"),
            "{error}"
        );
    }
    let status = site.receiver(["node", "status", "bbb3"]).success();
    assert!(
        status.contains("hall B") && status.contains("node enroll bbb3"),
        "{status}"
    );
    site.receiver(["node", "enroll", "bbb3"]).success();
}
