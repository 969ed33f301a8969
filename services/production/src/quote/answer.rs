//! What a quote answers.

use base_http::{Notice, json};
use jiff::Timestamp;
use kernel::{Fen, Period};
use production_core::frame::FrameNo;
use production_core::history::ReinsureFlag;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::party::mask_name;
use production_rating::Rating;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::error::ProductionError;
use crate::outside::{Consulted, RegisteredVehicle};
use crate::quote::checks::Duplicate;
use crate::quote::claims::QuotedClaim;
use crate::store::known::Known;

/// An answer as JSON is rarely longer.
const ANSWER_BYTES: usize = 6 << 10;

/// 投保查询的回复: premiums, factors with their reasons, tax, previous policies, notices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuoteView {
    /// 投保查询码: 30 characters, good for one confirmation until `expiresAt`.
    #[schema(value_type = String, example = "01PICC110026123450000000000017")]
    pub query_code: PlatformNumber,
    /// When history was looked at: the no-claim discount counts claims closed up to here.
    #[schema(value_type = String, format = DateTime)]
    pub quoted_at: Timestamp,
    /// First instant at which the query code is no longer good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Compulsory premium, tax and commercial premium together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<kernel::Fen>)]
    pub payable: Option<Fen>,
    /// REINSURE_FLAG of the commercial part: `0` none, `1` this insurer, `2` another.
    pub reinsure_flag: &'static str,
    /// Commercial policies that cover the vehicle in the period already (rule L20).
    pub duplicates: Vec<Duplicate>,
    /// Claims of the vehicle, of all insurers, that were judged: each with its verdict, to be disputed
    /// where it is wrong (CLAIM_DATA).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<QuotedClaim>,
    /// Earlier policies of all insurers, latest first.
    pub previous_policies: Vec<PreviousPolicy>,
    /// 转保: the last policy was another insurer's.
    pub changes_insurer: bool,
    /// The vehicle as the police know it, where they answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered: Option<RegisteredView>,
    /// Outside systems that did not answer: assumed, and asked again before the confirmation.
    pub assumed: Vec<&'static str>,
    /// What a person should see.
    pub notices: Vec<Notice>,
    /// To be answered before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub challenge: Option<serde_json::Value>,
    // Last: `write` puts it there.
    /// Premiums, factors and tax, each with its trace: factor, table row and version, reason,
    /// rounding. Absent while a challenge is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
}

/// A code a quote can be had under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    /// The query code.
    pub(crate) query_no: PlatformNumber,
    /// When it was given out.
    pub(crate) quoted_at: Timestamp,
    /// First instant at which it is no longer good.
    pub(crate) expires_at: Timestamp,
}

/// An earlier policy as other insurers may see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousPolicy {
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// Its insurer.
    #[schema(value_type = String)]
    pub insurer: InsurerCode,
    /// Its confirm code.
    #[schema(value_type = String)]
    pub confirm_code: PlatformNumber,
    /// Its period, suspensions included.
    pub period: Period,
    /// When cover really ended, if before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Written for less than a year.
    pub short_term: bool,
}

/// The vehicle in the police register. The owner is masked: this is another authority's record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredView {
    /// 机动车状态.
    pub status: &'static str,
    /// 使用性质.
    pub usage: &'static str,
    /// Owner, masked.
    pub owner_name: String,
    /// Brand.
    pub brand: String,
    /// 核定载客.
    pub seats: u16,
    /// 初次登记日期.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub first_registered_on: Option<jiff::civil::Date>,
    /// 检验有效期.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_checked_on: Option<jiff::civil::Date>,
    /// 强制报废期止.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub scrap_on: Option<jiff::civil::Date>,
}

/// Earlier policies, latest first.
pub(crate) fn previous(known: &Known) -> Vec<PreviousPolicy> {
    let mut policies: Vec<_> = known.policies.iter().filter(|policy| !policy.revoked).collect();
    policies.sort_by_key(|policy| std::cmp::Reverse(policy.prior.period.from()));
    policies
        .into_iter()
        .map(|policy| PreviousPolicy {
            class: policy.prior.class.name(),
            insurer: policy.prior.insurer,
            confirm_code: policy.prior.confirm_no,
            period: policy.prior.period,
            ended_at: policy.prior.ended_early,
            short_term: policy.prior.short_term,
        })
        .collect()
}

