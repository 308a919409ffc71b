//! Who moderates an activity, as its settings say it: pure reading of what Moodle stores.

use serde_json::Value;

/// A role, as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// By its id.
    Id(i64),
    /// By its short name.
    Shortname(String),
}

/// Who is a moderator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// These users.
    pub(super) users: Vec<i64>,
    /// Whoever has one of these roles.
    pub(super) roles: Vec<Role>,
    /// Whoever made the activity.
    pub(super) creator: bool,
    /// Everybody, which makes nobody an owner.
    pub(super) everybody: bool,
    /// Rules that say nothing, in words.
    pub(super) refused: Vec<String>,
}

/// What an activity's column `participants` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Participants {
    /// These rules.
    Rules(Rules),
    /// Nothing, and why: the site's default rules apply.
    Default(&'static str),
}

/// Reads the column `participants`.
pub(super) fn participants(text: Option<&str>) -> Participants {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Participants::Default("are empty");
    };
    let list = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) => list,
        // PHP writes a list with gaps as an object.
        Ok(Value::Object(object)) if object.contains_key("selectiontype") => {
            vec![Value::Object(object)]
        }
        Ok(Value::Object(object)) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_by_key(|(key, _)| key.parse::<u64>().unwrap_or(u64::MAX));
            entries.into_iter().map(|(_, rule)| rule).collect()
        }
        _ => return Participants::Default("are not readable"),
    };
    if list.is_empty() {
        return Participants::Default("are empty");
    }
    let mut rules = Rules::default();
    let mut readable = false;
    for rule in &list {
        let word = |key: &str| rule.get(key).and_then(Value::as_str);
        let (Some(kind), Some(role)) = (word("selectiontype"), word("role")) else {
            rules.refused.push(format!("{} is no rule", short(rule)));
            continue;
        };
        readable = true;
        if role == "moderator" {
            let chosen = rule.get("selectionid").unwrap_or(&Value::Null);
            rules.add(kind, chosen);
        }
    }
    match readable {
        true => Participants::Rules(rules),
        false => Participants::Default("are not readable"),
    }
}

/// Reads the site's default: ids of roles with commas between, 0 for the activity's creator.
pub(super) fn defaults(text: &str) -> Rules {
    let mut rules = Rules::default();
    for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        match number(word) {
            Some(0) => rules.creator = true,
            Some(role) => rules.roles.push(Role::Id(role)),
            None => rules.refused.push(format!("\"{word}\" is no id of a role")),
        }
    }
    rules
}

impl Rules {
    fn add(&mut self, kind: &str, chosen: &Value) {
        let word = match chosen {
            Value::String(word) => word.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        match (kind, number(&word)) {
            ("all", _) => self.everybody = true,
            ("user", Some(id)) if id > 0 => {
                if !self.users.contains(&id) {
                    self.users.push(id);
                }
            }
            ("user", _) => self
                .refused
                .push(format!("{} is no id of a user", short(chosen))),
            ("role", Some(id)) => self.roles.push(Role::Id(id)),
            ("role", None) if !word.trim().is_empty() => {
                self.roles.push(Role::Shortname(word));
            }
            _ => self
                .refused
                .push(format!("{kind} {} is no choice of people", short(chosen))),
        }
    }

    /// Whether a role that exists is one of those named.
    pub(super) fn names_role(&self, id: i64, shortname: &str) -> bool {
        self.roles.iter().any(|role| match role {
            Role::Id(wanted) => *wanted == id,
            Role::Shortname(wanted) => wanted == shortname,
        })
    }
}

/// A whole number as Moodle writes ids: digits, nothing before or after.
pub(super) fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (digits && canonical).then(|| text.parse().ok()).flatten()
}

/// The contexts that lie above one, and itself: the numbers in its path.
pub(super) fn contexts(id: i64, path: Option<&str>) -> Vec<i64> {
    let mut ids: Vec<i64> = path
        .unwrap_or_default()
        .split('/')
        .filter_map(number)
        .collect();
    if !ids.contains(&id) {
        ids.push(id);
    }
    ids
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// The parts of the meeting id that Moodle gives to BBB: `<meeting id>-<course>-<activity>[<group>]`,
/// the bracket not always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExternalId<'a> {
    /// What the activity's column `meetingid` holds.
    pub(super) meeting: &'a str,
    /// The course's id.
    pub(super) course: i64,
    /// The activity's id.
    pub(super) activity: i64,
    /// The id without its bracket.
    pub(super) bare: &'a str,
}

/// Takes an external meeting id apart; `None` when Moodle did not make it.
pub(super) fn external_id(text: &str) -> Option<ExternalId<'_>> {
    let bare = match text.strip_suffix(']') {
        Some(before) => {
            let (bare, group) = before.rsplit_once('[')?;
            number(group)?;
            bare
        }
        None => text,
    };
    let (rest, activity) = bare.rsplit_once('-')?;
    let (meeting, course) = rest.rsplit_once('-')?;
    (!meeting.is_empty()).then_some(())?;
    Some(ExternalId {
        meeting,
        course: number(course)?,
        activity: number(activity)?,
        bare,
    })
}

