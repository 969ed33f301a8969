//! The no-claim discount (无赔款优待): a walk back through the policies of all insurers.
//!
//! A claim belongs to the window between two quote queries by the time it was closed (结案), not
//! by the accident; windows are half-open `(previous, this]`, so no claim counts twice.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use kernel::time::day_of;
use production_core::history::{ClaimRecord, PolicyClass, PriorPolicy, VehicleHistory};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::days::plus_months;
use crate::tariff::{NcdMethod, NcdScheme};
use crate::trace::TableRow;

/// The discount, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NcdAnswer {
    /// Scheme, for example `NAT2020`.
    pub scheme: String,
    /// Level: negative is a discount.
    pub level: i8,
    /// Coefficient of the level.
    pub coefficient: Decimal,
    /// Reason code of the level, where the platform list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Policy years that counted, newest first, at most as many as the scheme looks at.
    pub insured_years: u8,
    /// Why the walk did not go further back.
    pub stop: NcdStop,
    /// Every commercial claim of the vehicle: counted or why not, by claim code.
    pub claims: Vec<JudgedClaim>,
    /// The scheme's row.
    pub row: TableRow,
}

/// Why the walk back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum NcdStop {
    /// There is no earlier policy.
    NoEarlierPolicy,
    /// The earlier policy was short-term, or ended early.
    ShortTerm,
    /// Ownership was transferred.
    Transferred,
    /// The vehicle was uninsured for longer than the scheme allows.
    Lapsed,
    /// The scheme looks no further back.
    LookBackReached,
}

/// A claim and whether it counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JudgedClaim {
    /// 理赔编号.
    pub claim_code: String,
    /// Counted, or why not.
    pub verdict: ClaimVerdict,
}

/// Whether a claim counts towards the no-claim level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ClaimVerdict {
    /// It counts.
    Counted,
    /// Not closed yet: counts in the year after it is closed.
    Open,
    /// Closed after this quote was queried: counts next year.
    ClosedAfterQuote,
    /// Closed before the windows looked at.
    BeforeLookBack,
    /// Closed, or closed again, without payment.
    NothingPaid,
    /// Recovered in full from the liable side.
    FullyRecovered,
    /// Reported by its insurer as not counting.
    MarkedNotCounting,
}

/// A policy year that counts: the window its claims are closed in.
struct Year {
    after: Timestamp,
    to: Timestamp,
}

/// What the walk needs of the new policy.
pub(crate) struct NcdQuestion<'a> {
    pub(crate) scheme: &'a NcdScheme,
    pub(crate) row: TableRow,
    pub(crate) quoted_at: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) transferred_on: Option<Date>,
    pub(crate) history: &'a VehicleHistory,
}

/// The level and what it rests on.
pub(crate) fn judge(question: &NcdQuestion<'_>) -> NcdAnswer {
    let scheme = question.scheme;
    let (years, stop) = walk(question);
    let look_back = usize::from(scheme.look_back_years).min(years.len());
    let windows = match scheme.method {
        NcdMethod::ClaimsMinusYears => look_back,
        NcdMethod::PreviousYear => years.len().min(1),
    };
    let mut claims: Vec<JudgedClaim> = question
        .history
        .claims
        .iter()
        .filter(|claim| claim.class == PolicyClass::Commercial)
        .map(|claim| JudgedClaim {
            claim_code: claim.claim_code.clone(),
            verdict: verdict(claim, question.quoted_at, &years[..windows]),
        })
        .collect();
    claims.sort_by(|one, other| one.claim_code.cmp(&other.claim_code));
    let counted = claims.iter().filter(|claim| claim.verdict == ClaimVerdict::Counted).count();
    let streak = clean_years(question, &years);
    let wanted = wanted_level(scheme, counted, look_back, streak);
    let found = scheme.levels.iter().rfind(|row| row.level <= wanted);
    let level = found.or(scheme.levels.first());
    NcdAnswer {
        scheme: scheme.name.clone(),
        level: level.map_or(0, |row| row.level),
        coefficient: level.map_or(Decimal::ONE, |row| row.coefficient),
        reason: level.and_then(|row| row.reason.clone()),
        insured_years: u8::try_from(years.len()).unwrap_or(u8::MAX),
        stop,
        claims,
        row: question.row.clone(),
    }
}

