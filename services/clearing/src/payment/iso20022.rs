//! ISO 20022 messages: credit transfers written, statements read.
//!
//! Written: pain.001.001.08 (a customer tells its bank), pacs.008.001.07 (between banks, for
//! customers), pacs.009.001.07 (between institutions for themselves). Read: camt.053.001.02 and
//! later. Order ids travel as `EndToEndId`. Amounts are yuan with two decimals.

mod xml;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, time};

use super::bank::Instruction;
use super::order::OrderId;
use super::payee::BankAccount;

pub use xml::{Element, XmlError};

const URN: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// Who sends a message and from which account it pays.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Its name.
    pub name: String,
    /// The account it pays from.
    pub account: BankAccount,
}

/// pain.001.001.08 with one order.
pub fn pain_001(sender: &Sender, order: &Instruction) -> String {
    let own = &sender.account;
    let day = time::day_of(order.ordered_at).to_string();
    let transaction = Element::parent("CdtTrfTxInf")
        .with(Element::parent("PmtId").text("EndToEndId", &order.order.end_to_end()))
        .with(Element::parent("Amt").with(amount("InstdAmt", order.amount)))
        .with(agent("CdtrAgt", order.account.bank()))
        .with(Element::parent("Cdtr").text("Nm", order.account.name()))
        .with(account("CdtrAcct", order.account.account()))
        .with(remittance(order));
    let payment = Element::parent("PmtInf")
        .text("PmtInfId", &order.order.end_to_end())
        .text("PmtMtd", "TRF")
        .text("NbOfTxs", "1")
        .text("CtrlSum", &order.amount.yuan().to_string())
        .with(Element::parent("ReqdExctnDt").text("Dt", &day))
        .with(Element::parent("Dbtr").text("Nm", &sender.name))
        .with(account("DbtrAcct", own.account()))
        .with(agent("DbtrAgt", own.bank()))
        .with(transaction);
    let header = Element::parent("GrpHdr")
        .text("MsgId", &order.order.end_to_end())
        .text("CreDtTm", &written_at(order.ordered_at))
        .text("NbOfTxs", "1")
        .text("CtrlSum", &order.amount.yuan().to_string())
        .with(Element::parent("InitgPty").text("Nm", &sender.name));
    let body = Element::parent("CstmrCdtTrfInitn").with(header).with(payment);
    document("pain.001.001.08", body)
}

/// pacs.008.001.07 with one order.
pub fn pacs_008(sender: &Sender, order: &Instruction) -> String {
    let transaction = interbank(order)
        .text("ChrgBr", "SLEV")
        .with(Element::parent("Dbtr").text("Nm", &sender.name))
        .with(account("DbtrAcct", sender.account.account()))
        .with(agent("DbtrAgt", sender.account.bank()))
        .with(agent("CdtrAgt", order.account.bank()))
        .with(Element::parent("Cdtr").text("Nm", order.account.name()))
        .with(account("CdtrAcct", order.account.account()))
        .with(remittance(order));
    let body = Element::parent("FIToFICstmrCdtTrf").with(interbank_header(order)).with(transaction);
    document("pacs.008.001.07", body)
}

/// pacs.009.001.07 with one order.
pub fn pacs_009(sender: &Sender, order: &Instruction) -> String {
    let institution = |name: &str, what: &str| {
        Element::parent(name).with(Element::parent("FinInstnId").text("Nm", what))
    };
    let transaction = interbank(order)
        .with(institution("Dbtr", &sender.name))
        .with(account("DbtrAcct", sender.account.account()))
        .with(agent("DbtrAgt", sender.account.bank()))
        .with(agent("CdtrAgt", order.account.bank()))
        .with(institution("Cdtr", order.account.name()))
        .with(account("CdtrAcct", order.account.account()))
        .with(remittance(order));
    let body = Element::parent("FICdtTrf").with(interbank_header(order)).with(transaction);
    document("pacs.009.001.07", body)
}

/// A credit transfer as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditTransfer {
    /// `EndToEndId`.
    pub end_to_end: String,
    /// How much.
    pub amount: Fen,
    /// ISO 4217.
    pub currency: String,
    /// Who is paid, where a name is given.
    pub creditor: Option<String>,
    /// To which account, where one is given.
    pub account: Option<String>,
}

/// A camt.053 statement of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The bank's name for it.
    pub id: String,
    /// The account.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// Balances by their code (`OPBD`, `CLBD` ..), negative when the account is overdrawn.
    pub balances: Vec<(String, Fen)>,
    /// The day of its closing balance, where it says one.
    pub closed_on: Option<Date>,
    /// Booked lines in order; what is only pending or for information is left out.
    pub lines: Vec<StatementLine>,
}

