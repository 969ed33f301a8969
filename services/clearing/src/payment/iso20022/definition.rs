//! What the message definitions of ISO 20022 say of the messages that are written: order and number of
//! elements, and their data types. For tests.
//!
//! Sources: the message definition reports of pain.001.001.08 (CustomerCreditTransferInitiationV08),
//! pacs.008.001.07 (FIToFICustomerCreditTransferV07) and pacs.009.001.07
//! (FinancialInstitutionCreditTransferV07); order and multiplicity held against classes others
//! generated from their schemas. Components nobody here writes are named and not gone into.

use super::Element;

/// The components: name, and its elements in their order, each with its type. `?` may be left out,
/// `*` may also be repeated; `|` parts the elements of a choice, of which one is there.
const COMPONENTS: &[(&str, &str)] = &[
    ("pain.001.001.08", "CstmrCdtTrfInitn:CustomerCreditTransferInitiationV08"),
    ("pacs.008.001.07", "FIToFICstmrCdtTrf:FIToFICustomerCreditTransferV07"),
    ("pacs.009.001.07", "FICdtTrf:FinancialInstitutionCreditTransferV07"),
    (
        "CustomerCreditTransferInitiationV08",
        "GrpHdr:GroupHeader48 PmtInf:PaymentInstruction22 SplmtryData*",
    ),
    (
        "FIToFICustomerCreditTransferV07",
        "GrpHdr:GroupHeader70 CdtTrfTxInf:CreditTransferTransaction30 SplmtryData*",
    ),
    (
        "FinancialInstitutionCreditTransferV07",
        "GrpHdr:GroupHeader70 CdtTrfTxInf:CreditTransferTransaction31 SplmtryData*",
    ),
    (
        "GroupHeader48",
        "MsgId:Max35Text CreDtTm:ISODateTime Authstn* NbOfTxs:Max15NumericText \
         CtrlSum?:DecimalNumber InitgPty:PartyIdentification43 FwdgAgt?:Agent",
    ),
    (
        "GroupHeader70",
        "MsgId:Max35Text CreDtTm:ISODateTime BtchBookg? NbOfTxs:Max15NumericText \
         CtrlSum?:DecimalNumber TtlIntrBkSttlmAmt?:Amount IntrBkSttlmDt?:ISODate \
         SttlmInf:SettlementInstruction4 PmtTpInf? InstgAgt?:Agent InstdAgt?:Agent",
    ),
    (
        "SettlementInstruction4",
        "SttlmMtd:SettlementMethod1Code SttlmAcct?:CashAccount24 ClrSys? InstgRmbrsmntAgt?:Agent \
         InstgRmbrsmntAgtAcct?:CashAccount24 InstdRmbrsmntAgt?:Agent \
         InstdRmbrsmntAgtAcct?:CashAccount24 ThrdRmbrsmntAgt?:Agent \
         ThrdRmbrsmntAgtAcct?:CashAccount24",
    ),
    (
        "PaymentInstruction22",
        "PmtInfId:Max35Text PmtMtd:PaymentMethod3Code BtchBookg? NbOfTxs?:Max15NumericText \
         CtrlSum?:DecimalNumber PmtTpInf? ReqdExctnDt:DateAndDateTime2Choice \
         PoolgAdjstmntDt?:ISODate Dbtr:PartyIdentification43 DbtrAcct:CashAccount24 \
         DbtrAgt:Agent DbtrAgtAcct?:CashAccount24 InstrForDbtrAgt? \
         UltmtDbtr?:PartyIdentification43 ChrgBr?:ChargeBearerType1Code ChrgsAcct?:CashAccount24 \
         ChrgsAcctAgt?:Agent CdtTrfTxInf:CreditTransferTransaction26",
    ),
    (
        "CreditTransferTransaction26",
        "PmtId:PaymentIdentification1 PmtTpInf? Amt:AmountType4Choice XchgRateInf? \
         ChrgBr?:ChargeBearerType1Code ChqInstr? UltmtDbtr?:PartyIdentification43 \
         IntrmyAgt1?:Agent IntrmyAgt1Acct?:CashAccount24 IntrmyAgt2?:Agent \
         IntrmyAgt2Acct?:CashAccount24 IntrmyAgt3?:Agent IntrmyAgt3Acct?:CashAccount24 \
         CdtrAgt?:Agent CdtrAgtAcct?:CashAccount24 Cdtr?:PartyIdentification43 \
         CdtrAcct?:CashAccount24 UltmtCdtr?:PartyIdentification43 InstrForCdtrAgt* \
         InstrForDbtrAgt? Purp? RgltryRptg* Tax? RltdRmtInf* RmtInf?:RemittanceInformation \
         SplmtryData*",
    ),
    (
        "CreditTransferTransaction30",
        "PmtId:PaymentIdentification3 PmtTpInf? IntrBkSttlmAmt:Amount IntrBkSttlmDt?:ISODate \
         SttlmPrty?:Priority3Code SttlmTmIndctn? SttlmTmReq? AccptncDtTm?:ISODateTime \
         PoolgAdjstmntDt?:ISODate InstdAmt?:Amount XchgRate?:DecimalNumber \
         ChrgBr:ChargeBearerType1Code ChrgsInf* PrvsInstgAgt1?:Agent \
         PrvsInstgAgt1Acct?:CashAccount24 PrvsInstgAgt2?:Agent PrvsInstgAgt2Acct?:CashAccount24 \
         PrvsInstgAgt3?:Agent PrvsInstgAgt3Acct?:CashAccount24 InstgAgt?:Agent InstdAgt?:Agent \
         IntrmyAgt1?:Agent IntrmyAgt1Acct?:CashAccount24 IntrmyAgt2?:Agent \
         IntrmyAgt2Acct?:CashAccount24 IntrmyAgt3?:Agent IntrmyAgt3Acct?:CashAccount24 \
         UltmtDbtr?:PartyIdentification125 InitgPty?:PartyIdentification125 \
         Dbtr:PartyIdentification125 DbtrAcct?:CashAccount24 DbtrAgt:Agent \
         DbtrAgtAcct?:CashAccount24 CdtrAgt:Agent CdtrAgtAcct?:CashAccount24 \
         Cdtr:PartyIdentification125 CdtrAcct?:CashAccount24 UltmtCdtr?:PartyIdentification125 \
         InstrForCdtrAgt* InstrForNxtAgt* Purp? RgltryRptg* Tax? RltdRmtInf* \
         RmtInf?:RemittanceInformation SplmtryData*",
    ),
    (
        "CreditTransferTransaction31",
        "PmtId:PaymentIdentification3 PmtTpInf? IntrBkSttlmAmt:Amount IntrBkSttlmDt?:ISODate \
         SttlmPrty?:Priority3Code SttlmTmIndctn? SttlmTmReq? PrvsInstgAgt1?:Agent \
         PrvsInstgAgt1Acct?:CashAccount24 PrvsInstgAgt2?:Agent PrvsInstgAgt2Acct?:CashAccount24 \
         PrvsInstgAgt3?:Agent PrvsInstgAgt3Acct?:CashAccount24 InstgAgt?:Agent InstdAgt?:Agent \
         IntrmyAgt1?:Agent IntrmyAgt1Acct?:CashAccount24 IntrmyAgt2?:Agent \
         IntrmyAgt2Acct?:CashAccount24 IntrmyAgt3?:Agent IntrmyAgt3Acct?:CashAccount24 \
         UltmtDbtr?:Agent Dbtr:Agent DbtrAcct?:CashAccount24 DbtrAgt?:Agent \
         DbtrAgtAcct?:CashAccount24 CdtrAgt?:Agent CdtrAgtAcct?:CashAccount24 Cdtr:Agent \
         CdtrAcct?:CashAccount24 UltmtCdtr?:Agent InstrForCdtrAgt* InstrForNxtAgt* \
         RmtInf?:RemittanceInformation2 UndrlygCstmrCdtTrf? SplmtryData*",
    ),
    ("PaymentIdentification1", "InstrId?:Max35Text EndToEndId:Max35Text"),
    (
        "PaymentIdentification3",
        "InstrId?:Max35Text EndToEndId:Max35Text TxId:Max35Text ClrSysRef?:Max35Text",
    ),
    ("AmountType4Choice", "InstdAmt:Amount|EqvtAmt"),
    ("DateAndDateTime2Choice", "Dt:ISODate|DtTm:ISODateTime"),
    ("PartyIdentification43", "Nm?:Max140Text PstlAdr? Id? CtryOfRes?:CountryCode CtctDtls?"),
    ("PartyIdentification125", "Nm?:Max140Text PstlAdr? Id? CtryOfRes?:CountryCode CtctDtls?"),
    // BranchAndFinancialInstitutionIdentification5.
    ("Agent", "FinInstnId:FinancialInstitutionIdentification8 BrnchId?"),
    (
        "FinancialInstitutionIdentification8",
        "BICFI?:BICFIIdentifier ClrSysMmbId?:ClearingSystemMemberIdentification2 Nm?:Max140Text \
         PstlAdr? Othr?",
    ),
    (
        "ClearingSystemMemberIdentification2",
        "ClrSysId?:ClearingSystemIdentification2Choice MmbId:Max35Text",
    ),
    (
        "ClearingSystemIdentification2Choice",
        "Cd:ExternalClearingSystemIdentification1Code|Prtry:Max35Text",
    ),
    ("CashAccount24", "Id:AccountIdentification4Choice Tp? Ccy?:CurrencyCode Nm?:Max70Text"),
    ("AccountIdentification4Choice", "IBAN:IBAN2007Identifier|Othr:GenericAccountIdentification1"),
    ("GenericAccountIdentification1", "Id:Max34Text SchmeNm? Issr?:Max35Text"),
    ("RemittanceInformation", "Ustrd*:Max140Text Strd*"),
    ("RemittanceInformation2", "Ustrd*:Max140Text"),
];

