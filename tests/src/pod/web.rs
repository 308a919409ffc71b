//! Pod's pages outside the API, as far as a mover meets them: login, the claim page, "My external
//! videos", and the Dublin Core list.

use serde_json::json;

use super::answer::Answer;
use super::ask::Ask;
use super::input::{Data, Input};
use super::route;
use super::text::local_format;
use super::world::{Crash, Row, World, flag_of, id_of, ids_of, object, random_letters, text_of};

pub(crate) fn answer(world: &mut World, ask: &Ask, input: Input) -> Result<Answer, Crash> {
    if let Some(answer) = route::open_page(world, ask) {
        return answer;
    }
    let data = match input {
        Input::Data(data) => data,
        _ => Data::Json(Row::new()),
    };
    let debug = world.settings.debug;
    match (ask.method.as_str(), ask.path.as_str()) {
        ("GET", "/accounts/login/") => Ok(Answer::page(
            "Log in",
            "<form method=\"post\"><input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"standin\"></form>",
        )),
        ("GET", "/record/claim_record/") => claim_page(world, ask),
        ("GET", "/import_video/") => Ok(import_page(world, ask)),
        ("GET", _) => Ok(Answer::no_route(&ask.path, debug)),
        // Every other POST of the site passes through the CSRF check first.
        (_, path) => {
            let token = data.get("csrfmiddlewaretoken");
            let cookie = ask
                .cookies
                .iter()
                .find(|(name, _)| name == "csrftoken")
                .map(|(_, value)| value.as_str());
            if cookie.is_none() || token.as_ref().and_then(|token| token.as_str()) != cookie {
                return Ok(Answer::html(403, "403 Forbidden", "<h1>Forbidden</h1>")
                    .with("Vary", "Accept-Language"));
            }
            match path {
                "/accounts/login/" => Ok(login(world, &data)),
                "/import_video/add" => Ok(add_external(world, ask, &data)),
                "/import_video/add/" => Err(Crash("ValueError")),
                _ => Ok(Answer::no_route(path, debug)),
            }
        }
    }
}

fn session(world: &World, ask: &Ask) -> Option<u64> {
    let (_, key) = ask.cookies.iter().find(|(name, _)| name == "sessionid")?;
    world.sessions.get(key).copied()
}

pub(crate) fn open_session(world: &mut World, user: u64) -> String {
    let key = random_letters(32);
    world.sessions.insert(key.clone(), user);
    key
}

