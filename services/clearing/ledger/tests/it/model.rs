//! The ledger once more, written to be obviously right instead of fast: a log of what was answered,
//! from which everything is worked out anew each time. Shares nothing with the book but the words.

use clearing_ledger::{
    Account, AccountId, Action, Amount, Chain, Field, Movement, Outcome, Receipt, Refusal,
    Transfer, TransferId,
};
use jiff::{SignedDuration, Timestamp};
use kernel::Fen;

use crate::support::numbers;

/// What the ledger should answer.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    accounts: Vec<Account>,
    log: Vec<Line>,
}

/// One id and the answer it got.
#[derive(Clone, Debug)]
struct Line {
    asked: Transfer,
    /// Ids of its chain in order, itself included.
    mates: Vec<TransferId>,
    at: Timestamp,
    answer: Result<Moved, Refusal>,
}

/// What a line that was done moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moved {
    debit: AccountId,
    credit: AccountId,
    amount: i64,
    /// Debits posted, credits posted, debits pending, credits pending of both, afterwards.
    debit_after: [i64; 4],
    credit_after: [i64; 4],
}

impl Model {
    pub(crate) fn of(accounts: Vec<Account>) -> Model {
        Model { accounts, log: Vec::new() }
    }

    /// Checks the answers to a chain at an instant, and remembers them.
    pub(crate) fn expect(&mut self, chain: &Chain, at: Timestamp, outcomes: &[Outcome]) {
        let expected = self.submit(chain, at);
        assert_eq!(expected.len(), outcomes.len());
        for ((asked, expected), outcome) in chain.transfers().iter().zip(expected).zip(outcomes) {
            let seen = outcome.map(|receipt| {
                let Receipt { amount, debit_after, credit_after, .. } = receipt;
                (amount.0, numbers(&debit_after), numbers(&credit_after))
            });
            let expected = expected.map(|m| (m.amount, m.debit_after, m.credit_after));
            assert_eq!(seen, expected, "{asked:?} at {at}");
        }
    }

    /// The counters of an account at an instant.
    pub(crate) fn counters(&self, account: AccountId, at: Timestamp) -> [i64; 4] {
        let mut sums = [0i128; 4];
        for line in &self.log {
            let Ok(moved) = line.answer else { continue };
            let side = match account {
                account if account == moved.debit => 0,
                account if account == moved.credit => 1,
                _ => continue,
            };
            let amount = i128::from(moved.amount);
            match &line.asked.action {
                Action::Post(_) | Action::PostReserved { .. } | Action::Correct { .. } => {
                    sums[side] += amount;
                }
                Action::Reserve { .. } if self.end(line, at).is_none() => sums[2 + side] += amount,
                Action::Reserve { .. } | Action::Void { .. } => {}
            }
        }
        sums.map(|sum| i64::try_from(sum).unwrap())
    }

    fn submit(&mut self, chain: &Chain, at: Timestamp) -> Vec<Result<Moved, Refusal>> {
        let mates: Vec<TransferId> = chain.transfers().iter().map(|asked| asked.id).collect();
        let line = |asked: &Transfer, answer| Line {
            asked: asked.clone(),
            mates: mates.clone(),
            at,
            answer,
        };
        let by_id: Vec<Option<Result<Moved, Refusal>>> =
            chain.transfers().iter().map(|asked| self.by_id(asked, &mates)).collect();
        if by_id.iter().any(Option::is_some) {
            let repeated = chain.transfers().iter().all(|asked| {
                self.log.iter().any(|line| line.asked == *asked && line.mates == mates)
            });
            let mut answers = Vec::new();
            for (asked, known) in chain.transfers().iter().zip(by_id) {
                answers.push(match known {
                    Some(Ok(_)) if !repeated => Err(Refusal::Linked),
                    Some(answer) => answer,
                    None => {
                        self.log.push(line(asked, Err(Refusal::Linked)));
                        Err(Refusal::Linked)
                    }
                });
            }
            return answers;
        }
        let start = self.log.len();
        for (place, asked) in chain.transfers().iter().enumerate() {
            match self.judge(asked, at) {
                Ok(moved) => {
                    self.log.push(line(asked, Ok(moved)));
                    let after = Moved {
                        debit_after: self.counters(moved.debit, at),
                        credit_after: self.counters(moved.credit, at),
                        ..moved
                    };
                    self.log.last_mut().unwrap().answer = Ok(after);
                }
                Err(refusal) => {
                    self.log.truncate(start);
                    for (other, asked) in chain.transfers().iter().enumerate() {
                        let code = if other == place { refusal } else { Refusal::Linked };
                        self.log.push(line(asked, Err(code)));
                    }
                    break;
                }
            }
        }
        self.log[start..].iter().map(|line| line.answer).collect()
    }

