//! The circuit breaker: a state machine over outcomes and instants, without a clock of its own.
//!
//! Closed, it lets every call through and remembers how the last [`Rules::window`] ended. When
//! [`Rules::failures`] of those failed it opens and refuses calls for [`Rules::cool_down`]. Then it
//! lets one probe through at a time: [`Rules::probes`] good ones in a row close it, a bad one opens
//! it again. An outcome counts only in the state its call was admitted in, so stragglers of an
//! outage cannot close or reopen anything.

use jiff::{SignedDuration, Timestamp};

/// When to open, and when to close again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many of the latest outcomes count, at most 64.
    pub window: u32,
    /// So many failures among them open the breaker.
    pub failures: u32,
    /// How long it stays open before the first probe.
    pub cool_down: SignedDuration,
    /// So many good probes in a row close it.
    pub probes: u32,
}

impl Default for Rules {
    /// 5 failures among the last 20 open it for 5 seconds, 2 good probes close it.
    fn default() -> Rules {
        Rules { window: 20, failures: 5, cool_down: SignedDuration::from_secs(5), probes: 2 }
    }
}

/// What the breaker shows to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call goes through.
    Closed,
    /// One probe at a time goes through.
    HalfOpen,
    /// No call goes through.
    Open,
}

/// How an admitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The counterparty answered, even if the answer was a refusal.
    Answered,
    /// The counterparty was late, absent, broken or unintelligible.
    Failed,
    /// The caller lost interest: this says nothing about the counterparty.
    Abandoned,
}

/// Leave to make one call; hand it back to [`Breaker::settle`] with the outcome.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission that is never settled blocks a half-open breaker"]
pub struct Admission {
    era: u64,
}

/// A circuit breaker. Neither blocks nor reads a clock.
#[derive(Clone, Debug)]
pub struct Breaker {
    rules: Rules,
    /// Grows with every change of state, so that late outcomes are recognised.
    era: u64,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The lowest bits of `failed` are the latest outcomes, 1 for a failure.
    Closed {
        failed: u64,
    },
    Open {
        since: Timestamp,
    },
    HalfOpen {
        probing: bool,
        good: u32,
    },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(rules: Rules) -> Breaker {
        Breaker { rules, era: 0, state: State::Closed { failed: 0 } }
    }

    /// The state as last settled. `Open` until someone asks for admission after the cool-down.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks leave for one call. `None` while open, and while another probe is under way.
    pub fn admit(&mut self, now: Timestamp) -> Option<Admission> {
        if let State::Open { since } = self.state {
            // A clock that was set back must not keep the breaker open until it catches up.
            let waited = now.duration_since(since);
            if !waited.is_negative() && waited < self.rules.cool_down {
                return None;
            }
            self.enter(State::HalfOpen { probing: false, good: 0 });
        }
        match &mut self.state {
            State::Closed { .. } => {}
            State::HalfOpen { probing: true, .. } | State::Open { .. } => return None,
            State::HalfOpen { probing, .. } => *probing = true,
        }
        Some(Admission { era: self.era })
    }

    /// Takes note of how an admitted call ended.
    pub fn settle(&mut self, admission: Admission, outcome: Outcome, now: Timestamp) {
        if admission.era != self.era {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed { .. }, Outcome::Abandoned) | (State::Open { .. }, _) => {}
            (State::Closed { failed }, outcome) => {
                *failed = (*failed << 1) | u64::from(outcome == Outcome::Failed);
                let window = u64::MAX >> (64 - self.rules.window.clamp(1, 64));
                if (*failed & window).count_ones() >= self.rules.failures.max(1) {
                    self.enter(State::Open { since: now });
                }
            }
            (State::HalfOpen { .. }, Outcome::Failed) => self.enter(State::Open { since: now }),
            (State::HalfOpen { probing, .. }, Outcome::Abandoned) => *probing = false,
            (State::HalfOpen { probing, good }, Outcome::Answered) => {
                *probing = false;
                *good += 1;
                if *good >= self.rules.probes {
                    self.enter(State::Closed { failed: 0 });
                }
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.era += 1;
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules =
        Rules { window: 4, failures: 2, cool_down: SignedDuration::from_secs(10), probes: 2 };

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A call at `at` that is admitted and at once settled; `None` when it is refused.
    fn call(breaker: &mut Breaker, at: i64, outcome: Outcome) -> Option<BreakerState> {
        let admission = breaker.admit(second(at))?;
        breaker.settle(admission, outcome, second(at));
        Some(breaker.state())
    }

    #[test]
    fn the_breaker_opens_probes_and_closes_by_the_table() {
        use BreakerState::{Closed, HalfOpen, Open};
        use Outcome::{Abandoned, Answered, Failed};
        let steps = [
            // Two failures among the last four open it; abandoned calls do not count.
            (0, Failed, Some(Closed)),
            (0, Answered, Some(Closed)),
            (0, Abandoned, Some(Closed)),
            (0, Answered, Some(Closed)),
            (0, Answered, Some(Closed)),
            (1, Failed, Some(Closed)),
            (2, Failed, Some(Open)),
            // It refuses until the cool-down is over.
            (3, Answered, None),
            (11, Answered, None),
            // A failed probe opens it for another cool-down.
            (12, Failed, Some(Open)),
            (21, Answered, None),
            // An abandoned probe decides nothing; two good ones close it.
            (22, Abandoned, Some(HalfOpen)),
            (22, Answered, Some(HalfOpen)),
            (22, Answered, Some(Closed)),
            // What failed before it closed is forgotten.
            (23, Failed, Some(Closed)),
        ];
        let mut breaker = Breaker::new(RULES);
        for (row, (at, outcome, expected)) in steps.into_iter().enumerate() {
            assert_eq!(call(&mut breaker, at, outcome), expected, "row {row}");
        }
    }

    #[test]
    fn a_half_open_breaker_admits_one_probe_at_a_time() {
        let mut breaker = Breaker::new(RULES);
        for _ in 0..2 {
            call(&mut breaker, 0, Outcome::Failed);
        }
        let probe = breaker.admit(second(10)).unwrap();
        assert_eq!(breaker.admit(second(10)), None);
        breaker.settle(probe, Outcome::Answered, second(10));
        assert!(breaker.admit(second(10)).is_some());
    }

    #[test]
    fn stragglers_of_an_earlier_state_change_nothing() {
        let mut breaker = Breaker::new(RULES);
        let straggler = breaker.admit(second(0)).unwrap();
        for _ in 0..2 {
            call(&mut breaker, 0, Outcome::Failed);
        }
        let probe = breaker.admit(second(10)).unwrap();
        breaker.settle(straggler, Outcome::Failed, second(10));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.settle(probe, Outcome::Answered, second(10));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn a_clock_set_back_does_not_hold_the_breaker_open() {
        let mut breaker = Breaker::new(RULES);
        for _ in 0..2 {
            call(&mut breaker, 1_000_000, Outcome::Failed);
        }
        assert!(breaker.admit(second(5)).is_some());
    }
}
