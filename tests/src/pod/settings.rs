//! What differs from one Pod site to another and shows in its answers.

use std::path::PathBuf;
use std::time::Duration;

/// The Esup-Pod release that the stand-in behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Filters on users, videos, recording files and encodings are silently dead; tags are text.
    V3_7_0,
    /// Filters work; tags are text.
    V3_8_4,
    /// Tags are objects without a route: any tagged video makes the answers that carry it fail.
    V4_1_0,
}

impl Version {
    /// The number that `/info_pod.json` tells.
    pub fn number(self) -> &'static str {
        match self {
            Version::V3_7_0 => "3.7.0",
            Version::V3_8_4 => "3.8.4",
            Version::V4_1_0 => "4.1.0",
        }
    }

    /// The inverse of [`Version::number`].
    pub fn from_number(number: &str) -> Option<Version> {
        [Version::V3_7_0, Version::V3_8_4, Version::V4_1_0]
            .into_iter()
            .find(|version| version.number() == number)
    }
}

/// The database under the site: it decides how names compare and what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// Compares without case and accents; refuses overlong values, and characters beyond the BMP
    /// unless `utf8mb4` is set.
    MariaDb,
    /// Compares exactly; refuses overlong values.
    Postgres,
    /// Compares exactly; refuses nothing.
    Sqlite,
}

/// Who moves a launched encoding forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// Each of the three steps lasts this long.
    Timed(Duration),
    /// Only the test, by `finish_encoding` and `set_encoding`.
    Manual,
}

/// One Pod site. `Settings::default()` is a 4.1.0 on MariaDB in production.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The release to behave like.
    pub version: Version,
    /// The database to behave like.
    pub database: Database,
    /// Whether a site on MariaDB set its connection to utf8mb4, which Django does not by itself.
    pub utf8mb4: bool,
    /// Django's DEBUG: a POST without its trailing slash is a 500 instead of a redirect.
    pub debug: bool,
    /// USE_PODFILE: without it there are no folders, files and images.
    pub podfile: bool,
    /// Whether the enrichment application is installed.
    pub enrichment: bool,
    /// LANGUAGE_CODE, `fr` or `en`: the language of a request that names none that the site has.
    pub language: String,
    /// The domain of the current site, which need not be the name the client calls.
    pub site_domain: String,
    /// Who moves encodings forward.
    pub encoder: Encoder,
    /// The duration in seconds that an encoding finds out.
    pub media_seconds: i64,
    /// DEFAULT_RECORDER_PATH on this machine; a scratch folder when absent.
    pub recorder_root: Option<PathBuf>,
    /// The same folder as Pod itself names it; `recorder_root` when absent.
    pub recorder_path: Option<String>,
    /// How long an insert into the videos takes: the width of the window in which two uploads
    /// with one title get the same slug.
    pub insert_delay: Duration,
    /// Seconds added to the machine's clock.
    pub clock_offset: i64,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// The port of the controls over HTTP; 0 takes a free one, none leaves them out.
    pub control_port: Option<u16>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            version: Version::V4_1_0,
            database: Database::MariaDb,
            utf8mb4: false,
            debug: false,
            podfile: true,
            enrichment: false,
            language: "fr".to_owned(),
            site_domain: "pod.site.example".to_owned(),
            encoder: Encoder::Timed(Duration::from_millis(60)),
            media_seconds: 12,
            recorder_root: None,
            recorder_path: None,
            insert_delay: Duration::from_millis(15),
            clock_offset: 0,
            port: 0,
            control_port: None,
        }
    }
}
