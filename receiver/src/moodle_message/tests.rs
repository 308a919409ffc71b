//! Messages in real databases: written once, renewed, removed, and never in the way of what people
//! write.

use support::databases::{Database as Server, Engine};
use tempfile::TempDir;

use super::*;

const PREFIX: &str = "m_";
const POD: &str = "https://pod.univ.example/";
const INTRO: &str = "<p>Bienvenue « à tous »</p>";

struct Room {
    server: Server<'static>,
    ledger: Ledger,
    files: TempDir,
}

impl Room {
    async fn new(engine: Engine) -> Room {
        let server = engine.server().database();
        server.moodle(PREFIX);
        let files = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&files.path().join("ledger.db")).await.unwrap();
        let room = Room {
            server,
            ledger,
            files,
        };
        for (name, intro, format) in [
            ("Algèbre", format!("'{INTRO}'"), 1),
            ("Analyse", "NULL".to_owned(), 1),
            ("Plain", "'text'".to_owned(), 2),
        ] {
            room.server.run(&format!(
                "INSERT INTO m_bigbluebuttonbn (name, intro, introformat, meetingid) VALUES ('{name}', {intro}, {format}, 'abc');"
            ));
        }
        room
    }

    /// An account that may do what the documentation says, and nothing else.
    fn account(&self) -> String {
        let url = self.server.reader("writer", &[]);
        let user = match self.server.engine() {
            Engine::MariaDb => format!("{}_writer@'%'", self.server.name),
            Engine::PostgreSql => format!("{}_writer", self.server.name),
        };
        self.server.run(&format!(
            "GRANT SELECT (id, name, intro, introformat), UPDATE (intro) ON m_bigbluebuttonbn TO {user};"
        ));
        url
    }

    fn config(&self, template: Option<&str>) -> MessageConfig {
        let template_file = template.map(|words| {
            let path = self.files.path().join("template.html");
            std::fs::write(&path, words).unwrap();
            path
        });
        MessageConfig {
            databases: BTreeMap::new(),
            language: "fr".into(),
            template_file,
            pod_url: None,
            timezone: Some("Europe/Paris".into()),
        }
    }

    async fn open(&self, url: &str, config: &MessageConfig) -> Result<Messages<'_>, MessageError> {
        let target = Target {
            name: "moodle",
            database: serde_json::from_value(serde_json::json!({ "url": url })).unwrap(),
            prefix: PREFIX,
            schema: "public",
        };
        Messages::open(&target, config, POD.into(), &self.ledger).await
    }

    /// As it was before anything was written.
    async fn anew(&mut self) {
        self.server.run(&format!(
            "UPDATE m_bigbluebuttonbn SET intro = '{INTRO}' WHERE id = 1;"
        ));
        self.files = tempfile::tempdir().unwrap();
        self.ledger = Ledger::open(&self.files.path().join("ledger.db"))
            .await
            .unwrap();
    }

    fn intro(&self, activity: i64) -> String {
        let rows = self.server.rows(&format!(
            "SELECT REPLACE(intro, '\n', '|') FROM m_bigbluebuttonbn WHERE id = {activity};"
        ));
        rows.first()
            .map(|row| row[0].replace('|', "\n"))
            .unwrap_or_default()
    }
}

fn moved(record_id: &str, activity: i64, title: &str) -> Moved {
    Moved {
        record_id: record_id.into(),
        activity,
        title: title.into(),
        started: Some("2019-04-02T18:45:49Z".parse().unwrap()),
        moved: "2026-11-26T10:00:00Z".parse().unwrap(),
        url: format!("{POD}video/{record_id}/"),
    }
}

fn all() -> BTreeSet<String> {
    BTreeSet::new()
}

fn recordings() -> Vec<Moved> {
    vec![
        moved("r1", 1, "Cours 1 <script>"),
        moved("r2", 2, "Cours 2"),
        moved("r4", 3, "Cours 4"),
    ]
}

const DRY: Asked = Asked {
    dry_run: true,
    again: false,
};
const REAL: Asked = Asked {
    dry_run: false,
    again: false,
};

