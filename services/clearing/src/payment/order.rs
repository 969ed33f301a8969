//! Payment orders (支付指令), pure: what is ordered, where an order stands, what the bank's word
//! changes.
//!
//! The bank's word is cumulative: it says how much was paid in all and how much went back in all.
//! So a word that is heard twice, late or out of order changes nothing, and what is booked is
//! always the difference to what was known.

use jiff::Timestamp;
use kernel::{Fen, TenantId};
use production_core::coded_enum;
use production_core::number::PlatformNumber;
use uuid::Uuid;

kernel::id_type! {
    /// Names one payment order; made by whoever orders, so that ordering twice is one order.
    pub OrderId
}

impl OrderId {
    /// The id as banks carry it: 32 hexadecimal digits, within the 35 characters of ISO 20022.
    pub fn end_to_end(self) -> String {
        self.0.simple().to_string()
    }

    /// Reads an id as banks carry it.
    pub fn parse_end_to_end(text: &str) -> Option<OrderId> {
        Uuid::try_parse(text).ok().map(OrderId)
    }
}

coded_enum! {
    /// Which way the money goes (收付方向).
    pub enum Direction ("payment direction") {
        Collect = "collect", "代收", "money comes to the clearing house";
        PayOut = "pay_out", "代付", "money leaves the clearing house";
    }
}

coded_enum! {
    /// Whose account in the books a share of an order moves.
    pub enum ShareOf ("share of a payment") {
        Settlement = "settlement", "清算备付", "funds a participant keeps for settlement";
        Premium = "premium", "保费", "premium of an insurer";
        Tax = "tax", "车船税", "vehicle tax for the tax office";
        Fund = "fund", "救助基金", "the social assistance fund";
        Commission = "commission", "中介手续费", "commission of an intermediary";
        Advance = "advance", "垫付", "advances for the injured";
    }
}

/// What an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderPurpose {
    /// A net position of a cycle (轧差资金), to or from the participant's own bank account.
    SettlementFunds {
        /// The cycle.
        cycle_id: Uuid,
    },
    /// An insurer pays a payee of a claim out of its funds (赔款支付).
    ClaimPayment {
        /// The claim.
        claim_no: PlatformNumber,
    },
    /// Money a participant brings or takes home, outside any cycle (备付金调拨).
    Funding,
    /// The premium of a pre-confirmed quote or endorsement, shared out when it comes (保费代收).
    Premium {
        /// Query code or amend query code.
        code: String,
        /// Whose it is; adds up to the amount.
        shares: Vec<Share>,
    },
    /// A collection goes back, all or part, share by share (退费).
    Refund {
        /// The collection.
        of: OrderId,
        /// Amend query code of the endorsement that gives it back, if one does.
        amend_code: Option<String>,
        /// Parts of its shares; adds up to the amount.
        shares: Vec<Share>,
    },
    /// An advance for the injured (垫付).
    Advance {
        /// The advance.
        advance_id: Uuid,
        /// Who bears it for now; adds up to the amount.
        shares: Vec<Share>,
    },
    /// What gathered for a payee is paid on (上缴、结付).
    Remittance {
        /// The remittance.
        remittance_id: Uuid,
        /// Whose it is; the amount.
        share: Share,
    },
}

impl OrderPurpose {
    /// The purpose as a code.
    pub const fn code(&self) -> &'static str {
        match self {
            OrderPurpose::SettlementFunds { .. } => "settlement_funds",
            OrderPurpose::ClaimPayment { .. } => "claim_payment",
            OrderPurpose::Funding => "funding",
            OrderPurpose::Premium { .. } => "premium",
            OrderPurpose::Refund { .. } => "refund",
            OrderPurpose::Advance { .. } => "advance",
            OrderPurpose::Remittance { .. } => "remittance",
        }
    }

    /// The cycle, claim, quote, endorsement, order, advance or remittance; empty where there is none.
    pub fn about(&self) -> String {
        match self {
            OrderPurpose::SettlementFunds { cycle_id } => cycle_id.to_string(),
            OrderPurpose::ClaimPayment { claim_no } => claim_no.to_string(),
            OrderPurpose::Funding => String::new(),
            OrderPurpose::Premium { code, .. } => code.clone(),
            OrderPurpose::Refund { of, .. } => of.to_string(),
            OrderPurpose::Advance { advance_id, .. } => advance_id.to_string(),
            OrderPurpose::Remittance { remittance_id, .. } => remittance_id.to_string(),
        }
    }

    /// The endorsement that gives the money back.
    pub fn amend_code(&self) -> Option<&str> {
        match self {
            OrderPurpose::Refund { amend_code, .. } => amend_code.as_deref(),
            _ => None,
        }
    }

    /// Which ways this money may go.
    pub fn allows(&self, direction: Direction) -> bool {
        match self {
            OrderPurpose::SettlementFunds { .. } | OrderPurpose::Funding => true,
            OrderPurpose::Premium { .. } => direction == Direction::Collect,
            // An advance is paid out, and collected when it is recovered.
            OrderPurpose::Advance { .. } => true,
            OrderPurpose::ClaimPayment { .. }
            | OrderPurpose::Refund { .. }
            | OrderPurpose::Remittance { .. } => direction == Direction::PayOut,
        }
    }

    /// How the amount is shared out among accounts; in full to the participant's funds unless the
    /// purpose says otherwise.
    pub fn shares(&self, participant: TenantId, amount: Fen) -> Vec<Share> {
        match self {
            OrderPurpose::SettlementFunds { .. }
            | OrderPurpose::ClaimPayment { .. }
            | OrderPurpose::Funding => {
                vec![Share { owner: participant, of: ShareOf::Settlement, amount }]
            }
            OrderPurpose::Premium { shares, .. }
            | OrderPurpose::Refund { shares, .. }
            | OrderPurpose::Advance { shares, .. } => shares.clone(),
            OrderPurpose::Remittance { share, .. } => vec![*share],
        }
    }
}

