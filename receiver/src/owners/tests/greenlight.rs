//! Greenlight 2 and 3.

use support::databases::Engine;

use super::super::subject::{Frontend, Subject};
use super::{case, finders, recording, try_all, world};

fn of(external: &str) -> Subject {
    recording(1, Some(external), Frontend::Greenlight)
}

#[tokio::test]
async fn rooms_of_version_3_belong_to_their_owner() {
    let pod = world::pod(Engine::MariaDb);
    let database = Engine::PostgreSql.server().database();
    database.greenlight_v3();
    database.run(
        "INSERT INTO users (name, email, external_id) VALUES
            ('Zoe', 'roy@univ.example', 'zoe'), ('Max', 'max@univ.example', NULL),
            ('Sub', 'roy@univ.example.org', 'a9f5-4711'), ('Mail', 'unique@univ.example', 'a9f5-4712'),
            ('Two', 'shared@univ.example', 'a9f5-4713'), ('Case', 'nobody@univ.example', 'ZOE');
         INSERT INTO rooms (user_id, friendly_id, meeting_id)
            SELECT id, 'f-' || name, 'room' || lower(name) FROM users;
         INSERT INTO shared_accesses (user_id, room_id)
            SELECT u.id, r.id FROM users u, rooms r WHERE u.name IN ('Max', 'Sub') AND r.meeting_id = 'roomzoe';
         INSERT INTO shared_accesses (user_id, room_id)
            SELECT u.id, r.id FROM users u, rooms r WHERE u.name = 'Max' AND r.meeting_id = 'roomsub';
         INSERT INTO rooms (user_id, friendly_id, meeting_id) VALUES (NULL, 'f-x', 'roomless');",
    );
    let reader = database.reader("greenlight", &["users", "rooms", "shared_accesses"]);
    let finders = finders(&format!(
        "chain: [greenlight]\npod: {{database: {{url: \"{}\"}}}}\n\
         greenlight: {{databases: {{v3: {{url: \"{reader}\"}}}}}}\n",
        pod.url()
    ));
    try_all(&finders, &[
        case("the external id counts before the address; access is shared", of("roomzoe"), &["zoe", "max"]),
        case("a local account by its address", of("roommax"), &["max"]),
        case("an external id that means nothing to Pod, and no address it knows: not who has access", of("roomsub"), &[]),
        case("an external id that means nothing to Pod, by the address", of("roommail"), &["bymail"]),
        case("an address of two accounts", of("roomtwo"), &[]),
        case("case counts", of("roomcase"), &[]),
        case("no such room", of("roomx"), &[]),
        case("a room in other letters", of("ROOMZOE"), &[]),
        case("a room of nobody", of("roomless"), &[]),
        case("no origin given", Subject { frontend: Frontend::Unknown, ..of("roommax") }, &["max"]),
        case("not of Greenlight", Subject { frontend: Frontend::Moodle, ..of("roommax") }, &[]),
        case("no meeting's id", of("x").external(None), &[]),
    ]).await;
}