/// Every way in which a document breaks the definition of `message`; none, and it is valid as far as
/// the definition goes here.
pub(super) fn faults(message: &str, document: &Element) -> Vec<String> {
    let mut found = Vec::new();
    check(document, message, document.local(), &mut found);
    found
}

/// An element of a component.
struct Part<'a> {
    name: &'a str,
    may_be_left_out: bool,
    may_be_repeated: bool,
    of: Option<&'a str>,
}

fn part(text: &str) -> Part<'_> {
    let (named, of) = text.split_once(':').map_or((text, None), |(name, of)| (name, Some(of)));
    let name = named.trim_end_matches(['?', '*']);
    Part { name, may_be_left_out: named != name, may_be_repeated: named.ends_with('*'), of }
}

fn check(element: &Element, component: &str, path: &str, found: &mut Vec<String>) {
    let Some((_, parts)) = COMPONENTS.iter().find(|(name, _)| *name == component) else {
        return check_value(element, component, path, found);
    };
    let is_choice = parts.contains('|');
    let parts: Vec<Part<'_>> = parts.split([' ', '|']).map(part).collect();
    if is_choice && element.children().len() != 1 {
        found.push(format!("{path}: a choice is one element"));
    }
    // Each child stands where its part does, at or after the one before.
    let mut at = 0;
    let mut seen = vec![0; parts.len()];
    for child in element.children() {
        let below = format!("{path}/{}", child.local());
        let Some(place) = parts.iter().position(|part| part.name == child.local()) else {
            found.push(format!("{below}: not in {component}"));
            continue;
        };
        if place < at {
            found.push(format!("{below}: out of order"));
        }
        at = place;
        seen[place] += 1;
        if let Some(of) = parts[place].of {
            check(child, of, &below, found);
        }
    }
    for (part, times) in parts.iter().zip(seen) {
        if times == 0 && !part.may_be_left_out && !is_choice {
            found.push(format!("{path}/{}: missing", part.name));
        }
        if 1 < times && !part.may_be_repeated {
            found.push(format!("{path}/{}: repeated", part.name));
        }
    }
}

