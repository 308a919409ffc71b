//! What is decided on every recording that the node has published.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use recording::digest::Digest;
use recording::protocol::{NodeRecording, PackageName, PackageStatus};
use recording::{Metadata, PlaybackFormat, RecordId};
use serde::Serialize;
use tracing::warn;

use crate::bbb::{Node, Place};
use crate::cli::{Backfill, Order};
use crate::content;
use crate::error::Error;
use crate::filters::{self, LeftOut};
use crate::inventory::{self, Found};
use crate::lost::lost;
use crate::outbox::digests::Digests;
use crate::outbox::looks::Looks;
use crate::outbox::{Fate, Known, Outbox};
use crate::receiver::Receiver;
use crate::settings::{Filters, Settings, TransportKind};
use crate::stop::Stop;

/// One recording in one format, and what is decided on it.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) record_id: RecordId,
    pub(super) format: PlaybackFormat,
    pub(super) place: Place,
    /// When the meeting began, as far as known.
    pub(super) start: Option<Timestamp>,
    pub(super) bytes: u64,
    pub(super) decision: Decision,
    /// Why it is not taken, or why it could not be.
    pub(super) reason: Option<String>,
    #[serde(skip)]
    pub(super) root: PathBuf,
    #[serde(skip)]
    pub(super) fingerprint: Digest,
    /// The content, when the receiver has it though no job of this outbox brought it there.
    #[serde(skip)]
    pub(super) confirmed: Option<Digest>,
    /// The content that was sent before, when the receiver said that it was archived.
    #[serde(skip)]
    sent: Option<Digest>,
    /// Whether the filters and options ask for it, sent already or not.
    #[serde(skip)]
    asked_for: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    /// To be taken, or taken.
    Send,
    Skip,
    Failed,
}

impl Line {
    pub(super) fn skip(&mut self, why: String) {
        self.decision = Decision::Skip;
        self.reason = Some(why);
    }
}

/// What is decided, in the order of sending.
pub(super) struct Plan {
    pub(super) lines: Vec<Line>,
    /// Of `--id-file`: what is not there, and why it is not.
    pub(super) absent: Vec<(RecordId, &'static str)>,
}

/// Every recording with what is decided on it, in the order of sending.
///
/// # Errors
/// Options that make no sense, or a folder that cannot be read.
pub(super) fn plan(
    settings: &Settings,
    asked: &Backfill,
    node: &Node,
    outbox: &Outbox,
    digests: &mut Digests,
    stop: &Stop,
) -> Result<Plan, Error> {
    let wanted = Wanted::of(settings, asked)?;
    let known = outbox
        .known()
        .map_err(|e| Error::disk("cannot read the outbox", outbox.dir(), &e))?;
    let looks = Looks::of(outbox);
    let places = if asked.unpublished {
        &[Place::Published, Place::Unpublished][..]
    } else {
        &[Place::Published]
    };
    let mut lines = inventory::each(node, places, Some(&looks), |found| {
        (!stop.asked()).then(|| line(&wanted, &known, found))
    })
    .map_err(|e| Error::disk("cannot read", &node.published_dir, &e))?;
    looks.keep();
    if settings.transport == TransportKind::Http {
        send_lost_again(settings, &mut lines);
        ask_receiver(settings, &mut lines, digests, stop);
    }
    lines.sort_by(|a, b| match asked.order {
        Order::Oldest => (a.start, &a.record_id).cmp(&(b.start, &b.record_id)),
        Order::Newest => (b.start, &b.record_id).cmp(&(a.start, &a.record_id)),
        Order::Smallest => a.bytes.cmp(&b.bytes),
    });
    // What was sent counts, too: else a range would mean others once the one before it is sent.
    for (n, line) in (1..).zip(lines.iter_mut().filter(|l| l.asked_for)) {
        let outside = n < asked.min || asked.max.is_some_and(|max| n > max);
        if outside && line.decision == Decision::Send {
            line.skip(format!("it is number {n}, outside --min and --max"));
        }
    }
    let absent = if stop.asked() {
        Vec::new()
    } else {
        wanted.absent(node, &lines)
    };
    Ok(Plan { lines, absent })
}

/// What is asked for: the settings' filters, made narrower by the options.
struct Wanted<'a> {
    asked: &'a Backfill,
    filters: Filters,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    ids: Option<BTreeSet<RecordId>>,
}

