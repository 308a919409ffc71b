//! Where an upload stands and what to do next, whatever the receiver answers.

/// Requests in a row without the receiver getting further than ever before, after which an
/// attempt ends.
pub(super) const PATIENCE: u32 = 4;

/// How far an upload is, as far as the receiver has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    length: u64,
    offset: u64,
    /// The furthest it ever was: a receiver that forgets again and again makes no progress.
    best: u64,
    troubles: u32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send from [`Standing::offset`] on, continuing with the chunk that follows the last.
    Continue,
    /// Ask the receiver where it stands, after a pause.
    Ask,
    /// Everything has arrived.
    Done,
    /// End this attempt.
    GiveUp,
    /// End this attempt: the receiver's answer makes no sense.
    Nonsense,
}

impl Standing {
    /// An upload of which so many bytes have arrived.
    pub(super) fn new(offset: u64, length: u64) -> Standing {
        Standing {
            length,
            offset,
            best: offset,
            troubles: 0,
        }
    }

    /// The first byte that has not arrived.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Failed requests in a row.
    pub(super) fn troubles(&self) -> u32 {
        self.troubles
    }

    /// What to do when nothing is under way.
    pub(super) fn begin(&self) -> Step {
        if self.offset >= self.length {
            Step::Done
        } else {
            Step::Continue
        }
    }

    /// A request that should end at `end` was answered with the receiver standing `at`.
    pub(super) fn answered(&mut self, end: u64, at: u64) -> Step {
        if at == end {
            self.move_to(at)
        } else {
            self.unclear()
        }
    }

    /// A request failed in a way that leaves open how much of it arrived.
    pub(super) fn unclear(&mut self) -> Step {
        self.troubles += 1;
        if self.troubles >= PATIENCE {
            Step::GiveUp
        } else {
            Step::Ask
        }
    }

    /// Asked, the receiver says where it stands.
    pub(super) fn asked(&mut self, at: u64) -> Step {
        self.move_to(at)
    }

    fn move_to(&mut self, at: u64) -> Step {
        if at > self.length {
            return Step::Nonsense;
        }
        if at > self.best {
            self.best = at;
            self.troubles = 0;
        }
        self.offset = at;
        self.begin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a receiver, honest or not, answers to one request of a chunk.
    #[derive(Clone, Debug)]
    enum Answer {
        Whole,
        At(u64),
        Broken { then: u64 },
    }

    fn answers() -> impl Strategy<Value = Vec<Answer>> {
        let answer = prop_oneof![
            4 => Just(Answer::Whole),
            1 => (0..200u64).prop_map(Answer::At),
            3 => (0..120u64).prop_map(|then| Answer::Broken { then }),
        ];
        proptest::collection::vec(answer, 0..200)
    }

    proptest! {
        #[test]
        fn every_attempt_ends_and_done_means_all_has_arrived(
            length in 1..100u64, first in 0..100u64, chunk in 1..40u64, answers in answers(),
        ) {
            let mut standing = Standing::new(first.min(length), length);
            let mut requests = 0;
            // A receiver that says nothing new after its list ends the attempt within PATIENCE.
            let silent = std::iter::repeat(Answer::Broken { then: 0 });
            let mut answers = answers.into_iter().chain(silent);
            let mut step = standing.begin();
            let end = loop {
                prop_assert!(standing.offset() <= length);
                match step {
                    Step::Continue => {
                        requests += 1;
                        let end = (standing.offset() + chunk).min(length);
                        step = match answers.next().unwrap() {
                            Answer::Whole => standing.answered(end, end),
                            Answer::At(at) => standing.answered(end, at),
                            Answer::Broken { then } => match standing.unclear() {
                                Step::Ask => standing.asked(then),
                                other => other,
                            },
                        };
                    }
                    Step::Ask => step = standing.asked(standing.offset()),
                    end => break end,
                }
                prop_assert!(requests <= 1000, "an attempt must end");
            };
            prop_assert_eq!(end == Step::Done, standing.offset() == length);
        }

        #[test]
        fn an_honest_receiver_with_broken_connections_gets_everything(
            length in 1..500u64, chunk in 1..40u64,
            breaks in proptest::collection::vec(0..3u32, 500),
        ) {
            // After each successful chunk up to two requests break, having kept nothing.
            let mut standing = Standing::new(0, length);
            let mut breaks = breaks.into_iter();
            while standing.begin() == Step::Continue {
                for _ in 0..breaks.next().unwrap_or(0) {
                    prop_assert_eq!(standing.unclear(), Step::Ask);
                    prop_assert_eq!(standing.asked(standing.offset()), Step::Continue);
                }
                let end = (standing.offset() + chunk).min(length);
                prop_assert!(matches!(standing.answered(end, end), Step::Continue | Step::Done));
            }
            prop_assert_eq!(standing.offset(), length);
        }
    }
}
