//! Alerts and dashboard: they say what they should when they should, and every number in them exists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where a surprise happens"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::harness::{Finished, Site, source_root};
use support::samples::Recording;

fn monitoring() -> PathBuf {
    source_root().join("packaging/monitoring")
}

#[test]
fn alerts_fire_when_they_should() {
    for (verb, file) in [
        ("check", "bbb2pod.rules.yml"),
        ("test", "bbb2pod.rules.test.yml"),
    ] {
        let mut promtool = Command::new("promtool");
        promtool
            .args([verb, "rules", file])
            .current_dir(monitoring());
        let said = Finished::of(&mut promtool).success();
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let dashboard = fs::read(monitoring().join("bbb2pod.dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let mut queries = Vec::new();
    expressions(&dashboard, &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    let rules: Vec<_> = (0..)
        .zip(&queries)
        .map(|(n, query)| serde_json::json!({ "record": format!("panel:{n}"), "expr": query }))
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("dashboard.yml");
    // JSON is YAML.
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(&file, groups.to_string()).unwrap();
    let mut promtool = Command::new("promtool");
    let said = Finished::of(promtool.args(["check", "rules"]).arg(&file)).success();
    assert!(said.contains("SUCCESS"), "{said}");
    // Places are taken once.
    let ids: BTreeSet<_> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_u64())
        .collect();
    assert_eq!(ids.len(), dashboard["panels"].as_array().unwrap().len());
}

/// The names of our metrics in an expression.
fn names_in(expression: &str) -> impl Iterator<Item = String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("bbb2pod_"))
        .map(str::to_owned)
}

/// Every expression of the dashboard.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("expr").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|v| expressions(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| expressions(v, found)),
        _ => {}
    }
}

/// The metrics that a text in Prometheus' format defines; each line of it must make sense.
fn defined(text: &str) -> BTreeSet<String> {
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let (name, value) = line.rsplit_once(' ').expect(line);
        assert!(name.starts_with("bbb2pod_"), "{line}");
        value.parse::<f64>().expect(line);
    }
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|rest| rest.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_number_in_alerts_and_dashboard_is_exported() {
    let notify = "notify: {mail: {to: [a@univ.example], from: b@univ.example, server: localhost, tls: none}}\n";
    let site = Site::builder().receiver_yml(notify).start();
    site.hold(&Recording::tiny());
    let file = site.path("bbb2pod.prom");
    site.hook(["status", "--textfile", file.to_str().unwrap()])
        .success();
    let of_hook = fs::read_to_string(&file).unwrap();
    assert!(
        of_hook.contains("bbb2pod_hook_jobs{state=\"waiting\"} 1\n"),
        "{of_hook}"
    );
    let oldest = "\nbbb2pod_hook_oldest_job_timestamp_seconds ";
    assert!(of_hook.contains(oldest), "{of_hook}");

    let mut curl = Command::new("curl");
    curl.args(["-sf", &format!("{}/metrics", site.address())]);
    let of_receiver = Finished::of(&mut curl).success();
    assert!(
        of_receiver.contains("bbb2pod_recordings{state=\"failed\"} 0\n"),
        "{of_receiver}"
    );
    assert!(
        of_receiver.contains("bbb2pod_disk_free_bytes{folder=\"spool\"} "),
        "{of_receiver}"
    );

    let mut exported = defined(&of_hook);
    exported.append(&mut defined(&of_receiver));
    let dashboard = fs::read(monitoring().join("bbb2pod.dashboard.json")).unwrap();
    let mut used = Vec::new();
    expressions(&serde_json::from_slice(&dashboard).unwrap(), &mut used);
    let rules = fs::read_to_string(monitoring().join("bbb2pod.rules.yml")).unwrap();
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    used.extend(alerts.map(str::to_owned));
    let used: BTreeSet<_> = used.iter().flat_map(|e| names_in(e)).collect();
    assert!(used.len() > 20, "{used:?}");
    let missing: Vec<_> = used.difference(&exported).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} are in none of\n{of_receiver}{of_hook}"
    );
}
