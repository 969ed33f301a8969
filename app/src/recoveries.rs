//! Recovery between insurers over the production cloud: what each asks of the other, and the money
//! that came, told to the claims.

use std::time::Duration;

use clearing::error::OVER_CAP;
use clearing::recovery::item::{Received, TakenBack};
use clearing::recovery::route::{self, Route};
use clearing::recovery::touch::{self, NamedPayment, Touched};
use clearing::recovery::{
    AccidentClaim, ClaimFacts, CoverFacts, FiledClaim, FiledStep, Market, VehicleAsked,
};
use clearing::{Clearing, ClearingError};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::Clock;
use pg::Tx;
use production::Production;
use production::claim::{
    CodedPayment, How, RecoveryLock, RecoveryLocks, Settling, Taken, TouchedCase, Way,
};
use production::error::ProductionError;
use production::lookup::recovery::{RecoveryMoved, VehicleTold};
use production::store::claim::ClaimRow;
use production_core::mark::VehicleMark;
use production_core::number::PlatformNumber;
use tokio_util::sync::CancellationToken;

/// How often claims learn of money that came.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Policies and claims, as recovery asks for them.
pub(crate) struct Register {
    pub(crate) production: Production,
}

impl Market for Register {
    fn hold_claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>> {
        async move {
            let row = self.production.held_claim(tx, claim_no).await;
            row.map(facts).map_err(of_production)
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>> {
        async move {
            let row = self.production.seen_claim(tx, claim_no).await;
            row.map(facts).map_err(of_production)
        }
        .boxed()
    }

    fn filed<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<FiledClaim, ClearingError>> {
        async move {
            let filed = self.production.filed_claim(tx, claim_no).await;
            let (row, steps) = filed.map_err(of_production)?;
            let steps = steps.into_iter().map(|step| FiledStep {
                sequence: step.sequence,
                step: step.step,
                business_no: step.business_no,
                round: step.round,
                occurred_at: step.occurred_at,
                recorded_at: step.recorded_at,
                message: step.message,
            });
            let (report_no, steps) = (row.report_no.clone(), steps.collect());
            Ok(FiledClaim { claim: facts(row), report_no, steps })
        }
        .boxed()
    }

    fn covers<'a>(
        &'a self,
        tx: &'a mut Tx,
        vehicle: &'a VehicleAsked,
        at: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<CoverFacts>, ClearingError>> {
        async move {
            let told = VehicleTold {
                plate: vehicle.plate.clone(),
                frame: vehicle.frame.clone(),
                engine_no: vehicle.engine_no.clone(),
            };
            let covers = self.production.covers_then(tx, &told, at, now).await;
            let covers = covers.map_err(of_production)?.into_iter().map(|cover| CoverFacts {
                confirm_no: cover.confirm_no,
                tenant: cover.tenant,
                insurer: cover.confirm_no.insurer(),
                region: cover.region,
                policy_no: cover.policy_no,
                frame: cover.frame,
                plate: cover.terms.plate,
                period: cover.terms.period,
                endorse_times: cover.terms.endorse_times,
                promise: cover.terms.promise,
            });
            Ok(covers.collect())
        }
        .boxed()
    }

    fn accident<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<AccidentClaim>, ClearingError>> {
        async move {
            let claim = self.production.seen_claim(tx, claim_no).await.map_err(of_production)?;
            let claims = self.production.accident_of(tx, claim_no, claim.tenant, now).await;
            let claims = claims.map_err(of_production)?.into_iter().map(|claim| AccidentClaim {
                claim_no: claim.claim_no,
                insurer: claim.insurer,
                class: claim.class,
                frame: claim.frame,
                accident_at: claim.accident_at,
            });
            Ok(claims.collect())
        }
        .boxed()
    }
}

fn facts(row: ClaimRow) -> ClaimFacts {
    ClaimFacts {
        claim_no: row.claim_no,
        tenant: row.tenant,
        insurer: row.insurer,
        region: row.region,
        confirm_no: row.confirm_no,
        policy_no: row.policy_no,
        frame: row.frame,
        plate: row.terms.plate,
        case: row.case,
        promise: row.terms.promise,
    }
}

fn of_production(error: ProductionError) -> ClearingError {
    match error {
        ProductionError::NotFound { what, number } => ClearingError::NotFound { what, number },
        ProductionError::Refused { code, rule, detail } => {
            ClearingError::Refused { code, rule, detail }
        }
        ProductionError::Names { code, rule, detail, naming } => {
            ClearingError::Names { code, rule, detail, naming }
        }
        ProductionError::Store(error) => ClearingError::from(error),
        other => ClearingError::Market(Box::new(other)),
    }
}

/// Recovery locks, as the steps of claims ask for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locks;

impl RecoveryLocks for Locks {
    fn touching<'a>(
        &'a self,
        tx: &'a mut Tx,
        cases: &'a [TouchedCase],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>> {
        async move {
            let cases = cases.iter().map(|case| Touched {
                claim_no: case.claim_no,
                confirm_no: case.confirm_no,
                accident_at: case.accident_at,
            });
            let cases: Vec<Touched> = cases.collect();
            let touching = touch::touching(tx, &cases).await.map_err(of_clearing)?;
            let lock = |touch: touch::Touch| RecoveryLock {
                recovery_code: touch.recovery_code.to_string(),
                status: touch.status.code().to_owned(),
                claim_code: touch.claim_no.to_string(),
                recovering_insurer: touch.recovering_insurer,
                liable_insurer: touch.liable_insurer,
            };
            Ok(touching.into_iter().map(|of| of.into_iter().map(lock).collect()).collect())
        }
        .boxed()
    }

    fn settle<'a>(
        &'a self,
        tx: &'a mut Tx,
        cases: &'a [Settling],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Option<Taken>>, ProductionError>> {
        async move {
            let claims: Vec<route::Settling<'_>> = cases.iter().map(settling).collect();
            let others = route::settle(tx, &claims, now).await.map_err(of_clearing)?;
            Ok(others.into_iter().map(|other| other.map(taken)).collect())
        }
        .boxed()
    }

