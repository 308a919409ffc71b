//! What lies on the node, looked at by several threads.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use recording::{Metadata, PlaybackFormat, RecordId};

use crate::bbb::{Node, Place};
use crate::outbox::looks::{Look, Looks, Stamp};
use crate::outbox::snapshot::{Tree, read_small};

/// Threads that look; a node has better things to do with the others.
const THREADS: usize = 4;

/// One published folder.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) record_id: RecordId,
    pub(crate) format: PlaybackFormat,
    pub(crate) place: Place,
    /// The folder that holds `<format>/<record id>/`.
    pub(crate) root: PathBuf,
    pub(crate) look: Look,
    /// What `metadata.xml` says, when it can be read.
    pub(crate) metadata: Option<Metadata>,
}

/// Makes something of every folder in these places, in the order of places, ids and formats.
///
/// A folder that is empty, or was moved away since it was listed, is passed over. With `looks`, one
/// that has not changed since it was looked at is not looked into again.
///
/// # Errors
/// A place is there and cannot be listed.
pub(crate) fn each<T: Send>(
    node: &Node,
    places: &[Place],
    looks: Option<&Looks>,
    make: impl Fn(Found) -> Option<T> + Sync,
) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for place in places {
        let root = node.root(*place);
        if *place == Place::Published || root.is_dir() {
            let below = Node::all_below(&root)?;
            all.extend(below.into_iter().map(|(id, format)| (*place, id, format)));
        }
    }
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::with_capacity(all.len()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((place, record_id, format)) = all.get(n) else {
                        break;
                    };
                    let found = look(node, *place, record_id, format, looks);
                    if let Some(made) = found.and_then(&make) {
                        mine.push((n, made));
                    }
                }
                if let Ok(mut made) = made.lock() {
                    made.append(&mut mine);
                }
            });
        }
    });
    let mut made = made
        .into_inner()
        .map_err(|_| io::Error::other("a thread broke off"))?;
    made.sort_by_key(|(n, _)| *n);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

fn look(
    node: &Node,
    place: Place,
    record_id: &RecordId,
    format: &PlaybackFormat,
    looks: Option<&Looks>,
) -> Option<Found> {
    let root = node.root(place);
    let folder = root.join(format.as_str()).join(record_id.as_str());
    let stamp = looks.and_then(|looks| Some((looks, Stamp::of(&folder)?)));
    let known = stamp.and_then(|(looks, stamp)| looks.get(&folder, &stamp));
    let (look, xml) = match known {
        Some(look) => (look, read_small(&folder.join("metadata.xml"))),
        None => {
            let tree = Tree::look(&folder).ok().filter(|tree| tree.files() > 0)?;
            let look = Look {
                fingerprint: tree.fingerprint(),
                bytes: tree.bytes(),
                last_change: tree.last_change(),
            };
            if let Some((looks, stamp)) = stamp {
                looks.add(&folder, &stamp, look);
            }
            (look, tree.metadata_xml().map(<[u8]>::to_vec))
        }
    };
    let metadata = xml
        .as_deref()
        .and_then(|xml| std::str::from_utf8(xml).ok()?.parse().ok());
    Some(Found {
        record_id: record_id.clone(),
        format: format.clone(),
        place,
        root,
        look,
        metadata,
    })
}
