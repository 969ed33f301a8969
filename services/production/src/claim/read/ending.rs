//! Reads 结案, 赔款支付, 重开, 注销 and 追偿回款.

use kernel::Fen;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::{
    CancelFacts, CancelKind, CloseFacts, FraudKind, Liability, PayFacts, PayeeKind, PayeeRow,
    RecoveryFacts, ReopenFacts, StepFacts,
};
use production_core::insurer::InsurerCode;
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim as rules;

use super::{ReadStep, Reader, StepBody, listed};
use crate::claim::wire::{CancelBody, CloseBody, PayBody, PayeeBody, RecoveryBody, ReopenBody};

impl StepBody for CloseBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.closed_at.as_ref(), "/closedAt");
        let total = reader.money(self.total.as_ref(), "/total");
        let liability =
            reader.code(self.liability.as_ref(), RuleId::F28, Liability::parse, "/liability");
        reader.text(self.refusal_reason.as_ref(), rules::OPINION, "/refusalReason");
        reader.text(self.advance_reason.as_ref(), rules::OPINION, "/advanceReason");
        let refusal_sent_at = reader.maybe_instant(self.refusal_sent_at.as_ref(), "/refusalSentAt");
        let insured = self.insured.unwrap_or(true);
        let refused = self.refused.unwrap_or(false);
        let reason = self.refusal_reason.clone().filter(|reason| !reason.trim().is_empty());
        refusal(&mut reader, refused, insured, reason.as_deref(), total);
        let mut fraud = Vec::new();
        for (place, kind) in listed(&self.fraud_kinds).iter().enumerate() {
            let at = format!("/fraudKinds/{place}");
            fraud.extend(reader.code(Some(kind), RuleId::L54, FraudKind::parse, &at));
        }
        let fraud_flag = self.fraud.unwrap_or(false);
        let fraud_recovered = reader.maybe_money(self.fraud_recovered.as_ref(), "/fraudRecovered");
        if fraud_flag && fraud.is_empty() {
            let message = "a case flagged as fraud names at least one fraud type";
            reader.found.add(RuleId::L54, "/fraudKinds", message);
        }
        if total.is_some_and(|total| fraud_recovered > total) {
            let message = "what was got back because of fraud exceeds what was paid";
            reader.found.add(RuleId::L54, "/fraudRecovered", message);
        }
        let no_fault_advance =
            reader.maybe_money(self.no_fault_advance.as_ref(), "/noFaultAdvance");
        let expenses = reader.maybe_money(self.expenses.as_ref(), "/expenses");
        let facts = match (at, total, liability) {
            (Some(at), Some(total), Some(liability)) => Some(StepFacts::Close(CloseFacts {
                at,
                total,
                insured,
                refusal: reason.filter(|_| refused),
                refusal_sent_at,
                liability,
                death: self.death.unwrap_or(false),
                mutual: self.mutual.unwrap_or(false),
                counts: self.counts,
                no_fault_advance,
                expenses,
                total_loss: self.total_loss.unwrap_or(false),
                fraud,
                fraud_flag,
                fraud_recovered,
            })),
            _ => None,
        };
        reader.finish(case, business_no, facts, self)
    }
}

/// L48: a refused case pays nothing, says why, and is no insured event; nothing else is refused.
fn refusal(
    reader: &mut Reader<'_>,
    refused: bool,
    insured: bool,
    reason: Option<&str>,
    total: Option<Fen>,
) {
    if refused && total.is_some_and(|total| total > Fen::ZERO) {
        reader.found.add(RuleId::L48, "/total", "a refused claim pays nothing; send 0.00");
    }
    if refused && reason.is_none() {
        reader.found.add(RuleId::L48, "/refusalReason", "say why the claim is refused");
    }
    if !refused && reason.is_some() {
        let message = "a reason to refuse is given, but the claim is not refused";
        reader.found.add(RuleId::L48, "/refusalReason", message);
    }
    if refused == insured {
        let message =
            "a refused claim is no insured event, and what is no insured event is refused";
        reader.found.add(RuleId::L48, "/insured", message);
    }
}

