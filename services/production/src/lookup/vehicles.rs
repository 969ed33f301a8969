//! The chain of a vehicle across insurers, and the vehicles behind a plate.
//!
//! Own policies are shown with what was agreed; of other insurers' policies only what a duplicate
//! would show, who covers the vehicle when, under which number, and what was changed from when. No
//! premium, no reason, no party. Own claims are
//! shown as lists show them; of other insurers' claims only what a quote counts: that there was an
//! accident on that day, and whether it was closed, paid and counted. No amount, no liability.

use base_http::paging::bad;
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Period, time};
use pg::Scope;
use production_core::claim::{Step, counts_by_rule};
use production_core::endorsement::Kind;
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::plate::PlateKind;
use production_core::policy::{Ending, PolicyState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Production;
use crate::error::ProductionError;
use crate::lookup::ask::{self, View};
use crate::lookup::claim_line::{self, ClaimLine};
use crate::lookup::{Shown, purpose, shown_record};
use crate::store::chain::{self, ChainEndorsement, ChainPolicy, VersionLine};
use crate::store::claim_lookup::{self, ChainClaim, ChainClosing};

/// As of when the chain is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChainQuery {
    /// As known, and standing as it did, at this instant or at the begin of this day.
    pub as_of: Option<String>,
}

/// Which plate.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlateQuery {
    /// 号牌, however it is written.
    #[param(example = "苏A12345", required = true)]
    pub plate: Option<String>,
    /// 号牌种类; every kind when absent.
    #[param(example = "02")]
    pub plate_kind: Option<String>,
    /// As known at this instant or at the begin of this day.
    pub as_of: Option<String>,
}

/// The chain of a vehicle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainView {
    /// The vehicle: whole for who has or had a policy on it, else its last six characters.
    pub frame_no: String,
    /// The instant it is shown at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Policies of every insurer, latest cover first.
    pub policies: Vec<ChainLine>,
    /// Claims of every insurer, latest accident first.
    pub claims: Vec<ChainClaimLine>,
}

/// A policy on the chain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainLine {
    /// Its confirm code.
    pub confirm_code: String,
    /// Its insurer.
    pub insurer: String,
    /// Whether that is the caller's.
    pub own: bool,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Where it stood.
    #[schema(value_type = String)]
    pub state: PolicyState,
    /// The insurer's own number.
    pub policy_no: String,
    /// Region of the policy.
    pub region: String,
    /// Period of cover, pushed back by suspensions.
    pub period: Period,
    /// First instant without cover, when it ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Plate as last endorsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate_kind: Option<String>,
    /// Engine number.
    pub engine_no: String,
    /// When it was confirmed.
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// Endorsements by then.
    pub endorse_times: i32,
    /// What came to be known, and when: each endorsement in order; of an own policy its confirmation
    /// first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ChainEvent>,
}

/// A claim on the chain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChainClaim)]
pub struct ChainClaimLine {
    /// 理赔编号.
    pub claim_code: String,
    /// Who handles it.
    pub insurer: String,
    /// Whether that is the caller.
    pub own: bool,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Day of the accident in China.
    #[schema(value_type = String, format = Date)]
    pub accident_on: Date,
    /// `open`, `closed` or `cancelled`; a reopened one is open.
    pub standing: &'static str,
    /// When the closing that holds was made; a reopened claim has it still.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Whether that closing counts towards the discount; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<bool>,
    /// Money went out, and not all of it came back.
    pub paid: bool,
    /// An own claim as lists show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimLine>,
}

/// A confirmation or an endorsement. Code and money are shown of own policies alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainEvent {
    /// 0 for the confirmation, then one more for each endorsement.
    pub endorse_times: i32,
    /// 批改类型; absent for the confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "03")]
    pub kind: Option<&'static str>,
    /// The kind in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind_name: Option<&'static str>,
    /// 批改类型 in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind_name_zh: Option<&'static str>,
    /// 批改确认码; absent for the confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amend_code: Option<String>,
    /// True from here on.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// Known from here on.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Premium from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub premium: Option<Fen>,
    /// Vehicle tax from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub tax: Option<Fen>,
}

impl ChainEvent {
    /// What everybody may see: what it was, from when it is true and from when it was known.
    fn masked(
        endorse_times: i32,
        kind: Option<Kind>,
        (effective_at, recorded_at): (Timestamp, Timestamp),
    ) -> ChainEvent {
        ChainEvent {
            endorse_times,
            kind: kind.map(Kind::code),
            kind_name: kind.map(Kind::name_en),
            kind_name_zh: kind.map(Kind::name_zh),
            amend_code: None,
            effective_at,
            recorded_at,
            premium: None,
            tax: None,
        }
    }
}

/// Vehicles behind a plate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriersView {
    /// As looked for.
    pub plate: String,
    /// Vehicles that were insured under it, the last one first.
    pub vehicles: Vec<CarrierView>,
}

