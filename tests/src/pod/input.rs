//! The body of a request as the REST framework's parsers see it.

use std::io::Write;
use std::path::Path;

use axum::body::Body;
use axum::http::HeaderMap;
use futures::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::world::{Row, hex};

/// A file that came in a form, in a scratch file that goes away unless it is kept.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) path: TempPath,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) head: Vec<u8>,
}

impl Upload {
    /// Whether the encoder will find a video or a sound in it: by the first bytes of the
    /// containers that Pod accepts.
    pub(crate) fn readable(&self) -> bool {
        readable(&self.head)
    }
}

pub(crate) fn readable(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    at(4, b"ftyp")
        || at(0, b"\x1a\x45\xdf\xa3")
        || at(0, b"RIFF")
        || at(0, b"OggS")
        || at(0, b"ID3")
        || at(0, b"\xff\xfb")
}

#[derive(Debug)]
pub(crate) enum Entry {
    Text(String),
    File(Upload),
}

#[derive(Debug)]
pub(crate) enum Data {
    Json(Row),
    /// HTML form input, where a missing tick is a no and a missing list is an empty one.
    Form(Vec<(String, Entry)>),
}

impl Data {
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        match self {
            Data::Json(row) => row.get(name).cloned(),
            Data::Form(entries) => {
                entries
                    .iter()
                    .rev()
                    .find(|(key, _)| key == name)
                    .and_then(|(_, entry)| match entry {
                        Entry::Text(text) => Some(Value::String(text.clone())),
                        Entry::File(_) => None,
                    })
            }
        }
    }

    pub(crate) fn take_file(&mut self, name: &str) -> Option<Upload> {
        let Data::Form(entries) = self else {
            return None;
        };
        let at = entries
            .iter()
            .rposition(|(key, entry)| key == name && matches!(entry, Entry::File(_)))?;
        match entries.remove(at).1 {
            Entry::File(upload) => Some(upload),
            Entry::Text(_) => None,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Input {
    Data(Data),
    NotJson,
    /// JSON, but not an object: the name of its type.
    NotAnObject(&'static str),
    Unsupported(String),
}

/// The connection broke before the body was complete.
#[derive(Debug)]
pub(crate) struct CutShort;

/// Reads the whole body. Without a Content-Length there is no body to the site: WSGI knows no
/// chunked transfer.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    scratch: &Path,
) -> Result<Input, CutShort> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    let media = header("content-type").to_owned();
    let kind = media
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let is_form = kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data";
    let length: u64 = header("content-length").parse().unwrap_or(0);
    if length == 0 {
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            chunk.map_err(|_| CutShort)?;
        }
        return Ok(Input::Data(if is_form {
            Data::Form(Vec::new())
        } else {
            Data::Json(Row::new())
        }));
    }
    if kind == "multipart/form-data" {
        return read_form(&media, body, scratch).await;
    }
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|_| CutShort)?;
    Ok(match kind.as_str() {
        "application/json" => match serde_json::from_slice(&bytes) {
            Ok(Value::Object(row)) => Input::Data(Data::Json(row)),
            Ok(other) => Input::NotAnObject(type_name(&other)),
            Err(_) => Input::NotJson,
        },
        "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(&bytes);
            Input::Data(Data::Form(
                pairs
                    .map(|(key, value)| (key.into_owned(), Entry::Text(value.into_owned())))
                    .collect(),
            ))
        }
        _ => Input::Unsupported(media),
    })
}

async fn read_form(media: &str, body: Body, scratch: &Path) -> Result<Input, CutShort> {
    let Ok(boundary) = multer::parse_boundary(media) else {
        return Ok(Input::Data(Data::Form(Vec::new())));
    };
    let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
    let mut entries = Vec::new();
    while let Some(mut field) = form.next_field().await.map_err(|_| CutShort)? {
        let name = field.name().unwrap_or("").to_owned();
        let Some(file_name) = field.file_name().map(str::to_owned) else {
            let text = field.bytes().await.map_err(|_| CutShort)?;
            entries.push((
                name,
                Entry::Text(String::from_utf8_lossy(&text).into_owned()),
            ));
            continue;
        };
        let mut file = tempfile::Builder::new()
            .prefix("upload-")
            .tempfile_in(scratch)
            .expect("a scratch file for an upload");
        let (mut hash, mut size, mut head) = (Sha256::new(), 0, Vec::new());
        while let Some(chunk) = field.chunk().await.map_err(|_| CutShort)? {
            file.write_all(&chunk).expect("room for an upload");
            hash.update(&chunk);
            size += chunk.len() as u64;
            head.extend(chunk.iter().take(64_usize.saturating_sub(head.len())));
        }
        if file_name.is_empty() {
            continue;
        }
        let upload = Upload {
            name: file_name,
            path: file.into_temp_path(),
            size,
            sha256: hex(&hash.finalize()),
            head,
        };
        entries.push((name, Entry::File(upload)));
    }
    Ok(Input::Data(Data::Form(entries)))
}

/// The type of a JSON value as Python names it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
