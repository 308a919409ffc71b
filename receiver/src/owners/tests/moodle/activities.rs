//! Which activity a recording is of.

use super::{Breakout, COURSE, Case, Frontend, Moodle, Subject, case, of, record_id, user};

/// Activities by number, each with what is special about it, and who owns its recording.
pub(super) fn fill(m: &mut Moodle) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, subject, wanted| cases.push(case(name, subject, wanted));
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
    never_came.moderators = vec![super::super::moderator("stranger")];
    add(
        "a breakout room of a meeting that never came in",
        never_came,
        &["t1"],
    );
    add("nothing agrees in hash or number", of(198), &[]);
    cases
}
