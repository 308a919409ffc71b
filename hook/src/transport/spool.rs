//! What the transports that write into a spool share: names, and a package as a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use recording::Package;
use recording::package::PackageError;

use super::{Delivered, Journal};
use crate::failure::{Cause, Failure};
use crate::stop::Stop;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// The folder below the spool that a meeting's meta key names, made harmless; `None` for none.
///
/// One folder, never a path: whoever creates meetings must not choose where files go.
pub(super) fn sub_directory(package: &Package, key: Option<&str>) -> Option<String> {
    let value = package.manifest().metadata.as_ref()?.meta(key?)?.to_owned();
    harmless(&value)
}

fn harmless(value: &str) -> Option<String> {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = value
        .trim()
        .trim_start_matches(['.', '-'])
        .chars()
        .map(|c| if kept(c) { c } else { '_' })
        .take(64)
        .collect();
    // Folders of the receiver's own, where nobody would take the package from.
    match name.to_ascii_lowercase().as_str() {
        "" => None,
        "incoming" | "rejected" => Some(format!("_{name}")),
        _ => Some(name),
    }
}

/// Writes a package into a file, going on after what of it is there already.
///
/// What is there is compared, not trusted: after a crash the end of a file may be anything.
///
/// # Errors
/// A file of the recording changed, or the file cannot be written; what was written remains.
pub(super) fn write(
    package: &Arc<Package>,
    path: &Path,
    journal: &dyn Journal,
    stop: &Stop,
) -> Result<Delivered, Failure> {
    let failed = |e: io::Error| refused(path, &e);
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let length = package.length();
    let good = agreeing(package, &mut file)?;
    file.set_len(good).map_err(failed)?;
    file.seek(SeekFrom::Start(good)).map_err(failed)?;
    let mut reader = package.reader(good);
    let mut buffer = vec![0; PIECE];
    while reader.position() < length {
        if stop.asked() {
            return Ok(Delivered::Stopped);
        }
        let n = reader.fill(&mut buffer).map_err(|e| unreadable(&e))?;
        file.write_all(&buffer[..n]).map_err(failed)?;
        journal.progress(reader.position(), length);
    }
    file.sync_all().map_err(failed)?;
    Ok(Delivered::Whole)
}

/// How many bytes at a file's beginning are those of the package.
fn agreeing(package: &Arc<Package>, file: &mut File) -> Result<u64, Failure> {
    let mut reader = package.reader(0).without_digests();
    let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let start = reader.position();
        let n = reader.fill(&mut ours).map_err(|e| unreadable(&e))?;
        if n == 0 || file.read_exact(&mut theirs[..n]).is_err() || ours[..n] != theirs[..n] {
            return Ok(start);
        }
    }
}

pub(super) fn unreadable(error: &PackageError) -> Failure {
    let cause = match error {
        PackageError::Changed { .. } => Cause::FilesChanged,
        PackageError::Read { .. } | PackageError::Layout(_) => Cause::Disk,
    };
    Failure::new(cause, error.to_string())
}

/// Why a file of the spool cannot be written.
pub(super) fn refused(path: &Path, error: &io::Error) -> Failure {
    let (cause, advice) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            Cause::SpoolRefused,
            "; BBB's user needs to write there: give the folder its group and mode 2775",
        ),
        io::ErrorKind::StorageFull => (Cause::ReceiverFull, "; make room in the spool"),
        io::ErrorKind::QuotaExceeded => (
            Cause::ReceiverFull,
            "; raise the quota of BBB's user (or the group) where the share is, or make room in the \
             spool",
        ),
        io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle => {
            (Cause::SpoolMissing, "; is the share mounted?")
        }
        _ => (Cause::Disk, ""),
    };
    Failure::new(cause, format!("{}: {error}{advice}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_directories_are_one_harmless_name() {
        for (value, wanted) in [
            ("pilos-1", Some("pilos-1")),
            ("../../etc", Some("_.._etc")),
            ("/etc", Some("_etc")),
            ("a b/é", Some("a_b__")),
            ("..", None),
            ("  ", None),
            ("-rf", Some("rf")),
            ("Incoming", Some("_Incoming")),
            ("rejected", Some("_rejected")),
        ] {
            assert_eq!(harmless(value).as_deref(), wanted, "{value}");
        }
    }
}
