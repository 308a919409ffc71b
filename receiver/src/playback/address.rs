//! Addresses of playback pages, of every generation of the player.

use recording::RecordId;
use recording::manifest::is_plain_relative;
use reqwest::Url;

use super::PlaybackError;

/// Where a server has the files of one published presentation.
///
/// The players of BBB 0.9 to 2.2 are called with `playback.html?meetingId=ID`, the one of 2.3 and
/// later with the id in the path; both read the files below `/presentation/ID/` of the same host.
/// A server behind a path of a larger site, and Scalelite, keep that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Ends with `/presentation` as a rule.
    folder: Url,
    record_id: RecordId,
}

impl Address {
    /// Whether a text is meant as an address, and not as a path.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        let start: String = text.chars().take(8).collect();
        let start = start.to_ascii_lowercase();
        start.starts_with("http://") || start.starts_with("https://")
    }

    /// The recording that a playback page, or the folder of its files, belongs to.
    ///
    /// # Errors
    /// [`PlaybackError::Address`].
    pub(crate) fn parse(text: &str) -> Result<Address, PlaybackError> {
        let bad = |why: String| PlaybackError::Address {
            given: text.chars().take(300).collect(),
            why,
        };
        let mut url = Url::parse(text).map_err(|e| bad(format!("not an address: {e}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            // Without the address: it would put the password into logs.
            return Err(PlaybackError::Address {
                given: "the address".to_owned(),
                why: "holds a user name or password, which is not supported".to_owned(),
            });
        }
        let parts: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let (before, id) = find(&parts, &url).map_err(bad)?;
        let record_id: RecordId = id.parse().map_err(|e| bad(format!("{e}")))?;
        let mut folder = parts[..before].to_vec();
        folder.push("presentation".to_owned());
        // A site may keep its recordings in several places; the player is told which.
        if let Some((_, place)) = url.query_pairs().find(|(key, _)| key == "p") {
            if !is_plain_relative(&place) {
                return Err(bad("its p=... is not a path".to_owned()));
            }
            folder.extend(place.split('/').map(str::to_owned));
        }
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&folder.join("/"));
        Ok(Address {
            folder: url,
            record_id,
        })
    }

    /// The recording's id.
    pub(crate) fn record_id(&self) -> &RecordId {
        &self.record_id
    }

    /// Where a file of the recording is; `name` has its parts separated by slashes.
    pub(super) fn file(&self, name: &str) -> Url {
        let mut url = self.folder.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.push(self.record_id.as_str()).extend(name.split('/'));
        }
        url
    }
}

/// How many parts of the path stand before the player's own, and the recording's id.
fn find(parts: &[String], url: &Url) -> Result<(usize, String), String> {
    let at = |words: &[&str]| {
        parts
            .windows(words.len())
            .position(|window| window.iter().zip(words).all(|(part, word)| part == word))
    };
    if let Some(before) = at(&["playback", "presentation"]) {
        // After the player's version comes either its page or the id.
        let id = match parts.get(before + 3).map(String::as_str) {
            Some(page) if page.ends_with(".html") => None,
            other => other.map(str::to_owned),
        };
        let asked = || {
            url.query_pairs()
                .find(|(key, _)| key == "meetingId")
                .map(|(_, id)| id.into_owned())
        };
        return id.or_else(asked).map(|id| (before, id)).ok_or_else(|| {
            "it names no recording: neither meetingId=ID nor an id in its path".into()
        });
    }
    if let Some(before) = at(&["playback"]) {
        let format = parts.get(before + 1).map_or("none", String::as_str);
        return Err(format!(
            "a playback of the format \"{format}\"; only presentations are converted"
        ));
    }
    match parts {
        [.., folder, id] if folder == "presentation" => Ok((parts.len() - 2, id.clone())),
        _ => Err(
            "not a playback page; give .../playback/presentation/2.3/ID or \
             .../playback/presentation/2.0/playback.html?meetingId=ID"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

    #[test]
    fn every_generation_leads_to_the_same_files() {
        for (page, base) in [
            (
                "https://bbb.example/playback/presentation/2.3/{}",
                "https://bbb.example/",
            ),
            (
                "https://bbb.example/playback/presentation/2.3/{}/?t=60s#x",
                "https://bbb.example/",
            ),
            (
                "https://bbb.example/playback/presentation/2.0/playback.html?meetingId={}&t=3",
                "https://bbb.example/",
            ),
            (
                "http://bbb.example:8080/playback/presentation/0.9.0/playback.html?meetingId={}",
                "http://bbb.example:8080/",
            ),
            (
                "HTTPS://scalelite.example/lb/playback/presentation/2.3/{}",
                "https://scalelite.example/lb/",
            ),
            (
                "https://bbb.example/presentation/{}/",
                "https://bbb.example/",
            ),
        ] {
            let page = page.replace("{}", ID);
            assert!(Address::is_meant_by(&page), "{page}");
            let address = Address::parse(&page).unwrap();
            assert_eq!(address.record_id().as_str(), ID);
            assert_eq!(
                address.file("presentation/p/slide 1.png").as_str(),
                format!("{base}presentation/{ID}/presentation/p/slide%201.png"),
                "{page}"
            );
        }
    }

    #[test]
    fn a_site_may_have_several_places() {
        let page = "https://bbb.example/playback/presentation/2.3/abc?p=old/2019";
        assert_eq!(
            Address::parse(page).unwrap().file("shapes.svg").as_str(),
            "https://bbb.example/presentation/old/2019/abc/shapes.svg"
        );
        assert!(Address::parse(&page.replace("old", "..")).is_err());
    }

    #[test]
    fn other_addresses_are_told_what_is_wrong() {
        for (address, why) in [
            ("https://bbb.example/", "not a playback page"),
            (
                "https://bbb.example/playback/video/abc/",
                "format \"video\"",
            ),
            (
                "https://bbb.example/playback/presentation/2.0/playback.html",
                "names no recording",
            ),
            (
                "https://bbb.example/playback/presentation/2.3/..%2F..%2Fetc",
                "record id",
            ),
            (
                "https://user:secret@bbb.example/playback/presentation/2.3/abc",
                "user name",
            ),
            ("https://", "not an address"),
        ] {
            let error = Address::parse(address).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(!Address::is_meant_by("httpd/recording") && !Address::is_meant_by("é"));
    }
}