#[tokio::test]
async fn a_message_is_written_once_renewed_and_removed() {
    for engine in Engine::ALL {
        let room = Room::new(engine).await;
        let (url, config) = (room.account(), room.config(None));
        let messages = room.open(&url, &config).await.unwrap();
        let dry = messages.write(&recordings(), &all(), DRY).await.unwrap();
        assert_eq!(room.intro(1), INTRO, "a dry run changes nothing");
        let done = messages.write(&recordings(), &all(), REAL).await.unwrap();
        assert_eq!(dry, done, "and says what would be done");
        let activities: Vec<_> = done.iter().map(|line| line.activity).collect();
        assert_eq!(activities, [1, 2, 3]);
        assert!(
            matches!(&done[2].decision, Decision::Skip(why) if why.contains("plain")),
            "{done:?}"
        );
        let (first, second) = (room.intro(1), room.intro(2));
        assert!(
            first.starts_with(&format!("{INTRO}\n<!-- bbb2pod ")),
            "{first}"
        );
        for words in [
            "https://pod.univ.example/video/r1/",
            "02/04/2019 20:45",
            "Cours 1 &lt;script&gt;",
        ] {
            assert!(first.contains(words), "{words}: {first}");
        }
        assert!(
            second.contains("Cours 2") && !second.contains("Cours 4"),
            "{second}"
        );

        let again = messages.write(&recordings(), &all(), REAL).await.unwrap();
        assert!(
            again[..2]
                .iter()
                .all(|line| line.decision == Decision::Right),
            "{again:?}"
        );
        assert_eq!((room.intro(1), room.intro(2)), (first.clone(), second));

        // Somebody writes around it, and another recording comes.
        room.server.run(
            "UPDATE m_bigbluebuttonbn SET intro = CONCAT('<p>Avant</p>', intro, '<p>Après</p>') WHERE id = 1;",
        );
        let mut more = recordings();
        more.push(moved("r5", 1, "Cours 5"));
        let only = BTreeSet::from(["r5".to_owned()]);
        let renewed = messages.write(&more, &only, REAL).await.unwrap();
        assert!(matches!(
            &renewed[..],
            [Line {
                activity: 1,
                decision: Decision::Write { old: Some(_), .. },
                ..
            }]
        ));
        let text = room.intro(1);
        assert!(
            text.contains("Cours 1") && text.contains("Cours 5"),
            "{text}"
        );
        assert_eq!(text.matches("<!-- bbb2pod ").count(), 1, "{text}");
        assert!(text.starts_with("<p>Avant</p>") && text.ends_with("<p>Après</p>"));

        let gone = messages.remove(&more, &all(), REAL).await.unwrap();
        assert_eq!(gone.len(), 2, "{gone:?}");
        assert_eq!(room.intro(1), format!("<p>Avant</p>{INTRO}<p>Après</p>"));
        let nothing = "SELECT COUNT(*) FROM m_bigbluebuttonbn WHERE id = 2 AND intro IS NULL;";
        assert_eq!(room.server.rows(nothing)[0][0], "1", "as it was");
        assert!(
            messages
                .remove(&more, &all(), REAL)
                .await
                .unwrap()
                .is_empty()
        );
        let kept = room.ledger.intros("moodle", 1).await.unwrap();
        assert_eq!(kept.len(), 3, "before each change");
        assert_eq!(kept[0].as_deref(), Some(INTRO));
    }
}