/// A part of an order's money and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose account.
    pub owner: TenantId,
    /// Which of their accounts.
    pub of: ShareOf,
    /// How much, more than nothing.
    pub amount: Fen,
}

/// Whether `reference` may stand in a payment message: 1 to 35 of the basic set of ISO 20022, not
/// beginning or ending with a space or slash, without two slashes in a row.
pub fn is_reference(reference: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-?:().,'+ ".contains(&byte);
    (1..=35).contains(&reference.len())
        && reference.bytes().all(allowed)
        && !reference.starts_with(['/', ' '])
        && !reference.ends_with(['/', ' '])
        && !reference.contains("//")
}

/// Where an order stands. `Settled`, `Rejected` and `Returned` end it, but for money that comes
/// back later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// 已下单: committed here; the bank has not been told.
    Ordered,
    /// 已发送: the bank may have it.
    Sent,
    /// 已受理: the bank has it.
    Accepted,
    /// 部分结清: part of the money moved.
    PartlySettled {
        /// So much.
        settled: Fen,
    },
    /// 已结清: all of it moved.
    Settled,
    /// 已拒绝: the bank will do no more.
    Rejected {
        /// What had moved before; nothing, as a rule.
        settled: Fen,
        /// The bank's reason.
        reason: String,
    },
    /// 已退回: money that had moved went back.
    Returned {
        /// What had moved.
        settled: Fen,
        /// What went back of it.
        returned: Fen,
        /// The bank's reason.
        reason: String,
    },
}

/// What the bank says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It has the order.
    Accepted,
    /// So much moved in all; the order is still under way unless this is all of it.
    Settled {
        /// In all.
        total: Fen,
    },
    /// No more will move.
    Rejected {
        /// What moved before.
        settled: Fen,
        /// Why.
        reason: String,
    },
    /// Money came back.
    Returned {
        /// What had moved in all.
        settled: Fen,
        /// What went back in all.
        returned: Fen,
        /// Why.
        reason: String,
    },
}

/// A word, and the bank's own number of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The bank's number.
    pub bank_ref: Option<String>,
    /// What it says.
    pub word: Word,
    /// When the bank says it happened.
    pub at: Timestamp,
}

/// What a word changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Where the order stands now.
    pub stage: Stage,
    /// What had moved, before and after.
    pub settled: Moved,
    /// What had gone back, before and after.
    pub returned: Moved,
    /// The order ended with this word although not all of the money moved.
    pub ended_short: bool,
}

/// A cumulative amount before and after a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Before.
    pub before: Fen,
    /// After; not less.
    pub after: Fen,
}

impl Moved {
    /// What the word added.
    pub fn added(self) -> Fen {
        Fen(self.after.0 - self.before.0)
    }
}

/// The bank's word cannot be true beside what it said before. Nothing is booked; somebody has to
/// look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// More moved than was ordered, or less than nothing.
    #[error("the bank reports an amount that does not fit the order")]
    Amount,
    /// More went back than had moved.
    #[error("the bank reports more money back than had moved")]
    MoreBackThanMoved,
    /// Money moved after the bank had ended the order.
    #[error("the bank reports money moved after it had ended the order")]
    AfterTheEnd,
    /// The bank refuses what it had settled in full.
    #[error("the bank rejects an order it had settled")]
    RejectedAfterSettled,
    /// The bank ended the order with less than is known to have moved.
    #[error("the bank ends the order with less than had moved")]
    LessThanMoved,
}

