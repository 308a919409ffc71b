//! From the ids of a front-end to usernames in Pod: pure rules, tried in order.

use std::collections::HashMap;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest username that Pod takes.
const NAME_MAX: usize = 150;

/// What happens to an id before it is compared with Pod's usernames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Case {
    /// Nothing.
    #[default]
    Exact,
    /// Pod's usernames are all lower case.
    Lower,
    /// Pod's usernames are all upper case.
    Upper,
}

impl Case {
    fn apply(self, name: &str) -> String {
        match self {
            Case::Exact => name.to_owned(),
            Case::Lower => name.to_lowercase(),
            Case::Upper => name.to_uppercase(),
        }
    }
}

/// One way from an id to a username.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// The id is the username.
    Identical,
    /// The username is what stands before this; other ids are no match.
    StripSuffix(String),
    /// The username is this replacement, where the whole id matches.
    Regex(Regex, String),
    /// The account with the person's e-mail address.
    Email,
    /// A table.
    Table(HashMap<String, String>),
}

/// Rules in the order in which they are tried.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) rules: Vec<Rule>,
    pub(super) case: Case,
}

/// Somebody as a front-end knows him.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// How the reasons call him.
    pub(super) shown: String,
    /// What may be, or lead to, his username.
    pub(super) ids: Vec<String>,
    /// His e-mail address.
    pub(super) email: Option<String>,
    /// His first name.
    pub(super) first_name: String,
    /// His last name.
    pub(super) last_name: String,
    /// Whether the front-end knows him well enough to make an account for him.
    pub(super) may_be_created: bool,
}

/// An account to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// By its username.
    Username(String),
    /// By its e-mail address.
    Email(String),
}

impl Mapping {
    /// Accounts that a person may have: one list per rule, an earlier rule counting more. Within a
    /// list none counts more.
    pub(super) fn candidates(&self, person: &Person) -> Vec<Vec<Candidate>> {
        self.rules
            .iter()
            .map(|rule| {
                let mut found: Vec<Candidate> = Vec::new();
                if let Rule::Email = rule {
                    found.extend(person.address().map(Candidate::Email));
                } else {
                    let names = person.ids.iter().filter_map(|id| self.name(rule, id));
                    for candidate in names.map(Candidate::Username) {
                        if !found.contains(&candidate) {
                            found.push(candidate);
                        }
                    }
                }
                found
            })
            .filter(|found| !found.is_empty())
            .collect()
    }

    fn name(&self, rule: &Rule, id: &str) -> Option<String> {
        let name = match rule {
            Rule::Identical => id.to_owned(),
            // The ids of a site that knows no case end in any; they are compared as it compares.
            Rule::StripSuffix(suffix) => {
                let (id, suffix) = (self.case.apply(id), self.case.apply(suffix));
                id.strip_suffix(&suffix)?.to_owned()
            }
            Rule::Regex(regex, replacement) => {
                let captures = regex.captures(id)?;
                let whole = captures.get(0)?;
                if whole.as_str().len() != id.len() {
                    return None;
                }
                let mut name = String::new();
                captures.expand(replacement, &mut name);
                name
            }
            Rule::Table(table) => return table.get(id).cloned(),
            Rule::Email => return None,
        };
        let name = self.case.apply(&name);
        is_username(&name).then_some(name)
    }
}

impl Person {
    /// The e-mail address: the one that is known, else an id that looks like one.
    fn address(&self) -> Option<String> {
        let is_address = |text: &&String| {
            text.split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
                && !text.contains(char::is_whitespace)
        };
        let known = self.email.as_ref().filter(is_address);
        known.or_else(|| self.ids.iter().find(is_address)).cloned()
    }
}

/// Whether Pod can have such a username.
pub(super) fn is_username(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "_.@+-".contains(c);
    !name.is_empty() && name.chars().count() <= NAME_MAX && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rules: Vec<Rule>, case: Case, id: &str) -> Vec<String> {
        let person = Person {
            ids: vec![id.to_owned()],
            ..Person::default()
        };
        let lists = Mapping { rules, case }.candidates(&person);
        lists
            .into_iter()
            .flatten()
            .map(|candidate| match candidate {
                Candidate::Username(name) => name,
                Candidate::Email(address) => format!("<{address}>"),
            })
            .collect()
    }

    #[test]
    fn each_rule_gives_what_it_says_and_nothing_else() {
        let strip = || Rule::StripSuffix("@univ.example".into());
        let regex = |m: &str, to: &str| Rule::Regex(Regex::new(m).unwrap(), to.into());
        let table = || {
            let table = HashMap::from([("42".to_owned(), "jdupont".to_owned())]);
            Rule::Table(table)
        };
        let cases: Vec<(Rule, Case, &str, &[&str])> = vec![
            (Rule::Identical, Case::Exact, "JDupont", &["JDupont"]),
            (Rule::Identical, Case::Lower, "JDupont", &["jdupont"]),
            (Rule::Identical, Case::Lower, "ÉMILE", &["émile"]),
            (Rule::Identical, Case::Upper, "jdupont", &["JDUPONT"]),
            (Rule::Identical, Case::Exact, "", &[]),
            (Rule::Identical, Case::Exact, " jdupont", &[]),
            (Rule::Identical, Case::Exact, "j dupont", &[]),
            (Rule::Identical, Case::Exact, "x' OR '1'='1", &[]),
            (
                Rule::Identical,
                Case::Exact,
                "émile.zola@univ.example",
                &["émile.zola@univ.example"],
            ),
            (strip(), Case::Exact, "jdupont@univ.example", &["jdupont"]),
            (strip(), Case::Lower, "JDupont@UNIV.Example", &["jdupont"]),
            (strip(), Case::Upper, "jdupont@univ.example", &["JDUPONT"]),
            (strip(), Case::Exact, "jdupont@UNIV.example", &[]),
            (strip(), Case::Exact, "jdupont@other.example", &[]),
            (strip(), Case::Exact, "jdupont@sub.univ.example", &[]),
            (strip(), Case::Exact, "jdupont", &[]),
            (strip(), Case::Exact, "@univ.example", &[]),
            (
                strip(),
                Case::Exact,
                "jdupont@univ.example@univ.example",
                &["jdupont@univ.example"],
            ),
            (regex(r"u(\d+)", "p$1"), Case::Exact, "u123", &["p123"]),
            (regex(r"u(\d+)", "p$1"), Case::Exact, "xu123", &[]),
            (regex(r"u(\d+)", "p$1"), Case::Exact, "u123x", &[]),
            (table(), Case::Exact, "42", &["jdupont"]),
            (table(), Case::Exact, "4", &[]),
            (
                Rule::Email,
                Case::Exact,
                "jean@univ.example",
                &["<jean@univ.example>"],
            ),
            (Rule::Email, Case::Exact, "jean@localhost", &[]),
            (Rule::Email, Case::Exact, "jean", &[]),
        ];
        for (rule, case, id, wanted) in cases {
            assert_eq!(
                names(vec![rule.clone()], case, id),
                wanted,
                "{rule:?} on {id:?}"
            );
        }
        assert_eq!(
            names(vec![Rule::Identical], Case::Exact, &"x".repeat(151)),
            [""; 0]
        );
    }

    #[test]
    fn earlier_rules_come_first() {
        let rules = vec![
            Rule::StripSuffix("@univ.example".into()),
            Rule::Identical,
            Rule::Email,
        ];
        assert_eq!(
            names(rules, Case::Exact, "jean@univ.example"),
            ["jean", "jean@univ.example", "<jean@univ.example>"]
        );
    }
}
