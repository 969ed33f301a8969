//! Rules that compare what an insurer sent with what the platform computed: L05 to L15, L27, S10.
//!
//! The platform's own result always wins; these checks tell the insurer where its system
//! disagrees. Rating hands in its result, so nothing here knows a tariff.

use std::fmt::Display;
use std::ops::RangeInclusive;

use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::quote::Amounts;
use crate::rule::{Findings, RuleId};

/// L05, L06, L07, L11, L12, L27: a sent value equals the platform's; nothing sent is fine.
pub fn equal<T: PartialEq + Display>(
    rule: RuleId,
    what: &str,
    sent: Option<T>,
    own: T,
    at: &str,
    found: &mut Findings,
) {
    if let Some(sent) = sent.filter(|sent| *sent != own) {
        found.add(rule, at, format!("{what} {sent} differs from the platform's {own}; send {own}"));
    }
}

/// L08 and L10: no down-float of the compulsory premium where a reason forbids it.
///
/// `float` is the accident float, negative down; `reasons` are the no-float codes that apply.
pub fn no_down_float(
    float: Decimal,
    reasons: &[&str],
    short_term: bool,
    at: &str,
    found: &mut Findings,
) {
    if float >= Decimal::ZERO {
        return;
    }
    if short_term {
        found.add(RuleId::L10, at, "short-term compulsory cover takes no down-float; send 0");
    }
    if !reasons.is_empty() {
        let message = format!("no down-float for reason {}; send 0", reasons.join(", "));
        found.add(RuleId::L08, at, message);
    }
}

/// L09: the violation float is at most the regional cap.
pub fn violation_cap(total: Decimal, cap: Decimal, at: &str, found: &mut Findings) {
    if total > cap {
        let message = format!("violation float {total} exceeds the regional cap {cap}; send {cap}");
        found.add(RuleId::L09, at, message);
    }
}

/// L11: the expense ratio is at most the cap of the date.
pub fn expense_ratio(ratio: Decimal, cap: Decimal, at: &str, found: &mut Findings) {
    if ratio < Decimal::ZERO || ratio > cap {
        let message = format!("expense ratio {ratio} is not within 0 to the cap {cap}");
        found.add(RuleId::L11, at, message);
    }
}

/// L13: the autonomous coefficient is inside the range of date, region, fuel and clause.
pub fn autonomous(sent: Decimal, range: RangeInclusive<Decimal>, at: &str, found: &mut Findings) {
    if !range.contains(&sent) {
        let message = format!(
            "autonomous coefficient {sent} is outside {} to {}",
            range.start(),
            range.end()
        );
        found.add(RuleId::L13, at, message);
    }
}

/// L14: the violation coefficient is 1 where there is no police link.
pub fn violation_coefficient(sent: Decimal, police_link: bool, at: &str, found: &mut Findings) {
    if !police_link && sent != Decimal::ONE {
        let message =
            format!("region has no police link; violation coefficient is 1.00, not {sent}");
        found.add(RuleId::L14, at, message);
    }
}

/// L15: the commercial premium sent is within 0.01 yuan of the platform's.
pub fn commercial_premium(sent: Fen, own: Fen, at: &str, found: &mut Findings) {
    if sent.minus(own).is_none_or(|difference| difference.0.unsigned_abs() > 1) {
        let message = format!("premium {sent} differs from the platform's {own} by more than 0.01");
        found.add(RuleId::L15, at, message);
    }
}

coded_enum! {
    /// Why so much vehicle tax is due (纳税类型).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `tax_condition`.
    pub enum TaxCondition ("tax condition") {
        Normal = "N", "正常纳税", "normal";
        NormalOld = "T", "正常纳税(旧)", "normal (old)";
        Reduced = "C", "减税", "reduced";
        Exempt = "E", "免税", "exempt";
        Paid = "P", "已完税", "already paid";
        PaidVariant = "W", "已完税", "already paid (variant)";
        Refused = "R", "拒缴", "refused";
        Arrears = "B", "补税", "arrears";
    }
}

/// Proof of a tax condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxEvidence {
    /// Number of the tax receipt (完税凭证号).
    #[serde(default)]
    pub receipt_no: Option<String>,
    /// Tax authority that issued it.
    #[serde(default)]
    pub authority: Option<String>,
    /// Code of the derate or exemption (减免税原因).
    #[serde(default)]
    pub derate_code: Option<String>,
    /// Number of the document that grants it (减免税凭证号).
    #[serde(default)]
    pub document_no: Option<String>,
}

/// L27: already paid needs receipt and authority, reduced and exempt need code and document.
pub fn tax_evidence(
    condition: TaxCondition,
    evidence: &TaxEvidence,
    at: &str,
    found: &mut Findings,
) {
    let mut need = |name: &str, value: &Option<String>| {
        if value.as_ref().is_none_or(|value| value.trim().is_empty()) {
            let message = format!("tax condition {condition} ({}) needs it", condition.name_en());
            found.add(RuleId::L27, format!("{at}/{name}"), message);
        }
    };
    match condition {
        TaxCondition::Paid | TaxCondition::PaidVariant => {
            need("receiptNo", &evidence.receipt_no);
            need("authority", &evidence.authority);
        }
        TaxCondition::Reduced | TaxCondition::Exempt => {
            need("derateCode", &evidence.derate_code);
            need("documentNo", &evidence.document_no);
        }
        TaxCondition::Normal
        | TaxCondition::NormalOld
        | TaxCondition::Refused
        | TaxCondition::Arrears => {}
    }
}