/// A booked line of a statement; a batch is as many lines as it has transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// The bank's reference, unique within the account.
    pub entry_ref: String,
    /// The day it was booked.
    pub booked_on: Date,
    /// Positive when it came in.
    pub amount: Fen,
    /// Whether it takes an earlier one back.
    pub is_reversal: bool,
    /// `EndToEndId`, where one is given.
    pub end_to_end: Option<String>,
    /// What stood in the message, where anything did.
    pub remittance: Option<String>,
}

impl StatementLine {
    /// The order it names: as `EndToEndId`, or in the message of a payer who was told the reference.
    pub fn order(&self) -> Option<OrderId> {
        let named = self.end_to_end.as_deref().and_then(OrderId::parse_end_to_end);
        named.or_else(|| OrderId::parse_end_to_end(self.remittance.as_deref()?.trim()))
    }
}

/// Why a message is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not well-formed.
    #[error("the message is not well-formed")]
    Xml(#[from] XmlError),
    /// Another message, or none.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// An element holds what it must not.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// Opening balance and lines do not give the closing balance.
    #[error("the statement does not add up: its lines lead to {0} fen")]
    DoesNotAddUp(i64),
}

/// Reads the transfers of a pacs.008, pacs.009 or pain.001 message, with or without an envelope.
pub fn credit_transfers(message: &str) -> Result<Vec<CreditTransfer>, MessageError> {
    let root = Element::read(message)?;
    let transfers = root.all("CdtTrfTxInf");
    if transfers.is_empty() {
        return Err(MessageError::Missing("CdtTrfTxInf"));
    }
    transfers
        .into_iter()
        .map(|found| {
            let sum = found.find(&["IntrBkSttlmAmt"]).or_else(|| found.find(&["Amt", "InstdAmt"]));
            let sum = sum.ok_or(MessageError::Missing("IntrBkSttlmAmt or InstdAmt"))?;
            let creditor =
                found.value(&["Cdtr", "Nm"]).or_else(|| found.value(&["Cdtr", "FinInstnId", "Nm"]));
            let end_to_end = found.value(&["PmtId", "EndToEndId"]);
            Ok(CreditTransfer {
                end_to_end: end_to_end.ok_or(MessageError::Missing("EndToEndId"))?.to_owned(),
                amount: fen(sum)?,
                currency: sum.attribute("Ccy").unwrap_or_default().to_owned(),
                creditor: creditor.map(str::to_owned),
                account: account_of(found.find(&["CdtrAcct"])),
            })
        })
        .collect()
}

/// Reads a camt.053 message of one account, with or without an envelope; checks that it adds up
/// where it says from what to what.
pub fn camt_053(message: &str) -> Result<Statement, MessageError> {
    let root = Element::read(message)?;
    let found = root.all("Stmt");
    let found = *found.first().ok_or(MessageError::Missing("Stmt"))?;
    let account = account_of(found.find(&["Acct"])).ok_or(MessageError::Missing("Acct"))?;
    let mut balances = Vec::new();
    for balance in found.children_named("Bal") {
        let code = balance.value(&["Tp", "CdOrPrtry", "Cd"]).unwrap_or_default();
        balances.push((code.to_owned(), signed(balance)?));
    }
    let mut lines = Vec::new();
    for entry in found.children_named("Ntry") {
        // A code by itself until version 7, a choice from version 8 on.
        let status = entry.value(&["Sts", "Cd"]).or_else(|| entry.value(&["Sts"]));
        if status == Some("BOOK") {
            lines.extend(entry_lines(entry)?);
        }
    }
    let of = |code: &str| balances.iter().find(|(known, _)| known == code).map(|(_, sum)| *sum);
    if let (Some(opening), Some(closing)) = (of("OPBD"), of("CLBD")) {
        let led_to = lines.iter().fold(opening.0, |sum, line| sum.saturating_add(line.amount.0));
        if led_to != closing.0 {
            return Err(MessageError::DoesNotAddUp(led_to));
        }
    }
    let mut closing = found
        .children_named("Bal")
        .filter(|balance| balance.value(&["Tp", "CdOrPrtry", "Cd"]) == Some("CLBD"));
    let closed_on = closing.next().and_then(|balance| balance.value(&["Dt", "Dt"])?.parse().ok());
    Ok(Statement {
        closed_on,
        id: found.value(&["Id"]).ok_or(MessageError::Missing("Stmt/Id"))?.to_owned(),
        account,
        currency: found.value(&["Acct", "Ccy"]).unwrap_or_default().to_owned(),
        balances,
        lines,
    })
}

