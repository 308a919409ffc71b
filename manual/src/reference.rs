//! The reference of all settings as chapters of the book, from the JSON Schemas that the types of
//! the settings give.
//!
//! The words are the doc comments of the types. French is looked up by the English words, so a
//! comment that changes asks for its French anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A settings file and the schema of its type.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it lies on a machine.
    pub path: &'static str,
    /// The program that reads it.
    pub program: &'static str,
    /// Its schema.
    pub schema: Value,
}

/// A language of the book.
#[derive(Clone, Debug)]
pub enum Language {
    /// As the types say it.
    English,
    /// By this table from English.
    French(BTreeMap<String, String>),
}

/// A word of the page itself.
type Words = (&'static str, &'static str);

const TITLE: Words = ("Every setting", "Tous les réglages");
const INTRO: Words = (
    "Generated from the types that read the settings (`make reference`). Durations are written as `90s`, `12h`, `7d`, sizes as `500MiB`, `64GiB`. An unknown key is an error that names the nearest known one. What stands under NAME may have any name. Annotated files to start from: [etc/receiver.yml](../../etc/receiver.yml), [etc/hook.yml](../../etc/hook.yml).",
    "Généré depuis les types qui lisent les réglages (`make reference`). Les durées s'écrivent `90s`, `12h`, `7d`, les tailles `500MiB`, `64GiB`. Une clé inconnue est une erreur qui nomme la plus proche des clés connues. Ce qui est sous NAME porte un nom au choix. Fichiers annotés pour commencer (en anglais) : [etc/receiver.yml](../../etc/receiver.yml), [etc/hook.yml](../../etc/hook.yml).",
);
const HEAD: Words = (
    "| key | value | default | meaning |\n|---|---|---|---|",
    "| clé | valeur | défaut | signification |\n|---|---|---|---|",
);
const NEEDED: Words = ("must be given", "obligatoire");
const SECTION: Words = ("section, see below", "section, voir plus bas");
const TOP: Words = ("At the top of the file", "En haut du fichier");

/// What is missing in the table of French.
#[derive(Debug)]
pub struct Untranslated(pub Vec<String>);

/// Writes the chapter.
///
/// # Errors
/// Words that the table of French lacks.
pub fn chapter(files: &[File], language: &Language) -> Result<String, Untranslated> {
    let mut page = Page {
        language,
        text: String::new(),
        missing: Vec::new(),
    };
    page.line(&format!("# {}\n\n{}", page.own(TITLE), page.own(INTRO)));
    for file in files {
        page.line(&format!("\n## {}: `{}`", file.program, file.path));
        let mut sections = Sections {
            root: &file.schema,
            found: Vec::new(),
        };
        sections.below(&file.schema, &[]);
        for section in &sections.found {
            page.section(section);
        }
    }
    match page.missing.is_empty() {
        true => Ok(page.text),
        false => Err(Untranslated(page.missing)),
    }
}

/// All keys of a file as paths, `upload.max_size`; what has a name of one's choice is `NAME`.
#[must_use]
pub fn keys(schema: &Value) -> Vec<String> {
    let mut sections = Sections {
        root: schema,
        found: Vec::new(),
    };
    sections.below(schema, &[]);
    let keys = sections.found.iter().flat_map(|section| {
        let above = &section.path;
        section.keys.iter().map(move |key| match above.is_empty() {
            true => key.name.clone(),
            false => format!("{above}.{}", key.name),
        })
    });
    keys.collect()
}

/// A section of a file: a map with known keys.
struct Section {
    path: String,
    /// Of several that are told apart by `kind`: which.
    kind: Option<String>,
    about: String,
    keys: Vec<Key>,
}

struct Key {
    name: String,
    values: String,
    is_section: bool,
    default: Option<String>,
    is_needed: bool,
    about: String,
    /// The words that may stand here, with what they mean.
    choices: Vec<(String, String)>,
}

struct Sections<'a> {
    root: &'a Value,
    found: Vec<Section>,
}

