//! 自助垫付: rescue costs are advanced on a notice of the police and booked against the insurer of the
//! liable vehicle's compulsory cover at once.
//!
//! The platform finds the policy in its register, at the instant of the accident; nobody types a company
//! code. All advances under one policy for one accident stay within what the cover has for medical
//! expenses, and a notice is advanced on once.

use std::sync::Arc;

use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids, TenantId, time};
use pg::{Command, Tx};
use production_core::history::PolicyClass;
use production_core::rules::format::is_nameable;
use serde::Deserialize;
use utoipa::ToSchema;

use super::store::{self, AdvanceRow, Booked};
use super::{Origin, pay_out, placed};
use crate::error::{self, ClearingError, WRONG_ORDER};
use crate::outbox::{self, Fact};
use crate::payment::order::{OrderId, Share, ShareOf};
use crate::payment::payee::{BankAccount, BankAccountBody, SealedAccount};
use crate::payment::view::{OrderView, amount, order_id};
use crate::recovery::query::VehicleBody;
use crate::recovery::{self, CoverFacts, Market, VehicleAsked};
use crate::{Clearing, HOUSE};

/// Reports of one accident may differ by so much (rule L52).
const APART: SignedDuration = SignedDuration::from_hours(24);

/// A self-service advance.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SelfServiceAdvanceRequest)]
pub struct SelfServiceBody {
    /// More than nothing.
    #[schema(example = "12000.00")]
    pub amount: String,
    /// What stands on the statement.
    #[schema(example = "RESCUE 2026-0007")]
    pub reference: String,
    /// The hospital.
    pub payee: BankAccountBody,
    /// When the accident happened.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Option<Timestamp>,
    /// The liable vehicle. Its insurer is the platform's to find.
    pub vehicle: VehicleBody,
    /// Number of the police's notice to advance rescue costs (抢救费用垫付通知书), at most 40 characters.
    pub notice_no: String,
}

impl Clearing {
    /// Advances rescue costs and books them against the liable insurer.
    pub async fn pay_self_service(
        &self,
        call: Call,
        advance: &str,
        body: SelfServiceBody,
    ) -> Result<Reply, Problem> {
        recovery::purpose(&call)?;
        let id = order_id(advance)?;
        let vehicle = recovery::query::vehicle(&body.vehicle)?;
        let mut found = Vec::new();
        let sum = amount(&body.amount, "/amount", &mut found);
        let notice_no = body.notice_no.trim().to_owned();
        if !(1..=40).contains(&notice_no.chars().count()) {
            found.push(FieldError::at("/noticeNo", "name the police's notice, 1 to 40 characters"));
        }
        let happened = |at: &Timestamp| *at <= call.received_at && is_nameable(time::day_of(*at));
        let accident_at = body.accident_at.filter(happened);
        if accident_at.is_none() {
            found.push(FieldError::at("/accidentAt", "when it happened: since 1900, not ahead"));
        }
        let payee = BankAccount::read(&body.payee, "/payee");
        let payee = payee.map_err(|findings| found.extend(findings)).ok();
        let (Some(accident_at), Some(payee), true) = (accident_at, payee, found.is_empty()) else {
            return Err(Problem::invalid(found));
        };
        let payer = call.caller.tenant;
        let command = SelfService {
            id,
            payer,
            payee: payee.seal(&self.keys, payer).await?,
            sum,
            reference: body.reference,
            accident_at,
            vehicle,
            notice_no,
            market: self.market.clone(),
            now: call.received_at,
            ids: self.spine.ids(),
        };
        let answer = |(view, cover): (OrderView, CoverFacts)| {
            let shown = recovery::shown(&cover.frame, cover.confirm_no);
            Done::json(StatusCode::ACCEPTED, &view, 0, advance).showing(vec![shown])
        };
        self.spine.run(call, &command, answer).await
    }
}

struct SelfService<'a> {
    id: OrderId,
    payer: TenantId,
    payee: SealedAccount,
    sum: Fen,
    reference: String,
    accident_at: Timestamp,
    vehicle: VehicleAsked,
    notice_no: String,
    market: Arc<dyn Market>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for SelfService<'_> {
    const NAME: &'static str = "payment.self_service_advance";
    type Out = (OrderView, CoverFacts);
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Self::Out, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let cover = self.liable(tx).await?;
        store::lock_policy(tx, cover.confirm_no).await?;
        let booked = Booked {
            tenant: cover.tenant,
            insurer: cover.insurer.as_str().to_owned(),
            policy: cover.confirm_no,
            accident_at: self.accident_at,
            notice_no: self.notice_no.clone(),
        };
        self.within_limit(tx, &cover, &booked).await?;
        let share = Share { owner: cover.tenant, of: ShareOf::Advance, amount: self.sum };
        let known = store::find(tx, self.id).await?.is_some();
        let draft = pay_out(self.id, self.payer, self.payee.clone(), share, self.reference.clone());
        let view = placed(tx, &draft, self.now, self.ids).await?;
        if known {
            return Ok((view, cover));
        }
        let row = AdvanceRow {
            advance: self.id,
            origin: Origin::SelfService,
            payer: self.payer,
            booked: Some(booked),
            advanced_at: self.now,
        };
        store::insert(tx, &row).await?;
        let fact = Fact {
            to: cover.tenant,
            kind: "clearing.advance.booked",
            slot: 0,
            subject: self.id.0.to_string(),
            data: serde_json::json!({
                "amount": self.sum, "confirmCode": cover.confirm_no,
                "accidentAt": self.accident_at, "noticeNo": self.notice_no,
            }),
        };
        outbox::tell(tx, self.id.0, &[fact], self.now, self.ids).await?;
        Ok((view, cover))
    }
}

impl SelfService<'_> {
    /// The one compulsory policy that covered the vehicle when it happened.
    async fn liable(&self, tx: &mut Tx) -> Result<CoverFacts, ClearingError> {
        let covers = self.market.covers(tx, &self.vehicle, self.accident_at, self.now).await?;
        let mut fitting =
            covers.into_iter().filter(|cover| cover.class() == PolicyClass::Compulsory);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                let detail = "no compulsory cover of this vehicle ran when it happened: the rescue \
                              fund advances in its place";
                Err(ClearingError::refused(&error::LIABLE_POLICY, detail))
            }
            (Some(_), Some(_)) => {
                let detail = "several policies fit; tell more of the vehicle, until one does";
                Err(ClearingError::refused(&error::LIABLE_POLICY, detail))
            }
        }
    }

    /// All advances under the policy for the accident stay within its limit for medical expenses, and a
    /// notice is advanced on once.
    async fn within_limit(
        &self,
        tx: &mut Tx,
        cover: &CoverFacts,
        booked: &Booked,
    ) -> Result<(), ClearingError> {
        let limits = cover.promise.limits.as_ref();
        let limit = limits.map_or(Fen::ZERO, |limits| limits.at_fault.medical);
        let (before, on_notice) = store::booked(tx, booked, APART, self.id).await?;
        if on_notice > Fen::ZERO {
            let detail = format!("{on_notice} were advanced on notice {} already", self.notice_no);
            return Err(ClearingError::refused(&WRONG_ORDER, detail));
        }
        if before.plus(self.sum).is_some_and(|sum| sum <= limit) {
            return Ok(());
        }
        let detail = format!(
            "{before} of the {limit} the cover has for medical expenses are advanced already"
        );
        Err(ClearingError::refused(&WRONG_ORDER, detail))
    }
}
