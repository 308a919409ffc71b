//! A proxy between hook and receiver that delays, truncates, resets, and repeats.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Dice;

/// Most bytes of a connection that are kept to be repeated.
const REPEATED: usize = 4 << 20;

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Nothing.
    Pass,
    /// Every piece waits so long.
    Delay(Duration),
    /// It breaks after so many bytes from the client.
    Break(u64),
    /// Of the answers only so many bytes come back.
    Mute(u64),
    /// All that was sent is sent once more afterwards, by somebody whom nobody listens to.
    Repeat,
    /// It is hung up on.
    Refuse,
}

/// The proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    /// The dice; `None` while all is well.
    dice: Mutex<Option<Dice>>,
    repeats: AtomicU64,
    stop: AtomicBool,
}

impl Proxy {
    /// Starts in front of an address, and passes everything on.
    pub fn start(upstream: &str) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the proxy");
        let port = listener.local_addr().expect("the proxy's address").port();
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            dice: Mutex::new(None),
            repeats: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let of = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), of) = (stream, Arc::clone(&of)) else {
                    continue;
                };
                let fate = of.fate();
                thread::spawn(move || carry(&of, client, fate));
            }
        });
        Proxy { port, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on connections meet the fate that the dice give them.
    pub fn turn_hostile(&self, dice: Dice) {
        *self.shared.dice.lock().expect("the dice") = Some(dice);
    }

    /// From now on everything is passed on. What is to be repeated has been repeated when this
    /// returns.
    pub fn turn_friendly(&self) {
        *self.shared.dice.lock().expect("the dice") = None;
        while self.shared.repeats.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn fate(&self) -> Fate {
        let mut dice = self.dice.lock().expect("the dice");
        let Some(dice) = dice.as_mut() else {
            return Fate::Pass;
        };
        match dice.below(10) {
            0 | 1 => Fate::Pass,
            2 => Fate::Delay(Duration::from_millis(dice.below(8))),
            3..=5 => Fate::Break(dice.below(200_000)),
            6 => Fate::Mute(0),
            7 => Fate::Mute(dice.below(200)),
            8 => Fate::Repeat,
            _ => Fate::Refuse,
        }
    }
}

fn carry(shared: &Shared, client: TcpStream, fate: Fate) {
    if matches!(fate, Fate::Refuse) {
        return;
    }
    let Ok(server) = TcpStream::connect(&shared.upstream) else {
        return;
    };
    let pause = match fate {
        Fate::Delay(pause) => pause,
        _ => Duration::ZERO,
    };
    let (up, down) = match fate {
        Fate::Break(bytes) => (bytes, u64::MAX),
        Fate::Mute(bytes) => (u64::MAX, bytes),
        _ => (u64::MAX, u64::MAX),
    };
    let repeat = matches!(fate, Fate::Repeat);
    if repeat {
        shared.repeats.fetch_add(1, Ordering::SeqCst);
    }
    let mut kept = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            pipe(&server, &client, down, pause, &mut Vec::new());
            // Whoever is cut off is cut off on both sides.
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
        pipe(&client, &server, up, pause, &mut kept);
        if up != u64::MAX {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = server.shutdown(if up == u64::MAX {
            Shutdown::Write
        } else {
            Shutdown::Both
        });
    });
    if repeat {
        send_again(shared, &kept);
        shared.repeats.fetch_sub(1, Ordering::SeqCst);
    }
}

fn send_again(shared: &Shared, bytes: &[u8]) {
    let Ok(mut server) = TcpStream::connect(&shared.upstream) else {
        return;
    };
    let _ = server.set_read_timeout(Some(Duration::from_millis(300)));
    let _ = server.write_all(bytes);
    let _ = server.shutdown(Shutdown::Write);
    let _ = server.read_to_end(&mut Vec::new());
}

/// Passes bytes on until one side ends or the limit is reached.
fn pipe(mut from: &TcpStream, mut to: &TcpStream, limit: u64, pause: Duration, kept: &mut Vec<u8>) {
    let mut left = limit;
    let mut buffer = [0; 16 * 1024];
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let n = match from.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        if kept.len() + n <= REPEATED {
            kept.extend_from_slice(&buffer[..n]);
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
        left -= n as u64;
    }
}
