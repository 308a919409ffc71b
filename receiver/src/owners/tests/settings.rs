//! The section `owners` itself.

use super::super::OwnersConfig;
use super::config;

#[test]
fn wrong_values_are_named() {
    let said = |yaml: &str| match serde_yaml::from_str::<OwnersConfig>(yaml) {
        Err(error) => error.to_string(),
        Ok(config) => match config.validate(false) {
            Err((key, why)) => format!("{key}: {why}"),
            Ok(()) => panic!("taken: {yaml}"),
        },
    };
    for (yaml, words) in [
        ("chian: [csv]", "unknown field `chian`"),
        ("chain: [ldap]", "unknown variant `ldap`"),
        ("chain: []", "chain: names nobody"),
        ("chain: [csv, csv]", "chain: names a finder twice"),
        ("combine: some", "unknown variant `some`"),
        (
            "otherwise: \"to be seen\"",
            "otherwise: must be review or a username",
        ),
        ("create_users: true", "create_users: needs owners.pod.url"),
        ("map: [same]", "is no rule; write identical"),
        (
            "map: [{regex: {match: \"(\", username: x}}]",
            "map: \"(\" is no regular expression",
        ),
        ("map: [{strip: x}]", "is no rule"),
        ("manifest: {most: 0}", "manifest.most: must be at least 1"),
        (
            "pod: {url: \"https://pod.example\"}",
            "pod: url and token_file belong together",
        ),
        (
            "pod: {database: {}}",
            "pod.database: url or url_file is missing",
        ),
        (
            "moodle: {databases: {m: {url: \"oracle://x/y\"}}}",
            "moodle.databases.m: oracle:// is no database",
        ),
        (
            "moodle: {databases: {m: {url: \"mysql://x@h/y\", prefix: \"a;b\"}}}",
            "m.prefix: \"a;b\" must be letters",
        ),
        (
            "moodle: {databases: {m: {url: \"mysql://x@h/y\", schema: \"\"}}}",
            "m.schema: \"\" must be letters",
        ),
        (
            "moodle: {databases: {m: {url: \"mysql://x@h/y\", prefx: a}}}",
            "unknown field `prefx`",
        ),
        (
            "moodle: {default_database: n}",
            "moodle.default_database: there is no n",
        ),
        (
            "moodle: {databases: {a: {url: \"mysql://x@h/y\", servers: [s]}, b: {url: \"mysql://x@h/y\", servers: [S]}}}",
            "moodle.databases.b.servers: S belongs to a already",
        ),
        (
            "greenlight: {databases: {g: {}}}",
            "greenlight.databases.g: url or url_file is missing",
        ),
    ] {
        let said = said(yaml);
        assert!(said.contains(words), "{yaml}: {said}");
    }
    assert_eq!(config("{}").chain.len(), 5);
}
