//! Messages in Moodle: each BigBlueButton activity whose recordings are in Pod says so in its
//! text, once, between marks by which the message is found again, renewed and removed.
//!
//! Before anything is changed in Moodle, what stood there and what is about to be written are in
//! the ledger. The change itself is made of what stands there at that moment, in one transaction:
//! run again after whatever happened, it finds its message and writes no second one.

mod activities;
mod block;
mod config;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::activities::{Activities, Change, Text};
use self::block::{Found, Mark};
use self::template::{Fact, Facts, Template};
use crate::database::DatabaseError;
use crate::ledger::{Ledger, LedgerError, MessageState};
use crate::pod::Finding;

pub(crate) use config::{MessageConfig, Target};

/// Moodle's FORMAT_PLAIN, which shows HTML as it is written.
const PLAIN: i64 = 2;

/// A recording that is in Pod.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    /// BBB's internal meeting id.
    pub(crate) record_id: String,
    /// `bigbluebuttonbn.id` of the activity that it was made in.
    pub(crate) activity: i64,
    /// Its title.
    pub(crate) title: String,
    /// When it began.
    pub(crate) started: Option<Timestamp>,
    /// When it came into Pod.
    pub(crate) moved: Timestamp,
    /// Where it is in Pod.
    pub(crate) url: String,
}

/// What is done about one activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Which Moodle, by its name in the settings.
    pub(crate) moodle: String,
    /// `bigbluebuttonbn.id`
    pub(crate) activity: i64,
    /// The activity's name.
    pub(crate) name: String,
    /// What is, or would be, done.
    pub(crate) decision: Decision,
}

/// What is done about one activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The message is written, in the place of what stands there.
    Write {
        /// The message as it stands there; `None` for none.
        old: Option<String>,
        /// The message as it is written.
        new: String,
    },
    /// The message is taken out.
    Remove {
        /// As it stands there.
        old: String,
    },
    /// It is as it should be.
    Right,
    /// Nothing, and why.
    Skip(String),
    /// It went wrong.
    Failed(String),
}

/// Why nothing could be done about a Moodle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// A setting is wrong.
    #[error("moodle_message.{key}: {why}")]
    Settings {
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Moodle's database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Only tell.
    pub(crate) dry_run: bool,
    /// Write also where somebody took the message out.
    pub(crate) again: bool,
}

/// One Moodle and its messages.
pub(crate) struct Messages<'a> {
    moodle: &'a str,
    activities: Activities,
    ledger: &'a Ledger,
    template: Template,
    pod_url: String,
    timezone: TimeZone,
}

