//! Pod's own meetings: the room that a recording was made in, and its owners.

use super::accounts::{Account, Accounts, Memory};
use super::config::{PodConfig, host};
use super::reason::Trace;
use super::subject::Frontend;
use super::{OwnersError, Subject, Verdict};
use crate::database::{Database, DatabaseError, Dialect, Row, Value};
use crate::pod::Meeting;

const READING: &str = "looking for a meeting in Pod's database";

/// Pod's rooms.
#[derive(Debug, Default)]
pub(super) struct Meetings {
    /// Names by which BBB calls this Pod back.
    hosts: Vec<String>,
    listed: Memory<(), Option<Vec<Meeting>>>,
}

/// A room, and who owns it.
#[derive(Clone, Debug)]
struct Room {
    id: i64,
    meeting_id: String,
    internal_id: Option<String>,
    created: Option<i64>,
    owner: String,
}

impl Meetings {
    pub(super) fn new(config: Option<&PodConfig>, own_host: Option<String>) -> Meetings {
        let more = config
            .map(|config| config.hosts.as_slice())
            .unwrap_or_default();
        Meetings {
            hosts: own_host
                .into_iter()
                .chain(more.iter().map(|name| host(name)))
                .collect(),
            ..Meetings::default()
        }
    }

    pub(super) async fn find(
        &self,
        subject: &Subject,
        accounts: &Accounts,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        if !matches!(subject.frontend, Frontend::Pod | Frontend::Unknown) {
            trace.note("the meeting was not one of Pod's");
            return Ok(Verdict::Nobody);
        }
        let called_back = match &subject.callback_hosts[..] {
            [] => None,
            _ if self.hosts.is_empty() => None,
            hosts => Some(hosts.iter().any(|host| self.hosts.contains(host))),
        };
        if called_back == Some(false) {
            trace.note(format!(
                "BBB was to call back {}, which is not this Pod (owners.pod.hosts)",
                subject.callback_hosts.join(", ")
            ));
        }
        if let Some(database) = &accounts.database {
            return match in_database(database, subject, called_back, trace).await {
                Err(OwnersError::Database(DatabaseError::NoTable { .. })) => {
                    trace.note("this Pod has no meetings");
                    Ok(Verdict::Nobody)
                }
                done => done,
            };
        }
        self.by_rest(accounts, subject, called_back, trace).await
    }

    async fn by_rest(
        &self,
        accounts: &Accounts,
        subject: &Subject,
        called_back: Option<bool>,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        let Some(people) = &accounts.people else {
            trace.note("no Pod in the settings to ask");
            return Ok(Verdict::Nobody);
        };
        let listed = match self.listed.get(&()) {
            Some(listed) => listed,
            None => {
                let listed = people.meetings().await?;
                self.listed.put((), listed.clone());
                listed
            }
        };
        let Some(listed) = listed else {
            trace.note("this Pod has no meetings");
            return Ok(Verdict::Nobody);
        };
        let Some(external) = &subject.external_id else {
            trace.rejected("the recording does not say which meeting it is of");
            return Ok(Verdict::Nobody);
        };
        trace.looked(format!("Pod's {} meetings, for {external}", listed.len()));
        let exact = listed.iter().filter(|room| room.meeting_id == *external);
        let mut rooms: Vec<_> = exact.cloned().collect();
        let is_exact = !rooms.is_empty();
        if !is_exact && let Some(id) = prefix(external) {
            rooms = listed
                .iter()
                .filter(|room| room.id == id)
                .cloned()
                .collect();
        }
        let mut found = Vec::new();
        for room in rooms {
            let Some(owner) = people.username(room.owner_id).await? else {
                trace.rejected(format!("the owner of room {} is no more", room.meeting_id));
                continue;
            };
            found.push(Room {
                id: room.id,
                meeting_id: room.meeting_id,
                internal_id: None,
                created: room.created,
                owner,
            });
        }
        Ok(match choose(found, is_exact, subject, called_back, trace) {
            Some(room) => Verdict::of(vec![account(room.owner)]),
            None => Verdict::Nobody,
        })
    }
}

