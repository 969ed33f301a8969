//! The market's validation rules by their ids, and what a check finds.
//!
//! A check never stops at the first fault: it adds a [`Finding`] per fault to the caller's
//! [`Findings`], and the caller answers with all of them at once. An error rejects the message; a
//! warning becomes a notice beside the answer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::code::UnknownCode;

/// What a broken rule does to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Accepted with a notice (W).
    Warning,
    /// Rejected (E).
    Error,
}

/// Where a rule is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// By a check or a life cycle of this crate.
    Core,
    /// By rating, which compares with the tariff and with its own result.
    Rating,
    /// By the production service, which knows what is stored and what a message says beside what is
    /// read of it.
    Service,
    /// By the clearing cloud, over its recovery codes.
    Clearing,
    /// Where calls come in: routes, tokens, idempotency keys, the schema of a body. JSON over HTTP
    /// has no message timestamp (F04): what is replayed is known by its key for as long as keys are
    /// kept, and a token is good for minutes.
    Edge,
    /// Nothing a message says can break it, since the platform computes what the rule is about.
    Computed,
    /// Without a meaning in JSON over HTTP: long answers are pages with a cursor, never numbered
    /// packets.
    Void,
}

macro_rules! rules {
    ($($id:ident $severity:ident $enforced:ident $text:literal;)+) => {
        /// A validation rule; ids are those of `tariffs/validation_rules.csv`.
        ///
        /// F format, S structure, L logic. No message can break netting (L62), and none is a batch
        /// file (F32): the two are not listed here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RuleId {
            $(
                #[doc = $text]
                $id,
            )+
        }

        impl RuleId {
            /// Every rule, in the order of the table.
            pub const ALL: &'static [RuleId] = &[$(RuleId::$id,)+];

            /// The id, for example `F12`.
            pub const fn code(self) -> &'static str {
                match self { $(RuleId::$id => stringify!($id),)+ }
            }

            /// What breaking the rule does, unless the finding says less.
            pub const fn severity(self) -> Severity {
                match self { $(RuleId::$id => Severity::$severity,)+ }
            }

            /// Where the rule is enforced.
            pub const fn enforced(self) -> Enforced {
                match self { $(RuleId::$id => Enforced::$enforced,)+ }
            }

            /// The rule in words.
            pub const fn text(self) -> &'static str {
                match self { $(RuleId::$id => $text,)+ }
            }
        }
    };
}

