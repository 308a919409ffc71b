//! Who moderates an activity.

use super::{COURSE, Case, EMPTY_COURSE, Moodle, case, of, record_id, rule, user};

/// Activities by number, each with what is special about it, and who owns its recording.
pub(super) fn fill(m: &mut Moodle) -> Vec<Case> {
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
    cases
}
