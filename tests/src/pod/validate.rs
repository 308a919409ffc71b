//! The REST framework's serializers on input: from a request's data to a row, or to the refusals
//! of each field.

use serde_json::{Value, json};

use super::input::{Data, Entry, type_name};
use super::messages::{self as say, Fixed, Lang, fixed};
use super::recorder;
use super::resources::resource;
use super::schema::{Field, Kind, Resource};
use super::text::{link_path, parse_date, parse_datetime};
use super::world::{Row, World, text_of};

/// Which of the three ways of writing an object is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Replace(u64),
    Change(u64),
}

impl Write {
    fn partial(self) -> bool {
        matches!(self, Write::Change(_))
    }

    fn existing(self) -> Option<u64> {
        match self {
            Write::Create => None,
            Write::Replace(id) | Write::Change(id) => Some(id),
        }
    }
}

enum Given {
    Nothing,
    Value(Value),
    /// The name and size of an uploaded file.
    File(String, u64),
}

/// The columns to write, or the refusals as the answer's body. A file's column holds its name.
pub(crate) fn validate(
    world: &World,
    resource: &Resource,
    data: &Data,
    write: Write,
    lang: Lang,
) -> Result<Row, Row> {
    let (mut row, mut errors) = (Row::new(), Row::new());
    for field in resource.fields.iter().filter(|field| !field.read_only) {
        match read_field(world, resource, field, data, write, lang) {
            Ok(Some(value)) => {
                row.insert(field.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(refusals) => {
                errors.insert(field.name.to_owned(), json!(refusals));
            }
        }
    }
    if errors.is_empty() {
        together(world, resource, &row, write, lang).map_err(|text| {
            let mut errors = Row::new();
            errors.insert("non_field_errors".to_owned(), json!([text]));
            errors
        })?;
        return Ok(row);
    }
    Err(errors)
}

fn read_field(
    world: &World,
    resource: &Resource,
    field: &Field,
    data: &Data,
    write: Write,
    lang: Lang,
) -> Result<Option<Value>, Vec<String>> {
    let refuse = |text: Fixed| Err(vec![fixed(text, lang)]);
    let listed = matches!(field.kind, Kind::Links(_))
        || (matches!(field.kind, Kind::Tags) && !world.before_4());
    let value = match given(field, listed, data, write.partial()) {
        Given::Nothing if write.partial() => return Ok(None),
        Given::Nothing if field.required => {
            return refuse(if matches!(field.kind, Kind::File { .. }) {
                Fixed::NoFile
            } else {
                Fixed::Required
            });
        }
        Given::Nothing if write == Write::Create => return Ok(Some(fallback(world, field))),
        Given::Nothing => return Ok(None),
        Given::File(_, 0) => return refuse(Fixed::EmptyFile),
        Given::File(name, _) => return Ok(Some(Value::String(name))),
        Given::Value(value) => value,
    };
    if listed {
        return links(world, field, &value, lang)
            .map(Some)
            .map_err(|text| vec![text]);
    }
    let is_link = matches!(field.kind, Kind::Link(_));
    if value.is_null() || (is_link && value == "") {
        return if field.null {
            Ok(Some(Value::Null))
        } else {
            refuse(Fixed::Null)
        };
    }
    let value = convert(world, resource, field, value, lang)?;
    if let Some(unique) = resource
        .unique
        .iter()
        .find(|unique| unique.field == field.name)
    {
        let taken = world.rows(resource.route).any(|(id, row)| {
            Some(id) != write.existing() && same(world, row.get(field.name), &value)
        });
        if taken {
            return Err(vec![say::already_exists(unique.model, unique.label, lang)]);
        }
    }
    if matches!(field.kind, Kind::Username) {
        let taken = world.rows("users").any(|(id, row)| {
            Some(id) != write.existing()
                && world.same(text_of(row, "username"), value.as_str().unwrap_or(""))
        });
        if taken {
            return refuse(Fixed::UserExists);
        }
    }
    Ok(Some(value))
}

fn fallback(world: &World, field: &Field) -> Value {
    match field.kind {
        Kind::DateTime => world.now().into(),
        Kind::Date => super::text::local_format(world.now(), "%Y-%m-%d").into(),
        Kind::Tags if world.before_4() => "".into(),
        _ => field.default_value(),
    }
}

/// The framework's `get_value`: how absence and emptiness differ between JSON and forms.
fn given(field: &Field, listed: bool, data: &Data, partial: bool) -> Given {
    let entries = match data {
        Data::Json(row) => {
            return row
                .get(field.name)
                .cloned()
                .map_or(Given::Nothing, Given::Value);
        }
        Data::Form(entries) => entries,
    };
    let mut named = entries
        .iter()
        .filter(|(key, _)| key == field.name)
        .map(|(_, entry)| entry)
        .peekable();
    if named.peek().is_none() {
        return match field.kind {
            _ if partial => Given::Nothing,
            Kind::Bool => Given::Value(false.into()),
            _ if listed => Given::Value(json!([])),
            _ => Given::Nothing,
        };
    }
    if listed {
        let texts = named.filter_map(|entry| match entry {
            Entry::Text(text) => Some(text.as_str()),
            Entry::File(_) => None,
        });
        return Given::Value(texts.collect());
    }
    match (named.next_back(), field.kind) {
        (Some(Entry::File(upload)), Kind::File { .. }) => {
            Given::File(upload.name.clone(), upload.size)
        }
        (Some(Entry::Text(text)), Kind::File { .. }) if text.is_empty() => Given::Nothing,
        (Some(Entry::Text(text)), _) => {
            let blank_allowed = field.blank
                && matches!(
                    field.kind,
                    Kind::Text { .. }
                        | Kind::Email
                        | Kind::Slug { .. }
                        | Kind::WebUrl { .. }
                        | Kind::Tags
                );
            match text.as_str() {
                "" if field.null && !blank_allowed => Given::Value(Value::Null),
                "" if !field.required && !blank_allowed && !matches!(field.kind, Kind::Link(_)) => {
                    Given::Nothing
                }
                text => Given::Value(text.into()),
            }
        }
        _ => Given::Nothing,
    }
}

fn convert(
    world: &World,
    resource: &Resource,
    field: &Field,
    value: Value,
    lang: Lang,
) -> Result<Value, Vec<String>> {
    let one = |text: Fixed| vec![fixed(text, lang)];
    match field.kind {
        Kind::Text { .. }
        | Kind::Username
        | Kind::Email
        | Kind::Slug { .. }
        | Kind::WebUrl { .. }
        | Kind::Tags => text(field, &value, lang),
        Kind::Path => {
            let path = plain(&value);
            if recorder::choices(world).contains(&path) {
                Ok(path.into())
            } else {
                Err(vec![say::not_a_path(&path, lang)])
            }
        }
        Kind::Bool => {
            let word = plain(&value).to_ascii_lowercase();
            match word.as_str() {
                "t" | "y" | "yes" | "true" | "on" | "1" => Ok(true.into()),
                "f" | "n" | "no" | "false" | "off" | "0" => Ok(false.into()),
                _ => Err(one(Fixed::BadBoolean)),
            }
        }
        Kind::Int { min, max } => {
            let written = plain(&value);
            let whole = written
                .split_once('.')
                .map_or(written.as_str(), |(whole, zeros)| {
                    if zeros.chars().all(|c| c == '0') {
                        whole
                    } else {
                        "x"
                    }
                });
            let number: i64 = match value {
                Value::Bool(_) => return Err(one(Fixed::BadInteger)),
                _ => whole.trim().parse().map_err(|_| one(Fixed::BadInteger))?,
            };
            if number < min {
                return Err(vec![say::too_small(min, lang)]);
            }
            if number > max {
                return Err(vec![say::too_big(max, lang)]);
            }
            Ok(number.into())
        }
        Kind::Choice(choices) => {
            let written = plain(&value);
            if choices.contains(&written.as_str()) {
                Ok(written.into())
            } else {
                Err(vec![say::not_a_choice(&written, lang)])
            }
        }
        Kind::Date => match value.as_str().and_then(parse_date) {
            Some(date) => Ok(date.to_string().into()),
            None => Err(one(Fixed::BadDate)),
        },
        Kind::DateTime => match value.as_str().and_then(parse_datetime) {
            Some(micros) => Ok(micros.into()),
            None => Err(one(Fixed::BadDateTime)),
        },
        Kind::Link(target) => {
            let id = link(world, target, &value, lang).map_err(|text| vec![text])?;
            let staff_only = resource.route == "recording" && field.name == "user";
            let staff = world
                .row("users", id)
                .is_some_and(|row| row["is_staff"] == true);
            if staff_only && !staff {
                return Err(one(Fixed::LinkNoObject));
            }
            Ok(id.into())
        }
        Kind::Id | Kind::Url | Kind::File { .. } | Kind::Links(_) | Kind::Computed => Ok(value),
    }
}

fn text(field: &Field, value: &Value, lang: Lang) -> Result<Value, Vec<String>> {
    if !matches!(value, Value::String(_) | Value::Number(_)) {
        return Err(vec![fixed(Fixed::BadText, lang)]);
    }
    let written = plain(value);
    let written = written.trim();
    if written.is_empty() {
        return if field.blank {
            Ok("".into())
        } else {
            Err(vec![fixed(Fixed::Blank, lang)])
        };
    }
    let (min, max) = match field.kind {
        Kind::Text { min, max } => (min, max),
        Kind::Username => (0, 150),
        Kind::Email => (0, 254),
        Kind::Slug { max } | Kind::WebUrl { max } => (0, max),
        _ => (0, 0),
    };
    let length = written.chars().count();
    let mut refusals = Vec::new();
    let shaped = match field.kind {
        Kind::Username => written
            .chars()
            .all(|c| c.is_alphanumeric() || "_.@+-".contains(c)),
        Kind::Slug { .. } => written
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
        Kind::Email => is_email(written),
        Kind::WebUrl { .. } => {
            written.starts_with("http://")
                || written.starts_with("https://")
                || written.starts_with("ftp://")
        }
        _ => true,
    };
    if !shaped {
        refusals.push(fixed(
            match field.kind {
                Kind::Username => Fixed::BadUsername,
                Kind::Slug { .. } => Fixed::BadSlug,
                Kind::Email => Fixed::BadEmail,
                _ => Fixed::BadUrl,
            },
            lang,
        ));
    }
    if max > 0 && length > max {
        refusals.push(say::too_long(max, lang));
    }
    if length < min {
        refusals.push(say::too_short(min, lang));
    }
    if refusals.is_empty() {
        Ok(written.into())
    } else {
        Err(refusals)
    }
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && !user.contains(char::is_whitespace)
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    })
}

