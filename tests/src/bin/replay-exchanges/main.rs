//! Replays recorded exchanges with real Pods against the stand-in, in their order, and says where
//! the stand-in answers otherwise.
//!
//! The folder comes as the argument or in BBB2POD_SHARED (then its `pod/exchanges`). Each
//! differing exchange is told; the last line is `N passed, N failed`, and the exit code 1 when
//! any failed.

mod compare;
mod script;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::Value;
use support::pod::{ADMIN_TOKEN, STAFF_TOKEN, STUDENT_TOKEN, StandInPod};

use compare::Pairs;
use script::{LESS_STRICT, NOT_COMPARED, Sites};

/// 2026-11-21 06:50 in Paris, when the recordings began.
const BEGINNING: i64 = 1_795_240_200;

#[derive(Debug, Deserialize)]
struct Exchange {
    request: Sent,
    response: Got,
}

#[derive(Debug, Deserialize)]
struct Sent {
    method: String,
    url: String,
    token: String,
    json: Option<Value>,
    multipart: Option<Vec<String>>,
    headers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Got {
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    body: Value,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let folder = match (
        std::env::args_os().nth(1),
        std::env::var_os("BBB2POD_SHARED"),
    ) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(shared)) => Path::new(&shared).join("pod/exchanges"),
        (None, None) => {
            anyhow::bail!("name the folder of the recorded exchanges, or set BBB2POD_SHARED")
        }
    };
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let sites = Sites::start(BEGINNING - i64::try_from(now)?);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let mut pairs = Pairs::default();
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let exchange: Exchange =
            serde_json::from_slice(&std::fs::read(&file)?).with_context(|| name.clone())?;
        let differences = replay(&sites, &client, &mut pairs, &name, &exchange)
            .await
            .with_context(|| name.clone())?;
        if differences.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("{name}: {}", differences.join("; "));
        }
    }
    for (what, why) in LESS_STRICT {
        println!("less strict: {what}: {why}");
    }
    for (name, field, why) in NOT_COMPARED {
        println!("not compared: {name}, {field}: {why}");
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn replay(
    sites: &Sites,
    client: &reqwest::Client,
    pairs: &mut Pairs,
    name: &str,
    exchange: &Exchange,
) -> anyhow::Result<Vec<String>> {
    sites.before(name).await?;
    let number: u32 = name.split('-').next().unwrap_or("").parse()?;
    let sent = &exchange.request;
    let after = sent
        .url
        .strip_prefix("http://")
        .context("an http address")?;
    let (host, target) = after.split_once('/').context("a path")?;
    let pod = sites.of(number, host);
    let answer = request(client, pod, host, target, sent, sites.cookie(number))?
        .send()
        .await?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body = answer.text().await?;

    let mut found = Vec::new();
    if status != exchange.response.status {
        found.push(format!(
            "status {status} instead of {}",
            exchange.response.status
        ));
    }
    let options = sent.method == "OPTIONS";
    compare_headers(pairs, &exchange.response, &headers, &mut found);
    compare_bodies(
        pairs,
        name,
        options,
        &exchange.response.body,
        &body,
        &mut found,
    );
    Ok(found)
}

fn request(
    client: &reqwest::Client,
    pod: &StandInPod,
    host: &str,
    target: &str,
    sent: &Sent,
    cookie: Option<String>,
) -> anyhow::Result<reqwest::RequestBuilder> {
    let mut request = client
        .request(sent.method.parse()?, format!("{}/{target}", pod.url()))
        .header("Host", host);
    let token = match sent.token.as_str() {
        "none" => None,
        "admin" => Some(ADMIN_TOKEN),
        "staff" => Some(STAFF_TOKEN),
        "student" => Some(STUDENT_TOKEN),
        other => Some(other),
    };
    if let Some(token) = token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    // The recording client asked for English unless a request said otherwise.
    if !sent
        .headers
        .iter()
        .any(|header| header.starts_with("Accept-Language"))
    {
        request = request.header("Accept-Language", "en");
    }
    let chunked = sent
        .headers
        .iter()
        .any(|header| header == "Transfer-Encoding: chunked");
    for (header, value) in sent
        .headers
        .iter()
        .filter_map(|header| header.split_once(": "))
    {
        if header != "Transfer-Encoding" {
            request = request.header(header, value);
        }
        if header == "Content-Type" && sent.json.is_none() && sent.multipart.is_none() {
            request = request.body("x");
        }
    }
    if let Some(cookie) = cookie {
        request = request.header("Cookie", cookie);
    }
    if let Some(json) = &sent.json {
        request = request.json(json);
    }
    if let Some(parts) = &sent.multipart {
        request = request.multipart(form(parts, chunked)?);
    }
    Ok(request)
}

/// A form in the words of curl's `-F`.
fn form(parts: &[String], chunked: bool) -> anyhow::Result<Form> {
    let mut form = Form::new();
    for part in parts {
        let (key, value) = part.split_once('=').context("a field's name")?;
        let Some(file) = value.strip_prefix('@') else {
            form = form.text(key.to_owned(), value.to_owned());
            continue;
        };
        let (path, renamed) = file.split_once(";filename=").unwrap_or((file, ""));
        let base = path.rsplit('/').next().unwrap_or("");
        let bytes: &'static [u8] = match base.rsplit('.').next() {
            _ if base.starts_with("empty") => b"",
            Some("mp4") => b"\0\0\0\x20ftypisom",
            _ => b"something else",
        };
        let part = if chunked {
            Part::stream(reqwest::Body::wrap_stream(futures::stream::iter([Ok::<
                _,
                std::io::Error,
            >(
                bytes
            )])))
        } else {
            Part::bytes(bytes)
        };
        let name = if renamed.is_empty() { base } else { renamed };
        form = form.part(key.to_owned(), part.file_name(name.to_owned()));
    }
    Ok(form)
}

