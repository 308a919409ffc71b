//! Raw pictures with their times, in a form that ffmpeg reads from a pipe.
//!
//! Matroska with uncompressed video (`V_UNCOMPRESSED`, RFC 9559), written as a live stream: no
//! sizes known in advance, one cluster per picture, so that every picture has a time of its own.

use std::io::{self, Write};

use crate::geometry::Size;

const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// What comes before the first picture. Times are in milliseconds; pictures come at most
/// `per_second` times a second, without which the encoder would expect a thousand and declare a
/// level of H.264 that few players have.
pub(crate) fn write_header(to: &mut impl Write, size: Size, per_second: u64) -> io::Result<()> {
    let ebml = [
        element(&[0x42, 0x82], b"matroska"),
        element(&[0x42, 0x87], &[4]),
        element(&[0x42, 0x85], &[2]),
    ]
    .concat();
    let info = element(&[0x2A, 0xD7, 0xB1], &1_000_000u32.to_be_bytes());
    let video = [
        element(&[0xB0], &size.width.to_be_bytes()),
        element(&[0xBA], &size.height.to_be_bytes()),
        element(&[0x2E, 0xB5, 0x24], b"I420"),
    ]
    .concat();
    let track = [
        element(&[0xD7], &[1]),
        element(&[0x73, 0xC5], &[1]),
        element(&[0x83], &[1]),
        element(&[0x9C], &[0]),
        element(
            &[0x23, 0xE3, 0x83],
            &(1_000_000_000 / per_second.max(1)).to_be_bytes(),
        ),
        element(&[0x86], b"V_UNCOMPRESSED"),
        element(&[0xE0], &video),
    ]
    .concat();
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &track));
    to.write_all(&element(&[0x1A, 0x45, 0xDF, 0xA3], &ebml))?;
    to.write_all(&[0x18, 0x53, 0x80, 0x67])?;
    to.write_all(&UNKNOWN_SIZE)?;
    to.write_all(&element(&[0x15, 0x49, 0xA9, 0x66], &info))?;
    to.write_all(&tracks)
}

/// What comes before the bytes of one picture that is shown from `at_ms` on.
pub(crate) fn picture_header(at_ms: u64, bytes: usize) -> Vec<u8> {
    const BLOCK_HEAD: [u8; 4] = [0x81, 0, 0, 0x80];
    let time = element(&[0xE7], &at_ms.to_be_bytes());
    let block = bytes as u64 + BLOCK_HEAD.len() as u64;
    let content = time.len() as u64 + 1 + 8 + block;
    let mut header = Vec::with_capacity(64);
    header.extend([0x1F, 0x43, 0xB6, 0x75]);
    header.extend(long_size(content));
    header.extend(time);
    header.push(0xA3);
    header.extend(long_size(block));
    header.extend(BLOCK_HEAD);
    header
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    [id, &long_size(content.len() as u64), content].concat()
}

fn long_size(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}