    /// The answer an id has already, or what is wrong with using it.
    fn by_id(&self, asked: &Transfer, mates: &[TransferId]) -> Option<Result<Moved, Refusal>> {
        if asked.id.0.as_u128() == 0 || asked.id.0.as_u128() == u128::MAX {
            return Some(Err(Refusal::IdReserved));
        }
        let line = self.log.iter().find(|line| line.asked.id == asked.id)?;
        if line.asked == *asked && line.mates == mates {
            return Some(line.answer);
        }
        if line.answer.is_err() {
            return Some(Err(Refusal::IdFailed));
        }
        Some(Err(Refusal::id_taken(first_difference(&line.asked, asked))))
    }

    fn judge(&self, asked: &Transfer, at: Timestamp) -> Result<Moved, Refusal> {
        let (debit, credit, amount) = match &asked.action {
            Action::Post(movement) | Action::Reserve { movement, .. } => self.movement(movement),
            Action::PostReserved { reservation, amount } => self.ending(*reservation, *amount, at),
            Action::Void { reservation } => self.ending(*reservation, Amount::All, at),
            Action::Correct { original, amount } => self.correction(*original, *amount),
        }?;
        let none = [0; 4];
        let moved = Moved { debit, credit, amount, debit_after: none, credit_after: none };
        if matches!(asked.action, Action::PostReserved { .. } | Action::Void { .. }) {
            return Ok(moved); // what was reserved counted already
        }
        let of = |id: AccountId| {
            let limits = self.accounts.iter().find(|account| account.id == id).unwrap().limits;
            (limits, self.counters(id, at).map(i128::from))
        };
        let ((debit_limits, d), (credit_limits, c)) = (of(debit), of(credit));
        let more = i128::from(amount);
        let over =
            |cap: Option<Fen>, exposure: i128| cap.is_some_and(|cap| exposure > cap.0.into());
        let most = i128::from(i64::MAX);
        match () {
            () if d[0] + d[2] + more > most => Err(Refusal::DebitsOverflow),
            () if c[1] + c[3] + more > most => Err(Refusal::CreditsOverflow),
            () if over(debit_limits.net_debit_cap, d[0] + d[2] + more - d[1]) => {
                Err(Refusal::NetDebitCap)
            }
            () if over(credit_limits.net_credit_cap, c[1] + c[3] + more - c[0]) => {
                Err(Refusal::NetCreditCap)
            }
            () => Ok(moved),
        }
    }

    fn movement(&self, movement: &Movement) -> Result<(AccountId, AccountId, i64), Refusal> {
        let currency = |id| self.accounts.iter().find(|a| a.id == id).map(|a| a.currency);
        let (debit, credit) = (currency(movement.debit), currency(movement.credit));
        match () {
            () if movement.amount.0 < 1 => Err(Refusal::AmountNotPositive),
            () if movement.debit == movement.credit => Err(Refusal::SameAccount),
            () if debit.is_none() => Err(Refusal::DebitAccountUnknown),
            () if credit.is_none() => Err(Refusal::CreditAccountUnknown),
            () if debit != credit => Err(Refusal::CurrenciesDiffer),
            () if debit != Some(movement.currency) => Err(Refusal::CurrencyWrong),
            () => Ok((movement.debit, movement.credit, movement.amount.0)),
        }
    }

