//! Who a recording belongs to.
//!
//! A chain of finders, each of which looks at one source ([`csv`], [`manifest`], [`meetings`] of
//! Pod, [`moodle`], [`greenlight`]) and names accounts of Pod, or nobody. What they decide by is
//! pure ([`mapping`], `moodle/rules`); what they fetch, they fetch with accounts that may only read.
//! Every step says what was looked at, found and rejected ([`reason`]).
//!
//! A wrong owner is the worst outcome, so nothing here guesses: two hits are no hit, names are
//! compared exactly, and a source that cannot be reached ends the search with an error instead of
//! letting the next one decide.

mod accounts;
mod check;
mod config;
mod csv;
mod greenlight;
mod manifest;
mod mapping;
mod meetings;
mod moodle;
mod reason;
mod subject;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;

use self::accounts::{Account, Accounts, Resolver};
use self::config::{Combine, FinderName, REVIEW};
use self::manifest::Moderators;
use self::meetings::Meetings;
use self::reason::Trace;
use self::subject::Breakout;
use crate::database::{Database, DatabaseError};
use crate::pod::{ApiConfig, DestinationConfig, NewUser, People, PodError};

pub(crate) use config::{DatabaseSettings, OwnersConfig};
pub(crate) use moodle::Activities;
pub(crate) use reason::{Reason, Source, What};
pub(crate) use subject::{Subject, SubjectError};

/// Everybody who can be asked.
pub(crate) struct Finders {
    config: OwnersConfig,
    accounts: Accounts,
    csv: Option<csv::Table>,
    moderators: Moderators,
    meetings: Meetings,
    moodle: Option<moodle::Moodle>,
    greenlight: Option<greenlight::Greenlight>,
}

/// What a finder says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It names nobody; the next one is asked.
    Nobody,
    /// It names these accounts, the owner first.
    Owners(Vec<Account>),
    /// Somebody decided, but it cannot be followed; nobody else is asked.
    Stop(String),
}

impl Verdict {
    fn of(accounts: Vec<Account>) -> Verdict {
        let mut owners: Vec<Account> = Vec::new();
        for account in accounts {
            if !owners
                .iter()
                .any(|known| known.username == account.username)
            {
                owners.push(account);
            }
        }
        match owners.is_empty() {
            true => Verdict::Nobody,
            false => Verdict::Owners(owners),
        }
    }

    /// Both together.
    fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Owners(mut owners), Verdict::Owners(more)) => {
                owners.extend(more);
                Verdict::of(owners)
            }
            (Verdict::Nobody, other) => other,
            (this, _) => this,
        }
    }
}

/// How a search ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Decision {
    /// The owner; `None` holds the recording until somebody decides.
    pub(crate) owner: Option<String>,
    /// Who owns it too.
    pub(crate) additional_owners: Vec<String>,
    /// Accounts that have to be made in Pod first.
    pub(crate) to_create: Vec<NewUser>,
    /// Who named the owner; `None` when nobody did.
    pub(crate) found_by: Option<Source>,
    /// Every step.
    pub(crate) reasons: Vec<Reason>,
}

impl Decision {
    /// Why nobody was found, in one line: the last thing that each source said against it.
    pub(crate) fn why_nobody(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for reason in self.reasons.iter().rev() {
            let begins = format!("{}: ", reason.source.as_str());
            if reason.what == What::Rejected && !lines.iter().any(|line| line.starts_with(&begins))
            {
                lines.push(format!("{begins}{}", reason.text));
            }
        }
        lines.reverse();
        match lines.is_empty() {
            true => "nothing to look at".to_owned(),
            false => lines.join("; "),
        }
    }
}

/// Why a search could not be made. Nothing is decided then; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnersError {
    /// A database cannot be reached, or is not as it should be.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Pod cannot be reached, or does not answer as it should.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// A file named in the settings cannot be read.
    #[error("{0}")]
    File(String),
    /// What is known of the recording cannot be read.
    #[error(transparent)]
    Subject(#[from] SubjectError),
}

