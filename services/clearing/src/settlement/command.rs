//! What members and the operator do to settlement, and what the clock does, as commands: each opens
//! its transaction to the clearing house and hands on to the room that decides.

use std::collections::BTreeSet;

use clearing_ledger::CycleId;
use crypto::SigningKey;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Tx, failure};
use uuid::Uuid;

use super::cycle::Closed;
use super::departure::Dispute;
use super::funds::Remedy;
use super::scheme::Scheme;
use super::service::{one_with_standing, participant, with_standing};
use super::statement::Statement;
use super::view::{CollateralView, ItemView};
use super::{cycle, departure, funds, statement, store};
use crate::HOUSE;
use crate::error::{self, ClearingError};

pub(super) struct CloseCycle<'a> {
    pub(super) cycle: CycleId,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for CloseCycle<'_> {
    const NAME: &'static str = "settlement.close";
    type Out = Closed;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Closed, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        cycle::close(tx, self.cycle, self.now, self.ids).await
    }
}

pub(super) struct SendStatements<'a> {
    pub(super) cycle: CycleId,
    pub(super) rest_days: BTreeSet<Date>,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
    pub(super) key: &'a SigningKey,
}

impl Command for SendStatements<'_> {
    const NAME: &'static str = "settlement.state";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        let with = (self.ids, self.key);
        statement::state(tx, self.cycle, &self.rest_days, self.now, with).await
    }
}

pub(super) struct Deem<'a> {
    pub(super) cycle: CycleId,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for Deem<'_> {
    const NAME: &'static str = "settlement.deem";
    type Out = usize;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<usize, ClearingError> {
        statement::deem(tx, self.cycle, self.now, self.ids).await
    }
}

pub(super) struct Confirm<'a> {
    pub(super) cycle: CycleId,
    pub(super) participant: TenantId,
    pub(super) client: String,
    pub(super) digest: String,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for Confirm<'_> {
    const NAME: &'static str = "settlement.confirm";
    type Out = Statement;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Statement, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let who = (self.participant, self.client.as_str());
        statement::confirm(tx, self.cycle, who, &self.digest, self.now, self.ids).await
    }
}

pub(super) struct DisputeItems<'a> {
    pub(super) cycle: CycleId,
    pub(super) participant: TenantId,
    pub(super) disputes: Vec<Dispute>,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
    pub(super) key: &'a SigningKey,
}

impl Command for DisputeItems<'_> {
    const NAME: &'static str = "settlement.dispute";
    type Out = Vec<ItemView>;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<ItemView>, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let (who, with) = (self.participant, (self.ids, self.key));
        let items = departure::dispute(tx, self.cycle, who, &self.disputes, self.now, with).await?;
        with_standing(tx, &items).await
    }
}

pub(super) struct PutInAgain<'a> {
    pub(super) item: Uuid,
    pub(super) participant: Option<TenantId>,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for PutInAgain<'_> {
    const NAME: &'static str = "settlement.put_in_again";
    type Out = ItemView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ItemView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let again =
            departure::put_in_again(tx, self.item, self.participant, self.now, self.ids).await;
        let again = again.map_err(|error| error.told_to(self.participant))?;
        one_with_standing(tx, again).await
    }
}

pub(super) struct Reverse<'a> {
    pub(super) item: Uuid,
    pub(super) reversal: Uuid,
    pub(super) amount: Option<Fen>,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for Reverse<'_> {
    const NAME: &'static str = "settlement.reverse";
    type Out = ItemView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<ItemView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let (item, reversal) = (self.item, self.reversal);
        let posted = departure::reverse(tx, item, reversal, self.amount, self.now, self.ids).await;
        // By the operator.
        let posted = posted.map_err(|error| error.told_to(None))?;
        one_with_standing(tx, posted).await
    }
}

pub(super) struct Fail<'a> {
    pub(super) cycle: CycleId,
    pub(super) insurer: String,
    pub(super) note: String,
    pub(super) client: String,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
    pub(super) key: &'a SigningKey,
}

impl Command for Fail<'_> {
    const NAME: &'static str = "settlement.fail";
    type Out = Remedy;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Remedy, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let whose = participant(tx, &self.insurer).await?;
        let said = (self.note.as_str(), self.client.as_str());
        funds::fail(tx, self.cycle, whose, said, self.now, (self.ids, self.key)).await
    }
}

pub(super) struct Deposit<'a> {
    pub(super) insurer: String,
    pub(super) deposit: Uuid,
    pub(super) amount: Fen,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Command for Deposit<'_> {
    const NAME: &'static str = "settlement.deposit";
    type Out = CollateralView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<CollateralView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let whose = participant(tx, &self.insurer).await?;
        let (deposit, amount) = (self.deposit, self.amount);
        let balance =
            funds::deposit_collateral(tx, whose, deposit, amount, self.now, self.ids).await?;
        let balance = i64::try_from(balance).map_err(|_| ClearingError::Corrupt("collateral"))?;
        Ok(CollateralView { insurer: self.insurer.clone(), balance: Fen(balance) })
    }
}

pub(super) struct SetScheme {
    pub(super) scheme: Scheme,
}

impl Command for SetScheme {
    const NAME: &'static str = "settlement.set_scheme";
    type Out = Scheme;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Scheme, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        store::scheme::insert_scheme(tx, &self.scheme).await.map_err(|error| {
            match failure::constraint(&error) {
                Some("scheme_pkey") => ClearingError::refused(
                    &error::SCHEME_TAKEN,
                    format!("region {} has one since then", self.scheme.region),
                ),
                _ => error.into(),
            }
        })?;
        Ok(self.scheme.clone())
    }
}