impl StepBody for PayBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.paid_at.as_ref(), "/paidAt");
        let total = reader.signed_money(self.total.as_ref(), "/total");
        if let Some(account) = &self.payer_account {
            rules::account(account, "/payerAccount", reader.found);
        }
        let payees = listed(&self.payees);
        if payees.is_empty() {
            reader.found.add(RuleId::S20, "/payees", "name at least one payee");
        }
        let mut rows = Vec::with_capacity(payees.len());
        for (place, payee) in payees.iter().enumerate() {
            rows.extend(read_payee(&mut reader, payee, &format!("/payees/{place}")));
        }
        let sum = Fen::sum(rows.iter().map(|row| row.amount));
        if let Some(total) = total
            && rows.len() == payees.len()
            && sum != Some(total)
        {
            let message = format!("payees do not add up to {total}");
            reader.found.add(RuleId::S20, "/total", message);
        }
        let facts =
            at.zip(total).map(|(at, total)| StepFacts::Pay(PayFacts { at, total, payees: rows }));
        reader.finish(case, business_no, facts, self)
    }
}

/// F29, L55 and S20 over one payee.
fn read_payee(reader: &mut Reader<'_>, payee: &PayeeBody, at: &str) -> Option<PayeeRow> {
    let amount = reader.signed_money(payee.amount.as_ref(), &format!("{at}/amount"));
    rules::unmasked(payee.name.as_deref(), "name", &format!("{at}/name"), reader.found);
    let certificate = payee.certificate_no.as_deref();
    rules::unmasked(certificate, "certificate", &format!("{at}/certificateNo"), reader.found);
    match &payee.account {
        Some(account) => rules::account(account, &format!("{at}/account"), reader.found),
        None => {
            let message = "payee's account is missing; send it";
            reader.found.add(RuleId::F29, format!("{at}/account"), message);
        }
    }
    let code = payee.recovery_code.clone().filter(|code| !code.trim().is_empty());
    let kind = match payee.kind {
        Some(kind) => kind,
        None => {
            let message = "say what the payee is in the case";
            reader.found.add(RuleId::S02, format!("{at}/kind"), message);
            return None;
        }
    };
    match (kind, &code) {
        (PayeeKind::Other, _) => {
            let message = "payee is none of insured, victim, hospital, repairer or insurer";
            reader.found.add(RuleId::L55, format!("{at}/kind"), message);
        }
        (PayeeKind::Insurer, None) => {
            let message = "a payment to a recovering insurer carries its recovery code";
            reader.found.add(RuleId::S20, format!("{at}/recoveryCode"), message);
        }
        (PayeeKind::Insurer, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            let message = "a payment with a recovery code goes to an insurer";
            reader.found.add(RuleId::S20, format!("{at}/kind"), message);
        }
    }
    amount.map(|amount| PayeeRow { kind, amount, recovery_code: code })
}

impl StepBody for ReopenBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.reopened_at.as_ref(), "/reopenedAt");
        reader.reason(self.cause.as_ref(), "/cause");
        let facts = at.map(|at| StepFacts::Reopen(ReopenFacts { at }));
        reader.finish(case, business_no, facts, self)
    }
}

impl StepBody for CancelBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.cancelled_at.as_ref(), "/cancelledAt");
        let kind = reader.code(self.kind.as_ref(), RuleId::L51, CancelKind::parse, "/kind");
        if reader.reason(self.reason.as_ref(), "/reason").is_none() {
            reader.found.add(RuleId::L51, "/reason", "a claim is cancelled for a reason");
        }
        let facts = at.zip(kind).map(|(at, kind)| StepFacts::Cancel(CancelFacts { at, kind }));
        reader.finish(case, business_no, facts, self)
    }
}

impl StepBody for RecoveryBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.received_at.as_ref(), "/receivedAt");
        let amount = reader.signed_money(self.amount.as_ref(), "/amount");
        let counterparty =
            reader.code(self.kind.as_ref(), RuleId::S19, RecoveryFrom::parse, "/kind");
        let told = self.recovery_code.as_deref().is_some_and(|code| !code.trim().is_empty());
        if matches!(counterparty, Some(RecoveryFrom::Compulsory | RecoveryFrom::ThirdParty))
            && !told
        {
            let message = "a recovery between insurers carries its recovery code";
            reader.found.add(RuleId::S19, "/recoveryCode", message);
        }
        // Money is taken back under a code alone; who may tell so is decided with the step.
        if amount.is_some_and(|amount| amount < Fen::ZERO) && !told {
            let message = "is negative; send zero or more";
            reader.found.add(RuleId::F10, "/amount", message);
        }
        let settles = self.settles.as_ref();
        let settles = settles.and_then(|raw| reader.signed_money(Some(raw), "/settles"));
        let facts = match (at, amount, counterparty) {
            (Some(at), Some(amount), Some(counterparty)) => {
                Some(StepFacts::Recovery(RecoveryFacts { at, amount, counterparty, settles }))
            }
            _ => None,
        };
        reader.finish(case, business_no, facts, self)
    }
}