/// Whether a meeting and a row of the log are of the same room. The bracket is not always there:
/// without it nothing is said of the group, and `[0]` is no group. Two groups have two rooms.
pub(super) fn same_room(meeting: &str, row: &str) -> bool {
    let whole_course = |id: &str, other: &str| {
        external_id(other).is_some_and(|other| other.bare == id)
            && other.strip_prefix(id) == Some("[0]")
    };
    meeting == row
        || external_id(meeting).is_some_and(|meeting| meeting.bare == row)
        || whole_course(meeting, row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_the_same_with_and_without_a_bracket_but_groups_are_not() {
        for (meeting, row, wanted) in [
            ("m-30-7[0]", "m-30-7[0]", true),
            ("m-30-7[0]", "m-30-7", true),
            ("m-30-7", "m-30-7[0]", true),
            ("m-30-7", "m-30-7", true),
            ("m-30-7[8]", "m-30-7", true),
            ("m-30-7", "m-30-7[8]", false),
            ("m-30-7[7]", "m-30-7[8]", false),
            ("m-30-7[0]", "m-30-7[8]", false),
            ("m-30-7", "m-30-8[0]", false),
            ("m-30", "m-30[0]", false),
        ] {
            assert_eq!(same_room(meeting, row), wanted, "{meeting} {row}");
        }
    }

    fn rule(kind: &str, id: &str, role: &str) -> String {
        format!(r#"{{"selectiontype":"{kind}","selectionid":{id},"role":"{role}"}}"#)
    }

    #[test]
    fn participants_are_read_as_moodle_stores_them() {
        let user = |ids: &[i64]| Rules {
            users: ids.to_vec(),
            ..Rules::default()
        };
        let cases: Vec<(String, Rules)> = vec![
            (
                format!("[{}]", rule("user", "\"187\"", "moderator")),
                user(&[187]),
            ),
            (
                format!("[{}]", rule("user", "187", "moderator")),
                user(&[187]),
            ),
            (rule("user", "187", "moderator"), user(&[187])),
            (
                format!(
                    r#"{{"10":{},"2":{}}}"#,
                    rule("user", "7", "moderator"),
                    rule("user", "8", "moderator")
                ),
                user(&[8, 7]),
            ),
            (
                format!(
                    "[{},{}]",
                    rule("user", "5", "moderator"),
                    rule("user", "\"5\"", "moderator")
                ),
                user(&[5]),
            ),
            (format!("[{}]", rule("user", "187", "viewer")), user(&[])),
            (format!("[{}]", rule("all", "\"all\"", "viewer")), user(&[])),
            (
                format!("[{}]", rule("all", "\"all\"", "moderator")),
                Rules {
                    everybody: true,
                    ..Rules::default()
                },
            ),
            (
                format!(
                    "[{},{}]",
                    rule("role", "\"3\"", "moderator"),
                    rule("role", "\"editingteacher\"", "moderator")
                ),
                Rules {
                    roles: vec![Role::Id(3), Role::Shortname("editingteacher".into())],
                    ..Rules::default()
                },
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(
                participants(Some(&text)),
                Participants::Rules(wanted),
                "{text}"
            );
        }
        for id in [
            "\"187abc\"",
            "\"\"",
            "null",
            "-3",
            "1.5",
            "\" 187\"",
            "\"0187\"",
            "0",
            "\"99999999999999999999\"",
            "[187]",
            "true",
        ] {
            let text = format!("[{}]", rule("user", id, "moderator"));
            let Participants::Rules(rules) = participants(Some(&text)) else {
                panic!("{text} is a list of rules");
            };
            assert!(
                rules.users.is_empty() && rules.refused.len() == 1,
                "{text}: {rules:?}"
            );
        }
    }

    #[test]
    fn what_is_no_list_of_rules_stands_for_the_defaults() {
        for text in [
            None,
            Some(""),
            Some("  "),
            Some("[]"),
            Some("{}"),
            Some("null"),
            Some("7"),
            Some("\"[]\""),
            Some("[{\"selectiontype\":"),
            Some("[1,2]"),
            Some("[{}]"),
            Some("teacher"),
        ] {
            assert!(
                matches!(participants(text), Participants::Default(_)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn defaults_name_roles_and_the_creator() {
        assert_eq!(
            defaults("0"),
            Rules {
                creator: true,
                ..Rules::default()
            }
        );
        let both = defaults("0,3, 4");
        assert!(both.creator);
        assert_eq!(both.roles, [Role::Id(3), Role::Id(4)]);
        assert_eq!(defaults(""), Rules::default());
        assert_eq!(defaults("3x").refused.len(), 1);
    }

    #[test]
    fn external_ids_of_every_version() {
        let id = "8f14e45fceea167a5a36dedd4bea2543aaaaaaaa-3-17";
        for text in [id.to_owned(), format!("{id}[0]"), format!("{id}[12]")] {
            let found = external_id(&text).unwrap();
            assert_eq!((found.course, found.activity, found.bare), (3, 17, id));
            assert_eq!(found.meeting, "8f14e45fceea167a5a36dedd4bea2543aaaaaaaa");
        }
        assert_eq!(external_id("a-b-3-17").unwrap().meeting, "a-b");
        for text in [
            "",
            "a",
            "a-3",
            "-3-17",
            "a-3-17[",
            "a-3-17[]",
            "a-3-17[x]",
            "a-3-17]",
            "a-x-17",
            "a-3-17abc",
            "a-3-17[0]x",
            "a-03-17",
        ] {
            assert_eq!(external_id(text), None, "{text}");
        }
    }

    #[test]
    fn contexts_go_up_to_the_site() {
        assert_eq!(contexts(27, Some("/1/3/27")), [1, 3, 27]);
        assert_eq!(contexts(27, None), [27]);
        assert_eq!(contexts(27, Some("/1/x/27")), [1, 27]);
    }
}
