//! Against messages other software wrote, against the message definitions, and against their schemas
//! where these are at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::date;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use uuid::Uuid;

use super::definition::faults;
use super::*;
use crate::payment::order::{Direction, OrderId};
use crate::payment::payee::BankAccountBody;

fn vector(name: &str) -> Option<String> {
    let dir = testkit::shared_data("vectors/iso20022")?;
    Some(std::fs::read_to_string(dir.join(name)).unwrap())
}

fn account_at(bank: &str, account: &str, name: &str) -> BankAccount {
    let body = BankAccountBody { bank: bank.into(), account: account.into(), name: name.into() };
    BankAccount::read(&body, "").unwrap()
}

fn sender() -> Sender {
    let account = account_at("102301000028", "1001000000000000001", "清算所");
    Sender { name: "清算所".into(), account }
}

fn order() -> Instruction {
    Instruction {
        order: OrderId(Uuid::from_u128(0x0196_0000_0000_7000_8000_0000_0000_0001)),
        direction: Direction::PayOut,
        between_institutions: false,
        amount: Fen(346_000),
        reference: "CLAIM 2026-0017".into(),
        account: account_at("ICBKCNBJSHI", "6222021301001234567", "李芳 & 王强"),
        ordered_at: "2025-03-01T18:30:00Z".parse().unwrap(),
    }
}

fn written() -> [(&'static str, String); 3] {
    [
        ("pain.001.001.08", pain_001(&sender(), &order())),
        ("pacs.008.001.07", pacs_008(&sender(), &order())),
        ("pacs.009.001.07", pacs_009(&sender(), &order())),
    ]
}

#[test]
fn every_vector_is_read_and_written_back() {
    let names = [
        "camt.053.001.07.xml",
        "mx_sample_bah.xml",
        "pacs.008.001.07.xml",
        "pacs.009.001.07.xml",
        "samplemsg.002.001.08-SplmtryData_removed.xml",
    ];
    for name in names {
        let Some(text) = vector(name) else { return };
        let read = Element::read(&text).unwrap();
        assert_eq!(Element::read(&read.document()).unwrap(), read, "{name}");
        // Nothing was left out: every element and attribute of the text is in the tree.
        let tags = text.matches('<').count()
            - text.matches("</").count()
            - text.matches("<?").count()
            - text.matches("<!").count();
        fn count(element: &Element) -> usize {
            1 + element.children().iter().map(count).sum::<usize>()
        }
        assert_eq!(count(&read), tags, "{name}");
    }
}

#[test]
fn transfers_of_the_vectors_are_what_they_say() {
    let Some(text) = vector("pacs.008.001.07.xml") else { return };
    let transfer = |end_to_end: &str, fen, creditor: &str| CreditTransfer {
        end_to_end: end_to_end.into(),
        amount: Fen(fen),
        currency: "USD".into(),
        creditor: Some(creditor.into()),
        account: None,
    };
    assert_eq!(credit_transfers(&text), Ok(vec![transfer("223423423", 500_000, "Mike Smith")]));
    let text = vector("pacs.009.001.07.xml").unwrap();
    let institution = transfer("ASDFASDF2342", 2_242_300, "SDFG SDFGSDFG");
    assert_eq!(credit_transfers(&text), Ok(vec![institution]));
}

#[test]
fn the_statement_of_the_vectors_is_what_it_says() {
    let Some(text) = vector("camt.053.001.07.xml") else { return };
    let statement = camt_053(&text).unwrap();
    assert_eq!((statement.id.as_str(), statement.account.as_str()), ("SDFSDF", "2345234534"));
    assert_eq!(statement.currency, "USD");
    let balances = [("OPAV", 23_423_400), ("ITBD", 23_429_900)];
    assert_eq!(statement.balances, balances.map(|(code, fen)| (code.to_owned(), Fen(fen))));
    assert_eq!(statement.lines, []);
}

#[test]
fn what_is_written_reads_back_as_the_order() {
    for (message, text) in written() {
        let read = credit_transfers(&text).unwrap();
        let expected = CreditTransfer {
            end_to_end: "01960000000070008000000000000001".into(),
            amount: Fen(346_000),
            currency: "CNY".into(),
            creditor: Some("李芳 & 王强".into()),
            account: Some("6222021301001234567".into()),
        };
        assert_eq!(read, [expected], "{message}");
        // 18:30 UTC is the next day in China.
        assert!(text.contains("2025-03-02"), "{message}");
        let root = Element::read(&text).unwrap();
        assert_eq!(root.attribute("xmlns"), Some(format!("{URN}{message}").as_str()));
    }
}

#[test]
fn what_is_written_keeps_to_the_message_definitions() {
    for (message, text) in written() {
        let found = faults(message, &Element::read(&text).unwrap());
        assert_eq!(found, Vec::<String>::new(), "{message}");
    }
}

#[test]
fn the_message_definitions_allow_what_others_write() {
    for message in ["pacs.008.001.07", "pacs.009.001.07"] {
        let Some(theirs) = vector_of(message) else { return };
        let theirs = Element::read(&theirs).unwrap();
        let found = faults(message, theirs.all("Document")[0]);
        assert_eq!(found, Vec::<String>::new(), "{message}");
    }
}

#[test]
fn the_message_definitions_refuse_what_is_not_in_them() {
    let [(pain, initiation), (pacs, transfer), _] = written();
    let changed = |message: &str, text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        faults(message, &Element::read(&text.replacen(from, to, 1)).unwrap())
    };
    let table = [
        (
            pain,
            &initiation,
            "<PmtMtd>TRF</PmtMtd>",
            "",
            "Document/CstmrCdtTrfInitn/PmtInf/PmtMtd: missing",
        ),
        (
            pain,
            &initiation,
            "TRF",
            "XXX",
            "Document/CstmrCdtTrfInitn/PmtInf/PmtMtd: \"XXX\" is no PaymentMethod3Code",
        ),
        (
            pain,
            &initiation,
            "ICBKCNBJSHI",
            "ICBKCN1OSHI",
            "Document/CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf/CdtrAgt/FinInstnId/BICFI: \"ICBKCN1OSHI\" is no BICFIIdentifier",
        ),
        (
            pacs,
            &transfer,
            "<ChrgBr>SLEV</ChrgBr>",
            "",
            "Document/FIToFICstmrCdtTrf/CdtTrfTxInf/ChrgBr: missing",
        ),
        (
            pacs,
            &transfer,
            "<SttlmMtd>CLRG</SttlmMtd>",
            "<Cd>CLRG</Cd>",
            "Document/FIToFICstmrCdtTrf/GrpHdr/SttlmInf/Cd: not in SettlementInstruction4",
        ),
        (
            pacs,
            &transfer,
            "3460.00",
            "3460.000001",
            "Document/FIToFICstmrCdtTrf/GrpHdr/TtlIntrBkSttlmAmt: \"3460.000001\" is no Amount",
        ),
    ];
    for (message, text, from, to, fault) in table {
        let found = changed(message, text, from, to);
        assert!(found.iter().any(|found| found == fault), "{from}: {found:?}");
    }
    let (name, id) = ("<NbOfTxs>1</NbOfTxs>", "<CreDtTm>2025-03-02T02:30:00</CreDtTm>");
    let swapped = changed(pacs, &transfer, &format!("{id}{name}"), &format!("{name}{id}"));
    assert_eq!(swapped, ["Document/FIToFICstmrCdtTrf/GrpHdr/CreDtTm: out of order"]);
}