fn entry_lines(entry: &Element) -> Result<Vec<StatementLine>, MessageError> {
    let booked_on = entry
        .value(&["BookgDt", "Dt"])
        .or_else(|| entry.value(&["BookgDt", "DtTm"]).and_then(|instant| instant.get(..10)));
    let booked_on = booked_on.ok_or(MessageError::Missing("BookgDt"))?;
    let booked_on: Date = booked_on.parse().map_err(|_| MessageError::Unreadable("BookgDt"))?;
    let entry_ref = entry.value(&["AcctSvcrRef"]).or_else(|| entry.value(&["NtryRef"]));
    let entry_ref = entry_ref.ok_or(MessageError::Missing("AcctSvcrRef"))?;
    let is_reversal = entry.value(&["RvslInd"]) == Some("true");
    let details = entry.all("TxDtls");
    let line = |entry_ref: String, amount: Fen, details: Option<&&Element>| StatementLine {
        entry_ref,
        booked_on,
        amount,
        is_reversal,
        end_to_end: details
            .and_then(|details| details.value(&["Refs", "EndToEndId"]))
            .filter(|id| *id != "NOTPROVIDED")
            .map(str::to_owned),
        remittance: details
            .and_then(|details| details.value(&["RmtInf", "Ustrd"]))
            .map(str::to_owned),
    };
    if details.len() < 2 {
        return Ok(vec![line(entry_ref.to_owned(), signed(entry)?, details.first())]);
    }
    let mut lines = Vec::new();
    for (at, detail) in details.iter().enumerate() {
        lines.push(line(format!("{entry_ref}/{}", at + 1), signed(detail)?, Some(detail)));
    }
    Ok(lines)
}

/// The amount of an entry or a balance, negative for a debit.
fn signed(of: &Element) -> Result<Fen, MessageError> {
    let sum = fen(of.find(&["Amt"]).ok_or(MessageError::Missing("Amt"))?)?;
    match of.value(&["CdtDbtInd"]) {
        Some("CRDT") => Ok(sum),
        Some("DBIT") => Ok(Fen(-sum.0)),
        _ => Err(MessageError::Missing("CdtDbtInd")),
    }
}

fn fen(element: &Element) -> Result<Fen, MessageError> {
    // ISO 20022 allows more zeros behind the point than a fen has.
    let text = element.own_text();
    let text = match text.split_once('.') {
        Some((yuan, behind))
            if behind.len() > 2 && behind[2..].bytes().all(|byte| byte == b'0') =>
        {
            format!("{yuan}.{}", &behind[..2])
        }
        _ => text.to_owned(),
    };
    text.parse().map_err(|_| MessageError::Unreadable("an amount"))
}

fn account_of(element: Option<&Element>) -> Option<String> {
    let element = element?;
    let found = element.value(&["Id", "IBAN"]).or_else(|| element.value(&["Id", "Othr", "Id"]));
    found.map(str::to_owned)
}

fn document(message: &str, body: Element) -> String {
    Element::parent("Document")
        .attributed("xmlns", &format!("{URN}{message}"))
        .with(body)
        .document()
}

fn interbank_header(order: &Instruction) -> Element {
    Element::parent("GrpHdr")
        .text("MsgId", &order.order.end_to_end())
        .text("CreDtTm", &written_at(order.ordered_at))
        .text("NbOfTxs", "1")
        .with(amount("TtlIntrBkSttlmAmt", order.amount))
        .text("IntrBkSttlmDt", &time::day_of(order.ordered_at).to_string())
        .with(Element::parent("SttlmInf").text("SttlmMtd", "CLRG"))
}

fn interbank(order: &Instruction) -> Element {
    let id = order.order.end_to_end();
    let payment =
        Element::parent("PmtId").text("InstrId", &id).text("EndToEndId", &id).text("TxId", &id);
    Element::parent("CdtTrfTxInf")
        .with(payment)
        .with(amount("IntrBkSttlmAmt", order.amount))
        .text("IntrBkSttlmDt", &time::day_of(order.ordered_at).to_string())
}

fn amount(name: &str, amount: Fen) -> Element {
    Element::leaf(name, &amount.yuan().to_string()).attributed("Ccy", "CNY")
}

fn account(name: &str, number: &str) -> Element {
    let other = Element::parent("Othr").text("Id", number);
    Element::parent(name).with(Element::parent("Id").with(other))
}

/// A bank by BIC, or by its 联行号 in the Chinese clearing system.
fn agent(name: &str, bank: &str) -> Element {
    let institution = Element::parent("FinInstnId");
    let is_bic = bank.starts_with(|first: char| first.is_ascii_uppercase());
    let institution = if is_bic {
        institution.text("BICFI", bank)
    } else {
        let system = Element::parent("ClrSysId").text("Cd", "CNAPS");
        institution.with(Element::parent("ClrSysMmbId").with(system).text("MmbId", bank))
    };
    Element::parent(name).with(institution)
}

fn remittance(order: &Instruction) -> Element {
    Element::parent("RmtInf").text("Ustrd", &order.reference)
}

/// Civil time in China, to the second.
fn written_at(at: Timestamp) -> String {
    time::wall_time(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod definition;
#[cfg(test)]
mod tests;
