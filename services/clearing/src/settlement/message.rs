//! What members and the operator send to settlement, and how it is read.

use base_http::{Call, FieldError};
use jiff::Timestamp;
use kernel::{Fen, time};
use production_core::cover::Cover;
use production_core::region::Region;
use production_core::rules::format::is_nameable;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::departure::{Dispute, DisputeReason};
use super::flat_rate::FlatRate;
use super::scheme::{Division, NATION, OnFailure, OnSilence, Period, Scheme};
use crate::error::ClearingError;

/// Agreement to a statement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatementConfirmation)]
pub struct ConfirmBody {
    /// The digest of the statement that is agreed to.
    pub digest: Option<String>,
}

/// Items a participant does not agree with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DisputeRequest)]
pub struct DisputeBody {
    /// 1 to 500 of them.
    pub items: Option<Vec<DisputedItem>>,
}

/// One item a participant does not agree with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputedItem {
    /// Which.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub item_id: Option<Uuid>,
    /// `unknown`, `amount`, `paid`, `party`, `void` or `other`.
    pub reason: Option<String>,
    /// In words.
    pub note: Option<String>,
}

/// Money that moved at the bank.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FundsMovedRequest)]
pub struct FundsBody {
    /// How much, in yuan.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
    /// The case of this money, when the bank's statement brought it under no order's name: it is
    /// taken from there.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub case_id: Option<Uuid>,
}

/// A participant that did not pay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailureRequest)]
pub struct FailureBody {
    /// What the operator knows of it.
    pub note: Option<String>,
}