/// Whether the last policy was another insurer's.
pub(crate) fn changes_insurer(known: &Known, viewer: InsurerCode) -> bool {
    known
        .policies
        .iter()
        .filter(|policy| !policy.revoked)
        .max_by_key(|policy| policy.prior.period.from())
        .is_some_and(|policy| policy.prior.insurer != viewer)
}

/// The police's record, masked.
pub(crate) fn registered(consulted: &Consulted) -> Option<RegisteredView> {
    consulted.registered().map(registered_view)
}

/// A vehicle of the police register, its owner masked.
pub(crate) fn registered_view(vehicle: &RegisteredVehicle) -> RegisteredView {
    RegisteredView {
        status: vehicle.status.code(),
        usage: vehicle.usage.code(),
        owner_name: mask_name(&vehicle.owner_name),
        brand: vehicle.brand.clone(),
        seats: vehicle.seats,
        first_registered_on: vehicle.first_registered_on,
        last_checked_on: vehicle.last_checked_on,
        scrap_on: vehicle.scrap_on,
    }
}

/// REINSURE_FLAG over the commercial duplicates.
pub(crate) fn reinsure_flag(duplicates: &[Duplicate]) -> &'static str {
    let flags = duplicates.iter().filter_map(|one| ReinsureFlag::parse(&one.reinsure_flag).ok());
    // Another insurer's duplicate outweighs one's own.
    flags.max().unwrap_or(ReinsureFlag::None).code()
}

/// Everything the insured pays: premiums and withheld tax.
pub(crate) fn payable(rating: &Rating) -> Option<Fen> {
    Fen::sum([
        rating.compulsory.as_ref().map_or(Fen::ZERO, |part| part.premium),
        rating.tax.as_ref().map_or(Fen::ZERO, |tax| tax.total),
        rating.commercial.as_ref().map_or(Fen::ZERO, |part| part.premium),
    ])
}

/// The answer with its rating, and the digest of that rating. Written once: what goes out is, byte for
/// byte, what is digested.
pub(crate) fn write(
    view: &QuoteView,
    rating: &Rating,
) -> Result<(Vec<u8>, [u8; 32]), ProductionError> {
    let (answer, lies) = json::written_with(view, "rating", rating, ANSWER_BYTES)
        .map_err(|_| ProductionError::Corrupt("rating"))?;
    let digest = Sha256::digest(answer.get(lies).unwrap_or_default());
    Ok((answer, digest.into()))
}

/// SHA-256 of a rating as it is serialised: equal digests mean equal to the fen and the reason.
pub(crate) fn rating_digest(rating: &Rating) -> Result<[u8; 32], ProductionError> {
    let bytes = json::written(rating, ANSWER_BYTES);
    let bytes = bytes.map_err(|_| ProductionError::Corrupt("rating"))?;
    Ok(Sha256::digest(bytes).into())
}

/// Hexadecimal blind index, as identities carry it.
pub(crate) fn hex_index(index: &[u8]) -> String {
    // Not `encode_hex`, which puts a text together character by character.
    let mut text = vec![0; 2 * index.len()];
    // The lengths match, and digits are text.
    let _ = hex::encode_to_slice(index, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The rating's notices in the words of answers.
pub(crate) fn rating_notices(rating: &Rating) -> impl Iterator<Item = Notice> {
    rating.notices.iter().map(|notice| Notice {
        code: "N2001".into(),
        rule: Some(notice.code.clone()),
        pointer: None,
        detail: notice.text.clone(),
    })
}

/// A duplicate commercial cover as a notice (rule L20).
pub(crate) fn duplicate_notice(duplicate: &Duplicate, frame: &FrameNo) -> Notice {
    Notice {
        code: "N2002".into(),
        rule: Some("L20".into()),
        pointer: Some("/commercial".to_owned()),
        detail: format!(
            "commercial cover of {} runs under {} with {}",
            frame.masked(),
            duplicate.confirm_code,
            duplicate.insurer
        ),
    }
}
