//! A BigBlueButton server as the outside sees it: its API's `getRecordings`, the page of a video,
//! and the files that players fetch. It is slow, cut short or strict about checksums when told to.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use recording::Metadata;
use sha1::Digest as _;
use url::Url;

/// The secret that requests are to be signed with.
pub const SECRET: &str = "8cd8ef52e8e101574e400365b55e11a6";

/// A server in threads of its own.
pub struct BbbServer {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// `/var/bigbluebutton/published`
    published: PathBuf,
    asked: Vec<String>,
    cut_answer: Option<usize>,
    cut_file: Option<(String, usize)>,
    slow_over: usize,
    /// Held open until the server ends.
    stalled: Vec<TcpStream>,
}

impl BbbServer {
    /// Serves a node's folder of published recordings.
    pub fn start(published: &Path) -> BbbServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("the address of a listener");
        let inner = Arc::new(Mutex::new(Inner {
            published: published.to_owned(),
            asked: Vec::new(),
            cut_answer: None,
            cut_file: None,
            slow_over: usize::MAX,
            stalled: Vec::new(),
        }));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away in the middle is no concern of the server.
                thread::spawn(move || answer(stream, address, &shared).ok());
            }
        });
        BbbServer { address, inner }
    }

    /// The address that `bbb-conf --secret` shows.
    pub fn url(&self) -> String {
        format!("http://{}/bigbluebutton/", self.address)
    }

    /// The next list ends after so many bytes.
    pub fn cut_answer(&self, bytes: usize) {
        self.lock().cut_answer = Some(bytes);
    }

    /// The next time that a file of this name is asked for, it ends after so many bytes.
    pub fn cut_file(&self, name: &str, bytes: usize) {
        self.lock().cut_file = Some((name.to_owned(), bytes));
    }

    /// Lists of more recordings than this never come.
    pub fn slow_over(&self, recordings: usize) {
        self.lock().slow_over = recordings;
    }

    /// Paths and queries that were asked for; forgotten with this.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().asked)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(
    mut stream: TcpStream,
    address: SocketAddr,
    shared: &Mutex<Inner>,
) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut from = 0;
    loop {
        line.clear();
        head.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("range") {
            let first = value.trim_start_matches("bytes=").trim_end_matches('-');
            from = first.parse().unwrap_or(0);
        }
    }
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    lock().asked.push(target.clone());
    let url = Url::parse(&format!("http://{address}{target}")).map_err(std::io::Error::other)?;
    let published = lock().published.clone();
    if url.path() == "/bigbluebutton/api/getRecordings" {
        let (body, recordings) = list(&url, &published);
        let mut inner = lock();
        if recordings > inner.slow_over {
            inner.stalled.push(stream);
            return Ok(());
        }
        let cut = inner.cut_answer.take().unwrap_or(body.len());
        drop(inner);
        return send(stream, 200, "text/xml", body.as_bytes(), 0, cut);
    }
    let path = url
        .path()
        .trim_start_matches("/playback")
        .trim_start_matches('/')
        .to_owned();
    let mut file = published.join(&path);
    if path.ends_with('/') {
        file.push("index.html");
    }
    match fs::read(&file) {
        Ok(content) => {
            let cut = {
                let mut inner = lock();
                let is_it = inner
                    .cut_file
                    .as_ref()
                    .is_some_and(|(name, _)| path.ends_with(name.as_str()));
                is_it.then(|| inner.cut_file.take()).flatten()
            };
            let cut = cut.map_or(content.len(), |(_, bytes)| bytes);
            send(stream, 200, "application/octet-stream", &content, from, cut)
        }
        Err(_) => send(stream.try_clone()?, 404, "text/html", b"<html>", 0, 6)
            .and_then(|()| stream.flush()),
    }
}

fn send(
    mut stream: TcpStream,
    status: u16,
    kind: &str,
    content: &[u8],
    from: usize,
    cut: usize,
) -> std::io::Result<()> {
    let from = from.min(content.len());
    let (status, range) = match from {
        0 => (status, String::new()),
        _ => {
            let last = content.len().saturating_sub(1);
            (
                206,
                format!("Content-Range: bytes {from}-{last}/{}\r\n", content.len()),
            )
        }
    };
    let body = &content[from..];
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {kind}\r\nETag: \"{}\"\r\n\
         Last-Modified: Tue, 15 Nov 2022 12:45:26 GMT\r\nContent-Length: {}\r\n{range}\r\n",
        content.len(),
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body[..cut.min(body.len())])?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // Closed by the client first, so that nothing of the answer is lost.
    stream.read(&mut [0]).map(|_| ())
}

/// The answer to `getRecordings`, and how many recordings are in it.
fn list(url: &Url, published: &Path) -> (String, usize) {
    let query = url.query().unwrap_or_default();
    let (signed, checksum) = match query.rsplit_once("checksum=") {
        Some((signed, checksum)) => (signed.trim_end_matches('&'), checksum),
        None => (query, ""),
    };
    let text = format!("getRecordings{signed}{SECRET}");
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let sums = [
        hex(&sha1::Sha1::digest(&text)),
        hex(&sha2::Sha256::digest(&text)),
        hex(&sha2::Sha512::digest(&text)),
    ];
    if !sums.iter().any(|sum| sum == checksum) {
        let refused = "<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey>\
                       <message>You did not pass the checksum security check</message></response>";
        return (refused.to_owned(), 0);
    }
    let of = |name: &str| {
        let value = url
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned());
        value.map(|value| value.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let (meetings, ids) = (of("meetingID"), of("recordID"));
    let mut found = String::new();
    let mut count = 0;
    let presentations = published.join("presentation");
    let mut folders: Vec<PathBuf> = fs::read_dir(presentations)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders {
        let Ok(metadata) = Metadata::read(&folder.join("metadata.xml")) else {
            continue;
        };
        let id = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let meeting = metadata.external_meeting_id.clone().unwrap_or_default();
        let wanted = meetings.as_ref().is_none_or(|all| all.contains(&meeting))
            && ids
                .as_ref()
                .is_none_or(|starts| starts.iter().any(|start| id.starts_with(start)));
        if !wanted {
            continue;
        }
        count += 1;
        found += &one(url, published, &id, &meeting, &metadata);
    }
    let answer = format!(
        "<response><returncode>SUCCESS</returncode><recordings>{found}</recordings></response>"
    );
    (answer, count)
}

fn one(url: &Url, published: &Path, id: &str, meeting: &str, metadata: &Metadata) -> String {
    let host = url.origin().ascii_serialization();
    let millis = |at: Option<jiff::Timestamp>| at.map_or(0, |at| at.as_millisecond());
    let mut forms = format!(
        "<format><type>presentation</type><url>{host}/playback/presentation/2.3/{id}</url><length>0</length></format>"
    );
    if published.join("video").join(id).is_dir() {
        forms += &format!(
            "<format><type>video</type><url>{host}/playback/video/{id}/</url><length>0</length><size>7</size></format>"
        );
    }
    let meta: String = metadata
        .meta
        .iter()
        .map(|(key, value)| format!("<{key}><![CDATA[{value}]]></{key}>"))
        .collect();
    format!(
        "<recording><recordID>{id}</recordID><meetingID>{meeting}</meetingID><name><![CDATA[{}]]></name>\
         <published>true</published><state>published</state><startTime>{}</startTime><endTime>{}</endTime>\
         <metadata>{meta}</metadata><playback>{forms}</playback></recording>",
        metadata.title().unwrap_or_default(),
        millis(metadata.start),
        millis(metadata.end),
    )
}
