//! A bad network: a TCP relay that cuts connections at bytes of its choosing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A relay in front of a peer.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    /// Connections cut so far.
    pub(crate) cuts: Arc<AtomicU64>,
}

impl Network {
    /// A relay whose n-th connection is cut after `budget(n)` bytes in either direction; `None`
    /// lets it live.
    pub(crate) fn to(
        peer: SocketAddr,
        budget: impl Fn(u64) -> Option<u64> + Send + Sync + 'static,
    ) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network {
            address: listener.local_addr().unwrap(),
            cuts: Arc::default(),
        };
        let cuts = network.cuts.clone();
        std::thread::spawn(move || {
            for (n, near) in (0..).zip(listener.incoming()) {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(peer)) else {
                    continue;
                };
                let left = budget(n).map(|bytes| Arc::new(AtomicU64::new(bytes)));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (left, cuts) = (left.clone(), cuts.clone());
                    std::thread::spawn(move || relay(from, to, left.as_deref(), &cuts));
                }
            }
        });
        network
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, left: Option<&AtomicU64>, cuts: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let mut pass = n;
        if let Some(left) = left {
            let before = left.load(Ordering::SeqCst);
            pass = n.min(usize::try_from(before).unwrap());
            left.store(before - pass as u64, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..pass]).is_err() || pass < n {
            cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
