//! What the journal keeps of an upload: always the step that is about to be tried, never one that
//! might not have happened.

use jiff::Timestamp;
use recording::Digest;
use serde::{Deserialize, Serialize};

use super::attach::Attached;
use crate::pod::{Journal, PodError};

/// Where a recording's video is to be found in Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pod) struct Key {
    /// Username of its owner when it was uploaded.
    pub(in crate::pod) owner: String,
    /// Its `date_added`.
    pub(in crate::pod) date_added: Timestamp,
}

/// How far the registration of a recording has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pod) struct Progress {
    /// What is tried next or has been tried without an answer.
    pub(in crate::pod) step: Step,
    /// Address of the Pod.
    pub(in crate::pod) pod: String,
    /// Where the video is.
    pub(in crate::pod) key: Key,
    /// The media that Pod has, or gets in this step.
    pub(in crate::pod) media: Digest,
    /// Its id, once Pod has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pod) video: Option<u64>,
    /// Its slug when Pod told it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pod) slug: Option<String>,
    /// Whether it is a later version beside the video of a former one.
    #[serde(default)]
    pub(in crate::pod) another: bool,
    /// What belongs to it.
    #[serde(default)]
    pub(in crate::pod) attached: Attached,
}

/// The steps of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::pod) enum Step {
    /// The media is being sent.
    Uploading,
    /// Pod has the media; everything else is to be done.
    Uploaded,
    /// New media is being sent in the place of the old.
    Replacing,
    /// New media is there, and has to be encoded although old media had been.
    Replaced,
    /// Everything is there, and the encoding waits until others have ended or the time of day allows
    /// it.
    Waiting {
        /// Whether nothing has ever been encoded of it.
        first: bool,
    },
    /// The encoding is being launched; these are the files of an encoding before.
    Launching(Vec<u64>),
    /// The encoding was launched at this time and is being waited for; whether the video is
    /// published afterwards.
    Encoding {
        /// When it was launched.
        since: Timestamp,
        /// Whether the video stops being a draft when it is encoded.
        publish: bool,
    },
    /// The encoding does not end; Pod is asked now and then whether it has after all.
    Stuck {
        /// When it was launched.
        since: Timestamp,
        /// Whether the video stops being a draft when it is encoded.
        publish: bool,
        /// What to tell people.
        why: String,
    },
    /// All is done.
    Done,
}

impl Progress {
    /// What was saved last.
    pub(in crate::pod) async fn load(journal: &dyn Journal) -> Result<Option<Progress>, PodError> {
        journal.progress().await
    }

    /// Takes a step and commits it.
    pub(in crate::pod) async fn save(
        &mut self,
        step: Step,
        journal: &dyn Journal,
    ) -> Result<(), PodError> {
        self.step = step;
        journal.keep(self).await
    }
}