/// A vehicle that was insured under a plate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarrierView {
    /// Whole for who has or had a policy on it, else its last six characters.
    pub frame_no: String,
    /// The caller has or had a policy on it.
    pub own: bool,
    /// When a policy first named the plate.
    #[schema(value_type = String, format = DateTime)]
    pub first_known_at: Timestamp,
    /// When one last did.
    #[schema(value_type = String, format = DateTime)]
    pub last_known_at: Timestamp,
}

/// A policy or claim somebody has on a vehicle, as far as looks at the vehicle go.
#[derive(Clone, Copy, Debug)]
pub struct OnVehicle {
    /// Its confirm code or claim code, which says whose it is and of which region.
    pub number: PlatformNumber,
    /// Quotes of the vehicle rest on it from here on.
    pub shown_from: Timestamp,
    /// And no longer from here on: a revoked policy never covered anything, a cancelled claim says
    /// nothing of the vehicle.
    pub shown_to: Option<Timestamp>,
}

impl Production {
    /// Every insurer's policies and claims on the vehicle of a frame number, as known at `now`. For
    /// rooms that ask whose records stand on a vehicle, not for answers to callers.
    pub async fn records_on(
        &self,
        frame_no: &str,
        now: Timestamp,
    ) -> Result<(FrameNo, Vec<OnVehicle>), Problem> {
        let frame = ask::frame("frameNo", frame_no)?;
        let begun = self.spine.db().begin(Scope::nobody()).await;
        let mut tx = begun.map_err(ProductionError::from)?;
        let policies = chain::policies(&mut tx, &frame, now).await?;
        let claims = claim_lookup::on_vehicle(&mut tx, &frame, now).await?;
        drop(tx);
        let policies = policies.iter().map(|policy| OnVehicle {
            number: policy.confirm_no,
            shown_from: policy.issued_at,
            shown_to: match policy.facts.ending {
                Some(Ending::Revoked { at }) => Some(at),
                _ => None,
            },
        });
        let claims = claims.iter().map(|claim| OnVehicle {
            number: claim.claim_no,
            shown_from: claim.recorded_at,
            shown_to: claim.cancelled_at,
        });
        Ok((frame, policies.chain(claims).collect()))
    }

    /// Every policy and claim of a vehicle.
    pub async fn read_chain(
        &self,
        call: Call,
        frame_no: &str,
        asked: ChainQuery,
    ) -> Result<Reply, Problem> {
        let viewer = self.insurer_of(&call)?;
        purpose(&call)?;
        let frame = ask::frame("frameNo", frame_no)?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let mut tx = self.begin(&call).await?;
        let policies = chain::policies(&mut tx, &frame, view.at).await?;
        let own = policies.iter().filter(|policy| policy.insurer == viewer);
        let own: Vec<_> = own.map(|policy| policy.confirm_no).collect();
        let versions = chain::versions(&mut tx, own.iter().copied(), view.at).await?;
        let endorsements = chain::endorsements(&mut tx, &frame, view.at).await?;
        let events = Events { versions, endorsements };
        let claims = claim_lookup::on_chain(&mut tx, &frame, view.at).await?;
        let own_claims = claims.iter().filter(|claim| claim.insurer == viewer);
        let own_claims: Vec<_> = own_claims.map(|claim| claim.claim_no).collect();
        let own_claims = claim_lookup::own(&mut tx, own_claims).await?;
        let own_claims = claim_line::known(&mut tx, own_claims, view.as_of).await?;
        drop(tx);
        let mut own_claims = self.claim_lines(&own_claims, view.at);
        let answer = ChainView {
            frame_no: shown(&frame, !own.is_empty()),
            as_of: view.at,
            policies: policies
                .iter()
                .map(|policy| line(policy, &events, viewer, view.at))
                .collect(),
            claims: claims
                .iter()
                .map(|claim| chain_claim(claim, own_claims.remove(&claim.claim_no), viewer))
                .collect(),
        };
        let policies = policies.iter().map(|policy| policy.confirm_no);
        let numbers = policies.chain(claims.iter().map(|claim| claim.claim_no));
        let shown = numbers.map(|number| shown_record(&frame, number));
        let done = Done::json(StatusCode::OK, &answer, frame.slot().0, frame.masked());
        self.answer(call, Shown::Masked, done.showing(shown)).await
    }

