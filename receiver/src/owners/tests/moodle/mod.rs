//! Moodle.

use support::databases::Engine;

mod activities;
mod participants;

use super::super::subject::{Breakout, Frontend, Subject};
use super::world::{self, COURSE, EMPTY_COURSE, Moodle};
use super::{Case, case, config, finders, owners, record_id, recording, try_all};
use crate::owners::Activities;

const SERVER: &str = "moodle.univ.example";

fn rule(kind: &str, id: &str, role: &str) -> String {
    format!(r#"{{"selectiontype":"{kind}","selectionid":{id},"role":"{role}"}}"#)
}

fn user(id: &str) -> String {
    format!("[{}]", rule("user", id, "moderator"))
}

/// The recording of an activity, as Moodle announces it to BBB.
fn of(activity: i64) -> Subject {
    let external = format!("hash{activity}-{COURSE}-{activity}[0]");
    recording(activity, Some(&external), Frontend::Moodle).on(SERVER)
}

fn yaml(moodle: &Moodle, pod: &str, more: &str) -> String {
    let url = moodle.database.url();
    format!(
        "chain: [moodle]\npod: {{database: {{url: \"{pod}\"}}}}\n\
         moodle:\n  databases:\n    main: {{servers: [{SERVER}], url: \"{url}\"{more}}}\n"
    )
}

#[tokio::test]
async fn hard_cases_with_accounts_that_may_only_read() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "mdl_", true);
        let mut cases = participants::fill(&mut moodle);
        cases.extend(activities::fill(&mut moodle));
        moodle.fill();
        assert!(cases.len() >= 80, "{}", cases.len());
        let public = |table: &str| format!("mdl_{table}");
        let tables = [
            "user",
            "bigbluebuttonbn",
            "bigbluebuttonbn_logs",
            "bigbluebuttonbn_recordings",
            "context",
            "course_modules",
            "modules",
            "role",
            "role_assignments",
        ]
        .map(public);
        let tables: Vec<_> = tables.iter().map(String::as_str).collect();
        let url = moodle.database.reader("moodle", &tables);
        let pod_url = pod.reader("pod", &["auth_user"]);
        let yaml = format!(
            "chain: [moodle]\npod: {{database: {{url: \"{pod_url}\"}}}}\n\
             moodle:\n  ignored_servers: [old.univ.example]\n  databases:\n    main: {{servers: [{SERVER}], url: \"{url}\"}}\n"
        );
        let finders = finders(&yaml);
        try_all(&finders, &cases).await;
        let queries = finders.asked() as f64 / cases.len() as f64;
        assert!(queries < 8.0, "{queries} statements a recording");
    }
}

#[tokio::test]
async fn the_sites_default_rules_are_moodles_or_the_settings() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "m2_", true);
        moodle.plugin_setting("participant_moderator_default", "0,3");
        moodle.activity(100, COURSE, None);
        moodle.log(100, 15, "Add", -9000, None);
        moodle.fill();
        let with =
            |more: &str| finders(&yaml(&moodle, &pod.url(), &format!(", prefix: m2_{more}")));
        let subject = of(100);
        let decision = with("").decide(&subject).await.unwrap();
        assert_eq!(owners(&decision), ["t3", "t1", "t2"]);
        let decision = with(", participant_moderator_default: \"0\"")
            .decide(&subject)
            .await
            .unwrap();
        assert_eq!(owners(&decision), ["t3"]);
        let decision = with(", participant_moderator_default: \"1\"")
            .decide(&subject)
            .await
            .unwrap();
        assert_eq!(owners(&decision), ["mgr"]);
    }
}

#[tokio::test]
async fn a_plugin_of_before_3_has_no_recordings() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "mdl_", false);
        moodle.activity(100, COURSE, Some(&user("3")));
        moodle.log(101, 4, "Add", -9000, Some("hash101"));
        moodle.fill();
        let finders = finders(&yaml(&moodle, &pod.url(), ""));
        let cases = [
            case("with a bracket", of(100), &["t1"]),
            case("without", of(100).external(Some("hash100-30-100")), &["t1"]),
            case("another hash", of(100).external(Some("hash1-30-100")), &[]),
            case("deleted", of(101), &["t2"]),
            case("never there", of(102), &[]),
        ];
        try_all(&finders, &cases).await;
    }
}

