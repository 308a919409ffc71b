//! Telling people that they are needed, by mail or webhook, few times and about everything at once.
//!
//! [`concern`] says what needs a human now. For each channel the ledger remembers what was told; what
//! stands and was not told is news. News waits a little for more of it, and for the interval since
//! the last message. A message's id is committed before it is sent and what it told after it was
//! taken, so that a kill in between repeats at most that one, with the same id. What happens to
//! recordings never waits for any of this.

mod channel;
mod concern;
mod config;
mod words;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub(crate) use self::channel::{About, Channel, channels};
pub(crate) use self::concern::{Concern, Kind, standing};
pub(crate) use self::config::NotifyConfig;
use self::words::Digest;
pub(crate) use self::words::test;
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError};
use crate::retry::next_try;
use crate::upload::random_id;

/// How often it is looked what needs a human, at least.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long news waits for more of it.
const GATHER: Duration = Duration::from_secs(120);

/// Who sends: the public address's host when it is set, else the machine's name.
pub(crate) fn receiver_name(config: &Config) -> String {
    let public = config.public_url.as_deref();
    let host = public
        .and_then(|url| reqwest::Url::parse(url).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| {
        let machine = rustix::system::uname();
        machine.nodename().to_string_lossy().into_owned()
    })
}

/// Looks and tells until `stopping` holds true.
pub(crate) async fn run(config: Config, ledger: Ledger, mut stopping: watch::Receiver<bool>) {
    let Some(notify) = config.notify.clone() else {
        return;
    };
    let receiver = receiver_name(&config);
    let started = Timestamp::now();
    let mut tellers: Vec<_> = channels(&notify, &receiver)
        .into_iter()
        .map(|channel| Teller {
            channel,
            news_since: None,
            is_first_try: true,
        })
        .collect();
    let mut pace = tokio::time::interval(LOOK_EVERY.min(notify.interval));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let standing = match standing(&config, &notify, &ledger, started).await {
            Ok(standing) => standing,
            Err(error) => {
                tracing::error!(%error, "it cannot be looked what needs a human; trying again");
                continue;
            }
        };
        // A server that is slow must not hold up the other channel.
        let mut told: Vec<BoxFuture<'_, Result<(), LedgerError>>> = Vec::new();
        for teller in &mut tellers {
            told.push(Box::pin(
                teller.tell(&notify, &receiver, &ledger, &standing),
            ));
        }
        for result in futures::future::join_all(told).await {
            if let Err(error) = result {
                tracing::error!(%error, "cannot note what people were told; trying again");
            }
        }
    }
}

/// A channel, and since when there is news for it.
struct Teller {
    channel: Box<dyn Channel>,
    news_since: Option<Instant>,
    /// Whoever has mended something starts the service again, and need not wait then.
    is_first_try: bool,
}

impl Teller {
    async fn tell(
        &mut self,
        notify: &NotifyConfig,
        receiver: &str,
        ledger: &Ledger,
        standing: &[Concern],
    ) -> Result<(), LedgerError> {
        let name = self.channel.name();
        let items: HashSet<String> = standing.iter().map(|c| c.item.clone()).collect();
        let told = ledger.told_by(name, &items).await?;
        let news: Vec<&Concern> = standing
            .iter()
            .filter(|c| !told.contains(&c.item))
            .collect();
        let state = ledger.notice_channel(name).await?;
        metrics::gauge!("bbb2pod_notify_failing", "channel" => name)
            .set(f64::from(u8::from(state.error.is_some())));
        if news.is_empty() {
            self.news_since = None;
        } else {
            self.news_since.get_or_insert_with(Instant::now);
        }
        let now = Timestamp::now();
        let since_last = state.sent_at.map(|at| now.duration_since(at));
        // A message of the future was sent before the clock was put back.
        let is_past = |wait: Duration| {
            since_last.is_none_or(|since| {
                since.is_negative()
                    || since >= SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
            })
        };
        let gathered = self
            .news_since
            .is_some_and(|since| since.elapsed() >= GATHER.min(notify.interval));
        let is_reminder = news.is_empty()
            && !standing.is_empty()
            && !notify.remind_after.is_zero()
            && is_past(notify.remind_after);
        let has_news = gathered && is_past(notify.interval);
        let must_wait = now < state.next_try && !self.is_first_try;
        if must_wait || !(has_news || is_reminder) {
            return Ok(());
        }
        self.is_first_try = false;
        let news = match is_reminder {
            true => standing.iter().collect(),
            false => news,
        };
        let id = match state.message_id {
            Some(id) => id,
            None => match random_id() {
                Ok(id) => id,
                Err(error) => {
                    tracing::error!(%error, "no id for a message");
                    return Ok(());
                }
            },
        };
        ledger.begin_notice(name, &id).await?;
        let digest = Digest {
            receiver,
            news: &news,
            standing,
            is_reminder,
        };
        let message = digest.message(&id, notify.language);
        let about = About {
            news: &news,
            standing,
        };
        match self.channel.send(&message, &about).await {
            Ok(()) => {
                let items: Vec<String> = news.iter().map(|c| c.item.clone()).collect();
                ledger.noticed(name, &items).await?;
                self.news_since = None;
                metrics::counter!("bbb2pod_notify_sent_total", "channel" => name).increment(1);
                metrics::gauge!("bbb2pod_notify_failing", "channel" => name).set(0.0);
                tracing::info!(channel = name, subject = message.subject, "told people");
            }
            Err(error) => {
                let error = error.to_string();
                let until = next_try(state.attempts);
                ledger.not_noticed(name, &error, until).await?;
                metrics::gauge!("bbb2pod_notify_failing", "channel" => name).set(1.0);
                tracing::error!(channel = name, error, %until, "people could not be told; trying again");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ledger::testing::{ledger, sent_before};
    use crate::notify::words::Message;

    /// Keeps what it is sent, and refuses when it is told to.
    #[derive(Clone, Default)]
    struct Kept {
        taken: Arc<Mutex<Vec<Message>>>,
        refused: Arc<Mutex<Vec<Message>>>,
        is_away: Arc<Mutex<bool>>,
    }

    impl Channel for Kept {
        fn name(&self) -> &'static str {
            "mail"
        }

        fn send<'a>(
            &'a self,
            message: &'a Message,
            _about: &'a About<'a>,
        ) -> BoxFuture<'a, Result<(), channel::ChannelError>> {
            let is_away = *self.is_away.lock().unwrap();
            let list = if is_away { &self.refused } else { &self.taken };
            list.lock().unwrap().push(message.clone());
            let server = "smtp".to_owned();
            let why = "is away".to_owned();
            let result = match is_away {
                true => Err(channel::ChannelError::Server { server, why }),
                false => Ok(()),
            };
            Box::pin(async move { result })
        }
    }

