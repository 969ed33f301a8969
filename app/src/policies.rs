//! Lets the clearing cloud collect and give back premiums of the production cloud.

use clearing::payment::premium::{
    Awaited, MoneyMoved, OwedBack, Policies, PoliciesError, Registration,
};
use clearing::payment::split::Payable;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::TenantId;
use production::Production;
use production::collection::{self, Registered};
use production::error::ProductionError;
use production_core::quote::Amounts;

/// Quotes, policies and endorsements as the production cloud keeps them.
pub(crate) struct ProductionPolicies(pub(crate) Production);

impl Policies for ProductionPolicies {
    fn awaited<'a>(
        &'a self,
        participant: TenantId,
        code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Awaited>, PoliciesError>> {
        Box::pin(async move {
            let awaited = self.0.awaited_money(participant, code, now).await;
            let awaited = awaited.map_err(|error| PoliciesError(Box::new(error)))?;
            Ok(awaited.map(|awaited| Awaited {
                payable: payable(&awaited.amounts),
                region: awaited.region,
                intermediary: awaited.intermediary,
            }))
        })
    }

    fn owed_back<'a>(
        &'a self,
        participant: TenantId,
        amend_code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<OwedBack>, PoliciesError>> {
        Box::pin(async move {
            let owed = self.0.owed_back(participant, amend_code, now).await;
            let owed = owed.map_err(|error| PoliciesError(Box::new(error)))?;
            Ok(owed.map(|owed| OwedBack {
                payable: payable(&owed.amounts),
                collected_for: owed.collected_for.iter().map(ToString::to_string).collect(),
            }))
        })
    }

    fn register<'a>(
        &'a self,
        money: &'a MoneyMoved,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Registration, PoliciesError>> {
        Box::pin(async move {
            let moved = collection::MoneyMoved {
                tenant: money.participant,
                code: money.code.clone(),
                amount: money.amount,
                reference: money.reference.clone(),
                paid_at: money.paid_at,
            };
            match self.0.register_moved(&moved, now).await {
                Ok(Registered::Now | Registered::Before | Registered::NotAllYet) => {
                    Ok(Registration::Done)
                }
                Err(
                    error @ (ProductionError::Refused { .. } | ProductionError::NotFound { .. }),
                ) => Ok(Registration::Refused(error.to_string())),
                Err(error) => Err(PoliciesError(Box::new(error))),
            }
        })
    }
}

fn payable(amounts: &Amounts) -> Payable {
    Payable {
        compulsory: amounts.compulsory.unwrap_or_default(),
        commercial: amounts.commercial.unwrap_or_default(),
        tax: amounts.tax,
        commission: amounts.fee,
    }
}
