//! The law's clocks of a case, as the platform knows them.
//!
//! Day counts are the law's. Which days are public holidays is the parameter
//! [`tenancy::REST_DAYS`] of the policy's region as it is known at the instant a clock is looked at, so
//! that no list that is set later makes late what was in time. A row therefore keeps no end of a
//! clock, only what none ends before.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use production_core::claim::{Case, Stage};
use production_core::statutory::{self, Clock};

use crate::Production;

impl Production {
    /// Public holidays of a region, by its six-digit code, as they are known at an instant.
    pub(crate) fn rest_days(&self, region: &str, known_at: Timestamp) -> BTreeSet<Date> {
        self.challenges.parameters().rest_days(region, known_at)
    }
}

/// The clocks of a case as they stand at an instant, by the public holidays known then. A case that
/// was given up leaves no duty.
pub(crate) fn clocks(case: &Case, rest_days: BTreeSet<Date>, at: Timestamp) -> Vec<Clock> {
    if case.stage == Stage::Cancelled {
        return Vec::new();
    }
    let parameters = statutory::Parameters { rest_days, ..statutory::Parameters::default() };
    statutory::clocks(&case.clock_facts(), at, &parameters)
}

/// The end of the earliest duty that is not done.
pub(crate) fn next_due<'a>(clocks: impl IntoIterator<Item = &'a Clock>) -> Option<Timestamp> {
    let open = clocks.into_iter().filter(|clock| clock.done_at.is_none());
    open.map(|clock| clock.due_at).min()
}

/// What [`next_due`] is not before, whichever public holidays are listed: its end if none were.
pub(crate) fn never_due_before(case: &Case, at: Timestamp) -> Option<Timestamp> {
    next_due(&clocks(case, BTreeSet::new(), at))
}