    fn failed(of: &str) -> Concern {
        Concern {
            kind: Kind::Failed,
            of: of.to_owned(),
            why: "damaged".to_owned(),
            item: format!("item of {of}"),
            count: 1,
        }
    }

    /// A look as the service makes it, when what is new has waited long enough for more.
    async fn look(kept: &Kept, ledger: &Ledger, standing: &[Concern], is_first_try: bool) {
        let mut teller = Teller {
            channel: Box::new(kept.clone()),
            news_since: Instant::now().checked_sub(GATHER),
            is_first_try,
        };
        let notify = NotifyConfig::default();
        teller
            .tell(&notify, "here", ledger, standing)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn messages_are_few_and_nothing_is_left_out() {
        let (_dir, ledger) = ledger().await;
        let kept = Kept::default();
        let taken = || kept.taken.lock().unwrap().clone();
        let mut standing = vec![failed("r-1"), failed("r-2")];
        look(&kept, &ledger, &standing, false).await;
        look(&kept, &ledger, &standing, false).await;
        assert_eq!(taken().len(), 1, "both in one, once");

        standing.push(failed("r-3"));
        look(&kept, &ledger, &standing, false).await;
        assert_eq!(taken().len(), 1, "not within the interval");
        sent_before(&ledger, "mail", SignedDuration::from_hours(2)).await;
        standing.push(failed("r-4"));
        look(&kept, &ledger, &standing, false).await;
        let second = taken().pop().unwrap();
        assert!(
            second.text.contains("r-3: ") && second.text.contains("r-4: "),
            "{second:?}"
        );
        assert!(!second.text.contains("r-1: "), "{second:?}");
        assert!(second.text.contains("In all: 4 recordings"), "{second:?}");

        sent_before(&ledger, "mail", SignedDuration::from_hours(8 * 24)).await;
        look(&kept, &ledger, &standing, false).await;
        let reminder = taken().pop().unwrap();
        assert!(reminder.subject.ends_with("(reminder)"), "{reminder:?}");
        assert!(reminder.text.contains("r-1: "), "{reminder:?}");
        sent_before(&ledger, "mail", SignedDuration::from_hours(8 * 24)).await;
        look(&kept, &ledger, &[], false).await;
        assert_eq!(taken().len(), 3, "nothing stands any more");
    }

    #[tokio::test]
    async fn what_was_not_taken_is_sent_again_with_its_id_and_what_came_meanwhile() {
        let (_dir, ledger) = ledger().await;
        let kept = Kept::default();
        *kept.is_away.lock().unwrap() = true;
        let mut standing = vec![failed("r-1")];
        for _ in 0..3 {
            look(&kept, &ledger, &standing, false).await;
        }
        let refused = kept.refused.lock().unwrap().clone();
        assert_eq!(refused.len(), 1, "the next try waits");
        standing.push(failed("r-2"));
        *kept.is_away.lock().unwrap() = false;
        look(&kept, &ledger, &standing, true).await;
        let taken = kept.taken.lock().unwrap().clone();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].id, refused[0].id);
        assert!(taken[0].text.contains("r-1: ") && taken[0].text.contains("r-2: "));
        let state = ledger.notice_channel("mail").await.unwrap();
        assert!(state.error.is_none() && state.attempts == 0);
    }
}
