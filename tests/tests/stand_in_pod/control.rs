//! The stand-in as a process, with its controls over HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use serde_json::{Value, json};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_process_serves_obeys_and_can_be_killed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stand-in-pod"))
        .args(["--pod-version", "3.8.4", "--database", "postgres"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let mut process = Process(child);
    let told: Value = serde_json::from_str(&line).unwrap();
    let (site, control) = (
        told["url"].as_str().unwrap(),
        told["control"].as_str().unwrap(),
    );
    let client = Client::new();

    let info: Value = client
        .get(format!("{site}/info_pod.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(info["VERSION"], "3.8.4");
    let user = json!({"username": "marie", "staff": true, "token": "ab".repeat(20)});
    let user: Value = client
        .post(format!("{control}/users"))
        .json(&user)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(user["id"], 4);
    let token = format!("Token {}", "ab".repeat(20));
    let root = || {
        client
            .get(format!("{site}/rest/"))
            .header("Authorization", &token)
            .send()
    };
    assert_eq!(root().await.unwrap().status(), 200);
    let fault = json!({"method": "GET", "path": "/rest/*", "kind": "status", "status": 502});
    assert_eq!(
        client
            .post(format!("{control}/faults"))
            .json(&fault)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(root().await.unwrap().status(), 502);
    assert_eq!(root().await.unwrap().status(), 200);
    let wrong = json!({"path": "/", "kind": "sulk"});
    assert_eq!(
        client
            .post(format!("{control}/faults"))
            .json(&wrong)
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
    let outage = |kind: &str| {
        let ordered = client.post(format!("{control}/outage"));
        ordered.json(&json!({"kind": kind})).send()
    };
    outage("database").await.unwrap();
    assert_eq!(root().await.unwrap().status(), 500);
    outage("none").await.unwrap();
    let rows: Value = client
        .get(format!("{control}/rows/users"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(rows[3]["username"], "marie");
    let state: Value = client
        .get(format!("{control}/state"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(state["requests"].as_array().unwrap().len(), 5);
    assert_eq!(state["requests"][2]["status"], 502);

    process.0.kill().unwrap();
    process.0.wait().unwrap();
    assert!(root().await.is_err());
}
