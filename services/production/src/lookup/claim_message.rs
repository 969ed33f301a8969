//! Masking the messages of a claim for who may not see persons.
//!
//! A text is shown as it is only where its field is named here as open: a field nobody thought of is
//! hidden, and a test over every message says which one that is. Free words hide wholly, for people
//! write names and telephones into them. Numbers and flags tell nobody. Another house than the
//! insurer's own is told less: no place, and of frame and engine numbers only what tells them apart.

use production_core::party::{mask_name, mask_number};
use serde_json::Value;

/// Whose eyes a message is masked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A client of the insurer that filed it, without the right to see persons.
    Own,
    /// Another insurer, or the operator.
    Other,
}

/// How a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// As it is.
    Open,
    /// First character and stars.
    Name,
    /// First three and last four characters.
    Number,
    /// The last six characters, as [`FrameNo::masked`] shows a vehicle to outsiders.
    ///
    /// [`FrameNo::masked`]: production_core::frame::FrameNo::masked
    Tail,
    /// Not at all.
    Words,
}

/// What stands for hidden words.
const HIDDEN: &str = "***";

/// The message of a step, named by its word, with everything personal masked for `reader`.
pub(crate) fn masked(step: &str, mut message: Value, reader: Reader) -> Value {
    mask((step, step), &mut message, reader);
    message
}

