//! What the databases of the tests hold.

use support::databases::{Database, Engine};

use super::START;

/// Pod's accounts: username and e-mail address.
pub(super) const ACCOUNTS: [(&str, &str); 24] = [
    ("admin", "admin@univ.example"),
    ("guest", "guest@univ.example"),
    ("t1", "t1@univ.example"),
    ("t2", "t2@univ.example"),
    ("gone", "gone@univ.example"),
    ("susp", "susp@univ.example"),
    ("s1", "s1@univ.example"),
    ("upper", "upper@elsewhere.example"),
    ("bymail", "Unique@univ.example"),
    ("dup1", "shared@univ.example"),
    ("dup2", "shared@univ.example"),
    ("emile", "emile@elsewhere.example"),
    ("stranger", "stranger@univ.example"),
    ("mgr", "mgr@univ.example"),
    ("modt", "modt@univ.example"),
    ("zoe", "zoe@univ.example"),
    ("max", "max@univ.example"),
    ("roy", "roy@univ.example"),
    ("4", "student4@univ.example"),
    ("other1", "other1@univ.example"),
    ("jean.dupont@univ.example", ""),
    ("jdupont", "jdupont@univ.example"),
    ("p123", "p123@univ.example"),
    ("t3", "t3@univ.example"),
];

/// Pod's tables with its accounts; ids go up from 1 in the order of [`ACCOUNTS`].
pub(super) fn pod(engine: Engine) -> Database<'static> {
    let database = engine.server().database();
    database.pod();
    let (no, yes) = match engine {
        Engine::MariaDb => ("0", "1"),
        Engine::PostgreSql => ("false", "true"),
    };
    let rows: Vec<_> = ACCOUNTS
        .iter()
        .map(|(name, email)| {
            format!("('!', {no}, '{name}', '', '', '{email}', {no}, {yes}, '2020-01-01 00:00:00')")
        })
        .collect();
    database.run(&format!(
        "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email,
             is_staff, is_active, date_joined) VALUES {};",
        rows.join(",")
    ));
    database
}

/// The id of one of [`ACCOUNTS`].
pub(super) fn account(username: &str) -> usize {
    1 + ACCOUNTS
        .iter()
        .position(|(name, _)| *name == username)
        .unwrap()
}

/// A Moodle that is being filled.
pub(super) struct Moodle {
    pub(super) database: Database<'static>,
    prefix: &'static str,
    sql: String,
}

/// The course with teachers; its category gives one more.
pub(super) const COURSE: i64 = 30;
/// A course in which nobody has a role.
pub(super) const EMPTY_COURSE: i64 = 31;

impl Moodle {
    pub(super) fn new(engine: Engine, prefix: &'static str, keeps_recordings: bool) -> Moodle {
        let database = engine.server().database();
        match keeps_recordings {
            true => database.moodle(prefix),
            false => database.moodle_without_recordings(prefix),
        }
        let mut moodle = Moodle {
            database,
            prefix,
            sql: String::new(),
        };
        for (id, username, email, deleted, suspended) in [
            (1, "guest", "guest@univ.example", 0, 0),
            (2, "admin", "admin@univ.example", 0, 0),
            (3, "t1", "t1@univ.example", 0, 0),
            (4, "t2", "t2@univ.example", 0, 0),
            (5, "gone", "gone@univ.example", 1, 0),
            (6, "susp", "susp@univ.example", 0, 1),
            (7, "s1", "s1@univ.example", 0, 0),
            (8, "Upper", "nobody@univ.example", 0, 0),
            (9, "unknown9", "unique@univ.example", 0, 0),
            (10, "unknown10", "shared@univ.example", 0, 0),
            (11, "émile", "émile@elsewhere.example", 0, 0),
            (12, "mgr", "mgr@univ.example", 0, 0),
            (13, "modt", "modt@univ.example", 0, 0),
            (14, "newcomer", "new@univ.example", 0, 0),
            (15, "t3", "t3@univ.example", 0, 0),
            (187, "stranger", "stranger@univ.example", 0, 0),
        ] {
            moodle.insert(
                "user (id, username, email, deleted, suspended, firstname, lastname)",
                &format!("{id}, '{username}', '{email}', {deleted}, {suspended}, 'First', 'Last'"),
            );
        }
        moodle.insert("modules (id, name)", "8, 'quiz'");
        moodle.insert("modules (id, name)", "9, 'bigbluebuttonbn'");
        for (id, name) in [
            (1, "manager"),
            (3, "editingteacher"),
            (4, "teacher"),
            (5, "student"),
            (6, "EditingTeacher2"),
        ] {
            moodle.insert("role (id, shortname)", &format!("{id}, '{name}'"));
        }
        for (id, level, instance, path) in [
            (1, 10, 0, "/1"),
            (2, 40, 7, "/1/2"),
            (3, 50, COURSE, "/1/2/3"),
            (4, 50, EMPTY_COURSE, "/1/4"),
        ] {
            moodle.insert(
                "context (id, contextlevel, instanceid, path)",
                &format!("{id}, {level}, {instance}, '{path}'"),
            );
        }
        for (role, context, user) in [(3, 3, 3), (3, 2, 4), (3, 3, 5), (5, 3, 7), (1, 1, 12)] {
            moodle.holder(role, context, user);
        }
        moodle
    }

