//! The moderators in the manifest: they were there.

use recording::events::Moderator;

use super::accounts::Account;
use super::greenlight::Greenlight;
use super::mapping::{Mapping, Person};
use super::moodle::{self, Moodle};
use super::reason::Trace;
use super::subject::Frontend;
use super::{OwnersError, Resolver, Subject, Verdict};

/// How moderators become accounts.
#[derive(Debug)]
pub(super) struct Moderators {
    pub(super) mapping: Mapping,
    /// With more than this, everybody was one.
    pub(super) most: usize,
}

impl Moderators {
    pub(super) async fn find(
        &self,
        subject: &Subject,
        moodle: Option<&Moodle>,
        greenlight: Option<&Greenlight>,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        let people = moderators(&subject.moderators);
        if people.is_empty() {
            trace.rejected(match subject.events_seen {
                true => "nobody is known to have joined as a moderator",
                false => "the package came without events.xml: who moderated is not known",
            });
            return Ok(Verdict::Nobody);
        }
        trace.looked(format!("{} moderators in the manifest", people.len()));
        if people.len() > self.most {
            trace.rejected(format!(
                "more than {} (owners.manifest.most): everybody was one, so nobody is an owner for that",
                self.most
            ));
            return Ok(Verdict::Nobody);
        }
        // Old plugins do not say that they are Moodle's; the meeting's id does.
        let like_moodles = subject.external_id.as_deref();
        let like_moodles = like_moodles.is_some_and(moodle::is_meeting_id);
        let of_moodle = subject.frontend == Frontend::Moodle
            || (subject.frontend == Frontend::Unknown && like_moodles);
        let located = match moodle.filter(|_| of_moodle) {
            Some(moodle) => moodle.locate(subject, trace).await?,
            None => None,
        };
        if let Some(located) = &located
            && located.everybody_moderates(trace).await?
        {
            trace.rejected("everybody moderates this activity, so nobody is an owner for that");
            return Ok(Verdict::Nobody);
        }
        if let Some(greenlight) = greenlight
            && greenlight.everybody_moderates(subject, trace).await?
        {
            trace.rejected("everybody moderates in this room, so nobody is an owner for that");
            return Ok(Verdict::Nobody);
        }
        let mut found: Vec<Account> = Vec::new();
        for moderator in people {
            let id = moderator.external_user_id.as_str();
            let account = if of_moodle && moodle::is_user_id(id) {
                match located.as_ref().filter(|located| located.knows_users()) {
                    Some(located) => located.moderator(id, resolver, trace).await?,
                    None => {
                        trace.rejected(format!(
                            "moderator {id} is a user of a Moodle whose database is not known"
                        ));
                        None
                    }
                }
            } else if let Some(located) = &located
                && located.rules_out(id, trace).await?
            {
                None
            } else {
                self.account(moderator, subject, greenlight, resolver, trace)
                    .await?
            };
            if let Some(account) = account
                && !found.contains(&account)
            {
                found.push(account);
            }
        }
        Ok(Verdict::of(found))
    }

    async fn account(
        &self,
        moderator: &Moderator,
        subject: &Subject,
        greenlight: Option<&Greenlight>,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Account>, OwnersError> {
        let id = &moderator.external_user_id;
        if subject.frontend == Frontend::Greenlight
            && let Some(greenlight) = greenlight
            && let Some((person, mapping)) = greenlight.user(subject, id, trace).await?
        {
            return resolver.account(&person, mapping, trace).await;
        }
        let person = Person {
            shown: format!("moderator {id} ({})", moderator.name),
            ids: vec![id.clone()],
            ..Person::default()
        };
        resolver.account(&person, &self.mapping, trace).await
    }
}

/// Those of the manifest who moderated, each once, in the order in which they joined.
fn moderators(listed: &[Moderator]) -> Vec<&Moderator> {
    let mut people: Vec<&Moderator> = Vec::new();
    for person in listed {
        let id = &person.external_user_id;
        if person.role.eq_ignore_ascii_case("moderator")
            && !id.is_empty()
            && !people.iter().any(|known| known.external_user_id == *id)
        {
            people.push(person);
        }
    }
    people
}
