//! Everything a Pod site stores, and the few rules its database adds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::faults::{Fault, Outage};
use super::inspect::Seen;
use super::messages::Lang;
use super::settings::{Database, Settings, Version};
use super::text::{fold, slugify, split_extension};

pub(crate) type Row = Map<String, Value>;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) next: u64,
    pub(crate) rows: BTreeMap<u64, Row>,
}

/// What is known of an uploaded video file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) readable: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    tables: BTreeMap<String, Table>,
    pub(crate) tokens: BTreeMap<String, u64>,
    pub(crate) passwords: BTreeMap<u64, String>,
    pub(crate) sessions: BTreeMap<String, u64>,
    pub(crate) stored: BTreeMap<u64, Stored>,
    /// Paths under the media folder that exist, relative.
    pub(crate) media: BTreeSet<String>,
    pub(crate) media_root: PathBuf,
    pub(crate) recorder_root: PathBuf,
    pub(crate) mails: Vec<String>,
    /// Encodings launched but not yet given to the encoder.
    pub(crate) to_encode: Vec<u64>,
    pub(crate) requests: Vec<Seen>,
    pub(crate) uploading: usize,
    pub(crate) uploading_most: usize,
    pub(crate) faults: Vec<Fault>,
    outage: Outage,
    outage_ends: Option<Instant>,
}

/// An unhandled exception of the site's code, by its name: the client sees a 500 page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash(pub(crate) &'static str);

impl World {
    pub(crate) fn new(settings: Settings, scratch: &Path) -> World {
        let recorder_root = settings
            .recorder_root
            .clone()
            .unwrap_or_else(|| scratch.join("ftp"));
        World {
            settings,
            tables: BTreeMap::new(),
            tokens: BTreeMap::new(),
            passwords: BTreeMap::new(),
            sessions: BTreeMap::new(),
            stored: BTreeMap::new(),
            media: BTreeSet::new(),
            media_root: scratch.join("media"),
            recorder_root,
            mails: Vec::new(),
            to_encode: Vec::new(),
            requests: Vec::new(),
            uploading: 0,
            uploading_most: 0,
            faults: Vec::new(),
            outage: Outage::None,
            outage_ends: None,
        }
    }

