//! In which activity a recording was made, for the finder of owners and for whoever wants to know
//! just that.

use super::rules::{self, ExternalId};
use super::site::{RecordingRow, Site};
use super::{Activity, Moodle, creator};
use crate::owners::reason::Trace;
use crate::owners::subject::Breakout;
use crate::owners::{OwnersConfig, OwnersError, Subject};

/// The status of a recording that somebody has deleted.
const DELETED: i64 = 5;

/// Finds the activity of a recording, by the same rules as its owner.
pub(crate) struct Activities(Option<Moodle>);

impl Activities {
    /// All Moodles of the settings. Nothing is asked yet.
    ///
    /// # Errors
    /// A file named in the settings cannot be read.
    pub(crate) fn new(config: &OwnersConfig) -> Result<Activities, OwnersError> {
        Ok(Activities(Moodle::new(&config.moodle, config)?))
    }

    /// The Moodle, by its name in the settings, and `bigbluebuttonbn.id` of an activity that is
    /// still there, unless the recording was deleted in it. A breakout room is its meeting's,
    /// unless Moodle has noted it itself.
    ///
    /// # Errors
    /// A database cannot be asked.
    pub(crate) async fn of(&self, subject: &Subject) -> Result<Option<(&str, i64)>, OwnersError> {
        let found = self.one(subject).await?;
        match (&subject.breakout, found) {
            (Breakout::Of { subject, .. }, None) => self.one(subject).await,
            (_, found) => Ok(found),
        }
    }

    async fn one(&self, subject: &Subject) -> Result<Option<(&str, i64)>, OwnersError> {
        let Some(moodle) = &self.0 else {
            return Ok(None);
        };
        let located = moodle.locate(subject, &mut Trace::new()).await?;
        Ok(located.and_then(|located| match located.activity {
            Some(Activity::Present {
                row,
                deleted: false,
            }) => Some((located.site.name.as_str(), row.id)),
            _ => None,
        }))
    }
}

/// Which activity a recording was made in.
pub(super) async fn activity(
    site: &Site,
    subject: &Subject,
    trace: &mut Trace,
) -> Result<Option<Activity>, OwnersError> {
    let external = subject.external_id.as_deref();
    let named = external.and_then(rules::external_id);
    if site.keeps_recordings().await? {
        let rows = site.recordings(&subject.record_id).await?;
        trace.looked(format!(
            "{} rows for {} in Moodle",
            rows.len(),
            subject.record_id
        ));
        match original(&rows, trace) {
            Original::One(row) => return of_row(site, row, external, named, trace).await,
            Original::None => {}
            Original::Several(activities) => {
                let chosen = named
                    .as_ref()
                    .filter(|id| activities.contains(&id.activity));
                if chosen.is_none() {
                    trace.rejected("the meeting's id names none of them: two hits are no hit");
                    return Ok(None);
                }
            }
        }
    }
    let Some(named) = named else {
        trace.rejected(match external {
            Some(external) => format!("the meeting's id {external} names no activity"),
            None => "the meeting's id is not known".to_owned(),
        });
        return Ok(None);
    };
    match site.activity(named.activity).await? {
        Some(activity) if activity.meeting_id == named.meeting => {
            trace.found(format!("activity {}, by the meeting's id", activity.id));
            if activity.course != named.course {
                trace.note(format!("it is in course {} now", activity.course));
            }
            Ok(Some(Activity::Present {
                row: activity,
                deleted: false,
            }))
        }
        Some(activity) => {
            trace.rejected(format!(
                "activity {} exists, but has another meeting id",
                activity.id
            ));
            Ok(None)
        }
        None => {
            trace.note(format!("activity {} is deleted", named.activity));
            // Only what is logged of this very meeting counts.
            let is_its = |meeting: &str| {
                meeting == named.meeting || meeting == named.bare || Some(meeting) == external
            };
            let creator = creator(site, named.activity, named.course, trace, is_its).await?;
            Ok(creator.map(|id| Activity::Deleted(Some(id))))
        }
    }
}

/// The activity that a row names.
async fn of_row(
    site: &Site,
    row: &RecordingRow,
    external: Option<&str>,
    named: Option<ExternalId<'_>>,
    trace: &mut Trace,
) -> Result<Option<Activity>, OwnersError> {
    let deleted = row.status == DELETED;
    if deleted {
        trace.note("the recording is deleted in Moodle: perhaps nobody wants it");
    }
    if let Some(activity) = site.activity(row.activity).await? {
        trace.found(format!("activity {}, noted for the recording", activity.id));
        if let Some(named) = named.filter(|named| named.activity != activity.id) {
            trace.note(format!(
                "the meeting's id {} names activity {}",
                external.unwrap_or_default(),
                named.activity
            ));
        }
        return Ok(Some(Activity::Present {
            row: activity,
            deleted,
        }));
    }
    trace.note(format!("activity {} is deleted", row.activity));
    let creator = creator(site, row.activity, row.course, trace, |_| true).await?;
    Ok(Some(Activity::Deleted(creator)))
}

/// The row of a recording that is no imported copy.
enum Original<'a> {
    None,
    One(&'a RecordingRow),
    Several(Vec<i64>),
}

fn original<'a>(rows: &'a [RecordingRow], trace: &mut Trace) -> Original<'a> {
    let mut originals: Vec<&RecordingRow> = Vec::new();
    for row in rows {
        if row.imported {
            trace.rejected(format!("activity {} has an imported copy", row.activity));
        } else if !originals.iter().any(|known| known.activity == row.activity) {
            originals.push(row);
        }
    }
    match &originals[..] {
        [] => Original::None,
        [row] => Original::One(row),
        several => {
            let activities: Vec<_> = several.iter().map(|row| row.activity).collect();
            trace.note(format!(
                "it is an original in the activities {activities:?}"
            ));
            Original::Several(activities)
        }
    }
}