/// Python's `str()` of a scalar.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn link(world: &World, target: &str, value: &Value, lang: Lang) -> Result<u64, String> {
    let Value::String(link) = value else {
        return Err(say::not_a_link(type_name(value), lang));
    };
    let path = link_path(link);
    let mut parts = path
        .strip_prefix("/rest/")
        .unwrap_or("")
        .strip_suffix('/')
        .unwrap_or("")
        .split('/');
    let (Some(route), Some(key), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(fixed(Fixed::LinkNoMatch, lang));
    };
    if resource(route).is_none() || key.is_empty() {
        return Err(fixed(Fixed::LinkNoMatch, lang));
    }
    if route != target {
        return Err(fixed(Fixed::LinkOtherMatch, lang));
    }
    key.parse()
        .ok()
        .filter(|id| world.row(target, *id).is_some())
        .ok_or_else(|| fixed(Fixed::LinkNoObject, lang))
}

fn links(world: &World, field: &Field, value: &Value, lang: Lang) -> Result<Value, String> {
    let items = match value {
        Value::Null => return Err(fixed(Fixed::Null, lang)),
        Value::Array(items) => items,
        other => return Err(say::not_a_list(type_name(other), lang)),
    };
    if items.is_empty() && field.required && !field.blank {
        return Err(fixed(Fixed::EmptyList, lang));
    }
    let target = match field.kind {
        Kind::Links(target) => target,
        _ => "",
    };
    items
        .iter()
        .map(|item| match (target, item) {
            ("", Value::String(_)) => Err(fixed(Fixed::LinkNoMatch, lang)),
            _ => link(world, target, item, lang).map(Value::from),
        })
        .collect()
}

fn same(world: &World, stored: Option<&Value>, new: &Value) -> bool {
    match (stored, new) {
        (Some(Value::String(stored)), Value::String(new)) => world.same(stored, new),
        (stored, new) => stored == Some(new),
    }
}

fn together(
    world: &World,
    resource: &Resource,
    row: &Row,
    write: Write,
    lang: Lang,
) -> Result<(), String> {
    if resource.unique_together.is_empty() {
        return Ok(());
    }
    let current = write
        .existing()
        .and_then(|id| world.row(resource.route, id));
    let value = |name: &str| {
        row.get(name)
            .or_else(|| current?.get(name))
            .cloned()
            .unwrap_or_default()
    };
    let taken = world.rows(resource.route).any(|(id, other)| {
        Some(id) != write.existing()
            && resource
                .unique_together
                .iter()
                .all(|name| same(world, other.get(*name), &value(name)))
    });
    if taken {
        Err(say::unique_set(resource.unique_together, lang))
    } else {
        Ok(())
    }
}
