//! Policy years of a vehicle across insurers: what was written side by side is one year.
//!
//! A customer may have own damage with one insurer and liability with another, or a duplicate that
//! was surrendered later. Counting each such policy as a year of its own would make the level hang
//! on the order of the rows. So policies that overlap and begin less than half a year apart are one
//! year; half a year because renewals may overlap by some days, and nobody renews six months early.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::time::day_of;
use production_core::history::{PolicyClass, PriorPolicy, VehicleHistory};

use crate::days::plus_months;

/// Begins closer together than this many months are one year.
const BESIDE_MONTHS: i64 = 6;

/// One policy year.
#[derive(Debug)]
pub(crate) struct Term {
    /// First instant of its cover.
    pub(crate) from: Timestamp,
    /// The day the newest of its policies began: a sale after it is a sale within the year.
    pub(crate) began: Date,
    /// First instant without its cover.
    pub(crate) until: Timestamp,
    /// When the first of its policies was issued.
    pub(crate) issued_at: Timestamp,
    /// When the first of its policies was quoted.
    pub(crate) quoted_at: Timestamp,
    pub(crate) length: Length,
    /// One of its policies was endorsed for a transfer within the year.
    pub(crate) transferred: bool,
}

/// Whether a term is a whole year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    WholeYear,
    /// Written for less.
    ShortTerm,
    /// Written for a year and ended before.
    EndedEarly,
}

/// Policy years of one line, newest first, of the policies that are `earlier`; policies revoked
/// before they began are none.
pub(crate) fn terms(
    history: &VehicleHistory,
    class: PolicyClass,
    earlier: impl Fn(&PriorPolicy) -> bool,
) -> Vec<Term> {
    let mut policies = history.policies_of(class);
    policies.retain(|policy| policy.covered_until() > policy.period.from() && earlier(policy));
    let mut groups: Vec<Vec<&PriorPolicy>> = Vec::new();
    for policy in policies {
        match groups.last_mut() {
            Some(group) if beside(policy, group) => group.push(policy),
            _ => groups.push(vec![policy]),
        }
    }
    groups.iter().filter_map(|group| term(group)).collect()
}

/// Whether `policy` ran beside the newest of `group`.
fn beside(policy: &PriorPolicy, group: &[&PriorPolicy]) -> bool {
    let Some(newest) = group.first() else { return false };
    let (began, newest_began) = (day_of(policy.period.from()), day_of(newest.period.from()));
    policy.covered_until() > newest.period.from()
        && began > plus_months(newest_began, -BESIDE_MONTHS)
}

/// The year of `group`, newest first: of its whole-year policies where it has any.
fn term(group: &[&PriorPolicy]) -> Option<Term> {
    let whole: Vec<&PriorPolicy> =
        group.iter().copied().filter(|policy| length(policy) == Length::WholeYear).collect();
    let members = if whole.is_empty() { group } else { &whole };
    let newest = members.first()?;
    let short = members.iter().any(|policy| policy.short_term);
    let transferred = |policy: &&PriorPolicy| {
        let same = policy.period.from() == newest.period.from();
        policy.transferred_at.is_some_and(|at| same || at > newest.period.from())
    };
    Some(Term {
        from: members.iter().map(|policy| policy.period.from()).min()?,
        began: day_of(newest.period.from()),
        until: members.iter().map(|policy| policy.covered_until()).max()?,
        issued_at: members.iter().map(|policy| policy.issued_at).min()?,
        quoted_at: members.iter().map(|policy| policy.quoted_at).min()?,
        length: match (whole.is_empty(), short) {
            (false, _) => Length::WholeYear,
            (true, true) => Length::ShortTerm,
            (true, false) => Length::EndedEarly,
        },
        transferred: members.iter().any(transferred),
    })
}

fn length(policy: &PriorPolicy) -> Length {
    let began = day_of(policy.period.from());
    match () {
        () if policy.short_term => Length::ShortTerm,
        () if day_of(policy.covered_until()) < plus_months(began, 12) => Length::EndedEarly,
        () => Length::WholeYear,
    }
}

/// The last day the vehicle is known to have changed hands.
///
/// A vehicle starts again with its new owner, so claims of accidents before that day are not his.
pub(crate) fn last_sold(
    told: Option<Date>,
    history: &VehicleHistory,
    class: PolicyClass,
) -> Option<Date> {
    let policies = history.policies.iter().filter(|policy| policy.class == class);
    let endorsed = policies.filter_map(|policy| policy.transferred_at).map(day_of);
    endorsed.chain(told).max()
}
