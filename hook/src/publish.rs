//! `publish`: takes a snapshot of what BBB has just published and leaves.
//!
//! BBB runs post-publish scripts one after another in its only worker, so nothing here waits for
//! anybody: no socket is opened, no file content read but `metadata.xml`.

use std::fs;
use std::io;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use recording::{Metadata, PlaybackFormat, RecordId};
use tracing::{info, warn};

use crate::bbb::{Node, is_folder};
use crate::error::Error;
use crate::filters;
use crate::outbox::job::{Course, Job, Origin, SCHEMA};
use crate::outbox::snapshot::Tree;
use crate::outbox::{Outbox, PublishError, Unfinished};
use crate::settings::Settings;

/// What became of one published folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A job of this name.
    Job(String),
    /// The same content waits already.
    Waiting,
    /// The filters leave it on the node.
    LeftOut(String),
}

/// Takes a recording, in one format or in all that are published, into the outbox.
///
/// # Errors
/// Wrong settings, a record id that is none or is not published, a full disk. Every failure is
/// also kept for `status`, because BBB forgets what a script says.
pub(crate) fn publish(
    settings: Result<Settings, Error>,
    record_id: &str,
    format: Option<&str>,
) -> Result<(), Error> {
    let outbox_dir = settings.as_ref().ok().and_then(|s| {
        let node = Node::of(s).ok();
        node.map(|n| n.outbox_dir(s))
            .or_else(|| s.outbox_dir.clone())
    });
    let result = settings.and_then(|settings| take_all(&settings, record_id, format));
    if let Err(e) = &result {
        let dir = outbox_dir.unwrap_or_else(|| default_outbox().into());
        keep_visible(&dir, record_id, format, e);
    }
    result
}

/// Where an outbox lies when the settings cannot be read.
fn default_outbox() -> &'static str {
    "/var/bigbluebutton/bbb2pod/outbox"
}

fn keep_visible(dir: &Path, record_id: &str, format: Option<&str>, error: &Error) {
    // An outbox that is not there yet is not made in a place that may be wrong.
    if !dir.is_dir() {
        return;
    }
    let shown = |text: &str| text.chars().take(130).collect::<String>();
    let noted = Outbox::at(dir).note_error(&PublishError {
        record_id: shown(record_id),
        format: format.map(shown),
        at: Timestamp::now(),
        error: error.to_string(),
    });
    if let Err(e) = noted {
        warn!(outbox = %dir.display(), error = %e, "cannot keep the failure for `status`");
    }
}

fn take_all(settings: &Settings, record_id: &str, format: Option<&str>) -> Result<(), Error> {
    let record_id: RecordId = record_id.parse().map_err(Error::input)?;
    let asked: Option<PlaybackFormat> = format.map(str::parse).transpose().map_err(Error::input)?;
    let node = Node::here(settings)?;
    let formats = match asked {
        Some(format) if is_folder(&node.published(&format, &record_id)) => vec![format],
        Some(format) => return Err(unknown(&node, &record_id, format.as_str())),
        None => node.formats_of(&record_id),
    };
    if formats.is_empty() {
        return Err(unknown(&node, &record_id, "*"));
    }
    let dir = node.outbox_dir(settings);
    let outbox = Outbox::open(&dir).map_err(|e| Error::disk("cannot make the outbox", &dir, &e))?;
    let mut result = Ok(());
    for format in formats {
        let root = &node.published_dir;
        match take(settings, &node, &outbox, root, &record_id, &format, None) {
            Ok(taken) => {
                outbox.clear_errors(&record_id, &format);
                tell(&record_id, &format, &taken);
            }
            Err(e) => result = Err(e),
        }
    }
    result
}

fn tell(record_id: &RecordId, format: &PlaybackFormat, taken: &Taken) {
    match taken {
        Taken::Job(job) => info!(%record_id, %format, job, "waits to be sent"),
        Taken::Waiting => info!(%record_id, %format, "waits already, unchanged"),
        Taken::LeftOut(why) => info!(%record_id, %format, why, "stays on the node"),
    }
}

