//! Moodle: the activity that a recording was made in, and who moderates it.
//!
//! [`rules`] reads what Moodle stores, [`site`] fetches it, and here it is decided. The activity is
//! the one that Moodle itself noted for the recording, else the one that the meeting's id names;
//! nothing else counts.

mod activities;
mod rules;
mod site;

pub(crate) use self::activities::Activities;
use self::activities::activity;
use self::rules::{Participants, Rules};
use self::site::{ActivityRow, Site, User};
use super::accounts::Account;
use super::config::{MoodleConfig, OwnersConfig, host};
use super::reason::Trace;
use super::subject::Frontend;
use super::{OwnersError, Resolver, Subject, Verdict};
use crate::pod::Finding;

/// How long before a recording begins people may join its meeting.
const EARLY: i64 = 600;
/// How long a meeting goes on at most, when its end is not known.
const LONGEST: i64 = 24 * 3600;
/// The account that Moodle gives to visitors.
const GUEST: &str = "guest";

/// All Moodles.
#[derive(Debug)]
pub(super) struct Moodle {
    sites: Vec<Site>,
    default: Option<String>,
    ignored: Vec<String>,
}

/// The activity that a recording was made in.
enum Activity {
    Present {
        row: ActivityRow,
        /// Whether the recording was deleted there.
        deleted: bool,
    },
    /// It is gone; who made it.
    Deleted(Option<i64>),
}

/// A Moodle, and the activity there.
pub(super) struct Located<'a> {
    site: &'a Site,
    activity: Option<Activity>,
    /// Whether the server's name says that it is this Moodle.
    by_name: bool,
}

impl Moodle {
    /// `None` when the settings name no database.
    pub(super) fn new(
        config: &MoodleConfig,
        all: &OwnersConfig,
    ) -> Result<Option<Moodle>, OwnersError> {
        if config.databases.is_empty() {
            return Ok(None);
        }
        let sites = config.databases.iter();
        let sites: Vec<_> = sites
            .map(|(name, database)| Site::new(name, database, all))
            .collect::<Result<_, _>>()?;
        let only = (sites.len() == 1).then(|| sites[0].name.clone());
        Ok(Some(Moodle {
            default: config.default_database.clone().or(only),
            ignored: config
                .ignored_servers
                .iter()
                .map(|name| host(name))
                .collect(),
            sites,
        }))
    }

    /// How many statements all of them have been sent.
    pub(super) fn asked(&self) -> u64 {
        self.sites.iter().map(Site::asked).sum()
    }

    pub(super) async fn find(
        &self,
        subject: &Subject,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Verdict, OwnersError> {
        let Some(located) = self.locate(subject, trace).await? else {
            return Ok(Verdict::Nobody);
        };
        let site = located.site;
        let activity = match &located.activity {
            Some(Activity::Present { row, .. }) => row,
            Some(Activity::Deleted(creator)) => {
                let creator = creator.map(|id| vec![id]).unwrap_or_default();
                return accounts(site, &creator, "made the activity", resolver, trace).await;
            }
            None => return Ok(Verdict::Nobody),
        };
        let rules = moderators(site, activity, trace).await?;
        for refused in &rules.refused {
            trace.rejected(format!("a rule of activity {}: {refused}", activity.id));
        }
        let mut found = accounts(site, &rules.users, "named by a rule", resolver, trace).await?;
        if rules.creator {
            found = found.and(made(site, activity, resolver, trace).await?);
        }
        if !rules.roles.is_empty() {
            let holders = holders(site, activity, &rules, subject, trace).await?;
            let by_role = accounts(site, &holders, "by role", resolver, trace).await?;
            found = found.and(by_role);
        }
        if rules.everybody {
            trace.rejected("everybody moderates this activity, so nobody is an owner for that");
            if matches!(found, Verdict::Nobody) {
                found = made(site, activity, resolver, trace).await?;
            }
        }
        if matches!(found, Verdict::Nobody) {
            trace.rejected(format!("activity {} gives no owner", activity.id));
        }
        Ok(found)
    }

    /// The Moodle that a recording comes from, and the activity there.
    pub(super) async fn locate(
        &self,
        subject: &Subject,
        trace: &mut Trace,
    ) -> Result<Option<Located<'_>>, OwnersError> {
        let Some((site, by_name)) = self.site(subject, trace) else {
            return Ok(None);
        };
        let activity = activity(site, subject, trace).await?;
        if activity.is_none() && !by_name {
            trace.rejected(format!(
                "nothing agrees with {}, so it is not asked further",
                site.name
            ));
            return Ok(None);
        }
        Ok(Some(Located {
            site,
            activity,
            by_name,
        }))
    }