rules! {
    F01 Error Core "Message bytes decode in the declared charset (GBK or UTF-8); no replacement characters, no control characters";
    F02 Error Edge "REQUEST_TYPE is in request_types.csv and enabled for the caller's region and channel";
    F03 Error Edge "USER exists, active, belongs to the insurer and region in the message; client certificate and source IP are in the bound list";
    F04 Error Edge "Message timestamp within the replay window, serial number not used before (idempotency key)";
    F05 Error Core "Query/confirm/amend code is 30 characters: 2-digit kind, 4-letter insurer, 4-digit area, then 20 digits";
    F06 Error Core "Kind prefix agrees with the message: 01 query, 02 confirm, 04 amend";
    F07 Error Core "Insurer code inside the platform code equals the caller's insurer code (insurer_codes.csv)";
    F08 Error Core "Area code is one of the 36 regions (province_codes.csv) or a valid GB/T 2260 child of one";
    F09 Error Core "yyyyMMddHHmm has 12 digits, yyyyMMddHH has 10, yyyyMMdd has 8; the calendar date exists; hour 00-23 (24 only as an end hour)";
    F10 Error Core "Amount >= 0 unless the field is a signed change; at most 2 decimals; at most 12 integer digits (NUMBER(14,2))";
    F11 Error Core "Rate or ratio in [0,1) with at most 5 decimals (NUMBER(8,5)); coefficient in (0, 9.99] with at most 4 decimals";
    F12 Error Core "VIN is 17 characters from A-H J-N P R-Z 0-9 (never I O Q)";
    F13 Warning Core "VIN check digit at position 9 by GB 16735 (weights 8 7 6 5 4 3 2 10 0 9 8 7 6 5 4 3 2 modulo 11, 10 is X); imported vehicles: warning only";
    F14 Error Core "VIN shorter than 17 only with RACK_NO_FLAG set (old or imported vehicle)";
    F15 Warning Core "Engine number 1-30 characters, upper case, no blanks, no placeholder such as 0000 or 无";
    F16 Error Core "Plate matches GA 36: province character, office letter, 5 characters without I and O (last may be 挂 学 警 港 澳); NEV: 8 characters, D A B C E or F G H J K third (small) or last (large)";
    F17 Error Core "Plate type is in plate_types.csv and agrees with plate length and pattern (51/52 need 8 characters, 01/02 need 7)";
    F18 Error Core "Unplated new car: plate empty and NEW_VEHICLE_FLAG set; never a literal such as 新车 or a dummy plate";
    F19 Error Core "VEHICLE_CATEGORY is in vehicle_class_codes.csv";
    F20 Error Core "USE_TYPE is in usage_codes.csv";
    F21 Error Core "Seats 1-100 integer; tonnage 0-200 with at most 3 decimals; displacement 0-20000 cc; power 0-2000 kW; curb weight > 0";
    F22 Error Core "Certificate type is known; 18-character resident ID passes GB 11643 check digit and has a valid birth date and region";
    F23 Error Core "Unified social credit code is 18 characters and passes GB 32100 check character; organisation type of holder agrees with certificate type";
    F24 Warning Core "Name 2-60 characters, no digits for a natural person, no test words or placeholders";
    F25 Warning Core "Mobile is 11 digits starting 13-19; landline has area code; not the insurer's own service number";
    F26 Error Core "COVERAGE_CODE is in coverage_codes.csv for the message's code system and agrees with COVERAGE_TYPE";
    F27 Error Core "LIMIT_AMOUNT is in the product's list and is a whole multiple of its step";
    F28 Warning Core "Liability code in {1,2,3,4,5,9}; LIABILITY_RATE within 0-100 and, unless documented, one of 0 30 50 70 100";
    F29 Error Core "Bank account digits only, 10-30 long; payee name and certificate present and not masked";
    F30 Error Core "Text limits: accident description <= 2000, place <= 300, opinion <= 500 characters, no HTML or script";
    F31 Warning Core "If coordinates are given, coordinate system and standard-address version are given; point lies inside China";
    S01 Error Edge "Exactly one BASE_PART / BasePart; root, head and body in the order of the schema";
    S02 Error Core "All mandatory fields of the message present and non-empty (section 3.4 tables)";
    S03 Error Core "At least one COVERAGE; exactly one compulsory cover in a CI message and none in a BI message";
    S04 Error Core "No duplicate COVERAGE_CODE; an additional cover appears only with its main cover";
    S05 Error Core "At least one owner, policyholder and insured with certificate; driver rows only if DRIVER_NUM > 0 and their count equals it";
    S06 Warning Service "Unknown elements are reported (warning) and never silently stored in rating fields";
    S07 Error Void "Packet numbers run 1..TotalPacketCount without gap; sum of rows equals TotalDataCount";
    S08 Error Core "投保查询校验 carries the query code and an answer to the image challenge issued for the same user";
    S09 Error Core "预确认/确认 carries a live query code of the same insurer, vehicle and period; policy number unique per insurer and class";
    S10 Error Core "Confirm echoes the premium, tax and fee of the pre-confirm; any difference rejects";
    S11 Error Core "Confirm code exists; ENDORSE_TIMES is previous + 1; effective date lies inside the policy period";
    S12 Error Core "Amend confirm carries a live amend query code; only one open amendment per policy";
    S13 Error Core "Every claim message after FNOL carries confirm code, claim code and report number that belong together";
    S14 Error Core "Assessment rows carry assessor and approver name, code and certificate";
    S15 Warning Core "Parts rows: count >= 1, unit price and hours >= 0; rows sum to FITTING_TOTAL_PRICE; labour rows sum to the labour total";
    S16 Error Core "Person rows: PERSON_PAY_TYPE 2 (dead) has DEATH_TIME; injured has INJURY_TYPE; list of fees is non-empty";
    S17 Error Core "Adjustment: cover rows sum to CLAIM_AMOUNT of the adjustment; SERIAL_NO unique; fee type allowed for the cover";
    S18 Error Core "Liable-party rows appear only when the subrogation flag is on, and then at least one identifies plate, VIN or engine number";
    S19 Error Core "Recover/pay rows of type CI or TPL carry RECOVERY_CODE; type wrongdoer names a party";
    S20 Error Core "Payee rows sum to the payment total; a payee row with RECOVERY_CODE goes to an insurer";
    L01 Error Core "Start date lies between today (or the retroactive limit) and today + 90 days";
    L02 Error Core "CI period is exactly 1 year (start hour to same hour) unless a short-term reason of 条例 art.20 is given; short term is at most 12 months";
    L03 Error Service "No overlap of CI periods for the same vehicle (VIN first, then plate + plate type + engine number)";
    L04 Error Core "No CI on a trailer (category 25-28, 31, 41, 51)";
    L05 Error Rating "Base premium equals the table row for category, use, seats or tonnage, in force at the start date";
    L06 Error Rating "Final CI premium equals base x short rate x (1+accident) x (1+violation), rounded half-up to 0.01, within the platform's own result by 0.00";
    L07 Error Rating "Accident float level agrees with the platform's claim history; reason code A1-A6 given";
    L08 Error Rating "No down-float when any no-float reason applies (transfer, lapse, short-term, first year ...)";
    L09 Error Computed "Violation up-float total within the regional cap (60 percent)";
    L10 Error Rating "Short-term CI has no down-float";
    L11 Error Rating "Each cover: benchmark = pure premium / (1 - expense ratio); expense ratio within the cap for the date";
    L12 Error Rating "NCD coefficient equals the platform's; deviation rejects";
    L13 Error Rating "Autonomous coefficient inside the range for date, region, fuel type and clause";
    L14 Error Rating "Violation coefficient is 1.00 in regions without a police link";
    L15 Error Rating "Premium = sum of covers within +-0.01 of benchmark x NCD x autonomous x violation";
    L16 Error Core "TPL limit from the list; above 1,000,000 a multiple of 500,000 and at most 10,000,000";
    L17 Error Core "Additional cover only with its main cover; absolute deductible in {5,10,15,20}";
    L18 Warning Rating "Hull agreed value within the allowed band of the actual value (new price x depreciation, floor 20 percent)";
    L19 Error Core "Clause version belongs to the fuel type: NEV covers only for NEV vehicles and the fuel clause only for others";
    L20 Warning Service "Duplicate commercial cover is answered with the other insurer's data and REINSURE_FLAG 1/2";
    L21 Error Core "Category agrees with seats, tonnage, displacement and power (11 means seats < 6; 21 means < 2 t; 73 means > 250 cc)";
    L22 Error Core "Use agrees with category (101 only 11-15; 104 only 21-24; 102 not below 6 seats; 310/320 only tractors)";
    L23 Warning Core "Use type differs from the police registration: message USE_TYPE, allowed only with a reason";
    L24 Error Core "Police status stolen, deregistered, forced-deregistered or scrapped: reject; suspended, sealed, impounded: warning";
    L25 Warning Core "Make date <= first registration date <= start date; register date empty only for new vehicles";
    L26 Warning Core "Owner differs from the previous policy and no transfer flag: warning 01; with the flag a transfer date is mandatory and NCD level is 0";
    L27 Error Rating "Tax item and amount equal the platform's: annual/12 x months, tax condition consistent with evidence (P needs receipt number and authority, E and C need derate code and document)";
    L28 Warning Core "Vehicle not registered in this province: tax location from ECDEMIC flag and registration";
    L29 Error Core "Commission ratio within registered ratio and legal cap; ratio in [0,1); change (Z08) only for 个人代理/专业代理/兼业代理/经纪 and not in Shenzhen or Xiamen";
    L30 Error Core "Agent or intermediary licence valid on the issue date; channel code agrees with the licence type";
    L31 Error Core "Real-name check, SMS code or payment authentication passed where the region demands it";
    L32 Error Core "Confirm after the query code expiry is rejected; confirm date <= start date except for back-dated CI allowed by rule";
    L33 Error Core "Surrender of CI only for deregistration, suspension, loss (条例 art.16) or platform reason code; refund equals the day ratio";
    L34 Error Core "Suspension lies inside the period; resume extends the end by the suspended days";
    L35 Error Edge "Per-user daily quote count within the quota (500 in one region); excess is blocked and reported";
    L40 Error Core "Accident time lies inside the period of a policy version in force at that time";
    L41 Warning Core "accident <= report <= survey <= registration <= assessment <= adjustment <= closing <= payment; none in the future";
    L42 Error Core "Loss vehicle with VEHICLE_PROPERTY 1 is the insured VIN";
    L43 Error Core "CI payment by fee type <= the limit of the accident date (compulsory_limits.csv), no-fault amounts <= no-fault limits";
    L44 Warning Core "CI death and medical rows exist only if a person row exists; property rows only if a vehicle or property row exists";
    L45 Error Core "TPL payment = (loss + salvage - CI paid - other deductions) x share, within the limit and after the deductible";
    L46 Error Core "Hull payment follows the formula of section 5.4; salvage and total-loss deductions only for the insured vehicle";
    L47 Error Core "Sum of all payments of one vehicle loss <= actual loss + salvage fee";
    L48 Error Core "Refused claim has payment 0 and a refusal reason; insured flag 0 agrees";
    L49 Error Core "Mutual-collision self-settlement: CI report, >= 2 vehicles, no injury, no ground property, each loss <= 2,000, own liability neither full nor none, no commercial calculation";
    L50 Error Core "Reopen only after closing; the new closing replaces the previous effect on NCD and payments";
    L51 Error Core "Cancel only before closing and before any lock is confirmed; type 1 or 2 with a reason";
    L52 Warning Service "Same VIN, accident time within +-24 h and same district in another claim of any insurer: risk hint with that claim code";
    L53 Warning Service "Parts price above the model-library reference by a factor k: risk hint";
    L54 Error Core "Fraud flag needs at least one fraud type; recovered amount <= claim amount";
    L55 Warning Core "Payee is the insured, victim, hospital, repairer or recovering insurer; certificate checks";
    L56 Warning Core "Statutory clocks: 1 day document list, 5 days decision, 10 days payment, 30 days complex case, 3 days refusal notice, 60 days advance";
    L57 Error Clearing "Lock query identifies exactly one policy before confirm; own and opposing policy differ";
    L58 Error Core "Subrogation: hull cover held, third vehicle recorded, own share < 100 percent, application document and one liability document present, no advance payment";
    L59 Error Clearing "Lock cancel only while status is 1; needs a failure cause";
    L60 Error Core "Recovery amount = paid - own obligation - third-party payments; recovery of a CI item <= CI property limit share";
    L61 Error Clearing "Reviewed amount of both sides equal before settlement; zero means status 6";
    L63 Warning Core "NCD-counting flag of the claim agrees with the rule of the policy's NCD scheme; subrogation-recovered part excluded";
}

