//! Slowing down whoever guesses secrets.
//!
//! Failures are counted for a client name and the address they come from, so nobody can lock a
//! client out from elsewhere. In memory and per server: a secret is 256 random bits, so this
//! saves work rather than secrets.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::bounded::Bounded;

/// Failures before the first wait.
const FREE: u32 = 5;
/// Longest wait.
const LONGEST_S: i64 = 60;

/// Waits by client name and address.
#[derive(Debug)]
pub(crate) struct Throttle(Bounded<(String, Option<IpAddr>), Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    until: Timestamp,
}

impl Throttle {
    pub(crate) fn new() -> Throttle {
        Throttle(Bounded::new(10_000))
    }

    /// Whole seconds still to wait; `None` when there is no wait.
    pub(crate) fn wait_s(&self, client: &str, from: Option<IpAddr>, now: Timestamp) -> Option<u32> {
        let left = self.0.get(&(client.to_owned(), from))?.until.duration_since(now);
        // A clock put back must not turn a minute into a year.
        let seconds = (left.as_millis() + 999).div_euclid(1000);
        let waiting = left > SignedDuration::ZERO && seconds <= i128::from(LONGEST_S);
        waiting.then(|| u32::try_from(seconds).unwrap_or(1))
    }

    /// Counts a failure; from the sixth on each doubles the wait, up to a minute.
    pub(crate) fn failed(&self, client: &str, from: Option<IpAddr>, now: Timestamp) {
        let key = (client.to_owned(), from);
        let count = self.0.get(&key).map_or(1, |failures| failures.count.saturating_add(1));
        let wait_s = match count.checked_sub(FREE) {
            None | Some(0) => 0,
            Some(over) => 2_i64.saturating_pow(over - 1).min(LONGEST_S),
        };
        let until = now.checked_add(SignedDuration::from_secs(wait_s)).unwrap_or(now);
        self.0.put(key, Failures { count, until });
    }

    /// Forgets the failures: the secret was right.
    pub(crate) fn succeeded(&self, client: &str, from: Option<IpAddr>) {
        self.0.remove(&(client.to_owned(), from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_after_the_fifth_doubles_the_wait_up_to_a_minute() {
        let throttle = Throttle::new();
        let now = Timestamp::UNIX_EPOCH;
        let waits: Vec<Option<u32>> = (0..80)
            .map(|_| {
                throttle.failed("client", None, now);
                throttle.wait_s("client", None, now)
            })
            .collect();
        assert_eq!(waits[..5], [None; 5]);
        assert_eq!(waits[5..9], [Some(1), Some(2), Some(4), Some(8)]);
        assert!(waits[12..].iter().all(|wait| *wait == Some(60)));
        assert_eq!(throttle.wait_s("client", Some([127, 0, 0, 1].into()), now), None);
        assert_eq!(throttle.wait_s("client", None, now + SignedDuration::from_secs(60)), None);
        throttle.succeeded("client", None);
        assert_eq!(throttle.wait_s("client", None, now), None);
    }
}
