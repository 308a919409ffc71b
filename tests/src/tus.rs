//! A tus client that says exactly what it is told to, right or wrong: headers as they are, bodies
//! cut off, connections held open.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest as _;

use crate::harness::Site;

/// The content type of a chunk.
pub const CHUNK: &str = "application/offset+octet-stream";

/// Longest time that an answer takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client with a node's token.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    token: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A header that is a number.
    ///
    /// # Panics
    /// It is not there, or not a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let text = self.header(name);
        let number = text.and_then(|text| text.parse().ok());
        number.unwrap_or_else(|| panic!("{name} is {text:?} in {self:?}"))
    }

    /// The path that a creation gave.
    ///
    /// # Panics
    /// It was not created.
    #[track_caller]
    pub fn location(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        self.header("location").expect("a Location").to_owned()
    }
}

impl Client {
    /// A client of a site, with its node's token.
    ///
    /// # Panics
    /// The token cannot be read.
    pub fn of(site: &Site) -> Client {
        let token = fs::read_to_string(site.token_file()).expect("the token");
        Client::new(&site.address(), token.trim())
    }

    /// A client with any token.
    pub fn new(address: &str, token: &str) -> Client {
        Client {
            address: address.trim_start_matches("http://").to_owned(),
            token: token.to_owned(),
        }
    }

    /// Opens a connection and sends bytes on it.
    ///
    /// # Panics
    /// Nobody listens.
    pub fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // Who has been refused already may hang up before everything is sent.
        let _ = stream.write_all(bytes);
        stream
    }

    /// The head of a request, with the version and the token unless these headers say otherwise; a
    /// header without value is left out.
    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: receiver\r\n");
        if !has("Tus-Resumable") {
            head += "Tus-Resumable: 1.0.0\r\n";
        }
        if !has("Authorization") {
            head += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Sends a request with a body and gives the answer.
    ///
    /// # Panics
    /// There is none.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        all.push(("Connection", "close"));
        let says = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !says("Content-Length") && !says("Transfer-Encoding") {
            all.push(("Content-Length", &length));
        }
        let mut bytes = self.head(method, path, &all).into_bytes();
        bytes.extend_from_slice(body);
        answer_on(self.send(&bytes)).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Makes an upload and gives its path.
    ///
    /// # Panics
    /// It is not made.
    #[track_caller]
    pub fn create(&self, length: u64) -> String {
        let length = length.to_string();
        self.ask("POST", "/files/", &[("Upload-Length", &length)], b"")
            .location()
    }

    /// Sends a chunk.
    pub fn patch(&self, path: &str, offset: u64, bytes: &[u8]) -> Answer {
        let offset = offset.to_string();
        let headers = [("Content-Type", CHUNK), ("Upload-Offset", offset.as_str())];
        self.ask("PATCH", path, &headers, bytes)
    }

    /// Where an upload stands.
    ///
    /// # Panics
    /// There is no such upload.
    #[track_caller]
    pub fn offset(&self, path: &str) -> u64 {
        self.ask("HEAD", path, &[], b"").number("upload-offset")
    }
}

/// Reads an answer until the server hangs up or it is whole; `None` when there is none.
pub fn answer_on(mut stream: TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let n = stream.read(&mut buffer).unwrap_or(0);
        bytes.extend_from_slice(&buffer[..n]);
        let answer = parsed(&bytes);
        let whole = answer.as_ref().is_some_and(|answer| {
            let length = answer.header("content-length").map(str::parse::<usize>);
            matches!(length, Some(Ok(length)) if answer.body.len() >= length)
        });
        if whole || n == 0 {
            return answer;
        }
    }
}

fn parsed(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        let at = text.find("\r\n\r\n")? + 4;
        return parsed(&bytes[at..]);
    }
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}

/// The value of an `Upload-Checksum` with SHA-1.
pub fn sha1_of(bytes: &[u8]) -> String {
    format!("sha1 {}", STANDARD.encode(sha1::Sha1::digest(bytes)))
}

/// The value of an `Upload-Checksum` with SHA-256.
pub fn sha256_of(bytes: &[u8]) -> String {
    format!("sha256 {}", STANDARD.encode(sha2::Sha256::digest(bytes)))
}

/// One pair of `Upload-Metadata`.
pub fn metadata_of(key: &str, value: &str) -> String {
    format!("{key} {}", STANDARD.encode(value))
}
