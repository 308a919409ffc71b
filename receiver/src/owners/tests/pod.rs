//! Pod's own meetings, in its database.

use support::databases::Engine;

use super::super::subject::{Breakout, Frontend, Subject};
use super::world::{self, account};
use super::{case, finders, record_id, recording, try_all};

fn of(external: &str) -> Subject {
    recording(1, Some(external), Frontend::Unknown)
}

#[tokio::test]
async fn rooms_by_their_id_or_their_number() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let (no, span) = match engine {
            Engine::MariaDb => ("0", "3600000000"),
            Engine::PostgreSql => ("false", "'1 hour'"),
        };
        let mut sql =
            String::from("INSERT INTO django_site (domain, name) VALUES ('b.example', 'b');\n");
        for (id, meeting, owner, internal, created, site) in [
            (12, "0012-droit", "zoe", None, "2020-01-01", 1),
            (
                13,
                "0013-nouveau-nom",
                "max",
                Some(record_id(1)),
                "2020-01-01",
                1,
            ),
            (14, "0014-nouveau-nom", "max", None, "2020-01-01", 1),
            (15, "0015-nouveau-nom", "max", None, "2021-01-01", 1),
            (16, "0016-double", "max", None, "2020-01-01", 1),
            (17, "0016-double", "roy", None, "2020-01-01", 2),
        ] {
            let internal = internal.map_or("NULL".to_owned(), |id| format!("'{id}'"));
            sql += &format!(
                "INSERT INTO meeting (id, name, meeting_id, start_at, expected_duration, is_restricted, is_running,
                    record, internal_meeting_id, is_personal, created_at, updated_at, is_webinar, owner_id, site_id)
                 VALUES ({id}, 'x', '{meeting}', '2020-01-01', {span}, {no}, {no}, {no}, {internal}, {no},
                    '{created}', '{created}', {no}, {}, {site});\n",
                account(owner)
            );
        }
        for user in ["roy", "t1"] {
            sql += &format!(
                "INSERT INTO meeting_additional_owners (meeting_id, user_id) VALUES (12, {});\n",
                account(user)
            );
        }
        pod.run(&sql);
        let reader = pod.reader(
            "meetings",
            &["auth_user", "meeting", "meeting_additional_owners"],
        );
        let finders = finders(&format!(
            "chain: [pod]\npod: {{hosts: [pod.univ.example], database: {{url: \"{reader}\"}}}}\n"
        ));
        let parent = of("0012-droit").external(None);
        let parent = Subject {
            record_id: record_id(1),
            ..parent
        };
        try_all(
            &finders,
            &[
                case(
                    "the exact id, with the other owners",
                    of("0012-droit"),
                    &["zoe", "roy", "t1"],
                ),
                case("the exact id in other letters", of("0012-DROIT"), &[]),
                case(
                    "the exact id, called back elsewhere",
                    of("0012-droit").calling("pod.other.example"),
                    &[],
                ),
                case(
                    "the exact id, called back elsewhere, but BBB's own id agrees",
                    of("0013-nouveau-nom").calling("pod.internal"),
                    &["max"],
                ),
                case(
                    "the exact id of a younger room",
                    of("0015-nouveau-nom"),
                    &["max"],
                ),
                case(
                    "a number with more zeros than Pod writes",
                    of("00014-ancien-nom").calling("pod.univ.example"),
                    &[],
                ),
                case("a number alone", of("0014-ancien-nom"), &[]),
                case(
                    "a number, called back here",
                    of("0014-ancien-nom").calling("pod.univ.example"),
                    &["max"],
                ),
                case(
                    "a number, called back elsewhere",
                    of("0014-ancien-nom").calling("pod.other.example"),
                    &[],
                ),
                case(
                    "a number, BBB's own id agrees",
                    of("0013-ancien-nom"),
                    &["max"],
                ),
                case(
                    "a number, BBB's own id is another",
                    Subject {
                        record_id: record_id(2),
                        ..of("0013-ancien-nom")
                    },
                    &[],
                ),
                case(
                    "a number of a younger room",
                    of("0015-ancien-nom").calling("pod.univ.example"),
                    &[],
                ),
                case(
                    "a number of three digits",
                    of("014-ancien-nom").calling("pod.univ.example"),
                    &[],
                ),
                case(
                    "a number nobody has",
                    of("0999-x").calling("pod.univ.example"),
                    &[],
                ),
                case("two sites, two owners", of("0016-double"), &[]),
                case(
                    "not Pod's",
                    Subject {
                        frontend: Frontend::Moodle,
                        ..of("0012-droit")
                    },
                    &[],
                ),
                case(
                    "a breakout room of a meeting of which only BBB's own id is known",
                    Subject {
                        breakout: Breakout::Of {
                            subject: Box::new(parent),
                            decided: None,
                        },
                        ..of("x")
                    },
                    &["max"],
                ),
                case(
                    "a breakout room of a meeting whose owner is decided",
                    Subject {
                        breakout: Breakout::Of {
                            subject: Box::new(of("x")),
                            decided: Some(vec!["t3".into()]),
                        },
                        ..of("y")
                    },
                    &["t3"],
                ),
            ],
        )
        .await;
        let room = Subject {
            breakout: Breakout::Of {
                subject: Box::new(of("x")),
                decided: Some(vec!["t3".into()]),
            },
            ..of("y")
        };
        let decision = finders.decide(&room).await.unwrap();
        assert_eq!(
            decision.found_by.map(super::super::Source::as_str),
            Some("breakout"),
            "not whoever was asked first"
        );
    }
}