    fn done(&self, id: TransferId) -> Option<(&Line, Moved)> {
        let line = self.log.iter().find(|line| line.asked.id == id)?;
        Some((line, line.answer.ok()?))
    }

    fn ending(
        &self,
        reservation: TransferId,
        amount: Amount,
        at: Timestamp,
    ) -> Result<(AccountId, AccountId, i64), Refusal> {
        if matches!(amount, Amount::Part(part) if part.0 < 1) {
            return Err(Refusal::AmountNotPositive);
        }
        let (line, reserved) = self.done(reservation).ok_or(Refusal::TargetUnknown)?;
        if !matches!(line.asked.action, Action::Reserve { .. }) {
            return Err(Refusal::TargetNotReservation);
        }
        if let Some(end) = self.end(line, at) {
            return Err(end);
        }
        match amount {
            Amount::Part(part) if part.0 > reserved.amount => Err(Refusal::ExceedsReservation),
            Amount::Part(part) => Ok((reserved.debit, reserved.credit, part.0)),
            Amount::All => Ok((reserved.debit, reserved.credit, reserved.amount)),
        }
    }

    /// How a reservation has ended by an instant.
    fn end(&self, reservation: &Line, at: Timestamp) -> Option<Refusal> {
        let id = reservation.asked.id;
        for line in self.log.iter().filter(|line| line.answer.is_ok()) {
            match line.asked.action {
                Action::PostReserved { reservation, .. } if reservation == id => {
                    return Some(Refusal::ReservationPosted);
                }
                Action::Void { reservation } if reservation == id => {
                    return Some(Refusal::ReservationVoided);
                }
                _ => {}
            }
        }
        let Action::Reserve { timeout: Some(timeout), .. } = reservation.asked.action else {
            return None;
        };
        let until = reservation.at + SignedDuration::from_secs(timeout.as_seconds().into());
        (until <= at).then_some(Refusal::ReservationExpired)
    }

    fn correction(
        &self,
        original: TransferId,
        amount: Amount,
    ) -> Result<(AccountId, AccountId, i64), Refusal> {
        if matches!(amount, Amount::Part(part) if part.0 < 1) {
            return Err(Refusal::AmountNotPositive);
        }
        let (line, posted) = self.done(original).ok_or(Refusal::TargetUnknown)?;
        if matches!(line.asked.action, Action::Reserve { .. } | Action::Void { .. }) {
            return Err(Refusal::TargetNotPosted);
        }
        let before = self.log.iter().filter_map(|line| match line.asked.action {
            Action::Correct { original: of, .. } if of == original => line.answer.ok(),
            _ => None,
        });
        let left = posted.amount - before.map(|moved| moved.amount).sum::<i64>();
        let back = match amount {
            Amount::All => left,
            Amount::Part(part) => part.0,
        };
        if back > left || left == 0 {
            return Err(Refusal::ExceedsOriginal);
        }
        Ok((posted.credit, posted.debit, back))
    }
}

fn first_difference(done: &Transfer, asked: &Transfer) -> Field {
    let kind = |action: &Action| std::mem::discriminant(action);
    if kind(&done.action) != kind(&asked.action) {
        return Field::Kind;
    }
    if done.action.target() != asked.action.target() {
        return Field::Target;
    }
    if let (Some(one), Some(other)) = (done.action.movement(), asked.action.movement()) {
        if one.debit != other.debit {
            return Field::DebitAccount;
        }
        if one.credit != other.credit {
            return Field::CreditAccount;
        }
        if one.amount != other.amount {
            return Field::Amount;
        }
        if one.currency != other.currency {
            return Field::Currency;
        }
    }
    match (&done.action, &asked.action) {
        // The same movement, so they differ in their timeouts.
        (Action::Reserve { .. }, Action::Reserve { .. }) if done.action != asked.action => {
            Field::Timeout
        }
        // The same target, so they differ in their amounts.
        (one, other) if one != other => Field::Amount,
        _ if done.reason != asked.reason => Field::Reason,
        _ if done.reference != asked.reference => Field::Reference,
        _ => Field::Chain,
    }
}
