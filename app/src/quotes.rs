//! Lets the clearing cloud collect premiums for quotes of the production cloud.

use clearing::payment::premium::{Awaited, MoneyCame, Quotes, QuotesError, Registration};
use clearing::payment::split::Payable;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::TenantId;
use production::Production;
use production::error::ProductionError;
use production::payment::CollectedMoney;

/// Quotes as the production cloud keeps them.
pub(crate) struct ProductionQuotes(pub(crate) Production);

impl Quotes for ProductionQuotes {
    fn awaited<'a>(
        &'a self,
        participant: TenantId,
        query_code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Awaited>, QuotesError>> {
        Box::pin(async move {
            let awaited = self.0.awaited_money(participant, query_code, now).await;
            let awaited = awaited.map_err(|error| QuotesError(Box::new(error)))?;
            Ok(awaited.map(|awaited| Awaited {
                payable: Payable {
                    compulsory: awaited.amounts.compulsory.unwrap_or_default(),
                    commercial: awaited.amounts.commercial.unwrap_or_default(),
                    tax: awaited.amounts.tax,
                    commission: awaited.amounts.fee,
                },
                region: awaited.region,
                intermediary: awaited.intermediary,
            }))
        })
    }

    fn register<'a>(
        &'a self,
        money: &'a MoneyCame,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Registration, QuotesError>> {
        Box::pin(async move {
            let collected = CollectedMoney {
                tenant: money.participant,
                query_code: money.query_code.clone(),
                amount: money.amount,
                reference: money.reference.clone(),
                paid_at: money.paid_at,
            };
            match self.0.register_collected(&collected, now).await {
                Ok(()) => Ok(Registration::Done),
                Err(
                    error @ (ProductionError::Refused { .. } | ProductionError::NotFound { .. }),
                ) => Ok(Registration::Refused(error.to_string())),
                Err(error) => Err(QuotesError(Box::new(error))),
            }
        })
    }
}
