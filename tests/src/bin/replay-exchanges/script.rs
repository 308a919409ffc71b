//! What happened to the recorded sites between the recorded requests: which instance a request
//! went to, who was logged in, what was done by web page, cron or SQL. Without it the recordings
//! cannot be followed.

use std::collections::BTreeMap;

use serde_json::json;
use support::pod::{ADMIN_TOKEN, Database, Encoder, Settings, StandInPod, Version};

/// The recorded instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instance {
    /// 4.1.0 on MariaDB.
    Main,
    /// 4.1.0 without USE_PODFILE, on SQLite, in production.
    NoPodfile,
    /// 4.1.0 on PostgreSQL.
    Postgres,
    /// 3.8.4 on SQLite.
    V38,
    /// 3.7.0 on SQLite.
    V37,
}

/// The fields that are not compared, and why.
pub(crate) const NOT_COMPARED: &[(&str, &str, &str)] = &[(
    "265-np-encode",
    "get_encoding_step",
    "the recorded encoder had begun while the answer was being written; a race, not a rule",
)];

/// What is compared less strictly, and why; printed at the end.
pub(crate) const LESS_STRICT: &[(&str, &str)] = &[
    (
        "HTML pages",
        "recorded only up to their first lines: status, headers and title are compared",
    ),
    (
        "OPTIONS",
        "labels, help texts and names of choices are texts for people, partly translated: not compared",
    ),
    (
        "Allow, Vary",
        "compared as sets: the recorded order changes from one start of Pod to the next",
    ),
    (
        "Content-Length",
        "not compared: recorded under another host name than the bodies tell; the bodies are compared",
    ),
    ("Set-Cookie", "compared by the cookie's name"),
];

const STAFF: u64 = 2;
const STUDENT: u64 = 3;
const CLAIM: &str = "/srv/pod/ftp/bbbclaim";

#[derive(Debug)]
pub(crate) struct Sites {
    pods: BTreeMap<Instance, StandInPod>,
}

impl Sites {
    pub(crate) fn start(clock_offset: i64) -> Sites {
        let common = Settings {
            encoder: Encoder::Manual,
            site_domain: "pod.localhost:8000".to_owned(),
            recorder_path: Some("/srv/pod/ftp".to_owned()),
            clock_offset,
            ..Settings::default()
        };
        let sqlite = Settings {
            database: Database::Sqlite,
            ..common.clone()
        };
        let all = [
            (
                Instance::Main,
                Settings {
                    debug: true,
                    ..common.clone()
                },
            ),
            (
                Instance::NoPodfile,
                Settings {
                    podfile: false,
                    ..sqlite.clone()
                },
            ),
            (
                Instance::Postgres,
                Settings {
                    database: Database::Postgres,
                    ..common
                },
            ),
            (
                Instance::V38,
                Settings {
                    version: Version::V3_8_4,
                    ..sqlite.clone()
                },
            ),
            (
                Instance::V37,
                Settings {
                    version: Version::V3_7_0,
                    ..sqlite
                },
            ),
        ];
        let pods: BTreeMap<Instance, StandInPod> = all
            .into_iter()
            .map(|(instance, settings)| (instance, StandInPod::start_with(settings)))
            .collect();
        let taken = pods[&Instance::Main].rows("owners")[1].1["hashkey"]
            .as_str()
            .unwrap_or("")
            .to_owned();
        for shares_media in [Instance::NoPodfile, Instance::Postgres] {
            pods[&shares_media].occupy_media(&format!("videos/{taken}/a.mp4"));
        }
        Sites { pods }
    }

    /// The instance that answered an exchange, told by its number and host.
    pub(crate) fn of(&self, number: u32, host: &str) -> &StandInPod {
        let instance = match (host, number) {
            ("pod38.example", _) => Instance::V38,
            ("pod37.example", _) => Instance::V37,
            (_, 263..=270) => Instance::NoPodfile,
            (_, 271..=278 | 323) => Instance::Postgres,
            _ => Instance::Main,
        };
        &self.pods[&instance]
    }

    /// The session that the request of an exchange carried.
    pub(crate) fn cookie(&self, number: u32) -> Option<String> {
        let user = match number {
            158 | 159 | 161 | 164 | 165 | 194 | 195 => STAFF,
            160 | 196 => STUDENT,
            _ => return None,
        };
        Some(self.pods[&Instance::Main].session(user))
    }

