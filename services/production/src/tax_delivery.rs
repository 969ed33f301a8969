//! Withheld vehicle tax on its way to the tax office, delivered until it is taken.
//!
//! The confirmation left a row for each withholding. What is due is taken for a minute, computed
//! from the quote it was withheld with, and sent under its platform number, so that sending it
//! again after a crash or a lost answer is the same declaration. The office's word settles it;
//! without one it waits longer each time. Tax that an endorsement changed is taken back and
//! declared anew under the amend confirm code.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, time};
use pg::{Command, Scope, Tx};
use production_core::number::PlatformNumber;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Production;
use crate::error::ProductionError;
use crate::outside::{TaxDeclaration, Withholding};
use crate::quote::Parties;
use crate::sealed;
use crate::store::tax::{self, DeclarationStanding, Delivery, Errand};
use crate::store::{policy, quote};

/// Declarations of one round.
const ROUND: i32 = 50;
/// How often a round is made.
const EVERY: Duration = Duration::from_secs(3);
/// Longest wait before a declaration is sent again.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

impl Production {
    /// Delivers what is due at `now`; answers how many declarations were settled.
    ///
    /// A store that fails ends the round; what it took comes back by itself.
    pub async fn deliver_taxes(&self, now: Timestamp) -> usize {
        let due = match tax::take_due(self.spine.db(), now, ROUND).await {
            Ok(due) => due,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for tax declarations; later");
                return 0;
            }
        };
        let mut settled = 0;
        for (number, tenant) in due {
            match self.deliver_tax(number, Scope::of(tenant), now).await {
                Ok(true) => settled += 1,
                Ok(false) => {}
                Err(error) => tracing::error!(
                    declaration.number = %number,
                    error = %base_http::problem::Chain(&error),
                    "tax declaration {number} cannot be delivered; later"
                ),
            }
        }
        settled
    }

    /// Delivers, round after round, until `stop`.
    pub async fn keep_delivering(self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // A full round means that more may wait.
            while self.deliver_taxes(self.spine.now()).await >= usize::try_from(ROUND).unwrap_or(1)
                && !stop.is_cancelled()
            {}
        }
    }

    async fn deliver_tax(
        &self,
        number: PlatformNumber,
        scope: Scope,
        now: Timestamp,
    ) -> Result<bool, ProductionError> {
        let mut tx = self.spine.db().begin(scope.clone()).await?;
        let Some(delivery) = tax::delivery(&mut tx, number).await? else { return Ok(false) };
        let declaration = match delivery.errand {
            Errand::Declare => Some(self.declaration(&mut tx, number, &delivery).await?),
            Errand::TakeBack => None,
        };
        // Nothing is open while the outside is asked.
        drop(tx);
        let later = Outcome::PutOff(after(delivery.attempts, now));
        let outcome = match declaration {
            Some(declaration) => match self.outside.declare_tax(&number, &declaration).await {
                Withholding::Registered { registration_no, receipt_no } => {
                    Outcome::Settled(DeclarationStanding {
                        state: "registered".to_owned(),
                        registration_no: Some(registration_no),
                        receipt_no,
                        refusal: None,
                    })
                }
                Withholding::Refused { code } => Outcome::Settled(DeclarationStanding {
                    state: "refused".to_owned(),
                    registration_no: None,
                    receipt_no: None,
                    refusal: Some(code),
                }),
                Withholding::Deferred { .. } => later,
            },
            None => match self.outside.take_back_tax(&number).await {
                Ok(()) => Outcome::Settled(DeclarationStanding {
                    state: "withdrawn".to_owned(),
                    registration_no: None,
                    receipt_no: None,
                    refusal: None,
                }),
                Err(error) => {
                    tracing::warn!(declaration.number = %number, %error,
                        "tax declaration {number} cannot be taken back yet");
                    later
                }
            },
        };
        let is_settled = matches!(outcome, Outcome::Settled(_));
        let settle = Settle { number, errand: delivery.errand, outcome, now };
        self.spine.db().run(scope, &settle).await?;
        Ok(is_settled)
    }

    /// What is declared: the tax of the quote the policy came from, as it comes out again, with
    /// the year's share as last endorsed. The owner pays.
    async fn declaration(
        &self,
        tx: &mut Tx,
        number: PlatformNumber,
        delivery: &Delivery,
    ) -> Result<TaxDeclaration, ProductionError> {
        let corrupt = || ProductionError::Corrupt("tax declaration");
        let policy = policy::find(tx, delivery.confirm_no).await?;
        let versions = policy::versions(tx, delivery.confirm_no, None).await?;
        let version = versions.last().ok_or_else(corrupt)?;
        let parties: Parties =
            self.sealer.open(delivery.tenant, sealed::PARTIES, &version.parties_sealed).await?;
        let quote = quote::find(tx, &[policy.query_no]).await?.pop().ok_or_else(corrupt)?;
        let tax = self.replay(&quote).await?.rating.and_then(|rating| rating.tax);
        let tax = tax.ok_or_else(corrupt)?;
        let arrears = Fen::sum(tax.arrears.iter().map(|year| year.due)).ok_or_else(corrupt)?;
        // What came before the year stays as it was collected; a change is the year's.
        let earlier = arrears.plus(tax.late_fee).ok_or_else(corrupt)?;
        let tax_due = delivery.total.minus(earlier).ok_or_else(corrupt)?;
        Ok(TaxDeclaration {
            insurer: quote.insurer,
            confirm_no: number,
            frame: quote.frame,
            plate: policy.plate,
            year: tax.current.year,
            condition: tax.condition,
            payer_name: parties.owner.name,
            collected_on: time::day_of(policy.issued_at),
            tax_due,
            arrears,
            late_fee: tax.late_fee,
            total: delivery.total,
        })
    }
}

/// When a declaration is sent again after so many attempts: 30 s, doubled each time, an hour at
/// most.
fn after(attempts: i32, now: Timestamp) -> Timestamp {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(10);
    let wait = SignedDuration::from_secs(30 << doublings).min(LONGEST_WAIT);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

enum Outcome {
    Settled(DeclarationStanding),
    PutOff(Timestamp),
}

struct Settle {
    number: PlatformNumber,
    errand: Errand,
    outcome: Outcome,
    now: Timestamp,
}

impl Command for Settle {
    const NAME: &'static str = "tax.settle";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        match &self.outcome {
            Outcome::Settled(standing) => {
                tax::settle(tx, self.number, self.errand, standing, self.now).await
            }
            Outcome::PutOff(until) => tax::put_off(tx, self.number, self.errand, *until).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deferred_declaration_waits_longer_each_time_but_never_more_than_an_hour() {
        let now = Timestamp::UNIX_EPOCH;
        let waits = [1, 2, 3, 7, 8, 40].map(|attempts| after(attempts, now).as_second());
        assert_eq!(waits, [30, 60, 120, 1_920, 3_600, 3_600]);
    }
}
