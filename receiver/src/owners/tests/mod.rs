//! Hard cases over real databases: what is in them, what is known of the recording, whose it is.

mod faults;
mod greenlight;
mod manifest;
mod moodle;
mod pod;
mod settings;
mod world;

use recording::events::Moderator;

use super::subject::{Breakout, Frontend, Subject};
use super::{Decision, Finders, OwnersConfig};
use crate::pod::DestinationConfig;

/// When every meeting of these tests begins and ends, in seconds.
const START: i64 = 1_600_000_000;
const END: i64 = START + 3600;

/// A recording, and who owns it: the owner, then the others. Nobody means that it waits.
struct Case {
    name: &'static str,
    subject: Subject,
    wanted: &'static [&'static str],
}

fn case(name: &'static str, subject: Subject, wanted: &'static [&'static str]) -> Case {
    Case {
        name,
        subject,
        wanted,
    }
}

fn config(yaml: &str) -> OwnersConfig {
    let config: OwnersConfig = serde_yaml::from_str(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
    config
        .validate(true)
        .unwrap_or_else(|e| panic!("{e:?}\n{yaml}"));
    config
}

fn finders(yaml: &str) -> Finders {
    let destination: DestinationConfig =
        serde_yaml::from_str("{kind: directory, directory: /srv/claim}").unwrap();
    Finders::new(&config(yaml), &destination).unwrap()
}

fn owners(decision: &Decision) -> Vec<&str> {
    let others = decision.additional_owners.iter();
    decision
        .owner
        .iter()
        .chain(others)
        .map(String::as_str)
        .collect()
}

/// Tries all cases before it says which went wrong.
async fn try_all(finders: &Finders, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let decision = finders.decide(&case.subject).await.unwrap();
        if owners(&decision) != case.wanted {
            let steps: Vec<_> = decision
                .reasons
                .iter()
                .map(|r| format!("   {} {:?}: {}", r.source.as_str(), r.what, r.text))
                .collect();
            wrong.push(format!(
                "{}: {:?} instead of {:?}\n{}",
                case.name,
                owners(&decision),
                case.wanted,
                steps.join("\n")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// A recording of which nothing is known but its ids.
fn recording(number: i64, external: Option<&str>, frontend: Frontend) -> Subject {
    Subject {
        record_id: record_id(number),
        external_id: external.map(str::to_owned),
        started: Some(START),
        ended: Some(END),
        frontend,
        server_name: None,
        callback_hosts: Vec::new(),
        moderators: Vec::new(),
        events_seen: false,
        breakout: Breakout::No,
    }
}

fn record_id(number: i64) -> String {
    format!("{number:040x}-1600000000000")
}

fn moderator(id: &str) -> Moderator {
    Moderator {
        external_user_id: id.to_owned(),
        name: format!("name of {id}"),
        role: "MODERATOR".to_owned(),
    }
}

impl Subject {
    fn with(mut self, moderators: &[&str]) -> Subject {
        self.events_seen = true;
        self.moderators = moderators.iter().map(|id| moderator(id)).collect();
        self
    }

    fn on(mut self, server: &str) -> Subject {
        self.server_name = Some(server.to_owned());
        self
    }

    fn calling(mut self, host: &str) -> Subject {
        self.callback_hosts = vec![host.to_owned()];
        self
    }

    fn external(mut self, id: Option<&str>) -> Subject {
        self.external_id = id.map(str::to_owned);
        self
    }

    /// A breakout room of this meeting.
    fn room(self, number: i64) -> Subject {
        Subject {
            record_id: record_id(number),
            external_id: Some("made-by-bbb-1600000000000".to_owned()),
            breakout: Breakout::Of {
                subject: Box::new(self.clone()),
                decided: None,
            },
            ..self
        }
    }
}
