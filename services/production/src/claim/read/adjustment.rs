//! Reads 理算核赔: rows by cover and fee, recoveries and payments to recovering insurers.

use kernel::Fen;
use production_core::adjustment::compulsory::FeeType;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::{
    AdjustFacts, CommercialFee, CoverRow, RecoverOrPay, RecoverOrPayRow, StepFacts,
};
use production_core::cover::Cover;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim::OPINION;
use production_core::rules::format;

use super::{ReadStep, Reader, StepBody, listed};
use crate::claim::wire::{AdjustBody, CoverRowBody, RecoverOrPayBody};

impl StepBody for AdjustBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let agreed_at = reader.maybe_instant(self.agreed_at.as_ref(), "/agreedAt");
        let adjustments = listed(&self.adjustments);
        if adjustments.is_empty() {
            let message = "send at least one adjustment";
            reader.found.add(RuleId::S02, "/adjustments", message);
        }
        let (mut last, mut total) = (None, Some(Fen::ZERO));
        let (mut covers, mut recovered, mut serials) = (Vec::new(), Vec::new(), Vec::new());
        for (place, adjustment) in adjustments.iter().enumerate() {
            let at = format!("/adjustments/{place}");
            reader.text(adjustment.opinion.as_ref(), OPINION, &format!("{at}/opinion"));
            let approved =
                reader.instant(adjustment.approved_at.as_ref(), &format!("{at}/approvedAt"));
            last = last.max(approved);
            let amount = reader.money(adjustment.amount.as_ref(), &format!("{at}/amount"));
            let rows = cover_rows(&mut reader, listed(&adjustment.covers), &format!("{at}/covers"));
            sums_to(&mut reader, &rows, amount, &at);
            total = total.zip(amount).and_then(|(total, amount)| total.plus(amount));
            covers.extend(rows);
            let list = listed(&adjustment.recoveries);
            recovered.extend(recoveries(
                &mut reader,
                list,
                &mut serials,
                &format!("{at}/recoveries"),
            ));
        }
        let facts = last.zip(total).map(|(at, total)| {
            StepFacts::Adjust(AdjustFacts {
                at,
                agreed_at,
                total,
                covers,
                recoveries: recovered,
                litigation: self.litigation.unwrap_or(false),
            })
        });
        reader.finish(case, business_no, facts, self)
    }
}

/// S17: the rows of an adjustment add up to it.
fn sums_to(reader: &mut Reader<'_>, rows: &[CoverRow], amount: Option<Fen>, at: &str) {
    let sum = Fen::sum(rows.iter().map(|row| row.amount));
    if let Some(amount) = amount
        && sum != Some(amount)
    {
        let sum = sum.map_or_else(|| "more than can be added up".to_owned(), |sum| sum.to_string());
        let message = format!("rows add up to {sum}, not to {amount}");
        reader.found.add(RuleId::S17, format!("{at}/amount"), message);
    }
}

fn cover_rows(reader: &mut Reader<'_>, rows: &[CoverRowBody], at: &str) -> Vec<CoverRow> {
    let mut read = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        let at = format!("{at}/{place}");
        let raw = row.coverage_code.as_deref().unwrap_or_default();
        let cover = format::cover(raw, &format!("{at}/coverageCode"), reader.found);
        let amount = reader.money(row.amount.as_ref(), &format!("{at}/amount"));
        let fee = fee(reader, row.fee_kind.as_ref(), cover, &format!("{at}/feeKind"));
        let share_pct = reader.decimal(row.liability_rate.as_ref(), &format!("{at}/liabilityRate"));
        let loss = reader.maybe_money(row.loss.as_ref(), &format!("{at}/loss"));
        let salvage = reader.maybe_money(row.salvage.as_ref(), &format!("{at}/salvage"));
        let compulsory_paid =
            reader.maybe_money(row.compulsory_paid.as_ref(), &format!("{at}/compulsoryPaid"));
        let deductions = reader.maybe_money(row.deductions.as_ref(), &format!("{at}/deductions"));
        if let (Some(cover), Some(amount), Some(fee)) = (cover, amount, fee) {
            reader.row_places.covers.push(at);
            read.push(CoverRow {
                cover,
                fee,
                amount,
                item: row.item,
                share_pct,
                loss,
                salvage,
                compulsory_paid,
                deductions,
            });
        }
    }
    read
}

/// S17: a fee type of the list of the cover's policy.
fn fee(
    reader: &mut Reader<'_>,
    raw: Option<&String>,
    cover: Option<Cover>,
    at: &str,
) -> Option<String> {
    match cover?.policy_class() {
        PolicyClass::Compulsory => {
            reader.code(raw, RuleId::S17, FeeType::parse, at).map(|fee| fee.code().to_owned())
        }
        PolicyClass::Commercial => {
            reader.code(raw, RuleId::S17, CommercialFee::parse, at).map(|fee| fee.code().to_owned())
        }
    }
}

/// S17 and S19: recoveries are numbered once; between insurers they carry a recovery code, from a
/// wrongdoer a name.
fn recoveries(
    reader: &mut Reader<'_>,
    rows: &[RecoverOrPayBody],
    serials: &mut Vec<u16>,
    at: &str,
) -> Vec<RecoverOrPayRow> {
    let mut read = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        let at = format!("{at}/{place}");
        let serial_no = match row.serial_no {
            Some(serial) if !serials.contains(&serial) => {
                serials.push(serial);
                Some(serial)
            }
            Some(serial) => {
                let message = format!("serial number {serial} is there twice");
                reader.found.add(RuleId::S17, format!("{at}/serialNo"), message);
                None
            }
            None => {
                reader.found.add(RuleId::S17, format!("{at}/serialNo"), "number the row");
                None
            }
        };
        let flag_at = format!("{at}/flag");
        let direction = reader.code(row.flag.as_ref(), RuleId::S19, RecoverOrPay::parse, &flag_at);
        let kind_at = format!("{at}/kind");
        let counterparty =
            reader.code(row.kind.as_ref(), RuleId::S19, RecoveryFrom::parse, &kind_at);
        let amount = reader.money(row.amount.as_ref(), &format!("{at}/amount"));
        reader.text(row.remark.as_ref(), OPINION, &format!("{at}/remark"));
        let told =
            |field: &Option<String>| field.as_deref().is_some_and(|text| !text.trim().is_empty());
        match counterparty {
            Some(RecoveryFrom::Compulsory | RecoveryFrom::ThirdParty)
                if !told(&row.recovery_code) =>
            {
                let message = "a recovery between insurers carries its recovery code";
                reader.found.add(RuleId::S19, format!("{at}/recoveryCode"), message);
            }
            Some(RecoveryFrom::Wrongdoer) if !told(&row.party) => {
                let message = "a recovery from a wrongdoer names him";
                reader.found.add(RuleId::S19, format!("{at}/party"), message);
            }
            _ => {}
        }
        if let (Some(serial_no), Some(direction), Some(counterparty), Some(amount)) =
            (serial_no, direction, counterparty, amount)
        {
            reader.row_places.recoveries.push(at);
            let recovery_code = row.recovery_code.clone();
            read.push(RecoverOrPayRow {
                serial_no,
                direction,
                counterparty,
                recovery_code,
                amount,
            });
        }
    }
    read
}