    /// The vehicles that were insured under a plate.
    pub async fn find_vehicles(&self, call: Call, asked: PlateQuery) -> Result<Reply, Problem> {
        self.insurer_of(&call)?;
        purpose(&call)?;
        let plate = asked.plate.as_deref().map(ask::plate).filter(|plate| !plate.is_empty());
        let plate = plate.ok_or_else(|| bad("plate", "say which plate to look for"))?;
        let kind = asked.plate_kind.as_deref().map(PlateKind::parse).transpose();
        let kind = kind.map_err(|error| bad("plateKind", error.to_string()))?;
        let view = View::read(asked.as_of.as_deref(), call.received_at)?;
        let mut tx = self.begin(&call).await?;
        let kind = kind.map(|kind| kind.code());
        let carriers = chain::carriers(&mut tx, &plate, kind, view.at).await?;
        let frames: Vec<FrameNo> = carriers.iter().map(|carrier| carrier.frame.clone()).collect();
        let own = chain::own(&mut tx, &frames).await?;
        // What is said of a vehicle rests on all its policies: their insurers learn of the look.
        let looked_at = chain::confirm_numbers(&mut tx, &frames, view.at).await?;
        drop(tx);
        let vehicles = carriers.iter().map(|carrier| {
            let own = own.contains(carrier.frame.as_str());
            CarrierView {
                frame_no: shown(&carrier.frame, own),
                own,
                first_known_at: carrier.first_known_at,
                last_known_at: carrier.last_known_at,
            }
        });
        let answer = CarriersView { vehicles: vehicles.collect(), plate };
        let slot = frames.first().map_or(0, |frame| frame.slot().0);
        let subject = frames.first().map_or_else(|| "vehicles".to_owned(), FrameNo::masked);
        let records = looked_at.iter().map(|(frame, number)| shown_record(frame, *number));
        let done = Done::json(StatusCode::OK, &answer, slot, subject).showing(records);
        self.answer(call, Shown::Masked, done).await
    }
}

fn shown(frame: &FrameNo, own: bool) -> String {
    if own { frame.as_str().to_owned() } else { frame.masked() }
}

/// What is known of the policies of a chain: versions of own ones, endorsements of all.
struct Events {
    versions: Vec<VersionLine>,
    endorsements: Vec<ChainEndorsement>,
}

impl Events {
    /// Of an own policy every version, of another its endorsements.
    fn of(&self, policy: PlatformNumber) -> Vec<ChainEvent> {
        let endorsements = self.endorsements.iter().filter(|one| one.confirm_no == policy);
        let kind = |times| {
            let found = endorsements.clone().find(|one| one.endorse_times == times);
            found.map(|one| one.kind)
        };
        let mut own =
            self.versions.iter().filter(|version| version.confirm_no == policy).peekable();
        if own.peek().is_none() {
            let known = |one: &ChainEndorsement| {
                let known = (one.effective_at, one.confirmed_at);
                ChainEvent::masked(one.endorse_times, Some(one.kind), known)
            };
            return endorsements.map(known).collect();
        }
        let whole = |version: &VersionLine| {
            let (times, known) =
                (version.endorse_times, (version.effective_at, version.recorded_at));
            ChainEvent {
                amend_code: version.amend_no.map(|number| number.to_string()),
                premium: Some(version.premium),
                tax: Some(version.tax),
                ..ChainEvent::masked(times, kind(times), known)
            }
        };
        own.map(whole).collect()
    }
}

fn line(policy: &ChainPolicy, events: &Events, viewer: InsurerCode, at: Timestamp) -> ChainLine {
    ChainLine {
        confirm_code: policy.confirm_no.to_string(),
        insurer: policy.insurer.as_str().to_owned(),
        own: policy.insurer == viewer,
        class: policy.facts.class.name(),
        state: policy.facts.state_at(at),
        policy_no: policy.policy_no.clone(),
        region: policy.region.clone(),
        period: policy.facts.period,
        ended_at: policy.facts.ending.map(|ending| ending.at()),
        plate: policy.plate.clone(),
        plate_kind: policy.plate_kind.clone(),
        engine_no: policy.engine_no.clone(),
        issued_at: policy.issued_at,
        endorse_times: policy.endorse_times,
        events: events.of(policy.confirm_no),
    }
}

fn chain_claim(claim: &ChainClaim, own: Option<ClaimLine>, viewer: InsurerCode) -> ChainClaimLine {
    ChainClaimLine {
        claim_code: claim.claim_no.to_string(),
        insurer: claim.insurer.as_str().to_owned(),
        own: claim.insurer == viewer,
        class: claim.class.name(),
        accident_on: time::day_of(claim.accident_at),
        standing: match claim.last_turn {
            Some(Step::Close) => "closed",
            Some(Step::Cancel) => "cancelled",
            _ => "open",
        },
        closed_at: claim.closing.map(|closing| closing.at),
        counts: claim.closing.map(|closing| counts(claim.class, closing)),
        paid: claim.paid,
        claim: own,
    }
}

/// Whether a closing counts, as every quote tells it ([`production_core::claim::Case::record`]).
fn counts(class: PolicyClass, closing: ChainClosing) -> bool {
    // The rule asks whether anything is paid, not how much.
    let total = if closing.pays { Fen(1) } else { Fen::ZERO };
    let told = closing.corrected_counts.or(closing.counts);
    told.unwrap_or_else(|| counts_by_rule(class, total, closing.liability))
}
