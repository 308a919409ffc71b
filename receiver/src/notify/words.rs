//! What people read: the texts of messages, in English and French.

use std::fmt::Write as _;

use super::concern::{Concern, Kind};
use super::config::Language;

/// Things of one kind that are named.
const NAMED: usize = 20;

/// A message, as every channel sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// By which one that comes twice can be recognised.
    pub(crate) id: String,
    /// One line.
    pub(crate) subject: String,
    /// The whole of it.
    pub(crate) text: String,
}

/// What is new, and what stands in all, by kind.
pub(crate) struct Digest<'a> {
    /// Where this receiver is.
    pub(crate) receiver: &'a str,
    /// What nobody has been told yet; all when this is a reminder.
    pub(crate) news: &'a [&'a Concern],
    /// Everything.
    pub(crate) standing: &'a [Concern],
    /// Whether nothing is new.
    pub(crate) is_reminder: bool,
}

/// The kinds that are there, with how many there are of each.
pub(crate) fn counts<'a>(concerns: impl IntoIterator<Item = &'a Concern>) -> Vec<(Kind, u64)> {
    let mut found = std::collections::BTreeMap::new();
    for concern in concerns {
        // A node is one thing, however much waits on it.
        let count = match concern.kind {
            Kind::Backlog => 1,
            _ => concern.count,
        };
        *found.entry(concern.kind).or_insert(0u64) += count;
    }
    found.into_iter().collect()
}

impl Digest<'_> {
    /// The message in a language.
    pub(crate) fn message(&self, id: &str, language: Language) -> Message {
        let french = language == Language::Fr;
        let heads: Vec<_> = counts(self.news.iter().copied())
            .into_iter()
            .map(|(kind, count)| head(kind, count, language))
            .collect();
        let mut subject = format!("[bbb2pod] {}: {}", self.receiver, heads.join(", "));
        if self.is_reminder {
            subject += if french { " (rappel)" } else { " (reminder)" };
        }
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = writeln!(
            text,
            "{}",
            match (french, self.is_reminder) {
                (false, false) => "Somebody is needed:",
                (false, true) => "Somebody is still needed:",
                (true, false) => "Une intervention est nécessaire :",
                (true, true) => "Une intervention est toujours nécessaire :",
            }
        );
        for (kind, count) in counts(self.news.iter().copied()) {
            let of_kind: Vec<_> = self.news.iter().filter(|c| c.kind == kind).collect();
            let _ = writeln!(text, "\n* {}", head(kind, count, language));
            for concern in of_kind.iter().take(NAMED) {
                let _ = writeln!(text, "    {}", line(concern, language));
            }
            if of_kind.len() > NAMED {
                let more = of_kind.len() - NAMED;
                let and = if french { "et" } else { "and" };
                let others = if french { "autres" } else { "more" };
                let _ = writeln!(text, "    {and} {more} {others}");
            }
            if kind == Kind::Rejected {
                let _ = writeln!(text, "  {}", rejected_advice(language));
            }
            for command in kind.commands() {
                let _ = writeln!(text, "  → {command}");
            }
        }
        if !self.is_reminder && self.standing.len() > self.news.len() {
            let all: Vec<_> = counts(self.standing)
                .into_iter()
                .map(|(kind, count)| head(kind, count, language))
                .collect();
            let _ = writeln!(
                text,
                "\n{} {}.",
                if french { "En tout :" } else { "In all:" },
                all.join(", ")
            );
        }
        let _ = writeln!(
            text,
            "\n{}",
            match french {
                false =>
                    "Nothing is lost: what has failed is kept and waits. When and how often this is sent is set by `notify` in receiver.yml.",
                true =>
                    "Rien n'est perdu : ce qui a échoué est conservé et attend. La fréquence de ces messages se règle par `notify` dans receiver.yml.",
            }
        );
        Message {
            id: id.to_owned(),
            subject,
            text,
        }
    }
}

/// A message that only shows that messages come.
pub(crate) fn test(id: &str, receiver: &str, language: Language) -> Message {
    let (subject, text) = match language {
        Language::En => (
            "a test",
            "This is a test of `notify`. Messages like this one come when somebody is needed.\n",
        ),
        Language::Fr => (
            "un essai",
            "Ceci est un essai de `notify`. Des messages comme celui-ci arrivent quand une intervention est nécessaire.\n",
        ),
    };
    Message {
        id: id.to_owned(),
        subject: format!("[bbb2pod] {receiver}: {subject}"),
        text: text.to_owned(),
    }
}

