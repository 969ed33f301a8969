//! What the sides and the operator do to a code, each as one command.

use std::sync::Arc;

use base_http::{Call, Done, FieldError, Problem, Reply, Spine};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Command, Tx};
use production_core::adjustment::derivation::{Derivation, DerivationStep, Quantity};
use production_core::claim::RecoveryStatus;
use production_core::number::{NumberKind, PlatformNumber};
use serde::Deserialize;
use tenancy::Parameters;
use utoipa::ToSchema;
use uuid::Uuid;

use super::clock;
use super::review::{Act, Arbitrator, By, Cut, Flat, Life, ReviewError, Side};
use super::store::{self, RecoveryRow, StepRow};
use super::view::RecoveryView;
use super::{Insurer, Market, amount, item, number, refused, route, told};
use crate::error::{self, ClearingError};
use crate::{Clearing, HOUSE, outbox, settlement};

/// 锁定取消, or giving a claim up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryCause)]
pub struct CauseBody {
    /// Why (FailureCause), at most 500 characters. Both sides and the operator read it: name
    /// nobody in it.
    pub cause: String,
}

/// 开始追偿确认.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryStart)]
pub struct StartBody {
    /// What is claimed; everything the formulas allow when absent.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
}

/// 互审: what a side stands by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryStatement)]
pub struct StatementBody {
    /// Recovering amount or paying amount. The same as the other side's ends the review.
    pub amount: Fen,
    /// Why the liable side does not stand by the rest: reasons add up to it.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// Opinion, at most 500 characters. Name nobody in it.
    pub opinion: Option<String>,
}

/// 提请仲裁.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryArbitration)]
pub struct ArbitrationBody {
    /// Why the sides cannot agree, at most 500 characters.
    pub grounds: String,
}

/// 补充追偿.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoverySupplement)]
pub struct SupplementBody {
    /// Claimed on top; everything the formulas allow when absent.
    #[schema(value_type = Option<Fen>)]
    pub amount: Option<Fen>,
    /// Why, at most 500 characters.
    pub cause: String,
}

/// 组成仲裁庭.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryPanel)]
pub struct PanelBody {
    /// An odd number of them, at most seven, from neither side's insurer.
    pub members: Vec<Arbitrator>,
}

/// 仲裁裁决.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryAward)]
pub struct AwardBody {
    /// What is to be paid: between what the sides stand by.
    pub amount: Fen,
    /// Why, at most 500 characters.
    pub grounds: String,
    /// Register numbers of the members who stand by it.
    pub by: Vec<String>,
}

/// Longest free text.
const OPINION: usize = 500;

impl Clearing {
    /// Cancels a lock.
    pub async fn cancel_recovery(
        &self,
        call: Call,
        code: &str,
        body: &CauseBody,
    ) -> Result<Reply, Problem> {
        let cause = words("/cause", &body.cause)?;
        self.act(call, code, Wish::Done(Act::Cancel { cause })).await
    }

    /// Starts recovering.
    pub async fn start_recovery(
        &self,
        call: Call,
        code: &str,
        body: &StartBody,
    ) -> Result<Reply, Problem> {
        self.act(call, code, Wish::Start { amount: body.amount }).await
    }

    /// States what a side stands by.
    pub async fn state_recovery(
        &self,
        call: Call,
        code: &str,
        body: &StatementBody,
    ) -> Result<Reply, Problem> {
        let opinion = body.opinion.as_deref().map(|text| words("/opinion", text)).transpose()?;
        for cut in &body.cuts {
            cut.remark.as_deref().map(|text| words("/cuts", text)).transpose()?;
        }
        let act = Act::State { amount: body.amount, cuts: body.cuts.clone(), opinion };
        self.act(call, code, Wish::Done(act)).await
    }

    /// Gives a claim up.
    pub async fn withdraw_recovery(
        &self,
        call: Call,
        code: &str,
        body: &CauseBody,
    ) -> Result<Reply, Problem> {
        let cause = words("/cause", &body.cause)?;
        self.act(call, code, Wish::Done(Act::Withdraw { cause })).await
    }