impl OwnersError {
    /// Whether the account may not do what it has to.
    fn is_about_rights(&self) -> bool {
        matches!(self, OwnersError::Database(error) if error.is_about_rights())
    }

    /// Whether something did not answer, as opposed to being wrong.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            OwnersError::Database(DatabaseError::Unreachable { .. })
                | OwnersError::Pod(PodError::Unreachable { .. })
        )
    }
}

impl Finders {
    /// Everybody whom the settings name. Nothing is asked yet.
    ///
    /// # Errors
    /// A file named in the settings cannot be read.
    pub(crate) fn new(
        config: &OwnersConfig,
        destination: &DestinationConfig,
    ) -> Result<Finders, OwnersError> {
        let pod = config.pod.as_ref();
        let own = pod.and_then(|pod| {
            let (url, token_file) = (pod.url.as_deref()?, pod.token_file.as_deref()?);
            Some(ApiConfig::at(url, token_file))
        });
        let api = own.or_else(|| destination.api());
        let people = api.as_ref().map(People::new).transpose()?;
        let own = pod.and_then(|pod| pod.database.as_ref());
        let database = match (own, destination.database()) {
            (Some(own), _) => Some(own.open()?),
            (None, Some(config)) => Some(Database::new(config)?),
            (None, None) => None,
        };
        let host = people.as_ref().map(People::host);
        let mapping = config.mapping(config.manifest.map.as_ref());
        Ok(Finders {
            csv: config.csv.as_ref().map(csv::Table::new),
            moderators: Moderators {
                mapping: mapping.map_err(OwnersError::File)?,
                most: config.manifest.most,
            },
            meetings: Meetings::new(pod, host),
            moodle: moodle::Moodle::new(&config.moodle, config)?,
            greenlight: greenlight::Greenlight::new(&config.greenlight, config)?,
            accounts: Accounts::new(people, database),
            config: config.clone(),
        })
    }

    /// Finds out whose a recording is, or that nobody can tell.
    ///
    /// # Errors
    /// A source cannot be asked; then nothing is decided.
    pub(crate) async fn decide(&self, subject: &Subject) -> Result<Decision, OwnersError> {
        let mut trace = Trace::new();
        let mut verdict = Verdict::Nobody;
        let mut found_by = None;
        for finder in &self.config.chain {
            let inherits = matches!(
                subject.breakout,
                Breakout::Of {
                    decided: Some(_),
                    ..
                }
            );
            // Who has decided for the whole meeting has decided for its rooms, whoever is asked.
            let source = match inherits && *finder != FinderName::Csv {
                true => Source::Breakout,
                false => finder.source(),
            };
            trace.speaker(source);
            match self.ask(*finder, subject, &mut trace).await? {
                Verdict::Nobody => continue,
                Verdict::Stop(why) => {
                    // Whatever others would say, a person has decided otherwise.
                    trace.note(format!("nobody else is asked: {why}"));
                    if matches!(verdict, Verdict::Nobody) {
                        return Ok(decision(Vec::new(), None, trace));
                    }
                    break;
                }
                found => {
                    found_by = found_by.or(Some(source));
                    verdict = verdict.and(found);
                }
            }
            // A line of the file is somebody's explicit choice, which others do not add to.
            if self.config.combine == Combine::First || *finder == FinderName::Csv {
                break;
            }
        }
        let owners = match verdict {
            Verdict::Owners(owners) => owners,
            _ => {
                trace.speaker(Source::Otherwise);
                if self.config.otherwise == REVIEW {
                    trace.note("the recording waits for a decision (owners.otherwise: review)");
                    return Ok(decision(Vec::new(), None, trace));
                }
                let username = self.config.otherwise.clone();
                trace.found(format!(
                    "{username} owns what nobody is found for (owners.otherwise)"
                ));
                found_by = Some(Source::Otherwise);
                vec![Account {
                    username,
                    make: None,
                }]
            }
        };
        Ok(decision(owners, found_by, trace))
    }