/// Takes `<root>/<format>/<record id>/` into the outbox; `backfill` gives the place in the queue
/// behind what BBB publishes now.
///
/// # Errors
/// The folder cannot be read or is empty, the disk is full.
pub(crate) fn take(
    settings: &Settings,
    node: &Node,
    outbox: &Outbox,
    root: &Path,
    record_id: &RecordId,
    format: &PlaybackFormat,
    backfill: Option<Timestamp>,
) -> Result<Taken, Error> {
    let folder = root.join(format.as_str()).join(record_id.as_str());
    let full = |e: &io::Error| Error::disk("cannot take a snapshot into", outbox.dir(), e);
    let tree = Tree::look(&folder).map_err(|e| Error::disk("cannot read", &folder, &e))?;
    if tree.files() == 0 {
        return Err(Error::input(format!(
            "{}: there is no file in it",
            folder.display()
        )));
    }
    let metadata: Option<Metadata> = tree
        .metadata_xml()
        .and_then(|xml| std::str::from_utf8(xml).ok()?.parse().ok());
    if let Some(why) = filters::left_out(&settings.filters, format, metadata.as_ref()) {
        return Ok(Taken::LeftOut(why.to_string()));
    }
    let fingerprint = tree.fingerprint();
    let waiting = outbox.waiting(record_id, format).map_err(|e| full(&e))?;
    if waiting
        .last()
        .is_some_and(|job| job.fingerprint == fingerprint)
    {
        return Ok(Taken::Waiting);
    }
    let events_xml = node.events_xml(record_id);
    let unfinished = outbox.begin().map_err(|e| full(&e))?;
    let snapshot = link(&unfinished, &tree, format, record_id, events_xml.as_deref());
    let origin = match snapshot {
        Ok(()) => Origin::Snapshot,
        Err(e) if no_links(&e) => {
            unfinished.clear().map_err(|e| full(&e))?;
            let why = format!(
                "no hard links from {} to {} ({e}); set outbox_dir to a folder on the filesystem \
                 of published_dir that belongs to BBB's user",
                folder.display(),
                outbox.dir().display()
            );
            warn!(%record_id, %format, why, "no snapshot; the job refers to BBB's own folder");
            Origin::Reference {
                root: root.to_owned(),
                events_xml,
                why,
            }
        }
        Err(e) => return Err(full(&e)),
    };
    let job = Job {
        schema: SCHEMA,
        record_id: record_id.clone(),
        format: format.clone(),
        published_at: backfill.unwrap_or_else(|| {
            not_before(outbox.last_published(record_id, format), Timestamp::now())
        }),
        origin,
        fingerprint,
        files: tree.files(),
        bytes: tree.bytes(),
        backfill: backfill.is_some(),
        course: Course::default(),
    };
    let name = outbox.add(unfinished, &job).map_err(|e| full(&e))?;
    Ok(Taken::Job(name))
}

/// The time of what is published now. A clock that was set back must not make it older than what
/// was published before: the receiver keeps the newest.
fn not_before(before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let after = before.and_then(|at| at.checked_add(SignedDuration::from_millis(1)).ok());
    after.map_or(now, |after| after.max(now))
}

fn link(
    unfinished: &Unfinished,
    tree: &Tree,
    format: &PlaybackFormat,
    record_id: &RecordId,
    events_xml: Option<&Path>,
) -> io::Result<()> {
    tree.link_into(&unfinished.content(format, record_id)?)?;
    match events_xml.map(|from| fs::hard_link(from, unfinished.events_xml())) {
        // BBB's cron was quicker.
        Some(Err(e)) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether the system refuses hard links here as such: another filesystem, files of another user
/// (`fs.protected_hardlinks`), too many links, or a filesystem that has none.
fn no_links(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let refusals = [
        Errno::XDEV,
        Errno::PERM,
        Errno::ACCESS,
        Errno::MLINK,
        Errno::NOTSUP,
        Errno::NOSYS,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| refusals.iter().any(|e| e.raw_os_error() == code))
}

fn unknown(node: &Node, record_id: &RecordId, format: &str) -> Error {
    Error::input(format!(
        "record id {record_id} is not published; looked for {}/{format}/{record_id}/",
        node.published_dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_makes_nothing_older() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(not_before(None, at(5)), at(5));
        assert_eq!(not_before(Some(at(3)), at(5)), at(5));
        assert!(not_before(Some(at(7)), at(5)) > at(7));
        assert_eq!(not_before(Some(Timestamp::MAX), at(5)), at(5));
    }
}
