-- Remittance: what gathers for tax offices, the social assistance fund and intermediaries is paid on.

-- Whom shares of premiums are for. A payee is there from its first share on; nothing is paid on before
-- the operator registered it. It owns the account its shares gather on and its bank account
-- (payment_account, where changes are kept).
create table clearing.payee (
    payee_id uuid not null primary key,
    share_of text not null check (share_of in ('tax', 'fund', 'commission')),
    -- A region for tax and fund, a licence for commissions.
    code     text not null check (length(code) between 1 and 40),
    name     text check (length(name) between 1 and 140),
    -- How often it is paid.
    period   text check (period in ('day', 'week', 'month', 'by_hand')),
    -- The operator that registered it: its key seals the bank account, and its the orders are.
    keeper   uuid,
    -- The day from which the next remittance is made by itself.
    due_on   date,
    constraint payee_code_is_unique unique (share_of, code),
    constraint payee_is_registered_whole check (num_nonnulls(name, period, keeper) in (0, 3)),
    constraint payee_is_due_unless_by_hand
        check ((due_on is null) = (coalesce(period, 'by_hand') = 'by_hand'))
);
create index payee_due on clearing.payee (due_on) where due_on is not null;

-- What was paid on for a day and all days before it that had not been: once. Never changed; the
-- orders that pay it name it, and where it stands is what they say.
create table clearing.remittance (
    remittance_id uuid        not null primary key,
    payee_id      uuid        not null references clearing.payee,
    -- The last day it holds, in China.
    through       date        not null,
    -- The last booking of the payee's account it looked at.
    last_at       timestamptz not null,
    last_entry    bigint      not null,
    opening_fen   bigint      not null,
    lines_fen     bigint      not null,
    amount_fen    bigint      not null check (0 <= amount_fen),
    carried_fen   bigint      not null,
    run_by        text        not null check (length(run_by) between 1 and 200),
    run_at        timestamptz not null,
    constraint remittance_is_made_once unique (payee_id, through),
    constraint remittance_adds_up check (opening_fen + lines_fen = amount_fen + carried_fen)
);

-- The source payments of a remittance: what each booked since the one before. Never changed.
create table clearing.remittance_line (
    remittance_id uuid   not null references clearing.remittance,
    order_id      uuid   not null references clearing.payment_order,
    share_of      text   not null check (share_of in ('tax', 'fund', 'commission')),
    amount_fen    bigint not null check (amount_fen <> 0),
    primary key (remittance_id, order_id)
);
create index remittance_line_of_order on clearing.remittance_line (order_id);

-- The house's, but that whoever sees a payment sees where its shares went.
alter table clearing.payee enable row level security;
create policy payee_of_house on clearing.payee using ((select clearing.is_house()));
alter table clearing.remittance enable row level security;
create policy remittance_of_house on clearing.remittance using ((select clearing.is_house()));
alter table clearing.remittance_line enable row level security;
create policy remittance_line_of_payment on clearing.remittance_line
    using ((select clearing.is_house()) or exists (
        select from clearing.payment_order o where o.order_id = remittance_line.order_id))
    with check ((select clearing.is_house()));

grant select, insert on clearing.payee, clearing.remittance, clearing.remittance_line
    to commonwheel_app;
grant update (name, period, keeper, due_on) on clearing.payee to commonwheel_app;
