//! The addresses of videos: nobody can guess one, and none has a query string, which Pod would
//! take for a part of the extension.
//!
//! `/video/<record id>.<signature>/video-0.mp4`, where the signature is an HMAC of the record id
//! with a key of this receiver. The key lies beside the ledger and belongs into the same backup:
//! with another key, all addresses that Pod has been given lead nowhere.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use recording::{RecordId, durable};
use sha2::Sha256;

/// Bytes of the key.
const KEY: usize = 32;
/// Bytes of a signature; 128 bits cannot be guessed.
const SIGNATURE: usize = 16;

/// The route, as the router writes it.
pub(crate) const ROUTE: &str = "/video/{id}/video-0.mp4";

/// Makes and checks the addresses of videos.
#[derive(Clone)]
pub(crate) struct Addresses {
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses(key hidden)")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file could not be read or made.
    #[error("cannot read or make {}, the key of the videos' addresses: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is not a key of {KEY} bytes in hexadecimal; restore it from the backup of the ledger, \
         because a new key makes every address that Pod has lead nowhere",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl Addresses {
    /// Where the key of a ledger lies.
    pub(crate) fn key_file(ledger: &Path) -> PathBuf {
        ledger.with_file_name("video.key")
    }

    /// Reads the key, and makes one at the first start.
    ///
    /// # Errors
    /// It cannot be read or made, or is damaged.
    pub(crate) fn open(path: &Path) -> Result<Addresses, KeyError> {
        let failed = |source| KeyError::File {
            path: path.into(),
            source,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => make(path).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Err(KeyError::Damaged { path: path.into() });
            }
            Err(e) => return Err(failed(e)),
        };
        unhex(text.trim())
            .and_then(|key| Hmac::new_from_slice(&key).ok())
            .map(|mac| Addresses { mac })
            .ok_or_else(|| KeyError::Damaged { path: path.into() })
    }

    /// The path of a recording's video.
    pub(crate) fn path(&self, id: &RecordId) -> String {
        let mac = self.mac(id).finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(&mac[..SIGNATURE]);
        format!("/video/{id}.{signature}/video-0.mp4")
    }

    /// The recording that a part of a path names, if its signature is right. Takes the same time
    /// whatever is wrong with it.
    pub(crate) fn recording(&self, named: &str) -> Option<RecordId> {
        let (id, signature) = named.split_once('.')?;
        let id: RecordId = id.parse().ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let right =
            signature.len() == SIGNATURE && self.mac(&id).verify_truncated_left(&signature).is_ok();
        right.then_some(id)
    }

    fn mac(&self, id: &RecordId) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"video\n");
        mac.update(id.as_str().as_bytes());
        mac
    }
}

fn make(path: &Path) -> io::Result<String> {
    use std::io::Write as _;

    let mut key = [0u8; KEY];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let text = key
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    // A temporary file is readable by its owner only.
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{text}")?;
    durable::persist(file, path)?;
    Ok(text)
}

fn unhex(text: &str) -> Option<[u8; KEY]> {
    let mut key = [0u8; KEY];
    if text.len() != 2 * KEY || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_made_here_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video.key");
        let addresses = Addresses::open(&file).unwrap();
        let id: RecordId = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
            .parse()
            .unwrap();
        let path = addresses.path(&id);
        assert!(path.len() < 120 && !path.contains(['?', '%']), "{path}");
        let named = path.split('/').nth(2).unwrap();
        assert_eq!(addresses.recording(named), Some(id.clone()));

        let again = Addresses::open(&file).unwrap();
        assert_eq!(again.path(&id), path, "the key stays");
        let other = Addresses::open(&folder.path().join("other.key")).unwrap();
        let signature = named.split('.').nth(1).unwrap();
        for wrong in [
            id.as_str().to_owned(),
            format!("{id}."),
            format!("{id}.{}", &signature[..20]),
            format!("{id}.{signature}AA"),
            format!("{}-1.{signature}", id),
            format!("../{id}.{signature}"),
        ] {
            assert_eq!(addresses.recording(&wrong), None, "{wrong}");
        }
        assert_eq!(other.recording(named), None);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video.key");
        for content in ["", "zz", "0123456789"] {
            fs::write(&file, content).unwrap();
            let said = Addresses::open(&file).unwrap_err().to_string();
            assert!(said.contains("restore it from the backup"), "{said}");
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
    }
}
