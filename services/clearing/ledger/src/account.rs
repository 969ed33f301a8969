//! Accounts: whose, what for, in which currency, how far they may go, and where they stand.

use std::fmt;

use jiff::Timestamp;
use kernel::{Fen, TenantId};
use production_core::coded_enum;

kernel::id_type! {
    /// Names one account. Made by whoever opens it.
    pub AccountId
}

kernel::id_type! {
    /// Names one settlement cycle: what was posted while it was open is settled together.
    pub CycleId
}

coded_enum! {
    /// What an account is for. A participant has at most one of each in a currency; of positions,
    /// one in each cycle.
    pub enum Purpose ("account purpose") {
        Bank = "bank", "银行存款", "the bank's side: money that entered or left the platform";
        Settlement = "settlement", "清算备付", "funds a participant keeps for settlement";
        Collateral = "collateral", "清算保证金", "what a participant left against its own failure";
        Position = "position", "清算头寸", "what a participant owes or is owed before settlement";
        Recovery = "recovery", "代位追偿", "recoveries between insurers, agreed and not netted";
        Premium = "premium", "保费代收", "premiums collected for an insurer";
        Tax = "tax", "车船税代收", "vehicle tax withheld for the tax office";
        Fund = "fund", "救助基金", "the share of the social assistance fund";
        Commission = "commission", "中介手续费", "commissions withheld for intermediaries";
        Advance = "advance", "垫付款", "advances for the injured, until they are recovered";
        Fee = "fee", "平台服务费", "fees of the platform";
        Suspense = "suspense", "待查挂账", "money whose owner is not known yet";
    }
}

/// A currency by its three-letter code (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The text is not three upper-case letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("currency {0:?} is not three letters A-Z")]
pub struct CurrencyError(String);

impl Currency {
    /// 人民币.
    pub const CNY: Currency = Currency(*b"CNY");

    /// Reads three upper-case letters.
    pub fn parse(raw: &str) -> Result<Currency, CurrencyError> {
        match <[u8; 3]>::try_from(raw.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => Err(CurrencyError(raw.chars().take(40).collect())),
        }
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters ever get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

/// How far an account may go. Checked when a transfer would take it further that way; what came
/// about before a cap was lowered stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most that debits, posted and reserved, may exceed posted credits (净借记限额). Zero: the
    /// account cannot be overdrawn. Negative: so much must stay on it. `None`: no cap.
    pub net_debit_cap: Option<Fen>,
    /// The same the other way round: credits, posted and reserved, over posted debits.
    pub net_credit_cap: Option<Fen>,
}

/// The four counters of an account. They only grow, except that what is pending shrinks when a
/// reservation ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// 借方发生额.
    pub debits_posted: Fen,
    /// 贷方发生额.
    pub credits_posted: Fen,
    /// Reserved on the debit side (冻结).
    pub debits_pending: Fen,
    /// Reserved on the credit side.
    pub credits_pending: Fen,
}

impl Balance {
    /// Posted credits less posted debits: what the account has, negative for what it owes.
    pub fn net_credit(&self) -> i128 {
        i128::from(self.credits_posted.0) - i128::from(self.debits_posted.0)
    }

    /// Debits, posted and reserved, less posted credits: what the net debit cap is held against.
    pub fn debit_exposure(&self) -> i128 {
        i128::from(self.debits_pending.0) - self.net_credit()
    }

    /// Credits, posted and reserved, less posted debits.
    pub fn credit_exposure(&self) -> i128 {
        i128::from(self.credits_pending.0) + self.net_credit()
    }
}

/// An account as somebody wants it opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Made by the caller; opening it again changes nothing.
    pub id: AccountId,
    /// Whose.
    pub participant: TenantId,
    /// What for.
    pub purpose: Purpose,
    /// In what.
    pub currency: Currency,
    /// Of which cycle; `None` for one that outlives them.
    pub cycle: Option<CycleId>,
    /// How far it may go.
    pub limits: Limits,
}

/// An account and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Names it.
    pub id: AccountId,
    /// Whose.
    pub participant: TenantId,
    /// What for.
    pub purpose: Purpose,
    /// In what.
    pub currency: Currency,
    /// Of which cycle; `None` for one that outlives them.
    pub cycle: Option<CycleId>,
    /// How far it may go now.
    pub limits: Limits,
    /// Where it stands.
    pub balance: Balance,
    /// When it last moved, else when it was opened. Nothing moves it before that.
    pub moved_at: Timestamp,
}

/// What an id was opened with before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountField {
    /// For somebody else.
    Participant,
    /// For something else.
    Purpose,
    /// In another currency.
    Currency,
    /// In another cycle.
    Cycle,
}

