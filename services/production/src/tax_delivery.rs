//! Withheld vehicle tax on its way to the tax office, delivered until it is taken.
//!
//! The confirmation left a row for each withholding. What is due is taken for a minute, computed
//! from the quote it was withheld with, and sent under the confirm code, so that sending it again
//! after a crash or a lost answer is the same declaration. The office's word settles it; without
//! one it waits longer each time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, time};
use pg::{Command, Scope, Tx};
use production_core::number::PlatformNumber;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Production;
use crate::confirm::DeclarationContent;
use crate::error::ProductionError;
use crate::outside::{TaxDeclaration, Withholding};
use crate::quote::VehicleIdentity;
use crate::sealed;
use crate::store::tax::{self, DeclarationStanding, Delivery};
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
        let delivery = tax::delivery(&mut tx, number).await?;
        let declaration = self.declaration(&mut tx, number, &delivery).await;
        // Nothing is open while the outside is asked.
        drop(tx);
        let outcome = match self.outside.declare_tax(&number, &declaration?).await {
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
            Withholding::Deferred { .. } => Outcome::PutOff(after(delivery.attempts, now)),
        };
        let is_settled = matches!(outcome, Outcome::Settled(_));
        self.spine.db().run(scope, &Settle { number, outcome, now }).await?;
        Ok(is_settled)
    }

    /// What is declared: the tax of the quote the policy came from, as it comes out again.
    async fn declaration(
        &self,
        tx: &mut Tx,
        number: PlatformNumber,
        delivery: &Delivery,
    ) -> Result<TaxDeclaration, ProductionError> {
        let corrupt = || ProductionError::Corrupt("tax declaration");
        let content: DeclarationContent =
            self.sealer.open(delivery.tenant, sealed::PARTIES, &delivery.content_sealed).await?;
        let policy = policy::find(tx, number).await?;
        let quote = quote::find(tx, &[content.query_no]).await?.pop().ok_or_else(corrupt)?;
        let vehicle: VehicleIdentity =
            serde_json::from_str(&quote.vehicle).map_err(|_| corrupt())?;
        let tax = self.replay(&quote).await?.rating.and_then(|rating| rating.tax);
        let tax = tax.filter(|tax| tax.total == content.total).ok_or_else(corrupt)?;
        let arrears = Fen::sum(tax.arrears.iter().map(|year| year.due)).ok_or_else(corrupt)?;
        Ok(TaxDeclaration {
            insurer: quote.insurer,
            confirm_no: number,
            frame: quote.frame,
            plate: vehicle.plate,
            year: tax.current.year,
            condition: tax.condition,
            payer_name: content.payer_name,
            collected_on: time::day_of(policy.issued_at),
            tax_due: tax.current.due,
            arrears,
            late_fee: tax.late_fee,
            total: tax.total,
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
    outcome: Outcome,
    now: Timestamp,
}

impl Command for Settle {
    const NAME: &'static str = "tax.settle";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        match &self.outcome {
            Outcome::Settled(standing) => tax::settle(tx, self.number, standing, self.now).await,
            Outcome::PutOff(until) => tax::put_off(tx, self.number, *until).await,
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