async fn in_database(
    database: &Database,
    subject: &Subject,
    called_back: Option<bool>,
    trace: &mut Trace,
) -> Result<Verdict, OwnersError> {
    let created = match database.dialect() {
        Dialect::MySql => "TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', m.created_at)",
        Dialect::Postgres => "CAST(EXTRACT(EPOCH FROM m.created_at) AS bigint)",
    };
    let select = format!(
        "SELECT m.id, m.meeting_id, m.internal_meeting_id, {created}, u.username
         FROM meeting m JOIN auth_user u ON u.id = m.owner_id WHERE"
    );
    let rooms = async |condition: &str, value: Value<'_>| {
        let sql = format!("{select} {condition} = ?");
        let rows = database.rows(READING, &sql, &[value]).await?;
        Ok::<_, OwnersError>(rows.into_iter().filter_map(room).collect::<Vec<_>>())
    };
    let external = subject.external_id.as_deref();
    trace.looked(format!(
        "Pod's meetings in its database, for {}",
        external.unwrap_or(&subject.record_id)
    ));
    let mut is_exact = false;
    let mut found;
    if let Some(external) = external {
        found = rooms("m.meeting_id", Value::Text(external)).await?;
        found.retain(|room| room.meeting_id == external);
        is_exact = !found.is_empty();
        if !is_exact && let Some(id) = prefix(external) {
            found = rooms("m.id", Value::Number(id)).await?;
        }
    } else {
        // Of the meeting of a breakout room only BBB's own id is known.
        found = rooms("m.internal_meeting_id", Value::Text(&subject.record_id)).await?;
        found.retain(|room| room.internal_id.as_deref() == Some(&subject.record_id));
    }
    let Some(room) = choose(found, is_exact, subject, called_back, trace) else {
        return Ok(Verdict::Nobody);
    };
    let sql =
        "SELECT u.username FROM meeting_additional_owners a JOIN auth_user u ON u.id = a.user_id
         WHERE a.meeting_id = ? ORDER BY a.id";
    let rows = database
        .rows(READING, sql, &[Value::Number(room.id)])
        .await?;
    let more: Vec<_> = rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect();
    if !more.is_empty() {
        trace.found(format!(
            "additional owners of the room: {}",
            more.join(", ")
        ));
    }
    let owners = std::iter::once(room.owner).chain(more);
    Ok(Verdict::of(owners.map(account).collect()))
}

/// Of the rooms that have the meeting's id, or its number, the one that it was held in.
fn choose(
    rooms: Vec<Room>,
    is_exact: bool,
    subject: &Subject,
    called_back: Option<bool>,
    trace: &mut Trace,
) -> Option<Room> {
    let mut left = Vec::new();
    for room in rooms {
        let name = format!("room {} ({})", room.id, room.meeting_id);
        // BBB makes it of the meeting's id and the time: no other Pod has the same.
        let internal = room.internal_id.as_deref() == Some(&subject.record_id);
        if !internal && called_back == Some(false) {
            trace.rejected(format!("{name} is of this Pod, the meeting of another"));
            continue;
        }
        if is_exact {
            left.push(room);
            continue;
        }
        let older = match (room.created, subject.started) {
            (Some(created), Some(started)) => created <= started,
            _ => internal,
        };
        if !internal && called_back != Some(true) {
            trace.rejected(format!(
                "{name} has the number of the meeting, but nothing shows that the meeting was this Pod's"
            ));
        } else if !older {
            trace.rejected(format!(
                "{name} has the number of the meeting, but is younger"
            ));
        } else {
            left.push(room);
        }
    }
    let Some(first) = left.first().cloned() else {
        trace.rejected("no room is the meeting's");
        return None;
    };
    if let Some(other) = left.iter().find(|room| room.owner != first.owner) {
        trace.rejected(format!(
            "the rooms {} and {} have different owners: two hits are no hit",
            first.id, other.id
        ));
        return None;
    }
    trace.found(format!(
        "room {} ({}) belongs to {}",
        first.id, first.meeting_id, first.owner
    ));
    Some(first)
}

fn room(row: Row) -> Option<Room> {
    let [id, meeting_id, internal_id, created, owner] = row.try_into().ok()?;
    Some(Room {
        id: id?.parse().ok()?,
        meeting_id: meeting_id?,
        internal_id,
        created: created.and_then(|seconds| seconds.parse().ok()),
        owner: owner?,
    })
}

fn account(username: String) -> Account {
    Account {
        username,
        make: None,
    }
}

/// The number that Pod puts before a room's name, filled up to four digits, and a dash. A room that
/// has been renamed keeps it.
fn prefix(external: &str) -> Option<i64> {
    let (text, _) = external.split_once('-')?;
    let number: i64 = text.parse().ok()?;
    (format!("{number:04}") == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_numbers_of_four_digits_and_more() {
        assert_eq!(prefix("0012-cours-de-droit"), Some(12));
        assert_eq!(prefix("12345-x"), Some(12345));
        for text in [
            "12-x",
            "00012-x",
            "+012-x",
            "0012",
            "x0012-x",
            "00a2-x",
            "99999999999999999999-x",
            "",
        ] {
            assert_eq!(prefix(text), None, "{text}");
        }
    }
}
