//! Judgements over a quote message once history and outside answers are there.

use base_http::Notice;
use jiff::{SignedDuration, Timestamp};
use kernel::{Period, time};
use production_core::frame::FrameNo;
use production_core::history::{PolicyClass, ReinsureFlag};
use production_core::insurer::InsurerCode;
use production_core::region::Region;
use production_core::rule::{Findings, RuleId};
use production_core::rules::period::{self, Term, Window};
use production_core::rules::vehicle::{self, Ownership};
use production_rating::Parameter;
use production_rating::Tariff;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::outside::Consulted;
use crate::quote::answer;
use crate::quote::read::QuoteRequest;
use crate::store::known::{Known, KnownPolicy};

/// A policy that covers the vehicle in the period asked for, as other insurers may see it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DuplicatePolicy)]
pub struct Duplicate {
    /// `compulsory` or `commercial`.
    pub class: String,
    /// Its confirm code.
    pub confirm_code: String,
    /// Its insurer.
    pub insurer: String,
    /// The insurer's own number.
    pub policy_no: String,
    /// Its period.
    pub period: Period,
    /// Plate as last endorsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate_kind: Option<String>,
    /// Last six characters for outsiders, whole for the own insurer.
    pub frame_no: String,
    /// Engine number.
    pub engine_no: String,
    /// REINSURE_FLAG: `1` this insurer, `2` another.
    pub reinsure_flag: String,
}

impl Duplicate {
    /// What `viewer` may see of `policy`.
    pub fn of(policy: &KnownPolicy, frame: &FrameNo, viewer: InsurerCode) -> Duplicate {
        let own = policy.prior.insurer == viewer;
        Duplicate {
            class: policy.prior.class.name().to_owned(),
            confirm_code: policy.prior.confirm_no.to_string(),
            insurer: policy.prior.insurer.as_str().to_owned(),
            policy_no: policy.policy_no.clone(),
            period: policy.prior.period,
            plate: policy.plate.as_ref().map(|(_, plate)| plate.clone()),
            plate_kind: policy.plate.as_ref().map(|(kind, _)| kind.clone()),
            frame_no: if own { frame.as_str().to_owned() } else { frame.masked() },
            engine_no: policy.engine_no.clone(),
            reinsure_flag: ReinsureFlag::held_by(policy.prior.insurer, viewer).code().to_owned(),
        }
    }
}

/// Policies of one line that cover the vehicle inside `period`, own or others'.
pub(crate) fn overlapping(known: &Known, class: PolicyClass, period: Period) -> Vec<&KnownPolicy> {
    known
        .policies
        .iter()
        .filter(|policy| policy.prior.class == class && !policy.revoked)
        .filter(|policy| {
            Period::new(policy.prior.period.from(), policy.prior.covered_until())
                .is_some_and(|covered| covered.overlaps(period))
        })
        .collect()
}

/// L01, L02: cover starts in the window of the tariff; a compulsory year is a year.
pub(crate) fn periods(
    request: &QuoteRequest,
    tariff: &Tariff,
    now: Timestamp,
    found: &mut Findings,
) {
    let window = |back| window(tariff, request.region, request.facts.is_new_energy(), back, now);
    if let Some(compulsory) = &request.compulsory {
        let opens = window(Parameter::CompulsoryRetroactiveDays);
        period::start(compulsory.period.from(), opens, now, "/compulsory/start", found);
        let term = if compulsory.short_term.is_some() { Term::Short } else { Term::Annual };
        period::compulsory(compulsory.period, term, "/compulsory/end", found);
    }
    if let Some(commercial) = &request.commercial {
        let opens = window(Parameter::CommercialRetroactiveDays);
        period::start(commercial.period.from(), opens, now, "/commercial/start", found);
        period::commercial(commercial.period, "/commercial/end", found);
    }
}

/// When cover may start, by the tariff's parameters; `back` names the one for back-dating.
pub(crate) fn window(
    tariff: &Tariff,
    region: Region,
    new_energy: bool,
    back: Parameter,
    now: Timestamp,
) -> Window {
    let days = |parameter: Parameter, otherwise: i64| {
        tariff
            .parameter(parameter, region, new_energy, time::day_of(now))
            .and_then(|row| row.value.or(row.max))
            .and_then(|value| value.to_i64())
            .unwrap_or(otherwise)
    };
    Window {
        back: SignedDuration::from_hours(24 * days(back, 0)),
        ahead_days: days(Parameter::QuoteWindowDays, Window::STANDARD.ahead_days),
    }
}

/// L23 to L26, L28: what the police register and the last policy say against the message.
pub(crate) fn against_record(
    request: &QuoteRequest,
    known: &Known,
    consulted: &Consulted,
    starts_on: jiff::civil::Date,
    found: &mut Findings,
) {
    vehicle::dates(&request.facts, starts_on, "/vehicle", found);
    if let Some(registered) = consulted.registered() {
        vehicle::police_status(registered.status, "/vehicle", found);
        vehicle::registered_usage(
            &request.facts,
            Some(registered.usage),
            request.usage_reason.as_deref(),
            "/vehicle",
            found,
        );
    }
    let previous = known
        .policies
        .iter()
        .filter(|policy| !policy.revoked)
        .max_by_key(|policy| policy.prior.period.from())
        .map(|policy| answer::hex_index(&policy.owner_index));
    vehicle::ownership(
        Ownership {
            owner: &request.identity.owner_index,
            previous: previous.as_deref(),
            transferred: request.transferred,
            transferred_on: request.transferred_on,
        },
        "/vehicle",
        found,
    );
    let registered_in = request.identity.plate.as_ref().and_then(|plate| plate.region());
    vehicle::ecdemic(&request.facts, registered_in, request.region, "/vehicle", found);
}

/// A region other than the branch's own (rule F03).
pub(crate) fn own_region(region: Region, branch: Option<Region>, found: &mut Findings) {
    if branch.is_some_and(|branch| branch != region) {
        let text = format!(
            "this client belongs to another branch region than {}; use a client of that branch",
            region.code()
        );
        found.add(RuleId::F03, "/region", text);
    }
}

/// Elements of a message that were not read, as notices (rule S06).
pub(crate) fn unknown(pointers: &[String]) -> impl Iterator<Item = Notice> {
    pointers.iter().map(|pointer| Notice {
        code: "N2003".into(),
        rule: Some("S06".into()),
        pointer: Some(pointer.clone()),
        detail: "this element is not known here and was not stored".to_owned(),
    })
}

/// Adds notices to an answer that has none of its own.
pub(crate) fn noting(view: &mut serde_json::Value, notices: &[Notice]) {
    if !notices.is_empty() {
        view["notices"] = serde_json::json!(notices);
    }
}