impl<'a> Sections<'a> {
    /// A schema, with what it refers to in its place.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        loop {
            let name = schema.get("$ref").and_then(Value::as_str);
            let named = name.and_then(|name| self.root.pointer(name.trim_start_matches('#')));
            if let Some(named) = named {
                schema = named;
                continue;
            }
            // One thing wrapped, or a thing that may be missing.
            let inner = ["allOf", "anyOf"]
                .iter()
                .find_map(|word| schema.get(*word)?.as_array())
                .map(|all| all.iter().filter(|one| !is_null(one)).collect::<Vec<_>>());
            match inner.as_deref() {
                Some([one]) => schema = one,
                _ => return schema,
            }
        }
    }

    fn below(&mut self, schema: &'a Value, path: &[String]) {
        let shape = self.resolved(schema);
        if let Some(kinds) = self.kinds(shape) {
            for kind in kinds {
                let name = kind.get("title").and_then(Value::as_str);
                self.section(self.resolved(kind), path, name.map(str::to_owned));
            }
            return;
        }
        self.section(shape, path, None);
    }

    /// The shapes of a section that are told apart by `kind`.
    fn kinds(&self, shape: &'a Value) -> Option<&'a Vec<Value>> {
        let kinds = shape.get("oneOf")?.as_array()?;
        let is_map = |kind: &Value| kind.get("title").is_some() && kind.get("allOf").is_some();
        kinds.iter().all(is_map).then_some(kinds)
    }

    fn section(&mut self, shape: &'a Value, path: &[String], kind: Option<String>) {
        let Some(properties) = shape.get("properties").and_then(Value::as_object) else {
            return;
        };
        let needed: Vec<_> = shape
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut keys: Vec<_> = properties
            .iter()
            .map(|(name, value)| self.key(name, value, needed.contains(&name.as_str())))
            .collect();
        if let Some(kind) = &kind {
            keys.insert(
                0,
                Key {
                    name: "kind".to_owned(),
                    values: format!("`{kind}`"),
                    is_section: false,
                    default: None,
                    is_needed: true,
                    about: about(shape),
                    choices: Vec::new(),
                },
            );
        }
        self.found.push(Section {
            path: path.join("."),
            kind,
            about: about(shape),
            keys,
        });
        for (name, value) in properties {
            let mut path = path.to_vec();
            path.push(name.clone());
            let shape = self.resolved(value);
            if let Some(named) = shape.get("additionalProperties").filter(|a| a.is_object()) {
                path.push("NAME".to_owned());
                self.below(named, &path);
            } else {
                self.below(value, &path);
            }
        }
    }

    fn key(&self, name: &str, value: &'a Value, is_needed: bool) -> Key {
        let shape = self.resolved(value);
        let holds = shape
            .get("additionalProperties")
            .filter(|a| a.is_object())
            .map_or(shape, |named| self.resolved(named));
        let is_section = holds.get("properties").is_some() || self.kinds(shape).is_some();
        Key {
            name: name.to_owned(),
            values: self.values(value),
            is_section,
            default: value.get("default").filter(|_| !is_section).and_then(shown),
            is_needed,
            about: match about(value) {
                own if own.is_empty() => about(shape),
                own => own,
            },
            choices: self.choices(shape),
        }
    }

    /// What kind of value, in words that are the same in both languages, or to be translated.
    fn values(&self, schema: &'a Value) -> String {
        let shape = self.resolved(schema);
        if let Some(format) = shape.get("format").and_then(Value::as_str)
            && ["duration", "size"].contains(&format)
        {
            return format.to_owned();
        }
        if let Some(several) = shape.get("anyOf").and_then(Value::as_array) {
            let mut words: Vec<_> = several
                .iter()
                .filter(|one| !is_null(one))
                .map(|one| self.values(one))
                .collect();
            words.dedup();
            return words.join(" / ");
        }
        let is_list = shape.get("type").is_some_and(|kind| kind == "array");
        if !is_list && !self.choices(shape).is_empty() {
            return "choice".to_owned();
        }
        let kind = match shape.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find(|kind| **kind != "null"),
            other => other,
        };
        match kind.and_then(Value::as_str) {
            Some("boolean") => "`true` / `false`".to_owned(),
            Some("integer" | "number") => "number".to_owned(),
            Some("array") => {
                let of = shape.get("items").map(|items| self.resolved(items));
                match of.map(|of| self.choices(of)) {
                    Some(choices) if !choices.is_empty() => "list of choices".to_owned(),
                    _ => "list".to_owned(),
                }
            }
            Some("object") => "map".to_owned(),
            _ => "text".to_owned(),
        }
    }

    fn choices(&self, shape: &'a Value) -> Vec<(String, String)> {
        let of = |value: &'a Value| -> Vec<(String, String)> {
            let word = |v: &Value| v.as_str().map(str::to_owned);
            match (value.get("const"), value.get("enum")) {
                (Some(one), _) => word(one).map(|w| (w, about(value))).into_iter().collect(),
                (_, Some(Value::Array(all))) => all
                    .iter()
                    .filter_map(word)
                    .map(|w| (w, String::new()))
                    .collect(),
                _ => Vec::new(),
            }
        };
        if shape.get("type").is_some_and(|t| t == "array") {
            let items = shape.get("items").map(|items| self.resolved(items));
            return items.map(|items| self.choices(items)).unwrap_or_default();
        }
        match shape.get("oneOf").and_then(Value::as_array) {
            Some(all) => all.iter().flat_map(of).collect(),
            None => of(shape),
        }
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

