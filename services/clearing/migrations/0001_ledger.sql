-- The ledger: accounts and what was judged on them.
grant usage on schema clearing to commonwheel_app;

-- Whoever works for the ledger itself sees every account: a transfer moves money between
-- participants. Its transactions are opened for the clearing house, a tenant nobody's token names
-- (`clearing::HOUSE`). Everybody else sees their own accounts and the transfers that touch them.
create function clearing.is_house() returns boolean
    language sql stable parallel safe
    return '636c6561-7269-8e67-8000-000000000001'
        = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]);

-- One account of a participant for each purpose and currency. Counters in fen; they are the sum of
-- the transfers and are changed with them only. Half of each page stays free and no index holds a
-- counter, so that a hot account is updated in place and its dead versions go with the next look
-- at the page.
create table clearing.account (
    account_id          uuid        not null primary key,
    participant         uuid        not null,
    purpose             text        not null check (purpose ~ '^[a-z_]{1,20}$'),
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    -- Most that debits (posted and pending) may exceed posted credits, and the other way round.
    net_debit_cap_fen   bigint,
    net_credit_cap_fen  bigint,
    debits_posted_fen   bigint      not null check (0 <= debits_posted_fen),
    credits_posted_fen  bigint      not null check (0 <= credits_posted_fen),
    debits_pending_fen  bigint      not null check (0 <= debits_pending_fen),
    credits_pending_fen bigint      not null check (0 <= credits_pending_fen),
    opened_at           timestamptz not null,
    moved_at            timestamptz not null check (opened_at <= moved_at),
    constraint account_purpose_is_unique unique (participant, purpose, currency),
    constraint account_debits_fit check (debits_posted_fen <= 9223372036854775807 - debits_pending_fen),
    constraint account_credits_fit check (credits_posted_fen <= 9223372036854775807 - credits_pending_fen)
) with (fillfactor = 50);

-- Caps an account has had, each from an instant on.
create table clearing.account_limit (
    account_id         uuid        not null references clearing.account,
    change             bigint      not null generated always as identity,
    since              timestamptz not null,
    net_debit_cap_fen  bigint,
    net_credit_cap_fen bigint,
    primary key (account_id, change)
);

-- What became of every id a client made: a transfer that was done, or one that was refused and
-- stays refused. One table and one primary key for both, so that no race can make an id be both;
-- a refused one moved nothing and has neither accounts nor amount. Rows are never changed.
--
-- `entry` grows in the order in which transfers moved an account, because its row is locked while
-- they are judged and written.
create table clearing.transfer (
    transfer_id                uuid        not null primary key,
    entry                      bigint      not null generated always as identity,
    kind                       text        not null
        check (kind in ('post', 'reserve', 'post_reserved', 'void', 'expire', 'correct', 'refused')),
    recorded_at                timestamptz not null,
    debit_account_id           uuid,
    credit_account_id          uuid check (credit_account_id <> debit_account_id),
    amount_fen                 bigint check (0 < amount_fen),
    currency                   text,
    -- Whether the client named the amount of a reservation or an original, rather than all of it.
    part                       boolean,
    target_id                  uuid,
    timeout_s                  bigint check (timeout_s between 1 and 4294967295),
    expires_at                 timestamptz,
    reason                     text,
    reference                  text,
    -- Members and order of the chain, the place in it, its length.
    chain_id                   uuid,
    chain_index                int,
    chain_size                 int check (0 <= chain_index and chain_index < chain_size and 2 <= chain_size),
    -- Where both accounts stood afterwards: the balance at any instant is in the last entry before.
    debit_debits_posted_fen    bigint,
    debit_credits_posted_fen   bigint,
    debit_debits_pending_fen   bigint,
    debit_credits_pending_fen  bigint,
    credit_debits_posted_fen   bigint,
    credit_credits_posted_fen  bigint,
    credit_debits_pending_fen  bigint,
    credit_credits_pending_fen bigint,
    refusal                    text,
    body_digest                bytea check (octet_length(body_digest) = 32),
    constraint transfer_is_done_or_refused check (
        case when kind = 'refused'
             then num_nonnulls(refusal, body_digest) = 2
                  and num_nonnulls(debit_account_id, credit_account_id, amount_fen, target_id) = 0
             else num_nonnulls(refusal, body_digest) = 0
                  and num_nonnulls(debit_account_id, credit_account_id, amount_fen, currency, part,
                                   reason, reference, debit_debits_posted_fen,
                                   debit_credits_posted_fen, debit_debits_pending_fen,
                                   debit_credits_pending_fen, credit_debits_posted_fen,
                                   credit_credits_posted_fen, credit_debits_pending_fen,
                                   credit_credits_pending_fen) = 15
        end),
    constraint transfer_target_goes_with_its_kind
        check ((target_id is not null) = (kind in ('post_reserved', 'void', 'expire', 'correct'))),
    constraint transfer_timeout_is_of_a_reservation
        check (kind = 'reserve' or num_nonnulls(timeout_s, expires_at) = 0),
    constraint transfer_chain_is_whole
        check (num_nonnulls(chain_id, chain_index, chain_size) in (0, 3))
);

-- A reservation ends once.
create unique index transfer_ends_reservation_once on clearing.transfer (target_id)
    where kind in ('post_reserved', 'void', 'expire');
-- How much of a transfer is corrected.
create index transfer_corrects on clearing.transfer (target_id) where kind = 'correct';
-- Statements, and balances at an instant: time never runs backwards for an account.
create index transfer_debits on clearing.transfer (debit_account_id, recorded_at, entry)
    where debit_account_id is not null;
create index transfer_credits on clearing.transfer (credit_account_id, recorded_at, entry)
    where credit_account_id is not null;

-- Ids that were refused, for people.
create view clearing.transfer_failure with (security_invoker = true) as
    select transfer_id, refusal, recorded_at from clearing.transfer where kind = 'refused';

-- Reservations that are open and will expire. A row goes when its reservation ends; what is left
-- is what a sweep must look at.
create table clearing.open_reservation (
    reservation_id    uuid        not null primary key,
    debit_account_id  uuid        not null,
    credit_account_id uuid        not null,
    expires_at        timestamptz not null
);
create index open_reservation_due on clearing.open_reservation (expires_at);

alter table clearing.account enable row level security;
create policy account_of_participant on clearing.account using (
    (select clearing.is_house())
    or participant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table clearing.account_limit enable row level security;
create policy account_limit_of_participant on clearing.account_limit
    using (exists (select from clearing.account a where a.account_id = account_limit.account_id));
alter table clearing.open_reservation enable row level security;
create policy open_reservation_of_house on clearing.open_reservation using ((select clearing.is_house()));
alter table clearing.transfer enable row level security;
create policy transfer_of_participant on clearing.transfer
    using ((select clearing.is_house()) or exists (
        select from clearing.account a where a.account_id in (debit_account_id, credit_account_id)));

grant select, insert on clearing.account, clearing.account_limit, clearing.transfer to commonwheel_app;
grant update (net_debit_cap_fen, net_credit_cap_fen, debits_posted_fen, credits_posted_fen,
              debits_pending_fen, credits_pending_fen, moved_at) on clearing.account to commonwheel_app;
grant select, insert, delete on clearing.open_reservation to commonwheel_app;
grant select on clearing.transfer_failure to commonwheel_app;
