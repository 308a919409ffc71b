//! How far the sender is with what a backfill took, until all of it is confirmed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::outbox::Outbox;
use crate::outbox::lock::SenderLock;
use crate::status::size;
use crate::stop::Stop;

/// How often the outbox is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often something is said when nobody sees a bar.
const SAY: Duration = Duration::from_secs(60);
/// How long there may be no sender.
const SENDER: Duration = Duration::from_secs(30);

/// Follows jobs until they have left the outbox. Says whether they have: it ends before when it is
/// asked to, or when nobody sends; the jobs wait all the same.
pub(super) fn follow(outbox: &Outbox, jobs: &[String], stop: &Stop) -> bool {
    let mut left: BTreeMap<&str, u64> = jobs
        .iter()
        .filter_map(|name| Some((name.as_str(), outbox.read(name).ok()??.bytes)))
        .collect();
    let total: u64 = left.values().sum();
    let bar = super::bar(total, "sent", "{bytes}/{total_bytes}, {bytes_per_sec}");
    let (mut said, mut sending) = (Instant::now(), Instant::now());
    let begun = Instant::now();
    while !left.is_empty() {
        if stop.asked() {
            bar.abandon();
            info!(
                jobs = left.len(),
                "they wait in the outbox; a running sender goes on with them"
            );
            return false;
        }
        std::thread::sleep(LOOK);
        let mut failing = 0;
        let mut under_way = 0;
        left.retain(|name, _| match outbox.read(name) {
            Ok(None) => false,
            Ok(Some(job)) => {
                failing += usize::from(job.course.problem.is_some());
                under_way += outbox.progress(name).map_or(0, |p| p.sent.min(job.bytes));
                true
            }
            Err(_) => true,
        });
        let there = total.saturating_sub(left.values().sum()) + under_way;
        bar.set_position(there.min(total));
        if failing > 0 {
            bar.set_message(format!("({failing} failing, see bbb2pod-hook status)"));
        }
        if SenderLock::is_held(outbox) {
            sending = Instant::now();
        } else if sending.elapsed() > SENDER {
            bar.abandon();
            warn!(
                "no sender is at work: systemctl start bbb2pod-hook; the jobs wait in the outbox"
            );
            return false;
        }
        if bar.is_hidden() && said.elapsed() > SAY {
            said = Instant::now();
            let rate = there.checked_div(begun.elapsed().as_secs()).unwrap_or(0);
            info!(
                jobs = left.len(),
                failing,
                rate = format!("{}/s", size(rate)),
                "{} of {} are sent",
                size(there),
                size(total)
            );
        }
    }
    bar.finish_and_clear();
    true
}