/// S10: the confirm echoes premium, tax and fee of the pre-confirm; names every difference.
pub fn echo(sent: &Amounts, frozen: &Amounts, at: &str, found: &mut Findings) {
    let pairs = [
        ("compulsory", sent.compulsory, frozen.compulsory),
        ("commercial", sent.commercial, frozen.commercial),
        ("tax", Some(sent.tax), Some(frozen.tax)),
        ("fee", Some(sent.fee), Some(frozen.fee)),
    ];
    for (name, sent, frozen) in pairs.into_iter().filter(|(_, sent, frozen)| sent != frozen) {
        let show = |amount: Option<Fen>| amount.map_or("none".to_owned(), |fen| fen.to_string());
        let message = format!("{} differs from the pre-confirm; send {}", show(sent), show(frozen));
        found.add(RuleId::S10, format!("{at}/{name}"), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::probe::broken;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn l05_l06_l07_l12_sent_values_equal_the_platforms() {
        let amounts = |rule, sent| {
            broken(|found| equal(rule, "premium", sent, Fen(95_000), "/premium", found))
        };
        assert!(amounts(RuleId::L05, None).is_empty());
        assert!(amounts(RuleId::L05, Some(Fen(95_000))).is_empty());
        assert_eq!(amounts(RuleId::L05, Some(Fen(110_000))), ["L05"]);
        assert_eq!(amounts(RuleId::L06, Some(Fen(95_001))), ["L06"]);
        let level =
            |sent| broken(|found| equal(RuleId::L07, "reason", Some(sent), "A3", "", found));
        assert!(level("A3").is_empty());
        assert_eq!(level("A1"), ["L07"]);
        let ncd = |sent| {
            let own = decimal("0.6");
            broken(|found| equal(RuleId::L12, "coefficient", Some(decimal(sent)), own, "", found))
        };
        assert!(ncd("0.60").is_empty());
        assert_eq!(ncd("0.7"), ["L12"]);
    }

    #[test]
    fn l08_l10_no_discount_where_a_reason_forbids_it() {
        let judge = |float, reasons: &[&str], short| {
            broken(|found| no_down_float(decimal(float), reasons, short, "", found))
        };
        assert!(judge("-0.3", &[], false).is_empty() && judge("0.1", &["01"], true).is_empty());
        assert_eq!(judge("-0.3", &["01"], false), ["L08"]);
        assert_eq!(judge("-0.3", &[], true), ["L10"]);
        assert_eq!(judge("-0.3", &["03"], true), ["L10", "L08"]);
    }

    #[test]
    fn l09_l11_l13_l14_factors_stay_in_their_ranges() {
        let (half, cap) = (decimal("0.5"), decimal("0.6"));
        assert!(broken(|found| violation_cap(cap, cap, "", found)).is_empty());
        assert_eq!(broken(|found| violation_cap(decimal("0.61"), cap, "", found)), ["L09"]);
        assert!(
            broken(|found| expense_ratio(decimal("0.25"), decimal("0.25"), "", found)).is_empty()
        );
        assert_eq!(
            broken(|found| expense_ratio(decimal("0.35"), decimal("0.25"), "", found)),
            ["L11"]
        );
        let range = || half..=decimal("1.5");
        assert!(broken(|found| autonomous(decimal("1.50"), range(), "", found)).is_empty());
        for bad in ["0.49", "1.5001"] {
            assert_eq!(broken(|found| autonomous(decimal(bad), range(), "", found)), ["L13"]);
        }
        let violation =
            |sent, link| broken(|found| violation_coefficient(decimal(sent), link, "", found));
        assert!(violation("1.00", false).is_empty() && violation("1.15", true).is_empty());
        assert_eq!(violation("1.15", false), ["L14"]);
    }

    #[test]
    fn l15_commercial_premiums_agree_to_the_fen() {
        let judge = |sent| broken(|found| commercial_premium(Fen(sent), Fen(68_000), "", found));
        assert!(judge(67_999).is_empty() && judge(68_001).is_empty());
        assert_eq!(judge(68_002), ["L15"]);
        assert_eq!(judge(i64::MIN), ["L15"]);
    }

    #[test]
    fn l27_tax_conditions_are_proven() {
        let none = TaxEvidence::default();
        let judge = |condition, evidence: &TaxEvidence| {
            broken(|found| tax_evidence(condition, evidence, "/tax", found))
        };
        assert!(judge(TaxCondition::Normal, &none).is_empty());
        assert_eq!(judge(TaxCondition::Paid, &none), ["L27", "L27"]);
        assert_eq!(judge(TaxCondition::Exempt, &none), ["L27", "L27"]);
        let full = TaxEvidence {
            receipt_no: Some("1".into()),
            authority: Some("2".into()),
            derate_code: Some("3".into()),
            document_no: Some(" ".into()),
        };
        assert!(judge(TaxCondition::Paid, &full).is_empty());
        assert_eq!(judge(TaxCondition::Reduced, &full), ["L27"]);
    }

    #[test]
    fn s10_every_amount_is_echoed() {
        let frozen = Amounts { compulsory: Some(Fen(1)), tax: Fen(2), ..Amounts::default() };
        let judge = |sent: Amounts| broken(|found| echo(&sent, &frozen, "", found));
        assert!(judge(frozen).is_empty());
        assert_eq!(judge(Amounts { compulsory: None, tax: Fen(3), ..frozen }), ["S10", "S10"]);
    }
}
