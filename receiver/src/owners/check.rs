//! Trying every source that the settings name.

use super::config::{FinderName, REVIEW};
use super::csv::Table;
use super::{Finders, OwnersError};
use crate::database::DatabaseError;
use crate::pod::Finding;

/// Names of a table that Pod is asked for, and that are named when it has them not.
const NAMES_TRIED: usize = 2000;
const NAMES_SHOWN: usize = 5;
const NOT_LET_IN: &str = "check the url, the account and the password of owners.pod, or of the destination that stands in for it";

impl Finders {
    /// Tries everything that can be tried without leaving anything behind.
    pub(crate) async fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for finder in &self.config.chain {
            match finder {
                FinderName::Csv => {
                    if let Some(table) = &self.csv {
                        findings.push(self.table(table).await);
                    }
                }
                FinderName::Moodle => {
                    if let Some(moodle) = &self.moodle {
                        findings.extend(moodle.check().await);
                    }
                }
                FinderName::Greenlight => {
                    if let Some(greenlight) = &self.greenlight {
                        findings.extend(greenlight.check().await);
                    }
                }
                FinderName::Manifest | FinderName::Pod => {}
            }
        }
        findings.extend(self.accounts().await);
        findings
    }

    /// Whether the table can be read, and Pod has everybody in it.
    async fn table(&self, table: &Table) -> Finding {
        let (lines, names) = match table.check() {
            Ok(read) => read,
            Err(why) => return Finding::wrong(format!("owners.csv: {why}"), "correct the file"),
        };
        let mut missing = Vec::new();
        if self.accounts.can_be_asked() && !self.config.create_users {
            for (name, line) in names.iter().take(NAMES_TRIED) {
                match self.accounts.has(name).await {
                    Ok(true) => {}
                    Ok(false) => missing.push(format!("{name} (line {line})")),
                    Err(error) => {
                        return Finding::wrong(format!("owners.csv: {error}"), advice(&error));
                    }
                }
            }
        }
        if missing.is_empty() {
            return Finding::fine(format!("owners.csv: {lines} lines"));
        }
        let more = missing.len().saturating_sub(NAMES_SHOWN);
        missing.truncate(NAMES_SHOWN);
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Finding::wrong(
            format!("owners.csv: Pod has no user {}{more}", missing.join(", ")),
            "correct the lines, or set owners.create_users: true",
        )
    }

    async fn accounts(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.accounts.can_be_asked() {
            findings.push(Finding::warning(
                "owners: there is no Pod to ask which accounts exist, so names are taken as the rules give them",
                "give owners.pod.url and token_file, or owners.pod.database",
            ));
            return findings;
        }
        // A name that nobody has: filters that do not work would give others.
        let tried = self.accounts.named("bbb2pod.nobody.has.this.name").await;
        findings.push(match tried {
            Ok(found) if found.is_empty() => Finding::fine("owners: Pod can be asked for accounts"),
            Ok(_) => Finding::wrong(
                "owners: Pod knows an account that cannot be",
                "check owners.pod",
            ),
            Err(error) => Finding::wrong(format!("owners: {error}"), advice(&error)),
        });
        if let Some(database) = &self.accounts.database
            && self.config.chain.contains(&FinderName::Pod)
        {
            let sql = "SELECT m.id, m.internal_meeting_id, m.created_at, a.id FROM meeting m
                 LEFT JOIN meeting_additional_owners a ON a.meeting_id = m.id WHERE m.id < 0";
            let tried = database.rows("trying Pod's meetings", sql, &[]).await;
            findings.push(match tried {
                Ok(_) => Finding::fine("owners: Pod's meetings can be read in its database"),
                Err(DatabaseError::NoTable { .. }) => Finding::warning(
                    "owners: this Pod's database has no meetings, so nobody is found by them",
                    "right for a Pod without the module; take pod out of owners.chain",
                ),
                Err(error) if error.is_about_rights() => Finding::wrong(
                    format!("owners: {error}"),
                    "GRANT SELECT ON auth_user, meeting, meeting_additional_owners to the account of owners.pod.database (else destination.database), or take pod out of owners.chain",
                ),
                Err(error) => Finding::wrong(format!("owners: {error}"), NOT_LET_IN),
            });
        }
        if self.config.otherwise != REVIEW {
            let name = &self.config.otherwise;
            findings.push(match self.accounts.has(name).await {
                Ok(true) => Finding::fine(format!("owners.otherwise: {name} is a user of Pod")),
                Ok(false) => Finding::wrong(
                    format!("owners.otherwise: Pod has no user {name}"),
                    "correct the name, or write review",
                ),
                Err(error) => Finding::wrong(format!("owners.otherwise: {error}"), advice(&error)),
            });
        }
        findings
    }
}

fn advice(error: &OwnersError) -> &'static str {
    match error.is_about_rights() {
        true => {
            "GRANT SELECT ON auth_user to the account of owners.pod.database (else destination.database)"
        }
        false => NOT_LET_IN,
    }
}