#[tokio::test]
async fn each_server_has_its_own_moodle() {
    let pod = world::pod(Engine::MariaDb);
    let mut one = Moodle::new(Engine::MariaDb, "mdl_", true);
    let mut two = Moodle::new(Engine::PostgreSql, "mdl_", true);
    // The same numbers in both, and different people.
    one.activity(100, COURSE, Some(&user("3")));
    two.activity(100, COURSE, Some(&user("4")));
    two.activity(101, COURSE, Some(&user("15")));
    one.fill();
    two.fill();
    two.database
        .run("CREATE SCHEMA lms; ALTER TABLE mdl_user SET SCHEMA lms;");
    for table in [
        "bigbluebuttonbn",
        "bigbluebuttonbn_logs",
        "bigbluebuttonbn_recordings",
        "config",
        "config_plugins",
        "context",
        "course",
        "course_modules",
        "modules",
        "role",
        "role_assignments",
    ] {
        two.database
            .run(&format!("ALTER TABLE mdl_{table} SET SCHEMA lms;"));
    }
    let yaml = |default: &str| {
        format!(
            "chain: [moodle]\npod: {{database: {{url: \"{}\"}}}}\nmoodle:\n{default}  databases:\n    \
         one: {{servers: [one.example], url: \"{}\"}}\n    two: {{servers: [two.example], url: \"{}\", schema: lms}}\n",
            pod.url(),
            one.database.url(),
            two.database.url()
        )
    };
    let without = finders(&yaml(""));
    try_all(
        &without,
        &[
            case("the first", of(100).on("one.example"), &["t1"]),
            case("the second", of(100).on("two.example"), &["t2"]),
            case(
                "of the second, said to be of the first",
                of(101).on("one.example"),
                &[],
            ),
            case("no default", of(101).on("three.example"), &[]),
        ],
    )
    .await;
    let with = finders(&yaml("  default_database: two\n"));
    try_all(
        &with,
        &[
            case("by default", of(101).on("three.example"), &["t3"]),
            case(
                "by default, nothing agrees",
                of(102).on("three.example"),
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn messages_find_the_activity_by_the_same_rules() {
    for engine in Engine::ALL {
        let mut moodle = Moodle::new(engine, "mdl_", true);
        for (id, status) in [(100, 2), (101, 5)] {
            moodle.activity(id, COURSE, None);
            moodle.recording(&record_id(id), id, false, status);
        }
        moodle.activity(102, COURSE, None);
        moodle.recording(&record_id(100), 102, true, 2);
        moodle.recording(&record_id(103), 103, false, 2);
        moodle.fill();
        let url = moodle.database.url();
        let yaml = format!(
            "moodle:\n  ignored_servers: [old.example]\n  databases: {{main: {{servers: [{SERVER}], url: \"{url}\"}}}}\n"
        );
        let activities = Activities::new(&config(&yaml)).unwrap();
        for (what, subject, wanted) in [
            ("by its row, not by the copy's", of(100), Some(100)),
            ("deleted there: nobody wants it", of(101), None),
            ("by the meeting's id", of(102), Some(102)),
            ("the activity is gone", of(103), None),
            ("another hash", of(102).external(Some("x-30-102")), None),
            ("an ignored server", of(100).on("old.example"), None),
            (
                "an unknown server, the record id agrees",
                of(100).on("x.example"),
                Some(100),
            ),
            (
                "a breakout room of the meeting",
                of(100).room(900),
                Some(100),
            ),
        ] {
            let found = activities.of(&subject).await.unwrap();
            assert_eq!(found, wanted.map(|id| ("main", id)), "{what}");
        }
    }
}
