//! A web server that has published recordings as a BigBlueButton server has them, and misbehaves
//! when told to.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// Closes the connection after so many bytes of the file.
    Cut(usize),
    /// Sends so many bytes of the file, then nothing more, keeping the connection open.
    Stall(usize),
    /// Sends the whole file although a part was asked for.
    Whole,
    /// Answers with this status.
    Status(u16),
    /// Answers 200 with a web page, whatever type it is called.
    Page(&'static str),
    /// Sends elsewhere.
    Redirect(String),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path, still percent-encoded.
    pub path: String,
    /// First byte asked for.
    pub from: Option<u64>,
}

/// A server in threads of its own.
pub struct PlaybackServer {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    root: PathBuf,
    asked: Vec<Asked>,
    /// Each for one request whose path ends so.
    faults: Vec<(String, VecDeque<Misbehaviour>)>,
    /// Held open until the server ends.
    stalled: Vec<TcpStream>,
}

impl PlaybackServer {
    /// Serves the folder `root`, in which `presentation/<record id>/` lies.
    pub fn start(root: &Path) -> PlaybackServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("the address of a listener");
        let inner = Arc::new(Mutex::new(Inner {
            root: root.to_owned(),
            asked: Vec::new(),
            faults: Vec::new(),
            stalled: Vec::new(),
        }));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away in the middle is no concern of the server.
                thread::spawn(move || answer(stream, &shared).ok());
            }
        });
        PlaybackServer { address, inner }
    }

    /// An address below the server's, as `/playback/presentation/2.3/ID`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Misbehaves at the next requests whose path ends so, once for each entry.
    pub fn next(&self, path_end: &str, what: &[Misbehaviour]) {
        let faults = what.iter().cloned().collect();
        self.lock().faults.push((path_end.to_owned(), faults));
    }

    /// What has been asked for so far; forgotten with this.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.lock().asked)
    }

    /// What has been asked for so far.
    pub fn asked_so_far(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(mut stream: TcpStream, shared: &Mutex<Inner>) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut from, mut if_range) = (None, None);
    loop {
        line.clear();
        head.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let start = value.trim_start_matches("bytes=").trim_end_matches('-');
                from = start.parse().ok();
            }
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    let (file, fault) = {
        let mut inner = shared.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked.push(Asked {
            path: path.clone(),
            from,
        });
        let fault = inner
            .faults
            .iter_mut()
            .filter(|(end, _)| path.ends_with(end.as_str()))
            .find_map(|(_, faults)| faults.pop_front());
        let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
        let file = inner.root.join(decoded.trim_start_matches('/'));
        (file, fault)
    };
    let plain = |status: u16, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        )
    };
    match &fault {
        Some(Misbehaviour::Status(status)) => {
            return stream.write_all(plain(*status, "", "").as_bytes());
        }
        Some(Misbehaviour::Page(kind)) => {
            let kind = format!("Content-Type: {kind}\r\n");
            let page = "<!DOCTYPE html><html><p>Log in</p></html>";
            return stream.write_all(plain(200, &kind, page).as_bytes());
        }
        Some(Misbehaviour::Redirect(to)) => {
            let to = format!("Location: {to}\r\n");
            return stream.write_all(plain(302, &to, "").as_bytes());
        }
        _ => {}
    }
    if !file.is_file() {
        return stream.write_all(plain(404, "Content-Type: text/html\r\n", "<html>").as_bytes());
    }
    let content = fs::read(&file)?;
    let modified = fs::metadata(&file)?.modified()?;
    let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", age.as_nanos(), content.len());
    let start = from
        .filter(|_| if_range.is_none_or(|wanted| wanted == tag))
        .filter(|_| !matches!(fault, Some(Misbehaviour::Whole)))
        .and_then(|from| usize::try_from(from).ok());
    let length = content.len();
    if start.is_some_and(|start| start >= length) {
        let more = format!("Content-Range: bytes */{length}\r\n");
        return stream.write_all(plain(416, &more, "").as_bytes());
    }
    let body = &content[start.unwrap_or(0)..];
    let (status, range) = match start {
        Some(start) => (
            206,
            format!("Content-Range: bytes {start}-{}/{length}\r\n", length - 1),
        ),
        None => (200, String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\nETag: {tag}\r\n\
         Last-Modified: Tue, 15 Nov 2022 12:45:26 GMT\r\n{range}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    match fault {
        Some(Misbehaviour::Cut(bytes)) => stream.write_all(&body[..bytes.min(body.len())]),
        Some(Misbehaviour::Stall(bytes)) => {
            stream.write_all(&body[..bytes.min(body.len())])?;
            let mut inner = shared.lock().unwrap_or_else(PoisonError::into_inner);
            inner.stalled.push(stream);
            Ok(())
        }
        _ => {
            stream.write_all(body)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            // Closed by the client first, so that nothing of the answer is lost.
            stream.read(&mut [0]).map(|_| ())
        }
    }
}
