//! Proof that the books balance, each from one snapshot.

use pg::Tx;

use super::LedgerError;

/// The counters of all accounts in one currency, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// ISO 4217.
    pub currency: String,
    /// Fen; equal to `credits_posted`.
    pub debits_posted: i128,
    /// Fen.
    pub credits_posted: i128,
    /// Fen; equal to `credits_pending`.
    pub debits_pending: i128,
    /// Fen.
    pub credits_pending: i128,
}

impl Sums {
    /// Whether debits equal credits.
    pub fn balance(&self) -> bool {
        self.debits_posted == self.credits_posted && self.debits_pending == self.credits_pending
    }
}

/// What was found when every balance was worked out anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// By currency.
    pub sums: Vec<Sums>,
    /// Transfers that were done.
    pub entries: i64,
    /// Accounts whose counters are not the sums of their transfers. None, or something is broken.
    pub accounts_off: i64,
    /// Accounts whose counters are not what their last transfer left.
    pub balances_off: i64,
    /// Chains of which only some members were done.
    pub half_chains: i64,
    /// Reservations noted as open that have ended, or not noted although they are open.
    pub reservations_off: i64,
    /// Remittances whose source payments are not what was booked for their payee, and payees whose
    /// account does not have what gathered less what was paid on.
    pub remittances_off: i64,
}

impl Proof {
    /// Whether the books are whole.
    pub fn holds(&self) -> bool {
        let off = [
            self.accounts_off,
            self.balances_off,
            self.half_chains,
            self.reservations_off,
            self.remittances_off,
        ];
        self.sums.iter().all(Sums::balance) && off == [0; 5]
    }
}

pub(super) async fn sums(tx: &mut Tx) -> Result<Vec<Sums>, LedgerError> {
    let rows = sqlx::query!(
        r#"select currency,
                  sum(debits_posted_fen)::text as "debits_posted!",
                  sum(credits_posted_fen)::text as "credits_posted!",
                  sum(debits_pending_fen)::text as "debits_pending!",
                  sum(credits_pending_fen)::text as "credits_pending!"
           from clearing.account
           group by currency
           order by currency"#
    );
    let number = |text: &str| text.parse::<i128>().map_err(|_| LedgerError::Corrupt);
    let sums = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(Sums {
            debits_posted: number(&row.debits_posted)?,
            credits_posted: number(&row.credits_posted)?,
            debits_pending: number(&row.debits_pending)?,
            credits_pending: number(&row.credits_pending)?,
            currency: row.currency,
        })
    });
    sums.collect()
}

pub(super) async fn prove(tx: &mut Tx) -> Result<Proof, LedgerError> {
    // Every statement of this transaction sees the same snapshot, and may take as long as it does.
    sqlx::raw_sql(
        "set transaction isolation level repeatable read read only;
         set local statement_timeout = 0",
    )
    .execute(tx.conn())
    .await?;
    let sums = sums(tx).await?;
    let found = sqlx::query!(
        r#"with entry as (
               select t.*, reserved.amount_fen as reserved_fen
               from clearing.transfer t
               left join clearing.transfer reserved
                   on reserved.transfer_id = t.target_id
                      and t.kind in ('post_reserved', 'void', 'expire')
               where t.kind <> 'refused'
           ),
           leg as (
               select debit_account_id as account_id, recorded_at, entry,
                      case when kind in ('post', 'post_reserved', 'correct') then amount_fen else 0 end as debits,
                      0 as credits,
                      case kind when 'reserve' then amount_fen else -coalesce(reserved_fen, 0) end as debits_pending,
                      0 as credits_pending,
                      array[debit_debits_posted_fen, debit_credits_posted_fen,
                            debit_debits_pending_fen, debit_credits_pending_fen] as after
               from entry
               union all
               select credit_account_id, recorded_at, entry, 0,
                      case when kind in ('post', 'post_reserved', 'correct') then amount_fen else 0 end,
                      0,
                      case kind when 'reserve' then amount_fen else -coalesce(reserved_fen, 0) end,
                      array[credit_debits_posted_fen, credit_credits_posted_fen,
                            credit_debits_pending_fen, credit_credits_pending_fen]
               from entry
           ),
           worked_out as (
               select account_id, sum(debits) as debits, sum(credits) as credits,
                      sum(debits_pending) as debits_pending, sum(credits_pending) as credits_pending,
                      (array_agg(after order by recorded_at desc, entry desc))[1:1] as last_after
               from leg group by account_id
           ),
           compared as (
               select array[a.debits_posted_fen, a.credits_posted_fen, a.debits_pending_fen,
                            a.credits_pending_fen]::numeric[] as kept,
                      array[coalesce(w.debits, 0), coalesce(w.credits, 0),
                            coalesce(w.debits_pending, 0), coalesce(w.credits_pending, 0)]::numeric[] as summed,
                      coalesce(w.last_after, array[array[0, 0, 0, 0]])::numeric[] as last_after
               from clearing.account a left join worked_out w using (account_id)
           )
           select (select count(*) from entry) as "entries!",
                  (select count(*) from compared where kept <> summed)
                      + (select count(*) from worked_out w where not exists (
                             select from clearing.account a where a.account_id = w.account_id))
                      as "accounts_off!",
                  (select count(*) from compared where array[kept] <> last_after)
                      as "balances_off!",
                  (select count(*) from (
                       select chain_id from entry where chain_id is not null
                       group by chain_id having count(*) <> max(chain_size)) half) as "half_chains!",
                  (select count(*) from (
                       select transfer_id from entry e
                       where kind = 'reserve' and expires_at is not null
                         and not exists (select from entry ended
                                         where ended.target_id = e.transfer_id
                                           and ended.kind in ('post_reserved', 'void', 'expire'))
                   ) still full join clearing.open_reservation noted
                       on noted.reservation_id = still.transfer_id
                   where noted.reservation_id is null or still.transfer_id is null)
                      as "reservations_off!""#
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Proof {
        sums,
        entries: found.entries,
        accounts_off: found.accounts_off,
        balances_off: found.balances_off,
        half_chains: found.half_chains,
        reservations_off: found.reservations_off,
        remittances_off: remittances_off(tx).await?,
    })
}

