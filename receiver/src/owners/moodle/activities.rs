//! The activities alone, for whoever wants to know in which one a recording was made.

use super::{Activity, Moodle};
use crate::owners::reason::Trace;
use crate::owners::subject::Breakout;
use crate::owners::{OwnersConfig, OwnersError, Subject};

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
