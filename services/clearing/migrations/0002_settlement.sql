-- Netting and settlement: cycles, the items in them, what they come to, and how that is settled.

-- Positions are kept one per cycle; other accounts outlive cycles.
alter table clearing.account
    add column cycle_id uuid,
    add constraint account_cycle_is_of_a_position check (cycle_id is null or purpose = 'position'),
    drop constraint account_purpose_is_unique,
    add constraint account_purpose_is_unique
        unique nulls not distinct (participant, purpose, currency, cycle_id);
create index account_of_cycle on clearing.account (cycle_id) where cycle_id is not null;

-- How a region, or the nation (000000), settles; from an instant on. Which items share a cycle, when
-- it ends and what happens when somebody is silent or does not pay are data. A cycle keeps the
-- scheme it was opened under.
create table clearing.scheme (
    region        text        not null check (region ~ '^[0-9]{6}$'),
    since         timestamptz not null,
    -- One cycle for everything, or one for each cover.
    division      text        not null check (division in ('overall', 'by_cover')),
    -- When a cycle ends by itself, on the hour zero of China.
    period        text        not null check (period in ('day', 'week', 'month', 'by_hand')),
    confirm_days  int         not null check (confirm_days between 1 and 90),
    funds_days    int         not null check (funds_days between 1 and 90),
    -- What silence until the deadline means: agreement, or nothing.
    on_silence    text        not null check (on_silence in ('deem', 'hold')),
    -- What happens when a participant does not pay: its collateral pays, else its items leave the
    -- cycle; or they leave it at once.
    on_failure    text        not null check (on_failure in ('collateral', 'unwind')),
    -- Not confirmed by any rule of the market: a proposal of this platform.
    proposed      boolean     not null,
    set_by        text        not null,
    primary key (region, since)
);
insert into clearing.scheme values
    ('000000', '2020-01-01 00:00:00+08', 'overall', 'month', 15, 5, 'deem', 'collateral', true, 'commonwheel');

-- A settlement cycle (清算批次). One is open for each division of a region that has a scheme.
-- The instants of its life are set once, in this order.
create table clearing.cycle (
    cycle_id         uuid        not null primary key,
    region           text        not null,
    -- The cover it is for; empty when it is for all.
    cover            text        not null,
    cycle_number     int         not null check (0 < cycle_number),
    scheme_since     timestamptz not null,
    opened_at        timestamptz not null,
    -- When it is to be closed; null when that is done by hand.
    due_at           timestamptz check (opened_at < due_at),
    closed_at        timestamptz,
    stated_at        timestamptz,
    funds_ordered_at timestamptz,
    settled_at       timestamptz,
    reconciled_at    timestamptz,
    foreign key (region, scheme_since) references clearing.scheme (region, since),
    constraint cycle_number_is_unique unique (region, cover, cycle_number),
    constraint cycle_goes_in_order check (
        (stated_at is null or closed_at is not null)
        and (funds_ordered_at is null or stated_at is not null)
        and (settled_at is null or funds_ordered_at is not null)
        and (reconciled_at is null or settled_at is not null))
);
create unique index cycle_is_open_once on clearing.cycle (region, cover) where closed_at is null;
create index cycle_under_way on clearing.cycle (closed_at) where settled_at is null;

-- What one insurer owes another (结算明细). It belongs to the cycle that was open when it was
-- committed: whoever inserts here holds the cycle's scope shared, whoever closes holds it alone.
create table clearing.item (
    item_id       uuid        not null primary key,
    item          bigint      not null generated always as identity,
    cycle_id      uuid        not null references clearing.cycle,
    kind          text        not null check (kind ~ '^[a-z_]{1,20}$'),
    reference     text        not null,
    payer         uuid        not null,
    payer_insurer text        not null,
    payee         uuid        not null check (payee <> payer),
    payee_insurer text        not null,
    cover         text        not null,
    region        text        not null,
    amount_fen    bigint      not null check (0 < amount_fen),
    claim_codes   text[]      not null,
    -- What it takes back, or what left another cycle and is put in again.
    reverses      uuid        references clearing.item,
    again         uuid        references clearing.item,
    posted_at     timestamptz not null,
    constraint item_is_of_one_origin check (num_nonnulls(reverses, again) <= 1),
    constraint item_is_put_in_again_once unique (again)
);
create index item_of_pair on clearing.item (cycle_id, payer, payee, cover, item);
create index item_by_reference on clearing.item (reference);
create index item_reverses on clearing.item (reverses) where reverses is not null;

-- What the items of a cycle between two insurers come to, by cover, those that left taken out.
-- Kept with each item, so that closing adds up pairs and not items.
create table clearing.pair (
    cycle_id      uuid   not null references clearing.cycle,
    payer         uuid   not null,
    payee         uuid   not null,
    cover         text   not null,
    payer_insurer text   not null,
    payee_insurer text   not null,
    items         bigint not null check (0 <= items),
    amount_fen    bigint not null check (0 <= amount_fen),
    primary key (cycle_id, payer, payee, cover)
) with (fillfactor = 50);

-- Items that left their cycle after it was closed.
create table clearing.departure (
    item_id     uuid        not null primary key references clearing.item,
    cycle_id    uuid        not null references clearing.cycle,
    cause       text        not null check (cause in ('disputed', 'unwound')),
    -- Who disputed it, or who failed.
    participant uuid        not null,
    reason      text        not null,
    note        text        not null,
    left_at     timestamptz not null
);
create index departure_of_cycle on clearing.departure (cycle_id);