impl Contradiction {
    /// As it is stored.
    pub const fn code(self) -> &'static str {
        match self {
            Contradiction::Amount => "amount",
            Contradiction::MoreBackThanMoved => "more_back_than_moved",
            Contradiction::AfterTheEnd => "after_the_end",
            Contradiction::RejectedAfterSettled => "rejected_after_settled",
            Contradiction::LessThanMoved => "less_than_moved",
        }
    }
}

impl Stage {
    /// The stage as a code.
    pub const fn code(&self) -> &'static str {
        match self {
            Stage::Ordered => "ordered",
            Stage::Sent => "sent",
            Stage::Accepted => "accepted",
            Stage::PartlySettled { .. } => "partly_settled",
            Stage::Settled => "settled",
            Stage::Rejected { .. } => "rejected",
            Stage::Returned { .. } => "returned",
        }
    }

    /// What moved of `amount`.
    pub fn settled(&self, amount: Fen) -> Fen {
        match self {
            Stage::Ordered | Stage::Sent | Stage::Accepted => Fen::ZERO,
            Stage::PartlySettled { settled }
            | Stage::Rejected { settled, .. }
            | Stage::Returned { settled, .. } => *settled,
            Stage::Settled => amount,
        }
    }

    /// What went back.
    pub fn returned(&self) -> Fen {
        match self {
            Stage::Returned { returned, .. } => *returned,
            _ => Fen::ZERO,
        }
    }

    /// The bank's reason, where it gave one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Stage::Rejected { reason, .. } | Stage::Returned { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether nothing more is expected of the bank.
    pub fn is_over(&self) -> bool {
        matches!(self, Stage::Settled | Stage::Rejected { .. } | Stage::Returned { .. })
    }

    /// Hears `word` about an order of `amount`.
    pub fn hear(self, amount: Fen, word: &Word) -> Result<Heard, Contradiction> {
        let (said_settled, said_returned) = match word {
            Word::Accepted => (Fen::ZERO, Fen::ZERO),
            Word::Settled { total } => (*total, Fen::ZERO),
            Word::Rejected { settled, .. } => (*settled, Fen::ZERO),
            Word::Returned { settled, returned, .. } => (*settled, *returned),
        };
        if said_settled < Fen::ZERO || amount < said_settled || said_returned < Fen::ZERO {
            return Err(Contradiction::Amount);
        }
        let (was_settled, was_returned) = (self.settled(amount), self.returned());
        let settled = Moved { before: was_settled, after: was_settled.max(said_settled) };
        let returned = Moved { before: was_returned, after: was_returned.max(said_returned) };
        if settled.after < returned.after {
            return Err(Contradiction::MoreBackThanMoved);
        }
        let was_over = self.is_over();
        if was_over && settled.added() > Fen::ZERO {
            return Err(Contradiction::AfterTheEnd);
        }
        let stage = match (self, word) {
            (Stage::Settled, Word::Rejected { .. }) => {
                return Err(Contradiction::RejectedAfterSettled);
            }
            (_, Word::Rejected { .. }) if settled.after == amount => {
                return Err(Contradiction::RejectedAfterSettled);
            }
            (_, Word::Rejected { .. }) if said_settled < was_settled => {
                return Err(Contradiction::LessThanMoved);
            }
            (Stage::Returned { reason, .. }, word) => Stage::Returned {
                settled: settled.after,
                returned: returned.after,
                reason: match word {
                    Word::Returned { reason, .. } if returned.added() > Fen::ZERO => reason.clone(),
                    _ => reason,
                },
            },
            (_, Word::Returned { reason, .. }) if returned.after > Fen::ZERO => Stage::Returned {
                settled: settled.after,
                returned: returned.after,
                reason: reason.clone(),
            },
            (ended @ (Stage::Rejected { .. } | Stage::Settled), _) => ended,
            (_, Word::Rejected { reason, .. }) => {
                Stage::Rejected { settled: settled.after, reason: reason.clone() }
            }
            _ if settled.after == amount => Stage::Settled,
            _ if settled.after > Fen::ZERO => Stage::PartlySettled { settled: settled.after },
            _ => Stage::Accepted,
        };
        let ended_short = !was_over && stage.is_over() && settled.after < amount;
        Ok(Heard { stage, settled, returned, ended_short })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    const AMOUNT: Fen = Fen(1_000);

    fn settled(total: i64) -> Word {
        Word::Settled { total: Fen(total) }
    }

    fn rejected(settled: i64) -> Word {
        Word::Rejected { settled: Fen(settled), reason: "AC04".into() }
    }

    fn returned(settled: i64, returned: i64) -> Word {
        let (settled, returned) = (Fen(settled), Fen(returned));
        Word::Returned { settled, returned, reason: "AC01".into() }
    }

    /// Words, and how their order ends.
    type Told<'a> = (&'a [Word], (&'static str, i64, i64));

    /// Hears words one after the other; the last code, and what was booked in all each way.
    fn story(words: &[Word]) -> Result<(&'static str, i64, i64), Contradiction> {
        let (mut stage, mut moved, mut back) = (Stage::Sent, 0, 0);
        for word in words {
            let heard = stage.hear(AMOUNT, word)?;
            moved += heard.settled.added().0;
            back += heard.returned.added().0;
            stage = heard.stage;
        }
        Ok((stage.code(), moved, back))
    }

    #[test]
    fn an_order_goes_from_sent_to_its_end_whatever_is_heard_twice_or_late() {
        let stories: &[Told<'_>] = &[
            (&[Word::Accepted], ("accepted", 0, 0)),
            (&[Word::Accepted, settled(1_000)], ("settled", 1_000, 0)),
            (&[settled(1_000), settled(1_000), Word::Accepted], ("settled", 1_000, 0)),
            (&[settled(400), settled(1_000), settled(400)], ("settled", 1_000, 0)),
            (&[settled(400)], ("partly_settled", 400, 0)),
            (&[rejected(0), rejected(0), Word::Accepted], ("rejected", 0, 0)),
            (&[settled(400), rejected(400), settled(400)], ("rejected", 400, 0)),
            (&[settled(1_000), returned(1_000, 1_000)], ("returned", 1_000, 1_000)),
            // The word about the settlement was lost: the return carries it.
            (&[returned(1_000, 300), settled(1_000)], ("returned", 1_000, 300)),
            (&[returned(1_000, 300), returned(1_000, 1_000)], ("returned", 1_000, 1_000)),
        ];
        for (words, end) in stories {
            assert_eq!(story(words), Ok(*end), "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_true_books_nothing() {
        let stories: &[(&[Word], Contradiction)] = &[
            (&[settled(1_001)], Contradiction::Amount),
            (&[settled(-1)], Contradiction::Amount),
            (&[returned(300, 400)], Contradiction::MoreBackThanMoved),
            (&[rejected(0), settled(1_000)], Contradiction::AfterTheEnd),
            (&[settled(1_000), rejected(1_000)], Contradiction::RejectedAfterSettled),
            (&[rejected(1_000)], Contradiction::RejectedAfterSettled),
            (&[settled(400), rejected(300)], Contradiction::LessThanMoved),
        ];
        for (words, fault) in stories {
            assert_eq!(story(words), Err(*fault), "{words:?}");
        }
    }

    #[test]
    fn a_reference_is_of_the_basic_set_of_iso_20022() {
        for good in ["A", "CW-2026/07:net (1)", &"9".repeat(35)] {
            assert!(is_reference(good), "{good:?}");
        }
        for bad in ["", &"9".repeat(36), "保费", "/A", "A/", "A//B", " A", "A_B", "A&B"] {
            assert!(!is_reference(bad), "{bad:?}");
        }
    }

    fn words() -> impl Strategy<Value = Word> {
        prop_oneof![
            Just(Word::Accepted),
            (0..=1_000i64).prop_map(settled),
            (0..1_000i64).prop_map(rejected),
            (0..=1_000i64, 0..=1_000i64).prop_map(|(moved, back)| returned(moved, back)),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_booked_twice_and_never_more_than_ordered(
            words in proptest::collection::vec(words(), 1..12)
        ) {
            let (mut stage, mut moved, mut back) = (Stage::Sent, 0, 0);
            for word in &words {
                let Ok(heard) = stage.clone().hear(AMOUNT, word) else { continue };
                moved += heard.settled.added().0;
                back += heard.returned.added().0;
                prop_assert_eq!(heard.stage.settled(AMOUNT), heard.settled.after);
                prop_assert_eq!(heard.stage.returned(), heard.returned.after);
                stage = heard.stage;
                // The same word again changes nothing.
                if let Ok(again) = stage.clone().hear(AMOUNT, word) {
                    prop_assert_eq!(&again.stage, &stage);
                    prop_assert_eq!(again.settled.added().0 + again.returned.added().0, 0);
                    prop_assert!(!again.ended_short);
                }
            }
            prop_assert!(0 <= back && back <= moved && moved <= AMOUNT.0);
        }
    }
}