    /// What happened before an exchange.
    pub(crate) async fn before(&self, name: &str) -> anyhow::Result<()> {
        let number = name.split('-').next().unwrap_or("");
        let main = &self.pods[&Instance::Main];
        let v38 = &self.pods[&Instance::V38];
        match number {
            "078" => main.tag_video(3, &["bbb", "bbbid-183f0bf3"]),
            "096" => [1, 3].into_iter().for_each(|id| main.finish_encoding(id)),
            "136" => {
                for page in 1..=13 {
                    let id = main.add_user(&format!("page{page}"), false);
                    main.set_row("users", id, json!({"email": "p@x.fr"}));
                }
            }
            "142" => {
                for _ in 0..2 {
                    upload(main, "Same title race").await?;
                }
                // Four more uploads of the race lost it, and used their ids up.
                main.set_next_id("videos", 15);
            }
            "150" => put(main, "reunion-2026-10-05.mp4")?,
            "159" | "161" => main.check_directories(),
            "162" => put(main, "norec.mp4")?,
            "164" => {
                put(main, "bysql.mp4")?;
                listed(main, "bysql.mp4");
            }
            "165" => listed(main, "ghost.mp4"),
            "166" => {
                // The next slug begins with 0015: a video 14 was there then, and gone later.
                main.set_next_id("videos", 14);
                upload(main, "passing").await?;
                let claimed = main.claim(
                    &format!("{CLAIM}/reunion-2026-10-05.mp4"),
                    STAFF,
                    "Réunion du 5 octobre",
                );
                main.finish_encoding(claimed.map_err(anyhow::Error::msg)?);
                main.remove_row("videos", 14);
            }
            "168" | "175" => put(main, "restrec.mp4")?,
            "169" => main.finish_encoding(16),
            "174" => main.finish_encoding(17),
            "182" => main.set_row(
                "recorder",
                1,
                json!({"publication_auto": true, "user": STAFF}),
            ),
            "184" => meetings(main),
            "195" => self.imported().await?,
            "199" => users_by_sql(main),
            "203" => main.finish_encoding(21),
            "247" => main.finish_encoding(6),
            "257" => main.configure(|settings| settings.debug = false),
            "260" => main.configure(|settings| settings.enrichment = true),
            "266" => self.pods[&Instance::NoPodfile].finish_encoding(1),
            "274" => {
                self.pods[&Instance::Postgres].add_bare_user("bysql", true);
            }
            "293" if name.contains("v384") => put(v38, "z2.mp4")?,
            "294" if name.contains("v370") => put(&self.pods[&Instance::V37], "z1.mp4")?,
            "296" => main.configure(|settings| settings.debug = true),
            "307" => main.set_next_id("videos", 25),
            "310" => main.set_next_id("videos", 10_001),
            "315" => {
                main.remove_row("videos", 10_001);
                main.set_next_id("videos", 27);
            }
            "321" => v38.finish_encoding(2),
            "322" => v38.finish_encoding(1),
            "324" => put(main, "nonstaff.mp4")?,
            "326" => {
                put(main, "todelete.mp4")?;
                main.set_next_id("recordingfiletreatment", 6);
            }
            _ => {}
        }
        Ok(())
    }

    /// Two external recordings that their owner imported with the page's button.
    async fn imported(&self) -> anyhow::Result<()> {
        let main = &self.pods[&Instance::Main];
        main.finish_encoding(18);
        for title in ["Réunion SQL fichier", "Réunion SQL vidéo"] {
            upload(main, title).await?;
        }
        [20, 19].into_iter().for_each(|id| main.finish_encoding(id));
        Ok(())
    }
}

/// A file of the size that the recordings name, in the claim directory.
fn put(pod: &StandInPod, name: &str) -> anyhow::Result<()> {
    let mut bytes = b"\0\0\0\x20ftypisom".to_vec();
    bytes.resize(330_686, 0);
    Ok(std::fs::write(
        pod.recorder_root().join("bbbclaim").join(name),
        bytes,
    )?)
}

fn listed(pod: &StandInPod, name: &str) {
    pod.add_row(
        "recordingfiletreatment",
        json!({
            "file": format!("{CLAIM}/{name}"), "file_size": 330_686, "recorder": 1, "type": "video",
            "date_added": 1_795_240_000_000_000_i64, "require_manual_claim": true,
        }),
    );
}

async fn upload(pod: &StandInPod, title: &str) -> anyhow::Result<()> {
    let video = reqwest::multipart::Part::bytes(b"\0\0\0\x20ftypisom".to_vec()).file_name("a.mp4");
    let form = reqwest::multipart::Form::new()
        .part("video", video)
        .text("title", title.to_owned())
        .text("owner", "/rest/users/2/")
        .text("type", "/rest/types/1/")
        .text("sites", "/rest/sites/1/")
        .text("is_draft", "true");
    let request = reqwest::Client::new().post(format!("{}/rest/videos/", pod.url()));
    let request = request.header("Authorization", format!("Token {ADMIN_TOKEN}"));
    request.multipart(form).send().await?.error_for_status()?;
    Ok(())
}

fn meetings(pod: &StandInPod) {
    for (number, name, slug, owner) in [
        (1, "Cours de maths", "0001-cours-de-maths", 2),
        (2, "Cours de physique", "0002-cours-de-physique", 5),
    ] {
        let start = 1_795_240_780_490_860_i64 + number * 3_634;
        pod.add_row(
            "meeting_session",
            json!({
                "name": name, "meeting_id": slug, "start_at": start, "created_at": start + 2_367,
                "owner_id": owner, "is_personal": false, "is_webinar": false,
            }),
        );
    }
    pod.add_row(
        "meeting_internal_recording",
        json!({
            "name": "rec1", "start_at": 1_795_240_780_496_637_i64, "meeting": 1,
            "recording_id": "183f0bf3a0982a127bdb8161e13eb688dab7ce6f-1530718721124",
        }),
    );
}

/// Users made by SQL: one without owner row, one without home folder, others of no concern.
fn users_by_sql(pod: &StandInPod) {
    for (username, first, last, email) in [
        ("sqlnoowner", "Sql", "NoOwner", "a@x.fr"),
        ("sqlnosite", "Sql", "NoSite", "b@x.fr"),
        ("sqlfull", "Sql", "Full", "c@x.fr"),
        ("sqlnofolder", "Sql", "NoFolder", "d@x.fr"),
        ("sqlmore", "Sql", "More", "e@x.fr"),
        ("sqllast", "Sql", "Last", "f@x.fr"),
    ] {
        let id = pod.add_bare_user(username, true);
        pod.set_row(
            "users",
            id,
            json!({"first_name": first, "last_name": last, "email": email}),
        );
    }
    pod.add_row(
        "owners",
        json!({
            "user": 25, "auth_type": "CAS", "affiliation": "student", "commentaire": "",
            "hashkey": "0123456789abcdef".repeat(4), "userpicture": null, "sites": [1],
        }),
    );
    for owner in [23, 24] {
        pod.add_row("folders", json!({"name": "home", "owner": owner}));
    }
    pod.set_next_id("folders", 33);
}
