//! Whether a recording may be deleted from the node. Whatever is in doubt stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use recording::digest::Digest;
use recording::protocol::{PackageName, PackageStatus, RecordingState, Verification};
use recording::{PlaybackFormat, RecordId};

use crate::bbb::{Node, Place};
use crate::content;
use crate::error::Error;
use crate::inventory;
use crate::outbox::digests::Digests;
use crate::outbox::pruned::{Pruned, PrunedContent};
use crate::outbox::snapshot::Tree;
use crate::outbox::{Known, Outbox};
use crate::receiver::Receiver;
use crate::settings::{OnlyWhen, Prune, Settings};
use crate::stop::Stop;

/// What is decided.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It stays, and why.
    Keep(String),
    /// It may go.
    Delete(Pruned),
}

/// A published, unpublished or deleted folder.
#[derive(Debug)]
struct Folder {
    record_id: RecordId,
    format: PlaybackFormat,
    place: Place,
    root: PathBuf,
    fingerprint: Digest,
    bytes: u64,
    last_change: i64,
}

/// Everything the decision rests on.
pub(super) struct Judge<'a> {
    settings: &'a Prune,
    node: &'a Node,
    receiver: &'a Receiver,
    known: Known,
    digests: Digests,
    /// Of every recording, the newest confirmation in this outbox.
    confirmed: BTreeMap<(RecordId, PlaybackFormat), Timestamp>,
    expected: BTreeSet<PlaybackFormat>,
    half_pruned: BTreeSet<RecordId>,
    folders: BTreeMap<RecordId, Vec<Folder>>,
    /// The earlier one of both clocks: one that is wrong must not make days pass.
    now: Timestamp,
}

