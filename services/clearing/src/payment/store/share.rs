//! SQL of whose the money of an order is.

use clearing_ledger::AccountId;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use crate::error::ClearingError;
use crate::payment::order::{OrderId, Share, ShareOf};

/// Writes whose the money of an order is.
pub async fn insert_shares(
    tx: &mut Tx,
    order: OrderId,
    shares: &[(Share, AccountId)],
) -> Result<(), ClearingError> {
    let places: Vec<i16> = (0..).take(shares.len()).collect();
    let owners: Vec<Uuid> = shares.iter().map(|(share, _)| share.owner.0).collect();
    let kinds: Vec<String> = shares.iter().map(|(share, _)| share.of.code().to_owned()).collect();
    let accounts: Vec<Uuid> = shares.iter().map(|(_, account)| account.0).collect();
    let amounts: Vec<i64> = shares.iter().map(|(share, _)| share.amount.0).collect();
    sqlx::query!(
        "insert into clearing.payment_share
             (order_id, place, owner, share_of, account_id, amount_fen)
         select $1, * from unnest($2::int2[], $3::uuid[], $4::text[], $5::uuid[], $6::int8[])",
        order.0,
        &places,
        &owners,
        &kinds,
        &accounts,
        &amounts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whose the money of an order is, in the order in which it is served.
pub async fn shares(tx: &mut Tx, order: OrderId) -> Result<Vec<(Share, AccountId)>, ClearingError> {
    let rows = sqlx::query!(
        "select owner, share_of, account_id, amount_fen from clearing.payment_share
         where order_id = $1 order by place",
        order.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        let of = ShareOf::parse(&row.share_of);
        let of = of.map_err(|_| ClearingError::Corrupt("payment share"))?;
        let share = Share { owner: TenantId(row.owner), of, amount: Fen(row.amount_fen) };
        Ok((share, AccountId(row.account_id)))
    })
    .collect()
}

/// What refunds take from each kind of share, under way or done, where `which` holds of the refund `o`;
/// those that came to nothing or came back in full are left out.
macro_rules! taken_back {
    ($which:literal $($arguments:tt)*) => {
        sqlx::query!(
            r#"select s.share_of, sum(s.amount_fen)::int8 as "amount_fen!"
               from clearing.payment_order o
               join clearing.payment_share s on s.order_id = o.order_id
               where "# + $which + r#"
                 and not (o.stage = 'rejected' and o.settled_fen = 0)
                 and not (o.stage = 'returned' and o.returned_fen = o.amount_fen)
               group by s.share_of"#
            $($arguments)*
        )
    };
}

/// What refunds of a collection take from each kind of share, under way or done; those that came to
/// nothing or came back in full are left out.
pub async fn refunded(tx: &mut Tx, of: OrderId) -> Result<Vec<(ShareOf, Fen)>, ClearingError> {
    let rows = taken_back!("o.purpose = 'refund' and o.about = $1", of.to_string());
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| by_share(&row.share_of, row.amount_fen)).collect()
}

/// What refunds of an endorsement take from each kind of share, as [`refunded`] counts.
pub async fn given_back(
    tx: &mut Tx,
    (participant, amend_code): (TenantId, &str),
) -> Result<Vec<(ShareOf, Fen)>, ClearingError> {
    let rows = taken_back!("o.amend_code = $2 and o.participant = $1", participant.0, amend_code);
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| by_share(&row.share_of, row.amount_fen)).collect()
}

fn by_share(of: &str, amount_fen: i64) -> Result<(ShareOf, Fen), ClearingError> {
    let of = ShareOf::parse(of).map_err(|_| ClearingError::Corrupt("payment share"))?;
    Ok((of, Fen(amount_fen)))
}