    fn insert(&mut self, into: &str, values: &str) {
        self.sql += &format!("INSERT INTO {}{into} VALUES ({values});\n", self.prefix);
    }

    /// Gives somebody a role.
    pub(super) fn holder(&mut self, role: i64, context: i64, user: i64) {
        let values = format!("{role}, {context}, {user}");
        self.insert("role_assignments (roleid, contextid, userid)", &values);
    }

    /// An activity with a meeting id of its own; its module's context is 1000 and its id.
    pub(super) fn activity(&mut self, id: i64, course: i64, participants: Option<&str>) {
        let participants = participants.map_or("NULL".to_owned(), |text| format!("'{text}'"));
        self.insert(
            "bigbluebuttonbn (id, course, name, meetingid, participants)",
            &format!("{id}, {course}, 'Room', 'hash{id}', {participants}"),
        );
        let module = 500 + id;
        // Another kind of module with the same instance must not be taken for it.
        self.insert(
            "course_modules (id, course, module, instance)",
            &format!("{}, {course}, 8, {id}", 200_000 + module),
        );
        self.insert(
            "course_modules (id, course, module, instance)",
            &format!("{}, {course}, 9, {id}", 100_000 + module),
        );
        let above = if course == COURSE { "/1/2/3" } else { "/1/4" };
        let context = 1000 + id;
        self.insert(
            "context (id, contextlevel, instanceid, path)",
            &format!("{context}, 70, {}, '{above}/{context}'", 100_000 + module),
        );
    }

    /// A row of the log; the meeting id is the activity's with course and number, or as given.
    pub(super) fn log(
        &mut self,
        id: i64,
        user: i64,
        kind: &str,
        after: i64,
        meeting: Option<&str>,
    ) {
        self.log_in(id, COURSE, user, kind, after, meeting);
    }

    pub(super) fn log_in(
        &mut self,
        id: i64,
        course: i64,
        user: i64,
        kind: &str,
        after: i64,
        meeting: Option<&str>,
    ) {
        let own = format!("hash{id}-{course}-{id}[0]");
        let meeting = meeting.unwrap_or(&own);
        self.insert(
            "bigbluebuttonbn_logs (courseid, bigbluebuttonbnid, userid, timecreated, meetingid, log)",
            &format!("{course}, {id}, {user}, {}, '{meeting}', '{kind}'", START + after),
        );
    }

    /// A row of the recordings.
    pub(super) fn recording(
        &mut self,
        record_id: &str,
        activity: i64,
        imported: bool,
        status: i64,
    ) {
        let imported = u8::from(imported);
        self.insert(
            "bigbluebuttonbn_recordings (courseid, bigbluebuttonbnid, recordingid, imported, status)",
            &format!("{COURSE}, {activity}, '{record_id}', {imported}, {status}"),
        );
    }

    /// A setting of the site.
    pub(super) fn setting(&mut self, name: &str, value: &str) {
        self.insert("config (name, value)", &format!("'{name}', '{value}'"));
    }

    /// A setting of the plugin.
    pub(super) fn plugin_setting(&mut self, name: &str, value: &str) {
        let values = format!("'mod_bigbluebuttonbn', '{name}', '{value}'");
        self.insert("config_plugins (plugin, name, value)", &values);
    }

    /// Sends all of it.
    pub(super) fn fill(&mut self) {
        let sql = std::mem::take(&mut self.sql);
        self.database.run(&sql);
    }
}
