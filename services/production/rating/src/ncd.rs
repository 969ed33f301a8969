//! The no-claim discount (无赔款优待): a walk back through the policies of all insurers.
//!
//! A claim belongs to the window between two quote queries by the time it was closed (结案), not
//! by the accident; windows are half-open `(previous, this]`, so no claim counts twice. A reopened
//! claim stays in the window of its first closing with a payment, and counts there until it is
//! closed again at zero.

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
use crate::term::{Length, Term, last_sold, terms};
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
    /// Not closed, or reopened after a closing at zero: counts in the year after it is closed.
    Open,
    /// Closed after this quote was queried: counts next year.
    ClosedAfterQuote,
    /// Closed before the windows looked at.
    BeforeLookBack,
    /// Happened before the vehicle changed hands.
    BeforeTransfer,
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
    let sold = last_sold(question.transferred_on, question.history, PolicyClass::Commercial);
    let mut claims: Vec<JudgedClaim> = question
        .history
        .claims
        .iter()
        .filter(|claim| claim.class == PolicyClass::Commercial)
        .map(|claim| JudgedClaim {
            claim_code: claim.claim_code.clone(),
            verdict: verdict(claim, question.quoted_at, sold, &years[..windows]),
        })
        .collect();
    claims.sort_by(|one, other| one.claim_code.cmp(&other.claim_code));
    let counted = claims.iter().filter(|claim| claim.verdict == ClaimVerdict::Counted).count();
    let streak = clean_years(question, sold, &years);
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
    let earlier = |policy: &PriorPolicy| policy.quoted_at < question.quoted_at;
    for term in terms(question.history, PolicyClass::Commercial, earlier) {
        if term.quoted_at >= next_query {
            // Quoted with, or after, the policy that follows: no year of its own to look at.
            continue;
        }
        if years.len() >= usize::from(most) {
            return (years, NcdStop::LookBackReached);
        }
        if let Some(stop) = stops(&term, question, next_start) {
            return (years, stop);
        }
        years.push(Year { after: term.quoted_at, to: next_query });
        (next_start, next_query) = (term.from, term.quoted_at);
    }
    let reached = years.len() >= usize::from(most);
    (years, if reached { NcdStop::LookBackReached } else { NcdStop::NoEarlierPolicy })
}

fn stops(term: &Term, question: &NcdQuestion<'_>, next_start: Timestamp) -> Option<NcdStop> {
    let sold = question.transferred_on.is_some_and(|sold| sold > term.began);
    if term.transferred || sold {
        return Some(NcdStop::Transferred);
    }
    if term.length != Length::WholeYear {
        return Some(NcdStop::ShortTerm);
    }
    let latest = plus_months(day_of(term.until), i64::from(question.scheme.max_lapse_months));
    (day_of(next_start) > latest).then_some(NcdStop::Lapsed)
}

fn verdict(
    claim: &ClaimRecord,
    quoted_at: Timestamp,
    sold: Option<Date>,
    years: &[Year],
) -> ClaimVerdict {
    let settled = claim.first_settled_at.or(claim.closed_at);
    let Some(settled) = settled else { return ClaimVerdict::Open };
    let in_a_year = years.iter().any(|year| year.after < settled && settled <= year.to);
    match () {
        () if settled > quoted_at => ClaimVerdict::ClosedAfterQuote,
        () if sold.is_some_and(|sold| day_of(claim.accident_at) < sold) => {
            ClaimVerdict::BeforeTransfer
        }
        () if !in_a_year => ClaimVerdict::BeforeLookBack,
        () if claim.paid <= Fen::ZERO => ClaimVerdict::NothingPaid,
        () if claim.fully_recovered => ClaimVerdict::FullyRecovered,
        () if !claim.counts => ClaimVerdict::MarkedNotCounting,
        () => ClaimVerdict::Counted,
    }
}

/// Years without a counting claim, from the newest back.
fn clean_years(question: &NcdQuestion<'_>, sold: Option<Date>, years: &[Year]) -> usize {
    let claims = || {
        let all = question.history.claims.iter();
        all.filter(|claim| claim.class == PolicyClass::Commercial)
    };
    let clean = |year: &&Year| {
        let year = std::slice::from_ref(*year);
        let counted =
            |claim| verdict(claim, question.quoted_at, sold, year) == ClaimVerdict::Counted;
        !claims().any(counted)
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
