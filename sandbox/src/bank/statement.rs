//! The bank's statement: what moved, whoever was told.

use std::fmt::Write;

use jiff::civil::Date;
use kernel::{Fen, time};

use super::{HOUSE_ACCOUNT, Held, Way};
use crate::invent;

/// A line of the statement.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) day: Date,
    /// Positive when it came in.
    pub(super) amount: Fen,
    pub(super) order_id: Option<String>,
    pub(super) reference: String,
    pub(super) entry_ref: String,
    pub(super) is_return: bool,
}

pub(super) fn entry(held: &Held, amount: Fen, is_return: bool) -> Entry {
    let comes_in = (held.order.direction == Way::Collect) != is_return;
    let total = if is_return { held.standing.returned } else { held.standing.settled };
    let salt = if is_return { "return" } else { "settle" };
    let number = invent::seed(&format!("{}-{}", held.standing.order_id, total.0), salt);
    Entry {
        day: time::day_of(held.order.requested_at),
        amount: if comes_in { amount } else { Fen(-amount.0) },
        order_id: Some(held.standing.order_id.clone()),
        reference: held.order.reference.clone(),
        entry_ref: format!("E{:012}", number % 1_000_000_000_000),
        is_return,
    }
}

/// camt.053.001.07.
pub(super) fn written<'a>(
    day: Date,
    opening: Fen,
    entries: impl Iterator<Item = &'a Entry>,
) -> String {
    let signed = |amount: Fen| if amount.0 < 0 { "DBIT" } else { "CRDT" };
    let magnitude = |amount: Fen| Fen(amount.0.abs()).yuan();
    let mut lines = String::new();
    let mut closing = opening.0;
    for entry in entries {
        closing += entry.amount.0;
        let order = entry.order_id.as_deref().unwrap_or("NOTPROVIDED");
        let back = if entry.is_return { "<RvslInd>true</RvslInd>" } else { "" };
        let _ = write!(
            lines,
            "<Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{back}\
             <Sts>BOOK</Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>\
             <AcctSvcrRef>{entry_ref}</AcctSvcrRef>\
             <BkTxCd><Prtry><Cd>{code}</Cd></Prtry></BkTxCd>\
             <NtryDtls><TxDtls><Refs><EndToEndId>{order}</EndToEndId></Refs>\
             <Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>\
             <RmtInf><Ustrd>{reference}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>",
            amount = magnitude(entry.amount),
            sign = signed(entry.amount),
            entry_ref = entry.entry_ref,
            code = if entry.is_return { "RTRN" } else { "PMNT" },
            reference = entry.reference.replace('&', "&amp;").replace('<', "&lt;"),
        );
    }
    let balance = |code: &str, amount: Fen| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{}</Amt>\
             <CdtDbtInd>{}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>",
            magnitude(amount),
            signed(amount)
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.07\"><BkToCstmrStmt>\
         <GrpHdr><MsgId>STMT-{day}</MsgId><CreDtTm>{day}T23:59:59</CreDtTm></GrpHdr>\
         <Stmt><Id>STMT-{day}</Id><CreDtTm>{day}T23:59:59</CreDtTm>\
         <Acct><Id><Othr><Id>{HOUSE_ACCOUNT}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>\
         {opening}{closing}{lines}</Stmt></BkToCstmrStmt></Document>\n",
        opening = balance("OPBD", opening),
        closing = balance("CLBD", Fen(closing)),
    )
}
