//! Which accounts Pod has, by REST or in its database, remembered for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::OwnersError;
use super::mapping::{Candidate, Mapping, Person, is_username};
use super::reason::Trace;
use crate::database::{Database, Value};
use crate::pod::{NewUser, People};

/// How long an answer counts. An account that is made meanwhile is known after that.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Most answers remembered of one kind.
const MOST: usize = 100_000;

/// Answers for a while.
#[derive(Debug)]
pub(super) struct Memory<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Memory<K, V> {
        Memory(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, value) = memory.get(key)?;
        (when.elapsed() < REMEMBERED).then(|| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MOST {
            memory.clear();
        }
        memory.insert(key, (Instant::now(), value));
    }
}

/// Pod's accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Over REST.
    pub(super) people: Option<People>,
    /// In Pod's database, which is asked instead where there is one: it is faster.
    pub(super) database: Option<Database>,
    named: Memory<String, Vec<String>>,
    with_email: Memory<String, Vec<String>>,
}

impl Accounts {
    pub(super) fn new(people: Option<People>, database: Option<Database>) -> Accounts {
        Accounts {
            people,
            database,
            ..Accounts::default()
        }
    }

    /// Whether there is a Pod to ask.
    pub(super) fn can_be_asked(&self) -> bool {
        self.people.is_some() || self.database.is_some()
    }

    /// Usernames that Pod takes for this one.
    pub(super) async fn named(&self, username: &str) -> Result<Vec<String>, OwnersError> {
        let key = username.to_owned();
        if let Some(known) = self.named.get(&key) {
            return Ok(known);
        }
        let found = if let Some(database) = &self.database {
            let sql = "SELECT username FROM auth_user WHERE username = ?";
            names(database, sql, username).await?
        } else if let Some(people) = &self.people {
            people.named(username).await?
        } else {
            Vec::new()
        };
        self.named.put(key, found.clone());
        Ok(found)
    }

    /// Whether Pod has exactly this account.
    pub(super) async fn has(&self, username: &str) -> Result<bool, OwnersError> {
        let found = self.named(username).await?;
        Ok(found.iter().filter(|name| *name == username).count() == 1)
    }

    /// Usernames of the accounts that have this e-mail address.
    async fn with_email(&self, email: &str) -> Result<Vec<String>, OwnersError> {
        let key = email.to_owned();
        if let Some(known) = self.with_email.get(&key) {
            return Ok(known);
        }
        let found = if let Some(database) = &self.database {
            let sql = "SELECT username, email FROM auth_user WHERE LOWER(email) = ?";
            let folded = email.to_lowercase();
            let rows = database
                .rows(
                    "looking for an account in Pod's database",
                    sql,
                    &[Value::Text(&folded)],
                )
                .await?;
            // The database may take accents for the letters without them.
            rows.into_iter()
                .filter_map(|row| match &row[..] {
                    [Some(name), Some(has)] if has.to_lowercase() == folded => Some(name.clone()),
                    _ => None,
                })
                .collect()
        } else if let Some(people) = &self.people {
            people.with_email(email).await?
        } else {
            Vec::new()
        };
        self.with_email.put(key, found.clone());
        Ok(found)
    }

    /// Forgets that an account was not there.
    pub(super) fn made(&self, username: &str) {
        let name = username.to_owned();
        self.named.put(name.clone(), vec![name]);
    }
}

async fn names(database: &Database, sql: &str, value: &str) -> Result<Vec<String>, OwnersError> {
    let rows = database
        .rows(
            "looking for an account in Pod's database",
            sql,
            &[Value::Text(value)],
        )
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect())
}

/// An owner that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// His username in Pod.
    pub(super) username: String,
    /// What to make when Pod does not have him yet.
    pub(super) make: Option<NewUser>,
}

/// Turns people of a front-end into accounts of Pod.
pub(super) struct Resolver<'a> {
    pub(super) accounts: &'a Accounts,
    /// Whether missing accounts are made.
    pub(super) create_users: bool,
}

