//! Daily counts as this process saw them last.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::CountKey;

/// This far from the end of a quota nobody needs to hold the counter: more than all sets of all
/// servers count at once. Were it too little, the counting would find out.
const AMPLE: u32 = 4096;
/// Keys remembered; days pass, and their keys with them.
const MOST: usize = 50_000;

/// Counts only grow within their day, so what was seen once is the least there is: enough to admit
/// a call without asking, and without making every other set wait for this one's commit.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<CountKey, u32>>);

impl Seen {
    /// Whether calls may be admitted under `quota` without a look at the counter. What they are
    /// counted to must be compared with the quota before the commit.
    pub fn is_far_from(&self, key: &CountKey, quota: u32) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).is_some_and(|used| used.saturating_add(AMPLE) < quota)
    }

    /// Whether a quota may have room for so many calls more. When it had none, writing them with
    /// `metering.record_within` finds out.
    pub fn has_room(&self, key: &CountKey, more: u32, quota: u32) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).is_none_or(|used| used.saturating_add(more) <= quota)
    }

    /// Remembers a count. One that is never committed errs on the side of a look.
    pub fn note(&self, key: CountKey, used: u32) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST <= seen.len() {
            seen.clear();
        }
        let last = seen.entry(key).or_default();
        *last = used.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::TenantId;

    use super::*;

    #[test]
    fn only_a_key_that_was_seen_far_from_its_quota_goes_unlocked() {
        let seen = Seen::default();
        let key = CountKey {
            tenant: TenantId(uuid::Uuid::nil()),
            client: "picc".into(),
            function_code: "production.underwriting.quote",
            day: date(2026, 11, 23),
        };
        assert!(!seen.is_far_from(&key, u32::MAX));
        seen.note(key.clone(), 900);
        seen.note(key.clone(), 100);
        assert!(seen.is_far_from(&key, 900 + AMPLE + 1));
        assert!(!seen.is_far_from(&key, 900 + AMPLE));
        assert!(seen.has_room(&key, 3, 903) && !seen.has_room(&key, 4, 903));
        let other = CountKey { client: "cpic".into(), ..key };
        assert!(seen.has_room(&other, 4, 3));
    }
}