fn check_value(element: &Element, data_type: &str, path: &str, found: &mut Vec<String>) {
    let text = element.own_text();
    let all = |allowed: fn(&u8) -> bool| text.as_bytes().iter().all(allowed);
    let is_number = |whole: usize, behind: usize| {
        let (before, after) = text.split_once('.').unwrap_or((text, ""));
        let digits = before.len() + after.len();
        !before.is_empty()
            && before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_digit())
            && digits <= whole
            && after.len() <= behind
    };
    let up_to = |most: usize| (1..=most).contains(&text.chars().count());
    let holds = match data_type {
        "Max34Text" => up_to(34),
        "Max35Text" => up_to(35),
        "Max70Text" => up_to(70),
        "Max140Text" => up_to(140),
        "Max15NumericText" => up_to(15) && all(u8::is_ascii_digit),
        "DecimalNumber" => is_number(18, 17),
        "Amount" => {
            let currency = element.attribute("Ccy").unwrap_or_default();
            is_number(18, 5) && is_currency(currency)
        }
        "ISODate" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ISODateTime" => text.parse::<jiff::civil::DateTime>().is_ok() && text.contains('T'),
        "CurrencyCode" => is_currency(text),
        "CountryCode" => text.len() == 2 && all(u8::is_ascii_uppercase),
        "BICFIIdentifier" => is_bic(text),
        "IBAN2007Identifier" => {
            let (head, tail) = text.split_at_checked(4).unwrap_or_default();
            head.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
                && head.bytes().skip(2).all(|byte| byte.is_ascii_digit())
                && (1..=30).contains(&tail.len())
                && tail.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        // The list is kept outside the message; CNAPS is in it.
        "ExternalClearingSystemIdentification1Code" => (1..=5).contains(&text.len()),
        "PaymentMethod3Code" => ["CHK", "TRF", "TRA"].contains(&text),
        "ChargeBearerType1Code" => ["DEBT", "CRED", "SHAR", "SLEV"].contains(&text),
        "SettlementMethod1Code" => ["INDA", "INGA", "COVE", "CLRG"].contains(&text),
        "Priority3Code" => ["URGT", "HIGH", "NORM"].contains(&text),
        unknown => panic!("{unknown} is neither a component nor a data type here"),
    };
    if !holds {
        found.push(format!("{path}: {text:?} is no {data_type}"));
    }
    if !element.children().is_empty() {
        found.push(format!("{path}: has elements"));
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// `[A-Z]{6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3})?`.
fn is_bic(text: &str) -> bool {
    let bytes = text.as_bytes();
    let letter = |at: usize| bytes[at].is_ascii_uppercase();
    matches!(bytes.len(), 8 | 11)
        && (0..6).all(letter)
        && (letter(6) || (b'2'..=b'9').contains(&bytes[6]))
        && (letter(7) || bytes[7].is_ascii_digit())
        && bytes[7] != b'O'
        && bytes[8..].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
