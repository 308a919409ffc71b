//! The REST framework's serializers on output: from a stored row to the object a client gets.

use serde_json::{Value, json};

use super::ask::Ask;
use super::schema::{Kind, Resource};
use super::settings::Version;
use super::text::local_iso;
use super::world::{Crash, Row, World, flag_of, id_of, ids_of, text_of};

/// One object. Fails where Pod's own serializer does: on a tagged video, and on a link to a
/// picture when the site has no route for pictures.
pub(crate) fn render(
    world: &World,
    ask: &Ask,
    resource: &Resource,
    id: u64,
) -> Result<Value, Crash> {
    let row = world.row(resource.route, id).ok_or(Crash("DoesNotExist"))?;
    let mut object = Row::new();
    for field in resource.fields {
        if world.settings.version == Version::V3_7_0
            && resource.route == "recording"
            && matches!(field.name, "date_added" | "recorder")
        {
            continue;
        }
        let stored = row.get(field.name).cloned().unwrap_or_default();
        let value = match field.kind {
            Kind::Id => id.into(),
            Kind::Url => ask.object_url(resource.route, id).into(),
            Kind::DateTime => stored
                .as_i64()
                .map_or(Value::Null, |micros| local_iso(micros).into()),
            Kind::File { .. } => stored.as_str().map_or(Value::Null, |path| {
                ask.url(&format!("/media/{path}")).into()
            }),
            Kind::Link("images" | "files") if !stored.is_null() && !world.settings.podfile => {
                return Err(Crash("ImproperlyConfigured"));
            }
            Kind::Link(target) => {
                id_of(row, field.name).map_or(Value::Null, |id| ask.object_url(target, id).into())
            }
            Kind::Links(target) => ids_of(row, field.name)
                .into_iter()
                .map(|id| ask.object_url(target, id))
                .collect(),
            Kind::Tags if world.before_4() => world.tags_of(row).join(" ").into(),
            Kind::Tags if world.tags_of(row).is_empty() => json!([]),
            Kind::Tags => return Err(Crash("ImproperlyConfigured")),
            Kind::Computed => computed(row, field.name),
            Kind::Text { .. }
                if resource.route == "videos" && matches!(field.name, "title" | "description") =>
            {
                world.translated(row, field.name, ask.lang).into()
            }
            _ => stored,
        };
        object.insert(field.name.to_owned(), value);
    }
    Ok(Value::Object(object))
}

fn computed(row: &Row, name: &str) -> Value {
    match name {
        "get_encoding_step" => text_of(row, "step").into(),
        "get_version" => "O".into(),
        "encoded" => flag_of(row, "encoded").into(),
        "duration_in_time" => in_time(row["duration"].as_i64().unwrap_or(0)).into(),
        "site_id" => 1.into(),
        _ => row.get(name).cloned().unwrap_or_default(),
    }
}

pub(crate) fn in_time(seconds: i64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// What OPTIONS tells of a resource.
pub(crate) fn describe(world: &World, resource: &Resource) -> Value {
    let mut fields = Row::new();
    for field in resource.fields {
        let (kind, limits) = match field.kind {
            Kind::Id => ("integer", json!({})),
            Kind::Text { min, max } => ("string", limits(min, max)),
            Kind::Username => ("string", limits(0, 150)),
            Kind::Email => ("email", limits(0, 254)),
            Kind::Slug { max } => ("slug", limits(0, max)),
            Kind::WebUrl { max } => ("url", limits(0, max)),
            Kind::Bool => ("boolean", json!({})),
            Kind::Int { .. } if field.read_only => ("integer", json!({})),
            Kind::Int { min, max } => ("integer", json!({"min_value": min, "max_value": max})),
            Kind::Choice(choices) => (
                "choice",
                json!({"choices": choices.iter().map(|choice| named(choice, choice)).collect::<Value>()}),
            ),
            Kind::Path => (
                "choice",
                json!({"choices": super::recorder::named_choices(world)}),
            ),
            Kind::Date => ("date", json!({})),
            Kind::DateTime => ("datetime", json!({})),
            Kind::File { max } => ("file upload", limits(0, max)),
            Kind::Tags if world.before_4() => ("string", json!({})),
            Kind::Url | Kind::Link(_) | Kind::Links(_) | Kind::Tags | Kind::Computed => {
                ("field", json!({}))
            }
        };
        let mut told = super::world::object(limits);
        told.insert("type".into(), kind.into());
        told.insert("required".into(), field.required.into());
        told.insert("read_only".into(), field.read_only.into());
        told.insert("label".into(), field.name.replace('_', " ").into());
        fields.insert(field.name.to_owned(), Value::Object(told));
    }
    json!({
        "name": resource.view, "description": "", "renders": ["application/json", "text/html"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        "actions": {"POST": fields},
    })
}

pub(crate) fn named(value: &str, name: &str) -> Value {
    json!({"value": value, "display_name": name})
}

fn limits(min: usize, max: usize) -> Value {
    let mut limits = Row::new();
    if min > 0 {
        limits.insert("min_length".into(), min.into());
    }
    if max > 0 {
        limits.insert("max_length".into(), max.into());
    }
    Value::Object(limits)
}