fn head(kind: Kind, count: u64, language: Language) -> String {
    let one = count == 1;
    let (english, french) = match (kind, one) {
        (Kind::Failed, true) => ("recording has failed", "enregistrement a échoué"),
        (Kind::Failed, false) => ("recordings have failed", "enregistrements ont échoué"),
        (Kind::Review, true) => (
            "recording has no known owner",
            "enregistrement sans propriétaire connu",
        ),
        (Kind::Review, false) => (
            "recordings have no known owner",
            "enregistrements sans propriétaire connu",
        ),
        (Kind::Rejected, true) => ("package was rejected", "paquet refusé"),
        (Kind::Rejected, false) => ("packages were rejected", "paquets refusés"),
        (Kind::Trouble, true) => ("video has trouble in Pod", "vidéo en difficulté dans Pod"),
        (Kind::Trouble, false) => (
            "videos have trouble in Pod",
            "vidéos en difficulté dans Pod",
        ),
        (Kind::Stalled, true) => (
            "recording fails again and again",
            "enregistrement échoue sans cesse",
        ),
        (Kind::Stalled, false) => (
            "recordings fail again and again",
            "enregistrements échouent sans cesse",
        ),
        (Kind::Silent, true) => ("node is silent", "nœud muet"),
        (Kind::Silent, false) => ("nodes are silent", "nœuds muets"),
        (Kind::Backlog, true) => (
            "node does not get rid of its recordings",
            "nœud ne parvient pas à envoyer ses enregistrements",
        ),
        (Kind::Backlog, false) => (
            "nodes do not get rid of their recordings",
            "nœuds ne parviennent pas à envoyer leurs enregistrements",
        ),
        (Kind::Disk, true) => ("disk fills up", "disque se remplit"),
        (Kind::Disk, false) => ("disks fill up", "disques se remplissent"),
    };
    let words = match language {
        Language::En => english,
        Language::Fr => french,
    };
    format!("{count} {words}")
}

/// One thing, in one line.
fn line(concern: &Concern, language: Language) -> String {
    let Concern { of, why, count, .. } = concern;
    match (concern.kind, language) {
        (Kind::Stalled, Language::En) => format!("stage {of}, {count} waiting: {why}"),
        (Kind::Stalled, Language::Fr) => format!("étape {of}, {count} en attente : {why}"),
        (Kind::Silent, Language::En) => format!("{of}, last heard of {why}"),
        (Kind::Silent, Language::Fr) => format!("{of}, dernier signe de vie {why}"),
        (Kind::Backlog, Language::En) => format!("{of}: {count} waiting, the oldest since {why}"),
        (Kind::Backlog, Language::Fr) => {
            format!("{of} : {count} en attente, le plus ancien depuis {why}")
        }
        (Kind::Disk, Language::En) => format!("{of}: {why} free"),
        (Kind::Disk, Language::Fr) => format!("{of} : {why} libres"),
        (_, Language::En) => format!("{of}: {why}"),
        (_, Language::Fr) => format!("{of} : {why}"),
    }
}

fn rejected_advice(language: Language) -> &'static str {
    match language {
        Language::En => {
            "spool_dir/rejected/ holds them; a node packs and sends its own again by itself"
        }
        Language::Fr => {
            "ils sont dans spool_dir/rejected/ ; un nœud emballe et renvoie les siens de lui-même"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concern(kind: Kind, of: &str, why: &str) -> Concern {
        Concern {
            kind,
            of: of.into(),
            why: why.into(),
            item: String::new(),
            count: 1,
        }
    }

    #[test]
    fn one_message_tells_all_with_the_commands_that_mend() {
        let mut standing: Vec<_> = (0..25)
            .map(|n| concern(Kind::Failed, &format!("r-{n}"), "shapes.svg is damaged"))
            .collect();
        standing.push(concern(Kind::Disk, "spool_dir /srv", "3 GiB"));
        let news: Vec<_> = standing.iter().skip(2).collect();
        let digest = Digest {
            receiver: "bbb2pod.univ.example",
            news: &news,
            standing: &standing,
            is_reminder: false,
        };
        let english = digest.message("m-1", Language::En);
        assert_eq!(
            english.subject,
            "[bbb2pod] bbb2pod.univ.example: 23 recordings have failed, 1 disk fills up"
        );
        for words in [
            "    r-2: shapes.svg is damaged\n",
            "    and 3 more\n",
            "  → bbb2pod-receiver recording retry ID\n",
            "    spool_dir /srv: 3 GiB free\n",
            "In all: 25 recordings have failed, 1 disk fills up.",
        ] {
            assert!(english.text.contains(words), "{words}: {}", english.text);
        }
        let french = digest.message("m-1", Language::Fr);
        assert_eq!(
            french.subject,
            "[bbb2pod] bbb2pod.univ.example: 23 enregistrements ont échoué, 1 disque se remplit"
        );
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&english.text), lines(&french.text));
    }
}
