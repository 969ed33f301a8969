//! A bank over files: orders in one folder, statements in another.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clearing::function;
use clearing::payment::bank::{Bank, FileBank, Instruction, Standing};
use clearing::payment::iso20022::{Sender, credit_transfers};
use clearing::payment::order::{Direction, OrderId};
use clearing::payment::payee::{BankAccount, BankAccountBody};
use jiff::SignedDuration;
use kernel::{Clock, Fen};
use tempfile::TempDir;
use uuid::Uuid;

use crate::payment::{account, claim, funding, simple};
use crate::settlement::market::worked_example;
use crate::support::assert_whole;
use crate::world::{World, view};

const OWN: &str = "1001000000000000001";

struct Gateway {
    dir: TempDir,
    bank: FileBank,
}

fn gateway(standing: Standing) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (dir.path().join("out"), dir.path().join("in"));
    std::fs::create_dir(&outbox).unwrap();
    std::fs::create_dir(&inbox).unwrap();
    let own =
        BankAccountBody {
            bank: "102301000028".into(), account: OWN.into(), name: "清算所".into()
        };
    let account = BankAccount::read(&own, "").unwrap();
    let sender = Sender { name: "Clearing house".into(), account };
    let bank = FileBank::open(sender, standing, outbox, inbox).unwrap();
    Gateway { dir, bank }
}

impl Gateway {
    fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap());
        let files = names.filter(|entry| entry.file_type().unwrap().is_file());
        let mut names: Vec<String> =
            files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The gateway takes what lies in the outbox: message and account, amount, order of each.
    fn collect(&self) -> Vec<(String, String, i64, String)> {
        let mut taken = Vec::new();
        for name in self.names("out") {
            let path = self.folder("out").join(&name);
            let [told] = &credit_transfers(&std::fs::read_to_string(&path).unwrap()).unwrap()[..]
            else {
                panic!("one transfer a file");
            };
            let message = name.split('-').next().unwrap().to_owned();
            let account = told.account.clone().unwrap();
            taken.push((message, account, told.amount.0, told.end_to_end.clone()));
            std::fs::remove_file(path).unwrap();
        }
        taken.sort();
        taken
    }

    fn leave(&self, name: &str, text: &str) {
        std::fs::write(self.folder("in").join(name), text).unwrap();
    }
}

/// Touched long ago.
fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
}

/// A camt.053 of 2025-03-01: reference, fen (positive when it came in), order, message of each line.
fn statement(account: &str, opening: i64, lines: &[(&str, i64, &str, &str)]) -> String {
    let amount = |fen: i64| {
        let way = if fen < 0 { "DBIT" } else { "CRDT" };
        let yuan = Fen(fen.abs()).yuan();
        format!(r#"<Amt Ccy="CNY">{yuan}</Amt><CdtDbtInd>{way}</CdtDbtInd>"#)
    };
    let balance = |code: &str, fen: i64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{}<Dt><Dt>2025-03-01</Dt></Dt></Bal>",
            amount(fen)
        )
    };
    let closing = opening + lines.iter().map(|(_, fen, ..)| fen).sum::<i64>();
    let mut text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.07"><BkToCstmrStmt><Stmt>
<Id>S</Id><Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>{}{}"#,
        balance("OPBD", opening),
        balance("CLBD", closing)
    );
    for (reference, fen, order, message) in lines {
        write!(
            text,
            "<Ntry>{}<Sts>BOOK</Sts><BookgDt><Dt>2025-03-01</Dt></BookgDt>\
             <AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls><TxDtls><Refs>\
             <EndToEndId>{order}</EndToEndId></Refs><RmtInf><Ustrd>{message}</Ustrd></RmtInf>\
             </TxDtls></NtryDtls></Ntry>",
            amount(*fen)
        )
        .unwrap();
    }
    text + "</Stmt></BkToCstmrStmt></Document>\n"
}

impl World {
    async fn take_left(&self) -> usize {
        self.clearing.take_left_statements(self.clock.now()).await
    }
}

