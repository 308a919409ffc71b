//! External videos in real databases: one row for each owner, whatever is killed or missing.

use std::collections::BTreeSet;
use std::fs;

use support::databases::{Database as Scratch, Engine};
use tempfile::TempDir;

use super::*;
use crate::database::{DatabaseConfig, DatabaseError};
use crate::pod::fixtures::{Memory, abort_at, lecture};
use crate::pod::{Retry, Severity};
use crate::web::video::Addresses;

const TABLE: &str = rows::TABLE;

struct Room {
    pod: Scratch<'static>,
    files: TempDir,
    config: ExternalConfig,
    journal: Memory,
}

impl Room {
    fn new(engine: Engine) -> Room {
        let pod = engine.server().database();
        pod.pod();
        let staff = "password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined";
        let (yes, no) = match engine {
            Engine::MariaDb => ("1", "0"),
            Engine::PostgreSql => ("true", "false"),
        };
        for (name, is_staff) in [
            ("jdupont", yes),
            ("mmartin", yes),
            ("etudiant", no),
            ("bbb-archive", yes),
        ] {
            pod.run(&format!(
                "INSERT INTO auth_user ({staff}) VALUES ('!', NULL, {no}, '{name}', '', '', '', {is_staff}, {yes}, CURRENT_TIMESTAMP);"
            ));
        }
        let config = ExternalConfig {
            database: DatabaseConfig {
                url: pod.url(),
                password_file: None,
            },
            site: None,
            default_owner: "bbb-archive".into(),
            link: Link::Video,
            convert: When::Eager,
            rewrite_playback: false,
        };
        Room {
            pod,
            files: tempfile::tempdir().unwrap(),
            config,
            journal: Memory::default(),
        }
    }

    fn destination(&self) -> External {
        let videos = VideoLinks {
            base: Some("https://bbb2pod.univ.example/".into()),
            addresses: Addresses::open(&self.files.path().join("video.key")).unwrap(),
        };
        External::new(&self.config, &videos).unwrap()
    }

    fn lecture(&self, owners: &[&str]) -> Lecture {
        let mut lecture = lecture(self.files.path(), b"video");
        lecture.owner = owners.first().map(|name| (*name).to_owned());
        lecture.additional_owners = owners
            .iter()
            .skip(1)
            .map(|name| (*name).to_owned())
            .collect();
        lecture
    }

    async fn register(&self, lecture: &Lecture) -> Result<Registration, PodError> {
        self.destination().register(lecture, &self.journal).await
    }

    /// Owner, name, type, start and address of every row.
    fn rows(&self) -> Vec<Vec<String>> {
        let start = match self.pod.engine() {
            Engine::MariaDb => "r.start_at",
            Engine::PostgreSql => {
                "to_char(r.start_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
            }
        };
        self.pod.rows(&format!(
            "SELECT u.username, r.name, r.type, {start}, r.source_url FROM {TABLE} r \
             JOIN auth_user u ON u.id = r.owner_id \
             WHERE r.site_id = 1 AND r.state IS NULL ORDER BY u.username, r.id;"
        ))
    }

    fn owners(&self) -> Vec<String> {
        self.rows().into_iter().map(|row| row[0].clone()).collect()
    }
}