/// Policy years from the newest back, with the reason the walk ended.
fn walk(question: &NcdQuestion<'_>) -> (Vec<Year>, NcdStop) {
    let scheme = question.scheme;
    let most = scheme.look_back_years.max(scheme.best_streak_years);
    let mut years: Vec<Year> = Vec::new();
    let (mut next_start, mut next_query) = (question.start, question.quoted_at);
    for policy in question.history.policies_of(PolicyClass::Commercial) {
        if policy.covered_until() <= policy.period.from() || policy.quoted_at >= next_query {
            // Revoked before it began, or not an earlier policy at all.
            continue;
        }
        if years.len() >= usize::from(most) {
            return (years, NcdStop::LookBackReached);
        }
        if let Some(stop) = stops(policy, question, next_start) {
            return (years, stop);
        }
        years.push(Year { after: policy.quoted_at, to: next_query });
        (next_start, next_query) = (policy.period.from(), policy.quoted_at);
    }
    let reached = years.len() >= usize::from(most);
    (years, if reached { NcdStop::LookBackReached } else { NcdStop::NoEarlierPolicy })
}

fn stops(
    policy: &PriorPolicy,
    question: &NcdQuestion<'_>,
    next_start: Timestamp,
) -> Option<NcdStop> {
    let began = day_of(policy.period.from());
    let sold = question.transferred_on.is_some_and(|sold| sold > began);
    if policy.transferred_at.is_some() || sold {
        return Some(NcdStop::Transferred);
    }
    let whole_year = plus_months(began, 12);
    if policy.short_term || day_of(policy.covered_until()) < whole_year {
        return Some(NcdStop::ShortTerm);
    }
    let latest =
        plus_months(day_of(policy.covered_until()), i64::from(question.scheme.max_lapse_months));
    (day_of(next_start) > latest).then_some(NcdStop::Lapsed)
}

fn verdict(claim: &ClaimRecord, quoted_at: Timestamp, years: &[Year]) -> ClaimVerdict {
    let Some(closed_at) = claim.closed_at else { return ClaimVerdict::Open };
    let in_a_year = years.iter().any(|year| year.after < closed_at && closed_at <= year.to);
    match () {
        () if closed_at > quoted_at => ClaimVerdict::ClosedAfterQuote,
        () if !in_a_year => ClaimVerdict::BeforeLookBack,
        () if claim.paid <= Fen::ZERO => ClaimVerdict::NothingPaid,
        () if claim.fully_recovered => ClaimVerdict::FullyRecovered,
        () if !claim.counts => ClaimVerdict::MarkedNotCounting,
        () => ClaimVerdict::Counted,
    }
}

/// Years without a counting claim, from the newest back.
fn clean_years(question: &NcdQuestion<'_>, years: &[Year]) -> usize {
    let claims = || {
        let all = question.history.claims.iter();
        all.filter(|claim| claim.class == PolicyClass::Commercial)
    };
    let clean = |year: &&Year| {
        let year = std::slice::from_ref(*year);
        claims().all(|claim| verdict(claim, question.quoted_at, year) != ClaimVerdict::Counted)
    };
    years.iter().take_while(clean).count()
}

fn wanted_level(scheme: &NcdScheme, counted: usize, look_back: usize, streak: usize) -> i8 {
    let small = |number: usize| i8::try_from(number).unwrap_or(i8::MAX);
    let level = match scheme.method {
        NcdMethod::ClaimsMinusYears if streak > look_back => -small(streak),
        NcdMethod::ClaimsMinusYears => small(counted) - small(look_back),
        NcdMethod::PreviousYear if counted == 0 => -small(streak),
        NcdMethod::PreviousYear => small(counted),
    };
    level.clamp(scheme.best_level, scheme.cap_level)
}

impl NcdStop {
    /// The stop in a word, as it travels.
    pub const fn name(self) -> &'static str {
        match self {
            NcdStop::NoEarlierPolicy => "noEarlierPolicy",
            NcdStop::ShortTerm => "shortTerm",
            NcdStop::Transferred => "transferred",
            NcdStop::Lapsed => "lapsed",
            NcdStop::LookBackReached => "lookBackReached",
        }
    }

    pub(crate) const fn reason(self) -> Cow<'static, str> {
        Cow::Borrowed(self.name())
    }
}