fn about(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A default as it would be written; nothing for what is not set.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(plain(text)),
        Value::Array(all) => Some(format!(
            "[{}]",
            all.iter()
                .map(|one| shown(one).unwrap_or_default())
                .collect::<Vec<_>>()
                .join(", ")
        )),
        Value::Object(map) => match duration(map) {
            Some(text) => Some(text),
            None if map.is_empty() => Some("{}".to_owned()),
            None => None,
        },
        other => Some(other.to_string()),
    }
}

/// Durations and sizes as they are written in a settings file.
fn plain(text: &str) -> String {
    let is_duration = |rest: &str| {
        rest.ends_with(['S', 'M', 'H'])
            && rest
                .chars()
                .all(|c| c.is_ascii_digit() || "SMH".contains(c))
    };
    if let Some(rest) = text.strip_prefix("PT").filter(|rest| is_duration(rest)) {
        return rest.to_lowercase();
    }
    match text.split_once(' ') {
        Some((number, unit)) if unit.ends_with('B') && number.parse::<f64>().is_ok() => {
            format!("{}{unit}", number.trim_end_matches(".0"))
        }
        _ => text.to_owned(),
    }
}

/// The standard library's durations.
fn duration(map: &Map<String, Value>) -> Option<String> {
    let (seconds, nanos) = (map.get("secs")?.as_u64()?, map.get("nanos")?.as_u64()?);
    if map.len() != 2 || nanos != 0 {
        return None;
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds % unit == 0);
    Some(match unit {
        Some((unit, word)) => format!("{}{word}", seconds / unit),
        None => format!("{seconds}s"),
    })
}

struct Page<'a> {
    language: &'a Language,
    text: String,
    missing: Vec<String>,
}

