//! Contract of the tax authority (税务): evidence of vehicle tax, and declarations of what insurers
//! withheld.
//!
//! A declaration is keyed by the number its sender gave it: sent again it gets the same answer,
//! sent again with other contents it is refused. A year is paid once: by a receipt on record or by
//! one declaration that collects tax. Numbers given out are derived from the declaration's number.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::civil::Date;
use kernel::Fen;
use serde::{Deserialize, Serialize};
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::invent;
use crate::models::Refusal;
use crate::vehicle::{Arrears, Plate, Receipt, Relief};
use crate::world::{State as Records, World};

/// Asks what is known of one vehicle and tax year.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceQuery {
    /// 车架号.
    pub vin: String,
    /// 号牌; for the record only, the VIN decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// Calendar year.
    pub year: i16,
}

/// What the tax authority knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// As asked.
    pub vin: String,
    /// As asked.
    pub year: i16,
    /// The year's tax is paid (已完税).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Earlier years still owed, earliest first (补税).
    pub arrears: Vec<Arrears>,
    /// Reliefs that touch the year (减免税).
    pub reliefs: Vec<Relief>,
}

/// What an insurer withheld with one compulsory policy (代收代缴).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Four-letter insurer code.
    pub insurer: String,
    /// Confirm code of the policy the tax is printed on.
    pub confirm_no: String,
    /// 车架号.
    pub vin: String,
    /// 号牌.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// Calendar year.
    pub year: i16,
    /// 纳税类型: `N` `C` `E` `P` `R` `B`.
    pub condition: String,
    /// 纳税人.
    pub payer_name: String,
    /// When it was collected.
    pub collected_on: Date,
    /// The year's tax.
    pub tax_due: Fen,
    /// Tax of earlier years.
    pub arrears: Fen,
    /// 滞纳金.
    pub late_fee: Fen,
    /// Sum of the three.
    pub total: Fen,
}

/// Confirms a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// As sent.
    pub declaration_no: String,
    /// 税务登记号.
    pub registration_no: String,
    /// 完税凭证号; empty when nothing was collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_no: Option<String>,
}

/// A declaration on file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// What was declared.
    pub declaration: Declaration,
    /// What was answered.
    pub registration: Registration,
    /// Taken back (作废).
    pub void: bool,
}

/// The written contract.
pub fn openapi() -> OpenApi {
    let (_, operations) = router().split_for_parts();
    let mut contract = Contract::openapi();
    contract.merge(operations);
    contract
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Tax authority (sandbox)",
    description = "税务: vehicle-tax evidence and withholding declarations, as the platform expects the tax side to answer.",
    version = "1.0.0"
))]
struct Contract;

pub(crate) fn router() -> OpenApiRouter<Arc<World>> {
    OpenApiRouter::new().routes(routes!(read_evidence)).routes(routes!(declare, void_declaration))
}

/// Read what is known of a vehicle's tax
///
/// A look-up: it may be repeated. An unknown vehicle has paid and owes nothing.
#[utoipa::path(post, path = "/tax/evidence", tag = "tax", request_body = EvidenceQuery,
    responses((status = OK, body = Evidence)))]
async fn read_evidence(
    State(world): State<Arc<World>>,
    Json(query): Json<EvidenceQuery>,
) -> Json<Evidence> {
    let EvidenceQuery { vin, plate, year } = query;
    let vehicle = world.by_vin(&vin, plate.as_ref());
    let (arrears, reliefs) =
        vehicle.map(|vehicle| (vehicle.arrears, vehicle.reliefs)).unwrap_or_default();
    let records = world.read();
    let receipt = receipt_of(&records, &vin, year);
    let settled = settled_arrears(&records, &vin);
    drop(records);
    let mut arrears: Vec<Arrears> = arrears
        .into_iter()
        .filter(|owed| owed.year < year && settled.is_none_or(|settled| owed.year >= settled))
        .collect();
    arrears.sort_by_key(|owed| owed.year);
    let reliefs = reliefs.into_iter().filter(|relief| touches(relief, year)).collect();
    Json(Evidence { vin, year, receipt, arrears, reliefs })
}

/// Declare what was withheld
///
/// May be repeated: the same declaration gets the same answer.
#[utoipa::path(put, path = "/tax/declarations/{declaration_no}", tag = "tax",
    params(("declaration_no" = String, Path, description = "The sender's own number")),
    request_body = Declaration,
    responses(
        (status = OK, body = Registration),
        (status = CONFLICT, body = Refusal, description = "`declared-otherwise`, `void` or `already-paid`"),
        (status = UNPROCESSABLE_ENTITY, body = Refusal, description = "`total-differs`"),
    ))]