fn login(world: &mut World, data: &Data) -> Answer {
    let given = |name: &str| {
        data.get(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let user = world
        .user_named(&given("username"))
        .filter(|user| world.passwords.get(user) == Some(&given("password")));
    let Some(user) = user else {
        return Answer::page(
            "Log in",
            "<p>Please enter a correct username and password.</p>",
        );
    };
    let key = open_session(world, user);
    Answer::redirect(302, "/").with(
        "Set-Cookie",
        format!("sessionid={key}; HttpOnly; Path=/; SameSite=Lax"),
    )
}

/// Lists the files that may be claimed; a listed file without recorder breaks it for everyone.
fn claim_page(world: &World, ask: &Ask) -> Result<Answer, Crash> {
    let staff = session(world, ask)
        .and_then(|user| world.row("users", user))
        .is_some_and(|row| flag_of(row, "is_staff"));
    if !staff {
        let to = format!("/admin/login/?referrer={}", ask.path);
        return Ok(Answer::redirect(302, &to).with("Vary", "Accept-Language, Cookie"));
    }
    let mut lines = String::new();
    for (_, row) in world
        .rows("recordingfiletreatment")
        .filter(|(_, row)| flag_of(row, "require_manual_claim"))
    {
        let recorder = id_of(row, "recorder")
            .and_then(|id| world.row("recorder", id))
            .ok_or(Crash("NoReverseMatch"))?;
        if !ids_of(recorder, "sites").contains(&1) {
            continue;
        }
        let name = text_of(row, "file").rsplit('/').next().unwrap_or("");
        let day = local_format(row["date_added"].as_i64().unwrap_or(0), "%Y-%m-%d %H:%M");
        lines.push_str(&format!(
            "<li>{name} {} {day}</li>\n",
            text_of(recorder, "name")
        ));
    }
    Ok(Answer::page(
        "Claim a record",
        &format!("<ul>\n{lines}</ul>"),
    ))
}

/// Lists the external videos of the session's user on this site.
fn import_page(world: &World, ask: &Ask) -> Answer {
    let user = session(world, ask).and_then(|id| Some((id, world.row("users", id)?)));
    match user {
        None => Answer::redirect(
            302,
            &format!("/authentication_login/?referrer={}", ask.path),
        )
        .with("Vary", "Accept-Language, Cookie"),
        Some((_, row)) if !flag_of(row, "is_staff") => Answer::page(
            "My external videos",
            "<p>Access to this page is restricted.</p>",
        ),
        Some((user, _)) => {
            let mine = world.rows("external_recordings").filter(|(_, row)| {
                id_of(row, "owner_id") == Some(user) && id_of(row, "site_id") == Some(1)
            });
            let lines: String = mine
                .map(|(_, row)| {
                    format!(
                        "<li>{} {}</li>\n",
                        text_of(row, "name"),
                        text_of(row, "source_url")
                    )
                })
                .collect();
            Answer::page("My external videos", &format!("<ul>\n{lines}</ul>"))
        }
    }
}

/// The superuser's form: the row gets today's date whatever the recording's was.
fn add_external(world: &mut World, ask: &Ask, data: &Data) -> Answer {
    let Some(user) = session(world, ask) else {
        return Answer::redirect(302, "/authentication_login/");
    };
    let given = |name: &str| {
        data.get(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let superuser = world
        .row("users", user)
        .is_some_and(|row| flag_of(row, "is_superuser"));
    let owner = if superuser {
        given("owner").parse().unwrap_or(user)
    } else {
        user
    };
    let now = world.now();
    world.insert("external_recordings", object(json!({
        "name": given("name"), "start_at": now, "type": given("type"), "source_url": given("source_url"),
        "state": null, "owner_id": owner, "site_id": 1, "uploaded_to_pod_by_id": null,
    })));
    Answer::redirect(302, "/import_video/")
}

/// Public videos by any lookup of the database layer, as XML; an unknown lookup is an exception.
pub(crate) fn dublin_core(world: &World, ask: &Ask) -> Result<Answer, Crash> {
    let mut listed = String::new();
    let mut videos: Vec<(u64, &Row)> = world.rows("videos").collect();
    videos.sort_by_key(|(id, row)| std::cmp::Reverse((row["date_added"].as_i64(), *id)));
    for (_, row) in videos {
        let public = flag_of(row, "encoded")
            && !flag_of(row, "is_draft")
            && !flag_of(row, "is_restricted")
            && text_of(row, "password").is_empty();
        let mut matches = true;
        for (lookup, wanted) in &ask.query {
            matches &= looked_up(world, ask, row, lookup, wanted)?;
        }
        if public && matches {
            listed.push_str(&description(world, ask, row));
        }
    }
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <!DOCTYPE rdf:RDF PUBLIC \"-//DUBLIN CORE//DCMES DTD 2002/07/31//EN\" \n\
         \"http://dublincore.org/documents/2002/07/31/dcmes-xml/dcmes-xml-dtd.dtd\">\n\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:dc =\"http://purl.org/dc/elements/1.1/\">\n\
         {listed}</rdf:RDF>"
    );
    Ok(Answer::new(200, "text/xml; charset=utf-8", xml))
}

fn looked_up(
    world: &World,
    ask: &Ask,
    row: &Row,
    lookup: &str,
    wanted: &str,
) -> Result<bool, Crash> {
    let values: Vec<String> = match lookup.split("__").next().unwrap_or("") {
        "title" => vec![world.translated(row, "title", ask.lang).to_owned()],
        "description" => vec![world.translated(row, "description", ask.lang).to_owned()],
        "slug" => vec![text_of(row, "slug").to_owned()],
        "tags" => world.tags_of(row),
        _ => return Err(Crash("FieldError")),
    };
    let test = |value: &String| match lookup.rsplit("__").next() {
        Some("contains") => value.contains(wanted),
        Some("icontains") => value.to_lowercase().contains(&wanted.to_lowercase()),
        _ => world.same(value, wanted),
    };
    Ok(values.iter().any(test))
}

fn description(world: &World, ask: &Ask, row: &Row) -> String {
    let user = id_of(row, "owner").and_then(|id| world.row("users", id));
    let name = |field: &str| user.map_or("", |user| text_of(user, field));
    let type_title = id_of(row, "type")
        .and_then(|id| world.row("types", id))
        .map_or("", |row| text_of(row, "title"));
    let disciplines: Vec<&str> = ids_of(row, "discipline")
        .into_iter()
        .filter_map(|id| world.row("discipline", id))
        .map(|row| text_of(row, "title"))
        .collect();
    let licence = match text_of(row, "licence") {
        "" => "BY-NC-SA".to_owned(),
        licence => licence.to_uppercase(),
    };
    let told = [
        ("title", world.translated(row, "title", ask.lang).to_owned()),
        (
            "creator",
            format!("{} {}", name("first_name"), name("last_name")),
        ),
        (
            "description",
            world.translated(row, "description", ask.lang).to_owned(),
        ),
        (
            "subject",
            format!("{type_title}, {}", disciplines.join(", ")),
        ),
        ("publisher", "University name".to_owned()),
        ("contributor", String::new()),
        (
            "date",
            local_format(row["date_added"].as_i64().unwrap_or(0), "%Y/%m/%d"),
        ),
        ("type", "video".to_owned()),
        (
            "identifier",
            format!(
                "http://{}/video/{}/",
                world.settings.site_domain,
                text_of(row, "slug")
            ),
        ),
        ("language", text_of(row, "main_lang").to_owned()),
        ("coverage", "University name - Town - Country".to_owned()),
        ("rights", licence),
        ("format", "video/mp4".to_owned()),
    ];
    let lines: String = told
        .iter()
        .map(|(name, value)| format!("    <dc.{name}>{value}</dc.{name}>\n"))
        .collect();
    format!("<rdf:Description rdf:about=\"http://dublincore.org/\">\n{lines}</rdf:Description>")
}