    fn reopen<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        async move { route::reopen(tx, claim_no, now).await.map_err(of_clearing) }.boxed()
    }

    fn paid<'a>(
        &'a self,
        tx: &'a mut Tx,
        payments: &'a [CodedPayment],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        async move {
            for payment in payments {
                let named = NamedPayment {
                    recovery_code: payment.recovery_code.clone(),
                    claim_no: payment.claim_no,
                    business_no: payment.business_no.clone(),
                    amount: payment.amount,
                    paid_at: payment.paid_at,
                };
                touch::link_payment(tx, &named, now).await.map_err(of_clearing)?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn settling(settling: &Settling) -> route::Settling<'_> {
    let Settling { case, how } = settling;
    route::Settling {
        claim_no: case.claim_no,
        tenant: case.tenant,
        confirm_no: case.confirm_no,
        accident_at: case.accident_at,
        how: match how {
            How::Mutually => {
                route::How::Mutually(VehicleMark::of(Some(&case.frame), case.plate.as_ref()))
            }
            How::Directly { paid, again } => route::How::Directly { paid, again: *again },
        },
    }
}

fn taken(other: route::Taken) -> Taken {
    let way = match other.route {
        Route::Mutual => Way::Mutual,
        Route::Recovery => Way::Recovery,
        Route::Direct => Way::Direct,
    };
    Taken { way, number: other.number }
}

fn of_clearing(error: ClearingError) -> ProductionError {
    match error {
        ClearingError::NotFound { what, number } => ProductionError::NotFound { what, number },
        ClearingError::Refused { code, rule, detail } => {
            ProductionError::Refused { code, rule, detail }
        }
        ClearingError::Names { code, rule, detail, naming } => {
            ProductionError::Names { code, rule, detail, naming }
        }
        ClearingError::OverCap(over) => ProductionError::refused(&OVER_CAP, over.masked),
        ClearingError::Invalid(errors) => ProductionError::Invalid(errors),
        ClearingError::Store(error) => ProductionError::from(error),
        ClearingError::Keys(error) => ProductionError::Sealing(error),
        ClearingError::Corrupt(what) => ProductionError::Corrupt(what),
        error @ (ClearingError::Ledger(_) | ClearingError::Market(_) | ClearingError::Bank(_)) => {
            ProductionError::Clearing(Box::new(error))
        }
    }
}