/// An item to be taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReversalRequest)]
pub struct ReversalBody {
    /// Names the new item; made by the operator.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub reversal_id: Option<Uuid>,
    /// How much; what is left of it when absent.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// Collateral that was left with the platform.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CollateralRequest)]
pub struct CollateralBody {
    /// Names the deposit; made by the operator.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub deposit_id: Option<Uuid>,
    /// How much, in yuan.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// How a region settles from an instant on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SchemeRequest)]
pub struct SchemeBody {
    /// From when cycles open under it; now when absent, never earlier.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// `overall` or `by_cover`.
    pub division: Option<String>,
    /// `day`, `week`, `month` or `by_hand`.
    pub period: Option<String>,
    /// 1 to 90 calendar days.
    pub confirm_days: Option<i32>,
    /// 1 to 90 calendar days.
    pub funds_days: Option<i32>,
    /// `deem` or `hold`.
    pub on_silence: Option<String>,
    /// `collateral` or `unwind`.
    pub on_failure: Option<String>,
    /// Whether no rule of the market confirms it; true when absent.
    pub proposed: Option<bool>,
}

/// A flat rate to be tried on what was posted in a time.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SimulationRequest)]
pub struct SimulationBody {
    /// Items posted from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// And before that.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Coverage codes; all when absent.
    pub covers: Option<Vec<String>>,
    /// A region; the nation when absent.
    #[schema(example = "320000")]
    pub region: Option<String>,
    /// Largest item the rule is for.
    #[schema(value_type = Option<Fen>)]
    pub ceiling: Option<Fen>,
    /// What each is settled by; the mean of them when absent.
    #[schema(value_type = Option<Fen>)]
    pub module: Option<Fen>,
}

pub(super) fn disputes(body: DisputeBody) -> Result<Vec<Dispute>, ClearingError> {
    let listed = body.items.unwrap_or_default();
    let mut findings = Vec::new();
    if !(1..=500).contains(&listed.len()) {
        findings.push(FieldError::at("/items", "name 1 to 500 items"));
    }
    let mut disputes: Vec<Dispute> = Vec::with_capacity(listed.len());
    for (at, listed) in listed.into_iter().enumerate() {
        let reason = listed.reason.as_deref().map(DisputeReason::parse);
        let note = listed.note.unwrap_or_default();
        match (listed.item_id, reason) {
            (Some(item), Some(Ok(reason))) if disputes.iter().all(|known| known.item != item) => {
                if reason == DisputeReason::Other && note.trim().is_empty() {
                    findings.push(FieldError::at(format!("/items/{at}/note"), "say what is wrong"));
                }
                disputes.push(Dispute { item, reason, note });
            }
            (Some(_), Some(Ok(_))) => {
                findings.push(FieldError::at(format!("/items/{at}/itemId"), "is there twice"));
            }
            (item, reason) => {
                if item.is_none() {
                    findings.push(FieldError::at(format!("/items/{at}/itemId"), "name the item"));
                }
                if !matches!(reason, Some(Ok(_))) {
                    let detail = "unknown, amount, paid, party, void or other";
                    findings.push(FieldError::at(format!("/items/{at}/reason"), detail));
                }
            }
        }
    }
    if findings.is_empty() { Ok(disputes) } else { Err(ClearingError::Invalid(findings)) }
}

/// What a flat rate is tried on.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// Items posted in this time.
    pub(super) span: (Timestamp, Timestamp),
    /// Of these covers.
    pub(super) covers: Vec<Cover>,
    /// `000000` for the nation.
    pub(super) region: String,
    /// The rule.
    pub(super) rule: FlatRate,
}

pub(super) fn flat_rate(body: &SimulationBody) -> Result<Tried, ClearingError> {
    let mut findings = Vec::new();
    let region = body.region.as_deref().unwrap_or(NATION).to_owned();
    if !is_region(&region) {
        findings.push(FieldError::at("/region", "a region of the platform, or 000000"));
    }
    let mut covers = if body.covers.is_none() { Cover::ALL.to_vec() } else { Vec::new() };
    for (at, code) in body.covers.iter().flatten().enumerate() {
        match Cover::parse(code) {
            Ok(cover) => covers.push(cover),
            Err(unknown) => {
                findings.push(FieldError::at(format!("/covers/{at}"), unknown.to_string()));
            }
        }
    }
    let nameable = |at: &Timestamp| is_nameable(time::day_of(*at));
    let span = body.from.zip(body.to);
    let span = span.filter(|(from, to)| from < to && nameable(from) && nameable(to));
    let ceiling = body.ceiling.filter(|ceiling| Fen(0) < *ceiling);
    let checks = [
        (span.is_some(), "/to", "name a time from `from` to a later `to`, both of 1900 to 2199"),
        (ceiling.is_some(), "/ceiling", "more than zero"),
        (body.module.is_none_or(|module| Fen(0) <= module), "/module", "zero or more"),
    ];
    findings.extend(
        checks.iter().filter(|check| !check.0).map(|check| FieldError::at(check.1, check.2)),
    );
    match (span, ceiling) {
        (Some(span), Some(ceiling)) if findings.is_empty() => {
            Ok(Tried { span, covers, region, rule: FlatRate { ceiling, module: body.module } })
        }
        _ => Err(ClearingError::Invalid(findings)),
    }
}

/// Whether it is a region of the platform, or the nation.
pub(super) fn is_region(region: &str) -> bool {
    region == NATION || Region::parse(region).is_ok()
}

pub(super) fn scheme(region: &str, body: SchemeBody, call: &Call) -> Result<Scheme, ClearingError> {
    if !is_region(region) {
        return Err(ClearingError::not_found("region", region));
    }
    let mut findings = Vec::new();
    let division = body.division.as_deref().map(Division::parse);
    let period = body.period.as_deref().map(Period::parse);
    let on_silence = body.on_silence.as_deref().map(OnSilence::parse);
    let on_failure = body.on_failure.as_deref().map(OnFailure::parse);
    let days = |days: Option<i32>| days.filter(|days| (1..=90).contains(days));
    let (confirm_days, funds_days) = (days(body.confirm_days), days(body.funds_days));
    let since = body.since.unwrap_or(call.received_at);
    let checks = [
        (matches!(division, Some(Ok(_))), "/division", "overall or by_cover"),
        (matches!(period, Some(Ok(_))), "/period", "day, week, month or by_hand"),
        (confirm_days.is_some(), "/confirmDays", "1 to 90"),
        (funds_days.is_some(), "/fundsDays", "1 to 90"),
        (matches!(on_silence, Some(Ok(_))), "/onSilence", "deem or hold"),
        (matches!(on_failure, Some(Ok(_))), "/onFailure", "collateral or unwind"),
        (call.received_at <= since, "/since", "a scheme does not reach back"),
    ];
    findings.extend(
        checks.iter().filter(|check| !check.0).map(|check| FieldError::at(check.1, check.2)),
    );
    match (division, period, confirm_days, funds_days, on_silence, on_failure) {
        (
            Some(Ok(division)),
            Some(Ok(period)),
            Some(confirm_days),
            Some(funds_days),
            Some(Ok(on_silence)),
            Some(Ok(on_failure)),
        ) if findings.is_empty() => Ok(Scheme {
            region: region.to_owned(),
            since,
            division,
            period,
            confirm_days,
            funds_days,
            on_silence,
            on_failure,
            proposed: body.proposed.unwrap_or(true),
            set_by: call.caller.client.to_string(),
        }),
        _ => Err(ClearingError::Invalid(findings)),
    }
}
