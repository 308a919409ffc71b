//! From a job to its package: the manifest is made by the first attempt and kept, so that later
//! attempts produce the very same bytes and can go on in the middle.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use recording::digest::Digest;
use recording::package::{About, GatherError, gather};
use recording::{Manifest, Package, durable};

use crate::bbb::is_folder;
use crate::failure::{Cause, Failure};
use crate::outbox::Outbox;
use crate::outbox::job::{Job, Origin};
use crate::settings::PackageKind;

/// The package of a job; reads every file once when no manifest was made before.
///
/// # Errors
/// A file cannot be read or changes meanwhile, the recording by reference is gone, the disk is full.
pub(crate) fn package(
    outbox: &Outbox,
    name: &str,
    job: &Job,
    node: &str,
    kind: PackageKind,
) -> Result<Package, Failure> {
    let (root, events_xml) = place(outbox, name, job)?;
    let kept = outbox.manifest_path(name);
    let manifest = match fs::read(&kept).map(|json| Manifest::parse(&json)) {
        Ok(Ok(manifest)) if manifest.record_id == job.record_id => manifest,
        _ => {
            let about = About {
                record_id: job.record_id.clone(),
                format: job.format.clone(),
                node: node.to_owned(),
                hook_version: env!("CARGO_PKG_VERSION").to_owned(),
                published_at: job.published_at,
                events_xml,
            };
            let manifest = gather(&root, &about).map_err(|e| unreadable(&e))?;
            keep(&kept, &manifest)
                .map_err(|e| Failure::disk(format!("cannot write {}: {e}", kept.display())))?;
            manifest
        }
    };
    let package = match kind {
        PackageKind::Bbb2pod => Package::new(&root, manifest),
        PackageKind::Plain => Package::plain(&root, manifest),
    };
    package.map_err(|e| Failure::disk(e.to_string()))
}

/// The contents of all jobs that were packed.
pub(crate) fn digests(outbox: &Outbox) -> BTreeSet<Digest> {
    #[derive(serde::Deserialize)]
    struct Packed {
        digest: Digest,
    }
    let names = outbox.names().unwrap_or_default();
    let packed = names.iter().filter_map(|name| {
        let json = fs::read(outbox.manifest_path(name)).ok()?;
        serde_json::from_slice::<Packed>(&json).ok()
    });
    packed.map(|packed| packed.digest).collect()
}

/// Forgets the manifest, so that the next attempt packs anew.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn forget(outbox: &Outbox, name: &str) -> io::Result<()> {
    match fs::remove_file(outbox.manifest_path(name)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn keep(path: &Path, manifest: &Manifest) -> io::Result<()> {
    durable::write(path, &manifest.to_json()?)
}

/// The folder that holds `<format>/<record id>/`, and the events.
fn place(outbox: &Outbox, name: &str, job: &Job) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let Origin::Reference {
        root, events_xml, ..
    } = &job.origin
    else {
        return Ok((outbox.content(name), outbox.events_xml(name)));
    };
    // bbb-web moves a recording between these when it is unpublished or deleted meanwhile.
    let beside = |dir: &str| root.with_file_name(dir);
    let candidates = [root.clone(), beside("unpublished"), beside("deleted")];
    let below = Path::new(job.format.as_str()).join(job.record_id.as_str());
    let found = candidates.iter().find(|dir| is_folder(&dir.join(&below)));
    let root = found.cloned().ok_or_else(|| {
        Failure::disk(format!(
            "{} is gone, and there was no snapshot of it",
            root.join(&below).display()
        ))
    })?;
    Ok((root, events_xml.clone().filter(|path| path.exists())))
}

fn unreadable(error: &GatherError) -> Failure {
    let cause = match error {
        GatherError::Changed { .. } => Cause::FilesChanged,
        _ => Cause::Disk,
    };
    Failure::new(cause, error.to_string())
}
