//! 锁定确认: a claim locks a liable policy and gets its 结算码.

use std::sync::Arc;

use base_http::{Call, Done, FieldError, Naming, Problem, Reply, Spine};
use http::StatusCode;
use jiff::Timestamp;
use kernel::TenantId;
use kernel::time::day_of;
use pg::{Command, Tx};
use production_core::adjustment::Share;
use production_core::adjustment::compulsory::Fault;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::check::not_recoverable;
use production_core::claim::{RecoveryStatus, Stage};
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::mark::VehicleMark;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::RuleId;
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::act::Days;
use super::query::{VehicleBody, vehicle};
use super::review::{Life, Side};
use super::route::{self, Route, Taken, Way};
use super::store::{self, RecoveryRow, StepRow};
use super::view::RecoveryView;
use super::{
    ClaimFacts, CoverFacts, Insurer, Locked, Market, VehicleAsked, caller, number, purpose, shown,
    told,
};
use crate::error::{self, ClearingError};
use crate::{Clearing, outbox};

/// 锁定确认.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryLockBody)]
pub struct LockBody {
    /// 理赔编号 of the own claim that recovers.
    pub claim_code: String,
    /// The liable vehicle. Its insurer is the platform's to find.
    pub vehicle: VehicleBody,
    /// `1` its compulsory cover, `2` its third-party cover.
    #[serde(rename = "from")]
    #[schema(example = "1")]
    pub recover_from: String,
    /// Share of liability of that vehicle in percent. The rest of the own side's customary share when
    /// absent: send it where several vehicles are liable.
    #[schema(example = "70")]
    pub liability_rate: Option<String>,
}

impl Clearing {
    /// Locks a liable policy.
    pub async fn lock_recovery(&self, call: Call, body: &LockBody) -> Result<Reply, Problem> {
        let own = caller(&call)?;
        purpose(&call)?;
        let claim_no = number(&body.claim_code, NumberKind::Claim, "claim")?;
        let from = match RecoveryFrom::parse(&body.recover_from) {
            Ok(from @ (RecoveryFrom::Compulsory | RecoveryFrom::ThirdParty)) => from,
            _ => return Err(field("/from", None, "send 1 (compulsory) or 2 (third party)").into()),
        };
        let share = body.liability_rate.as_deref().map(share).transpose()?;
        let command = LockRecovery {
            claim_no,
            vehicle: vehicle(&body.vehicle)?,
            from,
            share,
            own,
            client: call.caller.client.to_string(),
            market: self.market.clone(),
            days: Days::of(self),
            spine: self.spine.clone(),
            operator: self.operator,
            now: call.received_at,
        };
        let now = call.received_at;
        self.spine
            .run(call, &command, |row: RecoveryRow| {
                let view = RecoveryView::of(&row, Side::Recovering, now, row.life.status());
                let mut looked_at = vec![shown(&row.facts.frame, row.liable_confirm_no)];
                looked_at.extend(row.facts.claim_no.map(|no| shown(&row.facts.frame, no)));
                let slot = row.code.slot().0;
                Done::json(StatusCode::CREATED, &view, slot, row.code.to_string())
                    .showing(looked_at)
            })
            .await
    }
}

struct LockRecovery {
    claim_no: PlatformNumber,
    vehicle: VehicleAsked,
    from: RecoveryFrom,
    share: Option<Share>,
    own: Insurer,
    client: String,
    market: Arc<dyn Market>,
    days: Days,
    spine: Spine,
    operator: TenantId,
    now: Timestamp,
}