/// Masks a value that stands in `field` of `holder`: the step's word at the top, else the field the
/// object or list around it stands in.
fn mask((holder, field): (&str, &str), value: &mut Value, reader: Reader) {
    match value {
        Value::String(text) => {
            *text = match shown_to(reader, holder, field).unwrap_or(Part::Words) {
                Part::Open => return,
                Part::Name => mask_name(text),
                Part::Number => mask_number(text),
                Part::Tail => tail(text),
                Part::Words => HIDDEN.to_owned(),
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| mask((holder, field), item, reader));
        }
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| mask((field, name), value, reader));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The last six characters, the rest starred.
fn tail(text: &str) -> String {
    let hidden = text.chars().count().saturating_sub(6);
    "*".repeat(hidden) + &text.chars().skip(hidden).collect::<String>()
}

/// How `reader` is shown a text in `field` of `holder`; `None` when nobody said.
fn shown_to(reader: Reader, holder: &str, field: &str) -> Option<Part> {
    match (reader, field) {
        (Reader::Other, "frameNo") => Some(Part::Tail),
        (Reader::Other, "engineNo") => Some(Part::Number),
        // Accidents are told to others by their district. A place may be somebody's door.
        (Reader::Other, "place" | "latitude" | "longitude") => Some(Part::Words),
        _ => part(holder, field),
    }
}

/// How a text in `field` of `holder` is shown; `None` when nobody said.
fn part(holder: &str, field: &str) -> Option<Part> {
    let part = match (holder, field) {
        (
            "driver" | "surveyor" | "assessor" | "approver" | "persons" | "payees"
            | "liableParties",
            "name",
        )
        | ("properties", "owner")
        | ("recoveries", "party")
        | ("notify", "reporterName") => Part::Name,
        (
            _,
            "licenceNo" | "phone" | "reporterPhones" | "certificateNo" | "payerAccount" | "account",
        ) => Part::Number,
        (_, "description" | "opinion" | "remark" | "refusalReason" | "advanceReason")
        | ("reopen", "cause")
        | ("cancel", "reason") => Part::Words,
        // Things and organisations have names too.
        (
            "properties" | "parts" | "labour" | "auxiliary" | "documents" | "fees" | "hospitals"
            | "institutions" | "repairer",
            "name",
        )
        | ("notify" | "survey", "cause") => Part::Open,
        (_, open) if OPEN.contains(&open) => Part::Open,
        _ => return None,
    };
    Some(part)
}

/// Fields that name no person wherever they stand: numbers of the insurers and of things, codes,
/// amounts, instants, places.
const OPEN: &[&str] = &[
    "accidentAt",
    "addressVersion",
    "admittedAt",
    "agreedAt",
    "amount",
    "approvedAt",
    "assessedAt",
    "bank",
    "brand",
    "businessNo",
    "cancelledAt",
    "certificateKind",
    "closedAt",
    "code",
    "commercialArea",
    "commercialInsurer",
    "completeAt",
    "compulsoryArea",
    "compulsoryInsurer",
    "compulsoryPaid",
    "confirmCode",
    "coverageCode",
    "damaged",
    "deductions",
    "diedAt",
    "district",
    "endedAt",
    "engineNo",
    "estimate",
    "estimatedAt",
    "expenses",
    "feeKind",
    "fieldKind",
    "flag",
    "frameNo",
    "fraudKinds",
    "fraudRecovered",
    "handledBy",
    "harm",
    "hours",
    "injuryKind",
    "kind",
    "labourTotal",
    "latitude",
    "liability",
    "liabilityDocument",
    "liabilityRate",
    "listedAt",
    "longitude",
    "loss",
    "lossKinds",
    "medicalKind",
    "model",
    "modelCode",
    "noFaultAdvance",
    "oemCode",
    "outstanding",
    "paidAt",
    "partsTotal",
    "payerBank",
    "place",
    "plate",
    "plateKind",
    "policeAccidentNo",
    "policyNo",
    "price",
    "priceKind",
    "property",
    "receivedAt",
    "recoveryCode",
    "refusalSentAt",
    "registeredAt",
    "reopenedAt",
    "reportNo",
    "reportedAt",
    "residual",
    "salvage",
    "settles",
    "startedAt",
    "surveyedAt",
    "system",
    "total",
    "trafficState",
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;

    /// Every message of a claim, by the word of its step, as the API publishes it.
    const MESSAGES: [(&str, &str); 12] = [
        ("notify", "ClaimNotification"),
        ("survey", "ClaimSurvey"),
        ("register", "ClaimRegistration"),
        ("assess", "ClaimAssessment"),
        ("documents", "ClaimDocuments"),
        ("adjust", "ClaimAdjustment"),
        ("close", "ClaimClosing"),
        ("pay", "ClaimPayment"),
        ("reopen", "ClaimReopening"),
        ("cancel", "ClaimCancellation"),
        ("estimate", "ClaimEstimate"),
        ("recovery", "ClaimRecovery"),
    ];

    /// A text of a message: where it stands, and whether its description says it is stored sealed.
    type Texts = BTreeMap<(String, String), bool>;

    fn refs(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value.as_str()) {
                        ("$ref", Some(path)) => {
                            found.extend(path.rsplit('/').next().map(str::to_owned));
                        }
                        _ => refs(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            _ => {}
        }
    }

    fn texts(schemas: &Value, name: &str, holder: &str, found: &mut Texts) {
        let fields = schemas[name]["properties"].as_object();
        let fields = fields.unwrap_or_else(|| panic!("{name} has no fields"));
        for (field, schema) in fields {
            let described = schema["description"].as_str().unwrap_or_default();
            let sealed = described.contains("Stored sealed");
            let mut inner = Vec::new();
            refs(schema, &mut inner);
            if let Some(object) = inner.iter().find(|name| schemas[*name]["properties"].is_object())
            {
                texts(schemas, object, field, found);
            } else if !inner.is_empty() || schema.to_string().contains("\"string\"") {
                found.insert((holder.to_owned(), field.clone()), sealed);
            }
        }
    }

    fn every_text() -> Texts {
        let api = serde_json::to_value(crate::api::router().get_openapi()).unwrap();
        let mut found = Texts::new();
        for (step, schema) in MESSAGES {
            texts(&api["components"]["schemas"], schema, step, &mut found);
        }
        found
    }

    #[test]
    fn every_text_of_every_message_is_open_or_masked_on_purpose() {
        let found = every_text();
        assert!(100 < found.len(), "only {} texts found", found.len());
        let unsaid: Vec<_> =
            found.keys().filter(|(holder, field)| part(holder, field).is_none()).collect();
        assert_eq!(unsaid, Vec::<&(String, String)>::new(), "say how these are shown");
    }

    #[test]
    fn what_is_stored_sealed_is_shown_masked() {
        let found = every_text();
        let sealed: BTreeSet<_> =
            found.iter().filter(|(_, sealed)| **sealed).map(|(place, _)| place.clone()).collect();
        assert!(15 < sealed.len(), "only {sealed:?} found");
        for (holder, field) in &sealed {
            let shown = part(holder, field);
            let hidden = matches!(shown, Some(Part::Name | Part::Number | Part::Words));
            assert!(hidden, "{field} of {holder} is shown as {shown:?}");
        }
    }

    #[test]
    fn the_open_list_holds_nothing_that_no_message_has() {
        let found = every_text();
        let fields: BTreeSet<&str> = found.keys().map(|(_, field)| field.as_str()).collect();
        let idle: Vec<_> = OPEN.iter().filter(|field| !fields.contains(**field)).collect();
        assert_eq!(idle, Vec::<&&str>::new());
    }

    #[test]
    fn persons_are_starred_and_things_are_not() {
        let message = json!({
            "reportNo": "R-1", "reporterName": "李芳", "reporterPhones": ["13800001234"],
            "description": "李芳追尾前车", "injury": true,
            "driver": { "name": "王强", "licenceNo": "11010519491231002X" },
            "thirdVehicles": [{ "plate": "苏B77777", "driver": { "phone": "13900005678" } }],
        });
        let expected = json!({
            "reportNo": "R-1", "reporterName": "李*", "reporterPhones": ["138****1234"],
            "description": "***", "injury": true,
            "driver": { "name": "王*", "licenceNo": "110***********002X" },
            "thirdVehicles": [{ "plate": "苏B77777", "driver": { "phone": "139****5678" } }],
        });
        assert_eq!(masked("notify", message, Reader::Own), expected);
        let parts = json!({ "vehicles": [{ "item": 1, "assessor": { "name": "钱定", "code": "A01" },
            "parts": [{ "name": "前保险杠", "count": 1 }] }] });
        let shown = json!({ "vehicles": [{ "item": 1, "assessor": { "name": "钱*", "code": "A01" },
            "parts": [{ "name": "前保险杠", "count": 1 }] }] });
        assert_eq!(masked("assess", parts, Reader::Own), shown);
    }

    #[test]
    fn another_house_is_told_no_place_and_of_a_vehicle_what_tells_it_apart() {
        let message = json!({
            "reportNo": "R-1", "place": "中山北路18号李芳家门口", "district": "320102",
            "longitude": "118.77807", "latitude": "32.05736", "reporterName": "李芳",
            "thirdVehicles": [{ "plate": "苏B77777", "frameNo": "LSVAM4187C2184847",
                                "engineNo": "EA211000001", "driver": { "phone": "13900005678" } }],
        });
        let expected = json!({
            "reportNo": "R-1", "place": "***", "district": "320102",
            "longitude": "***", "latitude": "***", "reporterName": "李*",
            "thirdVehicles": [{ "plate": "苏B77777", "frameNo": "***********184847",
                                "engineNo": "EA2****0001", "driver": { "phone": "139****5678" } }],
        });
        assert_eq!(masked("notify", message, Reader::Other), expected);
    }

    #[test]
    fn another_house_is_shown_nothing_that_the_own_one_is_not() {
        for (holder, field) in every_text().keys() {
            let own = part(holder, field);
            let other = shown_to(Reader::Other, holder, field);
            assert!(other == own || own == Some(Part::Open), "{field} of {holder}: {other:?}");
        }
    }

    #[test]
    fn a_field_nobody_thought_of_is_hidden() {
        let message = json!({ "wechat": "lifang", "payees": [{ "alias": { "nick": "阿强" } }] });
        let hidden = json!({ "wechat": "***", "payees": [{ "alias": { "nick": "***" } }] });
        assert_eq!(masked("pay", message, Reader::Own), hidden);
    }
}