    /// Asks for arbitration.
    pub async fn ask_arbitration(
        &self,
        call: Call,
        code: &str,
        body: &ArbitrationBody,
    ) -> Result<Reply, Problem> {
        let grounds = words("/grounds", &body.grounds)?;
        self.act(call, code, Wish::Done(Act::AskArbitration { grounds })).await
    }

    /// Claims more after an amount was agreed.
    pub async fn supplement_recovery(
        &self,
        call: Call,
        code: &str,
        body: &SupplementBody,
    ) -> Result<Reply, Problem> {
        let cause = words("/cause", &body.cause)?;
        self.act(call, code, Wish::Supplement { amount: body.amount, cause }).await
    }

    /// Appoints arbitrators, as the operator.
    pub async fn appoint_panel(
        &self,
        call: Call,
        code: &str,
        body: &PanelBody,
    ) -> Result<Reply, Problem> {
        self.act_as_operator(call, code, Act::Appoint { members: body.members.clone() }).await
    }

    /// Records an award, as the operator.
    pub async fn award_recovery(
        &self,
        call: Call,
        code: &str,
        body: &AwardBody,
    ) -> Result<Reply, Problem> {
        let grounds = words("/grounds", &body.grounds)?;
        let act = Act::Award { amount: body.amount, grounds, by: body.by.clone() };
        self.act_as_operator(call, code, act).await
    }

    async fn act(&self, call: Call, code: &str, wish: Wish) -> Result<Reply, Problem> {
        let own = super::caller(&call)?;
        self.run_act(call, code, wish, Some(own)).await
    }

    async fn act_as_operator(&self, call: Call, code: &str, act: Act) -> Result<Reply, Problem> {
        self.run_act(call, code, Wish::Done(act), None).await
    }

    async fn run_act(
        &self,
        call: Call,
        code: &str,
        wish: Wish,
        own: Option<Insurer>,
    ) -> Result<Reply, Problem> {
        let now = call.received_at;
        let command = ActOn {
            code: number(code, NumberKind::Recovery, "recovery code")?,
            wish,
            own,
            client: call.caller.client.to_string(),
            market: self.market.clone(),
            spine: self.spine.clone(),
            operator: self.operator,
            days: Days::of(self),
            item_id: self.spine.ids().next(now),
            now,
        };
        self.spine
            .run(call, &command, |row: RecoveryRow| {
                let side = own.and_then(|own| row.side_of(own.tenant)).unwrap_or(Side::Operator);
                let view = RecoveryView::of(&row, side, now, row.life.status());
                Done::json(StatusCode::OK, &view, row.code.slot().0, row.code.to_string())
            })
            .await
    }
}

/// What is wished, before it is known what the formulas allow.
enum Wish {
    Done(Act),
    Start { amount: Option<Fen> },
    Supplement { amount: Option<Fen>, cause: String },
}

struct ActOn {
    code: PlatformNumber,
    wish: Wish,
    /// `None` of the operator.
    own: Option<Insurer>,
    client: String,
    market: Arc<dyn Market>,
    spine: Spine,
    operator: TenantId,
    days: Days,
    item_id: Uuid,
    now: Timestamp,
}

