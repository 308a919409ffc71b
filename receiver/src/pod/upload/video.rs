//! A video as `user_videos` shows it, the only list of Pod that never fails.
//!
//! The plain lists and details of videos answer 500 as soon as a video in them has a tag (4.x), or
//! has been encoded on a site without the file manager, so they are not used at all.

use recording::RecordId;
use serde_json::Value;

use super::api::Api;
use super::progress::Key;
use super::wording;
use crate::pod::PodError;

const DOING: &str = "looking for the video";
const PATH: &str = "rest/videos/user_videos/";

/// A video of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pod) struct Video {
    /// Its id, the only name that stays.
    pub(in crate::pod) id: u64,
    /// Its slug for now; a new title gives a new one.
    pub(in crate::pod) slug: String,
    /// Its description, raw HTML.
    pub(in crate::pod) description: String,
    /// Whether only its owners see it.
    pub(in crate::pod) is_draft: bool,
    /// How far its encoding is.
    pub(in crate::pod) encoding: Encoding,
}

/// How far the encoding of a video is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pod) struct Encoding {
    /// It runs, or it broke off in a way that Pod did not notice.
    pub(in crate::pod) in_progress: bool,
    /// It came to an end.
    pub(in crate::pod) encoded: bool,
    /// Pod's words: number, colon, text. Empty before the first one.
    pub(in crate::pod) step: String,
    /// Ids of the files it made; another encoding makes others.
    pub(in crate::pod) files: Vec<u64>,
}

impl Encoding {
    /// Whether nothing has been encoded yet and nothing is being encoded.
    pub(in crate::pod) fn is_untouched(&self) -> bool {
        !self.in_progress && !self.encoded && self.step.is_empty()
    }
}

/// Finds the video of a recording: by its id when that is known, else by the line in its
/// description, among those of its owner that were added at the key's date.
///
/// With `everywhere` the date is left out, for a video whose date may have been changed in Pod.
pub(in crate::pod) async fn find(
    api: &Api,
    key: &Key,
    record_id: &RecordId,
    known: Option<u64>,
    everywhere: bool,
) -> Result<Option<Video>, PodError> {
    let date = wording::iso(key.date_added);
    let query = [
        ("username", key.owner.as_str()),
        ("date_added", date.as_str()),
    ];
    let query = if everywhere { &query[..1] } else { &query[..] };
    api.find(DOING, PATH, query, |item| {
        let video = video(item)?;
        let is_it = match known {
            Some(id) => video.id == id,
            None => wording::is_of(&video.description, record_id),
        };
        is_it.then_some(video)
    })
    .await
}

/// Finds a video of a user by its id, or by what stands in its title.
pub(in crate::pod) async fn titled(
    api: &Api,
    username: &str,
    token: &str,
    known: Option<u64>,
) -> Result<Option<Video>, PodError> {
    let query = [("username", username), ("search_title", token)];
    api.find(DOING, PATH, &query, |item| {
        let video = video(item)?;
        let title = item["video_data"]["title"].as_str().unwrap_or_default();
        let is_it = match known {
            Some(id) => video.id == id,
            None => title.contains(token),
        };
        is_it.then_some(video)
    })
    .await
}

fn video(item: &Value) -> Option<Video> {
    let data = &item["video_data"];
    let files = data["video_files"].as_object();
    let mut files: Vec<u64> = files
        .iter()
        .flat_map(|kinds| kinds.values())
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|file| file["id"].as_u64())
        .collect();
    files.sort_unstable();
    Some(Video {
        id: item["id"].as_u64()?,
        slug: slug(data["full_url"].as_str()?)?.to_owned(),
        description: data["description"].as_str().unwrap_or_default().to_owned(),
        is_draft: item["is_draft"].as_bool()?,
        encoding: Encoding {
            in_progress: item["encoding_in_progress"].as_bool()?,
            encoded: item["encoded"].as_bool()?,
            step: data["get_encoding_step"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            files,
        },
    })
}

/// The slug in a video's address, `//host/video/<slug>/`.
fn slug(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("/video/")?;
    rest.split('/').next().filter(|slug| !slug.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_pod_tells_of_a_video() {
        let item = json!({
            "id": 3, "is_draft": true, "encoding_in_progress": false, "encoded": true,
            "video_data": {
                "description": "<p>x</p>", "get_encoding_step": "0: end of encoding",
                "full_url": "//pod.localhost:8000/video/0003-relative-urls/",
                "video_files": {"mp4": [{"id": 7}], "ts": [{"id": 8}], "mp3": [{"id": 2}]},
            },
        });
        let read = video(&item).unwrap();
        assert_eq!((read.id, read.slug.as_str()), (3, "0003-relative-urls"));
        assert_eq!(read.encoding.files, [2, 7, 8]);
        assert!(read.encoding.encoded && !read.encoding.is_untouched());
    }

    #[test]
    fn a_video_never_encoded_has_no_files() {
        let item = json!({
            "id": 5, "is_draft": true, "encoding_in_progress": false, "encoded": false,
            "video_data": {
                "description": "", "get_encoding_step": "", "video_files": "",
                "full_url": "//pod.localhost:8000/video/0005-x/",
            },
        });
        assert!(video(&item).unwrap().encoding.is_untouched());
        assert_eq!(slug("//pod/other/0005-x/"), None);
    }
}