    fn site(&self, subject: &Subject, trace: &mut Trace) -> Option<(&Site, bool)> {
        if !matches!(subject.frontend, Frontend::Moodle | Frontend::Unknown) {
            trace.note("the meeting was not held in Moodle");
            return None;
        }
        let server = subject.server_name.as_deref().map(host);
        if let Some(server) = &server {
            if self.ignored.contains(server) {
                trace.rejected(format!("{server} is one of moodle.ignored_servers"));
                return None;
            }
            let named = self.sites.iter().find(|site| site.servers.contains(server));
            if let Some(site) = named {
                trace.looked(format!("{}, the database of {server}", site.name));
                return Some((site, true));
            }
        }
        let default = self.default.as_ref();
        let site = default.and_then(|name| self.sites.iter().find(|site| site.name == *name));
        let server = server.unwrap_or_else(|| "no server".to_owned());
        match site {
            Some(site) => trace.looked(format!(
                "{}, the default database: none is named for {server}",
                site.name
            )),
            None => trace.rejected(format!("no database is named for {server}")),
        }
        site.map(|site| (site, false))
    }

    /// Tries every database.
    pub(super) async fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for site in &self.sites {
            let key = format!("owners.moodle.databases.{}", site.name);
            findings.push(match site.layout().await {
                Err(error) => Finding::wrong(format!("{key}: {error}"), advice(&error)),
                Ok(_) if !site.tells_admins().await.unwrap_or(false) => Finding::warning(
                    format!("{key}: who administers {} cannot be read, and administrators moderate everywhere", site.address()),
                    "GRANT SELECT on config to the account, or write their ids into site_admins",
                ),
                Ok(_) => match site.keeps_recordings().await {
                    Ok(true) => Finding::fine(format!("{key}: {} can be read", site.address())),
                    Ok(false) => Finding::warning(
                        format!("{key}: {} has no table of recordings that can be read", site.address()),
                        "right for the plugin up to 2.4; else GRANT SELECT on bigbluebuttonbn_recordings",
                    ),
                    Err(error) => Finding::wrong(format!("{key}: {error}"), advice(&error)),
                },
            });
        }
        findings
    }
}

fn advice(error: &OwnersError) -> &'static str {
    match error.is_about_rights() {
        true => "see docs: the account needs SELECT on the tables that are listed there",
        false => "check url, schema, prefix and the account",
    }
}

/// Who made an activity, if the log says it of one person.
async fn creator(
    site: &Site,
    activity: i64,
    course: i64,
    trace: &mut Trace,
    is_its: impl Fn(&str) -> bool,
) -> Result<Option<i64>, OwnersError> {
    let added = site.added(activity, course).await?;
    let mut users: Vec<_> = added
        .iter()
        .filter(|row| is_its(&row.meeting_id))
        .map(|row| row.user)
        .collect();
    users.sort_unstable();
    users.dedup();
    match users[..] {
        [] => {
            trace.rejected(format!("the log does not say who made activity {activity}"));
            Ok(None)
        }
        [user] => {
            trace.found(format!("Moodle user {user} made activity {activity}"));
            Ok(Some(user))
        }
        _ => {
            trace.rejected(format!(
                "the log names several who made activity {activity}: two hits are no hit"
            ));
            Ok(None)
        }
    }
}

/// The account of who made an activity.
async fn made(
    site: &Site,
    activity: &ActivityRow,
    resolver: &Resolver<'_>,
    trace: &mut Trace,
) -> Result<Verdict, OwnersError> {
    let creator = creator(site, activity.id, activity.course, trace, |_| true).await?;
    let creator = creator.map(|id| vec![id]).unwrap_or_default();
    accounts(site, &creator, "made the activity", resolver, trace).await
}

/// The rules that apply to an activity.
async fn moderators(
    site: &Site,
    activity: &ActivityRow,
    trace: &mut Trace,
) -> Result<Rules, OwnersError> {
    match rules::participants(activity.participants.as_deref()) {
        Participants::Rules(rules) => Ok(rules),
        Participants::Default(why) => {
            let settings = site.settings().await?;
            let (text, whose) = match &settings.moderator_default {
                Some(text) => (text.as_str(), "the site's default"),
                None => ("0", "Moodle's default"),
            };
            trace.note(format!(
                "the participants of activity {} {why}: {whose} rules apply ({text})",
                activity.id
            ));
            Ok(rules::defaults(text))
        }
    }
}