#[tokio::test]
async fn every_owner_gets_one_row_that_says_what_pod_wants() {
    for engine in Engine::ALL {
        let room = Room::new(engine);
        let lecture = room.lecture(&["jdupont", "mmartin"]);
        let made = room.register(&lecture).await.unwrap();
        let rows = room.rows();
        assert_eq!(room.owners(), ["jdupont", "mmartin"]);
        assert_eq!(
            rows[0][1..4],
            ["Algèbre linéaire", "video", "2019-04-02 18:45:49.920000"]
        );
        let url = made.url.clone().unwrap();
        assert_eq!(rows[0][4], url);
        assert!(
            url.starts_with(&format!(
                "https://bbb2pod.univ.example/video/{}.",
                lecture.record_id
            )) && url.ends_with("/video-0.mp4"),
            "{url}"
        );
        assert_eq!(
            (made.kind, made.reference.split(',').count()),
            (Kind::Link, 2)
        );

        room.register(&lecture).await.unwrap();
        let forgetful = Memory::default();
        room.destination()
            .register(&lecture, &forgetful)
            .await
            .unwrap();
        assert_eq!(room.rows().len(), 2, "with a lost ledger too");

        let stands = async || {
            let (destination, id) = (room.destination(), &lecture.record_id);
            destination.standing(id, &room.journal).await.unwrap()
        };
        assert_eq!(stands().await, Standing::There);
        let user = |name: &str| format!("(SELECT id FROM auth_user WHERE username = '{name}')");
        let delete = |name| format!("DELETE FROM {TABLE} WHERE owner_id = {};", user(name));
        room.pod.run(&delete("mmartin"));
        assert_eq!(
            stands().await,
            Standing::Partly("no row for mmartin".to_owned())
        );
        room.pod.run(&delete("jdupont"));
        assert_eq!(stands().await, Standing::Gone);
        room.register(&lecture).await.unwrap();
        let (destination, forgetful) = (room.destination(), Memory::default());
        let unknown = destination.standing(&lecture.record_id, &forgetful).await;
        assert_eq!(unknown.unwrap(), Standing::Unknown);

        let nobody = room.lecture(&[]);
        room.register(&nobody).await.unwrap();
        assert_eq!(
            room.owners(),
            ["bbb-archive"],
            "the former owners lose theirs"
        );
    }
}

#[tokio::test]
async fn playback_links_lead_to_the_player_that_is_wanted() {
    let mut room = Room::new(Engine::MariaDb);
    room.config.link = Link::Playback;
    let mut lecture = room.lecture(&["jdupont"]);
    lecture.media = None;
    room.register(&lecture).await.unwrap();
    assert_eq!(room.rows()[0][2], "bigbluebutton");
    assert!(room.rows()[0][4].contains("/2.0/playback.html?meetingId="));
    room.config.rewrite_playback = true;
    room.register(&lecture).await.unwrap();
    let rows = room.rows();
    assert_eq!(rows.len(), 1, "the old address is replaced");
    assert_eq!(
        rows[0][4],
        format!(
            "https://bbb1.univ.example/playback/presentation/2.3/{}",
            lecture.record_id
        )
    );
    lecture.playback = None;
    let error = room.register(&lecture).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never, "{error}");
}

#[tokio::test]
async fn rows_that_were_imported_or_made_by_others_stay() {
    let room = Room::new(Engine::PostgreSql);
    let lecture = room.lecture(&["jdupont"]);
    room.register(&lecture).await.unwrap();
    room.pod.run(&format!(
        "UPDATE {TABLE} SET uploaded_to_pod_by_id = owner_id;"
    ));
    room.register(&room.lecture(&["mmartin"])).await.unwrap();
    assert_eq!(room.owners(), ["jdupont", "mmartin"]);
}

#[tokio::test]
async fn titles_are_what_the_table_can_hold() {
    for engine in Engine::ALL {
        for narrow in [true, false] {
            if narrow && engine == Engine::MariaDb {
                let room = Room::new(engine);
                room.pod.run(&format!(
                    "ALTER TABLE {TABLE} CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci;"
                ));
                let mut lecture = room.lecture(&["jdupont"]);
                lecture.title = Some("Cours 🎓 d'été".into());
                room.register(&lecture).await.unwrap();
                assert_eq!(room.rows()[0][1], "Cours d'été");
            }
        }
        let room = Room::new(engine);
        let mut lecture = room.lecture(&["jdupont"]);
        lecture.title = Some(format!("🎓 '; DROP TABLE {TABLE}; -- {}", "é".repeat(300)));
        room.register(&lecture).await.unwrap();
        let name = room.rows()[0][1].clone();
        assert!(name.starts_with("🎓 '; DROP TABLE"), "{name}");
        assert_eq!((name.chars().count(), name.ends_with('…')), (250, true));
    }
}