impl Command for LockRecovery {
    const NAME: &'static str = "recovery.lock";
    type Out = RecoveryRow;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<RecoveryRow, ClearingError> {
        // Held to the end: a claim that is locked cannot be cancelled meanwhile (rule L51).
        let claim = self.market.hold_claim(tx, self.claim_no).await?;
        recovers(&claim)?;
        let accident_at = claim.case.notify.accident_at;
        let covers = self.market.covers(tx, &self.vehicle, accident_at, self.now).await?;
        let liable = self.liable(&claim, &covers)?;
        let share = self.share_of(&claim)?;
        let others = store::live_of_claim(tx, self.claim_no).await?;
        one_share(&others, liable, share)?;
        let claims = self.market.accident(tx, self.claim_no, self.now).await?;
        let claim_no = claims.iter().find(|one| {
            one.insurer == liable.insurer
                && one.frame == liable.frame
                && one.class == liable.class()
        });
        let sequence = store::next_number(tx).await?;
        let year = day_of(self.now).year();
        let (kind, slot) = (NumberKind::Recovery, self.claim_no.slot());
        let code = PlatformNumber::new(kind, self.own.code, claim.region, year, slot, sequence)
            .ok_or(ClearingError::Corrupt("recovery number"))?;
        let life = Life::locked(self.now);
        let row = RecoveryRow {
            code,
            recovering: self.own,
            liable: Insurer { tenant: liable.tenant, code: liable.insurer },
            region: claim.region.code().to_owned(),
            claim_no: self.claim_no,
            liable_confirm_no: liable.confirm_no,
            from: self.from,
            accident_at,
            locked_at: self.now,
            facts: locked(&claim, liable, &covers, share, claim_no.map(|one| one.claim_no)),
            due: self.days.due(&life, claim.region.code(), self.now),
            life,
            derivation: None,
            steps: 1,
        };
        self.take_route(tx, &row, liable).await?;
        store::insert(tx, &row).await?;
        store::insert_step(tx, code, &self.step(&row)).await?;
        let more = serde_json::json!({
            "side": Side::Recovering, "agreed": row.life.agreed(),
            "liableConfirmCode": row.liable_confirm_no, "from": row.from,
        });
        let facts = told::facts(&row, self.operator, "clearing.recovery.locked", more);
        outbox::tell(tx, told::journey(code), &facts, self.now, self.spine.ids()).await?;
        Ok(row)
    }
}

impl LockRecovery {
    /// L57: exactly one policy fits, and it is another insurer's and another vehicle's.
    fn liable<'a>(
        &self,
        claim: &ClaimFacts,
        covers: &'a [CoverFacts],
    ) -> Result<&'a CoverFacts, ClearingError> {
        let fits = |cover: &&CoverFacts| match self.from {
            RecoveryFrom::Compulsory => cover.class() == PolicyClass::Compulsory,
            _ => cover.promise.third_party().is_some(),
        };
        let fitting: Vec<&CoverFacts> = covers.iter().filter(fits).collect();
        let unclear =
            |detail: String| ClearingError::breaks(RuleId::L57, &error::LIABLE_POLICY, detail);
        let [liable] = fitting.as_slice() else {
            return Err(unclear(format!(
                "{} policies with {} covered the vehicle when it happened; tell more of it, until \
                 one does",
                fitting.len(),
                self.from.name_en()
            )));
        };
        if liable.frame == claim.frame {
            return Err(unclear("that is the insured vehicle itself".to_owned()));
        }
        if liable.tenant == self.own.tenant {
            return Err(unclear(format!(
                "policy {} is your own: settle it in your own house",
                liable.confirm_no
            )));
        }
        Ok(liable)
    }

    /// The liable vehicle's share: as sent, else what the own side's customary share leaves.
    fn share_of(&self, claim: &ClaimFacts) -> Result<Share, ClearingError> {
        let own = claim.case.liability().share_pct().and_then(Share::percent);
        self.share.or(own.map(Share::rest)).ok_or_else(|| {
            field("/liabilityRate", Some("L58"), "nobody found who is liable yet; send the share")
        })
    }

    /// The accident goes the way of recovery for both vehicles, or not at all.
    async fn take_route(
        &self,
        tx: &mut Tx,
        row: &RecoveryRow,
        liable: &CoverFacts,
    ) -> Result<(), ClearingError> {
        let mut lost = row.facts.lost_marks();
        // A payment of the policy that names no vehicle may be for this one.
        lost.push(route::any_of(row.liable_confirm_no));
        let of_liable = VehicleMark::of(Some(&liable.frame), liable.plate.as_ref());
        // In one order whoever recovers, so that two locks of one accident never wait in a circle.
        let mut vehicles = [(lost, Some(row.liable_confirm_no)), (of_liable, None)];
        vehicles.sort_unstable();
        let holder = row.code.to_string();
        for (marks, payer) in &vehicles {
            let way = Way {
                marks,
                accident_at: row.accident_at,
                route: Route::Recovery,
                payer: *payer,
                holder: &holder,
                tenant: self.own.tenant,
            };
            if let Some(taken) = route::take(tx, &way, self.now).await? {
                return Err(goes_another_way(taken, &row.facts.own_frame));
            }
        }
        Ok(())
    }

    fn step(&self, row: &RecoveryRow) -> StepRow {
        let facts = serde_json::json!({
            "act": "lock", "vehicle": row.facts.party, "from": row.from,
            "liabilityRate": row.facts.share.get() * Decimal::ONE_HUNDRED,
            "liablePolicyNo": row.facts.policy_no, "limit": row.facts.purse(row.from),
        });
        StepRow {
            sequence: 1,
            round: 1,
            step: "lock".to_owned(),
            side: Side::Recovering.name().to_owned(),
            insurer: Some(self.own.code.as_str().to_owned()),
            client: self.client.clone(),
            recorded_at: self.now,
            facts: facts.to_string(),
            status: RecoveryStatus::Locked.code().to_owned(),
        }
    }
}