    async fn ask(
        &self,
        finder: FinderName,
        subject: &Subject,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        let resolver = Resolver {
            accounts: &self.accounts,
            create_users: self.config.create_users,
        };
        if finder == FinderName::Csv {
            return match &self.csv {
                Some(table) => table.find(subject, &resolver, trace).await,
                None => Ok(nothing(trace, "no owners.csv.file in the settings")),
            };
        }
        // A breakout room belongs to whoever the whole meeting belongs to; who moderated in the
        // room itself says nothing.
        let subject = match &subject.breakout {
            Breakout::No => subject,
            Breakout::OfUnknown => {
                trace.rejected("a breakout room of a meeting that is not known");
                return Ok(Verdict::Nobody);
            }
            Breakout::Of { subject, decided } => {
                trace.looked(format!("a breakout room of {}", subject.record_id));
                if let Some(owners) = decided {
                    trace.found(format!("that meeting belongs to {}", owners.join(", ")));
                    let accounts = owners.iter().map(|username| Account {
                        username: username.clone(),
                        make: None,
                    });
                    return Ok(Verdict::of(accounts.collect()));
                }
                subject
            }
        };
        let (moodle, greenlight) = (self.moodle.as_ref(), self.greenlight.as_ref());
        match finder {
            FinderName::Csv => Ok(Verdict::Nobody),
            FinderName::Manifest => {
                let moderators = &self.moderators;
                moderators
                    .find(subject, moodle, greenlight, &resolver, trace)
                    .await
            }
            FinderName::Pod => self.meetings.find(subject, &self.accounts, trace).await,
            FinderName::Moodle => match moodle {
                Some(moodle) => moodle.find(subject, &resolver, trace).await,
                None => Ok(nothing(trace, "no owners.moodle.databases in the settings")),
            },
            FinderName::Greenlight => match greenlight {
                Some(greenlight) => greenlight.find(subject, &resolver, trace).await,
                None => Ok(nothing(
                    trace,
                    "no owners.greenlight.databases in the settings",
                )),
            },
        }
    }

    /// Makes the accounts that an owner needs and Pod lacks, and gives those made now.
    ///
    /// # Errors
    /// Pod does not make one.
    pub(crate) async fn make_accounts(
        &self,
        wanted: &[NewUser],
        staff: bool,
    ) -> Result<Vec<String>, OwnersError> {
        let mut made = Vec::new();
        for user in wanted {
            let Some(people) = &self.accounts.people else {
                let why = "owners.create_users needs owners.pod.url and token_file".to_owned();
                return Err(OwnersError::File(why));
            };
            if people.make(user, staff).await? {
                made.push(user.username.clone());
            }
            self.accounts.made(&user.username);
        }
        Ok(made)
    }

    /// Whether Pod has exactly this account; `None` when there is no Pod to ask.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) async fn knows(&self, username: &str) -> Result<Option<bool>, OwnersError> {
        match self.accounts.can_be_asked() {
            true => self.accounts.has(username).await.map(Some),
            false => Ok(None),
        }
    }

    /// How many statements all databases have been sent.
    pub(crate) fn asked(&self) -> u64 {
        let of_pod = self
            .accounts
            .database
            .as_ref()
            .map_or(0, |database| database.asked());
        of_pod
            + self.moodle.as_ref().map_or(0, moodle::Moodle::asked)
            + self
                .greenlight
                .as_ref()
                .map_or(0, greenlight::Greenlight::asked)
    }
}

fn nothing(trace: &mut Trace, why: &str) -> Verdict {
    trace.note(why);
    Verdict::Nobody
}

fn decision(owners: Vec<Account>, found_by: Option<Source>, trace: Trace) -> Decision {
    let mut names = owners.iter().map(|account| account.username.clone());
    Decision {
        owner: names.next(),
        additional_owners: names.collect(),
        to_create: owners
            .into_iter()
            .filter_map(|account| account.make)
            .collect(),
        found_by,
        reasons: trace.reasons,
    }
}