impl RuleId {
    /// The rule of that id.
    pub fn parse(code: &str) -> Result<RuleId, UnknownCode> {
        let found = RuleId::ALL.iter().find(|rule| rule.code() == code);
        found.copied().ok_or_else(|| UnknownCode::new("validation rule", code))
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RuleId, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        RuleId::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// One fault: which rule, where in the message, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule broken.
    pub rule: RuleId,
    /// What it does to the message: as the rule says, less for a case the rule itself only warns of,
    /// more for a value that cannot be read at all.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) into the message; empty for the message as a whole.
    pub pointer: String,
    /// What is wrong and what to change, lower case, no personal data.
    pub message: String,
}

/// Faults gathered while a message is read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// None yet.
    pub fn new() -> Findings {
        Findings::default()
    }

    /// Adds a fault with the rule's own severity.
    pub fn add(&mut self, rule: RuleId, pointer: impl Into<String>, message: impl Into<String>) {
        self.push(rule, rule.severity(), pointer.into(), message.into());
    }

    /// Adds a fault the rule itself only warns of, whatever its severity.
    pub fn warn(&mut self, rule: RuleId, pointer: impl Into<String>, message: impl Into<String>) {
        self.push(rule, Severity::Warning, pointer.into(), message.into());
    }

    /// Adds a value that cannot be read at all: it rejects, whatever the rule's severity.
    pub fn reject(&mut self, rule: RuleId, pointer: impl Into<String>, message: impl Into<String>) {
        self.push(rule, Severity::Error, pointer.into(), message.into());
    }