fn compare_headers(
    pairs: &mut Pairs,
    recorded: &Got,
    replayed: &HeaderMap,
    found: &mut Vec<String>,
) {
    let here = |name: &str| {
        let values: Vec<&str> = replayed
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        values.join(", ")
    };
    let there = |name: &str| recorded.headers.get(name).map_or("", |value| value.trim());
    let set = |text: &str| -> BTreeSet<String> {
        text.split(',').map(|word| word.trim().to_owned()).collect()
    };
    for name in [
        "Content-Type",
        "Location",
        "WWW-Authenticate",
        "Content-Language",
    ] {
        if !pairs.text(there(name), &here(name)) {
            found.push(format!(
                "{name} \"{}\" instead of \"{}\"",
                here(name),
                there(name)
            ));
        }
    }
    for name in ["Allow", "Vary"] {
        if set(there(name)) != set(&here(name)) {
            found.push(format!(
                "{name} \"{}\" instead of \"{}\"",
                here(name),
                there(name)
            ));
        }
    }
    let cookie = |text: &str| text.split('=').next().unwrap_or("").to_owned();
    if cookie(there("Set-Cookie")) != cookie(&here("Set-Cookie")) {
        found.push(format!(
            "Set-Cookie \"{}\" instead of \"{}\"",
            here("Set-Cookie"),
            there("Set-Cookie")
        ));
    }
}

fn compare_bodies(
    pairs: &mut Pairs,
    name: &str,
    options: bool,
    recorded: &Value,
    replayed: &str,
    found: &mut Vec<String>,
) {
    if let Value::String(text) = recorded {
        if !text.contains("[HTML page cut]") {
            if !pairs.text(text, replayed) {
                found.push(format!("body {replayed:?} instead of {text:?}"));
            }
        } else if let Some(expected) = title(text)
            && title(replayed).as_ref() != Some(&expected)
        {
            found.push(format!(
                "page {:?} instead of {expected:?}",
                title(replayed)
            ));
        }
        return;
    }
    let Ok(mut replayed) = serde_json::from_str::<Value>(replayed) else {
        found.push(format!("no JSON: {replayed:?}"));
        return;
    };
    let mut recorded = recorded.clone();
    let skipped = NOT_COMPARED
        .iter()
        .filter(|(of, ..)| *of == name)
        .map(|(_, field, _)| *field);
    let texts = if options {
        vec!["label", "help_text", "display_name"]
    } else {
        Vec::new()
    };
    for field in skipped.chain(texts) {
        drop_field(&mut recorded, field);
        drop_field(&mut replayed, field);
    }
    pairs.json("", &recorded, &replayed, found);
}

fn title(page: &str) -> Option<String> {
    let (_, after) = page.split_once("<title>")?;
    let (title, _) = after.split_once("</title>")?;
    Some(title.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn drop_field(value: &mut Value, field: &str) {
    match value {
        Value::Object(object) => {
            object.remove(field);
            object
                .values_mut()
                .for_each(|value| drop_field(value, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| drop_field(value, field)),
        _ => {}
    }
}
