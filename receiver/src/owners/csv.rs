//! The administrator's CSV file: an explicit choice of a person for one recording, or for all
//! recordings of one meeting.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::config::CsvConfig;
use super::mapping::{Mapping, Person, Rule};
use super::reason::Trace;
use super::{OwnersError, Resolver, Subject, Verdict, table};

const COLUMNS: [&str; 4] = ["record_id", "meeting_id", "owner", "additional_owners"];

/// The file, read again when it has changed.
#[derive(Debug)]
pub(super) struct Table {
    file: PathBuf,
    read: Mutex<Option<(SystemTime, Vec<Choice>)>>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    line: u64,
    record_id: Option<String>,
    meeting_id: Option<String>,
    /// The owner, then the others.
    owners: Vec<String>,
}

impl Table {
    pub(super) fn new(config: &CsvConfig) -> Table {
        Table {
            file: config.file.clone(),
            read: Mutex::default(),
        }
    }

    pub(super) async fn find(
        &self,
        subject: &Subject,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        let choices = self.choices().map_err(OwnersError::File)?;
        let file = self.file.display();
        trace.looked(format!("{file}, {} lines", choices.len()));
        let of_recording: Vec<_> = choices
            .iter()
            .filter(|choice| choice.record_id.as_deref() == Some(subject.record_id.as_str()))
            .collect();
        let of_meeting = choices.iter().filter(|choice| {
            choice.record_id.is_none()
                && choice.meeting_id.is_some()
                && choice.meeting_id == subject.external_id
        });
        let chosen = match of_recording.is_empty() {
            true => of_meeting.collect(),
            false => of_recording,
        };
        let Some(first) = chosen.first() else {
            trace.rejected("no line for this recording or its meeting");
            return Ok(Verdict::Nobody);
        };
        if let Some(other) = chosen.iter().find(|other| other.owners != first.owners) {
            let why = format!(
                "{file}: the lines {} and {} name different owners",
                first.line, other.line
            );
            trace.rejected(&why);
            return Ok(Verdict::Stop(why));
        }
        // What a person wrote is a username in Pod and nothing else.
        let mapping = Mapping {
            rules: vec![Rule::Identical],
            case: super::mapping::Case::Exact,
        };
        let mut people = Vec::new();
        for username in &first.owners {
            let person = Person {
                shown: format!("{username} in line {}", first.line),
                ids: vec![username.clone()],
                may_be_created: true,
                ..Person::default()
            };
            let Some(account) = resolver.account(&person, &mapping, trace).await? else {
                return Ok(Verdict::Stop(format!(
                    "{file}, line {}: Pod has no user {username}; correct the line, or assign the recording",
                    first.line
                )));
            };
            people.push(account);
        }
        Ok(Verdict::of(people))
    }

    /// How many lines there are, and every name with the first line that has it.
    pub(super) fn check(&self) -> Result<(usize, Vec<(String, u64)>), String> {
        let choices = self.choices()?;
        let mut names: Vec<(String, u64)> = Vec::new();
        let mut known = HashSet::new();
        for choice in &choices {
            for name in &choice.owners {
                if known.insert(name.as_str()) {
                    names.push((name.clone(), choice.line));
                }
            }
        }
        Ok((choices.len(), names))
    }

    fn choices(&self) -> Result<Vec<Choice>, String> {
        let changed = std::fs::metadata(&self.file)
            .and_then(|metadata| metadata.modified())
            .map_err(|e| format!("{}: {e}", self.file.display()))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, choices)) = &*read
            && *when == changed
        {
            return Ok(choices.clone());
        }
        let choices = self.parse()?;
        *read = Some((changed, choices.clone()));
        Ok(choices)
    }

    fn parse(&self) -> Result<Vec<Choice>, String> {
        let lines = table::read(&self.file, &COLUMNS)?;
        let mut choices = Vec::new();
        for (line, cells) in lines {
            let wrong = |why: &str| format!("{}, line {line}: {why}", self.file.display());
            let [record_id, meeting_id, owner, additional] = &cells[..] else {
                return Err(wrong("it is cut short"));
            };
            if record_id.is_none() && meeting_id.is_none() {
                return Err(wrong("neither record_id nor meeting_id is given"));
            }
            let owner = owner.clone().ok_or_else(|| wrong("no owner is given"))?;
            let mut owners = vec![owner];
            let more = additional.as_deref().unwrap_or_default();
            for name in more.split([',', ' ', '|']).filter(|name| !name.is_empty()) {
                if !owners.iter().any(|known| known == name) {
                    owners.push(name.to_owned());
                }
            }
            choices.push(Choice {
                line,
                record_id: record_id.clone(),
                meeting_id: meeting_id.clone(),
                owners,
            });
        }
        Ok(choices)
    }
}