impl Wanted<'_> {
    fn of<'a>(settings: &Settings, asked: &'a Backfill) -> Result<Wanted<'a>, Error> {
        if asked.max.is_some_and(|max| max < asked.min) {
            return Err(Error::input(
                "--max is less than --min, so nothing lies between them",
            ));
        }
        if let (Some(since), Some(until)) = (asked.since, asked.until)
            && until <= since
        {
            return Err(Error::input(format!(
                "nothing begins on {since} or later and before {until}: --until must be later than \
                 --since"
            )));
        }
        let mut filters = settings.filters.clone();
        if !asked.format.is_empty() {
            filters.formats = asked.format.clone();
        }
        if !asked.origin.is_empty() {
            filters.origins = asked.origin.clone();
        }
        filters.meta.extend(asked.meta.iter().cloned());
        let ids = asked.id_file.as_deref().map(ids_in);
        Ok(Wanted {
            asked,
            filters,
            since: asked.since.map(midnight).transpose()?,
            until: asked.until.map(midnight).transpose()?,
            ids: ids.transpose()?,
        })
    }

    fn left_out(&self, line: &Line, metadata: Option<&Metadata>) -> Option<String> {
        if self
            .ids
            .as_ref()
            .is_some_and(|ids| !ids.contains(&line.record_id))
        {
            return Some("--id-file does not list it".to_owned());
        }
        if self
            .since
            .is_some_and(|since| line.start.is_none_or(|start| start < since))
        {
            return Some("it began before --since".to_owned());
        }
        if self
            .until
            .is_some_and(|until| line.start.is_none_or(|start| start >= until))
        {
            return Some("it began on --until or later".to_owned());
        }
        filters::left_out(&self.filters, &line.format, metadata).map(|why| self.words(&why))
    }

    /// Names the option instead of the setting that it stood in for.
    fn words(&self, why: &LeftOut) -> String {
        match why {
            LeftOut::Format(format) if !self.asked.format.is_empty() => {
                format!("--format does not name {format}")
            }
            LeftOut::Origin(origin) if !self.asked.origin.is_empty() => {
                format!("--origin does not name its bbb-origin \"{origin}\"")
            }
            LeftOut::Meta { key, wanted, found }
                if self.asked.meta.iter().any(|(asked, _)| asked == key) =>
            {
                format!("--meta {key} wants \"{wanted}\", it has \"{found}\"")
            }
            other => other.to_string(),
        }
    }

    /// Of `--id-file`, what was not found where it was looked.
    fn absent(&self, node: &Node, lines: &[Line]) -> Vec<(RecordId, &'static str)> {
        let found: BTreeSet<&RecordId> = lines.iter().map(|line| &line.record_id).collect();
        let ids = self.ids.iter().flatten();
        ids.filter(|id| !found.contains(id))
            .map(|id| (id.clone(), why_absent(node, id)))
            .collect()
    }
}

/// One id a line; what follows a `#` is a comment.
fn ids_in(path: &Path) -> Result<BTreeSet<RecordId>, Error> {
    let wrong = |why: String| Error::input(format!("--id-file {}{why}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| wrong(format!(": {e}")))?;
    let mut ids = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let id = line.split('#').next().unwrap_or_default();
        let id = id.trim_start_matches('\u{feff}').trim();
        if !id.is_empty() {
            ids.insert(id.parse().map_err(|e| wrong(format!(":{number}: {e}")))?);
        }
    }
    if ids.is_empty() {
        return Err(wrong(" names no recording".to_owned()));
    }
    Ok(ids)
}

fn why_absent(node: &Node, id: &RecordId) -> &'static str {
    let is_in = |place| {
        let formats = fs::read_dir(node.root(place))
            .into_iter()
            .flatten()
            .flatten();
        let mut folders = formats.map(|format| format.path().join(id.as_str()));
        folders.any(|folder| folder.is_dir())
    };
    if is_in(Place::Published) {
        "its folders are empty"
    } else if is_in(Place::Unpublished) {
        "it is unpublished; --unpublished takes it, too"
    } else if is_in(Place::Deleted) {
        "it is deleted; bbb-web moves it back when it is published again"
    } else {
        "there is no such recording on this node"
    }
}

/// The beginning of a day in the node's time zone.
fn midnight(day: Date) -> Result<Timestamp, Error> {
    let zoned = day.to_zoned(TimeZone::system()).map_err(Error::input)?;
    Ok(zoned.timestamp())
}

fn line(wanted: &Wanted, known: &Known, found: Found) -> Line {
    let start = found.metadata.as_ref().and_then(|m| m.start);
    let mut line = Line {
        start: start.or_else(|| start_in(&found.record_id)),
        bytes: found.look.bytes,
        decision: Decision::Send,
        reason: None,
        fingerprint: found.look.fingerprint,
        confirmed: None,
        sent: None,
        asked_for: true,
        place: found.place,
        root: found.root,
        record_id: found.record_id,
        format: found.format,
    };
    if let Some(why) = wanted.left_out(&line, found.metadata.as_ref()) {
        line.skip(why);
        line.asked_for = false;
    } else if let Some(fate) = known.fate(&line.record_id, &line.format, &line.fingerprint) {
        line.skip(match fate {
            Fate::Waiting => "it waits already".to_owned(),
            Fate::Done => "it was sent already".to_owned(),
        });
        line.sent = known.archived(&line.record_id, &line.format, &line.fingerprint);
    }
    line
}