/// Who has one of the roles: those of them who joined the meeting, if any did.
async fn holders(
    site: &Site,
    activity: &ActivityRow,
    wanted: &Rules,
    subject: &Subject,
    trace: &mut Trace,
) -> Result<Vec<i64>, OwnersError> {
    let contexts = site.contexts(activity).await?;
    let mut ids: Vec<i64> = Vec::new();
    for holder in site.holders(&contexts, wanted).await? {
        if wanted.names_role(holder.role, &holder.shortname) && !ids.contains(&holder.user) {
            ids.push(holder.user);
        }
    }
    // Who is deleted cannot be the one who joined.
    let users = site.users(&ids).await?;
    ids.retain(|id| users.iter().any(|user| user.id == *id && !user.deleted));
    trace.looked(format!(
        "{} hold a role that moderates, in {} contexts",
        ids.len(),
        contexts.len()
    ));
    let Some(started) = subject.started else {
        trace.note("when the meeting began is not known, so nobody is known to have joined");
        return Ok(ids);
    };
    let ended = subject.ended.unwrap_or(started + LONGEST);
    let joined = site.joined(activity, started - EARLY, ended).await?;
    let base = activity.meeting_id.as_str();
    let external = subject.external_id.as_deref();
    let mut present: Vec<i64> = Vec::new();
    for row in joined {
        let meeting = row.meeting_id.as_str();
        let its = external.is_none_or(|id| rules::same_room(id, meeting)) || meeting == base;
        if its && ids.contains(&row.user) && !present.contains(&row.user) {
            present.push(row.user);
        }
    }
    if present.is_empty() {
        trace.note("none of them is known to have joined: all count");
        return Ok(ids);
    }
    trace.found(format!("{} of them joined: only they count", present.len()));
    Ok(present)
}

/// The accounts of Moodle users.
async fn accounts(
    site: &Site,
    ids: &[i64],
    why: &str,
    resolver: &Resolver<'_>,
    trace: &mut Trace,
) -> Result<Verdict, OwnersError> {
    if ids.is_empty() {
        return Ok(Verdict::Nobody);
    }
    let users = site.users(ids).await?;
    for id in ids
        .iter()
        .filter(|id| !users.iter().any(|user| user.id == **id))
    {
        trace.rejected(format!("there is no Moodle user {id}, {why}"));
    }
    let mut found = Vec::new();
    for user in users {
        let shown = user.shown();
        if let Some(not) = never(&user) {
            trace.rejected(format!("{shown}, {why}, {not}"));
            continue;
        }
        let suspended = if user.suspended {
            ", suspended in Moodle"
        } else {
            ""
        };
        trace.found(format!("{shown}, {why}{suspended}"));
        found.extend(
            resolver
                .account(&user.person(), &site.mapping, trace)
                .await?,
        );
    }
    Ok(Verdict::of(found))
}

/// Why a Moodle user is never an owner.
fn never(user: &User) -> Option<&'static str> {
    if user.deleted {
        Some("is deleted")
    } else if user.username == GUEST {
        Some("is the account of visitors")
    } else {
        None
    }
}

impl Located<'_> {
    /// Whether the activity makes everybody a moderator, so that having been one says nothing.
    pub(super) async fn everybody_moderates(&self, trace: &mut Trace) -> Result<bool, OwnersError> {
        let Some(Activity::Present { row, .. }) = &self.activity else {
            return Ok(false);
        };
        Ok(moderators(self.site, row, trace).await?.everybody)
    }

    /// The account of a moderator whom Moodle sent to BBB under his id.
    pub(super) async fn moderator(
        &self,
        id: &str,
        resolver: &Resolver<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Account>, OwnersError> {
        let site = self.site;
        let user = match rules::number(id) {
            Some(id) => site.users(&[id]).await?.pop(),
            None => None,
        };
        let Some(user) = user else {
            trace.rejected(format!("moderator {id}: {} has no such user", site.name));
            return Ok(None);
        };
        if self.speaks_against(&user, trace).await? {
            return Ok(None);
        }
        // Only who moderates by a rule gets an account made for him.
        let person = super::mapping::Person {
            may_be_created: false,
            ..user.person()
        };
        resolver.account(&person, &site.mapping, trace).await
    }

    /// Whether Moodle has a user of this name who is no owner for having moderated.
    pub(super) async fn rules_out(
        &self,
        name: &str,
        trace: &mut Trace,
    ) -> Result<bool, OwnersError> {
        for user in self.site.users_named(name).await? {
            if self.speaks_against(&user, trace).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn speaks_against(&self, user: &User, trace: &mut Trace) -> Result<bool, OwnersError> {
        let shown = user.shown();
        if let Some(not) = never(user) {
            trace.rejected(format!("moderator {shown} {not}"));
            return Ok(true);
        }
        if self.site.settings().await?.admins.contains(&user.id) {
            trace.rejected(format!(
                "moderator {shown} administers the site, which makes him one everywhere"
            ));
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether it is known which Moodle gave the meeting's users their ids.
    pub(super) fn knows_users(&self) -> bool {
        self.by_name || self.activity.is_some()
    }
}

/// Whether a meeting's id is like those that Moodle makes.
pub(super) fn is_meeting_id(id: &str) -> bool {
    rules::external_id(id).is_some()
}

/// Whether a moderator's id is one that Moodle gives.
pub(super) fn is_user_id(id: &str) -> bool {
    rules::number(id).is_some()
}