    /// The site's clock, in microseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(now.as_micros()).unwrap_or(i64::MAX) + self.settings.clock_offset * 1_000_000
    }

    /// What the whole site suffers at this moment.
    pub(crate) fn outage(&self) -> Outage {
        match self.outage_ends {
            Some(end) if end <= Instant::now() => Outage::None,
            _ => self.outage,
        }
    }

    pub(crate) fn set_outage(&mut self, outage: Outage, lasting: Option<Duration>) {
        self.outage = outage;
        self.outage_ends = lasting.map(|lasting| Instant::now() + lasting);
    }

    pub(crate) fn before_4(&self) -> bool {
        self.settings.version < Version::V4_1_0
    }

    pub(crate) fn table(&mut self, name: &str) -> &mut Table {
        self.tables.entry(name.to_owned()).or_insert_with(|| Table {
            next: 1,
            rows: BTreeMap::new(),
        })
    }

    pub(crate) fn rows(&self, name: &str) -> impl DoubleEndedIterator<Item = (u64, &Row)> {
        self.tables
            .get(name)
            .into_iter()
            .flat_map(|table| &table.rows)
            .map(|(id, row)| (*id, row))
    }

    pub(crate) fn row(&self, name: &str, id: u64) -> Option<&Row> {
        self.tables.get(name)?.rows.get(&id)
    }

    pub(crate) fn row_mut(&mut self, name: &str, id: u64) -> Option<&mut Row> {
        self.tables.get_mut(name)?.rows.get_mut(&id)
    }

    /// Takes the next id of a table; it stays taken when the insert fails.
    pub(crate) fn take_id(&mut self, name: &str) -> u64 {
        let table = self.table(name);
        table.next += 1;
        table.next - 1
    }

    pub(crate) fn insert(&mut self, name: &str, row: Row) -> u64 {
        let id = self.take_id(name);
        self.table(name).rows.insert(id, row);
        id
    }

    pub(crate) fn remove(&mut self, name: &str, id: u64) -> Option<Row> {
        self.tables.get_mut(name)?.rows.remove(&id)
    }

    /// Whether two texts are the same to the database.
    pub(crate) fn same(&self, a: &str, b: &str) -> bool {
        match self.settings.database {
            Database::MariaDb => fold(a) == fold(b),
            Database::Postgres | Database::Sqlite => a == b,
        }
    }

    /// Refuses what the database cannot hold.
    pub(crate) fn fits(&self, row: &Row) -> Result<(), Crash> {
        let four_bytes = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| text.chars().any(|c| c > '\u{FFFF}'))
        };
        let three_bytes_only =
            self.settings.database == Database::MariaDb && !self.settings.utf8mb4;
        if three_bytes_only && row.values().any(four_bytes) {
            return Err(Crash("OperationalError"));
        }
        Ok(())
    }

    pub(crate) fn user_named(&self, username: &str) -> Option<u64> {
        self.rows("users")
            .find(|(_, row)| self.same(text_of(row, "username"), username))
            .map(|(id, _)| id)
    }

    /// The owner row of a user, which a user made by hand may lack.
    pub(crate) fn owner_of(&self, user: u64) -> Option<(u64, &Row)> {
        self.rows("owners")
            .find(|(_, row)| id_of(row, "user") == Some(user))
    }

    pub(crate) fn hashkey_of(&self, user: u64) -> Result<String, Crash> {
        let (_, owner) = self
            .owner_of(user)
            .ok_or(Crash("RelatedObjectDoesNotExist"))?;
        Ok(text_of(owner, "hashkey").to_owned())
    }

    /// What Pod's signals make beside a new user: its owner row and its home folder.
    pub(crate) fn user_signals(&mut self, user: u64) {
        let username = self
            .row("users", user)
            .map_or("", |row| text_of(row, "username"));
        let hashkey = hex(&Sha256::digest(format!("stand-in secret{username}")));
        let owner = json!({
            "user": user, "auth_type": "local", "affiliation": "student", "commentaire": "",
            "hashkey": hashkey, "userpicture": null, "sites": [1],
        });
        self.insert("owners", object(owner));
        self.insert("folders", object(json!({"name": "home", "owner": user})));
    }

    /// Django's storage: a free name for a file, cut to `max` characters, random letters added
    /// when it is taken or was cut.
    pub(crate) fn free_media_name(&mut self, wanted: &str, max: usize) -> String {
        let (folder, base) = wanted.rsplit_once('/').unwrap_or(("", wanted));
        let (stem, extension) = split_extension(base);
        let mut name = wanted.to_owned();
        while self.media.contains(&name) || name.chars().count() > max {
            let room =
                max.saturating_sub(folder.chars().count() + 1 + 8 + extension.chars().count());
            let stem: String = stem.chars().take(room).collect();
            name = format!("{folder}/{stem}_{}{extension}", random_letters(7));
        }
        self.media.insert(name.clone());
        name
    }

    /// The next number of a slug: the greatest id plus one, whatever id the row will really get.
    pub(crate) fn next_slug_number(&self, table: &str) -> u64 {
        self.rows(table).next_back().map_or(1, |(id, _)| id + 1)
    }

    /// A translated text: the column of the language, else of any language that has one.
    pub(crate) fn translated<'a>(&self, row: &'a Row, field: &str, lang: Lang) -> &'a str {
        [lang.code(), "fr", "en"]
            .into_iter()
            .map(|code| text_of(row, &format!("{field}_{code}")))
            .find(|text| !text.is_empty())
            .unwrap_or("")
    }

    /// The tags that the web pages gave to a video.
    pub(crate) fn tags_of(&self, row: &Row) -> Vec<String> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        match row.get("tags") {
            Some(Value::String(text)) => words(text),
            Some(Value::Array(tags)) => tags
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn slug_of_title(&self, table: &str, id: u64) -> String {
        self.row(table, id)
            .map_or_else(String::new, |row| match text_of(row, "slug") {
                "" => slugify(text_of(row, "title")),
                slug => slug.to_owned(),
            })
    }
}

pub(crate) fn text_of<'a>(row: &'a Row, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or("")
}

pub(crate) fn id_of(row: &Row, field: &str) -> Option<u64> {
    row.get(field).and_then(Value::as_u64)
}

pub(crate) fn ids_of(row: &Row, field: &str) -> Vec<u64> {
    row.get(field)
        .and_then(Value::as_array)
        .map(|ids| ids.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default()
}

pub(crate) fn flag_of(row: &Row, field: &str) -> bool {
    row.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// The fields of a JSON object.
pub(crate) fn object(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn random_letters(count: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..count)
        .map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]))
        .collect()
}