impl Resolver<'_> {
    /// The account of a person, and in the trace why it is, or why there is none.
    pub(super) async fn account(
        &self,
        person: &Person,
        mapping: &Mapping,
        trace: &mut Trace,
    ) -> Result<Option<Account>, OwnersError> {
        let lists = mapping.candidates(person);
        let who = &person.shown;
        if !self.accounts.can_be_asked() {
            let first = lists
                .into_iter()
                .flatten()
                .find_map(|candidate| match candidate {
                    Candidate::Username(name) => Some(name),
                    Candidate::Email(_) => None,
                });
            return Ok(match first {
                Some(username) => {
                    trace.found(format!(
                        "{who} is {username} (no Pod in the settings to ask)"
                    ));
                    Some(Account {
                        username,
                        make: None,
                    })
                }
                None => {
                    trace.rejected(format!("{who}: no rule gives a username"));
                    None
                }
            });
        }
        let mut tried = Vec::new();
        for list in &lists {
            let mut hits: Vec<String> = Vec::new();
            for candidate in list {
                let hit = match candidate {
                    Candidate::Username(name) => self.exactly(name, &mut tried).await?,
                    Candidate::Email(email) => self.only(email, &mut tried).await?,
                };
                if let Some(hit) = hit
                    && !hits.contains(&hit)
                {
                    hits.push(hit);
                }
            }
            match &hits[..] {
                [] => {}
                [username] => {
                    let how = match &list[..] {
                        [Candidate::Email(email)] => format!(", by the address {email}"),
                        _ => String::new(),
                    };
                    trace.found(format!("{who} is {username} in Pod{how}"));
                    return Ok(Some(Account {
                        username: username.clone(),
                        make: None,
                    }));
                }
                several => {
                    let several = several.join(", ");
                    trace.rejected(format!(
                        "{who} may be {several} in Pod: two hits are no hit"
                    ));
                    return Ok(None);
                }
            }
        }
        if self.create_users
            && person.may_be_created
            && let Some(user) = new_user(person, &lists)
            // An account of nearly this name would be somebody else, or the same one in Pod's eyes.
            && self.accounts.named(&user.username).await?.is_empty()
        {
            trace.found(format!(
                "{who} becomes {} in Pod, which is to be made",
                user.username
            ));
            return Ok(Some(Account {
                username: user.username.clone(),
                make: Some(user),
            }));
        }
        if tried.is_empty() {
            tried.push("no rule gives a username".to_owned());
        }
        trace.rejected(format!("{who} has no account in Pod: {}", tried.join(", ")));
        Ok(None)
    }

    async fn exactly(
        &self,
        name: &str,
        tried: &mut Vec<String>,
    ) -> Result<Option<String>, OwnersError> {
        let found = self.accounts.named(name).await?;
        if found.iter().filter(|found| *found == name).count() == 1 {
            return Ok(Some(name.to_owned()));
        }
        tried.push(match found.is_empty() {
            true => format!("no user {name}"),
            false => format!("no user {name} (but {})", found.join(", ")),
        });
        Ok(None)
    }

    async fn only(
        &self,
        email: &str,
        tried: &mut Vec<String>,
    ) -> Result<Option<String>, OwnersError> {
        let mut found = self.accounts.with_email(email).await?;
        if found.len() == 1 {
            return Ok(found.pop());
        }
        tried.push(match found.is_empty() {
            true => format!("nobody with the address {email}"),
            false => format!("{} have the address {email}", found.join(" and ")),
        });
        Ok(None)
    }
}

fn new_user(person: &Person, lists: &[Vec<Candidate>]) -> Option<NewUser> {
    let mut candidates = lists.iter().flatten();
    let username = candidates.find_map(|candidate| match candidate {
        Candidate::Username(name) if is_username(name) => Some(name.clone()),
        _ => None,
    })?;
    Some(NewUser {
        username,
        first_name: person.first_name.clone(),
        last_name: person.last_name.clone(),
        email: person.email.clone().unwrap_or_default(),
    })
}
