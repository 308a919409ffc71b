//! Who has an account in Pod, and whose its meetings are, over REST.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use reqwest::multipart::Form;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::PodError;
use super::config::ApiConfig;
use super::upload::api::Api;

#[cfg(test)]
mod tests;

const USERS: &str = "rest/users/";
const MEETINGS: &str = "rest/meeting_session/";
const LOOKING: &str = "looking for an account";
/// How long the list of all accounts counts. It comes in pages of twelve.
const LISTED: Duration = Duration::from_secs(600);

/// Usernames by their e-mail addresses in small letters.
type Addresses = HashMap<String, Vec<String>>;

/// The accounts and meetings of a Pod.
#[derive(Debug)]
pub(crate) struct People {
    api: Api,
    /// Whether Pod's database compares addresses without case, as MariaDB's does and PostgreSQL's
    /// does not.
    folds: OnceCell<bool>,
    addresses: Mutex<Option<(Instant, Arc<Addresses>)>>,
}

/// A room of Pod's meeting module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// Its id in Pod.
    pub(crate) id: i64,
    /// What BBB knows it by.
    pub(crate) meeting_id: String,
    /// Id of its owner's account.
    pub(crate) owner_id: i64,
    /// When it was made, in seconds.
    pub(crate) created: Option<i64>,
}

/// Somebody to make an account for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewUser {
    /// The username.
    pub(crate) username: String,
    /// The first name.
    #[serde(default)]
    pub(crate) first_name: String,
    /// The last name.
    #[serde(default)]
    pub(crate) last_name: String,
    /// The e-mail address; empty when it is not known.
    #[serde(default)]
    pub(crate) email: String,
}

impl NewUser {
    /// The request that makes it, as a rehearsal shows it.
    pub(crate) fn shown(&self, staff: bool) -> String {
        let (first, last) = (plain(&self.first_name), plain(&self.last_name));
        format!(
            "POST {USERS} username={} first_name=\"{first}\" last_name=\"{last}\" email={} is_staff={staff}",
            self.username, self.email
        )
    }
}

impl People {
    /// Those of the Pod at this address. Nothing is asked yet.
    ///
    /// # Errors
    /// The address makes no sense, or the token cannot be read.
    pub(crate) fn new(config: &ApiConfig) -> Result<People, PodError> {
        let api = Api::new(config)?;
        Ok(People {
            api,
            folds: OnceCell::new(),
            addresses: Mutex::default(),
        })
    }

    /// The host by which this Pod is reached.
    pub(crate) fn host(&self) -> String {
        self.api
            .base()
            .host_str()
            .unwrap_or_default()
            .to_lowercase()
    }

    /// Usernames that Pod gives for this one. Some databases compare without case and accents, so
    /// the caller compares again.
    ///
    /// # Errors
    /// Pod cannot be reached, or does not answer as it should.
    pub(crate) async fn named(&self, username: &str) -> Result<Vec<String>, PodError> {
        let mut found = Vec::new();
        let query = [("username", username)];
        let folded = username.to_lowercase();
        self.each_user(&query, |item| {
            let name = item["username"].as_str()?;
            // Old versions do not filter at all and give everybody.
            if name.to_lowercase() == folded {
                found.push(name.to_owned());
            }
            None
        })
        .await?;
        Ok(found)
    }

    /// Usernames of the accounts that have exactly this e-mail address, but for case.
    ///
    /// Pod filters as its database compares. Where that is exactly, one account would be found and
    /// another that has the address in other letters would not, so the whole list is looked through.
    ///
    /// # Errors
    /// As for [`People::named`].
    pub(crate) async fn with_email(&self, email: &str) -> Result<Vec<String>, PodError> {
        let mut found: Vec<String> = Vec::new();
        let folded = email.to_lowercase();
        let query = [("email", email)];
        self.each_user(&query, |item| {
            let name = item["username"].as_str()?;
            let has = item["email"].as_str()?.to_lowercase() == folded;
            if has && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
            None
        })
        .await?;
        // Two are no hit, however many more there are.
        if found.len() < 2 && !self.folds().await? {
            let addresses = self.addresses().await?;
            for name in addresses.get(&folded).into_iter().flatten() {
                if !found.contains(name) {
                    found.push(name.clone());
                }
            }
        }
        Ok(found)
    }

