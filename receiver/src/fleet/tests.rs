use recording::Digest;

use super::*;

fn hash(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

fn wanted(yaml: &str) -> Vec<Wanted> {
    read("nodes.yml".as_ref(), yaml).unwrap()
}

fn present(name: &str, state: NodeStanding, busy: bool) -> Present {
    Present {
        name: name.to_owned(),
        state,
        comment: None,
        tenant: None,
        tokens: vec![("first".to_owned(), hash("t"))],
        busy: busy.then(|| "1 waits".to_owned()),
    }
}

fn words(present: &[Present], yaml: &str, mode: Mode) -> Vec<String> {
    let changes = plan(present, &wanted(yaml), mode);
    changes.iter().map(Change::words).collect()
}

use NodeStanding::{Cordoned, Disabled, Enabled};

#[test]
fn nodes_that_the_file_does_not_name() {
    for (state, busy, keep, cordon, force) in [
        (Enabled, true, None, Some("cordon b"), Some("remove b")),
        (Enabled, false, None, Some("remove b"), Some("remove b")),
        (Cordoned, true, None, None, Some("remove b")),
        (Cordoned, false, None, Some("remove b"), Some("remove b")),
        (Disabled, true, None, None, Some("remove b")),
        (Disabled, false, None, Some("remove b"), Some("remove b")),
    ] {
        let now = [present("a", Enabled, true), present("b", state, busy)];
        for (mode, expected) in [
            (Mode::Keep, keep),
            (Mode::Cordon, cordon),
            (Mode::Force, force),
        ] {
            let expected: Vec<_> = expected.into_iter().collect();
            let found = words(&now, "nodes: {a: {}}", mode);
            assert_eq!(found, expected, "{state:?} {busy} {mode:?}");
        }
    }
}

#[test]
fn nodes_that_the_file_names() {
    let cases = [
        (Enabled, "{}", None),
        (Cordoned, "{}", Some("enable a")),
        (Disabled, "", Some("enable a")),
        (Disabled, "{enabled: true}", Some("enable a")),
        // As Scalelite does it: what should not be in use is cordoned.
        (Enabled, "{enabled: false}", Some("cordon a")),
        (Cordoned, "{enabled: false}", None),
        (Disabled, "{enabled: false}", None),
        (Enabled, "{state: disabled}", Some("disable a")),
        (Disabled, "{state: cordoned}", Some("cordon a")),
        (Disabled, "{state: disabled}", None),
        (
            Enabled,
            "{comment: hall B}",
            Some("change the comment of a"),
        ),
        (
            Cordoned,
            "{comment: hall B}",
            Some("enable a, change the comment of a"),
        ),
        (Enabled, "{comment: ''}", None),
        (Enabled, "{tenant: ''}", None),
        (Enabled, "{tenant: law}", Some("give a to tenant law")),
    ];
    for (state, yaml, expected) in cases {
        // Whatever waits on it, and whatever the mode.
        for (busy, mode) in [
            (true, Mode::Keep),
            (false, Mode::Cordon),
            (true, Mode::Force),
        ] {
            let now = [present("a", state, busy)];
            let expected: Vec<_> = expected.into_iter().collect();
            let found = words(&now, &format!("nodes: {{a: {yaml}}}"), mode);
            assert_eq!(found, expected, "{state:?} {yaml} {mode:?}");
        }
    }
    let new = "nodes: {c: {enabled: false}, d: {state: disabled}, e: {}}";
    assert_eq!(
        words(&[], new, Mode::Keep),
        ["add c (cordoned)", "add d (disabled)", "add e (enabled)"]
    );
}

#[test]
fn only_force_takes_tokens_away() {
    let now = [present("a", Enabled, true)];
    let (first, second) = (hash("t"), hash("u"));
    let cases = [
        (format!("{{first: 'sha256:{first}'}}"), vec![], vec![]),
        (
            format!("{{second: 'sha256:{second}'}}"),
            vec!["add token second of a"],
            vec!["revoke token first of a", "add token second of a"],
        ),
        (
            // Another token by the same name takes its place.
            format!("{{first: 'sha256:{second}'}}"),
            vec!["add token first of a"],
            vec!["add token first of a"],
        ),
        ("{}".to_owned(), vec![], vec!["revoke token first of a"]),
        ("null".to_owned(), vec![], vec![]),
    ];
    for (tokens, gentle, force) in cases {
        let yaml = format!("nodes: {{a: {{tokens: {tokens}}}}}");
        assert_eq!(words(&now, &yaml, Mode::Keep), gentle, "{tokens}");
        assert_eq!(words(&now, &yaml, Mode::Cordon), gentle, "{tokens}");
        assert_eq!(words(&now, &yaml, Mode::Force), force, "{tokens}");
    }
}

#[test]
fn what_is_exported_changes_nothing_when_it_is_read() {
    let mut nodes = vec![
        present("a", Enabled, true),
        present("b", Cordoned, false),
        present("0123", Disabled, false),
        present("no", Enabled, false),
    ];
    nodes[0].comment = Some("it's \"old\": # { é\n- yes".to_owned());
    nodes[1].tokens.clear();
    nodes[2].tenant = Some("law".to_owned());
    nodes[2].tokens.push(("2026-11-26".to_owned(), hash("v")));
    let text = export(&nodes);
    for mode in [Mode::Keep, Mode::Cordon, Mode::Force] {
        assert_eq!(words(&nodes, &text, mode), [""; 0], "{text}");
    }
    // Elsewhere it makes the same nodes.
    let made = words(&[], &text, Mode::Keep);
    assert_eq!(made.len(), 4 + 4, "{made:?}");
    assert_eq!(words(&[], &export(&[]), Mode::Force), [""; 0]);
}

#[test]
fn what_is_wrong_in_the_file_is_said() {
    for (yaml, said) in [
        ("nodes: {a: {state: off}}", "nodes.a.state: "),
        ("nodes: {a: {stat: enabled}}", "did you mean `state`?"),
        (
            "nodes: {a: {state: enabled, enabled: true}}",
            "nodes.a: give either state or enabled",
        ),
        ("nodes: {'a b': {}}", "is no such name"),
        ("nodes: {a: {}, a: {}}", "a stands there twice"),
        (
            "nodes: {a: {tokens: {x: bbb2pod_secret}}}",
            "nodes.a.tokens.x: is not the hash of a token",
        ),
        (
            "nodes: {a: {tokens: {'x y': 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}}}",
            "is no such name",
        ),
        ("servers: {}", "servers"),
        ("", "nodes"),
        ("nodes: [a]", "nodes: invalid type"),
    ] {
        let error = read("nodes.yml".as_ref(), yaml).unwrap_err().to_string();
        assert!(
            error.contains(said) && error.contains("nodes.yml"),
            "{yaml}: {error}"
        );
        assert!(!error.contains("bbb2pod_secret"), "{error}");
    }
}