impl<'a> Messages<'a> {
    /// Opens a Moodle.
    ///
    /// # Errors
    /// A setting is wrong, or the database has not what it must have.
    pub(crate) async fn open(
        target: &Target<'a>,
        config: &MessageConfig,
        pod_url: String,
        ledger: &'a Ledger,
    ) -> Result<Messages<'a>, MessageError> {
        Ok(Messages {
            moodle: target.name,
            activities: Activities::open(target.database.open()?, target.schema, target.prefix)
                .await?,
            ledger,
            template: config.template()?,
            pod_url,
            timezone: config.timezone()?,
        })
    }

    /// The statement that writes a text.
    pub(crate) fn statement(&self) -> String {
        self.activities.update()
    }

    /// Whether messages could be written; tried without leaving anything behind.
    pub(crate) async fn check(&self) -> Finding {
        let key = format!("moodle_message: {}", self.moodle);
        match self.activities.try_writing().await {
            Ok(()) => Finding::fine(format!(
                "{key}: the texts of activities in {} can be written (tried on none)",
                self.activities.address()
            )),
            Err(error) => Finding::wrong(
                format!("{key}: {error}"),
                "GRANT SELECT on bigbluebuttonbn and UPDATE (intro) to the account in moodle_message.databases",
            ),
        }
    }

    /// Writes the message of each activity of these recordings; of `only`, when it names some.
    ///
    /// # Errors
    /// Nothing can be read; what concerns one activity is told in its line.
    pub(crate) async fn write(
        &self,
        moved: &[Moved],
        only: &BTreeSet<String>,
        asked: Asked,
    ) -> Result<Vec<Line>, MessageError> {
        let mut activities: BTreeMap<i64, Vec<&Moved>> = BTreeMap::new();
        for recording in moved {
            activities
                .entry(recording.activity)
                .or_default()
                .push(recording);
        }
        let mut lines = Vec::new();
        for (activity, mut recordings) in activities {
            if !only.is_empty() && !recordings.iter().any(|r| only.contains(&r.record_id)) {
                continue;
            }
            recordings.sort_by(|a, b| (a.started, &a.record_id).cmp(&(b.started, &b.record_id)));
            lines.push(self.one(activity, &recordings, asked).await?);
        }
        Ok(lines)
    }

    async fn one(
        &self,
        activity: i64,
        recordings: &[&Moved],
        asked: Asked,
    ) -> Result<Line, MessageError> {
        let line = |name: &str, decision| Line {
            moodle: self.moodle.to_owned(),
            activity,
            name: name.to_owned(),
            decision,
        };
        let Some(text) = self.activities.text(activity).await? else {
            return Ok(line("", Decision::Skip("the activity is gone".to_owned())));
        };
        if text.format == PLAIN {
            let why = "its text is plain, HTML would be shown as it is written";
            return Ok(line(&text.name, Decision::Skip(why.to_owned())));
        }
        let facts: Vec<Fact> = recordings.iter().map(|r| self.fact(r)).collect();
        let html = match self.template.fill(&Facts {
            pod_url: &self.pod_url,
            activity: &text.name,
            recordings: &facts,
        }) {
            Ok(html) => html,
            Err(why) => {
                return Err(MessageError::Settings {
                    key: "template_file",
                    why,
                });
            }
        };
        let known = self.ledger.message(self.moodle, activity).await?;
        let mark = Mark::of(self.moodle, activity);
        let block = mark.around(&html);
        let decision = decide(
            &mark,
            &text,
            &block,
            known.as_ref().map(|k| k.html.as_str()),
        );
        let is_gone = known
            .as_ref()
            .is_some_and(|known| known.state == MessageState::Written);
        if is_gone && !asked.again && matches!(&decision, Decision::Write { old: None, .. }) {
            let why = "somebody took the message out; --again writes it anew";
            return Ok(line(&text.name, Decision::Skip(why.to_owned())));
        }
        if asked.dry_run || matches!(decision, Decision::Skip(_)) {
            return Ok(line(&text.name, decision));
        }
        // The text that is known by its own words is the one that was written before.
        let last = known.map(|known| known.html);
        if decision != Decision::Right {
            let ledger = self.ledger;
            let state = MessageState::Writing;
            ledger
                .begin_message(
                    self.moodle,
                    activity,
                    state,
                    last.as_deref().unwrap_or(&html),
                    text.intro.as_deref(),
                )
                .await?;
            let changed = self.activities.change(activity, |now| {
                match decide(&mark, now, &block, last.as_deref()) {
                    Decision::Write { .. } => {
                        Change::Write(written(&mark, now, &block, last.as_deref()))
                    }
                    _ => Change::Leave,
                }
            });
            match changed.await {
                Ok(true) => {}
                Ok(false) => {
                    let why = "the activity is gone".to_owned();
                    return Ok(line(&text.name, Decision::Skip(why)));
                }
                Err(error) => return Ok(line(&text.name, Decision::Failed(error.to_string()))),
            }
        }
        self.ledger
            .end_message(self.moodle, activity, MessageState::Written, &html)
            .await?;
        Ok(line(&text.name, decision))
    }

    fn fact(&self, recording: &Moved) -> Fact {
        let day = |at: Timestamp, form: &str| {
            at.to_zoned(self.timezone.clone())
                .strftime(form)
                .to_string()
        };
        Fact {
            title: recording.title.clone(),
            date: recording
                .started
                .map(|at| day(at, "%d/%m/%Y %H:%M"))
                .unwrap_or_default(),
            moved: day(recording.moved, "%d/%m/%Y"),
            url: recording.url.clone(),
        }
    }

    /// Takes messages out: of the activities of these recordings, or all when there are none.
    ///
    /// # Errors
    /// Nothing can be read; what concerns one activity is told in its line.
    pub(crate) async fn remove(
        &self,
        moved: &[Moved],
        only: &BTreeSet<String>,
        asked: Asked,
    ) -> Result<Vec<Line>, MessageError> {
        let mut activities: BTreeSet<i64> = BTreeSet::new();
        if only.is_empty() {
            activities.extend(self.ledger.messages(self.moodle).await?);
            activities.extend(self.activities.holding(block::ANY).await?);
        } else {
            let of = moved.iter().filter(|m| only.contains(&m.record_id));
            activities.extend(of.map(|m| m.activity));
        }
        let mut lines = Vec::new();
        for activity in activities {
            lines.push(self.take_out(activity, asked).await?);
        }
        Ok(lines)
    }

    async fn take_out(&self, activity: i64, asked: Asked) -> Result<Line, MessageError> {
        let text = self.activities.text(activity).await?;
        let known = self.ledger.message(self.moodle, activity).await?;
        let mark = Mark::of(self.moodle, activity);
        let last = known.as_ref().map(|known| known.html.as_str());
        let found = text
            .as_ref()
            .map(|text| mark.find(text.intro.as_deref().unwrap_or_default(), last));
        let decision = match (&text, found) {
            (Some(text), Some(Found::Here(place))) => Decision::Remove {
                old: text.intro.as_deref().unwrap_or_default()[place].to_owned(),
            },
            (_, Some(Found::Broken)) => Decision::Failed(BROKEN.to_owned()),
            _ => Decision::Right,
        };
        let name = text
            .as_ref()
            .map(|text| text.name.clone())
            .unwrap_or_default();
        let line = |decision| Line {
            moodle: self.moodle.to_owned(),
            activity,
            name: name.clone(),
            decision,
        };
        if asked.dry_run || matches!(decision, Decision::Failed(_)) {
            return Ok(line(decision));
        }
        if let (Decision::Remove { .. }, Some(text)) = (&decision, &text) {
            let html = last.unwrap_or_default();
            let state = MessageState::Removing;
            self.ledger
                .begin_message(self.moodle, activity, state, html, text.intro.as_deref())
                .await?;
            // What stood there before the first message.
            let kept = self.ledger.intros(self.moodle, activity).await?;
            let was_null = kept.first().is_some_and(Option::is_none);
            let changed = self.activities.change(activity, |now| {
                let intro = now.intro.as_deref().unwrap_or_default();
                match mark.find(intro, last) {
                    Found::Here(place) => match block::without(intro, place) {
                        text if text.is_empty() && was_null => Change::Clear,
                        text => Change::Write(text),
                    },
                    _ => Change::Leave,
                }
            });
            if let Err(error) = changed.await {
                return Ok(line(Decision::Failed(error.to_string())));
            }
        }
        if known.is_some() || matches!(decision, Decision::Remove { .. }) {
            let html = last.unwrap_or_default();
            self.ledger
                .end_message(self.moodle, activity, MessageState::Removed, html)
                .await?;
        }
        Ok(line(decision))
    }
}

const BROKEN: &str =
    "somebody edited the message so that its end cannot be told; take it out by hand";

/// What is to be done about a text.
fn decide(mark: &Mark, text: &Text, block: &str, last: Option<&str>) -> Decision {
    let intro = text.intro.as_deref().unwrap_or_default();
    match mark.find(intro, last) {
        Found::Here(place) if intro[place.clone()] == *block => Decision::Right,
        Found::Here(place) => Decision::Write {
            old: Some(intro[place].to_owned()),
            new: block.to_owned(),
        },
        Found::Nowhere => Decision::Write {
            old: None,
            new: block.to_owned(),
        },
        Found::Broken => Decision::Skip(BROKEN.to_owned()),
    }
}

fn written(mark: &Mark, text: &Text, block: &str, last: Option<&str>) -> String {
    let intro = text.intro.as_deref().unwrap_or_default();
    let place = match mark.find(intro, last) {
        Found::Here(place) => Some(place),
        _ => None,
    };
    block::with(intro, place, block)
}