#[tokio::test]
async fn moderators_of_version_3_are_its_users() {
    let pod = world::pod(Engine::MariaDb);
    let database = Engine::PostgreSql.server().database();
    database.greenlight_v3();
    database.run(
        "CREATE TABLE meeting_options (id uuid PRIMARY KEY, name varchar);
         CREATE TABLE room_meeting_options (room_id uuid, meeting_option_id uuid, value varchar);
         CREATE TABLE rooms_configurations (meeting_option_id uuid, provider varchar, value varchar);
         INSERT INTO users (id, name, email, external_id) VALUES
            ('00000000-0000-4000-8000-000000000001', 'Zoe', 'zoe@univ.example', 'zoe'),
            ('00000000-0000-4000-8000-000000000002', 'Max', 'max@univ.example', NULL);
         INSERT INTO rooms (user_id, friendly_id, meeting_id)
            SELECT u.id, 'f-' || r, r FROM users u, unnest(ARRAY['closed', 'open', 'silent']) r WHERE u.name = 'Zoe';
         INSERT INTO meeting_options VALUES ('00000000-0000-4000-8000-000000000009', 'glAnyoneJoinAsModerator');
         INSERT INTO room_meeting_options
            SELECT id, '00000000-0000-4000-8000-000000000009', CASE meeting_id WHEN 'open' THEN 'true' ELSE 'false' END
            FROM rooms WHERE meeting_id <> 'silent';",
    );
    let yaml = format!(
        "chain: [manifest, greenlight]\npod: {{database: {{url: \"{}\"}}}}\n\
         greenlight: {{databases: {{v3: {{url: \"{}\"}}}}}}\n",
        pod.url(),
        database.url()
    );
    let max = "gl-00000000-0000-4000-8000-000000000002";
    let by = |room: &str, ids: &[&str]| of(room).with(ids);
    try_all(
        &finders(&yaml),
        &[
            case("he was there", by("closed", &[max]), &["max"]),
            case(
                "his id as older versions write it",
                by("closed", &[&max[3..]]),
                &["max"],
            ),
            case(
                "a visitor with the moderators' code",
                by("closed", &["gl-guest-0011223344556677"]),
                &["zoe"],
            ),
            case(
                "all join as moderators: it says nothing",
                by("open", &[max]),
                &["zoe"],
            ),
            case(
                "a room without that setting",
                by("silent", &[max]),
                &["max"],
            ),
        ],
    )
    .await;
    let decides = |value: &str| {
        database.run(&format!(
            "DELETE FROM rooms_configurations; INSERT INTO rooms_configurations
             VALUES ('00000000-0000-4000-8000-000000000009', 'greenlight', '{value}');"
        ));
    };
    for (value, closed, open) in [
        ("optional", &["max"], &["zoe"]),
        ("true", &["zoe"], &["zoe"]),
        ("false", &["max"], &["max"]),
    ] {
        decides(value);
        try_all(
            &finders(&yaml),
            &[
                case(
                    "what the site says of all rooms",
                    by("closed", &[max]),
                    closed,
                ),
                case("what the site says of all rooms", by("open", &[max]), open),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn rooms_of_version_2_stay_when_they_are_deleted() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let database = engine.server().database();
        database.greenlight_v2();
        let (no, yes) = match engine {
            Engine::MariaDb => ("0", "1"),
            Engine::PostgreSql => ("false", "true"),
        };
        database.run(&format!(
            "INSERT INTO users (id, uid, name, username, email, social_uid, deleted) VALUES
                (1, 'gl-aaa', 'Zoe', 'zoe', 'x@univ.example', NULL, {no}),
                (2, 'gl-bbb', 'Max', NULL, 'max@univ.example', NULL, {no}),
                (3, 'gl-ccc', 'Roy', 'roy@univ.example', NULL, 'roy', {no}),
                (4, 'gl-ddd', 'Odd', 't1', NULL, 't2', {no}),
                (5, 'gl-eee', 'Gone', 'gone', 'gone@univ.example', NULL, {yes});
             INSERT INTO rooms (id, user_id, bbb_id, deleted) VALUES
                (1, 1, 'room1', {no}), (2, 2, 'room2', {yes}), (3, 3, 'room3', {no}), (4, 4, 'room4', {no}),
                (5, 5, 'room5', {no});
             INSERT INTO shared_accesses (room_id, user_id) VALUES (1, 3), (1, 2), (1, 5);"
        ));
        let finders = finders(&format!(
            "chain: [greenlight]\npod: {{database: {{url: \"{}\"}}}}\n\
             greenlight: {{databases: {{v2: {{servers: [gl.example], url: \"{}\"}}}}}}\n",
            pod.url(),
            database.url()
        ));
        try_all(
            &finders,
            &[
                case(
                    "by username, with shared access",
                    of("room1"),
                    &["zoe", "roy", "max"],
                ),
                case("a deleted room, by address", of("room2"), &["max"]),
                case("by the identity of the login", of("room3"), &["roy"]),
                case("two names, two accounts", of("room4"), &[]),
                case("a deleted user", of("room5"), &[]),
                case(
                    "its server",
                    of("room1").on("GL.example"),
                    &["zoe", "roy", "max"],
                ),
                case("another server", of("room1").on("gl2.example"), &[]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn databases_that_disagree_name_nobody() {
    let pod = world::pod(Engine::MariaDb);
    let two = Engine::MariaDb.server().database();
    two.greenlight_v2();
    two.run(
        "INSERT INTO users (id, username) VALUES (1, 'zoe'), (2, 'max');
         INSERT INTO rooms (user_id, bbb_id) VALUES (1, 'same'), (2, 'other'), (2, 'only2');",
    );
    let three = Engine::PostgreSql.server().database();
    three.greenlight_v3();
    three.run(
        "INSERT INTO users (name, email, external_id) VALUES ('Zoe', 'z@x.example', 'zoe');
         INSERT INTO rooms (user_id, friendly_id, meeting_id) SELECT id, 'a', 'same' FROM users;
         INSERT INTO rooms (user_id, friendly_id, meeting_id) SELECT id, 'b', 'other' FROM users;",
    );
    let finders = finders(&format!(
        "chain: [greenlight]\npod: {{database: {{url: \"{}\"}}}}\n\
         greenlight: {{databases: {{v2: {{url: \"{}\"}}, v3: {{url: \"{}\"}}}}}}\n",
        pod.url(),
        two.url(),
        three.url()
    ));
    try_all(
        &finders,
        &[
            case("both say the same", of("same"), &["zoe"]),
            case("they differ", of("other"), &[]),
            case("only one knows it", of("only2"), &["max"]),
        ],
    )
    .await;
}