    fn push(&mut self, rule: RuleId, severity: Severity, pointer: String, message: String) {
        self.0.push(Finding { rule, severity, pointer, message });
    }

    /// Everything found, in the order it was found.
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anything found rejects the message.
    pub fn rejects(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The faults that reject, and those that become notices.
    pub fn split(self) -> (Vec<Finding>, Vec<Finding>) {
        self.0.into_iter().partition(|finding| finding.severity == Severity::Error)
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        self.0.extend(findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_alone_does_not_reject() {
        let mut found = Findings::new();
        found.add(RuleId::F13, "/vehicle/frameNo", "check digit");
        found.warn(RuleId::L24, "/vehicle", "suspended");
        assert!(!found.rejects());
        found.add(RuleId::F12, "/vehicle/frameNo", "too short");
        assert!(found.rejects());
        let (errors, notices) = found.split();
        assert_eq!((errors.len(), notices.len()), (1, 2));
    }

    #[test]
    fn findings_travel_by_rule_id() {
        let mut found = Findings::new();
        found.add(RuleId::F12, "/vehicle/frameNo", "too short");
        let text = serde_json::to_string(found.as_slice()).unwrap();
        assert_eq!(
            text,
            r#"[{"rule":"F12","severity":"error","pointer":"/vehicle/frameNo","message":"too short"}]"#
        );
        assert_eq!(serde_json::from_str::<Vec<Finding>>(&text).unwrap(), found.as_slice());
    }
}
