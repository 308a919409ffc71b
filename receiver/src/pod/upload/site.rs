//! What has to be known of a Pod before anything is written to it.

use jiff::Timestamp;
use recording::Digest;
use tokio::sync::Mutex;

use super::api::Api;
use super::attributes::Attributes;
use super::catalogue::{Catalogue, Field, List, id};
use crate::pod::config::UploadConfig;
use crate::pod::{Finding, PodError, Severity};

const USERS: &str = "rest/users/";

/// Seconds by which clocks may differ.
const CLOCKS: u64 = 60;
/// The first major version with another API.
const FIRST_UNKNOWN: u32 = 5;

/// A Pod that has been looked at, with the things that the settings name.
#[derive(Debug)]
pub(super) struct Site {
    /// What `/info_pod.json` tells; a hint, as releases were tagged before it was raised.
    version: String,
    /// Whether lists can be filtered. Before 3.8.2 Pod ignores filters and answers with everything.
    filters: bool,
    /// Link of the videos' site.
    pub(super) site: String,
    /// Link of who owns what has no known owner.
    pub(super) default_owner: String,
    /// What every video gets.
    pub(super) attributes: Attributes,
    /// What else can be chosen.
    pub(super) catalogue: Mutex<Catalogue>,
}

impl Site {
    /// Asks for the version, tries the filters, and finds what the settings name.
    pub(super) async fn look(api: &Api, config: &UploadConfig) -> Result<Site, PodError> {
        Site::ask(api, config).await.map_err(|error| match error {
            PodError::Refused {
                url,
                status: 403,
                said,
                ..
            } => PodError::Settings {
                key: "token_file",
                why: format!(
                    "{url} answered 403: {said}; the token's user must be staff (is_staff) in Pod"
                ),
            },
            PodError::Refused {
                url, status, said, ..
            } => PodError::Settings {
                key: "url",
                why: format!("{url} answered {status}: {said}; is this the address of a Pod?"),
            },
            other => other,
        })
    }

    async fn ask(api: &Api, config: &UploadConfig) -> Result<Site, PodError> {
        let version = version(api).await?;
        let filters = filters_work(api).await?;
        let mut catalogue = Catalogue::default();
        let site = match &config.site {
            Some(chosen) => catalogue.link(api, List::Sites, chosen).await?,
            None => catalogue.only(api, List::Sites).await?,
        };
        let site = site.map_err(|why| PodError::Settings { key: "site", why })?;
        let attributes = Attributes::of_settings(api, &mut catalogue, config).await?;
        let owner = user(api, &config.default_owner).await;
        let default_owner = owner.map_err(|error| match error {
            PodError::Owner { .. } => PodError::Settings {
                key: "default_owner",
                why: error.to_string(),
            },
            other => other,
        })?;
        Ok(Site {
            version,
            filters,
            site,
            default_owner,
            attributes,
            catalogue: Mutex::new(catalogue),
        })
    }
}

impl Site {
    /// What an administrator should know of this Pod.
    pub(super) async fn findings(&self, api: &Api) -> Vec<Finding> {
        let mut findings = vec![Finding::fine(format!(
            "{} is Esup-Pod {}; the token, the type, the site and the default owner are right",
            api.base(),
            self.version
        ))];
        findings.push(match self.choices(api).await {
            Ok(choices) => Finding::fine(choices),
            Err(error) => error.into(),
        });
        findings.extend(surroundings(api, self.filters).await);
        findings
    }

    async fn choices(&self, api: &Api) -> Result<String, PodError> {
        let mut catalogue = self.catalogue.lock().await;
        Ok(format!(
            "licences: {}; levels: {}; {} languages",
            catalogue.values(api, Field::Licence).await?.join(" "),
            catalogue.values(api, Field::Cursus).await?.join(" "),
            catalogue.values(api, Field::MainLang).await?.len()
        ))
    }
}

/// What there is to know of a Pod in which videos are made, whatever makes them.
pub(in crate::pod) async fn surroundings(api: &Api, filters: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !filters {
        findings.push(Finding::warning(
            "this Pod ignores filters, so whole lists are read to find one user or video",
            "update Pod to 3.8.2 or later before moving many recordings",
        ));
    }
    findings.push(lists(api).await);
    findings.push(resources(api).await);
    findings.extend(clocks(api).await);
    findings.push(Finding {
        severity: Severity::Fine,
        what: "Pod does not tell whether it mails at each encoding and deletes old videos".into(),
        advice: Some(
            "before moving many recordings set EMAIL_ON_ENCODING_COMPLETION=False in Pod, and \
             know that with USE_OBSOLESCENCE videos go after their time, which cannot be set \
             from here"
                .into(),
        ),
    });
    findings
}

