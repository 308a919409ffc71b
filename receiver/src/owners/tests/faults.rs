//! What is wrong outside is an error that names it, and decides nothing.

use support::databases::{Engine, Server};

use super::super::OwnersError;
use super::super::subject::Frontend;
use super::world::{self, COURSE, Moodle};
use super::{finders, owners, recording};
use crate::pod::Severity;

fn yaml(pod: &str, moodle: &str, more: &str) -> String {
    format!(
        "chain: [moodle]\notherwise: zoe\npod: {{database: {{url: \"{pod}\"}}}}\n\
         moodle: {{databases: {{main: {{url: \"{moodle}\"{more}}}}}}}\n"
    )
}

#[tokio::test]
async fn errors_name_what_is_missing_and_nobody_gets_the_recording() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "mdl_", true);
        moodle.activity(100, COURSE, None);
        moodle.fill();
        let subject = recording(100, Some("hash100-30-100[0]"), Frontend::Moodle);
        let fails = async |yaml: &str| {
            let finders = finders(yaml);
            let error = finders.decide(&subject).await.unwrap_err().to_string();
            assert!(
                !error.contains('\n') && !error.contains("tests-password"),
                "{error}"
            );
            let findings = finders.check().await;
            let wrong = findings
                .iter()
                .find(|f| f.severity == Severity::Wrong)
                .unwrap();
            assert!(
                wrong.what.contains("owners.moodle.databases.main"),
                "{}",
                wrong.what
            );
            assert!(wrong.advice.is_some());
            error
        };
        let url = moodle.database.url();
        let wrong = moodle.database.url_for("tests", "wrong");
        let said = fails(&yaml(&pod.url(), &wrong, "")).await;
        assert!(said.contains("password"), "{said}");
        let said = fails(&yaml(&pod.url(), &url, ", prefix: other_")).await;
        assert!(said.contains("there is no table other_user"), "{said}");
        let reader = moodle
            .database
            .reader("half", &["mdl_user", "mdl_bigbluebuttonbn"]);
        let said = fails(&yaml(&pod.url(), &reader, "")).await;
        assert!(said.contains("mdl_bigbluebuttonbn_logs"), "{said}");
        moodle
            .database
            .run("ALTER TABLE mdl_bigbluebuttonbn DROP COLUMN participants;");
        let said = fails(&yaml(&pod.url(), &url, "")).await;
        assert!(
            said.contains("mdl_bigbluebuttonbn has no column participants"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_asks_for_no_rights_and_a_pod_without_meetings_is_passed_over() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let yaml =
            |url: &str| format!("chain: [pod, manifest]\npod: {{database: {{url: \"{url}\"}}}}\n");
        let shut_out = finders(&yaml(&pod.url_for("tests", "wrong")));
        for finding in shut_out.check().await {
            let advice = finding.advice.unwrap_or_default().to_string();
            assert!(
                finding.severity == Severity::Wrong && !advice.contains("GRANT"),
                "{}: {advice}",
                finding.what
            );
        }
        let subject = recording(1, Some("0012-droit"), Frontend::Unknown).with(&["zoe"]);
        let reader = pod.reader("few", &["auth_user"]);
        let refused = finders(&yaml(&reader)).decide(&subject).await.unwrap_err();
        assert!(refused.is_about_rights(), "{refused}");
        pod.run("ALTER TABLE meeting RENAME TO former_meeting;");
        let without = finders(&yaml(&pod.url()));
        assert_eq!(owners(&without.decide(&subject).await.unwrap()), ["zoe"]);
        let findings = without.check().await;
        assert!(
            findings.iter().all(|f| f.severity != Severity::Wrong)
                && findings.iter().any(|f| f.what.contains("has no meetings")),
            "{findings:?}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_asked_again_and_never_stands_for_nobody() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut server = Server::start(engine);
        let (url, name) = {
            let database = server.database();
            database.moodle("mdl_");
            database.run(
                "INSERT INTO mdl_user (id, username) VALUES (3, 't1');
                 INSERT INTO mdl_bigbluebuttonbn (id, course, meetingid, participants) VALUES
                 (100, 30, 'hash100', '[{\"selectiontype\":\"user\",\"selectionid\":3,\"role\":\"moderator\"}]');",
            );
            let known = (database.url(), database.name.clone());
            std::mem::forget(database);
            known
        };
        let finders = finders(&yaml(&pod.url(), &url, ""));
        let subject = recording(100, Some("hash100-30-100[0]"), Frontend::Moodle);
        assert_eq!(owners(&finders.decide(&subject).await.unwrap()), ["t1"]);
        server.stop();
        for _ in 0..2 {
            let error = finders.decide(&subject).await.unwrap_err();
            assert!(error.is_unreachable(), "{error}");
            assert!(matches!(error, OwnersError::Database(_)));
        }
        server.resume();
        assert_eq!(
            owners(&finders.decide(&subject).await.unwrap()),
            ["t1"],
            "{name}"
        );
        let nobody = recording(101, Some("hash101-30-101[0]"), Frontend::Moodle);
        let decision = finders.decide(&nobody).await.unwrap();
        assert_eq!(
            owners(&decision),
            ["zoe"],
            "the default is for who is not found"
        );
    }
}

#[tokio::test]
async fn accounts_are_made_only_for_people_whom_a_front_end_knows() {
    let pod = world::pod(Engine::MariaDb);
    let mut moodle = Moodle::new(Engine::MariaDb, "mdl_", true);
    for (id, user) in [(100, 14), (101, 8), (102, 5)] {
        let rule =
            format!(r#"[{{"selectiontype":"user","selectionid":{user},"role":"moderator"}}]"#);
        moodle.activity(id, COURSE, Some(&rule));
    }
    moodle.fill();
    let yaml = format!(
        "chain: [manifest, moodle]\ncreate_users: true\npod: {{database: {{url: \"{}\"}}}}\n\
         moodle: {{databases: {{main: {{url: \"{}\"}}}}}}\n",
        pod.url(),
        moodle.database.url()
    );
    let finders = finders(&yaml);
    let of = |id: i64| recording(id, Some(&format!("hash{id}-30-{id}[0]")), Frontend::Moodle);
    let decision = finders.decide(&of(100).with(&["visitor"])).await.unwrap();
    assert_eq!(owners(&decision), ["newcomer"]);
    let user = &decision.to_create[0];
    assert_eq!(
        (
            user.username.as_str(),
            user.email.as_str(),
            user.last_name.as_str()
        ),
        ("newcomer", "new@univ.example", "Last")
    );
    for id in [101, 102] {
        let decision = finders.decide(&of(id)).await.unwrap();
        assert!(
            owners(&decision).is_empty() && decision.to_create.is_empty(),
            "{decision:?}"
        );
    }
}