-- What a participant is told a cycle comes to (对账单). A later revision replaces an earlier one and
-- nothing is overwritten; the body is the text that was signed.
create table clearing.statement (
    cycle_id     uuid        not null references clearing.cycle,
    participant  uuid        not null,
    revision     int         not null check (0 < revision),
    body         text        not null,
    net_fen      bigint      not null,
    digest       bytea       not null check (octet_length(digest) = 32),
    public_key   bytea       not null check (octet_length(public_key) = 32),
    signature    bytea       not null check (octet_length(signature) = 64),
    sent_at      timestamptz not null,
    primary key (cycle_id, participant, revision)
);

-- Agreement to a revision of a statement: by the participant, by its silence, or by the rule that a
-- failure of another is settled by.
create table clearing.confirmation (
    cycle_id     uuid        not null,
    participant  uuid        not null,
    revision     int         not null,
    manner       text        not null check (manner in ('confirmed', 'deemed', 'unwound')),
    client       text        not null,
    confirmed_at timestamptz not null,
    primary key (cycle_id, participant, revision),
    foreign key (cycle_id, participant, revision) references clearing.statement
);

-- Money ordered for a cycle. A participant may have several over time, one open at most.
create table clearing.funds_order (
    order_id    uuid        not null primary key,
    cycle_id    uuid        not null references clearing.cycle,
    participant uuid        not null,
    direction   text        not null check (direction in ('collect', 'pay_out')),
    amount_fen  bigint      not null check (0 < amount_fen),
    arrived_fen bigint      not null check (arrived_fen between 0 and amount_fen),
    ordered_at  timestamptz not null,
    due_at      timestamptz not null,
    -- Done, or no longer wanted because the position changed.
    ended_at    timestamptz,
    outcome     text check (outcome in ('done', 'withdrawn', 'collateral')),
    constraint funds_order_ends_somehow check ((ended_at is null) = (outcome is null)),
    constraint funds_order_done_is_whole check (outcome <> 'done' or arrived_fen = amount_fen)
);
create unique index funds_order_is_open_once on clearing.funds_order (cycle_id, participant)
    where ended_at is null;
create index funds_order_of_cycle on clearing.funds_order (cycle_id);

-- Participants that did not pay, and what was done by the rule.
create table clearing.failure (
    cycle_id    uuid        not null references clearing.cycle,
    participant uuid        not null,
    owed_fen    bigint      not null check (0 < owed_fen),
    remedy      text        not null check (remedy in ('collateral', 'unwound')),
    note        text        not null,
    client      text        not null,
    failed_at   timestamptz not null,
    primary key (cycle_id, participant, failed_at)
);

create function clearing.is_tenant(participant uuid) returns boolean
    language sql stable parallel safe
    return participant = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]);

-- The market's calendar and rules are everybody's to read; the house alone writes.
alter table clearing.scheme enable row level security;
create policy scheme_of_all on clearing.scheme using (true) with check ((select clearing.is_house()));
alter table clearing.cycle enable row level security;
create policy cycle_of_all on clearing.cycle for select using (true);
create policy cycle_of_house on clearing.cycle using ((select clearing.is_house()));
alter table clearing.item enable row level security;
create policy item_of_both on clearing.item
    using ((select clearing.is_house()) or clearing.is_tenant(payer) or clearing.is_tenant(payee))
    with check ((select clearing.is_house()));
alter table clearing.pair enable row level security;
create policy pair_of_both on clearing.pair
    using ((select clearing.is_house()) or clearing.is_tenant(payer) or clearing.is_tenant(payee))
    with check ((select clearing.is_house()));
alter table clearing.departure enable row level security;
create policy departure_of_both on clearing.departure
    using ((select clearing.is_house())
        or exists (select from clearing.item i where i.item_id = departure.item_id))
    with check ((select clearing.is_house()));
alter table clearing.statement enable row level security;
create policy statement_of_participant on clearing.statement
    using ((select clearing.is_house()) or clearing.is_tenant(participant))
    with check ((select clearing.is_house()));
alter table clearing.confirmation enable row level security;
create policy confirmation_of_participant on clearing.confirmation
    using ((select clearing.is_house()) or clearing.is_tenant(participant))
    with check ((select clearing.is_house()));
alter table clearing.funds_order enable row level security;
create policy funds_order_of_participant on clearing.funds_order
    using ((select clearing.is_house()) or clearing.is_tenant(participant))
    with check ((select clearing.is_house()));
alter table clearing.failure enable row level security;
create policy failure_of_participant on clearing.failure
    using ((select clearing.is_house()) or clearing.is_tenant(participant))
    with check ((select clearing.is_house()));

grant select, insert on clearing.scheme, clearing.item, clearing.departure, clearing.statement,
    clearing.confirmation, clearing.failure, clearing.cycle, clearing.pair, clearing.funds_order
    to commonwheel_app;
grant update (closed_at, stated_at, funds_ordered_at, settled_at, reconciled_at) on clearing.cycle
    to commonwheel_app;
grant update (items, amount_fen) on clearing.pair to commonwheel_app;
grant update (arrived_fen, ended_at, outcome) on clearing.funds_order to commonwheel_app;