impl Command for ActOn {
    const NAME: &'static str = "recovery.act";
    type Out = RecoveryRow;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<RecoveryRow, ClearingError> {
        if self.own.is_none() {
            tx.work_also_for([HOUSE]).await?;
        }
        let unknown = || ClearingError::not_found("recovery code", self.code);
        let mut row = store::lock(tx, self.code).await?.ok_or_else(unknown)?;
        let side = match self.own {
            None => Side::Operator,
            Some(own) => row.side_of(own.tenant).ok_or_else(unknown)?,
        };
        let act = self.act(tx, &mut row, side).await?;
        let by = By {
            side,
            now: self.now,
            overdue: row.due.is_some_and(|(due, _)| due <= self.now),
            item_id: self.item_id,
        };
        let (ended_before, waited) = (row.life.outcomes.len(), clock::running(&row.life));
        let (recovering, liable) = (row.recovering.code, row.liable.code);
        let sides = [recovering.as_str(), liable.as_str()];
        row.life = row.life.accept(&act, by, sides).map_err(refusal)?;
        if clock::running(&row.life) != waited {
            // A wait that goes on keeps the deadline it was told with, whatever was set since.
            row.due = self.days.due(&row.life, &row.region, self.now);
        }
        row.steps += 1;
        if let Some(outcome) = row.life.outcomes.get(ended_before).cloned() {
            let posted = item::post(tx, &row, &outcome, self.now, self.spine.ids()).await;
            posted.map_err(|error| error.told_to(self.own.map(|own| own.tenant)))?;
        }
        if row.life.status() == RecoveryStatus::Void {
            route::release(tx, &row.code.to_string(), self.now).await?;
        }
        store::update(tx, &row).await?;
        let step = StepRow {
            sequence: row.steps,
            round: i32::try_from(row.life.round()).unwrap_or(i32::MAX),
            step: act.name().to_owned(),
            side: side.name().to_owned(),
            insurer: self.own.map(|own| own.code.as_str().to_owned()),
            client: self.client.clone(),
            recorded_at: self.now,
            facts: serde_json::to_string(&act).unwrap_or_default(),
            status: row.life.status().code().to_owned(),
        };
        store::insert_step(tx, row.code, &step).await?;
        let more = serde_json::json!({ "side": step.side, "agreed": row.life.agreed() });
        let facts = told::facts(&row, self.operator, event(&step.step), more);
        outbox::tell(tx, told::journey(row.code), &facts, self.now, self.spine.ids()).await?;
        Ok(row)
    }
}

impl ActOn {
    /// The act, with what the formulas allow where it claims an amount.
    async fn act(
        &self,
        tx: &mut Tx,
        row: &mut RecoveryRow,
        side: Side,
    ) -> Result<Act, ClearingError> {
        let (wished, cause) = match &self.wish {
            Wish::Done(act) => return Ok(act.clone()),
            Wish::Start { amount } => (*amount, None),
            Wish::Supplement { amount, cause } => (*amount, Some(cause.clone())),
        };
        if side != Side::Recovering {
            let act = if cause.is_some() { "supplement" } else { "start" };
            return Err(refusal(ReviewError::NotYours { act, side }));
        }
        let claim = self.market.claim(tx, row.claim_no).await?;
        let codes = store::live_of_claim(tx, row.claim_no).await?;
        let (whole, recovery) = amount::claimable(&claim, &codes, row)?;
        row.derivation = Some(recovery.derivation);
        let computed = Fen((whole.0 - row.life.settled().0).max(0));
        let amount = wished.unwrap_or(computed);
        let Some(cause) = cause else {
            let flat = flat(tx, row, computed).await?;
            let Some(flat) = flat else { return Ok(Act::Start { amount, computed }) };
            if amount != computed {
                let detail = format!(
                    "under the flat rate {}/{} no amount is chosen: leave it out, and {} settles it",
                    flat.region, flat.version, flat.module
                );
                return Err(refused(&error::RECOVERY_AMOUNT, detail));
            }
            if let Some(derivation) = &mut row.derivation {
                derive(derivation, &flat, &row.facts.party);
            }
            return Ok(Act::SettleFlat { flat });
        };
        if let Some(flat) = row.life.flat().filter(|flat| whole <= flat.ceiling) {
            let detail = format!(
                "the flat rate {}/{} settled it for whatever it costs up to {}; it comes to {whole}",
                flat.region, flat.version, flat.ceiling
            );
            return Err(refused(&error::RECOVERY_AMOUNT, detail));
        }
        Ok(Act::Supplement { amount, computed, cause })
    }
}

