//! One claim step from message to answer.

use base_http::{Call, Notice, Problem, Reply};
use production_core::claim::Step;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::Findings;

use crate::Production;
use crate::claim::hint::Windows;
use crate::claim::lock::Teller;
use crate::claim::outside::{self, InsuredVehicle};
use crate::claim::read::{ReadStep, StepBody};
use crate::claim::record::{RecordStep, Target};
use crate::claim::referral::ReferWhen;
use crate::claim::wire::NotifyBody;
use crate::error::ProductionError;
use crate::numbering::NumberFor;
use crate::pre_confirm::number;
use crate::quote::{checks, read as wording};
use crate::sealed;
use crate::store::claim as store;
use crate::store::policy;

impl Production {
    /// Opens a case for a reported accident.
    pub async fn notify_claim(
        &self,
        call: Call,
        body: &NotifyBody,
        unknown: &[String],
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let (read, notices) = read(body, insurer, unknown)?;
        let confirm_no = read.case.confirm_no;
        // The policy is looked at before its lock only where the police are asked about its vehicle.
        let insured = if read.asks_the_police() {
            let mut tx = self.begin(&call).await?;
            let policy = policy::find(&mut tx, confirm_no).await?;
            Some(InsuredVehicle { frame: policy.frame, plate: policy.plate })
        } else {
            None
        };
        let of = NumberFor { insurer, region: confirm_no.area(), slot: confirm_no.slot() };
        let claim_no = self.numbering.next(NumberKind::Claim, of, call.received_at).await?;
        let target = Target::Report(claim_no);
        self.record_step(call, insurer, target, read, insured, (notices, Teller::Insurer)).await
    }

    /// Takes one more step of a case.
    pub async fn claim_step(
        &self,
        call: Call,
        claim_code: &str,
        body: &(impl StepBody + Sync),
        unknown: &[String],
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let claim_no = number(self, &call, claim_code, NumberKind::Claim)?;
        let (read, notices) = read(body, insurer, unknown)?;
        // The case is looked at before its lock only where the police are asked about it.
        let insured = if read.asks_the_police() {
            let mut tx = self.begin(&call).await?;
            let row = store::find(&mut tx, claim_no).await?;
            Some(InsuredVehicle { frame: row.frame, plate: row.terms.plate })
        } else {
            None
        };
        let (target, told) = (Target::Claim(claim_no), (notices, Teller::Insurer));
        self.record_step(call, insurer, target, read, insured, told).await
    }

    /// Takes a step the platform tells of by itself.
    pub(crate) async fn platform_step(
        &self,
        call: Call,
        claim_no: PlatformNumber,
        body: &(impl StepBody + Sync),
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let (read, notices) = read(body, insurer, &[])?;
        let (target, told) = (Target::Claim(claim_no), (notices, Teller::Platform));
        self.record_step(call, insurer, target, read, None, told).await
    }

    async fn record_step(
        &self,
        call: Call,
        insurer: InsurerCode,
        target: Target,
        read: ReadStep,
        insured: Option<InsuredVehicle>,
        (mut notices, teller): (Vec<Notice>, Teller),
    ) -> Result<Reply, Problem> {
        let (tenant, now) = (call.caller.tenant, call.received_at);
        let windows = Windows::of(self.challenges.parameters(), tenant, &call.caller.region, now);
        let found = outside::look(&self.outside, &read, insured.as_ref(), &windows).await;
        notices.extend(found.notices);
        let key = self.sealer.market_key(now).await?;
        let marks = read.marks.iter().map(|mark| mark.digested(key)).collect();
        let own_marks_by = matches!(target, Target::Report(_)).then(|| key.clone());
        let check_no = self.check_no(target, &read, insurer, &call).await?;
        let command = RecordStep {
            target,
            tenant,
            insurer,
            client: call.caller.client.to_string(),
            marks,
            own_marks_by,
            message_sealed: self.sealer.seal_json(tenant, sealed::CLAIM, &read.message).await?,
            hints: found.hints,
            police: found.police,
            notices,
            check_no,
            windows,
            book: self.book.clone(),
            teller,
            locks: self.locks.clone(),
            scoring: self.scores.scoring(tenant, read.step()),
            scores: self.scores.clone(),
            rest_days: self.rest_days(read.case.confirm_no.area().code(), now),
            refer: ReferWhen::of(self.challenges.parameters(), tenant, &call.caller.region, now),
            now,
            read,
        };
        self.claim_steps.run(call, command).await
    }

    /// 结案校验码 of a closing.
    async fn check_no(
        &self,
        target: Target,
        read: &ReadStep,
        insurer: InsurerCode,
        call: &Call,
    ) -> Result<Option<PlatformNumber>, ProductionError> {
        let (Target::Claim(claim_no), Step::Close) = (target, read.step()) else {
            return Ok(None);
        };
        let of = NumberFor { insurer, region: claim_no.area(), slot: claim_no.slot() };
        self.numbering.next(NumberKind::ClosingCheck, of, call.received_at).await.map(Some)
    }
}

/// The message read, with what it is only warned of.
fn read(
    body: &impl StepBody,
    insurer: InsurerCode,
    unknown: &[String],
) -> Result<(ReadStep, Vec<Notice>), Problem> {
    let mut found = Findings::new();
    let read = body.read(insurer, &mut found);
    let rejects = found.rejects();
    let (errors, warnings) = found.split();
    match read {
        Some(read) if !rejects => {
            let mut notices = wording::notices(warnings);
            notices.extend(checks::unknown(unknown));
            Ok((read, notices))
        }
        _ => Err(Problem::invalid(wording::errors(errors))),
    }
}