/// Tells claims of recovered money until `stop`, and of what was taken back of it: nobody types what
/// the platform settled itself. Each is told at least once and counted once, for the step's number is
/// the code and its round, with the number of what takes it back.
pub(crate) async fn keep_telling(
    production: Production,
    clearing: Clearing,
    clock: std::sync::Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match clearing.recoveries_to_tell(clock.now()).await {
            Ok(came) => {
                for received in came {
                    let now = clock.now();
                    let noted = clearing.recovery_told(received.item_id, now);
                    tell(&production, &came_in(&received, now), noted).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for recovered money; later"),
        }
        match clearing.reversals_to_tell().await {
            Ok(taken_back) => {
                for back in taken_back {
                    let now = clock.now();
                    let noted = clearing.reversal_told(&back, now);
                    tell(&production, &went_back(&back, now), noted).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for money taken back; later"),
        }
    }
}

fn came_in(received: &Received, now: Timestamp) -> RecoveryMoved {
    RecoveryMoved {
        tenant: received.tenant,
        claim_no: received.claim_no,
        recovery_code: received.recovery_code,
        round: received.round,
        reversal: None,
        from: received.from,
        amount: received.amount,
        settles: received.settles,
        at: now,
    }
}

fn went_back(back: &TakenBack, now: Timestamp) -> RecoveryMoved {
    RecoveryMoved {
        tenant: back.tenant,
        claim_no: back.claim_no,
        recovery_code: back.recovery_code,
        round: back.round,
        reversal: Some(back.number),
        from: back.from,
        amount: back.amount,
        settles: back.settles,
        at: now,
    }
}

/// Tells a claim, and once it took it does `noted`, so that it is not told again.
async fn tell(
    production: &Production,
    moved: &RecoveryMoved,
    noted: impl Future<Output = Result<(), ClearingError>>,
) {
    let (code, claim) = (moved.recovery_code, moved.claim_no);
    let what = moved.reversal.map_or("came", |_| "was taken back");
    if let Err(problem) = production.recovery_moved(moved).await {
        let detail = &problem.detail;
        match moved.reversal {
            // For example reopened: its next closing comes first.
            None => {
                tracing::info!(recovery.code = %code, claim.code = %claim, "claim cannot take yet that recovered money {what}: {detail}");
            }
            Some(_) => {
                tracing::warn!(recovery.code = %code, claim.code = %claim, "claim cannot take yet that recovered money {what}: {detail}");
            }
        }
        return;
    }
    match noted.await {
        Ok(()) => {
            tracing::info!(recovery.code = %code, claim.code = %claim, "claim learnt that recovered money {what}");
        }
        Err(error) => {
            tracing::warn!(%error, "cannot note that a claim learnt that recovered money {what}; told again");
        }
    }
}

#[cfg(test)]
mod tests {
    use clearing::ledger::LedgerError;
    use pg::failure;

    use super::*;

    #[test]
    fn what_failed_in_the_clearing_cloud_keeps_its_cause_on_the_way_to_a_claim() {
        let ledger = |error: sqlx::Error| of_clearing(ClearingError::Ledger(error.into()));
        let moved_on = ledger(failure::start_over());
        assert!(failure::is_retryable(&moved_on), "{moved_on:?}");
        assert!(failure::is_unavailable(&ledger(sqlx::Error::PoolTimedOut)));
        let corrupt = of_clearing(ClearingError::Ledger(LedgerError::Corrupt));
        assert_eq!(corrupt.to_string(), "the clearing cloud failed");
        let corrupt = of_clearing(ClearingError::Corrupt("recovery item"));
        assert_eq!(corrupt.to_string(), "stored recovery item cannot be read");
        let keys = of_clearing(ClearingError::Keys(tenancy::TenancyError::Store(
            sqlx::Error::PoolTimedOut,
        )));
        assert!(matches!(keys, ProductionError::Sealing(_)), "{keys:?}");
    }
}