/// Children of each element of a path, in the order in which they stand.
fn orders(element: &Element, path: &str, into: &mut BTreeMap<String, Vec<String>>) {
    let path = format!("{path}/{}", element.local());
    for child in element.children() {
        let known = into.entry(path.clone()).or_default();
        if !known.contains(&child.local().to_owned()) {
            known.push(child.local().to_owned());
        }
        orders(child, &path, into);
    }
}

#[test]
fn elements_stand_in_the_order_in_which_others_write_them() {
    for (message, text) in written() {
        let Some(theirs) = vector_of(message) else { continue };
        let (mut seen, mut ours) = (BTreeMap::new(), BTreeMap::new());
        let theirs = Element::read(&theirs).unwrap();
        let document = theirs.all("Document")[0];
        orders(document, "", &mut seen);
        orders(&Element::read(&text).unwrap(), "", &mut ours);
        for (path, children) in ours {
            let Some(seen) = seen.get(&path) else { continue };
            let shared: Vec<&String> =
                children.iter().filter(|child| seen.contains(child)).collect();
            let expected: Vec<&String> =
                seen.iter().filter(|child| children.contains(child)).collect();
            assert_eq!(shared, expected, "{message} {path}");
        }
    }
}

fn vector_of(message: &str) -> Option<String> {
    let dir = testkit::shared_data("vectors/iso20022")?;
    std::fs::read_to_string(dir.join(format!("{message}.xml"))).ok()
}