/// Whether the plain list of videos can be read, which is not used here but by other tools.
async fn lists(api: &Api) -> Finding {
    match api
        .get(
            "reading the list of videos",
            "rest/videos/",
            &[("page", "1")],
        )
        .await
    {
        Ok(_) => Finding::fine("the list of videos can be read"),
        Err(PodError::Faulty { status: 500, .. }) => Finding::warning(
            "the list of videos answers 500, as Pod 4 does when a video has a tag",
            "nothing for bbb2pod, which reads user_videos only; other tools may fail",
        ),
        Err(error) => error.into(),
    }
}

/// What this Pod leaves out of its API, and what that means.
async fn resources(api: &Api) -> Finding {
    const MEANING: [(&str, &str); 3] = [
        (
            "files",
            "captions, slides and notes cannot be attached (USE_PODFILE)",
        ),
        (
            "meeting_session",
            "owners cannot be read of its meetings (USE_MEETING)",
        ),
        (
            "recordingfiletreatment",
            "rows of the claim page cannot be made",
        ),
    ];
    let root = match api.get("reading the list of resources", "rest/", &[]).await {
        Ok(root) => root,
        Err(error) => return error.into(),
    };
    let missing: Vec<String> = MEANING
        .iter()
        .filter(|(name, _)| root.get(name).is_none())
        .map(|(name, meaning)| format!("{name}: {meaning}"))
        .collect();
    if missing.is_empty() {
        return Finding::fine("the API has all that is used");
    }
    Finding::warning(
        format!("the API leaves out {}", missing.join("; ")),
        "switch it on in Pod's settings if you want that",
    )
}

/// Whether both clocks say about the same.
async fn clocks(api: &Api) -> Option<Finding> {
    let ahead = api.clock_ahead().await?;
    Some(if ahead.unsigned_abs() <= CLOCKS {
        Finding::fine("Pod's clock and this one agree")
    } else {
        Finding::warning(
            format!("Pod's clock is {ahead} seconds ahead of this one"),
            "let NTP set both: dates of videos would be wrong by that",
        )
    })
}

/// The version, unless it is one that is known not to work.
pub(in crate::pod) async fn version(api: &Api) -> Result<String, PodError> {
    const DOING: &str = "asking for Pod's version";
    const INFO: &str = "info_pod.json";
    let info = api.get_openly(DOING, INFO).await?;
    let Some(version) = info["VERSION"].as_str() else {
        return Err(api.odd(DOING, INFO, "a VERSION", &info));
    };
    if major(version).is_some_and(|major| major >= FIRST_UNKNOWN) {
        return Err(PodError::Unsupported {
            url: api.base().to_string(),
            version: version.to_owned(),
            why: "from version 5 on its API is another one (/api/, other tokens, no owner and no \
                  date of one's choice), which this bbb2pod does not speak; use kind: directory or \
                  a newer bbb2pod",
        });
    }
    Ok(version.to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.trim().parse().ok()
}

/// Whether Pod applies filters or silently answers with everything: nobody has a random name.
pub(in crate::pod) async fn filters_work(api: &Api) -> Result<bool, PodError> {
    let seed = format!("{}{}", Timestamp::now(), std::process::id());
    let nobody = format!("bbb2pod-{}", &Digest::of(seed.as_bytes()).to_string()[..20]);
    let query = [("username", nobody.as_str())];
    let found = api
        .find("trying Pod's filters", USERS, &query, |_| Some(()))
        .await?;
    Ok(found.is_none())
}

/// The link of the user with exactly this name.
pub(in crate::pod) async fn user(api: &Api, username: &str) -> Result<String, PodError> {
    Ok(account(api, username).await?.link)
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pod) struct Account {
    /// The user's link.
    pub(in crate::pod) link: String,
    /// Whether recordings may be made for this user.
    pub(in crate::pod) is_staff: bool,
}

/// The user with exactly this name.
///
/// Some databases compare without case and accents, and old versions of Pod do not compare at all,
/// so what Pod returns is compared here again.
pub(in crate::pod) async fn account(api: &Api, username: &str) -> Result<Account, PodError> {
    let mut found = Vec::new();
    let mut near = Vec::new();
    let query = [("username", username)];
    api.find("looking for the owner", USERS, &query, |item| {
        let name = item["username"].as_str()?;
        if name == username {
            found.extend(id(item).map(|id| (id, item["is_staff"] == true)));
        } else if name.to_lowercase() == username.to_lowercase() {
            near.push(name.to_owned());
        }
        None::<()>
    })
    .await?;
    if let [(id, is_staff)] = found[..] {
        return Ok(Account {
            link: format!("/{USERS}{id}/"),
            is_staff,
        });
    }
    Err(PodError::no_such_owner(username, !found.is_empty(), &near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_by_their_first_number() {
        for (version, known) in [
            ("4.1.0", true),
            ("3.7.0", true),
            ("5.0.0-beta", false),
            ("12", false),
        ] {
            assert_eq!(major(version).unwrap() < FIRST_UNKNOWN, known, "{version}");
        }
        assert_eq!(major("main"), None);
    }
}