    /// Whether an account is found by its address in other letters.
    async fn folds(&self) -> Result<bool, PodError> {
        let tried = self.folds.get_or_try_init(|| async {
            let some = self.api.find(LOOKING, USERS, &[], |item| {
                let email = item["email"].as_str()?;
                let other = swapped(email);
                (other != email).then(|| (item["id"].clone(), other))
            });
            let Some((id, other)) = some.await? else {
                return Ok(false);
            };
            let query = [("email", other.as_str())];
            let again = self.api.find(LOOKING, USERS, &query, |item| {
                (item["id"] == id).then_some(())
            });
            Ok(again.await?.is_some())
        });
        tried.await.copied()
    }

    /// All addresses, from the list of all accounts.
    async fn addresses(&self) -> Result<Arc<Addresses>, PodError> {
        let mut known = self.addresses.lock().await;
        if let Some((read, addresses)) = &*known
            && read.elapsed() < LISTED
        {
            return Ok(addresses.clone());
        }
        let mut addresses = Addresses::new();
        self.each_user(&[], |item| {
            let (name, email) = (item["username"].as_str()?, item["email"].as_str()?);
            let names = addresses.entry(email.to_lowercase()).or_default();
            if !email.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            None
        })
        .await?;
        let addresses = Arc::new(addresses);
        *known = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }

    async fn each_user(
        &self,
        query: &[(&str, &str)],
        look: impl FnMut(&Value) -> Option<()>,
    ) -> Result<(), PodError> {
        self.api.find(LOOKING, USERS, query, look).await.map(|_| ())
    }

    /// The username of the account with this id.
    ///
    /// # Errors
    /// As for [`People::named`].
    pub(crate) async fn username(&self, id: i64) -> Result<Option<String>, PodError> {
        let path = format!("{USERS}{id}/");
        match self.api.get(LOOKING, &path, &[]).await {
            Ok(user) => Ok(user["username"].as_str().map(str::to_owned)),
            Err(PodError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All rooms; `None` when this Pod has no meetings.
    ///
    /// # Errors
    /// As for [`People::named`].
    pub(crate) async fn meetings(&self) -> Result<Option<Vec<Meeting>>, PodError> {
        let mut found = Vec::new();
        let listed = self
            .api
            .find("reading the meetings", MEETINGS, &[], |item| {
                let created = item["created_at"].as_str();
                found.push(Meeting {
                    id: item["id"].as_i64()?,
                    meeting_id: item["meeting_id"].as_str()?.to_owned(),
                    owner_id: item["owner_id"].as_i64()?,
                    created: created
                        .and_then(|at| at.parse::<Timestamp>().ok())
                        .map(Timestamp::as_second),
                });
                None::<()>
            })
            .await;
        match listed {
            Ok(_) => Ok(Some(found)),
            Err(PodError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an account unless there is one; gives whether it was made now. Without the e-mail
    /// address when that is what Pod refuses.
    ///
    /// # Errors
    /// As for [`People::named`], and when Pod refuses it. After a lost answer the account is looked
    /// for before anything is said to have failed.
    pub(crate) async fn make(&self, user: &NewUser, staff: bool) -> Result<bool, PodError> {
        if self.is_there(&user.username).await? {
            return Ok(false);
        }
        match self.once(user, &user.email, staff).await {
            Err(PodError::Refused { status: 400, .. }) if !user.email.is_empty() => {
                self.once(user, "", staff).await
            }
            done => done,
        }
        .map(|()| true)
    }

    async fn once(&self, user: &NewUser, email: &str, staff: bool) -> Result<(), PodError> {
        const MAKING: &str = "making an account";
        let form = Form::new()
            .text("username", user.username.clone())
            .text("first_name", plain(&user.first_name))
            .text("last_name", plain(&user.last_name))
            .text("email", email.to_owned())
            .text("is_staff", if staff { "true" } else { "false" });
        match self.api.write(MAKING, Method::POST, USERS, form).await {
            Ok(_) => Ok(()),
            // Pod may have made it and failed afterwards, or somebody else was faster.
            Err(error) => match self.is_there(&user.username).await? {
                true => Ok(()),
                false => Err(error),
            },
        }
    }

    async fn is_there(&self, username: &str) -> Result<bool, PodError> {
        Ok(self
            .named(username)
            .await?
            .iter()
            .any(|name| name == username))
    }
}

/// A text with its small letters for capitals and the reverse.
fn swapped(text: &str) -> String {
    text.chars()
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect()
}

/// A name that every database takes: no control characters, nothing beyond the basic plane, and no
/// longer than Pod's column.
fn plain(name: &str) -> String {
    let fits = |c: &char| !c.is_control() && u32::from(*c) <= 0xffff;
    name.chars().filter(fits).take(150).collect()
}
