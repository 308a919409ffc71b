//! Which byte of the tar is what.
//!
//! GNU's form of tar, which GNU tar and Python's tarfile both read: names over 100 bytes in a
//! `././@LongLink` member before theirs, sizes of 8 GiB and more in base 256. Only the place of
//! every member is kept; header blocks are computed when their bytes are asked for, so that a
//! recording with a hundred thousand files does not fill the memory of a BBB node.

use std::io;

use tar::{EntryType, Header};

use crate::manifest::{FileEntry, MEMBER_NAME, Manifest};

const BLOCK: u64 = 512;
/// Longest name that fits a header; longer ones need a member of their own.
const SHORT_NAME: usize = 100;
/// Permissions of every member: what BBB's published files have.
const MODE: u32 = 0o644;

#[derive(Debug)]
pub(super) struct Layout {
    /// The first member, unless the package is a plain one.
    manifest_json: Option<Vec<u8>>,
    /// First byte of each file's header, then of the end marker.
    starts: Vec<u64>,
    headers: Vec<(String, u64, u64)>,
}

/// What stands at some byte, up to a boundary.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Computed bytes from here on.
    Bytes(Vec<u8>),
    /// So many zero bytes.
    Zeros(u64),
    /// A file of the manifest from an offset on.
    File {
        /// Index into the manifest's files.
        index: usize,
        /// Byte in the file.
        offset: u64,
    },
}

impl Layout {
    pub(super) fn of(manifest: &Manifest, plain: bool) -> io::Result<Layout> {
        let manifest_json = if plain {
            None
        } else {
            Some(manifest.to_json()?)
        };
        let published = u64::try_from(manifest.published_at.as_second()).unwrap_or(0);
        let first = manifest_json
            .as_ref()
            .map(|json| (MEMBER_NAME.to_owned(), json.len() as u64, published));
        let of_file = |file: &FileEntry| {
            let modified = u64::try_from(file.modified.as_second()).unwrap_or(0);
            (file.path.clone(), file.size, modified)
        };
        let headers: Vec<_> = first
            .into_iter()
            .chain(manifest.files.iter().map(of_file))
            .collect();
        let mut starts = Vec::with_capacity(headers.len() + 1);
        let mut position: u64 = 0;
        for (name, size, _) in &headers {
            starts.push(position);
            // Computed once here so that a name no header can hold is an error now, not while sending.
            let next = padded(*size).and_then(|s| s.checked_add(header_length(name)));
            position = next
                .and_then(|n| position.checked_add(n))
                .ok_or_else(|| io::Error::other("the sizes overflow"))?;
        }
        starts.push(position);
        let layout = Layout {
            manifest_json,
            starts,
            headers,
        };
        for index in 0..layout.headers.len() {
            layout.header(index)?;
        }
        Ok(layout)
    }

    /// Two zero blocks end a tar.
    pub(super) fn length(&self) -> u64 {
        self.end_marker() + 2 * BLOCK
    }

    fn end_marker(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// What stands at a byte before [`Layout::length`].
    pub(super) fn at(&self, position: u64) -> Piece {
        if position >= self.end_marker() {
            return Piece::Zeros(self.length().saturating_sub(position));
        }
        let member = self.starts.partition_point(|start| *start <= position) - 1;
        let (name, size, _) = &self.headers[member];
        let within = position - self.starts[member];
        let header_length = header_length(name);
        if let (true, Ok(header)) = (within < header_length, self.header(member)) {
            return Piece::Bytes(header[to_index(within)..].to_vec());
        }
        let offset = within - header_length;
        if offset >= *size {
            return Piece::Zeros(self.starts[member + 1] - position);
        }
        match (&self.manifest_json, member) {
            (Some(json), 0) => Piece::Bytes(json[to_index(offset)..].to_vec()),
            (Some(_), _) => Piece::File {
                index: member - 1,
                offset,
            },
            (None, index) => Piece::File { index, offset },
        }
    }

    fn header(&self, member: usize) -> io::Result<Vec<u8>> {
        let (name, size, modified) = &self.headers[member];
        let mut bytes = Vec::with_capacity(to_index(header_length(name)));
        if name.len() > SHORT_NAME {
            let mut long = Header::new_gnu();
            long.set_entry_type(EntryType::GNULongName);
            long.set_path("././@LongLink")?;
            // GNU tar counts the terminating zero.
            long.set_size(name.len() as u64 + 1);
            long.set_mode(MODE);
            long.set_mtime(0);
            long.set_cksum();
            bytes.extend_from_slice(long.as_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.resize(to_index(header_length(name) - BLOCK), 0);
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        let short = &name.as_bytes()[..name.len().min(SHORT_NAME)];
        header.as_old_mut().name[..short.len()].copy_from_slice(short);
        header.set_size(*size);
        header.set_mode(MODE);
        header.set_mtime(*modified);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        Ok(bytes)
    }
}

fn header_length(name: &str) -> u64 {
    let long =
        (name.len() > SHORT_NAME).then(|| BLOCK + (name.len() as u64 + 1).next_multiple_of(BLOCK));
    BLOCK + long.unwrap_or(0)
}

fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK)
}

/// Offsets within headers and the manifest, which lie in memory and so fit.
fn to_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