async fn declare(
    State(world): State<Arc<World>>,
    Path(declaration_no): Path<String>,
    Json(declaration): Json<Declaration>,
) -> Result<Json<Registration>, (StatusCode, Json<Refusal>)> {
    let parts = [declaration.tax_due, declaration.arrears, declaration.late_fee];
    if Fen::sum(parts) != Some(declaration.total) {
        let message = "合计不等于税款、欠税与滞纳金之和 the total is not the sum of its parts";
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "total-differs", message));
    }
    let mut records = world.write();
    if let Some(earlier) = records.declarations.get(&declaration_no) {
        return match earlier {
            Declared { void: true, .. } => {
                Err(refuse(StatusCode::CONFLICT, "void", "申报已作废 the declaration is void"))
            }
            same if same.declaration == declaration => Ok(Json(same.registration.clone())),
            _ => {
                let message = "同号申报内容不同 this number was declared with other contents";
                Err(refuse(StatusCode::CONFLICT, "declared-otherwise", message))
            }
        };
    }
    let paid = receipt_of(&records, &declaration.vin, declaration.year).is_some();
    if paid && declaration.tax_due > Fen::ZERO {
        let message = "该年度已完税 the year's tax is paid";
        return Err(refuse(StatusCode::CONFLICT, "already-paid", message));
    }
    let registration = register(&declaration_no, &declaration);
    records.declared_for.entry(declaration.vin.clone()).or_default().push(declaration_no.clone());
    let declared = Declared { declaration, registration: registration.clone(), void: false };
    records.declarations.insert(declaration_no, declared);
    Ok(Json(registration))
}

/// Take a declaration back
///
/// May be repeated.
#[utoipa::path(delete, path = "/tax/declarations/{declaration_no}", tag = "tax",
    params(("declaration_no" = String, Path, description = "The sender's own number")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = Refusal)))]
async fn void_declaration(
    State(world): State<Arc<World>>,
    Path(declaration_no): Path<String>,
) -> Result<StatusCode, (StatusCode, Json<Refusal>)> {
    match world.write().declarations.get_mut(&declaration_no) {
        Some(declared) => {
            declared.void = true;
            Ok(StatusCode::NO_CONTENT)
        }
        None => {
            let message = "无此申报 no such declaration";
            Err(refuse(StatusCode::NOT_FOUND, "unknown-declaration", message))
        }
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> (StatusCode, Json<Refusal>) {
    (status, Json(Refusal { code: code.into(), message: message.into() }))
}

fn register(declaration_no: &str, declaration: &Declaration) -> Registration {
    let number = |salt| invent::seed(declaration_no, salt) % 1_000_000_000_000;
    let collected = declaration.total > Fen::ZERO;
    Registration {
        declaration_no: declaration_no.into(),
        registration_no: format!("SD{}{:012}", declaration.year, number("registration")),
        receipt_no: collected.then(|| format!("SP{}{:012}", declaration.year, number("receipt"))),
    }
}

/// The receipt for `year`: on record, or by a declaration that collected the year's tax.
fn receipt_of(records: &Records, vin: &str, year: i16) -> Option<Receipt> {
    let on_record = records
        .loaded(vin)
        .and_then(|vehicle| vehicle.receipts.iter().find(|receipt| receipt.year == year));
    let by_declaration = || {
        let declared = valid_declarations(records, vin).find(|declared| {
            declared.declaration.year == year && declared.declaration.tax_due > Fen::ZERO
        })?;
        Some(Receipt {
            receipt_no: declared.registration.receipt_no.clone()?,
            year,
            paid_on: declared.declaration.collected_on,
            amount: declared.declaration.tax_due,
            authority: "国家税务总局".into(),
            authority_code: "10000000000".into(),
        })
    };
    on_record.cloned().or_else(by_declaration)
}

/// Arrears of years before this one were collected with a declaration.
fn settled_arrears(records: &Records, vin: &str) -> Option<i16> {
    valid_declarations(records, vin)
        .filter(|declared| declared.declaration.arrears > Fen::ZERO)
        .map(|declared| declared.declaration.year)
        .max()
}

fn valid_declarations<'a>(records: &'a Records, vin: &str) -> impl Iterator<Item = &'a Declared> {
    let numbers = records.declared_for.get(vin).map(Vec::as_slice).unwrap_or_default();
    let declared = numbers.iter().filter_map(|number| records.declarations.get(number));
    declared.filter(|declared| !declared.void)
}

fn touches(relief: &Relief, year: i16) -> bool {
    relief.from.year() <= year
        && relief.to.is_none_or(|to| Date::new(year, 1, 1).is_ok_and(|first| first < to))
}