/// BBB's ids end with the milliseconds at which the meeting was created.
fn start_in(record_id: &RecordId) -> Option<Timestamp> {
    let meeting = record_id.whole_meeting();
    let id = meeting.as_ref().unwrap_or(record_id).as_str();
    let (_, millis) = id.rsplit_once('-').filter(|(_, m)| m.len() == 13)?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

/// Takes what was sent and what the receiver no longer confirms.
fn send_lost_again(settings: &Settings, lines: &mut [Line]) {
    let name = |line: &Line| {
        Some(PackageName {
            record_id: line.record_id.clone(),
            format: line.format.clone(),
            digest: line.sent?,
        })
    };
    let names: Vec<PackageName> = lines.iter().filter_map(name).collect();
    let lost = match lost(settings, &names) {
        Ok(lost) => lost,
        Err(e) => {
            warn!(error = %e, "cannot ask the receiver whether it has everything still");
            return;
        }
    };
    for (line, lost) in lines.iter_mut().filter(|l| l.sent.is_some()).zip(lost) {
        if lost {
            line.decision = Decision::Send;
            line.reason = None;
        }
    }
}

/// Leaves out what the receiver has already.
///
/// Most recordings need not be read for that: one that the receiver has never seen in this format
/// is to be sent, and a digest that was taken once is remembered.
fn ask_receiver(settings: &Settings, lines: &mut [Line], digests: &mut Digests, stop: &Stop) {
    let asked = Receiver::open(settings).and_then(|receiver| {
        let there = receiver.wait(receiver.http.recordings())?;
        Ok((receiver, there))
    });
    let (receiver, there) = match asked {
        Ok(answered) => answered,
        Err(e) => {
            warn!(error = %e, "cannot ask the receiver what it has; planning without");
            return;
        }
    };
    let there: HashMap<(&RecordId, &PlaybackFormat), &NodeRecording> = there
        .iter()
        .map(|r| ((&r.record_id, &r.format), r))
        .collect();
    read_what_may_be_there(lines, &there, digests, stop);
    let chosen: Vec<&mut Line> = lines
        .iter_mut()
        .filter(|l| l.decision == Decision::Send)
        .collect();
    let asked: Vec<(&mut Line, Digest)> = chosen
        .into_iter()
        .filter_map(|line| {
            let digest = digests.get(&line.record_id, &line.format, &line.fingerprint)?;
            Some((line, digest))
        })
        .collect();
    let names: Vec<PackageName> = asked
        .iter()
        .map(|(line, digest)| PackageName {
            record_id: line.record_id.clone(),
            format: line.format.clone(),
            digest: *digest,
        })
        .collect();
    match receiver.wait(receiver.http.known_packages(&names)) {
        Ok(statuses) => {
            for ((line, digest), status) in asked.into_iter().zip(statuses) {
                match status {
                    Some(PackageStatus::Archived) => {
                        line.confirmed = Some(digest);
                        line.skip("the receiver has it already".to_owned());
                    }
                    Some(PackageStatus::Spooled) => {
                        line.skip("it lies in the receiver's spool already".to_owned());
                    }
                    Some(
                        PackageStatus::Rejected
                        | PackageStatus::Superseded
                        | PackageStatus::Damaged,
                    )
                    | None => {}
                }
            }
        }
        Err(e) => warn!(error = %e, "cannot ask the receiver which contents it has"),
    }
}

/// Takes the digests of recordings that the receiver has in some version, unless remembered.
fn read_what_may_be_there(
    lines: &[Line],
    there: &HashMap<(&RecordId, &PlaybackFormat), &NodeRecording>,
    digests: &mut Digests,
    stop: &Stop,
) {
    let unread: Vec<&Line> = lines
        .iter()
        .filter(|l| l.decision == Decision::Send)
        .filter(|l| there.contains_key(&(&l.record_id, &l.format)))
        .filter(|l| {
            digests
                .get(&l.record_id, &l.format, &l.fingerprint)
                .is_none()
        })
        .collect();
    let bytes = unread.iter().map(|l| l.bytes).sum();
    let bar = super::bar(
        bytes,
        "compared with the receiver",
        "{bytes}/{total_bytes}, {bytes_per_sec}",
    );
    for line in unread.iter().take_while(|_| !stop.asked()) {
        let (id, format) = (&line.record_id, &line.format);
        match content::read(&line.root, id, format) {
            Ok(digest) => digests.add(id, format, &line.fingerprint, digest),
            Err(e) => warn!(record_id = %id, %format, error = %e, "cannot be compared"),
        }
        bar.inc(line.bytes);
    }
    bar.finish_and_clear();
}