#[tokio::test]
async fn whatever_is_aborted_there_is_one_message() {
    use crate::pod::fixtures::abort_at;
    for engine in Engine::ALL {
        let mut room = Room::new(engine).await;
        let (url, config) = (room.account(), room.config(None));
        let (all_of, only) = (recordings(), BTreeSet::from(["r1".to_owned()]));
        let mut point = 0;
        loop {
            room.anew().await;
            let messages = room.open(&url, &config).await.unwrap();
            let finished = abort_at(messages.write(&all_of, &only, REAL), point)
                .await
                .is_some();
            drop(messages);
            let messages = room.open(&url, &config).await.unwrap();
            messages.write(&all_of, &only, REAL).await.unwrap();
            let text = room.intro(1);
            assert_eq!(
                text.matches("<!-- bbb2pod ").count(),
                1,
                "aborted at {point}: {text}"
            );
            assert!(text.starts_with(INTRO));
            let kept = room.ledger.intros("moodle", 1).await.unwrap();
            assert_eq!(kept[0].as_deref(), Some(INTRO), "aborted at {point}");
            let of_removal = point / 2;
            if abort_at(messages.remove(&all_of, &only, REAL), of_removal)
                .await
                .is_none()
            {
                let messages = room.open(&url, &config).await.unwrap();
                messages.remove(&all_of, &only, REAL).await.unwrap();
            }
            assert_eq!(room.intro(1), INTRO, "removal aborted at {of_removal}");
            if finished {
                break;
            }
            point += 1 + point / 8;
        }
        assert!(point > 5, "there is more than one request");
    }
}

#[tokio::test]
async fn what_people_do_to_a_message_is_respected() {
    let room = Room::new(Engine::MariaDb).await;
    let (url, config) = (
        room.account(),
        room.config(Some("<p>{{ recordings|length }}</p>")),
    );
    let messages = room.open(&url, &config).await.unwrap();
    let only = BTreeSet::from(["r1".to_owned()]);
    messages.write(&recordings(), &only, REAL).await.unwrap();
    room.server.run(&format!(
        "UPDATE m_bigbluebuttonbn SET intro = '{INTRO}' WHERE id = 1;"
    ));
    let skipped = messages.write(&recordings(), &only, REAL).await.unwrap();
    assert!(
        matches!(&skipped[0].decision, Decision::Skip(why) if why.contains("--again")),
        "{skipped:?}"
    );
    assert_eq!(room.intro(1), INTRO);
    let again = Asked {
        again: true,
        ..REAL
    };
    messages.write(&recordings(), &only, again).await.unwrap();
    assert!(room.intro(1).contains("<p>1</p>"));
    // An editor that drops comments.
    room.server.run(&format!(
        "UPDATE m_bigbluebuttonbn SET intro = '{INTRO}<p>1</p>' WHERE id = 1;"
    ));
    messages.remove(&recordings(), &only, REAL).await.unwrap();
    assert_eq!(room.intro(1), INTRO);
}

#[tokio::test]
async fn what_is_wrong_with_a_moodle_is_named() {
    for engine in Engine::ALL {
        let room = Room::new(engine).await;
        let config = room.config(None);
        let said = |result: Result<Messages<'_>, MessageError>| result.err().unwrap().to_string();
        let nobody = room.server.url_for("nobody", "x");
        let refused = said(room.open(&nobody, &config).await);
        assert!(
            refused.contains("refuses") && !refused.contains(":x@"),
            "{refused}"
        );
        let wrong = room.config(Some("{{ nothing"));
        let writer = room.account();
        let said_of_template = said(room.open(&writer, &wrong).await);
        assert!(
            said_of_template.contains("template_file"),
            "{said_of_template}"
        );
        // Reading is not enough.
        let reader = room.server.reader("reader", &["m_bigbluebuttonbn"]);
        let messages = room.open(&reader, &config).await.unwrap();
        let lines = messages
            .write(&recordings(), &BTreeSet::from(["r1".to_owned()]), REAL)
            .await
            .unwrap();
        assert!(
            matches!(&lines[0].decision, Decision::Failed(why) if why.contains("grant")),
            "{lines:?}"
        );
        assert_eq!(room.intro(1), INTRO);
        let tried = messages.check().await;
        assert!(
            tried.severity == crate::pod::Severity::Wrong && tried.what.contains("refuses"),
            "{tried:?}"
        );
        let tried = room.open(&writer, &config).await.unwrap().check().await;
        assert_eq!(tried.severity, crate::pod::Severity::Fine, "{tried:?}");
        drop(messages);
        room.server
            .run("ALTER TABLE m_bigbluebuttonbn DROP COLUMN introformat;");
        let missing = said(room.open(&room.server.url(), &config).await);
        assert!(
            missing.contains("no column introformat") && missing.contains("m_bigbluebuttonbn"),
            "{missing}"
        );
    }
}