#[test]
fn what_is_written_holds_against_the_schemas_where_they_are() {
    let Some(dir) = testkit::shared_data("vectors/iso20022") else { return };
    for (message, text) in written() {
        let schema: PathBuf = dir.join(format!("{message}.xsd"));
        if !schema.exists() || !has_xmllint() {
            eprintln!("skipped: {message} is not checked without its schema and xmllint");
            continue;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        assert!(is_valid(&schema, file.path()), "{message}");
    }
}

fn has_xmllint() -> bool {
    std::process::Command::new("xmllint").arg("--version").output().is_ok()
}

fn is_valid(schema: &Path, file: &Path) -> bool {
    let mut xmllint = std::process::Command::new("xmllint");
    xmllint.arg("--noout").arg("--schema").arg(schema).arg(file);
    xmllint.status().unwrap().success()
}

fn statement(lines: &str, closing: &str) -> String {
    format!(
        "<Document><BkToCstmrStmt><Stmt><Id>S1</Id><Acct><Id><IBAN>GB1</IBAN></Id></Acct>\
         <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>100.00</Amt>\
         <CdtDbtInd>CRDT</CdtDbtInd></Bal><Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp>\
         <Amt Ccy='CNY'>{closing}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>{lines}\
         </Stmt></BkToCstmrStmt></Document>"
    )
}

#[test]
fn a_statement_gives_its_booked_lines_and_must_add_up() {
    let entry = |amount: &str, status: &str, details: &str| {
        format!(
            "<Ntry><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd>{status}\
             <BookgDt><DtTm>2025-03-01T09:00:00+08:00</DtTm></BookgDt>\
             <AcctSvcrRef>E1</AcctSvcrRef><NtryDtls>{details}</NtryDtls></Ntry>"
        )
    };
    let part = |amount: &str, id: &str| {
        format!(
            "<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs><Amt Ccy='CNY'>{amount}</Amt>\
             <CdtDbtInd>DBIT</CdtDbtInd></TxDtls>"
        )
    };
    let batch = part("10.00", "A") + &part("20.5000", "NOTPROVIDED");
    let booked = entry("30.50", "<Sts><Cd>BOOK</Cd></Sts>", &batch);
    let pending = entry("5.00", "<Sts>PDNG</Sts>", "");
    let read = camt_053(&statement(&(booked.clone() + &pending), "69.50")).unwrap();
    let lines: Vec<_> = read
        .lines
        .iter()
        .map(|line| (line.entry_ref.as_str(), line.amount.0, line.end_to_end.as_deref()))
        .collect();
    assert_eq!(lines, [("E1/1", -1_000, Some("A")), ("E1/2", -2_050, None)]);
    assert_eq!(read.lines[0].booked_on, date(2025, 3, 1));
    let off = camt_053(&statement(&booked, "69.49"));
    assert_eq!(off, Err(MessageError::DoesNotAddUp(6_950)));
}

proptest! {
    /// Whatever a caller may write keeps to the definitions and reads back.
    #[test]
    fn every_order_that_is_taken_is_written_validly(
        fen in 1i64..=99_999_999_999_999,
        name in "[^\\p{Cc}]{1,140}",
        number in "[A-Za-z0-9]{5,34}",
        is_bic: bool,
        reference in "[A-Za-z0-9?:().,'+-]{1,35}",
    ) {
        let bank = if is_bic { "ICBKCNBJ" } else { "102301000028" };
        let body = BankAccountBody { bank: bank.into(), account: number.clone(), name };
        let Ok(account) = BankAccount::read(&body, "") else { return Ok(()) };
        let order = Instruction { amount: Fen(fen), reference, account, ..order() };
        let written = [
            ("pain.001.001.08", pain_001(&sender(), &order)),
            ("pacs.008.001.07", pacs_008(&sender(), &order)),
            ("pacs.009.001.07", pacs_009(&sender(), &order)),
        ];
        for (message, text) in written {
            let document = Element::read(&text);
            prop_assert!(document.is_ok(), "{}: {}", message, text);
            prop_assert_eq!(faults(message, &document.unwrap()), Vec::<String>::new());
            let read = credit_transfers(&text).unwrap();
            prop_assert_eq!(read[0].amount, Fen(fen));
            prop_assert_eq!(read[0].account.as_deref(), Some(number.as_str()));
        }
    }
}
