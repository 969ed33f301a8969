-- Payments: orders to the bank, what became of them, and whose their money is.

-- Where a participant keeps its own money. A change is a new row; the latest counts.
create table clearing.payment_account (
    participant    uuid        not null,
    change         bigint      not null generated always as identity,
    account_sealed bytea       not null,
    account_masked text        not null check (length(account_masked) between 1 and 100),
    registered_by  text        not null,
    registered_at  timestamptz not null,
    primary key (participant, change)
);

-- One order. What was ordered never changes; where it stands does, and every word of the bank that
-- moved it is in payment_report.
create table clearing.payment_order (
    order_id       uuid        not null primary key,
    participant    uuid        not null,
    direction      text        not null check (direction in ('collect', 'pay_out')),
    purpose        text        not null check (purpose ~ '^[a-z_]{1,20}$'),
    -- The cycle, claim, quote, order or advance it is for.
    about          text        not null check (length(about) <= 64),
    amount_fen     bigint      not null check (0 < amount_fen),
    reference      text        not null check (length(reference) between 1 and 35),
    payee_sealed   bytea       not null,
    payee_masked   text        not null check (length(payee_masked) between 1 and 100),
    -- Of everything above but the payee, whose sealed form differs each time; the payee's own digest
    -- is keyed by the tenant's index key.
    body_digest    bytea       not null check (octet_length(body_digest) = 32),
    ordered_at     timestamptz not null,
    stage          text        not null check (stage in
        ('ordered', 'sent', 'accepted', 'partly_settled', 'settled', 'rejected', 'returned')),
    settled_fen    bigint      not null check (settled_fen between 0 and amount_fen),
    returned_fen   bigint      not null check (returned_fen between 0 and settled_fen),
    reason         text        check (length(reason) <= 140),
    bank_ref       text        check (length(bank_ref) <= 64),
    sent_at        timestamptz check (ordered_at <= sent_at),
    moved_at       timestamptz not null check (ordered_at <= moved_at),
    -- When somebody has to look at it next: send it, or ask the bank. Null when it is over.
    due_at         timestamptz,
    attempts       int         not null default 0 check (0 <= attempts),
    -- Whoever waits for the whole amount has been told (or nobody waits).
    told_at        timestamptz,
    constraint payment_order_stage_is_whole check (
        case stage
            when 'settled' then settled_fen = amount_fen and returned_fen = 0
            when 'partly_settled' then 0 < settled_fen and settled_fen < amount_fen and returned_fen = 0
            when 'rejected' then settled_fen < amount_fen and returned_fen = 0 and reason is not null
            when 'returned' then 0 < returned_fen and reason is not null
            else settled_fen = 0 and returned_fen = 0
        end),
    constraint payment_order_is_sent_once_it_leaves check ((stage = 'ordered') <= (sent_at is null))
);
create index payment_order_due on clearing.payment_order (due_at) where due_at is not null;
create index payment_order_untold on clearing.payment_order (moved_at)
    where told_at is null and stage = 'settled';
create index payment_order_of_participant on clearing.payment_order (participant, ordered_at, order_id);
create index payment_order_about on clearing.payment_order (purpose, about);

-- Whose the money of an order is, in the order in which it is served.
create table clearing.payment_share (
    order_id   uuid     not null references clearing.payment_order,
    place      smallint not null check (0 <= place),
    owner      uuid     not null,
    share_of   text     not null check (share_of ~ '^[a-z_]{1,20}$'),
    account_id uuid     not null references clearing.account,
    amount_fen bigint   not null check (0 < amount_fen),
    primary key (order_id, place)
);

-- What the bank said of an order: answers, notices and statement lines. Never changed. A notice is
-- heard once, by its own name.
create table clearing.payment_report (
    order_id     uuid        not null references clearing.payment_order,
    source       text        not null check (source in ('answer', 'notice', 'statement')),
    notice_id    text        not null check (length(notice_id) between 1 and 128),
    heard        bigint      not null generated always as identity,
    word         text        not null check (word in ('accepted', 'settled', 'rejected', 'returned')),
    settled_fen  bigint      not null,
    returned_fen bigint      not null,
    reason       text,
    bank_ref     text,
    said_at      timestamptz not null,
    heard_at     timestamptz not null,
    -- Why it could not be true, when it could not; then it moved nothing.
    contradicts  text,
    primary key (order_id, source, notice_id)
);
create index payment_report_in_order on clearing.payment_report (order_id, heard);

alter table clearing.payment_account enable row level security;
create policy payment_account_of_participant on clearing.payment_account using (
    (select clearing.is_house())
    or participant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table clearing.payment_order enable row level security;
create policy payment_order_of_participant on clearing.payment_order using (
    (select clearing.is_house())
    or participant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table clearing.payment_share enable row level security;
create policy payment_share_of_participant on clearing.payment_share using (exists (
    select from clearing.payment_order o where o.order_id = payment_share.order_id));
alter table clearing.payment_report enable row level security;
create policy payment_report_of_participant on clearing.payment_report using (exists (
    select from clearing.payment_order o where o.order_id = payment_report.order_id));

grant select, insert on clearing.payment_account, clearing.payment_order, clearing.payment_share,
    clearing.payment_report to commonwheel_app;
grant update (stage, settled_fen, returned_fen, reason, bank_ref, sent_at, moved_at, due_at, attempts,
              told_at) on clearing.payment_order to commonwheel_app;