impl Page<'_> {
    fn own(&self, words: Words) -> &'static str {
        match self.language {
            Language::English => words.0,
            Language::French(_) => words.1,
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Words of the types in the page's language.
    fn said(&mut self, english: &str) -> String {
        match self.language {
            _ if english.is_empty() => String::new(),
            Language::English => english.to_owned(),
            Language::French(table) => match table.get(english) {
                Some(french) => french.clone(),
                None => {
                    if !self.missing.iter().any(|known| known == english) {
                        self.missing.push(english.to_owned());
                    }
                    String::new()
                }
            },
        }
    }

    fn section(&mut self, section: &Section) {
        let heading = match (section.path.as_str(), &section.kind) {
            ("", _) => self.own(TOP).to_owned(),
            (path, None) => format!("`{path}`"),
            (path, Some(kind)) => format!("`{path}`, `kind: {kind}`"),
        };
        let is_top = section.path.is_empty();
        let about = self.said(if is_top { "" } else { &section.about });
        let head = self.own(HEAD);
        self.line(&format!("\n### {heading}\n"));
        if !section.path.is_empty() && !about.is_empty() {
            self.line(&format!("{about}\n"));
        }
        self.line(head);
        for key in &section.keys {
            self.key(key);
        }
    }

    fn key(&mut self, key: &Key) {
        let values = match key.is_section {
            true => self.own(SECTION).to_owned(),
            false => match (self.language, key.values.as_str()) {
                (Language::French(_), words) => words
                    .replace("duration", "durée")
                    .replace("size", "taille")
                    .replace("number", "nombre")
                    .replace("text", "texte")
                    .replace("list of choices", "liste de choix")
                    .replace("list", "liste")
                    .replace("choice", "choix")
                    .replace("map", "table"),
                (Language::English, words) => words.to_owned(),
            },
        };
        let default = match (&key.default, key.is_needed) {
            (_, true) => self.own(NEEDED).to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, _) => String::new(),
        };
        let mut meaning = self.said(&key.about);
        for (word, about) in &key.choices {
            let about = self.said(about);
            let colon = match (self.language, about.is_empty()) {
                (_, true) => "",
                (Language::English, _) => ": ",
                (Language::French(_), _) => " : ",
            };
            let _ = write!(meaning, "<br>`{word}`{colon}{about}");
        }
        let cells = [&format!("`{}`", key.name), &values, &default, &meaning];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        self.line(&format!("| {} |", cells.join(" | ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file() -> File {
        let schema = json!({
            "properties": {
                "listen": {"type": "string", "default": "127.0.0.1:1", "description": "Where it\nlistens."},
                "upload": {"$ref": "#/$defs/Upload", "description": "Limits."},
                "servers": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Server"}},
                "end": {"oneOf": [{"title": "csv", "allOf": [{"$ref": "#/$defs/Csv"}]}]},
            },
            "required": ["end"],
            "$defs": {
                "Upload": {"description": "Limits.", "properties": {
                    "keep": {"type": "string", "format": "size", "default": "64.0 GiB"},
                    "wait": {"type": "string", "format": "duration", "default": {"secs": 7200, "nanos": 0}},
                }},
                "Server": {"properties": {"sum": {"anyOf": [{"$ref": "#/$defs/Sum"}, {"type": "null"}]}}},
                "Sum": {"oneOf": [{"const": "sha1", "description": "Old."}, {"enum": ["sha256"]}]},
                "Csv": {"properties": {"file": {"type": "string"}}},
            },
        });
        File {
            path: "/etc/x.yml",
            program: "x",
            schema,
        }
    }

    #[test]
    fn every_key_has_its_line() {
        let text = chapter(&[file()], &Language::English).unwrap();
        for line in [
            "| `listen` | text | `127.0.0.1:1` | Where it listens. |",
            "| `keep` | size | `64GiB` |  |",
            "| `wait` | duration | `2h` |  |",
            "### `servers.NAME`",
            "| `sum` | choice |  | <br>`sha1`: Old.<br>`sha256` |",
            "### `end`, `kind: csv`",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let mut keys = keys(&file().schema);
        keys.sort();
        assert_eq!(
            keys,
            [
                "end",
                "end.file",
                "end.kind",
                "listen",
                "servers",
                "servers.NAME.sum",
                "upload",
                "upload.keep",
                "upload.wait"
            ]
        );
    }

    #[test]
    fn what_has_no_french_is_named() {
        let mut table = BTreeMap::from([("Limits.".to_owned(), "Des limites.".to_owned())]);
        let missing = chapter(&[file()], &Language::French(table.clone())).unwrap_err();
        assert_eq!(missing.0, ["Where it listens.", "Old."]);
        table.insert("Where it listens.".into(), "Où il écoute.".into());
        table.insert("Old.".into(), "Ancien.".into());
        let text = chapter(&[file()], &Language::French(table)).unwrap();
        assert!(text.contains("| `keep` | taille | `64GiB` |  |"), "{text}");
    }
}
