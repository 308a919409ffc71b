//! The tables of Moodle, Greenlight and Pod that say who a recording belongs to, or that take
//! recordings: only the columns that matter, in both dialects from one description.

use super::{Database, Engine};

const MOODLE: &str = include_str!("schemas/moodle.sql");
const MOODLE_RECORDINGS: &str = include_str!("schemas/moodle_recordings.sql");
const GREENLIGHT_V2: &str = include_str!("schemas/greenlight_v2.sql");
const GREENLIGHT_V3: &str = include_str!("schemas/greenlight_v3.sql");
const POD: &str = include_str!("schemas/pod.sql");

impl Database<'_> {
    /// Moodle's tables with this prefix, the activity module being of version 3.0 or newer: it has
    /// a table of recordings.
    #[track_caller]
    pub fn moodle(&self, prefix: &str) {
        self.moodle_without_recordings(prefix);
        self.lay_out(&MOODLE_RECORDINGS.replace("{prefix}", prefix));
    }

    /// Moodle's tables with this prefix, the activity module being older than 3.0.
    #[track_caller]
    pub fn moodle_without_recordings(&self, prefix: &str) {
        self.lay_out(&MOODLE.replace("{prefix}", prefix));
    }

    /// The tables of Greenlight 2.
    #[track_caller]
    pub fn greenlight_v2(&self) {
        self.lay_out(GREENLIGHT_V2);
    }

    /// The tables of Greenlight 3, which runs on PostgreSQL only.
    #[track_caller]
    pub fn greenlight_v3(&self) {
        assert_eq!(
            self.engine(),
            Engine::PostgreSql,
            "Greenlight 3 needs PostgreSQL"
        );
        self.lay_out(GREENLIGHT_V3);
    }

    /// The tables of Pod 4.1, with one site.
    #[track_caller]
    pub fn pod(&self) {
        self.lay_out(POD);
    }

    /// Runs a description with its types put in this server's words.
    #[track_caller]
    fn lay_out(&self, description: &str) {
        let words = [
            (
                "{id}",
                "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
                "bigserial PRIMARY KEY",
            ),
            (
                "{int_id}",
                "int NOT NULL AUTO_INCREMENT PRIMARY KEY",
                "serial PRIMARY KEY",
            ),
            ("{small}", "tinyint", "smallint"),
            ("{flag}", "tinyint(1)", "boolean"),
            ("{yes}", "1", "true"),
            ("{no}", "0", "false"),
            ("{text}", "longtext", "text"),
            ("{moment}", "datetime(6)", "timestamp with time zone"),
            ("{datetime}", "datetime", "timestamp"),
            ("{span}", "bigint", "interval"),
        ];
        let mut sql = description.to_owned();
        for (word, mariadb, postgresql) in words {
            let put = match self.engine() {
                Engine::MariaDb => mariadb,
                Engine::PostgreSql => postgresql,
            };
            sql = sql.replace(word, put);
        }
        self.run(&sql);
    }
}