impl<'a> Judge<'a> {
    /// # Errors
    /// A folder cannot be read, the receiver cannot be asked, BBB's formats are not known.
    pub(super) fn of(
        settings: &'a Settings,
        node: &'a Node,
        outbox: &Outbox,
        receiver: &'a Receiver,
    ) -> Result<Judge<'a>, Error> {
        let broken = |e: std::io::Error| Error::disk("cannot read the outbox", outbox.dir(), &e);
        let expected: BTreeSet<PlaybackFormat> = if settings.prune.formats.is_empty() {
            node.formats.clone()
        } else {
            settings.prune.formats.iter().cloned().collect()
        };
        if expected.is_empty() {
            return Err(Error::input(format!(
                "{}: BBB's settings do not tell which formats it publishes; list them in \
                 prune.formats",
                settings.path.display()
            )));
        }
        let introduction = receiver.wait(receiver.http.introduction())?;
        let mut confirmed = BTreeMap::new();
        let sent = outbox.done(usize::MAX).map_err(broken)?;
        let digests = Digests::of(outbox).and_sent(&sent);
        for done in sent {
            let at = confirmed
                .entry((done.record_id, done.format))
                .or_insert(done.confirmed_at);
            *at = done.confirmed_at.max(*at);
        }
        let all = inventory::each(node, &Place::ALL, None, |found| {
            Some(Folder {
                fingerprint: found.look.fingerprint,
                bytes: found.look.bytes,
                last_change: found.look.last_change,
                place: found.place,
                record_id: found.record_id,
                format: found.format,
                root: found.root,
            })
        })
        .map_err(|e| Error::disk("cannot read", &node.published_dir, &e))?;
        let mut folders: BTreeMap<RecordId, Vec<Folder>> = BTreeMap::new();
        for folder in all {
            folders
                .entry(folder.record_id.clone())
                .or_default()
                .push(folder);
        }
        Ok(Judge {
            settings: &settings.prune,
            node,
            receiver,
            known: outbox.known().map_err(broken)?,
            digests,
            confirmed,
            expected,
            half_pruned: outbox.half_pruned(),
            folders,
            now: introduction.time.min(Timestamp::now()),
        })
    }

    /// Every recording on the node.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &RecordId> {
        self.folders.keys()
    }

    pub(super) fn formats_of(&self, id: &RecordId) -> Vec<String> {
        let formats: BTreeSet<String> = self.going(id).map(|f| f.format.to_string()).collect();
        formats.into_iter().collect()
    }

    pub(super) fn bytes_of(&self, id: &RecordId) -> u64 {
        self.going(id).map(|f| f.bytes).sum()
    }

    /// What `bbb-record --delete` takes along: everything whose name begins with the id.
    fn going(&self, id: &RecordId) -> impl Iterator<Item = &Folder> {
        let begins = |other: &RecordId| other.as_str().starts_with(id.as_str());
        let ids = self.folders.iter().filter(move |(other, _)| begins(other));
        ids.flat_map(|(_, folders)| folders)
    }

    /// What of a recording is still on the node.
    pub(super) fn left_of(&self, node: &Node, id: &RecordId) -> Vec<String> {
        let there = self.going(id).filter_map(|folder| {
            let path = folder
                .root
                .join(folder.format.as_str())
                .join(folder.record_id.as_str());
            path.exists().then(|| path.display().to_string())
        });
        let raw = node.has_raw(id).then(|| format!("raw/{id}"));
        there.chain(raw).collect()
    }

    /// Decides on a recording, cheap questions first; files are read last.
    ///
    /// # Errors
    /// The receiver cannot be asked.
    pub(super) fn verdict(&self, id: &RecordId, stop: &Stop) -> Result<Verdict, Error> {
        let verdict = match self.here(id) {
            Err(why) => Err(why),
            Ok(()) => self.at_receiver(id, stop)?,
        };
        Ok(verdict.unwrap_or_else(|why| {
            Verdict::Keep(if self.half_pruned.contains(id) {
                format!(
                    "a deletion of it was begun and did not end; {why}; look at what is left, then \
                     bbb-record --delete {id}"
                )
            } else {
                why
            })
        }))
    }

    /// What the node alone can tell.
    fn here(&self, id: &RecordId) -> Result<(), String> {
        let own = self.folders.get(id).map_or(&[][..], Vec::as_slice);
        for format in &self.expected {
            if !own.iter().any(|f| f.format == *format) {
                return Err(format!(
                    "BBB's steps produce {format}, and that is not there (yet)"
                ));
            }
        }
        if let Some(format) = self.node.under_way(id) {
            return Err(format!("BBB is making its {format}"));
        }
        for folder in self.going(id) {
            if self.known.waits(&folder.record_id, &folder.format) {
                return Err(format!("its {} waits in the outbox", folder.format));
            }
        }
        Ok(())
    }

    /// Whether it has lain here for long enough, unchanged.
    fn waited(&self, id: &RecordId) -> Result<(), String> {
        for folder in self.going(id) {
            let confirmed = self
                .confirmed
                .get(&(folder.record_id.clone(), folder.format.clone()));
            if let Some(at) = confirmed {
                self.days_passed(*at, "confirmed")?;
            }
            if let Ok(at) = Timestamp::from_second(folder.last_change) {
                self.days_passed(at, "changed")?;
            }
        }
        Ok(())
    }

    fn days_passed(&self, since: Timestamp, what: &str) -> Result<(), String> {
        let days = SignedDuration::from_hours(24)
            * i32::try_from(self.settings.after_days).unwrap_or(i32::MAX);
        if since <= self.now && self.now.duration_since(since) >= days {
            return Ok(());
        }
        Err(format!(
            "{what} {}, prune.after_days is {}",
            since.strftime("%Y-%m-%d"),
            self.settings.after_days
        ))
    }

    /// What the receiver tells, held against what lies on the disk.
    fn at_receiver(&self, id: &RecordId, stop: &Stop) -> Result<Result<Verdict, String>, Error> {
        let mut states: BTreeMap<&RecordId, Option<RecordingState>> = BTreeMap::new();
        for folder in self.going(id) {
            if !states.contains_key(&folder.record_id) {
                let http = &self.receiver.http;
                let state = self.receiver.wait(http.recording(&folder.record_id))?;
                states.insert(&folder.record_id, state);
            }
        }
        let pruned = match self.compared(id, &states) {
            Ok(pruned) => pruned,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(why) = self.verified(&pruned, stop)? {
            return Ok(Err(why));
        }
        // Reading the archive may have taken long.
        Ok(self.unchanged(id).map(|()| Verdict::Delete(pruned)))
    }

    /// Whether the receiver, reading its archive at this moment, finds every content there, digest
    /// by digest. What it remembers is not enough: nobody else may have it afterwards.
    fn verified(&self, pruned: &Pruned, stop: &Stop) -> Result<Result<(), String>, Error> {
        let name = |content: &PrunedContent| PackageName {
            record_id: content.record_id.clone(),
            format: content.format.clone(),
            digest: content.digest,
        };
        let names: Vec<PackageName> = pruned.contents.iter().map(name).collect();
        let found = self
            .receiver
            .wait(self.receiver.http.verify(&names, stop))?;
        for (name, found) in names.iter().zip(found) {
            let why = match found {
                Verification::Held { digest } if digest == name.digest => continue,
                Verification::Held { .. } => "it holds another content".to_owned(),
                Verification::Pending => "this was stopped before it was read".to_owned(),
                Verification::Wrong { why } => why,
            };
            return Ok(Err(format!(
                "the receiver's archive does not have its {}: {why}",
                name.format
            )));
        }
        Ok(Ok(()))
    }

    fn compared(
        &self,
        id: &RecordId,
        states: &BTreeMap<&RecordId, Option<RecordingState>>,
    ) -> Result<Pruned, String> {
        // Against what is remembered first: most that stay need not be read for it.
        for folder in self.going(id) {
            let state = self.state_of(folder, states)?;
            let remembered =
                self.digests
                    .get(&folder.record_id, &folder.format, &folder.fingerprint);
            if let Some(digest) = remembered {
                self.confirmed(folder, state, &digest)?;
            }
        }
        // What the receiver lacks is said before how young it is; reading comes last.
        self.waited(id)?;
        let mut contents = Vec::new();
        let mut confirmed_at = Timestamp::UNIX_EPOCH;
        for folder in self.going(id) {
            let state = self.state_of(folder, states)?;
            let digest = content::read(&folder.root, &folder.record_id, &folder.format)
                .map_err(|e| e.to_string())?;
            let at = self.confirmed(folder, state, &digest)?;
            confirmed_at = confirmed_at.max(at);
            contents.push(PrunedContent {
                record_id: folder.record_id.clone(),
                format: folder.format.clone(),
                digest,
                bytes: folder.bytes,
            });
        }
        Ok(Pruned {
            record_id: id.clone(),
            contents,
            confirmed_at,
            begun_at: Timestamp::now(),
            deleted_at: None,
        })
    }

    fn state_of<'s>(
        &self,
        folder: &Folder,
        states: &'s BTreeMap<&RecordId, Option<RecordingState>>,
    ) -> Result<&'s RecordingState, String> {
        let state = states.get(&folder.record_id).and_then(Option::as_ref);
        let state =
            state.ok_or_else(|| format!("the receiver does not know {}", folder.record_id))?;
        if self.settings.only_when == OnlyWhen::Registered && !state.registered {
            let stage = state.stage.as_deref().unwrap_or("not imported");
            return Err(format!("it is not in Pod yet (stage: {stage})"));
        }
        Ok(state)
    }

    /// Since when the receiver has exactly this content as the one that counts.
    fn confirmed(
        &self,
        folder: &Folder,
        state: &RecordingState,
        digest: &Digest,
    ) -> Result<Timestamp, String> {
        let format = &folder.format;
        let mut of_format = state.packages.iter().filter(|p| p.format == *format);
        if of_format
            .clone()
            .any(|p| p.status == PackageStatus::Spooled)
        {
            return Err(format!("a content of its {format} is not imported yet"));
        }
        let package = of_format.find(|p| p.digest == *digest);
        match package.map(|p| (p.status, p.since)) {
            Some((PackageStatus::Archived, since)) => {
                self.days_passed(since, "archived")?;
                Ok(since)
            }
            Some((PackageStatus::Rejected | PackageStatus::Damaged, _)) => Err(format!(
                "the receiver's copy of its {format} is damaged; bbb2pod-hook sweep sends it again"
            )),
            Some((status, _)) => Err(format!(
                "the receiver has its {format} as {} only",
                status.as_str()
            )),
            None => Err(format!(
                "the receiver does not have its {format} as it lies here{}",
                match folder.place {
                    Place::Published => "",
                    // Its metadata.xml says so, and is another than the one that was sent.
                    Place::Unpublished =>
                        ", unpublished since; backfill --unpublished sends it as it is now",
                    Place::Deleted => ", deleted since, which BBB writes into its metadata.xml",
                }
            )),
        }
    }

    /// Whether everything is as it was when the files were read, and nothing has come.
    fn unchanged(&self, id: &RecordId) -> Result<(), String> {
        for folder in self.going(id) {
            let path = folder
                .root
                .join(folder.format.as_str())
                .join(folder.record_id.as_str());
            let now = Tree::look(&path).map(|tree| tree.fingerprint());
            if now.ok() != Some(folder.fingerprint) {
                return Err(format!("its {} has just changed", folder.format));
            }
        }
        for place in Place::ALL {
            let root = self.node.root(place);
            let below = if root.is_dir() {
                Node::all_below(&root).map_err(|e| format!("{}: {e}", root.display()))?
            } else {
                Vec::new()
            };
            for (other, format) in below {
                let new = other.as_str().starts_with(id.as_str())
                    && self.node.place_of(&format, &other) == Some(place)
                    && !self
                        .going(id)
                        .any(|f| (&f.record_id, &f.format, &f.root) == (&other, &format, &root));
                if new {
                    return Err(format!("its {format} has just come"));
                }
            }
        }
        match self.node.under_way(id) {
            Some(format) => Err(format!("BBB is making its {format}")),
            None => Ok(()),
        }
    }
}
