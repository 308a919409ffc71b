//! Moodle.

use support::databases::Engine;

use super::super::subject::{Breakout, Frontend, Subject};
use super::world::{self, COURSE, EMPTY_COURSE, Moodle};
use super::{Case, case, finders, owners, record_id, recording, try_all};

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

/// Activities by number, each with what is special about it, and who owns its recording.
fn fill(m: &mut Moodle) -> Vec<Case> {
    let teachers = "[{\"selectiontype\":\"role\",\"selectionid\":\"3\",\"role\":\"moderator\"}]";
    let mut cases = Vec::new();
    let mut add = |name, subject, wanted| cases.push(case(name, subject, wanted));
    // Each activity keeps its recording: an original row, processed.
    let kept = |m: &mut Moodle, id: i64, participants: Option<&str>| {
        m.activity(id, COURSE, participants);
        m.recording(&record_id(id), id, false, 2);
    };

    kept(m, 100, Some(&user("\"3\"")));
    add("a user rule", of(100), &["t1"]);
    kept(
        m,
        101,
        Some(&format!(
            "[{},{}]",
            rule("user", "\"4\"", "moderator"),
            rule("user", "\"3\"", "moderator")
        )),
    );
    add(
        "two user rules: all the users named, in order",
        of(101),
        &["t2", "t1"],
    );
    kept(m, 102, Some(&user("3")));
    add("a number instead of a text", of(102), &["t1"]);
    kept(m, 103, Some(&rule("user", "\"3\"", "moderator")));
    add("one rule without a list", of(103), &["t1"]);
    kept(
        m,
        104,
        Some(&format!(
            "{{\"1\":{},\"4\":{}}}",
            rule("all", "\"all\"", "viewer"),
            rule("user", "\"4\"", "moderator")
        )),
    );
    add("an object counts as a list", of(104), &["t2"]);
    kept(m, 105, Some(&user("\"187abc\"")));
    add("187abc is no user id, not even 187", of(105), &[]);
    kept(m, 106, Some(&user("\"5\"")));
    add("a deleted user, whose name Pod still knows", of(106), &[]);
    kept(m, 107, Some(&user("\"6\"")));
    add("a suspended user", of(107), &["susp"]);
    kept(m, 108, Some(&user("\"999\"")));
    add("a user who does not exist", of(108), &[]);
    kept(
        m,
        109,
        Some(&format!(
            "[{},{}]",
            rule("user", "\"999\"", "moderator"),
            rule("user", "\"3\"", "moderator")
        )),
    );
    add(
        "a user who does not exist and one who does",
        of(109),
        &["t1"],
    );
    kept(m, 110, Some(&user("\"1\"")));
    add("the account of visitors", of(110), &[]);
    kept(
        m,
        111,
        Some(&format!(
            "[{},{}]",
            rule("user", "\"3\"", "viewer"),
            rule("user", "\"4\"", "moderator")
        )),
    );
    add("viewers are no owners", of(111), &["t2"]);
    kept(
        m,
        112,
        Some(&format!("[{}]", rule("all", "\"all\"", "viewer"))),
    );
    add("nobody moderates", of(112), &[]);
    kept(m, 113, Some(&user("\"8\"")));
    add("case counts", of(113), &[]);
    kept(m, 114, Some(&user("\"9\"")));
    add(
        "one account has the address, in other letters",
        of(114),
        &["bymail"],
    );
    kept(m, 115, Some(&user("\"10\"")));
    add("two accounts have the address", of(115), &[]);
    kept(m, 116, Some(&user("\"11\"")));
    add(
        "accents are not folded, neither in names nor in addresses",
        of(116),
        &[],
    );
    kept(m, 117, Some(&user("\"14\"")));
    add("somebody whom Pod does not know", of(117), &[]);

    kept(m, 120, Some(teachers));
    add(
        "a role, nobody joined: all holders, the deleted one not",
        of(120),
        &["t1", "t2"],
    );
    kept(m, 121, Some(teachers));
    m.log(121, 4, "Join", 60, None);
    add("of the holders those who joined", of(121), &["t2"]);
    kept(m, 122, Some(teachers));
    m.log(122, 7, "Join", 60, None);
    add("a student who joined is no holder", of(122), &["t1", "t2"]);
    kept(m, 123, Some(teachers));
    m.log(123, 4, "Join", -700, None);
    m.log(123, 4, "Join", 3700, None);
    add(
        "who joined before and after did not join",
        of(123),
        &["t1", "t2"],
    );
    kept(m, 124, Some(teachers));
    m.log(124, 4, "Join", -500, None);
    add("who joined a little early did", of(124), &["t2"]);
    kept(m, 125, Some(teachers));
    m.log(125, 4, "Join", 60, Some("hash125-30-125[9]"));
    add(
        "another group's meeting is another meeting",
        of(125),
        &["t1", "t2"],
    );
    kept(m, 126, Some(teachers));
    m.log(126, 4, "Create", 0, Some("hash126-30-126"));
    add(
        "old plugins log who began, and no bracket",
        of(126),
        &["t2"],
    );
    kept(m, 127, Some(teachers));
    m.log(127, 5, "Join", 60, None);
    add(
        "a deleted holder who joined does not count",
        of(127),
        &["t1", "t2"],
    );
    kept(m, 128, Some(teachers));
    m.log(128, 4, "Join", 60, None);
    m.log(128, 3, "Join", 120, None);
    add("several joined: in order", of(128), &["t2", "t1"]);
    kept(
        m,
        129,
        Some(&format!(
            "[{}]",
            rule("role", "\"editingteacher\"", "moderator")
        )),
    );
    add("a role by its short name", of(129), &["t1", "t2"]);
    kept(
        m,
        130,
        Some(&format!(
            "[{}]",
            rule("role", "\"EDITINGTEACHER\"", "moderator")
        )),
    );
    add("the short name is compared exactly", of(130), &[]);
    kept(
        m,
        131,
        Some(&format!("[{}]", rule("role", "\"manager\"", "moderator"))),
    );
    add("a role at the site", of(131), &["mgr"]);
    m.activity(132, EMPTY_COURSE, Some(teachers));
    m.recording(&record_id(132), 132, false, 2);
    m.holder(3, 1132, 13);
    add("a role at the module", of(132), &["modt"]);
    m.activity(133, EMPTY_COURSE, Some(teachers));
    m.recording(&record_id(133), 133, false, 2);
    add("a role that nobody has here", of(133), &[]);
    kept(
        m,
        134,
        Some(&format!(
            "[{},{}]",
            rule("role", "3", "moderator"),
            rule("user", "15", "moderator")
        )),
    );
    m.log(134, 4, "Join", 60, None);
    add(
        "users named, and holders who joined",
        of(134),
        &["t3", "t2"],
    );
    kept(
        m,
        135,
        Some(&format!("[{}]", rule("role", "\"77\"", "moderator"))),
    );
    add("a role that does not exist", of(135), &[]);
    kept(m, 136, Some(teachers));
    m.log(136, 4, "Played", 60, None);
    add(
        "who watched a recording did not join",
        of(136),
        &["t1", "t2"],
    );

    let all = format!("[{}]", rule("all", "\"all\"", "moderator"));
    kept(m, 140, Some(&all));
    m.log(140, 3, "Add", -9000, Some("hash140"));
    m.log(140, 7, "Join", 60, None);
    add(
        "all moderate: the creator, never who joined",
        of(140),
        &["t1"],
    );
    kept(m, 141, Some(&all));
    m.log(141, 7, "Join", 60, None);
    add("all moderate, the creator is not known", of(141), &[]);
    kept(
        m,
        142,
        Some(&format!(
            "[{},{}]",
            rule("all", "\"all\"", "moderator"),
            rule("user", "4", "moderator")
        )),
    );
    m.log(142, 3, "Add", -9000, None);
    add("all moderate, and one by name", of(142), &["t2"]);
    kept(m, 143, Some(&all));
    m.log(143, 5, "Add", -9000, None);
    add("all moderate, the creator is deleted", of(143), &[]);

    for (id, participants, name) in [
        (150, None, "no participants: the creator"),
        (151, Some(""), "empty participants: the creator"),
        (152, Some("[]"), "an empty list: the creator"),
        (
            153,
            Some("[{\"selectiontype\":\"user\""),
            "cut off: the creator",
        ),
        (154, Some("null"), "null: the creator"),
        (155, Some("{}"), "an empty object: the creator"),
        (156, Some("teacher"), "no JSON: the creator"),
    ] {
        kept(m, id, participants);
        m.log(id, 4, "Add", -9000, None);
        m.log(id, 3, "Edit", -8000, None);
        m.log(id, 7, "Join", 60, None);
        add(name, of(id), &["t2"]);
    }
    kept(m, 157, None);
    m.log(157, 3, "Edit", -8000, None);
    add("no participants, no creator", of(157), &[]);
    kept(m, 158, None);
    m.log(158, 3, "Add", -8000, None);
    m.log(158, 4, "Add", -7000, None);
    add("two creators are none", of(158), &[]);
    kept(m, 159, None);
    m.log(159, 3, "Add", -8000, None);
    m.log(159, 3, "Add", -7000, None);
    add("the same creator twice", of(159), &["t1"]);

    for (status, id) in [(0, 160), (1, 161), (3, 162), (4, 163), (5, 164)] {
        m.activity(id, COURSE, Some(&user("3")));
        m.recording(&record_id(id), id, false, status);
        // Only the row knows the activity here.
        add(
            "whatever its status, the row names the activity",
            of(id).external(Some("not-of-moodle")),
            &["t1"],
        );
    }
    m.activity(170, COURSE, Some(&user("3")));
    m.activity(171, COURSE, Some(&user("187")));
    m.recording(&record_id(170), 171, true, 2);
    m.recording(&record_id(170), 170, false, 2);
    add("the importer is no owner", of(170), &["t1"]);
    m.recording(&record_id(172), 171, true, 2);
    add(
        "a copy alone, of nothing that is known",
        of(172).external(Some("x")),
        &[],
    );
    m.activity(173, COURSE, Some(&user("4")));
    m.recording(&record_id(173), 171, true, 2);
    add("a copy alone, and the meeting's id", of(173), &["t2"]);
    m.activity(174, COURSE, Some(&user("3")));
    m.recording(&record_id(174), 171, false, 2);
    m.recording(&record_id(174), 174, false, 2);
    add("two originals: the meeting's id decides", of(174), &["t1"]);
    m.recording(&record_id(175), 171, false, 2);
    m.recording(&record_id(175), 170, false, 2);
    add("two originals, neither is the meeting's", of(175), &[]);
    m.activity(176, COURSE, Some(&user("3")));
    m.recording(&record_id(176), 176, false, 2);
    m.recording(&record_id(176), 176, false, 3);
    add("the same original twice", of(176).external(None), &["t1"]);
    m.recording(&record_id(177), 170, false, 2);
    m.recording(&record_id(177), 171, false, 2);
    add(
        "two originals, the meeting's id has another hash",
        of(177).external(Some("other-30-170[0]")),
        &[],
    );

    m.activity(180, COURSE, Some(&user("3")));
    add("no row: the meeting's id", of(180), &["t1"]);
    add(
        "no row, no bracket",
        of(180).external(Some("hash180-30-180")),
        &["t1"],
    );
    add(
        "no row, a group",
        of(180).external(Some("hash180-30-180[12]")),
        &["t1"],
    );
    add(
        "no row, another hash",
        of(180).external(Some("hash181-30-180[0]")),
        &[],
    );
    add(
        "no row, another activity",
        of(180).external(Some("hash180-30-100[0]")),
        &[],
    );
    add(
        "no row, a wild bracket",
        of(180).external(Some("hash180-30-180[x]")),
        &[],
    );
    add(
        "no row, 180abc",
        of(180).external(Some("hash180-30-180abc")),
        &[],
    );
    add(
        "no row, the hash in capitals",
        of(180).external(Some("HASH180-30-180[0]")),
        &[],
    );
    add("no row, no id", of(180).external(None), &[]);

    m.recording(&record_id(190), 190, false, 2);
    m.log(190, 3, "Add", -9000, Some("hash190"));
    add(
        "the activity is deleted: its creator by the log",
        of(190),
        &["t1"],
    );
    m.recording(&record_id(191), 191, false, 2);
    add("the activity is deleted, and so is the log", of(191), &[]);
    m.log(192, 4, "Add", -9000, Some("hash192"));
    add("deleted, no row, the log has the meeting", of(192), &["t2"]);
    m.log(193, 4, "Add", -9000, Some("other"));
    add("deleted, no row, the log has another meeting", of(193), &[]);
    m.recording(&record_id(194), 194, false, 2);
    m.log(194, 5, "Add", -9000, None);
    add("deleted, like its creator", of(194), &[]);

    let unknown = |subject: Subject| subject.on("elsewhere.example");
    add(
        "an unknown server, the record id agrees",
        unknown(of(100)),
        &["t1"],
    );
    add(
        "an unknown server, the meeting's id agrees",
        unknown(of(180)),
        &["t1"],
    );
    add("an unknown server, nothing agrees", unknown(of(199)), &[]);
    add("an ignored server", of(100).on("Old.Univ.Example"), &[]);
    add(
        "the server's name in other letters",
        of(100).on("MOODLE.univ.example."),
        &["t1"],
    );
    add(
        "no origin given",
        Subject {
            frontend: Frontend::Unknown,
            server_name: None,
            ..of(100)
        },
        &["t1"],
    );
    add(
        "not of Moodle",
        Subject {
            frontend: Frontend::Other("pilos".into()),
            ..of(100)
        },
        &[],
    );

    add(
        "a breakout room: whoever owns the meeting",
        of(100).room(900),
        &["t1"],
    );
    let lost = Subject {
        breakout: Breakout::OfUnknown,
        ..of(100)
    };
    add("a breakout room of nothing that is known", lost, &[]);
    let mut never_came = of(100).external(None).room(901);
    never_came.moderators = vec![super::moderator("stranger")];
    add(
        "a breakout room of a meeting that never came in",
        never_came,
        &["t1"],
    );
    add("nothing agrees in hash or number", of(198), &[]);
    cases
}

#[tokio::test]
async fn hard_cases_with_accounts_that_may_only_read() {
    for engine in Engine::ALL {
        let pod = world::pod(engine);
        let mut moodle = Moodle::new(engine, "mdl_", true);
        let cases = fill(&mut moodle);
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
        assert_eq!(owners(&decision), ["t1", "t2", "t3"]);
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
