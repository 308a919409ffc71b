//! Accounts made in the stand-in Pod: one each, whatever fails or is aborted.

use std::fs;
use std::time::Duration;

use support::pod::{
    ADMIN_TOKEN, Database, Fault, FaultKind, Outage, Settings, StandInPod, Version,
};
use tempfile::TempDir;

use super::*;
use crate::pod::Retry;
use crate::pod::fixtures::abort_at;

const POST: &str = "/rest/users/";

struct Room {
    pod: StandInPod,
    people: People,
    _files: TempDir,
}

impl Room {
    fn new() -> Room {
        Room::with(Settings::default())
    }

    fn with(settings: Settings) -> Room {
        let pod = StandInPod::start_with(settings);
        let files = tempfile::tempdir().unwrap();
        let token_file = files.path().join("token");
        fs::write(&token_file, ADMIN_TOKEN).unwrap();
        let config = ApiConfig {
            timeout: Duration::from_millis(400),
            write_timeout: Duration::from_millis(400),
            ..ApiConfig::at(&pod.url(), &token_file)
        };
        Room {
            people: People::new(&config).unwrap(),
            pod,
            _files: files,
        }
    }

    /// What Pod has under a name, whatever its case.
    fn named(&self, username: &str) -> Vec<serde_json::Map<String, Value>> {
        let rows = self.pod.rows("users").into_iter().map(|(_, row)| row);
        rows.filter(|row| {
            let name = row["username"].as_str().unwrap();
            name.eq_ignore_ascii_case(username)
        })
        .collect()
    }

    /// Tries as a pipeline would, until it is done.
    async fn insist(&self, user: &NewUser) {
        for _ in 0..5 {
            match self.people.make(user, false).await {
                Ok(_) => return,
                Err(error) => assert_ne!(error.retry(), Retry::StopAll, "{error}"),
            }
        }
        panic!("never done");
    }
}

fn newcomer() -> NewUser {
    NewUser {
        username: "newcomer".into(),
        first_name: "Zoé \u{1f600}".into(),
        last_name: "Martin".into(),
        email: "new@univ.example".into(),
    }
}

#[tokio::test]
async fn an_account_is_made_once_and_staff_only_when_asked() {
    for (staff, name) in [(false, "newcomer"), (true, "lecturer")] {
        let room = Room::new();
        let user = NewUser {
            username: name.into(),
            ..newcomer()
        };
        assert!(room.people.make(&user, staff).await.unwrap());
        assert!(!room.people.make(&user, !staff).await.unwrap());
        let rows = room.named(name);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["is_staff"], staff, "nobody becomes staff later");
        assert_eq!(
            rows[0]["first_name"], "Zoé",
            "what MariaDB cannot keep is gone"
        );
        assert_eq!(rows[0]["email"], "new@univ.example");
        assert_eq!(room.pod.count("POST", POST), 1);
    }
}

#[tokio::test]
async fn an_address_that_pod_refuses_prevents_no_account() {
    let room = Room::new();
    let user = NewUser {
        email: "not an address".into(),
        ..newcomer()
    };
    assert!(room.people.make(&user, false).await.unwrap());
    let rows = room.named("newcomer");
    assert_eq!((rows.len(), rows[0]["email"].as_str()), (1, Some("")));
}

#[tokio::test]
async fn a_name_that_another_has_in_other_letters_is_not_taken() {
    let room = Room::with(Settings {
        database: Database::MariaDb,
        ..Settings::default()
    });
    let user = NewUser {
        username: "STAFF1".into(),
        ..newcomer()
    };
    let error = room.people.make(&user, true).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never, "{error}");
    assert_eq!(room.named("staff1").len(), 1);
}

/// Pod on PostgreSQL filters addresses exactly, on MariaDB without case, and 3.7 not at all.
#[tokio::test]
async fn an_address_belongs_to_all_who_have_it_in_whatever_letters() {
    for (version, database) in [
        (Version::V4_1_0, Database::Postgres),
        (Version::V4_1_0, Database::MariaDb),
        (Version::V3_7_0, Database::Postgres),
    ] {
        let room = Room::with(Settings {
            version,
            database,
            ..Settings::default()
        });
        for (username, email) in [
            ("dup1", "dup@univ.example"),
            ("dup2", "Dup@univ.example"),
            ("erin", "Erin@Univ.example"),
            ("plain", "plain@univ.example"),
        ] {
            let user = NewUser {
                username: username.into(),
                email: email.into(),
                ..newcomer()
            };
            assert!(room.people.make(&user, false).await.unwrap());
        }
        for (asked, wanted) in [
            ("dup@univ.example", &["dup1", "dup2"][..]),
            ("DUP@univ.example", &["dup1", "dup2"]),
            ("erin@univ.example", &["erin"]),
            ("PLAIN@univ.example", &["plain"]),
            ("nobody@univ.example", &[]),
        ] {
            let mut found = room.people.with_email(asked).await.unwrap();
            found.sort();
            assert_eq!(found, wanted, "{asked} on {database:?} {version:?}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_at_whatever_request_there_is_one_account() {
    use FaultKind::{
        DropAfter, DropBefore, ErrorAfter, ErrorBefore, HangAfter, HangBefore, Status,
    };
    for version in [Version::V4_1_0, Version::V3_7_0] {
        for kind in [
            DropAfter,
            DropBefore,
            ErrorAfter,
            ErrorBefore,
            HangAfter,
            HangBefore,
            Status(503),
        ] {
            for request in 0..3 {
                let room = Room::with(Settings {
                    version,
                    ..Settings::default()
                });
                room.pod.fail(Fault {
                    method: None,
                    path: "*".into(),
                    after: request,
                    times: 1,
                    kind: kind.clone(),
                });
                room.insist(&newcomer()).await;
                assert_eq!(
                    room.named("newcomer").len(),
                    1,
                    "{kind:?} at {request} of {version:?}"
                );
            }
        }
    }
}

/// Drops it at every point where it waits, as a kill would, and starts again.
#[tokio::test]
async fn whatever_is_aborted_there_is_one_account() {
    for point in 0.. {
        let room = Room::new();
        let finished = abort_at(room.people.make(&newcomer(), false), point)
            .await
            .is_some();
        room.insist(&newcomer()).await;
        assert_eq!(room.named("newcomer").len(), 1, "aborted at {point}");
        if finished {
            break;
        }
    }
}

#[tokio::test]
async fn an_outage_is_waited_for() {
    for outage in [Outage::Database, Outage::Network] {
        let room = Room::new();
        room.pod.outage(outage);
        for _ in 0..2 {
            let error = room.people.make(&newcomer(), false).await.unwrap_err();
            assert!(matches!(error.retry(), Retry::Later(_)), "{error}");
        }
        room.pod.outage(Outage::None);
        room.insist(&newcomer()).await;
        assert_eq!(room.named("newcomer").len(), 1);
    }
}
