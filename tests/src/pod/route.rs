//! From a request to the view that answers it: routes, slashes, credentials, methods.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::encoding;
use super::input::{Data, Input};
use super::lists;
use super::messages::{self as say, Fixed, fixed};
use super::recorder;
use super::render::{describe, render};
use super::resources::{RESOURCES, resource};
use super::schema::Resource;
use super::user_videos;
use super::validate::Write;
use super::web;
use super::world::{Crash, World, flag_of, id_of, object, text_of};
use super::writes::{self, Outcome};

const LIST: &str = "GET, POST, HEAD, OPTIONS";
const DETAIL: &str = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";
const READ: &str = "GET, HEAD, OPTIONS";

#[derive(Clone, Copy, Debug)]
enum View {
    Root,
    List(&'static Resource),
    Detail(&'static Resource, Option<u64>),
    UserVideos,
    EncodedFiles(&'static Resource),
    Launch,
    GroupUsers,
    DublinCore,
}

impl View {
    /// What the browsable page calls it.
    fn name(self) -> &'static str {
        match self {
            View::List(resource) | View::Detail(resource, _) | View::EncodedFiles(resource) => {
                resource.view
            }
            View::UserVideos => "User Videos",
            View::Root => "Api Root",
            View::Launch => "Launch Encode View",
            View::GroupUsers => "Accessgroups Set Users By Name",
            View::DublinCore => "Dublin Core",
        }
    }

    fn allow(self) -> &'static str {
        match self {
            View::List(_) => LIST,
            View::Detail(..) => DETAIL,
            View::Root | View::UserVideos | View::EncodedFiles(_) | View::DublinCore => READ,
            View::Launch => "OPTIONS, GET",
            View::GroupUsers => "OPTIONS, POST",
        }
    }
}

/// The routes that this site has, with the names of the API root.
fn routes(world: &World) -> Vec<(&'static str, &'static str)> {
    let mut routes = Vec::new();
    if world.before_4() {
        routes.extend([("mainfiles", "files"), ("mainimages", "images")]);
    }
    let here = |route: &str| match route {
        "folders" | "files" | "images" => world.settings.podfile,
        "enrichments" => world.settings.enrichment,
        _ => true,
    };
    routes.extend(
        RESOURCES
            .iter()
            .map(|resource| resource.route)
            .filter(|route| here(route))
            .map(|route| (route, route)),
    );
    routes
}

fn view(world: &World, path: &str) -> Option<View> {
    let rest = path.strip_prefix("/rest/")?;
    if rest.is_empty() {
        return Some(View::Root);
    }
    let mut parts = rest.strip_suffix('/')?.split('/');
    let (route, key, further) = (parts.next()?, parts.next(), parts.next());
    if further.is_some() {
        return None;
    }
    let known = routes(world).iter().any(|(_, known)| *known == route);
    match (route, key) {
        ("launch_encode_view", None) => Some(View::Launch),
        ("accessgroups_set_users_by_name", None) => Some(View::GroupUsers),
        ("dublincore", None) => Some(View::DublinCore),
        ("videos", Some("user_videos")) => Some(View::UserVideos),
        ("encodings_video", Some("video_encodedfiles")) => resource(route).map(View::EncodedFiles),
        ("encodings_audio", Some("audio_encodedfiles")) => resource(route).map(View::EncodedFiles),
        (_, None) if known => resource(route).map(View::List),
        (_, Some(key)) if known => {
            resource(route).map(|resource| View::Detail(resource, key.parse().ok()))
        }
        _ => None,
    }
}

/// Answers one request, or hands back a video that waits for its insert.
pub(crate) fn answer(world: &mut World, ask: &Ask, input: Input) -> Result<Outcome, Crash> {
    let debug = world.settings.debug;
    let Some(view) = view(world, &ask.path) else {
        if self::view(world, &format!("{}/", ask.path)).is_some() {
            return without_slash(ask, debug).map(Outcome::Done);
        }
        return web::answer(world, ask, input).map(Outcome::Done);
    };
    let outcome = rest(world, ask, view, input)?;
    let Outcome::Done(answer) = outcome else {
        return Ok(outcome);
    };
    let vary = if matches!(view, View::DublinCore) {
        "Accept-Language"
    } else {
        "Accept, Accept-Language"
    };
    let browsable = answer
        .headers
        .iter()
        .any(|(name, value)| *name == "Content-Type" && value.starts_with("text/html"));
    let vary = if browsable {
        "Accept, Cookie, Accept-Language"
    } else {
        vary
    };
    Ok(Outcome::Done(
        answer.with("Vary", vary).with("Allow", view.allow()),
    ))
}

/// Django's APPEND_SLASH: a redirect, or with DEBUG an exception when a body would be lost.
fn without_slash(ask: &Ask, debug: bool) -> Result<Answer, Crash> {
    if debug && matches!(ask.method.as_str(), "POST" | "PUT" | "PATCH") {
        return Ok(Answer::crash(Crash("RuntimeError"), &ask.path, debug)
            .with("Vary", "Accept-Language, Cookie"));
    }
    let query = if ask.raw_query.is_empty() {
        String::new()
    } else {
        format!("?{}", ask.raw_query)
    };
    let vary = if ask.method == "GET" {
        "Accept-Language"
    } else {
        "Accept-Language, Cookie"
    };
    Ok(Answer::redirect(301, &format!("{}/{query}", ask.path)).with("Vary", vary))
}

fn rest(world: &mut World, ask: &Ask, view: View, input: Input) -> Result<Outcome, Crash> {
    let plain = matches!(view, View::DublinCore);
    let accepts = |media: &str| {
        ask.accept
            .split(',')
            .any(|choice| choice.split(';').next().unwrap_or("").trim() == media)
    };
    let takes_json =
        plain || accepts("*/*") || accepts("application/json") || accepts("application/*");
    let takes_html = accepts("text/html") || accepts("text/*");
    if !takes_json && !takes_html {
        return Ok(Outcome::Done(Answer::detail(
            406,
            fixed(Fixed::NotAcceptable, ask.lang),
        )));
    }
    if let Err((status, text)) = permitted(world, ask) {
        let detail = fixed(text, ask.lang);
        let refused = if plain {
            Answer::new(
                status,
                "text/xml; charset=utf-8",
                format!("detail: {detail}"),
            )
        } else {
            Answer::detail(status, detail)
        };
        return Ok(Outcome::Done(if status == 401 {
            refused.with("WWW-Authenticate", "Basic realm=\"api\"")
        } else {
            refused
        }));
    }
    let method = if ask.method == "HEAD" {
        "GET"
    } else {
        ask.method.as_str()
    };
    if !view.allow().split(", ").any(|allowed| allowed == method) {
        return Ok(Outcome::Done(Answer::detail(
            405,
            say::method_not_allowed(method, ask.lang),
        )));
    }
    let writes = matches!(method, "POST" | "PUT" | "PATCH");
    let data = match input {
        _ if !writes => Data::Json(object(json!({}))),
        Input::Data(data) => data,
        Input::NotJson => {
            return Ok(Outcome::Done(Answer::detail(
                400,
                "JSON parse error - Expecting value: line 1 column 1 (char 0)",
            )));
        }
        Input::NotAnObject(kind) => {
            let text = format!("Invalid data. Expected a dictionary, but got {kind}.");
            return Ok(Outcome::Done(Answer::json(
                400,
                &json!({"non_field_errors": [text]}),
            )));
        }
        Input::Unsupported(kind) => {
            return Ok(Outcome::Done(Answer::detail(
                415,
                say::unsupported_media(&kind, ask.lang),
            )));
        }
    };
    let answer = match (view, method) {
        (View::List(resource), "OPTIONS") => Answer::json(200, &describe(world, resource)),
        (_, "OPTIONS") => Answer::json(200, &json!({"name": "", "description": ""})),
        (View::Root, _) => {
            let links = routes(world)
                .into_iter()
                .map(|(name, route)| (name.to_owned(), ask.url(&format!("/rest/{route}/")).into()));
            Answer::json(200, &Value::Object(links.collect()))
        }
        (View::List(resource), "POST") => return writes::create(world, ask, resource, data),
        (View::List(resource), _) => match lists::select(world, ask, resource) {
            Ok(ids) => lists::page(ask, &ids, |id| render(world, ask, resource, id))?,
            Err(errors) => Answer::json(400, &Value::Object(errors)),
        },
        (View::EncodedFiles(resource), _) => match lists::select(world, ask, resource) {
            Ok(ids) => {
                let all: Vec<Value> = ids
                    .iter()
                    .map(|id| render(world, ask, resource, *id))
                    .collect::<Result<_, _>>()?;
                Answer::json(200, &Value::Array(all))
            }
            Err(errors) => Answer::json(400, &Value::Object(errors)),
        },
        (View::Detail(resource, key), method) => match key {
            None => Answer::detail(404, fixed(Fixed::NotFound, ask.lang)),
            Some(id) if world.row(resource.route, id).is_none() => {
                no_object(world, ask, resource.model)
            }
            Some(id) => match method {
                "DELETE" => writes::delete(world, resource, id),
                "PATCH" => writes::change(world, ask, resource, Write::Change(id), data)?,
                "PUT" => writes::change(world, ask, resource, Write::Replace(id), data)?,
                _ => Answer::json(200, &render(world, ask, resource, id)?),
            },
        },
        (View::UserVideos, _) => {
            user_videos::list(world, ask, resource("videos").ok_or(Crash("KeyError"))?)?
        }
        (View::Launch, _) => launch(world, ask)?,
        (View::GroupUsers, _) => group_users(world, ask, &data)?,
        (View::DublinCore, _) => web::dublin_core(world, ask)?,
    };
    if takes_json
        || !answer
            .headers
            .iter()
            .any(|(_, value)| value == "application/json")
    {
        return Ok(Outcome::Done(answer));
    }
    let text = String::from_utf8_lossy(&answer.body)
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    let mut page = Answer::html(
        answer.status,
        &format!("{} – Django REST framework", view.name()),
        &format!("<pre>{text}</pre>"),
    );
    page.headers.push((
        "Set-Cookie",
        "csrftoken=standin; Path=/; SameSite=Lax".to_owned(),
    ));
    Ok(Outcome::Done(page))
}

fn no_object(world: &World, ask: &Ask, model: &str) -> Answer {
    let text = if world.before_4() {
        fixed(Fixed::NotFound, ask.lang)
    } else {
        say::no_object(model)
    };
    Answer::detail(404, text)
}

/// Token or Basic, and staff; nothing else opens the API.
fn permitted(world: &World, ask: &Ask) -> Result<u64, (u16, Fixed)> {
    let header = ask.authorization.as_deref().unwrap_or("");
    let (scheme, secret) = header.split_once(' ').unwrap_or((header, ""));
    let user = match scheme.to_ascii_lowercase().as_str() {
        "token" if secret.contains(' ') => return Err((401, Fixed::TokenSpaces)),
        "token" => *world.tokens.get(secret).ok_or((401, Fixed::BadToken))?,
        "basic" => basic(world, secret).ok_or((401, Fixed::BadBasic))?,
        _ => return Err((401, Fixed::NoCredentials)),
    };
    let staff = world
        .row("users", user)
        .is_some_and(|row| flag_of(row, "is_staff"));
    if staff {
        Ok(user)
    } else {
        Err((403, Fixed::Forbidden))
    }
}

fn basic(world: &World, secret: &str) -> Option<u64> {
    let decoded = String::from_utf8(STANDARD.decode(secret).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    let user = world.user_named(name)?;
    (world.passwords.get(&user)? == password).then_some(user)
}

/// Answers with the video as it was before the encoding starts; a tagged one starts all the same.
fn launch(world: &mut World, ask: &Ask) -> Result<Answer, Crash> {
    let slug = ask.param("slug").unwrap_or("");
    let found = world
        .rows("videos")
        .find(|(_, row)| text_of(row, "slug") == slug)
        .map(|(id, _)| id);
    let Some(id) = found else {
        return Ok(no_object(world, ask, "Video"));
    };
    let before = resource("videos").map(|resource| render(world, ask, resource, id));
    encoding::launch(world, id);
    let before = before.ok_or(Crash("KeyError"))??;
    Ok(Answer::json(200, &before))
}

fn group_users(world: &mut World, ask: &Ask, data: &Data) -> Result<Answer, Crash> {
    let (Some(code), Some(Value::Array(names))) = (data.get("code_name"), data.get("users")) else {
        return Err(Crash("MultiValueDictKeyError"));
    };
    let found = world
        .rows("accessgroups")
        .find(|(_, row)| row["code_name"] == code)
        .map(|(id, _)| id);
    let Some(id) = found else {
        return Ok(no_object(world, ask, "AccessGroup"));
    };
    let owners: Vec<u64> = names
        .iter()
        .filter_map(|name| world.user_named(name.as_str()?))
        .filter_map(|user| {
            world
                .rows("owners")
                .find(|(_, row)| id_of(row, "user") == Some(user))
                .map(|(id, _)| id)
        })
        .collect();
    if let Some(row) = world.row_mut("accessgroups", id) {
        row.insert("users".into(), json!(owners));
    }
    let group = resource("accessgroups").ok_or(Crash("KeyError"))?;
    Ok(Answer::json(200, &render(world, ask, group, id)?))
}

/// The pages outside the API that need no session.
pub(crate) fn open_page(world: &mut World, ask: &Ask) -> Option<Result<Answer, Crash>> {
    match ask.path.as_str() {
        "/info_pod.json" => {
            let seconds: Vec<i64> = world
                .rows("videos")
                .map(|(_, row)| row["duration"].as_i64().unwrap_or(0))
                .collect();
            let total = (!seconds.is_empty()).then(|| seconds.iter().sum::<i64>());
            let info = json!({
                "TITLE_SITE": "Pod", "VERSION": world.settings.version.number(),
                "COUNT_VIDEO": seconds.len(), "DURATION_VIDEO": total,
            });
            Some(Ok(Answer::json(200, &info).with("Vary", "Accept-Language")))
        }
        "/record/recorder_notify/" => Some(recorder::notify(world, ask)),
        _ => None,
    }
}