/// The flat rate for a code of which `computed` may be claimed. None when it goes the ordinary way.
async fn flat(
    tx: &mut Tx,
    row: &RecoveryRow,
    computed: Fen,
) -> Result<Option<Flat>, ClearingError> {
    let found = settlement::flat_terms(tx, &row.region, row.facts.cover, row.accident_at).await?;
    let of_size = |ceiling| Fen::ZERO < computed && computed <= ceiling;
    Ok(found.filter(|(_, terms)| of_size(terms.ceiling)).map(|(rule, terms)| Flat {
        region: rule.region,
        version: rule.version,
        computed,
        ceiling: terms.ceiling,
        module: terms.module,
    }))
}

/// How a flat amount came about, behind what the formulas say.
fn derive(derivation: &mut Derivation, flat: &Flat, party: &str) {
    let step = |name: &'static str, amount: Fen, reason: String| DerivationStep {
        name: name.into(),
        by: Some(party.to_owned()),
        to: None,
        value: Quantity::Amount(amount),
        reason: Some(reason.into()),
    };
    let rule = format!("flat rate {} of region {}", flat.version, flat.region);
    derivation.0.push(step("flatComputed", flat.computed, "what the formulas allow".to_owned()));
    derivation.0.push(step("flatCeiling", flat.ceiling, rule.clone()));
    derivation.0.push(step("flatModule", flat.module, format!("settles it by {rule}")));
}

/// How long whoever is waited for has: parameters of the region, else from memory.
#[derive(Clone)]
pub(super) struct Days(Arc<Parameters>);

impl Days {
    pub(super) fn of(clearing: &Clearing) -> Days {
        Days(clearing.parameters.clone())
    }

    /// Working days a duty may take, and whether somebody set them.
    pub(super) fn days(&self, duty: clock::Duty, region: &str, now: Timestamp) -> (u16, bool) {
        let set = self.0.number(duty.parameter(), HOUSE, region, now);
        let set = set.and_then(|days| u16::try_from(days).ok());
        (set.unwrap_or(duty.days_from_memory()), set.is_some())
    }

    /// When the wait of a code is over, and when it is escalated.
    pub(super) fn due(
        &self,
        life: &Life,
        region: &str,
        now: Timestamp,
    ) -> Option<(Timestamp, Timestamp)> {
        let clock = clock::running(life)?;
        let rest_days = self.0.rest_days(region, now);
        Some(clock.due(self.days(clock.duty, region, now).0, &rest_days))
    }
}

/// A guard's refusal as the caller reads it.
fn refusal(error: ReviewError) -> ClearingError {
    let code = match &error {
        ReviewError::NotYours { .. } => &error::RECOVERY_SIDE,
        ReviewError::WrongStage { .. } => &error::RECOVERY_STAGE,
        ReviewError::Amount(_) | ReviewError::OverComputed { .. } | ReviewError::Apart(_) => {
            &error::RECOVERY_AMOUNT
        }
        ReviewError::Panel(_) => &error::RECOVERY_PANEL,
        ReviewError::TooEarly => &error::RECOVERY_TOO_EARLY,
    };
    ClearingError::breaks(error.rule(), code, error.to_string())
}

/// Words of a person: there, and not too long.
fn words(pointer: &str, text: &str) -> Result<String, ClearingError> {
    let text = text.trim();
    if !text.is_empty() && text.chars().count() <= OPINION {
        return Ok(text.to_owned());
    }
    let detail = format!("say why, in at most {OPINION} characters");
    Err(ClearingError::Invalid(vec![FieldError::at(pointer, detail)]))
}

fn event(step: &str) -> &'static str {
    match step {
        "cancel" => "clearing.recovery.cancelled",
        "start" => "clearing.recovery.started",
        "settleFlat" => "clearing.recovery.settled_flat",
        "withdraw" => "clearing.recovery.withdrawn",
        "askArbitration" => "clearing.recovery.arbitration_asked",
        "appoint" => "clearing.recovery.panel_appointed",
        "award" => "clearing.recovery.awarded",
        "supplement" => "clearing.recovery.supplemented",
        _ => "clearing.recovery.stated",
    }
}
