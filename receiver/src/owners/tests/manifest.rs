//! The manifest's moderators and the CSV file.

use std::fs;

use support::databases::Engine;

use super::super::subject::{Frontend, Subject};
use super::world::{self, COURSE, Moodle};
use super::{case, finders, owners, record_id, recording, try_all};

fn of(moderators: &[&str]) -> Subject {
    recording(1, Some("x"), Frontend::Unknown).with(moderators)
}

#[tokio::test]
async fn moderators_are_mapped_by_rule() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("ids.csv");
        fs::write(&table, "id;username\nA-17;roy\n").unwrap();
        let finders = finders(&format!(
            "chain: [manifest]\npod: {{database: {{url: \"{}\"}}}}\nmanifest:\n  most: 5\n  map: \
             [{{csv: {}}}, identical, {{strip_suffix: \"@univ.example\"}}, \
             {{regex: {{match: \"u([0-9]+)\", username: \"p$1\"}}}}, email]\n",
            pod.url(),
            table.display()
        ));
        let mut guests = of(&["zoe"]);
        guests.moderators[0].role = "VIEWER".into();
        try_all(
            &finders,
            &[
                case("the id is the username", of(&["zoe"]), &["zoe"]),
                case(
                    "several, in the order of joining",
                    of(&["max", "zoe", "max"]),
                    &["max", "zoe"],
                ),
                case(
                    "one is known, one is not",
                    of(&["w_x1y2z3", "zoe"]),
                    &["zoe"],
                ),
                case("nobody is known", of(&["w_x1y2z3", "guest-77"]), &[]),
                case("a suffix is stripped", of(&["zoe@univ.example"]), &["zoe"]),
                case("another's suffix is not", of(&["zoe@other.example"]), &[]),
                case(
                    "the whole is a username, which counts first",
                    of(&["jean.dupont@univ.example"]),
                    &["jean.dupont@univ.example"],
                ),
                case("a regular expression", of(&["u123"]), &["p123"]),
                case("a table", of(&["A-17"]), &["roy"]),
                case("an address", of(&["unique@univ.example"]), &["bymail"]),
                case("an address of two", of(&["shared@univ.example"]), &[]),
                case("case counts", of(&["ZOE"]), &[]),
                case("accents count", of(&["zoé"]), &[]),
                case("spaces count", of(&[" zoe", "zoe "]), &[]),
                case("nothing from SQL", of(&["' OR '1'='1", "zoe'--"]), &[]),
                case("an empty id", of(&[""]), &[]),
                case("no moderator", of(&[]), &[]),
                case("a viewer", guests, &[]),
                case(
                    "so many that everybody was one",
                    of(&["zoe", "max", "roy", "t1", "t2", "t3"]),
                    &[],
                ),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn moodles_moderators_have_moodles_numbers() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "mdl_", true);
        let all = r#"[{"selectiontype":"all","selectionid":"all","role":"moderator"}]"#;
        let t3 = r#"[{"selectiontype":"user","selectionid":"15","role":"moderator"}]"#;
        moodle.activity(100, COURSE, Some(t3));
        moodle.activity(101, COURSE, Some(all));
        moodle.log(101, 3, "Add", -9000, None);
        moodle.setting("siteadmins", "2,12");
        moodle.fill();
        let finders = finders(&format!(
            "chain: [manifest, moodle]\npod: {{database: {{url: \"{}\"}}}}\n\
             moodle:\n  databases:\n    main: {{servers: [m.example], url: \"{}\"}}\n",
            pod.url(),
            moodle.database.url()
        ));
        let of = |activity: i64, moderators: &[&str]| {
            let external = format!("hash{activity}-{COURSE}-{activity}[0]");
            let subject = recording(activity, Some(&external), Frontend::Moodle).on("m.example");
            subject.with(moderators)
        };
        try_all(
            &finders,
            &[
                case("they win over the rules", of(100, &["4"]), &["t2"]),
                case(
                    "a number is Moodle's, though Pod has a user 4",
                    of(100, &["4", "3"]),
                    &["t2", "t1"],
                ),
                case(
                    "an administrator is one everywhere",
                    of(100, &["2"]),
                    &["t3"],
                ),
                case(
                    "an administrator and a teacher",
                    of(100, &["12", "3"]),
                    &["t1"],
                ),
                case("somebody deleted", of(100, &["5"]), &["t3"]),
                case("somebody whom Pod does not know", of(100, &["14"]), &["t3"]),
                case("nobody of that number", of(100, &["999"]), &["t3"]),
                case(
                    "where all moderate it says nothing",
                    of(101, &["7", "4"]),
                    &["t1"],
                ),
                case(
                    "another server's numbers, and its meeting is not ours",
                    of(500, &["4"]).on("other.example"),
                    &[],
                ),
                case(
                    "another name of the server, and the meeting is ours",
                    of(100, &["4"]).on("other.example"),
                    &["t2"],
                ),
                case("not a number: as everywhere", of(100, &["zoe"]), &["zoe"]),
                case(
                    "an administrator by his name is one everywhere too",
                    of(100, &["admin"]),
                    &["t3"],
                ),
                case(
                    "somebody deleted, by the name that Pod still knows",
                    of(100, &["gone"]),
                    &["t3"],
                ),
                case(
                    "an old plugin that does not say it is Moodle's",
                    Subject {
                        frontend: Frontend::Unknown,
                        server_name: None,
                        ..of(100, &["4"])
                    },
                    &["t2"],
                ),
                case(
                    "the same, of a Moodle that is not ours",
                    Subject {
                        frontend: Frontend::Unknown,
                        server_name: None,
                        ..of(500, &["4"])
                    },
                    &[],
                ),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_line_of_the_table_is_a_persons_choice() {
    let pod = world::pod(Engine::MariaDb);
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("owners.csv");
    let lines = |lines: &str| {
        fs::write(
            &table,
            format!("record_id;meeting_id;owner;additional_owners\n{lines}"),
        )
        .unwrap()
    };
    lines(
        &format!(
            "{};;zoe;max, roy\n;room7;max\n{};;zoe\n{0};;max\n{};;nobody\n;room9;t1\n",
            record_id(1),
            record_id(2),
            record_id(3)
        )
        .replace(
            &format!("{};;max", record_id(1)),
            &format!("{};;max", record_id(2)),
        ),
    );
    let yaml = |more: &str| {
        format!(
            "chain: [csv, manifest]\ncsv: {{file: {}}}\npod: {{database: {{url: \"{}\"}}}}\n{more}",
            table.display(),
            pod.url()
        )
    };
    let of =
        |number, external: &str| recording(number, Some(external), Frontend::Unknown).with(&["t2"]);
    let first = finders(&yaml(""));
    try_all(
        &first,
        &[
            case("by the recording", of(1, "x"), &["zoe", "max", "roy"]),
            case("by the meeting", of(9, "room7"), &["max"]),
            case(
                "the recording's line counts before the meeting's",
                of(1, "room7"),
                &["zoe", "max", "roy"],
            ),
            case(
                "two lines that differ: nobody else is asked",
                of(2, "x"),
                &[],
            ),
            case(
                "a user whom Pod does not have: nobody else is asked",
                of(3, "x"),
                &[],
            ),
            case("no line", of(8, "x"), &["t2"]),
        ],
    )
    .await;
    let found = first.check().await;
    let told = found
        .iter()
        .find(|finding| finding.what.starts_with("owners.csv"));
    let told = told.unwrap();
    assert_eq!(told.what, "owners.csv: Pod has no user nobody (line 6)");
    assert_eq!(told.severity, crate::pod::Severity::Wrong);
    let all = finders(&yaml("combine: all\n"));
    try_all(
        &all,
        &[
            case("a line is not added to", of(9, "room7"), &["max"]),
            case("no line, all others together", of(8, "x"), &["t2"]),
        ],
    )
    .await;
    let room = Subject {
        external_id: Some("room9".into()),
        ..of(7, "room7").room(1)
    };
    try_all(
        &first,
        &[case(
            "a breakout room has a line of its own",
            room,
            &["zoe", "max", "roy"],
        )],
    )
    .await;

    // The file is read again when it has changed.
    lines(";x;roy\n");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::options()
        .write(true)
        .open(&table)
        .unwrap()
        .set_modified(later)
        .unwrap();
    let decision = first.decide(&of(8, "x")).await.unwrap();
    assert_eq!(owners(&decision), ["roy"]);
    for (lines_of, said) in [
        (
            "record_id;owner\n;zoe\n",
            "line 2: neither record_id nor meeting_id is given",
        ),
        ("record_id;owner\nx;\n", "line 2: no owner is given"),
        ("a;b\n1;2\n", "line 1 names none of the columns"),
    ] {
        fs::write(&table, lines_of).unwrap();
        let finders = finders(&yaml(""));
        let error = finders.decide(&of(8, "x")).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