/// Why an account is not opened, first reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefusal {
    /// All zeros or all ones.
    #[error("the account's id is all zeros or all ones")]
    IdReserved,
    /// The id names another account.
    #[error("the id names an account with another {0:?}")]
    IdTaken(AccountField),
    /// The participant has an account for this purpose in this currency and cycle.
    #[error("the participant has account {0} for this purpose, currency and cycle")]
    PurposeTaken(AccountId),
}

/// Opens an account at `now`, or finds it: `by_id` is the account of that id, `by_purpose` the one
/// of the same participant, purpose, currency and cycle. Limits of an account that is found stay as they
/// are: they change by their own command.
pub fn open(
    wanted: &NewAccount,
    by_id: Option<&Account>,
    by_purpose: Option<&Account>,
    now: Timestamp,
) -> Result<Account, OpenRefusal> {
    if is_reserved(wanted.id.0) {
        return Err(OpenRefusal::IdReserved);
    }
    if let Some(found) = by_id {
        let differs = if found.participant != wanted.participant {
            Some(AccountField::Participant)
        } else if found.purpose != wanted.purpose {
            Some(AccountField::Purpose)
        } else if found.currency != wanted.currency {
            Some(AccountField::Currency)
        } else {
            (found.cycle != wanted.cycle).then_some(AccountField::Cycle)
        };
        return differs.map_or(Ok(found.clone()), |field| Err(OpenRefusal::IdTaken(field)));
    }
    if let Some(other) = by_purpose {
        return Err(OpenRefusal::PurposeTaken(other.id));
    }
    Ok(Account {
        id: wanted.id,
        participant: wanted.participant,
        purpose: wanted.purpose,
        currency: wanted.currency,
        cycle: wanted.cycle,
        limits: wanted.limits,
        balance: Balance::default(),
        moved_at: now,
    })
}

/// Whether an id is one nobody may use: fields left empty or filled to the brim look like these.
pub(crate) fn is_reserved(id: uuid::Uuid) -> bool {
    id.is_nil() || id.is_max()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn wanted(id: u128) -> NewAccount {
        NewAccount {
            id: AccountId(Uuid::from_u128(id)),
            participant: TenantId(Uuid::from_u128(1)),
            purpose: Purpose::Position,
            currency: Currency::CNY,
            cycle: None,
            limits: Limits { net_debit_cap: Some(Fen(900)), net_credit_cap: None },
        }
    }

    #[test]
    fn an_account_is_opened_once() {
        let now = Timestamp::UNIX_EPOCH;
        let opened = open(&wanted(7), None, None, now).unwrap();
        assert_eq!(opened.balance, Balance::default());
        let mut other_limits = wanted(7);
        other_limits.limits = Limits::default();
        assert_eq!(open(&other_limits, Some(&opened), Some(&opened), now), Ok(opened.clone()));
        let taken = OpenRefusal::PurposeTaken(opened.id);
        assert_eq!(open(&wanted(8), None, Some(&opened), now), Err(taken));
        for id in [0, u128::MAX] {
            assert_eq!(open(&wanted(id), None, None, now), Err(OpenRefusal::IdReserved));
        }
    }

    #[test]
    fn another_account_under_the_same_id_is_refused_by_its_first_difference() {
        let now = Timestamp::UNIX_EPOCH;
        let opened = open(&wanted(7), None, None, now).unwrap();
        let differs = |change: fn(&mut NewAccount)| {
            let mut other = wanted(7);
            change(&mut other);
            open(&other, Some(&opened), None, now).unwrap_err()
        };
        let taken = OpenRefusal::IdTaken;
        assert_eq!(differs(|new| new.purpose = Purpose::Tax), taken(AccountField::Purpose));
        let usd = |new: &mut NewAccount| new.currency = Currency(*b"USD");
        assert_eq!(differs(usd), taken(AccountField::Currency));
        let cycle = |new: &mut NewAccount| new.cycle = Some(CycleId(Uuid::from_u128(3)));
        assert_eq!(differs(cycle), taken(AccountField::Cycle));
        let participant = differs(|new| {
            new.participant = TenantId(Uuid::from_u128(2));
            new.purpose = Purpose::Tax;
        });
        assert_eq!(participant, taken(AccountField::Participant));
    }

    #[test]
    fn currencies_are_three_letters() {
        assert_eq!(Currency::parse("CNY"), Ok(Currency::CNY));
        for raw in ["", "CN", "cny", "CNYX", "C1Y", "元元元"] {
            assert!(Currency::parse(raw).is_err(), "{raw:?}");
        }
    }
}