#[tokio::test]
async fn a_cycle_and_a_claim_are_paid_by_files_alone() {
    let gateway = gateway(Standing::Customer);
    let world = World::with_bank(Some(Arc::new(gateway.bank.clone()))).await.registered().await;
    for (insurer, number) in [(&world.paic, "2222222222"), (&world.cpic, "3333333333")] {
        let call = world.call(insurer, &function::PAYMENT_ACCOUNT_SET);
        view(world.clearing.set_payment_account(call, account(number)).await).unwrap();
    }
    let cycle = world.stated(&worked_example()).await;
    world.all_confirm(cycle).await;
    let owed = world.order(cycle, "PICC").await["orderId"].as_str().unwrap().to_owned();
    let owed = OrderId(owed.parse().unwrap()).end_to_end();
    assert_eq!(world.clearing.place_funds(world.clock.now()).await, 1);
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    assert_eq!(gateway.collect(), [], "who owes is not told by a file");

    // Both payers send what they owe: one names the order in the message, one as EndToEndId.
    let first = [("A1", 440_000, "NOTPROVIDED", &*owed), ("A2", 500_000, &*simple(1), "FUNDS")];
    gateway.leave("camt-1.xml", &statement(OWN, 0, &first));
    assert_eq!(world.take_left().await, 1);
    assert_eq!(world.stage(cycle).await, "settled");
    assert_eq!(world.payment(1).await["stage"], "settled");
    assert_eq!(world.house_bank().await, 940_000);

    world.order_payment(2, claim("3460.00")).await.unwrap();
    assert_eq!(world.clearing.place_funds(world.clock.now()).await, 2);
    world.serve().await;
    let told = gateway.collect();
    let expected = [
        ("pacs.009", "2222222222", 160_000),
        ("pacs.009", "3333333333", 280_000),
        ("pain.001", "6222021301001234567", 346_000),
    ];
    let seen: Vec<(&str, &str, i64)> =
        told.iter().map(|(message, account, fen, _)| (&**message, &**account, *fen)).collect();
    assert_eq!(seen, expected);
    // Nobody answers, so it is looked at again and again: the bank is not told twice.
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_hours(2));
        world.serve().await;
    }
    assert_eq!(gateway.collect(), []);
    assert_eq!(world.payment(2).await["stage"], "sent");

    let references = ["B1", "B2", "B3"];
    let second: Vec<(&str, i64, &str, &str)> = (references.iter().zip(&told))
        .map(|(reference, (_, _, fen, order))| (*reference, -fen, order.as_str(), "x"))
        .collect();
    let message = statement(OWN, 940_000, &second);
    gateway.leave("camt-2.xml", &message);
    assert_eq!(world.take_left().await, 1);
    assert_eq!(world.stage(cycle).await, "reconciled");
    assert_eq!(world.payment(2).await["stage"], "settled");
    assert_eq!(world.house_bank().await, 154_000);
    world.assert_every_position_is_zero(cycle).await;

    // The same file again, under its own and another name: put away, nothing moves.
    gateway.leave("camt-2.xml", &message);
    gateway.leave("again.xml", &message);
    assert_eq!(world.take_left().await, 2);
    assert_eq!(world.take_left().await, 0, "nothing is read twice");
    assert_eq!(world.house_bank().await, 154_000);
    let kept = ["2-camt-2.xml", "again.xml", "camt-1.xml", "camt-2.xml"];
    assert_eq!(gateway.names("in/taken"), kept);
    assert_eq!(gateway.names("in"), Vec::<String>::new());
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_file_that_is_not_whole_waits_and_one_that_is_no_statement_is_put_aside() {
    let gateway = gateway(Standing::Customer);
    let world = World::with_bank(Some(Arc::new(gateway.bank.clone()))).await.registered().await;
    world.order_payment(1, funding("collect", "50.00")).await.unwrap();
    world.serve().await;
    let whole = statement(OWN, 0, &[("A1", 5_000, &simple(1), "x")]);
    let half = &whole[..whole.len() / 2];
    gateway.leave("day.xml", half);
    gateway.leave(".hidden.xml", "still being written under a name of its own");
    gateway.leave("readme.txt", "not a message");
    assert_eq!(world.take_left().await, 0);
    assert_eq!(gateway.names("in"), [".hidden.xml", "day.xml", "readme.txt"]);
    gateway.leave("day.xml", &whole);
    assert_eq!(world.take_left().await, 1);
    assert_eq!(world.payment(1).await["stage"], "settled");

    // Broken off for good, cut through a character, of somebody else, another message, wrong sums.
    gateway.leave("a-broken.xml", half);
    age(&gateway.folder("in/a-broken.xml"));
    std::fs::write(gateway.folder("in/b-bytes.xml"), [0xe6, 0xb8]).unwrap();
    age(&gateway.folder("in/b-bytes.xml"));
    let stranger = statement("9999999999", 0, &[("Z1", 7_000, &simple(1), "x")]);
    gateway.leave("c-stranger.xml", &stranger);
    gateway.leave("d-other.xml", "<Document><Something/></Document>");
    let wrong = whole.replacen(">50<", ">51<", 1).replacen(">50.00<", ">51.00<", 1);
    gateway.leave("e-sums.xml", &wrong);
    assert_eq!(world.take_left().await, 5);
    let refused = ["a-broken.xml", "b-bytes.xml", "c-stranger.xml", "d-other.xml", "e-sums.xml"];
    assert_eq!(gateway.names("in/refused"), refused);
    assert_eq!(gateway.names("in/taken"), ["day.xml"]);
    assert_eq!(world.house_bank().await, 5_000);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_member_of_the_clearing_system_writes_interbank_messages_and_folders_must_be_there() {
    let member = gateway(Standing::Member);
    let payee = BankAccount::read(&account("6222021301001234567"), "").unwrap();
    let instruction = Instruction {
        order: OrderId(Uuid::from_u128(7)),
        direction: Direction::PayOut,
        between_institutions: false,
        amount: Fen(12_345),
        reference: "CLAIM 7".into(),
        account: payee,
        ordered_at: "2025-03-01T02:00:00Z".parse().unwrap(),
    };
    member.bank.send(&instruction).await.unwrap();
    member.bank.send(&instruction).await.unwrap();
    let expected = ("pacs.008".into(), "6222021301001234567".into(), 12_345, simple(7));
    assert_eq!(member.collect(), [expected]);

    let nowhere = PathBuf::from("/nowhere/at/all");
    let own = BankAccount::read(&account(OWN), "").unwrap();
    let sender = Sender { name: "x".into(), account: own };
    let refused = FileBank::open(sender, Standing::Member, nowhere.clone(), nowhere).unwrap_err();
    assert_eq!(refused.to_string(), "cannot use the bank's outbox /nowhere/at/all");
}