#[tokio::test]
async fn owners_are_compared_exactly_and_students_are_noted() {
    let room = Room::new(Engine::MariaDb);
    for (owner, words) in [("JDupont", "(but \"jdupont\")"), ("nobody", "no user")] {
        let error = room.register(&room.lecture(&[owner])).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    let made = room.register(&room.lecture(&["etudiant"])).await.unwrap();
    assert!(made.notes[0].contains("is not staff"), "{:?}", made.notes);
}

#[tokio::test]
async fn columns_that_nobody_knows_are_filled_and_missing_ones_named() {
    for engine in Engine::ALL {
        let room = Room::new(engine);
        let text = match engine {
            Engine::MariaDb => "longtext",
            Engine::PostgreSql => "text",
        };
        room.pod.run(&format!(
            "ALTER TABLE {TABLE} ADD COLUMN comment {text} NOT NULL; \
             ALTER TABLE {TABLE} ADD COLUMN visits int NOT NULL;"
        ));
        room.register(&room.lecture(&["jdupont"])).await.unwrap();
        assert_eq!(
            room.pod.rows(&format!("SELECT visits FROM {TABLE};")),
            [["0"]]
        );

        room.pod
            .run(&format!("ALTER TABLE {TABLE} DROP COLUMN state;"));
        let error = room
            .register(&room.lecture(&["mmartin"]))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("has no column state"), "{error}");
        assert_eq!(error.retry(), Retry::StopAll);

        room.pod.run(&format!("DROP TABLE {TABLE};"));
        let error = room
            .register(&room.lecture(&["mmartin"]))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(&format!("no table {TABLE}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_wrong_account_or_address_is_one_line_without_its_password() {
    for engine in Engine::ALL {
        let mut room = Room::new(engine);
        let right = room.config.database.url.clone();
        let secret = "not-the-password";
        let password_file = room.files.path().join("password");
        fs::write(&password_file, format!("{secret}\n")).unwrap();
        for (url, file, words) in [
            (right.clone(), Some(password_file), "in its password_file"),
            (format!("{right}x"), None, "check the name of the database"),
            (
                match engine {
                    Engine::MariaDb => "mysql://tests@127.0.0.1:1/pod".to_owned(),
                    Engine::PostgreSql => "postgres://tests@127.0.0.1:1/pod".to_owned(),
                },
                None,
                "cannot be reached",
            ),
        ] {
            room.config.database = DatabaseConfig {
                url,
                password_file: file,
            };
            let error = room
                .register(&room.lecture(&["jdupont"]))
                .await
                .unwrap_err();
            let said = error.to_string();
            assert!(said.contains(words) && !said.contains('\n'), "{said}");
            let destination = format!("{:?} {said}", room.destination().rows.database().name());
            assert!(
                !destination.contains(secret) && !said.contains("tests-password"),
                "{said}"
            );
            let later = matches!(error.retry(), Retry::Later(_));
            assert_eq!(later, error.is_unreachable(), "{said}");
        }
    }
}

#[tokio::test]
async fn whatever_is_aborted_every_owner_has_one_row() {
    for engine in Engine::ALL {
        // Every wait at first, then ever fewer: how often a busy server is waited for has no bound.
        let points = std::iter::successors(Some(0), |point| Some(point + 1 + point / 12));
        let mut room = Room::new(engine);
        for point in points {
            room.pod.run(&format!("DELETE FROM {TABLE};"));
            room.journal = Memory::default();
            room.register(&room.lecture(&["etudiant"])).await.unwrap();
            let lecture = room.lecture(&["jdupont", "mmartin"]);
            let destination = room.destination();
            let attempt = destination.register(&lecture, &room.journal);
            let finished = abort_at(attempt, point).await.is_some();
            room.register(&lecture).await.unwrap();
            assert_eq!(room.owners(), ["jdupont", "mmartin"], "aborted at {point}");
            if finished {
                break;
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_made_that_cannot_be_remembered() {
    let room = Room::new(Engine::MariaDb);
    room.journal.fail_after(0);
    let error = room
        .register(&room.lecture(&["jdupont"]))
        .await
        .unwrap_err();
    assert!(matches!(error, PodError::Journal(_)), "{error}");
    assert!(room.rows().is_empty());
}

#[tokio::test]
async fn a_database_that_goes_away_is_waited_for() {
    let mut server = support::databases::Server::start(Engine::MariaDb);
    let url = {
        let pod = server.database();
        pod.pod();
        pod.run(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, \
             is_staff, is_active, date_joined) VALUES ('!', 0, 'jdupont', '', '', '', 1, 1, CURRENT_TIMESTAMP);",
        );
        let url = pod.url();
        // It goes with its server.
        std::mem::forget(pod);
        url
    };
    let mut room = Room::new(Engine::MariaDb);
    room.config.database.url = url;
    let (first, mut second) = (room.lecture(&["jdupont"]), room.lecture(&["jdupont"]));
    second.record_id = "283f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
        .parse()
        .unwrap();
    let destination = room.destination();
    destination.register(&first, &room.journal).await.unwrap();
    server.stop();
    let journal = Memory::default();
    let error = destination.register(&second, &journal).await.unwrap_err();
    assert!(
        error.is_unreachable() && matches!(error.retry(), Retry::Later(_)),
        "{error}"
    );
    server.resume();
    destination.register(&second, &journal).await.unwrap();
    let links = Links::new(&room.config).unwrap();
    assert_eq!(links.beginning_with("https://").await.unwrap().count(), 2);
}

#[tokio::test]
async fn at_the_same_time_there_is_one_row_each() {
    for engine in Engine::ALL {
        let room = Room::new(engine);
        let lecture = room.lecture(&["jdupont"]);
        let journals: Vec<Memory> = (0..8).map(|_| Memory::default()).collect();
        let destinations = [room.destination(), room.destination()];
        let all = journals
            .iter()
            .enumerate()
            .map(|(number, journal)| destinations[number % 2].register(&lecture, journal));
        for outcome in futures::future::join_all(all).await {
            outcome.unwrap();
        }
        assert_eq!(room.rows().len(), 1);
    }
}

#[tokio::test]
async fn a_rehearsal_prints_the_statements_and_changes_nothing() {
    for engine in Engine::ALL {
        let room = Room::new(engine);
        let destination = room.destination();
        let lecture = room.lecture(&["jdupont", "etudiant"]);
        let plan = destination.rehearse(&lecture, &room.journal).await.unwrap();
        assert_eq!(plan.steps.len(), 2, "{plan:?}");
        assert_eq!(plan.warnings.len(), 1, "{plan:?}");
        assert!(
            plan.steps[0].starts_with(&format!("INSERT INTO {TABLE} (name, start_at")),
            "{plan:?}"
        );
        assert!(
            plan.steps[0].contains("'Algèbre linéaire', CAST('2019-04-02 18:45:49.920000'"),
            "{plan:?}"
        );
        assert!(room.rows().is_empty());
        // What is printed can be run as it is.
        room.pod.run(&plan.steps[0]);
        assert_eq!(room.owners(), ["jdupont"]);
        let plan = destination.rehearse(&lecture, &room.journal).await.unwrap();
        assert!(
            plan.steps[0].starts_with("nothing for jdupont: row "),
            "{plan:?}"
        );

        // Whose account is to be made is not in Pod yet, and that is right.
        let mut new = room.lecture(&["ghost", "jdupont"]);
        let user = crate::pod::NewUser {
            username: "ghost".into(),
            ..Default::default()
        };
        new.to_create = vec![user];
        let plan = destination.rehearse(&new, &room.journal).await.unwrap();
        assert!(
            plan.steps[0].starts_with("nothing for jdupont: row ")
                && plan.steps[1].starts_with("for ghost, once that account is made: a row "),
            "{plan:?}"
        );

        let asked = destination.asked();
        for _ in 0..20 {
            destination.rehearse(&lecture, &room.journal).await.unwrap();
        }
        assert_eq!(
            destination.asked() - asked,
            20,
            "one question for each recording"
        );
    }
}

#[tokio::test]
async fn the_check_leaves_nothing_behind_and_names_the_missing_right() {
    for engine in Engine::ALL {
        let mut room = Room::new(engine);
        let findings = room.destination().check().await;
        assert!(
            findings.iter().all(|f| f.severity == Severity::Fine),
            "{findings:#?}"
        );
        assert!(room.rows().is_empty());
        room.config.database.url = room
            .pod
            .reader("looks", &[TABLE, "auth_user", "django_site"]);
        let findings = room.destination().check().await;
        let wrong: Vec<_> = findings
            .iter()
            .filter(|f| f.severity == Severity::Wrong)
            .collect();
        assert_eq!(wrong.len(), 1, "{findings:#?}");
        assert!(
            wrong[0]
                .advice
                .as_ref()
                .unwrap()
                .contains("INSERT and DELETE"),
            "{wrong:#?}"
        );
        room.config.default_owner = "absent".into();
        let error = room.destination().prepare().await.unwrap_err();
        assert!(
            error.to_string().starts_with("destination.default_owner: "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn links_are_forgotten_by_their_beginning_to_the_letter() {
    for engine in Engine::ALL {
        let room = Room::new(engine);
        room.register(&room.lecture(&["jdupont", "mmartin"]))
            .await
            .unwrap();
        let insert = |url: &str| {
            room.pod.run(&format!(
                "INSERT INTO {TABLE} (name, start_at, type, source_url, owner_id, site_id) \
                 SELECT 'x', CURRENT_TIMESTAMP, 'video', '{url}', id, 1 FROM auth_user WHERE username = 'jdupont';"
            ));
        };
        for url in [
            "https://bbb2podXuniv.example/video/a.mp4",
            "https://bbb2pod.univ.example.evil/video/",
            "https://BBB2POD.univ.example/video/b.mp4",
            "https://other/?https://bbb2pod.univ.example/video/",
        ] {
            insert(url);
        }
        let links = Links::new(&room.config).unwrap();
        let found = links
            .beginning_with("https://bbb2pod.univ.example/")
            .await
            .unwrap();
        assert_eq!((found.count(), found.imported), (2, 0));
        let owners: BTreeSet<_> = found.owners.keys().map(String::as_str).collect();
        assert_eq!(owners, BTreeSet::from(["jdupont", "mmartin"]));
        insert("https://bbb2pod.univ.example/video/made-meanwhile.mp4");
        assert_eq!(links.forget(&found).await.unwrap(), 2);
        let left = links
            .beginning_with("https://bbb2pod.univ.example/")
            .await
            .unwrap();
        assert_eq!(left.count(), 1, "only what was counted goes");
        assert_eq!(room.rows().len(), 5);
    }
}

#[tokio::test]
async fn addresses_that_make_no_sense_are_refused() {
    for (url, words) in [
        ("pod", "write it like"),
        ("sqlite:///x", "sqlite:// is no database"),
        ("mysql://pod@db", "name of the database is missing"),
    ] {
        let config = DatabaseConfig {
            url: url.into(),
            password_file: None,
        };
        let said = config.validate().unwrap_err();
        assert!(said.contains(words), "{said}");
    }
    let config = DatabaseConfig {
        url: "mariadb://pod@db/pod".into(),
        password_file: Some("/nonexistent/password".into()),
    };
    let error = Database::new(&config).unwrap_err();
    assert!(
        matches!(&error, DatabaseError::Settings(why) if why.contains("/nonexistent/password")),
        "{error}"
    );
}