/// L58: everything that stands against a recovery at once.
fn recovers(claim: &ClaimFacts) -> Result<(), ClearingError> {
    let case = &claim.case;
    let mut against = Vec::new();
    if case.class != PolicyClass::Commercial || case.stage == Stage::Cancelled {
        against.push("only an open claim under a commercial policy recovers");
    }
    let told = case.notify.subrogation
        || case.registration.as_ref().is_some_and(|registration| registration.subrogation);
    if !told {
        against.push("the case is not reported or registered as a subrogation (代位求偿)");
    }
    against.extend(not_recoverable(case, &claim.promise));
    if against.is_empty() {
        return Ok(());
    }
    let error = |detail: &str| FieldError {
        pointer: "/claimCode".to_owned(),
        rule: Some("L58".into()),
        detail: detail.to_owned(),
    };
    Err(ClearingError::Invalid(against.into_iter().map(error).collect()))
}

/// The refusal of a lock because the loss is settled already; it names the claim once the look is
/// recorded.
fn goes_another_way(taken: Taken, lost: &FrameNo) -> ClearingError {
    let number = taken.number;
    let (detail, named) = match taken.route {
        Route::Direct => (
            "the liable policy pays for the loss by itself; what it pays is not recovered as well",
            format!(
                "claim {number} of the liable policy pays for the loss by itself; what it pays \
                     is not recovered as well"
            ),
        ),
        Route::Mutual | Route::Recovery => (
            "the accident is settled as a mutual collision (互碰自赔) already; nothing of it is \
             recovered",
            format!(
                "claim {number} settles the accident as a mutual collision (互碰自赔); nothing \
                     of it is recovered"
            ),
        ),
    };
    let settled_by = serde_json::json!({ "way": taken.route.name(), "claimCode": number });
    ClearingError::Names {
        code: &error::OTHER_ROUTE,
        rule: None,
        detail: detail.to_owned(),
        naming: Box::new(Naming {
            records: vec![shown(lost, number)],
            detail: named,
            more: Some(("settledBy", settled_by)),
        }),
    }
}

/// A vehicle bears one share, whichever of its covers is locked.
fn one_share(
    others: &[RecoveryRow],
    liable: &CoverFacts,
    share: Share,
) -> Result<(), ClearingError> {
    let same = others.iter().find(|other| other.facts.frame == liable.frame);
    match same.filter(|other| other.facts.share != share) {
        None => Ok(()),
        Some(other) => {
            let detail = format!(
                "code {} says the vehicle bears {} of the liability",
                other.code,
                other.facts.share.get()
            );
            Err(field("/liabilityRate", None, &detail))
        }
    }
}

/// What is kept of the liable vehicle: everything an amount rests on later.
fn locked(
    claim: &ClaimFacts,
    liable: &CoverFacts,
    covers: &[CoverFacts],
    share: Share,
    claim_no: Option<PlatformNumber>,
) -> Locked {
    let fault = if share == Share::NONE { Fault::NoFault } else { Fault::AtFault };
    let of_vehicle = || covers.iter().filter(|cover| cover.frame == liable.frame);
    let compulsory = of_vehicle().find_map(|cover| cover.promise.compulsory_property(fault));
    let third_party = of_vehicle().find_map(|cover| cover.promise.third_party());
    let plate = liable.plate.as_ref().map(|plate| plate.number().to_owned());
    Locked {
        policy_no: liable.policy_no.clone(),
        frame: liable.frame.clone(),
        party: plate.unwrap_or_else(|| liable.frame.masked()),
        cover: liable.promise.cover_for_others(),
        own_frame: claim.frame.clone(),
        own_plate: claim.plate.clone(),
        share,
        compulsory: compulsory.unwrap_or_default(),
        third_party: third_party.unwrap_or_default(),
        claim_no,
    }
}

/// A share in percent.
fn share(raw: &str) -> Result<Share, ClearingError> {
    let read = raw.trim().parse::<Decimal>().ok();
    read.and_then(|percent| Share::new(percent / Decimal::ONE_HUNDRED))
        .ok_or_else(|| field("/liabilityRate", Some("F28"), "send 0 to 100 percent"))
}

fn field(pointer: &str, rule: Option<&'static str>, detail: &str) -> ClearingError {
    ClearingError::Invalid(vec![FieldError {
        pointer: pointer.to_owned(),
        rule: rule.map(Into::into),
        detail: detail.to_owned(),
    }])
}