/// Remittances against the books, both ways: what each source payment booked between two remittances
/// is its line in the later one, and the account has what all lines and all bookings since come to,
/// less what the orders of remittances say they paid.
async fn remittances_off(tx: &mut Tx) -> Result<i64, LedgerError> {
    let off = sqlx::query_scalar!(
        r#"with account as (
               select p.payee_id, a.account_id, a.credits_posted_fen - a.debits_posted_fen as net_fen
               from clearing.payee p
               join clearing.account a on a.participant = p.payee_id and a.purpose = p.share_of
           ),
           booked as (
               select account.payee_id, t.recorded_at, t.entry, o.order_id, o.purpose,
                      case when t.credit_account_id = account.account_id
                           then t.amount_fen else -t.amount_fen end as moved_fen
               from account
               join clearing.transfer t
                   on account.account_id in (t.debit_account_id, t.credit_account_id)
               left join clearing.payment_order o
                   on o.order_id = case when t.reference ~ '^[0-9a-f]{32}$' then t.reference::uuid end
               where t.kind in ('post', 'post_reserved', 'correct')
           ),
           carried as (
               select r.remittance_id, b.order_id, sum(b.moved_fen) as moved_fen
               from booked b
               cross join lateral (
                   select remittance_id from clearing.remittance r
                   where r.payee_id = b.payee_id
                     and (b.recorded_at, b.entry) <= (r.last_at, r.last_entry)
                   order by r.through limit 1) r
               where b.purpose is distinct from 'remittance'
               group by r.remittance_id, b.order_id having sum(b.moved_fen) <> 0
           ),
           line_off as (
               select from carried c
               full join clearing.remittance_line l using (remittance_id, order_id)
               where c.moved_fen is distinct from l.amount_fen::numeric
           ),
           sum_off as (
               select from clearing.remittance r
               where r.lines_fen <> (select coalesce(sum(l.amount_fen), 0)
                                     from clearing.remittance_line l
                                     where l.remittance_id = r.remittance_id)
           ),
           payee_off as (
               select from account a
               where a.net_fen <>
                   (select coalesce(sum(l.amount_fen), 0) from clearing.remittance_line l
                    join clearing.remittance r using (remittance_id) where r.payee_id = a.payee_id)
                   + (select coalesce(sum(b.moved_fen), 0) from booked b
                      where b.payee_id = a.payee_id and b.purpose is distinct from 'remittance'
                        and not exists (select from clearing.remittance r
                                        where r.payee_id = a.payee_id
                                          and (b.recorded_at, b.entry) <= (r.last_at, r.last_entry)))
                   - (select coalesce(sum(o.settled_fen - o.returned_fen), 0)
                      from clearing.remittance r
                      join clearing.payment_order o
                          on o.purpose = 'remittance' and o.about = r.remittance_id::text
                      where r.payee_id = a.payee_id)
           )
           select (select count(*) from line_off) + (select count(*) from sum_off)
                  + (select count(*) from payee_off) as "off!""#
    );
    Ok(off.fetch_one(tx.conn()).await?)
}
